//! The names that rules may use: fields as `decode` prints them, protocols, techniques.

use crate::names::nearest;
use ot_protocol::{FieldDoc, FieldKind};
use std::collections::BTreeMap;

/// Kind of a field, as conditions see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// IP address.
    Address,
    /// MAC address.
    Mac,
}

impl Kind {
    /// For messages to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Text => "a text",
            Self::Bytes => "bytes",
            Self::Time => "a time",
            Self::Address => "an address",
            Self::Mac => "a MAC address",
        }
    }
}

/// A field of every message, whatever its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Common {
    /// `protocol`
    Protocol,
    /// `eth.src`
    EthSrc,
    /// `eth.dst`
    EthDst,
    /// `vlan.id`
    Vlan,
    /// `ip.src`
    IpSrc,
    /// `ip.dst`
    IpDst,
    /// `srcport`
    SrcPort,
    /// `dstport`
    DstPort,
    /// `operation`
    Operation,
    /// `outcome`
    Outcome,
    /// `latency`
    Latency,
    /// `frame.number`
    Frame,
    /// `request.frame`
    RequestFrame,
    /// `frame.time`
    Time,
    /// `violations`: the ids of the alert types that departures from the specification stand for.
    Violations,
}

/// Fields of every message that conditions can use.
pub const COMMON: [(&str, Kind, Common); 15] = [
    ("protocol", Kind::Text, Common::Protocol),
    ("eth.src", Kind::Mac, Common::EthSrc),
    ("eth.dst", Kind::Mac, Common::EthDst),
    ("vlan.id", Kind::Number, Common::Vlan),
    ("ip.src", Kind::Address, Common::IpSrc),
    ("ip.dst", Kind::Address, Common::IpDst),
    ("srcport", Kind::Number, Common::SrcPort),
    ("dstport", Kind::Number, Common::DstPort),
    ("operation", Kind::Text, Common::Operation),
    ("outcome", Kind::Text, Common::Outcome),
    ("latency", Kind::Number, Common::Latency),
    ("frame.number", Kind::Number, Common::Frame),
    ("request.frame", Kind::Number, Common::RequestFrame),
    ("frame.time", Kind::Time, Common::Time),
    ("violations", Kind::Text, Common::Violations),
];

/// A field, found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// One of every message.
    Common(Common, &'static str),
    /// One of a protocol.
    Named(&'static str),
}

impl Field {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Common(_, name) | Self::Named(name) => name,
        }
    }
}

/// What is known of the fields of protocols.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    fields: BTreeMap<&'static str, (Kind, Vec<&'static str>)>,
    protocols: Vec<&'static str>,
    techniques: Vec<&'static str>,
    violations: Vec<&'static str>,
    addresses: &'static [Addressed],
}

/// Fields whose values stand behind the address they belong to: the start of their names, and the fields that hold
/// addresses.
pub type Addressed = (&'static str, &'static [&'static str]);

impl Vocabulary {
    /// Fields of each protocol, by its id; the known ids of techniques; the ids that violations can name.
    pub fn new(
        protocols: &[(&'static str, &'static [FieldDoc])],
        techniques: Vec<&'static str>,
        violations: Vec<&'static str>,
    ) -> Self {
        let mut fields: BTreeMap<&'static str, (Kind, Vec<&'static str>)> = BTreeMap::new();
        for (id, docs) in protocols {
            for doc in *docs {
                let kind = match doc.kind {
                    FieldKind::Number => Kind::Number,
                    FieldKind::Bool => Kind::Bool,
                    FieldKind::Text => Kind::Text,
                    FieldKind::Bytes => Kind::Bytes,
                    FieldKind::Time => Kind::Time,
                };
                let (_, of) = fields.entry(doc.name).or_insert_with(|| (kind, Vec::new()));
                if !of.contains(id) {
                    of.push(id);
                }
            }
        }
        let protocols = protocols.iter().map(|(id, _)| *id).collect();
        Self { fields, protocols, techniques, violations, addresses: &[] }
    }

    /// With fields whose values have addresses.
    #[must_use]
    pub fn with_addresses(self, addresses: &'static [Addressed]) -> Self {
        Self { addresses, ..self }
    }

    /// The fields that hold the addresses of a field's values.
    pub fn addresses_of(&self, field: Field) -> Option<&'static [&'static str]> {
        let name = field.name();
        let of = self.addresses.iter().find(|(start, of)| name.starts_with(start) && !of.contains(&name));
        of.map(|(_, of)| *of)
    }

    /// The starts of the names of fields that have addresses.
    pub fn addressed(&self) -> Vec<&'static str> {
        self.addresses.iter().map(|(start, _)| *start).collect()
    }

    /// A field by its name.
    ///
    /// # Errors
    /// In words, with the nearest known name.
    pub fn field(&self, name: &str) -> Result<(Field, Kind), String> {
        if let Some((name, kind, common)) = COMMON.iter().find(|(known, ..)| *known == name) {
            return Ok((Field::Common(*common, name), *kind));
        }
        if let Some((name, (kind, _))) = self.fields.get_key_value(name) {
            return Ok((Field::Named(name), *kind));
        }
        let known = COMMON.iter().map(|(name, ..)| *name).chain(self.fields.keys().copied());
        let near = nearest(name, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Err(format!("no field {name:?}{near}; `ot-sensor decode --fields` lists them"))
    }

    /// The protocols whose messages have a field; empty for fields of every message.
    pub fn protocols_of(&self, field: Field) -> &[&'static str] {
        match field {
            Field::Common(..) => &[],
            Field::Named(name) => self.fields.get(name).map_or(&[], |(_, of)| of),
        }
    }

    /// A protocol by its id.
    ///
    /// # Errors
    /// In words, with the known ids.
    pub fn protocol(&self, id: &str) -> Result<&'static str, String> {
        self.protocols.iter().find(|known| **known == id).copied().ok_or_else(|| {
            format!("no protocol {id:?}; known are {}, and tcp and udp for payload", self.protocols.join(", "))
        })
    }

    /// All protocols.
    pub fn protocols(&self) -> &[&'static str] {
        &self.protocols
    }

    /// A technique by its id.
    ///
    /// # Errors
    /// In words.
    pub fn technique(&self, id: &str) -> Result<&'static str, String> {
        self.techniques.iter().find(|known| known.eq_ignore_ascii_case(id)).copied().ok_or_else(|| {
            format!("{id:?} is no technique of ATT&CK for ICS; `ot-sensor catalogue attack --all` lists them")
        })
    }

    /// Whether a violation can have this id.
    pub fn is_violation(&self, id: &str) -> bool {
        self.violations.contains(&id)
    }
}
