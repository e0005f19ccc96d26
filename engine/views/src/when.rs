//! Times and spans as people write them on a command line.

use ot_protocol::time::{Nanos, SECOND, Timestamp};
use std::str::FromStr;

/// A point in time: fixed, or relative to the newest packet time of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// RFC 3339 or epoch seconds.
    At(Timestamp),
    /// So long before the newest packet time.
    Before(Nanos),
}

impl When {
    /// The time meant, given the newest packet time of the store.
    pub fn resolve(self, newest: Option<Timestamp>) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Before(span) => newest.unwrap_or_default().plus(span.saturating_neg()),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(span) = text.strip_prefix('-').and_then(|rest| span(rest).ok()) {
            return Ok(Self::Before(span));
        }
        time(text).map(Self::At).map_err(|_| {
            format!(
                "{text:?} is no time; write RFC 3339 (2026-03-01T12:00:00Z), epoch seconds (1772366400) or a span before \
                 the newest packet (-10m)"
            )
        })
    }
}

/// A fixed time: RFC 3339 or epoch seconds, with up to nine digits of fraction.
pub fn time(text: &str) -> Result<Timestamp, String> {
    if let Some(time) = epoch_seconds(text) {
        return Ok(time);
    }
    let wrong = || format!("{text:?} is no time; write RFC 3339 (2026-03-01T12:00:00Z) or epoch seconds (1772366400)");
    let parsed = jiff::Timestamp::from_str(text).map_err(|_| wrong())?;
    i64::try_from(parsed.as_nanosecond()).map(Timestamp).map_err(|_| wrong())
}

fn epoch_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    // Beyond the range of nanoseconds in 64 bits (year 2262).
    seconds.checked_mul(SECOND)?;
    Some(Timestamp::new(seconds, nanos))
}

/// A span of time: `90s`, `10m`, `2h`, `7d`, `500ms`, or several (`1h30m`).
pub fn span(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("{text:?} is no span of time; write 90s, 10m, 2h, 7d or 1h30m");
    let mut total: Nanos = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let factor = match unit {
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" | "min" => 60 * SECOND,
            "h" => 3_600 * SECOND,
            "d" => 86_400 * SECOND,
            "w" => 604_800 * SECOND,
            _ => return Err(wrong()),
        };
        let number: Nanos = number.parse().map_err(|_| wrong())?;
        total = number.checked_mul(factor).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = tail;
    }
    Ok(total)
}

/// A span for people: `1 d 2 h`, `10 min`, `4.2 s`, `180 ms`.
pub fn show_span(nanos: Nanos) -> String {
    let seconds = nanos / SECOND;
    match seconds {
        86_400.. => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
        3_600.. => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        60.. => format!("{} min {} s", seconds / 60, seconds % 60),
        1.. => format!("{}.{} s", seconds, nanos % SECOND / 100_000_000),
        _ if nanos >= 1_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{} µs", nanos / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        assert_eq!(time("1772366400").unwrap(), Timestamp::new(1_772_366_400, 0));
        assert_eq!(time("1772366400.25").unwrap(), Timestamp::new(1_772_366_400, 250_000_000));
        assert_eq!(time("2026-03-01T12:00:00.000000001Z").unwrap(), Timestamp::new(1_772_366_400, 1));
        assert_eq!(time("2026-03-01T14:00:00+02:00").unwrap(), Timestamp::new(1_772_366_400, 0));
        for wrong in ["", "yesterday", "2026-13-01T00:00:00Z", "99999999999999999999", "1.2.3", "12345678901", "-5"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reads_spans() {
        assert_eq!(span("10m").unwrap(), 600 * SECOND);
        assert_eq!(span("1h30m").unwrap(), 5_400 * SECOND);
        assert_eq!(span("7d").unwrap(), 604_800 * SECOND);
        for wrong in ["", "10", "m", "10x", "-10m", "99999999999d", "1h 30m"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn relative_times_count_from_the_newest_packet() {
        let newest = Timestamp::new(1_000, 0);
        assert_eq!("-10m".parse::<When>().unwrap().resolve(Some(newest)), Timestamp::new(400, 0));
        assert_eq!("400".parse::<When>().unwrap().resolve(Some(newest)), Timestamp::new(400, 0));
        assert!("-x".parse::<When>().is_err());
    }

    #[test]
    fn shows_spans() {
        assert_eq!(show_span(604_800 * SECOND), "7 d 0 h");
        assert_eq!(show_span(90 * SECOND), "1 min 30 s");
        assert_eq!(show_span(4_250_000_000), "4.2 s");
        assert_eq!(show_span(3_000_000), "3 ms");
    }
}
