//! The outbox: what happened to alerts, for other systems, and how far each of these was told.
//!
//! Triggers write a row in the transaction that changes an alert, so that nothing is told that is not committed and nothing
//! committed is missed. Without a destination they write nothing.

use crate::lock::EngineLock;
use crate::read::Reader;
use crate::value::{count, integer, parsed, severity, time};
use crate::{Store, StoreError};
use ot_engine::catalogue::Severity;
use ot_engine::model::Status;
use ot_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::path::Path;
use std::time::Duration;

/// Rows that the outbox holds at most; the oldest go. (The trigger `outbox_bound` holds this number, too.)
pub const MOST_OUTBOX: u64 = 1_000_000;
/// Open alerts that a new destination is told of at most: the newest.
pub const MOST_OPEN: u32 = 100_000;
/// Rows that are cleared in one transaction, so that the engine never waits long.
const CLEARED: i64 = 2_000;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It was opened; or it is open and the destination is new.
    Opened,
    /// Its status.
    Status,
    /// Its severity.
    Severity,
    /// What became of the command: attempted, then done or refused.
    Outcome,
    /// Learned or muted, or no longer, without a change of status.
    Marks,
    /// A person wrote a comment.
    Comment,
}

impl Change {
    /// All, in order.
    pub const ALL: [Self; 6] = [Self::Opened, Self::Status, Self::Severity, Self::Outcome, Self::Marks, Self::Comment];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Status => "status",
            Self::Severity => "severity",
            Self::Outcome => "outcome",
            Self::Marks => "marks",
            Self::Comment => "comment",
        }
    }

    /// The change of this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == id)
    }
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Number from 1, in the order of commits.
    pub sequence: u64,
    /// Number of the alert.
    pub alert: u32,
    /// What happened.
    pub change: Change,
    /// What held before.
    pub before: Option<String>,
    /// Status after it.
    pub status: Status,
    /// Severity after it.
    pub severity: Severity,
    /// Whether the alert is learned after it.
    pub learned: bool,
    /// Whether it is muted after it.
    pub muted: bool,
    /// Outcome after it.
    pub outcome: Option<String>,
    /// Who did it; `None`: it followed from traffic.
    pub who: Option<String>,
    /// Why, in that person's words.
    pub why: Option<String>,
    /// The comment.
    pub detail: Option<String>,
    /// When it was committed.
    pub wall_time: Timestamp,
}

/// Which outbox messages are of: sequences of one outbox can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxOrigin {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Since when (wall time): what a later outbox of a sensor tells is newer than all that an earlier one told.
    pub since: Timestamp,
}

/// A destination as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDestination {
    /// Its name.
    pub name: String,
    /// Kind, for people.
    pub kind: String,
    /// Address, for people, without secrets.
    pub address: String,
    /// Whether it is told of the alerts that are open when it is new.
    pub open_alerts: bool,
}

/// How far a destination was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationRow {
    /// Its name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Address.
    pub address: String,
    /// Newest change that was delivered or passed over.
    pub cursor: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Changes that its filter does not let through.
    pub passed_over: u64,
    /// Messages that it will never take.
    pub refused: u64,
    /// Changes that were gone before they were delivered.
    pub lost: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Tries that failed since the last delivery.
    pub attempts: u64,
    /// Id of the newest message that was delivered.
    pub last_message: Option<String>,
    /// The newest error, whether or not it is over.
    pub last_error: Option<String>,
    /// When it was first configured.
    pub added: Timestamp,
    /// Wall time of the newest delivery.
    pub delivered_at: Option<Timestamp>,
    /// Wall time of the newest error.
    pub error_at: Option<Timestamp>,
}

/// What a destination has yet to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Changes, before its filter.
    pub changes: u64,
    /// Wall time of the oldest.
    pub oldest: Option<Timestamp>,
}

/// What became of the destinations of the store when those of a configuration took their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Names that are new, with how many open alerts they will be told of.
    pub added: Vec<(String, u64)>,
    /// Names that were forgotten because they are no longer configured, with how many changes they had yet to be told.
    pub forgotten: Vec<(String, u64)>,
}

const DESTINATION: &str = "name, kind, address, cursor, delivered, passed_over, refused, lost, failures, attempts, \
                           last_message, last_error, wall_added, wall_delivered, wall_error";

