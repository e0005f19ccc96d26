//! S7comm: an operator panel reads data blocks, flags and inputs of each controller about twice a second and writes a
//! set point now and then; a historian reads it once in five seconds.

use super::{Conversation, Dialogue, Family, Line, Site};
use crate::frames::Random;

const SITE: Site =
    Site { network: 30, server_vendor: [0x00, 0x1c, 0x06], client_vendor: [0x00, 0x1b, 0x1b], port: 102 };

/// Message types.
const JOB: u8 = 1;
const ACKNOWLEDGEMENT: u8 = 3;
/// Functions.
const READ: u8 = 0x04;
const WRITE: u8 = 0x05;
const SETUP: u8 = 0xf0;
/// Areas.
const INPUTS: u8 = 0x81;
const FLAGS: u8 = 0x83;
const DATA_BLOCK: u8 = 0x84;
/// Return code: success.
const DONE: u8 = 0xff;

/// What an item addresses: kind, count, data block, area, first bit.
#[derive(Clone, Copy)]
struct Item {
    kind: Kind,
    count: u16,
    block: u16,
    area: u8,
    bit: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bit,
    Byte,
    Word,
    Real,
}

impl Kind {
    /// The transport size in a request.
    fn code(self) -> u8 {
        match self {
            Self::Bit => 1,
            Self::Byte => 2,
            Self::Word => 4,
            Self::Real => 8,
        }
    }

    fn bytes(self) -> u16 {
        match self {
            Self::Bit | Self::Byte => 1,
            Self::Word => 2,
            Self::Real => 4,
        }
    }
}

/// A panel or historian that reads one controller.
struct Client {
    source: [u8; 2],
    destination: [u8; 2],
    /// Largest message, as asked for in the setup.
    pdu: u16,
    reference: u16,
    period: u64,
    jobs: Vec<Vec<Item>>,
    next: usize,
    setpoint: Option<Item>,
    level: u16,
}

pub(super) fn conversations(controllers: u32, clients: u32, random: &mut Random, list: &mut Vec<Conversation>) {
    let historians = (clients / 5).max(1);
    let panels = clients - historians;
    for number in 0..controllers {
        let block = 1 + u16::try_from(random.below(20)).unwrap_or(0);
        let item = |kind, count, block, area, byte: u32| Item { kind, count, block, area, bit: byte * 8 };
        let values = item(Kind::Byte, 64, block, DATA_BLOCK, 0);
        let reals = item(Kind::Real, 8, block + 1, DATA_BLOCK, 20);
        let words = item(Kind::Word, 4, block, DATA_BLOCK, 100);
        let inputs = item(Kind::Byte, 8, 0, INPUTS, 0);
        let flag = Item { bit: 10 * 8 + 3, ..item(Kind::Bit, 1, 0, FLAGS, 0) };
        let flags = item(Kind::Byte, 5, 0, FLAGS, 100);
        let setpoint = item(Kind::Real, 1, block + 1, DATA_BLOCK, 20);
        for (client, period, jobs, setpoint, kind, pdu) in [
            (
                number % panels,
                600_000,
                vec![vec![values], vec![flag, inputs, words], vec![flags, reals]],
                Some(setpoint),
                2,
                480,
            ),
            (panels + number % historians, 5_000_000, vec![vec![values, reals]], None, 3, 240),
        ] {
            let line = Line::new(SITE.client(client, number), SITE.server(number), random);
            let level = u16::try_from(random.below(1_000)).unwrap_or(0);
            // Rack 0, slot 1 (S7-1200 and later) or slot 2.
            let slot = if number % 3 == 0 { 2 } else { 1 };
            let dialogue = Box::new(Client {
                source: [1, 0],
                destination: [kind, slot],
                pdu,
                reference: 0,
                period,
                jobs,
                next: 0,
                setpoint,
                level,
            });
            list.push(Conversation { family: Family::S7, line, dialogue });
        }
    }
}

impl Dialogue for Client {
    fn period(&self) -> u64 {
        self.period
    }

    fn turn(&mut self, line: &mut Line, random: &mut Random) {
        if line.open() {
            self.connect(line, random);
        }
        let job = self.next;
        self.next = (self.next + 1) % self.jobs.len();
        match self.setpoint {
            Some(item) if random.below(200) == 0 => self.write(line, random, item),
            _ => self.read(line, random, job),
        }
    }
}

impl Client {
    fn connect(&mut self, line: &mut Line, random: &mut Random) {
        let reference = self.next_reference();
        let [asked, confirmed, setup, accepted] = opening(self.source, self.destination, self.pdu, reference);
        line.exchange(&asked, &confirmed, random);
        line.now += 300;
        line.exchange(&setup, &accepted, random);
        line.now += 300;
    }

