//! Walks along indexes of alerts, and the ways that are made of them.

use super::MANY;
use super::sieve::Sieve;
use crate::StoreError;
use crate::read::{AlertQuery, AlertSort, Conditions, Reader, Side, said_of};
use crate::value::count;
use ot_protocol::Timestamp;
use ot_protocol::time::SECOND;
use rusqlite::types::Value;

/// Alerts that are looked at to learn which parts of a text are rare.
const SAMPLE: u32 = 200;
/// Parts of a text that are looked up.
const PARTS: usize = 4;
/// Walks of one way at most.
const WALKS: usize = 3_000;
/// What a candidate of the indexes of texts and of maintenance windows costs, counted in those of other indexes: its alert
/// has to be read.
const READ_COST: u64 = 8;

/// Classes of how long an alert lasted; as in the index `alert_span`.
const SPAN: &str = "CASE WHEN a.last_detection - a.first_detection <= 60000000000 THEN 0
         WHEN a.last_detection - a.first_detection <= 3600000000000 THEN 1
         WHEN a.last_detection - a.first_detection <= 86400000000000 THEN 2
         WHEN a.last_detection - a.first_detection <= 604800000000000 THEN 3
         ELSE 4 END";
/// The longest of each class, in seconds.
const SPANS: [Option<i64>; 5] = [Some(60), Some(3_600), Some(86_400), Some(604_800), None];

/// A narrower way to the alerts than all of them in order.
pub(super) struct Way {
    /// Which of the conditions on what hangs on an alert holds for all that lies on it.
    pub holds: Option<usize>,
    pub walks: Vec<Walk>,
    /// The same rows in one go, in no order; where there is none, those of the walks.
    pub whole: Option<Walk>,
    /// How many alerts lie on it; beyond [`MANY`] only that there are more.
    pub estimate: u64,
    /// Whether its walks can go in order of the last detection.
    pub ordered: bool,
    /// Whether it leads to alerts that no index of all alerts tells apart.
    pub apart: bool,
}

impl Way {
    /// What leads to all its rows.
    pub(super) fn rows(&self) -> &[Walk] {
        self.whole.as_ref().map_or(self.walks.as_slice(), std::slice::from_ref)
    }
}

/// Rows of an index with equal beginning.
pub(super) struct Walk {
    from: &'static str,
    columns: &'static Columns,
    conditions: Conditions,
    /// By what its rows are ordered before the last detection.
    before: Option<&'static str>,
}

/// Where the index has what a sieve needs.
struct Columns {
    number: &'static str,
    last: &'static str,
    first: &'static str,
    count: &'static str,
    combination: &'static str,
}

static OF_ALERT: Columns = Columns {
    number: "a.number",
    last: "a.last_detection",
    first: "a.first_detection",
    count: "a.count",
    combination: "a.combination",
};
/// Where nobody asks for the count.
static WITHOUT_COUNT: Columns = Columns {
    number: "a.number",
    last: "a.last_detection",
    first: "a.first_detection",
    count: "0",
    combination: "a.combination",
};
static OF_PEER: Columns = Columns {
    number: "p.alert",
    last: "p.last_detection",
    first: "p.first_detection",
    count: "p.count",
    combination: "p.combination",
};

/// In which direction, and after which place: value, last detection and number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub ascending: bool,
    pub after: Option<(i64, i64, i64)>,
}

impl Walk {
    fn new(from: &'static str, columns: &'static Columns) -> Self {
        Self { from, columns, conditions: Conditions::default(), before: None }
    }

