//! DNS: the names that are asked for, and which name an address has (RFC 1035, clause 4). The message format serves
//! multicast DNS and the NetBIOS name service, too.

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Fields, Probe, Reader, Short};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PORTS: &[u16] = &[53];
/// Most records of a message that are looked at, of each kind.
const MOST_RECORDS: u16 = 64;
/// Most pointers of one name.
const MOST_JUMPS: usize = 16;

pub(crate) const TYPE_A: u16 = 1;
pub(crate) const TYPE_PTR: u16 = 12;
pub(crate) const TYPE_AAAA: u16 = 28;

pub(crate) const FIELDS: &[FieldDoc] = &[
    FieldDoc { name: "dns.id", kind: FieldKind::Number, meaning: "Transaction id" },
    FieldDoc { name: "dns.flags.response", kind: FieldKind::Bool, meaning: "Whether it is an answer" },
    FieldDoc { name: "dns.flags.rcode", kind: FieldKind::Number, meaning: "Result: 0 no error, 3 no such name" },
    FieldDoc { name: "dns.qry.name", kind: FieldKind::Text, meaning: "Name asked for" },
    FieldDoc { name: "dns.qry.type", kind: FieldKind::Number, meaning: "Type asked for: 1 A, 12 PTR, 28 AAAA" },
    FieldDoc { name: "dns.resp.name", kind: FieldKind::Text, meaning: "Name of a record of the answer" },
    FieldDoc { name: "dns.a", kind: FieldKind::Text, meaning: "IPv4 address of a record" },
    FieldDoc { name: "dns.aaaa", kind: FieldKind::Text, meaning: "IPv6 address of a record" },
    FieldDoc { name: "dns.ptr.domain_name", kind: FieldKind::Text, meaning: "Name that a record points to" },
];

pub(crate) const DNS: Companion = Companion {
    id: Dns::ID,
    name: "DNS",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Dns>::boxed,
    fields: FIELDS,
    rules: &[],
};

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub id: u16,
    pub answer: bool,
    pub opcode: u8,
    pub code: u8,
    /// Questions, answers, authorities, additional records.
    pub counts: [u16; 4],
}

impl Header {
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Short> {
        let id = reader.u16()?;
        let [high, low] = reader.array::<2>()?;
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        Ok(Self { id, answer: high & 0x80 != 0, opcode: high >> 3 & 0x0f, code: low & 0x0f, counts })
    }

    /// Whether a message can have these counts.
    pub fn is_plausible(&self) -> bool {
        let [questions, answers, authorities, additional] = self.counts;
        questions <= 16 && answers <= 512 && authorities <= 512 && additional <= 512 && self.counts != [0; 4]
    }
}

/// Labels of a name, joined by dots, and the bytes of each. Follows pointers backwards only, so it ends.
pub(crate) fn labels<'a>(
    message: &'a [u8],
    reader: &mut Reader<'a>,
    mut label: impl FnMut(&'a [u8]),
) -> Result<(), Short> {
    let mut jumps = 0;
    let mut inner: Option<Reader<'a>> = None;
    let mut total = 0usize;
    loop {
        let current = inner.as_mut().unwrap_or(reader);
        let short = Short { offset: current.offset(), needed: 1, found: 0 };
        match current.u8()? {
            0 => return Ok(()),
            length @ 1..=63 => {
                let bytes = current.take(usize::from(length))?;
                total += bytes.len() + 1;
                if total > 255 {
                    return Err(short);
                }
                label(bytes);
            }
            high @ 0xc0..=0xff => {
                let low = current.u8()?;
                let at = usize::from(u16::from_be_bytes([high & 0x3f, low]));
                jumps += 1;
                if jumps > MOST_JUMPS {
                    return Err(short);
                }
                let mut target = Reader::new(message);
                target.take(at)?;
                inner = Some(target);
            }
            _ => return Err(short),
        }
    }
}

/// A name as text: bytes that no host name has become `?`.
pub(crate) fn name<'a>(message: &'a [u8], reader: &mut Reader<'a>) -> Result<String, Short> {
    let mut text = String::new();
    labels(message, reader, |label| {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            let letter = char::from(byte);
            text.push(if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' });
        }
    })?;
    Ok(text)
}

/// A record of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub name: String,
    pub kind: u16,
    pub data: &'a [u8],
    /// Where the data begins in the message.
    pub at: usize,
}

impl<'a> Record<'a> {
    pub fn read(message: &'a [u8], reader: &mut Reader<'a>) -> Result<Self, Short> {
        let name = name(message, reader)?;
        let kind = reader.u16()?;
        reader.take(6)?;
        let length = reader.u16()?;
        let at = reader.offset();
        Ok(Self { name, kind, data: reader.take(usize::from(length))?, at })
    }

    /// The address of a record of type A or AAAA.
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            TYPE_A => self.data.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
            TYPE_AAAA => self.data.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
            _ => None,
        }
    }

    /// The name that a record of type PTR points to.
    pub fn pointer(&self, message: &'a [u8]) -> Option<String> {
        if self.kind != TYPE_PTR {
            return None;
        }
        let mut reader = Reader::new(message);
        reader.take(self.at).ok()?;
        name(message, &mut reader).ok()
    }
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Parsed<'a> {
    pub header: Header,
    /// Name and type of each question.
    pub questions: Vec<(String, u16)>,
    /// Answers, authorities and additional records, as far as they can be read.
    pub records: Vec<Record<'a>>,
}