    fn read(&mut self, line: &mut Line, random: &mut Random, job: usize) {
        let reference = self.next_reference();
        let items = &self.jobs[job];
        let count = u8::try_from(items.len()).unwrap_or(0);
        let mut parameters = vec![READ, count];
        let mut data = Vec::new();
        for item in items {
            parameters.extend(item.address());
            // Each item but the last is filled up to an even length.
            if data.len() % 2 == 1 {
                data.push(0);
            }
            data.extend(item.data(DONE, &self.value(*item, random)));
        }
        let request = message(JOB, reference, &parameters, &[]);
        line.exchange(&request, &message(ACKNOWLEDGEMENT, reference, &[READ, count], &data), random);
    }

    fn write(&mut self, line: &mut Line, random: &mut Random, item: Item) {
        let reference = self.next_reference();
        let parameters = [&[WRITE, 1], item.address().as_slice()].concat();
        let request = message(JOB, reference, &parameters, &item.data(0, &self.value(item, random)));
        line.exchange(&request, &message(ACKNOWLEDGEMENT, reference, &[WRITE, 1], &[DONE]), random);
    }

    /// Values of an item, around the level of the controller.
    fn value(&self, item: Item, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        for at in 0..item.count {
            let noise = u16::try_from(random.below(8)).unwrap_or(0);
            match item.kind {
                Kind::Bit => out.push(u8::from(noise > 3)),
                Kind::Byte => out.push((self.level + 3 * at + noise).to_be_bytes()[1]),
                Kind::Word => out.extend_from_slice(&(self.level + 7 * at + noise).to_be_bytes()),
                Kind::Real => {
                    out.extend_from_slice(&(f32::from(self.level + 5 * at) + f32::from(noise) / 8.0).to_be_bytes());
                }
            }
        }
        out
    }

    fn next_reference(&mut self) -> u16 {
        self.reference = self.reference.wrapping_add(1);
        self.reference
    }
}

impl Item {
    /// The item as a request names it: an any-pointer.
    fn address(self) -> Vec<u8> {
        let mut out = vec![0x12, 0x0a, 0x10, self.kind.code()];
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.block.to_be_bytes());
        let [_, high, middle, low] = self.bit.to_be_bytes();
        out.extend_from_slice(&[self.area, high, middle, low]);
        out
    }

    /// The item's data: return code, transport size, length (in bits but for reals), bytes.
    fn data(self, code: u8, bytes: &[u8]) -> Vec<u8> {
        let length = self.count * self.kind.bytes();
        let (size, length) = match self.kind {
            Kind::Bit => (3, self.count),
            Kind::Byte | Kind::Word => (4, length * 8),
            Kind::Real => (7, length),
        };
        let [high, low] = length.to_be_bytes();
        [&[code, size, high, low], bytes].concat()
    }
}

/// The transport connection (ISO 8073, class 0) and the setup of communication, each with its answer.
fn opening([s0, s1]: [u8; 2], [d0, d1]: [u8; 2], pdu: u16, reference: u16) -> [Vec<u8>; 4] {
    let variable = [0xc0, 1, 0x0a, 0xc1, 2, s0, s1, 0xc2, 2, d0, d1];
    let [high, low] = pdu.to_be_bytes();
    let parameters = [SETUP, 0, 0, 1, 0, 1, high, low];
    [
        tpkt(&[&[17, 0xe0, 0, 0, 0, 1, 0], variable.as_slice()].concat()),
        tpkt(&[&[17, 0xd0, 0, 1, 0, 4, 0], variable.as_slice()].concat()),
        message(JOB, reference, &parameters, &[]),
        message(ACKNOWLEDGEMENT, reference, &parameters, &[]),
    ]
}

/// A whole conversation: connection, setup, and a read of two flags bytes.
pub(crate) fn short_exchange() -> [(bool, Vec<u8>); 6] {
    let [asked, confirmed, setup, accepted] = opening([1, 0], [2, 1], 240, 1);
    let item = Item { kind: Kind::Byte, count: 2, block: 0, area: FLAGS, bit: 0 };
    let read = message(JOB, 2, &[&[READ, 1], item.address().as_slice()].concat(), &[]);
    let answer = message(ACKNOWLEDGEMENT, 2, &[READ, 1], &item.data(DONE, &[1, 2]));
    [(true, asked), (false, confirmed), (true, setup), (false, accepted), (true, read), (false, answer)]
}

/// A message in a data transfer unit, in a packet.
fn message(kind: u8, reference: u16, parameters: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0xf0, 0x80, 0x32, kind, 0, 0];
    out.extend_from_slice(&reference.to_be_bytes());
    for part in [parameters, data] {
        out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(0).to_be_bytes());
    }
    if kind == ACKNOWLEDGEMENT {
        out.extend_from_slice(&[0, 0]);
    }
    out.extend_from_slice(parameters);
    out.extend_from_slice(data);
    tpkt(&out)
}

/// RFC 1006.
fn tpkt(data: &[u8]) -> Vec<u8> {
    let mut out = vec![3, 0];
    out.extend_from_slice(&u16::try_from(4 + data.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(data);
    out
}
