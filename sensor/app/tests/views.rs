//! What people and programs read, on a store made here: snapshots, exit codes, errors.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use assert_cmd::Command;
use ot_engine::catalogue;
use ot_engine::context::Source;
use ot_engine::maintenance::{Plan, Selector, Share, Window};
use ot_engine::model::{
    Alert, AlertKey, AlertViolation, BaselineEntry, Device, DeviceAddress, DeviceId, EntryId, EntryKey, EntryKind,
    Event, IdentityValue, Origin, Peer, Point, ProgramVersion, ProtocolUse, Role, RoleReason, Status, Work,
};
use ot_engine::{Changes, State};
use ot_protocol::{FrameRef, Intervals, Mac, Operation, Outcome, SubAddress, Timestamp};
use ot_store::{RunInput, RunKind, RunSpec, Store};
use std::path::PathBuf;

const DAY: i64 = 1_772_366_400;

fn at(second: i64) -> Timestamp {
    Timestamp::new(DAY + second, 123_456_789)
}

fn frame(number: u64) -> FrameRef {
    FrameRef::new(0_u32, number)
}

fn device(id: u32, ip: &str, sub: SubAddress, role: Role, vendor: &str) -> Device {
    Device {
        id: DeviceId(id),
        name: (id == 1).then(|| "HMI-1".to_owned()),
        mac: (id != 3).then(|| Mac([0x00, 0x1d, 0x9c, 0, 0, u8::try_from(id).unwrap()])),
        sub,
        parent: (id == 3).then_some(DeviceId(2)),
        addresses: vec![DeviceAddress {
            ip: ip.parse().unwrap(),
            vlan: Some(10),
            first_seen: at(0),
            last_seen: at(900),
        }],
        vendor: Some(vendor.to_owned()),
        role,
        role_reasons: vec![RoleReason { role, reason: "seen in the traffic".to_owned(), time: at(0), frame: frame(4) }],
        purdue: Some(if role.is_field() { 1 } else { 2 }),
        ot: true,
        learned: id != 4,
        zone: (id == 2).then(|| "Cell 1".to_owned()),
        context: Default::default(),
        protocols: vec![ProtocolUse {
            protocol: "modbus".to_owned(),
            as_client: !role.is_field(),
            as_server: role.is_field(),
            first_seen: at(0),
            last_seen: at(900),
        }],
        identities: if id == 2 {
            vec![IdentityValue {
                property: "product".to_owned(),
                value: "PM5560".to_owned(),
                source: "Modbus FC 43/14".to_owned(),
                first_seen: at(1),
                last_seen: at(1),
                frame: frame(9),
            }]
        } else {
            Vec::new()
        },
        first_seen: at(0),
        last_seen: at(900),
    }
}

fn entry(id: u32, kind: EntryKind, function: Option<u16>, allowed: bool) -> BaselineEntry {
    let mut key = EntryKey::new(kind);
    key.server = Some(DeviceId(2));
    if kind != EntryKind::Device {
        key.client = Some(DeviceId(1));
        key.protocol = "modbus";
    }
    key.function = function;
    if kind == EntryKind::Range {
        key.space = "holding-registers";
        key.start = Some(0);
        key.end = Some(9);
    }
    BaselineEntry {
        id: EntryId(id),
        key,
        allowed,
        origin: if allowed { Origin::Traffic } else { Origin::Observed },
        count: 600,
        learned_count: if allowed { 600 } else { 0 },
        first_seen: at(0),
        last_seen: at(600),
        first_frame: frame(4),
        allowed_at: allowed.then(|| at(0)),
        expires: None,
        min: None,
        max: None,
        intervals: Intervals { count: 599, sum: 599_000_000_000, min: 990_000_000, max: 1_010_000_000 },
        label: match function {
            Some(3) => "Read Holding Registers",
            Some(6) => "Write Single Register",
            _ => "",
        },
    }
}

