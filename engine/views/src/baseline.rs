//! The baseline: entries for people, the export as text, and the difference of two baselines.
//!
//! The export is made to be kept in version control and reviewed: one entry a line, in an order that follows from the
//! entries alone, devices by address (not by number, which differs from store to store), and nothing that changes
//! while the plant only goes on as learned (no counts, no times).

use crate::device::seconds;
use crate::names::{FrameView, Names};
use crate::{SCHEMA, ViewError, time};
use ot_engine::model::{BaselineEntry, DeviceId, EntryId, EntryKind, Grant, Origin, Scope};
use ot_protocol::SubAddress;
use ot_store::read::{ActRow, EntryQuery, Reader};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use utoipa::ToSchema;

/// First line of an exported baseline.
pub const HEADER: &str = "# ot-sensor baseline, format 1";

/// A baseline entry.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntryLine {
    /// Version of these keys.
    pub schema: u32,
    /// Its number.
    pub entry_id: u32,
    /// Kind.
    pub kind: String,
    /// How wide it is: `exact`, `pair`, `server`, `client` or `subnet`.
    pub scope: &'static str,
    /// The network of scope `subnet`.
    pub network: Option<String>,
    /// The canonical text, as in the export.
    pub text: String,
    /// Number of the client.
    pub client_id: Option<u32>,
    /// Client for people.
    pub client: Option<String>,
    /// Number of the server.
    pub server_id: Option<u32>,
    /// Server for people.
    pub server: Option<String>,
    /// Protocol or transport.
    pub protocol: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Function code.
    pub function: Option<u16>,
    /// Subfunction.
    pub subfunction: Option<u16>,
    /// Name of the function or operation.
    pub label: Option<String>,
    /// Address space; for kind `operation` the class.
    pub space: Option<String>,
    /// Number of the space.
    pub number: Option<u32>,
    /// First address.
    pub start: Option<u32>,
    /// Last address, inclusive.
    pub end: Option<u32>,
    /// Exception, group or property.
    pub detail: Option<String>,
    /// Whether it is allowed.
    pub allowed: bool,
    /// `traffic`, `observed`, `person` or `import`; `person` of an entry that is not allowed: that person took it back.
    pub origin: &'static str,
    /// The person, or the file.
    pub origin_by: Option<String>,
    /// Observations.
    pub count: u64,
    /// Of these while learning.
    pub learned_count: u64,
    /// Smallest value written.
    pub min: Option<f64>,
    /// Largest value written.
    pub max: Option<f64>,
    /// Mean interval in seconds.
    pub interval_seconds: Option<f64>,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// When it became allowed.
    pub allowed_at: Option<String>,
    /// When it stops being allowed.
    pub expires: Option<String>,
    /// Frame of the first observation.
    pub frame: Option<FrameView>,
}

/// The entries that a query lets through, by number.
pub fn entries(names: &Names<'_>, query: &EntryQuery) -> Result<Vec<EntryLine>, ViewError> {
    let found = names.reader().entries(query)?;
    names.prefetch(found.iter().flat_map(|entry| [entry.key.client, entry.key.server]).flatten())?;
    found.iter().map(|entry| line(names, entry)).collect()
}

fn line(names: &Names<'_>, entry: &BaselineEntry) -> Result<EntryLine, ViewError> {
    let key = &entry.key;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (origin, origin_by) = match &entry.origin {
        Origin::Traffic => ("traffic", None),
        Origin::Observed => ("observed", None),
        Origin::Person(who) => ("person", some(who)),
        Origin::Import(file) => ("import", some(file)),
    };
    Ok(EntryLine {
        schema: SCHEMA,
        entry_id: entry.id.0,
        kind: key.kind.as_str().to_owned(),
        scope: key.scope.as_str(),
        network: key.network.map(|network| network.to_string()),
        text: without_allowed(names, entry)?,
        client_id: key.client.map(|id| id.0),
        client: key.client.map(|id| names.label(id)).transpose()?,
        server_id: key.server.map(|id| id.0),
        server: key.server.map(|id| names.label(id)).transpose()?,
        protocol: some(key.protocol),
        port: key.port,
        function: key.function,
        subfunction: key.subfunction,
        label: some(entry.label),
        space: some(key.space),
        number: key.number,
        start: key.start,
        end: key.end,
        detail: key.text.as_deref().map(str::to_owned),
        allowed: entry.allowed,
        origin,
        origin_by,
        count: entry.count,
        learned_count: entry.learned_count,
        min: entry.min,
        max: entry.max,
        interval_seconds: mean(entry).map(seconds),
        first_seen: time(entry.first_seen),
        last_seen: time(entry.last_seen),
        allowed_at: entry.allowed_at.map(time),
        expires: entry.expires.map(time),
        frame: names.frame(entry.first_frame)?,
    })
}

