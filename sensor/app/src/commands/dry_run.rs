//! `alerts learn --dry-run`: which past alerts and violations learning would have hidden. Changes nothing.

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, short_time};
use ot_engine::words::number_of;
use ot_store::NewCommand;
use ot_store::read::Reader;
use ot_views::alert::short_id;
use ot_views::preview::{HiddenAlert, preview};

/// Alerts shown; all are in the JSON.
const SHOWN: usize = 40;

pub fn learn(
    output: &mut Output,
    config: &Config,
    reader: &Reader,
    asked: &[NewCommand],
    json: bool,
) -> anyhow::Result<Exit> {
    let found = preview(reader, &config.engine, asked, None)?;
    if json {
        for alert in &found.hidden {
            output.json(alert)?;
        }
    } else {
        tell(output, reader, &found.hidden)?;
    }
    match found.refused.into_iter().next() {
        Some((id, reason)) => {
            let id = short_id(reader, &id)?;
            Err(Failure::not_found(format!("alert {id} would not be learned: {reason}")).into())
        }
        None => Ok(Exit::Done),
    }
}

fn tell(output: &mut Output, reader: &Reader, hidden: &[HiddenAlert]) -> anyhow::Result<()> {
    let violations = hidden.iter().fold(0_u64, |sum, alert| sum.saturating_add(alert.hidden));
    let whole = hidden.iter().filter(|alert| alert.whole).count();
    let at_least = if hidden.iter().any(|alert| alert.at_least) { "at least " } else { "" };
    output.line(&format!(
        "would have hidden {at_least}{violations} violation{} of {}, {whole} of them whole; nothing was changed",
        if violations == 1 { "" } else { "s" },
        number_of(hidden.len(), "alert")
    ))?;
    if hidden.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    for alert in hidden.iter().take(SHOWN) {
        rows.push(vec![
            short_id(reader, &alert.id)?.into(),
            Text::styled(alert.severity.as_str(), Style::of_severity(&alert.severity)),
            alert.title.as_str().into(),
            format!("{}{} of {}", if alert.at_least { "at least " } else { "" }, alert.hidden, alert.violations).into(),
            short_time(&alert.first_detection).into(),
            short_time(&alert.last_detection).into(),
        ]);
    }
    output.table(&["ID", "SEVERITY", "TITLE", "HIDDEN", "FIRST", "LAST"], rows, 0)?;
    if hidden.len() > SHOWN {
        output.line(&format!("and {} more; --json shows all", hidden.len() - SHOWN))?;
    }
    Ok(())
}
