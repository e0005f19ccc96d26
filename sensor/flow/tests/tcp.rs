//! Each situation of a TCP connection, on literal segments.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod support;

use ot_protocol::Direction::{AtoB, BtoA};
use ot_protocol::fact::CloseReason;
use ot_protocol::{Direction, Fact, FlowKind, Transport};
use support::*;

fn words(expected: &[(Direction, &str)]) -> Vec<(Direction, String)> {
    expected.iter().map(|(direction, text)| (*direction, (*text).to_owned())).collect()
}

#[test]
fn a_whole_connection() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"ask")).data(1, &toy(0, b"answer")).ack(0).close();
    let (facts, summary) = talk.run();
    assert_eq!(
        kinds(&facts),
        [FlowKind::Attempt, FlowKind::Open, FlowKind::Identified, FlowKind::Close(CloseReason::Finished)]
    );
    assert_eq!(said(&facts), words(&[(AtoB, "ask"), (BtoA, "answer")]));
    let events = flows(&facts);
    let close = events.last().unwrap();
    assert!(close.roles_certain);
    assert_eq!((close.client.port, close.server.port), (50_000, 7777));
    assert_eq!(close.transport, Transport::Tcp);
    assert_eq!(close.service, Some("toy"));
    let packets: [u64; 2] = [0, 1].map(|side| events.iter().map(|event| event.packets[side]).sum());
    assert_eq!(packets, [5, 3], "the last acknowledgement comes after the close");
    assert_eq!(summary.flow.decoded.get("toy"), 15);
    assert!(summary.flow.skipped.is_empty());
}

#[test]
fn starts_in_mid_stream_and_finds_the_server_by_its_port() {
    let mut talk = Talk::new();
    talk.data(1, &toy(0, b"answer")).data(0, &toy(0, b"ask"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "answer"), (BtoA, "ask")]));
    let events = flows(&facts);
    assert!(events.iter().all(|event| event.client.port == 50_000 && !event.roles_certain));
    assert_eq!(kinds(&facts), [FlowKind::Identified, FlowKind::Open, FlowKind::Close(CloseReason::EndOfInput)]);
    assert_eq!(summary.flow.mid_stream, 1);
}

#[test]
fn one_direction_only() {
    let mut talk = Talk::new();
    for _ in 0..20 {
        talk.data(1, &toy(0, b"x"));
    }
    let (facts, _) = talk.run();
    assert_eq!(kinds(&facts), [FlowKind::Identified, FlowKind::OneSided, FlowKind::Close(CloseReason::EndOfInput)]);
    assert_eq!(said(&facts).len(), 20);
}

#[test]
fn refused_and_repeated_attempts() {
    let mut talk = Talk::new();
    talk.raw_ack(0, 1000, 0, SYN, &[]);
    talk.raw_ack(0, 1000, 0, SYN, &[]);
    talk.raw_ack(0, 1000, 0, SYN, &[]);
    talk.raw_ack(1, 0, 1001, RST | ACK, &[]);
    talk.time += 2_000_000_000;
    talk.raw_ack(0, 5000, 0, SYN, &[]);
    let (facts, _) = talk.run();
    let told: Vec<_> = flows(&facts).into_iter().map(|event| (event.kind, event.count)).collect();
    assert_eq!(
        told,
        [
            (FlowKind::Attempt, 1),
            (FlowKind::Refused, 1),
            (FlowKind::Attempt, 2),
            (FlowKind::Attempt, 1),
            (FlowKind::Close(CloseReason::EndOfInput), 1)
        ]
    );
}

#[test]
fn half_open_scan_is_no_open_connection() {
    let mut talk = Talk::new();
    talk.raw_ack(0, 1000, 0, SYN, &[]);
    talk.raw_ack(1, 90_000, 1001, SYN | ACK, &[]);
    talk.raw_ack(0, 1001, 0, RST, &[]);
    let (facts, _) = talk.run();
    assert_eq!(kinds(&facts), [FlowKind::Attempt, FlowKind::Close(CloseReason::Reset)]);
}

#[test]
fn a_lost_segment_is_a_gap_once_the_peer_has_acknowledged_it() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one")).lost(0, 10).data(0, &toy(0, b"three"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one"), (AtoB, "three")]), "at the end at the latest");
    assert_eq!(summary.flow.gap_bytes, 10);
    talk.ack(1).data(0, &toy(0, b"four"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one"), (AtoB, "three"), (AtoB, "four")]));
    let place = |name: &str| {
        facts.iter().find_map(|(order, fact)| match fact {
            Fact::Activity(activity) if activity.target.name.as_deref() == Some(name) => Some(order.packet),
            _ => None,
        })
    };
    assert_eq!((place("three"), place("four")), (Some(6), Some(7)));
    assert_eq!(summary.flow.gaps, 1);
    let third = activities(&facts).into_iter().find(|activity| activity.target.name.as_deref() == Some("three"));
    assert_eq!(third.unwrap().frames[0].number(), 5, "the frame that carried it, not the one that freed it");
}

#[test]
fn a_hole_without_acknowledgements_closes_after_two_seconds() {
    let mut talk = Talk::new();
    talk.data(0, &toy(0, b"one")).lost(0, 10).data(0, &toy(0, b"three"));
    talk.time += 5_000_000_000;
    talk.ack(0);
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts).len(), 2);
    let third = facts.iter().rfind(|(_, fact)| matches!(fact, Fact::Activity(_))).unwrap();
    assert_eq!(third.0.packet, 3, "at the end of the epoch that packet 3 ends");
    assert_eq!(summary.flow.gap_bytes, 10);
}

