//! Messages by opcode and function: what stands where, and the part behind that all have.

use super::found::Found;
use super::names::{self, function};
use super::object;
use super::value::{Stop, Walk, Walked, datatype, flag};
use super::wire::{DIGEST, opcode, version, vlq64};
use ot_protocol::FieldValue;

/// Attribute with the addresses of a subscription.
pub(crate) const SUBSCRIPTION_REFERENCE_LIST: u32 = 1048;
/// Ids below this are those of the firmware of the first S7-1200, whose notifications have a number of one byte.
const NEW_IDS: u32 = 0x7000_0000;

/// What a message is, before its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Opcode.
    pub opcode: u8,
    /// Function; 0 for notifications and system events.
    pub function: u16,
    /// Sequence number.
    pub sequence: u16,
    /// Session id of a request.
    pub session: u32,
}

impl Head {
    /// Whether the head of a message is one that the protocol knows; otherwise the bytes are the middle of a message.
    pub fn is_plausible(message: &[u8]) -> bool {
        match message {
            // Object and kind.
            [opcode::NOTIFICATION, _, _, _, _, 4, 0, ..] => true,
            [opcode::REQUEST | opcode::RESPONSE | opcode::RESPONSE2, 0, 0, high, low, 0, 0, ..] => {
                matches!(u16::from_be_bytes([*high, *low]), 0x0480..=0x05FF)
            }
            _ => false,
        }
    }

    /// Reads opcode, function and sequence number alone.
    pub fn peek(message: &[u8]) -> Self {
        match message {
            [opcode @ opcode::NOTIFICATION, ..] => Self { opcode: *opcode, ..Self::default() },
            [opcode, _, _, high, low, _, _, number_high, number_low, ..] => Self {
                opcode: *opcode,
                function: u16::from_be_bytes([*high, *low]),
                sequence: u16::from_be_bytes([*number_high, *number_low]),
                session: 0,
            },
            [opcode, ..] => Self { opcode: *opcode, ..Self::default() },
            [] => Self::default(),
        }
    }
}

/// How the walk over a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walkthrough {
    /// What it is.
    pub head: Head,
    /// Bytes that were understood.
    pub understood: usize,
    /// Why it ended early.
    pub stop: Option<Stop>,
}

/// Walks over the data of a message (header, digest of version 3 and trailer taken off).
pub(crate) fn message(protocol: u8, data: &[u8], found: &mut Found) -> Walkthrough {
    let mut walk = Walk::new(data, found);
    let mut head = Head::default();
    let stop = walk.message(protocol, &mut head).err();
    let understood = walk.understood;
    Walkthrough { head, understood, stop }
}

/// Walks over the data of a system event.
pub(crate) fn system_event(data: &[u8], found: &mut Found) -> Walkthrough {
    let mut walk = Walk::fixed(data, found);
    let stop = walk.system_event().err();
    let understood = walk.understood;
    Walkthrough { head: Head::default(), understood, stop }
}

impl Walk<'_, '_> {
    fn message(&mut self, protocol: u8, head: &mut Head) -> Walked<()> {
        head.opcode = self.u8("s7comm-plus.data.opcode")?;
        self.found.text("s7comm-plus.data.opcode.name", opcode::name(head.opcode));
        match head.opcode {
            opcode::NOTIFICATION if protocol == version::V1 => self.notification_v1()?,
            opcode::NOTIFICATION => self.notification()?,
            opcode::REQUEST | opcode::RESPONSE | opcode::RESPONSE2 => {
                self.reader.u16()?;
                head.function = self.u16("s7comm-plus.data.function")?;
                self.found.text("s7comm-plus.data.function.name", function::name(head.function));
                self.reader.u16()?;
                head.sequence = self.u16("s7comm-plus.data.seqnum")?;
                if head.opcode == opcode::REQUEST {
                    head.session = self.u32("s7comm-plus.data.sessionid")?;
                }
                self.u8("s7comm-plus.data.transportflags")?;
                if head.opcode == opcode::REQUEST {
                    self.request(protocol, head.function)?;
                } else {
                    self.response(protocol, head.function)?;
                }
            }
            _ => return Err(Stop::Unknown(0)),
        }
        self.tail(protocol, head)
    }

