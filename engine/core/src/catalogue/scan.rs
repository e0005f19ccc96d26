//! Devices that look for other devices, services, functions or points.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const ADDRESS_SCAN: AlertType = AlertType {
    number: AlertTypeId::ADDRESS_SCAN,
    id: "address-scan",
    title: "Address scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: Some(Threshold { count: 50, seconds: 120 }),
    techniques: Techniques::Fixed(&["T0846"]),
    protocols: &["ip"],
    sees: "A device contacts many different addresses of one network within a short time.",
    why_it_matters: "Plant devices talk to a fixed set of partners. Trying one address after the other is how a \
        person or a program finds out what is there, and old controllers sometimes stop when they are \
        probed.",
    evidence: "The scanning device, the number of addresses within the window with examples, the ports used, \
        and which addresses answered.",
    false_alarms: "Network management, asset inventory or vulnerability scanners, and engineering software that \
        searches for stations. They run from a known computer, often at a fixed hour.",
    remediation: &[
        "Identify the scanning device and ask its user or administrator which program runs on it.",
        "If nobody knows of a scan, take the device off the network and have it checked for malware.",
        "Ask the control room whether controllers or drives showed faults or lost communication at \
            that time.",
        "Check the later alerts of the scanning device, above all new connections and writes to those \
            who answered.",
        "If it is an approved scanner, agree on which networks and hours it may scan, and learn the \
            alert to flag it as a scanner.",
    ],
};

pub(super) const ADDRESS_SCAN_SLOW: AlertType = AlertType {
    number: AlertTypeId::ADDRESS_SCAN_SLOW,
    id: "address-scan-slow",
    title: "Slow address scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Critical,
    default_on: false,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: Some(Threshold { count: 50, seconds: 600 }),
    techniques: Techniques::Fixed(&["T0846"]),
    protocols: &["ip"],
    sees: "A device contacts many different addresses of one network, spread over a longer time.",
    why_it_matters: "Somebody who does not want to be noticed looks around slowly. The picture that results is the \
        same as that of a fast scan, and so is what it is used for.",
    evidence: "The scanning device, the number of addresses within the longer window with examples, the ports \
        used, and which addresses answered.",
    false_alarms: "Servers that by nature talk to many devices, such as backup, update, domain or monitoring \
        servers. They come back to the same addresses each time, whereas a scan goes through addresses \
        that do not exist.",
    remediation: &[
        "Check whether the contacted addresses exist at all; many that do not answer speak for a \
            scan.",
        "Ask the administrator of the device which service on it needs to reach so many addresses.",
        "Compare with the day before in the device's events to see whether this is new.",
        "If there is no good reason, take the device off the network and have it checked.",
        "If the device is a server with that task, learn the alert to flag it as a scanner.",
    ],
};

pub(super) const ARP_SCAN: AlertType = AlertType {
    number: AlertTypeId::ARP_SCAN,
    id: "arp-scan",
    title: "ARP scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: Some(Threshold { count: 40, seconds: 360 }),
    techniques: Techniques::Fixed(&["T0846"]),
    protocols: &["arp"],
    sees: "A device asks by ARP for many different addresses within a few minutes.",
    why_it_matters: "ARP asks which device in the local segment has an address. A long series of such questions lists \
        all devices of the segment, and it can only come from a device inside this segment or from the \
        router at its border.",
    evidence: "The asking device, the number and the span of addresses asked for, and how many answers came \
        back.",
    false_alarms: "A router after a restart or whose far side is being scanned, a network management station, or a \
        computer that has just joined and searches its stations. If the router asks, the true source \
        lies behind it.",
    remediation: &[
        "Identify the asking device by its MAC address in the address table of the switch.",
        "If it is a router or firewall, look in its log for the device behind it that contacts so \
            many addresses.",
        "Ask the user of the device which program is running; network scanners and search functions \
            of engineering tools are the usual ones.",
        "If nobody can explain it, unplug the device and have it examined.",
        "If the device is allowed to look for others, learn the alert to flag it as a scanner.",
    ],
};

