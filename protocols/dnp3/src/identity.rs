//! What an outstation tells about itself: device attributes (group 0) and internal indications.

use crate::application::number;
use crate::objects::Number;
use ot_protocol::Reader;

/// Most characters of a value.
const MOST: usize = 200;

/// Property that a device attribute tells, and its source for people.
pub(crate) fn attribute(variation: u8) -> Option<(&'static str, &'static str)> {
    Some(match variation {
        196 => ("configuration-id", "DNP3 group 0 variation 196"),
        197 => ("configuration-version", "DNP3 group 0 variation 197"),
        206 => ("secondary-operator", "DNP3 group 0 variation 206"),
        207 => ("primary-operator", "DNP3 group 0 variation 207"),
        208 => ("system-name", "DNP3 group 0 variation 208"),
        209 => ("secure-authentication-version", "DNP3 group 0 variation 209"),
        242 => ("firmware", "DNP3 group 0 variation 242"),
        243 => ("hardware", "DNP3 group 0 variation 243"),
        244 => ("owner", "DNP3 group 0 variation 244"),
        245 => ("location", "DNP3 group 0 variation 245"),
        246 => ("device-id", "DNP3 group 0 variation 246"),
        247 => ("name", "DNP3 group 0 variation 247"),
        248 => ("serial", "DNP3 group 0 variation 248"),
        249 => ("conformance", "DNP3 group 0 variation 249"),
        250 => ("model", "DNP3 group 0 variation 250"),
        252 => ("vendor", "DNP3 group 0 variation 252"),
        _ => return None,
    })
}

/// The value of a device attribute as text: type, length, value.
pub(crate) fn attribute_value(object: &[u8]) -> Option<String> {
    let mut reader = Reader::new(object);
    let kind = reader.u8().ok()?;
    let length = reader.u8().ok()?;
    let bytes = reader.take(usize::from(length)).ok()?;
    let value = match (kind, length) {
        (1 | 8, _) => clean(bytes),
        (2, 1) => format!("{}", bytes.first()?),
        (2, 2) => format!("{}", number(Number::U16, bytes)),
        (2, 4) => format!("{}", number(Number::U32, bytes)),
        (3, 2) => format!("{}", number(Number::I16, bytes)),
        (3, 4) => format!("{}", number(Number::I32, bytes)),
        (4, 4) => format!("{}", number(Number::F32, bytes)),
        (4, 8) => format!("{}", number(Number::F64, bytes)),
        _ => return None,
    };
    (!value.is_empty()).then_some(value)
}

/// Without control characters and surrounding blanks.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    text.trim().to_owned()
}

/// Indications that say something of the device's state: all but those of waiting events.
pub(crate) const STATE: u16 = 0xF1FF;

/// Names of the indications of a state, in the order of their bits.
const NAMES: [(u16, &str); 13] = [
    (0x0100, "all-stations"),
    (0x1000, "need-time"),
    (0x2000, "local-control"),
    (0x4000, "device-trouble"),
    (0x8000, "device-restart"),
    (0x0001, "no-func-code-support"),
    (0x0002, "object-unknown"),
    (0x0004, "parameter-error"),
    (0x0008, "event-buffer-overflow"),
    (0x0010, "already-executing"),
    (0x0020, "config-corrupt"),
    (0x0040, "reserved-1"),
    (0x0080, "reserved-2"),
];

/// Internal indications in words.
pub(crate) fn indications(iin: u16) -> String {
    let names: Vec<&str> = NAMES.iter().filter(|(bit, _)| iin & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indications_have_names() {
        assert_eq!(indications(0x0E00), "none");
        assert_eq!(indications(0x9000), "need-time,device-restart");
        assert_eq!(indications(0xFFFF).split(',').count(), 13);
        assert_eq!(NAMES.iter().fold(0, |all, (bit, _)| all | bit), STATE);
    }

    #[test]
    fn attributes_have_values() {
        assert_eq!(attribute_value(b"\x01\x05AC\x00ME"), Some("AC ME".to_owned()));
        assert_eq!(attribute_value(&[2, 2, 1, 1]), Some("257".to_owned()));
        assert_eq!(attribute_value(&[2, 4, 1]), None);
        assert_eq!(attribute(252).map(|found| found.0), Some("vendor"));
        assert_eq!(attribute(1), None);
    }
}
