//! Which packets of alerts are kept. The packets themselves lie in files beside the store.

use crate::read::Reader;
use crate::value::{count, integer, parsed, time};
use crate::{Store, StoreError};
use ot_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::BTreeSet;

/// What became of the packets of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceState {
    /// They are in a file.
    Kept,
    /// They were, and made room for others.
    Expired,
    /// They were never kept.
    NotKept,
}

impl EvidenceState {
    /// `kept`, `expired` or `not-kept`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Expired => "expired",
            Self::NotKept => "not-kept",
        }
    }

    /// The state with this id.
    pub fn parse(id: &str) -> Option<Self> {
        [Self::Kept, Self::Expired, Self::NotKept].into_iter().find(|state| state.as_str() == id)
    }
}

/// The packets of an alert from one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRow {
    /// Number of the alert.
    pub alert: u32,
    /// The run in whose inputs the packets are.
    pub run: u32,
    /// What became of them.
    pub state: EvidenceState,
    /// Why they are not there, or not whole, for people; empty where they are.
    pub reason: String,
    /// Name of the file within the folder; empty where none was written.
    pub name: String,
    /// Packets in the file.
    pub packets: u32,
    /// How many of them are frames that made the alert.
    pub triggers: u32,
    /// Frames that made the alert and could not be had.
    pub missing: u32,
    /// Packets around them beyond the size of a file.
    pub left_out: u32,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Time of the earliest packet.
    pub first: Option<Timestamp>,
    /// Time of the latest.
    pub last: Option<Timestamp>,
}

impl EvidenceRow {
    /// Packets that were not kept, and why.
    pub fn not_kept(alert: u32, run: u32, reason: impl Into<String>) -> Self {
        Self {
            alert,
            run,
            state: EvidenceState::NotKept,
            reason: reason.into(),
            name: String::new(),
            packets: 0,
            triggers: 0,
            missing: 0,
            left_out: 0,
            bytes: 0,
            sha256: String::new(),
            first: None,
            last: None,
        }
    }
}

/// How many alerts have packets in a state, and how large their files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceTotal {
    /// The state.
    pub state: EvidenceState,
    /// Files, or alerts and runs without one.
    pub count: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

const COLUMNS: &str = "alert, run, state, reason, name, packets, triggers, missing, left_out, bytes, sha256, first_time, \
                       last_time";

fn evidence_row(row: &Row<'_>) -> rusqlite::Result<EvidenceRow> {
    Ok(EvidenceRow {
        alert: row.get(0)?,
        run: row.get(1)?,
        state: parsed(row, 2, EvidenceState::parse)?,
        reason: row.get(3)?,
        name: row.get(4)?,
        packets: row.get(5)?,
        triggers: row.get(6)?,
        missing: row.get(7)?,
        left_out: row.get(8)?,
        bytes: count(row, 9)?,
        sha256: row.get(10)?,
        first: time(row, 11)?,
        last: time(row, 12)?,
    })
}

fn totals(connection: &Connection) -> rusqlite::Result<Vec<EvidenceTotal>> {
    connection
        .prepare_cached("SELECT state, COUNT(*), SUM(bytes) FROM evidence GROUP BY state ORDER BY state")?
        .query_map([], |row| {
            Ok(EvidenceTotal {
                state: parsed(row, 0, EvidenceState::parse)?,
                count: count(row, 1)?,
                bytes: count(row, 2)?,
            })
        })?
        .collect()
}

/// Writes rows whose alerts are in the store. Of the runs of an alert the first and the newest keep their packets.
pub(crate) fn write(transaction: &Transaction<'_>, rows: &[EvidenceRow]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO evidence (alert, run, state, reason, name, packets, triggers, missing, left_out, bytes,
             sha256, first_time, last_time)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
         WHERE EXISTS (SELECT 1 FROM alert WHERE number = ?1)",
    )?;
    let mut between = transaction.prepare_cached(
        "DELETE FROM evidence WHERE alert = ?1 AND run < ?2
             AND run > (SELECT MIN(run) FROM evidence WHERE alert = ?1)",
    )?;
    for row in rows {
        upsert.execute(params![
            row.alert,
            row.run,
            row.state.as_str(),
            row.reason,
            row.name,
            row.packets,
            row.triggers,
            row.missing,
            row.left_out,
            integer(row.bytes),
            row.sha256,
            row.first.map(|time| time.0),
            row.last.map(|time| time.0),
        ])?;
        between.execute(params![row.alert, row.run])?;
    }
    Ok(())
}

impl Store {
    /// Has rows written with the next commit, after the alerts that they belong to.
    pub fn stage_evidence(&mut self, rows: Vec<EvidenceRow>) {
        self.staged.extend(rows);
    }

    /// Bytes of all files that are kept.
    pub fn evidence_bytes(&self) -> Result<u64, StoreError> {
        let found = totals(&self.connection).map_err(|error| StoreError::from_sqlite(&self.path, error))?;
        Ok(found.iter().find(|total| total.state == EvidenceState::Kept).map_or(0, |total| total.bytes))
    }

    /// Names of all files that are kept.
    pub fn evidence_names(&self) -> Result<BTreeSet<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT name FROM evidence WHERE state = 'kept'")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// What goes first where there is no room: of closed alerts the one whose last detection is oldest, then of the others.
    pub fn evidence_to_expire(&self, limit: u32) -> Result<Vec<EvidenceRow>, StoreError> {
        let columns: Vec<String> = COLUMNS.split(", ").map(|column| format!("e.{column}")).collect();
        let sql = format!(
            "SELECT {} FROM evidence e JOIN alert a ON a.number = e.alert WHERE e.state = 'kept'
             ORDER BY a.status <> 'closed', a.last_detection, a.number, e.run LIMIT ?1",
            columns.join(", ")
        );
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map([limit], evidence_row)?.collect())
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Marks files as expired. To be called before they are removed.
    pub fn expire_evidence(&mut self, rows: &[EvidenceRow], reason: &str) -> Result<(), StoreError> {
        self.transact(|transaction, _| {
            let mut expire = transaction
                .prepare_cached("UPDATE evidence SET state = 'expired', reason = ?3 WHERE alert = ?1 AND run = ?2")?;
            for row in rows {
                expire.execute(params![row.alert, row.run, reason])?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// The packets of an alert, by run.
    pub fn evidence(&self, alert: u32) -> Result<Vec<EvidenceRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM evidence WHERE alert = ?1 ORDER BY run");
        self.connection()
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map([alert], evidence_row)?.collect())
            .map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// The packets of all alerts in a state, by the name of their files.
    pub(crate) fn evidence_in(&self, state: EvidenceState) -> Result<Vec<EvidenceRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM evidence WHERE state = ?1 ORDER BY name, alert, run");
        self.connection()
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map([state.as_str()], evidence_row)?.collect())
            .map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// State of the run that opened an alert; `None` where that is not known.
    pub fn run_state_of(&self, alert: u32) -> Result<Option<String>, StoreError> {
        self.connection()
            .prepare_cached("SELECT r.state FROM alert a JOIN run r ON r.id = a.run WHERE a.number = ?1")
            .and_then(|mut statement| statement.query_row([alert], |row| row.get(0)).optional())
            .map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// How many alerts have packets in which state.
    pub fn evidence_totals(&self) -> Result<Vec<EvidenceTotal>, StoreError> {
        totals(self.connection()).map_err(|error| StoreError::from_sqlite(self.path(), error))
    }
}
