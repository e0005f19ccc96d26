//! Reading for views: a connection that cannot write, and typed rows.
//!
//! Each question is one method. Rows come in a fixed order, so that equal stores give equal answers.

mod find;
mod map;
mod overview;

pub use map::{PlaceRow, UseRow};
pub use overview::{GroupRow, Mark};

use crate::load::{JOURNAL, entry, programs, said, work};
use crate::value::{count, device, frame, ids, intern, mac, outcome, parsed, parsed_option, severity, sub, time};
use crate::{StoreError, open};
use ot_engine::catalogue::{EngineKind, Severity};
use ot_engine::context::{Context, Field, Importance, Said};
use ot_engine::learning::DeviceLearning;
use ot_engine::maintenance::Share;
use ot_engine::model::{
    AlertViolation, BaselineEntry, Device, DeviceAddress, DeviceId, EntryId, EntryKind, Event, Grant, IdentityValue,
    Peer, Point, ProgramVersion, ProtocolUse, Role, RoleReason, Status, Work,
};
use ot_protocol::{FrameRef, Outcome, Timestamp};
use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    /// How SQLite went about each statement.
    #[cfg(test)]
    plans: std::cell::RefCell<Vec<(String, String)>>,
}

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
}

/// By what alerts are sorted; ties go by number.
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

/// Which side of an alert a device is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who did it.
    Source,
    /// To whom.
    Destination,
}

impl Side {
    fn as_str(self) -> &'static str {
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
    /// Occurs in description, why or id, or the type is one of `text_kinds`. Case of ASCII letters is ignored.
    pub text: Option<String>,
    /// Alert types whose title holds the text.
    pub text_kinds: Vec<String>,
    /// Order.
    pub sort: AlertSort,
    /// Smallest first.
    pub ascending: bool,
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

/// How learning goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearningRow {
    /// The small state.
    pub state: StateRow,
    /// Packet time at which learning began.
    pub since: Option<Timestamp>,
    /// Entries that traffic taught, by kind.
    pub kinds: Vec<(EntryKind, u64)>,
    /// Of these the new ones of each hour, of the last 24 hours of packet time; hours without are left out.
    pub hours: Vec<(Timestamp, u64)>,
    /// Devices that have a learning time of their own.
    pub devices: Vec<(DeviceId, DeviceLearning)>,
}

/// A violation with the baseline entries that it departs from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartureRow {
    /// Number of the alert.
    pub alert: u32,
    /// Its type.
    pub kind: String,
    /// Violations of the alert in all.
    pub alert_count: u64,
    /// How many rows of violations the alert had, whether kept or not.
    pub violation_count: u32,
    /// How often this violation came.
    pub count: u64,
    /// The entries.
    pub entries: Vec<EntryId>,
}

/// An act that allows something.
#[derive(Clone, Debug, PartialEq)]
pub struct ActRow {
    /// Its number.
    pub act: u64,
    /// Wall time, who, why, the action and its scope, as its first command says.
    pub asked: Option<(Timestamp, String, String, String, Option<String>)>,
    /// Alerts that it learned, by id.
    pub alerts: Vec<String>,
    /// What it allows.
    pub grants: Vec<Grant>,
}

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRow {
    /// Its number over the whole store, from 0.
    pub file: u32,
    /// Run.
    pub run: u32,
    /// Path as given.
    pub path: String,
    /// SHA-256; empty for standard input.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Packets, once it was read to its end.
    pub packets: Option<u64>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Number from 1.
    pub id: u32,
    /// `replay` or `live`.
    pub kind: String,
    /// `running`, `done` or `aborted`.
    pub state: String,
    /// Sensor id.
    pub sensor: String,
    /// Site; empty without.
    pub site: String,
    /// What besides the inputs decides the result.
    pub options: String,
    /// Wall time of the start.
    pub started: Timestamp,
    /// Wall time of the end.
    pub finished: Option<Timestamp>,
    /// Starts: 1, and 1 more each time it resumed.
    pub attempts: u32,
    /// Packets.
    pub packets: u64,
}

/// A command and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRow {
    /// Its number.
    pub id: u64,
    /// `pending`, `applied` or `refused`.
    pub state: String,
    /// Why it was refused.
    pub error: Option<String>,
}

/// The small state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRow {
    /// Newest packet time.
    pub now: Option<Timestamp>,
    /// Whether the engine learns.
    pub learning: bool,
    /// Until when, in packet time.
    pub learning_until: Option<Timestamp>,
    /// Networks in which an OT protocol was confirmed.
    pub ot_subnets: Vec<(IpAddr, u8)>,
    /// Counters, by id.
    pub counters: Vec<(String, u64)>,
}

/// Rows in each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Devices.
    pub devices: u64,
    /// Baseline entries that are allowed.
    pub entries_allowed: u64,
    /// Baseline entries only observed.
    pub entries_observed: u64,
    /// Points.
    pub points: u64,
    /// Alerts.
    pub alerts: u64,
    /// Events.
    pub events: u64,
    /// Commands waiting for the engine.
    pub commands_pending: u64,
}

