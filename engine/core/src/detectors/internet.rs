//! Contact with the internet, and public addresses inside the plant's network.

use super::spread::{BySession, number, of_flow, service};
use super::{Detector, is_allowed_by_person};
use crate::addresses::is_public;
use crate::alerts::{Finding, Raised, Text};
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::model::{DeviceId, EntryId, EntryKey, EntryKind, Peer};
use crate::shared::{Core, SeenFlow};
use ot_protocol::fact::CloseReason;
use ot_protocol::time::SECOND;
use ot_protocol::{FlowEvent, FlowKind, FrameRef, Timestamp};
use std::collections::VecDeque;
use std::net::IpAddr;

/// How long an attempt waits for its answer.
const PATIENCE_SECONDS: i64 = 5;

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the plant: a configured network, a confirmed OT network, or not part of the internet.
    Inside,
    /// A public address of a device that is seen beside the plant's own.
    Beside,
    /// In the internet.
    Internet,
}

/// What a conversation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No answer yet.
    Waiting,
    /// Told as an attempt.
    Attempted,
    /// Told as a connection.
    Connected,
}

/// An attempt that waits for an answer.
struct Attempt {
    event: FlowEvent,
    client: Peer,
    server: Peer,
    near: Place,
}

/// Tells who reaches the internet, or is reached from there.
pub struct Internet {
    states: BySession<State>,
    waiting: VecDeque<Attempt>,
    cap: usize,
    given_up: u64,
}

impl Internet {
    /// With tables as configured.
    pub fn new(config: &EngineConfig) -> Self {
        let cap = config.limits.window_keys;
        Self { states: BySession::new(cap), waiting: VecDeque::new(), cap, given_up: 0 }
    }

    fn attempt(&mut self, core: &mut Core, attempt: &Attempt, refused: Option<FrameRef>) {
        let session = attempt.event.session;
        if self.states.get(&session) != Some(&State::Waiting) {
            return;
        }
        let flow = SeenFlow { event: &attempt.event, client: &attempt.client, server: &attempt.server };
        let fate = if refused.is_some() { "it was refused" } else { "no answer was seen" };
        let (from, to) = (core.display(flow.client), address(core, flow.server));
        let what = service(flow.event);
        let (kind, text) = if attempt.near == Place::Beside {
            let done = format!("tried to reach {to} in the internet ({what}); {fate}");
            (catalogue::PUBLIC_ADDRESS_INSIDE, beside(core, flow.client, &to, &what, &done))
        } else {
            let text = Text {
                description: format!("{from} tried to reach {to} in the internet ({what}); {fate}."),
                why: format!("{to} is a public address, and devices of the plant are not meant to reach the internet."),
                object: format!("{to} {what}"),
                detail: format!("{what} of {to}: {fate}"),
                ..Text::default()
            };
            (catalogue::INTERNET_ATTEMPT, text)
        };
        let frames = [flow.event.frame, refused.unwrap_or_default()];
        if tell(core, kind, &flow, &frames, &|| text.clone()) != Raised::Silent {
            self.states.insert(session, State::Attempted);
        }
    }
}

/// The texts of a device beside the plant's own that has a public address.
fn beside(core: &Core, near: &Peer, far: &str, what: &str, done: &str) -> Text {
    let mac = near.ip.and_then(|ip| core.inventory.current_mac(ip));
    let mac = mac.map(|(mac, _)| format!(" with the MAC address {mac}")).unwrap_or_default();
    let ip = near.ip.map(|ip| ip.to_string()).unwrap_or_default();
    Text {
        description: format!(
            "{}{mac} stands in the monitored network with a public address and {done}.",
            core.display(near)
        ),
        why: format!(
            "{ip} is a public address that is seen beside the plant's devices, and is in none of the configured networks."
        ),
        object: format!("{far} {what}"),
        detail: format!("{what} with {far}"),
        ..Text::default()
    }
}

/// An address for people; its device has no more to tell.
fn address(core: &Core, peer: &Peer) -> String {
    peer.ip.map_or_else(|| core.display(peer), |ip| ip.to_string())
}

fn place(core: &Core, ip: IpAddr) -> Place {
    let configured = core.config.zone(ip).is_some() || core.config.ot_networks.iter().any(|net| net.contains(&ip));
    if !is_public(ip) || configured || core.inventory.in_ot_subnet(ip) {
        return Place::Inside;
    }
    if core.inventory.is_neighbour(ip) { Place::Beside } else { Place::Internet }
}

/// Whether contact with a peer is contact with the internet, and told as that.
pub(super) fn is_told(core: &Core, peer: &Peer) -> bool {
    core.config.enabled(catalogue::INTERNET_CONNECTION) && peer.ip.is_some_and(|ip| place(core, ip) == Place::Internet)
}

