//! What an act of learning reaches: the baseline entries that may become allowed with it, the alerts that name them, and of
//! the state as much as an engine needs to judge these.

use super::Reader;
use crate::StoreError;
use crate::load::{self, BASELINE};
use crate::value::{count, device, parsed};
use ot_engine::Snapshot;
use ot_engine::model::{Alert, BaselineEntry, DeviceId, EntryId, EntryKind};
use rusqlite::{Connection, OptionalExtension as _, ToSql};
use std::collections::{BTreeMap, BTreeSet};

/// Baseline entries of one kind, by who they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// Of this kind.
    pub kind: EntryKind,
    /// With this client, or with none; `None`: with any.
    pub client: Option<Option<DeviceId>>,
    /// With this server, or with none; `None`: with any.
    pub server: Option<Option<DeviceId>>,
}

impl Reach {
    /// The entries that, with one of these, may allow something together: of the same kind, between the same two devices. What
    /// is written to a point counts whoever writes it.
    pub fn around(kind: EntryKind, client: Option<DeviceId>, server: Option<DeviceId>) -> Self {
        Self { kind, client: (kind != EntryKind::Writer).then_some(client), server: Some(server) }
    }

    /// Reads columns of the baseline by the index of the narrower side.
    fn read<T>(
        &self,
        connection: &Connection,
        columns: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let kind = self.kind.as_str();
        let (client, server) = (self.client.flatten().map(|id| id.0), self.server.flatten().map(|id| id.0));
        // A `+` keeps SQLite from the index of a column that tells little.
        let by_client = matches!(self.client, Some(Some(_)));
        let side = |asked: bool, column: &str, mark: &str, index: bool| match (asked, index) {
            (false, _) => String::new(),
            (true, true) => format!(" AND {column} IS {mark}"),
            (true, false) => format!(" AND +{column} IS {mark}"),
        };
        let sql = format!(
            "SELECT {columns} FROM baseline WHERE kind = ?1{}{}",
            side(self.client.is_some(), "client", "?2", by_client),
            side(self.server.is_some(), "server", if self.client.is_some() { "?3" } else { "?2" }, !by_client),
        );
        let mut parameters: Vec<&dyn ToSql> = vec![&kind];
        if self.client.is_some() {
            parameters.push(&client);
        }
        if self.server.is_some() {
            parameters.push(&server);
        }
        connection.prepare_cached(&sql)?.query_map(parameters.as_slice(), read)?.collect()
    }
}

/// A violation with the baseline entries that it departs from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartureRow {
    /// Number of the alert.
    pub alert: u32,
    /// Its type.
    pub kind: String,
    /// Violations of the alert in all.
    pub alert_count: u64,
    /// How many rows of violations the alert had, whether kept or not.
    pub violation_count: u32,
    /// How often this violation came.
    pub count: u64,
    /// The entries.
    pub entries: Vec<EntryId>,
}

impl Reader {
    /// An alert as the engine knows it, whatever its status.
    pub fn remembered(&self, id: &str) -> Result<Option<Alert>, StoreError> {
        load::alert(&self.connection, "", id, &mut Vec::new()).map_err(|error| self.fail(error))
    }

    /// The numbers of the entries within reach, in order.
    pub fn entries_within(&self, reaches: &BTreeSet<Reach>) -> Result<Vec<EntryId>, StoreError> {
        let mut found = BTreeSet::new();
        for reach in reaches {
            let ids = reach.read(&self.connection, "id", |row| row.get(0)).map_err(|error| self.fail(error))?;
            found.extend(ids.into_iter().map(EntryId));
        }
        Ok(found.into_iter().collect())
    }

    /// The numbers of the alerts that name one of these entries: the newest `most`, all where it is `None`; and whether there
    /// are older ones.
    pub fn alerts_naming(&self, entries: &[EntryId], most: Option<usize>) -> Result<(BTreeSet<u32>, bool), StoreError> {
        // One more of each entry tells whether there are older ones; of an entry that many name no more are read.
        let limit = most.map_or(-1, |most| i64::try_from(most).map_or(-1, |most| most.saturating_add(1)));
        let read = || -> rusqlite::Result<BTreeSet<u32>> {
            let mut found = BTreeSet::new();
            let mut statement = self.connection.prepare_cached(
                "SELECT DISTINCT alert FROM alert_entry INDEXED BY alert_entry_entry WHERE entry = ?1
                 ORDER BY alert DESC LIMIT ?2",
            )?;
            for entry in entries {
                for alert in statement.query_map(rusqlite::params![entry.0, limit], |row| row.get(0))? {
                    found.insert(alert?);
                }
            }
            Ok(found)
        };
        let mut found = read().map_err(|error| self.fail(error))?;
        let over = most.map_or(0, |most| found.len().saturating_sub(most));
        for _ in 0..over {
            found.pop_first();
        }
        Ok((found, over > 0))
    }

