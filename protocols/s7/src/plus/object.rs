//! Objects: elements one after the other, each with its id, until the end of the object.

use super::found::{Address, Object, Span};
use super::names;
use super::value::{Stop, Walk, Walked, datatype};
use super::wire::{svlq32, vlq32};
use ot_protocol::{FieldValue, Reader};

/// Element ids.
mod element {
    pub const START_OBJECT: u8 = 0xA1;
    pub const END_OBJECT: u8 = 0xA2;
    pub const ATTRIBUTE: u8 = 0xA3;
    pub const RELATION: u8 = 0xA4;
    pub const START_TAG: u8 = 0xA7;
    pub const END_TAG: u8 = 0xA8;
    pub const TYPES: u8 = 0xAB;
    pub const NAMES: u8 = 0xAC;
}

/// Whether a byte begins an object.
pub(crate) fn starts(byte: Option<u8>) -> bool {
    byte == Some(element::START_OBJECT)
}

/// Values of a subscription reference list begin behind this many: kind and change counter, addresses given up, addresses
/// asked for.
const REFERENCE_HEAD: usize = 3;

impl Walk<'_, '_> {
    /// Objects one after the other, as long as there are.
    pub fn objects(&mut self) -> Walked<()> {
        while starts(self.peek()) {
            self.object()?;
        }
        Ok(())
    }

    /// An object with all that is in it.
    pub fn object(&mut self) -> Walked<()> {
        self.deeper(|walk| {
            let start = walk.reader.offset();
            walk.reader.u8()?;
            let relation = walk.rid("s7comm-plus.object.relid", "s7comm-plus.object.relid.name")?;
            let class = walk.id("s7comm-plus.object.classid", "s7comm-plus.object.classid.name")?;
            walk.vlq("s7comm-plus.object.classflags")?;
            let attribute = walk.vlq("s7comm-plus.object.attributeid")?;
            if attribute != 0 {
                walk.vlq("s7comm-plus.object.attributeidflags")?;
            }
            let outer = walk.object;
            let place = walk.found.push_object(Object { relation, class, span: Span::default() });
            walk.object = place;
            let walked = walk.elements();
            walk.object = outer;
            if let Some(object) = place.and_then(|place| walk.found.objects.get_mut(place)) {
                object.span = Span { start, length: walk.reader.offset() - start };
            }
            walked
        })
    }

    fn elements(&mut self) -> Walked<()> {
        loop {
            match self.peek() {
                Some(element::START_OBJECT) => self.object()?,
                Some(element::END_OBJECT) => {
                    self.reader.u8()?;
                    self.mark();
                    return Ok(());
                }
                Some(element::ATTRIBUTE) => {
                    self.reader.u8()?;
                    self.id_value()?;
                }
                Some(element::RELATION) => {
                    self.reader.u8()?;
                    self.id("s7comm-plus.relation.id", "s7comm-plus.relation.id.name")?;
                    self.u32("s7comm-plus.relation.relid")?;
                }
                Some(element::START_TAG) => {
                    self.reader.u8()?;
                    self.tag()?;
                }
                Some(element::END_TAG) => {
                    self.reader.u8()?;
                    self.mark();
                }
                Some(element::TYPES) => {
                    self.reader.u8()?;
                    self.types()?;
                }
                Some(element::NAMES) => {
                    self.reader.u8()?;
                    self.names()?;
                }
                Some(_) => return Err(Stop::Unknown(self.reader.offset())),
                None => return Err(Stop::Short),
            }
        }
    }

    /// Description of a tag (S7-1200 up to firmware 2): kind, name, type, flags, local id, where it lies.
    fn tag(&mut self) -> Walked<()> {
        let kind = self.reader.u8()?;
        let length = vlq32(&mut self.reader)?;
        let name = self.take(length)?.of(self.whole());
        self.found.field("s7comm-plus.tagdescr.name", || FieldValue::Text(names::clean(name)));
        self.reader.u8()?;
        let datatype = self.reader.u8()?;
        self.found.text("s7comm-plus.tagdescr.datatype", datatype::name(datatype));
        self.vlq("s7comm-plus.tagdescr.softdatatype")?;
        self.u32("s7comm-plus.tagdescr.attributeflags")?;
        self.vlq("s7comm-plus.tagdescr.lid")?;
        vlq32(&mut self.reader)?;
        if kind & 0x0C != 0 {
            vlq32(&mut self.reader)?;
            vlq32(&mut self.reader)?;
        }
        vlq32(&mut self.reader)?;
        vlq32(&mut self.reader)?;
        match kind & 0x03 {
            1 => {
                vlq32(&mut self.reader)?;
                vlq32(&mut self.reader)?;
            }
            2 => {
                svlq32(&mut self.reader)?;
                for _ in 0..3 {
                    vlq32(&mut self.reader)?;
                }
            }
            3 => {
                vlq32(&mut self.reader)?;
                vlq32(&mut self.reader)?;
                let dimensions = vlq32(&mut self.reader)?;
                for _ in 0..dimensions {
                    svlq32(&mut self.reader)?;
                    vlq32(&mut self.reader)?;
                }
            }
            _ => {}
        }
        if kind == 0x08 {
            vlq32(&mut self.reader)?;
            vlq32(&mut self.reader)?;
        }
        self.mark();
        Ok(())
    }

