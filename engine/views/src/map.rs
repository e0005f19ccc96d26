//! The map of the network: devices and their conversations, by Purdue level, zone or subnet. However many devices there
//! are, few things are drawn: groups stay folded until somebody opens them.

use crate::names::{Names, device_address, device_name};
use crate::{SCHEMA, ViewError, time};
use ot_engine::addresses::is_public;
use ot_engine::catalogue::Severity;
use ot_engine::model::{DeviceId, Status};
use ot_protocol::Timestamp;
use ot_store::read::{AlertQuery, PlaceRow, UseRow};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Up to so many devices each is drawn without being asked for.
const FEW: usize = 60;
/// Devices drawn of an open group, and in all.
const OF_GROUP: usize = 120;
const DRAWN: usize = 300;
/// Groups drawn, shared by the levels there are; the smallest beyond them are one of each level.
const GROUPS: usize = 60;
/// Conversations drawn.
const EDGES: usize = 160;
/// Neighbours of the devices that a map is drawn around.
const NEIGHBOURS: usize = 40;
/// Open alerts, the newest ones, that are looked at for who took part.
const ALERTS: u32 = 2_000;
/// Operations told of a conversation.
const OPERATIONS: usize = 12;
/// How the key of the group of all groups of a level beyond [`GROUPS`] ends.
const REST: &str = "~rest";

/// By what devices are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Purdue level, and within it by zone, or subnet where nobody said a zone.
    #[default]
    Level,
    /// Zone.
    Zone,
    /// Subnet: /24 of IPv4, /64 of IPv6.
    Subnet,
}

impl Grouping {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Level, Self::Zone, Self::Subnet];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Zone => "zone",
            Self::Subnet => "subnet",
        }
    }

    /// The one with this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == id)
    }
}

/// What a map shows. All that is asked for must hold of a device; those that talk with it are shown as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapQuery {
    /// By what devices are grouped.
    pub by: Grouping,
    /// On this level: `0` to `5`, or `unknown`.
    pub level: Option<String>,
    /// In this zone.
    pub zone: Option<String>,
    /// In this subnet, as the map writes it.
    pub subnet: Option<String>,
    /// Conversations in one of these protocols.
    pub protocols: Vec<String>,
    /// Last seen at or after.
    pub since: Option<Timestamp>,
    /// First seen at or before.
    pub until: Option<Timestamp>,
    /// Only devices and conversations with alerts that are not closed.
    pub alerts: bool,
    /// These devices.
    pub devices: Vec<DeviceId>,
    /// Groups that are open, by key.
    pub open: Vec<String>,
}

/// A map.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MapView {
    /// Version of these keys.
    pub schema: u32,
    /// `level`, `zone` or `subnet`.
    pub by: &'static str,
    /// Devices that the filters let through.
    pub devices: u64,
    /// Of these, drawn each by itself.
    pub drawn: u64,
    /// Whether all groups are open because there are few devices.
    pub all_open: bool,
    /// Groups, from the top of the map.
    pub groups: Vec<MapGroup>,
    /// What is drawn: devices and folded groups.
    pub nodes: Vec<MapNode>,
    /// Conversations between them, those with alerts first.
    pub edges: Vec<MapEdge>,
    /// Conversations between nodes that are not drawn: the least busy ones without alerts.
    pub edges_left_out: u64,
    /// Neighbours that are not drawn, of a map around devices.
    pub neighbours_left_out: u64,
    /// Whether there are more open alerts than the newest 2,000, of which alone it is told who took part.
    pub more_alerts: bool,
}

/// A group of devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MapGroup {
    /// Key, to open it with.
    pub key: String,
    /// Of a map by level the level in words; empty otherwise.
    pub band: String,
    /// Its name.
    pub title: String,
    /// Devices in it.
    pub devices: u64,
    /// Whether its devices are drawn.
    pub open: bool,
    /// Whether it can be opened.
    pub can_open: bool,
    /// Pairs of devices within it that talk with each other.
    pub inside: u64,
}

