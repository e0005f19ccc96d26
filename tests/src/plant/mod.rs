//! A plant polled over long connections, made from a seed: Modbus servers, DNP3 outstations and S7 controllers.
//!
//! Every device is polled at a steady rhythm by a client that stays connected; an exchange is request, acknowledgement
//! (four times in ten), response and the client's pure acknowledgement. Seven packets in ten are Modbus, the rest is
//! half DNP3 and half S7comm.

pub(crate) mod dnp3;
mod modbus;
pub(crate) mod s7;

use crate::frames::{End, Pcap, Random, flags, tcp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, Write};
use std::net::Ipv4Addr;

/// Most bytes of a TCP segment on Ethernet without options.
const SEGMENT: usize = 1_460;
/// Time between the segments of one write, in microseconds.
const SEGMENT_GAP: u64 = 12;

/// What speaks in the plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Modbus, DNP3 and S7comm at 70, 15 and 15 percent of the packets.
    Plant,
    /// Modbus alone.
    Modbus,
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed.
    pub seed: u64,
    /// At least this many packets.
    pub packets: u64,
    /// Servers of all protocols together, at most 50,000.
    pub servers: u32,
    /// Clients of each protocol (four fifths are HMIs, the rest historians), at least 2.
    pub clients: u32,
    /// What speaks.
    pub mix: Mix,
    /// How many times as often as by default everything is polled, at most 100: with 1 an HMI asks for the same values
    /// once a second, with 10 ten times a second.
    pub pace: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: 1, packets: 2_000_000, servers: 500, clients: 40, mix: Mix::Plant, pace: 1 }
    }
}

/// Packets by protocol; those without data count where their connection belongs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Modbus.
    pub modbus: u64,
    /// DNP3.
    pub dnp3: u64,
    /// S7comm.
    pub s7: u64,
}

impl Counts {
    /// All packets.
    pub fn packets(self) -> u64 {
        self.modbus + self.dnp3 + self.s7
    }

    /// The share of a part, in tenths of a percent.
    pub fn share(self, part: u64) -> u64 {
        (part * 1_000).checked_div(self.packets()).unwrap_or(0)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} packets", self.packets())?;
        for (name, part) in [(" (Modbus", self.modbus), (", DNP3", self.dnp3), (", S7comm", self.s7)] {
            let share = self.share(part);
            write!(out, "{name} {}.{} %", share / 10, share % 10)?;
        }
        write!(out, ")")
    }
}

/// Whose packets a connection carries.
#[derive(Clone, Copy, Debug)]
enum Family {
    Modbus,
    Dnp3,
    S7,
}

/// What client and server of a connection say, again and again.
trait Dialogue {
    /// The time from one turn to the next, in microseconds.
    fn period(&self) -> u64;

    /// Sends the packets of one turn; the first turn opens the connection.
    fn turn(&mut self, line: &mut Line, random: &mut Random);
}

/// A dialogue and the line it is held on.
struct Conversation {
    family: Family,
    line: Line,
    dialogue: Box<dyn Dialogue>,
}

/// Writes the capture and returns how many packets it holds.
///
/// # Errors
/// As the writer's.
pub fn write(plan: Plan, out: impl Write) -> io::Result<Counts> {
    let mut random = Random::new(plan.seed);
    let mut pcap = Pcap::new(out)?;
    let mut counts = Counts::default();
    let mut conversations = conversations(plan, &mut random);
    let mut queue: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let start = 1_700_000_000_000_000_u64;
    let pace = u64::from(plan.pace.clamp(1, 100));
    for at in 0..conversations.len() {
        queue.push(Reverse((start + random.below(1_000_000), at)));
    }
    // Packets of overlapping turns interleave: they wait here until their time comes.
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
        let Some(Conversation { family, line, dialogue }) = conversations.get_mut(at) else { break };
        line.now = time;
        dialogue.turn(line, &mut random);
        let part = match family {
            Family::Modbus => &mut counts.modbus,
            Family::Dnp3 => &mut counts.dnp3,
            Family::S7 => &mut counts.s7,
        };
        for (due, frame) in line.sent.drain(..) {
            order += 1;
            *part += 1;
            waiting.push(Reverse((due, order, frame)));
        }
        let jitter = random.below(4_000 / pace);
        queue.push(Reverse((time + dialogue.period() / pace + jitter - 2_000 / pace, at)));
    }
    while let Some(Reverse((due, _, frame))) = waiting.pop() {
        pcap.frame(due, &frame)?;
    }
    pcap.finish()?;
    Ok(counts)
}

