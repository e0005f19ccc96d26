//! Whether bytes are S7, and which of the two.
//!
//! TPKT and COTP carry many protocols: MMS and ICCP share port 102 with S7, RDP has a port of its own. Certain are user
//! data that begins with the protocol id of S7comm (0x32) or S7comm-plus (0x72) and goes on as that protocol does, and,
//! on port 102, a connection request whose selectors are those of S7.

use crate::cotp::{self, Selector, Unit, UnitType};
use crate::tpkt::{self, HEADER, Header, Place, Step};
use ot_protocol::{Direction, Probe};

/// Units of unknown user data in one direction, after which it is something else.
const UNKNOWN: u32 = 3;

/// Which of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// S7comm.
    Comm,
    /// S7comm-plus.
    Plus,
}

/// What one direction shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Nothing yet, or the beginning of what may be a packet.
    Open,
    /// TPKT and COTP; what they carry does not show yet.
    Carrier,
    /// One of the two, and whether the client sent it, where that shows.
    Is(Kind, Option<bool>),
    /// TPKT and COTP that carry something else.
    Neighbour,
    /// Something else.
    Other,
}

/// See [`ot_protocol::Protocol::probe`].
pub(crate) fn probe(bytes: [&[u8]; 2], hint: bool, wanted: Kind) -> Probe {
    let sights = bytes.map(|bytes| look(bytes, hint));
    for (sight, direction) in sights.into_iter().zip([Direction::AtoB, Direction::BtoA]) {
        if let Sight::Is(kind, from_client) = sight {
            let client = from_client.map(|client| if client { direction } else { direction.reversed() });
            return if kind == wanted { Probe::Yes { client } } else { Probe::No };
        }
    }
    if sights.contains(&Sight::Neighbour) {
        return Probe::Neighbour;
    }
    let full = bytes.iter().any(|bytes| bytes.len() >= 4096);
    if full || sights.contains(&Sight::Other) {
        // TPKT and COTP in the other direction: what they carry is unknown, but they have a right to the port.
        return if sights.contains(&Sight::Carrier) { Probe::Neighbour } else { Probe::No };
    }
    Probe::More
}

fn look(bytes: &[u8], hint: bool) -> Sight {
    let mut rest = bytes;
    let mut sight = Sight::Open;
    let mut unknown = 0;
    while !rest.is_empty() {
        let length = match tpkt::step(rest, Place::Here) {
            Step::Packet(length) => length,
            Step::WrongLength(length) if hint || Header::read(rest).is_some_and(Header::is_good) => length,
            // The beginning may be enough.
            Step::Need(_) if tpkt::begins(rest) == Some(true) => rest.len(),
            Step::Need(_) => return sight,
            _ if sight == Sight::Carrier => return Sight::Neighbour,
            _ => return if hint { damaged(rest) } else { Sight::Other },
        };
        let whole = Header::read(rest).is_some_and(|header| usize::from(header.length) <= length);
        let packet = rest.get(..length).unwrap_or_default();
        rest = rest.get(length..).unwrap_or_default();
        let carried = packet.get(HEADER..).unwrap_or_default();
        let unit = match Unit::read(carried) {
            Ok(unit) => unit,
            Err(_) if whole => return if sight == Sight::Open { Sight::Other } else { Sight::Neighbour },
            Err(_) => return sight,
        };
        match unit.kind {
            UnitType::CR | UnitType::CC => match connection(&unit, hint) {
                Some(found) => return found,
                None => sight = Sight::Carrier,
            },
            UnitType::DT => match user_data(unit.data, whole, hint) {
                // What comes first may be the end of a unit of user data that began before the capture.
                Some(Sight::Neighbour) if unknown < UNKNOWN && !is_presentation(unit.data) => {
                    unknown += 1;
                    sight = Sight::Carrier;
                }
                Some(found) => return found,
                None => sight = Sight::Carrier,
            },
            _ => sight = Sight::Carrier,
        }
    }
    sight
}

