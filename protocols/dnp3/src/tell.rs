//! From objects to activities: what a request asks for, part by part, and the values that a response brings.

use crate::application::{Fragment, Header, Range};
use crate::file::{self, Command};
use crate::function::{self, code};
use crate::objects::{File, Layout, Space, Status};
use crate::values::{self, Buffers, Kind};
use crate::{EVENTS_NOT_TOLD, outstation, session};
use ot_protocol::{
    Activity, ActivityKey, Direction, Endpoint, FrameRef, Function, Nanos, Operation, Outcome, SessionId, Sink, Target,
    Timestamp, ValueView, Violation,
};

/// Most runs of points with index prefixes that are told of one object header.
const MOST_RUNS: u32 = 64;

/// Most activities that are told of one message: more object headers than any device sends.
const MOST_TOLD: u32 = 512;
/// Object headers of a request that are held against those of its answer.
const MOST_MATCHED: usize = 64;

/// What all activities of an exchange share.
pub(crate) struct Exchange<'a> {
    pub sink: &'a mut dyn Sink,
    pub session: SessionId,
    pub client: Endpoint,
    pub server: Endpoint,
    /// Both link addresses, packed.
    pub sub: u32,
    pub time: Timestamp,
    pub frames: [FrameRef; 2],
    pub sender: Direction,
    pub latency: Option<Nanos>,
    /// Told with the first activity.
    pub violations: Vec<Violation>,
    /// How many were told.
    pub told: u32,
}

/// One operation on one range of points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub operation: Operation,
    pub function: Function,
    pub space: Space,
    /// Group and variation, where the space has several.
    pub number: Option<u32>,
    pub start: u32,
    pub count: u32,
    /// Name of a file.
    pub name: Option<&'a str>,
    /// Tells activities apart that are otherwise the same.
    pub mark: u32,
}

impl<'a> Part<'a> {
    /// A function without an object.
    pub(crate) fn whole(function: u8) -> Part<'a> {
        Part {
            operation: function::operation(function),
            function: named(function, None),
            space: Space::None,
            number: None,
            start: 0,
            count: 0,
            name: None,
            mark: 0,
        }
    }

    /// The range of an object header.
    pub(crate) fn of(function: u8, header: &Header<'_>) -> Part<'a> {
        let space = Space::of(header.group);
        let (start, count) = match header.range {
            Range::StartStop(..) | Range::Address(_) => (header.start(), header.count()),
            Range::All | Range::Quantity(_) => (0, 0),
        };
        let (start, count) = match space {
            Space::Attributes => (u32::from(header.variation), 1),
            Space::Time => (0, 0),
            _ => (start, count),
        };
        Part {
            operation: operation(function, header),
            space,
            number: (space == Space::Objects).then(|| u32::from(header.group) << 8 | u32::from(header.variation)),
            start,
            count,
            ..Part::whole(function)
        }
    }
}

/// A function with its name.
pub(crate) fn named(code: u8, sub: Option<u16>) -> Function {
    Function { code: u16::from(code), sub, name: function::name(code) }
}

/// The class of an operation on an object.
fn operation(function: u8, header: &Header<'_>) -> Operation {
    match (function, header.group) {
        (code::READ, 0) if header.variation == 254 => Operation::ConfigRead,
        (code::READ, 0) => Operation::Identify,
        (code::READ, 70) => Operation::File,
        (code::READ, 80) => Operation::ReadMode,
        (code::READ, 120) => Operation::Authenticate,
        (code::WRITE, 0 | 85 | 86) => Operation::ConfigWrite,
        (code::WRITE, 10 | 12 | 40 | 41) => Operation::Control,
        (code::WRITE, 50) => Operation::TimeSet,
        (code::WRITE, 70) => Operation::File,
        // Clears the indication of a restart.
        (code::WRITE, 80) => Operation::Diagnose,
        (code::WRITE, 120) => Operation::Authenticate,
        _ => function::operation(function),
    }
}

/// The class of an operation on a file with a name: what the name says it is, and what is done to it.
pub(crate) fn file_operation(code: u8, name: &str, header: Option<&Header<'_>>) -> Operation {
    if !matches!(code, code::READ | code::WRITE | code::OPEN_FILE | code::CLOSE_FILE | code::DELETE_FILE) {
        return function::operation(code);
    }
    let mode = header
        .filter(|header| header.layout() == Some(Layout::File(File::Command)))
        .and_then(|header| header.points().next())
        .and_then(|point| Command::object(point.data).ok())
        .map(|command| command.mode);
    file::operation(name, outstation::usage(code, mode))
}

