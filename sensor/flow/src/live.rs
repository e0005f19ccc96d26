//! Reader, workers and consumer of a source whose packets come in their own time.
//!
//! The stages are those of a replay; what differs is what happens when one of them is behind. The reader never waits for a
//! worker and no worker waits for the consumer: what is on its way between them is counted ([`Load`]), and from a
//! threshold on the reader sheds, by a fixed order, what matters least. A batch ends when nothing more has come, so that
//! what is rare is found at once.

use crate::LANES;
use crate::config::FlowConfig;
use crate::head::{Head, Kind};
use crate::identify::Registry;
use crate::interfaces::Interfaces;
use crate::lane::{Lane, Marker};
use crate::load::{Class, Classes, Fate, Level, Load};
use crate::pipeline::{
    BatchEnd, Clock, Consumer, Facts, FlowError, Part, Progress, ReaderEnd, Summary, finish_batches, lanes, look,
    marker_end, marker_facts, merge, put_down, totals,
};
use crate::session::registry_is_usable;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use ot_capture::{Polled, Source};
use ot_link::Decoder;
use ot_protocol::{Domain, Fact, Order, Protocol};
use std::sync::Arc;
use std::time::Duration;

/// How often the consumer is called where there is nothing to tell.
const CALL: Duration = Duration::from_millis(200);
/// What a fact is taken to hold, in bytes.
const FACT_BYTES: usize = 512;
/// Parts kept to be used again.
const SPARE: usize = 8;

/// What the source and the threads of a live run share.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// What is on its way, with its limit.
    pub load: Load,
    /// On which processors the threads run.
    pub processors: Processors,
}

/// Processors by number; empty: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processors {
    /// Of the thread that reads and takes frames apart.
    pub reader: Vec<usize>,
    /// Of the workers: the first runs on the first, and so on around.
    pub workers: Vec<usize>,
}

