//! What system status lists tell of a device's identity and state.

use super::{List, Reader};
use crate::comm::value::{clean, date_and_time};

/// One property: name, value, where it comes from.
pub(crate) type Property = (&'static str, String, &'static str);

/// Most properties of one answer.
const MOST: usize = 64;

/// Properties in a whole list.
pub(crate) fn identities(bytes: &[u8]) -> Vec<Property> {
    let Some(list) = List::read(bytes) else { return Vec::new() };
    let [_, low] = list.id.to_be_bytes();
    if !super::IDENTITY.contains(&low) {
        return Vec::new();
    }
    let mut found = Vec::new();
    match low {
        0x11 => list.entries().for_each(|entry| module(&mut found, entry)),
        0x1C => list.entries().for_each(|entry| component(&mut found, entry)),
        0x24 => list.entries().take(1).for_each(|entry| operating_state(&mut found, entry)),
        0x31 if list.index == 1 => list.entries().take(1).for_each(|entry| communication(&mut found, entry)),
        0x32 if list.index == 4 => list.entries().take(1).for_each(|entry| protection(&mut found, entry)),
        0x19 | 0x74 => leds(&mut found, list),
        0x91 => modules(&mut found, list),
        0xA0 => list.entries().take(1).for_each(|entry| diagnostics(&mut found, entry)),
        _ => {}
    }
    found.retain(|(_, value, _)| !value.is_empty());
    found.truncate(MOST);
    found
}

/// List 0x11: order number and version of the module, its hardware and its firmware.
fn module(found: &mut Vec<Property>, entry: &[u8]) {
    let mut reader = Reader::new(entry);
    let (Ok(index), Ok(order), Ok(_type)) = (reader.u16(), reader.take(20), reader.u16()) else { return };
    let (Ok([major, minor]), Ok([patch, build])) = (reader.array::<2>(), reader.array::<2>()) else { return };
    match index {
        1 => found.push(("order-number", clean(order), "S7 SZL 0x0011 index 1")),
        6 => found.push(("hardware", format!("{} version {patch}", clean(order)), "S7 SZL 0x0011 index 6")),
        // The first byte is the letter V.
        7 if major == b'V' => {
            found.push(("firmware", format!("V{minor}.{patch}.{build}"), "S7 SZL 0x0011 index 7"));
        }
        0x81 if major == b'V' || major == b'A' => {
            let letter = char::from(major);
            found.push(("boot-loader", format!("{letter}{minor}.{patch}.{build}"), "S7 SZL 0x0011 index 0x81"));
        }
        _ => {}
    }
}

/// List 0x1C: names.
fn component(found: &mut Vec<Property>, entry: &[u8]) {
    let mut reader = Reader::new(entry);
    let (Ok(index), text) = (reader.u16(), reader.rest()) else { return };
    let first = |length: usize| clean(text.get(..length.min(text.len())).unwrap_or_default());
    match index {
        1 => found.push(("name", first(24), "S7 SZL 0x001C index 1")),
        2 => found.push(("module", first(24), "S7 SZL 0x001C index 2")),
        3 => found.push(("plant", first(32), "S7 SZL 0x001C index 3")),
        4 => found.push(("copyright", first(26), "S7 SZL 0x001C index 4")),
        5 => found.push(("serial", first(24), "S7 SZL 0x001C index 5")),
        7 => found.push(("model", first(32), "S7 SZL 0x001C index 7")),
        8 => found.push(("memory-card-serial", first(32), "S7 SZL 0x001C index 8")),
        // Manufacturer ids of PROFIBUS and PROFINET International: 42 is Siemens.
        9 if text.starts_with(&[0, 42]) => found.push(("vendor", "Siemens".to_owned(), "S7 SZL 0x001C index 9")),
        11 => found.push(("location", first(32), "S7 SZL 0x001C index 11")),
        _ => {}
    }
}

