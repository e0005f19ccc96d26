//! DNP3 (IEEE 1815-2012) over TCP and UDP.
//!
//! [`DNP3`] is the item of the registry. A message passes [`link`] (where a frame begins and ends, its checksums),
//! [`transport`] (fragments from frames), [`application`] (object headers and objects, by the table in [`objects`]),
//! [`exchange`] (which response answers which request, what became of it), [`tell`] (activities) and, for `decode` alone,
//! [`fields`]. [`session`] holds them together and knows who is the master.

#![cfg_attr(doc, allow(rustdoc::private_intra_doc_links))]

mod application;
mod crc;
mod exchange;
mod faults;
mod fields;
mod file;
mod function;
mod identity;
mod link;
mod objects;
mod outstation;
mod probe;
#[cfg(test)]
mod readme;
mod select;
mod session;
mod table;
mod tell;
mod transport;
mod values;

use ot_protocol::{FieldDoc, Probe, Protocol, Session, SessionStart};

/// Counter of requests given up because too many were open.
pub const REQUESTS_EVICTED: &str = "dnp3-requests-evicted";
/// Counter of incomplete fragments given up because too many were open.
pub const FRAGMENTS_EVICTED: &str = "dnp3-fragments-evicted";
/// Counter of selects forgotten because too many were remembered.
pub const SELECTS_EVICTED: &str = "dnp3-selects-evicted";
/// Counter of outstations of one connection forgotten because there were too many.
pub const OUTSTATIONS_EVICTED: &str = "dnp3-outstations-evicted";
/// Counter of object headers of which not all points were told, because they have too many that are no neighbours.
pub const EVENTS_NOT_TOLD: &str = "dnp3-points-not-told";

/// The DNP3 protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dnp3;

/// The item of the registry.
pub static DNP3: Dnp3 = Dnp3;

impl Protocol for Dnp3 {
    fn id(&self) -> &'static str {
        session::ID
    }

    fn name(&self) -> &'static str {
        "DNP3"
    }

    /// 20000 is registered with IANA as `dnp`, 19999 as `dnp-sec`.
    fn ports(&self) -> &'static [u16] {
        session::PORTS
    }

    fn probe(&self, bytes: [&[u8]; 2], hint: bool, _datagram: bool) -> Probe {
        probe::probe(bytes, hint)
    }

    fn session(&self, start: SessionStart) -> Box<dyn Session> {
        Box::new(session::Dnp3Session::new(start))
    }

    fn fields(&self) -> &'static [FieldDoc] {
        fields::FIELDS
    }

    fn rules(&self) -> &'static [&'static str] {
        faults::rule::ALL
    }
}
