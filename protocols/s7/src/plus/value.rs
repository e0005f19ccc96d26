//! Typed values, lists of them, and where the walk over a message stands.
//!
//! A value is a byte of flags, a byte of data type and the content. Numbers of 32 and 64 bits have variable length, except
//! in system events, where they are of fixed length and flags and data type take two bytes each.

use super::found::{Attribute, Found, Item, Scalar, Slice, Span, Value};
use super::names;
use super::wire::{svlq32, svlq64, vlq32, vlq64};
use ot_protocol::{FieldValue, Reader, Short, Timestamp};

/// Data types.
pub(crate) mod datatype {
    #![allow(missing_docs, reason = "names of the protocol")]
    pub const NULL: u8 = 0x00;
    pub const BOOL: u8 = 0x01;
    pub const USINT: u8 = 0x02;
    pub const UINT: u8 = 0x03;
    pub const UDINT: u8 = 0x04;
    pub const ULINT: u8 = 0x05;
    pub const SINT: u8 = 0x06;
    pub const INT: u8 = 0x07;
    pub const DINT: u8 = 0x08;
    pub const LINT: u8 = 0x09;
    pub const BYTE: u8 = 0x0A;
    pub const WORD: u8 = 0x0B;
    pub const DWORD: u8 = 0x0C;
    pub const LWORD: u8 = 0x0D;
    pub const REAL: u8 = 0x0E;
    pub const LREAL: u8 = 0x0F;
    pub const TIMESTAMP: u8 = 0x10;
    pub const TIMESPAN: u8 = 0x11;
    pub const RID: u8 = 0x12;
    pub const AID: u8 = 0x13;
    pub const BLOB: u8 = 0x14;
    pub const WSTRING: u8 = 0x15;
    pub const VARIANT: u8 = 0x16;
    pub const STRUCT: u8 = 0x17;
    pub const S7STRING: u8 = 0x19;

    /// Name, for people.
    pub fn name(datatype: u8) -> &'static str {
        const NAMES: [&str; 24] = [
            "Null",
            "Bool",
            "USInt",
            "UInt",
            "UDInt",
            "ULInt",
            "SInt",
            "Int",
            "DInt",
            "LInt",
            "Byte",
            "Word",
            "DWord",
            "LWord",
            "Real",
            "LReal",
            "Timestamp",
            "Timespan",
            "RID",
            "AID",
            "Blob",
            "WString",
            "Variant",
            "Struct",
        ];
        match datatype {
            S7STRING => "S7String",
            _ => NAMES.get(usize::from(datatype)).copied().unwrap_or("unknown"),
        }
    }
}

/// Flags of a value.
pub(crate) mod flag {
    /// Array: number of elements, elements.
    pub const ARRAY: u8 = 0x10;
    /// Address array: as an array.
    pub const ADDRESS_ARRAY: u8 = 0x20;
    /// Sparse array: key and element in turn, until the key 0.
    pub const SPARSE_ARRAY: u8 = 0x40;
}

/// Structures, objects and lists within each other at most.
const MOST_DEPTH: u8 = 40;

/// Why the walk ended before the end of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The message ends too early.
    Short,
    /// Something that the walk does not know, at this offset.
    Unknown(usize),
}

impl From<Short> for Stop {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// What the walk gives.
pub(crate) type Walked<T> = Result<T, Stop>;

/// The walk over a message.
pub(crate) struct Walk<'a, 'f> {
    /// Where it stands.
    pub reader: Reader<'a>,
    /// What it found.
    pub found: &'f mut Found,
    /// The object whose attributes it reads.
    pub object: Option<usize>,
    /// Offset behind the last thing that was understood.
    pub understood: usize,
    whole: &'a [u8],
    /// Numbers of fixed length (system events).
    fixed: bool,
    depth: u8,
}

impl<'a, 'f> Walk<'a, 'f> {
    /// Begins at the first byte.
    pub fn new(message: &'a [u8], found: &'f mut Found) -> Self {
        Self {
            reader: Reader::new(message),
            found,
            object: None,
            understood: 0,
            whole: message,
            fixed: false,
            depth: 0,
        }
    }

