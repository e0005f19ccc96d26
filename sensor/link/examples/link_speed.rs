//! Nanoseconds a frame: `cargo run --release -p ot-link --example link_speed`.

use std::time::Instant;

use ot_capture::{LinkType, Packet};
use ot_link::{Decoded, Decoder, LinkConfig};
use ot_protocol::{FrameRef, PacketInfo, Timestamp};

/// Ethernet, IPv4 and `protocol`, 64 bytes behind the IP header.
fn frame(tags: &[u8], protocol: u8) -> Vec<u8> {
    let mut frame = vec![0x00, 0x80, 0xf4, 0, 0, 0x11, 0xd4, 0xbe, 0xd9, 0, 0, 0x20];
    frame.extend(tags);
    frame.extend([8, 0, 0x45, 0, 0, 84, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 20, 0, 20, 10, 20, 0, 11]);
    frame.extend([0x11; 64]);
    frame
}

fn main() {
    for (name, frame) in [
        ("Ethernet, IPv4, TCP", frame(&[], 6)),
        ("Ethernet, VLAN, IPv4, TCP", frame(&[0x81, 0, 0, 20], 6)),
        ("Ethernet, IPv4, UDP", frame(&[], 17)),
    ] {
        let mut decoder = Decoder::new(LinkConfig::default());
        let mut packet = Packet {
            info: PacketInfo { number: 0, frame: FrameRef::default(), time: Timestamp(0) },
            link: LinkType::Ethernet,
            interface: 0,
            wire_len: u32::try_from(frame.len()).unwrap_or(0),
            data: &frame,
        };
        let rounds = 20_000_000_u32;
        let mut bytes = 0;
        let start = Instant::now();
        for _ in 0..rounds {
            packet.info.time.0 += 20_000_000;
            if let Decoded::Ip(datagram) = decoder.decode(std::hint::black_box(&packet)) {
                bytes += datagram.payload.len();
            }
        }
        let nanos = start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds);
        println!("{name}: {nanos:.1} ns a frame ({bytes} bytes)");
    }
}