    /// The statement: number, last and first detection, count, combination.
    pub(super) fn sql(&self, query: &AlertQuery, order: Option<Order>) -> (String, Conditions) {
        let Columns { number, last, first, count, combination } = self.columns;
        let mut conditions = self.conditions.clone();
        if let Some(since) = query.since {
            conditions.and(&format!("{last} >= ?")).value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and(&format!("{first} <= ?")).value(until.0);
        }
        let mut tail = String::new();
        if let Some(Order { ascending, after }) = order {
            let (direction, beyond) = if ascending { ("ASC", ">") } else { ("DESC", "<") };
            let before = self.before.map_or_else(String::new, |before| format!("{before}, "));
            if let Some((value, after_last, after_number)) = after {
                let mark = if self.before.is_some() { "?, " } else { "" };
                conditions.and(&format!("({before}{last}, {number}) {beyond} ({mark}?, ?)"));
                if self.before.is_some() {
                    conditions.value(value);
                }
                conditions.value(after_last).value(after_number);
            }
            let before = self.before.map_or_else(String::new, |before| format!("{before} {direction}, "));
            tail = format!(" ORDER BY {before}{last} {direction}, {number} {direction}");
        }
        let sql = format!(
            "SELECT {number}, {last}, {first}, {count}, {combination} FROM {}{}{tail}",
            self.from, conditions.sql
        );
        (sql, conditions)
    }

    fn count(&self, reader: &Reader, query: &AlertQuery, most: u64) -> Result<u64, StoreError> {
        let mut conditions = self.conditions.clone();
        if let Some(since) = query.since {
            conditions.and(&format!("{} >= ?", self.columns.last)).value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and(&format!("{} <= ?", self.columns.first)).value(until.0);
        }
        let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {}{} LIMIT {most})", self.from, conditions.sql);
        Ok(reader.rows(&sql, &conditions, |row| count(row, 0))?.into_iter().sum())
    }
}

/// All alerts in order of an index of their own.
pub(super) fn in_order(sort: AlertSort) -> Walk {
    let (from, columns, before) = match sort {
        AlertSort::Count => ("alert a INDEXED BY alert_count", &OF_ALERT, Some("a.count")),
        AlertSort::FirstDetection => ("alert a INDEXED BY alert_first", &WITHOUT_COUNT, Some("a.first_detection")),
        _ => ("alert a INDEXED BY alert_time", &WITHOUT_COUNT, None),
    };
    Walk { before, ..Walk::new(from, columns) }
}

/// All alerts in order of the last detection. Where an end is asked for, those that began after it are passed by: one walk
/// for each class of how long alerts lasted, and those that overlap the time asked for end soon after it.
pub(super) fn in_time(query: &AlertQuery) -> Vec<Walk> {
    if query.until.is_none() { vec![in_order(AlertSort::LastDetection)] } else { by_span(query.until) }
}

/// The alerts that began up to a time, by how long they lasted.
fn by_span(until: Option<Timestamp>) -> Vec<Walk> {
    let until = until.unwrap_or(Timestamp(i64::MAX));
    (0_i64..)
        .zip(SPANS)
        .map(|(class, longest)| {
            let end = longest.map_or(i64::MAX, |seconds| until.0.saturating_add(seconds.saturating_mul(SECOND)));
            let mut walk = Walk::new("alert a INDEXED BY alert_span", &OF_ALERT);
            walk.conditions.and(&format!("{SPAN} = ?")).value(class);
            walk.conditions.and("a.last_detection <= ?").value(end);
            walk
        })
        .collect()
}

/// For an order by the first detection, where a beginning is asked for: those that began from then on in that order, and
/// those that lasted beyond it.
pub(super) fn from_the_first(query: &AlertQuery, since: Timestamp) -> (Walk, Vec<Walk>) {
    let mut began = in_order(AlertSort::FirstDetection);
    began.conditions.and("a.first_detection >= ?").value(since.0);
    let before = Timestamp(since.0.saturating_sub(1));
    let until = query.until.map_or(before, |until| until.min(before));
    let mut lasted = by_span(Some(until));
    for walk in &mut lasted {
        walk.conditions.and("a.first_detection < ?").value(since.0);
    }
    (began, lasted)
}

/// The alerts of a combination.
pub(super) fn of_combination(combination: i64) -> Walk {
    let mut walk = Walk::new("alert a INDEXED BY alert_combination", &OF_ALERT);
    walk.conditions.and("a.combination = ?").value(combination);
    walk
}

/// The alerts of maintenance windows.
const OF_WINDOW: &str =
    "alert_maintenance w INDEXED BY alert_maintenance_window CROSS JOIN alert a ON a.number = w.alert";

/// The alerts that runs opened.
const OF_RUN: &str = "alert r INDEXED BY alert_of_run CROSS JOIN alert a ON a.number = r.number";