    /// Begins at the first byte of a message with numbers of fixed length.
    pub fn fixed(message: &'a [u8], found: &'f mut Found) -> Self {
        Self { fixed: true, ..Self::new(message, found) }
    }

    /// All up to here was understood.
    pub fn mark(&mut self) {
        self.understood = self.reader.offset();
    }

    /// The next byte, without reading it.
    pub fn peek(&self) -> Option<u8> {
        self.reader.rest().first().copied()
    }

    /// Reads a byte into a field.
    pub fn u8(&mut self, name: &'static str) -> Walked<u8> {
        let value = self.reader.u8()?;
        self.found.number(name, value);
        self.mark();
        Ok(value)
    }

    /// Reads two bytes into a field.
    pub fn u16(&mut self, name: &'static str) -> Walked<u16> {
        let value = self.reader.u16()?;
        self.found.number(name, value);
        self.mark();
        Ok(value)
    }

    /// Reads four bytes into a field.
    pub fn u32(&mut self, name: &'static str) -> Walked<u32> {
        let value = self.reader.u32()?;
        self.found.number(name, value);
        self.mark();
        Ok(value)
    }

    /// Reads a number of variable length into a field.
    pub fn vlq(&mut self, name: &'static str) -> Walked<u32> {
        let value = vlq32(&mut self.reader)?;
        self.found.number(name, value);
        self.mark();
        Ok(value)
    }

    /// Reads an id of four bytes into a field, its name into another.
    pub fn rid(&mut self, name: &'static str, named: &'static str) -> Walked<u32> {
        let id = self.u32(name)?;
        self.name(named, id);
        Ok(id)
    }

    /// Reads an id of variable length into a field, its name into another.
    pub fn id(&mut self, name: &'static str, named: &'static str) -> Walked<u32> {
        let id = self.number32()?;
        self.found.number(name, id);
        self.mark();
        self.name(named, id);
        Ok(id)
    }

    fn name(&mut self, named: &'static str, id: u32) {
        if self.found.wants_fields()
            && let Some(text) = names::id(id)
        {
            self.found.text(named, text);
        }
    }

    fn number32(&mut self) -> Walked<u32> {
        Ok(if self.fixed { self.reader.u32()? } else { vlq32(&mut self.reader)? })
    }

    /// Walks something that lies within something else.
    pub fn deeper<T>(&mut self, walk: impl FnOnce(&mut Self) -> Walked<T>) -> Walked<T> {
        if self.depth >= MOST_DEPTH {
            return Err(Stop::Unknown(self.reader.offset()));
        }
        self.depth += 1;
        let walked = walk(self);
        self.depth -= 1;
        walked
    }

    /// A list of ids with values, ended by id 0.
    pub fn id_values(&mut self) -> Walked<()> {
        self.deeper(|walk| {
            loop {
                let id = walk.number32()?;
                if id == 0 {
                    walk.mark();
                    return Ok(());
                }
                walk.identified(id)?;
            }
        })
    }

    /// An id with its value.
    pub fn id_value(&mut self) -> Walked<(u32, Value)> {
        let id = self.number32()?;
        let value = self.identified(id)?;
        Ok((id, value))
    }

    fn identified(&mut self, id: u32) -> Walked<Value> {
        self.found.number("s7comm-plus.data.id", id);
        self.name("s7comm-plus.data.id.name", id);
        let place = self.found.attributes.len();
        let object = self.object;
        // Before its members, so that attributes keep the order of the message.
        self.found.push_attribute(Attribute { object, id, value: Value::default() });
        let value = self.value()?;
        if let Some(attribute) = self.found.attributes.get_mut(place) {
            attribute.value = value;
        }
        Ok(value)
    }

