use super::*;
use crate::config::{Limits, Zone};
use ot_protocol::{ClaimKind, SessionId};

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + seconds, 0)
}

fn frame(number: u64) -> FrameRef {
    FrameRef::new(0u32, number)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

fn mac(last: u8) -> Mac {
    Mac([0x00, 0x80, 0xf4, 0, 0, last])
}

fn end(address: &str, from: Option<Mac>) -> Endpoint {
    Endpoint { mac: from, ip: Some(ip(address)), ..Endpoint::default() }
}

struct Plant {
    inventory: Inventory,
    config: EngineConfig,
    clock: i64,
}

impl Plant {
    fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    fn with(config: EngineConfig) -> Self {
        Self { inventory: Inventory::load(Vec::new(), Vec::new(), 0, &config), config, clock: 0 }
    }

    fn capped(devices: usize) -> Self {
        Self::with(EngineConfig { limits: Limits { devices, ..Limits::default() }, ..EngineConfig::default() })
    }

    /// As the engine does: a claim, then its sender, unless the address is another's.
    fn claim(&mut self, kind: ClaimKind, from: Mac, address: &str) -> MacBinding {
        self.clock += 1;
        let (time, frame) = (at(self.clock), frame(self.clock.unsigned_abs()));
        let claim = Claim { kind, mac: from, vlan: None, ip: ip(address), target: None, time, frame, count: 1 };
        let binding = self.inventory.claim(&claim, &self.config);
        if !matches!(binding, MacBinding::Changed { .. }) {
            self.inventory.see(&end(address, Some(from)), time, frame, &self.config);
        }
        binding
    }

    fn arp(&mut self, from: Mac, address: &str) -> MacBinding {
        self.claim(ClaimKind::ArpRequest, from, address)
    }

    fn packet(&mut self, from: Mac, address: &str) -> MacBinding {
        self.claim(ClaimKind::IpSource, from, address)
    }

    fn see(&mut self, endpoint: &Endpoint) -> SeenDevice {
        self.clock += 1;
        self.inventory.see(endpoint, at(self.clock), frame(1), &self.config).expect("a device")
    }

    fn answers(&mut self, address: &str, unit: u8) -> SeenDevice {
        self.clock += 1;
        let endpoint = Endpoint { sub: SubAddress::Unit(unit), ..end(address, None) };
        self.inventory.see_sub(&endpoint, true, at(self.clock), frame(1), &self.config).expect("a device")
    }

    fn at(&self, address: &str) -> &Device {
        let id = self.inventory.peer_of_ip(ip(address)).device.expect("a device at the address");
        self.inventory.get(id).expect("a device")
    }
}

#[test]
fn a_router_is_a_device_and_its_hosts_have_no_mac() {
    let mut plant = Plant::new();
    let router = mac(1);
    assert_eq!(plant.packet(router, "10.1.0.5"), MacBinding::First);
    assert_eq!(plant.at("10.1.0.5").mac, Some(router));
    assert_eq!(plant.packet(router, "10.2.0.6"), MacBinding::Router);
    assert_eq!(plant.packet(router, "10.3.0.7"), MacBinding::Router);
    assert!(plant.inventory.is_router_mac(router));
    for host in ["10.1.0.5", "10.2.0.6", "10.3.0.7"] {
        assert_eq!(plant.at(host).mac, None, "{host}");
        assert_eq!(plant.at(host).vendor, None, "{host}");
        assert_eq!(plant.at(host).addresses.len(), 1, "{host}");
        assert_eq!(plant.inventory.current_mac(ip(host)), None, "{host}");
    }
    let own = plant.inventory.peer(&Endpoint { mac: Some(router), ..Endpoint::default() });
    let device = plant.inventory.get(own.device.expect("the router")).expect("the router");
    assert_eq!((device.role, device.addresses.len()), (Role::SwitchOrRouter, 0));
    assert!(device.role_reasons[0].reason.contains("10.1.0.5, 10.2.0.6"));
    assert_eq!(plant.inventory.take_made(), [own.device.expect("the router")]);
    assert_eq!(plant.inventory.len(), 4);

    // Its own address is the router's.
    let router_id = own.device;
    plant.arp(router, "10.0.0.1");
    assert_eq!(plant.inventory.peer_of_ip(ip("10.0.0.1")).device, router_id);
    assert_eq!(plant.packet(router, "10.0.0.1"), MacBinding::Unchanged);
    assert!(plant.inventory.is_router_mac(router));
    assert!(plant.inventory.take_merged().is_empty());
}

#[test]
fn hosts_of_one_network_behind_a_router_stay_apart() {
    let mut plant = Plant::new();
    for host in ["10.1.0.5", "10.1.0.6", "10.1.0.7", "10.1.0.8"] {
        plant.packet(mac(1), host);
    }
    assert!(plant.inventory.is_router_mac(mac(1)));
    assert_eq!(plant.inventory.len(), 5);
    assert_eq!(plant.at("10.1.0.5").mac, None);
}

#[test]
fn what_claims_its_addresses_after_all_is_no_router() {
    let mut plant = Plant::new();
    plant.packet(mac(1), "10.1.0.5");
    plant.packet(mac(1), "10.2.0.5");
    assert!(plant.inventory.is_router_mac(mac(1)));
    plant.arp(mac(1), "10.1.0.5");
    assert!(!plant.inventory.is_router_mac(mac(1)));
    plant.arp(mac(1), "10.2.0.5");
    assert_eq!(plant.inventory.len(), 1);
    let device = plant.at("10.2.0.5");
    assert_eq!((device.id, device.role, device.mac), (DeviceId(1), Role::Unknown, Some(mac(1))));
}

#[test]
fn a_mirror_of_both_sides_of_a_router_is_no_conflict() {
    let mut plant = Plant::new();
    let (host, router) = (mac(1), mac(9));
    plant.arp(host, "10.1.0.5");
    plant.arp(router, "10.2.0.1");
    assert_eq!(plant.packet(router, "10.1.0.5"), MacBinding::Router);
    assert_eq!(plant.packet(host, "10.1.0.5"), MacBinding::Unchanged);
    assert_eq!(plant.at("10.1.0.5").mac, Some(host));
    assert_eq!(plant.at("10.2.0.1").role, Role::SwitchOrRouter);
}

#[test]
fn two_addresses_of_one_mac_become_one_device() {
    let mut plant = Plant::new();
    // Two devices at first: packets alone say nothing of one device.
    plant.packet(mac(1), "10.0.0.5");
    plant.packet(mac(1), "10.0.0.6");
    assert_eq!(plant.inventory.len(), 2);
    plant.inventory.role_evidence(DeviceId(2), Role::Controller, "answers modbus requests", at(9), frame(9));
    plant.arp(mac(1), "10.0.0.5");
    plant.claim(ClaimKind::ArpGratuitous, mac(1), "10.0.0.6");
    assert_eq!(plant.inventory.take_merged(), [(DeviceId(2), DeviceId(1))]);
    let device = plant.at("10.0.0.6");
    assert_eq!((device.id, device.role, device.addresses.len()), (DeviceId(1), Role::Controller, 2));
    assert_eq!(device.vendor.as_deref(), Some("Schneider Electric"));
    let (changed, removed) = plant.inventory.take_changes();
    assert_eq!(changed.iter().map(|device| device.id.0).collect::<Vec<_>>(), [1]);
    assert_eq!(removed, [DeviceId(2)]);
    // Conversations still name the old number.
    plant.inventory.touch(DeviceId(2), at(500));
    assert_eq!(plant.inventory.get(DeviceId(2)).map(|device| device.last_seen), Some(at(500)));
    assert_eq!(plant.inventory.current(DeviceId(2)), DeviceId(1));
}

#[test]
fn a_link_local_address_belongs_to_its_mac() {
    let mut plant = Plant::new();
    plant.arp(mac(1), "10.0.0.5");
    plant.packet(mac(1), "fe80::1234");
    // The address that holds the MAC (EUI-64) too; one that changes does not tell its owner.
    plant.packet(mac(1), "fd00::280:f4ff:fe00:1");
    plant.packet(mac(1), "fd00::abcd");
    assert_eq!(plant.at("10.0.0.5").addresses.len(), 3);
    assert_eq!(plant.inventory.len(), 2);
    assert!(!plant.inventory.is_router_mac(mac(1)));
}

#[test]
fn a_spoofer_is_not_merged_with_its_victim() {
    let mut plant = Plant::new();
    let (victim, attacker) = (mac(1), mac(66));
    plant.arp(victim, "10.0.0.5");
    plant.arp(attacker, "10.0.0.66");
    let expected = MacBinding::Changed { before: victim, before_last_seen: at(1) };
    assert_eq!(plant.claim(ClaimKind::ArpReply, attacker, "10.0.0.5"), expected);
    for _ in 0..10 {
        plant.claim(ClaimKind::ArpReply, attacker, "10.0.0.5");
        plant.packet(attacker, "10.0.0.5");
        plant.arp(victim, "10.0.0.5");
    }
    assert!(plant.inventory.take_merged().is_empty());
    assert_eq!(plant.at("10.0.0.5").mac, Some(victim));
    assert_eq!(plant.at("10.0.0.66").mac, Some(attacker));
    assert_ne!(plant.at("10.0.0.5").id, plant.at("10.0.0.66").id);
    assert!(!plant.inventory.is_router_mac(attacker));
}

#[test]
fn a_spoofer_who_comes_first_is_parted_from_its_victim() {
    let mut plant = Plant::new();
    let (victim, attacker) = (mac(1), mac(66));
    plant.arp(attacker, "10.0.0.66");
    plant.claim(ClaimKind::ArpReply, attacker, "10.0.0.5");
    assert!(matches!(plant.arp(victim, "10.0.0.5"), MacBinding::Changed { .. }));
    plant.arp(victim, "10.0.0.5");
    assert_ne!(plant.at("10.0.0.5").id, plant.at("10.0.0.66").id);
    // Unasked replies join nothing in the first place.
    plant.claim(ClaimKind::ArpUnsolicited, attacker, "10.0.0.7");
    assert_ne!(plant.at("10.0.0.7").id, plant.at("10.0.0.66").id);
}

#[test]
fn who_claims_many_addresses_keeps_one() {
    let mut plant = Plant::new();
    for last in 1..=9 {
        plant.arp(mac(1), &format!("10.0.0.{last}"));
    }
    for last in 1..=9 {
        plant.arp(mac(1), &format!("10.0.0.{last}"));
    }
    assert_eq!(plant.inventory.len(), 9);
    assert_eq!(plant.at("10.0.0.1").addresses.len(), 1);
}

#[test]
fn a_replaced_card_changes_the_mac_of_the_device() {
    let mut plant = Plant::new();
    plant.arp(mac(1), "10.0.0.5");
    plant.clock += 7200;
    assert!(matches!(plant.arp(mac(2), "10.0.0.5"), MacBinding::Changed { .. }));
    assert_eq!((plant.at("10.0.0.5").id, plant.at("10.0.0.5").mac), (DeviceId(1), Some(mac(2))));
}

#[test]
fn a_gateway_with_ten_units_is_ten_devices() {
    let mut plant = Plant::new();
    plant.see(&end("10.0.0.5", Some(mac(1))));
    assert!(!plant.answers("10.0.0.5", 255).new);
    for unit in 1..=10 {
        assert_eq!(plant.answers("10.0.0.5", unit).new, unit > 1);
        assert!(!plant.answers("10.0.0.5", unit).new);
    }
    assert_eq!(plant.inventory.len(), 10);
    let gateway = plant.at("10.0.0.5");
    assert_eq!((gateway.role, gateway.sub, gateway.purdue), (Role::Gateway, SubAddress::Unit(1), Some(1)));
    let id = gateway.id;
    let unit = |unit| plant.inventory.peer(&Endpoint { sub: SubAddress::Unit(unit), ..end("10.0.0.5", None) });
    assert_eq!(unit(1).device, Some(id));
    assert_eq!(unit(0).device, Some(id));
    // One that never answered: the gateway's.
    assert_eq!(unit(77).device, Some(id));
    let seventh = plant.inventory.get(unit(7).device.expect("unit 7")).expect("unit 7");
    assert_eq!((seventh.parent, seventh.sub, seventh.mac), (Some(id), SubAddress::Unit(7), None));
    assert_eq!(plant.inventory.display(&unit(7)), "10.0.0.5 unit 7");
    assert_eq!(plant.inventory.display(&unit(1)), "10.0.0.5 unit 1 (Schneider Electric)");
    plant.inventory.confirm_ot(seventh.id);
    assert!(plant.at("10.0.0.5").ot);
}

#[test]
fn merging_gateways_keeps_each_unit_once() {
    let mut plant = Plant::new();
    plant.packet(mac(1), "10.0.0.5");
    plant.packet(mac(1), "10.0.0.6");
    for address in ["10.0.0.5", "10.0.0.6"] {
        for unit in [1, 2, 3] {
            plant.answers(address, unit);
        }
    }
    assert_eq!(plant.inventory.len(), 6);
    plant.arp(mac(1), "10.0.0.5");
    plant.arp(mac(1), "10.0.0.6");
    assert_eq!(plant.inventory.len(), 3);
    let merged = plant.inventory.take_merged();
    assert_eq!(merged.len(), 3);
    assert!(merged.iter().all(|(from, into)| into < from));
    let unit = |address, unit| plant.inventory.peer(&Endpoint { sub: SubAddress::Unit(unit), ..end(address, None) });
    for n in [1, 2, 3] {
        assert_eq!(unit("10.0.0.5", n).device, unit("10.0.0.6", n).device);
    }
}

#[test]
fn addresses_of_no_device_make_none() {
    let mut plant = Plant::new();
    for address in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
        let seen = plant.inventory.see(&end(address, Some(mac(1))), at(1), frame(1), &plant.config);
        assert_eq!(seen, None, "{address}");
    }
    for bytes in [[1, 0, 0x5e, 0, 0, 1], [0xff; 6], [0; 6]] {
        let endpoint = Endpoint { mac: Some(Mac(bytes)), ..Endpoint::default() };
        assert_eq!(plant.inventory.see(&endpoint, at(1), frame(1), &plant.config), None);
    }
    assert_eq!(plant.inventory.see(&Endpoint::default(), at(1), frame(1), &plant.config), None);
    assert!(plant.inventory.is_empty());
}

