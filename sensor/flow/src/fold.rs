//! The fold cache of a session: repetitions of known activities become counts.
//!
//! Masters poll in cycles, so each slot remembers which slot followed it the last time and that one is looked at first.
//! A cache learns the values of each point; a value written outside of them is news.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use ot_protocol::{
    Activity, ActivityKey, Extremes, Fold, FrameRef, Intervals, Nanos, SessionId, Timestamp, ValueView, Values,
};
use std::hash::BuildHasher;

const STATE: FixedState = FixedState::with_seed(0x6f74_2d66_6f6c_6421);

/// Most points of which values are remembered, a slot.
const POINTS: usize = 2048;

/// Bytes of memory of a slot without its values.
const SLOT_BYTES: usize = size_of::<Slot>() + 8;

/// What a cache says of an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Counted; nothing more to do.
    Yes,
    /// New, or with a written value outside of what was seen.
    No,
}

#[derive(Default)]
pub(crate) struct FoldCache {
    slots: Vec<Slot>,
    index: HashTable<u16>,
    last: usize,
    dirty: Vec<u16>,
    bytes: usize,
}

struct Slot {
    key: ActivityKey,
    next: u16,
    widened: bool,
    count: u32,
    frames: [FrameRef; 2],
    times: [Timestamp; 2],
    /// Request time of the last repetition, also of one of an earlier second.
    previous: Timestamp,
    intervals: Intervals,
    latency_max: Nanos,
    points: Points,
}

enum Points {
    None,
    /// Two masks and how many points: which bits were seen as 0, which as 1.
    Bits(Box<[[u8; 2]]>, usize),
    Words(Box<[(u16, u16)]>),
    /// NaN in both: no value was seen.
    Numbers(Box<[(f64, f64)]>),
}

impl Points {
    fn of(values: &Values) -> Self {
        match values {
            Values::None => Self::None,
            Values::Bits(bits) => {
                let count = bits.len().min(POINTS);
                let masks = bits
                    .iter()
                    .take(count)
                    .collect::<Vec<_>>()
                    .chunks(8)
                    .map(|chunk| {
                        let ones = chunk.iter().enumerate().fold(0u8, |ones, (i, bit)| ones | u8::from(**bit) << i);
                        [!ones, ones]
                    })
                    .collect();
                Self::Bits(masks, count)
            }
            Values::Words(words) => Self::Words(words.iter().take(POINTS).map(|word| (*word, *word)).collect()),
            Values::Numbers(numbers) => Self::Numbers(numbers.iter().take(POINTS).map(|n| (*n, *n)).collect()),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bits(masks, _) => masks.len() * 2,
            Self::Words(words) => words.len() * 4,
            Self::Numbers(numbers) => numbers.len() * 16,
        }
    }

    /// Whether a value lies outside of what was seen.
    fn outside(&self, values: ValueView<'_>) -> bool {
        match (self, values) {
            (_, ValueView::None) => false,
            (Self::Words(words), ValueView::Words(bytes)) => {
                let new = bytes.as_chunks::<2>().0;
                let mut outside = new.len() > words.len() && words.len() < POINTS;
                for (pair, (min, max)) in new.iter().zip(words.iter()) {
                    let word = u16::from_be_bytes(*pair);
                    outside |= (word < *min) | (word > *max);
                }
                outside
            }
            (Self::Bits(masks, count), ValueView::Bits(bytes, new)) => {
                let mut outside = new.min(bytes.len() * 8) > *count && *count < POINTS;
                let points = new.min(*count);
                for (i, (byte, [zeros, ones])) in bytes.iter().zip(masks.iter()).enumerate() {
                    let left = points.saturating_sub(i * 8).min(8);
                    let valid = if left == 8 { 0xff } else { (1u8 << left) - 1 };
                    outside |= ((byte & !ones) | (!byte & !zeros)) & valid != 0;
                }
                outside
            }
            (Self::Numbers(numbers), ValueView::Numbers(new)) => {
                let mut outside = new.len() > numbers.len() && numbers.len() < POINTS;
                for (number, (min, max)) in new.iter().zip(numbers.iter()) {
                    // A first number after NaN is outside as well; NaN itself never is.
                    outside |= (number < min) | (number > max) | (min.is_nan() & !number.is_nan());
                }
                outside
            }
            (Self::None, ValueView::Numbers(new)) => !new.is_empty(),
            // Values of another kind than before.
            (Self::None, ValueView::Words(bytes)) => bytes.len() > 1,
            (Self::None, ValueView::Bits(_, count)) => count > 0,
            _ => true,
        }
    }

