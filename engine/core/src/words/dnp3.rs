//! DNP3 as substation engineers write it: `all data (classes 0, 1, 2, 3)`, `operated binary output 3: trip`.

use super::{Deed, target, values};
use ot_protocol::{Activity, Operation, Target, Timestamp, Values};

/// Function codes (IEEE 1815-2012, clause 4.4).
mod code {
    pub const READ: u16 = 1;
    pub const WRITE: u16 = 2;
    pub const SELECT: u16 = 3;
    pub const FREEZE: u16 = 7;
    pub const FREEZE_NO_ACK: u16 = 8;
    pub const FREEZE_CLEAR: u16 = 9;
    pub const FREEZE_CLEAR_NO_ACK: u16 = 10;
    pub const FREEZE_AT_TIME: u16 = 11;
    pub const FREEZE_AT_TIME_NO_ACK: u16 = 12;
    pub const COLD_RESTART: u16 = 13;
    pub const WARM_RESTART: u16 = 14;
    pub const INITIALIZE_DATA: u16 = 15;
    pub const INITIALIZE_APPLICATION: u16 = 16;
    pub const START_APPLICATION: u16 = 17;
    pub const STOP_APPLICATION: u16 = 18;
    pub const SAVE_CONFIGURATION: u16 = 19;
    pub const ENABLE_UNSOLICITED: u16 = 20;
    pub const DISABLE_UNSOLICITED: u16 = 21;
    pub const ASSIGN_CLASS: u16 = 22;
    pub const RECORD_TIME: u16 = 24;
    pub const OPEN_FILE: u16 = 25;
    pub const CLOSE_FILE: u16 = 26;
    pub const DELETE_FILE: u16 = 27;
    pub const GET_FILE_INFO: u16 = 28;
    pub const AUTHENTICATE_FILE: u16 = 29;
    pub const ABORT_FILE: u16 = 30;
    pub const ACTIVATE_CONFIGURATION: u16 = 31;
}

/// `all data (classes 0, 1, 2, 3)`, `events (class 1)`: a mask of classes. Class 0 is all static data.
pub(super) fn classes(mask: u32) -> String {
    let list: Vec<String> = (0..4_u32).filter(|class| mask >> class & 1 == 1).map(|class| class.to_string()).collect();
    let what = if mask & 1 == 1 { "all data" } else { "events" };
    match list.as_slice() {
        [] => String::new(),
        [one] => format!("{what} (class {one})"),
        _ => format!("{what} (classes {})", list.join(", ")),
    }
}

/// `group 85 variation 1`, `group 122 variation 1, points 0-3`: objects that have no address space of their own.
pub(super) fn objects(object: u32, target: &Target) -> String {
    let name = format!("group {} variation {}", object >> 8, object & 0xFF);
    match target.count {
        0 => name,
        count => format!("{name}, {}", super::points("points", target.start, count)),
    }
}

