//! Modbus messages: against the baseline, against the specification, and as the server answers them.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const MODBUS_FUNCTION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::MODBUS_FUNCTION_NOT_LEARNED,
    id: "modbus-function-not-learned",
    title: "Modbus function code not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["modbus"],
    sees: "A client uses a Modbus function code that was not learned for this client, server and unit.",
    why_it_matters: "What a master does to a controller hardly ever changes: it reads a few tables and writes a few \
        registers. A new function may only read, but it may also switch outputs or restart the device's \
        communication.",
    evidence: "Client, server and unit, the function code with its name and operation class, the addressed \
        range, the functions learned for this pair, and whether the server accepted the request.",
    false_alarms: "A changed HMI project, a driver update that joins single writes into one (function 16 instead of \
        6), or an operator action that is needed once a month. The address written and the person at the \
        HMI tell.",
    remediation: &[
        "See whether the function reads, writes or is a diagnostic one, and treat a write or control \
            function that was accepted as urgent.",
        "Ask the operator whether something was switched or set at that time, and the engineer of the \
            client whether its project or driver was changed.",
        "Compare the addressed points with the controller's tag list and check their values on the \
            HMI.",
        "If it was not intended, stop the client program or disconnect the client, and restore \
            changed values.",
        "If the function is now part of normal work, learn the alert, which allows this function for \
            this client, server and unit only.",
    ],
};

pub(super) const MODBUS_ADDRESS_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::MODBUS_ADDRESS_NOT_LEARNED,
    id: "modbus-address-not-learned",
    title: "Modbus address range not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server, Part::Table],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["modbus"],
    sees: "A client reads or writes coils or registers outside the ranges learned for it on this server, \
        unit and table.",
    why_it_matters: "The address says what is being touched: a temperature, a setpoint, an interlock. Leaving the \
        usual range means that somebody looks at or changes other parts of the process than before.",
    evidence: "Client, server, unit and table, the requested range, the ranges learned, the written values if \
        it was a write, and whether the server accepted it.",
    false_alarms: "New tags in the HMI or historian, and drivers that read larger blocks after an optimisation. \
        They read only, start with a change at the client, and stay.",
    remediation: &[
        "Look up the new addresses in the controller's tag list to learn what they stand for.",
        "Ask the engineer of the client whether tags were added, and when.",
        "If it was a write, check the points' values on the HMI and ask the operator whether the \
            change was intended.",
        "If nobody changed the client, look at its other alerts for a walk through the address space, \
            and have the computer checked.",
        "If the new range is wanted, learn the alert, which adds exactly this range.",
    ],
};

pub(super) const MODBUS_VENDOR_FUNCTION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::MODBUS_VENDOR_FUNCTION_NOT_LEARNED,
    id: "modbus-vendor-function-not-learned",
    title: "Modbus vendor extension not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "unauthorized-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::ByOperation,
    protocols: &["modbus"],
    sees: "A client uses a vendor function such as Schneider UMAS (function 90), or a user-defined code, \
        that was not learned for this pair.",
    why_it_matters: "Vendor functions are the engineering side of a controller: with them the vendor's software loads \
        programs, starts and stops the controller and changes its configuration. An HMI or a historian \
        does not need them.",
    evidence: "Client, server and unit, the function code and, for UMAS, the name of its subfunction, the \
        length of the payload, and whether the controller answered or refused.",
    false_alarms: "An engineering station that goes online with the controller, or an HMI driver of the same vendor \
        that reads symbolic tags by UMAS. The engineering station is used by a person; the driver does \
        it all the time.",
    remediation: &[
        "Find out whether the client is an engineering station and who was working with it at that \
            time.",
        "Read the named subfunction: reading status is harmless, while reservation, download, start \
            and stop change the controller.",
        "Compare the program in the controller with the last backup if something was written.",
        "If nobody was working on it, disconnect the client and check the controller's mode and its \
            key switch.",
        "Restrict who may program in the controller's access list and set its application password.",
        "If this client is meant to do it, learn the alert.",
    ],
};

