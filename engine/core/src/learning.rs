//! What is learned besides the plant as a whole: which types, and single devices for a time of their own.

use crate::catalogue::{self, AlertType};
use crate::model::{DeviceId, EntryKey, EntryKind};
use ot_protocol::Timestamp;
use std::collections::BTreeMap;

/// Devices that learn at once; where there are more, the one whose learning ends first gives it up.
const MOST_DEVICES: usize = 16_384;

/// The learning of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLearning {
    /// Until which packet time.
    pub until: Timestamp,
    /// Whether the device itself is learned, too: a person started it. Of a new device, what it does is learned, and that it is
    /// new is told.
    pub whole: bool,
}

/// Alert types that are not learned, and devices that learn.
#[derive(Clone, Debug, Default)]
pub struct Learners {
    /// Sorted by id.
    skipped: Vec<&'static str>,
    devices: BTreeMap<DeviceId, DeviceLearning>,
    changed: bool,
}

/// The alert types whose entries can be left out of learning: each has entries of its own.
pub const TYPES: [&AlertType; 22] = [
    catalogue::DEVICE_NOT_LEARNED,
    catalogue::FIELD_DEVICE_NOT_LEARNED,
    catalogue::CONNECTION_NOT_LEARNED,
    catalogue::MODBUS_FUNCTION_NOT_LEARNED,
    catalogue::MODBUS_VENDOR_FUNCTION_NOT_LEARNED,
    catalogue::DNP3_FUNCTION_NOT_LEARNED,
    catalogue::S7_CONTROL_NOT_LEARNED,
    catalogue::S7_USER_FUNCTION_NOT_LEARNED,
    catalogue::S7PLUS_OPERATION_NOT_LEARNED,
    catalogue::MODBUS_ADDRESS_NOT_LEARNED,
    catalogue::DNP3_OBJECT_NOT_LEARNED,
    catalogue::S7_DATA_BLOCK_NOT_LEARNED,
    catalogue::S7PLUS_OBJECT_NOT_LEARNED,
    catalogue::MODBUS_EXCEPTION_NOT_LEARNED,
    catalogue::MULTICAST_NOT_LEARNED,
    catalogue::DNP3_IIN_NOT_LEARNED,
    catalogue::FIRST_WRITER,
    catalogue::NEW_MASTER,
    catalogue::PLC_CONFIG_READ,
    catalogue::PLC_CONFIG_WRITE,
    catalogue::PLC_PROGRAM_UPLOAD,
    catalogue::PLC_PROGRAMMING,
];

/// The alert type that speaks where the baseline does not hold an entry of this key.
pub fn type_of(key: &EntryKey) -> Option<&'static AlertType> {
    use catalogue as c;
    let public = matches!(key.function, Some(1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43));
    let control = matches!(key.function, Some(0x1a..=0x1f | 0x28 | 0x29));
    Some(match (key.kind, key.protocol, key.space) {
        (EntryKind::Device, _, "") => c::DEVICE_NOT_LEARNED,
        (EntryKind::Device, ..) => c::FIELD_DEVICE_NOT_LEARNED,
        (EntryKind::Connection, ..) => c::CONNECTION_NOT_LEARNED,
        (EntryKind::Function, "modbus", _) if public => c::MODBUS_FUNCTION_NOT_LEARNED,
        (EntryKind::Function, "modbus", _) => c::MODBUS_VENDOR_FUNCTION_NOT_LEARNED,
        (EntryKind::Function, "dnp3", _) => c::DNP3_FUNCTION_NOT_LEARNED,
        (EntryKind::Function, "s7comm", _) if control => c::S7_CONTROL_NOT_LEARNED,
        (EntryKind::Function, "s7comm", _) => c::S7_USER_FUNCTION_NOT_LEARNED,
        (EntryKind::Function, "s7comm-plus", _) => c::S7PLUS_OPERATION_NOT_LEARNED,
        (EntryKind::Range, "modbus", _) => c::MODBUS_ADDRESS_NOT_LEARNED,
        (EntryKind::Range, "dnp3", _) => c::DNP3_OBJECT_NOT_LEARNED,
        (EntryKind::Range, "s7comm", _) => c::S7_DATA_BLOCK_NOT_LEARNED,
        (EntryKind::Range, "s7comm-plus", _) => c::S7PLUS_OBJECT_NOT_LEARNED,
        (EntryKind::Exception, ..) => c::MODBUS_EXCEPTION_NOT_LEARNED,
        (EntryKind::Group, ..) => c::MULTICAST_NOT_LEARNED,
        (EntryKind::Property, "dnp3", _) => c::DNP3_IIN_NOT_LEARNED,
        (EntryKind::Writer, ..) => c::FIRST_WRITER,
        (EntryKind::Operation, _, "command") => c::NEW_MASTER,
        (EntryKind::Operation, _, "config-read") => c::PLC_CONFIG_READ,
        (EntryKind::Operation, _, "config-write") => c::PLC_CONFIG_WRITE,
        (EntryKind::Operation, _, "program-read") => c::PLC_PROGRAM_UPLOAD,
        (EntryKind::Operation, _, "program-write" | "program-delete") => c::PLC_PROGRAMMING,
        _ => return None,
    })
}

