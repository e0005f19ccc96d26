//! Room for the store: what is oldest goes where it is larger than it may be, and a disk that runs full is told of before it
//! is full. Only live: what a replay finds follows from its captures alone.

use super::health::Health;
use crate::disk;
use crate::evidence::{self, size};
use ot_engine::Engine;
use ot_engine::words::number_of;
use ot_evidence::Folder;
use ot_protocol::Timestamp;
use ot_store::{Store, StoreError, wall_clock};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks at the size; and while it is too large.
const LOOK: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(2);
/// Between two looks for packets of alerts that are gone.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Of a look: closed alerts that go at once, and one of so many of the events.
const ALERTS: u32 = 2_000;
const EVENTS: u64 = 20;
/// Events that stay, however large the store is.
const LEAST_EVENTS: u64 = 10_000;

/// Watches the size of a store and the room on its disk.
pub struct Room {
    path: PathBuf,
    folder: Folder,
    swept: Instant,
    looked: Option<Instant>,
    /// Since when the store is too large, and what went since.
    over: Option<Over>,
    /// Whether the disk runs full.
    low: bool,
}

#[derive(Clone, Copy)]
struct Over {
    since: Timestamp,
    alerts: u64,
    events: u64,
    /// Whether it was told that nothing more may go.
    told: bool,
}

impl Room {
    /// For a store and the folder of its packets.
    pub fn new(path: PathBuf, folder: Folder) -> Self {
        Self { path, folder, swept: Instant::now(), looked: None, over: None, low: false }
    }

    /// Looks, where it is time: at the size where there is a limit, and at the free room.
    ///
    /// # Errors
    /// As the store's.
    pub fn look(
        &mut self,
        engine: &mut Engine,
        store: &Store,
        health: &Health,
        limit: Option<u64>,
        least: u64,
    ) -> Result<(), StoreError> {
        let wait = if self.over.is_some_and(|over| !over.told) { SOON } else { LOOK };
        if self.looked.is_some_and(|looked| looked.elapsed() < wait) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            if let Err(error) = evidence::sweep(store, &self.folder) {
                health.warn(engine, format!("packets of alerts that are gone could not be removed: {error}"));
            }
        }
        self.look_at_disk(engine, health, least);
        match limit {
            Some(limit) => self.look_at_size(engine, store, health, limit),
            None => Ok(()),
        }
    }

    fn look_at_disk(&mut self, engine: &mut Engine, health: &Health, least: u64) {
        let Some(free) = disk::free(&self.path) else { return };
        if !self.low && free < least {
            self.low = true;
            engine.add_counters([("disk-low", 1)]);
            health.warn(
                engine,
                format!(
                    "the disk of the store runs full: {} are free in {}, less than {}; make room, or set store_size under \
                     [retention]",
                    size(free),
                    disk::folder_of(&self.path).display(),
                    size(least)
                ),
            );
        } else if self.low && free >= least.saturating_add(least / 10) {
            self.low = false;
            let text = format!("the disk of the store has room again: {} are free", size(free));
            health.say(&text);
            engine.sensor_event(wall_clock(), text);
        }
    }

    fn look_at_size(
        &mut self,
        engine: &mut Engine,
        store: &Store,
        health: &Health,
        limit: u64,
    ) -> Result<(), StoreError> {
        let used = store.used_bytes()?;
        if used <= limit {
            if let Some(over) = self.over.take() {
                let text = format!(
                    "the store is within {} again; since {} what was oldest went: {} and {}",
                    size(limit),
                    ot_engine::words::time(over.since),
                    number_of(over.alerts, "closed alert"),
                    number_of(over.events, "event")
                );
                health.say(&text);
                engine.sensor_event(wall_clock(), text);
            }
            return Ok(());
        }
        let over = self.over.get_or_insert_with(|| {
            let text = format!(
                "the store holds {}, more than the {} of store_size: what is oldest goes",
                size(used),
                size(limit)
            );
            health.warn(engine, text);
            Over { since: wall_clock(), alerts: 0, events: 0, told: false }
        });
        let (gone, oldest) = store.oldest_closed(ALERTS)?;
        if let Some(oldest) = oldest {
            engine.forget_closed(oldest.plus(1));
            engine.add_counters([("alerts-deleted-for-size", gone)]);
            over.alerts += gone;
            over.told = false;
            return Ok(());
        }
        let (first, last) = engine.events_kept();
        let most = last.saturating_sub(first) + 1;
        let gone = (most / EVENTS).max(1_000).min(most.saturating_sub(LEAST_EVENTS));
        if gone > 0 {
            let gone = engine.forget_events(first + gone);
            engine.add_counters([("events-deleted-for-size", gone)]);
            over.events += gone;
            over.told = false;
        } else if !over.told {
            over.told = true;
            health.warn(
                engine,
                format!(
                    "the store holds {}, and nothing more of it may go: no closed alerts are left, and the newest {LEAST_EVENTS} events \
                     stay; close alerts, or raise store_size under [retention]",
                    size(used)
                ),
            );
        }
        Ok(())
    }
}