pub(super) const MODBUS_EXCEPTION_NOT_LEARNED: AlertType = AlertType {
    number: AlertTypeId::MODBUS_EXCEPTION_NOT_LEARNED,
    id: "modbus-exception-not-learned",
    title: "Modbus exception not in the baseline",
    engine: EngineKind::PolicyViolation,
    category: "command-failures",
    severity: Severity::Major,
    default_on: false,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A server answers with an exception that was not learned for this function and pair.",
    why_it_matters: "A running system has few errors, and always the same ones. A new one shows that the client asks \
        for something wrong or that the server is no longer in the state it was in.",
    evidence: "Client, server and unit, the function, the exception code with its meaning, the request that was \
        refused, and the exceptions learned for the pair.",
    false_alarms: "A restart of the server, a serial unit that is switched off behind a gateway (exception 10 or \
        11), or a program download in progress. They end by themselves after minutes.",
    remediation: &[
        "Look at the exception code: 1 to 3 speak of the request, 4 and 6 of the server's state, and \
            10 and 11 of the line behind a gateway.",
        "For 10 or 11, check the supply and the cabling of the unit behind the gateway.",
        "For 1 to 3, check at the client what was changed in its tags or its device type.",
        "Check on the HMI whether values of that server are missing or marked as bad.",
        "If the exception is known and harmless, learn the alert; otherwise correct the client or the \
            server.",
    ],
};

pub(super) const MODBUS_FIRMWARE_CHANGED: AlertType = AlertType {
    number: AlertTypeId::MODBUS_FIRMWARE_CHANGED,
    id: "modbus-firmware-changed",
    title: "Modbus device revision changed",
    engine: EngineKind::PolicyViolation,
    category: "firmware-change",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: true,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0857"]),
    protocols: &["modbus"],
    sees: "The revision that a device gives in its identification (function 43/14 or 17) differs from the \
        one stored for it.",
    why_it_matters: "Firmware does not change by itself. It was updated, the device was exchanged, or another device \
        answers under the same address; each of them belongs into the plant's records, and the last two \
        need a look.",
    evidence: "The device, the former and the new revision with the time each was seen, the other identity \
        strings, the client that asked, and the frames of the answer.",
    false_alarms: "A planned update or an exchanged spare part. With an exchange of a device on the network the MAC \
        address changes too; with an update, and behind a gateway, it stays.",
    remediation: &[
        "Look for a work order for an update or an exchange of this device.",
        "See whether the MAC address is the same as before, which tells an update from an exchange \
            unless the device sits behind a gateway.",
        "Ask the vendor or your automation engineer whether the new revision is released for your \
            plant, and check its known faults.",
        "If no one updated it, compare program and configuration with the backup and ask the vendor \
            how to verify the firmware.",
        "If the change was planned, record it in the inventory, take a new backup and learn the \
            alert.",
    ],
};

pub(super) const MODBUS_BAD_HEADER: AlertType = AlertType {
    number: AlertTypeId::MODBUS_BAD_HEADER,
    id: "modbus-bad-header",
    title: "Modbus header violates the specification",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A Modbus message has a header that the specification does not allow: protocol id not 0, a length \
        out of bounds, or a length that the function cannot have.",
    why_it_matters: "A proper Modbus driver never sends such a header. It comes from faulty software, from something \
        that is not Modbus, or from a tool that tries whether the device breaks.",
    evidence: "The sender, the header fields as seen with what was expected, the offset in the message, and the \
        frame.",
    false_alarms: "Another protocol on port 502, a serial converter set to pass RTU frames through, or segments \
        that the mirror port lost. Repeated messages of the same kind from a known converter speak for a \
        setting, and losses show in the sensor's health.",
    remediation: &[
        "Check which program on the sending device uses port 502, and whether it is meant to speak \
            Modbus/TCP.",
        "If the sender is a serial gateway, look in its settings for RTU-over-TCP or transparent \
            mode, and choose Modbus/TCP.",
        "Check whether the receiving controller still works and whether its diagnostics list \
            communication errors.",
        "If the sender is a computer without Modbus software, disconnect it and have it examined.",
        "If a known device does this and cannot be corrected, mute the alert for this pair and tell \
            its vendor.",
    ],
};

