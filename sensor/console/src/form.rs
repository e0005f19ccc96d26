//! Fields of a form or a query (application/x-www-form-urlencoded), in both directions.

use std::fmt::Write as _;

/// Fields at most; more are left out.
const MOST: usize = 2_000;

/// Reads fields, in order. What is no UTF-8 becomes the replacement character.
pub fn parse(bytes: &[u8]) -> Vec<(String, String)> {
    bytes
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
        .take(MOST)
        .map(|field| {
            let mut halves = field.splitn(2, |byte| *byte == b'=');
            (decode(halves.next().unwrap_or_default()), decode(halves.next().unwrap_or_default()))
        })
        .collect()
}

fn decode(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (_, Some(escaped)) => {
                decoded.push(escaped);
                rest = tail.get(2..).unwrap_or_default();
                continue;
            }
            (b'+', None) => decoded.push(b' '),
            (other, None) => decoded.push(other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Writes one value.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Writes fields.
pub fn write<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    fields.join("&")
}

/// The value of a field.
pub fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_the_way_there_and_back() {
        let text = "a&b=c%20+ü'\"<script>";
        let written = write([("q", text), ("empty", "")]);
        assert_eq!(parse(written.as_bytes()), [("q".to_owned(), text.to_owned()), ("empty".to_owned(), String::new())]);
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(parse(b"a=%zz%4&b=%")[0].1, "%zz%4");
        assert_eq!(parse(b"a=%ff")[0].1, "\u{fffd}");
    }
}
