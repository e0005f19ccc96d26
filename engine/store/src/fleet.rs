//! A store that shows what many sensors told: written by the receiver of the centre alone, read by the same views as any
//! other. It holds nothing that the centre does not hold, too; what is lost is written anew.
//!
//! Each sensor is a run of the store. Numbers of alerts, devices and runs are the centre's, so that they stay when the store
//! is written anew.

use crate::read::Reader;
use crate::value::{self, integer, outcome_columns, severity_rank};
use crate::{Store, StoreError, write};
use ot_engine::catalogue::Severity;
use ot_engine::model::{Device, Status};
use ot_protocol::{Mac, Outcome, SubAddress, Timestamp};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

/// Which centre a store shows, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Id of the centre.
    pub centre: String,
    /// Newest change that is shown.
    pub cursor: u64,
    /// Newest event that is shown.
    pub event: u64,
}

/// A sensor, as a run of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Its number at the centre.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// Its site; empty where none is said.
    pub site: String,
    /// When it was first heard.
    pub first_heard: Timestamp,
    /// When it was last heard.
    pub last_heard: Timestamp,
    /// How it is.
    pub health: SensorHealth,
}

/// How a sensor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SensorHealth {
    /// `ok`, `degraded`, `behind`, `silent`.
    pub state: String,
    /// Why it is degraded.
    pub reasons: Vec<String>,
    /// Its version.
    pub version: Option<String>,
    /// For how many seconds the oldest change that it could not tell has been waiting.
    pub lag_seconds: u64,
    /// Changes that wait there.
    pub waiting: u64,
    /// Changes that it lost before they were told.
    pub lost: u64,
    /// Messages of it that could not be taken.
    pub refused: u64,
}

/// The sensors of a centre, and when its receiver last said how they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensors {
    /// Wall time.
    pub written: Timestamp,
    /// By id.
    pub sensors: Vec<Sensor>,
}

/// A side of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Number of the device at the centre.
    pub device: Option<u32>,
    /// IP address.
    pub ip: Option<String>,
    /// MAC address.
    pub mac: Option<String>,
    /// Unit, link address, rack and slot; empty without.
    pub sub: String,
}

/// A frame of a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The sensor's number.
    pub sensor: u32,
    /// File or interface, as the sensor names it.
    pub file: String,
    /// Number within it, from 1.
    pub number: u64,
}

/// A violation of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Packet time.
    pub first_seen: Timestamp,
    /// Packet time.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// How often of these as planned.
    pub expected: u64,
    /// Frame of the first.
    pub frame: Option<Frame>,
    /// The protocol's function.
    pub function: String,
    /// What it addressed.
    pub object: String,
    /// Values.
    pub value: String,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// What is wrong.
    pub detail: String,
}

/// What a sensor told of the alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The sensor's number.
    pub sensor: u32,
    /// Id of the alert there.
    pub id: String,
    /// Status there.
    pub status: Status,
    /// Packet time.
    pub first_detection: Timestamp,
    /// Packet time.
    pub last_detection: Timestamp,
    /// Violations.
    pub count: u64,
    /// The page of the alert at the sensor.
    pub link: Option<String>,
}

/// What was done to an alert, at a sensor or at the centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Wall time, different for each act on an alert.
    pub time: Timestamp,
    /// Who; with the sensor, where it was done there.
    pub who: String,
    /// `status`, `mute`, `comment` …
    pub action: String,
    /// Why, in the person's words.
    pub why: String,
    /// The new status, the comment.
    pub detail: String,
}