#[test]
fn out_of_order_and_retransmitted() {
    let mut talk = Talk::new();
    talk.handshake();
    let [one, two, three] = [toy(0, b"one"), toy(0, b"two"), toy(0, b"three")];
    let at = talk.seq[0];
    let len = one.len() as u32;
    talk.raw(0, at + 2 * len, ACK, &three);
    talk.raw(0, at + len, ACK, &two);
    talk.raw(0, at, ACK, &one);
    talk.raw(0, at + len, ACK, &two);
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one"), (AtoB, "two"), (AtoB, "three")]));
    assert_eq!(summary.flow.out_of_order, 2);
    assert_eq!(summary.flow.retransmitted, 1);
    assert_eq!(summary.flow.gaps, 0);
    assert_eq!(summary.flow.conflicts, 0);
}

#[test]
fn overlaps_with_other_bytes_are_told() {
    let mut talk = Talk::new();
    talk.handshake();
    let at = talk.seq[0];
    talk.data(0, &toy(0, b"good value")).ack(1);
    talk.raw(0, at, ACK, &toy(0, b"evil value"));
    talk.data(0, &toy(0, b"next"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "good value"), (AtoB, "next")]));
    let conflict = kinds(&facts).into_iter().find(|kind| matches!(kind, FlowKind::Conflict { .. })).unwrap();
    assert_eq!(
        conflict,
        FlowKind::Conflict { offset: 3, length: 10, first: b"good value"[..].into(), later: b"evil value"[..].into() }
    );
    assert_eq!(summary.flow.conflicts, 1);
}

#[test]
fn of_held_bytes_the_first_win_as_well() {
    let mut talk = Talk::new();
    talk.handshake();
    let at = talk.seq[0];
    let (good, evil) = (toy(0, b"good"), toy(0, b"evil"));
    talk.raw(0, at + 3, ACK, &good[3..]);
    talk.raw(0, at, ACK, &evil);
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "good")]));
    assert_eq!(summary.flow.conflicts, 1);
}

#[test]
fn sequence_numbers_wrap() {
    let mut talk = Talk::new();
    talk.seq = [u32::MAX - 9, u32::MAX - 2];
    talk.handshake();
    for text in ["one", "two", "three"] {
        talk.data(0, &toy(0, text.as_bytes())).data(1, &toy(0, text.as_bytes()));
    }
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts).len(), 6);
    assert_eq!((summary.flow.gaps, summary.flow.retransmitted), (0, 0));
}

#[test]
fn ports_are_used_again() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one"));
    talk.seq = [700_000, 800_000];
    talk.handshake().data(0, &toy(0, b"two")).close();
    talk.seq = [1, 2];
    talk.handshake().data(0, &toy(0, b"three"));
    let (facts, _) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one"), (AtoB, "two"), (AtoB, "three")]));
    let closes: Vec<_> = kinds(&facts).into_iter().filter(|kind| matches!(kind, FlowKind::Close(_))).collect();
    assert_eq!(
        closes,
        [
            FlowKind::Close(CloseReason::Reused),
            FlowKind::Close(CloseReason::Finished),
            FlowKind::Close(CloseReason::EndOfInput)
        ]
    );
    let mut sessions: Vec<_> = flows(&facts).iter().map(|event| event.session).collect();
    sessions.sort();
    sessions.dedup();
    assert_eq!(sessions.len(), 3);
}

#[test]
fn frames_mirrored_twice_count_once() {
    let mut talk = Talk::new();
    let mut doubled = Talk::new();
    talk.handshake().data(0, &toy(0, b"one")).ack(1).data(1, &toy(0, b"two")).close();
    doubled.memory.frames =
        talk.memory.frames.iter().flat_map(|(t, f, w)| [(*t, f.clone(), *w), (*t + 5000, f.clone(), *w)]).collect();
    let (once, _) = talk.run();
    let (twice, summary) = doubled.run();
    assert_eq!(kinds(&once), kinds(&twice));
    assert_eq!(said(&once), said(&twice));
    let packets = |facts: &[_]| flows(facts).iter().map(|event| event.packets[0] + event.packets[1]).sum::<u64>();
    assert_eq!(packets(&once), packets(&twice));
    assert_eq!(summary.flow.duplicates, u64::try_from(talk.memory.frames.len()).unwrap());
    assert_eq!(summary.flow.conflicts, 0);
}

