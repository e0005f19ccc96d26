//! Activities of user data: what a CPU is asked besides its variables, and what it tells by itself.

use super::function::{self, group};
use super::header::{Data, Unit, UserData, rosctr};
use super::item::{Address, Item, area_of, space};
use super::tell::{self, Datas, Exchange};
use super::value::{Encoding, ItemType};
use super::{About, Comm, Told, bad, error, message, szl};
use crate::link::{Link, rule, violation};
use ot_protocol::{
    Activity, ActivityKey, Context, Direction, FrameRef, Identity, Operation, Outcome, Reader, Sink, Target, ValueView,
    Violation,
};

/// Answers in parts kept at once.
const MOST_PARTS: usize = 4;
/// Most bytes of one such answer.
const MOST_BYTES: usize = 1 << 16;
/// Most frames of one such answer that are named.
const MOST_FRAMES: usize = 256;
/// Cyclic reads remembered.
const MOST_CYCLES: usize = 8;

/// An answer that comes in parts.
#[derive(Debug)]
struct Part {
    sender: Direction,
    group: u8,
    sub: u8,
    reference: u8,
    sequence: u8,
    bytes: Vec<u8>,
    /// Numbers of the frames that brought it, at most [`MOST_FRAMES`].
    frames: Vec<u64>,
    /// What the request addressed: id and index of a status list.
    asked: Option<(u16, u16)>,
}

/// What goes on beyond one request and answer.
#[derive(Debug, Default)]
pub(super) struct Parts {
    open: Vec<Part>,
    /// Items of cyclic reads, by the number that the controller gave them.
    cycles: Vec<(u8, Box<[u8]>)>,
}

/// What is behind the data head, by the length that it announces.
fn body(data: &[u8]) -> &[u8] {
    let Some(head) = Data::read(&mut Reader::new(data)) else { return &[] };
    let rest = data.get(4..).unwrap_or_default();
    rest.get(..usize::from(head.length).min(rest.len())).unwrap_or_default()
}

/// Id and index that a request for a status list names.
fn list(unit: &Unit<'_>) -> Option<(u16, u16)> {
    let mut reader = Reader::new(body(unit.data));
    Some((reader.u16().ok()?, reader.u16().ok()?))
}

/// Class of a request for a status list: identity, or state.
fn list_operation(id: u16) -> Operation {
    match id & 0xFF {
        0x19 | 0x22 | 0x24 | 0x32 | 0x71 | 0x74 | 0x75 | 0x90..=0x96 | 0xA0 | 0xB1..=0xB4 => Operation::ReadMode,
        _ => Operation::Identify,
    }
}

/// Whether a request for messages asks for none any more.
fn is_sign_off(head: UserData, unit: &Unit<'_>) -> bool {
    (head.group, head.sub) == (group::CPU, 2) && body(unit.data).first() == Some(&0)
}

/// The outcome that an answer tells.
fn outcome(head: UserData, unit: &Unit<'_>) -> Outcome {
    if head.error != 0 {
        return Outcome::Rejected(head.error, error::error(head.error));
    }
    match unit.data.first() {
        // 0x0A stands on answers that bring no data as well.
        None | Some(0xFF | 0x0A | 0x00) => Outcome::Ok,
        Some(&code) => Outcome::Rejected(u16::from(code), error::return_code(code)),
    }
}

