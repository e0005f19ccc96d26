//! Packets from capture files: pcap and pcapng, plain or compressed, one file or several merged by packet time. And from
//! network interfaces ([`Live`]).
//!
//! A [`Source`] lends one [`Packet`] at a time straight out of its read buffer: nothing is allocated and nothing is
//! copied for a packet, and memory does not depend on what a file holds. A file is recognised by its first bytes, never
//! by its name. What is cut off or damaged is told as a [`Warning`] and what came before it is used; only an input that
//! cannot be read at all is a [`CaptureError`].

mod error;
mod input;
mod live;
mod pcap;
mod pcapng;
mod reader;
mod ring;
mod set;
pub mod split;
mod write;

use std::ops::ControlFlow;
use std::path::PathBuf;

use ot_protocol::{PacketInfo, Timestamp};

pub use error::{CaptureError, Trouble, Warning};
pub use live::{
    Gauges, InterfaceCounters, InterfaceError, InterfaceFacts, InterfaceSettings, InterfaceState, Live, Notice,
    NoticeKind, Offloads, Opened, Stop, TimeSource, bind_thread, interface_names,
};
pub use ring::{Recorder, Ring, RingView};
pub use set::{Again, CaptureSet};
pub use write::PcapngWriter;

/// What the bytes of a packet begin with (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// 1: Ethernet II or IEEE 802.3.
    Ethernet,
    /// 113: Linux "cooked" capture, version 1.
    LinuxCooked1,
    /// 276: Linux "cooked" capture, version 2.
    LinuxCooked2,
    /// 101, and 12 and 14 of old systems: IPv4 or IPv6, as the first four bits tell.
    RawIp,
    /// 228: IPv4.
    Ipv4,
    /// 229: IPv6.
    Ipv6,
    /// 0 and 108: four bytes of address family, in the byte order of the capturing host or of the network.
    BsdLoopback,
    /// Any other: its packets are delivered, but nothing decodes them.
    Other(u16),
}

impl LinkType {
    /// From the number in a file header or interface description.
    pub fn from_number(number: u16) -> Self {
        match number {
            1 => Self::Ethernet,
            113 => Self::LinuxCooked1,
            276 => Self::LinuxCooked2,
            12 | 14 | 101 => Self::RawIp,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            0 | 108 => Self::BsdLoopback,
            other => Self::Other(other),
        }
    }

    /// The number to write. Where several stand for the same bytes, the usual one of today.
    pub fn number(self) -> u16 {
        match self {
            Self::Ethernet => 1,
            Self::LinuxCooked1 => 113,
            Self::LinuxCooked2 => 276,
            Self::RawIp => 101,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
            Self::BsdLoopback => 0,
            Self::Other(number) => number,
        }
    }

    /// Whether packets of this type can be decoded.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

/// One packet, lent until the next is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number, frame and time.
    pub info: PacketInfo,
    /// What `data` begins with.
    pub link: LinkType,
    /// Index of the interface within its file and section (pcapng); 0 in a pcap file.
    pub interface: u16,
    /// Length on the wire, in bytes.
    pub wire_len: u32,
    /// The captured bytes; fewer than `wire_len` where the snap length cut the packet.
    pub data: &'a [u8],
}

/// How far a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far, as stored (compressed bytes where the input is compressed).
    pub read: u64,
    /// Bytes in all; `None` where not known, as on standard input.
    pub total: Option<u64>,
}

/// What a source has when it is asked and does not wait.
#[derive(Clone, Copy, Debug)]
pub enum Polled<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// No packet, but time has come to this second.
    Tick(Timestamp),
    /// Nothing at the moment: what was handed over may be worked on.
    Nothing,
    /// Nothing any more.
    End,
}

/// One input of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// As given; `-` is standard input.
    pub path: PathBuf,
    /// SHA-256 of the bytes as stored. Zeros for standard input or a pipe until its end was read.
    pub sha256: [u8; 32],
    /// Length in bytes as stored. For standard input or a pipe: what was read so far.
    pub bytes: u64,
}

/// Where packets come from.
pub trait Source: Send {
    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Where an input that could be opened can no longer be read. Damage in a file is no error but a [`Warning`].
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError>;

    /// The next packet, or what there is instead where packets come in their own time. Waits for a moment at most.
    ///
    /// # Errors
    /// As [`Source::next`].
    fn poll(&mut self) -> Result<Polled<'_>, CaptureError> {
        Ok(self.next()?.map_or(Polled::End, Polled::Packet))
    }

    /// How far the source is.
    fn progress(&self) -> Progress;

    /// What was noticed since the last call.
    fn warnings(&mut self) -> Vec<Warning>;

    /// Packets lost since the last call, by interface, where somebody counted them since then (also where none was lost):
    /// statistics of a pcapng file, counters of a live interface.
    fn losses(&mut self) -> Vec<(u16, u64)> {
        Vec::new()
    }

    /// Name of an interface, where known.
    fn interface_name(&self, interface: u16) -> Option<&str> {
        let _ = interface;
        None
    }
}

/// Packets that can be gone through again: of files, or of a [`Ring`].
pub trait Packets {
    /// Lends each packet in order, until there are no more or the visitor has seen enough.
    ///
    /// # Errors
    /// Where they can no longer be read.
    fn each(&mut self, visit: &mut dyn FnMut(&Packet<'_>) -> ControlFlow<()>) -> Result<(), CaptureError>;
}