    /// Takes values in.
    fn widen(&mut self, values: &Values) {
        let new = Self::of(values);
        match (&mut *self, new) {
            (_, Self::None) => {}
            (Self::Words(old), Self::Words(new)) => {
                for ((min, max), (word, _)) in old.iter_mut().zip(&new) {
                    *min = (*min).min(*word);
                    *max = (*max).max(*word);
                }
                if new.len() > old.len() {
                    *old = old.iter().chain(new.iter().skip(old.len())).copied().collect();
                }
            }
            (Self::Bits(old, count), Self::Bits(new, new_count)) => {
                if new_count > *count {
                    // Points that were not there before have no history.
                    let mut masks = new;
                    for (i, (to, [zeros, ones])) in masks.iter_mut().zip(old.iter()).enumerate() {
                        let left = count.saturating_sub(i * 8).min(8);
                        let valid = if left == 8 { 0xff } else { (1u8 << left) - 1 };
                        *to = [to[0] | zeros & valid, to[1] | ones & valid];
                    }
                    *old = masks;
                    *count = new_count;
                } else {
                    for (i, ([zeros, ones], [new_zeros, new_ones])) in old.iter_mut().zip(&new).enumerate() {
                        let left = new_count.saturating_sub(i * 8).min(8);
                        let valid = if left == 8 { 0xff } else { (1u8 << left) - 1 };
                        *zeros |= new_zeros & valid;
                        *ones |= new_ones & valid;
                    }
                }
            }
            (Self::Numbers(old), Self::Numbers(new)) => {
                // `min` and `max` pass over NaN.
                for ((min, max), (number, _)) in old.iter_mut().zip(&new) {
                    *min = min.min(*number);
                    *max = max.max(*number);
                }
                if new.len() > old.len() {
                    *old = old.iter().chain(new.iter().skip(old.len())).copied().collect();
                }
            }
            (_, new) => *self = new,
        }
    }

    fn extremes(&self) -> Option<Box<Extremes>> {
        match self {
            Self::None => None,
            Self::Words(words) => Some(Box::new(Extremes::Words(words.to_vec()))),
            Self::Numbers(numbers) => Some(Box::new(Extremes::Numbers(numbers.to_vec()))),
            Self::Bits(masks, count) => Some(Box::new(Extremes::Bits(
                masks
                    .iter()
                    .flat_map(|[zeros, ones]| (0..8).map(move |i| (zeros >> i & 1 == 1, ones >> i & 1 == 1)))
                    .take(*count)
                    .collect(),
            ))),
        }
    }
}

impl FoldCache {
    fn find(&self, key: &ActivityKey) -> Option<usize> {
        let predicted = self.slots.get(self.last).map_or(0, |slot| usize::from(slot.next));
        if self.slots.get(predicted).is_some_and(|slot| slot.key == *key) {
            return Some(predicted);
        }
        let hash = STATE.hash_one(key);
        self.index
            .find(hash, |at| self.slots.get(usize::from(*at)).is_some_and(|slot| slot.key == *key))
            .map(|at| usize::from(*at))
    }

    fn follow(&mut self, at: usize) {
        let here = u16::try_from(at).unwrap_or(0);
        if let Some(last) = self.slots.get_mut(self.last) {
            last.next = here;
        }
        self.last = at;
    }

    /// Counts an activity if it is known. `bytes_left` is what the lane can still spend on values.
    pub fn known(
        &mut self,
        key: &ActivityKey,
        time: Timestamp,
        frames: [FrameRef; 2],
        latency: Nanos,
        values: ValueView<'_>,
        lane_bytes: &mut usize,
        lane_limit: usize,
    ) -> Known {
        let Some(at) = self.find(key) else { return Known::No };
        let Some(slot) = self.slots.get_mut(at) else { return Known::No };
        if slot.points.outside(values) {
            if key.operation.writes_values() {
                return Known::No;
            }
            let before = slot.points.bytes();
            // Longer than before is rare (a short answer came first); it has to fit.
            if *lane_bytes <= lane_limit {
                slot.points.widen(&values.to_values());
                slot.widened = true;
                let grown = slot.points.bytes().saturating_sub(before);
                self.bytes += grown;
                *lane_bytes += grown;
            }
        }
        let [request, response] = frames;
        let frame = if request == FrameRef::default() { response } else { request };
        if slot.count == 0 {
            slot.frames[0] = frame;
            slot.times[0] = time;
            self.dirty.push(u16::try_from(at).unwrap_or(0));
        }
        slot.frames[1] = frame;
        slot.times[1] = time;
        slot.count = slot.count.saturating_add(1);
        slot.intervals.add(time.since(slot.previous));
        slot.previous = time;
        slot.latency_max = slot.latency_max.max(latency);
        self.follow(at);
        Known::Yes
    }

