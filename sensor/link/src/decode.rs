//! The decoder: takes off one layer after the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ot_capture::{LinkType, Packet};
use ot_protocol::{Mac, Reader, Timestamp};

use crate::duplicate::{Recent, Twins};
use crate::fragment::{Conflict, Fragment, Fragments, Key};
use crate::tunnel::{self, Gre};
use crate::wire::{ethertype, ip};
use crate::{Arp, Datagram, Decoded, EthernetFrame, FragmentConflict, LinkConfig, LinkStats};

/// Tunnels within each other that are taken off.
const MAX_DEPTH: u8 = 8;
/// Smallest ethertype; below it the field is a length (IEEE 802.3, 3.2.6).
const FIRST_ETHERTYPE: u16 = 1536;
/// Length of an Ethernet header and of a VLAN tag.
const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;
/// Length of a PRP redundancy control trailer, and of an Ethernet FCS that may follow it.
const PRP_TRAILER: usize = 6;
const FCS: usize = 4;
/// Length of an HSR tag with its ethertype.
const HSR_TAG: usize = 6;

/// Decodes frames; keeps fragments, recent frames and counters.
pub struct Decoder {
    tables: Tables,
    /// Payloads put together from fragments: of this frame, and of a tunnel within the first.
    whole: [Vec<u8>; 2],
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new(config: LinkConfig) -> Self {
        let tables = Tables {
            config,
            stats: LinkStats::default(),
            fragments: Fragments::default(),
            recent: Recent::default(),
            twins: Twins::default(),
        };
        Self { tables, whole: [Vec::new(), Vec::new()] }
    }

    /// Decodes one frame. Frames must come in the order of the capture.
    #[inline]
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let Self { tables, whole: [first, second] } = self;
        let stats = &mut tables.stats;
        stats.frames += 1;
        stats.bytes += u64::from(packet.wire_len);
        let missing = packet.wire_len.saturating_sub(length(packet.data));
        stats.frames_cut += u64::from(missing > 0);
        let layer = match packet.link {
            LinkType::Ethernet => {
                if let Some(datagram) = usual(packet.data, stats) {
                    return Decoded::Ip(datagram);
                }
                Layer::Ethernet
            }
            LinkType::LinuxCooked1 => Layer::Cooked1,
            LinkType::LinuxCooked2 => Layer::Cooked2,
            LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => Layer::Ip,
            LinkType::BsdLoopback => Layer::Loopback,
            LinkType::Other(_) => {
                stats.skipped_link_type += 1;
                return Decoded::Skipped("link type not supported");
            }
        };
        let time = packet.info.time;
        let at = At { missing, ..At::default() };
        let held = match tables.walk(layer, packet.data, at, time, first) {
            Step::Done(decoded) => return decoded,
            Step::Whole(held) => held,
        };
        let first: &'a [u8] = first;
        let inner = match tables.walk(Layer::Upper(held.head), first, held.at, time, second) {
            Step::Done(decoded) => return held.told(decoded),
            Step::Whole(inner) => inner,
        };
        let second: &'a [u8] = second;
        match tables.walk(Layer::Upper(inner.head), second, inner.at, time, &mut Vec::new()) {
            Step::Done(decoded) => held.told(inner.told(decoded)),
            Step::Whole(_) => tables.too_deep(),
        }
    }

    /// What became of the frames so far.
    pub fn stats(&self) -> &LinkStats {
        &self.tables.stats
    }
}

/// Everything a decoder remembers, apart from the bytes it lends.
struct Tables {
    config: LinkConfig,
    stats: LinkStats,
    fragments: Fragments,
    recent: Recent,
    twins: Twins,
}

/// Where in the frame the walk is.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    src_mac: Option<Mac>,
    dst_mac: Option<Mac>,
    vlan: Option<u16>,
    /// Tunnels taken off.
    depth: u8,
    /// Bytes that the snap length cut off the end.
    missing: u32,
    /// Bytes at the end that belong to the link.
    trailer: usize,
    /// VLAN tags of the innermost Ethernet header.
    tags: u8,
    /// Whether the bytes were put together from fragments.
    whole: bool,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Ethernet,
    Cooked1,
    Cooked2,
    Loopback,
    /// What follows an ethertype.
    Type(u16),
    /// IPv4 or IPv6, as the first four bits tell.
    Ip,
    Mpls,
    /// What follows an IP header.
    Upper(IpHead),
}

