//! `alerts list` and `alerts show`.

use super::{moment, reader, story};
use crate::cli::{AlertFilterArgs, AlertsListArgs, AlertsShowArgs, AlertsViolationsArgs, flat};
use crate::config::Config;
use crate::evidence;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, short_time};
use ot_evidence::Folder;
use ot_store::read::{AlertQuery, Reader};
use ot_views::alert::{AlertFilter, find_alert, short_id};
use ot_views::evidence::EvidenceFile;
use ot_views::status::status;
use ot_views::{AlertStory, Names, PeerView, alerts};

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
    if args.csv {
        output.csv(ot_views::csv::ALERT)?;
        for alert in &found {
            output.csv(ot_views::csv::alert(alert, status(alert)))?;
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
            alert.importance.as_deref().unwrap_or_default().into(),
        ]);
    }
    let mut header =
        vec!["ID", "LAST", "SEVERITY", "STATUS", "COUNT", "TITLE", "SOURCE", "DESTINATION", "ATT&CK", "IMPORTANCE"];
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
            zones: args.zone.clone(),
            importances: flat(&args.importance),
            said: args.said.fields(),
            kinds: flat(&args.kind),
            text: args.text.clone(),
            expected: (args.expected || args.not_expected).then_some(args.expected),
            windows: windows(reader, &args.ticket)?,
            ..AlertQuery::default()
        },
        devices: args.device.clone(),
        sources: args.source.clone(),
        destinations: args.destination.clone(),
        sensors: known_sensors(reader, &args.sensor)?,
        categories: flat(&args.category),
    })
}

/// Sensors that this store holds findings of.
fn known_sensors(reader: &Reader, asked: &[String]) -> anyhow::Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let known = reader.sensors()?;
    match asked.iter().find(|asked| known.iter().all(|(id, _)| id != *asked)) {
        Some(id) => Err(Failure::not_found(format!(
            "no run of a sensor {id:?} is in this store; those are {}",
            known.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ")
        ))
        .into()),
        None => Ok(asked.to_vec()),
    }
}

/// The maintenance windows of tickets.
fn windows(reader: &Reader, tickets: &[String]) -> anyhow::Result<Vec<u32>> {
    let mut windows = Vec::new();
    for ticket in tickets {
        let found = reader.maintenance(Some(ticket))?;
        if found.is_empty() {
            return Err(Failure::not_found(format!(
                "no maintenance of ticket {ticket:?} was ever planned; `ot-sensor maintenance list --all` shows the tickets"
            ))
            .into());
        }
        windows.extend(found.into_iter().map(|row| row.window.number));
    }
    Ok(windows)
}

pub fn show(output: &mut Output, args: &AlertsShowArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let mut alert = ot_views::alert(&names, &args.id)?;
    let folder = evidence::folder(&Config::of(&args.store)?, reader.path());
    check_files(&mut alert, &folder);
    if args.output.json {
        output.json(&alert)?;
    } else {
        story::show(output, &reader, &alert)?;
    }
    Ok(Exit::Done)
}

/// `alerts violations`.
pub fn violations(output: &mut Output, args: &AlertsViolationsArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let alert = find_alert(&reader, &args.id)?;
    let found = ot_views::alert::violations(&names, alert.number)?;
    if args.output.json {
        for violation in &found {
            output.json(violation)?;
        }
        return Ok(Exit::Done);
    }
    if args.csv {
        const COLUMNS: [&str; 12] = [
            "number",
            "first_seen",
            "last_seen",
            "count",
            "function",
            "object",
            "value",
            "outcome",
            "file",
            "frame",
            "detail",
            "expected_count",
        ];
        output.csv(COLUMNS)?;
        for violation in found {
            let frame = violation.frame.as_ref();
            output.csv([
                violation.number.to_string(),
                violation.first_seen,
                violation.last_seen,
                violation.count.to_string(),
                violation.function,
                violation.object,
                violation.value,
                violation.outcome_detail.or(violation.outcome).unwrap_or_default(),
                frame.map(|frame| frame.file.clone()).unwrap_or_default(),
                frame.map(|frame| frame.number.to_string()).unwrap_or_default(),
                violation.detail,
                violation.expected_count.to_string(),
            ])?;
        }
        return Ok(Exit::Done);
    }
    let rows = found.iter().map(story::violation_row).collect();
    output.table(&story::VIOLATION_COLUMNS, rows, 0)?;
    let kept = u32::try_from(found.len()).unwrap_or(u32::MAX);
    if alert.violation_count > kept {
        let more = alert.violation_count - kept;
        output.line(&format!("and {more} more that differ, which were counted and not kept"))?;
    }
    Ok(Exit::Done)
}

/// Takes out of an alert the files that are not in the evidence folder any more.
pub fn check_files(alert: &mut AlertStory, folder: &Folder) {
    let there = |file: &EvidenceFile| folder.file(&file.name).is_file();
    alert.evidence.without_lost(&alert.line.frames, there, &folder.path().display().to_string());
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
