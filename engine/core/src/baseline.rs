//! The baseline: what was seen, and what of it is allowed.
//!
//! An entry is made at the first observation. While learning it is allowed at once; afterwards it is only *observed*
//! until a person learns the alert that holds it.

mod entries;
mod grants;
mod ranges;

pub use grants::MOST_WIDE;

use crate::config::Limits;
use crate::learning::Learners;
use crate::model::{BaselineEntry, DeviceId, Effect, EntryId, EntryKey, EntryKind, Grant, Origin, Scope};
use crate::table::Dirty;
use entries::Entries;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;
use ot_protocol::{FrameRef, Intervals, Timestamp};
use ranges::{Groups, Ranges};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One observation of something the baseline may hold.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// How many times.
    pub count: u64,
    /// Packet time of the first and of the last.
    pub times: [Timestamp; 2],
    /// Frame of the first.
    pub frame: FrameRef,
    /// Whether the engine is learning at that time.
    pub learning: bool,
}

/// What an observation met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// The entry.
    pub entry: EntryId,
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether this observation made it.
    pub new: bool,
}

/// The table of entries.
#[derive(Debug, Default)]
pub struct Baseline {
    entries: Entries,
    /// Highest number given out.
    last: u32,
    /// Entries that were only observed, oldest first: they go where the table is full of such, or full. Some are allowed by
    /// now.
    observed: VecDeque<EntryId>,
    of_device: HashMap<DeviceId, BTreeSet<EntryId>, FixedState>,
    /// Range entries by everything but the range.
    ranges: Groups,
    /// Writer entries by server and point.
    writers: HashMap<EntryKey, BTreeSet<EntryId>, FixedState>,
    /// What people allow, by entry and act.
    grants: BTreeMap<(EntryId, u64), Grant>,
    changed_grants: BTreeSet<(EntryId, u64)>,
    removed_grants: BTreeSet<(EntryId, u64)>,
    /// Entries whose newest limit or end, by a person, stands.
    limited: BTreeSet<EntryId>,
    /// Grants by their end.
    expiring: BTreeSet<(Timestamp, EntryId, u64)>,
    /// Allowed wide entries, and the networks that they are about.
    wide: BTreeSet<EntryId>,
    networks: BTreeMap<IpNet, u32>,
    /// Packet time of the fact in work.
    pub(crate) now: Timestamp,
    /// What is not learned, and who learns for a time of their own.
    pub(crate) learners: Learners,
    dirty: Dirty,
    removed: Vec<EntryId>,
    any_allowed: bool,
    /// Raised by each change of what is allowed that traffic did not cause.
    generation: u64,
    /// Observations that made no entry because the table was full of allowed ones.
    pub refused: u64,
    /// Entries given up because the table was full; none that was allowed.
    pub evicted: u64,
}

impl Baseline {
    /// Starts from stored entries and what people allow.
    pub fn load(entries: Vec<BaselineEntry>, grants: Vec<Grant>) -> Self {
        let mut baseline = Self::default();
        for entry in entries {
            baseline.index(&entry.key, entry.id);
            baseline.any_allowed |= entry.allowed;
            baseline.last = baseline.last.max(entry.id.0);
            if !entry.allowed {
                baseline.observed.push_back(entry.id);
            }
            let id = entry.id;
            baseline.entries.insert(entry);
            baseline.index_wide(id);
        }
        for grant in grants {
            if let Some(end) = grant.until.filter(|_| grant.effect != Effect::Ends) {
                baseline.expiring.insert((end, grant.entry, grant.act));
            }
            if grant.effect != Effect::Adds {
                baseline.limited.insert(grant.entry);
            }
            baseline.grants.insert((grant.entry, grant.act), grant);
        }
        baseline
    }

    fn index(&mut self, key: &EntryKey, id: EntryId) {
        for device in [key.client, key.server].into_iter().flatten() {
            self.of_device.entry(device).or_default().insert(id);
        }
        match key.kind {
            EntryKind::Range => {
                self.ranges.insert(key, id, &self.entries);
            }
            EntryKind::Writer => {
                self.writers.entry(without_client(key)).or_default().insert(id);
            }
            _ => {}
        }
    }