/// The canonical text; whether it is allowed stands beside it.
fn without_allowed(names: &Names<'_>, entry: &BaselineEntry) -> Result<String, ViewError> {
    Ok(exported(names, &BaselineEntry { allowed: true, ..entry.clone() })?.text())
}

fn mean(entry: &BaselineEntry) -> Option<i64> {
    entry.intervals.sum.checked_div(i64::from(entry.intervals.count))
}

/// An act of a person, or an import, that allows something, takes an entry back, or gives it an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActLine {
    /// Version of these keys.
    pub schema: u32,
    /// Its number.
    pub act: u64,
    /// Wall time.
    pub time: Option<String>,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// What, in words.
    pub what: String,
    /// Ids of the alerts that it learned.
    pub alerts: Vec<String>,
    /// How many baseline entries it is about.
    pub entries: u64,
    /// Packet time at which the last of it ends; null: never.
    pub until: Option<String>,
    /// What the first part of it did, in words.
    pub answer: Option<String>,
}

/// The acts that stand, the newest first; at most so many.
pub fn acts(reader: &Reader, limit: Option<u32>) -> Result<Vec<ActLine>, ViewError> {
    Ok(reader.acts(limit)?.into_iter().map(act_line).collect())
}

/// The acts on one entry that stand, the newest first; of each only what it did to this entry.
pub fn acts_on(reader: &Reader, entry: EntryId) -> Result<Vec<ActLine>, ViewError> {
    Ok(reader.acts_on(entry)?.into_iter().map(act_line).collect())
}

fn act_line(act: ActRow) -> ActLine {
    let by = act.grants.iter().find_map(|grant| match &grant.origin {
        Origin::Person(who) => Some(who.clone()),
        Origin::Import(file) => Some(file.clone()),
        _ => None,
    });
    let (when, who, why, action, scope) = act.asked.unwrap_or_default();
    let short = act.alerts.iter().take(3).filter_map(|id| id.get(..8)).collect::<Vec<_>>().join(", ");
    let more = act.alerts.len().saturating_sub(3);
    let what = match (action.as_str(), act.alerts.len()) {
        ("baseline-remove", _) => format!("took back {}", named(&act.grants)),
        ("baseline-expire", _) => format!("set the end of {}", named(&act.grants)),
        ("baseline-allow", _) => format!("imported {}", by.clone().unwrap_or_default()),
        (_, 0) => "learned an alert that is not learned any more".to_owned(),
        (_, _) => {
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let scope = scope.filter(|scope| scope != "exact").map(|scope| format!(", scope {scope}"));
            format!("learned {short}{more}{}", scope.unwrap_or_default())
        }
    };
    let ends = act.grants.iter().map(|grant| grant.until);
    let until = ends.reduce(|a, b| Some(a?.max(b?))).flatten();
    ActLine {
        schema: SCHEMA,
        act: act.act,
        time: (when.0 > 0).then(|| time(when)),
        who: if who.is_empty() { by.unwrap_or_default() } else { who },
        why,
        what,
        alerts: act.alerts,
        entries: u64::try_from(act.grants.len()).unwrap_or(u64::MAX),
        until: until.map(time),
        answer: act.answer.filter(|answer| !answer.is_empty()),
    }
}

/// Entries by their numbers: `entry 5`, `entries 5, 6, 7 and 4 more`.
fn named(grants: &[Grant]) -> String {
    const NAMED: usize = 3;
    let list = grants.iter().take(NAMED).map(|grant| grant.entry.0.to_string()).collect::<Vec<_>>().join(", ");
    match grants.len() {
        0 | 1 => format!("entry {list}"),
        n if n > NAMED => format!("entries {list} and {} more", n - NAMED),
        _ => format!("entries {list}"),
    }
}

