//! Frames made by hand, a source in memory, and a tiny protocol.

#![allow(dead_code, clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use ot_capture::{CaptureError, LinkType, Packet, Progress, Source, Warning};
use ot_flow::{FlowConfig, Registry, Summary};
use ot_protocol::session::Finish;
use ot_protocol::{
    Activity, ActivityKey, Context, Direction, Endpoint, Fact, FieldDoc, FlowEvent, FlowKind, FrameRef, Function,
    Operation, Order, Outcome, PacketInfo, Probe, Progress as Consumed, Protocol, Session, SessionStart, Target,
    Timestamp, ValueView, Values,
};
use std::ops::ControlFlow;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// Frames with their times in nanoseconds.
#[derive(Clone, Default)]
pub struct Memory {
    pub frames: Vec<(i64, Vec<u8>, u32)>,
    at: usize,
}

impl Memory {
    pub fn push(&mut self, time: i64, frame: Vec<u8>) {
        let wire = frame.len() as u32;
        self.frames.push((time, frame, wire));
    }
}

impl Source for Memory {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Some((time, frame, wire)) = self.frames.get(self.at) else { return Ok(None) };
        self.at += 1;
        let number = self.at as u64;
        let info = PacketInfo { number, frame: FrameRef::new(0u16, number), time: Timestamp(*time) };
        Ok(Some(Packet { info, link: LinkType::Ethernet, interface: 0, wire_len: *wire, data: frame }))
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

/// One end of a connection.
#[derive(Clone, Copy)]
pub struct End {
    pub ip: [u8; 4],
    pub port: u16,
}

pub const CLIENT: End = End { ip: [10, 0, 0, 1], port: 50_000 };
pub const SERVER: End = End { ip: [10, 0, 0, 2], port: 7777 };

pub fn ethernet(src: [u8; 4], dst: [u8; 4], ethertype: u16, rest: &[u8]) -> Vec<u8> {
    let mac = |ip: [u8; 4]| [2, 0, ip[0], ip[1], ip[2], ip[3]];
    let mut frame = [mac(dst), mac(src)].concat();
    frame.extend(ethertype.to_be_bytes());
    frame.extend(rest);
    frame
}

pub fn ipv4(src: [u8; 4], dst: [u8; 4], protocol: u8, id: u16, body: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x45, 0];
    ip.extend((20 + body.len() as u16).to_be_bytes());
    ip.extend(id.to_be_bytes());
    ip.extend([0x40, 0, 64, protocol, 0, 0]);
    ip.extend(src);
    ip.extend(dst);
    ip.extend(body);
    ethernet(src, dst, 0x0800, &ip)
}

pub fn tcp(from: End, to: End, id: u16, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.port.to_be_bytes());
    segment.extend(to.port.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    ipv4(from.ip, to.ip, 6, id, &segment)
}

pub fn udp(from: End, to: End, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(from.port.to_be_bytes());
    datagram.extend(to.port.to_be_bytes());
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    ipv4(from.ip, to.ip, 17, id, &datagram)
}

pub fn arp(operation: u16, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4];
    body.extend(operation.to_be_bytes());
    body.extend([2, 0, sender[0], sender[1], sender[2], sender[3]]);
    body.extend(sender);
    body.extend([0; 6]);
    body.extend(target);
    ethernet(sender, target, 0x0806, &body)
}

/// A connection that writes its own segments.
pub struct Talk {
    pub memory: Memory,
    pub time: i64,
    pub step: i64,
    pub id: u16,
    /// Sequence numbers of client and server.
    pub seq: [u32; 2],
    pub ends: [End; 2],
}

impl Talk {
    pub fn new() -> Self {
        Self {
            memory: Memory::default(),
            time: 1_000_000_000_000,
            step: 20_000_000,
            id: 1,
            seq: [1000, 90_000],
            ends: [CLIENT, SERVER],
        }
    }

