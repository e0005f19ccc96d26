//! Conditions, as `decode --filter` and rules take them: any text, held against messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_protocol::Message;
use ot_rules::Vocabulary;
use ot_rules::condition::Condition;
use std::sync::LazyLock;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(ot_sensor::rules::vocabulary);
static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(ot_fuzz::messages);

fuzz_target!(|text: &str| {
    match ot_rules::expression::parse(text, &VOCABULARY) {
        Ok(condition) => {
            let reverse = Condition::Not(Box::new(condition.clone()));
            for message in MESSAGES.iter() {
                assert_ne!(condition.holds(message), reverse.holds(message), "neither holds nor does not hold");
            }
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
});
