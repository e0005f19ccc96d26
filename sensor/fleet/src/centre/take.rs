//! Takes messages into the record: each once, the newest state of an alert last, in one transaction.

use super::group::Touched;
use super::{Centre, CentreError, SensorRow};
use crate::message::{AlertSaid, Peer, Said, StatusSaid, Subjects, read};
use crate::rule::Common;
use postgres::types::Json;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a refused message that are kept.
const MOST_REFUSED: usize = 64 << 10;
/// Refused messages that are kept; the oldest go.
const REFUSED_KEPT: i32 = 100_000;

/// Sensors of a centre at most.
const MOST_SENSORS: usize = 10_000;
/// Events that are kept; the oldest go.
const EVENTS_KEPT: i32 = 1_000_000;
/// Alerts of a sensor that have the same in common; more of them stay by themselves, so that a flood of one sensor costs no more
/// than other messages, and no chain of alerts, each just within the window of the one before, grows without end.
const FLOOD: i64 = 1_000;

/// A message as it came from the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its subject.
    pub subject: String,
    /// Its bytes; `None`: more than are read.
    pub body: Option<Vec<u8>>,
    /// How many bytes it has.
    pub size: usize,
    /// Its number in the stream.
    pub sequence: i64,
    /// When the stream stored it, nanoseconds.
    pub stored: i64,
}

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Messages of alerts that were new.
    pub new: u64,
    /// Messages that had come before.
    pub doubles: u64,
    /// Messages of how sensors are.
    pub statuses: u64,
    /// Messages that could not be taken and are kept apart.
    pub refused: u64,
}

impl Taken {
    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self {
            new: self.new + other.new,
            doubles: self.doubles + other.doubles,
            statuses: self.statuses + other.statuses,
            refused: self.refused + other.refused,
        }
    }
}

/// A row of an alert, as far as it decides what a message changes.
struct Known {
    sensor: i32,
    newness: (i64, i64),
    status: String,
    centre_status: Option<String>,
    bucket: String,
    first_detection: i64,
    last_detection: i64,
    count: i64,
    shown: Option<i32>,
}

/// An alert that is to be written.
struct Write<'a> {
    said: &'a AlertSaid,
    sensor: i32,
    centre_status: Option<String>,
    last_detection: i64,
    count: i64,
}

impl Centre {
    /// Takes messages. What the database does not take is tried by itself, and refused where it is alone to blame: one message
    /// never holds up others.
    ///
    /// # Errors
    /// Where the database is away; nothing was taken then.
    pub fn take(&mut self, subjects: &Subjects, messages: &[Received], now: i64) -> Result<Taken, CentreError> {
        let read: Vec<(&Received, Result<Said, String>)> = messages
            .iter()
            .map(|one| {
                let said = match &one.body {
                    Some(body) => read(subjects, &one.subject, body),
                    None => Err(format!("{} bytes are more than a message has", one.size)),
                };
                (one, said)
            })
            .collect();
        match self.transact(|centre| centre.take_all(&read, now)) {
            Err(CentreError::Refused { .. }) if read.len() > 1 => {
                let mut taken = Taken::default();
                for one in read {
                    taken = taken.and(self.take_alone(one, now)?);
                }
                Ok(taken)
            }
            Err(CentreError::Refused { .. }) => match read.into_iter().next() {
                Some(one) => self.take_alone(one, now),
                None => Ok(Taken::default()),
            },
            done => done,
        }
    }

    fn take_alone(&mut self, one: (&Received, Result<Said, String>), now: i64) -> Result<Taken, CentreError> {
        let received = one.0;
        match self.transact(|centre| centre.take_all(&[one], now)) {
            Err(CentreError::Refused { problem, .. }) => {
                let refused = [(received, Err(format!("the database does not take it: {problem}")))];
                self.transact(|centre| centre.take_all(&refused, now))
            }
            done => done,
        }
    }

