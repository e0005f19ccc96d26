//! A large store: as many devices and alerts as a big plant has after years, written through the store's own writer.

use anyhow::Result;
use ot_engine::catalogue::{self, AlertType, Severity};
use ot_engine::context::{Context, Field, Said, Source};
use ot_engine::maintenance::{self, Selector, Share, Window};
use ot_engine::model::{
    Alert, AlertKey, AlertViolation, BaselineEntry, Device, DeviceAddress, DeviceId, EntryId, EntryKey, EntryKind,
    Event, IdentityValue, Origin, Peer, Point, ProtocolUse, Role, RoleReason, Status, Work,
};
use ot_engine::{Changes, State};
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, Intervals, Mac, Outcome, SubAddress, Timestamp};
use ot_store::{RunInput, RunKind, RunSpec, Store};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Alerts.
    pub alerts: u32,
    /// Devices.
    pub devices: u32,
    /// What the random choices start from.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { alerts: 1_000_000, devices: 12_000, seed: 1 }
    }
}

/// First packet time: 2025-01-01.
pub const START: i64 = 1_735_689_600;
/// Days over which the alerts are spread.
pub const DAYS: i64 = 180;
/// Rows written in one transaction.
const BATCH: u32 = 5_000;
/// Devices in one zone.
const ZONE: u32 = 120;

/// Numbers that look random, the same for the same seed (splitmix64).
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to `end`, exclusive.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.bits() % u64::from(end.max(1))).unwrap_or_default()
    }

    /// 0 up to `end`, exclusive; small numbers far more often: a few devices take part in most alerts.
    pub fn skewed(&mut self, end: u32) -> u32 {
        let halvings = self.below(14);
        self.below((end >> halvings).max(1))
    }
}

/// The address of a device.
pub fn address(device: u32) -> Ipv4Addr {
    let [_, high, middle, low] = device.to_be_bytes();
    Ipv4Addr::new(10, 20_u8.wrapping_add(high), middle, low)
}

fn mac(device: u32) -> Mac {
    let [_, high, middle, low] = device.to_be_bytes();
    Mac([0x00, 0x1d, 0x9c, high, middle, low])
}

/// The zone of a device.
pub fn zone(device: u32) -> String {
    format!("Cell {}", device / ZONE + 1)
}

fn role(device: u32) -> Role {
    match device % 20 {
        0 => Role::EngineeringStation,
        1 | 2 => Role::Hmi,
        3 => Role::Master,
        4 => Role::Gateway,
        5..=8 => Role::Outstation,
        9 => Role::Server,
        10 => Role::SwitchOrRouter,
        _ => Role::Controller,
    }
}

fn frame(number: u64) -> FrameRef {
    FrameRef::new(0_u32, number)
}

/// What is said of a device: of each the zone, of some an owner and tags.
fn context(number: u32) -> Context {
    let said = |field, value: String, source| Said { field, value, source, who: String::new() };
    let mut list = vec![
        said(Field::Zone, zone(number), Source::Configuration),
        said(Field::Site, format!("Plant {}", number % 8), Source::Configuration),
    ];
    if number.is_multiple_of(3) {
        list.push(said(Field::Owner, format!("shift {}", number % 5), Source::Person));
        list.push(said(Field::Tag, format!("line-{}", number % 40), Source::Person));
    }
    Context::new(list)
}

