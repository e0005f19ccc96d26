//! What is kept of a packet: enough to follow its conversation without looking at the headers again.

use crate::LANES;
use foldhash::fast::FixedState;
use ot_link::{Arp, Datagram, EthernetFrame, FragmentConflict};
use ot_protocol::{Mac, PacketInfo, Transport};
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

/// What a [`Head`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    /// A segment of which the payload was left out because there is too much to do: what is missing is not the snap length's
    /// fault.
    TcpShed,
    Udp,
    /// ICMP, another IP protocol, or no IP at all: counted only.
    Other,
    /// An ARP message: `key` holds sender and target (not ordered), `seq` the operation.
    Arp,
    /// An ICMP error came back for the conversation named by the key.
    Refusal,
    /// Fragments contradict each other: `seq` is the offset, `ack` the length, the payload both samples, the first of
    /// `missing` bytes.
    Conflict,
}

/// Which conversation: both ends in the order of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub low: [u64; 2],
    pub high: [u64; 2],
    pub ports: [u16; 2],
    /// IP protocol, or EtherType.
    pub number: u16,
    pub family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Ethernet,
}

impl Key {
    pub fn ip(&self, high: bool) -> Option<IpAddr> {
        let [top, bottom] = if high { self.high } else { self.low };
        match self.family {
            Family::V4 => Some(IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bottom).unwrap_or(0)))),
            Family::V6 => Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from(top) << 64 | u128::from(bottom)))),
            Family::Ethernet => None,
        }
    }

    pub fn port(&self, high: bool) -> u16 {
        let [low_port, high_port] = self.ports;
        if high { high_port } else { low_port }
    }

    pub fn transport(&self) -> Transport {
        match (self.family, self.number) {
            (Family::Ethernet, ethertype) => Transport::Ethernet(ethertype),
            (_, 6) => Transport::Tcp,
            (_, 17) => Transport::Udp,
            (_, 1 | 58) => Transport::Icmp,
            (_, number) => Transport::Ip(u8::try_from(number).unwrap_or(255)),
        }
    }
}

/// A packet.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub info: PacketInfo,
    pub key: Key,
    pub hash: u64,
    pub kind: Kind,
    pub lane: u8,
    /// The sender is the higher end of the key.
    pub from_high: bool,
    pub flags: u8,
    pub src_mac: Option<Mac>,
    pub dst_mac: Option<Mac>,
    pub vlan: Option<NonZeroU16>,
    pub id: u16,
    pub interface: u16,
    pub seq: u32,
    pub ack: u32,
    /// Bytes of payload that the snap length cut off.
    pub missing: u32,
    pub wire: u32,
    /// Where the payload is in the batch.
    pub offset: u32,
    pub len: u32,
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

const STATE: FixedState = FixedState::with_seed(0x6f74_2d66_6c6f_7773);

fn words(ip: IpAddr) -> (Family, [u64; 2]) {
    match ip {
        IpAddr::V4(ip) => (Family::V4, [0, u64::from(ip.to_bits())]),
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = ip.octets();
            (Family::V6, [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])])
        }
    }
}

fn mac_words(mac: Option<Mac>) -> [u64; 2] {
    let [a, b, c, d, e, f] = mac.unwrap_or_default().0;
    [u64::from(mac.is_some()), u64::from_be_bytes([0, 0, a, b, c, d, e, f])]
}

/// Lane of a host pair and hash of a conversation.
fn hashes(key: &Key) -> (u8, u64) {
    let mut hasher = STATE.build_hasher();
    // Both ends in one order, so that the lane does not depend on who speaks.
    hasher.write_u64(key.low[0] ^ key.high[0].rotate_left(32));
    hasher.write_u64(key.low[1]);
    hasher.write_u64(key.high[1]);
    let pair = hasher.finish();
    let mut hasher = STATE.build_hasher();
    hasher.write_u64(pair);
    hasher.write_u64(
        u64::from(key.ports[0])
            | u64::from(key.ports[1]) << 16
            | u64::from(key.number) << 32
            | (key.family as u64) << 48,
    );
    let lane = u8::try_from((pair >> 40) % u64::try_from(LANES).unwrap_or(1)).unwrap_or(0);
    (lane, hasher.finish())
}