impl Comm {
    pub(super) fn user_data(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        unit: &Unit<'_>,
        bytes: &[u8],
        mut told: Told,
    ) {
        let Some(head) = UserData::read(unit.param) else {
            told.violations.push(bad(10, "8 bytes of parameters for user data", format!("{}", unit.param.len())));
            return self.broken(context, link, Some(unit), told);
        };
        if let Some(data) = Data::read(&mut Reader::new(unit.data))
            && usize::from(data.length) > unit.data.len().saturating_sub(4)
            && !head.more
        {
            let found = format!("{} bytes", unit.data.len().saturating_sub(4));
            told.violations.push(bad(
                unit.length + unit.param.len() + 2,
                format!("{} bytes of data", data.length),
                found,
            ));
        }
        match head.kind {
            UserData::REQUEST => {
                let (_, class) = function::user_data(head.group, head.sub);
                let list = self.asked(unit, head).filter(|_| (head.group, head.sub) == (group::CPU, 1));
                let operation = match list {
                    Some((id, _)) => list_operation(id),
                    None if is_sign_off(head, unit) => Operation::CommsOff,
                    None => class,
                };
                let about = About { operation: Some(operation), ..About::default() };
                message(context.sink, link, told.direction, told.head, Some(unit), about, &told.violations);
                self.open(context, link, unit, bytes, told.direction, (head.group, head.sub, list), told.violations);
            }
            UserData::RESPONSE => self.user_answer(context, link, unit, head, told),
            _ => self.pushed(context, link, unit, head, told),
        }
    }

    /// What a request for a status list asks: it names it, or goes on with an answer in parts.
    fn asked(&self, unit: &Unit<'_>, head: UserData) -> Option<(u16, u16)> {
        list(unit).or_else(|| {
            let same =
                |part: &&Part| part.group == head.group && part.sub == head.sub && part.sequence == head.sequence;
            self.parts.open.iter().find(same).and_then(|part| part.asked)
        })
    }

    fn user_answer(&mut self, context: &mut Context<'_>, link: &Link, unit: &Unit<'_>, head: UserData, mut told: Told) {
        let outcome = outcome(head, unit);
        let (function, class) = function::user_data(head.group, head.sub);
        let open = self.jobs.answered(told.direction, unit.header.reference, true);
        let mut asked = None;
        match &open {
            Some(open) if (open.function, open.sub) != (head.group, head.sub) => {
                let (wanted, _) = function::user_data(open.function, open.sub);
                told.violations.push(violation(
                    rule::RESPONSE_MISMATCH,
                    super::ID,
                    unit.length + 5,
                    wanted.name,
                    function.name,
                    "an answer is of the group and subfunction of its request",
                ));
            }
            Some(open) => asked = open.list,
            None if !self.is_excused(context, told.direction) => told.violations.push(violation(
                rule::RESPONSE_MISMATCH,
                super::ID,
                4,
                "a request with this reference before it",
                format!("{}, reference {}", function.name, unit.header.reference),
                "a request is answered once",
            )),
            None => {}
        }
        let joined = self.join(context, head, unit, told.direction, asked);
        let whole = joined.as_ref().map(|part| (part.bytes.as_slice(), part.frames.as_slice()));
        let operation = match (head.group, head.sub, asked) {
            (group::CPU, 1, Some((id, _))) => list_operation(id),
            _ => class,
        };
        let about = About {
            operation: Some(operation),
            outcome: Some(outcome),
            asked: open.as_ref().map(|open| (open.packet.frame, open.packet.time)),
            joined: whole,
        };
        message(context.sink, link, told.direction, told.head, Some(unit), about, &told.violations);
        match open {
            Some(open) => {
                self.excused = None;
                self.conclude(context.sink, link, &open, outcome, Some(unit), told.violations);
                self.jobs.give_back(open.bytes);
            }
            None => {
                let frames = [FrameRef::default(), link.packet.frame];
                let exchange = Exchange::new(link, told.direction, frames, link.packet.time);
                tell::plain(context.sink, &exchange, function, class, outcome, told.violations);
            }
        }
        if !head.more && outcome == Outcome::Ok && (head.group, head.sub) == (group::CPU, 1) {
            let bytes = whole.map_or_else(|| body(unit.data), |(bytes, _)| bytes);
            // The end of a list alone, or one with a part missing, is none.
            if (whole.is_some() || head.unit_reference == 0) && szl::is_whole(bytes) {
                identify(context.sink, link, szl::identities(bytes));
            }
        }
    }

