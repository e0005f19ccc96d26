//! DHCP: who a host says to be when it asks for an address (RFC 2131, RFC 2132).

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use crate::dns::is_host;
use crate::text::clean;
use ot_protocol::{Direction, Endpoint, FieldDoc, FieldKind, FieldValue, Mac, Probe, Reader, SubAddress};
use std::net::{IpAddr, Ipv4Addr};

const PORTS: &[u16] = &[67, 68];
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Message types (RFC 2132, clause 9.6).
const OFFER: u8 = 2;
const ACK: u8 = 5;

pub(crate) const DHCP: Companion = Companion {
    id: Dhcp::ID,
    name: "DHCP",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Dhcp>::boxed,
    fields: &[
        FieldDoc { name: "dhcp.type", kind: FieldKind::Number, meaning: "1 request, 2 reply" },
        FieldDoc { name: "dhcp.hw.mac_addr", kind: FieldKind::Text, meaning: "MAC address of the client" },
        FieldDoc { name: "dhcp.ip.your", kind: FieldKind::Text, meaning: "Address given to the client" },
        FieldDoc {
            name: "dhcp.option.dhcp",
            kind: FieldKind::Number,
            meaning: "Message: 1 discover, 2 offer, 3 request, 5 ack",
        },
        FieldDoc { name: "dhcp.option.hostname", kind: FieldKind::Text, meaning: "Host name of the client" },
        FieldDoc { name: "dhcp.option.vendor_class_id", kind: FieldKind::Text, meaning: "Vendor class of the client" },
    ],
    rules: &[],
};

struct Message<'a> {
    reply: bool,
    mac: Mac,
    own: Ipv4Addr,
    your: Ipv4Addr,
    relayed: bool,
    kind: u8,
    host: &'a [u8],
    class: &'a [u8],
}

impl<'a> Message<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let [operation @ (1 | 2), 1, 6, _] = reader.array::<4>().ok()? else { return None };
        reader.take(8).ok()?;
        let own = Ipv4Addr::from(reader.array::<4>().ok()?);
        let your = Ipv4Addr::from(reader.array::<4>().ok()?);
        reader.take(4).ok()?;
        let relay = reader.u32().ok()?;
        let mac = Mac(reader.array::<6>().ok()?);
        reader.take(10 + 64 + 128).ok()?;
        (reader.array::<4>().ok()? == COOKIE).then_some(())?;
        let mut message =
            Self { reply: operation == 2, mac, own, your, relayed: relay != 0, kind: 0, host: &[], class: &[] };
        while let Ok(option) = reader.u8() {
            match option {
                0 => continue,
                255 => break,
                _ => {}
            }
            let Some(data) = reader.u8().ok().and_then(|length| reader.take(usize::from(length)).ok()) else { break };
            match (option, data) {
                (12, host) => message.host = host,
                (53, [kind]) => message.kind = *kind,
                (60, class) => message.class = class,
                // A full name, in the old encoding, behind flags and codes (RFC 4702, clause 2).
                (81, [flags, _, _, name @ ..]) if message.host.is_empty() && flags & 4 == 0 => message.host = name,
                _ => {}
            }
        }
        Some(message)
    }
}

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    match bytes.into_iter().find(|bytes| !bytes.is_empty()) {
        Some(bytes) if datagram && hint && Message::read(bytes).is_some() => Probe::Yes { client: None },
        _ => Probe::No,
    }
}

#[derive(Default)]
struct Dhcp;

impl Dialogue for Dhcp {
    const ID: &'static str = "dhcp";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let Some(message) = Message::read(bytes) else { return false };
        told.is_client(if message.reply { direction.reversed() } else { direction });
        let (host, class) = (clean(message.host, 128), clean(message.class, 128));
        told.message(direction, |fields| {
            let text = |text: &str| FieldValue::Text(text.to_owned());
            fields.push(("dhcp.type", FieldValue::Unsigned(if message.reply { 2 } else { 1 })));
            fields.push(("dhcp.hw.mac_addr", FieldValue::Text(message.mac.to_string())));
            fields.push(("dhcp.ip.your", FieldValue::Text(message.your.to_string())));
            fields.push(("dhcp.option.dhcp", FieldValue::Unsigned(u64::from(message.kind))));
            for (name, value) in [("dhcp.option.hostname", &host), ("dhcp.option.vendor_class_id", &class)] {
                if !value.is_empty() {
                    fields.push((name, text(value)));
                }
            }
        });
        let speaker = told.speaker(direction);
        if message.reply {
            if matches!(message.kind, OFFER | ACK) && !message.relayed {
                told.identity(speaker, "capabilities", "DHCP server".to_owned(), "DHCP answer");
            }
            // Some servers give the name with the address.
            let ip = IpAddr::V4(message.your);
            if message.kind == ACK && is_host(ip) {
                told.hearsay(ip, "name", host, "DHCP answer");
            }
            return true;
        }
        // The request comes from the client's own card, unless a relay passed it on.
        if message.relayed || message.mac.is_group() || message.mac == Mac::default() {
            return true;
        }
        let own = (!message.own.is_unspecified()).then_some(IpAddr::V4(message.own));
        let device = Endpoint { mac: Some(message.mac), vlan: speaker.vlan, ip: own, port: 0, sub: SubAddress::None };
        told.identity(device, "name", host, "DHCP request");
        told.identity(device, "dhcp-vendor-class", class, "DHCP request");
        true
    }
}
