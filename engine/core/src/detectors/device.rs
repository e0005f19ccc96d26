//! Devices that the baseline does not hold.

use super::Detector;
use super::spread::number;
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::companions;
use crate::context::{Field, Said, Source};
use crate::inventory::MacBinding;
use crate::model::{DeviceId, EntryKey, EntryKind, Peer, Role};
use crate::shared::{Core, SeenFlow};
use crate::words;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{Claim, FrameRef, Timestamp};

/// Properties that tell in which state a device is, not what it is.
const STATE: [&str; 6] = ["iin", "forced-points", "run-state", "run-status", "key-switch", "protection-level"];

/// What marks the entry of a device as one that answers an OT protocol.
const FIELD: &str = "field";

/// Learns devices, and tells those that appear later.
#[derive(Default)]
pub struct Devices {
    /// Whether a device was held against the baseline, as a device and as a field device.
    judged: HashMap<DeviceId, [bool; 2], FixedState>,
    generation: u64,
}

impl Devices {
    fn place(&mut self, core: &Core, id: DeviceId) -> &mut [bool; 2] {
        // A person changed the baseline: everybody is looked at again.
        if self.generation != core.generation() {
            self.generation = core.generation();
            self.judged.clear();
        }
        // Those that left the inventory are forgotten: a scan with forged addresses makes devices without end.
        if self.judged.len() >= 2 * core.config.limits.devices.max(1) && !self.judged.contains_key(&id) {
            self.judged.retain(|&id, _| core.inventory.get(id).is_some());
        }
        self.judged.entry(id).or_default()
    }

    fn judge(&mut self, core: &mut Core, peer: &Peer, time: Timestamp, frame: FrameRef) {
        let Some(id) = peer.device else { return };
        if self.place(core, id)[0] {
            return;
        }
        let Some(device) = core.inventory.get(id) else { return };
        // A unit behind a gateway is told of when it answers.
        if device.parent.is_some() {
            return;
        }
        let in_ot = core.inventory.is_ot(peer)
            || device.addresses.iter().any(|address| core.inventory.in_ot_subnet(address.ip));
        if !in_ot && !core.learning_at(time) {
            return;
        }
        let (first, mac) = (device.first_seen, device.mac);
        self.place(core, id)[0] = true;
        let known = core.inventory.len().saturating_sub(1);
        let key = EntryKey { server: Some(id), ..EntryKey::new(EntryKind::Device) };
        let Some(met) = core.observe(key, "", [time; 2], 1, frame) else { return };
        core.inventory.set_learned(id, met.allowed);
        let word = authorised(core, id);
        if is_quiet(met.allowed, word.as_ref()) {
            return;
        }
        let name = core.display(peer);
        let learned = core.has_learned();
        let text = || {
            let mac = mac.map(|mac| format!(" with MAC address {mac}")).unwrap_or_default();
            Text {
                description: format!(
                    "New device {name}{mac} talks on the OT network, first seen {}.",
                    words::time(first)
                ),
                why: if let Some(word) = refused(word.as_ref()) {
                    word
                } else if learned {
                    format!("None of the devices in the baseline has its address; {known} other devices are known.")
                } else {
                    "The baseline holds no device: nothing was learned.".to_owned()
                },
                object: name.clone(),
                detail: format!("{name} is not in the baseline"),
                ..Text::default()
            }
        };
        core.raise(&finding(
            catalogue::DEVICE_NOT_LEARNED,
            peer,
            [first.min(time), time],
            &[frame],
            &[met.entry],
            &text,
        ));
    }
}

impl Detector for Devices {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DEVICE_NOT_LEARNED, catalogue::FIELD_DEVICE_NOT_LEARNED];
        TYPES
    }

    fn device(&mut self, core: &mut Core, device: &Peer, time: Timestamp, frame: FrameRef) {
        self.judge(core, device, time, frame);
    }

    // A device may get its address in an OT network only after it was first seen.
    fn claim(&mut self, core: &mut Core, claim: &Claim, binding: &MacBinding) {
        if !matches!(binding, MacBinding::Changed { .. }) {
            let peer = core.inventory.peer_of_ip(claim.ip);
            self.judge(core, &peer, claim.time, claim.frame);
        }
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        for peer in [flow.client, flow.server] {
            self.judge(core, peer, flow.event.time, flow.event.frame);
        }
    }

    fn role(&mut self, core: &mut Core, device: &Peer, time: Timestamp, frame: FrameRef) {
        self.judge(core, device, time, frame);
        let Some(id) = device.device else { return };
        if self.place(core, id)[1] {
            return;
        }
        let Some(known) = core.inventory.get(id) else { return };
        let role = known.role;
        let speaks: Vec<String> = known
            .protocols
            .iter()
            .filter(|used| used.as_server && !used.protocol.contains('/') && !companions::is_companion(&used.protocol))
            .map(|used| used.protocol.clone())
            .collect();
        let (child, parent) = (known.parent.is_some(), known.parent);
        let told: Vec<String> = known
            .identities
            .iter()
            .filter(|identity| !STATE.contains(&identity.property.as_str()))
            .take(4)
            .map(|identity| format!("{} {}", identity.property, identity.value))
            .collect();
        self.place(core, id)[1] = true;
        let as_field = EntryKey { server: Some(id), space: FIELD, ..EntryKey::new(EntryKind::Device) };
        let Some(met) = core.observe(as_field, "", [time; 2], 1, frame) else { return };
        // Who learns a field device learns the device.
        let mut entries = vec![met.entry];
        let plain = EntryKey { server: Some(id), ..EntryKey::new(EntryKind::Device) };
        if child {
            if let Some(met) = core.observe(plain, "", [time; 2], 1, frame) {
                entries.push(met.entry);
            }
            core.inventory.set_learned(id, met.allowed);
        } else if let Some(entry) = core.baseline.find(&plain) {
            entries.push(entry.id);
        }
        let word = authorised(core, id);
        if is_quiet(met.allowed, word.as_ref()) {
            return;
        }
        let name = core.display(device);
        let behind = parent.and_then(|id| core.inventory.get(id)).and_then(|gateway| gateway.addresses.first());
        let behind = behind.map(|address| address.ip);
        let learned = core.has_learned();
        let text = || {
            let what = match role {
                Role::Outstation => "an outstation",
                Role::Gateway => "a gateway",
                _ => "a controller or I/O unit",
            };
            let place = behind.map(|ip| format!(" behind the gateway {ip}")).unwrap_or_default();
            let speaks: Vec<&str> = speaks.iter().map(|id| words::protocol(id)).collect();
            let speaks = if speaks.is_empty() { String::new() } else { format!(" {}", speaks.join(", ")) };
            let told =
                if told.is_empty() { String::new() } else { format!(" It says of itself: {}.", told.join(", ")) };
            Text {
                description: format!(
                    "{name}{place} answers{speaks} requests like {what}, first at {}.{told}",
                    words::time(time)
                ),
                why: if let Some(word) = refused(word.as_ref()) {
                    word
                } else if learned {
                    "It was not learned as a field device: no baseline entry says that it answers an OT protocol."
                        .to_owned()
                } else {
                    "The baseline holds no field device: nothing was learned.".to_owned()
                },
                object: name.clone(),
                detail: format!("{name} answers like {what} and is not in the baseline as a field device"),
                ..Text::default()
            }
        };
        core.raise(&finding(catalogue::FIELD_DEVICE_NOT_LEARNED, device, [time; 2], &[frame], &entries, &text));
    }
}

