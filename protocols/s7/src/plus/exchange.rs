//! Which response answers which request, and what became of it; what the server made for the session, and what it tells
//! by itself.

use super::REQUESTS_EVICTED;
use super::body::Head;
use super::found::{Address, Attribute, Found, Scalar, Value};
use super::identity;
use super::line::{Answer, frames, identify};
use super::meaning::{self, Label, Objects, Part, Space, id};
use super::names::{self, function};
use super::stream::Stream;
use super::tell::Told;
use super::value::datatype;
use super::wire::opcode;
use crate::link::Link;
use ot_protocol::time::SECOND;
use ot_protocol::{
    Artifact, Context, Direction, Finish, FrameRef, Function, Nanos, Operation, Outcome, PacketInfo, Timestamp,
    Violation,
};
use std::collections::VecDeque;

/// A request without an answer for this long counts as unanswered.
const TIMEOUT: Nanos = 10 * SECOND;
/// Requests open at once.
const MOST_OPEN: usize = 64;
/// Objects that the server made, whose class is remembered.
const MOST_MADE: usize = 64;
/// Subscriptions whose addresses are remembered.
const MOST_SUBSCRIPTIONS: usize = 16;
/// Addresses of each that are remembered.
const MOST_SUBSCRIBED: usize = 256;
/// Transport flag of a request that wants no response.
const NO_RESPONSE: u8 = 0x40;

/// A request that waits for its response.
#[derive(Debug)]
struct Open {
    direction: Direction,
    head: Head,
    packet: PacketInfo,
    parts: Vec<Part>,
    /// Numbers written.
    numbers: Vec<f64>,
    /// Name that it gives to what it makes.
    name: Option<Box<str>>,
    /// Classes of the objects it makes.
    classes: Vec<u32>,
    /// Addresses it subscribes to.
    addresses: Vec<Address>,
    /// Object and first attribute.
    asked: Option<(u32, u32)>,
    violations: Vec<Violation>,
    artifact: Option<Box<Artifact>>,
    /// Packet time of its last unit.
    last: Timestamp,
    /// Bytes were lost after it: a missing answer says nothing.
    blind: bool,
}

/// A subscription.
#[derive(Debug)]
struct Subscription {
    object: u32,
    addresses: Vec<Address>,
}

/// Objects that the server made: id and class.
#[derive(Debug, Default)]
struct Made(VecDeque<(u32, u32)>);

impl Objects for Made {
    fn class(&self, id: u32) -> Option<u32> {
        self.0.iter().rev().find(|(made, _)| *made == id).map(|(_, class)| *class)
    }
}

/// Requests and responses of a connection.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    open: Vec<Open>,
    /// Buffers of requests that were answered.
    spare: Vec<(Vec<Part>, Vec<f64>)>,
    parts: Vec<Part>,
    made: Made,
    subscriptions: VecDeque<Subscription>,
}

impl Exchange {
    /// Whether a request is open.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Bytes were lost: a missing answer says nothing.
    pub fn blind(&mut self) {
        for open in &mut self.open {
            open.blind = true;
        }
    }

