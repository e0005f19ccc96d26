//! Patterns of bytes: contents with places, numbers at places, jumps, sizes.
//!
//! Contents are looked for as Snort does: each from its offset, or relative to where the one before ended; where a later
//! one that is relative does not fit, the earlier is looked for further on.

use crate::condition::Order;

/// Tries of one pattern on one payload; then it does not match.
const TRIES: u32 = 4096;

/// Where a content may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// First byte at which it may begin, from the start of the payload or, where relative, from the end of the content
    /// before.
    pub from: i32,
    /// Bytes from there in which it must lie; `None`: up to the end.
    pub length: Option<u32>,
    /// Whether it counts from the end of the content before.
    pub relative: bool,
}

/// A step of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What.
    pub what: What,
    /// Whether it must not be so.
    pub not: bool,
    /// As written: the content.
    pub text: String,
}

impl Step {
    /// For people: `|08 00 04| at byte 7`.
    pub fn describe(&self) -> String {
        let not = if self.not { "not " } else { "" };
        format!("{not}{}", self.what.describe(&self.text))
    }
}

/// What of the payload.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// These bytes are there.
    Content {
        /// The bytes; in lower case where case does not matter.
        bytes: Vec<u8>,
        /// Whether case does not matter.
        nocase: bool,
        /// Where.
        place: Place,
    },
    /// One of these bytes is there.
    OneOf {
        /// The bytes.
        bytes: Vec<u8>,
        /// Where.
        place: Place,
    },
    /// The number at a place compares.
    Number {
        /// How it is read.
        read: Read,
        /// Bits that count.
        mask: u64,
        /// How it compares.
        order: Order,
        /// With what.
        value: u64,
    },
    /// The next content counts from the end of this number, and as many bytes further as the number says.
    Jump {
        /// How it is read.
        read: Read,
        /// What the number is multiplied by.
        times: u32,
        /// What is added.
        plus: i32,
    },
    /// There are so many bytes more, behind the content before or, where not relative, in all.
    More {
        /// How many.
        bytes: u32,
        /// Whether it counts from the end of the content before.
        relative: bool,
    },
    /// The payload is of a size.
    Size(Order, u32),
}

/// How a number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Bytes, 1 to 8.
    pub width: u8,
    /// Whether the lowest byte comes first.
    pub little: bool,
    /// Where it begins.
    pub place: i32,
    /// Whether it counts from the end of the content before.
    pub relative: bool,
}

impl Read {
    /// The number, and where it ends.
    fn number(self, bytes: &[u8], cursor: usize) -> Option<(u64, usize)> {
        let start = moved(if self.relative { cursor } else { 0 }, self.place)?;
        let end = start.checked_add(usize::from(self.width))?;
        let field = bytes.get(start..end)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        let number = if self.little { field.iter().rev().fold(0, add) } else { field.iter().fold(0, add) };
        Some((number, end))
    }
}

fn moved(from: usize, by: i32) -> Option<usize> {
    from.checked_add_signed(isize::try_from(by).ok()?)
}

impl Place {
    /// The bytes in which a content may lie: start and end.
    fn range(self, length: usize, cursor: usize) -> Option<(usize, usize)> {
        let start = moved(if self.relative { cursor } else { 0 }, self.from).or((self.from < 0).then_some(0))?;
        let most = self.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(length);
        let end = start.saturating_add(most).min(length);
        (start <= length).then_some((start, end))
    }
}

impl Place {
    fn describe(self, length: usize) -> String {
        let fits = self.length.is_some_and(|most| usize::try_from(most).is_ok_and(|most| most == length));
        match (self.relative, fits, self.length) {
            (false, true, _) => format!("at byte {}", self.from),
            (false, false, Some(most)) => format!("within {most} bytes from byte {}", self.from),
            (false, _, None) if self.from == 0 => "anywhere".to_owned(),
            (false, _, None) => format!("from byte {} on", self.from),
            (true, true, _) if self.from == 0 => "directly behind it".to_owned(),
            (true, true, _) => format!("{} bytes behind it", self.from),
            (true, false, Some(most)) => format!("within {most} bytes, {} bytes behind it", self.from),
            (true, _, None) => format!("somewhere from {} bytes behind it on", self.from),
        }
    }
}

