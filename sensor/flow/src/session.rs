//! Bytes to sessions, and what sessions find to facts.

use crate::flow::{Ext, Flow, Ident};
use crate::fold::{FoldCache, Known};
use crate::identify::{Probing, Registry, Verdict};
use crate::lane::Shared;
use crate::signatures;
use crate::stream::Ring;
use crate::watching;
use foldhash::fast::FixedState;
use ot_protocol::session::Finish;
use ot_protocol::{
    Activity, ActivityKey, Context, Direction, Domain, Fact, FlowKind, FrameRef, Identity, Message, NameUse, Nanos,
    PacketInfo, Progress, Protocol, Session, SessionId, SessionStart, Sink, Timestamp, Transport, ValueView,
};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes that a session may pass over in a row before its protocol is doubted.
const DOUBT: u64 = 64 << 10;
/// How often a conversation may be identified.
const SESSIONS: u8 = 3;
/// Identity facts remembered, a session.
const IDENTITIES: usize = 64;
/// Names remembered, a session.
const NAMES: usize = 32;

const STATE: FixedState = FixedState::with_seed(0x6f74_2d6e_616d_6573);

/// Where a session of one conversation puts what it finds.
struct FlowSink<'a> {
    shared: &'a mut Shared,
    fold: &'a mut FoldCache,
    identities: &'a mut Vec<Identity>,
    names: &'a mut Vec<u64>,
    skipped_run: &'a mut u64,
    protocol: &'static str,
    id: SessionId,
    transport: Transport,
    /// Address and port of the client, as far as known, where messages are wanted.
    client: Option<(Option<IpAddr>, u16)>,
    too_long: Option<u64>,
    /// Whether messages are wanted.
    messages: bool,
    /// Bytes that the session said what became of, in this call.
    told: usize,
}

impl Sink for FlowSink<'_> {
    fn wants_messages(&self) -> bool {
        self.messages
    }

    fn wire(&mut self, bytes: &[u8]) {
        if self.messages {
            self.shared.watch.keep(bytes);
        }
    }

    fn message(&mut self, message: Message) {
        if self.shared.out.decode {
            self.shared.out.messages.push(message);
        } else if self.messages {
            watching::message(self.shared, self.id, self.transport, self.client, &message);
        }
    }

    fn known(
        &mut self,
        key: &ActivityKey,
        time: Timestamp,
        frames: [FrameRef; 2],
        latency: Nanos,
        values: ValueView<'_>,
    ) -> bool {
        let Shared { folds, config, out, stats, .. } = &mut *self.shared;
        if out.decode {
            return true;
        }
        match self.fold.known(key, time, frames, latency, values, folds, config.lane_fold_bytes) {
            Known::Yes => {
                stats.folded += 1;
                true
            }
            Known::No => false,
        }
    }

    fn activity(&mut self, key: Option<ActivityKey>, mut activity: Activity) {
        let Shared { folds, config, out, stats, health, .. } = &mut *self.shared;
        if out.decode {
            return;
        }
        stats.activities += 1;
        activity.slot = None;
        if let Some(key) = key {
            activity.slot = self.fold.told(&key, &activity, config.session_slots, folds, config.lane_fold_bytes);
            if activity.slot.is_none() {
                stats.fold_full += 1;
                health.add("fold-cache-full", 1);
            }
        }
        out.fact(self.id, Fact::Activity(Box::new(activity)));
    }

    fn identity(&mut self, identity: Identity) {
        if self.is_new(&identity) {
            self.shared.out.fact(self.id, Fact::Identity(Box::new(identity)));
        }
    }

    fn hearsay(&mut self, identity: Identity) {
        if self.is_new(&identity) {
            self.shared.out.fact(self.id, Fact::Hearsay(Box::new(identity)));
        }
    }

    fn name(&mut self, name: NameUse) {
        let hash = STATE.hash_one((&name.name, name.via, name.client.ip, name.server.ip));
        if self.names.contains(&hash) {
            return;
        }
        if self.names.len() >= NAMES {
            self.names.remove(0);
        }
        self.names.push(hash);
        self.shared.out.fact(self.id, Fact::Name(Box::new(name)));
    }

    fn decoded(&mut self, bytes: usize) {
        *self.skipped_run = 0;
        self.told = self.told.saturating_add(bytes);
        self.shared.stats.decoded.add(self.protocol, long(bytes));
        self.shared.stats.messages.add(self.protocol, 1);
    }

    fn skipped(&mut self, bytes: usize, why: &'static str) {
        *self.skipped_run += long(bytes);
        self.told = self.told.saturating_add(bytes);
        self.shared.stats.skipped.add(why, long(bytes));
    }

    fn evicted(&mut self, counter: &'static str) {
        self.shared.stats.evicted.add(counter, 1);
        self.shared.trouble(counter, 1);
    }

    fn too_long(&mut self, bytes: u64) {
        self.too_long = Some(self.too_long.map_or(bytes, |other| other.max(bytes)));
    }
}