pub(super) const PORT_SCAN: AlertType = AlertType {
    number: AlertTypeId::PORT_SCAN,
    id: "port-scan",
    title: "Port scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: Some(Threshold { count: 25, seconds: 120 }),
    techniques: Techniques::Fixed(&["T0846", "T0888"]),
    protocols: &["tcp", "udp"],
    sees: "A device tries many different ports of one server within a short time.",
    why_it_matters: "Trying ports shows which services a device offers and thereby how it could be reached. \
        Controllers and older drives have small network stacks, and some of them stop answering when \
        this is done to them.",
    evidence: "The scanning device, the server, the number of ports with examples, and which ports were open.",
    false_alarms: "A vulnerability scan by the IT department, a monitoring system that checks services, or passive \
        FTP and OPC DCOM, which use changing ports. The first two come from a known address, the last \
        two follow a connection on port 21 or 135.",
    remediation: &[
        "Check on the HMI whether the scanned device still works and still communicates.",
        "Ask whoever looks after the scanning device, and the IT department, whether a scan was \
            planned.",
        "If nobody planned it, disconnect the scanning device and keep it as it is for examination.",
        "Note which ports were open on the server and turn off those services that it does not need, \
            such as telnet, FTP or web pages.",
        "If the scan is approved, learn the alert and agree that controllers are scanned only during \
            a stop.",
    ],
};

pub(super) const PLC_SCAN: AlertType = AlertType {
    number: AlertTypeId::PLC_SCAN,
    id: "plc-scan",
    title: "Controller scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: Some(Threshold { count: 10, seconds: 120 }),
    techniques: Techniques::Fixed(&["T0846", "T0888"]),
    protocols: &["modbus", "dnp3", "s7comm", "s7comm-plus"],
    sees: "A device sends identification or connection probes to many controllers or units within a short \
        time.",
    why_it_matters: "Asking each controller what it is gives make, model and firmware, that is, all one needs to \
        choose the right attack. Ordinary operation asks for it rarely, if ever.",
    evidence: "The asking device, the controllers, units or addresses asked, the function used, and who \
        answered with which identity.",
    false_alarms: "An engineering station that searches for stations, an asset inventory tool, or a gateway that \
        looks for its serial units at start. The first is used by a person who remembers it, the last \
        happens after each restart.",
    remediation: &[
        "Ask the user of the sending device whether they used a search or browse function of the \
            engineering software.",
        "If it is an inventory tool, ask its owner whether it was to run now and in this network.",
        "If nobody did it, disconnect the sending device and have it examined.",
        "Check the answering controllers for later writes, program reads or stop commands from any \
            device.",
        "Close the protocol's port toward networks that do not need it at the firewall.",
        "If the search is part of normal work, learn the alert to flag the device as a scanner.",
    ],
};

pub(super) const FUNCTION_SCAN: AlertType = AlertType {
    number: AlertTypeId::FUNCTION_SCAN,
    id: "function-scan",
    title: "Function code scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 8, seconds: 120 }),
    techniques: Techniques::Fixed(&["T0888", "T0855"]),
    protocols: &["modbus", "dnp3", "s7comm"],
    sees: "A device tries many different function codes on one controller, most of which are refused.",
    why_it_matters: "A configured master uses a handful of functions that the controller knows. Trying all of them \
        shows what the controller can do, and with some codes it also does it: restarts, clears counters \
        or falls silent.",
    evidence: "The sending device, the controller, the function codes tried, and which of them were accepted or \
        refused and with which code.",
    false_alarms: "A driver that finds out at start which functions the device supports, or a commissioning tool \
        set to the wrong device type. Such a driver tries a few codes, once, after a restart.",
    remediation: &[
        "Look through the list of accepted functions for writes, restart or listen-only commands, and \
            check the controller's state on the HMI.",
        "Ask the user of the sending device whether a test tool, a new driver or another device type \
            was set up.",
        "If nobody can explain it, disconnect the sending device and have it examined.",
        "If it was a driver, correct the device type or its list of functions so that it stops \
            trying.",
        "If the trial is known and harmless, learn the alert.",
    ],
};

pub(super) const POINT_SCAN: AlertType = AlertType {
    number: AlertTypeId::POINT_SCAN,
    id: "point-scan",
    title: "Register or point scan",
    engine: EngineKind::Anomaly,
    category: "scan",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0861", "T0802"]),
    protocols: &["modbus", "dnp3", "s7comm"],
    sees: "A device walks through the address space of a controller, register by register or block by \
        block.",
    why_it_matters: "A configured master knows which registers it needs. Reading through all of them is how one finds \
        out where setpoints and outputs are; it can also load a small controller noticeably.",
    evidence: "The reading device, the controller and table, the range walked through, the size of the steps, \
        and how many requests were refused.",
    false_alarms: "A technician with a register viewer, a new HMI project that browses the device, or a driver that \
        looks for valid ranges. They are short and tied to a person or to a change.",
    remediation: &[
        "Ask the user of the reading device whether they explored the controller with a test tool.",
        "Check the response times and the scan time of the controller on its diagnostics page.",
        "Look for writes of the same device after the walk; they are the step that follows.",
        "If nobody can explain it, disconnect the reading device and have it examined.",
        "If the walk is part of normal work, learn the alert; otherwise have the tool removed from \
            the plant network.",
    ],
};
