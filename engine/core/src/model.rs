//! What the engine knows and the store keeps: devices, baseline entries, points, alerts, events.
//!
//! Every record has an id that follows from the order of facts alone, so that the same capture gives the same rows.

use crate::catalogue::{AlertType, Severity};
use crate::context::Context;
use crate::maintenance::Share;
use ipnet::IpNet;
use ot_protocol::{FrameRef, Intervals, Mac, Outcome, SubAddress, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// A device: numbered from 1 in the order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// What a device does in the plant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// PLC, RTU or I/O unit that answers an OT protocol.
    Controller,
    /// Answers DNP3 for field equipment.
    Outstation,
    /// Answers for several units or link addresses behind it.
    Gateway,
    /// Operator station: polls and writes set points.
    Hmi,
    /// Polls or commands controllers without an operator (SCADA front end, historian).
    Master,
    /// Programs or configures controllers.
    EngineeringStation,
    /// Answers other protocols for many clients.
    Server,
    /// Forwards packets of others.
    SwitchOrRouter,
    /// Not known.
    #[default]
    Unknown,
}

impl Role {
    /// All roles, in order.
    pub const ALL: [Self; 9] = [
        Self::Controller,
        Self::Outstation,
        Self::Gateway,
        Self::Hmi,
        Self::Master,
        Self::EngineeringStation,
        Self::Server,
        Self::SwitchOrRouter,
        Self::Unknown,
    ];

    /// Stable id, for example `engineering-station`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Outstation => "outstation",
            Self::Gateway => "gateway",
            Self::Hmi => "hmi",
            Self::Master => "master",
            Self::EngineeringStation => "engineering-station",
            Self::Server => "server",
            Self::SwitchOrRouter => "switch-or-router",
            Self::Unknown => "unknown",
        }
    }

    /// The role with this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == id)
    }

    /// Whether it stands in the field: answers to OT protocols.
    pub fn is_field(self) -> bool {
        matches!(self, Self::Controller | Self::Outstation | Self::Gateway)
    }
}

/// Why a device has a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleReason {
    /// The role this speaks for.
    pub role: Role,
    /// In words, for example `answers Modbus requests`.
    pub reason: String,
    /// When it was first seen.
    pub time: Timestamp,
    /// Frame that showed it.
    pub frame: FrameRef,
}

/// An address a device uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAddress {
    /// IP address.
    pub ip: IpAddr,
    /// VLAN, where tagged.
    pub vlan: Option<u16>,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
}

/// A protocol a device speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolUse {
    /// Protocol id, or transport and port for what is not decoded (`tcp/443`).
    pub protocol: String,
    /// Whether it asked.
    pub as_client: bool,
    /// Whether it answered.
    pub as_server: bool,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
}

/// A property that a device told of itself. Older values of the same property stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityValue {
    /// `vendor`, `product`, `revision`, `model`, `serial`, `name` …
    pub property: String,
    /// Its value.
    pub value: String,
    /// Where it comes from, for example `Modbus FC 43/14`.
    pub source: String,
    /// When it was first told.
    pub first_seen: Timestamp,
    /// When it was last told.
    pub last_seen: Timestamp,
    /// Frame that first told it.
    pub frame: FrameRef,
}

/// A device of the inventory.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its number.
    pub id: DeviceId,
    /// Name given by a person or by configuration; otherwise `None` (views then show product, address or MAC).
    pub name: Option<String>,
    /// MAC address, unless only a router's was seen.
    pub mac: Option<Mac>,
    /// Unit, link address or slot that it answers to, where it answered to one.
    pub sub: SubAddress,
    /// The device through which it is reached (gateway), for a device with a sub-address of its own.
    pub parent: Option<DeviceId>,
    /// Addresses, first seen first.
    pub addresses: Vec<DeviceAddress>,
    /// Vendor: told by the device itself, else from the IEEE registry by MAC.
    pub vendor: Option<String>,
    /// Role.
    pub role: Role,
    /// Why.
    pub role_reasons: Vec<RoleReason>,
    /// Purdue level 0 to 5, where it can be told (controllers 1, HMI and masters 2, engineering stations 3 …).
    pub purdue: Option<u8>,
    /// Whether it speaks an OT protocol.
    pub ot: bool,
    /// Whether the baseline holds it.
    pub learned: bool,
    /// Zone: as a person or the configuration says, which may go by subnet.
    pub zone: Option<String>,
    /// What people and the configuration say of it.
    pub context: Context,
    /// Protocols it speaks.
    pub protocols: Vec<ProtocolUse>,
    /// What it told of itself.
    pub identities: Vec<IdentityValue>,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
}

