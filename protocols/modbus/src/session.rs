//! A conversation: who is the client, which response answers which request, what became of each request.

use crate::fields::{self, Link};
use crate::frame::{self, Header, MBAP, Place, Step};
use crate::function::{self, Space, code};
use crate::identity;
use crate::pdu::{self, Asked, Faults, Part, Response, rule};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Activity, ActivityKey, Context, Direction, Endpoint, Fields, Finish, FrameRef, Function, Identity, Message, Nanos,
    Operation, Outcome, PacketInfo, Progress, Session, SessionStart, Sink, SubAddress, Target, Timestamp, ValueView,
    Values, Violation,
};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Protocol id.
pub(crate) const ID: &str = "modbus";
/// Standard port.
pub(crate) const PORT: u16 = 502;

/// A request without an answer for this long counts as unanswered.
const TIMEOUT: Nanos = 5 * SECOND;
/// For this long after that, an answer is late and not out of place.
const LATE: Nanos = 60 * SECOND;
/// Packet time that passes over more than this has jumped.
const JUMP: Nanos = 3600 * SECOND;
/// Requests open at once.
const MOST_OPEN: usize = 64;
/// Answered requests kept, to know a second answer.
const MOST_ANSWERED: usize = 8;
/// Messages held until the client is known.
const MOST_HELD: usize = 16;
/// Evidence from which on the client is known.
const CLEAR: i32 = 3;

/// A request that waits for its answer.
#[derive(Debug)]
struct Open {
    transaction: Option<u16>,
    unit: u8,
    function: u8,
    sub: Option<u16>,
    parts: SmallVec<[Part; 2]>,
    masks: Option<(u16, u16)>,
    /// Its protocol data unit, where the answer is held against it or it holds values.
    pdu: SmallVec<[u8; 16]>,
    packet: PacketInfo,
    violations: Vec<Violation>,
    /// Told already as unanswered.
    told: bool,
    /// Bytes were lost after it: a missing answer says nothing.
    blind: bool,
}

impl Open {
    fn asked(&self) -> Asked<'_> {
        Asked { function: self.function, sub: self.sub, parts: &self.parts, masks: self.masks, pdu: &self.pdu }
    }

    /// Whether no answer can be expected: broadcast, force listen only mode, what is no request.
    fn is_silent(&self) -> bool {
        let broadcast = self.unit == 0
            && (self.transaction.is_none() || self.parts.first().is_some_and(|part| part.operation.writes_values()));
        broadcast
            || self.function & 0x80 != 0
            || (self.function == code::DIAGNOSTICS && self.sub == Some(function::SUB_LISTEN_ONLY))
    }

    /// Whether a response could be its answer by function and length.
    fn fits(&self, response: &[u8]) -> bool {
        let wire = response.first().copied().unwrap_or_default();
        if wire & 0x7F != self.function & 0x7F {
            return false;
        }
        let Some(part) = self.parts.first() else { return true };
        match wire {
            1 | 2 => response.len() == 2 + usize::from(part.count).div_ceil(8),
            3 | 4 | 23 => response.len() == 2 + 2 * usize::from(part.count),
            5 | 6 | 21 => response == self.pdu.as_slice(),
            15 | 16 | 22 => response.get(1..3) == Some(&part.start.to_be_bytes()[..]),
            _ => true,
        }
    }
}

/// A request whose answer came.
#[derive(Clone, Copy, Debug)]
struct Answered {
    transaction: u16,
    unit: u8,
    function: u8,
    range: Option<(u16, u16)>,
    packet: PacketInfo,
}

/// A message that waits until the client is known.
#[derive(Debug)]
struct Held {
    direction: Direction,
    packet: PacketInfo,
    bytes: Box<[u8]>,
    kind: Kind,
}

/// Why a message ends where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// MBAP header and what its length covers.
    Mbap,
    /// The beginning of a message whose header is out of specification.
    Header,
    /// RTU frame.
    Rtu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Undecided,
    Mbap,
    Rtu,
}

/// A message seen while the client is not known: evidence.
#[derive(Clone, Copy, Debug)]
struct Seen {
    direction: Direction,
    transaction: Option<u16>,
    unit: u8,
    function: u8,
}

