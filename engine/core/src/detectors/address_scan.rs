//! Devices that look for addresses.

use super::Detector;
use super::spread::{Fate, Party, Spread, Trace, is_group, is_scanner, number, pair_allowed, party, unjudged};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::inventory::MacBinding;
use crate::model::Peer;
use crate::shared::{Core, SeenFlow};
use ot_protocol::{Claim, ClaimKind, Endpoint, FlowKind, Mac, SubAddress};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses contacted, by client and network.
type Contacts = Spread<(Party, IpAddr), IpAddr>;

/// Counts the addresses that each device contacts or asks for by ARP.
pub struct AddressScan {
    /// Fast and slow scans, those that are on.
    scans: Vec<(&'static AlertType, Contacts)>,
    arp: Spread<(Option<u16>, Mac), IpAddr>,
}

impl AddressScan {
    /// With the configured thresholds.
    pub fn new(config: &EngineConfig) -> Self {
        let keys = config.limits.window_keys;
        let scan = |kind: &'static AlertType, seconds| {
            let limit = config.threshold(kind, Threshold { count: 50, seconds });
            config.enabled(kind).then(|| (kind, Spread::new(limit, keys)))
        };
        let arp = config.threshold(catalogue::ARP_SCAN, Threshold { count: 40, seconds: 360 });
        Self {
            scans: [scan(catalogue::ADDRESS_SCAN, 120), scan(catalogue::ADDRESS_SCAN_SLOW, 600)]
                .into_iter()
                .flatten()
                .collect(),
            arp: Spread::new(arp, keys),
        }
    }
}

/// The /16 (IPv6: /48) of an address.
fn network(ip: IpAddr) -> (IpAddr, u8) {
    match ip {
        IpAddr::V4(ip) => (IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & 0xffff_0000)), 16),
        IpAddr::V6(ip) => (IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80))), 48),
    }
}

impl Detector for AddressScan {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::ADDRESS_SCAN, catalogue::ADDRESS_SCAN_SLOW, catalogue::ARP_SCAN];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        let Some(target) = event.server.ip else { return };
        let (net, length) = network(target);
        let key = (party(flow.client), net);
        let fate = match event.kind {
            FlowKind::Attempt => Fate::Unanswered,
            FlowKind::Refused => Fate::Refused,
            FlowKind::Open => {
                let usual = unjudged(core, event.time) || pair_allowed(core, flow.client.device, flow.server.device);
                for (_, spread) in &mut self.scans {
                    if usual {
                        spread.drop_value(&key, &target);
                    } else {
                        spread.settle(&key, &target, Fate::Answered);
                    }
                }
                return;
            }
            _ => return,
        };
        if is_scanner(core, event.client.ip)
            || is_group(core, &event.server)
            || pair_allowed(core, flow.client.device, flow.server.device)
        {
            return;
        }
        for (kind, spread) in &mut self.scans {
            let news = spread.add(&key, Trace::new(target, event.server.port, event.time, event.frame, fate));
            if news.is_empty() {
                continue;
            }
            let from = core.display(flow.client);
            let (held, limit) = (spread.traces(&key).count(), spread.limit);
            for trace in news {
                let server = core.inventory.peer_of_ip(trace.value);
                let to = core.display(&server);
                let text = || Text {
                    description: format!(
                        "{from} contacted {held} addresses of {net}/{length} within {} s ({}), from {} to {}, {}; {}.",
                        limit.seconds,
                        event.transport.name().to_uppercase(),
                        spread.traces(&key).map(|trace| trace.value).min().unwrap_or(target),
                        spread.traces(&key).map(|trace| trace.value).max().unwrap_or(target),
                        ports(spread.traces(&key)),
                        spread.fates(&key)
                    ),
                    why: format!(
                        "{} or more different addresses of one network within {} s, connections of the baseline not \
                         counted, by a device that is not flagged as scanner.",
                        limit.count, limit.seconds
                    ),
                    object: to.clone(),
                    value: if trace.port > 0 { format!("port {}", trace.port) } else { String::new() },
                    detail: format!("{from} contacted {to}; {}", words(trace.fate)),
                    function: String::new(),
                };
                core.raise(&finding(kind, flow.client, server.clone(), &trace, &text));
            }
        }
    }

    fn claim(&mut self, core: &mut Core, claim: &Claim, _binding: &MacBinding) {
        let Some(target) = claim.target else { return };
        match claim.kind {
            ClaimKind::ArpReply => {
                // The asker, of whom only the address is told here.
                let Some((mac, _)) = core.inventory.current_mac(target) else { return };
                let key = (claim.vlan, mac);
                if unjudged(core, claim.time) || core.inventory.is_router_mac(mac) {
                    self.arp.drop_value(&key, &claim.ip);
                } else {
                    self.arp.settle(&key, &claim.ip, Fate::Answered);
                }
            }
            ClaimKind::ArpRequest if target != claim.ip && !target.is_unspecified() => {
                let server = core.inventory.peer_of_ip(target);
                let endpoint = Endpoint {
                    mac: Some(claim.mac),
                    vlan: claim.vlan,
                    ip: (!claim.ip.is_unspecified()).then_some(claim.ip),
                    port: 0,
                    sub: SubAddress::None,
                };
                let client = core.inventory.peer(&endpoint);
                // A router asks for whoever is called; only those who are not there tell of a search.
                let router = core.inventory.is_router_mac(claim.mac) && server.device.is_some();
                if router || is_scanner(core, endpoint.ip) || pair_allowed(core, client.device, server.device) {
                    return;
                }
                let key = (claim.vlan, claim.mac);
                let news = self.arp.add(&key, Trace::new(target, 0, claim.time, claim.frame, Fate::Unanswered));
                if news.is_empty() {
                    return;
                }
                let from = core.display(&client);
                let (held, limit) = (self.arp.traces(&key).count(), self.arp.limit);
                for trace in news {
                    let server = core.inventory.peer_of_ip(trace.value);
                    let text = || {
                        let answered = self.arp.traces(&key).filter(|trace| trace.fate == Fate::Answered).count();
                        let lowest = self.arp.traces(&key).map(|trace| trace.value).min().unwrap_or(target);
                        let highest = self.arp.traces(&key).map(|trace| trace.value).max().unwrap_or(target);
                        Text {
                            description: format!(
                                "{from} (MAC address {}) asked by ARP for {held} addresses within {} s, from {lowest} to \
                                 {highest}; {answered} answered so far.",
                                claim.mac, limit.seconds
                            ),
                            why: format!(
                                "ARP requests for {} or more different addresses within {} s, partners in the baseline \
                                 not counted, by a device that is not flagged as scanner.",
                                limit.count, limit.seconds
                            ),
                            object: trace.value.to_string(),
                            detail: format!("{from} asked who has {}", trace.value),
                            ..Text::default()
                        }
                    };
                    core.raise(&finding(catalogue::ARP_SCAN, &client, server, &trace, &text));
                }
            }
            _ => {}
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let scans: u64 = self.scans.iter().map(|(_, spread)| spread.evicted).sum();
        vec![("address-scan-windows-evicted", scans + self.arp.evicted)]
    }
}

