//! DNP3 messages: against the baseline, against the standard (IEEE 1815-2012), and as the outstation answers them.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const DNP3_FUNCTION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::DNP3_FUNCTION_NOT_LEARNED,
    id: "dnp3-function-not-learned",
    title: "DNP3 function code not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["dnp3"],
    sees: "A master uses a DNP3 function that was not learned for its link address and this outstation.",
    why_it_matters: "A master polls, confirms and now and then operates; the set is small and stays the same for \
        years. A new function may be a restart, a file transfer or a changed configuration.",
    evidence: "Master and outstation with their link addresses, the function code with its name and operation \
        class, the objects in the request, the functions learned for the two, and what the outstation answered.",
    false_alarms: "A master that connects anew and sets the clock or assigns classes as part of its start-up, a \
        command that an operator gives once a month, or a new release of the master software. The start-up \
        sequence comes right after the connection is made.",
    remediation: &[
        "Read which function it is: a write, an operate, a restart or a file function that was accepted is \
            urgent, a read is not.",
        "Ask the control room whether something was switched, set or restarted at that time.",
        "Ask whoever maintains the master whether its configuration for this outstation was changed.",
        "If nobody asked for it, block the master at the firewall in front of the outstation and put the \
            outstation into local operation.",
        "If the function belongs to normal work, learn the alert, which allows it for this master and outstation \
            only.",
    ],
};

pub(super) const DNP3_OBJECT_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::DNP3_OBJECT_NOT_LEARNED,
    id: "dnp3-object-not-learned",
    title: "DNP3 object not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["dnp3"],
    sees: "A master reads, writes or operates an object or a point index that was not learned for the two.",
    why_it_matters: "The index says which breaker, tap changer or measured value is meant. Commands outside the \
        usual indexes act on equipment that this master left alone so far.",
    evidence: "Master and outstation, object and point indexes asked for, the indexes learned, the written value \
        or command, and what the outstation answered.",
    false_alarms: "Points added to the database of the master, and a technician who reads a single point for a \
        test. New points stay and begin with a change at the master.",
    remediation: &[
        "Look up the point indexes in the point list of the outstation to learn which equipment they stand for.",
        "If it was an operate or a write, have the state of that equipment checked in the control room or on \
            site.",
        "Ask whoever maintains the master whether points were added, and when.",
        "If nobody added points, look at the other alerts of this master for a walk through the indexes, and \
            have it examined.",
        "If the points are wanted, learn the alert, which adds exactly these indexes.",
    ],
};

pub(super) const DNP3_IIN_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::DNP3_IIN_NOT_LEARNED,
    id: "dnp3-iin-not-learned",
    title: "DNP3 internal indication not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: false,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0856"]),
    protocols: &["dnp3"],
    sees: "An outstation sets an internal indication that it never set while learning.",
    why_it_matters: "The indications are how an outstation says in each answer that it restarted, lost its clock, \
        overflowed or has a fault. One that was never there shows a state that the plant did not have before.",
    evidence: "The outstation, the new indication and the others set with it, the indications learned for it, and \
        the frame.",
    false_alarms: "A restart after maintenance, or a clock that asks to be set once a day. They go away again \
        after seconds to minutes.",
    remediation: &[
        "Read the name of the indication: trouble, corrupt configuration and overflow have alert types of their \
            own with further steps.",
        "Check at the master whether the values of the outstation are marked as good.",
        "Read the event log of the outstation with the tool of its vendor.",
        "If the indication came together with a command of a master, look at that command.",
        "If the indication is usual for this outstation, learn the alert.",
    ],
};

