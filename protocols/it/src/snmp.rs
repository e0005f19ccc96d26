//! SNMP versions 1 and 2c (RFC 1157, RFC 3416): who presents a community, and what an agent says of itself. Of version 3
//! only that it is spoken.

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Told, function};
use crate::defaults::{self, Service};
use crate::text::clean;
use ot_protocol::time::SECOND;
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Nanos, Outcome, Probe, Reader, SignIn};

const PORTS: &[u16] = &[161, 162];
/// Requests whose answers are waited for.
const MOST_REQUESTS: usize = 32;
/// How long an agent may take.
const PATIENCE: Nanos = 5 * SECOND;
/// Variables of a message that are looked at.
const MOST_VARIABLES: usize = 64;

const RESPONSE: u8 = 0xa2;
const SET: u8 = 0xa3;
const TRAP: u8 = 0xa4;

pub(crate) const SNMP: Companion = Companion {
    id: Snmp::ID,
    name: "SNMP",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Snmp>::boxed,
    fields: &[
        FieldDoc { name: "snmp.version", kind: FieldKind::Number, meaning: "0 version 1, 1 version 2c, 3 version 3" },
        FieldDoc {
            name: "snmp.data",
            kind: FieldKind::Number,
            meaning: "Kind of message: 0 get, 1 get next, 2 response, 3 set, 4 trap, 5 get bulk, 6 inform, 7 trap of version 2",
        },
        FieldDoc { name: "snmp.request_id", kind: FieldKind::Number, meaning: "Number of the request" },
        FieldDoc { name: "snmp.name", kind: FieldKind::Text, meaning: "Object identifier of a variable" },
    ],
    rules: &[],
};

/// An element of BER with a definite length: tag, contents.
fn element<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let tag = reader.u8().ok()?;
    let length = match reader.u8().ok()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(reader.u8().ok()?),
        0x82 => usize::from(reader.u16().ok()?),
        0x83 => {
            let [a, b, c] = reader.array::<3>().ok()?;
            usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?
        }
        0x84 => usize::try_from(reader.u32().ok()?).ok()?,
        _ => return None,
    };
    Some((tag, reader.take(length).ok()?))
}

fn of_tag<'a>(reader: &mut Reader<'a>, wanted: u8) -> Option<&'a [u8]> {
    element(reader).filter(|(tag, _)| *tag == wanted).map(|(_, contents)| contents)
}

/// An integer of at most four octets, as its bits.
fn integer(reader: &mut Reader<'_>) -> Option<u32> {
    let bytes = of_tag(reader, 2)?;
    (1..=5).contains(&bytes.len()).then(|| bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
}

/// An object identifier as text.
fn oid(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut number = 0u64;
    for (at, &byte) in bytes.iter().take(64).enumerate() {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() && at == 0 {
            text = format!("{}.{}", (number / 40).min(2), number - (number / 40).min(2) * 40);
        } else {
            text.push_str(&format!(".{number}"));
        }
        number = 0;
    }
    text
}

struct Message<'a> {
    version: u32,
    community: &'a [u8],
    kind: u8,
    request: u32,
    error: u32,
    /// Name, tag and value of each variable.
    variables: Vec<(&'a [u8], u8, &'a [u8])>,
}

impl<'a> Message<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(of_tag(&mut Reader::new(bytes), 0x30)?);
        let version = integer(&mut reader)?;
        let mut message = Self { version, community: &[], kind: 0, request: 0, error: 0, variables: Vec::new() };
        match version {
            0 | 1 => {}
            3 => {
                // Head of version 3: a sequence that begins with the number of the message (RFC 3412, clause 6).
                let mut head = Reader::new(of_tag(&mut reader, 0x30)?);
                message.request = integer(&mut head)?;
                return Some(message);
            }
            _ => return None,
        }
        message.community = of_tag(&mut reader, 4)?;
        let (kind, contents) = element(&mut reader)?;
        if !(0xa0..=0xa8).contains(&kind) {
            return None;
        }
        message.kind = kind;
        let mut reader = Reader::new(contents);
        if kind == TRAP {
            return Some(message);
        }
        message.request = integer(&mut reader)?;
        message.error = integer(&mut reader)?;
        integer(&mut reader)?;
        let mut list = Reader::new(of_tag(&mut reader, 0x30)?);
        while message.variables.len() < MOST_VARIABLES
            && let Some(pair) = of_tag(&mut list, 0x30)
        {
            let mut pair = Reader::new(pair);
            let (Some(name), Some((tag, value))) = (of_tag(&mut pair, 6), element(&mut pair)) else { break };
            message.variables.push((name, tag, value));
        }
        Some(message)
    }
}

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    let Some((bytes, direction)) =
        bytes.into_iter().zip([Direction::AtoB, Direction::BtoA]).find(|(bytes, _)| !bytes.is_empty())
    else {
        return Probe::No;
    };
    if !datagram || bytes.first() != Some(&0x30) {
        return Probe::No;
    }
    match Message::read(bytes) {
        Some(message) if message.version < 2 || hint => {
            let client = match message.kind {
                RESPONSE => Some(direction.reversed()),
                0 => None,
                _ => Some(direction),
            };
            Probe::Yes { client }
        }
        _ => Probe::No,
    }
}

