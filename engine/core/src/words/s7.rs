//! S7 as Siemens engineers write it: `DB10.DBW4`, `MB100`, `Q0.1`, `block OB 1`.
//!
//! Addresses of memory areas count bits (byte × 8 + bit); the width of a point tells bit, byte, word or double word.

use super::{Deed, values};
use ot_protocol::{Activity, Operation, Target};

/// Function codes of S7comm jobs: writing variables, and the ones that begin to move a block.
const WRITE_VAR: u16 = 5;
const REQUEST_DOWNLOAD: u16 = 0x1a;
const START_UPLOAD: u16 = 0x1d;

/// Whether an address space is one of S7. `counters` belongs to other protocols as well; there a point is one address.
fn is_ours(target: &Target) -> bool {
    area(target).is_some() || matches!(target.space, "timers" | "block" | "szl" | "tag" | "object") || counters(target)
}

fn counters(target: &Target) -> bool {
    target.space == "counters" && target.width > 1
}

/// The letter of an area, and what stands before the width where the area has a number.
fn area(target: &Target) -> Option<(&'static str, &'static str)> {
    Some(match target.space {
        "data-block" => ("DB", "DB"),
        "instance-data-block" => ("DI", "DI"),
        "inputs" => ("", "I"),
        "outputs" => ("", "Q"),
        "flags" => ("", "M"),
        "peripherals" => ("", "P"),
        "local-data" => ("", "L"),
        _ => return None,
    })
}

/// The target in words; `None` where it is not one of S7.
pub(super) fn target(target: &Target) -> Option<String> {
    if !is_ours(target) {
        return None;
    }
    let number = target.number.unwrap_or_default();
    Some(match target.space {
        "block" => match &target.name {
            Some(name) => format!("block {name}"),
            None => "blocks".to_owned(),
        },
        "szl" => match szl_name(number) {
            Some(name) => format!("{name} (SZL {number:#06x})"),
            None => format!("SZL {number:#06x}"),
        },
        "tag" => match &target.name {
            Some(name) => format!("tag {name}"),
            None => format!("tag with symbol CRC {number:#010x}"),
        },
        "object" => match (&target.name, target.number) {
            (Some(name), _) => format!("object {name}"),
            (None, Some(number)) => format!("object {number:#010x}"),
            (None, None) => "an object".to_owned(),
        },
        _ if target.count == 0 => whole(target),
        _ => between(target, target.start, target.end()),
    })
}

/// `DB10`, `flags`.
fn whole(target: &Target) -> String {
    match (area(target), target.number) {
        (Some((letter, _)), Some(number)) if !letter.is_empty() => format!("{letter}{number}"),
        (Some((letter, _)), None) if !letter.is_empty() => format!("the open {letter}"),
        _ => target.space.replace('-', " "),
    }
}

/// An address as the offset column of a data block shows it, byte and bit: `DB10 4.0`, `Q 0.1`; `None` for what is no area
/// of S7.
pub(super) fn offset(target: &Target, address: u32) -> Option<String> {
    let (letter, short) = area(target)?;
    let name = if letter.is_empty() { short.to_owned() } else { whole(target) };
    Some(format!("{name} {}.{}", address / 8, address % 8))
}

/// One point or a stretch of an area: `DB10.DBX4.0`, `MW100`, `DB10.DBB0-DBB99`; `None` for what is no area of S7.
pub(super) fn stretch(target: &Target, low: u32, high: u32) -> Option<String> {
    (area(target).is_some() || target.space == "timers" || counters(target)).then(|| between(target, low, high))
}

fn between(target: &Target, low: u32, high: u32) -> String {
    let Some((letter, short)) = area(target) else {
        let letter = if target.space == "timers" { "T" } else { "C" };
        // Each takes as many addresses as it has bits, or one.
        let width = target.width();
        let (first, last) = (low / width, high / width);
        return if first == last { format!("{letter}{first}") } else { format!("{letter}{first}-{letter}{last}") };
    };
    let block = if letter.is_empty() { String::new() } else { format!("{}.", whole(target)) };
    let size = high.saturating_sub(low).saturating_add(1);
    let bit = |address: u32| {
        let x = if letter.is_empty() { "" } else { "X" };
        format!("{short}{x}{}.{}", address / 8, address % 8)
    };
    if !low.is_multiple_of(8) || !size.is_multiple_of(8) || (target.width() == 1 && size < 8) {
        return if size == 1 { format!("{block}{}", bit(low)) } else { format!("{block}{}-{}", bit(low), bit(high)) };
    }
    let byte = low / 8;
    // One word or double word has a name of its own; more of them are told as bytes, which says where they end.
    match (target.width(), size) {
        (16, 16) => format!("{block}{short}W{byte}"),
        (32, 32) => format!("{block}{short}D{byte}"),
        (_, 8) => format!("{block}{short}B{byte}"),
        _ => format!("{block}{short}B{byte}-{short}B{}", high / 8),
    }
}

