//! `maintenance add`, `list`, `remove` and `report`.

use super::reader;
use super::triage::{carry_out, command, open};
use crate::cli::{
    MaintenanceAddArgs, MaintenanceListArgs, MaintenanceRemoveArgs, MaintenanceReportArgs, flat, unknown,
};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, clean, short_time};
use crate::when::show_span;
use ot_engine::Action;
use ot_engine::context::Source;
use ot_engine::maintenance::Plan;
use ot_engine::words::number_of;
use ot_protocol::time::SECOND;
use ot_store::read::Reader;
use ot_views::Names;
use ot_views::alert::short_id;
use ot_views::maintenance::{Known, Reported, WindowLine, WindowReport, WorkSum, report as report_view, windows};
use ot_views::names::PeerView;
use std::collections::BTreeSet;

/// Alerts and devices of a report that are named one by one; all are in the JSON.
const NAMED: usize = 25;
/// Width of the left column.
const LEFT: usize = 14;

pub fn add(output: &mut Output, args: &MaintenanceAddArgs) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(&args.store)?;
    let known = Known::new(&reader, &config.engine)?;
    let end = args.end.or_else(|| args.span.map(|span| args.start.plus(span))).unwrap_or(args.start);
    let plan = Plan {
        ticket: args.ticket.clone(),
        devices: known.selectors(&args.device).map_err(Failure::usage)?,
        by: known.selectors(&args.by).map_err(Failure::usage)?,
        kinds: flat(&args.kind),
        start: args.start,
        end,
        note: args.note.clone(),
    };
    plan.check().map_err(Failure::usage)?;
    for selector in plan.devices.iter().chain(&plan.by).filter(|selector| !known.has(selector)) {
        output.line(&clean(&format!("note: no device was seen at {selector} so far; it is planned all the same")))?;
    }
    drop(known);
    drop(reader);
    let length = show_span(plan.end.since(plan.start));
    let shown = format!("{}, {} to {} ({length})", plan.ticket, plan.start, plan.end);
    let command = command(&args.who, Action::MaintenanceAdd(Box::new(plan)), None)?;
    carry_out(output, &config, &path, &[command], &[shown])
}

pub fn list(output: &mut Output, args: &MaintenanceListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let found = windows(&Names::new(&reader), args.ticket.as_deref(), args.all)?;
    if found.is_empty() {
        return Err(none(&reader, args.ticket.as_deref())?.into());
    }
    if args.output.json {
        for window in &found {
            output.json(window)?;
        }
        return Ok(Exit::Done);
    }
    let rows = found
        .iter()
        .map(|window| {
            vec![
                window.window.into(),
                window.ticket.as_str().into(),
                window.state.as_str().into(),
                short_time(&window.start).into(),
                short_time(&window.end).into(),
                window.devices.join(", ").into(),
                or(window.by.join(", "), "anyone").into(),
                or(window.kinds.join(", "), "any").into(),
                window.planned_by.as_deref().unwrap_or("configuration").into(),
                window.note.as_str().into(),
            ]
        })
        .collect();
    output.table(&["#", "TICKET", "STATE", "START", "END", "DEVICES", "BY", "KINDS", "PLANNED BY", "NOTE"], rows, 0)?;
    Ok(Exit::Done)
}

/// Nothing is planned, or not under this ticket.
fn none(reader: &Reader, ticket: Option<&str>) -> anyhow::Result<Failure> {
    let path = reader.path().display();
    let Some(ticket) = ticket else {
        return Ok(Failure::not_found(format!("nothing found: no maintenance is planned in {path}")));
    };
    let known: BTreeSet<String> = reader.maintenance(None)?.into_iter().map(|row| row.window.plan.ticket).collect();
    let hint =
        if known.is_empty() { "none is planned".to_owned() } else { unknown(ticket, known.iter().map(String::as_str)) };
    Ok(Failure::not_found(format!("nothing found: no maintenance of ticket {ticket} that stands in {path}; {hint}")))
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

pub fn remove(output: &mut Output, args: &MaintenanceRemoveArgs) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(&args.store)?;
    let now = reader.newest()?;
    let standing = reader.maintenance(args.ticket.as_deref())?.into_iter().map(|row| row.window);
    let chosen: Vec<_> = standing
        .filter(|window| {
            window.removed.is_none()
                && args.window.is_none_or(|number| window.number == number)
                && (!args.over || (window.source == Source::Person && now.is_some_and(|now| window.plan.end <= now)))
        })
        .collect();
    if chosen.is_empty() {
        return Err(match (args.window, args.over) {
            (_, true) => Failure::not_found("no window is over"),
            (Some(number), _) => Failure::not_found(format!(
                "there is no window {number} that stands; `ot-sensor maintenance list` shows them"
            )),
            _ => none(&reader, args.ticket.as_deref())?,
        }
        .into());
    }
    drop(reader);
    let shown: Vec<String> = chosen
        .iter()
        .map(|window| {
            format!("{} (window {}), {} to {}", window.plan.ticket, window.number, window.plan.start, window.plan.end)
        })
        .collect();
    let commands = chosen
        .iter()
        .map(|window| command(&args.who, Action::MaintenanceRemove(window.number), None))
        .collect::<anyhow::Result<Vec<_>>>()?;
    carry_out(output, &config, &path, &commands, &shown)
}

