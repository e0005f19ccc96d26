//! Watching: each message of some protocols, and the payload of some conversations, shown to rules of a person.
//!
//! A watch is asked once a second of packet time for what it wants. Of what nobody watches no message is built.

use crate::activity::{Operation, Outcome};
use crate::fact::{SessionId, Transport};
use crate::message::Message;
use crate::net::{Endpoint, FrameRef};
use crate::time::Timestamp;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A message satisfied a rule, as far as the message alone can tell.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleHit {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// The conversation.
    pub session: SessionId,
    /// Packet time.
    pub time: Timestamp,
    /// The frame that completes the message.
    pub frame: FrameRef,
    /// Protocol id; `None` where the rule looks at the payload of TCP or UDP.
    pub protocol: Option<&'static str>,
    /// How it travels.
    pub transport: Transport,
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Whether the client sent it.
    pub from_client: bool,
    /// Class of the operation, where known.
    pub operation: Option<Operation>,
    /// On a response: what became of the request.
    pub outcome: Option<Outcome>,
    /// The conditions that held, with the values found: `modbus.regval_uint16 4711 > 4000`.
    pub because: String,
    /// Values of the fields that the rule names, for its message.
    pub values: Vec<(&'static str, String)>,
}

/// A decoded message as a watch sees it.
pub struct Watched<'a> {
    /// The message.
    pub message: &'a Message,
    /// Its bytes on the wire; empty where the protocol does not give them.
    pub wire: &'a [u8],
    /// The conversation.
    pub session: SessionId,
    /// How it travels.
    pub transport: Transport,
    /// Whether the client sent it.
    pub from_client: bool,
}

/// Payload of one packet: of a datagram, or what a segment adds to its stream, in order.
pub struct WatchedPayload<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// The conversation.
    pub session: SessionId,
    /// TCP or UDP.
    pub transport: Transport,
    /// Packet time.
    pub time: Timestamp,
    /// The frame.
    pub frame: FrameRef,
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Whether the client sent it.
    pub from_client: bool,
}

/// What looks at messages as they are decoded. It must depend on nothing but what it is shown: lanes run on several
/// threads.
pub trait MessageWatch: Send + Sync {
    /// Whether it wants the messages of a protocol.
    fn wants(&self, protocol: &str) -> bool;

    /// Whether it wants the payload of TCP or UDP conversations at all.
    fn wants_payload(&self) -> bool;

    /// Whether it wants the payload of a conversation between two ports.
    fn wants_ports(&self, transport: Transport, ports: [u16; 2]) -> bool;

    /// Looks at a message; adds what it finds.
    fn message(&self, watched: &Watched<'_>, hits: &mut Vec<RuleHit>);

    /// Looks at payload; adds what it finds.
    fn payload(&self, watched: &WatchedPayload<'_>, hits: &mut Vec<RuleHit>);
}

/// The watch in use. It can be exchanged while packets flow: each lane takes the new one at the end of its second.
#[derive(Clone, Default)]
pub struct WatchCell(Arc<Cell>);

#[derive(Default)]
struct Cell {
    watch: RwLock<Option<Arc<dyn MessageWatch>>>,
    changes: AtomicU64,
}

impl WatchCell {
    /// The watch now in use.
    pub fn get(&self) -> Option<Arc<dyn MessageWatch>> {
        self.0.watch.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another watch, or none, in its place.
    pub fn set(&self, watch: Option<Arc<dyn MessageWatch>>) {
        *self.0.watch.write().unwrap_or_else(PoisonError::into_inner) = watch;
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    /// How often it was exchanged.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }
}

impl fmt::Debug for WatchCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.get().is_some() { "a watch" } else { "no watch" })
    }
}

/// Equal are cells that are one.
impl PartialEq for WatchCell {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.get().is_none() && other.get().is_none())
    }
}

impl Eq for WatchCell {}