/// A device, or the devices of a group that are not drawn by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MapNode {
    /// `device-7`, or `group-` and the key.
    pub id: String,
    /// Key of its group.
    pub group: String,
    /// Number of the device; null for several.
    pub device_id: Option<u32>,
    /// Name for people.
    pub name: String,
    /// Address of the device; how many there are of several.
    pub address: String,
    /// Role of the device.
    pub role: Option<String>,
    /// Alerts that are not closed in which it takes part.
    pub open_alerts: u64,
    /// The highest severity of these, where it is among the newest ones.
    pub severity: Option<String>,
    /// Whether the map is drawn around it.
    pub own: bool,
}

/// Conversations from one node to another: the first one asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MapEdge {
    /// Node that asks.
    pub from: String,
    /// Node that answers.
    pub to: String,
    /// Its name.
    pub from_name: String,
    /// Its name.
    pub to_name: String,
    /// Number of the device that asks, where it is one.
    pub from_device: Option<u32>,
    /// Number of the device that answers, where it is one.
    pub to_device: Option<u32>,
    /// Pairs of devices.
    pub pairs: u64,
    /// Protocols, with the port where nothing of it was decoded.
    pub protocols: Vec<String>,
    /// What is done, most often first; 12 at most.
    pub operations: Vec<MapOperation>,
    /// Whether the baseline allows all of it.
    pub allowed: bool,
    /// Alerts between the two that are not closed, among the newest 2,000.
    pub alerts: u64,
    /// The highest severity of these.
    pub severity: Option<String>,
    /// Packet time; null where only alerts tell of it.
    pub first_seen: Option<String>,
    /// Packet time.
    pub last_seen: Option<String>,
}

/// What is done in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MapOperation {
    /// Protocol.
    pub protocol: String,
    /// Function.
    pub name: String,
    /// How often.
    pub count: u64,
    /// Whether the baseline allows it.
    pub allowed: bool,
}

/// A Purdue level in words.
pub fn level_title(level: Option<u8>) -> String {
    match level {
        Some(0) => "Level 0 · process".to_owned(),
        Some(1) => "Level 1 · control".to_owned(),
        Some(2) => "Level 2 · supervision".to_owned(),
        Some(3) => "Level 3 · operations".to_owned(),
        Some(4) => "Level 4 · business".to_owned(),
        Some(level) => format!("Level {level} · enterprise"),
        None => "Level not known".to_owned(),
    }
}

fn level_id(level: Option<u8>) -> String {
    level.map_or_else(|| "unknown".to_owned(), |level| level.to_string())
}

/// The subnet of an address, in words.
fn subnet(ip: Option<IpAddr>) -> String {
    match ip {
        None => "no IP address".to_owned(),
        Some(ip) if is_public(ip) => "internet".to_owned(),
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(ip @ IpAddr::V6(_)) => {
            ipnet::IpNet::new(ip, 64).map_or_else(|_| ip.to_string(), |network| network.trunc().to_string())
        }
    }
}

/// The two sides of an alert, and its severity.
type Sides = (DeviceId, DeviceId, Severity);

/// Where a device stands on the map.
struct Place {
    level: Option<u8>,
    zone: Option<String>,
    ip: Option<IpAddr>,
    key: String,
    /// How the keys of its band begin.
    order: String,
    band: String,
    title: String,
    seen: bool,
}

