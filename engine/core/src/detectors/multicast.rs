//! Groups that a device was not learned to use.

use super::Detector;
use super::spread::{is_group, number, of_flow, service};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{EntryKey, EntryKind};
use crate::shared::{Core, SeenFlow};
use crate::words;
use ot_protocol::{Endpoint, FlowKind, Transport};
use std::net::IpAddr;

/// EtherTypes of OT protocols that use groups without IP: PROFINET, EtherCAT, POWERLINK, GOOSE, GSE management, sampled
/// values, SERCOS III, media redundancy, HSR and PRP supervision.
const OT_ETHERTYPES: [u16; 9] = [0x8892, 0x88a4, 0x88ab, 0x88b8, 0x88b9, 0x88ba, 0x88cd, 0x88e3, 0x88fb];

/// Learns the groups that each device sends to.
pub struct Multicast;

/// The group, for people and as a key: solicited-node addresses (RFC 4291, clause 2.7.1) are one group.
fn group(endpoint: &Endpoint) -> String {
    match endpoint.ip {
        Some(IpAddr::V6(ip)) if ip.to_bits() >> 24 == 0x00ff_0200_0000_0000_0000_0000_01ff => {
            "ff02::1:ff00:0/104".to_owned()
        }
        Some(ip) => ip.to_string(),
        None => endpoint.mac.map(|mac| mac.to_string()).unwrap_or_default(),
    }
}

/// What is known of some groups (IANA multicast and port registries).
fn known(group: &str, port: u16) -> &'static str {
    match (group, port) {
        ("224.0.0.251" | "ff02::fb", _) => "multicast DNS",
        ("239.255.255.250" | "ff02::c", _) => "SSDP or WS-Discovery",
        ("224.0.0.252" | "ff02::1:3", _) => "LLMNR",
        ("224.0.0.1" | "ff02::1", _) => "all hosts",
        ("224.0.0.2" | "ff02::2", _) => "all routers",
        ("224.0.0.22" | "ff02::16", _) => "group membership reports",
        ("224.0.0.18", _) => "VRRP",
        ("224.0.1.129" | "224.0.0.107", _) => "PTP",
        ("224.0.1.1", _) => "NTP",
        ("ff02::1:ff00:0/104", _) => "neighbour discovery",
        (_, 67 | 68) => "DHCP",
        (_, 137 | 138) => "NetBIOS",
        (_, 502) => "Modbus",
        (_, 20_000) => "DNP3",
        (_, 44_818 | 2_222) => "EtherNet/IP",
        (_, 47_808) => "BACnet",
        (_, 34_964) => "PROFINET",
        _ => "",
    }
}

impl Detector for Multicast {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::MULTICAST_NOT_LEARNED];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if !matches!(event.kind, FlowKind::Attempt | FlowKind::OneSided) || !is_group(core, &event.server) {
            return;
        }
        let (protocol, port, number_of) = match event.transport {
            Transport::Tcp => return,
            Transport::Udp => ("udp", Some(event.server.port), None),
            Transport::Icmp => ("icmp", None, None),
            Transport::Ip(number) => ("ip", None, Some(u32::from(number))),
            Transport::Ethernet(ethertype) if OT_ETHERTYPES.contains(&ethertype) => {
                ("ethernet", None, Some(u32::from(ethertype)))
            }
            Transport::Ethernet(_) => return,
        };
        if flow.client.device.is_none() || !(core.learning_at(event.time) || core.inventory.is_ot(flow.client)) {
            return;
        }
        let group = group(&event.server);
        let key = EntryKey {
            client: flow.client.device,
            protocol,
            port,
            number: number_of,
            text: Some(group.as_str().into()),
            ..EntryKey::new(EntryKind::Group)
        };
        let row = number(&key);
        let Some(met) = core.observe(key, "", [event.time; 2], 1, event.frame) else { return };
        if met.allowed {
            return;
        }
        let from = core.display(flow.client);
        let what = service(event);
        let held: Vec<String> = flow
            .client
            .device
            .into_iter()
            .flat_map(|id| core.baseline.of_device(id))
            .filter(|entry| entry.allowed && entry.key.kind == EntryKind::Group)
            .map(|entry| {
                let port = entry.key.port.map(|port| format!(" port {port}")).unwrap_or_default();
                let group = entry.key.text.as_deref().unwrap_or_default();
                format!(
                    "{group} ({}{port}, baseline entry {}, last seen {})",
                    entry.key.protocol,
                    entry.id.0,
                    words::time(entry.last_seen)
                )
            })
            .take(5)
            .collect();
        // The broadcast address of a network lies outside the range of groups (RFC 5771: 224.0.0.0/4).
        let broadcast = match event.server.ip {
            Some(IpAddr::V4(ip)) => !ip.is_multicast(),
            Some(IpAddr::V6(_)) => false,
            None => event.server.mac.is_some_and(|mac| mac.0 == [0xff; 6]),
        };
        let text = || {
            let known = known(&group, event.server.port);
            let known = if known.is_empty() { String::new() } else { format!(" ({known})") };
            Text {
                description: format!(
                    "{from} sent to the {} {group}{known} by {what}, which it never did before.",
                    if broadcast { "broadcast address" } else { "group" }
                ),
                why: if held.is_empty() {
                    format!("The baseline holds no group and no broadcast address that {from} may send to.")
                } else {
                    format!("The baseline allows {from} to send only to {}.", held.join("; "))
                },
                object: group.clone(),
                value: what.clone(),
                detail: format!("{group}{known} by {what} is not in the baseline"),
                ..Text::default()
            }
        };
        let frames = [event.frame];
        let entries = [met.entry];
        core.raise(&of_flow(catalogue::MULTICAST_NOT_LEARNED, flow, &frames, &entries, row, &text));
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;

    #[test]
    fn a_group_after_learning_is_told_and_a_learned_one_is_not() {
        let mut plant = Plant::learning_until(100);
        plant.datagram(1, 10, "239.192.1.1", 5_007);
        plant.end_of_second(200);
        plant.datagram(201, 10, "239.192.1.1", 5_007);
        assert!(plant.alerts_of("multicast-not-learned").is_empty());
        plant.datagram(202, 10, "239.192.7.7", 5_007);
        plant.datagram(203, 10, "10.0.255.255", 137);
        plant.datagram(204, 10, "10.0.0.11", 137);
        let alerts = plant.alerts_of("multicast-not-learned");
        assert_eq!((alerts.len(), alerts[0].count), (1, 2));
        assert!(alerts[0].why.contains("239.192.1.1"), "{}", alerts[0].why);
    }
}
