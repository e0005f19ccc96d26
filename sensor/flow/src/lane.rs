//! A lane: the conversations of a share of all host pairs. Lanes know nothing of each other and not on which thread they
//! run, so results are the same for any number of workers.

use crate::claims::Claims;
use crate::config::FlowConfig;
use crate::flow::{Flow, Ident, NONE, Wheel, unicast};
use crate::head::{Head, Kind};
use crate::identify::Registry;
use crate::load::{Class, Classes};
use crate::session::{self, deliver_datagram};
use crate::sight::Sights;
use crate::signatures::Scans;
use crate::stats::{FlowStats, Named};
use crate::stream::Conflict;
use crate::watching::Watching;
use hashbrown::HashTable;
use ot_protocol::fact::CloseReason;
use ot_protocol::{
    Direction, Domain, Fact, FlowEvent, FlowKind, FrameRef, Health, Message, Order, PacketInfo, SessionId, Timestamp,
};
use std::sync::Arc;

/// The end of an epoch, told to all lanes before the packet that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// The packet that ends the epoch.
    pub packet: u64,
    /// Start of the second that begins; after a jump, end of the second that was left.
    pub time: Timestamp,
    /// Seconds by which timers move.
    pub seconds: u32,
    pub jump: Option<(Timestamp, Timestamp)>,
}

/// Where a lane puts what it found, in order.
#[derive(Default)]
pub(crate) struct Out {
    pub facts: Vec<(Order, Fact)>,
    pub messages: Vec<Message>,
    /// Whether messages are handed over instead of facts.
    pub decode: bool,
    epoch: Vec<(SessionId, Fact)>,
    packet: u64,
    place: u32,
    at_epoch: bool,
}

impl Out {
    pub fn fact(&mut self, session: SessionId, fact: Fact) {
        if self.decode {
            return;
        }
        if self.at_epoch {
            self.epoch.push((session, fact));
        } else {
            self.facts.push((Order::of_packet(self.packet, self.place), fact));
            self.place = self.place.saturating_add(1);
        }
    }

    fn begin_packet(&mut self, head: &Head) {
        self.packet = head.info.number;
        // Several heads of one packet may lie in several lanes.
        self.place = match head.kind {
            Kind::Refusal => 1 << 30,
            Kind::Conflict => 1 << 29,
            _ => 0,
        };
    }

    fn begin_epoch(&mut self, packet: u64) {
        self.packet = packet;
        self.at_epoch = true;
    }

    fn end_epoch(&mut self, lane: u8) {
        self.at_epoch = false;
        self.epoch.sort_by_key(|(session, _)| *session);
        let mut last = None;
        let mut n = 0u16;
        for (session, fact) in self.epoch.drain(..) {
            if last != Some(session) {
                last = Some(session);
                // What is of no session is told by each lane in a range of its own.
                n = if session == SessionId(0) { u16::from(lane) << 8 } else { 0 };
            }
            self.facts.push((Order::of_epoch(self.packet, session, n), fact));
            n = n.saturating_add(1);
        }
    }
}

/// What all conversations of a lane share.
pub(crate) struct Shared {
    pub registry: Registry,
    pub config: Arc<FlowConfig>,
    pub out: Out,
    pub stats: FlowStats,
    /// Counters to be told at the end of the epoch.
    pub health: Named,
    /// How whole conversations are seen, to be told at the end of the minute.
    pub sights: Sights,
    /// Streams that are searched for signatures.
    pub scans: Scans,
    /// Seconds of timer time: packet time without its jumps.
    pub now: u32,
    /// Bytes of buffers in use.
    pub buffers: usize,
    /// Bytes of fold caches in use.
    pub folds: usize,
    pub watch: Watching,
    /// Where the reader looks up what conversations are known to be; only on a live run.
    pub classes: Option<Arc<Classes>>,
}

