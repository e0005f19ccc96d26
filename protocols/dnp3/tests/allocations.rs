//! The usual poll, once known, makes no allocation, and neither do usual events, confirmations and controls.

mod common;

use common::exchanges;
use ot_dnp3::DNP3;
use ot_protocol::conformance::Knowing;
use ot_protocol::{Context, Direction, Endpoint, FrameRef, PacketInfo, Protocol, SessionId, SessionStart, Timestamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn what_repeats_allocates_nothing() {
    let start = SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(); 2],
        client: Some(Direction::AtoB),
        datagram: false,
    };
    let mut session = DNP3.session(start);
    let mut sink = Knowing::default();
    let mut time = Timestamp::new(1_700_000_000, 0);
    let exchanges = exchanges();
    let mut cycle = |sink: &mut Knowing| {
        for (direction, bytes) in &exchanges {
            time = time.plus(1_000_000);
            let packet = PacketInfo { number: 1, frame: FrameRef::new(0_u16, 1), time };
            let mut context = Context { packet, seen: [true; 2], sink };
            assert_eq!(session.data(&mut context, *direction, bytes).consumed, bytes.len());
        }
    };
    // Buffers grow once, and the state of the outstation is told once.
    for _ in 0..10 {
        cycle(&mut sink);
    }
    assert_eq!(sink.identities, 1);
    // The harness has a thread of its own, which may allocate meanwhile: the least of some rounds counts.
    let mut least = usize::MAX;
    for _ in 0..10 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..10 {
            cycle(&mut sink);
        }
        let change = region.change();
        least = least.min(change.allocations + change.reallocations);
    }
    assert_eq!(least, 0);
    // Poll; poll and three ranges; events and confirmation; select; operate.
    assert_eq!(sink.known, (1 + 4 + 2 + 2) * 110);
    assert_eq!(sink.values, (4 + 3 + 1 + 2 + 2) * 110);
    assert_eq!(sink.identities, 1);
}
