use super::*;
use crate::read::{DeviceQuery, EntryQuery, EventQuery, PeerFilter, PointQuery, Side};
use crate::{RunInput, RunKind, RunSpec, Store};
use ot_engine::catalogue::{self, AlertType, EngineKind, Severity};
use ot_engine::context::{Context, Field, Importance, Said, Source};
use ot_engine::maintenance::Share;
use ot_engine::model::{Alert, AlertKey, Device, DeviceId, Peer, Role, Status};
use ot_engine::{Changes, State};
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, SubAddress};
use std::net::IpAddr;

impl Reader {
    /// Notes how SQLite goes about a statement.
    pub(in crate::read) fn explain(&self, sql: &str, conditions: &crate::read::Conditions) {
        let mut statement = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> = statement
            .query_map(rusqlite::params_from_iter(conditions.parameters()), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        self.plans.borrow_mut().push((sql.to_owned(), steps.join("\n")));
    }
}

/// Numbers that look random, the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    fn time(&mut self) -> Timestamp {
        Timestamp(i64::try_from(self.below(2_000)).unwrap() * 1_000 * SECOND)
    }
}

const ZONES: [&str; 3] = ["cell 1", "cell 2", "cell 3"];
const TEXTS: [&str; 4] = ["register", "COIL 7", "7", "100%"];
const SORTS: [AlertSort; 6] = [
    AlertSort::LastDetection,
    AlertSort::FirstDetection,
    AlertSort::Severity,
    AlertSort::Count,
    AlertSort::Type,
    AlertSort::Importance,
];

fn ip(device: u32) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(device).unwrap()])
}

fn devices(random: &mut Random) -> Vec<Device> {
    (1..=20_u32)
        .map(|number| {
            let said = |field, value: &str| Said {
                field,
                value: value.to_owned(),
                source: Source::Person,
                who: String::new(),
            };
            let zone = random.pick(&ZONES);
            let mut list = vec![said(Field::Zone, zone), said(Field::Site, random.pick(&["north", "south"]))];
            if random.below(3) == 0 {
                list.push(said(Field::Owner, "shift 1"));
                list.push(said(Field::Tag, "line-1"));
            }
            Device {
                id: DeviceId(number),
                name: None,
                mac: None,
                sub: SubAddress::None,
                parent: None,
                addresses: Vec::new(),
                vendor: None,
                role: random.pick(&[Role::Controller, Role::Hmi, Role::Unknown]),
                role_reasons: Vec::new(),
                purdue: None,
                ot: true,
                learned: true,
                zone: Some(zone.to_owned()),
                context: Context::new(list),
                protocols: Vec::new(),
                identities: Vec::new(),
                first_seen: Timestamp(0),
                last_seen: Timestamp(1),
            }
        })
        .collect()
}

fn kinds() -> Vec<&'static AlertType> {
    catalogue::all().iter().step_by(17).collect()
}

