//! The outbox: what happened to alerts is in it once it is committed, once, and only while somebody is to be told.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{alert, at, changes, input, spec};
use ot_engine::catalogue::Severity;
use ot_engine::model::Status;
use ot_engine::{Action, Changes};
use ot_protocol::{Outcome, Timestamp};
use ot_store::read::Reader;
use ot_store::{Change, DestinationRow, NewCommand, NewDestination, Store, StoreError};
use std::path::Path;

fn destination(name: &str, open_alerts: bool) -> NewDestination {
    NewDestination { name: name.into(), kind: "file".into(), address: "/x".into(), open_alerts }
}

fn told(path: &Path, name: &str) -> Vec<(u32, Change, Option<String>)> {
    let reader = Reader::open(path).unwrap();
    let rows = reader.outbox(0, name, 1_000).unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    rows.into_iter().map(|row| (row.alert, row.change, row.before)).collect()
}

#[test]
fn nothing_is_kept_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.commit(run, &changes(0, 40), 40).unwrap();
    assert!(told(&path, "siem").is_empty());
    assert!(store.register_destinations(&[destination("siem", false)], at(1)).unwrap().added == [("siem".into(), 0)]);
    store.commit(run, &Changes { alerts: vec![alert(30, 50, Status::New)], ..Changes::default() }, 50).unwrap();
    assert_eq!(told(&path, "siem"), [(30, Change::Opened, None)]);
    assert!(store.forget_destination("siem").unwrap());
    assert!(told(&path, "siem").is_empty());
    assert!(!store.forget_destination("siem").unwrap());
}

#[test]
fn each_change_is_told_with_what_held_before_and_who_did_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    store.register_destinations(&[destination("siem", true)], at(1)).unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let mut one = alert(2, 40, Status::New);
    assert_eq!(one.outcome, Some(Outcome::Pending));
    let commit = |store: &mut Store, one: &ot_engine::model::Alert, position| {
        store.commit(run, &Changes { alerts: vec![one.clone()], ..Changes::default() }, position).unwrap();
    };
    commit(&mut store, &one, 40);
    // Counts are not told.
    one.count += 1;
    commit(&mut store, &one, 41);
    (one.outcome, one.count) = (Some(Outcome::Ok), 50);
    commit(&mut store, &one, 42);
    let before = one.severity;
    one.severity = Severity::Critical;
    assert_ne!(before, Severity::Critical);
    commit(&mut store, &one, 43);
    // A person looks at it.
    let asked = |action| NewCommand {
        alert: Some(one.id.clone()),
        action,
        who: "anna".to_owned(),
        why: "ticket 7".to_owned(),
        wall_time: at(7),
    };
    store.append_commands(&[asked(Action::SetStatus(Status::Active)), asked(Action::Comment("hello".into()))]).unwrap();
    let mut active = one.clone();
    active.status = Status::Active;
    let done: Vec<_> =
        store.pending_commands().unwrap().into_iter().map(|command| (command, Ok("done".to_owned()))).collect();
    let applied = Changes { alerts: vec![active.clone()], ..Changes::default() };
    store.apply_commands(&done, &applied, Some((run, 44)), at(8)).unwrap();
    active.muted = true;
    commit(&mut store, &active, 45);
    let rows = Reader::open(&path).unwrap().outbox(0, "siem", 100).unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row.change, row.before.as_deref(), row.who.as_deref(), row.detail.as_deref())).collect();
    let rank = match before {
        Severity::Warning => "1",
        Severity::Minor => "2",
        _ => "3",
    };
    assert_eq!(
        told,
        [
            (Change::Opened, None, None, None),
            (Change::Outcome, Some("pending"), None, None),
            (Change::Severity, Some(rank), None, None),
            (Change::Status, Some("new"), Some("anna"), None),
            (Change::Comment, None, Some("anna"), Some("hello")),
            (Change::Marks, None, None, None),
        ]
    );
    assert_eq!((rows[0].status, rows[3].status), (Status::New, Status::Active));
    assert_eq!(rows[3].why.as_deref(), Some("ticket 7"));
    assert!(rows[5].muted && !rows[4].muted);
    // The same rows once more, as a run does that resumes, tell nothing again.
    commit(&mut store, &active, 46);
    assert_eq!(Reader::open(&path).unwrap().outbox(0, "siem", 100).unwrap().len(), 6);
}

