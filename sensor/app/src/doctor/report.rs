//! What `doctor` prints.

use super::checks::{Finding, Level};
use super::measures::{Controller, InterfaceMeasures, Measures, rate};
use crate::output::{Output, Style};
use ot_engine::words::{self, number_of};
use ot_protocol::time::SECOND;
use serde::Serialize;
use serde_json::{Value, json};

/// Controllers that are listed for a person; JSON has all.
const LISTED: usize = 50;
/// Where the text of a finding begins.
const LEFT: usize = 9;

/// All of it as one JSON object.
#[derive(Serialize)]
pub struct Report<'a> {
    /// The level of the gravest finding.
    level: Level,
    live: bool,
    seconds: f64,
    findings: &'a [Finding],
    interfaces: Vec<Value>,
    duplicates: u64,
    vlans: Vec<Value>,
    protocols: Vec<Value>,
    devices: u64,
    controllers: Vec<Value>,
    sizing: Option<Value>,
}

/// The level of the gravest finding.
pub fn level(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// As one JSON object on a line.
pub fn print_json(output: &mut Output, measures: &Measures, findings: &[Finding]) -> anyhow::Result<()> {
    #[allow(clippy::cast_precision_loss, reason = "a span is far below 2^52 ns in what it tells")]
    let seconds = measures.span as f64 / SECOND as f64;
    let protocols = measures.protocols.iter().chain(&measures.companions);
    output.json(&Report {
        level: level(findings),
        live: measures.live,
        seconds,
        findings,
        interfaces: measures.interfaces.iter().map(|interface| numbers(interface, measures)).collect(),
        duplicates: measures.link.duplicates + measures.flow.duplicates,
        vlans: measures.vlans.iter().map(|(id, packets)| json!({"id": id, "packets": packets})).collect(),
        protocols: protocols.map(|(id, messages)| json!({"id": id, "messages": messages})).collect(),
        devices: measures.devices,
        controllers: measures.controllers.iter().map(controller).collect(),
        sizing: measures.row().map(|row| {
            json!({"megabits": row.megabits, "packets": row.packets, "devices": row.devices, "cores": row.cores,
                "memory_mib": row.memory, "store_mib": row.store, "disk_mib_per_day": row.disk_day})
        }),
    })
}

fn numbers(interface: &InterfaceMeasures, measures: &Measures) -> Value {
    json!({
        "name": interface.name,
        "packets": interface.frames,
        "bytes": interface.bytes,
        "packets_per_second": rate(interface.frames, measures.span),
        "bits_per_second": rate(interface.bytes.saturating_mul(8), measures.span),
        "peak_packets_per_second": interface.peak_frames,
        "peak_bits_per_second": interface.peak_bits,
        "unicast": interface.casts.unicast,
        "multicast": interface.casts.multicast,
        "broadcast": interface.casts.broadcast,
        "conversations": interface.sight.sessions,
        "one_direction": interface.sight.one_sided,
        "cut": interface.cut,
        "longest": interface.longest,
        "oversize": interface.oversize,
        "checksums_right": interface.checksums.right,
        "checksums_empty": interface.checksums.empty,
        "checksums_wrong": interface.checksums.wrong,
        "dropped_by_kernel": interface.dropped,
        "dropped_by_card": interface.missed,
        "sent": interface.live.as_ref().map(|live| live.grown.sent),
    })
}

fn controller(controller: &Controller) -> Value {
    json!({"address": controller.address, "role": controller.role, "vendor": controller.vendor, "model": controller.model,
        "protocols": controller.protocols})
}

/// For a person: problems first, then notes, then what is as it should be.
pub fn print(output: &mut Output, measures: &Measures, findings: &[Finding]) -> anyhow::Result<()> {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let names: Vec<&str> = measures.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    let verdict = match (count(Level::Problem), count(Level::Note)) {
        (0, 0) => "nothing is wrong".to_owned(),
        (0, notes) => format!("no problem, {}", number_of(notes, "note")),
        (problems, 0) => number_of(problems, "problem"),
        (problems, notes) => format!("{}, {}", number_of(problems, "problem"), number_of(notes, "note")),
    };
    let how = if measures.live { "" } else { " of packet time" };
    output.paragraph("", 0, &format!("{}, {}{how}: {verdict}", names.join(", "), words::span(measures.span)))?;
    let several = measures.interfaces.len() > 1;
    for level in [Level::Problem, Level::Note, Level::Ok] {
        let mut first = true;
        for finding in findings.iter().filter(|finding| finding.level == level) {
            let place = match &finding.interface {
                Some(name) if several => format!(" ({name})"),
                _ => String::new(),
            };
            if level == Level::Ok {
                if std::mem::take(&mut first) {
                    output.line("")?;
                }
                output.paragraph("ok", LEFT, &format!("{}{place}: {}", finding.title, finding.measured))?;
                continue;
            }
            let (word, style) = if level == Level::Problem { ("PROBLEM", Style::Red) } else { ("NOTE", Style::Yellow) };
            output.line("")?;
            let word = output.paint(&format!("{word:<LEFT$}"), style);
            let title = output.paint(&format!("{}{place}", finding.title), Style::Bold);
            output.line(&format!("{word}{title}"))?;
            output.paragraph("", LEFT, &finding.measured)?;
            output.paragraph("  why", LEFT, finding.why)?;
            for (number, action) in (1..).zip(&finding.actions) {
                let first = if number == 1 { "  do" } else { "" };
                output.paragraph(&format!("{first:<LEFT$}{number}."), LEFT + 3, action)?;
            }
        }
    }
    if measures.controllers.is_empty() {
        return Ok(());
    }
    output.heading("Controllers found")?;
    let rows = measures.controllers.iter().take(LISTED).map(|controller| {
        vec![
            controller.address.as_str().into(),
            controller.role.as_str().into(),
            controller.vendor.as_deref().unwrap_or_default().into(),
            controller.model.as_deref().unwrap_or_default().into(),
            controller.protocols.iter().map(|id| words::protocol(id)).collect::<Vec<_>>().join(", ").into(),
        ]
    });
    output.table(&["ADDRESS", "ROLE", "VENDOR", "MODEL", "ANSWERS"], rows.collect(), 2)?;
    if measures.controllers.len() > LISTED {
        output.line(&format!("  and {} more (--json lists all)", measures.controllers.len() - LISTED))?;
    }
    Ok(())
}
