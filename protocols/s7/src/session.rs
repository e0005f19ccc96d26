//! A conversation: packets, who connects to whom, and which protocol the user data is.

use crate::comm::{self, Comm};
use crate::cotp::{self, Assembled, Assembler, Selector, Unit, UnitType};
use crate::layers;
use crate::link::{Link, rule, violation};
use crate::plus::{self, Plus};
use crate::probe::{self, Kind};
use crate::tpkt::{self, HEADER, Header, Place, Step};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Activity, Context, Direction, Fields, Finish, FrameRef, Function, Message, Nanos, Operation, Outcome, PacketInfo,
    Progress, Session, SessionStart, SubAddress, Target, Values, Violation,
};

/// A connection request without an answer for this long counts as unanswered.
const TIMEOUT: Nanos = 5 * SECOND;
/// Function codes of transport units, apart from those of S7comm: this plus the type on the wire.
pub(crate) const COTP_FUNCTION: u16 = 0x0100;

/// A connection request that waits for its answer.
#[derive(Debug)]
struct Connect {
    packet: PacketInfo,
    sender: Direction,
    name: Box<str>,
    violations: Vec<Violation>,
    /// Bytes were lost after it: a missing answer says nothing.
    blind: bool,
}

/// A conversation over TPKT and COTP.
#[derive(Debug)]
pub(crate) struct S7Session {
    start: SessionStart,
    kind: Kind,
    /// Whether user data confirmed the kind.
    confirmed: bool,
    client: Option<Direction>,
    server_sub: SubAddress,
    places: [Place; 2],
    assemblers: [Assembler; 2],
    connect: Option<Connect>,
    comm: Comm,
    plus: Option<Box<Plus>>,
}

impl S7Session {
    /// Begins.
    pub(crate) fn new(start: SessionStart, kind: Kind) -> Self {
        Self {
            client: start.client,
            start,
            kind,
            confirmed: false,
            server_sub: SubAddress::None,
            places: [Place::Here; 2],
            assemblers: Default::default(),
            connect: None,
            comm: Comm::default(),
            plus: None,
        }
    }

    fn link(&self, packet: PacketInfo) -> Link {
        Link {
            session: self.start.session,
            ends: self.start.ends,
            client: self.client,
            server_sub: self.server_sub,
            midstream: self.start.client.is_none(),
            packet,
        }
    }

