//! PROFINET DCP: station name, vendor and device id, address and role of PROFINET devices (IEC 61158-6-10, clause 4.3).
//!
//! Only what identifies a device is read; the exchange of process data has other frame ids and is not followed.

use crate::companion::{Companion, CompanionSession, Dialogue, Told};
use crate::text::clean;
use ot_protocol::{Direction, Endpoint, FieldDoc, FieldKind, FieldValue, Fields, Probe, Reader};
use std::net::Ipv4Addr;

pub(crate) const PROFINET_DCP: Companion = Companion {
    id: Dcp::ID,
    name: "PROFINET DCP",
    ports: &[],
    ethertypes: &[0x8892],
    probe,
    session: CompanionSession::<Dcp>::boxed,
    fields: &[
        FieldDoc {
            name: "pn_dcp.service_id",
            kind: FieldKind::Number,
            meaning: "Service: 3 get, 4 set, 5 identify, 6 hello",
        },
        FieldDoc {
            name: "pn_dcp.service_type",
            kind: FieldKind::Number,
            meaning: "0 request, 1 response with success",
        },
        FieldDoc {
            name: "pn_dcp.suboption_device_nameofstation",
            kind: FieldKind::Text,
            meaning: "Name of the station",
        },
        FieldDoc {
            name: "pn_dcp.suboption_device_typeofstation",
            kind: FieldKind::Text,
            meaning: "Type of the station",
        },
        FieldDoc {
            name: "pn_dcp.suboption_vendor_id",
            kind: FieldKind::Number,
            meaning: "Vendor id, as PI assigns it",
        },
        FieldDoc {
            name: "pn_dcp.suboption_device_id",
            kind: FieldKind::Number,
            meaning: "Device id, as the vendor assigns it",
        },
        FieldDoc {
            name: "pn_dcp.suboption_device_role",
            kind: FieldKind::Number,
            meaning: "Bit 0 IO device, bit 1 IO controller, bit 2 multidevice, bit 3 supervisor",
        },
        FieldDoc { name: "pn_dcp.suboption_ip_ip", kind: FieldKind::Text, meaning: "IP address of the station" },
    ],
    rules: &[],
};

/// Frame ids of DCP.
const HELLO: u16 = 0xfefc;
const IDENTIFY_RESPONSE: u16 = 0xfeff;
/// Octets before the blocks.
const HEADER: usize = 12;
/// Service types.
const REQUEST: u8 = 0;
/// Services.
const GET: u8 = 3;

fn probe(bytes: [&[u8]; 2], _: bool, _: bool) -> Probe {
    let is = |bytes: &[u8]| matches!(bytes, [0xfe, 0xfc..=0xff, 3..=6, 0 | 1 | 5, ..]) && bytes.len() >= HEADER;
    if bytes.into_iter().any(is) { Probe::Yes { client: None } } else { Probe::No }
}

/// Vendors by the id that PI gave them.
fn vendor(id: u16) -> Option<&'static str> {
    match id {
        0x002a => Some("Siemens"),
        0x00b0 => Some("Phoenix Contact"),
        _ => None,
    }
}

/// Roles in words.
fn roles(bits: u8) -> String {
    let names = ["IO device", "IO controller", "IO multidevice", "PN supervisor"];
    let set = names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[derive(Default)]
struct Dcp;

impl Dialogue for Dcp {
    const ID: &'static str = "profinet-dcp";

    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        let Ok(frame) = reader.u16() else { return false };
        let (Ok(service), Ok(kind)) = (reader.u8(), reader.u8()) else { return false };
        let (Ok(_), Ok(_), Ok(length)) = (reader.u32(), reader.u16(), reader.u16()) else { return false };
        let blocks = reader.rest().get(..usize::from(length)).unwrap_or(reader.rest());
        let mut fields: Fields = vec![
            ("pn_dcp.service_id", FieldValue::Unsigned(u64::from(service))),
            ("pn_dcp.service_type", FieldValue::Unsigned(u64::from(kind))),
        ];
        // A device tells of itself in what it answers and in its hello; a request only names whom it looks for.
        let own = matches!(frame, IDENTIFY_RESPONSE | HELLO) || (kind != REQUEST && service == GET);
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        let mut ip = None;
        let mut reader = Reader::new(blocks);
        for _ in 0..32 {
            let (Ok(option), Ok(sub), Ok(length)) = (reader.u8(), reader.u8(), reader.u16()) else { break };
            let Ok(block) = reader.take(usize::from(length)) else { break };
            if length % 2 == 1 {
                let _ = reader.u8();
            }
            // What is told carries two octets of information before its value.
            let value = if own { block.get(2..).unwrap_or_default() } else { block };
            let text = |value: &[u8]| clean(value, 240);
            match (option, sub, value) {
                (1, 2, [a, b, c, d, ..]) => {
                    let address = Ipv4Addr::new(*a, *b, *c, *d);
                    fields.push(("pn_dcp.suboption_ip_ip", FieldValue::Text(address.to_string())));
                    ip = Some(address).filter(|ip| !ip.is_unspecified());
                }
                (2, 1, value) => {
                    fields.push(("pn_dcp.suboption_device_typeofstation", FieldValue::Text(text(value))));
                    facts.push(("product", text(value)));
                }
                (2, 2, value) => {
                    fields.push(("pn_dcp.suboption_device_nameofstation", FieldValue::Text(text(value))));
                    facts.push(("name", text(value)));
                }
                (2, 3, [v, w, d, e, ..]) => {
                    let (of, device) = (u16::from_be_bytes([*v, *w]), u16::from_be_bytes([*d, *e]));
                    fields.push(("pn_dcp.suboption_vendor_id", FieldValue::Unsigned(u64::from(of))));
                    fields.push(("pn_dcp.suboption_device_id", FieldValue::Unsigned(u64::from(device))));
                    facts.extend(vendor(of).map(|name| ("vendor", name.to_owned())));
                    facts.push(("vendor-id", format!("{of:#06x}")));
                    facts.push(("device-id", format!("{device:#06x}")));
                }
                (2, 4, [bits, ..]) => {
                    fields.push(("pn_dcp.suboption_device_role", FieldValue::Unsigned(u64::from(*bits))));
                    facts.push(("profinet-role", roles(*bits)));
                }
                _ => {}
            }
        }
        told.message(direction, |all| all.append(&mut fields));
        if own {
            let speaker = told.speaker(direction);
            // With its address it is the device at that address, whose MAC this is.
            let device = Endpoint { ip: ip.map(Into::into), ..speaker };
            for (property, value) in facts {
                told.identity(device, property, value, "PROFINET DCP");
            }
        }
        true
    }
}