/// The conversations of the plan. The parts of the devices give the parts of the packets: a Modbus server makes 10.9
/// packets a second, a DNP3 outstation 5.1, an S7 controller 6.4.
fn conversations(plan: Plan, random: &mut Random) -> Vec<Conversation> {
    let clients = plan.clients.max(2);
    let (dnp3, s7) = match plan.mix {
        Mix::Plant => (plan.servers / 4, plan.servers / 5),
        Mix::Modbus => (0, 0),
    };
    let mut list = Vec::new();
    modbus::conversations(plan.servers - dnp3 - s7, clients, random, &mut list);
    dnp3::conversations(dnp3, clients, random, &mut list);
    s7::conversations(s7, clients, random, &mut list);
    list
}

/// Hosts of a protocol: its second address byte, its vendors' MAC prefixes and its server port.
#[derive(Clone, Copy)]
struct Site {
    network: u8,
    server_vendor: [u8; 3],
    client_vendor: [u8; 3],
    port: u16,
}

impl Site {
    fn server(self, number: u32) -> End {
        let [_, _, high, low] = (number + 1).to_be_bytes();
        let [a, b, c] = self.server_vendor;
        End { mac: [a, b, c, 1, high, low], ip: Ipv4Addr::new(10, self.network, high, low), port: self.port }
    }

    /// The end on client `number` of its connection to `server`.
    fn client(self, number: u32, server: u32) -> End {
        let low = u8::try_from(number % 250 + 1).unwrap_or(1);
        let high = 200 + u8::try_from(number / 250).unwrap_or(0);
        let [a, b, c] = self.client_vendor;
        End {
            mac: [a, b, c, 2, high - 200, low],
            ip: Ipv4Addr::new(10, self.network, high, low),
            port: u16::try_from(40_000 + server % 20_000).unwrap_or(40_000),
        }
    }
}

/// A TCP connection, and what was sent on it since the turn began.
struct Line {
    client: Peer,
    server: Peer,
    open: bool,
    /// Time of the next packet, in microseconds since 1970.
    now: u64,
    sent: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone, Copy)]
struct Peer {
    end: End,
    seq: u32,
    ip_id: u16,
}

impl Line {
    fn new(client: End, server: End, random: &mut Random) -> Self {
        let mut peer = |end| Peer { end, seq: u32::try_from(random.below(1 << 32)).unwrap_or(0), ip_id: 0 };
        Self { client: peer(client), server: peer(server), open: false, now: 0, sent: Vec::new() }
    }

    /// Shakes hands where that was not done, and says whether it was done now.
    fn open(&mut self) -> bool {
        if self.open {
            return false;
        }
        self.open = true;
        self.segment(true, flags::SYN, &[]);
        self.client.seq = self.client.seq.wrapping_add(1);
        self.now += 200;
        self.segment(false, flags::SYN | flags::ACK, &[]);
        self.server.seq = self.server.seq.wrapping_add(1);
        self.now += 50;
        self.acknowledge(true);
        self.now += 50;
        true
    }

    /// Request, acknowledgement (four times in ten) and response.
    fn ask(&mut self, request: &[u8], response: &[u8], random: &mut Random) {
        self.send(true, request);
        self.now += 150 + random.below(100);
        if random.below(10) < 4 {
            self.acknowledge(false);
        }
        self.now += 1_000 + random.below(8_000);
        self.send(false, response);
        self.now += 40 + random.below(40);
    }

    /// As [`Self::ask`], and the client's pure acknowledgement.
    fn exchange(&mut self, request: &[u8], response: &[u8], random: &mut Random) {
        self.ask(request, response, random);
        self.acknowledge(true);
    }

    /// Data of the client (or of the server), in as many segments as it takes.
    fn send(&mut self, from_client: bool, data: &[u8]) {
        let parts = data.chunks(SEGMENT);
        let last = parts.len().saturating_sub(1);
        for (at, part) in parts.enumerate() {
            let push = if at == last { flags::PSH } else { 0 };
            self.segment(from_client, flags::ACK | push, part);
            let peer = if from_client { &mut self.client } else { &mut self.server };
            peer.seq = peer.seq.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
            self.now += if at == last { 0 } else { SEGMENT_GAP };
        }
    }

    /// A pure acknowledgement.
    fn acknowledge(&mut self, from_client: bool) {
        self.segment(from_client, flags::ACK, &[]);
    }

    fn segment(&mut self, from_client: bool, set: u8, payload: &[u8]) {
        let (from, to) = if from_client { (&mut self.client, &self.server) } else { (&mut self.server, &self.client) };
        from.ip_id = from.ip_id.wrapping_add(1);
        let ack = if set & flags::ACK == 0 { 0 } else { to.seq };
        self.sent.push((self.now, tcp(from.end, to.end, from.ip_id, from.seq, ack, set, payload)));
    }
}
