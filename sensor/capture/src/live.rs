//! Packets of network interfaces, as they come. Only reads: nothing is ever sent.
//!
//! Each interface has a thread that empties the kernel's memory-mapped ring (TPACKET_V3) into chunks of packets; the
//! [`Live`] source takes the chunks of all interfaces and lends their packets in order of time. An interface that goes is
//! waited for; the others go on. Where no packet comes, the source tells that time has passed ([`Polled::Tick`]), each
//! second, so that silence is noticed.
//!
//! The threads may also run in another process, which alone holds the packet sockets ([`crate::split`]); the source is the
//! same then.

mod handle;
mod interface;
mod notice;
mod outlet;
mod settings;
mod system;
mod thread;

use crate::ring::Chunk;
use crate::split::{Hands, Intake, SplitError};
use crate::{CaptureError, Packet, Polled, Progress, Ring, Source, Warning};
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use handle::Handle;
pub use handle::Opened;
pub use interface::{InterfaceCounters, InterfaceFacts, Offloads, interface_names};
pub use notice::{Notice, NoticeKind};
pub(crate) use outlet::{LINGER, Outlet, Sink};
pub use settings::{InterfaceError, InterfaceSettings, TimeSource};
pub(crate) use system::hand_no_files_on;
pub(crate) use thread::Thread;

/// Chunks on their way from an interface: 16 MiB at most.
const CHUNKS: usize = 64;
/// Notices that nobody has read.
const NOTICES: usize = 1024;
/// How long a packet waits for an earlier one of another interface, at most.
const HOLD: Duration = Duration::from_millis(200);
/// How long the thread of an interface waits for packets at a time: as long a stop may go unnoticed.
const WAIT: Duration = Duration::from_millis(100);
/// How long the source waits before it says that there is nothing.
const IDLE: Duration = Duration::from_millis(50);
/// By how much a tick comes after its second: packets of the second may still be on their way.
const TICK_AFTER: Nanos = 250_000_000;
/// Chunks smaller than this are put together before they are kept as evidence.
const SMALL: usize = 64 << 10;

/// Tells a source to stop. A clone tells the same source.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The source ends when it has lent what has come so far.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was told.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// What the thread of an interface counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub received: AtomicU64,
    pub bytes: AtomicU64,
    pub dropped: AtomicU64,
    pub missed: AtomicU64,
    pub opened: AtomicU32,
    pub index: AtomicU32,
    pub up: AtomicBool,
    /// Wall time up to which all packets have been handed over.
    pub settled: AtomicI64,
}

/// What an interface has received and lost since the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceState {
    /// Its name.
    pub name: String,
    /// Whether it is being captured and has a link.
    pub up: bool,
    /// Packets taken from the kernel's ring.
    pub received: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that the kernel dropped because the ring was full.
    pub dropped: u64,
    /// Packets that the card had no room for.
    pub missed: u64,
    /// How often it was opened.
    pub opened: u32,
}

/// Shows the states of the interfaces of a [`Live`] source, also while another thread reads it.
#[derive(Clone, Debug)]
pub struct Gauges(Vec<(String, Arc<Counts>)>);

impl Gauges {
    /// How it is now, in the order of the interfaces.
    pub fn now(&self) -> Vec<InterfaceState> {
        let state = |(name, counts): &(String, Arc<Counts>)| InterfaceState {
            name: name.clone(),
            up: counts.up.load(Ordering::Relaxed),
            received: counts.received.load(Ordering::Relaxed),
            bytes: counts.bytes.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
            missed: counts.missed.load(Ordering::Relaxed),
            opened: counts.opened.load(Ordering::Relaxed),
        };
        self.0.iter().map(state).collect()
    }
}

/// What comes from one interface.
struct Feed {
    chunks: Receiver<Chunk>,
    counts: Arc<Counts>,
    name: String,
    current: Chunk,
    at: usize,
    /// When the packet in view came into view.
    since: Instant,
    ended: bool,
    /// Losses that were told.
    told: u64,
    /// Small chunks put together, to be kept as evidence.
    small: Chunk,
}