/// What a connection request or confirm tells by its selectors.
fn connection(unit: &Unit<'_>, hint: bool) -> Option<Sight> {
    let request = unit.kind == UnitType::CR;
    let [calling, called] = unit.selectors();
    if cotp::is_plus_selector(called) {
        return Some(Sight::Is(Kind::Plus, Some(request)));
    }
    if calling.is_empty() && called.is_empty() && request {
        // RDP and others that address nothing by selectors. Their user data tells it again.
        return unit.header.get(7..).is_some_and(|rest| rest.starts_with(b"Cookie:")).then_some(Sight::Neighbour);
    }
    let s7 = |bytes: &[u8]| Selector::read(bytes).is_some_and(Selector::is_s7);
    (hint && calling.len() == 2 && s7(called)).then_some(Sight::Is(Kind::Comm, Some(request)))
}

/// What user data tells; `None` where it does not show yet.
fn user_data(data: &[u8], whole: bool, hint: bool) -> Option<Sight> {
    match *data {
        [] => None,
        [0x32 | 0x72] if !whole => None,
        [0x32, 1 | 2 | 3 | 7, ..] if data.len() >= 10 => Some(Sight::Is(Kind::Comm, crate::comm::from_client(data))),
        [0x32, 1 | 2 | 3 | 7, ..] if !whole => None,
        [0x72, 1..=3 | 0xFE | 0xFF, ..] => Some(Sight::Is(Kind::Plus, plus_from_client(data))),
        // TLS within COTP: what S7comm-plus does after InitSsl. Others put TLS below TPKT.
        [0x14..=0x17, 3, 1..=4, ..] if hint => Some(Sight::Is(Kind::Plus, None)),
        _ => Some(Sight::Neighbour),
    }
}

/// Whether the client sent a unit of S7comm-plus: by the opcode of a request, a response or a notification, behind
/// version and length.
pub(crate) fn plus_from_client(data: &[u8]) -> Option<bool> {
    match (data.get(1), data.get(4)) {
        (Some(1..=3), Some(0x31)) => Some(true),
        (Some(1..=3), Some(0x32 | 0x33)) => Some(false),
        _ => None,
    }
}

/// Whether user data is a unit of the OSI session layer (ISO 8327), as MMS and ICCP have it: connect, accept, or give
/// tokens and data.
fn is_presentation(data: &[u8]) -> bool {
    matches!(data, [0x0D | 0x0E, ..] | [1, 0, 1, 0, ..])
}

