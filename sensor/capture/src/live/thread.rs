//! The thread of an interface: empties the kernel's ring into chunks, and keeps at it when the interface goes and comes
//! back.

use super::handle::Handle;
use super::interface::{InterfaceCounters, InterfaceFacts};
use super::{Counts, InterfaceError, InterfaceSettings, Notice, NoticeKind, Stop, wall};
use crate::LinkType;
use crate::Packet;
use crate::ring::Chunk;
use crossbeam_channel::Sender;
use ot_protocol::{FrameRef, Nanos, PacketInfo, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two tries to open an interface that is gone.
const RETRY: Duration = Duration::from_millis(250);
/// Between two looks at counters and at the state of the interface.
const LOOK: Duration = Duration::from_millis(500);
/// The longest that a packet waits for others to fill its chunk.
const LINGER: Nanos = 20_000_000;

/// Where the thread puts what it reads.
pub(super) struct Outlet {
    pub chunks: Sender<Chunk>,
    /// Rung when there is a chunk.
    pub bell: Sender<()>,
    pub notices: Sender<Notice>,
    pub counts: Arc<Counts>,
    pub stop: Stop,
}

/// Reads one interface until it is told to stop.
pub(super) struct Thread {
    settings: InterfaceSettings,
    interface: u16,
    file: u32,
    outlet: Outlet,
    /// How long it waits for packets at a time.
    wait: Duration,
    /// Packets so far.
    frames: u64,
    chunk: Chunk,
    /// What the card has missed, as counted when last looked at; `None` while the interface is gone.
    missed: Option<u64>,
    up: bool,
    looked: Instant,
    /// Nobody takes packets any more.
    closed: bool,
    /// Why the interface could not be opened the last time, where that will not go away by itself.
    refused: String,
}

impl Thread {
    pub fn new(settings: InterfaceSettings, interface: u16, file: u32, outlet: Outlet, wait: Duration) -> Self {
        Self {
            settings,
            interface,
            file,
            outlet,
            wait,
            frames: 0,
            chunk: Chunk::default(),
            missed: None,
            up: true,
            looked: Instant::now(),
            closed: false,
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
        while !self.outlet.stop.is_set() && !self.closed {
            handle = match handle {
                Some(open) => self.read(open),
                None => self.reopen(),
            };
        }
        if let Some(mut handle) = handle {
            self.count_losses(&mut handle);
        }
        self.send();
    }

    /// Takes what has come. Gives the handle back unless the interface is gone.
    fn read(&mut self, mut handle: Handle) -> Option<Handle> {
        let link = handle.link;
        let read = handle.read(|time, wire, data| self.packet(link, time, wire, data));
        let nothing = match read {
            Ok(count) => count == 0,
            Err(detail) => {
                self.count_losses(&mut handle);
                self.send();
                self.missed = None;
                self.up = false;
                self.tell(NoticeKind::Gone { detail });
                return None;
            }
        };
        if nothing {
            self.send();
            // All that came before has been taken, but for what the kernel's open block still holds.
            let settled = wall().plus(-2 * i64::try_from(self.settings.timeout.as_nanos()).unwrap_or(0));
            self.outlet.counts.settled.store(settled.0, Ordering::Relaxed);
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

    fn packet(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]) {
        let waited = self.chunk.first().map_or(0, |first| time.since(first));
        if self.chunk.is_full(data.len()) || !(0..LINGER).contains(&waited) {
            self.send();
        }
        self.frames += 1;
        let info = PacketInfo { number: 0, frame: FrameRef::new(self.file, self.frames), time };
        self.chunk.push(&Packet { info, link, interface: self.interface, wire_len, data });
    }

    /// Hands the chunk over. Where the next stage is behind, this waits; the kernel's ring fills meanwhile, and what has
    /// no room there is counted.
    fn send(&mut self) {
        if self.chunk.len() == 0 {
            return;
        }
        let chunk = std::mem::take(&mut self.chunk);
        let counts = &self.outlet.counts;
        counts.received.fetch_add(u64::try_from(chunk.len()).unwrap_or(0), Ordering::Relaxed);
        counts.bytes.fetch_add(u64::try_from(chunk.bytes()).unwrap_or(0), Ordering::Relaxed);
        self.chunk = Chunk::like(&chunk);
        self.closed |= self.outlet.chunks.send(chunk).is_err();
        // One ring that nobody has answered yet is enough.
        let _ = self.outlet.bell.try_send(());
    }

    fn count_losses(&mut self, handle: &mut Handle) {
        let counts = &self.outlet.counts;
        counts.dropped.fetch_add(handle.take_dropped(), Ordering::Relaxed);
        let missed = InterfaceCounters::of(&self.settings.name).missed;
        let more = self.missed.replace(missed).map_or(0, |before| missed.saturating_sub(before));
        counts.missed.fetch_add(more, Ordering::Relaxed);
    }

    /// Looks whether the interface is still the same and switched on. libpcap goes on by itself when it is only switched
    /// off and on.
    fn is_there(&mut self) -> bool {
        let known = self.outlet.counts.index.load(Ordering::Relaxed);
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
                self.send();
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
        self.outlet.counts.settled.store(wall().0, Ordering::Relaxed);
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
        self.outlet.counts.index.store(facts.as_ref().map_or(0, |facts| facts.index), Ordering::Relaxed);
        let again = self.outlet.counts.opened.fetch_add(1, Ordering::Relaxed) > 0;
        let offloads = facts.map(|facts| facts.offloads).unwrap_or_default();
        self.tell(NoticeKind::Opened { again, opened: handle.opened, wanted: self.settings.time_source, offloads });
        if !self.up {
            self.tell(NoticeKind::Down);
        }
    }

    fn tell(&mut self, kind: NoticeKind) {
        self.outlet.counts.up.store(self.up, Ordering::Relaxed);
        let notice = Notice { interface: self.interface, name: self.settings.name.clone(), time: wall(), kind };
        // Nobody reads them: nobody misses them.
        let _ = self.outlet.notices.try_send(notice);
    }
}
