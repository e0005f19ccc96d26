//! Several inputs as one source.

use std::path::PathBuf;

use crate::{CaptureError, InputFile, Packet, Progress, Source, Warning};

/// One or more captures, merged by packet time.
///
/// Files are ordered by the time of their first packet, then by path; that order gives the file number in `FrameRef`.
/// Each file keeps its own order of frames; of several files the one whose next frame is earliest goes on, ties by file
/// number.
pub struct CaptureSet {
    files: Vec<InputFile>,
}

impl CaptureSet {
    /// Opens and hashes all inputs. `-` is standard input, which is hashed while it is read and must stand alone.
    ///
    /// # Errors
    /// The first input that cannot be used.
    pub fn open(paths: &[PathBuf]) -> Result<Self, CaptureError> {
        let _ = paths;
        Err(CaptureError::Nothing)
    }

    /// The inputs in the order of their numbers.
    pub fn files(&self) -> &[InputFile] {
        &self.files
    }
}

impl Source for CaptureSet {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        Ok(None)
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}
