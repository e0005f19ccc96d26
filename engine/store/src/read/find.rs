//! Which alerts, in order: finds the numbers of a page without reading more of the store than the page needs.
//!
//! What has few values (type, status, severity, engine, protocol, whether it is expected) is decided on the table of combinations. Where few
//! alerts can meet the conditions (by combination, device, technique or time), these are read and sorted. Where many do,
//! the first ones in order are soon met by a walk along the index of the order. In between, the walks along several
//! narrower indexes are merged.

use super::{AlertQuery, AlertSort, Conditions, Reader, Side, like, marks, said_of};
use crate::StoreError;
use crate::value::{count, severity_rank};
use ot_protocol::Timestamp;
use ot_protocol::time::SECOND;
use rusqlite::types::Value;
use std::fmt::Write as _;

/// Rows that a walk along the index of the order passes before a narrower way is tried.
const WALK: u32 = 1_500;
/// So many candidates are read and sorted before any walk is tried, and after one that met too few.
const VERY_FEW: u64 = 300;
const FEW: u64 = 3_000;
/// Alerts that are looked at to learn which parts of a text are rare.
const SAMPLE: u32 = 200;
/// Parts of a text that are looked up.
const PARTS: usize = 4;
/// Walks that are merged at most.
const WALKS: usize = 3_000;

/// Classes of how long an alert lasted; as in the index `alert_span`.
const SPAN: &str = "CASE WHEN a.last_detection - a.first_detection <= 60000000000 THEN 0
         WHEN a.last_detection - a.first_detection <= 3600000000000 THEN 1
         WHEN a.last_detection - a.first_detection <= 86400000000000 THEN 2
         WHEN a.last_detection - a.first_detection <= 604800000000000 THEN 3
         ELSE 4 END";
/// The longest of each class, in seconds.
const SPANS: [Option<i64>; 5] = [Some(60), Some(3_600), Some(86_400), Some(604_800), None];

/// Importance of the most important device that takes part in an alert: 2 high, 1 normal, 0 low or none.
const IMPORTANCE: &str = "COALESCE((SELECT MAX(CASE c.value WHEN 'high' THEN 2 WHEN 'normal' THEN 1 ELSE 0 END)
         FROM alert_peer q JOIN device_context c ON c.device = q.device AND c.field = 'importance'
         WHERE q.alert = a.number), 0)";

/// A combination of the values that a list filters by.
struct Group {
    kind: String,
    status: String,
    severity: i64,
    engine: String,
    protocol: String,
    expected: bool,
    count: u64,
}

/// A narrower way to the alerts than all of them in order.
struct Way {
    /// Which conditions hold for all that lies on it.
    holds: Holds,
    /// Its walks: each is in order of the last detection.
    walks: Vec<Walk>,
    /// How many alerts lie on it; beyond [`FEW`] only that there are more.
    estimate: u64,
}

/// Conditions that a way takes care of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Combination,
    Peer(usize),
    Zone,
    Technique,
    Window,
    /// All must be looked at.
    Nothing,
}

/// Rows of an index with equal beginning.
struct Walk {
    from: String,
    /// Columns of the last detection and the number, where the index holds them.
    columns: Option<(&'static str, &'static str)>,
    start: Conditions,
}

/// The sort value and the number of an alert.
type Key = (Value, u32);

fn column(sort: AlertSort) -> &'static str {
    match sort {
        AlertSort::LastDetection => "a.last_detection",
        AlertSort::FirstDetection => "a.first_detection",
        AlertSort::Severity => "a.severity",
        AlertSort::Count => "a.count",
        AlertSort::Type => "a.type",
        AlertSort::Importance => IMPORTANCE,
    }
}

fn direction(query: &AlertQuery) -> &'static str {
    if query.ascending { "ASC" } else { "DESC" }
}

/// Everything that an alert `a` must meet.
pub(super) fn conditions(query: &AlertQuery) -> Conditions {
    rest(query, Holds::Nothing)
}

/// What is left to meet on a way.
fn rest(query: &AlertQuery, holds: Holds) -> Conditions {
    let mut conditions = Conditions::default();
    if !matches!(holds, Holds::Window | Holds::Peer(_)) {
        if let Some(since) = query.since {
            conditions.and("a.last_detection >= ?").value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and("a.first_detection <= ?").value(until.0);
        }
    }
    if holds != Holds::Combination {
        combination(query, "a.", &mut conditions);
    }
    conditions_of_lists(query, holds, &mut conditions);
    conditions
}

