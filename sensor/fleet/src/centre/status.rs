//! How sensors and the centre are.

use super::{Centre, CentreError, SensorRow};
use ot_protocol::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;
/// A receiver that did not say for so long that it runs does not.
const RUNS: i64 = 15 * SECOND;
/// A sensor whose oldest waiting change is older than this is behind.
const BEHIND: i64 = 60 * SECOND;

/// How a sensor is. Its keys are a public interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SensorStatus {
    /// Version of these keys.
    pub schema: u32,
    /// Id of the sensor.
    pub sensor: String,
    /// Its site.
    pub site: Option<String>,
    /// `ok`; `degraded`: it says so, see `reasons`; `behind`: changes have been waiting there for a minute; `silent`: nothing is
    /// heard from it.
    pub state: &'static str,
    /// Why it is degraded, as it says.
    pub reasons: Vec<String>,
    /// Its version.
    pub version: Option<String>,
    /// For how many seconds it has been telling.
    pub uptime_seconds: Option<i64>,
    /// When something of it was stored by the stream last.
    pub last_heard: String,
    /// How many seconds ago that is.
    pub heard_seconds_ago: i64,
    /// Newest change at the sensor, as it said last.
    pub newest: Option<i64>,
    /// Newest change of it that was received.
    pub received: i64,
    /// Changes that waited there, as it said last.
    pub waiting: Option<i64>,
    /// For how many seconds the oldest of these has been waiting; while it is silent, at least since it was heard.
    pub lag_seconds: i64,
    /// Messages that were taken.
    pub messages: i64,
    /// Messages that came again and changed nothing.
    pub doubles: i64,
    /// Messages that were refused here.
    pub refused: i64,
    /// Changes that the sensor lost before they were told.
    pub lost: Option<i64>,
    /// Messages that the sensor gave up.
    pub given_up: Option<i64>,
    /// What its clock is behind that of the stream, with the time under way.
    pub clock_difference_ms: Option<i64>,
    /// Newest packet time.
    pub newest_packet: Option<String>,
}

/// How long messages were under way, from the commit at the sensor to the commit here, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lag {
    /// Messages of the last hour.
    pub messages: i64,
    /// Half of them were faster.
    pub median_ms: Option<i64>,
    /// 95 of a hundred were faster.
    pub p95_ms: Option<i64>,
    /// 99 of a hundred were faster.
    pub p99_ms: Option<i64>,
    /// The slowest.
    pub most_ms: Option<i64>,
}

/// How the centre is. Its keys are a public interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CentreStatus {
    /// Version of these keys.
    pub schema: u32,
    /// Id of the centre.
    pub centre: String,
    /// Whether a receiver runs.
    pub receiver: bool,
    /// What is wrong with the way to the stream.
    pub link: Option<String>,
    /// Messages of the stream that the centre has yet to take, when it last took some.
    pub stream_waiting: Option<i64>,
    /// Changes that the view store does not show yet.
    pub not_shown: i64,
    /// Messages of alerts taken in the last minute.
    pub messages_last_minute: i64,
    /// How long messages were under way.
    pub lag: Lag,
    /// Alerts of sensors.
    pub alerts: i64,
    /// Alerts in the views.
    pub shown: i64,
    /// Of these, told by several sensors.
    pub of_several: i64,
    /// Messages that were refused and are kept.
    pub refused: i64,
    /// The newest of these: when, on which subject, why.
    pub last_refused: Option<String>,
    /// The sensors.
    pub sensors: Vec<SensorStatus>,
}

impl Centre {
    /// The receiver runs.
    ///
    /// # Errors
    /// As the database's.
    pub fn note_receiver(&mut self, now: i64, link: Option<&str>, waiting: Option<i64>) -> Result<(), CentreError> {
        let link = link.map(|text| text.replace('\0', " "));
        self.run(
            "UPDATE centre SET wall_seen = $1, link = $2, stream_waiting = COALESCE($3, stream_waiting)",
            &[&now, &link, &waiting],
        )?;
        Ok(())
    }

    /// Tells in the timeline which sensors fell silent, and which are heard again.
    ///
    /// # Errors
    /// As the database's.
    pub fn listen(&mut self, now: i64, silent_after: i64) -> Result<Vec<String>, CentreError> {
        let changed: Vec<(String, bool, i64)> = self
            .sensors
            .values()
            .map(|row| (row.id.clone(), now.saturating_sub(row.heard) > silent_after, row.heard))
            .filter(|(id, silent, _)| self.sensors.get(id).is_some_and(|row| row.silent != *silent))
            .collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        self.transact(|centre| {
            let mut told = Vec::new();
            for (id, silent, heard) in &changed {
                let text = if *silent {
                    format!("sensor {id}: silent: nothing was heard from it since {}", Timestamp(*heard))
                } else {
                    format!("sensor {id}: is heard again")
                };
                let Some(row) = centre.sensors.get_mut(id) else { continue };
                row.silent = *silent;
                let number = row.number;
                centre.event(Some(number), &text, now)?;
                told.push(text);
            }
            let ids: BTreeSet<String> = changed.iter().map(|(id, _, _)| id.clone()).collect();
            centre.keep_sensors(&ids)?;
            Ok(told)
        })
    }

