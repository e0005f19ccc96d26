//! Words for people: functions, targets, values, deeds, times.
//!
//! Addresses are those on the wire, counted from 0 (Modbus Application Protocol V1.1b3, clause 4.4): `holding register
//! 0` is what some tools call 1 or 40001.

mod dnp3;
mod s7;

use crate::companions;
use ot_protocol::{Activity, Nanos, Operation, Outcome, Target, Timestamp, Values};
use std::fmt::Write as _;

/// `1 alert`, `2 alerts`.
pub fn number_of<N: std::fmt::Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    let one = count == N::from(1);
    format!("{count} {what}{}", if one { "" } else { "s" })
}

/// `Write Single Register (function 6)`.
pub fn function(activity: &Activity) -> String {
    let function = activity.function;
    match (activity.protocol, function.sub) {
        // These number no functions.
        (protocol, _) if companions::is_companion(protocol) => function.name.to_owned(),
        ("dnp3", _) if function.code == 0x1FF => function.name.to_owned(),
        // The name of a control says its operation, which is its subfunction.
        ("dnp3", _) => format!("{} ({})", function.name, codes(activity.protocol, function.code, None)),
        ("s7comm" | "s7comm-plus", _) | (_, None) => {
            format!("{} ({})", function.name, codes(activity.protocol, function.code, function.sub))
        }
        (_, Some(sub)) => format!("{} (function {}, subfunction {sub})", function.name, function.code),
    }
}

/// `function 43/14`, `function 0x29`: codes as the manuals of the protocol give them.
pub fn codes(protocol: &str, code: u16, sub: Option<u16>) -> String {
    let hexadecimal = matches!(protocol, "s7comm" | "s7comm-plus");
    let sub = sub.filter(|_| protocol != "dnp3");
    if protocol == "dnp3" && code >= 0x100 {
        return format!("link function {}", code & 0xF);
    }
    let wide = if code > 0xff { 6 } else { 4 };
    match sub {
        Some(sub) if hexadecimal => format!("function {code:#0wide$x}/{sub:#04x}"),
        Some(sub) => format!("function {code}/{sub}"),
        None if hexadecimal => format!("function {code:#0wide$x}"),
        None => format!("function {code}"),
    }
}

/// The name of a protocol as engineers write it: `Modbus` for `modbus`.
pub fn protocol(id: &str) -> &str {
    match id {
        "modbus" => "Modbus",
        "dnp3" => "DNP3",
        "s7comm" => "S7",
        "s7comm-plus" => "S7 Plus",
        other => companions::by_id(other).map_or(other, |companion| companion.name),
    }
}

/// `a Modbus`, `an S7`: names that are spelled take the article of their first letter.
pub fn with_article(name: &str) -> String {
    let an = name.starts_with(['A', 'E', 'I', 'O', 'S']) && name.chars().nth(1).is_some_and(|c| !c.is_lowercase());
    format!("{} {name}", if an { "an" } else { "a" })
}

/// The text with its first letter in upper case, for the start of a sentence.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `coil 3`, `holding registers 40-49`.
pub fn points(space: &str, start: u32, count: u32) -> String {
    let many = space.replace('-', " ").replace("fifo", "FIFO").replace("double bit", "double-bit");
    if count <= 1 {
        let one = many.strip_suffix('s').unwrap_or(&many);
        format!("{one} {start}")
    } else {
        format!("{many} {start}-{}", start.saturating_add(count - 1))
    }
}

/// One point of what a target addresses: `coil 3`, `DB10.DBW4`.
pub fn point(target: &Target, address: u32) -> String {
    let last = address.saturating_add(target.width() - 1);
    s7::stretch(target, address, last).unwrap_or_else(|| points(target.space, address, 1))
}

/// An address whose width is not known, where its engineers write it otherwise than as a number: `DB10 4.0`.
pub fn offset(space: &'static str, number: Option<u32>, address: u32) -> Option<String> {
    s7::offset(&Target { space, number, ..Target::default() }, address)
}

/// Addresses from one to another, both included, where their engineers write them otherwise than as numbers:
/// `DB10.DBB4-DBB7`.
pub fn range(space: &'static str, number: Option<u32>, low: u32, high: u32) -> Option<String> {
    let target = Target { space, number, ..Target::default() };
    s7::offset(&target, low).and_then(|_| s7::stretch(&target, low, high))
}

/// A stretch of the address space that a target is in, both ends included: `coils 3-9`, `DB10.DBB0-DBB99`.
pub fn stretch(target: &Target, low: u32, high: u32) -> String {
    s7::stretch(target, low, high)
        .unwrap_or_else(|| points(target.space, low, high.saturating_sub(low).saturating_add(1)))
}

