//! What changed of what is shown, for the view store.

use super::{Centre, CentreError, SensorRow};
use crate::message::{self, Peer, Told, moment};
use ot_engine::catalogue::Severity;
use ot_engine::context::{Context, Field, Said, Source};
use ot_engine::model::{Device, DeviceAddress, DeviceId, Role, Status};
use ot_protocol::{SubAddress, Timestamp};
use ot_store::fleet::{Act, Alert, Changed, Event, Frame, Report, Sensor, SensorHealth, Shown, Side, Violation};
use postgres::types::Json;
use std::collections::{BTreeMap, BTreeSet};

/// Alerts that are written to the view store at once.
const AT_ONCE: i64 = 200;
/// Acts on an alert that are shown beside it.
const MOST_ACTS: usize = 1_000;
/// Acts on an alert at its sensor that are shown: the newest.
const MOST_AT_SENSOR: i64 = 100;
/// Bytes of what was said with them.
const MOST_SAID: i64 = 64 << 10;

/// An alert of a sensor as the record holds it.
struct Part {
    id: String,
    sensor: i32,
    severity: i16,
    status: String,
    centre_status: Option<String>,
    first_detection: i64,
    last_detection: i64,
    count: i64,
    told: Told,
    sources: Vec<i32>,
    destinations: Vec<i32>,
}

impl Centre {
    /// What changed since, as much as is written at once.
    ///
    /// # Errors
    /// As the database's.
    pub fn changed_since(&mut self, shown: &Shown, now: i64, silent_after: i64) -> Result<Changed, CentreError> {
        let after = i64::try_from(shown.cursor).unwrap_or(i64::MAX);
        let rows = self.rows(
            "SELECT number, gone, changed FROM shown WHERE changed > $1 ORDER BY changed LIMIT $2",
            &[&after, &AT_ONCE],
        )?;
        let mut changed = Changed { cursor: shown.cursor, event: shown.event, ..Changed::default() };
        let mut numbers: Vec<i32> = Vec::new();
        for row in &rows {
            let number: i32 = row.get(0);
            if row.get(1) {
                changed.gone.push(u32::try_from(number).unwrap_or_default());
            } else {
                numbers.push(number);
            }
            changed.cursor = u64::try_from(row.get::<_, i64>(2)).unwrap_or_default();
        }
        let after = i64::try_from(shown.event).unwrap_or(i64::MAX);
        for row in self.rows(
            "SELECT number, wall_time, text FROM event WHERE number > $1 ORDER BY number LIMIT 1000",
            &[&i32::try_from(after).unwrap_or(i32::MAX)],
        )? {
            let number = u64::try_from(row.get::<_, i32>(0)).unwrap_or_default();
            changed.event = number;
            changed.events.push(Event { number, time: Timestamp(row.get(1)), text: row.get(2) });
        }
        changed.sensors = self.sensors.values().map(|row| sensor(row, now, silent_after)).collect();
        if numbers.is_empty() {
            return Ok(changed);
        }
        let parts = self.parts(&numbers)?;
        let mut acts = self.acts(&parts)?;
        let devices: BTreeSet<i32> = parts
            .values()
            .flatten()
            .flat_map(|part| part.sources.iter().chain(&part.destinations))
            .copied()
            .filter(|number| *number > 0)
            .collect();
        changed.devices = self.shown_devices(&devices.into_iter().collect::<Vec<_>>())?;
        for (number, parts) in parts {
            let of: Vec<Act> = parts.iter().flat_map(|part| acts.remove(&part.id).unwrap_or_default()).collect();
            changed.alerts.extend(together(number, &parts, of));
        }
        Ok(changed)
    }