fn peer(device: u32, ip: &str) -> Peer {
    Peer {
        device: Some(DeviceId(device)),
        ip: ip.parse().ok(),
        mac: Some(Mac([0x00, 0x1d, 0x9c, 0, 0, u8::try_from(device).unwrap()])),
        sub: SubAddress::None,
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

fn work(number: u64, second: i64, actor: u32, operation: &'static str, window: Option<u32>) -> Work {
    Work {
        number,
        device: DeviceId(3),
        actor: Some(DeviceId(actor)),
        protocol: "modbus",
        operation,
        function: "Write Single Register (function 6)".to_owned(),
        object: "holding registers 40".to_owned(),
        value: "99".to_owned(),
        outcome: Some(Outcome::Ok),
        first_seen: at(second),
        last_seen: at(second + 5),
        count: 2,
        first_frame: frame(700),
        last_frame: frame(701),
        alert: None,
        window,
    }
}

fn alert(number: u32, id: &str, kind: &'static catalogue::AlertType, second: i64, sources: Vec<Peer>) -> Alert {
    Alert {
        number,
        id: id.repeat(4),
        kind,
        key: AlertKey {
            kind: kind.id,
            client: sources.first().cloned(),
            server: None,
            table: None,
            point: Some(number.into()),
        },
        opening: 1,
        severity: if number == 3 { catalogue::Severity::Minor } else { kind.severity },
        status: Status::New,
        learned: false,
        learned_act: 0,
        learned_until: None,
        muted: false,
        closed: None,
        first_detection: at(second),
        last_detection: at(second + 5),
        count: 2,
        expected: if number == 2 { 2 } else { 0 },
        shares: if number == 2 { vec![Share { window: 1, count: 2 }] } else { Vec::new() },
        protocol: Some("modbus"),
        outcome: Some(Outcome::Rejected(2, "Illegal Data Address")),
        source_count: u32::try_from(sources.len()).unwrap(),
        sources,
        destinations: vec![peer(2, "10.0.0.10")],
        destination_count: 1,
        techniques: vec!["T0855", "T0836"],
        description: "HMI-1 wrote 99 to holding register 40; the device refused it.".to_owned(),
        why: "The baseline allows HMI-1 only: Read Holding Registers (3).".to_owned(),
        entries: if kind.learnable { vec![EntryId(3)] } else { Vec::new() },
        frames: vec![frame(700), frame(701)],
        violation_count: 1,
    }
}

/// A version of a block of device 2: what stands at second 100 was written, later ones were read.
fn program(number: u32, name: &str, second: i64, bytes: &[u8]) -> ProgramVersion {
    let written = number == 1;
    ProgramVersion {
        number,
        device: DeviceId(2),
        protocol: "s7comm",
        kind: "block",
        name: name.to_owned(),
        sha256: [u8::try_from(number).unwrap(); 32],
        length: u64::try_from(bytes.len()).unwrap(),
        complete: true,
        accepted: true,
        attributes: vec![
            ("author".to_owned(), "\u{1b}[31manna".to_owned()),
            ("version".to_owned(), format!("0.{number}")),
        ],
        bytes: Some(bytes.into()),
        first_seen: at(second),
        last_seen: at(second + 1),
        first_frame: frame(30),
        last_frame: frame(31),
        read: u64::from(!written),
        written: u64::from(written),
        readers: if written { vec![] } else { vec![DeviceId(1)] },
        writers: if written { vec![DeviceId(4)] } else { vec![] },
    }
}

/// A store with three devices and one behind, a baseline, three alerts, events and points.
fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plant.db");
    let mut store = Store::open(&path).unwrap();
    let _lock = store.lock_engine().unwrap();
    let start = store
        .begin_run(&RunSpec {
            kind: RunKind::Replay,
            sensor: "line-3",
            site: "Plant North",
            options: "test",
            inputs: &[RunInput { path: "plant.pcap".to_owned(), sha256: "ab".repeat(32), bytes: 4_096 }],
            now: at(0),
        })
        .unwrap();
    let changes = Changes {
        devices: vec![
            device(1, "10.0.0.5", SubAddress::None, Role::Hmi, "Dell"),
            device(2, "10.0.0.10", SubAddress::None, Role::Gateway, "Schneider Electric"),
            device(3, "10.0.0.10", SubAddress::Unit(3), Role::Controller, "Schneider Electric"),
            device(4, "10.0.0.66", SubAddress::None, Role::Unknown, "\u{1b}[31mevil"),
        ],
        entries: vec![
            entry(1, EntryKind::Device, None, true),
            entry(2, EntryKind::Function, Some(3), true),
            entry(3, EntryKind::Function, Some(6), false),
            entry(4, EntryKind::Range, Some(3), true),
        ],
        points: vec![
            Point {
                device: DeviceId(3),
                protocol: "modbus",
                space: "holding-registers",
                number: None,
                address: 40,
                first_seen: at(0),
                last_seen: at(600),
                min: Some(0.0),
                max: Some(99.0),
                readers: vec![DeviceId(1)],
                writers: vec![DeviceId(4)],
                poll_interval: Some(1_000_000_000),
            },
            Point {
                device: DeviceId(3),
                protocol: "modbus",
                space: "input-registers",
                number: None,
                address: 7,
                first_seen: at(0),
                last_seen: at(0),
                min: Some(5.0),
                max: Some(5.0),
                readers: vec![DeviceId(1)],
                writers: Vec::new(),
                poll_interval: None,
            },
        ],
        programs: vec![
            program(1, "DB 10", 100, &[0x70, 0x70, 1, 1, 2, 3]),
            program(2, "OB 1", 200, &[0x70; 300]),
            program(3, "DB 10", 800, &[0x70, 0x70, 1, 1, 9, 3, 4]),
        ],
        alerts: vec![
            alert(1, "aaaa1111", catalogue::DEVICE_NOT_LEARNED, 500, vec![peer(4, "10.0.0.66")]),
            alert(2, "bbbb2222", catalogue::MODBUS_FUNCTION_NOT_LEARNED, 600, vec![peer(1, "10.0.0.5")]),
            alert(
                3,
                "bbbb3333",
                catalogue::MODBUS_BAD_HEADER,
                700,
                vec![peer(1, "10.0.0.5"), peer(4, "10.0.0.66"), peer(9, "10.0.0.99")],
            ),
        ],
        maintenance: vec![Window {
            number: 1,
            plan: Plan {
                ticket: "CHG-4711".to_owned(),
                devices: vec![selector("10.0.0.10"), selector("device:Press 4")],
                by: vec![selector("10.0.0.5")],
                kinds: vec![Operation::Write],
                start: at(550),
                end: at(650),
                note: "new recipe".to_owned(),
            },
            source: Source::Configuration,
            who: String::new(),
            command: 0,
            added: at(0),
            removed: None,
            removed_by: String::new(),
            removed_command: 0,
        }],
        journal: vec![
            work(1, 600, 1, "write", Some(1)),
            work(2, 610, 4, "mode-stop", Some(1)),
            work(3, 700, 1, "write", None),
        ],
        violations: vec![AlertViolation {
            alert: 2,
            number: 1,
            first_seen: at(600),
            last_seen: at(605),
            count: 2,
            expected: 2,
            frame: frame(700),
            function: "Write Single Register (function 6)".to_owned(),
            object: "holding registers 40".to_owned(),
            value: "99".to_owned(),
            outcome: Some(Outcome::Rejected(2, "Illegal Data Address")),
            detail: "function 6 is not in the baseline".to_owned(),
            entries: vec![EntryId(2)],
        }],
        events: vec![
            Event {
                number: 1,
                time: at(0),
                kind: "device-new",
                source: Some(DeviceId(1)),
                destination: None,
                protocol: None,
                text: "New device 10.0.0.5".to_owned(),
                frame: frame(1),
                alert: None,
            },
            Event {
                number: 2,
                time: at(600),
                kind: "alert-opened",
                source: Some(DeviceId(1)),
                destination: Some(DeviceId(2)),
                protocol: Some("modbus"),
                text: "Modbus function code not in the baseline".to_owned(),
                frame: frame(700),
                alert: Some(2),
            },
        ],
        state: State {
            first_event: 0,
            closed_before: None,
            last_alert: 3,
            last_event: 2,
            last_device: 4,
            last_entry: 4,
            last_program: 3,
            last_work: 3,
            last_window: 1,
            now: Some(at(900)),
            watched_since: None,
            learning_until: Some(at(400)),
            learning: false,
            learning_since: None,
            device_learning: Vec::new(),
            ot_subnets: vec![("10.0.0.0".parse().unwrap(), 24)],
            counters: vec![("flows-evicted".to_owned(), 2), ("frames".to_owned(), 5_000), ("gap-bytes".to_owned(), 17)],
        },
        ..Changes::default()
    };
    store.finish_run(start.run, &changes, 5_000, &[5_000], at(1)).unwrap();
    drop(store);
    (folder, path)
}

fn sensor(path: &std::path::Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("ot-sensor")
        .unwrap()
        .args(arguments)
        .arg("--store")
        .arg(path)
        .env("USER", "alice")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&path.display().to_string(), "plant.db");
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn lists_and_stories_for_people() {
    let (_folder, path) = store();
    for (name, arguments) in [
        ("alerts_list", &["alerts", "list"][..]),
        ("alerts_show", &["alerts", "show", "bbbb2"]),
        ("alerts_show_several_sources", &["alerts", "show", "bbbb3"]),
        ("devices_list", &["devices", "list"]),
        ("devices_show", &["devices", "show", "10.0.0.10"]),
        ("maintenance_list", &["maintenance", "list"]),
        ("maintenance_report", &["maintenance", "report"]),
        ("points_list", &["points", "list", "10.0.0.10"]),
        ("points_list_written", &["points", "list", "10.0.0.10", "--written"]),
        ("points_list_changed", &["points", "list", "10.0.0.10", "--changed"]),
        ("points_list_space", &["points", "list", "10.0.0.10", "--space", "input-registers"]),
        ("baseline_list", &["baseline", "list", "--all"]),
        ("baseline_export", &["baseline", "export"]),
        ("events_list", &["events", "list"]),
        ("programs_list", &["programs", "list"]),
        ("programs_show", &["programs", "show", "2"]),
        ("stats", &["stats"]),
    ] {
        let (exit, out, err) = sensor(&path, arguments);
        assert_eq!((exit, err.as_str()), (0, ""), "{arguments:?}");
        assert!(!out.contains('\u{1b}'), "{arguments:?}: a terminal must not obey what the network says");
        insta::assert_snapshot!(name, out);
    }
}

#[test]
fn json_lines_for_programs() {
    let (_folder, path) = store();
    for (name, arguments) in [
        ("alerts_list_json", &["alerts", "list", "--json"][..]),
        ("alerts_show_json", &["alerts", "show", "bbbb2", "--json"]),
        ("devices_show_json", &["devices", "show", "2", "--json"]),
        ("programs_list_json", &["programs", "list", "--current", "--name", "db 10", "--json"]),
        ("programs_show_json", &["programs", "show", "3", "--json"]),
        ("stats_json", &["stats", "--json"]),
    ] {
        let (exit, out, _) = sensor(&path, arguments);
        assert_eq!(exit, 0, "{arguments:?}");
        let mut shown = String::new();
        for line in out.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["schema"], 1);
            shown.push_str(&serde_json::to_string_pretty(&value).unwrap());
            shown.push('\n');
        }
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn versions_are_compared_with_the_one_before() {
    let (_folder, path) = store();
    let (exit, out, err) = sensor(&path, &["programs", "diff", "3"]);
    assert_eq!((exit, err.as_str()), (1, ""));
    insta::assert_snapshot!("programs_diff", out);
    let (exit, same, _) = sensor(&path, &["programs", "diff", "1", "3"]);
    assert_eq!((exit, same), (1, out));
    let (exit, out, _) = sensor(&path, &["programs", "diff", "3", "3", "--json"]);
    let equal: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &equal["equal"], &equal["offset"]), (0, &true.into(), &serde_json::Value::Null));
    for (arguments, exit, says) in [
        (&["programs", "diff", "1"][..], 2, "no other version of the block was seen before version 1"),
        (&["programs", "diff", "1", "9"], 1, "there is no version 9"),
        (&["programs", "list", "--device", "10.0.0.5"], 1, "nothing found"),
        (&["programs", "list", "--sha256", "%"], 1, "nothing found"),
        (&["points", "list", "10.0.0.10", "--space", "coils"], 1, "no such point of 10.0.0.10"),
    ] {
        let (found, out, err) = sensor(&path, arguments);
        assert_eq!((found, out.as_str()), (exit, ""), "{arguments:?}");
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
    let (exit, out, _) = sensor(&path, &["programs", "list", "--sha256", "0202", "--json"]);
    assert_eq!((exit, out.lines().count()), (0, 1));
}

