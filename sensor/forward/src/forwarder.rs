//! The threads: one for each destination, and the keeper, which alone writes to the store.

use crate::settings::{Destination, MOST_DESTINATIONS};
use crate::worker::{BATCH, Feed, Item, Step, Worker};
use crate::{destination, payload};
use ot_protocol::Timestamp;
use ot_store::read::Reader;
use ot_store::{DestinationRow, EngineLock, MOST_OUTBOX, NewDestination, Store, StoreError, wall_clock};
use ot_views::{Names, StatusMessage, Surroundings, messages, status_message};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks into the outbox where nothing was in it.
const POLL: Duration = Duration::from_millis(200);
/// Between two times at which the keeper writes.
const KEEP: Duration = Duration::from_millis(500);
/// Between two tries to take over from another forwarder.
const TAKE_OVER: Duration = Duration::from_secs(2);
/// Tries in a row after which `once` gives a destination up.
const ONCE_ATTEMPTS: u64 = 3;
/// How long the keeper tries its last write.
const LAST_KEEP: Duration = Duration::from_secs(2);

/// Why there is no forwarding.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is configured.
    #[error("no destination is configured; write [[forward]] into the configuration")]
    Nothing,
    /// More than there may be.
    #[error("{0} destinations are more than {MOST_DESTINATIONS}")]
    TooMany(usize),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// How to forward.
pub struct Options {
    /// Address of the console, for links.
    pub console: Option<String>,
    /// What is around the store, for how the sensor is.
    pub around: Arc<dyn Fn() -> Surroundings + Send + Sync>,
    /// Ends when all that is in the outbox is delivered, or a destination cannot be reached.
    pub once: bool,
    /// Where another process forwards already: waits for its end, and takes over.
    pub wait: bool,
    /// Takes what a person should know, in a line.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What became of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// How far it was told.
    pub row: DestinationRow,
    /// Whether nothing is left that it should be told of.
    pub all: bool,
}

/// Forwarding, until it is stopped.
pub struct Forwarder {
    end: Arc<End>,
    keeper: JoinHandle<Vec<Delivered>>,
}

/// What is asked of the threads, and what they sleep on.
#[derive(Default)]
struct End {
    /// To end when all is delivered, or a destination cannot be reached.
    drain: AtomicBool,
    /// To end at once. Shared with the workers, which look at it between messages.
    stop: Arc<AtomicBool>,
    /// How many workers have ended.
    ended: Mutex<usize>,
    changed: Condvar,
}

impl End {
    fn is_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn drains(&self) -> bool {
        self.drain.load(Ordering::Relaxed)
    }

    fn ended(&self) -> MutexGuard<'_, usize> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something; who sleeps wakes.
    fn ask(&self, what: &AtomicBool) {
        let _guard = self.ended();
        what.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// A worker has ended.
    fn one_ended(&self) {
        *self.ended() += 1;
        self.changed.notify_all();
    }

    /// Sleeps, but no longer than until something is asked or a worker ends.
    fn sleep(&self, span: Duration) {
        let guard = self.ended();
        if !self.is_asked() {
            let _ = self.changed.wait_timeout(guard, span);
        }
    }

    /// Sleeps, but no longer than until so many workers have ended; whether they have.
    fn have_ended(&self, all: usize, span: Duration) -> bool {
        let (ended, _) = self
            .changed
            .wait_timeout_while(self.ended(), span, |ended| *ended < all)
            .unwrap_or_else(PoisonError::into_inner);
        *ended >= all
    }
}

impl Forwarder {
    /// Begins. Without [`Options::wait`] the store is ready when this returns; with it, this never waits.
    ///
    /// # Errors
    /// Where nothing can be forwarded.
    pub fn start(store: &Path, destinations: Vec<Destination>, options: Options) -> Result<Self, ForwardError> {
        if destinations.is_empty() {
            return Err(ForwardError::Nothing);
        }
        if destinations.len() > MOST_DESTINATIONS {
            return Err(ForwardError::TooMany(destinations.len()));
        }
        let end = Arc::new(End::default());
        end.drain.store(options.once, Ordering::Relaxed);
        let wanted: Vec<NewDestination> = destinations.iter().map(Destination::row).collect();
        let ready = if options.wait { None } else { Some(prepare(store, &wanted, &*options.tell)?) };
        let (path, ending) = (store.to_owned(), Arc::clone(&end));
        let keeper = std::thread::Builder::new()
            .name("forward".to_owned())
            .spawn(move || {
                let Some(ready) = ready.or_else(|| take_over(&path, &wanted, &options, &ending)) else {
                    return Vec::new();
                };
                keep(&path, ready, destinations, &Arc::new(options), &ending)
            })
            .map_err(ForwardError::Thread)?;
        Ok(Self { end, keeper })
    }