/// A baseline entry: numbered from 1 in the order of first observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u32);

/// What a baseline entry is about. Together these are the entry's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// Kind.
    pub kind: EntryKind,
    /// Who asks.
    pub client: Option<DeviceId>,
    /// Who answers.
    pub server: Option<DeviceId>,
    /// Protocol id, or transport (`tcp`) for a connection.
    pub protocol: &'static str,
    /// Port of the server, for a connection.
    pub port: Option<u16>,
    /// Function code.
    pub function: Option<u16>,
    /// Subfunction.
    pub subfunction: Option<u16>,
    /// Address space.
    pub space: &'static str,
    /// Number of the space (data block, file).
    pub number: Option<u32>,
    /// First address.
    pub start: Option<u32>,
    /// Last address, inclusive.
    pub end: Option<u32>,
    /// Exception code; group address of a multicast; property of an identity; address of a server that is no device.
    pub text: Option<Box<str>>,
    /// How much wider than one exchange it is. Traffic makes exact entries only.
    pub scope: Scope,
    /// The network of scope `subnet`: its devices take the place of the client (of the one device, where there is no client).
    pub network: Option<IpNet>,
}

/// How wide a baseline entry is. What it leaves open is not set in its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Exactly what was seen.
    #[default]
    Exact,
    /// All of its kind between the client and the server: any function, any address, any port.
    Pair,
    /// The same by any client.
    Server,
    /// The same on any server.
    Client,
    /// The same by any client of a network.
    Subnet,
}

impl Scope {
    /// All, from the narrowest on.
    pub const ALL: [Self; 5] = [Self::Exact, Self::Pair, Self::Server, Self::Client, Self::Subnet];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Pair => "pair",
            Self::Server => "server",
            Self::Client => "client",
            Self::Subnet => "subnet",
        }
    }

    /// The scope with this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == id)
    }
}

/// Kinds of baseline entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A device is there (`server` names it).
    Device,
    /// A client uses a port or protocol of a server.
    Connection,
    /// A client uses a function of a server.
    Function,
    /// A client reads or writes a range of addresses of a server.
    Range,
    /// A server refuses a function of a client with a code.
    Exception,
    /// A device sends to a group address.
    Group,
    /// A property of a device has a value (firmware revision); `text` is `property=value`.
    Property,
    /// A client writes a point of a server; the entry's minimum and maximum are the values written.
    Writer,
    /// A client performs a class of operation on a server (`space` holds the operation's id).
    Operation,
    /// An exchange that comes at a steady interval: the entry holds the rhythm.
    Rhythm,
    /// A device (`client`), or two, moved less than 2 to the power of `number` bytes in a minute; the entry's minimum and
    /// maximum are the bytes.
    Throughput,
}

impl EntryKind {
    /// All kinds, in order.
    pub const ALL: [Self; 11] = [
        Self::Device,
        Self::Connection,
        Self::Function,
        Self::Range,
        Self::Exception,
        Self::Group,
        Self::Property,
        Self::Writer,
        Self::Operation,
        Self::Rhythm,
        Self::Throughput,
    ];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Connection => "connection",
            Self::Function => "function",
            Self::Range => "range",
            Self::Exception => "exception",
            Self::Group => "group",
            Self::Property => "property",
            Self::Writer => "writer",
            Self::Operation => "operation",
            Self::Rhythm => "rhythm",
            Self::Throughput => "throughput",
        }
    }

    /// The kind with this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == id)
    }
}

impl EntryKey {
    /// A key with only a kind; set what applies.
    pub fn new(kind: EntryKind) -> Self {
        Self {
            kind,
            client: None,
            server: None,
            protocol: "",
            port: None,
            function: None,
            subfunction: None,
            space: "",
            number: None,
            start: None,
            end: None,
            text: None,
            scope: Scope::Exact,
            network: None,
        }
    }

