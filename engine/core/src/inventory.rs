//! The inventory: which devices there are, what they are, and by which addresses they are known.
//!
//! A device with an IP address is known by that address (its VLAN is an attribute: a mirror may show the same frame
//! with and without its tag). A device without IP is known by its MAC. A unit, link address or slot behind an IP
//! address is a device of its own once it has answered, except for the first one, which is the IP device itself.
//!
//! **Two addresses, one device:** where one MAC claims both (see [`Claim`]; unasked ARP replies do not count, packets
//! from IPv6 link-local addresses do) and no other MAC ever had either of them. So a spoofer, who claims addresses
//! that others have, is never merged with its victim and never takes its device over. One MAC joins at most four IPv4
//! addresses; who claims more answers for others, and its addresses are separate devices again.
//!
//! **A router** is a MAC that sends packets of several addresses that it never claimed. It is a device by its MAC; the
//! hosts behind it have no MAC.
//!
//! Every table has a cap, every look-up is by hash, and an insertion into a full table looks at a fixed number of
//! candidates: a scan with a million addresses costs a million times the same.

mod bindings;
mod hearsay;
mod roles;
mod subs;
#[cfg(test)]
mod tests;

use crate::config::{EngineConfig, KnownDevice, Zone};
use crate::context::{Change, Context, Field, Said, Source};
use crate::model::{Device, DeviceAddress, DeviceId, IdentityValue, Peer, ProtocolUse, Role, RoleReason};
use crate::vendors;
use bindings::{Binding, Bound, Bounded, CANDIDATES, MacFacts};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use hearsay::Heard;
use ipnet::IpNet;
use ot_protocol::time::SECOND;
use ot_protocol::{Claim, Endpoint, FrameRef, Identity, Mac, Nanos, SubAddress, Timestamp};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use subs::has_own_device;

type Map<K, V> = HashMap<K, V, FixedState>;

/// Addresses of one device.
const MOST_ADDRESSES: usize = 16;
/// Protocols of one device; what is not decoded counts by its port, and a scan may find many.
const MOST_PROTOCOLS: usize = 64;
/// Reasons for roles of one device.
const MOST_REASONS: usize = 16;
/// Identity values of one device.
const MOST_IDENTITIES: usize = 64;
/// Values of one property from one source; the oldest goes.
const MOST_VALUES: usize = 8;
/// Characters of an identity value.
const MOST_CHARACTERS: usize = 256;
/// Devices behind one IP address, besides the first.
const MOST_CHILDREN: u32 = 512;
/// OT networks found by traffic.
const MOST_SUBNETS: usize = 4096;
/// After this time without its old MAC, a device has the new one: a network card was replaced.
const MAC_REPLACED_AFTER: Nanos = 3600 * SECOND;
/// After this time an address that was joined to a device stays with it, also if another MAC claims it.
const ADDRESS_SETTLED_AFTER: Nanos = 3600 * SECOND;
/// How the reason begins of a device that forwards.
const FORWARDS: &str = "sends packets of addresses that it never claimed";
/// Addresses that the reason for a router names.
const NAMED_ADDRESSES: usize = 3;

/// A device that the inventory found or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenDevice {
    /// The device.
    pub id: DeviceId,
    /// Whether it was not there before.
    pub new: bool,
}

/// What a claim says beside what was known of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacBinding {
    /// The address has this MAC as before; or nothing can be said.
    Unchanged,
    /// The address has a MAC for the first time.
    First,
    /// The address had another MAC.
    Changed {
        /// The MAC it had.
        before: Mac,
        /// When that MAC last showed the address.
        before_last_seen: Timestamp,
    },
    /// The MAC forwards: the packet does not tell whose address it is.
    Router,
}

/// The devices of the plant.
#[derive(Debug)]
pub struct Inventory {
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    by_id: Map<u32, usize>,
    by_ip: Map<IpAddr, DeviceId>,
    by_mac: Map<Mac, DeviceId>,
    by_sub: Map<(DeviceId, SubAddress), DeviceId>,
    bindings: Bounded<IpAddr, Binding>,
    macs: Bounded<Mac, MacFacts>,
    /// What was told of addresses that no device has yet.
    heard: Heard,
    known: Map<IpAddr, KnownDevice>,
    configured_networks: Vec<IpNet>,
    subnets: HashSet<IpNet, FixedState>,
    /// Networks that were loaded with a length other than the usual.
    odd_subnets: Vec<IpNet>,
    aliases: Map<u32, DeviceId>,
    alias_order: VecDeque<u32>,
    last: u32,
    cap: usize,
    hand: usize,
    merged: Vec<(DeviceId, DeviceId)>,
    made: Vec<DeviceId>,
    changed: Vec<DeviceId>,
    removed: Vec<DeviceId>,
    /// Devices given up because the table was full.
    pub evicted: u64,
    generation: u64,
    /// Devices that were not made because the table was full of such as must stay.
    pub refused: u64,
}

#[derive(Debug)]
struct Entry {
    device: Device,
    /// Zone's level, for a role that does not tell its own.
    zone_purdue: Option<u8>,
    /// Whether the device claimed an address with its MAC.
    mac_solid: bool,
    /// Whether it was made without an IP address.
    mac_born: bool,
    /// Whether a person knows it.
    known: bool,
    children: u32,
    /// Its own sub-addresses of other kinds than that in `device`. Not stored: the first of a kind that shows again takes
    /// its place.
    others: [Option<SubAddress>; subs::KINDS],
    dirty: bool,
    /// Seen again since the clock hand passed.
    recent: bool,
}

