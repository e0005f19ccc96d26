//! Who talks to whom, and what is written, against the baseline.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques};

pub(super) const CONNECTION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::CONNECTION_NOT_LEARNED,
    id: "connection-not-learned",
    title: "New connection between devices",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Minor,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0869"]),
    protocols: &[],
    sees: "Two devices talk with a protocol or port that the baseline does not hold for them.",
    why_it_matters: "Each device in a plant has few partners, and they seldom change. A new path is the first step of \
        nearly every attempt to reach a controller, and often the first sign of a changed configuration.",
    evidence: "Client and server, protocol and server port, the time of the first packet, whether the server \
        accepted the connection, and the baseline's connections of both devices.",
    false_alarms: "A rare job such as a monthly report, a backup, a switch to the redundant server, or a new tag in \
        the historian. They come from a device that already reads similar data and stay with its usual \
        protocol.",
    remediation: &[
        "Check what the client is: an HMI or a historian that reads is less urgent than a laptop or \
            an office computer.",
        "Ask the person responsible for the client whether a program, a driver or a server address \
            was changed that day.",
        "Look at the events of both devices around that time for writes, program transfers or refused \
            requests.",
        "If the connection is not wanted, remove it at the client, and block the path at the firewall \
            or by an access list on the switch.",
        "If it is wanted and will come again, learn the alert; if it was a single test, close it \
            without learning.",
    ],
};

pub(super) const NEW_MASTER: AlertType = AlertType {
    number: AlertTypeId::NEW_MASTER,
    id: "new-master",
    title: "New master or client commands a controller",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0848", "T0855"]),
    protocols: &["modbus", "dnp3", "s7comm", "s7comm-plus"],
    sees: "A device that never did so before writes to, or controls, a controller that other devices \
        command.",
    why_it_matters: "Modbus and its kin do not ask who is speaking: whoever reaches the controller can open valves \
        and change setpoints. A second commanding device may fight with the first one and is exactly \
        what an intruder would need to become.",
    evidence: "The new commanding device and the known ones, the function and the points that it wrote with \
        their values, and whether the controller accepted, refused or ignored the command.",
    false_alarms: "A standby server that takes over, a replaced HMI with a new address, or a technician with a \
        service laptop during commissioning. In a take-over the old master falls silent at the same \
        time.",
    remediation: &[
        "Call the control room at once and ask whether the commanded points moved and whether \
            somebody is working on that controller.",
        "Compare the written values with the setpoints on the HMI, and restore them or switch to \
            local operation if they are wrong.",
        "Find out who sits at the sending device; if nobody can be found, disconnect that device, not \
            the controller.",
        "Check the redundancy status of the master stations, since a take-over explains the change.",
        "Allow only the named masters in the controller's or gateway's client list, or at the \
            firewall in front of it.",
        "If the device is a master from now on, learn the alert and record the new master in the \
            network plan.",
    ],
};

pub(super) const MULTICAST_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::MULTICAST_NOT_LEARNED,
    id: "multicast-not-learned",
    title: "Multicast or broadcast not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "abnormal-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0846"]),
    protocols: &["ethernet", "ip"],
    sees: "A device sends to a multicast or broadcast group that it was not learned to use.",
    why_it_matters: "Group messages reach every device of the network segment at once. Programs that search for \
        devices start with them, and a faulty or badly configured device can load small controllers with \
        them until they fall behind.",
    evidence: "The sending device, the group address, the protocol or port where it is known, and how many \
        packets were sent.",
    false_alarms: "A new network function such as time sync, ring redundancy, printer or media discovery after an \
        update of Windows, or a device that restarted. Addresses such as 224.0.0.251 (mDNS), \
        239.255.255.250 (SSDP) or 224.0.0.252 (LLMNR) point to ordinary office software.",
    remediation: &[
        "Look up what the group address is used for, and check whether the sending device offers that \
            function.",
        "Ask whoever looks after the device whether an update, a new program or a restart happened at \
            that time.",
        "If a search tool of an engineering package was used, ask who used it and on which computer.",
        "Turn off discovery functions that a plant computer does not need, such as SSDP and LLMNR on \
            Windows.",
        "If the group belongs to the device's normal work, learn the alert.",
    ],
};

