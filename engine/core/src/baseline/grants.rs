//! What people allow: grants on entries, wider entries, and what of an entry's neighbours allows it.

use super::{Baseline, Observation, without_range};
use crate::model::{BaselineEntry, Effect, EntryId, EntryKey, EntryKind, Grant, OUTSIDE, Origin, Scope};
use ipnet::IpNet;
use ot_protocol::{FrameRef, Timestamp};
use std::net::IpAddr;

/// Wide entries: each is looked at for what no exact entry allows.
pub const MOST_WIDE: usize = 4_096;
/// Entries of values beyond the learned ones, of one point by one client.
const MOST_OUTSIDE: u32 = 16;

/// The text of the entry of values beyond the learned ones: each time a person learned the last one, another follows.
pub(crate) fn outside(number: u32) -> Box<str> {
    if number <= 1 { OUTSIDE.into() } else { format!("{OUTSIDE} {number}").into() }
}

impl Baseline {
    /// Whether an entry is allowed now: what a person allowed for a time ends with it.
    pub fn is_allowed(&self, entry: &BaselineEntry) -> bool {
        entry.allowed && entry.expires.is_none_or(|end| self.now < end)
    }

    /// Whether any wide entry is allowed.
    pub fn has_wide(&self) -> bool {
        !self.wide.is_empty()
    }

    /// How many wide entries are allowed.
    pub fn wide_len(&self) -> usize {
        self.wide.len()
    }

    /// Allowed wide entries, in order of number.
    pub fn wide_entries(&self) -> impl Iterator<Item = &BaselineEntry> {
        self.wide.iter().filter_map(|&id| self.get(id)).filter(|entry| self.is_allowed(entry))
    }

    /// Networks that allowed wide entries are about and that hold one of the addresses, in order.
    pub fn networks_of(&self, addresses: &[IpAddr]) -> Vec<IpNet> {
        self.networks.keys().filter(|net| addresses.iter().any(|ip| net.contains(ip))).copied().collect()
    }

    /// Whether a person, or an import, allows anything.
    pub fn has_grants(&self) -> bool {
        !self.grants.is_empty()
    }

    /// Grants that allow an entry now, in the order of their acts.
    pub fn grants_on(&self, id: EntryId) -> impl Iterator<Item = &Grant> {
        let stands = |until: Option<Timestamp>| until.is_none_or(|end| self.now < end);
        let limit = self.limit_on(id);
        // A limit stands for the ends of all acts before it.
        let before = limit.is_some_and(|limit| limit.effect == Effect::Limits && stands(limit.until));
        let limit = limit.map(|limit| limit.act);
        self.on(id).filter(move |grant| {
            grant.effect == Effect::Adds
                && match limit {
                    Some(limit) if grant.act < limit => before,
                    _ => stands(grant.until),
                }
        })
    }

    /// All grants on an entry, in the order of their acts.
    pub(super) fn on(&self, id: EntryId) -> impl DoubleEndedIterator<Item = &Grant> {
        self.grants.range((id, 0)..=(id, u64::MAX)).map(|(_, grant)| grant)
    }

    /// The newest act that took an entry back or set its end.
    fn limit_on(&self, id: EntryId) -> Option<&Grant> {
        if !self.limited.contains(&id) {
            return None;
        }
        self.on(id).rev().find(|grant| grant.effect != Effect::Adds)
    }

    /// Whether one of the entries is no longer allowed because a person took it back, or because the end came that a person
    /// set.
    pub fn is_taken_back(&self, entries: &[EntryId]) -> bool {
        !self.limited.is_empty()
            && entries
                .iter()
                .any(|id| self.limited.contains(id) && self.get(*id).is_some_and(|entry| !self.is_allowed(entry)))
    }

    /// Grants by which people learned an alert, by entry and act.
    pub fn grants_of_alert(&self, alert: u32) -> impl Iterator<Item = &Grant> {
        self.grants.values().filter(move |grant| grant.alert == alert)
    }

    /// The number of an entry with this key; makes one, not allowed and never observed, where there is none.
    pub fn entry_for(&mut self, key: EntryKey, label: &'static str, values: Option<(f64, f64)>) -> EntryId {
        let id = match self.find(&key) {
            Some(entry) => entry.id,
            None => {
                let times = [self.now; 2];
                self.insert(key, label, Observation { count: 0, times, frame: FrameRef::default(), learning: false })
            }
        };
        if let Some((min, max)) = values {
            self.widen(id, min);
            self.widen(id, max);
        }
        id
    }

