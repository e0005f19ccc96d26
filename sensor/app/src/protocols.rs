//! The registry of protocols: a new protocol is one line here.

use ot_protocol::Protocol;

/// All protocols the sensor decodes, in the order in which they are tried.
pub static PROTOCOLS: &[&dyn Protocol] = &[&ot_modbus::MODBUS, &ot_dnp3::DNP3, &ot_s7::S7COMM, &ot_s7::S7COMM_PLUS];

#[cfg(test)]
mod tests {
    use super::PROTOCOLS;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_is_an_alert_type_and_ids_are_unique() {
        let mut ids = BTreeSet::new();
        for protocol in PROTOCOLS {
            assert!(ids.insert(protocol.id()), "{} stands twice", protocol.id());
            for rule in protocol.rules() {
                assert!(ot_engine::catalogue::by_id(rule).is_some(), "{}: {rule} is no alert type", protocol.id());
            }
            assert!(!protocol.fields().is_empty());
        }
    }
}
