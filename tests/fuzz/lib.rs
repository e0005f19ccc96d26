//! Parts of the fuzz targets: packets from bytes and back, a sink that only counts, the play of a session.

pub mod session;

use ot_capture::{CaptureError, LinkType, Packet, Progress, Source, Warning};
use ot_flow::FlowConfig;
use ot_protocol::{
    Activity, ActivityKey, Endpoint, FieldValue, FrameRef, Identity, Message, NameUse, Nanos, Operation, PacketInfo, Sink,
    Timestamp, ValueView,
};

pub use ot_sensor::protocols::PROTOCOLS;

/// Link types by number, as the lowest three bits of the first byte of an input choose them.
const LINKS: [u16; 8] = [1, 113, 276, 101, 228, 229, 0, 147];
/// Most bytes of a frame in an input.
const LONGEST_FRAME: usize = 0x07ff;
/// Bit of the first byte: tables and buffers so small that an input of some frames fills them.
pub const SMALL: u8 = 0x08;
/// Bit of the first byte: the other way through the code, where a target has two.
pub const OTHER_WAY: u8 = 0x10;
/// Bit of the first byte: a second choice of a target.
pub const CHOICE: u8 = 0x20;

/// Packets cut from a buffer: two bytes of length, one of time step, then the frame.
pub struct Frames<'a> {
    rest: &'a [u8],
    link: LinkType,
    number: u64,
    time: Timestamp,
}

impl<'a> Frames<'a> {
    /// The first byte chooses the link type; its other bits are returned.
    pub fn new(bytes: &'a [u8]) -> (Self, u8) {
        let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
        let link = LinkType::from_number(LINKS[usize::from(first % 8)]);
        (Self { rest, link, number: 0, time: Timestamp::new(1_700_000_000, 0) }, first & !7)
    }
}

impl Source for Frames<'_> {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<3>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]])) & LONGEST_FRAME;
        let (data, rest) = rest.split_at(length.min(rest.len()));
        self.rest = rest;
        self.number += 1;
        // Steps up to a minute forwards, and sometimes hours backwards.
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

/// The first byte of an input of [`Frames`] with this link type.
pub fn link_byte(link: LinkType) -> u8 {
    let found = (0..).zip(LINKS).find(|(_, number)| LinkType::from_number(*number) == link);
    found.map_or(7, |(index, _)| index)
}

/// Appends a frame that [`Frames`] reads back; `step` is the time since the frame before.
pub fn push_frame(input: &mut Vec<u8>, step: Nanos, data: &[u8]) {
    let data = &data[..data.len().min(LONGEST_FRAME)];
    let millis = u64::try_from(step / 1_000_000).unwrap_or(0);
    input.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    input.push(u8::try_from(millis.isqrt()).unwrap_or(250).min(250));
    input.extend_from_slice(data);
}

/// How the targets run the flow: on their own thread, with the product's limits or with small ones.
pub fn flow_config(bits: u8) -> FlowConfig {
    let config = FlowConfig { workers: 0, batch_packets: 16, ..FlowConfig::default() };
    if bits & SMALL == 0 {
        return config;
    }
    let mut small = FlowConfig {
        batch_packets: 3,
        max_flows: 64,
        lane_buffer_bytes: 1024,
        lane_fold_bytes: 2048,
        session_slots: 2,
        compare_bytes: 64,
        held_segments: 2,
        held_bytes: 256,
        carry_bytes: 512,
        ..config
    };
    small.link.max_datagrams = 2;
    small.link.max_fragment_bytes = 512;
    small
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
    fn hearsay(&mut self, _: Identity) {}
    fn name(&mut self, _: NameUse) {}
    fn decoded(&mut self, bytes: usize) {
        self.bytes += bytes;
    }
    fn skipped(&mut self, bytes: usize, _: &'static str) {
        self.bytes += bytes;
    }
    fn evicted(&mut self, _: &'static str) {}
    fn too_long(&mut self, _: u64) {}
}

/// Messages of three protocols, against which conditions are held.
pub fn messages() -> Vec<Message> {
    let end = |last: u8, port| Endpoint { ip: Some([10, 0, 0, last].into()), port, ..Endpoint::default() };
    let message = |protocol, fields| Message {
        frame: FrameRef::new(0_u16, 1),
        time: Timestamp::new(1_772_366_400, 0),
        protocol,
        source: end(5, 40_000),
        destination: end(10, 502),
        operation: Some(Operation::Write),
        outcome: None,
        latency: Some(1_000),
        request: None,
        fields,
        violations: Vec::new(),
    };
    let modbus = vec![
        ("modbus.func_code", FieldValue::Unsigned(16)),
        ("modbus.write.address", FieldValue::Unsigned(100)),
        ("modbus.write.value", FieldValue::Unsigned(4711)),
        ("modbus.regval_int16", FieldValue::Signed(-1)),
        ("modbus.bitval", FieldValue::Bool(true)),
        ("modbus.data", FieldValue::Bytes(vec![1, 2, 3])),
        ("modbus.object_str_value", FieldValue::Text("CPU 315-2 ÄÖ".to_owned())),
    ];
    let dnp3 = vec![
        ("dnp3.al.ana.float", FieldValue::Float(f64::NAN)),
        ("dnp3.al.timestamp", FieldValue::Time(Timestamp::new(i64::MAX / 2_000_000_000, 0))),
    ];
    vec![message("modbus", modbus), message("dnp3", dnp3), message("s7comm", Vec::new())]
}