impl Exchange<'_> {
    /// Tells one activity.
    pub(crate) fn tell(&mut self, part: &Part<'_>, values: ValueView<'_>, outcome: Outcome) {
        self.told += 1;
        if self.told > MOST_TOLD {
            if self.told == MOST_TOLD + 1 {
                self.sink.evicted(EVENTS_NOT_TOLD);
            }
            return;
        }
        let key = ActivityKey {
            sub: self.sub,
            function: part.function.code,
            subfunction: part.function.sub.map_or(0, |sub| sub.saturating_add(1)),
            outcome: ActivityKey::outcome(outcome),
            operation: part.operation,
            space: part.space.number(),
            number: part.number.unwrap_or(0) | part.mark,
            start: part.start,
            count: part.count,
        };
        let key = (self.violations.is_empty() && part.name.is_none()).then_some(key);
        if let Some(key) = &key
            && self.sink.known(key, self.time, self.frames, self.latency.unwrap_or_default(), values)
        {
            return;
        }
        let target = Target {
            space: part.space.name(),
            number: part.number,
            start: part.start,
            count: part.count,
            width: 1,
            name: part.name.map(Into::into),
        };
        self.sink.activity(
            key,
            Activity {
                session: self.session,
                slot: None,
                time: self.time,
                frames: self.frames,
                sender: self.sender,
                client: self.client,
                server: self.server,
                protocol: session::ID,
                operation: part.operation,
                function: part.function,
                target,
                values: values.to_values(),
                masks: None,
                outcome,
                latency: self.latency,
                violations: std::mem::take(&mut self.violations),
                sign_in: None,
                artifact: None,
            },
        );
    }

    /// Tells a request, one activity for each object header; all class headers together are one. `answer` is the response,
    /// where there is one: it carries the status of each control.
    pub(crate) fn request(
        &mut self,
        request: &Fragment<'_>,
        answer: Option<&Fragment<'_>>,
        outcome: Outcome,
        name: Option<&str>,
        buffers: &mut Buffers,
    ) {
        let code = request.function;
        let classes = request.walk().filter(|header| header.group == 60).fold(0, |mask, header| mask | class(&header));
        let mut told = false;
        let mut assigned = None;
        let assigns = code == code::ASSIGN_CLASS;
        if classes != 0 && !(assigns && request.walk().any(|header| header.group != 60)) {
            let part = Part { space: Space::Classes, start: classes, ..Part::whole(code) };
            self.tell(&part, ValueView::None, outcome);
            told = true;
        }
        for (place, header) in request.walk().enumerate() {
            let answer = answer.filter(|_| place < MOST_MATCHED);
            if header.group == 60 {
                assigned = Some(u16::from(header.variation.saturating_sub(1)));
                continue;
            }
            // Read with exactly this answer: the values are told, and with them that they were asked for. What is wrong
            // with one of the two is not told yet.
            if code == code::READ
                && outcome == Outcome::Ok
                && self.violations.is_empty()
                && answer.is_some_and(|answer| answers(&header, answer))
            {
                told = true;
                continue;
            }
            told = true;
            match header.layout() {
                Some(Layout::Control) if header.has_objects => {
                    self.controls(&header, code, answer, outcome, buffers);
                }
                Some(Layout::Fixed(fixed)) if header.has_objects && fixed.status == Status::After => {
                    self.outputs(&header, code, answer, outcome, buffers);
                }
                _ => self.header(&header, code, assigned.filter(|_| assigns), outcome, name, buffers),
            }
        }
        if !told {
            self.tell(&Part { name, ..Part::whole(code) }, ValueView::None, outcome);
        }
    }

    /// An object header of a request that is no control.
    fn header(
        &mut self,
        header: &Header<'_>,
        code: u8,
        assigned: Option<u16>,
        outcome: Outcome,
        name: Option<&str>,
        buffers: &mut Buffers,
    ) {
        let part = Part::of(code, header);
        let part = Part { function: named(code, assigned), ..part };
        match part.space {
            Space::File => {
                let operation = name.map_or(part.operation, |name| file_operation(code, name, Some(header)));
                self.tell(&Part { operation, start: 0, count: 0, name, ..part }, ValueView::None, outcome);
            }
            Space::Time => {
                buffers.clear();
                if let (Some(Layout::Time), Some(point)) = (header.layout(), header.points().next())
                    && code == code::WRITE
                {
                    buffers.push_number(millis(point.data));
                }
                self.tell(&part, buffers.view(Kind::Numbers), outcome);
            }
            _ if header.index_octets() > 0 => self.runs(header, &part, outcome, buffers),
            _ if header.has_objects && header.stride > 0 || header.layout() == Some(Layout::Bit) => {
                let (view, _) = if header.has_objects { buffers.range(header) } else { (ValueView::None, 0) };
                self.tell(&part, view, outcome);
            }
            _ => self.tell(&part, ValueView::None, outcome),
        }
    }

    /// Points with index prefixes: contiguous ones together.
    fn runs(&mut self, header: &Header<'_>, part: &Part<'_>, outcome: Outcome, buffers: &mut Buffers) {
        let kind = if header.has_objects { values::kind(header) } else { Kind::None };
        let fixed = match header.layout() {
            Some(Layout::Fixed(fixed)) => Some(fixed),
            _ => None,
        };
        let (mut start, mut count, mut runs) = (0_u32, 0_u32, 0_u32);
        buffers.clear();
        for point in header.points() {
            if count > 0 && point.index != start.wrapping_add(count) {
                self.tell(&Part { start, count, ..*part }, buffers.view(kind), outcome);
                buffers.clear();
                count = 0;
                runs += 1;
                if runs >= MOST_RUNS {
                    self.sink.evicted(EVENTS_NOT_TOLD);
                    return;
                }
            }
            if count == 0 {
                start = point.index;
            }
            count += 1;
            match (fixed, header.layout()) {
                (Some(fixed), _) => buffers.push_fixed(fixed, kind, point.data),
                (None, Some(Layout::Bit)) if header.has_objects => {
                    buffers.push_bit(point.data.first().is_some_and(|octet| octet & 1 == 1));
                }
                (None, Some(Layout::TwoBits)) if header.has_objects => {
                    buffers.push_number(f64::from(point.data.first().copied().unwrap_or_default() & 3));
                }
                _ => {}
            }
        }
        if count > 0 {
            self.tell(&Part { start, count, ..*part }, buffers.view(kind), outcome);
        }
    }

    /// Control relay output blocks: neighbours with the same operation and the same outcome together.
    fn controls(
        &mut self,
        header: &Header<'_>,
        code: u8,
        answer: Option<&Fragment<'_>>,
        outcome: Outcome,
        buffers: &mut Buffers,
    ) {
        let mut statuses = Statuses::of(header, answer);
        let mut run: Option<(Part<'_>, Outcome)> = None;
        let mut runs = 0;
        buffers.clear();
        for point in header.points() {
            let octet = point.data.first().copied().unwrap_or_default();
            let state = function::control(octet).1;
            let outcome = statuses.next(point.index, outcome);
            let goes_on = run.as_ref().is_some_and(|(part, before)| {
                part.start.wrapping_add(part.count) == point.index
                    && part.function.sub == Some(u16::from(octet))
                    && *before == outcome
            });
            if !goes_on {
                if let Some((part, outcome)) = run.take() {
                    self.tell(&part, buffers.view(Kind::Bits), outcome);
                    buffers.clear();
                    runs += 1;
                    if runs >= MOST_RUNS {
                        self.sink.evicted(EVENTS_NOT_TOLD);
                        return;
                    }
                }
                let function = Function {
                    code: u16::from(code),
                    sub: Some(u16::from(octet)),
                    name: function::control_name(code, octet),
                };
                let part = Part::of(code, header);
                run = Some((Part { function, start: point.index, count: 0, ..part }, outcome));
            }
            if let Some((part, _)) = &mut run {
                part.count += 1;
            }
            if let Some(state) = state {
                buffers.push_bit(state);
            }
        }
        if let Some((part, outcome)) = run {
            self.tell(&part, buffers.view(Kind::Bits), outcome);
        }
    }

    /// Analog output blocks: neighbours with the same outcome together.
    fn outputs(
        &mut self,
        header: &Header<'_>,
        code: u8,
        answer: Option<&Fragment<'_>>,
        outcome: Outcome,
        buffers: &mut Buffers,
    ) {
        let Some(Layout::Fixed(fixed)) = header.layout() else { return };
        let mut statuses = Statuses::of(header, answer);
        let mut run: Option<(Part<'_>, Outcome)> = None;
        let mut runs = 0;
        buffers.clear();
        for point in header.points() {
            let outcome = statuses.next(point.index, outcome);
            let goes_on = run
                .as_ref()
                .is_some_and(|(part, before)| part.start.wrapping_add(part.count) == point.index && *before == outcome);
            if !goes_on {
                if let Some((part, outcome)) = run.take() {
                    self.tell(&part, buffers.view(Kind::Numbers), outcome);
                    buffers.clear();
                    runs += 1;
                    if runs >= MOST_RUNS {
                        self.sink.evicted(EVENTS_NOT_TOLD);
                        return;
                    }
                }
                run = Some((Part { start: point.index, count: 0, ..Part::of(code, header) }, outcome));
            }
            if let Some((part, _)) = &mut run {
                part.count += 1;
            }
            buffers.push_fixed(fixed, Kind::Numbers, point.data);
        }
        if let Some((part, outcome)) = run {
            self.tell(&part, buffers.view(Kind::Numbers), outcome);
        }
    }

    /// Tells the values that a response brings. Whether there were any. Points of spaces that the request named are told as
    /// read; the others, such as events in answer to a poll of classes, are the outstation's choice and told under the
    /// response's own function.
    pub(crate) fn values(&mut self, response: &Fragment<'_>, function: u8, named: u32, buffers: &mut Buffers) -> bool {
        let mut told = false;
        for header in response.walk() {
            let space = Space::of(header.group);
            let other = space == Space::Objects && !matches!(header.group, 90 | 91 | 120);
            if header.points == 0 || !(values::is_points(space) || other) {
                continue;
            }
            // A control that comes back is no value.
            if matches!(header.group, 12 | 41) {
                continue;
            }
            told = true;
            let function = if named >> space.number() & 1 == 1 { code::READ } else { function };
            let mark = u32::from(header.group) << 8 | u32::from(header.variation);
            let part = Part { operation: Operation::Read, mark, ..Part::of(function, &header) };
            if header.index_octets() > 0 {
                self.runs(&header, &part, Outcome::Ok, buffers);
            } else {
                let part = Part { count: if part.count == 0 { 0 } else { header.points }, ..part };
                let (view, _) = buffers.range(&header);
                self.tell(&part, view, Outcome::Ok);
            }
        }
        told
    }
}

/// The address spaces that a read request names, as a mask by their numbers; a class names none.
pub(crate) fn named_spaces(request: &Fragment<'_>) -> u32 {
    if request.function != code::READ {
        return 0;
    }
    request
        .walk()
        .map(|header| Space::of(header.group))
        .filter(|space| *space != Space::Classes)
        .fold(0, |named, space| named | 1 << space.number())
}

/// The classes that a header of group 60 names, as a mask: bit 0 for class 0.
fn class(header: &Header<'_>) -> u32 {
    match header.variation {
        variation @ 1..=4 => 1 << (variation - 1),
        _ => 0,
    }
}

/// Whether a response holds exactly what a request's header asks for.
fn answers(asked: &Header<'_>, answer: &Fragment<'_>) -> bool {
    let Range::StartStop(start, stop) = asked.range else { return false };
    let space = Space::of(asked.group);
    values::is_points(space)
        && answer.walk().any(|header| {
            header.range == Range::StartStop(start, stop)
                && Space::of(header.group) == space
                && header.points == asked.count()
                && header.points > 0
        })
}

fn millis(time: &[u8]) -> f64 {
    time.iter().rev().fold(0.0, |value, octet| value * 256.0 + f64::from(*octet))
}

/// The statuses of controls in a response, in order.
struct Statuses<'a> {
    points: Option<crate::application::Points<'a>>,
}

