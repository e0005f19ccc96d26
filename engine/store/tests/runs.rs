//! Rows come back, and a killed replay completes without doubles.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{alert, assert_same, at, changes, expected, input, spec, state};
use ot_engine::model::{DeviceId, Effect, EntryId, EntryKey, EntryKind, Grant, Origin, Scope, SensorAct, Status};
use ot_engine::{Action, Changes, End, Imported, Learn, Reset};
use ot_protocol::Timestamp;
use ot_store::{CommandState, NewCommand, RunKind, Store, dump};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ot-sensor.db");
    (folder, path)
}

fn command(alert: &str, action: Action) -> NewCommand {
    NewCommand {
        alert: Some(alert.to_owned()),
        action,
        who: "anna".to_owned(),
        why: "maintenance".to_owned(),
        wall_time: Timestamp(77),
    }
}

/// A whole run of 100 packets without interruption.
fn whole(path: &std::path::Path, step: u64) {
    let mut store = Store::open(path).unwrap();
    let inputs = input();
    let start = store.begin_run(&spec(&inputs, 1)).unwrap();
    assert!(!start.resumed);
    let mut from = 0;
    while from + step < 100 {
        store.commit(start.run, &changes(from, from + step), from + step).unwrap();
        from += step;
    }
    store.finish_run(start.run, &changes(from, 100), 100, &[60, 40], Timestamp(9)).unwrap();
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    let (_folder, path) = place();
    let mut store = Store::open(&path).unwrap();
    let inputs = input();
    let start = store.begin_run(&spec(&inputs, 1)).unwrap();
    assert_eq!((start.run, start.first_file, start.resume_position), (1, 0, 0));
    assert_eq!(start.snapshot, ot_engine::Snapshot::default());
    let told = changes(0, 30);
    store.commit(start.run, &told, 30).unwrap();
    assert_eq!(store.snapshot().unwrap(), expected(&told));
    drop(store);
    let mut store = Store::open_existing(&path).unwrap();
    assert_eq!(store.snapshot().unwrap(), expected(&told));
    assert_eq!(store.alert(&told.alerts[1].id).unwrap().as_ref(), Some(&told.alerts[1]));
    assert_eq!(store.alert("none").unwrap(), None);
    assert!(store.warnings().is_empty());
}

#[test]
fn a_commit_may_be_done_twice_and_lists_may_shrink() {
    let (_folder, path) = place();
    let mut store = Store::open(&path).unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let mut told = changes(0, 25);
    store.commit(run, &told, 25).unwrap();
    let once = dump(&path).unwrap();
    store.commit(run, &told, 25).unwrap();
    assert_same(&dump(&path).unwrap(), &once);

    told.devices[1].addresses.truncate(1);
    told.devices[1].identities.clear();
    told.devices[1].role_reasons.clear();
    told.devices[1].protocols.clear();
    told.alerts[0].sources.clear();
    told.alerts[0].frames.truncate(2);
    told.alerts[0].techniques.clear();
    told.alerts[0].entries.clear();
    told.entries[0].key.client = Some(DeviceId(3));
    told.state.counters.pop();
    told.state.ot_subnets.remove(0);
    told.state.now = None;
    store.commit(run, &told, 25).unwrap();
    assert_eq!(store.snapshot().unwrap(), expected(&told));
}

#[test]
fn what_is_given_up_goes() {
    let (_folder, path) = place();
    let mut store = Store::open(&path).unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let told = changes(0, 15);
    store.commit(run, &told, 15).unwrap();
    let gone = Changes {
        removed_devices: vec![DeviceId(2), DeviceId(999)],
        removed_entries: vec![told.entries[0].id],
        // Of version 2 the bytes only.
        programs: vec![ot_engine::model::ProgramVersion { bytes: None, ..told.programs[1].clone() }],
        removed_programs: vec![1, 999],
        state: state(16),
        ..Changes::default()
    };
    store.commit(run, &gone, 16).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.devices.len(), told.devices.len() - 1);
    assert_eq!(snapshot.entries.len(), told.entries.len() - 1);
    assert!(snapshot.points.is_empty());
    assert_eq!(snapshot.programs, [gone.programs[0].clone(), told.programs[2].clone()]);
    assert_eq!(snapshot.alerts, told.alerts);
    assert!(!dump(&path).unwrap().iter().any(|line| line.contains(" version=1 ")));
    assert!(!dump(&path).unwrap().iter().any(|line| line.starts_with("device_") && line.contains(" device=2 ")));
}

