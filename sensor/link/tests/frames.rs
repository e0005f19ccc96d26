//! Every encapsulation on literal bytes, and hostile bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ot_capture::{CaptureSet, LinkType, Packet, Source};
use ot_link::{Decoded, Decoder, LinkConfig};
use ot_protocol::{FrameRef, Mac, PacketInfo, Timestamp};
use proptest::prelude::*;

const CLIENT: Mac = Mac([0xd4, 0xbe, 0xd9, 0, 0, 0x20]);
const SERVER: Mac = Mac([0x00, 0x80, 0xf4, 0, 0, 0x11]);

fn packet(link: LinkType, data: &[u8], nanos: i64) -> Packet<'_> {
    let info = PacketInfo { number: 1, frame: FrameRef::default(), time: Timestamp(nanos) };
    Packet { info, link, interface: 0, wire_len: u32::try_from(data.len()).unwrap(), data }
}

/// A decoder that tells by a short line what each frame is.
struct Bench {
    decoder: Decoder,
    nanos: i64,
}

impl Bench {
    fn new() -> Self {
        Self { decoder: Decoder::new(LinkConfig::default()), nanos: 0 }
    }

    /// A frame, a second after the last.
    fn see(&mut self, link: LinkType, data: &[u8]) -> String {
        self.see_after(1_000_000_000, link, data)
    }

    fn see_after(&mut self, nanos: i64, link: LinkType, data: &[u8]) -> String {
        self.nanos += nanos;
        tell(&self.decoder.decode(&packet(link, data, self.nanos)))
    }

    fn count(&self, name: &str) -> u64 {
        self.decoder.stats().iter().find(|counter| counter.0 == name).unwrap().1
    }
}

fn tell(decoded: &Decoded<'_>) -> String {
    let mac = |mac: Option<Mac>| {
        mac.map_or("-".to_owned(), |mac| {
            if mac == CLIENT {
                "C".into()
            } else if mac == SERVER {
                "S".into()
            } else {
                mac.to_string()
            }
        })
    };
    let vlan = |vlan: Option<u16>| vlan.map_or("-".to_owned(), |id| id.to_string());
    match decoded {
        Decoded::Ip(d) => format!(
            "{} {} {} {}>{} {} {}{}{}",
            mac(d.src_mac),
            mac(d.dst_mac),
            vlan(d.vlan),
            d.src,
            d.dst,
            d.protocol,
            String::from_utf8_lossy(d.payload),
            if d.cut { " cut of " } else { "" },
            if d.cut { d.payload_len.to_string() } else { String::new() },
        ),
        Decoded::Ethernet(e) => {
            format!("{} {} {} {:04x} {:?}", mac(e.src), mac(e.dst), vlan(e.vlan), e.ethertype, e.payload)
        }
        Decoded::FragmentConflict(c) => format!(
            "conflict at {} length {}: {} then {} {}",
            c.offset,
            c.length,
            String::from_utf8_lossy(c.first.as_slice()),
            String::from_utf8_lossy(c.later.as_slice()),
            c.datagram.map_or(String::new(), |d| tell(&Decoded::Ip(d))),
        ),
        other => format!("{other:?}"),
    }
}

/// What a plain frame from client to server gives.
const PLAIN: &str = "C S - 10.20.0.20>10.20.0.11 6 hello";

fn ipv4_with(id: u16, fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let (id, fragment) = (id.to_be_bytes(), fragment.to_be_bytes());
    let mut bytes = vec![0x45, 0, total[0], total[1], id[0], id[1], fragment[0], fragment[1], 64, protocol, 0, 0];
    bytes.extend([10, 20, 0, 20, 10, 20, 0, 11]);
    bytes.extend(payload);
    bytes
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(7, 0x4000, protocol, payload)
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, len[0], len[1], next, 64];
    bytes.extend([0xfd, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20]);
    bytes.extend([0xfd, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11]);
    bytes.extend(payload);
    bytes
}

fn ether(kind: &[u8], payload: &[u8]) -> Vec<u8> {
    [&SERVER.0[..], &CLIENT.0, kind, payload].concat()
}

fn plain() -> Vec<u8> {
    ether(&[8, 0], &ipv4(6, b"hello"))
}

/// Carried in IP between two other hosts and MACs.
fn carried(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut outer = ipv4(protocol, payload);
    outer[15] = 99;
    outer[19] = 98;
    [&[2; 6][..], &[4; 6], &[0x81, 0, 0, 9, 8, 0], &outer].concat()
}