    /// A list of numbered values, ended by number 0.
    pub fn items(&mut self) -> Walked<()> {
        while self.item()? {}
        Ok(())
    }

    /// A numbered value; false at the number 0, which ends a list.
    pub fn item(&mut self) -> Walked<bool> {
        let number = vlq32(&mut self.reader)?;
        if number == 0 {
            self.mark();
            return Ok(false);
        }
        self.found.number("s7comm-plus.item.number", number);
        let value = self.value()?;
        self.found.push_item(Item { number, value });
        Ok(true)
    }

    /// A list of numbered return values, ended by number 0.
    pub fn errors(&mut self) -> Walked<()> {
        loop {
            let number = vlq32(&mut self.reader)?;
            if number == 0 {
                self.mark();
                return Ok(());
            }
            let returned = vlq64(&mut self.reader)?;
            self.found.push_error(number, returned);
            self.found.number("s7comm-plus.item.number", number);
            let code = names::error_code(returned);
            self.found.field("s7comm-plus.item.errorcode", || FieldValue::Signed(i64::from(code)));
            self.found.text("s7comm-plus.item.errorcode.name", names::error(code));
            self.mark();
        }
    }

    /// A typed value.
    pub fn value(&mut self) -> Walked<Value> {
        let (flags, datatype) = if self.fixed {
            let [_, flags, _, datatype] = self.reader.array()?;
            (flags, datatype)
        } else {
            let [flags, datatype] = self.reader.array()?;
            (flags, datatype)
        };
        self.found.number("s7comm-plus.item.val.datatype", datatype);
        self.found.text("s7comm-plus.item.val.datatype.name", datatype::name(datatype));
        if flags != 0 {
            self.found.number("s7comm-plus.item.val.datatype.flags", flags);
        }
        let numbers = self.found.numbers.len();
        let words = self.found.words.len();
        let (count, first) = if datatype == datatype::STRUCT && flags & flag::ADDRESS_ARRAY != 0 {
            self.structures()?
        } else if flags & flag::SPARSE_ARRAY != 0 {
            self.sparse(datatype)?
        } else if flags & (flag::ARRAY | flag::ADDRESS_ARRAY) != 0 && datatype != datatype::STRUCT {
            self.array(datatype)?
        } else {
            (1, self.element(datatype)?)
        };
        self.mark();
        let kept = |start, end: usize| Slice { start, length: end - start };
        Ok(Value {
            datatype,
            flags,
            count,
            first,
            numbers: kept(numbers, self.found.numbers.len()),
            words: kept(words, self.found.words.len()),
        })
    }

    fn array(&mut self, datatype: u8) -> Walked<(u32, Scalar)> {
        let count = self.number32()?;
        self.found.number("s7comm-plus.item.val.arraysize", count);
        let mut first = Scalar::None;
        for place in 0..count {
            // An element takes a byte at least; null alone takes none.
            if datatype == datatype::NULL {
                break;
            }
            let element = self.element(datatype)?;
            if datatype == datatype::UDINT
                && let Scalar::Unsigned(word) = element
            {
                self.found.push_word(u32::try_from(word).unwrap_or(u32::MAX));
            }
            if place == 0 {
                first = element;
            }
        }
        Ok((count, first))
    }

    fn sparse(&mut self, datatype: u8) -> Walked<(u32, Scalar)> {
        let mut first = Scalar::None;
        let mut count = 0_u32;
        loop {
            let key = self.number32()?;
            if key == 0 {
                return Ok((count, first));
            }
            self.found.number("s7comm-plus.item.val.sparsearray.key", key);
            let element = if datatype == datatype::VARIANT {
                Scalar::Unsigned(u64::from(self.number32()?))
            } else {
                self.element(datatype)?
            };
            if count == 0 {
                first = element;
            }
            count = count.saturating_add(1);
        }
    }

