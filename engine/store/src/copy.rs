//! A copy of a store as it is at one moment, also while an engine writes to it.

use crate::evidence::{EvidenceRow, EvidenceState};
use crate::read::Reader;
use crate::{AccessStore, StoreError, open};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pages copied at a time.
const PAGES: i32 = 2_048;
/// How long a copy waits where the store is locked.
const PATIENCE: Duration = Duration::from_secs(5);

impl Reader {
    /// Copies the store into a new file, whole pages of one moment: within [`Reader::begin`] that of all other answers. The
    /// engine writes on meanwhile; what it writes is not in the copy. The copy is one file without a log beside it, readable
    /// by its owner alone, and on the disk when this returns.
    ///
    /// # Errors
    /// As the store's, and where the new file is there already or cannot be written.
    pub fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        pages(self.connection(), self.path(), to)
    }

    /// The packets of alerts that are kept, by the name of their files.
    ///
    /// # Errors
    /// As the store's.
    pub fn evidence_files(&self) -> Result<Vec<EvidenceRow>, StoreError> {
        self.evidence_in(EvidenceState::Kept)
    }
}

impl AccessStore {
    /// Copies the users of a store, where it has any, as [`Reader::copy_to`] does; false where it has none.
    ///
    /// # Errors
    /// As that.
    pub fn copy(store: &Path, to: &Path) -> Result<bool, StoreError> {
        let path = crate::access::access_path(store);
        if !path.is_file() {
            return Ok(false);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = open::connect(&path, flags)?;
        pages(&connection, &path, to)?;
        Ok(true)
    }
}

fn pages(from: &Connection, path: &Path, to: &Path) -> Result<(), StoreError> {
    let fail = |error| StoreError::from_sqlite(path, error);
    let fail_to = |error| StoreError::from_sqlite(to, error);
    let fail_file = |error: std::io::Error| StoreError::from_io(to, &error);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(fail_file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = open::connect(to, flags)?;
    // Nobody else knows the new file, and where this process ends before it is done the file is worth nothing.
    copy.pragma_update(None, "journal_mode", "off")
        .and_then(|()| copy.pragma_update(None, "synchronous", "off"))
        .map_err(fail_to)?;
    // Whoever holds a moment keeps it between the steps; else the copy would begin anew with each commit.
    let moment = if from.is_autocommit() { Some(from.unchecked_transaction().map_err(fail)?) } else { None };
    from.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).map_err(fail)?;
    let deadline = Instant::now() + PATIENCE;
    {
        let backup = Backup::new(from, &mut copy).map_err(fail_to)?;
        loop {
            match backup.step(PAGES).map_err(fail_to)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                _ => return Err(StoreError::Locked { path: path.to_owned() }),
            }
        }
    }
    drop(moment);
    copy.pragma_update(None, "journal_mode", "delete").map_err(fail_to)?;
    copy.close().map_err(|(_, error)| fail_to(error))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(fail_file)
}
