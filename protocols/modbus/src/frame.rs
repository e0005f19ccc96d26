//! Framing: where a message begins and ends in a stream of bytes.
//!
//! | offset | MBAP header (Messaging on TCP/IP Implementation Guide V1.0b, clause 3.1.3) |
//! |---|---|
//! | 0 | transaction id |
//! | 2 | protocol id: 0 |
//! | 4 | length of what follows: unit id and protocol data unit, 2 to 254 |
//! | 6 | unit id |
//! | 7 | protocol data unit |
//!
//! RTU (Modbus over Serial Line V1.02, clause 2.5.1): unit address, protocol data unit, CRC-16 low byte first. It has no
//! length: that follows from the function.
//!
//! What is decided here depends on the bytes alone, never on how they were cut into segments.

use crate::pdu;
use ot_protocol::Reader;

/// Bytes of an MBAP header.
pub(crate) const MBAP: usize = 7;
/// What the length field may say.
pub(crate) const LENGTHS: std::ops::RangeInclusive<u16> = 2..=254;
/// Largest length field of a UMAS message: 1024 bytes of payload are the most that controllers are known to agree to.
const LONGEST_UMAS: u16 = 1030;
/// Longest RTU frame (Modbus over Serial Line V1.02, clause 2.5.1).
pub(crate) const MAX_RTU: usize = 256;

/// An MBAP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub transaction: u16,
    pub protocol: u16,
    pub length: u16,
}

impl Header {
    /// The header at the start of `bytes`, without its unit id.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self { transaction: reader.u16().ok()?, protocol: reader.u16().ok()?, length: reader.u16().ok()? })
    }

    /// Whether this is a long UMAS message: Schneider's engineering software sends more than the specification of
    /// Modbus allows, up to the frame size that both sides agree on.
    pub(crate) fn is_long_umas(self, function: u8) -> bool {
        self.protocol == 0 && function == crate::function::code::UMAS && (255..=LONGEST_UMAS).contains(&self.length)
    }

    /// Whether protocol id and length are as specified.
    pub(crate) fn is_good(self) -> bool {
        self.protocol == 0 && LENGTHS.contains(&self.length)
    }

    /// Bytes of the whole message.
    pub(crate) fn total(self) -> usize {
        6 + usize::from(self.length)
    }
}

/// What the next bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A message of this many bytes.
    Message(usize),
    /// A message of this many bytes whose checksum is wrong.
    BadChecksum(usize),
    /// A header out of specification; this many bytes of it can be told, and what is known of the next message.
    BadHeader(usize, Place),
    /// Bytes to pass over in search of the next message.
    Skip(usize),
    /// This many bytes are needed to tell.
    Need(usize),
}

/// What is known of where the next message begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here.
    #[default]
    Here,
    /// Here, if the length field of the bad header before is right.
    Perhaps,
    /// Somewhere.
    Lost,
}

/// The next step in a stream of MBAP messages.
pub(crate) fn mbap(bytes: &[u8], place: Place) -> Step {
    if place == Place::Lost {
        return search(bytes);
    }
    let Some(header) = Header::read(bytes) else { return Step::Need(8) };
    if place == Place::Perhaps && !header.is_good() {
        return search(bytes);
    }
    if header.is_good() {
        return whole(bytes, header);
    }
    if LENGTHS.contains(&header.length) {
        // A wrong protocol id alone: believed to be a message where the rest is one by the specification.
        let Some(message) = bytes.get(..header.total()) else { return Step::Need(header.total()) };
        return match pdu::shape(message.get(MBAP..).unwrap_or_default()) {
            (false, false) => Step::BadHeader(8, Place::Lost),
            _ => Step::Message(header.total()),
        };
    }
    let (told, next) = match (header.length, bytes.get(MBAP)) {
        (0 | 1, _) => (header.total(), Place::Perhaps),
        // Address and quantity can be told as well.
        (_, Some(1..=6 | 15 | 16)) if header.protocol == 0 => (MBAP + 5, Place::Lost),
        _ => (8, Place::Lost),
    };
    if bytes.len() < told {
        return Step::Need(told);
    }
    if bytes.get(MBAP).is_some_and(|&function| header.is_long_umas(function)) {
        return if bytes.len() < header.total() { Step::Need(header.total()) } else { Step::Message(header.total()) };
    }
    Step::BadHeader(told, next)
}

/// A message behind a good header. Where its length field swallows the next header, it ends before that.
fn whole(bytes: &[u8], header: Header) -> Step {
    let Some(message) = bytes.get(..header.total()) else { return Step::Need(header.total()) };
    // Cheap questions first: every usual message comes by here.
    if let Some(unit @ [1..=6, ..]) = message.get(MBAP..)
        && let Some(next) = unit.get(5..).and_then(Header::read)
        && next.is_good()
        && next.transaction != 0
        && pdu::shape(unit) == (false, false)
        && let Some(end) = natural_end(unit)
    {
        return Step::Message(MBAP + end);
    }
    Step::Message(header.total())
}

