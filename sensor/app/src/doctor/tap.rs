//! Looks at the frames of a source while somebody else reads it.

use super::measures::{Casts, Checksums, InterfaceMeasures};
use ot_capture::{CaptureError, Packet, Polled, Progress, Source, Warning};
use ot_link::{Datagram, Decoded, Decoder, LinkConfig};
use ot_protocol::Mac;
use ot_store::wall_clock;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Longest frame of Ethernet without jumbo frames, with two VLAN tags.
pub const LONGEST: u32 = 1522;
/// What an IP packet of the longest kind has around it: Ethernet header and two VLAN tags.
pub const AROUND: u32 = 22;
/// Frames of an interface that are all taken apart; of those that follow one in so many.
const ALL: u64 = 100_000;
const ONE_OF: u64 = 16;
/// Interfaces told apart; frames of further ones count to the last.
const MOST: usize = 256;

/// A source that is looked at.
pub struct Tap<'a> {
    source: &'a mut dyn Source,
    /// Frames longer than this are odd, by interface; [`LONGEST`] where nothing is said.
    limits: Vec<u32>,
    live: bool,
    ports: BTreeMap<u16, Port>,
    decoder: Decoder,
}

#[derive(Default)]
struct Port {
    seen: InterfaceMeasures,
    second: i64,
    frames: u64,
    bits: u64,
}

impl<'a> Tap<'a> {
    /// Over a source; `live`: its packets are of now.
    pub fn new(source: &'a mut dyn Source, limits: Vec<u32>, live: bool) -> Self {
        // Doubles are looked at like all others.
        let config = LinkConfig { duplicate_window: 0, redundancy_window: 0, ..LinkConfig::default() };
        Self { source, limits, live, ports: BTreeMap::new(), decoder: Decoder::new(config) }
    }

    /// What was seen, by number of the interface, with the names that the source gives.
    pub fn finish(mut self) -> BTreeMap<u16, InterfaceMeasures> {
        for port in self.ports.values_mut() {
            port.second_ends();
        }
        let source = self.source;
        let named = self.ports.into_iter().map(|(number, mut port)| {
            port.seen.name = source.interface_name(number).unwrap_or_default().to_owned();
            (number, port.seen)
        });
        named.collect()
    }
}

impl Port {
    fn second_ends(&mut self) {
        let seen = &mut self.seen;
        seen.peak_frames = seen.peak_frames.max(std::mem::take(&mut self.frames));
        seen.peak_bits = seen.peak_bits.max(std::mem::take(&mut self.bits));
    }
}

/// Counts a packet.
fn look(ports: &mut BTreeMap<u16, Port>, decoder: &mut Decoder, limits: &[u32], live: bool, packet: &Packet<'_>) {
    let mut number = packet.interface;
    if ports.len() >= MOST && !ports.contains_key(&number) {
        number = ports.keys().next_back().copied().unwrap_or(number);
    }
    let port = ports.entry(number).or_insert_with(|| {
        let mut port = Port::default();
        port.seen.longest_usual = limits.get(usize::from(number)).copied().unwrap_or(LONGEST);
        port
    });
    let second = packet.info.time.epoch();
    if second != port.second {
        port.second_ends();
        port.second = second;
        if live {
            port.seen.skew = port.seen.skew.max(wall_clock().since(packet.info.time).saturating_abs());
        }
    }
    port.frames += 1;
    port.bits += u64::from(packet.wire_len) * 8;
    let seen = &mut port.seen;
    seen.frames += 1;
    seen.bytes += u64::from(packet.wire_len);
    seen.longest = seen.longest.max(packet.wire_len);
    seen.oversize += u64::from(packet.wire_len > seen.longest_usual);
    seen.cut += u64::from(usize::try_from(packet.wire_len).is_ok_and(|length| length > packet.data.len()));
    if seen.frames <= ALL || seen.frames.is_multiple_of(ONE_OF) {
        take_apart(seen, &decoder.decode(packet));
    }
}

fn take_apart(seen: &mut InterfaceMeasures, decoded: &Decoded<'_>) {
    match decoded {
        Decoded::Ip(datagram) => {
            cast(&mut seen.casts, datagram.dst_mac);
            checksum(&mut seen.checksums, datagram);
        }
        Decoded::Arp(arp) => cast(&mut seen.casts, arp.dst_mac),
        Decoded::Ethernet(frame) => cast(&mut seen.casts, frame.dst),
        Decoded::FragmentHeld | Decoded::FragmentConflict(_) | Decoded::Duplicate | Decoded::Skipped(_) => {}
    }
}

/// To whom a frame goes (IEEE 802, 8.2.2: the lowest bit of the first byte).
fn cast(casts: &mut Casts, to: Option<Mac>) {
    let Some(Mac(bytes)) = to else { return };
    let [first, ..] = bytes;
    if bytes == [0xff; 6] {
        casts.broadcast += 1;
    } else if first & 1 == 1 {
        casts.multicast += 1;
    } else {
        casts.unicast += 1;
    }
}