/// A Modbus conversation.
#[derive(Debug)]
pub(crate) struct ModbusSession {
    start: SessionStart,
    framing: Framing,
    client: Option<Direction>,
    /// Evidence: positive where A asks.
    score: i32,
    evidence: VecDeque<Seen>,
    held: Vec<Held>,
    open: SmallVec<[Open; 2]>,
    answered: VecDeque<Answered>,
    /// For each direction, what is known of where the next message begins.
    places: [Place; 2],
    /// Until then, or until the first pair, a response may answer a request that was not seen.
    excused: Option<Timestamp>,
    /// Whether the session began in mid-stream.
    midstream: bool,
    /// Newest packet time.
    last: Option<Timestamp>,
}

impl ModbusSession {
    /// Begins.
    pub(crate) fn new(start: SessionStart) -> Self {
        let [a, b] = &start.ends;
        Self {
            framing: if start.datagram { Framing::Mbap } else { Framing::Undecided },
            client: start.client,
            score: i32::from(b.port == PORT) - i32::from(a.port == PORT),
            evidence: VecDeque::new(),
            held: Vec::new(),
            open: SmallVec::new(),
            answered: VecDeque::new(),
            places: [Place::Here; 2],
            excused: None,
            midstream: start.client.is_none(),
            last: None,
            start,
        }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        let place = self.places.get(direction.index()).copied().unwrap_or_default();
        if self.framing == Framing::Undecided {
            match frame::is_rtu(bytes) {
                Some(true) => self.framing = Framing::Rtu,
                Some(false) => self.framing = Framing::Mbap,
                None => return Step::Need(bytes.len().saturating_add(1).max(8)),
            }
        }
        match self.framing {
            Framing::Rtu => frame::rtu(bytes, place, self.client.map(|client| client == direction)),
            _ => frame::mbap(bytes, place),
        }
    }

    fn set_place(&mut self, direction: Direction, place: Place) {
        if let Some(known) = self.places.get_mut(direction.index()) {
            *known = place;
        }
    }

