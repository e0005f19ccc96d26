//! Filters of lists: their parameters, and the queries that they become. API and pages share them.

use crate::call::Call;
use crate::problem::Problem;
use crate::route::{Kind, Parameter};
use ot_engine::catalogue::{self, EngineKind, Severity};
use ot_engine::context::{Field, Importance};
use ot_engine::model::{DeviceId, EntryKind, Role, Status};
use ot_store::read::{
    AlertPlace, AlertQuery, AlertSort, DeviceQuery, EntryQuery, EventQuery, JournalQuery, PointQuery, ProgramQuery,
    Reader,
};
use ot_views::alert::AlertFilter;
use ot_views::device::find_devices;
use ot_views::map::{Grouping, MapQuery};

const fn p(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter { name, kind, doc }
}

fn severities() -> Vec<&'static str> {
    Severity::ALL.map(Severity::as_str).to_vec()
}
fn statuses() -> Vec<&'static str> {
    [Status::New, Status::Active, Status::Closed].map(Status::as_str).to_vec()
}
fn engines() -> Vec<&'static str> {
    EngineKind::ALL.map(EngineKind::as_str).to_vec()
}
fn importances() -> Vec<&'static str> {
    Importance::ALL.map(Importance::as_str).to_vec()
}
fn kinds() -> Vec<&'static str> {
    catalogue::all().iter().map(|kind| kind.id).collect()
}
fn roles() -> Vec<&'static str> {
    Role::ALL.map(Role::as_str).to_vec()
}
fn entry_kinds() -> Vec<&'static str> {
    EntryKind::ALL.map(EntryKind::as_str).to_vec()
}

/// By what alerts can be sorted.
pub const SORTS: [(&str, AlertSort); 6] = [
    ("last", AlertSort::LastDetection),
    ("first", AlertSort::FirstDetection),
    ("severity", AlertSort::Severity),
    ("count", AlertSort::Count),
    ("type", AlertSort::Type),
    ("importance", AlertSort::Importance),
];
fn sorts() -> Vec<&'static str> {
    SORTS.map(|(id, _)| id).to_vec()
}
fn groupings() -> Vec<&'static str> {
    Grouping::ALL.map(Grouping::as_str).to_vec()
}
fn orders() -> Vec<&'static str> {
    vec!["asc", "desc"]
}

/// Which keys of the answer are wanted.
pub const FIELDS: &[Parameter] = &[p("fields", Kind::Texts, "Keys that are wanted; all others are left out")];

/// Pages of a list.
pub const PAGE: &[Parameter] =
    &[p("limit", Kind::Number { most: 500 }, "At most so many"), p("cursor", Kind::Text, "`next` of the page before")];

/// Filters of alerts.
pub const ALERTS: &[Parameter] = &[
    p("since", Kind::Time, "Last seen at or after"),
    p("until", Kind::Time, "First seen at or before"),
    p("severity", Kind::Words(severities), "Severities"),
    p("engine", Kind::Words(engines), "Engines"),
    p("status", Kind::Words(statuses), "Statuses"),
    p("device", Kind::Texts, "Device on either side: number, address, MAC or name; each must take part"),
    p("source", Kind::Texts, "Device as source"),
    p("destination", Kind::Texts, "Device as destination"),
    p("protocol", Kind::Texts, "Protocols, for example modbus"),
    p("technique", Kind::Texts, "ATT&CK for ICS techniques, for example T0855"),
    p("zone", Kind::Texts, "Zones of a device that takes part"),
    p("site", Kind::Texts, "Sites of a device that takes part"),
    p("owner", Kind::Texts, "Owners of a device that takes part"),
    p("tag", Kind::Texts, "Tags of a device that takes part"),
    p("importance", Kind::Words(importances), "Importances of a device that takes part"),
    p("type", Kind::Words(kinds), "Alert types"),
    p("category", Kind::Words(catalogue::categories), "Categories of alert types, for example firmware"),
    p("sensor", Kind::Texts, "Ids of sensors, where a store holds the findings of several"),
    p("expected", Kind::Truth, "Whether all of it lay in maintenance windows that cover it"),
    p("text", Kind::Text, "Occurs in title, description, why or id"),
    p("sort", Kind::Word(sorts), "Order: last detection (usual), first detection, severity, count, type, importance"),
    p("order", Kind::Word(orders), "Ascending or descending (usual)"),
];