    fn began(&mut self, direction: Direction, sequence: u16) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.direction == direction && open.head.sequence == sequence)
    }

    /// Another unit of a request came. Whether the request is open.
    pub fn touch(&mut self, direction: Direction, sequence: u16, now: Timestamp) {
        if let Some(open) = self.began(direction, sequence) {
            open.last = now;
        }
    }

    /// What crossed in the units of a request.
    pub fn carried(&mut self, stream: Stream, complete: bool) {
        if let Some(open) = self.began(stream.direction, stream.sequence) {
            open.artifact = Some(stream.artifact(complete));
        }
    }

    /// Whether a request will be given up at the next tick.
    pub fn is_late(&self, direction: Direction, sequence: u16, now: Timestamp) -> bool {
        let same = |open: &&Open| open.direction == direction && open.head.sequence == sequence;
        self.open.iter().find(same).is_none_or(|open| now.since(open.last) > TIMEOUT)
    }

    /// Time has passed.
    pub fn expire(&mut self, context: &mut Context<'_>, link: &Link) {
        let now = context.packet.time;
        while let Some(place) = self.open.iter().position(|open| now.since(open.last) > TIMEOUT) {
            let open = self.open.remove(place);
            self.unanswered(context, link, open, Outcome::Unanswered);
        }
    }

    /// The conversation is over.
    pub fn finish(&mut self, context: &mut Context<'_>, link: &Link, why: Finish) {
        let now = context.packet.time;
        for open in std::mem::take(&mut self.open) {
            let late = why == Finish::Closed || now.since(open.last) > TIMEOUT;
            self.unanswered(context, link, open, if late { Outcome::Unanswered } else { Outcome::Pending });
        }
    }

    /// A request: kept until its response comes.
    pub fn request(
        &mut self,
        found: &Found,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        head: Head,
        data: &[u8],
        violations: Vec<Violation>,
    ) -> Answer {
        let (mut parts, mut numbers) = self.spare.pop().unwrap_or_default();
        meaning::request(&head, found, &self.made, &mut parts);
        if parts.iter().any(|part| part.written.length > 0) {
            numbers.extend_from_slice(&found.numbers);
        }
        let operation = parts.first().map(|part| part.operation);
        let creates = head.function == function::CREATE_OBJECT;
        let subscribes = creates || head.function == function::SET_MULTI_VARIABLES;
        let artifact = match head.function {
            function::SET_VAR_SUBSTREAMED if !blob(found, data).is_empty() => {
                Some(Stream::begin(direction, head.sequence, blob(found, data)).artifact(true))
            }
            function::CREATE_OBJECT => block(found, 0, data),
            _ => None,
        };
        let asked = found.object.map(|object| (object, found.ids.first().copied().unwrap_or_default()));
        let open = Open {
            direction,
            head,
            packet: link.packet,
            parts,
            numbers,
            name: if creates { name(found, data) } else { None },
            classes: if creates { found.objects.iter().map(|object| object.class).collect() } else { Vec::new() },
            addresses: if subscribes && (creates || asked.is_some_and(|(object, _)| object != 0)) {
                found.addresses.iter().take(MOST_SUBSCRIBED).copied().collect()
            } else {
                Vec::new()
            },
            asked,
            violations,
            artifact,
            last: link.packet.time,
            blind: false,
        };
        if subscribes && let Some((object, _)) = asked {
            self.give_up(found, object);
        }
        if flags(data) & NO_RESPONSE != 0 || !open.violations.is_empty() {
            self.unanswered(context, link, open, Outcome::Pending);
        } else {
            if self.open.len() >= MOST_OPEN {
                let oldest = self.open.remove(0);
                context.sink.evicted(REQUESTS_EVICTED);
                self.unanswered(context, link, oldest, Outcome::Pending);
            }
            self.open.push(open);
        }
        Answer { operation, ..Answer::default() }
    }

    fn give_up(&mut self, found: &Found, object: u32) {
        if found.given_up.is_empty() {
            return;
        }
        if let Some(subscription) = self.subscriptions.iter_mut().find(|subscription| subscription.object == object) {
            subscription.addresses.retain(|address| !found.given_up.contains(&address.reference));
        }
    }

    pub fn response(
        &mut self,
        found: &Found,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        head: Head,
        data: &[u8],
        mut violations: Vec<Violation>,
    ) -> Answer {
        let code = found.returned.map(names::error_code);
        let outcome = code.map_or(Outcome::Pending, outcome_of);
        let answers = |open: &Open| {
            open.direction != direction
                && open.head.sequence == head.sequence
                && (open.head.function == head.function || matches!(head.function, function::ERROR | function::ERROR2))
        };
        let Some(place) = self.open.iter().rposition(answers) else {
            let told = Told {
                link,
                time: link.packet.time,
                frames: frames(false, link.packet.frame),
                sender: direction,
                function: function_of(head.function),
                latency: None,
                name: None,
            };
            let part = Part::of(meaning::unknown_content(head.function));
            told.part(context.sink, &part, outcome, &[], &mut violations, &mut None);
            identify(context.sink, link, identity::server(&head, None, found, data));
            return Answer { operation: Some(part.operation), outcome: Some(outcome), ..Answer::default() };
        };
        let mut open = self.open.remove(place);
        violations.splice(0..0, std::mem::take(&mut open.violations));
        let latency = link.packet.time.since(open.packet.time);
        let answer = Answer {
            operation: open.parts.first().map(|part| part.operation),
            outcome: Some(outcome),
            latency: Some(latency),
            request: Some(open.packet.frame),
        };
        let told = Told {
            link,
            time: open.packet.time,
            frames: [open.packet.frame, link.packet.frame],
            sender: direction,
            function: function_of(open.head.function),
            latency: Some(latency),
            name: open.name.as_deref(),
        };
        for part in &open.parts {
            let error = found.errors.iter().find(|(item, _)| *item == part.item && part.item != 0);
            let outcome = match error {
                Some((_, returned)) => outcome_of(names::error_code(*returned)),
                None => outcome,
            };
            let value = if part.item == 0 { found.value } else { found.item(part.item).copied() };
            let numbers = match value {
                _ if part.written.length > 0 => part.written.of(&open.numbers),
                Some(value) if outcome == Outcome::Ok => numbers_of(&value, found),
                _ => &[],
            };
            told.part(context.sink, part, outcome, numbers, &mut violations, &mut open.artifact);
            if outcome == Outcome::Ok
                && let Some(value) = value
                && let Some(state) = identity::run_state(part, &value, found)
            {
                identify(context.sink, link, [state]);
            }
        }
        if outcome == Outcome::Ok && head.function == function::EXPLORE {
            explored(found, context, &told, data);
        }
        if outcome == Outcome::Ok {
            self.accepted(found, &open);
            identify(context.sink, link, identity::server(&head, open.asked, found, data));
            if head.function == function::INIT_SSL {
                identify(context.sink, link, [("encryption", "tls".to_owned(), "S7comm-plus InitSsl")]);
            }
        }
        self.give_up_buffers(open);
        answer
    }

    /// Remembers what the server made.
    fn accepted(&mut self, found: &Found, open: &Open) {
        match open.head.function {
            function::CREATE_OBJECT => {
                for (&made, &class) in found.ids.iter().zip(&open.classes) {
                    if self.made.0.len() >= MOST_MADE {
                        self.made.0.pop_front();
                    }
                    self.made.0.push_back((made, class));
                }
                let subscription = open.classes.iter().position(|class| *class == id::CLASS_SUBSCRIPTION);
                if let Some(&object) = subscription.and_then(|place| found.ids.get(place))
                    && !open.addresses.is_empty()
                {
                    if self.subscriptions.len() >= MOST_SUBSCRIPTIONS {
                        self.subscriptions.pop_front();
                    }
                    self.subscriptions.push_back(Subscription { object, addresses: open.addresses.clone() });
                }
            }
            function::SET_MULTI_VARIABLES => {
                let Some((object, _)) = open.asked else { return };
                if let Some(known) = self.subscriptions.iter_mut().find(|known| known.object == object) {
                    let room = MOST_SUBSCRIBED.saturating_sub(known.addresses.len());
                    known.addresses.extend(open.addresses.iter().take(room));
                }
            }
            function::DELETE_OBJECT => {
                let Some((object, _)) = open.asked else { return };
                self.subscriptions.retain(|known| known.object != object);
                self.made.0.retain(|(made, _)| *made != object);
            }
            _ => {}
        }
    }

    /// Values that the server tells by itself.
    pub fn notification(
        &mut self,
        found: &Found,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        mut violations: Vec<Violation>,
    ) -> Answer {
        let object = found.object.unwrap_or_default();
        let told = Told {
            link,
            time: link.packet.time,
            frames: frames(false, link.packet.frame),
            sender: direction,
            function: Function { code: u16::from(opcode::NOTIFICATION), sub: None, name: "Notification" },
            latency: None,
            name: None,
        };
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        if let Some(known) = self.subscriptions.iter().find(|known| known.object == object) {
            for item in &found.items {
                let address = known.addresses.iter().find(|address| address.reference == item.number);
                if let Some(address) = address {
                    parts.push(meaning::address(address, None, item.number, &self.made));
                }
            }
        }
        if parts.is_empty() {
            let tis = self.made.class(object) == Some(id::CLASS_TIS_SUBSCRIPTION);
            let (operation, class) = match found.objects.first() {
                Some(object) => (Operation::Read, object.class),
                None if tis => (Operation::Diagnose, id::CLASS_TIS_SUBSCRIPTION),
                None if found.items.is_empty() => (Operation::Session, id::CLASS_SUBSCRIPTION),
                None => (Operation::Read, id::CLASS_SUBSCRIPTION),
            };
            parts.push(Part {
                space: Space::Object,
                number: Some(class),
                label: Label::Object(class, 0),
                ..Part::of(operation)
            });
        }
        let operation = parts.first().map(|part| part.operation);
        for part in &parts {
            let value = found.items.iter().find(|item| item.number == part.item && part.item != 0);
            let numbers = value.map_or(&[][..], |item| numbers_of(&item.value, found));
            told.part(context.sink, part, Outcome::Ok, numbers, &mut violations, &mut None);
            if let Some(item) = value
                && let Some(state) = identity::run_state(part, &item.value, found)
            {
                identify(context.sink, link, [state]);
            }
        }
        self.parts = parts;
        Answer { operation, ..Answer::default() }
    }

    /// A request that has no answer, or wants none.
    fn unanswered(&mut self, context: &mut Context<'_>, link: &Link, mut open: Open, outcome: Outcome) {
        let visible = context.seen.get(open.direction.reversed().index()).copied().unwrap_or_default();
        let outcome = if visible && !open.blind { outcome } else { Outcome::Pending };
        let told = Told {
            link,
            time: open.packet.time,
            frames: [open.packet.frame, FrameRef::default()],
            sender: open.direction,
            function: function_of(open.head.function),
            latency: None,
            name: open.name.as_deref(),
        };
        for part in &open.parts {
            let numbers = part.written.of(&open.numbers);
            told.part(context.sink, part, outcome, numbers, &mut open.violations, &mut open.artifact);
        }
        self.give_up_buffers(open);
    }

    /// Keeps the buffers of a request for the next one.
    fn give_up_buffers(&mut self, open: Open) {
        let Open { mut parts, mut numbers, .. } = open;
        if self.spare.len() < 2 && parts.capacity() <= 64 && numbers.capacity() <= 256 {
            parts.clear();
            numbers.clear();
            self.spare.push((parts, numbers));
        }
    }
}