impl Shared {
    /// Tells the reader what a conversation is known to be.
    pub fn classify(&self, flow: &Flow) {
        let Some(classes) = &self.classes else { return };
        let class = match flow.ident {
            Ident::Unknown => Class::Unknown,
            Ident::Session if !self.is_companion(flow.service) => Class::Ot,
            Ident::Session | Ident::NotOt | Ident::Quarantined => Class::NotOt,
        };
        classes.set(flow.hash, class);
    }

    /// Whether a port is a standard port of a protocol.
    pub fn is_standard(&self, port: u16) -> bool {
        self.registry.iter().any(|protocol| protocol.ports().contains(&port))
    }

    /// Whether a confirmed protocol is a companion from office networks.
    pub fn is_companion(&self, service: Option<u8>) -> bool {
        service
            .and_then(|index| self.registry.get(usize::from(index)))
            .is_some_and(|protocol| protocol.domain() == Domain::It)
    }

    pub fn trouble(&mut self, counter: &'static str, count: u64) {
        self.health.add(counter, count);
    }

    /// Tells an event of a conversation; its counters begin anew.
    pub fn event(&mut self, flow: &mut Flow, kind: FlowKind, time: Timestamp, frame: FrameRef, count: u32) {
        let (client, roles_certain) = flow.client(|port| self.is_standard(port));
        let server = client.reversed();
        let [pa, pb] = std::mem::take(&mut flow.packets).map(u64::from);
        let [ba, bb] = std::mem::take(&mut flow.bytes);
        let by_role = |a: u64, b: u64| if client == Direction::AtoB { [a, b] } else { [b, a] };
        let event = FlowEvent {
            session: flow.id,
            kind,
            time,
            frame,
            transport: flow.transport(),
            client: flow.end(client),
            server: flow.end(server),
            roles_certain,
            service: flow.service.and_then(|index| self.registry.get(usize::from(index))).map(|p| p.id()),
            packets: by_role(pa, pb),
            bytes: by_role(ba, bb),
            count,
        };
        flow.update_second = self.now;
        self.out.fact(flow.id, Fact::Flow(Box::new(event)));
    }

    pub fn conflict(&mut self, flow: &mut Flow, conflict: Conflict, info: PacketInfo) {
        self.stats.conflicts += 1;
        let Conflict { offset, length, first, later } = conflict;
        self.event(flow, FlowKind::Conflict { offset, length, first, later }, info.time, info.frame, 1);
    }
}

/// Idle conversations ended in one second, a lane; the rest has to wait, so that facts come in bounded numbers.
const ENDS: usize = 1024;

/// Lists in which a slot stands, each once.
const TICK: u8 = 1;
const DIRTY: u8 = 2;
const HOLDING: u8 = 4;
const SYNS: u8 = 8;
const PINGING: u8 = 16;

/// Seconds between two tellings of how whole conversations are seen.
const MINUTE: u32 = 60;
/// ICMP messages of one second that are told at its end, not at the end of the minute.
const PINGS: u32 = 8;

/// A share of all conversations.
pub(crate) struct Lane {
    index: u8,
    pub shared: Shared,
    pub flows: Vec<Flow>,
    free: Vec<u32>,
    table: HashTable<u32>,
    pub wheel: Wheel,
    max_flows: usize,
    hand: usize,
    listed: Vec<u8>,
    ticking: Vec<u32>,
    dirty: Vec<u32>,
    holding: Vec<u32>,
    syns: Vec<u32>,
    pinging: Vec<u32>,
    due: Vec<u32>,
    claims: Claims,
}

impl Lane {
    pub fn new(index: u8, registry: Registry, config: Arc<FlowConfig>, decode: bool) -> Self {
        let max_flows = (config.max_flows / crate::LANES).max(16);
        let watch = Watching::of(registry, &config, decode);
        Self {
            index,
            shared: Shared {
                registry,
                config,
                out: Out { decode, ..Out::default() },
                stats: FlowStats::default(),
                health: Named::default(),
                sights: Sights::default(),
                scans: Scans::default(),
                now: 1,
                buffers: 0,
                folds: 0,
                watch,
                classes: None,
            },
            flows: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            wheel: Wheel::new(),
            max_flows,
            hand: 0,
            listed: Vec::new(),
            ticking: Vec::new(),
            dirty: Vec::new(),
            holding: Vec::new(),
            syns: Vec::new(),
            pinging: Vec::new(),
            due: Vec::new(),
            claims: Claims::new(),
        }
    }

