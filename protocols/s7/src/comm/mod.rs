//! S7comm: jobs, acknowledgements and user data.
//!
//! [`header`] cuts a unit into its parts; [`item`], [`value`], [`block`], [`szl`] and [`function`] read them; [`jobs`]
//! keeps what waits for an answer; [`tell`] and [`user`] make activities of jobs and of user data. [`fields`] is for
//! `decode` alone.

pub(crate) mod block;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod function;
pub(crate) mod header;
pub(crate) mod item;
mod jobs;
pub(crate) mod szl;
mod tell;
mod user;
pub(crate) mod value;

use crate::link::{Link, rule, violation};
use block::Transfers;
pub(crate) use fields::FIELDS;
use function::code;
pub(crate) use header::{PROTOCOL_ID, from_client};
use header::{Unit, rosctr};
use jobs::{Jobs, LATE, Open, TIMEOUT};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Context, Direction, Fields, Finish, FrameRef, Function, Message, Nanos, Operation, Outcome, Sink, Timestamp,
    Violation,
};
use user::Parts;

/// Protocol id.
pub(crate) const ID: &str = "s7comm";
/// Packet time that passes over more than this has jumped.
const JUMP: Nanos = 3600 * SECOND;

/// The S7comm side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Comm {
    jobs: Jobs,
    transfers: Transfers,
    parts: Parts,
    /// Kept between units, so that values need no allocation.
    numbers: Vec<f64>,
    /// Until then an answer may belong to a job that was not seen.
    excused: Option<Timestamp>,
    /// Whether the beginning of the connection was looked at.
    begun: bool,
    /// Newest packet time.
    last: Option<Timestamp>,
}

/// What a unit is to be told with, beside its parts.
struct Told {
    direction: Direction,
    head: Fields,
    violations: Vec<Violation>,
}

/// What is known of a unit when its message is told.
#[derive(Clone, Copy, Default)]
struct About<'a> {
    operation: Option<Operation>,
    outcome: Option<Outcome>,
    asked: Option<(FrameRef, Timestamp)>,
    joined: Option<(&'a [u8], &'a [u64])>,
}

impl Comm {
    /// A whole unit of user data of the transport layer. `violations`: what is wrong below S7comm.
    pub fn pdu(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        bytes: &[u8],
        head: Fields,
        violations: Vec<Violation>,
    ) {
        self.note_time(context);
        if !self.begun {
            self.begun = true;
            if link.midstream {
                self.excused = Some(context.packet.time.plus(TIMEOUT + LATE));
            }
        }
        let mut told = Told { direction, head, violations };
        let Some(unit) = Unit::read(bytes) else {
            told.violations.push(bad(
                0,
                "a header of 10 bytes, 12 on acknowledgements",
                format!("{} bytes", bytes.len()),
            ));
            self.broken(context, link, None, told);
            return;
        };
        check(&unit, &mut told.violations);
        match unit.header.rosctr {
            rosctr::JOB => self.job(context, link, &unit, bytes, told),
            rosctr::ACK | rosctr::ACK_DATA => self.acknowledge(context, link, &unit, told),
            rosctr::USER_DATA => self.user_data(context, link, &unit, bytes, told),
            _ => self.broken(context, link, Some(&unit), told),
        }
    }

    /// A jump of packet time re-arms: what is open then is neither answered nor unanswered.
    fn note_time(&mut self, context: &mut Context<'_>) {
        let now = context.packet.time;
        if let Some(last) = self.last
            && (now.since(last) > JUMP || now.since(last) < -JUMP)
        {
            self.jobs.blind();
            self.excused = Some(now.plus(TIMEOUT + LATE));
        }
        self.last = Some(now);
    }

    /// A unit that cannot be used.
    fn broken(&mut self, context: &mut Context<'_>, link: &Link, unit: Option<&Unit<'_>>, told: Told) {
        let Told { direction, head, violations } = told;
        message(context.sink, link, direction, head, unit, About::default(), &violations);
        let function = Function {
            code: unit.map_or(0, |unit| u16::from(unit.header.rosctr) << 8),
            sub: None,
            name: "damaged unit",
        };
        let frames = tell::frames_of(link, direction, link.packet.frame);
        let exchange = tell::Exchange::new(link, direction, frames, link.packet.time);
        tell::plain(context.sink, &exchange, function, Operation::Session, Outcome::Pending, violations);
    }