/// Looks at the checksum of a whole segment or datagram (RFC 1071; RFC 9293, 3.1; RFC 768).
fn checksum(sums: &mut Checksums, datagram: &Datagram<'_>) {
    let payload = datagram.payload;
    if datagram.cut || u32::try_from(payload.len()).ok() != Some(datagram.payload_len) {
        return;
    }
    let (at, least) = match datagram.protocol {
        6 => (16, 20),
        17 => (6, 8),
        _ => return,
    };
    let Some(field) = payload.get(at..at + 2).filter(|_| payload.len() >= least) else { return };
    let field = u16::from_be_bytes([field.first().copied().unwrap_or(0), field.last().copied().unwrap_or(0)]);
    let mut pseudo = u64::from(datagram.protocol) + u64::from(datagram.payload_len);
    for address in [datagram.src, datagram.dst] {
        pseudo += match address {
            IpAddr::V4(address) => words(&address.octets()),
            IpAddr::V6(address) => words(&address.octets()),
        };
    }
    // Over UDP on IPv4 it may be left out.
    if datagram.protocol == 17 && field == 0 {
        return;
    }
    if fold(pseudo + words(payload)) == 0xffff {
        sums.right += 1;
    } else if field == 0 || field == fold(pseudo) {
        sums.empty += 1;
    } else {
        sums.wrong += 1;
    }
}

fn words(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u64::from(u16::from_be_bytes([high, low])),
            [high] => u64::from(high) << 8,
            _ => 0,
        })
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

impl Source for Tap<'_> {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Self { source, limits, live, ports, decoder } = self;
        let found = source.next()?;
        if let Some(packet) = &found {
            look(ports, decoder, limits, *live, packet);
        }
        Ok(found)
    }

    fn poll(&mut self) -> Result<Polled<'_>, CaptureError> {
        let Self { source, limits, live, ports, decoder } = self;
        let found = source.poll()?;
        if let Polled::Packet(packet) = &found {
            look(ports, decoder, limits, *live, packet);
        }
        Ok(found)
    }

    fn progress(&self) -> Progress {
        self.source.progress()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        self.source.warnings()
    }

    fn losses(&mut self) -> Vec<(u16, u64)> {
        self.source.losses()
    }

    fn interface_name(&self, interface: u16) -> Option<&str> {
        self.source.interface_name(interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn segment(protocol: u8, field_at: usize, length: usize) -> (Datagram<'static>, Vec<u8>) {
        let mut payload: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        payload[field_at..field_at + 2].fill(0);
        let datagram = Datagram {
            src: Ipv4Addr::new(10, 0, 0, 1).into(),
            dst: Ipv4Addr::new(10, 0, 0, 2).into(),
            src_mac: None,
            dst_mac: None,
            vlan: None,
            protocol,
            ttl: 64,
            id: 1,
            payload: &[],
            cut: false,
            payload_len: u32::try_from(length).unwrap(),
        };
        (datagram, payload)
    }

    fn told(datagram: &Datagram<'_>, payload: &[u8]) -> (u64, u64, u64) {
        let mut sums = Checksums::default();
        let whole = Datagram { payload, ..*datagram };
        checksum(&mut sums, &whole);
        (sums.right, sums.empty, sums.wrong)
    }

    #[test]
    fn checksums_are_right_left_empty_or_wrong() {
        for (protocol, at, length) in [(6, 16, 33), (6, 16, 60), (17, 6, 21)] {
            let (mut datagram, mut payload) = segment(protocol, at, length);
            for v6 in [false, true] {
                if v6 {
                    datagram.src = IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 2, 3, 4, 5, 6, 7));
                    datagram.dst = IpAddr::V6(Ipv6Addr::LOCALHOST);
                }
                payload[at..at + 2].fill(0);
                let octets = |address| match address {
                    IpAddr::V4(address) => words(&address.octets()),
                    IpAddr::V6(address) => words(&address.octets()),
                };
                let pseudo = octets(datagram.src) + octets(datagram.dst) + u64::from(protocol) + length as u64;
                let right = !fold(pseudo + words(&payload));
                payload[at..at + 2].copy_from_slice(&right.to_be_bytes());
                assert_eq!(told(&datagram, &payload), (1, 0, 0));
                payload[length - 1] ^= 1;
                assert_eq!(told(&datagram, &payload), (0, 0, 1));
                payload[at..at + 2].copy_from_slice(&fold(pseudo).to_be_bytes());
                assert_eq!(told(&datagram, &payload), (0, 1, 0));
            }
        }
        let (datagram, payload) = segment(6, 16, 40);
        assert_eq!(told(&datagram, &payload), (0, 1, 0));
        assert_eq!(told(&Datagram { cut: true, ..datagram }, &payload), (0, 0, 0));
        assert_eq!(told(&datagram, &payload[..30]), (0, 0, 0), "not whole");
        let (datagram, payload) = segment(17, 6, 40);
        assert_eq!(told(&datagram, &payload), (0, 0, 0), "left out");
    }

    #[test]
    fn destinations_are_told_apart() {
        let mut casts = Casts::default();
        for mac in [[0x00, 1, 2, 3, 4, 5], [0x01, 0, 0x5e, 0, 0, 1], [0xff; 6], [0x03, 0, 0, 0, 0, 0]] {
            cast(&mut casts, Some(Mac(mac)));
        }
        cast(&mut casts, None);
        assert_eq!(casts, Casts { unicast: 1, multicast: 2, broadcast: 1 });
    }
}
