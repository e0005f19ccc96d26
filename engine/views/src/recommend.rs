//! What should be done about a device, and the facts each advice rests on. Everything here follows from what the store
//! holds; nothing is guessed from a vendor or model.

use crate::alert::{AlertFilter, alerts};
use crate::names::Names;
use crate::{ViewError, time};
use ot_engine::addresses::is_public;
use ot_engine::model::{BaselineEntry, Device, DeviceId, EntryKind};
use ot_engine::words;
use ot_protocol::Timestamp;
use ot_store::read::{PeerFilter, PointQuery, Reader, Side};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Facts told of one advice.
const FACTS: usize = 8;
/// Written points that are looked at for several writers.
const POINTS: u32 = 2_000;
/// Alerts that are looked at for each type.
const ALERTS: u32 = 20;

/// What should be done about a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Recommendation {
    /// Stable id: `default-credentials`, `internet-contact`, `clear-text-sign-in`, `several-masters`, `no-authentication`
    /// or `obsolete`.
    pub id: &'static str,
    /// What is the matter.
    pub title: String,
    /// `high`, `normal` or `low`.
    pub urgency: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What it rests on, newest first; eight at most.
    pub facts: Vec<Fact>,
    /// Facts beyond these.
    pub more_facts: u64,
    /// What to do, in order.
    pub steps: Vec<&'static str>,
}

/// What an advice rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fact {
    /// In words.
    pub text: String,
    /// Packet time it was last seen.
    pub last_seen: String,
    /// Id of the alert that told it.
    pub alert: Option<String>,
    /// Number of the baseline entry that holds it.
    pub entry_id: Option<u32>,
}

/// Dated, to be sorted.
struct Dated(Timestamp, Fact);