    /// Deals with as many messages as there are; gives bytes dealt with and bytes needed to go on.
    fn walk(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Progress {
        self.note_time(context);
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress { consumed: at, need: 0 };
            }
            let (length, kind, place) = match self.step(direction, rest) {
                Step::Need(need) => return Progress { consumed: at, need: need.max(rest.len() + 1) },
                Step::Skip(length) => {
                    let length = length.clamp(1, rest.len());
                    context.sink.skipped(length, "modbus-resync");
                    self.set_place(direction, Place::Lost);
                    at += length;
                    continue;
                }
                Step::Message(length) => (length, self.kind(), Place::Here),
                Step::BadChecksum(length) => (length, Kind::Rtu, Place::Lost),
                Step::BadHeader(length, next) if self.framing == Framing::Rtu => (length, Kind::Rtu, next),
                Step::BadHeader(length, next) => (length, Kind::Header, next),
            };
            let length = length.clamp(1, rest.len());
            let message = rest.get(..length).unwrap_or_default();
            self.set_place(direction, place);
            at += length;
            context.sink.decoded(length);
            self.message(context, direction, message, kind);
        }
    }

    fn kind(&self) -> Kind {
        if self.framing == Framing::Rtu { Kind::Rtu } else { Kind::Mbap }
    }

    /// A jump of packet time re-arms: what is open then is neither answered nor unanswered.
    fn note_time(&mut self, context: &mut Context<'_>) {
        let now = context.packet.time;
        if let Some(last) = self.last
            && (now.since(last) > JUMP || now.since(last) < -JUMP)
        {
            for open in &mut self.open {
                open.blind = true;
            }
            self.excused = Some(now.plus(TIMEOUT + LATE));
        }
        self.last = Some(now);
    }

    /// One message: tells it, or holds it while the client is not known.
    fn message(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8], kind: Kind) {
        if self.midstream && self.excused.is_none() {
            self.excused = Some(context.packet.time.plus(TIMEOUT + LATE));
            self.midstream = false;
        }
        if self.client.is_none() {
            self.weigh(direction, bytes, kind);
            if self.client.is_none() && self.held.len() < MOST_HELD {
                self.held.push(Held { direction, packet: context.packet, bytes: bytes.into(), kind });
                return;
            }
            self.decide(context);
        }
        self.tell(context.sink, context.seen, context.packet, direction, bytes, kind);
    }

    /// Adds what a message says about the roles.
    fn weigh(&mut self, direction: Direction, bytes: &[u8], kind: Kind) {
        let (transaction, unit, pdu) = match kind {
            Kind::Header => return,
            Kind::Mbap => {
                let Some(header) = Header::read(bytes) else { return };
                (Some(header.transaction), bytes.get(6), bytes.get(MBAP..))
            }
            Kind::Rtu => (None, bytes.first(), bytes.get(1..bytes.len().saturating_sub(2))),
        };
        let (Some(&unit), Some(pdu)) = (unit, pdu) else { return };
        let Some(&function) = pdu.first() else { return };
        let sign = if direction == Direction::AtoB { 1 } else { -1 };
        match pdu::shape(pdu) {
            (true, false) => self.score += 2 * sign,
            (false, true) => self.score -= 2 * sign,
            _ => {}
        }
        let function = function & 0x7F;
        let answers = |seen: &Seen| {
            seen.direction != direction
                && seen.transaction == transaction
                && seen.unit == unit
                && seen.function == function
        };
        if let Some(place) = self.evidence.iter().position(answers) {
            self.evidence.remove(place);
            self.score -= sign;
        } else {
            if self.evidence.len() >= 4 {
                self.evidence.pop_front();
            }
            self.evidence.push_back(Seen { direction, transaction, unit, function });
        }
        if self.score.abs() >= CLEAR {
            self.settle();
        }
    }

    /// Takes the evidence as it stands.
    fn settle(&mut self) {
        self.client = Some(if self.score < 0 { Direction::BtoA } else { Direction::AtoB });
        self.evidence = VecDeque::new();
    }

    /// Decides on the client if that is still open, and tells what was held.
    fn decide(&mut self, context: &mut Context<'_>) {
        if self.client.is_none() {
            self.settle();
        }
        for held in std::mem::take(&mut self.held) {
            self.tell(context.sink, context.seen, held.packet, held.direction, &held.bytes, held.kind);
        }
    }

    fn client_direction(&self) -> Direction {
        self.client.unwrap_or(Direction::AtoB)
    }

    /// Client and server, with the unit as the server's sub-address.
    fn roles(&self, unit: Option<u8>) -> (Endpoint, Endpoint) {
        let [a, b] = self.start.ends;
        let (client, mut server) = if self.client_direction() == Direction::AtoB { (a, b) } else { (b, a) };
        server.sub = unit.map_or(SubAddress::None, SubAddress::Unit);
        (client, server)
    }

    fn saw_server(&self, seen: [bool; 2]) -> bool {
        seen.get(self.client_direction().reversed().index()).copied().unwrap_or_default()
    }

    fn saw_client(&self, seen: [bool; 2]) -> bool {
        seen.get(self.client_direction().index()).copied().unwrap_or_default()
    }

    /// Decodes a message and tells what is to be told.
    fn tell(
        &mut self,
        sink: &mut dyn Sink,
        seen: [bool; 2],
        packet: PacketInfo,
        direction: Direction,
        bytes: &[u8],
        kind: Kind,
    ) {
        if kind == Kind::Mbap && self.usual(sink, packet, direction, bytes) {
            return;
        }
        sink.wire(bytes);
        let mut head = Head { kind, transaction: None, unit: None, header: None, crc: None };
        let body;
        let mut faults;
        match kind {
            Kind::Mbap | Kind::Header => {
                faults = Faults::new(MBAP);
                let Some(header) = Header::read(bytes) else { return };
                head.header = Some(header);
                head.transaction = Some(header.transaction);
                head.unit = bytes.get(6).copied();
                body = bytes.get(MBAP..).unwrap_or_default();
                check_header(header, bytes, kind, &mut faults);
                if header.length >= 32768 {
                    sink.too_long(u64::from(header.length) + 6);
                }
            }
            Kind::Rtu => {
                faults = Faults::new(1);
                head.unit = bytes.first().copied();
                let Some((rest, crc)) = bytes.split_last_chunk::<2>() else { return };
                body = rest.get(1..).unwrap_or_default();
                let crc = u16::from_be_bytes(*crc);
                let fits = frame::crc_fits(bytes);
                head.crc = Some((crc, fits));
                if !fits {
                    faults.header(
                        "mbrtu",
                        rest.len(),
                        format!("CRC {:04X}", frame::crc16(rest).swap_bytes()),
                        format!("{crc:04X}"),
                        "the checksum does not fit (Modbus over Serial Line V1.02, clause 2.5.1.2)",
                    );
                }
            }
        }
        let request = direction == self.client_direction();
        if body.is_empty() || kind == Kind::Header {
            self.broken(sink, packet, direction, &head, body, faults);
        } else if request {
            self.request(sink, seen, packet, direction, &head, body, faults);
        } else {
            self.response(sink, seen, packet, direction, &head, body, faults);
        }
    }

    /// The usual message, without detours: a read (functions 1 to 4) as the specification has it, or the answer to the
    /// one that is open, if it is known already. Whether it was one; if not, nothing was done.
    fn usual(&mut self, sink: &mut dyn Sink, packet: PacketInfo, direction: Direction, bytes: &[u8]) -> bool {
        let [high, low, 0, 0, 0, length @ 2..=254, unit, function @ 1..=4, rest @ ..] = bytes else { return false };
        if usize::from(*length) + 6 != bytes.len() || sink.wants_messages() {
            return false;
        }
        let transaction = u16::from_be_bytes([*high, *low]);
        let (unit, function) = (*unit, *function);
        let bits = function <= 2;
        if direction == self.client_direction() {
            let [start_high, start_low, count_high, count_low] = *rest else { return false };
            let start = u16::from_be_bytes([start_high, start_low]);
            let count = u16::from_be_bytes([count_high, count_low]);
            let most = if bits { 2000 } else { 125 };
            let fits = (1..=most).contains(&count) && u32::from(start) + u32::from(count) <= 65536;
            if !fits || self.open.len() >= MOST_OPEN {
                return false;
            }
            let part = Part {
                operation: Operation::Read,
                space: Space::of(function),
                number: None,
                start,
                count,
                written: (0, 0),
            };
            self.open.push(Open {
                transaction: Some(transaction),
                unit,
                function,
                sub: None,
                parts: SmallVec::from_buf_and_len([part; 2], 1),
                masks: None,
                pdu: SmallVec::new(),
                packet,
                violations: Vec::new(),
                told: false,
                blind: false,
            });
            return true;
        }
        let [open] = self.open.as_slice() else { return false };
        let [part] = open.parts.as_slice() else { return false };
        let same = open.transaction == Some(transaction) && open.unit == unit && open.function == function;
        if !same || open.told || !open.violations.is_empty() {
            return false;
        }
        let [announced, values @ ..] = rest else { return false };
        let wanted = if bits { usize::from(part.count).div_ceil(8) } else { 2 * usize::from(part.count) };
        if values.len() != wanted || usize::from(*announced) != wanted || wanted > 250 {
            return false;
        }
        let key = ActivityKey {
            sub: u32::from(unit),
            function: u16::from(function),
            subfunction: 0,
            outcome: ActivityKey::outcome(Outcome::Ok),
            operation: part.operation,
            space: part.space.number(),
            number: 0,
            start: u32::from(part.start),
            count: u32::from(part.count),
        };
        let values = if bits { ValueView::Bits(values, usize::from(part.count)) } else { ValueView::Words(values) };
        let asked = open.packet;
        let latency = packet.time.since(asked.time);
        if !sink.known(&key, asked.time, [asked.frame, packet.frame], latency, values) {
            return false;
        }
        let range = Some((part.start, part.count));
        self.open.clear();
        self.excused = None;
        self.remember(Answered { transaction, unit, function, range, packet: asked });
        true
    }

    /// Keeps an answered request, to know a second answer.
    fn remember(&mut self, answered: Answered) {
        if self.answered.len() >= MOST_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(answered);
    }

    /// A message without a body that can be used.
    fn broken(
        &mut self,
        sink: &mut dyn Sink,
        packet: PacketInfo,
        direction: Direction,
        head: &Head,
        body: &[u8],
        mut faults: Faults,
    ) {
        if faults.list.is_empty() {
            faults.pdu(rule::BAD_HEADER, 0, "a function code", "nothing", "a message has a function code");
        }
        let request = direction == self.client_direction();
        let function = match body.first() {
            Some(&function) => function::named(function, None),
            None => Function { code: 0, sub: None, name: "no function code" },
        };
        // What there is of the body was cut by us: its own faults do not count.
        let part = if request { pdu::request(body, &mut Faults::default()).parts.first().copied() } else { None };
        if sink.wants_messages() {
            let mut fields = Fields::new();
            head.fields(&mut fields);
            if request {
                fields::request(&mut fields, body);
            } else {
                fields::response(&mut fields, body.get(..1).unwrap_or_default(), Link::default());
            }
            let message = self.build(head, packet, direction, fields, &faults.list);
            sink.message(message);
        }
        let (client, server) = self.roles(head.unit);
        sink.activity(
            None,
            Activity {
                session: self.start.session,
                slot: None,
                time: packet.time,
                frames: frames(request, packet.frame),
                sender: direction,
                client,
                server,
                protocol: ID,
                operation: part.map_or(Operation::Unknown, |part| part.operation),
                function,
                target: part.map_or(Target::default(), |part| part.target()),
                values: Values::None,
                masks: None,
                outcome: Outcome::Pending,
                latency: None,
                violations: faults.list,
                sign_in: None,
                artifact: None,
            },
        );
    }

    fn build(
        &self,
        head: &Head,
        packet: PacketInfo,
        direction: Direction,
        fields: Fields,
        violations: &[Violation],
    ) -> Message {
        let (client, server) = self.roles(head.unit);
        let request = direction == self.client_direction();
        let (source, destination) = if request { (client, server) } else { (server, client) };
        Message {
            frame: packet.frame,
            time: packet.time,
            protocol: ID,
            source,
            destination,
            operation: None,
            outcome: None,
            latency: None,
            request: None,
            fields,
            violations: violations.to_vec(),
        }
    }

    fn request(
        &mut self,
        sink: &mut dyn Sink,
        seen: [bool; 2],
        packet: PacketInfo,
        direction: Direction,
        head: &Head,
        body: &[u8],
        mut faults: Faults,
    ) {
        let request = pdu::request(body, &mut faults);
        if sink.wants_messages() {
            let mut fields = Fields::new();
            head.fields(&mut fields);
            fields::request(&mut fields, body);
            let mut message = self.build(head, packet, direction, fields, &faults.list);
            message.operation = Some(function::operation(request.function, request.sub));
            sink.message(message);
        }
        if self.open.len() >= MOST_OPEN {
            let oldest = self.open.remove(0);
            if !oldest.told {
                if self.saw_server(seen) {
                    sink.evicted(crate::REQUESTS_EVICTED);
                }
                self.conclude(sink, &oldest, Outcome::Pending, None, Vec::new());
            }
        }
        let keep = pdu::keeps_bytes(request.function) && body.len() <= pdu::MAX_PDU;
        self.open.push(Open {
            transaction: head.transaction,
            unit: head.unit.unwrap_or_default(),
            function: request.function,
            sub: request.sub,
            parts: request.parts,
            masks: request.masks,
            pdu: if keep { SmallVec::from_slice(body) } else { SmallVec::new() },
            packet,
            violations: faults.list,
            told: false,
            blind: false,
        });
    }

    /// The open request that a response answers: of those with its transaction id the newest that fits. RTU frames have
    /// no transaction id and come in order: the oldest of the unit.
    fn find(&self, head: &Head, body: &[u8]) -> Option<usize> {
        let unit = head.unit.unwrap_or_default();
        if head.transaction.is_none() {
            let of_unit = |open: &Open| open.unit == unit && !open.told;
            return (self.open.iter().position(|open| of_unit(open) && open.fits(body)))
                .or_else(|| self.open.iter().position(of_unit))
                .or_else(|| self.open.iter().position(|open| open.unit == unit && open.fits(body)));
        }
        let same = |open: &Open| open.transaction == head.transaction;
        // The usual case: one is open, and this is its answer.
        if let [open] = self.open.as_slice() {
            return same(open).then_some(0);
        }
        (self.open.iter().rposition(|open| same(open) && open.unit == unit && open.fits(body)))
            .or_else(|| self.open.iter().rposition(|open| same(open) && open.unit == unit))
            .or_else(|| self.open.iter().rposition(same))
    }

    fn response(
        &mut self,
        sink: &mut dyn Sink,
        seen: [bool; 2],
        packet: PacketInfo,
        direction: Direction,
        head: &Head,
        body: &[u8],
        mut faults: Faults,
    ) {
        let Some(place) = self.find(head, body) else {
            self.unasked(sink, seen, packet, direction, head, body, faults);
            return;
        };
        let open = self.open.remove(place);
        self.excused = None;
        if Some(open.unit) != head.unit {
            let (layer, offset) = if head.kind == Kind::Rtu { ("mbrtu", 0) } else { ("mbap", 6) };
            faults.push(
                rule::RESPONSE_MISMATCH,
                layer,
                offset,
                format!("unit {}", open.unit).into(),
                format!("{}", head.unit.unwrap_or_default()).into(),
                "a response has the unit id of its request (Messaging on TCP/IP Implementation Guide V1.0b, clause 3.1.3)"
                    .into(),
            );
        }
        let response = pdu::response(body, Some(&open.asked()), &mut faults);
        let latency = packet.time.since(open.packet.time);
        let range = open.parts.first().map(|part| (part.start, part.count));
        let before =
            if response.function == open.function & 0x7F { None } else { self.before(head, response.function) };
        if let Some(transaction) = head.transaction {
            let function = open.function & 0x7F;
            self.remember(Answered { transaction, unit: open.unit, function, range, packet: open.packet });
        }
        if sink.wants_messages() {
            let same = open.function & 0x7F == response.function;
            let link = Link {
                request: Some((open.packet.frame, latency)),
                range: if same { range } else { before.and_then(|before| before.range) },
                sub: open.sub.filter(|_| same),
            };
            let mut fields = Fields::new();
            head.fields(&mut fields);
            fields::response(&mut fields, body, link);
            let mut message = self.build(head, packet, direction, fields, &faults.list);
            message.operation = Some(function::operation(open.function, open.sub));
            message.outcome = Some(response.outcome);
            message.latency = Some(latency);
            message.request = Some(open.packet.frame);
            sink.message(message);
        }
        let answer = Answer { response: &response, body, packet };
        self.conclude(sink, &open, response.outcome, Some(answer), faults.list);
        self.identify(sink, packet, head.unit, body, &response, open.sub);
    }

    /// The newest answered request with the transaction, unit and function of a response.
    fn before(&self, head: &Head, function: u8) -> Option<Answered> {
        let same = |answered: &&Answered| {
            Some(answered.transaction) == head.transaction
                && Some(answered.unit) == head.unit
                && answered.function == function
        };
        self.answered.iter().rev().find(same).copied()
    }

    /// A response to which no open request belongs.
    fn unasked(
        &mut self,
        sink: &mut dyn Sink,
        seen: [bool; 2],
        packet: PacketInfo,
        direction: Direction,
        head: &Head,
        body: &[u8],
        mut faults: Faults,
    ) {
        let unit = head.unit.unwrap_or_default();
        let function = body.first().copied().unwrap_or_default() & 0x7F;
        let before = self.before(head, function);
        let excused = self.excused.is_some_and(|until| packet.time <= until) || !self.saw_client(seen);
        let response = pdu::response(body, None, &mut faults);
        const CLAUSE: &str = "a server answers each request once (Modbus Application Protocol V1.1b3, clause 4.2)";
        if before.is_some() {
            faults.pdu(rule::RESPONSE_MISMATCH, 0, "one answer to a request", "another one", CLAUSE);
        } else if !excused {
            let transaction = head.transaction.map_or(String::new(), |id| format!(", transaction {id}"));
            let found = format!("function {function}, unit {unit}{transaction}");
            faults.pdu(rule::RESPONSE_MISMATCH, 0, "a request before it", found, CLAUSE);
        }
        let range = before.and_then(|before| before.range);
        if sink.wants_messages() {
            let request = before.map(|before| (before.packet.frame, packet.time.since(before.packet.time)));
            let mut fields = Fields::new();
            head.fields(&mut fields);
            fields::response(&mut fields, body, Link { request, range, sub: None });
            let mut message = self.build(head, packet, direction, fields, &faults.list);
            message.operation = Some(function::operation(function, response.sub));
            message.outcome = Some(response.outcome);
            sink.message(message);
        }
        // What it addresses is known from the request alone, or where a write's answer repeats it.
        let (start, count) = range.or(response.echo).unwrap_or_default();
        let part = Part {
            operation: function::operation(function, response.sub),
            space: Space::of(function),
            number: None,
            start,
            count,
            written: (0, 0),
        };
        let transaction = Transaction {
            unit,
            function,
            sub: response.sub,
            masks: None,
            time: packet.time,
            frames: [FrameRef::default(), packet.frame],
            sender: direction,
            outcome: response.outcome,
            latency: None,
        };
        self.part(sink, &transaction, &part, ValueView::None, faults.list);
        self.identify(sink, packet, head.unit, body, &response, response.sub);
    }

    fn identify(
        &self,
        sink: &mut dyn Sink,
        packet: PacketInfo,
        unit: Option<u8>,
        body: &[u8],
        response: &Response,
        sub: Option<u16>,
    ) {
        if response.outcome != Outcome::Ok
            || !matches!(response.function, code::REPORT_SERVER_ID | code::ENCAPSULATED_INTERFACE | code::UMAS)
        {
            return;
        }
        let (_, device) = self.roles(unit);
        for (property, value, source) in identity::identity(body, sub) {
            sink.identity(Identity {
                session: self.start.session,
                device,
                property,
                value,
                source,
                time: packet.time,
                frame: packet.frame,
            });
        }
    }

    /// Tells what became of a request: an activity for each of its parts.
    fn conclude(
        &self,
        sink: &mut dyn Sink,
        open: &Open,
        outcome: Outcome,
        answer: Option<Answer<'_>>,
        found: Vec<Violation>,
    ) {
        let mut violations = open.violations.clone();
        // Told with the request's own outcome before: what is wrong with it is not told again.
        if open.told {
            violations.clear();
        }
        let client = self.client_direction();
        let sender = if violations.is_empty() && !found.is_empty() { client.reversed() } else { client };
        violations.extend(found);
        let transaction = Transaction {
            unit: open.unit,
            function: open.function,
            sub: open.sub,
            masks: open.masks,
            time: open.packet.time,
            frames: [open.packet.frame, answer.map_or(FrameRef::default(), |answer| answer.packet.frame)],
            sender,
            outcome,
            latency: answer.map(|answer| answer.packet.time.since(open.packet.time)),
        };
        if open.parts.is_empty() {
            let part = Part {
                operation: function::operation(open.function, open.sub),
                space: Space::None,
                number: None,
                start: 0,
                count: 0,
                written: (0, 0),
            };
            // A function that names addresses, cut before them.
            self.part(sink, &transaction, &part, ValueView::None, violations);
            return;
        }
        for (index, part) in open.parts.iter().enumerate() {
            let values = if part.operation == Operation::Read {
                let place = answer.and_then(|answer| Some((*answer.response.values.get(index)?, answer.body)));
                place.map_or(ValueView::None, |(place, body)| read_values(part, place, body))
            } else {
                pdu::written(open.function, part, &open.pdu)
            };
            self.part(sink, &transaction, part, values, std::mem::take(&mut violations));
        }
    }

    fn part(
        &self,
        sink: &mut dyn Sink,
        transaction: &Transaction,
        part: &Part,
        values: ValueView<'_>,
        violations: Vec<Violation>,
    ) {
        let key = ActivityKey {
            sub: u32::from(transaction.unit),
            function: u16::from(transaction.function & 0x7F),
            subfunction: transaction.sub.map_or(0, |sub| sub.saturating_add(1)),
            outcome: ActivityKey::outcome(transaction.outcome),
            operation: part.operation,
            space: part.space.number(),
            // Masks are part of what is done: another mask is another activity.
            number: match transaction.masks {
                Some((and, or)) => u32::from(and) << 16 | u32::from(or),
                None => part.number.map_or(0, u32::from),
            },
            start: u32::from(part.start),
            count: u32::from(part.count),
        };
        let key = violations.is_empty().then_some(key);
        let latency = transaction.latency.unwrap_or_default();
        if let Some(key) = &key
            && sink.known(key, transaction.time, transaction.frames, latency, values)
        {
            return;
        }
        let (client, server) = self.roles(Some(transaction.unit));
        sink.activity(
            key,
            Activity {
                session: self.start.session,
                slot: None,
                time: transaction.time,
                frames: transaction.frames,
                sender: transaction.sender,
                client,
                server,
                protocol: ID,
                operation: part.operation,
                function: function::named(transaction.function, transaction.sub),
                target: part.target(),
                values: values.to_values(),
                masks: transaction.masks,
                outcome: transaction.outcome,
                latency: transaction.latency,
                violations,
                sign_in: None,
                artifact: None,
            },
        );
    }

    /// Tells requests whose time is over, and forgets those for which not even a late answer is expected.
    fn expire(&mut self, context: &mut Context<'_>) {
        let now = context.packet.time;
        let visible = self.saw_server(context.seen);
        let mut at = 0;
        while let Some(open) = self.open.get_mut(at) {
            let age = now.since(open.packet.time);
            if age >= TIMEOUT && !open.told {
                let outcome = outcome_without_answer(open, visible);
                open.told = true;
                // Borrowed apart: the entry stays where it is while it is told.
                let mut open = self.open.remove(at);
                open.told = false;
                self.conclude(context.sink, &open, outcome, None, Vec::new());
                open.told = true;
                self.open.insert(at, open);
            }
            if age >= TIMEOUT + LATE {
                self.open.remove(at);
            } else {
                at += 1;
            }
        }
    }
}

