//! Messages as an engineer wants to see them: `ot-sensor decode`.

use crate::activity::{Operation, Outcome, Violation};
use crate::net::{Endpoint, FrameRef};
use crate::time::{Nanos, Timestamp};
use std::fmt;

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

/// As `decode` prints it: bytes in hexadecimal with colons, times in RFC 3339.
impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => bytes
                .iter()
                .enumerate()
                .try_for_each(|(at, byte)| write!(f, "{}{byte:02x}", if at == 0 { "" } else { ":" })),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
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
