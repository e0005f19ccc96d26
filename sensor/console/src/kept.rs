//! Answers that are kept for a short time: in a large plant a map is folded from all devices and conversations, learning is
//! counted from all of the baseline, and many look at the same.
//!
//! What a person changed shows at once. What traffic changed shows after some seconds; an answer that may lack it says as
//! of when it is, and where it is older than a few seconds a new one is made while it is told. What was asked for in the last
//! minutes is made anew without being asked for, before it is too old to be told. So while somebody looks, nobody waits. Of
//! several who ask for the same at once where nothing is kept, one makes it and the others wait for it.

use crate::app::App;
use crate::call::Answer;
use crate::problem::Problem;
use ot_protocol::Timestamp;
use ot_store::read::{Reader, Stamp};
use ot_store::wall_clock;
use serde::Serialize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Answers kept, and bytes of all of them (as JSON); one may have half of these.
const MOST: usize = 32;
const MOST_BYTES: usize = 8 << 20;
/// An answer may be so old while a run changes the store,
const FRESH: Duration = Duration::from_secs(10);
/// or so old while a new one is being made,
const STALE: Duration = Duration::from_secs(60);
/// which is begun anew after so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer that was asked for within so long is made anew without being asked for,
const LOOKED_AT: Duration = Duration::from_secs(5 * 60);
/// once it is so old,
const RENEWED_AFTER: Duration = Duration::from_secs(30);
/// where it is one of the so many of its kind that were asked for last.
const RENEWED: usize = 4;

/// An answer, and as of when it is where the store has changed since (wall time).
#[derive(Debug)]
pub struct Told<V> {
    /// The answer.
    pub view: Arc<V>,
    /// Wall time; `None`: it is as the store is now.
    pub as_of: Option<Timestamp>,
    /// Whole seconds since.
    pub age: u64,
}

impl<V> Told<V> {
    /// Says in the header of an answer how old it is, where the store has changed since.
    pub fn aged(&self, answer: Answer) -> Answer {
        if self.as_of.is_some() { answer.with("age", self.age.to_string()) } else { answer }
    }
}

/// Answers that are kept, by what was asked.
#[derive(Debug)]
pub struct Kept<Q, V> {
    all: Mutex<Vec<One<Q, V>>>,
    /// What is being made.
    making: Mutex<Vec<Q>>,
    made: Condvar,
}

/// An answer that is being made, until it is dropped.
struct Making<'a, Q: PartialEq, V> {
    kept: &'a Kept<Q, V>,
    query: Q,
}

impl<Q: PartialEq, V> Drop for Making<'_, Q, V> {
    fn drop(&mut self) {
        self.kept.making().retain(|query| *query != self.query);
        self.kept.made.notify_all();
    }
}

#[derive(Debug)]
struct One<Q, V> {
    query: Q,
    make: Make<Q, V>,
    stamp: Stamp,
    view: Arc<V>,
    bytes: usize,
    made: Instant,
    made_at: Timestamp,
    used: Instant,
    /// When a new one was last begun.
    tried: Instant,
}

impl<Q, V> Default for Kept<Q, V> {
    fn default() -> Self {
        Self { all: Mutex::default(), making: Mutex::default(), made: Condvar::new() }
    }
}

impl<Q, V> Kept<Q, V> {
    fn all(&self) -> MutexGuard<'_, Vec<One<Q, V>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn making(&self) -> MutexGuard<'_, Vec<Q>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an answer is made.
pub type Make<Q, V> = fn(&App, &Reader, &Q) -> Result<V, Problem>;
/// Where it is kept.
pub type Shelf<Q, V> = fn(&App) -> &Kept<Q, V>;

impl App {
    /// The answer to a question: one that is kept, where it may still be told, else a new one.
    ///
    /// # Errors
    /// As what makes it.
    pub fn kept<Q, V>(
        self: &Arc<Self>,
        reader: &Reader,
        shelf: Shelf<Q, V>,
        query: Q,
        make: Make<Q, V>,
    ) -> Result<Told<V>, Problem>
    where
        Q: Clone + PartialEq + Send + 'static,
        V: Serialize + Send + Sync + 'static,
    {
        let stamp = reader.stamp()?;
        let get = || shelf(self).get(&query, stamp, Instant::now());
        let (told, renew) = match get() {
            Some(found) => found,
            None => {
                let _making = shelf(self).begin(&query, PATIENCE);
                // Somebody else may have made it meanwhile.
                match get() {
                    Some(found) => found,
                    None => return self.make(reader, stamp, shelf, query, make),
                }
            }
        };
        if renew {
            let app = Arc::clone(self);
            tokio::task::spawn_blocking(move || app.make_anew(shelf, query, make));
        }
        Ok(told)
    }

