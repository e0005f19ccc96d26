//! Companion protocols: what office networks bring into a plant, looked into to name and classify devices and to see
//! sign-ins, remote access and the names that devices contact.
//!
//! Each module is one protocol and one item of the registry ([`COMPANIONS`]). A session looks at the first messages and
//! is then done, so that bulk data costs a counter. What it tells:
//!
//! - an identity: a name, a banner, a description, told by a device of itself; as hearsay, what a name server or a
//!   neighbour tells of another;
//! - a sign-in: an activity of the class `authenticate` with the user's name and the outcome. Passwords and community
//!   strings are compared with published factory defaults ([`defaults`]) and forgotten; they are in no field;
//! - a remote session: an activity of the class `session` (SSH, RDP, VNC, Telnet, TeamViewer);
//! - a name that a client asked for or contacted.
//!
//! Who speaks these is no OT device for that.

#![cfg_attr(doc, allow(rustdoc::private_intra_doc_links))]

mod cdp;
mod companion;
mod dcp;
mod defaults;
mod dhcp;
mod dns;
mod ftp;
mod http;
mod lines;
mod lldp;
mod mdns;
mod netbios;
mod rdp;
mod snmp;
mod ssh;
mod teamviewer;
mod telnet;
mod text;
mod tls;
mod vnc;

use ot_protocol::Protocol;

pub use companion::Companion;
pub use http::{LEAST_HEADER, LEAST_PARAMETERS, SPACE as HTTP_HEADER};

/// Counter of requests given up because too many were open.
pub const REQUESTS_EVICTED: &str = "companion-requests-evicted";

/// HTTP.
pub static HTTP: Companion = http::HTTP;
/// FTP, the control connection.
pub static FTP: Companion = ftp::FTP;
/// Telnet.
pub static TELNET: Companion = telnet::TELNET;
/// SSH.
pub static SSH: Companion = ssh::SSH;
/// Remote Desktop.
pub static RDP: Companion = rdp::RDP;
/// VNC (RFB).
pub static VNC: Companion = vnc::VNC;
/// TeamViewer.
pub static TEAMVIEWER: Companion = teamviewer::TEAMVIEWER;
/// TLS.
pub static TLS: Companion = tls::TLS;
/// DNS.
pub static DNS: Companion = dns::DNS;
/// Multicast DNS and LLMNR.
pub static MDNS: Companion = mdns::MDNS;
/// NetBIOS name service.
pub static NETBIOS_NS: Companion = netbios::NETBIOS_NS;
/// DHCP.
pub static DHCP: Companion = dhcp::DHCP;
/// SNMP.
pub static SNMP: Companion = snmp::SNMP;
/// LLDP.
pub static LLDP: Companion = lldp::LLDP;
/// Cisco Discovery Protocol.
pub static CDP: Companion = cdp::CDP;
/// PROFINET discovery and basic configuration.
pub static PROFINET_DCP: Companion = dcp::PROFINET_DCP;

/// All companions, in the order in which they are tried.
pub static COMPANIONS: &[&dyn Protocol] = &[
    &HTTP,
    &TLS,
    &SSH,
    &FTP,
    &TELNET,
    &RDP,
    &VNC,
    &TEAMVIEWER,
    &DNS,
    &MDNS,
    &NETBIOS_NS,
    &DHCP,
    &SNMP,
    &LLDP,
    &CDP,
    &PROFINET_DCP,
];
