//! MAC addresses that take an IP address which another one uses.

use super::Detector;
use super::spread::{Capped, number};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::inventory::MacBinding;
use crate::model::Peer;
use crate::shared::Core;
use crate::table::WindowCount;
use ot_protocol::time::SECOND;
use ot_protocol::{Claim, ClaimKind, Endpoint, Mac, SubAddress, Timestamp};
use std::net::IpAddr;

/// An owner that was silent for this long has given its address up: its device was replaced.
const GIVEN_UP: i64 = 300 * SECOND;
/// Claims are told by the second: one may be this much older than the one before it.
const DISORDER: i64 = -2 * SECOND;
/// Two that speak in turn within this span use an address at the same time.
const SAME_TIME: i64 = 60 * SECOND;
/// Unasked replies within a minute that are too many.
const UNASKED: u32 = 60;
/// MAC addresses remembered of one IP address.
const USERS: usize = 4;

/// Follows who uses which address.
pub struct ArpSpoofing {
    addresses: Capped<(Option<u16>, IpAddr), Vec<User>>,
    macs: Capped<Mac, MacUse>,
    unasked: WindowCount<Mac>,
}

/// A MAC address that uses an IP address.
#[derive(Clone, Copy, Debug)]
struct User {
    mac: Mac,
    first: Timestamp,
    last: Timestamp,
    /// Last time it claimed the address by ARP.
    arp: Option<Timestamp>,
}

/// What is known of a MAC address.
#[derive(Clone, Copy, Debug)]
struct MacUse {
    ip: IpAddr,
    /// More than one address came from it: it forwards, or it lies.
    several: bool,
}

impl ArpSpoofing {
    /// With the configured caps.
    pub fn new(config: &EngineConfig) -> Self {
        let keys = config.limits.window_keys;
        Self { addresses: Capped::new(keys), macs: Capped::new(keys), unasked: WindowCount::new(60, keys) }
    }

    fn note_mac(&mut self, mac: Mac, ip: IpAddr) {
        match self.macs.get_mut(&mac) {
            Some(used) => used.several |= used.ip != ip,
            None => self.macs.insert(mac, MacUse { ip, several: false }),
        }
    }

    /// Whether a MAC uses the address itself, not only forwards packets that carry it.
    fn uses(&self, core: &Core, user: &User) -> bool {
        user.arp.is_some()
            || !(core.inventory.is_router_mac(user.mac) || self.macs.get(&user.mac).is_some_and(|used| used.several))
    }
}

/// MAC addresses that redundant routers and clusters share by design (VRRP and CARP, GLBP, HSRP 1 and 2, Microsoft NLB).
fn is_shared(mac: Mac) -> bool {
    matches!(
        mac.0,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x07, 0xb4, 0x00, _, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, _, _]
            | [0x02 | 0x03, 0xbf, _, _, _, _]
    )
}

