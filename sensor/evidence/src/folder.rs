//! The folder in which packets of alerts are kept.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::EvidenceError;

/// What the names of files in the making end with.
const TEMPORARY: &str = "part";

/// Name of the file of an alert and a run, within the folder: `3f/3f2a91c4…-7.pcapng`.
pub fn name_of(alert: &str, run: u32) -> String {
    format!("{}/{alert}-{run}.pcapng", alert.get(..2).unwrap_or("00"))
}

/// The folder. It is made when the first file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// At a path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn temporary(&self, alert: &str, run: u32) -> PathBuf {
        self.file(&format!("{}.{TEMPORARY}", name_of(alert, run)))
    }

    /// Takes away what an earlier attempt left of these files, so that they begin empty.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn clear<'a>(&self, alerts: impl Iterator<Item = &'a str>, run: u32) -> Result<(), EvidenceError> {
        alerts.map(|alert| self.temporary(alert, run)).try_for_each(|path| remove(&path))
    }

    pub(crate) fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
        let open = || OpenOptions::new().append(true).create(true).open(path);
        let fail = |source| EvidenceError::Folder { path: path.to_owned(), source };
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(&self.path)).map_err(fail)?;
                open().map_err(fail)?
            }
            other => other.map_err(fail)?,
        };
        file.write_all(bytes).map_err(fail)
    }

    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, EvidenceError> {
        fs::read(path).map_err(|source| EvidenceError::Folder { path: path.to_owned(), source })
    }

    /// Gives a finished file its name, in place of an older one.
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn keep(&self, temporary: &Path, name: &str) -> Result<(), EvidenceError> {
        let path = self.file(name);
        fs::rename(temporary, &path).map_err(|source| EvidenceError::Folder { path, source })
    }

    /// Puts a finished file behind an older one of the same alert and run: as a section of its own.
    ///
    /// # Errors
    /// Where one of them cannot be read or written.
    pub fn join(&self, temporary: &Path, name: &str) -> Result<Vec<u8>, EvidenceError> {
        let path = self.file(name);
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| EvidenceError::Folder { path, source }
        };
        let mut bytes = fs::read(&path).map_err(fail(&path))?;
        bytes.extend(fs::read(temporary).map_err(fail(temporary))?);
        fs::write(temporary, &bytes).map_err(fail(temporary))?;
        self.keep(temporary, name)?;
        Ok(bytes)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn drop_file(&self, name: &str) -> Result<(), EvidenceError> {
        remove(&self.file(name))
    }

    /// Removes a file in the making.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn drop_temporary(&self, temporary: &Path) -> Result<(), EvidenceError> {
        remove(temporary)
    }

    /// Removes the files of the folder that are not `kept`: of alerts that are gone, and what an interrupted run left.
    /// What has another kind of name is not ours and stays. Gives how many files were removed.
    ///
    /// # Errors
    /// Where the folder cannot be read or a file not be removed.
    pub fn sweep(&self, kept: &BTreeSet<String>) -> Result<u64, EvidenceError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| EvidenceError::Folder { path, source }
        };
        let mut removed = 0;
        let parts = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other.map_err(fail(&self.path))?,
        };
        for part in parts {
            let part = part.map_err(fail(&self.path))?;
            let start = part.file_name().to_string_lossy().into_owned();
            if start.len() != 2 || !part.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let folder = part.path();
            let mut stay = 0_u64;
            for file in fs::read_dir(&folder).map_err(fail(&folder))? {
                let file = file.map_err(fail(&folder))?;
                let name = file.file_name().to_string_lossy().into_owned();
                if !is_ours(&name) || kept.contains(&format!("{start}/{name}")) {
                    stay += 1;
                    continue;
                }
                remove(&file.path())?;
                removed += 1;
            }
            if stay == 0 {
                let _ = fs::remove_dir(&folder);
            }
        }
        Ok(removed)
    }
}

/// `32 hexadecimal digits-run.pcapng`, and with `.part` behind it.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(".part").unwrap_or(name);
    name.strip_suffix(".pcapng").and_then(|stem| stem.split_once('-')).is_some_and(|(alert, run)| {
        alert.len() == 32
            && alert.bytes().all(|digit| digit.is_ascii_hexdigit())
            && !run.is_empty()
            && run.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn remove(path: &Path) -> Result<(), EvidenceError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(EvidenceError::Folder { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_ours_are_swept() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path().join("evidence"));
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(folder.sweep(&BTreeSet::new()).unwrap(), 0);
        folder.append(&folder.temporary(id, 1), b"one").unwrap();
        folder.keep(&folder.temporary(id, 1), &name_of(id, 1)).unwrap();
        folder.append(&folder.temporary(id, 2), b"two").unwrap();
        folder.append(&folder.file("01/notes.txt"), b"of a person").unwrap();
        folder.append(&folder.file("mine/notes-1.pcapng"), b"of a person").unwrap();
        let kept = BTreeSet::from([name_of(id, 1)]);
        assert_eq!(folder.sweep(&kept).unwrap(), 1);
        assert!(folder.file(&name_of(id, 1)).is_file());
        assert!(!folder.temporary(id, 2).exists());
        assert_eq!(folder.sweep(&BTreeSet::new()).unwrap(), 1);
        assert!(folder.file("01/notes.txt").is_file() && folder.file("mine/notes-1.pcapng").is_file());
    }
}