    /// Makes anew what was asked for in the last minutes and will soon be too old.
    pub fn renew<Q, V>(&self, shelf: Shelf<Q, V>)
    where
        Q: Clone + PartialEq,
        V: Serialize,
    {
        let Ok(stamp) = self.readers.read(|reader| Ok(reader.stamp()?)) else { return };
        for (query, make) in shelf(self).due(stamp, Instant::now()) {
            self.make_anew(shelf, query, make);
        }
    }

    fn make_anew<Q, V>(&self, shelf: Shelf<Q, V>, query: Q, make: Make<Q, V>)
    where
        Q: Clone + PartialEq,
        V: Serialize,
    {
        let Some(_making) = shelf(self).begin(&query, Duration::ZERO) else { return };
        // Who asks when the one before is too old is told what is wrong.
        let _ = self.readers.read(|reader| self.make(reader, reader.stamp()?, shelf, query, make));
    }

    fn make<Q, V>(
        &self,
        reader: &Reader,
        stamp: Stamp,
        shelf: Shelf<Q, V>,
        query: Q,
        make: Make<Q, V>,
    ) -> Result<Told<V>, Problem>
    where
        Q: PartialEq,
        V: Serialize,
    {
        let began = (Instant::now(), wall_clock());
        let view = Arc::new(make(self, reader, &query)?);
        shelf(self).put(query, stamp, &view, began, make);
        Ok(Told { view, as_of: None, age: 0 })
    }
}

impl<Q: PartialEq, V: Serialize> Kept<Q, V> {
    /// Says that an answer is being made. Where somebody is making it already, waits for that; `None`: it took too long.
    fn begin(&self, query: &Q, patience: Duration) -> Option<Making<'_, Q, V>>
    where
        Q: Clone,
    {
        let (mut making, waited) = self
            .made
            .wait_timeout_while(self.making(), patience, |making| making.contains(query))
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && making.contains(query) {
            return None;
        }
        making.push(query.clone());
        Some(Making { kept: self, query: query.clone() })
    }

    /// The kept answer, where it may still be given, and whether the caller has a new one made; `None`: it is to be made at
    /// once.
    fn get(&self, query: &Q, stamp: Stamp, now: Instant) -> Option<(Told<V>, bool)> {
        let mut all = self.all();
        let kept = all.iter_mut().find(|kept| kept.query == *query)?;
        kept.used = now;
        let same = kept.stamp == stamp;
        let age = now.saturating_duration_since(kept.made);
        if !same && (kept.stamp.people != stamp.people || age >= STALE) {
            return None;
        }
        let begun = kept.tried > kept.made && now.saturating_duration_since(kept.tried) < PATIENCE;
        let renew = !same && age >= FRESH && !begun;
        if renew {
            kept.tried = now;
        }
        let as_of = (!same).then_some(kept.made_at);
        let told = Told { view: Arc::clone(&kept.view), as_of, age: if same { 0 } else { age.as_secs() } };
        Some((told, renew))
    }

    /// What is to be made anew although nobody asks just now, and how.
    fn due(&self, stamp: Stamp, now: Instant) -> Vec<(Q, Make<Q, V>)>
    where
        Q: Clone,
    {
        let all = self.all();
        let since = |time| now.saturating_duration_since(time);
        let mut due: Vec<&One<Q, V>> = all
            .iter()
            .filter(|kept| kept.stamp != stamp && since(kept.made) >= RENEWED_AFTER && since(kept.used) < LOOKED_AT)
            .collect();
        due.sort_by_key(|kept| since(kept.used));
        due.truncate(RENEWED);
        due.into_iter().map(|kept| (kept.query.clone(), kept.make)).collect()
    }

