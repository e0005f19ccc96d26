//! Measures how long the console takes to the first byte of every page and every question of the API, over a store; by one
//! user or by several at once.

use anyhow::{Context as _, Result, ensure};
use ot_console::route::{Format, Method, Route};
use ot_console::routes;
use ot_store::read::Reader;
use ot_tests::console::{Console, Session};
use ot_tests::frames::Random;
use ot_tests::http::timed;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const USAGE: &str = "usage: measure-console STORE [--rounds N] [--users N] [--pause MILLISECONDS]";
/// What users wait for no longer than.
const TARGET: Duration = Duration::from_millis(50);

/// What stands for the parts of paths that name something.
struct Names {
    alerts: Vec<String>,
    devices: u32,
    entries: u32,
}

impl Names {
    fn of(store: &Path, random: &mut Random) -> Result<Self> {
        let reader = Reader::open(store)?;
        let totals = reader.totals()?;
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
        let mut alerts = Vec::new();
        for _ in 0..200 {
            let number = u32::try_from(random.below(totals.alerts)).unwrap_or(0) + 1;
            alerts.extend(reader.alert_id(number)?);
        }
        ensure!(!alerts.is_empty(), "the store holds no alert");
        let entries = count(totals.entries_allowed + totals.entries_observed);
        Ok(Self { alerts, devices: count(totals.devices), entries })
    }

    /// The path of a route with names in it; `None` where it names what a made store does not hold.
    fn fill(&self, route: &Route, random: &mut Random) -> Option<String> {
        let mut path = String::new();
        for part in route.path.split('/').skip(1) {
            let Some(name) = part.strip_prefix('{') else {
                path = format!("{path}/{part}");
                continue;
            };
            let (name, rest) = name.split_once('}')?;
            let value = match name {
                "id" => {
                    let at = random.below(u64::try_from(self.alerts.len()).ok()?);
                    self.alerts.get(usize::try_from(at).ok()?)?.clone()
                }
                "device" => (random.below(u64::from(self.devices)) + 1).to_string(),
                "entry" => (random.below(u64::from(self.entries)) + 1).to_string(),
                "type" => "new-master".to_owned(),
                "question" => "firmware".to_owned(),
                _ => return None,
            };
            path = format!("{path}/{value}{rest}");
        }
        Some(path)
    }
}

/// What is asked: all that only reads; neither the stream, which has no end, nor what is signed in or out with, nor files.
fn asked() -> impl Iterator<Item = &'static Route> {
    let is_view = |route: &&Route| {
        route.method == Method::Get
            && !matches!(route.id, "alerts-stream" | "sign-in" | "asset" | "robots" | "favicon")
            && !route.path.contains(".csv")
            && !route.path.contains(".txt")
            && !route.path.contains(".pcapng")
            && !route.path.contains(".tar.gz")
    };
    routes::all().filter(is_view)
}

/// Times and sizes of the answers of each route.
type Times = BTreeMap<&'static str, Vec<(Duration, usize)>>;

/// How users browse.
#[derive(Clone, Copy)]
struct Pace {
    /// How often each asks for everything.
    rounds: u32,
    /// Between two questions of one, on average, milliseconds.
    pause: u32,
}

/// One user asks for everything, again and again, with pauses as people make them.
fn browse(console: &Console, session: &Session, names: &Names, pace: Pace, seed: u64) -> Result<Times> {
    let mut random = Random::new(seed);
    let mut times = Times::new();
    for _ in 0..pace.rounds {
        for route in asked() {
            let Some(path) = names.fill(route, &mut random) else { continue };
            std::thread::sleep(Duration::from_millis(random.below(u64::from(pace.pause) * 2 + 1)));
            let (reply, first) = timed(console.address, &path, &[("cookie", &session.cookie)])?;
            ensure!(reply.status < 500, "{path}: {} {}", reply.status, reply.text());
            if reply.status == 200 {
                times.entry(route.id).or_default().push((first, reply.body.len()));
            }
        }
    }
    Ok(times)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let store = std::path::absolute(arguments.next().context(USAGE)?)?;
    let (mut rounds, mut users, mut pause) = (100, 1, 0);
    while let Some(option) = arguments.next() {
        let value: u32 = arguments.next().context(USAGE)?.parse().context(USAGE)?;
        match option.as_str() {
            "--rounds" => rounds = value.max(1),
            "--users" => users = value.max(1),
            "--pause" => pause = value,
            _ => anyhow::bail!(USAGE),
        }
    }
    // Users of the measurement are kept beside the link, not beside the store.
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("store.db");
    std::os::unix::fs::symlink(&store, &link)?;
    let names = Names::of(&store, &mut Random::new(11))?;
    let console = Console::over(folder, link)?;
    let session = console.sign_in("administrator")?;
    let all = std::thread::scope(|scope| -> Result<Vec<Times>> {
        let users: Vec<_> = (0..users)
            .map(|user| {
                let (console, session, names) = (&console, &session, &names);
                scope.spawn(move || browse(console, session, names, Pace { rounds, pause }, u64::from(user) + 1))
            })
            .collect();
        users.into_iter().map(|user| user.join().map_err(|_| anyhow::anyhow!("a user failed"))?).collect()
    })?;
    println!(
        "{users} users, {rounds} rounds each, {pause} ms between two questions: milliseconds to the first byte at the median and the 99th percentile, bytes"
    );
    let mut slow = 0;
    for route in asked() {
        let mut times: Vec<(Duration, usize)> =
            all.iter().filter_map(|times| times.get(route.id)).flatten().copied().collect();
        if times.is_empty() {
            println!("{:<28} not asked: the store holds nothing for it", route.id);
            continue;
        }
        times.sort_unstable();
        let at =
            |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default();
        let ((median, size), (p99, _)) = (at(50), at(99));
        let mark = if p99 >= TARGET { "  over 50 ms" } else { "" };
        slow += u32::from(p99 >= TARGET);
        let kind = if route.format == Format::Page { "page" } else { "api" };
        println!(
            "{:<28} {kind:<4} {:>9.1} {:>9.1} {size:>9}{mark}",
            route.id,
            median.as_secs_f64() * 1_000.0,
            p99.as_secs_f64() * 1_000.0
        );
    }
    println!("{slow} over 50 ms at the 99th percentile");
    Ok(())
}
