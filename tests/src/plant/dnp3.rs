//! DNP3 over TCP: a master polls each outstation for events four times in three seconds and for everything once a minute; an
//! outstation has integer and float analog inputs, binary inputs and outputs, and counters; some report on their own,
//! some want confirmed link frames; an operator selects and operates a breaker now and then.

use super::{Conversation, Dialogue, Family, Line, Site};
use crate::frames::Random;

const SITE: Site =
    Site { network: 20, server_vendor: [0x00, 0x30, 0xa7], client_vendor: [0x00, 0x14, 0x22], port: 20_000 };
/// Turns from one integrity poll to the next.
const INTEGRITY: u32 = 64;
/// Most bytes of a transport segment without its header.
const TRANSPORT: usize = 249;

/// Control octets of the link layer, IEEE 1815, 9.2.4.1: direction, primary, function.
mod control {
    pub const FROM_MASTER: u8 = 0x80;
    pub const PRIMARY: u8 = 0x40;
    pub const COUNT_BIT: u8 = 0x20;
    pub const COUNT_VALID: u8 = 0x10;
    pub const RESET_LINK: u8 = 0;
    pub const CONFIRMED: u8 = 3;
    pub const UNCONFIRMED: u8 = 4;
    pub const REQUEST_STATUS: u8 = 9;
    pub const ACKNOWLEDGED: u8 = 0;
    pub const STATUS: u8 = 11;
}

/// Application functions.
mod function {
    pub const CONFIRM: u8 = 0;
    pub const READ: u8 = 1;
    pub const SELECT: u8 = 3;
    pub const OPERATE: u8 = 4;
    pub const RESPONSE: u8 = 129;
    pub const UNSOLICITED: u8 = 130;
}

/// Application control: first and final fragment, confirmation wanted, unsolicited.
const WHOLE: u8 = 0xc0;
const CONFIRM_ME: u8 = 0x20;
const UNASKED: u8 = 0x10;

/// A master's polls of one outstation.
struct Master {
    /// Link addresses of master and outstation.
    addresses: [u16; 2],
    /// Transport sequence of each.
    transport: [u8; 2],
    sequence: u8,
    unsolicited: u8,
    turn: u32,
    period: u64,
    /// The link layer confirms what the master sends; then the frame count bit of the next frame.
    confirmed: Option<bool>,
    reports: bool,
    split_classes: bool,
    points: Points,
}

/// The points of an outstation, by kind.
struct Points {
    binaries: u8,
    outputs: u8,
    counters: Vec<u32>,
    integers: Vec<i32>,
    floats: Vec<f32>,
}

pub(super) fn conversations(outstations: u32, clients: u32, random: &mut Random, list: &mut Vec<Conversation>) {
    // A SCADA front end serves many outstations.
    let masters = (clients / 5).max(1);
    for number in 0..outstations {
        let master = number % masters;
        let line = Line::new(SITE.client(master, number), SITE.server(number), random);
        let addresses = [1 + small(master), 10 + small(number / masters % 60_000)];
        let integers = match number % 12 {
            0 => 260,
            1..4 => 90,
            _ => 24,
        };
        let points = Points {
            binaries: 16 + 8 * u8::try_from(number % 4).unwrap_or(0),
            outputs: 8,
            counters: (0..6).map(|_| u32::try_from(random.below(100_000)).unwrap_or(0)).collect(),
            integers: (0..integers).map(|_| i32::try_from(random.below(4_000)).unwrap_or(0)).collect(),
            floats: (0..8).map(|_| f32::from(small_below(random, 400))).collect(),
        };
        let dialogue = Box::new(Master {
            addresses,
            transport: [0, 0],
            sequence: 0,
            unsolicited: 0,
            turn: 0,
            period: 740_000,
            confirmed: (number % 10 == 3).then_some(true),
            reports: number % 8 == 5,
            split_classes: number % 2 == 1,
            points,
        });
        list.push(Conversation { family: Family::Dnp3, line, dialogue });
    }
}