impl Inventory {
    /// Starts from the devices of a store. What the configuration says of them now holds.
    pub fn load(devices: Vec<Device>, ot_subnets: Vec<(IpAddr, u8)>, last_device: u32, config: &EngineConfig) -> Self {
        let cap = config.limits.devices.max(1);
        let mut known = Map::default();
        for device in &config.devices {
            known.entry(device.ip).or_insert_with(|| device.clone());
        }
        let mut inventory = Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: Map::default(),
            by_ip: Map::default(),
            by_mac: Map::default(),
            by_sub: Map::default(),
            bindings: Bounded::new(cap),
            macs: Bounded::new(cap),
            heard: Heard::default(),
            known,
            configured_networks: config.ot_networks.clone(),
            subnets: HashSet::default(),
            odd_subnets: Vec::new(),
            aliases: Map::default(),
            alias_order: VecDeque::new(),
            last: last_device,
            cap,
            hand: 0,
            merged: Vec::new(),
            made: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            evicted: 0,
            refused: 0,
            generation: 0,
        };
        for (ip, length) in ot_subnets {
            let Ok(net) = IpNet::new(ip, length) else { continue };
            if usual_network(ip) == Some(net.trunc()) {
                inventory.subnets.insert(net.trunc());
            } else {
                inventory.odd_subnets.push(net.trunc());
            }
        }
        let mut devices = devices;
        devices.sort_by_key(|device| device.id);
        for device in devices {
            inventory.restore(device, config);
        }
        inventory
    }

    fn restore(&mut self, mut device: Device, config: &EngineConfig) {
        let id = device.id;
        // A gateway is older than what is behind it, also after a merge.
        device.parent = device.parent.filter(|parent| *parent < id);
        if self.by_id.contains_key(&id.0) {
            return;
        }
        self.last = self.last.max(id.0);
        let before = device.clone();
        let router = device.role_reasons.iter().any(forwarding);
        if let Some(parent) = device.parent {
            self.by_sub.insert((parent, subs::place(device.sub)), id);
            if let Some(parent) = self.entry_mut(parent) {
                parent.children += 1;
            }
        } else {
            for address in &device.addresses {
                self.by_ip.entry(address.ip).or_insert(id);
            }
            if let Some(mac) = device.mac {
                self.by_mac.entry(mac).or_insert(id);
                // Several addresses were joined because the MAC claimed them. One may have been a packet's source.
                let solid = device.addresses.len() > 1 || (router && !device.addresses.is_empty());
                for address in &device.addresses {
                    let bound = Bound { mac, claimed: solid, solid, last: address.last_seen };
                    self.bindings.entry(
                        address.ip,
                        address.last_seen,
                        || Binding::new(bound, address.vlan),
                        |_, _| None,
                    );
                }
                let facts = self.macs.entry(mac, device.last_seen, MacFacts::default, |_, _| None);
                if let Some(facts) = facts {
                    facts.last = facts.last.max(device.last_seen);
                    facts.router |= router;
                    for address in &device.addresses {
                        if solid || bindings::is_own(mac, address.ip) {
                            facts.claim(address.ip, true);
                        } else {
                            facts.source(address.ip);
                        }
                    }
                }
            }
        }
        let mac_solid = device.mac.is_some() && device.addresses.len() > 1;
        let mac_born = router || device.addresses.is_empty();
        self.insert(Entry {
            device,
            zone_purdue: None,
            mac_solid,
            mac_born,
            known: false,
            children: 0,
            others: [None; subs::KINDS],
            dirty: false,
            recent: false,
        });
        self.configure(id, config);
        if let Some(entry) = self.entry_mut(id) {
            decide(entry);
        }
        if self.get(id) == Some(&before)
            && let Some(entry) = self.entry_mut(id)
        {
            entry.dirty = false;
            self.changed.pop();
        }
    }

    /// Finds or makes the device of an endpoint that spoke (sent a packet), and moves its last time.
    ///
    /// `None` for addresses that no device has (unspecified, multicast, broadcast, a group's MAC), for an endpoint of
    /// which nothing is known, and where the table is full of devices that must stay.
    pub fn see(
        &mut self,
        endpoint: &Endpoint,
        time: Timestamp,
        frame: FrameRef,
        config: &EngineConfig,
    ) -> Option<SeenDevice> {
        let mac = endpoint.mac.filter(|mac| is_host_mac(*mac));
        let Some(ip) = endpoint.ip else {
            let mac = mac?;
            if let Some(&id) = self.by_mac.get(&mac) {
                self.touch(id, time);
                return Some(SeenDevice { id, new: false });
            }
            let id = self.make(None, Some(mac), endpoint.vlan, time, frame, config)?;
            return Some(SeenDevice { id, new: true });
        };
        if !is_host_ip(ip) {
            return None;
        }
        if let Some(mac) = mac
            && self.bindings.get(&ip).and_then(Binding::current).is_none()
        {
            let kind = ot_protocol::ClaimKind::IpSource;
            let claim = Claim { kind, mac, vlan: endpoint.vlan, ip, target: None, time, frame, count: 1 };
            self.claim(&claim, config);
        }
        if let Some(&id) = self.by_ip.get(&ip) {
            self.see_address(id, ip, mac, endpoint.vlan, time);
            return Some(SeenDevice { id, new: false });
        }
        let id = self.make(Some(ip), None, endpoint.vlan, time, frame, config)?;
        self.attach(ip, config);
        Some(SeenDevice { id: self.find(id), new: true })
    }

    /// Finds or makes the device of an endpoint with its sub-address, after it answered validly, or was answered.
    ///
    /// Modbus units 0 and 255 address the device at the IP address itself; the first other unit, link address or slot
    /// is that device's too. Each further one of its kind is a device of its own, with the IP device as its parent; with
    /// the second that answers the IP device is a gateway.
    pub fn see_sub(
        &mut self,
        endpoint: &Endpoint,
        answers: bool,
        time: Timestamp,
        frame: FrameRef,
        config: &EngineConfig,
    ) -> Option<SeenDevice> {
        let seen = self.see(endpoint, time, frame, config)?;
        let sub = subs::place(endpoint.sub);
        let Some(kind) = subs::kind(sub).filter(|_| has_own_device(sub)) else { return Some(seen) };
        let parent = seen.id;
        let entry = self.entry_mut(parent)?;
        let own = own_of_kind(entry, kind);
        if own.is_some_and(|own| subs::place(own) == sub) {
            return Some(seen);
        }
        let full = entry.children >= MOST_CHILDREN;
        if let Some(&id) = self.by_sub.get(&(parent, sub)) {
            if let Some(ip) = endpoint.ip {
                self.see_address(id, ip, None, endpoint.vlan, time);
            }
            return Some(SeenDevice { id, new: false });
        }
        let Some(first) = own else {
            let entry = self.entry_mut(parent)?;
            if entry.device.sub == SubAddress::None {
                entry.device.sub = endpoint.sub;
                self.mark(parent);
            } else if let Some(place) = entry.others.get_mut(kind) {
                *place = Some(endpoint.sub);
            }
            return Some(seen);
        };
        if full {
            self.refused += 1;
            return Some(seen);
        }
        if answers {
            self.role_evidence(
                parent,
                Role::Gateway,
                &format!("answers for {first} and {}", endpoint.sub),
                time,
                frame,
            );
        }
        let Some(id) = self.make_sub(parent, endpoint, time, config) else { return Some(seen) };
        Some(SeenDevice { id, new: true })
    }

    /// The device that answers to an endpoint, without making one: that of its sub-address, else of its IP address,
    /// else of its MAC where it has no IP.
    pub fn peer(&self, endpoint: &Endpoint) -> Peer {
        let device = match (endpoint.ip, endpoint.mac) {
            (Some(ip), _) => self.by_ip.get(&ip).map(|&id| {
                if has_own_device(endpoint.sub) {
                    *self.by_sub.get(&(id, subs::place(endpoint.sub))).unwrap_or(&id)
                } else {
                    id
                }
            }),
            (None, Some(mac)) => self.by_mac.get(&mac).copied(),
            (None, None) => None,
        };
        Peer { device, ip: endpoint.ip, mac: endpoint.mac, sub: endpoint.sub }
    }

    /// Whether the device that an endpoint means is known: where it has a sub-address, that has answered.
    pub fn is_settled(&self, endpoint: &Endpoint) -> bool {
        let device = self.peer(endpoint).device.and_then(|id| self.get(id));
        device
            .is_some_and(|device| !has_own_device(endpoint.sub) || subs::place(device.sub) == subs::place(endpoint.sub))
    }

    /// The device at an IP address.
    pub fn peer_of_ip(&self, ip: IpAddr) -> Peer {
        let device = self.by_ip.get(&ip).copied();
        let mac = device.and_then(|id| self.get(id)).and_then(|device| device.mac);
        Peer { device, ip: Some(ip), mac, sub: SubAddress::None }
    }

    /// A device; for a number that was merged, the one it was merged into.
    pub fn get(&self, id: DeviceId) -> Option<&Device> {
        self.entry(id).map(|entry| &entry.device)
    }

    /// The number that a device has now: another than `id` if it was merged.
    pub fn current(&self, id: DeviceId) -> DeviceId {
        self.find(id)
    }

    /// Moves the last time a device was seen.
    pub fn touch(&mut self, id: DeviceId, time: Timestamp) {
        let Some(entry) = self.entry_mut(id) else { return };
        entry.recent = true;
        let device = &mut entry.device;
        let (id, parent) = (device.id, device.parent);
        if device.last_seen < time {
            device.last_seen = time;
            if let [address] = device.addresses.as_mut_slice() {
                address.last_seen = address.last_seen.max(time);
            }
            self.mark(id);
        }
        if let Some(parent) = parent {
            self.touch(parent, time);
        }
    }

    /// Takes a claim as evidence of which MAC has which IP address: finds routers, joins two addresses of one device.
    pub fn claim(&mut self, claim: &Claim, config: &EngineConfig) -> MacBinding {
        let &Claim { kind, mac, vlan, ip, time, frame, .. } = claim;
        if !is_host_mac(mac) || !is_host_ip(ip) {
            return MacBinding::Unchanged;
        }
        let (claimed, solid) = bindings::weight(kind, mac, ip);
        let bound = Bound { mac, claimed, solid, last: time };
        if self.facts(mac, time).is_none() {
            return MacBinding::Unchanged;
        }
        if claimed {
            self.take_claim(bound, ip, vlan, frame, config)
        } else {
            self.take_source(bound, ip, vlan, frame, config)
        }
    }

    fn take_claim(
        &mut self,
        bound: Bound,
        ip: IpAddr,
        vlan: Option<u16>,
        frame: FrameRef,
        config: &EngineConfig,
    ) -> MacBinding {
        let Bound { mac, solid, last: time, .. } = bound;
        let before = self.bindings.get(&ip).and_then(Binding::current).copied();
        // A router's packets may have come before the owner's first claim.
        if let Some(before) = before
            && before.mac != mac
            && !before.claimed
            && self.macs.get(&before.mac).is_some_and(|facts| facts.at_home_with(ip) == Some(false))
        {
            self.becomes_router(before.mac, time, frame, config);
        }
        let before = self.bindings.get(&ip).and_then(Binding::current).copied();
        let mut too_many = false;
        let mut own_all_along = false;
        if let Some(facts) = self.macs.get_mut(&mac) {
            let many_before = facts.many;
            let was_source = facts.sources.contains(&ip);
            facts.claim(ip, solid);
            too_many = facts.many && !many_before;
            // What looked like forwarding were its own addresses.
            own_all_along = facts.router && was_source && !facts.sources.is_empty() && !facts.forwards();
            if own_all_along {
                facts.router = false;
            }
        }
        if own_all_along {
            self.is_no_router(mac);
        }
        if too_many {
            self.separate(mac);
        }
        let Some(binding) = self.bind(ip, bound, vlan) else { return MacBinding::Unchanged };
        let contested = binding.contested;
        match before {
            None => {
                self.attach(ip, config);
                MacBinding::First
            }
            Some(before) if before.mac == mac => {
                if !contested {
                    self.attach(ip, config);
                }
                MacBinding::Unchanged
            }
            Some(before) => {
                self.contest(ip, &before, &bound);
                MacBinding::Changed { before: before.mac, before_last_seen: before.last }
            }
        }
    }

    fn take_source(
        &mut self,
        bound: Bound,
        ip: IpAddr,
        vlan: Option<u16>,
        frame: FrameRef,
        config: &EngineConfig,
    ) -> MacBinding {
        let Bound { mac, last: time, .. } = bound;
        let Some(facts) = self.macs.get(&mac) else { return MacBinding::Unchanged };
        let (router, home) = (facts.router, facts.at_home_with(ip));
        let before = self.bindings.get(&ip).and_then(Binding::current).copied();
        let own = facts.claims(ip) || self.bindings.get(&ip).and_then(|b| b.of(mac)).is_some_and(|b| b.claimed);
        if router && !own {
            return MacBinding::Router;
        }
        if let Some(before) = before
            && before.mac == mac
        {
            self.bind(ip, bound, vlan);
            // Evidence may have come before the device.
            if before.last.epoch() != time.epoch() {
                self.attach_again(ip, mac, config);
            }
            return MacBinding::Unchanged;
        }
        let other_network =
            self.bindings.get(&ip).is_some_and(|b| b.vlan.is_some() && vlan.is_some() && b.vlan != vlan);
        if let Some(before) = before {
            if own || (home == Some(true) && !other_network) {
                // A neighbour sends with an address that another one has.
                if !before.claimed || own {
                    self.bind(ip, bound, vlan);
                } else if let Some(binding) = self.bindings.get_mut(&ip) {
                    binding.contested = true;
                }
                return MacBinding::Changed { before: before.mac, before_last_seen: before.last };
            }
            if home == Some(false) {
                self.becomes_router(mac, time, frame, config);
                return MacBinding::Router;
            }
        }
        if let Some(facts) = self.macs.get_mut(&mac) {
            facts.source(ip);
            if facts.forwards() {
                self.becomes_router(mac, time, frame, config);
                return MacBinding::Router;
            }
        }
        if before.is_some() {
            // Two MAC addresses, and nothing tells yet whether one of them is a router's.
            return MacBinding::Unchanged;
        }
        if self.bind(ip, bound, vlan).is_none() {
            return MacBinding::Unchanged;
        }
        self.attach(ip, config);
        MacBinding::First
    }

    /// The MAC that an IP address has, and when it last showed it.
    pub fn current_mac(&self, ip: IpAddr) -> Option<(Mac, Timestamp)> {
        self.bindings.get(&ip).and_then(Binding::current).map(|bound| (bound.mac, bound.last))
    }

    /// Whether a MAC forwards packets of others.
    pub fn is_router_mac(&self, mac: Mac) -> bool {
        self.macs.get(&mac).is_some_and(|facts| facts.router)
    }

    /// Notes that a device speaks a protocol, as client, as server or as both.
    pub fn protocol(&mut self, id: DeviceId, protocol: &str, client: bool, server: bool, time: Timestamp) {
        let Some(entry) = self.entry_mut(id) else { return };
        let list = &mut entry.device.protocols;
        if let Some(known) = list.iter_mut().find(|known| known.protocol == protocol) {
            let same = known.as_client >= client && known.as_server >= server && known.last_seen >= time;
            if same {
                return;
            }
            known.as_client |= client;
            known.as_server |= server;
            known.last_seen = known.last_seen.max(time);
        } else if list.len() < MOST_PROTOCOLS {
            list.push(ProtocolUse {
                protocol: protocol.to_owned(),
                as_client: client,
                as_server: server,
                first_seen: time,
                last_seen: time,
            });
        } else {
            return;
        }
        let id = entry.device.id;
        self.mark(id);
    }

    /// Adds a reason for a role, unless it is known. The role follows from all reasons: a gateway before outstation or
    /// controller, engineering station, HMI, master, switch or router, server; what a person set before all.
    pub fn role_evidence(&mut self, id: DeviceId, role: Role, reason: &str, time: Timestamp, frame: FrameRef) {
        let Some(entry) = self.entry_mut(id) else { return };
        let reasons = &mut entry.device.role_reasons;
        let of_role = reasons.iter().filter(|known| known.role == role).count();
        // One reason of each role always finds a place.
        if reasons.iter().any(|known| known.role == role && known.reason == reason)
            || (of_role > 0 && reasons.len() >= MOST_REASONS)
        {
            return;
        }
        if role == Role::Gateway && of_role > 0 {
            // Which two units answered first is enough.
            return;
        }
        reasons.push(RoleReason { role, reason: reason.to_owned(), time, frame });
        decide(entry);
        let id = entry.device.id;
        self.mark(id);
    }

    /// Keeps what a device told of itself. Returns the value that the same source told before, if it was another.
    pub fn identity(&mut self, id: DeviceId, identity: &Identity) -> Option<String> {
        let entry = self.entry_mut(id)?;
        let device = &mut entry.device;
        let id = device.id;
        let value: String = identity.value.chars().take(MOST_CHARACTERS).collect();
        let same = |known: &IdentityValue| known.property == identity.property && known.source == identity.source;
        let before = device
            .identities
            .iter()
            .filter(|known| same(known))
            .max_by_key(|known| known.last_seen)
            .filter(|known| known.value != value)
            .map(|known| known.value.clone());
        if let Some(at) = device.identities.iter().position(|known| same(known) && known.value == value) {
            // Told last, so it stands last: with equal times the later one counts.
            let mut known = device.identities.remove(at);
            known.last_seen = known.last_seen.max(identity.time);
            device.identities.push(known);
        } else {
            if device.identities.iter().filter(|known| same(known)).count() >= MOST_VALUES
                && let Some(oldest) = device.identities.iter().position(same)
            {
                device.identities.remove(oldest);
            }
            if device.identities.len() >= MOST_IDENTITIES {
                return before;
            }
            device.identities.push(IdentityValue {
                property: identity.property.to_owned(),
                value: value.clone(),
                source: identity.source.to_owned(),
                first_seen: identity.time,
                last_seen: identity.time,
                frame: identity.frame,
            });
        }
        if identity.property == "vendor" && !value.is_empty() {
            device.vendor = Some(value);
        }
        self.mark(id);
        before
    }

    /// Keeps what another one told of the device at an address: with the device, where there is one, which is returned;
    /// else until it is seen.
    pub fn hearsay(&mut self, identity: &Identity) -> Option<DeviceId> {
        let ip = identity.device.ip.filter(|ip| is_host_ip(*ip))?;
        match self.by_ip.get(&ip).copied() {
            Some(id) => {
                self.identity(id, identity);
                Some(id)
            }
            None => {
                self.heard.add(ip, identity);
                None
            }
        }
    }

    /// Names of devices not seen yet that were given up because their table was full.
    pub fn names_lost(&self) -> u64 {
        self.heard.lost
    }

    /// Sets whether the baseline holds a device.
    pub fn set_learned(&mut self, id: DeviceId, learned: bool) {
        if let Some(entry) = self.entry_mut(id)
            && entry.device.learned != learned
        {
            entry.device.learned = learned;
            let id = entry.device.id;
            self.mark(id);
        }
    }

    /// Marks a device (and the one it is reached through) as a speaker of an OT protocol.
    pub fn mark_ot(&mut self, id: DeviceId) {
        let mut next = Some(id);
        while let Some(id) = next {
            let Some(entry) = self.entry_mut(id) else { return };
            next = entry.device.parent;
            if !entry.device.ot {
                entry.device.ot = true;
                let id = entry.device.id;
                self.mark(id);
            }
        }
    }

    /// Marks a device as a speaker of an OT protocol; its network (/24 or /64) is OT from now on, unless networks are
    /// configured. Returns the network if it was not OT before.
    ///
    /// Link-local networks are everywhere and say nothing, and a public address behind a router is somewhere else:
    /// these make no network OT.
    pub fn confirm_ot(&mut self, id: DeviceId) -> Option<IpNet> {
        self.mark_ot(id);
        if !self.configured_networks.is_empty() {
            return None;
        }
        let device = self.get(id)?;
        let reached = device.parent.and_then(|parent| self.get(parent)).unwrap_or(device);
        // Where no frame has a MAC, a device without one says nothing.
        let elsewhere = reached.mac.is_none() && !self.macs.is_empty();
        let mut net = None;
        let mut newest = None;
        for address in &device.addresses {
            let public = match address.ip {
                IpAddr::V4(ip) => !(ip.is_private() || ip.is_link_local() || ip.is_loopback()),
                IpAddr::V6(ip) => !(ip.is_unique_local() || ip.is_loopback()),
            };
            let Some(usual) = usual_network(address.ip).filter(|_| !(public && elsewhere)) else { continue };
            if newest.is_none_or(|newest| newest < address.last_seen) {
                newest = Some(address.last_seen);
                net = Some(usual);
            }
        }
        let net = net?;
        if self.odd_subnets.iter().any(|odd| odd.contains(&net)) || self.subnets.len() >= MOST_SUBNETS {
            return None;
        }
        self.subnets.insert(net).then_some(net)
    }

    /// Whether an address lies in an OT network.
    pub fn in_ot_subnet(&self, ip: IpAddr) -> bool {
        if !self.configured_networks.is_empty() {
            return self.configured_networks.iter().any(|net| net.contains(&ip));
        }
        usual_network(ip).is_some_and(|net| self.subnets.contains(&net))
            || self.odd_subnets.iter().any(|net| net.contains(&ip))
    }

    /// The networks in which an OT protocol was confirmed, in order.
    pub fn ot_subnets(&self) -> Vec<(IpAddr, u8)> {
        let all = self.subnets.iter().chain(&self.odd_subnets);
        let mut list: Vec<(IpAddr, u8)> = all.map(|net| (net.network(), net.prefix_len())).collect();
        list.sort_unstable();
        list
    }

    /// The addresses of a device; of one behind another, those of that one.
    pub fn addresses(&self, id: DeviceId) -> Vec<IpAddr> {
        let own = self.get(id).filter(|device| !device.addresses.is_empty());
        let device = own.or_else(|| self.get(id).and_then(|device| self.get(device.parent?)));
        device.into_iter().flat_map(|device| &device.addresses).map(|address| address.ip).collect()
    }

    /// The network of a device: the configured OT network that holds its first address, else the usual one around it.
    pub fn network_of(&self, id: DeviceId) -> Option<IpNet> {
        let ip = self.addresses(id).into_iter().next()?;
        let configured = self.configured_networks.iter().filter(|net| net.contains(&ip));
        configured.max_by_key(|net| net.prefix_len()).copied().or_else(|| usual_network(ip))
    }

    /// The devices with an address in a network, by number.
    pub fn devices_in(&self, net: &IpNet) -> Vec<DeviceId> {
        let holds = |device: &Device| device.addresses.iter().any(|address| net.contains(&address.ip));
        self.iter().filter(|device| holds(device)).map(|device| device.id).collect()
    }

    /// Whether a peer speaks an OT protocol or stands in an OT network.
    pub fn is_ot(&self, peer: &Peer) -> bool {
        peer.device.and_then(|id| self.get(id)).is_some_and(|device| device.ot)
            || peer.ip.is_some_and(|ip| self.in_ot_subnet(ip))
    }

    /// Whether a device with this address stands in the monitored network itself: its MAC claims the address by ARP, and
    /// neither forwards packets of others nor answers for them.
    pub fn is_neighbour(&self, ip: IpAddr) -> bool {
        self.bindings.get(&ip).and_then(Binding::current).is_some_and(|bound| {
            bound.claimed && self.macs.get(&bound.mac).is_none_or(|facts| !facts.router && !facts.many)
        })
    }

    /// Whether any network is known as OT.
    pub fn has_ot(&self) -> bool {
        !(self.configured_networks.is_empty() && self.subnets.is_empty() && self.odd_subnets.is_empty())
    }

    /// A peer for people: `HMI-1 (10.20.0.10)`, `10.20.0.11 unit 2 (Schneider Electric)`, `10.0.0.9`.
    pub fn display(&self, peer: &Peer) -> String {
        let device = peer.device.and_then(|id| self.get(id));
        let mut address = match (peer.ip, peer.mac, device) {
            (Some(ip), _, _) => ip.to_string(),
            (None, mac, Some(device)) => match (device.addresses.first(), mac.or(device.mac)) {
                (Some(address), _) => address.ip.to_string(),
                (None, Some(mac)) => mac.to_string(),
                (None, None) => format!("device {}", device.id.0),
            },
            (None, Some(mac), None) => mac.to_string(),
            (None, None, None) => "unknown".to_owned(),
        };
        let sub = match (peer.sub, device) {
            (SubAddress::None, Some(device)) if device.parent.is_some() => device.sub,
            (sub, _) => sub,
        };
        if has_own_device(sub) {
            address = format!("{address} {sub}");
        } else if subs::is_broadcast(sub) {
            address = format!("{address} {sub}, all outstations");
        }
        let Some(device) = device else { return address };
        let parent = device.parent.and_then(|parent| self.get(parent));
        match (device.name.as_ref().or_else(|| parent?.name.as_ref()), &device.vendor) {
            (Some(name), _) => format!("{name} ({address})"),
            (None, Some(vendor)) => format!("{address} ({vendor})"),
            (None, None) => address,
        }
    }

    /// All devices, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        let mut list: Vec<&Device> = self.slots.iter().flatten().map(|entry| &entry.device).collect();
        list.sort_unstable_by_key(|device| device.id);
        list.into_iter()
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The highest number given out so far.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Bindings and MAC addresses given up or not kept because their tables were full.
    pub fn bindings_lost(&self) -> u64 {
        self.bindings.lost.saturating_add(self.macs.lost)
    }

    /// Devices that were merged since the last call, in order: from, into. The lower number stays.
    pub fn take_merged(&mut self) -> Vec<(DeviceId, DeviceId)> {
        std::mem::take(&mut self.merged)
    }

    /// Devices that a claim made since the last call (routers), in order: no `see` told of them as new.
    pub fn take_made(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.made)
    }

    /// New and changed devices, and those given up (evicted or merged), since the last call, each by number.
    pub fn take_changes(&mut self) -> (Vec<Device>, Vec<DeviceId>) {
        let mut ids = std::mem::take(&mut self.changed);
        ids.sort_unstable();
        ids.dedup();
        let mut devices = Vec::with_capacity(ids.len());
        for id in ids {
            let slot = self.by_id.get(&id.0).copied();
            if let Some(entry) = slot.and_then(|slot| self.slots.get_mut(slot)).and_then(Option::as_mut) {
                entry.dirty = false;
                devices.push(entry.device.clone());
            }
        }
        let mut removed = std::mem::take(&mut self.removed);
        removed.sort_unstable();
        removed.dedup();
        (devices, removed)
    }

    // ---- devices ----

    fn find(&self, id: DeviceId) -> DeviceId {
        let mut id = id;
        // Each step goes to a lower number.
        while let Some(&into) = self.aliases.get(&id.0) {
            id = into;
        }
        id
    }

    fn entry(&self, id: DeviceId) -> Option<&Entry> {
        let slot = *self.by_id.get(&id.0).or_else(|| self.by_id.get(&self.find(id).0))?;
        self.slots.get(slot)?.as_ref()
    }

    fn entry_mut(&mut self, id: DeviceId) -> Option<&mut Entry> {
        let slot = *self.by_id.get(&id.0).or_else(|| self.by_id.get(&self.find(id).0))?;
        self.slots.get_mut(slot)?.as_mut()
    }

    fn mark(&mut self, id: DeviceId) {
        if let Some(entry) = self.entry_mut(id)
            && !entry.dirty
        {
            entry.dirty = true;
            let id = entry.device.id;
            self.changed.push(id);
        }
    }

    fn insert(&mut self, entry: Entry) {
        let id = entry.device.id;
        let slot = if let Some(slot) = self.free.pop() {
            slot
        } else {
            self.slots.push(None);
            self.slots.len() - 1
        };
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(entry);
        }
        self.by_id.insert(id.0, slot);
        self.mark(id);
    }

    /// Makes place for one more device.
    fn room(&mut self) -> bool {
        let mut tries = CANDIDATES;
        while self.by_id.len() >= self.cap {
            if tries == 0 {
                self.refused += 1;
                return false;
            }
            tries -= 1;
            self.hand = if self.hand >= self.slots.len() { 0 } else { self.hand };
            let hand = self.hand;
            self.hand += 1;
            let Some(entry) = self.slots.get_mut(hand).and_then(Option::as_mut) else { continue };
            let device = &entry.device;
            let stays = device.learned || device.ot || device.parent.is_some() || entry.children > 0 || entry.known;
            let forwards = device.role == Role::SwitchOrRouter && device.role_reasons.iter().any(forwarding);
            if stays || forwards {
                continue;
            }
            if std::mem::take(&mut entry.recent) {
                continue;
            }
            let id = device.id;
            self.remove(id);
            self.evicted += 1;
        }
        true
    }

    /// Devices that were last seen before a time and that nobody knows, those behind a gateway before it.
    pub fn silent_since(&self, before: Timestamp) -> Vec<DeviceId> {
        let entries = self.slots.iter().flatten();
        let silent = entries.filter(|entry| !entry.known && entry.device.last_seen < before);
        let mut ids: Vec<DeviceId> = silent.map(|entry| entry.device.id).collect();
        // What is behind a gateway has a higher number.
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids
    }

    /// Forgets a device, unless others are behind it. Whether it did.
    pub fn forget(&mut self, id: DeviceId) -> bool {
        self.entry(id).is_some_and(|entry| entry.children == 0) && self.remove(id).is_some()
    }

    fn remove(&mut self, id: DeviceId) -> Option<Device> {
        let slot = self.by_id.remove(&id.0)?;
        let entry = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        let device = entry.device;
        for address in &device.addresses {
            if self.by_ip.get(&address.ip) == Some(&id) {
                self.by_ip.remove(&address.ip);
            }
        }
        if let Some(mac) = device.mac
            && self.by_mac.get(&mac) == Some(&id)
        {
            self.by_mac.remove(&mac);
        }
        if let Some(parent) = device.parent {
            let place = (parent, subs::place(device.sub));
            if self.by_sub.get(&place) == Some(&id) {
                self.by_sub.remove(&place);
            }
            if let Some(parent) = self.entry_mut(parent) {
                parent.children = parent.children.saturating_sub(1);
            }
        }
        self.removed.push(id);
        Some(device)
    }

    fn next_id(&mut self) -> Option<DeviceId> {
        self.last = self.last.checked_add(1)?;
        Some(DeviceId(self.last))
    }

    fn make(
        &mut self,
        ip: Option<IpAddr>,
        mac: Option<Mac>,
        vlan: Option<u16>,
        time: Timestamp,
        frame: FrameRef,
        config: &EngineConfig,
    ) -> Option<DeviceId> {
        if !self.room() {
            return None;
        }
        let id = self.next_id()?;
        let addresses = ip.map(|ip| DeviceAddress { ip, vlan, first_seen: time, last_seen: time });
        let device = Device { mac, addresses: addresses.into_iter().collect(), ..blank(id, time) };
        self.insert(Entry { mac_born: ip.is_none(), ..entry(device) });
        if let Some(ip) = ip {
            self.by_ip.insert(ip, id);
            for identity in self.heard.take(ip) {
                self.identity(id, &identity);
            }
        }
        if let Some(mac) = mac {
            self.by_mac.insert(mac, id);
            self.name_vendor(id);
        }
        self.configure(id, config);
        // What a person set has no frame of its own: the first one of the device stands for it.
        if let Some(entry) = self.entry_mut(id) {
            for reason in &mut entry.device.role_reasons {
                reason.frame = frame;
            }
        }
        Some(id)
    }

    fn make_sub(
        &mut self,
        parent: DeviceId,
        endpoint: &Endpoint,
        time: Timestamp,
        config: &EngineConfig,
    ) -> Option<DeviceId> {
        // The parent must not go to make place for its child.
        if let Some(parent) = self.entry_mut(parent) {
            parent.children += 1;
        }
        let made = if self.room() { self.next_id() } else { None };
        let Some(id) = made else {
            if let Some(parent) = self.entry_mut(parent) {
                parent.children = parent.children.saturating_sub(1);
            }
            return None;
        };
        let address = |ip| DeviceAddress { ip, vlan: endpoint.vlan, first_seen: time, last_seen: time };
        let addresses = endpoint.ip.map(address).into_iter().collect();
        let device = Device { sub: endpoint.sub, parent: Some(parent), addresses, ..blank(id, time) };
        self.insert(entry(device));
        self.by_sub.insert((parent, subs::place(endpoint.sub)), id);
        self.configure(id, config);
        Some(id)
    }

    /// Sets what people and the configuration say: name, role, zone and all else. The configuration speaks of the first
    /// address that it names.
    fn configure(&mut self, id: DeviceId, config: &EngineConfig) {
        let Some(entry) = self.entry(id) else { return };
        let ips: Vec<IpAddr> = entry.device.addresses.iter().map(|address| address.ip).collect();
        let zone = ips.iter().find_map(|ip| config.zone(*ip)).cloned();
        let of_ip = entry.device.parent.is_none();
        let known = ips.iter().find_map(|ip| self.known.get(ip)).filter(|_| of_ip).cloned();
        let Some(entry) = self.entry_mut(id) else { return };
        entry.zone_purdue = zone.as_ref().and_then(|zone| zone.purdue);
        let configured = configured(known.as_ref(), zone.as_ref(), config);
        let device = &mut entry.device;
        entry.known = known.is_some() || device.context.of_people().next().is_some();
        device.context = Context::new(device.context.of_people().cloned().chain(configured));
        device.zone = device.context.text(Field::Zone).map(str::to_owned);
        if let Some(name) = device.context.text(Field::Name) {
            device.name = Some(name.to_owned());
        }
        let set =
            device.context.get(Field::Role).and_then(|said| Some((Role::parse(&said.value)?, roles::reason(said))));
        let held = device.role_reasons.iter().find(|reason| roles::is_set(reason));
        let held = held.map(|held| (held.role, held.reason.clone()));
        if held != set {
            device.role_reasons.retain(|reason| !roles::is_set(reason));
            if let Some((role, reason)) = set {
                let first = RoleReason { role, reason, time: device.first_seen, frame: FrameRef::default() };
                device.role_reasons.insert(0, first);
            }
        }
        decide(entry);
        self.mark(id);
    }

    /// Does what a person asks for.
    ///
    /// # Errors
    /// Where there is no such device.
    pub fn set_context(
        &mut self,
        id: DeviceId,
        changes: &[Change],
        who: &str,
        config: &EngineConfig,
    ) -> Result<(), String> {
        let id = self.current(id);
        let entry = self.entry_mut(id).ok_or_else(|| format!("there is no device {}", id.0))?;
        for change in changes {
            entry.device.context.change(change, who);
            if change.field == Field::Name {
                entry.device.name = None;
            }
        }
        self.configure(id, config);
        self.generation += 1;
        Ok(())
    }

    /// Takes over what another configuration says of devices, zones and site.
    pub fn reconfigure(&mut self, config: &EngineConfig) {
        self.known.clear();
        for device in &config.devices {
            self.known.entry(device.ip).or_insert_with(|| device.clone());
        }
        let ids: Vec<DeviceId> = self.iter().map(|device| device.id).collect();
        for id in ids {
            self.configure(id, config);
        }
        self.generation += 1;
    }

    /// Raised by each change that a person asked for.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What is said of a device, or of the one through which it is reached.
    pub fn said(&self, id: DeviceId, field: Field) -> Option<&Said> {
        let device = self.get(id)?;
        let own = device.context.get(field);
        own.or_else(|| self.get(device.parent?).and_then(|parent| parent.context.get(field)))
    }

    /// The vendor by MAC, where the device did not tell its own.
    fn name_vendor(&mut self, id: DeviceId) {
        let Some(entry) = self.entry_mut(id) else { return };
        let device = &mut entry.device;
        if !device.identities.iter().any(|identity| identity.property == "vendor" && !identity.value.is_empty()) {
            device.vendor = device.mac.and_then(vendors::vendor).map(str::to_owned);
        }
    }

    fn see_address(&mut self, id: DeviceId, ip: IpAddr, mac: Option<Mac>, vlan: Option<u16>, time: Timestamp) {
        self.touch(id, time);
        let Some(entry) = self.entry_mut(id) else { return };
        let own = mac.is_some() && mac == entry.device.mac;
        let Some(address) = entry.device.addresses.iter_mut().find(|address| address.ip == ip) else { return };
        // A mirror may show a frame with and without tag: a tag stays, and only the device's own frames change it.
        let tag = if address.vlan.is_none() || own { vlan.or(address.vlan) } else { address.vlan };
        if address.last_seen < time || address.vlan != tag {
            address.last_seen = address.last_seen.max(time);
            address.vlan = tag;
            self.mark(id);
        }
    }

    // ---- MAC addresses ----

    fn facts(&mut self, mac: Mac, time: Timestamp) -> Option<&mut MacFacts> {
        let (by_mac, by_id, slots) = (&self.by_mac, &self.by_id, &self.slots);
        let keep = |mac: &Mac, facts: &MacFacts| {
            let must = by_mac.get(mac).is_some_and(|id| must_stay(by_id, slots, *id));
            (!must).then_some(facts.last)
        };
        let facts = self.macs.entry(mac, time, MacFacts::default, keep)?;
        facts.last = facts.last.max(time);
        Some(facts)
    }

    fn bind(&mut self, ip: IpAddr, bound: Bound, vlan: Option<u16>) -> Option<&mut Binding> {
        let (by_ip, by_id, slots) = (&self.by_ip, &self.by_id, &self.slots);
        let keep = |ip: &IpAddr, binding: &Binding| {
            let must = by_ip.get(ip).is_some_and(|id| must_stay(by_id, slots, *id));
            (!must).then(|| binding.current().map(|bound| bound.last).unwrap_or_default())
        };
        let binding = self.bindings.entry(ip, bound.last, Binding::default, keep)?;
        binding.take(bound);
        binding.vlan = binding.vlan.or(vlan);
        Some(binding)
    }

    /// Gives the device at an address the MAC that the address is bound to; joins it with the MAC's other device
    /// where the evidence holds.
    fn attach(&mut self, ip: IpAddr, config: &EngineConfig) {
        let Some(binding) = self.bindings.get(&ip).filter(|binding| !binding.contested) else { return };
        let Some(&Bound { mac, claimed, solid, .. }) = binding.current() else { return };
        let (vlan, facts) = (binding.vlan, self.macs.get(&mac));
        if facts.is_some_and(|facts| facts.router) && !claimed {
            return;
        }
        let time = binding.current().map(|bound| bound.last).unwrap_or_default();
        let (at_ip, of_mac) = (self.by_ip.get(&ip).copied(), self.by_mac.get(&mac).copied());
        let without_ip = of_mac.and_then(|id| self.get(id)).is_some_and(|device| device.addresses.is_empty());
        match (at_ip, of_mac) {
            (None, None) => {}
            (None, Some(owner)) => {
                if without_ip || (solid && self.joins(owner, None, mac, ip)) {
                    self.add_address(owner, DeviceAddress { ip, vlan, first_seen: time, last_seen: time });
                    self.has_mac(owner, mac, claimed);
                    self.configure(owner, config);
                }
            }
            (Some(device), None) => self.has_mac(device, mac, claimed),
            (Some(device), Some(owner)) if device == owner => self.has_mac(device, mac, claimed),
            (Some(device), Some(owner)) => {
                let own = self.get(device).is_some_and(|device| device.mac.is_none_or(|known| known == mac));
                if !own {
                    return;
                }
                if solid && (without_ip || self.joins(owner, Some(device), mac, ip)) {
                    let into = self.merge(device, owner, config);
                    self.has_mac(into, mac, claimed);
                } else {
                    self.has_mac(device, mac, claimed);
                }
            }
        }
    }

    /// For a repeated source: only where the device has no MAC yet.
    fn attach_again(&mut self, ip: IpAddr, mac: Mac, config: &EngineConfig) {
        let bare = self.by_ip.get(&ip).and_then(|id| self.get(*id)).is_some_and(|device| device.mac != Some(mac));
        if bare {
            self.attach(ip, config);
        }
    }

    /// Whether the device of a MAC and an address (of another device or of none yet) are one device.
    fn joins(&self, owner: DeviceId, other: Option<DeviceId>, mac: Mac, ip: IpAddr) -> bool {
        if self.macs.get(&mac).is_none_or(|facts| facts.many) {
            return false;
        }
        let Some(entry) = self.entry(owner) else { return false };
        let other = other.and_then(|id| self.entry(id));
        let claimed = |address: &DeviceAddress| {
            self.bindings
                .get(&address.ip)
                .is_some_and(|binding| !binding.contested && binding.of(mac).is_some_and(|bound| bound.solid))
        };
        let names = |entry: &Entry| entry.device.addresses.iter().any(|address| self.known.contains_key(&address.ip));
        let with_other = other.map_or(1, |other| other.device.addresses.len());
        // A person who lists both addresses knows two devices.
        let both_known = names(entry) && self.known.contains_key(&ip);
        entry.device.parent.is_none()
            && entry.device.mac == Some(mac)
            && entry.mac_solid
            && entry.device.addresses.iter().all(claimed)
            && entry.device.addresses.len() + with_other <= MOST_ADDRESSES
            && other.is_none_or(|other| other.device.parent.is_none() && other.device.addresses.iter().all(claimed))
            && !both_known
    }

    fn add_address(&mut self, id: DeviceId, address: DeviceAddress) {
        let ip = address.ip;
        if let Some(entry) = self.entry_mut(id)
            && entry.device.addresses.len() < MOST_ADDRESSES
        {
            entry.device.last_seen = entry.device.last_seen.max(address.last_seen);
            entry.device.addresses.push(address);
            self.by_ip.insert(ip, id);
            self.mark(id);
        }
    }

    /// Notes the MAC of a device, and whether it claimed an address with it.
    fn has_mac(&mut self, id: DeviceId, mac: Mac, claimed: bool) {
        let Some(entry) = self.entry_mut(id) else { return };
        let first = entry.device.mac.is_none();
        if entry.device.mac.is_some_and(|known| known != mac) {
            return;
        }
        entry.device.mac = Some(mac);
        let solid_now = claimed && !entry.mac_solid;
        entry.mac_solid |= claimed;
        if first {
            self.name_vendor(id);
            self.mark(id);
        }
        let owner = self.by_mac.get(&mac).copied();
        let owner_solid = owner.and_then(|owner| self.entry(owner)).is_some_and(|entry| entry.mac_solid);
        if owner.is_none() || (solid_now && !owner_solid) {
            self.by_mac.insert(mac, id);
        }
    }

    fn loses_mac(&mut self, id: DeviceId) {
        let Some(entry) = self.entry_mut(id) else { return };
        let Some(mac) = entry.device.mac.take() else { return };
        entry.mac_solid = false;
        self.name_vendor(id);
        self.mark(id);
        if self.by_mac.get(&mac) == Some(&id) {
            self.by_mac.remove(&mac);
        }
    }

    /// Another MAC claims an address. The device at the address stays what it is; its MAC changes only where the old
    /// one is long gone or was told by unasked replies alone.
    ///
    /// An address that was joined to a device not long ago leaves it again: whoever claimed it first may have been a
    /// spoofer who came before the owner. Field devices and learned ones keep their addresses.
    fn contest(&mut self, ip: IpAddr, before: &Bound, now: &Bound) {
        let Some(device) = self.by_ip.get(&ip).and_then(|id| self.get(*id)) else { return };
        let id = device.id;
        if device.mac != Some(before.mac) {
            return;
        }
        if device.addresses.len() > 1 {
            let joined = device.addresses.iter().find(|address| address.ip == ip).map(|address| address.first_seen);
            let recent = joined.is_some_and(|joined| now.last.since(joined) <= ADDRESS_SETTLED_AFTER);
            if recent && !device.learned && !device.role.is_field() {
                self.detach(id, ip);
            }
            return;
        }
        let gone = now.last.since(before.last) > MAC_REPLACED_AFTER;
        let weaker = before.claimed && !before.solid && now.solid;
        if (gone || weaker) && !self.by_mac.contains_key(&now.mac) {
            self.loses_mac(id);
            self.has_mac(id, now.mac, true);
        }
    }

    /// Takes an address from a device: whoever speaks with it next is found or made anew.
    fn detach(&mut self, id: DeviceId, ip: IpAddr) {
        if let Some(entry) = self.entry_mut(id) {
            entry.device.addresses.retain(|address| address.ip != ip);
            if self.by_ip.get(&ip) == Some(&id) {
                self.by_ip.remove(&ip);
            }
            self.mark(id);
        }
    }

    /// A MAC claimed more addresses than a device has: its device keeps the first, the others are separate again.
    fn separate(&mut self, mac: Mac) {
        let Some(device) = self.by_mac.get(&mac).and_then(|id| self.get(*id)) else { return };
        let id = device.id;
        let others: Vec<IpAddr> =
            device.addresses.iter().skip(1).map(|address| address.ip).filter(IpAddr::is_ipv4).collect();
        for ip in others {
            self.detach(id, ip);
        }
    }

    fn becomes_router(&mut self, mac: Mac, time: Timestamp, frame: FrameRef, config: &EngineConfig) {
        let Some(facts) = self.macs.get_mut(&mac).filter(|facts| !facts.router) else { return };
        facts.router = true;
        let sources = facts.sources.clone();
        for &ip in &sources {
            if let Some(binding) = self.bindings.get_mut(&ip) {
                binding.forget_source(mac);
            }
            if let Some(&id) = self.by_ip.get(&ip)
                && let Some(entry) = self.entry(id).filter(|entry| entry.device.mac == Some(mac))
            {
                if entry.mac_solid || entry.mac_born {
                    self.detach(id, ip);
                } else {
                    self.loses_mac(id);
                }
            }
            // The owner may have claimed it beside.
            self.attach(ip, config);
        }
        // A device that has this MAC only as the source of its packets is not the router.
        if let Some(&id) = self.by_mac.get(&mac)
            && self.entry(id).is_some_and(|entry| !entry.mac_solid && !entry.mac_born)
        {
            self.loses_mac(id);
        }
        let id = match self.by_mac.get(&mac) {
            Some(&id) => id,
            None => {
                let Some(id) = self.make(None, Some(mac), None, time, frame, config) else { return };
                self.made.push(id);
                id
            }
        };
        let mut named: Vec<String> = sources.iter().take(NAMED_ADDRESSES).map(IpAddr::to_string).collect();
        if named.is_empty() {
            named.push("a host of another network".to_owned());
        }
        let reason = format!("{FORWARDS} ({})", named.join(", "));
        self.touch(id, time);
        self.role_evidence(id, Role::SwitchOrRouter, &reason, time, frame);
    }

    fn is_no_router(&mut self, mac: Mac) {
        let Some(&id) = self.by_mac.get(&mac) else { return };
        if let Some(entry) = self.entry_mut(id) {
            entry.device.role_reasons.retain(|reason| !forwarding(reason));
            decide(entry);
            self.mark(id);
        }
    }

    /// Makes two devices one; the lower number stays.
    fn merge(&mut self, a: DeviceId, b: DeviceId, config: &EngineConfig) -> DeviceId {
        let (into, from) = (a.min(b), a.max(b));
        let Some(from_entry) = self.entry(from) else { return into };
        let (born, solid) = (from_entry.mac_born, from_entry.mac_solid);
        let others = from_entry.others;
        let mut children: Vec<(SubAddress, DeviceId)> = if from_entry.children > 0 {
            self.slots
                .iter()
                .flatten()
                .filter(|entry| entry.device.parent == Some(from))
                .map(|entry| (subs::place(entry.device.sub), entry.device.id))
                .collect()
        } else {
            Vec::new()
        };
        children.sort_unstable_by_key(|(_, id)| *id);
        let Some(gone) = self.remove(from) else { return into };
        self.alias(from, into);
        for address in gone.addresses {
            self.add_address(into, address);
        }
        if let Some(mac) = gone.mac {
            self.by_mac.entry(mac).or_insert(into);
        }
        let Some(entry) = self.entry_mut(into) else { return into };
        entry.mac_born &= born;
        entry.mac_solid |= solid;
        entry.recent = true;
        let device = &mut entry.device;
        device.mac = device.mac.or(gone.mac);
        if device.sub == SubAddress::None {
            device.sub = gone.sub;
        }
        let held = subs::kind(device.sub);
        let of_gone = subs::kind(gone.sub).map(|kind| (kind, Some(gone.sub)));
        for (kind, sub) in others.into_iter().enumerate().chain(of_gone).filter(|(kind, _)| held != Some(*kind)) {
            if let Some(place) = entry.others.get_mut(kind) {
                *place = place.or(sub);
            }
        }
        device.name = device.name.take().or(gone.name);
        for said in gone.context.of_people() {
            device.context.add(said.clone());
        }
        device.ot |= gone.ot;
        device.learned |= gone.learned;
        device.first_seen = device.first_seen.min(gone.first_seen);
        device.last_seen = device.last_seen.max(gone.last_seen);
        for reason in gone.role_reasons {
            let known = device.role_reasons.iter().any(|r| r.role == reason.role && r.reason == reason.reason);
            if !known && device.role_reasons.len() < MOST_REASONS {
                device.role_reasons.push(reason);
            }
        }
        for used in gone.protocols {
            if let Some(known) = device.protocols.iter_mut().find(|known| known.protocol == used.protocol) {
                known.as_client |= used.as_client;
                known.as_server |= used.as_server;
                known.first_seen = known.first_seen.min(used.first_seen);
                known.last_seen = known.last_seen.max(used.last_seen);
            } else if device.protocols.len() < MOST_PROTOCOLS {
                device.protocols.push(used);
            }
        }
        for value in gone.identities {
            let same = |known: &&mut IdentityValue| {
                known.property == value.property && known.source == value.source && known.value == value.value
            };
            if let Some(known) = device.identities.iter_mut().find(same) {
                known.first_seen = known.first_seen.min(value.first_seen);
                known.last_seen = known.last_seen.max(value.last_seen);
            } else if device.identities.len() < MOST_IDENTITIES {
                device.identities.push(value);
            }
        }
        if device.vendor.is_none() {
            device.vendor = gone.vendor;
        }
        let own: Vec<SubAddress> =
            (0..subs::KINDS).filter_map(|kind| own_of_kind(entry, kind)).map(subs::place).collect();
        self.name_vendor(into);
        self.merged.push((from, into));
        for (child_sub, child) in children {
            self.by_sub.remove(&(from, child_sub));
            let twin = if own.contains(&child_sub) { Some(into) } else { self.by_sub.get(&(into, child_sub)).copied() };
            if let Some(entry) = self.entry_mut(child) {
                entry.device.parent = Some(into);
            }
            if let Some(entry) = self.entry_mut(into) {
                entry.children += 1;
            }
            self.mark(child);
            match twin {
                // The child is the device at the address itself, or there are two of it.
                Some(twin) if twin == into => self.fold_child(child, into),
                Some(twin) => {
                    let stays = twin.min(child);
                    self.fold_child(twin.max(child), stays);
                    self.by_sub.insert((into, child_sub), stays);
                }
                None => {
                    self.by_sub.insert((into, child_sub), child);
                }
            }
        }
        self.configure(into, config);
        into
    }

    /// Gives up a device behind an address in favour of the one it is.
    fn fold_child(&mut self, from: DeviceId, into: DeviceId) {
        let Some(gone) = self.remove(from) else { return };
        self.alias(from, into);
        self.merged.push((from, into));
        if let Some(entry) = self.entry_mut(into) {
            entry.device.ot |= gone.ot;
            entry.device.learned |= gone.learned;
            entry.device.first_seen = entry.device.first_seen.min(gone.first_seen);
            entry.device.last_seen = entry.device.last_seen.max(gone.last_seen);
            for value in gone.identities {
                if !entry.device.identities.contains(&value) && entry.device.identities.len() < MOST_IDENTITIES {
                    entry.device.identities.push(value);
                }
            }
            self.mark(into);
        }
    }

    /// Remembers under which number a merged device is found: facts of its conversations still name the old one.
    fn alias(&mut self, from: DeviceId, into: DeviceId) {
        if self.alias_order.len() >= self.cap
            && let Some(oldest) = self.alias_order.pop_front()
        {
            self.aliases.remove(&oldest);
        }
        self.aliases.insert(from.0, into);
        self.alias_order.push_back(from.0);
    }
}