impl FlowSink<'_> {
    /// Whether an identity differs from what the session told last.
    fn is_new(&mut self, identity: &Identity) -> bool {
        let known = |told: &Identity| {
            told.property == identity.property && told.device == identity.device && told.source == identity.source
        };
        match self.identities.iter_mut().find(|told| known(told)) {
            Some(told) if told.value == identity.value => return false,
            Some(told) => told.value.clone_from(&identity.value),
            None => {
                if self.identities.len() >= IDENTITIES {
                    self.identities.remove(0);
                }
                self.identities.push(identity.clone());
            }
        }
        true
    }
}

pub(crate) fn long(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Calls the session of a conversation and shows it so many bytes. A session that panics is given up; the conversation goes
/// on without it.
fn with<R>(
    flow: &mut Flow,
    shared: &mut Shared,
    info: PacketInfo,
    shown: usize,
    call: impl FnOnce(&mut dyn Session, &mut Context<'_>) -> R,
) -> Option<R> {
    let seen = flow.seen;
    let protocol = flow.service.and_then(|index| shared.registry.get(usize::from(index))).map_or("", |p| p.id());
    let messages = flow.service.is_some_and(|index| shared.watch.wants(index));
    let client = messages.then(|| watching::client(flow, shared));
    let transport = flow.transport();
    let Ext { session, fold, identities, names, skipped_run, .. } = flow.ext.as_deref_mut()?;
    let session = session.as_deref_mut()?;
    let id = flow.id;
    let mut sink = FlowSink {
        shared,
        fold,
        identities,
        names,
        skipped_run,
        protocol,
        id,
        transport,
        client,
        too_long: None,
        messages,
        told: 0,
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context { packet: info, seen, sink: &mut sink };
        let result = call(session, &mut context);
        (result, session.client(), session.is_done())
    }));
    let (too_long, told) = (sink.too_long, sink.told);
    match result {
        Ok((result, client, done)) => {
            flow.protocol_client = client.or(flow.protocol_client);
            if let Some(bytes) = too_long {
                shared.event(flow, FlowKind::TooLong(bytes), info.time, info.frame, 1);
            }
            if done {
                // What the session did not say of the bytes it was just shown is no more looked into.
                let rest = shown.saturating_sub(told);
                if rest > 0 {
                    shared.stats.skipped.add("not-ot", long(rest));
                }
                flush_folds(flow, shared);
                flow.ident = Ident::NotOt;
                shared.classify(flow);
                drop_ext(flow, shared);
                return None;
            }
            Some(result)
        }
        Err(_) => {
            shared.stats.sessions_quarantined += 1;
            shared.trouble("sessions-quarantined", 1);
            let rest = shown.saturating_sub(told);
            if rest > 0 {
                shared.stats.skipped.add("quarantined", long(rest));
            }
            flow.ident = Ident::Quarantined;
            shared.classify(flow);
            flush_folds(flow, shared);
            drop_ext(flow, shared);
            None
        }
    }
}

/// The rare part of a conversation, made where it is not there yet.
pub(crate) fn ext<'a>(flow: &'a mut Flow, shared: &mut Shared) -> &'a mut Ext {
    flow.ext.get_or_insert_with(|| {
        let mut ext = Box::<Ext>::default();
        // Half of the buffers is left to what is needed for decoding.
        let ring = shared.config.compare_bytes;
        if shared.buffers + 2 * ring <= shared.config.lane_buffer_bytes / 2 {
            ext.ring = ring;
            ext.bytes = 2 * ring;
            shared.buffers += 2 * ring;
        } else {
            shared.stats.buffers_refused += 1;
        }
        ext
    })
}

