//! Factory defaults that vendors published: a name and a password as they stand in manuals and advisories.
//!
//! What was presented is compared here and forgotten; all that leaves is the product whose default it is.

/// Where credentials were presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Http,
    Ftp,
    Telnet,
    Snmp,
}

use Service::{Ftp, Http, Snmp, Telnet};

struct Default {
    services: &'static [Service],
    user: &'static str,
    password: &'static str,
    product: &'static str,
}

const ANY: &[Service] = &[Http, Ftp, Telnet];

const fn entry(
    services: &'static [Service],
    user: &'static str,
    password: &'static str,
    product: &'static str,
) -> Default {
    Default { services, user, password, product }
}

/// In order of name and password. Each from the vendor's manual, or from an advisory that quotes it.
const TABLE: &[Default] = &[
    // Rockwell Automation, MicroLogix 1400 user manual 1766-UM001, chapter on the web server.
    entry(&[Http], "administrator", "ml1400", "Rockwell MicroLogix 1400"),
    // Siemens, manual of the option Sm@rtServer and of the web server of HMI panels.
    entry(&[Http, Ftp], "Administrator", "100", "Siemens HMI panels"),
    // Beckhoff, manual of embedded PCs with Windows CE and Windows Embedded: account of the delivery.
    entry(ANY, "Administrator", "1", "Beckhoff embedded PCs"),
    entry(ANY, "admin", "admin", "many devices, among them Siemens SCALANCE, Moxa and ScadaBR"),
    // Moxa, manuals of NPort and EDS from firmware with a password on.
    entry(ANY, "admin", "moxa", "Moxa NPort and EDS"),
    // Hirschmann and Phoenix Contact, manuals of managed switches.
    entry(ANY, "admin", "private", "Hirschmann and Phoenix Contact switches"),
    // WAGO, manuals of the controllers 750-8xx.
    entry(ANY, "admin", "wago", "WAGO 750 controllers"),
    entry(ANY, "guest", "guest", "WAGO 750 controllers and others"),
    entry(ANY, "user", "user", "WAGO 750 controllers and Siemens SCALANCE"),
    entry(ANY, "root", "wago", "WAGO PFC controllers"),
    // Westermo, manual of WeOS.
    entry(ANY, "admin", "westermo", "Westermo switches"),
    entry(ANY, "admin", "password", "many devices"),
    entry(ANY, "admin", "1234", "many devices"),
    entry(ANY, "admin", "12345", "Hikvision cameras of old firmware"),
    // Siemens S7-300 and LOGO!, advisory ICS-ALERT-11-204-01.
    entry(ANY, "basisk", "basisk", "Siemens S7-300"),
    // Cisco, quick start guides.
    entry(ANY, "cisco", "cisco", "Cisco devices"),
    // Schneider Electric, advisory ICSA-12-018-01: accounts of the Ethernet modules of Quantum, Premium and M340.
    entry(&[Http], "USER", "USER", "Schneider Electric Modicon"),
    entry(&[Ftp, Telnet], "sysdiag", "factorycast@schneider", "Schneider Electric Modicon"),
    entry(&[Ftp, Telnet], "loader", "fwdownload", "Schneider Electric Modicon"),
    entry(&[Ftp, Telnet], "ntpupdate", "ntpupdate", "Schneider Electric Modicon"),
    // OpenPLC, documentation of the runtime.
    entry(&[Http], "openplc", "openplc", "OpenPLC Runtime"),
    // Raspberry Pi OS before April 2022.
    entry(ANY, "pi", "raspberry", "Raspberry Pi OS"),
    // Digi, user guides of terminal servers.
    entry(ANY, "root", "dbps", "Digi terminal servers"),
    entry(ANY, "root", "root", "many devices"),
    // Axis, user manuals of old firmware.
    entry(ANY, "root", "pass", "Axis cameras of old firmware"),
    // Ubiquiti, quick start guides.
    entry(ANY, "ubnt", "ubnt", "Ubiquiti devices"),
    // The communities that RFC 1157 agents are delivered with.
    entry(&[Snmp], "", "public", "SNMP agents: community for reading"),
    entry(&[Snmp], "", "private", "SNMP agents: community for writing"),
];

/// The product whose published default the credentials are.
pub(crate) fn product(service: Service, user: &str, password: &[u8]) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|known| known.services.contains(&service) && known.user == user && known.password.as_bytes() == password)
        .map(|known| known.product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_pair_is_a_default() {
        assert_eq!(product(Http, "admin", b"wago"), Some("WAGO 750 controllers"));
        assert_eq!(product(Http, "admin", b"wagO"), None);
        assert_eq!(product(Http, "operator", b"wago"), None);
        assert_eq!(product(Http, "sysdiag", b"factorycast@schneider"), None);
        assert_eq!(product(Snmp, "", b"public"), Some("SNMP agents: community for reading"));
        assert_eq!(product(Ftp, "", b"public"), None);
    }

    #[test]
    fn no_pair_stands_twice_and_no_product_holds_a_password() {
        for (at, one) in TABLE.iter().enumerate() {
            assert!(!TABLE[..at].iter().any(|other| other.user == one.user && other.password == one.password));
            assert!(one.password.len() > 1 || one.password == "1");
        }
    }
}
