//! Connections that the baseline does not hold.

use super::spread::{fate, is_group, number, of_flow, service};
use super::{Detector, internet};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{DeviceId, EntryKey, EntryKind};
use crate::shared::{Core, SeenFlow};
use crate::words;
use ot_protocol::{FlowEvent, FlowKind, Transport};

/// First port of the dynamic range (RFC 6335, clause 6): a server's port there changes from use to use.
const DYNAMIC: u16 = 49_152;
/// Connections named in the reason.
const NAMED: usize = 5;

/// Learns who connects to what of whom.
pub struct Connections;

/// The entry for a connection. `None` where it is not one between two ports or addresses.
///
/// With a confirmed protocol the entry is about that protocol and its port. Otherwise it is about transport and port,
/// all ports of the dynamic range being one.
pub(super) fn key(event: &FlowEvent, client: DeviceId, server: DeviceId) -> Option<EntryKey> {
    let transport = match event.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Ip(_) => "ip",
        Transport::Icmp | Transport::Ethernet(_) => return None,
    };
    // Who asks is a guess: of two free ports the lower one is the more likely to be the server's.
    let sure = event.roles_certain || event.service.is_some();
    let port =
        if sure || event.client.port == 0 { event.server.port } else { event.server.port.min(event.client.port) };
    let (client, server) = if port == event.server.port { (client, server) } else { (server, client) };
    let number = match event.transport {
        Transport::Ip(number) => Some(u32::from(number)),
        _ => None,
    };
    Some(EntryKey {
        client: Some(client),
        server: Some(server),
        protocol: event.service.unwrap_or(transport),
        port: (number.is_none() && (port < DYNAMIC || event.service.is_some())).then_some(port),
        number,
        ..EntryKey::new(EntryKind::Connection)
    })
}

impl Detector for Connections {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::CONNECTION_NOT_LEARNED];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if !matches!(event.kind, FlowKind::Open | FlowKind::Identified | FlowKind::OneSided)
            || is_group(core, &event.server)
            || is_group(core, &event.client)
        {
            return;
        }
        let (Some(client), Some(server)) = (flow.client.device, flow.server.device) else { return };
        let Some(key) = key(event, client, server) else { return };
        let reversed = key.client != Some(client);
        let (row, port) = (number(&key), key.port);
        let pair = (key.client, key.server);
        // The same port may have been learned under the protocol that is spoken there, and the other way round.
        let known = core.allowing(&key).is_some();
        let Some(met) = core.observe(key, "", [event.time; 2], 1, event.frame) else { return };
        if met.allowed || known {
            return;
        }
        // One alert for each device that reaches the internet says more than one for each address there.
        if [flow.client, flow.server].into_iter().any(|peer| internet::is_told(core, peer)) {
            return;
        }
        let (from, to) = if reversed { (flow.server, flow.client) } else { (flow.client, flow.server) };
        let (client, server) = (core.display(from), core.display(to));
        let held = held(core, pair);
        let what = match port {
            Some(port) if reversed => format!("{} port {port}", event.transport.name().to_uppercase()),
            _ => service(event),
        };
        let text = || Text {
            description: match event.kind {
                FlowKind::Identified => format!("{client} talks {what} to {server}, which it never did before."),
                // In mid-stream the lower port is taken for the server's.
                _ if event.transport == Transport::Tcp && !event.roles_certain && event.service.is_none() => format!(
                    "{client} is connected with {what} of {server}, which it never was before; who opened the connection \
                     was not seen."
                ),
                _ => format!(
                    "{client} connected to {what} of {server}, which it never did before; {}.",
                    fate(&event.kind)
                ),
            },
            why: if held.is_empty() {
                format!("The baseline holds no connection of {client} to {server}.")
            } else {
                format!("The baseline allows {client} to {server} only: {held}.")
            },
            function: String::new(),
            object: what.clone(),
            value: String::new(),
            detail: format!("{what} is not in the baseline for the two; {}", fate(&event.kind)),
        };
        let frames = [event.frame];
        let entries = [met.entry];
        let mut finding = of_flow(catalogue::CONNECTION_NOT_LEARNED, flow, &frames, &entries, row, &text);
        if reversed {
            std::mem::swap(&mut finding.client, &mut finding.server);
        }
        core.raise(&finding);
    }
}

/// `Modbus port 502 (baseline entry 7, learned 2024-05-01T12:00:00Z, seen 40 times, last …)`.
fn held(core: &Core, (client, server): (Option<DeviceId>, Option<DeviceId>)) -> String {
    let (Some(client), Some(server)) = (client, server) else { return String::new() };
    let mut list = Vec::new();
    let mut more = 0_usize;
    for entry in core.baseline.between(client, server) {
        let key = &entry.key;
        if !(entry.allowed && key.kind == EntryKind::Connection) {
            continue;
        }
        if list.len() == NAMED {
            more += 1;
            continue;
        }
        let port = key.port.map(|port| format!(" port {port}")).unwrap_or_default();
        let learned = entry.allowed_at.map(|time| format!("learned {}, ", words::time(time))).unwrap_or_default();
        list.push(format!(
            "{}{port} (baseline entry {}, {learned}seen {}, last {})",
            words::protocol(key.protocol),
            entry.id.0,
            words::times(entry.count),
            words::time(entry.last_seen)
        ));
    }
    let mut text = list.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn a_new_port_is_told_once_and_a_learned_one_is_not() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.open(1, 10, 11, 502);
        plant.end_of_second(200);
        plant.open(201, 10, 11, 502);
        assert!(plant.alerts_of("connection-not-learned").is_empty());
        plant.open(202, 10, 11, 80);
        plant.open(203, 10, 11, 80);
        let alerts = plant.alerts_of("connection-not-learned");
        assert_eq!(alerts.len(), 1);
        assert_eq!((alerts[0].count, alerts[0].violation_count), (2, 1));
        assert!(alerts[0].description.contains("TCP port 80"), "{}", alerts[0].description);
        assert!(alerts[0].why.contains("tcp port 502"), "{}", alerts[0].why);
    }

    #[test]
    fn a_port_learned_by_its_protocol_is_no_news_before_the_protocol_is_known() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.flow(1, ot_protocol::FlowKind::Identified, 10, 11, 502, Some("modbus"));
        plant.end_of_second(100);
        plant.open(101, 10, 11, 502);
        assert!(plant.alerts_of("connection-not-learned").is_empty());
        plant.flow(102, ot_protocol::FlowKind::Identified, 10, 11, 502, Some("dnp3"));
        assert_eq!(plant.alerts_of("connection-not-learned").len(), 1);
    }

    #[test]
    fn contact_with_the_internet_is_told_once_as_that() {
        let mut plant = Plant::operational();
        plant.flow_to(1, ot_protocol::FlowKind::Open, 12, "93.184.215.14", 443, 1);
        plant.flow_to(2, ot_protocol::FlowKind::Open, 12, "93.184.215.15", 443, 2);
        assert!(plant.alerts_of("connection-not-learned").is_empty());
        assert_eq!(plant.alerts_of("internet-connection").len(), 1);
    }
}