    fn take_all(&mut self, read: &[(&Received, Result<Said, String>)], now: i64) -> Result<Taken, CentreError> {
        let mut taken = Taken::default();
        let mut alerts: Vec<(&Received, &AlertSaid, i32)> = Vec::new();
        let mut again: BTreeMap<(&str, i32), (i64, i64)> = BTreeMap::new();
        let mut heard: BTreeSet<String> = BTreeSet::new();
        // Nobody tells of the alert of another one, nor comments it.
        let told = read.iter().filter_map(|(_, said)| match said {
            Ok(Said::Alert(said)) => Some(said.told.alert.id.as_str()),
            _ => None,
        });
        let mut owners = self.owners(&told.collect::<Vec<_>>())?;
        for (received, said) in read {
            let sensor = match said {
                Ok(Said::Alert(said)) => Some(&said.sensor),
                Ok(Said::Status(said)) => Some(&said.sensor),
                Err(_) => None,
            };
            if sensor.is_some_and(|id| !self.sensors.contains_key(id)) && self.sensors.len() >= MOST_SENSORS {
                self.refuse(received, &format!("is of one sensor more than the {MOST_SENSORS} of a centre"), now)?;
                taken.refused += 1;
                continue;
            }
            // Who may publish for the one may publish for the other: they would not be two.
            let known = sensor.filter(|id| !self.sensors.contains_key(*id)).and_then(|id| self.same_subject(id));
            if let Some(known) = known {
                self.refuse(
                    received,
                    &format!("is of a sensor with the subject of sensor {known}: give it another id"),
                    now,
                )?;
                taken.refused += 1;
                continue;
            }
            match said {
                Err(reason) => {
                    self.refuse(received, reason, now)?;
                    taken.refused += 1;
                }
                Ok(Said::Alert(said)) => {
                    if owners.get(said.told.alert.id.as_str()).is_some_and(|owner| *owner != said.sensor) {
                        self.refuse(received, "tells of an alert that another sensor told of", now)?;
                        taken.refused += 1;
                        continue;
                    }
                    owners.entry(&said.told.alert.id).or_insert_with(|| said.sensor.clone());
                    let number = self.hear(&said.sensor, None, received.stored, now, &mut heard)?;
                    alerts.push((received, said, number));
                }
                Ok(Said::Status(said)) => {
                    let number = self.hear(&said.sensor, said.site.as_deref(), received.stored, now, &mut heard)?;
                    self.status(said, received.stored, now)?;
                    for (id, count, last) in &said.again {
                        let known = again.entry((id, number)).or_default();
                        *known = (known.0.max(*count), known.1.max(*last));
                    }
                    taken.statuses += 1;
                }
            }
        }
        let fresh = self.note(&alerts, now)?;
        let ids: Vec<&str> = fresh
            .iter()
            .filter_map(|&place| alerts.get(place))
            .map(|(_, said, _)| said.told.alert.id.as_str())
            .chain(again.keys().map(|(id, _)| *id))
            .collect();
        let mut known = self.known(&ids)?;
        let mut touched = Touched::default();
        let mut writes: BTreeMap<&str, Write<'_>> = BTreeMap::new();
        for &place in &fresh {
            let Some(&(_, said, sensor)) = alerts.get(place) else { continue };
            let id = said.told.alert.id.as_str();
            let before = known.get(id);
            taken.new += 1;
            let newness = (said.outbox.since, said.sequence);
            let last = match writes.get(id) {
                Some(write) => {
                    let said = write.said;
                    Some((
                        (said.outbox.since, said.sequence),
                        said.status.as_str().to_owned(),
                        write.centre_status.clone(),
                        write.last_detection,
                        write.count,
                    ))
                }
                None => before.map(|known| {
                    let Known { newness, status, centre_status, last_detection, count, .. } = known;
                    (*newness, status.clone(), centre_status.clone(), *last_detection, *count)
                }),
            };
            let write = match last {
                Some((last, ..)) if last >= newness => continue,
                // What people at the centre say holds until the sensor says that something else is the case.
                Some((_, status, centre_status, last_detection, count)) => Write {
                    said,
                    sensor,
                    centre_status: centre_status.filter(|_| status == said.status.as_str()),
                    last_detection: last_detection.max(said.last_detection),
                    count: count.max(said.count),
                },
                None => {
                    Write { said, sensor, centre_status: None, last_detection: said.last_detection, count: said.count }
                }
            };
            writes.insert(id, write);
        }
        taken.doubles = u64::try_from(alerts.len() - fresh.len()).unwrap_or_default();
        for id in writes.keys() {
            if let Some(before) = known.remove(*id) {
                touched.places.insert((before.bucket, before.first_detection));
                touched.shown.extend(before.shown);
            }
            touched.alerts.insert((*id).to_owned());
        }
        self.write(&writes, &mut touched)?;
        self.count(&again, &known, &mut touched)?;
        self.regroup(&touched)?;
        self.keep_sensors(&heard)?;
        Ok(taken)
    }

