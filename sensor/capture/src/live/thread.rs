//! The thread of an interface: empties the kernel's ring, and keeps at it when the interface goes and comes back.

use super::handle::Handle;
use super::interface::{InterfaceCounters, InterfaceFacts};
use super::{Counts, InterfaceError, InterfaceSettings, NoticeKind, Sink, Stop, wall};
use ot_protocol::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two tries to open an interface that is gone.
const RETRY: Duration = Duration::from_millis(250);
/// Between two looks at counters and at the state of the interface.
const LOOK: Duration = Duration::from_millis(500);

/// Reads one interface until it is told to stop.
pub(crate) struct Thread<S> {
    settings: InterfaceSettings,
    /// Where it puts what it reads.
    sink: S,
    counts: Arc<Counts>,
    stop: Stop,
    /// How long it waits for packets at a time.
    wait: Duration,
    /// What the card has missed, as counted when last looked at; `None` while the interface is gone.
    missed: Option<u64>,
    up: bool,
    looked: Instant,
    /// Why the interface could not be opened the last time, where that will not go away by itself.
    refused: String,
}

impl<S: Sink> Thread<S> {
    pub fn new(settings: InterfaceSettings, sink: S, counts: Arc<Counts>, stop: Stop, wait: Duration) -> Self {
        Self {
            settings,
            sink,
            counts,
            stop,
            wait,
            missed: None,
            up: true,
            looked: Instant::now(),
            refused: String::new(),
        }
    }

    /// `None`: the interface is to be waited for.
    pub fn run(mut self, handle: Option<Handle>) {
        if !super::bind_thread(&self.settings.processors) {
            self.tell(NoticeKind::Processors);
        }
        let mut handle = handle;
        match &handle {
            Some(handle) => self.tell_opened(handle),
            None => self.tell(NoticeKind::Waits),
        }
        while !self.stop.is_set() && !self.sink.is_closed() {
            handle = match handle {
                Some(open) => self.read(open),
                None => self.reopen(),
            };
        }
        if let Some(mut handle) = handle {
            self.count_losses(&mut handle);
        }
        self.sink.send();
    }

    /// Takes what has come. Gives the handle back unless the interface is gone.
    fn read(&mut self, mut handle: Handle) -> Option<Handle> {
        let link = handle.link;
        let read = handle.read(|time, wire, data| self.sink.packet(link, time, wire, data));
        let nothing = match read {
            Ok(count) => count == 0,
            Err(detail) => {
                self.count_losses(&mut handle);
                self.sink.send();
                self.missed = None;
                self.up = false;
                self.tell(NoticeKind::Gone { detail });
                return None;
            }
        };
        if nothing {
            self.sink.send();
            // All that came before has been taken, but for what the kernel's open block still holds.
            let settled = wall().plus(-2 * i64::try_from(self.settings.timeout.as_nanos()).unwrap_or(0));
            self.settle(settled);
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.count_losses(&mut handle);
            if !self.is_there() {
                return None;
            }
        }
        if nothing {
            handle.wait(self.wait);
        }
        Some(handle)
    }

    fn count_losses(&mut self, handle: &mut Handle) {
        let counts = &self.counts;
        counts.dropped.fetch_add(handle.take_dropped(), Ordering::Relaxed);
        let missed = InterfaceCounters::of(&self.settings.name).missed;
        let more = self.missed.replace(missed).map_or(0, |before| missed.saturating_sub(before));
        counts.missed.fetch_add(more, Ordering::Relaxed);
        self.sink.counted(&self.counts);
    }

    /// All packets up to this time have been handed over.
    fn settle(&mut self, time: Timestamp) {
        self.counts.settled.store(time.0, Ordering::Relaxed);
        self.sink.counted(&self.counts);
    }

    /// Looks whether the interface is still the same and switched on. libpcap goes on by itself when it is only switched
    /// off and on.
    fn is_there(&mut self) -> bool {
        let known = self.counts.index.load(Ordering::Relaxed);
        match InterfaceFacts::of(&self.settings.name) {
            Some(facts) if facts.index == known => {
                let up = facts.up && facts.running;
                if up != self.up {
                    self.up = up;
                    self.tell(if up { NoticeKind::Up } else { NoticeKind::Down });
                }
                true
            }
            _ => {
                self.sink.send();
                self.missed = None;
                self.up = false;
                self.tell(NoticeKind::Gone { detail: "the interface was removed".to_owned() });
                false
            }
        }
    }

    /// Tries to open an interface that is gone.
    fn reopen(&mut self) -> Option<Handle> {
        std::thread::sleep(RETRY);
        self.settle(wall());
        match Handle::open(&self.settings) {
            Ok(handle) => {
                self.tell_opened(&handle);
                Some(handle)
            }
            Err(InterfaceError::Missing { .. } | InterfaceError::Down { .. }) => None,
            Err(error) => {
                let detail = error.to_string();
                if self.refused != detail {
                    self.refused.clone_from(&detail);
                    self.tell(NoticeKind::CannotOpen { detail });
                }
                None
            }
        }
    }

    fn tell_opened(&mut self, handle: &Handle) {
        self.refused.clear();
        let facts = InterfaceFacts::of(&self.settings.name);
        self.up = facts.as_ref().is_some_and(|facts| facts.up && facts.running);
        self.missed = facts.as_ref().map(|facts| facts.counters.missed);
        self.counts.index.store(facts.as_ref().map_or(0, |facts| facts.index), Ordering::Relaxed);
        let again = self.counts.opened.fetch_add(1, Ordering::Relaxed) > 0;
        let offloads = facts.map(|facts| facts.offloads).unwrap_or_default();
        self.tell(NoticeKind::Opened { again, opened: handle.opened, wanted: self.settings.time_source, offloads });
        if !self.up {
            self.tell(NoticeKind::Down);
        }
    }

    fn tell(&mut self, kind: NoticeKind) {
        self.counts.up.store(self.up, Ordering::Relaxed);
        self.sink.counted(&self.counts);
        self.sink.tell(wall(), kind);
    }
}
