//! Select before operate (IEEE 1815-2012, clause 4.4.4): an operate has the objects of the select before it.

use crate::application::Fragment;
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Timestamp};
use smallvec::SmallVec;

/// How long a select holds. Outstations are configured to a few seconds.
pub(crate) const HOLDS: Nanos = 10 * SECOND;
/// Selects remembered at once.
const MOST: usize = 16;

#[derive(Debug)]
struct Select {
    sub: u32,
    time: Timestamp,
    objects: SmallVec<[u8; 32]>,
    /// Sequence number of the operate that used it: the same may be sent again.
    used: Option<u8>,
}

/// The last select of each pair of addresses.
#[derive(Debug, Default)]
pub(crate) struct Selects {
    list: SmallVec<[Select; 1]>,
    /// Until then a select may have been missed.
    blind: Option<Timestamp>,
}

impl Selects {
    /// A select was sent. Whether another pair's had to be given up for it.
    pub(crate) fn select(&mut self, sub: u32, time: Timestamp, request: &Fragment<'_>) -> bool {
        self.list.retain(|select| select.sub != sub);
        let full = self.list.len() >= MOST;
        if full {
            self.list.remove(0);
        }
        self.list.push(Select { sub, time, objects: SmallVec::from_slice(request.objects), used: None });
        full
    }

    /// An operate was sent. Whether a select allows it.
    pub(crate) fn operate(&mut self, sub: u32, time: Timestamp, request: &Fragment<'_>) -> bool {
        let sequence = request.sequence();
        let found = self.list.iter_mut().find(|select| {
            let age = time.since(select.time);
            select.sub == sub
                && (-SECOND..=HOLDS).contains(&age)
                && select.objects.as_slice() == request.objects
                && select.used.is_none_or(|used| used == sequence)
        });
        match found {
            Some(select) => {
                select.used = Some(sequence);
                true
            }
            None => self.blind.is_some_and(|until| time <= until),
        }
    }

    /// The outstation refused what was selected or operated.
    pub(crate) fn refused(&mut self, sub: u32) {
        self.list.retain(|select| select.sub != sub);
    }

    /// A select may have been missed until now.
    pub(crate) fn blind(&mut self, now: Timestamp) {
        self.blind = Some(now.plus(HOLDS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROB: &[u8] = &[12, 1, 0x17, 1, 5, 0x03, 1, 100, 0, 0, 0, 100, 0, 0, 0, 0];

    fn fragment(control: u8, function: u8, objects: &[u8]) -> Fragment<'_> {
        Fragment { control, function, indications: None, objects, at: 2 }
    }

    #[test]
    fn an_operate_needs_its_select() {
        let at = |seconds: i64| Timestamp::new(1_700_000_000 + seconds, 0);
        let mut selects = Selects::default();
        let operate = fragment(0xC1, 4, CROB);
        assert!(!selects.operate(1, at(0), &operate));
        assert!(!selects.select(1, at(1), &fragment(0xC0, 3, CROB)));
        assert!(!selects.operate(2, at(2), &operate), "another pair");
        let mut other = CROB.to_vec();
        other[4] = 6;
        assert!(!selects.operate(1, at(2), &fragment(0xC1, 4, &other)), "another point");
        assert!(!selects.operate(1, at(12), &operate), "too late");
        assert!(selects.operate(1, at(2), &operate));
        assert!(selects.operate(1, at(3), &operate), "sent again");
        assert!(!selects.operate(1, at(3), &fragment(0xC2, 4, CROB)), "a second operate");
        selects.select(1, at(20), &fragment(0xC0, 3, CROB));
        selects.refused(1);
        assert!(!selects.operate(1, at(21), &operate), "the select was refused");
        selects.blind(at(30));
        assert!(selects.operate(1, at(31), &operate), "a select may have been missed");
        assert!(!selects.operate(1, at(41), &operate));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut selects = Selects::default();
        let full = (0..40).filter(|sub| selects.select(*sub, Timestamp::default(), &fragment(0xC0, 3, CROB))).count();
        assert_eq!((full, selects.list.len()), (24, MOST));
    }
}
