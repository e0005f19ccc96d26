//! A file of rules, and rules of Suricata or Snort: any text. What is read is held against messages and payload; what is
//! converted must be right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_protocol::{FrameRef, Message, MessageWatch, SessionId, Timestamp, Transport, Watched, WatchedPayload};
use ot_rules::import::{Variables, import};
use ot_rules::{RuleSet, Vocabulary};
use std::sync::LazyLock;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(ot_sensor::rules::vocabulary);

static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(ot_fuzz::messages);

const PAYLOADS: [&[u8]; 4] = [&[], &[0, 1, 0, 0, 0, 6, 1, 8, 0, 4, 0, 0], &[b'a'; 1400], &[0xff; 9]];

fuzz_target!(|text: &str| {
    match RuleSet::parse(&[("rules.toml".to_owned(), text.to_owned())], &VOCABULARY) {
        Ok(set) => hold(&set),
        Err(problems) => assert!(!problems.is_empty() && problems.iter().all(|problem| problem.line > 0)),
    }
    let mut variables = Variables::default();
    variables.read(text);
    let imported = import(&[("old.rules".to_owned(), text.to_owned())], &variables, true);
    assert!(imported.refused.iter().all(|refused| !refused.reason.is_empty()));
    match RuleSet::parse(&[("new.toml".to_owned(), imported.toml.clone())], &VOCABULARY) {
        Ok(set) => hold(&set),
        Err(problems) => assert!(imported.converted == 0, "{problems:?}\n{}", imported.toml),
    }
});

fn hold(set: &RuleSet) {
    let mut hits = Vec::new();
    for (message, wire) in MESSAGES.iter().zip(PAYLOADS) {
        let transport = Transport::Tcp;
        let watched = Watched { message, wire, session: SessionId(1), transport, from_client: true };
        set.message(&watched, &mut hits);
    }
    for (bytes, transport) in PAYLOADS.into_iter().zip([Transport::Tcp, Transport::Udp].into_iter().cycle()) {
        let watched = WatchedPayload {
            bytes,
            session: SessionId(1),
            transport,
            time: Timestamp::default(),
            frame: FrameRef::default(),
            source: MESSAGES[0].source,
            destination: MESSAGES[0].destination,
            from_client: false,
        };
        set.payload(&watched, &mut hits);
    }
    for hit in &hits {
        let rule = set.rule(&hit.rule).expect("a hit is of a rule");
        let _ = rule.message.fill(|name| hit.values.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone()));
    }
}