impl Read {
    fn describe(self) -> String {
        let bytes = if self.width == 1 { "byte".to_owned() } else { format!("{}-byte number", self.width) };
        match self.relative {
            true => format!("the {bytes} {} bytes behind it", self.place),
            false if self.width == 1 => format!("byte {}", self.place),
            false => format!("the {bytes} at byte {}", self.place),
        }
    }
}

impl What {
    fn describe(&self, text: &str) -> String {
        match self {
            Self::Content { bytes, place, .. } => format!("{text} {}", place.describe(bytes.len())),
            Self::OneOf { place, .. } => format!("one of {text} {}", place.describe(1)),
            Self::Number { read, .. } => format!("{} {text}", read.describe()),
            Self::Jump { read, .. } => format!("further by {}", read.describe()),
            Self::More { bytes, relative: true } => format!("{bytes} more bytes behind it"),
            Self::More { bytes, relative: false } => format!("at least {bytes} bytes"),
            Self::Size(..) => format!("size {text}"),
        }
    }

    fn is_relative(&self) -> bool {
        match self {
            Self::Content { place, .. } | Self::OneOf { place, .. } => place.relative,
            Self::Number { read, .. } | Self::Jump { read, .. } => read.relative,
            Self::More { relative, .. } => *relative,
            Self::Size(..) => false,
        }
    }
}

/// Whether bytes are of a pattern.
pub fn matches(steps: &[Step], bytes: &[u8]) -> bool {
    let mut tries = TRIES;
    run(steps, bytes, 0, &mut tries)
}

fn run(steps: &[Step], bytes: &[u8], cursor: usize, tries: &mut u32) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    match &step.what {
        What::Content { place, .. } | What::OneOf { place, .. } => {
            let Some((start, end)) = place.range(bytes.len(), cursor) else {
                return step.not && run(rest, bytes, cursor, tries);
            };
            if step.not {
                return find(&step.what, bytes, start, end).is_none() && run(rest, bytes, cursor, tries);
            }
            // Where nothing counts from its end, the first one decides.
            let again = rest.first().is_some_and(|next| next.what.is_relative());
            let mut from = start;
            while let Some((at, after)) = find(&step.what, bytes, from, end) {
                if *tries == 0 {
                    return false;
                }
                *tries -= 1;
                if run(rest, bytes, after, tries) {
                    return true;
                }
                if !again {
                    return false;
                }
                from = at + 1;
            }
            false
        }
        What::Number { read, mask, order, value } => {
            let holds = read
                .number(bytes, cursor)
                .is_some_and(|(number, _)| order.holds((number & mask).cmp(value)) != step.not);
            holds && run(rest, bytes, cursor, tries)
        }
        What::Jump { read, times, plus } => {
            let Some((number, end)) = read.number(bytes, cursor) else { return false };
            let far = number.checked_mul(u64::from(*times)).and_then(|far| usize::try_from(far).ok());
            let Some(target) = far.and_then(|far| end.checked_add(far)).and_then(|at| moved(at, *plus)) else {
                return false;
            };
            run(rest, bytes, target, tries)
        }
        What::More { bytes: wanted, relative } => {
            let from = if *relative { cursor } else { 0 };
            let wanted = usize::try_from(*wanted).unwrap_or(usize::MAX);
            let there = from.checked_add(wanted).is_some_and(|end| end <= bytes.len());
            there != step.not && run(rest, bytes, cursor, tries)
        }
        What::Size(order, size) => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            order.holds(length.cmp(size)) != step.not && run(rest, bytes, cursor, tries)
        }
    }
}

/// The first place at or after `from` and up to `end`: start and end.
fn find(what: &What, bytes: &[u8], from: usize, end: usize) -> Option<(usize, usize)> {
    let part = bytes.get(from..end)?;
    match what {
        What::Content { bytes: wanted, nocase, .. } => {
            let (&first, _) = wanted.split_first()?;
            let fits = |window: &[u8]| match nocase {
                false => window == wanted.as_slice(),
                true => window.eq_ignore_ascii_case(wanted),
            };
            let starts = |byte: u8| byte == first || (*nocase && byte.eq_ignore_ascii_case(&first));
            let at = part
                .windows(wanted.len())
                .position(|window| window.first().is_some_and(|byte| starts(*byte)) && fits(window))?;
            Some((from + at, from + at + wanted.len()))
        }
        What::OneOf { bytes: wanted, .. } => {
            let at = part.iter().position(|byte| wanted.contains(byte))?;
            Some((from + at, from + at + 1))
        }
        _ => None,
    }
}

