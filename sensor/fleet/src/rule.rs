//! The cross-sensor rule: which alerts of several sensors are shown as one. Pure.
//!
//! Alerts that have site, zone, type, status, protocol and devices in common are shown as one where they were first detected
//! within ten minutes of the first of them. One sensor's alerts stay apart: what a sensor tells as two are two. What is shown
//! depends on the alerts alone, not on the order in which they came.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How long after the first detection an alert of another sensor is still the same.
pub const WINDOW: i64 = 600 * 1_000_000_000;

/// An alert of a sensor, as far as the rule looks at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// First detection, nanoseconds.
    pub first_detection: i64,
    /// Number of the sensor.
    pub sensor: i32,
    /// Id of the alert.
    pub id: String,
}

/// What alerts must have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common<'a> {
    /// Site.
    pub site: Option<&'a str>,
    /// Zone.
    pub zone: Option<&'a str>,
    /// Type.
    pub kind: &'a str,
    /// Status, as people at the centre or the sensor say.
    pub status: &'a str,
    /// Protocol.
    pub protocol: Option<&'a str>,
    /// Sources: address, else MAC, and sub-address.
    pub sources: Vec<(&'a str, &'a str)>,
    /// Destinations.
    pub destinations: Vec<(&'a str, &'a str)>,
}

impl Common<'_> {
    /// All of it as one text, the same for alerts that have it in common. An alert in which no device takes part is about the
    /// sensor itself: it has nothing in common with those of others.
    pub fn bucket(&self, alert: &str) -> String {
        let list = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            let sorted: BTreeSet<_> = list.iter().map(|&(ip, sub)| (ip.to_owned(), sub.to_owned())).collect();
            sorted.into_iter().collect()
        };
        let own = self.sources.is_empty() && self.destinations.is_empty();
        let text = serde_json::json!([
            self.site,
            self.zone,
            self.kind,
            self.status,
            self.protocol,
            list(&self.sources),
            list(&self.destinations),
            own.then_some(alert),
        ])
        .to_string();
        Sha256::digest(text).iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Which of these alerts, all of one bucket, are shown as one: places in the list, the first detected first.
pub fn groups(members: &[Member]) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, &Member)> = members.iter().enumerate().collect();
    order.sort_by_key(|(_, member)| *member);
    let mut groups: Vec<(i64, BTreeSet<i32>, Vec<usize>)> = Vec::new();
    let mut first_open = 0;
    for (place, member) in order {
        let is_over = |start: i64| member.first_detection.saturating_sub(start) > WINDOW;
        while groups.get(first_open).is_some_and(|group| is_over(group.0)) {
            first_open += 1;
        }
        let found = groups.iter_mut().skip(first_open).find(|group| !group.1.contains(&member.sensor));
        match found {
            Some((_, sensors, places)) => {
                sensors.insert(member.sensor);
                places.push(place);
            }
            None => groups.push((member.first_detection, BTreeSet::from([member.sensor]), vec![place])),
        }
    }
    groups.into_iter().map(|(_, _, places)| places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(seconds: i64, sensor: i32, id: &str) -> Member {
        Member { first_detection: seconds * 1_000_000_000, sensor, id: id.to_owned() }
    }

    fn ids(members: &[Member]) -> BTreeSet<BTreeSet<String>> {
        let name = |place: &usize| members[*place].id.clone();
        groups(members).iter().map(|group| group.iter().map(name).collect()).collect()
    }

    #[test]
    fn ten_minutes_count_from_the_first() {
        let members = [member(0, 1, "a"), member(600, 2, "b"), member(601, 3, "c"), member(1_200, 4, "d")];
        assert_eq!(groups(&members), [vec![0, 1], vec![2, 3]]);
    }

    #[test]
    fn alerts_of_one_sensor_stay_apart_and_others_join_the_first() {
        let members = [member(0, 1, "a"), member(10, 1, "b"), member(20, 2, "c"), member(30, 2, "d")];
        assert_eq!(groups(&members), [vec![0, 2], vec![1, 3]]);
    }

    #[test]
    fn a_bucket_is_what_they_have_in_common() {
        let one = Common {
            zone: Some("cell 1"),
            kind: "new-master",
            status: "new",
            protocol: Some("modbus"),
            sources: vec![("10.0.0.1", ""), ("10.0.0.2", "unit 1")],
            destinations: vec![("10.0.0.9", "")],
            ..Common::default()
        };
        let turned = Common { sources: one.sources.iter().rev().copied().collect(), ..one.clone() };
        assert_eq!(one.bucket("x"), turned.bucket("y"));
        for other in [
            Common { zone: None, ..one.clone() },
            Common { site: Some("north"), ..one.clone() },
            Common { kind: "port-scan", ..one.clone() },
            Common { status: "closed", ..one.clone() },
            Common { protocol: None, ..one.clone() },
            Common { sources: vec![("10.0.0.1", "")], ..one.clone() },
            Common { destinations: vec![("10.0.0.9", "unit 2")], ..one.clone() },
        ] {
            assert_ne!(one.bucket("x"), other.bucket("x"), "{other:?}");
        }
        let own = Common { kind: "sensor-no-traffic", status: "new", ..Common::default() };
        assert_ne!(own.bucket("x"), own.bucket("y"));
    }

    fn members() -> impl Strategy<Value = Vec<Member>> {
        prop::collection::vec((0_i64..4_000, 0_i32..6), 0..60).prop_map(|list| {
            let numbered = list.into_iter().enumerate();
            numbered.map(|(number, (seconds, sensor))| member(seconds, sensor, &format!("{number:03}"))).collect()
        })
    }

    proptest! {
        #[test]
        fn every_alert_is_shown_once_within_the_window_and_each_sensor_once(members in members()) {
            let found = groups(&members);
            let mut seen: Vec<usize> = found.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..members.len()).collect::<Vec<_>>());
            for group in &found {
                let start = members[group[0]].first_detection;
                let sensors: BTreeSet<i32> = group.iter().map(|&place| members[place].sensor).collect();
                prop_assert_eq!(sensors.len(), group.len());
                for &place in group {
                    prop_assert!((0..=WINDOW).contains(&(members[place].first_detection - start)));
                }
            }
        }

        #[test]
        fn the_order_in_which_they_came_does_not_matter(members in members(), seed in any::<u64>()) {
            let mut turned = members.clone();
            turned.sort_by_key(|member| {
                use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
                BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, &member.id))
            });
            prop_assert_eq!(ids(&members), ids(&turned));
        }

        #[test]
        fn what_lies_more_than_the_window_apart_does_not_matter_to_each_other(members in members()) {
            // The centre looks only at alerts that hang together by gaps of at most the window.
            let mut sorted = members.clone();
            sorted.sort();
            let mut parts: Vec<Vec<Member>> = Vec::new();
            for member in sorted {
                match parts.last_mut() {
                    Some(part) if member.first_detection - part[part.len() - 1].first_detection <= WINDOW => part.push(member),
                    _ => parts.push(vec![member]),
                }
            }
            let apart: BTreeSet<BTreeSet<String>> = parts.iter().flat_map(|part| ids(part)).collect();
            prop_assert_eq!(ids(&members), apart);
        }
    }
}
