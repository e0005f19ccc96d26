//! What a query lets through, decided in memory.

use super::walk::{self, Order, Way};
use crate::StoreError;
use crate::read::{AlertPlace, AlertQuery, AlertSort, Conditions, Reader, Side, said_of};
use crate::value::{count, severity_rank};
use ot_engine::context::Field;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What an index of alerts tells of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub number: u32,
    pub last: i64,
    pub first: i64,
    pub count: i64,
    pub combination: i64,
}

/// A place in the order asked for: what comes first is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    value: i64,
    last: i64,
    number: i64,
}

/// An alert that was let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub key: Key,
    pub number: u32,
    combination: i64,
}

/// A combination of what has few values.
struct Group {
    severity: i64,
    /// Place of its type among all types there are, doubled.
    kind: i64,
    /// Whether its type is one of those whose title holds the text.
    of_text: bool,
    count: u64,
}

/// A condition on what hangs on an alert.
enum Hanging {
    Peer {
        side: Option<Side>,
        devices: HashSet<u32>,
        ips: HashSet<String>,
    },
    Devices(Devices),
    /// Maintenance windows.
    Windows(HashSet<u32>),
    /// The run that opened it.
    Runs(HashSet<u32>),
    Text(String),
}

/// A condition on a device that takes part, with what is known of the devices met so far.
struct Devices {
    asked: Asked,
    values: Vec<String>,
    known: RefCell<HashMap<u32, bool>>,
}

#[derive(Clone, Copy)]
enum Asked {
    Zone,
    Said(Field),
}

/// Who takes part in an alert.
struct PeerOf {
    source: bool,
    device: Option<u32>,
    ip: Option<String>,
}