pub(super) const DNP3_INTEGRITY_SCAN: AlertType = AlertType {
    number: AlertTypeId::DNP3_INTEGRITY_SCAN,
    id: "dnp3-integrity-scan",
    title: "Unexpected DNP3 integrity poll",
    engine: EngineKind::PolicyViolation,
    category: "scan",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0801", "T0861"]),
    protocols: &["dnp3"],
    sees: "A master reads all data of an outstation (class 0, or classes 0 to 3), which it did not do while \
        learning.",
    why_it_matters: "With one request the whole process image can be read: each input, each measured value, each \
        counter. Masters do it at start-up and then at long intervals; somebody who gets to know a plant begins \
        with it.",
    evidence: "Master and outstation, the classes read, what the two exchange otherwise, and whether the \
        outstation answered.",
    false_alarms: "A master that was restarted or lost the connection, and an outstation that restarted, after \
        which the standard asks for such a poll. The restart indication or a new connection comes just before.",
    remediation: &[
        "See whether the outstation restarted or the connection was made anew just before, which explains the \
            poll.",
        "Check whether the link address and IP address are those of the configured master.",
        "Ask whoever maintains the master whether a general interrogation was started by hand.",
        "If the device is no known master, block it at the firewall and look at what it did next.",
        "If the poll is normal for this master, learn the alert.",
    ],
};

pub(super) const DNP3_BAD_CHECKSUM: AlertType = AlertType {
    number: AlertTypeId::DNP3_BAD_CHECKSUM,
    id: "dnp3-bad-checksum",
    title: "DNP3 checksum wrong",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 2, seconds: 600 }),
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "Link frames carry a checksum that does not fit their header or their data.",
    why_it_matters: "Over TCP checksums do not break on the way. Wrong ones come from faulty software, from a \
        serial line behind a converter, or from somebody who sends made-up frames to see what the device does \
        with them.",
    evidence: "Both devices, the frame and the block with the wrong checksum, the sum as sent and as computed, \
        and how many there were.",
    false_alarms: "Serial radio or telephone lines behind a converter that passes damaged frames on, and a mirror \
        port that damages packets. They are spread over time and over all functions.",
    remediation: &[
        "Check whether the outstation is reached through a serial line, and if so its line quality counters.",
        "Look at the statistics of the sensor for packets that are lost or cut at the mirror port.",
        "Check whether the outstation still answers its master, and whether its own error counters rise.",
        "If the sender is a computer on the network and not a converter, find out which program sends the \
            frames, and disconnect it if nobody knows.",
        "If the line is known to be noisy and cannot be improved, mute the alert for the two.",
    ],
};

pub(super) const DNP3_BAD_LENGTH: AlertType = AlertType {
    number: AlertTypeId::DNP3_BAD_LENGTH,
    id: "dnp3-bad-length",
    title: "DNP3 length violates the specification",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0866"]),
    protocols: &["dnp3"],
    sees: "A message is shorter or longer than its own length and counts say: a link length below 5, object data \
        cut off, or a count beyond the data.",
    why_it_matters: "Such messages have crashed outstations and masters of many vendors: a wrong count makes the \
        receiver read beyond its memory. No proper driver sends them.",
    evidence: "Both devices, the field with its value, what it should have been, the offset in the message, and \
        the frame.",
    false_alarms: "A device of a vendor with a known fault, which then sends the same message again and again, \
        and segments that the mirror port lost.",
    remediation: &[
        "Check at once whether the receiving device still works and answers: these messages can stop it.",
        "Ask the vendor of the receiving device whether it is open to malformed DNP3 messages, and plan the \
            update.",
        "Look at the statistics of the sensor for lost packets on this connection.",
        "Find out which program sent the message; disconnect the sender if it is no configured master or \
            outstation.",
        "If a known device does it and cannot be corrected, mute the alert for the two and tell the vendor.",
    ],
};