    /// Keeps an answer; those that were not asked for longest go.
    fn put(&self, query: Q, stamp: Stamp, view: &Arc<V>, at: (Instant, Timestamp), make: Make<Q, V>) {
        let bytes = serde_json::to_vec(&**view).map_or(usize::MAX, |text| text.len());
        let mut all = self.all();
        // To be made anew is not to be asked for.
        let used = all.iter().find(|kept| kept.query == query).map_or(at.0, |kept| kept.used);
        all.retain(|kept| kept.query != query);
        if bytes > MOST_BYTES / 2 {
            return;
        }
        let (made, made_at) = at;
        all.push(One { query, make, stamp, view: Arc::clone(view), bytes, made, made_at, used, tried: made });
        while all.len() > MOST || all.iter().map(|kept| kept.bytes).sum::<usize>() > MOST_BYTES {
            let Some(oldest) = (0..all.len()).min_by_key(|&at| all.get(at).map(|kept| kept.used)) else { break };
            all.swap_remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(command: i64, packet: i64) -> Stamp {
        Stamp { people: (command, 0), engine: (1, packet), history: 0 }
    }

    const MAKE: Make<usize, String> = |_, _, _| Ok(String::new());

    fn view(bytes: usize) -> Arc<String> {
        Arc::new("x".repeat(bytes))
    }

    #[test]
    fn what_people_change_shows_at_once_and_what_traffic_changes_soon() {
        let kept: Kept<usize, String> = Kept::default();
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let told = |query, stamp, seconds| {
            kept.get(&query, stamp, after(seconds)).map(|(told, renew)| (told.as_of, told.age, renew))
        };
        assert_eq!(told(1, stamp(1, 1), 0), None);
        kept.put(1, stamp(1, 1), &view(1), (began, Timestamp(7)), MAKE);
        // Nothing is new: however old it is, it is as the store is.
        assert_eq!(told(1, stamp(1, 1), 9_999), Some((None, 0, false)));
        assert_eq!(told(2, stamp(1, 1), 0), None);
        // Traffic: soon, and it is said.
        assert_eq!(told(1, stamp(1, 2), 9), Some((Some(Timestamp(7)), 9, false)));
        // One has a new one made; nobody waits for it, though not for long.
        assert_eq!(told(1, stamp(1, 2), 10), Some((Some(Timestamp(7)), 10, true)));
        assert_eq!(told(1, stamp(1, 2), 11), Some((Some(Timestamp(7)), 11, false)));
        assert_eq!(told(1, stamp(1, 2), 20), Some((Some(Timestamp(7)), 20, true)));
        assert_eq!(told(1, stamp(1, 2), 60), None);
        // A person: at once.
        kept.put(1, stamp(1, 2), &view(1), (after(61), Timestamp(8)), MAKE);
        assert_eq!(told(1, stamp(1, 3), 62), Some((Some(Timestamp(8)), 1, false)));
        assert_eq!(told(1, stamp(2, 2), 62), None);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let kept: Kept<usize, String> = Kept::default();
        let began = Instant::now();
        let held = || {
            let all = kept.all();
            (all.len(), all.iter().map(|kept| kept.bytes).sum::<usize>())
        };
        for at in 0..100 {
            let when = began + Duration::from_secs(at as u64);
            kept.put(at, stamp(1, 1), &view(10), (when, Timestamp(0)), MAKE);
            // The first one is asked for again and again, and stays.
            assert!(kept.get(&0, stamp(1, 1), when).is_some());
        }
        assert_eq!(held().0, MOST);
        assert!(kept.get(&99, stamp(1, 1), began).is_some() && kept.get(&50, stamp(1, 1), began).is_none());
        let later = began + Duration::from_secs(200);
        for at in 100..200 {
            kept.put(at, stamp(1, 1), &view(MOST_BYTES / 10), (later, Timestamp(0)), MAKE);
        }
        let (count, bytes) = held();
        assert!(count < 11 && bytes <= MOST_BYTES, "{count} {bytes}");
        // One that is too large by itself is not kept, nor the one that it would stand for.
        let before = held().0;
        kept.put(199, stamp(1, 1), &view(MOST_BYTES / 2 + 1), (later, Timestamp(0)), MAKE);
        assert_eq!(held().0, before - 1);
    }

    #[test]
    fn what_was_looked_at_lately_is_made_anew_before_it_is_too_old() {
        let kept: Kept<usize, String> = Kept::default();
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let due =
            |stamp, seconds| kept.due(stamp, after(seconds)).into_iter().map(|(query, _)| query).collect::<Vec<_>>();
        for query in 0..6 {
            kept.put(query, stamp(1, 1), &view(1), (after(query as u64), Timestamp(0)), MAKE);
        }
        // Nothing is new, or it is young.
        assert!(due(stamp(1, 1), 100).is_empty() && due(stamp(1, 2), 29).is_empty());
        // Those that were asked for last.
        assert_eq!(due(stamp(1, 2), 40), [5, 4, 3, 2]);
        assert!(kept.get(&0, stamp(1, 2), after(40)).is_some());
        assert_eq!(due(stamp(1, 2), 41), [0, 5, 4, 3]);
        // To be made anew is not to be asked for: it ends where nobody asks.
        kept.put(0, stamp(1, 2), &view(1), (after(41), Timestamp(0)), MAKE);
        assert_eq!(due(stamp(1, 3), 100), [0, 5, 4, 3]);
        assert_eq!(due(stamp(1, 3), 339), [0]);
        assert!(due(stamp(1, 3), 341).is_empty());
    }

    #[test]
    fn who_asks_for_what_is_being_made_waits_for_it() {
        let kept: Arc<Kept<usize, String>> = Arc::default();
        let making = kept.begin(&1, Duration::ZERO).unwrap();
        assert!(kept.begin(&1, Duration::ZERO).is_none());
        assert!(kept.begin(&2, Duration::ZERO).is_some());
        let waits = {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let _making = kept.begin(&1, Duration::from_secs(60)).unwrap();
                kept.get(&1, stamp(1, 1), Instant::now()).map(|(told, _)| told.view.len())
            })
        };
        kept.put(1, stamp(1, 1), &view(7), (Instant::now(), Timestamp(0)), MAKE);
        drop(making);
        assert_eq!(waits.join().unwrap(), Some(7));
        assert!(kept.begin(&1, Duration::ZERO).is_some());
    }
}
