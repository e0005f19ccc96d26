//! UDP, ICMP, ARP, frames without IP, folds and time.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod support;

use ot_protocol::fact::CloseReason;
use ot_protocol::{Claim, ClaimKind, Direction, Extremes, Fact, FlowKind, Fold, Order, Timestamp, Transport};
use std::ops::ControlFlow;
use support::*;

const START: i64 = 1_000_000_000_000;
const SECOND: i64 = 1_000_000_000;
const MILLI: i64 = 1_000_000;

fn claims(facts: &[(Order, Fact)]) -> Vec<Claim> {
    facts
        .iter()
        .filter_map(|(_, fact)| if let Fact::Claim(claim) = fact { Some(claim.clone()) } else { None })
        .collect()
}

fn folds(facts: &[(Order, Fact)]) -> Vec<Fold> {
    facts.iter().filter_map(|(_, fact)| if let Fact::Fold(fold) = fact { Some(fold.clone()) } else { None }).collect()
}

#[test]
fn udp_conversations() {
    let mut memory = Memory::default();
    memory.push(START, udp(CLIENT, SERVER, 1, &toy(0, b"ask")));
    memory.push(START + 1, udp(SERVER, CLIENT, 2, &toy(0, b"answer")));
    memory.push(START + 2, udp(CLIENT, End { ip: [10, 0, 0, 9], port: 53 }, 3, b"name?"));
    memory.push(START + 200 * SECOND, arp(1, [10, 0, 0, 1], [10, 0, 0, 2]));
    let (facts, summary) = run(&memory, &TOY, &config(0, 10));
    assert_eq!(said(&facts), [(Direction::AtoB, "ask".to_owned()), (Direction::BtoA, "answer".to_owned())]);
    assert_eq!(
        kinds(&facts),
        [
            FlowKind::Attempt,
            FlowKind::Identified,
            FlowKind::Open,
            FlowKind::Attempt,
            FlowKind::Update,
            FlowKind::Close(CloseReason::Idle),
            FlowKind::Close(CloseReason::EndOfInput)
        ]
        .into_iter()
        .filter(|kind| *kind != FlowKind::Update)
        .collect::<Vec<_>>()
    );
    assert_eq!(summary.flow.skipped.get("not-ot"), 5);
}

#[test]
fn who_sends_to_all_asks_whatever_the_ports() {
    let all = End { ip: [10, 0, 0, 255], port: 1741 };
    let mut frame = udp(End { port: 1740, ..CLIENT }, all, 1, b"anyone?");
    frame[..6].fill(0xff);
    let mut memory = Memory::default();
    memory.push(START, frame);
    let (facts, _) = run(&memory, &TOY, &config(0, 10));
    let event = &flows(&facts)[0];
    assert_eq!((event.client.port, event.server.port), (1740, 1741));
}

#[test]
fn icmp_errors_refuse_the_conversation_they_are_about() {
    let mut memory = Memory::default();
    let asked = udp(CLIENT, SERVER, 1, b"anyone?");
    let router = [10, 0, 0, 254];
    memory.push(START, asked.clone());
    let error = [&[3, 3, 0, 0, 0, 0, 0, 0], &asked[14..]].concat();
    memory.push(START + MILLI, ipv4(router, CLIENT.ip, 1, 2, &error));
    let (facts, _) = run(&memory, &TOY, &config(0, 10));
    let refused = flows(&facts).into_iter().find(|event| event.kind == FlowKind::Refused).unwrap();
    assert_eq!((refused.transport, refused.server.port), (Transport::Udp, 7777));
    assert!(flows(&facts).iter().any(|event| event.transport == Transport::Icmp));
}

#[test]
fn frames_without_ip_are_conversations() {
    let mut memory = Memory::default();
    memory.push(START, ethernet(CLIENT.ip, SERVER.ip, 0x8892, &[0; 46]));
    memory.push(START + MILLI, ethernet(SERVER.ip, CLIENT.ip, 0x8892, &[1; 46]));
    let (facts, _) = run(&memory, &TOY, &config(0, 10));
    let events = flows(&facts);
    assert!(events.iter().all(|event| event.transport == Transport::Ethernet(0x8892)));
    assert_eq!(kinds(&facts), [FlowKind::Attempt, FlowKind::Open, FlowKind::Close(CloseReason::EndOfInput)]);
    assert!(events[0].client.mac.is_some() && events[0].client.ip.is_none());
}

#[test]
fn arp_claims() {
    let (a, b, c) = ([10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]);
    let mut memory = Memory::default();
    memory.push(START, arp(1, a, b));
    memory.push(START + MILLI, arp(2, b, a));
    for n in 2..7 {
        memory.push(START + n * 20 * MILLI, arp(2, c, a));
    }
    memory.push(START + 200 * MILLI, arp(1, a, a));
    memory.push(START + 20 * SECOND, arp(2, b, a));
    let (facts, _) = run(&memory, &TOY, &config(0, 10));
    let told: Vec<_> = claims(&facts).into_iter().map(|claim| (claim.kind, claim.count)).collect();
    assert_eq!(
        told,
        [
            (ClaimKind::ArpRequest, 1),
            (ClaimKind::ArpReply, 1),
            (ClaimKind::ArpUnsolicited, 1),
            (ClaimKind::ArpGratuitous, 1),
            (ClaimKind::ArpUnsolicited, 4),
            (ClaimKind::ArpUnsolicited, 1),
        ]
    );
}

