//! Packets that come in their own time: silence, a clock that is set, and more than can be done.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_possible_truncation)]

mod support;

use ot_capture::{CaptureError, Packet, Polled, Progress, Source, Warning};
use ot_flow::{Facts, Level, LiveConfig, Load, Processors, Summary, run_live};
use ot_protocol::fact::CloseReason;
use ot_protocol::session::Finish;
use ot_protocol::time::SECOND;
use ot_protocol::{
    Context, Direction, Fact, FieldDoc, FlowKind, Order, Probe, Progress as Consumed, Protocol, Session, SessionStart,
    Timestamp,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{CLIENT, End, Memory, SERVER, TOY, Talk, config, flows, kinds, run, said, toy};

/// What the source says when it is asked.
enum Step {
    Packet,
    Tick(i64),
    Nothing,
    /// Goes on when this is so.
    Until(Box<dyn Fn() -> bool + Send>),
}

struct Script {
    memory: Memory,
    steps: std::vec::IntoIter<Step>,
}

impl Source for Script {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        self.memory.next()
    }

    fn poll(&mut self) -> Result<Polled<'_>, CaptureError> {
        loop {
            match self.steps.next() {
                None => return Ok(Polled::End),
                Some(Step::Packet) => return Ok(self.memory.next()?.map_or(Polled::End, Polled::Packet)),
                Some(Step::Tick(time)) => return Ok(Polled::Tick(Timestamp(time))),
                Some(Step::Nothing) => return Ok(Polled::Nothing),
                Some(Step::Until(so)) => {
                    while !so() {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        }
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }

    fn losses(&mut self) -> Vec<(u16, u64)> {
        vec![(0, 0)]
    }
}

fn live(load: &Load) -> LiveConfig {
    LiveConfig { load: load.clone(), processors: Processors::default() }
}

fn facts_of(memory: &Memory, steps: Vec<Step>, workers: usize) -> (Vec<(Order, Fact)>, Summary) {
    let mut source = Script { memory: memory.clone(), steps: steps.into_iter() };
    let mut all = Vec::new();
    let load = Load::new(16 << 20);
    let summary = run_live(&mut source, &TOY, &config(workers, 64), &live(&load), &mut |facts, _| {
        all.extend(facts);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((load.taken(), load.level()), (0, Level::Whole));
    assert_eq!(load.shed(), ot_flow::Shed::default());
    (all, summary)
}

fn talk(seconds: i64) -> Talk {
    let mut talk = Talk::new();
    talk.handshake();
    for n in 0..seconds {
        talk.data(0, &toy(0, format!("ask {n}").as_bytes())).data(1, &toy(0, b"told"));
        talk.time += SECOND;
    }
    talk
}

/// What an interface received is told with other losses; all else is the same.
fn without_interfaces(facts: Vec<(Order, Fact)>) -> Vec<(Order, Fact)> {
    facts.into_iter().filter(|(_, fact)| !matches!(fact, Fact::Interface(_))).collect()
}

#[test]
fn the_same_packets_give_the_facts_of_a_replay_whatever_pauses_there_are() {
    let talk = talk(20);
    let (replayed, expected) = run(&talk.memory, &TOY, &config(0, 2048));
    let replayed = without_interfaces(replayed);
    for (workers, every) in [(1, 1), (1, 7), (3, 1000)] {
        let mut steps = Vec::new();
        for n in 0..talk.memory.frames.len() {
            steps.push(Step::Packet);
            if n % every == 0 {
                steps.push(Step::Nothing);
            }
        }
        let (facts, summary) = facts_of(&talk.memory, steps, workers);
        assert_eq!(without_interfaces(facts), replayed, "{workers} workers");
        assert_eq!(summary.flow, expected.flow);
        assert_eq!(summary.progress.packets, expected.progress.packets);
    }
}

#[test]
fn time_goes_on_where_no_packet_comes() {
    let talk = talk(2);
    let count = talk.memory.frames.len();
    let begin = talk.time / SECOND;
    let mut steps: Vec<Step> = (0..count).map(|_| Step::Packet).collect();
    steps.push(Step::Nothing);
    steps.extend((1..=700).map(|second| Step::Tick((begin + second) * SECOND)));
    let (facts, _) = facts_of(&talk.memory, steps, 1);
    let ends: Vec<i64> = facts
        .iter()
        .filter_map(|(_, fact)| if let Fact::EpochEnd(time) = fact { Some(time.0 / SECOND) } else { None })
        .collect();
    assert!(ends.windows(2).all(|pair| pair[0] <= pair[1]), "{ends:?}");
    assert_eq!(ends.iter().filter(|second| **second > begin).count(), 701, "one for each tick, and the end");
    // The interface is told of although nothing came; the conversation is not closed before its time.
    assert!(facts.iter().filter(|(_, fact)| matches!(fact, Fact::Interface(_))).count() > 700);
    assert_eq!(kinds(&facts).last(), Some(&FlowKind::Close(CloseReason::EndOfInput)));
}

#[test]
fn an_interface_that_never_receives_anything_is_told_of() {
    let steps = (1..=3).map(|second| Step::Tick(second * SECOND)).collect();
    let (facts, _) = facts_of(&Memory::default(), steps, 1);
    let told: Vec<_> = facts.iter().filter(|(_, fact)| matches!(fact, Fact::Interface(_))).collect();
    assert_eq!(told.len(), 3);
}

#[test]
fn a_clock_that_is_set_back_ends_nothing() {
    let mut talk = talk(5);
    let before = talk.memory.frames.len();
    talk.time -= 3_600 * SECOND;
    for n in 0..5 {
        talk.data(0, &toy(0, format!("again {n}").as_bytes())).data(1, &toy(0, b"told"));
        talk.time += SECOND;
    }
    let set_back = talk.memory.frames[before].0;
    let mut steps: Vec<Step> = (0..before).map(|_| Step::Packet).collect();
    // The tick tells first.
    steps.push(Step::Tick(set_back - set_back % SECOND));
    steps.extend((before..talk.memory.frames.len()).map(|_| Step::Packet));
    let (facts, summary) = facts_of(&talk.memory, steps, 2);
    assert_eq!(summary.flow.time_jumps, 1);
    let jumps: Vec<_> = facts.iter().filter(|(_, fact)| matches!(fact, Fact::TimeJump { .. })).collect();
    assert_eq!(jumps.len(), 1);
    let closed: Vec<_> = kinds(&facts).into_iter().filter(|kind| matches!(kind, FlowKind::Close(_))).collect();
    assert_eq!(closed, [FlowKind::Close(CloseReason::EndOfInput)], "one conversation, ended by the end");
    assert_eq!(flows(&facts).iter().map(|event| event.session).collect::<std::collections::BTreeSet<_>>().len(), 1);
    assert!(said(&facts).iter().any(|(_, text)| text == "again 4"));
}

/// Whether the session below goes on, and whether it was reached.
static GO_ON: AtomicBool = AtomicBool::new(false);
static REACHED: AtomicBool = AtomicBool::new(false);

/// A protocol whose session holds its worker up.
struct Block;

struct BlockSession;

static BOTH: [&dyn Protocol; 2] = [&support::Toy, &Block];

impl Protocol for Block {
    fn id(&self) -> &'static str {
        "block"
    }
    fn name(&self) -> &'static str {
        "Block"
    }
    fn ports(&self) -> &'static [u16] {
        &[]
    }
    fn probe(&self, bytes: [&[u8]; 2], _hint: bool, _datagram: bool) -> Probe {
        if bytes.iter().any(|bytes| bytes.starts_with(b"block")) { Probe::Yes { client: None } } else { Probe::No }
    }
    fn session(&self, _: SessionStart) -> Box<dyn Session> {
        Box::new(BlockSession)
    }
    fn fields(&self) -> &'static [FieldDoc] {
        &[]
    }
    fn rules(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Session for BlockSession {
    fn data(&mut self, context: &mut Context<'_>, _: Direction, bytes: &[u8]) -> Consumed {
        REACHED.store(true, Ordering::SeqCst);
        while !GO_ON.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        context.sink.skipped(bytes.len(), "block");
        Consumed { consumed: bytes.len(), need: 0 }
    }
    fn datagram(&mut self, _: &mut Context<'_>, _: Direction, _: &[u8]) {}
    fn gap(&mut self, _: &mut Context<'_>, _: Direction, _: u64) {}
    fn tick(&mut self, _: &mut Context<'_>) {}
    fn wants_tick(&self) -> bool {
        false
    }
    fn finish(&mut self, _: &mut Context<'_>, _: Finish) {}
    fn client(&self) -> Option<Direction> {
        None
    }
}

#[test]
fn too_much_sheds_what_is_not_ot_and_recovers() {
    const BULK: usize = 20_000;
    let mut office = Talk { ends: [CLIENT, End { ip: [10, 0, 0, 77], port: 8080 }], ..Talk::new() };
    let mut plant = Talk { ends: [End { port: 50_001, ..CLIENT }, SERVER], ..Talk::new() };
    let mut slow = Talk { ends: [CLIENT, End { ip: [10, 0, 0, 88], port: 9090 }], ..Talk::new() };
    let (mut memory, mut steps) = (Memory::default(), Vec::new());
    let take = |talk: &mut Talk, memory: &mut Memory| {
        let frames = std::mem::take(&mut talk.memory.frames);
        let count = frames.len();
        memory.frames.extend(frames);
        count
    };
    // Both are identified, then the worker is held up.
    office.handshake();
    plant.handshake();
    slow.handshake();
    for _ in 0..8 {
        office.data(0, &[0; 900]).data(1, &[0; 900]);
        plant.data(0, &toy(0, b"first"));
    }
    slow.data(0, b"block");
    let begun = [&mut office, &mut plant, &mut slow].map(|talk| take(talk, &mut memory)).iter().sum();
    steps.extend((0..begun).map(|_| Step::Packet));
    steps.push(Step::Nothing);
    steps.push(Step::Until(Box::new(|| REACHED.load(Ordering::SeqCst))));
    // Far more comes than there is room for.
    let mut wanted = Vec::new();
    for n in 0..BULK {
        office.data(1, &[0; 1000]);
        let mut more = take(&mut office, &mut memory);
        if n % 500 == 0 {
            let text = format!("while blocked {n}");
            plant.data(0, &toy(0, text.as_bytes()));
            wanted.push(text);
            more += take(&mut plant, &mut memory);
        }
        steps.extend((0..more).map(|_| Step::Packet));
    }
    let load = Load::new(1 << 20);
    let calm = load.clone();
    steps.push(Step::Nothing);
    steps.push(Step::Until(Box::new(move || {
        GO_ON.store(true, Ordering::SeqCst);
        calm.taken() == 0
    })));
    // All is as before.
    office.data(1, b"calm");
    plant.data(0, &toy(0, b"calm"));
    let more = take(&mut office, &mut memory) + take(&mut plant, &mut memory);
    steps.extend((0..more).map(|_| Step::Packet));

    let packets = memory.frames.len();
    let mut source = Script { memory, steps: steps.into_iter() };
    let mut facts = Vec::new();
    let summary = run_live(&mut source, &BOTH, &config(1, 256), &live(&load), &mut |chunk: Facts, _| {
        facts.extend(chunk);
        ControlFlow::Continue(())
    })
    .unwrap();
    let shed = load.shed();
    assert!(shed.bulk > 0 && shed.others > 0 && shed.bytes >= 1000 * shed.bulk, "{shed:?}");
    assert_eq!(shed.ot, 0, "{shed:?}");
    let texts: Vec<String> = said(&facts).into_iter().map(|(_, text)| text).collect();
    assert!(wanted.iter().all(|wanted| texts.contains(wanted)), "an OT message is missing");
    assert_eq!(texts.last().map(String::as_str), Some("calm"));
    assert_eq!(summary.progress.packets, packets as u64);
    // Every packet is either followed or counted as given up.
    assert_eq!(summary.flow.packets + shed.others, packets as u64);
    // What came after the overload was looked at again.
    assert!(load.take_most() <= 2 << 20, "more was on its way than there is room for");
    assert_eq!(summary.flow.cut_bytes, 0, "what was shed is not the snap length's fault");
    let lost: u64 = facts
        .iter()
        .filter_map(|(_, fact)| if let Fact::Interface(traffic) = fact { traffic.dropped } else { None })
        .sum();
    assert_eq!(lost, shed.others, "given up packets are losses of the interface");
}
