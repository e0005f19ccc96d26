//! An invented plant: state after a number of packets, the same each time.

#![allow(dead_code, reason = "each test uses a part")]

use ot_engine::catalogue::{self, Severity};
use ot_engine::context::{Context, Field, Said, Source};
use ot_engine::maintenance::{Plan, Selector, Share, Window};
use ot_engine::model::{
    Alert, AlertKey, AlertViolation, BaselineEntry, Device, DeviceAddress, DeviceId, EntryId, EntryKey, EntryKind,
    Event, IdentityValue, Origin, Peer, Point, ProgramVersion, ProtocolUse, Role, RoleReason, Status, Work,
};
use ot_engine::{Changes, Snapshot, State};
use ot_protocol::{FrameRef, Intervals, Mac, Operation, Outcome, SubAddress, Timestamp};
use ot_store::{RunInput, RunKind, RunSpec};
use std::net::{IpAddr, Ipv4Addr};

pub fn at(packet: u64) -> Timestamp {
    Timestamp::new(1_700_000_000 + i64::try_from(packet).unwrap(), 7)
}

pub fn frame(packet: u64) -> FrameRef {
    FrameRef::new(0_u32, packet)
}

fn said(field: Field, value: &str, source: Source) -> Said {
    let who = if source == Source::Person { "anna" } else { "" };
    Said { field, value: value.to_owned(), source, who: who.to_owned() }
}

pub fn device(number: u8, now: u64) -> Device {
    let first = u64::from(number);
    Device {
        id: DeviceId(number.into()),
        name: (number == 2).then(|| "pump 'house'; \u{0}\u{1f4a7}".to_owned()),
        mac: (number != 3).then_some(Mac([0, 0x1d, 0x9c, 0, 0, number])),
        sub: match number {
            1 => SubAddress::None,
            2 => SubAddress::Unit(255),
            3 => SubAddress::Link(65_519),
            _ => SubAddress::RackSlot(0, 2),
        },
        parent: (number > 1).then_some(DeviceId(1)),
        addresses: vec![
            DeviceAddress {
                ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
                vlan: Some(100),
                first_seen: at(first),
                last_seen: at(now),
            },
            DeviceAddress { ip: "fe80::1".parse().unwrap(), vlan: None, first_seen: at(first), last_seen: at(first) },
        ],
        vendor: Some("Example Automation".to_owned()),
        role: if number == 1 { Role::Gateway } else { Role::Controller },
        role_reasons: vec![RoleReason {
            role: Role::Controller,
            reason: "answers Modbus requests".to_owned(),
            time: at(first),
            frame: frame(first),
        }],
        purdue: (number != 1).then_some(1),
        ot: true,
        learned: number == 2,
        zone: Some("cell 1".to_owned()),
        context: Context::new([
            said(Field::Zone, "cell 1", Source::Configuration),
            said(Field::Tag, "press", Source::Person),
            said(Field::Tag, "line-3", Source::Person),
        ]),
        protocols: vec![ProtocolUse {
            protocol: "modbus".to_owned(),
            as_client: false,
            as_server: true,
            first_seen: at(first),
            last_seen: at(now),
        }],
        identities: (1..=now / 20)
            .map(|n| IdentityValue {
                property: "revision".to_owned(),
                value: format!("v{n}"),
                source: "Modbus FC 43/14 object 2".to_owned(),
                first_seen: at(n * 20),
                last_seen: at(n * 20),
                frame: frame(n * 20),
            })
            .collect(),
        first_seen: at(first),
        last_seen: at(now),
    }
}

pub fn entry(number: u32, now: u64) -> BaselineEntry {
    let mut key = EntryKey::new(EntryKind::ALL[number as usize % EntryKind::ALL.len()]);
    if number % 2 == 1 {
        key.client = Some(DeviceId(1));
        key.server = Some(DeviceId(2));
        key.protocol = "modbus";
        key.port = Some(502);
        key.function = Some(u16::MAX);
        key.subfunction = Some(14);
        key.space = "holding-registers";
        key.number = Some(u32::MAX);
        key.start = Some(number);
        key.end = Some(number + 9);
        key.text = Some("product=X".into());
    }
    BaselineEntry {
        id: EntryId(number),
        key,
        allowed: number % 2 == 1,
        origin: match number % 4 {
            0 => Origin::Traffic,
            1 => Origin::Observed,
            2 => Origin::Person("anna".to_owned()),
            _ => Origin::Import("plant.json".to_owned()),
        },
        count: now,
        learned_count: now / 2,
        first_seen: at(1),
        last_seen: at(now),
        first_frame: frame(1),
        allowed_at: (number % 2 == 1).then(|| at(3)),
        expires: (number % 3 == 1).then(|| at(1_000)),
        min: (number % 2 == 1).then_some(-1.5),
        max: (number % 2 == 1).then_some(1e300),
        intervals: Intervals { count: 3, sum: 30, min: 9, max: 11 },
        label: "Read Holding Registers",
    }
}

