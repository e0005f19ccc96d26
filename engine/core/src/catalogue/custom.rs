//! Rules that people of the site write.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques};

pub(super) const CUSTOM_RULE: AlertType = AlertType {
    number: AlertTypeId::CUSTOM_RULE,
    id: "custom-rule",
    title: "Custom rule matched",
    engine: EngineKind::PolicyViolation,
    category: "custom",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Rule, Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByRule(&[]),
    protocols: &[],
    sees: "Traffic satisfies a rule that somebody of the site wrote or imported.",
    why_it_matters: "The rule says what must not happen in this plant: a limit that nobody may exceed, a command that \
        only one station may send, a time at which nobody works. The sensor cannot know that by itself.",
    evidence: "The rule with its file and line, the conditions that held with the values found, both devices, the frame, \
        and how often it happened within the rule's window. Severity and techniques are those of the rule.",
    false_alarms: "A rule that is wider than meant. `ot-sensor rules test` shows on captures of normal operation what it \
        would tell.",
    remediation: &[
        "Read the rule and its references: who wrote it, and what it is to prevent.",
        "Compare the values in the alert with what the plant should be doing at that time.",
        "Ask the user of the sending device whether it was planned.",
        "If it was not, treat it as the rule intends: undo the change, or disconnect the sending device.",
        "If the rule is wider than meant, narrow it and try it with `ot-sensor rules test` before it is loaded again.",
    ],
};