/// An alert as it is shown: what one or several sensors told.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its number at the centre.
    pub number: u32,
    /// Its id: that of the first sensor's.
    pub id: String,
    /// Type.
    pub kind: String,
    /// Engine.
    pub engine: String,
    /// Category.
    pub category: String,
    /// Severity: the highest.
    pub severity: Severity,
    /// Status.
    pub status: Status,
    /// Whether it was learned, at the sensors.
    pub learned: bool,
    /// Whether it was muted, at the centre or at the sensors.
    pub muted: bool,
    /// When it was closed, where it is.
    pub closed: Option<Timestamp>,
    /// Packet time.
    pub first_detection: Timestamp,
    /// Packet time.
    pub last_detection: Timestamp,
    /// Violations.
    pub count: u64,
    /// How many of these were planned.
    pub expected: u64,
    /// Protocol.
    pub protocol: Option<String>,
    /// What became of the (last) command.
    pub outcome: Option<Outcome>,
    /// Who, ten at most.
    pub sources: Vec<Side>,
    /// How many in all.
    pub source_count: u32,
    /// To whom, ten at most.
    pub destinations: Vec<Side>,
    /// How many in all.
    pub destination_count: u32,
    /// Techniques.
    pub techniques: Vec<String>,
    /// What happened.
    pub description: String,
    /// Why it was noticed.
    pub why: String,
    /// Frames.
    pub frames: Vec<Frame>,
    /// Violations that are told.
    pub violations: Vec<Violation>,
    /// How many there are in all.
    pub violation_count: u32,
    /// Who told of it, the first one first.
    pub reports: Vec<Report>,
    /// What was done to it.
    pub acts: Vec<Act>,
}

/// What happened to a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number, from 1.
    pub number: u64,
    /// Wall time.
    pub time: Timestamp,
    /// In words.
    pub text: String,
}

/// What changed at the centre since the store was last written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// New and changed sensors.
    pub sensors: Vec<Sensor>,
    /// New and changed devices.
    pub devices: Vec<Device>,
    /// New and changed alerts.
    pub alerts: Vec<Alert>,
    /// Numbers of alerts that are no longer shown: they became part of another one, or are kept no longer.
    pub gone: Vec<u32>,
    /// New events.
    pub events: Vec<Event>,
    /// Commands with what became of them.
    pub commands: Vec<(u64, Result<String, String>)>,
    /// Newest change that this holds.
    pub cursor: u64,
    /// Newest event that this holds.
    pub event: u64,
}

impl Store {
    /// Which centre this store shows; `None`: it is the store of a sensor, or new.
    pub fn shown_fleet(&self) -> Result<Option<Shown>, StoreError> {
        self.connection
            .query_row("SELECT centre, cursor, event FROM fleet", [], |row| {
                Ok(Shown { centre: row.get(0)?, cursor: value::count(row, 1)?, event: value::count(row, 2)? })
            })
            .optional()
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Whether a sensor ever wrote to this store: then it cannot show a centre.
    pub fn is_of_sensor(&self) -> Result<bool, StoreError> {
        self.connection
            .query_row("SELECT EXISTS (SELECT 1 FROM run) AND NOT EXISTS (SELECT 1 FROM fleet)", [], |row| row.get(0))
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Makes the store show nothing yet of this centre. Commands stay.
    pub fn show_fleet(&mut self, centre: &str) -> Result<(), StoreError> {
        self.transact(|transaction, written| {
            transaction.execute_batch(
                "DELETE FROM alert; DELETE FROM alert_group; DELETE FROM alert_run; DELETE FROM event; DELETE FROM device;
                 DELETE FROM input; UPDATE command SET run = NULL; DELETE FROM run; DELETE FROM opening; DELETE FROM fleet;
                 DELETE FROM fleet_sensor;",
            )?;
            *written = write::Written::default();
            transaction.execute("INSERT INTO fleet (id, centre, cursor, event) VALUES (1, ?1, 0, 0)", [centre])?;
            Ok(())
        })
    }

    /// Writes what changed at the centre, in one transaction.
    pub fn write_fleet(&mut self, changed: &Changed, now: Timestamp) -> Result<(), StoreError> {
        self.transact(|transaction, written| {
            sensors(transaction, &changed.sensors)?;
            write::devices(transaction, &changed.devices, written)?;
            for number in &changed.gone {
                transaction.prepare_cached("DELETE FROM alert WHERE number = ?1")?.execute([number])?;
            }
            Writer::new(transaction)?.alerts(&changed.alerts)?;
            write::no_combinations(transaction)?;
            transaction
                .prepare_cached("DELETE FROM event WHERE number <= ?1")?
                .execute([integer(changed.event.saturating_sub(EVENTS_KEPT))])?;
            for event in &changed.events {
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO event (number, time, kind, text, file, frame)
                         VALUES (?1, ?2, 'sensor', ?3, 0, 0)",
                    )?
                    .execute(params![integer(event.number), event.time.0, event.text])?;
            }
            for (id, result) in &changed.commands {
                let (state, answer, error) = match result {
                    Ok(answer) => ("applied", Some(answer), None),
                    Err(error) => ("refused", None, Some(error)),
                };
                transaction
                    .prepare_cached(
                        "UPDATE command SET state = ?2, error = ?3, answer = ?4, wall_applied = ?5
                         WHERE id = ?1 AND state = 'pending'",
                    )?
                    .execute(params![integer(*id), state, error, answer, now.0])?;
            }
            transaction
                .prepare_cached("UPDATE fleet SET cursor = MAX(cursor, ?1), event = MAX(event, ?2), wall_written = ?3")?
                .execute([integer(changed.cursor), integer(changed.event), now.0])?;
            Ok(())
        })
    }
}

impl Reader {
    /// Whether the store shows what many sensors told.
    pub(crate) fn is_fleet(&self) -> rusqlite::Result<bool> {
        self.connection().prepare_cached("SELECT EXISTS (SELECT 1 FROM fleet)")?.query_row([], |row| row.get(0))
    }

