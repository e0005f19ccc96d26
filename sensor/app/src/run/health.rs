//! What the sensor tells of itself: on standard error, as events of the timeline, and as counters.

use super::writer::WriterState;
use crate::evidence::size;
use crate::log;
use crate::replay::counters;
use ot_capture::{Gauges, InterfaceState, Live, Notice};
use ot_engine::{Engine, words};
use ot_flow::{FlowStats, Level, Load, Shed, Summary};
use ot_link::LinkStats;
use ot_protocol::Timestamp;
use ot_store::wall_clock;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long nothing must be shed before the overload is told to be over.
const CALM: Duration = Duration::from_secs(10);
/// Between two looks at the write-ahead log.
const LOOK: Duration = Duration::from_secs(10);
/// A write-ahead log that is too large, and one that is small again.
const LARGE_LOG: u64 = 256 << 20;
const SMALL_LOG: u64 = 128 << 20;

/// Watches the sensor itself.
pub struct Health {
    notices: crossbeam_channel::Receiver<Notice>,
    gauges: Gauges,
    load: Load,
    /// What was counted of each id so far.
    told: BTreeMap<String, u64>,
    /// Since when packets are shed, when the last one was, and what had been shed before.
    overload: Option<(Timestamp, Instant, Shed)>,
    shed: Shed,
    /// Since when the store cannot be written, and why.
    stuck: Option<(Timestamp, String)>,
    events_lost: u64,
    problems: BTreeSet<String>,
    log: Log,
    looked: Instant,
    quiet: bool,
}

impl Health {
    /// Of a source.
    pub fn new(live: &Live, load: Load, store: &Path, quiet: bool) -> Self {
        Self {
            notices: live.notices(),
            gauges: live.gauges(),
            load,
            told: BTreeMap::new(),
            overload: None,
            shed: Shed::default(),
            stuck: None,
            events_lost: 0,
            problems: BTreeSet::new(),
            log: Log::of(store),
            looked: Instant::now(),
            quiet,
        }
    }