    fn job(&mut self, context: &mut Context<'_>, link: &Link, unit: &Unit<'_>, bytes: &[u8], mut told: Told) {
        let Some(&function) = unit.param.first() else {
            told.violations.push(bad(6, "a parameter part with a function", "nothing"));
            return self.broken(context, link, Some(unit), told);
        };
        check_job(unit, function, &mut told.violations);
        let operation = tell::operation(unit);
        let about = About { operation: Some(operation), ..About::default() };
        message(context.sink, link, told.direction, told.head, Some(unit), about, &told.violations);
        self.open(context, link, unit, bytes, told.direction, (function, 0, None), told.violations);
    }

    /// Keeps a job until its answer comes.
    fn open(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        unit: &Unit<'_>,
        bytes: &[u8],
        sender: Direction,
        (function, sub, list): (u8, u8, Option<(u16, u16)>),
        violations: Vec<Violation>,
    ) {
        if self.jobs.is_full() {
            let oldest = self.jobs.open.remove(0);
            if !oldest.told {
                if saw(context.seen, oldest.sender.reversed()) {
                    context.sink.evicted(crate::JOBS_EVICTED);
                }
                self.conclude(context.sink, link, &oldest, Outcome::Pending, None, Vec::new());
            }
            self.jobs.give_back(oldest.bytes);
        }
        let bytes = self.jobs.keep(bytes);
        self.jobs.open.push(Open {
            sender,
            reference: unit.header.reference,
            rosctr: unit.header.rosctr,
            function,
            sub,
            list,
            bytes,
            packet: link.packet,
            violations,
            told: false,
            blind: false,
        });
    }

    fn acknowledge(&mut self, context: &mut Context<'_>, link: &Link, unit: &Unit<'_>, mut told: Told) {
        let error = unit.error();
        let outcome = if error == 0 { Outcome::Ok } else { Outcome::Rejected(error, error::error(error)) };
        let function = unit.param.first().copied();
        let Some(open) = self.jobs.answered(told.direction, unit.header.reference, false) else {
            return self.unasked(context, link, unit, outcome, told);
        };
        self.excused = None;
        if let Some(function) = function.filter(|&function| function != open.function) {
            told.violations.push(violation(
                rule::RESPONSE_MISMATCH,
                ID,
                unit.length,
                format!("function 0x{:02X}", open.function),
                format!("0x{function:02X}"),
                "an acknowledgement is of the function of its job",
            ));
        }
        check_answer(unit, &open, &mut told.violations);
        let operation = open.unit().map(|job| tell::operation(&job));
        let asked = Some((open.packet.frame, open.packet.time));
        let about = About { operation, outcome: Some(outcome), asked, joined: None };
        message(context.sink, link, told.direction, told.head, Some(unit), about, &told.violations);
        self.conclude(context.sink, link, &open, outcome, Some(unit), told.violations);
        self.jobs.give_back(open.bytes);
    }

    /// An acknowledgement to which no open job belongs.
    fn unasked(&mut self, context: &mut Context<'_>, link: &Link, unit: &Unit<'_>, outcome: Outcome, mut told: Told) {
        let code = unit.param.first().copied();
        let (function, operation) = code.map_or_else(
            || (Function { code: 0x0300, sub: None, name: "acknowledgement" }, Operation::Unknown),
            function::job,
        );
        if !self.is_excused(context, told.direction) {
            told.violations.push(violation(
                rule::RESPONSE_MISMATCH,
                ID,
                4,
                "a job with this reference before it",
                format!("{}, reference {}", function.name, unit.header.reference),
                "a job is acknowledged once",
            ));
        }
        let about = About { operation: Some(operation), outcome: Some(outcome), ..About::default() };
        message(context.sink, link, told.direction, told.head, Some(unit), about, &told.violations);
        // What it addresses is not known without its job, but a part of a block is one all the same.
        let exchange =
            tell::Exchange::new(link, told.direction, [FrameRef::default(), link.packet.frame], link.packet.time);
        tell::plain(context.sink, &exchange, function, operation, outcome, told.violations);
    }

    /// Whether an answer of `sender` may belong to what was not seen.
    fn is_excused(&self, context: &Context<'_>, sender: Direction) -> bool {
        self.excused.is_some_and(|until| context.packet.time <= until) || !saw(context.seen, sender.reversed())
    }