impl Learners {
    /// With what is configured and what the store holds.
    pub fn new(skipped: &[String], devices: &[(DeviceId, DeviceLearning)]) -> Self {
        let mut ids: Vec<&'static str> =
            skipped.iter().filter_map(|id| catalogue::by_id(id)).map(|kind| kind.id).collect();
        ids.sort_unstable();
        Self { skipped: ids, devices: devices.iter().copied().collect(), changed: false }
    }

    /// Whether alerts of this type speak while everything else is learned.
    pub fn skips(&self, kind: &AlertType) -> bool {
        !self.skipped.is_empty() && self.skipped.binary_search(&kind.id).is_ok()
    }

    /// Whether an entry is not learned: the type that it serves is not.
    pub fn skips_entry(&self, key: &EntryKey) -> bool {
        !self.skipped.is_empty() && type_of(key).is_some_and(|kind| self.skips(kind))
    }

    /// Whether no device has a learning time of its own.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The learning of a device.
    pub fn of(&self, device: DeviceId) -> Option<DeviceLearning> {
        self.devices.get(&device).copied()
    }

    /// Lets a device learn. Whether it did not before.
    pub fn start(&mut self, device: DeviceId, learning: DeviceLearning) -> bool {
        if self.devices.len() >= MOST_DEVICES && !self.devices.contains_key(&device) {
            let first = self.devices.iter().min_by_key(|(id, learning)| (learning.until, **id)).map(|(id, _)| *id);
            first.and_then(|id| self.devices.remove(&id));
        }
        self.changed = true;
        self.devices.insert(device, learning).is_none()
    }

    /// Puts another device in the place of one that was merged into it.
    pub fn rename(&mut self, from: DeviceId, into: DeviceId) {
        if let Some(learning) = self.devices.remove(&from) {
            self.devices.entry(into).or_insert(learning);
            self.changed = true;
        }
    }

    /// Takes out the devices whose time is over.
    pub fn end(&mut self, now: Timestamp) -> Vec<DeviceId> {
        if self.devices.is_empty() {
            return Vec::new();
        }
        let over: Vec<DeviceId> =
            self.devices.iter().filter(|(_, learning)| learning.until <= now).map(|(id, _)| *id).collect();
        for id in &over {
            self.devices.remove(id);
            self.changed = true;
        }
        over
    }

    /// All devices that learn, where something of them changed since the last call.
    pub fn take_changes(&mut self) -> Option<Vec<(DeviceId, DeviceLearning)>> {
        std::mem::take(&mut self.changed).then(|| self.devices.iter().map(|(id, learning)| (*id, *learning)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_that_need_a_baseline() {
        for kind in TYPES {
            assert!(kind.needs_baseline && kind.learnable, "{}", kind.id);
        }
    }
}
