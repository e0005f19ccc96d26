//! Devices: the list, one device with all that is known of it, its process memory.

use crate::alert::{AlertFilter, AlertLine, alerts};
use crate::names::{FrameView, Names, PeerView, device_address, device_name, sub};
use crate::program::{ProgramLine, programs};
use crate::recommend::{Recommendation, recommendations};
use crate::timeline::{EventLine, events};
use crate::{SCHEMA, ViewError, time};
use ot_engine::context::Field;
use ot_engine::model::{BaselineEntry, Device, DeviceId, EntryKind};
use ot_engine::words;
use ot_store::read::{DeviceQuery, EntryQuery, EventQuery, PeerFilter, PointQuery, ProgramQuery, Reader};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use utoipa::ToSchema;

/// How many of the last events a device page holds.
const LAST_EVENTS: u32 = 20;
/// How many of the last alerts.
const LAST_ALERTS: u32 = 100;

/// A device as in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeviceLine {
    /// Version of these keys.
    pub schema: u32,
    /// Its number.
    pub device_id: u32,
    /// Name for people.
    pub name: String,
    /// Addresses, first seen first.
    pub ips: Vec<String>,
    /// MAC address.
    pub mac: Option<String>,
    /// VLANs.
    pub vlans: Vec<u16>,
    /// Unit, link address, rack and slot.
    pub sub_address: Option<String>,
    /// The device through which it is reached.
    pub parent_id: Option<u32>,
    /// Vendor.
    pub vendor: Option<String>,
    /// Role.
    pub role: String,
    /// How important it is to the plant: `low`, `normal` or `high`.
    pub importance: String,
    /// Site.
    pub site: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it stands.
    pub location: Option<String>,
    /// What else people noted.
    pub notes: Option<String>,
    /// Whether it may be on the network: `yes` or `no`; null where nobody said.
    pub authorised: Option<String>,
    /// Whether it may program controllers.
    pub programming_device: bool,
    /// Whether it may scan the network.
    pub scanner: bool,
    /// Words to group it by.
    pub tags: Vec<String>,
    /// Purdue level.
    pub purdue: Option<u8>,
    /// Zone.
    pub zone: Option<String>,
    /// Whether it speaks an OT protocol.
    pub ot: bool,
    /// Whether the baseline holds it.
    pub learned: bool,
    /// Protocols it asks with.
    pub client_of: Vec<String>,
    /// Protocols it answers.
    pub server_of: Vec<String>,
    /// Alerts that are not closed in which it takes part.
    pub open_alerts: u64,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
}

/// A device with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeviceStory {
    /// What the list tells.
    #[serde(flatten)]
    pub line: DeviceLine,
    /// What people and the configuration say of it, with who said it.
    pub said: Vec<SaidView>,
    /// What people changed, oldest first.
    pub history: Vec<ChangeView>,
    /// Why it has its role.
    pub role_reasons: Vec<ReasonView>,
    /// What it told of itself.
    pub identities: Vec<IdentityView>,
    /// Its addresses.
    pub addresses: Vec<AddressView>,
    /// Its protocols.
    pub protocols: Vec<ProtocolView>,
    /// The device through which it is reached.
    pub parent: Option<PeerView>,
    /// Units and link addresses behind it.
    pub units: Vec<PeerView>,
    /// With whom it talks, and what is done.
    pub neighbours: Vec<NeighbourView>,
    /// Which ranges of it are read and written, and which it reads and writes of others.
    pub ranges: Vec<RangeView>,
    /// Versions of its program blocks and files.
    pub programs: Vec<ProgramLine>,
    /// What should be done about it, most urgent first.
    pub recommendations: Vec<Recommendation>,
    /// Alerts in which it takes part, newest first, 100 at most.
    pub alerts: Vec<AlertLine>,
    /// Its last events, newest first.
    pub events: Vec<EventLine>,
}

/// A value that was said of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SaidView {
    /// `name`, `role`, `site`, `zone`, `importance`, `owner` …
    pub field: String,
    /// Its value.
    pub value: String,
    /// `person` or `configuration`.
    pub source: String,
    /// The person.
    pub who: Option<String>,
}