impl Dialogue for Master {
    fn period(&self) -> u64 {
        self.period
    }

    fn turn(&mut self, line: &mut Line, random: &mut Random) {
        if line.open() && self.confirmed.is_some() {
            let reset = self.bare(true, control::PRIMARY | control::RESET_LINK);
            line.exchange(&reset, &self.bare(false, control::ACKNOWLEDGED), random);
            line.now += 500;
        }
        let turn = self.turn;
        self.turn += 1;
        if turn.is_multiple_of(INTEGRITY) {
            self.integrity_poll(line, random);
        } else if turn % 100 == 50 {
            let ask = self.bare(true, control::PRIMARY | control::REQUEST_STATUS);
            line.exchange(&ask, &self.bare(false, control::STATUS), random);
        } else if random.below(300) == 0 {
            self.operate(line, random);
        } else if self.reports && random.below(4) == 0 {
            self.report(line, random);
        } else {
            self.event_poll(line, random);
        }
    }
}

impl Master {
    /// Class 1, 2, 3 and 0: everything there is.
    fn integrity_poll(&mut self, line: &mut Line, random: &mut Random) {
        let everything = self.points.everything(random);
        self.poll(line, random, &[2, 3, 4, 1], &everything, false);
    }

    /// Event classes; what changed since the last poll is answered and confirmed.
    fn event_poll(&mut self, line: &mut Line, random: &mut Random) {
        let classes: &[u8] = match (self.split_classes, self.turn % 4) {
            (false, _) => &[2, 3, 4],
            (true, 0) => &[3, 4],
            (true, _) => &[2],
        };
        let events = if random.below(10) < 3 { self.points.events(random) } else { Vec::new() };
        self.poll(line, random, classes, &events, !events.is_empty());
    }

    /// Reads variations of group 60 (1 is class 0, 2 to 4 are classes 1 to 3).
    fn poll(&mut self, line: &mut Line, random: &mut Random, classes: &[u8], objects: &[u8], confirm: bool) {
        let sequence = self.next_sequence();
        let mut request = vec![WHOLE | sequence, function::READ];
        for class in classes {
            request.extend_from_slice(&[60, *class, 0x06]);
        }
        let want = if confirm { CONFIRM_ME } else { 0 };
        let response = response(WHOLE | want | sequence, function::RESPONSE, objects);
        self.ask(line, random, &request, &response);
        if confirm {
            self.confirm(line, random, WHOLE | sequence);
        } else {
            line.acknowledge(true);
        }
    }

    /// What the outstation says on its own, and the confirmation.
    fn report(&mut self, line: &mut Line, random: &mut Random) {
        let sequence = self.unsolicited;
        self.unsolicited = (self.unsolicited + 1) % 16;
        let events = self.points.events(random);
        let told = response(WHOLE | CONFIRM_ME | UNASKED | sequence, function::UNSOLICITED, &events);
        let frames = self.frames(false, &told);
        line.send(false, &frames);
        line.now += 300 + random.below(500);
        self.confirm(line, random, WHOLE | UNASKED | sequence);
    }

    /// Selects a breaker and operates it.
    fn operate(&mut self, line: &mut Line, random: &mut Random) {
        let index = small_below(random, u16::from(self.points.outputs));
        let code = [0x03, 0x04, 0x41, 0x81][usize::from(index % 4)];
        let mut block = vec![12, 1, 0x28, 1, 0];
        block.extend_from_slice(&index.to_le_bytes());
        // Operation, count, on time and off time in milliseconds, status.
        block.extend_from_slice(&[code, 1, 0xf4, 1, 0, 0, 0, 0, 0, 0, 0]);
        for function in [function::SELECT, function::OPERATE] {
            let sequence = self.next_sequence();
            let request = [&[WHOLE | sequence, function], block.as_slice()].concat();
            let answer = response(WHOLE | sequence, function::RESPONSE, &block);
            self.ask(line, random, &request, &answer);
            line.acknowledge(true);
            line.now += 20_000;
        }
    }