    /// Array of structures: the structure's id, the number of elements, and for each its members.
    fn structures(&mut self) -> Walked<(u32, Scalar)> {
        let id = self.reader.u32()?;
        self.found.number("s7comm-plus.item.val.struct", id);
        self.name("s7comm-plus.item.val.struct.name", id);
        let count = self.number32()?;
        self.found.number("s7comm-plus.item.val.arraysize", count);
        for _ in 0..count {
            self.id_values()?;
        }
        Ok((count, Scalar::Struct(id)))
    }

    fn element(&mut self, datatype: u8) -> Walked<Scalar> {
        let unsigned = |walk: &mut Self, value: u64| {
            walk.found.number("s7comm-plus.item.val.number", value);
            walk.found.push_number(wide(value));
            Scalar::Unsigned(value)
        };
        let signed = |walk: &mut Self, value: i64| {
            walk.found.field("s7comm-plus.item.val.number", || FieldValue::Signed(value));
            walk.found.push_number(wide_signed(value));
            Scalar::Signed(value)
        };
        let real = |walk: &mut Self, value: f64| {
            walk.found.field("s7comm-plus.item.val.number", || FieldValue::Float(value));
            walk.found.push_number(value);
            Scalar::Real(value)
        };
        Ok(match datatype {
            datatype::NULL => Scalar::None,
            datatype::BOOL => {
                let bit = self.reader.u8()? != 0;
                self.found.field("s7comm-plus.item.val.bool", || FieldValue::Bool(bit));
                self.found.push_number(f64::from(u8::from(bit)));
                Scalar::Bool(bit)
            }
            datatype::USINT | datatype::BYTE => {
                let value = self.reader.u8()?;
                unsigned(self, u64::from(value))
            }
            datatype::UINT | datatype::WORD => {
                let value = self.reader.u16()?;
                unsigned(self, u64::from(value))
            }
            datatype::UDINT | datatype::AID => {
                let value = self.number32()?;
                unsigned(self, u64::from(value))
            }
            datatype::DWORD | datatype::RID => {
                let value = self.reader.u32()?;
                unsigned(self, u64::from(value))
            }
            datatype::ULINT => {
                let value = if self.fixed { self.reader.u64()? } else { vlq64(&mut self.reader)? };
                unsigned(self, value)
            }
            datatype::LWORD => {
                let value = self.reader.u64()?;
                unsigned(self, value)
            }
            datatype::SINT => {
                let value = i8::from_be_bytes(self.reader.array()?);
                signed(self, i64::from(value))
            }
            datatype::INT => {
                let value = i16::from_be_bytes(self.reader.array()?);
                signed(self, i64::from(value))
            }
            datatype::DINT => {
                let value =
                    if self.fixed { i32::from_be_bytes(self.reader.array()?) } else { svlq32(&mut self.reader)? };
                signed(self, i64::from(value))
            }
            datatype::LINT => {
                let value =
                    if self.fixed { i64::from_be_bytes(self.reader.array()?) } else { svlq64(&mut self.reader)? };
                signed(self, value)
            }
            datatype::TIMESPAN => {
                let value = svlq64(&mut self.reader)?;
                signed(self, value)
            }
            datatype::REAL => {
                let value = f32::from_be_bytes(self.reader.array()?);
                real(self, f64::from(value))
            }
            datatype::LREAL => {
                let value = f64::from_be_bytes(self.reader.array()?);
                real(self, value)
            }
            datatype::TIMESTAMP => {
                let value = self.reader.u64()?;
                self.time("s7comm-plus.item.val.timestamp", value);
                self.found.push_number(f64::NAN);
                Scalar::Time(value)
            }
            datatype::WSTRING => {
                let length = self.number32()?;
                let span = self.take(length)?;
                let text = span.of(self.whole());
                self.found.field("s7comm-plus.item.val.text", || FieldValue::Text(names::clean(text)));
                self.found.push_number(f64::NAN);
                Scalar::Text(span)
            }
            datatype::BLOB => self.blob()?,
            datatype::VARIANT => {
                // Flags and data type of the value stand before it.
                let [_, inner] = self.reader.array()?;
                if matches!(inner, datatype::VARIANT | datatype::STRUCT) {
                    return Err(Stop::Unknown(self.reader.offset()));
                }
                self.found.number("s7comm-plus.item.val.varianttype", inner);
                self.deeper(|walk| walk.element(inner))?
            }
            datatype::STRUCT => {
                let id = self.reader.u32()?;
                self.found.number("s7comm-plus.item.val.struct", id);
                self.name("s7comm-plus.item.val.struct.name", id);
                if is_packed(id) {
                    self.packed()?;
                } else {
                    self.id_values()?;
                }
                Scalar::Struct(id)
            }
            _ => return Err(Stop::Unknown(self.reader.offset())),
        })
    }

