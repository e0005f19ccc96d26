//! What all companions share: the item of the registry, the session around a dialogue, and how findings are told.

use ot_protocol::session::Finish;
use ot_protocol::{
    Activity, Context, Direction, Domain, Endpoint, FieldDoc, Fields, FrameRef, Function, Identity, Message, NameUse,
    Operation, Outcome, Probe, Progress, Protocol, Session, SessionStart, SignIn, Target, Timestamp, Values,
};
use std::net::IpAddr;

/// A companion protocol.
#[derive(Clone, Copy, Debug)]
pub struct Companion {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) ports: &'static [u16],
    pub(crate) ethertypes: &'static [u16],
    pub(crate) probe: fn([&[u8]; 2], bool, bool) -> Probe,
    pub(crate) session: fn(SessionStart) -> Box<dyn Session>,
    pub(crate) fields: &'static [FieldDoc],
    pub(crate) rules: &'static [&'static str],
}

impl Protocol for Companion {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn domain(&self) -> Domain {
        Domain::It
    }

    fn ethertypes(&self) -> &'static [u16] {
        self.ethertypes
    }

    fn ports(&self) -> &'static [u16] {
        self.ports
    }

    fn probe(&self, bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
        (self.probe)(bytes, hint, datagram)
    }

    fn session(&self, start: SessionStart) -> Box<dyn Session> {
        (self.session)(start)
    }

    fn fields(&self) -> &'static [FieldDoc] {
        self.fields
    }

    fn rules(&self) -> &'static [&'static str] {
        self.rules
    }
}

/// How a dialogue goes on with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes were a message, or part of one that is told already.
    Decoded(usize),
    /// So many bytes are of no interest.
    Skipped(usize),
    /// So many bytes in all are needed, more than there are.
    Need(usize),
    /// All that is looked for was found.
    Done,
}

/// Why bytes of a companion are passed over: bodies, keys, what follows a sign-in.
pub(crate) const PAYLOAD: &str = "companion-payload";

/// What a protocol makes of the bytes of a conversation.
pub(crate) trait Dialogue: Send {
    /// Protocol id.
    const ID: &'static str;

    /// The next bytes of a direction, at least one.
    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        let _ = (told, direction, bytes);
        Step::Done
    }

    /// A datagram. Whether it was understood.
    fn datagram(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> bool {
        let _ = (told, direction, bytes);
        false
    }

    /// Bytes of a direction are lost. Whether it makes sense to go on.
    fn gap(&mut self, direction: Direction, bytes: u64) -> bool {
        let _ = (direction, bytes);
        false
    }

    /// A second has passed.
    fn tick(&mut self, told: &mut Told<'_, '_>) {
        let _ = told;
    }

    /// Whether a request waits for its answer.
    fn wants_tick(&self) -> bool {
        false
    }

    /// The conversation is over.
    fn finish(&mut self, told: &mut Told<'_, '_>) {
        let _ = told;
    }
}

/// The two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    start: SessionStart,
    pub client: Option<Direction>,
}

/// The session of a dialogue.
pub(crate) struct CompanionSession<D> {
    line: Line,
    dialogue: D,
    done: bool,
}

impl<D: Dialogue + Default + 'static> CompanionSession<D> {
    pub fn boxed(start: SessionStart) -> Box<dyn Session> {
        Box::new(Self { line: Line { start, client: start.client }, dialogue: D::default(), done: false })
    }
}

impl<D: Dialogue> CompanionSession<D> {
    fn told<'a, 'b>(line: &'a mut Line, context: &'a mut Context<'b>) -> Told<'a, 'b> {
        Told { line, context, protocol: D::ID }
    }
}