    /// A request and its response; a confirmed request is first acknowledged by the link layer.
    fn ask(&mut self, line: &mut Line, random: &mut Random, request: &[u8], response: &[u8]) {
        let request = self.frames(true, request);
        if self.confirmed.is_some() {
            line.send(true, &request);
            line.now += 200 + random.below(200);
            line.send(false, &self.bare(false, control::ACKNOWLEDGED));
            line.now += 1_000 + random.below(8_000);
            let response = self.frames(false, response);
            line.send(false, &response);
            line.now += 40 + random.below(40);
        } else {
            let response = self.frames(false, response);
            line.ask(&request, &response, random);
        }
    }

    /// The master's confirmation of a response.
    fn confirm(&mut self, line: &mut Line, random: &mut Random, application_control: u8) {
        let confirmation = self.frames(true, &[application_control, function::CONFIRM]);
        line.send(true, &confirmation);
        line.now += 150 + random.below(100);
        if self.confirmed.is_some() {
            line.send(false, &self.bare(false, control::ACKNOWLEDGED));
            line.now += 40 + random.below(40);
            line.acknowledge(true);
        } else {
            line.acknowledge(false);
        }
    }

    fn next_sequence(&mut self) -> u8 {
        let sequence = self.sequence;
        self.sequence = (self.sequence + 1) % 16;
        sequence
    }

    /// A link frame without user data.
    fn bare(&self, from_master: bool, control: u8) -> Vec<u8> {
        self.frame(from_master, control, &[])
    }

    /// The link frames of an application fragment.
    fn frames(&mut self, from_master: bool, fragment: &[u8]) -> Vec<u8> {
        let parts = fragment.chunks(TRANSPORT);
        let last = parts.len().saturating_sub(1);
        let mut out = Vec::new();
        for (at, part) in parts.enumerate() {
            let sequence = &mut self.transport[usize::from(!from_master)];
            let head = u8::from(at == last) << 7 | u8::from(at == 0) << 6 | *sequence;
            *sequence = (*sequence + 1) % 64;
            let data = [&[head], part].concat();
            let control = match &mut self.confirmed {
                Some(bit) if from_master => {
                    let count = if *bit { control::COUNT_BIT } else { 0 };
                    *bit = !*bit;
                    control::PRIMARY | control::COUNT_VALID | count | control::CONFIRMED
                }
                _ => control::PRIMARY | control::UNCONFIRMED,
            };
            out.extend(self.frame(from_master, control, &data));
        }
        out
    }

    fn frame(&self, from_master: bool, control: u8, data: &[u8]) -> Vec<u8> {
        frame(self.addresses, from_master, control, data)
    }
}

/// A link frame between a master and an outstation, with the checksums of header and blocks.
fn frame([master, outstation]: [u16; 2], from_master: bool, control: u8, data: &[u8]) -> Vec<u8> {
    let (direction, to, from) =
        if from_master { (control::FROM_MASTER, outstation, master) } else { (0, master, outstation) };
    let mut out = vec![0x05, 0x64, u8::try_from(5 + data.len()).unwrap_or(u8::MAX), direction | control];
    out.extend_from_slice(&to.to_le_bytes());
    out.extend_from_slice(&from.to_le_bytes());
    out.extend_from_slice(&checksum(&out).to_le_bytes());
    for block in data.chunks(16) {
        out.extend_from_slice(block);
        out.extend_from_slice(&checksum(block).to_le_bytes());
    }
    out
}

/// A whole exchange: a read of class 0 and its answer, two binary inputs.
pub(crate) fn short_exchange(outstation: u16) -> [(bool, Vec<u8>); 2] {
    let user = control::PRIMARY | control::UNCONFIRMED;
    let ask = [0xc0, WHOLE, function::READ, 60, 1, 0x06];
    let tell = [0xc0, WHOLE, function::RESPONSE, 0, 0, 1, 2, 0x00, 0, 1, flags(true), flags(false)];
    [(true, &ask[..]), (false, &tell[..])]
        .map(|(from_master, data)| (from_master, frame([1, outstation], from_master, user, data)))
}

