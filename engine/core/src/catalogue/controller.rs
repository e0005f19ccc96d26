//! Programming, configuration and operating mode of controllers, and how fast they are commanded.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const PLC_CONFIG_READ: AlertType = AlertType {
    number: AlertTypeId::PLC_CONFIG_READ,
    id: "plc-config-read",
    title: "Controller configuration read",
    engine: EngineKind::PolicyViolation,
    category: "configuration-changes",
    severity: Severity::Warning,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0801", "T0893"]),
    protocols: &["modbus", "s7comm", "s7comm-plus", "dnp3"],
    sees: "A device that is not flagged as a programming device reads the configuration of a controller.",
    why_it_matters: "Reading changes nothing. But the configuration shows modules, addresses and protection settings, \
        and whoever reads it without need may be preparing something.",
    evidence: "The reading device, the controller, the function used and the object read, and whether the \
        controller answered.",
    false_alarms: "Asset inventory and backup software, and an engineering station that was not flagged yet. Both \
        come from a known computer, the first at fixed hours.",
    remediation: &[
        "Find out who uses the reading device and whether they work on that controller.",
        "Check whether the same device read the program or wrote something afterwards.",
        "If it is an engineering station or a backup server, flag it as a programming device or learn \
            the alert.",
        "If nobody can explain it, take the device off the network and set or change the controller's \
            read protection.",
    ],
};

pub(super) const PLC_PROGRAM_UPLOAD: AlertType = AlertType {
    number: AlertTypeId::PLC_PROGRAM_UPLOAD,
    id: "plc-program-upload",
    title: "Controller program read out",
    engine: EngineKind::PolicyViolation,
    category: "programming",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0845"]),
    protocols: &["modbus", "s7comm", "s7comm-plus"],
    sees: "A device that was not learned to do so reads program blocks out of a controller.",
    why_it_matters: "The program shows how the process is controlled and protected, and may hold the company's \
        knowledge. Whoever has it can also prepare a changed version.",
    evidence: "The reading device, the controller, the blocks or the amount of data read, and whether the \
        transfer was completed.",
    false_alarms: "A technician who compares or saves the program, and automatic backup software. Both are done by \
        known stations and can be asked about.",
    remediation: &[
        "Ask the automation engineers who went online with the controller at that time.",
        "Check whether the same device wrote a program or sent a stop command afterwards.",
        "If it was nobody of yours, disconnect the device and treat the program as known to \
            strangers.",
        "Set the controller's know-how and read protection, and put the key switch to RUN where there \
            is one.",
        "If the device is an engineering or backup station, learn the alert.",
    ],
};

pub(super) const PLC_PROGRAMMING: AlertType = AlertType {
    number: AlertTypeId::PLC_PROGRAMMING,
    id: "plc-programming",
    title: "Controller programmed by an unexpected device",
    engine: EngineKind::PolicyViolation,
    category: "programming",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0843", "T0889"]),
    protocols: &["modbus", "s7comm", "s7comm-plus", "dnp3"],
    sees: "A device that is not flagged as a programming device writes or deletes program logic in a \
        controller.",
    why_it_matters: "The program is what makes the plant act. A changed one may run equipment outside its limits or \
        switch protection off, while the screens still look normal.",
    evidence: "The writing device, the controller, the blocks or data written or deleted, size and time of the \
        transfer, and whether the controller accepted it.",
    false_alarms: "Planned engineering work from a laptop that was not flagged as a programming device. The \
        engineer can name the change, and the sequence ends with a normal start of the controller.",
    remediation: &[
        "Call the automation engineer and the control room at once and ask whether this controller is \
            being programmed.",
        "If it is not planned, bring the process into a safe state by the plant's own procedure \
            before you touch the controller.",
        "Disconnect the programming device from the network and keep it switched on for examination.",
        "Compare the program in the controller block by block with the last approved backup, and load \
            the backup if they differ.",
        "Put the key switch to RUN or remove the key, and set the program's write protection.",
        "If the work was planned, flag the device as a programming device or learn the alert, and \
            save a new backup.",
    ],
};

