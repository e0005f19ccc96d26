//! The objects of DNP3 (IEEE 1815-2012, clause 11): one table from group and variation to name and layout.
//!
//! Decoding, the fields of `decode`, the values of activities and the table in the README all follow from it.

/// A variation of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Object {
    pub group: u8,
    /// `None`: any that no line of its own has (device attributes; strings, where the variation is the length).
    pub variation: Option<u8>,
    pub name: &'static str,
    pub layout: Layout,
}

/// How an object looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    /// No data: a default variation, a class.
    Empty,
    /// One bit, eight to an octet.
    Bit,
    /// Two bits, four to an octet.
    TwoBits,
    /// Fields of fixed size, one after another.
    Fixed(Fixed),
    /// Control relay output block and pattern control block: control, count, on and off time, status.
    Control,
    /// Six octets of milliseconds since 1970.
    Time,
    /// A time, an interval of four octets, and where there is `unit` an octet with its unit.
    TimeInterval {
        /// Whether a unit follows.
        unit: bool,
    },
    /// A delay in two octets.
    Delay,
    /// A device attribute: type, length, data.
    Attribute,
    /// File objects, each with its size before it.
    File(File),
    /// As many octets as the variation says.
    Octets,
    /// Secure authentication; `true` where it has a fixed size and needs none before it.
    Authentication(Authentication),
    /// Octets whose layout is not decoded: this many, or 0 where the size stands before them.
    Opaque(u8),
}

/// An object of fixed size: flags, status, number, association, time, those that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fixed {
    pub flags: Flags,
    pub status: Status,
    /// Association id of security statistics before the number.
    pub association: bool,
    pub number: Number,
    pub family: Family,
    pub time: Time,
}

/// Flag octet: what its bits mean. Bits 0 to 4 are the same for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flags {
    #[default]
    None,
    BinaryInput,
    DoubleBitInput,
    BinaryOutput,
    Counter,
    AnalogInput,
    AnalogOutput,
}

/// Control status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    None,
    /// Before the number.
    Before,
    /// After the number.
    After,
    /// Seven bits of status, and the commanded state in bit 7.
    State,
}

/// A number, least significant octet first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Number {
    #[default]
    None,
    U8,
    U16,
    U32,
    I16,
    I32,
    F32,
    F64,
    /// Binary coded decimal: this many octets.
    Bcd(u8),
}

impl Number {
    /// Octets.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::None => 0,
            Self::U8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
            Self::Bcd(octets) => octets as usize,
        }
    }
}

/// What a number is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    #[default]
    Other,
    Counter,
    AnalogInput,
    Deadband,
    AnalogOutput,
}

/// Time of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Time {
    #[default]
    None,
    /// Milliseconds since 1970, six octets.
    Absolute,
    /// Milliseconds since the common time of occurrence before it, two octets.
    Relative,
}

/// File objects (clause 11.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Identifier,
    Authentication,
    Command,
    CommandStatus,
    Transport,
    TransportStatus,
    Descriptor,
    Specification,
}

/// Objects of group 120 (clause 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Challenge,
    Reply,
    AggressiveRequest,
    KeyStatusRequest,
    KeyStatus,
    KeyChange,
    Error,
    Certificate,
    Mac,
    UserStatusChange,
    UpdateKeyRequest,
    UpdateKeyReply,
    UpdateKeyChange,
    UpdateKeySignature,
    UpdateKeyConfirmation,
}

impl Fixed {
    /// Octets.
    pub(crate) const fn size(self) -> usize {
        let flags = if matches!(self.flags, Flags::None) { 0 } else { 1 };
        let status = if matches!(self.status, Status::None) { 0 } else { 1 };
        let association = if self.association { 2 } else { 0 };
        let time = match self.time {
            Time::None => 0,
            Time::Absolute => 6,
            Time::Relative => 2,
        };
        flags + status + association + self.number.size() + time
    }
}

