//! COTP: the transport units that TPKT carries (ISO 8073 / ITU-T X.224, class 0), and how user data is put together.

use crate::link;
use ot_protocol::{Reader, Violation};
use smallvec::SmallVec;

/// Most bytes of user data put together in one direction. S7 units are announced with 16 bits.
pub(crate) const MOST_UNIT: usize = 1 << 16;

/// Most frames of a unit of user data that are named.
const MOST_FRAMES: usize = 64;

/// Type of a transport unit: the high four bits of its second byte (clause 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitType(pub u8);

impl UnitType {
    /// Expedited data.
    pub const ED: Self = Self(0x1);
    /// Expedited data acknowledgement.
    pub const EA: Self = Self(0x2);
    /// Unit data.
    pub const UD: Self = Self(0x4);
    /// Reject.
    pub const RJ: Self = Self(0x5);
    /// Data acknowledgement.
    pub const AK: Self = Self(0x6);
    /// Error.
    pub const ER: Self = Self(0x7);
    /// Disconnect request.
    pub const DR: Self = Self(0x8);
    /// Disconnect confirm.
    pub const DC: Self = Self(0xC);
    /// Connection confirm.
    pub const CC: Self = Self(0xD);
    /// Connection request.
    pub const CR: Self = Self(0xE);
    /// Data.
    pub const DT: Self = Self(0xF);

    /// Types and their names.
    pub const NAMES: &[(Self, &str, &str)] = &[
        (Self::ED, "ED", "COTP Expedited Data"),
        (Self::EA, "EA", "COTP Expedited Data Acknowledgement"),
        (Self::UD, "UD", "COTP Unit Data"),
        (Self::RJ, "RJ", "COTP Reject"),
        (Self::AK, "AK", "COTP Data Acknowledgement"),
        (Self::ER, "ER", "COTP Error"),
        (Self::DR, "DR", "COTP Disconnect Request"),
        (Self::DC, "DC", "COTP Disconnect Confirm"),
        (Self::CC, "CC", "COTP Connect Confirm"),
        (Self::CR, "CR", "COTP Connect Request"),
        (Self::DT, "DT", "COTP Data"),
    ];

    /// Name for people.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, ..)| *kind == self).map_or("unknown COTP unit", |(_, _, name)| name)
    }
}

/// Whether the second byte of a transport unit names a type that ISO 8073 defines.
pub(crate) fn is_known(byte: u8) -> bool {
    matches!(byte >> 4, 0x1 | 0x2 | 0x4..=0x8 | 0xC..=0xF)
}

/// A transport unit.
#[derive(Clone, Debug)]
pub(crate) struct Unit<'a> {
    /// Length indicator: bytes of the header without itself.
    pub li: u8,
    /// Its type.
    pub kind: UnitType,
    /// The whole header, length indicator included, as far as it is there.
    pub header: &'a [u8],
    /// What comes behind the header.
    pub data: &'a [u8],
}

/// Why bytes are no transport unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing there.
    Empty,
    /// The length indicator goes beyond the packet, or is too small for its type.
    Length(u8),
    /// The type is not defined.
    Type(u8),
}

impl Fault {
    /// As a departure; `length` bytes were there.
    pub fn violation(self, length: usize) -> Violation {
        const REASON: &str =
            "a transport unit has a defined type and a header that fits the packet (ISO 8073, clause 13)";
        match self {
            Self::Empty => link::violation(link::rule::BAD_HEADER, "cotp", 0, "a transport unit", "nothing", REASON),
            Self::Type(kind) => {
                link::violation(link::rule::BAD_HEADER, "cotp", 1, "a defined type", format!("0x{kind:02X}"), REASON)
            }
            Self::Length(li) => {
                let found = format!("length indicator {li} in {length} bytes");
                link::violation(link::rule::BAD_HEADER, "cotp", 0, "a header within the packet", found, REASON)
            }
        }
    }
}

