//! A device tells another firmware or revision than before.

use super::{Detector, protocol_of, row};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::model::{EntryKey, EntryKind, Peer};
use crate::shared::Core;
use ot_protocol::Identity;

/// Compares firmware and revisions read from devices.
pub struct Firmware;

/// The alert type of a property that changes only with the device's firmware or hardware, by protocol.
fn kind_of(protocol: &str, property: &str) -> Option<&'static AlertType> {
    Some(match (protocol, property) {
        ("modbus", "revision" | "product" | "server-id") => catalogue::MODBUS_FIRMWARE_CHANGED,
        ("s7comm-plus", "firmware") => catalogue::S7PLUS_FIRMWARE_CHANGED,
        ("dnp3" | "s7comm", "firmware") => catalogue::FIRMWARE_CHANGED,
        _ => return None,
    })
}

impl Detector for Firmware {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] =
            &[catalogue::MODBUS_FIRMWARE_CHANGED, catalogue::S7PLUS_FIRMWARE_CHANGED, catalogue::FIRMWARE_CHANGED];
        TYPES
    }

    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        let Some(protocol) = protocol_of(identity) else { return };
        let Some(kind) = kind_of(protocol, identity.property) else { return };
        let key = EntryKey {
            server: device.device,
            protocol,
            text: Some(format!("{}={}", identity.property, identity.value).into()),
            ..EntryKey::new(EntryKind::Property)
        };
        let times = [identity.time, identity.time];
        let Some(met) = core.observe(key, identity.property, times, 1, identity.frame) else { return };
        let Some(before) = before.filter(|_| !met.allowed) else { return };
        let name = core.display(device);
        let text = || Text {
            description: format!(
                "{name} now tells {} \"{}\"; before it told \"{before}\" ({}).",
                identity.property, identity.value, identity.source
            ),
            why: format!("The stored {} of {name} is \"{before}\".", identity.property),
            function: identity.source.to_owned(),
            object: identity.property.to_owned(),
            value: identity.value.clone(),
            detail: format!("{} changed from \"{before}\" to \"{}\"", identity.property, identity.value),
        };
        core.raise(&Finding {
            kind,
            client: None,
            server: Some(device.clone()),
            table: None,
            point: None,
            times,
            frames: &[identity.frame],
            count: 1,
            protocol: Some(protocol),
            operation: None,
            outcome: None,
            entries: &[met.entry],
            row: row(&[u64::from(met.entry.0)]),
            text: &text,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn another_revision_is_told_and_the_same_is_not() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.tell(2, 11, "revision", "V2.1");
        plant.end_of_second(100);
        plant.tell(101, 11, "revision", "V2.1");
        assert!(plant.alerts_of("modbus-firmware-changed").is_empty());
        plant.tell(102, 11, "revision", "V2.2");
        let alerts = plant.alerts_of("modbus-firmware-changed");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("\"V2.1\""), "{}", alerts[0].description);
    }

    #[test]
    fn firmware_told_by_s7_plus_has_a_type_of_its_own() {
        let source = "S7comm-plus session";
        let mut plant = Plant::learning_until(100);
        plant.tell_by(2, 11, "firmware", "V2.0.1", source);
        plant.end_of_second(100);
        plant.tell_by(101, 11, "firmware", "V2.0.1", source);
        plant.tell_by(102, 11, "name", "CPU 2", source);
        assert!(plant.alerts_of("s7plus-firmware-changed").is_empty());
        plant.tell_by(103, 11, "firmware", "V4.4.0", source);
        let alerts = plant.alerts_of("s7plus-firmware-changed");
        assert!(alerts[0].description.contains("\"V4.4.0\"; before it told \"V2.0.1\""), "{}", alerts[0].description);
    }

    #[test]
    fn firmware_told_by_other_protocols_has_a_type_of_its_own() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.tell_by(2, 11, "firmware", "1.4", "DNP3 group 0");
        plant.end_of_second(100);
        plant.tell_by(101, 11, "firmware", "1.4", "DNP3 group 0");
        plant.tell_by(102, 11, "location", "Substation 7", "DNP3 group 0");
        assert!(plant.alerts_of("firmware-changed").is_empty());
        plant.tell_by(103, 11, "firmware", "6.6.6", "DNP3 group 0");
        let alerts = plant.alerts_of("firmware-changed");
        assert_eq!(
            alerts[0].description,
            "10.0.0.11 now tells firmware \"6.6.6\"; before it told \"1.4\" (DNP3 group 0)."
        );
        assert!(plant.alerts_of("modbus-firmware-changed").is_empty());
    }
}