/// Brings the account of a conversation's buffers up to date.
pub(crate) fn account(flow: &mut Flow, shared: &mut Shared) {
    let Some(ext) = flow.ext.as_deref_mut() else { return };
    let held: usize = ext.halves.iter().map(|half| half.carry.len() + half.held_bytes + half.held.len() * 64).sum();
    let bytes = 2 * ext.ring + ext.probing.len() + held;
    shared.buffers = (shared.buffers + bytes).saturating_sub(ext.bytes);
    ext.bytes = bytes;
}

fn buffers_full(shared: &mut Shared, more: usize) -> bool {
    let full = shared.buffers + more > shared.config.lane_buffer_bytes;
    if full {
        shared.stats.buffers_refused += 1;
        shared.trouble("buffers-refused", 1);
    }
    full
}

/// Whether a lane can hold more out-of-order bytes.
pub(crate) fn can_hold(shared: &mut Shared, more: usize) -> bool {
    !buffers_full(shared, more + 64)
}

/// Frees all that a conversation has beside its counters.
pub(crate) fn drop_ext(flow: &mut Flow, shared: &mut Shared) {
    let Some(ext) = flow.ext.take() else { return };
    shared.buffers = shared.buffers.saturating_sub(ext.bytes);
    shared.folds = shared.folds.saturating_sub(ext.fold.bytes());
    for (half, seq) in ext.halves.iter().zip(&mut flow.seq) {
        if !half.carry.is_empty() {
            shared.stats.skipped.add("unfinished", long(half.carry.len()));
        }
        if half.held_bytes > 0 {
            shared.stats.skipped.add("not-decoded", long(half.held_bytes));
        }
        seq.fin |= half.fin_at.is_some();
    }
    // The session's destructor is the session's code as well.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(ext)));
}

/// The next bytes of a stream.
pub(crate) fn deliver(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if shared.watch.payload {
        watching::payload(flow, shared, direction, info, bytes);
    }
    match flow.ident {
        Ident::NotOt => {
            signatures::stream(flow, shared, direction, info, bytes);
            shared.stats.skipped.add("not-ot", long(bytes.len()));
        }
        Ident::Quarantined => shared.stats.skipped.add("quarantined", long(bytes.len())),
        Ident::Unknown => {
            signatures::stream(flow, shared, direction, info, bytes);
            remember(flow, shared, direction, bytes);
            probe(flow, shared, direction, info, bytes);
        }
        Ident::Session => {
            if shared.is_companion(flow.service) {
                signatures::stream(flow, shared, direction, info, bytes);
            } else {
                remember(flow, shared, direction, bytes);
            }
            data(flow, shared, direction, info, bytes);
        }
    }
}

fn remember(flow: &mut Flow, shared: &mut Shared, direction: Direction, bytes: &[u8]) {
    let ext = ext(flow, shared);
    let capacity = ext.ring;
    ext.halves[direction.index()].ring.push(bytes, capacity);
}

/// Shows bytes to the session, with what it left over before.
fn data(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8]) {
    let at = direction.index();
    let Some(half) = flow.ext.as_deref_mut().map(|ext| &mut ext.halves[at]) else { return };
    if half.carry.is_empty() {
        let Some(progress) =
            with(flow, shared, info, bytes.len(), |session, context| session.data(context, direction, bytes))
        else {
            return;
        };
        let Progress { consumed, need } = progress;
        let rest = bytes.get(consumed.min(bytes.len())..).unwrap_or_default();
        if !rest.is_empty() {
            keep(flow, shared, direction, info, rest.to_vec(), need);
        }
    } else {
        half.carry.extend_from_slice(bytes);
        if half.carry.len() < half.need && half.carry.len() <= shared.config.carry_bytes {
            account(flow, shared);
            return;
        }
        let mut carry = std::mem::take(&mut half.carry);
        let wanted = half.need;
        let Some(progress) =
            with(flow, shared, info, carry.len(), |session, context| session.data(context, direction, &carry))
        else {
            return;
        };
        let Progress { consumed, mut need } = progress;
        if consumed == 0 && wanted > 0 && need <= carry.len() {
            // The session has all it asked for and does not go on.
            need = usize::MAX;
        }
        carry.drain(..consumed.min(carry.len()));
        keep(flow, shared, direction, info, carry, need);
    }
    doubt(flow, shared, info);
}

