//! The two hosts of a frame: for picking the frames that belong together, whatever became of them.

use std::net::IpAddr;

use ot_capture::{LinkType, Packet};
use ot_protocol::Mac;

use crate::tunnel;
use crate::wire::ethertype;
use crate::{Decoded, Decoder, LinkConfig};

/// An end of a frame: its IP address (innermost, behind tunnels), or its MAC where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// IP address.
    Ip(IpAddr),
    /// MAC address.
    Mac(Mac),
}

/// Two hosts, the same for both directions.
pub type Hosts = [Host; 2];

/// Finds the hosts of frames.
///
/// Unlike a [`Decoder`] it tells them of each frame: of one that was mirrored twice, and of each fragment.
pub struct HostFinder {
    decoder: Decoder,
}

impl Default for HostFinder {
    fn default() -> Self {
        let config = LinkConfig { duplicate_window: 0, redundancy_window: 0, ..LinkConfig::default() };
        Self { decoder: Decoder::new(config) }
    }
}

impl HostFinder {
    /// The hosts of a frame; `None` where it is too short to name them, or of a link that is not decoded.
    #[inline]
    pub fn hosts(&mut self, packet: &Packet<'_>) -> Option<Hosts> {
        let pair = |a: IpAddr, b: IpAddr| Some(ordered(Host::Ip(a), Host::Ip(b)));
        match self.decoder.decode(packet) {
            Decoded::Ip(ip) => pair(ip.src, ip.dst),
            Decoded::Arp(arp) => pair(IpAddr::V4(arp.sender_ip), IpAddr::V4(arp.target_ip)),
            Decoded::FragmentConflict(conflict) => pair(conflict.src, conflict.dst),
            Decoded::Ethernet(frame) => Some(ordered(Host::Mac(frame.src?), Host::Mac(frame.dst?))),
            Decoded::FragmentHeld | Decoded::Duplicate | Decoded::Skipped(_) => outer(packet),
        }
    }
}

fn ordered(a: Host, b: Host) -> Hosts {
    if a <= b { [a, b] } else { [b, a] }
}

/// The hosts that the outermost headers name.
#[cold]
fn outer(packet: &Packet<'_>) -> Option<Hosts> {
    let mut macs = None;
    let (mut kind, mut rest) = match packet.link {
        LinkType::Ethernet => {
            let (header, rest) = packet.data.split_first_chunk::<14>()?;
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *header;
            macs = Some(ordered(Host::Mac(Mac([a, b, c, d, e, f])), Host::Mac(Mac([g, h, i, j, k, l]))));
            (Some(u16::from_be_bytes([m, n])), rest)
        }
        LinkType::LinuxCooked1 => tunnel::cooked1(packet.data).map(|cooked| (Some(cooked.kind), cooked.rest))?,
        LinkType::LinuxCooked2 => tunnel::cooked2(packet.data).map(|cooked| (Some(cooked.kind), cooked.rest))?,
        LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => (None, packet.data),
        LinkType::BsdLoopback => (None, packet.data.get(4..)?),
        LinkType::Other(_) => return None,
    };
    loop {
        let skip = match kind {
            Some(ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::OLD_QINQ | ethertype::OLDER_QINQ) => 2,
            Some(ethertype::HSR) => 4,
            _ => break,
        };
        let Some([a, b]) = rest.get(skip..).and_then(<[u8]>::first_chunk::<2>).copied() else { return macs };
        kind = Some(u16::from_be_bytes([a, b]));
        rest = rest.get(skip + 2..).unwrap_or_default();
    }
    if matches!(kind, None | Some(ethertype::IPV4 | ethertype::IPV6)) {
        return ip_hosts(rest).or(macs);
    }
    macs
}

fn ip_hosts(bytes: &[u8]) -> Option<Hosts> {
    let (first, second) = match bytes.first().map(|byte| byte >> 4)? {
        4 => {
            let [a, b, c, d, e, f, g, h] = *bytes.get(12..)?.first_chunk::<8>()?;
            (IpAddr::from([a, b, c, d]), IpAddr::from([e, f, g, h]))
        }
        6 => {
            let (first, rest) = bytes.get(8..)?.split_first_chunk::<16>()?;
            (IpAddr::from(*first), IpAddr::from(*rest.first_chunk::<16>()?))
        }
        _ => return None,
    };
    Some(ordered(Host::Ip(first), Host::Ip(second)))
}