pub(super) const DNP3_ILLEGAL_OPERATION: AlertType = AlertType {
    number: AlertTypeId::DNP3_ILLEGAL_OPERATION,
    id: "dnp3-illegal-operation",
    title: "DNP3 request not allowed from that side",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "An outstation sends a request, or a master sends a response.",
    why_it_matters: "Who asks and who answers is fixed in DNP3. If the sides are swapped, somebody speaks with \
        the address of another, or a device is set up wrongly.",
    evidence: "The sender and its link address, the direction bit and function code it used, the side it was \
        known as, and the frame.",
    false_alarms: "Two masters that test against each other, an outstation with the wrong direction setting, and \
        a substation computer that is outstation and master over one connection.",
    remediation: &[
        "Check in the settings of the sender whether it is set up as master or as outstation.",
        "Check whether the MAC address behind the sender is still the one in the inventory.",
        "Look for a second device that uses the same link address at the same time.",
        "If the message was a request for an operation, have the state of the equipment checked.",
        "If the sender is set up rightly and did not send it, treat it as forged: disconnect the port it came \
            from.",
    ],
};

pub(super) const DNP3_RESERVED_FUNCTION: AlertType = AlertType {
    number: AlertTypeId::DNP3_RESERVED_FUNCTION,
    id: "dnp3-reserved-function",
    title: "DNP3 reserved function code",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "A message uses a function code that the standard keeps reserved.",
    why_it_matters: "No master of any vendor needs such a code. Tools that try out devices send all of them, and \
        some outstations stop at one they do not know.",
    evidence: "Master and outstation, the function code, the bytes after it, and what the outstation answered.",
    false_alarms: "A vendor that uses a reserved code between its own devices, which then happens regularly and \
        always between the same two.",
    remediation: &[
        "Check whether the outstation still answers its master.",
        "See whether other function codes were tried shortly before or after, which speaks for a scan.",
        "Find out which program on the sending device speaks DNP3, and who uses it.",
        "If it is not the configured master, disconnect it and have it examined.",
        "If the vendor confirms that its devices do this, mute the alert for the two.",
    ],
};

pub(super) const DNP3_FUNCTION_NOT_SUPPORTED: AlertType = AlertType {
    number: AlertTypeId::DNP3_FUNCTION_NOT_SUPPORTED,
    id: "dnp3-function-not-supported",
    title: "DNP3 outstation rejected a function",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "An outstation answers that it does not support the function asked for (IIN2.0).",
    why_it_matters: "The master asks for something this outstation cannot do: it is set up for another device, or \
        somebody tries what works.",
    evidence: "Master and outstation, the refused function, how often it was refused, and the objects in the \
        request.",
    false_alarms: "Masters that set the clock or assign classes with a generic template although the outstation \
        cannot do it. They do it at each connection, always with the same function.",
    remediation: &[
        "See which function was refused, and whether several different ones were tried.",
        "Compare it with the device profile of the outstation, which lists the functions it supports.",
        "Correct the template of the outstation in the master so that it no longer asks.",
        "If the request did not come from a configured master, find out who uses the sending device.",
        "If the master cannot be changed, mute the alert for the two.",
    ],
};

pub(super) const DNP3_OBJECT_UNKNOWN: AlertType = AlertType {
    number: AlertTypeId::DNP3_OBJECT_UNKNOWN,
    id: "dnp3-object-unknown",
    title: "DNP3 outstation does not know an object",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855", "T0861"]),
    protocols: &["dnp3"],
    sees: "An outstation answers that it does not know the objects asked for (IIN2.1).",
    why_it_matters: "Either master and outstation have different point lists, and then the control room lacks \
        values, or somebody feels for what the outstation holds.",
    evidence: "Master and outstation, the refused objects and point indexes, how often, and what the two exchange \
        otherwise.",
    false_alarms: "Points that were planned but never built, and masters that read device attributes of an \
        outstation without them. The same objects are refused at each poll.",
    remediation: &[
        "Compare the refused objects with the point list and the device profile of the outstation.",
        "Ask whether the database of the master or the outstation was changed shortly before.",
        "Check on the operator screens which values are missing, and tell the operators.",
        "If indexes or object groups go up step by step, treat it as a scan and find out who uses the sending \
            device.",
        "Correct the point list; if it must stay, mute the alert for the two.",
    ],
};

