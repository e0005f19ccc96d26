//! What is told to a person: one line each, with what happened, where, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No path was given.
    #[error("no capture given: name one or more files, or - for standard input")]
    Nothing,
    /// The path does not exist.
    #[error("{}: no such file: check the path", show(.path))]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file may not be read.
    #[error("{}: permission denied: make the file readable for this user", show(.path))]
    Permission {
        /// The path.
        path: PathBuf,
    },
    /// The path is a directory.
    #[error("{}: is a directory: name the capture files in it", show(.path))]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// The input has no bytes.
    #[error("{}: is empty (0 bytes): capture again or leave it out", show(.path))]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// The input is no pcap and no pcapng file.
    #[error("{}: is no capture file ({found}): give pcap or pcapng, plain, gzip or zstd", show(.path))]
    NotACapture {
        /// The path.
        path: PathBuf,
        /// What the file begins with.
        found: String,
    },
    /// The input holds packets of a link layer that is not decoded.
    #[error("{}: link type {number} is not supported: capture on Ethernet, Linux cooked, raw IP or BSD loopback", show(.path))]
    LinkType {
        /// The path.
        path: PathBuf,
        /// Number of the link type.
        number: u32,
    },
    /// Standard input or a pipe was given together with other inputs.
    #[error("{}: cannot be merged with other inputs because it can be read only once: give it alone, or as a file", show(.path))]
    NotAlone {
        /// The path.
        path: PathBuf,
    },
    /// The same path was given twice.
    #[error("{}: was given more than once: name each capture once", show(.path))]
    Twice {
        /// The path.
        path: PathBuf,
    },
    /// More inputs than a run can number.
    #[error(
        "{count} captures given, {} are possible: join them with mergecap, or replay them in several runs",
        u16::MAX
    )]
    TooMany {
        /// How many were given.
        count: usize,
    },
    /// A file is another one than when it was opened first.
    #[error("{}: was changed while it was replayed: replay a copy that nobody writes to", show(.path))]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// The operating system reports an error.
    #[error("{}: cannot be read: {source}", show(.path))]
    Read {
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// A path for a person: `-` is standard input.
pub(crate) fn show(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

/// Part of an input was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The input.
    pub path: PathBuf,
    /// Its number, as in `FrameRef`.
    pub file: u32,
    /// The frame concerned, from 1: all frames before it were used.
    pub frame: u64,
    /// Offset in bytes at which the record begins, in the file after decompression.
    pub offset: u64,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What is wrong with part of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The file ends within this record.
    Cut {
        /// Bytes that are missing to the end of the record, at least.
        missing: u64,
    },
    /// The compressed data ends early; what could be unpacked is used.
    CompressedCut,
    /// The compressed data is damaged; what could be unpacked is used.
    CompressedDamaged(String),
    /// The record makes no sense; the rest of the file is not used.
    Damaged(String),
    /// This record makes no sense, but the next one can be found; told once a file.
    Record(String),
    /// Packets of an interface with a link type that is not decoded; told once an interface.
    LinkType(u16),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, frame, offset, .. } = self;
        let path = show(path);
        match &self.trouble {
            Trouble::Cut { missing } => {
                write!(
                    f,
                    "{path}: ends within frame {frame} (offset {offset}): {missing} bytes are missing; the frames before it were used"
                )
            }
            Trouble::CompressedCut => {
                write!(
                    f,
                    "{path}: the compressed data ends early, at frame {frame} (offset {offset}); the frames before it were used"
                )
            }
            Trouble::CompressedDamaged(what) => {
                write!(
                    f,
                    "{path}: the compressed data is damaged at frame {frame} (offset {offset}): {what}; the frames before it were used"
                )
            }
            Trouble::Damaged(what) => {
                write!(
                    f,
                    "{path}: is damaged at frame {frame} (offset {offset}): {what}; the frames before it were used"
                )
            }
            Trouble::Record(what) => {
                write!(
                    f,
                    "{path}: frame {frame} (offset {offset}) cannot be used: {what}; it and others like it are skipped"
                )
            }
            Trouble::LinkType(number) => {
                write!(
                    f,
                    "{path}: frame {frame} and others of its interface have link type {number}, which is not supported; they are counted and skipped"
                )
            }
        }
    }
}
