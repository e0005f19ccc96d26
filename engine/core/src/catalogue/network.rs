//! Addresses, packets and connections below the OT protocols.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const ARP_SPOOFING: AlertType = AlertType {
    number: AlertTypeId::ARP_SPOOFING,
    id: "arp-spoofing",
    title: "ARP spoofing",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0830"]),
    protocols: &["arp"],
    sees: "An address is claimed by another MAC address than the one bound to it, or unasked ARP replies \
        come at a high rate.",
    why_it_matters: "In this way a device places itself between two others and can read and change what they send \
        each other, such as a measured value on its way to the HMI.",
    evidence: "The claiming device, the claimed address, the former and the new MAC address, the number of \
        unasked replies, and the frames.",
    false_alarms: "Redundant pairs that hand over a shared address, a replaced network card, and load balancing by \
        teamed cards. In a hand-over both MAC addresses belong to known partners, and it happens once.",
    remediation: &[
        "Check whether the two MAC addresses belong to a redundant pair or to a device that was just \
            replaced.",
        "If they do not, look up the switch port of the claiming MAC address and unplug it.",
        "Compare values on the HMI with the displays at the devices in the field until the matter is \
            settled.",
        "Clear the ARP tables of the affected masters, or restart their network connection, so that \
            they learn the right address again.",
        "Turn on ARP inspection or port security on the switch, or enter fixed ARP entries in the \
            masters.",
        "If it is a redundant pair, mute the alert for this device.",
    ],
};

pub(super) const ADDRESS_CONFLICT: AlertType = AlertType {
    number: AlertTypeId::ADDRESS_CONFLICT,
    id: "address-conflict",
    title: "Two devices claim one IP address",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0849", "T0830"]),
    protocols: &["arp", "ip"],
    sees: "Two devices use the same IP address at the same time.",
    why_it_matters: "Packets reach now the one, now the other: connections break, values jump between two sources, \
        and commands go to the wrong device.",
    evidence: "The address, both MAC addresses with their vendors, when each was seen last, and the frames.",
    false_alarms: "Redundant systems with a shared address, cluster take-overs, and a device whose network card was \
        exchanged. There the two do not speak in turn for long.",
    remediation: &[
        "Look up both MAC addresses on the switch and find the two devices.",
        "Ask which of them was connected or configured last; spare parts with a default address and \
            copied virtual machines are the usual cause.",
        "Give the wrong device another address or disconnect it, after asking the control room which \
            one the process needs.",
        "Check whether commands were sent to the address during the conflict, and whether they \
            reached the right device.",
        "If they are a redundant pair by design, mute the alert for this address.",
    ],
};

pub(super) const OVERLAPPING_SEGMENTS: AlertType = AlertType {
    number: AlertTypeId::OVERLAPPING_SEGMENTS,
    id: "overlapping-segments",
    title: "Conflicting data in overlapping TCP segments",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0830", "T0866"]),
    protocols: &["tcp"],
    sees: "A TCP segment or IP fragment carries other bytes for a range of data that was sent before.",
    why_it_matters: "A repeated segment has the same content. If it differs, the receiver and a firewall or sensor \
        may read two different messages, which is a known way to smuggle a command past inspection.",
    evidence: "Both versions of the bytes with their offsets, the connection, the frames, and which version the \
        sensor went on with.",
    false_alarms: "Broken offload functions of network cards, faulty TCP stacks in old devices, and captures put \
        together from several mirror ports. They hit many connections of one device or one mirror port.",
    remediation: &[
        "Compare the two versions in the alert and see whether one of them holds another command or \
            value.",
        "Check whether other connections of the same device or the same mirror port have this too, \
            which speaks for a technical fault.",
        "Update the driver of the sender's network card or turn its offload functions off for a test.",
        "If only one connection to a controller is hit, check the points addressed on the HMI, and \
            examine the sender.",
        "If an old device is known to do this, mute the alert for the pair.",
    ],
};