/// A line of an export: what the entry is about, and what may change of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportLine {
    order: Order,
    key: String,
    values: String,
}

/// The order of lines: kind, server, client, then what is done to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    kind: usize,
    server: Option<(Option<IpAddr>, String)>,
    client: Option<(Option<IpAddr>, String)>,
    protocol: String,
    port: Option<u64>,
    function: Option<u64>,
    subfunction: Option<u64>,
    space: String,
    number: Option<u64>,
    start: Option<u64>,
    end: Option<u64>,
    text: String,
}

impl ExportLine {
    /// The whole line.
    pub fn text(&self) -> String {
        if self.values.is_empty() { self.key.clone() } else { format!("{} {}", self.key, self.values) }
    }
}

/// Fields that say what an entry is about, in the order written.
const KEY_FIELDS: [&str; 13] = [
    "server",
    "client",
    "protocol",
    "port",
    "function",
    "subfunction",
    "space",
    "number",
    "start",
    "end",
    "text",
    "scope",
    "network",
];
/// Fields that may change.
const VALUE_FIELDS: [&str; 6] = ["name", "min", "max", "every", "expires", "allowed"];

/// The baseline as lines in canonical order; with `all` also what was only observed.
pub fn export(names: &Names<'_>, query: &EntryQuery) -> Result<Vec<ExportLine>, ViewError> {
    let found = names.reader().entries(query)?;
    names.prefetch(found.iter().flat_map(|entry| [entry.key.client, entry.key.server]).flatten())?;
    let mut lines = found.iter().map(|entry| exported(names, entry)).collect::<Result<Vec<_>, _>>()?;
    lines.sort();
    lines.dedup_by(|a, b| a.key == b.key);
    Ok(lines)
}

fn exported(names: &Names<'_>, entry: &BaselineEntry) -> Result<ExportLine, ViewError> {
    let key = &entry.key;
    let mut fields: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut put = |name: &'static str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.insert(name, value);
        }
    };
    put("server", key.server.map(|id| device_text(names, id)).transpose()?);
    put("client", key.client.map(|id| device_text(names, id)).transpose()?);
    put("protocol", Some(key.protocol.to_owned()));
    put("port", key.port.map(|port| port.to_string()));
    put("function", key.function.map(|function| function.to_string()));
    put("subfunction", key.subfunction.map(|function| function.to_string()));
    put("space", Some(key.space.to_owned()));
    put("number", key.number.map(|number| number.to_string()));
    put("start", key.start.map(|start| start.to_string()));
    put("end", key.end.map(|end| end.to_string()));
    put("text", key.text.as_deref().map(str::to_owned));
    put("scope", (key.scope != Scope::Exact).then(|| key.scope.as_str().to_owned()));
    put("network", key.network.map(|network| network.to_string()));
    put("name", Some(entry.label.to_owned()));
    if key.kind == EntryKind::Writer {
        put("min", entry.min.map(|min| min.to_string()));
        put("max", entry.max.map(|max| max.to_string()));
    }
    if key.kind == EntryKind::Rhythm {
        put("every", mean(entry).map(rounded_interval));
    }
    put("expires", entry.expires.map(time));
    put("allowed", (!entry.allowed).then(|| "no".to_owned()));
    Ok(build(key.kind, &fields))
}

fn build(kind: EntryKind, fields: &BTreeMap<&'static str, String>) -> ExportLine {
    let get = |name: &str| fields.get(name).cloned();
    let peer = |name: &str| get(name).map(|text| (text.split('/').next().and_then(|base| base.parse().ok()), text));
    let number = |name: &str| get(name).and_then(|text| text.parse().ok());
    let mut key = kind.as_str().to_owned();
    for name in KEY_FIELDS {
        if let Some(value) = fields.get(name) {
            let _ = write!(key, " {name}={}", quoted(value));
        }
    }
    let mut values = String::new();
    for name in VALUE_FIELDS {
        if let Some(value) = fields.get(name) {
            let space = if values.is_empty() { "" } else { " " };
            let _ = write!(values, "{space}{name}={}", quoted(value));
        }
    }
    ExportLine {
        order: Order {
            kind: EntryKind::ALL.iter().position(|known| *known == kind).unwrap_or_default(),
            server: peer("server"),
            client: peer("client"),
            protocol: get("protocol").unwrap_or_default(),
            port: number("port"),
            function: number("function"),
            subfunction: number("subfunction"),
            space: get("space").unwrap_or_default(),
            number: number("number"),
            start: number("start"),
            end: number("end"),
            text: get("text").unwrap_or_default(),
        },
        key,
        values,
    }
}

