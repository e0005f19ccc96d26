//! Reader, workers, and the merge of what they find.
//!
//! With workers, one thread reads and decodes frames into batches, each worker follows its lanes, and the caller's thread
//! merges and consumes. Channels are bounded and batches go round, so memory does not depend on the input. Without
//! workers all of it happens on the caller's thread and payload is not copied.

use crate::LANES;
use crate::config::FlowConfig;
use crate::head::Head;
use crate::identify::Registry;
use crate::interfaces::Interfaces;
use crate::lane::{Lane, Marker};
use crate::session::registry_is_usable;
use crate::stats::FlowStats;
use crossbeam_channel::{Receiver, Sender, bounded};
use ot_capture::{CaptureError, Packet, Source, Warning};
use ot_link::{Decoded, Decoder, LinkStats};
use ot_protocol::time::SECOND;
use ot_protocol::{Fact, Message, Order, PacketInfo, Timestamp};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

/// Longest step of packet time, in seconds, that is no jump.
const JUMP_SECONDS: i64 = 3600;
/// Batches on their way between two threads.
const IN_FLIGHT: usize = 4;

/// Why a run ended early.
#[derive(Debug)]
pub enum FlowError {
    /// The input can no longer be read.
    Capture(CaptureError),
    /// More protocols than a probe can keep apart.
    Registry,
    /// A worker thread failed: an error in this program.
    Worker,
}

impl std::fmt::Display for FlowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capture(error) => write!(f, "{error}"),
            Self::Registry => write!(f, "more than 64 protocols are registered"),
            Self::Worker => write!(f, "a worker thread failed: please report this"),
        }
    }
}

impl std::error::Error for FlowError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Capture(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CaptureError> for FlowError {
    fn from(error: CaptureError) -> Self {
        Self::Capture(error)
    }
}

/// Facts of a chunk. Iteration gives them in order; until then they stay where they were told.
#[derive(Default)]
pub struct Facts {
    parts: Vec<Vec<(Order, Fact)>>,
    /// Order and place of each fact.
    index: Vec<(Order, Place)>,
}

/// Where a fact is. The lane comes first, so that facts of one order stand in the order of lanes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    lane: u8,
    part: u8,
    at: u32,
}

impl Facts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Takes what one lane told, as it stands in memory.
    fn take(&mut self, lane: u8, told: &mut Vec<(Order, Fact)>) {
        if told.is_empty() {
            return;
        }
        let part = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        self.index.extend((0..).zip(told.iter()).map(|(at, (order, _))| (*order, Place { lane, part, at })));
        // The next batch will tell about as much.
        let room = Vec::with_capacity(told.len());
        self.parts.push(std::mem::replace(told, room));
    }

    /// Takes all that another chunk holds.
    fn merge(&mut self, other: Self) {
        let base = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        self.index.extend(
            other.index.into_iter().map(|(order, at)| (order, Place { part: at.part.saturating_add(base), ..at })),
        );
        self.parts.extend(other.parts);
    }

    /// Puts them in order. What is in order in long runs is cheap.
    fn sort(&mut self) {
        self.index.sort();
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} facts", self.len())
    }
}

impl IntoIterator for Facts {
    type Item = (Order, Fact);
    type IntoIter = IntoFacts;

    fn into_iter(self) -> IntoFacts {
        IntoFacts { parts: self.parts, index: self.index.into_iter() }
    }
}

/// Facts of a chunk, one by one in order.
pub struct IntoFacts {
    parts: Vec<Vec<(Order, Fact)>>,
    index: std::vec::IntoIter<(Order, Place)>,
}

impl IntoFacts {
    /// The fact that comes after `ahead` others, where there is one.
    pub fn peek(&self, ahead: usize) -> Option<&Fact> {
        let (_, place) = self.index.as_slice().get(ahead)?;
        let (_, fact) = self.parts.get(usize::from(place.part))?.get(place.at as usize)?;
        Some(fact)
    }
}

impl Iterator for IntoFacts {
    type Item = (Order, Fact);

