//! What both S7 protocols know of the connection that carries them.

use ot_protocol::{Direction, Endpoint, PacketInfo, SessionId, SubAddress, Violation};
use std::borrow::Cow;

/// Catalogue ids of the alert types that S7 names.
pub(crate) mod rule {
    /// A header, a length or a type that the protocol does not define.
    pub const BAD_HEADER: &str = "s7-bad-header";
    /// An answer to nothing, or to something else.
    pub const RESPONSE_MISMATCH: &str = "s7-response-mismatch";
}

/// The connection, as far as it is known when a unit of user data comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The conversation.
    pub session: SessionId,
    /// Ends A and B.
    pub ends: [Endpoint; 2],
    /// Direction of the client's messages, as far as known.
    pub client: Option<Direction>,
    /// Rack and slot of the server, where the connection's TSAP told them.
    pub server_sub: SubAddress,
    /// Whether the connection began before the capture: who is the client was not told at its start.
    pub midstream: bool,
    /// The packet that completes the unit.
    pub packet: PacketInfo,
}

impl Link {
    /// Direction of the client's messages; towards port 102 where nothing else tells it.
    pub fn client_direction(&self) -> Direction {
        let [a, b] = &self.ends;
        let by_port = if a.port == 102 && b.port != 102 { Direction::BtoA } else { Direction::AtoB };
        self.client.unwrap_or(by_port)
    }

    /// Client and server.
    pub fn roles(&self) -> (Endpoint, Endpoint) {
        let [a, b] = self.ends;
        let (client, mut server) = if self.client_direction() == Direction::AtoB { (a, b) } else { (b, a) };
        server.sub = self.server_sub;
        (client, server)
    }

    /// Source and destination of a message.
    pub fn path(&self, direction: Direction) -> (Endpoint, Endpoint) {
        let (client, server) = self.roles();
        if direction == self.client_direction() { (client, server) } else { (server, client) }
    }
}

/// A departure from what the protocol defines.
pub(crate) fn violation(
    rule: &'static str,
    layer: &'static str,
    offset: usize,
    needed: impl Into<Cow<'static, str>>,
    found: impl Into<Cow<'static, str>>,
    reason: &'static str,
) -> Violation {
    Violation {
        rule,
        layer,
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        needed: needed.into(),
        found: found.into(),
        reason: reason.into(),
    }
}
