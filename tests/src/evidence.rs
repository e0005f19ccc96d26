//! The packets of alerts, held against the captures they come from, as tshark reads both.

use crate::sensor::succeed;
use anyhow::{Context as _, Result};
use ot_store::read::{AlertQuery, Reader};
use ot_store::{EvidenceRow, EvidenceState};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A frame: hash of its bytes, time, length on the wire, length captured. Of two the hash could be the same by chance, but
/// not all of it.
pub type Frame = [String; 4];

/// A frame of a capture: path and number.
type Place = (PathBuf, u64);

/// What is told of an alert's packets, and the frames that are kept; first the id of the alert.
pub type Held = (String, EvidenceRow, Vec<Commented>);

/// A frame of a file of packets, with its comment.
pub struct Commented {
    /// The frame.
    pub frame: Frame,
    /// Its comment; empty without.
    pub comment: String,
}

/// The frames of a capture, in order, as tshark reads them.
///
/// # Errors
/// Where tshark cannot read it.
pub fn frames(capture: &Path) -> Result<Vec<Commented>> {
    let fields = ["frame.md5_hash", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.comment"];
    let mut command = Command::new("tshark");
    // Nothing above the frame is wanted.
    command.args(["-n", "-o", "frame.generate_md5_hash:TRUE", "--enable-protocol", "frame", "-T", "fields", "-r"]);
    command.arg(capture);
    for field in fields {
        command.args(["-e", field]);
    }
    let text = succeed(&mut command)?;
    Ok(text
        .lines()
        .map(|line| {
            let mut cells = line.split('\t').map(str::to_owned);
            let mut cell = || cells.next().unwrap_or_default();
            Commented { frame: [cell(), cell(), cell(), cell()], comment: cell() }
        })
        .collect())
}

/// Where the packets of a store lie.
pub fn folder(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".evidence");
    PathBuf::from(name)
}

