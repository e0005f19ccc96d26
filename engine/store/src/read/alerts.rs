//! Alerts: rows, lists, and what hangs on one.

use super::{Conditions, PART, Reader, find};
use crate::StoreError;
use crate::value::{count, device, frame, mac, outcome, parsed, parsed_option, severity, sub, time};
use ot_engine::catalogue::{EngineKind, Severity};
use ot_engine::context::{Field, Importance};
use ot_engine::maintenance::Share;
use ot_engine::model::{AlertViolation, DeviceId, EntryId, Peer, Status};
use ot_protocol::{FrameRef, Outcome, Timestamp};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

/// An alert as stored, with its lists.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    /// Place among all alerts, from 1.
    pub number: u32,
    /// 32 hexadecimal digits.
    pub id: String,
    /// Alert type id. One that this version's catalogue does not hold may come from an older one.
    pub kind: String,
    /// Engine id.
    pub engine: String,
    /// Category.
    pub category: String,
    /// Severity.
    pub severity: Severity,
    /// Status.
    pub status: Status,
    /// Whether a person learned it.
    pub learned: bool,
    /// Packet time at which the learning ends.
    pub learned_until: Option<Timestamp>,
    /// Whether a person muted it.
    pub muted: bool,
    /// Newest packet time when it was closed.
    pub closed: Option<Timestamp>,
    /// How many alerts with its key were opened before, plus one.
    pub opening: u32,
    /// Packet time of the first violation.
    pub first_detection: Timestamp,
    /// Packet time of the last violation.
    pub last_detection: Timestamp,
    /// How many violations.
    pub count: u64,
    /// How many of them lay in maintenance windows that cover them.
    pub expected_count: u64,
    /// Whether these are all.
    pub expected: bool,
    /// In which windows.
    pub shares: Vec<Share>,
    /// Protocol id.
    pub protocol: Option<String>,
    /// What became of the (last) command.
    pub outcome: Option<Outcome>,
    /// Who, ten at most.
    pub sources: Vec<Peer>,
    /// How many in all.
    pub source_count: u32,
    /// To whom, ten at most.
    pub destinations: Vec<Peer>,
    /// How many in all.
    pub destination_count: u32,
    /// Technique ids.
    pub techniques: Vec<String>,
    /// What happened.
    pub description: String,
    /// Why it was noticed.
    pub why: String,
    /// Baseline entries it holds.
    pub entries: Vec<EntryId>,
    /// Frames.
    pub frames: Vec<FrameRef>,
    /// How many violations with different parameters; 100 at most are rows.
    pub violation_count: u32,
    /// Id of the sensor whose run opened it.
    pub sensor: Option<String>,
    /// Site of that sensor.
    pub site: Option<String>,
    /// In a store that shows what many sensors told: who told of it, the first one first.
    pub reports: Vec<ReportRow>,
}

/// What a sensor told the centre of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// Id of the sensor.
    pub sensor: String,
    /// Its site.
    pub site: Option<String>,
    /// Id of the alert there.
    pub id: String,
    /// Status there.
    pub status: Status,
    /// Packet time of the first violation that it saw.
    pub first_detection: Timestamp,
    /// Packet time of the last.
    pub last_detection: Timestamp,
    /// How many.
    pub count: u64,
    /// The page of the alert at the sensor.
    pub link: Option<String>,
}

/// By what alerts are sorted; ties go by last detection, then by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertSort {
    /// Last detection.
    #[default]
    LastDetection,
    /// First detection.
    FirstDetection,
    /// Severity.
    Severity,
    /// Number of violations.
    Count,
    /// Alert type id.
    Type,
    /// Importance of the most important device that takes part.
    Importance,
}

/// Where an alert stands in an order. It holds the values, so that it stays a place when the alert changes or is gone.
/// As text: the value that the alerts are sorted by, the last detection in nanoseconds, the number, with `_` between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPlace {
    pub(super) value: String,
    pub(super) last: i64,
    pub(super) number: u32,
}

impl fmt::Display for AlertPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.value, self.last, self.number)
    }
}

