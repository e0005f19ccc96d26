//! Packet time.

use std::fmt;

/// A span of packet time in nanoseconds. Negative where a capture runs backwards.
pub type Nanos = i64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;

/// A point in packet time: nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds and nanoseconds; saturates at the ends of the range (years 1677 and 2262).
    pub fn new(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(SECOND).saturating_add(i64::from(nanos)))
    }

    /// The second this time lies in (rounded down): the number of its epoch.
    pub fn epoch(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// How much later this is than `earlier`; negative where it is before.
    pub fn since(self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0)
    }

    /// This time plus a span.
    #[must_use]
    pub fn plus(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// RFC 3339 in UTC with nanoseconds, for example `2024-05-01T12:00:00.123456789Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400 * SECOND);
        let rest = self.0.rem_euclid(86_400 * SECOND);
        let (second, nanos) = (rest / SECOND, rest % SECOND);
        // Civil date from days since 1970-01-01 (proleptic Gregorian calendar), in 400-year eras.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{nanos:09}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339() {
        assert_eq!(Timestamp::new(0, 0).to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(Timestamp::new(951_782_399, 5).to_string(), "2000-02-28T23:59:59.000000005Z");
        assert_eq!(Timestamp::new(951_782_400, 0).to_string(), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn epochs_round_down() {
        assert_eq!(Timestamp(-1).epoch(), -1);
        assert_eq!(Timestamp(SECOND).epoch(), 1);
    }
}
