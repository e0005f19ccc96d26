//! The S7comm-plus side of a connection: fragments put together, responses brought to their requests.

use super::body::{self, Head};
use super::found::{Address, Attribute, Found, Scalar, Value};
use super::identity;
use super::meaning::{self, Label, Objects, Part, Space, id};
use super::names::{self, function};
use super::stream::Stream;
use super::tell::Told;
use super::tls::Tls;
use super::value::datatype;
use super::wire::{DIGEST, HEADER, Header, PROTOCOL_ID, opcode, version};
use super::{ID, REQUESTS_EVICTED};
use crate::layers;
use crate::link::{Link, rule, violation};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Artifact, Context, Direction, Fields, Finish, FrameRef, Function, Identity, Message, Nanos, Operation, Outcome,
    PacketInfo, Reader, Sink, Timestamp, Violation,
};
use std::collections::VecDeque;

/// A request without an answer for this long counts as unanswered.
const TIMEOUT: Nanos = 10 * SECOND;
/// A message whose next fragment does not come for this long is taken as it is.
const FRAGMENT_TIMEOUT: Nanos = 10 * SECOND;
/// Packet time that passes over more than this has jumped.
const JUMP: Nanos = 3600 * SECOND;
/// Requests open at once.
const MOST_OPEN: usize = 64;
/// Longest message that is put together; of longer ones the beginning.
const MOST_MESSAGE: usize = 256 << 10;
/// Room that is kept between messages of several fragments.
const KEPT: usize = 4 << 10;
/// Objects that the server made, whose class is remembered.
const MOST_MADE: usize = 64;
/// Subscriptions whose addresses are remembered, and addresses of each.
const MOST_SUBSCRIPTIONS: usize = 16;
const MOST_SUBSCRIBED: usize = 256;
/// Transport flag of a request that wants no response.
const NO_RESPONSE: u8 = 0x40;

/// A message in the making.
#[derive(Debug, Default)]
struct Assembly {
    version: u8,
    data: Vec<u8>,
    /// Fragments so far; 0: none.
    fragments: u32,
    /// Bytes beyond the longest message.
    beyond: usize,
    first: FrameRef,
    last: Timestamp,
}

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

/// Which fragment of a message a unit of user data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fragment {
    Whole,
    First,
    Inner,
    Last,
}

/// A unit of user data, its headers read.
struct Unit<'a> {
    direction: Direction,
    version: u8,
    data: &'a [u8],
    trailer: bool,
    fields: Fields,
    violations: Vec<Violation>,
}

/// The S7comm-plus side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Plus {
    link: Option<Link>,
    client: Option<Direction>,
    found: Found,
    assembly: [Assembly; 2],
    /// Stream of a request that comes in pieces of its own kind.
    stream: Option<Box<Stream>>,
    open: Vec<Open>,
    /// Buffers of requests that were answered.
    spare: Vec<(Vec<Part>, Vec<f64>)>,
    parts: Vec<Part>,
    made: Made,
    subscriptions: VecDeque<Subscription>,
    tls: Option<Box<Tls>>,
    last: Option<Timestamp>,
}

impl Plus {
    /// A whole unit of user data. `head` are the fields of the TPKT that completes it, empty where no messages are
    /// wanted. Gives how many of its bytes stay unknown.
    pub fn tsdu(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        tsdu: &[u8],
        head: Fields,
    ) -> usize {
        let link = self.begin(link, direction, tsdu);
        self.note_time(link.packet.time);
        let plain = tsdu.first() == Some(&PROTOCOL_ID);
        if Tls::begins(tsdu) || (self.tls.is_some() && !plain) {
            return self.encrypted(context, &link, direction, tsdu, head);
        }
        self.plain(context, &link, direction, tsdu, head)
    }

    /// Bytes of a direction are lost: what was begun is taken as it is.
    pub fn gap(&mut self, context: &mut Context<'_>, direction: Direction) {
        for open in &mut self.open {
            open.blind = true;
        }
        if let Some(tls) = &mut self.tls {
            tls.gap(direction);
        }
        if self.stream.as_ref().is_some_and(|stream| stream.direction == direction) {
            self.end_stream(false);
        }
        self.flush(context, direction);
    }