#[test]
fn a_double_with_other_bytes_is_a_conflict() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one"));
    talk.again();
    let frame = &mut talk.memory.frames.last_mut().unwrap().1;
    *frame.last_mut().unwrap() = b'X';
    let (facts, summary) = talk.run();
    assert_eq!(summary.flow.conflicts, 1);
    assert_eq!(said(&facts), words(&[(AtoB, "one")]));
}

#[test]
fn keep_alives_are_no_conflict() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one")).ack(1);
    let probe = talk.seq[0] - 1;
    talk.raw(0, probe, ACK, &[0]);
    talk.raw(0, probe, ACK, &[]);
    talk.data(0, &toy(0, b"two"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts).len(), 2);
    assert_eq!((summary.flow.keep_alives, summary.flow.conflicts), (1, 0));
}

#[test]
fn a_message_across_segments_and_several_in_one() {
    let mut talk = Talk::new();
    talk.handshake();
    let bytes = [toy(0, b"one"), toy(0, b"two")].concat();
    for byte in &bytes {
        talk.data(0, &[*byte]);
    }
    talk.data(0, &bytes);
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts).len(), 4);
    assert_eq!(summary.flow.decoded.get("toy"), 24);
    assert!(summary.flow.skipped.is_empty());
}

#[test]
fn cut_frames_are_gaps() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one")).data(0, &toy(0, b"a long text")).data(0, &toy(0, b"three"));
    let (_, frame, _) = talk.memory.frames.get_mut(4).unwrap();
    frame.truncate(frame.len() - 5);
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one"), (AtoB, "three")]));
    assert_eq!(summary.flow.cut_bytes, 5);
    assert_eq!(summary.flow.skipped.get("unfinished"), 9);
}

#[test]
fn another_protocol_on_the_standard_port() {
    let mut talk = Talk::new();
    talk.handshake().data(0, b"GET / HTTP/1.1\r\n").data(1, b"HTTP/1.1 200 OK\r\n");
    let (facts, summary) = talk.run();
    assert_eq!(
        kinds(&facts),
        [FlowKind::Attempt, FlowKind::Open, FlowKind::WrongProtocol("toy"), FlowKind::Close(CloseReason::EndOfInput)]
    );
    assert_eq!(summary.flow.skipped.get("not-ot"), 33);
}

#[test]
fn a_session_that_fails_is_given_up_alone() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one")).data(0, &toy(9, b"boom")).data(0, &toy(0, b"two")).close();
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one")]));
    assert_eq!(summary.flow.sessions_quarantined, 1);
    // The message that broke it, and the one behind.
    assert_eq!(summary.flow.skipped.get("quarantined"), 7 + 6);
    assert!(
        facts.iter().any(|(_, fact)| matches!(fact, Fact::Health(health) if health.counter == "sessions-quarantined"))
    );
}

#[test]
fn a_session_that_understands_nothing_is_doubted() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one"));
    for _ in 0..80 {
        talk.data(0, &[0; 1000]);
    }
    let (_, summary) = talk.run();
    assert_eq!(summary.flow.sessions_lost, 1);
    assert_eq!(summary.flow.skipped.sum() + summary.flow.decoded.sum(), 80_006);
}

#[test]
fn a_forged_reset_does_not_blind() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one"));
    talk.raw(0, talk.seq[0] + 50_000_000, RST, &[]);
    talk.data(0, &toy(0, b"two"));
    talk.raw(0, talk.seq[0], RST, &[]);
    talk.time += 5_000_000_000;
    talk.data(0, &toy(0, b"three"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts).len(), 3);
    assert_eq!(summary.flow.resets_ignored, 1);
}

#[test]
fn segments_far_outside_do_not_move_the_stream() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one"));
    talk.raw(0, talk.seq[0] + 500_000_000, ACK, &toy(0, b"far"));
    talk.data(0, &toy(0, b"two"));
    // A capture that lost much goes on elsewhere for good.
    talk.lost(0, 900_000_000).data(0, &toy(0, b"x")).data(0, &toy(0, b"three"));
    let (facts, summary) = talk.run();
    assert_eq!(said(&facts), words(&[(AtoB, "one"), (AtoB, "two"), (AtoB, "three")]));
    assert_eq!(summary.flow.out_of_window, 3);
}

#[test]
fn idle_connections_end_and_counters_are_told_each_minute() {
    let mut talk = Talk::new();
    talk.handshake().data(0, &toy(0, b"one"));
    for _ in 0..13 {
        talk.time += 10_000_000_000;
        talk.data(0, &toy(0, b"."));
    }
    let other = End { ip: [10, 9, 9, 9], port: 4 };
    for _ in 0..9 {
        talk.time += 900_000_000_000;
        let frame = udp(other, SERVER, 0, &[]);
        talk.memory.push(talk.time, frame);
    }
    let (facts, _) = talk.run();
    let mine: Vec<_> = flows(&facts).into_iter().filter(|event| event.transport == Transport::Tcp).collect();
    let told: Vec<_> = mine.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(
        told,
        [
            FlowKind::Attempt,
            FlowKind::Open,
            FlowKind::Identified,
            FlowKind::Update,
            FlowKind::Update,
            FlowKind::Update,
            FlowKind::Close(CloseReason::Idle)
        ]
    );
}