/// The name that a request gives to the first object it makes.
fn name(found: &Found, data: &[u8]) -> Option<Box<str>> {
    let first = |attribute: &&Attribute| attribute.id == id::OBJECT_NAME && attribute.object == Some(0);
    let value = found.attributes.iter().find(first)?;
    let Scalar::Text(span) = value.value.first else { return None };
    let name = names::clean(span.of(data));
    // Of what a session makes, the name has a number that changes.
    let lasting = found.objects.first().is_some_and(|object| names::block_class(object.class).is_some());
    (lasting && !name.is_empty()).then(|| name.into_boxed_str())
}

/// The program block that an object is, as evidence of its version.
fn block(found: &Found, index: usize, data: &[u8]) -> Option<Box<Artifact>> {
    let object = found.objects.get(index)?;
    let (kind, number) = meaning::block(index, found)?;
    let mut attributes = Vec::new();
    if let Some(class) = names::id(object.class) {
        attributes.push(("class", class.to_owned()));
    }
    for attribute in found.attributes.iter().filter(|attribute| attribute.object == Some(index)) {
        match (attribute.id, attribute.value.first) {
            (id::OBJECT_NAME, Scalar::Text(span)) => attributes.push(("name", names::clean(span.of(data)))),
            (id::BLOCK_LANGUAGE, Scalar::Unsigned(code)) => {
                attributes.push(("language", names::language(code).to_owned()));
            }
            (id::LAST_MODIFIED, Scalar::Unsigned(nanos)) => {
                let time = Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX));
                attributes.push(("code-modified", time.to_string()));
            }
            _ => {}
        }
    }
    Some(super::stream::block(format!("{kind} {number}"), object.span.of(data), attributes))
}

