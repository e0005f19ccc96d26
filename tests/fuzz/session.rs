//! A session of a protocol shown any bytes in any pieces: what the target of each protocol does with its input.

use crate::{Counts, PROTOCOLS};
use ot_protocol::{
    Context, Direction, Domain, Endpoint, Finish, FrameRef, PacketInfo, Probe, Protocol, SessionId, SessionStart, Timestamp,
};

/// Bits of the first byte of an input.
pub mod start {
    /// A port is one of the protocol's.
    pub const STANDARD_PORT: u8 = 1;
    /// The pieces are datagrams.
    pub const DATAGRAM: u8 = 2;
    /// The client is known to be end A.
    pub const CLIENT_KNOWN: u8 = 4;
}

/// Bits of the first byte of a piece; the upper four are seconds per packet since the beginning.
pub mod piece {
    /// End B sends it.
    pub const FROM_B: u8 = 1;
    /// Bytes were lost before it.
    pub const GAP: u8 = 2;
    /// Nothing of end B was ever seen.
    pub const ONE_SIDED: u8 = 8;
}

/// Most bytes a session may leave to be shown again.
const MOST_HELD: usize = 70_000;

/// Plays an input to a session of the protocol with this id.
///
/// # Panics
/// Where the session does not keep to the contract, and where there is no such protocol.
pub fn play(protocol: &str, bytes: &[u8]) {
    let Some((&first, mut rest)) = bytes.split_first() else { return };
    let known = PROTOCOLS.iter().find(|known| known.id() == protocol);
    let protocol = known.expect("a protocol of the registry");
    let datagram = first & start::DATAGRAM != 0;
    let _ = protocol.probe([rest, &[]], first & start::STANDARD_PORT != 0, datagram);
    let mut session = protocol.session(SessionStart {
        session: SessionId(1),
        ends: [Endpoint::default(), Endpoint::default()],
        client: (first & start::CLIENT_KNOWN != 0).then_some(Direction::AtoB),
        datagram,
    });
    let mut sink = Counts::default();
    let mut held: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    let (mut number, mut dealt) = (0, 0);
    while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let (data, after) = tail.split_at(usize::from(head[1]).min(tail.len()));
        rest = after;
        number += 1;
        let packet = PacketInfo {
            number,
            frame: FrameRef::new(0_u32, number),
            time: Timestamp::new(i64::try_from(number).unwrap_or(0) * i64::from(head[0] >> 4), 0),
        };
        let mut context = Context { packet, seen: [true, head[0] & piece::ONE_SIDED == 0], sink: &mut sink };
        let direction = if head[0] & piece::FROM_B == 0 { Direction::AtoB } else { Direction::BtoA };
        if head[0] & piece::GAP != 0 {
            session.gap(&mut context, direction, u64::from(head[1]));
            held[direction.index()].clear();
        }
        if datagram {
            session.datagram(&mut context, direction, data);
            dealt += data.len();
        } else {
            let buffer = &mut held[direction.index()];
            buffer.extend_from_slice(data);
            let progress = session.data(&mut context, direction, buffer);
            assert!(progress.consumed <= buffer.len(), "consumed more than it was shown");
            assert!(progress.need == 0 || progress.need > buffer.len() - progress.consumed, "asks for what it has");
            buffer.drain(..progress.consumed);
            dealt += progress.consumed;
            assert!(buffer.len() < MOST_HELD, "never consumes");
        }
        session.tick(&mut context);
        assert_eq!(sink.bytes, dealt, "each byte dealt with is told once, as decoded or as skipped");
    }
    let mut context = Context { packet: PacketInfo::default(), seen: [true, true], sink: &mut sink };
    session.finish(&mut context, Finish::EndOfInput);
}

/// The companion protocol that the first byte of an input chooses.
pub fn companion(choice: u8) -> &'static str {
    let companions = || PROTOCOLS.iter().filter(|protocol| protocol.domain() == Domain::It);
    companions().nth(usize::from(choice) % companions().count().max(1)).map_or("", |protocol| protocol.id())
}

/// The byte that chooses a companion protocol; `None` for an OT protocol.
pub fn choice(protocol: &str) -> Option<u8> {
    let mut companions = PROTOCOLS.iter().filter(|protocol| protocol.domain() == Domain::It);
    companions.position(|companion| companion.id() == protocol).and_then(|at| u8::try_from(at).ok())
}

/// The protocol whose target an input is for, by the first bytes of both directions; the first of the registry where none
/// claims them.
pub fn claimed_by(bytes: [&[u8]; 2], ports: [u16; 2], datagram: bool) -> &'static str {
    let claims = |protocol: &&&dyn Protocol| {
        let standard = ports.iter().any(|port| protocol.ports().contains(port));
        matches!(protocol.probe(bytes, standard, datagram), Probe::Yes { .. })
    };
    PROTOCOLS.iter().find(claims).or(PROTOCOLS.first()).map_or("", |protocol| protocol.id())
}