/// Key of two ends, and whether the first is the higher one.
fn key(family: Family, src: [u64; 2], dst: [u64; 2], sport: u16, dport: u16, number: u16) -> (Key, bool) {
    if (src, sport) <= (dst, dport) {
        (Key { low: src, high: dst, ports: [sport, dport], number, family }, false)
    } else {
        (Key { low: dst, high: src, ports: [dport, sport], number, family }, true)
    }
}

/// Whether a frame without IP announces a device: LLDP (IEEE 802.1AB), CDP, PROFINET DCP. What PROFINET exchanges in its
/// cycles has other frame ids (IEC 61158-6-10) and is only counted.
fn tells_of_a_device(frame: &EthernetFrame<'_>) -> bool {
    match frame.ethertype {
        0x88cc | 0x2000 => true,
        0x8892 => matches!(frame.payload, [0xfe, 0xfc..=0xff, ..]),
        _ => false,
    }
}

impl Head {
    fn new(info: PacketInfo, kind: Kind, (key, from_high): (Key, bool), wire: u32) -> Self {
        let (lane, hash) = hashes(&key);
        Self {
            info,
            key,
            hash,
            kind,
            lane,
            from_high,
            flags: 0,
            src_mac: None,
            dst_mac: None,
            vlan: None,
            id: 0,
            interface: 0,
            seq: 0,
            ack: 0,
            missing: 0,
            wire,
            offset: 0,
            len: 0,
        }
    }

