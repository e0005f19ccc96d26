//! Learning over all detectors: what is learned is silent, and what is taken back speaks.

use super::testing::{Plant, at, call, dnp3, read, s7_write, write};
use crate::changes::{Action, End, Learn, Reset};
use crate::config::{EngineConfig, Learning, Novelty};
use crate::model::{Alert, EntryId, EntryKind, Scope, Status};
use ot_protocol::{Activity, Function, Operation, Outcome, Values};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One thing that somebody does.
#[derive(Clone, Copy, Debug)]
struct Deed {
    client: u8,
    server: u8,
    what: u8,
    point: u32,
}

fn deed() -> impl Strategy<Value = Deed> {
    (20_u8..24, 10_u8..13, 0_u8..9, 0_u32..4).prop_map(|(client, server, what, point)| Deed {
        client,
        server,
        what,
        point,
    })
}

fn activity(deed: Deed) -> Option<Activity> {
    let Deed { client, server, what, point } = deed;
    Some(match what {
        0 => read(client, server, point * 10, 10),
        1 => write(client, server, "holding-registers", point, Values::Numbers(vec![f64::from(client)])),
        2 => write(client, server, "coils", point, Values::Numbers(vec![1.0])),
        3 => Activity { outcome: Outcome::Rejected(2, "Illegal Data Address"), ..read(client, server, 500 + point, 1) },
        4 => s7_write(client, server, point + 1, point * 2, 5.0),
        5 => dnp3(client, server, 13, "Cold Restart", Operation::Restart),
        6 => {
            let function = Function { code: 90, sub: Some(3), name: "UMAS: read project information" };
            call(client, server, Operation::ProgramRead, function)
        }
        7 => call(
            client,
            server,
            Operation::Unknown,
            Function { code: 40 + u16::try_from(point).unwrap(), sub: None, name: "other" },
        ),
        _ => return None,
    })
}

/// Does all of it, a second each, in connections of its own.
fn capture(plant: &mut Plant, deeds: &[Deed], from: i64) {
    let mut second = from;
    for &deed in deeds {
        second += 1;
        match activity(deed) {
            Some(activity) => plant.act(second, activity),
            None => plant.open(second, deed.client, deed.server, 8_000 + u16::try_from(deed.point).unwrap()),
        }
        plant.end_of_second(second);
    }
}

/// A plant that learned the first deeds and then saw the others.
fn seen(learned: &[Deed], deeds: &[Deed]) -> Plant {
    let mut plant = Plant::learning_until(100);
    capture(&mut plant, learned, 0);
    plant.end_of_second(150);
    capture(&mut plant, deeds, 200);
    plant
}

/// How often each violation came that departs from baseline entries. Scans and rates count for themselves.
fn counts(plant: &mut Plant) -> BTreeMap<(u32, u32), u64> {
    let kinds: BTreeMap<u32, bool> = plant
        .alerts()
        .iter()
        .map(|alert| (alert.number, alert.kind.learnable && alert.kind.threshold.is_none()))
        .collect();
    let rows = plant.violations().into_iter();
    rows.filter(|(row, violation)| kinds[&row.0] && !violation.entries.is_empty())
        .map(|(row, violation)| (row, violation.count))
        .collect()
}

