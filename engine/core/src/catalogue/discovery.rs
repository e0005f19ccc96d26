//! Devices that the baseline does not hold.

use super::{AlertType, AlertTypeId, EngineKind, Severity, Techniques};

pub(super) const DEVICE_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::DEVICE_NOT_LEARNED,
    id: "device-not-learned",
    title: "New device detected",
    engine: EngineKind::PolicyViolation,
    category: "discovery",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[],
    threshold: None,
    techniques: Techniques::Fixed(&["T0864"]),
    protocols: &[],
    sees: "A device that the baseline does not hold sends traffic on an OT subnet.",
    why_it_matters: "Devices on a plant network rarely change without somebody planning it. An unplanned one may be a \
        contractor's laptop, a wrongly patched cable or a person who wants a foothold next to the \
        controllers.",
    evidence: "The MAC and IP address of the device, the vendor that its MAC address belongs to, the VLAN, the \
        first frames it sent, whom it talked to and with which protocol.",
    false_alarms: "A spare part with the same function but another MAC address, a new access point or switch, a \
        service laptop on an announced visit, or a device that was only switched off while the sensor \
        learned. A work order or a date of commissioning that matches the first frame tells them apart.",
    remediation: &[
        "Ask the shift lead and whoever plans maintenance whether something was connected or replaced \
            at the time of the first detection.",
        "Look up the MAC address in the address table of the nearest switch to find the port and the \
            socket, and go and look at what is plugged in there.",
        "If nobody knows the device, disconnect its switch port after making sure with the control \
            room that no process depends on it, and keep the device for whoever handles security \
            incidents.",
        "Open the alerts and events of the devices it talked to and check whether it wrote to a \
            controller.",
        "If the device belongs there, add it to the plant's inventory and learn the alert.",
    ],
};

pub(super) const FIELD_DEVICE_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::FIELD_DEVICE_NOT_LEARNED,
    id: "field-device-not-learned",
    title: "New field device detected",
    engine: EngineKind::PolicyViolation,
    category: "discovery",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[],
    threshold: None,
    techniques: Techniques::Fixed(&["T0864"]),
    protocols: &[],
    sees: "A device that answers like a controller, outstation or I/O unit appears and is not in the \
        baseline.",
    why_it_matters: "Whatever answers as a controller is believed by the masters that poll it. A device that nobody \
        installed can feed wrong values to the control room, and one that was installed without a record \
        is missing from backups and spare part lists.",
    evidence: "The address or unit number under which the device answered, the client that asked, the protocol, \
        identity strings such as vendor and model where it gave them, and the frames of the first \
        exchange.",
    false_alarms: "A replaced controller, a new unit behind a known gateway, a simulator on a test bench, or a \
        seasonal plant section that was off while the sensor learned. The answers of a real replacement \
        usually carry the identity of the planned part.",
    remediation: &[
        "Compare the identity and the address with the work orders and the network plan of the plant \
            section.",
        "If it is a unit behind a gateway, look at the gateway's configuration page to see which \
            serial line or slot the unit number stands for.",
        "Ask the automation engineer of that section whether a simulator or a test bench was \
            connected to the plant network, and have it removed if so.",
        "If nobody claims it, check at the control room whether its values are shown or used \
            anywhere, and take the master that reads it to manual or local operation before you \
            disconnect the device.",
        "If it was installed on purpose, save its program and configuration with the other backups \
            and learn the alert.",
    ],
};