impl Points {
    /// All values, by range: group 1 variation 2, group 10 variation 2, group 20 variation 1, group 30 variations 1 and 5.
    fn everything(&mut self, random: &mut Random) -> Vec<u8> {
        let mut out = vec![1, 2, 0x00, 0, self.binaries - 1];
        out.extend((0..self.binaries).map(|_| flags(random.below(4) == 0)));
        out.extend_from_slice(&[10, 2, 0x00, 0, self.outputs - 1]);
        out.extend((0..self.outputs).map(|_| flags(random.below(2) == 0)));
        out.extend_from_slice(&[20, 1, 0x00, 0, u8::try_from(self.counters.len() - 1).unwrap_or(0)]);
        for counter in &mut self.counters {
            *counter += u32::try_from(random.below(20)).unwrap_or(0);
            out.push(ONLINE);
            out.extend_from_slice(&counter.to_le_bytes());
        }
        let integers = small(u32::try_from(self.integers.len()).unwrap_or(0));
        range(&mut out, 1, 0, integers - 1);
        for value in &self.integers {
            let noise = i32::try_from(random.below(8)).unwrap_or(0);
            out.push(ONLINE);
            out.extend_from_slice(&(value + noise).to_le_bytes());
        }
        let floats = small(u32::try_from(self.floats.len()).unwrap_or(0));
        range(&mut out, 5, integers, integers + floats - 1);
        for value in &self.floats {
            out.push(ONLINE);
            out.extend_from_slice(&(value + f32::from(small_below(random, 16)) / 8.0).to_le_bytes());
        }
        out
    }

    /// Some changes, by index: group 32 variation 1, sometimes group 2 variation 1.
    fn events(&mut self, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        let integers = small(u32::try_from(self.integers.len()).unwrap_or(0));
        if random.below(4) == 0 {
            out.extend_from_slice(&[2, 1, 0x17, 1, 0, flags(random.below(2) == 0)]);
            out[4] = u8::try_from(random.below(u64::from(self.binaries))).unwrap_or(0);
        }
        let count = 1 + small_below(random, 4);
        out.extend_from_slice(&[32, 1, 0x28]);
        out.extend_from_slice(&count.to_le_bytes());
        for _ in 0..count {
            let index = small_below(random, integers);
            let value = self.integers[usize::from(index)] + i32::try_from(random.below(40)).unwrap_or(0);
            out.extend_from_slice(&index.to_le_bytes());
            out.push(ONLINE);
            out.extend_from_slice(&value.to_le_bytes());
        }
        out
    }
}

/// Quality of a point: on line.
const ONLINE: u8 = 0x01;

fn flags(on: bool) -> u8 {
    ONLINE | u8::from(on) << 7
}

/// Header of a range of analog inputs, with 8 bits for each end where that does.
fn range(out: &mut Vec<u8>, variation: u8, first: u16, last: u16) {
    match (u8::try_from(first), u8::try_from(last)) {
        (Ok(first), Ok(last)) => out.extend_from_slice(&[30, variation, 0x00, first, last]),
        _ => {
            out.extend_from_slice(&[30, variation, 0x01]);
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&last.to_le_bytes());
        }
    }
}

/// An application response without internal indications.
fn response(application_control: u8, function: u8, objects: &[u8]) -> Vec<u8> {
    [&[application_control, function, 0, 0], objects].concat()
}

fn small(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn small_below(random: &mut Random, n: u16) -> u16 {
    u16::try_from(random.below(u64::from(n))).unwrap_or(0)
}

/// The checksum of IEEE 1815, 9.2.3: x^16 + x^13 + x^12 + x^11 + x^10 + x^8 + x^6 + x^5 + x^2 + 1, reflected, inverted.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u16;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xa6bc } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksum_of_the_check_text() {
        assert_eq!(super::checksum(b"123456789"), 0xea82);
    }
}
