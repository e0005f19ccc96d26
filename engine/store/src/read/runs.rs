//! Runs, inputs, commands and the small state.

use super::{Conditions, Reader};
use crate::StoreError;
use crate::value::{count, parsed, time};
use ot_protocol::Timestamp;
use rusqlite::OptionalExtension;
use std::net::IpAddr;

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRow {
    /// Its number over the whole store, from 0.
    pub file: u32,
    /// Run.
    pub run: u32,
    /// Path as given.
    pub path: String,
    /// SHA-256; empty for standard input.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Packets, once it was read to its end.
    pub packets: Option<u64>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Number from 1.
    pub id: u32,
    /// `replay` or `live`.
    pub kind: String,
    /// `running`, `done` or `aborted`.
    pub state: String,
    /// Sensor id.
    pub sensor: String,
    /// Site; empty without.
    pub site: String,
    /// What besides the inputs decides the result.
    pub options: String,
    /// Wall time of the start.
    pub started: Timestamp,
    /// Wall time of the end.
    pub finished: Option<Timestamp>,
    /// Starts: 1, and 1 more each time it resumed.
    pub attempts: u32,
    /// Packets.
    pub packets: u64,
}

/// A command and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRow {
    /// Its number.
    pub id: u64,
    /// `pending`, `applied` or `refused`.
    pub state: String,
    /// Why it was refused.
    pub error: Option<String>,
}

/// The small state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRow {
    /// Newest packet time.
    pub now: Option<Timestamp>,
    /// Whether the engine learns.
    pub learning: bool,
    /// Until when, in packet time.
    pub learning_until: Option<Timestamp>,
    /// Networks in which an OT protocol was confirmed.
    pub ot_subnets: Vec<(IpAddr, u8)>,
    /// Counters, by id.
    pub counters: Vec<(String, u64)>,
}

/// Rows in each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Devices.
    pub devices: u64,
    /// Baseline entries that are allowed.
    pub entries_allowed: u64,
    /// Baseline entries only observed.
    pub entries_observed: u64,
    /// Points.
    pub points: u64,
    /// Alerts.
    pub alerts: u64,
    /// Events.
    pub events: u64,
    /// Commands waiting for the engine.
    pub commands_pending: u64,
}

impl Reader {
    /// Runs, oldest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.rows(
            "SELECT id, kind, state, sensor, site, options, wall_started, wall_finished, attempts, packets FROM run
             ORDER BY id",
            &Conditions::default(),
            |row| {
                Ok(RunRow {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    state: row.get(2)?,
                    sensor: row.get(3)?,
                    site: row.get(4)?,
                    options: row.get(5)?,
                    started: Timestamp(row.get(6)?),
                    finished: time(row, 7)?,
                    attempts: row.get(8)?,
                    packets: count(row, 9)?,
                })
            },
        )
    }

    /// Input files, by number.
    pub fn inputs(&self) -> Result<Vec<InputRow>, StoreError> {
        self.rows(
            "SELECT file, run, path, sha256, bytes, packets FROM input ORDER BY file",
            &Conditions::default(),
            |row| {
                Ok(InputRow {
                    file: row.get(0)?,
                    run: row.get(1)?,
                    path: row.get(2)?,
                    sha256: row.get(3)?,
                    bytes: count(row, 4)?,
                    packets: row.get::<_, Option<i64>>(5)?.and_then(|packets| u64::try_from(packets).ok()),
                })
            },
        )
    }

    /// Path of an input file.
    pub fn input_path(&self, file: u32) -> Result<Option<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT path FROM input WHERE file = ?1")
            .and_then(|mut statement| statement.query_row([file], |row| row.get(0)).optional())
            .map_err(|error| self.fail(error))
    }

    /// The small state.
    pub fn state(&self) -> Result<StateRow, StoreError> {
        let none = Conditions::default();
        let mut state = StateRow::default();
        for (key, value) in self.rows("SELECT key, value FROM state ORDER BY key", &none, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })? {
            match key.as_str() {
                "now" => state.now = Some(Timestamp(value)),
                "learning" => state.learning = value != 0,
                "learning_until" => state.learning_until = Some(Timestamp(value)),
                _ => {}
            }
        }
        state.ot_subnets = self.rows("SELECT address, prefix FROM ot_subnet ORDER BY place", &none, |row| {
            Ok((parsed(row, 0, |text| text.parse().ok())?, row.get(1)?))
        })?;
        state.counters =
            self.rows("SELECT id, value FROM counter ORDER BY id", &none, |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(state)
    }

    /// Newest packet time; in a store that shows a centre, when its receiver last wrote.
    pub fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT COALESCE((SELECT NULLIF(wall_written, 0) FROM fleet), (SELECT value FROM state WHERE key = 'now'))",
            )
            .and_then(|mut statement| statement.query_row([], |row| time(row, 0)))
            .map_err(|error| self.fail(error))
    }

    /// Rows in each table.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        self.connection
            .query_row(
                "SELECT (SELECT COUNT(*) FROM device), (SELECT COUNT(*) FROM baseline),
                     (SELECT COUNT(*) FROM baseline WHERE NOT allowed), (SELECT COUNT(*) FROM point),
                     (SELECT COALESCE(SUM(count), 0) FROM alert_group), (SELECT COUNT(*) FROM event),
                     (SELECT COUNT(*) FROM command WHERE state = 'pending')",
                [],
                |row| {
                    Ok(Totals {
                        devices: count(row, 0)?,
                        entries_allowed: count(row, 1)?.saturating_sub(count(row, 2)?),
                        entries_observed: count(row, 2)?,
                        points: count(row, 3)?,
                        alerts: count(row, 4)?,
                        events: count(row, 5)?,
                        commands_pending: count(row, 6)?,
                    })
                },
            )
            .map_err(|error| self.fail(error))
    }

    /// A command and what became of it.
    pub fn command(&self, id: u64) -> Result<Option<CommandRow>, StoreError> {
        self.connection
            .prepare_cached("SELECT id, state, error FROM command WHERE id = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([crate::value::integer(id)], |row| {
                        Ok(CommandRow { id: count(row, 0)?, state: row.get(1)?, error: row.get(2)? })
                    })
                    .optional()
            })
            .map_err(|error| self.fail(error))
    }
}
