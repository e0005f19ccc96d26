//! The whole story of one alert on one screen: what, who, where, why, violations, packets, techniques, related alerts,
//! what to do, history.

use crate::evidence::size;
use crate::output::{Output, Style, Text, short_time};
use ot_engine::attack;
use ot_engine::words::number_of;
use ot_store::read::Reader;
use ot_views::PeerView;
use ot_views::alert::{AlertStory, ViolationView, short_id};
use ot_views::evidence::{Availability, EvidenceView};
use ot_views::names::FrameView;
use ot_views::status::status;

/// Width of the left column.
const LEFT: usize = 14;
/// Violations shown; all are in the JSON.
const VIOLATIONS: usize = 12;

pub fn show(output: &mut Output, reader: &Reader, alert: &AlertStory) -> anyhow::Result<()> {
    let line = &alert.line;
    let severity = output.paint(&line.severity.to_uppercase(), Style::of_severity(&line.severity));
    let title = output.paint(&line.title, Style::Bold);
    output.line(&format!("{title}   {severity}   {}", status(line)))?;
    let head = format!("{} · {} · {} · {}", line.id, line.kind, line.engine, line.category);
    let head = output.paint(&head, Style::Faint);
    output.line(&head)?;

    expected(output, alert)?;
    output.line("")?;
    output.paragraph("What", LEFT, &line.description)?;
    if let Some(outcome) = &line.outcome {
        output.paragraph("Outcome", LEFT, &outcome_words(outcome, alert.outcome_detail.as_deref()))?;
    }
    let times = if line.count == 1 { "once".to_owned() } else { format!("{} times", line.count) };
    let when = if line.first_detection == line.last_detection {
        format!("{} ({times})", line.first_detection)
    } else {
        format!("{} to {} ({times})", line.first_detection, line.last_detection)
    };
    output.paragraph("When", LEFT, &when)?;
    if let Some(protocol) = &line.protocol {
        output.paragraph("Protocol", LEFT, protocol)?;
    }
    let sensors = match line.sensors.as_slice() {
        [] => None,
        [one] => Some(format!("sensor {one}")),
        several => Some(format!("sensors {}", several.join(", "))),
    };
    let place: Vec<String> = [("site", &line.site), ("zone", &line.zone)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)))
        .chain(sensors)
        .collect();
    if !place.is_empty() {
        output.paragraph("Where", LEFT, &place.join(", "))?;
    }
    peers(output, "Source", line.all_sources(), line.source_count)?;
    peers(output, "Destination", line.all_destinations(), line.destination_count)?;

    if !alert.reports.is_empty() {
        output.heading("What each sensor told")?;
        for report in &alert.reports {
            let site = report.site.as_ref().map(|site| format!(", site {site}")).unwrap_or_default();
            let link = report.link.as_ref().map(|link| format!("; its packets: {link}")).unwrap_or_default();
            output.paragraph(
                "",
                2,
                &format!(
                    "{}{site}: {}, {} times from {} to {}, there alert {}{link}",
                    report.sensor,
                    report.status,
                    report.count,
                    short_time(&report.first_detection),
                    short_time(&report.last_detection),
                    report.id.get(..8).unwrap_or(&report.id),
                ),
            )?;
        }
    }

    output.heading("Why it was noticed")?;
    output.paragraph("", 2, &alert.line.why)?;
    if !alert.why_it_matters.is_empty() {
        output.paragraph("", 2, &alert.why_it_matters)?;
    }

    violations(output, alert)?;

    packets(output, alert)?;

    if !alert.attack.is_empty() {
        output.heading(&format!("MITRE ATT&CK for ICS {}", attack::VERSION))?;
        for technique in &alert.attack {
            let tactics: Vec<_> = technique.tactics.iter().map(|tactic| tactic.name.as_str()).collect();
            output.paragraph(
                "",
                2,
                &format!("{} {} ({})  {}", technique.id, technique.name, tactics.join(", "), technique.url),
            )?;
        }
    }

    related(output, reader, alert)?;

    output.heading("What to do")?;
    for (number, step) in (1..).zip(&alert.remediation) {
        output.paragraph(&format!("  {number}."), 5, step)?;
    }
    if !alert.false_alarms.is_empty() {
        output.paragraph("  Usual false alarms:", 2, "")?;
        output.paragraph("", 5, &alert.false_alarms)?;
    }
    let learn = match (alert.learnable, alert.entries.as_slice()) {
        (false, _) => {
            "This alert cannot be learned: no baseline can allow it. Mute it, or remove the cause.".to_owned()
        }
        (true, []) => "Learning this alert allows nothing more than what it names.".to_owned(),
        (true, _) => "Learning this alert allows exactly:".to_owned(),
    };
    output.paragraph("", 2, &learn)?;
    if alert.learnable {
        for entry in &alert.entries {
            output.paragraph("", 5, &entry.text)?;
        }
    }

    if !alert.history.is_empty() {
        output.heading("History")?;
        let rows = alert
            .history
            .iter()
            .map(|step| {
                vec![
                    short_time(&step.time).into(),
                    step.who.as_str().into(),
                    step.action.as_str().into(),
                    step.detail.as_str().into(),
                    step.why.as_str().into(),
                ]
            })
            .collect();
        output.table(&["TIME", "WHO", "ACTION", "DETAIL", "WHY"], rows, 2)?;
    }
    Ok(())
}

