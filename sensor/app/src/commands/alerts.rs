//! `alerts list` and `alerts show`.

use super::{moment, reader, story};
use crate::cli::{AlertFilterArgs, AlertsListArgs, AlertsShowArgs, flat};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, short_time};
use ot_store::read::{AlertQuery, Reader};
use ot_views::alert::{AlertFilter, short_id};
use ot_views::{AlertLine, Names, PeerView, alerts};

pub fn list(output: &mut Output, args: &AlertsListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let natural = args.sort == crate::cli::SortArg::Type;
    let mut filter = filter(&reader, &args.filter)?;
    filter.query.sort = args.sort.into();
    filter.query.ascending = natural != args.reverse;
    filter.query.limit = args.limit;
    let found = alerts(&names, &filter)?;
    if found.is_empty() {
        return Err(Failure::not_found(format!(
            "nothing found: no alert in {} meets these conditions",
            reader.path().display()
        ))
        .into());
    }
    if args.output.json {
        for alert in &found {
            output.json(alert)?;
        }
        return Ok(Exit::Done);
    }
    let mut rows = Vec::with_capacity(found.len());
    for alert in &found {
        rows.push(vec![
            short_id(&reader, &alert.id)?.into(),
            short_time(&alert.last_detection).into(),
            Text::styled(alert.severity.as_str(), Style::of_severity(&alert.severity)),
            status(alert).into(),
            alert.count.into(),
            alert.title.as_str().into(),
            peers(alert.all_sources(), alert.source_count).into(),
            peers(alert.all_destinations(), alert.destination_count).into(),
            alert.techniques.join(" ").into(),
        ]);
    }
    let mut header = vec!["ID", "LAST", "SEVERITY", "STATUS", "COUNT", "TITLE", "SOURCE", "DESTINATION", "ATT&CK"];
    if output.is_narrow(120) {
        header.truncate(8);
        rows.iter_mut().for_each(|row: &mut Vec<Text>| row.truncate(8));
    }
    output.table(&header, rows, 0)?;
    Ok(Exit::Done)
}

/// What a person asks for, in words of the store.
pub fn filter(reader: &Reader, args: &AlertFilterArgs) -> anyhow::Result<AlertFilter> {
    Ok(AlertFilter {
        query: AlertQuery {
            since: moment(reader, args.since)?,
            until: moment(reader, args.until)?,
            severities: flat(&args.severity),
            engines: flat(&args.engine),
            statuses: flat(&args.status),
            protocols: args.protocol.clone(),
            techniques: flat(&args.technique),
            kinds: flat(&args.kind),
            text: args.text.clone(),
            ..AlertQuery::default()
        },
        devices: args.device.clone(),
        sources: args.source.clone(),
        destinations: args.destination.clone(),
    })
}

pub fn show(output: &mut Output, args: &AlertsShowArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let alert = ot_views::alert(&names, &args.id)?;
    if args.output.json {
        output.json(&alert)?;
    } else {
        story::show(output, &reader, &alert)?;
    }
    Ok(Exit::Done)
}

/// Status, and how it came to it.
pub fn status(alert: &AlertLine) -> String {
    match (alert.learned, alert.muted) {
        (true, _) => match &alert.learned_until {
            Some(end) => format!("{}, learned until {}", alert.status, short_time(end)),
            None => format!("{}, learned", alert.status),
        },
        (false, true) => format!("{}, muted", alert.status),
        (false, false) => alert.status.clone(),
    }
}

/// One side in a list: the device, or how many.
fn peers(list: &[PeerView], count: Option<u32>) -> String {
    match (list, count) {
        ([], _) => "-".to_owned(),
        ([one], None) => one.label(),
        ([first, ..], count) => {
            let all = count.unwrap_or_default().max(u32::try_from(list.len()).unwrap_or(u32::MAX));
            format!("{} and {} more", first.label(), all.saturating_sub(1))
        }
    }
}
