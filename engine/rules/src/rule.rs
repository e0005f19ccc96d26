//! A rule, checked and ready to be held against messages.

use crate::condition::{self, Condition};
use crate::payload::{self, Step};
use crate::peers::Peers;
use crate::schedule::Schedule;
use crate::template::Template;
use crate::vocabulary::Field;
use ot_protocol::{Endpoint, FieldValue, Nanos, Outcome, RuleHit, Transport, Watched, WatchedPayload};
use std::fmt::Write as _;
use std::sync::Arc;

/// How urgent what a rule tells is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Warning,
    /// Look when there is time.
    Minor,
    /// Look today.
    Major,
    /// Look now.
    Critical,
}

impl Level {
    /// All, least urgent first.
    pub const ALL: [Self; 4] = [Self::Warning, Self::Minor, Self::Major, Self::Critical];

    /// Its name in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Messages of these protocols.
    Messages(Vec<&'static str>),
    /// Payload of TCP, of UDP, or of both.
    Payload {
        /// TCP.
        tcp: bool,
        /// UDP.
        udp: bool,
    },
}

/// Ports: in the first list (or that list is empty), and not in the second. Both ends of a range count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ports {
    /// One of these.
    pub any: Vec<(u16, u16)>,
    /// None of these.
    pub none: Vec<(u16, u16)>,
}

impl Ports {
    /// Whether a port is one of them.
    pub fn has(&self, port: u16) -> bool {
        let within = |list: &[(u16, u16)]| list.iter().any(|(from, to)| (*from..=*to).contains(&port));
        (self.any.is_empty() || within(&self.any)) && !within(&self.none)
    }

    /// Whether every port is.
    pub fn is_any(&self) -> bool {
        self.any.is_empty() && self.none.is_empty()
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Messages of one sender.
    Source,
    /// Messages to one receiver.
    Destination,
    /// Messages between two.
    Pair,
    /// All.
    Rule,
}

/// How often within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// At least so often; then counting begins anew.
    pub at_least: u32,
    /// Within this span of packet time.
    pub within: Nanos,
    /// What is counted together.
    pub by: By,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that asks.
    Client,
    /// The one that answers.
    Server,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its id, unique among all that are loaded.
    pub id: Arc<str>,
    /// For a list.
    pub title: String,
    /// The file it stands in, and the line on which it begins.
    pub file: Arc<str>,
    /// Line.
    pub line: usize,
    /// How urgent.
    pub level: Level,
    /// What it looks at.
    pub subject: Subject,
    /// Who sent the message, where that matters.
    pub from: Option<Side>,
    /// Who sent it.
    pub source: Peers,
    /// To whom.
    pub destination: Peers,
    /// Port of the sender.
    pub source_port: Ports,
    /// Port of the receiver.
    pub destination_port: Ports,
    /// Condition on fields.
    pub when: Option<Condition>,
    /// Pattern of bytes.
    pub payload: Vec<Step>,
    /// When it holds.
    pub schedule: Schedule,
    /// How often within which time.
    pub count: Option<Count>,
    /// What it tells.
    pub message: Template,
    /// Techniques of ATT&CK for ICS.
    pub techniques: Vec<&'static str>,
    /// Whether it makes a line of the timeline instead of an alert.
    pub event: bool,
    /// Where to read more.
    pub references: Vec<String>,
    /// The fields whose values it tells.
    pub(crate) shown: Vec<Field>,
}

/// Bytes of payload shown in a message.
const SHOWN_BYTES: usize = 48;

impl Rule {
    /// A number for its id, the same on every run.
    pub fn number(&self) -> u64 {
        // FNV-1a, cut to what every store keeps.
        let hash = self
            .id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        hash >> 1
    }