    /// Counts an observation and tells whether it is allowed. `None` where the table is full and the key is new.
    pub fn observe(&mut self, key: EntryKey, label: &'static str, seen: Observation, limits: &Limits) -> Option<Met> {
        if let Some(met) = self.observe_known(&key, seen) {
            return Some(met);
        }
        if !seen.learning && self.observed.len() >= limits.observed {
            self.evict();
        }
        if self.entries.len() >= limits.entries && !self.evict() {
            self.refused += seen.count;
            return None;
        }
        let entry = self.insert(key, label, seen);
        Some(Met { entry, allowed: seen.learning, new: true })
    }

    /// The same, where there is an entry of exactly this key.
    fn observe_known(&mut self, key: &EntryKey, seen: Observation) -> Option<Met> {
        let entry = self.find(key)?.id;
        self.touch(entry, seen);
        let allowed = self.get(entry).is_some_and(|entry| self.is_allowed(entry));
        Some(Met { entry, allowed, new: false })
    }

    fn insert(&mut self, key: EntryKey, label: &'static str, seen: Observation) -> EntryId {
        self.last = self.last.saturating_add(1);
        let id = EntryId(self.last);
        self.index(&key, id);
        self.any_allowed |= seen.learning;
        if !seen.learning {
            self.observed.push_back(id);
        }
        let entry = BaselineEntry {
            id,
            key,
            allowed: seen.learning,
            origin: if seen.learning { Origin::Traffic } else { Origin::Observed },
            count: seen.count,
            learned_count: if seen.learning { seen.count } else { 0 },
            first_seen: seen.times[0],
            last_seen: seen.times[1],
            first_frame: seen.frame,
            allowed_at: seen.learning.then_some(seen.times[0]),
            expires: None,
            min: None,
            max: None,
            intervals: Intervals::default(),
            label,
        };
        self.entries.insert(entry);
        self.dirty.mark(id.0);
        id
    }

    /// Gives up the oldest entry that was only observed, not one that a person took back. Whether there was one.
    fn evict(&mut self) -> bool {
        while let Some(id) = self.observed.pop_front() {
            if self.get(id).is_some_and(|entry| !entry.allowed) && !self.limited.contains(&id) {
                self.drop_entry(id);
                self.evicted += 1;
                return true;
            }
        }
        false
    }

    /// Whether a person had a word on something: allowed, limited or took it back, in which a device takes part.
    pub fn has_word_on(&self, device: DeviceId) -> bool {
        let mut entries = self.of_device.get(&device).into_iter().flatten();
        entries.any(|&id| self.on(id).next().is_some())
    }

    fn drop_entry(&mut self, id: EntryId) {
        if self.take(id).is_some() {
            self.take_grants(id);
            self.removed.push(id);
        }
    }

    /// Takes an entry out of the table and out of all its indexes.
    fn take(&mut self, id: EntryId) -> Option<BaselineEntry> {
        if let Some(entry) = self.entries.get(id)
            && entry.key.kind == EntryKind::Range
        {
            self.ranges.remove(&entry.key, id, &self.entries);
        }
        let entry = self.entries.remove(id)?;
        self.drop_wide(id, entry.key.network);
        if entry.key.kind == EntryKind::Writer {
            let group = without_client(&entry.key);
            if let Some(list) = self.writers.get_mut(&group) {
                list.remove(&id);
                if list.is_empty() {
                    self.writers.remove(&group);
                }
            }
        }
        for device in [entry.key.client, entry.key.server].into_iter().flatten() {
            if let Some(list) = self.of_device.get_mut(&device) {
                list.remove(&id);
                if list.is_empty() {
                    self.of_device.remove(&device);
                }
            }
        }
        Some(entry)
    }

