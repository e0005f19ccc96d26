//! What sensors say, read with care: it comes over a network, from machines that may have been taken over.

use ot_engine::catalogue::Severity;
use ot_engine::model::Status;
use ot_forward::nats::token;
use ot_protocol::{Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a message at most; a sensor makes messages of some kilobytes.
pub const MOST_MESSAGE: usize = 128 << 10;
/// Bytes of one text within it; a sensor cuts its own at 4,000.
const MOST_TEXT: usize = 8 << 10;
/// Characters of what a person wrote.
const MOST_WORDS: usize = 4_000;
/// Items of a list within it.
const MOST_LIST: usize = 1_000;
/// Nanoseconds from 1970 to 2000.
const YEAR_2000: i64 = 946_684_800 * 1_000_000_000;
/// Nanoseconds from 1970 to 2200.
const YEAR_2200: i64 = 7_258_118_400 * 1_000_000_000;
/// Version of the messages that this reads.
const SCHEMA: u32 = 1;

/// What a sensor says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Of an alert.
    Alert(Box<AlertSaid>),
    /// Of itself.
    Status(Box<StatusSaid>),
}

/// Which outbox a message is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Its id.
    pub id: String,
    /// Since when, nanoseconds.
    pub since: i64,
}

/// A change of an alert, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSaid {
    /// Id of the sensor.
    pub sensor: String,
    /// Which outbox.
    pub outbox: Outbox,
    /// Its sequence.
    pub sequence: i64,
    /// `opened`, `status` …
    pub change: String,
    /// What held before.
    pub before: Option<String>,
    /// Who did it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// When it was committed at the sensor, nanoseconds.
    pub committed: i64,
    /// Severity.
    pub severity: Severity,
    /// Status.
    pub status: Status,
    /// First detection, nanoseconds.
    pub first_detection: i64,
    /// Last detection, nanoseconds.
    pub last_detection: i64,
    /// Violations.
    pub count: i64,
    /// What is kept of it for the views.
    pub told: Told,
}

/// What is kept of an alert for the views: as the sensor told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The alert.
    pub alert: Line,
    /// What the code of a refusal means.
    #[serde(default)]
    pub outcome_detail: Option<String>,
    /// The page of the alert at the sensor.
    #[serde(default)]
    pub link: Option<String>,
    /// Violations, the first ones.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// How many there are in all.
    #[serde(default)]
    pub violation_count: u32,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Engine.
    pub engine: String,
    /// Category.
    pub category: String,
    /// Severity.
    pub severity: String,
    /// Status.
    pub status: String,
    /// Whether it is learned.
    pub learned: bool,
    /// Whether it is muted.
    pub muted: bool,
    /// When it was closed.
    pub closed: Option<String>,
    /// Packet time.
    pub first_detection: String,
    /// Packet time.
    pub last_detection: String,
    /// Violations.
    pub count: u64,
    /// How many of these were planned.
    #[serde(default)]
    pub expected_count: u64,
    /// Protocol.
    pub protocol: Option<String>,
    /// What became of the command.
    pub outcome: Option<String>,
    /// Who.
    pub source: Option<Peer>,
    /// Where there are several.
    #[serde(default)]
    pub sources: Option<Vec<Peer>>,
    /// How many in all.
    #[serde(default)]
    pub source_count: Option<u32>,
    /// To whom.
    pub destination: Option<Peer>,
    /// Where there are several.
    #[serde(default)]
    pub destinations: Option<Vec<Peer>>,
    /// How many in all.
    #[serde(default)]
    pub destination_count: Option<u32>,
    /// Techniques.
    pub techniques: Vec<String>,
    /// What happened.
    pub description: String,
    /// Why it was noticed.
    pub why: String,
    /// Site.
    pub site: Option<String>,
    /// Zone.
    pub zone: Option<String>,
    /// The sensor.
    pub sensor: Option<String>,
    /// Frames.
    pub frames: Vec<Frame>,
}

impl Line {
    /// Sources, whether one or several.
    pub fn all_sources(&self) -> &[Peer] {
        self.sources.as_deref().unwrap_or(self.source.as_slice())
    }

    /// Destinations, whether one or several.
    pub fn all_destinations(&self) -> &[Peer] {
        self.destinations.as_deref().unwrap_or(self.destination.as_slice())
    }
}