pub fn report(output: &mut Output, args: &MaintenanceReportArgs) -> anyhow::Result<Exit> {
    if args.around < 0 || args.around > 366 * 86_400 * SECOND {
        return Err(Failure::usage("--around: write a span of at most 366d").into());
    }
    let reader = reader(&args.store)?;
    let found = report_view(&Names::new(&reader), args.ticket.as_deref(), args.around)?;
    if found.is_empty() {
        return Err(none(&reader, args.ticket.as_deref())?.into());
    }
    for (place, report) in found.iter().enumerate() {
        if args.output.json {
            output.json(report)?;
            continue;
        }
        if place > 0 {
            output.line("")?;
        }
        show(output, &reader, report)?;
    }
    Ok(Exit::Done)
}

fn show(output: &mut Output, reader: &Reader, report: &WindowReport) -> anyhow::Result<()> {
    let window = &report.window;
    let title = output.paint(&format!("Maintenance {}", window.ticket), Style::Bold);
    let (word, style) = match report.result {
        Reported::NotBegun => ("not begun", Style::Plain),
        Reported::NothingSeen => ("no work was seen", Style::Yellow),
        Reported::AsPlanned => ("as planned", Style::Plain),
        Reported::Differs => ("differs from the plan", Style::Yellow),
    };
    let word = output.paint(word, style);
    output.line(&format!("{title}   window {}, {}   {word}", window.window, window.state))?;
    planned(output, window)?;
    for (place, difference) in report.differences.iter().enumerate() {
        output.paragraph(if place == 0 { "Differs" } else { "" }, LEFT, difference)?;
    }
    work(output, "Work as planned", &report.planned_work, "none was seen")?;
    work(output, "Work within the window that is not planned", &report.unplanned_work, "none was seen")?;
    let around = show_span(report.around_seconds.saturating_mul(SECOND));
    let heading = format!("Work on its devices outside the window, {around} before to {around} after");
    work(output, &heading, &report.work_around, "none was seen")?;
    if !report.usual_work.is_empty() {
        work(output, "Usual work meanwhile, as the baseline allows it", &report.usual_work, "")?;
    }
    let untouched: Vec<&PeerView> =
        report.planned_devices.iter().filter(|planned| !planned.worked_on).map(|planned| &planned.device).collect();
    output.heading(&format!(
        "Planned devices on which no work was seen ({} of {})",
        untouched.len(),
        report.planned_devices.len()
    ))?;
    for device in untouched.iter().take(NAMED) {
        output.paragraph("", 2, &device.label())?;
    }
    if untouched.len() > NAMED {
        output.paragraph("", 2, &format!("and {} more", untouched.len() - NAMED))?;
    }
    for name in &report.unknown_devices {
        output.paragraph("", 2, &format!("{name}: no such device was ever seen"))?;
    }
    if untouched.is_empty() && report.unknown_devices.is_empty() {
        output.paragraph("", 2, "none")?;
    }
    alerts(output, reader, report)
}

fn planned(output: &mut Output, window: &WindowLine) -> anyhow::Result<()> {
    let by = window.planned_by.as_deref().map_or_else(|| "in the configuration".to_owned(), |who| format!("by {who}"));
    let why = if window.why.is_empty() { String::new() } else { format!(", because: {}", window.why) };
    output.paragraph("Planned", LEFT, &format!("{} to {}, {by}{why}", window.start, window.end))?;
    if !window.note.is_empty() {
        output.paragraph("Note", LEFT, &window.note)?;
    }
    output.paragraph("Devices", LEFT, &window.devices.join(", "))?;
    output.paragraph("Work by", LEFT, &or(window.by.join(", "), "anyone"))?;
    output.paragraph("Kinds", LEFT, &or(window.kinds.join(", "), "any"))?;
    if let Some(removed) = &window.removed {
        let who = window.removed_by.as_deref().unwrap_or("the configuration");
        let why = if window.why_removed.is_empty() { String::new() } else { format!(": {}", window.why_removed) };
        output.paragraph("Removed", LEFT, &format!("at {removed} by {who}{why}"))?;
    }
    Ok(())
}

