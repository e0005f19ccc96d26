//! HTTP requests as no browser or tool of an engineer sends them.

use super::{Detector, is_allowed_by_person, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::ActivityKey;

/// Address space in which the session tells of unusual heads: `count` is the length, `start` the number of parameters.
const SPACE: &str = "http-header";
/// Parameters (headers and parts of the query) that no device's web server needs.
const PARAMETERS: u32 = 64;

/// Looks at the heads of requests.
pub struct Http {
    limit: Threshold,
}

impl Http {
    /// With the configured length.
    pub fn new(config: &EngineConfig) -> Self {
        Self { limit: config.threshold(catalogue::HTTP_ABNORMAL, Threshold { count: 4096, seconds: 0 }) }
    }
}

impl Detector for Http {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::HTTP_ABNORMAL];
        TYPES
    }

    fn wants_companions(&self) -> bool {
        true
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let target = &activity.target;
        if activity.protocol != "http" || target.space != SPACE {
            return;
        }
        let (length, parameters, odd) = (target.count, target.start, target.name.as_deref());
        let long = length >= self.limit.count;
        let many = parameters >= PARAMETERS;
        if !long && !many && odd.is_none() {
            return;
        }
        let key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: activity.protocol,
            space: SPACE,
            ..EntryKey::new(EntryKind::Operation)
        };
        let Some(met) = core.observe(key, "unusual HTTP request", seen.times, seen.count, seen.frames[0]) else {
            return;
        };
        if is_allowed_by_person(core, met.entry) {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let mut found = Vec::new();
        if long {
            found.push(format!("a header of {length} bytes"));
        }
        if many {
            found.push(format!("{parameters} parameters"));
        }
        found.extend(odd.map(str::to_owned));
        let found = found.join(", ");
        let text = || Text {
            description: format!(
                "{client} sent {server} an HTTP request with {found}; {}.",
                words::outcome(activity.outcome)
            ),
            why: format!(
                "Headers from {} bytes on, {PARAMETERS} or more parameters, and characters that the standard does not allow \
                 (RFC 9110, clause 5.5) are told: they are what overflows the memory of small web servers.",
                self.limit.count
            ),
            function: activity.function.name.to_owned(),
            object: format!("port {}", activity.server.port),
            value: found.clone(),
            detail: format!("{found}; {}", words::outcome(activity.outcome)),
        };
        let entries = [met.entry];
        let id = row(&[
            u64::from(length),
            u64::from(parameters),
            u64::from(odd.is_some()),
            u64::from(ActivityKey::outcome(activity.outcome)),
        ]);
        core.raise(&of_activity(catalogue::HTTP_ABNORMAL, seen, &entries, id, &text));
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, companion};
    use ot_protocol::{Activity, Operation, Outcome, Target};

    fn request(length: u32, parameters: u32, odd: bool) -> Activity {
        let target = Target {
            space: super::SPACE,
            start: parameters,
            count: length,
            name: odd.then(|| "characters that no header may hold".into()),
            ..Target::default()
        };
        Activity { target, ..companion("http", 66, 11, 80, Operation::Unknown, "HTTP request") }
    }

    #[test]
    fn long_and_odd_headers_are_told() {
        let mut plant = Plant::operational();
        plant.act(1, request(4095, 63, false));
        assert!(plant.alerts_of("http-abnormal").is_empty());
        plant.act(2, Activity { outcome: Outcome::Rejected(431, "HTTP error"), ..request(5000, 8, false) });
        plant.act(3, request(600, 70, false));
        plant.act(4, request(300, 3, true));
        let alerts = plant.alerts_of("http-abnormal");
        assert_eq!((alerts.len(), alerts[0].violation_count), (1, 3));
        plant.learn(&alerts[0].id);
        plant.act(5, request(5000, 8, false));
        assert_eq!(plant.alerts_of("http-abnormal")[0].count, 3);
    }

    #[test]
    fn the_limit_is_configured() {
        let mut plant = Plant::operational();
        let found = |plant: &mut Plant| plant.alerts_of("http-abnormal").first().map(|alert| alert.description.clone());
        plant.act(1, request(5000, 8, false));
        assert_eq!(
            found(&mut plant).as_deref(),
            Some("10.0.0.66 sent 10.0.0.11 an HTTP request with a header of 5000 bytes; the device accepted it.")
        );
    }
}
