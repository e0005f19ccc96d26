//! Parts of the fuzz targets: packets from bytes, a sink that only counts.

use ot_capture::{CaptureError, LinkType, Packet, Progress, Source, Warning};
use ot_protocol::{
    Activity, ActivityKey, FrameRef, Identity, Message, Nanos, PacketInfo, Protocol, Sink, Timestamp, ValueView,
};

/// The registry of the product.
pub static PROTOCOLS: &[&dyn Protocol] = &[&ot_modbus::MODBUS];

/// Packets cut from a buffer: two bytes of length, one of time step, then the frame.
pub struct Frames<'a> {
    rest: &'a [u8],
    link: LinkType,
    number: u64,
    time: Timestamp,
}

impl<'a> Frames<'a> {
    /// The first byte chooses the link type.
    pub fn new(bytes: &'a [u8]) -> Self {
        let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
        let types = [1_u16, 113, 276, 101, 228, 229, 0, 147];
        let link = LinkType::from_number(types[usize::from(first % 8)]);
        Self { rest, link, number: 0, time: Timestamp::new(1_700_000_000, 0) }
    }
}

impl Source for Frames<'_> {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<3>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]) & 0x07ff).min(rest.len());
        let (data, rest) = rest.split_at(length);
        self.rest = rest;
        self.number += 1;
        // Steps up to minutes forwards, and sometimes backwards.
        let step = i64::from(head[2]);
        self.time = self.time.plus(if step > 250 { -step * 40_000_000_000 } else { step * step * 1_000_000 });
        Ok(Some(Packet {
            info: PacketInfo { number: self.number, frame: FrameRef::new(0_u32, self.number), time: self.time },
            link: self.link,
            interface: 0,
            wire_len: u32::from(head[0]) << 8 | u32::from(head[1]),
            data,
        }))
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Takes everything, keeps nothing.
#[derive(Default)]
pub struct Counts {
    /// Bytes told as decoded or skipped.
    pub bytes: usize,
}

impl Sink for Counts {
    fn wants_messages(&self) -> bool {
        true
    }
    fn message(&mut self, _: Message) {}
    fn known(&mut self, _: &ActivityKey, _: Timestamp, _: [FrameRef; 2], _: Nanos, _: ValueView<'_>) -> bool {
        false
    }
    fn activity(&mut self, _: Option<ActivityKey>, _: Activity) {}
    fn identity(&mut self, _: Identity) {}
    fn decoded(&mut self, bytes: usize) {
        self.bytes += bytes;
    }
    fn skipped(&mut self, bytes: usize, _: &'static str) {
        self.bytes += bytes;
    }
    fn evicted(&mut self, _: &'static str) {}
    fn too_long(&mut self, _: u64) {}
}
