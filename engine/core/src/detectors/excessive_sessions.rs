//! Very many TCP sessions of one client with one server.

use super::Detector;
use super::spread::{Party, number, of_flow, party, service};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::shared::{Core, SeenFlow};
use crate::table::WindowCount;
use ot_protocol::{FlowKind, Transport};

/// Counts sessions that a server accepted, by pair.
pub struct ExcessiveSessions {
    sessions: WindowCount<(Party, Party)>,
    limit: Threshold,
}

impl ExcessiveSessions {
    /// With the configured threshold.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::EXCESSIVE_SESSIONS, Threshold { count: 50, seconds: 60 });
        Self { sessions: WindowCount::new(limit.seconds, config.limits.window_keys), limit }
    }
}

impl Detector for ExcessiveSessions {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::EXCESSIVE_SESSIONS];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        // A session that was open before the capture began was not opened now.
        if event.kind != FlowKind::Open || event.transport != Transport::Tcp || !event.roles_certain {
            return;
        }
        let pair = (party(flow.client), party(flow.server));
        let now = self.sessions.add(&pair, 1, event.time);
        if now < self.limit.count {
            return;
        }
        let first = now == self.limit.count;
        let (from, to, what) = (core.display(flow.client), core.display(flow.server), service(event));
        let text = || Text {
            description: format!(
                "{from} opened {now} sessions with {to} within {} s, the last one with {what}; the server accepted them.",
                self.limit.seconds
            ),
            why: format!(
                "{} or more sessions of one client with one server within {} s.",
                self.limit.count, self.limit.seconds
            ),
            object: what.clone(),
            detail: format!("sessions with {what}"),
            ..Text::default()
        };
        let frames = [event.frame];
        let row = number(event.server.port);
        let mut finding = of_flow(catalogue::EXCESSIVE_SESSIONS, flow, &frames, &[], row, &text);
        // The one that reaches the threshold stands for all before it.
        finding.count = if first { u64::from(now) } else { 1 };
        core.raise(&finding);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("session-windows-evicted", self.sessions.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn fifty_sessions_in_a_minute_are_too_many() {
        let mut plant = Plant::operational();
        for n in 0..49 {
            plant.open(n, 66, 11, 502);
        }
        plant.open(20, 67, 11, 502);
        assert!(plant.alerts_of("excessive-sessions").is_empty());
        plant.open(50, 66, 11, 502);
        let alerts = plant.alerts_of("excessive-sessions");
        assert_eq!((alerts.len(), alerts[0].count), (1, 50));
        assert!(alerts[0].description.contains("TCP port 502"), "{}", alerts[0].description);
    }

    #[test]
    fn a_session_every_two_seconds_is_not_and_attempts_are_not() {
        let mut plant = Plant::operational();
        for n in 0..200 {
            plant.open(n * 2, 66, 11, 502);
            plant.attempt(n * 2, 66, 12, 502);
        }
        for _ in 0..100 {
            plant.attempt(500, 66, 12, 502);
        }
        assert!(plant.alerts_of("excessive-sessions").is_empty());
    }
}
