//! Shows messages and payload to a watch, and tells what it finds in the place of the packet that brought them.

use crate::config::FlowConfig;
use crate::flow::Flow;
use crate::identify::Registry;
use crate::lane::Shared;
use ot_protocol::{
    Direction, Fact, Message, MessageWatch, PacketInfo, RuleHit, SessionId, Transport, Watched, WatchedPayload,
};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rules that one message, or one packet, can satisfy at most; more are counted.
const HITS: usize = 64;

/// What a lane shows to whom.
#[derive(Default)]
pub(crate) struct Watching {
    watch: Option<Arc<dyn MessageWatch>>,
    /// One bit a protocol of the registry: its messages are wanted.
    messages: u64,
    /// Whether payload is wanted.
    pub payload: bool,
    /// Bytes of the message that comes next.
    wire: Vec<u8>,
    hits: Vec<RuleHit>,
    /// How often the watch had been exchanged when it was asked.
    changes: u64,
}

impl Watching {
    /// What is wanted now. Who decodes wants all messages and no facts.
    pub fn of(registry: Registry, config: &FlowConfig, decode: bool) -> Self {
        if decode {
            return Self { messages: u64::MAX, ..Self::default() };
        }
        let changes = config.watch.changes();
        let Some(watch) = config.watch.get() else { return Self { changes, ..Self::default() } };
        let wanted = registry.iter().take(64).enumerate().filter(|(_, protocol)| watch.wants(protocol.id()));
        let messages = wanted.fold(0, |mask, (index, _)| mask | 1 << index);
        let payload = watch.wants_payload();
        Self { watch: Some(watch), messages, payload, changes, ..Self::default() }
    }

    /// Whether it is still what is wanted.
    pub fn is_current(&self, config: &FlowConfig) -> bool {
        self.changes == config.watch.changes()
    }

    /// Whether the messages of a protocol are wanted.
    pub fn wants(&self, index: u8) -> bool {
        self.messages >> (index & 63) & 1 == 1
    }

    /// Keeps the bytes of the message that comes next.
    pub fn keep(&mut self, bytes: &[u8]) {
        if self.watch.is_some() {
            self.wire.clear();
            self.wire.extend_from_slice(bytes);
        }
    }
}

/// Address and port of the client of a conversation, as far as known.
pub(crate) fn client(flow: &Flow, shared: &Shared) -> (Option<IpAddr>, u16) {
    let (client, _) = flow.client(|port| shared.is_standard(port));
    let end = flow.end(client);
    (end.ip, end.port)
}

/// Shows a message.
pub(crate) fn message(
    shared: &mut Shared,
    session: SessionId,
    transport: Transport,
    client: Option<(Option<IpAddr>, u16)>,
    message: &Message,
) {
    let Some(watch) = shared.watch.watch.clone() else { return };
    let mut hits = std::mem::take(&mut shared.watch.hits);
    let wire = std::mem::take(&mut shared.watch.wire);
    let from_client = client == Some((message.source.ip, message.source.port));
    let watched = Watched { message, wire: &wire, session, transport, from_client };
    look(shared, session, &mut hits, |hits| watch.message(&watched, hits));
    // Its bytes are those of this message alone.
    shared.watch.wire = wire;
    shared.watch.wire.clear();
    shared.watch.hits = hits;
}

/// Shows payload, where the watch wants that of these ports.
pub(crate) fn payload(flow: &Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8]) {
    let Some(watch) = shared.watch.watch.clone() else { return };
    let transport = flow.transport();
    if !watch.wants_ports(transport, flow.key.ports) {
        return;
    }
    let (client, _) = flow.client(|port| shared.is_standard(port));
    let mut hits = std::mem::take(&mut shared.watch.hits);
    let watched = WatchedPayload {
        bytes,
        session: flow.id,
        transport,
        time: info.time,
        frame: info.frame,
        source: flow.end(direction),
        destination: flow.end(direction.reversed()),
        from_client: client == direction,
    };
    look(shared, flow.id, &mut hits, |hits| watch.payload(&watched, hits));
    shared.watch.hits = hits;
}

/// Looks, and tells what was found. A watch that fails has found nothing.
fn look(shared: &mut Shared, session: SessionId, hits: &mut Vec<RuleHit>, look: impl FnOnce(&mut Vec<RuleHit>)) {
    hits.clear();
    if catch_unwind(AssertUnwindSafe(|| look(hits))).is_err() {
        shared.trouble("rules-failed", 1);
        hits.clear();
    }
    if hits.len() > HITS {
        let over = u64::try_from(hits.len() - HITS).unwrap_or(u64::MAX);
        shared.trouble("rule-hits-over-limit", over);
        hits.truncate(HITS);
    }
    for hit in hits.drain(..) {
        shared.out.fact(session, Fact::Rule(Box::new(hit)));
    }
}