/// `coil 3`, `holding registers 40-49`, `file 4, records 7-9`, `DB10.DBW4`; empty where nothing is addressed.
pub fn target(target: &Target) -> String {
    match (target.space, target.number) {
        ("classes", _) => return dnp3::classes(target.start),
        ("objects", Some(object)) => return dnp3::objects(object, target),
        _ => {}
    }
    if let Some(text) = s7::target(target) {
        return text;
    }
    if target.number.is_none() && target.name.is_none() {
        return if target.count == 0 { String::new() } else { points(target.space, target.start, target.count) };
    }
    let mut text = target.space.replace('-', " ");
    if let Some(number) = target.number {
        let _ = write!(text, " {number}");
    }
    if let Some(name) = &target.name {
        let _ = write!(text, " {name}");
    }
    if target.count > 0 {
        let what = if target.space == "file" { "records" } else { "points" };
        let _ = write!(text, ", {}", points(what, target.start, target.count));
    }
    text.trim().to_owned()
}

/// `17, 18, 19 … (40 values)`; empty where there is none.
pub fn values(values: &Values) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    for index in 0..values.len().min(SHOWN) {
        let Some(value) = values.get(index) else { break };
        if index > 0 {
            text.push_str(", ");
        }
        match values {
            Values::Bits(_) => text.push_str(on_off(value)),
            _ if value.is_nan() => text.push('?'),
            _ => text.push_str(&number(value)),
        }
    }
    if values.len() > SHOWN {
        let _ = write!(text, " … ({} values)", values.len());
    }
    text
}

/// A value as it was written: `56.89` for what a device keeps in 32 bits, not `56.88999938964844`.
#[expect(clippy::cast_possible_truncation, reason = "whether it fits is what is asked")]
pub fn number(value: f64) -> String {
    let single = value as f32;
    if value.fract() != 0.0 && f64::from(single).to_bits() == value.to_bits() {
        single.to_string()
    } else {
        value.to_string()
    }
}

fn on_off(value: f64) -> &'static str {
    if value == 0.0 { "off" } else { "on" }
}

/// What a client does, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// As done: `switched coil 3 of 10.0.0.11 off`.
    pub done: String,
    /// As wished: `switch coil 3 of 10.0.0.11 off`.
    pub wish: String,
}

impl Deed {
    /// Done or attempted, after the outcome: `switched coil 3 off`, `tried to switch coil 3 off`.
    pub fn told(&self, outcome: Outcome) -> String {
        if outcome == Outcome::Ok { self.done.clone() } else { format!("tried to {}", self.wish) }
    }
}

/// What the activity does to the server, whose name is put in where there is one. `None` where the name of the function
/// says all that is known.
pub fn deed(activity: &Activity, server: Option<&str>) -> Option<Deed> {
    if matches!(activity.protocol, "s7comm" | "s7comm-plus")
        && let Some(deed) = s7::deed(activity, server)
    {
        return Some(deed);
    }
    if activity.protocol == "dnp3"
        && let Some(deed) = dnp3::deed(activity, server)
    {
        return Some(deed);
    }
    let of = server.map(|server| format!(" of {server}")).unwrap_or_default();
    let server = server.unwrap_or("the device");
    let make = |done: &str, wish: &str, rest: &str| {
        Some(Deed { done: format!("{done}{rest}"), wish: format!("{wish}{rest}") })
    };
    let place = target(&activity.target);
    if activity.operation.writes_values() && !place.is_empty() {
        if let Some((and, or)) = activity.masks {
            let rest = format!(" bits of {place}{of} (AND mask {and:04X}, OR mask {or:04X})");
            return make("changed", "change", &rest);
        }
        let list = values(&activity.values);
        return match &activity.values {
            _ if list.is_empty() => make("wrote", "write", &format!(" to {place}{of}")),
            Values::Bits(bits) => match bits.first() {
                Some(&first) if bits.iter().all(|&bit| bit == first) => {
                    let state = if first { "on" } else { "off" };
                    make("switched", "switch", &format!(" {place}{of} {state}"))
                }
                _ => make("set", "set", &format!(" {place}{of} to {list}")),
            },
            _ => make("wrote", "write", &format!(" {list} to {place}{of}")),
        };
    }
    match activity.operation {
        Operation::Read if !place.is_empty() => make("read", "read", &format!(" {place}{of}")),
        Operation::ReadMode => make("read", "read", &format!(" the state{of}")),
        Operation::Identify => make("asked", "ask", &format!(" {server} what it is")),
        Operation::ProgramRead => make("read", "read", &format!(" the program out of {server}")),
        Operation::ProgramWrite => make("loaded", "load", &format!(" a program into {server}")),
        Operation::ProgramDelete => make("deleted", "delete", &format!(" a program from {server}")),
        Operation::ConfigRead => make("read", "read", &format!(" the configuration{of}")),
        Operation::ConfigWrite => make("changed", "change", &format!(" the configuration{of}")),
        Operation::ModeRun => make("started", "start", &format!(" the program{of}")),
        Operation::ModeStop => make("stopped", "stop", &format!(" the program{of}")),
        Operation::CommsOff => make("silenced", "silence", &format!(" {server}")),
        Operation::Firmware => make("loaded", "load", &format!(" firmware into {server}")),
        Operation::TimeSet => make("set", "set", &format!(" the clock{of}")),
        // Modbus Application Protocol V1.1b3, 6.8.1: subfunction 1 restarts the port, not the device.
        Operation::Restart
            if activity.protocol == "modbus" && activity.function.code == 8 && activity.function.sub == Some(1) =>
        {
            make("restarted", "restart", &format!(" the communication port{of}"))
        }
        Operation::Restart => make("restarted", "restart", &format!(" {server}")),
        _ => None,
    }
}