/// A side of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Name.
    pub name: Option<String>,
    /// IP address.
    pub ip: Option<String>,
    /// MAC address.
    pub mac: Option<String>,
    /// Unit, link address, rack and slot.
    pub sub_address: Option<String>,
    /// Role.
    pub role: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// Zone.
    pub zone: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Importance.
    pub importance: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it stands.
    pub location: Option<String>,
    /// Whether it may be on the network.
    pub authorised: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Peer {
    /// Address, else MAC, and sub-address; `None` for neither.
    pub fn key(&self) -> Option<(&str, &str)> {
        let address = self.ip.as_deref().or(self.mac.as_deref())?;
        Some((address, self.sub_address.as_deref().unwrap_or_default()))
    }
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// File or interface.
    pub file: String,
    /// Number within it.
    pub number: u64,
}

/// A violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// How often.
    pub count: u64,
    /// How often as planned.
    #[serde(default)]
    pub expected_count: u64,
    /// Frame of the first.
    pub frame: Option<Frame>,
    /// The protocol's function.
    pub function: String,
    /// What it addressed.
    pub object: String,
    /// Values.
    pub value: String,
    /// What became of it.
    pub outcome: Option<String>,
    /// What the code of a refusal means.
    pub outcome_detail: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// How a sensor is, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusSaid {
    /// Id of the sensor.
    pub sensor: String,
    /// Its site.
    pub site: Option<String>,
    /// Version.
    pub version: String,
    /// Its clock, nanoseconds.
    pub time: i64,
    /// For how long it has been telling.
    pub uptime_seconds: i64,
    /// `ok` or `degraded`.
    pub health: String,
    /// Why.
    pub reasons: Vec<String>,
    /// Which outbox.
    pub outbox: Option<Outbox>,
    /// Newest sequence of it.
    pub newest: i64,
    /// Changes that wait.
    pub waiting: i64,
    /// Since when the oldest of these waits, nanoseconds.
    pub oldest_waiting: Option<i64>,
    /// Changes that were lost.
    pub lost: i64,
    /// Messages that were given up.
    pub refused: i64,
    /// Newest packet time, nanoseconds.
    pub newest_packet: Option<i64>,
    /// Alerts that came again: id, count, last detection.
    pub again: Vec<(String, i64, i64)>,
}

#[derive(Deserialize)]
struct RawOutbox {
    id: String,
    since: String,
}

#[derive(Deserialize)]
struct RawAlert {
    id: String,
    sequence: u64,
    change: String,
    before: Option<String>,
    by: Option<String>,
    reason: Option<String>,
    comment: Option<String>,
    outbox: Option<RawOutbox>,
    committed: Option<String>,
    #[serde(flatten)]
    told: Told,
}

#[derive(Deserialize)]
struct RawStatus {
    sensor: String,
    site: Option<String>,
    version: String,
    time: String,
    uptime_seconds: u64,
    health: RawHealth,
    outbox: Option<RawOutbox>,
    newest: u64,
    waiting: u64,
    oldest_waiting: Option<String>,
    lost: u64,
    refused: u64,
    newest_packet: Option<String>,
    #[serde(default)]
    again: Vec<RawAgain>,
}

#[derive(Deserialize)]
struct RawHealth {
    status: String,
    #[serde(default)]
    reasons: Vec<String>,
}

#[derive(Deserialize)]
struct RawAgain {
    id: String,
    count: u64,
    last_detection: String,
}

/// The subjects on which sensors speak; `{sensor}` stands for the id of the sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// Of alerts.
    pub alerts: String,
    /// Of how they are.
    pub status: String,
}

impl Subjects {
    /// Whether a sensor speaks of its alerts, or of itself, on this subject. The server of NATS says who may publish where, so
    /// that no sensor can speak for another one.
    fn is_of(pattern: &str, sensor: &str, subject: &str) -> bool {
        pattern.replace("{sensor}", &token(sensor)) == subject
    }
}

/// Reads a message.
///
/// # Errors
/// Why it cannot be taken, in words.
pub fn read(subjects: &Subjects, subject: &str, body: &[u8]) -> Result<Said, String> {
    if body.len() > MOST_MESSAGE {
        return Err(format!("{} bytes are more than the {MOST_MESSAGE} of a message", body.len()));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("is no JSON: {error}"))?;
    check(&value)?;
    match value["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(other) => return Err(format!("schema {other} is not known here; is the sensor newer than the centre?")),
        None => return Err("names no schema: it is no message of a sensor in format json".to_owned()),
    }
    if value["kind"] == "status" {
        return status(subjects, subject, value).map(|said| Said::Status(Box::new(said)));
    }
    alert(subjects, subject, value).map(|said| Said::Alert(Box::new(said)))
}