impl Feed {
    /// Brings the next packet into view, if it is there. Chunks that were gone through are kept as evidence.
    fn fill(&mut self, ring: Option<&Ring>) {
        if self.at < self.current.len() || self.ended {
            return;
        }
        let next = match self.chunks.try_recv() {
            Ok(chunk) => chunk,
            Err(TryRecvError::Empty) => Chunk::default(),
            Err(TryRecvError::Disconnected) => {
                self.ended = true;
                Chunk::default()
            }
        };
        self.at = 0;
        self.since = Instant::now();
        let done = std::mem::replace(&mut self.current, next);
        if let Some(ring) = ring {
            self.keep(done, ring);
        }
    }

    fn keep(&mut self, chunk: Chunk, ring: &Ring) {
        let Some(first) = chunk.first() else { return };
        let waited = self.small.first().map_or(0, |earliest| first.since(earliest));
        if chunk.bytes() >= SMALL || self.small.is_full(chunk.bytes()) || !(0..SECOND).contains(&waited) {
            self.close(ring);
        }
        if chunk.bytes() >= SMALL {
            ring.push(chunk);
            return;
        }
        for packet in (0..chunk.len()).filter_map(|at| chunk.packet(at)) {
            self.small.push(&packet);
        }
    }

    fn close(&mut self, ring: &Ring) {
        if self.small.len() > 0 {
            let mut whole = std::mem::take(&mut self.small);
            whole.shrink();
            ring.push(whole);
        }
    }

    fn time(&self) -> Option<Timestamp> {
        self.current.time(self.at)
    }
}

/// What the source can do next.
enum Turn {
    Packet(usize),
    Nothing,
    End,
}

/// One or more interfaces as a source that ends only when it is told to stop.
pub struct Live {
    feeds: Vec<Feed>,
    threads: Vec<JoinHandle<()>>,
    bell: Receiver<()>,
    notices: Receiver<Notice>,
    ring: Option<Ring>,
    stop: Stop,
    /// The process that holds the interfaces has gone.
    left: Arc<AtomicBool>,
    number: u64,
    /// The newest second that was told, by a packet or a tick.
    second: Option<i64>,
    /// A packet was lent since it was last said that there is nothing.
    lent: bool,
}

impl Live {
    /// Opens interfaces and begins to capture. Frames get file numbers from `first_file` on, one for each interface.
    /// Packets go into the ring, where there is one, once they have been lent.
    ///
    /// # Errors
    /// The first interface that cannot be used.
    pub fn open(
        interfaces: &[InterfaceSettings],
        first_file: u32,
        ring: Option<Ring>,
        stop: Stop,
    ) -> Result<Self, InterfaceError> {
        let handles = open_all(interfaces)?;
        let (mut live, outlets) = Self::prepare(interfaces, first_file, ring, stop);
        for ((settings, handle), outlet) in interfaces.iter().zip(handles).zip(outlets) {
            let counts = Arc::clone(&outlet.counts);
            let thread = Thread::new(settings.clone(), outlet, counts, live.stop.clone(), patience(interfaces));
            live.start(settings, move || thread.run(handle))?;
        }
        Ok(live)
    }

    /// Takes the packets that the process which holds the interfaces hands over; begins when all of them are open there. All
    /// else is as in [`Live::open`]. To be called where no other thread was started before the sandbox was entered.
    ///
    /// # Errors
    /// Where that process could not open them, which it has told itself, or where a thread cannot be started.
    pub fn attach(
        hands: Hands,
        interfaces: &[InterfaceSettings],
        first_file: u32,
        ring: Option<Ring>,
        stop: Stop,
    ) -> Result<Self, SplitError> {
        let (mut live, outlets) = Self::prepare(interfaces, first_file, ring, stop);
        let readers = hands.begin(outlets.len())?;
        for ((settings, outlet), reader) in interfaces.iter().zip(outlets).zip(readers) {
            let intake = Intake::new(reader, outlet, live.stop.clone(), Arc::clone(&live.left), patience(interfaces));
            live.start(settings, move || intake.run())?;
        }
        Ok(live)
    }

