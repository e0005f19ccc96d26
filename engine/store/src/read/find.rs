//! Which alerts, in order: finds the places of a page without reading more of the store than the page needs.
//!
//! Each index of alerts holds all that decides whether an alert is let through and where it stands, but for its peers and
//! its text: times, count, and the number of its combination (type, status, severity, engine, protocol, whether it is
//! expected, techniques). So a walk along an index reads no alert, and only what passes the [`Sieve`] is looked at further.
//! How many alerts have each combination is known beforehand.
//!
//! Where few alerts can meet the conditions (by combination, device, time or text), these are gathered and sorted. Where
//! many do, the first ones in order are soon met by a walk along the index of the order. The walk is given up after a
//! while, so that where it was the wrong choice it costs no more than the right one. In between, the walks along several
//! narrower indexes are merged.

mod sieve;
#[cfg(test)]
mod tests;
mod walk;
mod whole;

pub(super) use whole::{conditions, order};

use super::{AlertPlace, AlertQuery, AlertSort, Reader};
use crate::StoreError;
use ot_protocol::Timestamp;
use rusqlite::Row;
use sieve::{Entry, Found, Sieve};
use std::collections::HashSet;
use std::ops::ControlFlow;
use walk::{Walk, Way};

// In tests a small store takes every way that a large one does.

/// So many candidates are gathered before any walk is tried.
const FEW: u64 = if cfg!(test) { 15 } else { 1_500 };
/// So many candidates are gathered after a walk that met too few. Beyond it they are not counted.
const MANY: u64 = if cfg!(test) { 60 } else { 20_000 };
/// What a walk may cost before another way is tried: a row costs 1, a look at what hangs on an alert [`LOOK`].
const COST: u64 = if cfg!(test) { 90 } else { 8_000 };
const LOOK: u64 = 10;
const COST_OF_WIDE: u64 = if cfg!(test) { 200 } else { 32_000 };
/// The same for each row of a page.
const COST_OF_ROW: u64 = if cfg!(test) { 1 } else { 40 };

/// A search under way.
pub(super) struct Search<'a> {
    reader: &'a Reader,
    query: &'a AlertQuery,
    sieve: Sieve<'a>,
    ways: Vec<Way>,
    page: usize,
}

/// What a walk may still cost.
struct Purse(Option<u64>);

impl Purse {
    fn pay(&mut self, cost: u64) -> ControlFlow<()> {
        match &mut self.0 {
            None => ControlFlow::Continue(()),
            Some(left) if *left < cost => ControlFlow::Break(()),
            Some(left) => {
                *left -= cost;
                ControlFlow::Continue(())
            }
        }
    }
}

impl Reader {
    /// The first `limit` alerts that a query lets through, in its order: their numbers and places.
    pub fn alert_places(&self, query: &AlertQuery, limit: u32) -> Result<Vec<(u32, AlertPlace)>, StoreError> {
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let sieve = Sieve::new(self, query)?;
        if sieve.count(None) == 0 || page == 0 {
            return Ok(Vec::new());
        }
        let ways = walk::ways(self, query, &sieve)?;
        let search = Search { reader: self, query, sieve, ways, page };
        let mut found = Vec::new();
        let by_kind = matches!(query.sort, AlertSort::Severity | AlertSort::Type);
        if by_kind && let Some(way) = search.gathered() {
            let found = search.gather(way, None, page)?;
            return Ok(found.into_iter().map(|found| (found.number, search.sieve.place(&found))).collect());
        }
        match query.sort {
            AlertSort::LastDetection | AlertSort::FirstDetection | AlertSort::Count => {
                found = search.part(None, page)?;
            }
            // Value by value, each in order of time.
            AlertSort::Severity | AlertSort::Type | AlertSort::Importance => {
                for value in search.sieve.values() {
                    let left = page.saturating_sub(found.len());
                    if left == 0 {
                        break;
                    }
                    found.extend(search.part(Some(value), left)?);
                }
            }
        }
        Ok(found.into_iter().map(|found| (found.number, search.sieve.place(&found))).collect())
    }
}