    /// Behind the content: integrity id, in version 2 the digest too, and zeros. The answer to the deletion of some objects
    /// has no id.
    fn tail(&mut self, protocol: u8, head: &Head) -> Walked<()> {
        let rest = self.reader.rest();
        let digest = protocol != version::V3 && rest.len() > DIGEST;
        let notification = head.opcode == opcode::NOTIFICATION;
        if !is_zero(rest) && (digest || !notification) {
            if protocol != version::V1 && !(digest && is_digest(rest)) {
                let id = self.vlq("s7comm-plus.integrity.id")?;
                self.found.integrity = Some(id);
            }
            if digest && is_digest(self.reader.rest()) {
                self.digest()?;
            }
        }
        let rest = self.reader.rest();
        if is_zero(rest) && rest.len() <= 8 {
            self.reader.take(rest.len())?;
            self.mark();
            Ok(())
        } else {
            Err(Stop::Unknown(self.reader.offset()))
        }
    }

    fn digest(&mut self) -> Walked<()> {
        let length = self.u8("s7comm-plus.integrity.digestlen")?;
        let digest = self.reader.take(usize::from(length))?;
        self.found.bytes("s7comm-plus.integrity.digest", digest);
        self.mark();
        Ok(())
    }

    fn request(&mut self, protocol: u8, code: u16) -> Walked<()> {
        match code {
            function::GET_MULTI_VARIABLES => {
                let object = self.target()?;
                let items = self.vlq("s7comm-plus.item.count")?;
                let fields = self.vlq("s7comm-plus.item.no_of_fields")?;
                if object == 0 {
                    self.addresses(items)?;
                } else {
                    self.ids(fields)?;
                }
                self.qualifier()
            }
            function::SET_MULTI_VARIABLES => {
                let object = self.target()?;
                let items = self.vlq("s7comm-plus.item.count")?;
                let fields = self.vlq("s7comm-plus.item.no_of_fields")?;
                if object == 0 {
                    self.addresses(items)?;
                } else {
                    self.ids(fields)?;
                }
                for place in 0..items {
                    if !self.item()? {
                        return Err(Stop::Unknown(self.reader.offset()));
                    }
                    let id = usize::try_from(place).ok().and_then(|place| self.found.ids.get(place).copied());
                    if object != 0
                        && id == Some(SUBSCRIPTION_REFERENCE_LIST)
                        && let Some(list) = self.found.items.last().map(|item| item.value.words)
                    {
                        self.references(list);
                    }
                }
                self.u8("s7comm-plus.setvar.fill")?;
                self.qualifier()
            }
            function::SET_VARIABLE => {
                self.target()?;
                let ids = self.vlq("s7comm-plus.setvar.itemaddrcount")?;
                self.ids(ids)?;
                self.found.value = Some(self.value()?);
                // A byte, then the qualifier: the qualifier may also stand first.
                self.qualifier()?;
                self.u8("s7comm-plus.setvar.fill")?;
                self.qualifier()
            }
            function::GET_VARIABLE => {
                self.target()?;
                let ids = self.vlq("s7comm-plus.getvar.itemcount")?;
                self.ids(ids)?;
                self.qualifier()
            }
            function::GET_VAR_SUBSTREAMED | function::SET_VAR_SUBSTREAMED => {
                self.target()?;
                let path = self.value()?;
                let words = path.words;
                if path.datatype == datatype::UDINT && path.flags & (flag::ARRAY | flag::ADDRESS_ARRAY) != 0 {
                    for place in words.start..words.start + words.length {
                        let word = self.found.words.get(place).copied().unwrap_or_default();
                        self.found.push_id(word);
                    }
                }
                self.qualifier()?;
                self.u16("s7comm-plus.substreamed.unknown")?;
                if code == function::SET_VAR_SUBSTREAMED {
                    self.found.value = Some(self.value()?);
                }
                Ok(())
            }
            function::CREATE_OBJECT => {
                self.target()?;
                self.found.value = Some(self.value()?);
                self.u32("s7comm-plus.object.createobjrequnknown1")?;
                self.integrity_before_object(protocol)?;
                self.objects()?;
                self.subscriptions();
                Ok(())
            }
            function::DELETE_OBJECT => {
                self.target()?;
                self.u8("s7comm-plus.object.deleteobj_fill")?;
                self.qualifier()
            }
            function::EXPLORE => self.explore(),
            function::GET_LINK => {
                self.target()?;
                let id = self.id("s7comm-plus.data.id", "s7comm-plus.data.id.name")?;
                self.found.push_id(id);
                self.u16("s7comm-plus.getlink.requnknown2")?;
                Ok(())
            }
            function::BEGIN_SEQUENCE => self.begin_sequence(protocol),
            function::END_SEQUENCE => {
                self.u16("s7comm-plus.endseq.requnknown1")?;
                Ok(())
            }
            function::INVOKE => {
                self.target()?;
                self.found.detail = self.u32("s7comm-plus.invoke.method")?;
                self.items()?;
                self.u8("s7comm-plus.invoke.requnknown2")?;
                Ok(())
            }
            function::INIT_SSL => Ok(()),
            function::ADD_LINK | function::REMOVE_LINK | function::GET_VARIABLES_ADDRESS | function::ABORT => {
                // Not known beyond the object.
                self.target()?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn response(&mut self, protocol: u8, code: u16) -> Walked<()> {
        let (extended, _) = self.returned(true)?;
        match code {
            function::GET_MULTI_VARIABLES => {
                self.items()?;
                self.errors()
            }
            function::SET_MULTI_VARIABLES => self.errors(),
            function::GET_VARIABLE => {
                self.found.value = Some(self.value()?);
                Ok(())
            }
            function::GET_VAR_SUBSTREAMED => {
                self.u8("s7comm-plus.substreamed.unknown")?;
                self.found.value = Some(self.value()?);
                Ok(())
            }
            function::CREATE_OBJECT => {
                let count = self.u8("s7comm-plus.object.createobjidcount")?;
                for _ in 0..count {
                    let id = self.id("s7comm-plus.object.createobjid", "s7comm-plus.object.createobjid.name")?;
                    self.found.push_id(id);
                }
                self.objects()
            }
            function::DELETE_OBJECT => {
                self.target()?;
                if extended { self.objects() } else { Ok(()) }
            }
            function::EXPLORE => {
                self.target()?;
                self.integrity_before_object(protocol)?;
                self.objects()
            }
            function::GET_LINK => {
                let count = self.u8("s7comm-plus.getlink.linkidcount")?;
                for _ in 0..count {
                    let id = self.rid("s7comm-plus.getlink.linkid", "s7comm-plus.getlink.linkid.name")?;
                    self.found.push_id(id);
                }
                Ok(())
            }
            function::BEGIN_SEQUENCE if protocol != version::V1 => {
                self.u16("s7comm-plus.beginseq.valtype")?;
                self.target()?;
                Ok(())
            }
            function::INVOKE => {
                self.returned(false)?;
                self.returned(false)?;
                if self.peek() != Some(1) {
                    self.returned(false)?;
                }
                self.items()?;
                self.u8("s7comm-plus.invoke.resunknown1")?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A return value: error code in the low 16 bits; bit 62 tells that more about it follows. `main`: the one that tells
    /// what became of the request.
    fn returned(&mut self, main: bool) -> Walked<(bool, u64)> {
        let value = vlq64(&mut self.reader)?;
        let code = names::error_code(value);
        self.found.number("s7comm-plus.returnvalue", value);
        self.found.field("s7comm-plus.returnvalue.errorcode", || FieldValue::Signed(i64::from(code)));
        self.found.text("s7comm-plus.returnvalue.errorcode.name", names::error(code));
        if main {
            self.found.returned = Some(value);
        }
        self.mark();
        Ok((value & 0x4000_0000_0000_0000 != 0, value))
    }

    /// The object that a message is about.
    fn target(&mut self) -> Walked<u32> {
        let object = self.rid("s7comm-plus.object.id", "s7comm-plus.object.id.name")?;
        self.found.object = Some(object);
        Ok(object)
    }

    fn addresses(&mut self, count: u32) -> Walked<()> {
        for _ in 0..count {
            self.address()?;
        }
        Ok(())
    }

    fn ids(&mut self, count: u32) -> Walked<()> {
        for _ in 0..count {
            let id = self.id("s7comm-plus.data.id", "s7comm-plus.data.id.name")?;
            self.found.push_id(id);
        }
        Ok(())
    }

    /// Object qualifier, where there is one: its id and a list of values.
    fn qualifier(&mut self) -> Walked<()> {
        const QUALIFIER: [u8; 4] = 1256_u32.to_be_bytes();
        if self.reader.rest().starts_with(&QUALIFIER) {
            self.reader.u32()?;
            self.id_values()?;
        }
        Ok(())
    }

    /// In some versions the integrity id stands before the object.
    fn integrity_before_object(&mut self, protocol: u8) -> Walked<()> {
        let before = match protocol {
            version::V1 => false,
            version::V3 => !object::starts(self.peek()),
            _ => !object::starts(self.peek()) && self.peek() != Some(0),
        };
        if before {
            let id = self.vlq("s7comm-plus.integrity.id")?;
            self.found.integrity = Some(id);
        }
        Ok(())
    }

    /// Addresses within the attributes of a subscription that is created.
    fn subscriptions(&mut self) {
        let list = self.found.attribute(SUBSCRIPTION_REFERENCE_LIST).map(|value| value.words);
        if let Some(list) = list {
            self.references(list);
        }
    }

    fn explore(&mut self) -> Walked<()> {
        self.target()?;
        let id = self.id("s7comm-plus.explore.req_id", "s7comm-plus.explore.req_id.name")?;
        self.found.detail = id;
        self.u8("s7comm-plus.explore.req_childsrec")?;
        self.u8("s7comm-plus.explore.requnknown3")?;
        self.u8("s7comm-plus.explore.req_parents")?;
        loop {
            let objects = self.u8("s7comm-plus.explore.objectcount")?;
            let ids = self.u8("s7comm-plus.explore.addresscount")?;
            if objects > 0 && self.reader.u8()? == datatype::STRUCT {
                self.rid("s7comm-plus.item.val.struct", "s7comm-plus.item.val.struct.name")?;
                self.id_values()?;
            }
            self.ids(u32::from(ids))?;
            if objects == 0 {
                return Ok(());
            }
        }
    }

    fn begin_sequence(&mut self, protocol: u8) -> Walked<()> {
        self.found.detail = u32::from(self.u8("s7comm-plus.beginseq.transactiontype")?);
        if protocol == version::V1 {
            return Ok(());
        }
        let kind = self.u16("s7comm-plus.beginseq.valtype")?;
        if kind == 1 {
            // One byte or two before the object.
            self.reader.u8()?;
            if !object::starts(self.peek()) {
                self.reader.u8()?;
            }
            self.mark();
            self.objects()
        } else {
            self.target()?;
            Ok(())
        }
    }

    /// Versions 2 and 3.
    fn notification(&mut self) -> Walked<()> {
        let object = self.target()?;
        let kind = self.u16("s7comm-plus.notification.kind")?;
        self.u16("s7comm-plus.notification.unknown3")?;
        if kind != 0x0400 {
            return Ok(());
        }
        self.u16("s7comm-plus.notification.unknown4")?;
        if object < NEW_IDS {
            self.found.detail = u32::from(self.u8("s7comm-plus.notification.seqnum")?);
            self.u8("s7comm-plus.notification.subscrccnt")?;
        } else {
            self.u8("s7comm-plus.notification.credittick")?;
            self.found.detail = self.vlq("s7comm-plus.notification.seqnum")?;
            if self.peek() == Some(0) {
                // Time in microseconds; its first byte is 0 until the year 4253.
                let micros = self.reader.u64()?;
                self.time("s7comm-plus.notification.timestamp", micros.saturating_mul(1000));
            }
            self.u8("s7comm-plus.notification.subscrccnt")?;
        }
        self.notified()?;
        let more = self.reader.rest().first_chunk::<4>().map(|id| u32::from_be_bytes(*id));
        if self.peek().is_some_and(|byte| byte != 0) && more.is_some_and(|id| id >= NEW_IDS) {
            self.rid("s7comm-plus.notification.p2.subscrobjectid", "s7comm-plus.object.id.name")?;
            self.u16("s7comm-plus.notification.p2.unknown1")?;
            self.notified()?;
        }
        Ok(())
    }

    fn notification_v1(&mut self) -> Walked<()> {
        self.target()?;
        self.u32("s7comm-plus.notification.unknown3")?;
        if !is_zero(self.reader.rest().get(..4).unwrap_or_default()) {
            self.u32("s7comm-plus.notification.unknown4")?;
            self.u16("s7comm-plus.notification.kind")?;
            self.notified()?;
        }
        Ok(())
    }

    /// Values of a notification: a code, a reference and what the code asks for; code 0 ends them.
    fn notified(&mut self) -> Walked<()> {
        loop {
            let code = self.reader.u8()?;
            if code != 0 {
                self.found.number("s7comm-plus.notification.vl.retval", code);
            }
            self.mark();
            let number = match code {
                0 => return Ok(()),
                0x92 => self.u32("s7comm-plus.notification.refnumber")?,
                0x9B => self.vlq("s7comm-plus.notification.refnumber")?,
                0x03 | 0x13 => {
                    let number = self.u32("s7comm-plus.notification.refnumber")?;
                    // No code of the usual list: the address cannot be read.
                    self.found.push_error(number, u64::from(code));
                    continue;
                }
                0x9C => {
                    self.u32("s7comm-plus.notification.unknown0x9c")?;
                    continue;
                }
                0x81 => {
                    self.objects()?;
                    continue;
                }
                0x83 => 0,
                _ => return Err(Stop::Unknown(self.reader.offset().saturating_sub(1))),
            };
            let value = self.value()?;
            self.found.push_item(super::found::Item { number, value });
        }
    }

    fn system_event(&mut self) -> Walked<()> {
        self.reader.u32()?;
        self.u32("s7comm-plus.sysevent.confirmedbytes")?;
        self.reader.take(8)?;
        self.mark();
        let rest = self.reader.rest();
        if rest.starts_with(&u32::from(datatype::STRUCT).to_be_bytes()) {
            self.found.value = Some(self.value()?);
            let rest = self.reader.rest();
            if is_zero(rest) {
                self.reader.take(rest.len())?;
                self.mark();
            }
        } else if !rest.is_empty() && rest.iter().all(|byte| matches!(byte, 0x20..=0x7E | 0)) {
            let text = names::clean(rest);
            self.found.text("s7comm-plus.sysevent.message", &text);
            self.reader.take(rest.len())?;
            self.mark();
        }
        if self.reader.remaining() == 0 { Ok(()) } else { Err(Stop::Unknown(self.reader.offset())) }
    }
}

/// Whether a digest and nothing but zeros stands here.
fn is_digest(bytes: &[u8]) -> bool {
    matches!(bytes, [0x20, rest @ ..] if rest.get(DIGEST..).is_some_and(|rest| is_zero(rest) && rest.len() <= 8))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
