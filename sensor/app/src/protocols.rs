//! The registry of protocols: a new protocol is one line here.

use ot_protocol::Protocol;

/// All protocols the sensor decodes, in the order in which they are tried: OT protocols, then their companions.
pub static PROTOCOLS: &[&dyn Protocol] = &[
    &ot_modbus::MODBUS,
    &ot_dnp3::DNP3,
    &ot_s7::S7COMM,
    &ot_s7::S7COMM_PLUS,
    &ot_it::HTTP,
    &ot_it::TLS,
    &ot_it::SSH,
    &ot_it::FTP,
    &ot_it::TELNET,
    &ot_it::RDP,
    &ot_it::VNC,
    &ot_it::TEAMVIEWER,
    &ot_it::DNS,
    &ot_it::MDNS,
    &ot_it::NETBIOS_NS,
    &ot_it::DHCP,
    &ot_it::SNMP,
    &ot_it::LLDP,
    &ot_it::CDP,
    &ot_it::PROFINET_DCP,
];

#[cfg(test)]
mod tests {
    use super::PROTOCOLS;
    use ot_protocol::Domain;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_is_an_alert_type_and_ids_are_unique() {
        let mut ids = BTreeSet::new();
        for protocol in PROTOCOLS {
            assert!(ids.insert(protocol.id()), "{} stands twice", protocol.id());
            for rule in protocol.rules() {
                assert!(ot_engine::catalogue::by_id(rule).is_some(), "{}: {rule} is no alert type", protocol.id());
            }
            assert!(!protocol.fields().is_empty() || protocol.domain() == Domain::It, "{}", protocol.id());
        }
    }

    #[test]
    fn the_engine_knows_which_protocols_are_companions() {
        for protocol in PROTOCOLS {
            let known = ot_engine::companions::is_companion(protocol.id());
            assert_eq!(known, protocol.domain() == Domain::It, "{}", protocol.id());
        }
        for companion in ot_engine::companions::ALL {
            assert!(PROTOCOLS.iter().any(|protocol| protocol.id() == companion.id), "{} is not decoded", companion.id);
        }
    }
}
