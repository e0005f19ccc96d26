//! A device tells another configuration than before.

use super::spread::number;
use super::{Detector, protocol_of};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::model::Peer;
use crate::shared::Core;
use ot_protocol::Identity;

/// Compares what devices tell of their configuration.
pub struct Configuration;

/// Whether a property tells which configuration a device has: identifier, version, date, signature.
fn is_of_configuration(property: &str) -> bool {
    property.starts_with("configuration")
}

impl Detector for Configuration {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DEVICE_CONFIGURATION_CHANGED];
        TYPES
    }

    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        let Some(before) = before.filter(|_| is_of_configuration(identity.property)) else { return };
        let name = core.display(device);
        let property = identity.property.replace('-', " ");
        let text = || Text {
            description: format!(
                "{name} now tells {property} \"{}\"; before it told \"{before}\" ({}).",
                identity.value, identity.source
            ),
            why: format!("The stored {property} of {name} is \"{before}\"."),
            function: identity.source.to_owned(),
            object: property.clone(),
            value: identity.value.clone(),
            detail: format!("{property} changed from \"{before}\" to \"{}\"", identity.value),
        };
        core.raise(&Finding {
            kind: catalogue::DEVICE_CONFIGURATION_CHANGED,
            client: None,
            server: Some(device.clone()),
            table: None,
            point: None,
            times: [identity.time; 2],
            frames: &[identity.frame],
            count: 1,
            protocol: protocol_of(identity),
            operation: None,
            outcome: None,
            entries: &[],
            row: number((identity.property, &identity.value)),
            text: &text,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn another_configuration_is_told_and_the_same_is_not() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        plant.tell_by(2, 11, "configuration-version", "7", "DNP3 group 0");
        plant.tell_by(3, 11, "configuration-version", "7", "DNP3 group 0");
        plant.tell_by(4, 11, "name", "Feeder 3", "DNP3 group 0");
        plant.tell_by(5, 11, "name", "Feeder 4", "DNP3 group 0");
        assert!(plant.alerts_of("device-configuration-changed").is_empty());
        plant.tell_by(6, 11, "configuration-version", "8", "DNP3 group 0");
        let alerts = plant.alerts_of("device-configuration-changed");
        assert_eq!(
            alerts[0].description,
            "10.0.0.11 now tells configuration version \"8\"; before it told \"7\" (DNP3 group 0)."
        );
    }
}
