//! Values on the wire: transport sizes, numbers, texts and times.

use ot_protocol::{Reader, Timestamp};

/// Type of an item that a job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ItemType {
    /// Number on the wire.
    pub code: u8,
    /// Name of the data type.
    pub name: &'static str,
    /// Width of one element in bits.
    pub width: u32,
    /// How its bytes make a number.
    pub encoding: Encoding,
}

/// How bytes make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// One bit a byte.
    Bit,
    /// Unsigned, most significant byte first.
    Unsigned,
    /// Signed, most significant byte first.
    Signed,
    /// IEEE 754.
    Float,
    /// No number: a time of eight bytes, a structure.
    Opaque,
}

const fn item_type(code: u8, name: &'static str, width: u32, encoding: Encoding) -> ItemType {
    ItemType { code, name, width, encoding }
}

/// Transport sizes of items.
pub(crate) static ITEM_TYPES: &[ItemType] = &[
    item_type(1, "BOOL", 1, Encoding::Bit),
    item_type(2, "BYTE", 8, Encoding::Unsigned),
    item_type(3, "CHAR", 8, Encoding::Unsigned),
    item_type(4, "WORD", 16, Encoding::Unsigned),
    item_type(5, "INT", 16, Encoding::Signed),
    item_type(6, "DWORD", 32, Encoding::Unsigned),
    item_type(7, "DINT", 32, Encoding::Signed),
    item_type(8, "REAL", 32, Encoding::Float),
    item_type(9, "DATE", 16, Encoding::Unsigned),
    item_type(10, "TIME_OF_DAY", 32, Encoding::Unsigned),
    item_type(11, "TIME", 32, Encoding::Signed),
    item_type(12, "S5TIME", 16, Encoding::Unsigned),
    item_type(15, "DATE_AND_TIME", 64, Encoding::Opaque),
    item_type(28, "COUNTER", 16, Encoding::Unsigned),
    item_type(29, "TIMER", 16, Encoding::Unsigned),
    item_type(30, "IEC TIMER", 16, Encoding::Unsigned),
    item_type(31, "IEC COUNTER", 16, Encoding::Unsigned),
    item_type(32, "HS COUNTER", 16, Encoding::Unsigned),
];

/// The type with this number; what is not known is taken as bytes.
pub(crate) fn item_type_of(code: u8) -> ItemType {
    let known = ITEM_TYPES.iter().find(|known| known.code == code);
    known.copied().unwrap_or(item_type(code, "unknown", 8, Encoding::Unsigned))
}

/// Transport sizes of data: number, name, whether its length counts bits.
pub(crate) static DATA_SIZES: &[(u8, &str, bool)] = &[
    (0x00, "NULL", false),
    (0x03, "BIT", true),
    (0x04, "BYTE/WORD/DWORD", true),
    (0x05, "INTEGER", true),
    (0x06, "DINTEGER", false),
    (0x07, "REAL", false),
    (0x09, "OCTET STRING", false),
    (0x11, "NCK address 1", false),
    (0x12, "NCK address 2", false),
];

/// Bytes that a length of data stands for.
pub(crate) fn data_bytes(size: u8, length: u16) -> usize {
    let bits = DATA_SIZES.iter().any(|(known, _, bits)| *known == size && *bits);
    if bits { usize::from(length).div_ceil(8) } else { usize::from(length) }
}

/// The numbers of an item, one an element, as far as there are bytes.
pub(crate) fn numbers(kind: ItemType, bytes: &[u8], count: u32, into: &mut Vec<f64>) {
    into.clear();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let width = usize::try_from(kind.width / 8).unwrap_or(1).max(1);
    if kind.encoding == Encoding::Opaque {
        return;
    }
    into.extend(bytes.chunks_exact(width).take(count).map(|bytes| number(kind.encoding, bytes)));
}

/// One number of up to four bytes.
pub(crate) fn number(encoding: Encoding, bytes: &[u8]) -> f64 {
    let whole = bytes.iter().take(4).fold(0_u32, |value, &byte| value << 8 | u32::from(byte));
    match (encoding, bytes) {
        (Encoding::Float, _) => {
            let float = f64::from(f32::from_bits(whole));
            // Not a number: not known.
            if float.is_finite() { float } else { f64::NAN }
        }
        (Encoding::Signed, &[high, low]) => f64::from(i16::from_be_bytes([high, low])),
        (Encoding::Signed, _) => f64::from(i32::from_be_bytes(whole.to_be_bytes())),
        _ => f64::from(whole),
    }
}

