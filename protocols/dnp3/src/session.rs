//! A conversation: frames to fragments, who is the master, what is held until that is known.

use crate::application::Fragment;
use crate::exchange::Exchanges;
use crate::faults::{Faults, layer, rule};
use crate::fields;
use crate::function;
use crate::link::{self, HEADER, Header, Place, Step};
use crate::transport::{Assembler, Control, Joined, LONGEST_FRAGMENT, Way};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Context, Direction, Endpoint, Fields, Finish, Message, Nanos, Operation, Outcome, PacketInfo, Progress, Session,
    SessionStart, Sink, SubAddress, Timestamp, Violation,
};

/// Protocol id.
pub(crate) const ID: &str = "dnp3";
/// Standard ports.
pub(crate) const PORTS: &[u16] = &[20_000, 19_999];

/// Messages held until the master is known.
const MOST_HELD: usize = 16;
/// A message is held for this long at most.
const HOLD: Nanos = 5 * SECOND;
/// Evidence from which on the master is known.
const CLEAR: i32 = 3;
/// Packet time that passes over more than this has jumped.
const JUMP: Nanos = 3600 * SECOND;

/// A message that waits until the master is known.
#[derive(Debug)]
struct Held {
    direction: Direction,
    packet: PacketInfo,
    bytes: Box<[u8]>,
    kind: Kind,
}

/// What a piece of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A frame, whole.
    Frame,
    /// A header that is wrong, alone.
    BadHeader,
    /// A datagram ends within this frame.
    Cut,
    /// Bytes where a frame should begin, and none does.
    NoStart,
}

/// A message that is being told.
pub(crate) struct Told<'a> {
    pub direction: Direction,
    pub packet: PacketInfo,
    /// Whether anything was ever seen from each end.
    pub seen: [bool; 2],
    /// Whether messages are wanted, and what is known of this one.
    pub fields: Option<Fields>,
    pub faults: Faults,
    pub header: Header,
    pub sink: &'a mut dyn Sink,
}

/// What `decode` tells of a message beside its fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub operation: Option<Operation>,
    pub outcome: Option<Outcome>,
    pub latency: Option<Nanos>,
    pub request: Option<ot_protocol::FrameRef>,
}

/// Who speaks and who is who.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roles {
    pub start: SessionStart,
    /// Direction of the master's messages.
    pub master: Direction,
}

impl Roles {
    /// Master and outstation of a frame, with their link addresses.
    pub(crate) fn ends(&self, direction: Direction, header: Header) -> (Endpoint, Endpoint) {
        let [a, b] = self.start.ends;
        let (mut client, mut server) = if self.master == Direction::AtoB { (a, b) } else { (b, a) };
        // Bytes that begin no frame have no addresses.
        if header.length == 0 {
            return (client, server);
        }
        let (master, outstation) = self.addresses(direction, header);
        client.sub = SubAddress::Link(master);
        server.sub = SubAddress::Link(outstation);
        (client, server)
    }

    /// Link addresses of master and outstation.
    pub(crate) fn addresses(&self, direction: Direction, header: Header) -> (u16, u16) {
        if direction == self.master { (header.source, header.destination) } else { (header.destination, header.source) }
    }

    /// Whether the outstation's messages are visible.
    pub(crate) fn saw_outstation(&self, seen: [bool; 2]) -> bool {
        seen.get(self.master.reversed().index()).copied().unwrap_or_default()
    }
}

/// A DNP3 conversation.
#[derive(Debug)]
pub(crate) struct Dnp3Session {
    start: SessionStart,
    master: Option<Direction>,
    /// Evidence: positive where A is the master.
    score: i32,
    held: Vec<Held>,
    places: [Place; 2],
    assembler: Assembler,
    exchanges: Exchanges,
    /// The fragment that is being told, and the frames that brought it.
    fragment: Vec<u8>,
    frames: Vec<u64>,
    /// Until then a segment without its beginning is no fault.
    excused: [Option<Timestamp>; 2],
    begun: bool,
    last: Option<Timestamp>,
}

impl Dnp3Session {
    /// Begins.
    pub(crate) fn new(start: SessionStart) -> Self {
        let [a, b] = &start.ends;
        let port = i32::from(PORTS.contains(&b.port)) - i32::from(PORTS.contains(&a.port));
        Self {
            master: None,
            score: port.clamp(-1, 1),
            held: Vec::new(),
            places: [Place::Here; 2],
            assembler: Assembler::default(),
            exchanges: Exchanges::default(),
            fragment: Vec::new(),
            frames: Vec::new(),
            excused: [None; 2],
            begun: false,
            last: None,
            start,
        }
    }