/// The entry that learning allows: the device may have this partner in the internet. The port does not enter it.
fn entry(core: &mut Core, flow: &SeenFlow<'_>, kind: &AlertType) -> Option<EntryId> {
    let device = |peer: &Peer| peer.device;
    let inside = |core: &Core, peer: &Peer| peer.ip.is_some_and(|ip| place(core, ip) != Place::Internet);
    let (own, other): (Option<DeviceId>, &Peer) =
        if inside(core, flow.client) { (device(flow.client), flow.server) } else { (device(flow.server), flow.client) };
    let key = EntryKey {
        client: own,
        protocol: "internet",
        space: kind.id,
        text: Some(other.ip?.to_string().into()),
        ..EntryKey::new(EntryKind::Connection)
    };
    Some(core.observe(key, "", [flow.event.time; 2], 1, flow.event.frame)?.entry)
}

fn tell(
    core: &mut Core,
    kind: &'static AlertType,
    flow: &SeenFlow<'_>,
    frames: &[FrameRef],
    text: &dyn Fn() -> Text,
) -> Raised {
    // A device beside the plant's own concerns the plant, whatever it speaks.
    let concerns = kind == catalogue::PUBLIC_ADDRESS_INSIDE
        || flow.event.service.is_some()
        || [flow.client, flow.server].into_iter().any(|peer| core.inventory.is_ot(peer));
    if !concerns || !core.config.enabled(kind) {
        return Raised::Silent;
    }
    let Some(entry) = entry(core, flow, kind) else { return Raised::Silent };
    if is_allowed_by_person(core, entry) {
        return Raised::Silent;
    }
    let other = if flow.client.device.is_some() { flow.server.ip } else { flow.client.ip };
    let row = number((other, flow.event.server.port, flow.event.transport));
    let entries = [entry];
    let finding: Finding<'_> = of_flow(kind, flow, frames, &entries, row, text);
    core.raise(&finding)
}

impl Detector for Internet {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] =
            &[catalogue::INTERNET_ATTEMPT, catalogue::INTERNET_CONNECTION, catalogue::PUBLIC_ADDRESS_INSIDE];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        let (Some(client), Some(server)) = (event.client.ip, event.server.ip) else { return };
        // Most conversations stay inside.
        if !is_public(client) && !is_public(server) {
            return;
        }
        let (near, outward) = match (place(core, client), place(core, server)) {
            (Place::Internet, Place::Internet) => return,
            (near, Place::Internet) => (near, true),
            (Place::Internet, near) => (near, false),
            _ => return,
        };
        if near == Place::Beside && !core.inventory.has_ot() {
            return;
        }
        let session = event.session;
        match event.kind {
            FlowKind::Attempt if outward && self.states.get(&session).is_none() => {
                self.states.insert(session, State::Waiting);
                if self.waiting.len() >= self.cap {
                    self.waiting.pop_front();
                    self.given_up += 1;
                }
                let (client, server) = (flow.client.clone(), flow.server.clone());
                self.waiting.push_back(Attempt { event: event.clone(), client, server, near });
            }
            FlowKind::Refused | FlowKind::Close(_) if outward => {
                let ended = event.kind != FlowKind::Close(CloseReason::EndOfInput);
                let refused = matches!(event.kind, FlowKind::Refused | FlowKind::Close(CloseReason::Reset));
                if self.states.get(&session) == Some(&State::Waiting)
                    && let Some(at) = self.waiting.iter().position(|attempt| attempt.event.session == session)
                    && ended
                    && let Some(attempt) = self.waiting.remove(at)
                {
                    self.attempt(core, &attempt, refused.then_some(event.frame));
                }
            }
            // Later events of a conversation that nothing OT was known of when it was opened.
            FlowKind::Open | FlowKind::Identified | FlowKind::Update
                if self.states.get(&session) != Some(&State::Connected)
                    && (event.kind != FlowKind::Update || (event.packets[0] > 0 && event.packets[1] > 0)) =>
            {
                self.connected(core, flow, near, outward);
            }
            _ => {}
        }
    }

    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        while self.waiting.front().is_some_and(|first| now.since(first.event.time) >= PATIENCE_SECONDS * SECOND) {
            if let Some(attempt) = self.waiting.pop_front() {
                self.attempt(core, &attempt, None);
            }
        }
    }

    fn finish(&mut self, core: &mut Core) {
        let now = core.now();
        for attempt in std::mem::take(&mut self.waiting) {
            // What was asked in the last moment may have been answered after it.
            if now.since(attempt.event.time) >= SECOND {
                self.attempt(core, &attempt, None);
            }
        }
    }

    fn time_jump(&mut self, _core: &mut Core, _now: Timestamp) {
        self.given_up += self.waiting.len() as u64;
        self.waiting.clear();
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("internet-sessions-evicted", self.states.evicted), ("internet-attempts-given-up", self.given_up)]
    }
}

