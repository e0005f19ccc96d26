//! What DNP3 outstations say of their own state, and what is done to their files and keys.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const DNP3_FILE_OPERATION: AlertType = AlertType {
    number: AlertTypeId::DNP3_FILE_OPERATION,
    id: "dnp3-file-operation",
    title: "File operation on an outstation",
    engine: EngineKind::Operational,
    category: "configuration-changes",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0867", "T0809"]),
    protocols: &["dnp3"],
    sees: "A master opens, writes, deletes or authenticates a file of an outstation.",
    why_it_matters: "Outstations keep configuration, firmware, fault records and logs in files. Reading them is \
        service work; writing or deleting them changes the device or removes traces.",
    evidence: "Master and outstation, the file function with the name of the file, mode and size, and what the \
        outstation answered.",
    false_alarms: "Automatic collection of fault records, which reads files of the same folder at the same hours, \
        and planned firmware updates.",
    remediation: &[
        "Read the name and the function: reading a fault record is harmless, writing and deleting are not.",
        "Ask the protection or automation engineer whether they worked with files of this outstation.",
        "If a file was written, compare configuration and firmware version with the approved ones.",
        "If a file was deleted, save what is left of the logs before anything else is done.",
        "If the sender is not a configured master, block it and have it examined.",
        "If the transfer belongs to normal work, learn the alert.",
    ],
};

pub(super) const DNP3_CONFIG_CORRUPT: AlertType = AlertType {
    number: AlertTypeId::DNP3_CONFIG_CORRUPT,
    id: "dnp3-config-corrupt",
    title: "Outstation reports corrupt configuration",
    engine: EngineKind::Operational,
    category: "configuration-changes",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0809"]),
    protocols: &["dnp3"],
    sees: "An outstation reports that its configuration is corrupt (IIN2.5).",
    why_it_matters: "The outstation may run with default settings, protect wrongly, or refuse commands. Destroyed \
        configuration is also what an attack that wants to put a device out of use leaves behind.",
    evidence: "The outstation with the time when it first set the indication, its other indications, and the last \
        command sent to it.",
    false_alarms: "An interrupted download of a configuration. It goes away when the download is done again.",
    remediation: &[
        "Tell the control room that the outstation may not act as set up, and operate the section locally if \
            needed.",
        "Look for file transfers, configuration writes and restarts of the same outstation just before.",
        "Read the diagnostics of the outstation with the tool of its vendor.",
        "Load the last approved configuration and check that the indication goes away.",
        "If nobody was working on it, keep a copy of the corrupt configuration for examination before you \
            overwrite it.",
    ],
};

pub(super) const DNP3_BUFFER_OVERFLOW: AlertType = AlertType {
    number: AlertTypeId::DNP3_BUFFER_OVERFLOW,
    id: "dnp3-buffer-overflow",
    title: "Outstation event buffer overflow",
    engine: EngineKind::Operational,
    category: "buffer-overflow",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0814"]),
    protocols: &["dnp3"],
    sees: "An outstation reports that its event buffer overflowed (IIN2.3): events are lost.",
    why_it_matters: "The control room does not get to know everything that happened: changes between the last \
        event kept and now are missing from logs and alarms.",
    evidence: "The outstation, the time when the indication was set, its other indications, and the last command \
        it got before.",
    false_alarms: "A master that was out of service for a while, or a chattering contact. The indication ends \
        when the master has read the events.",
    remediation: &[
        "Check whether the master reads the events of this outstation regularly or has unsolicited reports \
            enabled.",
        "Look for an alert that reporting was disabled, or that the channel went silent.",
        "Look in the event list for a point that changes all the time, and have its contact or dead band \
            corrected.",
        "Read the log of the outstation itself, if it has one, for what the control room missed.",
    ],
};

pub(super) const DNP3_BUFFER_OVERFLOW_CONTINUOUS: AlertType = AlertType {
    number: AlertTypeId::DNP3_BUFFER_OVERFLOW_CONTINUOUS,
    id: "dnp3-buffer-overflow-continuous",
    title: "Outstation event buffer keeps overflowing",
    engine: EngineKind::Operational,
    category: "buffer-overflow",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 3, seconds: 600 }),
    techniques: Techniques::Fixed(&["T0814"]),
    protocols: &["dnp3"],
    sees: "An outstation reports an overflow of its event buffer again and again within minutes.",
    why_it_matters: "Events get lost all the time, so alarms of this outstation cannot be relied on. Somebody who \
        floods it or keeps its master from reading causes the same.",
    evidence: "The outstation, how often the indication was set anew within the window, and the last command it \
        got before.",
    false_alarms: "A contact that chatters or a dead band that is far too small; the points concerned then fill \
        the event list.",
    remediation: &[
        "Tell the control room that alarms of this outstation may be missing.",
        "Find the points with the most events and have their filter time or dead band raised.",
        "Check whether the master reads events often enough, and whether somebody turned its polling or the \
            unsolicited reports off.",
        "Look for a flood or a scan toward the outstation at the same time.",
    ],
};

