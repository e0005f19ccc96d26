//! Link layer: where a frame begins and ends, its control octet, its addresses, its checksums.
//!
//! | offset | header (IEEE 1815-2012, clause 9.2.4.1) |
//! |---|---|
//! | 0 | start octets 05 64 |
//! | 2 | length of control, addresses and user data: 5 to 255; no CRC counts |
//! | 3 | control: DIR 80, PRM 40, FCB 20, FCV (primary) or DFC (secondary) 10, function |
//! | 4 | destination address, low byte first |
//! | 6 | source address, low byte first |
//! | 8 | CRC over the eight octets before |
//! | 10 | user data in blocks of up to 16 octets, each with its CRC |
//!
//! What is decided here depends on the bytes alone, never on how they were cut into segments.

use crate::crc;
use ot_protocol::Reader;

/// Bytes of the header with its CRC.
pub(crate) const HEADER: usize = 10;
/// Octets that begin a frame.
pub(crate) const START: [u8; 2] = [0x05, 0x64];
/// Least value of the length field.
pub(crate) const LEAST_LENGTH: u8 = 5;
/// Octets of user data in a block.
pub(crate) const BLOCK: usize = 16;

/// Link functions (clauses 9.2.4.1.3.5 and 9.2.4.1.3.6).
pub(crate) mod function {
    pub const RESET_LINK: u8 = 0;
    pub const RESET_PROCESS: u8 = 1;
    pub const TEST_LINK: u8 = 2;
    pub const CONFIRMED_DATA: u8 = 3;
    pub const UNCONFIRMED_DATA: u8 = 4;
    pub const REQUEST_STATUS: u8 = 9;

    pub const ACK: u8 = 0;
    pub const NACK: u8 = 1;
    pub const LINK_STATUS: u8 = 11;
    pub const NOT_FUNCTIONING: u8 = 14;
    pub const NOT_SUPPORTED: u8 = 15;
}

/// A link header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Length field.
    pub length: u8,
    /// Control octet.
    pub control: u8,
    /// Address of the receiver.
    pub destination: u16,
    /// Address of the sender.
    pub source: u16,
    /// CRC as sent.
    pub crc: u16,
}

impl Header {
    /// The header at the start of `bytes`.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [_, _, length, control, d, e, s, t, c, r] = *bytes.first_chunk::<HEADER>()?;
        Some(Self {
            length,
            control,
            destination: u16::from_le_bytes([d, e]),
            source: u16::from_le_bytes([s, t]),
            crc: u16::from_le_bytes([c, r]),
        })
    }

    /// DIR: the sender is the master.
    pub(crate) fn is_from_master(self) -> bool {
        self.control & 0x80 != 0
    }

    /// PRM: the sender begins a transaction of the link.
    pub(crate) fn is_primary(self) -> bool {
        self.control & 0x40 != 0
    }

    /// Link function.
    pub(crate) fn function(self) -> u8 {
        self.control & 0x0F
    }

    /// Octets of user data.
    pub(crate) fn data(self) -> usize {
        usize::from(self.length.saturating_sub(LEAST_LENGTH))
    }

    /// Bytes of the whole frame with all CRCs.
    #[inline]
    pub(crate) fn total(self) -> usize {
        HEADER + self.data() + 2 * self.data().div_ceil(BLOCK)
    }

    /// Whether its user data is a transport segment. Functions that carry none are left out as long as they have none.
    pub(crate) fn carries_segment(self) -> bool {
        match (self.is_primary(), self.function()) {
            (true, function::CONFIRMED_DATA | function::UNCONFIRMED_DATA) => true,
            (true, function::RESET_LINK | function::REQUEST_STATUS) => false,
            (false, function::ACK | function::LINK_STATUS) => false,
            _ => self.data() > 0,
        }
    }

    /// Whether the standard has this function.
    pub(crate) fn is_known_function(self) -> bool {
        name(self.is_primary(), self.function()).is_some()
    }
}

/// Name of a link function; `None` for a reserved one.
pub(crate) fn name(primary: bool, code: u8) -> Option<&'static str> {
    Some(match (primary, code) {
        (true, function::RESET_LINK) => "Reset Link States",
        (true, function::RESET_PROCESS) => "Reset User Process (obsolete)",
        (true, function::TEST_LINK) => "Test Link States",
        (true, function::CONFIRMED_DATA) => "Confirmed User Data",
        (true, function::UNCONFIRMED_DATA) => "Unconfirmed User Data",
        (true, function::REQUEST_STATUS) => "Request Link Status",
        (false, function::ACK) => "Link Acknowledge",
        (false, function::NACK) => "Link Negative Acknowledge",
        (false, function::LINK_STATUS) => "Link Status",
        (false, function::NOT_FUNCTIONING) => "Link Service Not Functioning",
        (false, function::NOT_SUPPORTED) => "Link Service Not Supported",
        _ => return None,
    })
}

/// What is known of where the next frame begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here.
    #[default]
    Here,
    /// Somewhere, behind bytes that are damaged: what begins like a header is one, although its CRC is wrong.
    Damaged,
    /// Somewhere, behind bytes that are missing: what begins like a header may be data.
    Lost,
}

/// What the next bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A frame of this many bytes whose header is good.
    Frame(usize),
    /// A header whose CRC is wrong or whose length is below five, and how many of its bytes are certainly of it. Only the
    /// header can be told.
    BadHeader(usize),
    /// Bytes to pass over in search of the next frame.
    Skip(usize),
    /// This many bytes are needed to tell.
    Need(usize),
}

