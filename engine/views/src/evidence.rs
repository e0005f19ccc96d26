//! The packets of an alert: whether they are kept, and how to get them.

use crate::alert::short_id;
use crate::names::{FrameView, Names};
use crate::{ViewError, time};
use ot_store::read::AlertRow;
use ot_store::{EvidenceRow, EvidenceState};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

/// What became of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Availability {
    /// All files are there.
    Available,
    /// Some are.
    Partly,
    /// The run is not done yet.
    Pending,
    /// They were there.
    Expired,
    /// They never were.
    NotKept,
    /// No packet stands behind the alert.
    None,
}

/// The packets of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Whether they are there.
    pub state: Availability,
    /// Why not, or why not all; null where all are there.
    pub reason: Option<String>,
    /// Packets in the files.
    pub packets: u64,
    /// How many of them are frames that made the alert.
    pub triggers: u64,
    /// Frames that made the alert and could not be had.
    pub missing: u64,
    /// Packets around them beyond the size of a file.
    pub left_out: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Time of the earliest packet.
    pub first: Option<String>,
    /// Time of the latest.
    pub last: Option<String>,
    /// The files: one for the run that opened the alert, and one for the newest in which it came again.
    pub files: Vec<EvidenceFile>,
    /// The command that writes the packets into one file; where they are not there, the one that takes the frames out of
    /// the capture once more. Null where neither can be had.
    pub command: Option<String>,
}

/// A file of packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EvidenceFile {
    /// Run.
    pub run: u32,
    /// Name within the evidence folder.
    pub name: String,
    /// Packets.
    pub packets: u32,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

impl EvidenceView {
    /// Takes out the files that are not in the folder: removed by a person, or not restored with the store.
    pub fn without_lost(&mut self, frames: &[FrameView], is_there: impl Fn(&EvidenceFile) -> bool, folder: &str) {
        let before = self.files.len();
        self.files.retain(is_there);
        if self.files.len() == before {
            return;
        }
        self.packets = self.files.iter().map(|file| u64::from(file.packets)).sum();
        self.bytes = self.files.iter().map(|file| file.bytes).sum();
        self.reason = Some(format!("the file is no longer in {folder}"));
        if self.files.is_empty() {
            (self.triggers, self.first, self.last) = (0, None, None);
            self.state = Availability::Expired;
            self.command = again(frames);
        } else {
            self.state = Availability::Partly;
        }
    }
}

/// The packets of an alert.
pub fn evidence(names: &Names<'_>, alert: &AlertRow, frames: &[FrameView]) -> Result<EvidenceView, ViewError> {
    let reader = names.reader();
    let rows = reader.evidence(alert.number)?;
    let mut kept: Vec<&EvidenceRow> = rows.iter().filter(|row| row.state == EvidenceState::Kept).collect();
    kept.sort_by_key(|row| row.run);
    let count = |of: fn(&EvidenceRow) -> u32| kept.iter().map(|row| u64::from(of(row))).sum::<u64>();
    let mut view = EvidenceView {
        state: Availability::None,
        reason: None,
        packets: count(|row| row.packets),
        triggers: count(|row| row.triggers),
        missing: count(|row| row.missing),
        left_out: count(|row| row.left_out),
        bytes: kept.iter().map(|row| row.bytes).sum(),
        first: kept.iter().filter_map(|row| row.first).min().map(time),
        last: kept.iter().filter_map(|row| row.last).max().map(time),
        files: kept
            .iter()
            .map(|row| EvidenceFile {
                run: row.run,
                name: row.name.clone(),
                packets: row.packets,
                bytes: row.bytes,
                sha256: row.sha256.clone(),
            })
            .collect(),
        command: None,
    };
    let gone: Vec<&EvidenceRow> = rows.iter().filter(|row| row.state != EvidenceState::Kept).collect();
    let reasons = || gone.iter().map(|row| row.reason.as_str()).collect::<Vec<_>>();
    match (kept.as_slice(), gone.as_slice()) {
        ([_, ..], []) => {
            view.state = Availability::Available;
            view.reason = not_whole(&view);
        }
        ([_, ..], [_, ..]) => {
            view.state = Availability::Partly;
            view.reason = Some(reasons().join("; "));
        }
        ([], [_, ..]) => {
            let expired = gone.iter().any(|row| row.state == EvidenceState::Expired);
            view.state = if expired { Availability::Expired } else { Availability::NotKept };
            let mut reasons = reasons();
            reasons.dedup();
            view.reason = Some(reasons.join("; "));
        }
        ([], []) if frames.is_empty() => {
            view.reason = Some("no packet stands behind the alert: it tells of something that did not come".to_owned());
        }
        ([], []) => {
            let run = reader.run_state_of(alert.number)?;
            let (state, reason) = match run.as_deref() {
                Some("running") => (Availability::Pending, "they are kept when the run that raised the alert is done"),
                Some("aborted") => {
                    (Availability::NotKept, "the run that raised the alert was interrupted and did not go on")
                }
                _ => (Availability::NotKept, "the alert was raised before packets were kept"),
            };
            (view.state, view.reason) = (state, Some(reason.to_owned()));
        }
    }
    view.command = match view.state {
        Availability::Available | Availability::Partly => {
            let id = short_id(reader, &alert.id)?;
            Some(format!("ot-sensor alerts pcap {id}"))
        }
        Availability::Expired | Availability::NotKept => again(frames),
        Availability::Pending | Availability::None => None,
    };
    Ok(view)
}

fn not_whole(view: &EvidenceView) -> Option<String> {
    let mut parts = Vec::new();
    if view.missing > 0 {
        parts.push(format!("{} of the frames that made the alert could not be had", view.missing));
    }
    if view.left_out > 0 {
        parts.push(format!("{} packets around them are left out: the size of a file is limited", view.left_out));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The command that takes the frames out of the first capture they are in. Of standard input nothing is left to take.
fn again(frames: &[FrameView]) -> Option<String> {
    let file = &frames.iter().find(|frame| frame.file != "-")?.file;
    let mut numbers: Vec<u64> = frames.iter().filter(|frame| frame.file == *file).map(|frame| frame.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:@%".contains(letter);
    let quoted = if file.chars().all(plain) { file.clone() } else { format!("'{}'", file.replace('\'', "'\\''")) };
    let mut command = format!("editcap -r {quoted} alert.pcapng");
    for number in numbers {
        let _ = write!(command, " {number}");
    }
    Some(command)
}