pub(super) const PLC_STOP: AlertType = AlertType {
    number: AlertTypeId::PLC_STOP,
    id: "plc-stop",
    title: "Controller stop command",
    engine: EngineKind::Operational,
    category: "restart-stop",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0858", "T0881"]),
    protocols: &["s7comm", "s7comm-plus", "modbus", "dnp3"],
    sees: "A stop command is sent to a controller; the alert says whether the controller accepted it.",
    why_it_matters: "A stopped controller no longer controls: outputs fall to their default state or freeze, and the \
        process runs on without it.",
    evidence: "The sending device, the controller, the command and its name in the protocol, whether it was \
        accepted, refused or unanswered, and the frames.",
    false_alarms: "A program download or a maintenance step by the engineer, which stops and starts the controller \
        within minutes. A start command of the same device follows.",
    remediation: &[
        "Call the control room and check the state of the process behind this controller.",
        "Look at the mode of the controller at its front or on the HMI, and start it only after the \
            reason is known and the section is clear.",
        "Ask the engineer who uses the sending device whether they stopped it.",
        "If nobody did, disconnect the sending device, and put the key switch to RUN so that the \
            command is refused next time.",
        "Check for program or configuration writes of the same device before and after the stop.",
        "If it was planned work, close the alert with the number of the work order as comment.",
    ],
};

pub(super) const PLC_START: AlertType = AlertType {
    number: AlertTypeId::PLC_START,
    id: "plc-start",
    title: "Controller start command",
    engine: EngineKind::Operational,
    category: "restart-stop",
    severity: Severity::Warning,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0858"]),
    protocols: &["s7comm", "s7comm-plus", "modbus", "dnp3"],
    sees: "A start command is sent to a controller; the alert says whether the controller accepted it.",
    why_it_matters: "A start sets machinery in motion. After a planned stop it is normal; at another time it may put \
        people at risk, or complete an unnoticed change of the program.",
    evidence: "The sending device, the controller, the kind of start, whether it was accepted, refused or \
        unanswered, and the frames.",
    false_alarms: "The end of a program download or of maintenance work by the same station that stopped the \
        controller.",
    remediation: &[
        "Check whether a stop by the same device comes before it, and whether the time between \
            belongs to planned work.",
        "Ask the control room whether the section was released for a start.",
        "Look for program or configuration writes between stop and start, and ask the engineer what \
            was changed.",
        "If nobody planned it, compare the controller's program with the backup, and disconnect the \
            sending device.",
        "If it was planned, close the alert with a comment.",
    ],
};

pub(super) const PLC_RESET: AlertType = AlertType {
    number: AlertTypeId::PLC_RESET,
    id: "plc-reset",
    title: "Controller restart command",
    engine: EngineKind::Operational,
    category: "restart-stop",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0816"]),
    protocols: &["s7comm", "modbus", "dnp3"],
    sees: "A command for a cold or warm restart is sent to a controller; the alert says whether it was \
        accepted.",
    why_it_matters: "During a restart the controller does not control, and after a cold one its counters, timers and \
        setpoints may be back at their initial values.",
    evidence: "The sending device, the controller, the kind of restart, whether it was accepted, refused or \
        unanswered, and the frames.",
    false_alarms: "Maintenance work, a firmware update, or a master that restarts a device by design after an \
        error. The last one repeats with each error.",
    remediation: &[
        "Ask the control room whether the controller came back and whether the process is stable.",
        "Check setpoints, counters and timers that may have been reset, and restore them.",
        "Ask the person at the sending device whether the restart was intended.",
        "If nobody intended it, disconnect the sending device and look at its other alerts.",
        "If it is part of known work, close the alert with a comment, or mute it for a pair that does \
            this by design.",
    ],
};

