//! What a message means: class of the operation and what it is done to.

use super::body::Head;
use super::found::{Address, Attribute, Found, Scalar, Slice, Value};
use super::names::{self, function};
use ot_protocol::{Operation, Target};

/// Ids of attributes, classes and objects that decide on the meaning.
pub(crate) mod id {
    #![allow(missing_docs, reason = "names of the protocol")]
    pub const THE_AS_ROOT: u32 = 1;
    pub const THE_PLC_PROGRAM: u32 = 3;
    pub const THE_CPU_EXEC_UNIT: u32 = 52;
    pub const Q_AREA: u32 = 81;
    pub const OBJECT_ROOT: u32 = 201;
    pub const OBJECT_NAME: u32 = 233;
    pub const CLASS_SERVER_SESSION: u32 = 287;
    pub const NULL_SESSION: u32 = 288;
    pub const CLASS_SUBSCRIPTION: u32 = 1001;
    pub const SUBSCRIPTION_ACTIVE: u32 = 1041;
    pub const SUBSCRIPTION_DISABLED: u32 = 1051;
    pub const CLASS_TRANSACTION: u32 = 1700;
    pub const OPERATING_STATE_REQ: u32 = 2167;
    pub const HW_OBJECT_DIS: u32 = 2237;
    pub const LAST_MODIFIED: u32 = 2453;
    pub const BLOCK_NUMBER: u32 = 2521;
    pub const BLOCK_LANGUAGE: u32 = 2523;
    pub const CODE: u32 = 2580;
    pub const DB_INITIAL: u32 = 2548;
    pub const DB_ACTUAL: u32 = 2550;
    pub const CLASS_ALARM_SUBSCRIPTION: u32 = 2662;
    pub const CLASS_TIS_JOB: u32 = 2700;
    pub const CLASS_TIS_SUBSCRIPTION: u32 = 2712;
    pub const OPERATING_STATE: u32 = 3486;
    pub const AREA_INITIAL: u32 = 3735;
    pub const AREA_ACTUAL: u32 = 3736;
    pub const IM0_DATA: u32 = 3753;
    pub const PAOM_STRING: u32 = 319;
    pub const FORCE_DESCRIPTION: u32 = 4699;
}

/// Address spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Space {
    /// None.
    #[default]
    None,
    /// A variable by checksum of its symbol or by local ids.
    Tag,
    /// A data block by offset.
    DataBlock,
    /// Inputs by offset.
    Inputs,
    /// Outputs by offset.
    Outputs,
    /// Flags by offset.
    Flags,
    /// Counters by offset.
    Counters,
    /// Timers by offset.
    Timers,
    /// A program block.
    Block,
    /// An object, or a class of objects.
    Object,
}

impl Space {
    /// As in [`Target::space`].
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Tag => "tag",
            Self::DataBlock => "data-block",
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::Flags => "flags",
            Self::Counters => "counters",
            Self::Timers => "timers",
            Self::Block => "block",
            Self::Object => "object",
        }
    }

    /// A small number, for fold keys.
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Tag => 1,
            Self::DataBlock => 2,
            Self::Inputs => 3,
            Self::Outputs => 4,
            Self::Flags => 5,
            Self::Counters => 6,
            Self::Timers => 7,
            Self::Block => 8,
            Self::Object => 9,
        }
    }
}

/// How a target is called: worked out where an activity is built.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Label {
    /// No name.
    #[default]
    None,
    /// A variable.
    Address(Address),
    /// An object and one of its attributes (0: none).
    Object(u32, u32),
    /// Kind and number of a block.
    Block(&'static str, u32),
}

/// One thing that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    /// Class.
    pub operation: Operation,
    /// Address space.
    pub space: Space,
    /// Number of the space.
    pub number: Option<u32>,
    /// First address.
    pub start: u32,
    /// Points.
    pub count: u32,
    /// Addresses of a point.
    pub width: u32,
    /// Name.
    pub label: Label,
    /// Numbers that are written, in [`Found::numbers`].
    pub written: Slice,
    /// Its place in the request from 1; 0 where it is the only one.
    pub item: u32,
}

impl Part {
    /// With nothing addressed.
    pub fn of(operation: Operation) -> Self {
        Self {
            operation,
            space: Space::None,
            number: None,
            start: 0,
            count: 0,
            width: 1,
            label: Label::None,
            written: Slice::default(),
            item: 0,
        }
    }