fn delta(before: &BTreeMap<(u32, u32), u64>, after: &BTreeMap<(u32, u32), u64>) -> BTreeMap<(u32, u32), u64> {
    after.iter().map(|(row, count)| (*row, count - before.get(row).copied().unwrap_or(0))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// What a dry run says would be hidden is what is silent when the alert is learned and the same capture comes again; and
    /// when it is taken back, all of it is told again.
    #[test]
    fn a_dry_run_says_what_then_happens(
        learned in prop::collection::vec(deed(), 1..20),
        deeds in prop::collection::vec(deed(), 1..40),
        which in any::<prop::sample::Index>(),
        scope in prop::sample::select(Scope::ALL.to_vec()),
        by_act in any::<bool>(),
    ) {
        let mut plant = seen(&learned, &deeds);
        let alerts: Vec<Alert> = plant.alerts().into_iter().filter(|alert| alert.kind.learnable).collect();
        prop_assume!(!alerts.is_empty());
        let alert = which.get(&alerts).clone();

        // The same again, with nothing learned.
        let mut control = seen(&learned, &deeds);
        let first = counts(&mut control);
        capture(&mut control, &deeds, 1_000);
        // What is new only the second time (who is the second master of a server) is no matter of learning.
        let told: BTreeMap<(u32, u32), u64> =
            delta(&first, &counts(&mut control)).into_iter().filter(|(row, _)| first.contains_key(row)).collect();

        // The dry run: the act in memory, and each violation held against it.
        let mut dry = seen(&learned, &deeds);
        let rows = dry.violations();
        let kinds: BTreeMap<u32, _> = dry.alerts().iter().map(|alert| (alert.number, alert.kind)).collect();
        let action = Action::Learn(Learn { scope, span: None });
        prop_assume!(dry.command(1, Some(&alert.id), action.clone()).is_ok());
        let hidden = |row: &(u32, u32)| dry.engine.hides(kinds[&row.0], &rows[row].entries);

        // What then happens.
        plant.command(1, Some(&alert.id), action).unwrap();
        capture(&mut plant, &deeds, 1_000);
        let after = counts(&mut plant);
        let then = delta(&first, &after);
        for (row, count) in told.iter().filter(|(_, count)| **count > 0) {
            let expected = if hidden(row) { 0 } else { *count };
            prop_assert_eq!(
                then.get(row).copied().unwrap_or(0), expected,
                "{:?} of {} by {:?}", &rows[row], kinds[&row.0].id, scope
            );
        }

        // Taken back: by the alert, or by the act.
        let back = if by_act {
            plant.command(2, None, Action::BaselineUndo(1))
        } else {
            plant.command(2, Some(&alert.id), Action::Unlearn)
        };
        prop_assert!(back.is_ok(), "{:?}", back);
        capture(&mut plant, &deeds, 2_000);
        let again = delta(&after, &counts(&mut plant));
        for (row, count) in told.iter().filter(|(_, count)| **count > 0) {
            prop_assert_eq!(again.get(row), Some(count), "{:?} of {}", &rows[row], kinds[&row.0].id);
        }
    }
}

fn learn(scope: Scope, seconds: Option<i64>) -> Action {
    Action::Learn(Learn { scope, span: seconds.map(|seconds| seconds * 1_000_000_000) })
}

/// Clients 20 and 21 read server 10 while learning; then 21 and 22 use a function that nobody learned.
fn function_used() -> (Plant, Alert) {
    let mut plant = Plant::learning_until(100);
    for client in 20..24 {
        plant.act(1, read(client, 10, 0, 10));
        plant.act(1, read(client, 11, 0, 10));
    }
    plant.end_of_second(150);
    plant.act(200, write(21, 10, "coils", 3, Values::Numbers(vec![1.0])));
    let alert = plant.alerts_of("modbus-function-not-learned")[0].clone();
    (plant, alert)
}

fn told(plant: &mut Plant, second: i64, client: u8, server: u8, point: u32) -> bool {
    let sum =
        |plant: &mut Plant| plant.alerts_of("modbus-function-not-learned").iter().map(|alert| alert.count).sum::<u64>();
    let before = sum(plant);
    plant.act(second, write(client, server, "coils", point, Values::Numbers(vec![1.0])));
    sum(plant) > before
}

#[test]
fn each_scope_allows_what_it_says() {
    for (scope, others) in [
        (Scope::Exact, [true, true, false]),
        (Scope::Pair, [true, true, false]),
        (Scope::Server, [false, true, false]),
        (Scope::Client, [true, false, false]),
        (Scope::Subnet, [false, true, false]),
    ] {
        let (mut plant, alert) = function_used();
        plant.command(1, Some(&alert.id), learn(scope, None)).unwrap();
        let found =
            [told(&mut plant, 300, 22, 10, 3), told(&mut plant, 301, 21, 11, 3), told(&mut plant, 302, 21, 10, 3)];
        assert_eq!(found, others, "{scope:?}");
    }
    // Pair: any function between the two.
    let (mut plant, alert) = function_used();
    plant.command(1, Some(&alert.id), learn(Scope::Pair, None)).unwrap();
    plant.act(300, call(21, 10, Operation::Unknown, Function { code: 43, sub: None, name: "other" }));
    assert_eq!(plant.alerts_of("modbus-function-not-learned").len(), 1);
    // What it does not hold: the class of a command.
    plant.act(301, call(21, 10, Operation::ModeStop, Function { code: 90, sub: Some(65), name: "UMAS: stop" }));
    assert_eq!(plant.alerts_of("plc-stop").len(), 1);
}

#[test]
fn what_is_learned_for_a_time_is_told_again_after_it() {
    let (mut plant, alert) = function_used();
    plant.end_of_second(200);
    plant.command(1, Some(&alert.id), learn(Scope::Server, Some(3_600))).unwrap();
    assert!(!told(&mut plant, 3_700, 22, 10, 3));
    assert!(!told(&mut plant, 3_701, 21, 10, 3));
    // By packet time, also before the sensor has looked at what is over.
    assert!(told(&mut plant, 3_801, 22, 10, 3));
    assert!(told(&mut plant, 3_802, 21, 10, 3));
    for second in 3_801..3_810 {
        plant.end_of_second(second);
    }
    plant.alerts();
    let ended = plant.acts.iter().find(|act| act.alert == alert.number).expect("the history tells of it");
    assert_eq!(ended.action, "learning-ended");
    let alerts = plant.alerts_of("modbus-function-not-learned");
    assert_eq!(alerts[0].status, Status::Closed);
    assert!(!alerts[0].learned && alerts.iter().skip(1).all(|alert| alert.status == Status::New));
    // A restart changes nothing of it.
    let mut again = plant.restart();
    assert!(told(&mut again, 3_900, 23, 10, 3));
}

#[test]
fn a_learning_for_a_time_ends_no_earlier_one_that_lasts() {
    let (mut plant, alert) = function_used();
    plant.end_of_second(200);
    plant.command(1, Some(&alert.id), learn(Scope::Exact, None)).unwrap();
    plant.command(2, Some(&alert.id), learn(Scope::Server, Some(3_600))).unwrap();
    for second in 3_801..3_810 {
        plant.end_of_second(second);
    }
    assert!(!told(&mut plant, 3_811, 21, 10, 3));
    assert!(told(&mut plant, 3_812, 22, 10, 3));
    let alerts = plant.alerts_of("modbus-function-not-learned");
    assert!(alerts[0].learned && alerts[0].learned_until.is_none());
}

#[test]
fn two_acts_on_one_entry_are_taken_back_one_by_one() {
    let (mut plant, alert) = function_used();
    plant.command(1, Some(&alert.id), learn(Scope::Exact, None)).unwrap();
    plant.command(2, Some(&alert.id), learn(Scope::Server, None)).unwrap();
    assert!(!told(&mut plant, 300, 22, 10, 3));
    plant.command(3, None, Action::BaselineUndo(2)).unwrap();
    assert!(told(&mut plant, 301, 22, 10, 3));
    assert!(!told(&mut plant, 302, 21, 10, 3));
    // The alert is learned for as long as one of its acts stands.
    let learned = plant.alerts_of("modbus-function-not-learned")[0].clone();
    assert!(learned.learned && learned.learned_act == 1 && learned.status == Status::Closed);
    plant.command(4, None, Action::BaselineUndo(1)).unwrap();
    let again = plant.alerts_of("modbus-function-not-learned")[0].clone();
    assert!(!again.learned && again.status == Status::New);
    assert!(told(&mut plant, 303, 21, 10, 3));
    assert!(plant.command(5, None, Action::BaselineUndo(1)).is_err());
}

#[test]
fn an_alert_that_is_opened_again_is_no_longer_learned() {
    let (mut plant, alert) = function_used();
    plant.command(1, Some(&alert.id), learn(Scope::Server, None)).unwrap();
    plant.command(2, Some(&alert.id), Action::SetStatus(Status::Closed)).unwrap();
    assert!(!told(&mut plant, 300, 22, 10, 3));
    let answer = plant.command(3, Some(&alert.id), Action::SetStatus(Status::Active)).unwrap();
    assert!(answer.contains("taken back"), "{answer}");
    let alerts = plant.alerts_of("modbus-function-not-learned");
    assert!(!alerts[0].learned && alerts[0].status == Status::Active);
    assert!(told(&mut plant, 301, 22, 10, 3));
    assert!(plant.command(4, None, Action::BaselineUndo(1)).is_err());
}

#[test]
fn a_learned_value_allows_no_wider_one() {
    let mut plant = Plant::learning_until(100);
    for second in 1..40 {
        plant.act(second, write(20, 10, "holding-registers", 7, Values::Numbers(vec![50.0])));
    }
    plant.end_of_second(150);
    let set = |plant: &mut Plant, second, value| {
        plant.act(second, write(20, 10, "holding-registers", 7, Values::Numbers(vec![value])));
        plant.alerts_of("write-value-outside-range").len()
    };
    assert_eq!(set(&mut plant, 200, 80.0), 1);
    let alert = plant.alerts_of("write-value-outside-range")[0].clone();
    plant.command(1, Some(&alert.id), learn(Scope::Exact, None)).unwrap();
    assert_eq!(set(&mut plant, 201, 80.0), 1);
    assert_eq!(set(&mut plant, 202, 70.0), 1);
    assert_eq!(set(&mut plant, 203, 900.0), 2);
}

#[test]
fn commands_learned_are_no_burst_learned() {
    let mut plant = Plant::learning_until(100);
    plant.act(1, write(20, 10, "coils", 1, Values::Numbers(vec![1.0])));
    plant.act(1, read(21, 10, 0, 10));
    plant.end_of_second(150);
    plant.act(200, write(21, 10, "coils", 1, Values::Numbers(vec![1.0])));
    let alert = plant.alerts_of("new-master")[0].clone();
    plant.command(1, Some(&alert.id), learn(Scope::Exact, None)).unwrap();
    for _ in 0..100 {
        plant.act(300, write(21, 10, "coils", 1, Values::Numbers(vec![1.0])));
    }
    assert_eq!(plant.alerts_of("new-master").len(), 1);
    let burst = plant.alerts_of("write-burst");
    assert_eq!(burst.len(), 1);
    plant.command(2, Some(&burst[0].id), learn(Scope::Exact, None)).unwrap();
    for _ in 0..100 {
        plant.act(400, write(21, 10, "coils", 1, Values::Numbers(vec![1.0])));
    }
    assert_eq!(plant.alerts_of("write-burst")[0].count, burst[0].count);
}

/// A plant that learns until second 100, with this configured besides.
fn configured(change: impl FnOnce(&mut EngineConfig)) -> Plant {
    let mut config = EngineConfig {
        ot_networks: vec!["10.0.0.0/16".parse().unwrap()],
        learning: Learning::Until(at(100)),
        ..EngineConfig::default()
    };
    change(&mut config);
    Plant::with(config)
}

#[test]
fn a_type_that_is_not_learned_speaks_while_all_else_is() {
    let mut plant = configured(|config| config.not_learned = vec!["modbus-function-not-learned".to_owned()]);
    plant.act(1, read(20, 10, 0, 10));
    plant.act(2, read(20, 10, 0, 10));
    assert_eq!(plant.alerts_of("modbus-function-not-learned").len(), 1);
    assert!(plant.alerts_of("modbus-address-not-learned").is_empty());
    plant.end_of_second(150);
    // It was not learned; the addresses were.
    plant.act(200, read(20, 10, 0, 10));
    let alerts = plant.alerts_of("modbus-function-not-learned");
    assert_eq!((alerts.len(), alerts[0].count), (1, 3));
    assert!(plant.alerts_of("modbus-address-not-learned").is_empty());
}

#[test]
fn a_device_that_is_found_later_learns_for_its_own_time() {
    let mut plant = configured(|config| config.new_device = Some(3_600 * 1_000_000_000));
    for client in 20..22 {
        plant.act(1, read(client, 10, 0, 10));
    }
    plant.end_of_second(150);
    // That it is new is told; what it does is learned.
    plant.act(200, read(30, 10, 0, 10));
    assert_eq!(plant.alerts_of("device-not-learned").len(), 1);
    plant.act(201, write(30, 10, "coils", 1, Values::Numbers(vec![1.0])));
    // What others do is not.
    plant.act(202, write(21, 10, "coils", 1, Values::Numbers(vec![1.0])));
    let functions = plant.alerts_of("modbus-function-not-learned");
    assert_eq!(functions.len(), 1);
    assert_eq!(functions[0].sources.len(), 1);
    // A stop is told, whoever learns.
    plant.act(203, call(30, 10, Operation::ModeStop, Function { code: 90, sub: Some(65), name: "UMAS: stop" }));
    assert_eq!(plant.alerts_of("plc-stop").len(), 1);
    // A restart of the sensor keeps its time; after it, what is new is told, and what was learned is not.
    let mut plant = plant.restart();
    for second in 3_900..3_910 {
        plant.end_of_second(second);
    }
    plant.act(4_000, write(30, 10, "coils", 1, Values::Numbers(vec![1.0])));
    assert_eq!(plant.alerts_of("modbus-function-not-learned").len(), 0);
    plant.act(4_001, write(30, 10, "holding-registers", 1, Values::Numbers(vec![1.0])));
    assert_eq!(plant.alerts_of("modbus-function-not-learned").len(), 1);
}

#[test]
fn one_device_learns_anew() {
    let mut plant = configured(|_| {});
    for client in 20..22 {
        plant.act(1, read(client, 10, 0, 10));
    }
    plant.end_of_second(150);
    let id = plant.engine.core().inventory.peer_of_ip("10.0.0.10".parse().unwrap()).device;
    let reset = Action::BaselineReset(Reset { device: id, learn_for: Some(60 * 1_000_000_000) });
    plant.command(1, None, reset).unwrap();
    plant.act(160, write(20, 10, "coils", 1, Values::Numbers(vec![1.0])));
    assert!(plant.alerts().is_empty(), "{:?}", plant.alerts());
    plant.act(161, write(20, 11, "coils", 1, Values::Numbers(vec![1.0])));
    assert!(!plant.alerts_of("modbus-function-not-learned").is_empty());
    plant.end_of_second(220);
    plant.act(221, write(20, 10, "coils", 1, Values::Numbers(vec![1.0])));
    plant.act(222, read(21, 10, 0, 10));
    let functions = plant.alerts_of("modbus-function-not-learned");
    // The read of 21 is new again, for what was known of the device is forgotten; the write was learned.
    assert!(functions.iter().any(|alert| alert.description.contains("10.0.0.21")));
    assert!(
        !functions.iter().any(|alert| alert.description.contains("10.0.0.20 used") && alert.last_detection > at(200))
    );
}

#[test]
fn learning_ends_when_little_new_comes() {
    let novelty = Novelty { entries: 2, span: 240 * 1_000_000_000 };
    let mut plant = configured(|config| {
        config.learning = Learning::For(1_000_000 * 1_000_000_000);
        config.novelty = Some(novelty);
    });
    // Something new each ten seconds, for ten minutes.
    for second in 0..600 {
        if second % 10 == 0 {
            plant.act(second, read(20, 10, u32::try_from(second).unwrap() * 100, 10));
        }
        plant.end_of_second(second);
    }
    assert!(plant.engine.learning());
    let mut ended = None;
    for second in 600..1_000 {
        plant.act(second, read(20, 10, 0, 10));
        plant.end_of_second(second);
        if !plant.engine.learning() && ended.is_none() {
            ended = Some(second);
        }
    }
    // The last new one but two came at second 570: 240 s later no more than two are within the span.
    assert!(ended.is_some_and(|second| (810..=830).contains(&second)), "{ended:?}");
    plant.act(1_001, write(20, 10, "coils", 1, Values::Numbers(vec![1.0])));
    assert_eq!(plant.alerts_of("modbus-function-not-learned").len(), 1);
}

/// The entry of the function that client 20 has used on server 10 since learning; nothing of it is told.
fn taught() -> (Plant, EntryId) {
    let mut plant = Plant::learning_until(100);
    for second in 1..5 {
        plant.act(second, write(20, 10, "coils", 3, Values::Numbers(vec![1.0])));
        plant.act(second, read(21, 10, 0, 10));
    }
    plant.end_of_second(150);
    let code = |entry: &&crate::model::BaselineEntry| {
        entry.key.kind == EntryKind::Function && entry.key.scope == Scope::Exact && entry.label.starts_with("Write")
    };
    let id = plant.engine.core().baseline.iter().find(code).expect("the function is learned").id;
    assert!(!told(&mut plant, 200, 20, 10, 3));
    plant.end_of_second(200);
    (plant, id)
}

fn is_allowed(plant: &Plant, id: EntryId) -> bool {
    let baseline = &plant.engine.core().baseline;
    baseline.get(id).is_some_and(|entry| baseline.is_allowed(entry))
}

#[test]
fn an_entry_that_is_taken_back_is_told_until_that_is_undone() {
    let (mut plant, id) = taught();
    let answer = plant.command(1, None, Action::BaselineRemove(id)).unwrap();
    assert!(answer.contains("no longer allowed"), "{answer}");
    assert!(!is_allowed(&plant, id));
    assert!(told(&mut plant, 210, 20, 10, 3));
    // Nothing else is told.
    assert!(plant.alerts().iter().all(|alert| alert.kind.id == "modbus-function-not-learned"), "{:?}", plant.alerts());
    assert!(plant.command(2, None, Action::BaselineRemove(id)).unwrap_err().contains("not allowed"));
    assert!(plant.command(3, None, Action::BaselineRemove(EntryId(9_999))).unwrap_err().contains("no baseline entry"));
    // A restart changes nothing of it, nor does learning: a person said so.
    let mut again = plant.restart();
    assert!(told(&mut again, 220, 20, 10, 3));
    again.command(4, None, Action::LearningMode(Some(60_000_000_000))).unwrap();
    again.act(230, write(20, 10, "coils", 3, Values::Numbers(vec![1.0])));
    again.end_of_second(400);
    assert!(!again.engine.learning());
    assert!(told(&mut again, 401, 20, 10, 3));
    // Undone, all is as before.
    let answer = again.command(5, None, Action::BaselineUndo(1)).unwrap();
    assert!(answer.contains("as before, 1 of them allowed"), "{answer}");
    assert!(!told(&mut again, 410, 20, 10, 3));
    assert!(again.command(6, None, Action::BaselineUndo(1)).is_err());
    let mut last = again.restart();
    assert!(!told(&mut last, 420, 20, 10, 3));
}

#[test]
fn what_a_person_learned_and_took_back_can_be_learned_again() {
    let (mut plant, alert) = function_used();
    plant.command(1, Some(&alert.id), learn(Scope::Exact, None)).unwrap();
    assert!(!told(&mut plant, 300, 21, 10, 3));
    let held = alert.entries.clone();
    for &entry in &held {
        plant.command(2, None, Action::BaselineRemove(entry)).unwrap();
    }
    // The alert that was learned stays closed; the same traffic opens one of its own.
    assert!(told(&mut plant, 301, 21, 10, 3));
    let alerts = plant.alerts_of("modbus-function-not-learned");
    assert_eq!((alerts.len(), alerts[0].status, alerts[1].status), (2, Status::Closed, Status::New));
    plant.command(3, Some(&alerts[1].id), learn(Scope::Exact, None)).unwrap();
    assert!(!told(&mut plant, 302, 21, 10, 3));
    // The later act taken back, the earlier one does not come back by itself.
    plant.command(4, None, Action::BaselineUndo(3)).unwrap();
    assert!(told(&mut plant, 303, 21, 10, 3));
    plant.command(5, Some(&alerts[1].id), Action::SetStatus(Status::Closed)).unwrap();
    plant.command(6, None, Action::BaselineUndo(2)).unwrap();
    assert!(!told(&mut plant, 304, 21, 10, 3));
}

#[test]
fn a_wider_entry_that_still_allows_it_is_named() {
    let (mut plant, alert) = function_used();
    plant.command(1, Some(&alert.id), learn(Scope::Server, None)).unwrap();
    let answer = plant.command(2, None, Action::BaselineRemove(alert.entries[0])).unwrap();
    let wide = plant.engine.core().baseline.wide_entries().next().unwrap().id;
    assert!(answer.contains(&format!("entry {} allows the same and more", wide.0)), "{answer}");
    assert!(!told(&mut plant, 300, 21, 10, 3));
    plant.command(3, None, Action::BaselineRemove(wide)).unwrap();
    assert!(told(&mut plant, 301, 21, 10, 3));
    assert!(told(&mut plant, 302, 22, 10, 3));
}

#[test]
fn an_entry_ends_by_packet_time() {
    let (mut plant, id) = taught();
    assert!(plant.command(1, None, Action::BaselineExpire(id, End::At(at(200)))).unwrap_err().contains("not after"));
    plant.command(2, None, Action::BaselineExpire(id, End::After(3_600_000_000_000))).unwrap();
    assert!(!told(&mut plant, 3_799, 20, 10, 3));
    // By packet time, also before the sensor has looked at what is over.
    assert!(told(&mut plant, 3_800, 20, 10, 3));
    for second in 3_801..3_810 {
        plant.end_of_second(second);
    }
    assert!(told(&mut plant, 3_811, 20, 10, 3));
    let mut again = plant.restart();
    assert!(told(&mut again, 3_820, 20, 10, 3));
    // It cannot be prolonged once it is over, but undone.
    assert!(again.command(3, None, Action::BaselineExpire(id, End::Never)).is_err());
    again.command(4, None, Action::BaselineUndo(2)).unwrap();
    assert!(!told(&mut again, 3_821, 20, 10, 3));
}

#[test]
fn the_end_of_a_learning_is_prolonged_and_given_back() {
    for undo in [false, true] {
        let (mut plant, alert) = function_used();
        plant.end_of_second(200);
        plant.command(1, Some(&alert.id), learn(Scope::Exact, Some(3_600))).unwrap();
        for &entry in &alert.entries {
            plant.command(2, None, Action::BaselineExpire(entry, End::At(at(9_000)))).unwrap();
        }
        for second in 3_801..3_810 {
            plant.end_of_second(second);
        }
        assert!(!told(&mut plant, 3_811, 21, 10, 3));
        if undo {
            plant.command(3, None, Action::BaselineUndo(2)).unwrap();
            assert!(plant.engine.core().baseline.grants().next().is_none());
            assert!(told(&mut plant, 3_812, 21, 10, 3));
            continue;
        }
        let mut again = plant.restart();
        assert!(!told(&mut again, 8_999, 21, 10, 3));
        assert!(told(&mut again, 9_000, 21, 10, 3));
        for second in 9_000..9_010 {
            again.end_of_second(second);
        }
        assert!(told(&mut again, 9_011, 21, 10, 3));
    }
    // And without an end.
    let (mut plant, id) = taught();
    plant.command(1, None, Action::BaselineExpire(id, End::At(at(1_000)))).unwrap();
    plant.command(2, None, Action::BaselineExpire(id, End::Never)).unwrap();
    for second in 1_001..1_010 {
        plant.end_of_second(second);
    }
    assert!(!told(&mut plant, 1_011, 20, 10, 3));
    // The earlier end is in force again, and over.
    plant.command(3, None, Action::BaselineUndo(2)).unwrap();
    assert!(told(&mut plant, 1_012, 20, 10, 3));
}