/// What the table of combinations decides.
fn combination(query: &AlertQuery, of: &str, conditions: &mut Conditions) {
    conditions.one_of(&format!("{of}severity"), query.severities.iter().map(|rank| i64::from(severity_rank(*rank))));
    conditions.one_of(&format!("{of}engine"), query.engines.iter().map(|engine| engine.as_str().to_owned()));
    conditions.one_of(&format!("{of}status"), query.statuses.iter().map(|status| status.as_str().to_owned()));
    conditions.one_of(&format!("{of}protocol"), query.protocols.iter().cloned());
    conditions.one_of(&format!("{of}type"), query.kinds.iter().cloned());
    conditions.one_of(&format!("{of}expected"), query.expected);
}

/// What hangs on an alert, and its text.
fn conditions_of_lists(query: &AlertQuery, holds: Holds, conditions: &mut Conditions) {
    for (place, peer) in (0..).zip(&query.peers) {
        if holds == Holds::Peer(place) {
            continue;
        }
        let mut sql = String::from("EXISTS (SELECT 1 FROM alert_peer q WHERE q.alert = a.number");
        let mut values = Vec::new();
        if let Some(side) = peer.side {
            sql.push_str(" AND q.role = ?");
            values.push(Value::from(side.as_str().to_owned()));
        }
        let _ =
            write!(sql, " AND (+q.device IN ({}) OR +q.ip IN ({})))", marks(peer.devices.len()), marks(peer.ips.len()));
        conditions.and(&sql);
        conditions.values.extend(values);
        conditions.values.extend(peer.devices.iter().map(|id| Value::from(id.0)));
        conditions.values.extend(peer.ips.iter().map(|ip| Value::from(ip.to_string())));
    }
    if !query.zones.is_empty() && holds != Holds::Zone {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_peer q JOIN device d ON d.id = q.device
             WHERE q.alert = a.number AND d.zone IN ({}))",
            marks(query.zones.len())
        ));
        conditions.values.extend(query.zones.iter().cloned().map(Value::from));
    }
    for (field, values) in said_of(&query.said, &query.importances) {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_peer q JOIN device_context c ON c.device = q.device
             WHERE q.alert = a.number AND +c.field = ? AND +c.value IN ({}))",
            marks(values.len())
        ));
        conditions.value(field.as_str().to_owned());
        conditions.values.extend(values.into_iter().map(Value::from));
    }
    if !query.techniques.is_empty() && holds != Holds::Technique {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_technique t WHERE t.alert = a.number AND +t.technique IN ({}))",
            marks(query.techniques.len())
        ));
        conditions.values.extend(query.techniques.iter().cloned().map(Value::from));
    }
    if !query.windows.is_empty() {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_maintenance m WHERE m.alert = a.number AND +m.maintenance IN ({}))",
            marks(query.windows.len())
        ));
        conditions.values.extend(query.windows.iter().copied().map(Value::from));
    }
    if let Some(text) = &query.text {
        conditions.and(&format!(
            "(a.description LIKE ? ESCAPE '\\' OR a.why LIKE ? ESCAPE '\\' OR a.id LIKE ? ESCAPE '\\' OR a.type IN ({}))",
            marks(query.text_kinds.len())
        ));
        let pattern = like(text);
        conditions.value(pattern.clone()).value(pattern.clone());
        conditions.value(pattern.trim_start_matches('%').to_owned());
        conditions.values.extend(query.text_kinds.iter().cloned().map(Value::from));
    }
}

/// The order of a list of alerts.
pub(super) fn order(query: &AlertQuery) -> String {
    let direction = direction(query);
    format!(" ORDER BY {} {direction}, a.number {direction}", column(query.sort))
}

impl Conditions {
    /// These and those. The parameters of these come first.
    pub(super) fn and_all(&self, others: &Self) -> Self {
        let mut both = self.clone();
        if both.sql.is_empty() {
            both.sql.clone_from(&others.sql);
        } else {
            both.sql.push_str(&others.sql.replacen(" WHERE ", " AND ", 1));
        }
        both.values.extend(others.values.iter().cloned());
        both
    }
}

