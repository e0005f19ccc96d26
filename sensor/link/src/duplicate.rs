//! Frames that a mirror port or a redundant network delivered twice.

use std::hash::BuildHasher;

use ot_protocol::{Mac, Nanos, Timestamp};

use crate::LinkConfig;

/// Frames remembered to find those mirrored twice.
const RECENT: usize = 16;
/// PRP and HSR frames remembered; a power of two.
const TWINS: usize = 1024;

/// Source MAC, destination MAC and VLAN: another place where the same datagram was mirrored.
pub(crate) type Place = (Option<Mac>, Option<Mac>, Option<u16>);

/// A frame remembered.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Hash of its innermost datagram; never 0 where there is one.
    hash: u64,
    time: Timestamp,
    place: Place,
}

/// The last frames that carry no TCP.
#[derive(Default)]
pub(crate) struct Recent {
    seen: [Seen; RECENT],
    next: usize,
    hasher: foldhash::quality::RandomState,
}

impl Recent {
    /// The hash of anything, keyed anew in each process so that nobody can prepare two frames with the same.
    pub(crate) fn hash(&self, of: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// Whether a frame is a double of a recent one; otherwise remembers it. `numbered`: datagrams of its kind carry a
    /// number, so that the same bytes again cannot be meant.
    pub(crate) fn is_double(
        &mut self,
        hash: u64,
        place: Place,
        numbered: bool,
        time: Timestamp,
        config: &LinkConfig,
    ) -> bool {
        if config.duplicate_window <= 0 {
            return false;
        }
        let hash = hash | 1;
        for seen in &self.seen {
            if seen.hash != hash {
                continue;
            }
            let apart = time.since(seen.time).unsigned_abs();
            let window = if numbered || seen.place != place {
                config.duplicate_window
            } else {
                config.duplicate_window_without_id.min(config.duplicate_window)
            };
            if apart <= window.unsigned_abs() {
                return true;
            }
        }
        if let Some(slot) = self.seen.get_mut(self.next) {
            *slot = Seen { hash, time, place };
        }
        self.next = (self.next + 1) % RECENT;
        false
    }
}

/// The last frames of redundant networks, by source and sequence number (IEC 62439-3, 4.2.7 and 5.3).
#[derive(Default)]
pub(crate) struct Twins {
    seen: Vec<(u64, u64, Timestamp)>,
}

impl Twins {
    /// Whether a frame with this source, sequence number and content was there; otherwise remembers it.
    pub(crate) fn is_twin(&mut self, source: Mac, sequence: u16, content: u64, time: Timestamp, window: Nanos) -> bool {
        if window <= 0 {
            return false;
        }
        if self.seen.is_empty() {
            // Only networks that have such frames pay for the table.
            self.seen = vec![(0, 0, Timestamp(i64::MIN)); TWINS];
        }
        let [a, b, c, d, e, f] = source.0;
        let [g, h] = sequence.to_be_bytes();
        let key = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        // Sequence numbers run on, so that the low bits of their sum with the address spread well.
        let [x, y, ..] = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
        let slot = usize::from(u16::from_be_bytes([x, y])) % TWINS;
        let Some(seen) = self.seen.get_mut(slot) else { return false };
        if seen.0 == key && seen.1 == content && time.since(seen.2).unsigned_abs() <= window.unsigned_abs() {
            return true;
        }
        *seen = (key, content, time);
        false
    }
}
