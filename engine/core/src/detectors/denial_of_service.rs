//! Floods of connection attempts.

use super::Detector;
use super::spread::{Party, is_group, number, of_flow, party, service};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::shared::{Core, SeenFlow};
use crate::table::WindowCount;
use ot_protocol::{FlowKind, Transport};

/// Counts new connection attempts by target.
pub struct DenialOfService {
    attempts: WindowCount<Party>,
    limit: Threshold,
}

impl DenialOfService {
    /// With the configured threshold.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::DENIAL_OF_SERVICE, Threshold { count: 3_000, seconds: 60 });
        Self { attempts: WindowCount::new(limit.seconds, config.limits.window_keys), limit }
    }
}

impl Detector for DenialOfService {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DENIAL_OF_SERVICE];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if event.kind != FlowKind::Attempt
            || !matches!(event.transport, Transport::Tcp | Transport::Udp)
            || is_group(core, &event.server)
        {
            return;
        }
        let now = self.attempts.add(&party(flow.server), event.count, event.time);
        if now < self.limit.count {
            return;
        }
        let first = now.saturating_sub(event.count) < self.limit.count;
        let (from, to) = (core.display(flow.client), core.display(flow.server));
        let text = || Text {
            description: format!(
                "{to} got {now} new connection attempts within {} s, the last from {from} to {}.",
                self.limit.seconds,
                service(event)
            ),
            why: format!(
                "{} or more connection attempts to one target within {} s.",
                self.limit.count, self.limit.seconds
            ),
            object: service(event),
            detail: format!("attempts of {from} at {}", service(event)),
            ..Text::default()
        };
        let frames = [event.frame];
        let row = number((party(flow.client), event.server.port));
        let mut finding = of_flow(catalogue::DENIAL_OF_SERVICE, flow, &frames, &[], row, &text);
        // The one that reaches the threshold stands for all before it.
        finding.count = u64::from(if first { now } else { event.count });
        core.raise(&finding);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("flood-windows-evicted", self.attempts.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn three_thousand_attempts_a_minute_are_a_flood() {
        let mut plant = Plant::operational();
        for n in 0..2_999 {
            plant.attempt(n / 100, 66, 11, 502);
        }
        assert!(plant.alerts_of("denial-of-service").is_empty());
        plant.attempt(30, 67, 11, 502);
        let alerts = plant.alerts_of("denial-of-service");
        assert_eq!((alerts.len(), alerts[0].count), (1, 3_000));
        plant.attempt(30, 66, 11, 502);
        assert_eq!(plant.alerts_of("denial-of-service")[0].source_count, 2);
    }

    #[test]
    fn the_same_over_an_hour_is_not() {
        let mut plant = Plant::operational();
        for n in 0..3_600 {
            plant.attempt(n, 66, 11, 502);
        }
        assert!(plant.alerts_of("denial-of-service").is_empty());
    }
}