    fn place(&self, direction: Direction) -> Place {
        self.places.get(direction.index()).copied().unwrap_or_default()
    }

    fn set_place(&mut self, direction: Direction, place: Place) {
        if let Some(known) = self.places.get_mut(direction.index()) {
            *known = place;
        }
    }

    fn excuse(&mut self, direction: Direction, until: Timestamp) {
        if let Some(excused) = self.excused.get_mut(direction.index()) {
            *excused = Some(until);
        }
    }

    /// Deals with as many frames as there are; gives bytes dealt with and bytes needed to go on.
    fn walk(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Progress {
        self.note_time(context);
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress { consumed: at, need: 0 };
            }
            let (length, kind, place) = match link::step(rest, self.place(direction)) {
                Step::Need(need) => return Progress { consumed: at, need: need.max(rest.len() + 1) },
                Step::Skip(length) => {
                    if self.place(direction) == Place::Here {
                        self.message(context, direction, rest.get(..2).unwrap_or(rest), Kind::NoStart);
                        self.set_place(direction, Place::Damaged);
                    }
                    let length = length.clamp(1, rest.len());
                    context.sink.skipped(length, "dnp3-resync");
                    at += length;
                    continue;
                }
                Step::Frame(length) => (length, Kind::Frame, Place::Here),
                Step::BadHeader(length) => (length, Kind::BadHeader, Place::Damaged),
            };
            let length = length.clamp(1, rest.len());
            self.set_place(direction, place);
            at += length;
            context.sink.decoded(length);
            let told = if kind == Kind::BadHeader { HEADER } else { length };
            self.message(context, direction, rest.get(..told).unwrap_or(rest), kind);
        }
    }

    /// A jump of packet time re-arms: what is open then is neither answered nor unanswered.
    fn note_time(&mut self, context: &Context<'_>) {
        let now = context.packet.time;
        if let Some(last) = self.last
            && (now.since(last) > JUMP || now.since(last) < -JUMP)
        {
            self.exchanges.blind(now);
        }
        self.last = Some(now);
    }

    /// One message: tells it, or holds it while the master is not known.
    fn message(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8], kind: Kind) {
        if !self.begun {
            self.begun = true;
            if self.start.client.is_none() {
                let now = context.packet.time;
                self.excuse(Direction::AtoB, now.plus(HOLD));
                self.excuse(Direction::BtoA, now.plus(HOLD));
                self.exchanges.midstream(now);
            }
        }
        if self.master.is_none() {
            self.weigh(direction, bytes, kind);
            if self.master.is_none() && self.held.len() < MOST_HELD {
                self.held.push(Held { direction, packet: context.packet, bytes: bytes.into(), kind });
                return;
            }
            self.decide(context.sink, context.seen);
        }
        self.tell(context.sink, context.seen, context.packet, direction, bytes, kind);
    }

    /// Adds what a message says about the roles: its DIR bit, and twice as much its application function.
    fn weigh(&mut self, direction: Direction, bytes: &[u8], kind: Kind) {
        if kind != Kind::Frame {
            return;
        }
        let Some(header) = Header::read(bytes) else { return };
        let sign = if direction == Direction::AtoB { 1 } else { -1 };
        self.score += if header.is_from_master() { sign } else { -sign };
        if header.carries_segment()
            && let Some(block) = link::blocks(bytes).next()
            && block.fits
            && let Some([transport, _, function, ..]) = block.data.first_chunk::<3>()
            && Control(*transport).is_first()
            && function::about(*function).is_some()
        {
            self.score += if function::is_response(*function) { -2 * sign } else { 2 * sign };
        }
        if self.score.abs() >= CLEAR {
            self.settle();
        }
    }

    /// Takes the evidence as it stands; without any, the side that asked for the connection is the master.
    fn settle(&mut self) {
        self.master = Some(match self.score {
            0 => self.start.client.unwrap_or(Direction::AtoB),
            1.. => Direction::AtoB,
            _ => Direction::BtoA,
        });
    }

    /// Decides on the master if that is still open. What was held is told.
    fn decide(&mut self, sink: &mut dyn Sink, seen: [bool; 2]) {
        if self.master.is_none() {
            self.settle();
        }
        self.release(sink, seen);
    }

    fn release(&mut self, sink: &mut dyn Sink, seen: [bool; 2]) {
        for held in std::mem::take(&mut self.held) {
            self.tell(sink, seen, held.packet, held.direction, &held.bytes, held.kind);
        }
    }

    fn roles(&self) -> Roles {
        Roles { start: self.start, master: self.master.unwrap_or(Direction::AtoB) }
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
        if !self.held.is_empty() {
            self.release(sink, seen);
        }
        let fields = sink.wants_messages().then(Fields::new);
        if fields.is_some() {
            sink.wire(bytes);
        }
        let header = Header::read(bytes).unwrap_or(Header { length: 0, control: 0, destination: 0, source: 0, crc: 0 });
        let mut told = Told { direction, packet, seen, fields, faults: Faults::default(), header, sink };
        match kind {
            Kind::NoStart => return self.no_start(told, bytes),
            Kind::BadHeader => bad_header(&mut told, bytes),
            Kind::Cut => cut(&mut told, bytes),
            Kind::Frame => {
                if let Some(fields) = &mut told.fields {
                    fields::link(fields, header, true);
                }
                if header.carries_segment() {
                    return self.segment(told, bytes);
                }
            }
        }
        check_link(&mut told, kind);
        if told.faults.list.is_empty() {
            self.exchanges.link(self.roles(), told);
        } else {
            self.exchanges.broken(self.roles(), told, None);
        }
    }

    /// A frame should begin here.
    fn no_start(&mut self, mut told: Told<'_>, bytes: &[u8]) {
        let wrong = usize::from(bytes.first() == Some(&0x05));
        told.faults.push(
            rule::BAD_FORMAT,
            layer::LINK,
            wrong,
            format!("start octet {:02X}", link::START.get(wrong).copied().unwrap_or_default()),
            bytes.get(wrong).map_or_else(|| "nothing".to_owned(), |octet| format!("{octet:02X}")),
            "a frame begins with 05 64 (IEEE 1815-2012, clause 9.2.4.1.1)",
        );
        self.exchanges.broken(self.roles(), told, None);
    }

    /// A frame whose user data is a transport segment.
    fn segment(&mut self, mut told: Told<'_>, frame: &[u8]) {
        let mut fragment = std::mem::take(&mut self.fragment);
        let mut frames = std::mem::take(&mut self.frames);
        match self.join(&mut told, frame, &mut fragment, &mut frames) {
            Ok(()) => self.application(&mut told, &fragment, &frames),
            Err(what) => self.unjoined(&mut told, what),
        }
        self.fragment = fragment;
        self.frames = frames;
    }

    /// Takes a segment in. `Ok`: `fragment` is whole. `Err`: what to tell instead, if anything.
    fn join(
        &mut self,
        told: &mut Told<'_>,
        frame: &[u8],
        fragment: &mut Vec<u8>,
        frames: &mut Vec<u64>,
    ) -> Result<(), Unjoined> {
        let mut data = [0_u8; 256];
        let mut length = 0;
        let mut good = true;
        let mut blocks = link::blocks(frame);
        // The transport octet stands before the blocks, as in Wireshark.
        let transport = frame.get(HEADER).copied().map(Control);
        if let (Some(fields), Some(control)) = (&mut told.fields, transport) {
            fields::segment(fields, control);
        }
        for block in blocks.by_ref() {
            if let Some(fields) = &mut told.fields {
                fields::block(fields, block);
            }
            if !block.fits {
                bad_block(&mut told.faults, block);
                good = false;
                break;
            }
            if let Some(room) = data.get_mut(length..length + block.data.len()) {
                room.copy_from_slice(block.data);
                length += block.data.len();
            }
        }
        check_link(told, Kind::Frame);
        let data = data.get(..length).unwrap_or_default();
        let Some((control, rest)) = data.split_first() else {
            if good {
                no_segment(&mut told.faults);
            }
            return Err(Unjoined::Broken { function: None });
        };
        let control = Control(*control);
        if !good {
            let function = if control.is_first() { rest.get(1).copied() } else { None };
            return Err(Unjoined::Broken { function });
        }
        let way = Way { direction: told.direction, source: told.header.source, destination: told.header.destination };
        let number = told.packet.frame.number();
        if control.is_first() && control.is_final() && !self.assembler.is_open(way) {
            fragment.clear();
            fragment.extend_from_slice(rest);
            frames.clear();
            frames.push(number);
            return Ok(());
        }
        let mut evicted = false;
        let joined = self.assembler.join(way, control, number, rest, fragment, frames, &mut evicted);
        if evicted {
            told.sink.evicted(crate::FRAGMENTS_EVICTED);
        }
        if joined == Joined::Complete {
            return Ok(());
        }
        if let Some(fields) = &mut told.fields {
            fields::incomplete(fields, rest);
        }
        let excused = self.excused.get(told.direction.index()).copied().flatten();
        let excused = excused.is_some_and(|until| told.packet.time <= until);
        transport_faults(&mut told.faults, joined, control, excused);
        Err(if told.faults.list.is_empty() { Unjoined::Part } else { Unjoined::Broken { function: None } })
    }

    fn unjoined(&mut self, told: &mut Told<'_>, what: Unjoined) {
        let roles = self.roles();
        match what {
            Unjoined::Part => told.message(roles, Summary::default()),
            Unjoined::Broken { function } => self.exchanges.tell_broken(roles, told, function),
        }
    }

    /// A whole fragment.
    fn application(&mut self, told: &mut Told<'_>, bytes: &[u8], frames: &[u64]) {
        if let Some(fields) = &mut told.fields {
            fields::assembled(fields, frames, bytes.len());
            fields::application(fields, bytes);
        }
        let roles = self.roles();
        let fragment = match Fragment::read(bytes) {
            Ok(fragment) => fragment,
            Err(short) => {
                told.faults.push(
                    rule::BAD_LENGTH,
                    layer::APPLICATION,
                    short.offset,
                    "application control, function and, in a response, two octets of internal indications",
                    format!("{} octets", bytes.len()),
                    "the fragment ends within its header (IEEE 1815-2012, clause 4.2.2.1)",
                );
                self.exchanges.tell_broken(roles, told, bytes.get(1).copied());
                return;
            }
        };
        told.faults.fragment(&fragment);
        told.faults.objects(&fragment);
        check_side(told, roles, &fragment);
        self.exchanges.fragment(roles, told, &fragment, bytes);
    }
}