#[test]
fn a_device_without_ip_gets_its_first_one() {
    let mut plant = Plant::new();
    let id = plant.see(&Endpoint { mac: Some(mac(1)), ..Endpoint::default() }).id;
    plant.arp(mac(1), "10.0.0.5");
    assert_eq!(plant.at("10.0.0.5").id, id);
    assert_eq!(plant.inventory.len(), 1);
    let again = plant.see(&Endpoint { mac: Some(mac(1)), ..Endpoint::default() });
    assert_eq!(again, SeenDevice { id, new: false });
}

#[test]
fn the_vlan_is_an_attribute() {
    let mut plant = Plant::new();
    let tagged = Endpoint { vlan: Some(20), ..end("10.0.0.5", Some(mac(1))) };
    let id = plant.see(&end("10.0.0.5", Some(mac(1)))).id;
    assert_eq!(plant.see(&tagged), SeenDevice { id, new: false });
    plant.see(&end("10.0.0.5", Some(mac(1))));
    assert_eq!(plant.at("10.0.0.5").addresses[0].vlan, Some(20));
}

#[test]
fn a_full_table_gives_up_what_nobody_needs() {
    let mut plant = Plant::capped(8);
    let keep = plant.see(&end("10.0.0.1", None)).id;
    plant.inventory.set_learned(keep, true);
    let speaker = plant.see(&end("10.0.0.2", None)).id;
    plant.inventory.confirm_ot(speaker);
    plant.answers("10.0.0.3", 1);
    plant.answers("10.0.0.3", 2);
    for last in 1..=200 {
        plant.see(&end(&format!("192.168.0.{last}"), None));
    }
    assert_eq!(plant.inventory.len(), 8);
    assert_eq!(plant.inventory.evicted, 196);
    assert!(plant.inventory.get(keep).is_some() && plant.inventory.get(speaker).is_some());
    assert_eq!(plant.at("10.0.0.3").role, Role::Gateway);
    let (changed, removed) = plant.inventory.take_changes();
    assert_eq!((changed.len(), removed.len()), (8, 196));
    assert!(changed.iter().all(|device| !removed.contains(&device.id)));

    // Nothing left that may go: refused and counted.
    for id in changed.iter().map(|device| device.id) {
        plant.inventory.set_learned(id, true);
    }
    let seen = plant.inventory.see(&end("192.168.1.1", None), at(900), frame(1), &plant.config);
    assert_eq!((seen, plant.inventory.refused), (None, 1));
}