    /// What it addresses. `name`: of a block or an object that the request itself names.
    pub fn target(&self, name: Option<&str>) -> Target {
        let text = match self.label {
            Label::None => None,
            Label::Address(address) => Some(names::address(&address)),
            Label::Object(object, attribute) => {
                let mut text = names::object(object);
                if attribute != 0 {
                    text.push(' ');
                    match names::id(attribute) {
                        Some(name) => text.push_str(name),
                        None => text.push_str(&format!("attribute {attribute}")),
                    }
                }
                Some(match name {
                    Some(name) if !name.is_empty() => format!("{text} {name}"),
                    _ => text,
                })
            }
            Label::Block(kind, number) => Some(match name {
                Some(name) if !name.is_empty() => format!("{kind} {number} {name}"),
                _ => format!("{kind} {number}"),
            }),
        };
        Target {
            space: self.space.name(),
            number: self.number,
            start: self.start,
            count: self.count,
            width: self.width,
            name: text.map(String::into_boxed_str),
        }
    }
}

/// What the session knows of objects that the server made for it.
pub(crate) trait Objects {
    /// Class of an object.
    fn class(&self, id: u32) -> Option<u32>;
}

/// What a request asks for, into `parts`.
pub(crate) fn request(head: &Head, found: &Found, objects: &dyn Objects, parts: &mut Vec<Part>) {
    let object = found.object.unwrap_or_default();
    let session = object != 0 && (object == head.session || object == id::NULL_SESSION);
    let of = Of { object, session, objects };
    match head.function {
        function::GET_MULTI_VARIABLES if object == 0 => {
            parts.extend(found.addresses.iter().zip(1_u32..).map(|(it, item)| address(it, None, item, objects)));
        }
        function::SET_MULTI_VARIABLES if object == 0 => {
            for (it, item) in found.addresses.iter().zip(1_u32..) {
                let value = found.item(item).copied().unwrap_or_default();
                parts.push(address(it, Some(&value), item, objects));
            }
        }
        function::GET_MULTI_VARIABLES | function::GET_VARIABLE => {
            parts.extend(found.ids.iter().zip(1_u32..).map(|(&id, item)| of.attribute(id, None, item)));
        }
        function::GET_VAR_SUBSTREAMED => {
            let id = found.ids.first().copied().unwrap_or_default();
            let mut part = of.attribute(id, None, 0);
            if let [id, member, ..] = *found.ids.as_slice() {
                part.label = Label::Address(path(object, id, member));
            }
            parts.push(part);
        }
        function::SET_MULTI_VARIABLES => {
            for (&id, item) in found.ids.iter().zip(1_u32..) {
                let Some(value) = found.item(item) else { continue };
                parts.push(of.attribute(id, Some(value), item));
            }
        }
        function::SET_VARIABLE | function::SET_VAR_SUBSTREAMED => {
            let id = found.ids.first().copied().unwrap_or_default();
            parts.push(of.attribute(id, Some(&found.value.unwrap_or_default()), 0));
        }
        function::CREATE_OBJECT => parts.push(create(found, &of)),
        function::DELETE_OBJECT => parts.push(delete(&of)),
        function::EXPLORE => parts.push(explore(&of)),
        function::INVOKE => parts.push(invoke(found, &of)),
        function::ADD_LINK => parts.push(Part { operation: Operation::CommsOn, ..of.whole() }),
        function::REMOVE_LINK => parts.push(Part { operation: Operation::CommsOff, ..of.whole() }),
        function::GET_LINK | function::GET_VARIABLES_ADDRESS => parts.push(of.whole()),
        other => parts.push(Part::of(unknown_content(other))),
    }
    if parts.is_empty() {
        parts.push(Part::of(unknown_content(head.function)));
    }
}

/// Class of an operation of which the function alone is known. The functions for single attributes mostly serve the session
/// itself: its state, its credit, its subscriptions.
pub(crate) fn unknown_content(code: u16) -> Operation {
    match code {
        function::GET_MULTI_VARIABLES | function::GET_VARIABLE => Operation::Read,
        function::SET_MULTI_VARIABLES => Operation::Write,
        function::SET_VAR_SUBSTREAMED => Operation::ConfigWrite,
        function::EXPLORE | function::GET_LINK | function::GET_VARIABLES_ADDRESS => Operation::ConfigRead,
        function::ADD_LINK => Operation::CommsOn,
        function::REMOVE_LINK => Operation::CommsOff,
        function::SET_VARIABLE
        | function::GET_VAR_SUBSTREAMED
        | function::CREATE_OBJECT
        | function::DELETE_OBJECT
        | function::BEGIN_SEQUENCE
        | function::END_SEQUENCE
        | function::ABORT
        | function::ERROR
        | function::ERROR2
        | function::INIT_SSL => Operation::Session,
        _ => Operation::Unknown,
    }
}

