//! Activities of jobs: items of read and write, blocks, program invocations.

use super::block::{self, Key, Name, Transfer};
use super::function::{self, code};
use super::header::{Data, Unit};
use super::item::{Address, Item, space};
use super::value::{self, Encoding};
use super::{Comm, ID, error};
use crate::link::Link;
use ot_protocol::{
    Activity, ActivityKey, Artifact, Direction, Endpoint, FrameRef, Function, Nanos, Operation, Outcome, Reader,
    SessionId, Sink, SubAddress, Target, Timestamp, ValueView, Violation,
};

/// What all activities of a job share.
#[derive(Clone, Copy)]
pub(super) struct Exchange {
    pub session: SessionId,
    pub client: Endpoint,
    pub server: Endpoint,
    pub sender: Direction,
    pub frames: [FrameRef; 2],
    pub time: Timestamp,
    pub latency: Option<Nanos>,
}

impl Exchange {
    pub fn new(link: &Link, sender: Direction, frames: [FrameRef; 2], time: Timestamp) -> Self {
        let (client, server) = link.roles();
        Self { session: link.session, client, server, sender, frames, time, latency: None }
    }

    /// Rack and slot as a number, for keys.
    fn sub(&self) -> u32 {
        match self.server.sub {
            SubAddress::RackSlot(rack, slot) => 1 << 16 | u32::from(rack) << 8 | u32::from(slot),
            _ => 0,
        }
    }

    /// The key of an activity.
    pub fn key(&self, function: Function, operation: Operation, outcome: Outcome) -> ActivityKey {
        ActivityKey {
            sub: self.sub(),
            function: function.code,
            subfunction: function.sub.map_or(0, |sub| sub.saturating_add(1)),
            outcome: ActivityKey::outcome(outcome),
            operation,
            space: 0,
            number: 0,
            start: 0,
            count: 0,
        }
    }

    /// An activity that addresses nothing.
    pub fn activity(&self, function: Function, operation: Operation, outcome: Outcome) -> Activity {
        Activity {
            session: self.session,
            slot: None,
            time: self.time,
            frames: self.frames,
            sender: self.sender,
            client: self.client,
            server: self.server,
            protocol: ID,
            operation,
            function,
            target: Target::default(),
            values: ot_protocol::Values::None,
            masks: None,
            outcome,
            latency: self.latency,
            violations: Vec::new(),
            sign_in: None,
            artifact: None,
        }
    }
}

/// Frames of an activity that has one side only.
pub(super) fn frames_of(link: &Link, direction: Direction, frame: FrameRef) -> [FrameRef; 2] {
    if direction == link.client_direction() { [frame, FrameRef::default()] } else { [FrameRef::default(), frame] }
}

/// Tells what addresses nothing; repetitions without violations are folded.
pub(super) fn plain(
    sink: &mut dyn Sink,
    exchange: &Exchange,
    function: Function,
    operation: Operation,
    outcome: Outcome,
    violations: Vec<Violation>,
) {
    let key = exchange.key(function, operation, outcome);
    let foldable = violations.is_empty();
    let latency = exchange.latency.unwrap_or_default();
    if foldable && sink.known(&key, exchange.time, exchange.frames, latency, ValueView::None) {
        return;
    }
    let activity = Activity { violations, ..exchange.activity(function, operation, outcome) };
    sink.activity(foldable.then_some(key), activity);
}

/// Tells what addresses something.
pub(super) fn addressed(
    sink: &mut dyn Sink,
    exchange: &Exchange,
    function: Function,
    operation: Operation,
    outcome: Outcome,
    address: &Address,
    values: ValueView<'_>,
    violations: Vec<Violation>,
) {
    let key = ActivityKey {
        // Type of the elements, or a hash of what else is in the address: they make another point.
        subfunction: address.extra.wrapping_add(function.sub.map_or(0, |sub| sub.saturating_add(1) << 8)),
        space: address.code,
        number: address.number.unwrap_or_default(),
        start: address.start,
        count: address.count,
        ..exchange.key(function, operation, outcome)
    };
    let foldable = violations.is_empty();
    let latency = exchange.latency.unwrap_or_default();
    if foldable && sink.known(&key, exchange.time, exchange.frames, latency, values) {
        return;
    }
    let activity = Activity {
        target: address.target(),
        values: values.to_values(),
        violations,
        ..exchange.activity(function, operation, outcome)
    };
    sink.activity(foldable.then_some(key), activity);
}

