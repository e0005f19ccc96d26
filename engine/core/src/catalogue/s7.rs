//! S7comm and S7comm-plus messages: against the baseline, against the specification, and as the controller answers them.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques};

pub(super) const S7_DATA_BLOCK_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::S7_DATA_BLOCK_NOT_LEARNED,
    id: "s7-data-block-not-learned",
    title: "S7 data block not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Warning,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["s7comm"],
    sees: "A client reads or writes a data block, or a memory area such as flags, inputs or outputs, that was not \
        learned for this pair.",
    why_it_matters: "An HMI or a partner controller works with a handful of data blocks that its project names. \
        Another block or area shows that somebody looks at, or changes, a part of the process that this client had \
        nothing to do with.",
    evidence: "Client and controller, the data block or area with the exact address, whether it was read or \
        written, the written values, the blocks learned for the pair, and whether the controller accepted it.",
    false_alarms: "New screens, recipes or archive tags in the HMI, and a technician with a variable table. The \
        first stay from then on, the second comes with an open engineering station and ends with the shift.",
    remediation: &[
        "Look up the data block in the program of the controller to learn which part of the process it holds.",
        "If it was written, check the values on the HMI and ask the operator whether the change was intended.",
        "Ask the engineer of the client whether tags, recipes or connections were added.",
        "If nobody changed it, look at the other alerts of the client and have the computer examined.",
        "If the access belongs to normal work, learn the alert, which allows reading or writing this block for \
            this pair.",
    ],
};

pub(super) const S7_CONTROL_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::S7_CONTROL_NOT_LEARNED,
    id: "s7-control-not-learned",
    title: "S7 control function not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["s7comm"],
    sees: "A client uses a program-invocation, block or mode service, such as download, upload, start or stop, that \
        was not learned for this pair.",
    why_it_matters: "With these services the program of a controller is read, replaced, started and stopped. \
        Engineering stations use them during planned work; an HMI, a historian or an unknown computer does not need \
        them.",
    evidence: "Client and controller, the service with its name and code, the block it is about, the services \
        learned for the pair, and whether the controller accepted, refused or did not answer it.",
    false_alarms: "Commissioning or maintenance with STEP 7 or TIA Portal, and backup software that reads out the \
        blocks at night. The work order or the schedule of the backup tells.",
    remediation: &[
        "Find out whether somebody was working with the programming software on that client at that time.",
        "Check the mode of the CPU and whether the process behind it runs as it should.",
        "Compare the blocks in the CPU with the project of the last backup: online against offline, and their \
            time stamps.",
        "If nobody was working on it, disconnect the client and turn the key switch to RUN or raise the \
            protection level.",
        "If this client is meant to do it, learn the alert, which allows this service for this pair only.",
    ],
};

pub(super) const S7_USER_FUNCTION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::S7_USER_FUNCTION_NOT_LEARNED,
    id: "s7-user-function-not-learned",
    title: "S7 user-data function not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["s7comm"],
    sees: "A client uses a user-data function (status lists, block information, variable tables, forcing, clock, \
        password, alarms) that was not learned for this pair.",
    why_it_matters: "User-data functions are the service side of a controller: they tell what it is and what goes \
        on in it, and some force variables, set the clock or deal with passwords. The set that an HMI uses is small \
        and fixed.",
    evidence: "Client and controller, the function group and subfunction with their names, the status list that was \
        asked for, the functions learned for the pair, and the answer of the controller.",
    false_alarms: "An engineering station that goes online, asset inventory software, or a driver update. Going \
        online brings many status lists within a minute and nothing that changes the controller.",
    remediation: &[
        "See what the subfunction does: status lists and block information only read, while force, clock and \
            password change something.",
        "Ask who was online with this controller, and from where.",
        "If variables were forced, have the forcing table of the CPU checked and cleared with the operator's \
            consent.",
        "If the client is no known engineering station, look at its other alerts for a scan, and disconnect it \
            if there is one.",
        "If it is the new normal, learn the alert, which allows this function for this pair.",
    ],
};

pub(super) const S7PLUS_OPERATION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::S7PLUS_OPERATION_NOT_LEARNED,
    id: "s7plus-operation-not-learned",
    title: "S7comm-plus operation not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["s7comm-plus"],
    sees: "A client uses an S7comm-plus function, such as SetMultiVariables, CreateObject or DeleteObject, that was \
        not learned for this pair.",
    why_it_matters: "TIA Portal and the panels speak to S7-1200 and S7-1500 in this way. A panel needs few \
        functions; those that create, delete or set objects are how programs are loaded and CPUs are stopped.",
    evidence: "Client and controller, the function with its code and operation class, the object it is about as far \
        as it is not encrypted, the functions learned for the pair, and the controller's answer.",
    false_alarms: "An engineering station that goes online, a panel whose firmware or project was renewed, or the \
        first day of a month on which reports are read. A change at the client explains it.",
    remediation: &[
        "Tell by the function whether it reads (Explore, GetVariable) or changes (Set, Create, Delete), and \
            hurry with the latter.",
        "Ask whether TIA Portal was in use on the client at that time and what was loaded.",
        "Check the mode of the CPU and compare the program online and offline in TIA Portal.",
        "If nobody was using it, disconnect the client, and set access protection with a password in the \
            properties of the CPU.",
        "If the function is part of normal work, learn the alert.",
    ],
};

