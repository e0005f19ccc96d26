//! Text out of untrusted bytes.

/// Text of at most `most` characters: UTF-8 as far as it is, without control characters, blanks at the ends removed.
pub(crate) fn clean(bytes: &[u8], most: usize) -> String {
    let bytes = bytes.get(..bytes.len().min(most.saturating_mul(4))).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    text.trim().to_owned()
}

/// The first line that is not empty.
pub(crate) fn first_line(bytes: &[u8], most: usize) -> String {
    bytes
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .map(|line| clean(line, most))
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

/// Whether a text stands in another, letters of either case.
pub(crate) fn contains(bytes: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    bytes.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

/// Base64 into a buffer (RFC 4648, clause 4). How many bytes; `None` where it is not base64 or too long.
pub(crate) fn base64(text: &[u8], into: &mut [u8]) -> Option<usize> {
    let (mut bits, mut held, mut at) = (0u32, 0u32, 0);
    for &byte in text.iter().take_while(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            *into.get_mut(at)? = u8::try_from(bits >> held & 0xff).unwrap_or(0);
            at += 1;
            bits &= (1 << held) - 1;
        }
    }
    Some(at)
}

/// Text that HTML forms encode: `+` and `%2F`. How many bytes; `None` where it is too long.
pub(crate) fn percent(text: &[u8], into: &mut [u8]) -> Option<usize> {
    let hex =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|n| u8::try_from(n).ok());
    let (mut at, mut to) = (0, 0);
    while let Some(&byte) = text.get(at) {
        let (value, length) = match (byte, hex(text.get(at + 1)), hex(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => (high << 4 | low, 3),
            (b'+', ..) => (b' ', 1),
            _ => (byte, 1),
        };
        *into.get_mut(to)? = value;
        at += length;
        to += 1;
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cleaned() {
        assert_eq!(clean(b" a\x1b[2Jb\0\r\n", 64), "a [2Jb");
        assert_eq!(clean("größe".as_bytes(), 3), "grö");
        assert_eq!(first_line(b"\r\n\r\n Welcome \r\nlogin:", 64), "Welcome");
    }

    #[test]
    fn encodings_are_read() {
        let mut buffer = [0; 16];
        assert_eq!(base64(b"YWRtaW46d2Fnbw==", &mut buffer), Some(10));
        assert_eq!(&buffer[..10], b"admin:wago");
        assert_eq!(base64(b"!", &mut buffer), None);
        assert_eq!(base64(&[b'A'; 64], &mut buffer), None);
        assert_eq!(percent(b"a%40b+c%2", &mut buffer), Some(7));
        assert_eq!(&buffer[..7], b"a@b c%2");
    }
}