fn alert(subjects: &Subjects, subject: &str, value: Value) -> Result<AlertSaid, String> {
    let raw: RawAlert = serde_json::from_value(value).map_err(|error| format!("is no message of an alert: {error}"))?;
    let told = raw.told;
    let line = &told.alert;
    let sensor = sensor_of(line.sensor.as_deref().unwrap_or_default())?;
    if !Subjects::is_of(&subjects.alerts, &sensor, subject) {
        return Err(format!("came on {subject}, which is not the subject of sensor {sensor}"));
    }
    if raw.change == "test" {
        return Err("is a test message: the way works".to_owned());
    }
    if ot_store::Change::parse(&raw.change).is_none() {
        return Err(format!("change {:?} is not known here", raw.change));
    }
    let id = &line.id;
    if id.len() != 32 || !id.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)) {
        return Err(format!("{id:.40?} is no id of an alert"));
    }
    if raw.id != format!("{id}-{}", raw.sequence) {
        return Err(format!("id {:.60?} does not fit the alert and the sequence", raw.id));
    }
    let outbox = outbox(raw.outbox.as_ref())?
        .ok_or("names no outbox: the sensor is older than 0.1.0 with `fleet`; bring it up to date")?;
    let severity = Severity::ALL.into_iter().find(|one| one.as_str() == line.severity);
    let severity = severity.ok_or_else(|| format!("severity {:?} is not known here", line.severity))?;
    let status = Status::parse(&line.status).ok_or_else(|| format!("status {:?} is not known here", line.status))?;
    for peer in line.all_sources().iter().chain(line.all_destinations()) {
        check_peer(peer)?;
    }
    if line.all_sources().len() > 10 || line.all_destinations().len() > 10 {
        return Err("more than ten devices on a side".to_owned());
    }
    if told.violations.len() > 100 || line.frames.len() > 100 || line.techniques.len() > 20 {
        return Err("more violations, frames or techniques than a sensor tells".to_owned());
    }
    for (text, most) in [(&line.kind, 100), (&line.engine, 100), (&line.category, 100)] {
        if text.is_empty() || text.len() > most {
            return Err(format!("{text:.40?} is no id of a type, engine or category"));
        }
    }
    if let Some(outcome) = &line.outcome {
        check_outcome(outcome)?;
    }
    for violation in &told.violations {
        violation.outcome.as_deref().map_or(Ok(()), check_outcome)?;
        nanoseconds(&violation.first_seen)?;
        nanoseconds(&violation.last_seen)?;
        integer(violation.count)?;
        integer(violation.expected_count)?;
    }
    line.closed.as_deref().map_or(Ok(0), nanoseconds)?;
    integer(line.expected_count)?;
    let (first_detection, last_detection) = (nanoseconds(&line.first_detection)?, nanoseconds(&line.last_detection)?);
    Ok(AlertSaid {
        outbox,
        sequence: integer(raw.sequence)?,
        change: raw.change,
        before: raw.before,
        by: raw.by.map(words),
        reason: raw.reason.map(words),
        comment: raw.comment.map(words),
        committed: nanoseconds(raw.committed.as_deref().unwrap_or_default())?,
        severity,
        status,
        first_detection,
        last_detection: last_detection.max(first_detection),
        count: integer(line.count)?,
        sensor,
        told,
    })
}

fn status(subjects: &Subjects, subject: &str, value: Value) -> Result<StatusSaid, String> {
    let raw: RawStatus = serde_json::from_value(value).map_err(|error| format!("is no status of a sensor: {error}"))?;
    let sensor = sensor_of(&raw.sensor)?;
    if !Subjects::is_of(&subjects.status, &sensor, subject) {
        return Err(format!("came on {subject}, which is not the subject of the status of sensor {sensor}"));
    }
    let again = raw
        .again
        .into_iter()
        .map(|again| Ok((again.id, integer(again.count)?, nanoseconds(&again.last_detection)?)))
        .collect::<Result<_, String>>()?;
    Ok(StatusSaid {
        site: raw.site,
        version: raw.version,
        time: nanoseconds(&raw.time)?,
        uptime_seconds: integer(raw.uptime_seconds)?,
        health: raw.health.status,
        reasons: raw.health.reasons,
        outbox: outbox(raw.outbox.as_ref())?,
        newest: integer(raw.newest)?,
        waiting: integer(raw.waiting)?,
        oldest_waiting: raw.oldest_waiting.as_deref().map(nanoseconds).transpose()?,
        lost: integer(raw.lost)?,
        refused: integer(raw.refused)?,
        newest_packet: raw.newest_packet.as_deref().map(nanoseconds).transpose()?,
        again,
        sensor,
    })
}