/// What the activity does to the outstation, where DNP3 has words of its own for it.
pub(super) fn deed(activity: &Activity, server: Option<&str>) -> Option<Deed> {
    let of = server.map(|server| format!(" of {server}")).unwrap_or_default();
    let server = server.unwrap_or("the outstation");
    let make = |done: &str, wish: &str, rest: &str| {
        Some(Deed { done: format!("{done}{rest}"), wish: format!("{wish}{rest}") })
    };
    let place = target(&activity.target);
    if activity.operation == Operation::Control && !place.is_empty() {
        return control(activity, &place, &of);
    }
    let file = if place.is_empty() { "a file".to_owned() } else { place.clone() };
    let counters = if place.is_empty() { "all counters".to_owned() } else { place.clone() };
    match activity.function.code {
        code::READ if activity.target.space == "file" => make("read", "read", &format!(" from {file}{of}")),
        code::READ if activity.target.space == "device-attributes" && activity.operation == Operation::Identify => {
            make("asked", "ask", &format!(" {server} what it is"))
        }
        code::WRITE if activity.target.space == "file" => make("wrote", "write", &format!(" to {file}{of}")),
        code::WRITE if activity.target.space == "indications" => {
            make("cleared", "clear", &format!(" the restart indication{of}"))
        }
        code::WRITE if activity.operation == Operation::TimeSet => {
            make("set", "set", &format!(" the clock{of}{}", to_time(&activity.values)))
        }
        code::FREEZE | code::FREEZE_NO_ACK => make("froze", "freeze", &format!(" {counters}{of}")),
        code::FREEZE_CLEAR | code::FREEZE_CLEAR_NO_ACK => {
            make("froze and cleared", "freeze and clear", &format!(" {counters}{of}"))
        }
        code::FREEZE_AT_TIME | code::FREEZE_AT_TIME_NO_ACK => {
            make("set up", "set up", &format!(" that {server} freezes {counters} by time"))
        }
        code::COLD_RESTART => make("made", "make", &format!(" {server} do a cold restart")),
        code::WARM_RESTART => make("made", "make", &format!(" {server} do a warm restart")),
        code::INITIALIZE_DATA => make("set", "set", &format!(" data{of} to initial values")),
        code::INITIALIZE_APPLICATION => make("initialized", "initialize", &format!(" an application{of}")),
        code::START_APPLICATION => make("started", "start", &format!(" an application{of}")),
        code::STOP_APPLICATION => make("stopped", "stop", &format!(" an application{of}")),
        code::SAVE_CONFIGURATION => make("saved", "save", &format!(" the configuration{of} for good")),
        code::ENABLE_UNSOLICITED | code::DISABLE_UNSOLICITED => {
            let what = if place.is_empty() { "events".to_owned() } else { place };
            let state = if activity.function.code == code::ENABLE_UNSOLICITED { "on" } else { "off" };
            make("turned", "turn", &format!(" {state} that {server} reports {what} by itself"))
        }
        code::ASSIGN_CLASS => {
            let what = if place.is_empty() { "points".to_owned() } else { place };
            let class = activity.function.sub.map_or_else(|| "classes".to_owned(), |class| format!("class {class}"));
            make("assigned", "assign", &format!(" {what}{of} to event {class}"))
        }
        code::RECORD_TIME => make("made", "make", &format!(" {server} record the time")),
        code::OPEN_FILE => make("opened", "open", &format!(" {file}{of}")),
        code::CLOSE_FILE => make("closed", "close", &format!(" {file}{of}")),
        code::DELETE_FILE => make("deleted", "delete", &format!(" {file}{of}")),
        code::GET_FILE_INFO => make("asked", "ask", &format!(" {server} about {file}")),
        code::AUTHENTICATE_FILE => make("signed in", "sign in", &format!(" to {server} for access to files")),
        code::ABORT_FILE => make("aborted", "abort", &format!(" a transfer of {file}{of}")),
        code::ACTIVATE_CONFIGURATION => make("activated", "activate", &format!(" a configuration{of}")),
        _ => None,
    }
}

/// Select and operate: control relay outputs by the word of their operation, which the function's name ends with, analog
/// outputs by their value.
fn control(activity: &Activity, place: &str, of: &str) -> Option<Deed> {
    let select = activity.function.code == code::SELECT;
    let make = |done: &str, wish: &str, rest: &str| {
        Some(Deed { done: format!("{done} {place}{of}{rest}"), wish: format!("{wish} {place}{of}{rest}") })
    };
    if let Some((_, operation)) = activity.function.name.split_once(": ") {
        let operation = operation.to_lowercase();
        return if select {
            make("selected", "select", &format!(" for {operation}"))
        } else {
            make("operated", "operate", &format!(": {operation}"))
        };
    }
    let list = values(&activity.values);
    if list.is_empty() {
        return if select { make("selected", "select", "") } else { make("operated", "operate", "") };
    }
    if select {
        make("selected", "select", &format!(" for {list}"))
    } else {
        make("set", "set", &format!(" to {list}"))
    }
}

