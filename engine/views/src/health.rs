//! Whether the sensor does its work, in one word: for those who watch many machines.

use crate::{ViewError, destinations};
use ot_protocol::Timestamp;
use ot_protocol::time::SECOND;
use ot_store::read::Reader;
use serde::Serialize;
use utoipa::ToSchema;

/// A live sensor writes several times a minute, also where there is no traffic.
const SILENT: i64 = 60 * SECOND;
/// A destination that was not told for so long is late.
const LATE_SECONDS: i64 = 300;

/// The store cannot be read.
pub const STORE_UNREADABLE: &str = "store-unreadable";
/// A live run was not ended, and no process runs on the store any more; of a centre: its receiver does not run.
pub const SENSOR_STOPPED: &str = "sensor-stopped";
/// A sensor runs on the store and has written nothing for a minute; of a centre: one of its sensors is silent.
pub const SENSOR_SILENT: &str = "sensor-silent";
/// Less is free on the disk of the store than `disk_free` says.
pub const DISK_LOW: &str = "disk-low";
/// A destination of forwarding could not be told for five minutes.
pub const FORWARDING_LATE: &str = "forwarding-late";

/// Every reason why a sensor may be degraded, the gravest first.
pub const REASONS: [&str; 5] = [STORE_UNREADABLE, SENSOR_STOPPED, SENSOR_SILENT, DISK_LOW, FORWARDING_LATE];

/// Whether the sensor does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthView {
    /// `ok` or `degraded`.
    pub status: &'static str,
    /// Why: `store-unreadable`, `sensor-stopped`, `sensor-silent`, `disk-low`, `forwarding-late`; the gravest first.
    pub reasons: Vec<&'static str>,
}

impl HealthView {
    /// For these reasons.
    pub fn new(reasons: Vec<&'static str>) -> Self {
        Self { status: if reasons.is_empty() { "ok" } else { "degraded" }, reasons }
    }

    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// What is around the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Wall time.
    pub now: Timestamp,
    /// Bytes that are free on the disk of the store; `None` where the system does not tell.
    pub disk_free: Option<u64>,
    /// Where less is free, the disk is low.
    pub disk_least: u64,
}

/// Whether the sensor of a store does its work. A store without a live run has no sensor that could fail.
///
/// # Errors
/// As the store's.
pub fn health(reader: &Reader, around: &Surroundings) -> Result<HealthView, ViewError> {
    let mut reasons = Vec::new();
    if reader.runs()?.last().is_some_and(|run| run.kind == "live" && run.state == "running") {
        let silent = reader.newest()?.is_none_or(|newest| around.now.since(newest) > SILENT);
        if !ot_store::engine_runs(reader.path()) {
            reasons.push(SENSOR_STOPPED);
        } else if silent {
            reasons.push(SENSOR_SILENT);
        }
    }
    if let Some(fleet) = reader.fleet_sensors()? {
        // The receiver says every few seconds how the sensors are.
        if around.now.since(fleet.written) > SILENT {
            reasons.push(SENSOR_STOPPED);
        }
        if fleet.sensors.iter().any(|sensor| sensor.health.state == "silent") {
            reasons.push(SENSOR_SILENT);
        }
    }
    if around.disk_free.is_some_and(|free| free < around.disk_least) {
        reasons.push(DISK_LOW);
    }
    let late = |line: &crate::DestinationLine| line.attempts > 0 && line.lag_seconds > LATE_SECONDS;
    if destinations(reader, around.now)?.iter().any(late) {
        reasons.push(FORWARDING_LATE);
    }
    Ok(HealthView::new(reasons))
}