/// What no database takes, and what no sensor says.
fn check(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => check_text(text),
        Value::Array(list) if list.len() > MOST_LIST => Err(format!("a list of {} items", list.len())),
        Value::Array(list) => list.iter().try_for_each(check),
        Value::Object(map) if map.len() > MOST_LIST => Err(format!("an object of {} keys", map.len())),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| check_text(key).and_then(|()| check(value))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.len() > MOST_TEXT {
        return Err(format!("a text of {} bytes", text.len()));
    }
    if text.contains('\0') { Err("a text that holds a zero byte".to_owned()) } else { Ok(()) }
}

/// What a person wrote, no longer than it is kept.
fn words(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MOST_WORDS) {
        text.truncate(at);
    }
    text
}

fn sensor_of(id: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_alphanumeric() || "-_. ".contains(letter);
    if id.is_empty() || id.len() > 100 || !id.chars().all(fits) {
        return Err(format!("{id:.100?} is no id of a sensor"));
    }
    Ok(id.to_owned())
}

fn check_peer(peer: &Peer) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what:.60?} is no address of a device"));
    if let Some(ip) = &peer.ip
        && ip.parse::<std::net::IpAddr>().is_err()
    {
        return wrong(ip);
    }
    if let Some(mac) = &peer.mac
        && ot_store::fleet::mac(mac).is_none()
    {
        return wrong(mac);
    }
    if let Some(sub) = &peer.sub_address
        && ot_store::fleet::sub(sub).is_none()
    {
        return wrong(sub);
    }
    if peer.tags.len() > 100 { wrong("more than 100 tags") } else { Ok(()) }
}

fn check_outcome(text: &str) -> Result<(), String> {
    match text {
        "pending" | "ok" | "rejected" | "unanswered" => Ok(()),
        other => Err(format!("outcome {other:.40?} is not known here")),
    }
}

/// An outcome from its word and what the code of a refusal means: `illegal data address (2)`.
pub fn outcome(word: Option<&str>, detail: Option<&str>) -> Option<Outcome> {
    match word? {
        "pending" => Some(Outcome::Pending),
        "ok" => Some(Outcome::Ok),
        "unanswered" => Some(Outcome::Unanswered),
        "rejected" => {
            let parts = detail.and_then(|detail| detail.strip_suffix(')')).and_then(|detail| detail.rsplit_once(" ("));
            let (name, code) = parts.unwrap_or(("refused", "0"));
            Some(Outcome::Rejected(code.parse().unwrap_or(0), ot_store::intern(name)))
        }
        _ => None,
    }
}

fn outbox(raw: Option<&RawOutbox>) -> Result<Option<Outbox>, String> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.id.is_empty() || raw.id.len() > 64 || !raw.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("{:.60?} is no id of an outbox", raw.id));
    }
    Ok(Some(Outbox { id: raw.id.clone(), since: nanoseconds(&raw.since)? }))
}

fn integer(number: u64) -> Result<i64, String> {
    i64::try_from(number).map_err(|_| format!("{number} is no count"))
}

/// A time of RFC 3339 in nanoseconds. No sensor is as old as 2000, and what lies after 2200 would stay the newest for good.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| format!("{text:.60?} is no time"))?;
    let within = |time: &i64| (YEAR_2000..YEAR_2200).contains(time);
    let time = i64::try_from(time.as_nanosecond()).ok().filter(within);
    time.ok_or_else(|| format!("{text:.60?} is no time between 2000 and 2200"))
}