    /// A line on standard error.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            log::line(log::Level::Info, "run", text);
        }
    }

    /// A warning on standard error.
    pub fn caution(&self, text: &str) {
        log::line(log::Level::Warning, "run", text);
    }

    /// A warning, also in the timeline.
    pub fn warn(&self, engine: &mut Engine, text: String) {
        self.caution(&text);
        engine.sensor_event(wall_clock(), text);
    }

    /// Tells what has happened since the last look.
    pub fn look(&mut self, engine: &mut Engine) {
        log::tick();
        while let Ok(notice) = self.notices.try_recv() {
            let text = notice.to_string();
            if notice.kind.is_trouble() {
                engine.add_counters([("interface-troubles", 1)]);
                self.caution(&text);
            } else {
                self.say(&text);
            }
            engine.sensor_event(notice.time, text);
        }
        self.look_at_load(engine);
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look_at_log(engine);
        }
    }

    fn look_at_load(&mut self, engine: &mut Engine) {
        let shed = self.load.shed();
        let level = self.load.level();
        if shed != self.shed {
            let (since, before) = match self.overload {
                Some((since, _, before)) => (since, before),
                None => {
                    let what = match level {
                        Level::Whole | Level::Bulk => "payload of conversations that are not OT is not looked at",
                        Level::Payload => "payload of all but OT conversations is not looked at",
                        Level::Others => "only OT conversations are looked at",
                        Level::All => "packets are given up, also of OT conversations",
                    };
                    let taken = size(self.load.taken());
                    engine.add_counters([("overloads", 1)]);
                    self.warn(engine, format!("overload: {taken} of packets wait to be worked on; {what}"));
                    (wall_clock(), self.shed)
                }
            };
            self.overload = Some((since, Instant::now(), before));
            self.shed = shed;
        } else if let Some((since, last, before)) = self.overload
            && level == Level::Whole
            && last.elapsed() >= CALM
        {
            self.overload = None;
            let payload = (shed.bulk - before.bulk) + (shed.payload - before.payload);
            let text = format!(
                "the overload since {} is over: payload of {payload} packets ({}) was not looked at, {} packets of other and {} of OT \
                 conversations were given up",
                words::time(since),
                size(shed.bytes - before.bytes),
                shed.others - before.others,
                shed.ot - before.ot
            );
            self.say(&text);
            engine.sensor_event(wall_clock(), text);
        }
    }

    fn look_at_log(&mut self, engine: &mut Engine) {
        match self.log.look() {
            None => {}
            Some((true, text)) => self.warn(engine, text),
            Some((false, text)) => {
                self.say(&text);
                engine.sensor_event(wall_clock(), text);
            }
        }
    }

    /// Tells how writing to the store goes.
    pub fn store(&mut self, engine: &mut Engine, state: WriterState<'_>) {
        match (state.trouble, &self.stuck) {
            (Some(why), None) => {
                self.stuck = Some((wall_clock(), why.to_owned()));
                engine.add_counters([("store-write-troubles", 1)]);
                self.warn(
                    engine,
                    format!("{why}; capture goes on, and what is found is kept in memory until it can be written"),
                );
            }
            (None, Some((since, why))) => {
                let lost = state.events_lost - self.events_lost;
                let text = format!(
                    "the store can be written again; it could not be since {} ({why}); no alert was lost, {lost} events were",
                    words::time(*since)
                );
                self.stuck = None;
                self.events_lost = state.events_lost;
                engine.add_counters([("events-lost", lost)]);
                self.say(&text);
                engine.sensor_event(wall_clock(), text);
            }
            _ => {}
        }
    }

    /// Tells what went wrong with packets of alerts, each once.
    pub fn evidence<'a>(
        &mut self,
        engine: &mut Engine,
        kept: anyhow::Result<()>,
        problems: impl Iterator<Item = &'a str>,
    ) {
        let failed = kept.err().map(|error| format!("packets of alerts could not be kept: {error}"));
        for problem in problems.map(str::to_owned).chain(failed) {
            self.problem(engine, problem);
        }
    }

    /// Tells of a problem, each once.
    pub fn problem(&mut self, engine: &mut Engine, problem: String) {
        if self.problems.len() < 100 && self.problems.insert(problem.clone()) {
            self.warn(engine, problem);
        }
    }

    /// Adds what was counted since the last time.
    pub fn count(&mut self, engine: &mut Engine) {
        let (link, flow) = self.load.totals();
        self.count_stages(engine, &link, &flow);
    }

    /// Adds what was counted up to the end.
    pub fn count_all(&mut self, engine: &mut Engine, summary: &Summary) {
        self.count_stages(engine, &summary.link, &summary.flow);
    }

    fn count_stages(&mut self, engine: &mut Engine, link: &LinkStats, flow: &FlowStats) {
        let stages = counters(link, flow).map(|(id, count)| (id.into_owned(), count));
        let shed = self.load.shed().iter().map(|(id, count)| (id.to_owned(), count));
        let interfaces = self.gauges.now().into_iter().flat_map(|state| {
            let InterfaceState { name, received, dropped, missed, .. } = state;
            [
                (format!("captured-packets-{name}"), received),
                (format!("dropped-by-kernel-{name}"), dropped),
                (format!("dropped-by-card-{name}"), missed),
            ]
        });
        for (id, count) in stages.chain(shed).chain(interfaces) {
            let told = self.told.get(&id).copied().unwrap_or_default();
            if count > told {
                engine.add_counters([(id.as_str(), count - told)]);
                self.told.insert(id, count);
            }
        }
    }

    /// Packets of each interface, in order.
    pub fn packets(&self) -> Vec<u64> {
        self.gauges.now().into_iter().map(|state| state.received).collect()
    }
}

/// The write-ahead log of a store: it grows while somebody reads without pause.
struct Log {
    path: PathBuf,
    large: bool,
}

impl Log {
    fn of(store: &Path) -> Self {
        let mut path = store.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), large: false }
    }

    /// What there is to tell, and whether it is trouble.
    fn look(&mut self) -> Option<(bool, String)> {
        let length = std::fs::metadata(&self.path).map_or(0, |data| data.len());
        if !self.large && length >= LARGE_LOG {
            self.large = true;
            let text = format!(
                "the write-ahead log of the store has grown to {}: a program reads the store without pause, and the log cannot be \
                 emptied until it ends",
                size(length)
            );
            return Some((true, text));
        }
        if self.large && length < SMALL_LOG {
            self.large = false;
            return Some((false, format!("the write-ahead log of the store is small again ({})", size(length))));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_is_told_once_and_that_it_is_small_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("plant.db");
        let mut log = Log::of(&store);
        assert_eq!(log.look(), None);
        let file = std::fs::File::create(folder.path().join("plant.db-wal")).unwrap();
        file.set_len(LARGE_LOG).unwrap();
        assert!(log.look().is_some_and(|(trouble, text)| trouble && text.contains("256.0 MiB")));
        assert_eq!(log.look(), None);
        file.set_len(SMALL_LOG).unwrap();
        assert_eq!(log.look(), None);
        file.set_len(4096).unwrap();
        assert!(log.look().is_some_and(|(trouble, _)| !trouble));
    }
}
