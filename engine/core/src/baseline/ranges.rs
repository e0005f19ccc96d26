//! Address ranges that differ in nothing else, by where they begin.

use crate::model::{EntryId, EntryKey};
use std::collections::BTreeSet;

/// The ranges of a client, a server and an address space.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    by_start: BTreeSet<(u32, u32, EntryId)>,
    /// No range is longer, in addresses beyond the first.
    longest: u32,
}

/// What leaves the range open holds all addresses.
fn place(key: &EntryKey, id: EntryId) -> (u32, u32, EntryId) {
    let start = key.start.unwrap_or(0);
    (start, key.end.unwrap_or(u32::MAX).max(start), id)
}

impl Ranges {
    pub fn insert(&mut self, key: &EntryKey, id: EntryId) {
        let place = place(key, id);
        self.longest = self.longest.max(place.1 - place.0);
        self.by_start.insert(place);
    }

    pub fn remove(&mut self, key: &EntryKey, id: EntryId) {
        self.by_start.remove(&place(key, id));
    }

    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// All, in order of their range.
    pub fn all(&self) -> impl Iterator<Item = EntryId> {
        self.by_start.iter().map(|(_, _, id)| *id)
    }

    /// Those that hold or adjoin a part of `start..=end`, in order of their range. Looks at no range that begins more than
    /// the length of the longest one before it.
    pub fn near(&self, start: u32, end: u32) -> impl Iterator<Item = EntryId> {
        let first = start.saturating_sub(self.longest.saturating_add(1));
        self.by_start
            .range((first, 0, EntryId(0))..=(end.saturating_add(1), u32::MAX, EntryId(u32::MAX)))
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
            ranges.insert(&range(start, start + length), EntryId(n));
            all.push((start, start + length, EntryId(n)));
        }
        for n in (0..400).step_by(3) {
            let (start, end, id) = all[n];
            ranges.remove(&range(start, end), id);
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
        ranges.insert(&open, EntryId(1));
        assert_eq!(ranges.near(70_000, 70_001).collect::<Vec<_>>(), [EntryId(1)]);
        ranges.remove(&open, EntryId(1));
        assert!(ranges.is_empty());
    }
}