fn work(output: &mut Output, heading: &str, list: &[WorkSum], otherwise: &str) -> anyhow::Result<()> {
    output.heading(heading)?;
    if list.is_empty() {
        output.paragraph("", 2, otherwise)?;
        return Ok(());
    }
    let why = list.iter().any(|sum| sum.reason.is_some());
    let mut header = vec!["FIRST", "LAST", "DEVICE", "BY", "WORK", "COUNT", "OUTCOME", "ON"];
    header.extend(why.then_some("WHY"));
    let rows = list
        .iter()
        .map(|sum| {
            let more = if sum.objects > 1 { format!(" and {} more", sum.objects - 1) } else { String::new() };
            let mut row: Vec<Text> = vec![
                short_time(&sum.first_seen).into(),
                short_time(&sum.last_seen).into(),
                sum.device.label().into(),
                sum.actor.as_ref().map_or_else(|| "-".to_owned(), PeerView::label).into(),
                in_words(&sum.operation).into(),
                sum.count.into(),
                outcome(sum).into(),
                format!("{}{more}", sum.object).into(),
            ];
            row.extend(why.then(|| Text::from(sum.reason.as_deref().unwrap_or_default())));
            row
        })
        .collect();
    output.table(&header, rows, 2)?;
    Ok(())
}

fn outcome(sum: &WorkSum) -> String {
    let other = sum.count.saturating_sub(sum.accepted).saturating_sub(sum.refused);
    let parts = [(sum.accepted, "accepted"), (sum.refused, "refused"), (other, "not answered or told by the device")];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| if count == sum.count { word.to_owned() } else { format!("{count} {word}") })
        .collect();
    told.join(", ")
}

/// A kind of work as an engineer says it, with its id.
fn in_words(operation: &str) -> String {
    let words = match operation {
        "write" => "values written",
        "control" => "outputs commanded",
        "force" => "points forced",
        "freeze" => "counters frozen or cleared",
        "program-write" => "program loaded",
        "program-delete" => "program deleted",
        "config-write" => "configuration written",
        "mode-run" => "program started",
        "mode-stop" => "program stopped",
        "restart" => "restarted",
        "comms-off" => "reporting turned off",
        "comms-on" => "reporting turned on",
        "firmware" => "firmware loaded",
        "time-set" => "clock set",
        "file" => "file moved",
        "mode-changed" => "mode changed",
        "firmware-changed" => "firmware changed",
        "configuration-changed" => "configuration changed",
        other => other,
    };
    if words == operation { words.to_owned() } else { format!("{words} ({operation})") }
}

fn alerts(output: &mut Output, reader: &Reader, report: &WindowReport) -> anyhow::Result<()> {
    let alerts = &report.alerts;
    output.heading("Alerts")?;
    output.paragraph(
        "",
        2,
        &format!(
            "{} expected, {} partly expected; {} of its devices at that time that the plan does not cover",
            number_of(alerts.expected, "alert"),
            alerts.partly_expected,
            alerts.not_expected
        ),
    )?;
    let mut rows = Vec::new();
    for alert in alerts.list.iter().take(NAMED) {
        let mark = match (alert.expected, alert.expected_count) {
            (true, _) => "expected".to_owned(),
            (false, 0) => "not expected".to_owned(),
            (false, count) => format!("{count} of {} expected", alert.count),
        };
        rows.push(vec![
            short_id(reader, &alert.id)?.into(),
            short_time(&alert.first_detection).into(),
            Text::styled(alert.severity.as_str(), Style::of_severity(&alert.severity)),
            mark.into(),
            alert.title.as_str().into(),
            alert.description.as_str().into(),
        ]);
    }
    if !rows.is_empty() {
        output.table(&["ID", "FIRST", "SEVERITY", "MARK", "TITLE", "WHAT"], rows, 2)?;
    }
    if alerts.list.len() > NAMED {
        let ticket = &report.window.ticket;
        let more = alerts.list.len() - NAMED;
        output.paragraph("", 2, &format!("and {more} more: ot-sensor alerts list --ticket {ticket}"))?;
    }
    Ok(())
}
