//! Messages that depart from the protocol's specification.

use super::{Detector, of_activity, row, text_hash};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::Peer;
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::{Outcome, SessionId};

/// Raises the alert that a violation names, and tells sessions with many of them.
pub struct Malformed {
    burst: WindowCount<SessionId>,
    limit: Threshold,
    checksums: WindowCount<(Peer, Peer)>,
    checksum_limit: Threshold,
}

/// Messages that are formed well: what they say, or when, is wrong.
const WELL_FORMED: [&AlertType; 8] = [
    catalogue::MODBUS_RESPONSE_MISMATCH,
    catalogue::S7_RESPONSE_MISMATCH,
    catalogue::DNP3_ILLEGAL_OPERATION,
    catalogue::DNP3_OBSOLETE_INITIALIZE,
    catalogue::DNP3_OBSOLETE_SAVE_CONFIG,
    catalogue::DNP3_MASTER_ASKED_CONFIRM,
    catalogue::DNP3_RESERVED_IIN,
    catalogue::DNP3_OPERATE_WITHOUT_SELECT,
];

impl Malformed {
    /// With the configured burst.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::MALFORMED_BURST, Threshold { count: 2, seconds: 600 });
        let checksum_limit = config.threshold(catalogue::DNP3_BAD_CHECKSUM, Threshold { count: 2, seconds: 600 });
        let keys = config.limits.window_keys;
        Self {
            burst: WindowCount::new(limit.seconds, keys),
            limit,
            checksums: WindowCount::new(checksum_limit.seconds, keys),
            checksum_limit,
        }
    }
}

impl Detector for Malformed {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::MODBUS_BAD_HEADER,
            catalogue::MODBUS_BAD_QUANTITY,
            catalogue::MODBUS_EXCEPTION_FROM_CLIENT,
            catalogue::MODBUS_FUNCTION_ZERO,
            catalogue::MODBUS_RESPONSE_MISMATCH,
            catalogue::S7_BAD_HEADER,
            catalogue::S7_RESPONSE_MISMATCH,
            catalogue::DNP3_BAD_CHECKSUM,
            catalogue::DNP3_BAD_LENGTH,
            catalogue::DNP3_ILLEGAL_OPERATION,
            catalogue::DNP3_RESERVED_FUNCTION,
            catalogue::DNP3_OBSOLETE_INITIALIZE,
            catalogue::DNP3_OBSOLETE_SAVE_CONFIG,
            catalogue::DNP3_MASTER_ASKED_CONFIRM,
            catalogue::DNP3_BAD_FORMAT,
            catalogue::DNP3_RESERVED_IIN,
            catalogue::DNP3_OPERATE_WITHOUT_SELECT,
            catalogue::MALFORMED_BURST,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if activity.violations.is_empty() {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        let mut malformed = false;
        for violation in &activity.violations {
            let Some(kind) = catalogue::by_id(violation.rule) else {
                core.count("violations-without-alert-type", 1);
                continue;
            };
            let mismatch = [catalogue::MODBUS_RESPONSE_MISMATCH, catalogue::S7_RESPONSE_MISMATCH].contains(&kind);
            malformed |= !WELL_FORMED.contains(&kind);
            let protocol = words::with_article(words::protocol(activity.protocol));
            // An answer that fits no request has no outcome of its own.
            let outcome = match activity.outcome {
                _ if mismatch => String::new(),
                Outcome::Pending => String::new(),
                // What an outstation reports by itself is not accepted by it.
                Outcome::Ok if activity.protocol == "dnp3" && activity.function.code >= 129 => String::new(),
                outcome => format!("; {}", words::outcome(outcome)),
            };
            let text = || Text {
                description: if mismatch {
                    format!(
                        "{server} sent {client} {protocol} answer that does not fit what was asked, {function}: expected {}, found {}.",
                        violation.needed, violation.found
                    )
                } else {
                    format!(
                        "{} message between {client} and {server}, {function}, breaks the specification at byte {}: expected \
                         {}, found {}{outcome}.",
                        words::capital(&protocol),
                        violation.offset,
                        violation.needed,
                        violation.found
                    )
                },
                why: format!("Rule of the specification ({}): {}.", violation.layer, violation.reason),
                function: function.clone(),
                object: words::target(&activity.target),
                value: words::values(&activity.values),
                detail: format!("{}: expected {}, found {}", violation.reason, violation.needed, violation.found),
            };
            let id = row(&[
                u64::from(activity.function.code),
                u64::from(violation.offset),
                text_hash(&violation.reason),
                text_hash(&violation.found),
            ]);
            let mut finding = of_activity(kind, seen, &[], id, &text);
            if kind == catalogue::DNP3_BAD_CHECKSUM {
                let pair = (seen.client.clone(), seen.server.clone());
                let count = u32::try_from(seen.count).unwrap_or(u32::MAX);
                let sum = self.checksums.add(&pair, count, seen.times[1]);
                if sum < self.checksum_limit.count {
                    continue;
                }
                // Those before the limit are told with the one that reaches it.
                let first = sum.saturating_sub(count) < self.checksum_limit.count;
                finding.count = u64::from(if first { sum } else { count });
            }
            core.raise(&finding);
        }
        if !malformed {
            return;
        }
        let count = u32::try_from(seen.count).unwrap_or(u32::MAX);
        let messages = self.burst.add(&activity.session, count, seen.times[1]);
        if messages >= self.limit.count {
            let reasons: Vec<&str> = activity.violations.iter().map(|violation| violation.reason.as_ref()).collect();
            let text = || Text {
                description: format!(
                    "{client} and {server} exchanged {messages} malformed {} messages in one connection within {} s, and may \
                     go on. The last one breaks this rule: {}.",
                    words::protocol(activity.protocol),
                    self.limit.seconds,
                    reasons.first().copied().unwrap_or_default()
                ),
                why: format!(
                    "{} or more malformed messages in one connection within {} s.",
                    self.limit.count, self.limit.seconds
                ),
                function: function.clone(),
                object: words::target(&activity.target),
                value: String::new(),
                detail: reasons.join("; "),
            };
            let id = row(&[u64::from(activity.function.code), text_hash(&reasons.join(";"))]);
            core.raise(&of_activity(catalogue::MALFORMED_BURST, seen, &[], id, &text));
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("malformed-windows-evicted", self.burst.evicted + self.checksums.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, dnp3, s7_write, violation, write};
    use ot_protocol::{Activity, Operation, Values};

    #[test]
    fn an_answer_that_fits_no_request_is_told() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        for second in 2..5 {
            let violations = vec![violation("modbus-response-mismatch")];
            plant.act(second, Activity { violations, ..write(10, 11, "coils", 3, Values::None) });
        }
        let alerts = plant.alerts_of("modbus-response-mismatch");
        assert_eq!((alerts.len(), alerts[0].count), (1, 3));
        assert!(
            alerts[0].description.starts_with("10.0.0.11 unit 1 sent 10.0.0.10 a Modbus answer"),
            "{}",
            alerts[0].description
        );
        assert!(plant.alerts_of("malformed-burst").is_empty());
    }

    #[test]
    fn other_violations_and_clean_answers_are_no_mismatch() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        let violations = vec![violation("modbus-bad-quantity")];
        plant.act(2, Activity { violations, ..write(10, 11, "coils", 3, Values::None) });
        assert!(plant.alerts_of("modbus-response-mismatch").is_empty());
        assert_eq!(plant.alerts_of("modbus-bad-quantity").len(), 1);
    }

