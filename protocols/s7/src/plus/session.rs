//! The S7comm-plus side of a connection: fragments put together, responses brought to their requests.

use super::body::{self, Head};
use super::exchange::{Exchange, blob, outcome_of};
use super::found::Found;
use super::fragment::{Assembly, Fragment, Unit};
use super::line::{Answer, bad, count, finish_fields, frames, head_fields, identify, send};
use super::meaning::Part;
use super::names::function;
use super::stream::Stream;
use super::tell::Told;
use super::tls::Tls;
use super::wire::{DIGEST, HEADER, Header, PROTOCOL_ID, opcode, version};
use crate::layers;
use crate::link::Link;
use ot_protocol::time::SECOND;
use ot_protocol::{
    Context, Direction, Fields, Finish, FrameRef, Function, Nanos, Operation, Outcome, Reader, Timestamp, Violation,
};

/// A message whose next fragment does not come for this long is taken as it is.
const FRAGMENT_TIMEOUT: Nanos = 10 * SECOND;
/// Packet time that passes over more than this has jumped.
const JUMP: Nanos = 3600 * SECOND;
/// Room that is kept between messages of several fragments.
const KEPT: usize = 4 << 10;

/// The S7comm-plus side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Plus {
    link: Option<Link>,
    client: Option<Direction>,
    found: Found,
    assembly: [Assembly; 2],
    /// Stream of a request that comes in pieces of its own kind.
    stream: Option<Box<Stream>>,
    exchange: Exchange,
    tls: Option<Box<Tls>>,
    /// Whether the operation of that name was told.
    tls_told: bool,
    last: Option<Timestamp>,
    /// Whether the last unit of each direction ended a message: the next begins one.
    aligned: [bool; 2],
    /// Protocol version that the server speaks, as told.
    spoken: Option<u8>,
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
        // A record may go on with any byte; between two records a unit in the clear may come.
        let plain = matches!(tsdu, [PROTOCOL_ID, version::V1..=version::V3 | version::SYSTEM_EVENT.., ..]);
        let follows = self.tls.as_ref().is_some_and(|tls| !plain || tls.is_within(direction));
        if follows || Tls::begins(tsdu) {
            return self.encrypted(context, &link, direction, tsdu, head);
        }
        self.plain(context, &link, direction, tsdu, head)
    }

    /// Bytes of a direction are lost: what was begun is taken as it is.
    pub fn gap(&mut self, context: &mut Context<'_>, direction: Direction) {
        self.exchange.blind();
        if let Some(aligned) = self.aligned.get_mut(direction.index()) {
            *aligned = false;
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
        let stale = |stream: &Stream| self.exchange.is_late(stream.direction, stream.sequence, now);
        if self.stream.as_deref().is_some_and(stale) {
            self.end_stream(false);
        }
        if let Some(link) = &self.link {
            self.exchange.expire(context, link);
        }
    }

    /// Whether a request or a message is open.
    pub fn wants_tick(&self) -> bool {
        self.exchange.is_open() || self.assembly.iter().any(|assembly| assembly.fragments > 0)
    }

    /// The conversation is over.
    pub fn finish(&mut self, context: &mut Context<'_>, why: Finish) {
        self.flush(context, Direction::AtoB);
        self.flush(context, Direction::BtoA);
        self.end_stream(false);
        if let Some(link) = &self.link {
            self.exchange.finish(context, link, why);
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
            self.exchange.blind();
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
            identify(context.sink, link, [("encryption", "tls".to_owned(), "S7comm-plus TLS")]);
        }
        // That the client begins says nothing of the server: TLS is used once the server answers in it.
        if !self.tls_told && direction != link.client_direction() {
            self.tls_told = true;
            let told = Told {
                link,
                time: link.packet.time,
                frames: frames(false, link.packet.frame),
                sender: direction,
                function: Function { code: 0, sub: None, name: "TLS" },
                latency: None,
                name: None,
            };
            let part = Part::of(Operation::Session);
            told.part(context.sink, &part, Outcome::Ok, &[], &mut Vec::new(), &mut None);
        }
        identify(context.sink, link, told);
        unknown
    }

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
        let mut whole = false;
        let mut data = match reader.take(length) {
            Ok(data) => data,
            Err(short) => {
                violations.push(bad(
                    2,
                    format!("{length} bytes of data"),
                    format!("{}", short.found),
                    "the unit ends before its data",
                ));
                // A unit that is cut has no other to follow it.
                whole = true;
                let rest = reader.rest();
                _ = reader.take(rest.len());
                rest
            }
        };
        if header.version == version::SYSTEM_EVENT {
            let unknown = self.system_event(context, link, direction, data, fields, violations);
            return unknown + reader.remaining();
        }
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
        let aligned = self.aligned.get_mut(index).map(|aligned| std::mem::replace(aligned, unit.trailer));
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
            let known = aligned == Some(true)
                || unit.version == version::V1
                || Head::is_plausible(unit.data)
                || !unit.violations.is_empty();
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
            self.stream = Some(Box::new(Stream::begin(direction, head.sequence, blob(&self.found, data))));
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
            layers::text(&mut fields, "s7comm-plus.fragment", fragment.name());
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
        self.exchange.touch(unit.direction, sequence, link.packet.time);
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

    /// The stream is over: what crossed goes to the request that began it.
    fn end_stream(&mut self, complete: bool) {
        if let Some(stream) = self.stream.take() {
            self.exchange.carried(*stream, complete);
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
                layers::text(&mut fields, "s7comm-plus.fragment", fragment.name());
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
        let answers = walk.head.opcode == opcode::RESPONSE && version != version::V1;
        if answers && self.spoken != Some(version) {
            self.spoken = Some(version);
            let name = format!("S7comm-plus {}", version::name(version));
            identify(context.sink, link, [("protocol-version", name, "S7comm-plus header")]);
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
            opcode::REQUEST => self.exchange.request(&self.found, context, link, direction, head, data, violations),
            opcode::RESPONSE | opcode::RESPONSE2 => {
                // The answer comes although the end of the stream was not seen.
                if self.stream.as_ref().is_some_and(|stream| stream.sequence == head.sequence) {
                    self.end_stream(false);
                }
                self.exchange.response(&self.found, context, link, direction, head, data, violations)
            }
            opcode::NOTIFICATION => self.exchange.notification(&self.found, context, link, direction, violations),
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
}