pub(super) const MODBUS_BAD_QUANTITY: AlertType = AlertType {
    number: AlertTypeId::MODBUS_BAD_QUANTITY,
    id: "modbus-bad-quantity",
    title: "Modbus quantity or value out of specification",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A Modbus message asks for more than the specification allows, has a byte count that does not \
        fit, or writes a coil value other than 0000 or FF00.",
    why_it_matters: "How a controller reacts to such a message is not defined: many refuse it, some read beyond their \
        tables, some stop. Ordinary clients keep the limits, so it is either faulty software or a trial.",
    evidence: "The function, the quantity, byte count or coil value seen, the limit of the specification, \
        client, server and unit, and what the server answered.",
    false_alarms: "Drivers with a wrong block length in their settings, and devices of vendors who allow longer \
        blocks than the specification. They do it with each poll, and the server answers normally.",
    remediation: &[
        "Look at the block or packet length in the client's driver settings and reduce it to 125 \
            registers or 2000 bits for reading.",
        "Check whether the server refused the request, and whether it still answers normally since.",
        "If the message was a write, read back the points and compare them with the wanted values.",
        "If the client is no configured master of this server, find out who uses it, and disconnect \
            it if nobody can say.",
        "If the vendor of both devices confirms that this is normal for them, mute the alert for this \
            pair.",
    ],
};

pub(super) const MODBUS_EXCEPTION_FROM_CLIENT: AlertType = AlertType {
    number: AlertTypeId::MODBUS_EXCEPTION_FROM_CLIENT,
    id: "modbus-exception-from-client",
    title: "Modbus exception sent by a client",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A request carries a function code of 128 or more, which only an answer may have.",
    why_it_matters: "A code with the high bit set means *refused* and can only come from the server. From a client it \
        comes from a test tool, a broken driver, or somebody trying how the controller reacts.",
    evidence: "Client, server and unit, the function code as sent, the bytes after it, and what the server \
        answered.",
    false_alarms: "A capture in which one direction is missing, so that the sides are taken for each other, or a \
        device that is client and server on the same connection. The sensor's health shows one-sided \
        traffic.",
    remediation: &[
        "Check in the sensor's statistics whether both directions of this connection are visible, and \
            correct the mirror port if not.",
        "Find out which program on the client sent the message, and whether somebody was testing with \
            it.",
        "Check in the controller's diagnostics whether it reported a fault or lost connections.",
        "If the client is no Modbus master, disconnect it and have it examined.",
        "If it is a known driver with this fault, report it to the vendor and mute the alert until it \
            is updated.",
    ],
};

pub(super) const MODBUS_FUNCTION_ZERO: AlertType = AlertType {
    number: AlertTypeId::MODBUS_FUNCTION_ZERO,
    id: "modbus-function-zero",
    title: "Modbus function code zero",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A request carries function code 0, which the specification does not define.",
    why_it_matters: "No working driver sends it. Some devices answer with an error, and badly programmed ones crash \
        on it.",
    evidence: "Client, server and unit, the message's bytes, and what the server answered.",
    false_alarms: "An uninitialised buffer in a home-made program, or a monitoring tool that only tests whether \
        port 502 answers. Both come regularly from the same device.",
    remediation: &[
        "Check whether the controller still answers its normal clients.",
        "Ask the owner of the sending device which program opens connections to port 502.",
        "If it is a monitoring tool, let it test the connection only, or read one register instead.",
        "If nobody knows the program, disconnect the sending device and have it examined.",
        "If the cause is known and cannot be removed, mute the alert for this pair.",
    ],
};

pub(super) const MODBUS_EXCEPTION: AlertType = AlertType {
    number: AlertTypeId::MODBUS_EXCEPTION,
    id: "modbus-exception",
    title: "Modbus exception",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: false,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A server refuses a request with any Modbus exception.",
    why_it_matters: "Each refusal is a request that did not do what the client wanted. This type reports all of them \
        and is meant for commissioning and for the search for a fault; the single types are on without \
        it.",
    evidence: "Client, server and unit, the function, the exception code with its meaning, the refused request \
        and the number of repetitions.",
    false_alarms: "Clients that poll points a device does not have, and gateways with units that are switched off. \
        They are steady and have been there since commissioning.",
    remediation: &[
        "Sort by server and look at the one with the most refusals first.",
        "Look up the refused address or function in the server's manual and correct the client's tag \
            list.",
        "For exceptions 10 and 11, check the unit behind the gateway and its serial line.",
        "When the fault has been found, turn this type off again in the configuration, since the more \
            exact types stay on.",
    ],
};