#[test]
fn a_scan_from_a_million_addresses_is_cheap_and_bounded() {
    let mut plant = Plant::capped(1024);
    plant.arp(mac(1), "10.0.0.5");
    let id = plant.at("10.0.0.5").id;
    plant.inventory.set_learned(id, true);
    let hosts: u32 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    let started = std::time::Instant::now();
    for host in 0..hosts {
        let address = IpAddr::V4(Ipv4Addr::from(0x1400_0000 + host));
        let [_, a, b, c] = host.to_be_bytes();
        let from = Mac([0, 0x90, 0xe8, a, b, c]);
        let (time, frame) = (at(i64::from(host / 1000)), frame(u64::from(host)));
        let kind = ClaimKind::IpSource;
        let claim = Claim { kind, mac: from, vlan: None, ip: address, target: None, time, frame, count: 1 };
        plant.inventory.claim(&claim, &plant.config);
        let endpoint = Endpoint { mac: Some(from), ip: Some(address), ..Endpoint::default() };
        plant.inventory.see(&endpoint, time, frame, &plant.config);
        if host % 1000 == 0 {
            plant.inventory.take_changes();
        }
    }
    println!("{hosts} hosts in {:?}", started.elapsed());
    assert_eq!(plant.inventory.len(), 1024);
    assert!(plant.inventory.slots.len() <= 1024);
    assert!(plant.inventory.by_ip.len() <= 1024 && plant.inventory.by_mac.len() <= 1024);
    // What is learned keeps its binding: a spoofer cannot flush it first.
    assert_eq!(plant.inventory.current_mac(ip("10.0.0.5")).map(|(mac, _)| mac), Some(mac(1)));
    assert!(matches!(plant.arp(mac(7), "10.0.0.5"), MacBinding::Changed { .. }));
}