/// Filters of devices.
pub const DEVICES: &[Parameter] = &[
    p("role", Kind::Words(roles), "Roles"),
    p("protocol", Kind::Texts, "Speaks one of these protocols"),
    p("zone", Kind::Text, "Zone"),
    p("site", Kind::Texts, "Sites"),
    p("owner", Kind::Texts, "Owners"),
    p("tag", Kind::Texts, "Tags"),
    p("importance", Kind::Words(importances), "Importances"),
    p("ot", Kind::Truth, "Whether it speaks an OT protocol"),
    p("learned", Kind::Truth, "Whether the baseline holds it"),
    p("property", Kind::Texts, "Tells one of these properties of itself, for example firmware"),
    p("since", Kind::Time, "Last seen at or after"),
    p("quiet_since", Kind::Time, "Not seen at or after"),
    p("new_since", Kind::Time, "First seen at or after"),
    p("text", Kind::Text, "Occurs in name, vendor, address, MAC or what it told of itself"),
];

/// Filters of the timeline.
pub const EVENTS: &[Parameter] = &[
    p("since", Kind::Time, "At or after"),
    p("until", Kind::Time, "At or before"),
    p("kind", Kind::Texts, "Kinds of events"),
    p("device", Kind::Texts, "One of these devices takes part"),
    p("protocol", Kind::Texts, "Protocols"),
    p("text", Kind::Text, "Occurs in the text"),
    p("order", Kind::Word(orders), "Oldest first, or newest first (usual)"),
];

/// Filters of the baseline.
pub const BASELINE: &[Parameter] = &[
    p("kind", Kind::Words(entry_kinds), "Kinds of entries"),
    p("device", Kind::Texts, "One of these devices is client or server"),
    p("protocol", Kind::Texts, "Protocols"),
    p("space", Kind::Texts, "Address spaces; of operations the class, for example command or remote-session"),
    p("allowed", Kind::Truth, "Whether it is allowed, or only observed"),
];

/// Filters of points.
pub const POINTS: &[Parameter] = &[
    p("device", Kind::Texts, "Devices"),
    p("space", Kind::Texts, "Address spaces, for example holding-registers"),
    p("written", Kind::Truth, "Only points that somebody wrote"),
    p("changed", Kind::Truth, "Only points that more than one value was seen of"),
];

/// Filters of the journal.
pub const JOURNAL: &[Parameter] = &[
    p("device", Kind::Texts, "On one of these devices"),
    p("actor", Kind::Texts, "By one of these devices"),
    p("operation", Kind::Texts, "Operations, for example program-write"),
    p("since", Kind::Time, "Last time at or after"),
    p("until", Kind::Time, "First time at or before"),
    p("limit", Kind::Number { most: 5_000 }, "The newest ones, at most so many"),
];

/// What a map shows.
pub const MAP: &[Parameter] = &[
    p("by", Kind::Word(groupings), "By what devices are grouped; usually level"),
    p("level", Kind::Text, "Devices on this Purdue level (0 to 5, unknown), and those that talk with them"),
    p("zone", Kind::Text, "Devices in this zone, and those that talk with them"),
    p(
        "subnet",
        Kind::Text,
        "Devices in this subnet as the map writes it (10.20.0.0/24), and those that talk with them",
    ),
    p("protocol", Kind::Texts, "Conversations in one of these protocols, for example modbus or tcp/443"),
    p("since", Kind::Time, "Last seen at or after"),
    p("until", Kind::Time, "First seen at or before"),
    p("alerts", Kind::Truth, "Only devices and conversations with alerts that are not closed"),
    p("device", Kind::Texts, "These devices, and those that talk with them"),
    p("open", Kind::Texts, "Keys of groups whose devices are drawn one by one"),
];

