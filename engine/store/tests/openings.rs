//! Opening: what is refused and why, and who may hold a store at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{changes, input, spec};
use ot_protocol::Timestamp;
use ot_store::read::Reader;
use ot_store::{Store, StoreError, VERSION, dump};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ot-sensor.db");
    (folder, path)
}

fn message(error: &StoreError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    assert!(text.starts_with("store /"), "says where: {text}");
    text
}

#[test]
fn a_directory_is_refused() {
    let (folder, _) = place();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Directory { .. }));
    assert!(message(&error).contains("is a directory"));
}

#[test]
fn the_directory_must_be_there() {
    let (folder, path) = place();
    let error = Store::open(&folder.path().join("no/such/store.db")).unwrap_err();
    assert!(matches!(error, StoreError::NoParent { .. }), "{error}");
    assert!(message(&error).contains("create /"));
    fs::write(&path, "").unwrap();
    let error = Store::open(&path.join("store.db")).unwrap_err();
    assert!(matches!(error, StoreError::NoParent { .. }), "{error}");
}

#[test]
fn an_existing_store_must_be_there() {
    let (_folder, path) = place();
    assert!(matches!(Store::open_existing(&path).unwrap_err(), StoreError::Missing { .. }));
    assert!(matches!(Reader::open(&path).unwrap_err(), StoreError::Missing { .. }));
    assert!(!path.exists());
}

#[test]
fn another_file_is_refused_and_left_as_it_is() {
    let (_folder, path) = place();
    for content in [
        &b"not a store, but a text that is long enough to have a header of a hundred bytes, and then some more"[..],
        b"x",
    ] {
        fs::write(&path, content).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
        message(&error);
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let (folder, path) = place();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    let content = fs::read(&path).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::OtherProgram { application: 0, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), content);

    let path = folder.path().join("other.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA application_id = 0x47504b47; PRAGMA user_version = 1")
        .unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(message(&error).contains("0x47504b47"), "{error}");
}

#[test]
fn a_newer_store_is_refused_and_left_as_it_is() {
    let (_folder, path) = place();
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    for error in [Store::open(&path).unwrap_err(), Reader::open(&path).unwrap_err()] {
        assert!(matches!(error, StoreError::Newer { found, known: VERSION, .. } if found == VERSION + 1), "{error}");
        assert!(message(&error).contains("use a newer ot-sensor"));
    }
}

/// A store as version 1 left it, with an interrupted replay.
fn version_1(path: &Path) -> Connection {
    let store = Connection::open(path).unwrap();
    store.execute_batch(include_str!("../migrations/001.sql")).unwrap();
    store.pragma_update(None, "application_id", ot_store::APPLICATION_ID).unwrap();
    store.pragma_update(None, "user_version", 1).unwrap();
    store
        .execute_batch(
            "INSERT INTO device VALUES (1, NULL, NULL, 'unit 3', NULL, 'X', 'controller', 1, 1, 1, NULL, 5, 9);
             INSERT INTO state VALUES ('last_device', 1), ('last_event', 7);
             INSERT INTO run VALUES (1, 'replay', 'running', 'replay', 'plant 1', 'learn none', 1, NULL, 1, 7, 7);
             INSERT INTO input VALUES (0, 1, 'a.pcap', printf('%064s', 'a'), 1000, NULL);",
        )
        .unwrap();
    let tables: Vec<String> = store
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for table in tables {
        store.execute_batch(&format!("CREATE TABLE before_{table} AS SELECT * FROM {table}")).unwrap();
    }
    store
}

#[test]
fn a_store_of_version_1_is_brought_up_to_date() {
    let (_folder, path) = place();
    drop(version_1(&path));
    let inputs = [ot_store::RunInput { path: "b.pcap".to_owned(), sha256: format!("{:>64}", "a"), bytes: 1_000 }];
    // A reader brings it up to date as well.
    drop(Reader::open(&path).unwrap());
    let version: i32 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, VERSION);
    let mut store = Store::open(&path).unwrap();
    let before = store.snapshot().unwrap();
    assert_eq!((before.devices.len(), before.state.last_event, before.programs.len()), (1, 7, 0));
    // The replay that was interrupted resumes, and what is new has its place.
    let start = store.begin_run(&spec(&inputs, 1)).unwrap();
    assert_eq!((start.run, start.resume_position), (1, 7));
    assert_eq!((start.snapshot.devices.len(), start.snapshot.programs.len()), (1, 0));
    store.finish_run(1, &changes(0, 50), 50, &[50], Timestamp(1)).unwrap();
    assert_eq!(store.snapshot().unwrap().programs.len(), 10);
    let left: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'before_program%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_damaged_store_is_told() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.finish_run(run, &changes(0, 50), 50, &[50], Timestamp(1)).unwrap();
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8_192..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let error = Store::open(&path).and_then(|mut store| store.snapshot()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(message(&error).contains("bring back a backup"));
}

#[test]
fn a_value_that_no_version_wrote_is_told() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.finish_run(run, &changes(0, 50), 50, &[50], Timestamp(1)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("UPDATE alert SET type = 'of-the-future' WHERE number = 2").unwrap();
    let loaded = store.snapshot().unwrap();
    assert!(loaded.alerts.iter().all(|alert| alert.number != 2));
    assert_eq!(store.warnings().len(), 1);
    other.execute_batch("UPDATE device SET role = 'wizard' WHERE id = 1").unwrap();
    let error = store.snapshot().unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(message(&error).contains("role"), "{error}");
}