#[test]
fn changes_come_by_number() {
    let mut plant = Plant::new();
    for last in [9, 3, 7, 1] {
        plant.see(&end(&format!("10.0.0.{last}"), None));
    }
    let ids = |devices: &[Device]| devices.iter().map(|device| device.id.0).collect::<Vec<_>>();
    assert_eq!(ids(&plant.inventory.take_changes().0), [1, 2, 3, 4]);
    assert_eq!(ids(&plant.inventory.take_changes().0), [] as [u32; 0]);
    plant.see(&end("10.0.0.1", None));
    plant.see(&end("10.0.0.3", None));
    assert_eq!(ids(&plant.inventory.take_changes().0), [2, 4]);
}

#[test]
fn goes_on_from_a_store() {
    let mut plant = Plant::new();
    plant.arp(mac(1), "10.0.0.5");
    plant.arp(mac(1), "10.0.0.6");
    plant.answers("10.0.0.5", 1);
    plant.answers("10.0.0.5", 2);
    plant.packet(mac(9), "10.1.0.5");
    plant.packet(mac(9), "10.2.0.5");
    plant.arp(mac(3), "10.0.0.7");
    plant.inventory.confirm_ot(plant.at("10.0.0.5").id);
    let devices: Vec<Device> = plant.inventory.iter().cloned().collect();
    let subnets = plant.inventory.ot_subnets();
    assert_eq!(subnets, [(ip("10.0.0.0"), 24)]);

    let inventory = Inventory::load(devices.clone(), subnets, 40, &plant.config);
    let mut again = Plant { inventory, config: EngineConfig::default(), clock: 100 };
    assert!(again.inventory.take_changes().0.is_empty());
    assert_eq!(again.inventory.iter().cloned().collect::<Vec<_>>(), devices);
    for address in ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.1.0.5", "10.2.0.5"] {
        let wanted = plant.at(address).id;
        assert_eq!(again.see(&end(address, None)), SeenDevice { id: wanted, new: false }, "{address}");
    }
    assert!(!again.answers("10.0.0.6", 2).new);
    assert!(again.inventory.is_router_mac(mac(9)));
    assert!(again.inventory.in_ot_subnet(ip("10.0.0.200")));
    assert_eq!(again.packet(mac(9), "10.3.0.5"), MacBinding::Router);
    assert!(matches!(again.arp(mac(66), "10.0.0.7"), MacBinding::Changed { .. }));
    assert_eq!(again.at("10.3.0.5").id, DeviceId(41));
}