/// Tells what is done to a block or file.
fn named(
    sink: &mut dyn Sink,
    exchange: &Exchange,
    function: Function,
    operation: Operation,
    outcome: Outcome,
    name: String,
    artifact: Option<Box<Artifact>>,
    violations: Vec<Violation>,
) {
    let target = Target { space: "block", count: 1, width: 1, name: Some(name.into_boxed_str()), ..Target::default() };
    let activity = Activity { target, artifact, violations, ..exchange.activity(function, operation, outcome) };
    sink.activity(None, activity);
}

/// A transfer that did not come to its end.
pub(super) fn given_up(sink: &mut dyn Sink, link: &Link, transfer: Transfer) {
    if !transfer.has_begun() {
        return;
    }
    let upload = transfer.is_upload();
    let (function, class) = function::job(if upload { code::UPLOAD } else { code::DOWNLOAD_BLOCK });
    let operation = block_operation(class, transfer.name());
    let name = block::told(transfer.name());
    let exchange =
        Exchange::new(link, link.client_direction(), [link.packet.frame, FrameRef::default()], link.packet.time);
    named(sink, &exchange, function, operation, Outcome::Pending, name, Some(transfer.artifact(false)), Vec::new());
}

/// Class of what is done to a block: system data blocks are configuration.
fn block_operation(class: Operation, name: &[u8]) -> Operation {
    let system = Name::of_file(name).is_some_and(Name::is_system_data);
    match class {
        Operation::ProgramRead if system => Operation::ConfigRead,
        Operation::ProgramWrite if system => Operation::ConfigWrite,
        class => class,
    }
}

/// Items of a read or write job.
pub(super) struct Items<'a> {
    reader: Reader<'a>,
    left: u8,
}

impl<'a> Items<'a> {
    /// Of a job.
    pub fn of(unit: &Unit<'a>) -> Self {
        let left = unit.param.get(1).copied().unwrap_or_default();
        Self { reader: Reader::new(unit.param.get(2..).unwrap_or_default()), left }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.left = self.left.checked_sub(1)?;
        Item::read(&mut self.reader)
    }
}

/// Data of items: of a write job, or of the answer to a read job. Each begins at an even place.
pub(super) struct Datas<'a> {
    reader: Reader<'a>,
}

impl<'a> Datas<'a> {
    /// Of a unit.
    pub fn of(unit: &Unit<'a>) -> Self {
        Self { reader: Reader::new(unit.data) }
    }

    /// Of bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes) }
    }
}

impl<'a> Iterator for Datas<'a> {
    type Item = Data<'a>;

    fn next(&mut self) -> Option<Data<'a>> {
        let data = Data::read(&mut self.reader)?;
        if data.wanted % 2 == 1 && self.reader.remaining() > 0 {
            let _fill = self.reader.u8();
        }
        Some(data)
    }
}

/// Values of data, in the types of an address.
pub(super) fn values<'a>(address: &Address, data: &Data<'a>, numbers: &'a mut Vec<f64>) -> ValueView<'a> {
    if data.bytes.is_empty() {
        return ValueView::None;
    }
    if address.kind.encoding == Encoding::Bit && address.count == 1 {
        return ValueView::Bits(data.bytes, 1);
    }
    let mut kind = address.kind;
    if kind.encoding == Encoding::Bit {
        kind.encoding = Encoding::Unsigned;
    }
    value::numbers(kind, data.bytes, address.count, numbers);
    if numbers.is_empty() { ValueView::None } else { ValueView::Numbers(numbers) }
}

/// A program invocation.
#[derive(Clone, Copy)]
pub(super) struct Service<'a> {
    pub name: &'a [u8],
    pub block: &'a [u8],
}

impl<'a> Service<'a> {
    /// Reads a job: seven bytes, parameter block, name.
    pub fn read(unit: &Unit<'a>) -> Option<Self> {
        let mut reader = Reader::new(unit.param.get(8..)?);
        let length = usize::from(reader.u16().ok()?);
        let block = reader.take(length).ok()?;
        let length = usize::from(reader.u8().ok()?);
        Some(Self { name: reader.take(length).ok()?, block })
    }

    /// Function and class.
    pub fn function(self) -> (Function, Operation) {
        function::service(self.name, self.block.starts_with(b"C"))
    }

    /// Blocks that it names.
    fn blocks(self) -> impl Iterator<Item = Name<'a>> {
        let named = matches!(self.name, b"_INSE" | b"_DELE");
        let list = if named { self.block.get(2..).unwrap_or_default() } else { &[] };
        list.chunks_exact(8).filter_map(Name::read)
    }
}