fn device(number: u32, end: Timestamp) -> Device {
    let first = Timestamp::new(START + i64::from(number), 0);
    let field = role(number).is_field();
    let told = |property: &str, value: String| IdentityValue {
        property: property.to_owned(),
        value,
        source: "Modbus FC 43/14".to_owned(),
        first_seen: first,
        last_seen: end,
        frame: frame(u64::from(number)),
    };
    Device {
        id: DeviceId(number),
        name: number.is_multiple_of(7).then(|| format!("PLC-{number}")),
        mac: Some(mac(number)),
        sub: SubAddress::None,
        parent: None,
        addresses: vec![DeviceAddress {
            ip: IpAddr::V4(address(number)),
            vlan: None,
            first_seen: first,
            last_seen: end,
        }],
        vendor: Some("Schneider Electric".to_owned()),
        role: role(number),
        role_reasons: vec![RoleReason {
            role: role(number),
            reason: "answers modbus requests".to_owned(),
            time: first,
            frame: frame(u64::from(number)),
        }],
        purdue: Some(if field { 1 } else { 2 }),
        ot: true,
        learned: !number.is_multiple_of(9),
        zone: Some(zone(number)),
        context: context(number),
        protocols: ["modbus", "s7comm"]
            .into_iter()
            .map(|protocol| ProtocolUse {
                protocol: protocol.to_owned(),
                as_client: !field,
                as_server: field,
                first_seen: first,
                last_seen: end,
            })
            .collect(),
        identities: if field {
            vec![told("vendor", "Schneider Electric".to_owned()), told("revision", format!("V{}.1", number % 5))]
        } else {
            Vec::new()
        },
        first_seen: first,
        last_seen: end,
    }
}

/// A device polls five others.
fn entries(client: u32, devices: u32, end: Timestamp, next: &mut u32) -> Vec<BaselineEntry> {
    let mut list = Vec::new();
    for step in 1..=5 {
        let server = (client + step * 31) % devices + 1;
        for kind in [EntryKind::Connection, EntryKind::Function, EntryKind::Range] {
            *next += 1;
            let range = kind == EntryKind::Range;
            list.push(BaselineEntry {
                id: EntryId(*next),
                key: EntryKey {
                    client: Some(DeviceId(client)),
                    server: Some(DeviceId(server)),
                    protocol: "modbus",
                    port: (kind == EntryKind::Connection).then_some(502),
                    function: (kind != EntryKind::Connection).then_some(3),
                    space: if range { "holding-registers" } else { "" },
                    start: range.then_some(0),
                    end: range.then_some(99),
                    ..EntryKey::new(kind)
                },
                allowed: true,
                origin: Origin::Traffic,
                count: 1_000,
                learned_count: 500,
                first_seen: Timestamp::new(START, 0),
                last_seen: end,
                first_frame: frame(u64::from(*next)),
                allowed_at: Some(Timestamp::new(START, 0)),
                expires: None,
                min: None,
                max: None,
                intervals: Intervals { count: 999, sum: 999 * SECOND, min: SECOND, max: SECOND },
                label: "Read Holding Registers",
            });
        }
    }
    list
}

fn points(device: u32, random: &mut Random, end: Timestamp) -> Vec<Point> {
    let writer = random.below(10) == 0;
    (0..20)
        .map(|address| Point {
            device: DeviceId(device),
            protocol: "modbus",
            space: "holding-registers",
            number: None,
            address,
            first_seen: Timestamp::new(START, 0),
            last_seen: end,
            min: Some(0.0),
            max: Some(f64::from(address) * 10.0),
            readers: vec![DeviceId(1)],
            writers: if writer { vec![DeviceId(2)] } else { Vec::new() },
            poll_interval: Some(SECOND),
        })
        .collect()
}

fn status(number: u32, plan: Plan, random: &mut Random) -> Status {
    // What is old was mostly looked at.
    let old = number < plan.alerts / 10 * 9;
    match random.below(100) {
        0..90 if old => Status::Closed,
        0..40 => Status::Closed,
        90..95 => Status::Active,
        _ => Status::New,
    }
}

fn lasted(random: &mut Random) -> i64 {
    let most = match random.below(100) {
        0..60 => return 0,
        60..80 => 60,
        80..93 => 3_600,
        93..98 => 86_400,
        98 => 7 * 86_400,
        _ => 40 * 86_400,
    };
    i64::from(random.below(most))
}

struct Made {
    alert: Alert,
    violations: Vec<AlertViolation>,
    events: Vec<Event>,
    work: Option<Work>,
}

