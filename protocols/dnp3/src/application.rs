//! Application layer: the header of a fragment and its list of objects (IEEE 1815-2012, clause 4.2).
//!
//! A list ends where an object is not known, or where the fragment is too short; what came before stays, and
//! [`Walk::stop`] says why it ended.

use crate::function::{self, Carries, code};
use crate::objects::{self, Authentication, Layout, Number, Object};
use ot_protocol::{Reader, Short};

/// The head of an application fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// Application control octet: FIR 80, FIN 40, CON 20, UNS 10, sequence 0F.
    pub control: u8,
    /// Function code.
    pub function: u8,
    /// Internal indications of a response: first octet in the high byte.
    pub indications: Option<u16>,
    /// Object headers and objects.
    pub objects: &'a [u8],
    /// Where they begin in the fragment.
    pub at: usize,
}

impl<'a> Fragment<'a> {
    /// Reads the head.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(bytes);
        let control = reader.u8()?;
        let function = reader.u8()?;
        let indications = if function::has_indications(function) { Some(reader.u16()?) } else { None };
        Ok(Self { control, function, indications, objects: reader.rest(), at: reader.offset() })
    }

    pub(crate) fn is_final(&self) -> bool {
        self.control & 0x40 != 0
    }

    pub(crate) fn wants_confirm(&self) -> bool {
        self.control & 0x20 != 0
    }

    pub(crate) fn sequence(&self) -> u8 {
        self.control & 0x0F
    }

    /// Its objects.
    pub(crate) fn walk(&self) -> Walk<'a> {
        Walk::new(self.function, self.objects, self.at)
    }
}

/// The range field of an object header (clause 4.2.2.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Start and stop index.
    StartStop(u32, u32),
    /// A virtual address.
    Address(u32),
    /// No range: all points.
    All,
    /// A count of objects.
    Quantity(u32),
}

/// Why a list of objects ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// An object header is cut.
    Header(Short),
    /// A qualifier that the standard reserves.
    Qualifier {
        /// Where it stands.
        offset: usize,
        /// The octet.
        octet: u8,
    },
    /// The stop index is below the start index.
    Backwards {
        /// Where the range stands.
        offset: usize,
        /// Start index.
        start: u32,
        /// Stop index.
        stop: u32,
    },
    /// No object of the standard, or one that needs its size before it, so that its end is not known.
    Unknown {
        /// Where its header stands.
        offset: usize,
        /// Group.
        group: u8,
        /// Variation.
        variation: u8,
    },
    /// The objects are longer than the fragment.
    Short {
        /// Where they begin.
        offset: usize,
        /// Octets that they take, as far as that is known.
        needed: u64,
        /// Octets that there are.
        found: usize,
    },
}

/// An object header with its objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    pub group: u8,
    pub variation: u8,
    /// Qualifier octet.
    pub qualifier: u8,
    pub range: Range,
    /// `None` where the standard has no such object.
    pub object: Option<&'static Object>,
    /// Where it stands in the fragment.
    pub offset: usize,
    /// Where its objects begin.
    pub at: usize,
    /// Objects with their prefixes.
    pub data: &'a [u8],
    /// Whether objects follow their prefixes.
    pub has_objects: bool,
    /// How many objects there are in `data`.
    pub points: u32,
    /// Octets of an object with its prefix, where all have as many; else 0.
    pub stride: usize,
}

impl<'a> Header<'a> {
    /// Prefix code (clause 4.2.2.7.3.2): 0 none, 1 to 3 an index, 4 to 6 a size.
    pub(crate) fn prefix(&self) -> u8 {
        self.qualifier >> 4 & 7
    }

    /// Octets of the index before each object.
    pub(crate) fn index_octets(&self) -> usize {
        if self.prefix() < 4 { prefix_octets(self.prefix()) } else { 0 }
    }

    /// Range code (clause 4.2.2.7.3.3).
    pub(crate) fn range_code(&self) -> u8 {
        self.qualifier & 0x0F
    }

    /// First index, where the range has one.
    pub(crate) fn start(&self) -> u32 {
        match self.range {
            Range::StartStop(start, _) | Range::Address(start) => start,
            Range::All | Range::Quantity(_) => 0,
        }
    }

