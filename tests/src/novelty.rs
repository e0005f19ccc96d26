//! Traffic of a chosen novelty: as many devices, conversations and different things asked for as wanted, by the number. For
//! measuring what is new against what repeats.
//!
//! Modbus clients ask servers for registers and coils over connections that stay open. Each thing asked for is a place of
//! its own in the baseline: no two ranges of a client and a server adjoin.

use crate::frames::{End, Pcap, flags, tcp};
use std::io::{self, Write};
use std::net::Ipv4Addr;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Packets.
    pub packets: u64,
    /// Clients and servers together, at least 2. One in ten is a client.
    pub devices: u32,
    /// Connections, at least one for each server; client and server of each are another pair as long as there are any.
    pub conversations: u32,
    /// Different things asked for, over all connections together, at least one for each.
    pub keys: u32,
    /// Packets a second.
    pub rate: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { packets: 2_000_000, devices: 1_000, conversations: 1_000, keys: 10_000, rate: 20_000 }
    }
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Different things that were asked for.
    pub asked: u64,
}

/// Functions that read, each with its own address space: holding registers, input registers, coils, discrete inputs.
const FUNCTIONS: [u8; 4] = [3, 4, 1, 2];
/// From one address to the next in an address space: one lies between, so that ranges never grow together.
const STEP: u32 = 2;

/// A connection, with where client and server are in their streams.
struct Connection {
    client: End,
    server: End,
    seq: [u32; 2],
    asked: u32,
}

impl Connection {
    fn new(plan: Plan, number: u32) -> Self {
        let clients = (plan.devices / 10).max(1);
        let servers = plan.devices.saturating_sub(clients).max(1);
        let (server, turn) = (number % servers, number / servers);
        // Each further turn another client, until all pairs have had theirs.
        let client = (server + turn) % clients;
        let [_, a, b, c] = client.to_be_bytes();
        let port = 40_000 + u16::try_from(turn % 20_000).unwrap_or(0);
        let client = End { mac: [0x00, 0x14, 0x22, a, b, c], ip: Ipv4Addr::new(10, 20 + a, b, c), port };
        let [_, a, b, c] = server.to_be_bytes();
        let server = End { mac: [0x00, 0x80, 0xf4, a, b, c], ip: Ipv4Addr::new(10, 10 + a, b, c), port: 502 };
        Self { client, server, seq: [101, 501], asked: 0 }
    }

    fn segment(&mut self, from_client: bool, set: u8, payload: &[u8]) -> Vec<u8> {
        let (from, to, mine, theirs) =
            if from_client { (self.client, self.server, 0, 1) } else { (self.server, self.client, 1, 0) };
        let acknowledged = if set & flags::ACK == 0 { 0 } else { self.seq[theirs] };
        let frame = tcp(from, to, 0, self.seq[mine], acknowledged, set, payload);
        let length = u32::try_from(payload.len()).unwrap_or(0) + u32::from(set & flags::SYN != 0);
        self.seq[mine] = self.seq[mine].wrapping_add(length);
        frame
    }
}

/// Request and response of thing number `key` of a connection.
fn exchange(transaction: u32, key: u32) -> [Vec<u8>; 2] {
    let function = FUNCTIONS[(key % 4) as usize];
    let address = u16::try_from(key / 4 * STEP % 65_536).unwrap_or(0);
    let [_, _, high, low] = transaction.to_be_bytes();
    let [a, b] = address.to_be_bytes();
    let request = vec![high, low, 0, 0, 0, 6, 1, function, a, b, 0, 1];
    let response = if function > 2 {
        vec![high, low, 0, 0, 0, 5, 1, function, 2, a, b]
    } else {
        vec![high, low, 0, 0, 0, 4, 1, function, 1, 1]
    };
    [request, response]
}

/// Writes the capture.
///
/// # Errors
/// As the writer's.
pub fn write(plan: Plan, out: impl Write) -> io::Result<Counts> {
    let mut pcap = Pcap::new(out)?;
    let step = 1_000_000_000 / plan.rate.max(1);
    let mut nanos = 1_700_000_000_000_000_000_u64;
    let mut frame = |pcap: &mut Pcap<_>, frame: &[u8]| {
        nanos += step;
        pcap.frame(nanos / 1_000, frame)
    };
    let mut connections: Vec<Connection> =
        (0..plan.conversations.max(1)).map(|number| Connection::new(plan, number)).collect();
    let many = u32::try_from(connections.len()).unwrap_or(u32::MAX);
    for connection in &mut connections {
        connection.seq = [100, 500];
        for (from_client, set) in [(true, flags::SYN), (false, flags::SYN | flags::ACK), (true, flags::ACK)] {
            let segment = connection.segment(from_client, set, &[]);
            frame(&mut pcap, &segment)?;
        }
    }
    let mut counts = Counts::default();
    'all: loop {
        for (number, connection) in (0..many).zip(&mut connections) {
            if pcap.packets >= plan.packets {
                break 'all;
            }
            // The first connections have one more, where they do not come out even.
            let keys = (plan.keys / many + u32::from(number < plan.keys % many)).max(1);
            let [request, response] = exchange(connection.asked, connection.asked % keys);
            counts.asked += u64::from(connection.asked < keys);
            connection.asked += 1;
            for (from_client, data) in [(true, request), (false, response)] {
                let segment = connection.segment(from_client, flags::ACK | flags::PSH, &data);
                frame(&mut pcap, &segment)?;
            }
        }
    }
    counts.packets = pcap.finish()?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_packets_and_things_as_asked_for() {
        let plan = Plan { packets: 2_000, devices: 20, conversations: 30, keys: 300, rate: 1_000 };
        let mut bytes = Vec::new();
        let counts = write(plan, &mut bytes).unwrap();
        assert_eq!((counts.packets, counts.asked), (2_000, 300));
    }
}