pub(super) const S7PLUS_OBJECT_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::S7PLUS_OBJECT_NOT_LEARNED,
    id: "s7plus-object-not-learned",
    title: "S7comm-plus object not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["s7comm-plus"],
    sees: "A client reads or writes an object or variable by S7comm-plus that was not learned for this pair.",
    why_it_matters: "Panels and archives ask for the same tags all day. Another tag or another object of the CPU \
        means that the project of the client changed, or that somebody explores the controller.",
    evidence: "Client and controller, the name of the variable, or its symbol checksum or object number where it \
        has none, whether it was read or written, the values, and the controller's answer.",
    false_alarms: "A new or reloaded panel project, a watch table opened by a technician, or a program download \
        that renumbers symbols. The last one touches all tags of a pair at once.",
    remediation: &[
        "Look in the tag table or data block of the project for the variable; where only a checksum is known, the \
            project of the client tells which tags it asks for.",
        "If it was written, check with the operator what was changed and whether it was wanted.",
        "Ask the engineer whether panel or controller were loaded again shortly before.",
        "If there was no such change, examine the client and its other alerts.",
        "If the new variables belong to the project, learn the alert.",
    ],
};

pub(super) const S7PLUS_BLOCK_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::S7PLUS_BLOCK_NOT_LEARNED,
    id: "s7plus-block-not-learned",
    title: "S7comm-plus block access not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0889", "T0821"]),
    protocols: &["s7comm-plus"],
    sees: "A client reads, creates, changes or deletes program blocks of an S7-1200 or S7-1500 and was not learned \
        to do so.",
    why_it_matters: "The blocks are the program. Whoever reads them knows how the process is controlled, and \
        whoever replaces or deletes one changes what the machine does, perhaps without anything to see on the HMI.",
    evidence: "Client and controller, the block or object, what was done with it, whether the controller accepted \
        it, and the frames.",
    false_alarms: "Planned work with TIA Portal, comparison of programs, and version control software that reads \
        blocks at night. They come from the engineering station and have an order or a schedule.",
    remediation: &[
        "Ask at once who works with TIA Portal on this controller, and what is being loaded.",
        "Compare the program online and offline, and look at the time stamps and fingerprints of the blocks.",
        "If a block was created, changed or deleted without an order, keep the process under observation and \
            load the released program again.",
        "Disconnect a client that nobody answers for, and change the passwords of the CPU's protection levels.",
        "If this station may access blocks, learn the alert, or configure it as a programming device.",
    ],
};

pub(super) const S7PLUS_FIRMWARE_CHANGED: AlertType = AlertType {
    number: AlertTypeId::S7PLUS_FIRMWARE_CHANGED,
    id: "s7plus-firmware-changed",
    title: "S7comm-plus controller firmware changed",
    engine: EngineKind::PolicyViolation,
    category: "firmware-change",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0857"]),
    protocols: &["s7comm-plus"],
    sees: "The firmware that a controller gives when an S7comm-plus session begins differs from the one stored for \
        it.",
    why_it_matters: "The firmware of a CPU changes by an update with memory card or web server, or because the CPU \
        was exchanged. Both stop the process for a while and belong into the records; neither should come as a \
        surprise.",
    evidence: "The controller, its order number, the former and the new firmware with the time each was seen, and \
        the frames of the session's beginning.",
    false_alarms: "A planned update, or a spare CPU put in after a fault. With a spare the MAC address and the \
        serial number change as well.",
    remediation: &[
        "Look for a work order about this CPU, and ask the maintenance crew.",
        "See in the inventory whether MAC address or serial number changed, too, which speaks for another CPU.",
        "Check whether the new firmware is released for your plant, and read its release notes for changes of \
            protection settings.",
        "If nobody did it, compare program and hardware configuration with the backup, and check the web server \
            and update settings of the CPU.",
        "If it was planned, record it and learn the alert.",
    ],
};