    #[test]
    fn s7_departures_are_told_by_what_they_are() {
        let s7 = |rule| Activity { violations: vec![violation(rule)], ..s7_write(10, 11, 10, 4, 17.0) };
        let mut plant = Plant::operational();
        plant.act(1, s7_write(10, 11, 10, 4, 17.0));
        assert!(plant.alerts_of("s7-bad-header").is_empty() && plant.alerts_of("s7-response-mismatch").is_empty());
        plant.act(2, s7("s7-response-mismatch"));
        let alerts = plant.alerts_of("s7-response-mismatch");
        assert!(alerts[0].description.contains("an S7 answer that does not fit"), "{}", alerts[0].description);
        assert!(plant.alerts_of("s7-bad-header").is_empty());
        plant.act(3, s7("s7-bad-header"));
        let alerts = plant.alerts_of("s7-bad-header");
        assert!(alerts[0].description.starts_with("An S7 message between 10.0.0.10 and"), "{}", alerts[0].description);
    }

    #[test]
    fn each_rule_of_dnp3_has_its_alert() {
        let rules = [
            "dnp3-bad-length",
            "dnp3-illegal-operation",
            "dnp3-reserved-function",
            "dnp3-obsolete-initialize",
            "dnp3-obsolete-save-config",
            "dnp3-master-asked-confirm",
            "dnp3-bad-format",
            "dnp3-reserved-iin",
            "dnp3-operate-without-select",
        ];
        for rule in rules {
            let mut plant = Plant::operational();
            let request = dnp3(10, 11, 1, "Read", Operation::Read);
            plant.act(1, request.clone());
            plant.act(2, Activity { violations: vec![violation(rule)], ..request });
            for other in rules {
                assert_eq!(plant.alerts_of(other).len(), usize::from(other == rule), "{other} of {rule}");
            }
        }
    }

    #[test]
    fn one_wrong_checksum_is_noise_and_two_are_told() {
        let mut plant = Plant::operational();
        let broken =
            Activity { violations: vec![violation("dnp3-bad-checksum")], ..dnp3(10, 11, 1, "Read", Operation::Read) };
        plant.act(1, broken.clone());
        plant.act(1_000, broken.clone());
        assert!(plant.alerts_of("dnp3-bad-checksum").is_empty());
        plant.act(1_001, broken.clone());
        plant.act(1_002, broken);
        assert_eq!(plant.alerts_of("dnp3-bad-checksum")[0].count, 3);
        assert!(plant.alerts_of("dnp3-function-not-learned").is_empty());
    }

    #[test]
    fn what_is_formed_well_makes_no_burst() {
        for (rule, bursts) in [("dnp3-master-asked-confirm", 0), ("dnp3-bad-format", 1)] {
            let mut plant = Plant::operational();
            for second in 1..5 {
                let violations = vec![violation(rule)];
                plant.act(second, Activity { violations, ..dnp3(10, 11, 1, "Read", Operation::Read) });
            }
            assert_eq!(plant.alerts_of("malformed-burst").len(), bursts, "{rule}");
        }
    }
}