fn alert(number: u32, random: &mut Random) -> Alert {
    let kind = random.pick(&kinds());
    let first = random.time();
    let lasted = random.pick(&[0, 0, 30, 4_000, 90_000, 700_000]);
    // Some devices take part in most alerts; some are not in the inventory, some have only an address.
    let peer = |random: &mut Random| {
        let most = random.pick(&[2, 2, 22]);
        let device = u32::try_from(random.below(most)).unwrap() + 1;
        Peer {
            device: (random.below(8) > 0).then_some(DeviceId(device)),
            ip: Some(ip(device)),
            mac: None,
            sub: SubAddress::None,
        }
    };
    let sources: Vec<Peer> = (0..random.below(3)).map(|_| peer(random)).collect();
    let destinations: Vec<Peer> = (0..random.below(3)).map(|_| peer(random)).collect();
    let count = random.below(12) as u64 + 1;
    let expected = random.pick(&[0, 0, 0, 1, count]);
    Alert {
        number,
        id: format!("{:032x}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        kind,
        key: AlertKey { kind: kind.id, client: None, server: None, table: None, point: Some(u64::from(number)) },
        opening: 1,
        severity: random.pick(&[kind.severity, kind.severity, Severity::Critical, Severity::Minor]),
        status: random.pick(&[Status::New, Status::Active, Status::Closed, Status::Closed]),
        learned: false,
        learned_act: 0,
        learned_until: None,
        muted: false,
        closed: None,
        first_detection: first,
        last_detection: first.plus(lasted * SECOND),
        count,
        expected,
        shares: shares(expected, random),
        protocol: random.pick(&[None, Some("modbus"), Some("dnp3")]),
        outcome: None,
        source_count: u32::try_from(sources.len()).unwrap(),
        sources,
        destination_count: u32::try_from(destinations.len()).unwrap(),
        destinations,
        techniques: kind.techniques.of(random.pick(&[None, Some("write")])).to_vec(),
        description: format!("wrote 100% to {} {}", random.pick(&["register", "coil"]), random.below(90)),
        why: format!("Nobody else wrote to coil {}.", random.below(90)),
        entries: Vec::new(),
        frames: vec![FrameRef::new(0_u32, 1)],
        violation_count: 1,
    }
}

/// Alerts up to this number were opened by run 1, all others by run 2.
const OF_FIRST_RUN: u32 = 370;

/// In which windows of three; an alert may be in several.
fn shares(expected: u64, random: &mut Random) -> Vec<Share> {
    let first = u32::try_from(random.below(3)).unwrap();
    let number = if expected == 0 { 0 } else { random.pick(&[1, 1, 2]) };
    (0..number).map(|place| Share { window: (first + place) % 3 + 1, count: 1 }).collect()
}

/// A store with some hundred alerts, written as an engine does: some come again, some are deleted.
fn store(folder: &tempfile::TempDir, seed: u64) -> (Reader, Vec<Alert>, Vec<Device>) {
    let mut random = Random(seed);
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path).unwrap();
    let inputs = [RunInput { path: "a.pcap".to_owned(), sha256: "0".repeat(64), bytes: 1 }];
    let (kind, now) = (RunKind::Replay, Timestamp::default());
    let run = store.begin_run(&RunSpec { kind, sensor: "s", site: "", options: "", inputs: &inputs, now }).unwrap().run;
    let devices = devices(&mut random);
    let mut alerts: Vec<Alert> = (1..=400).map(|number| alert(number, &mut random)).collect();
    let mut state = State { last_alert: 400, ..State::default() };
    let (first, second) = alerts.split_at(OF_FIRST_RUN as usize);
    let changes =
        Changes { devices: devices.clone(), alerts: first.to_vec(), state: state.clone(), ..Changes::default() };
    store.finish_run(run, &changes, 1, &[1], now).unwrap();
    let inputs = [RunInput { path: "b.pcap".to_owned(), sha256: "1".repeat(64), bytes: 1 }];
    let run = store.begin_run(&RunSpec { kind, sensor: "t", site: "", options: "", inputs: &inputs, now }).unwrap().run;
    store.commit(run, &Changes { alerts: second.to_vec(), state: state.clone(), ..Changes::default() }, 1).unwrap();
    let mut again = Vec::new();
    for alert in &mut alerts {
        if random.below(3) == 0 {
            alert.count += random.below(9) as u64;
            alert.last_detection = alert.last_detection.plus(i64::try_from(random.below(400_000)).unwrap() * SECOND);
            alert.status = random.pick(&[Status::New, Status::Active, Status::Closed]);
            if random.below(4) == 0 {
                alert.expected = alert.count;
                if alert.shares.is_empty() {
                    alert.shares = shares(alert.count, &mut random);
                }
            }
            alert.severity = random.pick(&[alert.severity, Severity::Major]);
            alert.closed = (alert.status == Status::Closed).then_some(Timestamp(alert.last_detection.0 / 9));
            again.push(alert.clone());
        }
    }
    let border = Timestamp(60_000 * SECOND);
    state.closed_before = Some(border);
    store.commit(run, &Changes { alerts: again, state, ..Changes::default() }, 2).unwrap();
    alerts.retain(|alert| alert.status != Status::Closed || alert.closed.is_none_or(|closed| closed >= border));
    (Reader::open(&path).unwrap(), alerts, devices)
}

