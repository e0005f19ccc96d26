//! A crowd: many hosts that scan, and many flows of all protocols that stay open. For the memory test.

use crate::frames::{End, Pcap, flags, tcp};
use crate::plant::{dnp3, s7};
use std::io::{self, Write};
use std::net::Ipv4Addr;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Hosts, each of which sends a SYN to three addresses.
    pub hosts: u32,
    /// Connections that are opened, carry data in both directions and are never closed: Modbus, DNP3 and S7comm in turn.
    pub flows: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { hosts: 1_000_000, flows: 200_000 }
    }
}

/// Writes the capture and returns how many packets it holds.
///
/// # Errors
/// As the writer's.
pub fn write(plan: Plan, out: impl Write) -> io::Result<u64> {
    let mut pcap = Pcap::new(out)?;
    let mut micros = 1_700_000_000_000_000_u64;
    let mut ip_id = 0_u16;
    for flow in 0..plan.flows {
        let [_, a, b, c] = flow.to_be_bytes();
        let client = End { mac: [2, 0, 0, a, b, c], ip: Ipv4Addr::new(10, 64 + a, b, c), port: 49_152 };
        let (port, said) = match flow % 3 {
            0 => {
                let read = vec![c, b, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2];
                (502, vec![(true, read), (false, vec![c, b, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2])])
            }
            1 => (20_000, dnp3::short_exchange(10).to_vec()),
            _ => (102, s7::short_exchange().to_vec()),
        };
        let server =
            End { mac: [0x00, 0x80, 0xf4, 0, 0, 1 + c % 100], ip: Ipv4Addr::new(10, 10, 0, 1 + c % 100), port };
        let mut seq = [101, 501];
        let mut packets = vec![
            (true, flags::SYN, 100, 0, Vec::new()),
            (false, flags::SYN | flags::ACK, 500, 101, Vec::new()),
            (true, flags::ACK, 101, 501, Vec::new()),
        ];
        for (from_client, payload) in said {
            let [mine, theirs] = if from_client { [0, 1] } else { [1, 0] };
            let length = u32::try_from(payload.len()).unwrap_or(0);
            packets.push((from_client, flags::ACK | flags::PSH, seq[mine], seq[theirs], payload));
            seq[mine] += length;
        }
        for (from_client, set, seq, ack, payload) in packets {
            ip_id = ip_id.wrapping_add(1);
            let (from, to) = if from_client { (client, server) } else { (server, client) };
            pcap.frame(micros, &tcp(from, to, ip_id, seq, ack, set, &payload))?;
            micros += 20;
        }
    }
    for host in 0..plan.hosts {
        let [_, a, b, c] = host.to_be_bytes();
        let client = End { mac: [6, 0, 0, a, b, c], ip: Ipv4Addr::new(10, 128 + a, b, c), port: 50_000 };
        for target in 0..3_u8 {
            ip_id = ip_id.wrapping_add(1);
            let server = End {
                mac: [0x00, 0x80, 0xf4, 0, 1, target],
                ip: Ipv4Addr::new(10, 10, 1, c.wrapping_add(target)),
                port: 502,
            };
            pcap.frame(micros, &tcp(client, server, ip_id, host, 0, flags::SYN, &[]))?;
            micros += 10;
        }
    }
    pcap.finish()
}
