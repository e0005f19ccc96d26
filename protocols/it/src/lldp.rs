//! LLDP: what a device tells its neighbours (IEEE 802.1AB, clause 8).

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use crate::text::clean;
use ot_protocol::{Direction, Endpoint, FieldDoc, FieldKind, FieldValue, Fields, Probe, Reader};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) const LLDP: Companion = Companion {
    id: Lldp::ID,
    name: "LLDP",
    ports: &[],
    ethertypes: &[0x88cc],
    probe,
    session: CompanionSession::<Lldp>::boxed,
    fields: &[
        FieldDoc { name: "lldp.tlv.system.name", kind: FieldKind::Text, meaning: "Name of the device" },
        FieldDoc { name: "lldp.tlv.system.desc", kind: FieldKind::Text, meaning: "What the device is" },
        FieldDoc { name: "lldp.port.desc", kind: FieldKind::Text, meaning: "Name of the port that sent it" },
        FieldDoc { name: "lldp.mgn.addr.ip4", kind: FieldKind::Text, meaning: "Management address" },
        FieldDoc {
            name: "lldp.tlv.enable_system_cap",
            kind: FieldKind::Number,
            meaning: "Capabilities in use: bit 2 bridge, bit 4 router",
        },
    ],
    rules: &[],
};

/// Types of the parts.
const END: u8 = 0;
const CHASSIS: u8 = 1;
const PORT_DESCRIPTION: u8 = 4;
const NAME: u8 = 5;
const DESCRIPTION: u8 = 6;
const CAPABILITIES: u8 = 7;
const MANAGEMENT: u8 = 8;
const ORGANISATION: u8 = 127;

/// Names of the capabilities by bit (IEEE 802.1AB, table 8-4).
const CAPABILITY_NAMES: [&str; 8] =
    ["other", "repeater", "bridge", "wireless access point", "router", "telephone", "DOCSIS cable device", "station"];

/// Type and contents of each part; ends with the first that is broken.
fn parts(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(move || {
        // Seven bits of type, nine of length.
        let head = reader.u16().ok()?;
        let kind = u8::try_from(head >> 9).unwrap_or(END);
        let contents = reader.take(usize::from(head & 0x1ff)).ok()?;
        (kind != END).then_some((kind, contents))
    })
}

fn probe(bytes: [&[u8]; 2], _: bool, _: bool) -> Probe {
    let is = |bytes: &[u8]| parts(bytes).next().is_some_and(|(kind, contents)| kind == CHASSIS && contents.len() > 1);
    if bytes.into_iter().any(is) { Probe::Yes { client: None } } else { Probe::No }
}

/// Capabilities in use, as words.
pub(crate) fn capabilities(bits: u16) -> String {
    let names = CAPABILITY_NAMES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[derive(Default)]
struct Lldp;

impl Dialogue for Lldp {
    const ID: &'static str = "lldp";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let speaker = told.speaker(direction);
        let mut facts: Vec<(&'static str, String, &'static str)> = Vec::new();
        let mut management = None;
        let mut fields = Fields::new();
        for (kind, contents) in parts(bytes).take(64) {
            let mut text = |name: &'static str| {
                let text = clean(contents, 256);
                fields.push((name, FieldValue::Text(text.clone())));
                text
            };
            match (kind, contents) {
                (NAME, _) => facts.push(("name", text("lldp.tlv.system.name"), "LLDP system name")),
                (DESCRIPTION, _) => {
                    facts.push(("description", text("lldp.tlv.system.desc"), "LLDP system description"))
                }
                (PORT_DESCRIPTION, _) => drop(text("lldp.port.desc")),
                // PROFINET devices put their station's name here: assigned locally (subtype 7).
                (CHASSIS, [7, local @ ..]) => facts.push(("chassis", clean(local, 128), "LLDP chassis id")),
                (CAPABILITIES, [_, _, high, low]) => {
                    let bits = u16::from_be_bytes([*high, *low]);
                    fields.push(("lldp.tlv.enable_system_cap", FieldValue::Unsigned(u64::from(bits))));
                    facts.push(("capabilities", capabilities(bits), "LLDP capabilities"));
                }
                (MANAGEMENT, [5, 1, a, b, c, d, ..]) => {
                    let ip = Ipv4Addr::new(*a, *b, *c, *d);
                    fields.push(("lldp.mgn.addr.ip4", FieldValue::Text(ip.to_string())));
                    management = Some(IpAddr::V4(ip));
                }
                // Inventory of LLDP for media end points (ANSI/TIA-1057, clause 10.2.6).
                (ORGANISATION, [0, 0x12, 0xbb, subtype, value @ ..]) => {
                    let property = match subtype {
                        8 => "serial",
                        9 => "vendor",
                        10 => "model",
                        _ => continue,
                    };
                    facts.push((property, clean(value, 64), "LLDP inventory"));
                }
                _ => {}
            }
        }
        told.message(direction, |all| all.append(&mut fields));
        tell(told, speaker, management, facts);
        true
    }
}

/// A switch sends from the address of a port; whoever is at its management address is the same device.
pub(crate) fn tell(
    told: &mut Told<'_, '_>,
    speaker: Endpoint,
    management: Option<IpAddr>,
    facts: Vec<(&'static str, String, &'static str)>,
) {
    for (property, value, source) in facts {
        if let Some(ip) = management.filter(|ip| crate::dns::is_host(*ip)) {
            told.hearsay(ip, property, value.clone(), source);
        }
        told.identity(speaker, property, value, source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_words() {
        assert_eq!(capabilities(0b1_0100), "bridge, router");
        assert_eq!(capabilities(0), "");
    }
}