/// One condition more.
fn ask(query: &mut AlertQuery, which: usize, random: &mut Random) {
    match which {
        0 => query.severities = vec![random.pick(&Severity::ALL), Severity::Major],
        1 => query.statuses = vec![random.pick(&[Status::New, Status::Active, Status::Closed])],
        2 => query.engines = vec![random.pick(&EngineKind::ALL)],
        3 => query.protocols = vec![random.pick(&["modbus", "dnp3", "none"]).to_owned()],
        4 => query.kinds = (0..=random.below(2)).map(|_| random.pick(&kinds()).id.to_owned()).collect(),
        5 => query.techniques = vec![random.pick(&["T0855", "T0846", "T0836", "T0864"]).to_owned()],
        6 | 7 => {
            let most = random.pick(&[2, 22]);
            let device = u32::try_from(random.below(most)).unwrap() + 1;
            query.peers.push(PeerFilter {
                side: random.pick(&[None, Some(Side::Source), Some(Side::Destination)]),
                devices: vec![DeviceId(device)],
                ips: if random.below(2) == 0 { vec![ip(device)] } else { Vec::new() },
            });
        }
        8 => query.zones = (0..=random.below(2)).map(|_| random.pick(&ZONES).to_owned()).collect(),
        9 => query.importances = vec![random.pick(&[Importance::Low, Importance::Normal, Importance::High])],
        10 => {
            let (field, value) =
                random.pick(&[(Field::Site, "north"), (Field::Owner, "shift 1"), (Field::Tag, "line-1")]);
            query.said = vec![(field, vec![value.to_owned()])];
        }
        11 => query.since = Some(random.time()),
        12 => query.until = Some(random.time()),
        13 => {
            let since = random.time();
            query.since = Some(since);
            query.until = Some(since.plus(40_000 * SECOND));
        }
        14 => query.expected = Some(random.below(2) == 0),
        15 => query.windows = (0..=random.below(2)).map(|_| u32::try_from(random.below(4)).unwrap() + 1).collect(),
        16 => query.text = Some(random.pick(&TEXTS).to_owned()),
        17 => query.runs = random.pick(&[vec![1], vec![2], vec![1, 2], vec![7]]),
        _ => query.text_kinds = vec![random.pick(&kinds()).id.to_owned()],
    }
}

fn query(random: &mut Random) -> AlertQuery {
    let mut query = AlertQuery { sort: random.pick(&SORTS), ascending: random.below(2) == 0, ..AlertQuery::default() };
    for _ in 0..random.below(4) {
        let which = random.below(19);
        ask(&mut query, which, random);
    }
    if query.text.is_none() {
        query.text_kinds.clear();
    }
    query
}