impl<'a> Unit<'a> {
    /// Reads what a TPKT carries.
    ///
    /// # Errors
    /// The fault, where it is no transport unit.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let &li = bytes.first().ok_or(Fault::Empty)?;
        let &kind = bytes.get(1).ok_or(Fault::Length(li))?;
        if !is_known(kind) {
            return Err(Fault::Type(kind));
        }
        let kind = UnitType(kind >> 4);
        let shortest = match kind {
            UnitType::CR | UnitType::CC | UnitType::DR => 6,
            UnitType::DC => 5,
            UnitType::ER | UnitType::EA | UnitType::AK | UnitType::RJ | UnitType::ED => 4,
            _ => 2,
        };
        let end = usize::from(li) + 1;
        match (bytes.get(..end), bytes.get(end..)) {
            (Some(header), Some(data)) if li >= shortest => Ok(Self { li, kind, header, data }),
            _ => Err(Fault::Length(li)),
        }
    }

    /// Whether it is data and the last of its unit of user data (clause 13.7.3: EOT).
    pub fn is_last(&self) -> bool {
        self.header.get(2).is_some_and(|last| last & 0x80 != 0)
    }

    /// A 16-bit value of the header: references.
    pub fn u16(&self, at: usize) -> Option<u16> {
        self.header.get(at..at + 2).map(|pair| pair.iter().fold(0, |value, &byte| value << 8 | u16::from(byte)))
    }

    /// Parameters of a connection request or confirm (clause 13.3.4).
    pub fn parameters(&self) -> SmallVec<[(u8, &'a [u8]); 4]> {
        let mut parameters = SmallVec::new();
        let mut reader = Reader::new(self.header.get(7..).unwrap_or_default());
        while let (Ok(code), Ok(length)) = (reader.u8(), reader.u8()) {
            let Ok(value) = reader.take(usize::from(length)) else { break };
            if parameters.len() < 32 {
                parameters.push((code, value));
            }
        }
        parameters
    }

    /// Calling (source) and called (destination) transport selectors of a connection request or confirm.
    pub fn selectors(&self) -> [&'a [u8]; 2] {
        let find =
            |wanted: u8| self.parameters().iter().find(|(code, _)| *code == wanted).map_or(&[][..], |(_, value)| value);
        [find(0xC1), find(0xC2)]
    }
}

/// Why a connection was refused or ended (ISO 8073, clauses 13.5.3 and 13.12.3).
pub(crate) fn reason(kind: UnitType, reason: u8) -> &'static str {
    match (kind, reason) {
        (UnitType::DR, 0) => "reason not specified",
        (UnitType::DR, 1) => "congestion at the selector",
        (UnitType::DR, 2) => "session entity not attached to the selector",
        (UnitType::DR, 3) => "address unknown",
        (UnitType::DR, 128) => "normal disconnect",
        (UnitType::DR, 129) => "remote congestion at connect request",
        (UnitType::DR, 130) => "negotiation failed",
        (UnitType::DR, 131) => "duplicate source reference",
        (UnitType::DR, 132) => "mismatched references",
        (UnitType::DR, 133) => "protocol error",
        (UnitType::DR, 135) => "reference overflow",
        (UnitType::DR, 136) => "connection request refused on this network connection",
        (UnitType::DR, 138) => "header or parameter length invalid",
        (UnitType::ER, 0) => "reject cause not specified",
        (UnitType::ER, 1) => "invalid parameter code",
        (UnitType::ER, 2) => "invalid unit type",
        (UnitType::ER, 3) => "invalid parameter value",
        _ => "unknown reason",
    }
}

/// Bytes of transport unit and user data that `bytes` (behind a TPKT header) carry, by the lengths that an S7comm header
/// gives; `None` where it is no whole S7comm header in one data unit.
pub(crate) fn carried(bytes: &[u8]) -> Option<usize> {
    let [2, 0xF0, 0x80, 0x32, kind @ (1 | 2 | 3 | 7), _, _, _, _, param_high, param_low, data_high, data_low, ..] =
        bytes
    else {
        return None;
    };
    let header = if matches!(kind, 2 | 3) { 12 } else { 10 };
    let param = usize::from(u16::from_be_bytes([*param_high, *param_low]));
    let data = usize::from(u16::from_be_bytes([*data_high, *data_low]));
    Some(3 + header + param + data)
}

/// What a transport selector says in S7: connection kind, rack and slot (published by Siemens for S7-300/400).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// First byte: kind of connection.
    pub kind: u8,
    /// Rack, 0 to 7.
    pub rack: u8,
    /// Slot, 0 to 31.
    pub slot: u8,
}

impl Selector {
    /// Kinds of connection: programming device, operator panel, S7 basic communication.
    pub const KINDS: &[(u8, &str)] = &[(1, "PG"), (2, "OP"), (3, "S7 basic")];

    /// Reads a selector of two bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [kind, place] = *bytes else { return None };
        Some(Self { kind, rack: place >> 5, slot: place & 0x1F })
    }

    /// Whether it is one that S7 devices are called by. Others (MMS: 00 01) begin with 0.
    pub fn is_s7(self) -> bool {
        matches!(self.kind, 1..=3 | 0x10..=0x1F)
    }

    /// Kind of connection, for people.
    pub fn kind_name(self) -> &'static str {
        Self::KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("configured", |(_, name)| name)
    }
}

/// Whether a selector is one that S7comm-plus servers are called by.
pub(crate) fn is_plus_selector(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SIMATIC-ROOT-")
}

/// Puts the user data of one direction together.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    parts: Vec<u8>,
    /// Frames of the data units taken in for the unit of user data that is being put together, empty ones included, at
    /// most [`MOST_FRAMES`].
    frames: SmallVec<[u64; 4]>,
    /// Whether that unit is whole.
    whole: bool,
    /// Until the next last unit, nothing can be made of what comes.
    lost: bool,
}