    /// How all is.
    ///
    /// # Errors
    /// As the database's.
    pub fn health(&mut self, now: i64, silent_after: i64) -> Result<CentreStatus, CentreError> {
        let rows = self.rows("SELECT wall_seen, link, stream_waiting, COALESCE(shown, 0) FROM centre", &[])?;
        let row = rows.first().ok_or_else(|| self.refused("the row of the centre is missing"))?;
        let (seen, link): (Option<i64>, Option<String>) = (row.get(0), row.get(1));
        let (stream_waiting, shown): (Option<i64>, i64) = (row.get(2), row.get(3));
        let not_shown = self.one("SELECT COUNT(*) FROM shown WHERE changed > $1", &[&shown])?;
        let minute = now.saturating_sub(60 * SECOND);
        let messages_last_minute = self.one("SELECT COUNT(*) FROM message WHERE wall_received > $1", &[&minute])?;
        let rows = self.rows("SELECT wall_received, subject, reason FROM refused ORDER BY number DESC LIMIT 1", &[])?;
        let last_refused = rows.first().map(|row| {
            let (time, subject, reason): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
            format!("{} {subject}: {reason}", Timestamp(time))
        });
        Ok(CentreStatus {
            schema: 1,
            centre: self.id.clone(),
            receiver: seen.is_some_and(|seen| now.saturating_sub(seen) < RUNS),
            link,
            stream_waiting,
            not_shown,
            messages_last_minute,
            lag: self.lag(now.saturating_sub(3_600 * SECOND))?,
            alerts: self.one("SELECT COUNT(*) FROM alert", &[])?,
            shown: self.one("SELECT COUNT(DISTINCT shown) FROM alert", &[])?,
            of_several: self
                .one("SELECT COUNT(*) FROM (SELECT shown FROM alert GROUP BY shown HAVING COUNT(*) > 1) AS t", &[])?,
            refused: self.one("SELECT COUNT(*) FROM refused", &[])?,
            last_refused,
            sensors: self.sensors.values().map(|row| sensor(row, now, silent_after)).collect(),
        })
    }

    /// How long messages were under way that came since.
    fn lag(&mut self, since: i64) -> Result<Lag, CentreError> {
        let rows = self.rows(
            "SELECT COUNT(*), PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY l), PERCENTILE_DISC(0.95) WITHIN GROUP (ORDER BY l),
                 PERCENTILE_DISC(0.99) WITHIN GROUP (ORDER BY l), MAX(l)
             FROM (SELECT (wall_received - wall_time) / 1000000 AS l FROM message WHERE wall_received > $1) AS t",
            &[&since],
        )?;
        Ok(rows.first().map_or_else(Lag::default, |row| Lag {
            messages: row.get(0),
            median_ms: row.get(1),
            p95_ms: row.get(2),
            p99_ms: row.get(3),
            most_ms: row.get(4),
        }))
    }
}

pub(super) fn sensor(row: &SensorRow, now: i64, silent_after: i64) -> SensorStatus {
    let ago = now.saturating_sub(row.heard).max(0);
    let silent = ago > silent_after;
    // Times of the sensor are by its clock; how far that is off is known from its status.
    let off = row.difference.unwrap_or_default();
    let waits = row.oldest.filter(|_| row.waiting.unwrap_or_default() > 0);
    let waits = waits.map_or(0, |oldest| now.saturating_sub(oldest.saturating_add(off)).max(0));
    let lag = if silent { waits.max(ago) } else { waits };
    let state = match () {
        () if silent => "silent",
        () if !row.reasons.is_empty() || row.health.as_deref() == Some("degraded") => "degraded",
        () if lag > BEHIND => "behind",
        () => "ok",
    };
    SensorStatus {
        schema: 1,
        sensor: row.id.clone(),
        site: Some(row.site.clone()).filter(|site| !site.is_empty()),
        state,
        reasons: row.reasons.clone(),
        version: row.version.clone(),
        uptime_seconds: row.uptime,
        last_heard: Timestamp(row.heard).to_string(),
        heard_seconds_ago: ago / SECOND,
        newest: row.newest,
        received: row.received,
        waiting: row.waiting,
        lag_seconds: lag / SECOND,
        messages: row.messages,
        doubles: row.doubles,
        refused: row.refused,
        lost: row.lost,
        given_up: row.passed_over,
        clock_difference_ms: row.difference.map(|span| span / 1_000_000),
        newest_packet: row.newest_packet.map(|time| Timestamp(time).to_string()),
    }
}