pub(super) const DNP3_PARAMETER_ERROR: AlertType = AlertType {
    number: AlertTypeId::DNP3_PARAMETER_ERROR,
    id: "dnp3-parameter-error",
    title: "DNP3 outstation rejected parameters",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "An outstation answers that the parameters of a request are wrong (IIN2.2): a qualifier, a range or a \
        value.",
    why_it_matters: "The request was not carried out. If it was a command, the equipment is not where the \
        operator wants it; if somebody tries out values, it shows here first.",
    evidence: "Master and outstation, the function, objects, range and values of the refused request, and how \
        often.",
    false_alarms: "A master whose index range is one too long, or a setpoint outside the limits of the \
        outstation. The first comes with each poll, the second with an input of an operator.",
    remediation: &[
        "Ask the operator whether a command or a setpoint failed, and check the present state.",
        "Compare range, qualifier and value with the device profile and the limits set in the outstation.",
        "Correct the range or the limits at the master.",
        "If no operator did anything and the master is not known, find out who uses the sending device.",
        "If the cause is known and cannot be removed, mute the alert for the two.",
    ],
};

pub(super) const DNP3_OBSOLETE_INITIALIZE: AlertType = AlertType {
    number: AlertTypeId::DNP3_OBSOLETE_INITIALIZE,
    id: "dnp3-obsolete-initialize",
    title: "DNP3 obsolete function: initialize data",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "A master sends function 15, initialize data, which the standard gave up.",
    why_it_matters: "The function puts the data of an outstation back to initial values. Masters in use do not \
        send it; old outstations may still obey.",
    evidence: "Master and outstation, the request, and whether the outstation answered or refused.",
    false_alarms: "A master from the nineties with an outstation of the same age, which then does it at each \
        start.",
    remediation: &[
        "Check the values and setpoints of the outstation for initial values, and restore them.",
        "Find out which program sent the request.",
        "Turn the function off in the settings of the master, or ask its vendor for an update.",
        "If the sender is no configured master, disconnect it and have it examined.",
        "If the two are known to work so, mute the alert for them.",
    ],
};

pub(super) const DNP3_OBSOLETE_SAVE_CONFIG: AlertType = AlertType {
    number: AlertTypeId::DNP3_OBSOLETE_SAVE_CONFIG,
    id: "dnp3-obsolete-save-config",
    title: "DNP3 obsolete function: save configuration",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855", "T0836"]),
    protocols: &["dnp3"],
    sees: "A master sends function 19, save configuration, which the standard gave up.",
    why_it_matters: "The function writes the present settings of an outstation to its permanent memory: a changed \
        setting then outlasts the next restart.",
    evidence: "The sending master and the outstation, the request with its objects, and what the outstation \
        answered.",
    false_alarms: "An old engineering tool of the vendor that saves in this way after a change. An engineer can \
        name the change.",
    remediation: &[
        "Look for writes or changed settings of the same master just before.",
        "Ask the protection or automation engineer whether they saved a configuration in this outstation.",
        "Compare the configuration of the outstation with the last approved one.",
        "If nobody did it, restore the approved configuration and disconnect the sending device.",
        "If the tool is needed and cannot be replaced, mute the alert for the two.",
    ],
};

pub(super) const DNP3_MASTER_ASKED_CONFIRM: AlertType = AlertType {
    number: AlertTypeId::DNP3_MASTER_ASKED_CONFIRM,
    id: "dnp3-master-asked-confirm",
    title: "DNP3 master asked for an application confirmation",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Warning,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["dnp3"],
    sees: "A master asks for an application confirmation of its own request, which the standard does not allow.",
    why_it_matters: "Only outstations ask to be confirmed, so that no event gets lost. A master that does so is \
        faulty or home-made, and outstations react in different ways.",
    evidence: "Master and outstation, the application control byte of the request, its function, and what the \
        outstation answered.",
    false_alarms: "Masters built on an old library that always set the bit. They do it with each request from the \
        first day on.",
    remediation: &[
        "See whether this master has always done so or began now.",
        "If it began now, ask which software was changed or started at the master.",
        "Check whether the outstation still answers all requests.",
        "If the sender is not the configured master, find out who uses it.",
        "If it is a habit of a known master, tell its vendor and mute the alert for the two.",
    ],
};