#[test]
fn what_is_rolled_back_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    store.register_destinations(&[destination("siem", true)], at(1)).unwrap();
    let told_before = told(&path, "siem");
    // There is no such run: the transaction that writes the alert fails at its end.
    let alerts = Changes { alerts: vec![alert(1, 40, Status::New)], ..Changes::default() };
    assert!(store.commit(77, &alerts, 40).is_err());
    assert_eq!(told(&path, "siem"), told_before);
}

#[test]
fn a_new_destination_is_told_of_open_alerts_alone_and_each_keeps_its_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let three = vec![alert(1, 40, Status::New), alert(2, 40, Status::Closed), alert(3, 40, Status::Active)];
    store.commit(run, &Changes { alerts: three, ..Changes::default() }, 40).unwrap();
    store.register_destinations(&[destination("a", true), destination("b", false)], at(1)).unwrap();
    store.commit(run, &Changes { alerts: vec![alert(4, 41, Status::New)], ..Changes::default() }, 41).unwrap();
    let alerts = |name: &str| told(&path, name).into_iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!((alerts("a"), alerts("b")), (vec![1, 3, 4], vec![4]));

    let reader = Reader::open(&path).unwrap();
    let newest = reader.outbox_newest().unwrap();
    assert_eq!(reader.waiting("a", 0).unwrap().changes, 3);
    let mut rows = reader.destinations().unwrap();
    rows[0].cursor = newest;
    rows[0].delivered = 3;
    rows[0].last_error = Some("connection refused".into());
    rows[0].error_at = Some(Timestamp(5));
    store.keep_progress(&rows[..1]).unwrap();
    assert_eq!(alerts("b"), [4], "what one was told stays for the other");
    assert_eq!(alerts("a"), [4]);
    // A place never goes back.
    store.keep_progress(&[DestinationRow { cursor: 1, ..rows[0].clone() }]).unwrap();
    assert_eq!(reader.destinations().unwrap()[0].cursor, newest);
    // Those that stay keep their place, those that are no longer configured go.
    let registered = store.register_destinations(&[destination("a", true)], at(2)).unwrap();
    assert_eq!((registered.added.len(), registered.forgotten), (0, vec![("b".to_owned(), 1)]));
    let kept = reader.destinations().unwrap();
    assert_eq!((kept.len(), kept[0].delivered, kept[0].error_at), (1, 3, Some(Timestamp(5))));
    store.keep_progress(&kept).unwrap();
    assert!(alerts("a").is_empty(), "what all were told is cleared");
    assert_eq!(reader.outbox_newest().unwrap(), newest, "numbers are not given twice");
}

#[test]
fn only_one_forwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let _engine = store.lock_engine().unwrap();
    let lock = store.lock_forwarder().unwrap();
    assert_eq!(ot_store::forwarder_of(&path), Some(std::process::id()));
    assert!(matches!(store.lock_forwarder(), Err(StoreError::ForwarderRuns { .. })));
    drop(lock);
    assert_eq!(ot_store::forwarder_of(&path), None);
    store.lock_forwarder().unwrap();
}

#[test]
fn the_outbox_of_a_store_that_was_put_back_is_newer_though_the_clock_went_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    store.register_destinations(&[destination("a", true)], Timestamp(50)).unwrap();
    let origin = || Reader::open(&path).unwrap().outbox_origin().unwrap();
    let first = origin().unwrap();
    store.register_destinations(&[destination("a", true)], Timestamp(60)).unwrap();
    assert_eq!(origin().as_ref(), Some(&first), "it stays");
    store.forget_origin().unwrap();
    assert_eq!(origin(), None);
    store.register_destinations(&[destination("a", true)], Timestamp(40)).unwrap();
    let second = origin().unwrap();
    assert!(second.id != first.id && second.since.0 == 51, "{second:?}");
    store.forget_origin().unwrap();
    store.register_destinations(&[destination("a", true)], Timestamp(90)).unwrap();
    assert_eq!(origin().unwrap().since.0, 90);
}