/// The answer by looking at each alert.
fn naive(query: &AlertQuery, alerts: &[Alert], devices: &[Device]) -> Vec<u32> {
    let device = |peer: &Peer| peer.device.and_then(|id| devices.iter().find(|device| device.id == id));
    let importance = |device: &Device| device.context.importance(device.role);
    let any = |alert: &Alert, holds: &dyn Fn(&Device) -> bool| {
        alert.sources.iter().chain(&alert.destinations).filter_map(device).any(holds)
    };
    let said = |device: &Device, field: Field, values: &[String]| {
        device.context.iter().any(|said| said.field == field && values.contains(&said.value))
    };
    let in_peers = |peers: &[Peer], filter: &PeerFilter| {
        peers.iter().any(|peer| {
            peer.device.is_some_and(|id| filter.devices.contains(&id))
                || peer.ip.is_some_and(|ip| filter.ips.contains(&ip))
        })
    };
    let meets = |alert: &&Alert| {
        let among = |asked: &[String], value: &str| asked.is_empty() || asked.iter().any(|asked| asked == value);
        (query.severities.is_empty() || query.severities.contains(&alert.severity))
            && (query.statuses.is_empty() || query.statuses.contains(&alert.status))
            && (query.engines.is_empty() || query.engines.contains(&alert.kind.engine))
            && among(&query.protocols, alert.protocol.unwrap_or_default())
            && among(&query.kinds, alert.kind.id)
            && query.expected.is_none_or(|expected| expected == (alert.expected == alert.count))
            && (query.windows.is_empty() || alert.shares.iter().any(|share| query.windows.contains(&share.window)))
            && (query.runs.is_empty() || query.runs.contains(&if alert.number <= OF_FIRST_RUN { 1 } else { 2 }))
            && (query.techniques.is_empty() || alert.techniques.iter().any(|id| among(&query.techniques, id)))
            && query.peers.iter().all(|filter| {
                (filter.side != Some(Side::Destination) && in_peers(&alert.sources, filter))
                    || (filter.side != Some(Side::Source) && in_peers(&alert.destinations, filter))
            })
            && (query.zones.is_empty()
                || any(alert, &|device| among(&query.zones, device.zone.as_deref().unwrap_or("?"))))
            && (query.importances.is_empty() || any(alert, &|device| query.importances.contains(&importance(device))))
            && query.said.iter().all(|(field, values)| any(alert, &|device| said(device, *field, values)))
            && query.since.is_none_or(|since| alert.last_detection >= since)
            && query.until.is_none_or(|until| alert.first_detection <= until)
            && query.text.as_ref().is_none_or(|text| {
                let text = text.to_lowercase();
                alert.description.to_lowercase().contains(&text)
                    || alert.why.to_lowercase().contains(&text)
                    || alert.id.starts_with(&text)
                    || query.text_kinds.iter().any(|kind| kind == alert.kind.id)
            })
    };
    let rank = |alert: &Alert| {
        let peers = alert.sources.iter().chain(&alert.destinations);
        peers.filter_map(device).map(|device| importance(device) as u8).max().unwrap_or_default()
    };
    let mut found: Vec<&Alert> = alerts.iter().filter(meets).collect();
    found.sort_by(|a, b| {
        let by = match query.sort {
            AlertSort::LastDetection => std::cmp::Ordering::Equal,
            AlertSort::FirstDetection => a.first_detection.cmp(&b.first_detection),
            AlertSort::Severity => a.severity.cmp(&b.severity),
            AlertSort::Count => a.count.cmp(&b.count),
            AlertSort::Type => a.kind.id.cmp(b.kind.id),
            AlertSort::Importance => rank(a).cmp(&rank(b)),
        };
        by.then(a.last_detection.cmp(&b.last_detection)).then(a.number.cmp(&b.number))
    });
    if !query.ascending {
        found.reverse();
    }
    found.into_iter().map(|alert| alert.number).collect()
}

/// Whatever is asked for, in whatever order and pages: the answer is that of a look at each alert.
#[test]
fn pages_are_what_a_look_at_each_alert_finds() {
    let mut random = Random(11);
    let (mut empty, mut several) = (0, 0);
    for seed in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let (reader, alerts, devices) = store(&folder, seed);
        assert!(alerts.len() > 200 && alerts.len() < 400);
        for _ in 0..250 {
            let query = query(&mut random);
            let wanted = naive(&query, &alerts, &devices);
            empty += usize::from(wanted.is_empty());
            several += usize::from(wanted.len() > 10);
            let whole: Vec<u32> = reader.alerts(&query).unwrap().iter().map(|alert| alert.number).collect();
            assert_eq!(whole, wanted, "{query:?}");
            for limit in [1, 7, 500] {
                let page = reader.alert_numbers(&query, limit).unwrap();
                let wanted: Vec<u32> = wanted.iter().copied().take(limit as usize).collect();
                assert_eq!(page, wanted, "{limit} {query:?}");
            }
        }
    }
    assert!(empty > 50 && several > 200, "{empty} {several}");
}

