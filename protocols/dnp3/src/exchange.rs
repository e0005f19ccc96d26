//! Requests and responses: which belong together, what became of each request, and what is remembered of outstations.

use crate::application::{Fragment, Header as ObjectHeader};
use crate::function::{self, code};
use crate::identity;
use crate::link;
use crate::objects::{Authentication, File, Layout};
use crate::outstation::{Files, Outstations};
use crate::select::Selects;
use crate::session::{Roles, Summary, Told};
use crate::tell::{self, Exchange, Part};
use crate::values::Buffers;
use crate::{faults::layer, faults::rule};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Context, Direction, Finish, FrameRef, Function, Identity, Nanos, Operation, Outcome, PacketInfo, Sink, Timestamp,
    ValueView, Violation,
};
use smallvec::SmallVec;

/// A request without an answer for this long counts as unanswered.
const TIMEOUT: Nanos = 5 * SECOND;
/// For this long after that, an answer is late and not out of place.
const LATE: Nanos = 60 * SECOND;
/// Requests open at once.
const MOST_OPEN: usize = 64;
/// Link addresses from here on reach every outstation, and none answers (clause 9.2.4.1.4).
const BROADCAST: u16 = 0xFFFD;

/// A request that waits for its answer.
#[derive(Debug)]
struct Open {
    direction: Direction,
    header: link::Header,
    /// Both link addresses, packed.
    sub: u32,
    /// Application function; for a link function its octet of control.
    function: u8,
    /// Whether it is a link function alone.
    link: bool,
    /// Sequence number of the next response fragment.
    due: u8,
    /// The request's fragment.
    bytes: SmallVec<[u8; 64]>,
    packet: PacketInfo,
    violations: Vec<Violation>,
    /// Name of the file that it is about.
    name: Option<Box<str>>,
    /// Told already as unanswered.
    told: bool,
    /// Bytes were lost after it: a missing answer says nothing.
    blind: bool,
    /// The outstation wants the master to prove who it is first (clause 7.5.1).
    challenged: bool,
}

/// Everything between master and outstations of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    open: SmallVec<[Open; 2]>,
    selects: Selects,
    outstations: Outstations,
    files: Files,
    buffers: Buffers,
}

fn pack(addresses: (u16, u16)) -> u32 {
    u32::from(addresses.0) << 16 | u32::from(addresses.1)
}

impl Exchanges {
    /// Bytes were lost: a missing answer or a missing select says nothing.
    pub(crate) fn blind(&mut self, now: Timestamp) {
        for open in &mut self.open {
            open.blind = true;
        }
        self.selects.blind(now);
    }

    /// The capture began in the middle.
    pub(crate) fn midstream(&mut self, now: Timestamp) {
        self.selects.blind(now);
    }