    /// Time has passed.
    pub fn tick(&mut self, context: &mut Context<'_>) {
        let now = context.packet.time;
        self.note_time(now);
        for direction in [Direction::AtoB, Direction::BtoA] {
            let late = |assembly: &Assembly| assembly.fragments > 0 && now.since(assembly.last) > FRAGMENT_TIMEOUT;
            if self.assembly.get(direction.index()).is_some_and(late) {
                self.flush(context, direction);
            }
        }
        while let Some(place) = self.open.iter().position(|open| now.since(open.last) > TIMEOUT) {
            let open = self.open.remove(place);
            self.unanswered(context, open, Outcome::Unanswered);
        }
    }

    /// Whether a request or a message is open.
    pub fn wants_tick(&self) -> bool {
        !self.open.is_empty() || self.assembly.iter().any(|assembly| assembly.fragments > 0)
    }

    /// The conversation is over.
    pub fn finish(&mut self, context: &mut Context<'_>, why: Finish) {
        self.flush(context, Direction::AtoB);
        self.flush(context, Direction::BtoA);
        let now = context.packet.time;
        for open in std::mem::take(&mut self.open) {
            let late = why == Finish::Closed || now.since(open.last) > TIMEOUT;
            self.unanswered(context, open, if late { Outcome::Unanswered } else { Outcome::Pending });
        }
    }

    /// Notes the connection; the direction of the client follows from the first opcode where nothing else tells it.
    fn begin(&mut self, link: &Link, direction: Direction, tsdu: &[u8]) -> Link {
        if self.client.is_none() {
            self.client = link.client.or_else(|| {
                crate::probe::plus_from_client(tsdu).map(|client| if client { direction } else { direction.reversed() })
            });
        }
        let link = Link { client: link.client.or(self.client), ..*link };
        self.link = Some(link);
        link
    }

    /// A jump of packet time re-arms: what is open then is neither answered nor unanswered.
    fn note_time(&mut self, now: Timestamp) {
        if let Some(last) = self.last
            && (now.since(last) > JUMP || now.since(last) < -JUMP)
        {
            for open in &mut self.open {
                open.blind = true;
            }
        }
        self.last = Some(now);
    }

    fn encrypted(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        tsdu: &[u8],
        mut fields: Fields,
    ) -> usize {
        let new = self.tls.is_none();
        let tls = self.tls.get_or_insert_default();
        let wanted = context.sink.wants_messages();
        let unknown = tls.unit(direction, tsdu, wanted.then_some(&mut fields));
        let told = tls.identity();
        if wanted {
            send(context.sink, link, direction, fields, Answer::default(), Vec::new());
        }
        if new {
            self.identify(context.sink, link, [("encryption", "tls".to_owned(), "S7comm-plus TLS")]);
            let answered = direction != link.client_direction();
            let told = Told {
                link,
                time: link.packet.time,
                frames: frames(!answered, link.packet.frame),
                sender: direction,
                function: Function { code: 0, sub: None, name: "TLS" },
                latency: None,
                name: None,
            };
            let part = Part::of(Operation::Session);
            told.part(context.sink, &part, Outcome::Pending, &[], &mut Vec::new(), &mut None);
        }
        self.identify(context.sink, link, told);
        unknown
    }