pub(super) const DNP3_BAD_FORMAT: AlertType = AlertType {
    number: AlertTypeId::DNP3_BAD_FORMAT,
    id: "dnp3-bad-format",
    title: "DNP3 outstation message badly formed",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Warning,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0866"]),
    protocols: &["dnp3"],
    sees: "An outstation sends an object header, a qualifier or an order of fragments that the standard does not \
        allow.",
    why_it_matters: "The master may drop the message or take wrong values out of it. A changed or forged answer \
        often looks like this.",
    evidence: "The outstation, the part of the message with what was expected and found, the master, and the \
        frame.",
    false_alarms: "Outstations of one vendor with a known peculiarity, and messages of which the mirror port lost \
        a part.",
    remediation: &[
        "Check on the operator screens whether values of this outstation are missing or marked as bad.",
        "Look at the statistics of the sensor for lost packets on this connection.",
        "Ask the vendor of the outstation whether the message is a known fault, and for an update.",
        "Check whether the MAC address behind the outstation is still the one in the inventory.",
        "If it is a known peculiarity, mute the alert for this outstation.",
    ],
};

pub(super) const DNP3_RESERVED_IIN: AlertType = AlertType {
    number: AlertTypeId::DNP3_RESERVED_IIN,
    id: "dnp3-reserved-iin",
    title: "DNP3 reserved indication bits set",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Warning,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0856"]),
    protocols: &["dnp3"],
    sees: "An outstation sets one of the two indication bits that the standard keeps reserved (IIN2.6, IIN2.7).",
    why_it_matters: "The bits must be zero. If they are set, the software of the outstation is faulty, or the \
        answer was not made by it.",
    evidence: "The outstation, all indications of the answer, the master that was answered, and the frame.",
    false_alarms: "Old outstations of a vendor that used the bits for itself. They set them in each answer.",
    remediation: &[
        "See whether the bits are set in all answers or only in some.",
        "If only in some, compare the MAC address and the sequence numbers of these answers with the others: \
            they may come from another device.",
        "Check the firmware version of the outstation and ask its vendor.",
        "Compare the values on the operator screens with the local display of the outstation.",
        "If the vendor confirms it as normal, mute the alert for this outstation.",
    ],
};

pub(super) const DNP3_OPERATE_WITHOUT_SELECT: AlertType = AlertType {
    number: AlertTypeId::DNP3_OPERATE_WITHOUT_SELECT,
    id: "dnp3-operate-without-select",
    title: "DNP3 operate without a matching select",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855", "T0831"]),
    protocols: &["dnp3"],
    sees: "A master sends an operate that no select of the same objects preceded within the select time.",
    why_it_matters: "Select before operate is there so that no single wrong message moves a breaker. An operate \
        without its select is a replayed or forged command, or the select was refused.",
    evidence: "Master and outstation, the operated points with the command, the last select seen for them and its \
        age, and what the outstation answered.",
    false_alarms: "A select that the mirror port lost, a select time longer in the outstation than the ten \
        seconds assumed, and masters that repeat an operate after a lost answer.",
    remediation: &[
        "Have the state of the operated equipment checked in the control room at once.",
        "See in the answer whether the outstation carried it out or refused it with a status such as no select.",
        "Ask the operator whether they gave this command.",
        "Compare IP, MAC and link address of the sender with those of the configured master.",
        "If nobody gave the command, put the outstation into local operation and block the sender.",
    ],
};