#[test]
fn the_strongest_role_wins_and_a_person_before_all() {
    let known = KnownDevice {
        ip: ip("10.0.0.9"),
        name: Some("HMI-1".to_owned()),
        role: Some(Role::Hmi),
        programming: false,
        scanner: false,
        more: Vec::new(),
    };
    let zone = Zone {
        name: "Filling".to_owned(),
        site: None,
        networks: vec!["10.0.0.0/24".parse().expect("network")],
        purdue: Some(2),
    };
    let config = EngineConfig { devices: vec![known], zones: vec![zone], ..EngineConfig::default() };
    let mut plant = Plant::with(config);
    let id = plant.see(&end("10.0.0.5", None)).id;
    let state = |plant: &Plant, id| {
        let device = plant.inventory.get(id).expect("device");
        (device.role, device.purdue)
    };
    assert_eq!(state(&plant, id), (Role::Unknown, Some(2)));
    let steps = [
        (Role::Server, Role::Server, Some(3)),
        (Role::SwitchOrRouter, Role::SwitchOrRouter, Some(2)),
        (Role::Master, Role::Master, Some(2)),
        (Role::EngineeringStation, Role::EngineeringStation, Some(3)),
        (Role::Hmi, Role::EngineeringStation, Some(3)),
        (Role::Controller, Role::Controller, Some(1)),
        (Role::Outstation, Role::Controller, Some(1)),
        (Role::Gateway, Role::Gateway, Some(1)),
    ];
    for (evidence, role, purdue) in steps {
        plant.inventory.role_evidence(id, evidence, "seen", at(1), frame(3));
        plant.inventory.role_evidence(id, evidence, "seen", at(2), frame(4));
        assert_eq!(state(&plant, id), (role, purdue));
    }
    let device = plant.at("10.0.0.5");
    assert_eq!(device.role_reasons.len(), steps.len());
    assert_eq!(device.role_reasons[0].frame, frame(3));
    assert_eq!(device.zone.as_deref(), Some("Filling"));

    let hmi = plant.see(&end("10.0.0.9", None)).id;
    plant.inventory.role_evidence(hmi, Role::Gateway, "seen", at(1), frame(3));
    let device = plant.at("10.0.0.9");
    assert_eq!((device.role, device.role_reasons[0].reason.as_str()), (Role::Hmi, "set in the configuration"));
    let peer = plant.inventory.peer_of_ip(ip("10.0.0.9"));
    assert_eq!(plant.inventory.display(&peer), "HMI-1 (10.0.0.9)");
    assert_eq!(plant.inventory.display(&plant.inventory.peer_of_ip(ip("10.9.9.9"))), "10.9.9.9");

    // The configuration of now holds, not that of the store.
    let devices: Vec<Device> = plant.inventory.iter().cloned().collect();
    let mut later = Inventory::load(devices, Vec::new(), 9, &EngineConfig::default());
    assert_eq!(later.get(hmi).map(|device| device.role), Some(Role::Gateway));
    assert_eq!(later.take_changes().0.len(), 2);
}

