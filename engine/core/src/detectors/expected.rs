//! Maintenance windows over all detectors: a detection within a window that covers it is expected, and an alert only while
//! all of its detections are.

use super::testing::{Plant, at, write};
use crate::changes::Action;
use crate::maintenance::{Plan, Selector};
use ot_protocol::{Operation, Outcome, Values};
use proptest::prelude::*;

fn plan(ticket: &str, device: &str, start: i64, end: i64) -> Plan {
    Plan {
        ticket: ticket.to_owned(),
        devices: vec![Selector::parse(device).unwrap()],
        by: Vec::new(),
        kinds: Vec::new(),
        start: at(start),
        end: at(end),
        note: "cabinet 4".to_owned(),
    }
}

fn add(plant: &mut Plant, act: u64, plan: Plan) {
    plant.command(act, None, Action::MaintenanceAdd(Box::new(plan))).unwrap();
}

fn coil(point: u32) -> ot_protocol::Activity {
    write(5, 10, "coils", point, Values::Numbers(vec![1.0]))
}

/// A plant in which nothing is learned but that 10.0.0.1 polls 10.0.0.10.
fn plant() -> Plant {
    let mut plant = Plant::learning_until(100);
    plant.poll(10, 1, 10);
    plant.end_of_second(100);
    plant
}

#[test]
fn an_alert_is_expected_until_the_same_is_done_after_the_window() {
    let mut plant = plant();
    add(&mut plant, 1, plan("CHG-1", "10.0.0.10", 200, 300));
    plant.end_of_second(210);
    plant.act(210, coil(3));
    let within = plant.alerts();
    assert!(within.iter().any(|alert| alert.count > 0), "{within:?}");
    for alert in &within {
        let own = alert.sources.iter().chain(&alert.destinations).any(|peer| peer.ip == "10.0.0.10".parse().ok());
        assert_eq!(alert.is_expected(), own, "{}", alert.kind.id);
    }
    plant.end_of_second(301);
    plant.act(301, coil(3));
    for alert in plant.alerts().iter().filter(|alert| alert.last_detection == at(301)) {
        assert!(!alert.is_expected(), "{}", alert.kind.id);
        assert!(alert.expected > 0 || alert.first_detection == at(301), "what was marked stays marked");
    }
    let acts: Vec<_> = plant.acts.iter().map(|act| (act.action, act.time, act.why.as_str())).collect();
    assert!(
        acts.iter().any(|act| act.0 == "expected" && act.1 == at(210) && act.2.contains("CHG-1, planned by operator"))
    );
    assert!(acts.iter().any(|act| act.0 == "not-expected" && act.1 == at(301)), "{acts:?}");
}

#[test]
fn a_window_that_is_removed_marks_nothing_more_and_one_that_names_others_nothing_at_all() {
    let mut plant = plant();
    add(&mut plant, 1, plan("CHG-1", "10.0.0.10", 200, 300));
    let others = Plan { by: vec![Selector::parse("10.0.0.6").unwrap()], ..plan("CHG-2", "10.0.0.10", 200, 300) };
    plant.end_of_second(210);
    plant.act(210, coil(3));
    let marked: u64 = plant.alerts().iter().map(|alert| alert.expected).sum();
    assert!(marked > 0);
    plant.command(2, None, Action::MaintenanceRemove(1)).unwrap();
    add(&mut plant, 3, others);
    plant.end_of_second(220);
    plant.act(220, coil(4));
    let alerts = plant.alerts();
    assert_eq!(alerts.iter().map(|alert| alert.expected).sum::<u64>(), marked);
    assert!(alerts.iter().filter(|alert| alert.last_detection == at(220)).all(|alert| !alert.is_expected()));
}