/// What a person said of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidRow {
    /// Wall time.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// Why, in the person's words.
    pub why: String,
    /// Field.
    pub field: String,
    /// What held before.
    pub before: Option<String>,
    /// What holds since.
    pub after: Option<String>,
}

/// Which devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceQuery {
    /// These; empty: all.
    pub devices: Vec<DeviceId>,
    /// One of these roles.
    pub roles: Vec<Role>,
    /// Speaks one of these protocols.
    pub protocols: Vec<String>,
    /// In this zone.
    pub zone: Option<String>,
    /// One of these importances.
    pub importances: Vec<Importance>,
    /// Of each of these fields one of these values is said.
    pub said: Vec<(Field, Vec<String>)>,
    /// Whether it speaks an OT protocol.
    pub ot: Option<bool>,
    /// Whether the baseline holds it.
    pub learned: Option<bool>,
    /// Occurs in name, vendor, address, MAC or an identity.
    pub text: Option<String>,
    /// Tells one of these properties of itself, for example `firmware`.
    pub properties: Vec<String>,
    /// Last seen at or after.
    pub since: Option<Timestamp>,
    /// Not seen at or after.
    pub quiet_since: Option<Timestamp>,
    /// First seen at or after.
    pub new_since: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<u32>,
    /// So many of the first ones are left out.
    pub skip: u32,
}

/// Which baseline entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryQuery {
    /// These numbers; empty: all.
    pub entries: Vec<EntryId>,
    /// One of these kinds.
    pub kinds: Vec<EntryKind>,
    /// One of these devices is client or server.
    pub devices: Vec<DeviceId>,
    /// Protocol.
    pub protocols: Vec<String>,
    /// One of these address spaces; of operations the class, of contacts with the internet what became of them.
    pub spaces: Vec<String>,
    /// Whether it is allowed.
    pub allowed: Option<bool>,
    /// At most so many.
    pub limit: Option<u32>,
    /// So many of the first ones are left out.
    pub skip: u32,
}

/// Which versions of program blocks. An empty list asks for nothing in particular; all that is asked for must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramQuery {
    /// These numbers.
    pub numbers: Vec<u32>,
    /// Of these devices.
    pub devices: Vec<DeviceId>,
    /// Of one of these protocols.
    pub protocols: Vec<String>,
    /// Name of the block or file.
    pub name: Option<String>,
    /// Start of the SHA-256, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Last seen at or after.
    pub since: Option<Timestamp>,
    /// Whether their bytes are wanted.
    pub bytes: bool,
}

/// Which points. All that is asked for must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointQuery {
    /// Of these devices; empty: of all.
    pub devices: Vec<DeviceId>,
    /// In one of these address spaces; empty: in any.
    pub spaces: Vec<String>,
    /// Only points that somebody wrote.
    pub written: bool,
    /// Only points that more than one value was seen of.
    pub changed: bool,
    /// At most so many.
    pub limit: Option<u32>,
    /// So many of the first ones are left out.
    pub skip: u32,
}

/// Which work on controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalQuery {
    /// On one of these devices; empty: on any.
    pub devices: Vec<DeviceId>,
    /// By one of these devices; empty: by any.
    pub actors: Vec<DeviceId>,
    /// One of these operations; empty: any.
    pub operations: Vec<String>,
    /// Last time at or after.
    pub since: Option<Timestamp>,
    /// First time at or before.
    pub until: Option<Timestamp>,
    /// The newest rows, at most so many.
    pub limit: Option<u32>,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// At or after.
    pub since: Option<Timestamp>,
    /// At or before.
    pub until: Option<Timestamp>,
    /// One of these kinds.
    pub kinds: Vec<String>,
    /// One of these devices takes part.
    pub devices: Vec<DeviceId>,
    /// Protocol.
    pub protocols: Vec<String>,
    /// Occurs in the text.
    pub text: Option<String>,
    /// Newest first; with a limit, the newest ones.
    pub newest_first: bool,
    /// At most so many.
    pub limit: Option<u32>,
}

/// A condition of a statement under construction.
#[derive(Clone, Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(sql);
        self
    }

    fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self
    }

    /// `column IN (?, ?)`; nothing asked where the list is empty.
    fn one_of<T: Into<Value>>(&mut self, column: &str, list: impl IntoIterator<Item = T>) {
        let before = self.values.len();
        self.values.extend(list.into_iter().map(Into::into));
        let n = self.values.len() - before;
        if n > 0 {
            self.and(&format!("{column} IN ({})", marks(n)));
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.values.iter().map(|value| -> &dyn ToSql { value })
    }
}

/// Fields with the values asked for; the importance as one of them.
fn said_of(said: &[(Field, Vec<String>)], importances: &[Importance]) -> Vec<(Field, Vec<String>)> {
    let mut all = said.to_vec();
    if !importances.is_empty() {
        all.push((Field::Importance, importances.iter().map(|importance| importance.as_str().to_owned()).collect()));
    }
    all
}

