//! When: back-off after failures, and how many messages a second. Pure; time is an argument.

use std::time::{Duration, Instant};

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(500);

/// Waits after failures in a row: half a second, then twice as long each time, up to a cap.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    /// With this cap.
    pub fn new(most: Duration) -> Self {
        Self { next: FIRST.min(most), most }
    }

    /// How long to wait after one more failure.
    pub fn fail(&mut self) -> Duration {
        let wait = self.next;
        self.next = self.next.saturating_mul(2).min(self.most);
        wait
    }

    /// It went well: the next failure is a first one.
    pub fn reset(&mut self) {
        *self = Self::new(self.most);
    }
}

/// A bucket of tokens: so many messages a second, of which the messages of one second may come at once.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Time that a message takes.
    each: Duration,
    /// Time that a full bucket stands for.
    most: Duration,
    /// When the bucket was, or will be, empty.
    empty: Instant,
}

impl Rate {
    /// So many messages a second, at least one.
    pub fn new(per_second: u32, now: Instant) -> Self {
        let most = Duration::from_secs(1);
        Self { each: most / per_second.max(1), most, empty: now.checked_sub(most).unwrap_or(now) }
    }

    /// Takes a token, or says how long to wait for one.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let floor = now.checked_sub(self.most).unwrap_or(now);
        let after = self.empty.max(floor) + self.each;
        if after <= now {
            self.empty = after;
            return Ok(());
        }
        Err(after - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(3));
        let waits: Vec<u128> = (0..5).map(|_| backoff.fail().as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 3_000, 3_000]);
        backoff.reset();
        assert_eq!(backoff.fail().as_millis(), 500);
        assert_eq!(Backoff::new(Duration::from_millis(100)).fail().as_millis(), 100);
    }

    #[test]
    fn a_second_of_messages_comes_at_once_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = Rate::new(10, start);
        let at_once = (0..100).take_while(|_| rate.take(start).is_ok()).count();
        assert_eq!(at_once, 10);
        assert_eq!(rate.take(start), Err(Duration::from_millis(100)));
        // In the ten seconds after, a hundred more: nothing is saved up beyond one second.
        let later = (1..=10_000).filter(|ms| rate.take(start + Duration::from_millis(*ms)).is_ok()).count();
        assert_eq!(later, 100);
        let rested = start + Duration::from_secs(3_600);
        assert_eq!((0..100).take_while(|_| rate.take(rested).is_ok()).count(), 10);
    }
}