fn alert(number: u32, plan: Plan, random: &mut Random) -> Made {
    let kinds = catalogue::all();
    let at = random.skewed(u32::try_from(kinds.len()).unwrap_or(1)) as usize;
    let kind: &'static AlertType = kinds.get(at).unwrap_or(catalogue::DEVICE_NOT_LEARNED);
    let step = DAYS * 86_400 * SECOND / i64::from(plan.alerts);
    let end = START * SECOND + DAYS * 86_400 * SECOND;
    let first = START * SECOND + i64::from(number) * step + i64::from(random.below(1_000_000));
    let last = (first + lasted(random) * SECOND).min(end);
    let (first, last) = (Timestamp(first), Timestamp(last.max(first)));
    let (client, server) = (random.skewed(plan.devices) + 1, random.below(plan.devices) + 1);
    let peer = |device: u32| Peer {
        device: Some(DeviceId(device)),
        ip: Some(IpAddr::V4(address(device))),
        mac: Some(mac(device)),
        sub: SubAddress::None,
    };
    let keyed = |device: u32| Peer { device: Some(DeviceId(device)), ip: None, mac: None, sub: SubAddress::None };
    let protocol = match kind.protocols.first() {
        Some(protocol) => Some(*protocol),
        None => {
            [None, Some("modbus"), Some("s7comm"), Some("dnp3")].into_iter().nth(random.below(4) as usize).flatten()
        }
    };
    let (register, value) = (random.below(60_000), random.below(65_536));
    let rows = if random.below(50) == 0 { 2 + random.below(40) } else { 1 };
    let severity = if random.below(20) == 0 { Severity::Critical } else { kind.severity };
    let frames = u64::from(number) * 8;
    let description = format!(
        "{} ({}) wrote {value} to holding register {register} of {} ({}), which it never wrote before",
        mac(client),
        address(client),
        mac(server),
        address(server)
    );
    let status = status(number, plan, random);
    let count = u64::from(rows) + u64::from(random.skewed(100_000));
    // A few are of work that was planned, the newest ones not.
    let planned = (number.is_multiple_of(400) && number < plan.alerts / 2).then(|| 1 + number / 400 % WINDOWS);
    let alert = Alert {
        number,
        id: format!("{:016x}{:016x}", random.bits(), random.bits()),
        kind,
        key: AlertKey {
            kind: kind.id,
            client: Some(keyed(client)),
            server: Some(keyed(server)),
            table: None,
            point: Some(u64::from(register)),
        },
        opening: 1,
        severity,
        status,
        learned: false,
        learned_act: 0,
        learned_until: None,
        muted: false,
        closed: (status == Status::Closed).then_some(last),
        first_detection: first,
        last_detection: last,
        count,
        expected: planned.map_or(0, |_| count),
        shares: planned.map(|window| Share { window, count }).into_iter().collect(),
        protocol,
        outcome: [None, Some(Outcome::Ok), Some(Outcome::Rejected(2, "Illegal Data Address"))]
            .into_iter()
            .nth(random.below(3) as usize)
            .flatten(),
        sources: vec![peer(client)],
        source_count: 1,
        destinations: vec![peer(server)],
        destination_count: 1,
        techniques: kind.techniques.of(Some("write")).to_vec(),
        description: description.clone(),
        why: format!("In the baseline {} registers of {} have another writer.", random.below(100), address(server)),
        entries: vec![EntryId(client)],
        frames: (0..=u64::from(rows.min(6))).map(|offset| frame(frames + offset)).collect(),
        violation_count: rows,
    };
    let violations = (1..=rows)
        .map(|row| AlertViolation {
            alert: number,
            number: row,
            first_seen: first,
            last_seen: last,
            count: 1,
            expected: planned.map_or(0, |_| 1),
            frame: frame(frames + u64::from(row)),
            function: "Write Single Register (6)".to_owned(),
            object: format!("holding-registers {}", register + row),
            value: value.to_string(),
            outcome: alert.outcome,
            detail: "never written by this device before".to_owned(),
            entries: vec![EntryId(client)],
        })
        .collect();
    let event = |offset: u64, kind: &'static str, text: String, of: Option<u32>| Event {
        number: u64::from(number) * 2 - offset,
        time: first,
        kind,
        source: Some(DeviceId(client)),
        destination: Some(DeviceId(server)),
        protocol,
        text,
        frame: frame(frames),
        alert: of,
    };
    let events = vec![
        event(1, "operation", format!("{} -> {}: Write Single Register (6)", address(client), address(server)), None),
        event(0, "alert-opened", format!("{}: {description}", kind.title), Some(number)),
    ];
    // Every fifth alert is of work on a controller.
    let work = number.is_multiple_of(5).then(|| Work {
        number: u64::from(number / 5),
        device: DeviceId(server),
        actor: Some(DeviceId(client)),
        protocol: "modbus",
        operation: "write",
        function: "Write Single Register (6)".to_owned(),
        object: format!("holding-registers {register}"),
        value: value.to_string(),
        outcome: Some(Outcome::Ok),
        first_seen: first,
        last_seen: last,
        count: 1,
        first_frame: frame(frames),
        last_frame: frame(frames),
        alert: Some(number),
        window: None,
    });
    Made { alert, violations, events, work }
}

