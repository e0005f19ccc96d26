//! Functions of a protocol that the baseline does not hold.

use super::{Detector, function_key, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{Activity, ActivityKey, Operation, Outcome};

/// Rules of violations that leave no function to speak of: they are told by an alert of their own.
const NO_FUNCTION: [&str; 6] = [
    "modbus-exception-from-client",
    "modbus-function-zero",
    "dnp3-bad-checksum",
    "dnp3-bad-length",
    "dnp3-reserved-function",
    // An answer without a job.
    "s7-response-mismatch",
];

/// Codes of S7 functions that stand for units of the transport protocol (COTP).
const TRANSPORT: std::ops::RangeInclusive<u16> = 0x0100..=0x01ff;

/// Layers on which what is broken leaves no request.
const NO_REQUEST: [&str; 3] = ["mbap", "dnp3-link", "dnp3-transport"];

/// The alert type of a function that was not learned, by protocol.
fn kind_of(activity: &Activity) -> Option<&'static AlertType> {
    let vendor = activity.operation == Operation::Unknown || activity.function.code == 90;
    Some(match activity.protocol {
        "modbus" if vendor => catalogue::MODBUS_VENDOR_FUNCTION_NOT_LEARNED,
        "modbus" => catalogue::MODBUS_FUNCTION_NOT_LEARNED,
        "dnp3" if is_of_master(activity.function.code) => catalogue::DNP3_FUNCTION_NOT_LEARNED,
        _ if is_told_unasked(activity) => return None,
        // Transport units open and close the connection below; they have codes of their own.
        "s7comm" | "s7comm-plus" if TRANSPORT.contains(&activity.function.code) => return None,
        "s7comm" => return s7_kind_of(activity),
        // Who opens and closes sessions is told by the connection.
        "s7comm-plus" if activity.operation == Operation::Session => return None,
        "s7comm-plus" => catalogue::S7PLUS_OPERATION_NOT_LEARNED,
        _ => return None,
    })
}

/// Whether the server of an S7 conversation tells something by itself: the client used no function.
pub(super) fn is_told_unasked(activity: &Activity) -> bool {
    const NOTIFICATION: u16 = 0x33;
    const USER_DATA: std::ops::RangeInclusive<u16> = 0x0700..=0x07ff;
    let code = activity.function.code;
    match activity.protocol {
        "s7comm-plus" => code == NOTIFICATION,
        "s7comm" => USER_DATA.contains(&code) && activity.frames[0].number() == 0,
        _ => false,
    }
}

/// S7 jobs for blocks, program and mode; and user data. Reads and writes are told by what they address.
fn s7_kind_of(activity: &Activity) -> Option<&'static AlertType> {
    match (activity.function.code, activity.operation) {
        (0x1a..=0x1f | 0x28 | 0x29, _) => Some(catalogue::S7_CONTROL_NOT_LEARNED),
        (_, Operation::Session) | (4 | 5, Operation::Read | Operation::Write | Operation::Control) => None,
        _ => Some(catalogue::S7_USER_FUNCTION_NOT_LEARNED),
    }
}

/// The function of DNP3 that an outstation uses by itself.
const UNSOLICITED: u16 = 130;

/// Whether a DNP3 function is one that a master decides to use, or an unsolicited response, which an outstation may forge as
/// well: not a confirmation, a response to a request, or a function of the link layer (256 and more).
fn is_of_master(code: u16) -> bool {
    const CONFIRM: u16 = 0;
    (code != CONFIRM && code < 129) || code == UNSOLICITED
}

/// Whether the server never spoke, and whether it answers cannot be seen: a mirror port that shows one direction.
pub(super) fn is_invisible(seen: &Seen<'_>) -> bool {
    seen.server_id().is_none() && seen.activity.outcome == Outcome::Pending
}

/// Whether the function may change something: what a client reads of a server that cannot be seen says nothing.
fn may_change(activity: &Activity) -> bool {
    activity.operation.changes() || matches!(activity.operation, Operation::Diagnose | Operation::Unknown)
}

/// Whether it is an unsolicited response, and the baseline allows the master to turn them on: the first event may come late.
fn is_turned_on(core: &Core, seen: &Seen<'_>) -> bool {
    const ENABLE_UNSOLICITED: u16 = 20;
    let activity = seen.activity;
    activity.protocol == "dnp3"
        && activity.function.code == UNSOLICITED
        && core
            .baseline
            .find(&EntryKey { function: Some(ENABLE_UNSOLICITED), ..function_key(seen) })
            .is_some_and(|entry| entry.allowed)
}