/// Runs a live source through to facts until it ends. The consumer is called with what was found and, where nothing was,
/// several times a second with an empty chunk; it may take its time.
///
/// # Errors
/// Where the source fails. What was found before has been handed over.
pub fn run_live(
    source: &mut dyn Source,
    registry: Registry,
    config: &FlowConfig,
    live: &LiveConfig,
    consumer: &mut Consumer<'_>,
) -> Result<Summary, FlowError> {
    if !registry_is_usable(registry) {
        return Err(FlowError::Registry);
    }
    let workers = config.workers.clamp(1, LANES);
    let classes = Arc::new(Classes::new());
    let mut shares: Vec<Vec<Lane>> = (0..workers).map(|_| Vec::new()).collect();
    for (index, mut lane) in lanes(registry, config, false).into_iter().enumerate() {
        lane.shared.classes = Some(Arc::clone(&classes));
        if let Some(share) = shares.get_mut(index % workers) {
            share.push(lane);
        }
    }
    let mut summary = Summary::default();
    let mut failed = None;
    std::thread::scope(|scope| {
        let (ends_in, ends) = unbounded::<BatchEnd>();
        let (recycle, recycled) = bounded::<Part>(workers * SPARE);
        let (mut inputs, mut outputs, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for (worker, mut share) in shares.into_iter().enumerate() {
            let (input, parts) = unbounded::<Part>();
            let (output, facts) = unbounded::<Facts>();
            inputs.push(input);
            outputs.push(facts);
            let (load, recycle) = (live.load.clone(), recycle.clone());
            let own = live.processors.workers.iter().cycle().nth(worker).copied();
            threads.push(scope.spawn(move || {
                ot_capture::bind_thread(own.as_slice());
                work(&mut share, (worker, workers), &parts, &output, &recycle, &load);
                totals(&share)
            }));
        }
        drop(recycle);
        let reader = Reader {
            decoder: Decoder::new(config.link.clone()),
            clock: Clock::default(),
            interfaces: Interfaces::default(),
            ports: registry,
            classes,
            load: live.load.clone(),
            batch: config.batch_packets.max(1),
            inputs,
            recycled,
            ends: ends_in,
            unusable: 0,
            packets: 0,
            first: None,
            level: Level::Whole,
        };
        let own = &live.processors.reader;
        let reader = scope.spawn(move || {
            ot_capture::bind_thread(own);
            reader.run(source)
        });

        let (stopped, error) = consume(&ends, &outputs, &live.load, &mut summary, consumer);
        failed = error;
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

/// Hands facts over in order. Whether the consumer stopped the run, and what failed.
fn consume(
    ends: &Receiver<BatchEnd>,
    outputs: &[Receiver<Facts>],
    load: &Load,
    summary: &mut Summary,
    consumer: &mut Consumer<'_>,
) -> (bool, Option<FlowError>) {
    loop {
        let BatchEnd { markers, last, mut loose, progress, failed } = match ends.recv_timeout(CALL) {
            Ok(end) => end,
            Err(RecvTimeoutError::Timeout) => {
                if consumer(Facts::default(), &summary.progress).is_break() {
                    return (true, None);
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return (false, None),
        };
        for marker in &markers {
            marker_facts(marker, &mut loose);
        }
        if let Some((marker, lane)) = last {
            marker_end(&marker, lane, &mut loose);
        }
        let own = loose.len();
        let Some(facts) = merge(&mut loose, outputs) else { return (false, Some(FlowError::Worker)) };
        // Those of the workers count as being on their way.
        let count = facts.len() - own;
        summary.progress = progress;
        let stop = consumer(facts, &progress).is_break();
        load.take(count.saturating_mul(FACT_BYTES));
        if let Some(error) = failed {
            return (false, Some(error.into()));
        }
        if stop {
            return (true, None);
        }
    }
}

/// Follows the lanes of one worker.
fn work(
    share: &mut [Lane],
    (worker, workers): (usize, usize),
    parts: &Receiver<Part>,
    output: &Sender<Facts>,
    recycle: &Sender<Part>,
    load: &Load,
) {
    for mut part in parts {
        let second = part.ends_second();
        let bytes = part.size();
        let facts = part.follow(share, workers);
        load.put(facts.len().saturating_mul(FACT_BYTES));
        load.take(bytes);
        if second {
            load.tell_flow(worker, totals(share));
        }
        part.clear();
        let _ = recycle.try_send(part);
        if output.send(facts).is_err() {
            return;
        }
    }
}

/// The thread that reads.
struct Reader {
    decoder: Decoder,
    clock: Clock,
    interfaces: Interfaces,
    ports: Registry,
    classes: Arc<Classes>,
    load: Load,
    batch: usize,
    inputs: Vec<Sender<Part>>,
    recycled: Receiver<Part>,
    ends: Sender<BatchEnd>,
    unusable: u64,
    packets: u64,
    first: Option<ot_protocol::Timestamp>,
    /// What is shed; looked at anew with each batch.
    level: Level,
}

/// A batch in the making.
#[derive(Default)]
struct Batch {
    parts: Vec<Part>,
    markers: Vec<Marker>,
    loose: Vec<(Order, Fact)>,
    packets: usize,
}

impl Reader {
    fn run(mut self, source: &mut dyn Source) -> ReaderEnd {
        let mut failed = None;
        let mut batch = self.begin();
        loop {
            // Whether the batch ends here.
            let full = match source.poll() {
                Ok(Polled::Packet(packet)) => {
                    self.packet(&packet, &mut batch);
                    self.interfaces.take(source, None, &mut batch.loose);
                    batch.packets >= self.batch
                }
                Ok(Polled::Tick(time)) => {
                    let next = self.packets + 1;
                    if let Some(marker) = self.clock.advance(next, time) {
                        batch.mark(marker);
                    }
                    self.interfaces.take(source, Some((next, time)), &mut batch.loose);
                    // What is told of two seconds in which nothing came would have the same place in one batch.
                    true
                }
                Ok(Polled::Nothing) => true,
                Ok(Polled::End) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            if full && !batch.is_empty() {
                let next = self.begin();
                if self.send(source, std::mem::replace(&mut batch, next), None) {
                    return self.end(source);
                }
            }
        }
        let ended = failed.is_none();
        let gone = self.send(source, batch, failed);
        if ended && !gone && self.packets > 0 {
            let mut loose = Vec::new();
            self.interfaces.take(source, Some((self.packets + 1, self.clock.newest())), &mut loose);
            let progress = self.progress(source);
            finish_batches(&self.clock, progress, loose, &self.inputs, &self.ends);
        }
        self.end(source)
    }

    fn begin(&mut self) -> Batch {
        self.level = self.load.level();
        let parts = self.inputs.iter().map(|_| self.recycled.try_recv().unwrap_or_default()).collect();
        Batch { parts, ..Batch::default() }
    }

    fn packet(&mut self, packet: &ot_capture::Packet<'_>, batch: &mut Batch) {
        let Self { decoder, clock, interfaces, unusable, level, load, classes, ports, .. } = self;
        let (level, interface) = (*level, packet.interface);
        let workers = batch.parts.len();
        let Batch { parts, markers, .. } = batch;
        let cell = std::cell::RefCell::new(parts);
        let mut lost = 0;
        let info = look(
            packet,
            decoder,
            clock,
            interfaces,
            unusable,
            |marker| {
                markers.push(marker);
                cell.borrow_mut().iter_mut().for_each(|part| part.mark(marker));
            },
            |mut head, payload| {
                let mut payload = payload;
                if level > Level::Whole {
                    match decide(level, &head, load, classes, ports) {
                        Fate::Whole => {}
                        Fate::Head => {
                            head.missing = head.missing.saturating_add(head.len);
                            head.len = 0;
                            if head.kind == Kind::Tcp {
                                head.kind = Kind::TcpShed;
                            }
                            payload = &[];
                        }
                        Fate::Gone => {
                            lost += 1;
                            return;
                        }
                    }
                }
                if let Some(part) = cell.borrow_mut().get_mut(usize::from(head.lane) % workers) {
                    part.push(head, payload);
                }
            },
        );
        if lost > 0 {
            interfaces.lose(interface);
        }
        self.packets = info.number;
        self.first = self.first.or(Some(info.time));
        batch.packets += 1;
    }

    fn progress(&self, source: &dyn Source) -> Progress {
        let read = source.progress();
        Progress { packets: self.packets, read: read.read, total: read.total, time: self.clock.newest() }
    }

    /// Whether nobody wants more.
    fn send(&self, source: &dyn Source, batch: Batch, failed: Option<ot_capture::CaptureError>) -> bool {
        let Batch { parts, markers, loose, .. } = batch;
        if !markers.is_empty() {
            self.load.tell_link(self.decoder.stats());
        }
        let mut gone = false;
        for (input, part) in self.inputs.iter().zip(parts) {
            self.load.put(part.size());
            gone |= input.send(part).is_err();
        }
        let end = BatchEnd { markers, last: None, loose, progress: self.progress(source), failed };
        gone | self.ends.send(end).is_err()
    }

    fn end(&self, source: &mut dyn Source) -> ReaderEnd {
        let last = self.first.map(|_| self.clock.newest());
        ReaderEnd::new(*self.decoder.stats(), self.unusable, self.clock.jumps(), (self.first, last), source.warnings())
    }
}

impl Batch {
    fn mark(&mut self, marker: Marker) {
        self.markers.push(marker);
        self.parts.iter_mut().for_each(|part| part.mark(marker));
    }

    fn is_empty(&self) -> bool {
        self.packets == 0 && self.markers.is_empty() && self.loose.is_empty()
    }
}

/// What becomes of a packet while there is too much.
#[cold]
fn decide(level: Level, head: &Head, load: &Load, classes: &Classes, registry: Registry) -> Fate {
    let class = classes.get(head.hash);
    let standard = class == Class::Unknown
        && registry.iter().any(|protocol: &&dyn Protocol| {
            protocol.domain() == Domain::Ot && head.key.ports.iter().any(|port| protocol.ports().contains(port))
        });
    load.decide(level, head, class, standard)
}