    /// The key of a wider entry that holds this one. `None` where the scope leaves nothing open: it needs two devices, or
    /// for `subnet` a network.
    ///
    /// The class of an operation, the access of a range (read or write), the protocol (but of a connection) and the property
    /// of a device stay: they say what is done, not with what.
    pub fn widened(&self, scope: Scope, network: Option<IpNet>) -> Option<Self> {
        let pair = self.client.is_some() && self.server.is_some();
        // Values beyond the learned ones are told apart by a number that says nothing.
        let text = match self.kind {
            EntryKind::Writer => self.text.as_ref().map(|_| OUTSIDE.into()),
            _ => self.text.clone(),
        };
        match scope {
            Scope::Pair if pair => Some(Self {
                client: self.client,
                server: self.server,
                protocol: if self.kind == EntryKind::Connection { "" } else { self.protocol },
                space: if self.kind == EntryKind::Operation { self.space } else { "" },
                text: match self.kind {
                    EntryKind::Range | EntryKind::Writer => text,
                    EntryKind::Rhythm => self.text.as_ref().map(|_| "any".into()),
                    _ => None,
                },
                scope,
                ..Self::new(self.kind)
            }),
            Scope::Server if pair => Some(Self { client: None, text, scope, ..self.clone() }),
            Scope::Client if pair => Some(Self { server: None, text, scope, ..self.clone() }),
            Scope::Subnet if network.is_some() => match (self.client, self.server) {
                (Some(_), _) => Some(Self { client: None, text, scope, network, ..self.clone() }),
                (None, Some(_)) => Some(Self { server: None, text, scope, network, ..self.clone() }),
                (None, None) => None,
            },
            _ => None,
        }
    }

    /// The device whose network counts for scope `subnet`.
    pub fn subject(&self) -> Option<DeviceId> {
        self.client.or(self.server)
    }
}

/// What marks the entry of a writer as one of values beyond those learned.
pub(crate) const OUTSIDE: &str = "outside the learned values";

/// One act by which a person, or an import, allowed an entry. An entry is allowed as long as one of them stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The entry.
    pub entry: EntryId,
    /// Number of the act: that of its first command.
    pub act: u64,
    /// Number of the alert that was learned; 0 for an import.
    pub alert: u32,
    /// Type of that alert; empty for an import.
    pub kind: &'static str,
    /// Who: a person or an import.
    pub origin: Origin,
    /// Newest packet time then.
    pub time: Timestamp,
    /// Packet time at which it ends.
    pub until: Option<Timestamp>,
    /// What it does beside the acts on the same entry.
    pub effect: Effect,
}

/// What an act does beside what else allows an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// It allows the entry as well.
    #[default]
    Adds,
    /// From it on the entry is allowed until its end and no longer, whatever allowed it before: traffic, or earlier acts.
    Limits,
    /// What allowed the entry before it allows it no more: a person took the entry back, or a limit has passed.
    Ends,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Adds, Self::Limits, Self::Ends];

    /// Stable id for the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adds => "adds",
            Self::Limits => "limits",
            Self::Ends => "ends",
        }
    }

    /// By its id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.as_str() == id)
    }
}

/// Who put an entry into the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Seen while learning.
    Traffic,
    /// Seen while operational; not allowed.
    Observed,
    /// A person learned an alert or, of an entry that is not allowed, took it back; who.
    Person(String),
    /// Imported from a file.
    Import(String),
}

/// An entry of the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineEntry {
    /// Its number.
    pub id: EntryId,
    /// What it is about.
    pub key: EntryKey,
    /// Whether it is allowed: part of the baseline. Otherwise it was only observed.
    pub allowed: bool,
    /// How it came to be.
    pub origin: Origin,
    /// Observations.
    pub count: u64,
    /// Observations while learning.
    pub learned_count: u64,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
    /// Frame of the first observation.
    pub first_frame: FrameRef,
    /// When it became allowed (packet time; for a person's act the newest packet time then).
    pub allowed_at: Option<Timestamp>,
    /// When it stops being allowed.
    pub expires: Option<Timestamp>,
    /// Smallest value (kind writer).
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Intervals between observations.
    pub intervals: Intervals,
    /// Name of the function or operation, for people; empty without.
    pub label: &'static str,
}