    /// Allows an entry by an act.
    pub fn grant(&mut self, grant: Grant) {
        let place = (grant.entry, grant.act);
        if !self.entries.contains(grant.entry) || self.grants.get(&place) == Some(&grant) {
            return;
        }
        if let Some(end) = grant.until.filter(|_| grant.effect != Effect::Ends) {
            self.expiring.insert((end, grant.entry, grant.act));
        }
        if grant.effect != Effect::Adds {
            self.limited.insert(grant.entry);
        }
        if let Some(end) = self.grants.insert(place, grant).and_then(|before| before.until)
            && self.grants.get(&place).and_then(|grant| grant.until) != Some(end)
        {
            self.expiring.remove(&(end, place.0, place.1));
        }
        self.changed_grants.insert(place);
        self.removed_grants.remove(&place);
        self.settle_entry(place.0);
        self.generation += 1;
    }

    /// Takes back what an act, or the learning of an alert, allowed: these entries.
    pub fn revoke(&mut self, which: impl Fn(&Grant) -> bool) -> Vec<EntryId> {
        let gone: Vec<(EntryId, u64)> =
            self.grants.iter().filter(|(_, grant)| which(grant)).map(|(&place, _)| place).collect();
        for &place in &gone {
            self.drop_grant(place);
            self.end_over(place.0, self.now);
            self.settle_entry(place.0);
        }
        self.generation += u64::from(!gone.is_empty());
        gone.into_iter().map(|(entry, _)| entry).collect()
    }

    /// Ends what was allowed until now: these entries.
    pub fn expire(&mut self, now: Timestamp) -> Vec<EntryId> {
        let mut ended = Vec::new();
        while let Some(&(end, entry, act)) = self.expiring.first() {
            if end > now {
                break;
            }
            self.expiring.pop_first();
            let limit = self.limit_on(entry).map(|limit| (limit.act, limit.effect));
            // A later act set another end.
            if limit.is_some_and(|(later, effect)| effect == Effect::Limits && act < later) {
                continue;
            }
            match limit {
                // It stays: what traffic taught, and what earlier acts allow, is over as well.
                Some((newest, Effect::Limits)) if act == newest => self.end_over(entry, now),
                _ => self.drop_grant((entry, act)),
            }
            self.settle_entry(entry);
            ended.push(entry);
        }
        self.generation += u64::from(!ended.is_empty());
        ended
    }

    /// Ends the limit on an entry whose time is over, and drops such grants to which no later act set another end.
    fn end_over(&mut self, id: EntryId, now: Timestamp) {
        let limit = self.limit_on(id).filter(|limit| limit.effect == Effect::Limits);
        let (mut limit, until) = limit.map_or((0, None), |limit| (limit.act, limit.until));
        if until.is_some_and(|end| end <= now)
            && let Some(grant) = self.grants.get_mut(&(id, limit))
        {
            grant.effect = Effect::Ends;
            self.changed_grants.insert((id, limit));
            limit = 0;
        }
        let over: Vec<u64> = self
            .on(id)
            .filter(|grant| grant.effect == Effect::Adds && grant.act > limit)
            .filter(|grant| grant.until.is_some_and(|end| end <= now))
            .map(|grant| grant.act)
            .collect();
        over.into_iter().for_each(|act| self.drop_grant((id, act)));
    }

    fn drop_grant(&mut self, place: (EntryId, u64)) {
        if let Some(grant) = self.grants.remove(&place) {
            if let Some(end) = grant.until {
                self.expiring.remove(&(end, place.0, place.1));
            }
            self.changed_grants.remove(&place);
            self.removed_grants.insert(place);
            if grant.effect != Effect::Adds && self.on(place.0).all(|grant| grant.effect == Effect::Adds) {
                self.limited.remove(&place.0);
            }
        }
    }

    /// Takes the grants of an entry away with it.
    pub(super) fn take_grants(&mut self, id: EntryId) -> Vec<Grant> {
        let places: Vec<(EntryId, u64)> =
            self.grants.range((id, 0)..=(id, u64::MAX)).map(|(&place, _)| place).collect();
        let kept = places.iter().filter_map(|place| self.grants.get(place).cloned()).collect();
        places.into_iter().for_each(|place| self.drop_grant(place));
        kept
    }

