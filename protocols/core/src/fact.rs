//! Facts: the one ordered stream that the engine consumes.

use crate::activity::Activity;
use crate::net::{Endpoint, FrameRef, Mac};
use crate::signature::SignatureHit;
use crate::time::{Nanos, Timestamp};
use crate::watch::RuleHit;
use std::net::IpAddr;

/// A conversation: the number of the packet that began it. The same for any number of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The place of a fact in the stream. Facts of an epoch's end come before those of the packet that ended it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Number of the packet (from 1, over all inputs of a run).
    pub packet: u64,
    /// Place among the facts of that packet.
    pub place: u64,
}

impl Order {
    /// The `n`-th fact of a packet.
    pub fn of_packet(packet: u64, n: u32) -> Self {
        Self { packet, place: 1 << 63 | u64::from(n) }
    }

    /// The `n`-th fact that a session tells at the end of the epoch that `packet` ends.
    pub fn of_epoch(packet: u64, session: SessionId, n: u16) -> Self {
        Self { packet, place: (session.0 << 16 | u64::from(n)) & !(1 << 63) }
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// An operation of a protocol, new or noteworthy.
    Activity(Box<Activity>),
    /// Repetitions of a known activity within one second.
    Fold(Fold),
    /// A conversation begins, changes or ends.
    Flow(Box<FlowEvent>),
    /// An address tells of another.
    Claim(Claim),
    /// A device tells what it is.
    Identity(Box<Identity>),
    /// A device tells what another one is, which may not have been seen: a name server, a neighbour.
    Hearsay(Box<Identity>),
    /// A name of another host was asked for or used.
    Name(Box<NameUse>),
    /// Payload holds a signature of known malware.
    Signature(Box<SignatureHit>),
    /// A message satisfied a rule of a person.
    Rule(Box<RuleHit>),
    /// The sensor's own health.
    Health(Health),
    /// What an interface received. Told at the end of each second in which it received something, or told of a loss.
    Interface(Box<InterfaceTraffic>),
    /// How whole the conversations of an interface are seen. Told each minute of packet time, by parts.
    Sight(InterfaceSight),
    /// The end of a second of packet time: windows and timers move to this time. Emitted once, not by sessions.
    EpochEnd(Timestamp),
    /// Packet time jumped by more than an hour or backwards: timers are re-armed, not expired.
    TimeJump {
        /// Time before.
        from: Timestamp,
        /// Time after.
        to: Timestamp,
    },
}

/// Repetitions of one activity of one session within one second of packet time.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Session of the activity.
    pub session: SessionId,
    /// Slot of the activity in its session.
    pub slot: u16,
    /// How often (at least once).
    pub count: u32,
    /// Frames of the first and of the last repetition.
    pub frames: [FrameRef; 2],
    /// Packet time of the first and of the last repetition.
    pub times: [Timestamp; 2],
    /// Intervals between successive repetitions (the first to the one before this second).
    pub intervals: Intervals,
    /// Longest time from request to response; 0 where unknown.
    pub latency_max: Nanos,
    /// Minimum and maximum of each point so far, where they have widened since they were last told.
    pub extremes: Option<Box<Extremes>>,
}

/// Sums over intervals of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// How many intervals.
    pub count: u32,
    /// Their sum.
    pub sum: Nanos,
    /// The shortest; 0 where there is none.
    pub min: Nanos,
    /// The longest.
    pub max: Nanos,
}

impl Intervals {
    /// Adds one interval. Negative ones (a capture that runs backwards) do not count.
    pub fn add(&mut self, span: Nanos) {
        if span < 0 {
            return;
        }
        self.min = if self.count == 0 { span } else { self.min.min(span) };
        self.max = self.max.max(span);
        self.sum = self.sum.saturating_add(span);
        self.count = self.count.saturating_add(1);
    }
}

/// Minimum and maximum of each point of an activity, in order of address.
#[derive(Clone, Debug, PartialEq)]
pub enum Extremes {
    /// Two-state points: whether 0 and whether 1 was seen.
    Bits(Vec<(bool, bool)>),
    /// Registers: minimum and maximum.
    Words(Vec<(u16, u16)>),
    /// Numbers of any other kind: minimum and maximum; NaN in both where no value was seen.
    Numbers(Vec<(f64, f64)>),
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
    /// Another IP protocol, by number.
    Ip(u8),
    /// No IP: EtherType.
    Ethernet(u16),
}

impl Transport {
    /// For people and columns: `tcp`, `udp`, `icmp`, `ip-89`, `ethernet-0x8892`.
    pub fn name(self) -> String {
        match self {
            Self::Tcp => "tcp".to_owned(),
            Self::Udp => "udp".to_owned(),
            Self::Icmp => "icmp".to_owned(),
            Self::Ip(number) => format!("ip-{number}"),
            Self::Ethernet(ethertype) => format!("ethernet-0x{ethertype:04x}"),
        }
    }
}