pub fn point(address: u32, now: u64) -> Point {
    Point {
        device: DeviceId(2),
        protocol: "modbus",
        space: "holding-registers",
        number: address.is_multiple_of(5).then_some(3),
        address,
        first_seen: at(1),
        last_seen: at(now),
        min: Some(0.0),
        max: Some(f64::from(address)),
        readers: vec![DeviceId(1), DeviceId(4)],
        writers: if address.is_multiple_of(2) { vec![] } else { vec![DeviceId(4)] },
        poll_interval: Some(1_000_000_000),
    }
}

/// The bytes of every second version were given up.
pub fn program(number: u32, now: u64) -> ProgramVersion {
    let byte = u8::try_from(number % 256).unwrap();
    ProgramVersion {
        number,
        device: DeviceId(2),
        protocol: "s7comm",
        kind: "block",
        name: format!("DB {}", number % 3),
        sha256: [byte; 32],
        length: 1 << 40,
        complete: number != 2,
        accepted: number != 3,
        attributes: vec![("author".to_owned(), "anna".to_owned()), ("version".to_owned(), "0.1".to_owned())],
        bytes: number.is_multiple_of(2).then(|| vec![0, 255, byte].into()),
        first_seen: at(number.into()),
        last_seen: at(now),
        first_frame: frame(number.into()),
        last_frame: frame(now),
        read: now,
        written: 1,
        readers: vec![DeviceId(1), DeviceId(4)],
        writers: if number.is_multiple_of(2) { vec![] } else { vec![DeviceId(4)] },
    }
}

pub fn work(number: u64, now: u64) -> Work {
    Work {
        number,
        device: DeviceId(2),
        actor: (!number.is_multiple_of(3)).then_some(DeviceId(1)),
        protocol: "modbus",
        operation: if number.is_multiple_of(2) { "write" } else { "mode-changed" },
        function: "Write Single Register (function 6)".to_owned(),
        object: format!("holding register {number}"),
        value: now.to_string(),
        outcome: number.is_multiple_of(2).then_some(Outcome::Rejected(2, "illegal data address")),
        first_seen: at(number),
        last_seen: at(now),
        count: now,
        first_frame: frame(number),
        last_frame: frame(now),
        alert: (number == 2).then_some(1),
        window: (number == 2).then_some(1),
    }
}

pub fn alert(number: u32, now: u64, status: Status) -> Alert {
    let kinds = catalogue::all();
    let kind = &kinds[number as usize % kinds.len()];
    let peer = |device: Option<u32>| Peer {
        device: device.map(DeviceId),
        ip: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 66))),
        mac: Some(Mac([2, 0, 0, 0, 0, 66])),
        sub: SubAddress::Unit(1),
    };
    let violations = u32::try_from(now).unwrap() - number;
    Alert {
        number,
        id: format!("{number:032x}"),
        kind,
        key: AlertKey {
            kind: kind.id,
            client: Some(Peer { device: Some(DeviceId(1)), ip: None, mac: None, sub: SubAddress::None }),
            server: number.is_multiple_of(2).then(|| peer(None)),
            table: number.is_multiple_of(3).then_some("coils"),
            point: (number % 3 == 1).then_some(40),
        },
        opening: 1 + number / u32::try_from(kinds.len()).unwrap(),
        severity: Severity::ALL[number as usize % 4],
        status,
        learned: false,
        learned_act: 0,
        learned_until: None,
        muted: false,
        closed: (status == Status::Closed).then(|| at(now)),
        first_detection: at(number.into()),
        last_detection: at(now),
        count: now,
        expected: if number.is_multiple_of(2) { now } else { 0 },
        shares: if number.is_multiple_of(2) { vec![Share { window: 1, count: now }] } else { vec![] },
        protocol: Some("modbus"),
        outcome: match number % 5 {
            0 => None,
            1 => Some(Outcome::Rejected(2, "illegal data address")),
            2 => Some(Outcome::Pending),
            3 => Some(Outcome::Unanswered),
            _ => Some(Outcome::Ok),
        },
        sources: vec![peer(Some(1)), peer(None)],
        source_count: 12,
        destinations: vec![peer(Some(2))],
        destination_count: 1,
        techniques: vec!["T0836", "T0855"],
        description: format!("device 1 wrote 7\nto point {number}"),
        why: "never written before".to_owned(),
        entries: vec![EntryId(1), EntryId(3)],
        frames: (u64::from(number)..=now).take(20).chain([now]).map(frame).collect(),
        violation_count: violations,
    }
}

pub fn window() -> Window {
    let selector = |text: &str| Selector::parse(text).unwrap();
    Window {
        number: 1,
        plan: Plan {
            ticket: "CHG-4711".to_owned(),
            devices: vec![selector("10.0.0.0/24"), selector("device:Press 3")],
            by: vec![selector("10.0.0.66")],
            kinds: vec![Operation::ProgramWrite, Operation::ModeStop],
            start: at(0),
            end: at(100),
            note: "new firmware".to_owned(),
        },
        source: Source::Configuration,
        who: String::new(),
        command: 0,
        added: at(0),
        removed: None,
        removed_by: String::new(),
        removed_command: 0,
    }
}