    /// What an entry is after its grants changed: allowed while one of them stands, or as traffic taught; from a limit on
    /// only until its end, or as later ones say.
    pub(super) fn settle_entry(&mut self, id: EntryId) {
        let limited = self.limited.contains(&id);
        let Some(entry) = self.entries.get_mut(id) else { return };
        let grants: Vec<&Grant> = self.grants.range((id, 0)..=(id, u64::MAX)).map(|(_, grant)| grant).collect();
        let at = grants.iter().rposition(|grant| grant.effect != Effect::Adds).filter(|_| limited);
        let learned = entry.learned_count > 0;
        // From which grant on they count, and whether what was before counts for nothing.
        let (from, ended) = match at.and_then(|at| Some((at, grants.get(at)?.effect))) {
            Some((at, Effect::Ends)) => (at + 1, true),
            Some((at, _)) => (at, false),
            None => (0, false),
        };
        let counting = grants.get(from..).unwrap_or_default();
        let adding = |grants: &[&Grant]| {
            grants.iter().rev().find(|grant| grant.effect == Effect::Adds).map(|grant| grant.origin.clone())
        };
        match counting.first() {
            Some(first) => {
                let ends = counting.iter().map(|grant| grant.until);
                let expires = ends.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten();
                let allowed_by = if ended { adding(counting) } else { adding(&grants) };
                entry.allowed = true;
                entry.origin = allowed_by.unwrap_or(Origin::Traffic);
                entry.expires = expires.filter(|_| !learned || at.is_some());
                entry.allowed_at = entry.allowed_at.or(Some(first.time));
                self.any_allowed = true;
            }
            None if ended => {
                entry.allowed = false;
                entry.origin = grants.last().map_or(Origin::Observed, |grant| grant.origin.clone());
                entry.expires = None;
                entry.allowed_at = None;
            }
            None => {
                entry.allowed = learned;
                entry.origin = if learned { Origin::Traffic } else { Origin::Observed };
                entry.expires = None;
                entry.allowed_at = entry.allowed_at.or(Some(entry.first_seen)).filter(|_| learned);
                if !learned {
                    self.observed.push_back(id);
                }
            }
        }
        self.index_wide(id);
        self.dirty.mark(id.0);
    }

    /// Keeps the list of allowed wide entries.
    pub(super) fn index_wide(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get(id) else { return };
        if entry.key.scope == Scope::Exact {
            return;
        }
        let network = entry.key.network;
        if entry.allowed == self.wide.contains(&id) {
            return;
        }
        if entry.allowed {
            self.wide.insert(id);
            if let Some(net) = network {
                *self.networks.entry(net).or_default() += 1;
            }
        } else {
            self.drop_wide(id, network);
        }
    }