#[test]
fn link_types() {
    let mut bench = Bench::new();
    let cases: [(LinkType, &[u8], &str); 11] = [
        (LinkType::Ethernet, &SERVER.0, "C S -"),
        (LinkType::LinuxCooked1, &[0, 0, 0, 1, 0, 6, 0xd4, 0xbe, 0xd9, 0, 0, 0x20, 0, 0, 8, 0], "C - -"),
        (LinkType::LinuxCooked1, &[0, 0, 0, 1, 0, 6, 0xd4, 0xbe, 0xd9, 0, 0, 0x20, 0, 0, 0x81, 0, 0, 5, 8, 0], "C - 5"),
        (LinkType::LinuxCooked2, &[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 0xd4, 0xbe, 0xd9, 0, 0, 0x20, 0, 0], "C - -"),
        (LinkType::RawIp, &[], "- - -"),
        (LinkType::Ipv4, &[], "- - -"),
        (LinkType::BsdLoopback, &[2, 0, 0, 0], "- - -"),
        (LinkType::BsdLoopback, &[0, 0, 0, 2], "- - -"),
        (LinkType::BsdLoopback, &[30, 0, 0, 0], "- - -"),
        (LinkType::BsdLoopback, &[0, 0, 0, 24], "- - -"),
        (LinkType::LinuxCooked1, &[0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0], "- - -"),
    ];
    for (link, head, place) in cases {
        let head = if link == LinkType::Ethernet { ether(&[8, 0], &[]) } else { head.to_vec() };
        let frame = [head, ipv4(6, b"hello")].concat();
        assert_eq!(bench.see(link, &frame), format!("{place} 10.20.0.20>10.20.0.11 6 hello"), "{link:?}");
    }
    assert_eq!(bench.see(LinkType::Ipv6, &ipv6(6, b"hello")), "- - - fd20::20>fd20::11 6 hello");
    assert!(bench.see(LinkType::Other(147), b"x").starts_with("Skipped"));
    assert_eq!((bench.count("frames"), bench.count("ipv4"), bench.count("skipped_link_type")), (13, 11, 1));
}

#[test]
fn tags() {
    let mut bench = Bench::new();
    let inner = ipv4(6, b"hello");
    for (tags, vlan) in [
        (&[0x81, 0, 0, 20, 8, 0][..], "20"),
        (&[0x81, 0, 0xe0, 20, 8, 0], "20"),
        (&[0x81, 0, 0xe0, 0, 8, 0], "-"),
        (&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 20, 8, 0], "20"),
        (&[0x91, 0, 0, 5, 0x81, 0, 0, 20, 8, 0], "20"),
        (&[0x81, 0, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 20, 8, 0], "20"),
        (&[0x81, 0, 0, 5, 0x81, 0, 0, 0, 8, 0], "5"),
        // Length field with LLC and SNAP.
        (&[0, 33, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], "-"),
        (&[0x81, 0, 0, 20, 0, 33, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], "20"),
    ] {
        let seen = bench.see(LinkType::Ethernet, &ether(tags, &inner));
        assert_eq!(seen, format!("C S {vlan} 10.20.0.20>10.20.0.11 6 hello"), "{tags:x?}");
    }
    assert_eq!((bench.count("vlan_tagged"), bench.count("vlan_stacked")), (8, 4));
    let spanning_tree = ether(&[0, 3], &[0x42, 0x42, 3, 0, 0, 0, 0]);
    assert_eq!(bench.see(LinkType::Ethernet, &spanning_tree), "C S - 0003 [66, 66, 3]");
    assert_eq!(bench.see(LinkType::Ethernet, &ether(&[0x88, 0xcc], &[1, 2])), "C S - 88cc [1, 2]");
    assert_eq!(bench.see(LinkType::Ethernet, &ether(&[0x81, 0, 0, 9, 0x88, 0x92], &[1])), "C S 9 8892 [1]");
}

