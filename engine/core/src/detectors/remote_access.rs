//! Sessions in which a person works on a device from afar.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::companions;
use crate::model::{DeviceId, EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{Operation, Outcome};

/// Address space of the entries.
const SPACE: &str = "remote-session";

/// Learns who works on whom, and tells of others.
pub struct RemoteAccess;

/// The remote sessions that the baseline allows a client on a server.
fn held(core: &Core, client: Option<DeviceId>, server: Option<DeviceId>) -> Vec<&'static str> {
    let (Some(client), Some(server)) = (client, server) else { return Vec::new() };
    core.baseline
        .between(client, server)
        .filter(|entry| entry.allowed && entry.key.kind == EntryKind::Operation && entry.key.space == SPACE)
        .filter_map(|entry| companions::by_id(entry.key.protocol))
        .map(|companion| companion.name)
        .collect()
}

impl Detector for RemoteAccess {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::REMOTE_ACCESS_NOT_LEARNED];
        TYPES
    }

    fn wants_companions(&self) -> bool {
        true
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let Some(companion) = companions::by_id(activity.protocol).filter(|companion| companion.remote_access) else {
            return;
        };
        if activity.operation != Operation::Session {
            return;
        }
        let key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: activity.protocol,
            space: SPACE,
            ..EntryKey::new(EntryKind::Operation)
        };
        let Some(met) = core.observe(key, "remote session", seen.times, seen.count, seen.frames[0]) else { return };
        if met.allowed {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let others = held(core, seen.client_id(), seen.server_id());
        let name = companion.name;
        let user = activity.sign_in.as_ref().and_then(|sign_in| sign_in.user.as_deref());
        let user = user.map(|user| format!(" as {user}")).unwrap_or_default();
        let session = words::with_article(activity.function.name);
        let port = activity.server.port;
        let text = || Text {
            description: match activity.outcome {
                Outcome::Rejected(..) => format!(
                    "{client} tried to open {session}{user} on {server} (port {port}), which it never did before; {}.",
                    words::outcome(activity.outcome)
                ),
                _ => format!(
                    "{client} opened {session}{user} on {server} (port {port}), which it never did before. Whoever sits \
                     there may work on the device as if in front of it."
                ),
            },
            why: if others.is_empty() {
                format!("The baseline holds no remote session of {client} on {server}.")
            } else {
                format!("The baseline allows {client} on {server} only: {}.", others.join(", "))
            },
            function: activity.function.name.to_owned(),
            object: format!("{name} port {port}"),
            value: String::new(),
            detail: format!("{}{user}; {}", activity.function.name, activity.outcome.as_str()),
        };
        let entries = [met.entry];
        let id = row(&[super::text_hash(activity.protocol), super::text_hash(&user), u64::from(port)]);
        core.raise(&of_activity(catalogue::REMOTE_ACCESS_NOT_LEARNED, seen, &entries, id, &text));
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, companion};
    use ot_protocol::{Activity, Endpoint, Operation, Outcome, SignIn};

    fn ssh(client: u8, server: u8) -> Activity {
        companion("ssh", client, server, 22, Operation::Session, "SSH session")
    }

    #[test]
    fn a_session_that_was_never_seen_is_told_until_it_is_learned() {
        let mut plant = Plant::learning_until(100);
        plant.act(10, ssh(10, 11));
        plant.act(110, ssh(10, 11));
        assert!(plant.alerts_of("remote-access-not-learned").is_empty());
        plant.act(111, ssh(66, 11));
        plant.act(112, ssh(66, 11));
        let alerts = plant.alerts_of("remote-access-not-learned");
        assert_eq!((alerts.len(), alerts[0].count), (1, 2));
        assert!(
            alerts[0].description.starts_with("10.0.0.66 opened an SSH session on 10.0.0.11 (port 22), which it never"),
            "{}",
            alerts[0].description
        );
        plant.learn(&alerts[0].id);
        plant.act(120, ssh(66, 11));
        assert_eq!(plant.alerts_of("remote-access-not-learned").len(), 1);
    }

    #[test]
    fn another_protocol_between_the_same_two_is_another_session() {
        let mut plant = Plant::learning_until(100);
        plant.act(10, ssh(10, 11));
        let user = SignIn { user: Some("operator".to_owned()), ..SignIn::default() };
        let rdp = companion("rdp", 10, 11, 3389, Operation::Session, "Remote Desktop session");
        plant.act(110, Activity { sign_in: Some(Box::new(user)), ..rdp });
        let alerts = plant.alerts_of("remote-access-not-learned");
        assert!(alerts[0].description.contains("a Remote Desktop session as operator on"), "{}", alerts[0].description);
        assert_eq!(alerts[0].why, "The baseline allows 10.0.0.10 on 10.0.0.11 only: SSH.");
    }

    #[test]
    fn offices_and_other_exchanges_are_none_of_it() {
        let mut plant = Plant::operational();
        let office = |last: u8| Endpoint { ip: Some([192, 168, 7, last].into()), ..ssh(1, 2).client };
        plant.act(1, Activity { client: office(1), server: office(2), ..ssh(1, 2) });
        plant.act(2, companion("vnc", 10, 11, 5900, Operation::Authenticate, "VNC sign-in"));
        plant.act(3, companion("http", 10, 11, 80, Operation::Session, "HTTP request"));
        assert!(plant.alerts_of("remote-access-not-learned").is_empty());
        let refused = Outcome::Rejected(2, "security negotiation failed");
        plant.act(4, Activity { outcome: refused, ..ssh(10, 11) });
        let alerts = plant.alerts_of("remote-access-not-learned");
        assert!(alerts[0].description.contains("tried to open"), "{}", alerts[0].description);
    }

    #[test]
    fn who_speaks_a_companion_is_no_ot_device() {
        let mut plant = Plant::operational();
        plant.act(1, ssh(10, 11));
        let devices: Vec<_> = plant.engine.core().inventory.iter().map(|device| (device.ot, device.role)).collect();
        assert_eq!(devices, [(false, crate::model::Role::Unknown); 2]);
    }
}
