//! Vendors of MAC addresses, from the registries of the IEEE.
//!
//! The table is text in order of its prefixes and is searched in place: nothing is built at start. It is made by
//! `data/make-vendors`.

use ot_protocol::Mac;
use std::cmp::Ordering;
use std::fmt::Write as _;

static TABLE: &str = include_str!("../data/vendors.txt");

/// The vendor that the longest registered prefix of a MAC address names (36, 28, then 24 bits).
///
/// `None` for addresses of groups, addresses assigned locally, and prefixes that are not registered or private.
pub fn vendor(mac: Mac) -> Option<&'static str> {
    if mac.is_group() || mac.is_local() {
        return None;
    }
    let mut digits = String::with_capacity(12);
    for byte in mac.0 {
        let _ = write!(digits, "{byte:02X}");
    }
    [9, 7, 6].into_iter().find_map(|length| digits.get(..length).and_then(name))
}

/// The first line of the table: what it was made from, and when.
pub fn edition() -> &'static str {
    TABLE.lines().next().unwrap_or_default().trim_start_matches("# ")
}

/// The name of a prefix, by bisection over the bytes of the table.
fn name(prefix: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, TABLE.len());
    while low < high {
        let middle = low + (high - low) / 2;
        // The line that the middle lies in. A byte may be inside a letter; line feeds never are.
        let bytes = TABLE.as_bytes();
        let start = bytes.get(..middle)?.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let end = bytes.get(middle..)?.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| middle + at);
        let line = TABLE.get(start..end)?;
        // The header has no tab and sorts before all prefixes.
        let (key, name) = line.split_once('\t').unwrap_or_default();
        match key.cmp(prefix) {
            Ordering::Equal => return Some(name),
            Ordering::Less => low = end + 1,
            Ordering::Greater => high = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
        vendor(Mac(bytes.try_into().expect("six bytes")))
    }

    #[test]
    fn knows_vendors_of_the_industry() {
        assert_eq!(of("00:80:f4:12:34:56"), Some("Schneider Electric"));
        assert_eq!(of("00:1b:1b:12:34:56"), Some("Siemens"));
        assert_eq!(of("00:00:bc:12:34:56"), Some("Rockwell Automation"));
        assert!(of("00:90:e8:12:34:56").expect("known").starts_with("Moxa"));
    }

    #[test]
    fn longest_prefix_wins() {
        // 70:B3:D5 is divided by the IEEE into blocks of 36 bits, 74:1A:E0 into blocks of 28 bits.
        assert_eq!(of("70:b3:d5:f2:f0:01"), Some("Teleplatforms"));
        assert_eq!(of("20:85:93:b0:00:01"), Some("IOG Products"));
    }

    #[test]
    fn none_where_no_vendor_stands_behind_it() {
        assert_eq!(of("02:80:f4:12:34:56"), None);
        assert_eq!(of("01:80:f4:12:34:56"), None);
        assert_eq!(of("ff:ff:ff:ff:ff:ff"), None);
        assert_eq!(of("fc:ff:ff:ff:ff:ff"), None);
    }

    #[test]
    fn every_line_is_found() {
        let mut before = "";
        for line in TABLE.lines().skip(1) {
            let (prefix, wanted) = line.split_once('\t').expect("tab");
            assert!(before < prefix, "{prefix} is out of order");
            assert_eq!(name(prefix), Some(wanted), "{prefix}");
            before = prefix;
        }
        assert!(edition().contains("IEEE"));
    }
}