impl Dated {
    fn of(entry: &BaselineEntry, text: String) -> Self {
        Self(entry.last_seen, Fact { text, last_seen: time(entry.last_seen), alert: None, entry_id: Some(entry.id.0) })
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// What should be done about a device, most urgent first.
///
/// # Errors
/// As the store's.
pub fn recommendations(
    names: &Names<'_>,
    device: &Device,
    entries: &[BaselineEntry],
) -> Result<Vec<Recommendation>, ViewError> {
    let commanders = commanders(device.id, entries);
    let all = [
        default_credentials(names, device.id)?,
        internet(names, device, entries)?,
        clear_text(names, device.id, entries)?,
        several_masters(names, device.id, &commanders)?,
        no_authentication(names, device, entries, &commanders)?,
        obsolete(names, device, entries)?,
    ];
    let mut found: Vec<Recommendation> = all.into_iter().flatten().collect();
    let rank = |urgency: &str| ["high", "normal", "low"].iter().position(|known| *known == urgency);
    found.sort_by_key(|one| rank(one.urgency));
    Ok(found)
}

fn advice(
    id: &'static str,
    urgency: &'static str,
    title: String,
    why: &'static str,
    mut facts: Vec<Dated>,
    steps: &[&'static str],
) -> Option<Recommendation> {
    if facts.is_empty() {
        return None;
    }
    facts.sort_by(|a, b| (Reverse(a.0), &a.1.text).cmp(&(Reverse(b.0), &b.1.text)));
    let more = facts.len().saturating_sub(FACTS);
    facts.truncate(FACTS);
    Some(Recommendation {
        id,
        title,
        urgency,
        why,
        facts: facts.into_iter().map(|dated| dated.1).collect(),
        more_facts: u64::try_from(more).unwrap_or(u64::MAX),
        steps: steps.to_vec(),
    })
}

/// Entries by which clients commanded or programmed the device: `command`, writes beyond it, programs.
fn commanders(id: DeviceId, entries: &[BaselineEntry]) -> BTreeMap<DeviceId, Vec<&BaselineEntry>> {
    const OTHER: [&str; 4] = ["clear-text-sign-in", "refused-sign-in", "remote-session", "integrity-poll"];
    let mut found: BTreeMap<DeviceId, Vec<&BaselineEntry>> = BTreeMap::new();
    for entry in entries {
        let key = &entry.key;
        let changes = key.kind == EntryKind::Operation && !OTHER.contains(&key.space) && !key.space.ends_with("-read");
        if let Some(client) = key.client.filter(|_| changes && key.server == Some(id)) {
            found.entry(client).or_default().push(entry);
        }
    }
    found
}

fn default_credentials(names: &Names<'_>, id: DeviceId) -> Result<Option<Recommendation>, ViewError> {
    let mut filter = AlertFilter::default();
    filter.query.kinds = vec!["default-credentials".to_owned()];
    filter.query.peers = vec![PeerFilter { side: Some(Side::Destination), devices: vec![id], ips: Vec::new() }];
    filter.query.limit = Some(ALERTS);
    let facts = alerts(names, &filter)?.into_iter().map(|alert| {
        let last = alert.last_detection.parse().ok().map_or(Timestamp::default(), nanoseconds);
        let text = format!("{}, {}", alert.description.trim_end_matches('.'), times(alert.count));
        Dated(last, Fact { text, last_seen: alert.last_detection, alert: Some(alert.id), entry_id: None })
    });
    Ok(advice(
        "default-credentials",
        "high",
        "It was offered credentials that left the factory with it".to_owned(),
        "Everybody can look them up; malware tries them first.",
        facts.collect(),
        &[
            "Find out whether the device accepts them: the alert says what became of the sign-in.",
            "Set a password of your own, on this device and on all of its kind.",
            "If nobody of you used them, treat the source as an intruder's foothold.",
        ],
    ))
}

fn nanoseconds(time: jiff::Timestamp) -> Timestamp {
    Timestamp(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
}

fn internet(
    names: &Names<'_>,
    device: &Device,
    entries: &[BaselineEntry],
) -> Result<Option<Recommendation>, ViewError> {
    let mut facts = Vec::new();
    for entry in entries.iter().filter(|entry| entry.key.kind == EntryKind::Connection) {
        let key = &entry.key;
        let outside = match (key.space, &key.text) {
            ("internet-attempt", Some(address)) => Some(format!("asked {address}, which did not answer")),
            ("internet-connection", Some(address)) => Some(format!("talked with {address}")),
            _ => None,
        };
        let text = match outside {
            Some(text) => text,
            None => {
                let other = if key.client == Some(device.id) { key.server } else { key.client };
                let Some(other) = other.filter(|other| *other != device.id) else { continue };
                let Some(known) = names.device(other)? else { continue };
                if !known.addresses.first().is_some_and(|address| is_public(address.ip)) {
                    continue;
                }
                format!("talked with {}", names.label(other)?)
            }
        };
        let port = key.port.map_or_else(String::new, |port| format!(", {}/{port}", key.protocol));
        facts.push(Dated::of(entry, format!("{text}{port}, {}", times(entry.count))));
    }
    let answered = facts.iter().any(|fact| fact.1.text.starts_with("talked"));
    Ok(advice(
        "internet-contact",
        if answered && device.ot { "high" } else { "normal" },
        if answered { "It talks with the internet" } else { "It tries to reach the internet" }.to_owned(),
        "What reaches out can be reached: an intruder needs one such way in, and one to carry data out.",
        facts,
        &[
            "Ask the owner what it needs there: time, updates, remote support.",
            "Offer it inside: a time server, an update server, a jump host in the DMZ.",
            "Then block its way out at the firewall, and learn nothing of it.",
        ],
    ))
}

fn clear_text(names: &Names<'_>, id: DeviceId, entries: &[BaselineEntry]) -> Result<Option<Recommendation>, ViewError> {
    let mut facts = Vec::new();
    for entry in entries.iter().filter(|entry| entry.key.space == "clear-text-sign-in") {
        let (Some(client), Some(server)) = (entry.key.client, entry.key.server) else { continue };
        let text = if server == id {
            format!("{} signed in to it by {}", names.label(client)?, entry.key.protocol)
        } else {
            format!("it signed in to {} by {}", names.label(server)?, entry.key.protocol)
        };
        facts.push(Dated::of(entry, format!("{text}, {}", times(entry.count))));
    }
    Ok(advice(
        "clear-text-sign-in",
        "normal",
        "Passwords cross the network in clear text".to_owned(),
        "Whoever listens on the way has the password, and often the same one opens more.",
        facts,
        &[
            "Use the encrypted protocol where the device has one: SSH for Telnet, SFTP for FTP, HTTPS for HTTP.",
            "Where it has none, reach it only from a jump host in its own zone.",
            "Change the password once that is done: it was readable until then.",
        ],
    ))
}

fn several_masters(
    names: &Names<'_>,
    id: DeviceId,
    commanders: &BTreeMap<DeviceId, Vec<&BaselineEntry>>,
) -> Result<Option<Recommendation>, ViewError> {
    if commanders.len() < 2 {
        return Ok(None);
    }
    let mut facts = Vec::new();
    for (client, own) in commanders {
        let label = names.label(*client)?;
        for entry in own {
            let not = if entry.allowed { "" } else { ", not in the baseline" };
            let what = entry.key.space.replace('-', " ");
            facts.push(Dated::of(
                entry,
                format!("{label}: {what} by {}, {}{not}", entry.key.protocol, times(entry.count)),
            ));
        }
    }
    let shared = shared_points(names.reader(), id)?;
    for (text, last, writers) in shared {
        let labels: Vec<String> = writers.iter().map(|writer| names.label(*writer)).collect::<Result<_, _>>()?;
        let text = format!("{text} is written by {}", labels.join(" and "));
        facts.push(Dated(last, Fact { text, last_seen: time(last), alert: None, entry_id: None }));
    }
    let allowed = commanders.values().flatten().all(|entry| entry.allowed);
    Ok(advice(
        "several-masters",
        if allowed { "low" } else { "normal" },
        format!("{} devices command it", commanders.len()),
        "Two masters that do not know of each other overwrite each other's values, and a foreign one goes unnoticed.",
        facts,
        &[
            "Check that each of them is meant to command it: an HMI and its standby are, a laptop is not.",
            "Let the controller or a firewall accept writes from these addresses only.",
            "Give each point one writer where the process allows it.",
        ],
    ))
}

/// Points that several devices write.
fn shared_points(reader: &Reader, id: DeviceId) -> Result<Vec<(String, Timestamp, Vec<DeviceId>)>, ViewError> {
    let query = PointQuery { devices: vec![id], written: true, limit: Some(POINTS), ..PointQuery::default() };
    let points = reader.points(&query)?.into_iter().filter(|point| point.writers.len() > 1);
    Ok(points
        .map(|point| {
            let place = words::offset(point.space, point.number, point.address);
            let place = place.unwrap_or_else(|| point.address.to_string());
            (format!("{} {place}", point.space.replace('-', " ")), point.last_seen, point.writers)
        })
        .collect())
}

/// Functions of DNP3 secure authentication (IEEE 1815-2012, clause 7): request, request without confirmation, response.
const SECURE_AUTHENTICATION: [u16; 3] = [32, 33, 131];

fn no_authentication(
    names: &Names<'_>,
    device: &Device,
    entries: &[BaselineEntry],
    commanders: &BTreeMap<DeviceId, Vec<&BaselineEntry>>,
) -> Result<Option<Recommendation>, ViewError> {
    let mut facts = Vec::new();
    let mut bare: BTreeSet<&str> = BTreeSet::new();
    for used in device.protocols.iter().filter(|used| used.as_server) {
        let functions = || {
            let own = entries.iter().filter(|entry| entry.key.kind == EntryKind::Function);
            own.filter(|entry| entry.key.server == Some(device.id) && entry.key.protocol == used.protocol)
        };
        let told = match used.protocol.as_str() {
            "modbus" => "the protocol has none",
            "s7comm" if !functions().any(|entry| entry.label.contains("assword")) => "no password was seen in use",
            "dnp3"
                if !functions()
                    .any(|entry| entry.key.function.is_some_and(|code| SECURE_AUTHENTICATION.contains(&code))) =>
            {
                "secure authentication was not seen in use"
            }
            _ => continue,
        };
        let Some(newest) = functions().max_by_key(|entry| (entry.last_seen, entry.id)) else { continue };
        let clients: BTreeSet<DeviceId> = functions().filter_map(|entry| entry.key.client).collect();
        bare.insert(match used.protocol.as_str() {
            "modbus" => "Modbus",
            "s7comm" => "S7comm",
            _ => "DNP3",
        });
        let who =
            if clients.len() == 1 { "1 device asks".to_owned() } else { format!("{} devices ask", clients.len()) };
        facts.push(Dated::of(newest, format!("{who} it by {}: {told}", used.protocol)));
        for (client, own) in commanders {
            let commands = own.iter().filter(|entry| entry.key.protocol == used.protocol);
            if let Some(last) = commands.max_by_key(|entry| (entry.last_seen, entry.id)) {
                let what = last.key.space.replace('-', " ");
                let text = format!(
                    "{} did so without proving who it is: {what}, {}",
                    names.label(*client)?,
                    times(last.count)
                );
                facts.push(Dated::of(last, text));
            }
        }
    }
    let names: Vec<&str> = bare.into_iter().collect();
    Ok(advice(
        "no-authentication",
        if commanders.is_empty() { "low" } else { "normal" },
        format!("It takes {} requests from anyone: no authentication is in use", names.join(" and ")),
        "Whoever reaches it over the network can do what its masters do.",
        facts,
        &[
            "Limit who reaches it: a firewall or a controller's own list of clients, with the addresses seen here.",
            "Turn on what the device has: access levels and passwords of S7, secure authentication of DNP3, Modbus with TLS.",
            "Where it has nothing, watch for new masters: ot-sensor tells each that the baseline does not hold.",
        ],
    ))
}

fn obsolete(
    names: &Names<'_>,
    device: &Device,
    entries: &[BaselineEntry],
) -> Result<Option<Recommendation>, ViewError> {
    let mut facts = Vec::new();
    for entry in entries.iter().filter(|entry| entry.key.kind == EntryKind::Function) {
        let (Some(client), Some(server)) = (entry.key.client, entry.key.server) else { continue };
        // IEEE 1815-2012, clause 4.4: both are there for old outstations alone.
        let replaced = match (entry.key.protocol, entry.key.function) {
            ("dnp3", Some(15)) => "Initialize Data is obsolete, Initialize Application takes its place",
            ("dnp3", Some(19)) => "Save Configuration is deprecated, Activate Configuration takes its place",
            _ => continue,
        };
        let (asks, answers) = (names.label(client)?, names.label(server)?);
        facts.push(Dated::of(entry, format!("{asks} to {answers}, {}: {replaced}", times(entry.count))));
    }
    for used in device.protocols.iter().filter(|used| used.as_server) {
        let instead = match used.protocol.as_str() {
            "telnet" => "answers Telnet; SSH takes its place",
            "ftp" => "answers FTP; SFTP or HTTPS take its place",
            _ => continue,
        };
        let fact = Fact { text: instead.to_owned(), last_seen: time(used.last_seen), alert: None, entry_id: None };
        facts.push(Dated(used.last_seen, fact));
    }
    for told in &device.identities {
        // RFC 8996 deprecates 1.0 and 1.1, RFC 7568 forbids SSL 3.0.
        if told.property == "tls-version" && ["SSL 3.0", "TLS 1.0", "TLS 1.1"].contains(&told.value.as_str()) {
            let text = format!("it spoke {}; TLS 1.2 and 1.3 take its place", told.value);
            facts.push(Dated(
                told.last_seen,
                Fact { text, last_seen: time(told.last_seen), alert: None, entry_id: None },
            ));
        }
    }
    Ok(advice(
        "obsolete",
        "low",
        "It uses functions or protocols that have been replaced".to_owned(),
        "They are less tested and less protected, and newer equipment may refuse them.",
        facts,
        &[
            "Look whether the newer one can be turned on, here and at those that use it.",
            "Turn the old one off; plan a firmware update or replacement where that cannot be done.",
        ],
    ))
}
