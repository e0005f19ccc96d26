//! Rules that people of the site wrote: what a message alone cannot tell.
//!
//! A hit comes from where messages are decoded. Here it is decided whether the devices are those that the rule names,
//! whether the time of day fits, and whether it happened often enough.

use super::spread::Capped;
use super::{Detector, row, text_hash};
use crate::alerts::{Finding, Raised, Text};
use crate::catalogue::{self, AlertType, Severity};
use crate::config::{EngineConfig, KnownDevice};
use crate::context::Field;
use crate::model::{Device, DeviceId, Event, Peer};
use crate::shared::Core;
use crate::words;
use ot_protocol::{FrameRef, RuleHit, Timestamp};
use ot_rules::rule::Count;
use ot_rules::{By, Known, Level, Rule, RuleSet};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

/// Hits that wait for the device behind an address to be told by its answer.
const WAITING: usize = 10_000;
/// Times remembered by all windows together.
const TIMES: usize = 500_000;
/// Frames told with a count.
const FRAMES: usize = 20;
/// Matches kept for somebody who asks for them.
const KEPT: usize = 100_000;

/// A rule that was satisfied, as `rules test` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleMatch {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// Packet time.
    pub time: Timestamp,
    /// The frame that satisfied it.
    pub frame: FrameRef,
    /// How many messages it stands for.
    pub count: u32,
    /// Who sent it.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// What the alert says.
    pub description: String,
    /// Why.
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct WindowKey {
    rule: u64,
    source: Option<Who>,
    destination: Option<Who>,
}

type Who = (Option<DeviceId>, Option<IpAddr>);

#[derive(Debug, Default)]
struct Window {
    times: VecDeque<Timestamp>,
    frames: VecDeque<FrameRef>,
}

/// Decides on the hits of rules.
pub struct CustomRules {
    windows: Capped<WindowKey, Window>,
    /// Times in all windows, at most.
    times: usize,
    waiting: Vec<RuleHit>,
    given_up: u64,
    unknown: u64,
}

impl CustomRules {
    /// With bounded tables.
    pub fn new(config: &EngineConfig) -> Self {
        Self { windows: Capped::new(config.limits.window_keys), times: 0, waiting: Vec::new(), given_up: 0, unknown: 0 }
    }

    fn decide(&mut self, core: &mut Core, hit: &RuleHit) {
        let rules = Arc::clone(&core.config.rules);
        // Rules may have been exchanged since the message was looked at.
        let Some(rule) = RuleSet::rule(&rules, &hit.rule) else {
            self.unknown += 1;
            return;
        };
        let source = core.inventory.peer(&hit.source);
        let destination = core.inventory.peer(&hit.destination);
        let is = |peers: &ot_rules::peers::Peers, endpoint, peer| peers.is(endpoint, &Names { core, peer });
        if !is(&rule.source, &hit.source, &source) || !is(&rule.destination, &hit.destination, &destination) {
            return;
        }
        let Some(when) = rule.schedule.holds(&core.config.clock, hit.time) else { return };
        let mut frames = vec![hit.frame];
        let mut count = 1;
        if let Some(wanted) = rule.count {
            match self.counted(rule, wanted, hit, &source, &destination) {
                Some(all) => frames = all,
                None => return,
            }
            count = wanted.at_least;
        }
        tell(core, rule, hit, [&source, &destination], &frames, count, &when);
    }

    /// Counts a hit; the frames of all that were counted, where that makes enough.
    fn counted(
        &mut self,
        rule: &Rule,
        wanted: Count,
        hit: &RuleHit,
        source: &Peer,
        destination: &Peer,
    ) -> Option<Vec<FrameRef>> {
        let who = |peer: &Peer| Some((peer.device, peer.ip.filter(|_| peer.device.is_none())));
        let (by_source, by_destination) = match wanted.by {
            By::Source => (true, false),
            By::Destination => (false, true),
            By::Pair => (true, true),
            By::Rule => (false, false),
        };
        let key = WindowKey {
            rule: rule.number(),
            source: who(source).filter(|_| by_source),
            destination: who(destination).filter(|_| by_destination),
        };
        if self.times >= TIMES {
            self.given_up += 1;
            self.windows.clear();
            self.times = 0;
        }
        if self.windows.get(&key).is_none() {
            self.windows.insert(key.clone(), Window::default());
        }
        let window = self.windows.get_mut(&key)?;
        // Time may run backwards, too.
        let old = |time: &Timestamp| hit.time.since(*time) > wanted.within || hit.time.since(*time) < -wanted.within;
        while window.times.front().is_some_and(old) {
            window.times.pop_front();
            self.times = self.times.saturating_sub(1);
        }
        window.times.push_back(hit.time);
        self.times += 1;
        window.frames.push_back(hit.frame);
        while window.frames.len() > window.times.len().min(FRAMES) {
            window.frames.pop_front();
        }
        if window.times.len() < usize::try_from(wanted.at_least).unwrap_or(usize::MAX) {
            return None;
        }
        let window = self.windows.remove(&key)?;
        self.times = self.times.saturating_sub(window.times.len());
        Some(window.frames.into())
    }
}

