//! Companion protocols: what office networks bring into a plant. Who speaks one is no OT device for that, and an exchange
//! in one concerns a plant only where an OT device or an OT network takes part.

/// What the engine knows of a companion protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Protocol id.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Whether a person works on a device from afar with it.
    pub remote_access: bool,
}

const fn companion(id: &'static str, name: &'static str, remote_access: bool) -> Companion {
    Companion { id, name, remote_access }
}

/// All companion protocols.
pub const ALL: &[Companion] = &[
    companion("http", "HTTP", false),
    companion("tls", "TLS", false),
    companion("ssh", "SSH", true),
    companion("ftp", "FTP", false),
    companion("telnet", "Telnet", true),
    companion("rdp", "Remote Desktop", true),
    companion("vnc", "VNC", true),
    companion("teamviewer", "TeamViewer", true),
    companion("dns", "DNS", false),
    companion("mdns", "multicast DNS", false),
    companion("netbios-ns", "NetBIOS name service", false),
    companion("dhcp", "DHCP", false),
    companion("snmp", "SNMP", false),
    companion("lldp", "LLDP", false),
    companion("cdp", "Cisco Discovery Protocol", false),
    companion("profinet-dcp", "PROFINET DCP", false),
];

/// The companion protocol with this id.
pub fn by_id(protocol: &str) -> Option<&'static Companion> {
    ALL.iter().find(|companion| companion.id == protocol)
}

/// Whether a protocol is a companion, not an OT protocol.
pub fn is_companion(protocol: &str) -> bool {
    by_id(protocol).is_some()
}
