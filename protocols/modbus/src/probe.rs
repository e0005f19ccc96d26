//! Whether bytes are Modbus.
//!
//! On a standard port one good message is enough. Elsewhere a message must be confirmed: by its answer with the same
//! transaction, unit and function, or by a second one behind it, each as the specification wants it.

use crate::frame::{self, Header, MBAP, Place, Step};
use crate::{function, pdu};
use ot_protocol::Probe;
use smallvec::SmallVec;

/// What the bytes of one direction begin with.
#[derive(Debug, Default)]
struct Walk {
    /// Messages in a row whose header is good.
    good: usize,
    /// Those of them that are by the specification, and not of a function without a layout.
    strict: usize,
    /// Transaction, unit and function of the first ones.
    ids: SmallVec<[(u16, u8, u8); 8]>,
    /// How the bytes go on.
    end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// There were none.
    #[default]
    Empty,
    /// After a whole message.
    Clean,
    /// Within what may be a message.
    Within,
    /// With something else.
    Broken,
}

/// See [`ot_protocol::Protocol::probe`].
pub(crate) fn probe(bytes: [&[u8]; 2], hint: bool) -> Probe {
    const YES: Probe = Probe::Yes { client: None };
    let walks = bytes.map(walk);
    if rtu(bytes, hint) {
        return YES;
    }
    if hint { hinted(bytes, &walks) } else { unhinted(bytes, &walks) }
}

fn hinted(bytes: [&[u8]; 2], walks: &[Walk; 2]) -> Probe {
    let sure = |walk: &Walk| walk.good > 1 || (walk.good == 1 && (walk.end != End::Broken || walk.strict == 1));
    if walks.iter().any(sure) {
        return Probe::Yes { client: None };
    }
    let more = walks.iter().zip(bytes).any(|(walk, bytes)| match walk.end {
        End::Within => true,
        End::Broken => walk.good == 1 || damaged(bytes) == Some(false),
        _ => false,
    });
    if walks.iter().zip(bytes).any(|(walk, bytes)| walk.end == End::Broken && damaged(bytes) == Some(true)) {
        return Probe::Yes { client: None };
    }
    let full = bytes.iter().any(|bytes| bytes.len() >= 4096);
    let none = bytes.iter().all(|bytes| bytes.is_empty());
    if none || (more && !full) { Probe::More } else { Probe::No }
}

fn unhinted(bytes: [&[u8]; 2], walks: &[Walk; 2]) -> Probe {
    if walks.iter().any(|walk| walk.strict >= 2) {
        return Probe::Yes { client: None };
    }
    let [a, b] = walks;
    if a.ids.iter().any(|id| b.ids.contains(id)) {
        return Probe::Yes { client: None };
    }
    let broken = |walk: &Walk| walk.end == End::Broken;
    let full = bytes.iter().any(|bytes| bytes.len() >= 4096);
    // RTU needs a second frame as well.
    let maybe_rtu = bytes.iter().any(|bytes| rtu_frames(bytes) > 0);
    if full || ((broken(a) || broken(b)) && !maybe_rtu) { Probe::No } else { Probe::More }
}

/// On a standard port, bytes that do not begin with a good header. `Some(true)`: a message with a damaged header, by
/// what follows the header or by a good message after it. `Some(false)`: perhaps. `None`: something else.
fn damaged(bytes: &[u8]) -> Option<bool> {
    let header = Header::read(bytes)?;
    let body = bytes.get(MBAP..).unwrap_or_default();
    if header.protocol != 0 {
        // DNP3 link frames and TPKT can have a length that fits by chance.
        if bytes.starts_with(&[0x05, 0x64])
            || bytes.starts_with(&[3, 0])
            || !frame::LENGTHS.contains(&header.length)
            || bytes.len() < header.total()
        {
            return None;
        }
        let length = usize::from(header.length) - 1;
        if body.first().is_some_and(|&function| function::has_layout(function))
            && body.get(..length).is_some_and(|body| pdu::shape(body) != (false, false))
        {
            return Some(true);
        }
        return match walk(bytes.get(header.total()..).unwrap_or_default()) {
            Walk { good: 1.., .. } => Some(true),
            Walk { end: End::Empty | End::Within, .. } => Some(false),
            _ => None,
        };
    }
    // Protocol id 0, length below 2 or above 254: text and TLS do not have that.
    match body.first() {
        None => return Some(false),
        Some(&function) if function::has_layout(function & 0x7F) => return Some(true),
        Some(_) => {}
    }
    let lost = |rest: &[u8]| frame::mbap(rest, Place::Lost);
    let rest = bytes.get(6..).unwrap_or_default();
    match lost(rest) {
        Step::Message(_) => Some(true),
        Step::Skip(at) if matches!(lost(rest.get(at..).unwrap_or_default()), Step::Message(_)) => Some(true),
        _ if bytes.len() < 1024 && bytes.get(6..12) != Some(&[0; 6]) => Some(false),
        _ => None,
    }
}