    /// Whether it has ended by itself.
    pub fn is_done(&self) -> bool {
        self.keeper.is_finished()
    }

    /// Asks it to end when all is delivered, or destinations cannot be reached.
    pub fn ask_to_drain(&self) {
        self.end.ask(&self.end.drain);
    }

    /// Asks it to end.
    pub fn ask_to_stop(&self) {
        self.end.ask(&self.end.stop);
    }

    /// Drains it for so long at most, then ends it, for which so long at most is waited.
    pub fn end(self, drain: Duration, longest: Duration) {
        self.ask_to_drain();
        let until = Instant::now() + drain;
        while !self.is_done() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.ask_to_stop();
        let _ = self.wait(Some(longest));
    }

    /// Waits for its end, but no longer than this. What became of each destination; `None` where it has not ended. (What was
    /// sent by then and is not known to have been taken comes again at the next start, with the same ids.)
    pub fn wait(self, longest: Option<Duration>) -> Option<Vec<Delivered>> {
        let end = longest.map(|longest| Instant::now() + longest);
        while !self.keeper.is_finished() {
            if end.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.keeper.join().ok()
    }
}

/// The store, the right to forward from it, and how far its destinations were told.
struct Ready {
    store: Store,
    _lock: EngineLock,
    rows: Vec<DestinationRow>,
}

fn prepare(path: &Path, wanted: &[NewDestination], tell: &(dyn Fn(&str) + Send + Sync)) -> Result<Ready, ForwardError> {
    let mut store = Store::open_existing(path)?;
    let lock = store.lock_forwarder()?;
    let registered = store.register_destinations(wanted, wall_clock())?;
    for (name, open) in registered.added {
        tell(&format!("forward {name}: new; {open} open alerts are told first"));
    }
    for (name, left) in registered.forgotten {
        tell(&format!("forward {name}: no longer configured, forgotten; it had {left} changes yet to be told"));
    }
    let rows = Reader::open(path)?.destinations()?;
    Ok(Ready { store, _lock: lock, rows })
}

/// Prepares as soon as that is possible.
fn take_over(path: &Path, wanted: &[NewDestination], options: &Options, end: &End) -> Option<Ready> {
    let mut told = String::new();
    while !end.is_asked() && !end.drains() {
        match prepare(path, wanted, &*options.tell) {
            Ok(ready) => return Some(ready),
            Err(error) => {
                let problem = error.to_string();
                if problem != told {
                    (options.tell)(&format!("forward: waits: {problem}"));
                    told = problem;
                }
            }
        }
        end.sleep(TAKE_OVER);
    }
    None
}

/// How far workers are, for the keeper.
#[derive(Default)]
struct Board(Mutex<BTreeMap<String, DestinationRow>>);

impl Board {
    fn changed(&self) -> MutexGuard<'_, BTreeMap<String, DestinationRow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(
    path: &Path,
    ready: Ready,
    destinations: Vec<Destination>,
    options: &Arc<Options>,
    end: &Arc<End>,
) -> Vec<Delivered> {
    let Ready { mut store, _lock, rows } = ready;
    let board = Arc::new(Board::default());
    let mut threads = Vec::new();
    for destination in destinations {
        let Some(row) = rows.iter().find(|row| row.name == destination.name).cloned() else { continue };
        let (path, board) = (path.to_owned(), Arc::clone(&board));
        let (with, ending) = (Arc::clone(options), Arc::clone(end));
        let name = format!("forward {}", destination.name);
        let spawned = std::thread::Builder::new().name(name.clone()).spawn(move || {
            // Also where it ends by a fault of ours.
            let _guard = Ended(&ending);
            work(path, destination, row, &board, &with, &ending)
        });
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(error) => (options.tell)(&format!("{name}: cannot start a thread: {error}")),
        }
    }
    let mut trouble = false;
    loop {
        let all_ended = end.have_ended(threads.len(), KEEP);
        match write(&mut store, &board) {
            Ok(()) => trouble = false,
            Err(error) => {
                if !std::mem::replace(&mut trouble, true) {
                    (options.tell)(&format!("forward: how far destinations were told cannot be kept yet: {error}"));
                }
            }
        }
        if all_ended {
            break;
        }
    }
    let until = Instant::now() + LAST_KEEP;
    while write(&mut store, &board).is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
}

/// Says that a worker has ended, when dropped.
struct Ended<'a>(&'a End);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.one_ended();
    }
}