    /// Counts repetitions of an observation whose entry is known.
    pub fn touch(&mut self, id: EntryId, seen: Observation) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        // What a person or an import made was never seen before.
        if entry.count == 0 {
            (entry.first_seen, entry.last_seen) = (seen.times[0], seen.times[1]);
            entry.first_frame = seen.frame;
        }
        entry.count += seen.count;
        entry.last_seen = entry.last_seen.max(seen.times[1]);
        if seen.learning && entry.key.scope == Scope::Exact && !self.learners.skips_entry(&entry.key) {
            entry.learned_count += seen.count;
            self.any_allowed = true;
            // What a person took back, or set an end to, traffic does not teach again.
            let limited = self.limited.contains(&id);
            if !limited {
                entry.expires = None;
            }
            if !entry.allowed && !limited {
                entry.allowed = true;
                entry.origin = Origin::Traffic;
                entry.allowed_at = Some(seen.times[0]);
            }
        }
        self.dirty.mark(id.0);
    }

    /// Adds intervals between repetitions.
    pub fn add_intervals(&mut self, id: EntryId, more: &Intervals) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if more.count == 0 {
            return;
        }
        let sum = &mut entry.intervals;
        sum.min = if sum.count == 0 { more.min } else { sum.min.min(more.min) };
        sum.max = sum.max.max(more.max);
        sum.sum = sum.sum.saturating_add(more.sum);
        sum.count = sum.count.saturating_add(more.count);
        self.dirty.mark(id.0);
    }

    /// Widens the values of a writer entry.
    pub fn widen(&mut self, id: EntryId, value: f64) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let (min, max) = (entry.min.unwrap_or(value).min(value), entry.max.unwrap_or(value).max(value));
        if entry.min != Some(min) || entry.max != Some(max) {
            entry.min = Some(min);
            entry.max = Some(max);
            self.dirty.mark(id.0);
        }
    }

    /// An entry by number.
    pub fn get(&self, id: EntryId) -> Option<&BaselineEntry> {
        self.entries.get(id)
    }

    /// An entry by key.
    pub fn find(&self, key: &EntryKey) -> Option<&BaselineEntry> {
        self.entries.find(key)
    }

    /// Exact entries in which a device takes part, in order of number.
    pub fn of_device(&self, device: DeviceId) -> impl Iterator<Item = &BaselineEntry> {
        let all = self.of_device.get(&device).into_iter().flatten().filter_map(|&id| self.get(id));
        all.filter(|entry| entry.key.scope == Scope::Exact)
    }

    /// Exact entries between a client and a server, in order of number.
    pub fn between(&self, client: DeviceId, server: DeviceId) -> impl Iterator<Item = &BaselineEntry> {
        let (a, b) = (self.of_device.get(&client), self.of_device.get(&server));
        let shorter = if a.map_or(0, BTreeSet::len) <= b.map_or(0, BTreeSet::len) { a } else { b };
        let entries = shorter.into_iter().flatten().filter_map(|&id| self.get(id));
        entries.filter(move |entry| {
            (entry.key.client, entry.key.server) == (Some(client), Some(server)) && entry.key.scope == Scope::Exact
        })
    }

    /// All entries, in order of number.
    pub fn iter(&self) -> impl Iterator<Item = &BaselineEntry> {
        let mut entries: Vec<&BaselineEntry> = self.entries.values().collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.into_iter()
    }

    /// Range entries that differ from `key` in nothing but the range, in order of the range.
    pub fn ranges(&self, key: &EntryKey) -> impl Iterator<Item = &BaselineEntry> {
        self.ranges.find(key, &self.entries).into_iter().flat_map(Ranges::all).filter_map(|id| self.get(id))
    }

    /// Those of them that hold or adjoin a part of `start..=end`.
    fn ranges_near(&self, key: &EntryKey, start: u32, end: u32) -> impl Iterator<Item = &BaselineEntry> {
        let ranges = self.ranges.find(key, &self.entries);
        ranges.into_iter().flat_map(move |ranges| ranges.near(start, end)).filter_map(|id| self.get(id))
    }

    /// Writer entries of the same server and point, by any client.
    pub fn writers(&self, key: &EntryKey) -> impl Iterator<Item = &BaselineEntry> {
        self.writers.get(&without_client(key)).into_iter().flatten().filter_map(|&id| self.get(id))
    }

    /// Observes a range of addresses. While learning, ranges that overlap or adjoin an allowed one become one entry;
    /// afterwards a range is allowed where the allowed ranges together cover it.
    pub fn observe_range(
        &mut self,
        key: EntryKey,
        label: &'static str,
        seen: Observation,
        limits: &Limits,
    ) -> Option<Met> {
        let (Some(start), Some(end)) = (key.start, key.end) else { return self.observe(key, label, seen, limits) };
        if let Some(met) = self.observe_known(&key, seen) {
            return Some(Met { allowed: met.allowed || self.covered(&key, start, end).is_some(), ..met });
        }
        if let Some(entry) = self.covered(&key, start, end) {
            self.touch(entry, seen);
            return Some(Met { entry, allowed: true, new: false });
        }
        if !seen.learning {
            return self.observe(key, label, seen, limits);
        }
        let neighbours = self.ranges_near(&key, start, end).filter(|entry| entry.allowed && entry.key.start.is_some());
        let Some(id) = neighbours.map(|entry| entry.id).min() else { return self.observe(key, label, seen, limits) };
        self.grow(id, start, end);
        self.touch(id, seen);
        Some(Met { entry: id, allowed: true, new: true })
    }

    /// Makes a range hold `start..=end` too. An entry that was only observed and says the same goes.
    fn grow(&mut self, id: EntryId, start: u32, end: u32) {
        let Some(entry) = self.get(id) else { return };
        let before = entry.key.clone();
        let grown = EntryKey {
            start: before.start.map(|s| s.min(start)),
            end: before.end.map(|e| e.max(end)),
            ..before.clone()
        };
        if let Some(twin) = self.find(&grown).map(|twin| twin.id).filter(|twin| *twin != id) {
            self.drop_entry(twin);
        }
        self.ranges.remove(&before, id, &self.entries);
        self.ranges.insert(&grown, id, &self.entries);
        self.entries.rename(id, |key| *key = grown);
    }

    /// Whether the allowed ranges together cover `start..=end`; the entry that holds its start.
    fn covered(&self, key: &EntryKey, start: u32, end: u32) -> Option<EntryId> {
        let mut allowed: Vec<(u32, u32, EntryId)> = self
            .ranges_near(key, start, end)
            .filter(|entry| self.is_allowed(entry))
            .filter_map(|entry| Some((entry.key.start?, entry.key.end?, entry.id)))
            .filter(|(s, e, _)| *s <= end && *e >= start)
            .collect();
        allowed.sort_unstable();
        let mut first = None;
        let mut next = start;
        for (s, e, id) in allowed {
            if s <= next && e >= next {
                first = first.or(Some(id));
                if e >= end {
                    return first;
                }
                next = e.saturating_add(1);
            }
        }
        None
    }

    /// Removes all entries of a device (or all entries).
    pub fn remove(&mut self, device: Option<DeviceId>) {
        let ids: Vec<EntryId> = match device {
            Some(device) => self.of_device.get(&device).into_iter().flatten().copied().collect(),
            None => self.iter().map(|entry| entry.id).collect(),
        };
        for id in ids {
            self.drop_entry(id);
        }
        self.any_allowed &= device.is_some();
        self.generation += 1;
    }

    /// Moves the entries of a device that turned out to be another one; equal entries become one.
    pub fn rename(&mut self, from: DeviceId, into: DeviceId) {
        for id in self.of_device.get(&from).cloned().unwrap_or_default() {
            let grants = self.take_grants(id);
            let Some(mut entry) = self.take(id) else { continue };
            for device in [&mut entry.key.client, &mut entry.key.server].into_iter().flatten() {
                if *device == from {
                    *device = into;
                }
            }
            if let Some(twin) = self.find(&entry.key).map(|twin| twin.id)
                && let Some(kept) = self.entries.get_mut(twin)
            {
                kept.count += entry.count;
                kept.learned_count += entry.learned_count;
                kept.allowed |= entry.allowed;
                kept.first_seen = kept.first_seen.min(entry.first_seen);
                kept.last_seen = kept.last_seen.max(entry.last_seen);
                self.dirty.mark(twin.0);
                self.removed.push(id);
                grants.into_iter().for_each(|grant| self.grant(Grant { entry: twin, ..grant }));
                if self.limited.contains(&twin) {
                    self.settle_entry(twin);
                }
                continue;
            }
            self.index(&entry.key, id);
            self.entries.insert(entry);
            self.index_wide(id);
            grants.into_iter().for_each(|grant| self.grant(grant));
            self.dirty.mark(id.0);
        }
        self.generation += 1;
    }

    /// Has everything looked at again: what is silent may no longer be.
    pub(crate) fn look_again(&mut self) {
        self.generation += 1;
    }

    /// How many entries traffic taught after a packet time.
    pub fn learned_since(&self, from: Timestamp) -> u64 {
        let new = |entry: &&BaselineEntry| entry.learned_count > 0 && entry.allowed_at.is_some_and(|time| time > from);
        self.entries.values().filter(new).fold(0, |count, _| count + 1)
    }

    /// Raised by each change that traffic did not cause.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether anything was ever allowed: it is known what is normal.
    pub fn any_allowed(&self) -> bool {
        self.any_allowed
    }

    /// Entries now held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Highest number given out.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Makes the next new entry take a number after `last`.
    pub fn continue_after(&mut self, last: u32) {
        self.last = self.last.max(last);
    }

    /// Changed entries, each once, and removed ones.
    pub fn take_changes(&mut self) -> (Vec<BaselineEntry>, Vec<EntryId>) {
        let changed = self.dirty.take();
        let entries = changed.into_iter().filter_map(|id| self.get(EntryId(id)).cloned()).collect();
        (entries, std::mem::take(&mut self.removed))
    }
}