#[test]
fn filters_let_through_what_they_say() {
    let (_folder, path) = store();
    for (arguments, numbers) in [
        (&["--severity", "major.."][..], "21"),
        (&["--severity", "warning,minor"], "3"),
        (&["--engine", "protocol-violation"], "3"),
        (&["--type", "device-not-learned"], "1"),
        (&["--device", "10.0.0.66"], "31"),
        (&["--source", "HMI-1"], "32"),
        (&["--destination", "00:1D:9C:00:00:02"], "321"),
        (&["--destination", "HMI-1"], ""),
        (&["--technique", "t0836"], "321"),
        (&["--technique", "T0801"], ""),
        (&["--protocol", "dnp3"], ""),
        (&["--status", "active"], ""),
        (&["--text", "FUNCTION CODE"], "2"),
        (&["--text", "100%"], ""),
        (&["--since", "-4m"], "3"),
        (&["--since", "2026-03-01T12:11:45Z"], "3"),
        (&["--until", "1772366950"], "1"),
        (&["--sort", "first", "--reverse"], "123"),
        (&["--limit", "1"], "3"),
    ] {
        let mut all = vec!["alerts", "list", "--json"];
        all.extend(arguments);
        let (exit, out, err) = sensor(&path, &all);
        let found: String = out
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let id = value["id"].as_str().unwrap().to_owned();
                id.chars().nth(4).unwrap()
            })
            .collect();
        assert_eq!(found, numbers, "{arguments:?}: {err}");
        assert_eq!(exit, i32::from(numbers.is_empty()), "{arguments:?}");
        assert_eq!(err.is_empty(), !numbers.is_empty(), "{arguments:?}: {err}");
    }
}

