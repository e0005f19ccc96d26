//! Items of read and write jobs: what is addressed.

use super::value::{self, Encoding, ItemType};
use ot_protocol::{Operation, Reader, Target};

/// Small numbers of spaces that are no areas. Areas have those of the wire, which are others.
pub(crate) mod space {
    pub const TAG: u8 = 0xF1;
    pub const DRIVE: u8 = 0xF2;
    pub const NCK: u8 = 0xF3;
    pub const ITEM: u8 = 0xF4;
    pub const LIST: u8 = 0xF5;
    pub const BLOCK: u8 = 0xF6;
}

/// Syntax ids of items.
pub(crate) mod syntax {
    /// Address of any type, ten bytes.
    pub const ANY: u8 = 0x10;
    /// Identifier of a block transfer.
    pub const PBC_ID: u8 = 0x13;
    pub const ALARM_LOCK_FREE: u8 = 0x15;
    pub const ALARM_INDICATION: u8 = 0x16;
    pub const ALARM_ACK: u8 = 0x19;
    pub const ALARM_QUERY: u8 = 0x1A;
    pub const NOTIFY: u8 = 0x1C;
    pub const DRIVE_ES: u8 = 0xA2;
    pub const SYMBOLIC: u8 = 0xB2;
    pub const DB_READ: u8 = 0xB0;
    pub const NCK: u8 = 0x82;
    pub const NCK_METRIC: u8 = 0x83;
    pub const NCK_INCH: u8 = 0x84;
}

/// Syntax ids and their names.
pub(crate) static SYNTAXES: &[(u8, &str)] = &[
    (syntax::ANY, "S7ANY: area, data block, byte and bit, type, count"),
    (syntax::PBC_ID, "PBC-R_ID"),
    (syntax::ALARM_LOCK_FREE, "ALARM lock or free"),
    (syntax::ALARM_INDICATION, "ALARM indication"),
    (syntax::ALARM_ACK, "ALARM acknowledge"),
    (syntax::ALARM_QUERY, "ALARM query"),
    (syntax::NOTIFY, "NOTIFY indication"),
    (syntax::NCK, "NCK address"),
    (syntax::NCK_METRIC, "NCK address, metric"),
    (syntax::NCK_INCH, "NCK address, inch"),
    (syntax::DRIVE_ES, "DriveES: parameter of a drive"),
    (syntax::DB_READ, "DBREAD: several ranges of data blocks"),
    (syntax::SYMBOLIC, "1200SYM: symbolic address of S7-1200"),
];

/// Name of a syntax, for people.
fn syntax_name(id: u32) -> &'static str {
    SYNTAXES.iter().find(|(known, _)| u32::from(*known) == id).map_or("unknown syntax", |(_, name)| name)
}

/// A memory area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// Number on the wire.
    pub code: u8,
    /// Address space of a target.
    pub space: &'static str,
    /// What it is, for people.
    pub name: &'static str,
}

const fn area(code: u8, space: &'static str, name: &'static str) -> Area {
    Area { code, space, name }
}

/// Memory areas.
pub(crate) static AREAS: &[Area] = &[
    area(0x03, "system-info", "system information of S7-200"),
    area(0x05, "system-flags", "system flags of S7-200"),
    area(0x06, "analog-inputs", "analog inputs of S7-200"),
    area(0x07, "analog-outputs", "analog outputs of S7-200"),
    area(0x1C, "counters", "counters (C)"),
    area(0x1D, "timers", "timers (T)"),
    area(0x1E, "iec-counters", "IEC counters of S7-200"),
    area(0x1F, "iec-timers", "IEC timers of S7-200"),
    area(0x80, "peripherals", "direct peripheral access (P)"),
    area(0x81, "inputs", "inputs (I)"),
    area(0x82, "outputs", "outputs (Q)"),
    area(0x83, "flags", "flags (M)"),
    area(0x84, "data-block", "data blocks (DB)"),
    area(0x85, "instance-data-block", "instance data blocks (DI)"),
    area(0x86, "local-data", "local data (L)"),
    area(0x87, "previous-local-data", "local data of the caller (V)"),
];

/// The area with this number; what is not known keeps its number as the number of the space.
pub(crate) fn area_of(code: u8) -> Area {
    AREAS.iter().find(|known| known.code == code).copied().unwrap_or(area(code, "area", "unknown area"))
}

impl Area {
    /// Class of a write to it.
    pub fn write(self) -> Operation {
        match self.code {
            0x07 | 0x80 | 0x82 => Operation::Control,
            _ => Operation::Write,
        }
    }

    /// Whether an address counts elements and not bits.
    pub fn counts_elements(self) -> bool {
        matches!(self.code, 0x1C..=0x1F)
    }
}