/// What is known of a conversation while it is gathered.
#[derive(Default)]
struct Talk {
    pairs: BTreeSet<(DeviceId, DeviceId)>,
    protocols: BTreeSet<(&'static str, Option<u16>)>,
    operations: BTreeMap<(&'static str, &'static str), (u64, bool)>,
    not_allowed: bool,
    alerts: u64,
    severity: Option<Severity>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// A map.
///
/// # Errors
/// As the store's.
pub fn map(names: &Names<'_>, query: &MapQuery) -> Result<MapView, ViewError> {
    let reader = names.reader();
    let places = places(reader.places()?, query);
    let wanted = |used: &UseRow| {
        query.protocols.is_empty()
            || query.protocols.iter().any(|wanted| {
                used.protocol == wanted
                    || used.port.is_some_and(|port| {
                        wanted
                            .split_once('/')
                            .is_some_and(|(protocol, text)| protocol == used.protocol && text.parse() == Ok(port))
                    })
            })
    };
    let mut uses: Vec<UseRow> =
        reader.uses(&query.devices, query.since, query.until)?.into_iter().filter(wanted).collect();
    let (mut sides, more_alerts) = sides(names, query)?;

    // Those that are asked for, and those that they talk with.
    let narrowed = query.level.is_some() || query.zone.is_some() || query.subnet.is_some() || !query.devices.is_empty();
    let asked = |id: &DeviceId| {
        places.get(id).is_some_and(|place| {
            (query.devices.is_empty() || query.devices.contains(id))
                && query.level.as_ref().is_none_or(|level| *level == level_id(place.level))
                && query.zone.as_ref().is_none_or(|zone| place.zone.as_ref() == Some(zone))
                && query.subnet.as_ref().is_none_or(|text| *text == subnet(place.ip))
        })
    };
    let both = |a: DeviceId, b: DeviceId| places.contains_key(&a) && places.contains_key(&b);
    let touched = |a: &DeviceId, b: &DeviceId| !narrowed || asked(a) || asked(b);
    uses.retain(|used| both(used.client, used.server) && touched(&used.client, &used.server));
    sides.retain(|(a, b, _)| both(*a, *b) && touched(a, b));
    if query.alerts {
        let pairs: BTreeSet<_> = sides.iter().flat_map(|(a, b, _)| [(*a, *b), (*b, *a)]).collect();
        uses.retain(|used| pairs.contains(&(used.client, used.server)));
    }
    let mut kept: BTreeSet<DeviceId> = uses.iter().flat_map(|used| [used.client, used.server]).collect();
    kept.extend(sides.iter().flat_map(|(a, b, _)| [*a, *b]));
    if query.protocols.is_empty() && !query.alerts {
        kept.extend(places.iter().filter(|(id, place)| place.seen && asked(id)).map(|(id, _)| *id));
    }
    let neighbours_left_out = bound_neighbours(query, &mut kept, &uses, &sides);
    uses.retain(|used| kept.contains(&used.client) && kept.contains(&used.server));
    sides.retain(|(a, b, _)| kept.contains(a) && kept.contains(b));

    let open_alerts: BTreeMap<DeviceId, u64> =
        reader.open_alerts(&kept.iter().copied().collect::<Vec<_>>())?.into_iter().collect();
    let mut severities: BTreeMap<DeviceId, Severity> = BTreeMap::new();
    for (a, b, severity) in &sides {
        for id in [a, b] {
            severities.entry(*id).and_modify(|known| *known = (*known).max(*severity)).or_insert(*severity);
        }
    }

    let all_open = kept.len() <= FEW;
    let mut busy: BTreeMap<DeviceId, u64> = BTreeMap::new();
    for used in &uses {
        *busy.entry(used.client).or_default() += 1;
        *busy.entry(used.server).or_default() += 1;
    }
    let rank = |id: &DeviceId| {
        let of = |counts: &BTreeMap<DeviceId, u64>| counts.get(id).copied().unwrap_or_default();
        (Reverse(query.devices.contains(id)), Reverse(of(&open_alerts)), Reverse(of(&busy)), *id)
    };
    let mut by_group: BTreeMap<String, Vec<DeviceId>> = BTreeMap::new();
    for id in &kept {
        if let Some(place) = places.get(id) {
            by_group.entry(place.key.clone()).or_default().push(*id);
        }
    }
    let mut by_group: Vec<(String, Vec<DeviceId>)> = fold_small(by_group, &places, &query.open).into_iter().collect();
    by_group.sort_by_cached_key(|(key, _)| natural(key));

    let mut view = MapView {
        schema: SCHEMA,
        by: query.by.as_str(),
        devices: count(kept.len()),
        drawn: 0,
        all_open,
        groups: Vec::new(),
        nodes: Vec::new(),
        edges: Vec::new(),
        edges_left_out: 0,
        neighbours_left_out,
        more_alerts,
    };
    let mut node_of: BTreeMap<DeviceId, usize> = BTreeMap::new();
    let mut group_of: BTreeMap<DeviceId, usize> = BTreeMap::new();
    let mut drawn = 0;
    for (key, mut devices) in by_group {
        let rest = key.ends_with(REST);
        let open = !rest && (all_open || query.open.contains(&key));
        let first = devices.first().and_then(|id| places.get(id));
        let (band, title) = match first {
            Some(place) if rest => (place.band.clone(), "smaller groups".to_owned()),
            Some(place) => (place.band.clone(), place.title.clone()),
            None => (String::new(), key.clone()),
        };
        group_of.extend(devices.iter().map(|id| (*id, view.groups.len())));
        view.groups.push(MapGroup {
            key: key.clone(),
            band,
            title,
            devices: count(devices.len()),
            open,
            can_open: !rest,
            inside: 0,
        });
        devices.sort_by_key(rank);
        let most = if open { OF_GROUP.min(DRAWN - drawn) } else { 0 };
        let folded = devices.split_off(most.min(devices.len()));
        drawn += devices.len();
        devices.sort_by_key(|id| (places.get(id).and_then(|place| place.ip), *id));
        names.prefetch(devices.iter().copied())?;
        for id in devices {
            node_of.insert(id, view.nodes.len());
            let device = names.device(id)?;
            view.nodes.push(MapNode {
                id: format!("device-{}", id.0),
                group: key.clone(),
                device_id: Some(id.0),
                name: device.as_deref().map_or_else(|| format!("device {}", id.0), device_name),
                address: device.as_deref().map_or_else(String::new, device_address),
                role: device.as_ref().map(|device| device.role.as_str().to_owned()),
                open_alerts: open_alerts.get(&id).copied().unwrap_or_default(),
                severity: severities.get(&id).map(|severity| severity.as_str().to_owned()),
                own: query.devices.contains(&id),
            });
        }
        if folded.is_empty() {
            continue;
        }
        node_of.extend(folded.iter().map(|id| (*id, view.nodes.len())));
        let more = if open { "more " } else { "" };
        let plural = if folded.len() == 1 { "" } else { "s" };
        view.nodes.push(MapNode {
            id: format!("group-{key}"),
            group: key.clone(),
            device_id: None,
            name: view.groups.last().map_or_else(String::new, |group| group.title.clone()),
            address: format!("{} {more}device{plural}", folded.len()),
            role: None,
            open_alerts: folded.iter().filter_map(|id| open_alerts.get(id)).sum(),
            severity: folded.iter().filter_map(|id| severities.get(id)).max().map(|most| most.as_str().to_owned()),
            own: false,
        });
    }
    view.drawn = count(drawn);
    edges(&mut view, &uses, &sides, &node_of, &group_of);
    Ok(view)
}

/// Places by device; a device without an address or zone of its own stands where the one before it stands.
fn places(rows: Vec<PlaceRow>, query: &MapQuery) -> BTreeMap<DeviceId, Place> {
    let by_id: BTreeMap<DeviceId, &PlaceRow> = rows.iter().map(|row| (row.id, row)).collect();
    rows.iter()
        .map(|row| {
            let parent = row.parent.and_then(|parent| by_id.get(&parent).copied());
            let ip = row.ip.or_else(|| parent.and_then(|parent| parent.ip));
            let zone = row.zone.clone().or_else(|| parent.and_then(|parent| parent.zone.clone()));
            let place = zone.as_ref().map_or_else(|| subnet(ip), |zone| format!("zone {zone}"));
            let (key, band, title) = match query.by {
                // A higher level stands further up, and its key comes first.
                Grouping::Level => {
                    let order = row.purdue.map_or(9, |level| 5_u8.saturating_sub(level));
                    let order = format!("{order}-{}", level_id(row.purdue));
                    (format!("{order}-{place}"), level_title(row.purdue), place)
                }
                Grouping::Zone => match zone.clone() {
                    Some(zone) => (format!("zone-{zone}"), String::new(), zone),
                    None => ("~none".to_owned(), String::new(), "no zone said".to_owned()),
                },
                Grouping::Subnet => (format!("net-{}", subnet(ip)), String::new(), subnet(ip)),
            };
            let seen = query.since.is_none_or(|since| row.last_seen >= since)
                && query.until.is_none_or(|until| row.first_seen <= until);
            let order = match query.by {
                Grouping::Level => key.splitn(3, '-').take(2).collect::<Vec<_>>().join("-"),
                Grouping::Zone | Grouping::Subnet => String::new(),
            };
            (row.id, Place { level: row.purdue, zone, ip, key, order, band, title, seen })
        })
        .collect()
}

/// Between whom the newest open alerts are, and whether there are more of them.
fn sides(names: &Names<'_>, query: &MapQuery) -> Result<(Vec<Sides>, bool), ViewError> {
    let reader = names.reader();
    let mut alerts = AlertQuery {
        since: query.since,
        until: query.until,
        statuses: vec![Status::New, Status::Active],
        protocols: query.protocols.clone(),
        ..AlertQuery::default()
    };
    if !query.devices.is_empty() {
        let peer = ot_store::read::PeerFilter { side: None, devices: query.devices.clone(), ips: Vec::new() };
        alerts.peers = vec![peer];
    }
    let numbers = reader.alert_numbers(&alerts, ALERTS)?;
    let more = numbers.len() >= usize::try_from(ALERTS).unwrap_or(usize::MAX);
    Ok((reader.alert_sides(&numbers)?, more))
}

/// Around devices, keeps the neighbours with alerts and the last ones seen; how many it left out.
fn bound_neighbours(query: &MapQuery, kept: &mut BTreeSet<DeviceId>, uses: &[UseRow], sides: &[Sides]) -> u64 {
    if query.devices.is_empty() || kept.len() <= NEIGHBOURS + query.devices.len() {
        return 0;
    }
    let mut last: BTreeMap<DeviceId, (u64, Timestamp)> = BTreeMap::new();
    for used in uses {
        for id in [used.client, used.server] {
            let known = last.entry(id).or_default();
            known.1 = known.1.max(used.last_seen);
        }
    }
    for (a, b, _) in sides {
        for id in [a, b] {
            last.entry(*id).or_default().0 += 1;
        }
    }
    let before = kept.len();
    let mut order: Vec<DeviceId> = kept.iter().copied().filter(|id| !query.devices.contains(id)).collect();
    order.sort_by_key(|id| (Reverse(last.get(id).copied().unwrap_or_default()), *id));
    order.truncate(NEIGHBOURS);
    kept.retain(|id| query.devices.contains(id) || order.contains(id));
    count(before - kept.len())
}

/// Makes one group of the smallest ones of each level, where there are too many.
fn fold_small(
    groups: BTreeMap<String, Vec<DeviceId>>,
    places: &BTreeMap<DeviceId, Place>,
    open: &[String],
) -> BTreeMap<String, Vec<DeviceId>> {
    if groups.len() <= GROUPS {
        return groups;
    }
    let mut bands: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (key, devices) in &groups {
        let band = devices.first().and_then(|id| places.get(id)).map_or("", |place| place.order.as_str());
        let order = (!open.contains(key), Reverse(devices.len()), natural(key), key.clone());
        bands.entry(band.to_owned()).or_default().push(order);
    }
    let each = (GROUPS / bands.len()).max(6);
    let mut kept = groups;
    for (band, mut order) in bands {
        order.sort();
        let mut rest = Vec::new();
        for (.., key) in order.into_iter().skip(each) {
            rest.extend(kept.remove(&key).unwrap_or_default());
        }
        if !rest.is_empty() {
            rest.sort_unstable();
            kept.insert(format!("{band}{REST}"), rest);
        }
    }
    kept
}

/// Order in which `Cell 2` comes before `Cell 10`: letters and the number after them, in turn.
fn natural(text: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (letters, after) = rest.split_at(digits);
        let end = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        parts.push((letters.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    parts
}

fn edges(
    view: &mut MapView,
    uses: &[UseRow],
    sides: &[Sides],
    node_of: &BTreeMap<DeviceId, usize>,
    group_of: &BTreeMap<DeviceId, usize>,
) {
    let mut talks: BTreeMap<(usize, usize), Talk> = BTreeMap::new();
    let mut inside: BTreeMap<usize, BTreeSet<(DeviceId, DeviceId)>> = BTreeMap::new();
    for used in uses {
        let (Some(&from), Some(&to)) = (node_of.get(&used.client), node_of.get(&used.server)) else { continue };
        let groups = (group_of.get(&used.client), group_of.get(&used.server));
        if let (Some(group), Some(other)) = groups
            && group == other
        {
            inside.entry(*group).or_default().insert((used.client, used.server));
        }
        if from == to {
            continue;
        }
        let talk = talks.entry((from, to)).or_default();
        talk.pairs.insert((used.client, used.server));
        talk.protocols.insert((used.protocol, used.port));
        if !used.label.is_empty() {
            let known = talk.operations.entry((used.protocol, used.label)).or_insert((0, true));
            known.0 = known.0.saturating_add(used.count);
            known.1 &= used.allowed;
        }
        talk.not_allowed |= !used.allowed;
        talk.first = Some(talk.first.map_or(used.first_seen, |first| first.min(used.first_seen)));
        talk.last = talk.last.max(Some(used.last_seen));
    }
    for (source, destination, severity) in sides {
        let (Some(&from), Some(&to)) = (node_of.get(source), node_of.get(destination)) else { continue };
        if from == to {
            continue;
        }
        // What a server did to its client stands on the one line there is between them.
        let key =
            if !talks.contains_key(&(from, to)) && talks.contains_key(&(to, from)) { (to, from) } else { (from, to) };
        let talk = talks.entry(key).or_default();
        talk.pairs.insert((*source, *destination));
        talk.alerts += 1;
        talk.severity = talk.severity.max(Some(*severity));
    }
    for (group, pairs) in inside {
        if let Some(group) = view.groups.get_mut(group) {
            group.inside = count(pairs.len());
        }
    }
    let mut order: Vec<((usize, usize), Talk)> = talks.into_iter().collect();
    order.sort_by_key(|(ends, talk)| {
        let calls: u64 = talk.operations.values().fold(0, |sum, (count, _)| sum.saturating_add(*count));
        (Reverse(talk.severity), Reverse(talk.alerts), Reverse(talk.not_allowed), Reverse(calls), *ends)
    });
    view.edges_left_out = count(order.len().saturating_sub(EDGES));
    order.truncate(EDGES);
    let edges =
        order.into_iter().filter_map(|((from, to), talk)| edge(view.nodes.get(from)?, view.nodes.get(to)?, talk));
    view.edges = edges.collect();
}

fn edge(from: &MapNode, to: &MapNode, talk: Talk) -> Option<MapEdge> {
    let decoded: BTreeSet<&str> =
        talk.protocols.iter().filter(|(_, port)| port.is_none()).map(|(protocol, _)| *protocol).collect();
    let mut protocols: Vec<String> = decoded.iter().map(|protocol| (*protocol).to_owned()).collect();
    protocols.extend(
        talk.protocols
            .iter()
            .filter(|(protocol, _)| !decoded.contains(protocol))
            .filter_map(|(protocol, port)| port.map(|port| format!("{protocol}/{port}"))),
    );
    protocols.retain(|protocol| !protocol.is_empty());
    let mut operations: Vec<MapOperation> = talk
        .operations
        .into_iter()
        .map(|((protocol, name), (count, allowed))| MapOperation {
            protocol: protocol.to_owned(),
            name: name.to_owned(),
            count,
            allowed,
        })
        .collect();
    operations.sort_by_key(|operation| (operation.allowed, Reverse(operation.count)));
    operations.truncate(OPERATIONS);
    Some(MapEdge {
        from: from.id.clone(),
        to: to.id.clone(),
        from_name: from.name.clone(),
        to_name: to.name.clone(),
        from_device: from.device_id,
        to_device: to.device_id,
        pairs: count(talk.pairs.len()),
        protocols,
        operations,
        allowed: !talk.not_allowed,
        alerts: talk.alerts,
        severity: talk.severity.map(|severity| severity.as_str().to_owned()),
        first_seen: talk.first.map(time),
        last_seen: talk.last.map(time),
    })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec!["Cell 10", "Cell 2", "Cell", "Cell 2b", "9-unknown", "10.0.2.0/24", "10.0.10.0/24"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["9-unknown", "10.0.2.0/24", "10.0.10.0/24", "Cell", "Cell 2", "Cell 2b", "Cell 10"]);
    }

    #[test]
    fn subnets_are_written_as_networks() {
        let of = |text: &str| subnet(text.parse().ok());
        assert_eq!(of("10.20.0.11"), "10.20.0.0/24");
        assert_eq!(of("fd00:1:2:3::5"), "fd00:1:2:3::/64");
        assert_eq!(of("8.8.8.8"), "internet");
        assert_eq!(subnet(None), "no IP address");
    }
}
