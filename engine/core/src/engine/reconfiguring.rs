//! A configuration that was read anew while the engine runs: what can change does so at once, the rest is told.

use super::Engine;
use crate::catalogue::{self, AlertType};
use crate::config::{AlertSetting, EngineConfig};
use crate::words::number_of;
use std::collections::BTreeSet;

/// Types whose detectors look only where they were on at the start.
const WHERE_ON: [&AlertType; 4] =
    [catalogue::ADDRESS_SCAN, catalogue::ADDRESS_SCAN_SLOW, catalogue::BANDWIDTH, catalogue::BANDWIDTH_PAIR];

/// What became of a configuration that was read anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// What holds from now on, in words.
    pub changed: Vec<String>,
    /// What is other than before and holds only after a restart: keys of the configuration.
    pub restart: Vec<String>,
}

impl Engine {
    /// Takes over what another configuration says of devices, zones, maintenance, alert types, retention and devices that are
    /// found later. All else stays as it is, and is told where it is other.
    ///
    /// The rules of people are exchanged by [`Engine::set_rules`].
    pub fn reconfigure(&mut self, new: &EngineConfig) -> Reconfigured {
        self.settle();
        let mut told = Reconfigured::default();
        self.reconfigure_devices(new, &mut told);
        self.reconfigure_maintenance(new, &mut told);
        self.reconfigure_alerts(new, &mut told);
        let config = &mut self.core.config;
        if config.keep != new.keep {
            config.keep = new.keep;
            told.changed.push("retention".to_owned());
        }
        if config.new_device != new.new_device {
            config.new_device = new.new_device;
            told.changed.push("learning of devices that are found later".to_owned());
        }
        let others = [
            ("ot_subnets", config.ot_networks != new.ot_networks),
            ("[sensor] name", config.sensor_name != new.sensor_name),
            ("[sensor] time_zone", config.clock != new.clock),
            ("[learning]", config.novelty != new.novelty || config.not_learned != new.not_learned),
        ];
        told.restart.extend(others.into_iter().filter(|(_, other)| *other).map(|(key, _)| key.to_owned()));
        told
    }

    fn reconfigure_devices(&mut self, new: &EngineConfig, told: &mut Reconfigured) {
        let config = &mut self.core.config;
        if config.devices == new.devices && config.zones == new.zones && config.site == new.site {
            return;
        }
        config.devices.clone_from(&new.devices);
        config.zones.clone_from(&new.zones);
        config.site.clone_from(&new.site);
        self.core.inventory.reconfigure(&self.core.config);
        told.changed.push(format!(
            "{} and {}",
            number_of(new.devices.len(), "device"),
            number_of(new.zones.len(), "zone")
        ));
    }

    fn reconfigure_maintenance(&mut self, new: &EngineConfig, told: &mut Reconfigured) {
        let config = &mut self.core.config;
        if config.maintenance == new.maintenance {
            return;
        }
        config.maintenance.clone_from(&new.maintenance);
        let plans = new.maintenance.as_deref().unwrap_or_default();
        self.core.maintenance.configure(plans, self.core.state.now.unwrap_or_default());
        told.changed.push(number_of(plans.len(), "maintenance window"));
    }

