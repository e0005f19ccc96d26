//! What a person looks at first: how many alerts of which kind, when they came, and what changed since.

use super::{Conditions, Reader};
use crate::StoreError;
use crate::value::{count, parsed, severity};
use ot_engine::catalogue::Severity;
use ot_engine::model::Status;
use ot_protocol::{Nanos, Timestamp};
use rusqlite::params;

/// Alerts with the same values of what a list filters by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Alert type id.
    pub kind: String,
    /// Status.
    pub status: Status,
    /// Severity.
    pub severity: Severity,
    /// Engine id.
    pub engine: String,
    /// Protocol id; empty for none.
    pub protocol: String,
    /// How many.
    pub count: u64,
}

/// Open alerts that the runs of a sensor opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorRow {
    /// Id of the sensor.
    pub sensor: String,
    /// Its site; empty where none is configured.
    pub site: String,
    /// Severity.
    pub severity: Severity,
    /// Status: new or active.
    pub status: Status,
    /// How many.
    pub count: u64,
}

/// Up to where the changes of alerts are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Number of the newest alert.
    pub alert: u32,
    /// Newest last detection.
    pub detection: i64,
    /// Newest line of history.
    pub history: i64,
}

/// What a store holds, told apart by whether it is still the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The newest command of a person, and how many wait for the engine.
    pub people: (i64, i64),
    /// The newest run, and the last packet of it whose consequences are committed; in a store that shows a centre, the newest
    /// change of the centre.
    pub engine: (i64, i64),
    /// The newest line of the history of alerts.
    pub history: i64,
}

