//! What a site configures of the engine.

use crate::catalogue::{AlertType, Part, Severity, Threshold};
use crate::context::Field;
use crate::maintenance::Plan;
use crate::model::Role;
use ipnet::IpNet;
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Timestamp};
use ot_rules::{RuleSet, SiteClock};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Configuration of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// Stable id of the sensor; enters the ids of alerts.
    pub sensor_id: String,
    /// Name of the sensor, for people.
    pub sensor_name: String,
    /// Site the sensor stands in.
    pub site: Option<String>,
    /// Zones of the plant by network; the first that holds an address wins.
    pub zones: Vec<Zone>,
    /// Networks that are OT; empty: the /24 (/64) of each confirmed OT speaker.
    pub ot_networks: Vec<IpNet>,
    /// What a person knows of devices.
    pub devices: Vec<KnownDevice>,
    /// Maintenance windows that are planned here; `None`: those that the store holds.
    pub maintenance: Option<Vec<Plan>>,
    /// Whether packets come without pause, so that silence of an interface is the sensor's trouble: live, or a recording of
    /// which somebody says so.
    pub continuous: bool,
    /// Alert types that differ from the catalogue, by id.
    pub alerts: BTreeMap<String, AlertSetting>,
    /// How long to learn.
    pub learning: Learning,
    /// Learning ends before its time when little new comes.
    pub novelty: Option<Novelty>,
    /// Alert types that speak while all else is learned, by id, and whose entries are not learned.
    pub not_learned: Vec<String>,
    /// How long a device learns that is found later.
    pub new_device: Option<Nanos>,
    /// How long alerts and events are kept.
    pub keep: Keep,
    /// Rules that people of the site wrote.
    pub rules: Arc<RuleSet>,
    /// The time zone of the site, for times of day in rules.
    pub clock: SiteClock,
    /// Caps of the engine's tables.
    pub limits: Limits,
}

/// How long alerts, devices and events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Open alerts are closed when they did not recur for so long, in nanoseconds of packet time; `None`: never.
    pub close_after: Option<Nanos>,
    /// Closed alerts that keep nothing silent are deleted so long after they were closed; `None`: never.
    pub delete_after: Option<Nanos>,
    /// Devices of which nobody said or allowed anything are forgotten, with what was learned of them, when they were not seen
    /// for so long of packet time that was watched; `None`: never.
    pub devices: Option<Nanos>,
    /// Events kept, the newest ones.
    pub events: u64,
}

impl Default for Keep {
    fn default() -> Self {
        let days = Some(90 * 86_400 * SECOND);
        Self { close_after: days, delete_after: days, devices: days, events: 2_000_000 }
    }
}

/// How long to learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Learning {
    /// As the store says: go on learning until the stored end, or stay operational. A fresh store is operational.
    #[default]
    AsStored,
    /// For this span of packet time from the first packet on.
    For(Nanos),
    /// Until this packet time.
    Until(Timestamp),
    /// Not at all.
    Operational,
}

/// When little new comes while learning: no more than so many new baseline entries within the last span of packet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Novelty {
    /// Entries.
    pub entries: u32,
    /// Span.
    pub span: Nanos,
}

impl Default for Novelty {
    fn default() -> Self {
        Self { entries: 5, span: 86_400 * SECOND }
    }
}

/// A zone of the plant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Site it stands in, where that is not the sensor's.
    pub site: Option<String>,
    /// Its networks.
    pub networks: Vec<IpNet>,
    /// Purdue level of devices in it that do not tell their own, 0 to 5.
    pub purdue: Option<u8>,
}

/// What a person knows of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Its address.
    pub ip: IpAddr,
    /// Its name.
    pub name: Option<String>,
    /// Its role.
    pub role: Option<Role>,
    /// Whether it may program controllers.
    pub programming: bool,
    /// Whether it may scan the network.
    pub scanner: bool,
    /// What else is said of it.
    pub more: Vec<(Field, String)>,
}