    pub(super) fn drop_wide(&mut self, id: EntryId, network: Option<IpNet>) {
        if self.wide.remove(&id)
            && let Some(net) = network
            && let Some(count) = self.networks.get_mut(&net)
        {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&net);
            }
        }
    }

    /// The entry by which the baseline allows this key: the same one, or one of its neighbours that says as much. Wide
    /// entries apart: see [`Baseline::wide`].
    pub fn allowing(&self, key: &EntryKey) -> Option<EntryId> {
        if let Some(entry) = self.find(key).filter(|entry| self.is_allowed(entry)) {
            return Some(entry.id);
        }
        match key.kind {
            // Of S7 the block is what is learned, not each address.
            EntryKind::Range if key.protocol.starts_with("s7") => {
                self.ranges(key).filter(|entry| self.is_allowed(entry)).map(|entry| entry.id).min()
            }
            EntryKind::Range => self.covered(key, key.start?, key.end?),
            // The same port may have been learned under the protocol that is spoken there.
            EntryKind::Connection if key.scope == Scope::Exact && key.protocol == "tcp" && key.port.is_some() => self
                .between(key.client?, key.server?)
                .find(|entry| {
                    self.is_allowed(entry)
                        && entry.key.kind == EntryKind::Connection
                        && entry.key.port == key.port
                        && !matches!(entry.key.protocol, "udp" | "ip")
                })
                .map(|entry| entry.id),
            EntryKind::Rhythm if key.scope == Scope::Exact => {
                let near = crate::detectors::near_rhythms(key.text.as_deref()?);
                near.into_iter()
                    .filter_map(|text| self.find(&EntryKey { text: Some(text.into()), ..key.clone() }))
                    .find(|entry| self.is_allowed(entry))
                    .map(|entry| entry.id)
            }
            EntryKind::Writer if key.scope == Scope::Exact && key.text.is_some() => {
                let seen = self.find(key)?;
                let (low, high, widest) = self.values(key)?;
                (seen.min? >= low && seen.max? <= high).then_some(widest)
            }
            _ => None,
        }
    }

    /// Smallest and largest value that the baseline allows for the point of a writer, by whomever, and the entry of the most
    /// observations.
    fn values(&self, key: &EntryKey) -> Option<(f64, f64, EntryId)> {
        let plain = EntryKey { text: None, ..key.clone() };
        let mut found: Option<(f64, f64, EntryId, u64)> = None;
        for key in std::iter::once(plain).chain(self.outside_keys(key)) {
            for entry in self.writers(&key).filter(|entry| self.is_allowed(entry)) {
                let (Some(low), Some(high)) = (entry.min, entry.max) else { continue };
                found = Some(match found {
                    None => (low, high, entry.id, entry.count),
                    Some((least, most, id, count)) => {
                        let (id, count) = if entry.count > count { (entry.id, entry.count) } else { (id, count) };
                        (low.min(least), high.max(most), id, count)
                    }
                });
            }
        }
        found.map(|(low, high, id, _)| (low, high, id))
    }

    /// Keys of the entries of values beyond the learned ones that a point has, by whomever.
    pub(crate) fn outside_keys(&self, key: &EntryKey) -> impl Iterator<Item = EntryKey> + use<> {
        let base = EntryKey { text: None, ..key.clone() };
        let known: Vec<EntryKey> = (1..=MOST_OUTSIDE)
            .map(|number| EntryKey { text: Some(outside(number)), ..base.clone() })
            .take_while(|key| self.writers(key).next().is_some())
            .collect();
        known.into_iter()
    }

    /// The key for a value beyond the learned ones: of the first entry that nobody has learned.
    pub(crate) fn outside_key(&self, key: &EntryKey) -> EntryKey {
        let numbered = |number| EntryKey { text: Some(outside(number)), ..key.clone() };
        (1..MOST_OUTSIDE)
            .map(numbered)
            .find(|key| self.find(key).is_none_or(|entry| !entry.allowed))
            .unwrap_or_else(|| numbered(MOST_OUTSIDE))
    }

    /// Whether a wide entry allows a value beyond the learned ones.
    pub(crate) fn allows_value(&self, key: &EntryKey, networks: &[IpNet], value: f64) -> bool {
        wider(key, networks).any(|wide| {
            self.find(&wide).is_some_and(|entry| {
                self.is_allowed(entry)
                    && entry.min.zip(entry.max).is_none_or(|(low, high)| (low..=high).contains(&value))
            })
        })
    }

    /// The wide entry by which the baseline allows this key. `networks`: as [`Baseline::networks_of`] its subject.
    pub fn wide(&self, key: &EntryKey, networks: &[IpNet]) -> Option<EntryId> {
        if self.wide.is_empty() {
            return None;
        }
        wider(key, networks).find_map(|wide| {
            let id = self.allowing(&wide)?;
            // A wide entry of values allows no more than these.
            let holds = match (key.kind, self.get(id).and_then(|entry| entry.min.zip(entry.max))) {
                (EntryKind::Writer, Some((low, high))) if key.text.is_some() => self
                    .find(key)
                    .is_none_or(|seen| seen.min.zip(seen.max).is_none_or(|(min, max)| min >= low && max <= high)),
                _ => true,
            };
            holds.then_some(id)
        })
    }

    /// Whether acts of people allow this key: for `own`, only those on alerts of this type count.
    pub fn is_granted(&self, key: &EntryKey, networks: &[IpNet], own: Option<&str>) -> bool {
        let ours = |id: EntryId| self.grants_on(id).any(|grant| own.is_none_or(|kind| grant.kind == kind));
        if self.find(key).is_some_and(|entry| ours(entry.id)) {
            return true;
        }
        if !self.wide.is_empty()
            && wider(key, networks).any(|wide| self.find(&wide).is_some_and(|entry| ours(entry.id)))
        {
            return true;
        }
        if own.is_some() {
            return false;
        }
        // Together with what traffic taught, an act may allow what it does not name.
        let together = matches!(key.kind, EntryKind::Range | EntryKind::Writer | EntryKind::Rhythm);
        let by = |id: Option<EntryId>| id.is_some_and(|id| together || ours(id));
        by(self.allowing(key)) || by(self.wide(key, networks))
    }

    /// Grants that are new or changed, and those that are gone, in order.
    pub fn take_grant_changes(&mut self) -> (Vec<Grant>, Vec<(EntryId, u64)>) {
        let changed = std::mem::take(&mut self.changed_grants);
        let grants = changed.iter().filter_map(|place| self.grants.get(place).cloned()).collect();
        (grants, std::mem::take(&mut self.removed_grants).into_iter().collect())
    }

    /// All grants, by entry and act.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    /// Range entries of the same wider keys.
    pub fn wide_ranges(&self, key: &EntryKey, networks: &[IpNet]) -> bool {
        !self.wide.is_empty()
            && wider(&without_range(key), networks)
                .any(|wide| self.allowing(&wide).is_some() || self.ranges(&wide).any(|entry| self.is_allowed(entry)))
    }
}

/// The keys of the wider entries that hold a key, from the narrowest on.
fn wider<'a>(key: &'a EntryKey, networks: &'a [IpNet]) -> impl Iterator<Item = EntryKey> + 'a {
    let plain = [Scope::Pair, Scope::Server, Scope::Client].into_iter().filter_map(|scope| key.widened(scope, None));
    plain.chain(networks.iter().filter_map(|&net| key.widened(Scope::Subnet, Some(net))))
}