/// Program blocks in the answer to an exploration: each is read, with its code where that is there.
fn explored(found: &Found, context: &mut Context<'_>, told: &Told<'_>, data: &[u8]) {
    for index in 0..found.objects.len() {
        let Some((kind, number)) = meaning::block(index, found) else { continue };
        let code = |attribute: &Attribute| attribute.object == Some(index) && attribute.id == id::CODE;
        let mut artifact = if found.attributes.iter().any(code) { block(found, index, data) } else { None };
        let part = Part {
            space: Space::Block,
            number: Some(number),
            label: Label::Block(kind, number),
            ..Part::of(Operation::ProgramRead)
        };
        told.part(context.sink, &part, Outcome::Ok, &[], &mut Vec::new(), &mut artifact);
    }
}

/// The bytes that a request writes.
pub(crate) fn blob<'a>(found: &Found, data: &'a [u8]) -> &'a [u8] {
    match found.value.map(|value| value.first) {
        Some(Scalar::Bytes(span)) => span.of(data),
        _ => &[],
    }
}

fn numbers_of<'a>(value: &Value, found: &'a Found) -> &'a [f64] {
    match value.datatype {
        datatype::STRUCT | datatype::BLOB | datatype::WSTRING => &[],
        _ => found.numbers_of(value),
    }
}

/// Transport flags of a request.
fn flags(data: &[u8]) -> u8 {
    data.get(13).copied().unwrap_or_default()
}

fn function_of(code: u16) -> Function {
    Function { code, sub: None, name: function::name(code) }
}

pub(crate) fn outcome_of(code: i16) -> Outcome {
    if code < 0 { Outcome::Rejected(u16::from_be_bytes(code.to_be_bytes()), names::error(code)) } else { Outcome::Ok }
}