/// Maintenance windows of a made store.
pub const WINDOWS: u32 = 20;

fn windows() -> Vec<Window> {
    let selector = |number: u32| Selector::parse(&format!("{}/24", address(number * 300))).ok();
    (1..=WINDOWS)
        .map(|number| Window {
            number,
            plan: maintenance::Plan {
                ticket: format!("CHG-{number}"),
                devices: selector(number).into_iter().collect(),
                by: Vec::new(),
                kinds: Vec::new(),
                start: Timestamp::new(START + i64::from(number) * 86_400, 0),
                end: Timestamp::new(START + i64::from(number) * 86_400 + 14_400, 0),
                note: String::new(),
            },
            source: Source::Configuration,
            who: String::new(),
            command: 0,
            added: Timestamp::new(START, 0),
            removed: None,
            removed_by: String::new(),
            removed_command: 0,
        })
        .collect()
}

/// Writes the store. `told` hears of the number of alerts written so far.
///
/// # Errors
/// As the store's.
pub fn write(path: &Path, plan: Plan, mut told: impl FnMut(u32)) -> Result<()> {
    let mut random = Random::new(plan.seed);
    let end = Timestamp::new(START + DAYS * 86_400, 0);
    let mut store = Store::open(path)?;
    let inputs = [RunInput { path: "plant.pcap".to_owned(), sha256: "0".repeat(64), bytes: 1 << 40 }];
    let spec = RunSpec {
        kind: RunKind::Replay,
        sensor: "line-3",
        site: "Plant North",
        options: "made",
        inputs: &inputs,
        now: Timestamp::default(),
    };
    let run = store.begin_run(&spec)?.run;
    let mut state = State { now: Some(end), last_device: plan.devices, ..State::default() };
    state.last_window = WINDOWS;
    let planned = Changes { maintenance: windows(), state: state.clone(), ..Changes::default() };
    store.commit(run, &planned, 1)?;
    let mut position = 1;
    let mut numbers = 1..=plan.devices;
    loop {
        let part: Vec<u32> = numbers.by_ref().take(1_000).collect();
        let Some(&last) = part.last() else { break };
        let mut changes = Changes::default();
        for number in part {
            changes.devices.push(device(number, end));
            changes.entries.extend(entries(number, plan.devices, end, &mut state.last_entry));
            changes.points.extend(points(number, &mut random, end));
        }
        position += u64::from(last);
        changes.state = state.clone();
        store.commit(run, &changes, position)?;
    }
    let mut next = 1;
    while next <= plan.alerts {
        let mut changes = Changes::default();
        let end = next.saturating_add(BATCH).min(plan.alerts.saturating_add(1));
        for number in next..end {
            let made = alert(number, plan, &mut random);
            changes.alerts.push(made.alert);
            changes.violations.extend(made.violations);
            changes.events.extend(made.events);
            changes.journal.extend(made.work);
        }
        next = end;
        state.last_alert = next - 1;
        state.last_event = u64::from(next - 1) * 2;
        state.last_work = u64::from((next - 1) / 5);
        changes.state = state.clone();
        position += 1;
        store.commit(run, &changes, position)?;
        told(next - 1);
    }
    store.finish_run(run, &Changes { state, ..Changes::default() }, position + 1, &[position + 1], Timestamp(1))?;
    Ok(())
}