    /// The sensors of the centre that the store shows; `None`: it shows none.
    pub fn fleet_sensors(&self) -> Result<Option<Sensors>, StoreError> {
        let read = || -> rusqlite::Result<Option<Sensors>> {
            let written = self
                .connection()
                .prepare_cached("SELECT wall_written FROM fleet")?
                .query_row([], |row| Ok(Timestamp(row.get(0)?)))
                .optional()?;
            let Some(written) = written else { return Ok(None) };
            let mut statement = self.connection().prepare_cached(
                "SELECT r.id, r.sensor, r.site, r.wall_started, s.wall_heard, s.state, s.reasons, s.version, s.lag_seconds,
                     s.waiting, s.lost, s.refused
                 FROM fleet_sensor s JOIN run r ON r.id = s.run ORDER BY r.sensor",
            )?;
            let sensors = statement.query_map([], |row| {
                let reasons: String = row.get(6)?;
                Ok(Sensor {
                    number: row.get(0)?,
                    id: row.get(1)?,
                    site: row.get(2)?,
                    first_heard: Timestamp(row.get(3)?),
                    last_heard: Timestamp(row.get(4)?),
                    health: SensorHealth {
                        state: row.get(5)?,
                        reasons: reasons.split(',').filter(|reason| !reason.is_empty()).map(str::to_owned).collect(),
                        version: row.get(7)?,
                        lag_seconds: value::count(row, 8)?,
                        waiting: value::count(row, 9)?,
                        lost: value::count(row, 10)?,
                        refused: value::count(row, 11)?,
                    },
                })
            })?;
            Ok(Some(Sensors { written, sensors: sensors.collect::<rusqlite::Result<_>>()? }))
        };
        read().map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// Whether the store shows what many sensors told the centre; only the receiver then applies what people ask for.
    pub fn shows_fleet(&self) -> Result<bool, StoreError> {
        self.is_fleet().map_err(|error| StoreError::from_sqlite(self.path(), error))
    }
}

fn sensors(transaction: &Transaction<'_>, sensors: &[Sensor]) -> rusqlite::Result<()> {
    for sensor in sensors {
        transaction
            .prepare_cached(
                "INSERT INTO run (id, kind, state, sensor, site, options, wall_started, wall_finished, attempts, position,
                     packets)
                 VALUES (?1, 'live', 'done', ?2, ?3, 'fleet', ?4, ?5, 1, 0, 0)
                 ON CONFLICT (id) DO UPDATE SET site = excluded.site, wall_finished = excluded.wall_finished",
            )?
            .execute(params![sensor.number, sensor.id, sensor.site, sensor.first_heard.0, sensor.last_heard.0])?;
        let SensorHealth { state, reasons, version, lag_seconds, waiting, lost, refused } = &sensor.health;
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO fleet_sensor (run, state, reasons, version, wall_heard, lag_seconds, waiting, lost,
                     refused)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                sensor.number,
                state,
                reasons.join(","),
                version,
                sensor.last_heard.0,
                integer(*lag_seconds),
                integer(*waiting),
                integer(*lost),
                integer(*refused),
            ])?;
    }
    Ok(())
}

/// Events that are kept; the oldest go.
const EVENTS_KEPT: u64 = 1_000_000;
/// Files of a sensor that are told apart; frames of others stand under one name.
const MOST_FILES: u32 = 1_000;