pub(super) const REMOTE_ACCESS_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::REMOTE_ACCESS_NOT_LEARNED,
    id: "remote-access-not-learned",
    title: "Remote access session not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "remote-access",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0886", "T0822"]),
    protocols: &["ssh", "rdp", "vnc", "telnet"],
    sees: "A session of SSH, Remote Desktop, VNC, Telnet or TeamViewer runs between two devices that never had one while \
        learning, on whatever port.",
    why_it_matters: "Who has a screen or a shell on an operator station or a server can do all that the person in front \
        of it can. Intruders move through plants in just these sessions.",
    evidence: "Client and server, protocol and port, the user's name where the protocol shows it, whether the server \
        accepted, and the remote sessions that the baseline allows the two.",
    false_alarms: "Support by a supplier that happens once a year, or a new computer of an engineer. Both have a name and \
        a date that somebody knows.",
    remediation: &[
        "Ask the person responsible for the server whether a session was agreed on, with whom and for how long.",
        "See where the client stands: a session from the office network or from outside is the more urgent.",
        "Look at what the server did from then on: commands, program transfers, new connections.",
        "If nobody knows of it, cut the session at the firewall, and change the passwords of the server.",
        "If it is wanted and will come again, learn the alert.",
    ],
};

pub(super) const WRITE_VALUE_OUTSIDE_RANGE: AlertType = AlertType {
    number: AlertTypeId::WRITE_VALUE_OUTSIDE_RANGE,
    id: "write-value-outside-range",
    title: "Written value outside the learned range",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server, Part::Point],
    threshold: None,
    techniques: Techniques::Fixed(&["T0836", "T0831"]),
    protocols: &["modbus", "dnp3", "s7comm"],
    sees: "A value written to a point lies outside the range that was learned for that point.",
    why_it_matters: "Controllers mostly accept any number that fits into the register, not only sensible ones. A \
        setpoint far from its usual range can damage equipment or spoil a batch, whether it was typed \
        wrongly or sent on purpose.",
    evidence: "The point, the written value, the learned minimum and maximum with the number of writes behind \
        them, the writing device, and whether the controller accepted the value.",
    false_alarms: "A new product or recipe, start-up and shutdown, a test of limits, or a learning period too short \
        to hold all operating states. The operator's log shows the reason in most cases.",
    remediation: &[
        "Read the present value of the point on the HMI and compare it with the written one and with \
            the process limits.",
        "Ask the operator on duty whether they entered the value; if not, restore the last good \
            setpoint and watch the process.",
        "Check what else the writing device wrote in the same minutes.",
        "If the value was wrong, set input limits for the point on the HMI and, where possible, in \
            the controller's program.",
        "If the value is legitimate, for example in a new recipe, learn the alert so that the range \
            is widened to it.",
    ],
};

pub(super) const FIRST_WRITER: AlertType = AlertType {
    number: AlertTypeId::FIRST_WRITER,
    id: "first-writer",
    title: "First write to a point by this device",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855", "T0836"]),
    protocols: &["modbus", "dnp3", "s7comm"],
    sees: "A device writes for the first time to a point that was only read before or that others write.",
    why_it_matters: "Each setpoint normally has one owner, for example the HMI of its section. Another writer means \
        two sources of command for the same equipment, and the operators may not see why it moves.",
    evidence: "The point and the written value, the new writer, the writers known so far, and whether the \
        controller accepted the write.",
    false_alarms: "A seldom used operator function, a new faceplate on the HMI, a recipe server put into service, \
        or a take-over by a standby station. The writer is then a known HMI or server of the same \
        section.",
    remediation: &[
        "Ask the operator of the section whether the equipment behind the point was operated on \
            purpose at that time.",
        "Look up the point in the controller's tag list to see what it does and who is meant to write \
            it.",
        "If the writer is an HMI or a server, ask its engineer whether a screen, a script or a recipe \
            was changed recently.",
        "If the writer should not write, correct its configuration and restrict it to reading, in the \
            gateway or by a firewall that knows the protocol.",
        "If the writer is meant to write the point from now on, learn the alert.",
    ],
};

pub(super) const POLLING_RHYTHM: AlertType = AlertType {
    number: AlertTypeId::POLLING_RHYTHM,
    id: "polling-rhythm",
    title: "Polling rhythm changed",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Minor,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0802", "T0803"]),
    protocols: &[],
    sees: "The interval of a periodic exchange moves away from the one that was learned.",
    why_it_matters: "Polling is the heartbeat of a plant network. A slower beat means old values on the screens; a \
        faster or double one may mean a second reader, or a device that slips into the conversation.",
    evidence: "The pair of devices, the function, the learned interval with its spread, and the interval seen \
        now.",
    false_alarms: "A changed scan rate, more tags in a poll group, a restarted driver, a busy server or a slow \
        radio link. The new interval is then steady and starts with a restart or with a change at the \
        master.",
    remediation: &[
        "Check the scan rate and the driver statistics at the master, and whether timeouts and \
            retries went up.",
        "Ask the engineer of the master whether tags, poll groups or scan classes were changed.",
        "Look at the load of the master computer and at the error counters of the switch ports along \
            the way.",
        "Check whether another device polls the same server since about the same time.",
        "If the new rhythm is intended, learn the alert; if not, restore the former scan rate.",
    ],
};