/// Keeps the start of a message, unless it gets too long.
fn keep(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, rest: Vec<u8>, need: usize) {
    let Some(ext) = flow.ext.as_deref_mut() else { return };
    let half = &mut ext.halves[direction.index()];
    let length = rest.len();
    if need == usize::MAX || length > shared.config.carry_bytes || (length > 0 && buffers_full(shared, length)) {
        shared.stats.skipped.add("unfinished", long(length));
        ext.skipped_run += long(length);
        half.need = 0;
        with(flow, shared, info, 0, |session, context| session.gap(context, direction, 0));
    } else {
        half.carry = rest;
        half.need = need;
    }
    account(flow, shared);
}

/// Gives a session up that has passed over everything for too long.
fn doubt(flow: &mut Flow, shared: &mut Shared, info: PacketInfo) {
    if flow.ext.as_deref().is_none_or(|ext| ext.skipped_run <= DOUBT) || shared.is_companion(flow.service) {
        return;
    }
    shared.stats.sessions_lost += 1;
    with(flow, shared, info, 0, |session, context| session.finish(context, Finish::Closed));
    flush_folds(flow, shared);
    let Some(ext) = flow.ext.as_deref_mut() else { return };
    ext.session = None;
    ext.skipped_run = 0;
    ext.probing = Probing::default();
    ext.probing.mid = true;
    shared.folds = shared.folds.saturating_sub(ext.fold.bytes());
    ext.fold = FoldCache::default();
    let mut left = 0;
    for half in &mut ext.halves {
        left += std::mem::take(&mut half.carry).len();
        half.need = 0;
    }
    if left > 0 {
        shared.stats.skipped.add("unfinished", long(left));
    }
    flow.service = None;
    flow.protocol_client = None;
    flow.ident = Ident::Unknown;
    shared.classify(flow);
    account(flow, shared);
    if flow.sessions >= SESSIONS {
        not_ot(flow, shared, info, 0);
    }
}

fn ports(flow: &Flow) -> [u16; 2] {
    flow.key.ports
}

/// Asks the probes.
fn probe(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8]) {
    let ports = ports(flow);
    let registry = shared.registry;
    let full = buffers_full(shared, bytes.len());
    let mid = flow.syn.is_none();
    let ext = ext(flow, shared);
    let mut kept = !full && ext.probing.push(direction, info, bytes);
    let mut verdict = ext.probing.stream(registry, ports, (!kept).then_some((direction, bytes)));
    if verdict == Verdict::None && (mid || ext.probing.mid) {
        // What came first may have begun inside a message: perhaps one begins here, or with the next segment.
        let all = ext.probing.len() + if kept { 0 } else { bytes.len() };
        if all > bytes.len() && ext.probing.again() {
            shared.stats.skipped.add("unidentified", long(all - bytes.len()));
            kept = !full && ext.probing.push(direction, info, bytes);
            verdict = ext.probing.stream(registry, ports, (!kept).then_some((direction, bytes)));
        }
        if verdict == Verdict::None && ext.probing.again() {
            shared.stats.skipped.add("unidentified", long(bytes.len()));
            return account(flow, shared);
        }
    }
    match verdict {
        Verdict::Wait if kept => account(flow, shared),
        Verdict::Wait if full => shared.stats.skipped.add("buffers-full", long(bytes.len())),
        Verdict::Neighbour => other(flow, shared, if kept { 0 } else { bytes.len() }),
        Verdict::Wait | Verdict::None => not_ot(flow, shared, info, if kept { 0 } else { bytes.len() }),
        Verdict::Is(index, client) => {
            let kept_bytes = begin(flow, shared, info, index, client, false);
            account(flow, shared);
            if let Some(probing) = kept_bytes {
                probing.replay(|direction, info, bytes| match flow.ident {
                    Ident::Session => data(flow, shared, direction, info, bytes),
                    _ => shared.stats.skipped.add(passed_over(flow.ident), long(bytes.len())),
                });
                match flow.ident {
                    _ if kept => {}
                    Ident::Session => data(flow, shared, direction, info, bytes),
                    _ => shared.stats.skipped.add(passed_over(flow.ident), long(bytes.len())),
                }
            }
        }
    }
}