fn outcome_without_answer(open: &Open, visible: bool) -> Outcome {
    if visible && !open.blind && !open.is_silent() { Outcome::Unanswered } else { Outcome::Pending }
}

/// Values of a part in a response.
fn read_values<'a>(part: &Part, place: (u8, u8), body: &'a [u8]) -> ValueView<'a> {
    let (offset, length) = (usize::from(place.0), usize::from(place.1));
    let bytes = body.get(offset..offset + length).unwrap_or_default();
    if part.space.is_bits() { ValueView::Bits(bytes, usize::from(part.count)) } else { ValueView::Words(bytes) }
}

fn frames(request: bool, frame: FrameRef) -> [FrameRef; 2] {
    if request { [frame, FrameRef::default()] } else { [FrameRef::default(), frame] }
}

/// The answer to a request.
#[derive(Clone, Copy)]
struct Answer<'a> {
    response: &'a Response,
    body: &'a [u8],
    packet: PacketInfo,
}

/// What all activities of a transaction share.
struct Transaction {
    unit: u8,
    function: u8,
    sub: Option<u16>,
    masks: Option<(u16, u16)>,
    time: Timestamp,
    frames: [FrameRef; 2],
    sender: Direction,
    outcome: Outcome,
    latency: Option<Nanos>,
}