/// An item, cut at its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// Syntax id.
    pub syntax: u8,
    /// What stands behind the syntax id.
    pub body: &'a [u8],
}

impl<'a> Item<'a> {
    /// Reads an item: variable specification 0x12, length, syntax id, body. Items begin at even places.
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let _specification = reader.u8().ok()?;
        let length = usize::from(reader.u8().ok()?);
        let bytes = reader.take(length.min(reader.remaining())).ok()?;
        let whole = bytes.len() == length;
        if length % 2 == 1 && reader.remaining() > 0 {
            let _fill = reader.u8();
        }
        let (&syntax, body) = bytes.split_first()?;
        whole.then_some(Self { syntax, body })
    }

    /// The address of any type.
    pub fn any(self) -> Option<Any> {
        let [kind, count_high, count_low, db_high, db_low, area, high, mid, low] = *self.body else { return None };
        (self.syntax == syntax::ANY).then(|| Any {
            kind: value::item_type_of(kind),
            count: u16::from_be_bytes([count_high, count_low]),
            db: u16::from_be_bytes([db_high, db_low]),
            area: area_of(area),
            address: u32::from_be_bytes([0, high, mid, low]),
        })
    }

    /// What it addresses, and the type of its values.
    pub fn address(self) -> Address {
        if let Some(any) = self.any() {
            return any.place();
        }
        match self.syntax {
            syntax::DB_READ => self.db_read(),
            syntax::SYMBOLIC => self.symbolic(),
            syntax::DRIVE_ES => self.drive(),
            syntax::NCK | syntax::NCK_METRIC | syntax::NCK_INCH => self.nck(),
            _ => {
                Address { space: "item", code: space::ITEM, number: Some(u32::from(self.syntax)), ..Address::default() }
            }
        }
    }

    /// Ranges of data blocks: number of ranges, then length, data block and first byte of each. The first one is told.
    fn db_read(self) -> Address {
        let mut reader = Reader::new(self.body);
        let (Ok(_ranges), Ok(length), Ok(db), Ok(start)) = (reader.u8(), reader.u8(), reader.u16(), reader.u16())
        else {
            return Address { space: "data-block", code: 0x84, ..Address::default() };
        };
        Address {
            space: "data-block",
            code: 0x84,
            number: Some(u32::from(db)),
            start: u32::from(start) * 8,
            count: u32::from(length),
            width: 8,
            kind: value::item_type_of(2),
            extra: fold(self.body),
        }
    }

    /// Symbolic address: reserved, root area (2 and 2 bytes), CRC over the names, then a path of local ids.
    fn symbolic(self) -> Address {
        let crc = self.body.get(5..9).map(|bytes| bytes.iter().fold(0, |crc, &byte| crc << 8 | u32::from(byte)));
        Address {
            space: "tag",
            code: space::TAG,
            number: crc,
            count: 1,
            width: 1,
            extra: fold(self.body),
            ..Address::default()
        }
    }

    /// Drive parameter: three unknown values, number and index of the parameter.
    fn drive(self) -> Address {
        let word = |at: usize| {
            self.body.get(at..at + 2).map(|pair| pair.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
        };
        Address {
            space: "drive-parameter",
            code: space::DRIVE,
            number: word(5),
            start: word(7).unwrap_or_default(),
            count: 1,
            width: 1,
            extra: fold(self.body),
            ..Address::default()
        }
    }

    /// NCK: area and unit, column, line, module, number of lines.
    fn nck(self) -> Address {
        let mut reader = Reader::new(self.body);
        let mut next = || -> Option<[u32; 5]> {
            let area = reader.u8().ok()?;
            let column = reader.u16().ok()?;
            let line = reader.u16().ok()?;
            let module = reader.u8().ok()?;
            let lines = reader.u8().ok()?;
            Some([area.into(), column.into(), line.into(), module.into(), lines.into()])
        };
        let Some([area, column, line, module, lines]) = next() else {
            return Address { space: "nck", code: space::NCK, ..Address::default() };
        };
        Address {
            space: "nck",
            code: space::NCK,
            number: Some(area << 8 | module),
            start: column << 16 | line,
            count: lines,
            width: 1,
            extra: fold(self.body),
            ..Address::default()
        }
    }
}