pub(super) struct Sieve<'a> {
    query: &'a AlertQuery,
    groups: HashMap<i64, Group>,
    kinds: Vec<String>,
    total: u64,
    hanging: Vec<Hanging>,
    importances: RefCell<HashMap<u32, i64>>,
    after: Option<Key>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(reader: &Reader, query: &'a AlertQuery) -> Result<Self, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("severity", query.severities.iter().map(|severity| i64::from(severity_rank(*severity))));
        conditions.one_of("engine", query.engines.iter().map(|engine| engine.as_str().to_owned()));
        conditions.one_of("status", query.statuses.iter().map(|status| status.as_str().to_owned()));
        conditions.one_of("protocol", query.protocols.iter().cloned());
        conditions.one_of("type", query.kinds.iter().cloned());
        conditions.one_of("expected", query.expected);
        let sql = format!(
            "SELECT combination, type, severity, techniques, count FROM alert_group{} ORDER BY type",
            conditions.sql
        );
        let rows = reader.rows(&sql, &conditions, |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
                count(row, 4)?,
            ))
        })?;
        let total = reader
            .rows("SELECT COALESCE(SUM(count), 0) FROM alert_group", &Conditions::default(), |row| count(row, 0))?
            .into_iter()
            .sum();
        let mut groups = HashMap::new();
        let mut kinds: Vec<String> = Vec::new();
        for (combination, kind, severity, techniques, count) in rows {
            let asked = &query.techniques;
            if !asked.is_empty() && !techniques.split(',').any(|id| asked.iter().any(|asked| asked == id)) {
                continue;
            }
            if kinds.last() != Some(&kind) {
                kinds.push(kind.clone());
            }
            let place = i64::try_from(kinds.len()).unwrap_or(i64::MAX / 4) * 2;
            let of_text = query.text_kinds.contains(&kind);
            groups.insert(combination, Group { severity, kind: place, of_text, count });
        }
        let mut sieve =
            Self { query, groups, kinds, total, hanging: hanging(query), importances: RefCell::default(), after: None };
        sieve.after = query.after.as_ref().map(|place| {
            let value = match query.sort {
                AlertSort::Type => sieve.place_of_kind(&place.value),
                _ => place.value.parse().unwrap_or_default(),
            };
            sieve.turned(value, place.last, i64::from(place.number))
        });
        Ok(sieve)
    }

    /// How many alerts there are in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How many alerts have a combination that is let through.
    pub(super) fn count(&self, value: Option<i64>) -> u64 {
        self.of(value).fold(0, |sum, (_, group)| sum.saturating_add(group.count))
    }

    fn of(&self, value: Option<i64>) -> impl Iterator<Item = (i64, &Group)> {
        self.groups
            .iter()
            .filter(move |(_, group)| value.is_none_or(|value| self.value(group).is_none_or(|of| of == value)))
            .map(|(combination, group)| (*combination, group))
    }

    /// The way along the combinations that are let through.
    pub(super) fn combinations(&self, value: Option<i64>) -> Way {
        let mut numbers: Vec<i64> = self.of(value).map(|(combination, _)| combination).collect();
        numbers.sort_unstable();
        let walks = numbers.into_iter().map(walk::of_combination).collect();
        Way { holds: None, walks, whole: None, estimate: self.count(value), ordered: true, apart: false }
    }

    /// The combinations whose types' titles hold the text.
    pub(super) fn of_text(&self) -> Vec<i64> {
        let mut numbers: Vec<i64> =
            self.groups.iter().filter(|(_, group)| group.of_text).map(|(combination, _)| *combination).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The value of an order that all alerts of a combination share.
    fn value(&self, group: &Group) -> Option<i64> {
        match self.query.sort {
            AlertSort::Severity => Some(group.severity),
            AlertSort::Type => Some(group.kind),
            _ => None,
        }
    }

    /// The values that alerts share, in the order asked for, from the page before on.
    pub(super) fn values(&self) -> Vec<i64> {
        let mut values: Vec<i64> = match self.query.sort {
            AlertSort::Importance => vec![0, 1, 2],
            _ => self
                .groups
                .values()
                .filter_map(|group| self.value(group))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        if !self.query.ascending {
            values.reverse();
        }
        values.retain(|value| self.after.is_none_or(|after| after.value <= self.turn(*value)));
        values
    }

    /// In which order walks go, and from where.
    pub(super) fn order(&self, value: Option<i64>) -> Order {
        let place = self.after.filter(|after| value.is_none_or(|value| self.turn(value) == after.value));
        Order {
            ascending: self.query.ascending,
            after: place.map(|key| (self.turn(key.value), self.turn(key.last), self.turn(key.number))),
        }
    }

    fn turn(&self, value: i64) -> i64 {
        if self.query.ascending { value } else { value.saturating_neg() }
    }

    fn turned(&self, value: i64, last: i64, number: i64) -> Key {
        Key { value: self.turn(value), last: self.turn(last), number: self.turn(number) }
    }

    /// Where an alert stands.
    pub(super) fn key(&self, entry: &Entry, value: Option<i64>) -> Key {
        let value = match self.query.sort {
            AlertSort::LastDetection => entry.last,
            AlertSort::FirstDetection => entry.first,
            AlertSort::Count => entry.count,
            AlertSort::Severity | AlertSort::Type | AlertSort::Importance => value.unwrap_or_default(),
        };
        self.turned(value, entry.last, i64::from(entry.number))
    }

    /// The place of an alert, for the page after it.
    pub(super) fn place(&self, found: &Found) -> AlertPlace {
        let value = self.turn(found.key.value);
        let kind = || usize::try_from(value / 2 - 1).ok().and_then(|at| self.kinds.get(at)).cloned();
        let value = match self.query.sort {
            AlertSort::Type => kind().unwrap_or_default(),
            _ => value.to_string(),
        };
        AlertPlace { value, last: self.turn(found.key.last), number: found.number }
    }

    fn place_of_kind(&self, kind: &str) -> i64 {
        let before = self.kinds.partition_point(|known| known.as_str() < kind);
        let between = i64::from(self.kinds.get(before).is_none_or(|known| known != kind));
        i64::try_from(before).unwrap_or(i64::MAX / 4) * 2 + 2 - between
    }

    /// The alert, where all that an index tells of it is as asked for.
    pub(super) fn admits(&self, entry: &Entry, value: Option<i64>) -> Option<Found> {
        let group = self.groups.get(&entry.combination)?;
        let query = self.query;
        let shares = value.is_none_or(|value| self.value(group).is_none_or(|of| of == value));
        let in_time = query.since.is_none_or(|since| entry.last >= since.0)
            && query.until.is_none_or(|until| entry.first <= until.0);
        let key = self.key(entry, value.or_else(|| self.value(group)));
        let further = self.after.is_none_or(|after| key > after);
        (shares && in_time && further).then_some(Found { key, number: entry.number, combination: entry.combination })
    }

    /// Whether what hangs on an alert has to be looked at.
    pub(super) fn looks(&self, value: Option<i64>) -> bool {
        !self.hanging.is_empty() || (value.is_some() && self.query.sort == AlertSort::Importance)
    }

    /// Whether what hangs on an alert is as asked for; `held` of the conditions are known to hold.
    pub(super) fn meets(
        &self,
        reader: &Reader,
        found: &Found,
        value: Option<i64>,
        held: &[usize],
    ) -> Result<bool, StoreError> {
        if !self.looks(value) {
            return Ok(true);
        }
        let mut peers = None;
        for (place, condition) in self.hanging.iter().enumerate() {
            if held.contains(&place) {
                continue;
            }
            let met = match condition {
                Hanging::Peer { side, devices, ips } => {
                    let meets = |peer: &PeerOf| {
                        side.is_none_or(|side| peer.source == (side == Side::Source))
                            && (peer.device.is_some_and(|id| devices.contains(&id))
                                || peer.ip.as_ref().is_some_and(|ip| ips.contains(ip)))
                    };
                    peers_once(&mut peers, reader, found.number)?.iter().any(meets)
                }
                Hanging::Devices(devices) => {
                    let mut met = false;
                    for peer in peers_once(&mut peers, reader, found.number)? {
                        met = met || peer.device.map_or(Ok(false), |id| devices.hold(reader, id))?;
                    }
                    met
                }
                Hanging::Windows(windows) => in_windows(reader, found.number, windows)?,
                Hanging::Runs(runs) => of_runs(reader, found.number, runs)?,
                Hanging::Text(text) => {
                    let by_kind = self.groups.get(&found.combination).is_some_and(|group| group.of_text);
                    by_kind || in_text(reader, found.number, text)?
                }
            };
            if !met {
                return Ok(false);
            }
        }
        let Some(value) = value.filter(|_| self.query.sort == AlertSort::Importance) else { return Ok(true) };
        let mut most = 0;
        for peer in peers_once(&mut peers, reader, found.number)? {
            most = most.max(peer.device.map_or(Ok(0), |id| self.importance(reader, id))?);
        }
        Ok(most == value)
    }

    /// 2 high, 1 normal, 0 low or not known.
    fn importance(&self, reader: &Reader, id: u32) -> Result<i64, StoreError> {
        if let Some(known) = self.importances.borrow().get(&id) {
            return Ok(*known);
        }
        let found = reader.one(
            "SELECT MAX(CASE value WHEN 'high' THEN 2 WHEN 'normal' THEN 1 ELSE 0 END) FROM device_context
             WHERE device = ?1 AND field = 'importance'",
            &[&id],
            |row| row.get::<_, Option<i64>>(0),
        )?;
        let importance = found.flatten().unwrap_or_default();
        self.importances.borrow_mut().insert(id, importance);
        Ok(importance)
    }
}

impl Devices {
    fn hold(&self, reader: &Reader, id: u32) -> Result<bool, StoreError> {
        if let Some(known) = self.known.borrow().get(&id) {
            return Ok(*known);
        }
        let mut conditions = Conditions::default();
        match self.asked {
            Asked::Zone => conditions.and("id = ?").value(id).one_of("zone", self.values.iter().cloned()),
            Asked::Said(field) => conditions
                .and("device = ?")
                .value(id)
                .and("field = ?")
                .value(field.as_str().to_owned())
                .one_of("value", self.values.iter().cloned()),
        }
        let table = if matches!(self.asked, Asked::Zone) { "device" } else { "device_context" };
        let sql = format!("SELECT 1 FROM {table}{} LIMIT 1", conditions.sql);
        let holds = !reader.rows(&sql, &conditions, |_| Ok(()))?.is_empty();
        self.known.borrow_mut().insert(id, holds);
        Ok(holds)
    }
}

/// The conditions on what hangs on an alert: in the order of the peers, the zone, what is said, the windows, the runs, the text.
fn hanging(query: &AlertQuery) -> Vec<Hanging> {
    let mut hanging: Vec<Hanging> = query
        .peers
        .iter()
        .map(|peer| Hanging::Peer {
            side: peer.side,
            devices: peer.devices.iter().map(|id| id.0).collect(),
            ips: peer.ips.iter().map(ToString::to_string).collect(),
        })
        .collect();
    let devices = |asked, values| Hanging::Devices(Devices { asked, values, known: RefCell::default() });
    if !query.zones.is_empty() {
        hanging.push(devices(Asked::Zone, query.zones.clone()));
    }
    let said = said_of(&query.said, &query.importances);
    hanging.extend(said.into_iter().map(|(field, values)| devices(Asked::Said(field), values)));
    if !query.windows.is_empty() {
        hanging.push(Hanging::Windows(query.windows.iter().copied().collect()));
    }
    if !query.runs.is_empty() {
        hanging.push(Hanging::Runs(query.runs.iter().copied().collect()));
    }
    hanging.extend(query.text.iter().map(|text| Hanging::Text(text.to_ascii_lowercase())));
    hanging
}

fn peers_once<'p>(
    peers: &'p mut Option<Vec<PeerOf>>,
    reader: &Reader,
    number: u32,
) -> Result<&'p [PeerOf], StoreError> {
    let peers = match peers {
        Some(peers) => peers,
        None => {
            let mut conditions = Conditions::default();
            conditions.value(number);
            let sql = "SELECT role = 'source', device, ip FROM alert_peer WHERE alert = ?";
            let read = reader.rows(sql, &conditions, |row| {
                Ok(PeerOf { source: row.get(0)?, device: row.get(1)?, ip: row.get(2)? })
            })?;
            peers.insert(read)
        }
    };
    Ok(peers)
}