impl<D: Dialogue> Session for CompanionSession<D> {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let step = if self.done {
                Step::Done
            } else {
                self.dialogue.step(&mut Self::told(&mut self.line, context), direction, rest)
            };
            match step {
                Step::Decoded(count) => {
                    let count = count.clamp(1, rest.len());
                    context.sink.decoded(count);
                    at += count;
                }
                Step::Skipped(count) => {
                    let count = count.clamp(1, rest.len());
                    context.sink.skipped(count, PAYLOAD);
                    at += count;
                }
                Step::Need(need) if need > rest.len() => return Progress { consumed: at, need },
                Step::Need(_) | Step::Done => {
                    self.done |= step == Step::Done;
                    context.sink.skipped(rest.len(), PAYLOAD);
                    at = bytes.len();
                }
            }
        }
        Progress { consumed: bytes.len(), need: 0 }
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.dialogue.datagram(&mut Self::told(&mut self.line, context), direction, bytes) {
            context.sink.decoded(bytes.len());
        } else {
            context.sink.skipped(bytes.len(), PAYLOAD);
        }
    }

    fn gap(&mut self, _: &mut Context<'_>, direction: Direction, bytes: u64) {
        self.done |= !self.dialogue.gap(direction, bytes);
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        self.dialogue.tick(&mut Self::told(&mut self.line, context));
    }

    fn wants_tick(&self) -> bool {
        self.dialogue.wants_tick()
    }

    fn finish(&mut self, context: &mut Context<'_>, _: Finish) {
        self.dialogue.finish(&mut Self::told(&mut self.line, context));
    }

    fn client(&self) -> Option<Direction> {
        self.line.client
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

/// When and in which frame something was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub time: Timestamp,
    pub frame: FrameRef,
}

/// An operation to be told.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub operation: Operation,
    pub function: Function,
    pub target: Target,
    pub asked: Moment,
    pub answered: Option<Moment>,
    pub outcome: Outcome,
    pub sign_in: Option<SignIn>,
}

/// A function that the protocol itself does not number.
pub(crate) fn function(code: u16, name: &'static str) -> Function {
    Function { code, sub: None, name }
}

/// The function under which remote sessions are told.
pub(crate) const REMOTE_SESSION: u16 = 0;

/// Where a dialogue tells what it found.
pub(crate) struct Told<'a, 'b> {
    pub line: &'a mut Line,
    context: &'a mut Context<'b>,
    protocol: &'static str,
}

impl Told<'_, '_> {
    /// Now.
    pub fn moment(&self) -> Moment {
        Moment { time: self.context.packet.time, frame: self.context.packet.frame }
    }

    /// The end that speaks in a direction.
    pub fn speaker(&self, direction: Direction) -> Endpoint {
        let [a, b] = self.line.start.ends;
        if direction == Direction::AtoB { a } else { b }
    }

    /// The client's direction: as known, else by the standard ports, else A's.
    pub fn client(&self, ports: &[u16]) -> Direction {
        let [a, b] = self.line.start.ends;
        self.line.client.unwrap_or(match (ports.contains(&a.port), ports.contains(&b.port)) {
            (true, false) => Direction::BtoA,
            _ => Direction::AtoB,
        })
    }

    /// Notes who the client is, unless that is known.
    pub fn is_client(&mut self, direction: Direction) {
        self.line.client.get_or_insert(direction);
    }

    /// A device tells of itself.
    pub fn identity(&mut self, device: Endpoint, property: &'static str, value: String, source: &'static str) {
        if let Some(identity) = self.make_identity(device, property, value, source) {
            self.context.sink.identity(identity);
        }
    }

    /// A device tells of the one at an address.
    pub fn hearsay(&mut self, ip: IpAddr, property: &'static str, value: String, source: &'static str) {
        let device = Endpoint { ip: Some(ip), ..Endpoint::default() };
        if let Some(identity) = self.make_identity(device, property, value, source) {
            self.context.sink.hearsay(identity);
        }
    }

    fn make_identity(
        &self,
        device: Endpoint,
        property: &'static str,
        value: String,
        source: &'static str,
    ) -> Option<Identity> {
        let Moment { time, frame } = self.moment();
        let session = self.line.start.session;
        let nothing = value.is_empty() || (property == "name" && is_placeholder(&value));
        (!nothing).then_some(Identity { session, device, property, value, source, time, frame })
    }