/// A device by what is the same in every store: address, and sub-address; MAC without an address.
fn device_text(names: &Names<'_>, id: DeviceId) -> Result<String, ViewError> {
    let Some(device) = names.device(id)? else { return Ok(format!("device-{}", id.0)) };
    let mut address = device.addresses.first().map(|address| address.ip.to_string());
    if let (None, Some(parent)) = (&address, device.parent) {
        address = names.device(parent)?.and_then(|parent| Some(parent.addresses.first()?.ip.to_string()));
    }
    let base = address.or_else(|| device.mac.map(|mac| mac.to_string())).unwrap_or_else(|| format!("device-{}", id.0));
    Ok(match device.sub {
        SubAddress::None => base,
        sub => format!("{base}/{}", sub.to_string().replace(' ', "-")),
    })
}

/// Two significant digits: a rhythm that jitters stays the same line.
fn rounded_interval(nanos: i64) -> String {
    let millis = nanos / 1_000_000;
    if millis < 1 {
        return "under-1ms".to_owned();
    }
    let mut step = 1;
    while millis / step >= 100 {
        step *= 10;
    }
    let rounded = (millis + step / 2) / step * step;
    if rounded % 1_000 == 0 { format!("{}s", rounded / 1_000) } else { format!("{rounded}ms") }
}

fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-+@=%".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}

/// Reads an exported baseline; `file` names it in errors. Empty lines and lines that start with `#` do not count.
pub fn parse(file: &str, text: &str) -> Result<Vec<ExportLine>, ViewError> {
    let wrong = |line: usize, problem: String| ViewError::BaselineFile { file: file.to_owned(), line, problem };
    if text.lines().next().map(str::trim_end) != Some(HEADER) {
        return Err(wrong(1, format!("is not {HEADER:?}")));
    }
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        lines.push(parse_line(line).map_err(|problem| wrong(number, problem))?);
    }
    lines.sort();
    lines.dedup_by(|a, b| a.key == b.key);
    Ok(lines)
}

/// A line of an exported baseline with its fields, for an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLine {
    /// Its number in the file, from 1.
    pub number: usize,
    /// Kind.
    pub kind: EntryKind,
    /// Fields by name, as in the export.
    pub fields: BTreeMap<&'static str, String>,
}

/// A line that cannot be read: its number, and why.
pub type BadLine = (usize, String);

/// Reads an exported baseline for an import: its lines, each on its own, or why it cannot be read.
pub fn parse_import(file: &str, text: &str) -> Result<Vec<Result<ImportLine, BadLine>>, ViewError> {
    if text.lines().next().map(str::trim_end) != Some(HEADER) {
        let problem = format!("is not {HEADER:?}");
        return Err(ViewError::BaselineFile { file: file.to_owned(), line: 1, problem });
    }
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    Ok(lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| match fields(line) {
            Ok((kind, fields)) => Ok(ImportLine { number, kind, fields }),
            Err(problem) => Err((number, problem)),
        })
        .collect())
}

fn parse_line(line: &str) -> Result<ExportLine, String> {
    let (kind, fields) = fields(line)?;
    Ok(build(kind, &fields))
}

fn fields(line: &str) -> Result<(EntryKind, BTreeMap<&'static str, String>), String> {
    let (kind, mut rest) = line.split_once(' ').unwrap_or((line, ""));
    let kind = EntryKind::parse(kind).ok_or_else(|| format!("unknown kind of entry {kind:?}"))?;
    let mut fields = BTreeMap::new();
    while !rest.trim_start().is_empty() {
        let (name, tail) =
            rest.trim_start().split_once('=').ok_or_else(|| format!("{:?} is no field=value", rest.trim()))?;
        let name = KEY_FIELDS
            .into_iter()
            .chain(VALUE_FIELDS)
            .find(|known| *known == name)
            .ok_or_else(|| format!("unknown field {name:?}"))?;
        let value;
        if tail.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(tail).into_iter::<String>();
            value = stream
                .next()
                .and_then(Result::ok)
                .ok_or_else(|| format!("the quotes of field {name:?} do not close"))?;
            rest = tail.get(stream.byte_offset()..).unwrap_or_default();
        } else {
            let (plain, after) = tail.split_once(' ').unwrap_or((tail, ""));
            value = plain.to_owned();
            rest = after;
        }
        if fields.insert(name, value).is_some() {
            return Err(format!("field {name:?} stands twice"));
        }
    }
    Ok((kind, fields))
}

