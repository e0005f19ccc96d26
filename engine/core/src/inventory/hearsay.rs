//! What is told of addresses before a device at them was seen: names come before the first packet to their host.

use super::Map;
use ot_protocol::Identity;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Addresses of which something was told.
const MOST: usize = 4096;
/// What is kept of one address; the oldest goes.
const MOST_OF_ONE: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Heard {
    map: Map<IpAddr, Vec<Identity>>,
    order: VecDeque<IpAddr>,
    /// Addresses given up.
    pub lost: u64,
}

impl Heard {
    /// Keeps what was told of an address.
    pub fn add(&mut self, ip: IpAddr, identity: &Identity) {
        if !self.map.contains_key(&ip) {
            while self.map.len() >= MOST {
                let Some(old) = self.order.pop_front() else { break };
                self.lost += u64::from(self.map.remove(&old).is_some());
            }
            if self.order.len() >= 2 * MOST {
                let map = &self.map;
                self.order.retain(|ip| map.contains_key(ip));
            }
            self.order.push_back(ip);
        }
        let told = self.map.entry(ip).or_default();
        told.retain(|known| known.property != identity.property || known.source != identity.source);
        if told.len() >= MOST_OF_ONE {
            told.remove(0);
        }
        told.push(identity.clone());
    }

    /// Hands over what was told of an address that now has a device.
    pub fn take(&mut self, ip: IpAddr) -> Vec<Identity> {
        self.map.remove(&ip).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ot_protocol::{Endpoint, FrameRef, SessionId, Timestamp};

    fn name(value: &str) -> Identity {
        Identity {
            session: SessionId(1),
            device: Endpoint::default(),
            property: "dns-name",
            value: value.to_owned(),
            source: "DNS answer",
            time: Timestamp::new(1, 0),
            frame: FrameRef::default(),
        }
    }

    #[test]
    fn the_last_name_of_an_address_waits_for_its_device() {
        let mut heard = Heard::default();
        let ip = IpAddr::from([10, 0, 0, 1]);
        heard.add(ip, &name("old"));
        heard.add(ip, &name("new"));
        assert_eq!(heard.take(ip), [name("new")]);
        assert!(heard.take(ip).is_empty());
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let mut heard = Heard::default();
        for number in 0..u32::try_from(MOST).unwrap() + 10 {
            heard.add(IpAddr::from(number.to_be_bytes()), &name("host"));
        }
        assert_eq!((heard.map.len(), heard.lost), (MOST, 10));
        assert!(heard.take(IpAddr::from([0, 0, 0, 9])).is_empty());
        assert_eq!(heard.take(IpAddr::from([0, 0, 0, 10])).len(), 1);
        for number in 0..100_000_u32 {
            let ip = IpAddr::from(number.to_be_bytes());
            heard.add(ip, &name("host"));
            heard.take(ip);
        }
        assert!(heard.order.len() <= 2 * MOST);
    }
}
