//! The journal of work on controllers: who wrote, controlled, programmed, restarted or stopped which device, and when.
//!
//! What is repeated within an hour by the same device with the same function on the same object and the same outcome is
//! one row that counts, so that the journal grows with what is new and not with each write. What is done within a
//! maintenance window and what is done outside it are rows of their own.

use crate::model::{DeviceId, Work};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, Nanos, Outcome, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Work that goes on after a longer pause is a row of its own.
pub const PAUSE: Nanos = 3_600 * SECOND;

/// What makes two deeds one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    device: DeviceId,
    actor: Option<DeviceId>,
    protocol: &'static str,
    operation: &'static str,
    function: String,
    object: String,
    outcome: Option<Outcome>,
    /// Work within a maintenance window and outside it are two.
    window: Option<u32>,
}

impl Key {
    fn of(work: &Work) -> Self {
        Self {
            device: work.device,
            actor: work.actor,
            protocol: work.protocol,
            operation: work.operation,
            function: work.function.clone(),
            object: work.object.clone(),
            outcome: work.outcome,
            window: work.window,
        }
    }
}

/// The rows to which work may still be added.
#[derive(Debug, Default)]
pub struct Journal {
    rows: BTreeMap<u64, Work>,
    by_key: HashMap<Key, u64, FixedState>,
    dirty: BTreeSet<u64>,
    leaving: Vec<Work>,
    last: u64,
    /// Rows that left memory because there were too many: the same work again begins a new one.
    pub closed: u64,
}

impl Journal {
    /// Starts from stored rows.
    pub fn load(rows: Vec<Work>, last: u64) -> Self {
        let mut journal = Self { last, ..Self::default() };
        for work in rows {
            journal.last = journal.last.max(work.number);
            journal.by_key.insert(Key::of(&work), work.number);
            journal.rows.insert(work.number, work);
        }
        journal
    }

    /// Puts down work: adds it to the row that holds the same, or begins one. Its number is set here.
    pub fn note(&mut self, work: Work, most: usize) {
        let key = Key::of(&work);
        if let Some(number) = self.by_key.get(&key)
            && let Some(known) = self.rows.get_mut(number)
            && work.first_seen.since(known.last_seen) <= PAUSE
        {
            known.count = known.count.saturating_add(work.count);
            known.last_seen = known.last_seen.max(work.last_seen);
            if work.last_frame.number() > 0 {
                known.last_frame = work.last_frame;
            }
            known.alert = known.alert.or(work.alert);
            known.value = work.value;
            self.dirty.insert(*number);
            return;
        }
        while self.rows.len() >= most.max(1) {
            let Some((number, old)) = self.rows.pop_first() else { break };
            self.forget(&Key::of(&old), number);
            if self.dirty.remove(&number) {
                self.leaving.push(old);
            }
            self.closed += 1;
        }
        self.last += 1;
        self.by_key.insert(key, self.last);
        self.dirty.insert(self.last);
        self.rows.insert(self.last, Work { number: self.last, ..work });
    }

    fn forget(&mut self, key: &Key, number: u64) {
        if self.by_key.get(key) == Some(&number) {
            self.by_key.remove(key);
        }
    }

    /// Moves the rows of a device that turned out to be another one.
    pub fn rename(&mut self, from: DeviceId, into: DeviceId) {
        let moved: Vec<u64> = self
            .rows
            .values()
            .filter(|work| work.device == from || work.actor == Some(from))
            .map(|work| work.number)
            .collect();
        for number in moved {
            let Some(work) = self.rows.get(&number) else { continue };
            let before = Key::of(work);
            self.forget(&before, number);
            let Some(work) = self.rows.get_mut(&number) else { continue };
            if work.device == from {
                work.device = into;
            }
            if work.actor == Some(from) {
                work.actor = Some(into);
            }
            let after = Key::of(work);
            self.by_key.entry(after).or_insert(number);
            self.dirty.insert(number);
        }
    }

    /// Highest number given out.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// New and changed rows, by number.
    pub fn take_changes(&mut self) -> Vec<Work> {
        let mut changed = std::mem::take(&mut self.leaving);
        changed
            .extend(std::mem::take(&mut self.dirty).into_iter().filter_map(|number| self.rows.get(&number).cloned()));
        changed.sort_by_key(|work| work.number);
        changed
    }
}

/// The first and the last frame that there are.
pub(crate) fn frames(frames: [FrameRef; 2]) -> [FrameRef; 2] {
    let [first, last] = frames;
    match (first.number(), last.number()) {
        (0, _) => [last, last],
        (_, 0) => [first, first],
        _ => frames,
    }
}

/// Work that has no more to it than this.
pub(crate) fn work(device: DeviceId, actor: Option<DeviceId>, times: [Timestamp; 2], at: [FrameRef; 2]) -> Work {
    let [first_frame, last_frame] = frames(at);
    Work {
        number: 0,
        device,
        actor,
        protocol: "",
        operation: "",
        function: String::new(),
        object: String::new(),
        value: String::new(),
        outcome: None,
        first_seen: times[0],
        last_seen: times[1],
        count: 1,
        first_frame,
        last_frame,
        alert: None,
        window: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(second: i64, object: &str, actor: u32) -> Work {
        let at = Timestamp::new(second, 0);
        Work {
            operation: "write",
            object: object.to_owned(),
            ..work(DeviceId(1), Some(DeviceId(actor)), [at, at], [FrameRef::new(0_u16, 1), FrameRef::default()])
        }
    }

    #[test]
    fn repeated_work_is_one_row_until_a_pause() {
        let mut journal = Journal::default();
        for second in 0..500 {
            journal.note(write(second, "coil 3", 2), 100);
        }
        journal.note(write(500, "coil 4", 2), 100);
        journal.note(write(501, "coil 3", 3), 100);
        let rows = journal.take_changes();
        assert_eq!(rows.iter().map(|work| (work.number, work.count)).collect::<Vec<_>>(), [(1, 500), (2, 1), (3, 1)]);
        assert_eq!(rows[0].last_seen, Timestamp::new(499, 0));
        assert!(journal.take_changes().is_empty());
        journal.note(write(499 + 3_601, "coil 3", 2), 100);
        assert_eq!(journal.take_changes()[0].number, 4);
    }

    #[test]
    fn a_full_table_closes_the_oldest_rows_and_loses_none() {
        let mut journal = Journal::default();
        for n in 0..10 {
            journal.note(write(n, &format!("coil {n}"), 2), 3);
        }
        assert_eq!((journal.rows.len(), journal.by_key.len(), journal.closed), (3, 3, 7));
        assert_eq!(journal.take_changes().len(), 10);
        journal.note(write(11, "coil 0", 2), 3);
        assert_eq!(journal.last(), 11);
    }

    #[test]
    fn a_merged_device_takes_its_rows_along() {
        let mut journal = Journal::default();
        journal.note(write(1, "coil 3", 7), 100);
        journal.take_changes();
        journal.rename(DeviceId(7), DeviceId(2));
        assert_eq!(journal.take_changes()[0].actor, Some(DeviceId(2)));
        journal.note(write(2, "coil 3", 2), 100);
        assert_eq!(journal.take_changes()[0].count, 2);
    }
}