/// The alerts that sensors told the centre of that were not the first to tell.
const OF_REPORT: &str = "alert_report r INDEXED BY alert_report_run CROSS JOIN alert a ON a.number = r.alert";

/// The ways there are beside the combinations. Conditions are numbered as in [`Sieve`].
pub(super) fn ways(reader: &Reader, query: &AlertQuery, sieve: &Sieve<'_>) -> Result<Vec<Way>, StoreError> {
    let mut ways = Vec::new();
    let mut place = 0;
    for peer in &query.peers {
        let devices = peer.devices.iter().map(|id| (PeerKey::Device, Value::from(id.0)));
        let keys = devices.chain(peer.ips.iter().map(|ip| (PeerKey::Ip, Value::from(ip.to_string()))));
        ways.extend(way(reader, query, Some(place), of_peers(peer.side, keys), None)?);
        place += 1;
    }
    if !query.zones.is_empty() {
        let mut conditions = Conditions::default();
        conditions.one_of("zone", query.zones.iter().cloned());
        ways.extend(of_devices(reader, query, place, "SELECT id FROM device", &conditions)?);
        place += 1;
    }
    for (field, values) in said_of(&query.said, &query.importances) {
        let mut conditions = Conditions::default();
        conditions.and("field = ?").value(field.as_str().to_owned());
        conditions.one_of("value", values);
        ways.extend(of_devices(reader, query, place, "SELECT DISTINCT device FROM device_context", &conditions)?);
        place += 1;
    }
    if !query.windows.is_empty() {
        let mut walk = Walk::new(OF_WINDOW, &OF_ALERT);
        walk.conditions.one_of("w.maintenance", query.windows.iter().copied());
        let estimate = walk.count(reader, query, MANY / READ_COST + 1)?.saturating_mul(READ_COST);
        let walks = vec![walk];
        ways.push(Way { holds: Some(place), walks, whole: None, estimate, ordered: false, apart: true });
        place += 1;
    }
    if !query.runs.is_empty() {
        let mut walk = Walk::new(OF_RUN, &OF_ALERT);
        walk.conditions.one_of("r.run", query.runs.iter().copied());
        let mut others = Walk::new(OF_REPORT, &OF_ALERT);
        others.conditions.one_of("r.run", query.runs.iter().copied());
        others.conditions.and("r.place > 0");
        let mut estimate = 0;
        for walk in [&walk, &others] {
            estimate += walk.count(reader, query, MANY / READ_COST + 1)?.saturating_mul(READ_COST);
        }
        let walks = vec![walk, others];
        ways.push(Way { holds: Some(place), walks, whole: None, estimate, ordered: false, apart: true });
    }
    if query.since.is_some() || query.until.is_some() {
        ways.extend(way(reader, query, None, by_span(query.until), None)?);
    }
    if let Some(text) = &query.text
        && let Some(parts) = rare_parts(reader, text)?
    {
        let walks = of_text(text, parts);
        let mut estimate = 0;
        for walk in &walks {
            estimate += walk.count(reader, query, MANY / READ_COST + 1)?.saturating_mul(READ_COST);
        }
        let of_kinds = sieve.of_text();
        let mut walks = walks;
        for combination in of_kinds {
            let walk = of_combination(combination);
            if estimate <= MANY {
                estimate += walk.count(reader, query, MANY + 1)?;
            }
            walks.push(walk);
        }
        ways.push(Way { holds: None, walks, whole: None, estimate, ordered: false, apart: true });
    }
    Ok(ways)
}

/// Which key of a peer.
#[derive(Clone, Copy)]
enum PeerKey {
    Device,
    Ip,
}

fn of_peers(side: Option<Side>, keys: impl Iterator<Item = (PeerKey, Value)>) -> Vec<Walk> {
    let sides = side.map_or_else(|| vec![Side::Source, Side::Destination], |side| vec![side]);
    let mut walks = Vec::new();
    for (of, key) in keys {
        for side in &sides {
            let (from, start) = match of {
                PeerKey::Device => ("alert_peer p INDEXED BY alert_peer_device", "p.device = ?"),
                PeerKey::Ip => ("alert_peer p INDEXED BY alert_peer_ip", "p.ip = ?"),
            };
            let mut walk = Walk::new(from, &OF_PEER);
            walk.conditions.and(start).value(key.clone());
            walk.conditions.and("p.role = ?").value(side.as_str().to_owned());
            walks.push(walk);
        }
    }
    walks
}