/// An IP header, decoded.
#[derive(Clone, Copy, Debug)]
struct IpHead {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    ttl: u8,
    id: u16,
    payload_len: u32,
    cut: bool,
}

enum Step<'a> {
    Done(Decoded<'a>),
    /// A datagram became whole and waits to be decoded.
    Whole(Box<Held>),
}

/// A datagram put together.
struct Held {
    head: IpHead,
    at: At,
    id: u32,
    conflict: Option<Conflict>,
}

impl Held {
    /// Tells of a conflict along with what the datagram turned out to be.
    fn told<'a>(&self, decoded: Decoded<'a>) -> Decoded<'a> {
        let Some(conflict) = &self.conflict else { return decoded };
        let datagram = match decoded {
            Decoded::Ip(datagram) => Some(datagram),
            _ => None,
        };
        conflicting(&self.head, &self.at, self.id, conflict, datagram)
    }
}

fn conflicting<'a>(
    head: &IpHead,
    at: &At,
    id: u32,
    conflict: &Conflict,
    datagram: Option<Datagram<'a>>,
) -> Decoded<'a> {
    Decoded::FragmentConflict(Box::new(FragmentConflict {
        src: head.src,
        dst: head.dst,
        src_mac: at.src_mac,
        dst_mac: at.dst_mac,
        vlan: at.vlan,
        protocol: head.protocol,
        id,
        offset: u32::try_from(conflict.offset).unwrap_or(u32::MAX),
        length: u32::try_from(conflict.length).unwrap_or(u32::MAX),
        first: conflict.first,
        later: conflict.later,
        datagram,
    }))
}

/// Layers go on with others; the end of the walk is a step.
enum Next<'a> {
    On(Layer, &'a [u8]),
    End(Step<'a>),
}

impl<'a> From<Decoded<'a>> for Next<'a> {
    #[inline]
    fn from(decoded: Decoded<'a>) -> Self {
        Self::End(Step::Done(decoded))
    }
}