#[test]
fn sources_are_claimed_once_and_when_they_change() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one")).data(0, &toy(0, b"two")).data(0, &toy(0, b"three"));
    let at = talk.memory.frames.len() - 2;
    talk.memory.frames[at].1[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 99]);
    let (facts, _) = talk.run();
    let told: Vec<_> = claims(&facts).into_iter().map(|claim| (claim.kind, claim.mac.to_string())).collect();
    assert_eq!(
        told,
        [
            (ClaimKind::IpSource, "02:00:0a:00:00:01".to_owned()),
            (ClaimKind::IpSource, "02:00:0a:00:00:02".to_owned()),
            (ClaimKind::IpSource, "02:00:00:00:00:63".to_owned()),
        ]
    );
}

#[test]
fn repetitions_are_folded_each_second() {
    let mut talk = Talk::new();
    talk.step = 0;
    talk.handshake();
    for n in 0..30i64 {
        talk.time = START + n * 100 * MILLI;
        // Falls by one in the third second only.
        let value = if n == 25 { 6 } else { 7 };
        talk.data(0, &toy(1, &[0, value, 0, 9]));
    }
    let (facts, summary) = talk.run();
    assert_eq!(activities(&facts).len(), 1);
    assert_eq!(activities(&facts)[0].slot, Some(0));
    let told = folds(&facts);
    assert_eq!(told.iter().map(|fold| fold.count).collect::<Vec<_>>(), [9, 10, 10]);
    assert_eq!(told.iter().map(|fold| fold.intervals.count).collect::<Vec<_>>(), [9, 10, 10]);
    assert!(told.iter().all(|fold| fold.intervals.min == 100 * MILLI && fold.intervals.max == 100 * MILLI));
    assert_eq!(told[0].extremes, None);
    assert_eq!(told[1].extremes, None);
    assert_eq!(told[2].extremes, Some(Box::new(Extremes::Words(vec![(6, 7), (9, 9)]))));
    assert_eq!(told[1].times, [Timestamp(START + SECOND), Timestamp(START + 1900 * MILLI)]);
    assert_eq!(told[0].latency_max, 5);
    assert_eq!(summary.flow.folded, 29);
    let ends: Vec<_> = facts.iter().filter(|(_, fact)| matches!(fact, Fact::EpochEnd(_))).collect();
    assert_eq!(ends.len(), 3, "two seconds and the end");
    // Folds stand before the end of their epoch.
    let position = |wanted: &Fact| facts.iter().position(|(_, fact)| fact == wanted).unwrap();
    assert!(position(&Fact::Fold(told[0].clone())) < position(&Fact::EpochEnd(Timestamp(START + SECOND))));
}

#[test]
fn written_values_outside_of_the_known_are_told() {
    let mut talk = Talk::new();
    talk.handshake();
    for value in [5, 5, 9, 7, 6, 10, 9] {
        talk.data(0, &toy(2, &[0, value]));
    }
    let (facts, _) = talk.run();
    assert_eq!(activities(&facts).len(), 3, "5, 9 and 10");
    assert_eq!(folds(&facts).iter().map(|fold| fold.count).sum::<u32>(), 4);
}

#[test]
fn time_that_jumps_re_arms_timers() {
    let mut memory = Memory::default();
    let frame = udp(CLIENT, SERVER, 0, b"x");
    memory.push(START, frame.clone());
    memory.push(START + 90_000 * SECOND, frame.clone());
    memory.push(START + 90_000 * SECOND - SECOND / 2, frame.clone());
    memory.push(START, frame);
    let (facts, summary) = run(&memory, &TOY, &config(0, 10));
    assert_eq!(summary.flow.time_jumps, 2);
    assert_eq!(kinds(&facts).iter().filter(|kind| **kind == FlowKind::Close(CloseReason::Idle)).count(), 0);
    let jumps: Vec<_> = facts
        .iter()
        .filter_map(|(_, fact)| if let Fact::TimeJump { from, to } = fact { Some(to.0 - from.0) } else { None })
        .collect();
    assert_eq!(jumps, [90_000 * SECOND, -90_000 * SECOND]);
}

#[test]
fn messages_come_in_the_order_of_packets() {
    static MODBUS: [&dyn ot_protocol::Protocol; 1] = [&ot_modbus::MODBUS];
    let mut talk = Talk::new();
    talk.ends[1].port = 502;
    talk.handshake();
    for n in 0..5 {
        talk.data(0, &[0, n, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
        talk.data(1, &[0, n, 0, 0, 0, 5, 1, 3, 2, 0, n]);
    }
    let mut frames = Vec::new();
    let mut source = talk.memory.clone();
    let summary = ot_flow::decode(&mut source, &MODBUS, &config(0, 1), &mut |message| {
        frames.push(message.frame.number());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(frames, (4..14).collect::<Vec<_>>());
    assert_eq!(summary.flow.messages.get("modbus"), 10);
}
