//! Signatures of malware in payload: found across segments, once, and never in OT messages.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ot_protocol::{Direction, Fact, SignatureHit};
use support::{CLIENT, Memory, SERVER, TOY, Talk, config, run, toy, udp};

fn eicar() -> Vec<u8> {
    [&b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$"[..], b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

fn hits(memory: &Memory) -> Vec<SignatureHit> {
    let mut all: Option<Vec<SignatureHit>> = None;
    for (workers, batch) in [(0, 2048), (0, 1), (2, 3)] {
        let (facts, summary) = run(memory, &TOY, &config(workers, batch));
        let of = |(_, fact)| if let Fact::Signature(hit) = fact { Some(*hit) } else { None };
        let found: Vec<_> = facts.into_iter().filter_map(of).collect();
        assert_eq!(summary.flow.signatures, found.len() as u64);
        assert_eq!(*all.get_or_insert_with(|| found.clone()), found);
    }
    all.unwrap()
}

/// A stream of some other protocol with these segments from the server.
fn stream(segments: &[&[u8]]) -> Memory {
    let mut talk = Talk::new();
    talk.handshake().data(0, b"GET /file HTTP/1.1\r\n\r\n").data(1, b"HTTP/1.1 200 OK\r\n\r\n");
    for segment in segments {
        talk.data(1, segment);
    }
    talk.close();
    talk.memory.clone()
}

#[test]
fn it_is_found_wherever_the_stream_is_cut_and_told_once() {
    let file = [&b"some text before "[..], &eicar(), b" and behind, twice ", &eicar()].concat();
    for cut in 1..file.len() {
        let (a, b) = file.split_at(cut);
        let found = hits(&stream(&[a, b]));
        assert_eq!(found.len(), 1, "cut at {cut}");
        assert_eq!((found[0].signature.id, found[0].sender), ("eicar", Direction::BtoA));
        assert!(found[0].bytes.starts_with(b"X5O!P%@AP"));
    }
    let each: Vec<&[u8]> = file.chunks(1).collect();
    assert_eq!(hits(&stream(&each)).len(), 1, "a byte a segment");
}

#[test]
fn a_part_of_it_and_what_lies_beyond_the_limit_is_not() {
    let whole = eicar();
    assert!(hits(&stream(&[&whole[..67], b" nothing more"])).is_empty());
    let filler = vec![b'x'; 1400];
    let mut segments: Vec<&[u8]> = vec![&filler; 800];
    segments.push(&whole);
    assert!(hits(&stream(&segments)).is_empty(), "behind 1 MiB");
    segments.truncate(700);
    segments.push(&whole);
    assert_eq!(hits(&stream(&segments)).len(), 1, "before");
}

#[test]
fn datagrams_are_searched_and_messages_of_a_protocol_are_not() {
    let mut memory = Memory::default();
    memory.push(1_000_000_000_000, udp(CLIENT, SERVER, 1, &eicar()));
    let found = hits(&memory);
    assert_eq!((found.len(), found[0].sender), (1, Direction::AtoB));
    let mut relay = vec![0; 18];
    (relay[0], relay[1], relay[16], relay[17]) = (0x11, 0x49, 0x28, 0x9e);
    let port = support::End { port: 50_000, ..SERVER };
    let mut memory = Memory::default();
    memory.push(1_000_000_000_000, udp(support::End { port: 40_000, ..CLIENT }, port, 1, &relay));
    assert_eq!(hits(&memory)[0].signature.id, "industroyer-siprotec");

    let mut talk = Talk::new();
    talk.handshake();
    for n in 0..3 {
        talk.data(0, &toy(2, &[0, n]));
    }
    let payload: Vec<u8> = eicar();
    talk.data(0, &toy(2, &payload));
    assert!(hits(&talk.memory).is_empty());
}