impl Reader {
    /// The first `limit` alerts that a query lets through, in its order.
    pub(super) fn find_alerts(&self, query: &AlertQuery, limit: u32) -> Result<Vec<u32>, StoreError> {
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let all = conditions(query);
        let groups = self.groups(query)?;
        if groups.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let way = self.ways(query, groups)?.into_iter().min_by_key(|way| way.estimate);
        let few = |most: u64| way.as_ref().filter(|way| way.estimate <= most);
        if let Some(way) = few(VERY_FEW) {
            return self.gather(query, way, page);
        }
        if query.sort == AlertSort::LastDetection
            && let Some(found) = self.walk(query, &all, limit)?
        {
            return Ok(found);
        }
        if let Some(way) = few(FEW) {
            return self.gather(query, way, page);
        }
        match query.sort {
            AlertSort::LastDetection => match way {
                Some(way) if way.holds != Holds::Nothing => self.merge(query, &way, limit),
                _ => self.ordered("alert a INDEXED BY alert_time", query, &all, limit),
            },
            AlertSort::FirstDetection => self.ordered("alert a INDEXED BY alert_first", query, &all, limit),
            AlertSort::Count => self.ordered("alert a INDEXED BY alert_count", query, &all, limit),
            AlertSort::Severity | AlertSort::Type | AlertSort::Importance => self.by_value(query, &all, page),
        }
    }

    /// The combinations that a query lets through.
    fn groups(&self, query: &AlertQuery) -> Result<Vec<Group>, StoreError> {
        let mut conditions = Conditions::default();
        combination(query, "", &mut conditions);
        let sql = format!(
            "SELECT type, status, severity, engine, protocol, expected, count FROM alert_group{} ORDER BY 1, 2, 3, 4, 5, 6",
            conditions.sql
        );
        self.rows(&sql, &conditions, |row| {
            Ok(Group {
                kind: row.get(0)?,
                status: row.get(1)?,
                severity: row.get(2)?,
                engine: row.get(3)?,
                protocol: row.get(4)?,
                expected: row.get(5)?,
                count: count(row, 6)?,
            })
        })
    }

