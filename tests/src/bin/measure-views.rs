//! Measures the views on a store, as `make-store` writes one: the median and the 99th percentile of each.

use anyhow::{Context as _, Result};
use ot_engine::catalogue::{self, EngineKind, Severity};
use ot_engine::model::{DeviceId, Role, Status};
use ot_protocol::Timestamp;
use ot_protocol::time::SECOND;
use ot_store::read::{AlertSort, DeviceQuery, EventQuery, PointQuery, Reader};
use ot_tests::store::{DAYS, Random, START, WINDOWS, address, zone};
use ot_views::alert::{AlertFilter, alerts};
use ot_views::{Names, alert, device, devices, events, find_alert, points};
use std::path::Path;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: measure-views STORE [--rounds N] [--page N]";
const SORTS: [AlertSort; 5] =
    [AlertSort::LastDetection, AlertSort::FirstDetection, AlertSort::Severity, AlertSort::Count, AlertSort::Type];

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
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
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
            13 => query.expected = Some(true),
            14 => query.expected = Some(false),
            15 => query.windows.push(self.random.below(WINDOWS) + 1),
            _ => query.text = Some(format!("register {}", self.random.below(60_000))),
        }
    }
}

const CONDITIONS: [&str; 17] = [
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
    "expected",
    "not expected",
    "ticket",
    "text",
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
                let which = bench.random.below(16);
                bench.condition(which, filter);
            }
        })?;
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
    bench.measure("devices, a page of a role", |bench, names| {
        let roles = vec![bench.pick(&Role::ALL).unwrap_or_default()];
        Ok(devices(names, &DeviceQuery { roles, limit: Some(bench.page), ..DeviceQuery::default() })?.len())
    })?;
    bench.measure("devices, a zone", |bench, names| {
        let zone = Some(zone(bench.random.below(bench.devices)));
        Ok(devices(names, &DeviceQuery { zone, limit: Some(bench.page), ..DeviceQuery::default() })?.len())
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
