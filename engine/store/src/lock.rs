//! One engine a store, and one forwarder: lock files beside it.

use crate::StoreError;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock may be held by somebody who only asks.
const MOMENT: Duration = Duration::from_millis(60);

/// The right to run an engine on a store, or to forward from it. Given back when dropped, or when the process ends, even by
/// SIGKILL.
///
/// The file (`PATH.lock`, `PATH.forward.lock`) stays; it holds the process id of the last holder.
#[derive(Debug)]
pub struct EngineLock {
    file: File,
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that this one is just starting has it open, too, for a moment.
        let _ = self.file.unlock();
    }
}

impl EngineLock {
    /// Takes the right to run an engine on a store, which need not be there yet.
    ///
    /// # Errors
    /// Where another process has it, or the file cannot be made.
    pub fn take(store: &Path) -> Result<Self, StoreError> {
        Self::take_for(store, "lock", |path, pid| StoreError::EngineRuns { path, pid })
    }

    /// Takes the lock of another role, whose file ends so.
    pub(crate) fn take_for(
        store: &Path,
        end: &str,
        held: impl Fn(PathBuf, Option<u32>) -> StoreError,
    ) -> Result<Self, StoreError> {
        let path = lock_path(store, end);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| StoreError::from_io(&path, &error))?;
        // Whoever only asks for the holder has the file for a moment.
        let deadline = Instant::now() + MOMENT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(held(store.to_owned(), read_pid(&file))),
                Err(TryLockError::Error(error)) => return Err(StoreError::from_io(&path, &error)),
            }
        }
        // The number only helps people. On a full disk the lock holds without it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }

    /// The process that holds a lock, where one does and it could be told.
    pub(crate) fn holder(store: &Path, end: &str) -> Option<u32> {
        let file = File::open(lock_path(store, end)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_pid(&file),
            _ => None,
        }
    }
}

/// Whether a process runs an engine on a store. Where this user may not look, one may.
pub fn engine_runs(store: &Path) -> bool {
    match File::open(lock_path(store, "lock")) {
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// Beside the store itself, by whatever link it is named: it is one store.
fn lock_path(store: &Path, end: &str) -> PathBuf {
    let store = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_owned());
    let mut name: OsString = store.into_os_string();
    name.push(".");
    name.push(end);
    name.into()
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
