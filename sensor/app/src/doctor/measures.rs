//! What `doctor` has measured: plain numbers, from an interface or from a capture file.

use crate::sizing::{Need, Row};
use ot_capture::{InterfaceCounters, InterfaceFacts, Opened, TimeSource};
use ot_flow::{FlowStats, Shed};
use ot_link::LinkStats;
use ot_protocol::time::SECOND;
use ot_protocol::{InterfaceSight, Nanos};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Whether interfaces were looked at; otherwise a capture.
    pub live: bool,
    /// How long was looked: wall time of interfaces, packet time of a capture.
    pub span: Nanos,
    /// Each interface, in order of their numbers.
    pub interfaces: Vec<InterfaceMeasures>,
    /// What became of the frames.
    pub link: LinkStats,
    /// What became of the conversations.
    pub flow: FlowStats,
    /// What the sensor could not work on in time.
    pub shed: Shed,
    /// Packets by VLAN id; without a tag: `None`.
    pub vlans: BTreeMap<Option<u16>, u64>,
    /// Decoded messages by protocol id: OT protocols.
    pub protocols: Vec<(String, u64)>,
    /// Decoded messages by protocol id: companions from office networks.
    pub companions: Vec<(String, u64)>,
    /// Conversations on the port of an OT protocol that carry something else, by that protocol's id.
    pub wrong_ports: BTreeMap<String, u64>,
    /// Devices that sent something, with the units behind gateways.
    pub devices: u64,
    /// Those of them that answer an OT protocol, in the order in which they were found.
    pub controllers: Vec<Controller>,
    /// The machine, where interfaces were looked at.
    pub machine: Option<Machine>,
}

/// What was measured of one interface.
#[derive(Clone, Debug, Default)]
pub struct InterfaceMeasures {
    /// Its name; of a capture, the name that it gives or else that of the file.
    pub name: String,
    /// Frames received.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Most frames and most bits within one second.
    pub peak_frames: u64,
    /// See `peak_frames`.
    pub peak_bits: u64,
    /// Frames cut short by a snap length.
    pub cut: u64,
    /// Longest frame, in bytes on the wire.
    pub longest: u32,
    /// Frames longer than the interface lets through one by one; of a capture, than usual Ethernet has.
    pub oversize: u64,
    /// The length above which a frame counts as such.
    pub longest_usual: u32,
    /// Destinations of the frames that were taken apart for that.
    pub casts: Casts,
    /// Checksums of the segments and datagrams that were taken apart for that.
    pub checksums: Checksums,
    /// How whole TCP conversations are seen.
    pub sight: InterfaceSight,
    /// Packets lost before they could be looked at: in the kernel's ring, in the card. Of a capture, as it says of itself.
    pub dropped: u64,
    /// See `dropped`.
    pub missed: u64,
    /// The most that a packet's time differed from the clock of this machine.
    pub skew: Nanos,
    /// What only an interface has.
    pub live: Option<LiveMeasures>,
}

/// What only a live interface tells.
#[derive(Clone, Debug)]
pub struct LiveMeasures {
    /// As it was in the beginning.
    pub facts: InterfaceFacts,
    /// What its counters have grown by.
    pub grown: InterfaceCounters,
    /// What was got when it was opened.
    pub opened: Option<Opened>,
    /// Whose clock was asked for.
    pub wanted: TimeSource,
    /// The configured filter.
    pub filter: Option<String>,
    /// The configured snap length, in bytes.
    pub snap_length: u32,
    /// Whether it has a link at the end.
    pub up: bool,
    /// How often the link was lost or the interface went meanwhile.
    pub lost: u32,
}

/// Destinations of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Casts {
    /// To one.
    pub unicast: u64,
    /// To a group.
    pub multicast: u64,
    /// To all.
    pub broadcast: u64,
}

impl Casts {
    /// All of them.
    pub fn all(self) -> u64 {
        self.unicast + self.multicast + self.broadcast
    }
}

/// Checksums of TCP and UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// As they should be.
    pub right: u64,
    /// Left for a card to fill in.
    pub empty: u64,
    /// Anything else.
    pub wrong: u64,
}

impl Checksums {
    /// All of them.
    pub fn all(self) -> u64 {
        self.right + self.empty + self.wrong
    }
}

/// A device that answers an OT protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// Address, with unit, link address or slot where it has one of its own.
    pub address: String,
    /// Role in the plant.
    pub role: String,
    /// Vendor, as it tells or as its MAC address tells.
    pub vendor: Option<String>,
    /// Product or model, as it tells.
    pub model: Option<String>,
    /// Protocols it answers.
    pub protocols: Vec<String>,
}

/// The machine on which the sensor runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: u32,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Folder of the store.
    pub folder: PathBuf,
    /// Bytes free there.
    pub free: Option<u64>,
    /// Bytes that packets of alerts may take.
    pub quota: u64,
    /// Events that the store keeps.
    pub events: u64,
}

impl Measures {
    /// Frames of all interfaces.
    pub fn frames(&self) -> u64 {
        self.interfaces.iter().map(|interface| interface.frames).sum()
    }

    /// What the traffic asks of the machine: the busiest second of all interfaces together, and the devices.
    pub fn need(&self) -> Need {
        Need {
            bits: self.interfaces.iter().map(|interface| interface.peak_bits).sum(),
            packets: self.interfaces.iter().map(|interface| interface.peak_frames).sum(),
            devices: self.devices,
        }
    }

    /// The row of the sizing table for it; `None` beyond the table.
    pub fn row(&self) -> Option<&'static Row> {
        crate::sizing::row_for(self.need())
    }
}

/// So many a second, over a span; a shorter one counts as a second.
pub fn rate(count: u64, span: Nanos) -> u64 {
    let count = u128::from(count).saturating_mul(u128::from(SECOND.unsigned_abs()));
    u64::try_from(count / u128::from(span.max(SECOND).unsigned_abs())).unwrap_or(u64::MAX)
}