fn in_windows(reader: &Reader, number: u32, windows: &HashSet<u32>) -> Result<bool, StoreError> {
    let mut conditions = Conditions::default();
    conditions.value(number);
    let of = reader.rows("SELECT maintenance FROM alert_maintenance WHERE alert = ?", &conditions, |row| row.get(0))?;
    Ok(of.iter().any(|window| windows.contains(window)))
}

fn of_runs(reader: &Reader, number: u32, runs: &HashSet<u32>) -> Result<bool, StoreError> {
    let mut conditions = Conditions::default();
    conditions.value(number);
    conditions.value(number);
    let sql =
        "SELECT run FROM alert WHERE number = ? UNION ALL SELECT run FROM alert_report WHERE alert = ? AND place > 0";
    let of: Vec<Option<u32>> = reader.rows(sql, &conditions, |row| row.get(0))?;
    Ok(of.into_iter().flatten().any(|run| runs.contains(&run)))
}

/// As SQL's LIKE: the case of ASCII letters is ignored.
fn in_text(reader: &Reader, number: u32, text: &str) -> Result<bool, StoreError> {
    let holds = |part: &str| part.to_ascii_lowercase().contains(text);
    let found = reader.one("SELECT description, why, id FROM alert WHERE number = ?1", &[&number], |row| {
        let (description, why, id) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
        Ok(holds(description) || holds(why) || id.to_ascii_lowercase().starts_with(text))
    })?;
    Ok(found.unwrap_or_default())
}