/// Process memory of one point (register, coil) of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The server.
    pub device: DeviceId,
    /// Protocol id.
    pub protocol: &'static str,
    /// Address space.
    pub space: &'static str,
    /// Number of the space.
    pub number: Option<u32>,
    /// Address.
    pub address: u32,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last time something new was seen of it (reads that bring nothing new move the range entry instead).
    pub last_seen: Timestamp,
    /// Smallest value seen.
    pub min: Option<f64>,
    /// Largest value seen.
    pub max: Option<f64>,
    /// Devices that read it (ten at most, then only the count of `reads` grows).
    pub readers: Vec<DeviceId>,
    /// Devices that wrote it.
    pub writers: Vec<DeviceId>,
    /// Polling interval in nanoseconds, where it is read steadily.
    pub poll_interval: Option<i64>,
}

/// A version of a program block or file that crossed the network: numbered from 1 in the order of first appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramVersion {
    /// Its number.
    pub number: u32,
    /// The device that the block belongs to.
    pub device: DeviceId,
    /// Protocol id.
    pub protocol: &'static str,
    /// `block` or `file`.
    pub kind: &'static str,
    /// Name within the device: `OB 1`, `DB 10`, the name of the file.
    pub name: String,
    /// SHA-256 over the bytes that were seen.
    pub sha256: [u8; 32],
    /// Length of the whole in bytes, as far as known.
    pub length: u64,
    /// Whether all of its bytes were seen.
    pub complete: bool,
    /// Whether it was ever moved without being refused: it is, or was, in the device.
    pub accepted: bool,
    /// What its header says, in its order.
    pub attributes: Vec<(String, String)>,
    /// Its bytes, at most [`ot_protocol::Artifact::MOST_BYTES`]; `None` once they were given up for newer ones.
    pub bytes: Option<Arc<[u8]>>,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
    /// Frame that first completed it.
    pub first_frame: FrameRef,
    /// Frame that last completed it.
    pub last_frame: FrameRef,
    /// How often it was read out of the device.
    pub read: u64,
    /// How often it was written into the device.
    pub written: u64,
    /// Devices that read it, ten at most.
    pub readers: Vec<DeviceId>,
    /// Devices that wrote it, ten at most.
    pub writers: Vec<DeviceId>,
}

/// Status of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nobody has looked.
    New,
    /// Somebody works on it.
    Active,
    /// Done. The same traffic again opens a new alert.
    Closed,
}

impl Status {
    /// `new`, `active` or `closed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Closed => "closed",
        }
    }

    /// The status with this id.
    pub fn parse(id: &str) -> Option<Self> {
        [Self::New, Self::Active, Self::Closed].into_iter().find(|status| status.as_str() == id)
    }
}

/// One side of an alert, as it was at detection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The device, where it is in the inventory.
    pub device: Option<DeviceId>,
    /// IP address.
    pub ip: Option<IpAddr>,
    /// MAC address.
    pub mac: Option<Mac>,
    /// Sub-address.
    pub sub: SubAddress,
}

/// The key by which repeated violations fold into one alert. Ports never enter it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// Alert type.
    pub kind: &'static str,
    /// Client, where the catalogue keys by it: device id, or address for what is no device.
    pub client: Option<Peer>,
    /// Server, where the catalogue keys by it.
    pub server: Option<Peer>,
    /// Table.
    pub table: Option<&'static str>,
    /// Point: its address, and from bit 32 on the number of its space (data block, file), where that has one. For the
    /// sensor's own health: the number of the interface.
    pub point: Option<u64>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Place among all alerts of the store, from 1 in the order of opening.
    pub number: u32,
    /// 32 hexadecimal digits: stable over runs of the same input.
    pub id: String,
    /// Its type.
    pub kind: &'static AlertType,
    /// Key, with the peers' device ids only (addresses for what is no device).
    pub key: AlertKey,
    /// How many alerts with this key were opened before, plus one.
    pub opening: u32,
    /// Severity.
    pub severity: Severity,
    /// Status.
    pub status: Status,
    /// Whether a person learned it.
    pub learned: bool,
    /// The act by which it was learned, while it is; 0 without.
    pub learned_act: u64,
    /// Packet time at which the learning ends.
    pub learned_until: Option<Timestamp>,
    /// Whether a person muted it.
    pub muted: bool,
    /// Newest packet time when it was closed.
    pub closed: Option<Timestamp>,
    /// Packet time of the first violation.
    pub first_detection: Timestamp,
    /// Packet time of the last.
    pub last_detection: Timestamp,
    /// How many violations.
    pub count: u64,
    /// How many of them lay in maintenance windows that cover them.
    pub expected: u64,
    /// In which windows; [`crate::maintenance::MOST_SHARES`] at most are told apart.
    pub shares: Vec<Share>,
    /// Protocol id.
    pub protocol: Option<&'static str>,
    /// What became of the (last) command; `None` where no single one stands behind it.
    pub outcome: Option<Outcome>,
    /// Who did it; ten at most. One: `source` in JSON. Several: `sources`.
    pub sources: Vec<Peer>,
    /// How many sources in all.
    pub source_count: u32,
    /// To whom; ten at most.
    pub destinations: Vec<Peer>,
    /// How many destinations in all.
    pub destination_count: u32,
    /// ATT&CK for ICS technique ids.
    pub techniques: Vec<&'static str>,
    /// What happened, in words, with the values.
    pub description: String,
    /// Why it was noticed: the baseline or rule it departs from, in words.
    pub why: String,
    /// Baseline entries that it holds: learning the alert allows them.
    pub entries: Vec<EntryId>,
    /// Frames, the first ones (up to 20), and the last one.
    pub frames: Vec<FrameRef>,
    /// Violations (rows) told so far; only the first 100 are kept as rows.
    pub violation_count: u32,
}