/// What a data unit did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Assembled<'a> {
    /// The unit of user data goes on.
    Part,
    /// It is whole, and came in one piece.
    Whole(&'a [u8]),
    /// It is whole; [`Assembler::take`] gives it.
    Joined,
    /// Its beginning is missing.
    Headless,
    /// It was given up because it is too long.
    TooLong,
}

impl Assembler {
    /// Frames that brought the last whole unit of user data.
    pub fn frames(&self) -> &[u64] {
        &self.frames
    }

    /// Takes a data unit in that came in a frame.
    pub fn push<'a>(&mut self, data: &'a [u8], last: bool, frame: u64) -> Assembled<'a> {
        if self.lost {
            self.lost = !last;
            return Assembled::Headless;
        }
        if std::mem::take(&mut self.whole) {
            self.frames.clear();
        }
        if self.frames.len() < MOST_FRAMES {
            self.frames.push(frame);
        }
        // S7-1200 and S7-1500 send empty units as a sign of life: nothing needs to be copied for them.
        if last && self.parts.is_empty() {
            self.whole = true;
            return Assembled::Whole(data);
        }
        if self.parts.len() + data.len() > MOST_UNIT {
            self.parts = Vec::new();
            self.frames.clear();
            self.lost = !last;
            return Assembled::TooLong;
        }
        self.parts.extend_from_slice(data);
        self.whole = last;
        if last { Assembled::Joined } else { Assembled::Part }
    }

    /// The joined unit; the buffer is to be given back with [`Assembler::give_back`].
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parts)
    }

    /// Keeps a small buffer for the next unit.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= 4096 {
            buffer.clear();
            self.parts = buffer;
        }
    }

    /// Bytes of this direction are lost. How many kept ones are given up.
    pub fn gap(&mut self) -> usize {
        // What is in the gap may be the last part, or the first one: only what has begun is lost for certain.
        let given_up = self.parts.len();
        self.lost = given_up > 0;
        self.frames.clear();
        self.whole = false;
        self.parts = Vec::new();
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_connect_request() {
        let bytes = [17, 0xE0, 0, 0, 0, 7, 0, 0xC1, 2, 1, 0, 0xC2, 2, 1, 0x22, 0xC0, 1, 10];
        let unit = Unit::read(&bytes).expect("a unit");
        assert_eq!((unit.kind, unit.u16(4)), (UnitType::CR, Some(7)));
        assert_eq!(unit.selectors(), [&[1, 0][..], &[1, 0x22]]);
        let called = Selector::read(unit.selectors()[1]).expect("two bytes");
        assert_eq!((called.kind_name(), called.rack, called.slot, called.is_s7()), ("PG", 1, 2, true));
        assert_eq!(unit.parameters().len(), 3);
    }

    #[test]
    fn known_types_have_names() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_known(byte), UnitType::NAMES.iter().any(|(kind, ..)| kind.0 == byte >> 4));
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(Unit::read(&[]).err(), Some(Fault::Empty));
        assert_eq!(Unit::read(&[2, 0x00, 0]).err(), Some(Fault::Type(0)));
        assert_eq!(Unit::read(&[9, 0xF0, 0x80]).err(), Some(Fault::Length(9)));
        assert_eq!(Unit::read(&[2, 0xE0, 0x80]).err(), Some(Fault::Length(2)));
    }

    #[test]
    fn joins_units_of_user_data() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(b"whole", true, 1), Assembled::Whole(b"whole"));
        assert_eq!(assembler.push(b"", false, 1), Assembled::Part);
        assert_eq!(assembler.push(b"a", false, 1), Assembled::Part);
        assert_eq!(assembler.push(b"b", true, 1), Assembled::Joined);
        assert_eq!(assembler.take(), b"ab");
        assert_eq!(assembler.push(b"a", false, 1), Assembled::Part);
        assert_eq!(assembler.gap(), 1);
        assert_eq!(assembler.push(b"b", true, 1), Assembled::Headless);
        assert_eq!(assembler.push(b"c", true, 1), Assembled::Whole(b"c"));
        for _ in 0..64 {
            assert_eq!(assembler.push(&[0; 1024], false, 1), Assembled::Part);
        }
        assert_eq!(assembler.push(&[0; 1024], true, 1), Assembled::TooLong);
        assert_eq!(assembler.push(b"c", true, 1), Assembled::Whole(b"c"));
    }

    #[test]
    fn a_header_tells_how_much_it_carries() {
        assert_eq!(carried(&[2, 0xF0, 0x80, 0x32, 3, 0, 0, 0, 1, 0, 2, 0, 5, 0, 0]), Some(3 + 12 + 7));
        assert_eq!(carried(&[2, 0xF0, 0x80, 0x72, 1, 0, 0]), None);
    }
}