    /// Puts an answer in parts together; gives it where this is the last one.
    fn join(
        &mut self,
        context: &mut Context<'_>,
        head: UserData,
        unit: &Unit<'_>,
        sender: Direction,
        asked: Option<(u16, u16)>,
    ) -> Option<Part> {
        if head.unit_reference == 0 {
            return None;
        }
        let same = |part: &Part| {
            part.sender == sender
                && (part.group, part.sub, part.reference) == (head.group, head.sub, head.unit_reference)
        };
        let bytes = body(unit.data);
        let place = self.parts.open.iter().position(same);
        if head.error != 0 {
            if let Some(place) = place {
                self.parts.open.remove(place);
            }
            return None;
        }
        let place = match (place, head.more) {
            (Some(place), _) => place,
            // The last part of what was not seen from its beginning.
            (None, false) => return None,
            (None, true) => {
                if self.parts.open.len() >= MOST_PARTS {
                    self.parts.open.remove(0);
                    context.sink.evicted(crate::UNITS_EVICTED);
                }
                self.parts.open.push(Part {
                    sender,
                    group: head.group,
                    sub: head.sub,
                    reference: head.unit_reference,
                    sequence: head.sequence,
                    bytes: Vec::new(),
                    frames: Vec::new(),
                    asked,
                });
                self.parts.open.len() - 1
            }
        };
        let part = self.parts.open.get_mut(place)?;
        let room = MOST_BYTES.saturating_sub(part.bytes.len());
        part.bytes.extend(bytes.iter().take(room));
        if part.frames.len() < MOST_FRAMES {
            part.frames.push(context.packet.frame.number());
        }
        (!head.more).then(|| self.parts.open.remove(place))
    }

    /// What a controller tells without a request.
    fn pushed(&mut self, context: &mut Context<'_>, link: &Link, unit: &Unit<'_>, head: UserData, told: Told) {
        let (function, operation) = function::user_data(head.group, head.sub);
        let about = About { operation: Some(operation), outcome: Some(Outcome::Ok), ..About::default() };
        message(context.sink, link, told.direction, told.head, Some(unit), about, &told.violations);
        let frames = tell::frames_of(link, told.direction, link.packet.frame);
        let exchange = Exchange::new(link, told.direction, frames, link.packet.time);
        if head.group == group::MODE {
            let state = match head.sub {
                0 => Some("stop"),
                1 | 3 | 6 => Some("startup"),
                2 | 9 => Some("run"),
                4 => Some("hold"),
                11 => Some("link-up"),
                12 => Some("update"),
                _ => None,
            };
            let state = state.map(|state| ("run-state", state.to_owned(), "S7 mode transition"));
            identify(context.sink, link, state.into_iter().collect());
        }
        let items = self.cycle(head.sequence).filter(|_| head.group == group::CYCLIC && told.violations.is_empty());
        match items {
            Some(items) => {
                let mut numbers = std::mem::take(&mut self.numbers);
                cyclic_items(context.sink, &exchange, head, &items, Some(body(unit.data)), Outcome::Ok, &mut numbers);
                self.numbers = numbers;
                self.parts.cycles.push((head.sequence, items));
            }
            None => tell::plain(context.sink, &exchange, function, operation, Outcome::Ok, told.violations),
        }
    }

    /// Takes the items of a cyclic read out.
    fn cycle(&mut self, sequence: u8) -> Option<Box<[u8]>> {
        let place = self.parts.cycles.iter().position(|(known, _)| *known == sequence)?;
        Some(self.parts.cycles.remove(place).1)
    }

