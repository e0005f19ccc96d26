//! Measures the views on a store, as `make-store` writes one: the median and the 99th percentile of each.

use anyhow::{Context as _, Result};
use ot_engine::catalogue::{self, EngineKind, Severity};
use ot_engine::context::{Field, Importance};
use ot_engine::model::{DeviceId, Role, Status};
use ot_protocol::Timestamp;
use ot_protocol::time::SECOND;
use ot_store::read::{AlertSort, DeviceQuery, EventQuery, JournalQuery, PointQuery, Reader};
use ot_tests::store::{DAYS, Random, START, WINDOWS, address, zone};
use ot_views::alert::{AlertFilter, alerts};
use ot_views::{Names, alert, device, devices, events, find_alert, journal, points};
use std::path::Path;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: measure-views STORE [--rounds N] [--page N]";
const SORTS: [AlertSort; 5] =
    [AlertSort::LastDetection, AlertSort::FirstDetection, AlertSort::Severity, AlertSort::Count, AlertSort::Type];
/// Pairs of conditions, chosen at random.
const PAIRS: u32 = 30;
/// Pages that are turned before a deep one is measured.
const DEEP: u32 = 40;

struct Bench<'a> {
    reader: &'a Reader,
    random: Random,
    rounds: u32,
    page: u32,
    devices: u32,
    ids: Vec<String>,
    slow: u32,
}

