//! Devices and channels that fall silent or answer with errors.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const EXCEPTION_PATTERN: AlertType = AlertType {
    number: AlertTypeId::EXCEPTION_PATTERN,
    id: "exception-pattern",
    title: "Abnormal pattern of error answers",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Minor,
    default_on: false,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 20, seconds: 3600 }),
    techniques: Techniques::Fixed(&["T0806", "T0855"]),
    protocols: &["modbus", "dnp3", "s7comm"],
    sees: "One server gives an unusual number of error answers within an hour.",
    why_it_matters: "Many refusals mean that a part of the work does not get done: values are missing or commands \
        fail. They may also be the trace of somebody trying out the device.",
    evidence: "The server, the number of error answers, their codes with counts, the clients that got them, and \
        the most frequent refused requests.",
    false_alarms: "A client with wrong tags that are refused at each poll, and units that are switched off behind a \
        gateway. They are steady over days.",
    remediation: &[
        "Look at which client and which request cause most of the errors.",
        "Correct the tags or the device type at that client if they never worked.",
        "If the errors began suddenly, ask what was changed at the server, such as its program, its \
            mode or its wiring.",
        "If many different requests are refused, treat it as a scan, and find out who uses the \
            client.",
        "If the errors are known and harmless, mute the alert for this server.",
    ],
};

pub(super) const CHANNEL_SILENT: AlertType = AlertType {
    number: AlertTypeId::CHANNEL_SILENT,
    id: "channel-silent",
    title: "Periodic channel went silent",
    engine: EngineKind::Anomaly,
    category: "unresponsive",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 0, seconds: 60 }),
    techniques: Techniques::Fixed(&["T0803", "T0881"]),
    protocols: &[],
    sees: "A channel that was periodic while learning carries no traffic any more.",
    why_it_matters: "If the poll stops, the screens show old values that look like fresh ones, and commands may not \
        get through. It can be a failed device or line, or somebody who cut it off.",
    evidence: "The pair of devices, the function, the learned interval, the last message, and whether the \
        client or the server fell silent.",
    false_alarms: "Planned stops, weekends, switch-overs to a redundant server, and a mirror port that was changed. \
        If all channels fall silent at once, look at the sensor's own connection first.",
    remediation: &[
        "Check whether other channels of the same switch or sensor port are silent too; if all are, \
            check the mirror port.",
        "See which side stopped: if the client no longer asks, look at the master; if the server no \
            longer answers, look at the device.",
        "Ask the control room whether the values are marked as bad and whether the section was shut \
            down.",
        "Look at link lights, power and the switch ports of both devices.",
        "Check for a stop, restart, listen-only or flood alert of the same devices just before.",
        "If it is a planned pause, mute the alert; if the channel was removed for good, delete its \
            entry from the baseline.",
    ],
};

pub(super) const DEVICE_UNRESPONSIVE: AlertType = AlertType {
    number: AlertTypeId::DEVICE_UNRESPONSIVE,
    id: "device-unresponsive",
    title: "Device suspected disconnected",
    engine: EngineKind::Operational,
    category: "unresponsive",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 8, seconds: 300 }),
    techniques: Techniques::Fixed(&["T0881", "T0826"]),
    protocols: &[],
    sees: "A device leaves many requests unanswered and is probably disconnected.",
    why_it_matters: "Nothing of this device can be seen or controlled from the control room until it comes back.",
    evidence: "The device, the clients and protocols whose requests it left unanswered, their number, and the \
        last packet it sent.",
    false_alarms: "A planned shutdown, an exchanged device with a new address, a removed device that is still \
        polled, or a mirror port that shows one direction only. In the last case the HMI has good \
        values.",
    remediation: &[
        "Check on the HMI whether values of the device still come in; if they do, check whether the \
            mirror port shows both directions.",
        "Look at power, link and fault lights of the device and at the state of its switch port.",
        "Try to reach it from the engineering station, and connect to it locally if that fails.",
        "Look for a flood, a scan, a stop or a firmware alert of the same device just before.",
        "If it was removed on purpose, delete its tags at the masters so that they stop asking; if \
            work is in progress, mute the alert.",
    ],
};
