//! What is wrong with a conversation below its protocol.

use super::Detector;
use super::connection;
use super::spread::{fate, number, of_flow, service};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{EntryId, EntryKey};
use crate::shared::{Core, SeenFlow};
use crate::words;
use ot_protocol::{FlowKind, Transport};
use std::fmt::Write as _;

/// Standard ports of OT protocols by protocol id.
const STANDARD: [(&str, &[u16]); 4] =
    [("modbus", &[502, 802]), ("dnp3", &[20_000, 19_999]), ("s7comm", &[102, 3_782]), ("s7comm-plus", &[102, 3_782])];

/// Conflicting segments, lengths nobody needs, the wrong protocol on a port, port 0.
pub struct Segments {
    longest: Threshold,
}

impl Segments {
    /// With the configured length.
    pub fn new(config: &EngineConfig) -> Self {
        Self { longest: config.threshold(catalogue::MESSAGE_TOO_LONG, Threshold { count: 32_768, seconds: 0 }) }
    }

    fn too_long(&self, core: &mut Core, flow: &SeenFlow<'_>, bytes: u64) {
        if bytes < u64::from(self.longest.count) {
            return;
        }
        let (from, to) = (core.display(flow.client), core.display(flow.server));
        let what = service(flow.event);
        let text = || Text {
            description: format!("A message between {from} and {to} ({what}) announces a length of {bytes} bytes."),
            why: format!(
                "A length field of {} bytes or more, which no device of this protocol needs.",
                self.longest.count
            ),
            object: what.clone(),
            value: format!("{bytes} bytes"),
            detail: format!("length field of {bytes} bytes"),
            ..Text::default()
        };
        let frames = [flow.event.frame];
        core.raise(&of_flow(catalogue::MESSAGE_TOO_LONG, flow, &frames, &[], number(bytes), &text));
    }

    fn port_zero(core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        let (from, to) = (core.display(flow.client), core.display(flow.server));
        let name = event.transport.name().to_uppercase();
        let text = || Text {
            description: format!(
                "{from} sent a {name} packet from port {} to port {} of {to}; {}.",
                event.client.port,
                event.server.port,
                fate(&event.kind)
            ),
            why: "Port 0 is reserved and no service uses it (RFC 6335, clause 6).".to_owned(),
            object: format!("{name} port {}", event.server.port),
            detail: format!("{name} from port {} to port {}", event.client.port, event.server.port),
            ..Text::default()
        };
        let frames = [event.frame];
        let row = number((event.transport, event.client.port == 0, event.server.port));
        core.raise(&of_flow(catalogue::PORT_ZERO, flow, &frames, &[], row, &text));
    }

    /// `expected`: the protocol of the port, where something else is spoken there. Otherwise the confirmed protocol
    /// runs on a port that is not its own.
    fn wrong_protocol(core: &mut Core, flow: &SeenFlow<'_>, expected: Option<&'static str>) {
        let event = flow.event;
        // What the baseline says of the connection is what is learned with the alert.
        let key = flow
            .client
            .device
            .zip(flow.server.device)
            .and_then(|(client, server)| connection::key(event, client, server))
            .map(|key| EntryKey { protocol: event.service.unwrap_or(key.protocol), ..key });
        if key.as_ref().is_some_and(|key| core.is_granted(key, None)) {
            return;
        }
        let entry = key.as_ref().and_then(|key| core.baseline.find(key));
        let entries: Vec<EntryId> = entry.map(|entry| entry.id).into_iter().collect();
        let (from, to) = (core.display(flow.client), core.display(flow.server));
        let name = event.transport.name().to_uppercase();
        let port = event.server.port;
        let spoken = event.service.unwrap_or("another protocol");
        let text = || Text {
            description: match expected {
                Some(expected) => format!(
                    "{from} and {to} exchange {} over {name} port {port}, where {expected} is expected.",
                    event.service.map_or("something else", words::protocol)
                ),
                None => {
                    format!(
                        "{from} and {to} speak {} over {name} port {port}, which is not its standard port.",
                        words::protocol(spoken)
                    )
                }
            },
            why: match expected {
                Some(expected) => {
                    format!("{name} port {port} is the standard port of {expected}; the payload does not follow it.")
                }
                None => format!("{} has the standard port {}.", words::protocol(spoken), standard(spoken)),
            },
            object: format!("{name} port {port}"),
            value: spoken.to_owned(),
            detail: match expected {
                Some(expected) => format!("not {expected} on its standard port {port}"),
                None => format!("{spoken} on port {port}"),
            },
            ..Text::default()
        };
        let frames = [event.frame];
        let row = number((port, event.service, expected));
        core.raise(&of_flow(catalogue::WRONG_PROTOCOL_ON_PORT, flow, &frames, &entries, row, &text));
    }
}

