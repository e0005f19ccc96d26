//! A file of lines, which is begun anew when it has grown: `alerts.jsonl`, then `alerts.jsonl.1` and so on, oldest last.
//!
//! Lines are on the disk before they count as taken. A line that a power cut tore is taken away when the file is opened: its
//! message comes again.

use super::{SendError, Sink};
use crate::payload;
use crate::settings::{Format, LogFile};
use ot_views::AlertMessage;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// A torn line is looked for among so many last bytes.
const TAIL: u64 = 1 << 20;

pub(super) struct FileSink {
    settings: LogFile,
    format: Format,
    file: File,
    size: u64,
}

impl FileSink {
    pub fn open(settings: &LogFile, format: Format) -> Result<Self, SendError> {
        let (file, size) = begin(&settings.path).map_err(|error| fault(&settings.path, &error))?;
        Ok(Self { settings: settings.clone(), format, file, size })
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let path = &self.settings.path;
        let numbered = |number: u32| {
            let mut name: OsString = path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.settings.older == 0 {
            std::fs::remove_file(path)?;
        }
        for number in (1..=self.settings.older).rev() {
            let from = if number == 1 { path.clone() } else { numbered(number - 1) };
            match std::fs::rename(&from, numbered(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        (self.file, self.size) = begin(path)?;
        Ok(())
    }
}

/// Opens a file behind its last whole line.
fn begin(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&file).take(TAIL).read_to_end(&mut tail)?;
    if tail.last().is_none_or(|byte| *byte == b'\n') {
        return Ok((file, size));
    }
    match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => {
            let whole = from + u64::try_from(end + 1).unwrap_or_default();
            file.set_len(whole)?;
            Ok((file, whole))
        }
        None if from == 0 => {
            file.set_len(0)?;
            Ok((file, 0))
        }
        None => {
            file.write_all(b"\n")?;
            Ok((file, size + 1))
        }
    }
}

fn fault(path: &Path, error: &io::Error) -> SendError {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "; make its folder first",
        io::ErrorKind::PermissionDenied => "; this user must be able to write it, and its folder",
        io::ErrorKind::StorageFull => "; free some space",
        _ => "",
    };
    SendError::Broken(format!("{}: {error}{advice}", path.display()))
}

impl Sink for FileSink {
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        let mut line = payload::render(self.format, message);
        line.push(b'\n');
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let path = &self.settings.path;
        if self.size > 0 && self.size + length > self.settings.size {
            self.rotate().map_err(|error| fault(&self.settings.path, &error))?;
        } else if !path.exists() {
            // Somebody took it away, as programs do that rotate logs.
            (self.file, self.size) = begin(path).map_err(|error| fault(path, &error))?;
        }
        self.file.write_all(&line).map_err(|error| fault(&self.settings.path, &error))?;
        self.size += length;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SendError> {
        self.file.sync_data().map_err(|error| fault(&self.settings.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::sample;

    #[test]
    fn files_rotate_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let line = payload::render(Format::Json, &sample()).len() as u64 + 1;
        let settings = LogFile { path: path.clone(), size: 2 * line + 10, older: 2 };
        let mut sink = FileSink::open(&settings, Format::Json).unwrap();
        for number in 0..9 {
            let mut message = sample();
            message.sequence = number;
            sink.send(&message).unwrap();
        }
        sink.flush().unwrap();
        let told = |path: &Path| -> Vec<u64> {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"].as_u64().unwrap())
                .collect()
        };
        assert_eq!(told(&path), [8]);
        assert_eq!(told(&folder.path().join("alerts.jsonl.1")), [6, 7]);
        assert_eq!(told(&folder.path().join("alerts.jsonl.2")), [4, 5]);
        assert!(!folder.path().join("alerts.jsonl.3").exists());
    }

    #[test]
    fn a_torn_line_goes_and_a_file_that_was_taken_away_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        for (before, after) in [("{\"a\":1}\n{\"b\":", "{\"a\":1}\n"), ("{\"torn", ""), ("", ""), ("x\n", "x\n")] {
            std::fs::write(&path, before).unwrap();
            let mut sink = FileSink::open(&LogFile::new(path.clone()), Format::Text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
            sink.send(&sample()).unwrap();
            assert!(std::fs::read_to_string(&path).unwrap().starts_with(&format!("{after}CRITICAL")));
            std::fs::remove_file(&path).unwrap();
            sink.send(&sample()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        }
        let missing = FileSink::open(&LogFile::new(folder.path().join("no/alerts.jsonl")), Format::Json).err().unwrap();
        assert!(missing.to_string().contains("make its folder first"), "{missing}");
    }
}