impl Tables {
    #[inline]
    fn walk<'a>(
        &mut self,
        mut layer: Layer,
        mut bytes: &'a [u8],
        mut at: At,
        time: Timestamp,
        whole: &mut Vec<u8>,
    ) -> Step<'a> {
        loop {
            let next = match layer {
                Layer::Ethernet => self.ethernet(bytes, &mut at, time),
                Layer::Type(
                    ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::OLD_QINQ | ethertype::OLDER_QINQ,
                ) => self.vlan(bytes, &mut at),
                Layer::Type(ethertype::IPV4 | ethertype::IPV6) | Layer::Ip => self.ip(bytes, &at, time, whole),
                Layer::Upper(head) => self.upper(head, bytes, &mut at, time, whole),
                other => self.unusual(other, bytes, &mut at, time),
            };
            match next {
                Next::On(following, rest) => (layer, bytes) = (following, rest),
                Next::End(step) => return step,
            }
        }
    }

    #[inline]
    fn ethernet<'a>(&mut self, bytes: &'a [u8], at: &mut At, time: Timestamp) -> Next<'a> {
        let Some((header, rest)) = bytes.split_first_chunk::<ETHERNET_HEADER>() else {
            return self.short("Ethernet header cut");
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *header;
        at.dst_mac = Some(Mac([a, b, c, d, e, f]));
        at.src_mac = Some(Mac([g, h, i, j, k, l]));
        at.vlan = None;
        at.tags = 0;
        at.trailer = 0;
        if at.depth == 0
            && at.missing == 0
            && (ends_in_prp(bytes, 0) || ends_in_prp(bytes, FCS))
            && let Some(twin) = self.prp(bytes, at, time)
        {
            return twin;
        }
        let kind = u16::from_be_bytes([m, n]);
        if kind < FIRST_ETHERTYPE {
            return self.llc(kind, rest, at);
        }
        Next::On(Layer::Type(kind), rest)
    }

    /// PRP: sequence number, LAN and size, suffix (IEC 62439-3, 4.1.10). `None` where the frame is to be decoded.
    ///
    /// The trailer is not cut off what IP says is its own: a forged one must not hide bytes.
    #[cold]
    fn prp<'a>(&mut self, bytes: &[u8], at: &mut At, time: Timestamp) -> Option<Next<'a>> {
        let behind = if ends_in_prp(bytes, 0) { 0 } else { FCS };
        let frame = bytes.get(..bytes.len().checked_sub(behind)?)?;
        let (frame, trailer) = frame.split_last_chunk::<PRP_TRAILER>()?;
        let [a, b, c, d, _, _] = *trailer;
        let (sequence, rest) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let size = usize::from(rest & 0x0fff);
        let lsdu = (frame.len() + PRP_TRAILER).checked_sub(ETHERNET_HEADER)?;
        if !matches!(rest >> 12, 0xa | 0xb)
            || ![lsdu, lsdu.wrapping_sub(VLAN_TAG), lsdu.wrapping_sub(2 * VLAN_TAG)].contains(&size)
        {
            return None;
        }
        self.stats.prp += 1;
        at.trailer = PRP_TRAILER + behind;
        self.twin(at.src_mac, sequence, frame, time)
    }

    /// Whether the twin of a frame of a redundant network was there.
    fn twin<'a>(&mut self, source: Option<Mac>, sequence: u16, content: &[u8], time: Timestamp) -> Option<Next<'a>> {
        let content = self.recent.hash(content);
        let window = self.config.redundancy_window;
        if self.twins.is_twin(source.unwrap_or_default(), sequence, content, time, window) {
            self.stats.duplicates_redundancy += 1;
            return Some(Decoded::Duplicate.into());
        }
        None
    }

    /// A length field: LLC, and SNAP with an ethertype (IEEE 802.2; RFC 1042).
    #[cold]
    fn llc<'a>(&mut self, len: u16, rest: &'a [u8], at: &At) -> Next<'a> {
        let payload = rest.get(..usize::from(len)).unwrap_or(rest);
        if let Some(([0xaa, 0xaa, 0x03, 0, 0, 0, a, b], inner)) = payload.split_first_chunk::<8>() {
            return Next::On(Layer::Type(u16::from_be_bytes([*a, *b])), inner);
        }
        // Protocols of Cisco have its organisation code instead (CDP: 0x2000).
        if let Some(([0xaa, 0xaa, 0x03, 0, 0, 0x0c, a, b], inner)) = payload.split_first_chunk::<8>() {
            let kind = u16::from_be_bytes([*a, *b]);
            return if kind == ethertype::CDP { self.other(kind, inner, at) } else { self.other(len, payload, at) };
        }
        self.other(len, payload, at)
    }

    #[inline]
    fn vlan<'a>(&mut self, bytes: &'a [u8], at: &mut At) -> Next<'a> {
        let Some(([a, b, c, d], rest)) = bytes.split_first_chunk::<VLAN_TAG>() else {
            return self.short("VLAN tag cut");
        };
        // Id 0 only carries a priority (IEEE 802.1Q, 9.6).
        let id = u16::from_be_bytes([*a, *b]) & 0x0fff;
        if id != 0 {
            at.vlan = Some(id);
        }
        if at.depth == 0 {
            self.stats.vlan_tagged += u64::from(at.tags == 0);
            self.stats.vlan_stacked += u64::from(at.tags == 1);
        }
        at.tags = at.tags.saturating_add(1);
        let kind = u16::from_be_bytes([*c, *d]);
        if kind < FIRST_ETHERTYPE {
            return self.llc(kind, rest, at);
        }
        Next::On(Layer::Type(kind), rest)
    }

    /// Everything that is not on the path of a usual frame.
    #[cold]
    fn unusual<'a>(&mut self, layer: Layer, bytes: &'a [u8], at: &mut At, time: Timestamp) -> Next<'a> {
        match layer {
            Layer::Type(ethertype::ARP) => self.arp(bytes, at, time),
            Layer::Type(ethertype::MPLS | ethertype::MPLS_MULTICAST) | Layer::Mpls => self.mpls(bytes, at),
            Layer::Type(ethertype::HSR) => self.hsr(bytes, at, time),
            Layer::Type(ethertype::PPPOE_SESSION) => self.pppoe(bytes, at),
            Layer::Type(kind) => self.other(kind, bytes, at),
            Layer::Cooked1 => self.cooked(tunnel::cooked1(bytes), at),
            Layer::Cooked2 => self.cooked(tunnel::cooked2(bytes), at),
            Layer::Loopback => self.loopback(bytes),
            Layer::Ethernet | Layer::Ip | Layer::Upper(_) => Next::On(layer, bytes),
        }
    }

    fn other<'a>(&mut self, kind: u16, bytes: &'a [u8], at: &At) -> Next<'a> {
        if at.src_mac.is_none() {
            self.stats.skipped_protocol += 1;
            return Decoded::Skipped("neither IP nor ARP").into();
        }
        self.stats.ethernet_other += 1;
        let end = bytes.len().saturating_sub(at.trailer);
        let payload = if kind < FIRST_ETHERTYPE { bytes } else { bytes.get(..end).unwrap_or_default() };
        let (src, dst, vlan) = (at.src_mac, at.dst_mac, at.vlan);
        Decoded::Ethernet(EthernetFrame { src, dst, vlan, ethertype: kind, payload }).into()
    }

    fn cooked<'a>(&mut self, found: Option<tunnel::Cooked<'a>>, at: &mut At) -> Next<'a> {
        let Some(cooked) = found else { return self.short("Linux cooked header cut") };
        at.src_mac = cooked.src_mac;
        if cooked.kind < FIRST_ETHERTYPE {
            self.stats.skipped_protocol += 1;
            return Decoded::Skipped("neither IP nor ARP").into();
        }
        Next::On(Layer::Type(cooked.kind), cooked.rest)
    }

    fn loopback<'a>(&mut self, bytes: &'a [u8]) -> Next<'a> {
        let Some((family, rest)) = bytes.split_first_chunk::<4>() else {
            return self.short("loopback header cut");
        };
        // Families are small: the byte order that makes the number small is the right one.
        let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
        // AF_INET is 2 everywhere; AF_INET6 is 10 (Linux), 23 (Windows), 24 (NetBSD, OpenBSD), 28 (FreeBSD), 30 (macOS).
        if matches!(family, 2 | 10 | 23 | 24 | 28 | 30) {
            return Next::On(Layer::Ip, rest);
        }
        self.stats.skipped_protocol += 1;
        Decoded::Skipped("neither IP nor ARP").into()
    }

    /// HSR tag: path and size, sequence number, ethertype (IEC 62439-3, 5.3.2).
    fn hsr<'a>(&mut self, bytes: &'a [u8], at: &mut At, time: Timestamp) -> Next<'a> {
        let Some(([a, b, c, d, e, f], rest)) = bytes.split_first_chunk::<HSR_TAG>() else {
            return self.short("HSR tag cut");
        };
        let kind = u16::from_be_bytes([*e, *f]);
        if at.depth == 0 {
            self.stats.hsr += 1;
            // The FCS behind the payload differs, because the path does.
            let size = usize::from(u16::from_be_bytes([*a, *b]) & 0x0fff).saturating_sub(HSR_TAG);
            let content = rest.get(..size).unwrap_or(rest);
            if let Some(twin) = self.twin(at.src_mac, u16::from_be_bytes([*c, *d]), content, time) {
                return twin;
            }
        }
        if kind < FIRST_ETHERTYPE {
            return self.llc(kind, rest, at);
        }
        Next::On(Layer::Type(kind), rest)
    }

    fn pppoe<'a>(&mut self, bytes: &'a [u8], at: &mut At) -> Next<'a> {
        match tunnel::pppoe(bytes) {
            Some(rest) => {
                self.stats.pppoe += 1;
                self.enter(Layer::Ip, rest, at)
            }
            None => self.other(ethertype::PPPOE_SESSION, bytes, at),
        }
    }

    fn mpls<'a>(&mut self, bytes: &'a [u8], at: &mut At) -> Next<'a> {
        let Some(rest) = tunnel::mpls_labels(bytes) else { return self.short("MPLS label cut") };
        self.stats.mpls += 1;
        match tunnel::below_mpls(rest) {
            Some(tunnel::BelowMpls::Ip) => self.enter(Layer::Ip, rest, at),
            Some(tunnel::BelowMpls::Ethernet(frame)) => self.enter(Layer::Ethernet, frame, at),
            None => {
                self.stats.tunnels_unknown += 1;
                self.other(ethertype::MPLS, bytes, at)
            }
        }
    }

    /// Goes into a tunnel, unless there are too many.
    fn enter<'a>(&mut self, layer: Layer, bytes: &'a [u8], at: &mut At) -> Next<'a> {
        if at.depth >= MAX_DEPTH {
            return self.too_deep().into();
        }
        at.depth += 1;
        Next::On(layer, bytes)
    }

    #[cold]
    fn too_deep<'a>(&mut self) -> Decoded<'a> {
        self.stats.skipped_depth += 1;
        Decoded::Skipped("too many tunnels within each other")
    }

    #[cold]
    fn short<'a>(&mut self, why: &'static str) -> Next<'a> {
        self.stats.skipped_short_link += 1;
        Decoded::Skipped(why).into()
    }

    #[cold]
    fn bad_ip<'a>(&mut self, why: &'static str) -> Next<'a> {
        self.stats.skipped_ip_header += 1;
        Decoded::Skipped(why).into()
    }

    fn arp<'a>(&mut self, bytes: &'a [u8], at: &At, time: Timestamp) -> Next<'a> {
        let Some((operation, message)) = tunnel::arp(bytes) else {
            self.stats.skipped_arp += 1;
            return Decoded::Skipped("ARP message cut, or not for IPv4 over Ethernet").into();
        };
        let [s0, s1, s2, s3, s4, s5, si @ .., t0, t1, t2, t3, t4, t5, i0, i1, i2, i3] = message;
        let [p0, p1, p2, p3] = *si;
        let hash = self.recent.hash((operation, message));
        // Nobody asks twice within the window; a copy with another tag or from another port is a double as well.
        if self.recent.is_double(hash, Default::default(), true, time, &self.config) {
            self.stats.duplicates += 1;
            return Decoded::Duplicate.into();
        }
        self.stats.arp += 1;
        Decoded::Arp(Arp {
            operation,
            sender_mac: Mac([*s0, *s1, *s2, *s3, *s4, *s5]),
            sender_ip: Ipv4Addr::new(p0, p1, p2, p3),
            target_mac: Mac([*t0, *t1, *t2, *t3, *t4, *t5]),
            target_ip: Ipv4Addr::new(*i0, *i1, *i2, *i3),
            src_mac: at.src_mac,
            dst_mac: at.dst_mac,
            vlan: at.vlan,
        })
        .into()
    }

    #[inline]
    fn ip<'a>(&mut self, bytes: &'a [u8], at: &At, time: Timestamp, whole: &mut Vec<u8>) -> Next<'a> {
        match bytes.first().map(|byte| byte >> 4) {
            Some(4) => self.ipv4(bytes, at, time, whole),
            Some(6) => self.ipv6(bytes, at),
            Some(_) => self.bad_ip("IP version neither 4 nor 6"),
            None => self.bad_ip("IP header cut"),
        }
    }

    /// RFC 791, 3.1.
    #[inline]
    fn ipv4<'a>(&mut self, bytes: &'a [u8], at: &At, time: Timestamp, whole: &mut Vec<u8>) -> Next<'a> {
        let Some(header) = bytes.first_chunk::<20>() else { return self.bad_ip("IPv4 header cut") };
        let [v, _, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, a, b, c, d, e, f, g, h] = *header;
        let header_len = usize::from(v & 0x0f) * 4;
        let total = match u16::from_be_bytes([l0, l1]) {
            // Segmentation offload leaves it empty: the frame's own length tells.
            0 => length(bytes).saturating_sub(u32::try_from(at.trailer).unwrap_or(0)).saturating_add(at.missing),
            total => u32::from(total),
        };
        let end = usize::try_from(total).unwrap_or(usize::MAX);
        if header_len < 20 || end < header_len {
            return self.bad_ip("IPv4 lengths contradict each other");
        }
        if bytes.len() < header_len {
            return self.bad_ip("IPv4 header cut");
        }
        let payload = bytes.get(header_len..end.min(bytes.len())).unwrap_or_default();
        let payload_len = total.saturating_sub(u32::from(v & 0x0f) * 4);
        let head = IpHead {
            src: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            dst: IpAddr::V4(Ipv4Addr::new(e, f, g, h)),
            protocol,
            ttl,
            id: u16::from_be_bytes([i0, i1]),
            payload_len,
            cut: bytes.len() < end,
        };
        let fragment = u16::from_be_bytes([f0, f1]);
        if fragment & 0x3fff != 0 {
            let place = Place { offset: usize::from(fragment & 0x1fff) * 8, more: fragment & 0x2000 != 0 };
            return self.fragment(&head, u32::from(head.id), place, payload, at, time, whole);
        }
        Next::On(Layer::Upper(head), payload)
    }

    /// RFC 8200, 3. Extension headers are taken off above it, also those of a datagram put together.
    #[inline]
    fn ipv6<'a>(&mut self, bytes: &'a [u8], at: &At) -> Next<'a> {
        let Some((header, rest)) = bytes.split_first_chunk::<40>() else { return self.bad_ip("IPv6 header cut") };
        let [_, _, _, _, l0, l1, protocol, ttl, addresses @ ..] = header;
        let Some((src, dst)) = addresses.split_first_chunk::<16>() else { return self.bad_ip("IPv6 header cut") };
        let Some(dst) = dst.first_chunk::<16>() else { return self.bad_ip("IPv6 header cut") };
        let payload_len = match u16::from_be_bytes([*l0, *l1]) {
            0 => length(rest).saturating_sub(u32::try_from(at.trailer).unwrap_or(0)).saturating_add(at.missing),
            len => u32::from(len),
        };
        let end = usize::try_from(payload_len).unwrap_or(usize::MAX);
        let head = IpHead {
            src: IpAddr::V6(Ipv6Addr::from(*src)),
            dst: IpAddr::V6(Ipv6Addr::from(*dst)),
            protocol: *protocol,
            ttl: *ttl,
            id: 0,
            payload_len,
            cut: rest.len() < end,
        };
        Next::On(Layer::Upper(head), rest.get(..end).unwrap_or(rest))
    }

    /// What an IP header is followed by: IPv6 extension headers, a tunnel, or transport.
    #[inline]
    fn upper<'a>(
        &mut self,
        mut head: IpHead,
        mut payload: &'a [u8],
        at: &mut At,
        time: Timestamp,
        whole: &mut Vec<u8>,
    ) -> Next<'a> {
        if head.src.is_ipv6() {
            loop {
                let len = match (head.protocol, payload) {
                    (
                        ip::HOP_BY_HOP | ip::ROUTING | ip::DESTINATION | ip::MOBILITY | ip::HIP | ip::SHIM6,
                        [_, len, ..],
                    ) => 8 + 8 * usize::from(*len),
                    (ip::AUTHENTICATION, [_, len, ..]) => 8 + 4 * usize::from(*len),
                    (ip::FRAGMENT, [next, _, o0, o1, i0, i1, i2, i3, rest @ ..]) => {
                        let offset = u16::from_be_bytes([*o0, *o1]);
                        let place = Place { offset: usize::from(offset & 0xfff8), more: offset & 1 != 0 };
                        head.protocol = *next;
                        if place.offset != 0 || place.more {
                            head.payload_len = head.payload_len.saturating_sub(8);
                            let id = u32::from_be_bytes([*i0, *i1, *i2, *i3]);
                            return self.fragment(&head, id, place, rest, at, time, whole);
                        }
                        // A fragment that is the whole datagram (RFC 6946).
                        head.payload_len = head.payload_len.saturating_sub(8);
                        payload = rest;
                        continue;
                    }
                    (
                        ip::HOP_BY_HOP
                        | ip::ROUTING
                        | ip::DESTINATION
                        | ip::MOBILITY
                        | ip::HIP
                        | ip::SHIM6
                        | ip::AUTHENTICATION
                        | ip::FRAGMENT,
                        _,
                    ) => return self.bad_ip("IPv6 extension header cut"),
                    _ => break,
                };
                let (Some([next, ..]), Some(rest)) = (payload.first_chunk::<1>(), payload.get(len..)) else {
                    return self.bad_ip("IPv6 extension header cut");
                };
                head.protocol = *next;
                head.payload_len = head.payload_len.saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
                payload = rest;
            }
        }
        if head.protocol != ip::TCP {
            if let Some(next) = self.tunnel(&head, payload, at) {
                return next;
            }
            if !at.whole && self.is_double(&head, payload, None, at, time) {
                self.stats.duplicates += 1;
                return Decoded::Duplicate.into();
            }
        }
        self.stats.ipv4 += u64::from(head.src.is_ipv4());
        self.stats.ipv6 += u64::from(head.src.is_ipv6());
        self.stats.datagrams_cut += u64::from(head.cut);
        Decoded::Ip(Datagram {
            src: head.src,
            dst: head.dst,
            src_mac: at.src_mac,
            dst_mac: at.dst_mac,
            vlan: at.vlan,
            protocol: head.protocol,
            ttl: head.ttl,
            id: head.id,
            payload,
            cut: head.cut,
            payload_len: head.payload_len,
        })
        .into()
    }

    /// Takes off a tunnel; `None` where there is none, or one that is not known, which is delivered as it is.
    #[inline]
    fn tunnel<'a>(&mut self, head: &IpHead, payload: &'a [u8], at: &mut At) -> Option<Next<'a>> {
        let (layer, inner) = match head.protocol {
            ip::UDP => {
                let mut reader = Reader::new(payload);
                let (_, port) = (reader.u16().ok()?, reader.u16().ok()?);
                if !self.config.vxlan_ports.contains(&port) {
                    return None;
                }
                let inner = tunnel::vxlan(payload)?;
                self.stats.vxlan += 1;
                (Layer::Ethernet, inner)
            }
            ip::IPV4 | ip::IPV6 => {
                if payload.is_empty() {
                    return None;
                }
                self.stats.ip_in_ip += 1;
                (Layer::Ip, payload)
            }
            ip::GRE => match tunnel::gre(payload) {
                Some(Gre::Plain(kind, inner)) => {
                    self.stats.gre += 1;
                    let layer = if kind == ethertype::BRIDGED { Layer::Ethernet } else { Layer::Type(kind) };
                    (layer, inner)
                }
                Some(Gre::Erspan { ip, inner }) => {
                    self.stats.erspan += 1;
                    (if ip { Layer::Ip } else { Layer::Ethernet }, inner)
                }
                None => {
                    self.stats.tunnels_unknown += 1;
                    return None;
                }
            },
            ip::ETHERNET_IN_IP => {
                self.stats.ethernet_in_ip += 1;
                (Layer::Ethernet, payload.get(2..)?)
            }
            ip::MPLS_IN_IP => (Layer::Mpls, payload),
            _ => return None,
        };
        at.missing = head.payload_len.saturating_sub(length(payload));
        at.trailer = 0;
        at.whole = false;
        Some(self.enter(layer, inner, at))
    }

    fn fragment<'a>(
        &mut self,
        head: &IpHead,
        id: u32,
        place: Place,
        bytes: &[u8],
        at: &At,
        time: Timestamp,
        whole: &mut Vec<u8>,
    ) -> Next<'a> {
        if head.cut || at.whole {
            self.stats.fragments += 1;
            self.stats.fragments_unusable += 1;
            return Decoded::Skipped(if head.cut { "IP fragment cut" } else { "IP fragment within fragments" }).into();
        }
        if self.is_double(head, bytes, Some((id, place)), at, time) {
            self.stats.duplicates += 1;
            return Decoded::Duplicate.into();
        }
        let protocol = if head.src.is_ipv4() { head.protocol } else { 0 };
        let key = Key { src: head.src, dst: head.dst, vlan: at.vlan, protocol, id };
        let Place { offset, more } = place;
        let fragment = Fragment { key, protocol: head.protocol, ttl: head.ttl, offset, more, bytes };
        let added = self.fragments.add(fragment, time, &self.config, &mut self.stats, whole);
        if let Some(first) = added.whole {
            let payload_len = length(whole);
            let head = IpHead { protocol: first.protocol, ttl: first.ttl, payload_len, ..*head };
            let at = At { missing: 0, trailer: 0, whole: true, ..*at };
            return Next::End(Step::Whole(Box::new(Held { head, at, id, conflict: added.conflict })));
        }
        match (added.conflict, added.unusable) {
            (Some(conflict), _) => conflicting(head, at, id, &conflict, None).into(),
            (None, Some(why)) => Decoded::Skipped(why).into(),
            (None, None) => Decoded::FragmentHeld.into(),
        }
    }

    /// Whether the same datagram, or fragment of one, was there just now. TTL and header checksum do not count, so that
    /// a frame mirrored before and behind a router is found.
    fn is_double(
        &mut self,
        head: &IpHead,
        payload: &[u8],
        fragment: Option<(u32, Place)>,
        at: &At,
        time: Timestamp,
    ) -> bool {
        let hash = self.recent.hash((head.src, head.dst, head.protocol, head.id, head.payload_len, fragment, payload));
        let place = (at.src_mac, at.dst_mac, at.vlan);
        let numbered = head.id != 0 || fragment.is_some();
        self.recent.is_double(hash, place, numbered, time, &self.config)
    }
}