#[test]
fn closed_alerts_leave_their_openings() {
    let (_folder, path) = place();
    let mut store = Store::open(&path).unwrap();
    let mut closed = alert(1, 5, Status::Closed);
    closed.opening = 3;
    let mut muted = alert(2, 5, Status::Closed);
    muted.muted = true;
    let mut learned = alert(3, 5, Status::Closed);
    learned.learned = true;
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let told =
        Changes { alerts: vec![closed.clone(), muted.clone(), learned.clone()], state: state(5), ..Changes::default() };
    store.commit(run, &told, 5).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.alerts, [muted, learned]);
    assert_eq!(snapshot.openings, [(closed.key.clone(), 3)]);
    assert_eq!(store.alert(&closed.id).unwrap(), Some(closed));
}

#[test]
fn the_size_of_commits_leaves_no_trace() {
    let dumps = [1, 7, 33, 100].map(|step| {
        let (_folder, path) = place();
        whole(&path, step);
        dump(&path).unwrap()
    });
    assert!(dumps[0].len() > 1_000);
    for other in &dumps {
        assert_same(other, &dumps[0]);
    }
}

#[test]
fn a_killed_replay_completes_without_doubles() {
    let (_folder, reference) = place();
    whole(&reference, 10);
    let reference = dump(&reference).unwrap();
    for killed in [0, 10, 50, 90] {
        let (_folder, path) = place();
        let inputs = input();
        let mut store = Store::open(&path).unwrap();
        let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
        for from in (0..killed).step_by(10) {
            store.commit(run, &changes(from, from + 10), from + 10).unwrap();
        }
        drop(store);

        let before = dump(&path).unwrap();
        let mut store = Store::open(&path).unwrap();
        let start = store.begin_run(&spec(&inputs, 2)).unwrap();
        assert!(start.resumed);
        assert_eq!((start.run, start.first_file, start.resume_position), (run, 0, killed));
        assert_eq!(start.snapshot, ot_engine::Snapshot::default());
        // Other steps this time. No row that was there is ever missing or older than it was.
        let mut from = 0;
        while from + 7 < 100 {
            store.commit(run, &changes(from, from + 7), from + 7).unwrap();
            from += 7;
            if from <= killed {
                assert_same(&dump(&path).unwrap(), &before);
            }
        }
        store.finish_run(run, &changes(from, 100), 100, &[60, 40], Timestamp(5)).unwrap();
        assert_same(&dump(&path).unwrap(), &reference);
    }
}

#[test]
fn what_the_end_of_the_input_brings_is_not_lost() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.commit(run, &changes(0, 40), 40).unwrap();
    drop(store);
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.begin_run(&spec(&inputs, 1)).unwrap().resume_position, 40);
    store.commit(run, &changes(0, 40), 40).unwrap();
    let mut end = Changes { state: state(41), ..Changes::default() };
    end.alerts.push(alert(9, 41, Status::New));
    store.finish_run(run, &end, 40, &[40, 0], Timestamp(2)).unwrap();
    assert!(store.alert(&end.alerts[0].id).unwrap().is_some());
}

#[test]
fn other_inputs_are_another_run() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.begin_run(&spec(&inputs, 1)).unwrap().run, 1);
    let told = changes(0, 10);
    store.commit(1, &told, 10).unwrap();

    let other = vec![inputs[1].clone(), inputs[0].clone()];
    let start = store.begin_run(&spec(&other, 2)).unwrap();
    assert_eq!((start.run, start.first_file, start.resumed, start.aborted), (2, 2, false, Some(1)));
    assert_eq!(start.snapshot, expected(&told));
    store.commit(2, &changes(0, 20), 20).unwrap();
    let options = ot_store::RunSpec { options: "learn 10 minutes", ..spec(&other, 2) };
    assert_eq!(store.begin_run(&options).unwrap().aborted, Some(2));
    store.finish_run(3, &changes(0, 20), 20, &[10, 10], Timestamp(3)).unwrap();

    // The same again after a completed run counts as new traffic.
    let start = store.begin_run(&options).unwrap();
    assert_eq!((start.run, start.first_file, start.resumed, start.aborted), (4, 6, false, None));

    // Standard input and the network cannot be read again.
    let mut unknown = input();
    unknown[0].sha256.clear();
    let run = store.begin_run(&spec(&unknown, 4)).unwrap().run;
    assert_eq!(store.begin_run(&spec(&unknown, 4)).unwrap().aborted, Some(run));
    let live = ot_store::RunSpec { kind: RunKind::Live, inputs: &[], ..spec(&[], 5) };
    let run = store.begin_run(&live).unwrap().run;
    assert_eq!(store.begin_run(&live).unwrap().aborted, Some(run));
}