    fn next(&mut self) -> Option<(Order, Fact)> {
        let (order, place) = self.index.next()?;
        let (_, fact) = self.parts.get_mut(usize::from(place.part))?.get_mut(place.at as usize)?;
        Some((order, std::mem::replace(fact, Fact::EpochEnd(Timestamp::default()))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.index.size_hint()
    }
}

/// Takes facts, and how far the run is; can stop it.
pub type Consumer<'a> = dyn FnMut(Facts, &Progress) -> ControlFlow<()> + 'a;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Packets read.
    pub packets: u64,
    /// Bytes of the inputs read, as stored.
    pub read: u64,
    /// Bytes of the inputs in all, where known.
    pub total: Option<u64>,
    /// Newest packet time.
    pub time: Timestamp,
}

/// What a run has seen.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How far it came.
    pub progress: Progress,
    /// Time of the earliest-numbered packet.
    pub first: Option<Timestamp>,
    /// Newest packet time; `None` without packets.
    pub last: Option<Timestamp>,
    /// Counters of the link stage.
    pub link: LinkStats,
    /// Counters of the flow stage.
    pub flow: FlowStats,
    /// What was noticed about the inputs.
    pub warnings: Vec<Warning>,
    /// Whether the consumer stopped the run before the end of the input.
    pub stopped: bool,
}

/// Packet time and its seconds.
#[derive(Default)]
pub(crate) struct Clock {
    started: bool,
    newest: Timestamp,
    jumps: u64,
}

impl Clock {
    /// Moves to the time of a packet; the marker that goes before it, where a second ends.
    pub fn advance(&mut self, packet: u64, time: Timestamp) -> Option<Marker> {
        if !self.started {
            self.started = true;
            self.newest = time;
            return None;
        }
        let newest = self.newest;
        let step = time.since(newest);
        if step <= -SECOND || step > JUMP_SECONDS * SECOND {
            self.newest = time;
            self.jumps += 1;
            let end = Timestamp(newest.epoch().saturating_add(1).saturating_mul(SECOND));
            return Some(Marker { packet, time: end, seconds: 1, jump: Some((newest, time)) });
        }
        if step <= 0 {
            return None;
        }
        self.newest = time;
        let seconds = time.epoch() - newest.epoch();
        if seconds <= 0 {
            return None;
        }
        Some(Marker {
            packet,
            time: Timestamp(time.epoch().saturating_mul(SECOND)),
            seconds: u32::try_from(seconds).unwrap_or(1),
            jump: None,
        })
    }

    /// Newest packet time.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// How often packet time jumped.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// The markers after the last packet: one that ends the second, and one for each lane's conversations.
    fn end(&self, packets: u64) -> (Marker, impl Iterator<Item = Marker> + use<>) {
        let marker = Marker { packet: packets + 1, time: self.newest, seconds: 0, jump: None };
        (
            marker,
            (0..LANES)
                .map(move |lane| Marker { packet: packets.saturating_add(2).saturating_add(lane as u64), ..marker }),
        )
    }
}

/// Facts of the end of an epoch that no lane tells.
pub(crate) fn marker_facts(marker: &Marker, facts: &mut Vec<(Order, Fact)>) {
    let last = (1 << 63) - 1;
    facts.push((Order { packet: marker.packet, place: last - 1 }, Fact::EpochEnd(marker.time)));
    if let Some((from, to)) = marker.jump {
        facts.push((Order { packet: marker.packet, place: last }, Fact::TimeJump { from, to }));
    }
}

/// What no lane tells at a step after the last packet: the end, once, after all else.
pub(crate) fn marker_end(marker: &Marker, lane: Option<usize>, facts: &mut Vec<(Order, Fact)>) {
    if lane == Some(LANES - 1) {
        marker_facts(marker, facts);
    }
}

/// Reads the next packet and hands over what its lanes are to see: first the marker, then heads with payload.
/// `None` at the end.
fn read(
    source: &mut dyn Source,
    decoder: &mut Decoder,
    clock: &mut Clock,
    interfaces: &mut Interfaces,
    unusable: &mut u64,
    mark: impl FnMut(Marker),
    head: impl FnMut(Head, &[u8]),
) -> Result<Option<PacketInfo>, CaptureError> {
    let Some(packet) = source.next()? else { return Ok(None) };
    Ok(Some(look(&packet, decoder, clock, interfaces, unusable, mark, head)))
}