#[test]
fn tunnels() {
    let mut bench = Bench::new();
    let (bare, frame) = (ipv4(6, b"hello"), plain());
    let ip_only = "04:04:04:04:04:04 02:02:02:02:02:02 9 10.20.0.20>10.20.0.11 6 hello";
    let join = |head: &[u8], inner: &[u8]| [head, inner].concat();
    let vxlan = [&[0xc3, 0x50, 0x12, 0xb5, 0, 67, 0, 0, 8, 0, 0, 0, 0, 0, 42, 0][..], &frame].concat();
    let erspan = |kind: [u8; 2], head: &[u8]| [&[0x10, 0][..], &kind, &[0, 0, 0, 1], head, &frame].concat();
    for (name, data, expected) in [
        ("GRE", carried(47, &join(&[0, 0, 8, 0], &bare)), ip_only),
        (
            "GRE with all fields",
            carried(47, &join(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &bare)),
            ip_only,
        ),
        ("GRE bridged", carried(47, &join(&[0, 0, 0x65, 0x58], &frame)), PLAIN),
        ("ERSPAN I", carried(47, &join(&[0, 0, 0x88, 0xbe], &frame)), PLAIN),
        ("ERSPAN II", carried(47, &erspan([0x88, 0xbe], &[0x10, 20, 0, 5, 0, 0, 0, 3])), PLAIN),
        ("ERSPAN III", carried(47, &erspan([0x22, 0xeb], &[0x20, 20, 0, 5, 0, 0, 0, 1, 0, 0, 0x80, 4])), PLAIN),
        (
            "ERSPAN III with sub-header",
            carried(47, &erspan([0x22, 0xeb], &[0x20, 20, 0, 5, 0, 0, 0, 1, 0, 0, 0x80, 5, 4, 0, 0, 7, 0, 0, 0, 0])),
            PLAIN,
        ),
        ("VXLAN", carried(17, &vxlan), PLAIN),
        ("IP in IP", carried(4, &bare), ip_only),
        ("Ethernet in IP", carried(97, &join(&[0x30, 0], &frame)), PLAIN),
        ("MPLS", ether(&[0x88, 0x47], &join(&[3, 0xe8, 0x10, 64, 0, 1, 0x21, 64], &bare)), PLAIN),
        ("MPLS pseudowire", [&[2; 6][..], &[4; 6], &[0x88, 0x47, 0, 1, 0x11, 64, 0, 0, 0, 0], &frame].concat(), PLAIN),
        ("MPLS, no control word", [&[2; 6][..], &[4; 6], &[0x88, 0x47, 0, 1, 0x11, 64], &frame].concat(), PLAIN),
        ("PPPoE", ether(&[0x88, 0x64], &join(&[0x11, 0, 0, 1, 0, 27, 0, 0x21], &bare)), PLAIN),
        ("HSR", ether(&[0x89, 0x2f], &join(&[0, 31, 0, 1, 8, 0], &bare)), PLAIN),
    ] {
        assert_eq!(bench.see(LinkType::Ethernet, &data), expected, "{name}");
    }
    for (name, count) in
        [("gre", 3), ("erspan", 4), ("vxlan", 1), ("ip_in_ip", 1), ("mpls", 3), ("hsr", 1), ("pppoe", 1)]
    {
        assert_eq!(bench.count(name), count, "{name}");
    }
    // Of a kind that is not known: the outer datagram is delivered.
    let pptp = carried(47, &[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0]);
    assert!(bench.see(LinkType::Ethernet, &pptp).contains(" 9 10.20.0.99>10.20.0.98 47 "));
    assert_eq!(bench.count("tunnels_unknown"), 1);
}

#[test]
fn tunnels_have_a_bounded_depth() {
    let mut bench = Bench::new();
    let nest = |times| (0..times).fold(ipv4(6, b"hello"), |inner, _| ipv4(4, &inner));
    assert!(bench.see(LinkType::RawIp, &nest(8)).ends_with("hello"));
    assert!(bench.see(LinkType::RawIp, &nest(9)).starts_with("Skipped"));
    assert_eq!(bench.count("skipped_depth"), 1);
}