    /// Follows one packet.
    pub fn packet(&mut self, head: &Head, payload: &[u8]) {
        self.shared.out.begin_packet(head);
        match head.kind {
            Kind::Tcp | Kind::TcpShed => self.tcp(head, payload),
            Kind::Udp => self.datagram(head, Some(payload)),
            // A frame without IP that tells of a device.
            Kind::Other if head.len > 0 => self.datagram(head, Some(payload)),
            Kind::Other => self.datagram(head, None),
            Kind::Arp => {
                let Shared { out, stats, now, .. } = &mut self.shared;
                self.claims.arp(head, *now, out, stats);
            }
            Kind::Refusal => self.refusal(head),
            Kind::Conflict => self.fragment_conflict(head, payload),
        }
    }

    /// The slot of a conversation.
    pub fn find(&self, head: &Head) -> Option<u32> {
        self.table
            .find(head.hash, |slot| self.flows.get(*slot as usize).is_some_and(|flow| flow.key == head.key))
            .copied()
    }

    /// Begins a conversation.
    pub fn open(&mut self, head: &Head) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.flows.len() < self.max_flows => {
                self.listed.push(0);
                // The slot is filled just below.
                u32::try_from(self.flows.len()).unwrap_or(NONE)
            }
            None => self.evict(head.info),
        };
        let mut flow = Flow::new(head);
        flow.last_second = self.shared.now;
        flow.update_second = self.shared.now;
        match self.flows.get_mut(slot as usize) {
            Some(place) => *place = flow,
            None => self.flows.push(flow),
        }
        let flows = &self.flows;
        self.table.insert_unique(head.hash, slot, |slot| flows.get(*slot as usize).map_or(0, |flow| flow.hash));
        let now = self.shared.now;
        let due = now + self.shared.config.idle_attempt.min(self.shared.config.update);
        self.wheel.set(&mut self.flows, slot, now, due);
        self.shared.stats.flows += 1;
        slot
    }

    /// Frees a slot of the full table: of the next 16 the one that matters least and was silent for longest.
    fn evict(&mut self, info: PacketInfo) -> u32 {
        let count = self.flows.len();
        let mut best: Option<(u8, u64, usize)> = None;
        for step in 0..16.min(count) {
            let at = (self.hand + step) % count;
            let Some(flow) = self.flows.get(at) else { continue };
            let rank = match flow.ident {
                _ if flow.closed => 0,
                Ident::Session if !self.shared.is_companion(flow.service) => 3,
                _ if !flow.has_data && !flow.opened => 1,
                _ => 2,
            };
            let candidate = (rank, flow.last_packet, at);
            if best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        self.hand = (self.hand + 16) % count.max(1);
        let slot = best.map_or(0, |(_, _, at)| u32::try_from(at).unwrap_or(0));
        let closed = self.flows.get(slot as usize).is_some_and(|flow| flow.closed);
        if !closed {
            self.shared.stats.flows_evicted += 1;
            self.shared.trouble("flows-evicted", 1);
        }
        self.end(slot, CloseReason::Evicted, info);
        self.free.pop().unwrap_or(slot)
    }

    /// Counts a packet of a conversation and looks at who sent it.
    pub fn count(&mut self, slot: u32, head: &Head) -> Direction {
        let Self { flows, shared, claims, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return Direction::AtoB };
        let direction = flow.direction(head);
        let at = direction.index();
        shared.stats.packets += 1;
        shared.stats.bytes += u64::from(head.wire);
        flow.packets[at] = flow.packets[at].saturating_add(1);
        flow.bytes[at] += u64::from(head.wire);
        flow.first_packets = flow.first_packets.saturating_add(1);
        flow.last_second = shared.now;
        flow.last_packet = head.info.number;
        flow.last_frame = head.info.frame;
        if !flow.seen[at] || (flow.macs[at] != head.src_mac && head.src_mac.is_some()) {
            flow.seen[at] = true;
            let mac = unicast(head.src_mac);
            if mac.is_some() {
                flow.macs[at] = mac;
            }
            flow.vlans[at] = head.vlan;
            claims.source(head, &mut shared.out);
        }
        direction
    }

    /// UDP, and what is only counted.
    fn datagram(&mut self, head: &Head, payload: Option<&[u8]>) {
        let slot = self.find(head).unwrap_or_else(|| self.open(head));
        let direction = self.count(slot, head);
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return };
        let info = head.info;
        if !flow.attempted {
            flow.attempted = true;
            shared.event(flow, FlowKind::Attempt, info.time, info.frame, 1);
        }
        if !flow.opened && flow.seen == [true; 2] {
            flow.opened = true;
            shared.event(flow, FlowKind::Open, info.time, info.frame, 1);
        }
        let Some(payload) = payload else {
            if flow.packets[0].max(flow.packets[1]) >= PINGS && flow.transport() == ot_protocol::Transport::Icmp {
                self.pinged(slot);
            }
            return;
        };
        if head.kind == Kind::Udp {
            shared.stats.udp_payload += u64::from(head.len);
        } else {
            shared.stats.frame_payload += u64::from(head.len);
        }
        if payload.is_empty() {
            return;
        }
        flow.has_data = true;
        deliver_datagram(flow, shared, direction, info, payload, head.missing);
        self.after_session(slot);
    }

    /// An ICMP error came back for a conversation.
    fn refusal(&mut self, head: &Head) {
        let Some(slot) = self.find(head) else { return };
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return };
        if flow.closed || flow.refused || flow.opened {
            return;
        }
        flow.refused = true;
        shared.event(flow, FlowKind::Refused, head.info.time, head.info.frame, 1);
    }

    /// Fragments of a conversation contradict each other.
    fn fragment_conflict(&mut self, head: &Head, payload: &[u8]) {
        let slot = self.find(head).unwrap_or_else(|| self.open(head));
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return };
        let (first, later) = payload.split_at((head.missing as usize).min(payload.len()));
        let conflict =
            Conflict { offset: u64::from(head.seq), length: head.ack, first: first.into(), later: later.into() };
        shared.conflict(flow, conflict, head.info);
    }

    /// Puts a conversation into the lists it belongs to after its session was shown something.
    pub fn after_session(&mut self, slot: u32) {
        let at = slot as usize;
        let (Some(flow), Some(listed)) = (self.flows.get(at), self.listed.get_mut(at)) else { return };
        let Some(ext) = &flow.ext else { return };
        if ext.fold.is_dirty() && *listed & DIRTY == 0 {
            *listed |= DIRTY;
            self.dirty.push(slot);
        }
        if *listed & TICK == 0 && ext.session.as_ref().is_some_and(|session| session.wants_tick()) {
            *listed |= TICK;
            self.ticking.push(slot);
        }
        if *listed & HOLDING == 0 && ext.halves.iter().any(|half| !half.held.is_empty()) {
            *listed |= HOLDING;
            self.holding.push(slot);
        }
    }

    /// Notes that SYNs were repeated.
    pub fn syn_repeated(&mut self, slot: u32) {
        let Some(listed) = self.listed.get_mut(slot as usize) else { return };
        if *listed & SYNS == 0 {
            *listed |= SYNS;
            self.syns.push(slot);
        }
    }

    /// Notes that ICMP messages come fast.
    fn pinged(&mut self, slot: u32) {
        let Some(listed) = self.listed.get_mut(slot as usize) else { return };
        if *listed & PINGING == 0 {
            *listed |= PINGING;
            self.pinging.push(slot);
        }
    }

    /// A slot of a list, without its mark.
    fn take(listed: &mut [u8], slot: u32, mark: u8) {
        if let Some(listed) = listed.get_mut(slot as usize) {
            *listed &= !mark;
        }
    }

    /// The end of a second of packet time.
    pub fn epoch(&mut self, marker: &Marker) {
        self.shared.out.begin_epoch(marker.packet);
        self.second_ends(marker);
        self.tell_health(marker.time);
        self.shared.out.end_epoch(self.index);
        if !self.shared.watch.is_current(&self.shared.config) {
            self.shared.watch = Watching::of(self.shared.registry, &self.shared.config, self.shared.out.decode);
        }
    }

    fn second_ends(&mut self, marker: &Marker) {
        let from = self.shared.now;
        self.shared.now = from.saturating_add(marker.seconds);
        let info = PacketInfo { number: marker.packet, frame: FrameRef::default(), time: marker.time };
        let hole = self.shared.config.hole_seconds;

        for slot in std::mem::take(&mut self.holding) {
            Self::take(&mut self.listed, slot, HOLDING);
            self.holes_due(slot, hole, info);
            self.after_session(slot);
        }
        for slot in std::mem::take(&mut self.ticking) {
            Self::take(&mut self.listed, slot, TICK);
            if let Some(flow) = self.flows.get_mut(slot as usize).filter(|flow| flow.live) {
                session::tick(flow, &mut self.shared, info);
            }
            self.after_session(slot);
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        // Their facts are told in the order of sessions: then there is nothing left to sort.
        dirty.sort_unstable_by_key(|slot| self.flows.get(*slot as usize).map(|flow| flow.id));
        for slot in dirty.drain(..) {
            Self::take(&mut self.listed, slot, DIRTY);
            if let Some(flow) = self.flows.get_mut(slot as usize).filter(|flow| flow.live) {
                session::flush_folds(flow, &mut self.shared);
            }
        }
        self.dirty = dirty;
        let mut syns = std::mem::take(&mut self.syns);
        for slot in syns.drain(..) {
            Self::take(&mut self.listed, slot, SYNS);
            if let Some(flow) = self.flows.get_mut(slot as usize).filter(|flow| flow.live) {
                tell_syns(flow, &mut self.shared, marker.time);
            }
        }
        self.syns = syns;
        self.claims.epoch_end(&mut self.shared.out);
        let mut pinging = std::mem::take(&mut self.pinging);
        for slot in pinging.drain(..) {
            Self::take(&mut self.listed, slot, PINGING);
            if let Some(flow) = self.flows.get_mut(slot as usize).filter(|flow| flow.live && !flow.closed) {
                let frame = flow.last_frame;
                self.shared.event(flow, FlowKind::Update, marker.time, frame, 1);
            }
        }
        self.pinging = pinging;
        self.timers(from, info);
        if from / MINUTE != self.shared.now / MINUTE {
            self.tell_sights(marker.time);
        }
    }

    fn tell_sights(&mut self, time: Timestamp) {
        let Shared { sights, out, .. } = &mut self.shared;
        for sight in sights.drain(time) {
            out.fact(SessionId(0), Fact::Sight(sight));
        }
    }

    fn tell_health(&mut self, time: Timestamp) {
        let Shared { health, out, .. } = &mut self.shared;
        for (counter, count) in health.drain() {
            out.fact(SessionId(0), Fact::Health(Health { counter, count, time }));
        }
    }

    /// Updates and idle conversations of the seconds that have passed.
    fn timers(&mut self, from: u32, info: PacketInfo) {
        let now = self.shared.now;
        let mut due = std::mem::take(&mut self.due);
        let span = now - from;
        for second in 1..=span {
            self.wheel.due(&self.flows, from + second, &mut due);
        }
        let mut ended = 0;
        for slot in due.drain(..) {
            let Some(flow) = self.flows.get_mut(slot as usize).filter(|flow| flow.live) else { continue };
            let config = &self.shared.config;
            let (since, idle) = if flow.closed {
                (flow.closed_second, config.linger)
            } else {
                let idle = match flow.ident {
                    Ident::Session if !self.shared.is_companion(flow.service) => config.idle_session,
                    _ if flow.key.transport() != ot_protocol::Transport::Tcp => config.idle_datagram,
                    _ if flow.opened || flow.has_data => config.idle_tcp,
                    _ => config.idle_attempt,
                };
                (flow.last_second, idle)
            };
            if now.saturating_sub(since) >= idle {
                ended += 1;
                if ended > ENDS {
                    self.wheel.set(&mut self.flows, slot, now, now + 1);
                    continue;
                }
                let reason = if flow.refused { CloseReason::Reset } else { CloseReason::Idle };
                self.end(slot, reason, info);
                continue;
            }
            let mut next = since.saturating_add(idle);
            if !flow.closed {
                let update = config.update.max(1);
                if now.saturating_sub(flow.update_second) >= update {
                    self.shared.sights.judge(flow, false);
                    if flow.packets != [0; 2] {
                        let frame = flow.last_frame;
                        self.shared.event(flow, FlowKind::Update, info.time, frame, 1);
                    }
                    flow.update_second = now;
                }
                next = next.min(flow.update_second.saturating_add(update));
            }
            self.wheel.set(&mut self.flows, slot, now, next);
        }
        self.due = due;
    }

    /// Closes a conversation but remembers it for a while.
    pub fn close(&mut self, slot: u32, reason: CloseReason, info: PacketInfo) {
        self.flush_all(slot);
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return };
        if flow.closed {
            return;
        }
        tell_syns(flow, shared, info.time);
        shared.sights.judge(flow, true);
        session::finish(flow, shared, info, reason == CloseReason::EndOfInput);
        shared.scans.end(flow);
        flow.closed = true;
        flow.closed_second = shared.now;
        let frame = if info.frame == FrameRef::default() { flow.last_frame } else { info.frame };
        shared.event(flow, FlowKind::Close(reason), info.time, frame, 1);
        let now = shared.now;
        let due = now + shared.config.linger;
        self.wheel.set(&mut self.flows, slot, now, due);
    }

    /// Closes a conversation and forgets it.
    pub fn end(&mut self, slot: u32, reason: CloseReason, info: PacketInfo) {
        self.close(slot, reason, info);
        self.wheel.remove(&mut self.flows, slot);
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        flow.live = false;
        let hash = flow.hash;
        if let Ok(entry) = self.table.find_entry(hash, |at| *at == slot) {
            entry.remove();
        }
        self.free.push(slot);
    }

    /// The capture ends: ends all conversations. Each lane has a packet number of its own for that, after the last one,
    /// so that not all lanes tell at once.
    pub fn finish(&mut self, marker: &Marker) {
        self.shared.out.begin_epoch(marker.packet);
        let info = PacketInfo { number: marker.packet, frame: FrameRef::default(), time: marker.time };
        for slot in 0..u32::try_from(self.flows.len()).unwrap_or(NONE) {
            if self.flows.get(slot as usize).is_some_and(|flow| flow.live) {
                self.end(slot, CloseReason::EndOfInput, info);
            }
        }
        self.flows = Vec::new();
        self.tell_health(marker.time);
        self.tell_sights(marker.time);
        self.shared.out.end_epoch(self.index);
    }

    /// Its number.
    pub fn number(&self) -> u8 {
        self.index
    }

    /// Whether this is the lane with that number.
    pub fn is(&self, index: usize) -> bool {
        usize::from(self.index) == index
    }
}

/// Tells of repeated SYNs.
pub(crate) fn tell_syns(flow: &mut Flow, shared: &mut Shared, time: Timestamp) {
    let count = std::mem::take(&mut flow.syns);
    if count > 0 {
        let frame = flow.last_frame;
        shared.event(flow, FlowKind::Attempt, time, frame, count);
    }
}