#[test]
fn identities_keep_their_history() {
    let mut plant = Plant::new();
    let id = plant.see(&end("10.0.0.5", Some(mac(1)))).id;
    let mut tell = |property, value: &str, seconds| {
        let identity = Identity {
            session: SessionId(1),
            device: end("10.0.0.5", None),
            property,
            value: value.to_owned(),
            source: "Modbus FC 43/14",
            time: at(seconds),
            frame: frame(5),
        };
        plant.inventory.identity(id, &identity)
    };
    assert_eq!(tell("revision", "1.0", 1), None);
    assert_eq!(tell("revision", "1.0", 2), None);
    assert_eq!(tell("revision", "2.0", 3), Some("1.0".to_owned()));
    assert_eq!(tell("revision", "1.0", 3), Some("2.0".to_owned()));
    assert_eq!(tell("revision", "1.0", 4), None);
    assert_eq!(tell("vendor", "WAGO", 4), None);
    for n in 0..1000 {
        tell("name", &format!("{n}"), 5 + n);
    }
    let device = plant.at("10.0.0.5");
    assert_eq!(device.vendor.as_deref(), Some("WAGO"));
    assert!(device.identities.len() <= 2 + 1 + MOST_VALUES);
    assert_eq!(device.identities.iter().filter(|value| value.property == "revision").count(), 2);
}

