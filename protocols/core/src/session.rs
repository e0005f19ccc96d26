//! Protocols and their sessions: no sockets and no clock; time is an argument.

use crate::activity::{Activity, ActivityKey, ValueView};
use crate::fact::{Identity, NameUse, SessionId};
use crate::message::{FieldDoc, Message};
use crate::net::{Direction, Endpoint, FrameRef};
use crate::time::{Nanos, Timestamp};

/// The packet that brings bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketInfo {
    /// Number over all inputs of the run, from 1.
    pub number: u64,
    /// Frame within its file.
    pub frame: FrameRef,
    /// Packet time.
    pub time: Timestamp,
}

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStart {
    /// Its id.
    pub session: SessionId,
    /// End A (sent the first packet) and end B.
    pub ends: [Endpoint; 2],
    /// Direction of the client's messages, where certain: the SYN was seen or the probe told it.
    pub client: Option<Direction>,
    /// Whether messages come in datagrams (UDP).
    pub datagram: bool,
}

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not this protocol.
    No,
    /// Not this protocol, but one that rightly shares its standard port (as MMS shares TCP port 102 with S7): nothing to
    /// warn of.
    Neighbour,
    /// Could be; more bytes or the other direction are needed to tell.
    More,
    /// It is. The direction in which the client speaks, where the bytes tell it.
    Yes {
        /// Direction of the client's messages.
        client: Option<Direction>,
    },
}

/// How far a session came with the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes dealt with. The rest is the start of a message and will be shown again with more behind it.
    pub consumed: usize,
    /// At least how many bytes in all it needs to go on (0 where everything was consumed).
    pub need: usize,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The connection closed, was reset, became idle or was evicted: open requests stay unanswered.
    Closed,
    /// The capture ended: open requests within their time-out are pending.
    EndOfInput,
}

/// Where a session puts what it found.
pub trait Sink {
    /// Whether [`Sink::message`] is wanted; otherwise a session need not build messages.
    fn wants_messages(&self) -> bool;

    /// The bytes on the wire of the message that is told next, for those who look into them.
    fn wire(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// A decoded message.
    fn message(&mut self, message: Message);

    /// Asks whether an activity is known; if so it is counted and nothing more is to be done.
    ///
    /// Written values outside what the key has seen make it unknown. `time` is that of the request, `latency` 0 where
    /// not known. Only activities without violations may be asked for.
    fn known(
        &mut self,
        key: &ActivityKey,
        time: Timestamp,
        frames: [FrameRef; 2],
        latency: Nanos,
        values: ValueView<'_>,
    ) -> bool;

    /// A new or noteworthy activity. `key` is given where later repetitions may be folded; the sink sets `slot`.
    fn activity(&mut self, key: Option<ActivityKey>, activity: Activity);

    /// A device told what it is. The sink drops what the session told before with the same value.
    fn identity(&mut self, identity: Identity);

    /// A device told what another one is: the device of the identity did not speak, and may never have been seen.
    fn hearsay(&mut self, identity: Identity);

    /// A client asked for, or contacted, a domain name. The sink drops what the session told before.
    fn name(&mut self, name: NameUse);

    /// A message of this many bytes was decoded.
    fn decoded(&mut self, bytes: usize);

    /// Bytes were passed over: why, for the health counters.
    fn skipped(&mut self, bytes: usize, why: &'static str);

    /// A table of the session was full and its oldest entry was given up: counter id.
    fn evicted(&mut self, counter: &'static str);

    /// A length field asks for more than any device needs.
    fn too_long(&mut self, bytes: u64);
}

/// What a session is shown beside the bytes.
pub struct Context<'a> {
    /// The packet that brought the last byte (at a tick or an end: the newest packet time).
    pub packet: PacketInfo,
    /// Whether anything was ever seen from each end (A, B): an answer that cannot be seen is not missing.
    pub seen: [bool; 2],
    /// Where results go.
    pub sink: &'a mut dyn Sink,
}

/// What a protocol is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// Runs the process: who speaks it is an OT device, and its network an OT network.
    #[default]
    Ot,
    /// A companion from office networks, looked into to name devices and to see sign-ins and remote access. Who speaks it is
    /// no OT device for that.
    It,
}

/// A protocol: one item of the registry.
pub trait Protocol: Sync {
    /// Id: `modbus`, `dnp3` …
    fn id(&self) -> &'static str;

    /// Name for people.
    fn name(&self) -> &'static str;

    /// What it is for.
    fn domain(&self) -> Domain {
        Domain::Ot
    }

    /// Ethertypes of a protocol that runs over Ethernet itself; each frame is shown as a datagram. A protocol with
    /// ethertypes is asked about no other conversations, and one without about none of these.
    fn ethertypes(&self) -> &'static [u16] {
        &[]
    }

    /// Standard ports, TCP and UDP: a hint, not a proof.
    fn ports(&self) -> &'static [u16];

    /// Looks at the first bytes of a flow, of each direction (A to B, B to A), gathered so far, at most 4 KiB each.
    ///
    /// Must be cheap, and must not say yes to what another protocol would send. `hint` tells that a port of the flow is
    /// one of [`Protocol::ports`]. `datagram`: the bytes are one datagram of one direction.
    fn probe(&self, bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe;

    /// Begins a session.
    fn session(&self, start: SessionStart) -> Box<dyn Session>;

    /// Every field that its messages can have.
    fn fields(&self) -> &'static [FieldDoc];

    /// Catalogue ids that its violations can name.
    fn rules(&self) -> &'static [&'static str];
}

/// A conversation in one protocol. Must not panic and must keep its memory bounded whatever it is shown.
pub trait Session: Send {
    /// Shows all bytes of a direction not dealt with yet.
    ///
    /// A session that cannot make sense of bytes looks for the next message itself, counts what it passed over with
    /// [`Sink::skipped`] and goes on. It must make progress when shown `need` bytes.
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Progress;

    /// Shows one datagram. What is left over at its end is not shown again.
    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]);

    /// Bytes of a direction are lost (0: an unknown number). What was not consumed is dropped by the caller and counted.
    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, bytes: u64);

    /// Time has passed: called at the end of an epoch (a second of packet time) if the session has anything open.
    fn tick(&mut self, context: &mut Context<'_>);

    /// Whether [`Session::tick`] is of use now: a request is open.
    fn wants_tick(&self) -> bool;

    /// The conversation is over.
    fn finish(&mut self, context: &mut Context<'_>, why: Finish);

    /// Direction of the client's messages, once the session's history has told it.
    fn client(&self) -> Option<Direction>;

    /// Whether all that is looked for was found: the session is not shown more, and the rest of the conversation is only
    /// counted.
    fn is_done(&self) -> bool {
        false
    }
}
