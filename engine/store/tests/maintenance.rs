//! Windows that people plan: kept with who, when and why, and there again when a run resumes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{at, changes, input, spec, window};
use ot_engine::context::Source;
use ot_engine::maintenance::Window;
use ot_engine::{Action, Changes};
use ot_store::read::Reader;
use ot_store::{NewCommand, Store};

fn asked(action: Action, why: &str) -> NewCommand {
    NewCommand { alert: None, action, who: "anna".to_owned(), why: why.to_owned(), wall_time: at(7) }
}

#[test]
fn a_plan_is_kept_with_who_when_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    let plan = window().plan;
    store.append_commands(&[asked(Action::MaintenanceAdd(Box::new(plan.clone())), "work order 7")]).unwrap();
    let command = store.pending_commands().unwrap().pop().unwrap();
    assert_eq!(command.action, Action::MaintenanceAdd(Box::new(plan.clone())));
    let planned = Window { source: Source::Person, who: "anna".to_owned(), command: command.id, plan, ..window() };
    let told = Changes { maintenance: vec![planned.clone()], ..Changes::default() };
    store.apply_commands(&[(command, Ok("window 1".to_owned()))], &told, None, at(8)).unwrap();
    assert_eq!(store.snapshot().unwrap().maintenance, std::slice::from_ref(&planned));

    store.append_commands(&[asked(Action::MaintenanceRemove(1), "put off")]).unwrap();
    let command = store.pending_commands().unwrap().pop().unwrap();
    assert_eq!(command.action, Action::MaintenanceRemove(1));
    let removed =
        Window { removed: Some(at(50)), removed_by: "anna".to_owned(), removed_command: command.id, ..planned };
    let told = Changes { maintenance: vec![removed.clone()], ..Changes::default() };
    store.apply_commands(&[(command, Ok(String::new()))], &told, None, at(9)).unwrap();
    assert!(store.snapshot().unwrap().maintenance.is_empty(), "an engine needs only what stands");
    let rows = Reader::open(&path).unwrap().maintenance(Some("CHG-4711")).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].window, removed);
    assert_eq!((rows[0].why.as_str(), rows[0].why_removed.as_str()), ("work order 7", "put off"));
    assert_eq!((rows[0].planned, rows[0].removed), (Some(at(7)), Some(at(7))));
}

#[test]
fn a_run_that_resumes_starts_from_the_windows_and_marks_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.finish_run(run, &changes(0, 40), 40, &[20, 20], at(1)).unwrap();
    let run = store.begin_run(&spec(&inputs, 2)).unwrap();
    let before = run.snapshot.clone();
    assert_eq!(before.maintenance, [window()]);
    assert!(before.alerts.iter().any(|alert| alert.expected > 0 && !alert.shares.is_empty()));
    let gone = Window { removed: Some(at(50)), removed_by: "bob".to_owned(), ..window() };
    store.commit(run.run, &Changes { maintenance: vec![gone], ..changes(40, 60) }, 60).unwrap();
    drop(store);
    let mut store = Store::open(&path).unwrap();
    let again = store.begin_run(&spec(&inputs, 3)).unwrap();
    assert!(again.resumed);
    assert_eq!(again.snapshot, before);
}

#[test]
fn alerts_are_counted_by_window_and_found_by_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let mut told = changes(0, 40);
    for alert in &mut told.alerts {
        if alert.number == 4 {
            alert.count += 1;
        }
    }
    store.finish_run(run, &told, 40, &[20, 20], at(1)).unwrap();
    let reader = Reader::open(&path).unwrap();
    // Alerts 2 and 4 lie in the window; of the latter not all detections.
    assert_eq!(reader.alerts_in_window(1).unwrap(), (1, 1));
    assert_eq!(reader.alert_windows(2).unwrap(), (true, vec![1]));
    assert_eq!(reader.alert_windows(4).unwrap(), (false, vec![1]));
    assert_eq!(reader.alert_windows(1).unwrap(), (false, vec![]));
}