/// Reads bytes in Snort's notation: text, with hexadecimal digits between bars: `GET |0d 0a|`.
///
/// # Errors
/// In words.
pub fn content(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    let mut digits = false;
    loop {
        let (part, more) = match rest.split_once('|') {
            Some((part, more)) => (part, Some(more)),
            None => (rest, None),
        };
        if digits {
            let plain: String = part.chars().filter(|c| !c.is_whitespace()).collect();
            bytes.extend(crate::expression::hex(&plain).ok_or_else(|| {
                format!("{part:?}: hexadecimal digits in pairs are expected between the bars, for example |00 1f|")
            })?);
        } else {
            bytes.extend_from_slice(part.as_bytes());
        }
        match more {
            Some(more) => rest = more,
            None if digits => return Err("a closing bar is missing".to_owned()),
            None => break,
        }
        digits = !digits;
    }
    if bytes.is_empty() {
        return Err("a content has at least one byte".to_owned());
    }
    if bytes.len() > 4096 {
        return Err("a content has at most 4096 bytes".to_owned());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(what: What) -> Step {
        Step { what, not: false, text: String::new() }
    }

    fn bytes(text: &str, from: i32, length: Option<u32>, relative: bool) -> Step {
        let place = Place { from, length, relative };
        step(What::Content { bytes: content(text).unwrap(), nocase: false, place })
    }

    #[test]
    fn contents_are_read() {
        assert_eq!(content("a|00 1F|b").unwrap(), [b'a', 0, 0x1f, b'b']);
        assert_eq!(content("|001f|").unwrap(), [0, 0x1f]);
        for wrong in ["", "|0|", "|00", "|zz|", "||"] {
            assert!(content(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn places_are_kept() {
        let payload = [0, 1, 0, 0, 0, 6, 1, 8, 0, 4, 0, 0];
        assert!(matches(&[bytes("|00 00|", 2, Some(2), false), bytes("|08 00 04|", 7, Some(3), false)], &payload));
        assert!(!matches(&[bytes("|08 00 04|", 8, None, false)], &payload));
        assert!(!matches(&[bytes("|08 00 04|", 6, Some(3), false)], &payload));
        assert!(!matches(&[bytes("|08|", 100, None, false)], &payload));
    }

    #[test]
    fn an_earlier_content_is_looked_for_again() {
        let steps = [bytes("a", 0, None, false), bytes("b", 0, Some(1), true)];
        assert!(matches(&steps, b"axxab"));
        assert!(!matches(&steps, b"axxa"));
        assert!(!matches(&[bytes("a", 0, None, false), bytes("b", 1, Some(1), true)], b"ab"));
    }

    #[test]
    fn numbers_jumps_and_sizes() {
        let read = |place, relative| Read { width: 2, little: false, place, relative };
        // A Modbus header whose length field says 6, and 6 bytes behind it.
        let payload = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
        let jump = step(What::Jump { read: read(4, false), times: 1, plus: 0 });
        let more = |bytes| step(What::More { bytes, relative: true });
        assert!(!matches(&[jump.clone(), more(1)], &payload));
        assert!(matches(&[jump, more(0)], &payload));
        let number = |order, value| step(What::Number { read: read(4, false), mask: u64::MAX, order, value });
        assert!(matches(&[number(Order::Equal, 6)], &payload));
        assert!(!matches(&[number(Order::Greater, 6)], &payload));
        assert!(matches(&[step(What::Size(Order::AtMost, 12))], &payload));
        assert!(!matches(&[step(What::Size(Order::Greater, 300))], &payload));
        let not = Step { not: true, ..bytes("|00 00|", 2, Some(2), false) };
        assert!(!matches(&[not], &payload));
    }

    #[test]
    fn hostile_payload_takes_bounded_time() {
        let steps: Vec<Step> =
            std::iter::once(bytes("a", 0, None, false)).chain((0..40).map(|_| bytes("a", 0, None, true))).collect();
        let last = [steps, vec![bytes("b", 0, None, true)]].concat();
        assert!(!matches(&last, &[b'a'; 1400]));
    }
}
