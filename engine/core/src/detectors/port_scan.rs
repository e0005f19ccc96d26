//! Devices that try the ports of a server.

use super::Detector;
use super::connection;
use super::spread::{Fate, Party, Spread, Trace, is_group, is_scanner, number, party, unjudged};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::shared::{Core, SeenFlow};
use ot_protocol::{FlowKind, Transport};

/// Counts the ports that each device tries of each server.
pub struct PortScan {
    ports: Spread<(Party, Party), (Transport, u16)>,
}

impl PortScan {
    /// With the configured threshold.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::PORT_SCAN, Threshold { count: 25, seconds: 120 });
        Self { ports: Spread::new(limit, config.limits.window_keys) }
    }
}

impl Detector for PortScan {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::PORT_SCAN];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if !matches!(event.transport, Transport::Tcp | Transport::Udp)
            || !matches!(event.kind, FlowKind::Attempt | FlowKind::Refused | FlowKind::Open)
        {
            return;
        }
        // A datagram from a service to a client's port is an answer whose request was not seen.
        if event.transport == Transport::Udp && event.client.port < 1_024 && event.client.port < event.server.port {
            return;
        }
        let allowed = flow
            .client
            .device
            .zip(flow.server.device)
            .and_then(|(client, server)| connection::key(event, client, server))
            .is_some_and(|key| core.allowing(&key).is_some());
        let key = (party(flow.client), party(flow.server));
        let port = (event.transport, event.server.port);
        let fate = match event.kind {
            FlowKind::Open if allowed || unjudged(core, event.time) => {
                self.ports.drop_value(&key, &port);
                return;
            }
            FlowKind::Open => {
                self.ports.settle(&key, &port, Fate::Answered);
                return;
            }
            FlowKind::Refused => Fate::Refused,
            _ => Fate::Unanswered,
        };
        if allowed || is_scanner(core, event.client.ip) || is_group(core, &event.server) {
            return;
        }
        let news = self.ports.add(&key, Trace::new(port, event.server.port, event.time, event.frame, fate));
        if news.is_empty() {
            return;
        }
        let (from, to) = (core.display(flow.client), core.display(flow.server));
        let held = self.ports.traces(&key).count();
        let limit = self.ports.limit;
        for trace in news {
            let text = || {
                let mut some: Vec<u16> = self.ports.traces(&key).map(|trace| trace.port).collect();
                some.sort_unstable();
                some.dedup();
                some.truncate(8);
                let some: Vec<String> = some.iter().map(u16::to_string).collect();
                let what = trace.value.0.name().to_uppercase();
                Text {
                    description: format!(
                        "{from} tried {held} ports of {to} within {} s ({what} {} …); {}.",
                        limit.seconds,
                        some.join(", "),
                        self.ports.fates(&key)
                    ),
                    why: format!(
                        "{} or more different ports of one server within {} s, connections of the baseline not counted, \
                         by a device that is not flagged as scanner.",
                        limit.count, limit.seconds
                    ),
                    object: format!("{what} port {}", trace.port),
                    detail: format!("{from} tried {what} port {} of {to}", trace.port),
                    ..Text::default()
                }
            };
            core.raise(&Finding {
                kind: catalogue::PORT_SCAN,
                client: Some(flow.client.clone()),
                server: Some(flow.server.clone()),
                table: None,
                point: None,
                times: [trace.time; 2],
                frames: &[trace.frame],
                count: 1,
                protocol: None,
                operation: None,
                outcome: None,
                entries: &[],
                row: number((key, trace.value)),
                text: &text,
            });
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("port-scan-windows-evicted", self.ports.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn many_ports_of_one_server_are_a_scan() {
        let mut plant = Plant::operational();
        for port in 1..=24 {
            plant.attempt(1, 66, 11, port);
        }
        assert!(plant.alerts_of("port-scan").is_empty());
        plant.attempt(2, 66, 11, 502);
        let alerts = plant.alerts_of("port-scan");
        assert_eq!((alerts.len(), alerts[0].count), (1, 25));
    }

    #[test]
    fn one_port_again_and_again_is_not() {
        let mut plant = Plant::operational();
        for _ in 0..100 {
            plant.attempt(1, 66, 11, 502);
        }
        assert!(plant.alerts_of("port-scan").is_empty());
    }
}