#[derive(Debug)]
struct Request {
    id: u32,
    asked: Moment,
    write: bool,
    factory_default: Option<&'static str>,
}

#[derive(Default)]
struct Snmp {
    requests: Vec<Request>,
    /// Sign-ins told with success: for reading, for writing, each with a default or not.
    told: [[bool; 2]; 2],
}

/// The objects by which an agent tells what it is: the group `system` of MIB-II (RFC 3418).
fn property(name: &[u8]) -> Option<(&'static str, &'static str)> {
    match name {
        [0x2b, 6, 1, 2, 1, 1, 1, 0] => Some(("description", "SNMP sysDescr")),
        [0x2b, 6, 1, 2, 1, 1, 2, 0] => Some(("object-id", "SNMP sysObjectID")),
        [0x2b, 6, 1, 2, 1, 1, 5, 0] => Some(("name", "SNMP sysName")),
        [0x2b, 6, 1, 2, 1, 1, 6, 0] => Some(("location", "SNMP sysLocation")),
        _ => None,
    }
}

impl Snmp {
    fn tell(told: &mut Told<'_, '_>, request: &Request, answered: Option<Moment>, outcome: Outcome) {
        let client = told.client(PORTS);
        // Version 1 and 2c have no users; the community is never told.
        let sign_in = SignIn { user: None, clear_text: true, factory_default: request.factory_default };
        let made = if request.write { function(3, "SNMP write") } else { function(0, "SNMP read") };
        told.sign_in(client, made, request.asked, answered, outcome, sign_in);
    }

    fn answer(&mut self, told: &mut Told<'_, '_>, direction: Direction, message: &Message<'_>) {
        told.is_client(direction.reversed());
        let speaker = told.speaker(direction);
        for (name, tag, value) in &message.variables {
            let Some((property, source)) = property(name) else { continue };
            let value = match tag {
                4 => clean(value, 256),
                6 => oid(value),
                _ => continue,
            };
            told.identity(speaker, property, value, source);
        }
        let Some(at) = self.requests.iter().position(|request| request.id == message.request) else { return };
        let request = self.requests.remove(at);
        let answered = Some(told.moment());
        // Only this error speaks of the community; version 1 agents do not answer at all (RFC 3416, clause 3).
        if message.error == 16 {
            return Self::tell(told, &request, answered, Outcome::Rejected(16, "authorizationError"));
        }
        let place = self
            .told
            .get_mut(usize::from(request.write))
            .and_then(|kinds| kinds.get_mut(usize::from(request.factory_default.is_some())));
        if let Some(place) = place.filter(|told| !**told) {
            *place = true;
            Self::tell(told, &request, answered, Outcome::Ok);
        }
    }
}

impl Dialogue for Snmp {
    const ID: &'static str = "snmp";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let Some(message) = Message::read(bytes) else { return false };
        told.message(direction, |fields| {
            fields.push(("snmp.version", FieldValue::Unsigned(u64::from(message.version))));
            if message.version < 2 {
                fields.push(("snmp.data", FieldValue::Unsigned(u64::from(message.kind & 0x0f))));
                fields.push(("snmp.request_id", FieldValue::Unsigned(u64::from(message.request))));
            }
            for (name, ..) in &message.variables {
                fields.push(("snmp.name", FieldValue::Text(oid(name))));
            }
        });
        if message.version == 3 {
            return true;
        }
        match message.kind {
            RESPONSE => self.answer(told, direction, &message),
            // Get, get next, set, get bulk; what agents send of themselves asks for nothing.
            0xa0 | 0xa1 | SET | 0xa5 => {
                told.is_client(direction);
                if self.requests.len() >= MOST_REQUESTS {
                    let request = self.requests.remove(0);
                    told.evicted();
                    Self::tell(told, &request, None, Outcome::Pending);
                }
                self.requests.push(Request {
                    id: message.request,
                    asked: told.moment(),
                    write: message.kind == SET,
                    factory_default: defaults::product(Service::Snmp, "", message.community),
                });
            }
            _ => {}
        }
        true
    }

    fn tick(&mut self, told: &mut Told<'_, '_>) {
        let now = told.moment().time;
        let late = self.requests.iter().take_while(|request| now.since(request.asked.time) > PATIENCE).count();
        for request in self.requests.drain(..late).collect::<Vec<_>>() {
            Self::tell(told, &request, None, Outcome::Unanswered);
        }
    }

    fn wants_tick(&self) -> bool {
        !self.requests.is_empty()
    }

    fn finish(&mut self, told: &mut Told<'_, '_>) {
        for request in std::mem::take(&mut self.requests) {
            Self::tell(told, &request, None, Outcome::Pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_text() {
        assert_eq!(oid(&[0x2b, 6, 1, 4, 1, 0x82, 0x61]), "1.3.6.1.4.1.353");
        assert_eq!(oid(&[]), "");
        assert_eq!(oid(&[0xff; 80]), "");
    }
}
