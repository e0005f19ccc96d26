//! From what was measured to what a person at the switch should know. Pure: measures in, findings out.
//!
//! A check is one line in [`CHECKS`]. It tells what was measured also where nothing is wrong.

mod interface;
mod machine;
mod mirror;
mod plant;

use super::measures::{InterfaceMeasures, Measures};
use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; the sensor works with it.
    Note,
    /// The sensor sees less than it should: to be put right.
    Problem,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How much it matters.
    pub level: Level,
    /// What was measured, in numbers.
    pub measured: String,
    /// What to do, step by step; empty where nothing is to be done.
    pub actions: Vec<String>,
}

/// What is told to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's id.
    pub check: &'static str,
    /// Its title.
    pub title: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The interface; `None` where all of them together are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What was measured, in numbers.
    pub measured: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, step by step.
    #[serde(rename = "do", skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

/// What a check looks at.
#[derive(Clone, Copy)]
pub enum Judge {
    /// One interface after the other.
    Each(fn(&InterfaceMeasures, &Measures) -> Option<Verdict>),
    /// All together.
    Whole(fn(&Measures) -> Option<Verdict>),
}

/// A check.
pub struct Check {
    /// Stable id.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Judges; `None` where it does not apply or too little was seen to tell.
    pub judge: Judge,
}

/// All checks, in the order in which a person goes through them at the switch.
pub static CHECKS: &[Check] = &[
    interface::LINK,
    mirror::TRAFFIC,
    mirror::UNICAST,
    mirror::DIRECTIONS,
    mirror::DUPLICATES,
    mirror::CUT,
    mirror::VLANS,
    plant::PROTOCOLS,
    plant::CONTROLLERS,
    interface::LOSS,
    interface::SPEED,
    interface::MERGED,
    interface::CHECKSUMS,
    interface::ERRORS,
    interface::FILTER,
    interface::SILENCE,
    interface::TIME,
    machine::SIZE,
    machine::DISK,
];

/// Goes through all checks.
pub fn judge(measures: &Measures) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in CHECKS {
        let mut tell = |interface: Option<String>, verdict: Option<Verdict>| {
            let Some(Verdict { level, measured, actions }) = verdict else { return };
            let Check { id, title, why, .. } = *check;
            findings.push(Finding { check: id, title, level, interface, measured, why, actions });
        };
        match check.judge {
            Judge::Whole(judge) => tell(None, judge(measures)),
            Judge::Each(judge) => {
                for interface in &measures.interfaces {
                    tell(Some(interface.name.clone()), judge(interface, measures));
                }
            }
        }
    }
    findings
}

/// A verdict.
fn verdict(level: Level, measured: String, actions: Vec<String>) -> Option<Verdict> {
    Some(Verdict { level, measured, actions })
}

/// Nothing is wrong.
fn ok(measured: String) -> Option<Verdict> {
    verdict(Level::Ok, measured, Vec::new())
}

