//! Amounts of traffic: floods, sessions, bandwidth.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const ICMP_FLOOD: AlertType = AlertType {
    number: AlertTypeId::ICMP_FLOOD,
    id: "icmp-flood",
    title: "ICMP flood",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: Some(Threshold { count: 60, seconds: 60 }),
    techniques: Techniques::Fixed(&["T0814"]),
    protocols: &["icmp"],
    sees: "One device sends more pings or other ICMP messages of its own within a minute than the threshold; answers do not \
        count.",
    why_it_matters: "Small controllers answer each ping with the processor that runs the program. Many or large ones make \
        some of them slow, or stop them.",
    evidence: "The sender, the number of messages within the window, the last receiver, and the frames.",
    false_alarms: "A person who lets ping run, and monitoring software with a short interval. They come from one known \
        station and go to few addresses.",
    remediation: &[
        "Ask whoever uses the sending device whether a ping or a monitoring program is running there.",
        "Check on the HMI whether the receiving device still answers in time.",
        "If nobody can explain it, unplug the sender and have it examined.",
        "Set the interval of a monitoring program to ten seconds or more for controllers.",
        "If a known station has to do it, raise the threshold or mute the alert for it.",
    ],
};

pub(super) const EXCESSIVE_SESSIONS: AlertType = AlertType {
    number: AlertTypeId::EXCESSIVE_SESSIONS,
    id: "excessive-sessions",
    title: "Excessive number of sessions",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 50, seconds: 60 }),
    techniques: Techniques::Fixed(&["T0814", "T0806"]),
    protocols: &["tcp"],
    sees: "One device opens very many TCP sessions to one server within a minute, and the server accepts them.",
    why_it_matters: "Controllers serve a handful of sessions at a time. When one client takes them all, the HMI no longer \
        gets in and the operators lose sight of the process.",
    evidence: "Client and server, the number of sessions within the window, the last port, and the frames.",
    false_alarms: "A client that opens a session for every single poll, and one that reconnects without pause after an \
        error. Both use one port and go on for long.",
    remediation: &[
        "Check on the HMI whether the server still gives values.",
        "Look at the client program for a reconnect time of zero or a session for each request, and correct it.",
        "If the client is not known, disconnect it and have it examined.",
        "Restart the communication of the server if it no longer takes sessions after the load has ended.",
        "Limit sessions for each client at the firewall or by an access list, if the server allows it.",
    ],
};

pub(super) const BANDWIDTH: AlertType = AlertType {
    number: AlertTypeId::BANDWIDTH,
    id: "bandwidth",
    title: "Abnormal bandwidth of a device",
    engine: EngineKind::Anomaly,
    category: "bandwidth",
    severity: Severity::Minor,
    default_on: false,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0814", "T0882"]),
    protocols: &[],
    sees: "A device sent and received, in one minute, more than three times of the highest minute that was learned for it.",
    why_it_matters: "Plant traffic is the same day after day. A sudden multiple means a large copy, a flood or a loop, \
        and the time-critical polls share the line with it.",
    evidence: "The device, the bytes of the minute, the highest learned minute with its baseline entry, the partner with \
        the largest share, and a frame of that minute.",
    false_alarms: "Backups, updates, program downloads and camera streams that did not happen while learning.",
    remediation: &[
        "Look at the partner with the largest share and ask what was being transferred.",
        "Check whether polls of the same devices became slow or failed at that time.",
        "If it was a flood or loop, find the port of the switch with the highest load and unplug it.",
        "Move backups and updates to a time at which the plant stands still.",
        "If the amount is normal from now on, learn the alert: it then counts as a learned minute.",
    ],
};

pub(super) const BANDWIDTH_PAIR: AlertType = AlertType {
    number: AlertTypeId::BANDWIDTH_PAIR,
    id: "bandwidth-pair",
    title: "Abnormal bandwidth between two devices",
    engine: EngineKind::Anomaly,
    category: "bandwidth",
    severity: Severity::Minor,
    default_on: false,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0882"]),
    protocols: &[],
    sees: "Two devices exchanged, in one minute, more than three times of the highest minute that was learned for the two.",
    why_it_matters: "Far more data than usual between two known devices is a copy of files, a read-out of a whole \
        controller, or a client that lost its measure.",
    evidence: "Both devices, the bytes of the minute in each direction, the highest learned minute with its baseline \
        entry, and a frame of that minute.",
    false_alarms: "Program downloads, backups of a controller and history that is fetched after an interruption.",
    remediation: &[
        "Ask whoever uses the client whether a program, a backup or history was being transferred.",
        "Look at the timeline of the two devices for reads, uploads or files in that minute.",
        "If data went out to an unknown device, disconnect that device and find out what was taken.",
        "Correct the poll rate of a client that asks far more often than before.",
        "If the amount is normal from now on, learn the alert: it then counts as a learned minute.",
    ],
};