    /// Types of the members of a structure: blocks with their length, ended by length 0. Numbers within have the least
    /// significant byte first.
    fn types(&mut self) -> Walked<()> {
        let mut length = self.reader.u16()?;
        if length == 0 {
            self.reader.take(4)?;
            self.mark();
            return Ok(());
        }
        let mut first = true;
        while length > 0 {
            let mut members = Reader::new(self.reader.take(usize::from(length))?);
            if first {
                members.u32_le()?;
                first = false;
            }
            while members.remaining() > 0 {
                self.member(&mut members)?;
            }
            self.mark();
            length = self.reader.u16()?;
        }
        self.mark();
        Ok(())
    }

    fn member(&mut self, reader: &mut Reader<'_>) -> Walked<()> {
        let lid = reader.u32_le()?;
        let crc = reader.u32_le()?;
        let soft = reader.u8()?;
        let flags = reader.u16()?;
        reader.u8()?;
        self.found.number("s7comm-plus.tagdescr.lid", lid);
        self.found.number("s7comm-plus.tagdescr.symbolcrc", crc);
        self.found.number("s7comm-plus.tagdescr.softdatatype", soft);
        let more = match flags >> 12 {
            // Two offsets of two bytes.
            1 | 8 => 4,
            // Strings, arrays of one and of several dimensions: two offsets of four bytes more, bounds.
            2 | 9 => 12,
            3 | 10 => 12 + 8,
            4 | 11 => 12 + 8 + 48,
            // Structures and arrays of them: sizes, relation and four more.
            5 | 12 => 12 + 20,
            6 | 13 => 12 + 8 + 8 + 20,
            7 | 14 => 12 + 8 + 48 + 8 + 20,
            // Instances of function blocks, arrays of them.
            15 => 12 + 28,
            _ => 12 + 28 + 16 + 48,
        };
        reader.take(more)?;
        Ok(())
    }

    /// Names of the members of a structure: blocks with their length, ended by length 0.
    fn names(&mut self) -> Walked<()> {
        loop {
            let length = self.reader.u16()?;
            if length == 0 {
                self.mark();
                return Ok(());
            }
            let mut block = Reader::new(self.reader.take(usize::from(length))?);
            while block.remaining() > 0 {
                let length = block.u8()?;
                let name = block.take(usize::from(length))?;
                block.u8()?;
                self.found.field("s7comm-plus.tagdescr.name", || FieldValue::Text(names::clean(name)));
            }
            self.mark();
        }
    }

    /// The address of a variable: checksum of the symbol, area, number of ids, what of the area, local ids.
    pub fn address(&mut self) -> Walked<()> {
        let crc = vlq32(&mut self.reader)?;
        let area = vlq32(&mut self.reader)?;
        let depth = vlq32(&mut self.reader)?;
        let mut address = Address { crc, area, ..Address::default() };
        if depth > 0 {
            address.sub = vlq32(&mut self.reader)?;
        }
        for _ in 1..depth {
            address.push(vlq32(&mut self.reader)?);
        }
        self.mark();
        self.keep(address);
        Ok(())
    }

    fn keep(&mut self, address: Address) {
        self.found.number("s7comm-plus.item.addr.area", address.area);
        self.found.number("s7comm-plus.item.addr.crc", address.crc);
        self.found.number("s7comm-plus.item.addr.area.sub", address.sub);
        for lid in address.lids() {
            self.found.number("s7comm-plus.item.addr.lid_value", *lid);
        }
        self.found.field("s7comm-plus.item.addr.name", || FieldValue::Text(names::address(&address)));
        self.found.push_address(address);
    }

    /// The addresses in the subscription reference list that was just read.
    pub fn references(&mut self, list: super::found::Slice) {
        let end = list.start.saturating_add(list.length);
        let word = |walk: &Self, place: usize| walk.found.words.get(place).copied().filter(|_| place < end);
        let (Some(given_up), Some(asked)) = (word(self, list.start + 1), word(self, list.start + 2)) else { return };
        let mut place = list.start + REFERENCE_HEAD;
        for _ in 0..given_up {
            let Some(reference) = word(self, place) else { return };
            self.found.number("s7comm-plus.subscription.given_up", reference);
            self.found.push_given_up(reference);
            place += 1;
        }
        for _ in 0..asked {
            let at = |offset| word(self, place + offset);
            let (Some(head), Some(reference), Some(area), Some(crc), Some(sub)) = (at(0), at(1), at(3), at(4), at(5))
            else {
                return;
            };
            let mut address = Address { reference, crc, area, sub, ..Address::default() };
            let following = usize::from(u16::try_from(head & 0xFFFF).unwrap_or_default()).saturating_sub(1);
            for lid in 0..following {
                let Some(lid) = at(6 + lid) else { return };
                address.push(lid);
            }
            place += 6 + following;
            self.found.number("s7comm-plus.notification.refnumber", reference);
            self.keep(address);
        }
    }
}