/// Where a read or a single write ends by its function, if the unit holds more than that.
fn natural_end(unit: &[u8]) -> Option<usize> {
    match unit {
        [1..=6, ..] if unit.get(..5).is_some_and(|unit| pdu::shape(unit) != (false, false)) => Some(5),
        _ => None,
    }
}

/// Looks for the next header that is believed: by the specification for functions with a layout, by the header behind
/// it for others.
fn search(bytes: &[u8]) -> Step {
    for at in 0..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        match candidate(rest) {
            Some(true) => return if at == 0 { whole_or_total(rest) } else { Step::Skip(at) },
            Some(false) => {}
            None => {
                let need = Header::read(rest).map_or(8, |header| header.total() + MBAP + 1);
                return if at == 0 { Step::Need(need) } else { Step::Skip(at) };
            }
        }
    }
    Step::Need(8)
}

fn whole_or_total(bytes: &[u8]) -> Step {
    Header::read(bytes).map_or(Step::Need(8), |header| Step::Message(header.total()))
}

/// Whether a message begins here; `None` where that needs more bytes.
fn candidate(bytes: &[u8]) -> Option<bool> {
    // Protocol id and high byte of the length are zero.
    for at in 2..5 {
        match bytes.get(at) {
            Some(0) => {}
            Some(_) => return Some(false),
            None => return None,
        }
    }
    let header = Header::read(bytes)?;
    if !header.is_good() {
        return Some(false);
    }
    let function = *bytes.get(MBAP)?;
    if function == 0 {
        return Some(false);
    }
    let message = bytes.get(..header.total())?;
    if pdu::shape(message.get(MBAP..).unwrap_or_default()) == (false, false) {
        return Some(false);
    }
    if crate::function::has_layout(function) || function & 0x80 != 0 {
        return Some(true);
    }
    Header::read(bytes.get(header.total()..)?).map(Header::is_good)
}

/// CRC-16 of a serial line frame (Modbus over Serial Line V1.02, clause 6.2.2): polynomial A001 reflected, start FFFF.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// Whether the last two bytes are the CRC of those before.
pub(crate) fn crc_fits(frame: &[u8]) -> bool {
    frame.len() >= 4 && frame.split_last_chunk::<2>().is_some_and(|(body, crc)| crc16(body) == u16::from_le_bytes(*crc))
}

/// Length of an RTU frame by its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RtuLength {
    /// This many bytes.
    Is(usize),
    /// The byte that tells it is not there yet: this many bytes are needed.
    Need(usize),
    /// The function does not tell it.
    Unknown,
}

fn rtu_request(bytes: &[u8]) -> RtuLength {
    let counted = |at: usize, more: usize| {
        bytes.get(at).map_or(RtuLength::Need(at + 1), |count| RtuLength::Is(at + 1 + usize::from(*count) + more))
    };
    match bytes.get(1) {
        None => RtuLength::Need(2),
        Some(1..=6 | 8) => RtuLength::Is(8),
        Some(7 | 11 | 12 | 17) => RtuLength::Is(4),
        Some(15 | 16) => counted(6, 2),
        Some(20 | 21) => counted(2, 2),
        Some(22) => RtuLength::Is(10),
        Some(23) => counted(10, 2),
        Some(24) => RtuLength::Is(6),
        Some(43) => match bytes.get(2) {
            None => RtuLength::Need(3),
            Some(14) => RtuLength::Is(7),
            Some(_) => RtuLength::Unknown,
        },
        Some(_) => RtuLength::Unknown,
    }
}

fn rtu_response(bytes: &[u8]) -> RtuLength {
    match bytes.get(1) {
        None => RtuLength::Need(2),
        Some(0x80..) => RtuLength::Is(5),
        Some(1..=4 | 12 | 17 | 20 | 21 | 23) => {
            bytes.get(2).map_or(RtuLength::Need(3), |count| RtuLength::Is(5 + usize::from(*count)))
        }
        Some(5 | 6 | 8 | 11 | 15 | 16) => RtuLength::Is(8),
        Some(7) => RtuLength::Is(5),
        Some(22) => RtuLength::Is(10),
        Some(24) => match bytes.get(2..4).and_then(|count| count.first_chunk().copied()) {
            None => RtuLength::Need(4),
            Some(count) => RtuLength::Is(6 + usize::from(u16::from_be_bytes(count))),
        },
        Some(43) => device_id_length(bytes),
        Some(_) => RtuLength::Unknown,
    }
}

fn device_id_length(bytes: &[u8]) -> RtuLength {
    match bytes.get(2) {
        None => return RtuLength::Need(3),
        Some(14) => {}
        Some(_) => return RtuLength::Unknown,
    }
    let Some(&objects) = bytes.get(7) else { return RtuLength::Need(8) };
    let mut at = 8;
    for _ in 0..objects {
        match bytes.get(at + 1) {
            None if at + 2 > MAX_RTU => return RtuLength::Unknown,
            None => return RtuLength::Need(at + 2),
            Some(&length) => at += 2 + usize::from(length),
        }
    }
    RtuLength::Is(at + 2)
}