    /// Whether a request is open.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn exchange<'a>(roles: Roles, told: &'a mut Told<'_>, request: bool) -> Exchange<'a> {
        let (client, server) = roles.ends(told.direction, told.header);
        let frame = told.packet.frame;
        Exchange {
            session: roles.start.session,
            client,
            server,
            sub: pack(roles.addresses(told.direction, told.header)),
            time: told.packet.time,
            frames: if request { [frame, FrameRef::default()] } else { [FrameRef::default(), frame] },
            sender: told.direction,
            latency: None,
            violations: std::mem::take(&mut told.faults.list),
            told: 0,
            sink: told.sink,
        }
    }

    /// A frame that holds nothing that could be used.
    pub(crate) fn broken(&mut self, roles: Roles, mut told: Told<'_>, function: Option<u8>) {
        self.tell_broken(roles, &mut told, function);
    }

    /// See [`Exchanges::broken`].
    pub(crate) fn tell_broken(&mut self, roles: Roles, told: &mut Told<'_>, function: Option<u8>) {
        let part = match function {
            Some(function) => Part::whole(function),
            None => link_part(told.header),
        };
        told.message(roles, Summary { operation: Some(part.operation), ..Summary::default() });
        let request = told.direction == roles.master;
        Self::exchange(roles, told, request).tell(&part, ValueView::None, Outcome::Pending);
    }

    /// A link frame without user data.
    pub(crate) fn link(&mut self, roles: Roles, mut told: Told<'_>) {
        let header = told.header;
        let addresses = roles.addresses(told.direction, header);
        if !header.is_primary() {
            return self.link_answer(roles, told, pack(addresses));
        }
        let part = link_part(header);
        told.message(roles, Summary { operation: Some(part.operation), ..Summary::default() });
        let answered = matches!(
            header.function(),
            link::function::RESET_LINK | link::function::TEST_LINK | link::function::REQUEST_STATUS
        );
        if !answered || header.destination >= BROADCAST {
            let request = told.direction == roles.master;
            return Self::exchange(roles, &mut told, request).tell(&part, ValueView::None, Outcome::Pending);
        }
        self.make_room(roles, told.sink, told.seen);
        self.open.push(Open {
            direction: told.direction,
            header,
            sub: pack(addresses),
            function: header.control,
            link: true,
            due: 0,
            bytes: SmallVec::new(),
            packet: told.packet,
            violations: Vec::new(),
            name: None,
            told: false,
            blind: false,
            challenged: false,
        });
    }

    fn link_answer(&mut self, roles: Roles, mut told: Told<'_>, sub: u32) {
        let header = told.header;
        let found = self.open.iter().position(|open| open.link && open.sub == sub && open.direction != told.direction);
        let outcome = match header.function() {
            link::function::ACK | link::function::LINK_STATUS => Outcome::Ok,
            code => {
                Outcome::Rejected(0x400 + u16::from(code), link::name(false, code).unwrap_or("Reserved link function"))
            }
        };
        let open = found.map(|at| self.open.remove(at));
        told.message(
            roles,
            Summary {
                operation: Some(Operation::Session),
                outcome: open.as_ref().map(|_| outcome),
                latency: open.as_ref().map(|open| told.packet.time.since(open.packet.time)),
                request: open.as_ref().map(|open| open.packet.frame),
            },
        );
        // The acknowledgement of user data is no operation of its own.
        if let Some(open) = open {
            self.conclude(roles, told.sink, &open, outcome, Some((told.packet, None)), Vec::new());
        }
    }

    /// A whole application fragment.
    pub(crate) fn fragment(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>, bytes: &[u8]) {
        if !function::is_response(fragment.function) {
            return self.request(roles, told, fragment, bytes);
        }
        if fragment.function == code::UNSOLICITED || function::about(fragment.function).is_none() {
            return self.unsolicited(roles, told, fragment);
        }
        self.response(roles, told, fragment);
    }

    fn request(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>, bytes: &[u8]) {
        let sub = pack(roles.addresses(told.direction, told.header));
        let code = fragment.function;
        let now = told.packet.time;
        match code {
            code::SELECT if self.selects.select(sub, now, fragment) => told.sink.evicted(crate::SELECTS_EVICTED),
            code::OPERATE if !self.selects.operate(sub, now, fragment) => told.faults.push(
                rule::OPERATE_WITHOUT_SELECT,
                layer::APPLICATION,
                1,
                "a select with the same objects in the 10 s before",
                "none",
                "an operate follows its select with the same objects (IEEE 1815-2012, clause 4.4.4)",
            ),
            _ => {}
        }
        let name = self.files.request(sub, fragment);
        if told.fields.is_some() {
            let operation = Some(request_operation(fragment, name.as_deref()));
            told.message(roles, Summary { operation, ..Summary::default() });
        }
        let silent = !function::is_answered(code)
            || told.header.destination >= BROADCAST
            || function::about(code).is_none()
            || told.direction != roles.master;
        if silent {
            let outcome = if code == code::CONFIRM { Outcome::Ok } else { Outcome::Pending };
            let outcome = authentication_outcome(fragment).unwrap_or(outcome);
            let mut exchange = Self::exchange(roles, told, true);
            exchange.request(fragment, None, outcome, name.as_deref(), &mut self.buffers);
            return;
        }
        self.make_room(roles, told.sink, told.seen);
        self.open.push(Open {
            direction: told.direction,
            header: told.header,
            sub,
            function: code,
            link: false,
            due: fragment.sequence(),
            bytes: SmallVec::from_slice(bytes),
            packet: told.packet,
            violations: told.violations(),
            name,
            told: false,
            blind: false,
            challenged: false,
        });
    }

    /// The oldest request is given up where there are too many.
    fn make_room(&mut self, roles: Roles, sink: &mut dyn Sink, seen: [bool; 2]) {
        if self.open.len() < MOST_OPEN {
            return;
        }
        let oldest = self.open.remove(0);
        if !oldest.told {
            if roles.saw_outstation(seen) {
                sink.evicted(crate::REQUESTS_EVICTED);
            }
            self.conclude(roles, sink, &oldest, Outcome::Pending, None, Vec::new());
        }
    }

    /// A response that nobody asked for.
    fn unsolicited(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>) {
        self.note_state(roles, told, fragment);
        told.message(roles, Summary { operation: Some(Operation::Read), ..Summary::default() });
        let mut exchange = Self::exchange(roles, told, false);
        let code = fragment.function;
        if !exchange.violations.is_empty() || !exchange.values(fragment, code, 0, &mut self.buffers) {
            let operation = if function::about(code).is_some() { Operation::Session } else { Operation::Unknown };
            exchange.tell(&Part { operation, ..Part::whole(code) }, ValueView::None, Outcome::Ok);
            exchange.values(fragment, code, 0, &mut self.buffers);
        }
    }

    fn response(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>) {
        let sub = pack(roles.addresses(told.direction, told.header));
        self.note_state(roles, told, fragment);
        let newest = |open: &Open| !open.link && open.sub == sub && open.due == fragment.sequence();
        let Some(at) = self.open.iter().rposition(newest) else { return self.unasked(roles, told, fragment) };
        let Some(open) = self.open.get_mut(at) else { return };
        let outcome = outcome(fragment, open.function);
        let latency = told.packet.time.since(open.packet.time);
        let (asked, packet) = (open.function, open.packet);
        let request = Fragment::read(&open.bytes);
        let named = request.as_ref().map_or(0, tell::named_spaces);
        // A challenge is no answer: that comes once the master has replied to it.
        let challenge = fragment.function == code::AUTHENTICATION_RESPONSE && asked != code::AUTHENTICATION_REQUEST;
        open.challenged |= challenge;
        let last = fragment.is_final() && !challenge;
        if !fragment.is_final() {
            open.due = (open.due + 1) & 0x0F;
        }
        if told.fields.is_some() {
            let operation =
                request.map_or(function::operation(asked), |request| request_operation(&request, open.name.as_deref()));
            told.message(
                roles,
                Summary {
                    operation: Some(operation),
                    outcome: Some(outcome),
                    latency: Some(latency),
                    request: Some(packet.frame),
                },
            );
        }
        let found = told.violations();
        let frames = [packet.frame, told.packet.frame];
        // What is wrong with a fragment is told with the request that it answers; before its last one, at once.
        let (early, late) = if last { (Vec::new(), found) } else { (found, Vec::new()) };
        let mut exchange = Self::exchange(roles, told, false);
        // The values are those that the master asked for.
        exchange.sender = if early.is_empty() { exchange.sender.reversed() } else { exchange.sender };
        exchange.violations = early;
        exchange.time = packet.time;
        exchange.frames = frames;
        exchange.latency = Some(latency);
        if challenge || !exchange.violations.is_empty() {
            let part = Part::whole(fragment.function);
            exchange.tell(&part, ValueView::None, authentication_outcome(fragment).unwrap_or(Outcome::Ok));
        }
        exchange.values(fragment, fragment.function, named, &mut self.buffers);
        self.files.response(sub, fragment, asked, told_name(self.open.get(at)));
        self.identify(roles, told, fragment);
        if !last {
            return;
        }
        if is_control(asked) && outcome != Outcome::Ok {
            self.selects.refused(sub);
        }
        let open = self.open.remove(at);
        // Each control has its own status.
        let outcome = if is_control(asked) { refusal(fragment).unwrap_or(Outcome::Ok) } else { outcome };
        self.conclude(roles, told.sink, &open, outcome, Some((told.packet, Some(fragment))), late);
        if asked == code::AUTHENTICATION_REQUEST {
            self.proved(roles, told, fragment, sub);
        }
    }

    /// What the outstation says to the proof of a master is its answer to the request that it challenged, too.
    fn proved(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>, sub: u32) {
        let refusal = authentication_outcome(fragment);
        if fragment.function == code::AUTHENTICATION_RESPONSE && refusal.is_none() {
            return;
        }
        let Some(at) = self.open.iter().rposition(|open| open.challenged && open.sub == sub) else { return };
        let open = self.open.remove(at);
        let outcome = refusal.unwrap_or_else(|| outcome(fragment, open.function));
        self.conclude(roles, told.sink, &open, outcome, Some((told.packet, Some(fragment))), Vec::new());
    }

    /// A response to which no open request belongs.
    fn unasked(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>) {
        let outcome = outcome(fragment, fragment.function);
        let operation = function::operation(fragment.function);
        told.message(roles, Summary { operation: Some(operation), outcome: Some(outcome), ..Summary::default() });
        self.identify(roles, told, fragment);
        let mut exchange = Self::exchange(roles, told, false);
        let code = fragment.function;
        if !exchange.violations.is_empty()
            || outcome != Outcome::Ok
            || !exchange.values(fragment, code, 0, &mut self.buffers)
        {
            let operation = if code == code::RESPONSE { Operation::Session } else { operation };
            exchange.tell(&Part { operation, ..Part::whole(code) }, ValueView::None, outcome);
            exchange.values(fragment, code, 0, &mut self.buffers);
        }
    }

    /// Internal indications and forced points, where they changed.
    fn note_state(&mut self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>) {
        // What comes from the master's side is no state of an outstation.
        if told.direction == roles.master {
            return;
        }
        let Some(iin) = fragment.indications else { return };
        let (_, device) = roles.ends(told.direction, told.header);
        let session = roles.start.session;
        let (time, frame) = (told.packet.time, told.packet.frame);
        let known = self.outstations.get(told.header.source, &mut |counter| told.sink.evicted(counter));
        if known.indications(iin) {
            told.sink.identity(Identity {
                session,
                device,
                property: "iin",
                value: identity::indications(iin),
                source: "DNP3 internal indications",
                time,
                frame,
            });
        }
        if let Some(value) = known.forced(fragment) {
            let source = "DNP3 flags of points";
            told.sink.identity(Identity { session, device, property: "forced-points", value, source, time, frame });
        }
    }

    /// Device attributes.
    fn identify(&self, roles: Roles, told: &mut Told<'_>, fragment: &Fragment<'_>) {
        for header in fragment.walk().filter(|header| header.group == 0) {
            let Some((property, source)) = identity::attribute(header.variation) else { continue };
            let Some(value) = header.points().next().and_then(|point| identity::attribute_value(point.data)) else {
                continue;
            };
            let (_, device) = roles.ends(told.direction, told.header);
            told.sink.identity(Identity {
                session: roles.start.session,
                device,
                property,
                value,
                source,
                time: told.packet.time,
                frame: told.packet.frame,
            });
        }
    }

    /// Tells what became of a request.
    fn conclude(
        &mut self,
        roles: Roles,
        sink: &mut dyn Sink,
        open: &Open,
        outcome: Outcome,
        answer: Option<(PacketInfo, Option<&Fragment<'_>>)>,
        found: Vec<Violation>,
    ) {
        let (client, server) = roles.ends(open.direction, open.header);
        let mut violations = open.violations.clone();
        // Told with the request's own outcome before: what is wrong with it is not told again.
        if open.told {
            violations.clear();
        }
        let sender =
            if violations.is_empty() && !found.is_empty() { open.direction.reversed() } else { open.direction };
        violations.extend(found);
        let mut exchange = Exchange {
            sink,
            session: roles.start.session,
            client,
            server,
            sub: open.sub,
            time: open.packet.time,
            frames: [open.packet.frame, answer.map_or(FrameRef::default(), |(packet, _)| packet.frame)],
            sender,
            latency: answer.map(|(packet, _)| packet.time.since(open.packet.time)),
            violations,
            told: 0,
        };
        if open.link {
            return exchange.tell(&link_part(open.header), ValueView::None, outcome);
        }
        let Ok(request) = Fragment::read(&open.bytes) else { return };
        let response = answer.and_then(|(_, response)| response);
        let name = open.name.as_deref();
        exchange.request(&request, response, outcome, name, &mut self.buffers);
    }

    /// Tells requests whose time is over, and forgets those for which not even a late answer is expected.
    pub(crate) fn expire(&mut self, roles: Roles, context: &mut Context<'_>) {
        let now = context.packet.time;
        let mut at = 0;
        while let Some(open) = self.open.get(at) {
            let age = now.since(open.packet.time);
            if age >= TIMEOUT && !open.told {
                let outcome = without_answer(open, context.seen);
                let mut open = self.open.remove(at);
                self.conclude(roles, context.sink, &open, outcome, None, Vec::new());
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

    /// The conversation is over.
    pub(crate) fn finish(&mut self, roles: Roles, context: &mut Context<'_>, why: Finish) {
        for open in std::mem::take(&mut self.open) {
            if open.told {
                continue;
            }
            let outcome = match why {
                Finish::Closed => without_answer(&open, context.seen),
                Finish::EndOfInput => Outcome::Pending,
            };
            self.conclude(roles, context.sink, &open, outcome, None, Vec::new());
        }
    }
}

fn told_name(open: Option<&Open>) -> Option<&str> {
    open.and_then(|open| open.name.as_deref())
}

fn without_answer(open: &Open, seen: [bool; 2]) -> Outcome {
    let visible = seen.get(open.direction.reversed().index()).copied().unwrap_or_default();
    if visible && !open.blind { Outcome::Unanswered } else { Outcome::Pending }
}

/// A link function as an operation: its code is told beyond those of the application.
fn link_part(header: link::Header) -> Part<'static> {
    if header.length == 0 {
        let function = Function { code: 0x1FF, sub: None, name: "Bytes outside of a frame" };
        return Part { operation: Operation::Unknown, function, ..Part::whole(code::CONFIRM) };
    }
    let code = u16::from(header.function()) | if header.is_primary() { 0x100 } else { 0x110 };
    let name = link::name(header.is_primary(), header.function()).unwrap_or("Reserved link function");
    let operation = if header.is_known_function() { Operation::Session } else { Operation::Unknown };
    Part { operation, function: Function { code, sub: None, name }, ..Part::whole(code::CONFIRM) }
}

/// The class of a request for `decode`: that of its first object.
fn request_operation(fragment: &Fragment<'_>, name: Option<&str>) -> Operation {
    let first = fragment.walk().next();
    match (name, first) {
        (Some(name), _) => tell::file_operation(fragment.function, name, None),
        (None, Some(header)) => Part::of(fragment.function, &header).operation,
        (None, None) => function::operation(fragment.function),
    }
}

/// Whether a response repeats the controls of a request of this function, each with its status.
fn is_control(function: u8) -> bool {
    matches!(function, code::SELECT | code::OPERATE | code::DIRECT_OPERATE)
}

/// A refusal by internal indications.
fn refusal(response: &Fragment<'_>) -> Option<Outcome> {
    let iin = response.indications.filter(|iin| iin & 0x0017 != 0)?;
    let refusals = [
        (0x0001, 0x10, "Function Not Supported"),
        (0x0002, 0x11, "Object Unknown"),
        (0x0004, 0x12, "Parameter Error"),
        (0x0010, 0x15, "Already Executing"),
    ];
    refusals.into_iter().find(|(bit, ..)| iin & bit != 0).map(|(_, code, name)| Outcome::Rejected(code, name))
}

/// What became of a request by its response.
fn outcome(response: &Fragment<'_>, asked: u8) -> Outcome {
    let status = || {
        let status = if is_control(asked) { tell::refused(response)? } else { return None };
        Some(Outcome::Rejected(0x100 + u16::from(status), function::control_status(status)))
    };
    refusal(response)
        .or_else(status)
        .or_else(|| authentication_outcome(response))
        .or_else(|| file_outcome(response))
        .unwrap_or(Outcome::Ok)
}

/// A refusal by an authentication error object.
fn authentication_outcome(fragment: &Fragment<'_>) -> Option<Outcome> {
    if fragment.objects.first() != Some(&120) {
        return None;
    }
    let wanted = Some(Layout::Authentication(Authentication::Error));
    let header = fragment.walk().find(|header| header.layout() == wanted)?;
    // Sequence number, user number, association id, error code.
    let error = header.points().next()?.data.get(8).copied()?;
    Some(Outcome::Rejected(0x300 + u16::from(error), function::authentication_error(error)))
}

/// A refusal by the status of a file.
fn file_outcome(fragment: &Fragment<'_>) -> Option<Outcome> {
    if fragment.objects.first() != Some(&70) {
        return None;
    }
    let status = |header: ObjectHeader<'_>| {
        let place = match header.layout() {
            // Handle, size, block size, request id; handle, block.
            Some(Layout::File(File::CommandStatus)) => 12,
            Some(Layout::File(File::TransportStatus)) => 8,
            _ => return None,
        };
        header.points().next()?.data.get(place).copied()
    };
    let status = fragment.walk().find_map(status).filter(|status| *status != 0)?;
    Some(Outcome::Rejected(0x200 + u16::from(status), function::file_status(status)))
}