fn ports(protocol: &str) -> &'static [u16] {
    STANDARD.iter().find(|(id, _)| *id == protocol).map_or(&[], |(_, ports)| ports)
}

fn standard(protocol: &str) -> String {
    ports(protocol).first().map(u16::to_string).unwrap_or_default()
}

/// `01 03 00 0a`.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x} ");
    }
    text.trim_end().to_owned()
}

impl Detector for Segments {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::OVERLAPPING_SEGMENTS,
            catalogue::MESSAGE_TOO_LONG,
            catalogue::WRONG_PROTOCOL_ON_PORT,
            catalogue::PORT_ZERO,
        ];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        match &event.kind {
            FlowKind::Conflict { offset, length, first, later } => {
                let (from, to) = (core.display(flow.client), core.display(flow.server));
                let what = service(event);
                let (bytes, were) = match length {
                    1 => ("1 byte".to_owned(), "was"),
                    more => (format!("{more} bytes"), "were"),
                };
                let text = || Text {
                    description: format!(
                        "Between {from} and {to} ({what}) {bytes} at offset {offset} {were} sent twice with different \
                         content: first {}, then {}. The sensor went on with the first.",
                        hex(first),
                        hex(later)
                    ),
                    why: "A repeated segment or fragment must carry the same bytes (RFC 9293, clause 3.10.7.4)."
                        .to_owned(),
                    object: format!("{what}, offset {offset}"),
                    value: format!("{} / {}", hex(first), hex(later)),
                    detail: format!("{bytes} at offset {offset} sent twice: {}, then {}", hex(first), hex(later)),
                    ..Text::default()
                };
                let frames = [event.frame];
                let row = number((event.session, offset, length, first, later));
                core.raise(&of_flow(catalogue::OVERLAPPING_SEGMENTS, flow, &frames, &[], row, &text));
            }
            FlowKind::TooLong(bytes) => self.too_long(core, flow, *bytes),
            FlowKind::WrongProtocol(expected) => Self::wrong_protocol(core, flow, Some(expected)),
            FlowKind::Identified => {
                let own = event.service.map_or(&[][..], ports);
                let standard = own.contains(&event.server.port) || own.contains(&event.client.port);
                if !own.is_empty() && !standard && matches!(event.transport, Transport::Tcp | Transport::Udp) {
                    Self::wrong_protocol(core, flow, None);
                }
            }
            FlowKind::Attempt | FlowKind::OneSided
                if matches!(event.transport, Transport::Tcp | Transport::Udp)
                    && (event.client.port == 0 || event.server.port == 0) =>
            {
                Self::port_zero(core, flow);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;
    use ot_protocol::FlowKind;

    #[test]
    fn conflicts_and_long_messages_are_told() {
        let mut plant = Plant::operational();
        let conflict =
            FlowKind::Conflict { offset: 12, length: 2, first: Box::new([1, 2]), later: Box::new([0xff, 0]) };
        plant.flow(1, conflict, 10, 11, 502, Some("modbus"));
        let alerts = plant.alerts_of("overlapping-segments");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("first 01 02, then ff 00"), "{}", alerts[0].description);
        plant.flow(2, FlowKind::TooLong(32_767), 10, 11, 502, Some("modbus"));
        assert!(plant.alerts_of("message-too-long").is_empty());
        plant.flow(2, FlowKind::TooLong(60_000), 10, 11, 502, Some("modbus"));
        assert_eq!(plant.alerts_of("message-too-long").len(), 1);
    }

    #[test]
    fn the_wrong_protocol_on_a_port_is_told() {
        let mut plant = Plant::operational();
        plant.flow(1, FlowKind::Identified, 10, 11, 502, Some("modbus"));
        assert!(plant.alerts_of("wrong-protocol-on-port").is_empty());
        plant.flow(2, FlowKind::Identified, 10, 11, 1_502, Some("modbus"));
        plant.flow(3, FlowKind::WrongProtocol("modbus"), 10, 11, 502, None);
        let alerts = plant.alerts_of("wrong-protocol-on-port");
        assert_eq!((alerts.len(), alerts[0].violation_count), (1, 2));
    }

    #[test]
    fn port_zero_is_told() {
        let mut plant = Plant::operational();
        plant.attempt(1, 66, 11, 1);
        assert!(plant.alerts_of("port-zero").is_empty());
        plant.attempt(1, 66, 11, 0);
        assert_eq!(plant.alerts_of("port-zero").len(), 1);
    }
}