/// What happened to a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// The client asked for a TCP connection (SYN) or sent the first datagram; no answer yet. Told once a flow; `count`
    /// of the event tells how many SYNs.
    Attempt,
    /// Both sides spoke (TCP: handshake complete, or data or acknowledgements in mid-stream; UDP: an answer).
    Open,
    /// The server answered the attempt with a reset, or an ICMP error came back.
    Refused,
    /// One side only was seen, carrying data: told once, when the first 16 packets were all of one direction.
    OneSided,
    /// The protocol was confirmed by its bytes. `service` of the event names it.
    Identified,
    /// On the standard port of an OT protocol (its id is given) the payload is something else.
    WrongProtocol(&'static str),
    /// Counters since the last update (each minute of packet time, and at the close).
    Update,
    /// Ended: by FIN or RST, by idleness, by reuse of the port pair, by eviction, or with the capture.
    Close(CloseReason),
    /// A segment or fragment carried other bytes for a range already seen.
    Conflict {
        /// First byte of the range, relative to the start of the stream or datagram as seen.
        offset: u64,
        /// Length of the range.
        length: u32,
        /// Up to 32 bytes that were there first.
        first: Box<[u8]>,
        /// Up to 32 bytes that came later.
        later: Box<[u8]>,
    },
    /// A length field asks for more than any device needs; value in bytes.
    TooLong(u64),
}

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// FIN in both directions.
    Finished,
    /// RST.
    Reset,
    /// Nothing came for the idle time.
    Idle,
    /// A new connection took the same ports.
    Reused,
    /// The table was full.
    Evicted,
    /// The capture ended.
    EndOfInput,
}

/// Something that happened to a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// The conversation.
    pub session: SessionId,
    /// What happened.
    pub kind: FlowKind,
    /// Packet time.
    pub time: Timestamp,
    /// The frame that told it.
    pub frame: FrameRef,
    /// Transport.
    pub transport: Transport,
    /// Who asks, as far as known: by SYN, by the protocol's semantics, else by the lower port or by who spoke first.
    pub client: Endpoint,
    /// Who answers.
    pub server: Endpoint,
    /// Whether the roles are certain (handshake seen or protocol confirmed).
    pub roles_certain: bool,
    /// Confirmed protocol, where there is one.
    pub service: Option<&'static str>,
    /// Packets since the last event, client to server and server to client.
    pub packets: [u64; 2],
    /// Bytes on the wire since the last event, client to server and server to client.
    pub bytes: [u64; 2],
    /// For an attempt: SYNs seen. Otherwise 1.
    pub count: u32,
}

/// How a claim was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// ARP request: the sender tells its own binding and asks for `target`.
    ArpRequest,
    /// ARP reply to `target` that a request preceded.
    ArpReply,
    /// ARP reply that nobody asked for.
    ArpUnsolicited,
    /// ARP announcement: sender and target are the same address.
    ArpGratuitous,
    /// An IP packet with this source MAC and address.
    IpSource,
}

/// A MAC tells that it has an IP address. Repetitions within a second are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How.
    pub kind: ClaimKind,
    /// Who claims.
    pub mac: Mac,
    /// VLAN.
    pub vlan: Option<u16>,
    /// The address claimed.
    pub ip: IpAddr,
    /// The address asked for or answered to.
    pub target: Option<IpAddr>,
    /// Packet time of the first.
    pub time: Timestamp,
    /// Frame of the first.
    pub frame: FrameRef,
    /// How often within the second.
    pub count: u32,
}

/// A device tells what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Session it was told in.
    pub session: SessionId,
    /// The device. What is told of another device than the speaker is told in [`Fact::Hearsay`].
    pub device: Endpoint,
    /// Which property: `vendor`, `product`, `revision`, `model`, `serial`, `name`, `application`, `url`, `run-status` …
    pub property: &'static str,
    /// Its value, text cleaned of control characters.
    pub value: String,
    /// Where it comes from, for people: `Modbus FC 43/14 object 2`.
    pub source: &'static str,
    /// Packet time.
    pub time: Timestamp,
    /// Frame.
    pub frame: FrameRef,
}

/// A client asked for, or contacted, a domain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    /// Session it was seen in.
    pub session: SessionId,
    /// Packet time.
    pub time: Timestamp,
    /// Frame.
    pub frame: FrameRef,
    /// Who asked for the name, or used it.
    pub client: Endpoint,
    /// Whom it asked or contacted: the name server for a query, else the host that has the name.
    pub server: Endpoint,
    /// The name in lower case, without the last dot; at most [`NameUse::MOST_CHARACTERS`].
    pub name: String,
    /// Where it stood: `DNS query`, `TLS SNI`, `HTTP Host`.
    pub via: &'static str,
}

impl NameUse {
    /// Most characters of a name (RFC 1035, clause 2.3.4).
    pub const MOST_CHARACTERS: usize = 255;
}

/// What an interface of the sensor received since it was last told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceTraffic {
    /// Number of the interface: as in a pcapng file, 0 in a pcap file.
    pub interface: u16,
    /// Its name, as far as known; told with the first fact of an interface, empty afterwards.
    pub name: String,
    /// Packets received. 0 where only a loss is told, or where a live interface begins.
    pub packets: u64,
    /// Packets that were lost since the last count, where somebody counted: `None` tells nothing.
    pub dropped: Option<u64>,
    /// Packet time of the first and of the last packet; without packets, of the end of the second.
    pub times: [Timestamp; 2],
    /// Frames of the first and of the last packet.
    pub frames: [FrameRef; 2],
}

/// How the TCP conversations of an interface were seen, each judged once: after a minute, or at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceSight {
    /// Number of the interface.
    pub interface: u16,
    /// Conversations judged: those with data and enough packets to tell.
    pub sessions: u32,
    /// Of which one direction only was seen.
    pub one_sided: u32,
    /// Of which most packets came twice within milliseconds.
    pub doubled: u32,
    /// Of which at least a quarter of the packets were cut by a snap length.
    pub cut: u32,
    /// Packet time.
    pub time: Timestamp,
}

/// Something about the sensor itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Counter id, for example `flows-evicted`.
    pub counter: &'static str,
    /// How much it grew.
    pub count: u64,
    /// Packet time.
    pub time: Timestamp,
}