/// Filters of program versions.
pub const PROGRAMS: &[Parameter] = &[
    p("device", Kind::Texts, "Devices"),
    p("protocol", Kind::Texts, "Protocols"),
    p("name", Kind::Text, "Name of the block or file"),
    p("sha256", Kind::Text, "Start of the SHA-256"),
    p("since", Kind::Time, "Last seen at or after"),
];

fn owned(values: impl Iterator<Item = impl Into<String>>) -> Vec<String> {
    values.map(Into::into).collect()
}

fn parsed<T>(call: &Call, name: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    call.all(name).filter_map(parse).collect()
}

fn said(call: &Call) -> Vec<(Field, Vec<String>)> {
    [("site", Field::Site), ("owner", Field::Owner), ("tag", Field::Tag)]
        .into_iter()
        .map(|(name, field)| (field, owned(call.each(name))))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

/// Devices that a parameter names; all that each text means.
fn named(call: &Call, reader: &Reader, name: &str) -> Result<Vec<DeviceId>, Problem> {
    let mut found = Vec::new();
    for text in call.each(name) {
        found.extend(find_devices(reader, text)?);
    }
    Ok(found)
}

/// The filter of a list of alerts.
///
/// # Errors
/// As the store's.
pub fn alerts(call: &Call, reader: &Reader, usual: u32) -> Result<AlertFilter, Problem> {
    let sort = call.one("sort").and_then(|id| SORTS.iter().find(|(known, _)| *known == id)).map(|(_, sort)| *sort);
    let sort = sort.unwrap_or_default();
    let natural = sort == AlertSort::Type;
    Ok(AlertFilter {
        query: AlertQuery {
            since: call.time(reader, "since")?,
            until: call.time(reader, "until")?,
            severities: parsed(call, "severity", Severity::parse),
            engines: parsed(call, "engine", EngineKind::parse),
            statuses: parsed(call, "status", Status::parse),
            protocols: owned(call.all("protocol")),
            techniques: call.all("technique").map(str::to_uppercase).collect(),
            zones: owned(call.each("zone")),
            importances: parsed(call, "importance", Importance::parse),
            said: said(call),
            kinds: owned(call.all("type")),
            expected: call.truth("expected"),
            text: call.one("text").map(str::to_owned),
            sort,
            ascending: call.one("order").map_or(natural, |order| order == "asc"),
            limit: Some(call.limit(usual)),
            ..AlertQuery::default()
        },
        devices: owned(call.each("device")),
        sources: owned(call.each("source")),
        destinations: owned(call.each("destination")),
        sensors: owned(call.each("sensor")),
        categories: owned(call.all("category")),
    })
}

/// After which place a page of alerts begins.
///
/// # Errors
/// Where the cursor is not one of ours.
pub fn alert_place(call: &Call, filter: &AlertFilter) -> Result<Option<AlertPlace>, Problem> {
    let Some(text) = call.one("cursor") else { return Ok(None) };
    let place = AlertPlace::parse(text).filter(|place| place.is_of(filter.query.sort));
    Ok(Some(place.ok_or_else(bad_cursor)?))
}

fn bad_cursor() -> Problem {
    Problem::bad_request("cursor: give `next` of the page before, with the same filters")
}

fn too_far() -> Problem {
    Problem::bad_request(
        "cursor: so far down the list it is better to ask with a narrower filter, for example since and until",
    )
}

/// How many are left out before a page of another list.
///
/// # Errors
/// Where the cursor is not one of ours.
pub fn skip(call: &Call) -> Result<u32, Problem> {
    let skip = call.one("cursor").map_or(Ok(0), |text| text.parse().map_err(|_| bad_cursor()))?;
    if skip > 1_000_000 { Err(too_far()) } else { Ok(skip) }
}

/// Of a list that was asked for with one more than its page: the page, and the cursor of the next.
pub fn page<T>(mut found: Vec<T>, skip: u32, limit: u32) -> (Vec<T>, Option<String>) {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    (found, more.then(|| skip.saturating_add(limit).to_string()))
}

/// The query of a list of devices, one more than the page.
///
/// # Errors
/// As the store's.
pub fn devices(call: &Call, reader: &Reader, limit: u32) -> Result<DeviceQuery, Problem> {
    Ok(DeviceQuery {
        devices: Vec::new(),
        roles: parsed(call, "role", Role::parse),
        protocols: owned(call.all("protocol")),
        zone: call.one("zone").map(str::to_owned),
        importances: parsed(call, "importance", Importance::parse),
        said: said(call),
        ot: call.truth("ot"),
        learned: call.truth("learned"),
        text: call.one("text").map(str::to_owned),
        properties: owned(call.all("property")),
        since: call.time(reader, "since")?,
        quiet_since: call.time(reader, "quiet_since")?,
        new_since: call.time(reader, "new_since")?,
        limit: Some(limit.saturating_add(1)),
        skip: skip(call)?,
    })
}

/// The query of the timeline, one more than the page and what lies before it.
///
/// # Errors
/// As the store's.
pub fn events(call: &Call, reader: &Reader, limit: u32) -> Result<EventQuery, Problem> {
    let skip = skip(call)?;
    if skip > 20_000 {
        return Err(too_far());
    }
    Ok(EventQuery {
        since: call.time(reader, "since")?,
        until: call.time(reader, "until")?,
        kinds: owned(call.all("kind")),
        devices: named(call, reader, "device")?,
        protocols: owned(call.all("protocol")),
        text: call.one("text").map(str::to_owned),
        newest_first: call.one("order") != Some("asc"),
        limit: Some(skip.saturating_add(limit).saturating_add(1)),
    })
}

/// The query of the baseline, one more than the page.
///
/// # Errors
/// As the store's.
pub fn baseline(call: &Call, reader: &Reader, limit: u32) -> Result<EntryQuery, Problem> {
    Ok(EntryQuery {
        entries: Vec::new(),
        kinds: parsed(call, "kind", EntryKind::parse),
        devices: named(call, reader, "device")?,
        protocols: owned(call.all("protocol")),
        spaces: owned(call.all("space")),
        allowed: call.truth("allowed"),
        limit: Some(limit.saturating_add(1)),
        skip: skip(call)?,
    })
}

/// The query of points, one more than the page.
///
/// # Errors
/// As the store's.
pub fn points(call: &Call, reader: &Reader, limit: u32) -> Result<PointQuery, Problem> {
    Ok(PointQuery {
        devices: named(call, reader, "device")?,
        spaces: owned(call.all("space")),
        written: call.truth("written").unwrap_or_default(),
        changed: call.truth("changed").unwrap_or_default(),
        limit: Some(limit.saturating_add(1)),
        skip: skip(call)?,
    })
}

/// The query of the journal.
///
/// # Errors
/// As the store's.
pub fn journal(call: &Call, reader: &Reader) -> Result<JournalQuery, Problem> {
    Ok(JournalQuery {
        devices: named(call, reader, "device")?,
        actors: named(call, reader, "actor")?,
        operations: owned(call.all("operation")),
        since: call.time(reader, "since")?,
        until: call.time(reader, "until")?,
        limit: Some(call.limit(100)),
    })
}

/// The query of program versions.
///
/// # Errors
/// As the store's.
pub fn programs(call: &Call, reader: &Reader) -> Result<ProgramQuery, Problem> {
    Ok(ProgramQuery {
        numbers: Vec::new(),
        devices: named(call, reader, "device")?,
        protocols: owned(call.all("protocol")),
        name: call.one("name").map(str::to_owned),
        sha256: call.one("sha256").map(str::to_owned),
        since: call.time(reader, "since")?,
        bytes: false,
    })
}

/// What a map shows.
///
/// # Errors
/// As the store's.
pub fn map(call: &Call, reader: &Reader) -> Result<MapQuery, Problem> {
    let text = |name: &str| call.one(name).map(str::to_owned);
    Ok(MapQuery {
        by: call.one("by").and_then(Grouping::parse).unwrap_or_default(),
        level: text("level"),
        zone: text("zone"),
        subnet: text("subnet"),
        protocols: owned(call.all("protocol")),
        since: call.time(reader, "since")?,
        until: call.time(reader, "until")?,
        alerts: call.truth("alerts").unwrap_or_default(),
        devices: named(call, reader, "device")?,
        open: owned(call.each("open")),
    })
}