/// Learns the functions that each client uses of each server.
pub struct Functions;

impl Detector for Functions {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::MODBUS_FUNCTION_NOT_LEARNED,
            catalogue::MODBUS_VENDOR_FUNCTION_NOT_LEARNED,
            catalogue::DNP3_FUNCTION_NOT_LEARNED,
            catalogue::S7_CONTROL_NOT_LEARNED,
            catalogue::S7_USER_FUNCTION_NOT_LEARNED,
            catalogue::S7PLUS_OPERATION_NOT_LEARNED,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let invisible = is_invisible(seen);
        if seen.server_id().is_none() && !(invisible && may_change(activity)) {
            return;
        }
        if core.learning_at(seen.times[1]) && !seen.answered() && !invisible {
            return;
        }
        // A server that is no device is known by its address.
        let address = || Some(format!("{} {}", seen.server.ip?, activity.server.sub).trim_end().into());
        let key = EntryKey { text: if invisible { address() } else { None }, ..function_key(seen) };
        // What is no request by its header or its function code is told as malformed: it uses no function.
        if !seen.is_of_client() {
            return;
        }
        if activity
            .violations
            .iter()
            .any(|violation| NO_FUNCTION.contains(&violation.rule) || NO_REQUEST.contains(&violation.layer))
        {
            return;
        }
        // Which operation a control asks for is no part of the function.
        let label = activity.function.name.split_once(": ").filter(|_| activity.protocol == "dnp3");
        let label = label.map_or(activity.function.name, |(name, _)| name);
        let Some(met) = core.observe(key, label, seen.times, seen.count, seen.frames[0]) else {
            return;
        };
        let Some(kind) = kind_of(activity).filter(|_| !met.allowed) else { return };
        if is_turned_on(core, seen) {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let learned = learned_functions(core, seen);
        let text = || {
            let function = words::function(activity);
            let deed = words::deed(activity, None)
                .map(|deed| format!(": it {}", deed.told(activity.outcome)))
                .unwrap_or_default();
            // What an outstation sends by itself.
            let reported = activity.protocol == "dnp3" && activity.function.code == UNSOLICITED;
            Text {
                description: if reported {
                    let what = words::target(&activity.target);
                    let what = if what.is_empty() { String::new() } else { format!(" on {what}") };
                    format!("{server} sent {client} an unsolicited response{what} for the first time.")
                } else {
                    format!(
                        "{client} used {function} on {server} for the first time{deed}; {}.",
                        words::outcome(activity.outcome)
                    )
                },
                why: if learned.is_empty() {
                    format!("The baseline holds no function that {client} may use on {server}.")
                } else {
                    format!("The baseline allows {client} to use on {server} only {learned}.")
                },
                detail: format!("{function} is not in the baseline; {}", words::outcome(activity.outcome)),
                function,
                object: words::target(&activity.target),
                value: words::values(&activity.values),
            }
        };
        let id = row(&[
            u64::from(activity.function.code),
            activity.function.sub.map_or(u64::MAX, u64::from),
            u64::from(activity.target.start),
            u64::from(activity.target.count),
            u64::from(ActivityKey::outcome(activity.outcome)),
        ]);
        core.raise(&of_activity(kind, seen, &[met.entry], id, &text));
    }
}