#[test]
fn kinds_that_are_not_planned_are_not_expected() {
    let mut plant = plant();
    let kinds = vec![Operation::ProgramWrite];
    add(&mut plant, 1, Plan { kinds, ..plan("CHG-1", "10.0.0.10", 200, 300) });
    plant.end_of_second(210);
    plant.poll(210, 7, 10);
    let read = plant.alerts();
    let of_pair = |alert: &&crate::model::Alert| !alert.destinations.is_empty();
    assert!(read.iter().any(|alert| alert.is_expected()), "reading comes with any work: {read:?}");
    assert!(read.iter().filter(of_pair).all(|alert| alert.is_expected()));
    plant.end_of_second(220);
    plant.act(220, coil(3));
    let alerts = plant.alerts();
    let written: Vec<_> = alerts.iter().filter(|alert| alert.last_detection == at(220)).collect();
    assert!(written.len() > 1 && written.iter().all(|alert| !alert.is_expected()), "{written:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Detections, whether told one by one or folded, are expected exactly where they lie in a window; shares and rows add
    /// up to that.
    #[test]
    fn expected_are_those_within_windows(
        windows in prop::collection::vec((0_i64..120, 1_i64..40), 0..4),
        steps in prop::collection::vec((1_i64..20, any::<bool>()), 1..30),
    ) {
        let mut plant = plant();
        for (act, (start, length)) in (1..).zip(&windows) {
            let ticket = format!("T-{act}");
            add(&mut plant, act, plan(&ticket, "10.0.0.0/28", 200 + start, 200 + start + length));
        }
        let (mut second, mut polls) = (199, Vec::new());
        for (step, writes) in steps {
            second += step;
            plant.end_of_second(second);
            if writes {
                plant.act(second, coil(3));
            } else if polls.is_empty() {
                polls.push(second);
                plant.poll(second, 7, 10);
            } else {
                polls.push(second);
                plant.repeat(second, 7, 10);
            }
        }
        plant.engine.finish();
        let within = |second: i64| windows.iter().any(|(start, length)| (start..&(start + length)).contains(&&(second - 200)));
        let (rows, alerts) = (plant.violations(), plant.alerts());
        for alert in &alerts {
            prop_assert_eq!(alert.shares.iter().map(|share| share.count).sum::<u64>(), alert.expected);
            let of_rows = rows.values().filter(|row| row.alert == alert.number).map(|row| row.expected).sum::<u64>();
            prop_assert_eq!(of_rows, alert.expected, "{}", alert.kind.id);
            prop_assert!(alert.expected <= alert.count);
            if within(alert.first_detection.epoch()) && alert.first_detection == alert.last_detection {
                prop_assert!(alert.is_expected(), "{}", alert.kind.id);
            }
        }
        // The function that was never read by this client is told with each read.
        let reads: Vec<_> = alerts.iter().filter(|alert| alert.kind.id == "modbus-function-not-learned" && alert.protocol == Some("modbus")
            && alert.sources.iter().any(|peer| peer.ip == "10.0.0.7".parse().ok())).collect();
        for alert in reads {
            prop_assert_eq!(alert.count, polls.len() as u64);
            let wanted = polls.iter().filter(|second| within(**second)).count() as u64;
            prop_assert_eq!(alert.expected, wanted);
            prop_assert_eq!(alert.is_expected(), polls.iter().all(|second| within(*second)));
        }
    }
}

/// A window needs no answer of a device: what is refused is covered as what is done.
#[test]
fn what_is_refused_is_covered_as_well() {
    let mut plant = plant();
    add(&mut plant, 1, plan("CHG-1", "10.0.0.10", 200, 300));
    plant.end_of_second(210);
    plant.act(210, ot_protocol::Activity { outcome: Outcome::Rejected(2, "illegal data address"), ..coil(3) });
    let alerts = plant.alerts();
    assert!(alerts.iter().any(|alert| alert.outcome == Some(Outcome::Rejected(2, "illegal data address"))));
    assert!(
        alerts.iter().filter(|alert| !alert.destinations.is_empty()).all(|alert| alert.is_expected()),
        "{alerts:?}"
    );
}
