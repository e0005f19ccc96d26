//! The suite that every protocol must pass, whatever it decodes.
//!
//! A test gives a [`Protocol`] and a [`Script`] of segments that both sides sent. The suite plays it as the sensor does
//! (bytes that were not dealt with are shown again with more behind them) and holds:
//!
//! - cut at any byte, and cut at random, the same activities come out ([`cut_anywhere`]);
//! - with a segment lost, nothing panics and later messages are decoded ([`survives_loss`]);
//! - random and damaged bytes neither panic nor stop progress ([`survives_noise`]).
//!
//! ```ignore
//! let script = Script { client: Some(Direction::AtoB), ports: [40000, 502], segments: vec![…] };
//! conformance::all(&MODBUS, &script);
//! ```

use crate::activity::{Activity, ActivityKey, ValueView};
use crate::fact::{Identity, NameUse, SessionId};
use crate::message::Message;
use crate::net::{Direction, Endpoint, FrameRef, SubAddress};
use crate::session::{Context, Finish, PacketInfo, Protocol, Session, SessionStart, Sink};
use crate::time::{Nanos, SECOND, Timestamp};

/// Most bytes that a session may ask to be kept. A protocol's longest message is well below.
pub const MOST_KEPT: usize = 1 << 16;

/// What both sides sent, in order.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Direction of the client's messages, where it is told at the start.
    pub client: Option<Direction>,
    /// Ports of A and B.
    pub ports: [u16; 2],
    /// Segments.
    pub segments: Vec<(Direction, Vec<u8>)>,
}

/// Keeps all that a session tells.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Activities, also those the session asked for with [`Sink::known`] (which this sink never knows).
    pub activities: Vec<Activity>,
    /// Keys given with activities.
    pub keys: Vec<Option<ActivityKey>>,
    /// Messages.
    pub messages: Vec<Message>,
    /// Identities.
    pub identities: Vec<Identity>,
    /// What was told of other devices.
    pub hearsay: Vec<Identity>,
    /// Names asked for and used.
    pub names: Vec<NameUse>,
    /// Bytes decoded.
    pub decoded: usize,
    /// Bytes passed over.
    pub skipped: usize,
    /// Evictions.
    pub evicted: usize,
    /// Lengths told as too long.
    pub too_long: Vec<u64>,
}

impl Sink for Recorder {
    fn wants_messages(&self) -> bool {
        true
    }

    fn message(&mut self, message: Message) {
        self.messages.push(message);
    }

    fn known(
        &mut self,
        _key: &ActivityKey,
        _time: Timestamp,
        _frames: [FrameRef; 2],
        _latency: Nanos,
        _values: ValueView<'_>,
    ) -> bool {
        false
    }

    fn activity(&mut self, key: Option<ActivityKey>, activity: Activity) {
        self.keys.push(key);
        self.activities.push(activity);
    }

    fn identity(&mut self, identity: Identity) {
        self.identities.push(identity);
    }

    fn hearsay(&mut self, identity: Identity) {
        self.hearsay.push(identity);
    }

    fn name(&mut self, name: NameUse) {
        self.names.push(name);
    }

    fn decoded(&mut self, bytes: usize) {
        self.decoded += bytes;
    }

    fn skipped(&mut self, bytes: usize, _why: &'static str) {
        self.skipped += bytes;
    }

    fn evicted(&mut self, _counter: &'static str) {
        self.evicted += 1;
    }

    fn too_long(&mut self, bytes: u64) {
        self.too_long.push(bytes);
    }
}

/// Knows every activity, as the sensor does once a poll repeats, and keeps counts alone: for tests of allocations and cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Knowing {
    /// Activities asked for.
    pub known: usize,
    /// Values they had.
    pub values: usize,
    /// Identities told.
    pub identities: usize,
}

impl Sink for Knowing {
    fn wants_messages(&self) -> bool {
        false
    }

    fn message(&mut self, _: Message) {}

    fn known(&mut self, _: &ActivityKey, _: Timestamp, _: [FrameRef; 2], _: Nanos, values: ValueView<'_>) -> bool {
        self.known += 1;
        self.values += match values {
            ValueView::None => 0,
            ValueView::Bits(_, count) => count,
            ValueView::Words(bytes) => bytes.len() / 2,
            ValueView::Numbers(numbers) => numbers.len(),
        };
        true
    }

    /// # Panics
    /// Always: what is known is not told.
    fn activity(&mut self, _: Option<ActivityKey>, _: Activity) {
        panic!("all is known");
    }

    fn identity(&mut self, _: Identity) {
        self.identities += 1;
    }

    fn hearsay(&mut self, _: Identity) {}

    fn name(&mut self, _: NameUse) {}

    fn decoded(&mut self, _: usize) {}

