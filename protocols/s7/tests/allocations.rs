//! The usual poll, once known, makes no allocation.

use ot_protocol::conformance::Knowing;
use ot_protocol::{Context, Direction, Endpoint, FrameRef, PacketInfo, Protocol, SessionId, SessionStart, Timestamp};
use ot_s7::S7COMM;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Header of packet, data unit and S7comm unit around two parts.
fn unit(kind: u8, reference: u8, param: &[u8], data: &[u8]) -> Vec<u8> {
    let byte = |length: usize| u8::try_from(length).expect("short");
    let head = if kind == 3 { 12 } else { 10 };
    let mut bytes = vec![3, 0, 0, byte(7 + head + param.len() + data.len()), 2, 0xF0, 0x80];
    bytes.extend([0x32, kind, 0, 0, 0, reference, 0, byte(param.len()), 0, byte(data.len())]);
    bytes.extend(if kind == 3 { &[0, 0][..] } else { &[] });
    bytes.extend(param);
    bytes.extend(data);
    bytes
}

#[test]
fn the_usual_poll_allocates_nothing() {
    let start = SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(); 2],
        client: Some(Direction::AtoB),
        datagram: false,
    };
    let mut session = S7COMM.session(start);
    let mut sink = Knowing::default();
    let mut time = Timestamp::new(1_700_000_000, 0);
    // Three words and a real of DB 10 and a flag; a word written; the protection level.
    let items: Vec<u8> = [
        &[4, 3][..],
        &[0x12, 10, 0x10, 4, 0, 3, 0, 10, 0x84, 0, 0, 0],
        &[0x12, 10, 0x10, 8, 0, 1, 0, 10, 0x84, 0, 0, 0x40],
        &[0x12, 10, 0x10, 1, 0, 1, 0, 0, 0x83, 0, 0, 3],
    ]
    .concat();
    let values = [0xFF, 4, 0, 48, 0, 1, 0, 2, 0, 3, 0xFF, 7, 0, 4, 0x41, 0x33, 0x85, 0x1F, 0xFF, 3, 0, 1, 1];
    let write = [5, 1, 0x12, 10, 0x10, 4, 0, 1, 0, 10, 0x84, 0, 0, 0x60];
    let list = [0, 1, 0x12, 4, 0x11, 0x44, 1, 0];
    let listed = [0, 1, 0x12, 8, 0x12, 0x84, 1, 1, 0, 0, 0, 0];
    let mut poll = |sink: &mut Knowing, id: u8| {
        let exchanges = [
            [unit(1, id, &items, &[]), unit(3, id, &[4, 3], &values)],
            [unit(1, id, &write, &[0, 4, 0, 16, 0, 9]), unit(3, id, &[5, 1], &[0xFF])],
            [unit(7, id, &list, &[0xFF, 9, 0, 4, 0, 0x32, 0, 4]), unit(7, id, &listed, &[0x0A, 0, 0, 0])],
        ];
        let region = Region::new(ALLOCATOR);
        for bytes in &exchanges {
            for (direction, bytes) in [Direction::AtoB, Direction::BtoA].into_iter().zip(bytes) {
                time = time.plus(1_000_000);
                let packet = PacketInfo { number: 1, frame: FrameRef::new(0_u16, 1), time };
                let mut context = Context { packet, seen: [true; 2], sink };
                assert_eq!(session.data(&mut context, direction, bytes).consumed, bytes.len());
            }
        }
        let change = region.change();
        change.allocations + change.reallocations
    };
    // Buffers are made once.
    for id in 0..10 {
        poll(&mut sink, id);
    }
    // The test's own threads may allocate beside: of several rounds one is without.
    let rounds = (1..11).map(|round| (0..10).map(|id| poll(&mut sink, round * 10 + id)).sum::<usize>());
    assert_eq!(rounds.min(), Some(0));
    assert_eq!(sink.known, 5 * 110);
    assert_eq!(sink.values, (3 + 1 + 1 + 1) * 110);
}
