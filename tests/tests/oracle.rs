//! Decoding equals Wireshark's, value by value, on the fixtures and on the captures beside the project.

use anyhow::{Context as _, Result, ensure};
use ot_tests::sensor::{capture, corpus, fixtures, lines, sensor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const FIELDS: [&str; 26] = [
    "mbtcp.trans_id",
    "mbtcp.prot_id",
    "mbtcp.len",
    "mbtcp.unit_id",
    "modbus.func_code",
    "modbus.exception_code",
    "modbus.reference_num",
    "modbus.read_reference_num",
    "modbus.write_reference_num",
    "modbus.word_cnt",
    "modbus.read_word_cnt",
    "modbus.write_word_cnt",
    "modbus.bit_cnt",
    "modbus.byte_cnt",
    "modbus.and_mask",
    "modbus.or_mask",
    "modbus.diagnostic_code",
    "modbus.mei",
    "modbus.read_device_id",
    "modbus.object_id",
    "modbus.num_objects",
    "modbus.object_str_value",
    "modbus.regnum16",
    "modbus.regval_uint16",
    "modbus.bitnum",
    "modbus.bitval",
];

/// Where Wireshark is wrong: capture, field, and why. The SYNs of these captures carry data, and the next segment
/// overlaps it by one byte (RFC 9293, 3.4: the SYN takes a sequence number); Wireshark then passes over the requests that
/// follow and shows the addresses of their answers from 0.
const DIFFERS: [(&str, &str); 2] =
    [("csaw-magic-modbus-exfil.pcap", "modbus.regnum16"), ("csaw-modbus-hidden-message.pcap", "modbus.regnum16")];

type Values = BTreeMap<(u64, &'static str), Vec<String>>;

/// Numbers in one form, whatever the base or kind they are shown in.
fn normal(text: &str) -> String {
    match text {
        "True" | "true" => return "1".to_owned(),
        "False" | "false" => return "0".to_owned(),
        _ => {}
    }
    let number =
        text.strip_prefix("0x").map_or_else(|| text.parse::<u64>().ok(), |hex| u64::from_str_radix(hex, 16).ok());
    number.map_or_else(|| text.to_owned(), |number| number.to_string())
}

fn wireshark(file: &Path) -> Result<(Values, BTreeSet<u64>)> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-T", "fields", "-E", "occurrence=a"]);
    command.args(["-E", "aggregator=\u{1f}", "-E", "separator=\u{1e}", "-e", "frame.number", "-e", "_ws.malformed"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.arg("-r").arg(file).output().context("tshark is missing; deploy/test installs it")?;
    let mut values = Values::new();
    let mut malformed = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let cells: Vec<&str> = line.split('\u{1e}').collect();
        let (Some(Ok(frame)), Some(broken)) = (cells.first().map(|cell| cell.parse::<u64>()), cells.get(1)) else {
            continue;
        };
        if !broken.is_empty() {
            malformed.insert(frame);
        }
        for (field, cell) in FIELDS.into_iter().zip(cells.iter().skip(2)).filter(|(_, cell)| !cell.is_empty()) {
            values.insert((frame, field), cell.split('\u{1f}').map(normal).collect());
        }
    }
    Ok((values, malformed))
}

fn ours(file: &Path) -> Result<(Values, BTreeSet<u64>)> {
    let mut values = Values::new();
    let mut violations = BTreeSet::new();
    for message in lines(sensor().args(["decode", "--json"]).arg(file))? {
        let frame = message.get("frame.number").and_then(Value::as_u64).context("a message without frame.number")?;
        if message.get("violations").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            violations.insert(frame);
        }
        for field in FIELDS {
            let Some(value) = message.get(field) else { continue };
            let list = values.entry((frame, field)).or_default();
            let one = |value: &Value| value.as_str().map_or_else(|| normal(&value.to_string()), normal);
            match value {
                Value::Array(several) => list.extend(several.iter().map(one)),
                Value::Null => {}
                single => list.push(one(single)),
            }
        }
    }
    Ok((values, violations))
}

fn captures() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (folder, expected) in fixtures(".")? {
        if folder.file_name().is_some_and(|name| name != "benign-polling") {
            files.push(capture(&folder, &expected));
        }
    }
    if let Some(corpus) = corpus() {
        let inventory =
            std::fs::read_to_string(corpus.join("INVENTORY.csv")).context("no INVENTORY.csv in the corpus")?;
        let mut rows = inventory.lines();
        let columns: Vec<&str> = rows.next().unwrap_or_default().split(',').collect();
        let column = columns.iter().position(|name| *name == "modbus").context("no column modbus")?;
        // The columns up to the one wanted hold no quoted commas but for the text in the eighth to tenth: count from it.
        for row in rows {
            let cells = split_csv(row);
            if cells.get(column).is_some_and(|cell| cell.parse::<u64>().is_ok_and(|frames| frames > 0)) {
                files.extend(cells.first().map(|name| corpus.join(name)));
            }
        }
    }
    Ok(files)
}

/// Cells of a CSV line with quotes.
fn split_csv(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in row.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().into_iter().for_each(|cell| cell.push(other)),
        }
    }
    cells
}

#[test]
fn every_value_equals_wiresharks() -> Result<()> {
    let mut seen = 0_u64;
    let mut faults = Vec::new();
    for file in captures()? {
        let name = file.display().to_string();
        let (theirs, malformed) = wireshark(&file)?;
        let (mine, violations) = ours(&file)?;
        let frames: BTreeSet<u64> = theirs.keys().map(|(frame, _)| *frame).collect();
        for frame in frames.iter().filter(|frame| !malformed.contains(frame)) {
            for field in FIELDS {
                let (a, b) = (theirs.get(&(*frame, field)), mine.get(&(*frame, field)));
                seen += a.map_or(0, |list| list.len() as u64);
                let known = DIFFERS.iter().any(|(capture, other)| name.ends_with(capture) && field == *other);
                if a != b && !known {
                    faults.push(format!("{name} frame {frame} {field}: Wireshark {a:?}, here {b:?}"));
                }
            }
        }
        for frame in malformed.iter().filter(|frame| frames.contains(frame) && !violations.contains(frame)) {
            faults.push(format!("{name} frame {frame}: malformed for Wireshark, no violation here"));
        }
    }
    ensure!(seen > 10_000, "only {seen} values compared");
    println!("{seen} values equal");
    let shown: Vec<&String> = faults.iter().take(20).collect();
    assert!(faults.is_empty(), "{} of {seen} values differ:\n{shown:#?}", faults.len());
    Ok(())
}