/// Hands over what the lanes are to see of a packet: first the marker, then heads with payload.
#[inline]
pub(crate) fn look(
    packet: &Packet<'_>,
    decoder: &mut Decoder,
    clock: &mut Clock,
    interfaces: &mut Interfaces,
    unusable: &mut u64,
    mut mark: impl FnMut(Marker),
    mut head: impl FnMut(Head, &[u8]),
) -> PacketInfo {
    let info = packet.info;
    let wire = packet.wire_len;
    let interface = packet.interface;
    if let Some(marker) = clock.advance(info.number, info.time) {
        interfaces.second(marker.packet);
        mark(marker);
    }
    interfaces.packet(info, interface);
    let mut head = |mut seen: Head, payload: &[u8]| {
        seen.interface = interface;
        head(seen, payload);
    };
    let mut datagram = |ip: &ot_link::Datagram<'_>| {
        let Some((main, payload)) = Head::of_datagram(info, wire, ip) else {
            *unusable += 1;
            return;
        };
        head(main, payload);
        if matches!(ip.protocol, 1 | 58)
            && let Some(refusal) = Head::of_refusal(info, ip)
        {
            head(refusal, &[]);
        }
    };
    match decoder.decode(packet) {
        Decoded::Ip(ip) => datagram(&ip),
        Decoded::Arp(arp) => head(Head::of_arp(info, wire, &arp), &[]),
        Decoded::Ethernet(frame) => {
            let main = Head::of_ethernet(info, wire, &frame);
            let payload = frame.payload.get(..main.len as usize).unwrap_or_default();
            head(main, payload);
        }
        Decoded::FragmentConflict(conflict) => {
            let whole = conflict.datagram.as_ref();
            whole.into_iter().for_each(&mut datagram);
            let like = whole.and_then(|ip| Head::of_datagram(info, wire, ip)).map(|(like, _)| like);
            let (conflict, samples) = Head::of_conflict(info, &conflict, like.as_ref());
            head(conflict, &samples);
        }
        Decoded::FragmentHeld | Decoded::Duplicate | Decoded::Skipped(_) => {}
    }
    info
}

/// Runs a source through to facts. The consumer gets them in order, in chunks, on the caller's thread, and can stop the
/// run; without facts it is called as well, with an empty chunk, so that it can show progress.
///
/// # Errors
/// Where the input can no longer be read. What was found before has been handed over.
pub fn run(
    source: &mut dyn Source,
    registry: Registry,
    config: &FlowConfig,
    consumer: &mut Consumer<'_>,
) -> Result<Summary, FlowError> {
    if !registry_is_usable(registry) {
        return Err(FlowError::Registry);
    }
    if config.workers == 0 {
        run_inline(source, registry, config, consumer)
    } else {
        run_threads(source, registry, config, consumer)
    }
}

pub(crate) fn lanes(registry: Registry, config: &FlowConfig, decode: bool) -> Vec<Lane> {
    let config = Arc::new(config.clone());
    (0..u8::try_from(LANES).unwrap_or(u8::MAX))
        .map(|index| Lane::new(index, registry, Arc::clone(&config), decode))
        .collect()
}