impl AlertPlace {
    /// From its text; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '_');
        let number = parts.next()?.parse().ok()?;
        let last = parts.next()?.parse().ok()?;
        Some(Self { value: parts.next()?.to_owned(), last, number })
    }

    /// Whether it can be a place in this order.
    pub fn is_of(&self, sort: AlertSort) -> bool {
        (sort == AlertSort::Type) == self.value.parse::<i64>().is_err()
    }
}

/// Which side of an alert a device is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who did it.
    Source,
    /// To whom.
    Destination,
}

impl Side {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// One of these devices or addresses takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerFilter {
    /// On which side; `None`: either.
    pub side: Option<Side>,
    /// Devices.
    pub devices: Vec<DeviceId>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
}

/// Which alerts. An empty list asks for nothing in particular; all that is asked for must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertQuery {
    /// Last detection at or after this time.
    pub since: Option<Timestamp>,
    /// First detection at or before this time.
    pub until: Option<Timestamp>,
    /// One of these severities.
    pub severities: Vec<Severity>,
    /// One of these engines.
    pub engines: Vec<EngineKind>,
    /// One of these statuses.
    pub statuses: Vec<Status>,
    /// Each of these.
    pub peers: Vec<PeerFilter>,
    /// One of these protocols.
    pub protocols: Vec<String>,
    /// One of these techniques.
    pub techniques: Vec<String>,
    /// A device in one of these zones takes part.
    pub zones: Vec<String>,
    /// A device of one of these importances takes part.
    pub importances: Vec<Importance>,
    /// For each of these fields, a device takes part of which one of these values is said.
    pub said: Vec<(Field, Vec<String>)>,
    /// One of these alert types.
    pub kinds: Vec<String>,
    /// Whether all violations lay in maintenance windows that cover them.
    pub expected: Option<bool>,
    /// Violations lay in one of these maintenance windows.
    pub windows: Vec<u32>,
    /// One of these runs opened it; empty: any.
    pub runs: Vec<u32>,
    /// Occurs in description, why or id, or the type is one of `text_kinds`. Case of ASCII letters is ignored.
    pub text: Option<String>,
    /// Alert types whose title holds the text.
    pub text_kinds: Vec<String>,
    /// Order.
    pub sort: AlertSort,
    /// Smallest first.
    pub ascending: bool,
    /// Only what comes after this place in the order: the place of the last alert of the page before.
    pub after: Option<AlertPlace>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What a person did to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// Wall time; of what the sensor did, packet time.
    pub time: Timestamp,
    /// Whether the sensor did it.
    pub by_sensor: bool,
    /// Who.
    pub who: String,
    /// `status`, `learn`, `unlearn`, `mute`, `unmute`, `comment`.
    pub action: String,
    /// Why, in the person's words.
    pub why: String,
    /// The new status, the comment.
    pub detail: String,
}

/// Peers, and rows of each, that related alerts are looked for among.
const AROUND_PEERS: usize = 8;

const AROUND_ROWS: usize = 500;

impl Reader {
    /// Alerts.
    pub fn alerts(&self, query: &AlertQuery) -> Result<Vec<AlertRow>, StoreError> {
        let Some(limit) = query.limit else {
            let conditions = find::conditions(query);
            return self.alert_rows(&format!("{}{}", conditions.sql, find::order(query)), &conditions);
        };
        self.alerts_numbered(&self.alert_numbers(query, limit)?)
    }