/// What a person changed of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeView {
    /// Wall time.
    pub time: String,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// Field.
    pub field: String,
    /// Value before, whatever its source.
    pub before: Option<String>,
    /// Value since.
    pub after: Option<String>,
}

/// Why a device has a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReasonView {
    /// The role this speaks for.
    pub role: String,
    /// In words.
    pub reason: String,
    /// Packet time.
    pub time: String,
    /// Frame.
    pub frame: Option<FrameView>,
}

/// A property a device told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IdentityView {
    /// `vendor`, `product`, `revision` …
    pub property: String,
    /// Its value.
    pub value: String,
    /// Where it comes from.
    pub source: String,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// Frame.
    pub frame: Option<FrameView>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AddressView {
    /// IP address.
    pub ip: String,
    /// VLAN.
    pub vlan: Option<u16>,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
}

/// A protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProtocolView {
    /// Protocol id, or transport and port.
    pub protocol: String,
    /// Whether it asked.
    pub as_client: bool,
    /// Whether it answered.
    pub as_server: bool,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
}

/// A conversation partner.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NeighbourView {
    /// Who.
    pub peer: PeerView,
    /// `client`: the neighbour asks; `server`: the neighbour answers.
    pub peer_is: &'static str,
    /// Protocols and ports.
    pub protocols: Vec<String>,
    /// Functions and operations used, with how often.
    pub functions: Vec<FunctionView>,
    /// Whether the baseline allows all of it.
    pub allowed: bool,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
}

/// A function used between two devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FunctionView {
    /// Protocol.
    pub protocol: String,
    /// Function code.
    pub code: Option<u16>,
    /// Subfunction.
    pub subfunction: Option<u16>,
    /// Name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// Whether the baseline allows it.
    pub allowed: bool,
}

/// A range of addresses in use.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RangeView {
    /// Number of the client.
    pub client_id: Option<u32>,
    /// Number of the server.
    pub server_id: Option<u32>,
    /// The other device, for people.
    pub peer: String,
    /// `client` or `server`: what the other device is.
    pub peer_is: &'static str,
    /// Function code.
    pub function: Option<u16>,
    /// Name of the function or operation.
    pub label: String,
    /// Address space.
    pub space: String,
    /// Number of the space.
    pub number: Option<u32>,
    /// First address.
    pub start: Option<u32>,
    /// Last address, inclusive.
    pub end: Option<u32>,
    /// The same as its engineers write it (`DB10.DBB4-DBB7`), where that is not these numbers.
    pub place: Option<String>,
    /// How often.
    pub count: u64,
    /// Whether the baseline allows it.
    pub allowed: bool,
}

/// Process memory of one point.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PointLine {
    /// Version of these keys.
    pub schema: u32,
    /// The server.
    pub device_id: u32,
    /// Its name.
    pub device: String,
    /// Protocol.
    pub protocol: String,
    /// Address space.
    pub space: String,
    /// Number of the space.
    pub number: Option<u32>,
    /// Address, in the protocol's own count (Modbus: from 0).
    pub address: u32,
    /// The same as its engineers write it (`DB10 4.0`), where that is not this number.
    pub place: Option<String>,
    /// Smallest value seen.
    pub min: Option<f64>,
    /// Largest value seen.
    pub max: Option<f64>,
    /// Seconds between reads, where it is read steadily.
    pub poll_interval_seconds: Option<f64>,
    /// Devices that read it.
    pub readers: Vec<PeerView>,
    /// Devices that wrote it.
    pub writers: Vec<PeerView>,
    /// Packet time.
    pub first_seen: String,
    /// Packet time something new was last seen of it.
    pub last_seen: String,
}