/// What the configuration says of a device: by its address, then by its zone, then of all.
fn configured(known: Option<&KnownDevice>, zone: Option<&Zone>, config: &EngineConfig) -> Vec<Said> {
    let said =
        |field, value: &str| Said { field, value: value.to_owned(), source: Source::Configuration, who: String::new() };
    let mut list = Vec::new();
    if let Some(known) = known {
        list.extend(known.name.iter().map(|name| said(Field::Name, name)));
        list.extend(known.role.map(|role| said(Field::Role, role.as_str())));
        list.extend(known.programming.then(|| said(Field::ProgrammingDevice, "yes")));
        list.extend(known.scanner.then(|| said(Field::Scanner, "yes")));
        list.extend(known.more.iter().map(|(field, value)| said(*field, value)));
    }
    if let Some(zone) = zone {
        list.push(said(Field::Zone, &zone.name));
        list.extend(zone.site.iter().map(|site| said(Field::Site, site)));
    }
    list.extend(config.site.iter().map(|site| said(Field::Site, site)));
    list
}

/// Whether a reason stands for forwarding that was seen.
fn forwarding(reason: &RoleReason) -> bool {
    reason.role == Role::SwitchOrRouter && reason.reason.starts_with(FORWARDS)
}

fn must_stay(by_id: &Map<u32, usize>, slots: &[Option<Entry>], id: DeviceId) -> bool {
    by_id
        .get(&id.0)
        .and_then(|slot| slots.get(*slot)?.as_ref())
        .is_some_and(|entry| entry.device.ot || entry.device.learned || entry.known)
}