/// A small number that differs with the bytes, for keys.
fn fold(bytes: &[u8]) -> u16 {
    let hash = bytes.iter().fold(0x811C_9DC5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

/// An address of any type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Any {
    /// Type of an element.
    pub kind: ItemType,
    /// Number of elements.
    pub count: u16,
    /// Data block; 0 elsewhere.
    pub db: u16,
    /// Area.
    pub area: Area,
    /// Byte × 8 + bit, or the number of a timer or counter.
    pub address: u32,
}

impl Any {
    fn place(self) -> Address {
        let number = match self.area.code {
            0x84 | 0x85 => Some(u32::from(self.db)),
            code if self.area.space == "area" => Some(u32::from(code)),
            _ => None,
        };
        let (start, width) = match self.area.counts_elements() {
            true => ((self.address & 0xFFFF) * 16, 16),
            false => (self.address, self.kind.width),
        };
        let extra = u16::from(self.kind.code);
        Address {
            space: self.area.space,
            code: self.area.code,
            number,
            start,
            count: u32::from(self.count),
            width,
            kind: self.kind,
            extra,
        }
    }
}

/// What is addressed, in the terms of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Address space.
    pub space: &'static str,
    /// A small number of the space, for keys: of the area, or one of [`space`].
    pub code: u8,
    /// Number of the space.
    pub number: Option<u32>,
    /// First address: in bits for memory areas.
    pub start: u32,
    /// Number of points.
    pub count: u32,
    /// Width of a point.
    pub width: u32,
    /// Type of the values; opaque where it is not known.
    pub kind: ItemType,
    /// Tells addresses apart whose other parts are the same: type of an element, or a hash of the rest.
    pub extra: u16,
}

impl Default for Address {
    fn default() -> Self {
        let kind = ItemType { code: 0, name: "unknown", width: 8, encoding: Encoding::Opaque };
        Self { space: "", code: 0, number: None, start: 0, count: 0, width: 0, kind, extra: 0 }
    }
}

impl Address {
    /// As the target of an activity.
    pub fn target(&self) -> Target {
        Target {
            space: self.space,
            number: self.number,
            start: self.start,
            count: self.count,
            width: self.width,
            name: (self.space == "item").then(|| syntax_name(self.number.unwrap_or_default()).into()),
        }
    }

    /// Class of a write to it.
    pub fn write(&self) -> Operation {
        area_of(self.code).write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Item<'_> {
        Item::read(&mut Reader::new(bytes)).expect("an item")
    }

    #[test]
    fn any_pointers_count_bits() {
        let item = read(&[0x12, 10, 0x10, 4, 0, 2, 0, 10, 0x84, 0, 0, 0x20]);
        let target = item.address().target();
        assert_eq!(
            (target.space, target.number, target.start, target.count, target.width),
            ("data-block", Some(10), 32, 2, 16)
        );
        let output = read(&[0x12, 10, 0x10, 1, 0, 1, 0, 0, 0x82, 0, 0, 3]);
        assert_eq!(output.address().write(), Operation::Control);
        assert_eq!(output.address().target().number, None);
        let timer = read(&[0x12, 10, 0x10, 29, 0, 1, 0, 0, 0x1D, 0, 0, 5]).address().target();
        assert_eq!((timer.space, timer.start, timer.width), ("timers", 80, 16));
        assert_eq!(read(&[0x12, 10, 0x10, 2, 0, 1, 0, 0, 0x55, 0, 0, 0]).address().number, Some(0x55));
    }

    #[test]
    fn other_syntaxes_keep_their_numbers() {
        let symbolic = read(&[0x12, 14, 0xB2, 0xFF, 0, 0, 0, 0x52, 0xDE, 0xAD, 0xBE, 0xEF, 0x40, 0, 0, 1]).address();
        assert_eq!((symbolic.space, symbolic.number), ("tag", Some(0xDEAD_BEEF)));
        let range = read(&[0x12, 7, 0xB0, 1, 4, 0, 7, 0, 2]).address();
        assert_eq!((range.space, range.number, range.start, range.count), ("data-block", Some(7), 16, 4));
        let drive = read(&[0x12, 10, 0xA2, 1, 0, 2, 0, 3, 0x03, 0x84, 0, 1]).address();
        assert_eq!((drive.space, drive.number, drive.start), ("drive-parameter", Some(900), 1));
        let nck = read(&[0x12, 8, 0x82, 0x41, 0, 1, 0, 2, 0x7F, 1]).address();
        assert_eq!((nck.space, nck.number, nck.start, nck.count), ("nck", Some(0x417F), 0x1_0002, 1));
        assert_eq!(read(&[0x12, 2, 0x77, 0]).address().number, Some(0x77));
    }

    #[test]
    fn a_cut_item_is_none() {
        assert!(Item::read(&mut Reader::new(&[0x12, 10, 0x10, 2, 0])).is_none());
        assert!(Item::read(&mut Reader::new(&[0x12])).is_none());
        assert!(Item::read(&mut Reader::new(&[0x12, 0])).is_none());
    }
}
