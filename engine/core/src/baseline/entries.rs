//! The rows of the baseline: each is held once, and found by its number and by its key.

use crate::model::{BaselineEntry, EntryId, EntryKey};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use std::hash::BuildHasher as _;

/// Rows that are given memory together. What is held never moves, and memory grows by a chunk, not by doubling.
const CHUNK: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Entries {
    chunks: Vec<Vec<Option<BaselineEntry>>>,
    free: Vec<u32>,
    /// Where the entry of a number is.
    by_id: HashMap<EntryId, u32, FixedState>,
    /// Where the entry of a key is.
    by_key: HashTable<u32>,
    state: FixedState,
}

fn at(chunks: &[Vec<Option<BaselineEntry>>], slot: u32) -> Option<&BaselineEntry> {
    let slot = slot as usize;
    chunks.get(slot / CHUNK)?.get(slot % CHUNK)?.as_ref()
}

impl Entries {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn contains(&self, id: EntryId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub fn get(&self, id: EntryId) -> Option<&BaselineEntry> {
        at(&self.chunks, *self.by_id.get(&id)?)
    }

    /// An entry to be changed; not in its number or key: see [`Self::rename`].
    pub fn get_mut(&mut self, id: EntryId) -> Option<&mut BaselineEntry> {
        let slot = *self.by_id.get(&id)? as usize;
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)?.as_mut()
    }

    pub fn find(&self, key: &EntryKey) -> Option<&BaselineEntry> {
        let is_it = |slot: &u32| at(&self.chunks, *slot).is_some_and(|entry| entry.key == *key);
        at(&self.chunks, *self.by_key.find(self.state.hash_one(key), is_it)?)
    }

    /// Puts an entry in; one of the same number gives way.
    pub fn insert(&mut self, entry: BaselineEntry) {
        self.remove(entry.id);
        let slot = self.free.pop().unwrap_or_else(|| {
            let full = self.chunks.len().saturating_sub(1) * CHUNK;
            u32::try_from(full + self.chunks.last().map_or(0, Vec::len)).unwrap_or(u32::MAX)
        });
        self.by_id.insert(entry.id, slot);
        let hash = self.state.hash_one(&entry.key);
        match self.chunks.get_mut(slot as usize / CHUNK) {
            Some(chunk) => match chunk.get_mut(slot as usize % CHUNK) {
                Some(place) => *place = Some(entry),
                None => chunk.push(Some(entry)),
            },
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(Some(entry));
                self.chunks.push(chunk);
            }
        }
        self.enter(hash, slot);
    }

    pub fn remove(&mut self, id: EntryId) -> Option<BaselineEntry> {
        let slot = self.by_id.remove(&id)?;
        self.leave(slot);
        self.free.push(slot);
        self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)?.take()
    }

    /// Changes the key of an entry.
    pub fn rename(&mut self, id: EntryId, change: impl FnOnce(&mut EntryKey)) {
        let Some(&slot) = self.by_id.get(&id) else { return };
        self.leave(slot);
        let Some(entry) = self.get_mut(id) else { return };
        change(&mut entry.key);
        let hash = self.hash(slot);
        self.enter(hash, slot);
    }

    /// All entries, in no order that may be told.
    pub fn values(&self) -> impl Iterator<Item = &BaselineEntry> {
        self.chunks.iter().flatten().flatten()
    }

    fn hash(&self, slot: u32) -> u64 {
        at(&self.chunks, slot).map_or(0, |entry| self.state.hash_one(&entry.key))
    }

    fn enter(&mut self, hash: u64, slot: u32) {
        let Self { chunks, by_key, state, .. } = self;
        by_key.insert_unique(hash, slot, |slot| at(chunks, *slot).map_or(0, |entry| state.hash_one(&entry.key)));
    }

    fn leave(&mut self, slot: u32) {
        if let Ok(found) = self.by_key.find_entry(self.hash(slot), |other| *other == slot) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceId, EntryKind, Origin};
    use ot_protocol::{FrameRef, Intervals, Timestamp};

    fn key(number: u32) -> EntryKey {
        EntryKey { client: Some(DeviceId(number)), ..EntryKey::new(EntryKind::Connection) }
    }

    fn entry(id: u32, number: u32) -> BaselineEntry {
        BaselineEntry {
            id: EntryId(id),
            key: key(number),
            allowed: false,
            origin: Origin::Observed,
            count: 1,
            learned_count: 0,
            first_seen: Timestamp(0),
            last_seen: Timestamp(0),
            first_frame: FrameRef::default(),
            allowed_at: None,
            expires: None,
            min: None,
            max: None,
            intervals: Intervals::default(),
            label: "",
        }
    }

    #[test]
    fn every_entry_is_found_by_number_and_key_while_others_come_go_and_change() {
        let mut entries = Entries::default();
        for id in 1..=5_000 {
            entries.insert(entry(id, id));
        }
        for id in (1..=5_000).step_by(2) {
            assert_eq!(entries.remove(EntryId(id)).map(|entry| entry.key), Some(key(id)));
        }
        for id in (2..=5_000).step_by(4) {
            entries.rename(EntryId(id), |key| key.client = Some(DeviceId(id + 100_000)));
        }
        for id in 6_000..7_000 {
            entries.insert(entry(id, id));
        }
        assert_eq!((entries.len(), entries.values().count(), entries.is_empty()), (3_500, 3_500, false));
        for id in 1..=7_000_u32 {
            let held = if id <= 5_000 { id % 2 == 0 } else { (6_000..7_000).contains(&id) };
            let number = if id <= 5_000 && id % 4 == 2 { id + 100_000 } else { id };
            assert_eq!(entries.contains(EntryId(id)), held, "{id}");
            assert_eq!(entries.get(EntryId(id)).map(|entry| entry.key.clone()), held.then(|| key(number)), "{id}");
            assert_eq!(entries.find(&key(number)).map(|entry| entry.id), held.then_some(EntryId(id)), "{id}");
            if number != id {
                assert!(entries.find(&key(id)).is_none(), "{id}");
            }
        }
        // Freed places were taken again.
        assert_eq!(entries.chunks.len(), 5);
        // Another entry of the same number takes its place.
        entries.insert(entry(2, 77_777));
        assert_eq!(entries.find(&key(77_777)).map(|entry| entry.id), Some(EntryId(2)));
        assert!(entries.find(&key(100_002)).is_none());
    }
}