impl Detector for ArpSpoofing {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::ARP_SPOOFING, catalogue::ADDRESS_CONFLICT];
        TYPES
    }

    fn claim(&mut self, core: &mut Core, claim: &Claim, binding: &MacBinding) {
        let now = claim.time;
        if claim.mac.is_group() || is_shared(claim.mac) || claim.mac == Mac::default() {
            return;
        }
        let by_arp = claim.kind != ClaimKind::IpSource;
        if claim.kind == ClaimKind::ArpUnsolicited {
            self.unasked(core, claim);
        }
        if claim.ip.is_unspecified() || claim.ip.is_multicast() || claim.ip.is_loopback() {
            return;
        }
        // Known to pass packets of others on.
        if !by_arp && matches!(binding, MacBinding::Router) {
            return;
        }
        self.note_mac(claim.mac, claim.ip);
        let key = (claim.vlan, claim.ip);
        // Nearly always: the one that has it goes on.
        if let Some([only]) = self.addresses.get_mut(&key).map(Vec::as_mut_slice)
            && only.mac == claim.mac
            && (DISORDER..=GIVEN_UP).contains(&now.since(only.last))
        {
            only.last = only.last.max(now);
            if by_arp {
                only.arp = Some(now);
            }
            return;
        }
        let mut users = self.addresses.get(&key).cloned().unwrap_or_else(|| match *binding {
            // What an earlier run knew.
            MacBinding::Changed { before, before_last_seen } if before != claim.mac => {
                vec![User { mac: before, first: before_last_seen, last: before_last_seen, arp: None }]
            }
            _ => Vec::new(),
        });
        users.retain(|user| (DISORDER..=GIVEN_UP).contains(&now.since(user.last)) || user.mac == claim.mac);
        let me = users.iter().copied().find(|user| user.mac == claim.mac);
        // Back after a long silence: as if it had never been there.
        let me = me.filter(|me| (DISORDER..=GIVEN_UP).contains(&now.since(me.last)));
        let updated = User {
            mac: claim.mac,
            first: me.map_or(now, |me| me.first),
            last: now,
            arp: if by_arp { Some(now) } else { me.and_then(|me| me.arp) },
        };
        let others: Vec<User> =
            users.iter().copied().filter(|user| user.mac != claim.mac && self.uses(core, user)).collect();
        users.retain(|user| user.mac != claim.mac);
        users.push(updated);
        users.sort_by_key(|user| (user.first, user.mac));
        if users.len() > USERS {
            // The owner stays; of the others the one silent for longest goes.
            if let Some(at) = (1..users.len()).min_by_key(|&at| users.get(at).map(|user| user.last)) {
                users.remove(at);
            }
        }
        self.addresses.insert(key, users);

        // The owner is the one that has had the address for longest.
        let owner = others.iter().copied().min_by_key(|user| (user.first, user.mac));
        if let Some(owner) = owner.filter(|owner| by_arp && owner.first < updated.first) {
            self.spoofed(core, claim, &owner);
        }
        if let Some(me) = me
            && self.uses(core, &updated)
            && now.since(me.last) <= SAME_TIME
            && let Some(other) = others.iter().find(|other| now.since(other.last) <= SAME_TIME && me.last <= other.last)
            && me.first <= other.last
        {
            conflict(core, claim, other);
        }
    }

    fn time_jump(&mut self, _core: &mut Core, _now: Timestamp) {
        self.addresses.clear();
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("arp-windows-evicted", self.addresses.evicted + self.macs.evicted + self.unasked.evicted)]
    }
}

impl ArpSpoofing {
    fn spoofed(&self, core: &mut Core, claim: &Claim, owner: &User) {
        let (client, server) = (claimer(core, claim.mac), owner_peer(core, claim.ip, owner.mac));
        let (from, to) = (core.display(&client), core.display(&server));
        let text = || Text {
            description: format!(
                "{from} with MAC address {} claims {} by {}, the address of {to} with MAC address {}, which used it \
                 since {} and last at {}.",
                claim.mac,
                claim.ip,
                how(claim.kind),
                owner.mac,
                owner.first,
                owner.last
            ),
            why: format!(
                "{} was bound to {} and in use less than {} min before another MAC address claimed it.",
                claim.ip,
                owner.mac,
                GIVEN_UP / SECOND / 60
            ),
            function: how(claim.kind).to_owned(),
            object: claim.ip.to_string(),
            value: claim.mac.to_string(),
            detail: format!("{} claims {}, bound to {}", claim.mac, claim.ip, owner.mac),
        };
        let row = number((claim.mac.0, claim.ip));
        core.raise(&finding(catalogue::ARP_SPOOFING, client, Some(server), claim, u64::from(claim.count), row, &text));
    }

    fn unasked(&mut self, core: &mut Core, claim: &Claim) {
        let now = self.unasked.add(&claim.mac, claim.count, claim.time);
        if now < UNASKED {
            return;
        }
        let client = claimer(core, claim.mac);
        let from = core.display(&client);
        let server = claim.target.map(|target| core.inventory.peer_of_ip(target));
        let to = claim.target.map_or_else(|| "everyone".to_owned(), |target| target.to_string());
        let text = || Text {
            description: format!(
                "{from} with MAC address {} sent {now} ARP replies within a minute that nobody asked for, the last \
                 telling {to} that it has {}.",
                claim.mac, claim.ip
            ),
            why: format!("{UNASKED} or more ARP replies without a request within a minute."),
            function: how(claim.kind).to_owned(),
            object: claim.ip.to_string(),
            value: claim.mac.to_string(),
            detail: format!("unasked replies to {to} that {} is at {}", claim.ip, claim.mac),
        };
        let first = now.saturating_sub(claim.count) < UNASKED;
        let count = u64::from(if first { now } else { claim.count });
        let row = number((claim.mac.0, claim.ip, claim.target));
        core.raise(&finding(catalogue::ARP_SPOOFING, client, server, claim, count, row, &text));
    }
}