pub(super) const MODBUS_ILLEGAL_FUNCTION: AlertType = AlertType {
    number: AlertTypeId::MODBUS_ILLEGAL_FUNCTION,
    id: "modbus-illegal-function",
    title: "Modbus server rejected a function code",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855", "T0888"]),
    protocols: &["modbus"],
    sees: "A server refuses a request with exception 1, since it does not know or does not allow the \
        function.",
    why_it_matters: "A master that is set up properly knows what its device can do. Refused functions show a wrong \
        device type, or somebody who tries out what the controller would accept.",
    evidence: "Client, server and unit, the function code refused, how often, and the functions this pair uses \
        otherwise.",
    false_alarms: "Drivers that ask for identification (function 43) at start although the device has none, and \
        SCADA packages with a generic device template. It happens after each reconnection, with the same \
        function.",
    remediation: &[
        "See which function was refused, and whether the same client tries other ones too, which \
            would speak for a scan.",
        "Ask the engineer of the client whether the device type or the driver was changed.",
        "Set the device type in the driver to the one that fits the controller, or turn the function \
            off there.",
        "If the client is not known as a master, find out who uses it, and disconnect it if nobody \
            can say.",
        "If the refusal is a known habit of the driver, mute the alert for this pair.",
    ],
};

pub(super) const MODBUS_ILLEGAL_ADDRESS: AlertType = AlertType {
    number: AlertTypeId::MODBUS_ILLEGAL_ADDRESS,
    id: "modbus-illegal-address",
    title: "Modbus server rejected an address",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855", "T0861"]),
    protocols: &["modbus"],
    sees: "A server refuses a request with exception 2, since the address or range does not exist there.",
    why_it_matters: "Either the client is set up for another register map, and the operator lacks a value, or \
        somebody is feeling for which registers exist.",
    evidence: "Client, server, unit and table, the refused address ranges, how often, and the ranges the client \
        reads or writes with success.",
    false_alarms: "Tags of a future extension, a controller whose program was changed and lost registers, and the \
        difference by one between register numbers and addresses. The same few addresses are refused at \
        each poll.",
    remediation: &[
        "Compare the refused addresses with the controller's register list, and mind that register \
            40001 is address 0.",
        "Ask whether the controller's program or the client's tag list was changed shortly before.",
        "If the refused addresses go up step by step, treat it as a scan, and find out who uses the \
            client.",
        "Check on the HMI which values are missing, and tell the operators until it is corrected.",
        "Correct the tag list at the client; if it must stay as it is, mute the alert for this pair.",
    ],
};

pub(super) const MODBUS_ILLEGAL_VALUE: AlertType = AlertType {
    number: AlertTypeId::MODBUS_ILLEGAL_VALUE,
    id: "modbus-illegal-value",
    title: "Modbus server rejected a value",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["modbus"],
    sees: "A server refuses a request with exception 3, since a value or the structure of the request is \
        not allowed.",
    why_it_matters: "The command was not carried out, so a setpoint or a switch is not where the operator believes it \
        to be. It may also be somebody who tries how far the controller can be pushed.",
    evidence: "Client, server and unit, the function, the address and the refused value or quantity, and how \
        often.",
    false_alarms: "An input on the HMI outside the controller's limits, a wrong scaling or number format, or a \
        block longer than the device supports. It then comes with an operator's input or with each poll.",
    remediation: &[
        "Ask the operator whether an input was refused or did not take effect, and check the present \
            value.",
        "Compare the sent value with the limits in the controller's documentation, with regard to \
            scaling, sign and byte order.",
        "If a quantity was refused, reduce the block length in the client's driver.",
        "If nobody made an input and the client is not known to write here, find out who uses it.",
        "Correct the tag's format or limits at the client; if the cause is known and stays, mute the \
            alert for this pair.",
    ],
};