pub fn violation(alert: u32, number: u32, now: u64) -> AlertViolation {
    AlertViolation {
        alert,
        number,
        first_seen: at(u64::from(alert + number)),
        last_seen: at(now),
        count: now,
        expected: if alert.is_multiple_of(2) { now } else { 0 },
        frame: frame(u64::from(alert + number)),
        function: "Write Single Register (6)".to_owned(),
        object: "holding-registers 40".to_owned(),
        value: "7".to_owned(),
        outcome: Some(Outcome::Rejected(2, "illegal data address")),
        detail: "outside the values learned".to_owned(),
        entries: vec![EntryId(1), EntryId(3)],
    }
}

/// What the engine tells when it has come from packet `from` (exclusive) to packet `to`.
pub fn changes(from: u64, to: u64) -> Changes {
    let news = from + 1..=to;
    let mut changes = Changes { state: state(to), ..Changes::default() };
    changes.devices = (1..=4).filter(|&number| u64::from(number) <= to).map(|number| device(number, to)).collect();
    changes.entries = (1..=12).filter(|&number| u64::from(number) <= to).map(|number| entry(number, to)).collect();
    changes.points = news.clone().map(|packet| point(u32::try_from(packet).unwrap(), packet)).collect();
    changes.journal = (1..=to / 5).map(|number| work(number, to)).collect();
    changes.maintenance = vec![window()];
    changes.programs = (1..=to / 5).map(|number| program(u32::try_from(number).unwrap(), to)).collect();
    // An alert opens every tenth packet and then gets a violation with each packet.
    for number in (1..=u32::try_from(to).unwrap()).step_by(10).map(|first| first / 10 + 1) {
        let mut alert = alert(number, to, Status::New);
        alert.first_detection = at(u64::from(number) * 10 - 9);
        changes.alerts.push(alert);
    }
    for packet in news {
        for alert in changes.alerts.iter().filter(|alert| u64::from(alert.number) * 10 - 9 <= packet) {
            let number = u32::try_from(packet).unwrap();
            changes.violations.push(violation(alert.number, number, packet));
        }
        changes.events.push(Event {
            number: packet,
            time: at(packet),
            kind: "operation",
            source: Some(DeviceId(1)),
            destination: (packet % 2 == 0).then_some(DeviceId(2)),
            protocol: Some("modbus"),
            text: format!("packet {packet}"),
            frame: frame(packet),
            alert: (packet % 10 == 1).then_some(1),
        });
    }
    changes
}

pub fn state(now: u64) -> State {
    State {
        first_event: 0,
        closed_before: None,
        last_alert: u32::try_from(now).unwrap() / 10 + 1,
        last_event: now,
        last_device: 4,
        last_entry: 12,
        last_program: u32::try_from(now / 5).unwrap(),
        last_work: now / 5,
        last_window: 1,
        now: Some(at(now)),
        watched_since: Some(at(0)),
        learning_until: None,
        learning: false,
        learning_since: None,
        device_learning: Vec::new(),
        ot_subnets: vec![(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 24), ("fe80::".parse().unwrap(), 64)],
        counters: vec![("flows-evicted".to_owned(), now), ("packets".to_owned(), u64::MAX >> 1)],
    }
}

/// The snapshot that a store must give after these changes, had it been empty.
pub fn expected(changes: &Changes) -> Snapshot {
    let mut points = changes.points.clone();
    points.sort_by_key(|point| (point.device, point.space, point.number, point.address));
    Snapshot {
        grants: Vec::new(),
        devices: changes.devices.clone(),
        entries: changes.entries.clone(),
        points,
        programs: changes.programs.clone(),
        journal: changes.journal.clone(),
        maintenance: changes.maintenance.clone(),
        alerts: changes.alerts.clone(),
        openings: vec![],
        state: changes.state.clone(),
    }
}

pub fn input() -> Vec<RunInput> {
    vec![
        RunInput { path: "a.pcap".to_owned(), sha256: "aa".repeat(32), bytes: 1_000 },
        RunInput { path: "b.pcap".to_owned(), sha256: "bb".repeat(32), bytes: 2_000 },
    ]
}

pub fn spec(inputs: &[RunInput], wall: i64) -> RunSpec<'_> {
    RunSpec {
        kind: RunKind::Replay,
        sensor: "replay",
        site: "plant 1",
        options: "learn none",
        inputs,
        now: Timestamp(wall),
    }
}

/// Fails with the first line that differs.
pub fn assert_same(left: &[String], right: &[String]) {
    let first = left.iter().zip(right).find(|(left, right)| left != right);
    assert!(first.is_none(), "{first:#?}");
    assert_eq!(left.len(), right.len());
}