impl Reader {
    /// What the store holds now. Where it is as before, so is every answer about devices, conversations and alerts.
    ///
    /// # Errors
    /// As the store's.
    pub fn stamp(&self) -> Result<Stamp, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT COALESCE((SELECT MAX(id) FROM command), 0), (SELECT COUNT(*) FROM command WHERE state = 'pending'),
                     COALESCE((SELECT MAX(id) FROM run), 0),
                     COALESCE((SELECT cursor FROM fleet),
                         (SELECT position FROM run WHERE id = (SELECT MAX(id) FROM run)), 0),
                     COALESCE((SELECT MAX(id) FROM alert_history), 0)",
            )
            .and_then(|mut statement| {
                statement.query_row([], |row| {
                    Ok(Stamp {
                        people: (row.get(0)?, row.get(1)?),
                        engine: (row.get(2)?, row.get(3)?),
                        history: row.get(4)?,
                    })
                })
            })
            .map_err(|error| self.fail(error))
    }

    /// How many alerts there are of each combination of values.
    ///
    /// # Errors
    /// As the store's.
    pub fn alert_groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        self.rows(
            "SELECT type, status, severity, engine, protocol, SUM(count) FROM alert_group
             GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
            &Conditions::default(),
            |row| {
                Ok(GroupRow {
                    kind: row.get(0)?,
                    status: parsed(row, 1, Status::parse)?,
                    severity: severity(row, 2)?,
                    engine: row.get(3)?,
                    protocol: row.get(4)?,
                    count: count(row, 5)?,
                })
            },
        )
    }

    /// Sensors whose runs the store holds, each with its site; empty where none is configured.
    ///
    /// # Errors
    /// As the store's.
    pub fn sensors(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.rows("SELECT DISTINCT sensor, site FROM run ORDER BY sensor, site", &Conditions::default(), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Numbers of the runs of these sensors.
    ///
    /// # Errors
    /// As the store's.
    pub fn runs_of(&self, sensors: &[String]) -> Result<Vec<u32>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("sensor", sensors.iter().cloned());
        self.rows(&format!("SELECT id FROM run{} ORDER BY id", conditions.sql), &conditions, |row| row.get(0))
    }

    /// How many open alerts the runs of each sensor opened, or the sensor told the centre of, by sensor, site, severity
    /// and status. Only alerts that several sensors told of are read for it.
    ///
    /// # Errors
    /// As the store's.
    pub fn alerts_by_sensor(&self) -> Result<Vec<SensorRow>, StoreError> {
        self.rows(
            "SELECT r.sensor, r.site, c.severity, c.status, SUM(c.count) FROM (
                 SELECT run, severity, status, count FROM alert_run
                 UNION ALL
                 SELECT o.run, a.severity, a.status, 1 FROM alert_report o JOIN alert a ON a.number = o.alert
                 WHERE o.place > 0 AND a.status <> 'closed'
             ) c JOIN run r ON r.id = c.run
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            &Conditions::default(),
            |row| {
                Ok(SensorRow {
                    sensor: row.get(0)?,
                    site: row.get(1)?,
                    severity: severity(row, 2)?,
                    status: parsed(row, 3, Status::parse)?,
                    count: count(row, 4)?,
                })
            },
        )
    }

    /// How many alerts were first detected in each step of a span of time: number of the step from 0, severity, count.
    ///
    /// # Errors
    /// As the store's.
    pub fn alerts_over_time(
        &self,
        from: Timestamp,
        to: Timestamp,
        step: Nanos,
    ) -> Result<Vec<(u32, Severity, u64)>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(from.0).value(step.max(1)).value(to.0);
        self.rows(
            "SELECT (first_detection - ?1) / ?2, severity, COUNT(*) FROM alert INDEXED BY alert_first
             WHERE first_detection >= ?1 AND first_detection < ?3 GROUP BY 1, 2 ORDER BY 1, 2",
            &conditions,
            |row| Ok((row.get(0)?, severity(row, 1)?, count(row, 2)?)),
        )
    }

    /// How many alerts name a technique, last detected at or after a time; no further than `most` is counted.
    ///
    /// # Errors
    /// As the store's.
    pub fn alerts_of_technique(&self, technique: &str, since: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT COUNT(*) FROM (
                     SELECT 1 FROM alert_group g
                     CROSS JOIN alert a INDEXED BY alert_combination ON a.combination = g.combination
                     WHERE instr(',' || g.techniques || ',', ',' || ?1 || ',') > 0 AND a.last_detection >= ?2 LIMIT ?3)",
            )
            .and_then(|mut statement| statement.query_row(params![technique, since.0, most], |row| count(row, 0)))
            .map_err(|error| self.fail(error))
    }

    /// How many devices there are.
    ///
    /// # Errors
    /// As the store's.
    pub fn device_count(&self) -> Result<u64, StoreError> {
        self.counted("SELECT COUNT(*) FROM device")
    }

    /// How many commands of people wait for the engine.
    ///
    /// # Errors
    /// As the store's.
    pub fn commands_pending(&self) -> Result<u64, StoreError> {
        self.counted("SELECT COUNT(*) FROM command WHERE state = 'pending'")
    }

    fn counted(&self, sql: &str) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], |row| count(row, 0)))
            .map_err(|error| self.fail(error))
    }

    /// A number that differs when another connection has committed since.
    ///
    /// # Errors
    /// As the store's.
    pub fn version(&self) -> Result<i64, StoreError> {
        self.connection.query_row("PRAGMA data_version", [], |row| row.get(0)).map_err(|error| self.fail(error))
    }

    /// Where the changes stand now.
    ///
    /// # Errors
    /// As the store's.
    pub fn mark(&self) -> Result<Mark, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT COALESCE((SELECT MAX(number) FROM alert), 0), COALESCE((SELECT MAX(last_detection) FROM alert), 0),
                     COALESCE((SELECT MAX(id) FROM alert_history), 0)",
            )
            .and_then(|mut statement| {
                statement.query_row([], |row| {
                    Ok(Mark { alert: row.get(0)?, detection: row.get(1)?, history: row.get(2)? })
                })
            })
            .map_err(|error| self.fail(error))
    }

    /// Alerts that are new, came again, or were changed by a person since a mark: their numbers, at most so many, oldest
    /// first. What came again at the very time of the newest one before may be told twice, never not at all.
    ///
    /// # Errors
    /// As the store's.
    pub fn changed_since(&self, mark: &Mark, most: u32) -> Result<Vec<u32>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(mark.alert).value(mark.detection).value(mark.history).value(most);
        self.rows(
            "SELECT number FROM (
                 SELECT * FROM (SELECT number FROM alert WHERE number > ?1 ORDER BY number LIMIT ?4)
                 UNION SELECT * FROM (SELECT number FROM alert INDEXED BY alert_time WHERE last_detection > ?2
                     ORDER BY last_detection LIMIT ?4)
                 UNION SELECT * FROM (SELECT alert FROM alert_history WHERE id > ?3 ORDER BY id LIMIT ?4))
             ORDER BY number LIMIT ?4",
            &conditions,
            |row| row.get(0),
        )
    }
}