    fn id(&self) -> &'static str {
        match self.kind {
            Kind::Comm => comm::ID,
            Kind::Plus => plus::ID,
        }
    }

    fn set_place(&mut self, direction: Direction, place: Place) {
        if let Some(known) = self.places.get_mut(direction.index()) {
            *known = place;
        }
    }

    /// One packet.
    fn packet(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8], wrong_length: bool) {
        let mut violations = Vec::new();
        let header = Header::read(bytes);
        if wrong_length && let Some(header) = header {
            violations.push(tpkt::violation(header, Some(bytes.len())));
        }
        let mut head = Fields::new();
        let wanted = context.sink.wants_messages();
        if wanted {
            context.sink.wire(bytes);
        }
        if wanted && let Some(header) = header {
            layers::header(&mut head, header);
        }
        let carried = bytes.get(HEADER..).unwrap_or_default();
        let unit = match Unit::read(carried) {
            Ok(unit) => unit,
            Err(fault) => {
                context.sink.decoded(bytes.len());
                violations.push(fault.violation(carried.len()));
                self.damaged(context, direction, head, violations);
                return;
            }
        };
        if wanted {
            layers::unit(&mut head, &unit);
        }
        match unit.kind {
            UnitType::DT => self.data_unit(context, direction, &unit, bytes.len(), head, violations),
            UnitType::CR => {
                context.sink.decoded(bytes.len());
                self.connect_request(context, direction, &unit, head, violations);
            }
            UnitType::CC => {
                context.sink.decoded(bytes.len());
                self.connect_confirm(context, direction, &unit, head, violations);
            }
            UnitType::DR | UnitType::DC | UnitType::ER => {
                context.sink.decoded(bytes.len());
                self.disconnect(context, direction, &unit, head, violations);
            }
            _ => {
                context.sink.decoded(bytes.len());
                self.message(context, direction, head, None, &violations);
            }
        }
    }

    fn data_unit(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        unit: &Unit<'_>,
        length: usize,
        mut head: Fields,
        violations: Vec<Violation>,
    ) {
        let last = unit.is_last();
        let Some(assembler) = self.assemblers.get_mut(direction.index()) else { return };
        match assembler.push(unit.data, last, context.packet.frame.number()) {
            Assembled::Part => {
                context.sink.decoded(length);
                self.message(context, direction, head, None, &violations);
            }
            Assembled::Headless => {
                context.sink.skipped(length, "s7-unit-without-beginning");
                self.message(context, direction, head, None, &violations);
            }
            Assembled::TooLong => {
                context.sink.skipped(length, "s7-unit-too-long");
                context.sink.evicted(crate::UNITS_EVICTED);
                self.message(context, direction, head, None, &violations);
            }
            Assembled::Whole(data) => {
                layers::joined(&mut head, context.sink.wants_messages(), assembler.frames(), data);
                self.unit_of_user_data(context, direction, data, length, head, violations);
            }
            Assembled::Joined => {
                let data = assembler.take();
                layers::joined(&mut head, context.sink.wants_messages(), assembler.frames(), &data);
                self.unit_of_user_data(context, direction, &data, length, head, violations);
                if let Some(assembler) = self.assemblers.get_mut(direction.index()) {
                    assembler.give_back(data);
                }
            }
        }
    }

    fn unit_of_user_data(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        data: &[u8],
        length: usize,
        head: Fields,
        violations: Vec<Violation>,
    ) {
        let plus = self.kind == Kind::Plus && self.confirmed;
        let from_client = match data {
            [] => {
                context.sink.decoded(length);
                return self.message(context, direction, head, None, &violations);
            }
            _ if plus => probe::plus_from_client(data),
            [comm::PROTOCOL_ID, ..] => {
                self.kind = Kind::Comm;
                self.confirmed = true;
                comm::from_client(data)
            }
            [0x72, 1..=3 | 0xFE | 0xFF, ..] | [0x14..=0x17, 3, 1..=4, ..] => {
                self.kind = Kind::Plus;
                self.confirmed = true;
                probe::plus_from_client(data)
            }
            [other, ..] => return self.other_data(context, direction, *other, length, head, violations),
        };
        if self.client.is_none() {
            self.client = from_client.map(|client| if client { direction } else { direction.reversed() });
        }
        let link = self.link(context.packet);
        if self.kind == Kind::Comm {
            context.sink.decoded(length);
            self.comm.pdu(context, &link, direction, data, head, violations);
        } else {
            if !violations.is_empty() {
                self.noteworthy(context, direction, violations);
            }
            let unknown = self.plus.get_or_insert_default().tsdu(context, &link, direction, data, head).min(length);
            context.sink.decoded(length - unknown);
            if unknown > 0 {
                context.sink.skipped(unknown, "s7comm-plus-unknown");
            }
        }
    }

    /// User data that is neither of the two protocols.
    fn other_data(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        first: u8,
        length: usize,
        head: Fields,
        mut violations: Vec<Violation>,
    ) {
        context.sink.skipped(length, "s7-other-user-data");
        // Before the first unit that shows the protocol this may be the end of one that began before the capture.
        if self.confirmed {
            violations.push(violation(
                rule::BAD_HEADER,
                "s7comm",
                0,
                "protocol id 0x32 (S7comm) or 0x72 (S7comm-plus)",
                format!("0x{first:02X}"),
                "user data of an S7 connection begins with the protocol id",
            ));
        }
        self.damaged(context, direction, head, violations);
    }

    fn connect_request(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        unit: &Unit<'_>,
        head: Fields,
        violations: Vec<Violation>,
    ) {
        if self.client.is_none() {
            self.client = Some(direction);
        }
        if let Some(before) = self.connect.take() {
            self.tell_connect(context, &before, Outcome::Pending, None, Vec::new());
        }
        // A new connection: what the old one left does not count.
        self.assemblers = Default::default();
        let [_, called] = unit.selectors();
        self.server_sub = rack_slot(called);
        self.message(context, direction, head, None, &violations);
        let name = format!("TSAP {}", layers::selector(called)).into_boxed_str();
        self.connect = Some(Connect { packet: context.packet, sender: direction, name, violations, blind: false });
    }

    fn connect_confirm(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        unit: &Unit<'_>,
        head: Fields,
        violations: Vec<Violation>,
    ) {
        if self.client.is_none() {
            self.client = Some(direction.reversed());
        }
        let [_, called] = unit.selectors();
        if !called.is_empty() {
            self.server_sub = rack_slot(called);
        }
        let connect = self.connect.take();
        self.message(context, direction, head, connect.as_ref().map(|open| (open, Outcome::Ok)), &violations);
        match connect {
            Some(open) => self.tell_connect(context, &open, Outcome::Ok, Some(context.packet), violations),
            None => {
                let name = format!("TSAP {}", layers::selector(called)).into_boxed_str();
                let frames = [FrameRef::default(), context.packet.frame];
                self.tell(context, direction, UnitType::CR, frames, Some(name), Outcome::Ok, violations);
            }
        }
    }

    /// The connection ends, or is refused.
    fn disconnect(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        unit: &Unit<'_>,
        head: Fields,
        violations: Vec<Violation>,
    ) {
        let refused = self.connect.take_if(|open| unit.kind != UnitType::DC && open.sender != direction);
        let reason = unit.header.get(if unit.kind == UnitType::DR { 6 } else { 4 }).copied().unwrap_or_default();
        let outcome = Outcome::Rejected(u16::from(reason), cotp::reason(unit.kind, reason));
        self.message(context, direction, head, refused.as_ref().map(|open| (open, outcome)), &violations);
        match refused {
            Some(open) => self.tell_connect(context, &open, outcome, Some(context.packet), violations),
            None => {
                let from_client = self.client == Some(direction);
                let frames = if from_client {
                    [context.packet.frame, FrameRef::default()]
                } else {
                    [FrameRef::default(), context.packet.frame]
                };
                self.tell(context, direction, unit.kind, frames, None, Outcome::Pending, violations);
            }
        }
    }

    fn tell_connect(
        &self,
        context: &mut Context<'_>,
        open: &Connect,
        outcome: Outcome,
        answer: Option<PacketInfo>,
        found: Vec<Violation>,
    ) {
        let (client, server) = self.link(context.packet).roles();
        let sender = if open.violations.is_empty() && !found.is_empty() { open.sender.reversed() } else { open.sender };
        let mut violations = open.violations.clone();
        violations.extend(found);
        context.sink.activity(
            None,
            Activity {
                session: self.start.session,
                slot: None,
                time: open.packet.time,
                frames: [open.packet.frame, answer.map_or(FrameRef::default(), |answer| answer.frame)],
                sender,
                client,
                server,
                protocol: self.id(),
                operation: Operation::Session,
                function: cotp_function(UnitType::CR),
                target: Target { name: Some(open.name.clone()), ..Target::default() },
                values: Values::None,
                masks: None,
                outcome,
                latency: answer.map(|answer| answer.time.since(open.packet.time)),
                violations,
                sign_in: None,
                artifact: None,
            },
        );
    }

    /// An activity of the transport layer that is no paired connection request.
    fn tell(
        &self,
        context: &mut Context<'_>,
        sender: Direction,
        kind: UnitType,
        frames: [FrameRef; 2],
        name: Option<Box<str>>,
        outcome: Outcome,
        violations: Vec<Violation>,
    ) {
        let (client, server) = self.link(context.packet).roles();
        context.sink.activity(
            None,
            Activity {
                session: self.start.session,
                slot: None,
                time: context.packet.time,
                frames,
                sender,
                client,
                server,
                protocol: self.id(),
                operation: Operation::Session,
                function: cotp_function(kind),
                target: Target { name, ..Target::default() },
                values: Values::None,
                masks: None,
                outcome,
                latency: None,
                violations,
                sign_in: None,
                artifact: None,
            },
        );
    }

    /// A packet that cannot be used.
    fn damaged(&self, context: &mut Context<'_>, direction: Direction, head: Fields, violations: Vec<Violation>) {
        self.message(context, direction, head, None, &violations);
        self.noteworthy(context, direction, violations);
    }

    /// An activity that tells violations alone.
    fn noteworthy(&self, context: &mut Context<'_>, direction: Direction, violations: Vec<Violation>) {
        if violations.is_empty() {
            return;
        }
        let frame = context.packet.frame;
        let from_client = direction == self.link(context.packet).client_direction();
        let (client, server) = self.link(context.packet).roles();
        context.sink.activity(
            None,
            Activity {
                session: self.start.session,
                slot: None,
                time: context.packet.time,
                frames: if from_client { [frame, FrameRef::default()] } else { [FrameRef::default(), frame] },
                sender: direction,
                client,
                server,
                protocol: self.id(),
                operation: Operation::Unknown,
                function: Function { code: COTP_FUNCTION, sub: None, name: "damaged packet" },
                target: Target::default(),
                values: Values::None,
                masks: None,
                outcome: Outcome::Pending,
                latency: None,
                violations,
                sign_in: None,
                artifact: None,
            },
        );
    }

    fn message(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
        fields: Fields,
        answered: Option<(&Connect, Outcome)>,
        violations: &[Violation],
    ) {
        if !context.sink.wants_messages() {
            return;
        }
        let (source, destination) = self.link(context.packet).path(direction);
        let session = fields.iter().any(|(name, _)| *name == "cotp.srcref");
        let message = Message {
            frame: context.packet.frame,
            time: context.packet.time,
            protocol: self.id(),
            source,
            destination,
            operation: session.then_some(Operation::Session),
            outcome: answered.map(|(_, outcome)| outcome),
            latency: answered.map(|(open, _)| context.packet.time.since(open.packet.time)),
            request: answered.map(|(open, _)| open.packet.frame),
            fields,
            violations: violations.to_vec(),
        };
        context.sink.message(message);
    }

    fn saw_server(&self, seen: [bool; 2]) -> bool {
        let client = self.client.unwrap_or(Direction::AtoB);
        seen.get(client.reversed().index()).copied().unwrap_or_default()
    }

    fn end_connect(&mut self, context: &mut Context<'_>, outcome: Outcome) {
        if let Some(open) = self.connect.take() {
            let known = self.saw_server(context.seen) && !open.blind;
            self.tell_connect(context, &open, if known { outcome } else { Outcome::Pending }, None, Vec::new());
        }
    }
}