/// `Read Holding Registers (function 3, learned 4120 times, baseline entry 7); …`.
fn learned_functions(core: &Core, seen: &Seen<'_>) -> String {
    let (Some(client), Some(server)) = (seen.client_id(), seen.server_id()) else { return String::new() };
    let mut list: Vec<String> = core
        .baseline
        .between(client, server)
        .filter(|entry| entry.key.kind == EntryKind::Function && entry.allowed)
        .map(|entry| {
            let (code, sub) = (entry.key.function.unwrap_or_default(), entry.key.subfunction);
            format!(
                "{} ({}, learned {}, baseline entry {})",
                entry.label,
                words::codes(entry.key.protocol, code, sub),
                words::times(entry.learned_count),
                entry.id.0
            )
        })
        .collect();
    let more = list.len().saturating_sub(6);
    list.truncate(6);
    let mut text = list.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, dnp3, s7, s7_write, s7plus_tag, violation, write};
    use ot_protocol::{Activity, Function, Operation, Outcome, Values};

    #[test]
    fn a_new_function_is_told_with_what_was_learned() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.end_of_second(100);
        let command = write(10, 11, "coils", 3, Values::Bits(vec![false]));
        plant.act(101, Activity { outcome: Outcome::Rejected(1, "Illegal Function"), ..command });
        let alerts = plant.alerts_of("modbus-function-not-learned");
        assert_eq!(alerts.len(), 1);
        assert_eq!(
            alerts[0].description,
            "10.0.0.10 used Write Single Coil (function 5) on 10.0.0.11 unit 1 for the first time: it tried to switch coil 3 \
             off; the device refused it (Illegal Function, code 1)."
        );
        assert_eq!(
            alerts[0].why,
            "The baseline allows 10.0.0.10 to use on 10.0.0.11 unit 1 only Read Holding Registers (function 3, learned once, \
             baseline entry 4)."
        );
    }

    #[test]
    fn what_is_no_request_uses_no_function() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        let broken = Activity {
            operation: Operation::Unknown,
            violations: vec![violation("modbus-exception-from-client")],
            ..write(10, 11, "coils", 3, Values::None)
        };
        plant.act(2, broken);
        assert!(plant.alerts_of("modbus-vendor-function-not-learned").is_empty());
        assert_eq!(plant.alerts_of("modbus-exception-from-client").len(), 1);
    }

    #[test]
    fn functions_of_dnp3_have_a_type_of_their_own() {
        let mut plant = Plant::learning_until(100);
        plant.act(1, dnp3(10, 11, 1, "Read", Operation::Read));
        plant.end_of_second(100);
        plant.act(101, dnp3(10, 11, 1, "Read", Operation::Read));
        assert!(plant.alerts_of("dnp3-function-not-learned").is_empty());
        plant.act(102, dnp3(10, 11, 13, "Cold Restart", Operation::Restart));
        let alerts = plant.alerts_of("dnp3-function-not-learned");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("used Cold Restart (function 13) on"), "{}", alerts[0].description);
        assert!(plant.alerts_of("modbus-function-not-learned").is_empty());
    }

    #[test]
    fn functions_of_s7_are_told_by_what_they_are_for() {
        let stop = || s7(10, 11, Operation::ModeStop, Function { code: 0x29, sub: None, name: "PLC Stop" });
        let list = || s7(10, 11, Operation::Identify, Function { code: 0x704, sub: Some(1), name: "Read SZL" });
        let mut plant = Plant::learning_until(100);
        plant.act(1, stop());
        plant.act(2, list());
        plant.act(3, s7plus_tag(10, 11, Operation::Read, 7));
        plant.end_of_second(100);
        plant.act(101, stop());
        plant.act(102, list());
        plant.act(103, s7plus_tag(10, 11, Operation::Read, 7));
        plant.act(104, s7_write(10, 11, 1, 0, 1.0));
        let kinds = ["s7-control-not-learned", "s7-user-function-not-learned", "s7plus-operation-not-learned"];
        for kind in kinds {
            assert!(plant.alerts_of(kind).is_empty(), "{kind}");
        }
        plant.act(105, s7(10, 12, Operation::ModeStop, stop().function));
        plant.act(106, Activity { function: Function { sub: Some(2), ..list().function }, ..list() });
        // What a controller tells by itself is no function of the client.
        let told = Function { code: 0x33, sub: None, name: "Notification" };
        plant.act(107, Activity { protocol: "s7comm-plus", ..s7(10, 11, Operation::Read, told) });
        let close = Function { code: 0x4d4, sub: None, name: "DeleteObject" };
        plant.act(107, Activity { protocol: "s7comm-plus", ..s7(10, 11, Operation::Session, close) });
        let connect = Function { code: 0x1e0, sub: None, name: "Connection Request" };
        plant.act(107, s7(10, 11, Operation::Session, connect));
        plant.act(107, s7(10, 11, Operation::Unknown, Function { code: 0x100, sub: None, name: "damaged packet" }));
        let set = Function { code: 0x542, sub: None, name: "SetMultiVariables" };
        plant.act(107, Activity { function: set, ..s7plus_tag(10, 11, Operation::Write, 7) });
        let told =
            kinds.map(|kind| plant.alerts_of(kind).into_iter().map(|alert| alert.description).collect::<Vec<_>>());
        assert!(told.iter().all(|list| list.len() == 1), "{told:?}");
        assert!(told[0][0].contains("used PLC Stop (function 0x29) on 10.0.0.12"), "{}", told[0][0]);
        let why = &plant.alerts_of("s7plus-operation-not-learned")[0].why;
        assert!(why.contains("GetMultiVariables (function 0x054c, learned once"), "{why}");
    }

    #[test]
    fn confirmations_and_link_functions_of_dnp3_are_nobodys_decision() {
        for (code, told) in [(0, 0), (1, 1), (129, 0), (130, 1), (131, 0), (0x109, 0)] {
            let mut plant = Plant::operational();
            plant.act(1, dnp3(10, 11, code, "Some Function", Operation::Session));
            assert_eq!(plant.alerts_of("dnp3-function-not-learned").len(), told, "{code}");
        }
    }

    #[test]
    fn commands_to_a_server_that_cannot_be_seen_are_told_by_its_address() {
        let pending =
            |code, operation| Activity { outcome: Outcome::Pending, ..dnp3(10, 12, code, "Some Function", operation) };
        let mut plant = Plant::learning_until(100);
        plant.act(1, pending(5, Operation::Control));
        plant.end_of_second(100);
        plant.act(101, pending(5, Operation::Control));
        plant.act(102, pending(1, Operation::Read));
        assert!(plant.alerts_of("dnp3-function-not-learned").is_empty());
        plant.act(103, pending(13, Operation::Restart));
        assert_eq!(plant.alerts_of("dnp3-function-not-learned").len(), 1);
    }

    #[test]
    fn an_operator_who_closes_may_trip() {
        let operate = |name, octet| {
            let activity = dnp3(10, 11, 5, name, Operation::Control);
            Activity { function: Function { sub: Some(octet), ..activity.function }, ..activity }
        };
        let mut plant = Plant::learning_until(100);
        plant.act(1, operate("Direct Operate: Close", 0x41));
        plant.end_of_second(100);
        plant.act(101, operate("Direct Operate: Trip", 0x81));
        assert!(plant.alerts_of("dnp3-function-not-learned").is_empty());
        plant.act(102, dnp3(10, 11, 13, "Cold Restart", Operation::Restart));
        let alerts = plant.alerts_of("dnp3-function-not-learned");
        assert!(alerts[0].why.contains("only Direct Operate (function 5, learned once"), "{}", alerts[0].why);
    }

    #[test]
    fn events_may_come_late_where_reports_are_turned_on() {
        for (learned, told) in [(20, 0), (1, 1)] {
            let mut plant = Plant::learning_until(100);
            plant.act(1, dnp3(10, 11, learned, "Some Function", Operation::CommsOn));
            plant.end_of_second(100);
            plant.act(101, dnp3(10, 11, 130, "Unsolicited Response", Operation::Read));
            assert_eq!(plant.alerts_of("dnp3-function-not-learned").len(), told, "{learned}");
        }
    }

    #[test]
    fn what_was_not_learned_with_an_alert_is_told_by_another() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.end_of_second(100);
        plant.act(101, write(10, 11, "coils", 3, Values::Bits(vec![true])));
        let first = plant.alerts_of("modbus-function-not-learned")[0].clone();
        plant.learn(&first.id);
        plant.act(102, write(10, 11, "coils", 3, Values::Bits(vec![true])));
        assert_eq!(plant.alerts_of("modbus-function-not-learned").len(), 1);
        plant.act(103, write(10, 11, "holding-registers", 3, Values::Words(vec![1])));
        let alerts = plant.alerts_of("modbus-function-not-learned");
        assert_eq!(alerts.iter().map(|alert| (alert.opening, alert.count)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
        assert_eq!(alerts[0].status, crate::model::Status::Closed);
        assert_eq!(alerts[1].status, crate::model::Status::New);
        // The open one goes on after a restart of the sensor.
        let mut plant = plant.restart();
        plant.act(104, write(10, 11, "holding-registers", 3, Values::Words(vec![1])));
        assert_eq!(plant.alerts_of("modbus-function-not-learned")[0].count, 2);
    }
}
