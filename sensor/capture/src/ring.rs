//! The newest packets of a source that cannot be read twice, kept in memory.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use ot_protocol::PacketInfo;
use ot_protocol::time::SECOND;

use crate::{CaptureError, LinkType, Packet, Packets, Progress, Source, Warning};

/// A chunk is closed, and can then be looked at, when it holds so many bytes or packets, or a second of packet time.
const CHUNK_BYTES: usize = 256 << 10;
const CHUNK_PACKETS: usize = 4096;

/// A packet in a chunk.
#[derive(Clone, Copy, Debug)]
struct Kept {
    info: PacketInfo,
    link: LinkType,
    interface: u16,
    wire_len: u32,
    at: usize,
    len: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    packets: Vec<Kept>,
}

impl Chunk {
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

    fn push(&self, chunk: Chunk) {
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
    pub fn oldest(&self) -> Option<ot_protocol::Timestamp> {
        self.chunks.iter().find_map(|chunk| chunk.packets.first()).map(|kept| kept.info.time)
    }
}

impl Packets for RingView {
    fn each(&mut self, visit: &mut dyn FnMut(&Packet<'_>) -> ControlFlow<()>) -> Result<(), CaptureError> {
        for chunk in &self.chunks {
            for kept in &chunk.packets {
                let packet = Packet {
                    info: kept.info,
                    link: kept.link,
                    interface: kept.interface,
                    wire_len: kept.wire_len,
                    data: chunk.bytes.get(kept.at..kept.at + kept.len).unwrap_or_default(),
                };
                if visit(&packet).is_break() {
                    return Ok(());
                }
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
        if !open.packets.is_empty() {
            // The next one will be about as large.
            let (bytes, packets) = (open.bytes.len(), open.packets.len());
            let next = Chunk { bytes: Vec::with_capacity(bytes), packets: Vec::with_capacity(packets) };
            let mut chunk = std::mem::replace(open, next);
            chunk.bytes.shrink_to_fit();
            chunk.packets.shrink_to_fit();
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
        let passed = open.packets.first().map_or(0, |first| packet.info.time.since(first.info.time));
        if open.bytes.len() + packet.data.len() > CHUNK_BYTES
            || open.packets.len() >= CHUNK_PACKETS
            || !(0..SECOND).contains(&passed)
        {
            Self::close(open, ring);
        }
        let (at, len) = (open.bytes.len(), packet.data.len());
        open.bytes.extend_from_slice(packet.data);
        let Packet { info, link, interface, wire_len, .. } = packet;
        open.packets.push(Kept { info, link, interface, wire_len, at, len });
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