/// Operating states as lists 0x24 and mode transitions number them: number, class and name.
pub(crate) static STATES: &[(u8, &str, &str)] = &[
    (1, "stop", "STOP (update)"),
    (2, "stop", "STOP (memory reset)"),
    (3, "stop", "STOP (own initialisation)"),
    (4, "stop", "STOP (internal)"),
    (5, "startup", "Startup (cold restart)"),
    (6, "startup", "Startup (warm restart)"),
    (7, "startup", "Startup (hot restart)"),
    (8, "run", "RUN"),
    (9, "run", "RUN-R (redundant)"),
    (10, "hold", "HOLD"),
    (11, "link-up", "Link-up"),
    (12, "update", "Update"),
    (13, "defective", "Defective"),
    (14, "self-test", "Self-test"),
    (15, "no-power", "No power"),
];

/// Lists 0x0124, 0x0424 and others of operating states: the present one is in the low four bits of byte 3.
fn operating_state(found: &mut Vec<Property>, entry: &[u8]) {
    let state = entry.get(3).map_or(0, |state| state & 0x0F);
    if let Some((_, class, _)) = STATES.iter().find(|(number, ..)| *number == state) {
        found.push(("run-state", (*class).to_owned(), "S7 SZL 0x0424"));
    }
}

/// List 0x0131 index 1: what communication can take.
fn communication(found: &mut Vec<Property>, entry: &[u8]) {
    let mut reader = Reader::new(entry);
    if let (Ok(_), Ok(_pdu), Ok(connections)) = (reader.u16(), reader.u16(), reader.u16()) {
        found.push(("most-connections", connections.to_string(), "S7 SZL 0x0131 index 1"));
    }
}

/// List 0x0132 index 4: protection level in force, position of the mode switch.
fn protection(found: &mut Vec<Property>, entry: &[u8]) {
    let words: Vec<u16> = entry.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    if let Some(level @ 1..=4) = words.get(3) {
        found.push(("protection-level", level.to_string(), "S7 SZL 0x0132 index 4"));
    }
    let switch = match words.get(4) {
        Some(1) => "RUN",
        Some(2) => "RUN-P",
        Some(3) => "STOP",
        Some(4) => "MRES",
        _ => return,
    };
    found.push(("key-switch", switch.to_owned(), "S7 SZL 0x0132 index 4"));
}

/// Lists 0x19 and 0x74: which LEDs are lit. Blinking alone says that a state is passing.
fn leds(found: &mut Vec<Property>, list: List<'_>) {
    const NAMES: &[(u16, &str)] = &[
        (1, "SF"),
        (2, "INTF"),
        (3, "EXTF"),
        (4, "RUN"),
        (5, "STOP"),
        (6, "FRCE"),
        (7, "CRST"),
        (8, "BAF"),
        (9, "USR"),
        (10, "USR1"),
        (11, "BUS1F"),
        (12, "BUS2F"),
        (13, "REDF"),
        (14, "MSTR"),
        (15, "RACK0"),
        (16, "RACK1"),
        (17, "RACK2"),
        (18, "IFM1F"),
        (19, "IFM2F"),
        (20, "BUS3F"),
        (21, "MAINT"),
    ];
    // An extract of one LED says nothing of the others.
    if list.count < 2 {
        return;
    }
    let mut lit = Vec::new();
    for entry in list.entries().take(32) {
        let [_, low, on, blinks] = *entry else { continue };
        let id = u16::from(low);
        let name = NAMES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name);
        match (on, blinks, name) {
            (0, ..) | (.., None) => {}
            (_, 0, Some(name)) => lit.push(name.to_owned()),
            (_, _, Some(name)) => lit.push(format!("{name} (blinking)")),
        }
    }
    found.push(("leds", if lit.is_empty() { "none lit".to_owned() } else { lit.join(", ") }, "S7 SZL 0x0074"));
}

/// List 0x91: modules that are faulty or missing.
fn modules(found: &mut Vec<Property>, list: List<'_>) {
    let mut faulty = Vec::new();
    let mut seen = 0;
    for entry in list.entries() {
        let words: Vec<u16> = entry.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        let (Some(address), Some(state)) = (words.get(2), words.get(6)) else { continue };
        seen += 1;
        // Bits 0 module error, 2 not available, 4 station error.
        if state & 0x15 != 0 && faulty.len() < 16 {
            faulty.push(format!("{address}"));
        }
    }
    if list.count > 1 && seen > 0 {
        let text = if faulty.is_empty() { "none".to_owned() } else { format!("at address {}", faulty.join(", ")) };
        found.push(("faulty-modules", text, "S7 SZL 0x0091"));
    }
}

