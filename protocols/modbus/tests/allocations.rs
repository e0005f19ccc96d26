//! The usual poll, once known, makes no allocation.

use ot_modbus::MODBUS;
use ot_protocol::conformance::Knowing;
use ot_protocol::{Context, Direction, Endpoint, FrameRef, PacketInfo, Protocol, SessionId, SessionStart, Timestamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn the_usual_poll_allocates_nothing() {
    let start = SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(); 2],
        client: Some(Direction::AtoB),
        datagram: false,
    };
    let mut session = MODBUS.session(start);
    let mut sink = Knowing::default();
    let mut time = Timestamp::new(1_700_000_000, 0);
    let mut poll = |sink: &mut Knowing, id: u8| {
        let exchanges: [(&[u8], &[u8]); 5] = [
            (&[0, id, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2], &[0, id, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2]),
            (&[1, id, 0, 0, 0, 6, 1, 1, 0, 0, 0, 8], &[1, id, 0, 0, 0, 4, 1, 1, 1, 0x55]),
            (&[2, id, 0, 0, 0, 6, 1, 4, 0, 0, 0, 1], &[2, id, 0, 0, 0, 3, 1, 0x84, 2]),
            (&[3, id, 0, 0, 0, 6, 1, 5, 0, 0, 0xFF, 0], &[3, id, 0, 0, 0, 6, 1, 5, 0, 0, 0xFF, 0]),
            (&[4, id, 0, 0, 0, 6, 1, 6, 0, 0, 0, 9], &[4, id, 0, 0, 0, 6, 1, 6, 0, 0, 0, 9]),
        ];
        for (request, response) in exchanges {
            for (direction, bytes) in [(Direction::AtoB, request), (Direction::BtoA, response)] {
                time = time.plus(1_000_000);
                let packet = PacketInfo { number: 1, frame: FrameRef::new(0_u16, 1), time };
                let mut context = Context { packet, seen: [true; 2], sink };
                assert_eq!(session.data(&mut context, direction, bytes).consumed, bytes.len());
            }
        }
    };
    // The table of answered requests fills once.
    for id in 0..10 {
        poll(&mut sink, id);
    }
    // The test's own threads may allocate beside: of several rounds one is without.
    let rounds = (1..11).map(|round| {
        let region = Region::new(ALLOCATOR);
        for id in 0..10 {
            poll(&mut sink, round * 10 + id);
        }
        let change = region.change();
        change.allocations + change.reallocations
    });
    assert_eq!(rounds.min(), Some(0));
    assert_eq!(sink.known, 5 * 110);
    assert_eq!(sink.values, (2 + 8 + 1 + 1) * 110);
}