/// The maintenance windows in which it was detected, in plain words.
fn expected(output: &mut Output, alert: &AlertStory) -> anyhow::Result<()> {
    for sentence in expected_words(alert) {
        output.paragraph("", 0, &sentence)?;
    }
    Ok(())
}

/// `Expected: maintenance CHG-4711 …`, a sentence for each window.
pub fn expected_words(alert: &AlertStory) -> Vec<String> {
    let line = &alert.line;
    let mut told = Vec::new();
    for window in &alert.maintenance {
        let by = match &window.planned_by {
            Some(who) => format!("planned by {who}"),
            None => "planned in the configuration".to_owned(),
        };
        let note = if window.note.is_empty() { String::new() } else { format!(": {}", window.note) };
        let (start, end) = (short_time(&window.start), short_time(&window.end));
        let mark = match (line.expected, alert.maintenance.len()) {
            (true, 1) => "Expected".to_owned(),
            (true, _) => format!("Expected ({} of {} detections)", window.count, line.count),
            (false, _) => format!("Partly expected ({} of {} detections)", window.count, line.count),
        };
        let removed = match (&window.removed, &window.removed_by) {
            (Some(time), Some(who)) if *time < window.end => format!("; removed by {who} at {}", short_time(time)),
            _ => String::new(),
        };
        told.push(format!("{mark}: maintenance {} ({by}, {start} to {end}{removed}{note})", window.ticket));
    }
    told
}

/// After the title of another alert.
fn expected_mark(expected: bool, tickets: &[String]) -> String {
    match (expected, tickets) {
        (_, []) => String::new(),
        (true, tickets) => format!(" (expected, {})", tickets.join(" ")),
        (false, tickets) => format!(" (partly expected, {})", tickets.join(" ")),
    }
}

fn packets(output: &mut Output, alert: &AlertStory) -> anyhow::Result<()> {
    output.heading("Packets")?;
    for (file, numbers) in by_file(&alert.line.frames) {
        let word = if numbers.len() == 1 { "frame" } else { "frames" };
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        output.paragraph("", 2, &format!("{file}: {word} {}", numbers.join(", ")))?;
    }
    let evidence = &alert.evidence;
    let reason = evidence.reason.as_deref().unwrap_or_default();
    match evidence.state {
        Availability::Available | Availability::Partly => {
            output.paragraph("", 2, &kept(evidence))?;
            if !reason.is_empty() {
                output.paragraph("", 2, &format!("Not all: {reason}"))?;
            }
        }
        Availability::Pending => output.paragraph("", 2, &format!("Not kept yet: {reason}"))?,
        Availability::Expired => output.paragraph("", 2, &format!("No longer kept: {reason}"))?,
        Availability::NotKept => output.paragraph("", 2, &format!("Not kept: {reason}"))?,
        Availability::None => output.paragraph("", 2, reason)?,
    }
    if let Some(command) = &evidence.command {
        let what = if evidence.files.is_empty() { "From the capture" } else { "Get them" };
        output.paragraph("", 2, &format!("{what}: {command}"))?;
    }
    for file in &evidence.files {
        output.paragraph("", 2, &format!("SHA-256: {}", file.sha256))?;
    }
    Ok(())
}