/// Class of a job.
pub(super) fn operation(unit: &Unit<'_>) -> Operation {
    let Some(&function) = unit.param.first() else { return Operation::Unknown };
    let (_, class) = function::job(function);
    match function {
        code::WRITE => Items::of(unit).next().map_or(class, |item| item.address().write()),
        code::REQUEST_DOWNLOAD | code::DOWNLOAD_BLOCK | code::DOWNLOAD_ENDED | code::START_UPLOAD => {
            block_operation(class, file_name(unit))
        }
        code::PI_SERVICE => Service::read(unit).map_or(class, |service| service.function().1),
        _ => class,
    }
}

/// File name of a job that moves a block.
fn file_name<'a>(unit: &Unit<'a>) -> &'a [u8] {
    let length = unit.param.get(8).copied().map_or(0, usize::from);
    unit.param.get(9..9 + length).unwrap_or_default()
}

/// Upload id of a job, or of the answer to start upload.
fn upload_id(unit: &Unit<'_>) -> Option<u32> {
    unit.param.get(4..8).map(|bytes| bytes.iter().fold(0, |id, &byte| id << 8 | u32::from(byte)))
}

/// A number in decimal digits.
fn digits(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// The part of a block in an answer: length, two bytes, the part.
fn part<'a>(answer: &Unit<'a>) -> Option<&'a [u8]> {
    let mut reader = Reader::new(answer.data);
    let length = usize::from(reader.u16().ok()?);
    reader.take(2).ok()?;
    reader.take(length).ok()
}

impl Comm {
    pub(super) fn conclude_job(
        &mut self,
        sink: &mut dyn Sink,
        exchange: &Exchange,
        job: &Unit<'_>,
        outcome: Outcome,
        answer: Option<&Unit<'_>>,
        violations: Vec<Violation>,
    ) {
        let Some(&code) = job.param.first() else { return };
        let (function, class) = function::job(code);
        match code {
            code::READ | code::WRITE => self.items(sink, exchange, job, outcome, answer, violations),
            code::REQUEST_DOWNLOAD
            | code::DOWNLOAD_BLOCK
            | code::DOWNLOAD_ENDED
            | code::START_UPLOAD
            | code::UPLOAD
            | code::END_UPLOAD => self.block(sink, exchange, (function, class), job, outcome, answer, violations),
            code::PI_SERVICE => service(sink, exchange, job, outcome, violations),
            _ => plain(sink, exchange, function, class, outcome, violations),
        }
    }

    fn items(
        &mut self,
        sink: &mut dyn Sink,
        exchange: &Exchange,
        job: &Unit<'_>,
        outcome: Outcome,
        answer: Option<&Unit<'_>>,
        mut violations: Vec<Violation>,
    ) {
        let write = job.param.first() == Some(&code::WRITE);
        let (function, class) = function::job(if write { code::WRITE } else { code::READ });
        let mut numbers = std::mem::take(&mut self.numbers);
        let mut written = Datas::of(job);
        let mut read = answer.map(Datas::of);
        let mut told = false;
        for (index, item) in Items::of(job).enumerate() {
            told = true;
            let address = item.address();
            let operation = if write { address.write() } else { class };
            let (code, data) = if write {
                (answer.and_then(|answer| answer.data.get(index).copied()), written.next())
            } else {
                let data = read.as_mut().and_then(Iterator::next);
                (data.map(|data| data.code), data)
            };
            let outcome = match (outcome, code) {
                (Outcome::Ok, Some(0xFF)) => Outcome::Ok,
                (Outcome::Ok, Some(code)) => Outcome::Rejected(u16::from(code), error::return_code(code)),
                (Outcome::Ok, None) => Outcome::Pending,
                (outcome, _) => outcome,
            };
            let values = data.as_ref().map_or(ValueView::None, |data| values(&address, data, &mut numbers));
            let violations = std::mem::take(&mut violations);
            addressed(sink, exchange, function, operation, outcome, &address, values, violations);
        }
        self.numbers = numbers;
        if !told {
            plain(sink, exchange, function, class, outcome, violations);
        }
    }

