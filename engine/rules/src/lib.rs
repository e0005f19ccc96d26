//! Rules that a person writes: on any decoded field by the name that `decode` prints, or on payload.
//!
//! [`RuleSet::parse`] reads and checks files (TOML; the README has the language) and tells every problem with file, line
//! and reason. A [`RuleSet`] is a [`ot_protocol::MessageWatch`]: lanes show it the messages of the protocols that a rule
//! names, and it tells a [`ot_protocol::RuleHit`] for each rule that a message alone satisfies. What needs more than the
//! message (names of devices, tags, zones, time of day, counts) is decided by the engine. [`import`] converts rules of
//! Suricata and Snort.
//!
//! Nothing here panics on any text or payload, and nothing reads a clock.

pub mod condition;
pub mod expression;
pub mod import;
pub mod names;
pub mod parse;
pub mod payload;
pub mod peers;
pub mod rule;
pub mod schedule;
pub mod set;
pub mod template;
pub mod vocabulary;

pub use parse::Problem;
pub use peers::Known;
pub use rule::{By, Level, Rule, Subject};
pub use schedule::SiteClock;
pub use set::RuleSet;
pub use vocabulary::Vocabulary;