#[test]
fn triage_is_applied_and_told_in_one_line() {
    let (_folder, path) = store();
    let status = |id: &str| {
        let (_, out, _) = sensor(&path, &["alerts", "show", id, "--json"]);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        (value["status"].clone(), value["learned"].clone(), value["muted"].clone(), value["history"].clone())
    };
    let (exit, out, err) = sensor(&path, &["alerts", "learn", "bbbb2", "--why", "ticket 1"]);
    assert_eq!((exit, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "learned and closed: bbbb2222 Modbus function code not in the baseline: 1 baseline entry allowed\n\
         act 1; `ot-sensor baseline undo 1` takes it back\n"
    );
    let (now, learned, _, history) = status("bbbb2");
    assert_eq!((now, learned), ("closed".into(), true.into()));
    assert_eq!(history[0]["who"], "alice");
    assert_eq!(history[0]["why"], "ticket 1");
    let (_, out, _) = sensor(&path, &["baseline", "export"]);
    assert!(out.contains("function=6"), "{out}");
    assert_eq!(sensor(&path, &["alerts", "unlearn", "bbbb2"]).0, 0);
    let (_, out, _) = sensor(&path, &["baseline", "export"]);
    assert!(!out.contains("function=6"), "{out}");
    assert_eq!(status("bbbb2").0, "new");

    let (exit, _, err) = sensor(&path, &["alerts", "learn", "bbbb3"]);
    assert_eq!(exit, 1);
    assert!(err.contains("cannot be learned") && err.contains("mute") && err.lines().count() == 1, "{err}");
    assert_eq!(sensor(&path, &["alerts", "mute", "bbbb3", "aaaa1"]).0, 0);
    assert_eq!(status("aaaa1").2, true);
    assert_eq!(sensor(&path, &["alerts", "unmute", "bbbb3"]).0, 0);
    assert_eq!(sensor(&path, &["alerts", "unmute", "bbbb3"]).0, 1);
    assert_eq!(sensor(&path, &["alerts", "comment", "looked at it", "bbbb2", "--who", "bob"]).0, 0);
    assert_eq!(sensor(&path, &["alerts", "status", "active", "bbbb2"]).0, 0);
    assert_eq!(status("bbbb2").0, "active");
    assert_eq!(sensor(&path, &["alerts", "close", "bbbb2"]).0, 0);
    assert_eq!(status("bbbb2").0, "closed");
}

#[test]
fn a_running_engine_gets_the_command() {
    let (_folder, path) = store();
    let store = Store::open(&path).unwrap();
    let _lock = store.lock_engine().unwrap();
    let (exit, out, _) = sensor(&path, &["alerts", "close", "bbbb2"]);
    assert_eq!(exit, 0);
    assert!(out.starts_with("asked for (status): bbbb2222") && out.contains("applies it as soon as it can"), "{out}");
}

#[test]
fn exported_baselines_compare() {
    let (folder, path) = store();
    let (_, out, _) = sensor(&path, &["baseline", "export"]);
    let (old, new) = (folder.path().join("old.txt"), folder.path().join("new.txt"));
    std::fs::write(&old, &out).unwrap();
    std::fs::write(&new, out.replace("end=9", "end=19")).unwrap();
    let name = |path: &PathBuf| path.to_str().unwrap().to_owned();
    assert_eq!(sensor(&path, &["baseline", "diff", &name(&old)]), (0, String::new(), String::new()));
    let (exit, out, _) = sensor(&path, &["baseline", "diff", &name(&old), &name(&new)]);
    assert_eq!(exit, 1);
    let signs: String = out.lines().filter_map(|line| line.chars().next()).collect();
    assert_eq!(signs, "-+", "{out}");
    std::fs::write(&old, "no baseline").unwrap();
    let (exit, _, err) = sensor(&path, &["baseline", "diff", &name(&old)]);
    assert_eq!(exit, 3);
    assert!(err.contains("line 1") && err.contains("baseline export"), "{err}");
}

#[test]
fn errors_are_one_line_with_a_fixed_code() {
    let (folder, path) = store();
    for (arguments, code, says) in [
        (&["alerts", "show", "bbbb"][..], 2, "not one alert but several"),
        (&["alerts", "show", "cccc"], 1, "no alert has an id"),
        (&["alerts", "show", "xyz"], 2, "is no alert id"),
        (&["devices", "show", "10.9.9.9"], 1, "no device is known as"),
        (&["alerts", "list", "--severity", "magor"], 2, "did you mean \"major\"?"),
        (&["alerts", "list", "--since", "soon"], 2, "is no time"),
        (&["alerts", "list", "--nonsense"], 2, "--nonsense"),
        (&["baseline", "reset"], 2, "--device"),
    ] {
        let (exit, out, err) = sensor(&path, arguments);
        assert_eq!(exit, code, "{arguments:?}: {err}");
        assert!(err.contains(says) && err.lines().count() == 1, "{arguments:?}: {err}");
        assert_eq!(out, "", "{arguments:?}");
    }
    for (store, says) in
        [(folder.path().to_owned(), "is a directory"), (folder.path().join("none.db"), "does not exist")]
    {
        let (exit, _, err) = sensor(&store, &["stats"]);
        assert_eq!(exit, 4);
        assert!(err.contains(says), "{err}");
    }
    let foreign = folder.path().join("foreign.db");
    std::fs::write(&foreign, "this is not a database, but long enough to look at".repeat(20)).unwrap();
    assert_eq!(sensor(&foreign, &["stats"]).0, 4);
}

#[test]
fn a_closed_pipe_is_no_error() {
    use std::io::Read;
    use std::process::Stdio;
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("ot-sensor"))
        .args(["catalogue", "list", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}
