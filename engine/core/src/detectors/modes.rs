//! Run state, key switch and protection level of controllers, as they tell them.

use super::spread::Capped;
use super::{Detector, row, text_hash};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::model::{DeviceId, Event, Peer};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::time::SECOND;
use ot_protocol::{Identity, Nanos, Operation, Outcome, Timestamp};

/// Properties of an identity that tell a state, and how they are called.
const STATES: [(&str, &str); 3] =
    [("run-state", "run state"), ("key-switch", "key switch"), ("protection-level", "protection level")];
/// For how long a command counts as what came just before: a CPU that stops or starts is there within seconds, and its
/// state is asked for every few of them.
const JUST_BEFORE: Nanos = 120 * SECOND;

/// Compares states with the last known ones.
pub struct Modes {
    /// Last state, whichever message told it.
    states: Capped<(DeviceId, &'static str), String>,
    /// The last command to each controller that can change its state.
    commands: Capped<DeviceId, Command>,
}

struct Command {
    /// `10.0.0.10 stopped the CPU of 10.0.0.11`.
    told: String,
    client: Option<DeviceId>,
    time: Timestamp,
}

impl Modes {
    /// With bounded tables.
    pub fn new(config: &EngineConfig) -> Self {
        let keys = config.limits.window_keys;
        Self { states: Capped::new(keys), commands: Capped::new(keys) }
    }

    /// The state before: as this run heard it, else as the store holds it; `None` where nothing was known.
    fn before(
        &self,
        core: &Core,
        key: (DeviceId, &'static str),
        told: &Identity,
        same_source: Option<&str>,
    ) -> Option<String> {
        if let Some(known) = self.states.get(&key) {
            return Some(known.clone());
        }
        if let Some(before) = same_source {
            return Some(before.to_owned());
        }
        let values = || {
            let device = core.inventory.get(key.0);
            device.into_iter().flat_map(|device| &device.identities).filter(|value| value.property == key.1)
        };
        // The one told last stands last: what was just told. Where it is new, the one before it was the state.
        let new = values().next_back().is_some_and(|value| value.first_seen == told.time);
        if new { values().rev().nth(1).map(|value| value.value.clone()) } else { Some(told.value.clone()) }
    }
}

impl Detector for Modes {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::PLC_MODE_CHANGED];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let mode = matches!(activity.operation, Operation::ModeRun | Operation::ModeStop | Operation::Restart);
        if !mode || matches!(activity.outcome, Outcome::Rejected(..)) {
            return;
        }
        let Some(id) = seen.server_id() else { return };
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let did = words::deed(activity, Some(&server)).map_or_else(
            || format!("sent {} to {server}", words::function(activity)),
            |deed| deed.told(activity.outcome),
        );
        let told = format!("{client} {did}");
        self.commands.insert(id, Command { told, client: seen.client_id(), time: seen.times[1] });
    }

    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        let Some(&(property, called)) = STATES.iter().find(|(property, _)| *property == identity.property) else {
            return;
        };
        let Some(id) = device.device else { return };
        let before = self.before(core, (id, property), identity, before);
        self.states.insert((id, property), identity.value.clone());
        let Some(before) = before.filter(|before| *before != identity.value) else { return };
        let name = core.display(device);
        let now = &identity.value;
        let command = self
            .commands
            .get(&id)
            .map(|command| (command, identity.time.since(command.time)))
            .filter(|(_, age)| (0..=JUST_BEFORE).contains(age) && property != "protection-level");
        let cause = command
            .map_or_else(String::new, |(command, age)| format!(" {} {} before.", command.told, words::span(age)));
        let source = command.and_then(|(command, _)| command.client);
        let protocol = if identity.source.starts_with("S7comm-plus") { "s7comm-plus" } else { "s7comm" };
        let changed = format!("The {called} of {name} is now {now}; before it was {before}.{cause}");
        core.event(Event {
            number: 0,
            time: identity.time,
            kind: "mode-changed",
            source,
            destination: Some(id),
            protocol: Some(protocol),
            text: changed.clone(),
            frame: identity.frame,
            alert: None,
        });
        let text = || Text {
            description: changed.clone(),
            why: format!("The last {called} that {name} told was {before} ({}).", identity.source),
            function: identity.source.to_owned(),
            object: called.to_owned(),
            value: now.clone(),
            detail: format!("{called} changed from {before} to {now}"),
        };
        core.raise(&Finding {
            kind: catalogue::PLC_MODE_CHANGED,
            client: None,
            server: Some(device.clone()),
            table: None,
            point: None,
            times: [identity.time; 2],
            frames: &[identity.frame],
            count: 1,
            protocol: Some(protocol),
            operation: None,
            outcome: None,
            entries: &[],
            row: row(&[text_hash(property), text_hash(&before), text_hash(now)]),
            text: &text,
        });
        core.note_change(id, source, "mode-changed", identity, &before);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("controller-states-evicted", self.states.evicted + self.commands.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, s7};
    use ot_protocol::{Function, Operation};

    const SZL: &str = "S7comm SZL 0x0424";

    #[test]
    fn a_change_is_told_with_the_command_before_it() {
        let mut plant = Plant::operational();
        let stop = Function { code: 0x29, sub: None, name: "PLC Stop" };
        plant.tell_by(1, 11, "run-state", "run", SZL);
        plant.act(10, s7(66, 11, Operation::ModeStop, stop));
        plant.tell_by(12, 11, "run-state", "stop", SZL);
        let alerts = plant.alerts_of("plc-mode-changed");
        assert_eq!(alerts.len(), 1);
        let text = &alerts[0].description;
        assert!(text.starts_with("The run state of 10.0.0.11"), "{text}");
        assert!(text.contains(" is now stop; before it was run. 10.0.0.66 stopped the CPU of 10.0.0.11"), "{text}");
        assert!(text.ends_with(" 2.0 s before."), "{text}");
        // Long after it, nothing came before.
        plant.tell_by(900, 11, "run-state", "run", SZL);
        assert_eq!(plant.alerts_of("plc-mode-changed")[0].count, 2);
    }

    #[test]
    fn the_same_state_is_not_told_whoever_tells_it_and_after_a_restart() {
        let mut plant = Plant::operational();
        plant.tell_by(1, 11, "key-switch", "RUN", "S7comm SZL 0x0132");
        plant.tell_by(2, 11, "key-switch", "RUN", SZL);
        plant.tell_by(3, 11, "name", "CPU 1", SZL);
        plant.tell_by(4, 11, "name", "CPU 2", SZL);
        assert!(plant.alerts_of("plc-mode-changed").is_empty());
        let mut plant = plant.restart();
        plant.tell_by(5, 11, "key-switch", "RUN", SZL);
        assert!(plant.alerts_of("plc-mode-changed").is_empty());
        let mut plant = plant.restart();
        plant.tell_by(6, 11, "key-switch", "RUN-P", SZL);
        let alerts = plant.alerts_of("plc-mode-changed");
        assert!(alerts[0].why.contains("was RUN"), "{}", alerts[0].why);
    }
}