/// Why a frame gave no fragment.
#[derive(Clone, Copy, Debug)]
enum Unjoined {
    /// It is a part of one.
    Part,
    /// It is damaged or out of order.
    Broken {
        /// Application function, where that could be read.
        function: Option<u8>,
    },
}

impl Told<'_> {
    /// Hands the message out, where messages are wanted.
    pub(crate) fn message(&mut self, roles: Roles, summary: Summary) {
        let Some(fields) = self.fields.take() else { return };
        let (client, server) = roles.ends(self.direction, self.header);
        let (source, destination) = if self.direction == roles.master { (client, server) } else { (server, client) };
        self.sink.message(Message {
            frame: self.packet.frame,
            time: self.packet.time,
            protocol: ID,
            source,
            destination,
            operation: summary.operation,
            outcome: summary.outcome,
            latency: summary.latency,
            request: summary.request,
            fields,
            violations: self.faults.list.clone(),
        });
    }

    /// Takes the violations out.
    pub(crate) fn violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.faults.list)
    }
}

#[cold]
fn bad_header(told: &mut Told<'_>, bytes: &[u8]) {
    let header = told.header;
    let wanted = crate::crc::crc(bytes.get(..HEADER - 2).unwrap_or_default());
    let fits = wanted == header.crc;
    if let Some(fields) = &mut told.fields {
        fields::link(fields, header, fits);
    }
    if !fits {
        told.faults.push(
            rule::BAD_CHECKSUM,
            layer::LINK,
            8,
            format!("CRC {wanted:04X}"),
            format!("{:04X}", header.crc),
            "the checksum of the link header does not fit (IEEE 1815-2012, clause 9.2.4.3)",
        );
    }
    if header.length < link::LEAST_LENGTH {
        told.faults.push(
            rule::BAD_LENGTH,
            layer::LINK,
            2,
            "a length of at least 5",
            format!("{}", header.length),
            "the length counts the control octet and both addresses (IEEE 1815-2012, clause 9.2.4.1.2)",
        );
    }
}

