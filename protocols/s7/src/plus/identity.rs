//! What controller and client tell about themselves.

use super::body::Head;
use super::found::{Found, Scalar, Value};
use super::meaning::{self, Label, Part, id};
use super::names::{self, function};

/// Source of what the set-up of a session tells.
const SESSION: &str = "S7comm-plus session";
/// Source of what identification and maintenance data tell.
const IM0: &str = "S7comm-plus I&M0 data";
/// Source of the operating state.
const STATE: &str = "S7comm-plus operating state";

/// A property, its value and where it comes from.
pub(crate) type Telling = (&'static str, String, &'static str);

/// What the answer to a request tells of the server. `asked`: object and first attribute of the request.
pub(crate) fn server(head: &Head, asked: Option<(u32, u32)>, found: &Found, message: &[u8]) -> Vec<Telling> {
    let mut told = Vec::new();
    if let Some(Scalar::Text(text)) = found.attribute(id::PAOM_STRING).map(|value| value.first) {
        paom(&names::clean(text.of(message)), &mut told);
    }
    if head.function == function::GET_VAR_SUBSTREAMED
        && let (Some((_, id::IM0_DATA)), Some(Scalar::Bytes(blob))) = (asked, found.value.map(|value| value.first))
    {
        im0(blob.of(message), &mut told);
    }
    told
}

/// The operating state that the value of a part tells, where it is that of the CPU: the diagnostic structure of the
/// execution unit, or the state in it alone.
pub(crate) fn run_state(part: &Part, value: &Value, found: &Found) -> Option<Telling> {
    let whole = match part.label {
        Label::Object(id::THE_CPU_EXEC_UNIT, id::HW_OBJECT_DIS) => true,
        Label::Address(it) if it.area == id::THE_CPU_EXEC_UNIT && it.sub == id::HW_OBJECT_DIS => match it.lids() {
            [] => true,
            [.., id::OPERATING_STATE] => false,
            _ => return None,
        },
        _ => return None,
    };
    // The fifth member of the structure is the operating state.
    let place = if whole { 4 } else { 0 };
    let number = *found.numbers_of(value).get(place)?;
    let code = [4_i32, 6, 8].into_iter().find(|code| f64::from(*code) == number)?;
    meaning::run_state(i64::from(code)).map(|state| ("run-state", state.to_owned(), STATE))
}

/// Identity in the version of a session: `1;6ES7 212-1BE40-0XB0;V4.2` is order number and firmware.
fn paom(text: &str, told: &mut Vec<Telling>) {
    let mut parts = text.split(';').skip(1).map(str::trim);
    let (Some(order), Some(firmware)) = (parts.next(), parts.next()) else { return };
    if order.is_empty() {
        return;
    }
    told.push(("vendor", "Siemens".to_owned(), SESSION));
    told.push(("order-number", order.to_owned(), SESSION));
    if let Some(model) = model(order) {
        told.push(("model", model, SESSION));
    }
    if !firmware.is_empty() {
        told.push(("firmware", firmware.to_owned(), SESSION));
    }
}

/// Name of a CPU by its order number: `6ES7 21x` are those of S7-1200, `6ES7 51x` those of S7-1500.
fn model(order: &str) -> Option<String> {
    let digits: String = order.strip_prefix("6ES7")?.chars().filter(char::is_ascii_digit).take(3).collect();
    match digits.as_str() {
        "211" | "212" | "214" | "215" | "217" => Some(format!("S7-1200 CPU 12{}C", digits.get(1..)?)),
        "510" | "511" | "512" | "513" | "515" | "516" | "517" | "518" => Some(format!("S7-1500 CPU 1{digits}")),
        _ => None,
    }
}

/// Identification and maintenance data 0 (PROFINET, clause 6 of the I&M guidelines) behind six bytes of block header:
/// vendor id, order number (20), serial (16), hardware revision, software revision (letter and three numbers).
fn im0(data: &[u8], told: &mut Vec<Telling>) {
    let text = |range| data.get(range).map(names::clean).filter(|text: &String| !text.is_empty());
    if data.get(6..8) == Some(&[0, 42]) {
        told.push(("vendor", "Siemens".to_owned(), IM0));
    }
    if let Some(order) = text(8..28) {
        told.push(("order-number", order, IM0));
    }
    if let Some(serial) = text(28..44) {
        told.push(("serial", serial, IM0));
    }
    if let Some(&[high, low]) = data.get(44..46).and_then(|bytes| bytes.first_chunk()) {
        told.push(("hardware", u16::from_be_bytes([high, low]).to_string(), IM0));
    }
    if let Some(&[letter, major, minor, patch]) = data.get(46..50).and_then(|bytes| bytes.first_chunk())
        && letter.is_ascii_alphabetic()
    {
        // Finer than the session's firmware, which has two numbers: a property of its own, or each would seem a change.
        told.push(("firmware-build", format!("{}{major}.{minor}.{patch}", char::from(letter)), IM0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_number_and_firmware_of_a_session() {
        let mut told = Vec::new();
        paom("1;6ES7 214-1HE30-0XB0 ;V2.2", &mut told);
        let values: Vec<_> = told.iter().map(|(property, value, _)| (*property, value.as_str())).collect();
        assert_eq!(
            values,
            [
                ("vendor", "Siemens"),
                ("order-number", "6ES7 214-1HE30-0XB0"),
                ("model", "S7-1200 CPU 1214C"),
                ("firmware", "V2.2")
            ]
        );
        assert_eq!(model("6ES7 511-1AK00-0AB0").as_deref(), Some("S7-1500 CPU 1511"));
        assert_eq!(model("6AV2 124-0GC01-0AX0"), None);
    }

    #[test]
    fn maintenance_data() {
        let mut data = vec![0, 0x20, 0, 0x38, 1, 0, 0, 42];
        data.extend(b"6ES7 215-1AG40-0XB0 S C-ABC123456789");
        data.extend([0, 5, b'V', 4, 3, 1]);
        let mut told = Vec::new();
        im0(&data, &mut told);
        let values: Vec<_> = told.iter().map(|(property, value, _)| (*property, value.as_str())).collect();
        assert_eq!(
            values,
            [
                ("vendor", "Siemens"),
                ("order-number", "6ES7 215-1AG40-0XB0"),
                ("serial", "S C-ABC123456789"),
                ("hardware", "5"),
                ("firmware-build", "V4.3.1")
            ]
        );
    }
}
