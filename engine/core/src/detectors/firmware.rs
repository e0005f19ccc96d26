//! A device tells another revision than before.

use super::{Detector, row};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::engine::Core;
use crate::model::{EntryKey, EntryKind, Peer};
use ot_protocol::Identity;

/// Properties that change only with the device's firmware or hardware.
const FIRMWARE: &[&str] = &["revision", "product", "server-id"];

/// Compares revisions read from devices.
pub struct FirmwareRevision;

impl Detector for FirmwareRevision {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::MODBUS_FIRMWARE_CHANGED];
        TYPES
    }

    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        if !FIRMWARE.contains(&identity.property) || !identity.source.starts_with("Modbus") {
            return;
        }
        let key = EntryKey {
            server: device.device,
            protocol: "modbus",
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
            kind: catalogue::MODBUS_FIRMWARE_CHANGED,
            client: None,
            server: Some(device.clone()),
            table: None,
            point: None,
            times,
            frames: &[identity.frame],
            count: 1,
            protocol: Some("modbus"),
            operation: None,
            outcome: None,
            entries: &[met.entry],
            row: row(&[u64::from(met.entry.0)]),
            text: &text,
        });
    }
}