fn without_range(key: &EntryKey) -> EntryKey {
    EntryKey { start: None, end: None, ..key.clone() }
}

fn without_client(key: &EntryKey) -> EntryKey {
    EntryKey { client: None, ..key.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u32, end: u32) -> EntryKey {
        EntryKey {
            client: Some(DeviceId(1)),
            server: Some(DeviceId(2)),
            protocol: "modbus",
            space: "coils",
            start: Some(start),
            end: Some(end),
            ..EntryKey::new(EntryKind::Range)
        }
    }

    fn seen(learning: bool) -> Observation {
        Observation { count: 1, times: [Timestamp(5); 2], frame: FrameRef::default(), learning }
    }

    #[test]
    fn each_act_ends_at_its_own_time() {
        let limits = Limits::default();
        let mut baseline = Baseline::default();
        let entries: Vec<EntryId> = (0..5)
            .map(|n| baseline.observe_range(range(n * 10, n * 10), "", seen(false), &limits).unwrap().entry)
            .collect();
        for (n, &entry) in entries.iter().enumerate() {
            let act = n as u64 + 1;
            baseline.grant(Grant {
                entry,
                act,
                alert: 1,
                kind: "modbus-address-not-learned",
                origin: Origin::Person("a".to_owned()),
                time: Timestamp(6),
                until: (n != 4).then_some(Timestamp(10 + act as i64)),
                effect: Effect::Adds,
            });
        }
        assert_eq!(baseline.expire(Timestamp(12)), entries[..2]);
        assert_eq!(baseline.grants().map(|grant| grant.act).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(baseline.expire(Timestamp(100)), entries[2..4]);
        assert_eq!(baseline.grants().map(|grant| grant.act).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn adjoining_ranges_become_one_while_learning() {
        let limits = Limits::default();
        let mut baseline = Baseline::default();
        baseline.observe_range(range(0, 9), "", seen(true), &limits).unwrap();
        let met = baseline.observe_range(range(10, 19), "", seen(true), &limits).unwrap();
        assert_eq!(met.entry, EntryId(1));
        let inside = baseline.observe_range(range(5, 15), "", seen(false), &limits).unwrap();
        assert!(inside.allowed);
        let outside = baseline.observe_range(range(15, 25), "", seen(false), &limits).unwrap();
        assert!(!outside.allowed);
        baseline.grant(Grant {
            entry: outside.entry,
            act: 1,
            alert: 1,
            kind: "modbus-address-not-learned",
            origin: Origin::Person("a".to_owned()),
            time: Timestamp(6),
            until: None,
            effect: Effect::Adds,
        });
        assert!(baseline.observe_range(range(0, 25), "", seen(false), &limits).unwrap().allowed);
        assert_eq!(baseline.revoke(|grant| grant.alert == 1), [outside.entry]);
        assert!(!baseline.observe_range(range(0, 25), "", seen(false), &limits).unwrap().allowed);
    }

    #[test]
    fn a_full_table_gives_up_what_was_only_observed() {
        let limits = Limits { entries: 3, ..Limits::default() };
        let mut baseline = Baseline::default();
        assert!(baseline.observe(range(1, 1), "", seen(true), &limits).unwrap().allowed);
        for start in 2..100 {
            assert!(baseline.observe(range(start, start), "", seen(false), &limits).unwrap().new);
        }
        assert_eq!((baseline.len(), baseline.evicted, baseline.refused), (3, 96, 0));
        assert!(baseline.find(&range(1, 1)).is_some_and(|entry| entry.allowed));
        assert_eq!(baseline.of_device(DeviceId(1)).count(), 3);
        assert_eq!(baseline.take_changes().1.len(), 96);
    }

    #[test]
    fn numbers_start_at_one_and_changes_are_told_once() {
        let mut baseline = Baseline::default();
        baseline.observe(range(1, 1), "", seen(false), &Limits::default()).unwrap();
        baseline.observe(range(1, 1), "", seen(false), &Limits::default()).unwrap();
        let (changed, removed) = baseline.take_changes();
        assert_eq!((changed.len(), removed.len()), (1, 0));
        assert_eq!((changed[0].id, changed[0].count), (EntryId(1), 2));
        assert!(baseline.take_changes().0.is_empty());
    }
}
