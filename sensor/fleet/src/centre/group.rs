//! Puts alerts together that are shown as one, where something about them changed.

use super::{Centre, CentreError};
use crate::rule::{Member, WINDOW, groups};
use std::collections::{BTreeMap, BTreeSet};

/// What changed of alerts that were written.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Where alerts were or are: bucket and first detection.
    pub places: BTreeSet<(String, i64)>,
    /// Alerts that are not as they were shown.
    pub alerts: BTreeSet<String>,
    /// What showed these alerts before.
    pub shown: BTreeSet<i32>,
}

/// An alert, with what shows it.
struct Found {
    bucket: String,
    member: Member,
    shown: Option<i32>,
}

impl Centre {
    /// Makes what is shown anew around what changed.
    pub(super) fn regroup(&mut self, touched: &Touched) -> Result<(), CentreError> {
        let found = self.around(&touched.places)?;
        let mut buckets: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
        for one in &found {
            buckets.entry(one.bucket.as_str()).or_default().push(one);
        }
        // The leads of all groups, with whom they lead.
        let mut made: Vec<(&Found, Vec<&Found>)> = Vec::new();
        for list in buckets.values() {
            let members: Vec<Member> = list.iter().map(|one| one.member.clone()).collect();
            for group in groups(&members) {
                let of: Vec<&Found> = group.iter().filter_map(|&place| list.get(place).copied()).collect();
                if let Some(&lead) = of.first() {
                    made.push((lead, of));
                }
            }
        }
        let leads: Vec<&str> = made.iter().map(|(lead, _)| lead.member.id.as_str()).collect();
        let known: BTreeMap<String, i32> = self
            .rows("SELECT lead, number FROM shown WHERE lead = ANY($1)", &[&leads])?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let mut next: i32 = self.one("SELECT COALESCE(MAX(number), 0) FROM shown", &[])?;
        let (mut new_numbers, mut new_leads) = (Vec::new(), Vec::new());
        let (mut moved, mut moved_to): (Vec<&str>, Vec<i32>) = (Vec::new(), Vec::new());
        let (mut changed, mut stand) = (Vec::new(), BTreeSet::new());
        for (lead, of) in &made {
            let number = known.get(&lead.member.id).copied().unwrap_or_else(|| {
                next = next.saturating_add(1);
                new_numbers.push(next);
                new_leads.push(lead.member.id.as_str());
                next
            });
            stand.insert(number);
            let mut differs = touched.shown.contains(&number);
            for one in of {
                if one.shown != Some(number) {
                    moved.push(&one.member.id);
                    moved_to.push(number);
                    differs = true;
                }
                differs |= touched.alerts.contains(&one.member.id);
            }
            if differs {
                changed.push(number);
            }
        }
        let before = found.iter().filter_map(|one| one.shown).chain(touched.shown.iter().copied());
        let gone: BTreeSet<i32> = before.filter(|number| !stand.contains(number)).collect();
        // A number that is nobody's any more, though its alerts may be elsewhere in the same bucket.
        let gone: Vec<i32> = gone.into_iter().collect();
        if !new_numbers.is_empty() {
            self.run(
                "INSERT INTO shown (number, lead, gone, changed)
                 SELECT n, l, FALSE, nextval('change_number') FROM unnest($1::int[], $2::text[]) AS t (n, l)",
                &[&new_numbers, &new_leads],
            )?;
        }
        if !moved.is_empty() {
            self.run(
                "UPDATE alert SET shown = t.n FROM unnest($1::text[], $2::int[]) AS t (i, n) WHERE alert.id = t.i",
                &[&moved, &moved_to],
            )?;
        }
        if !changed.is_empty() {
            self.run(
                "UPDATE shown SET gone = FALSE, changed = nextval('change_number') WHERE number = ANY($1)",
                &[&changed],
            )?;
        }
        if !gone.is_empty() {
            self.run(
                "UPDATE shown SET gone = TRUE, changed = nextval('change_number')
                 WHERE number = ANY($1) AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.shown = shown.number)",
                &[&gone],
            )?;
        }
        Ok(())
    }

    /// All alerts that hang together with these places by gaps of at most the window.
    fn around(&mut self, places: &BTreeSet<(String, i64)>) -> Result<Vec<Found>, CentreError> {
        // Spans of each bucket, those that touch as one.
        let mut spans: Vec<(String, i64, i64)> = Vec::new();
        for (bucket, time) in places {
            match spans.last_mut() {
                Some((known, _, end)) if known == bucket && time.saturating_sub(*end) <= WINDOW => *end = *time,
                _ => spans.push((bucket.clone(), *time, *time)),
            }
        }
        let mut known: BTreeMap<String, Found> = BTreeMap::new();
        while !spans.is_empty() {
            let buckets: Vec<&str> = spans.iter().map(|(bucket, _, _)| bucket.as_str()).collect();
            let from: Vec<i64> = spans.iter().map(|(_, from, _)| from.saturating_sub(WINDOW)).collect();
            let to: Vec<i64> = spans.iter().map(|(_, _, to)| to.saturating_add(WINDOW)).collect();
            let rows = self.rows(
                "SELECT DISTINCT a.id, a.bucket, a.first_detection, a.sensor, a.shown
                 FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS t (b, f, u)
                 JOIN alert a ON a.bucket = t.b AND a.first_detection BETWEEN t.f AND t.u",
                &[&buckets, &from, &to],
            )?;
            let mut further: BTreeSet<(String, i64)> = BTreeSet::new();
            for row in rows {
                let (id, bucket, first_detection): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
                let within =
                    |(of, from, to): &(String, i64, i64)| *of == bucket && (*from..=*to).contains(&first_detection);
                if !spans.iter().any(within) && !known.contains_key(&id) {
                    further.insert((bucket.clone(), first_detection));
                }
                let member = Member { first_detection, sensor: row.get(3), id: id.clone() };
                known.insert(id, Found { bucket, member, shown: row.get(4) });
            }
            spans = further.into_iter().map(|(bucket, time)| (bucket, time, time)).collect();
        }
        Ok(known.into_values().collect())
    }
}
