//! What the detectors of the network share: how far one side spreads, what a flow is called, who is a group.

use crate::alerts::{Finding, Text};
use crate::catalogue::{AlertType, Threshold};
use crate::model::{DeviceId, EntryId, Peer};
use crate::shared::{Core, SeenFlow};
use crate::words;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::fact::SessionId;
use ot_protocol::time::SECOND;
use ot_protocol::{Endpoint, FlowEvent, FlowKind, FrameRef, Timestamp, Transport};
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, Ipv4Addr};

/// What became of an attempt, in order of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// No answer so far.
    Unanswered,
    /// Refused.
    Refused,
    /// Answered.
    Answered,
}

/// One value of a key, with the packet that brought it.
#[derive(Clone, Debug)]
pub(super) struct Trace<V> {
    pub value: V,
    pub port: u16,
    pub time: Timestamp,
    pub frame: FrameRef,
    pub fate: Fate,
    told: bool,
}

impl<V> Trace<V> {
    /// A value not told of yet.
    pub fn new(value: V, port: u16, time: Timestamp, frame: FrameRef, fate: Fate) -> Self {
        Self { value, port, time, frame, fate, told: false }
    }
}

/// Different values of many keys over a sliding window, with what became of each. Bounded in keys and in values.
#[derive(Debug)]
pub(super) struct Spread<K, V> {
    /// How many different values within how long are too many.
    pub limit: Threshold,
    most: usize,
    keys: HashMap<K, VecDeque<Trace<V>>, FixedState>,
    order: VecDeque<(K, Timestamp)>,
    held: usize,
    cap: usize,
    /// Keys given up.
    pub evicted: u64,
}

impl<K: Hash + Eq + Clone, V: PartialEq + Clone> Spread<K, V> {
    /// For at most `cap` keys, and eight times as many values in all.
    pub fn new(limit: Threshold, cap: usize) -> Self {
        Self {
            limit,
            most: (limit.count as usize).saturating_add(16),
            keys: HashMap::default(),
            order: VecDeque::new(),
            held: 0,
            cap: cap.max(1),
            evicted: 0,
        }
    }

    /// Adds a value. Where the window now holds the threshold or more, returns those values that were not told of yet.
    pub fn add(&mut self, key: &K, trace: Trace<V>) -> Vec<Trace<V>> {
        let now = trace.time;
        self.make_room(key, now);
        let values = self.keys.entry(key.clone()).or_default();
        let before = values.len();
        let window = i64::from(self.limit.seconds.max(1)) * SECOND;
        while values.front().is_some_and(|old| now.since(old.time) > window || now.since(old.time) < -window) {
            values.pop_front();
        }
        let mut trace = trace;
        if let Some(known) = values.iter().position(|known| known.value == trace.value).and_then(|at| values.remove(at))
        {
            trace.told = known.told;
            trace.fate = trace.fate.max(known.fate);
        } else if values.len() >= self.most {
            values.pop_front();
        }
        values.push_back(trace);
        self.held = (self.held + values.len()).saturating_sub(before);
        if values.len() < self.limit.count as usize {
            return Vec::new();
        }
        let mut news = Vec::new();
        for known in values.iter_mut().filter(|known| !known.told) {
            known.told = true;
            news.push(known.clone());
        }
        news
    }

    fn make_room(&mut self, key: &K, now: Timestamp) {
        let known = self.keys.contains_key(key);
        let (keys, values) = if known { (self.cap + 1, self.cap * 8) } else { (self.cap, self.cap * 8) };
        while self.keys.len() >= keys || self.held >= values {
            let Some((old, queued)) = self.order.pop_front() else { break };
            let last = self.keys.get(&old).and_then(VecDeque::back).map(|trace| trace.time);
            match last {
                Some(last) if last > queued => self.order.push_back((old, last)),
                _ => {
                    if let Some(values) = self.keys.remove(&old) {
                        self.held = self.held.saturating_sub(values.len());
                        self.evicted += 1;
                    }
                }
            }
        }
        if !self.keys.contains_key(key) {
            self.order.push_back((key.clone(), now));
        }
    }

