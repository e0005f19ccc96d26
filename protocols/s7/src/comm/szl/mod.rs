//! System status lists (German: Systemzustandsliste, SZL): what a CPU tells of itself.
//!
//! A list has an id, an index, the length of an entry and how many entries follow. In the id the high four bits tell the
//! class of module, the next four which extract, the low byte which list.

mod identity;
mod layouts;
mod layouts_0131;

#[cfg(test)]
pub(crate) use identity::STATES;
pub(crate) use identity::identities;
use ot_protocol::{FieldDoc, FieldKind, FieldValue, Fields, Reader};

/// Bytes before the entries: id, index, length of an entry, number of entries.
const HEAD: usize = 8;
/// Most entries of a list that are looked at.
const MOST_ENTRIES: usize = 1024;

/// Which lists a layout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// This id.
    Exact(u16),
    /// Ids with this low byte.
    List(u8),
    /// Ids with this low byte; entries that begin with this index.
    Entry(u8, u16),
    /// This id and index.
    Index(u16, u16),
}

/// A field of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// First byte within the entry.
    pub offset: usize,
    /// Bytes; 0: all that are left.
    pub size: usize,
    /// Kind of value.
    pub kind: FieldKind,
    /// Bits that it takes of them; 0: all.
    pub mask: u64,
    /// Least significant byte first.
    pub little: bool,
    /// Wireshark's name.
    pub name: &'static str,
}

/// Where the fields of an entry stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// For which lists.
    pub pick: Pick,
    /// The fields, in order.
    pub places: &'static [Place],
}

/// A table of layouts, and of what their fields mean.
macro_rules! layout_table {
    ($table:ident $docs:ident $(($($pick:tt)*) $label:literal { $($offset:literal $size:literal $kind:ident $mask:literal $name:literal $($little:ident)?)* })*) => {
        pub(super) static $table: &[Layout] = &[$(Layout {
            pick: super::pick!($($pick)*),
            places: &[$(super::Place {
                offset: $offset,
                size: $size,
                kind: FieldKind::$kind,
                mask: $mask,
                little: false $(|| super::little!($little))?,
                name: $name,
            }),*],
        }),*];
        pub(super) static $docs: &[FieldDoc] = &[$($(FieldDoc {
            name: $name,
            kind: FieldKind::$kind,
            meaning: concat!("System status list ", $label, ": byte ", $offset, " of an entry, mask ", stringify!($mask)),
        }),*),*];
    };
}

macro_rules! pick {
    (exact $id:literal) => {
        Pick::Exact($id)
    };
    (list $list:literal) => {
        Pick::List($list)
    };
    (list $list:literal entry $index:literal) => {
        Pick::Entry($list, $index)
    };
    (index $id:literal $index:literal) => {
        Pick::Index($id, $index)
    };
}

macro_rules! little {
    (little) => {
        true
    };
}

use {layout_table, little, pick};

/// Lists by the low byte of their id.
pub(crate) static LISTS: &[(u8, &str)] = &[
    (0x00, "Lists that the module has"),
    (0x11, "Module identification"),
    (0x12, "CPU characteristics"),
    (0x13, "User memory areas"),
    (0x14, "System areas"),
    (0x15, "Block types"),
    (0x16, "Priority classes"),
    (0x17, "System data blocks with a number below 1000"),
    (0x18, "Rack configuration"),
    (0x19, "Status of the module LEDs"),
    (0x1C, "Component identification"),
    (0x21, "Assignment of interrupts to errors"),
    (0x22, "Interrupt status"),
    (0x23, "Priority classes and interrupts"),
    (0x24, "Operating states"),
    (0x25, "Assignment of process image partitions to OBs"),
    (0x31, "Communication performance parameters"),
    (0x32, "Communication status"),
    (0x33, "Stations that log on for diagnostics"),
    (0x35, "Message parameters"),
    (0x37, "Details of the Ethernet interface"),
    (0x71, "H CPU group information"),
    (0x74, "Status of the module LEDs"),
    (0x75, "Switched DP slaves of an H system"),
    (0x81, "Start information of OBs"),
    (0x82, "Start events of OBs"),
    (0x90, "DP master systems"),
    (0x91, "Module status"),
    (0x92, "Rack and station status"),
    (0x94, "Rack and station status"),
    (0x95, "Extended information of a DP master system"),
    (0x96, "Status of PROFINET and DP modules"),
    (0xA0, "Diagnostic buffer"),
    (0xB1, "Module diagnostics, first four bytes"),
    (0xB2, "Module diagnostics by rack and slot"),
    (0xB3, "Module diagnostics by logical address"),
    (0xB4, "Diagnostics of a DP slave"),
];

/// What a list holds, for people.
fn name(id: u16) -> &'static str {
    let [_, list] = id.to_be_bytes();
    LISTS.iter().find(|(known, _)| *known == list).map_or("unknown list", |(_, name)| name)
}

/// Lists that identity and state of a device are taken from, by the low byte of their id.
pub(crate) static IDENTITY: &[u8] = &[0x11, 0x19, 0x1C, 0x24, 0x31, 0x32, 0x74, 0x91, 0xA0];

/// Whether entries of a list are shown field by field.
#[cfg(test)]
pub(crate) fn has_fields(list: u8) -> bool {
    let known = |pick: Pick| match pick {
        Pick::Exact(id) | Pick::Index(id, _) => id.to_be_bytes()[1] == list,
        Pick::List(of) | Pick::Entry(of, _) => of == list,
    };
    matches!(list, 0x19 | 0xA0) || all().any(|layout| known(layout.pick))
}

/// All layouts, those of one id and index before those of a whole class.
fn all() -> impl Iterator<Item = &'static Layout> {
    layouts_0131::COMMUNICATION.iter().chain(layouts::GENERAL)
}

