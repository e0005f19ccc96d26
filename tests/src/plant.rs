//! A plant of Modbus servers polled over long connections, made from a seed.
//!
//! Each server is polled by an HMI (three requests a second) and by a historian (one request in five seconds); the
//! HMI writes a set point now and then. A transaction is request, acknowledgement (four times in ten), response and
//! the client's pure acknowledgement.

use crate::frames::{End, Pcap, Random, flags, tcp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::net::Ipv4Addr;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed.
    pub seed: u64,
    /// At least this many packets.
    pub packets: u64,
    /// Servers, at most 50,000.
    pub servers: u32,
    /// Clients (four fifths are HMIs, the rest historians), at least 2.
    pub clients: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: 1, packets: 2_000_000, servers: 500, clients: 40 }
    }
}

struct Connection {
    client: End,
    server: End,
    client_seq: u32,
    server_seq: u32,
    client_ip_id: u16,
    server_ip_id: u16,
    transaction: u16,
    period: u64,
    polls: Vec<(u8, u16, u16)>,
    next_poll: usize,
    level: u16,
    open: bool,
}

/// Writes the capture and returns how many packets it holds.
///
/// # Errors
/// As the writer's.
pub fn write(plan: Plan, out: impl Write) -> io::Result<u64> {
    let mut random = Random::new(plan.seed);
    let mut pcap = Pcap::new(out)?;
    let mut connections = connections(plan, &mut random);
    let mut queue: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let start = 1_700_000_000_000_000_u64;
    for at in 0..connections.len() {
        queue.push(Reverse((start + random.below(1_000_000), at)));
    }
    // Packets of overlapping transactions interleave: they wait here until their time comes.
    let mut waiting: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut order = 0_u64;
    while let Some(Reverse((time, at))) = queue.pop() {
        while let Some(Reverse((due, _, _))) = waiting.peek() {
            if *due > time {
                break;
            }
            if let Some(Reverse((due, _, frame))) = waiting.pop() {
                pcap.frame(due, &frame)?;
            }
        }
        if pcap.packets >= plan.packets {
            break;
        }
        let Some(connection) = connections.get_mut(at) else { break };
        let mut send = |due: u64, frame: Vec<u8>| {
            order += 1;
            waiting.push(Reverse((due, order, frame)));
        };
        transaction(connection, time, &mut random, &mut send);
        let jitter = random.below(4_000);
        queue.push(Reverse((time + connection.period + jitter - 2_000, at)));
    }
    while let Some(Reverse((due, _, frame))) = waiting.pop() {
        pcap.frame(due, &frame)?;
    }
    pcap.finish()
}

fn connections(plan: Plan, random: &mut Random) -> Vec<Connection> {
    let clients = plan.clients.max(2);
    let historians = (clients / 5).max(1);
    let hmis = clients - historians;
    let mut list = Vec::new();
    for server in 0..plan.servers {
        let [_, _, high, low] = (server + 1).to_be_bytes();
        let server_end = End { mac: [0x00, 0x80, 0xf4, 1, high, low], ip: Ipv4Addr::new(10, 10, high, low), port: 502 };
        let first = u16::try_from(random.below(20) * 100).unwrap_or(0);
        let polls = vec![(3, first, 20), (4, first, 10), (1, 0, 32)];
        for (number, period, polls) in [
            (server % hmis, 1_000_000 / 3, polls.clone()),
            (hmis + server % historians, 5_000_000, vec![(3, first, 40)]),
        ] {
            let low = u8::try_from(number % 250 + 1).unwrap_or(1);
            let client = End {
                mac: [0x00, 0x14, 0x22, 2, 0, low],
                ip: Ipv4Addr::new(10, 10, 200 + u8::try_from(number / 250).unwrap_or(0), low),
                port: u16::try_from(40_000 + server % 20_000).unwrap_or(40_000),
            };
            list.push(Connection {
                client,
                server: server_end,
                client_seq: u32::try_from(random.below(1 << 32)).unwrap_or(0),
                server_seq: u32::try_from(random.below(1 << 32)).unwrap_or(0),
                client_ip_id: 0,
                server_ip_id: 0,
                transaction: 0,
                period,
                polls,
                next_poll: 0,
                level: u16::try_from(random.below(1_000)).unwrap_or(0),
                open: false,
            });
        }
    }
    list
}