fn conflict(core: &mut Core, claim: &Claim, other: &User) {
    let (client, server) = (claimer(core, claim.mac), owner_peer(core, claim.ip, other.mac));
    let text = || Text {
        description: format!(
            "{} is used by two MAC addresses at the same time: {} and {} spoke in turn within {} s, the former at {} and \
             the latter at {}.",
            claim.ip,
            other.mac,
            claim.mac,
            SAME_TIME / SECOND,
            other.last,
            claim.time
        ),
        why: format!(
            "One IP address belongs to one device; routers and shared addresses of redundant routers aside, two \
                      MAC addresses used it in turn within {} s.",
            SAME_TIME / SECOND
        ),
        function: how(claim.kind).to_owned(),
        object: claim.ip.to_string(),
        value: claim.mac.to_string(),
        detail: format!("{} and {} both use {}", other.mac, claim.mac, claim.ip),
    };
    let row = number((claim.mac.0, other.mac.0));
    core.raise(&finding(catalogue::ADDRESS_CONFLICT, client, Some(server), claim, u64::from(claim.count), row, &text));
}

/// The device behind a MAC address, whatever address it claims.
fn claimer(core: &Core, mac: Mac) -> Peer {
    core.inventory.peer(&Endpoint { mac: Some(mac), vlan: None, ip: None, port: 0, sub: SubAddress::None })
}

/// The device that an address belongs to.
fn owner_peer(core: &Core, ip: IpAddr, mac: Mac) -> Peer {
    Peer { mac: Some(mac), ..core.inventory.peer_of_ip(ip) }
}

fn how(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::ArpRequest => "an ARP request",
        ClaimKind::ArpReply => "an ARP reply",
        ClaimKind::ArpUnsolicited => "an ARP reply that nobody asked for",
        ClaimKind::ArpGratuitous => "an ARP announcement",
        ClaimKind::IpSource => "IP packets",
    }
}

fn finding<'a>(
    kind: &'static AlertType,
    client: Peer,
    server: Option<Peer>,
    claim: &'a Claim,
    count: u64,
    row: u64,
    text: &'a dyn Fn() -> Text,
) -> Finding<'a> {
    Finding {
        kind,
        client: Some(client),
        server,
        table: None,
        point: None,
        times: [claim.time; 2],
        frames: std::slice::from_ref(&claim.frame),
        count,
        protocol: None,
        operation: None,
        outcome: None,
        entries: &[],
        row,
        text,
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::Plant;
    use ot_protocol::ClaimKind::{ArpReply, ArpUnsolicited, IpSource};

    #[test]
    fn a_claim_on_an_address_in_use_is_spoofing_and_told_of_the_claimer_only() {
        let mut plant = Plant::operational();
        plant.claim(1, ArpReply, 66, 66, Some(10));
        for second in 1..10 {
            plant.claim(second, ArpReply, 11, 11, Some(10));
        }
        assert!(plant.alerts_of("arp-spoofing").is_empty());
        plant.claim(10, ArpUnsolicited, 66, 11, Some(10));
        plant.claim(11, ArpReply, 11, 11, Some(10));
        plant.claim(12, ArpUnsolicited, 66, 11, Some(10));
        let alerts = plant.alerts_of("arp-spoofing");
        assert_eq!((alerts.len(), alerts[0].count), (1, 2));
        assert!(alerts[0].description.contains("02:00:00:00:00:42"), "{}", alerts[0].description);
        assert_eq!(plant.alerts_of("address-conflict").len(), 1);
    }

    #[test]
    fn sixty_unasked_replies_a_minute_are_spoofing() {
        let mut plant = Plant::operational();
        for second in 0..59 {
            plant.claim(second, ArpUnsolicited, 66, 66, Some(10));
        }
        assert!(plant.alerts_of("arp-spoofing").is_empty());
        plant.claim(59, ArpUnsolicited, 66, 66, Some(10));
        assert_eq!(plant.alerts_of("arp-spoofing")[0].count, 60);
    }

    #[test]
    fn a_replaced_device_is_neither() {
        let mut plant = Plant::operational();
        plant.claim(1, ArpReply, 11, 11, Some(10));
        for second in 400..500 {
            plant.claim(second, IpSource, 77, 11, None);
            plant.claim(second, ArpReply, 77, 11, Some(10));
        }
        assert!(plant.alerts_of("arp-spoofing").is_empty());
        assert!(plant.alerts_of("address-conflict").is_empty());
    }

    #[test]
    fn a_router_that_forwards_is_no_conflict() {
        let mut plant = Plant::operational();
        for second in 1..100 {
            plant.claim(second, IpSource, 11, 11, None);
            for host in [11, 12, 13, 14, 15] {
                plant.claim(second, IpSource, 1, host, None);
            }
        }
        assert!(plant.alerts_of("address-conflict").is_empty());
    }
}
