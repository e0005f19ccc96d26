//! IP datagrams from their fragments (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! Fragments are rare in OT networks, so a short list searched in order serves: it is the same in every run, and its
//! limits bound the cost. Bytes seen first stay; others for the same range are told as a conflict.

use std::net::IpAddr;

use ot_protocol::Timestamp;

use crate::{LinkConfig, LinkStats, Sample};

/// Longest payload of a datagram.
const MAX_PAYLOAD: usize = 65_535;
/// Gaps that a datagram in progress may have. A sender in good faith has few.
const MAX_RANGES: usize = 64;

/// Which datagram a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) vlan: Option<u16>,
    /// For IPv6 this is not part of the key (RFC 8200, 4.5) and 0.
    pub(crate) protocol: u8,
    pub(crate) id: u32,
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) key: Key,
    /// Protocol or next header; that of the first fragment counts.
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    /// Offset of its bytes in the datagram's payload.
    pub(crate) offset: usize,
    /// Whether others follow.
    pub(crate) more: bool,
    pub(crate) bytes: &'a [u8],
}

/// What a whole datagram takes from its first fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
}

/// Other bytes for a range already seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conflict {
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) first: Sample,
    pub(crate) later: Sample,
}

/// What a fragment did.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) whole: Option<Whole>,
    pub(crate) conflict: Option<Conflict>,
    /// It was not used, and why.
    pub(crate) unusable: Option<&'static str>,
}

impl Added {
    fn unusable(stats: &mut LinkStats, why: &'static str) -> Self {
        stats.fragments_unusable += 1;
        Self { unusable: Some(why), ..Self::default() }
    }
}

/// A datagram in progress.
struct Partial {
    key: Key,
    began: Timestamp,
    first: Option<Whole>,
    /// Length of the payload, once the last fragment was seen.
    total: Option<usize>,
    bytes: Vec<u8>,
    /// Ranges that are there: start and end, in order, neither touching nor overlapping.
    ranges: Vec<(usize, usize)>,
}

/// All datagrams in progress, the oldest first.
#[derive(Default)]
pub(crate) struct Fragments {
    partials: Vec<Partial>,
    held: usize,
}

impl Fragments {
    /// Adds a fragment. Where that makes a datagram whole, its payload is put into `whole`.
    pub(crate) fn add(
        &mut self,
        fragment: Fragment<'_>,
        time: Timestamp,
        config: &LinkConfig,
        stats: &mut LinkStats,
        whole: &mut Vec<u8>,
    ) -> Added {
        stats.fragments += 1;
        self.expire(time, config, stats);
        let Fragment { key, offset, more, bytes, .. } = fragment;
        let end = offset + bytes.len();
        if end > MAX_PAYLOAD {
            return Added::unusable(stats, "IP fragment beyond the longest datagram");
        }
        if bytes.is_empty() || more && !bytes.len().is_multiple_of(8) {
            return Added::unusable(stats, "IP fragment of a wrong length");
        }
        let index = match self.partials.iter().position(|partial| partial.key == key) {
            Some(index) => index,
            None => {
                self.partials.push(Partial {
                    key,
                    began: time,
                    first: None,
                    total: None,
                    bytes: Vec::new(),
                    ranges: Vec::new(),
                });
                self.partials.len() - 1
            }
        };
        let Some(partial) = self.partials.get_mut(index) else { return Added::default() };
        let before = partial.bytes.len();
        let known_end = partial.ranges.last().map_or(0, |range| range.1);
        let contradicts =
            partial.total.is_some_and(|total| end > total || !more && end != total) || !more && end < known_end;
        if contradicts {
            // Two ends of one datagram, or bytes behind its end: the first statement stays.
            stats.fragments_conflicting += 1;
            let at = partial.total.unwrap_or(known_end).min(end);
            let tail = |slice: &[u8], from: usize| Sample::new(slice.get(from..).unwrap_or_default());
            let conflict = Conflict {
                offset: at,
                length: end.abs_diff(at).max(known_end.saturating_sub(at)),
                first: tail(&partial.bytes, at),
                later: tail(bytes, at.saturating_sub(offset)),
            };
            return Added { conflict: Some(conflict), ..Added::default() };
        }
        if partial.bytes.len() < end {
            partial.bytes.resize(end, 0);
        }
        let conflict = partial.fill(offset, bytes);
        if offset == 0 && partial.first.is_none() {
            partial.first = Some(Whole { protocol: fragment.protocol, ttl: fragment.ttl });
        }
        if !more {
            partial.total = Some(end);
        }
        let crowded = partial.ranges.len() > MAX_RANGES;
        self.held += partial.bytes.len() - before;
        if conflict.is_some() {
            stats.fragments_conflicting += 1;
        }
        let complete = partial.total.is_some_and(|total| partial.ranges.as_slice() == [(0, total)]);
        if complete {
            let done = self.remove(index);
            stats.fragments_reassembled += 1;
            *whole = done.bytes;
            return Added { whole: done.first, conflict, unusable: None };
        }
        if crowded {
            self.remove(index);
            stats.fragments_evicted += 1;
        }
        while self.partials.len() > config.max_datagrams || self.held > config.max_fragment_bytes {
            if self.partials.is_empty() {
                break;
            }
            self.remove(0);
            stats.fragments_evicted += 1;
        }
        Added { conflict, ..Added::default() }
    }