impl Detector for CustomRules {
    fn types(&self) -> &'static [&'static AlertType] {
        &[catalogue::CUSTOM_RULE]
    }

    fn rule(&mut self, core: &mut Core, hit: &RuleHit) {
        let server = if hit.from_client { &hit.destination } else { &hit.source };
        // A unit or an outstation is a device once it has answered, mostly within the second.
        if core.inventory.is_settled(server) || self.waiting.len() >= WAITING {
            self.decide(core, hit);
        } else {
            self.waiting.push(hit.clone());
        }
    }

    fn epoch(&mut self, core: &mut Core, _now: Timestamp) {
        for hit in std::mem::take(&mut self.waiting) {
            self.decide(core, &hit);
        }
    }

    fn finish(&mut self, core: &mut Core) {
        self.epoch(core, Timestamp::default());
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("rule-windows-evicted", self.windows.evicted + self.given_up), ("rule-hits-without-rule", self.unknown)]
    }
}

fn tell(
    core: &mut Core,
    rule: &Rule,
    hit: &RuleHit,
    [source, destination]: [&Peer; 2],
    frames: &[FrameRef],
    count: u32,
    when: &str,
) {
    let (from, to) = (core.display(source), core.display(destination));
    let (client, server) = if hit.from_client { (source, destination) } else { (destination, source) };
    let value = |name: &str| match name {
        "source" => Some(from.clone()),
        "destination" => Some(to.clone()),
        "client" => Some(core.display(client)),
        "server" => Some(core.display(server)),
        "count" => Some(count.to_string()),
        "time" => Some(words::time(hit.time)),
        _ => hit.values.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone()),
    };
    let mut message = rule.message.fill(value);
    if message.is_empty() {
        message = format!("{from} to {to}");
        // Bytes are told as the reason.
        if !hit.because.is_empty() && hit.protocol.is_some() {
            let _ = write!(message, ": {}", hit.because);
        }
    }
    let mut description = format!("{}: {message}", rule.title);
    if !description.ends_with('.') {
        description.push('.');
    }
    let mut why = format!("Rule {} ({} line {})", rule.id, rule.file, rule.line);
    let times = rule.count.map(|wanted| {
        let by = match wanted.by {
            By::Source => " from one sender",
            By::Destination => " to one receiver",
            By::Pair => " between the two",
            By::Rule => "",
        };
        format!("{count} messages within {}{by}", words::span(wanted.within))
    });
    let reasons: Vec<&str> = [hit.because.as_str(), when, times.as_deref().unwrap_or_default()]
        .into_iter()
        .filter(|reason| !reason.is_empty())
        .collect();
    if !reasons.is_empty() {
        let _ = write!(why, ": {}", reasons.join("; "));
    }
    why.push('.');
    let values: Vec<String> = hit.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if let Some(kept) = &mut core.rule_matches
        && kept.len() < KEPT
    {
        kept.push(RuleMatch {
            rule: Arc::clone(&rule.id),
            time: hit.time,
            frame: hit.frame,
            count,
            source: from.clone(),
            destination: to.clone(),
            description: description.clone(),
            why: why.clone(),
        });
    }
    if rule.event {
        core.event(Event {
            number: 0,
            time: hit.time,
            kind: "custom-rule",
            source: source.device,
            destination: destination.device,
            protocol: hit.protocol,
            text: format!("{description} {why}"),
            frame: hit.frame,
            alert: None,
        });
        return;
    }
    let finding = Finding {
        kind: catalogue::CUSTOM_RULE,
        client: Some(client.clone()),
        server: Some(server.clone()),
        table: None,
        point: Some(rule.number()),
        times: [hit.time; 2],
        frames,
        count: u64::from(count),
        protocol: hit.protocol,
        operation: hit.operation,
        outcome: hit.outcome,
        entries: &[],
        row: row(&[rule.number(), text_hash(&hit.because)]),
        text: &|| Text {
            description: description.clone(),
            why: why.clone(),
            function: hit.operation.map(|operation| operation.as_str().to_owned()).unwrap_or_default(),
            object: rule.id.to_string(),
            value: values.join(", "),
            detail: if hit.because.is_empty() { rule.title.clone() } else { hit.because.clone() },
        },
    };
    if let Raised::Opened(number) | Raised::Updated(number) = core.raise(&finding) {
        core.rate(number, severity(rule.level), &rule.techniques);
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Warning => Severity::Warning,
        Level::Minor => Severity::Minor,
        Level::Major => Severity::Major,
        Level::Critical => Severity::Critical,
    }
}