/// What is kept, in a sentence.
pub fn kept(evidence: &EvidenceView) -> String {
    format!(
        "Kept: {} ({}), {} of the alert and what these hosts sent before and after, from {} to {}",
        number_of(evidence.packets, "packet"),
        size(evidence.bytes),
        evidence.triggers,
        evidence.first.as_deref().map_or_else(String::new, short_time),
        evidence.last.as_deref().map_or_else(String::new, short_time)
    )
}

/// What became of a command, in words.
pub fn outcome_words(outcome: &str, detail: Option<&str>) -> String {
    match (outcome, detail) {
        ("ok", _) => "the device accepted it".to_owned(),
        ("rejected", Some(code)) => format!("the device refused it: {code}"),
        ("rejected", None) => "the device refused it".to_owned(),
        ("unanswered", _) => "the device did not answer".to_owned(),
        _ => "not known: its answer was not seen".to_owned(),
    }
}

fn peers(output: &mut Output, side: &str, list: &[PeerView], count: Option<u32>) -> anyhow::Result<()> {
    let mut first = side;
    for peer in list {
        let mut words = vec![peer.label()];
        words.extend(peer.role.clone().filter(|role| role != "unknown"));
        words.extend(peer.vendor.clone());
        words.extend(peer.zone.as_ref().map(|zone| format!("zone {zone}")));
        words.extend(peer.importance.as_ref().map(|importance| format!("importance {importance}")));
        words.extend(peer.owner.as_ref().map(|owner| format!("owner {owner}")));
        words.extend(peer.location.clone());
        words.extend((peer.authorised.as_deref() == Some("no")).then(|| "not authorised".to_owned()));
        words.extend((!peer.tags.is_empty()).then(|| format!("tags {}", peer.tags.join(" "))));
        words.extend(peer.mac.as_ref().filter(|_| peer.ip.is_some()).map(|mac| format!("MAC {mac}")));
        words.extend(peer.device_id.map(|id| format!("device {id}")));
        output.paragraph(first, LEFT, &words.join(", "))?;
        first = "";
    }
    let listed = u32::try_from(list.len()).unwrap_or(u32::MAX);
    if let Some(more) = count.and_then(|count| count.checked_sub(listed)).filter(|&more| more > 0) {
        output.paragraph(first, LEFT, &format!("and {more} more"))?;
    }
    Ok(())
}

fn violations(output: &mut Output, alert: &AlertStory) -> anyhow::Result<()> {
    if alert.violations.is_empty() {
        return Ok(());
    }
    output.heading(&format!("Violations ({})", alert.violation_count))?;
    let shown = alert.violations.iter().take(VIOLATIONS);
    let rows = shown.clone().map(violation_row).collect();
    output.table(&VIOLATION_COLUMNS, rows, 2)?;
    let more = usize::try_from(alert.violation_count).unwrap_or(usize::MAX).saturating_sub(shown.len());
    if more > 0 {
        let id = alert.line.id.get(..8).unwrap_or(&alert.line.id);
        output.paragraph(
            "",
            2,
            &format!("and {more} more; all that are kept: ot-sensor alerts violations {id} --csv"),
        )?;
    }
    Ok(())
}

/// Columns of a table of violations.
pub const VIOLATION_COLUMNS: [&str; 9] =
    ["#", "FIRST", "COUNT", "FUNCTION", "OBJECT", "VALUE", "OUTCOME", "FRAME", "DETAIL"];

pub fn violation_row(violation: &ViolationView) -> Vec<Text> {
    vec![
        violation.number.into(),
        short_time(&violation.first_seen).into(),
        match violation.expected_count {
            0 => violation.count.into(),
            expected if expected == violation.count => format!("{expected}, expected").into(),
            expected => format!("{}, {expected} expected", violation.count).into(),
        },
        violation.function.as_str().into(),
        violation.object.as_str().into(),
        violation.value.as_str().into(),
        violation.outcome_detail.as_deref().or(violation.outcome.as_deref()).unwrap_or_default().into(),
        violation.frame.as_ref().map_or_else(String::new, |frame| frame.number.to_string()).into(),
        violation.detail.as_str().into(),
    ]
}

