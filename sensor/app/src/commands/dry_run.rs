//! `alerts learn --dry-run`: which past alerts and violations learning would have hidden. Changes nothing.
//!
//! The engine is loaded from the store and does in memory what is asked for; then each violation in the store is held
//! against it by the same question that the engine asks before it tells of one.

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, short_time};
use ot_engine::catalogue::{self, AlertType};
use ot_engine::config::Learning;
use ot_engine::model::EntryId;
use ot_engine::{Command, Engine};
use ot_store::read::Reader;
use ot_store::{NewCommand, Store};
use ot_views::alert::short_id;
use serde::Serialize;
use std::collections::BTreeMap;

/// Alerts shown; all are in the JSON.
const SHOWN: usize = 40;

/// A past alert of which something would have been hidden.
#[derive(Debug, Serialize)]
struct Hidden {
    schema: u32,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    severity: String,
    first_detection: String,
    last_detection: String,
    /// Violations of it in all.
    violations: u64,
    /// Of these hidden; `at_least` where not all of them were kept as rows.
    hidden: u64,
    at_least: bool,
    /// Whether the alert would not have been raised at all.
    whole: bool,
}

/// What is known of an alert while its violations are gone through.
struct Tally {
    kind: &'static AlertType,
    rows: u32,
    kept: u32,
    count: u64,
    /// Those not hidden before: how often they came, and what they depart from.
    open: Vec<(u64, Vec<EntryId>)>,
}

pub fn learn(
    output: &mut Output,
    config: &Config,
    reader: &Reader,
    asked: &[NewCommand],
    json: bool,
) -> anyhow::Result<Exit> {
    let mut store = Store::open_existing(reader.path())?;
    let mut engine_config = config.engine.clone();
    engine_config.learning = Learning::AsStored;
    let mut engine = Engine::new(engine_config, store.snapshot()?);

    let learnable: Vec<&str> = catalogue::all().iter().filter(|kind| kind.learnable).map(|kind| kind.id).collect();
    let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
    reader.departures(&learnable, |row| {
        let Some(kind) = catalogue::by_id(&row.kind) else { return };
        let tally = tallies.entry(row.alert).or_insert_with(|| Tally {
            kind,
            rows: row.violation_count,
            kept: 0,
            count: row.alert_count,
            open: Vec::new(),
        });
        tally.kept += 1;
        if !engine.hides(kind, &row.entries) {
            tally.open.push((row.count, row.entries));
        }
    })?;

    let mut refused = Vec::new();
    let mut learned = Vec::new();
    for (id, new) in (u64::MAX / 2..).zip(asked) {
        let NewCommand { alert, action, who, why, wall_time } = new.clone();
        if let Some(id) = &alert
            && !engine.knows(id)
            && let Some(alert) = store.alert(id)?
        {
            engine.recall(alert);
        }
        let shown = alert.clone().unwrap_or_default();
        match engine.command(&Command { id, act: u64::MAX / 2, alert, action, who, why, wall_time }) {
            Ok(_) => learned.push(shown),
            Err(reason) => refused.push((shown, reason)),
        }
    }

    let mut hidden = Vec::new();
    for (number, tally) in tallies {
        let mut now = 0_u64;
        let mut all = true;
        for (count, entries) in &tally.open {
            if engine.hides(tally.kind, entries) {
                now += count;
            } else {
                all = false;
            }
        }
        let Some(alert) = reader.alert(number)? else { continue };
        // What a learned alert without entries tells is silent by its key.
        let by_key = alert.entries.is_empty() && learned.contains(&alert.id);
        let beyond = tally.rows > tally.kept;
        let whole = by_key || (all && now > 0 && (!beyond || engine.hides(tally.kind, &alert.entries)));
        if whole && (by_key || beyond) {
            now = tally.count;
        }
        if now == 0 {
            continue;
        }
        hidden.push(Hidden {
            schema: ot_views::SCHEMA,
            id: alert.id,
            kind: alert.kind,
            title: tally.kind.title.to_owned(),
            severity: alert.severity.as_str().to_owned(),
            first_detection: alert.first_detection.to_string(),
            last_detection: alert.last_detection.to_string(),
            violations: tally.count,
            hidden: now,
            at_least: beyond && !whole,
            whole,
        });
    }
    if json {
        for alert in &hidden {
            output.json(alert)?;
        }
    } else {
        tell(output, reader, &hidden)?;
    }
    match refused.into_iter().next() {
        Some((id, reason)) => {
            let id = short_id(reader, &id)?;
            Err(Failure::not_found(format!("alert {id} would not be learned: {reason}")).into())
        }
        None => Ok(Exit::Done),
    }
}

fn tell(output: &mut Output, reader: &Reader, hidden: &[Hidden]) -> anyhow::Result<()> {
    let violations = hidden.iter().fold(0_u64, |sum, alert| sum.saturating_add(alert.hidden));
    let whole = hidden.iter().filter(|alert| alert.whole).count();
    let at_least = if hidden.iter().any(|alert| alert.at_least) { "at least " } else { "" };
    output.line(&format!(
        "would have hidden {at_least}{violations} violation{} of {}, {whole} of them whole; nothing was changed",
        if violations == 1 { "" } else { "s" },
        super::triage::plural(hidden.len(), "alert")
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