pub(super) const PLC_MODE_CHANGED: AlertType = AlertType {
    number: AlertTypeId::PLC_MODE_CHANGED,
    id: "plc-mode-changed",
    title: "Controller operating mode changed",
    engine: EngineKind::Operational,
    category: "configuration-changes",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0858"]),
    protocols: &["s7comm", "s7comm-plus"],
    sees: "A controller tells another run state, key switch position or protection level than before.",
    why_it_matters: "In STOP the controller does not control. In RUN-P, or with a lower protection level, anybody \
        on the network may load another program, which the key switch should prevent during operation.",
    evidence: "The controller, the former and the new state, where it was told, the command that came just before \
        it if there was one, and the frame.",
    false_alarms: "Maintenance work, power failures, and program downloads, after which the controller goes back to \
        RUN by itself. The time between the changes and a command of the engineering station tell.",
    remediation: &[
        "Check on site, or with the control room, in which mode the controller is and whether the process is \
            safe.",
        "If a command is named, follow the alert about it; if there is none, ask who turned the switch or read \
            the diagnostic buffer.",
        "Turn the key switch back to RUN and keep the key elsewhere.",
        "Look for downloads or forced values while the controller was in the other mode.",
        "If it was planned work, close the alert with a comment.",
    ],
};

pub(super) const S7_BAD_HEADER: AlertType = AlertType {
    number: AlertTypeId::S7_BAD_HEADER,
    id: "s7-bad-header",
    title: "S7 header violates the specification",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0866"]),
    protocols: &["s7comm", "s7comm-plus"],
    sees: "An S7 message has a TPKT version or length, a COTP type, a protocol id, a message type or lengths of its \
        parts that the protocol does not define.",
    why_it_matters: "TIA Portal, STEP 7, WinCC and the usual drivers build their headers alike and without fault. A wrong \
        one comes from home-made software or from a tool that looks for weaknesses, and some older CPUs and \
        communication processors stop or drop their connections when they meet one.",
    evidence: "The sender, the layer and byte offset, what was expected and what stood there, the function as far as it \
        could be read, and the frame.",
    false_alarms: "Frames that the mirror port cut or lost, a vendor's own addition to the protocol, or another protocol \
        on port 102. The first shows in the sensor's health, the others come again and again from the same device.",
    remediation: &[
        "Look at the health of the sensor for cut frames and gaps at that time before anything else.",
        "Check the mode and the diagnostic buffer of the CPU, and whether its HMI connections still work.",
        "Find out which program on the sending device talks to port 102 of the controller.",
        "If that device is neither an engineering station nor an HMI, disconnect it and have it examined.",
        "Compare the firmware of CPU and communication processor with the vendor's security advisories.",
        "If a known product sends it by design, mute the alert for this pair and tell its vendor.",
    ],
};

pub(super) const S7_ERROR_RESPONSE: AlertType = AlertType {
    number: AlertTypeId::S7_ERROR_RESPONSE,
    id: "s7-error-response",
    title: "S7 controller rejected a job",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Minor,
    default_on: false,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["s7comm"],
    sees: "A controller answers an S7 job with an error class other than 0, or one of its items with another return \
        code than success.",
    why_it_matters: "A project that fits the controller asks for nothing that it refuses. A refusal shows a wrong address, \
        a missing data block, a protected function, or somebody who tries what the CPU lets through.",
    evidence: "Client and CPU, the job with its area, data block and address, the error class and code or the return \
        code of the item, each with its meaning, and the frames.",
    false_alarms: "An HMI project that is older than the program in the CPU, or tools that ask each CPU for lists that only \
        some of them have. The same item then fails at each poll, or only while somebody is online.",
    remediation: &[
        "Read the meaning of the code: a missing object speaks for a changed program, a refused access for the \
            protection level or the key switch.",
        "Check in STEP 7 or TIA Portal whether the data block exists and is long enough, and whether it is optimised.",
        "Ask the engineer of the client whether its tags were changed or the program was loaded again.",
        "If the client is unknown or the refused job would have changed something, look at its other alerts first.",
        "If it is a known fault of a project, correct the tag there, or mute the alert for this pair.",
    ],
};

pub(super) const S7_RESPONSE_MISMATCH: AlertType = AlertType {
    number: AlertTypeId::S7_RESPONSE_MISMATCH,
    id: "s7-response-mismatch",
    title: "S7 answer does not match its job",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0856", "T0830"]),
    protocols: &["s7comm"],
    sees: "An S7 acknowledgement has a PDU reference that no open job has, or another function or number of items \
        than its job.",
    why_it_matters: "A CPU answers each job once and with the same function. An answer that fits nothing may be injected to \
        show the operator false values, and whoever can do that sits between the HMI and the controller.",
    evidence: "The answering device, the reference and function asked and answered, the time between them, and the \
        frames.",
    false_alarms: "Jobs that the sensor did not see because packets were lost or only one direction is mirrored, and \
        answers that come after the time-out of a slow CPU. Losses show in the sensor's health.",
    remediation: &[
        "Check in the health of the sensor that both directions are seen without loss.",
        "Look for alerts about ARP spoofing or address conflicts of either device at the same time.",
        "Compare the values on the HMI with those in an online view of the controller or at the field device.",
        "If values differ, have the section run by hand and look for the computer that holds the address of the CPU.",
        "If the CPU is merely slow, look at its cycle load and its number of connections, and raise the time-out of \
            the client.",
    ],
};