/// A time that was checked.
pub fn moment(text: &str) -> Timestamp {
    Timestamp(nanoseconds(text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn subjects() -> Subjects {
        Subjects { alerts: "ot-sensor.alerts.{sensor}".into(), status: "ot-sensor.status.{sensor}".into() }
    }

    fn sample() -> Value {
        let peer = json!({ "name": "PLC", "ip": "10.0.0.9", "mac": null, "sub_address": "unit 1", "role": "controller",
            "vendor": null, "zone": "cell 1", "site": null, "importance": "high", "owner": null, "location": null,
            "authorised": null, "tags": ["press"] });
        json!({ "schema": 1, "id": "3f2a91c43f2a91c43f2a91c43f2a91c4-7", "sequence": 7, "change": "opened", "before": null,
            "time": "2026-01-15T08:11:25Z", "by": null, "reason": null, "comment": null, "link": null,
            "outbox": { "id": "0123456789abcdef0123456789abcdef", "since": "2026-01-15T08:00:00Z" },
            "committed": "2026-01-15T08:11:26Z",
            "alert": { "schema": 1, "id": "3f2a91c43f2a91c43f2a91c43f2a91c4", "type": "new-master", "title": "x",
                "engine": "policy-violation", "category": "c", "severity": "critical", "status": "new", "learned": false,
                "muted": false, "closed": null, "first_detection": "2026-01-15T08:11:25Z",
                "last_detection": "2026-01-15T08:11:25Z", "count": 1, "protocol": "modbus", "outcome": "rejected",
                "source": peer, "destination": null, "techniques": ["T0855"], "description": "d", "why": "w",
                "site": null, "zone": "cell 1", "sensor": "line 3", "frames": [{ "file": "eth1", "number": 4 }] },
            "outcome_detail": "illegal data address (2)", "violations": [], "violation_count": 1, "new": { "key": [1] } })
    }

    fn said(value: &Value) -> Result<Said, String> {
        read(&subjects(), "ot-sensor.alerts.line_3", value.to_string().as_bytes())
    }

    #[test]
    fn a_message_is_read_and_its_unknown_keys_are_passed_by() {
        let Said::Alert(said) = said(&sample()).unwrap() else { panic!() };
        assert_eq!((said.sensor.as_str(), said.sequence, said.severity), ("line 3", 7, Severity::Critical));
        assert_eq!(said.told.alert.all_sources()[0].key(), Some(("10.0.0.9", "unit 1")));
        assert_eq!(said.committed - said.first_detection, 1_000_000_000);
        let detail = said.told.outcome_detail.as_deref();
        assert_eq!(outcome(Some("rejected"), detail), Some(Outcome::Rejected(2, "illegal data address")));
    }

    #[test]
    fn what_people_wrote_is_cut() {
        let mut message = sample();
        message["comment"] = json!("\u{fc}".repeat(4_001));
        let Said::Alert(said) = said(&message).unwrap() else { panic!() };
        assert_eq!(said.comment.map(|text| text.chars().count()), Some(4_000));
    }

    #[test]
    fn what_a_sensor_does_not_say_is_refused_with_the_reason() {
        let with = |pointer: &str, value: Value| {
            let mut message = sample();
            *message.pointer_mut(pointer).unwrap() = value;
            said(&message).unwrap_err()
        };
        for (pointer, value, reason) in [
            ("/schema", json!(2), "schema 2 is not known"),
            ("/alert/sensor", json!("line 4"), "is not the subject of sensor line 4"),
            ("/alert/sensor", json!("a\u{7}"), "is no id of a sensor"),
            ("/alert/description", json!("a\0b"), "zero byte"),
            ("/alert/description", json!("x".repeat(9_000)), "a text of 9000 bytes"),
            ("/alert/severity", json!("huge"), "severity \"huge\""),
            ("/alert/status", json!("gone"), "status \"gone\""),
            ("/alert/id", json!("../../x"), "is no id of an alert"),
            ("/id", json!("other-7"), "does not fit"),
            ("/alert/count", json!(u64::MAX), "is no count"),
            ("/alert/count", json!(-1), "is no message of an alert"),
            ("/alert/first_detection", json!("yesterday"), "is no time"),
            ("/alert/last_detection", json!("2201-01-01T00:00:00Z"), "is no time between"),
            ("/committed", json!("1970-01-01T00:00:00Z"), "is no time between"),
            ("/alert/source/ip", json!("10.0.0"), "is no address"),
            ("/alert/source/sub_address", json!("unit x"), "is no address"),
            ("/alert/outcome", json!("done"), "outcome \"done\""),
            ("/outbox", Value::Null, "names no outbox"),
            ("/change", json!("test"), "is a test message"),
            ("/change", json!("x"), "change \"x\""),
        ] {
            let error = with(pointer, value);
            assert!(error.contains(reason), "{pointer}: {error}");
        }
        let no_json = read(&subjects(), "x", b"\xff{").unwrap_err();
        assert!(no_json.contains("is no JSON"), "{no_json}");
        let deep = "[".repeat(100_000);
        assert!(read(&subjects(), "x", deep.as_bytes()).is_err());
        assert!(read(&subjects(), "x", &vec![b' '; MOST_MESSAGE + 1]).unwrap_err().contains("more than"));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(at in 0_usize..2_000, with in prop::collection::vec(any::<u8>(), 0..8), cut in any::<bool>()) {
            let mut bytes = sample().to_string().into_bytes();
            let at = at.min(bytes.len());
            let end = if cut { bytes.len() } else { (at + with.len()).min(bytes.len()) };
            bytes.splice(at..end, with);
            // Either way it is an answer.
            let _ = read(&subjects(), "ot-sensor.alerts.line_3", &bytes);
        }
    }
}