/// A value that a notification or an answer tells, at the address it was asked for.
pub(crate) fn address(it: &Address, written: Option<&Value>, item: u32, objects: &dyn Objects) -> Part {
    let memory = matches!(it.sub, id::DB_ACTUAL | id::DB_INITIAL | id::AREA_ACTUAL | id::AREA_INITIAL)
        && (names::area(it.area).is_some() || matches!(names::block(it.area), Some(("DB", _))));
    if !memory {
        let of = Of { object: it.area, session: false, objects };
        let mut part = of.attribute(it.sub, written, item);
        part.label = if names::is_dynamic(it.area) { part.label } else { Label::Address(*it) };
        if let Some(&lid) = it.lids().last() {
            part.start = it.sub << 16 | lid & 0xFFFF;
        }
        return part;
    }
    let operation = match written {
        None => Operation::Read,
        Some(_) if it.area == id::Q_AREA => Operation::Control,
        Some(_) => Operation::Write,
    };
    let part = Part {
        operation,
        label: Label::Address(*it),
        written: written.map(|value| value.numbers).unwrap_or_default(),
        item,
        ..Part::of(operation)
    };
    match it.lids() {
        [3, offset, size, bit @ ..] if it.crc == 0 => {
            let (space, number) = match it.area {
                80 => (Space::Inputs, None),
                81 => (Space::Outputs, None),
                82 => (Space::Flags, None),
                83 => (Space::Counters, None),
                84 => (Space::Timers, None),
                area => (Space::DataBlock, Some(area & 0xFFFF)),
            };
            let bits = offset.saturating_mul(8);
            let (start, width, count) = match (bit.first(), size) {
                (Some(bit), _) => (bits.saturating_add(*bit), 1, 1),
                (None, 1 | 2 | 4 | 8) => (bits, size * 8, 1),
                (None, _) => (bits, 8, *size),
            };
            Part { space, number, start, width, count, ..part }
        }
        lids => {
            let number = if it.crc == 0 { hash(it.area, it.sub, lids) } else { it.crc };
            Part { space: Space::Tag, number: Some(number), count: 1, ..part }
        }
    }
}

fn path(object: u32, attribute: u32, member: u32) -> Address {
    let mut address = Address { area: object, sub: attribute, ..Address::default() };
    address.push(member);
    address
}

/// FNV-1a over the way to a variable without a checksum of its symbol.
fn hash(area: u32, sub: u32, lids: &[u32]) -> u32 {
    let bytes = [area, sub].into_iter().chain(lids.iter().copied()).flat_map(u32::to_be_bytes);
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The object that a request is about.
struct Of<'a> {
    object: u32,
    session: bool,
    objects: &'a dyn Objects,
}

