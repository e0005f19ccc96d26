//! Cisco Discovery Protocol: what a device tells its neighbours (as Cisco describes it for its devices).

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use crate::lldp;
use crate::text::{clean, first_line};
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Fields, Probe, Reader};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) const CDP: Companion = Companion {
    id: Cdp::ID,
    name: "Cisco Discovery Protocol",
    ports: &[],
    // The protocol id behind SNAP.
    ethertypes: &[0x2000],
    probe,
    session: CompanionSession::<Cdp>::boxed,
    fields: &[
        FieldDoc { name: "cdp.deviceid", kind: FieldKind::Text, meaning: "Name of the device" },
        FieldDoc { name: "cdp.platform", kind: FieldKind::Text, meaning: "Model of the device" },
        FieldDoc {
            name: "cdp.software_version",
            kind: FieldKind::Text,
            meaning: "First line of the software's version",
        },
        FieldDoc { name: "cdp.portid", kind: FieldKind::Text, meaning: "Name of the port that sent it" },
    ],
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], _: bool, _: bool) -> Probe {
    let is = |bytes: &[u8]| matches!(bytes, [1 | 2, _, _, _, 0, 1, ..]);
    if bytes.into_iter().any(is) { Probe::Yes { client: None } } else { Probe::No }
}

/// The first IPv4 address of a list of addresses.
fn address(contents: &[u8]) -> Option<IpAddr> {
    let mut reader = Reader::new(contents);
    reader.u32().ok()?;
    let [1, 1, 0xcc, 0, 4] = reader.array::<5>().ok()? else { return None };
    reader.array::<4>().ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
}

#[derive(Default)]
struct Cdp;

impl Dialogue for Cdp {
    const ID: &'static str = "cdp";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        if reader.take(4).is_err() {
            return false;
        }
        let mut facts: Vec<(&'static str, String, &'static str)> = Vec::new();
        let mut management = None;
        let mut fields = Fields::new();
        for _ in 0..64 {
            let (Ok(kind), Ok(length)) = (reader.u16(), reader.u16()) else { break };
            let Some(contents) = usize::from(length).checked_sub(4).and_then(|length| reader.take(length).ok()) else {
                break;
            };
            let mut field = |name: &'static str, text: String| {
                fields.push((name, FieldValue::Text(text.clone())));
                text
            };
            match kind {
                1 => facts.push(("name", field("cdp.deviceid", clean(contents, 128)), "CDP device id")),
                2 => management = address(contents),
                3 => drop(field("cdp.portid", clean(contents, 64))),
                4 => {
                    if let Some([.., low]) = contents.first_chunk::<4>() {
                        // Bit 0 router; bits 1 and 2 bridge; bit 3 switch; bit 4 host.
                        let bridge = low & 0x0e != 0;
                        let bits = u16::from(bridge) << 2 | u16::from(low & 1) << 4 | u16::from(low >> 4 & 1) << 7;
                        facts.push(("capabilities", lldp::capabilities(bits), "CDP capabilities"));
                    }
                }
                5 => {
                    let line = first_line(contents, 256);
                    facts.push(("description", field("cdp.software_version", line), "CDP software version"));
                }
                6 => facts.push(("product", field("cdp.platform", clean(contents, 128)), "CDP platform")),
                _ => {}
            }
        }
        told.message(direction, |all| all.append(&mut fields));
        let speaker = told.speaker(direction);
        lldp::tell(told, speaker, management, facts);
        true
    }
}
