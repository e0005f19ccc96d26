//! Contact with addresses and domains on the imported indicator lists.

use super::spread::{BySession, of_flow, service};
use super::{Detector, text_hash};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::indicators::Indicator;
use crate::model::Peer;
use crate::shared::{Core, SeenFlow};
use crate::words;
use ot_protocol::{FlowKind, NameUse, Transport};

/// Asks the indicators of each contact, and of each name that is used.
pub struct MaliciousAddress {
    /// Conversations that were told as connected.
    connected: BySession<()>,
}

impl MaliciousAddress {
    /// With a table as configured.
    pub fn new(config: &EngineConfig) -> Self {
        Self { connected: BySession::new(config.limits.window_keys) }
    }
}

/// `list abuse, entry 198.51.100.0/24 (botnet), until 2026-03-01T00:00:00Z`.
fn listed(indicator: &Indicator) -> String {
    let mut text = format!("list {}, entry {}", indicator.list, indicator.value);
    if !indicator.note.is_empty() {
        text.push_str(&format!(" ({})", indicator.note));
    }
    if let Some(end) = indicator.expires {
        text.push_str(&format!(", until {}", words::time(end)));
    }
    text
}

impl Detector for MaliciousAddress {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::MALICIOUS_ADDRESS];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        if core.indicators.is_empty() {
            return;
        }
        let event = flow.event;
        let answered = match event.kind {
            FlowKind::Attempt => false,
            FlowKind::Open | FlowKind::OneSided => true,
            // The list may be newer than the conversation.
            FlowKind::Update if event.packets[0] > 0 && event.packets[1] > 0 => true,
            _ => return,
        };
        // What comes back by ICMP is mostly an answer: nobody there, not allowed.
        let unasked = |ip: Option<std::net::IpAddr>| ip.filter(|_| event.transport != Transport::Icmp);
        if answered && self.connected.get(&event.session).is_some() {
            return;
        }
        let of = |ip: Option<std::net::IpAddr>| ip.and_then(|ip| core.indicators.address(ip, event.time));
        let (found, outward) = match (of(event.server.ip), of(unasked(event.client.ip))) {
            (Some(found), _) => (found.clone(), true),
            (None, Some(found)) => (found.clone(), false),
            (None, None) => return,
        };
        if answered {
            self.connected.insert(event.session, ());
        }
        let (near, far) = if outward { (flow.client, flow.server) } else { (flow.server, flow.client) };
        let (near, what) = (core.display(near), service(event));
        let far = far.ip.map_or_else(|| core.display(far), |ip| ip.to_string());
        let listed = listed(&found);
        let text = || Text {
            description: match (outward, answered) {
                (true, false) => {
                    format!("{near} tried to contact {far}, which is on a list of malicious addresses ({what}).")
                }
                (true, true) => {
                    format!("{near} is connected with {far}, which is on a list of malicious addresses ({what}).")
                }
                (false, false) => {
                    format!("{far}, which is on a list of malicious addresses, tried to contact {near} ({what}).")
                }
                (false, true) => {
                    format!("{far}, which is on a list of malicious addresses, is connected with {near} ({what}).")
                }
            },
            why: format!("Indicator: {listed}."),
            object: format!("{far} {what}"),
            value: found.value.to_string(),
            detail: format!("{what}, {}; {listed}", if answered { "connected" } else { "attempted" }),
            ..Text::default()
        };
        let frames = [event.frame];
        let row = text_hash(&format!("{} {} {answered} {what}", found.list, found.value));
        let finding = of_flow(catalogue::MALICIOUS_ADDRESS, flow, &frames, &[], row, &text);
        core.raise(&finding);
    }

    fn name(&mut self, core: &mut Core, used: &NameUse, client: &Peer, server: &Peer) {
        let Some(found) = core.indicators.domain(&used.name, used.time).cloned() else { return };
        let (from, to) = (core.display(client), core.display(server));
        let asked = used.via == "DNS query";
        let listed = listed(&found);
        let text = || Text {
            description: if asked {
                format!("{from} asked {to} for the address of {}, which is on a list of malicious domains.", used.name)
            } else {
                format!(
                    "{from} contacted {}, which is on a list of malicious domains, at {to} ({}).",
                    used.name, used.via
                )
            },
            why: format!("Indicator: {listed}."),
            object: used.name.clone(),
            value: found.value.to_string(),
            detail: format!(
                "{} by {}, {}; {listed}",
                used.name,
                used.via,
                if asked { "attempted" } else { "connected" }
            ),
            ..Text::default()
        };
        let frames = [used.frame];
        core.raise(&Finding {
            kind: catalogue::MALICIOUS_ADDRESS,
            client: Some(client.clone()),
            // The name server is only asked; whoever has the name is not known yet.
            server: (!asked).then(|| server.clone()),
            table: None,
            point: None,
            times: [used.time; 2],
            frames: &frames,
            count: 1,
            protocol: None,
            operation: None,
            outcome: None,
            entries: &[],
            row: text_hash(&format!("{} {}", used.name, used.via)),
            text: &text,
        });
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("malicious-sessions-evicted", self.connected.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, host};
    use crate::indicators::{Indicator, Indicators, Value};
    use ot_protocol::{Endpoint, Fact, FlowKind, FrameRef, NameUse, SessionId, Timestamp};

    fn plant() -> Plant {
        let mut plant = Plant::operational();
        let entry = |value, expires| Indicator { list: "abuse".to_owned(), value, note: "botnet".to_owned(), expires };
        plant.indicators(Indicators::new(vec![
            entry(Value::Network("93.184.0.0/16".parse().unwrap()), Some(Timestamp::new(100, 0))),
            entry(Value::Domain("evil.example".into()), None),
        ]));
        plant
    }

    fn name(second: i64, name: &str, via: &'static str) -> Fact {
        Fact::Name(Box::new(NameUse {
            session: SessionId(9),
            time: Timestamp::new(second, 0),
            frame: FrameRef::new(0_u32, 9),
            client: Endpoint { port: 40_000, ..host(20) },
            server: Endpoint { port: 53, ..host(1) },
            name: name.to_owned(),
            via,
        }))
    }

    #[test]
    fn an_attempt_and_a_connection_are_told_with_list_and_entry() {
        let mut plant = plant();
        plant.flow_to(1, FlowKind::Attempt, 20, "93.184.7.7", 443, 1);
        let alerts = plant.alerts_of("malicious-address");
        assert_eq!(alerts.len(), 1);
        assert!(
            alerts[0].description.starts_with("10.0.0.20 tried to contact 93.184.7.7"),
            "{}",
            alerts[0].description
        );
        assert!(alerts[0].why.contains("list abuse, entry 93.184.0.0/16 (botnet), until"), "{}", alerts[0].why);
        plant.flow_to(2, FlowKind::Open, 20, "93.184.7.7", 443, 1);
        plant.flow_to(60, FlowKind::Update, 20, "93.184.7.7", 443, 1);
        let alerts = plant.alerts_of("malicious-address");
        assert_eq!((alerts.len(), alerts[0].count, alerts[0].violation_count), (1, 2, 2));
    }

    #[test]
    fn other_and_expired_addresses_are_not_told() {
        let mut plant = plant();
        plant.flow_to(1, FlowKind::Attempt, 20, "93.185.7.7", 443, 1);
        plant.flow_to(100, FlowKind::Attempt, 20, "93.184.7.7", 443, 2);
        plant.fact(name(5, "notevil.example", "DNS query"));
        assert!(plant.alerts_of("malicious-address").is_empty());
    }

    #[test]
    fn a_listed_domain_is_told_with_those_below_it() {
        let mut plant = plant();
        plant.fact(name(1, "c2.evil.example", "DNS query"));
        plant.fact(name(2, "evil.example", "TLS SNI"));
        let alerts = plant.alerts_of("malicious-address");
        assert_eq!((alerts.len(), alerts[0].count), (1, 2));
        assert!(
            alerts[0].description.contains("asked 10.0.0.1 for the address of c2.evil.example"),
            "{}",
            alerts[0].description
        );
    }
}
