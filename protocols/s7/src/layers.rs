//! Fields of TPKT and COTP, under Wireshark's display-filter names.

use crate::cotp::{Unit, UnitType};
use crate::tpkt;
use ot_protocol::{FieldValue, Fields};

/// Name, kind and meaning of each field of the two layers; both S7 protocols list them.
macro_rules! layer_docs {
    ($with:ident $($own:tt)*) => {
        $with! {
            "tpkt.version" Number "TPKT version; 3"
            "tpkt.reserved" Number "TPKT reserved byte; 0"
            "tpkt.length" Number "Length of the packet in bytes, header included, 7 to 65535"
            "tpkt.continuation_data" Bytes "Bytes that stand where a packet should begin"
            "cotp.li" Number "Length of the transport header in bytes, without this one"
            "cotp.type" Number "Type of the transport unit: 14 connect request, 13 connect confirm, 15 data, 8 disconnect request, 12 disconnect confirm, 1 expedited data, 5 reject, 6 acknowledgement, 7 error"
            "cotp.destref" Number "Destination reference; 0 on data units of class 0, which have none"
            "cotp.srcref" Number "Source reference"
            "cotp.class" Number "Transport class; 0"
            "cotp.opts.extended_formats" Bool "Extended formats"
            "cotp.opts.no_explicit_flow_control" Bool "No explicit flow control"
            "cotp.parameter_code" Number "Code of a parameter: 192 unit size, 193 calling selector, 194 called selector"
            "cotp.parameter_length" Number "Length of a parameter in bytes"
            "cotp.parameter_value" Bytes "Value of a parameter without a field of its own"
            "cotp.src-tsap" Text "Calling transport selector: text, or hexadecimal (0x0100: programming device)"
            "cotp.src-tsap-bytes" Bytes "Calling transport selector"
            "cotp.dst-tsap" Text "Called transport selector: text, or hexadecimal (0x0102: PG connection to rack 0, slot 2)"
            "cotp.dst-tsap-bytes" Bytes "Called transport selector"
            "cotp.tpdu_size" Number "Largest transport unit in bytes"
            "cotp.checksum" Number "Checksum"
            "cotp.cause" Number "Disconnect request: reason"
            "cotp.reject_cause" Number "Error: reject cause"
            "cotp.tpdu-number" Number "Number of the data unit; 0 in class 0"
            "cotp.next-tpdu-number" Number "Acknowledgement, reject: number of the unit that is waited for"
            "cotp.eot" Bool "Last data unit of a unit of user data"
            "cotp.segment_data" Bytes "On the last of several data units: the user data put together"
            "cotp.segment" Number "On the last of several data units: the frames that brought them"
            "cotp.segment.count" Number "On the last of several data units: how many there were"
            "cotp.reassembled.length" Number "On the last of several data units: bytes of user data in all"
            "cotp.tsap_kind" Text "Kind of connection that the called selector asks for: PG, OP, S7 basic, configured (not a Wireshark field)"
            "cotp.tsap_rack" Number "Rack that the called selector asks for (not a Wireshark field)"
            "cotp.tsap_slot" Number "Slot that the called selector asks for (not a Wireshark field)"
            $($own)*
        }
    };
}
pub(crate) use layer_docs;

pub(crate) fn number(fields: &mut Fields, name: &'static str, value: impl Into<u64>) {
    fields.push((name, FieldValue::Unsigned(value.into())));
}

pub(crate) fn bytes(fields: &mut Fields, name: &'static str, bytes: &[u8]) {
    fields.push((name, FieldValue::Bytes(bytes.to_vec())));
}

pub(crate) fn flag(fields: &mut Fields, name: &'static str, value: bool) {
    fields.push((name, FieldValue::Bool(value)));
}

/// A text; one without letters is not told.
pub(crate) fn text(fields: &mut Fields, name: &'static str, value: impl Into<String>) {
    let value = value.into();
    if !value.is_empty() {
        fields.push((name, FieldValue::Text(value)));
    }
}

/// Fields of a packet's header.
pub(crate) fn header(fields: &mut Fields, header: tpkt::Header) {
    number(fields, "tpkt.version", header.version);
    number(fields, "tpkt.reserved", header.reserved);
    number(fields, "tpkt.length", header.length);
}