/// The frames of files of packets, one file behind the other: in one call, for a pcapng file may have any number of sections.
fn frames_of<'a>(store: &Path, rows: impl Iterator<Item = &'a EvidenceRow>) -> Result<Vec<Commented>> {
    let mut all = Vec::new();
    for row in rows {
        let path = folder(store).join(&row.name);
        all.extend(std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let joined = store.with_extension("all.pcapng");
    std::fs::write(&joined, all)?;
    frames(&joined)
}

/// The packets of each alert of a store, by id: what is told of them, and the frames that are kept.
///
/// # Errors
/// Where the store or a file cannot be read.
pub fn held(store: &Path) -> Result<Vec<Held>> {
    let reader = Reader::open(store)?;
    let mut rows = Vec::new();
    for alert in reader.alerts(&AlertQuery::default())? {
        rows.extend(reader.evidence(alert.number)?.into_iter().map(|row| (alert.id.clone(), row)));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let kept = rows.iter().map(|(_, row)| row).filter(|row| row.state == EvidenceState::Kept);
    let mut read = frames_of(store, kept)?.into_iter();
    Ok(rows
        .into_iter()
        .map(|(id, row)| {
            let count = if row.state == EvidenceState::Kept { row.packets as usize } else { 0 };
            (id, row, read.by_ref().take(count).collect())
        })
        .collect())
}

/// Name, length and a hash of each file of packets, in order; temporary ones as well.
///
/// # Errors
/// Where the folder cannot be read.
pub fn files(store: &Path) -> Result<Vec<String>> {
    let mut list = Vec::new();
    let root = folder(store);
    if !root.is_dir() {
        return Ok(list);
    }
    for part in std::fs::read_dir(&root)? {
        for file in std::fs::read_dir(part?.path())? {
            let path = file?.path();
            let bytes = std::fs::read(&path)?;
            let mut hash = DefaultHasher::new();
            bytes.hash(&mut hash);
            let name = path.strip_prefix(&root)?.display().to_string();
            list.push(format!("file {name}: {} bytes, {:016x}", bytes.len(), hash.finish()));
        }
    }
    list.sort();
    Ok(list)
}

/// Frames of a capture: by number, and all of them.
struct Source {
    list: Vec<Frame>,
    all: HashSet<Frame>,
}

/// Captures, each read by tshark once.
#[derive(Default)]
pub struct Sources(BTreeMap<PathBuf, Source>);

impl Sources {
    fn of(&mut self, capture: &Path) -> Result<&Source> {
        if !self.0.contains_key(capture) {
            let list: Vec<Frame> = frames(capture)?.into_iter().map(|frame| frame.frame).collect();
            let all = list.iter().cloned().collect();
            self.0.insert(capture.to_owned(), Source { list, all });
        }
        self.0.get(capture).context("a capture that is not there")
    }

    /// What is wrong with the packets of a store's alerts, all of which are to be kept: each file opens, holds the frames
    /// that its alert names, with bytes and time as in the capture and a comment, and nothing that is not in the captures.
    ///
    /// # Errors
    /// Where the store or a capture cannot be read.
    pub fn faults(&mut self, store: &Path) -> Result<Vec<String>> {
        let reader = Reader::open(store)?;
        let inputs: BTreeMap<u32, PathBuf> =
            reader.inputs()?.into_iter().map(|input| (input.file, PathBuf::from(input.path))).collect();
        let mut faults = Vec::new();
        let mut kept: Vec<(String, EvidenceRow, Vec<Place>)> = Vec::new();
        for alert in reader.alerts(&AlertQuery::default())? {
            let rows = reader.evidence(alert.number)?;
            let named: BTreeSet<_> = alert.frames.iter().filter(|frame| frame.number() > 0).collect();
            let mut frames: Vec<(PathBuf, u64)> =
                named.iter().filter_map(|frame| Some((inputs.get(&frame.file())?.clone(), frame.number()))).collect();
            frames.sort();
            if !frames.is_empty() && !rows.iter().any(|row| row.state == EvidenceState::Kept) {
                faults.push(format!("{}: no packets are kept of {}: {rows:?}", alert.kind, alert.id));
            }
            let triggers: usize = rows.iter().map(|row| row.triggers as usize).sum();
            if triggers != frames.len() {
                faults.push(format!("{}: {triggers} of the {} frames are kept", alert.kind, frames.len()));
            }
            for row in rows {
                kept.push((alert.id.clone(), row, frames.clone()));
            }
        }
        if kept.is_empty() {
            return Ok(faults);
        }
        for (_, row, _) in &kept {
            let length = std::fs::metadata(folder(store).join(&row.name)).map_or(0, |found| found.len());
            if length != row.bytes {
                faults.push(format!("{}: {length} bytes, the store says {}", row.name, row.bytes));
            }
        }
        let read = frames_of(store, kept.iter().map(|(_, row, _)| row))?;
        let mut read = read.into_iter();
        for (id, row, named) in &kept {
            let mut commented = BTreeSet::new();
            let mut previous = None;
            for Commented { frame, comment } in read.by_ref().take(row.packets as usize) {
                let sources: BTreeSet<&PathBuf> = inputs.values().collect();
                let mut there = false;
                for source in sources {
                    there = there || self.of(source)?.all.contains(&frame);
                }
                if !there {
                    faults.push(format!("{}: a packet that is in no capture: {frame:?}", row.name));
                }
                let [_, time, ..] = frame.clone();
                let seconds: f64 = time.parse()?;
                if previous.is_some_and(|previous| previous > seconds) && inputs.len() == 1 {
                    faults.push(format!("{}: packets out of order at {time}", row.name));
                }
                previous = Some(seconds);
                if comment.is_empty() {
                    continue;
                }
                let Some((start, path)) = comment.rsplit_once(" of ") else {
                    faults.push(format!("{}: comment {comment:?}", row.name));
                    continue;
                };
                let number: u64 =
                    start.rsplit_once("; frame ").and_then(|(_, number)| number.parse().ok()).unwrap_or_default();
                if !comment.starts_with(&format!("trigger of alert {id}: ")) {
                    faults.push(format!("{}: comment {comment:?}", row.name));
                }
                let source = self.of(Path::new(path))?;
                let at = usize::try_from(number)?.checked_sub(1);
                if at.and_then(|at| source.list.get(at)) != Some(&frame) {
                    faults.push(format!("{}: frame {number} of {path} is another: {frame:?}", row.name));
                }
                commented.insert((PathBuf::from(path), number));
            }
            if commented.len() != row.triggers as usize {
                faults.push(format!(
                    "{}: {} comments, {} frames of the alert",
                    row.name,
                    commented.len(),
                    row.triggers
                ));
            }
            if let Some(other) = commented.iter().find(|frame| !named.contains(frame)) {
                faults.push(format!("{}: a comment on {other:?}, which the alert does not name", row.name));
            }
        }
        if read.next().is_some() {
            faults.push("the files hold more packets than the store says".to_owned());
        }
        Ok(faults)
    }
}