#[cold]
fn cut(told: &mut Told<'_>, bytes: &[u8]) {
    if let Some(fields) = &mut told.fields {
        fields::link(fields, told.header, true);
    }
    told.faults.push(
        rule::BAD_LENGTH,
        layer::LINK,
        2,
        format!("a frame of {} octets", told.header.total()),
        format!("{} octets", bytes.len()),
        "the datagram ends within the frame (IEEE 1815-2012, clause 13.2.4)",
    );
}

#[cold]
fn bad_block(faults: &mut Faults, block: link::Block<'_>) {
    faults.push(
        rule::BAD_CHECKSUM,
        layer::LINK,
        block.offset + block.data.len(),
        format!("CRC {:04X}", crate::crc::crc(block.data)),
        format!("{:04X}", block.crc),
        "the checksum of a block of user data does not fit (IEEE 1815-2012, clause 9.2.4.3)",
    );
}

#[cold]
fn no_segment(faults: &mut Faults) {
    faults.push(
        rule::BAD_LENGTH,
        layer::LINK,
        2,
        "a length of at least 6",
        "5",
        "a frame with user data has at least a transport octet (IEEE 1815-2012, clause 8.2.1)",
    );
}

/// What is wrong with the link function.
fn check_link(told: &mut Told<'_>, kind: Kind) {
    let header = told.header;
    if kind != Kind::Frame || header.is_known_function() {
        return;
    }
    told.faults.push(
        rule::RESERVED_FUNCTION,
        layer::LINK,
        3,
        "a link function of the standard",
        format!("{} of a {} frame", header.function(), if header.is_primary() { "primary" } else { "secondary" }),
        "the other function codes are reserved (IEEE 1815-2012, clause 9.2.4.1.3)",
    );
}

