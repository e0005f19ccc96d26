//! Days and times of day at the site.

use jiff::tz::TimeZone;
use ot_protocol::Timestamp;
use std::fmt;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES: u16 = 24 * 60;

/// The time zone of a site.
#[derive(Clone)]
pub struct SiteClock {
    name: String,
    zone: TimeZone,
}

impl SiteClock {
    /// A zone by its IANA name: `Europe/Berlin`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(name: &str) -> Result<Self, String> {
        let zone = TimeZone::get(name)
            .map_err(|_| format!("{name:?} is no time zone; write an IANA name, for example \"Europe/Berlin\""))?;
        Ok(Self { name: name.to_owned(), zone })
    }

    /// Day of the week (0: Monday) and minute of the day at the site.
    fn local(&self, time: Timestamp) -> (usize, u16) {
        let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(time.0)) else { return (0, 0) };
        let local = self.zone.to_datetime(instant);
        let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        (day, minute)
    }

    /// For people: `Mon 14:05 Europe/Berlin`.
    pub fn show(&self, time: Timestamp) -> String {
        let (day, minute) = self.local(time);
        let day: String = DAYS.get(day).copied().unwrap_or_default().to_owned();
        format!("{day} {:02}:{:02} {}", minute / 60, minute % 60, self.name)
    }
}

impl Default for SiteClock {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl fmt::Debug for SiteClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for SiteClock {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// When a rule holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Within one of these; empty: always.
    pub during: Vec<Shift>,
    /// Within none of these.
    pub outside: Vec<Shift>,
}

/// Some days, from a time of day to another. Where it ends before it begins, it ends on the next day.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    days: [bool; 7],
    from: u16,
    to: u16,
    text: String,
}

impl Shift {
    /// Reads `mon-fri 06:00-14:00`, `sat,sun`, `22:00-06:00`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no shift; write \"mon-fri 06:00-14:00\", \"sat,sun\" or \"22:00-06:00\"");
        let (mut days, mut times) = (None, None);
        for word in text.split_whitespace() {
            let place = if word.contains(':') { &mut times } else { &mut days };
            if place.replace(word).is_some() {
                return Err(wrong());
            }
        }
        let mut on = [days.is_none(); 7];
        for part in days.into_iter().flat_map(|days| days.split(',')) {
            let day = |name: &str| {
                DAYS.iter()
                    .position(|day| name.to_lowercase().starts_with(day) && name.len() <= 9)
                    .ok_or_else(|| format!("{text:?}: {name:?} is no day; write mon, tue, wed, thu, fri, sat or sun"))
            };
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (mut at, to) = (day(from)?, day(to)?);
            loop {
                if let Some(flag) = on.get_mut(at) {
                    *flag = true;
                }
                if at == to {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        let (from, to) = match times {
            None => (0, MINUTES),
            Some(times) => {
                let (from, to) = times.split_once('-').ok_or_else(wrong)?;
                (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?)
            }
        };
        if days.is_none() && times.is_none() || from == to {
            return Err(wrong());
        }
        Ok(Self { days: on, from, to, text: text.to_owned() })
    }

    fn holds(&self, (day, minute): (usize, u16)) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or_default();
        if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            // What is after midnight belongs to the day on which it began.
            (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
        }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| (1..=2).contains(&text.len()));
    let (hour, minute) = (number(hour)?, number(minute)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= MINUTES).then_some(at)
}

impl Schedule {
    /// Whether it holds at a packet time; if so, what of it, where it says anything.
    pub fn holds(&self, clock: &SiteClock, time: Timestamp) -> Option<String> {
        if self.during.is_empty() && self.outside.is_empty() {
            return Some(String::new());
        }
        let local = clock.local(time);
        let during = self.during.iter().find(|shift| shift.holds(local));
        if (during.is_none() && !self.during.is_empty()) || self.outside.iter().any(|shift| shift.holds(local)) {
            return None;
        }
        let mut text = clock.show(time);
        if let Some(shift) = during {
            text.push_str(&format!(" is within {}", shift.text));
        }
        if !self.outside.is_empty() {
            let list: Vec<&str> = self.outside.iter().map(|shift| shift.text.as_str()).collect();
            text.push_str(&format!(" is outside of {}", list.join(", ")));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-02 is a Monday.
    fn at(clock: &SiteClock, text: &str, shift: &str) -> bool {
        let time: jiff::Timestamp = text.parse().unwrap();
        let time = Timestamp(i64::try_from(time.as_nanosecond()).unwrap());
        Schedule { during: vec![Shift::parse(shift).unwrap()], outside: Vec::new() }.holds(clock, time).is_some()
    }

    #[test]
    fn shifts_are_of_the_site() {
        let utc = SiteClock::default();
        assert!(at(&utc, "2026-03-02T06:00:00Z", "mon-fri 06:00-14:00"));
        assert!(!at(&utc, "2026-03-02T05:59:59Z", "mon-fri 06:00-14:00"));
        assert!(!at(&utc, "2026-03-02T14:00:00Z", "mon-fri 06:00-14:00"));
        assert!(!at(&utc, "2026-03-01T06:00:00Z", "mon-fri 06:00-14:00"));
        assert!(at(&utc, "2026-03-01T06:00:00Z", "sat,sun"));
        let berlin = SiteClock::parse("Europe/Berlin").unwrap();
        assert!(at(&berlin, "2026-03-02T05:00:00Z", "mon 06:00-14:00"));
        // Summer time.
        assert!(at(&berlin, "2026-07-06T04:00:00Z", "mon 06:00-14:00"));
        assert!(SiteClock::parse("Europe/Berlinn").is_err());
    }

    #[test]
    fn a_night_shift_belongs_to_the_day_on_which_it_began() {
        let utc = SiteClock::default();
        assert!(at(&utc, "2026-03-02T22:00:00Z", "mon 22:00-06:00"));
        assert!(at(&utc, "2026-03-03T05:59:00Z", "mon 22:00-06:00"));
        assert!(!at(&utc, "2026-03-02T05:00:00Z", "mon 22:00-06:00"));
        assert!(at(&utc, "2026-03-02T05:00:00Z", "sun-mon 22:00-06:00"));
        assert!(at(&utc, "2026-03-02T23:59:00Z", "18:00-24:00"));
    }

    #[test]
    fn wrong_shifts_are_told() {
        for wrong in ["", "noon", "mon 6-14", "25:00-26:00", "06:00", "mon tue 06:00-14:00", "06:00-06:00", "mon-xyz"] {
            assert!(Shift::parse(wrong).is_err(), "{wrong}");
        }
    }
}