    /// Gives up what waited too long. A clock that ran backwards by as much counts as well.
    fn expire(&mut self, time: Timestamp, config: &LinkConfig, stats: &mut LinkStats) {
        let mut index = 0;
        while let Some(partial) = self.partials.get(index) {
            if time.since(partial.began).unsigned_abs() > config.fragment_age.unsigned_abs() {
                self.remove(index);
                stats.fragments_expired += 1;
            } else {
                index += 1;
            }
        }
    }

    fn remove(&mut self, index: usize) -> Partial {
        let partial = self.partials.remove(index);
        self.held = self.held.saturating_sub(partial.bytes.len());
        partial
    }
}

impl Partial {
    /// Puts in the bytes that are not there yet and compares the others.
    fn fill(&mut self, offset: usize, bytes: &[u8]) -> Option<Conflict> {
        let end = offset + bytes.len();
        let mut conflict = None;
        let mut at = offset;
        // Ranges are in order, so that one pass goes through gap and overlap by turns.
        for &(from, to) in self.ranges.iter().filter(|range| range.1 > offset && range.0 < end) {
            put(&mut self.bytes, at, bytes, offset, from.max(at));
            let (from, to) = (from.max(offset), to.min(end));
            let (Some(old), Some(new)) = (self.bytes.get(from..to), bytes.get(from - offset..to - offset)) else {
                continue;
            };
            if conflict.is_none()
                && let Some(different) = old.iter().zip(new).position(|(old, new)| old != new)
            {
                conflict = Some(Conflict {
                    offset: from + different,
                    length: to - from - different,
                    first: Sample::new(old.get(different..).unwrap_or_default()),
                    later: Sample::new(new.get(different..).unwrap_or_default()),
                });
            }
            at = to;
        }
        put(&mut self.bytes, at, bytes, offset, end);
        self.note(offset, end);
        conflict
    }

    /// Notes a range as there.
    fn note(&mut self, mut start: usize, mut end: usize) {
        let first = self.ranges.partition_point(|range| range.1 < start);
        let behind = self.ranges.partition_point(|range| range.0 <= end);
        if let (true, Some(low), Some(high)) =
            (first < behind, self.ranges.get(first), behind.checked_sub(1).and_then(|last| self.ranges.get(last)))
        {
            start = start.min(low.0);
            end = end.max(high.1);
        }
        self.ranges.splice(first..behind.max(first), [(start, end)]);
    }
}

/// Copies the bytes from `at` to `until` of a fragment that begins at `offset`.
fn put(to: &mut [u8], at: usize, from: &[u8], offset: usize, until: usize) {
    if at < until
        && let (Some(to), Some(from)) = (to.get_mut(at..until), from.get(at - offset..until - offset))
    {
        to.copy_from_slice(from);
    }
}