pub(super) const MALFORMED_BURST: AlertType = AlertType {
    number: AlertTypeId::MALFORMED_BURST,
    id: "malformed-burst",
    title: "Many malformed messages in one session",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 2, seconds: 600 }),
    techniques: Techniques::Fixed(&["T0866", "T0814"]),
    protocols: &[],
    sees: "Several malformed messages come within one session.",
    why_it_matters: "A single damaged message can be chance. Several in one session mean faulty software, or somebody \
        who sends damaged messages on purpose to make a device fail.",
    evidence: "The session's devices and protocol, the number of malformed messages, what is wrong with each \
        and at which offset, and the frames.",
    false_alarms: "Loss at the mirror port, another protocol on the port, and a device of a vendor with its own \
        view of the protocol. With loss the sensor's health shows gaps at the same time.",
    remediation: &[
        "Check in the sensor's statistics whether frames were lost or cut, and correct the mirror \
            port first if so.",
        "Look at the list of faults: the same fault each time speaks for software, ever different \
            ones for a test with random data.",
        "Check whether the receiving device still works, and whether it restarted.",
        "Ask who uses the sending device, and disconnect it if nobody can explain the messages.",
        "If it is a known fault of a product, report it to the vendor and mute the alert for this \
            pair.",
    ],
};

pub(super) const MESSAGE_TOO_LONG: AlertType = AlertType {
    number: AlertTypeId::MESSAGE_TOO_LONG,
    id: "message-too-long",
    title: "Message longer than the protocol allows",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 32768, seconds: 0 }),
    techniques: Techniques::Fixed(&["T0866"]),
    protocols: &[],
    sees: "A message announces a length that no device of this protocol needs.",
    why_it_matters: "Too long messages are the classic means of overrunning a device's memory, which can stop it or \
        make it run foreign code.",
    evidence: "The announced length, the protocol and its greatest allowed length, sender and receiver, and the \
        frame.",
    false_alarms: "Another protocol on the port, encrypted traffic, or a start in the middle of a stream, so that \
        data are taken for a header. Such cases come with other signs of a wrong protocol.",
    remediation: &[
        "Check whether the receiving device still works and answers.",
        "Find out which program on the sender opened the connection.",
        "Check whether the port is used for another protocol, such as a file transfer or an encrypted \
            tunnel.",
        "If the sender is no known master, disconnect it and have it examined.",
        "Ask the receiver's vendor whether its firmware is known to be vulnerable to too long \
            messages; if the cause proves harmless, mute the alert for this pair.",
    ],
};

pub(super) const WRONG_PROTOCOL_ON_PORT: AlertType = AlertType {
    number: AlertTypeId::WRONG_PROTOCOL_ON_PORT,
    id: "wrong-protocol-on-port",
    title: "Unexpected protocol on a standard port",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0885", "T0869"]),
    protocols: &["tcp", "udp"],
    sees: "Port 102, 502 or 20000 carries another protocol than its own, or an OT protocol runs on another \
        port than its usual one.",
    why_it_matters: "Firewalls let these ports pass since the plant needs them. Whoever hides another program behind \
        them gets through; whoever hides an OT protocol elsewhere escapes the rules made for it.",
    evidence: "Client and server, the port, the protocol expected and the one recognised, the first bytes, and \
        the frames.",
    false_alarms: "Gateways with one port for each serial line, simulators on high ports, and remote maintenance on \
        a port chosen at random. They are listed in the configuration of a known device.",
    remediation: &[
        "Look up in the documentation of the server which service is meant to use this port.",
        "Ask who runs the client and which program opens the connection.",
        "If it is another program on an OT port, stop it, and find out how it came on the device.",
        "If it is an OT protocol on another port by design, check that the firewall's rules cover \
            that port as well.",
        "If both sides are known and the port is intended, learn the alert.",
    ],
};

pub(super) const HTTP_ABNORMAL: AlertType = AlertType {
    number: AlertTypeId::HTTP_ABNORMAL,
    id: "http-abnormal",
    title: "HTTP message outside usual bounds",
    engine: EngineKind::Anomaly,
    category: "abnormal-communication",
    severity: Severity::Minor,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 4096, seconds: 0 }),
    techniques: Techniques::Fixed(&["T0866"]),
    protocols: &["http"],
    sees: "A request to a web server has a header of 4,096 bytes or more, 64 or more parameters, or characters in it \
        that HTTP does not allow.",
    why_it_matters: "The web servers in controllers and gateways are small and seldom updated. A request that is far longer \
        than they expect can stop them, and with them the device, or make them run foreign code.",
    evidence: "Client and server, length of the header in bytes, number of parameters, what was not allowed, and what \
        the server answered.",
    false_alarms: "Applications in the office that carry long cookies along. They talk to large servers, not to \
        controllers.",
    remediation: &[
        "Check whether the server is still there and does its work.",
        "Find the program on the client that sent the request; security scanners send such requests on purpose.",
        "If the client is no scanner and no known program, disconnect it and have it examined.",
        "Ask the vendor for an update of the device's firmware, and block its web page at the firewall if it is not needed.",
        "If an application needs such requests, learn the alert.",
    ],
};

