//! The values of both sides, in one form.

use crate::Field;
use anyhow::{Context as _, Result, ensure};
use ot_tests::sensor::{lines, sensor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Values of the fields (by index) of a frame, in order.
pub type Row = BTreeMap<usize, Vec<String>>;
/// Rows by frame number.
pub type Frames = BTreeMap<u64, Row>;

/// Names and kinds of all fields that Wireshark has.
pub fn known_to_wireshark() -> Result<BTreeMap<String, String>> {
    let output = tshark().args(["-G", "fields"]).output().context("tshark is missing; deploy/test installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        (cells.next() == Some("F")).then(|| (cells.nth(1), cells.next()))
    });
    Ok(rows.filter_map(|(name, kind)| Some((name?.to_owned(), kind?.to_owned()))).collect())
}

fn tshark() -> Command {
    let mut command = Command::new("tshark");
    command.env("TZ", "UTC");
    command
}

/// What Wireshark sees, and the frames that it calls malformed.
pub fn wireshark(file: &Path, fields: &[Field]) -> Result<(Frames, BTreeSet<u64>)> {
    let mut command = tshark();
    command.args(["-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-T", "fields", "-E", "occurrence=a"]);
    command.args(["-E", "aggregator=\u{1f}", "-E", "separator=\u{1e}", "-e", "frame.number", "-e", "_ws.malformed"]);
    for field in fields {
        command.args(["-e", &field.name]);
    }
    let output = command.arg("-r").arg(file).output()?;
    let (mut frames, mut malformed) = (Frames::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&output.stdout).split('\n') {
        let cells: Vec<&str> = line.split('\u{1e}').collect();
        let (Some(Ok(frame)), true) = (cells.first().map(|cell| cell.parse::<u64>()), cells.len() == fields.len() + 2)
        else {
            continue;
        };
        if !cells[1].is_empty() {
            malformed.insert(frame);
        }
        let values = (0..).zip(fields).zip(&cells[2..]).filter(|(_, cell)| !cell.is_empty() && **cell != "<MISSING>");
        let row: Row = values
            .map(|((at, field), cell)| (at, cell.split('\u{1f}').map(|text| normal(text, &field.kind)).collect()))
            .collect();
        if !row.is_empty() {
            frames.insert(frame, row);
        }
    }
    Ok((frames, malformed))
}

/// What `decode` sees, and the frames with violations.
pub fn ours(file: &Path, fields: &[Field]) -> Result<(Frames, BTreeSet<u64>)> {
    let (mut frames, mut violations) = (Frames::new(), BTreeSet::new());
    for message in lines(sensor().args(["decode", "--json"]).arg(file))? {
        let frame = message.get("frame.number").and_then(Value::as_u64).context("a message without frame.number")?;
        if message.get("violations").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            violations.insert(frame);
        }
        for (at, field) in fields.iter().enumerate() {
            let Some(value) = message.get(&field.name) else { continue };
            let one = |value: &Value| match value.as_str() {
                Some(text) => normal(text, &field.kind),
                None => normal(&value.to_string(), &field.kind),
            };
            let list: Vec<String> = match value {
                Value::Array(several) => several.iter().map(one).collect(),
                Value::Null => continue,
                single => vec![one(single)],
            };
            // Wireshark shows an empty text as no text.
            if list.iter().any(|text| !text.is_empty()) {
                frames.entry(frame).or_default().entry(at).or_default().extend(list);
            }
        }
    }
    ensure!(frames.values().all(|row| !row.is_empty()), "an empty row");
    Ok((frames, violations))
}

/// Numbers in one form, whatever the base or kind they are shown in; floats to six digits; times as RFC 3339.
fn normal(text: &str, kind: &str) -> String {
    let text = text.trim();
    match text {
        "True" | "true" => return "1".to_owned(),
        "False" | "false" => return "0".to_owned(),
        _ => {}
    }
    match kind {
        "FT_STRING" | "FT_STRINGZ" | "FT_STRINGZPAD" | "FT_UINT_STRING" | "FT_ABSOLUTE_TIME" => {
            time(text).unwrap_or_else(|| text.to_owned())
        }
        "FT_BYTES" | "FT_UINT_BYTES" => text.replace(':', ""),
        // `decode` tells microseconds.
        "FT_RELATIVE_TIME" => text
            .split_once('.')
            .map_or(number(text), |(whole, rest)| number(&format!("{whole}.{}", rest.get(..6).unwrap_or(rest))))
            .unwrap_or_else(|| text.to_owned()),
        _ => number(text).unwrap_or_else(|| text.to_owned()),
    }
}

fn number(text: &str) -> Option<String> {
    let whole = text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| i128::from_str_radix(hex, 16).ok());
    if let Some(whole) = whole {
        return Some(whole.to_string());
    }
    let float: f64 = text.parse().ok()?;
    if float.is_nan() {
        return Some("nan".to_owned());
    }
    let short = format!("{float:.5e}").parse().unwrap_or(float);
    Some(if short == 0.0 { "0".to_owned() } else { format!("{short}") })
}

/// `Jan 15, 2026 08:11:25.021845000 UTC` (some texts have fewer digits and no zone) as `2026-01-15T08:11:25.021845000Z`.
fn time(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace();
    let month = 1 + MONTHS.iter().position(|name| words.clone().next() == Some(name))?;
    let day: u8 = words.nth(1)?.strip_suffix(',')?.parse().ok()?;
    let (year, clock) = (words.next()?, words.next()?);
    let (second, digits) = clock.split_once('.').unwrap_or((clock, ""));
    Some(format!("{year}-{month:02}-{day:02}T{second}.{digits:0<9}Z"))
}
