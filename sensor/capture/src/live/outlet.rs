//! Where what is read from an interface goes.

use super::{Counts, Notice, NoticeKind};
use crate::ring::Chunk;
use crate::{LinkType, Packet};
use crossbeam_channel::Sender;
use ot_protocol::{FrameRef, Nanos, PacketInfo, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The longest that a packet waits for others to be handed over with.
pub(crate) const LINGER: Nanos = 20_000_000;

/// Takes what the thread of an interface reads. When it is dropped, no more comes.
pub(crate) trait Sink {
    /// Takes a packet in. Where the next stage is behind, this waits; the kernel's ring fills meanwhile, and what has no room
    /// there is counted.
    fn packet(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]);

    /// Hands over what was taken in.
    fn send(&mut self);

    /// Tells what happened to the interface.
    fn tell(&mut self, time: Timestamp, kind: NoticeKind);

    /// The counts have changed.
    fn counted(&mut self, counts: &Counts);

    /// Whether nobody takes packets any more.
    fn is_closed(&self) -> bool;
}

/// Hands packets to the source, in chunks.
pub(crate) struct Outlet {
    pub counts: Arc<Counts>,
    chunks: Sender<Chunk>,
    /// Rung when there is a chunk.
    bell: Sender<()>,
    notices: Sender<Notice>,
    interface: u16,
    name: String,
    file: u32,
    /// Packets so far.
    frames: u64,
    chunk: Chunk,
    closed: bool,
}

impl Outlet {
    /// Of an interface, by number and name.
    pub fn new(
        (interface, name): (u16, &str),
        file: u32,
        chunks: Sender<Chunk>,
        bell: Sender<()>,
        notices: Sender<Notice>,
    ) -> Self {
        let (counts, name) = (Arc::default(), name.to_owned());
        Self { counts, chunks, bell, notices, interface, name, file, frames: 0, chunk: Chunk::default(), closed: false }
    }
}

impl Sink for Outlet {
    fn packet(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]) {
        let waited = self.chunk.first().map_or(0, |first| time.since(first));
        if self.chunk.is_full(data.len()) || !(0..LINGER).contains(&waited) {
            self.send();
        }
        self.frames += 1;
        let info = PacketInfo { number: 0, frame: FrameRef::new(self.file, self.frames), time };
        self.chunk.push(&Packet { info, link, interface: self.interface, wire_len, data });
    }

    fn send(&mut self) {
        if self.chunk.len() == 0 {
            return;
        }
        let chunk = std::mem::take(&mut self.chunk);
        let counts = &self.counts;
        counts.received.fetch_add(u64::try_from(chunk.len()).unwrap_or(0), Ordering::Relaxed);
        counts.bytes.fetch_add(u64::try_from(chunk.bytes()).unwrap_or(0), Ordering::Relaxed);
        self.chunk = Chunk::like(&chunk);
        self.closed |= self.chunks.send(chunk).is_err();
        // One ring that nobody has answered yet is enough.
        let _ = self.bell.try_send(());
    }

    fn tell(&mut self, time: Timestamp, kind: NoticeKind) {
        let notice = Notice { interface: self.interface, name: self.name.clone(), time, kind };
        // Nobody reads them: nobody misses them.
        let _ = self.notices.try_send(notice);
    }

    /// They are seen where they are.
    fn counted(&mut self, _: &Counts) {}

    fn is_closed(&self) -> bool {
        self.closed
    }
}
