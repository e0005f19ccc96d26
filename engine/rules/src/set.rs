//! All rules that are loaded.

use crate::parse::{self, Problem};
use crate::rule::{Rule, Subject};
use crate::vocabulary::Vocabulary;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{MessageWatch, RuleHit, Transport, Watched, WatchedPayload};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Rules in all.
pub const MOST_RULES: usize = 10_000;

/// Rules that are loaded together.
#[derive(Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: HashMap<Arc<str>, usize, FixedState>,
    by_protocol: BTreeMap<&'static str, Vec<usize>>,
    of_payload: Vec<usize>,
    digest: String,
}

impl RuleSet {
    /// Reads rules from files: name and text of each.
    ///
    /// # Errors
    /// All problems of all files.
    pub fn parse(files: &[(String, String)], vocabulary: &Vocabulary) -> Result<Self, Vec<Problem>> {
        let mut set = Self::default();
        let mut problems = Vec::new();
        let mut digest = Sha256::new();
        for (name, text) in files {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
            let (rules, found) = parse::file(name, text, vocabulary);
            problems.extend(found);
            for rule in rules {
                let problem = match set.by_id.get(&rule.id).and_then(|at| set.rules.get(*at)) {
                    Some(other) => format!("the id stands twice: also in {} line {}", other.file, other.line),
                    None if set.rules.len() >= MOST_RULES => format!("there are more than {MOST_RULES} rules"),
                    None => {
                        set.add(rule);
                        continue;
                    }
                };
                problems.push(Problem {
                    file: rule.file,
                    line: rule.line,
                    rule: Some(rule.id.to_string()),
                    text: problem,
                });
            }
        }
        set.digest = digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        if problems.is_empty() { Ok(set) } else { Err(problems) }
    }

    fn add(&mut self, rule: Rule) {
        let at = self.rules.len();
        self.by_id.insert(Arc::clone(&rule.id), at);
        match &rule.subject {
            Subject::Messages(protocols) => {
                for protocol in protocols {
                    self.by_protocol.entry(protocol).or_default().push(at);
                }
            }
            Subject::Payload { .. } => self.of_payload.push(at),
        }
        self.rules.push(rule);
    }

    /// All rules, in the order of their files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule by its id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(id).and_then(|at| self.rules.get(*at))
    }

    /// SHA-256 over the texts of all files.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn look<'a>(&'a self, list: &'a [usize]) -> impl Iterator<Item = &'a Rule> {
        list.iter().filter_map(|at| self.rules.get(*at))
    }
}

/// What enters the options of a run: other rules make another run.
impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules {}", self.rules.len(), self.digest)
    }
}

impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.rules == other.rules
    }
}

impl MessageWatch for RuleSet {
    fn wants(&self, protocol: &str) -> bool {
        // A conversation may turn out to speak the neighbour of the protocol it began with: s7comm and s7comm-plus.
        self.by_protocol.keys().any(|known| known.starts_with(protocol) || protocol.starts_with(known))
    }

    fn wants_payload(&self) -> bool {
        !self.of_payload.is_empty()
    }

    fn wants_ports(&self, transport: Transport, [a, b]: [u16; 2]) -> bool {
        self.look(&self.of_payload).any(|rule| {
            let on = |from: u16, to: u16| rule.source_port.has(from) && rule.destination_port.has(to);
            let fits = match (&rule.subject, transport) {
                (Subject::Payload { tcp, .. }, Transport::Tcp) => *tcp,
                (Subject::Payload { udp, .. }, Transport::Udp) => *udp,
                _ => false,
            };
            fits && (on(a, b) || on(b, a))
        })
    }

    fn message(&self, watched: &Watched<'_>, hits: &mut Vec<RuleHit>) {
        let Some(list) = self.by_protocol.get(watched.message.protocol) else { return };
        hits.extend(self.look(list).filter_map(|rule| rule.message(watched)));
    }

    fn payload(&self, watched: &WatchedPayload<'_>, hits: &mut Vec<RuleHit>) {
        hits.extend(self.look(&self.of_payload).filter_map(|rule| rule.bytes(watched)));
    }
}
