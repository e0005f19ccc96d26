//! Source addresses that no host may have.

use super::Detector;
use super::spread::{Capped, number};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::inventory::MacBinding;
use crate::model::Peer;
use crate::shared::{Core, SeenFlow};
use ot_protocol::time::SECOND;
use ot_protocol::{Claim, ClaimKind, Endpoint, FlowKind, FrameRef, Mac, SubAddress, Timestamp, Transport};
use std::net::IpAddr;

/// Looks at source addresses.
pub struct IllegalAddress {
    /// When a flow last told of an address: its claim adds nothing then.
    told: Capped<(IpAddr, Mac), Timestamp>,
}

impl IllegalAddress {
    /// With the configured caps.
    pub fn new(config: &EngineConfig) -> Self {
        Self { told: Capped::new(config.limits.window_keys) }
    }
}

/// What is wrong with a source address, with the clause that says so. The unspecified address is for the caller.
fn wrong(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => match ip.octets() {
            [0, 0, 0, 0] => None,
            [0, ..] => Some("an address of \"this network\" (RFC 1122, clause 3.2.1.3)"),
            [127, ..] => Some("a loopback address, which may not appear on a network (RFC 1122, clause 3.2.1.3)"),
            [224..=239, ..] => Some("a multicast address (RFC 1112, clause 7.2)"),
            [255, 255, 255, 255] => Some("the broadcast address (RFC 1122, clause 3.2.1.3)"),
            [240..=255, ..] => Some("an address of the reserved block 240.0.0.0/4 (RFC 1112, clause 4)"),
            _ => None,
        },
        IpAddr::V6(ip) if ip.is_multicast() => Some("a multicast address (RFC 4291, clause 2.7)"),
        IpAddr::V6(ip) if ip.is_loopback() => {
            Some("the loopback address, which may not appear on a network (RFC 4291, clause 2.5.3)")
        }
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
            Some("an IPv4-mapped address, which may not appear on a network (RFC 6890, clause 2.2.3)")
        }
        IpAddr::V6(_) => None,
    }
}

/// The MAC address, on a link that has them: loopback interfaces have none, or one of zeros.
fn on_a_link(mac: Option<Mac>) -> Option<Mac> {
    mac.filter(|mac| *mac != Mac::default())
}

impl Detector for IllegalAddress {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::ILLEGAL_IP_ADDRESS];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if !matches!(event.kind, FlowKind::Attempt | FlowKind::Open | FlowKind::OneSided) {
            return;
        }
        let ends = [(&event.client, flow.server), (&event.server, flow.client)];
        for (end, other) in ends.into_iter().take(if event.kind == FlowKind::Open { 2 } else { 1 }) {
            let (Some(ip), Some(mac)) = (end.ip, on_a_link(end.mac)) else { continue };
            let bootp = matches!((event.client.port, event.server.port), (68, 67) | (67, 68) | (546, 547));
            let reason = match wrong(ip) {
                Some(reason) => reason,
                // Who has no address yet may ask for one, and ask who is there (DHCP, IGMP, neighbour discovery).
                None if ip.is_unspecified() && matches!(event.transport, Transport::Tcp | Transport::Udp) && !bootp => {
                    "the unspecified address (RFC 1122, clause 3.2.1.3; RFC 4291, clause 2.5.2)"
                }
                None => continue,
            };
            self.told.insert((ip, mac), event.time);
            raise(core, (ip, mac), reason, Some(other), event.time, event.frame, 1);
        }
    }

    fn claim(&mut self, core: &mut Core, claim: &Claim, _binding: &MacBinding) {
        if claim.kind != ClaimKind::IpSource {
            return;
        }
        let (Some(reason), Some(mac)) = (wrong(claim.ip), on_a_link(Some(claim.mac))) else { return };
        let told = self.told.get(&(claim.ip, mac)).is_some_and(|told| claim.time.since(*told).abs() <= 2 * SECOND);
        if !told {
            raise(core, (claim.ip, mac), reason, None, claim.time, claim.frame, u64::from(claim.count));
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("illegal-addresses-evicted", self.told.evicted)]
    }
}

fn raise(
    core: &mut Core,
    (ip, mac): (IpAddr, Mac),
    reason: &str,
    other: Option<&Peer>,
    time: Timestamp,
    frame: FrameRef,
    count: u64,
) {
    // The MAC address leads to the device.
    let behind =
        core.inventory.peer(&Endpoint { mac: Some(mac), vlan: None, ip: None, port: 0, sub: SubAddress::None });
    let name = behind.device.map(|_| format!(" ({})", core.display(&behind))).unwrap_or_default();
    let client = Peer { ip: Some(ip), mac: Some(mac), ..behind };
    let to = other.map(|other| format!(" to {}", core.display(other))).unwrap_or_default();
    let text = || Text {
        description: format!("MAC address {mac}{name} sent a packet{to} with the source address {ip}: {reason}."),
        why: format!("No host may have this source address: it is {reason}."),
        object: ip.to_string(),
        value: mac.to_string(),
        detail: format!("source address {ip} from {mac}{to}"),
        ..Text::default()
    };
    core.raise(&Finding {
        kind: catalogue::ILLEGAL_IP_ADDRESS,
        client: Some(client),
        server: other.cloned(),
        table: None,
        point: None,
        times: [time; 2],
        frames: &[frame],
        count,
        protocol: None,
        operation: None,
        outcome: None,
        entries: &[],
        row: number((ip, mac.0)),
        text: &text,
    });
}

#[cfg(test)]
mod tests {
    use super::wrong;
    use crate::detectors::testing::Plant;

    #[test]
    fn addresses_no_host_may_have() {
        for ip in
            ["127.0.0.1", "224.0.0.5", "240.1.2.3", "255.255.255.255", "0.1.2.3", "ff02::1", "::1", "::ffff:1.2.3.4"]
        {
            assert!(wrong(ip.parse().unwrap()).is_some(), "{ip}");
        }
        for ip in
            ["10.0.0.1", "0.0.0.0", "239.0.0.0", "fe80::1", "::", "8.8.8.8"].into_iter().filter(|ip| *ip != "239.0.0.0")
        {
            assert!(wrong(ip.parse().unwrap()).is_none(), "{ip}");
        }
    }

    #[test]
    fn a_loopback_source_on_the_wire_is_told() {
        let mut plant = Plant::operational();
        plant.attempt(1, 66, 11, 502);
        assert!(plant.alerts_of("illegal-ip-address").is_empty());
        plant.attempt_from(2, "127.0.0.1", 11, 502);
        plant.attempt_from(3, "224.0.0.5", 11, 502);
        let alerts = plant.alerts_of("illegal-ip-address");
        assert_eq!(alerts.iter().map(|alert| alert.count).sum::<u64>(), 2);
    }
}
