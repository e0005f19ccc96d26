//! Modbus: an HMI asks a server three times a second and writes a set point now and then; a historian asks it once in
//! five seconds.

use super::{Conversation, Dialogue, Family, Line, Site};
use crate::frames::Random;

const SITE: Site =
    Site { network: 10, server_vendor: [0x00, 0x80, 0xf4], client_vendor: [0x00, 0x14, 0x22], port: 502 };

/// A client's polls of one server.
struct Client {
    transaction: u16,
    period: u64,
    /// Function, first address, count.
    polls: Vec<(u8, u16, u16)>,
    next_poll: usize,
    level: u16,
}

pub(super) fn conversations(servers: u32, clients: u32, random: &mut Random, list: &mut Vec<Conversation>) {
    let historians = (clients / 5).max(1);
    let hmis = clients - historians;
    for server in 0..servers {
        let first = u16::try_from(random.below(20) * 100).unwrap_or(0);
        for (number, period, polls) in [
            (server % hmis, 1_000_000 / 3, vec![(3, first, 20), (4, first, 10), (1, 0, 32)]),
            (hmis + server % historians, 5_000_000, vec![(3, first, 40)]),
        ] {
            let line = Line::new(SITE.client(number, server), SITE.server(server), random);
            let level = u16::try_from(random.below(1_000)).unwrap_or(0);
            let dialogue = Box::new(Client { transaction: 0, period, polls, next_poll: 0, level });
            list.push(Conversation { family: Family::Modbus, line, dialogue });
        }
    }
}

impl Dialogue for Client {
    fn period(&self) -> u64 {
        self.period
    }

    fn turn(&mut self, line: &mut Line, random: &mut Random) {
        line.open();
        self.transaction = self.transaction.wrapping_add(1);
        let (function, address, count) = self.polls[self.next_poll];
        self.next_poll = (self.next_poll + 1) % self.polls.len();
        let writes = self.polls.len() > 1 && random.below(200) == 0;
        let (request, response) = if writes {
            let value = self.level.wrapping_add(u16::try_from(random.below(10)).unwrap_or(0));
            let mut pdu = vec![6];
            pdu.extend_from_slice(&address.to_be_bytes());
            pdu.extend_from_slice(&value.to_be_bytes());
            (pdu.clone(), pdu)
        } else {
            let mut request = vec![function];
            request.extend_from_slice(&address.to_be_bytes());
            request.extend_from_slice(&count.to_be_bytes());
            (request, self.answer(function, count, random))
        };
        line.exchange(&adu(self.transaction, &request), &adu(self.transaction, &response), random);
    }
}

impl Client {
    fn answer(&self, function: u8, count: u16, random: &mut Random) -> Vec<u8> {
        let mut response = vec![function];
        if function <= 2 {
            response.push(u8::try_from(count.div_ceil(8)).unwrap_or(0));
            let bits = random.number();
            response.extend_from_slice(&bits.to_be_bytes()[..usize::from(count.div_ceil(8)).min(8)]);
        } else {
            response.push(u8::try_from(2 * count).unwrap_or(0));
            for register in 0..count {
                let noise = u16::try_from(random.below(8)).unwrap_or(0);
                response.extend_from_slice(&(self.level.wrapping_add(7 * register) + noise).to_be_bytes());
            }
        }
        response
    }
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