/// Fields of a transport unit.
pub(crate) fn unit(fields: &mut Fields, unit: &Unit<'_>) {
    number(fields, "cotp.li", unit.li);
    number(fields, "cotp.type", unit.kind.0);
    let reference = |fields: &mut Fields, name, at| {
        if let Some(reference) = unit.u16(at) {
            number(fields, name, reference);
        }
    };
    let byte = |fields: &mut Fields, name, at: usize| {
        if let Some(&byte) = unit.header.get(at) {
            number(fields, name, byte);
        }
    };
    match unit.kind {
        UnitType::CR | UnitType::CC => {
            reference(fields, "cotp.destref", 2);
            reference(fields, "cotp.srcref", 4);
            if let Some(&class) = unit.header.get(6) {
                number(fields, "cotp.class", class >> 4);
                flag(fields, "cotp.opts.extended_formats", class & 2 != 0);
                flag(fields, "cotp.opts.no_explicit_flow_control", class & 1 != 0);
            }
            for (code, value) in unit.parameters() {
                parameter(fields, code, value);
            }
        }
        UnitType::DR => {
            reference(fields, "cotp.destref", 2);
            reference(fields, "cotp.srcref", 4);
            byte(fields, "cotp.cause", 6);
        }
        UnitType::DC => {
            reference(fields, "cotp.destref", 2);
            reference(fields, "cotp.srcref", 4);
        }
        UnitType::ER => {
            reference(fields, "cotp.destref", 2);
            byte(fields, "cotp.reject_cause", 4);
        }
        UnitType::AK | UnitType::RJ | UnitType::EA => {
            reference(fields, "cotp.destref", 2);
            byte(fields, "cotp.next-tpdu-number", 4);
        }
        UnitType::DT if unit.li == 2 => {
            number(fields, "cotp.destref", 0_u8);
            if let Some(&last) = unit.header.get(2) {
                number(fields, "cotp.tpdu-number", last & 0x7F);
                flag(fields, "cotp.eot", last & 0x80 != 0);
            }
        }
        UnitType::DT | UnitType::ED => {
            reference(fields, "cotp.destref", 2);
            if let Some(&last) = unit.header.get(4) {
                number(fields, "cotp.tpdu-number", last & 0x7F);
                flag(fields, "cotp.eot", last & 0x80 != 0);
            }
        }
        _ => {}
    }
}

/// Fields of user data that came in several data units, on the last one.
pub(crate) fn joined(fields: &mut Fields, wanted: bool, frames: &[u64], data: &[u8]) {
    if !wanted || frames.len() < 2 {
        return;
    }
    for &frame in frames {
        number(fields, "cotp.segment", frame);
    }
    number(fields, "cotp.segment.count", u64::try_from(frames.len()).unwrap_or(u64::MAX));
    number(fields, "cotp.reassembled.length", u64::try_from(data.len()).unwrap_or(u64::MAX));
    if !data.is_empty() {
        bytes(fields, "cotp.segment_data", data);
    }
}

fn parameter(fields: &mut Fields, code: u8, value: &[u8]) {
    number(fields, "cotp.parameter_code", code);
    number(fields, "cotp.parameter_length", u64::try_from(value.len()).unwrap_or(u64::MAX));
    match (code, value) {
        (0xC0, &[exponent @ 7..=13]) => number(fields, "cotp.tpdu_size", 1_u64 << exponent),
        (0xC1, _) => {
            text(fields, "cotp.src-tsap", selector(value));
            bytes(fields, "cotp.src-tsap-bytes", value);
        }
        (0xC2, _) => {
            text(fields, "cotp.dst-tsap", selector(value));
            bytes(fields, "cotp.dst-tsap-bytes", value);
            if let Some(selector) = crate::cotp::Selector::read(value).filter(|selector| selector.is_s7()) {
                text(fields, "cotp.tsap_kind", selector.kind_name());
                number(fields, "cotp.tsap_rack", selector.rack);
                number(fields, "cotp.tsap_slot", selector.slot);
            }
        }
        (0xC3, &[high, low]) => number(fields, "cotp.checksum", u16::from_be_bytes([high, low])),
        _ => bytes(fields, "cotp.parameter_value", value),
    }
}

/// A transport selector: text where it is printable, else hexadecimal.
pub(crate) fn selector(value: &[u8]) -> String {
    use std::fmt::Write as _;
    if !value.is_empty() && value.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return value.iter().copied().map(char::from).collect();
    }
    let mut text = String::from("0x");
    for byte in value {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