/// Whether the device may be on the network, where that was said.
fn authorised(core: &Core, id: DeviceId) -> Option<Said> {
    core.inventory.said(id, Field::Authorised).cloned()
}

/// What was said of a device goes before what was learned of it.
fn is_quiet(learned: bool, word: Option<&Said>) -> bool {
    word.map_or(learned, |word| word.value == "yes")
}

fn refused(word: Option<&Said>) -> Option<String> {
    let word = word.filter(|word| word.value != "yes")?;
    Some(match word.source {
        Source::Person => format!("{} said that it is not authorised to be on the network.", word.who),
        _ => "The configuration says that it is not authorised to be on the network.".to_owned(),
    })
}

fn finding<'a>(
    kind: &'static AlertType,
    device: &Peer,
    times: [Timestamp; 2],
    frames: &'a [FrameRef],
    entries: &'a [crate::model::EntryId],
    text: &'a dyn Fn() -> Text,
) -> Finding<'a> {
    Finding {
        kind,
        client: Some(device.clone()),
        server: None,
        table: None,
        point: None,
        times,
        frames,
        count: 1,
        protocol: None,
        operation: None,
        outcome: None,
        entries,
        row: number(device.device),
        text,
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, at, dnp3, s7};
    use ot_protocol::{Activity, Endpoint, Function, Operation, Outcome, SubAddress};

    #[test]
    fn a_device_after_learning_is_told() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.end_of_second(200);
        plant.poll(200, 10, 11);
        assert!(plant.alerts_of("device-not-learned").is_empty());
        plant.attempt(201, 66, 11, 502);
        plant.attempt(202, 66, 11, 502);
        let alerts = plant.alerts_of("device-not-learned");
        assert_eq!(alerts.len(), 1);
        assert_eq!((alerts[0].first_detection, alerts[0].count), (at(201), 1));
        assert_eq!(alerts[0].entries.len(), 1);
        assert!(plant.alerts_of("field-device-not-learned").is_empty());
    }

    #[test]
    fn a_field_device_after_learning_is_told() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.end_of_second(200);
        plant.poll(200, 10, 11);
        assert!(plant.alerts_of("field-device-not-learned").is_empty());
        plant.poll(201, 10, 14);
        let alerts = plant.alerts_of("field-device-not-learned");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("10.0.0.14"), "{}", alerts[0].description);
    }

    #[test]
    fn masters_and_slots_are_devices_once_they_were_answered() {
        let devices = |plant: &Plant| plant.engine.core().inventory.len();
        let read = |master, outcome| {
            let read = dnp3(10, 11, 1, "Read", Operation::Read);
            Activity { client: Endpoint { sub: SubAddress::Link(master), ..read.client }, outcome, ..read }
        };
        let mut plant = Plant::operational();
        plant.act(1, read(1, Outcome::Ok));
        assert_eq!(devices(&plant), 2);
        plant.act(2, read(2, Outcome::Unanswered));
        assert_eq!(devices(&plant), 2);
        plant.act(3, read(2, Outcome::Ok));
        assert_eq!(devices(&plant), 3);

        let ask = |slot, code, name| {
            let ask = s7(10, 12, Operation::Session, Function { code, sub: None, name });
            Activity { server: Endpoint { sub: SubAddress::RackSlot(0, slot), ..ask.server }, ..ask }
        };
        let mut plant = Plant::operational();
        plant.act(1, ask(2, 0xf0, "Setup Communication"));
        plant.act(2, ask(4, 0x1e0, "COTP Connect Request"));
        assert_eq!(devices(&plant), 2);
        plant.act(3, ask(4, 0xf0, "Setup Communication"));
        assert_eq!(devices(&plant), 3);
    }
}
