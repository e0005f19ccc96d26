//! What usual exchanges cost.

mod common;

use common::exchanges;
use ot_dnp3::DNP3;
use ot_protocol::conformance::Knowing;
use ot_protocol::{Context, Direction, Endpoint, FrameRef, PacketInfo, Protocol, SessionId, SessionStart, Timestamp};
use std::hint::black_box;
use std::time::Instant;

/// `cargo test --release -p ot-dnp3 --test costs -- --ignored --nocapture` tells what a poll costs.
#[test]
#[ignore = "measures"]
fn costs() {
    let start = SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(); 2],
        client: Some(Direction::AtoB),
        datagram: false,
    };
    let mut session = DNP3.session(start);
    let mut sink = Knowing::default();
    let time = Timestamp::new(1_700_000_000, 0);
    let all = exchanges();
    for (name, from, to) in [("event poll", 0, 2), ("integrity poll", 2, 4), ("unsolicited", 4, 6), ("control", 6, 10)]
    {
        let rounds = 200_000;
        let begin = Instant::now();
        for _ in 0..rounds {
            for (direction, bytes) in black_box(&all[from..to]) {
                let packet = PacketInfo { number: 1, frame: FrameRef::new(0_u16, 1), time };
                let mut context = Context { packet, seen: [true; 2], sink: &mut sink };
                session.data(&mut context, *direction, bytes);
            }
        }
        println!("{name}: {:.0} ns", begin.elapsed().as_secs_f64() * 1e9 / f64::from(rounds));
    }
}