    /// The entries that these alerts name, in order.
    pub fn entries_named(&self, alerts: &[u32]) -> Result<Vec<EntryId>, StoreError> {
        let found = self.numbers(
            "SELECT DISTINCT entry FROM alert_entry WHERE alert IN (SELECT value FROM json_each(?1)) ORDER BY entry",
            &json(alerts.iter().copied()),
        )?;
        Ok(found.into_iter().map(EntryId).collect())
    }

    fn numbers(&self, sql: &str, list: &str) -> Result<Vec<u32>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map([list], |row| row.get(0))?.collect())
            .map_err(|error| self.fail(error))
    }

    /// Violations with the baseline entries that they depart from, by alert and place: of these alerts, or of all.
    pub fn departures(&self, alerts: Option<&[u32]>, mut each: impl FnMut(DepartureRow)) -> Result<(), StoreError> {
        let (condition, list) = match alerts {
            Some(alerts) => ("WHERE a.number IN (SELECT value FROM json_each(?1))", vec![json(alerts.iter().copied())]),
            None => ("", Vec::new()),
        };
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT a.number, a.type, a.count, a.violation_count, v.count, v.entries
                 FROM alert a JOIN violation v ON v.alert = a.number {condition} ORDER BY a.number, v.number"
            ))?;
            let mut rows = statement.query(rusqlite::params_from_iter(&list))?;
            while let Some(row) = rows.next()? {
                each(DepartureRow {
                    alert: row.get(0)?,
                    kind: row.get(1)?,
                    alert_count: count(row, 2)?,
                    violation_count: row.get(3)?,
                    count: count(row, 4)?,
                    entries: parsed(row, 5, crate::value::entries)?,
                });
            }
            Ok(())
        };
        read().map_err(|error| self.fail(error))
    }

    /// The part of the state from which an engine judges whether these entries are allowed, as it would from the whole: the
    /// entries, those that may allow something together with them, all that are wider than exact, the acts on all of these,
    /// and the devices that they are about. No alerts.
    pub fn snapshot_around(&self, entries: &[EntryId]) -> Result<Snapshot, StoreError> {
        self.around(entries).map_err(|error| self.fail(error))
    }

    fn around(&self, entries: &[EntryId]) -> rusqlite::Result<Snapshot> {
        let connection = &self.connection;
        let reaches: BTreeSet<Reach> = connection
            .prepare_cached(
                "SELECT DISTINCT kind, client, server FROM baseline WHERE id IN (SELECT value FROM json_each(?1))",
            )?
            .query_map([json(entries.iter().map(|id| id.0))], |row| {
                Ok(Reach::around(parsed(row, 0, EntryKind::parse)?, device(row, 1)?, device(row, 2)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut found: BTreeMap<EntryId, BaselineEntry> = BTreeMap::new();
        for reach in reaches {
            found.extend(reach.read(connection, BASELINE, load::entry)?.into_iter().map(|entry| (entry.id, entry)));
        }
        let wide = format!(
            "SELECT {BASELINE} FROM baseline WHERE scope <> 'exact' AND id IN (SELECT entry FROM baseline_grant)"
        );
        found.extend(load::rows(connection, &wide, &[], load::entry)?.into_iter().map(|entry| (entry.id, entry)));
        // Whether anybody allowed anything counts as well.
        let first = format!("SELECT {BASELINE} FROM baseline WHERE id IN (SELECT entry FROM baseline_grant LIMIT 1)");
        found.extend(connection.query_row(&first, [], load::entry).optional()?.map(|entry| (entry.id, entry)));

        let ids = json(found.keys().map(|id| id.0));
        let sides = found.values().flat_map(|entry| [entry.key.client, entry.key.server]).flatten();
        let devices = json(sides.collect::<BTreeSet<_>>().into_iter().map(|id| id.0));
        Ok(Snapshot {
            devices: load::devices(
                connection,
                "",
                "WHERE id IN (SELECT value FROM json_each(?1))
                     OR id IN (SELECT parent FROM device WHERE id IN (SELECT value FROM json_each(?1)))",
                &[&devices],
            )?,
            grants: load::grants(connection, "", "WHERE entry IN (SELECT value FROM json_each(?1))", &[&ids])?,
            entries: found.into_values().collect(),
            state: load::state(connection, "")?,
            ..Snapshot::default()
        })
    }
}

/// Numbers as a parameter: `json_each` takes any count of them.
fn json(numbers: impl Iterator<Item = u32>) -> String {
    let list: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", list.join(","))
}