#[test]
fn ot_networks_follow_the_speakers() {
    let mut plant = Plant::new();
    plant.arp(mac(1), "10.0.0.5");
    plant.arp(mac(2), "10.0.0.6");
    let id = plant.at("10.0.0.5").id;
    let net: IpNet = "10.0.0.0/24".parse().expect("network");
    assert_eq!(plant.inventory.confirm_ot(id), Some(net));
    assert_eq!(plant.inventory.confirm_ot(id), None);
    assert_eq!(plant.inventory.devices_in(&net), [DeviceId(1), DeviceId(2)]);
    let peer = plant.inventory.peer_of_ip(ip("10.0.0.6"));
    assert!(plant.inventory.is_ot(&peer) && !plant.at("10.0.0.6").ot);

    // A public address behind a router is somewhere else; a link-local one says nothing.
    for host in ["198.51.100.7", "203.0.113.9", "192.0.2.1"] {
        plant.packet(mac(9), host);
    }
    assert_eq!(plant.inventory.confirm_ot(plant.at("198.51.100.7").id), None);
    assert!(plant.at("198.51.100.7").ot);
    let local = plant.see(&end("fe80::5", None)).id;
    assert_eq!(plant.inventory.confirm_ot(local), None);

    let config = EngineConfig { ot_networks: vec!["10.7.0.0/16".parse().expect("network")], ..EngineConfig::default() };
    let mut configured = Plant::with(config);
    let id = configured.see(&end("10.0.0.5", None)).id;
    assert_eq!(configured.inventory.confirm_ot(id), None);
    assert!(configured.inventory.in_ot_subnet(ip("10.7.3.3")) && !configured.inventory.in_ot_subnet(ip("10.0.0.5")));
}

/// Whatever comes, the tables stay bounded and agree with each other, and the same input gives the same devices.
#[test]
fn random_facts_keep_the_tables_in_order() {
    let run = |seed: u64| {
        let mut state = seed;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut plant = Plant::capped(24);
        let mut merged = 0;
        for step in 0..1500 {
            let from = mac(u8::try_from(random(10)).expect("small"));
            let address = match random(8) {
                0 => format!("fe80::{}", 1 + random(9)),
                1 => format!("10.{}.0.{}", random(4), 1 + random(4)),
                _ => format!("10.0.0.{}", 1 + random(40)),
            };
            let id = DeviceId(u32::try_from(1 + random(200)).expect("small"));
            match random(12) {
                0 => drop(plant.arp(from, &address)),
                1 => drop(plant.claim(ClaimKind::ArpUnsolicited, from, &address)),
                2 => drop(plant.claim(ClaimKind::ArpGratuitous, from, &address)),
                3..=5 => drop(plant.packet(from, &address)),
                6 | 7 => {
                    let unit = SubAddress::Unit(u8::try_from(random(5)).expect("small"));
                    let endpoint = Endpoint { sub: unit, ..end(&address, None) };
                    plant.inventory.see_sub(&endpoint, true, at(step), frame(1), &plant.config);
                }
                8 => {
                    let endpoint = Endpoint { mac: Some(from), ..Endpoint::default() };
                    plant.inventory.see(&endpoint, at(step), frame(1), &plant.config);
                }
                9 => plant.inventory.set_learned(id, random(4) == 0),
                10 => plant.inventory.role_evidence(id, Role::Master, "polls", at(step), frame(1)),
                _ => plant.inventory.touch(id, at(step)),
            }
            if step % 5 == 0 {
                plant.clock += i64::try_from(random(1500)).expect("small");
            }
            merged += plant.inventory.take_merged().len();
            if step % 8 == 0 {
                consistent(&plant.inventory);
            }
        }
        let devices: Vec<Device> = plant.inventory.iter().cloned().collect();
        let loaded = Inventory::load(devices.clone(), Vec::new(), plant.inventory.last(), &plant.config);
        consistent(&loaded);
        (devices, merged, plant.inventory.evicted)
    };
    let mut merged = 0;
    for seed in 1..=6 {
        let (first, again) = (run(seed), run(seed));
        assert_eq!(first, again);
        merged += first.1;
    }
    assert!(merged > 5, "{merged}");
}

