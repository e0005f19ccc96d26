//! Devices that reach, or are reached from, the internet.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques};

pub(super) const INTERNET_ATTEMPT: AlertType = AlertType {
    number: AlertTypeId::INTERNET_ATTEMPT,
    id: "internet-attempt",
    title: "Attempt to reach the internet",
    engine: EngineKind::PolicyViolation,
    category: "internet-access",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0869", "T0885"]),
    protocols: &["ip"],
    sees: "A device of the plant tries to contact a public address and gets no answer, or is refused.",
    why_it_matters: "A controller or operator station has no business in the internet. A firewall stopped this one; the \
        program that tries it is still there, and one change of the firewall lets it out.",
    evidence: "The device, the public addresses and ports that it tried, how often, whether the attempt was refused or \
        stayed without answer, and the frames.",
    false_alarms: "Windows and engineering software that looks for updates, licences or the time, and a DNS or NTP server \
        left at the vendor's default. They try the same few addresses again and again.",
    remediation: &[
        "Ask the person who looks after the device which program contacts this address and port.",
        "Turn that function off (updates, telemetry, cloud service), or point it at a server inside the plant.",
        "Check that the firewall between plant and office refuses the attempt on purpose and not by luck.",
        "If nobody can explain it, disconnect the device and have it examined for unwanted programs.",
        "If the attempt is known and harmless, learn the alert for this device and address.",
    ],
};

pub(super) const INTERNET_CONNECTION: AlertType = AlertType {
    number: AlertTypeId::INTERNET_CONNECTION,
    id: "internet-connection",
    title: "Connection with the internet",
    engine: EngineKind::PolicyViolation,
    category: "internet-access",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0869", "T0885"]),
    protocols: &["ip"],
    sees: "A device of the plant and a public address exchange packets in both directions.",
    why_it_matters: "Whoever is at the other end can send data into the plant and take data out of it. Most break-ins into \
        plants used a path of this kind for remote control.",
    evidence: "The device, the public address and port, who opened the connection, the protocol where it is known, and the \
        frames.",
    false_alarms: "Remote maintenance that was agreed upon, a cloud historian, updates, name and time servers of the \
        provider, and a site that uses public addresses inside: list those under ot_subnets.",
    remediation: &[
        "Find out who owns the public address, and ask the person who looks after the device what the connection is for.",
        "If it was opened from the internet, close the port forwarding or rule that lets it in at once.",
        "If nobody can explain it, cut the device off from the internet at the firewall, keep the packets, and call those who \
            handle security incidents.",
        "Look at what the device did to controllers since the connection began.",
        "Route what is needed through a jump host or proxy in a zone of its own.",
        "If it is agreed upon, learn the alert for this device and address.",
    ],
};

pub(super) const PUBLIC_ADDRESS_INSIDE: AlertType = AlertType {
    number: AlertTypeId::PUBLIC_ADDRESS_INSIDE,
    id: "public-address-inside",
    title: "Public address inside the monitored network",
    engine: EngineKind::PolicyViolation,
    category: "internet-access",
    severity: Severity::Critical,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client],
    threshold: None,
    techniques: Techniques::Fixed(&["T0883"]),
    protocols: &["ip"],
    sees: "A device beside the plant's own ones has an address of the public range, which is not among the configured \
        networks, and talks to another public address.",
    why_it_matters: "It is a device that stands in the plant's network and in the internet at once, such as a modem, a \
        mobile router or a notebook with a second connection: a way around the firewall.",
    evidence: "The device with its MAC address, the public address that it talks to, the port, whether it was answered, \
        and the frames.",
    false_alarms: "Plants that were numbered with public addresses long ago. List those networks under ot_subnets or as a \
        zone, and only true connections with the internet are told.",
    remediation: &[
        "Find the device by its MAC address in the address table of the switch.",
        "If it is a modem, mobile router or notebook that nobody approved, unplug it.",
        "If the plant uses this public range itself, add it to ot_subnets in the sensor's configuration.",
        "Check which devices of the plant talked to it since it appeared.",
        "If it is a known provider's line that has to stand here, learn the alert for it.",
    ],
};