pub(super) const RESTART_RATE: AlertType = AlertType {
    number: AlertTypeId::RESTART_RATE,
    id: "restart-rate",
    title: "Excessive restarts of a device",
    engine: EngineKind::Anomaly,
    category: "restart-stop",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 10, seconds: 3600 }),
    techniques: Techniques::Fixed(&["T0816", "T0814"]),
    protocols: &["dnp3", "s7comm", "modbus"],
    sees: "One device gets an unusual number of restart commands within an hour.",
    why_it_matters: "A device that is restarted again and again does not do its work, and each restart wears on \
        process and equipment. Somebody may be keeping it from working in this way.",
    evidence: "The device, the number of restart commands with their times, who sent them, and how many were \
        accepted.",
    false_alarms: "A technician who searches for a fault, or a master that is set to restart a device after each \
        communication error. The sender and the reason then stay the same.",
    remediation: &[
        "Check at the control room whether the section works, and switch it to local operation if it \
            does not.",
        "Find out which device sends the commands, and stop the function or disconnect it.",
        "Read the diagnostics of the restarted device for the error that the sender may be reacting \
            to.",
        "Repair the cause, mostly the line, the supply or the program, before automatic restarts are \
            turned on again.",
        "If it belongs to a repair in progress, mute the alert until the repair is done.",
    ],
};

pub(super) const REPORTING_DISABLED: AlertType = AlertType {
    number: AlertTypeId::REPORTING_DISABLED,
    id: "reporting-disabled",
    title: "Unsolicited reporting disabled",
    engine: EngineKind::Operational,
    category: "configuration-changes",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0804", "T0878"]),
    protocols: &["dnp3", "modbus"],
    sees: "A device is told to stop reporting by itself, or is forced into listen-only mode.",
    why_it_matters: "After it the control room no longer hears of events or gets no answers at all, while the \
        equipment runs on. Alarms that should be on the screen are missing.",
    evidence: "The sending device, the device that was silenced, the command, and whether it was accepted; in \
        listen-only mode no answer is to be expected.",
    false_alarms: "A master that turns reporting off for a moment when it connects and turns it on again \
        afterwards, and diagnostics by a technician. The enabling command follows within seconds or \
        minutes.",
    remediation: &[
        "Check at the control room whether values and alarms of the device still arrive.",
        "Look for the command that turns reporting on again; if there is none, send it from the \
            master or restart the device's communication.",
        "For Modbus listen-only mode, restart communications (function 8, subfunction 1) or switch \
            the device off and on with the control room's consent.",
        "Ask the person at the sending device whether the command was intended.",
        "If the sender is not the configured master, disconnect it and look at what it did before.",
        "If a master does this at each start by design, mute the alert for this pair.",
    ],
};

pub(super) const WRITE_BURST: AlertType = AlertType {
    number: AlertTypeId::WRITE_BURST,
    id: "write-burst",
    title: "Burst of writes or control commands",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0806", "T0855", "T0831"]),
    protocols: &["modbus", "dnp3", "s7comm"],
    sees: "A device sends writes or control commands far above the rate learned for the pair.",
    why_it_matters: "Rapid switching strains valves, breakers and drives, and a flood of writes covers the commands \
        of the operators. Ordinary control writes at a steady pace.",
    evidence: "Client and server, the number of writes within the window and the learned rate, the points \
        written most, and how many were accepted.",
    false_alarms: "The download of a recipe, a start-up, a switch-over of redundant servers, or a script that \
        writes cyclically by mistake. Recipe and start-up are short and known to the operator.",
    remediation: &[
        "Ask the operator whether equipment switches without reason, and take it to local operation \
            if so.",
        "Look at which points are written and with which values: the same value again and again \
            speaks for a script, on and off in turn for interference.",
        "Ask the engineer of the client whether a script, a recipe or a cyclic write was changed.",
        "If nobody can explain it, disconnect the client and restore the setpoints.",
        "If the burst belongs to normal work, such as a recipe download, learn the alert so that the \
            rate is allowed.",
    ],
};