/// What stands before the protocol data unit.
struct Head {
    kind: Kind,
    transaction: Option<u16>,
    unit: Option<u8>,
    header: Option<Header>,
    crc: Option<(u16, bool)>,
}

impl Head {
    fn fields(&self, fields: &mut Fields) {
        match (self.kind, self.header, self.crc) {
            (Kind::Mbap | Kind::Header, Some(header), _) => fields::mbap(fields, header, self.unit),
            (Kind::Rtu, _, Some((crc, fits))) => fields::rtu(fields, self.unit.unwrap_or_default(), crc, fits),
            _ => {}
        }
    }
}

fn check_header(header: Header, bytes: &[u8], kind: Kind, faults: &mut Faults) {
    let length = bytes.len();
    const CLAUSE: &str = "the MBAP header (Messaging on TCP/IP Implementation Guide V1.0b, clause 3.1.3; length of at most \
                          254 by Modbus Application Protocol V1.1b3, clause 4.1)";
    if header.protocol != 0 {
        faults.header("mbap", 2, "protocol id 0", format!("{}", header.protocol), CLAUSE);
    }
    let umas = bytes.get(MBAP).is_some_and(|&function| header.is_long_umas(function));
    if !frame::LENGTHS.contains(&header.length) && !umas {
        faults.header("mbap", 4, "length of 2 to 254", format!("{}", header.length), CLAUSE);
    } else if kind == Kind::Mbap && header.total() != length {
        let needed = format!("length {}, as the function has", length.saturating_sub(6));
        faults.header("mbap", 4, needed, format!("{}", header.length), CLAUSE);
    }
}

