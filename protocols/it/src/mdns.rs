//! Multicast DNS (RFC 6762) and LLMNR (RFC 4795): hosts tell their own names.

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use crate::dns::{FIELDS, Parsed, is_host, is_message};
use ot_protocol::{Direction, Probe};

const MDNS_PORT: u16 = 5353;
const PORTS: &[u16] = &[MDNS_PORT, 5355];

pub(crate) const MDNS: Companion = Companion {
    id: Mdns::ID,
    name: "Multicast DNS",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Mdns>::boxed,
    fields: FIELDS,
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    match bytes.into_iter().find(|bytes| !bytes.is_empty()) {
        Some(bytes) if datagram && hint && is_message(bytes) => Probe::Yes { client: None },
        _ => Probe::No,
    }
}

#[derive(Default)]
struct Mdns;

impl Dialogue for Mdns {
    const ID: &'static str = "mdns";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let Some(message) = Parsed::read(bytes) else { return false };
        told.message(direction, |fields| message.fields(bytes, fields));
        if !message.header.answer {
            return true;
        }
        let speaker = told.speaker(direction);
        let multicast = speaker.port == MDNS_PORT;
        let source = if multicast { "mDNS" } else { "LLMNR" };
        for record in &message.records {
            let Some(ip) = record.address().filter(|ip| is_host(*ip)) else { continue };
            let name = record.name.strip_suffix(".local").unwrap_or(&record.name).to_owned();
            // A responder answers for itself; proxies answer for others.
            if speaker.ip == Some(ip) {
                told.identity(speaker, "name", name, source);
            } else if speaker.ip.is_some_and(|own| own.is_ipv4() == ip.is_ipv4()) {
                told.hearsay(ip, "dns-name", record.name.clone(), source);
            } else {
                told.identity(speaker, "name", name, source);
            }
        }
        true
    }
}
