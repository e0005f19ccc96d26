//! The packets of alerts: the frames that made an alert, and what the same two hosts sent before and after.
//!
//! Nothing is done for a packet while the sensor reads it. When alerts are known, [`pick`] goes through the packets once
//! more: first it finds the frames that made alerts, with their times and hosts; then it takes these and what is around
//! them. The packets come from anything that can be gone through again ([`ot_capture::Packets`]): capture files, or the
//! ring in memory of a source that cannot be read twice. What is kept follows from packets and alerts alone.
//!
//! The files lie in a [`Folder`], one pcapng file for an alert and run. They are written beside and then renamed, so that
//! a file that is there is whole.

mod collect;
mod folder;
mod triggers;

use std::path::PathBuf;

use ot_capture::CaptureError;
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, Nanos, Timestamp};

pub use collect::pick;
pub use folder::{Folder, name_of};
pub use triggers::triggers;

/// What is kept of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long before the first frame of an alert, and before its last. Default 10 s.
    pub before: Nanos,
    /// Packets before each of these, at most. Default 200.
    pub before_packets: usize,
    /// How long after them. Default 2 s.
    pub after: Nanos,
    /// Packets after each of these, at most. Default 50.
    pub after_packets: usize,
    /// Bytes of an alert's file, at most; the frames that made it are kept beyond it. Default 1 MiB.
    pub alert_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { before: 10 * SECOND, before_packets: 200, after: 2 * SECOND, after_packets: 50, alert_bytes: 1 << 20 }
    }
}

/// An alert whose packets are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its id: names the file.
    pub id: String,
    /// Its title, for the comments.
    pub title: String,
    /// Frames that made it, of the inputs at hand.
    pub frames: Vec<FrameRef>,
}

/// What stands in every file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Id of the sensor.
    pub sensor: String,
    /// Number of the run.
    pub run: u32,
    /// Number of the first input of the run, and the path of each as given.
    pub first_file: u32,
    /// Paths of the inputs, in order.
    pub paths: Vec<String>,
}

impl Origin {
    /// The path of an input.
    fn path(&self, file: u32) -> &str {
        let at = file.checked_sub(self.first_file).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.paths.get(at)).map_or("", String::as_str)
    }

    /// Whether a frame is of an input of the run.
    pub fn holds(&self, frame: FrameRef) -> bool {
        let at = frame.file().checked_sub(self.first_file).and_then(|at| usize::try_from(at).ok());
        frame.number() > 0 && at.is_some_and(|at| at < self.paths.len())
    }
}

/// What was kept of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Place of the alert among those wanted.
    pub want: usize,
    /// Packets in the file.
    pub packets: u32,
    /// How many of them are frames that made the alert.
    pub triggers: u32,
    /// Frames that made the alert and are not there any more.
    pub missing: u32,
    /// Packets around them that were left out because the file would have become too large.
    pub left_out: u32,
    /// Time of the earliest packet.
    pub first: Timestamp,
    /// Time of the latest.
    pub last: Timestamp,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The file, not yet under its own name.
    pub file: PathBuf,
}

/// Packets cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The packets cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The folder cannot be written to.
    #[error("{}: {source}", .path.display())]
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
}
