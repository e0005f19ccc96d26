//! The newest packets of a source that cannot be read twice, kept in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use ot_protocol::time::SECOND;
use ot_protocol::{PacketInfo, Timestamp};

use crate::{CaptureError, LinkType, Packet, Packets, Progress, Source, Warning};

/// A chunk is closed, and can then be looked at, when it holds so many bytes or packets, or a second of packet time.
const CHUNK_BYTES: usize = 256 << 10;
const CHUNK_PACKETS: usize = 4096;

/// A packet in a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub info: PacketInfo,
    pub link: LinkType,
    pub interface: u16,
    pub wire_len: u32,
    at: usize,
    len: usize,
}

/// Packets in a row.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    packets: Vec<Kept>,
}

impl Chunk {
    /// An empty one with room for what one of this size holds.
    pub fn like(other: &Self) -> Self {
        Self { bytes: Vec::with_capacity(other.bytes.len()), packets: Vec::with_capacity(other.packets.len()) }
    }

    /// Whether a packet of this length has no place in it any more.
    pub fn is_full(&self, more: usize) -> bool {
        !self.packets.is_empty() && (self.bytes.len() + more > CHUNK_BYTES || self.packets.len() >= CHUNK_PACKETS)
    }

    /// Takes a packet in.
    pub fn push(&mut self, packet: &Packet<'_>) {
        let (at, len) = (self.bytes.len(), packet.data.len());
        self.bytes.extend_from_slice(packet.data);
        let Packet { info, link, interface, wire_len, .. } = *packet;
        self.packets.push(Kept { info, link, interface, wire_len, at, len });
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Time of the first packet.
    pub fn first(&self) -> Option<Timestamp> {
        self.packets.first().map(|kept| kept.info.time)
    }

    /// Time of a packet.
    pub fn time(&self, at: usize) -> Option<Timestamp> {
        self.packets.get(at).map(|kept| kept.info.time)
    }

    /// Gives a packet its number among all packets of a run.
    pub fn number(&mut self, at: usize, number: u64) {
        if let Some(kept) = self.packets.get_mut(at) {
            kept.info.number = number;
        }
    }

    /// A packet.
    pub fn packet(&self, at: usize) -> Option<Packet<'_>> {
        let Kept { info, link, interface, wire_len, at, len } = *self.packets.get(at)?;
        let data = self.bytes.get(at..at + len).unwrap_or_default();
        Some(Packet { info, link, interface, wire_len, data })
    }

    /// Bytes of packets.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Gives room back that it does not need.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.packets.shrink_to_fit();
    }

    fn size(&self) -> usize {
        self.bytes.capacity() + self.packets.capacity() * size_of::<Kept>()
    }
}

#[derive(Debug, Default)]
struct Chunks {
    closed: VecDeque<Arc<Chunk>>,
    bytes: usize,
    /// Packets that had to go for newer ones.
    gone: u64,
}

/// The packets that a [`Recorder`] keeps. A clone shows the same packets.
#[derive(Clone, Debug)]
pub struct Ring {
    chunks: Arc<Mutex<Chunks>>,
    most: usize,
}

impl Ring {
    /// Keeps at most so many bytes, packets and their records together.
    pub fn new(most: usize) -> Self {
        Self { chunks: Arc::default(), most }
    }

    /// What is kept now, oldest first.
    pub fn now(&self) -> RingView {
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        RingView { chunks: chunks.closed.iter().cloned().collect(), gone: chunks.gone }
    }

    pub(crate) fn push(&self, chunk: Chunk) {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.bytes += chunk.size();
        chunks.closed.push_back(Arc::new(chunk));
        while chunks.bytes > self.most && chunks.closed.len() > 1 {
            let Some(oldest) = chunks.closed.pop_front() else { break };
            chunks.bytes -= oldest.size();
            chunks.gone += u64::try_from(oldest.packets.len()).unwrap_or(0);
        }
    }
}

/// Packets of a [`Ring`] at one moment.
#[derive(Clone, Debug)]
pub struct RingView {
    chunks: Vec<Arc<Chunk>>,
    gone: u64,
}

impl RingView {
    /// Packets that were there and had to go for newer ones: 0 while all of the source is still in view.
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// Time of the oldest packet.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.chunks.iter().find_map(|chunk| chunk.packets.first()).map(|kept| kept.info.time)
    }
}

impl Packets for RingView {
    /// Chunks of several interfaces overlap: packets come in the order of their numbers.
    fn each(&mut self, visit: &mut dyn FnMut(&Packet<'_>) -> ControlFlow<()>) -> Result<(), CaptureError> {
        let number = |chunk: &Chunk, at: usize| chunk.packets.get(at).map_or(u64::MAX, |kept| kept.info.number);
        let mut turns: BinaryHeap<_> =
            (0..).zip(&self.chunks).map(|(index, chunk)| Reverse((number(chunk, 0), index, 0))).collect();
        while let Some(Reverse((_, index, mut at))) = turns.pop() {
            let Some(chunk) = self.chunks.get::<usize>(index) else { continue };
            let limit = turns.peek().map_or(u64::MAX, |Reverse((number, ..))| *number);
            while let Some(packet) = chunk.packet(at) {
                if packet.info.number > limit {
                    turns.push(Reverse((packet.info.number, index, at)));
                    break;
                }
                if visit(&packet).is_break() {
                    return Ok(());
                }
                at += 1;
            }
        }
        Ok(())
    }
}

/// A source whose packets are copied into a [`Ring`] on their way. The lock is taken once a chunk, not once a packet.
pub struct Recorder<'a> {
    source: &'a mut dyn Source,
    ring: Ring,
    open: Chunk,
}

impl<'a> Recorder<'a> {
    /// Records a source.
    pub fn new(source: &'a mut dyn Source, ring: Ring) -> Self {
        Self { source, ring, open: Chunk::default() }
    }

    #[cold]
    fn close(open: &mut Chunk, ring: &Ring) {
        if open.len() > 0 {
            // The next one will be about as large.
            let next = Chunk::like(open);
            let mut chunk = std::mem::replace(open, next);
            chunk.shrink();
            ring.push(chunk);
        }
    }
}

impl Source for Recorder<'_> {
    #[inline]
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Self { source, ring, open } = self;
        let found = source.next();
        let Ok(Some(packet)) = found else {
            Self::close(open, ring);
            return found;
        };
        let passed = open.first().map_or(0, |first| packet.info.time.since(first));
        if open.is_full(packet.data.len()) || !(0..SECOND).contains(&passed) {
            Self::close(open, ring);
        }
        open.push(&packet);
        Ok(Some(packet))
    }

    fn progress(&self) -> Progress {
        self.source.progress()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        self.source.warnings()
    }

    fn losses(&mut self) -> Vec<(u16, u64)> {
        self.source.losses()
    }

    fn interface_name(&self, interface: u16) -> Option<&str> {
        self.source.interface_name(interface)
    }
}
