//! What the sensor itself receives.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const SENSOR_NO_TRAFFIC: AlertType = AlertType {
    number: AlertTypeId::SENSOR_NO_TRAFFIC,
    id: "sensor-no-traffic",
    title: "No traffic on a sensor interface",
    engine: EngineKind::Operational,
    category: "sensor-traffic",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Interface],
    threshold: Some(Threshold { count: 0, seconds: 60 }),
    techniques: Techniques::Fixed(&[]),
    protocols: &["sensor"],
    sees: "An interface on which the sensor listens has received no packet for the set time.",
    why_it_matters: "The sensor is blind on this interface: whatever happens in that part of the plant from now on is not \
        seen.",
    evidence: "The interface, the time of the last packet with its frame, and how long it has been silent.",
    false_alarms: "A plant that stands still with everything switched off. On replay of recorded files gaps are told only \
        where the configuration says that the recording was continuous.",
    remediation: &[
        "Check the cable, the link lights and the mirror port of the switch.",
        "Look in the configuration of the switch whether the mirror session is still there; updates and restarts remove it.",
        "Check in the operating system of the sensor whether the interface is up and counts packets.",
        "Compare with the HMI: if it shows fresh values, the plant is at work and the mirror is at fault.",
    ],
};

pub(super) const SENSOR_TRAFFIC_BACK: AlertType = AlertType {
    number: AlertTypeId::SENSOR_TRAFFIC_BACK,
    id: "sensor-traffic-back",
    title: "Traffic is back on a sensor interface",
    engine: EngineKind::Operational,
    category: "sensor-traffic",
    severity: Severity::Warning,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Interface],
    threshold: None,
    techniques: Techniques::Fixed(&[]),
    protocols: &["sensor"],
    sees: "An interface of the sensor receives packets again after it was reported as silent.",
    why_it_matters: "It tells for how long nothing was seen: that span is a hole in everything the sensor reports.",
    evidence: "The interface, the last packet before and the first after the silence, and its length.",
    false_alarms: "None of its own; it follows each report of silence.",
    remediation: &[
        "Note the span without sight, and look at the controllers' own logs for it.",
        "Find out who or what interrupted the mirror, and whether it was planned.",
        "Check that all networks are seen again, not only one of them.",
    ],
};

pub(super) const SENSOR_LOSS: AlertType = AlertType {
    number: AlertTypeId::SENSOR_LOSS,
    id: "sensor-loss",
    title: "Sensor drops packets",
    engine: EngineKind::Operational,
    category: "sensor-traffic",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Interface],
    threshold: None,
    techniques: Techniques::Fixed(&[]),
    protocols: &["sensor"],
    sees: "More than 0.1 percent of the packets of an interface were dropped before the sensor could look at them.",
    why_it_matters: "What was dropped was not examined. Messages may be missing in alerts, and some alerts may be missing \
        altogether.",
    evidence: "The interface, packets received and dropped since the last count, and the share that is.",
    false_alarms: "A short peak, such as a backup over the mirrored ports. Counters of a recording that was made \
        elsewhere tell of the machine that recorded it.",
    remediation: &[
        "Look at the load of the sensor's processor and disk at that time.",
        "Mirror fewer ports or networks to this interface, or only those with controllers.",
        "Check whether the mirror port is slower than the sum of what is mirrored to it.",
        "Give the sensor a faster machine or spread the ports over two sensors if it goes on.",
    ],
};

pub(super) const SENSOR_HALF_VISIBLE: AlertType = AlertType {
    number: AlertTypeId::SENSOR_HALF_VISIBLE,
    id: "sensor-half-visible",
    title: "Mirror port shows one direction only",
    engine: EngineKind::Operational,
    category: "sensor-traffic",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Interface],
    threshold: None,
    techniques: Techniques::Fixed(&[]),
    protocols: &["sensor"],
    sees: "Most TCP sessions of an interface are seen in one direction only, with each packet twice, or with their packets \
        cut short.",
    why_it_matters: "With one direction the sensor sees commands but not whether they took effect; cut packets hide \
        values. Double packets cost half of its capacity.",
    evidence: "The interface, the sessions judged, and how many of them were seen in one direction, doubled or cut short.",
    false_alarms: "Routes on which answers take another way, and a recording that was filtered or cut on purpose.",
    remediation: &[
        "Set the mirror session of the switch to both directions (rx and tx) for ports of controllers.",
        "If packets come twice, mirror either the ports or the network, not both, or one direction of each port.",
        "If packets are cut, raise the snap length of the recorder, or turn off truncation in the mirror session.",
        "Check with the sensor's statistics that the share has gone down afterwards.",
    ],
};
