//! Siemens S7: TPKT (RFC 1006), COTP (ISO 8073, class 0), S7comm and S7comm-plus.
//!
//! Siemens publishes neither S7 protocol. What is decoded follows public research and the dissectors of Wireshark (names
//! of fields), held against captures of real controllers.
//!
//! [`S7COMM`] and [`S7COMM_PLUS`] are the items of the registry; both begin the same session, because a connection
//! shows what it is only by its first user data. A packet passes [`tpkt`] (where it begins and ends), [`cotp`] (what the
//! transport layer says, and when a unit of user data is whole), [`session`] (who is the client, which protocol the user
//! data is) and then [`comm`] or [`plus`]. [`layers`] has the fields of the two lower layers for `decode`.

#![cfg_attr(doc, allow(rustdoc::private_intra_doc_links))]

mod comm;
mod cotp;
mod layers;
mod link;
mod plus;
mod probe;
#[cfg(test)]
mod readme;
mod session;
mod tpkt;

use ot_protocol::{FieldDoc, Probe, Protocol, Session, SessionStart};
use probe::Kind;

/// Counter of jobs given up because too many were open.
pub const JOBS_EVICTED: &str = "s7-jobs-evicted";
/// Counter of units of user data given up because they were too long to be put together.
pub const UNITS_EVICTED: &str = "s7-units-evicted";

/// Counter of block transfers given up because too many were open.
pub const TRANSFERS_EVICTED: &str = "s7-transfers-evicted";
/// Counter of cyclic reads forgotten because too many were open.
pub const CYCLES_EVICTED: &str = "s7-cycles-evicted";

/// S7comm: the protocol of S7-300 and S7-400, and of S7-1200 and S7-1500 where PUT and GET are allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct S7comm;

/// S7comm-plus: the protocol of S7-1200 and S7-1500.
#[derive(Clone, Copy, Debug, Default)]
pub struct S7commPlus;

/// The item of the registry for S7comm.
pub static S7COMM: S7comm = S7comm;

/// The item of the registry for S7comm-plus.
pub static S7COMM_PLUS: S7commPlus = S7commPlus;

/// Standard port: ISO transport over TCP (RFC 1006).
const PORTS: &[u16] = &[102];

impl Protocol for S7comm {
    fn id(&self) -> &'static str {
        comm::ID
    }

    fn name(&self) -> &'static str {
        "S7comm"
    }

    fn ports(&self) -> &'static [u16] {
        PORTS
    }

    fn probe(&self, bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
        if datagram { Probe::No } else { probe::probe(bytes, hint, Kind::Comm) }
    }

    fn session(&self, start: SessionStart) -> Box<dyn Session> {
        Box::new(session::S7Session::new(start, Kind::Comm))
    }

    fn fields(&self) -> &'static [FieldDoc] {
        &comm::FIELDS
    }

    fn rules(&self) -> &'static [&'static str] {
        &[link::rule::BAD_HEADER, link::rule::RESPONSE_MISMATCH]
    }
}

impl Protocol for S7commPlus {
    fn id(&self) -> &'static str {
        plus::ID
    }

    fn name(&self) -> &'static str {
        "S7comm-plus"
    }

    fn ports(&self) -> &'static [u16] {
        PORTS
    }

    fn probe(&self, bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
        if datagram { Probe::No } else { probe::probe(bytes, hint, Kind::Plus) }
    }

    fn session(&self, start: SessionStart) -> Box<dyn Session> {
        Box::new(session::S7Session::new(start, Kind::Plus))
    }

    fn fields(&self) -> &'static [FieldDoc] {
        plus::FIELDS
    }

    fn rules(&self) -> &'static [&'static str] {
        &[link::rule::BAD_HEADER, link::rule::RESPONSE_MISMATCH]
    }
}