impl Of<'_> {
    /// An id that stays the same in the next session: of an object that the server made for this one its class.
    fn stable(&self, attribute: u32) -> Option<u32> {
        if self.session {
            return Some(id::CLASS_SERVER_SESSION);
        }
        if !names::is_dynamic(self.object) {
            return Some(self.object);
        }
        self.objects.class(self.object).or(match attribute {
            289..=306 | 1842..=1846 | 1830 => Some(id::CLASS_SERVER_SESSION),
            1002..=1055 | 1082 => Some(id::CLASS_SUBSCRIPTION),
            2659 | 2660 | 7731 | 8173 | 8181 => Some(id::CLASS_ALARM_SUBSCRIPTION),
            2711 => Some(id::CLASS_TIS_SUBSCRIPTION),
            2687..=2714 => Some(id::CLASS_TIS_JOB),
            _ => None,
        })
    }

    /// The object itself.
    fn whole(&self) -> Part {
        self.attribute(0, None, 0)
    }

    fn attribute(&self, attribute: u32, written: Option<&Value>, item: u32) -> Part {
        let stable = self.stable(attribute);
        let operation = match written {
            None => self.read(attribute),
            Some(value) => self.write(attribute, value),
        };
        let part = Part {
            label: Label::Object(stable.unwrap_or(self.object), attribute),
            written: written.map(|value| value.numbers).unwrap_or_default(),
            item,
            start: attribute,
            ..Part::of(operation)
        };
        match (names::block(self.object), written) {
            (Some((kind, number)), _) if !matches!(operation, Operation::Read | Operation::Write) => {
                let number = u32::from(number);
                Part { space: Space::Block, number: Some(number), label: Label::Block(kind, number), ..part }
            }
            // What a session does with itself is no access to the device.
            _ if operation == Operation::Session => part,
            _ => Part { space: Space::Object, number: stable, ..part },
        }
    }

    fn read(&self, attribute: u32) -> Operation {
        match attribute {
            303 => Operation::Authenticate,
            289..=306 | 1845 => Operation::Session,
            1037 | 1081 | 2256 | 2260 | 2264 | 2459..=2463 | 3753 | 3900 | 4114 | 4562 => Operation::Identify,
            // State, LEDs, switches, load, clock, change counters.
            1842..=1844
            | 2173..=2175
            | 2237
            | 2343
            | 2344
            | 2406
            | 2414..=2421
            | 2479
            | 2688
            | 3451
            | 3482..=3487
            | 3627
            | 3687
            | 3688
            | 3696..=3702
            | 3946
            | 3948
            | 3955
            | 3956
            | 4554..=4557
            | 4570
            | 4620
            | 4634
            | 4635
            | 4664..=4669
            | 8064
            | 8065 => Operation::ReadMode,
            2687..=2714 => Operation::Diagnose,
            id::DB_ACTUAL | id::DB_INITIAL | id::AREA_ACTUAL | id::AREA_INITIAL => Operation::Read,
            _ if is_program(attribute) || names::block(self.object).is_some() => Operation::ProgramRead,
            _ if self.session => Operation::Session,
            _ => Operation::ConfigRead,
        }
    }

    fn write(&self, attribute: u32, value: &Value) -> Operation {
        let number = value.first.integer();
        match attribute {
            id::OPERATING_STATE_REQ => match number {
                Some(1) => Operation::ModeStop,
                Some(3 | 4) => Operation::ModeRun,
                // Reset of retentive memory.
                _ => Operation::Restart,
            },
            // State of the station, memory reset, reset.
            387 | 388 | 3748 => Operation::Restart,
            2415 | 2421 => Operation::TimeSet,
            303 | 304 | 309 | 1800..=1830 | 1846 => Operation::Authenticate,
            289..=306 | 1842..=1845 => Operation::Session,
            id::SUBSCRIPTION_DISABLED if number == Some(1) => Operation::CommsOff,
            id::SUBSCRIPTION_ACTIVE if number == Some(0) => Operation::CommsOff,
            1002..=1055 | 1082 | 2711 => Operation::CommsOn,
            2687..=2714 | 3636..=3647 | 4688 | 4693 => Operation::Diagnose,
            id::DB_ACTUAL | id::DB_INITIAL | id::AREA_ACTUAL | id::AREA_INITIAL => {
                if self.object == id::Q_AREA {
                    Operation::Control
                } else {
                    Operation::Write
                }
            }
            _ if is_program(attribute) || names::block(self.object).is_some() => Operation::ProgramWrite,
            _ if self.session => Operation::Session,
            // A service that the server gave for this session: files of an HMI project come through it.
            _ if matches!(value.first, Scalar::Bytes(_)) && self.object >> 16 == 0x0262 => Operation::ProgramWrite,
            _ => Operation::ConfigWrite,
        }
    }
}

/// Whether an attribute is one of program blocks.
fn is_program(attribute: u32) -> bool {
    matches!(attribute, 2521..=2592 | 2607 | 3151 | 3447..=3449 | 3619 | 4269 | 4275 | 4578 | 7564 | 7833)
}