impl Session for S7Session {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Progress {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress { consumed: at, need: 0 };
            }
            let place = self.places.get(direction.index()).copied().unwrap_or_default();
            let take = |length: usize| rest.get(..length.clamp(1, rest.len())).unwrap_or_default();
            match tpkt::step(rest, place) {
                Step::Need(need) => return Progress { consumed: at, need: need.max(rest.len() + 1) },
                Step::Skip(length) => {
                    let passed = take(length);
                    context.sink.skipped(passed.len(), "s7-resync");
                    self.set_place(direction, Place::Lost);
                    at += passed.len();
                }
                Step::Bad(length) => {
                    let passed = take(length);
                    context.sink.skipped(passed.len(), "s7-resync");
                    self.set_place(direction, Place::Lost);
                    at += passed.len();
                    let mut head = Fields::new();
                    if context.sink.wants_messages() {
                        layers::bytes(&mut head, "tpkt.continuation_data", passed);
                    }
                    let violation = match Header::read(passed) {
                        Some(header) => tpkt::violation(header, None),
                        None => tpkt::violation(
                            Header { version: passed.first().copied().unwrap_or(0), reserved: 0, length: 0 },
                            None,
                        ),
                    };
                    self.damaged(context, direction, head, vec![violation]);
                }
                step @ (Step::Packet(length) | Step::WrongLength(length)) => {
                    let packet = take(length);
                    self.set_place(direction, Place::Here);
                    at += packet.len();
                    self.packet(context, direction, packet, step == Step::WrongLength(length));
                }
            }
        }
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        let Progress { consumed, .. } = self.data(context, direction, bytes);
        let rest = bytes.len().saturating_sub(consumed);
        if rest > 0 {
            context.sink.skipped(rest, "s7-datagram-rest");
        }
        self.set_place(direction, Place::Here);
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, _bytes: u64) {
        self.set_place(direction, Place::Lost);
        if let Some(assembler) = self.assemblers.get_mut(direction.index()) {
            assembler.gap();
        }
        if let Some(open) = &mut self.connect {
            open.blind = true;
        }
        self.comm.gap(context, direction);
        if let Some(plus) = &mut self.plus {
            plus.gap(context, direction);
        }
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        if self.connect.as_ref().is_some_and(|open| context.packet.time.since(open.packet.time) >= TIMEOUT) {
            self.end_connect(context, Outcome::Unanswered);
        }
        let link = self.link(context.packet);
        self.comm.tick(context, &link);
        if let Some(plus) = &mut self.plus {
            plus.tick(context);
        }
    }

    fn wants_tick(&self) -> bool {
        self.connect.is_some() || self.comm.wants_tick() || self.plus.as_ref().is_some_and(|plus| plus.wants_tick())
    }

    fn finish(&mut self, context: &mut Context<'_>, why: Finish) {
        self.end_connect(context, if why == Finish::Closed { Outcome::Unanswered } else { Outcome::Pending });
        let link = self.link(context.packet);
        self.comm.finish(context, &link, why);
        if let Some(plus) = &mut self.plus {
            plus.finish(context, why);
        }
    }

    fn client(&self) -> Option<Direction> {
        self.client
    }
}

fn cotp_function(kind: UnitType) -> Function {
    Function { code: COTP_FUNCTION | u16::from(kind.0) << 4, sub: None, name: kind.name() }
}

fn rack_slot(called: &[u8]) -> SubAddress {
    match Selector::read(called) {
        Some(selector) if selector.is_s7() => SubAddress::RackSlot(selector.rack, selector.slot),
        _ => SubAddress::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_tells_rack_and_slot() {
        assert_eq!(rack_slot(&[1, 0x22]), SubAddress::RackSlot(1, 2));
        assert_eq!(rack_slot(b"SIMATIC-ROOT-ES"), SubAddress::None);
        assert_eq!(rack_slot(&[0, 1]), SubAddress::None);
    }
}
