//! Failed sign-ins: after some of them one has to wait, longer each time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures of one name from one address, of one address, and of one name, before one has to wait.
const FREE: [u32; 3] = [5, 20, 60];
/// First and longest wait.
const WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15 * 60));
/// After this time without a failure all is forgotten.
const FORGET: Duration = Duration::from_secs(60 * 60);
/// Names and addresses remembered; beyond it the one that failed longest ago goes.
const MOST: usize = 10_000;

/// What is remembered of failed sign-ins.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: HashMap<(usize, String), Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    until: Instant,
}

fn keys(name: &str, address: &str) -> [(usize, String); 3] {
    let name = name.to_lowercase();
    [(0, format!("{name} {address}")), (1, address.to_owned()), (2, name)]
}

impl Throttle {
    /// How long a sign-in has to wait, if it has to.
    pub fn wait(&self, name: &str, address: &str, now: Instant) -> Option<Duration> {
        let until = keys(name, address).iter().filter_map(|key| self.failures.get(key)).map(|known| known.until).max();
        until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Notes a failure.
    pub fn failed(&mut self, name: &str, address: &str, now: Instant) {
        for key in keys(name, address) {
            if self.failures.len() >= MOST && !self.failures.contains_key(&key) {
                self.make_room(now);
            }
            let free = FREE.get(key.0).copied().unwrap_or_default();
            let known = self.failures.entry(key).or_insert(Failures { count: 0, last: now, until: now });
            if now.saturating_duration_since(known.last) > FORGET {
                known.count = 0;
            }
            known.count = known.count.saturating_add(1);
            known.last = now;
            if let Some(over) = known.count.checked_sub(free) {
                let wait = WAIT.0.saturating_mul(1_u32 << over.min(16)).min(WAIT.1);
                known.until = now.checked_add(wait).unwrap_or(now);
            }
        }
    }

    /// Forgets the failures of a name from an address: it signed in.
    pub fn succeeded(&mut self, name: &str, address: &str) {
        let [pair, _, name] = keys(name, address);
        self.failures.remove(&pair);
        self.failures.remove(&name);
    }

    fn make_room(&mut self, now: Instant) {
        self.failures.retain(|_, known| now.saturating_duration_since(known.last) <= FORGET);
        while self.failures.len() >= MOST {
            let Some(oldest) = self.failures.iter().min_by_key(|(_, known)| known.last).map(|(key, _)| key.clone())
            else {
                return;
            };
            self.failures.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..4 {
            throttle.failed("anna", "10.0.0.1", now);
            assert_eq!(throttle.wait("anna", "10.0.0.1", now), None);
        }
        throttle.failed("anna", "10.0.0.1", now);
        assert_eq!(throttle.wait("Anna", "10.0.0.1", now), Some(WAIT.0));
        assert_eq!(throttle.wait("anna", "10.0.0.2", now), None, "somebody else cannot lock anna out at once");
        for _ in 0..200 {
            throttle.failed("anna", "10.0.0.1", now);
        }
        assert_eq!(throttle.wait("anna", "10.0.0.1", now), Some(WAIT.1));
        assert_eq!(throttle.wait("bert", "10.0.0.1", now), Some(WAIT.1), "the address waits for any name");
        assert_eq!(throttle.wait("anna", "10.0.0.1", now + WAIT.1), None);
        throttle.succeeded("anna", "10.0.0.1");
        assert_eq!(throttle.wait("anna", "10.0.0.2", now), None);
    }

    #[test]
    fn it_remembers_only_so_many() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..20_000 {
            throttle.failed(&format!("user{number}"), "10.0.0.1", now);
            if throttle.failures.len() > MOST {
                panic!("{} remembered", throttle.failures.len());
            }
            if number == 5_000 {
                break;
            }
        }
        assert!(throttle.failures.len() <= MOST);
    }
}