impl Search<'_> {
    /// The first alerts of those that share a value; `None`: of all.
    fn part(&self, value: Option<i64>, page: usize) -> Result<Vec<Found>, StoreError> {
        let candidates = self.sieve.count(value);
        if candidates == 0 {
            return Ok(Vec::new());
        }
        let combinations = (candidates < self.sieve.total()).then(|| self.sieve.combinations(value));
        let mut best = combinations.as_ref();
        for way in &self.ways {
            if best.is_none_or(|best| way.estimate < best.estimate) {
                best = Some(way);
            }
        }
        if let Some(best) = best.filter(|best| best.estimate <= FEW) {
            return self.gather(best, value, page);
        }
        if let Some(since) = self.query.since
            && value.is_none()
            && self.query.sort == AlertSort::FirstDetection
            && best.is_none_or(|best| !best.apart)
            && best.is_none_or(|best| best.estimate > MANY)
        {
            return self.by_first_since(since, page);
        }
        let by_time = value.is_some() || self.query.sort == AlertSort::LastDetection;
        let walks = if by_time { walk::in_time(self.query) } else { vec![walk::in_order(self.query.sort)] };
        let rows = u64::try_from(self.page).unwrap_or(u64::MAX).saturating_mul(COST_OF_ROW);
        // Where all ways are wide, the first alerts in order are met soon.
        let purse = best.map_or(u64::MAX, |best| match best.estimate {
            0..=MANY => (best.estimate / 4).min(COST),
            _ => COST_OF_WIDE,
        });
        let purse = purse.max(rows);
        if let Some(found) = self.merge(&walks, None, value, page, Purse(Some(purse)))? {
            return Ok(found);
        }
        let found = match best {
            Some(best) if best.estimate <= MANY => return self.gather(best, value, page),
            Some(best) if best.apart && !(by_time && best.ordered) => return self.gather(best, value, page),
            Some(best) if by_time && best.ordered => self.merge(&best.walks, best.holds, value, page, Purse(None))?,
            _ => self.merge(&walks, None, value, page, Purse(None))?,
        };
        Ok(found.unwrap_or_default())
    }

    /// A way whose alerts are few enough to be gathered for all values at once.
    fn gathered(&self) -> Option<&Way> {
        self.ways.iter().filter(|way| way.apart && way.estimate <= MANY).min_by_key(|way| way.estimate)
    }

    /// In order of the first detection from a time on: those that began before it and lasted come first (last).
    fn by_first_since(&self, since: Timestamp, page: usize) -> Result<Vec<Found>, StoreError> {
        let (began, lasted) = walk::from_the_first(self.query, since);
        let lasted = Way { holds: None, walks: lasted, whole: None, estimate: 0, ordered: false, apart: false };
        let mut found = Vec::new();
        for first in [self.query.ascending, !self.query.ascending] {
            let left = page.saturating_sub(found.len());
            if left == 0 {
                break;
            }
            found.extend(if first {
                self.gather(&lasted, None, left)?
            } else {
                self.merge(std::slice::from_ref(&began), None, None, left, Purse(None))?.unwrap_or_default()
            });
        }
        Ok(found)
    }

    /// All alerts of a way that meet the conditions, sorted; what hangs on them is looked at only until the page is full.
    fn gather(&self, way: &Way, value: Option<i64>, page: usize) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for walk in way.rows() {
            self.scan(walk, None, |entry| {
                found.extend(self.sieve.admits(entry, value));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        sort(&mut found);
        let mut held: Vec<usize> = way.holds.into_iter().collect();
        for other in &self.ways {
            // What few alerts meet is sooner read whole than looked up for each.
            let Some(holds) = other.holds.filter(|holds| !held.contains(holds)) else { continue };
            if other.estimate <= MANY && found.len() > page {
                let mut numbers = HashSet::new();
                for walk in other.rows() {
                    self.scan(walk, None, |entry| {
                        numbers.insert(entry.number);
                        Ok(ControlFlow::Continue(()))
                    })?;
                }
                found.retain(|found| numbers.contains(&found.number));
                held.push(holds);
            }
        }
        let mut page_of = Vec::new();
        for found in found {
            if page_of.len() >= page {
                break;
            }
            if self.sieve.meets(self.reader, &found, value, &held)? {
                page_of.push(found);
            }
        }
        Ok(page_of)
    }

    /// The first alerts of several walks, each of which goes in the order asked for. The walk that begins first goes
    /// first, and none goes further than the page. `None` where it would cost more than it may.
    fn merge(
        &self,
        walks: &[Walk],
        holds: Option<usize>,
        value: Option<i64>,
        page: usize,
        mut purse: Purse,
    ) -> Result<Option<Vec<Found>>, StoreError> {
        let order = Some(self.sieve.order(value));
        let mut heads = Vec::with_capacity(walks.len());
        for walk in walks {
            let mut head = None;
            if walks.len() > 1 {
                self.scan(walk, order, |entry| {
                    head = Some(self.sieve.key(entry, value));
                    Ok(ControlFlow::Break(()))
                })?;
            }
            heads.extend((walks.len() == 1 || head.is_some()).then_some((head, walk)));
        }
        heads.sort_by_key(|(head, _)| *head);
        let held: Vec<usize> = holds.into_iter().collect();
        let mut found: Vec<Found> = Vec::new();
        let mut broke = false;
        for (head, walk) in heads {
            let end = (found.len() == page).then(|| found.last().map(|last| last.key)).flatten();
            if end.is_some_and(|end| head.is_some_and(|head| head > end)) {
                break;
            }
            let mut room = page;
            let mut before = 0;
            self.scan(walk, order, |entry| {
                // A device may take part in an alert twice.
                if std::mem::replace(&mut before, entry.number) == entry.number {
                    return Ok(ControlFlow::Continue(()));
                }
                if end.is_some_and(|end| self.sieve.key(entry, value) > end) {
                    return Ok(ControlFlow::Break(()));
                }
                if purse.pay(1).is_break() {
                    broke = true;
                    return Ok(ControlFlow::Break(()));
                }
                let Some(candidate) = self.sieve.admits(entry, value) else { return Ok(ControlFlow::Continue(())) };
                if self.sieve.looks(value) && purse.pay(LOOK).is_break() {
                    broke = true;
                    return Ok(ControlFlow::Break(()));
                }
                if self.sieve.meets(self.reader, &candidate, value, &held)? {
                    found.push(candidate);
                    room -= 1;
                }
                Ok(if room == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if broke {
                return Ok(None);
            }
            sort(&mut found);
            found.truncate(page);
        }
        Ok(Some(found))
    }

    /// Goes along a walk, in an order or in any.
    fn scan(
        &self,
        walk: &Walk,
        order: Option<walk::Order>,
        mut each: impl FnMut(&Entry) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let (sql, conditions) = walk.sql(self.query, order);
        let read = |row: &Row<'_>| -> rusqlite::Result<Entry> {
            Ok(Entry {
                number: row.get(0)?,
                last: row.get(1)?,
                first: row.get(2)?,
                count: row.get(3)?,
                combination: row.get(4)?,
            })
        };
        self.reader.each(&sql, &conditions, |row| each(&read(row).map_err(|error| self.reader.fail(error))?))
    }
}

fn sort(found: &mut Vec<Found>) {
    found.sort_unstable_by_key(|found| found.key);
    found.dedup_by_key(|found| found.number);
}