/// The statements that write an alert.
struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    upsert: CachedStatement<'a>,
    peer: CachedStatement<'a>,
    report: CachedStatement<'a>,
    technique: CachedStatement<'a>,
    frame: CachedStatement<'a>,
    violation: CachedStatement<'a>,
    act: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    fn new(transaction: &'a Transaction<'a>) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            upsert: transaction.prepare_cached(
                "INSERT INTO alert (number, id, run, type, engine, category, key, opening, severity, status, learned, muted,
                     first_detection, last_detection, count, protocol, outcome, outcome_code, outcome_name, source_count,
                     destination_count, description, why, violation_count, closed, expected_count, expected, combination)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?2, 1, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                     ?21, ?22, ?23, ?24, ?25, ?26)
                 ON CONFLICT (number) DO UPDATE SET run = excluded.run, type = excluded.type, engine = excluded.engine,
                     category = excluded.category, severity = excluded.severity, status = excluded.status,
                     learned = excluded.learned, muted = excluded.muted, first_detection = excluded.first_detection,
                     last_detection = excluded.last_detection, count = excluded.count, protocol = excluded.protocol,
                     outcome = excluded.outcome, outcome_code = excluded.outcome_code,
                     outcome_name = excluded.outcome_name, source_count = excluded.source_count,
                     destination_count = excluded.destination_count, description = excluded.description,
                     why = excluded.why, violation_count = excluded.violation_count, closed = excluded.closed,
                     expected_count = excluded.expected_count, expected = excluded.expected,
                     combination = excluded.combination",
            )?,
            peer: transaction.prepare_cached(
                "INSERT INTO alert_peer (alert, role, place, device, ip, mac, sub, first_detection, last_detection, open,
                     count, combination)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?,
            report: transaction.prepare_cached(
                "INSERT INTO alert_report (alert, place, run, id, status, first_detection, last_detection, count, link)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            technique: transaction
                .prepare_cached("INSERT INTO alert_technique (alert, place, technique) VALUES (?1, ?2, ?3)")?,
            frame: transaction
                .prepare_cached("INSERT INTO alert_frame (alert, place, file, frame) VALUES (?1, ?2, ?3, ?4)")?,
            violation: transaction.prepare_cached(
                "INSERT INTO violation (alert, number, first_seen, last_seen, count, file, frame, function, object, value,
                     outcome, outcome_code, outcome_name, detail, entries, expected_count)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, '', ?15)",
            )?,
            act: transaction.prepare_cached(
                "INSERT OR IGNORE INTO alert_history (alert, wall_time, time, who, action, why, detail)
                 VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6)",
            )?,
        })
    }

    fn alerts(&mut self, alerts: &[Alert]) -> rusqlite::Result<()> {
        let mut combinations = write::Combinations::new(self.transaction)?;
        for alert in alerts {
            // Another number may have had the id, where an alert went over to another one and came back.
            self.transaction
                .prepare_cached("DELETE FROM alert WHERE id = ?1 AND number <> ?2")?
                .execute(params![alert.id, alert.number])?;
            let expected = alert.count > 0 && alert.expected == alert.count;
            let combination = combinations.number(
                &alert.kind,
                alert.status,
                alert.severity,
                &alert.engine,
                alert.protocol.as_deref().unwrap_or_default(),
                expected,
                &alert.techniques.join(","),
            )?;
            let (outcome, code, name) = outcome_columns(alert.outcome);
            let number = alert.number;
            self.upsert.execute(params![
                number,
                alert.id,
                alert.reports.first().map(|report| report.sensor),
                alert.kind,
                alert.engine,
                alert.category,
                severity_rank(alert.severity),
                alert.status.as_str(),
                alert.learned,
                alert.muted,
                alert.first_detection.0,
                alert.last_detection.0,
                integer(alert.count),
                alert.protocol,
                outcome,
                code,
                name,
                alert.source_count,
                alert.destination_count,
                alert.description,
                alert.why,
                alert.violation_count,
                alert.closed.map(|time| time.0),
                integer(alert.expected),
                expected,
                combination,
            ])?;
            for table in ["alert_peer", "alert_report", "alert_technique", "alert_frame", "violation"] {
                self.transaction.prepare_cached(&format!("DELETE FROM {table} WHERE alert = ?1"))?.execute([number])?;
            }
            for (role, sides) in [("source", &alert.sources), ("destination", &alert.destinations)] {
                for (place, side) in (0_i64..).zip(sides) {
                    self.peer.execute(params![
                        number,
                        role,
                        place,
                        side.device,
                        side.ip,
                        side.mac,
                        side.sub,
                        alert.first_detection.0,
                        alert.last_detection.0,
                        alert.status != Status::Closed,
                        integer(alert.count),
                        combination,
                    ])?;
                }
            }
            self.hanging(alert)?;
        }
        Ok(())
    }

    fn hanging(&mut self, alert: &Alert) -> rusqlite::Result<()> {
        let number = alert.number;
        for (place, report) in (0_i64..).zip(&alert.reports) {
            self.report.execute(params![
                number,
                place,
                report.sensor,
                report.id,
                report.status.as_str(),
                report.first_detection.0,
                report.last_detection.0,
                integer(report.count),
                report.link,
            ])?;
        }
        for (place, technique) in (0_i64..).zip(&alert.techniques) {
            self.technique.execute(params![number, place, technique])?;
        }
        for (place, frame) in (0_i64..).zip(&alert.frames) {
            let file = self.file(frame)?;
            self.frame.execute(params![number, place, file, integer(frame.number)])?;
        }
        for (place, violation) in (1_i64..).zip(&alert.violations) {
            let (file, frame) = match &violation.frame {
                Some(frame) => (self.file(frame)?, frame.number),
                None => (0, 0),
            };
            let (outcome, code, name) = outcome_columns(violation.outcome);
            self.violation.execute(params![
                number,
                place,
                violation.first_seen.0,
                violation.last_seen.0,
                integer(violation.count),
                file,
                integer(frame),
                violation.function,
                violation.object,
                violation.value,
                outcome,
                code,
                name,
                violation.detail,
                integer(violation.expected),
            ])?;
        }
        for act in &alert.acts {
            self.act.execute(params![number, act.time.0, act.who, act.action, act.why, act.detail])?;
        }
        Ok(())
    }

    /// The number of a file of a sensor.
    fn file(&self, frame: &Frame) -> rusqlite::Result<u32> {
        let found = |path: &str| {
            self.transaction
                .prepare_cached("SELECT file FROM input WHERE run = ?1 AND path = ?2")?
                .query_row(params![frame.sensor, path], |row| row.get::<_, u32>(0))
                .optional()
        };
        if let Some(known) = found(&frame.file)? {
            return Ok(known);
        }
        let files: u32 = self
            .transaction
            .prepare_cached("SELECT COUNT(*) FROM input WHERE run = ?1")?
            .query_row([frame.sensor], |row| row.get(0))?;
        let path = if files < MOST_FILES { frame.file.as_str() } else { "another file" };
        if let Some(known) = found(path)? {
            return Ok(known);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO input (file, run, path, sha256, bytes)
                 SELECT COALESCE(MAX(file) + 1, 0), ?1, ?2, '', 0 FROM input RETURNING file",
            )?
            .query_row(params![frame.sensor, path], |row| row.get(0))
    }
}

/// A MAC address from its text form.
pub fn mac(text: &str) -> Option<Mac> {
    value::mac(text)
}

/// A sub-address from its text form: `unit 3`, `link 10`, `rack 0 slot 2`; empty for none.
pub fn sub(text: &str) -> Option<SubAddress> {
    value::sub(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_receiver_writes_is_new_and_says_what_time_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.db");
        let mut store = Store::open(&path).unwrap();
        store.show_fleet("centre").unwrap();
        let reader = Reader::open(&path).unwrap();
        let before = reader.stamp().unwrap();
        assert_eq!(reader.newest().unwrap(), None, "nothing was written yet");
        store.write_fleet(&Changed { cursor: 7, ..Changed::default() }, Timestamp(1_000)).unwrap();
        let after = reader.stamp().unwrap();
        assert_ne!(after, before);
        assert_eq!(reader.newest().unwrap(), Some(Timestamp(1_000)));
        // Only how sensors are changed.
        store.write_fleet(&Changed { cursor: 7, ..Changed::default() }, Timestamp(2_000)).unwrap();
        assert_eq!(reader.stamp().unwrap(), after);
        assert_eq!(reader.newest().unwrap(), Some(Timestamp(2_000)));
    }
}