pub(super) const MODBUS_RESPONSE_MISMATCH: AlertType = AlertType {
    number: AlertTypeId::MODBUS_RESPONSE_MISMATCH,
    id: "modbus-response-mismatch",
    title: "Modbus response does not match its request",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0856", "T0830"]),
    protocols: &["modbus"],
    sees: "A response has no request, answers with another function, count or address than asked, or is the \
        second answer to one request.",
    why_it_matters: "The client may take a wrong value for a measured one. Apart from faults, this is what it looks \
        like if a device between the two sends or changes answers, and then the screens no longer show \
        the process.",
    evidence: "The request where there is one, the response or responses with function, transaction id and \
        values, what does not match, and the frames of both.",
    false_alarms: "Loss or doubled frames at the mirror port, a slow gateway that answers after the client has \
        given up, and devices that do not return the transaction id. Late answers come seconds after the \
        request; mirror faults show in the sensor's health.",
    remediation: &[
        "Look at the sensor's statistics for lost, doubled or one-sided traffic on this connection \
            before anything else.",
        "Compare the value on the HMI with the display at the device itself.",
        "Check whether a second MAC address answers for the server, and look for ARP spoofing or \
            address conflict alerts of these two devices.",
        "If the server is a gateway, raise the client's timeout above the gateway's, and reduce the \
            number of parallel requests.",
        "If two answers with different values came, have the wiring and the switch ports between the \
            two inspected for a device that does not belong there.",
        "If the device is known not to keep the transaction id, mute the alert for this pair and ask \
            the vendor for an update.",
    ],
};

pub(super) const MODBUS_DEVICE_FAILURE: AlertType = AlertType {
    number: AlertTypeId::MODBUS_DEVICE_FAILURE,
    id: "modbus-device-failure",
    title: "Modbus device failure",
    engine: EngineKind::Operational,
    category: "command-failures",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&[]),
    protocols: &["modbus"],
    sees: "A server reports exception 4: it failed while carrying out the request.",
    why_it_matters: "The device itself says that it has a fault that it cannot recover from. Values may be missing or \
        old, and a command was perhaps carried out in part.",
    evidence: "The server and unit, the clients and requests that got the exception, how often, and since when.",
    false_alarms: "Devices that use exception 4 as a general answer, for example for a write in local mode or for a \
        value that is not ready. It then depends on one function or one operating state.",
    remediation: &[
        "Look at the device on site: power, fault lights, local display and mode switch.",
        "Read its diagnostics or event buffer with the vendor's tool, and note the fault.",
        "If the refused request was a command, check on site whether it took effect in part.",
        "Check whether other requests to it succeed; if they do, ask the vendor what exception 4 \
            means for the refused one.",
        "Plan an exchange or a restart with the control room, since a restart interrupts the process; \
            mute the alert while the repair is pending.",
    ],
};

pub(super) const MODBUS_UNRESPONSIVE: AlertType = AlertType {
    number: AlertTypeId::MODBUS_UNRESPONSIVE,
    id: "modbus-unresponsive",
    title: "Modbus device does not answer",
    engine: EngineKind::Operational,
    category: "unresponsive",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 3, seconds: 300 }),
    techniques: Techniques::Fixed(&["T0881", "T0814"]),
    protocols: &["modbus"],
    sees: "A Modbus server or unit that answered before leaves several requests unanswered.",
    why_it_matters: "The operators see old values, and commands do not arrive. The reason is mostly a loose cable or \
        a missing supply; an overload or a wanted disturbance looks the same.",
    evidence: "The server and unit, the clients that got no answer, the number of unanswered requests, and the \
        last answer.",
    false_alarms: "Planned shutdowns, restarts after a program download, radio links, and requests to units that \
        are switched off behind a gateway. Check whether only one unit or the whole gateway is silent.",
    remediation: &[
        "Check whether the whole device or only one unit behind a gateway is silent.",
        "Look at its power, link and fault lights, and at the link state of its switch port.",
        "For a unit behind a gateway, check the serial line: wiring, termination and doubled unit \
            numbers.",
        "Look for a flood, a scan or a stop command to the same device in the minutes before.",
        "If it is down for planned work, mute the alert until the work has ended.",
    ],
};