/// Writes what changed, and clears the outbox.
fn write(store: &mut Store, board: &Board) -> Result<(), StoreError> {
    let rows: Vec<DestinationRow> = std::mem::take(&mut *board.changed()).into_values().collect();
    if rows.is_empty() {
        return Ok(());
    }
    match store.keep_progress(&rows) {
        Ok(mut more) => {
            while more {
                more = store.keep_progress(&[])?;
            }
            Ok(())
        }
        Err(error) => {
            let mut changed = board.changed();
            for row in rows {
                // What a worker said meanwhile is newer.
                changed.entry(row.name.clone()).or_insert(row);
            }
            Err(error)
        }
    }
}

/// The thread of a destination.
fn work(
    path: PathBuf,
    destination: Destination,
    row: DestinationRow,
    board: &Board,
    options: &Options,
    end: &End,
) -> Delivered {
    let name = destination.name.clone();
    let feed = StoreFeed {
        path,
        name: name.clone(),
        console: options.console.clone(),
        around: Arc::clone(&options.around),
        since: Instant::now(),
        mark: None,
        next_mark: None,
        reader: None,
    };
    let to = destination.clone();
    let open = Box::new(move || destination::open(&to));
    let mut worker = Worker::new(destination, row, feed, open, Arc::clone(&end.stop), Instant::now());
    let mut failing = worker.row().attempts > 0;
    let all = loop {
        let (stopping, draining) = (end.is_asked(), end.drains());
        let step = if stopping {
            worker.finish(Instant::now(), wall_clock());
            Step::Idle
        } else {
            worker.step(Instant::now(), wall_clock())
        };
        if draining && !stopping && matches!(step, Step::Wait(_)) && worker.is_underway() && worker.is_through() {
            worker.finish(Instant::now(), wall_clock());
        }
        if let Some(row) = worker.take_changed() {
            if (row.attempts > 0) != failing {
                failing = row.attempts > 0;
                let text = match &row.last_error {
                    Some(error) if failing => format!("forward {name}: {error}; tries again"),
                    _ => format!("forward {name}: delivers again"),
                };
                (options.tell)(&text);
            }
            board.changed().insert(name.clone(), row);
        }
        match step {
            _ if stopping => break !worker.is_underway(),
            Step::Worked => {}
            Step::Idle if draining => break true,
            Step::Idle => end.sleep(POLL),
            Step::Wait(_) if draining && worker.row().attempts >= ONCE_ATTEMPTS => break false,
            Step::Wait(span) => end.sleep(span.min(POLL)),
        }
    };
    Delivered { row: worker.row().clone(), all }
}

/// The outbox of a store.
struct StoreFeed {
    path: PathBuf,
    name: String,
    console: Option<String>,
    around: Arc<dyn Fn() -> Surroundings + Send + Sync>,
    since: Instant,
    /// Up to which packet time alerts were told to have come again.
    mark: Option<Timestamp>,
    /// The same, once the last status was taken.
    next_mark: Option<Timestamp>,
    reader: Option<Reader>,
}

impl StoreFeed {
    fn ask<T>(&mut self, question: impl Fn(&Reader, &Self) -> Result<T, String>) -> Result<T, String> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.path).map_err(|error| error.to_string())?,
        };
        // After an error the store is opened anew.
        let answer = question(&reader, self)?;
        self.reader = Some(reader);
        Ok(answer)
    }
}

impl Feed for StoreFeed {
    fn next(&mut self, after: u64) -> Result<Vec<Item>, String> {
        self.ask(|reader, this| {
            let rows = reader.outbox(after, &this.name, BATCH).map_err(|error| error.to_string())?;
            let told =
                messages(&Names::new(reader), &rows, this.console.as_deref()).map_err(|error| error.to_string())?;
            Ok(rows.iter().zip(told).map(|(row, message)| Item { sequence: row.sequence, message }).collect())
        })
    }

    fn newest(&mut self) -> Result<u64, String> {
        self.ask(|reader, _| reader.outbox_newest().map_err(|error| error.to_string()))
    }

    fn floor(&mut self) -> Result<u64, String> {
        Ok(self.newest()?.saturating_sub(MOST_OUTBOX))
    }

    fn status(&mut self) -> Result<Option<StatusMessage>, String> {
        let mut mark = self.mark;
        let marked = std::cell::RefCell::new(&mut mark);
        let told = self.ask(|reader, this| {
            let around = (this.around)();
            status_message(reader, &this.name, *marked.borrow_mut(), &around).map_err(|error| error.to_string())
        })?;
        self.next_mark = mark;
        let uptime_seconds = self.since.elapsed().as_secs();
        Ok(told.map(|told| StatusMessage { version: payload::VERSION.to_owned(), uptime_seconds, ..told }))
    }

    fn told(&mut self) {
        self.mark = self.next_mark;
    }
}