/// The usual frame at a glance: Ethernet, at most one VLAN tag, IPv4 without options and not fragmented, TCP. Says
/// exactly what the walk through the layers says, or nothing.
#[inline]
fn usual<'a>(data: &'a [u8], stats: &mut LinkStats) -> Option<Datagram<'a>> {
    const TYPE_IPV4: [u8; 2] = ethertype::IPV4.to_be_bytes();
    const TYPE_VLAN: [u8; 2] = ethertype::VLAN.to_be_bytes();
    const HEADER: usize = 20;
    let (link, rest) = data.split_first_chunk::<ETHERNET_HEADER>()?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, kind @ ..] = *link;
    let (tag, rest) = match kind {
        TYPE_IPV4 => (None, rest),
        TYPE_VLAN => match rest.split_first_chunk::<VLAN_TAG>()? {
            ([x, y, 0x08, 0x00], rest) => (Some(u16::from_be_bytes([*x, *y]) & 0x0fff), rest),
            _ => return None,
        },
        _ => return None,
    };
    let header = rest.first_chunk::<HEADER>()?;
    let [0x45, _, l0, l1, i0, i1, f0, f1, ttl, ip::TCP, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *header else {
        return None;
    };
    let total = u16::from_be_bytes([l0, l1]);
    if u16::from_be_bytes([f0, f1]) & 0x3fff != 0 || usize::from(total) < HEADER {
        return None;
    }
    if ends_in_prp(data, 0) || ends_in_prp(data, FCS) {
        return None;
    }
    let cut = rest.len() < usize::from(total);
    let payload = rest.get(HEADER..usize::from(total).min(rest.len()))?;
    stats.ipv4 += 1;
    stats.datagrams_cut += u64::from(cut);
    stats.vlan_tagged += u64::from(tag.is_some());
    Some(Datagram {
        src: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        dst: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        src_mac: Some(Mac([g, h, i, j, k, l])),
        dst_mac: Some(Mac([a, b, c, d, e, f])),
        vlan: tag.filter(|id| *id != 0),
        protocol: ip::TCP,
        ttl,
        id: u16::from_be_bytes([i0, i1]),
        payload,
        cut,
        payload_len: u32::from(total) - 20,
    })
}

/// Place of a fragment in its datagram.
#[derive(Clone, Copy, Debug, Hash)]
struct Place {
    offset: usize,
    more: bool,
}

/// Whether the suffix of a PRP trailer ends so many bytes before the end.
#[inline]
fn ends_in_prp(bytes: &[u8], behind: usize) -> bool {
    bytes.len().checked_sub(behind).and_then(|end| bytes.get(..end)).and_then(<[u8]>::last_chunk::<2>)
        == Some(&ethertype::PRP_SUFFIX)
}

#[inline]
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