    /// Notes what became of a value.
    pub fn settle(&mut self, key: &K, value: &V, fate: Fate) {
        if let Some(trace) = self.keys.get_mut(key).and_then(|values| values.iter_mut().find(|t| t.value == *value)) {
            trace.fate = trace.fate.max(fate);
        }
    }

    /// Takes a value back: it is no evidence after all.
    pub fn drop_value(&mut self, key: &K, value: &V) {
        if let Some(values) = self.keys.get_mut(key) {
            let before = values.len();
            values.retain(|trace| trace.value != *value);
            self.held = self.held.saturating_sub(before - values.len());
        }
    }

    /// The values now held of a key, oldest first.
    pub fn traces(&self, key: &K) -> impl Iterator<Item = &Trace<V>> {
        self.keys.get(key).into_iter().flatten()
    }

    /// `3 answered, 40 refused, 12 without answer`.
    pub fn fates(&self, key: &K) -> String {
        let count = |fate| self.traces(key).filter(|trace| trace.fate == fate).count();
        format!(
            "{} answered, {} refused, {} without answer so far",
            count(Fate::Answered),
            count(Fate::Refused),
            count(Fate::Unanswered)
        )
    }
}

/// Who takes part, for windows: the device, or the address of what is no device.
pub(super) type Party = (Option<DeviceId>, Option<IpAddr>);

/// The party of a peer.
pub(super) fn party(peer: &Peer) -> Party {
    match peer.device {
        Some(device) => (Some(device), None),
        None => (None, peer.ip),
    }
}

/// A number that follows from a value, for rows.
pub(super) fn number(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}

/// Whether a person, or the configuration, says that this device may scan.
pub(super) fn is_scanner(core: &Core, ip: Option<IpAddr>) -> bool {
    ip.is_some_and(|ip| core.may_scan(&core.inventory.peer_of_ip(ip)))
}

/// Whether the baseline allows the pair to talk at all.
pub(super) fn pair_allowed(core: &Core, client: Option<DeviceId>, server: Option<DeviceId>) -> bool {
    // Who has no entries needs no look at those of a busy server.
    client.is_some_and(|id| core.baseline.of_device(id).next().is_some()) && core.uses(client, server)
}

/// Whether an answered contact tells nothing at this time: what is normal is being learned, or was never learned.
pub(super) fn unjudged(core: &Core, time: Timestamp) -> bool {
    core.learning_at(time) || !core.has_learned()
}

/// Whether this is the address of a group: multicast, the limited broadcast, or that of an OT network or of the MAC.
pub(super) fn is_group(core: &Core, endpoint: &Endpoint) -> bool {
    let by_mac = endpoint.mac.is_some_and(|mac| mac.is_group());
    match endpoint.ip {
        None => by_mac,
        Some(ip) if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => true,
        Some(IpAddr::V6(_)) => by_mac,
        Some(IpAddr::V4(ip)) => {
            // The host part of a network's broadcast address is all ones.
            by_mac
                || ip.to_bits() & 3 == 3
                    && core
                        .config
                        .ot_networks
                        .iter()
                        .map(|net| (net.addr(), net.prefix_len()))
                        .chain(core.inventory.ot_subnets())
                        .any(|(network, length)| {
                            let IpAddr::V4(network) = network else { return false };
                            let host = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
                            length < 31 && ip.to_bits() == network.to_bits() | host
                        })
        }
    }
}

/// `TCP port 502`, `UDP port 161`, `ICMP`.
pub(super) fn service(event: &FlowEvent) -> String {
    match event.transport {
        Transport::Tcp | Transport::Udp => {
            let name = event.transport.name().to_uppercase();
            match event.service {
                Some(protocol) => format!("{} on {name} port {}", words::protocol(protocol), event.server.port),
                None => format!("{name} port {}", event.server.port),
            }
        }
        other => other.name().to_uppercase(),
    }
}