    /// The sensors that told of these alerts, by the id of the alert.
    fn owners<'a>(&mut self, ids: &[&'a str]) -> Result<BTreeMap<&'a str, String>, CentreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = self.rows(
            "SELECT a.id, n.id FROM alert a JOIN sensor n ON n.number = a.sensor WHERE a.id = ANY($1)",
            &[&ids],
        )?;
        let known: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(ids.iter().filter_map(|id| known.get(*id).map(|owner| (*id, owner.clone()))).collect())
    }

    /// The sensor that speaks on the subjects of an id.
    fn same_subject(&self, id: &str) -> Option<String> {
        let wanted = ot_forward::nats::token(id);
        self.sensors.keys().find(|known| ot_forward::nats::token(known) == wanted).cloned()
    }

    /// A message of a sensor came: its number.
    fn hear(
        &mut self,
        id: &str,
        site: Option<&str>,
        stored: i64,
        now: i64,
        heard: &mut BTreeSet<String>,
    ) -> Result<i32, CentreError> {
        heard.insert(id.to_owned());
        let number = match self.sensors.get_mut(id) {
            Some(known) => {
                known.heard = known.heard.max(stored);
                if let Some(site) = site {
                    site.clone_into(&mut known.site);
                }
                return Ok(known.number);
            }
            None => i32::try_from(self.sensors.len()).unwrap_or(i32::MAX).saturating_add(1),
        };
        let site = site.unwrap_or_default().to_owned();
        self.run(
            "INSERT INTO sensor (number, id, site, wall_first, wall_heard, outbox_since, received, messages, doubles, refused,
                 silent)
             VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, FALSE)",
            &[&number, &id, &site, &stored, &stored],
        )?;
        self.event(Some(number), &format!("sensor {id}: heard for the first time"), now)?;
        let row = SensorRow { number, id: id.to_owned(), site, first: stored, heard: stored, ..SensorRow::default() };
        self.sensors.insert(id.to_owned(), row);
        Ok(number)
    }

    fn status(&mut self, said: &StatusSaid, stored: i64, now: i64) -> Result<(), CentreError> {
        let Some(known) = self.sensors.get_mut(&said.sensor) else { return Ok(()) };
        // One that was on its way for longer says nothing new. By when the stream stored them: the clock of the sensor may have
        // been put right.
        let before = known.status_time.zip(known.difference).map(|(time, difference)| time.saturating_add(difference));
        if before.is_some_and(|before| stored < before) {
            return Ok(());
        }
        let (number, id) = (known.number, known.id.clone());
        let mut events = Vec::new();
        if known.reasons != said.reasons && (known.health.is_some() || !said.reasons.is_empty()) {
            events.push(match said.reasons.as_slice() {
                [] => format!("sensor {id}: in order again"),
                reasons => format!("sensor {id}: degraded: {}", reasons.join(", ")),
            });
        }
        let lost = said.lost - known.lost.unwrap_or_default();
        if lost > 0 {
            events.push(format!("sensor {id}: {lost} changes left its outbox before the centre was told of them"));
        }
        known.status_time = Some(said.time);
        known.difference = Some(stored - said.time);
        known.version = Some(said.version.clone());
        known.uptime = Some(said.uptime_seconds);
        known.health = Some(said.health.clone());
        known.reasons.clone_from(&said.reasons);
        known.newest = Some(said.newest);
        known.waiting = Some(said.waiting);
        known.oldest = said.oldest_waiting;
        known.lost = Some(said.lost);
        known.passed_over = Some(said.refused);
        known.newest_packet = said.newest_packet;
        if let Some(outbox) = &said.outbox {
            known.tells_from(&outbox.id, outbox.since);
        }
        for text in events {
            self.event(Some(number), &text, now)?;
        }
        Ok(())
    }

    /// Notes that messages came; the places of those that came for the first time, in order.
    fn note(&mut self, alerts: &[(&Received, &AlertSaid, i32)], now: i64) -> Result<Vec<usize>, CentreError> {
        let mut places: BTreeMap<(i32, &str, i64), usize> = BTreeMap::new();
        for (place, (_, said, sensor)) in alerts.iter().enumerate() {
            places.entry((*sensor, &said.outbox.id, said.sequence)).or_insert(place);
        }
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let list: Vec<&(&Received, &AlertSaid, i32)> = places.values().filter_map(|&place| alerts.get(place)).collect();
        let of = |text: fn(&AlertSaid) -> &str| list.iter().map(|(_, said, _)| text(said)).collect::<Vec<&str>>();
        let maybe = |text: fn(&AlertSaid) -> Option<&str>| {
            list.iter().map(|(_, said, _)| text(said)).collect::<Vec<Option<&str>>>()
        };
        let sensors: Vec<i32> = list.iter().map(|(_, _, sensor)| *sensor).collect();
        let sequences: Vec<i64> = list.iter().map(|(_, said, _)| said.sequence).collect();
        let times: Vec<i64> = list.iter().map(|(_, said, _)| said.committed).collect();
        let rows = self.rows(
            "INSERT INTO message (sensor, outbox, sequence, alert, change, before, status, who, why, comment, wall_time,
                 wall_received)
             SELECT *, $12::bigint FROM unnest($1::int[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                 $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[])
             ON CONFLICT DO NOTHING RETURNING sensor, outbox, sequence",
            &[
                &sensors,
                &of(|said| &said.outbox.id),
                &sequences,
                &of(|said| &said.told.alert.id),
                &of(|said| &said.change),
                &maybe(|said| said.before.as_deref()),
                &of(|said| said.status.as_str()),
                &maybe(|said| said.by.as_deref()),
                &maybe(|said| said.reason.as_deref()),
                &maybe(|said| said.comment.as_deref()),
                &times,
                &now,
            ],
        )?;
        let mut fresh: Vec<usize> = rows
            .iter()
            .filter_map(|row| {
                let (sensor, outbox, sequence): (i32, String, i64) = (row.get(0), row.get(1), row.get(2));
                places.get(&(sensor, outbox.as_str(), sequence)).copied()
            })
            .collect();
        fresh.sort_unstable();
        for (place, (_, said, _)) in alerts.iter().enumerate() {
            if let Some(known) = self.sensors.get_mut(&said.sensor) {
                known.tells_from(&said.outbox.id, said.outbox.since);
                if fresh.binary_search(&place).is_ok() {
                    known.messages += 1;
                    if known.outbox.as_deref() == Some(&said.outbox.id) {
                        known.received = known.received.max(said.sequence);
                    }
                } else {
                    known.doubles += 1;
                }
            }
        }
        Ok(fresh)
    }

    fn known(&mut self, ids: &[&str]) -> Result<BTreeMap<String, Known>, CentreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = self.rows(
            "SELECT id, sensor, outbox_since, sequence, status, centre_status, bucket, first_detection, last_detection,
                 count, shown
             FROM alert WHERE id = ANY($1)",
            &[&ids],
        )?;
        let known = rows.iter().map(|row| {
            let known = Known {
                sensor: row.get(1),
                newness: (row.get(2), row.get(3)),
                status: row.get(4),
                centre_status: row.get(5),
                bucket: row.get(6),
                first_detection: row.get(7),
                last_detection: row.get(8),
                count: row.get(9),
                shown: row.get(10),
            };
            (row.get(0), known)
        });
        Ok(known.collect())
    }

    fn write(&mut self, writes: &BTreeMap<&str, Write<'_>>, touched: &mut Touched) -> Result<(), CentreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let devices = self.devices(writes)?;
        let all: Vec<&Write<'_>> = writes.values().collect();
        let of = |text: fn(&AlertSaid) -> &str| all.iter().map(|write| text(write.said)).collect::<Vec<&str>>();
        let maybe = |text: fn(&AlertSaid) -> Option<&str>| {
            all.iter().map(|write| text(write.said)).collect::<Vec<Option<&str>>>()
        };
        let numbers = |number: fn(&Write<'_>) -> i64| all.iter().map(|write| number(write)).collect::<Vec<i64>>();
        let sensors: Vec<i32> = all.iter().map(|write| write.sensor).collect();
        let severities: Vec<i16> = all
            .iter()
            .map(|write| {
                let mut ranks = ot_engine::catalogue::Severity::ALL;
                ranks.sort();
                let place = ranks.iter().position(|rank| *rank == write.said.severity).unwrap_or_default();
                i16::try_from(place + 1).unwrap_or(1)
            })
            .collect();
        let told: Vec<Json<&crate::message::Told>> = all.iter().map(|write| Json(&write.said.told)).collect();
        let centre: Vec<Option<&str>> = all.iter().map(|write| write.centre_status.as_deref()).collect();
        // Lists of lists are no arrays of PostgreSQL: they go as text.
        let sides = |peers: fn(&AlertSaid) -> &[Peer]| -> Vec<String> {
            let list = |write: &&Write<'_>| {
                let line = &write.said.told.alert;
                let numbers = peers(write.said)
                    .iter()
                    .map(|peer| place_of(peer, line.site.as_deref()).and_then(|key| devices.get(&key).copied()))
                    .map(|number| number.unwrap_or(0).to_string());
                format!("{{{}}}", numbers.collect::<Vec<_>>().join(","))
            };
            all.iter().map(list).collect()
        };
        let mut buckets: Vec<String> =
            all.iter().map(|write| bucket(write.said, write.centre_status.as_deref())).collect();
        self.apart(&mut buckets, &sensors, &of(|said| &said.told.alert.id))?;
        for (write, bucket) in all.iter().zip(&buckets) {
            touched.places.insert((bucket.clone(), write.said.first_detection));
        }
        self.run(
            "INSERT INTO alert (id, sensor, outbox_since, sequence, type, engine, severity, status, centre_status,
                 first_detection, last_detection, count, protocol, site, zone, description, why, told, sources,
                 destinations, bucket)
             SELECT i, n, o, q, k, e, v, s, c, f, l, m, p, t, z, d, w, j, a::int[], b::int[], u
             FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::smallint[],
                 $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[],
                 $16::text[], $17::text[], $18::jsonb[], $19::text[], $20::text[], $21::text[])
                 AS t (i, n, o, q, k, e, v, s, c, f, l, m, p, t, z, d, w, j, a, b, u)
             ON CONFLICT (id) DO UPDATE SET outbox_since = excluded.outbox_since, sequence = excluded.sequence,
                 type = excluded.type, engine = excluded.engine, severity = excluded.severity, status = excluded.status,
                 centre_status = excluded.centre_status, first_detection = excluded.first_detection,
                 last_detection = excluded.last_detection, count = excluded.count, protocol = excluded.protocol,
                 site = excluded.site, zone = excluded.zone, description = excluded.description, why = excluded.why,
                 told = excluded.told, sources = excluded.sources, destinations = excluded.destinations,
                 bucket = excluded.bucket",
            &[
                &of(|said| &said.told.alert.id),
                &sensors,
                &numbers(|write| write.said.outbox.since),
                &numbers(|write| write.said.sequence),
                &of(|said| &said.told.alert.kind),
                &of(|said| &said.told.alert.engine),
                &severities,
                &of(|said| said.status.as_str()),
                &centre,
                &numbers(|write| write.said.first_detection),
                &numbers(|write| write.last_detection),
                &numbers(|write| write.count),
                &maybe(|said| said.told.alert.protocol.as_deref()),
                &maybe(|said| said.told.alert.site.as_deref()),
                &maybe(|said| said.told.alert.zone.as_deref()),
                &of(|said| &said.told.alert.description),
                &of(|said| &said.told.alert.why),
                &told,
                &sides(|said| said.told.alert.all_sources()),
                &sides(|said| said.told.alert.all_destinations()),
                &buckets,
            ],
        )?;
        Ok(())
    }

    /// The devices of alerts, by place and address.
    fn devices(&mut self, writes: &BTreeMap<&str, Write<'_>>) -> Result<BTreeMap<DeviceKey, i32>, CentreError> {
        struct Seen<'a> {
            peer: &'a Peer,
            first: i64,
            last: i64,
        }
        let mut seen: BTreeMap<DeviceKey, Seen<'_>> = BTreeMap::new();
        for write in writes.values() {
            let line = &write.said.told.alert;
            for peer in line.all_sources().iter().chain(line.all_destinations()) {
                let Some(key) = place_of(peer, line.site.as_deref()) else { continue };
                let (first, last) = (write.said.first_detection, write.last_detection);
                match seen.get_mut(&key) {
                    Some(known) => {
                        known.first = known.first.min(first);
                        if last >= known.last {
                            (known.peer, known.last) = (peer, last);
                        }
                    }
                    None => {
                        seen.insert(key, Seen { peer, first, last });
                    }
                }
            }
        }
        if seen.is_empty() {
            return Ok(BTreeMap::new());
        }
        let column = |of: fn(&DeviceKey) -> &str| seen.keys().map(of).collect::<Vec<&str>>();
        let (places, addresses, subs) = (column(|key| &key.0), column(|key| &key.1), column(|key| &key.2));
        let mut numbers: BTreeMap<DeviceKey, i32> = self
            .rows(
                "SELECT d.place, d.address, d.sub, d.number FROM unnest($1::text[], $2::text[], $3::text[]) AS t (p, a, s)
                 JOIN device d ON d.place = t.p AND d.address = t.a AND d.sub = t.s",
                &[&places, &addresses, &subs],
            )?
            .iter()
            .map(|row| ((row.get(0), row.get(1), row.get(2)), row.get(3)))
            .collect();
        let mut next: i32 = self.one("SELECT COALESCE(MAX(number), 0) FROM device", &[])?;
        for key in seen.keys() {
            numbers.entry(key.clone()).or_insert_with(|| {
                next = next.saturating_add(1);
                next
            });
        }
        let ordered: Vec<i32> = seen.keys().filter_map(|key| numbers.get(key).copied()).collect();
        let told: Vec<Json<&Peer>> = seen.values().map(|seen| Json(seen.peer)).collect();
        let first: Vec<i64> = seen.values().map(|seen| seen.first).collect();
        let last: Vec<i64> = seen.values().map(|seen| seen.last).collect();
        self.run(
            "INSERT INTO device (number, place, address, sub, told, first_seen, last_seen)
             SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::bigint[])
             ON CONFLICT (place, address, sub) DO UPDATE SET
                 told = CASE WHEN excluded.last_seen >= device.last_seen THEN excluded.told ELSE device.told END,
                 first_seen = LEAST(device.first_seen, excluded.first_seen),
                 last_seen = GREATEST(device.last_seen, excluded.last_seen)",
            &[&ordered, &places, &addresses, &subs, &told, &first, &last],
        )?;
        Ok(numbers)
    }

    /// Gives alerts a bucket of their own where the sensor has too many in that one.
    pub(super) fn apart(&mut self, buckets: &mut [String], sensors: &[i32], ids: &[&str]) -> Result<(), CentreError> {
        let wanted: BTreeSet<(&str, i32)> = buckets.iter().map(String::as_str).zip(sensors.iter().copied()).collect();
        let (of, by): (Vec<&str>, Vec<i32>) = wanted.into_iter().unzip();
        let rows = self.rows(
            "SELECT t.b, t.s FROM unnest($1::text[], $2::int[]) AS t (b, s),
             LATERAL (SELECT COUNT(*) AS c FROM (
                 SELECT 1 FROM alert a WHERE a.bucket = t.b AND a.sensor = t.s LIMIT $3) AS l) AS n
             WHERE n.c >= $3",
            &[&of, &by, &FLOOD],
        )?;
        let flooded: BTreeSet<(String, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        if flooded.is_empty() {
            return Ok(());
        }
        for ((bucket, sensor), id) in buckets.iter_mut().zip(sensors).zip(ids) {
            if flooded.contains(&(bucket.clone(), *sensor)) {
                *bucket = format!("alone-{id}");
            }
        }
        Ok(())
    }

    /// Alerts came again.
    fn count(
        &mut self,
        again: &BTreeMap<(&str, i32), (i64, i64)>,
        known: &BTreeMap<String, Known>,
        touched: &mut Touched,
    ) -> Result<(), CentreError> {
        let (mut ids, mut counts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for ((id, sensor), (count, last)) in again {
            let Some(before) = known.get(*id).filter(|before| before.sensor == *sensor) else { continue };
            if *count <= before.count && *last <= before.last_detection {
                continue;
            }
            ids.push(*id);
            counts.push(*count);
            lasts.push(*last);
            touched.places.insert((before.bucket.clone(), before.first_detection));
            touched.alerts.insert((*id).to_owned());
        }
        if !ids.is_empty() {
            self.run(
                "UPDATE alert SET count = GREATEST(count, t.c), last_detection = GREATEST(last_detection, t.l)
                 FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS t (i, c, l) WHERE alert.id = t.i",
                &[&ids, &counts, &lasts],
            )?;
        }
        Ok(())
    }

    fn refuse(&mut self, received: &Received, reason: &str, now: i64) -> Result<(), CentreError> {
        let body = received.body.as_deref().unwrap_or_default();
        let body = body.get(..MOST_REFUSED).unwrap_or(body);
        let size = i64::try_from(received.size).unwrap_or(i64::MAX);
        let clean = |text: &str| -> String {
            text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(500).collect()
        };
        let kept = self.run(
            "INSERT INTO refused (number, stream_sequence, wall_stored, wall_received, subject, reason, size, body)
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM refused ON CONFLICT DO NOTHING",
            &[&received.sequence, &received.stored, &now, &clean(&received.subject), &clean(reason), &size, &body],
        )?;
        if kept > 0 {
            self.run("DELETE FROM refused WHERE number <= (SELECT MAX(number) FROM refused) - $1", &[&REFUSED_KEPT])?;
            let last = received.subject.rsplit('.').next().unwrap_or_default();
            if let Some(known) = self.sensors.values_mut().find(|known| ot_forward::nats::token(&known.id) == last) {
                known.refused += 1;
                let (id, refused) = (known.id.clone(), known.refused);
                self.run("UPDATE sensor SET refused = $2 WHERE id = $1", &[&id, &refused])?;
            }
        }
        Ok(())
    }

    /// Writes what is remembered of sensors.
    pub(super) fn keep_sensors(&mut self, heard: &BTreeSet<String>) -> Result<(), CentreError> {
        for id in heard {
            let Some(row) = self.sensors.get(id).cloned() else { continue };
            self.run(
                "UPDATE sensor SET site = $2, wall_heard = $3, outbox = $4, outbox_since = $5, received = $6, messages = $7,
                     doubles = $8, silent = $9, wall_status = $10, wall_difference = $11, version = $12,
                     uptime_seconds = $13, health = $14, reasons = $15, newest = $16, waiting = $17, wall_oldest = $18,
                     lost = $19, passed_over = $20, newest_packet = $21
                 WHERE id = $1",
                &[
                    &row.id,
                    &row.site,
                    &row.heard,
                    &row.outbox,
                    &row.outbox_since,
                    &row.received,
                    &row.messages,
                    &row.doubles,
                    &row.silent,
                    &row.status_time,
                    &row.difference,
                    &row.version,
                    &row.uptime,
                    &row.health,
                    &row.reasons,
                    &row.newest,
                    &row.waiting,
                    &row.oldest,
                    &row.lost,
                    &row.passed_over,
                    &row.newest_packet,
                ],
            )?;
        }
        Ok(())
    }

    /// A line for the timeline.
    pub(super) fn event(&mut self, sensor: Option<i32>, text: &str, now: i64) -> Result<(), CentreError> {
        self.run(
            "INSERT INTO event (number, wall_time, sensor, text)
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3 FROM event",
            &[&now, &sensor, &text],
        )?;
        self.run("DELETE FROM event WHERE number <= (SELECT MAX(number) FROM event) - $1", &[&EVENTS_KEPT])?;
        Ok(())
    }
}

impl SensorRow {
    /// It tells from this outbox, which may take the place of an earlier one.
    fn tells_from(&mut self, id: &str, since: i64) {
        if self.outbox.is_none() || since > self.outbox_since {
            self.received = 0;
            self.outbox = Some(id.to_owned());
            self.outbox_since = since;
        }
    }
}

/// Place, address and sub-address of a device.
type DeviceKey = (String, String, String);

/// By what a device is known: site, zone and address.
fn place_of(peer: &Peer, site: Option<&str>) -> Option<DeviceKey> {
    let (address, sub) = peer.key()?;
    let site = peer.site.as_deref().or(site).unwrap_or_default();
    let place = serde_json::json!([site, peer.zone.as_deref().unwrap_or_default()]).to_string();
    Some((place, address.to_owned(), sub.to_owned()))
}

/// What the alert must have in common with others to be shown as one with them.
pub(super) fn bucket(said: &AlertSaid, centre_status: Option<&str>) -> String {
    bucket_of(&said.told.alert, centre_status.unwrap_or(said.status.as_str()))
}

/// The same of an alert with this status.
pub(super) fn bucket_of(line: &crate::message::Line, status: &str) -> String {
    Common {
        site: line.site.as_deref(),
        zone: line.zone.as_deref(),
        kind: &line.kind,
        status,
        protocol: line.protocol.as_deref(),
        sources: line.all_sources().iter().filter_map(Peer::key).collect(),
        destinations: line.all_destinations().iter().filter_map(Peer::key).collect(),
    }
    .bucket(&line.id)
}