    /// The protocols or transports it looks at, for people.
    pub fn subject_names(&self) -> Vec<&'static str> {
        match &self.subject {
            Subject::Messages(protocols) => protocols.clone(),
            Subject::Payload { tcp, udp } => {
                [("tcp", *tcp), ("udp", *udp)].into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
            }
        }
    }

    /// Whether it looks at the payload of every conversation.
    pub fn looks_at_all_payload(&self) -> bool {
        matches!(self.subject, Subject::Payload { .. }) && self.source_port.is_any() && self.destination_port.is_any()
    }

    /// Whether ends and sender fit, as far as addresses tell.
    fn can_be(&self, source: &Endpoint, destination: &Endpoint, from_client: bool) -> bool {
        self.from.is_none_or(|side| (side == Side::Client) == from_client)
            && self.source_port.has(source.port)
            && self.destination_port.has(destination.port)
            && self.source.can_be(source)
            && self.destination.can_be(destination)
    }

    /// Holds it against a message of one of its protocols.
    pub(crate) fn message(&self, watched: &Watched<'_>) -> Option<RuleHit> {
        let message = watched.message;
        if !self.can_be(&message.source, &message.destination, watched.from_client)
            || !self.when.as_ref().is_none_or(|condition| condition.holds(message))
            || !(self.payload.is_empty() || payload::matches(&self.payload, watched.wire))
        {
            return None;
        }
        let mut because = Vec::new();
        if let Some(condition) = &self.when {
            condition.explain(message, &mut because);
        }
        self.explain(watched.wire, &mut because);
        let mut values: Vec<(&'static str, String)> = self
            .shown
            .iter()
            .filter_map(|field| condition::show(message, *field).map(|value| (field.name(), value)))
            .collect();
        self.show_payload(watched.wire, &mut values);
        Some(RuleHit {
            rule: Arc::clone(&self.id),
            session: watched.session,
            time: message.time,
            frame: message.frame,
            protocol: Some(message.protocol),
            transport: watched.transport,
            source: message.source,
            destination: message.destination,
            from_client: watched.from_client,
            operation: message.operation,
            outcome: message.outcome.filter(|outcome| matches!(outcome, Outcome::Ok | Outcome::Rejected(..))),
            because: because.join(", "),
            values,
        })
    }

    /// Holds it against payload.
    pub(crate) fn bytes(&self, watched: &WatchedPayload<'_>) -> Option<RuleHit> {
        let Subject::Payload { tcp, udp } = self.subject else { return None };
        let fits = match watched.transport {
            Transport::Tcp => tcp,
            Transport::Udp => udp,
            _ => false,
        };
        if !fits
            || !self.can_be(&watched.source, &watched.destination, watched.from_client)
            || !payload::matches(&self.payload, watched.bytes)
        {
            return None;
        }
        let mut because = Vec::new();
        self.explain(watched.bytes, &mut because);
        let mut values = Vec::new();
        self.show_payload(watched.bytes, &mut values);
        Some(RuleHit {
            rule: Arc::clone(&self.id),
            session: watched.session,
            time: watched.time,
            frame: watched.frame,
            protocol: None,
            transport: watched.transport,
            source: watched.source,
            destination: watched.destination,
            from_client: watched.from_client,
            operation: None,
            outcome: None,
            because: because.join(", "),
            values,
        })
    }

    fn explain(&self, bytes: &[u8], told: &mut Vec<String>) {
        if self.payload.is_empty() {
            return;
        }
        let steps: Vec<String> = self.payload.iter().map(Step::describe).take(6).collect();
        told.push(format!("payload of {} bytes: {}", bytes.len(), steps.join(", ")));
    }

    fn show_payload(&self, bytes: &[u8], values: &mut Vec<(&'static str, String)>) {
        if self.message.shows_payload() {
            let mut text = FieldValue::Bytes(bytes.iter().take(SHOWN_BYTES).copied().collect()).to_string();
            if bytes.len() > SHOWN_BYTES {
                let _ = write!(text, " … ({} bytes)", bytes.len());
            }
            values.push(("payload", text));
        }
    }
}