/// What became of a flow, as the end of a sentence.
pub(super) fn fate(kind: &FlowKind) -> &'static str {
    match kind {
        FlowKind::Refused => "the server refused it",
        FlowKind::Open | FlowKind::Identified => "the server accepted it",
        FlowKind::OneSided => "only one direction was seen",
        FlowKind::Attempt => "no answer was seen so far",
        _ => "the connection was in use",
    }
}

/// A finding about a flow.
pub(super) fn of_flow<'a>(
    kind: &'static AlertType,
    flow: &SeenFlow<'_>,
    frames: &'a [FrameRef],
    entries: &'a [EntryId],
    row: u64,
    text: &'a dyn Fn() -> Text,
) -> Finding<'a> {
    Finding {
        kind,
        client: Some(flow.client.clone()),
        server: Some(flow.server.clone()),
        table: None,
        point: None,
        times: [flow.event.time; 2],
        frames,
        count: 1,
        protocol: flow.event.service,
        operation: None,
        outcome: None,
        entries,
        row,
        text,
    }
}

/// A table with a cap whose oldest row goes first.
#[derive(Debug)]
pub(super) struct Capped<K, V> {
    rows: HashMap<K, V, FixedState>,
    order: VecDeque<K>,
    cap: usize,
    /// Rows given up.
    pub evicted: u64,
}

impl<K: Hash + Eq + Clone, V> Capped<K, V> {
    /// At most `cap` rows.
    pub fn new(cap: usize) -> Self {
        Self { rows: HashMap::default(), order: VecDeque::new(), cap: cap.max(1), evicted: 0 }
    }

    /// A row.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// A row to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    /// Puts a row in the place of what was there.
    pub fn insert(&mut self, key: K, value: V) {
        if let Some(row) = self.rows.get_mut(&key) {
            *row = value;
            return;
        }
        while self.rows.len() >= self.cap {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.rows.remove(&oldest).is_some() {
                self.evicted += 1;
            }
        }
        if self.order.len() > self.cap.saturating_mul(2) {
            let rows = &self.rows;
            self.order.retain(|key| rows.contains_key(key));
        }
        self.order.push_back(key.clone());
        self.rows.insert(key, value);
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.order.clear();
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.rows.remove(key)
    }
}

/// A table by session.
pub(super) type BySession<V> = Capped<SessionId, V>;

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(value: u32, second: i64) -> Trace<u32> {
        Trace::new(value, 0, Timestamp::new(second, 0), FrameRef::default(), Fate::Unanswered)
    }

    #[test]
    fn tells_each_value_once_from_the_threshold_on() {
        let mut spread = Spread::new(Threshold { count: 3, seconds: 10 }, 4);
        assert!(spread.add(&"a", trace(1, 0)).is_empty());
        assert!(spread.add(&"a", trace(1, 1)).is_empty());
        assert!(spread.add(&"a", trace(2, 2)).is_empty());
        assert_eq!(spread.add(&"a", trace(3, 3)).len(), 3);
        assert_eq!(spread.add(&"a", trace(4, 4)).len(), 1);
        assert!(spread.add(&"a", trace(4, 5)).is_empty());
        assert!(spread.add(&"a", trace(5, 60)).is_empty());
    }

    #[test]
    fn stays_bounded() {
        let mut spread = Spread::new(Threshold { count: 50, seconds: 1_000 }, 4);
        for value in 0..1_000 {
            spread.add(&(value % 100), trace(value, i64::from(value)));
            assert!(spread.keys.len() <= 4 && spread.held <= 32, "{} {}", spread.keys.len(), spread.held);
        }
        assert!(spread.evicted > 0);
    }
}