#[test]
fn commands_are_kept_applied_once_and_given_back() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.commit(run, &changes(0, 20), 20).unwrap();
    let id = changes(0, 20).alerts[0].id.clone();

    // Another connection appends.
    let mut key = EntryKey::new(EntryKind::Connection);
    key.protocol = "tcp";
    key.port = Some(502);
    (key.scope, key.network) = (Scope::Subnet, "10.0.0.0/24".parse().ok());
    let imported = Imported {
        key,
        label: "connection",
        values: Some((1.5, 2.0)),
        every: Some(7),
        until: Some(Timestamp(9)),
        file: "a.txt".to_owned(),
    };
    let mut other = Store::open_existing(&path).unwrap();
    let wanted = [
        command(&id, Action::SetStatus(Status::Active)),
        command(&id, Action::Comment("seen; 'quoted'\n".to_owned())),
        command(&id, Action::Learn(Learn { scope: Scope::Server, span: Some(3_600) })),
        command(&id, Action::Unlearn),
        command(&id, Action::Mute),
        command(&id, Action::Unmute),
        NewCommand {
            alert: None,
            ..command("", Action::BaselineReset(Reset { device: Some(DeviceId(3)), learn_for: Some(5) }))
        },
        NewCommand { alert: None, ..command("", Action::BaselineReset(Reset::default())) },
        NewCommand { alert: None, ..command("", Action::BaselineAllow(Box::new(imported))) },
        NewCommand { alert: None, ..command("", Action::BaselineUndo(7)) },
        NewCommand { alert: None, ..command("", Action::BaselineRemove(EntryId(4))) },
        NewCommand { alert: None, ..command("", Action::BaselineExpire(EntryId(5), End::At(Timestamp(70)))) },
        NewCommand { alert: None, ..command("", Action::BaselineExpire(EntryId(6), End::After(9))) },
        NewCommand { alert: None, ..command("", Action::BaselineExpire(EntryId(7), End::Never)) },
    ];
    let ids = other.append_commands(&wanted).unwrap();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    let pending = store.pending_commands().unwrap();
    assert!(pending.iter().all(|command| command.act == 1));
    assert_eq!(other.alerts_of_act(1).unwrap(), std::slice::from_ref(&id));
    assert_eq!(pending.len(), wanted.len());
    for (found, wanted) in pending.iter().zip(&wanted) {
        assert_eq!((&found.alert, &found.action, &found.who), (&wanted.alert, &wanted.action, &wanted.who));
        assert_eq!((&found.why, found.wall_time), (&wanted.why, wanted.wall_time));
    }

    let mut active = changes(20, 25);
    active.alerts[0].status = Status::Active;
    let done = |at: usize| [(pending[at].clone(), Ok("done".to_owned()))];
    store.apply_commands(&done(0), &active, Some((run, 25)), Timestamp(80)).unwrap();
    store.apply_commands(&done(0), &active, Some((run, 25)), Timestamp(80)).unwrap();
    let none = Changes { state: state(26), ..Changes::default() };
    let refused = [done(1)[0].clone(), (pending[2].clone(), Err("not learnable".to_owned()))];
    store.apply_commands(&refused, &none, Some((run, 26)), Timestamp(82)).unwrap();
    assert_eq!(other.command_state(1).unwrap(), Some(CommandState::Applied("done".to_owned())));
    assert_eq!(other.command_state(3).unwrap(), Some(CommandState::Refused("not learnable".to_owned())));
    assert_eq!(other.command_state(4).unwrap(), Some(CommandState::Pending));
    assert_eq!(other.command_state(99).unwrap(), None);
    assert_eq!(store.pending_commands().unwrap().len(), 11);
    let history: Vec<String> =
        dump(&path).unwrap().into_iter().filter(|line| line.starts_with("alert_history")).collect();
    assert_eq!(history.len(), 2, "{history:?}");
    assert!(history[0].contains("who='anna' action='status' why='maintenance' detail='active'"), "{history:?}");
    drop(store);

    // Killed, and a person acts while no engine runs.
    let mut store = Store::open_existing(&path).unwrap();
    store.apply_commands(&done(4), &none, None, Timestamp(83)).unwrap();

    let start = store.begin_run(&spec(&inputs, 2)).unwrap();
    assert_eq!(start.resume_position, 26);
    let again: Vec<(u64, u64)> = start.replay_commands.iter().map(|again| (again.position, again.command.id)).collect();
    assert_eq!(again, [(25, 1), (26, 2), (26, 5)]);
    assert_eq!(start.replay_commands[0].command, pending[0]);
    // What is pending waits until the engine is where the store is.
    assert!(store.pending_commands().unwrap().is_empty());
    store.commit(run, &changes(0, 26), 26).unwrap();
    assert!(store.pending_commands().unwrap().is_empty());
    let mut later = changes(0, 27);
    later.alerts[0].status = Status::Active;
    store.commit(run, &later, 27).unwrap();
    assert_eq!(store.pending_commands().unwrap().len(), 10);
    assert_eq!(store.alert(&id).unwrap().unwrap().status, Status::Active);
}