/// The next step.
#[inline]
pub(crate) fn step(bytes: &[u8], place: Place) -> Step {
    match bytes {
        [0x05, 0x64, ..] => {}
        [0x05] => return Step::Need(HEADER),
        _ => return search(bytes, place),
    }
    let Some(header) = Header::read(bytes) else { return Step::Need(HEADER) };
    if header.length >= LEAST_LENGTH && bytes.get(..HEADER).is_some_and(crc::fits) {
        let total = header.total();
        return if bytes.len() < total { Step::Need(total) } else { Step::Frame(total) };
    }
    if place != Place::Here && !is_believed(bytes, place) {
        return search(bytes, place);
    }
    // Behind a wrong CRC the next header may begin at once.
    Step::BadHeader(if bytes.get(..HEADER).is_some_and(crc::fits) { HEADER } else { START.len() })
}

/// How far the next header is that is believed.
#[cold]
fn search(bytes: &[u8], place: Place) -> Step {
    for at in 1..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest {
            [0x05] | [0x05, 0x64, ..] if rest.len() < HEADER || is_believed(rest, place) => return Step::Skip(at),
            _ => {}
        }
    }
    Step::Skip(bytes.len())
}

/// Whether what begins with the start octets is a header: its CRC fits, or damage is known and it makes sense otherwise.
fn is_believed(bytes: &[u8], place: Place) -> bool {
    let Some(header) = Header::read(bytes) else { return false };
    let long = header.length >= LEAST_LENGTH;
    if bytes.get(..HEADER).is_some_and(crc::fits) {
        return long || place == Place::Damaged;
    }
    place == Place::Damaged && long && header.is_known_function()
}

/// A block of user data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    /// Its octets.
    pub data: &'a [u8],
    /// CRC as sent.
    pub crc: u16,
    /// Whether that is right.
    pub fits: bool,
    /// Where it begins in the frame.
    pub offset: usize,
}

/// The blocks of a whole frame, in order; ends at what is cut off.
pub(crate) fn blocks(frame: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut reader = Reader::new(frame);
    let _ = reader.take(HEADER);
    std::iter::from_fn(move || {
        let offset = reader.offset();
        let rest = reader.remaining();
        if rest < 3 {
            return None;
        }
        let block = reader.take(rest.min(BLOCK + 2)).ok()?;
        let (data, sent) = block.split_last_chunk::<2>()?;
        let sent = u16::from_le_bytes(*sent);
        Some(Block { data, crc: sent, fits: crc::crc(data) == sent, offset })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read class 1, 2, 3, 0 from master 4 to outstation 3.
    fn frame() -> Vec<u8> {
        let mut bytes = vec![0x05, 0x64, 0x14, 0xC4, 0x03, 0x00, 0x04, 0x00];
        bytes.extend(crc::crc(&bytes).to_le_bytes());
        let data = [0xC3, 0xC3, 0x01, 60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6];
        bytes.extend(data);
        bytes.extend(crc::crc(&data).to_le_bytes());
        bytes
    }

    #[test]
    fn a_frame_is_as_long_as_its_length_says_with_all_checksums() {
        let frame = frame();
        let header = Header::read(&frame).expect("ten bytes");
        assert_eq!((header.length, header.control, header.destination, header.source), (20, 0xC4, 3, 4));
        assert!(header.is_from_master() && header.is_primary() && header.carries_segment());
        assert_eq!(header.data(), 15);
        assert_eq!(header.total(), 27);
        assert_eq!(step(&frame, Place::Here), Step::Frame(27));
        assert_eq!(step(&frame[..12], Place::Here), Step::Need(27));
        assert_eq!(step(&frame[..1], Place::Here), Step::Need(10));
        let blocks: Vec<_> = blocks(&frame).collect();
        assert_eq!(blocks.len(), 1);
        assert!(blocks[0].fits);
        assert_eq!(blocks[0].offset, 10);
    }

    #[test]
    fn finds_the_next_frame_after_damage() {
        let mut bytes = vec![0x05, 0x64, 0x05, 0x0D, 0x05, 0x64];
        bytes.extend(frame());
        assert_eq!(step(&bytes, Place::Here), Step::BadHeader(2));
        assert_eq!(step(&bytes, Place::Lost), Step::Skip(6));
        // Two start octets in a row: the first header is wrong, the second is found.
        assert_eq!(step(&bytes, Place::Damaged), Step::Skip(4));
        assert_eq!(step(&bytes[4..], Place::Damaged), Step::BadHeader(2));
        assert_eq!(step(&bytes[6..], Place::Lost), Step::Frame(27));
        // Behind damage a header is one although its checksum is wrong; behind a gap it may be data.
        let mut wrong = frame();
        wrong[8] ^= 1;
        assert_eq!(step(&wrong, Place::Damaged), Step::BadHeader(2));
        assert_eq!(step(&wrong, Place::Lost), Step::Skip(27));
        assert_eq!(step(b"GET / HTTP", Place::Here), Step::Skip(10));
        // What may be the beginning of a header is kept.
        assert_eq!(step(&[0, 0, 0x05], Place::Lost), Step::Skip(2));
        assert_eq!(step(&[0x05], Place::Lost), Step::Need(10));
    }

    #[test]
    fn a_length_below_five_is_no_frame() {
        let mut bytes = vec![0x05, 0x64, 0x04, 0xC4, 0x03, 0x00, 0x04, 0x00];
        bytes.extend(crc::crc(&bytes).to_le_bytes());
        assert_eq!(step(&bytes, Place::Here), Step::BadHeader(10));
    }
}
