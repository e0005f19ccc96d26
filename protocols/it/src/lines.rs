//! Protocols of text lines.

/// Longest line that is waited for.
const MOST: usize = 1024;

/// What a stream of lines begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line without its end, and how many bytes it takes with it.
    Whole(&'a [u8], usize),
    /// The beginning of one.
    Part,
    /// No end in sight: the bytes are no lines.
    TooLong,
}

/// The first line.
pub(crate) fn line(bytes: &[u8]) -> Line<'_> {
    match bytes.iter().take(MOST).position(|&byte| byte == b'\n') {
        Some(end) => {
            let line = bytes.get(..end).unwrap_or_default();
            Line::Whole(line.strip_suffix(b"\r").unwrap_or(line), end + 1)
        }
        None if bytes.len() >= MOST => Line::TooLong,
        None => Line::Part,
    }
}