/// What a system status list (German SZL) of a CPU holds, by the low byte of its id.
fn szl_name(id: u32) -> Option<&'static str> {
    Some(match id & 0xff {
        0x00 => "list of system status lists",
        0x11 => "module identification",
        0x12 => "CPU characteristics",
        0x13 => "memory areas",
        0x14 => "system areas",
        0x15 => "block types",
        0x19 | 0x74 => "module LEDs",
        0x1c => "component identification",
        0x22 => "interrupt status",
        0x24 => "operating mode",
        0x25 => "process image partitions",
        0x31 => "communication capabilities",
        0x32 => "communication status",
        0x33 => "diagnostics stations",
        0x37 => "Ethernet settings",
        0x71 => "redundant CPU state",
        0x75 => "switched DP slaves",
        0x90 => "DP master systems",
        0x91 => "module status",
        0x92 | 0x94 => "rack and station status",
        0x95 => "extended DP master status",
        0x96 => "PROFINET and DP module status",
        0xa0 => "diagnostic buffer",
        0xb1..=0xb4 => "module diagnostics",
        _ => return None,
    })
}

/// What is done to an S7 controller; `None` where the general words do.
pub(super) fn deed(activity: &Activity, server: Option<&str>) -> Option<Deed> {
    let of = server.map(|server| format!(" of {server}")).unwrap_or_default();
    let server = server.unwrap_or("the controller");
    let make = |done: &str, wish: &str, rest: String| {
        Some(Deed { done: format!("{done}{rest}"), wish: format!("{wish}{rest}") })
    };
    let place = super::target(&activity.target);
    let block = match activity.target.space {
        "block" if activity.target.name.is_some() => place.as_str(),
        _ => "program blocks",
    };
    // The service of a program invocation tells its deed apart from others of its class.
    let name = activity.function.name;
    match activity.operation {
        Operation::ModeStop => make("stopped", "stop", format!(" the CPU{of}")),
        Operation::ModeRun => make("started", "start", format!(" the CPU{of}")),
        Operation::Restart => make("restarted", "restart", format!(" the CPU{of}")),
        Operation::ProgramWrite if name.contains("_INSE") => {
            make("inserted", "insert", format!(" {block} into the program{of}"))
        }
        Operation::ProgramWrite if name.contains("_MODU") => {
            make("saved", "save", format!(" the program{of} from working to load memory"))
        }
        // The first job of a transfer: that it came to its end is told by the last one.
        Operation::ProgramWrite if activity.function.code == REQUEST_DOWNLOAD => {
            make("began to download", "download", format!(" {block} to {server}"))
        }
        Operation::ProgramRead if activity.function.code == START_UPLOAD => {
            make("began to upload", "upload", format!(" {block} from {server}"))
        }
        Operation::ProgramWrite => make("downloaded", "download", format!(" {block} to {server}")),
        Operation::ProgramRead => make("uploaded", "upload", format!(" {block} from {server}")),
        Operation::ProgramDelete => make("deleted", "delete", format!(" {block} from {server}")),
        Operation::Identify | Operation::ReadMode if activity.target.space == "szl" => {
            make("read", "read", format!(" the {place}{of}"))
        }
        Operation::Identify if activity.target.space == "block" => {
            let what = if activity.target.name.is_some() {
                format!("information of {place}")
            } else {
                "list of blocks".to_owned()
            };
            make("read", "read", format!(" the {what}{of}"))
        }
        Operation::Force => {
            let list = values(&activity.values);
            let to = if list.is_empty() { String::new() } else { format!(" to {list}") };
            let what = if place.is_empty() { "variables".to_owned() } else { place };
            make("forced", "force", format!(" {what}{of}{to}"))
        }
        Operation::Write | Operation::Control if activity.function.code == WRITE_VAR && place.is_empty() => {
            make("wrote", "write", format!(" variables{of}"))
        }
        Operation::CommsOn => make("subscribed", "subscribe", format!(" to messages{of}")),
        Operation::CommsOff => make("ended", "end", format!(" a subscription to messages{of}")),
        Operation::Authenticate => make("presented", "present", format!(" a password to {server}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::testing::{s7, s7_block};
    use ot_protocol::{Function, Outcome, Values};

    fn at(space: &'static str, number: Option<u32>, start: u32, count: u32, width: u32) -> String {
        crate::words::target(&Target { space, number, start, count, width, name: None })
    }

    #[test]
    fn addresses_are_written_as_in_step_7() {
        assert_eq!(at("data-block", Some(10), 36, 1, 1), "DB10.DBX4.4");
        assert_eq!(at("data-block", Some(10), 32, 1, 8), "DB10.DBB4");
        assert_eq!(at("data-block", Some(10), 32, 1, 16), "DB10.DBW4");
        assert_eq!(at("data-block", Some(10), 32, 1, 32), "DB10.DBD4");
        assert_eq!(at("data-block", Some(10), 32, 1, 64), "DB10.DBB4-DBB11");
        assert_eq!(at("data-block", Some(1), 0, 222, 8), "DB1.DBB0-DBB221");
        assert_eq!(at("data-block", Some(1), 32, 10, 16), "DB1.DBB4-DBB23");
        assert_eq!(at("data-block", Some(1), 33, 3, 1), "DB1.DBX4.1-DBX4.3");
        assert_eq!(at("data-block", Some(1), 0, 0, 8), "DB1");
        assert_eq!(at("instance-data-block", Some(2), 8, 1, 8), "DI2.DIB1");
        assert_eq!(at("flags", None, 800, 1, 8), "MB100");
        assert_eq!(at("flags", None, 800, 1, 32), "MD100");
        assert_eq!(at("inputs", None, 0, 1, 1), "I0.0");
        assert_eq!(at("outputs", None, 1, 1, 1), "Q0.1");
        assert_eq!(at("peripherals", None, 256 * 8, 1, 16), "PW256");
        assert_eq!(at("timers", None, 5, 1, 1), "T5");
        assert_eq!(at("timers", None, 5, 3, 1), "T5-T7");
        assert_eq!(at("szl", Some(0x0011), 0, 0, 0), "module identification (SZL 0x0011)");
        assert_eq!(at("szl", Some(0x00d1), 0, 0, 0), "SZL 0x00d1");
        assert_eq!(at("tag", Some(0xdead), 0, 1, 1), "tag with symbol CRC 0x0000dead");
        assert_eq!(at("outputs", None, 0, 0, 8), "outputs");
        assert_eq!(crate::words::offset("data-block", Some(10), 33).as_deref(), Some("DB10 4.1"));
        assert_eq!(crate::words::offset("outputs", None, 1).as_deref(), Some("Q 0.1"));
        assert_eq!(crate::words::offset("coils", None, 1), None);
        assert_eq!(crate::words::range("data-block", Some(10), 32, 63).as_deref(), Some("DB10.DBB4-DBB7"));
        assert_eq!(crate::words::range("outputs", None, 1, 1).as_deref(), Some("Q0.1"));
        assert_eq!(crate::words::range("coils", None, 1, 2), None);
        // Counters of other protocols stay what they are.
        assert_eq!(at("counters", None, 3, 1, 1), "counter 3");
    }

    #[test]
    fn deeds_are_those_of_a_programmer() {
        let told = |activity: &Activity| {
            crate::words::deed(activity, Some("PLC 7")).map(|deed| deed.told(activity.outcome)).unwrap_or_default()
        };
        let call = |operation, code, name| s7(10, 11, operation, Function { code, sub: None, name });
        assert_eq!(told(&call(Operation::ModeStop, 0x29, "PLC Stop")), "stopped the CPU of PLC 7");
        let mut download = s7_block(10, 11, Operation::ProgramWrite, "DB 10");
        assert_eq!(told(&download), "downloaded block DB 10 to PLC 7");
        let request = Function { code: 0x1a, sub: None, name: "Request Download" };
        let begun = Activity { function: request, ..download.clone() };
        assert_eq!(told(&begun), "began to download block DB 10 to PLC 7");
        download.outcome = Outcome::Rejected(0xd241, "no permission");
        assert_eq!(told(&download), "tried to download block DB 10 to PLC 7");
        assert_eq!(told(&s7_block(10, 11, Operation::ProgramRead, "OB 1")), "uploaded block OB 1 from PLC 7");
        assert_eq!(told(&s7_block(10, 11, Operation::ProgramDelete, "FC 12")), "deleted block FC 12 from PLC 7");
        let diagnostics = Target { space: "szl", number: Some(0x00a0), ..Target::default() };
        let read = Activity { target: diagnostics, ..call(Operation::ReadMode, 4, "Read SZL") };
        assert_eq!(told(&read), "read the diagnostic buffer (SZL 0x00a0) of PLC 7");
        let write = crate::detectors::testing::s7_write(10, 11, 10, 4, 17.0);
        assert_eq!(told(&write), "wrote 17 to DB10.DBW4 of PLC 7");
        let output = Target { space: "outputs", start: 1, count: 1, width: 1, ..Target::default() };
        let force = Activity { operation: Operation::Force, target: output, values: Values::Bits(vec![true]), ..write };
        assert_eq!(told(&force), "forced Q0.1 of PLC 7 to on");
    }
}