    /// A segment of side 0 (client) or 1 at a sequence number; nothing moves on but the time.
    pub fn raw(&mut self, side: usize, seq: u32, flags: u8, payload: &[u8]) -> &mut Self {
        let ack = self.seq[1 - side];
        self.raw_ack(side, seq, ack, flags, payload)
    }

    pub fn raw_ack(&mut self, side: usize, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> &mut Self {
        let frame = tcp(self.ends[side], self.ends[1 - side], self.id, seq, ack, flags, payload);
        self.memory.push(self.time, frame);
        self.time += self.step;
        self.id = self.id.wrapping_add(1);
        self
    }

    /// The last frame again, a moment later.
    pub fn again(&mut self) -> &mut Self {
        let (time, frame, wire) = self.memory.frames.last().unwrap().clone();
        self.memory.frames.push((time + 5_000, frame, wire));
        self
    }

    pub fn handshake(&mut self) -> &mut Self {
        let [c, s] = self.seq;
        self.raw_ack(0, c, 0, SYN, &[]);
        self.seq[0] = c.wrapping_add(1);
        self.raw(1, s, SYN | ACK, &[]);
        self.seq[1] = s.wrapping_add(1);
        self.raw(0, self.seq[0], ACK, &[])
    }

    pub fn data(&mut self, side: usize, payload: &[u8]) -> &mut Self {
        self.raw(side, self.seq[side], ACK, payload);
        self.lost(side, payload.len())
    }

    /// Bytes that the capture does not show.
    pub fn lost(&mut self, side: usize, bytes: usize) -> &mut Self {
        self.seq[side] = self.seq[side].wrapping_add(bytes as u32);
        self
    }

    pub fn ack(&mut self, side: usize) -> &mut Self {
        self.raw(side, self.seq[side], ACK, &[])
    }

    pub fn close(&mut self) -> &mut Self {
        for side in [0, 1] {
            self.raw(side, self.seq[side], FIN | ACK, &[]);
            self.seq[side] = self.seq[side].wrapping_add(1);
        }
        self.raw(0, self.seq[0], ACK, &[])
    }

    pub fn run(&self) -> (Vec<(Order, Fact)>, Summary) {
        run(&self.memory, &TOY, &config(0, 2048))
    }
}

pub fn config(workers: usize, batch_packets: usize) -> FlowConfig {
    FlowConfig { workers, batch_packets, ..FlowConfig::default() }
}

pub fn run(memory: &Memory, registry: Registry, config: &FlowConfig) -> (Vec<(Order, Fact)>, Summary) {
    let mut memory = memory.clone();
    let mut all = Vec::new();
    let summary = ot_flow::run(&mut memory, registry, config, &mut |facts, _| {
        all.extend(facts);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "orders rise");
    (all, summary)
}

pub fn flows(facts: &[(Order, Fact)]) -> Vec<FlowEvent> {
    facts
        .iter()
        .filter_map(|(_, fact)| if let Fact::Flow(event) = fact { Some((**event).clone()) } else { None })
        .collect()
}

pub fn kinds(facts: &[(Order, Fact)]) -> Vec<FlowKind> {
    flows(facts).into_iter().map(|event| event.kind).collect()
}

pub fn activities(facts: &[(Order, Fact)]) -> Vec<Activity> {
    facts
        .iter()
        .filter_map(|(_, fact)| if let Fact::Activity(activity) = fact { Some((**activity).clone()) } else { None })
        .collect()
}

/// What the toy protocol's bodies said, in order, with the sender.
pub fn said(facts: &[(Order, Fact)]) -> Vec<(Direction, String)> {
    activities(facts)
        .into_iter()
        .map(|activity| (activity.sender, activity.target.name.map(String::from).unwrap_or_default()))
        .collect()
}

/// A message of the toy protocol: 0xa5, kind, length, body. Kinds: 0 text (never folded), 1 read of words, 2 write of
/// words, 9 panics.
pub fn toy(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0xa5, kind, body.len() as u8], body].concat()
}