impl Internet {
    fn connected(&mut self, core: &mut Core, flow: &SeenFlow<'_>, place: Place, outward: bool) {
        let event = flow.event;
        let (device, far) = if outward { (flow.client, flow.server) } else { (flow.server, flow.client) };
        let (near, far, what) = (core.display(device), address(core, far), service(event));
        let text = Text {
            description: if outward && event.roles_certain {
                format!("{near} has a connection with {far} in the internet ({what}), which it opened itself.")
            } else if outward {
                format!("{near} exchanges packets with {far} in the internet ({what}).")
            } else {
                format!("{far} in the internet has a connection with {near} in the plant ({what}).")
            },
            why: format!(
                "{far} is a public address, packets went in both directions, and devices of the plant are not meant to be \
                 connected with the internet."
            ),
            object: format!("{far} {what}"),
            detail: format!("{what}, {}", if outward { "opened from inside" } else { "opened from the internet" }),
            ..Text::default()
        };
        let session = event.session;
        // It was answered: no mere attempt.
        if self.states.get(&session) == Some(&State::Waiting) {
            self.states.remove(&session);
            self.waiting.retain(|attempt| attempt.event.session != session);
        }
        let (kind, text) = if place == Place::Beside {
            let done = format!("talks to {far} in the internet ({what})");
            (catalogue::PUBLIC_ADDRESS_INSIDE, beside(core, device, &far, &what, &done))
        } else {
            (catalogue::INTERNET_CONNECTION, text)
        };
        if tell(core, kind, flow, &[event.frame], &|| text.clone()) != Raised::Silent {
            self.states.insert(session, State::Connected);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, host};
    use ot_protocol::{FlowKind, Transport};

    const AWAY: &str = "93.184.215.14";

    #[test]
    fn an_attempt_without_an_answer_is_an_attempt_and_an_answered_one_a_connection() {
        let mut plant = Plant::operational();
        plant.flow_to(1, FlowKind::Attempt, 11, AWAY, 443, 1);
        plant.end_of_second(3);
        assert!(plant.alerts_of("internet-attempt").is_empty());
        plant.end_of_second(7);
        let alerts = plant.alerts_of("internet-attempt");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("10.0.0.11 tried to reach 93.184.215.14"), "{}", alerts[0].description);
        plant.flow_to(8, FlowKind::Attempt, 12, AWAY, 443, 2);
        plant.flow_to(8, FlowKind::Open, 12, AWAY, 443, 2);
        plant.flow_to(9, FlowKind::Update, 12, AWAY, 443, 2);
        plant.end_of_second(20);
        assert_eq!(plant.alerts_of("internet-attempt").len(), 1);
        let alerts = plant.alerts_of("internet-connection");
        assert_eq!((alerts.len(), alerts[0].count), (1, 1));
    }

    #[test]
    fn a_refused_attempt_is_told_at_once_and_a_learned_one_no_more() {
        let mut plant = Plant::operational();
        plant.flow_to(1, FlowKind::Attempt, 11, AWAY, 443, 1);
        plant.flow_to(1, FlowKind::Refused, 11, AWAY, 443, 1);
        let alerts = plant.alerts_of("internet-attempt");
        assert!(alerts[0].description.contains("it was refused"), "{}", alerts[0].description);
        plant.learn(&alerts[0].id);
        plant.flow_to(2, FlowKind::Attempt, 11, AWAY, 80, 2);
        plant.end_of_second(9);
        assert_eq!((plant.alerts_of("internet-attempt").len(), plant.alerts_of("internet-attempt")[0].count), (1, 1));
        plant.flow_to(10, FlowKind::Attempt, 11, "93.184.215.15", 80, 3);
        plant.end_of_second(19);
        assert_eq!(plant.alerts_of("internet-attempt").len(), 2);
    }

    #[test]
    fn private_documentation_and_configured_addresses_are_not_the_internet() {
        let mut plant = Plant::operational();
        for (n, to) in ["192.168.1.1", "203.0.113.9", "100.64.0.9", "10.9.9.9", "224.0.0.251"].into_iter().enumerate() {
            plant.flow_to(1, FlowKind::Attempt, 11, to, 443, 10 + n as u64);
            plant.flow_to(1, FlowKind::Open, 11, to, 443, 10 + n as u64);
        }
        plant.end_of_second(60);
        assert!(plant.alerts_of("internet-attempt").is_empty());
        assert!(plant.alerts_of("internet-connection").is_empty());
    }

    #[test]
    fn a_neighbour_with_a_public_address_is_told_as_such() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        let near: std::net::IpAddr = "141.81.0.20".parse().unwrap();
        plant.claim_ip(1, 77, near);
        let end = |ip, mac, port| ot_protocol::Endpoint { ip: Some(ip), port, ..host(mac) };
        let away = end(AWAY.parse().unwrap(), 1, 443);
        plant.flow_between(2, FlowKind::Open, Transport::Tcp, end(near, 77, 40_000), away, 5);
        let alerts = plant.alerts_of("public-address-inside");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.starts_with("141.81.0.20 with the MAC address"), "{}", alerts[0].description);
        assert!(plant.alerts_of("internet-connection").is_empty());
        // Two strangers behind a router are none of the plant's business.
        plant.flow_between(3, FlowKind::Open, Transport::Tcp, end("9.9.9.9".parse().unwrap(), 1, 40_000), away, 6);
        assert_eq!(plant.alerts_of("public-address-inside")[0].count, 1);
    }
}