pub(super) const PLC_CONFIG_WRITE: AlertType = AlertType {
    number: AlertTypeId::PLC_CONFIG_WRITE,
    id: "plc-config-write",
    title: "Controller configuration written",
    engine: EngineKind::PolicyViolation,
    category: "configuration-changes",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0836", "T0889"]),
    protocols: &["modbus", "s7comm", "s7comm-plus", "dnp3"],
    sees: "A device writes the configuration of a controller or outstation for the first time.",
    why_it_matters: "Configuration decides which modules are there, what is reported and who may talk to the \
        device. A changed one can make it blind or open without touching its program.",
    evidence: "The writing device, the controller, the function and the object or points written, and whether it \
        was accepted.",
    false_alarms: "Commissioning, an exchanged module, and masters that assign event classes each time they \
        connect.",
    remediation: &[
        "Read what was written: assignment of event classes by a master is usual, stored settings are not.",
        "Ask the automation or protection engineer whether they changed this device.",
        "Compare the configuration in the device with the last approved one.",
        "If nobody changed it, load the approved configuration and disconnect the writing device.",
        "If the device is meant to do it, flag it as a programming device or learn the alert.",
    ],
};

pub(super) const PROGRAM_BLOCK_DELETED: AlertType = AlertType {
    number: AlertTypeId::PROGRAM_BLOCK_DELETED,
    id: "program-block-deleted",
    title: "Controller program block deleted",
    engine: EngineKind::Operational,
    category: "programming",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0889", "T0809"]),
    protocols: &["s7comm", "s7comm-plus", "dnp3"],
    sees: "A program block of a controller, or a file that holds program logic, is deleted.",
    why_it_matters: "A missing block stops the controller or leaves a part of the plant without control and \
        interlocks. It is the quickest way to do harm with a programming tool.",
    evidence: "The deleting device, the controller, the block or file with its name, and whether the controller \
        accepted it.",
    false_alarms: "A download by the engineer, who replaces all blocks: writes of the same blocks follow within \
        seconds.",
    remediation: &[
        "Call the control room and check that the controller runs and the section is safe.",
        "Look for a download of the same block right after it; if it follows, ask the engineer about the change.",
        "If it does not, load the last approved program, with the consent of the control room.",
        "Disconnect the deleting device and keep it for examination if nobody was programming.",
        "Set the write protection and the password of the controller.",
    ],
};

pub(super) const STOP_COMMANDS: AlertType = AlertType {
    number: AlertTypeId::STOP_COMMANDS,
    id: "stop-commands",
    title: "Abnormal number of stop commands",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 20, seconds: 10800 }),
    techniques: Techniques::Fixed(&["T0881", "T0858"]),
    protocols: &["dnp3", "s7comm"],
    sees: "One device gets an unusual number of stop commands within hours.",
    why_it_matters: "Each stop leaves a part of the plant without control. Somebody who sends them again and \
        again works against the operators who start it again.",
    evidence: "The device, the number of stop commands within the window, who sent the last one, and whether it \
        was accepted.",
    false_alarms: "Commissioning and the search for a fault, in which an engineer stops and starts a controller \
        many times.",
    remediation: &[
        "Ask the control room who starts the device again, and whether the stops come by surprise.",
        "Ask the engineer of the sending device whether they are working on it.",
        "If nobody is, disconnect the sender and put the key switch to RUN.",
        "Compare the program with the last approved backup before you rely on the device again.",
        "If it is planned work, learn the alert.",
    ],
};

pub(super) const VALUES_FORCED: AlertType = AlertType {
    number: AlertTypeId::VALUES_FORCED,
    id: "values-forced",
    title: "Inputs or outputs forced",
    engine: EngineKind::Operational,
    category: "abnormal-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0835", "T0855"]),
    protocols: &["s7comm", "dnp3"],
    sees: "Inputs or outputs of a device are forced by command, or the device marks points as forced.",
    why_it_matters: "A forced point no longer follows the process: the program and the operators see and act on a \
        value that somebody chose. Interlocks may be without effect.",
    evidence: "The forcing device where there is a command, the forced device and points, the forced values where \
        they are known, and whether it was accepted.",
    false_alarms: "Tests during commissioning and maintenance, where single points are forced for minutes, and \
        local operation on site.",
    remediation: &[
        "Ask the control room and the people on site whether points of this device are forced on purpose.",
        "Look up what the forced points do, and which interlocks depend on them.",
        "Compare the forced values with the real state on site.",
        "If nobody forces them, remove the force with the engineering tool and disconnect the sending device.",
        "Note each force that stays, with its reason and its end.",
    ],
};