/// The next step in a stream of RTU frames. `request` tells which way round, where that is known.
pub(crate) fn rtu(bytes: &[u8], place: Place, request: Option<bool>) -> Step {
    if place == Place::Here {
        return rtu_at(bytes, request, false);
    }
    for at in 0..bytes.len() {
        match rtu_at(bytes.get(at..).unwrap_or_default(), request, true) {
            Step::Need(need) if at == 0 => return Step::Need(need),
            Step::Message(length) if at == 0 => return Step::Message(length),
            Step::Need(_) | Step::Message(_) => return Step::Skip(at),
            _ => {}
        }
    }
    Step::Skip(bytes.len())
}

fn rtu_at(bytes: &[u8], request: Option<bool>, strict: bool) -> Step {
    let mut need = 0;
    let mut predicted = None;
    let ways = match request {
        Some(true) => [Some(rtu_request(bytes)), None],
        // Some clients send exceptions: those have the layout of a response.
        Some(false) => [Some(rtu_response(bytes)), None],
        None => [Some(rtu_request(bytes)), Some(rtu_response(bytes))],
    };
    for length in ways.into_iter().flatten() {
        match length {
            RtuLength::Is(length) if (4..=MAX_RTU).contains(&length) => match bytes.get(..length) {
                Some(frame) if crc_fits(frame) => return Step::Message(length),
                Some(_) => predicted = predicted.max(Some(length)),
                None => need = need.max(length),
            },
            RtuLength::Need(length) if length <= MAX_RTU => need = need.max(length),
            _ => {}
        }
    }
    if need > 0 {
        return Step::Need(need);
    }
    if strict {
        return Step::BadHeader(1, Place::Lost);
    }
    if let Some(length) = predicted {
        return Step::BadChecksum(length);
    }
    // The function does not tell the length: the shortest frame whose CRC fits.
    for length in 4..=MAX_RTU.min(bytes.len()) {
        if bytes.get(..length).is_some_and(crc_fits) {
            return Step::Message(length);
        }
    }
    if bytes.len() < MAX_RTU { Step::Need(bytes.len() + 1) } else { Step::BadHeader(2, Place::Lost) }
}

/// Which framing a stream has, by its first bytes; `None` where that needs more bytes.
pub(crate) fn is_rtu(bytes: &[u8]) -> Option<bool> {
    match rtu_at(bytes, None, true) {
        Step::Message(length) => {
            let whole = bytes.get(1..length.saturating_sub(2)).unwrap_or_default();
            Some(pdu::shape(whole) != (false, false))
        }
        _ if bytes.len() < 8 => None,
        // What is no MBAP header either, to an address of a serial line, may be the start of a longer frame.
        Step::Need(_)
            if bytes.len() < MAX_RTU
                && bytes.first().is_some_and(|unit| (1..=247).contains(unit))
                && !Header::read(bytes).is_some_and(Header::is_good) =>
        {
            None
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_that_of_the_specification() {
        // Modbus over Serial Line V1.02, clause 6.2.2: 02 07 gives 41 12.
        assert_eq!(crc16(&[0x02, 0x07]).to_le_bytes(), [0x41, 0x12]);
        assert!(crc_fits(&[0x01, 0x03, 0x00, 0x00, 0x00, 0x02, 0xC4, 0x0B]));
    }

    #[test]
    fn a_length_that_swallows_the_next_header_is_cut() {
        let mut bytes = vec![0, 1, 0, 0, 0, 18, 1, 3, 0, 0, 0, 1];
        bytes.extend([0, 2, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
        assert_eq!(mbap(&bytes, Place::Here), Step::Message(12));
    }

    #[test]
    fn searches_for_the_next_message() {
        let good = [0, 2, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
        let mut bytes = b"garbage".to_vec();
        bytes.extend(good);
        assert_eq!(mbap(&bytes, Place::Lost), Step::Skip(7));
        assert_eq!(mbap(&good, Place::Lost), Step::Message(12));
        assert_eq!(mbap(&good[..10], Place::Lost), Step::Need(20));
    }

    #[test]
    fn rtu_lengths_follow_the_function() {
        let request = [0x01, 0x03, 0x00, 0x00, 0x00, 0x02, 0xC4, 0x0B];
        assert_eq!(rtu(&request, Place::Here, Some(true)), Step::Message(8));
        assert_eq!(rtu(&request[..5], Place::Here, Some(true)), Step::Need(8));
        let mut broken = request;
        broken[7] = 0;
        assert_eq!(rtu(&broken, Place::Here, Some(true)), Step::BadChecksum(8));
        assert_eq!(is_rtu(&request), Some(true));
        assert_eq!(is_rtu(&[0, 1, 0, 0, 0, 6, 1, 3]), Some(false));
    }
}
