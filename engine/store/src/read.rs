//! Reading for views: a connection that cannot write, and typed rows.
//!
//! Each question is one method. Rows come in a fixed order, so that equal stores give equal answers.

mod alerts;
mod around;
mod baseline;
mod devices;
mod events;
mod find;
mod journal;
mod map;
mod overview;
mod points;
mod programs;
mod runs;

pub use alerts::{AlertPlace, AlertQuery, AlertRow, AlertSort, HistoryRow, PeerFilter, ReportRow, Side};
pub use around::{DepartureRow, Reach};
pub use baseline::{ActRow, EntryQuery, LearningRow};
pub use devices::{DeviceQuery, SaidRow};
pub use events::EventQuery;
pub use journal::JournalQuery;
pub use map::{PlaceRow, UseRow};
pub use overview::{GroupRow, Mark, SensorRow, Stamp};
pub use points::PointQuery;
pub use programs::ProgramQuery;
pub use runs::{CommandRow, InputRow, RunRow, StateRow, Totals};

use crate::{StoreError, open};
use ot_engine::context::{Field, Importance};
use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, OptionalExtension, Row};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    /// How SQLite went about each statement.
    #[cfg(test)]
    plans: std::cell::RefCell<Vec<(String, String)>>,
}

/// A condition of a statement under construction.
#[derive(Clone, Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(sql);
        self
    }

    fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self
    }

    /// `column IN (?, ?)`; nothing asked where the list is empty.
    fn one_of<T: Into<Value>>(&mut self, column: &str, list: impl IntoIterator<Item = T>) {
        let before = self.values.len();
        self.values.extend(list.into_iter().map(Into::into));
        let n = self.values.len() - before;
        if n > 0 {
            self.and(&format!("{column} IN ({})", marks(n)));
        }
    }

    /// These and those. The parameters of these come first.
    fn and_all(&self, others: &Self) -> Self {
        let mut both = self.clone();
        if both.sql.is_empty() {
            both.sql.clone_from(&others.sql);
        } else {
            both.sql.push_str(&others.sql.replacen(" WHERE ", " AND ", 1));
        }
        both.values.extend(others.values.iter().cloned());
        both
    }

    fn parameters(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.values.iter().map(|value| -> &dyn ToSql { value })
    }
}

/// Fields with the values asked for; the importance as one of them.
fn said_of(said: &[(Field, Vec<String>)], importances: &[Importance]) -> Vec<(Field, Vec<String>)> {
    let mut all = said.to_vec();
    if !importances.is_empty() {
        all.push((Field::Importance, importances.iter().map(|importance| importance.as_str().to_owned()).collect()));
    }
    all
}

fn marks(n: usize) -> String {
    vec!["?"; n].join(", ")
}

fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn limit_sql(limit: Option<u32>) -> String {
    limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"))
}

fn page_sql(limit: Option<u32>, skip: u32) -> String {
    match (limit, skip) {
        (limit, 0) => limit_sql(limit),
        (Some(limit), skip) => format!(" LIMIT {limit} OFFSET {skip}"),
        (None, skip) => format!(" LIMIT -1 OFFSET {skip}"),
    }
}

/// Parameters a statement may have are limited; longer lists of ids are asked for in parts of this size.
const PART: usize = 500;

impl Reader {
    /// Opens a store that must be there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: open::reader(path)?,
            path: path.to_owned(),
            #[cfg(test)]
            plans: std::cell::RefCell::default(),
        })
    }

    /// For what is read in other files.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From here to [`Reader::end`] all answers are of one moment, whatever is committed meanwhile.
    pub fn begin(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("BEGIN").map_err(|error| self.fail(error))
    }

    /// Ends what [`Reader::begin`] began.
    pub fn end(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("COMMIT").map_err(|error| self.fail(error))
    }

    fn fail(&self, error: rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.path, error)
    }

    /// Hands each row on until told to stop.
    fn each(
        &self,
        sql: &str,
        conditions: &Conditions,
        mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        #[cfg(test)]
        self.explain(sql, conditions);
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        let mut rows =
            statement.query(rusqlite::params_from_iter(conditions.parameters())).map_err(|error| self.fail(error))?;
        while let Some(row) = rows.next().map_err(|error| self.fail(error))? {
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a list that hang on some owners, of each in order: the owner, then the columns.
    fn hanging(
        &self,
        table: &str,
        owner: &str,
        columns: &str,
        order: &str,
        owners: &[u32],
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let list = marks(owners.len());
        let sql = format!("SELECT {owner}, {columns} FROM {table} WHERE {owner} IN ({list}) ORDER BY {owner}, {order}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(owners))?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }

    /// The first row.
    fn one<T>(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, read).optional())
            .map_err(|error| self.fail(error))
    }

    fn rows<T>(
        &self,
        sql: &str,
        conditions: &Conditions,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        #[cfg(test)]
        self.explain(sql, conditions);
        let select = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(rusqlite::params_from_iter(conditions.parameters()), read)?.collect()
        };
        select().map_err(|error| self.fail(error))
    }
}
