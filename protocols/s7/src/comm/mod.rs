//! S7comm.

pub(crate) mod fields;
pub(crate) mod header;

use crate::layers;
use crate::link::Link;
pub(crate) use fields::FIELDS;
pub(crate) use header::{PROTOCOL_ID, from_client};
use ot_protocol::{Context, Direction, Fields, Finish, Message, Violation};

/// Protocol id.
pub(crate) const ID: &str = "s7comm";

/// The S7comm side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Comm {}

impl Comm {
    /// A whole unit of user data.
    pub fn pdu(
        &mut self,
        context: &mut Context<'_>,
        link: &Link,
        direction: Direction,
        bytes: &[u8],
        mut head: Fields,
        violations: Vec<Violation>,
    ) {
        if context.sink.wants_messages() {
            if let Some(&id) = bytes.first() {
                layers::number(&mut head, "s7comm.header.protid", id);
            }
            let (source, destination) = link.path(direction);
            context.sink.message(Message {
                frame: link.packet.frame,
                time: link.packet.time,
                protocol: ID,
                source,
                destination,
                operation: None,
                outcome: None,
                latency: None,
                request: None,
                fields: head,
                violations,
            });
        }
    }

    /// Bytes of a direction are lost.
    pub fn gap(&mut self, _context: &mut Context<'_>, _direction: Direction) {}

    /// Time has passed.
    pub fn tick(&mut self, _context: &mut Context<'_>, _link: &Link) {}

    /// Whether something is open.
    pub fn wants_tick(&self) -> bool {
        false
    }

    /// The conversation is over.
    pub fn finish(&mut self, _context: &mut Context<'_>, _link: &Link, _why: Finish) {}
}