impl Alert {
    /// Whether all of its violations lay in maintenance windows that cover them.
    pub fn is_expected(&self) -> bool {
        self.count > 0 && self.expected == self.count
    }
}

/// One violation of an alert: a row where its parameters differ from those before.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertViolation {
    /// Number of the alert.
    pub alert: u32,
    /// Place within the alert, from 1.
    pub number: u32,
    /// First time.
    pub first_seen: Timestamp,
    /// Last time.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// How often of these within maintenance windows that cover it.
    pub expected: u64,
    /// Frame of the first.
    pub frame: FrameRef,
    /// Protocol's function, for people (`Write Single Register (6)`).
    pub function: String,
    /// What it addressed (`holding-registers 40`).
    pub object: String,
    /// Values, for people.
    pub value: String,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// What is wrong, one sentence.
    pub detail: String,
    /// Baseline entries that it departs from: it is hidden where all of them are learned.
    pub entries: Vec<EntryId>,
}

/// What the sensor itself did to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorAct {
    /// Number of the alert.
    pub alert: u32,
    /// Packet time.
    pub time: Timestamp,
    /// `close`, `learning-ended`, `expected`, `not-expected`.
    pub action: &'static str,
    /// Why, in words.
    pub why: String,
}

/// Work on a device, repetitions folded: a row of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Number from 1, in the order of the first time.
    pub number: u64,
    /// On which device.
    pub device: DeviceId,
    /// By which, where that is known.
    pub actor: Option<DeviceId>,
    /// Protocol id.
    pub protocol: &'static str,
    /// Class of the operation (`write`, `program-write`, `mode-stop` …), or `mode-changed`, `firmware-changed`,
    /// `configuration-changed` for what the device told of itself.
    pub operation: &'static str,
    /// The protocol's function, for people.
    pub function: String,
    /// What was addressed, or what changed.
    pub object: String,
    /// The last value, for people.
    pub value: String,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// First time.
    pub first_seen: Timestamp,
    /// Last time.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// Frame of the first.
    pub first_frame: FrameRef,
    /// Frame of the last.
    pub last_frame: FrameRef,
    /// Number of the alert that it raised.
    pub alert: Option<u32>,
    /// Number of the maintenance window during which it was done on one of its devices, as planned or not.
    pub window: Option<u32>,
}

/// A line of the event stream of the investigation timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Number from 1, in order.
    pub number: u64,
    /// Packet time.
    pub time: Timestamp,
    /// Kind: `device-new`, `device-changed`, `role-changed`, `connection-new`, `operation`, `alert-opened`, `mode-changed` …
    pub kind: &'static str,
    /// Who.
    pub source: Option<DeviceId>,
    /// To whom.
    pub destination: Option<DeviceId>,
    /// Protocol.
    pub protocol: Option<&'static str>,
    /// In words.
    pub text: String,
    /// Frame.
    pub frame: FrameRef,
    /// The alert it tells of.
    pub alert: Option<u32>,
}