    pub(super) fn conclude_user_data(
        &mut self,
        sink: &mut dyn Sink,
        exchange: &Exchange,
        request: &Unit<'_>,
        list: Option<(u16, u16)>,
        outcome: Outcome,
        answer: Option<&Unit<'_>>,
        mut violations: Vec<Violation>,
    ) {
        let Some(head) = UserData::read(request.param) else { return };
        let (function, mut operation) = function::user_data(head.group, head.sub);
        let body = body(request.data);
        match (head.group, head.sub) {
            (group::CPU, 1) => {
                let Some((id, index)) = list else {
                    return tell::plain(sink, exchange, function, operation, outcome, violations);
                };
                let address = Address {
                    space: "szl",
                    code: space::LIST,
                    number: Some(id.into()),
                    start: index.into(),
                    ..Address::default()
                };
                let operation = list_operation(id);
                tell::addressed(sink, exchange, function, operation, outcome, &address, ValueView::None, violations);
            }
            (group::CPU, 2) if is_sign_off(head, request) => {
                tell::plain(sink, exchange, function, Operation::CommsOff, outcome, violations);
            }
            (group::BLOCKS, 3) => {
                let mut name = vec![b'_'];
                name.extend(body.iter().take(8));
                let target = Target {
                    space: "block",
                    count: 1,
                    width: 1,
                    name: Some(super::block::told(&name).into_boxed_str()),
                    ..Target::default()
                };
                let hash = name.iter().fold(7_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
                let key =
                    ActivityKey { space: space::BLOCK, number: hash, ..exchange.key(function, operation, outcome) };
                let latency = exchange.latency.unwrap_or_default();
                if violations.is_empty() && sink.known(&key, exchange.time, exchange.frames, latency, ValueView::None) {
                    return;
                }
                let key = violations.is_empty().then_some(key);
                sink.activity(key, Activity { target, violations, ..exchange.activity(function, operation, outcome) });
            }
            (group::BLOCKS, 1 | 2) => {
                let address = Address { space: "block", code: space::BLOCK, ..Address::default() };
                tell::addressed(sink, exchange, function, operation, outcome, &address, ValueView::None, violations);
            }
            (group::PROGRAMMER, 0x02 | 0x07 | 0x08 | 0x09) => {
                let mut numbers = std::mem::take(&mut self.numbers);
                let told = variables(sink, exchange, head, body, outcome, &mut violations, &mut numbers);
                self.numbers = numbers;
                if !told {
                    tell::plain(sink, exchange, function, operation, outcome, violations);
                }
            }
            (group::CYCLIC, 0x01 | 0x05 | 0x07) => {
                let items = cyclic_part(head.sub, body);
                if outcome == Outcome::Ok
                    && Item::read(&mut Reader::new(items)).is_some()
                    && let Some(answer) = answer.and_then(|answer| UserData::read(answer.param))
                {
                    let _before = self.cycle(answer.sequence);
                    if self.parts.cycles.len() >= MOST_CYCLES {
                        self.parts.cycles.remove(0);
                        sink.evicted(crate::CYCLES_EVICTED);
                    }
                    self.parts.cycles.push((answer.sequence, items.into()));
                }
                let mut numbers = std::mem::take(&mut self.numbers);
                let data = answer.map(|answer| self::body(answer.data));
                let told =
                    violations.is_empty() && cyclic_items(sink, exchange, head, items, data, outcome, &mut numbers);
                self.numbers = numbers;
                if !told {
                    tell::plain(sink, exchange, function, operation, outcome, violations);
                }
            }
            _ => {
                if request.header.rosctr != rosctr::USER_DATA {
                    operation = Operation::Unknown;
                }
                tell::plain(sink, exchange, function, operation, outcome, violations);
            }
        }
    }
}

fn identify(sink: &mut dyn Sink, link: &Link, properties: Vec<(&'static str, String, &'static str)>) {
    let (_, device) = link.roles();
    for (property, value, source) in properties {
        sink.identity(Identity {
            session: link.session,
            device,
            property,
            value,
            source,
            time: link.packet.time,
            frame: link.packet.frame,
        });
    }
}

/// Items of a request for a cyclic read: behind their number, and behind the interval where there is one. The number of
/// items is before them.
fn cyclic_part(sub: u8, body: &[u8]) -> &[u8] {
    // Number of items (2 bytes), time base, time; on change: number of items alone (2 bytes).
    let behind = if sub == 0x01 { 4 } else { 2 };
    body.get(behind..).unwrap_or_default()
}

/// Tells the items of a cyclic read; whether there were any. `data`: number of items, then their data.
fn cyclic_items(
    sink: &mut dyn Sink,
    exchange: &Exchange,
    head: UserData,
    items: &[u8],
    data: Option<&[u8]>,
    outcome: Outcome,
    numbers: &mut Vec<f64>,
) -> bool {
    let (function, operation) = function::user_data(head.group, head.sub);
    let mut datas = data.map(|data| Datas::new(data.get(2..).unwrap_or_default()));
    let mut reader = Reader::new(items);
    let mut told = false;
    for _ in 0..=u8::MAX {
        let Some(item) = Item::read(&mut reader) else { break };
        let address = item.address();
        let data = datas.as_mut().and_then(Iterator::next).filter(|data| data.code == 0xFF);
        let values = data.as_ref().map_or(ValueView::None, |data| tell::values(&address, data, numbers));
        tell::addressed(sink, exchange, function, operation, outcome, &address, values, Vec::new());
        told = true;
    }
    told
}

/// Variables of test and installation functions: status, modify, force. Whether there were any.
///
/// Behind the sizes of the two parts and the first part: number of variables, for each an area with its width, a
/// repetition factor or bit, data block and first byte; then the values.
fn variables(
    sink: &mut dyn Sink,
    exchange: &Exchange,
    head: UserData,
    body: &[u8],
    outcome: Outcome,
    violations: &mut Vec<Violation>,
    numbers: &mut Vec<f64>,
) -> bool {
    let (function, operation) = function::user_data(head.group, head.sub);
    let mut reader = Reader::new(body);
    let (Ok(size), Ok(_)) = (reader.u16(), reader.u16()) else { return false };
    let (Ok(_), Ok(count)) = (reader.take(usize::from(size)), reader.u16()) else { return false };
    let count = usize::from(count).min(256);
    let Ok(addresses) = reader.take(count * 6) else { return false };
    let mut datas = Datas::new(reader.rest());
    for entry in addresses.as_chunks::<6>().0 {
        let address = variable(*entry);
        let data = if operation == Operation::Force { datas.next() } else { None };
        let values = data.as_ref().map_or(ValueView::None, |data| tell::values(&address, data, numbers));
        tell::addressed(sink, exchange, function, operation, outcome, &address, values, std::mem::take(violations));
    }
    count > 0
}

/// Address of a variable: high four bits of the first byte tell the area, low four bits the width.
fn variable([place, factor, db_high, db_low, start_high, start_low]: [u8; 6]) -> Address {
    let area = area_of(match place >> 4 {
        0 => 0x83,
        1 => 0x81,
        2 => 0x82,
        3 => 0x80,
        5 => 0x1D,
        6 => 0x1C,
        7 => 0x84,
        other => other,
    });
    let (width, encoding) = match place & 0x0F {
        0 => (1, Encoding::Bit),
        1 => (8, Encoding::Unsigned),
        3 => (32, Encoding::Unsigned),
        _ => (16, Encoding::Unsigned),
    };
    let start = u32::from(u16::from_be_bytes([start_high, start_low]));
    let db = u32::from(u16::from_be_bytes([db_high, db_low]));
    let bit = if width == 1 { u32::from(factor & 7) } else { 0 };
    Address {
        space: area.space,
        code: area.code,
        number: (area.code == 0x84).then_some(db),
        start: if area.counts_elements() { start * 16 } else { start * 8 + bit },
        count: if width == 1 { 1 } else { u32::from(factor).max(1) },
        width,
        kind: ItemType { code: place, name: "", width, encoding },
        extra: u16::from(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_addresses() {
        let target = |entry| {
            let target = variable(entry).target();
            (target.space, target.number, target.start, target.count, target.width)
        };
        assert_eq!(target([0x01, 6, 0, 0, 0, 0]), ("flags", None, 0, 6, 8));
        assert_eq!(target([0x20, 3, 0, 0, 0, 1]), ("outputs", None, 11, 1, 1));
        assert_eq!(target([0x72, 1, 0, 10, 0, 4]), ("data-block", Some(10), 32, 1, 16));
        assert_eq!(target([0x54, 1, 0, 0, 0, 5]), ("timers", None, 80, 1, 16));
    }
}
