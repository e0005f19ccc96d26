//! Floods of ICMP messages.

use super::Detector;
use super::spread::{Party, number, of_flow, party};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::shared::{Core, SeenFlow};
use crate::table::WindowCount;
use ot_protocol::Transport;

/// Counts ICMP messages by the device that began to send them. Answers do not count: who answers a flood makes none.
pub struct IcmpFlood {
    messages: WindowCount<Party>,
    limit: Threshold,
}

impl IcmpFlood {
    /// With the configured threshold.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::ICMP_FLOOD, Threshold { count: 60, seconds: 60 });
        Self { messages: WindowCount::new(limit.seconds, config.limits.window_keys), limit }
    }
}

impl Detector for IcmpFlood {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::ICMP_FLOOD];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        let sent = u32::try_from(event.packets[0]).unwrap_or(u32::MAX);
        if event.transport != Transport::Icmp || sent == 0 {
            return;
        }
        let now = self.messages.add(&party(flow.client), sent, event.time);
        // Messages of a minute may be told together with its end: one a second is none too many.
        if now <= self.limit.count {
            return;
        }
        let first = now.saturating_sub(sent) <= self.limit.count;
        let (from, to) = (core.display(flow.client), core.display(flow.server));
        let text = || Text {
            description: format!(
                "{from} sent {now} ICMP messages (ping and the like) within {} s, the last to {to}.",
                self.limit.seconds
            ),
            why: format!("More than {} ICMP messages of one device within {} s.", self.limit.count, self.limit.seconds),
            object: to.clone(),
            detail: format!("ICMP messages to {to}"),
            ..Text::default()
        };
        let frames = [event.frame];
        let mut finding = of_flow(catalogue::ICMP_FLOOD, flow, &frames, &[], number(party(flow.server)), &text);
        // The event that passes the threshold stands for all before it.
        finding.count = u64::from(if first { now } else { sent });
        core.raise(&finding);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("icmp-windows-evicted", self.messages.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, host};
    use ot_protocol::{FlowKind, Transport};

    fn ping(plant: &mut Plant, second: i64, from: u8, to: u8, sent: u64) {
        plant.traffic(second, FlowKind::Update, Transport::Icmp, [host(from), host(to)], 7, [[sent, sent * 84]; 2]);
    }

    #[test]
    fn many_pings_in_a_minute_are_a_flood_of_who_asks() {
        let mut plant = Plant::operational();
        ping(&mut plant, 1, 66, 11, 40);
        assert!(plant.alerts_of("icmp-flood").is_empty());
        ping(&mut plant, 20, 66, 12, 30);
        let alerts = plant.alerts_of("icmp-flood");
        assert_eq!((alerts.len(), alerts[0].count), (1, 70));
        assert!(alerts[0].description.starts_with("10.0.0.66 sent 70"), "{}", alerts[0].description);
    }

    #[test]
    fn a_ping_a_second_and_the_answers_are_not() {
        let mut plant = Plant::operational();
        for minute in 1..10 {
            ping(&mut plant, minute * 60, 66, 11, 60);
        }
        assert!(plant.alerts_of("icmp-flood").is_empty());
    }
}