impl<'a> Statuses<'a> {
    /// Those that answer a header of a request: of the header that is like it and stands in the same place.
    fn of(asked: &Header<'_>, answer: Option<&Fragment<'a>>) -> Self {
        let same = |header: &Header<'_>| {
            (header.group, header.variation, header.qualifier, header.range)
                == (asked.group, asked.variation, asked.qualifier, asked.range)
                && header.points().next().map(|point| point.index) == asked.points().next().map(|point| point.index)
        };
        Self { points: answer.and_then(|answer| answer.walk().find(same)).map(|header| header.points()) }
    }

    /// The outcome of the control of the next point.
    fn next(&mut self, index: u32, outcome: Outcome) -> Outcome {
        let Some(point) = self.points.as_mut().and_then(Iterator::next) else { return outcome };
        if point.index != index {
            return outcome;
        }
        match point.data.last().map(|status| status & 0x7F) {
            None | Some(0) => outcome,
            Some(status) => Outcome::Rejected(0x100 + u16::from(status), function::control_status(status)),
        }
    }
}

/// The first status of a control in a response that is no success.
pub(crate) fn refused(response: &Fragment<'_>) -> Option<u8> {
    response
        .walk()
        .filter(|header| {
            header.has_objects
                && match header.layout() {
                    Some(Layout::Control) => true,
                    Some(Layout::Fixed(fixed)) => fixed.status == Status::After,
                    _ => false,
                }
        })
        .flat_map(|header| header.points())
        .filter_map(|point| point.data.last().map(|status| status & 0x7F))
        .find(|status| *status != 0)
}