impl Layout {
    /// Octets of one object without a prefix, where that is fixed and whole octets. `variation` counts for strings.
    #[inline]
    pub(crate) fn size(self, variation: u8) -> Option<usize> {
        Some(match self {
            Self::Empty => 0,
            Self::Fixed(fixed) => fixed.size(),
            Self::Control => 11,
            Self::Time => 6,
            Self::TimeInterval { unit } => 10 + usize::from(unit),
            Self::Delay => 2,
            Self::Octets => usize::from(variation),
            Self::Authentication(Authentication::KeyStatusRequest) => 2,
            Self::Authentication(Authentication::AggressiveRequest) => 6,
            Self::Opaque(size) if size > 0 => usize::from(size),
            Self::Bit | Self::TwoBits | Self::Attribute | Self::File(_) | Self::Authentication(_) | Self::Opaque(_) => {
                return None;
            }
        })
    }

    /// In words, for the table of the README.
    #[cfg(test)]
    pub(crate) fn words(self) -> String {
        let fixed = |fixed: Fixed| {
            let mut parts: Vec<&str> = Vec::new();
            parts.extend((fixed.flags != Flags::None).then_some("flags"));
            parts.extend((fixed.status == Status::Before).then_some("status"));
            parts.extend((fixed.status == Status::State).then_some("status and commanded state"));
            parts.extend(fixed.association.then_some("association"));
            parts.extend(match fixed.number {
                Number::None => None,
                Number::U8 => Some("u8"),
                Number::U16 => Some("u16"),
                Number::U32 => Some("u32"),
                Number::I16 => Some("i16"),
                Number::I32 => Some("i32"),
                Number::F32 => Some("f32"),
                Number::F64 => Some("f64"),
                Number::Bcd(2) => Some("4 digits"),
                Number::Bcd(4) => Some("8 digits"),
                Number::Bcd(_) => Some("16 digits"),
            });
            parts.extend((fixed.status == Status::After).then_some("status"));
            parts.extend(match fixed.time {
                Time::None => None,
                Time::Absolute => Some("time"),
                Time::Relative => Some("relative time"),
            });
            parts.join(", ")
        };
        match self {
            Self::Empty => "no data".to_owned(),
            Self::Bit => "1 bit".to_owned(),
            Self::TwoBits => "2 bits".to_owned(),
            Self::Fixed(layout) => fixed(layout),
            Self::Control => "control, count, on time, off time, status".to_owned(),
            Self::Time => "time".to_owned(),
            Self::TimeInterval { unit: false } => "time, interval".to_owned(),
            Self::TimeInterval { unit: true } => "time, interval, unit".to_owned(),
            Self::Delay => "u16 delay".to_owned(),
            Self::Attribute => "type, length, value".to_owned(),
            Self::File(_) => "sized, all parts".to_owned(),
            Self::Octets => "octets, as many as the variation".to_owned(),
            Self::Authentication(_) => "all parts".to_owned(),
            Self::Opaque(0) => "sized, octets".to_owned(),
            Self::Opaque(size) => format!("{size} octets"),
        }
    }
}

pub(crate) use crate::table::OBJECTS;

/// For each group, where its lines begin.
static FIRST: [u16; 257] = first();

const fn first() -> [u16; 257] {
    let mut first = [0; 257];
    let mut group = 0;
    let mut line: u16 = 0;
    while group <= 256 {
        while (line as usize) < OBJECTS.len() && (OBJECTS[line as usize].group as usize) < group {
            line += 1;
        }
        first[group] = line;
        group += 1;
    }
    first
}

/// The object of a group and variation; `None` where the standard has none.
#[inline]
pub(crate) fn object(group: u8, variation: u8) -> Option<&'static Object> {
    let begin = usize::from(FIRST[usize::from(group)]);
    let end = usize::from(FIRST[usize::from(group) + 1]);
    let lines = OBJECTS.get(begin..end)?;
    // Most groups have their variations from 0 or from 1 on, without a hole.
    let shift = lines.first()?.variation.unwrap_or(0);
    let guess = lines.get(usize::from(variation.wrapping_sub(shift)));
    if let Some(object) = guess
        && object.variation == Some(variation)
    {
        return Some(object);
    }
    lines.iter().find(|object| object.variation.is_none_or(|known| known == variation))
}

