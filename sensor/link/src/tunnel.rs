//! Headers off the usual path: what they are followed by.

use ot_protocol::{Mac, Reader};

use crate::wire::ethertype;

/// A Linux cooked header.
pub(crate) struct Cooked<'a> {
    pub(crate) src_mac: Option<Mac>,
    pub(crate) kind: u16,
    pub(crate) rest: &'a [u8],
}

/// LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length, address, protocol.
pub(crate) fn cooked1(bytes: &[u8]) -> Option<Cooked<'_>> {
    let mut reader = Reader::new(bytes);
    reader.take(4).ok()?;
    let len = reader.u16().ok()?;
    let mac = address(len, reader.array().ok()?);
    Some(Cooked { src_mac: mac, kind: reader.u16().ok()?, rest: reader.rest() })
}

/// LINKTYPE_LINUX_SLL2: protocol, reserved, interface, ARPHRD, packet type, address length, address.
pub(crate) fn cooked2(bytes: &[u8]) -> Option<Cooked<'_>> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u16().ok()?;
    reader.take(9).ok()?;
    let len = reader.u8().ok()?;
    let mac = address(u16::from(len), reader.array().ok()?);
    Some(Cooked { src_mac: mac, kind, rest: reader.rest() })
}

fn address(len: u16, [a, b, c, d, e, f, _, _]: [u8; 8]) -> Option<Mac> {
    (len == 6).then_some(Mac([a, b, c, d, e, f]))
}

/// Operation and addresses of an ARP message for IPv4 over Ethernet (RFC 826).
pub(crate) fn arp(bytes: &[u8]) -> Option<(u16, &[u8; 20])> {
    let mut reader = Reader::new(bytes);
    let kinds = reader.array::<6>().ok()?;
    let operation = reader.u16().ok()?;
    let message = reader.rest().first_chunk::<20>()?;
    // Hardware 1 is Ethernet, 6 other networks of IEEE 802.
    matches!(kinds, [0, 1 | 6, 0x08, 0x00, 6, 4]).then_some((operation, message))
}

/// What follows a PPPoE session header, if it is IP (RFC 2516, 4; RFC 1661, 2).
pub(crate) fn pppoe(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x11, 0, _, _, _, _, 0x00, 0x21 | 0x57, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// What follows an MPLS label stack (RFC 3032, 2.1).
pub(crate) fn mpls_labels(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let ([_, _, bottom, _], rest) = bytes.split_first_chunk::<4>()?;
        if bottom & 1 == 1 {
            return Some(rest);
        }
        bytes = rest;
    }
}

/// What labels carry.
pub(crate) enum BelowMpls<'a> {
    Ip,
    Ethernet(&'a [u8]),
}

/// Labels do not say what they carry: IP and Ethernet pseudowires with and without control word (RFC 4448, 4.6) are told
/// by their look.
pub(crate) fn below_mpls(bytes: &[u8]) -> Option<BelowMpls<'_>> {
    let looks_like_ethernet = |bytes: &[u8]| {
        bytes
            .get(12..14)
            .and_then(<[u8]>::first_chunk::<2>)
            .is_some_and(|kind| ethertype::is_usual(u16::from_be_bytes(*kind)))
    };
    let looks_like_ip = match bytes {
        [v @ 0x45..=0x4f, _, l0, l1, _, _, _, _, ttl, ..] => {
            let total = usize::from(u16::from_be_bytes([*l0, *l1]));
            *ttl > 0 && (total == 0 || total >= usize::from(v & 0x0f) * 4)
        }
        [0x60..=0x6f, ..] => bytes.len() >= 40,
        _ => false,
    };
    // A MAC may begin with a 4 or a 6 as well; an ethertype in its place decides, unless it is an address of IP.
    if looks_like_ip && (ip_checksum_holds(bytes) || !looks_like_ethernet(bytes)) {
        return Some(BelowMpls::Ip);
    }
    if let Some(([0, 0, _, _], frame)) = bytes.split_first_chunk::<4>()
        && looks_like_ethernet(frame)
    {
        return Some(BelowMpls::Ethernet(frame));
    }
    if looks_like_ethernet(bytes) {
        return Some(BelowMpls::Ethernet(bytes));
    }
    looks_like_ip.then_some(BelowMpls::Ip)
}

/// Whether these bytes begin with an IPv4 header with a right checksum (RFC 1071).
fn ip_checksum_holds(bytes: &[u8]) -> bool {
    let len = usize::from(bytes.first().copied().unwrap_or(0) & 0x0f) * 4;
    let Some(header) = bytes.get(..len) else { return false };
    let (words, _) = header.as_chunks::<2>();
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    bytes.first().is_some_and(|byte| byte >> 4 == 4) && (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// What follows a VXLAN header; `bytes` begins with the UDP header (RFC 7348, 5).
pub(crate) fn vxlan(bytes: &[u8]) -> Option<&[u8]> {
    let ([flags, ..], inner) = bytes.get(8..)?.split_first_chunk::<8>()?;
    (flags & 0x08 != 0).then_some(inner)
}

/// What a GRE header is followed by.
pub(crate) enum Gre<'a> {
    /// A packet of this ethertype.
    Plain(u16, &'a [u8]),
    /// A mirrored frame, or an IP packet.
    Erspan { ip: bool, inner: &'a [u8] },
}

/// Bits of the first word of a GRE header (RFC 2784, RFC 2890).
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

/// GRE and ERSPAN (draft-foschiano-erspan-03). `None` where it is cut or of a kind that is not known.
pub(crate) fn gre(bytes: &[u8]) -> Option<Gre<'_>> {
    let mut reader = Reader::new(bytes);
    let flags = reader.u16().ok()?;
    let kind = reader.u16().ok()?;
    if flags & (VERSION | ROUTING) != 0 {
        return None;
    }
    for bit in [CHECKSUM, KEY, SEQUENCE] {
        if flags & bit != 0 {
            reader.take(4).ok()?;
        }
    }
    match kind {
        ethertype::ERSPAN_1_2 | ethertype::ERSPAN_3 if flags & SEQUENCE != 0 => erspan(reader),
        // Type I has neither a sequence number nor a header of its own (4.1).
        ethertype::ERSPAN_1_2 => Some(Gre::Erspan { ip: false, inner: reader.rest() }),
        ethertype::IPV4
        | ethertype::IPV6
        | ethertype::BRIDGED
        | ethertype::ARP
        | ethertype::VLAN
        | ethertype::MPLS
        | ethertype::MPLS_MULTICAST => Some(Gre::Plain(kind, reader.rest())),
        _ => None,
    }
}

/// ERSPAN type II (4.2): 8 bytes; type III (4.3): 12 bytes, and 8 more where bit O is set.
fn erspan(mut reader: Reader<'_>) -> Option<Gre<'_>> {
    match reader.rest().first()? >> 4 {
        1 => {
            reader.take(8).ok()?;
            Some(Gre::Erspan { ip: false, inner: reader.rest() })
        }
        2 => {
            reader.take(10).ok()?;
            let last = reader.u16().ok()?;
            if last & 1 != 0 {
                reader.take(8).ok()?;
            }
            // The frame type: 0 is Ethernet, 2 is IP.
            match last >> 10 & 0x1f {
                0 => Some(Gre::Erspan { ip: false, inner: reader.rest() }),
                2 => Some(Gre::Erspan { ip: true, inner: reader.rest() }),
                _ => None,
            }
        }
        _ => None,
    }
}