pub(super) const PORT_ZERO: AlertType = AlertType {
    number: AlertTypeId::PORT_ZERO,
    id: "port-zero",
    title: "Connection on port 0",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0846"]),
    protocols: &["tcp", "udp"],
    sees: "A TCP or UDP packet has port 0 as source or destination.",
    why_it_matters: "Port 0 is reserved and no service uses it. Such packets come from tools that find out which \
        system a device runs, or from faulty software.",
    evidence: "The sender and receiver, protocol and ports, the number of packets, and whether an answer came.",
    false_alarms: "Damaged packets, fragments read by mistake as whole ones, and some printers and old network \
        cards. They are single and come from a known device.",
    remediation: &[
        "Identify the sender and ask which program was running at that time.",
        "Look for scans by the same sender in the minutes around it.",
        "If a network scanner was in use without approval, stop it, and have the device checked.",
        "Block port 0 at the firewall, since nothing needs it.",
        "If a known device sends it by a fault, mute the alert for this pair.",
    ],
};

pub(super) const ILLEGAL_IP_ADDRESS: AlertType = AlertType {
    number: AlertTypeId::ILLEGAL_IP_ADDRESS,
    id: "illegal-ip-address",
    title: "Invalid IP address in use",
    engine: EngineKind::Operational,
    category: "abnormal-communication",
    severity: Severity::Minor,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0849"]),
    protocols: &["ip"],
    sees: "A packet has a source address that no host may have, such as a group, broadcast or loopback \
        address.",
    why_it_matters: "Answers to such an address go nowhere or to everyone. It is mostly a wrong setting, sometimes a \
        packet that was built to hide its sender.",
    evidence: "The address, the MAC address and the VLAN that it came from, whom it addressed, and the frames.",
    false_alarms: "A device with a wrong network mask or a faulty start, and virtual machines or containers with \
        open network settings. The MAC address leads to it.",
    remediation: &[
        "Find the device by its MAC address in the address table of the switch.",
        "Check its IP address, mask and gateway, and correct them.",
        "If the settings are right, check which program sends such packets, and ask the vendor about \
            the fault.",
        "If packets with many different source addresses come from one port, unplug it and have the \
            device examined.",
        "If the device cannot be corrected for now, mute the alert for it.",
    ],
};

pub(super) const DENIAL_OF_SERVICE: AlertType = AlertType {
    number: AlertTypeId::DENIAL_OF_SERVICE,
    id: "denial-of-service",
    title: "Suspected denial of service",
    engine: EngineKind::Malware,
    category: "suspected-malicious",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Server],
    threshold: Some(Threshold { count: 3000, seconds: 60 }),
    techniques: Techniques::Fixed(&["T0814"]),
    protocols: &["tcp", "udp"],
    sees: "One target gets far more new connection attempts within a minute than a plant network ever \
        needs.",
    why_it_matters: "Controllers handle only a few connections at a time. Under such a load they drop their masters, \
        and the operators lose sight and control of the process.",
    evidence: "The target, the number of attempts and the port, up to ten sources with their shares, and how \
        many attempts were answered.",
    false_alarms: "A load test, a scanner, or a client that reconnects without pause after an error. The last is \
        one source that always uses the same port.",
    remediation: &[
        "Check at the control room whether the target still communicates, and switch the section to \
            local operation if it does not.",
        "If one source causes it, disconnect that source or its switch port; if there are many, block \
            the way at the firewall or router.",
        "Look at the client program of a single source for a reconnect time of zero, and set it to \
            some seconds.",
        "Restart the target's communication after the load has ended if it does not recover.",
        "Limit new connections to the controllers at the firewall or by an access list.",
        "If it was an approved test, learn the alert for this target, or close it with a comment.",
    ],
};
