//! Who says to have which address: ARP, and the source addresses of IP packets.

use crate::flow::unicast;
use crate::head::Head;
use crate::lane::Out;
use crate::stats::FlowStats;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{Claim, ClaimKind, Fact, Mac, SessionId};
use std::net::IpAddr;

const STATE: FixedState = FixedState::with_seed(0x6f74_2d63_6c61_696d);

/// Bindings of MAC and IP address remembered, a lane and generation.
const BINDINGS: usize = 2048;
/// ARP claims folded within a second, a lane.
const CLAIMS: usize = 1024;
/// ARP requests remembered, a lane and generation.
const REQUESTS: usize = 1024;
/// Seconds within which a reply belongs to a request.
const REPLY_SECONDS: u32 = 5;

/// A set that forgets the older half when it is full.
struct Recent<K, V> {
    new: HashMap<K, V, FixedState>,
    old: HashMap<K, V, FixedState>,
    cap: usize,
}

impl<K: std::hash::Hash + Eq + Copy, V: Copy> Recent<K, V> {
    fn new(cap: usize) -> Self {
        Self { new: HashMap::with_hasher(STATE), old: HashMap::with_hasher(STATE), cap }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.new.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn insert(&mut self, key: K, value: V) {
        if self.new.len() >= self.cap && !self.new.contains_key(&key) {
            self.old = std::mem::replace(&mut self.new, HashMap::with_hasher(STATE));
        }
        self.new.insert(key, value);
    }
}

pub(crate) struct Claims {
    bindings: Recent<(Mac, IpAddr), ()>,
    requests: Recent<(IpAddr, IpAddr), u32>,
    /// Claims of this second, by what they say, with the place in `folded`.
    second: HashMap<(ClaimKind, Mac, IpAddr, IpAddr), usize, FixedState>,
    folded: Vec<(SessionId, Claim)>,
}

impl Claims {
    pub fn new() -> Self {
        Self {
            bindings: Recent::new(BINDINGS),
            requests: Recent::new(REQUESTS),
            second: HashMap::with_hasher(STATE),
            folded: Vec::new(),
        }
    }

    /// Tells the binding of a packet's source, if it is new.
    pub fn source(&mut self, head: &Head, out: &mut Out) {
        let (Some(mac), Some(ip)) = (unicast(head.src_mac), head.src_ip()) else { return };
        if self.bindings.get(&(mac, ip)).is_some() {
            // Keeps what is in use.
            self.bindings.insert((mac, ip), ());
            return;
        }
        self.bindings.insert((mac, ip), ());
        out.fact(
            SessionId(head.info.number),
            Fact::Claim(Claim {
                kind: ClaimKind::IpSource,
                mac,
                vlan: head.vlan(),
                ip,
                target: None,
                time: head.info.time,
                frame: head.info.frame,
                count: 1,
            }),
        );
    }

    /// An ARP message.
    pub fn arp(&mut self, head: &Head, second: u32, out: &mut Out, stats: &mut FlowStats) {
        let (Some(mac), Some(sender), Some(target)) = (head.src_mac, head.src_ip(), head.dst_ip()) else { return };
        let kind = match head.seq {
            _ if sender == target => ClaimKind::ArpGratuitous,
            1 => {
                self.requests.insert((sender, target), second);
                ClaimKind::ArpRequest
            }
            2 => match self.requests.get(&(target, sender)) {
                Some(asked) if second.saturating_sub(asked) <= REPLY_SECONDS => ClaimKind::ArpReply,
                _ => ClaimKind::ArpUnsolicited,
            },
            // RARP, InARP and others claim nothing.
            _ => return,
        };
        let claim = Claim {
            kind,
            mac,
            vlan: head.vlan(),
            ip: sender,
            target: Some(target),
            time: head.info.time,
            frame: head.info.frame,
            count: 1,
        };
        let key = (kind, mac, sender, target);
        if let Some(at) = self.second.get(&key) {
            match self.folded.get_mut(*at) {
                Some((_, folded)) if folded.count > 0 => folded.count = folded.count.saturating_add(1),
                Some(place) => *place = (SessionId(head.info.number), claim),
                None => {}
            }
            return;
        }
        if self.second.len() < CLAIMS {
            self.second.insert(key, self.folded.len());
            self.folded.push((SessionId(head.info.number), Claim { count: 0, ..claim.clone() }));
        } else {
            stats.claims_full += 1;
        }
        out.fact(SessionId(head.info.number), Fact::Claim(claim));
    }

    /// Tells what was repeated within the second.
    pub fn epoch_end(&mut self, out: &mut Out) {
        if self.folded.is_empty() {
            return;
        }
        self.second.clear();
        for (session, claim) in self.folded.drain(..) {
            if claim.count > 0 {
                out.fact(session, Fact::Claim(claim));
            }
        }
    }
}