pub struct Toy;
pub static TOY: [&dyn Protocol; 1] = [&Toy];

struct ToySession {
    start: SessionStart,
    client: Option<Direction>,
}

impl Protocol for Toy {
    fn id(&self) -> &'static str {
        "toy"
    }
    fn name(&self) -> &'static str {
        "Toy"
    }
    fn ports(&self) -> &'static [u16] {
        &[7777]
    }
    fn probe(&self, bytes: [&[u8]; 2], _hint: bool, _datagram: bool) -> Probe {
        match bytes.iter().flat_map(|bytes| bytes.first()).all(|byte| *byte == 0xa5) {
            false => Probe::No,
            true if bytes.iter().any(|bytes| bytes.len() >= 2) => Probe::Yes { client: None },
            true => Probe::More,
        }
    }
    fn session(&self, start: SessionStart) -> Box<dyn Session> {
        Box::new(ToySession { start, client: start.client })
    }
    fn fields(&self) -> &'static [FieldDoc] {
        &[]
    }
    fn rules(&self) -> &'static [&'static str] {
        &[]
    }
}

impl ToySession {
    fn message(&mut self, context: &mut Context<'_>, direction: Direction, kind: u8, body: &[u8]) {
        assert_ne!(kind, 9, "this message breaks the session");
        context.sink.decoded(body.len() + 3);
        let info = context.packet;
        let operation = match kind {
            1 => Operation::Read,
            2 => Operation::Write,
            _ => Operation::Diagnose,
        };
        let key = (kind != 0).then_some(ActivityKey {
            sub: 0,
            function: u16::from(kind),
            subfunction: 0,
            outcome: 1,
            operation,
            space: 0,
            number: 0,
            start: 0,
            count: 0,
        });
        let view = if kind == 0 { ValueView::None } else { ValueView::Words(body) };
        if let Some(key) = key
            && context.sink.known(&key, info.time, [info.frame; 2], 5, view)
        {
            return;
        }
        let [a, b] = self.start.ends;
        let (from, to): (Endpoint, Endpoint) = if direction == Direction::AtoB { (a, b) } else { (b, a) };
        let values: Values = view.to_values();
        context.sink.activity(
            key,
            Activity {
                session: self.start.session,
                slot: None,
                time: info.time,
                frames: [info.frame; 2],
                sender: direction,
                client: from,
                server: to,
                protocol: "toy",
                operation,
                function: Function { code: u16::from(kind), sub: None, name: "toy" },
                target: Target { name: Some(String::from_utf8_lossy(body).into()), ..Target::default() },
                values,
                masks: None,
                outcome: Outcome::Ok,
                latency: None,
                violations: Vec::new(),
                sign_in: None,
                artifact: None,
            },
        );
    }
}

impl Session for ToySession {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Consumed {
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            match rest {
                [] => return Consumed { consumed, need: 0 },
                [0xa5, kind, length, body @ ..] => {
                    let length = usize::from(*length);
                    let Some(body) = body.get(..length) else { return Consumed { consumed, need: 3 + length } };
                    self.message(context, direction, *kind, body);
                    consumed += 3 + length;
                }
                [0xa5, ..] => return Consumed { consumed, need: 3 },
                _ => {
                    let skip = rest.iter().position(|byte| *byte == 0xa5).unwrap_or(rest.len());
                    context.sink.skipped(skip, "toy-resync");
                    consumed += skip;
                }
            }
        }
    }
    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        let Consumed { consumed, .. } = self.data(context, direction, bytes);
        if consumed < bytes.len() {
            context.sink.skipped(bytes.len() - consumed, "toy-rest");
        }
    }
    fn gap(&mut self, _: &mut Context<'_>, _: Direction, _: u64) {}
    fn tick(&mut self, _: &mut Context<'_>) {}
    fn wants_tick(&self) -> bool {
        false
    }
    fn finish(&mut self, _: &mut Context<'_>, _: Finish) {}
    fn client(&self) -> Option<Direction> {
        self.client
    }
}