/// A device as the inventory and the configuration know it; what it does not tell, the device it is reached through does.
struct Names<'a> {
    core: &'a Core,
    peer: &'a Peer,
}

impl Names<'_> {
    fn any(&self, test: impl Fn(&Device) -> bool) -> bool {
        let device = self.peer.device.and_then(|id| self.core.inventory.get(id));
        let parent = device.and_then(|device| device.parent).and_then(|id| self.core.inventory.get(id));
        device.into_iter().chain(parent).any(test)
    }

    fn configured(&self) -> Option<&KnownDevice> {
        self.peer.ip.and_then(|ip| self.core.config.known(ip))
    }
}

impl Known for Names<'_> {
    fn is_named(&self, name: &str) -> bool {
        let same = |own: &str| own.to_lowercase() == name;
        self.any(|device| device.name.as_deref().is_some_and(same))
            || self.configured().is_some_and(|known| known.name.as_deref().is_some_and(same))
    }

    fn is_tagged(&self, tag: &str) -> bool {
        let said = |own: &str| own.to_lowercase() == tag;
        self.any(|device| device.context.tags().any(said))
            || self
                .configured()
                .is_some_and(|known| known.more.iter().any(|(field, own)| *field == Field::Tag && said(own)))
    }

    fn is_in_zone(&self, zone: &str) -> bool {
        let same = |own: &str| own.to_lowercase() == zone;
        self.any(|device| device.zone.as_deref().is_some_and(same))
            || self.peer.ip.and_then(|ip| self.core.config.zone(ip)).is_some_and(|zone| same(&zone.name))
    }

    fn has_role(&self, role: &str) -> bool {
        self.any(|device| device.role.as_str() == role)
            || self.configured().and_then(|known| known.role).is_some_and(|own| own.as_str() == role)
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::Severity;
    use crate::config;
    use crate::detectors::testing::Plant;
    use crate::model::Role;
    use ot_protocol::{FieldDoc, FieldKind};
    use ot_rules::{RuleSet, SiteClock, Vocabulary};
    use std::sync::Arc;

    const FIELDS: &[FieldDoc] = &[FieldDoc { name: "modbus.write.value", kind: FieldKind::Number, meaning: "" }];

    /// A plant with a rule on written values.
    fn plant(more: &str) -> Plant {
        let vocabulary = Vocabulary::new(&[("modbus", FIELDS)], vec!["T0836", "T0855"], Vec::new());
        let text = format!("[[rule]]\nid = 'limit'\nwhen = 'modbus.write.value > 4000'\n{more}");
        let rules = RuleSet::parse(&[("rules.toml".to_owned(), text)], &vocabulary).unwrap();
        let mut plant = Plant::operational();
        plant.engine.set_rules(Arc::new(rules));
        plant.poll(1, 10, 20);
        plant
    }

    #[test]
    fn a_hit_becomes_an_alert_with_the_severity_of_the_rule() {
        let mut plant = plant(
            "title = 'Too high'\nseverity = 'critical'\ntechniques = ['T0836']\n\
             message = '{source} writes {modbus.write.value}'",
        );
        plant.rule(5, "limit", 10, 20, "modbus.write.value 4711 > 4000");
        plant.rule(6, "limit", 10, 20, "modbus.write.value 4711 > 4000");
        plant.rule(7, "limit", 11, 20, "modbus.write.value 4711 > 4000");
        plant.rule(8, "of a file that was exchanged", 11, 20, "");
        let alerts = plant.alerts_of("custom-rule");
        assert_eq!(alerts.len(), 2, "one for each pair");
        let alert = &alerts[0];
        assert_eq!((alert.count, alert.severity, alert.protocol), (2, Severity::Critical, Some("modbus")));
        assert_eq!(alert.techniques, ["T0836"]);
        assert_eq!(alert.description, "Too high: 10.0.0.10 writes 4711.");
        assert_eq!(alert.why, "Rule limit (rules.toml line 1): modbus.write.value 4711 > 4000.");
    }

    #[test]
    fn names_zones_and_roles_come_from_the_inventory() {
        for (more, wanted) in [
            ("source = 'device:ews-1'", 1),
            ("source = '!device:EWS-1'", 0),
            ("source = 'device:HMI-1'", 0),
            ("source = 'zone:cell 1'", 1),
            ("destination = '!zone:Cell 1'", 1),
            ("source = 'role:engineering-station'", 1),
            ("source = 'tag:press'", 1),
            ("source = 'tag:pump'", 0),
            ("source = ['role:hmi', '!device:EWS-1']", 0),
            ("source = ['role:hmi', '10.0.0.10']", 1),
        ] {
            let mut plant = plant(more);
            let config = plant.engine.config_for_tests();
            config.devices.push(config::KnownDevice {
                ip: "10.0.0.10".parse().unwrap(),
                name: Some("EWS-1".to_owned()),
                role: Some(Role::EngineeringStation),
                programming: false,
                scanner: false,
                more: vec![(crate::context::Field::Tag, "Press".to_owned())],
            });
            config.zones.push(config::Zone {
                name: "Cell 1".to_owned(),
                site: None,
                networks: vec!["10.0.0.0/28".parse().unwrap()],
                purdue: None,
            });
            plant.rule(5, "limit", 10, 20, "");
            assert_eq!(plant.alerts_of("custom-rule").len(), wanted, "{more}");
        }
    }

    #[test]
    fn times_of_day_are_those_of_the_site() {
        // 1970-01-01 was a Thursday; the second 3600 is one o'clock in UTC, two in Berlin (1970: UTC+1).
        for (more, zone, wanted) in [
            ("during = 'thu 01:00-02:00'", "UTC", 1),
            ("during = 'thu 02:00-03:00'", "UTC", 0),
            ("during = 'thu 02:00-03:00'", "Europe/Berlin", 1),
            ("outside = 'mon-fri 06:00-22:00'", "UTC", 1),
            ("outside = 'thu'", "UTC", 0),
        ] {
            let mut plant = plant(more);
            plant.engine.config_for_tests().clock = SiteClock::parse(zone).unwrap();
            plant.rule(3_600, "limit", 10, 20, "");
            assert_eq!(plant.alerts_of("custom-rule").len(), wanted, "{more} {zone}");
        }
    }

    #[test]
    fn counts_within_a_window() {
        let hits = |plant: &mut Plant, seconds: &[i64], client: u8| {
            for second in seconds {
                plant.rule(*second, "limit", client, 20, "");
            }
            plant.alerts_of("custom-rule").iter().map(|alert| alert.count).sum::<u64>()
        };
        let rule = "count = { at_least = 3, within = '10s', by = 'source' }";
        assert_eq!(hits(&mut plant(rule), &[10, 20, 31, 42], 10), 0);
        assert_eq!(hits(&mut plant(rule), &[10, 15, 20], 10), 3);
        // Counting begins anew.
        assert_eq!(hits(&mut plant(rule), &[10, 11, 12, 13, 14], 10), 3);
        assert_eq!(hits(&mut plant(rule), &[10, 11, 12, 13, 14, 15], 10), 6);
        let mut two = plant(rule);
        hits(&mut two, &[10, 11], 10);
        assert_eq!(hits(&mut two, &[12, 13], 11), 0, "each sender for itself");
        let mut all = plant("count = { at_least = 4, within = '1m', by = 'rule' }");
        hits(&mut all, &[10, 11], 10);
        assert_eq!(hits(&mut all, &[12, 13], 11), 4);
    }

    #[test]
    fn an_event_is_no_alert() {
        let mut plant = plant("as = 'event'");
        plant.engine.take_changes();
        plant.rule(5, "limit", 10, 20, "modbus.write.value 4711 > 4000");
        let changes = plant.engine.take_changes();
        let event = changes.events.iter().find(|event| event.kind == "custom-rule").unwrap();
        assert!(event.text.contains("4711 > 4000") && event.alert.is_none(), "{}", event.text);
        assert!(changes.alerts.is_empty());
    }

    #[test]
    fn the_device_behind_an_address_is_waited_for() {
        let mut plant = plant("");
        plant.engine.keep_rule_matches();
        // Nothing was seen of host 21 yet: its answer comes later in the second.
        plant.rule(5, "limit", 10, 21, "");
        assert!(plant.engine.take_rule_matches().is_empty());
        plant.end_of_second(6);
        assert_eq!(plant.engine.take_rule_matches().len(), 1);
    }
}