/// ASCII text up to the first zero byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let ascii = |&byte: &u8| if byte < 0x80 { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
    bytes.iter().take(end).map(ascii).collect()
}

/// Text of a device for people: printable, without blanks at its ends.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text: String = text(bytes).chars().filter(|letter| !letter.is_control()).collect();
    text.trim().to_owned()
}

fn bcd(byte: u8) -> Option<i64> {
    let (tens, ones) = (byte >> 4, byte & 0x0F);
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// DATE_AND_TIME: year of the century, month, day, hour, minute, second, milliseconds and weekday, in BCD.
pub(crate) fn date_and_time(bytes: [u8; 8]) -> Option<Timestamp> {
    let [year, month, day, hour, minute, second, high, low] = bytes;
    let millis = bcd(high)? * 10 + i64::from(low >> 4);
    let year = match bcd(year)? {
        year @ 90.. => 1900 + year,
        year => 2000 + year,
    };
    let (month, day) = (bcd(month)?, bcd(day)?);
    let (hour, minute, second) = (bcd(hour)?, bcd(minute)?, bcd(second)?);
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    valid.then(|| {
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Timestamp::new(seconds, 0).plus(millis * 1_000_000)
    })
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * shifted + 2) / 5 + day - 1 - 719_468
}

/// Time of a block: milliseconds of the day and days since 1984-01-01.
pub(crate) fn block_time(bytes: [u8; 6]) -> Option<Timestamp> {
    let mut reader = Reader::new(&bytes);
    let millis = i64::from(reader.u32().ok()?);
    let day = i64::from(reader.u16().ok()?);
    Some(Timestamp::new((days(1984, 1, 1) + day) * 86_400, 0).plus(millis * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_type() {
        let mut found = Vec::new();
        numbers(item_type_of(8), &[0x41, 0x33, 0x85, 0x1F], 1, &mut found);
        assert_eq!(found, [f64::from(11.22_f32)]);
        numbers(item_type_of(5), &[0xFF, 0xFE, 0x00, 0x03], 2, &mut found);
        assert_eq!(found, [-2.0, 3.0]);
        numbers(item_type_of(7), &[0xFF, 0xFF, 0xFF, 0xFF], 1, &mut found);
        assert_eq!(found, [-1.0]);
        numbers(item_type_of(4), &[0xFF, 0xFE, 0x00], 2, &mut found);
        assert_eq!(found, [65534.0]);
        numbers(item_type_of(15), &[0; 8], 1, &mut found);
        assert_eq!(found, [0.0; 0]);
        assert!(number(Encoding::Float, &[0x7F, 0x80, 0, 0]).is_nan());
    }

    #[test]
    fn lengths_count_bits_or_bytes() {
        assert_eq!(data_bytes(4, 16), 2);
        assert_eq!(data_bytes(3, 1), 1);
        assert_eq!(data_bytes(9, 16), 16);
    }

    #[test]
    fn times() {
        let time = date_and_time([0x14, 0x08, 0x20, 0x12, 0x05, 0x36, 0x11, 0x24]).expect("a time");
        assert_eq!(time.to_string(), "2014-08-20T12:05:36.112000000Z");
        assert_eq!(
            date_and_time([0x99, 0x12, 0x31, 0, 0, 0, 0, 0]).expect("a time").to_string(),
            "1999-12-31T00:00:00.000000000Z"
        );
        assert_eq!(date_and_time([0xAA; 8]), None);
        assert_eq!(date_and_time([0x14, 0, 0x20, 0, 0, 0, 0, 0]), None);
        let time = block_time([0x05, 0x08, 0x2B, 0x94, 0x2D, 0x9D]).expect("a time");
        assert!(time.to_string().starts_with("2015-12-21T23:"), "{time}");
        assert_eq!(block_time([0; 6]).expect("a time").to_string(), "1984-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(clean(b"PLC_1\0\0junk"), "PLC_1");
        assert_eq!(clean(b" a\x07b\xFF "), "ab\u{FFFD}");
    }
}
