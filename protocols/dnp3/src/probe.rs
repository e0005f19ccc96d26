//! Whether bytes are DNP3.
//!
//! The CRC of a link header makes it certain: eight octets that begin with 05 64 and end with the right sixteen bits.

use crate::application::Fragment;
use crate::crc;
use crate::function;
use crate::link::{self, HEADER, Header, LEAST_LENGTH, START};
use ot_protocol::{Direction, Probe};

/// See [`ot_protocol::Protocol::probe`].
pub(crate) fn probe(bytes: [&[u8]; 2], hint: bool) -> Probe {
    let [a, b] = bytes;
    let mut more = a.is_empty() && b.is_empty();
    for (direction, bytes) in [(Direction::AtoB, a), (Direction::BtoA, b)] {
        match look(bytes, hint) {
            Look::Frame(at) => return Probe::Yes { client: master(bytes.get(at..).unwrap_or_default(), direction) },
            Look::Damaged => return Probe::Yes { client: None },
            Look::More => more = true,
            Look::No => {}
        }
    }
    let full = a.len() >= 4096 || b.len() >= 4096;
    if more && !full { Probe::More } else { Probe::No }
}

/// What the bytes of one direction hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// A link header that is right, at this offset.
    Frame(usize),
    /// On the standard port: a link header that begins as one and whose checksum or length is wrong.
    Damaged,
    /// Could be the beginning of one.
    More,
    No,
}

fn look(bytes: &[u8], hint: bool) -> Look {
    if bytes.is_empty() {
        return Look::No;
    }
    if begins(bytes) {
        return match bytes.get(..HEADER) {
            None => Look::More,
            Some(header) if is_good(header) => Look::Frame(0),
            // Start octets, and functions and addresses that make sense: damaged, where the port says so too.
            Some(header) if hint && Header::read(header).is_some_and(Header::is_known_function) => Look::Damaged,
            Some(_) => later(bytes, hint),
        };
    }
    later(bytes, hint)
}

/// A capture may begin in the middle of a frame: a good header further on is as certain.
fn later(bytes: &[u8], hint: bool) -> Look {
    for at in 1..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.get(..HEADER).is_some_and(is_good) {
            return Look::Frame(at);
        }
    }
    // On its own port wait for the rest of a longest frame; elsewhere a stream begins with a header or is none.
    if hint && bytes.len() < 300 { Look::More } else { Look::No }
}

fn begins(bytes: &[u8]) -> bool {
    START.iter().zip(bytes).all(|(wanted, byte)| wanted == byte)
}

fn is_good(header: &[u8]) -> bool {
    matches!(header, [0x05, 0x64, length, ..] if *length >= LEAST_LENGTH) && crc::fits(header)
}

/// The direction of the master, where the first frame tells it beyond doubt: its DIR bit and its application function
/// agree.
fn master(bytes: &[u8], direction: Direction) -> Option<Direction> {
    let header = Header::read(bytes)?;
    let frame = bytes.get(..header.total())?;
    if !header.is_primary() || !header.carries_segment() {
        return None;
    }
    let first = link::blocks(frame).next().filter(|block| block.fits)?;
    let fragment = Fragment::read(first.data.get(1..)?).ok()?;
    function::about(fragment.function)?;
    let asks = !function::is_response(fragment.function);
    (asks == header.is_from_master()).then_some(if asks { direction } else { direction.reversed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(control: u8, data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(5 + data.len()).expect("short");
        let mut bytes = vec![0x05, 0x64, length, control, 3, 0, 4, 0];
        bytes.extend(crc::crc(&bytes).to_le_bytes());
        for block in data.chunks(16) {
            bytes.extend(block);
            bytes.extend(crc::crc(block).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn one_header_is_enough_on_any_port() {
        let request = frame(0xC4, &[0xC0, 0xC0, 1, 60, 2, 6]);
        let response = frame(0x44, &[0xC0, 0xC0, 129, 0, 0]);
        for hint in [false, true] {
            assert_eq!(probe([&request, &[]], hint), Probe::Yes { client: Some(Direction::AtoB) });
            assert_eq!(probe([&response, &[]], hint), Probe::Yes { client: Some(Direction::BtoA) });
            assert_eq!(probe([&[], &response], hint), Probe::Yes { client: Some(Direction::AtoB) });
            assert_eq!(probe([&request[..7], &[]], hint), Probe::More);
            assert_eq!(probe([&frame(0xC9, &[]), &[]], hint), Probe::Yes { client: None });
            assert_eq!(probe([&[], &[]], hint), Probe::More);
            // In the middle of a frame.
            let cut = [&request[5..], &request].concat();
            assert_eq!(probe([&cut, &[]], hint), Probe::Yes { client: Some(Direction::AtoB) });
        }
    }

    #[test]
    fn damage_is_believed_on_its_own_port_alone() {
        let mut bytes = frame(0xC4, &[0xC0, 0xC0, 1, 60, 2, 6]);
        bytes[8] ^= 1;
        assert_eq!(probe([&bytes, &[]], true), Probe::Yes { client: None });
        assert_eq!(probe([&bytes, &[]], false), Probe::No);
    }

    #[test]
    fn says_no_to_others() {
        for hint in [false, true] {
            for other in [
                &b"GET / HTTP/1.1\r\nHost: plant\r\n\r\n"[..],
                b"SSH-2.0-OpenSSH_9.2\r\n",
                &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 1, 2, 3, 4],
                &[3, 0, 0, 22, 17, 0xE0, 0, 0, 0, 1, 0, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2, 0xC0, 1, 10],
                &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1],
            ] {
                let long = other.repeat(40);
                assert_eq!(probe([&long, &[]], hint), Probe::No, "{other:02X?} hint {hint}");
            }
        }
    }
}