    /// A name was asked for or contacted by the client.
    pub fn name(&mut self, client: Direction, name: &str, via: &'static str) {
        let name: String = name.trim_end_matches('.').chars().take(NameUse::MOST_CHARACTERS).collect();
        let name = name.to_lowercase();
        if name.is_empty() || name.parse::<IpAddr>().is_ok() {
            return;
        }
        let Moment { time, frame } = self.moment();
        let (client, server) = (self.speaker(client), self.speaker(client.reversed()));
        let session = self.line.start.session;
        self.context.sink.name(NameUse { session, time, frame, client, server, name, via });
    }

    /// An operation of the client.
    pub fn deed(&mut self, client: Direction, deed: Deed) {
        let Deed { operation, function, target, asked, answered, outcome, sign_in } = deed;
        let frames = [asked.frame, answered.map_or(FrameRef::default(), |moment| moment.frame)];
        self.context.sink.activity(
            None,
            Activity {
                session: self.line.start.session,
                slot: None,
                time: asked.time,
                frames,
                sender: client,
                client: self.speaker(client),
                server: self.speaker(client.reversed()),
                protocol: self.protocol,
                operation,
                function,
                target,
                values: Values::None,
                masks: None,
                outcome,
                latency: answered.map(|moment| moment.time.since(asked.time)),
                violations: Vec::new(),
                sign_in: sign_in.map(Box::new),
                artifact: None,
            },
        );
    }

    /// A sign-in of the client.
    pub fn sign_in(
        &mut self,
        client: Direction,
        function: Function,
        asked: Moment,
        answered: Option<Moment>,
        outcome: Outcome,
        sign_in: SignIn,
    ) {
        let (operation, target) = (Operation::Authenticate, Target::default());
        self.deed(client, Deed { operation, function, target, asked, answered, outcome, sign_in: Some(sign_in) });
    }

    /// A remote session of the client, which the server has answered.
    pub fn remote_session(
        &mut self,
        client: Direction,
        name: &'static str,
        asked: Moment,
        outcome: Outcome,
        user: Option<String>,
    ) {
        let answered = Some(self.moment());
        let sign_in = user.map(|user| SignIn { user: Some(user), ..SignIn::default() });
        self.deed(
            client,
            Deed {
                operation: Operation::Session,
                function: function(REMOTE_SESSION, name),
                target: Target::default(),
                asked,
                answered,
                outcome,
                sign_in,
            },
        );
    }

    /// A request was given up because too many were open.
    pub fn evicted(&mut self) {
        self.context.sink.evicted(crate::REQUESTS_EVICTED);
    }

    /// A decoded message, where it is wanted.
    pub fn message(&mut self, direction: Direction, fields: impl FnOnce(&mut Fields)) {
        if !self.context.sink.wants_messages() {
            return;
        }
        let mut made = Fields::new();
        fields(&mut made);
        let Moment { time, frame } = self.moment();
        self.context.sink.message(Message {
            frame,
            time,
            protocol: self.protocol,
            source: self.speaker(direction),
            destination: self.speaker(direction.reversed()),
            operation: None,
            outcome: None,
            latency: None,
            request: None,
            fields: made,
            violations: Vec::new(),
        });
    }
}

/// Names that devices have until somebody gives them one.
fn is_placeholder(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with("not set") || matches!(lower.as_str(), "localhost" | "unknown" | "(none)" | "none" | "noname")
}

/// What the probe of a stream says that begins with `wanted` in one direction: `Some(direction)` where it does, and
/// whether it may still.
pub(crate) fn begins(bytes: [&[u8]; 2], wanted: &[u8]) -> (Option<Direction>, bool) {
    let mut more = false;
    for (bytes, direction) in bytes.into_iter().zip([Direction::AtoB, Direction::BtoA]) {
        if bytes.starts_with(wanted) {
            return (Some(direction), false);
        }
        more |= !bytes.is_empty() && wanted.starts_with(bytes);
    }
    (None, more)
}
