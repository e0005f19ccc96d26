//! Messages as an engineer wants to see them: `ot-sensor decode`.

use crate::activity::{Operation, Outcome, Violation};
use crate::net::{Endpoint, FrameRef};
use crate::time::{Nanos, Timestamp};

/// Value of a field of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// Unsigned number.
    Unsigned(u64),
    /// Signed number.
    Signed(i64),
    /// Floating-point number.
    Float(f64),
    /// Two-state.
    Bool(bool),
    /// Text.
    Text(String),
    /// Bytes, shown in hexadecimal with colons.
    Bytes(Vec<u8>),
    /// Absolute time.
    Time(Timestamp),
}

/// Kind of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Number.
    Number,
    /// Two-state.
    Bool,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Absolute time.
    Time,
}

/// What a field means; the table `decode --fields` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDoc {
    /// Wireshark's display-filter name.
    pub name: &'static str,
    /// Kind.
    pub kind: FieldKind,
    /// Meaning, with unit and range.
    pub meaning: &'static str,
}

/// Fields in the order in which they stand in the message; a name may come several times.
pub type Fields = Vec<(&'static str, FieldValue)>;

/// One message of a protocol, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The frame that completes it.
    pub frame: FrameRef,
    /// Its packet time.
    pub time: Timestamp,
    /// Protocol id.
    pub protocol: &'static str,
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Class of the operation, where known.
    pub operation: Option<Operation>,
    /// On a response: what became of the request. On a request: `None`.
    pub outcome: Option<Outcome>,
    /// On a response: time since its request.
    pub latency: Option<Nanos>,
    /// Frame of the request, on a paired response.
    pub request: Option<FrameRef>,
    /// Fields.
    pub fields: Fields,
    /// Departures from the specification.
    pub violations: Vec<Violation>,
}