/// Begins a session. What was kept for the probes is to be shown to it.
fn begin(
    flow: &mut Flow,
    shared: &mut Shared,
    info: PacketInfo,
    index: u8,
    client: Option<Direction>,
    datagram: bool,
) -> Option<Probing> {
    let protocol = *shared.registry.get(usize::from(index))?;
    let start = SessionStart {
        session: flow.id,
        ends: [flow.end(Direction::AtoB), flow.end(Direction::BtoA)],
        client: flow.syn.or(client),
        datagram,
    };
    let session = catch_unwind(AssertUnwindSafe(|| protocol.session(start))).ok();
    let ext = ext(flow, shared);
    let probing = std::mem::take(&mut ext.probing);
    if session.is_none() {
        shared.stats.sessions_quarantined += 1;
        shared.trouble("sessions-quarantined", 1);
        flow.ident = Ident::Quarantined;
        drop_ext(flow, shared);
        return Some(probing);
    }
    ext.session = session;
    let companion = protocol.domain() == Domain::It;
    if companion {
        // Only what is decoded for the process is held against what is sent again.
        let ring = std::mem::take(&mut ext.ring);
        for half in &mut ext.halves {
            half.ring = Ring::default();
        }
        ext.bytes = ext.bytes.saturating_sub(2 * ring);
        shared.buffers = shared.buffers.saturating_sub(2 * ring);
        shared.stats.companions += 1;
    } else {
        shared.stats.sessions += 1;
    }
    flow.ident = Ident::Session;
    flow.service = Some(index);
    shared.classify(flow);
    flow.protocol_client = client;
    flow.sessions = flow.sessions.saturating_add(1);
    shared.event(flow, FlowKind::Identified, info.time, info.frame, 1);
    if companion {
        on_wrong_port(flow, shared, info);
    }
    Some(probing)
}

/// Why bytes of a conversation without a session are passed over.
fn passed_over(ident: Ident) -> &'static str {
    if ident == Ident::Quarantined { "quarantined" } else { "not-ot" }
}

/// It is no protocol of the registry.
fn other(flow: &mut Flow, shared: &mut Shared, more: usize) {
    let kept = flow.ext.as_deref().map_or(0, |ext| ext.probing.len());
    shared.stats.skipped.add("not-ot", long(kept + more));
    flow.ident = Ident::NotOt;
    shared.classify(flow);
    drop_ext(flow, shared);
}

/// It is no protocol of the registry: to be told where it has the standard port of one.
fn not_ot(flow: &mut Flow, shared: &mut Shared, info: PacketInfo, more: usize) {
    other(flow, shared, more);
    on_wrong_port(flow, shared, info);
}

/// Tells that what is spoken has the standard port of an OT protocol.
fn on_wrong_port(flow: &mut Flow, shared: &mut Shared, info: PacketInfo) {
    let (client, _) = flow.client(|port| shared.is_standard(port));
    let port = flow.end(client.reversed()).port;
    let standard = shared
        .registry
        .iter()
        .find(|protocol: &&&dyn Protocol| protocol.domain() == Domain::Ot && protocol.ports().contains(&port));
    if let (Some(protocol), Transport::Tcp | Transport::Udp) = (standard, flow.transport()) {
        shared.event(flow, FlowKind::WrongProtocol(protocol.id()), info.time, info.frame, 1);
    }
}

/// Bytes of a stream are lost (0: an unknown number).
pub(crate) fn gap(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: u32) {
    shared.stats.gaps += 1;
    shared.stats.gap_bytes += u64::from(bytes);
    shared.trouble("gap-bytes", u64::from(bytes));
    let Some(ext) = flow.ext.as_deref_mut() else { return };
    let half = &mut ext.halves[direction.index()];
    half.ring.clear();
    half.need = 0;
    let left = std::mem::take(&mut half.carry).len();
    if left > 0 {
        shared.stats.skipped.add("unfinished", long(left));
    }
    match flow.ident {
        Ident::Session => {
            with(flow, shared, info, 0, |session, context| session.gap(context, direction, u64::from(bytes)));
        }
        _ => {
            let lost = ext.probing.forget(direction);
            if lost > 0 {
                shared.stats.skipped.add("unidentified", long(lost));
            }
        }
    }
    account(flow, shared);
}