    /// The ways there are.
    fn ways(&self, query: &AlertQuery, groups: Vec<Group>) -> Result<Vec<Way>, StoreError> {
        let mut ways = Vec::new();
        let none = Conditions::default();
        let total = self.rows("SELECT COALESCE(SUM(count), 0) FROM alert_group", &none, |row| count(row, 0))?;
        let estimate = groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.count));
        if total.first().is_some_and(|total| estimate < *total) && groups.len() <= WALKS {
            let walks = groups.into_iter().map(group_walk).collect();
            ways.push(Way { holds: Holds::Combination, walks, estimate });
        }
        for (place, peer) in (0..).zip(&query.peers) {
            let devices = peer.devices.iter().map(|id| ("device", Value::from(id.0)));
            let keys = devices.chain(peer.ips.iter().map(|ip| ("ip", Value::from(ip.to_string()))));
            ways.extend(self.way(Holds::Peer(place), peer_walks(query, peer.side, keys))?);
        }
        if !query.zones.is_empty() {
            let mut conditions = Conditions::default();
            conditions.one_of("zone", query.zones.iter().cloned());
            let sql = format!("SELECT id FROM device{} LIMIT {}", conditions.sql, WALKS + 1);
            let keys = self.rows(&sql, &conditions, |row| Ok(("device", Value::from(row.get::<_, u32>(0)?))))?;
            ways.extend(self.way(Holds::Zone, peer_walks(query, None, keys.into_iter()))?);
        }
        for (field, values) in said_of(&query.said, &query.importances) {
            let mut conditions = Conditions::default();
            conditions.and("field = ?").value(field.as_str().to_owned());
            conditions.one_of("value", values);
            let sql = format!("SELECT device FROM device_context{} LIMIT {}", conditions.sql, WALKS + 1);
            let keys = self.rows(&sql, &conditions, |row| Ok(("device", Value::from(row.get::<_, u32>(0)?))))?;
            if keys.len() <= WALKS {
                // The condition stays: it is one of several.
                let way = self.way(Holds::Nothing, peer_walks(query, None, keys.into_iter()))?;
                ways.extend(way.filter(|way| way.estimate <= FEW));
            }
        }
        if !query.techniques.is_empty() {
            let from = "alert_technique u INDEXED BY alert_technique_technique";
            let walk = |id: &String| {
                let mut start = Conditions::default();
                start.and("u.technique = ?").value(id.clone());
                Walk { from: from.to_owned(), columns: Some(("u.last_detection", "u.alert")), start }
            };
            ways.extend(self.way(Holds::Technique, query.techniques.iter().map(walk).collect())?);
        }
        if !query.windows.is_empty() {
            let walk = |number: &u32| {
                let mut start = Conditions::default();
                start.and("w.maintenance = ?").value(*number);
                let from = "alert_maintenance w INDEXED BY alert_maintenance_window".to_owned();
                Walk { from, columns: Some(("a.last_detection", "w.alert")), start }
            };
            ways.extend(self.way(Holds::Nothing, query.windows.iter().map(walk).collect())?);
        }
        if let Some(until) = query.until {
            ways.extend(self.way(Holds::Window, window_walks(query, until))?);
        }
        if let Some(text) = &query.text
            && let Some(parts) = self.rare_parts(text)?
        {
            ways.extend(self.way(Holds::Nothing, text_walks(query, text, parts))?);
        }
        Ok(ways)
    }

    /// A way with how many alerts lie on it: counted no further than just beyond [`FEW`]. `None` where it has too many walks.
    fn way(&self, holds: Holds, walks: Vec<Walk>) -> Result<Option<Way>, StoreError> {
        if walks.len() > 2 * WALKS {
            return Ok(None);
        }
        let mut estimate = 0;
        for walk in &walks {
            let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {}{} LIMIT {})", walk.from, walk.start.sql, FEW + 1);
            estimate += self.rows(&sql, &walk.start, |row| count(row, 0))?.into_iter().sum::<u64>();
            if estimate > FEW {
                break;
            }
        }
        Ok(Some(Way { holds, walks, estimate }))
    }

    /// All alerts of a way that meet the conditions, sorted.
    fn gather(&self, query: &AlertQuery, way: &Way, page: usize) -> Result<Vec<u32>, StoreError> {
        let rest = rest(query, way.holds);
        let mut keys = Vec::new();
        for walk in &way.walks {
            keys.extend(self.keys(walk, query, &rest, "")?);
        }
        Ok(numbers(keys, query, page))
    }

    /// The first alerts of several walks in order of the last detection. The walk that begins first goes first, and none
    /// goes further than the page.
    fn merge(&self, query: &AlertQuery, way: &Way, limit: u32) -> Result<Vec<u32>, StoreError> {
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let rest = rest(query, way.holds);
        let direction = direction(query);
        let mut heads = Vec::with_capacity(way.walks.len());
        for walk in &way.walks {
            let (last, _) = walk.columns.unwrap_or(("a.last_detection", "a.number"));
            let sql = format!("SELECT {last} FROM {}{} ORDER BY {last} {direction} LIMIT 1", walk.from, walk.start.sql);
            let head = self.rows(&sql, &walk.start, |row| row.get::<_, i64>(0))?.pop();
            heads.extend(head.map(|head| (if query.ascending { head } else { head.saturating_neg() }, walk)));
        }
        heads.sort_by_key(|(head, _)| *head);
        let mut keys: Vec<Key> = Vec::new();
        let mut end: Option<i64> = None;
        for (head, walk) in heads {
            let turned = end.map(|end| if query.ascending { end } else { end.saturating_neg() });
            if turned.is_some_and(|end| head > end) {
                break;
            }
            let (last, number) = walk.columns.unwrap_or(("a.last_detection", "a.number"));
            let cut = format!(" ORDER BY {last} {direction}, {number} {direction} LIMIT {limit}");
            let mut bounded = Walk { from: walk.from.clone(), columns: walk.columns, start: walk.start.clone() };
            if let Some(end) = end {
                let side = if query.ascending { "<=" } else { ">=" };
                bounded.start.and(&format!("{last} {side} ?")).value(end);
            }
            keys.extend(self.keys(&bounded, query, &rest, &cut)?);
            sort(&mut keys, query);
            keys.truncate(page);
            if keys.len() == page
                && let Some((Value::Integer(value), _)) = keys.last()
            {
                end = Some(*value);
            }
        }
        Ok(numbers(keys, query, page))
    }

    fn keys(&self, walk: &Walk, query: &AlertQuery, rest: &Conditions, cut: &str) -> Result<Vec<Key>, StoreError> {
        let conditions = walk.start.and_all(rest);
        let sql = match walk.columns {
            None => format!("SELECT {}, a.number FROM {}{}{cut}", column(query.sort), walk.from, conditions.sql),
            // The index tells it all.
            Some((last, number)) if rest.sql.is_empty() && query.sort == AlertSort::LastDetection => {
                format!("SELECT {last}, {number} FROM {}{}{cut}", walk.from, conditions.sql)
            }
            Some((_, number)) => format!(
                "SELECT {}, a.number FROM {} CROSS JOIN alert a ON a.number = {number}{}{cut}",
                column(query.sort),
                walk.from,
                conditions.sql
            ),
        };
        self.rows(&sql, &conditions, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Walks along the newest (oldest) alerts; `None` where they do not fill the page and there are more.
    fn walk(&self, query: &AlertQuery, all: &Conditions, limit: u32) -> Result<Option<Vec<u32>>, StoreError> {
        let mut range = Conditions::default();
        if let Some(since) = query.since {
            range.and("a.last_detection >= ?").value(since.0);
        }
        let direction = direction(query);
        let sql = format!(
            "SELECT a.last_detection FROM alert a INDEXED BY alert_time{} ORDER BY a.last_detection {direction}
             LIMIT 1 OFFSET {WALK}",
            range.sql
        );
        let end = self.rows(&sql, &range, |row| row.get::<_, i64>(0))?.pop();
        let from = "alert a INDEXED BY alert_time";
        let Some(end) = end else { return self.ordered(from, query, all, limit).map(Some) };
        let mut bound = Conditions::default();
        bound.and(if query.ascending { "a.last_detection <= ?" } else { "a.last_detection >= ?" }).value(end);
        let found = self.ordered(from, query, &bound.and_all(all), limit)?;
        Ok((found.len() >= usize::try_from(limit).unwrap_or(usize::MAX)).then_some(found))
    }

    /// The parts of a text, three letters each, that are rarest in a sample of the alerts, as the index of texts is asked
    /// for them. `None` for a text of fewer than three letters.
    fn rare_parts(&self, text: &str) -> Result<Option<String>, StoreError> {
        let letters: Vec<char> = text.to_lowercase().chars().collect();
        let mut parts: Vec<String> = letters.windows(3).map(|three| three.iter().collect()).collect();
        parts.sort_unstable();
        parts.dedup();
        if parts.is_empty() {
            return Ok(None);
        }
        let mut sample = Vec::new();
        if parts.len() > PARTS {
            let newest =
                self.rows("SELECT MAX(number) FROM alert", &Conditions::default(), |row| row.get::<_, Option<u32>>(0))?;
            let step = newest.first().copied().flatten().unwrap_or_default() / SAMPLE + 1;
            for at in 0..SAMPLE {
                let mut from = Conditions::default();
                from.value(at.saturating_mul(step));
                let sql = "SELECT description || ' ' || why FROM alert WHERE number >= ? LIMIT 1";
                sample.extend(self.rows(sql, &from, |row| row.get::<_, String>(0))?);
            }
        }
        let sample: Vec<String> = sample.iter().map(|text| text.to_lowercase()).collect();
        let often = |part: &String| sample.iter().filter(|text| text.contains(part.as_str())).count();
        parts.sort_by_cached_key(|part| (often(part), part.clone()));
        parts.truncate(PARTS);
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
        Ok(Some(quoted.join(" AND ")))
    }

    fn ordered(&self, from: &str, query: &AlertQuery, all: &Conditions, limit: u32) -> Result<Vec<u32>, StoreError> {
        let sql = format!("SELECT a.number FROM {from}{}{} LIMIT {limit}", all.sql, order(query));
        self.rows(&sql, all, |row| row.get(0))
    }

    /// In order of a value that many alerts share: value by value, each in order of number.
    fn by_value(&self, query: &AlertQuery, all: &Conditions, page: usize) -> Result<Vec<u32>, StoreError> {
        let (from, column) = match query.sort {
            AlertSort::Severity => ("alert a INDEXED BY alert_severity", "a.severity"),
            AlertSort::Importance => ("alert a", IMPORTANCE),
            _ => ("alert a INDEXED BY alert_type", "a.type"),
        };
        let mut values: Vec<Value> = Vec::new();
        for group in self.groups(query)? {
            let value = match query.sort {
                AlertSort::Severity => Value::from(group.severity),
                AlertSort::Importance => break,
                _ => Value::from(group.kind),
            };
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if query.sort == AlertSort::Importance {
            values = vec![Value::from(0), Value::from(1), Value::from(2)];
        }
        values.sort_by(compare);
        if !query.ascending {
            values.reverse();
        }
        let mut found = Vec::new();
        for value in values {
            let left = page.saturating_sub(found.len());
            if left == 0 {
                break;
            }
            let mut start = Conditions::default();
            start.and(&format!("{column} = ?")).value(value);
            let conditions = start.and_all(all);
            let sql = format!(
                "SELECT a.number FROM {from}{} ORDER BY a.number {} LIMIT {left}",
                conditions.sql,
                direction(query)
            );
            found.extend(self.rows(&sql, &conditions, |row| row.get::<_, u32>(0))?);
        }
        Ok(found)
    }
}

fn sides(side: Option<Side>) -> Vec<Side> {
    side.map_or_else(|| vec![Side::Source, Side::Destination], |side| vec![side])
}

fn group_walk(group: Group) -> Walk {
    let mut start = Conditions::default();
    start.and("a.type = ?").value(group.kind);
    start.and("a.status = ?").value(group.status);
    start.and("a.severity = ?").value(group.severity);
    start.and("a.engine = ?").value(group.engine);
    start.and("COALESCE(a.protocol, '') = ?").value(group.protocol);
    start.and("a.expected = ?").value(group.expected);
    Walk { from: "alert a INDEXED BY alert_combination".to_owned(), columns: None, start }
}

fn peer_walks(query: &AlertQuery, side: Option<Side>, keys: impl Iterator<Item = (&'static str, Value)>) -> Vec<Walk> {
    let mut walks = Vec::new();
    for (column, key) in keys {
        for side in sides(side) {
            let mut start = Conditions::default();
            start.and(&format!("p.{column} = ?")).value(key.clone());
            start.and("p.role = ?").value(side.as_str().to_owned());
            if let Some(since) = query.since {
                start.and("p.last_detection >= ?").value(since.0);
            }
            if let Some(until) = query.until {
                start.and("p.first_detection <= ?").value(until.0);
            }
            let from = format!("alert_peer p INDEXED BY alert_peer_{column}");
            walks.push(Walk { from, columns: Some(("p.last_detection", "p.alert")), start });
        }
    }
    walks
}

/// One walk for each class of how long alerts lasted: those that overlap the window end soon after it.
fn window_walks(query: &AlertQuery, until: Timestamp) -> Vec<Walk> {
    (0_i64..)
        .zip(SPANS)
        .map(|(class, longest)| {
            let end = longest.map_or(i64::MAX, |seconds| until.0.saturating_add(seconds.saturating_mul(SECOND)));
            let mut start = Conditions::default();
            start.and(&format!("{SPAN} = ?")).value(class);
            start.and("a.last_detection >= ?").value(query.since.map_or(i64::MIN, |since| since.0));
            start.and("a.last_detection <= ?").value(end);
            start.and("a.first_detection <= ?").value(until.0);
            Walk { from: "alert a INDEXED BY alert_span".to_owned(), columns: None, start }
        })
        .collect()
}

fn text_walks(query: &AlertQuery, text: &str, parts: String) -> Vec<Walk> {
    let mut in_text = Conditions::default();
    in_text.and("alert_text MATCH ?").value(parts);
    let mut walks = vec![Walk {
        from: "alert_text".to_owned(),
        columns: Some(("a.last_detection", "alert_text.rowid")),
        start: in_text,
    }];
    let digits = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits {
        let mut in_id = Conditions::default();
        let start = text.to_ascii_lowercase();
        in_id.and("a.id >= ?").value(start.clone()).and("a.id < ?").value(format!("{start}g"));
        walks.push(Walk { from: "alert a".to_owned(), columns: None, start: in_id });
    }
    for kind in &query.text_kinds {
        let mut of_kind = Conditions::default();
        of_kind.and("a.type = ?").value(kind.clone());
        walks.push(Walk { from: "alert a INDEXED BY alert_type".to_owned(), columns: None, start: of_kind });
    }
    walks
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    }
}

fn sort(keys: &mut Vec<Key>, query: &AlertQuery) {
    keys.sort_by(|a, b| compare(&a.0, &b.0).then(a.1.cmp(&b.1)));
    keys.dedup_by_key(|key| key.1);
    if !query.ascending {
        keys.reverse();
    }
}

/// The first ones of several walks, each once.
fn numbers(mut keys: Vec<Key>, query: &AlertQuery, page: usize) -> Vec<u32> {
    sort(&mut keys, query);
    keys.truncate(page);
    keys.into_iter().map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::read::{DeviceQuery, EntryQuery, EventQuery, PointQuery};
    use ot_engine::catalogue::{EngineKind, Severity};
    use ot_engine::model::{DeviceId, Status};
    use rusqlite::Connection;

    impl Reader {
        /// Notes how SQLite goes about a statement.
        pub(in crate::read) fn explain(&self, sql: &str, conditions: &Conditions) {
            let mut statement = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = statement
                .query_map(rusqlite::params_from_iter(conditions.parameters()), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            self.plans.borrow_mut().push((sql.to_owned(), steps.join("\n")));
        }
    }

    /// A store with 8,000 alerts, so that nothing is few.
    fn store(folder: &tempfile::TempDir) -> Reader {
        let path = folder.path().join("store.db");
        drop(Store::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 8000)
                 INSERT INTO alert (number, id, run, type, engine, category, key, opening, severity, status, learned,
                     muted, first_detection, last_detection, count, protocol, outcome, outcome_code, outcome_name,
                     source_count, destination_count, description, why, violation_count)
                 SELECT x, printf('%032x', x * 7919), 1, iif(x % 2, 'port-scan', 'new-master'),
                     iif(x % 3, 'anomaly', 'policy-violation'), 'c', 'k' || x, 1, x % 4 + 1,
                     iif(x % 5, 'closed', 'new'), 0, 0, x * 1000000000,
                     x * 1000000000 + iif(x % 7, 0, 5000000000000), x % 90, iif(x % 2, 'modbus', NULL), NULL, NULL,
                     NULL, 1, 1, printf('wrote %d to register %d', x, x % 100), 'why', 1 FROM n;
                 INSERT INTO alert_peer SELECT number, 'source', 0, number % 2 + 1, '10.0.0.1', NULL, '',
                     last_detection, first_detection, status <> 'closed' FROM alert;
                 UPDATE alert SET expected = 1, expected_count = count WHERE number % 11 = 0;
                 INSERT INTO alert_maintenance SELECT number, 0, 1 + number % 2, 1 FROM alert WHERE number % 11 = 0;
                 INSERT INTO alert_technique (alert, place, technique) SELECT number, 0, 'T0855' FROM alert;
                 INSERT INTO event SELECT number, first_detection, 'operation', 1, 2, 'modbus', 'text', 0, 1, NULL
                 FROM alert;
                 INSERT INTO device VALUES (1, NULL, NULL, '', NULL, 'X', 'controller', 1, 1, 1, 'cell 1', 5, 9),
                     (2, NULL, NULL, '', NULL, 'X', 'controller', 1, 1, 1, 'cell 2', 5, 9);",
            )
            .unwrap();
        Reader::open(&path).unwrap()
    }

    fn queries() -> Vec<AlertQuery> {
        let peers = |devices: &[u32]| {
            let devices = devices.iter().map(|id| DeviceId(*id)).collect();
            vec![crate::read::PeerFilter { side: None, devices, ips: vec!["10.0.0.9".parse().unwrap()] }]
        };
        let set: [&dyn Fn(&mut AlertQuery); 17] = [
            &|_| {},
            &|query| query.severities = vec![Severity::Critical],
            &|query| query.statuses = vec![Status::New, Status::Active],
            &|query| query.engines = vec![EngineKind::Anomaly],
            &|query| query.protocols = vec!["modbus".to_owned()],
            &|query| query.kinds = vec!["port-scan".to_owned()],
            &|query| query.techniques = vec!["T0855".to_owned()],
            &|query| query.expected = Some(true),
            &|query| query.expected = Some(false),
            &|query| query.windows = vec![2],
            &|query| query.peers = peers(&[1]),
            &|query| query.zones = vec!["cell 1".to_owned()],
            &|query| query.since = Some(Timestamp::new(7_999, 0)),
            &|query| query.until = Some(Timestamp::new(900, 0)),
            &|query| query.text = Some("register 42".to_owned()),
            &|query| {
                query.peers = peers(&[2]);
                query.statuses = vec![Status::New];
            },
            &|query| {
                query.since = Some(Timestamp::new(3_000, 0));
                query.until = Some(Timestamp::new(3_100, 0));
                query.kinds = vec!["new-master".to_owned()];
            },
        ];
        let sorts = [
            AlertSort::Importance,
            AlertSort::LastDetection,
            AlertSort::FirstDetection,
            AlertSort::Severity,
            AlertSort::Count,
            AlertSort::Type,
        ];
        let mut queries = Vec::new();
        for set in set {
            for sort in sorts {
                for ascending in [false, true] {
                    let mut query = AlertQuery { sort, ascending, ..AlertQuery::default() };
                    set(&mut query);
                    queries.push(query);
                }
            }
        }
        queries
    }

    /// A page is the beginning of the whole list.
    #[test]
    fn a_page_holds_what_the_whole_list_begins_with() {
        let folder = tempfile::tempdir().unwrap();
        let reader = store(&folder);
        for query in queries() {
            let whole = conditions(&query);
            let sql = format!("SELECT a.number FROM alert a{}{}", whole.sql, order(&query));
            let all: Vec<u32> = reader.rows(&sql, &whole, |row| row.get(0)).unwrap();
            assert!(!all.is_empty(), "{query:?}");
            for limit in [1, 7, 60] {
                let page = reader.find_alerts(&query, limit).unwrap();
                let wanted: Vec<u32> = all.iter().copied().take(limit as usize).collect();
                assert_eq!(page, wanted, "{query:?}");
            }
        }
    }

    /// Each statement behind a page looks alerts up in an index, or goes along one that has the order asked for.
    #[test]
    fn pages_come_from_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let reader = store(&folder);
        for query in queries() {
            reader.alerts(&AlertQuery { limit: Some(20), ..query }).unwrap();
        }
        reader.alerts_by_prefix("0000").unwrap();
        let devices = vec![DeviceId(1)];
        for set in [
            EventQuery { devices: devices.clone(), ..EventQuery::default() },
            EventQuery { kinds: vec!["operation".to_owned()], ..EventQuery::default() },
            EventQuery { since: Some(Timestamp::new(5, 0)), ..EventQuery::default() },
        ] {
            reader.events(&EventQuery { newest_first: true, limit: Some(20), ..set }).unwrap();
        }
        reader.devices(&DeviceQuery { devices: devices.clone(), ..DeviceQuery::default() }).unwrap();
        reader.entries(&EntryQuery { devices: devices.clone(), ..EntryQuery::default() }).unwrap();
        reader.points(&PointQuery { devices: devices.to_vec(), limit: Some(10), ..PointQuery::default() }).unwrap();
        reader.open_alerts(&devices).unwrap();
        reader.violations(7).unwrap();
        let plans = reader.plans.borrow();
        assert!(plans.len() > 500, "{}", plans.len());
        for (sql, plan) in plans.iter() {
            for step in plan.lines() {
                // Small tables may be read whole.
                let small = ["alert_group", "device", "d", "alert_text", "run", "r"]
                    .iter()
                    .any(|table| step.starts_with(&format!("SCAN {table}")) && !step.starts_with("SCAN alert_peer"));
                let scan = step.starts_with("SCAN") && !step.contains("USING") && !step.contains("SUBQUERY");
                // The order of the numbers is that of the rows themselves.
                let in_order = step == "SCAN a" && sql.contains("ORDER BY a.number");
                assert!(!scan || small || in_order || step == "SCAN (subquery-1)", "{step}\n{sql}\n{plan}");
            }
            let page = sql.contains("LIMIT 20") && sql.contains("FROM alert");
            assert!(
                !(page && plan.contains("TEMP B-TREE FOR ORDER BY")),
                "sorts all before it takes the page\n{sql}\n{plan}"
            );
        }
    }
}