fn destination_row(row: &Row<'_>) -> rusqlite::Result<DestinationRow> {
    Ok(DestinationRow {
        name: row.get(0)?,
        kind: row.get(1)?,
        address: row.get(2)?,
        cursor: count(row, 3)?,
        delivered: count(row, 4)?,
        passed_over: count(row, 5)?,
        refused: count(row, 6)?,
        lost: count(row, 7)?,
        failures: count(row, 8)?,
        attempts: count(row, 9)?,
        last_message: row.get(10)?,
        last_error: row.get(11)?,
        added: Timestamp(row.get(12)?),
        delivered_at: time(row, 13)?,
        error_at: time(row, 14)?,
    })
}

fn destinations(connection: &Connection) -> rusqlite::Result<Vec<DestinationRow>> {
    connection
        .prepare_cached(&format!("SELECT {DESTINATION} FROM forward_destination ORDER BY name"))?
        .query_map([], destination_row)?
        .collect()
}

fn waiting(connection: &Connection, name: &str, cursor: u64) -> rusqlite::Result<Waiting> {
    connection
        .prepare_cached(
            "SELECT COUNT(*), MIN(wall_time) FROM outbox
             WHERE sequence > ?1 AND (destination IS NULL OR destination = ?2)",
        )?
        .query_row(params![integer(cursor), name], |row| Ok(Waiting { changes: count(row, 0)?, oldest: time(row, 1)? }))
}

/// The newest sequence that was ever given.
fn newest(connection: &Connection) -> rusqlite::Result<u64> {
    let found = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")?
        .query_row([], |row| count(row, 0))
        .optional()?;
    Ok(found.unwrap_or_default())
}

impl Store {
    /// Takes the right to forward from this store, for as long as the lock lives: two forwarders would tell everything twice.
    pub fn lock_forwarder(&self) -> Result<EngineLock, StoreError> {
        let take =
            || EngineLock::take_for(&self.path, "forward.lock", |path, pid| StoreError::ForwarderRuns { path, pid });
        // Who asks whether somebody forwards holds the lock for a moment.
        for _ in 0..5 {
            match take() {
                Err(StoreError::ForwarderRuns { .. }) => std::thread::sleep(Duration::from_millis(20)),
                done => return done,
            }
        }
        take()
    }

    /// Puts the destinations of a configuration in the place of those of the store. Those that stay keep how far they were
    /// told.
    pub fn register_destinations(
        &mut self,
        wanted: &[NewDestination],
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        self.transact(|transaction, _| {
            let mut registered = Registered::default();
            transaction
                .prepare_cached(
                    "INSERT INTO outbox_origin VALUES (1, lower(hex(randomblob(16))), ?1)
                     ON CONFLICT (id) DO UPDATE SET origin = excluded.origin,
                         wall_time = MAX(excluded.wall_time, wall_time + 1) WHERE origin = ''",
                )?
                .execute([now.0])?;
            let known = destinations(transaction)?;
            for gone in known.iter().filter(|row| wanted.iter().all(|one| one.name != row.name)) {
                let left = waiting(transaction, &gone.name, gone.cursor)?;
                transaction.prepare_cached("DELETE FROM forward_destination WHERE name = ?1")?.execute([&gone.name])?;
                registered.forgotten.push((gone.name.clone(), left.changes));
            }
            for one in wanted {
                let stays = transaction
                    .prepare_cached("UPDATE forward_destination SET kind = ?2, address = ?3 WHERE name = ?1")?
                    .execute(params![one.name, one.kind, one.address])?;
                if stays > 0 {
                    continue;
                }
                let cursor = newest(transaction)?;
                transaction
                    .prepare_cached(
                        "INSERT INTO forward_destination (name, kind, address, cursor, delivered, passed_over, refused,
                             lost, failures, attempts, wall_added) VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, 0, ?5)",
                    )?
                    .execute(params![one.name, one.kind, one.address, integer(cursor), now.0])?;
                let mut told = 0;
                if one.open_alerts {
                    told = transaction
                        .prepare_cached(
                            "INSERT INTO outbox (alert, change, status, severity, learned, muted, outcome, destination,
                                 wall_time)
                             SELECT number, 'opened', status, severity, learned, muted, outcome, ?1, ?2 FROM
                                 (SELECT * FROM alert WHERE status <> 'closed' ORDER BY number DESC LIMIT ?3)
                             ORDER BY number",
                        )?
                        .execute(params![one.name, now.0, MOST_OPEN])?;
                }
                registered.added.push((one.name.clone(), u64::try_from(told).unwrap_or(u64::MAX)));
            }
            Ok(registered)
        })
    }

    /// Gives the outbox a new origin when the next destination is registered: for a store that was put back to an earlier
    /// state, whose sequences may be given once more for something else. It begins after the one before, though the clock went
    /// back.
    pub fn forget_origin(&mut self) -> Result<(), StoreError> {
        self.transact(|transaction, _| transaction.execute("UPDATE outbox_origin SET origin = ''", []).map(drop))
    }

    /// Forgets a destination. Gives whether there was one of that name.
    pub fn forget_destination(&mut self, name: &str) -> Result<bool, StoreError> {
        self.transact(|transaction, _| {
            let gone =
                transaction.prepare_cached("DELETE FROM forward_destination WHERE name = ?1")?.execute([name])?;
            if destinations(transaction)?.is_empty() {
                transaction.execute("DELETE FROM outbox", [])?;
            }
            Ok(gone > 0)
        })
    }

    /// Keeps how far destinations were told, and clears from the outbox some of what all of them were told. Destinations that
    /// were forgotten meanwhile stay so. Gives whether there may be more to clear.
    pub fn keep_progress(&mut self, rows: &[DestinationRow]) -> Result<bool, StoreError> {
        self.transact(|transaction, _| {
            let mut update = transaction.prepare_cached(
                "UPDATE forward_destination SET cursor = MAX(cursor, ?2), delivered = ?3, passed_over = ?4, refused = ?5,
                     lost = ?6, failures = ?7, attempts = ?8, last_message = ?9, last_error = ?10, wall_delivered = ?11,
                     wall_error = ?12 WHERE name = ?1",
            )?;
            for row in rows {
                update.execute(params![
                    row.name,
                    integer(row.cursor),
                    integer(row.delivered),
                    integer(row.passed_over),
                    integer(row.refused),
                    integer(row.lost),
                    integer(row.failures),
                    integer(row.attempts),
                    row.last_message,
                    row.last_error,
                    row.delivered_at.map(|time| time.0),
                    row.error_at.map(|time| time.0),
                ])?;
            }
            let cleared = transaction
                .prepare_cached(
                    "DELETE FROM outbox WHERE sequence <= (SELECT MIN(cursor) FROM forward_destination)
                         AND sequence < (SELECT MIN(sequence) FROM outbox) + ?1",
                )?
                .execute([CLEARED])?;
            Ok(i64::try_from(cleared).is_ok_and(|cleared| cleared >= CLEARED))
        })
    }
}