/// What became of a command, as the end of a sentence: `the device accepted it`.
pub fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ok => "the device accepted it".to_owned(),
        // Those of HTTP and FTP are decimal; no other protocol has codes of this range.
        Outcome::Rejected(code @ 300..600, name) => format!("the device refused it ({name}, code {code})"),
        // Codes of more than a byte are made of parts, which are read in hexadecimal.
        Outcome::Rejected(code @ 0x100.., name) => format!("the device refused it ({name}, code {code:#06x})"),
        Outcome::Rejected(code, name) => format!("the device refused it ({name}, code {code})"),
        Outcome::Unanswered => "the device did not answer".to_owned(),
        Outcome::Pending => "its answer was not seen".to_owned(),
    }
}

/// A time for sentences, to the second: `2024-05-01T12:00:00Z`.
pub fn time(time: Timestamp) -> String {
    let full = time.to_string();
    match full.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => full,
    }
}

/// `once`, `12 times`.
pub fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A span of time: `250 ms`, `5.0 s`, `12 min`.
pub fn span(nanos: Nanos) -> String {
    let millis = nanos / 1_000_000;
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_a_number() {
        assert_eq!(points("coils", 3, 1), "coil 3");
        assert_eq!(points("holding-registers", 0, 10), "holding registers 0-9");
        assert_eq!(points("fifo-queue", 4, 1), "FIFO queue 4");
        let record = Target { space: "file", number: Some(4), start: 7, count: 3, ..Target::default() };
        assert_eq!(target(&record), "file 4, records 7-9");
        assert_eq!(target(&Target { space: "classes", start: 1, ..Target::default() }), "all data (class 0)");
        assert_eq!(points("double-bit-inputs", 3, 2), "double-bit inputs 3-4");
        assert_eq!(target(&Target { space: "coils", ..Target::default() }), "");
    }

    #[test]
    fn numbers_are_as_short_as_they_were_written() {
        let of = |value: f32| number(f64::from(value));
        assert_eq!([of(56.89), of(0.1), of(17.0), of(-2.5)], ["56.89", "0.1", "17", "-2.5"]);
        assert_eq!([number(0.1), number(16_777_217.0)], ["0.1", "16777217"]);
    }

    #[test]
    fn articles_follow_the_sound() {
        assert_eq!(with_article(protocol("modbus")), "a Modbus");
        assert_eq!(with_article(protocol("dnp3")), "a DNP3");
        assert_eq!(with_article(protocol("s7comm-plus")), "an S7 Plus");
        assert_eq!(with_article("Secure"), "a Secure");
        assert_eq!(capital("an S7"), "An S7");
    }

    #[test]
    fn deeds_say_what_is_done_or_tried() {
        let mut activity = crate::detectors::testing::write(66, 11, "coils", 3, Values::Bits(vec![false]));
        let told = |activity: &Activity| deed(activity, Some("PLC 7")).map(|deed| deed.told(activity.outcome));
        assert_eq!(told(&activity).as_deref(), Some("switched coil 3 of PLC 7 off"));
        activity.outcome = Outcome::Rejected(2, "Illegal Data Address");
        assert_eq!(told(&activity).as_deref(), Some("tried to switch coil 3 of PLC 7 off"));
        activity.target.count = 2;
        activity.values = Values::Bits(vec![false, true]);
        activity.outcome = Outcome::Ok;
        assert_eq!(told(&activity).as_deref(), Some("set coils 3-4 of PLC 7 to off, on"));
        activity.target = Target { space: "holding-registers", start: 9, count: 1, ..Target::default() };
        activity.values = Values::Words(vec![17]);
        assert_eq!(told(&activity).as_deref(), Some("wrote 17 to holding register 9 of PLC 7"));
        activity.operation = Operation::Unknown;
        assert_eq!(told(&activity), None);
    }
}