    /// Of an IP datagram, with its payload; `None` where the transport header is cut or broken.
    pub fn of_datagram<'a>(info: PacketInfo, wire: u32, ip: &Datagram<'a>) -> Option<(Self, &'a [u8])> {
        let (family, src) = words(ip.src);
        let (_, dst) = words(ip.dst);
        let number = u16::from(ip.protocol);
        let all = ip.payload;
        let lost = if ip.cut { ip.payload_len.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)) } else { 0 };
        let (mut head, payload) = match ip.protocol {
            6 => {
                let fixed: &[u8; 20] = all.first_chunk()?;
                let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, ..] = *fixed;
                let length = usize::from(offset >> 4) * 4;
                if length < 20 {
                    return None;
                }
                let (sport, dport) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
                // Options cut by the snap length: the payload is cut as well, whole.
                let short = u32::try_from(length.saturating_sub(all.len())).unwrap_or(u32::MAX);
                if short > lost {
                    return None;
                }
                let mut head = Self::new(info, Kind::Tcp, key(family, src, dst, sport, dport, number), wire);
                head.seq = u32::from_be_bytes([q0, q1, q2, q3]);
                head.ack = u32::from_be_bytes([a0, a1, a2, a3]);
                head.flags = flags;
                head.missing = lost - short;
                (head, all.get(length..).unwrap_or_default())
            }
            17 => {
                let fixed: &[u8; 8] = all.first_chunk()?;
                let [s0, s1, d0, d1, l0, l1, ..] = *fixed;
                let (sport, dport) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                let here = all.get(8..).unwrap_or_default();
                let mut head = Self::new(info, Kind::Udp, key(family, src, dst, sport, dport, number), wire);
                // Length 0 means a jumbogram or an offloaded datagram (RFC 2675).
                let payload = if length == 0 {
                    here
                } else {
                    let body = length.checked_sub(8)?;
                    if body > here.len() {
                        head.missing = u32::try_from(body - here.len()).unwrap_or(u32::MAX);
                    }
                    here.get(..body.min(here.len())).unwrap_or_default()
                };
                (head, payload)
            }
            _ => (Self::new(info, Kind::Other, key(family, src, dst, 0, 0, number), wire), &[][..]),
        };
        head.src_mac = ip.src_mac;
        head.dst_mac = ip.dst_mac;
        head.vlan = ip.vlan.and_then(NonZeroU16::new);
        head.id = ip.id;
        head.len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        Some((head, payload))
    }

    /// Of the conversation that an ICMP error is about: destination unreachable (RFC 792, RFC 4443), without
    /// "fragmentation needed".
    pub fn of_refusal(info: PacketInfo, ip: &Datagram<'_>) -> Option<Self> {
        let inner = match (ip.protocol, *ip.payload.first_chunk::<2>()?) {
            (1, [3, code]) if code != 4 => ip.payload.get(8..)?,
            (58, [1, _]) => ip.payload.get(8..)?,
            _ => return None,
        };
        let (family, src, dst, protocol, rest) = match inner.first()? >> 4 {
            4 => {
                let fixed: &[u8; 20] = inner.first_chunk()?;
                let [first, .., s0, s1, s2, s3, d0, d1, d2, d3] = *fixed;
                let rest = inner.get(usize::from(first & 15) * 4..).unwrap_or_default();
                let src = u64::from(u32::from_be_bytes([s0, s1, s2, s3]));
                let dst = u64::from(u32::from_be_bytes([d0, d1, d2, d3]));
                (Family::V4, [0, src], [0, dst], *inner.get(9)?, rest)
            }
            6 => {
                let src: [u8; 16] = *inner.get(8..)?.first_chunk()?;
                let dst: [u8; 16] = *inner.get(24..)?.first_chunk()?;
                let (family, src) = words(IpAddr::V6(Ipv6Addr::from(src)));
                let (_, dst) = words(IpAddr::V6(Ipv6Addr::from(dst)));
                (family, src, dst, *inner.get(6)?, inner.get(40..).unwrap_or_default())
            }
            _ => return None,
        };
        let (sport, dport) = match protocol {
            6 | 17 => {
                let [s0, s1, d0, d1] = *rest.first_chunk::<4>()?;
                (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
            }
            _ => (0, 0),
        };
        Some(Self::new(info, Kind::Refusal, key(family, src, dst, sport, dport, u16::from(protocol)), 0))
    }

    /// Of an ARP message.
    pub fn of_arp(info: PacketInfo, wire: u32, arp: &Arp) -> Self {
        let (family, sender) = words(IpAddr::V4(arp.sender_ip));
        let (_, target) = words(IpAddr::V4(arp.target_ip));
        let mut head = Self::new(info, Kind::Arp, key(family, sender, target, 0, 0, 0), wire);
        head.seq = u32::from(arp.operation);
        head.src_mac = Some(arp.sender_mac);
        head.vlan = arp.vlan.and_then(NonZeroU16::new);
        head
    }

    /// Of a frame without IP. Its payload is looked into where such a frame tells of a device.
    pub fn of_ethernet(info: PacketInfo, wire: u32, frame: &EthernetFrame<'_>) -> Self {
        let pair = key(Family::Ethernet, mac_words(frame.src), mac_words(frame.dst), 0, 0, frame.ethertype);
        let mut head = Self::new(info, Kind::Other, pair, wire);
        head.src_mac = frame.src;
        head.dst_mac = frame.dst;
        head.vlan = frame.vlan.and_then(NonZeroU16::new);
        if tells_of_a_device(frame) {
            head.len = u32::try_from(frame.payload.len()).unwrap_or(0);
        }
        head
    }

    /// Of contradicting fragments; `like` is the datagram that they make, where it is whole.
    pub fn of_conflict(info: PacketInfo, conflict: &FragmentConflict<'_>, like: Option<&Self>) -> (Self, Vec<u8>) {
        let mut head = match like {
            Some(like) => Self { kind: Kind::Conflict, ..like.clone() },
            None => {
                let (family, src) = words(conflict.src);
                let (_, dst) = words(conflict.dst);
                let pair = key(family, src, dst, 0, 0, u16::from(conflict.protocol));
                let mut head = Self::new(info, Kind::Conflict, pair, 0);
                head.src_mac = conflict.src_mac;
                head.dst_mac = conflict.dst_mac;
                head.vlan = conflict.vlan.and_then(NonZeroU16::new);
                head
            }
        };
        let mut both = conflict.first.as_slice().to_vec();
        head.missing = u32::try_from(both.len()).unwrap_or(0);
        both.extend_from_slice(conflict.later.as_slice());
        head.seq = conflict.offset;
        head.ack = conflict.length;
        head.len = u32::try_from(both.len()).unwrap_or(0);
        (head, both)
    }

    /// VLAN.
    pub fn vlan(&self) -> Option<u16> {
        self.vlan.map(NonZeroU16::get)
    }

    /// Address of the sender.
    pub fn src_ip(&self) -> Option<IpAddr> {
        self.key.ip(self.from_high)
    }

    /// Address of the receiver.
    pub fn dst_ip(&self) -> Option<IpAddr> {
        self.key.ip(!self.from_high)
    }

    /// The same for the same segment, as good as never for another.
    pub fn signature(&self) -> u64 {
        let a = u64::from(self.seq) << 32 | u64::from(self.ack);
        let b = u64::from(self.id) << 48 | u64::from(self.flags) << 40 | u64::from(self.len.wrapping_add(self.missing));
        (a ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
            ^ b.wrapping_mul(0xc4ce_b9fe_1a85_ec53)
    }
}