/// On port 102, bytes that do not begin with a good packet: a damaged one, where a good S7 packet comes behind it.
fn damaged(bytes: &[u8]) -> Sight {
    let (Step::Bad(at) | Step::WrongLength(at) | Step::Skip(at)) = tpkt::step(bytes, Place::Here) else {
        return Sight::Other;
    };
    // A wrong version or length before an S7 header.
    if matches!(bytes, [_, 0, _, _, 2, 0xF0, 0x80, 0x32, 1 | 2 | 3 | 7, ..]) {
        return Sight::Is(Kind::Comm, crate::comm::from_client(bytes.get(7..).unwrap_or_default()));
    }
    match bytes.get(at..) {
        Some(rest) if tpkt::begins(rest) == Some(true) => match look(rest, false) {
            found @ Sight::Is(..) => found,
            _ => Sight::Other,
        },
        _ => Sight::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = &[3, 0, 0, 22, 17, 0xE0, 0, 0, 0, 1, 0, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2, 0xC0, 1, 10];
    const SETUP: &[u8] = &[3, 0, 0, 25, 2, 0xF0, 0x80, 0x32, 1, 0, 0, 0, 1, 0, 8, 0, 0, 0xF0, 0, 0, 1, 0, 1, 1, 0xE0];
    const ANSWER: &[u8] =
        &[3, 0, 0, 27, 2, 0xF0, 0x80, 0x32, 3, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0xF0, 0, 0, 1, 0, 1, 0, 0xF0];
    const PLUS: &[u8] = &[3, 0, 0, 15, 2, 0xF0, 0x80, 0x72, 1, 0, 4, 0x31, 0, 0, 4];

    fn both(bytes: [&[u8]; 2], hint: bool) -> [Probe; 2] {
        [probe(bytes, hint, Kind::Comm), probe(bytes, hint, Kind::Plus)]
    }

    const A: Probe = Probe::Yes { client: Some(Direction::AtoB) };
    const B: Probe = Probe::Yes { client: Some(Direction::BtoA) };

    #[test]
    fn user_data_tells_on_any_port_and_from_either_side() {
        for hint in [true, false] {
            assert_eq!(both([SETUP, &[]], hint), [A, Probe::No]);
            assert_eq!(both([ANSWER, &[]], hint), [B, Probe::No]);
            assert_eq!(both([&[], ANSWER], hint), [A, Probe::No]);
            assert_eq!(both([PLUS, &[]], hint), [Probe::No, A]);
            assert_eq!(both([&SETUP[..10], &[]], hint), [Probe::More; 2]);
        }
    }

    #[test]
    fn a_connection_request_is_enough_on_port_102() {
        assert_eq!(both([REQUEST, &[]], true), [A, Probe::No]);
        assert_eq!(both([REQUEST, &[]], false), [Probe::More; 2]);
        assert_eq!(both([&[REQUEST, SETUP].concat(), &[]], false), [A, Probe::No]);
        let mut root = vec![3, 0, 0, 28, 23, 0xE0, 0, 0, 0, 1, 0, 0xC2, 15];
        root.extend(b"SIMATIC-ROOT-ES");
        assert_eq!(both([&root, &[]], false), [Probe::No, A]);
    }

    #[test]
    fn others_on_the_same_layers_are_neighbours() {
        let mms: &[u8] = &[3, 0, 0, 22, 17, 0xE0, 0, 0, 0, 1, 0, 0xC0, 1, 13, 0xC2, 2, 0, 1, 0xC1, 2, 0, 1];
        assert_eq!(both([mms, &[]], true), [Probe::More; 2]);
        let session: &[u8] = &[3, 0, 0, 12, 2, 0xF0, 0x80, 0x0D, 0xAB, 0x05, 0x06, 0x13];
        assert_eq!(both([&[mms, session].concat(), &[]], true), [Probe::Neighbour; 2]);
        let mut rdp = vec![3, 0, 0, 43, 38, 0xE0, 0, 0, 0, 0, 0];
        rdp.extend(b"Cookie: mstshash=operator\r\n\x01\0\x08\0\0");
        rdp.truncate(43);
        assert_eq!(both([&rdp, &[]], false), [Probe::Neighbour; 2]);
    }

    #[test]
    fn says_no_to_others() {
        for hint in [false, true] {
            for other in [
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                b"SSH-2.0-OpenSSH_9.2\r\n",
                &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 1, 2, 3, 4],
                &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1],
                &[0x05, 0x64, 0x0B, 0xC4, 1, 0, 2, 0, 0x54, 0x4F],
                &[0; 64],
            ] {
                assert_eq!(both([other, &[]], hint), [Probe::No; 2], "{other:02X?} hint {hint}");
            }
        }
    }

    #[test]
    fn a_damaged_first_packet_on_its_port_is_not_the_end() {
        let mut wrong = SETUP.to_vec();
        wrong[0] = 2;
        assert_eq!(both([&wrong, &[]], true), [A, Probe::No]);
        assert_eq!(both([&wrong, &[]], false), [Probe::No; 2]);
        assert_eq!(both([&[&[9, 9, 9], SETUP].concat(), &[]], true), [A, Probe::No]);
    }
}