/// A difference of two baselines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// Version of these keys.
    pub schema: u32,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// The line before; null where added.
    pub before: Option<String>,
    /// The line after; null where removed.
    pub after: Option<String>,
}

/// What is in `after` and not in `before`, and the other way round, in canonical order.
pub fn diff(before: &[ExportLine], after: &[ExportLine]) -> Vec<Difference> {
    type Sides<'a> = (Option<&'a ExportLine>, Option<&'a ExportLine>);
    let mut all: BTreeMap<(&Order, &str), Sides<'_>> = BTreeMap::new();
    for line in before {
        all.entry((&line.order, line.key.as_str())).or_default().0 = Some(line);
    }
    for line in after {
        all.entry((&line.order, line.key.as_str())).or_default().1 = Some(line);
    }
    all.into_values()
        .filter_map(|(before, after)| {
            let change = match (before, after) {
                (Some(before), Some(after)) if before.values == after.values => return None,
                (Some(_), Some(_)) => "changed",
                (Some(_), None) => "removed",
                (None, _) => "added",
            };
            Some(Difference {
                schema: SCHEMA,
                change,
                before: before.map(ExportLine::text),
                after: after.map(ExportLine::text),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ot-sensor baseline, format 1
# a comment
device server=10.0.0.9

function server=10.0.0.10/unit-1 client=10.0.0.5 protocol=modbus function=3 name=\"Read Holding Registers\"
writer server=10.0.0.10/unit-1 client=10.0.0.5 protocol=modbus space=holding-registers start=4 end=4 min=0 max=10
device server=10.0.0.10
";

    #[test]
    fn reads_what_it_writes_in_canonical_order() {
        let lines = parse("a.txt", TEXT).unwrap();
        let text: Vec<_> = lines.iter().map(ExportLine::text).collect();
        assert_eq!(text[0], "device server=10.0.0.9", "by number, not by letter");
        assert_eq!(text[1], "device server=10.0.0.10");
        assert!(text[2].ends_with("name=\"Read Holding Registers\""));
        let again = parse("b.txt", &format!("{HEADER}\n{}", text.join("\n"))).unwrap();
        assert_eq!(lines, again);
    }

    #[test]
    fn tells_differences() {
        let before = parse("a.txt", TEXT).unwrap();
        assert!(diff(&before, &before).is_empty());
        let after = TEXT.replace("max=10", "max=99").replace("device server=10.0.0.9", "device server=10.0.0.8");
        let found = diff(&before, &parse("b.txt", &after).unwrap());
        let changes: Vec<_> = found.iter().map(|difference| difference.change).collect();
        assert_eq!(changes, ["added", "removed", "changed"]);
    }

    #[test]
    fn refuses_what_is_no_export() {
        for (text, problem) in [
            ("", "line 1"),
            ("hello", "line 1"),
            ("# ot-sensor baseline, format 1\nnothing a=b", "line 2: unknown kind"),
            ("# ot-sensor baseline, format 1\ndevice foo=b", "unknown field \"foo\""),
            ("# ot-sensor baseline, format 1\ndevice server=\"b", "do not close"),
            ("# ot-sensor baseline, format 1\ndevice server", "no field=value"),
            ("# ot-sensor baseline, format 1\ndevice server=1 server=2", "twice"),
        ] {
            let error = parse("a.txt", text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn rhythms_are_rounded() {
        assert_eq!(rounded_interval(1_003_000_000), "1s");
        assert_eq!(rounded_interval(104_400_000), "100ms");
        assert_eq!(rounded_interval(99_000_000), "99ms");
        assert_eq!(rounded_interval(10), "under-1ms");
    }
}