fn entry(device: Device) -> Entry {
    Entry {
        device,
        zone_purdue: None,
        mac_solid: false,
        mac_born: false,
        known: false,
        children: 0,
        others: [None; subs::KINDS],
        dirty: false,
        recent: false,
    }
}

fn blank(id: DeviceId, time: Timestamp) -> Device {
    Device {
        id,
        name: None,
        mac: None,
        sub: SubAddress::None,
        parent: None,
        addresses: Vec::new(),
        vendor: None,
        role: Role::Unknown,
        role_reasons: Vec::new(),
        purdue: None,
        ot: false,
        learned: false,
        zone: None,
        context: Context::default(),
        protocols: Vec::new(),
        identities: Vec::new(),
        first_seen: time,
        last_seen: time,
    }
}

/// The sub-address of a kind that is the IP device's own.
fn own_of_kind(entry: &Entry, kind: usize) -> Option<SubAddress> {
    if subs::kind(entry.device.sub) == Some(kind) {
        return Some(entry.device.sub);
    }
    entry.others.get(kind).copied().flatten()
}

fn decide(entry: &mut Entry) {
    entry.device.role = roles::decide(&entry.device.role_reasons);
    let said = entry.device.context.text(Field::Purdue).and_then(|level| level.parse().ok());
    entry.device.purdue = said.or_else(|| roles::purdue(entry.device.role)).or(entry.zone_purdue);
}

fn is_host_mac(mac: Mac) -> bool {
    !mac.is_group() && mac.0 != [0; 6]
}

fn is_host_ip(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The network of an address that becomes OT with it; none for IPv6 link-local addresses.
fn usual_network(ip: IpAddr) -> Option<IpNet> {
    if matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
        return None;
    }
    let length = if ip.is_ipv4() { 24 } else { 64 };
    IpNet::new(ip, length).ok().map(|net| net.trunc())
}