    fn skipped(&mut self, _: usize, _: &'static str) {}

    fn evicted(&mut self, _: &'static str) {}

    fn too_long(&mut self, _: u64) {}
}

/// Plays segments to a session as the sensor does.
pub struct Player {
    session: Box<dyn Session>,
    kept: [Vec<u8>; 2],
    packet: PacketInfo,
    seen: [bool; 2],
    /// What the session told.
    pub recorder: Recorder,
}

impl Player {
    /// Begins a session. Ends are 192.0.2.1 (A) and 192.0.2.2 (B).
    pub fn new(protocol: &dyn Protocol, script: &Script, datagram: bool) -> Self {
        let end = |last: u8, port: u16| Endpoint {
            ip: Some(std::net::IpAddr::from([192, 0, 2, last])),
            port,
            sub: SubAddress::None,
            ..Endpoint::default()
        };
        let [a, b] = script.ports;
        let start =
            SessionStart { session: SessionId(1), ends: [end(1, a), end(2, b)], client: script.client, datagram };
        Self {
            session: protocol.session(start),
            kept: [Vec::new(), Vec::new()],
            packet: PacketInfo { number: 0, frame: FrameRef::new(0_u16, 0), time: Timestamp::new(1_700_000_000, 0) },
            seen: [false; 2],
            recorder: Recorder::default(),
        }
    }

    /// Lets packet time pass.
    pub fn advance(&mut self, span: Nanos) {
        self.packet.time = self.packet.time.plus(span);
    }

    fn arrive(&mut self, direction: Direction) {
        self.packet.number += 1;
        self.packet.frame = FrameRef::new(0_u16, self.packet.number);
        self.advance(1_000_000);
        self.seen[direction.index()] = true;
    }

    /// A segment arrives.
    ///
    /// # Panics
    /// Where the session does not keep to the contract.
    pub fn segment(&mut self, direction: Direction, bytes: &[u8]) {
        self.arrive(direction);
        self.kept[direction.index()].extend_from_slice(bytes);
        self.show(direction);
    }

    fn show(&mut self, direction: Direction) {
        let bytes = std::mem::take(&mut self.kept[direction.index()]);
        let mut context = Context { packet: self.packet, seen: self.seen, sink: &mut self.recorder };
        let progress = self.session.data(&mut context, direction, &bytes);
        assert!(progress.consumed <= bytes.len(), "more consumed than shown");
        let rest = bytes.get(progress.consumed..).unwrap_or_default();
        if rest.is_empty() {
            assert_eq!(progress.need, 0, "nothing is left, so nothing is needed");
        } else {
            assert!(progress.need > rest.len(), "needs {} bytes, has {}", progress.need, rest.len());
            assert!(progress.need <= MOST_KEPT, "wants {} bytes kept", progress.need);
        }
        self.kept[direction.index()] = rest.to_vec();
    }

    /// A datagram arrives.
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8]) {
        self.arrive(direction);
        let mut context = Context { packet: self.packet, seen: self.seen, sink: &mut self.recorder };
        self.session.datagram(&mut context, direction, bytes);
    }

    /// A segment is lost.
    pub fn lose(&mut self, direction: Direction, bytes: usize) {
        self.arrive(direction);
        self.kept[direction.index()].clear();
        let mut context = Context { packet: self.packet, seen: self.seen, sink: &mut self.recorder };
        self.session.gap(&mut context, direction, u64::try_from(bytes).unwrap_or(0));
    }

    /// A second ends.
    pub fn tick(&mut self) {
        let mut context = Context { packet: self.packet, seen: self.seen, sink: &mut self.recorder };
        self.session.tick(&mut context);
    }

    /// Whether the session wants ticks.
    pub fn wants_tick(&self) -> bool {
        self.session.wants_tick()
    }

    /// The client as the session knows it.
    pub fn client(&self) -> Option<Direction> {
        self.session.client()
    }

    /// Ends the session.
    pub fn finish(&mut self, why: Finish) {
        let mut context = Context { packet: self.packet, seen: self.seen, sink: &mut self.recorder };
        self.session.finish(&mut context, why);
    }

    /// What was told, without times, frames and latencies: those may differ with the cut.
    pub fn activities(&self) -> Vec<Activity> {
        let plain = |activity: &Activity| Activity {
            time: Timestamp::default(),
            frames: [FrameRef::default(); 2],
            latency: None,
            ..activity.clone()
        };
        self.recorder.activities.iter().map(plain).collect()
    }
}

/// Numbers that only look random: the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n` (0 where `n` is 0).
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % n).unwrap_or(0)
    }

    /// Some bytes, with many zeros and small numbers, as headers have.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n)
            .map(|_| {
                let [low, kind, ..] = self.number().to_le_bytes();
                match kind % 4 {
                    0 => 0,
                    1 => low % 16,
                    _ => low,
                }
            })
            .collect()
    }
}

