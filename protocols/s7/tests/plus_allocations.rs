//! The usual poll of an S7comm-plus client, once known, makes no allocation.

#[path = "plus/bytes.rs"]
mod bytes;

use bytes::*;
use ot_protocol::{
    Activity, ActivityKey, Context, Direction, Endpoint, FrameRef, Identity, Message, NameUse, Nanos, PacketInfo,
    Protocol, SessionId, SessionStart, Sink, Timestamp, ValueView,
};
use ot_s7::S7COMM_PLUS;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Knows everything.
#[derive(Default)]
struct Knowing {
    known: usize,
    values: usize,
}

impl Sink for Knowing {
    fn wants_messages(&self) -> bool {
        false
    }
    fn message(&mut self, _: Message) {}
    fn known(&mut self, _: &ActivityKey, _: Timestamp, _: [FrameRef; 2], _: Nanos, values: ValueView<'_>) -> bool {
        self.known += 1;
        if let ValueView::Numbers(numbers) = values {
            self.values += numbers.len();
        }
        true
    }
    fn activity(&mut self, _: Option<ActivityKey>, _: Activity) {}
    fn identity(&mut self, _: Identity) {}
    fn hearsay(&mut self, _: Identity) {}
    fn name(&mut self, _: NameUse) {}
    fn decoded(&mut self, _: usize) {}
    fn skipped(&mut self, _: usize, _: &'static str) {}
    fn evicted(&mut self, _: &'static str) {}
    fn too_long(&mut self, _: u64) {}
}

#[test]
fn the_usual_poll_allocates_nothing() {
    let start = SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(); 2],
        client: Some(Direction::AtoB),
        datagram: false,
    };
    let mut session = S7COMM_PLUS.session(start);
    let mut sink = Knowing::default();
    let mut time = Timestamp::new(1_700_000_000, 0);
    let addresses = [
        address(0x1122_3344, 0x8A0E_0001, 2550, &[9]),
        address(0, 82, 3736, &[3, 10, 2]),
        address(0x55, 81, 3736, &[10]),
    ];
    let asked = join(&[&[0; 4], &[3, 15], &addresses.concat(), &qualifier(), &tail(3)]);
    let told = join(&[&[1], &real(1.5), &[2], &int(7), &[3], &boolean(true), &[0, 0], &tail(4)]);
    let event =
        [&[NOTIFICATION][..], &0x7040_0008_u32.to_be_bytes(), &[4, 0, 0, 0, 0, 0, 0, 9, 1, 0], &[0; 4]].concat();
    let exchange: Vec<(Direction, Vec<u8>)> = vec![
        (Direction::AtoB, whole(3, &request(0x054C, 7, 0x34, &asked))),
        (Direction::BtoA, whole(3, &response(0x054C, 7, &[0], &told))),
        (Direction::BtoA, whole(3, &event)),
    ];
    let mut poll = |sink: &mut Knowing| {
        for (direction, bytes) in &exchange {
            time = time.plus(1_000_000);
            let packet = PacketInfo { number: 1, frame: FrameRef::new(0_u16, 1), time };
            let mut context = Context { packet, seen: [true; 2], sink };
            assert_eq!(session.data(&mut context, *direction, bytes).consumed, bytes.len());
        }
    };
    // The buffers grow once.
    for _ in 0..5 {
        poll(&mut sink);
    }
    // The test's own threads may allocate beside: of several rounds one is without.
    let mut least = usize::MAX;
    for _ in 0..10 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..10 {
            poll(&mut sink);
        }
        let change = region.change();
        least = least.min(change.allocations + change.reallocations);
    }
    assert_eq!(least, 0);
    assert_eq!((sink.known, sink.values), (105 * 4, 105 * 3));
}
