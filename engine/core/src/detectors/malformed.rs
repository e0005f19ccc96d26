//! Messages that depart from the protocol's specification.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::{Outcome, SessionId};

/// Raises the alert that a violation names, and tells sessions with many of them.
pub struct Malformed {
    burst: WindowCount<SessionId>,
    limit: Threshold,
}

impl Malformed {
    /// With the configured burst.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::MALFORMED_BURST, Threshold { count: 2, seconds: 600 });
        Self { burst: WindowCount::new(limit.seconds, config.limits.window_keys), limit }
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
            malformed |= !mismatch;
            let protocol = words::with_article(words::protocol(activity.protocol));
            // An answer that fits no request has no outcome of its own.
            let outcome = match activity.outcome {
                _ if mismatch => String::new(),
                Outcome::Pending => String::new(),
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
            core.raise(&of_activity(kind, seen, &[], id, &text));
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
        vec![("malformed-windows-evicted", self.burst.evicted)]
    }
}

fn text_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, s7_write, violation, write};
    use ot_protocol::{Activity, Values};

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
}