fn run_inline(
    source: &mut dyn Source,
    registry: Registry,
    config: &FlowConfig,
    consumer: &mut Consumer<'_>,
) -> Result<Summary, FlowError> {
    let mut inline = Inline::new(registry, config, false);
    // Facts that no lane tells.
    let mut loose = Vec::new();
    let mut summary = Summary::default();
    loop {
        let mut failed = None;
        let mut ended = false;
        for _ in 0..config.batch_packets.max(1) {
            match inline.packet(source, &mut loose) {
                Ok(true) => {}
                Ok(false) => {
                    ended = true;
                    break;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let facts = inline.collect(&mut loose);
        let progress = inline.progress(source);
        let mut stop = consumer(facts, &progress).is_break();
        if ended && inline.packets > 0 && !stop {
            let (second, lanes) = inline.clock.end(inline.packets);
            let all =
                std::iter::once((second, None)).chain(lanes.enumerate().map(|(index, marker)| (marker, Some(index))));
            for (marker, lane) in all {
                inline.end(&marker, lane);
                if lane.is_none() {
                    inline.interfaces.take(source, Some((marker.packet, marker.time)), &mut loose);
                }
                marker_end(&marker, lane, &mut loose);
                stop = consumer(inline.collect(&mut loose), &progress).is_break();
                if stop {
                    break;
                }
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        if ended || stop {
            inline.summarise(source, &mut summary);
            summary.stopped = stop;
            return Ok(summary);
        }
    }
}

/// What lanes have told, not yet in order.
fn collect(lanes: &mut [Lane]) -> Facts {
    let count = lanes.iter().map(|lane| lane.shared.out.facts.len()).sum();
    let mut facts = Facts { parts: Vec::with_capacity(lanes.len()), index: Vec::with_capacity(count) };
    for lane in lanes {
        facts.take(lane.number(), &mut lane.shared.out.facts);
    }
    facts
}

/// Everything on one thread.
struct Inline {
    lanes: Vec<Lane>,
    decoder: Decoder,
    clock: Clock,
    interfaces: Interfaces,
    unusable: u64,
    packets: u64,
    first: Option<Timestamp>,
}

impl Inline {
    fn new(registry: Registry, config: &FlowConfig, decode: bool) -> Self {
        Self {
            lanes: lanes(registry, config, decode),
            decoder: Decoder::new(config.link.clone()),
            clock: Clock::default(),
            interfaces: Interfaces::default(),
            unusable: 0,
            packets: 0,
            first: None,
        }
    }

    /// One packet. Whether there was one.
    fn packet(&mut self, source: &mut dyn Source, facts: &mut Vec<(Order, Fact)>) -> Result<bool, CaptureError> {
        let Self { lanes, decoder, clock, interfaces, unusable, .. } = self;
        let lanes = std::cell::RefCell::new(lanes);
        let info = read(
            source,
            decoder,
            clock,
            interfaces,
            unusable,
            |marker| {
                for lane in lanes.borrow_mut().iter_mut() {
                    lane.epoch(&marker);
                }
                marker_facts(&marker, facts);
            },
            |head, payload| {
                if let Some(lane) = lanes.borrow_mut().get_mut(usize::from(head.lane)) {
                    lane.packet(&head, payload);
                }
            },
        )?;
        let Some(info) = info else { return Ok(false) };
        self.packets = info.number;
        self.first = self.first.or(Some(info.time));
        self.interfaces.take(source, None, facts);
        Ok(true)
    }

    /// One of the steps after the last packet: the second ends, then each lane.
    fn end(&mut self, marker: &Marker, lane: Option<usize>) {
        match lane {
            None => self.lanes.iter_mut().for_each(|lane| lane.epoch(marker)),
            Some(index) => self.lanes.iter_mut().filter(|lane| lane.is(index)).for_each(|lane| lane.finish(marker)),
        }
    }

    fn collect(&mut self, loose: &mut Vec<(Order, Fact)>) -> Facts {
        let mut facts = collect(&mut self.lanes);
        facts.take(u8::MAX, loose);
        facts.sort();
        facts
    }

    fn progress(&self, source: &dyn Source) -> Progress {
        let read = source.progress();
        Progress { packets: self.packets, read: read.read, total: read.total, time: self.clock.newest }
    }

    fn summarise(&self, source: &mut dyn Source, summary: &mut Summary) {
        summary.progress = self.progress(source);
        summary.first = self.first;
        summary.last = self.first.map(|_| self.clock.newest);
        summary.link = *self.decoder.stats();
        for lane in &self.lanes {
            summary.flow.add(&lane.shared.stats);
        }
        summary.flow.transport_unusable = summary.flow.transport_unusable.saturating_add(self.unusable);
        summary.flow.time_jumps = self.clock.jumps;
        summary.warnings.extend(source.warnings());
    }
}

/// One worker's share of a batch.
#[derive(Default)]
pub(crate) struct Part {
    heads: Vec<Head>,
    payload: Vec<u8>,
    /// Before which head which epoch ends.
    markers: Vec<(usize, Marker)>,
    /// A step after the last packet: for all lanes or for one.
    last: Option<(Marker, Option<usize>)>,
}

impl Part {
    /// Takes a packet in.
    pub fn push(&mut self, mut head: Head, payload: &[u8]) {
        head.offset = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        self.payload.extend_from_slice(payload);
        self.heads.push(head);
    }

    /// An epoch ends before the next packet.
    pub fn mark(&mut self, marker: Marker) {
        self.markers.push((self.heads.len(), marker));
    }

    /// Whether an epoch ends in it.
    pub fn ends_second(&self) -> bool {
        !self.markers.is_empty()
    }

    /// Bytes of packets and their heads.
    pub fn size(&self) -> usize {
        self.payload.len() + self.heads.len() * size_of::<Head>()
    }

    /// Follows the lanes of a share through it: what they tell, in order.
    pub fn follow(&mut self, share: &mut [Lane], workers: usize) -> Facts {
        let mut at = 0;
        let ends = self.markers.iter().map(|(until, marker)| (*until, Some(marker)));
        for (until, marker) in ends.chain([(self.heads.len(), None)]) {
            for head in self.heads.get(at..until).unwrap_or_default() {
                let start = head.offset as usize;
                let payload = self.payload.get(start..start + head.len as usize).unwrap_or_default();
                if let Some(lane) = share.get_mut(usize::from(head.lane) / workers) {
                    lane.packet(head, payload);
                }
            }
            at = until;
            if let Some(marker) = marker {
                for lane in share.iter_mut() {
                    lane.epoch(marker);
                }
            }
        }
        match self.last.take() {
            None => {}
            Some((marker, None)) => share.iter_mut().for_each(|lane| lane.epoch(&marker)),
            Some((marker, Some(index))) => {
                share.iter_mut().filter(|lane| lane.is(index)).for_each(|lane| lane.finish(&marker));
            }
        }
        let mut facts = collect(share);
        facts.sort();
        facts
    }

    pub fn clear(&mut self) {
        self.heads.clear();
        self.payload.clear();
        self.markers.clear();
        self.last = None;
    }
}

/// What goes with each batch to the consumer.
pub(crate) struct BatchEnd {
    pub markers: Vec<Marker>,
    pub last: Option<(Marker, Option<usize>)>,
    /// Facts that no lane tells.
    pub loose: Vec<(Order, Fact)>,
    pub progress: Progress,
    pub failed: Option<CaptureError>,
}

/// What the reader has seen when it ends.
pub(crate) struct ReaderEnd {
    link: LinkStats,
    unusable: u64,
    jumps: u64,
    times: (Option<Timestamp>, Option<Timestamp>),
    warnings: Vec<Warning>,
}

impl ReaderEnd {
    /// `times`: of the first packet and the newest.
    pub fn new(
        link: LinkStats,
        unusable: u64,
        jumps: u64,
        times: (Option<Timestamp>, Option<Timestamp>),
        warnings: Vec<Warning>,
    ) -> Self {
        Self { link, unusable, jumps, times, warnings }
    }

    /// Puts it down.
    pub fn into_summary(self, summary: &mut Summary) {
        summary.link = self.link;
        (summary.first, summary.last) = self.times;
        summary.warnings = self.warnings;
        summary.flow.transport_unusable = self.unusable;
        summary.flow.time_jumps = self.jumps;
    }
}

/// What no lane tells with what each worker tells next, in order; `None` where a worker is gone.
pub(crate) fn merge(loose: &mut Vec<(Order, Fact)>, outputs: &[Receiver<Facts>]) -> Option<Facts> {
    let mut facts = Facts::default();
    facts.take(u8::MAX, loose);
    for output in outputs {
        facts.merge(output.recv().ok()?);
    }
    // Each worker's facts are in order already: the sort merges runs.
    facts.sort();
    Some(facts)
}

/// What the lanes of a worker have counted.
pub(crate) fn totals(share: &[Lane]) -> FlowStats {
    let mut stats = FlowStats::default();
    for lane in share {
        stats.add(&lane.shared.stats);
    }
    stats
}

/// Waits for the threads and puts down what they have counted. Whether all of them ended in order.
pub(crate) fn put_down(
    reader: ScopedJoinHandle<'_, ReaderEnd>,
    workers: Vec<ScopedJoinHandle<'_, FlowStats>>,
    summary: &mut Summary,
) -> bool {
    let mut whole = true;
    match reader.join() {
        Ok(end) => end.into_summary(summary),
        Err(_) => whole = false,
    }
    for worker in workers {
        match worker.join() {
            Ok(stats) => summary.flow.add(&stats),
            Err(_) => whole = false,
        }
    }
    whole
}

fn run_threads(
    source: &mut dyn Source,
    registry: Registry,
    config: &FlowConfig,
    consumer: &mut Consumer<'_>,
) -> Result<Summary, FlowError> {
    let workers = config.workers.min(LANES);
    let mut shares: Vec<Vec<Lane>> = (0..workers).map(|_| Vec::new()).collect();
    for (index, lane) in lanes(registry, config, false).into_iter().enumerate() {
        if let Some(share) = shares.get_mut(index % workers) {
            share.push(lane);
        }
    }
    let mut summary = Summary::default();
    let mut failed = None;
    std::thread::scope(|scope| {
        let (ends_in, ends) = bounded::<BatchEnd>(2 * IN_FLIGHT);
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        let mut threads = Vec::new();
        let (recycle, recycled) = bounded::<Part>(workers * 3 * IN_FLIGHT);
        for mut share in shares {
            let (input, parts) = bounded::<Part>(IN_FLIGHT);
            let (output, facts) = bounded::<Facts>(IN_FLIGHT);
            let recycle = recycle.clone();
            inputs.push(input);
            outputs.push(facts);
            threads.push(scope.spawn(move || {
                work(&mut share, workers, &parts, &output, &recycle);
                totals(&share)
            }));
        }
        drop(recycle);
        let reader = scope.spawn(move || read_batches(source, config, &inputs, &recycled, &ends_in));

        let mut stopped = false;
        for BatchEnd { markers, last, mut loose, progress, failed: error } in &ends {
            for marker in &markers {
                marker_facts(marker, &mut loose);
            }
            if let Some((marker, lane)) = last {
                marker_end(&marker, lane, &mut loose);
            }
            let Some(facts) = merge(&mut loose, &outputs) else {
                failed = Some(FlowError::Worker);
                break;
            };
            summary.progress = progress;
            let stop = consumer(facts, &progress).is_break();
            if let Some(error) = error {
                failed = Some(error.into());
                break;
            }
            if stop {
                stopped = true;
                break;
            }
        }
        drop(ends);
        drop(outputs);
        if !put_down(reader, threads, &mut summary) {
            failed = Some(FlowError::Worker);
        }
        summary.stopped = stopped;
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(summary),
    }
}

/// Follows the lanes of one worker.
fn work(share: &mut [Lane], workers: usize, parts: &Receiver<Part>, output: &Sender<Facts>, recycle: &Sender<Part>) {
    for mut part in parts {
        let facts = part.follow(share, workers);
        part.clear();
        // The reader makes a new one where none has come back.
        let _ = recycle.try_send(part);
        if output.send(facts).is_err() {
            return;
        }
    }
}

/// Reads packets into batches until the input ends or nobody wants more.
fn read_batches(
    source: &mut dyn Source,
    config: &FlowConfig,
    inputs: &[Sender<Part>],
    recycled: &Receiver<Part>,
    ends: &Sender<BatchEnd>,
) -> ReaderEnd {
    let mut decoder = Decoder::new(config.link.clone());
    let mut clock = Clock::default();
    let mut interfaces = Interfaces::default();
    let mut unusable = 0;
    let mut packets = 0;
    let mut first = None;
    let workers = inputs.len();
    loop {
        let mut parts: Vec<Part> = (0..workers).map(|_| recycled.try_recv().unwrap_or_default()).collect();
        let mut markers = Vec::new();
        let mut loose = Vec::new();
        let mut failed = None;
        let mut ended = false;
        for _ in 0..config.batch_packets.max(1) {
            let cell = std::cell::RefCell::new(&mut parts);
            let result = read(
                source,
                &mut decoder,
                &mut clock,
                &mut interfaces,
                &mut unusable,
                |marker| {
                    markers.push(marker);
                    cell.borrow_mut().iter_mut().for_each(|part| part.mark(marker));
                },
                |head, payload| {
                    if let Some(part) = cell.borrow_mut().get_mut(usize::from(head.lane) % workers) {
                        part.push(head, payload);
                    }
                },
            );
            match result {
                Ok(Some(info)) => {
                    packets = info.number;
                    first = first.or(Some(info.time));
                    interfaces.take(source, None, &mut loose);
                }
                Ok(None) => {
                    ended = true;
                    break;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let read = source.progress();
        let progress = Progress { packets, read: read.read, total: read.total, time: clock.newest };
        let over = ended || failed.is_some();
        let mut gone = false;
        for (input, part) in inputs.iter().zip(parts) {
            gone |= input.send(part).is_err();
        }
        gone |= ends.send(BatchEnd { markers, last: None, loose, progress, failed }).is_err();
        if over || gone {
            if ended && packets > 0 && !gone {
                let mut loose = Vec::new();
                interfaces.take(source, Some((packets + 1, clock.newest)), &mut loose);
                finish_batches(&clock, progress, loose, inputs, ends);
            }
            break;
        }
    }
    let times = (first, first.map(|_| clock.newest));
    ReaderEnd::new(*decoder.stats(), unusable, clock.jumps, times, source.warnings())
}

/// The steps after the last packet, each as a batch of its own.
pub(crate) fn finish_batches(
    clock: &Clock,
    progress: Progress,
    mut loose: Vec<(Order, Fact)>,
    inputs: &[Sender<Part>],
    ends: &Sender<BatchEnd>,
) {
    let (second, lanes) = clock.end(progress.packets);
    let all = std::iter::once((second, None)).chain(lanes.enumerate().map(|(index, marker)| (marker, Some(index))));
    for step in all {
        for input in inputs {
            if input.send(Part { last: Some(step), ..Part::default() }).is_err() {
                return;
            }
        }
        let end = BatchEnd {
            markers: Vec::new(),
            last: Some(step),
            loose: std::mem::take(&mut loose),
            progress,
            failed: None,
        };
        if ends.send(end).is_err() {
            return;
        }
    }
}

/// Runs a source through to messages, in the order of the packets that complete them, on the caller's thread.
///
/// # Errors
/// Where the input can no longer be read.
pub fn decode(
    source: &mut dyn Source,
    registry: Registry,
    config: &FlowConfig,
    consumer: &mut dyn FnMut(Message) -> ControlFlow<()>,
) -> Result<Summary, FlowError> {
    if !registry_is_usable(registry) {
        return Err(FlowError::Registry);
    }
    let mut inline = Inline::new(registry, config, true);
    let mut facts = Vec::new();
    let mut summary = Summary::default();
    loop {
        let more = inline.packet(source, &mut facts)?;
        if !more && inline.packets > 0 {
            let (second, lanes) = inline.clock.end(inline.packets);
            inline.end(&second, None);
            for (index, marker) in lanes.enumerate() {
                inline.end(&marker, Some(index));
            }
        }
        facts.clear();
        let mut stop = false;
        for lane in &mut inline.lanes {
            for message in lane.shared.out.messages.drain(..) {
                stop = stop || consumer(message).is_break();
            }
        }
        if stop || !more {
            inline.summarise(source, &mut summary);
            summary.stopped = stop;
            return Ok(summary);
        }
    }
}
