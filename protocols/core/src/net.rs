//! Addresses and places on the network.

use std::fmt;
use std::net::IpAddr;

/// An Ethernet address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether the group bit is set: multicast or broadcast (IEEE 802.3, clause 3.2.3).
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether the address was assigned locally, not by a vendor.
    pub fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The address of a device behind an IP address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubAddress {
    /// The device at the IP address itself.
    #[default]
    None,
    /// Modbus unit id.
    Unit(u8),
    /// DNP3 link address.
    Link(u16),
    /// S7 rack and slot.
    RackSlot(u8, u8),
}

impl fmt::Display for SubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Link(link) => write!(f, "link {link}"),
            Self::RackSlot(rack, slot) => write!(f, "rack {rack} slot {slot}"),
        }
    }
}

/// One end of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Source MAC of its frames, where the link has one. Behind a router this is the router's.
    pub mac: Option<Mac>,
    /// Innermost VLAN id, where tagged.
    pub vlan: Option<u16>,
    /// IP address; absent for traffic without IP.
    pub ip: Option<IpAddr>,
    /// TCP or UDP port; 0 without one.
    pub port: u16,
    /// Device behind the address.
    pub sub: SubAddress,
}

/// Which of the two ends of a flow spoke. `A` is the end that sent the flow's first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From A to B.
    AtoB,
    /// From B to A.
    BtoA,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::AtoB => Self::BtoA,
            Self::BtoA => Self::AtoB,
        }
    }

    /// 0 or 1, for tables with an entry a direction.
    pub fn index(self) -> usize {
        match self {
            Self::AtoB => 0,
            Self::BtoA => 1,
        }
    }
}

/// A frame of an input: number of the file within the store (from 0) and of the frame within the file (from 1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef(u64);

impl FrameRef {
    const NUMBER_BITS: u32 = 40;
    const NUMBER_MASK: u64 = (1 << Self::NUMBER_BITS) - 1;
    const FILE_MAX: u32 = (1 << (64 - Self::NUMBER_BITS)) - 1;

    /// Files beyond 2^24 and frames beyond 2^40 in one file keep the last number.
    pub fn new(file: impl Into<u32>, number: u64) -> Self {
        Self(u64::from(file.into().min(Self::FILE_MAX)) << Self::NUMBER_BITS | number.min(Self::NUMBER_MASK))
    }

    /// Number of the file, from 0 over all inputs of a store.
    pub fn file(self) -> u32 {
        u32::try_from(self.0 >> Self::NUMBER_BITS).unwrap_or(u32::MAX)
    }

    /// Number of the frame within the file, from 1; 0 stands for no frame.
    pub fn number(self) -> u64 {
        self.0 & Self::NUMBER_MASK
    }

    /// As one number, for a store.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Back from [`FrameRef::to_bits`].
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for FrameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file(), self.number())
    }
}