    fn parts(&mut self, numbers: &[i32]) -> Result<BTreeMap<i32, Vec<Part>>, CentreError> {
        let mut parts: BTreeMap<i32, Vec<Part>> = BTreeMap::new();
        for row in self.rows(
            "SELECT shown, id, sensor, severity, status, centre_status, first_detection, last_detection, count, told, sources,
                 destinations
             FROM alert WHERE shown = ANY($1) ORDER BY first_detection, sensor, id",
            &[&numbers],
        )? {
            let Json(told): Json<Told> = row.get(9);
            parts.entry(row.get(0)).or_default().push(Part {
                id: row.get(1),
                sensor: row.get(2),
                severity: row.get(3),
                status: row.get(4),
                centre_status: row.get(5),
                first_detection: row.get(6),
                last_detection: row.get(7),
                count: row.get(8),
                told,
                sources: row.get(10),
                destinations: row.get(11),
            });
        }
        Ok(parts)
    }

    /// What was done to alerts, at sensors and here, by the id of the alert.
    fn acts(&mut self, parts: &BTreeMap<i32, Vec<Part>>) -> Result<BTreeMap<String, Vec<Act>>, CentreError> {
        let ids: Vec<&str> = parts.values().flatten().map(|part| part.id.as_str()).collect();
        let mut acts: BTreeMap<String, Vec<Act>> = BTreeMap::new();
        for row in self.rows(
            "SELECT a.id, m.wall_time, m.sequence, n.id, m.change, m.status, m.who, m.why, m.comment
             FROM alert a JOIN sensor n ON n.number = a.sensor CROSS JOIN LATERAL (
                 SELECT l.*, SUM(octet_length(concat(l.who, l.why, l.comment)))
                     OVER (ORDER BY l.wall_received DESC, l.outbox DESC, l.sequence DESC) AS said
                 FROM (SELECT * FROM message WHERE message.alert = a.id AND message.sensor = a.sensor
                     AND (change = 'comment' OR (change IN ('status', 'marks') AND who IS NOT NULL))
                     ORDER BY wall_received DESC, outbox DESC, sequence DESC LIMIT $2) AS l) AS m
             WHERE a.id = ANY($1) AND m.said <= $3
             ORDER BY m.outbox, m.sequence",
            &[&ids, &MOST_AT_SENSOR, &MOST_SAID],
        )? {
            let (time, sequence): (i64, i64) = (row.get(1), row.get(2));
            let (sensor, change): (String, String) = (row.get(3), row.get(4));
            let who = row.get::<_, Option<String>>(6).unwrap_or_else(|| "sensor".to_owned());
            let comment: Option<String> = row.get(8);
            acts.entry(row.get(0)).or_default().push(Act {
                // The outbox counts milliseconds: what was done within one is told apart.
                time: Timestamp(time.saturating_add(sequence.rem_euclid(1_000_000))),
                who: format!("{who} at {sensor}"),
                action: if change == "comment" { change } else { "status".to_owned() },
                why: row.get::<_, Option<String>>(7).unwrap_or_default(),
                detail: comment.unwrap_or_else(|| row.get(5)),
            });
        }
        for row in self.rows(
            "SELECT alert, wall_time, who, action, why, detail FROM act WHERE alert = ANY($1) ORDER BY number",
            &[&ids],
        )? {
            acts.entry(row.get(0)).or_default().push(Act {
                time: Timestamp(row.get(1)),
                who: row.get(2),
                action: row.get(3),
                why: row.get(4),
                detail: row.get(5),
            });
        }
        Ok(acts)
    }

    fn shown_devices(&mut self, numbers: &[i32]) -> Result<Vec<Device>, CentreError> {
        let rows = self.rows(
            "SELECT number, sub, told, first_seen, last_seen, place FROM device WHERE number = ANY($1) ORDER BY number",
            &[&numbers],
        )?;
        Ok(rows
            .iter()
            .map(|row| {
                let Json(peer): Json<Peer> = row.get(2);
                let (first, last) = (Timestamp(row.get(3)), Timestamp(row.get(4)));
                let place: (String, String) = serde_json::from_str(row.get(5)).unwrap_or_default();
                device(row.get(0), &row.get::<_, String>(1), &peer, &place.0, first, last)
            })
            .collect())
    }