/// How an alert type differs from the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertSetting {
    /// On or off.
    pub enabled: Option<bool>,
    /// Threshold: how many.
    pub count: Option<u32>,
    /// Threshold: within how many seconds.
    pub seconds: Option<u32>,
    /// Severity.
    pub severity: Option<Severity>,
    /// Which violations fold into one alert.
    pub aggregate_by: Option<Parts>,
}

/// A set of parts of the alert key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts(u8);

impl Parts {
    /// Whether it holds a part.
    pub fn contains(self, part: Part) -> bool {
        self.0 & Self::bit(part) != 0
    }

    /// Whether it is empty: each device that an alert is about has its own.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn bit(part: Part) -> u8 {
        Part::ALL.iter().position(|other| *other == part).map_or(0, |at| 1 << at)
    }
}

impl FromIterator<Part> for Parts {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Self(parts.into_iter().fold(0, |set, part| set | Self::bit(part)))
    }
}

/// Caps of the engine's tables. What is over a cap is evicted or counted, and shows in the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Devices.
    pub devices: usize,
    /// Baseline entries.
    pub entries: usize,
    /// Those of them that were only observed and that nobody allowed.
    pub observed: usize,
    /// Points of process memory.
    pub points: usize,
    /// Versions of program blocks and files.
    pub program_versions: usize,
    /// Bytes kept of all of them together; those of the versions that were not told for longest go.
    pub program_bytes: usize,
    /// Rows of the journal to which work may still be added.
    pub journal: usize,
    /// Alerts in memory: open ones and those that a person learned or muted.
    pub alerts: usize,
    /// Open alerts of one type; what is over it folds into one alert that names the flood.
    pub alerts_of_a_type: usize,
    /// Conversations whose activities the engine remembers.
    pub sessions: usize,
    /// Keys that each sliding window of a detector tracks.
    pub window_keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            devices: 65_536,
            entries: 1_310_720,
            observed: 196_608,
            points: 1_048_576,
            program_versions: 4_096,
            program_bytes: 16 << 20,
            journal: 16_384,
            alerts: 30_000,
            alerts_of_a_type: 2_000,
            sessions: 65_536,
            window_keys: 32_768,
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            sensor_id: "replay".to_owned(),
            sensor_name: "replay".to_owned(),
            site: None,
            zones: Vec::new(),
            ot_networks: Vec::new(),
            devices: Vec::new(),
            maintenance: None,
            continuous: false,
            alerts: BTreeMap::new(),
            learning: Learning::AsStored,
            novelty: None,
            not_learned: Vec::new(),
            new_device: None,
            keep: Keep::default(),
            rules: Arc::default(),
            clock: SiteClock::default(),
            limits: Limits::default(),
        }
    }
}

impl EngineConfig {
    /// Whether an alert type is raised.
    pub fn enabled(&self, kind: &AlertType) -> bool {
        self.alerts.get(kind.id).and_then(|setting| setting.enabled).unwrap_or(kind.default_on)
    }

    /// The threshold of an alert type as configured; `fallback` where the catalogue has none.
    pub fn threshold(&self, kind: &AlertType, fallback: Threshold) -> Threshold {
        let base = kind.threshold.unwrap_or(fallback);
        let setting = self.alerts.get(kind.id).copied().unwrap_or_default();
        Threshold { count: setting.count.unwrap_or(base.count), seconds: setting.seconds.unwrap_or(base.seconds) }
    }

    /// The severity of an alert type as configured.
    pub fn severity(&self, kind: &AlertType) -> Severity {
        self.alerts.get(kind.id).and_then(|setting| setting.severity).unwrap_or(kind.severity)
    }

    /// By what violations of an alert type fold into one alert, as configured.
    pub fn aggregate_by(&self, kind: &AlertType) -> Parts {
        let configured = self.alerts.get(kind.id).and_then(|setting| setting.aggregate_by);
        configured.unwrap_or_else(|| kind.aggregate_by.iter().copied().collect())
    }

    /// What a person knows of the device at an address.
    pub fn known(&self, ip: IpAddr) -> Option<&KnownDevice> {
        self.devices.iter().find(|device| device.ip == ip)
    }

    /// The zone of an address.
    pub fn zone(&self, ip: IpAddr) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.networks.iter().any(|network| network.contains(&ip)))
    }
}