#[test]
fn lengths() {
    let mut bench = Bench::new();
    let padded = [plain(), b"\0padding".to_vec()].concat();
    assert_eq!(bench.see(LinkType::Ethernet, &padded), PLAIN);
    let cut = plain();
    assert_eq!(bench.see(LinkType::Ethernet, &cut[..cut.len() - 2]), "C S - 10.20.0.20>10.20.0.11 6 hel cut of 5");
    let mut offload = plain();
    offload[16..18].fill(0);
    assert_eq!(bench.see(LinkType::Ethernet, &offload), PLAIN);
    let mut options = ipv4(6, b"\x01\x01\x01\x01hello");
    options[0] = 0x46;
    assert_eq!(bench.see(LinkType::Ethernet, &ether(&[8, 0], &options)), PLAIN);
    for (at, value) in [(0, 0x44), (0, 0x95), (3, 19)] {
        let mut bad = ipv4(6, b"hello");
        bad[at] = value;
        assert!(bench.see(LinkType::RawIp, &bad).starts_with("Skipped"), "{at} {value}");
    }
    assert_eq!((bench.count("skipped_ip_header"), bench.count("datagrams_cut")), (3, 1));
}

#[test]
fn ipv6_extension_headers() {
    let mut bench = Bench::new();
    let expected = "- - - fd20::20>fd20::11 6 hello";
    for (name, next, head) in [
        ("none", 6, &[][..]),
        ("hop by hop", 0, &[6, 0, 1, 4, 0, 0, 0, 0]),
        (
            "several",
            0,
            &[60, 0, 1, 4, 0, 0, 0, 0, 43, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("authentication", 51, &[6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a fragment that is the whole", 44, &[6, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        assert_eq!(bench.see(LinkType::RawIp, &ipv6(next, &[head, b"hello"].concat())), expected, "{name}");
    }
    assert!(bench.see(LinkType::RawIp, &ipv6(0, &[6])).starts_with("Skipped"));
}

#[test]
fn address_resolution() {
    let mut bench = Bench::new();
    let message = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &CLIENT.0, &[10, 20, 0, 20], &[0; 6], &[10, 20, 0, 11]].concat();
    let frame = [&[0xff; 6][..], &CLIENT.0, &[8, 6], &message, &[0; 18]].concat();
    let time = packet(LinkType::Ethernet, &frame, 0);
    let Decoded::Arp(arp) = bench.decoder.decode(&time) else { panic!() };
    assert_eq!((arp.operation, arp.sender_mac, arp.target_mac), (1, CLIENT, Mac([0; 6])));
    assert_eq!((arp.sender_ip.octets(), arp.target_ip.octets()), ([10, 20, 0, 20], [10, 20, 0, 11]));
    assert_eq!((arp.src_mac, arp.dst_mac), (Some(CLIENT), Some(Mac([0xff; 6]))));
    assert_eq!(bench.see_after(1_000, LinkType::Ethernet, &frame), "Duplicate");
    assert!(bench.see_after(20_000_000, LinkType::Ethernet, &frame).starts_with("Arp"));
    assert!(bench.see(LinkType::Ethernet, &frame[..30]).starts_with("Skipped"));
}

fn piece(offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    ipv4_with(7, (offset / 8) | if more { 0x2000 } else { 0 }, 6, payload)
}

#[test]
fn fragments_in_any_order() {
    let text = b"abcdefghijklmnopqrstuvwxyz";
    let pieces = [piece(0, true, &text[..8]), piece(8, true, &text[8..16]), piece(16, false, &text[16..])];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1]] {
        let mut bench = Bench::new();
        assert_eq!(bench.see(LinkType::RawIp, &pieces[order[0]]), "FragmentHeld");
        assert_eq!(bench.see(LinkType::RawIp, &pieces[order[1]]), "FragmentHeld");
        let seen = bench.see(LinkType::RawIp, &pieces[order[2]]);
        assert_eq!(seen, "- - - 10.20.0.20>10.20.0.11 6 abcdefghijklmnopqrstuvwxyz");
        assert_eq!((bench.count("fragments"), bench.count("fragments_reassembled")), (3, 1));
    }
}

#[test]
fn fragments_of_ipv6_and_of_a_tunnel() {
    let mut bench = Bench::new();
    let text = b"\x06\0\x01\x04\0\0\0\0abcdefghijklm";
    let first = ipv6(44, &[&[60, 0, 0, 1, 0, 0, 0, 9][..], &text[..16]].concat());
    let last = ipv6(44, &[&[60, 0, 0, 16, 0, 0, 0, 9][..], &text[16..]].concat());
    assert_eq!(bench.see(LinkType::RawIp, &first), "FragmentHeld");
    assert_eq!(bench.see(LinkType::RawIp, &last), "- - - fd20::20>fd20::11 6 abcdefghijklm");
    // A mirrored frame that its tunnel made too long, with fragments inside.
    let inner = ether(&[8, 0], &piece(0, true, b"abcdefgh"));
    let gre = |inner: &[u8]| [&[0, 0, 0x65, 0x58][..], inner].concat();
    let outer = gre(&inner);
    let part = |range: &[u8], offset: u16, more: u16, id| ipv4_with(id, (offset / 8) | more, 47, range);
    assert_eq!(bench.see(LinkType::RawIp, &part(&outer[..16], 0, 0x2000, 1)), "FragmentHeld");
    assert_eq!(bench.see(LinkType::RawIp, &part(&outer[16..], 16, 0, 1)), "FragmentHeld");
    let outer = gre(&ether(&[8, 0], &piece(8, false, b"ij")));
    assert_eq!(bench.see(LinkType::RawIp, &part(&outer[..16], 0, 0x2000, 2)), "FragmentHeld");
    assert_eq!(bench.see(LinkType::RawIp, &part(&outer[16..], 16, 0, 2)), "C S - 10.20.0.20>10.20.0.11 6 abcdefghij");
}

#[test]
fn first_bytes_win_and_the_conflict_is_told() {
    let mut bench = Bench::new();
    bench.see(LinkType::RawIp, &piece(0, true, b"abcdefghijklmnop"));
    // The same bytes again are no conflict.
    assert_eq!(bench.see(LinkType::RawIp, &piece(8, true, b"ijklmnop")), "FragmentHeld");
    let seen = bench.see(LinkType::RawIp, &piece(8, true, b"ijkXYZopqrstuvwx"));
    assert_eq!(seen, "conflict at 11 length 5: lmnop then XYZop ");
    let seen = bench.see(LinkType::RawIp, &piece(16, false, b"QRSTUVWXyz"));
    assert_eq!(
        seen,
        "conflict at 16 length 8: qrstuvwx then QRSTUVWX - - - 10.20.0.20>10.20.0.11 6 abcdefghijklmnopqrstuvwxyz"
    );
    assert_eq!(bench.count("fragments_conflicting"), 2);
    // Two ends.
    bench.see(LinkType::RawIp, &piece(8, false, b"ijklmnop"));
    assert!(bench.see(LinkType::RawIp, &piece(8, false, b"ijklmnopqr")).starts_with("conflict at 16 length 2"));
    assert!(bench.see(LinkType::RawIp, &piece(0, true, b"abcdefgh")).ends_with("abcdefghijklmnop"));
}

#[test]
fn fragments_are_bounded() {
    let mut bench = Bench::new();
    for id in 0..1000 {
        let _ = bench.see_after(1_000, LinkType::RawIp, &ipv4_with(id, 0x2000 | 8000, 6, b"abcdefgh"));
    }
    // 64 KB each: bytes are the limit, not the number.
    assert!((900..1000).contains(&bench.count("fragments_evicted")), "{}", bench.count("fragments_evicted"));
    let held = 1000 - bench.count("fragments_evicted");
    let _ = bench.see_after(31_000_000_000, LinkType::RawIp, &piece(0, true, b"abcdefgh"));
    assert_eq!(bench.count("fragments_expired"), held);
    for offset in [65_528, 65_520] {
        let seen = bench.see(LinkType::RawIp, &piece(offset, true, &[0; 24]));
        assert_eq!(seen, r#"Skipped("IP fragment beyond the longest datagram")"#);
    }
    assert!(bench.see(LinkType::RawIp, &piece(8, true, b"odd")).starts_with("Skipped"));
    let cut = piece(0, true, b"abcdefgh");
    assert_eq!(bench.see(LinkType::RawIp, &cut[..24]), r#"Skipped("IP fragment cut")"#);
    assert_eq!(bench.count("fragments_unusable"), 4);
    for hole in 0..200_u16 {
        let _ = bench.see_after(1_000, LinkType::RawIp, &ipv4_with(9, 0x2000 | (hole * 2 + 1), 6, b"abcdefgh"));
    }
    assert!(bench.count("fragments_evicted") >= 1000 - held + 3);
}

#[test]
fn doubles_are_dropped_and_repeats_are_not() {
    let mut bench = Bench::new();
    let udp = |id| ether(&[8, 0], &ipv4_with(id, 0x4000, 17, b"\xc0\0\x01\xf6\0\x0a\0\0hi"));
    assert!(bench.see(LinkType::Ethernet, &udp(1)).ends_with("hi"));
    assert_eq!(bench.see_after(5_000, LinkType::Ethernet, &udp(1)), "Duplicate");
    // Another number: sent again by the host.
    assert!(bench.see_after(5_000, LinkType::Ethernet, &udp(2)).ends_with("hi"));
    // Too late for a mirror.
    assert!(bench.see_after(11_000_000, LinkType::Ethernet, &udp(2)).ends_with("hi"));
    // Behind a router: another TTL, checksum and MAC.
    let mut routed = udp(2);
    (routed[22], routed[24], routed[0]) = (63, 9, 6);
    assert_eq!(bench.see_after(9_000_000, LinkType::Ethernet, &routed), "Duplicate");
    // Without a number only what comes at once, or from another place.
    let v6 = ether(&[0x86, 0xdd], &ipv6(17, b"\xc0\0\x01\xf6\0\x0a\0\0hi"));
    let tagged = ether(&[0x81, 0, 0, 20, 0x86, 0xdd], &ipv6(17, b"\xc0\0\x01\xf6\0\x0a\0\0hi"));
    assert!(bench.see(LinkType::Ethernet, &v6).ends_with("hi"));
    assert_eq!(bench.see_after(50_000, LinkType::Ethernet, &v6), "Duplicate");
    assert!(bench.see_after(200_000, LinkType::Ethernet, &v6).ends_with("hi"));
    assert_eq!(bench.see_after(5_000_000, LinkType::Ethernet, &tagged), "Duplicate");
    assert!(bench.see(LinkType::Ethernet, &udp(0)).ends_with("hi"));
    assert!(bench.see_after(1_000_000, LinkType::Ethernet, &udp(0)).ends_with("hi"));
    // TCP is the flow's business.
    assert_eq!(bench.see(LinkType::Ethernet, &plain()), PLAIN);
    assert_eq!(bench.see_after(1_000, LinkType::Ethernet, &plain()), PLAIN);
    assert_eq!(bench.count("duplicates"), 4);
}

#[test]
fn twins_of_redundant_networks_are_dropped() {
    let mut bench = Bench::new();
    let prp = |sequence: u8, lan: u8| {
        let frame = plain();
        let size = u8::try_from(frame.len() - 14 + 6).unwrap();
        [frame, vec![0, sequence, lan, size, 0x88, 0xfb]].concat()
    };
    assert_eq!(bench.see(LinkType::Ethernet, &prp(1, 0xa0)), PLAIN);
    assert_eq!(bench.see_after(1_000, LinkType::Ethernet, &prp(1, 0xb0)), "Duplicate");
    assert_eq!(bench.see_after(1_000, LinkType::Ethernet, &prp(2, 0xb0)), PLAIN);
    assert_eq!(bench.see_after(500_000_000, LinkType::Ethernet, &prp(2, 0xa0)), PLAIN);
    // No trailer: the size does not fit.
    let mut other = prp(3, 0xa0);
    let at = other.len() - 3;
    other[at] += 1;
    assert_eq!(bench.see(LinkType::Ethernet, &other), PLAIN);
    assert_eq!((bench.count("prp"), bench.count("duplicates_redundancy")), (4, 1));
    // Other protocols lose the trailer.
    let goose = ether(&[0x88, 0xb8], &[1, 2, 0, 9, 0xa0, 8, 0x88, 0xfb]);
    assert_eq!(bench.see(LinkType::Ethernet, &goose), "C S - 88b8 [1, 2]");
    let hsr = |path: u8, sequence: u8| {
        ether(&[0x89, 0x2f], &[&[path, 31, 0, sequence, 8, 0][..], &ipv4(6, b"hello")].concat())
    };
    assert_eq!(bench.see(LinkType::Ethernet, &hsr(0, 1)), PLAIN);
    assert_eq!(bench.see_after(1_000, LinkType::Ethernet, &hsr(0x10, 1)), "Duplicate");
    assert_eq!(bench.see_after(1_000, LinkType::Ethernet, &hsr(0x10, 2)), PLAIN);
}

#[test]
fn a_forged_trailer_hides_nothing() {
    let mut bench = Bench::new();
    // The bytes belong to the datagram, though they look like a trailer.
    let frame = ether(&[8, 0], &ipv4(6, b"hello\0\x01\xa0\x1f\x88\xfb"));
    let Decoded::Ip(datagram) = bench.decoder.decode(&packet(LinkType::Ethernet, &frame, 0)) else { panic!() };
    assert_eq!((datagram.payload.len(), datagram.cut), (11, false));
}

#[test]
fn counters_add_up() {
    let mut bench = Bench::new();
    bench.see(LinkType::Ethernet, &plain());
    let mut sum = *bench.decoder.stats();
    sum += *bench.decoder.stats();
    assert_eq!((sum.frames, sum.ipv4), (2, 2));
    assert!(sum.iter().any(|counter| counter == ("bytes", 2 * u64::try_from(plain().len()).unwrap())));
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn every_fixture_leads_to_its_hosts() {
    let mut cases = 0;
    for folder in std::fs::read_dir(root("fixtures/formats")).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(folder.join("expected.toml")).unwrap();
        let expected: toml::Table = text.parse().unwrap();
        let mut set = CaptureSet::open(&[folder.join(expected["file"].as_str().unwrap())]).unwrap();
        let mut decoder = Decoder::new(LinkConfig::default());
        let mut datagrams = 0_u64;
        while let Some(packet) = set.next().unwrap() {
            match decoder.decode(&packet) {
                Decoded::Ip(datagram) => {
                    datagrams += 1;
                    for host in [datagram.src, datagram.dst] {
                        let known = match host {
                            IpAddr::V4(ip) => ip.octets()[..3] == [10, 20, 0],
                            IpAddr::V6(ip) => ip.segments()[0] == 0xfd20,
                        };
                        assert!(known, "{}: {host}", folder.display());
                    }
                }
                Decoded::FragmentHeld | Decoded::Duplicate => {}
                other => panic!("{}: {other:?}", folder.display()),
            }
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let stats = decoder.stats();
        if name.starts_with("prp-both") || name.starts_with("hsr-both") {
            assert_eq!((datagrams, stats.duplicates_redundancy), (14, 14), "{name}");
        } else {
            assert_eq!(stats.duplicates_redundancy, 0, "{name}");
        }
        cases += 1;
    }
    assert!(cases > 70, "only {cases} fixtures");
}

/// With `OT_SENSOR_CORPUS` naming a folder of captures: every frame ends in something, and few are skipped.
#[test]
fn the_corpus_is_decoded() {
    let Some(corpus) = std::env::var_os("OT_SENSOR_CORPUS").map(PathBuf::from) else { return };
    let table = std::fs::read_to_string(corpus.join("INVENTORY.csv")).unwrap();
    let mut sum = ot_link::LinkStats::default();
    for line in table.lines().skip(1) {
        let Some(name) = line.split(',').next() else { continue };
        let mut set = CaptureSet::open(&[corpus.join(name)]).unwrap();
        let mut decoder = Decoder::new(LinkConfig::default());
        while let Some(packet) = set.next().unwrap() {
            if let Decoded::Skipped(why) = decoder.decode(&packet) {
                println!("{name} {}: {why}", packet.info.frame.number());
            }
        }
        sum += *decoder.stats();
    }
    for (name, value) in sum.iter().filter(|counter| counter.1 > 0) {
        println!("{name} {value}");
    }
    assert!(sum.frames > 0);
}

/// The walk without the shortcut for usual frames: a second tag with id 0 leads around it and changes nothing.
fn around(frame: &[u8]) -> Vec<u8> {
    let (macs, rest) = frame.split_at(12);
    if rest.starts_with(&[0x81, 0]) {
        [macs, &rest[..4], &[0x81, 0, 0, 0], &rest[4..]].concat()
    } else {
        [macs, &[0x88, 0xa8, 0, 0], rest].concat()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_shortcut_says_what_the_walk_says(
        tag: Option<u16>, id: u16, fragment in prop::sample::select(vec![0_u16, 0x4000, 0x2000, 5]), ihl in 4..8_u8,
        total in prop::option::of(0..60_u16), payload in prop::collection::vec(any::<u8>(), 0..40), keep in 0..90_usize,
    ) {
        let mut ip = ipv4_with(id, fragment, 6, &payload);
        ip[0] = 0x40 | ihl;
        if let Some(total) = total {
            ip[2..4].copy_from_slice(&total.to_be_bytes());
        }
        let kind = tag.map_or(vec![8, 0], |tag| [&[0x81, 0][..], &tag.to_be_bytes(), &[8, 0]].concat());
        let mut frame = ether(&kind, &ip);
        frame.truncate(keep.max(18));
        let (mut first, mut second) = (Bench::new(), Bench::new());
        let (short, long) = (first.see(LinkType::Ethernet, &frame), second.see(LinkType::Ethernet, &around(&frame)));
        prop_assert_eq!(short, long);
    }

    #[test]
    fn hostile_bytes_never_panic(frames in prop::collection::vec((0..8_usize, prop::collection::vec(any::<u8>(), 0..120), 0..50_u32), 1..8)) {
        let links = [LinkType::Ethernet, LinkType::LinuxCooked1, LinkType::LinuxCooked2, LinkType::RawIp, LinkType::Ipv4,
            LinkType::Ipv6, LinkType::BsdLoopback, LinkType::Other(3)];
        let mut decoder = Decoder::new(LinkConfig::default());
        for (link, data, more) in &frames {
            let mut packet = packet(links[*link], data, 0);
            packet.wire_len += more;
            let _ = decoder.decode(&packet);
        }
    }

    #[test]
    fn damaged_frames_never_panic(which in 0..12_usize, at in 0..120_usize, value: u8, keep in 0..160_usize) {
        let frame = plain();
        let frames = [
            carried(47, &[&[0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1][..], &frame].concat()),
            carried(47, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 20, 0, 5, 0, 0, 0, 3][..], &frame].concat()),
            carried(47, &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 20, 0, 5, 0, 0, 0, 1, 0, 0, 0x80, 5, 4, 0, 0, 7, 0, 0, 0, 0][..], &frame].concat()),
            carried(17, &[&[0xc3, 0x50, 0x12, 0xb5, 0, 67, 0, 0, 8, 0, 0, 0, 0, 0, 42, 0][..], &frame].concat()),
            carried(4, &ipv6(0, &[6, 0, 1, 4, 0, 0, 0, 0, 1])),
            ether(&[0x86, 0xdd], &ipv6(0, &[44, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 1, 0, 0, 0, 9, 6, 0, 0, 0, 0, 0, 0, 0])),
            ether(&[0x88, 0x47], &[&[3, 0xe8, 0x10, 64, 0, 1, 0x21, 64][..], &ipv4(6, b"hello")].concat()),
            ether(&[0x88, 0x47], &[&[0, 1, 0x11, 64, 0, 0, 0, 0][..], &frame].concat()),
            ether(&[0x89, 0x2f], &[&[0, 31, 0, 1, 8, 0][..], &ipv4(6, b"hello")].concat()),
            ether(&[8, 6], &[0, 1, 8, 0, 6, 4, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            ether(&[0, 40], &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &ipv4(6, b"hello")].concat()),
            [frame.clone(), vec![0, 1, 0xa0, 31, 0x88, 0xfb]].concat(),
        ];
        let mut data = frames[which].clone();
        let len = data.len();
        data[at % len] = value;
        data.truncate(keep.min(len));
        let mut decoder = Decoder::new(LinkConfig::default());
        let _ = decoder.decode(&packet(LinkType::Ethernet, &data, 0));
        let _ = decoder.decode(&packet(LinkType::Ethernet, &data, 20_000_000));
    }

    /// However a datagram is cut into overlapping fragments in any order, its own bytes come out and no conflict.
    #[test]
    fn fragments_give_the_datagram_back(
        len in 9..400_usize, cuts in prop::collection::vec((0..50_usize, 1..20_usize), 0..30),
    ) {
        let payload: Vec<u8> = (0..len).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        let mut pieces: Vec<(usize, usize)> = cuts.iter().map(|(at, count)| (at * 8, (at + count) * 8)).filter(|piece| piece.1 < len).collect();
        // And all of it once more, from the end, so that it becomes whole.
        let last = (len - 1) / 8 * 8;
        pieces.extend((0..last + 1).step_by(8).rev().map(|at| (at, (at + 8).min(len))));
        let mut bench = Bench::new();
        let mut whole = 0;
        for (from, to) in pieces {
            let data = piece(u16::try_from(from).unwrap(), to < len, &payload[from..to]);
            bench.nanos += 20_000_000;
            match bench.decoder.decode(&packet(LinkType::RawIp, &data, bench.nanos)) {
                Decoded::Ip(datagram) => { prop_assert_eq!(datagram.payload, &payload[..]); whole += 1; }
                Decoded::FragmentHeld => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(whole, 1);
    }
}
