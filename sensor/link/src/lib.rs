//! From a captured frame to the innermost IP datagram, ARP message or Ethernet payload.
//!
//! The [`Decoder`] takes off link headers, tags and tunnels, puts IP fragments together and drops frames that a mirror
//! port delivered twice. A usual frame (Ethernet, IP, TCP, not fragmented) costs no allocation and no copy.
//! Every frame ends in exactly one [`Decoded`], and every loss in a counter of [`LinkStats`].

mod decode;
mod duplicate;
mod fragment;
mod hosts;
mod stats;
mod tunnel;
mod wire;

use std::net::{IpAddr, Ipv4Addr};

use ot_protocol::{Mac, Nanos};

pub use decode::Decoder;
pub use hosts::{Host, HostFinder, Hosts};
pub use stats::LinkStats;

/// Limits and windows of a [`Decoder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Fragmented datagrams held at a time; beyond it the oldest is given up. Default 256.
    pub max_datagrams: usize,
    /// Bytes of fragments held at a time; beyond it the oldest datagrams are given up. Default 4 MiB.
    pub max_fragment_bytes: usize,
    /// How long fragments wait for the rest of their datagram, in packet time. Default 30 s.
    pub fragment_age: Nanos,
    /// Within what time the same frame again is a double (not TCP). Default 10 ms; 0 turns it off.
    pub duplicate_window: Nanos,
    /// As `duplicate_window`, for datagrams without an identification (IPv6, IPv4 with id 0), same MACs and VLAN.
    /// Default 100 µs.
    pub duplicate_window_without_id: Nanos,
    /// Within what time a frame with the same PRP or HSR sequence number is its twin. Default 400 ms, the
    /// EntryForgetTime of IEC 62439-3.
    pub redundancy_window: Nanos,
    /// UDP destination ports of VXLAN. Default 4789.
    pub vxlan_ports: Vec<u16>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            max_datagrams: 256,
            max_fragment_bytes: 4 << 20,
            fragment_age: 30_000_000_000,
            duplicate_window: 10_000_000,
            duplicate_window_without_id: 100_000,
            redundancy_window: 400_000_000,
            vxlan_ports: vec![4789],
        }
    }
}

/// What a frame turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// An IP datagram, whole or put together from fragments.
    Ip(Datagram<'a>),
    /// An ARP message.
    Arp(Arp),
    /// Another protocol over Ethernet.
    Ethernet(EthernetFrame<'a>),
    /// An IP fragment, kept until its datagram is whole.
    FragmentHeld,
    /// A fragment with other bytes for a range already seen. The first bytes stay.
    FragmentConflict(Box<FragmentConflict<'a>>),
    /// The same frame again (mirrored twice, or the twin of a PRP or HSR frame). TCP segments mirrored twice are
    /// delivered: telling them from retransmissions is the flow's business.
    Duplicate,
    /// Not decoded, and why. Counted in [`LinkStats`].
    Skipped(&'static str),
}

/// An IP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source MAC of the innermost link header, where there is one.
    pub src_mac: Option<Mac>,
    /// Destination MAC of the innermost link header, where there is one.
    pub dst_mac: Option<Mac>,
    /// Innermost VLAN id; `None` where untagged or only priority-tagged (id 0).
    pub vlan: Option<u16>,
    /// IP protocol number, after IPv6 extension headers.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 identification; 0 for IPv6.
    pub id: u16,
    /// Transport header and data, without Ethernet padding.
    pub payload: &'a [u8],
    /// The snap length cut it: `payload` is shorter than IP says.
    pub cut: bool,
    /// Length of the payload as IP says, in bytes.
    pub payload_len: u32,
}

/// An ARP message for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 is a request, 2 a reply.
    pub operation: u16,
    /// Sender hardware address.
    pub sender_mac: Mac,
    /// Sender protocol address.
    pub sender_ip: Ipv4Addr,
    /// Target hardware address; zeros in a request.
    pub target_mac: Mac,
    /// Target protocol address.
    pub target_ip: Ipv4Addr,
    /// Source MAC of the frame, where the link has one.
    pub src_mac: Option<Mac>,
    /// Destination MAC of the frame, where the link has one.
    pub dst_mac: Option<Mac>,
    /// Innermost VLAN id.
    pub vlan: Option<u16>,
}

/// A frame of another protocol over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetFrame<'a> {
    /// Source MAC, where the link has one.
    pub src: Option<Mac>,
    /// Destination MAC, where the link has one.
    pub dst: Option<Mac>,
    /// Innermost VLAN id.
    pub vlan: Option<u16>,
    /// Ethertype; below 1536 it is the length field of an IEEE 802.3 frame and `payload` begins with the LLC header.
    pub ethertype: u16,
    /// What follows; with Ethernet padding, unless there is a length field.
    pub payload: &'a [u8],
}

/// Two fragments hold other bytes for the same range of a datagram: an error, or an attempt to show a sensor other bytes
/// than the receiver sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentConflict<'a> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source MAC of the innermost link header, where there is one.
    pub src_mac: Option<Mac>,
    /// Destination MAC of the innermost link header, where there is one.
    pub dst_mac: Option<Mac>,
    /// Innermost VLAN id.
    pub vlan: Option<u16>,
    /// IP protocol number as the fragment says.
    pub protocol: u8,
    /// Identification of the datagram: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// First byte that differs, counted from the start of the IP payload.
    pub offset: u32,
    /// Bytes from there to the end of the overlap.
    pub length: u32,
    /// The bytes that were there first, from `offset` on, 32 at most.
    pub first: Sample,
    /// The bytes that came later, from `offset` on, 32 at most.
    pub later: Sample,
    /// The datagram, where this fragment made it whole.
    pub datagram: Option<Datagram<'a>>,
}

/// Up to 32 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    bytes: [u8; 32],
    len: u8,
}

impl Sample {
    /// The first 32 of these bytes.
    pub fn new(from: &[u8]) -> Self {
        let mut sample = Self::default();
        for (to, byte) in sample.bytes.iter_mut().zip(from) {
            *to = *byte;
            sample.len += 1;
        }
        sample
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
