//! Small parts that the engine's tables share.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Timestamp};
use std::collections::VecDeque;
use std::hash::Hash;

/// Which rows changed since they were last taken.
#[derive(Debug, Default)]
pub struct Dirty {
    marked: Vec<bool>,
    list: Vec<u32>,
}

impl Dirty {
    /// Marks a row by its number.
    pub fn mark(&mut self, number: u32) {
        let at = number as usize;
        if self.marked.len() <= at {
            self.marked.resize(at + 1, false);
        }
        if let Some(flag) = self.marked.get_mut(at)
            && !*flag
        {
            *flag = true;
            self.list.push(number);
        }
    }

    /// Whether no row is marked.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The marked rows in order of number; none is marked afterwards.
    pub fn take(&mut self) -> Vec<u32> {
        let mut list = std::mem::take(&mut self.list);
        for &number in &list {
            if let Some(flag) = self.marked.get_mut(number as usize) {
                *flag = false;
            }
        }
        list.sort_unstable();
        list
    }
}

/// Counts events of many keys over a sliding window of packet time, with at most a set number of keys.
///
/// Exact to a sixteenth of the window. Where the table is full, the key that was not seen for longest goes.
#[derive(Debug)]
pub struct WindowCount<K> {
    window: Nanos,
    keys: HashMap<K, Ring, FixedState>,
    order: VecDeque<(K, i64)>,
    cap: usize,
    /// Keys given up.
    pub evicted: u64,
}

#[derive(Clone, Debug, Default)]
struct Ring {
    slots: [u32; 16],
    slot: i64,
}

impl<K: Hash + Eq + Clone> WindowCount<K> {
    /// A window of some seconds over at most `cap` keys.
    pub fn new(seconds: u32, cap: usize) -> Self {
        Self {
            window: i64::from(seconds.max(1)) * SECOND,
            keys: HashMap::default(),
            order: VecDeque::new(),
            cap: cap.max(1),
            evicted: 0,
        }
    }

    /// Adds events and returns how many the key has in the window that ends now.
    pub fn add(&mut self, key: &K, count: u32, now: Timestamp) -> u32 {
        let width = self.window / 16;
        let slot = now.0.div_euclid(width.max(1));
        if !self.keys.contains_key(key) {
            while self.keys.len() >= self.cap {
                let Some((old, seen)) = self.order.pop_front() else { break };
                match self.keys.get(&old) {
                    // Seen again since it was queued: back to the end.
                    Some(ring) if ring.slot > seen => self.order.push_back((old.clone(), ring.slot)),
                    Some(_) => {
                        self.keys.remove(&old);
                        self.evicted += 1;
                    }
                    None => {}
                }
            }
            self.order.push_back((key.clone(), slot));
        }
        let ring = self.keys.entry(key.clone()).or_insert_with(|| Ring { slots: [0; 16], slot });
        let passed = slot - ring.slot;
        if passed >= 16 || passed <= -16 {
            ring.slots = [0; 16];
            ring.slot = slot;
        } else if passed > 0 {
            for step in 1..=passed {
                let at = usize::try_from((ring.slot + step).rem_euclid(16)).unwrap_or(0);
                ring.slots[at] = 0;
            }
            ring.slot = slot;
        }
        let at = usize::try_from(slot.min(ring.slot).rem_euclid(16)).unwrap_or(0);
        ring.slots[at] = ring.slots[at].saturating_add(count);
        ring.slots.iter().fold(0, |sum, &n| sum.saturating_add(n))
    }

    /// Forgets a key: the next alert needs the full count again.
    pub fn forget(&mut self, key: &K) {
        self.keys.remove(key);
    }
}

/// Counts *different* values of many keys over a sliding window, with at most `cap` keys and `most` values a key.
#[derive(Debug)]
pub struct WindowDistinct<K, V> {
    window: Nanos,
    most: usize,
    keys: HashMap<K, VecDeque<(V, Timestamp)>, FixedState>,
    order: VecDeque<(K, Timestamp)>,
    cap: usize,
    /// Keys given up.
    pub evicted: u64,
}

impl<K: Hash + Eq + Clone, V: PartialEq + Clone> WindowDistinct<K, V> {
    /// A window of some seconds over at most `cap` keys, each with at most `most` values.
    pub fn new(seconds: u32, most: usize, cap: usize) -> Self {
        Self {
            window: i64::from(seconds.max(1)) * SECOND,
            most: most.max(1),
            keys: HashMap::default(),
            order: VecDeque::new(),
            cap: cap.max(1),
            evicted: 0,
        }
    }

    /// Adds a value and returns how many different ones the key has in the window that ends now (`most` at the most).
    pub fn add(&mut self, key: &K, value: V, now: Timestamp) -> usize {
        if !self.keys.contains_key(key) {
            while self.keys.len() >= self.cap {
                let Some((old, queued)) = self.order.pop_front() else { break };
                match self.keys.get(&old).and_then(|values| values.back()).map(|(_, last)| *last) {
                    Some(last) if last > queued => self.order.push_back((old, last)),
                    Some(_) => {
                        self.keys.remove(&old);
                        self.evicted += 1;
                    }
                    None => {
                        self.keys.remove(&old);
                    }
                }
            }
            self.order.push_back((key.clone(), now));
        }
        let values = self.keys.entry(key.clone()).or_default();
        let window = self.window;
        while values.front().is_some_and(|(_, seen)| now.since(*seen) > window || now.since(*seen) < -window) {
            values.pop_front();
        }
        if let Some(at) = values.iter().position(|(known, _)| *known == value) {
            values.remove(at);
        } else if values.len() >= self.most {
            values.pop_front();
        }
        values.push_back((value, now));
        values.len()
    }

    /// The values of a key now held, oldest first.
    pub fn values(&self, key: &K) -> impl Iterator<Item = &V> {
        self.keys.get(key).into_iter().flatten().map(|(value, _)| value)
    }

    /// Forgets a key.
    pub fn forget(&mut self, key: &K) {
        self.keys.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 0)
    }

    #[test]
    fn counts_slide() {
        let mut window = WindowCount::new(16, 2);
        assert_eq!(window.add(&"a", 3, at(0)), 3);
        assert_eq!(window.add(&"a", 1, at(10)), 4);
        assert_eq!(window.add(&"a", 1, at(17)), 2);
        assert_eq!(window.add(&"a", 1, at(1000)), 1);
        window.add(&"b", 1, at(1001));
        window.add(&"c", 1, at(1002));
        assert_eq!(window.evicted, 1);
    }

    #[test]
    fn distinct_values_slide_and_stay_bounded() {
        let mut window = WindowDistinct::new(10, 3, 2);
        assert_eq!(window.add(&1, "x", at(0)), 1);
        assert_eq!(window.add(&1, "x", at(1)), 1);
        assert_eq!(window.add(&1, "y", at(2)), 2);
        assert_eq!(window.add(&1, "z", at(3)), 3);
        assert_eq!(window.add(&1, "w", at(4)), 3);
        assert_eq!(window.add(&1, "w", at(40)), 1);
        assert_eq!(window.values(&1).collect::<Vec<_>>(), [&"w"]);
    }
}