    /// How many points the range names; 0 for all.
    pub(crate) fn count(&self) -> u32 {
        count(self.range)
    }

    /// How its objects look; `None` where that is not known.
    pub(crate) fn layout(&self) -> Option<Layout> {
        self.object.map(|object| object.layout)
    }

    /// Its objects, one after another.
    pub(crate) fn points(&self) -> Points<'a> {
        let packed = match self.layout() {
            Some(Layout::Bit) if self.prefix() == 0 => 8,
            Some(Layout::TwoBits) if self.prefix() == 0 => 4,
            _ => 1,
        };
        Points {
            reader: Reader::new(self.data),
            prefix: self.prefix(),
            packed,
            within: 0,
            octet: &[],
            index: self.start(),
            left: self.points,
            layout: if self.has_objects { self.layout() } else { Some(Layout::Empty) },
            variation: self.variation,
        }
    }
}

fn count(range: Range) -> u32 {
    match range {
        Range::StartStop(start, stop) => stop.checked_sub(start).map_or(0, |span| span.saturating_add(1)),
        Range::Address(_) => 1,
        Range::All => 0,
        Range::Quantity(count) => count,
    }
}

fn prefix_octets(prefix: u8) -> usize {
    match prefix {
        1 | 4 => 1,
        2 | 5 => 2,
        3 | 6 => 4,
        _ => 0,
    }
}

fn read_prefix(reader: &mut Reader<'_>, prefix: u8) -> Result<u32, Short> {
    match prefix {
        1 | 4 => reader.u8().map(u32::from),
        2 | 5 => reader.u16_le().map(u32::from),
        _ => reader.u32_le(),
    }
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<'a> {
    /// Index: from its prefix, or by its place in the range.
    pub index: u32,
    /// Size from its prefix.
    pub size: Option<u32>,
    /// Its octets; for packed ones the octet it stands in.
    pub data: &'a [u8],
    /// For packed ones, its place in that octet, from 0.
    pub place: u8,
}

/// See [`Header::points`].
#[derive(Clone, Debug)]
pub(crate) struct Points<'a> {
    reader: Reader<'a>,
    prefix: u8,
    packed: u8,
    within: u8,
    octet: &'a [u8],
    index: u32,
    left: u32,
    layout: Option<Layout>,
    variation: u8,
}

impl<'a> Iterator for Points<'a> {
    type Item = Point<'a>;

    fn next(&mut self) -> Option<Point<'a>> {
        self.left = self.left.checked_sub(1)?;
        let index = self.index;
        self.index = self.index.wrapping_add(1);
        if self.packed > 1 {
            if self.within == 0 {
                self.octet = self.reader.take(1).ok()?;
            }
            let place = self.within;
            self.within = (self.within + 1) % self.packed;
            return Some(Point { index, size: None, data: self.octet, place });
        }
        let (mut index, mut size) = (index, None);
        match self.prefix {
            0 => {}
            1..=3 => index = read_prefix(&mut self.reader, self.prefix).ok()?,
            _ => size = Some(read_prefix(&mut self.reader, self.prefix).ok()?),
        }
        let octets = match (size, self.layout) {
            (Some(size), _) => usize::try_from(size).ok()?,
            (None, Some(layout)) => object_octets(layout, self.variation, self.reader.rest())?,
            (None, None) => return None,
        };
        let data = self.reader.take(octets).ok()?;
        Some(Point { index, size, data, place: 0 })
    }
}

/// Octets of an object without a size before it; `None` where that cannot be told or there are too few.
fn object_octets(layout: Layout, variation: u8, rest: &[u8]) -> Option<usize> {
    match layout {
        Layout::Bit | Layout::TwoBits => Some(1),
        Layout::Attribute => {
            // The longest lists count 256 octets more than their length says.
            let more = match rest.first()? {
                0xFF => 256,
                _ => 0,
            };
            Some(2 + more + usize::from(*rest.get(1)?))
        }
        _ => layout.size(variation),
    }
}