    /// Whether the process that holds the interfaces has gone without being told to: all that it handed over was lent.
    pub fn was_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// A source without threads, and where their packets are to go.
    fn prepare(
        interfaces: &[InterfaceSettings],
        first_file: u32,
        ring: Option<Ring>,
        stop: Stop,
    ) -> (Self, Vec<Outlet>) {
        let (bell_in, bell) = bounded(1);
        let (notices_in, notices) = bounded(NOTICES);
        let mut live = Self {
            feeds: Vec::new(),
            threads: Vec::new(),
            bell,
            notices,
            ring,
            stop,
            left: Arc::default(),
            number: 0,
            second: None,
            lent: false,
        };
        let mut outlets = Vec::with_capacity(interfaces.len());
        for (interface, settings) in (0_u16..).zip(interfaces) {
            let (chunks_in, chunks) = bounded(CHUNKS);
            let file = first_file.saturating_add(u32::from(interface));
            let outlet = Outlet::new((interface, &settings.name), file, chunks_in, bell_in.clone(), notices_in.clone());
            live.feeds.push(Feed::new(settings.name.clone(), chunks, Arc::clone(&outlet.counts)));
            outlets.push(outlet);
        }
        (live, outlets)
    }

    fn start(
        &mut self,
        settings: &InterfaceSettings,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), InterfaceError> {
        self.threads.push(start(settings, work)?);
        Ok(())
    }

    /// What happens to interfaces, as it happens.
    pub fn notices(&self) -> Receiver<Notice> {
        self.notices.clone()
    }

    /// The states of the interfaces.
    pub fn gauges(&self) -> Gauges {
        Gauges(self.feeds.iter().map(|feed| (feed.name.clone(), Arc::clone(&feed.counts))).collect())
    }

    /// The interface whose packet is the next one: the earliest of those in view, once no other interface can have an
    /// earlier one on its way.
    fn turn(&mut self) -> Turn {
        let ring = self.ring.as_ref();
        if let [feed] = self.feeds.as_mut_slice() {
            feed.fill(ring);
            return match feed.time() {
                Some(_) => Turn::Packet(0),
                None if feed.ended => Turn::End,
                None => Turn::Nothing,
            };
        }
        let mut earliest: Option<(Timestamp, usize)> = None;
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            feed.fill(ring);
            if let Some(time) = feed.time()
                && earliest.is_none_or(|(other, _)| time < other)
            {
                earliest = Some((time, index));
            }
        }
        let Some((time, index)) = earliest else {
            return if self.feeds.iter().all(|feed| feed.ended) { Turn::End } else { Turn::Nothing };
        };
        let may_be_earlier =
            |feed: &Feed| feed.time().is_none() && !feed.ended && feed.counts.settled.load(Ordering::Relaxed) < time.0;
        let waits = self.feeds.iter().any(may_be_earlier)
            && !self.stop.is_set()
            && self.feeds.get(index).is_some_and(|feed| feed.since.elapsed() < HOLD);
        if waits { Turn::Nothing } else { Turn::Packet(index) }
    }

    /// The tick that is due, where one is: a second has passed, or the clock was set back.
    fn tick(&mut self) -> Option<Timestamp> {
        let second = wall().plus(-TICK_AFTER).epoch();
        let told = *self.second.get_or_insert(second - 1);
        if second <= told && second >= told - 2 {
            return None;
        }
        self.second = Some(second);
        if let Some(ring) = &self.ring {
            self.feeds.iter_mut().for_each(|feed| feed.close(ring));
        }
        Some(Timestamp(second.saturating_mul(SECOND)))
    }

    fn lend(&mut self, index: usize) -> Option<Packet<'_>> {
        self.number += 1;
        self.lent = true;
        let feed = self.feeds.get_mut(index)?;
        let at = feed.at;
        feed.at += 1;
        feed.current.number(at, self.number);
        let packet = feed.current.packet(at)?;
        let second = packet.info.time.epoch();
        if self.second.is_none_or(|told| told < second || told > second + 2) {
            self.second = Some(second);
        }
        Some(packet)
    }
}

