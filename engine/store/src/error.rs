//! What can go wrong with a store, told for the person who has to put it right.

use rusqlite::{ErrorCode, ffi};
use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be used. Each message says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path names a directory.
    #[error("store {}: is a directory; name a file in it, for example {}", .path.display(), .path.join("ot-sensor.db").display())]
    Directory {
        /// The store.
        path: PathBuf,
    },
    /// The directory in which to create it is not there.
    #[error("store {}: its directory does not exist; create {} first", .path.display(), .parent.display())]
    NoParent {
        /// The store.
        path: PathBuf,
        /// The directory.
        parent: PathBuf,
    },
    /// There is no store.
    #[error("store {}: does not exist; give the path of a store, or make one with a replay", .path.display())]
    Missing {
        /// The store.
        path: PathBuf,
    },
    /// The rights to read or write do not suffice.
    #[error("store {}: permission denied; the file and its directory must be writable by this user", .path.display())]
    Permission {
        /// The store.
        path: PathBuf,
    },
    /// The file is no SQLite database.
    #[error("store {}: is not a store but another file; it was left as it is, give another path", .path.display())]
    NotADatabase {
        /// The store.
        path: PathBuf,
    },
    /// A database of another program.
    #[error("store {}: is a database of another program (application id {application:#010x}); it was left as it is, give another path", .path.display())]
    OtherProgram {
        /// The store.
        path: PathBuf,
        /// Its application id; 0 where it has none.
        application: i32,
    },
    /// Written by a newer version.
    #[error("store {}: has format {found}, this version knows formats up to {known}; use a newer ot-sensor", .path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format known.
        known: i32,
    },
    /// No room.
    #[error("store {}: no space left; free some and start again, nothing that was committed is lost", .path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// Another process wrote for too long.
    #[error("store {}: locked by another process for more than 5 seconds; wait for it or end it, then try again", .path.display())]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// Another process runs an engine on it.
    #[error("store {}: {} runs on it already; end it first, or use another store", .path.display(), holder(.pid))]
    EngineRuns {
        /// The store.
        path: PathBuf,
        /// The other process, where it could be told.
        pid: Option<u32>,
    },
    /// Another process forwards from it.
    #[error("store {}: {} forwards from it already; end it first", .path.display(), holder(.pid))]
    ForwarderRuns {
        /// The store.
        path: PathBuf,
        /// The other process, where it could be told.
        pid: Option<u32>,
    },
    /// Damaged.
    #[error("store {}: is damaged ({detail}); bring back a backup with ot-sensor restore BACKUP --force, or begin with a new store", .path.display())]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What is damaged.
        detail: String,
    },
    /// An input or output error of the system.
    #[error("store {}: {detail}; check the disk and the mount, then try again", .path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// A request that does not fit the store: an unknown run or command.
    #[error("store {}: {detail}", .path.display())]
    Request {
        /// The store.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// Anything else that SQLite says.
    #[error("store {}: {detail}; this is an error of ot-sensor, please report it", .path.display())]
    Internal {
        /// The store.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    pub(crate) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied) => {
                Self::Permission { path }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, detail },
            // The database itself could be opened, but the files that SQLite keeps beside it could not be made.
            Some(ErrorCode::CannotOpen) => Self::Permission { path },
            // A full file system has no room for the shared memory file.
            Some(ErrorCode::SystemIoFailure)
                if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) =>
            {
                Self::Full { path }
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => Self::Io { path, detail },
            Some(_) => Self::Internal { path, detail },
            None => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..) => Self::Corrupt { path, detail },
                rusqlite::Error::ToSqlConversionFailure(inner) => Self::Request { path, detail: inner.to_string() },
                _ => Self::Internal { path, detail },
            },
        }
    }

    pub(crate) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::IsADirectory => Self::Directory { path },
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { path, detail: error.to_string() },
        }
    }
}