fn walk(bytes: &[u8]) -> Walk {
    let mut walk = Walk::default();
    let mut rest = bytes;
    while !rest.is_empty() && walk.good < 32 {
        let Some(header) = Header::read(rest) else {
            let zero = |at: usize| rest.get(at).is_none_or(|&byte| byte == 0);
            walk.end = if zero(2) && zero(3) && zero(4) { End::Within } else { End::Broken };
            return walk;
        };
        if !header.is_good() {
            walk.end = End::Broken;
            return walk;
        }
        let Some(message) = rest.get(..header.total()) else {
            walk.end = End::Within;
            return walk;
        };
        let unit = message.get(MBAP - 1).copied().unwrap_or_default();
        let data = message.get(MBAP..).unwrap_or_default();
        let function = data.first().copied().unwrap_or_default();
        let fits = pdu::shape(data) != (false, false);
        walk.good += 1;
        if fits && (function::has_layout(function) || function & 0x80 != 0) {
            walk.strict += 1;
        }
        if fits && function & 0x7F != 0 && walk.ids.len() < 8 {
            walk.ids.push((header.transaction, unit, function & 0x7F));
        }
        rest = rest.get(header.total()..).unwrap_or_default();
        walk.end = End::Clean;
    }
    walk
}

/// RTU over TCP: frames with fitting CRC, one each way or two in a row (on a standard port one).
fn rtu(bytes: [&[u8]; 2], hint: bool) -> bool {
    let [a, b] = bytes.map(rtu_frames);
    (a > 0 && b > 0) || a > 1 || b > 1 || (hint && a + b > 0)
}

fn rtu_frames(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut frames = 0;
    while frames < 2
        && frame::is_rtu(rest) == Some(true)
        && let Step::Message(length) = frame::rtu(rest, Place::Here, None)
    {
        frames += 1;
        rest = rest.get(length..).unwrap_or_default();
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Probe = Probe::Yes { client: None };
    const REQUEST: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
    const ANSWER: &[u8] = &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7];

    #[test]
    fn on_its_port_one_message_is_enough() {
        assert_eq!(probe([REQUEST, &[]], true), YES);
        assert_eq!(probe([&[], ANSWER], true), YES);
        assert_eq!(probe([&REQUEST[..7], &[]], true), Probe::More);
        // Function 0, unknown functions and exceptions.
        assert_eq!(probe([&[0, 1, 0, 0, 0, 2, 1, 0], &[]], true), YES);
        assert_eq!(probe([&[0, 1, 0, 0, 0, 4, 1, 99, 1, 2], &[]], true), YES);
        assert_eq!(probe([&[], &[0, 1, 0, 0, 0, 3, 1, 0x83, 2]], true), YES);
    }

    #[test]
    fn elsewhere_it_must_be_confirmed() {
        assert_eq!(probe([REQUEST, &[]], false), Probe::More);
        assert_eq!(probe([REQUEST, ANSWER], false), YES);
        assert_eq!(probe([&[REQUEST, REQUEST].concat(), &[]], false), YES);
        assert_eq!(probe([REQUEST, b"HTTP/1.1 200 OK"], false), Probe::No);
    }

    #[test]
    fn says_no_to_others() {
        for hint in [false, true] {
            for other in [
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                b"SSH-2.0-OpenSSH_9.2\r\n",
                &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 1, 2, 3, 4],
                &[3, 0, 0, 22, 17, 0xE0, 0, 0, 0, 1, 0, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2, 0xC0, 1, 10],
                &[0x05, 0x64, 0x0B, 0xC4, 1, 0, 2, 0, 0x54, 0x4F, 0xC0, 0xC0, 1, 60, 2, 6],
                &[0x68, 0x04, 0x07, 0, 0, 0],
                &[0; 64],
            ] {
                assert_eq!(probe([other, &[]], hint), Probe::No, "{other:02X?} hint {hint}");
            }
        }
    }

    #[test]
    fn a_damaged_first_header_on_its_port_needs_more_evidence() {
        // Wrong protocol id: a whole message by the specification, or a good one behind it.
        let wrong = [0, 1, 0, 9, 0, 6, 1, 3, 0, 0, 0, 1];
        assert_eq!(probe([&wrong, &[]], true), YES);
        assert_eq!(probe([&wrong, &[]], false), Probe::No);
        let odd = [0, 1, 0, 9, 0, 6, 1, 99, 0, 0, 0, 1];
        assert_eq!(probe([&odd, &[]], true), Probe::More);
        assert_eq!(probe([&[&odd, REQUEST].concat(), &[]], true), YES);
        // Wrong length.
        assert_eq!(probe([&[0, 9, 0, 0, 0, 1, 1, 3, 0, 0, 0, 1], &[]], true), YES);
        assert_eq!(probe([&[0, 9, 0, 0, 0xEA, 0x60, 1, 3, 0, 0, 0, 1], &[]], true), YES);
        assert_eq!(probe([&[0, 9, 0, 0, 0, 1, 1], &[]], true), Probe::More);
    }

    #[test]
    fn rtu_needs_two_frames() {
        let request = [0x01, 0x03, 0x00, 0x00, 0x00, 0x02, 0xC4, 0x0B];
        let answer = [0x01, 0x03, 0x04, 0x00, 0x01, 0x00, 0x02, 0x2A, 0x32];
        assert_eq!(probe([&request, &[]], false), Probe::More);
        assert_eq!(probe([&request, &answer], false), YES);
    }
}