/// From page to page each alert comes once.
#[test]
fn places_lead_from_page_to_page() {
    let mut random = Random(12);
    let folder = tempfile::tempdir().unwrap();
    let (reader, alerts, devices) = store(&folder, 5);
    for _ in 0..250 {
        let mut query = query(&mut random);
        let wanted = naive(&query, &alerts, &devices);
        let limit = u32::try_from(random.below(40)).unwrap() + 5;
        let mut seen = Vec::new();
        loop {
            let page = reader.alert_places(&query, limit).unwrap();
            let rest: Vec<u32> = reader.alerts(&query).unwrap().iter().map(|alert| alert.number).collect();
            assert!(rest.starts_with(&page.iter().map(|(number, _)| *number).collect::<Vec<_>>()), "{query:?}");
            let Some((_, last)) = page.last() else { break };
            assert_eq!(AlertPlace::parse(&last.to_string()).as_ref(), Some(last));
            query.after = Some(last.clone());
            seen.extend(page.iter().map(|(number, _)| *number));
            assert!(seen.len() <= wanted.len(), "{query:?}");
        }
        assert_eq!(seen, wanted, "{query:?}");
    }
}

/// Each statement behind a page looks alerts up in an index, or goes along one that has the order asked for.
#[test]
fn pages_come_from_indexes() {
    let mut random = Random(13);
    let folder = tempfile::tempdir().unwrap();
    let (reader, ..) = store(&folder, 6);
    for which in 0..18 {
        for sort in SORTS {
            for ascending in [false, true] {
                let mut query = AlertQuery { sort, ascending, limit: Some(20), ..AlertQuery::default() };
                ask(&mut query, which, &mut random);
                reader.alerts(&query).unwrap();
            }
        }
    }
    reader.alerts_by_prefix("0000").unwrap();
    let devices = vec![DeviceId(1)];
    for set in [
        EventQuery { devices: devices.clone(), ..EventQuery::default() },
        EventQuery { kinds: vec!["operation".to_owned()], ..EventQuery::default() },
        EventQuery { since: Some(Timestamp::new(5, 0)), ..EventQuery::default() },
    ] {
        reader.events(&EventQuery { newest_first: true, limit: Some(20), ..set }).unwrap();
    }
    reader.devices(&DeviceQuery { devices: devices.clone(), ..DeviceQuery::default() }).unwrap();
    reader.entries(&EntryQuery { devices: devices.clone(), ..EntryQuery::default() }).unwrap();
    reader.points(&PointQuery { devices: devices.clone(), limit: Some(10), ..PointQuery::default() }).unwrap();
    reader.open_alerts(&devices).unwrap();
    reader.violations(7).unwrap();
    let plans = reader.plans.borrow();
    assert!(plans.len() > 500, "{}", plans.len());
    for (sql, plan) in plans.iter() {
        for step in plan.lines() {
            // Small tables may be read whole.
            let small = ["alert_group", "device", "d", "json_each", "alert_text", "run", "r"]
                .iter()
                .any(|table| step.starts_with(&format!("SCAN {table}")) && !step.starts_with("SCAN alert_peer"));
            let scan = step.starts_with("SCAN") && !step.contains("USING") && !step.contains("(subquery-");
            assert!(!scan || small, "{step}\n{sql}\n{plan}");
        }
        let walk = sql.contains("INDEXED BY alert_") && !sql.contains("COUNT(");
        assert!(!(walk && plan.contains("TEMP B-TREE")), "sorts before it takes the page\n{sql}\n{plan}");
        assert!(!walk || plan.contains("COVERING INDEX"), "reads alerts that it need not\n{sql}\n{plan}");
    }
}
