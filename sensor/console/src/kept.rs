//! Maps that are kept for a short time: in a large plant a map is folded from all devices and conversations, and many look
//! at the same one.
//!
//! What a person changed shows at once. What traffic changed shows after some seconds; an answer that may lack it says as
//! of when it is.

use ot_protocol::Timestamp;
use ot_store::read::Stamp;
use ot_views::map::{MapQuery, MapView};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maps kept, and bytes of all of them; one map may have an eighth of these.
const MOST: usize = 32;
const MOST_BYTES: usize = 8 << 20;
/// An answer may be so old while a run changes the store,
const FRESH: Duration = Duration::from_secs(10);
/// or so old while somebody else is folding a new one,
const STALE: Duration = Duration::from_secs(30);
/// for which it is waited so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A map, and as of when it is where the store has changed since (wall time).
#[derive(Clone, Debug)]
pub struct Told {
    /// The map.
    pub map: Arc<MapView>,
    /// Wall time; `None`: it is as the store is now.
    pub as_of: Option<Timestamp>,
    /// Whole seconds since.
    pub age: u64,
}

/// Maps that are kept.
#[derive(Debug, Default)]
pub struct KeptMaps(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    query: MapQuery,
    stamp: Stamp,
    map: Arc<MapView>,
    bytes: usize,
    made: Instant,
    made_at: Timestamp,
    used: Instant,
    tried: Instant,
}

impl KeptMaps {
    /// The kept answer, where it may still be given; `None`: the caller makes a new one.
    pub fn get(&self, query: &MapQuery, stamp: Stamp, now: Instant) -> Option<Told> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.iter_mut().find(|kept| kept.query == *query)?;
        let same = kept.stamp == stamp;
        let age = now.saturating_duration_since(kept.made);
        let waits = age < STALE && now.saturating_duration_since(kept.tried) < PATIENCE && kept.tried > kept.made;
        if same || (kept.stamp.people == stamp.people && (age < FRESH || waits)) {
            kept.used = now;
            let as_of = (!same).then_some(kept.made_at);
            return Some(Told { map: Arc::clone(&kept.map), as_of, age: if same { 0 } else { age.as_secs() } });
        }
        kept.tried = now;
        None
    }

    /// Keeps an answer; those that were not asked for longest go.
    pub fn put(&self, query: MapQuery, stamp: Stamp, map: &Arc<MapView>, at: (Instant, Timestamp)) {
        let bytes = size(&query, map);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.query != query);
        if bytes > MOST_BYTES / 8 {
            return;
        }
        let (made, made_at) = at;
        all.push(Kept { query, stamp, map: Arc::clone(map), bytes, made, made_at, used: made, tried: made });
        while all.len() > MOST || all.iter().map(|kept| kept.bytes).sum::<usize>() > MOST_BYTES {
            let Some(oldest) = (0..all.len()).min_by_key(|&at| all.get(at).map(|kept| kept.used)) else { break };
            all.swap_remove(oldest);
        }
    }
}

/// Bytes that an answer holds, about.
fn size(query: &MapQuery, map: &MapView) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
    let maybe = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let groups =
        map.groups.iter().map(|group| size_of_val(group) + group.key.len() + group.band.len() + group.title.len());
    let nodes = map.nodes.iter().map(|node| {
        size_of_val(node) + node.id.len() + node.group.len() + node.name.len() + node.address.len() + maybe(&node.role)
    });
    let edges = map.edges.iter().map(|edge| {
        let operations = edge.operations.iter().map(|one| size_of_val(one) + one.protocol.len() + one.name.len());
        size_of_val(edge)
            + edge.from.len()
            + edge.to.len()
            + edge.from_name.len()
            + edge.to_name.len()
            + texts(&edge.protocols)
            + operations.sum::<usize>()
            + maybe(&edge.first_seen)
            + maybe(&edge.last_seen)
    });
    let asked = texts(&query.protocols) + texts(&query.open) + query.devices.len() * 4;
    size_of::<Kept>()
        + size_of::<MapView>()
        + asked
        + groups.sum::<usize>()
        + nodes.sum::<usize>()
        + edges.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(zone: usize) -> MapQuery {
        MapQuery { zone: Some(zone.to_string()), ..MapQuery::default() }
    }

    fn map(name: usize) -> Arc<MapView> {
        Arc::new(MapView {
            schema: 1,
            by: "level",
            devices: 0,
            drawn: 0,
            all_open: true,
            groups: vec![ot_views::map::MapGroup {
                key: "x".repeat(name),
                band: String::new(),
                title: String::new(),
                devices: 1,
                open: true,
                can_open: true,
                inside: 0,
            }],
            nodes: Vec::new(),
            edges: Vec::new(),
            edges_left_out: 0,
            neighbours_left_out: 0,
            more_alerts: false,
        })
    }

    fn stamp(command: i64, packet: i64) -> Stamp {
        Stamp { people: (command, 0), engine: (1, packet), history: 0 }
    }

    #[test]
    fn what_people_change_shows_at_once_and_what_traffic_changes_soon() {
        let kept = KeptMaps::default();
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(kept.get(&query(1), stamp(1, 1), began).is_none());
        kept.put(query(1), stamp(1, 1), &map(1), (began, Timestamp(7)));
        // Nothing is new: however old it is, it is as the store is.
        let same = kept.get(&query(1), stamp(1, 1), after(9_999)).unwrap();
        assert_eq!((same.as_of, same.age), (None, 0));
        assert!(kept.get(&query(2), stamp(1, 1), began).is_none());
        // Traffic: soon, and it is said.
        let told = kept.get(&query(1), stamp(1, 2), after(9)).unwrap();
        assert_eq!((told.as_of, told.age), (Some(Timestamp(7)), 9));
        // One folds anew, the others need not wait for that, though not for long.
        assert!(kept.get(&query(1), stamp(1, 2), after(10)).is_none());
        assert!(kept.get(&query(1), stamp(1, 2), after(11)).is_some());
        assert!(kept.get(&query(1), stamp(1, 2), after(15)).is_none());
        assert!(kept.get(&query(1), stamp(1, 2), after(31)).is_none());
        // A person: at once.
        kept.put(query(1), stamp(1, 2), &map(1), (after(31), Timestamp(8)));
        assert!(kept.get(&query(1), stamp(1, 3), after(32)).is_some());
        assert!(kept.get(&query(1), stamp(2, 2), after(32)).is_none());
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let kept = KeptMaps::default();
        let began = Instant::now();
        let held = || {
            let all = kept.0.lock().unwrap();
            (all.len(), all.iter().map(|kept| kept.bytes).sum::<usize>())
        };
        for at in 0..100 {
            let when = began + Duration::from_secs(at as u64);
            kept.put(query(at), stamp(1, 1), &map(10), (when, Timestamp(0)));
            // The first one is asked for again and again, and stays.
            assert!(kept.get(&query(0), stamp(1, 1), when).is_some());
        }
        assert_eq!(held().0, MOST);
        assert!(
            kept.get(&query(99), stamp(1, 1), began).is_some() && kept.get(&query(50), stamp(1, 1), began).is_none()
        );
        for at in 0..100 {
            kept.put(query(at), stamp(1, 1), &map(MOST_BYTES / 10), (began, Timestamp(0)));
        }
        let (count, bytes) = held();
        assert!(count < 11 && bytes <= MOST_BYTES, "{count} {bytes}");
        // One that is too large by itself is not kept, nor the one that it would stand for.
        let before = held().0;
        kept.put(query(99), stamp(1, 1), &map(MOST_BYTES / 4), (began, Timestamp(0)));
        assert_eq!(held().0, before - 1);
    }
}