fn marks(n: usize) -> String {
    vec!["?"; n].join(", ")
}

fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn limit_sql(limit: Option<u32>) -> String {
    limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"))
}

fn page_sql(limit: Option<u32>, skip: u32) -> String {
    match (limit, skip) {
        (limit, 0) => limit_sql(limit),
        (Some(limit), skip) => format!(" LIMIT {limit} OFFSET {skip}"),
        (None, skip) => format!(" LIMIT -1 OFFSET {skip}"),
    }
}

/// Parameters a statement may have are limited; longer lists of ids are asked for in parts of this size.
const PART: usize = 500;

/// Peers, and rows of each, that related alerts are looked for among.
const AROUND_PEERS: usize = 8;
const AROUND_ROWS: usize = 500;

impl Reader {
    /// Opens a store that must be there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: open::reader(path)?,
            path: path.to_owned(),
            #[cfg(test)]
            plans: std::cell::RefCell::default(),
        })
    }

    /// For what is read in other files.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From here to [`Reader::end`] all answers are of one moment, whatever is committed meanwhile.
    pub fn begin(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("BEGIN").map_err(|error| self.fail(error))
    }

    /// Ends what [`Reader::begin`] began.
    pub fn end(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("COMMIT").map_err(|error| self.fail(error))
    }

    fn fail(&self, error: rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.path, error)
    }

    fn rows<T>(
        &self,
        sql: &str,
        conditions: &Conditions,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        #[cfg(test)]
        self.explain(sql, conditions);
        let select = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(rusqlite::params_from_iter(conditions.parameters()), read)?.collect()
        };
        select().map_err(|error| self.fail(error))
    }

    /// Alerts.
    pub fn alerts(&self, query: &AlertQuery) -> Result<Vec<AlertRow>, StoreError> {
        let Some(limit) = query.limit else {
            let conditions = find::conditions(query);
            return self.alert_rows(&format!("{}{}", conditions.sql, find::order(query)), &conditions);
        };
        self.alerts_numbered(&self.find_alerts(query, limit)?)
    }

    /// The numbers of the alerts that a query lets through, in its order, at most so many.
    pub fn alert_numbers(&self, query: &AlertQuery, limit: u32) -> Result<Vec<u32>, StoreError> {
        self.find_alerts(query, limit)
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
            })
        })?;
        for alert in &mut alerts {
            self.fill_alert(alert).map_err(|error| self.fail(error))?;
        }
        Ok(alerts)
    }

    fn fill_alert(&self, alert: &mut AlertRow) -> rusqlite::Result<()> {
        let number = alert.number;
        let mut peers = self.connection.prepare_cached(
            "SELECT device, ip, mac, sub FROM alert_peer WHERE alert = ?1 AND role = ?2 ORDER BY place",
        )?;
        for (side, list) in [(Side::Source, &mut alert.sources), (Side::Destination, &mut alert.destinations)] {
            *list = peers
                .query_map(params![number, side.as_str()], |row| {
                    Ok(Peer {
                        device: device(row, 0)?,
                        ip: parsed_option(row, 1, |text| text.parse().ok())?,
                        mac: parsed_option(row, 2, mac)?,
                        sub: parsed(row, 3, sub)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
        }
        alert.techniques = self
            .connection
            .prepare_cached("SELECT technique FROM alert_technique WHERE alert = ?1 ORDER BY place")?
            .query_map([number], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        alert.entries = self
            .connection
            .prepare_cached("SELECT entry FROM alert_entry WHERE alert = ?1 ORDER BY place")?
            .query_map([number], |row| Ok(EntryId(row.get(0)?)))?
            .collect::<rusqlite::Result<_>>()?;
        alert.frames = self
            .connection
            .prepare_cached("SELECT file, frame FROM alert_frame WHERE alert = ?1 ORDER BY place")?
            .query_map([number], |row| frame(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        if alert.expected_count > 0 {
            alert.shares = self
                .connection
                .prepare_cached("SELECT maintenance, count FROM alert_maintenance WHERE alert = ?1 ORDER BY place")?
                .query_map([number], |row| Ok(Share { window: row.get(0)?, count: count(row, 1)? }))?
                .collect::<rusqlite::Result<_>>()?;
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

    /// Violations of alerts of these types with the baseline entries that they depart from, by alert and place.
    pub fn departures(&self, kinds: &[&str], mut each: impl FnMut(DepartureRow)) -> Result<(), StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("a.type", kinds.iter().map(|&kind| kind.to_owned()));
        let sql = format!(
            "SELECT a.number, a.type, a.count, a.violation_count, v.count, v.entries
             FROM alert a JOIN violation v ON v.alert = a.number{} ORDER BY a.number, v.number",
            conditions.sql
        );
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(rusqlite::params_from_iter(conditions.parameters()))?;
            while let Some(row) = rows.next()? {
                each(DepartureRow {
                    alert: row.get(0)?,
                    kind: row.get(1)?,
                    alert_count: count(row, 2)?,
                    violation_count: row.get(3)?,
                    count: count(row, 4)?,
                    entries: parsed(row, 5, crate::value::entries)?,
                });
            }
            Ok(())
        };
        read().map_err(|error| self.fail(error))
    }

    /// What people and imports allow, by act, the newest first.
    pub fn acts(&self) -> Result<Vec<ActRow>, StoreError> {
        let mut acts: Vec<ActRow> = Vec::new();
        let grants = crate::load::grants(&self.connection, "", "").map_err(|error| self.fail(error))?;
        let mut by_act: BTreeMap<u64, Vec<Grant>> = BTreeMap::new();
        for grant in grants {
            by_act.entry(grant.act).or_default().push(grant);
        }
        // What was learned without an entry stands as well.
        for act in self.rows(
            "SELECT DISTINCT learned_act FROM alert WHERE learned AND learned_act > 0 ORDER BY learned_act",
            &Conditions::default(),
            |row| count(row, 0),
        )? {
            by_act.entry(act).or_default();
        }
        for (act, grants) in by_act.into_iter().rev() {
            let mut conditions = Conditions::default();
            conditions.value(crate::value::integer(act));
            let asked = self
                .rows("SELECT wall_time, who, why, action, scope FROM command WHERE id = ?", &conditions, |row| {
                    Ok((
                        Timestamp(row.get(0)?),
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, String>(3)?,
                        row.get::<_, Option<String>>(4)?,
                    ))
                })?
                .pop();
            let alerts = self.rows(
                "SELECT id FROM alert WHERE learned AND learned_act = ? ORDER BY number",
                &conditions,
                |row| row.get(0),
            )?;
            acts.push(ActRow { act, asked, alerts, grants });
        }
        Ok(acts)
    }

    /// How learning goes on.
    pub fn learning(&self) -> Result<LearningRow, StoreError> {
        const HOUR: i64 = 3_600_000_000_000;
        let state = self.state()?;
        let none = Conditions::default();
        let kinds = self.rows(
            "SELECT kind, COUNT(*) FROM baseline WHERE allowed AND learned_count > 0 GROUP BY kind ORDER BY kind",
            &none,
            |row| Ok((parsed(row, 0, EntryKind::parse)?, count(row, 1)?)),
        )?;
        let mut conditions = Conditions::default();
        conditions.value(state.now.map_or(0, |now| now.0.saturating_sub(24 * HOUR)));
        let hours = self.rows(
            "SELECT allowed_at / 3600000000000, COUNT(*) FROM baseline
             WHERE allowed AND learned_count > 0 AND allowed_at > ? GROUP BY 1 ORDER BY 1",
            &conditions,
            |row| Ok((Timestamp(row.get::<_, i64>(0)?.saturating_mul(HOUR)), count(row, 1)?)),
        )?;
        let since = self
            .rows("SELECT value FROM state WHERE key = 'learning_since'", &none, |row| Ok(Timestamp(row.get(0)?)))?
            .pop();
        let devices = crate::load::device_learning(&self.connection, "").map_err(|error| self.fail(error))?;
        Ok(LearningRow { state, since, kinds, hours, devices })
    }

    /// Baseline entries that traffic taught after a packet time.
    pub fn learned_since(&self, from: Timestamp) -> Result<u64, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(from.0);
        let sql = "SELECT COUNT(*) FROM baseline WHERE learned_count > 0 AND allowed_at > ?";
        Ok(self.rows(sql, &conditions, |row| count(row, 0))?.into_iter().sum())
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

    /// What people said of a device, oldest first.
    pub fn device_history(&self, id: DeviceId) -> Result<Vec<SaidRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(id.0);
        self.rows(
            "SELECT wall_time, who, why, field, value_before, value_after FROM device_history WHERE device = ?
             ORDER BY id",
            &conditions,
            |row| {
                Ok(SaidRow {
                    time: Timestamp(row.get(0)?),
                    who: row.get(1)?,
                    why: row.get(2)?,
                    field: row.get(3)?,
                    before: row.get(4)?,
                    after: row.get(5)?,
                })
            },
        )
    }

    /// Devices, by number.
    pub fn devices(&self, query: &DeviceQuery) -> Result<Vec<Device>, StoreError> {
        let mut conditions = Conditions::default();
        if query.devices.len() > PART {
            let mut found = Vec::new();
            for part in query.devices.chunks(PART) {
                found.extend(self.devices(&DeviceQuery { devices: part.to_vec(), ..query.clone() })?);
            }
            found.sort_by_key(|device| device.id);
            return Ok(found);
        }
        conditions.one_of("d.id", query.devices.iter().map(|id| id.0));
        conditions.one_of("d.role", query.roles.iter().map(|role| role.as_str().to_owned()));
        if !query.protocols.is_empty() {
            conditions.and(&format!(
                "EXISTS (SELECT 1 FROM device_protocol p WHERE p.device = d.id AND p.protocol IN ({}))",
                marks(query.protocols.len())
            ));
            conditions.values.extend(query.protocols.iter().cloned().map(Value::from));
        }
        if let Some(zone) = &query.zone {
            conditions.and("d.zone = ?").value(zone.clone());
        }
        for (field, values) in said_of(&query.said, &query.importances) {
            conditions.and(&format!(
                "EXISTS (SELECT 1 FROM device_context c WHERE c.device = d.id AND c.field = ? AND c.value IN ({}))",
                marks(values.len())
            ));
            conditions.value(field.as_str().to_owned());
            conditions.values.extend(values.into_iter().map(Value::from));
        }
        if let Some(ot) = query.ot {
            conditions.and("d.ot = ?").value(ot);
        }
        if let Some(learned) = query.learned {
            conditions.and("d.learned = ?").value(learned);
        }
        if !query.properties.is_empty() {
            conditions.and(&format!(
                "EXISTS (SELECT 1 FROM device_identity x WHERE x.device = d.id AND x.property IN ({}))",
                marks(query.properties.len())
            ));
            conditions.values.extend(query.properties.iter().cloned().map(Value::from));
        }
        if let Some(since) = query.since {
            conditions.and("d.last_seen >= ?").value(since.0);
        }
        if let Some(since) = query.quiet_since {
            conditions.and("d.last_seen < ?").value(since.0);
        }
        if let Some(since) = query.new_since {
            conditions.and("d.first_seen >= ?").value(since.0);
        }
        if let Some(text) = &query.text {
            conditions.and(
                "(d.name LIKE ? ESCAPE '\\' OR d.vendor LIKE ? ESCAPE '\\' OR d.mac LIKE ? ESCAPE '\\'
                 OR EXISTS (SELECT 1 FROM device_address x WHERE x.device = d.id AND x.ip LIKE ? ESCAPE '\\')
                 OR EXISTS (SELECT 1 FROM device_identity x WHERE x.device = d.id AND x.value LIKE ? ESCAPE '\\'))",
            );
            for _ in 0..5 {
                conditions.value(like(text));
            }
        }
        let sql = format!(
            "SELECT d.id, d.name, d.mac, d.sub, d.parent, d.vendor, d.role, d.purdue, d.ot, d.learned, d.zone,
                 d.first_seen, d.last_seen
             FROM device d{} ORDER BY d.id{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        let mut devices = self.rows(&sql, &conditions, |row| {
            Ok(Device {
                id: DeviceId(row.get(0)?),
                name: row.get(1)?,
                mac: parsed_option(row, 2, mac)?,
                sub: parsed(row, 3, sub)?,
                parent: device(row, 4)?,
                vendor: row.get(5)?,
                role: parsed(row, 6, Role::parse)?,
                purdue: row.get(7)?,
                ot: row.get(8)?,
                learned: row.get(9)?,
                zone: row.get(10)?,
                first_seen: Timestamp(row.get(11)?),
                last_seen: Timestamp(row.get(12)?),
                addresses: Vec::new(),
                role_reasons: Vec::new(),
                protocols: Vec::new(),
                identities: Vec::new(),
                context: Context::default(),
            })
        })?;
        for device in &mut devices {
            self.fill_device(device).map_err(|error| self.fail(error))?;
        }
        Ok(devices)
    }

    fn fill_device(&self, device: &mut Device) -> rusqlite::Result<()> {
        let id = device.id.0;
        device.addresses = self
            .connection
            .prepare_cached(
                "SELECT ip, vlan, first_seen, last_seen FROM device_address WHERE device = ?1 ORDER BY place",
            )?
            .query_map([id], |row| {
                Ok(DeviceAddress {
                    ip: parsed(row, 0, |text| text.parse().ok())?,
                    vlan: row.get(1)?,
                    first_seen: Timestamp(row.get(2)?),
                    last_seen: Timestamp(row.get(3)?),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        device.protocols = self
            .connection
            .prepare_cached(
                "SELECT protocol, as_client, as_server, first_seen, last_seen FROM device_protocol WHERE device = ?1
                 ORDER BY place",
            )?
            .query_map([id], |row| {
                Ok(ProtocolUse {
                    protocol: row.get(0)?,
                    as_client: row.get(1)?,
                    as_server: row.get(2)?,
                    first_seen: Timestamp(row.get(3)?),
                    last_seen: Timestamp(row.get(4)?),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        device.identities = self
            .connection
            .prepare_cached(
                "SELECT property, value, source, first_seen, last_seen, file, frame FROM device_identity
                 WHERE device = ?1 ORDER BY place",
            )?
            .query_map([id], |row| {
                Ok(IdentityValue {
                    property: row.get(0)?,
                    value: row.get(1)?,
                    source: row.get(2)?,
                    first_seen: Timestamp(row.get(3)?),
                    last_seen: Timestamp(row.get(4)?),
                    frame: frame(row, 5)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let said: Vec<Said> = self
            .connection
            .prepare_cached(
                "SELECT field, value, source, who FROM device_context WHERE device = ?1 AND source <> 'traffic'
                 ORDER BY field, value",
            )?
            .query_map([id], |row| said(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        device.context = Context::new(said);
        device.role_reasons = self
            .connection
            .prepare_cached(
                "SELECT role, reason, time, file, frame FROM device_role_reason WHERE device = ?1 ORDER BY place",
            )?
            .query_map([id], |row| {
                Ok(RoleReason {
                    role: parsed(row, 0, Role::parse)?,
                    reason: row.get(1)?,
                    time: Timestamp(row.get(2)?),
                    frame: frame(row, 3)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(())
    }

    /// The units and link addresses reached through a device.
    pub fn children(&self, parent: DeviceId) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(parent.0);
        self.rows("SELECT id FROM device WHERE parent = ? ORDER BY id", &conditions, |row| Ok(DeviceId(row.get(0)?)))
    }

    /// Devices with this address, the one at the address itself before those behind it.
    pub fn devices_by_ip(&self, ip: IpAddr) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(ip.to_string());
        self.rows(
            "SELECT d.id FROM device d JOIN device_address a ON a.device = d.id WHERE a.ip = ?
             GROUP BY d.id ORDER BY d.sub <> '', d.id",
            &conditions,
            |row| Ok(DeviceId(row.get(0)?)),
        )
    }

    /// Devices with this MAC address (lower case, colons).
    pub fn devices_by_mac(&self, mac: &str) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(mac.to_owned());
        self.rows("SELECT id FROM device WHERE mac = ? ORDER BY sub <> '', id", &conditions, |row| {
            Ok(DeviceId(row.get(0)?))
        })
    }

    /// Devices of this name: as given by a person, or the name or product that they tell. Case is ignored.
    pub fn devices_by_name(&self, name: &str) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(name.to_owned()).value(name.to_owned());
        self.rows(
            "SELECT id FROM device WHERE name = ? COLLATE NOCASE
             UNION SELECT device FROM device_identity WHERE value = ? COLLATE NOCASE AND property IN ('name', 'product')
             ORDER BY 1",
            &conditions,
            |row| Ok(DeviceId(row.get(0)?)),
        )
    }

    /// How many alerts that are not closed each of the devices takes part in; those with none are left out.
    pub fn open_alerts(&self, devices: &[DeviceId]) -> Result<Vec<(DeviceId, u64)>, StoreError> {
        let mut found = Vec::new();
        for part in devices.chunks(PART) {
            let mut conditions = Conditions::default();
            conditions.one_of("device", part.iter().map(|id| id.0));
            conditions.and("open");
            found.extend(self.rows(
                &format!(
                    "SELECT device, COUNT(DISTINCT alert) FROM alert_peer INDEXED BY alert_peer_open{} GROUP BY device",
                    conditions.sql
                ),
                &conditions,
                |row| Ok((DeviceId(row.get(0)?), count(row, 1)?)),
            )?);
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

    /// Baseline entries, by number.
    pub fn entries(&self, query: &EntryQuery) -> Result<Vec<BaselineEntry>, StoreError> {
        if query.entries.len() > PART {
            let mut found = Vec::new();
            for part in query.entries.chunks(PART) {
                found.extend(self.entries(&EntryQuery { entries: part.to_vec(), ..query.clone() })?);
            }
            found.sort_by_key(|entry| entry.id);
            return Ok(found);
        }
        let mut conditions = Conditions::default();
        conditions.one_of("id", query.entries.iter().map(|id| id.0));
        conditions.one_of("kind", query.kinds.iter().map(|kind| kind.as_str().to_owned()));
        conditions.one_of("protocol", query.protocols.iter().cloned());
        conditions.one_of("space", query.spaces.iter().cloned());
        if !query.devices.is_empty() {
            let list = marks(query.devices.len());
            conditions.and(&format!("(client IN ({list}) OR server IN ({list}))"));
            for _ in 0..2 {
                conditions.values.extend(query.devices.iter().map(|id| Value::from(id.0)));
            }
        }
        if let Some(allowed) = query.allowed {
            conditions.and("allowed = ?").value(allowed);
        }
        let sql = format!(
            "SELECT id, kind, client, server, protocol, port, function, subfunction, space, number, start_address,
                 end_address, text, allowed, origin, origin_by, count, learned_count, first_seen, last_seen, file, frame,
                 allowed_at, expires, min_value, max_value, interval_count, interval_sum, interval_min, interval_max,
                 label, scope, network
             FROM baseline{} ORDER BY id{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        self.rows(&sql, &conditions, entry)
    }

    /// Process memory of devices; all of them where the list is empty.
    pub fn points(&self, query: &PointQuery) -> Result<Vec<Point>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("device", query.devices.iter().map(|id| id.0));
        conditions.one_of("space", query.spaces.iter().cloned());
        if query.written {
            conditions.and("writers <> ''");
        }
        if query.changed {
            conditions.and("min_value < max_value");
        }
        let sql = format!(
            "SELECT device, protocol, space, number, address, first_seen, last_seen, min_value, max_value, readers,
                 writers, poll_interval
             FROM point{} ORDER BY device, protocol, space, number, address{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        self.rows(&sql, &conditions, |row| {
            Ok(Point {
                device: DeviceId(row.get(0)?),
                protocol: parsed(row, 1, |text| Some(intern(text)))?,
                space: parsed(row, 2, |text| Some(intern(text)))?,
                number: u32::try_from(row.get::<_, i64>(3)?).ok(),
                address: row.get(4)?,
                first_seen: Timestamp(row.get(5)?),
                last_seen: Timestamp(row.get(6)?),
                min: row.get(7)?,
                max: row.get(8)?,
                readers: parsed(row, 9, ids)?,
                writers: parsed(row, 10, ids)?,
                poll_interval: row.get(11)?,
            })
        })
    }

    /// Versions of program blocks, in order of number.
    pub fn programs(&self, query: &ProgramQuery) -> Result<Vec<ProgramVersion>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("number", query.numbers.iter().copied());
        conditions.one_of("device", query.devices.iter().map(|id| id.0));
        conditions.one_of("protocol", query.protocols.iter().cloned());
        if let Some(name) = &query.name {
            conditions.and("name = ? COLLATE NOCASE").value(name.clone());
        }
        if let Some(start) = &query.sha256 {
            conditions.and("sha256 LIKE ? ESCAPE '\\'").value(like(start).trim_start_matches('%').to_owned());
        }
        if let Some(since) = query.since {
            conditions.and("last_seen >= ?").value(since.0);
        }
        let parameters: Vec<&dyn ToSql> = conditions.parameters().collect();
        programs(&self.connection, "", &conditions.sql, &parameters, query.bytes).map_err(|error| self.fail(error))
    }

    /// Events.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(since) = query.since {
            conditions.and("time >= ?").value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and("time <= ?").value(until.0);
        }
        if let Some(text) = &query.text {
            conditions.and("text LIKE ? ESCAPE '\\'").value(like(text));
        }
        // One walk in order of time for each device and side, for each kind, or for each protocol: none reads more than
        // the page holds, unless another condition skips its rows.
        let mut walks: Vec<(&str, Value)> = Vec::new();
        if !query.devices.is_empty() && query.devices.len() <= PART {
            for id in &query.devices {
                walks.extend([("source", Value::from(id.0)), ("destination", Value::from(id.0))]);
            }
            conditions.one_of("kind", query.kinds.iter().cloned());
            conditions.one_of("protocol", query.protocols.iter().cloned());
        } else {
            if !query.devices.is_empty() {
                let list = marks(query.devices.len());
                conditions.and(&format!("(source IN ({list}) OR destination IN ({list}))"));
                for _ in 0..2 {
                    conditions.values.extend(query.devices.iter().map(|id| Value::from(id.0)));
                }
            }
            if query.kinds.is_empty() {
                walks.extend(query.protocols.iter().map(|protocol| ("protocol", Value::from(protocol.clone()))));
            } else {
                walks.extend(query.kinds.iter().map(|kind| ("kind", Value::from(kind.clone()))));
                conditions.one_of("protocol", query.protocols.iter().cloned());
            }
        }
        if walks.is_empty() {
            return self.walk_events("event_time", query, &conditions);
        }
        let mut found = Vec::new();
        for (column, value) in walks {
            let mut walk = Conditions::default();
            walk.and(&format!("{column} = ?")).value(value);
            let walk = walk.and_all(&conditions);
            found.extend(self.walk_events(&format!("event_{column}"), query, &walk)?);
        }
        found.sort_by_key(|event| (event.time, event.number));
        found.dedup_by_key(|event| event.number);
        if query.newest_first {
            found.reverse();
        }
        found.truncate(query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
        Ok(found)
    }

    fn walk_events(&self, index: &str, query: &EventQuery, conditions: &Conditions) -> Result<Vec<Event>, StoreError> {
        let order = if query.newest_first { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT number, time, kind, source, destination, protocol, text, file, frame, alert
             FROM event INDEXED BY {index}{} ORDER BY time {order}, number {order}{}",
            conditions.sql,
            limit_sql(query.limit)
        );
        self.rows(&sql, conditions, |row| {
            Ok(Event {
                number: count(row, 0)?,
                time: Timestamp(row.get(1)?),
                kind: parsed(row, 2, |text| Some(intern(text)))?,
                source: device(row, 3)?,
                destination: device(row, 4)?,
                protocol: parsed_option(row, 5, |text| Some(intern(text)))?,
                text: row.get(6)?,
                frame: frame(row, 7)?,
                alert: row.get(9)?,
            })
        })
    }

    /// The journal of work on controllers, in order of the first time.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<Work>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("device", query.devices.iter().map(|id| id.0));
        conditions.one_of("actor", query.actors.iter().map(|id| id.0));
        conditions.one_of("operation", query.operations.iter().cloned());
        if let Some(since) = query.since {
            conditions.and("last_seen >= ?").value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and("first_seen <= ?").value(until.0);
        }
        let sql = format!(
            "SELECT {JOURNAL} FROM journal{} ORDER BY last_seen DESC, number DESC{}",
            conditions.sql,
            limit_sql(query.limit)
        );
        let mut found = self.rows(&sql, &conditions, work)?;
        found.sort_by_key(|work| (work.first_seen, work.number));
        Ok(found)
    }

    /// Runs, oldest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.rows(
            "SELECT id, kind, state, sensor, site, options, wall_started, wall_finished, attempts, packets FROM run
             ORDER BY id",
            &Conditions::default(),
            |row| {
                Ok(RunRow {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    state: row.get(2)?,
                    sensor: row.get(3)?,
                    site: row.get(4)?,
                    options: row.get(5)?,
                    started: Timestamp(row.get(6)?),
                    finished: time(row, 7)?,
                    attempts: row.get(8)?,
                    packets: count(row, 9)?,
                })
            },
        )
    }

    /// Input files, by number.
    pub fn inputs(&self) -> Result<Vec<InputRow>, StoreError> {
        self.rows(
            "SELECT file, run, path, sha256, bytes, packets FROM input ORDER BY file",
            &Conditions::default(),
            |row| {
                Ok(InputRow {
                    file: row.get(0)?,
                    run: row.get(1)?,
                    path: row.get(2)?,
                    sha256: row.get(3)?,
                    bytes: count(row, 4)?,
                    packets: row.get::<_, Option<i64>>(5)?.and_then(|packets| u64::try_from(packets).ok()),
                })
            },
        )
    }

    /// Path of an input file.
    pub fn input_path(&self, file: u32) -> Result<Option<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT path FROM input WHERE file = ?1")
            .and_then(|mut statement| statement.query_row([file], |row| row.get(0)).optional())
            .map_err(|error| self.fail(error))
    }

    /// The small state.
    pub fn state(&self) -> Result<StateRow, StoreError> {
        let none = Conditions::default();
        let mut state = StateRow::default();
        for (key, value) in self.rows("SELECT key, value FROM state ORDER BY key", &none, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })? {
            match key.as_str() {
                "now" => state.now = Some(Timestamp(value)),
                "learning" => state.learning = value != 0,
                "learning_until" => state.learning_until = Some(Timestamp(value)),
                _ => {}
            }
        }
        state.ot_subnets = self.rows("SELECT address, prefix FROM ot_subnet ORDER BY place", &none, |row| {
            Ok((parsed(row, 0, |text| text.parse().ok())?, row.get(1)?))
        })?;
        state.counters =
            self.rows("SELECT id, value FROM counter ORDER BY id", &none, |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(state)
    }

    /// Newest packet time.
    pub fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.connection
            .prepare_cached("SELECT value FROM state WHERE key = 'now'")
            .and_then(|mut statement| statement.query_row([], |row| Ok(Timestamp(row.get(0)?))).optional())
            .map_err(|error| self.fail(error))
    }

    /// Rows in each table.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        self.connection
            .query_row(
                "SELECT (SELECT COUNT(*) FROM device), (SELECT COUNT(*) FROM baseline WHERE allowed),
                     (SELECT COUNT(*) FROM baseline WHERE NOT allowed), (SELECT COUNT(*) FROM point),
                     (SELECT COUNT(*) FROM alert), (SELECT COUNT(*) FROM event),
                     (SELECT COUNT(*) FROM command WHERE state = 'pending')",
                [],
                |row| {
                    Ok(Totals {
                        devices: count(row, 0)?,
                        entries_allowed: count(row, 1)?,
                        entries_observed: count(row, 2)?,
                        points: count(row, 3)?,
                        alerts: count(row, 4)?,
                        events: count(row, 5)?,
                        commands_pending: count(row, 6)?,
                    })
                },
            )
            .map_err(|error| self.fail(error))
    }

    /// How many alerts there are of each severity and status.
    pub fn alert_counts(&self) -> Result<Vec<(Severity, Status, u64)>, StoreError> {
        self.rows(
            "SELECT severity, status, COUNT(*) FROM alert GROUP BY severity, status ORDER BY severity DESC, status",
            &Conditions::default(),
            |row| Ok((severity(row, 0)?, parsed(row, 1, Status::parse)?, count(row, 2)?)),
        )
    }

    /// A command and what became of it.
    pub fn command(&self, id: u64) -> Result<Option<CommandRow>, StoreError> {
        self.connection
            .prepare_cached("SELECT id, state, error FROM command WHERE id = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([crate::value::integer(id)], |row| {
                        Ok(CommandRow { id: count(row, 0)?, state: row.get(1)?, error: row.get(2)? })
                    })
                    .optional()
            })
            .map_err(|error| self.fail(error))
    }
}