impl Feed {
    fn new(name: String, chunks: Receiver<Chunk>, counts: Arc<Counts>) -> Self {
        Self {
            chunks,
            counts,
            name,
            current: Chunk::default(),
            at: 0,
            since: Instant::now(),
            ended: false,
            told: 0,
            small: Chunk::default(),
        }
    }
}

impl Source for Live {
    /// Waits for the next packet, however long that takes.
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        loop {
            match self.turn() {
                Turn::Packet(index) => return Ok(self.lend(index)),
                Turn::End => return Ok(None),
                Turn::Nothing => {
                    let _ = self.bell.recv_timeout(IDLE);
                }
            }
        }
    }

    fn poll(&mut self) -> Result<Polled<'_>, CaptureError> {
        let mut waited = false;
        loop {
            match self.turn() {
                Turn::Packet(index) => return Ok(self.lend(index).map_or(Polled::Nothing, Polled::Packet)),
                Turn::End => return Ok(Polled::End),
                Turn::Nothing => {}
            }
            if let Some(time) = self.tick() {
                return Ok(Polled::Tick(time));
            }
            if self.lent || waited {
                self.lent = false;
                return Ok(Polled::Nothing);
            }
            // A packet in view that waits for others is looked at again soon.
            let longest = if self.feeds.iter().any(|feed| feed.time().is_some()) { IDLE / 10 } else { IDLE };
            if let Err(RecvTimeoutError::Disconnected) = self.bell.recv_timeout(longest) {
                std::thread::sleep(longest);
            }
            waited = true;
        }
    }

    fn progress(&self) -> Progress {
        let read = self.feeds.iter().map(|feed| feed.counts.bytes.load(Ordering::Relaxed)).sum();
        Progress { read, total: None }
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }

    /// Of every interface, also where nothing was lost.
    fn losses(&mut self) -> Vec<(u16, u64)> {
        let mut losses = Vec::with_capacity(self.feeds.len());
        for (interface, feed) in (0_u16..).zip(&mut self.feeds) {
            let all = feed.counts.dropped.load(Ordering::Relaxed) + feed.counts.missed.load(Ordering::Relaxed);
            losses.push((interface, all.saturating_sub(feed.told)));
            feed.told = all;
        }
        losses
    }

    fn interface_name(&self, interface: u16) -> Option<&str> {
        self.feeds.get(usize::from(interface)).map(|feed| feed.name.as_str())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.set();
        // A thread that waits for room ends when its channel is gone.
        self.feeds.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Starts the thread of an interface.
pub(crate) fn start(
    settings: &InterfaceSettings,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, InterfaceError> {
    std::thread::Builder::new()
        .name(format!("capture-{}", settings.name))
        .spawn(work)
        .map_err(|error| InterfaceError::Other { name: settings.name.clone(), detail: error.to_string() })
}

/// How long the thread of an interface waits at a time. Packets of other interfaces wait until this one is known to have no
/// earlier ones.
pub(crate) fn patience(interfaces: &[InterfaceSettings]) -> Duration {
    if interfaces.len() > 1 { WAIT / 5 } else { WAIT }
}

/// Opens all; `None` where one is missing that may be.
pub(crate) fn open_all(interfaces: &[InterfaceSettings]) -> Result<Vec<Option<Handle>>, InterfaceError> {
    if interfaces.is_empty() {
        return Err(InterfaceError::None { known: interface_names() });
    }
    let mut seen = BTreeSet::new();
    let mut handles = Vec::with_capacity(interfaces.len());
    for settings in interfaces {
        if !seen.insert(&settings.name) {
            return Err(InterfaceError::Twice { name: settings.name.clone() });
        }
        handles.push(match Handle::open(settings) {
            Ok(handle) => Some(handle),
            Err(InterfaceError::Missing { .. } | InterfaceError::Down { .. }) if settings.wait => None,
            Err(error) => return Err(error),
        });
    }
    Ok(handles)
}

/// Lets the calling thread run on these processors only; on any where there are none. Whether that was possible.
pub fn bind_thread(processors: &[usize]) -> bool {
    processors.is_empty() || system::run_on(processors)
}

/// Wall time.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}
