//! What is told of interfaces: what they receive, and how whole conversations are seen.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ot_capture::{CaptureError, Packet, Progress, Source, Warning};
use ot_protocol::time::SECOND;
use ot_protocol::{Fact, InterfaceSight, InterfaceTraffic, Order, Timestamp};
use support::{CLIENT, Memory, SERVER, TOY, Talk, config, udp};

/// A source whose packets come from two interfaces, some of which are lost.
struct Two {
    memory: Memory,
    interfaces: Vec<u16>,
    at: usize,
    /// Losses told once so many packets were read.
    losses: Vec<(usize, u16, u64)>,
}

impl Source for Two {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let interface = self.interfaces.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        Ok(self.memory.next()?.map(|packet| Packet { interface, ..packet }))
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }

    fn losses(&mut self) -> Vec<(u16, u64)> {
        let at = self.at;
        let told = self.losses.extract_if(.., |(after, ..)| *after <= at);
        told.map(|(_, interface, lost)| (interface, lost)).collect()
    }

    fn interface_name(&self, interface: u16) -> Option<&str> {
        (interface == 1).then_some("eth1")
    }
}

fn source() -> Two {
    let mut memory = Memory::default();
    let mut interfaces = Vec::new();
    for n in 0..10 {
        memory.push(1_000_000 * SECOND + n * SECOND / 4, udp(CLIENT, SERVER, 0, b"hello"));
        interfaces.push(u16::from(n % 3 == 2));
    }
    Two { memory, interfaces, at: 0, losses: vec![(6, 1, 3), (11, 0, 2)] }
}

fn facts(source: &mut dyn Source, workers: usize, batch: usize) -> Vec<(Order, Fact)> {
    let mut all = Vec::new();
    ot_flow::run(source, &TOY, &config(workers, batch), &mut |facts, _| {
        all.extend(facts);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    all
}

fn traffic(facts: &[(Order, Fact)]) -> Vec<InterfaceTraffic> {
    let of =
        |(_, fact): &(Order, Fact)| if let Fact::Interface(traffic) = fact { Some((**traffic).clone()) } else { None };
    facts.iter().filter_map(of).collect()
}

#[test]
fn each_second_tells_what_each_interface_received_and_lost() {
    let told = traffic(&facts(&mut source(), 0, 2048));
    let short: Vec<_> =
        told.iter().map(|t| (t.interface, t.packets, t.dropped, t.frames.map(|frame| frame.number()))).collect();
    assert_eq!(
        short,
        [
            (0, 3, None, [1, 4]),
            (1, 1, None, [3, 3]),
            (0, 3, None, [5, 8]),
            (1, 1, Some(3), [6, 6]),
            (0, 1, Some(2), [10, 10]),
            (1, 1, None, [9, 9]),
        ],
        "seconds of 4, 4 and 2 packets; numbers 3, 6 and 9 are of interface 1"
    );
    assert_eq!(told.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["", "eth1", "", "", "", ""]);
    assert_eq!(told[0].times, [Timestamp(1_000_000 * SECOND), Timestamp(1_000_000 * SECOND + 3 * SECOND / 4)]);
}

#[test]
fn the_same_is_told_for_any_number_of_workers_and_any_size_of_batches() {
    let one = facts(&mut source(), 0, 2048);
    for (workers, batch) in [(0, 1), (1, 3), (3, 1), (3, 2048)] {
        assert_eq!(facts(&mut source(), workers, batch), one, "{workers} workers, batches of {batch}");
    }
}

fn sight(talk: &Talk) -> InterfaceSight {
    let (facts, _) = talk.run();
    let mut all = InterfaceSight::default();
    for (_, fact) in facts {
        if let Fact::Sight(sight) = fact {
            all.sessions += sight.sessions;
            all.one_sided += sight.one_sided;
            all.doubled += sight.doubled;
            all.cut += sight.cut;
        }
    }
    all
}

#[test]
fn conversations_are_judged_by_direction_doubles_and_cuts() {
    let mut whole = Talk::new();
    whole.handshake();
    for _ in 0..4 {
        whole.data(0, b"ask").data(1, b"tell");
    }
    whole.close();
    assert_eq!(sight(&whole), InterfaceSight { sessions: 1, ..InterfaceSight::default() });

    let mut half = Talk::new();
    for _ in 0..20 {
        half.data(0, b"ask").lost(1, 4);
    }
    assert_eq!(sight(&half), InterfaceSight { sessions: 1, one_sided: 1, ..InterfaceSight::default() });

    let mut twice = Talk::new();
    twice.handshake();
    for _ in 0..4 {
        twice.data(0, b"ask").again().data(1, b"tell").again();
    }
    assert_eq!(sight(&twice), InterfaceSight { sessions: 1, doubled: 1, ..InterfaceSight::default() });

    let mut short = Talk::new();
    short.handshake();
    short.data(0, b"ask");
    assert_eq!(sight(&short), InterfaceSight::default(), "too short to tell");
}