impl<'a> Parsed<'a> {
    /// Reads a message; records that are broken end it. `None` where the head or a question is.
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        let header = Header::read(&mut reader).ok().filter(Header::is_plausible)?;
        let [questions, rest @ ..] = header.counts;
        let mut parsed = Self { header, questions: Vec::new(), records: Vec::new() };
        for _ in 0..questions {
            let name = name(message, &mut reader).ok()?;
            let kind = reader.u16().ok()?;
            reader.u16().ok()?;
            parsed.questions.push((name, kind));
        }
        let records = rest.iter().map(|count| count.min(&MOST_RECORDS)).sum();
        for _ in 0..records {
            let Ok(record) = Record::read(message, &mut reader) else { break };
            parsed.records.push(record);
        }
        Some(parsed)
    }

    /// Fields for `decode`.
    pub fn fields(&self, message: &[u8], fields: &mut Fields) {
        let text = |name: &str| FieldValue::Text(name.to_owned());
        fields.push(("dns.id", FieldValue::Unsigned(u64::from(self.header.id))));
        fields.push(("dns.flags.response", FieldValue::Bool(self.header.answer)));
        if self.header.answer {
            fields.push(("dns.flags.rcode", FieldValue::Unsigned(u64::from(self.header.code))));
        }
        for (name, kind) in &self.questions {
            fields.push(("dns.qry.name", text(name)));
            fields.push(("dns.qry.type", FieldValue::Unsigned(u64::from(*kind))));
        }
        for record in &self.records {
            fields.push(("dns.resp.name", text(&record.name)));
            match record.address() {
                Some(IpAddr::V4(ip)) => fields.push(("dns.a", text(&ip.to_string()))),
                Some(IpAddr::V6(ip)) => fields.push(("dns.aaaa", text(&ip.to_string()))),
                None => {}
            }
            fields.extend(record.pointer(message).map(|name| ("dns.ptr.domain_name", FieldValue::Text(name))));
        }
    }
}

/// Whether a datagram may be a message of DNS.
pub(crate) fn is_message(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    let Ok(header) = Header::read(&mut reader) else { return false };
    // A query asks one thing; its first name can be read.
    header.is_plausible()
        && matches!(header.opcode, 0 | 4 | 5 | 6 | 7 | 8)
        && (header.counts[0] > 0 || header.answer)
        && name(bytes, &mut reader).is_ok()
}

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    match bytes.into_iter().find(|bytes| !bytes.is_empty()) {
        Some(bytes) if datagram && hint && is_message(bytes) => Probe::Yes { client: None },
        _ => Probe::No,
    }
}

/// The address that a name of the reverse tree stands for: `11.0.0.10.in-addr.arpa`.
pub(crate) fn reversed(name: &str) -> Option<IpAddr> {
    let lower = name.to_ascii_lowercase();
    if let Some(octets) = lower.strip_suffix(".in-addr.arpa") {
        let mut all = octets.split('.').map(str::parse::<u8>);
        let (d, c, b, a) = (all.next()?.ok()?, all.next()?.ok()?, all.next()?.ok()?, all.next()?.ok()?);
        return all.next().is_none().then_some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
    }
    let digits = lower.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut count = 0;
    for (at, digit) in digits.split('.').enumerate() {
        let value = u8::from_str_radix(digit, 16).ok().filter(|_| digit.len() == 1 && at < 32)?;
        bits |= u128::from(value) << (4 * at);
        count += 1;
    }
    (count == 32).then_some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

/// Whether an address can be that of one device.
pub(crate) fn is_host(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || broadcast)
}

#[derive(Default)]
struct Dns {
    answered: bool,
}

impl Dialogue for Dns {
    const ID: &'static str = "dns";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let Some(message) = Parsed::read(bytes) else { return false };
        told.message(direction, |fields| message.fields(bytes, fields));
        if !message.header.answer {
            told.is_client(direction);
            for (name, _) in message.questions.iter().filter(|(name, _)| !name.to_ascii_lowercase().ends_with(".arpa"))
            {
                told.name(direction, name, "DNS query");
            }
            return true;
        }
        told.is_client(direction.reversed());
        if !self.answered {
            self.answered = true;
            let speaker = told.speaker(direction);
            told.identity(speaker, "capabilities", "DNS server".to_owned(), "DNS answer");
        }
        // The name that was asked for, also where the answer leads over aliases to another.
        let asked = message.questions.first().map(|(name, _)| name.to_ascii_lowercase());
        let [_, answers, ..] = message.header.counts;
        for record in message.records.iter().take(usize::from(answers)) {
            if let (Some(ip), Some(name)) = (record.address().filter(|ip| is_host(*ip)), &asked) {
                told.hearsay(ip, "dns-name", name.clone(), "DNS answer");
            } else if let (Some(name), Some(ip)) = (record.pointer(bytes), reversed(&record.name)) {
                told.hearsay(ip, "dns-name", name.to_ascii_lowercase(), "DNS reverse answer");
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_addresses() {
        assert_eq!(reversed("11.0.168.192.IN-ADDR.ARPA"), Some(IpAddr::from([192, 168, 0, 11])));
        assert_eq!(reversed("0.168.192.in-addr.arpa"), None);
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(reversed(six), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn names_with_pointers_end() {
        // A name that points to itself, and one that points to a good one.
        let mut message = vec![0; 12];
        message.extend([0xc0, 12]);
        let at = message.len();
        message.extend([3, b'p', b'l', b'c', 0, 2, b'n', b'1', 0xc0, u8::try_from(at).unwrap()]);
        let mut reader = Reader::new(&message);
        reader.take(12).unwrap();
        assert!(name(&message, &mut reader).is_err());
        let mut reader = Reader::new(&message);
        reader.take(at + 5).unwrap();
        assert_eq!(name(&message, &mut reader).unwrap(), "n1.plc");
        assert_eq!(reader.offset(), message.len());
    }
}