#[test]
fn a_failed_commit_leaves_nothing() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.commit(run, &changes(0, 10), 10).unwrap();
    let before = dump(&path).unwrap();
    assert!(store.commit(run + 1, &changes(10, 20), 20).is_err());
    let mut orphan = changes(10, 20);
    orphan.violations.push(common::violation(4_000, 1, 20));
    assert!(store.commit(run, &orphan, 20).is_err());
    assert_same(&dump(&path).unwrap(), &before);
    store.commit(run, &changes(10, 20), 20).unwrap();
    assert_eq!(store.snapshot().unwrap().state, state(20));
    assert_eq!(store.snapshot().unwrap().devices[0].last_seen, at(20));
}

/// Not a test of its own: the process that `sigkill_at_any_moment_loses_nothing_and_doubles_nothing` kills.
#[test]
#[ignore = "started by another test"]
fn writer() {
    let Some(path) = std::env::var_os("OT_STORE_TEST_WRITER") else { return };
    let mut store = Store::open(path.as_ref()).unwrap();
    let _lock = store.lock_engine().unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    for packet in 0..99 {
        store.commit(run, &changes(packet, packet + 1), packet + 1).unwrap();
        println!("committed {}", packet + 1);
    }
    store.finish_run(run, &changes(99, 100), 100, &[60, 40], Timestamp(9)).unwrap();
}