/// Class of the operation that makes an object of a class.
fn creates(class: u32) -> Operation {
    match class {
        286 | id::CLASS_SERVER_SESSION => Operation::Session,
        254 | 255 | id::CLASS_SUBSCRIPTION..=1055 | id::CLASS_ALARM_SUBSCRIPTION | id::CLASS_TIS_SUBSCRIPTION => {
            Operation::CommsOn
        }
        id::FORCE_DESCRIPTION => Operation::Force,
        2687..=2713 | 3636..=3647 | 4698..=4700 | 8138 => Operation::Diagnose,
        id::CLASS_TRANSACTION | 2520 | 2538..=2658 | 3002 | 3932..=3935 | 4268..=4273 | 4600 | 4637 | 4639 => {
            Operation::ProgramWrite
        }
        4170..=4177 | 8029..=8031 => Operation::File,
        _ => Operation::ConfigWrite,
    }
}

/// Kind and number of the program block that an object is.
pub(crate) fn block(index: usize, found: &Found) -> Option<(&'static str, u32)> {
    let object = found.objects.get(index)?;
    let kind = names::block_class(object.class)?;
    let attribute = |it: &&Attribute| it.id == id::BLOCK_NUMBER && it.object == Some(index);
    let number = (found.attributes.iter().find(attribute))
        .and_then(|attribute| attribute.value.first.integer())
        .and_then(|number| u32::try_from(number).ok());
    Some((kind, number.or_else(|| names::block(object.relation).map(|(_, number)| u32::from(number)))?))
}

fn create(found: &Found, of: &Of<'_>) -> Part {
    let Some(object) = found.objects.first() else { return Part::of(Operation::Session) };
    let class = match creates(object.class) {
        // What a client makes within its own session, under an id that the server is to give, ends with the session.
        Operation::ConfigWrite if of.session && names::is_dynamic(object.relation) => Operation::Session,
        class => class,
    };
    let part = Part::of(class);
    if let Some((kind, number)) = block(0, found) {
        return Part { space: Space::Block, number: Some(number), label: Label::Block(kind, number), ..part };
    }
    if part.operation == Operation::Session {
        return part;
    }
    // Of what lies in the controller for good, the object; of the rest its class.
    let lasting = !names::is_dynamic(object.relation) && object.relation != 0 && object.relation != of.object;
    let label = if lasting && names::id(object.relation).is_some() { object.relation } else { object.class };
    let number = if lasting { object.relation } else { object.class };
    Part { space: Space::Object, number: Some(number), label: Label::Object(label, 0), ..part }
}

fn delete(of: &Of<'_>) -> Part {
    let mut part = of.whole();
    part.operation = match part.space {
        Space::Block => Operation::ProgramDelete,
        _ if of.session => Operation::Session,
        _ if names::is_dynamic(of.object) => match of.objects.class(of.object).map(creates) {
            Some(Operation::CommsOn) => Operation::CommsOff,
            Some(Operation::Diagnose) => Operation::Diagnose,
            Some(Operation::Force) => Operation::Force,
            _ => Operation::Session,
        },
        _ => match names::class_of(of.object).map(creates) {
            Some(Operation::ProgramWrite) => Operation::ProgramDelete,
            _ => Operation::ConfigWrite,
        },
    };
    part
}

fn explore(of: &Of<'_>) -> Part {
    let mut part = of.whole();
    part.operation = match of.object {
        0 | id::THE_AS_ROOT | id::OBJECT_ROOT => Operation::Identify,
        id::THE_PLC_PROGRAM => Operation::ProgramRead,
        id::THE_CPU_EXEC_UNIT => Operation::ReadMode,
        object if names::block(object).is_some() => Operation::ProgramRead,
        _ => Operation::ConfigRead,
    };
    part
}

fn invoke(found: &Found, of: &Of<'_>) -> Part {
    let operation = match found.detail {
        // Methods of the download service of HMI panels.
        15_000_009..=15_000_019 => Operation::ProgramWrite,
        15_000_035 | 15_000_039 => Operation::Session,
        18_827..=18_878 => Operation::Firmware,
        // Methods of the remote file access of a session.
        1..=16 if names::is_dynamic(of.object) => Operation::File,
        1387 => Operation::ConfigRead,
        _ => Operation::Diagnose,
    };
    Part {
        space: Space::Object,
        number: of.stable(0).filter(|_| of.object >> 16 != 0x0262),
        start: found.detail,
        label: Label::Object(of.object, found.detail),
        ..Part::of(operation)
    }
}

/// Operating state of a CPU, in words; `None` where it is not known or says nothing.
pub(crate) fn run_state(code: i64) -> Option<&'static str> {
    match code {
        4 => Some("stop"),
        6 => Some("startup"),
        8 => Some("run"),
        _ => None,
    }
}