/// What the fields mean.
pub(crate) fn docs() -> impl Iterator<Item = FieldDoc> {
    layouts::GENERAL_DOCS.iter().chain(layouts_0131::COMMUNICATION_DOCS).copied()
}

/// The layout of an entry.
fn layout(id: u16, index: u16, entry: &[u8]) -> Option<&'static Layout> {
    let [_, list] = id.to_be_bytes();
    let begins = Reader::new(entry).u16().ok();
    // The LEDs have a list of their own and an older one.
    let list = if list == 0x19 { 0x74 } else { list };
    let special = |layout: &&Layout| layout.pick == Pick::Exact(id) || layout.pick == Pick::Index(id, index);
    let general = |layout: &&Layout| match layout.pick {
        Pick::List(wanted) => wanted == list,
        Pick::Entry(wanted, entry) => wanted == list && begins == Some(entry),
        _ => false,
    };
    all().find(special).or_else(|| all().find(general))
}

/// A list as it crossed the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    /// Id.
    pub id: u16,
    /// Index.
    pub index: u16,
    /// Bytes of an entry.
    pub length: u16,
    /// Number of entries as announced.
    pub count: u16,
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// Reads the data of an answer, from the id on.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self {
            id: reader.u16().ok()?,
            index: reader.u16().ok()?,
            length: reader.u16().ok()?,
            count: reader.u16().ok()?,
            rest: reader.rest(),
        })
    }

    /// The entries that are there whole.
    pub fn entries(self) -> impl Iterator<Item = &'a [u8]> {
        let length = usize::from(self.length).max(1);
        self.rest.chunks_exact(length).take(usize::from(self.count).min(MOST_ENTRIES))
    }
}

/// Whether all entries that a list announces are there, and no more.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    List::read(bytes).is_some_and(|list| HEAD + usize::from(list.length) * usize::from(list.count) == bytes.len())
}

/// Fields of an id.
pub(crate) fn id_fields(fields: &mut Fields, id: u16) {
    let mut number = |name, value: u16| fields.push((name, FieldValue::Unsigned(u64::from(value))));
    number("s7comm.data.userdata.szl_id", id);
    number("s7comm.data.userdata.szl_id.diag_type", id >> 12);
    number("s7comm.data.userdata.szl_id.partlist_ex", id);
    number("s7comm.data.userdata.szl_id.partlist_num", id & 0xFF);
    fields.push(("s7comm.data.userdata.szl_name", FieldValue::Text(name(id).to_owned())));
}

/// Fields of a list.
pub(crate) fn fields(fields: &mut Fields, bytes: &[u8]) {
    let Some(list) = List::read(bytes) else {
        let mut reader = Reader::new(bytes);
        if let Ok(id) = reader.u16() {
            id_fields(fields, id);
        }
        if let Ok(index) = reader.u16() {
            fields.push(("s7comm.data.userdata.szl_index", FieldValue::Unsigned(u64::from(index))));
        }
        return;
    };
    id_fields(fields, list.id);
    for (name, value) in [
        ("s7comm.data.userdata.szl_index", list.index),
        ("s7comm.data.userdata.szl_id.partlist_len", list.length),
        ("s7comm.data.userdata.szl_id.partlist_cnt", list.count),
    ] {
        fields.push((name, FieldValue::Unsigned(u64::from(value))));
    }
    for entry in list.entries() {
        if list.id & 0xFF == 0xA0 && entry.len() == 20 {
            super::fields::diagnostic(fields, entry);
            continue;
        }
        match layout(list.id, list.index, entry) {
            Some(layout) => place_fields(fields, layout, entry),
            None => {
                fields.push(("s7comm.param.userdata.szl_part_list", FieldValue::Bytes(entry.to_vec())));
            }
        }
    }
}

fn place_fields(fields: &mut Fields, layout: &Layout, entry: &[u8]) {
    for place in layout.places {
        let end = if place.size == 0 { entry.len() } else { place.offset + place.size };
        let Some(bytes) = entry.get(place.offset..end) else { continue };
        let value = match place.kind {
            FieldKind::Text => match super::value::text(bytes) {
                empty if empty.is_empty() => continue,
                text => FieldValue::Text(text),
            },
            FieldKind::Bytes => FieldValue::Bytes(bytes.to_vec()),
            _ => {
                let join = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
                let whole = if place.little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) };
                let number = if place.mask == 0 { whole } else { (whole & place.mask) >> place.mask.trailing_zeros() };
                if place.kind == FieldKind::Bool { FieldValue::Bool(number != 0) } else { FieldValue::Unsigned(number) }
            }
        };
        fields.push((place.name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_within_what_a_list_has() {
        for layout in all() {
            for place in layout.places {
                assert!(place.offset + place.size <= 40, "{place:?}");
                let bits = u32::try_from(place.size * 8).expect("small");
                assert!(place.mask == 0 || place.mask.ilog2() < bits, "{place:?}");
            }
        }
    }

    #[test]
    fn protection_is_read_by_its_layout() {
        let mut bytes = vec![0x01, 0x32, 0, 4, 0, 40, 0, 1, 0, 4, 0, 1, 0, 0, 0, 3, 0, 2];
        bytes.resize(HEAD + 40, 0);
        let mut found = Fields::new();
        fields(&mut found, &bytes);
        let value = |name: &str| found.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone());
        assert_eq!(value("s7comm.szl.0132.0004.real"), Some(FieldValue::Unsigned(3)));
        assert_eq!(value("s7comm.szl.0132.0004.bart_sch"), Some(FieldValue::Unsigned(2)));
        assert_eq!(value("s7comm.data.userdata.szl_id.partlist_cnt"), Some(FieldValue::Unsigned(1)));
    }
}