/// ` to 2026-01-15T08:11:25Z`: the time that was written, milliseconds since 1970.
#[expect(clippy::cast_possible_truncation, reason = "48 bits of milliseconds")]
fn to_time(written: &Values) -> String {
    match written.get(0) {
        Some(millis) if (0.0..281_474_976_710_656.0).contains(&millis) => {
            format!(" to {}", super::time(Timestamp((millis as i64).saturating_mul(1_000_000))))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::testing::{On as _, dnp3};
    use ot_protocol::Outcome;

    fn told(activity: &Activity) -> String {
        deed(activity, Some("RTU 3")).unwrap().told(activity.outcome)
    }

    #[test]
    fn classes_are_words() {
        assert_eq!([classes(0b1111), classes(1)], ["all data (classes 0, 1, 2, 3)", "all data (class 0)"]);
        assert_eq!([classes(0b1110), classes(4)], ["events (classes 1, 2, 3)", "events (class 2)"]);
    }

    #[test]
    fn objects_without_a_space_have_their_numbers() {
        let at = |count| Target { space: "objects", number: Some(0x5501), count, ..Target::default() };
        assert_eq!([target(&at(0)), target(&at(4))], ["group 85 variation 1", "group 85 variation 1, points 0-3"]);
    }

    #[test]
    fn controls_say_what_moves() {
        let operate = |code, name| Activity {
            values: Values::Bits(vec![false]),
            ..dnp3(10, 11, code, name, Operation::Control).on("binary-outputs", 3, 1)
        };
        assert_eq!(told(&operate(5, "Direct Operate: Trip")), "operated binary output 3 of RTU 3: trip");
        assert_eq!(told(&operate(3, "Select: Trip")), "selected binary output 3 of RTU 3 for trip");
        let refused = Activity { outcome: Outcome::Rejected(0x107, "Local"), ..operate(4, "Operate: Close") };
        assert_eq!(told(&refused), "tried to operate binary output 3 of RTU 3: close");
        let set = Activity {
            values: Values::Numbers(vec![17.5]),
            ..dnp3(10, 11, 5, "Direct Operate", Operation::Control).on("analog-outputs", 2, 1)
        };
        assert_eq!(told(&set), "set analog output 2 of RTU 3 to 17.5");
    }

    #[test]
    fn functions_are_deeds() {
        let plain = |code, operation| told(&dnp3(10, 11, code, "Some Function", operation));
        assert_eq!(plain(13, Operation::Restart), "made RTU 3 do a cold restart");
        assert_eq!(plain(18, Operation::ModeStop), "stopped an application of RTU 3");
        assert_eq!(plain(9, Operation::Freeze), "froze and cleared all counters of RTU 3");
        assert_eq!(plain(21, Operation::CommsOff), "turned off that RTU 3 reports events by itself");
        let assign = dnp3(10, 11, 22, "Assign Class", Operation::ConfigWrite).on("analog-inputs", 0, 4);
        let assign = Activity { function: ot_protocol::Function { sub: Some(2), ..assign.function }, ..assign };
        assert_eq!(told(&assign), "assigned analog inputs 0-3 of RTU 3 to event class 2");
        let file = Target { space: "file", name: Some("/log/a.txt".into()), ..Target::default() };
        let delete = Activity { target: file, ..dnp3(10, 11, 27, "Delete File", Operation::File) };
        assert_eq!(told(&delete), "deleted file /log/a.txt of RTU 3");
        let set = Activity {
            values: Values::Numbers(vec![1_768_464_685_021.0]),
            ..dnp3(10, 11, 2, "Write", Operation::TimeSet).on("time", 0, 0)
        };
        assert_eq!(told(&set), "set the clock of RTU 3 to 2026-01-15T08:11:25Z");
    }
}
