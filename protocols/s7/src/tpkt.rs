//! TPKT: where a packet begins and ends (RFC 1006, clause 6).
//!
//! | Offset | Field |
//! |---|---|
//! | 0 | version, 3 |
//! | 1 | reserved, 0 |
//! | 2 | length of the whole packet, most significant byte first, 7 to 65535 |

use crate::{cotp, link};
use ot_protocol::Violation;

/// Bytes of the header.
pub(crate) const HEADER: usize = 4;
/// Shortest packet: header, and a transport unit of three bytes (RFC 1006, clause 6).
pub(crate) const SHORTEST: usize = 7;

/// What the bytes at hand begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes in all are needed to tell.
    Need(usize),
    /// So many bytes belong to no packet.
    Skip(usize),
    /// A packet of this length.
    Packet(usize),
    /// A packet whose length field is wrong: what it carries tells that it has this length.
    WrongLength(usize),
    /// So many bytes stand where a packet should, and are none.
    Bad(usize),
}

/// Whether it is known where the next packet begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here.
    #[default]
    Here,
    /// Somewhere.
    Lost,
}

/// Header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// 3.
    pub version: u8,
    /// 0.
    pub reserved: u8,
    /// Length of the packet, this header included.
    pub length: u16,
}

impl Header {
    /// Reads the first four bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [version, reserved, high, low] = *bytes.first_chunk::<4>()?;
        Some(Self { version, reserved, length: u16::from_be_bytes([high, low]) })
    }

    /// Whether it is as RFC 1006 has it.
    pub fn is_good(self) -> bool {
        self.version == 3 && self.reserved == 0 && usize::from(self.length) >= SHORTEST
    }
}

/// Looks at the beginning of `bytes`.
pub(crate) fn step(bytes: &[u8], place: Place) -> Step {
    if place == Place::Lost && begins(bytes) == Some(false) {
        return Step::Skip(next(bytes));
    }
    let Some(header) = Header::read(bytes) else {
        let good = bytes.first().is_none_or(|&version| version == 3) && bytes.get(1).is_none_or(|&zero| zero == 0);
        return if good { Step::Need(HEADER) } else { Step::Bad(next(bytes)) };
    };
    if !header.is_good() {
        return match cotp::carried(bytes.get(HEADER..).unwrap_or_default()) {
            // The header is damaged, but what it carries tells where it ends.
            Some(carried) if bytes.len() >= HEADER + carried && follows(bytes, HEADER + carried) => {
                Step::WrongLength(HEADER + carried)
            }
            _ => Step::Bad(next(bytes)),
        };
    }
    let length = usize::from(header.length);
    // A length that is too large would swallow what follows.
    if let Some(carried) = cotp::carried(bytes.get(HEADER..).unwrap_or_default())
        && HEADER + carried < length
        && bytes.len() > HEADER + carried
        && begins(bytes.get(HEADER + carried..).unwrap_or_default()) == Some(true)
    {
        return Step::WrongLength(HEADER + carried);
    }
    if bytes.len() < length { Step::Need(length) } else { Step::Packet(length) }
}

/// Whether nothing, or another packet, comes at this place.
fn follows(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.is_empty() || begins(rest) != Some(false)
}

/// Whether a packet begins here, as far as one sees: header and the beginning of the transport unit. `None`: too few
/// bytes to tell.
pub(crate) fn begins(bytes: &[u8]) -> Option<bool> {
    let is = |at: usize, wanted: u8| bytes.get(at).is_none_or(|&byte| byte == wanted);
    if !is(0, 3) || !is(1, 0) {
        return Some(false);
    }
    let header = Header::read(bytes)?;
    if !header.is_good() {
        return Some(false);
    }
    let li = *bytes.get(4)?;
    let kind = *bytes.get(5)?;
    Some(usize::from(li) + 1 + HEADER <= usize::from(header.length) && cotp::is_known(kind) && li >= 2)
}

/// How many bytes to pass over until a packet may begin; at least one.
fn next(bytes: &[u8]) -> usize {
    (1..bytes.len())
        .find(|&at| begins(bytes.get(at..).unwrap_or_default()) != Some(false))
        .unwrap_or(bytes.len())
        .max(1)
}

/// What is wrong with a header. `real`: the length that it should have.
pub(crate) fn violation(header: Header, real: Option<usize>) -> Violation {
    const REASON: &str =
        "a TPKT has version 3, a reserved byte of 0 and the length of the whole packet (RFC 1006, clause 6)";
    if header.version != 3 {
        link::violation(link::rule::BAD_HEADER, "tpkt", 0, "version 3", format!("{}", header.version), REASON)
    } else if header.reserved != 0 {
        link::violation(link::rule::BAD_HEADER, "tpkt", 1, "reserved byte 0", format!("{}", header.reserved), REASON)
    } else {
        let needed = real.map_or("length of 7 or more".to_owned(), |real| format!("length {real}"));
        link::violation(link::rule::BAD_HEADER, "tpkt", 2, needed, format!("{}", header.length), REASON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &[u8] = &[3, 0, 0, 9, 2, 0xF0, 0x80, 0x32, 1];

    #[test]
    fn a_packet_is_as_long_as_it_says() {
        assert_eq!(step(DATA, Place::Here), Step::Packet(9));
        assert_eq!(step(&DATA[..3], Place::Here), Step::Need(4));
        assert_eq!(step(&DATA[..5], Place::Here), Step::Need(9));
        assert_eq!(step(DATA, Place::Lost), Step::Packet(9));
    }

    #[test]
    fn looks_for_the_next_packet_after_damage() {
        let noise = [&[9, 9, 3, 3, 0][..], DATA].concat();
        assert_eq!(step(&noise, Place::Here), Step::Bad(5));
        assert_eq!(step(&noise, Place::Lost), Step::Skip(5));
        assert_eq!(step(&[3, 0, 0, 4, 1, 1], Place::Here), Step::Bad(6));
        // A packet may begin in the last bytes.
        assert_eq!(step(&[9, 9, 3, 0], Place::Lost), Step::Skip(2));
    }

    #[test]
    fn a_wrong_length_does_not_swallow_the_next_packet() {
        let job = [3, 0, 0x40, 0, 2, 0xF0, 0x80, 0x32, 1, 0, 0, 0, 1, 0, 2, 0, 0, 0x29, 0];
        let both = [&job[..], DATA].concat();
        assert_eq!(step(&both, Place::Here), Step::WrongLength(19));
        let mut short = both;
        short[2] = 0;
        short[3] = 2;
        assert_eq!(step(&short, Place::Here), Step::WrongLength(19));
    }
}