    fn block(
        &mut self,
        sink: &mut dyn Sink,
        exchange: &Exchange,
        (function, class): (Function, Operation),
        job: &Unit<'_>,
        outcome: Outcome,
        answer: Option<&Unit<'_>>,
        violations: Vec<Violation>,
    ) {
        let code = job.param.first().copied().unwrap_or_default();
        let upload = match code {
            code::START_UPLOAD => answer.and_then(upload_id),
            code::UPLOAD | code::END_UPLOAD => upload_id(job),
            _ => None,
        };
        let key = match (code, upload) {
            (code::START_UPLOAD | code::UPLOAD | code::END_UPLOAD, id) => Key::Upload(id.unwrap_or_default()),
            _ => Key::Download(file_name(job).into()),
        };
        let name: Box<[u8]> = match code {
            code::UPLOAD | code::END_UPLOAD => self.transfers.name(&key).unwrap_or_default().into(),
            _ => file_name(job).into(),
        };
        let operation = block_operation(class, &name);
        let mut artifact = None;
        let mut lost = None;
        match (code, outcome) {
            (code::REQUEST_DOWNLOAD, Outcome::Ok | Outcome::Pending) => {
                // Behind the name: length 13, one character, six digits of load memory, six digits of code.
                let at = 10 + name.len();
                lost = self.transfers.begin(key, &name, job.param.get(at + 1..at + 7).and_then(digits));
            }
            (code::START_UPLOAD, Outcome::Ok) if upload.is_some() => {
                let announced = answer.and_then(|answer| answer.param.get(9..)).and_then(digits);
                lost = self.transfers.begin(key, &name, announced);
            }
            (code::DOWNLOAD_BLOCK | code::UPLOAD, Outcome::Ok) => {
                if let Some(bytes) = answer.and_then(part) {
                    lost = self.transfers.part(&key, &name, bytes);
                }
            }
            (code::DOWNLOAD_ENDED | code::END_UPLOAD, _) => {
                let error = job.param.get(2..4).is_some_and(|error| error != [0, 0]);
                artifact = self.transfers.end(&key).map(|transfer| transfer.artifact(!error && outcome == Outcome::Ok));
            }
            _ => {}
        }
        if let Some(lost) = lost {
            sink.evicted(crate::TRANSFERS_EVICTED);
            let name = block::told(lost.name());
            let artifact = Some(lost.artifact(false));
            named(sink, exchange, function, operation, Outcome::Pending, name, artifact, Vec::new());
        }
        // Parts come one after the other: they are counted.
        if matches!(code, code::DOWNLOAD_BLOCK | code::UPLOAD) && violations.is_empty() {
            let hash =
                name.iter().fold(0x811C_9DC5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
            let key = ActivityKey { space: space::BLOCK, number: hash, ..exchange.key(function, operation, outcome) };
            let latency = exchange.latency.unwrap_or_default();
            if sink.known(&key, exchange.time, exchange.frames, latency, ValueView::None) {
                return;
            }
            let target = block_target(&name);
            sink.activity(Some(key), Activity { target, ..exchange.activity(function, operation, outcome) });
            return;
        }
        let target = block_target(&name);
        let activity = Activity { target, artifact, violations, ..exchange.activity(function, operation, outcome) };
        sink.activity(None, activity);
    }
}

fn block_target(name: &[u8]) -> Target {
    let name = block::told(name);
    let name = (!name.is_empty()).then(|| name.into_boxed_str());
    Target { space: "block", count: 1, width: 1, name, ..Target::default() }
}

/// A program invocation: an activity for each block that it names.
fn service(sink: &mut dyn Sink, exchange: &Exchange, job: &Unit<'_>, outcome: Outcome, mut violations: Vec<Violation>) {
    let Some(service) = Service::read(job) else {
        let (function, class) = function::job(code::PI_SERVICE);
        return plain(sink, exchange, function, class, outcome, violations);
    };
    let (function, class) = service.function();
    let mut told = false;
    for name in service.blocks() {
        told = true;
        let operation = match class {
            Operation::ProgramWrite if name.is_system_data() => Operation::ConfigWrite,
            class => class,
        };
        let name = name.told().unwrap_or_else(|| value::clean(name.number));
        named(sink, exchange, function, operation, outcome, name, None, std::mem::take(&mut violations));
    }
    if told {
        return;
    }
    let mut activity = Activity { violations, ..exchange.activity(function, class, outcome) };
    // A service that signs in carries a password; others name a file or nothing.
    let nc = service.name.starts_with(b"_N_") && class != Operation::Authenticate;
    if class == Operation::Unknown {
        activity.target.name = Some(value::clean(service.name).into_boxed_str());
    } else if nc && !service.block.is_empty() {
        activity.target.space = "block";
        activity.target.name = Some(value::clean(service.block).into_boxed_str());
    }
    sink.activity(None, activity);
}