/// Goes through the objects of a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    reader: Reader<'a>,
    function: u8,
    carries: Option<Carries>,
    base: usize,
    /// Why it ended early.
    pub stop: Option<Stop>,
}

impl<'a> Walk<'a> {
    /// Over the objects of a fragment of `function` that begin at `base` in it. Those of a reserved function are not
    /// known.
    pub(crate) fn new(function: u8, objects: &'a [u8], base: usize) -> Self {
        let carries = function::about(function).map(|about| about.carries);
        Self { reader: Reader::new(objects), function, carries, base, stop: None }
    }

    /// What was not read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// Whether objects of this kind follow their header and prefixes.
    fn has_objects(&self, layout: Option<Layout>, prefix: u8, group: u8) -> bool {
        if self.carries == Some(Carries::Objects) || (4..=6).contains(&prefix) {
            return true;
        }
        match layout {
            Some(Layout::Authentication(Authentication::AggressiveRequest)) => true,
            _ => matches!(self.function, code::FREEZE_AT_TIME | code::FREEZE_AT_TIME_NO_ACK) && group == 50,
        }
    }

    fn range(&mut self, code: u8) -> Result<Option<Range>, Short> {
        let reader = &mut self.reader;
        Ok(Some(match code {
            0 => Range::StartStop(u32::from(reader.u8()?), u32::from(reader.u8()?)),
            1 => Range::StartStop(u32::from(reader.u16_le()?), u32::from(reader.u16_le()?)),
            2 => Range::StartStop(reader.u32_le()?, reader.u32_le()?),
            3 => Range::Address(u32::from(reader.u8()?)),
            4 => Range::Address(u32::from(reader.u16_le()?)),
            5 => Range::Address(reader.u32_le()?),
            6 => Range::All,
            7 | 11 => Range::Quantity(u32::from(reader.u8()?)),
            8 => Range::Quantity(u32::from(reader.u16_le()?)),
            9 => Range::Quantity(reader.u32_le()?),
            _ => return Ok(None),
        }))
    }