fn transport_faults(faults: &mut Faults, joined: Joined, control: Control, excused: bool) {
    match joined {
        Joined::NoBeginning if !excused => faults.push(
            rule::BAD_FORMAT,
            layer::TRANSPORT,
            HEADER,
            "a segment with FIR before it",
            format!("segment {} without FIR", control.sequence()),
            "a fragment begins with FIR (IEEE 1815-2012, clause 8.2.3)",
        ),
        Joined::OutOfOrder { due } if !excused => faults.push(
            rule::BAD_FORMAT,
            layer::TRANSPORT,
            HEADER,
            format!("segment {due}"),
            format!("segment {}", control.sequence()),
            "segments count up by one (IEEE 1815-2012, clause 8.2.3)",
        ),
        Joined::TooLong => faults.push(
            rule::BAD_LENGTH,
            layer::TRANSPORT,
            HEADER,
            format!("a fragment of at most {LONGEST_FRAGMENT} octets"),
            "a longer one",
            "no device takes a fragment of this length (IEEE 1815-2012, clause 4.1.3)",
        ),
        _ => {}
    }
}

/// Whether the function fits the side that sent it.
fn check_side(told: &mut Told<'_>, roles: Roles, fragment: &Fragment<'_>) {
    let response = function::is_response(fragment.function);
    let from_master = told.direction == roles.master;
    if from_master != response && told.header.is_from_master() != response {
        return;
    }
    let (needed, found, reason) = if from_master == response {
        let side = if from_master { "master" } else { "outstation" };
        (
            if from_master { "a request" } else { "a response" },
            format!("{} (function {}) from the {side}", function::name(fragment.function), fragment.function),
            "requests come from a master, responses from an outstation (IEEE 1815-2012, clause 4.2.2.5)",
        )
    } else {
        (
            if response { "DIR clear" } else { "DIR set" },
            format!("{} with DIR {}", function::name(fragment.function), u8::from(told.header.is_from_master())),
            "DIR is set in frames from a master alone (IEEE 1815-2012, clause 9.2.4.1.3.1)",
        )
    };
    told.faults.push(rule::ILLEGAL_OPERATION, layer::APPLICATION, 1, needed, found, reason);
}

impl Session for Dnp3Session {
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
        // A datagram that ends within a frame: its header is told.
        if rest.len() >= HEADER && self.place(direction) == Place::Here {
            context.sink.decoded(rest.len());
            self.message(context, direction, rest, Kind::Cut);
        } else {
            context.sink.skipped(rest.len(), "dnp3-datagram-rest");
        }
        self.set_place(direction, Place::Here);
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, _bytes: u64) {
        self.note_time(context);
        self.set_place(direction, Place::Lost);
        self.assembler.forget(direction);
        let now = context.packet.time;
        self.excuse(direction, now.plus(HOLD));
        self.exchanges.blind(now);
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        self.note_time(context);
        if self.held.first().is_some_and(|held| context.packet.time.since(held.packet.time) >= HOLD) {
            self.decide(context.sink, context.seen);
        }
        self.exchanges.expire(self.roles(), context);
    }

    fn wants_tick(&self) -> bool {
        self.exchanges.is_open() || !self.held.is_empty()
    }

    fn finish(&mut self, context: &mut Context<'_>, why: Finish) {
        self.note_time(context);
        self.decide(context.sink, context.seen);
        let roles = self.roles();
        self.exchanges.expire(roles, context);
        self.exchanges.finish(roles, context, why);
    }

    fn client(&self) -> Option<Direction> {
        self.master
    }
}