/// Frames by file, in the order given, each number once.
fn by_file(frames: &[FrameView]) -> Vec<(&str, Vec<u64>)> {
    let mut files: Vec<(&str, Vec<u64>)> = Vec::new();
    for frame in frames {
        match files.iter_mut().find(|(file, _)| *file == frame.file) {
            Some((_, numbers)) if numbers.contains(&frame.number) => {}
            Some((_, numbers)) => numbers.push(frame.number),
            None => files.push((&frame.file, vec![frame.number])),
        }
    }
    files
}

fn related(output: &mut Output, reader: &Reader, alert: &AlertStory) -> anyhow::Result<()> {
    output.heading("Related alerts of these devices, one hour before to one hour after")?;
    if alert.related.is_empty() {
        output.paragraph("", 2, "none")?;
        return Ok(());
    }
    let mut rows = Vec::new();
    let mut own = Some(vec![
        "0 s".into(),
        Text::styled("this alert", Style::Bold),
        Text::styled(alert.line.severity.as_str(), Style::of_severity(&alert.line.severity)),
        Text::styled(alert.line.title.as_str(), Style::Bold),
        alert.line.techniques.join(" ").into(),
        "".into(),
    ]);
    for other in &alert.related {
        if other.first_detection > alert.line.first_detection {
            rows.extend(own.take());
        }
        rows.push(vec![
            offset(other.offset_seconds).into(),
            short_id(reader, &other.id)?.into(),
            Text::styled(other.severity.as_str(), Style::of_severity(&other.severity)),
            format!("{}{}", other.title, expected_mark(other.expected, &other.tickets)).into(),
            other.techniques.join(" ").into(),
            other
                .shared
                .iter()
                .map(|shared| match shared.as_str() {
                    "source is source" => "same source",
                    "destination is destination" => "same destination",
                    other => other,
                })
                .collect::<Vec<_>>()
                .join(", ")
                .into(),
        ]);
    }
    rows.extend(own);
    output.table(&["TIME", "ID", "SEVERITY", "TITLE", "ATT&CK", "SHARED"], rows, 2)?;
    chain(output, alert)
}

/// How the related alerts may hang together, one line a step.
fn chain(output: &mut Output, alert: &AlertStory) -> anyhow::Result<()> {
    if alert.chain.len() < 2 {
        return Ok(());
    }
    output.heading("How it may hang together")?;
    for step in &alert.chain {
        let title = if step.this { output.paint(&step.title, Style::Bold) } else { step.title.clone() };
        let mut text = title;
        if step.alerts > 1 {
            text.push_str(&format!(" ({} alerts)", step.alerts));
        }
        text.push_str(&expected_mark(step.expected, &step.tickets));
        if let Some(source) = &step.source {
            text.push_str(&format!(" by {source}"));
        }
        if let Some(destination) = &step.destination {
            text.push_str(&format!(" on {destination}"));
        }
        if let (Some(technique), Some(tactic)) = (&step.technique, &step.tactic) {
            text.push_str(&format!(" · {technique} {}", tactic.name));
        }
        if let (Some(after), Some(shared)) = (step.after, &step.shared) {
            text.push_str(&format!(" · after {after}, by way of {shared}"));
        }
        let when = if step.this { "this alert".to_owned() } else { offset(step.offset_seconds) };
        output.paragraph(&format!("  {}. {when}", step.step), LEFT + 4, &text)?;
    }
    if alert.tactic_path.len() > 1 {
        let path: Vec<_> = alert.tactic_path.iter().map(|tactic| tactic.name.as_str()).collect();
        output.paragraph("", 2, &format!("Path: {}", path.join(" → ")))?;
    }
    Ok(())
}

/// `-5 min 10 s`, `+12 s`.
fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "+" };
    let seconds = seconds.unsigned_abs();
    match seconds {
        60.. => format!("{sign}{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{sign}{seconds} s"),
    }
}