    fn header(&mut self) -> Result<Header<'a>, Short> {
        let offset = self.base + self.reader.offset();
        let group = self.reader.u8()?;
        let variation = self.reader.u8()?;
        let qualifier = self.reader.u8()?;
        let prefix = qualifier >> 4 & 7;
        let range_at = self.base + self.reader.offset();
        let range = self.range(qualifier & 0x0F)?;
        let object = objects::object(group, variation);
        let layout = object.map(|object| object.layout);
        let mut header = Header {
            group,
            variation,
            qualifier,
            range: range.unwrap_or(Range::All),
            object,
            offset,
            at: self.base + self.reader.offset(),
            data: &[],
            has_objects: self.has_objects(layout, prefix, group),
            points: 0,
            stride: 0,
        };
        if range.is_none() || prefix == 7 || qualifier & 0x80 != 0 {
            self.stop = Some(Stop::Qualifier { offset: offset + 2, octet: qualifier });
            return Ok(header);
        }
        if let Range::StartStop(start, stop) = header.range
            && stop < start
        {
            self.stop = Some(Stop::Backwards { offset: range_at, start, stop });
            return Ok(header);
        }
        self.objects(&mut header, layout);
        Ok(header)
    }

    /// Takes the objects of a header.
    fn objects(&mut self, header: &mut Header<'a>, layout: Option<Layout>) {
        let count = header.count();
        if count == 0 {
            return;
        }
        let (prefix, octets) = (header.prefix(), prefix_octets(header.prefix()));
        let layout = if header.has_objects { layout } else { Some(Layout::Empty) };
        if prefix >= 4 {
            return self.sized(header, count, prefix);
        }
        let Some(layout) = layout else { return self.unknown(header) };
        let packed = match layout {
            Layout::Bit if prefix == 0 => 8,
            Layout::TwoBits if prefix == 0 => 4,
            _ => 0,
        };
        if packed > 0 {
            let whole = usize::try_from(count.div_ceil(packed)).unwrap_or(usize::MAX);
            let there = self.reader.remaining().min(whole);
            header.points = u32::try_from(there).unwrap_or(u32::MAX).saturating_mul(packed).min(count);
            header.data = self.reader.take(there).unwrap_or_default();
            if there < whole {
                self.short(header, u64::try_from(whole).unwrap_or(u64::MAX));
            }
            return;
        }
        let size = match layout {
            Layout::Bit | Layout::TwoBits => Some(1),
            _ => layout.size(header.variation),
        };
        let Some(size) = size else {
            return if layout == Layout::Attribute { self.attributes(header, count) } else { self.unknown(header) };
        };
        let stride = octets + size;
        if stride == 0 {
            return;
        }
        let whole = u64::from(count) * u64::try_from(stride).unwrap_or(u64::MAX);
        let there = self.reader.remaining();
        header.stride = stride;
        match usize::try_from(whole) {
            Ok(whole) if whole <= there => {
                header.points = count;
                header.data = self.reader.take(whole).unwrap_or_default();
            }
            _ => {
                header.points = u32::try_from(there / stride).unwrap_or(u32::MAX);
                header.data = self.reader.take(there).unwrap_or_default();
                self.short(header, whole);
            }
        }
    }

    /// Objects with their size before them: also those that are not known have an end.
    fn sized(&mut self, header: &mut Header<'a>, count: u32, prefix: u8) {
        let rest = self.reader.rest();
        let begin = self.reader.offset();
        let mut reader = self.reader;
        for _ in 0..count {
            let taken = read_prefix(&mut reader, prefix)
                .and_then(|size| reader.take(usize::try_from(size).unwrap_or(usize::MAX)));
            if let Err(short) = taken {
                let needed = u64::try_from(short.offset - begin).unwrap_or(u64::MAX);
                let more = u64::try_from(short.needed).unwrap_or(u64::MAX);
                let _ = self.reader.take(rest.len());
                header.data = rest;
                self.short(header, needed.saturating_add(more));
                return;
            }
            header.points += 1;
            self.reader = reader;
        }
        header.data = rest.get(..self.reader.offset() - begin).unwrap_or_default();
    }

    /// Device attributes without a size before them: their own length tells.
    fn attributes(&mut self, header: &mut Header<'a>, count: u32) {
        let rest = self.reader.rest();
        let begin = self.reader.offset();
        for _ in 0..count {
            let mut reader = self.reader;
            let prefixed = match header.prefix() {
                0 => Ok(0),
                prefix => read_prefix(&mut reader, prefix),
            };
            let octets = object_octets(Layout::Attribute, header.variation, reader.rest()).unwrap_or(2);
            if prefixed.is_err() || reader.take(octets).is_err() {
                let needed = reader.offset() - begin + octets;
                let _ = self.reader.take(self.reader.remaining());
                header.data = rest;
                self.short(header, u64::try_from(needed).unwrap_or(u64::MAX));
                return;
            }
            header.points += 1;
            self.reader = reader;
        }
        header.data = rest.get(..self.reader.offset() - begin).unwrap_or_default();
    }

    fn unknown(&mut self, header: &Header<'a>) {
        self.stop = Some(Stop::Unknown { offset: header.offset, group: header.group, variation: header.variation });
    }

    fn short(&mut self, header: &Header<'a>, needed: u64) {
        self.stop = Some(Stop::Short { offset: header.at, needed, found: header.data.len() });
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        if self.stop.is_some() || self.reader.remaining() == 0 || self.carries.is_none() {
            return None;
        }
        match self.header() {
            Ok(header) => Some(header),
            Err(short) => {
                self.stop = Some(Stop::Header(Short { offset: short.offset + self.base, ..short }));
                None
            }
        }
    }
}

