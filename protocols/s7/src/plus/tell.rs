//! From parts of a request to activities: repetitions are counted without building anything.

use super::ID;
use super::meaning::Part;
use crate::link::Link;
use ot_protocol::{
    Activity, ActivityKey, Artifact, Direction, FrameRef, Function, Nanos, Outcome, Sink, SubAddress, Timestamp,
    ValueView, Values, Violation,
};

/// What all parts of a request have in common.
pub(crate) struct Told<'a> {
    /// The connection.
    pub link: &'a Link,
    /// Packet time of the request (of the response, where that is all there is).
    pub time: Timestamp,
    /// Frames of request and response.
    pub frames: [FrameRef; 2],
    /// Who sent the message that is told of.
    pub sender: Direction,
    /// Function.
    pub function: Function,
    /// Time from request to response.
    pub latency: Option<Nanos>,
    /// A name that the request gives.
    pub name: Option<&'a str>,
}

impl Told<'_> {
    /// Tells one part.
    pub fn part(
        &self,
        sink: &mut dyn Sink,
        part: &Part,
        outcome: Outcome,
        numbers: &[f64],
        violations: &mut Vec<Violation>,
        artifact: &mut Option<Box<Artifact>>,
    ) {
        let mut part = *part;
        // As many values as points, or none.
        let numbers = if part.space == super::meaning::Space::Tag {
            part.count = u32::try_from(numbers.len()).unwrap_or(u32::MAX).max(1);
            numbers
        } else if usize::try_from(part.count).is_ok_and(|count| count == numbers.len()) {
            numbers
        } else {
            &[]
        };
        let values = if numbers.is_empty() { ValueView::None } else { ValueView::Numbers(numbers) };
        let key = ActivityKey {
            sub: match self.link.server_sub {
                SubAddress::RackSlot(rack, slot) => 0x1_0000 | u32::from(rack) << 8 | u32::from(slot),
                _ => 0,
            },
            function: self.function.code,
            subfunction: 0,
            outcome: ActivityKey::outcome(outcome),
            operation: part.operation,
            space: part.space.number(),
            number: part.number.unwrap_or_default(),
            start: part.start,
            count: part.count,
        };
        let plain = violations.is_empty() && artifact.is_none();
        if plain && sink.known(&key, self.time, self.frames, self.latency.unwrap_or_default(), values) {
            return;
        }
        let (client, server) = self.link.roles();
        sink.activity(
            plain.then_some(key),
            Activity {
                session: self.link.session,
                slot: None,
                time: self.time,
                frames: self.frames,
                sender: self.sender,
                client,
                server,
                protocol: ID,
                operation: part.operation,
                function: self.function,
                target: part.target(self.name),
                values: if numbers.is_empty() { Values::None } else { values.to_values() },
                masks: None,
                outcome,
                latency: self.latency,
                violations: std::mem::take(violations),
                sign_in: None,
                artifact: artifact.take(),
            },
        );
    }
}
