//! Which MAC address has which IP address, and which MAC addresses forward for others.
//!
//! Two kinds of evidence are told apart. A **claim** is what only the owner of an address says: ARP, and packets whose
//! source is an IPv6 link-local address (never forwarded, RFC 4291, clause 2.5.6) or holds the MAC itself (EUI-64,
//! RFC 4291, appendix A). A **source** is any other IP packet: a router sends those too, for hosts behind it.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{ClaimKind, Mac, Timestamp};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;

/// MAC addresses remembered of one IP address.
const MACS_OF_AN_IP: usize = 4;
/// Addresses remembered of one MAC.
const IPS_OF_A_MAC: usize = 8;
/// IPv4 addresses that one device may claim by ARP. Who claims more answers for others (proxy ARP) or spoofs.
pub(super) const MOST_CLAIMED: usize = 4;
/// How many candidates are looked at for one place in a full table.
pub(super) const CANDIDATES: usize = 8;

/// One MAC that used an IP address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub mac: Mac,
    /// Whether the MAC claimed the address in any way.
    pub claimed: bool,
    /// Whether a claim was of a kind that speaks for one device with several addresses (not: unasked ARP replies).
    pub solid: bool,
    pub last: Timestamp,
}

/// The MAC addresses of one IP address; the last of the list is the current one.
#[derive(Clone, Debug, Default)]
pub(super) struct Binding {
    macs: SmallVec<[Bound; 1]>,
    pub vlan: Option<u16>,
    /// Whether two MAC addresses ever had it.
    pub contested: bool,
}

impl Binding {
    pub fn new(bound: Bound, vlan: Option<u16>) -> Self {
        Self { macs: SmallVec::from_buf([bound]), vlan, contested: false }
    }

    pub fn current(&self) -> Option<&Bound> {
        self.macs.last()
    }

    pub fn of(&self, mac: Mac) -> Option<&Bound> {
        self.macs.iter().find(|bound| bound.mac == mac)
    }

    /// Forgets a MAC that never claimed the address.
    pub fn forget_source(&mut self, mac: Mac) {
        self.macs.retain(|bound| bound.claimed || bound.mac != mac);
        self.contested = self.macs.len() > 1;
    }

    /// Makes a MAC the current one.
    pub fn take(&mut self, bound: Bound) {
        if let Some(at) = self.macs.iter().position(|known| known.mac == bound.mac) {
            let known = self.macs.remove(at);
            let claimed = known.claimed || bound.claimed;
            let solid = known.solid || bound.solid;
            self.macs.push(Bound { claimed, solid, last: known.last.max(bound.last), ..bound });
            return;
        }
        if self.macs.len() >= MACS_OF_AN_IP {
            self.macs.remove(0);
        }
        self.contested |= !self.macs.is_empty();
        self.macs.push(bound);
    }
}

/// What is known of one MAC.
#[derive(Clone, Debug, Default)]
pub(super) struct MacFacts {
    /// Addresses it claimed, and whether solidly.
    pub claimed: SmallVec<[(IpAddr, bool); 1]>,
    /// Addresses it sent packets of and never claimed.
    pub sources: SmallVec<[IpAddr; 2]>,
    /// Whether it forwards packets of others.
    pub router: bool,
    /// Whether it claimed more IPv4 addresses than a device has.
    pub many: bool,
    pub last: Timestamp,
}

impl MacFacts {
    pub fn claims(&self, ip: IpAddr) -> bool {
        self.claimed.iter().any(|(known, _)| *known == ip)
    }

    /// Adds a claimed address; it is no address of others then.
    pub fn claim(&mut self, ip: IpAddr, solid: bool) {
        self.sources.retain(|known| *known != ip);
        if let Some((_, known)) = self.claimed.iter_mut().find(|(known, _)| *known == ip) {
            *known |= solid;
        } else if self.claimed.len() < IPS_OF_A_MAC {
            self.claimed.push((ip, solid));
        }
        self.many |= self.claimed.iter().filter(|(ip, solid)| *solid && ip.is_ipv4()).count() > MOST_CLAIMED;
    }