/// The devices that a person means: by number (`7` or `#7`), address (`10.0.0.5`, `10.0.0.5 unit 3`,
/// `10.0.0.5/unit-3`), MAC, name, or product. An address without a unit means the device at the address and all behind it.
pub fn find_devices(reader: &Reader, text: &str) -> Result<Vec<DeviceId>, ViewError> {
    let text = text.trim();
    let not_found = || ViewError::NoDevice(text.to_owned());
    if let Ok(number) = text.strip_prefix('#').unwrap_or(text).parse::<u32>() {
        let found = reader.devices(&DeviceQuery { devices: vec![DeviceId(number)], ..DeviceQuery::default() })?;
        return found.first().map(|device| vec![device.id]).ok_or_else(not_found);
    }
    let (base, wanted_sub) = match text.split_once([' ', '/']) {
        Some((base, rest)) => (base, Some(rest.replace('-', " "))),
        None => (text, None),
    };
    let mut found = match base.parse::<IpAddr>() {
        Ok(ip) => reader.devices_by_ip(ip)?,
        Err(_) if base.split([':', '-']).count() == 6 && base.len() == 17 => {
            reader.devices_by_mac(&base.to_lowercase().replace('-', ":"))?
        }
        Err(_) => {
            let named = reader.devices_by_name(text)?;
            return if named.is_empty() { Err(not_found()) } else { Ok(named) };
        }
    };
    // Units stand behind the device at the address, and may not repeat its address.
    for parent in found.clone() {
        for child in reader.children(parent)? {
            if !found.contains(&child) {
                found.push(child);
            }
        }
    }
    if let Some(wanted) = wanted_sub {
        let devices = reader.devices(&DeviceQuery { devices: found.clone(), ..DeviceQuery::default() })?;
        found = devices.iter().filter(|device| device.sub.to_string() == wanted).map(|device| device.id).collect();
    }
    if found.is_empty() { Err(not_found()) } else { Ok(found) }
}

/// The one device that a person means; of an address, the device at the address itself.
pub fn find_device(reader: &Reader, text: &str) -> Result<DeviceId, ViewError> {
    find_devices(reader, text)?.first().copied().ok_or_else(|| ViewError::NoDevice(text.to_owned()))
}

/// The devices that a query lets through, by number.
pub fn devices(names: &Names<'_>, query: &DeviceQuery) -> Result<Vec<DeviceLine>, ViewError> {
    let found = names.reader().devices(query)?;
    let open = open_alerts(names.reader(), &found.iter().map(|device| device.id).collect::<Vec<_>>())?;
    Ok(found.iter().map(|device| line(device, open.get(&device.id).copied().unwrap_or_default())).collect())
}

/// Alerts that are not closed, by device.
fn open_alerts(reader: &Reader, ids: &[DeviceId]) -> Result<BTreeMap<DeviceId, u64>, ViewError> {
    Ok(reader.open_alerts(ids)?.into_iter().collect())
}

