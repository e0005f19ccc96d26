//! What a device tells about itself: functions 17 and 43/14, UMAS identification.

use crate::function::{MEI_DEVICE_ID, code};
use ot_protocol::Reader;

/// Longest value kept, in characters.
const MOST: usize = 256;

/// A property, its value and where it comes from.
pub(crate) type Found = (&'static str, String, &'static str);

/// Objects of device identification (Modbus Application Protocol V1.1b3, clause 6.21).
const OBJECTS: [(&str, &str); 7] = [
    ("vendor", "Modbus FC 43/14 object 0"),
    ("product", "Modbus FC 43/14 object 1"),
    ("revision", "Modbus FC 43/14 object 2"),
    ("url", "Modbus FC 43/14 object 3"),
    ("name", "Modbus FC 43/14 object 4"),
    ("model", "Modbus FC 43/14 object 5"),
    ("application", "Modbus FC 43/14 object 6"),
];

/// Properties in the protocol data unit of an accepted response. `sub`: the UMAS function that was asked for.
pub(crate) fn identity(pdu: &[u8], sub: Option<u16>) -> Vec<Found> {
    match pdu {
        [code::REPORT_SERVER_ID, rest @ ..] => server_id(rest),
        [code::ENCAPSULATED_INTERFACE, MEI_DEVICE_ID, _, _, _, _, rest @ ..] => objects(rest),
        [code::UMAS, ..] if sub == Some(2) => umas(pdu),
        _ => Vec::new(),
    }
}

fn objects(rest: &[u8]) -> Vec<Found> {
    let mut reader = Reader::new(rest);
    let mut found = Vec::new();
    let Ok(count) = reader.u8() else { return found };
    for _ in 0..count {
        let (Ok(id), Ok(length)) = (reader.u8(), reader.u8()) else { break };
        let Ok(value) = reader.take(usize::from(length)) else { break };
        let value = clean(value);
        if let Some(&(property, source)) = OBJECTS.get(usize::from(id))
            && !value.is_empty()
        {
            found.push((property, value, source));
        }
    }
    found
}

/// Function 17 (clause 6.13): server id of a length that the device chooses, run indicator 00 or FF, more data. The
/// usual id is one byte.
fn server_id(rest: &[u8]) -> Vec<Found> {
    const SOURCE: &str = "Modbus FC 17";
    let Some((&count, data)) = rest.split_first() else { return Vec::new() };
    let Some(data) = data.get(..usize::from(count)) else { return Vec::new() };
    let run = |byte: &u8| matches!(byte, 0 | 0xFF);
    let at = if data.get(1).is_some_and(run) {
        Some(1)
    } else if data.len() > 1 && data.last().is_some_and(run) {
        Some(data.len() - 1)
    } else {
        None
    };
    let (id, more) = match at {
        Some(at) => (data.get(..at).unwrap_or_default(), data.get(at + 1..).unwrap_or_default()),
        None => (data, &[][..]),
    };
    let mut found = Vec::new();
    let value = [id, more].into_iter().filter(|part| !part.is_empty()).map(readable).collect::<Vec<_>>().join(" ");
    if !value.is_empty() {
        found.push(("server-id", value, SOURCE));
    }
    if let Some(&status) = at.and_then(|at| data.get(at)) {
        found.push(("run-status", if status == 0 { "off" } else { "on" }.to_owned(), SOURCE));
    }
    found
}

/// The answer to *read controller identification*: the controller's name stands behind its length.
fn umas(pdu: &[u8]) -> Vec<Found> {
    let name = pdu
        .get(25)
        .and_then(|&length| pdu.get(26..26 + usize::from(length)))
        .filter(|name| name.len() > 2 && name.iter().all(|byte| (0x20..0x7F).contains(byte)));
    name.map(|name| vec![("product", clean(name), "Schneider UMAS 0x02 (Modbus FC 90)")]).unwrap_or_default()
}

/// Text where it is text, else hexadecimal.
fn readable(bytes: &[u8]) -> String {
    let text = bytes.len() > 1 && bytes.iter().all(|byte| (0x20..0x7F).contains(byte) || *byte == 0);
    if text {
        return clean(bytes);
    }
    let hex: Vec<String> = bytes.iter().take(MOST / 3).map(|byte| format!("{byte:02x}")).collect();
    hex.join(":")
}

/// Without control characters and surrounding blanks, at most [`MOST`] characters.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_device_identification() {
        let pdu = b"\x2B\x0E\x01\x01\x00\x00\x03\x00\x04ACME\x01\x03A\x07C\x02\x04V1.0";
        let found = identity(pdu, None);
        assert_eq!(found[0], ("vendor", "ACME".to_owned(), "Modbus FC 43/14 object 0"));
        assert_eq!(found[1].1, "A C");
        assert_eq!(found[2], ("revision", "V1.0".to_owned(), "Modbus FC 43/14 object 2"));
    }

    #[test]
    fn reads_server_id() {
        let found = identity(b"\x11\x07\x05\xFFLM130", None);
        assert_eq!(found[0], ("server-id", "05 LM130".to_owned(), "Modbus FC 17"));
        assert_eq!(found[1], ("run-status", "on".to_owned(), "Modbus FC 17"));
    }

    #[test]
    fn survives_a_lying_length() {
        assert!(identity(b"\x11\x50\x05", None).is_empty());
        assert!(identity(b"\x2B\x0E\x01\x01\x00\x00\xFF\x00\xFF", None).is_empty());
    }
}