    /// The view store shows all up to here.
    ///
    /// # Errors
    /// As the database's.
    pub fn note_shown(&mut self, cursor: u64) -> Result<(), CentreError> {
        let cursor = i64::try_from(cursor).unwrap_or(i64::MAX);
        self.run("UPDATE centre SET shown = $1", &[&cursor])?;
        // What is gone and no longer shown need not be told again: a store that is written anew does not have it.
        self.run(
            "DELETE FROM shown WHERE number IN (SELECT number FROM shown WHERE gone AND changed <= $1 LIMIT 1000)",
            &[&cursor],
        )?;
        Ok(())
    }

    /// The newest change that the view store was written with; 0 where it has yet to be written.
    ///
    /// # Errors
    /// As the database's.
    pub fn noted_shown(&mut self) -> Result<u64, CentreError> {
        let noted: i64 = self.one("SELECT COALESCE(shown, 0) FROM centre", &[])?;
        Ok(u64::try_from(noted).unwrap_or_default())
    }

    /// Newest change.
    ///
    /// # Errors
    /// As the database's.
    pub fn newest_change(&mut self) -> Result<u64, CentreError> {
        let newest: i64 = self.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM change_number", &[])?;
        Ok(u64::try_from(newest).unwrap_or_default())
    }
}

fn sensor(row: &SensorRow, now: i64, silent_after: i64) -> Sensor {
    let status = super::status::sensor(row, now, silent_after);
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Sensor {
        number: u32::try_from(row.number).unwrap_or_default(),
        id: row.id.clone(),
        site: row.site.clone(),
        first_heard: Timestamp(row.first),
        last_heard: Timestamp(row.heard),
        health: SensorHealth {
            state: status.state.to_owned(),
            reasons: status.reasons,
            version: status.version,
            lag_seconds: count(status.lag_seconds),
            waiting: count(status.waiting.unwrap_or_default()),
            lost: count(status.lost.unwrap_or_default()),
            refused: count(status.refused),
        },
    }
}

/// Alerts of sensors as the one that is shown. What is said of it is what the first sensor said; what they counted is not
/// added up, for they saw the same.
fn together(number: i32, parts: &[Part], mut acts: Vec<Act>) -> Option<Alert> {
    let lead = parts.first()?;
    let line = &lead.told.alert;
    let status = lead.centre_status.as_deref().unwrap_or(&lead.status);
    let status = Status::parse(status).unwrap_or(Status::New);
    let mut ranks = Severity::ALL;
    ranks.sort();
    let rank = parts.iter().map(|part| part.severity).max().unwrap_or(1);
    let severity = usize::try_from(rank - 1).ok().and_then(|place| ranks.get(place).copied());
    let most = parts.iter().max_by_key(|part| part.count).unwrap_or(lead);
    let last = parts.iter().map(|part| part.last_detection).max().unwrap_or(lead.last_detection);
    let closed = (status == Status::Closed).then(|| line.closed.as_deref().map_or(Timestamp(last), moment));
    acts.sort_by_key(|act| act.time);
    let from = acts.len().saturating_sub(MOST_ACTS);
    let frame = |sensor: i32, frame: &message::Frame| Frame {
        sensor: u32::try_from(sensor).unwrap_or_default(),
        file: frame.file.clone(),
        number: frame.number,
    };
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Some(Alert {
        number: u32::try_from(number).ok()?,
        id: lead.id.clone(),
        kind: line.kind.clone(),
        engine: line.engine.clone(),
        category: line.category.clone(),
        severity: severity.unwrap_or(Severity::Warning),
        status,
        learned: parts.iter().all(|part| part.told.alert.learned),
        muted: parts.iter().all(|part| part.told.alert.muted),
        closed,
        first_detection: Timestamp(lead.first_detection),
        last_detection: Timestamp(last),
        count: count(most.count),
        expected: most.told.alert.expected_count.min(count(most.count)),
        protocol: line.protocol.clone(),
        outcome: message::outcome(line.outcome.as_deref(), lead.told.outcome_detail.as_deref()),
        sources: sides(line.all_sources(), &lead.sources),
        source_count: line.source_count.unwrap_or_else(|| length(line.all_sources())),
        destinations: sides(line.all_destinations(), &lead.destinations),
        destination_count: line.destination_count.unwrap_or_else(|| length(line.all_destinations())),
        techniques: line.techniques.clone(),
        description: line.description.clone(),
        why: line.why.clone(),
        frames: line.frames.iter().map(|one| frame(lead.sensor, one)).collect(),
        violations: lead
            .told
            .violations
            .iter()
            .map(|one| Violation {
                first_seen: moment(&one.first_seen),
                last_seen: moment(&one.last_seen),
                count: one.count,
                expected: one.expected_count,
                frame: one.frame.as_ref().map(|one| frame(lead.sensor, one)),
                function: one.function.clone(),
                object: one.object.clone(),
                value: one.value.clone(),
                outcome: message::outcome(one.outcome.as_deref(), one.outcome_detail.as_deref()),
                detail: one.detail.clone(),
            })
            .collect(),
        violation_count: lead.told.violation_count,
        reports: parts
            .iter()
            .map(|part| Report {
                sensor: u32::try_from(part.sensor).unwrap_or_default(),
                id: part.id.clone(),
                status: Status::parse(&part.status).unwrap_or(Status::New),
                first_detection: Timestamp(part.first_detection),
                last_detection: Timestamp(part.last_detection),
                count: count(part.count),
                link: part.told.link.clone(),
            })
            .collect(),
        acts: acts.split_off(from),
    })
}