    /// Adds an address that it sent packets of without having claimed it.
    pub fn source(&mut self, ip: IpAddr) {
        if !self.router && self.sources.len() < IPS_OF_A_MAC && !self.sources.contains(&ip) {
            self.sources.push(ip);
        }
    }

    /// Whether the addresses it never claimed are more than one host has.
    ///
    /// Three IPv4 addresses; two where they are of different networks (/24), or where it claims an address of its own
    /// besides; or addresses of three IPv6 networks (/64: hosts change addresses within one, and may have two).
    pub fn forwards(&self) -> bool {
        let v4 = self.sources.iter().filter(|ip| ip.is_ipv4()).count();
        let mut networks: SmallVec<[IpAddr; IPS_OF_A_MAC]> = self.sources.iter().map(|ip| network(*ip)).collect();
        networks.sort_unstable();
        networks.dedup();
        let v4_networks = networks.iter().filter(|ip| ip.is_ipv4()).count();
        let claims_v4 = self.claimed.iter().any(|(ip, _)| ip.is_ipv4());
        v4 >= 3 || (v4 == 2 && (v4_networks == 2 || claims_v4)) || networks.len() - v4_networks >= 3
    }

    /// Whether it claims IPv4 addresses, and all in the network of this one; `None` where it claims none.
    pub fn at_home_with(&self, ip: IpAddr) -> Option<bool> {
        let mut claims = self.claimed.iter().filter(|(known, _)| known.is_ipv4() == ip.is_ipv4()).peekable();
        claims.peek()?;
        Some(claims.all(|(known, _)| network(*known) == network(ip)))
    }
}

/// The /24 or /64 of an address.
pub(super) fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & !0xff).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
    }
}

/// Whether only the owner of an address sends packets with it.
pub(super) fn is_own(mac: Mac, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f] = mac.0;
            ip.is_unicast_link_local() || ip.octets().ends_with(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f])
        }
    }
}

/// Whether a claim speaks for one device with several addresses, and whether it is a claim at all.
pub(super) fn weight(kind: ClaimKind, mac: Mac, ip: IpAddr) -> (bool, bool) {
    match kind {
        ClaimKind::ArpRequest | ClaimKind::ArpReply | ClaimKind::ArpGratuitous => (true, true),
        ClaimKind::ArpUnsolicited => (true, false),
        ClaimKind::IpSource => (is_own(mac, ip), is_own(mac, ip)),
    }
}

/// A table with a cap, from which those not seen for longest go. Each insertion looks at a few candidates only.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    map: HashMap<K, V, FixedState>,
    order: VecDeque<(K, Timestamp)>,
    cap: usize,
    /// Entries given up, and entries for which there was no place.
    pub lost: u64,
}

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    pub fn new(cap: usize) -> Self {
        Self { map: HashMap::default(), order: VecDeque::new(), cap: cap.max(1), lost: 0 }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The entry of a key, made where there is none; `None` where the table is full of what must stay.
    ///
    /// `kept` tells when an entry was seen last, or `None` if it must stay.
    pub fn entry(
        &mut self,
        key: K,
        time: Timestamp,
        make: impl FnOnce() -> V,
        kept: impl Fn(&K, &V) -> Option<Timestamp>,
    ) -> Option<&mut V> {
        if !self.map.contains_key(&key) {
            let mut tries = CANDIDATES;
            while self.map.len() >= self.cap {
                if tries == 0 {
                    self.lost += 1;
                    return None;
                }
                tries -= 1;
                let Some((old, queued)) = self.order.pop_front() else { break };
                match self.map.get(&old).map(|value| kept(&old, value)) {
                    None => {}
                    Some(None) => self.order.push_back((old, queued)),
                    Some(Some(seen)) if seen > queued => self.order.push_back((old, seen)),
                    Some(Some(_)) => {
                        self.map.remove(&old);
                        self.lost += 1;
                    }
                }
            }
            self.order.push_back((key, time));
        }
        Some(self.map.entry(key).or_insert_with(make))
    }
}