/// Parts of a whole, in tenths of a percent.
fn permille(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 1000 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

/// `12.3 percent`; what is there is never `0.0 percent`.
fn percent(part: u64, whole: u64) -> String {
    match permille(part, whole) {
        0 if part > 0 => "less than 0.1 percent".to_owned(),
        tenths => format!("{}.{} percent", tenths / 10, tenths % 10),
    }
}

/// `812 bit/s`, `14.2 kbit/s`, `1.0 Gbit/s`.
pub fn bits(rate: u64) -> String {
    let scale = [(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s")];
    match scale.into_iter().find(|(unit, _)| rate >= *unit) {
        None => format!("{rate} bit/s"),
        Some((unit, name)) => format!("{}.{} {name}", rate / unit, rate % unit * 10 / unit),
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! A mirror port as it should be, for tests to spoil.

    use super::super::measures::{
        Casts, Checksums, Controller, InterfaceMeasures, LiveMeasures, Machine, Measures, rate,
    };
    use super::{CHECKS, Finding, Level, judge};
    use ot_capture::{InterfaceCounters, InterfaceFacts, LinkType, Offloads, Opened, TimeSource};
    use ot_protocol::InterfaceSight;
    use ot_protocol::time::SECOND;

    /// A live interface on which nothing is wrong.
    pub fn good() -> Measures {
        let interface = InterfaceMeasures {
            name: "eth1".to_owned(),
            frames: 60_000,
            bytes: 6_000_000,
            peak_frames: 1_200,
            peak_bits: 1_000_000,
            longest: 300,
            longest_usual: 1522,
            casts: Casts { unicast: 59_000, multicast: 600, broadcast: 400 },
            checksums: Checksums { right: 59_000, ..Checksums::default() },
            sight: InterfaceSight { sessions: 40, ..InterfaceSight::default() },
            live: Some(LiveMeasures {
                facts: InterfaceFacts {
                    name: "eth1".to_owned(),
                    index: 3,
                    up: true,
                    running: true,
                    mtu: Some(1500),
                    speed: Some(1000),
                    driver: None,
                    offloads: Offloads { gro: Some(false), lro: Some(false), vlan: Some(true) },
                    hardware_time: Some(false),
                    counters: InterfaceCounters::default(),
                },
                grown: InterfaceCounters { received: 60_000, ..InterfaceCounters::default() },
                opened: Some(Opened { link: LinkType::Ethernet, time_source: TimeSource::Host, ring_version: Some(3) }),
                wanted: TimeSource::Host,
                filter: None,
                snap_length: 262_144,
                up: true,
                lost: 0,
            }),
            ..InterfaceMeasures::default()
        };
        let mut measures = Measures {
            live: true,
            span: 60 * SECOND,
            interfaces: vec![interface],
            vlans: [(None, 1_000), (Some(20), 58_000)].into(),
            protocols: vec![("modbus".to_owned(), 20_000)],
            companions: vec![("dns".to_owned(), 4)],
            devices: 12,
            controllers: vec![Controller { address: "10.0.0.10".to_owned(), ..Controller::default() }],
            machine: Some(Machine {
                cores: 4,
                memory: Some(8 << 30),
                folder: ".".into(),
                free: Some(200 << 30),
                quota: 1 << 30,
                events: 2_000_000,
            }),
            ..Measures::default()
        };
        measures.link.frames = 60_000;
        measures
    }

    /// A capture file of the same traffic.
    pub fn file() -> Measures {
        let mut measures = good();
        measures.live = false;
        measures.machine = None;
        measures.interfaces.iter_mut().for_each(|interface| interface.live = None);
        measures
    }

    /// What a check says when the good port was spoiled.
    pub fn told(check: &str, spoil: impl FnOnce(&mut Measures)) -> Option<Finding> {
        assert!(CHECKS.iter().any(|known| known.id == check), "no check {check}");
        let mut measures = good();
        spoil(&mut measures);
        judge(&measures).into_iter().find(|finding| finding.check == check)
    }

    /// The level at which a check speaks when the good port was spoiled; [`Level::Ok`] where it does not.
    pub fn level(check: &str, spoil: impl FnOnce(&mut Measures)) -> Level {
        told(check, spoil).map_or(Level::Ok, |finding| finding.level)
    }

    /// The same, where the interface was spoiled.
    pub fn of_interface(check: &str, spoil: impl FnOnce(&mut InterfaceMeasures)) -> Level {
        level(check, |measures| measures.interfaces.first_mut().map(spoil).unwrap_or_default())
    }

    #[test]
    fn every_check_is_documented_and_has_an_id_of_its_own() {
        let readme = include_str!("../../../README.md");
        let mut ids = std::collections::BTreeSet::new();
        for check in CHECKS {
            assert!(ids.insert(check.id), "{} stands twice", check.id);
            assert!(readme.contains(&format!("\n| `{}` |", check.id)), "README.md lacks {}", check.id);
            assert!(check.why.ends_with('.'), "{}", check.id);
        }
    }

    #[test]
    fn nothing_is_wrong_with_a_good_port() {
        for measures in [good(), file()] {
            let findings = judge(&measures);
            let other: Vec<_> = findings.iter().filter(|finding| finding.level != Level::Ok).collect();
            assert!(other.is_empty(), "{other:#?}");
            assert!(findings.len() >= 8, "{findings:#?}");
            assert!(findings.iter().all(|finding| !finding.measured.is_empty() && finding.actions.is_empty()));
        }
        assert_eq!(rate(60_000, 60 * SECOND), 1_000);
    }
}
