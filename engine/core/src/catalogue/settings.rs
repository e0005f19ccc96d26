//! What a device is and how it is set: firmware, clock, configuration.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques};

pub(super) const FIRMWARE_CHANGED: AlertType = AlertType {
    number: AlertTypeId::FIRMWARE_CHANGED,
    id: "firmware-changed",
    title: "Device firmware changed",
    engine: EngineKind::PolicyViolation,
    category: "firmware-change",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0857"]),
    protocols: &[],
    sees: "A firmware version that a device tells of itself differs from the one stored for it.",
    why_it_matters: "Either somebody loaded other firmware, or another device now answers under this address. \
        Both belong into the records of the plant, and firmware that nobody planned can do anything.",
    evidence: "The device, the former and the new version with the time each was told, the object they were read \
        from, and the frame.",
    false_alarms: "A planned update, and an exchanged device of a newer production. A work order and, for an \
        exchange, a new serial number go with it.",
    remediation: &[
        "Look for a work order for an update or an exchange of this device.",
        "Compare serial number and MAC address with the inventory to tell an update from an exchange.",
        "Look for file transfers, program writes and restarts of the device before the change, and for who sent \
            them.",
        "If nobody planned it, ask the vendor how to verify the firmware, and treat the device as untrusted \
            until then.",
        "If it was planned, save a new backup and learn the alert.",
    ],
};

pub(super) const FIRMWARE_UPDATE: AlertType = AlertType {
    number: AlertTypeId::FIRMWARE_UPDATE,
    id: "firmware-update",
    title: "Firmware loaded into a device",
    engine: EngineKind::ProtocolViolation,
    category: "firmware-change",
    severity: Severity::Warning,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0857", "T0800"]),
    protocols: &["modbus", "s7comm", "s7comm-plus", "dnp3"],
    sees: "Firmware is loaded into a device over the network, or a command puts loaded firmware to use.",
    why_it_matters: "During the update the device does not do its work, and afterwards it does what the new \
        firmware says. A wrong file can make it unusable for good.",
    evidence: "The sending device, the device that is loaded, the command or file with its name and size, and \
        whether the device accepted it.",
    false_alarms: "Planned updates by the engineering station, and activation of a configuration by the same \
        command on devices that use it for both.",
    remediation: &[
        "Call the control room and ask whether an update of this device was agreed on for this time.",
        "If it was not, disconnect the sending device before the transfer is complete, and do not restart the \
            loaded device.",
        "Check the firmware version in the device against the one released for the plant.",
        "If it was loaded already and nobody planned it, take the device out of operation and ask the vendor how \
            to restore it.",
        "If the station is meant to do updates, learn the alert.",
    ],
};

pub(super) const CLOCK_SET: AlertType = AlertType {
    number: AlertTypeId::CLOCK_SET,
    id: "clock-set",
    title: "Device clock set",
    engine: EngineKind::Operational,
    category: "configuration-changes",
    severity: Severity::Minor,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0836"]),
    protocols: &["s7comm", "dnp3"],
    sees: "The clock of a device is set by a device that did not do so before.",
    why_it_matters: "Event times of a substation or a controller come from this clock. Wrong times spoil fault \
        records, interlocks by time and signed messages, and hide the order of what happened.",
    evidence: "The setting device, the device whose clock was set, the time that was written where it is known, \
        and whether it was accepted.",
    false_alarms: "A master that sets the clock when the device asks for it after a restart, a new time server, \
        and the engineering station that goes online. The same master then does it again and again.",
    remediation: &[
        "Compare the clock of the device with a trusted clock.",
        "Check whether the sender is the master or time server that is meant to set it.",
        "If the time is wrong, set it again from the right source and note the span in which times are wrong.",
        "If nobody can say why this sender set the clock, look at what else it sent to the device.",
        "If it is the usual source of time, learn the alert.",
    ],
};

pub(super) const DEVICE_CONFIGURATION_CHANGED: AlertType = AlertType {
    number: AlertTypeId::DEVICE_CONFIGURATION_CHANGED,
    id: "device-configuration-changed",
    title: "Device reports a changed configuration",
    engine: EngineKind::Operational,
    category: "configuration-changes",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0836"]),
    protocols: &[],
    sees: "What a device tells of its configuration (identifier, version, date or checksum) differs from what it \
        told before.",
    why_it_matters: "Settings of protection, measuring and communication are in there. A change that is not in \
        the records is a fault in the procedure or the work of somebody else.",
    evidence: "The device, the property with its former and its new value and the time each was told, and the \
        frame.",
    false_alarms: "Planned changes by the protection or automation engineer, and devices that count their \
        configuration up by themselves when they restart.",
    remediation: &[
        "Look for a work order for a change of this device.",
        "Look for configuration writes, file transfers or sign-ins to the device before the change, and for who \
            sent them.",
        "Read the configuration out of the device and compare it with the last approved one.",
        "If nobody changed it on purpose, load the approved configuration and examine the device that sent the \
            change.",
    ],
};