/// Plays a script segment by segment and ends the session.
pub fn play(protocol: &dyn Protocol, script: &Script) -> Player {
    let mut player = Player::new(protocol, script, false);
    for (direction, bytes) in &script.segments {
        player.segment(*direction, bytes);
    }
    player.finish(Finish::EndOfInput);
    player
}

/// Runs the whole suite.
///
/// # Panics
/// Where the protocol does not pass.
pub fn all(protocol: &dyn Protocol, script: &Script) {
    cut_anywhere(protocol, script);
    survives_loss(protocol, script);
    survives_noise(protocol, script, 200);
}

/// Each segment cut in two at each byte, and all cut at random: the same activities.
///
/// # Panics
/// Where they differ.
pub fn cut_anywhere(protocol: &dyn Protocol, script: &Script) {
    let wanted = play(protocol, script).activities();
    for (index, (_, bytes)) in script.segments.iter().enumerate() {
        for cut in 1..bytes.len() {
            let mut segments = script.segments.clone();
            let (direction, bytes) = segments.remove(index);
            let (front, back) = bytes.split_at(cut);
            segments.insert(index, (direction, back.to_vec()));
            segments.insert(index, (direction, front.to_vec()));
            let cut_script = Script { segments, ..script.clone() };
            assert_eq!(play(protocol, &cut_script).activities(), wanted, "segment {index} cut at byte {cut}");
        }
    }
    for seed in 0..50 {
        let rechunked = rechunk(script, &mut Random::new(seed));
        assert_eq!(play(protocol, &rechunked).activities(), wanted, "cut at random, seed {seed}");
    }
}

/// The same bytes in other segments. Bytes of the two directions keep their order.
pub fn rechunk(script: &Script, random: &mut Random) -> Script {
    let mut runs: Vec<(Direction, Vec<u8>)> = Vec::new();
    for (direction, bytes) in &script.segments {
        match runs.last_mut() {
            Some((last, run)) if last == direction => run.extend_from_slice(bytes),
            _ => runs.push((*direction, bytes.clone())),
        }
    }
    let mut segments = Vec::new();
    for (direction, run) in runs {
        let mut rest = run.as_slice();
        while !rest.is_empty() {
            let (front, back) = rest.split_at(1 + random.below(rest.len().min(40)));
            segments.push((direction, front.to_vec()));
            rest = back;
        }
    }
    Script { segments, ..script.clone() }
}

/// Each segment lost in turn: no panic, and the script played again behind it is decoded.
///
/// # Panics
/// Where fewer messages are decoded afterwards than without the loss, by more than the lost and the two next segments
/// can explain.
pub fn survives_loss(protocol: &dyn Protocol, script: &Script) {
    let all = play(protocol, script).recorder.messages.len();
    for lost in 0..script.segments.len() {
        let mut player = Player::new(protocol, script, false);
        for (index, (direction, bytes)) in script.segments.iter().enumerate() {
            if index == lost {
                player.lose(*direction, bytes.len());
            } else {
                player.segment(*direction, bytes);
            }
        }
        let before = player.recorder.messages.len();
        for (direction, bytes) in &script.segments {
            player.segment(*direction, bytes);
        }
        player.finish(Finish::EndOfInput);
        let after = player.recorder.messages.len();
        assert!(
            after - before.min(after) + 4 >= all,
            "{} of {all} messages after loss of segment {lost}",
            after - before
        );
    }
}

/// Random bytes, and the script with bytes changed, inserted and taken out: no panic, progress, bounded memory.
///
/// # Panics
/// Where the session does not keep to the contract.
pub fn survives_noise(protocol: &dyn Protocol, script: &Script, rounds: u64) {
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let datagram = seed % 5 == 4;
        let mut player = Player::new(protocol, script, datagram);
        for (direction, bytes) in script.segments.iter().cycle().take(script.segments.len() * 2) {
            let mut bytes = if random.below(4) == 0 {
                let length = random.below(300);
                random.bytes(length)
            } else {
                bytes.clone()
            };
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => bytes.extend(random.bytes(3)),
                }
            }
            match random.below(10) {
                0 => player.lose(*direction, bytes.len()),
                1 => {
                    player.advance(SECOND);
                    player.tick();
                }
                _ if datagram => player.datagram(*direction, &bytes),
                _ => player.segment(*direction, &bytes),
            }
        }
        player.advance(120 * SECOND);
        player.tick();
        assert!(!player.wants_tick(), "nothing stays open for ever, seed {seed}");
        player.finish(Finish::Closed);
        // The probe is shown such bytes as well.
        for hint in [false, true] {
            let (a, b) = (random.below(200), random.below(200));
            let (a, b) = (random.bytes(a), random.bytes(b));
            let _ = protocol.probe([&a, &b], hint, datagram);
        }
    }
}