fn finding<'a>(
    kind: &'static AlertType,
    client: &Peer,
    server: Peer,
    trace: &'a Trace<IpAddr>,
    text: &'a dyn Fn() -> Text,
) -> Finding<'a> {
    Finding {
        kind,
        client: Some(client.clone()),
        server: Some(server),
        table: None,
        point: None,
        times: [trace.time; 2],
        frames: std::slice::from_ref(&trace.frame),
        count: 1,
        protocol: None,
        operation: None,
        outcome: None,
        entries: &[],
        row: number(trace.value),
        text,
    }
}

fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Unanswered => "no answer so far",
        Fate::Refused => "refused",
        Fate::Answered => "answered",
    }
}

/// `ports 80, 502`.
fn ports<'a>(traces: impl Iterator<Item = &'a Trace<IpAddr>>) -> String {
    let mut ports: Vec<u16> = traces.map(|trace| trace.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let more = ports.len() > 6;
    ports.truncate(6);
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    match (list.as_slice(), more) {
        ([one], _) if one == "0" => "no port".to_owned(),
        ([one], _) => format!("port {one}"),
        (_, true) => format!("ports {} and more", list.join(", ")),
        (_, false) => format!("ports {}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;
    use ot_protocol::ClaimKind;

    #[test]
    fn addresses_that_do_not_answer_are_a_scan() {
        let mut plant = Plant::operational();
        for host in 1..=49 {
            plant.attempt(i64::from(host), 66, host + 100, 502);
        }
        assert!(plant.alerts_of("address-scan").is_empty());
        plant.attempt(50, 66, 250, 502);
        let alerts = plant.alerts_of("address-scan");
        assert_eq!(alerts.len(), 1);
        assert_eq!((alerts[0].count, alerts[0].destination_count), (50, 50));
        plant.attempt(51, 66, 251, 502);
        assert_eq!(plant.alerts_of("address-scan")[0].count, 51);
    }

    #[test]
    fn a_master_with_many_controllers_is_no_scan() {
        let mut plant = Plant::learning_until(1_000);
        for host in 100..=200 {
            plant.attempt(1, 10, host, 502);
            plant.open(1, 10, host, 502);
        }
        plant.end_of_second(2_000);
        for host in 100..=200 {
            plant.attempt(2_001, 10, host, 502);
        }
        assert!(plant.alerts_of("address-scan").is_empty());
    }

    #[test]
    fn arp_requests_for_many_are_a_scan() {
        let mut plant = Plant::operational();
        for host in 1..=39 {
            plant.claim(i64::from(host), ClaimKind::ArpRequest, 66, 66, Some(host));
        }
        plant.claim(40, ClaimKind::ArpRequest, 66, 66, Some(5));
        assert!(plant.alerts_of("arp-scan").is_empty());
        plant.claim(41, ClaimKind::ArpRequest, 66, 66, Some(200));
        assert_eq!(plant.alerts_of("arp-scan")[0].count, 40);
    }

    #[test]
    fn a_flood_of_sources_stays_bounded() {
        let mut plant = Plant::operational();
        for n in 0..60_000_u32 {
            let source = format!("10.0.{}.{}", n / 250 % 250, n % 250 + 1);
            plant.attempt_from(i64::from(n / 5_000), &source, 11, u16::try_from(n % 1_000).unwrap());
        }
        let alerts = plant.alerts_of("denial-of-service");
        assert_eq!((alerts.len(), alerts[0].sources.len()), (1, 10));
    }
}