    /// Tells what became of a job: an activity for each of its items.
    fn conclude(
        &mut self,
        sink: &mut dyn Sink,
        link: &Link,
        open: &Open,
        outcome: Outcome,
        answer: Option<&Unit<'_>>,
        found: Vec<Violation>,
    ) {
        // Told with the job's own outcome before: what is wrong with it is not told again.
        let mut violations = if open.told { Vec::new() } else { open.violations.clone() };
        let sender = if violations.is_empty() && !found.is_empty() { open.sender.reversed() } else { open.sender };
        violations.extend(found);
        let answered = answer.map(|_| link.packet);
        let frames = [open.packet.frame, answered.map_or(FrameRef::default(), |packet| packet.frame)];
        let exchange = tell::Exchange {
            latency: answered.map(|packet| packet.time.since(open.packet.time)),
            ..tell::Exchange::new(link, sender, frames, open.packet.time)
        };
        let Some(job) = open.unit() else { return };
        if open.rosctr == rosctr::USER_DATA {
            self.conclude_user_data(sink, &exchange, &job, open.list, outcome, answer, violations);
        } else {
            self.conclude_job(sink, &exchange, &job, outcome, answer, violations);
        }
    }

    /// Bytes of a direction are lost.
    pub fn gap(&mut self, context: &mut Context<'_>, _direction: Direction) {
        self.note_time(context);
        self.jobs.blind();
        self.transfers.gap();
        // A job may be in the gap, or the answer to one.
        self.excused = Some(context.packet.time.plus(TIMEOUT + LATE));
        self.begun = true;
    }

    /// Time has passed.
    pub fn tick(&mut self, context: &mut Context<'_>, link: &Link) {
        self.note_time(context);
        self.expire(context, link);
    }

    /// Whether something is open.
    pub fn wants_tick(&self) -> bool {
        !self.jobs.open.is_empty()
    }

    /// The conversation is over.
    pub fn finish(&mut self, context: &mut Context<'_>, link: &Link, why: Finish) {
        self.note_time(context);
        self.expire(context, link);
        for open in std::mem::take(&mut self.jobs.open) {
            if open.told {
                continue;
            }
            let outcome = match why {
                Finish::Closed => open.without_answer(saw(context.seen, open.sender.reversed())),
                Finish::EndOfInput => Outcome::Pending,
            };
            self.conclude(context.sink, link, &open, outcome, None, Vec::new());
        }
        while let Some(transfer) = self.transfers.pop() {
            tell::given_up(context.sink, link, transfer);
        }
    }

    /// Tells jobs whose time is over, and forgets those for which not even a late answer is expected.
    fn expire(&mut self, context: &mut Context<'_>, link: &Link) {
        let now = context.packet.time;
        let mut at = 0;
        while let Some(open) = self.jobs.open.get(at) {
            let age = now.since(open.packet.time);
            if age >= TIMEOUT && !open.told {
                let outcome = open.without_answer(saw(context.seen, open.sender.reversed()));
                // Borrowed apart: the entry stays where it is while it is told.
                let mut open = self.jobs.open.remove(at);
                self.conclude(context.sink, link, &open, outcome, None, Vec::new());
                open.told = true;
                self.jobs.open.insert(at, open);
            }
            if age >= TIMEOUT + LATE {
                let open = self.jobs.open.remove(at);
                self.jobs.give_back(open.bytes);
            } else {
                at += 1;
            }
        }
    }
}

fn saw(seen: [bool; 2], direction: Direction) -> bool {
    seen.get(direction.index()).copied().unwrap_or_default()
}

/// Tells a message, where messages are wanted.
fn message(
    sink: &mut dyn Sink,
    link: &Link,
    direction: Direction,
    mut head: Fields,
    unit: Option<&Unit<'_>>,
    about: About<'_>,
    violations: &[Violation],
) {
    if !sink.wants_messages() {
        return;
    }
    if let Some(unit) = unit {
        fields::unit(&mut head, unit, about.joined);
    }
    let (source, destination) = link.path(direction);
    sink.message(Message {
        frame: link.packet.frame,
        time: link.packet.time,
        protocol: ID,
        source,
        destination,
        operation: about.operation,
        outcome: about.outcome,
        latency: about.asked.map(|(_, time)| link.packet.time.since(time)),
        request: about.asked.map(|(frame, _)| frame),
        fields: head,
        violations: violations.to_vec(),
    });
}

/// A departure in a unit.
fn bad(
    offset: usize,
    needed: impl Into<std::borrow::Cow<'static, str>>,
    found: impl Into<std::borrow::Cow<'static, str>>,
) -> Violation {
    const REASON: &str = "header, parameter part and data part of an S7comm unit have the lengths that they announce";
    violation(rule::BAD_HEADER, ID, offset, needed, found, REASON)
}

