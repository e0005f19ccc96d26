//! However a stream is cut, shuffled, doubled and overlapped, the same bytes come out.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod support;

use proptest::prelude::*;
use support::*;

/// One change to the list of segments.
#[derive(Clone, Debug)]
enum Change {
    Swap(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
    Overlap(prop::sample::Index, prop::sample::Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Change::Swap),
        (index(), index()).prop_map(|(of, to)| Change::Repeat(of, to)),
        (index(), index(), 1..60u8).prop_map(|(from, to, length)| Change::Overlap(from, to, length)),
    ]
}

fn flags() -> impl Strategy<Value = u8> {
    prop_oneof![12 => Just(ACK), 1 => any::<u8>(), 1 => Just(SYN), 1 => Just(FIN | ACK)]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z]{0,50}".prop_map(|text| toy(0, text.as_bytes())),
        prop::collection::vec(any::<u8>(), 0..60),
        Just(Vec::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_same_bytes_come_out(
        texts in prop::collection::vec("[a-z]{0,50}", 1..40),
        cuts in prop::collection::vec(1..40usize, 1..200),
        changes in prop::collection::vec(change(), 0..30),
        isn in any::<u32>(),
    ) {
        let stream: Vec<u8> = texts.iter().flat_map(|text| toy(0, text.as_bytes())).collect();
        let mut segments: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(stream.len());
            segments.push((at, end));
            at = end;
            if at == stream.len() {
                break;
            }
        }
        // The first segment stays first: it tells where the stream begins.
        for change in changes {
            let count = segments.len();
            match change {
                Change::Swap(at) if count > 2 => {
                    let at = 1 + at.index(count - 2);
                    segments.swap(at, at + 1);
                }
                Change::Repeat(of, to) => {
                    let segment = segments[of.index(count)];
                    segments.insert(1 + to.index(count), segment);
                }
                Change::Overlap(from, to, length) => {
                    let from = from.index(stream.len());
                    let end = (from + usize::from(length)).min(stream.len());
                    segments.insert(1 + to.index(count), (from, end));
                }
                Change::Swap(_) => {}
            }
        }
        let mut talk = Talk::new();
        // The whole takes less time than that after which a hole is given up.
        talk.step = 500_000;
        talk.seq = [isn, 5];
        talk.handshake();
        let start = talk.seq[0];
        for (from, to) in segments {
            talk.raw(0, start.wrapping_add(from as u32), ACK, &stream[from..to]);
        }
        let (facts, summary) = talk.run();
        let said: Vec<String> = said(&facts).into_iter().map(|(_, text)| text).collect();
        prop_assert_eq!(said, texts);
        prop_assert_eq!(summary.flow.conflicts, 0);
        prop_assert_eq!(summary.flow.gaps, 0);
        prop_assert_eq!(summary.flow.decoded.get("toy"), stream.len() as u64);
        // Every byte that was seen is decoded or came before.
        prop_assert_eq!(summary.flow.tcp_payload, stream.len() as u64 + summary.flow.retransmitted_bytes);
    }

    #[test]
    fn any_segments_at_all(
        segments in prop::collection::vec((0..2usize, 900..1400u32, flags(), body()), 0..200),
    ) {
        let mut talk = Talk::new();
        for (side, seq, flags, payload) in segments {
            talk.raw(side, seq, flags, &payload);
        }
        let (_, summary) = talk.run();
        // Never an error, and every byte ends in exactly one place.
        let spent = summary.flow.decoded.sum() + summary.flow.skipped.sum() + summary.flow.retransmitted_bytes;
        prop_assert_eq!(spent, summary.flow.tcp_payload, "{:?}", summary.flow);
    }
}
