//! Address ranges that differ in nothing else, by where they begin.

use super::entries::Entries;
use crate::model::{EntryId, EntryKey};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher as _, Hash};

/// The ranges of each client, server and address space.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// A group has no key of its own: its first range has it.
    table: HashTable<Ranges>,
    state: FixedState,
}

/// The ranges of one client, server and address space, in order.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    hash: u64,
    list: Vec<Place>,
    /// No range is longer, in addresses beyond the first.
    longest: u32,
}

/// First address, last address, entry.
type Place = (u32, u32, EntryId);

/// What leaves the range open holds all addresses.
fn place(key: &EntryKey, id: EntryId) -> Place {
    let start = key.start.unwrap_or(0);
    (start, key.end.unwrap_or(u32::MAX).max(start), id)
}

/// A key without its range.
fn group(key: &EntryKey) -> impl Hash + PartialEq {
    let EntryKey {
        kind,
        client,
        server,
        protocol,
        port,
        function,
        subfunction,
        space,
        number,
        text,
        scope,
        network,
        ..
    } = key;
    (kind, client, server, protocol, port, function, subfunction, space, number, text, scope, network)
}

impl Groups {
    fn is_of(key: &EntryKey, ranges: &Ranges, entries: &Entries) -> bool {
        let first = ranges.list.first().and_then(|(_, _, id)| entries.get(*id));
        first.is_some_and(|entry| group(&entry.key) == group(key))
    }

    /// The ranges that differ from a key in nothing but the range.
    pub fn find(&self, key: &EntryKey, entries: &Entries) -> Option<&Ranges> {
        self.table.find(self.state.hash_one(group(key)), |ranges| Self::is_of(key, ranges, entries))
    }

    /// Takes a range in. Those that are in already are in the table of entries.
    pub fn insert(&mut self, key: &EntryKey, id: EntryId, entries: &Entries) {
        let hash = self.state.hash_one(group(key));
        let ranges = self
            .table
            .entry(hash, |ranges| Self::is_of(key, ranges, entries), |ranges| ranges.hash)
            .or_insert_with(|| Ranges { hash, list: Vec::with_capacity(1), longest: 0 })
            .into_mut();
        ranges.insert(place(key, id));
    }

    /// Takes a range out; it still is in the table of entries.
    pub fn remove(&mut self, key: &EntryKey, id: EntryId, entries: &Entries) {
        let hash = self.state.hash_one(group(key));
        if let Ok(mut found) = self.table.find_entry(hash, |ranges| Self::is_of(key, ranges, entries)) {
            found.get_mut().remove(place(key, id));
            if found.get().list.is_empty() {
                found.remove();
            }
        }
    }
}

impl Ranges {
    fn insert(&mut self, place: Place) {
        self.longest = self.longest.max(place.1 - place.0);
        if let Err(at) = self.list.binary_search(&place) {
            self.list.insert(at, place);
        }
    }

    fn remove(&mut self, place: Place) {
        if let Ok(at) = self.list.binary_search(&place) {
            self.list.remove(at);
        }
    }

    /// All, in order of their range.
    pub fn all(&self) -> impl Iterator<Item = EntryId> {
        self.list.iter().map(|(_, _, id)| *id)
    }

    /// Those that hold or adjoin a part of `start..=end`, in order of their range. Looks at no range that begins more than
    /// the length of the longest one before it.
    pub fn near(&self, start: u32, end: u32) -> impl Iterator<Item = EntryId> {
        let first = start.saturating_sub(self.longest.saturating_add(1));
        let from = self.list.partition_point(|(begin, ..)| *begin < first);
        let after = end.saturating_add(1);
        self.list
            .iter()
            .skip(from)
            .take_while(move |(begin, ..)| *begin <= after)
            .filter(move |(_, last, _)| last.saturating_add(1) >= start)
            .map(|(_, _, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EntryKind;

    fn range(start: u32, end: u32) -> EntryKey {
        EntryKey { start: Some(start), end: Some(end), ..EntryKey::new(EntryKind::Range) }
    }

    #[test]
    fn near_finds_what_a_look_at_all_finds() {
        let mut ranges = Ranges::default();
        let mut all = Vec::new();
        for n in 0..400_u32 {
            let (start, length) = (n * 37 % 1_000, if n % 50 == 0 { 300 } else { n % 7 });
            ranges.insert(place(&range(start, start + length), EntryId(n)));
            all.push((start, start + length, EntryId(n)));
        }
        for n in (0..400).step_by(3) {
            let (start, end, id) = all[n];
            ranges.remove((start, end, id));
        }
        let mut at = 0;
        all.retain(|_| {
            at += 1;
            at % 3 != 1
        });
        all.sort_unstable();
        let mut met = 0;
        for (start, end) in [(0, 0), (5, 9), (500, 500), (499, 777), (0, 2_000), (1_400, u32::MAX)] {
            let near: Vec<EntryId> = ranges.near(start, end).collect();
            let expected: Vec<EntryId> =
                all.iter().filter(|(s, e, _)| *s <= end.saturating_add(1) && e + 1 >= start).map(|at| at.2).collect();
            assert_eq!(near, expected, "{start}..={end}");
            met += near.len();
        }
        assert!(met > all.len());
        assert_eq!(ranges.all().count(), all.len());
    }

    #[test]
    fn what_leaves_the_range_open_is_near_everything() {
        let mut ranges = Ranges::default();
        let open = EntryKey::new(EntryKind::Range);
        ranges.insert(place(&open, EntryId(1)));
        assert_eq!(ranges.near(70_000, 70_001).collect::<Vec<_>>(), [EntryId(1)]);
        ranges.remove(place(&open, EntryId(1)));
        assert_eq!(ranges.all().count(), 0);
    }
}