    /// Alerts with higher numbers than this one, in order of number, at most so many.
    pub fn alerts_after(&self, number: u32, limit: u32) -> Result<Vec<AlertRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.and("a.number > ?").value(number);
        self.alert_rows(&format!("{} ORDER BY a.number LIMIT {limit}", conditions.sql), &conditions)
    }

    /// The numbers of the alerts that a query lets through, in its order, at most so many.
    pub fn alert_numbers(&self, query: &AlertQuery, limit: u32) -> Result<Vec<u32>, StoreError> {
        Ok(self.alert_places(query, limit)?.into_iter().map(|(number, _)| number).collect())
    }

    /// The alerts of these numbers, in the order given.
    pub fn alerts_numbered(&self, numbers: &[u32]) -> Result<Vec<AlertRow>, StoreError> {
        let mut found = HashMap::with_capacity(numbers.len());
        for part in numbers.chunks(PART) {
            let mut conditions = Conditions::default();
            conditions.one_of("a.number", part.iter().copied());
            found.extend(self.alert_rows(&conditions.sql, &conditions)?.into_iter().map(|row| (row.number, row)));
        }
        Ok(numbers.iter().filter_map(|number| found.remove(number)).collect())
    }

    /// Alerts whose id starts so, ten at most.
    pub fn alerts_by_prefix(&self, prefix: &str) -> Result<Vec<AlertRow>, StoreError> {
        let mut conditions = Conditions::default();
        let end = format!("{prefix}g");
        conditions.and("a.id >= ? AND a.id < ?").value(prefix.to_owned()).value(end);
        self.alert_rows(&format!("{} ORDER BY a.number LIMIT 10", conditions.sql), &conditions)
    }

    /// The alert of this number.
    pub fn alert(&self, number: u32) -> Result<Option<AlertRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.and("a.number = ?").value(number);
        Ok(self.alert_rows(&conditions.sql, &conditions)?.pop())
    }

    /// Alerts in which one of the peers takes part and that overlap a span of time, with their first detection: of each peer
    /// and side the nearest to `middle`, some hundreds at most.
    pub fn alerts_around(
        &self,
        peers: &[Peer],
        middle: Timestamp,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(u32, Timestamp)>, StoreError> {
        let mut found: BTreeMap<u32, Timestamp> = BTreeMap::new();
        let mut keys: Vec<(&str, Value)> = Vec::new();
        for peer in peers {
            let key = match (peer.device, peer.ip) {
                (Some(id), _) => ("device", Value::from(id.0)),
                (None, Some(ip)) => ("ip", Value::from(ip.to_string())),
                (None, None) => continue,
            };
            if keys.len() < AROUND_PEERS && !keys.contains(&key) {
                keys.push(key);
            }
        }
        for (column, key) in keys {
            for side in [Side::Source, Side::Destination] {
                for (after, order) in [("<= ?3", "DESC"), ("> ?3", "ASC")] {
                    let bound = if order == "DESC" { " AND last_detection >= ?4" } else { " AND ?4 = ?4" };
                    let sql = format!(
                        "SELECT alert, first_detection FROM (
                             SELECT alert, first_detection FROM alert_peer
                             WHERE {column} = ?1 AND role = ?2 AND last_detection {after}{bound}
                             ORDER BY last_detection {order} LIMIT {AROUND_ROWS})
                         WHERE first_detection <= ?5"
                    );
                    let mut conditions = Conditions::default();
                    conditions.value(key.clone()).value(side.as_str().to_owned());
                    conditions.value(middle.0).value(from.0).value(to.0);
                    found.extend(self.rows(&sql, &conditions, |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// How many alerts have an id that starts so.
    pub fn alerts_with_prefix(&self, prefix: &str) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached("SELECT COUNT(*) FROM alert WHERE id >= ?1 AND id < ?2")
            .and_then(|mut statement| statement.query_row(params![prefix, format!("{prefix}g")], |row| count(row, 0)))
            .map_err(|error| self.fail(error))
    }

    fn alert_rows(&self, tail: &str, conditions: &Conditions) -> Result<Vec<AlertRow>, StoreError> {
        let sql = format!(
            "SELECT a.number, a.id, a.type, a.engine, a.category, a.severity, a.status, a.learned, a.muted, a.opening,
                 a.first_detection, a.last_detection, a.count, a.protocol, a.outcome, a.outcome_code, a.outcome_name,
                 a.source_count, a.destination_count, a.description, a.why, a.violation_count, r.sensor, r.site,
                 a.learned_until, a.closed, a.expected_count, a.expected
             FROM alert a LEFT JOIN run r ON r.id = a.run{tail}"
        );
        let mut alerts = self.rows(&sql, conditions, |row| {
            Ok(AlertRow {
                number: row.get(0)?,
                id: row.get(1)?,
                kind: row.get(2)?,
                engine: row.get(3)?,
                category: row.get(4)?,
                severity: severity(row, 5)?,
                status: parsed(row, 6, Status::parse)?,
                learned: row.get(7)?,
                muted: row.get(8)?,
                opening: row.get(9)?,
                first_detection: Timestamp(row.get(10)?),
                last_detection: Timestamp(row.get(11)?),
                count: count(row, 12)?,
                protocol: row.get(13)?,
                outcome: outcome(row, 14)?,
                source_count: row.get(17)?,
                destination_count: row.get(18)?,
                description: row.get(19)?,
                why: row.get(20)?,
                violation_count: row.get(21)?,
                sensor: row.get(22)?,
                site: row.get::<_, Option<String>>(23)?.filter(|site| !site.is_empty()),
                learned_until: time(row, 24)?,
                closed: time(row, 25)?,
                expected_count: count(row, 26)?,
                expected: row.get(27)?,
                shares: Vec::new(),
                sources: Vec::new(),
                destinations: Vec::new(),
                techniques: Vec::new(),
                entries: Vec::new(),
                frames: Vec::new(),
                reports: Vec::new(),
            })
        })?;
        self.fill_alerts(&mut alerts).map_err(|error| self.fail(error))?;
        Ok(alerts)
    }

    /// What hangs on alerts, a list at a time.
    fn fill_alerts(&self, alerts: &mut [AlertRow]) -> rusqlite::Result<()> {
        let places: HashMap<u32, usize> = alerts.iter().enumerate().map(|(at, alert)| (alert.number, at)).collect();
        let mut numbers: Vec<u32> = places.keys().copied().collect();
        numbers.sort_unstable();
        for part in numbers.chunks(PART) {
            self.hanging("alert_peer", "alert", "device, ip, mac, sub, role = 'source'", "role, place", part, |row| {
                let peer = Peer {
                    device: device(row, 1)?,
                    ip: parsed_option(row, 2, |text| text.parse().ok())?,
                    mac: parsed_option(row, 3, mac)?,
                    sub: parsed(row, 4, sub)?,
                };
                if let Some(alert) = owner(alerts, &places, row)? {
                    let list = if row.get(5)? { &mut alert.sources } else { &mut alert.destinations };
                    list.push(peer);
                }
                Ok(())
            })?;
            self.hanging("alert_technique", "alert", "technique", "place", part, |row| {
                if let Some(alert) = owner(alerts, &places, row)? {
                    alert.techniques.push(row.get(1)?);
                }
                Ok(())
            })?;
            self.hanging("alert_entry", "alert", "entry", "place", part, |row| {
                if let Some(alert) = owner(alerts, &places, row)? {
                    alert.entries.push(EntryId(row.get(1)?));
                }
                Ok(())
            })?;
            self.hanging("alert_frame", "alert", "file, frame", "place", part, |row| {
                if let Some(alert) = owner(alerts, &places, row)? {
                    alert.frames.push(frame(row, 1)?);
                }
                Ok(())
            })?;
        }
        self.fill_reports(alerts, &places, &numbers)?;
        let mut planned: Vec<u32> =
            alerts.iter().filter(|alert| alert.expected_count > 0).map(|alert| alert.number).collect();
        planned.sort_unstable();
        for part in planned.chunks(PART) {
            self.hanging("alert_maintenance", "alert", "maintenance, count", "place", part, |row| {
                if let Some(alert) = owner(alerts, &places, row)? {
                    alert.shares.push(Share { window: row.get(1)?, count: count(row, 2)? });
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Violations of an alert, in order.
    pub fn violations(&self, alert: u32) -> Result<Vec<AlertViolation>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.and("alert = ?").value(alert);
        self.rows(
            "SELECT alert, number, first_seen, last_seen, count, file, frame, function, object, value, outcome,
                 outcome_code, outcome_name, detail, entries, expected_count
             FROM violation WHERE alert = ? ORDER BY number",
            &conditions,
            |row| {
                Ok(AlertViolation {
                    alert: row.get(0)?,
                    number: row.get(1)?,
                    first_seen: Timestamp(row.get(2)?),
                    last_seen: Timestamp(row.get(3)?),
                    count: count(row, 4)?,
                    expected: count(row, 15)?,
                    frame: frame(row, 5)?,
                    function: row.get(7)?,
                    object: row.get(8)?,
                    value: row.get(9)?,
                    outcome: outcome(row, 10)?,
                    detail: row.get(13)?,
                    entries: parsed(row, 14, crate::value::entries)?,
                })
            },
        )
    }

    /// What people did to an alert, in order.
    pub fn history(&self, alert: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.and("alert = ?").value(alert);
        self.rows(
            "SELECT COALESCE(wall_time, time, 0), who, action, why, detail, wall_time IS NULL FROM alert_history
             WHERE alert = ? ORDER BY id",
            &conditions,
            |row| {
                Ok(HistoryRow {
                    time: Timestamp(row.get(0)?),
                    who: row.get(1)?,
                    action: row.get(2)?,
                    why: row.get(3)?,
                    detail: row.get(4)?,
                    by_sensor: row.get(5)?,
                })
            },
        )
    }

    /// Who told of alerts. Asked only where the store shows what many sensors told.
    fn fill_reports(
        &self,
        alerts: &mut [AlertRow],
        places: &HashMap<u32, usize>,
        numbers: &[u32],
    ) -> rusqlite::Result<()> {
        if !self.is_fleet()? {
            return Ok(());
        }
        let columns = "(SELECT sensor FROM run WHERE run.id = alert_report.run), \
             (SELECT site FROM run WHERE run.id = alert_report.run), \
             id, status, first_detection, last_detection, count, link";
        for part in numbers.chunks(PART) {
            self.hanging("alert_report", "alert", columns, "place", part, |row| {
                let report = ReportRow {
                    sensor: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                    site: row.get::<_, Option<String>>(2)?.filter(|site| !site.is_empty()),
                    id: row.get(3)?,
                    status: parsed(row, 4, Status::parse)?,
                    first_detection: Timestamp(row.get(5)?),
                    last_detection: Timestamp(row.get(6)?),
                    count: count(row, 7)?,
                    link: row.get(8)?,
                };
                if let Some(alert) = owner(alerts, places, row)? {
                    alert.reports.push(report);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Alerts that a sensor told the centre of under an id that starts so and that stand under another one, ten at most.
    pub fn alerts_by_report(&self, prefix: &str) -> Result<Vec<AlertRow>, StoreError> {
        let mut conditions = Conditions::default();
        let end = format!("{prefix}g");
        conditions
            .and("a.number IN (SELECT alert FROM alert_report WHERE id >= ? AND id < ?)")
            .value(prefix.to_owned())
            .value(end);
        self.alert_rows(&format!("{} ORDER BY a.number LIMIT 10", conditions.sql), &conditions)
    }

    /// How many alerts that are not closed each of the devices takes part in; those with none are left out.
    pub fn open_alerts(&self, devices: &[DeviceId]) -> Result<Vec<(DeviceId, u64)>, StoreError> {
        let mut found = Vec::new();
        for &id in devices {
            let open = self.one(
                "SELECT COUNT(*) FROM (SELECT DISTINCT alert FROM alert_peer INDEXED BY alert_peer_open
                     WHERE device = ?1 AND open)",
                &[&id.0],
                |row| count(row, 0),
            )?;
            found.extend(open.filter(|open| *open > 0).map(|open| (id, open)));
        }
        Ok(found)
    }

    /// The id of the alert of this number.
    pub fn alert_id(&self, number: u32) -> Result<Option<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT id FROM alert WHERE number = ?1")
            .and_then(|mut statement| statement.query_row([number], |row| row.get(0)).optional())
            .map_err(|error| self.fail(error))
    }

    /// How many alerts there are of each severity and status.
    pub fn alert_counts(&self) -> Result<Vec<(Severity, Status, u64)>, StoreError> {
        self.rows(
            "SELECT severity, status, SUM(count) FROM alert_group
             GROUP BY severity, status HAVING SUM(count) > 0 ORDER BY severity DESC, status",
            &Conditions::default(),
            |row| Ok((severity(row, 0)?, parsed(row, 1, Status::parse)?, count(row, 2)?)),
        )
    }
}

fn owner<'a>(
    alerts: &'a mut [AlertRow],
    places: &HashMap<u32, usize>,
    row: &Row<'_>,
) -> rusqlite::Result<Option<&'a mut AlertRow>> {
    let number: u32 = row.get(0)?;
    Ok(places.get(&number).and_then(|at| alerts.get_mut(*at)))
}