    fn reconfigure_alerts(&mut self, new: &EngineConfig, told: &mut Reconfigured) {
        let old = &self.core.config.alerts;
        let ids: BTreeSet<&String> = old.keys().chain(new.alerts.keys()).collect();
        let (mut alerts, mut changed) = (old.clone(), Vec::new());
        for id in ids {
            let before = old.get(id).copied().unwrap_or_default();
            let after = new.alerts.get(id).copied().unwrap_or_default();
            // Detectors hold their thresholds, and some begin only where their types are on.
            let begins = WHERE_ON.iter().find(|kind| kind.id == id.as_str());
            let off = begins.is_some_and(|kind| !self.core.config.enabled(kind) && new.enabled(kind));
            let enabled = if off { before.enabled } else { after.enabled };
            let setting = AlertSetting { enabled, count: before.count, seconds: before.seconds, ..after };
            if setting != before {
                changed.push(id.clone());
            }
            if (after.count, after.seconds) != (before.count, before.seconds) {
                told.restart.push(format!("count and seconds of [alerts.{id}]"));
            }
            if off {
                told.restart.push(format!("enabled of [alerts.{id}]"));
            }
            alerts.insert(id.clone(), setting);
        }
        if !changed.is_empty() {
            told.changed.push(format!("alert types {}", changed.join(", ")));
        }
        self.core.config.alerts = alerts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Severity;
    use crate::changes::Snapshot;
    use crate::config::{KnownDevice, Learning, Zone};
    use crate::detectors::testing::{host, write};
    use crate::maintenance::{Plan, Selector};
    use crate::model::Alert;
    use ot_protocol::{Fact, Timestamp, Values};

    fn engine(alerts: &[(&str, AlertSetting)]) -> Engine {
        let alerts = alerts.iter().map(|(id, setting)| ((*id).to_owned(), *setting)).collect();
        let config = EngineConfig { learning: Learning::Operational, alerts, ..EngineConfig::default() };
        Engine::new(config, Snapshot::default())
    }

    /// What comes of a client that switches a coil.
    fn commands(engine: &mut Engine, client: u8) -> Vec<Alert> {
        engine.apply(Fact::Activity(Box::new(write(client, 11, "coils", 3, Values::Bits(vec![true])))));
        let alerts = engine.take_changes().alerts;
        alerts.into_iter().filter(|alert| alert.kind.id == "new-master").collect()
    }

    fn other(engine: &Engine, change: impl FnOnce(&mut EngineConfig)) -> EngineConfig {
        let mut config = engine.core().config.clone();
        change(&mut config);
        config
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        let mut engine = engine(&[]);
        let same = other(&engine, |_| {});
        assert_eq!(engine.reconfigure(&same), Reconfigured::default());
    }

    #[test]
    fn alert_types_are_switched_and_weighed_at_once() {
        let off = AlertSetting { enabled: Some(false), ..AlertSetting::default() };
        let mut engine = engine(&[("new-master", off)]);
        assert!(commands(&mut engine, 66).is_empty());
        let minor = AlertSetting { severity: Some(Severity::Minor), ..AlertSetting::default() };
        let new = other(&engine, |config| config.alerts = [("new-master".to_owned(), minor)].into());
        let told = engine.reconfigure(&new);
        assert_eq!(told, Reconfigured { changed: vec!["alert types new-master".to_owned()], restart: Vec::new() });
        let alerts = commands(&mut engine, 67);
        assert_eq!(alerts.iter().map(|alert| alert.severity).collect::<Vec<_>>(), [Severity::Minor]);
        let new = other(&engine, |config| config.alerts.clear());
        assert_eq!(engine.reconfigure(&new).changed, ["alert types new-master"]);
    }

    #[test]
    fn what_detectors_hold_is_told_to_need_a_restart() {
        let off = AlertSetting { enabled: Some(false), ..AlertSetting::default() };
        let mut engine = engine(&[("address-scan", off)]);
        let count = AlertSetting { count: Some(5), ..AlertSetting::default() };
        let new = other(&engine, |config| {
            config.alerts = [("port-scan".to_owned(), count)].into();
            config.ot_networks = vec!["10.0.0.0/16".parse().unwrap()];
        });
        let told = engine.reconfigure(&new);
        assert_eq!(told.changed, Vec::<String>::new());
        let keys = ["enabled of [alerts.address-scan]", "count and seconds of [alerts.port-scan]", "ot_subnets"];
        assert_eq!(told.restart, keys);
        assert!(!engine.core().config.enabled(catalogue::ADDRESS_SCAN));
        // It is told again as long as it is so.
        assert_eq!(engine.reconfigure(&new).restart, keys);
    }

    #[test]
    fn devices_zones_and_maintenance_hold_for_devices_that_are_known_already() {
        let mut engine = engine(&[]);
        commands(&mut engine, 66);
        let plan = Plan {
            ticket: "CHG-1".to_owned(),
            devices: vec![Selector::parse("10.0.0.11").unwrap()],
            by: Vec::new(),
            kinds: Vec::new(),
            start: Timestamp::new(0, 0),
            end: Timestamp::new(3_600, 0),
            note: String::new(),
        };
        let ip = host(11).ip.unwrap();
        let press = KnownDevice {
            ip,
            name: Some("Press 3".to_owned()),
            role: None,
            programming: false,
            scanner: false,
            more: Vec::new(),
        };
        let cell = Zone {
            name: "Cell 1".to_owned(),
            networks: vec!["10.0.0.0/24".parse().unwrap()],
            site: None,
            purdue: None,
        };
        let new = other(&engine, |config| {
            config.maintenance = Some(vec![plan]);
            config.devices = vec![press];
            config.zones = vec![cell];
        });
        let told = engine.reconfigure(&new);
        assert_eq!(told.changed, ["1 device and 1 zone", "1 maintenance window"]);
        let peer = engine.core().inventory.peer_of_ip(ip);
        let device = engine.core().inventory.get(peer.device.unwrap()).unwrap();
        assert_eq!((device.name.as_deref(), device.zone.as_deref()), (Some("Press 3"), Some("Cell 1")));
        assert!(
            engine.take_changes().devices.iter().any(|device| device.name.as_deref() == Some("Press 3")),
            "not stored"
        );
        let alerts = commands(&mut engine, 67);
        assert!(!alerts.is_empty() && alerts.iter().all(Alert::is_expected), "{alerts:#?}");
        // It is taken out again.
        let new = other(&engine, |config| config.maintenance = Some(Vec::new()));
        assert_eq!(engine.reconfigure(&new).changed, ["0 maintenance windows"]);
        assert!(engine.core().maintenance.is_empty());
    }

    #[test]
    fn how_long_is_kept_changes_at_once() {
        let mut engine = engine(&[]);
        let new = other(&engine, |config| {
            config.keep.events = 5;
            config.new_device = Some(7);
        });
        let told = engine.reconfigure(&new);
        assert_eq!(told.changed, ["retention", "learning of devices that are found later"]);
        assert_eq!((engine.core().config.keep.events, engine.core().config.new_device), (5, Some(7)));
    }
}
