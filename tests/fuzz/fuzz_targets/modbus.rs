//! A Modbus session shown any bytes in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_fuzz::{Counts, PROTOCOLS};
use ot_protocol::{
    Context, Direction, Endpoint, Finish, FrameRef, PacketInfo, Protocol, SessionId, SessionStart, Timestamp,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, mut rest)) = bytes.split_first() else { return };
    let protocol: &dyn Protocol = PROTOCOLS[0];
    let _ = protocol.probe([rest, &[]], first & 1 == 1, first & 2 == 2);
    let start = SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(), Endpoint::default()],
        client: (first & 4 == 4).then_some(Direction::AtoB),
        datagram: first & 2 == 2,
    };
    let mut session = protocol.session(start);
    let mut sink = Counts::default();
    let mut held: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    let (mut number, mut dealt) = (0, 0);
    while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let (piece, after) = tail.split_at(usize::from(head[1]).min(tail.len()));
        rest = after;
        number += 1;
        let packet = PacketInfo {
            number,
            frame: FrameRef::new(0_u32, number),
            time: Timestamp::new(i64::try_from(number).unwrap_or(0) * i64::from(head[0] >> 4), 0),
        };
        let mut context = Context { packet, seen: [true, head[0] & 8 == 0], sink: &mut sink };
        let direction = if head[0] & 1 == 0 { Direction::AtoB } else { Direction::BtoA };
        if head[0] & 2 == 2 {
            session.gap(&mut context, direction, u64::from(head[1]));
            held[direction.index()].clear();
        }
        if start.datagram {
            session.datagram(&mut context, direction, piece);
            dealt += piece.len();
        } else {
            let buffer = &mut held[direction.index()];
            buffer.extend_from_slice(piece);
            let progress = session.data(&mut context, direction, buffer);
            assert!(progress.consumed <= buffer.len(), "consumed more than it was shown");
            assert!(progress.need == 0 || progress.need > buffer.len() - progress.consumed, "asks for what it has");
            buffer.drain(..progress.consumed);
            dealt += progress.consumed;
            assert!(buffer.len() < 70_000, "never consumes");
        }
        session.tick(&mut context);
        assert_eq!(sink.bytes, dealt, "each byte dealt with is told once, as decoded or as skipped");
    }
    let mut context = Context { packet: PacketInfo::default(), seen: [true, true], sink: &mut sink };
    session.finish(&mut context, Finish::EndOfInput);
});