pub(super) const DNP3_OUTSTATION_RESTARTED: AlertType = AlertType {
    number: AlertTypeId::DNP3_OUTSTATION_RESTARTED,
    id: "dnp3-outstation-restarted",
    title: "Outstation restarted",
    engine: EngineKind::Operational,
    category: "restart-stop",
    severity: Severity::Warning,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0816"]),
    protocols: &["dnp3"],
    sees: "An outstation reports that it restarted (IIN1.7).",
    why_it_matters: "During a restart nothing is protected, measured or switched, and afterwards counters, \
        setpoints and the clock may be wrong. It needs a reason: supply, fault, update, or a command.",
    evidence: "The outstation, the time when it first set the indication, its other indications, and the last \
        command it got before, such as a restart.",
    false_alarms: "Planned maintenance, an update of firmware, a short loss of supply. If the sensor begins to \
        listen after a restart whose indication the master did not clear, it is told once.",
    remediation: &[
        "Look for a restart command, a file transfer or a write to the same outstation just before.",
        "Ask the control room whether the supply failed or somebody worked on site.",
        "Check the clock, the counters and the setpoints of the outstation.",
        "Check that the master cleared the indication and read all data anew.",
        "If there is no reason, read the diagnostics of the outstation and note the cause of the restart.",
    ],
};

pub(super) const DNP3_OUTSTATION_RESTARTS: AlertType = AlertType {
    number: AlertTypeId::DNP3_OUTSTATION_RESTARTS,
    id: "dnp3-outstation-restarts",
    title: "Outstation restarts often",
    engine: EngineKind::Operational,
    category: "restart-stop",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 2, seconds: 600 }),
    techniques: Techniques::Fixed(&["T0816", "T0814"]),
    protocols: &["dnp3"],
    sees: "An outstation reports a restart several times within minutes.",
    why_it_matters: "A device that restarts again and again does not do its work. The reason is a failing supply \
        or device, or somebody who sends it restarts or messages that make it crash.",
    evidence: "The outstation, how many restarts it reported within the window, and the command it got before the \
        last one.",
    false_alarms: "Commissioning, and firmware updates that restart a device in two steps.",
    remediation: &[
        "Look for restart commands and malformed messages before each restart, and block their sender.",
        "Operate the section locally until the outstation is stable.",
        "Check the supply voltage and the temperature of the outstation on site.",
        "Read its diagnostics, and plan an exchange if it restarts by itself.",
    ],
};

pub(super) const DNP3_DEVICE_TROUBLE: AlertType = AlertType {
    number: AlertTypeId::DNP3_DEVICE_TROUBLE,
    id: "dnp3-device-trouble",
    title: "Outstation reports device trouble",
    engine: EngineKind::Operational,
    category: "operational-issues",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&[]),
    protocols: &["dnp3"],
    sees: "An outstation reports trouble with itself (IIN1.6).",
    why_it_matters: "The device says that something in it does not work: a module, a supply, a self-test. Some of \
        its values and commands cannot be relied on.",
    evidence: "The outstation with the time when it set the indication, all its indications at that time, and the \
        last command before.",
    false_alarms: "Devices that set the indication for a minor state such as a missing clock or an open door. It \
        is then set for days and is in their manual.",
    remediation: &[
        "Read the diagnostics of the outstation with the tool of its vendor or at its display.",
        "Tell the control room which equipment depends on it, and check that its values are plausible.",
        "Look for commands or malformed messages to it just before.",
        "Have the faulty module exchanged, and check that the indication goes away.",
        "If the vendor describes the cause as harmless, mute the alert for this outstation.",
    ],
};

pub(super) const DNP3_AUTHENTICATION_ERROR: AlertType = AlertType {
    number: AlertTypeId::DNP3_AUTHENTICATION_ERROR,
    id: "dnp3-authentication-error",
    title: "DNP3 authentication error",
    engine: EngineKind::Operational,
    category: "authentication",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0859"]),
    protocols: &["dnp3"],
    sees: "Secure authentication between a master and an outstation fails.",
    why_it_matters: "One of the two could not prove who it is, so a command was refused. Keys that do not fit are \
        the harmless reason; a forged command is the other.",
    evidence: "Master and outstation, the error with its code and name, the user number, and the request that was \
        to be authenticated.",
    false_alarms: "Keys or user numbers that were changed on one side only, and clocks or sequence numbers that \
        run apart after an exchange of a device. It then fails from that moment on each time.",
    remediation: &[
        "See whether all or only single exchanges of the two fail.",
        "If all fail, ask who changed keys, users or devices, and bring both sides to the same keys.",
        "If single ones fail, compare IP, MAC and link address of the sender with those of the configured \
            master.",
        "Ask the operator whether a command was refused at that time.",
        "Change the keys of the two if it cannot be explained.",
    ],
};