    fn identify(&self, sink: &mut dyn Sink, link: &Link, told: impl IntoIterator<Item = identity::Telling>) {
        for (property, value, source) in told {
            let (_, device) = link.roles();
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

    /// Reads the headers of a unit and goes on with what they say.
    fn plain(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        tsdu: &[u8],
        mut fields: Fields,
    ) -> usize {
        let wanted = context.sink.wants_messages();
        let mut violations = Vec::new();
        let mut reader = Reader::new(tsdu);
        let Ok(header) = Header::read(&mut reader) else {
            violations.push(bad(
                0,
                "a header of 4 bytes",
                format!("{} bytes", tsdu.len()),
                "the unit ends in its header",
            ));
            return self.broken(context, link, direction, fields, violations, tsdu.len());
        };
        if wanted {
            layers::number(&mut fields, "s7comm-plus.header.protid", PROTOCOL_ID);
            layers::number(&mut fields, "s7comm-plus.header.protocolversion", header.version);
            layers::text(&mut fields, "s7comm-plus.header.protocolversion.name", version::name(header.version));
        }
        match header.version {
            version::KEEP_ALIVE => {
                let [number, reserved] = header.length.to_be_bytes();
                if wanted {
                    layers::number(&mut fields, "s7comm-plus.header.keepaliveseqnum", number);
                    layers::number(&mut fields, "s7comm-plus.header.keepalive_res1", reserved);
                    send(context.sink, link, direction, fields, Answer::default(), violations);
                }
                return reader.remaining();
            }
            version::V1..=version::V3 | version::SYSTEM_EVENT => {}
            other => {
                violations.push(bad(
                    1,
                    "version 1, 2, 3, 0xFE or 0xFF",
                    format!("0x{other:02X}"),
                    "no other version of the protocol is known",
                ));
                return self.broken(context, link, direction, fields, violations, reader.remaining());
            }
        }
        if wanted {
            layers::number(&mut fields, "s7comm-plus.header.datlg", header.length);
        }
        let length = usize::from(header.length);
        let mut data = match reader.take(length) {
            Ok(data) => data,
            Err(short) => {
                violations.push(bad(
                    2,
                    format!("{length} bytes of data"),
                    format!("{}", short.found),
                    "the unit ends before its data",
                ));
                let rest = reader.rest();
                _ = reader.take(rest.len());
                rest
            }
        };
        if header.version == version::SYSTEM_EVENT {
            let unknown = self.system_event(context, link, direction, data, fields, violations);
            return unknown + reader.remaining();
        }
        let mut whole = false;
        if header.version == version::V3 {
            let mut inner = Reader::new(data);
            let digest = inner.u8().and_then(|length| inner.take(usize::from(length)));
            match digest {
                Ok(digest) => {
                    if wanted {
                        let length = u8::try_from(digest.len()).unwrap_or(u8::MAX);
                        layers::number(&mut fields, "s7comm-plus.integrity.digestlen", length);
                        layers::bytes(&mut fields, "s7comm-plus.integrity.digest", digest);
                    }
                    if digest.len() != DIGEST {
                        // Not what a controller sends: never the beginning of a longer message.
                        whole = true;
                        violations.push(bad(
                            HEADER,
                            "a digest of 32 bytes",
                            format!("{} bytes", digest.len()),
                            "the integrity part of version 3 holds an HMAC-SHA-256",
                        ));
                    }
                    data = inner.rest();
                }
                Err(short) => {
                    whole = true;
                    violations.push(bad(
                        HEADER,
                        format!("a digest of {} bytes", short.needed),
                        format!("{}", short.found),
                        "the unit ends in its integrity part",
                    ));
                }
            }
        }
        let trailer = match reader.rest() {
            [PROTOCOL_ID, _, 0, 0, ..] => {
                _ = reader.take(HEADER);
                true
            }
            _ => false,
        };
        let beyond = reader.remaining();
        let unit = Unit { direction, version: header.version, data, trailer: trailer || whole, fields, violations };
        self.unit(context, link, unit) + beyond
    }

    /// A unit that is no message: tells what is wrong with it.
    fn broken(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        mut fields: Fields,
        mut violations: Vec<Violation>,
        unknown: usize,
    ) -> usize {
        if context.sink.wants_messages() {
            count(&mut fields, "s7comm-plus.unknown_bytes", unknown);
            send(context.sink, link, direction, fields, Answer::default(), violations.clone());
        }
        let told = Told {
            link,
            time: link.packet.time,
            frames: frames(direction == link.client_direction(), link.packet.frame),
            sender: direction,
            function: Function { code: 0, sub: None, name: "no function code" },
            latency: None,
            name: None,
        };
        told.part(context.sink, &Part::of(Operation::Unknown), Outcome::Pending, &[], &mut violations, &mut None);
        unknown
    }

    /// Data of versions 1 to 3: a message, or a fragment of one.
    fn unit(&mut self, context: &mut Context<'_>, link: &Link, unit: Unit<'_>) -> usize {
        let index = unit.direction.index();
        let going = self.assembly.get(index).is_some_and(|assembly| assembly.fragments > 0);
        let streaming = self.stream.as_ref().is_some_and(|stream| stream.direction == unit.direction);
        // The end of the last message was not seen, and a new one begins.
        let begins = unit.data.first() != Some(&opcode::NOTIFICATION) && Head::is_plausible(unit.data);
        if going && begins {
            self.flush(context, unit.direction);
        }
        if streaming && !begins {
            return self.stream_piece(context, link, unit);
        }
        if streaming {
            self.end_stream(false);
        }
        if going && !begins {
            return self.continued(context, link, unit);
        }
        if unit.trailer {
            let known = Head::is_plausible(unit.data) || !unit.violations.is_empty() || !is_middle(unit.data);
            if known {
                return self.message(context, link, unit, Fragment::Whole, FrameRef::default());
            }
            return self.orphan(context, link, unit, Fragment::Last);
        }
        if !Head::is_plausible(unit.data) {
            return self.orphan(context, link, unit, Fragment::Inner);
        }
        let head = Head::peek(unit.data);
        if head.opcode == opcode::REQUEST && head.function == function::SET_VAR_SUBSTREAMED {
            let (direction, data) = (unit.direction, unit.data);
            let unknown = self.message(context, link, unit, Fragment::First, FrameRef::default());
            self.stream = Some(Box::new(Stream::begin(direction, head.sequence, self.blob(data))));
            return unknown;
        }
        let Unit { direction, version, data, mut fields, violations, .. } = unit;
        if let Some(assembly) = self.assembly.get_mut(index) {
            assembly.version = version;
            assembly.first = link.packet.frame;
            assembly.beyond = 0;
            assembly.data.clear();
            assembly.add(data, link.packet.time);
        }
        if context.sink.wants_messages() {
            layers::text(&mut fields, "s7comm-plus.fragment", "first");
            head_fields(&mut fields, &head);
            send(context.sink, link, direction, fields, Answer::default(), violations);
        }
        0
    }

    /// A fragment of a message that began before.
    fn continued(&mut self, context: &mut Context<'_>, link: &Link, unit: Unit<'_>) -> usize {
        let Some(assembly) = self.assembly.get_mut(unit.direction.index()) else { return 0 };
        assembly.add(unit.data, link.packet.time);
        if !unit.trailer {
            if context.sink.wants_messages() {
                let mut fields = unit.fields;
                layers::text(&mut fields, "s7comm-plus.fragment", "inner");
                send(context.sink, link, unit.direction, fields, Answer::default(), unit.violations);
            }
            return 0;
        }
        let mut assembly = std::mem::take(assembly);
        let data = std::mem::take(&mut assembly.data);
        let mut unit = Unit { data: &data, ..unit };
        if context.sink.wants_messages() {
            layers::number(&mut unit.fields, "s7comm-plus.fragment.count", assembly.fragments);
            count(&mut unit.fields, "s7comm-plus.reassembled.length", data.len() + assembly.beyond);
        }
        let direction = unit.direction;
        let unknown = self.message(context, link, unit, Fragment::Last, assembly.first) + assembly.beyond;
        if data.capacity() <= KEPT
            && let Some(assembly) = self.assembly.get_mut(direction.index())
        {
            assembly.data = data;
        }
        unknown
    }

    /// What was put together so far is all there will be.
    fn flush(&mut self, context: &mut Context<'_>, direction: Direction) {
        let (Some(link), Some(assembly)) = (self.link, self.assembly.get_mut(direction.index())) else { return };
        if assembly.fragments == 0 {
            return;
        }
        let assembly = std::mem::take(assembly);
        self.found.clear();
        let walk = body::message(assembly.version, &assembly.data, &mut self.found);
        if !opcode::is_known(walk.head.opcode) {
            return;
        }
        // Told without a message: each of its units had one.
        _ = self.meant(context, &link, direction, walk.head, &assembly.data, Vec::new());
    }

    /// A fragment whose beginning was not seen.
    fn orphan(&mut self, context: &mut Context<'_>, link: &Link, unit: Unit<'_>, fragment: Fragment) -> usize {
        if context.sink.wants_messages() {
            let mut fields = unit.fields;
            layers::text(&mut fields, "s7comm-plus.fragment", fragment_name(fragment));
            count(&mut fields, "s7comm-plus.unknown_bytes", unit.data.len());
            send(context.sink, link, unit.direction, fields, Answer::default(), unit.violations);
        }
        unit.data.len()
    }

    /// A piece of a stream: length and bytes; the last has a trailer.
    fn stream_piece(&mut self, context: &mut Context<'_>, link: &Link, unit: Unit<'_>) -> usize {
        let Some(stream) = &mut self.stream else { return unit.data.len() };
        let (length, unknown) = stream.piece(unit.data, unit.trailer);
        let sequence = stream.sequence;
        let began = |open: &&mut Open| open.direction == unit.direction && open.head.sequence == sequence;
        if let Some(open) = self.open.iter_mut().find(began) {
            open.last = link.packet.time;
        }
        if context.sink.wants_messages() {
            let mut fields = unit.fields;
            layers::text(&mut fields, "s7comm-plus.fragment", if unit.trailer { "last" } else { "inner" });
            count(&mut fields, "s7comm-plus.streamdata.frag_data_len", length);
            count(&mut fields, "s7comm-plus.opaque_bytes", length);
            if unknown > 0 {
                count(&mut fields, "s7comm-plus.unknown_bytes", unknown);
            }
            send(context.sink, link, unit.direction, fields, Answer::default(), unit.violations);
        }
        if unit.trailer {
            self.end_stream(true);
        }
        unknown
    }

    /// The bytes that the present request writes.
    fn blob<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        match self.found.value.map(|value| value.first) {
            Some(Scalar::Bytes(span)) => span.of(data),
            _ => &[],
        }
    }

    /// The stream is over: what crossed goes to the request that began it.
    fn end_stream(&mut self, complete: bool) {
        let Some(stream) = self.stream.take() else { return };
        let began = |open: &&mut Open| open.direction == stream.direction && open.head.sequence == stream.sequence;
        if let Some(open) = self.open.iter_mut().find(began) {
            open.artifact = Some(stream.artifact(complete));
        }
    }

    fn system_event(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        data: &[u8],
        fields: Fields,
        mut violations: Vec<Violation>,
    ) -> usize {
        self.found.clear();
        let wanted = context.sink.wants_messages();
        self.found.fields = wanted.then_some(fields);
        let walk = body::system_event(data, &mut self.found);
        let unknown = data.len().saturating_sub(walk.understood);
        let returned = self.found.attribute(40_305).and_then(|value| value.first.integer());
        if let Some(mut fields) = self.found.fields.take() {
            finish_fields(&mut fields, &self.found, unknown);
            send(context.sink, link, direction, fields, Answer::default(), violations.clone());
        }
        if let Some(returned) = returned {
            let [.., high, low] = returned.to_be_bytes();
            let code = i16::from_be_bytes([high, low]);
            let told = Told {
                link,
                time: link.packet.time,
                frames: frames(direction == link.client_direction(), link.packet.frame),
                sender: direction,
                function: Function { code: u16::from(version::SYSTEM_EVENT), sub: None, name: "System event" },
                latency: None,
                name: None,
            };
            let part = Part::of(Operation::Session);
            told.part(context.sink, &part, outcome_of(code), &[], &mut violations, &mut None);
        }
        unknown
    }

    /// A whole message: walks over it, sends it, and goes on with what it means. Gives the bytes that stay unknown.
    fn message(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        unit: Unit<'_>,
        fragment: Fragment,
        first: FrameRef,
    ) -> usize {
        let Unit { direction, version, data, mut fields, mut violations, .. } = unit;
        self.found.clear();
        if context.sink.wants_messages() {
            if fragment != Fragment::Whole {
                layers::text(&mut fields, "s7comm-plus.fragment", fragment_name(fragment));
            }
            if first != FrameRef::default() {
                layers::number(&mut fields, "s7comm-plus.fragment.first_frame", first.number());
            }
            self.found.fields = Some(fields);
        }
        let walk = body::message(version, data, &mut self.found);
        let unknown = data.len().saturating_sub(walk.understood);
        if !opcode::is_known(walk.head.opcode) && violations.is_empty() {
            violations.push(bad(
                HEADER,
                "opcode 0x31, 0x32, 0x33 or 0x02",
                data.first().map_or_else(|| "nothing".to_owned(), |opcode| format!("0x{opcode:02X}")),
                "a message begins with its opcode",
            ));
        }
        let fields = self.found.fields.take();
        let answer = self.meant(context, link, direction, walk.head, data, violations.clone());
        if let Some(mut fields) = fields {
            finish_fields(&mut fields, &self.found, unknown);
            send(context.sink, link, direction, fields, answer, violations);
        }
        unknown
    }

    /// What a message means, told or kept until its response comes.
    fn meant(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        head: Head,
        data: &[u8],
        violations: Vec<Violation>,
    ) -> Answer {
        match head.opcode {
            opcode::REQUEST => self.request(context, link, direction, head, data, violations),
            opcode::RESPONSE | opcode::RESPONSE2 => self.response(context, link, direction, head, data, violations),
            opcode::NOTIFICATION => self.notification(context, link, direction, violations),
            _ => {
                self.broken_message(context, link, direction, violations);
                Answer::default()
            }
        }
    }

    fn broken_message(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        mut violations: Vec<Violation>,
    ) {
        let told = Told {
            link,
            time: link.packet.time,
            frames: frames(direction == link.client_direction(), link.packet.frame),
            sender: direction,
            function: Function { code: 0, sub: None, name: "unknown opcode" },
            latency: None,
            name: None,
        };
        told.part(context.sink, &Part::of(Operation::Unknown), Outcome::Pending, &[], &mut violations, &mut None);
    }

    fn request(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        head: Head,
        data: &[u8],
        violations: Vec<Violation>,
    ) -> Answer {
        let (mut parts, mut numbers) = self.spare.pop().unwrap_or_default();
        meaning::request(&head, &self.found, &self.made, &mut parts);
        if parts.iter().any(|part| part.written.length > 0) {
            numbers.extend_from_slice(&self.found.numbers);
        }
        let operation = parts.first().map(|part| part.operation);
        let creates = head.function == function::CREATE_OBJECT;
        let subscribes = creates || head.function == function::SET_MULTI_VARIABLES;
        let artifact = match head.function {
            function::SET_VAR_SUBSTREAMED if !self.blob(data).is_empty() => {
                Some(Stream::begin(direction, head.sequence, self.blob(data)).artifact(true))
            }
            function::CREATE_OBJECT => self.block(0, data),
            _ => None,
        };
        let asked = self.found.object.map(|object| (object, self.found.ids.first().copied().unwrap_or_default()));
        let open = Open {
            direction,
            head,
            packet: link.packet,
            parts,
            numbers,
            name: if creates { self.name(data) } else { None },
            classes: if creates { self.found.objects.iter().map(|object| object.class).collect() } else { Vec::new() },
            addresses: if subscribes && (creates || asked.is_some_and(|(object, _)| object != 0)) {
                self.found.addresses.iter().take(MOST_SUBSCRIBED).copied().collect()
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
            self.give_up(object);
        }
        if flags(data) & NO_RESPONSE != 0 {
            self.unanswered(context, open, Outcome::Pending);
        } else {
            if self.open.len() >= MOST_OPEN {
                let oldest = self.open.remove(0);
                context.sink.evicted(REQUESTS_EVICTED);
                self.unanswered(context, oldest, Outcome::Pending);
            }
            self.open.push(open);
        }
        Answer { operation, ..Answer::default() }
    }

    /// The name that a request gives to the first object it makes.
    fn name(&self, data: &[u8]) -> Option<Box<str>> {
        let first = |attribute: &&Attribute| attribute.id == id::OBJECT_NAME && attribute.object == Some(0);
        let value = self.found.attributes.iter().find(first)?;
        let Scalar::Text(span) = value.value.first else { return None };
        let name = names::clean(span.of(data));
        // Of what a session makes, the name has a number that changes.
        let lasting = self.found.objects.first().is_some_and(|object| names::block_class(object.class).is_some());
        (lasting && !name.is_empty()).then(|| name.into_boxed_str())
    }

    /// The program block that an object is, as evidence of its version.
    fn block(&self, index: usize, data: &[u8]) -> Option<Box<Artifact>> {
        let object = self.found.objects.get(index)?;
        let (kind, number) = meaning::block(index, &self.found)?;
        let mut attributes = Vec::new();
        if let Some(class) = names::id(object.class) {
            attributes.push(("class", class.to_owned()));
        }
        for attribute in self.found.attributes.iter().filter(|attribute| attribute.object == Some(index)) {
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

    fn give_up(&mut self, object: u32) {
        if self.found.given_up.is_empty() {
            return;
        }
        if let Some(subscription) = self.subscriptions.iter_mut().find(|subscription| subscription.object == object) {
            subscription.addresses.retain(|address| !self.found.given_up.contains(&address.reference));
        }
    }

    fn response(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        head: Head,
        data: &[u8],
        mut violations: Vec<Violation>,
    ) -> Answer {
        let code = self.found.returned.map(names::error_code);
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
            self.identify(context.sink, link, identity::server(&head, None, &self.found, data));
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
        if outcome == Outcome::Ok && self.stream.as_ref().is_some_and(|stream| stream.sequence == head.sequence) {
            self.end_stream(false);
        }
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
            let error = self.found.errors.iter().find(|(item, _)| *item == part.item && part.item != 0);
            let outcome = match error {
                Some((_, returned)) => outcome_of(names::error_code(*returned)),
                None => outcome,
            };
            let value = if part.item == 0 { self.found.value } else { self.found.item(part.item).copied() };
            let numbers = match value {
                _ if part.written.length > 0 => part.written.of(&open.numbers),
                Some(value) if outcome == Outcome::Ok => numbers_of(&value, &self.found),
                _ => &[],
            };
            told.part(context.sink, part, outcome, numbers, &mut violations, &mut open.artifact);
            if outcome == Outcome::Ok
                && let Some(value) = value
                && let Some(state) = identity::run_state(part, &value, &self.found)
            {
                self.identify(context.sink, link, [state]);
            }
        }
        if outcome == Outcome::Ok && head.function == function::EXPLORE {
            self.explored(context, &told, data);
        }
        if outcome == Outcome::Ok {
            self.accepted(&open);
            self.identify(context.sink, link, identity::server(&head, open.asked, &self.found, data));
            if head.function == function::INIT_SSL {
                self.identify(context.sink, link, [("encryption", "tls".to_owned(), "S7comm-plus InitSsl")]);
            }
        }
        self.give_up_buffers(open);
        answer
    }

    /// Program blocks in the answer to an exploration: each is read, with its code where that is there.
    fn explored(&self, context: &mut Context<'_>, told: &Told<'_>, data: &[u8]) {
        for index in 0..self.found.objects.len() {
            let Some((kind, number)) = meaning::block(index, &self.found) else { continue };
            let code = |attribute: &Attribute| attribute.object == Some(index) && attribute.id == id::CODE;
            let mut artifact = if self.found.attributes.iter().any(code) { self.block(index, data) } else { None };
            let part = Part {
                space: Space::Block,
                number: Some(number),
                label: Label::Block(kind, number),
                ..Part::of(Operation::ProgramRead)
            };
            told.part(context.sink, &part, Outcome::Ok, &[], &mut Vec::new(), &mut artifact);
        }
    }

    /// Remembers what the server made.
    fn accepted(&mut self, open: &Open) {
        match open.head.function {
            function::CREATE_OBJECT => {
                for (&made, &class) in self.found.ids.iter().zip(&open.classes) {
                    if self.made.0.len() >= MOST_MADE {
                        self.made.0.pop_front();
                    }
                    self.made.0.push_back((made, class));
                }
                let subscription = open.classes.iter().position(|class| *class == id::CLASS_SUBSCRIPTION);
                if let Some(&object) = subscription.and_then(|place| self.found.ids.get(place))
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
    fn notification(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        mut violations: Vec<Violation>,
    ) -> Answer {
        let object = self.found.object.unwrap_or_default();
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
            for item in &self.found.items {
                let address = known.addresses.iter().find(|address| address.reference == item.number);
                if let Some(address) = address {
                    parts.push(meaning::address(address, None, item.number, &self.made));
                }
            }
        }
        if parts.is_empty() {
            let tis = self.made.class(object) == Some(id::CLASS_TIS_SUBSCRIPTION);
            let (operation, class) = match self.found.objects.first() {
                Some(object) => (Operation::Read, object.class),
                None if tis => (Operation::Diagnose, id::CLASS_TIS_SUBSCRIPTION),
                None if self.found.items.is_empty() => (Operation::Session, id::CLASS_SUBSCRIPTION),
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
            let value = self.found.items.iter().find(|item| item.number == part.item && part.item != 0);
            let numbers = value.map_or(&[][..], |item| numbers_of(&item.value, &self.found));
            told.part(context.sink, part, Outcome::Ok, numbers, &mut violations, &mut None);
            if let Some(item) = value
                && let Some(state) = identity::run_state(part, &item.value, &self.found)
            {
                self.identify(context.sink, link, [state]);
            }
        }
        self.parts = parts;
        Answer { operation, ..Answer::default() }
    }

    /// A request that has no answer, or wants none.
    fn unanswered(&mut self, context: &mut Context<'_>, mut open: Open, outcome: Outcome) {
        let Some(link) = self.link else { return };
        if self.stream.as_ref().is_some_and(|stream| stream.sequence == open.head.sequence) {
            let stream = self.stream.take();
            open.artifact = stream.map(|stream| stream.artifact(false));
        }
        let visible = context.seen.get(open.direction.reversed().index()).copied().unwrap_or_default();
        let outcome = if visible && !open.blind { outcome } else { Outcome::Pending };
        let told = Told {
            link: &link,
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

impl Assembly {
    fn add(&mut self, data: &[u8], time: Timestamp) {
        let room = MOST_MESSAGE.saturating_sub(self.data.len());
        let kept = data.get(..room.min(data.len())).unwrap_or_default();
        self.data.extend_from_slice(kept);
        self.beyond += data.len() - kept.len();
        self.fragments = self.fragments.saturating_add(1);
        self.last = time;
    }
}

/// What a message adds to the line of `decode`.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    operation: Option<Operation>,
    outcome: Option<Outcome>,
    latency: Option<Nanos>,
    request: Option<FrameRef>,
}

fn send(
    sink: &mut dyn Sink,
    link: &Link,
    direction: Direction,
    fields: Fields,
    answer: Answer,
    violations: Vec<Violation>,
) {
    let (source, destination) = link.path(direction);
    sink.message(Message {
        frame: link.packet.frame,
        time: link.packet.time,
        protocol: ID,
        source,
        destination,
        operation: answer.operation,
        outcome: answer.outcome,
        latency: answer.latency,
        request: answer.request,
        fields,
        violations,
    });
}

/// Opcode, function and sequence number of a message whose rest follows in other units.
fn head_fields(fields: &mut Fields, head: &Head) {
    layers::number(fields, "s7comm-plus.data.opcode", head.opcode);
    layers::text(fields, "s7comm-plus.data.opcode.name", opcode::name(head.opcode));
    if head.opcode != opcode::NOTIFICATION {
        layers::number(fields, "s7comm-plus.data.function", head.function);
        layers::text(fields, "s7comm-plus.data.function.name", function::name(head.function));
        layers::number(fields, "s7comm-plus.data.seqnum", head.sequence);
    }
}

fn finish_fields(fields: &mut Fields, found: &Found, unknown: usize) {
    if found.opaque > 0 {
        count(fields, "s7comm-plus.opaque_bytes", found.opaque);
    }
    if unknown > 0 {
        count(fields, "s7comm-plus.unknown_bytes", unknown);
    }
    if found.omitted > 0 {
        layers::number(fields, "s7comm-plus.omitted_fields", found.omitted);
    }
}

fn count(fields: &mut Fields, name: &'static str, number: usize) {
    layers::number(fields, name, u64::try_from(number).unwrap_or(u64::MAX));
}

fn fragment_name(fragment: Fragment) -> &'static str {
    match fragment {
        Fragment::Whole => "whole",
        Fragment::First => "first",
        Fragment::Inner => "inner",
        Fragment::Last => "last",
    }
}

/// Whether data look like the middle of a message: no opcode at the front.
fn is_middle(data: &[u8]) -> bool {
    !data.first().is_some_and(|opcode| opcode::is_known(*opcode))
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

fn outcome_of(code: i16) -> Outcome {
    if code < 0 { Outcome::Rejected(u16::from_be_bytes(code.to_be_bytes()), names::error(code)) } else { Outcome::Ok }
}

fn frames(request: bool, frame: FrameRef) -> [FrameRef; 2] {
    if request { [frame, FrameRef::default()] } else { [FrameRef::default(), frame] }
}

fn bad(
    offset: usize,
    needed: impl Into<std::borrow::Cow<'static, str>>,
    found: impl Into<std::borrow::Cow<'static, str>>,
    reason: &'static str,
) -> Violation {
    violation(rule::BAD_HEADER, "s7comm-plus", offset, needed, found, reason)
}
