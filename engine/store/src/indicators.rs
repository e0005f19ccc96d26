//! Indicator lists: imported and removed by people, read by the engine when a run begins and whenever they changed.

use crate::read::Reader;
use crate::value::{count, parsed, time};
use crate::{Store, StoreError};
use ot_engine::indicators::{Indicator, Value};
use ot_protocol::Timestamp;
use rusqlite::{Connection, Row, ToSql, params};

/// A list without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorList {
    /// Its name.
    pub name: String,
    /// The file it came from.
    pub source: String,
    /// `text`, `csv` or `stix`.
    pub format: String,
    /// Who imported it.
    pub who: String,
    /// Wall time of the import.
    pub wall_time: Timestamp,
}

/// A list with how much is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorListRow {
    /// The list.
    pub list: IndicatorList,
    /// Addresses, networks and domains in it.
    pub counts: [u64; 3],
    /// When the last of its entries stops to count, where all of them do.
    pub expires: Option<Timestamp>,
}

impl Store {
    /// Puts a list in the place of the one of that name. Needs no lock. Gives how many entries the old one had.
    pub fn import_indicators(&mut self, list: &IndicatorList, entries: &[Indicator]) -> Result<u64, StoreError> {
        self.transact(|transaction, _| {
            let before =
                transaction
                    .query_row("SELECT COUNT(*) FROM indicator WHERE list = ?1", [&list.name], |row| count(row, 0))?;
            transaction.execute("DELETE FROM indicator WHERE list = ?1", [&list.name])?;
            transaction.execute("DELETE FROM indicator_list WHERE name = ?1", [&list.name])?;
            transaction.execute(
                "INSERT INTO indicator_list (name, source, format, who, wall_time) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![list.name, list.source, list.format, list.who, list.wall_time.0],
            )?;
            let mut insert = transaction.prepare(
                "INSERT OR IGNORE INTO indicator (list, kind, value, note, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for entry in entries {
                insert.execute(params![
                    list.name,
                    entry.value.kind(),
                    entry.value.to_string(),
                    entry.note,
                    entry.expires.map(|time| time.0)
                ])?;
            }
            transaction.execute("UPDATE indicator_change SET number = number + 1", [])?;
            Ok(before)
        })
    }

    /// Removes a list. Needs no lock. Gives how many entries it had; `None` where there is no list of that name.
    pub fn remove_indicators(&mut self, name: &str) -> Result<Option<u64>, StoreError> {
        self.transact(|transaction, _| {
            let entries =
                transaction.query_row("SELECT COUNT(*) FROM indicator WHERE list = ?1", [name], |row| count(row, 0))?;
            transaction.execute("DELETE FROM indicator WHERE list = ?1", [name])?;
            let gone = transaction.execute("DELETE FROM indicator_list WHERE name = ?1", [name])?;
            if gone == 0 {
                return Ok(None);
            }
            transaction.execute("UPDATE indicator_change SET number = number + 1", [])?;
            Ok(Some(entries))
        })
    }

    /// All entries of all lists.
    pub fn indicators(&self) -> Result<Vec<Indicator>, StoreError> {
        entries(&self.connection, "", &[]).map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// A number that each change of a list raises.
    pub fn indicator_change(&self) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached("SELECT number FROM indicator_change")
            .and_then(|mut statement| statement.query_row([], |row| count(row, 0)))
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }
}

impl Reader {
    /// All lists, by name.
    pub fn indicator_lists(&self) -> Result<Vec<IndicatorListRow>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(IndicatorListRow {
                list: IndicatorList {
                    name: row.get(0)?,
                    source: row.get(1)?,
                    format: row.get(2)?,
                    who: row.get(3)?,
                    wall_time: Timestamp(row.get(4)?),
                },
                counts: [count(row, 5)?, count(row, 6)?, count(row, 7)?],
                expires: time(row, 8)?,
            })
        };
        let rows = || -> rusqlite::Result<Vec<IndicatorListRow>> {
            self.connection()
                .prepare(
                    "SELECT l.name, l.source, l.format, l.who, l.wall_time,
                         COUNT(i.kind) FILTER (WHERE i.kind = 'address'), COUNT(i.kind) FILTER (WHERE i.kind = 'network'),
                         COUNT(i.kind) FILTER (WHERE i.kind = 'domain'),
                         CASE WHEN COUNT(i.expires) = COUNT(i.kind) THEN MAX(i.expires) END
                     FROM indicator_list l LEFT JOIN indicator i ON i.list = l.name GROUP BY l.name ORDER BY l.name",
                )?
                .query_map([], read)?
                .collect()
        };
        rows().map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// The entries of a list, or of all.
    pub fn indicators(&self, list: Option<&str>) -> Result<Vec<Indicator>, StoreError> {
        let found = match list {
            Some(name) => entries(self.connection(), "WHERE list = ?1", &[&name]),
            None => entries(self.connection(), "", &[]),
        };
        found.map_err(|error| StoreError::from_sqlite(self.path(), error))
    }
}

fn entries(connection: &Connection, condition: &str, parameters: &[&dyn ToSql]) -> rusqlite::Result<Vec<Indicator>> {
    connection
        .prepare(&format!(
            "SELECT list, kind, value, note, expires FROM indicator {condition} ORDER BY list, kind, value"
        ))?
        .query_map(parameters, |row| {
            let kind: String = row.get(1)?;
            let value = parsed(row, 2, |text| match kind.as_str() {
                "address" => text.parse().ok().map(Value::Address),
                "network" => text.parse().ok().map(Value::Network),
                _ => Some(Value::Domain(text.into())),
            })?;
            Ok(Indicator { list: row.get(0)?, value, note: row.get(3)?, expires: time(row, 4)? })
        })?
        .collect()
}