impl Session for ModbusSession {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Progress {
        self.walk(context, direction, bytes)
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        self.set_place(direction, Place::Here);
        let Progress { consumed, .. } = self.walk(context, direction, bytes);
        let rest = bytes.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        // A datagram that ends within a message: its beginning is told.
        let told = Header::read(rest).is_some() && rest.len() >= 8;
        if told && self.places.get(direction.index()) != Some(&Place::Lost) {
            context.sink.decoded(rest.len());
            self.message(context, direction, rest, Kind::Mbap);
        } else {
            context.sink.skipped(rest.len(), "modbus-datagram-rest");
        }
        self.set_place(direction, Place::Here);
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, _bytes: u64) {
        self.note_time(context);
        self.set_place(direction, Place::Lost);
        for open in &mut self.open {
            open.blind = true;
        }
        // A request may be in the gap, or the answer to one.
        self.excused = Some(context.packet.time.plus(TIMEOUT + LATE));
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        self.note_time(context);
        if self.held.first().is_some_and(|held| context.packet.time.since(held.packet.time) >= TIMEOUT) {
            self.decide(context);
        }
        self.expire(context);
    }

    fn wants_tick(&self) -> bool {
        !self.open.is_empty() || !self.held.is_empty()
    }

    fn finish(&mut self, context: &mut Context<'_>, why: Finish) {
        self.note_time(context);
        self.decide(context);
        self.expire(context);
        let visible = self.saw_server(context.seen);
        for open in std::mem::take(&mut self.open) {
            if open.told {
                continue;
            }
            let outcome = match why {
                Finish::Closed => outcome_without_answer(&open, visible),
                Finish::EndOfInput => Outcome::Pending,
            };
            self.conclude(context.sink, &open, outcome, None, Vec::new());
        }
    }

    fn client(&self) -> Option<Direction> {
        self.client
    }
}