/// Address space of a group, as a small number for the fold key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    /// It addresses nothing.
    #[default]
    None,
    BinaryInputs,
    DoubleBitInputs,
    BinaryOutputs,
    Counters,
    FrozenCounters,
    AnalogInputs,
    FrozenAnalogInputs,
    Deadbands,
    AnalogOutputs,
    OctetStrings,
    Time,
    Classes,
    Attributes,
    File,
    Indications,
    /// Everything else: the number of the space is group times 256 plus variation.
    Objects,
}

impl Space {
    /// Name in [`ot_protocol::Target`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::BinaryInputs => "binary-inputs",
            Self::DoubleBitInputs => "double-bit-inputs",
            Self::BinaryOutputs => "binary-outputs",
            Self::Counters => "counters",
            Self::FrozenCounters => "frozen-counters",
            Self::AnalogInputs => "analog-inputs",
            Self::FrozenAnalogInputs => "frozen-analog-inputs",
            Self::Deadbands => "analog-input-deadbands",
            Self::AnalogOutputs => "analog-outputs",
            Self::OctetStrings => "octet-strings",
            Self::Time => "time",
            Self::Classes => "classes",
            Self::Attributes => "device-attributes",
            Self::File => "file",
            Self::Indications => "indications",
            Self::Objects => "objects",
        }
    }

    /// Small number.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// A point of it, for people.
    pub(crate) fn point(self) -> &'static str {
        match self {
            Self::BinaryInputs => "binary input",
            Self::DoubleBitInputs => "double-bit input",
            Self::BinaryOutputs => "binary output",
            Self::Counters => "counter",
            Self::FrozenCounters => "frozen counter",
            Self::AnalogInputs => "analog input",
            Self::FrozenAnalogInputs => "frozen analog input",
            Self::AnalogOutputs => "analog output",
            _ => "point",
        }
    }

    /// The space that a group addresses: an event and its static object are the same point. Command events tell what was
    /// asked for, not what the output is.
    #[inline]
    pub(crate) fn of(group: u8) -> Self {
        match group {
            0 => Self::Attributes,
            1 | 2 => Self::BinaryInputs,
            3 | 4 => Self::DoubleBitInputs,
            10..=12 => Self::BinaryOutputs,
            20 | 22 => Self::Counters,
            21 | 23 => Self::FrozenCounters,
            30 | 32 => Self::AnalogInputs,
            31 | 33 => Self::FrozenAnalogInputs,
            34 => Self::Deadbands,
            40..=42 => Self::AnalogOutputs,
            50..=52 => Self::Time,
            60 => Self::Classes,
            70 => Self::File,
            80 => Self::Indications,
            110 | 111 => Self::OctetStrings,
            _ => Self::Objects,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_found_and_in_order() {
        for pair in OBJECTS.windows(2) {
            let place = |object: &Object| (object.group, object.variation.map_or(256, u16::from));
            assert!(place(&pair[0]) < place(&pair[1]), "{} {:?}", pair[1].group, pair[1].variation);
        }
        for line in OBJECTS {
            let variation = line.variation.unwrap_or(77);
            assert_eq!(object(line.group, variation), Some(line));
        }
        for (group, variation) in [(1, 3), (5, 0), (60, 5), (70, 9), (99, 1), (120, 16), (255, 255)] {
            assert_eq!(object(group, variation), None, "{group} {variation}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_standard() {
        let size = |group, variation| object(group, variation).and_then(|object| object.layout.size(variation));
        assert_eq!(size(2, 2), Some(7));
        assert_eq!(size(2, 3), Some(3));
        assert_eq!(size(12, 1), Some(11));
        assert_eq!(size(13, 2), Some(7));
        assert_eq!(size(21, 5), Some(11));
        assert_eq!(size(30, 6), Some(9));
        assert_eq!(size(32, 8), Some(15));
        assert_eq!(size(41, 4), Some(9));
        assert_eq!(size(43, 8), Some(15));
        assert_eq!(size(50, 4), Some(11));
        assert_eq!(size(110, 32), Some(32));
        assert_eq!(size(122, 2), Some(13));
        assert_eq!(size(1, 1), None);
        assert_eq!(size(70, 3), None);
    }
}