#[test]
fn sigkill_at_any_moment_loses_nothing_and_doubles_nothing() {
    let (_folder, reference) = place();
    whole(&reference, 1);
    let reference = dump(&reference).unwrap();
    let (_folder, path) = place();
    let start = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .env("OT_STORE_TEST_WRITER", &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    for lines in [1, 5, 12, 30, 70] {
        let mut child = start();
        let mut told = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..lines + 3 {
            told.clear();
            output.read_line(&mut told).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let told: u64 = told.trim().strip_prefix("committed ").unwrap().parse().unwrap();
        assert!(Store::open_existing(&path).unwrap().snapshot().unwrap().state.last_event >= told);
    }
    let output = start().wait_with_output().unwrap();
    assert!(output.status.success());
    assert_same(&dump(&path).unwrap(), &reference);
}

#[test]
fn grants_and_what_the_sensor_did_are_kept_and_old_alerts_are_not() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let grant = |entry, act, until, effect| Grant {
        entry: EntryId(entry),
        act,
        alert: 1,
        kind: "new-master",
        origin: Origin::Person("anna".to_owned()),
        time: at(5),
        until,
        effect,
    };
    let mut first = changes(0, 50);
    first.grants = vec![
        grant(1, 7, None, Effect::Adds),
        grant(2, 7, Some(at(9)), Effect::Limits),
        grant(2, 8, None, Effect::Ends),
        grant(3, 8, Some(at(9)), Effect::Limits),
    ];
    let open = first.alerts.len();
    assert!(open > 3);
    for (alert, closed) in first.alerts.iter_mut().zip([10, 30, 10]) {
        (alert.status, alert.closed) = (Status::Closed, Some(at(closed)));
    }
    // What keeps something silent stays.
    first.alerts[2].muted = true;
    let act = SensorAct { alert: first.alerts[3].number, time: at(6), action: "close", why: "silent".to_owned() };
    first.acts = vec![act.clone()];
    store.commit(run, &first, 50).unwrap();
    let mut second = changes(50, 80);
    second.alerts.clear();
    second.violations.clear();
    second.removed_grants = vec![(EntryId(2), 7)];
    // A commit may come twice.
    second.acts = vec![act];
    (second.state.closed_before, second.state.first_event) = (Some(at(20)), 15);
    store.commit(run, &second, 80).unwrap();
    store.commit(run, &second, 80).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(
        snapshot.grants,
        [grant(1, 7, None, Effect::Adds), grant(2, 8, None, Effect::Ends), grant(3, 8, Some(at(9)), Effect::Limits)]
    );
    assert_eq!((snapshot.state.closed_before, snapshot.state.first_event), (Some(at(20)), 15));
    let lines = dump(&path).unwrap();
    let of = |table: &str| lines.iter().filter(|line| line.starts_with(&format!("{table} "))).count();
    assert_eq!(of("alert"), open - 1);
    let gone = first.alerts[0].number;
    assert!(!lines.iter().any(|line| line.starts_with("violation ") && line.contains(&format!(" alert={gone} "))));
    // Ids go on counting.
    assert!(of("opening") > 0 && of("opening") >= open - 1);
    assert!(!lines.iter().any(|line| line.starts_with("event number=14 ")));
    let history: Vec<_> = lines.iter().filter(|line| line.starts_with("alert_history")).collect();
    assert_eq!(history.len(), 1, "{history:?}");
    assert!(history[0].contains("who='sensor' action='close' why='silent'"), "{history:?}");
}

#[test]
fn a_live_run_deletes_many_old_alerts_little_by_little() {
    for (kind, left) in [(RunKind::Live, [2_500, 500, 0]), (RunKind::Replay, [0, 0, 0])] {
        let (_folder, path) = place();
        let mut store = Store::open(&path).unwrap();
        let inputs = input();
        let shared = spec(&inputs, 1);
        let spec = if kind == RunKind::Live { ot_store::RunSpec { kind, inputs: &[], ..shared } } else { shared };
        let run = store.begin_run(&spec).unwrap().run;
        let old = (1..=4_500).map(|number| {
            let mut old = alert(1, 5, Status::Closed);
            (old.number, old.id, old.opening) = (number, format!("{number:032x}"), number);
            old.closed = Some(at(5));
            old
        });
        store.commit(run, &Changes { alerts: old.collect(), state: state(5), ..Changes::default() }, 5).unwrap();
        let reader = ot_store::read::Reader::open(&path).unwrap();
        assert_eq!(reader.totals().unwrap().alerts, 4_500);
        for (position, left) in (6..).zip(left) {
            let mut later = state(position);
            later.closed_before = Some(at(20));
            store.commit(run, &Changes { state: later, ..Changes::default() }, position).unwrap();
            assert_eq!(reader.totals().unwrap().alerts, left, "{kind:?}");
        }
    }
}

#[test]
fn open_alerts_are_counted_by_sensor_as_they_come_and_go() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let counted = || {
        let read = |sql: &str| -> Vec<(String, String, i64, String, i64)> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
                .unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        let kept = read(
            "SELECT r.sensor, r.site, c.severity, c.status, SUM(c.count) FROM alert_run c JOIN run r ON r.id = c.run
             GROUP BY 1, 2, 3, 4",
        );
        let scanned = read(
            "SELECT r.sensor, r.site, a.severity, a.status, COUNT(*) FROM alert a JOIN run r ON r.id = a.run
             WHERE a.status <> 'closed' GROUP BY 1, 2, 3, 4",
        );
        assert_eq!(kept, scanned);
        kept.iter().map(|row| row.4).sum::<i64>()
    };
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let mut first = changes(0, 50);
    let open = i64::try_from(first.alerts.len()).unwrap();
    store.finish_run(run, &first, 50, &[50], Timestamp(1)).unwrap();
    assert_eq!(counted(), open);
    // Another sensor of another site writes to the same store.
    let other = ot_store::RunSpec { sensor: "north", site: "plant 2", ..spec(&inputs, 2) };
    let run = store.begin_run(&other).unwrap().run;
    store.commit(run, &changes(50, 80), 80).unwrap();
    assert!(counted() > open);
    // Some are looked at, some closed, one is gone.
    for (alert, status) in first.alerts.iter_mut().zip([Status::Active, Status::Closed, Status::New, Status::Closed]) {
        alert.status = status;
        alert.closed = (status == Status::Closed).then_some(at(10));
    }
    let before = counted();
    let looked = Changes { alerts: first.alerts.clone(), state: state(81), ..Changes::default() };
    store.commit(run, &looked, 81).unwrap();
    assert_eq!(counted(), before - 2);
    connection
        .execute("DELETE FROM alert WHERE number = (SELECT MIN(number) FROM alert WHERE status = 'active')", [])
        .unwrap();
    assert_eq!(counted(), before - 3);
    let reader = ot_store::read::Reader::open(&path).unwrap();
    assert_eq!(reader.sensors().unwrap().len(), 2);
    let rows = reader.alerts_by_sensor().unwrap();
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), u64::try_from(before - 3).unwrap());
    assert!(rows.iter().any(|row| (row.sensor.as_str(), row.site.as_str()) == ("north", "plant 2")), "{rows:?}");
}
