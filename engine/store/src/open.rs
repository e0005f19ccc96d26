//! Opening, and bringing an older store up to date.

use crate::{StoreError, run};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// `OTsn`: tells our databases from those of other programs (SQLite file format, section 1.3.16).
pub const APPLICATION_ID: i32 = 0x4f54_736e;

/// Migrations, forward only. Each takes a store from format `index` to `index + 1`; what was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/001.sql"),
    include_str!("../migrations/002.sql"),
    include_str!("../migrations/003.sql"),
    include_str!("../migrations/004.sql"),
    include_str!("../migrations/005.sql"),
    include_str!("../migrations/006.sql"),
    include_str!("../migrations/007.sql"),
    include_str!("../migrations/008.sql"),
    include_str!("../migrations/009.sql"),
    include_str!("../migrations/010.sql"),
    include_str!("../migrations/011.sql"),
    include_str!("../migrations/012.sql"),
    include_str!("../migrations/013.sql"),
    include_str!("../migrations/014.sql"),
    include_str!("../migrations/015.sql"),
    include_str!("../migrations/016.sql"),
    include_str!("../migrations/017.sql"),
];

/// The format this version writes: SQLite's `user_version`.
pub const VERSION: i32 = {
    assert!(MIGRATIONS.len() < 1000);
    #[allow(clippy::cast_possible_truncation)]
    let version = MIGRATIONS.len() as i32;
    version
};

const BUSY: Duration = Duration::from_secs(5);

/// A connection that writes.
pub(crate) fn writer(path: &Path, create: bool) -> Result<Connection, StoreError> {
    check_path(path, create)?;
    let deadline = Instant::now() + BUSY;
    loop {
        match try_writer(path, create) {
            // Of two connections that turn a new store to WAL at the same moment, SQLite sends one away at once instead of
            // waiting, for they would wait for each other. That one begins again.
            Err(StoreError::Locked { .. }) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
}

fn try_writer(path: &Path, create: bool) -> Result<Connection, StoreError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let fail = |error| StoreError::from_sqlite(path, error);
    let mut connection = connect(path, flags)?;
    let found = format(&connection, path)?;
    if connection.is_readonly("main").map_err(fail)? {
        return Err(StoreError::Permission { path: path.to_owned() });
    }
    connection
        .pragma_update(None, "journal_mode", "wal")
        .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        .and_then(|()| connection.pragma_update(None, "temp_store", "memory"))
        .and_then(|()| connection.pragma_update(None, "cache_size", -32_768))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", 64 << 20))
        // The lists of words in CHECK clauses are those of enumerations here; held against them, each row that is written
        // would build the list anew as a table of its own, which costs more than the row.
        .and_then(|()| connection.pragma_update(None, "ignore_check_constraints", true))
        .map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(96);
    if found < VERSION {
        migrate(&mut connection, path)?;
    }
    Ok(connection)
}

/// A connection that only reads. It must be of this version's format: only a writer migrates.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    check_path(path, false)?;
    // A store in a directory where this user may not write can still be read, as long as its side files are there.
    let connection = match connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX) {
        Err(StoreError::Permission { .. } | StoreError::Io { .. }) => {
            connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?
        }
        other => other?,
    };
    let connection = if format(&connection, path)? < VERSION {
        drop(connection);
        writer(path, false)?
    } else {
        connection
    };
    connection.pragma_update(None, "query_only", true).map_err(|error| StoreError::from_sqlite(path, error))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection to a store of any format that this version knows, which is left as it is.
pub(crate) fn as_it_is(path: &Path) -> Result<Connection, StoreError> {
    check_path(path, false)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    format(&connection, path)?;
    Ok(connection)
}

fn check_path(path: &Path, create: bool) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(StoreError::Directory { path: path.to_owned() }),
        Ok(found) if found.is_file() => check_header(path),
        Ok(_) => Err(StoreError::NotADatabase { path: path.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !create {
                Err(StoreError::Missing { path: path.to_owned() })
            } else if !parent.is_dir() {
                Err(StoreError::NoParent { path: path.to_owned(), parent: parent.to_owned() })
            } else {
                Ok(())
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(StoreError::NoParent { path: path.to_owned(), parent: path.parent().unwrap_or(path).to_owned() })
        }
        Err(error) => Err(StoreError::from_io(path, &error)),
    }
}

/// SQLite takes a file that is shorter than its header for an empty database, and would overwrite it.
fn check_header(path: &Path) -> Result<(), StoreError> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut start = Vec::with_capacity(MAGIC.len());
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut start))
        .map_err(|error| StoreError::from_io(path, &error))?;
    if start.is_empty() || start == MAGIC { Ok(()) } else { Err(StoreError::NotADatabase { path: path.to_owned() }) }
}

pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| {
        // SQLite says only that it cannot open; the system knows why.
        let create = flags.contains(OpenFlags::SQLITE_OPEN_CREATE);
        let write = flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE);
        let tried = std::fs::OpenOptions::new().read(true).write(write).create(create).truncate(false).open(path);
        match tried {
            Err(error) => StoreError::from_io(path, &error),
            Ok(_) => StoreError::from_sqlite(path, error),
        }
    })?;
    connection.busy_timeout(BUSY).map_err(|error| StoreError::from_sqlite(path, error))?;
    Ok(connection)
}

/// The format of the store, 0 where it is empty. Refuses what is not ours before anything is written to it.
fn format(connection: &Connection, path: &Path) -> Result<i32, StoreError> {
    let (application, found, tables): (i32, i32, i64) = connection
        .query_row(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
                    (SELECT COUNT(*) FROM sqlite_schema)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(|error| StoreError::from_sqlite(path, error))?;
    let path = path.to_owned();
    match (application, found) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, found) if found > VERSION => Err(StoreError::Newer { path, found, known: VERSION }),
        (APPLICATION_ID, 1..) => Ok(found),
        _ => Err(StoreError::OtherProgram { path, application }),
    }
}

/// Each step is one transaction, so that an interrupted migration goes on where it stopped. Two processes that open the
/// same new store at once both come here: the second finds the work done.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error| StoreError::from_sqlite(path, error);
    for (version, sql) in (0..).zip(MIGRATIONS) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        if format(&transaction, path)? == version {
            transaction
                .execute_batch(sql)
                .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
                .and_then(|()| transaction.pragma_update(None, "user_version", version + 1))
                .and_then(|()| run::complete_copies(&transaction))
                .map_err(fail)?;
        }
        transaction.commit().map_err(fail)?;
    }
    Ok(())
}
