//! One direction of a TCP connection: what came out of order, what is not yet consumed, and what was delivered last.

use ot_protocol::PacketInfo;

/// Bytes that overlap others and differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// Offset in the stream of the first byte that differs.
    pub offset: u64,
    pub length: u32,
    pub first: Box<[u8]>,
    pub later: Box<[u8]>,
}

/// Compares two byte strings that stand for the same range. `offset` is where the range begins in the stream.
pub(crate) fn compare(offset: u64, first: &[u8], later: &[u8]) -> Option<Conflict> {
    let length = first.len().min(later.len());
    let at = first.iter().zip(later).position(|(a, b)| a != b)?;
    let excerpt = |bytes: &[u8]| bytes.get(at..length.min(at + 32)).unwrap_or_default().into();
    Some(Conflict {
        offset: offset + u64::try_from(at).unwrap_or(0),
        length: u32::try_from(length - at).unwrap_or(u32::MAX),
        first: excerpt(first),
        later: excerpt(later),
    })
}

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    bytes: Vec<u8>,
    /// Where the next byte goes, once full.
    at: usize,
}

impl Ring {
    /// Appends. `capacity` is that of the ring, the same each time.
    pub fn push(&mut self, mut new: &[u8], capacity: usize) {
        if capacity == 0 {
            return;
        }
        if new.len() >= capacity {
            self.bytes.clear();
            self.at = 0;
            self.bytes.extend_from_slice(new.get(new.len() - capacity..).unwrap_or_default());
            return;
        }
        if self.bytes.len() < capacity {
            let room = capacity - self.bytes.len();
            let (head, tail) = new.split_at(room.min(new.len()));
            self.bytes.extend_from_slice(head);
            new = tail;
        }
        while !new.is_empty() {
            let room = capacity - self.at;
            let (head, tail) = new.split_at(room.min(new.len()));
            if let Some(place) = self.bytes.get_mut(self.at..self.at + head.len()) {
                place.copy_from_slice(head);
            }
            self.at = (self.at + head.len()) % capacity;
            new = tail;
        }
    }

    /// Forgets all: what comes next does not follow what was there.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.at = 0;
    }

    /// The bytes from `back` before the end on, as far as they are there; at most `length`. Also how many bytes of the
    /// range come before what is there.
    pub fn last(&self, back: usize, length: usize) -> (usize, Vec<u8>) {
        let missing = back.saturating_sub(self.bytes.len()).min(length);
        let start = self.bytes.len() - back.min(self.bytes.len());
        let (newer, older) = self.bytes.split_at(self.at.min(self.bytes.len()));
        (missing, older.iter().chain(newer).skip(start).take(length - missing).copied().collect())
    }
}

/// A segment, or part of one, that waits for its turn.
#[derive(Debug)]
pub(crate) struct Held {
    pub seq: u32,
    pub bytes: Box<[u8]>,
    /// Bytes after these that the snap length cut off.
    pub missing: u32,
    pub info: PacketInfo,
}

impl Held {
    pub fn len(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).saturating_add(self.missing)
    }
}

/// What one direction keeps beside its counters.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// Sorted by sequence number; no two overlap.
    pub held: Vec<Held>,
    pub held_bytes: usize,
    /// Second in which the oldest hole opened.
    pub held_since: u32,
    /// Start of a message.
    pub carry: Vec<u8>,
    pub need: usize,
    pub ring: Ring,
    /// Where the stream ends.
    pub fin_at: Option<u32>,
    /// Where a segment outside of the window ended.
    pub beyond: Option<u32>,
}

impl Half {
    /// Keeps the parts of a segment that are not held yet: the first copy wins. `next` is the sequence number that the
    /// stream waits for; the segment does not begin before it. Tells of bytes that differ, and whether any overlapped.
    pub fn hold(
        &mut self,
        next: u32,
        offset: u64,
        seq: u32,
        payload: &[u8],
        missing: u32,
        info: PacketInfo,
    ) -> (bool, Option<Conflict>) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).saturating_add(missing);
        let base = seq.wrapping_sub(next);
        let end = base.saturating_add(length);
        let mut at = base;
        let mut pieces: Vec<(u32, u32)> = Vec::new();
        let mut conflict = None;
        let mut overlapped = false;
        let part = |from: u32, to: u32| {
            let from = usize::try_from(from - base).unwrap_or(usize::MAX).min(payload.len());
            let to = usize::try_from(to - base).unwrap_or(usize::MAX).min(payload.len());
            payload.get(from..to).unwrap_or_default()
        };
        for held in &self.held {
            let start = held.seq.wrapping_sub(next);
            let stop = start.saturating_add(held.len());
            if stop <= at {
                continue;
            }
            if start >= end {
                break;
            }
            if start > at {
                pieces.push((at, start));
            }
            let (from, to) = (start.max(at), stop.min(end));
            overlapped = true;
            let first = held.bytes.get(usize::try_from(from - start).unwrap_or(usize::MAX)..).unwrap_or_default();
            if conflict.is_none() {
                conflict = compare(offset + u64::from(from), first, part(from, to));
            }
            at = to;
            if at >= end {
                break;
            }
        }
        if at < end {
            pieces.push((at, end));
        }
        for (from, to) in pieces {
            let bytes: Box<[u8]> = part(from, to).into();
            let missing = (to - from).saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            let place = self.held.partition_point(|held| held.seq.wrapping_sub(next) < from);
            self.held_bytes += bytes.len();
            self.held.insert(place, Held { seq: next.wrapping_add(from), bytes, missing, info });
        }
        (overlapped, conflict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_keeps_the_last_bytes() {
        let mut ring = Ring::default();
        for n in 0..100u8 {
            ring.push(&[n, n], 7);
        }
        assert_eq!(ring.last(7, 7), (0, vec![96, 97, 97, 98, 98, 99, 99]));
        assert_eq!(ring.last(3, 2), (0, vec![98, 99]));
        assert_eq!(ring.last(9, 4), (2, vec![96, 97]));
        ring.push(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 7);
        assert_eq!(ring.last(7, 3), (0, vec![3, 4, 5]));
    }

    #[test]
    fn holds_each_byte_once_and_the_first_wins() {
        let mut half = Half::default();
        let info = PacketInfo::default();
        assert_eq!(half.hold(100, 0, 110, b"klmn", 0, info), (false, None));
        assert_eq!(half.hold(100, 0, 104, b"efghij", 0, info), (false, None));
        let (overlapped, conflict) = half.hold(100, 0, 102, b"cdefXXXXklmnop", 0, info);
        assert!(overlapped);
        let conflict = conflict.unwrap();
        assert_eq!((conflict.offset, &*conflict.first, &*conflict.later), (6, &b"ghij"[..], &b"XXXX"[..]));
        let all: Vec<u8> = half.held.iter().flat_map(|held| held.bytes.iter().copied()).collect();
        assert_eq!(all, b"cdefghijklmnop");
        assert_eq!(half.held_bytes, 14);
    }
}
