//! Modbus: over TCP and UDP with an MBAP header, and RTU frames over TCP.
//!
//! Specifications: Modbus Application Protocol V1.1b3; Modbus Messaging on TCP/IP Implementation Guide V1.0b; Modbus
//! over Serial Line V1.02. Schneider's UMAS in function 90 is not published; what is known of it from public research
//! is named.
//!
//! [`MODBUS`] is the item of the registry. A message passes [`frame`] (where it begins and ends), [`pdu`] (what it asks
//! or answers, and what is wrong with it), [`session`] (which answer belongs to which request, who is the client) and,
//! for `decode` alone, [`fields`].

#![cfg_attr(doc, allow(rustdoc::private_intra_doc_links))]

mod fields;
mod frame;
mod function;
mod identity;
mod pdu;
mod probe;
mod session;

use ot_protocol::{FieldDoc, Probe, Protocol, Session, SessionStart};

/// Counter of requests given up because too many were open.
pub const REQUESTS_EVICTED: &str = "modbus-requests-evicted";

/// The Modbus protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modbus;

/// The item of the registry.
pub static MODBUS: Modbus = Modbus;

impl Protocol for Modbus {
    fn id(&self) -> &'static str {
        session::ID
    }

    fn name(&self) -> &'static str {
        "Modbus"
    }

    /// Registered with IANA as `mbap`.
    fn ports(&self) -> &'static [u16] {
        &[session::PORT]
    }

    fn probe(&self, bytes: [&[u8]; 2], hint: bool, _datagram: bool) -> Probe {
        probe::probe(bytes, hint)
    }

    fn session(&self, start: SessionStart) -> Box<dyn Session> {
        Box::new(session::ModbusSession::new(start))
    }

    fn fields(&self) -> &'static [FieldDoc] {
        fields::FIELDS
    }

    fn rules(&self) -> &'static [&'static str] {
        &[
            pdu::rule::BAD_HEADER,
            pdu::rule::BAD_QUANTITY,
            pdu::rule::EXCEPTION_FROM_CLIENT,
            pdu::rule::FUNCTION_ZERO,
            pdu::rule::RESPONSE_MISMATCH,
        ]
    }
}
