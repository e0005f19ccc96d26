//! NetBIOS name service (RFC 1002, clause 4.2): hosts register their names, and tell them when asked.

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use crate::dns::{Header, is_host, labels};
use crate::text::clean;
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Probe, Reader};
use std::net::{IpAddr, Ipv4Addr};

const PORTS: &[u16] = &[137];
/// Record types.
const NAME: u16 = 0x20;
const STATUS: u16 = 0x21;
/// Operations: query, registration, refresh.
const QUERY: u8 = 0;
const REGISTRATION: u8 = 5;
const REFRESH: u8 = 8;
const REFRESH_TOO: u8 = 9;
/// The name of a group, in the flags of a name.
const GROUP: u8 = 0x80;
/// Last octet of a name: workstation, file server.
const WORKSTATION: u8 = 0x00;
const SERVER: u8 = 0x20;

pub(crate) const NETBIOS_NS: Companion = Companion {
    id: NetbiosNs::ID,
    name: "NetBIOS name service",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<NetbiosNs>::boxed,
    fields: &[
        FieldDoc { name: "nbns.id", kind: FieldKind::Number, meaning: "Transaction id" },
        FieldDoc { name: "nbns.flags.response", kind: FieldKind::Bool, meaning: "Whether it is an answer" },
        FieldDoc { name: "nbns.flags.opcode", kind: FieldKind::Number, meaning: "Operation: 0 query, 5 registration" },
        FieldDoc { name: "nbns.name", kind: FieldKind::Text, meaning: "Name asked for, registered or answered" },
    ],
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    match bytes.into_iter().find(|bytes| !bytes.is_empty()) {
        Some(bytes) if datagram && hint && Message::read(bytes).is_some() => Probe::Yes { client: None },
        _ => Probe::No,
    }
}

/// A name of sixteen octets: fifteen of text, one of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    text: String,
    kind: u8,
}

impl Name {
    fn of(octets: &[u8; 16]) -> Self {
        let [text @ .., kind] = octets;
        Self { text: clean(text, 15), kind: *kind }
    }

    /// Decodes the letters A to P, two an octet (RFC 1001, clause 14.1).
    fn decode(label: &[u8]) -> Option<Self> {
        let mut octets = [0; 16];
        for (octet, pair) in octets.iter_mut().zip(label.first_chunk::<32>()?.as_chunks::<2>().0) {
            let half = |letter: u8| (b'A'..=b'P').contains(&letter).then(|| letter - b'A');
            let [high, low] = *pair;
            *octet = half(high)? << 4 | half(low)?;
        }
        Some(Self::of(&octets))
    }

    /// Whether it is that of a host.
    fn is_host(&self) -> bool {
        matches!(self.kind, WORKSTATION | SERVER) && !self.text.is_empty() && self.text != "*"
    }
}

struct Message<'a> {
    header: Header,
    name: Name,
    /// Type and data of the first record.
    record: Option<(u16, &'a [u8])>,
}

impl<'a> Message<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader).ok().filter(Header::is_plausible)?;
        let [questions, answers, authorities, additional] = header.counts;
        let name = |reader: &mut Reader<'a>| {
            let mut first = None;
            labels(bytes, reader, |label| first = first.or(Some(label))).ok()?;
            first.and_then(Name::decode)
        };
        let mut found = None;
        for _ in 0..questions.min(2) {
            found = found.or(Some(name(&mut reader)?));
            reader.take(4).ok()?;
        }
        let mut record = None;
        if answers + authorities + additional > 0
            && let Some(named) = name(&mut reader)
        {
            found = found.or(Some(named));
            let kind = reader.u16().ok()?;
            reader.take(6).ok()?;
            let length = reader.u16().ok()?;
            record = Some((kind, reader.take(usize::from(length)).ok()?));
        }
        Some(Self { header, name: found?, record })
    }
}

#[derive(Default)]
struct NetbiosNs;

impl Dialogue for NetbiosNs {
    const ID: &'static str = "netbios-ns";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let Some(Message { header, name, record }) = Message::read(bytes) else { return false };
        told.message(direction, |fields| {
            fields.push(("nbns.id", FieldValue::Unsigned(u64::from(header.id))));
            fields.push(("nbns.flags.response", FieldValue::Bool(header.answer)));
            fields.push(("nbns.flags.opcode", FieldValue::Unsigned(u64::from(header.opcode))));
            fields.push(("nbns.name", FieldValue::Text(name.text.clone())));
        });
        let speaker = told.speaker(direction);
        match (header.answer, header.opcode, record) {
            // Whoever registers a name has it.
            (false, REGISTRATION | REFRESH | REFRESH_TOO, Some((NAME, data))) => {
                let group = data.first().is_some_and(|flags| flags & GROUP != 0);
                if group && name.kind == WORKSTATION {
                    told.identity(speaker, "workgroup", name.text, "NetBIOS");
                } else if !group && name.is_host() {
                    told.identity(speaker, "name", name.text, "NetBIOS");
                }
            }
            (true, QUERY, Some((NAME, data))) if header.code == 0 && name.is_host() => {
                let Some([flags, _, a, b, c, d]) = data.first_chunk::<6>() else { return true };
                let ip = IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d));
                if flags & GROUP != 0 || !is_host(ip) {
                    return true;
                }
                if speaker.ip == Some(ip) {
                    told.identity(speaker, "name", name.text, "NetBIOS");
                } else {
                    told.hearsay(ip, "dns-name", name.text, "NetBIOS");
                }
            }
            (true, QUERY, Some((STATUS, data))) => {
                let count = usize::from(data.first().copied().unwrap_or(0));
                let entries = data.get(1..).unwrap_or_default().as_chunks::<18>().0;
                for entry in entries.iter().take(count.min(32)) {
                    let Some((octets, [flags, _])) = entry.split_first_chunk::<16>() else { continue };
                    let name = Name::of(octets);
                    if name.kind != WORKSTATION || name.text.is_empty() {
                        continue;
                    }
                    let property = if flags & GROUP != 0 { "workgroup" } else { "name" };
                    told.identity(speaker, property, name.text, "NetBIOS");
                }
            }
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        // `HMI1` with blanks, kind 0.
        let label = b"EIENEJDBCACACACACACACACACACACAAA";
        assert_eq!(Name::decode(label), Some(Name { text: "HMI1".to_owned(), kind: 0 }));
        assert_eq!(Name::decode(b"EIENEJDBCACACACACACACACACACACA"), None);
        assert_eq!(Name::decode(b"ZIENEJDBCACACACACACACACACACACAAA"), None);
    }
}