/// Processor time of this thread so far; the wall clock would count what others on the machine do.
fn computed() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or_default(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

fn percentile(times: &[Duration], share: usize) -> f64 {
    let at = (times.len() * share).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or_default().as_secs_f64() * 1_000.0
}

impl Bench<'_> {
    fn measure(&mut self, name: &str, mut view: impl FnMut(&mut Self, &Names<'_>) -> Result<usize>) -> Result<()> {
        let (mut times, mut walls, mut rows) = (Vec::new(), Vec::new(), 0);
        for _ in 0..self.rounds {
            let names = Names::new(self.reader);
            let (began, before) = (Instant::now(), computed());
            rows += view(self, &names)?;
            walls.push(began.elapsed());
            times.push(computed().saturating_sub(before));
        }
        times.sort_unstable();
        walls.sort_unstable();
        let p99 = percentile(&times, 99);
        let mark = if p99 < 20.0 { "" } else { "  over 20 ms" };
        self.slow += u32::from(p99 >= 20.0);
        println!(
            "{name:<52} {:>8.2} ms {p99:>8.2} ms {:>8.2} ms wall {:>8.1} rows{mark}",
            percentile(&times, 50),
            percentile(&walls, 99),
            rows as f64 / f64::from(self.rounds)
        );
        Ok(())
    }

    fn list(&mut self, name: &str, set: impl Fn(&mut Self, &mut AlertFilter)) -> Result<()> {
        self.measure(name, |bench, names| {
            let mut filter = AlertFilter::default();
            filter.query.limit = Some(bench.page);
            set(bench, &mut filter);
            Ok(alerts(names, &filter)?.len())
        })
    }

    /// A page far within a list: by the place of the last alert of the page before.
    fn deep(&mut self, sort: AlertSort) -> Result<()> {
        let mut filter = AlertFilter::default();
        filter.query.sort = sort;
        filter.query.statuses = vec![Status::Closed];
        let page = self.page;
        for _ in 0..DEEP {
            let places = self.reader.alert_places(&filter.query, page * 20)?;
            filter.query.after = places.last().map(|(_, place)| place.clone());
        }
        filter.query.limit = Some(page);
        self.measure(&format!("list: a page after {} alerts, by {sort:?}", DEEP * page * 20), |bench, names| {
            // From here on by one page each time.
            let found = alerts(names, &filter)?.len();
            let places = bench.reader.alert_places(&filter.query, page)?;
            filter.query.after = places.last().map(|(_, place)| place.clone());
            Ok(found)
        })
    }

    fn devices(&mut self, name: &str, set: impl Fn(&mut Self, &mut DeviceQuery)) -> Result<()> {
        self.measure(&format!("devices: {name}"), |bench, names| {
            let mut query = DeviceQuery { limit: Some(bench.page), ..DeviceQuery::default() };
            set(bench, &mut query);
            Ok(devices(names, &query)?.len())
        })
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        let at = self.random.below(u32::try_from(list.len()).unwrap_or(1));
        list.get(usize::try_from(at).unwrap_or_default()).copied()
    }

    fn time(&mut self) -> Timestamp {
        let days = u32::try_from(DAYS).unwrap_or(1);
        Timestamp::new(START + i64::from(self.random.below(days * 86_400)), 0)
    }

    fn any_device(&mut self) -> String {
        address(self.random.below(self.devices) + 1).to_string()
    }

    /// One condition, by number.
    fn condition(&mut self, which: u32, filter: &mut AlertFilter) {
        let query = &mut filter.query;
        match which {
            0 => query.severities.extend(self.pick(&Severity::ALL)),
            1 => query.statuses.extend(self.pick(&[Status::New, Status::Active, Status::Closed])),
            2 => query.engines.extend(self.pick(&EngineKind::ALL)),
            3 => query.protocols.extend(self.pick(&["modbus", "dnp3", "s7comm"]).map(str::to_owned)),
            4 => {
                let kinds = catalogue::all();
                let at = self.random.skewed(u32::try_from(kinds.len()).unwrap_or(1));
                query.kinds.extend(kinds.get(at as usize).map(|kind| kind.id.to_owned()));
            }
            5 => query.techniques.extend(self.pick(&["T0855", "T0836", "T0846", "T0843", "T0814"]).map(str::to_owned)),
            6 => filter.devices.push(self.any_device()),
            7 => {
                let device = self.random.skewed(self.devices) + 1;
                filter.sources.push(address(device).to_string());
            }
            8 => filter.destinations.push(self.any_device()),
            9 => query.zones.push(zone(self.random.below(self.devices))),
            10 => query.since = Some(self.time()),
            11 => query.until = Some(self.time()),
            12 => {
                let from = self.time();
                query.since = Some(from);
                query.until = Some(from.plus(i64::from(self.random.below(86_400)) * SECOND));
            }
            13 => query.text = Some(format!("register {}", self.random.below(60_000))),
            14 => query.said = vec![(Field::Site, vec![format!("Plant {}", self.random.below(8))])],
            15 => query.said = vec![(Field::Owner, vec![format!("shift {}", self.random.below(5))])],
            16 => query.said = vec![(Field::Tag, vec![format!("line-{}", self.random.below(40))])],
            17 => query.importances.extend(self.pick(&Importance::ALL)),
            18 => query.expected = Some(true),
            19 => query.expected = Some(false),
            _ => query.windows.push(self.random.below(WINDOWS) + 1),
        }
    }
}

const CONDITIONS: [&str; 21] = [
    "severity",
    "status",
    "engine",
    "protocol",
    "type",
    "technique",
    "device",
    "source (often a busy one)",
    "destination",
    "zone",
    "since",
    "until",
    "since and until, a day at most",
    "text",
    "site",
    "owner",
    "tag",
    "importance",
    "expected",
    "not expected",
    "ticket",
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context(USAGE)?;
    let (mut rounds, mut page) = (200, 50);
    while let Some(option) = arguments.next() {
        let value: u32 = arguments.next().context(USAGE)?.parse().context(USAGE)?;
        match option.as_str() {
            "--rounds" => rounds = value.max(1),
            "--page" => page = value.max(1),
            _ => anyhow::bail!(USAGE),
        }
    }
    let path = Path::new(&file);
    let began = Instant::now();
    let reader = Reader::open(path)?;
    reader.begin()?;
    let opened = began.elapsed();
    let totals = reader.totals()?;
    println!(
        "{file}: {} MiB, {} alerts, {} devices, {} events, {} baseline entries, {} points; opened in {:.1} ms",
        std::fs::metadata(path)?.len() >> 20,
        totals.alerts,
        totals.devices,
        totals.events,
        totals.entries_allowed + totals.entries_observed,
        totals.points,
        opened.as_secs_f64() * 1_000.0
    );
    println!(
        "{rounds} rounds each, pages of {page}: processor time at the median and the 99th percentile, wall time at the 99th,\n         rows a page"
    );
    let mut bench = Bench {
        reader: &reader,
        random: Random::new(7),
        rounds,
        page,
        devices: u32::try_from(totals.devices).unwrap_or(u32::MAX),
        ids: Vec::new(),
        slow: 0,
    };
    for _ in 0..rounds.min(500) {
        let number = bench.random.below(u32::try_from(totals.alerts).unwrap_or(u32::MAX)) + 1;
        bench.ids.extend(reader.alert_id(number)?);
    }
    for sort in SORTS {
        for ascending in [false, true] {
            let turned = if ascending { ", turned around" } else { "" };
            bench.list(&format!("list by {sort:?}{turned}"), |_, filter| {
                filter.query.sort = sort;
                filter.query.ascending = ascending;
            })?;
        }
    }
    for (which, name) in (0..).zip(CONDITIONS) {
        bench.list(&format!("list: {name}"), |bench, filter| bench.condition(which, filter))?;
    }
    for (which, name) in (0..).zip(CONDITIONS) {
        bench.list(&format!("list: {name}, any order"), |bench, filter| {
            bench.condition(which, filter);
            filter.query.sort = bench.pick(&SORTS).unwrap_or_default();
            filter.query.ascending = bench.random.below(2) == 0;
        })?;
    }
    for several in [2, 3, 4] {
        bench.list(&format!("list: any {several} conditions"), |bench, filter| {
            for _ in 0..several {
                let which = bench.random.below(21);
                bench.condition(which, filter);
            }
        })?;
    }
    let mut pairs = Random::new(8);
    for _ in 0..PAIRS {
        let (one, other) = (pairs.below(21), pairs.below(21));
        let name = |which: u32| CONDITIONS.get(which as usize).copied().unwrap_or_default();
        bench.list(&format!("list: {} + {}", name(one), name(other)), |bench, filter| {
            bench.condition(one, filter);
            bench.condition(other, filter);
        })?;
    }
    bench.list("list: nothing meets it", |_, filter| filter.query.text = Some("no such words".to_owned()))?;
    bench.list("list: no zone of this name", |_, filter| filter.query.zones = vec!["nowhere".to_owned()])?;
    bench.list("list: all meet it", |bench, filter| {
        filter.query.severities = Severity::ALL.to_vec();
        filter.query.since = Some(Timestamp::new(START, 0));
        filter.query.sort = bench.pick(&SORTS).unwrap_or_default();
    })?;
    for sort in SORTS {
        bench.deep(sort)?;
    }
    bench.list("list: severity major.., new or active", |_, filter| {
        filter.query.severities = vec![Severity::Major, Severity::Critical];
        filter.query.statuses = vec![Status::New, Status::Active];
    })?;
    let some = |bench: &mut Bench<'_>| {
        let at = bench.random.below(u32::try_from(bench.ids.len()).unwrap_or(1));
        bench.ids.get(at as usize).cloned().unwrap_or_default()
    };
    bench.measure("alert by id, with its related alerts", |bench, names| {
        let id = some(bench);
        Ok(alert(names, &id)?.related.len())
    })?;
    bench.measure("alert by its first 8 digits", |bench, names| {
        let id = some(bench);
        Ok(usize::from(find_alert(names.reader(), id.get(..8).unwrap_or(&id))?.number > 0))
    })?;
    bench.measure("device page", |bench, names| {
        let id = DeviceId(bench.random.below(bench.devices) + 1);
        Ok(device::device(names, id)?.alerts.len())
    })?;
    bench.measure("device page, of a busy device", |bench, names| {
        let id = DeviceId(bench.random.skewed(bench.devices) + 1);
        Ok(device::device(names, id)?.alerts.len())
    })?;
    bench.devices("the first page", |_, _| {})?;
    bench.devices("a role", |bench, query| query.roles = vec![bench.pick(&Role::ALL).unwrap_or_default()])?;
    bench.devices("a zone", |bench, query| query.zone = Some(zone(bench.random.below(bench.devices))))?;
    bench.devices("a protocol", |_, query| query.protocols = vec!["s7comm".to_owned()])?;
    bench.devices("a protocol that none speaks", |_, query| query.protocols = vec!["dnp3".to_owned()])?;
    bench.devices("an importance", |bench, query| query.importances.extend(bench.pick(&Importance::ALL)))?;
    for (name, field, many) in
        [("a site", Field::Site, "Plant "), ("an owner", Field::Owner, "shift "), ("a tag", Field::Tag, "line-")]
    {
        bench.devices(name, |bench, query| {
            query.said = vec![(field, vec![format!("{many}{}", bench.random.below(5))])];
        })?;
    }
    bench.devices("not learned", |_, query| query.learned = Some(false))?;
    bench.devices("no OT protocol (none)", |_, query| query.ot = Some(false))?;
    bench.devices("a text, an address", |bench, query| query.text = Some(bench.any_device()))?;
    bench.devices("a text that none holds", |_, query| query.text = Some("no such words".to_owned()))?;
    bench.devices("site, owner and role", |bench, query| {
        query.said = vec![
            (Field::Site, vec![format!("Plant {}", bench.random.below(8))]),
            (Field::Owner, vec![format!("shift {}", bench.random.below(5))]),
        ];
        query.roles = vec![Role::Controller];
    })?;
    bench.measure("journal of a device, often a busy one", |bench, names| {
        let devices = vec![DeviceId(bench.random.skewed(bench.devices) + 1)];
        Ok(journal(names, &JournalQuery { devices, limit: Some(bench.page), ..JournalQuery::default() })?.len())
    })?;
    bench.measure("journal of a window", |bench, names| {
        let since = bench.time();
        let until = Some(since.plus(86_400 * SECOND));
        let query = JournalQuery { since: Some(since), until, limit: Some(bench.page), ..JournalQuery::default() };
        Ok(journal(names, &query)?.len())
    })?;
    bench.measure("timeline: text within a day", |bench, names| {
        let since = bench.time();
        let query = EventQuery {
            text: Some(bench.any_device()),
            since: Some(since),
            until: Some(since.plus(86_400 * SECOND)),
            newest_first: true,
            limit: Some(bench.page),
            ..EventQuery::default()
        };
        Ok(events(names, &query)?.len())
    })?;
    bench.measure("timeline: text, newest", |bench, names| {
        let text = Some("Write Single".to_owned());
        let query = EventQuery { text, newest_first: true, limit: Some(bench.page), ..EventQuery::default() };
        Ok(events(names, &query)?.len())
    })?;
    bench.measure("points of a device", |bench, names| {
        let id = DeviceId(bench.random.below(bench.devices) + 1);
        let query = PointQuery { devices: vec![id], limit: Some(100), ..PointQuery::default() };
        Ok(points(names, &query)?.len())
    })?;
    bench.measure("timeline, newest", |bench, names| {
        let query = EventQuery { newest_first: true, limit: Some(bench.page), ..EventQuery::default() };
        Ok(events(names, &query)?.len())
    })?;
    bench.measure("timeline of a window", |bench, names| {
        let since = bench.time();
        let query = EventQuery {
            since: Some(since),
            until: Some(since.plus(3_600 * SECOND)),
            limit: Some(bench.page),
            ..EventQuery::default()
        };
        Ok(events(names, &query)?.len())
    })?;
    bench.measure("timeline of a device, often a busy one", |bench, names| {
        let devices = vec![DeviceId(bench.random.skewed(bench.devices) + 1)];
        let query = EventQuery { devices, newest_first: true, limit: Some(bench.page), ..EventQuery::default() };
        Ok(events(names, &query)?.len())
    })?;
    bench.measure("timeline of two devices and a window", |bench, names| {
        let since = bench.time();
        let query = EventQuery {
            devices: vec![
                DeviceId(bench.random.skewed(bench.devices) + 1),
                DeviceId(bench.random.below(bench.devices) + 1),
            ],
            since: Some(since),
            until: Some(since.plus(86_400 * SECOND)),
            newest_first: true,
            limit: Some(bench.page),
            ..EventQuery::default()
        };
        Ok(events(names, &query)?.len())
    })?;
    bench.measure("timeline of a kind", |bench, names| {
        let kinds = vec![if bench.random.below(2) == 0 { "operation" } else { "alert-opened" }.to_owned()];
        let query = EventQuery { kinds, newest_first: true, limit: Some(bench.page), ..EventQuery::default() };
        Ok(events(names, &query)?.len())
    })?;
    match bench.slow {
        0 => println!("all under 20 ms at the 99th percentile"),
        slow => println!("{slow} views over 20 ms at the 99th percentile"),
    }
    Ok(())
}