fn length(peers: &[Peer]) -> u32 {
    u32::try_from(peers.len()).unwrap_or(u32::MAX)
}

fn sides(peers: &[Peer], devices: &[i32]) -> Vec<Side> {
    let numbers = devices.iter().map(|&number| u32::try_from(number).ok().filter(|number| *number > 0));
    peers
        .iter()
        .zip(numbers.chain(std::iter::repeat(None)))
        .map(|(peer, device)| Side {
            device,
            ip: peer.ip.clone(),
            mac: peer.mac.clone(),
            sub: peer.sub_address.clone().unwrap_or_default(),
        })
        .collect()
}

/// A device as the sensor told it that saw it last.
fn device(number: i32, sub: &str, peer: &Peer, site: &str, first_seen: Timestamp, last_seen: Timestamp) -> Device {
    let mut said = Vec::new();
    let mut say = |field: Field, value: Option<&str>| {
        if let Some(Ok(value)) = value.filter(|value| !value.is_empty()).map(|value| field.check(value)) {
            said.push(Said { field, value, source: Source::Configuration, who: String::new() });
        }
    };
    say(Field::Site, Some(site));
    say(Field::Zone, peer.zone.as_deref());
    say(Field::Importance, peer.importance.as_deref());
    say(Field::Owner, peer.owner.as_deref());
    say(Field::Location, peer.location.as_deref());
    say(Field::Authorised, peer.authorised.as_deref());
    for tag in &peer.tags {
        say(Field::Tag, Some(tag));
    }
    let ip = peer.ip.as_deref().and_then(|ip| ip.parse().ok());
    let role = peer.role.as_deref().and_then(Role::parse).unwrap_or(Role::Unknown);
    Device {
        id: DeviceId(u32::try_from(number).unwrap_or_default()),
        name: peer.name.clone().filter(|name| Some(name) != peer.ip.as_ref() && Some(name) != peer.mac.as_ref()),
        mac: peer.mac.as_deref().and_then(ot_store::fleet::mac),
        sub: ot_store::fleet::sub(sub).unwrap_or(SubAddress::None),
        parent: None,
        addresses: ip.map(|ip| DeviceAddress { ip, vlan: None, first_seen, last_seen }).into_iter().collect(),
        vendor: peer.vendor.clone(),
        ot: !matches!(role, Role::Unknown),
        role,
        role_reasons: Vec::new(),
        purdue: None,
        learned: false,
        zone: peer.zone.clone(),
        context: Context::new(said),
        protocols: Vec::new(),
        identities: Vec::new(),
        first_seen,
        last_seen,
    }
}
