//! Lines of `decode`, and what is told of a device.

use super::ID;
use super::body::Head;
use super::found::Found;
use super::identity::Telling;
use super::names::function;
use super::wire::opcode;
use crate::layers;
use crate::link::{Link, rule, violation};
use ot_protocol::{Direction, Fields, FrameRef, Identity, Message, Nanos, Operation, Outcome, Sink, Violation};
use std::borrow::Cow;

/// What a message adds to the line of `decode`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer {
    /// Class of the operation.
    pub operation: Option<Operation>,
    /// What became of the request.
    pub outcome: Option<Outcome>,
    /// Time since the request.
    pub latency: Option<Nanos>,
    /// Frame of the request.
    pub request: Option<FrameRef>,
}

/// Sends a line.
pub(crate) fn send(
    sink: &mut dyn Sink,
    link: &Link,
    direction: Direction,
    fields: Fields,
    answer: Answer,
    violations: Vec<Violation>,
) {
    let (source, destination) = link.path(direction);
    sink.message(Message {
        frame: link.packet.frame,
        time: link.packet.time,
        protocol: ID,
        source,
        destination,
        operation: answer.operation,
        outcome: answer.outcome,
        latency: answer.latency,
        request: answer.request,
        fields,
        violations,
    });
}

/// Opcode, function and sequence number of a message whose rest follows in other units.
pub(crate) fn head_fields(fields: &mut Fields, head: &Head) {
    layers::number(fields, "s7comm-plus.data.opcode", head.opcode);
    layers::text(fields, "s7comm-plus.data.opcode.name", opcode::name(head.opcode));
    if head.opcode != opcode::NOTIFICATION {
        layers::number(fields, "s7comm-plus.data.function", head.function);
        layers::text(fields, "s7comm-plus.data.function.name", function::name(head.function));
        layers::number(fields, "s7comm-plus.data.seqnum", head.sequence);
    }
}

/// Counts at the end of a line.
pub(crate) fn finish_fields(fields: &mut Fields, found: &Found, unknown: usize) {
    if found.opaque > 0 {
        count(fields, "s7comm-plus.opaque_bytes", found.opaque);
    }
    if unknown > 0 {
        count(fields, "s7comm-plus.unknown_bytes", unknown);
    }
    if found.omitted > 0 {
        layers::number(fields, "s7comm-plus.omitted_fields", found.omitted);
    }
}

/// A count as a field.
pub(crate) fn count(fields: &mut Fields, name: &'static str, number: usize) {
    layers::number(fields, name, u64::try_from(number).unwrap_or(u64::MAX));
}

/// Tells what the server is.
pub(crate) fn identify(sink: &mut dyn Sink, link: &Link, told: impl IntoIterator<Item = Telling>) {
    let (_, device) = link.roles();
    for (property, value, source) in told {
        sink.identity(Identity {
            session: link.session,
            device,
            property,
            value,
            source,
            time: link.packet.time,
            frame: link.packet.frame,
        });
    }
}

/// Frames of request and response, where one of them is all there is.
pub(crate) fn frames(request: bool, frame: FrameRef) -> [FrameRef; 2] {
    if request { [frame, FrameRef::default()] } else { [FrameRef::default(), frame] }
}

/// A departure from what the protocol defines.
pub(crate) fn bad(
    offset: usize,
    needed: impl Into<Cow<'static, str>>,
    found: impl Into<Cow<'static, str>>,
    reason: &'static str,
) -> Violation {
    violation(rule::BAD_HEADER, "s7comm-plus", offset, needed, found, reason)
}