/// Message type, and lengths of the parts against the unit.
fn check(unit: &Unit<'_>, violations: &mut Vec<Violation>) {
    let header = unit.header;
    if !matches!(header.rosctr, rosctr::JOB | rosctr::ACK | rosctr::ACK_DATA | rosctr::USER_DATA) {
        violations.push(violation(
            rule::BAD_HEADER,
            ID,
            1,
            "message type 1, 2, 3 or 7",
            format!("{}", header.rosctr),
            "the protocol defines jobs, acknowledgements, acknowledgements with data and user data",
        ));
    }
    if unit.missing != 0 {
        let there = i64::from(header.param) + i64::from(header.data) - unit.missing;
        let found = format!("parameter {} and data {} bytes, {there} are there", header.param, header.data);
        violations.push(bad(6, "lengths that make up the unit", found));
    }
}

/// What a job's parameter and data parts hold against what its function needs.
fn check_job(unit: &Unit<'_>, function: u8, violations: &mut Vec<Violation>) {
    let offset = unit.length;
    match function {
        code::SETUP if unit.param.len() != 8 => {
            violations.push(bad(
                offset,
                "8 bytes of parameters for setup communication",
                format!("{}", unit.param.len()),
            ));
        }
        code::REQUEST_DOWNLOAD
        | code::DOWNLOAD_BLOCK
        | code::DOWNLOAD_ENDED
        | code::START_UPLOAD
        | code::UPLOAD
        | code::END_UPLOAD => {
            // Function, status, two bytes of error, four of the upload; all but the last two name the block behind that.
            let name = unit.param.get(8).map_or(1, |&length| 1 + usize::from(length));
            let needed = 8 + if matches!(function, code::UPLOAD | code::END_UPLOAD) { 0 } else { name };
            if unit.param.len() < needed {
                let there = format!("{}", unit.param.len());
                violations.push(bad(offset, format!("{needed} bytes of parameters for a transfer"), there));
            }
        }
        code::READ | code::WRITE => {
            let announced = unit.param.get(1).copied().map(usize::from);
            let items = tell::Items::of(unit).count();
            match announced {
                None => violations.push(bad(offset, "a number of items", "nothing")),
                Some(announced) if announced != items => {
                    violations.push(bad(offset + 1, format!("{announced} items"), format!("{items}")));
                }
                Some(announced) if function == code::WRITE => {
                    let data =
                        tell::Datas::of(unit).take(announced).filter(|data| data.bytes.len() == data.wanted).count();
                    if data != announced {
                        violations.push(bad(
                            offset + unit.param.len(),
                            format!("data of {announced} items"),
                            format!("{data}"),
                        ));
                    }
                }
                Some(_) => {}
            }
        }
        code::PI_SERVICE if tell::Service::read(unit).is_none() => {
            violations.push(bad(offset, "a parameter block and a service name", format!("{} bytes", unit.param.len())));
        }
        _ => {}
    }
}

/// What an acknowledgement holds against what its function needs and its job asked for.
fn check_answer(unit: &Unit<'_>, open: &Open, violations: &mut Vec<Violation>) {
    let offset = unit.length;
    if unit.header.rosctr != rosctr::ACK_DATA || unit.param.first() != Some(&open.function) {
        return;
    }
    match open.function {
        code::SETUP if unit.param.len() != 8 && unit.error() == 0 => {
            violations.push(bad(
                offset,
                "8 bytes of parameters for setup communication",
                format!("{}", unit.param.len()),
            ));
        }
        code::READ | code::WRITE => {
            let Some(&announced) = unit.param.get(1) else {
                violations.push(bad(offset, "a number of items", "nothing"));
                return;
            };
            if unit.error() != 0 {
                return;
            }
            let asked = open.unit().and_then(|job| job.param.get(1).copied());
            if let Some(asked) = asked.filter(|&asked| asked != announced) {
                violations.push(violation(
                    rule::RESPONSE_MISMATCH,
                    ID,
                    offset + 1,
                    format!("{asked} items"),
                    format!("{announced}"),
                    "an acknowledgement has as many items as its job",
                ));
            }
            let announced = usize::from(announced);
            let there = if open.function == code::READ {
                tell::Datas::of(unit).take(announced).filter(|data| data.bytes.len() == data.wanted).count()
            } else {
                unit.data.len().min(announced)
            };
            if there != announced {
                violations.push(bad(
                    offset + unit.param.len(),
                    format!("data of {announced} items"),
                    format!("{there}"),
                ));
            }
        }
        _ => {}
    }
}