fn transaction(connection: &mut Connection, time: u64, random: &mut Random, send: &mut dyn FnMut(u64, Vec<u8>)) {
    let mut now = time;
    if !connection.open {
        connection.open = true;
        send(now, connection.client_frame(flags::SYN, &[]));
        connection.client_seq = connection.client_seq.wrapping_add(1);
        now += 200;
        send(now, connection.server_frame(flags::SYN | flags::ACK, &[]));
        connection.server_seq = connection.server_seq.wrapping_add(1);
        now += 50;
        send(now, connection.client_frame(flags::ACK, &[]));
        now += 50;
    }
    connection.transaction = connection.transaction.wrapping_add(1);
    let (function, address, count) = connection.polls[connection.next_poll];
    connection.next_poll = (connection.next_poll + 1) % connection.polls.len();
    let writes = connection.polls.len() > 1 && random.below(200) == 0;
    let (request, response) = if writes {
        let value = connection.level.wrapping_add(u16::try_from(random.below(10)).unwrap_or(0));
        let mut pdu = vec![6];
        pdu.extend_from_slice(&address.to_be_bytes());
        pdu.extend_from_slice(&value.to_be_bytes());
        (pdu.clone(), pdu)
    } else {
        let mut request = vec![function];
        request.extend_from_slice(&address.to_be_bytes());
        request.extend_from_slice(&count.to_be_bytes());
        let mut response = vec![function];
        if function <= 2 {
            response.push(u8::try_from(count.div_ceil(8)).unwrap_or(0));
            let bits = random.number();
            response.extend_from_slice(&bits.to_be_bytes()[..usize::from(count.div_ceil(8)).min(8)]);
        } else {
            response.push(u8::try_from(2 * count).unwrap_or(0));
            for register in 0..count {
                let noise = u16::try_from(random.below(8)).unwrap_or(0);
                response.extend_from_slice(&(connection.level.wrapping_add(7 * register) + noise).to_be_bytes());
            }
        }
        (request, response)
    };
    let request = adu(connection.transaction, &request);
    let response = adu(connection.transaction, &response);
    send(now, connection.client_frame(flags::PSH | flags::ACK, &request));
    connection.client_seq = connection.client_seq.wrapping_add(u32::try_from(request.len()).unwrap_or(0));
    now += 150 + random.below(100);
    if random.below(10) < 4 {
        send(now, connection.server_frame(flags::ACK, &[]));
    }
    now += 1_000 + random.below(8_000);
    send(now, connection.server_frame(flags::PSH | flags::ACK, &response));
    connection.server_seq = connection.server_seq.wrapping_add(u32::try_from(response.len()).unwrap_or(0));
    now += 40 + random.below(40);
    send(now, connection.client_frame(flags::ACK, &[]));
}

fn adu(transaction: u16, pdu: &[u8]) -> Vec<u8> {
    let mut adu = Vec::with_capacity(7 + pdu.len());
    adu.extend_from_slice(&transaction.to_be_bytes());
    adu.extend_from_slice(&[0, 0]);
    adu.extend_from_slice(&u16::try_from(pdu.len() + 1).unwrap_or(0).to_be_bytes());
    adu.push(1);
    adu.extend_from_slice(pdu);
    adu
}

impl Connection {
    fn client_frame(&mut self, set: u8, payload: &[u8]) -> Vec<u8> {
        self.client_ip_id = self.client_ip_id.wrapping_add(1);
        let ack = if set & flags::SYN != 0 { 0 } else { self.server_seq };
        tcp(self.client, self.server, self.client_ip_id, self.client_seq, ack, set, payload)
    }

    fn server_frame(&mut self, set: u8, payload: &[u8]) -> Vec<u8> {
        self.server_ip_id = self.server_ip_id.wrapping_add(1);
        tcp(self.server, self.client, self.server_ip_id, self.server_seq, self.client_seq, set, payload)
    }
}