fn consistent(inventory: &Inventory) {
    assert!(inventory.len() <= 24);
    assert_eq!(inventory.slots.iter().flatten().count(), inventory.len());
    for (address, id) in &inventory.by_ip {
        let device = inventory.get(*id).expect("device of an address");
        assert!(device.id == *id && device.parent.is_none());
        assert!(device.addresses.iter().any(|known| known.ip == *address));
    }
    for (mac, id) in &inventory.by_mac {
        let device = inventory.get(*id).expect("device of a MAC");
        assert_eq!((device.id, device.mac), (*id, Some(*mac)));
    }
    for ((parent, sub), id) in &inventory.by_sub {
        let device = inventory.get(*id).expect("device of a unit");
        assert_eq!((device.parent, device.sub), (Some(*parent), *sub));
    }
    for entry in inventory.slots.iter().flatten() {
        let device = &entry.device;
        let children = inventory.iter().filter(|child| child.parent == Some(device.id)).count();
        assert_eq!(entry.children as usize, children, "children of {:?}", device.id);
        if let Some(parent) = device.parent {
            assert!(parent < device.id && inventory.by_id.contains_key(&parent.0));
            assert_eq!(inventory.by_sub.get(&(parent, device.sub)), Some(&device.id));
        } else {
            assert!(device.addresses.iter().all(|address| inventory.by_ip.get(&address.ip) == Some(&device.id)));
            assert!(!device.addresses.is_empty() || device.mac.is_some(), "{device:?} is known by nothing");
        }
    }
}

#[test]
fn each_kind_of_sub_address_has_a_first_that_is_the_device_itself() {
    let mut plant = Plant::new();
    let mut answers = |sub, answers| {
        plant.clock += 1;
        let endpoint = Endpoint { sub, ..end("10.0.0.5", None) };
        plant.inventory.see_sub(&endpoint, answers, at(plant.clock), frame(1), &plant.config).expect("a device")
    };
    let itself = answers(SubAddress::Unit(3), true).id;
    // A controller that speaks several protocols is one device.
    assert_eq!(answers(SubAddress::Link(10), true).id, itself);
    assert_eq!(answers(SubAddress::RackSlot(0, 1), true).id, itself);
    // Newer controllers answer in slot 0 and slot 1.
    assert_eq!(answers(SubAddress::RackSlot(0, 0), true).id, itself);
    let second = answers(SubAddress::Link(11), true);
    assert!(second.new && second.id != itself);
    assert_eq!(answers(SubAddress::Link(11), true), SeenDevice { id: second.id, new: false });
    assert_eq!(answers(SubAddress::Link(10), true).id, itself);
    let third = answers(SubAddress::RackSlot(0, 2), true);
    assert!(third.new);
    // Reserved link addresses and broadcasts are nobody's.
    for special in [0xFFF0, 65_532, 65_533, 65_534, 65_535] {
        assert_eq!(answers(SubAddress::Link(special), true).id, itself);
    }
    let peer = |sub| plant.inventory.peer(&Endpoint { sub, ..end("10.0.0.5", None) }).device;
    assert_eq!(peer(SubAddress::RackSlot(0, 0)), Some(itself));
    assert_eq!(peer(SubAddress::Link(11)), Some(second.id));
    let shown = |sub| plant.inventory.display(&plant.inventory.peer(&Endpoint { sub, ..end("10.0.0.5", None) }));
    assert_eq!(shown(SubAddress::Link(11)), "10.0.0.5 link 11");
    assert_eq!(shown(SubAddress::Link(65_535)), "10.0.0.5 link 65535, all outstations");
    assert_eq!(plant.inventory.len(), 3);
    assert_eq!(plant.at("10.0.0.5").role, Role::Gateway);
}

#[test]
fn masters_behind_one_address_are_devices_and_make_no_gateway() {
    let mut plant = Plant::new();
    let mut asks = |link| {
        plant.clock += 1;
        let endpoint = Endpoint { sub: SubAddress::Link(link), ..end("10.0.0.6", None) };
        plant.inventory.see_sub(&endpoint, false, at(plant.clock), frame(1), &plant.config).expect("a device").id
    };
    let (first, second) = (asks(1), asks(2));
    assert_ne!(first, second);
    assert_eq!([asks(1), asks(2)], [first, second]);
    assert!(plant.at("10.0.0.6").role_reasons.is_empty());
}
