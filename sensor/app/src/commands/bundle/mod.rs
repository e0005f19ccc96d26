//! `alerts bundle` and `bundle verify`: all that is known of an alert in one archive, with hashes.

pub mod archive;
mod report;

use super::alerts::check_files;
use super::{pcap, reader};
use crate::cli::AlertsBundleArgs;
use crate::config::Config;
use crate::evidence::{self, size};
use crate::exit::{Exit, Failure};
use crate::output::{Output, hexadecimal, write_json};
use ot_engine::model::DeviceId;
use ot_evidence::Folder;
use ot_protocol::Nanos;
use ot_protocol::time::SECOND;
use ot_store::read::{EventQuery, Reader};
use ot_views::alert::{ViolationView, find_alert, short_id};
use ot_views::device::{DeviceStory, device};
use ot_views::{AlertStory, EventLine, Names, events};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How far around an alert events are told.
const AROUND: Nanos = 600 * SECOND;
/// Events told, the first ones.
const MOST_EVENTS: u32 = 2_000;

/// Everything that goes into the archive.
struct Case {
    alert: AlertStory,
    devices: Vec<DeviceStory>,
    timeline: Vec<EventLine>,
    packets: Option<Vec<u8>>,
    /// Why there are none.
    no_packets: Option<String>,
}

pub fn write(output: &mut Output, args: &AlertsBundleArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let folder = evidence::folder(&Config::of(&args.store)?, reader.path());
    let made = make(&reader, &folder, &args.id)?;
    let short = short_id(&reader, &made.id)?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("alert-{short}.tar.gz")));
    pcap::write_file(&path, &made.bytes)?;
    output.line(&format!(
        "{}: {} files, {}",
        path.display(),
        made.files,
        size(u64::try_from(made.bytes.len()).unwrap_or(u64::MAX))
    ))?;
    if let Some(why) = &made.no_packets {
        output.line(&format!("without packets: {why}"))?;
    }
    output.line(&format!("SHA-256 of the archive: {}", hexadecimal(&Sha256::digest(&made.bytes))))?;
    output.line(&format!("check it:  ot-sensor bundle verify {}", path.display()))?;
    Ok(Exit::Done)
}

/// An archive.
pub struct Made {
    /// Id of its alert.
    pub id: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Files in it.
    pub files: usize,
    /// Why it holds no packets.
    pub no_packets: Option<String>,
}

/// Makes the archive of the alert whose id starts so.
pub fn make(reader: &Reader, folder: &Folder, id: &str) -> anyhow::Result<Made> {
    let row = find_alert(reader, id)?;
    let names = Names::new(reader);
    let mut alert = ot_views::alert(&names, &row.id)?;
    check_files(&mut alert, folder);
    let ids: BTreeSet<DeviceId> = row.sources.iter().chain(&row.destinations).filter_map(|peer| peer.device).collect();
    let (packets, no_packets) = if alert.evidence.files.is_empty() {
        (None, Some(alert.evidence.reason.clone().unwrap_or_default()))
    } else {
        (Some(pcap::packets(&alert, folder)?), None)
    };
    let case = Case {
        devices: devices(&names, &ids)?,
        timeline: events(
            &names,
            &EventQuery {
                since: Some(row.first_detection.plus(-AROUND)),
                until: Some(row.last_detection.plus(AROUND)),
                devices: ids.into_iter().collect(),
                limit: Some(MOST_EVENTS),
                ..EventQuery::default()
            },
        )?,
        packets,
        no_packets,
        alert,
    };
    let files = files(&case)?;
    // Seconds of the last detection, so that the same alert gives the same bytes.
    let stamp = u64::try_from(row.last_detection.epoch()).unwrap_or(0);
    let bytes = archive::write(&format!("alert-{}", row.id), &files, stamp)?;
    Ok(Made { id: row.id, bytes, files: files.len() + 1, no_packets: case.no_packets })
}

/// The devices of the alert. One that is gone from the inventory is left out: an alert may outlive its device.
fn devices(names: &Names<'_>, ids: &BTreeSet<DeviceId>) -> anyhow::Result<Vec<DeviceStory>> {
    let mut list = Vec::new();
    for id in ids {
        if names.device(*id)?.is_some() {
            list.push(device(names, *id)?);
        }
    }
    Ok(list)
}

/// Name and content of each file, in order.
fn files(case: &Case) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut files = vec![
        ("report.html", report::html(case).into_bytes()),
        ("alert.json", json(&case.alert)?),
        ("devices.json", json(&case.devices)?),
        ("violations.csv", violations(&case.alert.violations).into_bytes()),
        ("related.json", json(&case.alert.related)?),
        ("timeline.json", json(&case.timeline)?),
    ];
    if let Some(packets) = &case.packets {
        files.push(("packets.pcapng", packets.clone()));
    }
    Ok(files)
}

fn json(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let value = serde_json::to_value(value)?;
    // Lists one element a line, so that two cases can be compared.
    match &value {
        serde_json::Value::Array(list) => {
            bytes.extend(b"[\n");
            for (place, element) in list.iter().enumerate() {
                write_json(&mut bytes, element)?;
                bytes.extend(if place + 1 < list.len() { &b",\n"[..] } else { b"\n" });
            }
            bytes.extend(b"]\n");
        }
        other => {
            bytes.extend(serde_json::to_string_pretty(other)?.into_bytes());
            bytes.push(b'\n');
        }
    }
    Ok(bytes)
}

/// RFC 4180.
fn violations(list: &[ViolationView]) -> String {
    let mut text =
        "number,first_seen,last_seen,count,file,frame,function,object,value,outcome,outcome_detail,detail\r\n"
            .to_owned();
    for violation in list {
        let frame = violation.frame.as_ref();
        let cells = [
            violation.number.to_string(),
            violation.first_seen.clone(),
            violation.last_seen.clone(),
            violation.count.to_string(),
            frame.map_or_else(String::new, |frame| frame.file.clone()),
            frame.map_or_else(String::new, |frame| frame.number.to_string()),
            violation.function.clone(),
            violation.object.clone(),
            violation.value.clone(),
            violation.outcome.clone().unwrap_or_default(),
            violation.outcome_detail.clone().unwrap_or_default(),
            violation.detail.clone(),
        ];
        text.push_str(&ot_views::csv::line(cells));
    }
    text
}

/// `bundle verify`.
pub fn verify(output: &mut Output, file: &Path) -> anyhow::Result<Exit> {
    let found = archive::check(file)?;
    for line in &found.good {
        output.line(&format!("ok       {line}"))?;
    }
    for line in &found.bad {
        output.line(&format!("FAILED   {line}"))?;
    }
    if found.bad.is_empty() {
        output.line(&format!("{}: whole, {} files as they were written", file.display(), found.good.len()))?;
        output.line(&format!("SHA-256 of the archive: {}", found.sha256))?;
        return Ok(Exit::Done);
    }
    output.finish()?;
    Err(Failure::not_found(format!(
        "{}: {} of its files are not as they were written; do not rely on it",
        file.display(),
        found.bad.len()
    ))
    .into())
}
