//! What companion protocols tell: exchanges that make nobody an OT device, and what devices tell of others.

use super::{Engine, Who};
use crate::companions;
use crate::inventory::Inventory;
use crate::model::{DeviceId, Event, Peer, Role};
use crate::shared::Seen;
use ot_protocol::{Activity, FlowEvent, FlowKind, Identity, Operation, Outcome, Timestamp};

/// Capabilities by which a device forwards packets of others.
const FORWARDING: [&str; 4] = ["bridge", "router", "repeater", "wireless access point"];
/// A device with ports of its own that also runs something: an I/O station with two sockets is no switch.
const STATION: &str = "station";

impl Engine {
    /// An exchange in a companion protocol: only detectors that look at those see it, and it makes no OT device.
    pub(super) fn companion(&mut self, activity: &Activity) {
        let time = activity.time;
        let [request, response] = activity.frames;
        let asked = if request.number() > 0 { request } else { response };
        let answered = matches!(activity.outcome, Outcome::Ok | Outcome::Rejected(..));
        self.see(&activity.client, time, asked, Who::Itself);
        if answered {
            self.see(&activity.server, time, if response.number() > 0 { response } else { asked }, Who::Itself);
        }
        self.settle_merges();
        let client = self.core.inventory.peer(&activity.client);
        let server = self.core.inventory.peer(&activity.server);
        for (peer, spoke, is_client) in [(&client, true, true), (&server, answered, false)] {
            if let Some(id) = peer.device.filter(|_| spoke) {
                self.core.inventory.protocol(id, activity.protocol, is_client, !is_client, time);
            }
        }
        self.core.met.clear();
        self.core.standing.clear();
        let seen = Seen {
            activity,
            client: &client,
            server: &server,
            count: 1,
            times: [time; 2],
            frames: activity.frames,
            novel: true,
        };
        for &at in &self.companions {
            if let Some(detector) = self.detectors.get_mut(at) {
                detector.activity(&mut self.core, &seen);
            }
        }
        // Nothing repeats what it raised.
        self.core.standing.clear();
        if self.core.inventory.is_ot(&client) || self.core.inventory.is_ot(&server) {
            self.companion_event(activity, &client, &server);
        }
    }

    /// A line of the timeline for a sign-in or a remote session in which OT takes part.
    fn companion_event(&mut self, activity: &Activity, client: &Peer, server: &Peer) {
        let kind = match activity.operation {
            Operation::Authenticate => "sign-in",
            Operation::Session => "remote-session",
            _ => return,
        };
        let user = activity.sign_in.as_ref().and_then(|sign_in| sign_in.user.as_deref());
        let text = format!(
            "{} -> {}: {}{} ({})",
            self.core.display(client),
            self.core.display(server),
            crate::words::function(activity),
            user.map(|user| format!(" as {user}")).unwrap_or_default(),
            activity.outcome.as_str()
        );
        let [request, response] = activity.frames;
        self.core.event(Event {
            number: 0,
            time: activity.time,
            kind,
            source: client.device,
            destination: server.device,
            protocol: Some(activity.protocol),
            text,
            frame: if request.number() > 0 { request } else { response },
            alert: None,
        });
    }

    /// Notes which companion protocols the two ends of a conversation speak.
    pub(super) fn companion_flow(&mut self, event: &FlowEvent, client: &Peer, server: &Peer) {
        let Some(service) = event.service.filter(|service| companions::is_companion(service)) else { return };
        if !matches!(event.kind, FlowKind::Identified | FlowKind::Update | FlowKind::Close(_)) {
            return;
        }
        // What is told to a group asks nobody.
        if client.device.is_none() || server.device.is_none() {
            return;
        }
        let [asked, answered] = event.packets.map(|packets| packets > 0);
        for (peer, spoke, is_client) in [(client, asked, true), (server, answered, false)] {
            if let Some(id) = peer.device.filter(|_| spoke) {
                self.core.inventory.protocol(id, service, is_client, !is_client, event.time);
            }
        }
    }

    /// A device told what another one is: kept with that device once it was seen.
    pub(super) fn hearsay(&mut self, identity: &Identity) {
        self.clock(identity.time);
        if let Some(id) = self.core.inventory.hearsay(identity)
            && identity.property == "capabilities"
        {
            capable(&mut self.core.inventory, id, identity);
        }
    }
}

/// The role that the capabilities which a device tells of speak for.
pub(super) fn capable(inventory: &mut Inventory, id: DeviceId, identity: &Identity) {
    let (value, time, frame): (_, Timestamp, _) = (identity.value.as_str(), identity.time, identity.frame);
    let mut words = value.split(", ");
    match value {
        "DNS server" => inventory.role_evidence(id, Role::Server, "answers DNS queries", time, frame),
        "DHCP server" => inventory.role_evidence(id, Role::Server, "gives out addresses by DHCP", time, frame),
        _ if words.clone().any(|word| word == STATION) => {}
        _ if words.any(|word| FORWARDING.contains(&word)) => {
            let reason = format!("tells its neighbours that it is a {value} ({})", identity.source);
            inventory.role_evidence(id, Role::SwitchOrRouter, &reason, time, frame);
        }
        _ => {}
    }
}