#[test]
fn a_store_begun_by_a_killed_process_opens() {
    let (_folder, path) = place();
    fs::write(&path, "").unwrap();
    Store::open(&path).unwrap();
    assert!(Store::open(&path).is_ok());
}

#[test]
fn several_open_a_new_store_at_once() {
    for _ in 0..20 {
        let (_folder, path) = place();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Store::open(&path).map(drop)
            };
            let openers: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            for opener in openers {
                opener.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn only_one_engine_runs_on_a_store() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let lock = store.lock_engine().unwrap();
    let other = Store::open(&path).unwrap();
    let error = other.lock_engine().unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, StoreError::EngineRuns { pid: Some(holder), .. } if holder == pid), "{error}");
    assert!(message(&error).contains(&format!("process {pid} runs on it already")));
    drop(lock);
    other.lock_engine().unwrap();
}

#[test]
fn a_store_is_one_by_whatever_link_it_is_named() {
    let (folder, path) = place();
    let store = Store::open(&path).unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(!ot_store::engine_runs(&link));
    let lock = store.lock_engine().unwrap();
    assert!(ot_store::engine_runs(&link));
    let error = Store::open(&link).unwrap().lock_engine().unwrap_err();
    assert!(matches!(error, StoreError::EngineRuns { .. }), "{error}");
    drop(lock);
    assert!(Store::open(&link).unwrap().lock_engine().is_ok());
}

#[test]
fn a_killed_engine_gives_its_lock_back() {
    let (folder, path) = place();
    let store = Store::open(&path).unwrap();
    let lock = folder.path().join("ot-sensor.db.lock");
    fs::write(&lock, "").unwrap();
    // A process of its own takes the lock, as `flock` of util-linux does, and is killed.
    let Ok(mut holder) = Command::new("flock").arg("--no-fork").arg(&lock).args(["sleep", "60"]).spawn() else {
        return;
    };
    let mut refused = false;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        if matches!(store.lock_engine(), Err(StoreError::EngineRuns { pid: None, .. })) {
            refused = true;
            break;
        }
    }
    assert!(refused);
    let _ = holder.kill();
    holder.wait().unwrap();
    store.lock_engine().unwrap();
}

#[test]
fn a_writer_that_holds_on_is_told() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(run, &changes(0, 5), 5).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    message(&error);
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(run, &changes(0, 5), 5).unwrap();
}

#[test]
fn readers_see_whole_commits_while_one_writes() {
    let (_folder, path) = place();
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    store.commit(run, &changes(0, 1), 1).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for packet in 1..60 {
                store.commit(run, &changes(packet, packet + 1), packet + 1).unwrap();
            }
        });
        let mut seen = 0;
        while !writer.is_finished() {
            let mut reader = Store::open_existing(&path).unwrap();
            let snapshot = reader.snapshot().unwrap();
            let now = snapshot.state.last_event;
            assert!(now >= seen);
            assert!(snapshot.devices.iter().all(|device| device.last_seen == common::at(now)));
            seen = now;
        }
        writer.join().unwrap();
    });
}

#[test]
fn rights_that_do_not_suffice_are_told() {
    let (folder, path) = place();
    drop(Store::open(&path).unwrap());
    let as_nobody = |path: &Path| {
        // Root may do everything; then this test needs another user.
        fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") || path.as_os_str().is_empty()
    };
    if as_nobody(&path) {
        return;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(Store::open(&path).unwrap_err(), StoreError::Permission { .. }));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    assert!(matches!(Store::open(&folder.path().join("new.db")).unwrap_err(), StoreError::Permission { .. }));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk_is_told_and_leaves_the_store_sound() {
    let folder = TempDir::new().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return;
    }
    struct Mounted<'a>(&'a Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0).status();
        }
    }
    let _mounted = Mounted(folder.path());
    let path = folder.path().join("ot-sensor.db");
    let inputs = input();
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    let mut done = 0;
    let error = loop {
        match store.commit(run, &changes(done, done + 10), done + 10) {
            Ok(()) => done += 10,
            Err(error) => break error,
        }
        assert!(done < 5_000, "the disk never fills");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(message(&error).contains("no space left"));
    assert!(done > 0);
    assert_eq!(store.snapshot().unwrap().state.last_event, done);
    drop(store);
    // With room again it goes on.
    let grown = Command::new("mount").args(["-o", "remount,size=32m"]).arg(folder.path()).status().unwrap();
    assert!(grown.success());
    let mut store = Store::open(&path).unwrap();
    let start = store.begin_run(&spec(&inputs, 1)).unwrap();
    assert_eq!(start.resume_position, done);
    store.finish_run(run, &changes(0, done + 10), done + 10, &[done + 10], Timestamp(1)).unwrap();
    drop(store);
    let sound: String = Connection::open(&path)
        .unwrap()
        .query_row("SELECT integrity_check FROM pragma_integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    assert!(dump(&path).unwrap().len() > 100);
}