    /// A blob: root id, size, bytes. Root ids above 1 have eight bytes and a kind between: kind 0 has a list of values.
    fn blob(&mut self) -> Walked<Scalar> {
        let root = self.number32()?;
        if root > 1 {
            self.reader.take(8)?;
            let kind = self.reader.u8()?;
            self.found.number("s7comm-plus.item.val.blob.rootid", root);
            self.found.number("s7comm-plus.item.val.blob.type", kind);
            match kind {
                0 => {
                    self.id_values()?;
                    return Ok(Scalar::None);
                }
                2 | 3 => {}
                _ => return Err(Stop::Unknown(self.reader.offset())),
            }
        }
        let length = self.number32()?;
        let span = self.take(length)?;
        let bytes = span.of(self.whole());
        self.found.number("s7comm-plus.item.val.blob.size", length);
        self.found.bytes("s7comm-plus.item.val.blob", bytes.get(..bytes.len().min(256)).unwrap_or_default());
        self.found.opaque += span.length;
        self.found.push_number(f64::NAN);
        Ok(Scalar::Bytes(span))
    }

    /// Members packed into bytes: time of the interface, transport flags, size (twice with flag 0x400), bytes.
    fn packed(&mut self) -> Walked<()> {
        let time = self.reader.u64()?;
        self.time("s7comm-plus.packedstruct.interfacetimestamp", time);
        let flags = vlq32(&mut self.reader)?;
        self.found.number("s7comm-plus.packedstruct.transpflags", flags);
        let mut length = vlq32(&mut self.reader)?;
        if flags & 0x400 != 0 {
            length = vlq32(&mut self.reader)?;
        }
        let span = self.take(length)?;
        let bytes = span.of(self.whole());
        self.found.bytes("s7comm-plus.packedstruct.data", bytes.get(..bytes.len().min(256)).unwrap_or_default());
        self.found.opaque += span.length;
        Ok(())
    }

    /// Passes over bytes.
    pub fn take(&mut self, length: u32) -> Walked<Span> {
        let start = self.reader.offset();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.reader.take(length)?;
        Ok(Span { start, length })
    }

    /// The whole message.
    pub fn whole(&self) -> &'a [u8] {
        self.whole
    }

    /// A time in nanoseconds since 1970 as a field.
    pub fn time(&mut self, name: &'static str, nanos: u64) {
        let time = Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX));
        self.found.field(name, || FieldValue::Time(time));
    }
}

/// Whether a structure's members come as bytes: structures of the user's program and of the library.
fn is_packed(id: u32) -> bool {
    matches!(id, 0x9000_0001..0x9FFF_FFFF | 0x0200_0001..0x02FF_FFFF)
}

/// The nearest number with fraction; exact up to 2^53.
fn wide(value: u64) -> f64 {
    let [high, low] = [value >> 32, value & 0xFFFF_FFFF].map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

fn wide_signed(value: i64) -> f64 {
    let size = wide(value.unsigned_abs());
    if value < 0 { -size } else { size }
}
