//! Whether a store is sound.

use crate::{StoreError, open};
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::time::{Duration, Instant};

/// How thoroughly a store is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every page and every row, but not whether the indexes hold what the rows do. Time grows with the size of the file.
    Pages,
    /// The indexes as well, and that no row hangs on one that is gone. Several times as long.
    All,
}

/// What a look at a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Soundness {
    /// What is damaged, the first 20 things; empty where nothing is.
    pub problems: Vec<String>,
    /// Whether all was looked at; false where the time for it was over before.
    pub whole: bool,
}

impl Soundness {
    /// An error where something is damaged.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first problem.
    pub fn sound(&self, path: &Path) -> Result<(), StoreError> {
        match self.problems.first() {
            None => Ok(()),
            Some(first) => {
                let more = match self.problems.len() - 1 {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                Err(StoreError::Corrupt { path: path.to_owned(), detail: format!("{first}{more}") })
            }
        }
    }
}

/// Problems told.
const MOST_PROBLEMS: u32 = 20;
/// Instructions of SQLite's machine between two looks at the clock.
const INSTRUCTIONS: i32 = 100_000;

/// Looks at a store as it is at one moment, for so long at most. An engine may write to it meanwhile.
///
/// # Errors
/// Where it cannot be opened: it is not there, no store, or of a newer version. Damage is no error but what was found.
pub fn check(path: &Path, depth: Depth, longest: Option<Duration>) -> Result<Soundness, StoreError> {
    let damaged = |detail: String| Soundness { problems: vec![detail], whole: true };
    let mut connection = match open::as_it_is(path) {
        Ok(connection) => connection,
        Err(StoreError::Corrupt { detail, .. }) => return Ok(damaged(detail)),
        Err(error) => return Err(error),
    };
    if let Some(longest) = longest {
        let end = Instant::now() + longest;
        connection
            .progress_handler(INSTRUCTIONS, Some(move || Instant::now() >= end))
            .map_err(|error| StoreError::from_sqlite(path, error))?;
    }
    match look(&connection, depth) {
        Ok(problems) => Ok(Soundness { problems, whole: true }),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(Soundness::default()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(damaged(error.to_string())),
            _ => Err(StoreError::from_sqlite(path, error)),
        },
    }
}

fn look(connection: &Connection, depth: Depth) -> rusqlite::Result<Vec<String>> {
    // Words in CHECK clauses are those of the version that made the table.
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let sql = match depth {
        Depth::Pages => format!("PRAGMA quick_check({MOST_PROBLEMS})"),
        Depth::All => format!("PRAGMA integrity_check({MOST_PROBLEMS})"),
    };
    let mut problems: Vec<String> =
        connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    problems.retain(|line| line != "ok");
    // One problem may be told in several lines.
    problems.iter_mut().for_each(|line| *line = line.replace('\n', "; "));
    if depth == Depth::All && problems.is_empty() {
        let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            problems.push(format!("a row of {table} hangs on one of {parent} that is not there"));
            if problems.len() >= MOST_PROBLEMS as usize {
                break;
            }
        }
    }
    Ok(problems)
}

/// Makes sure that no other process has a store open, and puts all that it holds into its one file, so that the file can be
/// moved.
///
/// # Errors
/// Where another process has it open; where it cannot be read. A store that is damaged is an error too: what lies beside it
/// then has to be moved with it.
pub fn settle(path: &Path) -> Result<(), StoreError> {
    let connection = open::as_it_is(path)?;
    let fail = |error| StoreError::from_sqlite(path, error);
    connection.busy_timeout(Duration::from_millis(500)).map_err(fail)?;
    connection.pragma_update(None, "journal_mode", "delete").map_err(fail)?;
    connection.close().map_err(|(_, error)| fail(error))
}