/// A datagram.
pub(crate) fn deliver_datagram(
    flow: &mut Flow,
    shared: &mut Shared,
    direction: Direction,
    info: PacketInfo,
    bytes: &[u8],
    missing: u32,
) {
    if flow.ident != Ident::Session || shared.is_companion(flow.service) {
        signatures::datagram(flow, shared, direction, info, bytes);
    }
    if shared.watch.payload && !bytes.is_empty() {
        watching::payload(flow, shared, direction, info, bytes);
    }
    match flow.ident {
        Ident::NotOt => return shared.stats.skipped.add("not-ot", long(bytes.len())),
        Ident::Quarantined => return shared.stats.skipped.add("quarantined", long(bytes.len())),
        _ if missing > 0 => {
            shared.stats.cut_bytes += u64::from(missing);
            shared.stats.gap_bytes += u64::from(missing);
            return shared.stats.skipped.add("cut", long(bytes.len()));
        }
        Ident::Session => {
            with(flow, shared, info, bytes.len(), |session, context| session.datagram(context, direction, bytes));
            return doubt(flow, shared, info);
        }
        Ident::Unknown => {}
    }
    let ports = ports(flow);
    let registry = shared.registry;
    let ethertype = match flow.transport() {
        Transport::Ethernet(ethertype) => Some(ethertype),
        _ => None,
    };
    let full = buffers_full(shared, bytes.len());
    let mut fresh = Probing::default();
    // Most conversations are told by their first datagram: nothing is kept for them.
    let probing = flow.ext.as_deref_mut().map_or(&mut fresh, |ext| &mut ext.probing);
    match probing.datagram(registry, ports, ethertype, direction, bytes) {
        Verdict::Neighbour => other(flow, shared, bytes.len()),
        Verdict::None => not_ot(flow, shared, info, bytes.len()),
        Verdict::Wait => {
            if full {
                return shared.stats.skipped.add("buffers-full", long(bytes.len()));
            }
            if flow.ext.is_none() {
                let mut made = Box::<Ext>::default();
                made.probing = fresh;
                flow.ext = Some(made);
            }
            let kept = flow.ext.as_deref_mut().is_some_and(|ext| ext.probing.push(direction, info, bytes));
            account(flow, shared);
            if !kept {
                not_ot(flow, shared, info, bytes.len());
            }
        }
        Verdict::Is(index, client) => {
            if flow.ext.is_none() {
                flow.ext = Some(Box::default());
            }
            if let Some(probing) = begin(flow, shared, info, index, client, true) {
                account(flow, shared);
                let mut show = |direction, info, bytes: &[u8]| match flow.ident {
                    Ident::Session => {
                        with(flow, shared, info, bytes.len(), |session, context| {
                            session.datagram(context, direction, bytes)
                        });
                    }
                    _ => shared.stats.skipped.add(passed_over(flow.ident), long(bytes.len())),
                };
                probing.replay(&mut show);
                show(direction, info, bytes);
            }
        }
    }
}

/// A second has passed.
pub(crate) fn tick(flow: &mut Flow, shared: &mut Shared, info: PacketInfo) {
    with(flow, shared, info, 0, |session, context| session.tick(context));
}

/// Tells what a conversation's fold cache has counted.
pub(crate) fn flush_folds(flow: &mut Flow, shared: &mut Shared) {
    let id = flow.id;
    let Some(ext) = flow.ext.as_deref_mut() else { return };
    let Shared { out, stats, .. } = shared;
    ext.fold.flush(id, |fold| {
        stats.folds += 1;
        out.fact(id, Fact::Fold(fold));
    });
}

/// The conversation is over.
pub(crate) fn finish(flow: &mut Flow, shared: &mut Shared, info: PacketInfo, end_of_input: bool) {
    let why = if end_of_input { Finish::EndOfInput } else { Finish::Closed };
    with(flow, shared, info, 0, |session, context| session.finish(context, why));
    flush_folds(flow, shared);
    let unidentified = flow.ext.as_deref().map_or(0, |ext| ext.probing.len());
    if unidentified > 0 {
        shared.stats.skipped.add("unidentified", long(unidentified));
    }
    drop_ext(flow, shared);
}

/// The registry as told by a caller, at most 64 protocols.
pub(crate) fn registry_is_usable(registry: Registry) -> bool {
    registry.len() <= 64
}