fn of_devices(
    reader: &Reader,
    query: &AlertQuery,
    place: usize,
    select: &str,
    conditions: &Conditions,
) -> Result<Option<Way>, StoreError> {
    let sql = format!("{select}{} LIMIT {}", conditions.sql, WALKS + 1);
    let ids = reader.rows(&sql, conditions, |row| row.get::<_, u32>(0))?;
    if ids.len() > WALKS {
        return Ok(None);
    }
    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut whole = Walk::new("alert_peer p INDEXED BY alert_peer_device", &OF_PEER);
    whole.conditions.and("p.device IN (SELECT value FROM json_each(?))").value(format!("[{}]", list.join(",")));
    whole.conditions.and("p.role IN ('source', 'destination')");
    let keys = ids.into_iter().map(|id| (PeerKey::Device, Value::from(id)));
    way(reader, query, Some(place), of_peers(None, keys), Some(whole))
}

/// A way with how many alerts lie on it.
fn way(
    reader: &Reader,
    query: &AlertQuery,
    holds: Option<usize>,
    walks: Vec<Walk>,
    whole: Option<Walk>,
) -> Result<Option<Way>, StoreError> {
    if walks.len() > 2 * WALKS {
        return Ok(None);
    }
    let mut way = Way { holds, walks, whole, estimate: 0, ordered: true, apart: holds.is_some() };
    let mut estimate = 0;
    for walk in way.rows() {
        estimate += walk.count(reader, query, MANY + 1)?;
        if estimate > MANY {
            break;
        }
    }
    way.estimate = estimate;
    Ok(Some(way))
}

fn of_text(text: &str, parts: String) -> Vec<Walk> {
    let from = "alert_text CROSS JOIN alert a ON a.number = alert_text.rowid";
    let mut in_text = Walk::new(from, &OF_ALERT);
    in_text.conditions.and("alert_text MATCH ?").value(parts);
    let mut walks = vec![in_text];
    if text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let mut in_id = Walk::new("alert a", &OF_ALERT);
        let start = text.to_ascii_lowercase();
        in_id.conditions.and("a.id >= ?").value(start.clone()).and("a.id < ?").value(format!("{start}g"));
        walks.push(in_id);
    }
    walks
}

/// The parts of a text, three letters each, that are rarest in a sample of the alerts, as the index of texts is asked
/// for them. `None` for a text of fewer than three letters.
fn rare_parts(reader: &Reader, text: &str) -> Result<Option<String>, StoreError> {
    let letters: Vec<char> = text.to_lowercase().chars().collect();
    let mut parts: Vec<String> = letters.windows(3).map(|three| three.iter().collect()).collect();
    parts.sort_unstable();
    parts.dedup();
    if parts.is_empty() {
        return Ok(None);
    }
    let mut sample = Vec::new();
    if parts.len() > PARTS {
        let none = Conditions::default();
        let newest = reader.rows("SELECT MAX(number) FROM alert", &none, |row| row.get::<_, Option<u32>>(0))?;
        let step = newest.first().copied().flatten().unwrap_or_default() / SAMPLE + 1;
        for at in 0..SAMPLE {
            let mut from = Conditions::default();
            from.value(at.saturating_mul(step));
            let sql = "SELECT description || ' ' || why FROM alert WHERE number >= ? LIMIT 1";
            sample.extend(reader.rows(sql, &from, |row| row.get::<_, String>(0))?);
        }
    }
    let sample: Vec<String> = sample.iter().map(|text| text.to_lowercase()).collect();
    let often = |part: &String| sample.iter().filter(|text| text.contains(part.as_str())).count();
    parts.sort_by_cached_key(|part| (often(part), part.clone()));
    parts.truncate(PARTS);
    let quoted: Vec<String> = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    Ok(Some(quoted.join(" AND ")))
}