fn line(device: &Device, open_alerts: u64) -> DeviceLine {
    let mut vlans: Vec<u16> = device.addresses.iter().filter_map(|address| address.vlan).collect();
    vlans.sort_unstable();
    vlans.dedup();
    let mut ips: Vec<String> = Vec::new();
    for address in &device.addresses {
        let ip = address.ip.to_string();
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    let spoken = |client: bool| {
        device
            .protocols
            .iter()
            .filter(|protocol| if client { protocol.as_client } else { protocol.as_server })
            .map(|protocol| protocol.protocol.clone())
            .collect()
    };
    let context = &device.context;
    let said = |field| context.text(field).map(str::to_owned);
    DeviceLine {
        schema: SCHEMA,
        device_id: device.id.0,
        name: device_name(device),
        ips,
        mac: device.mac.map(|mac| mac.to_string()),
        vlans,
        sub_address: sub(device.sub),
        parent_id: device.parent.map(|parent| parent.0),
        vendor: device.vendor.clone(),
        role: device.role.as_str().to_owned(),
        importance: context.importance(device.role).as_str().to_owned(),
        site: said(Field::Site),
        owner: said(Field::Owner),
        location: said(Field::Location),
        notes: said(Field::Notes),
        authorised: said(Field::Authorised),
        programming_device: context.is_yes(Field::ProgrammingDevice),
        scanner: context.is_yes(Field::Scanner),
        tags: context.tags().map(str::to_owned).collect(),
        purdue: device.purdue,
        zone: device.zone.clone(),
        ot: device.ot,
        learned: device.learned,
        client_of: spoken(true),
        server_of: spoken(false),
        open_alerts,
        first_seen: time(device.first_seen),
        last_seen: time(device.last_seen),
    }
}

/// All that is known of a device.
pub fn device(names: &Names<'_>, id: DeviceId) -> Result<DeviceStory, ViewError> {
    let reader = names.reader();
    let device = names.device(id)?.ok_or_else(|| ViewError::NoDevice(id.0.to_string()))?;
    let open = open_alerts(reader, &[id])?.get(&id).copied().unwrap_or_default();
    let entries = reader.entries(&EntryQuery { devices: vec![id], ..EntryQuery::default() })?;
    names.prefetch(entries.iter().flat_map(|entry| [entry.key.client, entry.key.server]).flatten())?;
    let mut role_reasons = Vec::new();
    for reason in &device.role_reasons {
        role_reasons.push(ReasonView {
            role: reason.role.as_str().to_owned(),
            reason: reason.reason.clone(),
            time: time(reason.time),
            frame: names.frame(reason.frame)?,
        });
    }
    let mut identities = Vec::new();
    for identity in &device.identities {
        identities.push(IdentityView {
            property: identity.property.clone(),
            value: identity.value.clone(),
            source: identity.source.clone(),
            first_seen: time(identity.first_seen),
            last_seen: time(identity.last_seen),
            frame: names.frame(identity.frame)?,
        });
    }
    let mut query = AlertFilter::default();
    query.query.limit = Some(LAST_ALERTS);
    query.query.peers = vec![PeerFilter { side: None, devices: vec![id], ips: Vec::new() }];
    Ok(DeviceStory {
        line: line(&device, open),
        said: device
            .context
            .iter()
            .map(|said| SaidView {
                field: said.field.as_str().to_owned(),
                value: said.value.clone(),
                source: said.source.as_str().to_owned(),
                who: (!said.who.is_empty()).then(|| said.who.clone()),
            })
            .collect(),
        history: reader
            .device_history(id)?
            .into_iter()
            .map(|row| ChangeView {
                time: time(row.time),
                who: row.who,
                why: row.why,
                field: row.field,
                before: row.before,
                after: row.after,
            })
            .collect(),
        role_reasons,
        identities,
        addresses: device
            .addresses
            .iter()
            .map(|address| AddressView {
                ip: address.ip.to_string(),
                vlan: address.vlan,
                first_seen: time(address.first_seen),
                last_seen: time(address.last_seen),
            })
            .collect(),
        protocols: device
            .protocols
            .iter()
            .map(|protocol| ProtocolView {
                protocol: protocol.protocol.clone(),
                as_client: protocol.as_client,
                as_server: protocol.as_server,
                first_seen: time(protocol.first_seen),
                last_seen: time(protocol.last_seen),
            })
            .collect(),
        parent: device.parent.map(|parent| names.device_view(parent)).transpose()?,
        units: reader.children(id)?.into_iter().map(|unit| names.device_view(unit)).collect::<Result<_, _>>()?,
        neighbours: neighbours(names, id, &entries)?,
        ranges: ranges(names, id, &entries)?,
        programs: programs(names, &ProgramQuery { devices: vec![id], ..ProgramQuery::default() })?,
        recommendations: recommendations(names, &device, &entries)?,
        alerts: alerts(names, &query)?,
        events: events(
            names,
            &EventQuery { devices: vec![id], newest_first: true, limit: Some(LAST_EVENTS), ..EventQuery::default() },
        )?,
    })
}

/// The other end of an entry, and whether it asks.
fn other_end(id: DeviceId, entry: &BaselineEntry) -> Option<(DeviceId, bool)> {
    match (entry.key.client, entry.key.server) {
        (Some(client), Some(server)) if server == id => Some((client, true)),
        (Some(client), Some(server)) if client == id => Some((server, false)),
        _ => None,
    }
}

fn neighbours(names: &Names<'_>, id: DeviceId, entries: &[BaselineEntry]) -> Result<Vec<NeighbourView>, ViewError> {
    let mut by_peer: BTreeMap<(DeviceId, bool), Vec<&BaselineEntry>> = BTreeMap::new();
    for entry in entries {
        if let Some(end) = other_end(id, entry) {
            by_peer.entry(end).or_default().push(entry);
        }
    }
    by_peer
        .into_iter()
        .map(|((peer, asks), entries)| {
            let mut protocols = Vec::new();
            let mut functions = Vec::new();
            for entry in &entries {
                let key = &entry.key;
                let text = match key.port {
                    Some(port) => format!("{}/{port}", key.protocol),
                    None => key.protocol.to_owned(),
                };
                let named = matches!(key.kind, EntryKind::Connection | EntryKind::Function);
                if named && !text.is_empty() && !protocols.contains(&text) {
                    protocols.push(text);
                }
                if key.kind == EntryKind::Function {
                    functions.push(FunctionView {
                        protocol: key.protocol.to_owned(),
                        code: key.function,
                        subfunction: key.subfunction,
                        name: entry.label.to_owned(),
                        count: entry.count,
                        allowed: entry.allowed,
                    });
                }
            }
            Ok(NeighbourView {
                peer: names.device_view(peer)?,
                peer_is: if asks { "client" } else { "server" },
                protocols,
                functions,
                allowed: entries.iter().all(|entry| entry.allowed),
                first_seen: time(entries.iter().map(|entry| entry.first_seen).min().unwrap_or_default()),
                last_seen: time(entries.iter().map(|entry| entry.last_seen).max().unwrap_or_default()),
            })
        })
        .collect()
}

fn ranges(names: &Names<'_>, id: DeviceId, entries: &[BaselineEntry]) -> Result<Vec<RangeView>, ViewError> {
    let mut ranges = Vec::new();
    for entry in entries.iter().filter(|entry| entry.key.kind == EntryKind::Range) {
        let Some((peer, asks)) = other_end(id, entry) else { continue };
        let key = &entry.key;
        ranges.push(RangeView {
            client_id: key.client.map(|id| id.0),
            server_id: key.server.map(|id| id.0),
            peer: names.label(peer)?,
            peer_is: if asks { "client" } else { "server" },
            function: key.function,
            label: entry.label.to_owned(),
            space: key.space.to_owned(),
            number: key.number,
            start: key.start,
            end: key.end,
            place: key.start.zip(key.end).and_then(|(low, high)| words::range(key.space, key.number, low, high)),
            count: entry.count,
            allowed: entry.allowed,
        });
    }
    ranges.sort_by(|a, b| {
        (&a.space, a.number, a.start, a.end, a.function, a.client_id, a.server_id).cmp(&(
            &b.space,
            b.number,
            b.start,
            b.end,
            b.function,
            b.client_id,
            b.server_id,
        ))
    });
    Ok(ranges)
}

/// Process memory of devices, by device, space, number and address.
pub fn points(names: &Names<'_>, query: &PointQuery) -> Result<Vec<PointLine>, ViewError> {
    let found = names.reader().points(query)?;
    names.prefetch(
        found.iter().flat_map(|point| point.readers.iter().chain(&point.writers).copied().chain([point.device])),
    )?;
    let views = |ids: &[DeviceId]| ids.iter().map(|&id| names.device_view(id)).collect::<Result<Vec<_>, ViewError>>();
    found
        .iter()
        .map(|point| {
            let device = names.device(point.device)?;
            Ok(PointLine {
                schema: SCHEMA,
                device_id: point.device.0,
                device: device
                    .as_ref()
                    .map_or_else(|| format!("device {}", point.device.0), |device| device_address(device)),
                protocol: point.protocol.to_owned(),
                space: point.space.to_owned(),
                number: point.number,
                address: point.address,
                place: words::offset(point.space, point.number, point.address),
                min: point.min,
                max: point.max,
                poll_interval_seconds: point.poll_interval.map(seconds),
                readers: views(&point.readers)?,
                writers: views(&point.writers)?,
                first_seen: time(point.first_seen),
                last_seen: time(point.last_seen),
            })
        })
        .collect()
}

/// Seconds with three digits.
pub(crate) fn seconds(nanos: i64) -> f64 {
    let millis = i32::try_from(nanos / 1_000_000).unwrap_or(i32::MAX);
    f64::from(millis) / 1_000.0
}