    /// Takes in an activity that is told. Its slot, or `None` where the cache is full.
    pub fn told(
        &mut self,
        key: &ActivityKey,
        activity: &Activity,
        max_slots: usize,
        lane_bytes: &mut usize,
        lane_limit: usize,
    ) -> Option<u16> {
        let at = match self.find(key) {
            Some(at) => {
                if let Some(slot) = self.slots.get_mut(at) {
                    let before = slot.points.bytes();
                    slot.points.widen(&activity.values);
                    let grown = slot.points.bytes().saturating_sub(before);
                    self.bytes += grown;
                    *lane_bytes += grown;
                    slot.previous = activity.time;
                }
                at
            }
            None => {
                let points = Points::of(&activity.values);
                let bytes = SLOT_BYTES + points.bytes();
                let at = self.slots.len();
                let here = u16::try_from(at).ok()?;
                if at >= max_slots || *lane_bytes + bytes > lane_limit {
                    return None;
                }
                *lane_bytes += bytes;
                self.bytes += bytes;
                // Most sessions have one slot or two; there may be many sessions.
                if at < 4 {
                    self.slots.reserve_exact(1);
                }
                self.slots.push(Slot {
                    key: *key,
                    next: 0,
                    widened: false,
                    count: 0,
                    frames: [FrameRef::default(); 2],
                    times: [Timestamp::default(); 2],
                    previous: activity.time,
                    intervals: Intervals::default(),
                    latency_max: 0,
                    points,
                });
                let slots = &self.slots;
                self.index.insert_unique(STATE.hash_one(key), here, |at| {
                    slots.get(usize::from(*at)).map_or(0, |slot| STATE.hash_one(slot.key))
                });
                at
            }
        };
        self.follow(at);
        u16::try_from(at).ok()
    }

    /// Whether there is something to tell.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Bytes of memory it holds of what its lane may spend.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells what was counted since the last time, in the order in which it began.
    pub fn flush(&mut self, session: SessionId, mut tell: impl FnMut(Fold)) {
        let Self { slots, dirty, .. } = self;
        for at in dirty.drain(..) {
            let Some(slot) = slots.get_mut(usize::from(at)) else { continue };
            let extremes = if slot.widened { slot.points.extremes() } else { None };
            slot.widened = false;
            tell(Fold {
                session,
                slot: at,
                count: std::mem::take(&mut slot.count),
                frames: slot.frames,
                times: slot.times,
                intervals: std::mem::take(&mut slot.intervals),
                latency_max: std::mem::take(&mut slot.latency_max),
                extremes,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_keep_what_was_seen() {
        let mut points = Points::of(&Values::Bits(vec![true, false, true]));
        assert!(!points.outside(ValueView::Bits(&[0b1111_1101], 3)));
        assert!(points.outside(ValueView::Bits(&[0b111], 3)));
        points.widen(&Values::Bits(vec![true, true, true]));
        assert!(!points.outside(ValueView::Bits(&[0b111], 3)));
        assert!(points.outside(ValueView::Bits(&[0b0000_0101, 0], 9)));
        assert_eq!(points.extremes(), Some(Box::new(Extremes::Bits(vec![(false, true), (true, true), (false, true)]))));
    }

    #[test]
    fn bits_grow_without_inventing_history() {
        let mut points = Points::of(&Values::Bits(vec![true]));
        points.widen(&Values::Bits(vec![false, true, true, true, true, true, true, true, false]));
        let Some(extremes) = points.extremes() else { panic!("has points") };
        let Extremes::Bits(bits) = *extremes else { panic!("bits") };
        assert_eq!(bits.first(), Some(&(true, true)));
        assert_eq!(bits.get(1), Some(&(false, true)));
        assert_eq!(bits.get(8), Some(&(true, false)));
        assert_eq!(bits.len(), 9);
    }

    #[test]
    fn words_keep_extremes() {
        let mut points = Points::of(&Values::Words(vec![5, 10]));
        assert!(!points.outside(ValueView::Words(&[0, 5, 0, 10])));
        assert!(points.outside(ValueView::Words(&[0, 4, 0, 10])));
        points.widen(&Values::Words(vec![4, 20, 7]));
        assert_eq!(points.extremes(), Some(Box::new(Extremes::Words(vec![(4, 5), (10, 20), (7, 7)]))));
        assert!(!points.outside(ValueView::Words(&[0, 5])));
    }

    #[test]
    fn numbers_keep_extremes_and_pass_over_what_is_not_known() {
        let mut points = Points::of(&Values::Numbers(vec![1.5, f64::NAN]));
        assert!(!points.outside(ValueView::Numbers(&[1.5, f64::NAN])));
        assert!(!points.outside(ValueView::Numbers(&[f64::NAN])));
        assert!(points.outside(ValueView::Numbers(&[-1.0, f64::NAN])));
        assert!(points.outside(ValueView::Numbers(&[1.5, 7.0])));
        points.widen(&Values::Numbers(vec![f64::NAN, 7.0, 3.0]));
        assert_eq!(points.extremes(), Some(Box::new(Extremes::Numbers(vec![(1.5, 1.5), (7.0, 7.0), (3.0, 3.0)]))));
    }
}