/// List 0xA0: the newest event of the diagnostic buffer.
fn diagnostics(found: &mut Vec<Property>, entry: &[u8]) {
    let mut reader = Reader::new(entry);
    let (Ok(event), Ok(_), Ok(stamp)) = (reader.u16(), reader.take(10), reader.array::<8>()) else { return };
    let at = date_and_time(stamp).map(|time| format!(" at {time}")).unwrap_or_default();
    found.push(("last-diagnostic-event", format!("W#16#{event:04X}{at}"), "S7 SZL 0x00A0"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(id: u16, index: u16, entries: &[Vec<u8>]) -> Vec<u8> {
        let length = u16::try_from(entries[0].len()).expect("short");
        let count = u16::try_from(entries.len()).expect("few");
        let mut bytes: Vec<u8> = [id, index, length, count].iter().flat_map(|word| word.to_be_bytes()).collect();
        entries.iter().for_each(|entry| bytes.extend(entry));
        bytes
    }

    fn values(bytes: &[u8]) -> Vec<(&'static str, String)> {
        identities(bytes).into_iter().map(|(property, value, _)| (property, value)).collect()
    }

    #[test]
    fn a_module_tells_order_number_and_firmware() {
        let entry = |index: u8, version: [u8; 4]| {
            let mut entry = vec![0, index];
            entry.extend(b"6ES7 315-2EH14-0AB0 ");
            entry.extend([0, 0xC0]);
            entry.extend(version);
            entry
        };
        let bytes = list(0x0011, 0, &[entry(1, [0, 3, 0, 1]), entry(7, [b'V', 3, 2, 6])]);
        assert_eq!(
            values(&bytes),
            [("order-number", "6ES7 315-2EH14-0AB0".to_owned()), ("firmware", "V3.2.6".to_owned())]
        );
    }

    #[test]
    fn components_tell_names() {
        let entry = |index: u8, text: &[u8]| {
            let mut entry = vec![0, index];
            entry.extend(text);
            entry.resize(34, 0);
            entry
        };
        let bytes = list(0x001C, 0, &[entry(1, b"Boiler 3"), entry(5, b"S C-X4U421302009"), entry(9, &[0, 42])]);
        let wanted = [("name", "Boiler 3"), ("serial", "S C-X4U421302009"), ("vendor", "Siemens")];
        assert_eq!(values(&bytes), wanted.map(|(property, value)| (property, value.to_owned())));
    }

    #[test]
    fn states_are_told() {
        let mut state = vec![0x51, 0x44, 0xFF, 0x68];
        state.resize(20, 0);
        assert_eq!(values(&list(0x0424, 0, &[state])), [("run-state", "run".to_owned())]);
        let mut protection = vec![0, 4, 0, 1, 0, 0, 0, 2, 0, 3];
        protection.resize(40, 0);
        let wanted = [("protection-level", "2".to_owned()), ("key-switch", "STOP".to_owned())];
        assert_eq!(values(&list(0x0132, 4, &[protection])), wanted);
        let leds = [vec![0, 1, 0, 0], vec![0, 4, 1, 0], vec![0, 6, 1, 1]];
        assert_eq!(values(&list(0x0074, 0, &leds)), [("leds", "RUN, FRCE (blinking)".to_owned())]);
        let mut event = vec![0x43, 0x02];
        event.resize(12, 0);
        event.extend([0x14, 0x08, 0x20, 0x12, 0x05, 0x36, 0x11, 0x24]);
        let wanted = "W#16#4302 at 2014-08-20T12:05:36.112000000Z".to_owned();
        assert_eq!(values(&list(0x00A0, 0, &[event])), [("last-diagnostic-event", wanted)]);
        let module = |state: u8| vec![0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, state, 0, 0];
        assert_eq!(
            values(&list(0x0091, 0, &[module(2), module(1)])),
            [("faulty-modules", "at address 256".to_owned())]
        );
    }

    #[test]
    fn damaged_lists_tell_nothing() {
        assert_eq!(values(&[0, 0x11, 0, 0, 0, 28, 0, 9, 1]), []);
        assert_eq!(values(&[]), []);
    }
}
