//! S7comm-plus.

use ot_protocol::{Context, Direction, FieldDoc, FieldKind, Fields, Finish};

pub(crate) use crate::link::Link;

/// Protocol id.
pub(crate) const ID: &str = "s7comm-plus";

/// Every field that a message can have.
pub(crate) static FIELDS: &[FieldDoc] =
    &[FieldDoc { name: "s7comm-plus.version", kind: FieldKind::Number, meaning: "Protocol version" }];

/// The S7comm-plus side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Plus {}

impl Plus {
    /// A whole unit of user data. `head` are the fields of the TPKT that completes it, empty where no messages are
    /// wanted. Its bytes are counted by the session.
    pub fn tsdu(
        &mut self,
        _context: &mut Context<'_>,
        _link: &Link,
        _direction: Direction,
        _tsdu: &[u8],
        _head: Fields,
    ) {
    }

    /// Bytes of a direction are lost.
    pub fn gap(&mut self, _context: &mut Context<'_>, _direction: Direction) {}

    /// Time has passed.
    pub fn tick(&mut self, _context: &mut Context<'_>) {}

    /// Whether a request is open.
    pub fn wants_tick(&self) -> bool {
        false
    }

    /// The conversation is over.
    pub fn finish(&mut self, _context: &mut Context<'_>, _why: Finish) {}
}