impl Reader {
    /// What a destination has yet to be told: rows after a sequence, at most so many.
    pub fn outbox(&self, after: u64, destination: &str, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(OutboxRow {
                sequence: count(row, 0)?,
                alert: row.get(1)?,
                change: parsed(row, 2, Change::parse)?,
                before: row.get(3)?,
                status: parsed(row, 4, Status::parse)?,
                severity: severity(row, 5)?,
                learned: row.get(6)?,
                muted: row.get(7)?,
                outcome: row.get(8)?,
                who: row.get(9)?,
                why: row.get(10)?,
                detail: row.get(11)?,
                wall_time: Timestamp(row.get(12)?),
            })
        };
        self.connection()
            .prepare_cached(
                "SELECT sequence, alert, change, before, status, severity, learned, muted, outcome, who, why, detail,
                     wall_time
                 FROM outbox WHERE sequence > ?1 AND (destination IS NULL OR destination = ?2)
                 ORDER BY sequence LIMIT ?3",
            )
            .and_then(|mut statement| statement.query_map(params![integer(after), destination, limit], read)?.collect())
            .map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// Which outbox this is; `None` as long as nobody was ever to be told.
    pub fn outbox_origin(&self) -> Result<Option<OutboxOrigin>, StoreError> {
        self.connection()
            .prepare_cached("SELECT origin, wall_time FROM outbox_origin WHERE origin <> ''")
            .and_then(|mut statement| {
                statement
                    .query_row([], |row| Ok(OutboxOrigin { id: row.get(0)?, since: Timestamp(row.get(1)?) }))
                    .optional()
            })
            .map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// The newest sequence that was ever given in the outbox; 0 before the first.
    pub fn outbox_newest(&self) -> Result<u64, StoreError> {
        newest(self.connection()).map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// All destinations, by name.
    pub fn destinations(&self) -> Result<Vec<DestinationRow>, StoreError> {
        destinations(self.connection()).map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// What a destination has yet to be told after a sequence.
    pub fn waiting(&self, destination: &str, cursor: u64) -> Result<Waiting, StoreError> {
        waiting(self.connection(), destination, cursor).map_err(|error| StoreError::from_sqlite(self.path(), error))
    }
}

/// The process that forwards from a store, where one does.
pub fn forwarder_of(store: &Path) -> Option<u32> {
    EngineLock::holder(store, "forward.lock")
}