/// A number, least significant octet first; NaN where there are too few octets or digits that are none.
#[inline]
pub(crate) fn number(kind: Number, bytes: &[u8]) -> f64 {
    let mut reader = Reader::new(bytes);
    let read = match kind {
        Number::None => return f64::NAN,
        Number::U8 => reader.u8().map(f64::from),
        Number::U16 => reader.u16_le().map(f64::from),
        Number::U32 => reader.u32_le().map(f64::from),
        Number::I16 => reader.array().map(i16::from_le_bytes).map(f64::from),
        Number::I32 => reader.array().map(i32::from_le_bytes).map(f64::from),
        Number::F32 => reader.array().map(f32::from_le_bytes).map(f64::from),
        Number::F64 => reader.array().map(f64::from_le_bytes),
        Number::Bcd(octets) => reader.take(usize::from(octets)).map(|bytes| {
            bytes.iter().rev().fold(0.0, |value, byte| match (byte >> 4, byte & 0x0F) {
                (high @ 0..=9, low @ 0..=9) => value * 100.0 + f64::from(high) * 10.0 + f64::from(low),
                _ => f64::NAN,
            })
        }),
    };
    read.unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(function: u8, objects: &[u8]) -> (Vec<Header<'_>>, Option<Stop>) {
        let mut walk = Walk::new(function, objects, 2);
        let headers = walk.by_ref().collect();
        (headers, walk.stop)
    }

    #[test]
    fn requests_to_read_have_headers_alone() {
        let (headers, stop) = walk(1, &[60, 2, 6, 60, 3, 6, 30, 0, 0, 4, 9, 99, 1, 7, 3]);
        assert_eq!(stop, None);
        let ranges: Vec<Range> = headers.iter().map(|header| header.range).collect();
        assert_eq!(ranges, [Range::All, Range::All, Range::StartStop(4, 9), Range::Quantity(3)]);
        assert!(headers.iter().all(|header| header.data.is_empty() && !header.has_objects));
        assert_eq!((headers[2].start(), headers[2].count()), (4, 6));
        assert!(headers[3].object.is_none());
    }

    #[test]
    fn each_range_and_prefix_code() {
        for (bytes, range) in [
            (&[1, 0, 0, 3, 7][..], Range::StartStop(3, 7)),
            (&[1, 0, 1, 3, 1, 7, 1], Range::StartStop(259, 263)),
            (&[1, 0, 2, 3, 0, 0, 1, 7, 0, 0, 1], Range::StartStop(0x0100_0003, 0x0100_0007)),
            (&[1, 0, 3, 9], Range::Address(9)),
            (&[1, 0, 4, 9, 1], Range::Address(265)),
            (&[1, 0, 5, 9, 1, 0, 0], Range::Address(265)),
            (&[1, 0, 6], Range::All),
            (&[1, 0, 7, 2], Range::Quantity(2)),
            (&[1, 0, 8, 2, 1], Range::Quantity(258)),
            (&[1, 0, 9, 2, 1, 0, 0], Range::Quantity(258)),
        ] {
            let (headers, stop) = walk(1, bytes);
            assert_eq!((headers.len(), headers[0].range, stop), (1, range, None), "{bytes:?}");
        }
        for octet in [0x0A, 0x0C, 0x0F, 0x70, 0x80] {
            let bytes = [1, 0, octet, 0, 0];
            let (headers, stop) = walk(1, &bytes);
            assert_eq!((headers.len(), stop), (1, Some(Stop::Qualifier { offset: 4, octet })));
        }
        let (_, stop) = walk(1, &[1, 0, 0, 7, 3]);
        assert_eq!(stop, Some(Stop::Backwards { offset: 5, start: 7, stop: 3 }));
        // Indices of 1, 2 and 4 octets, with and without objects.
        for (qualifier, prefix) in [(0x17, &[5_u8][..]), (0x27, &[5, 1]), (0x37, &[5, 1, 0, 0])] {
            let mut bytes = vec![2, 1, qualifier, 1];
            bytes.extend(prefix);
            let (headers, stop) = walk(1, &bytes);
            assert_eq!((headers[0].points, stop), (1, None));
            bytes.push(0x81);
            let (headers, stop) = walk(129, &bytes);
            let point = headers[0].points().next().expect("one");
            assert_eq!(point.index, if prefix.len() == 1 { 5 } else { 261 });
            assert_eq!((point.data, stop), (&[0x81][..], None));
        }
        // Sizes of 1, 2 and 4 octets.
        for (qualifier, prefix) in [(0x4B, &[2_u8][..]), (0x5B, &[2, 0]), (0x6B, &[2, 0, 0, 0])] {
            let mut bytes = vec![70, 8, qualifier, 1];
            bytes.extend(prefix);
            bytes.extend(b"ab");
            let (headers, stop) = walk(29, &bytes);
            let point = headers[0].points().next().expect("one");
            assert_eq!((point.size, point.data, stop), (Some(2), &b"ab"[..], None));
        }
    }

    #[test]
    fn packed_points_share_octets() {
        let (headers, stop) = walk(129, &[1, 1, 0, 3, 13, 0b1000_0001, 0b101, 3, 1, 0, 0, 4, 0b1110_0100, 2]);
        assert_eq!(stop, None);
        let bits: Vec<_> = headers[0].points().map(|point| (point.index, point.data[0] >> point.place & 1)).collect();
        assert_eq!(bits.len(), 11);
        assert_eq!((bits[0], bits[7], bits[8], bits[9], bits[10]), ((3, 1), (10, 1), (11, 1), (12, 0), (13, 1)));
        let twos: Vec<_> = headers[1].points().map(|point| point.data[0] >> (2 * point.place) & 3).collect();
        assert_eq!(twos, [0, 1, 2, 3, 2]);
    }

    #[test]
    fn what_is_cut_keeps_what_came_before() {
        let (headers, stop) = walk(129, &[20, 6, 0, 0, 2, 1, 0, 2, 0, 3]);
        assert_eq!((headers[0].points, headers[0].count()), (2, 3));
        assert_eq!(headers[0].points().count(), 2);
        assert_eq!(stop, Some(Stop::Short { offset: 7, needed: 6, found: 5 }));
        let (headers, stop) = walk(129, &[20, 6, 0, 0, 0, 1, 0, 99, 1, 0, 0, 0, 7]);
        assert_eq!(headers.len(), 2);
        assert_eq!(stop, Some(Stop::Unknown { offset: 9, group: 99, variation: 1 }));
        let (headers, stop) = walk(129, &[20, 6, 0, 0, 0, 1, 0, 30, 1]);
        assert_eq!(headers.len(), 1);
        assert!(matches!(stop, Some(Stop::Header(Short { offset: 11, .. }))));
        // A count that no fragment can hold.
        let (headers, stop) = walk(129, &[1, 2, 9, 255, 255, 255, 255, 1]);
        assert_eq!(headers[0].points, 1);
        assert_eq!(stop, Some(Stop::Short { offset: 9, needed: u64::from(u32::MAX), found: 1 }));
        // Objects without octets are not counted through.
        let (headers, _) = walk(129, &[110, 0, 9, 255, 255, 255, 255]);
        assert_eq!(headers[0].points().count(), 0);
    }

    #[test]
    fn attributes_end_by_their_own_length() {
        let (headers, stop) = walk(129, &[0, 252, 0, 0, 0, 1, 4, b'A', b'C', b'M', b'E', 0, 217, 0, 0, 0, 2, 1, 9]);
        assert_eq!((headers.len(), stop), (2, None));
        assert_eq!(headers[0].points().next().map(|point| point.data), Some(&b"\x01\x04ACME"[..]));
    }

    #[test]
    fn numbers_of_each_kind() {
        assert_eq!(number(Number::U16, &[0xFF, 0xFF]), 65535.0);
        assert_eq!(number(Number::I16, &[0xFF, 0xFF]), -1.0);
        assert_eq!(number(Number::I32, &[0xFE, 0xFF, 0xFF, 0xFF]), -2.0);
        assert_eq!(number(Number::U32, &[0, 0, 0, 0x80]), 2_147_483_648.0);
        assert_eq!(number(Number::F32, &1.5_f32.to_le_bytes()), 1.5);
        assert_eq!(number(Number::F64, &(-2.25_f64).to_le_bytes()), -2.25);
        assert_eq!(number(Number::Bcd(2), &[0x34, 0x12]), 1234.0);
        assert!(number(Number::Bcd(2), &[0x3F, 0x12]).is_nan());
        assert!(number(Number::U32, &[1]).is_nan());
    }
}
