//! Lists of addresses, networks and domains that are known to be bad.
//!
//! Built once from all lists, then only asked: an address by its exact value and by its prefix of each length in use, a domain by
//! each of its endings. What it costs does not depend on how many entries there are.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;
use ot_protocol::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::net::IpAddr;

type Map<K, V> = HashMap<K, V, FixedState>;

/// What an indicator names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// One address.
    Address(IpAddr),
    /// A network.
    Network(IpNet),
    /// A domain and all below it, in lower case, without a dot at the end.
    Domain(Box<str>),
}

impl Value {
    /// `address`, `network` or `domain`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Network(_) => "network",
            Self::Domain(_) => "domain",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Network(net) => write!(f, "{net}"),
            Self::Domain(name) => write!(f, "{name}"),
        }
    }
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Indicator {
    /// Name of the list.
    pub list: String,
    /// What it names.
    pub value: Value,
    /// What the list says of it; may be empty.
    pub note: String,
    /// Packet time from which on it no longer counts.
    pub expires: Option<Timestamp>,
}

/// All indicators, ready to be asked.
#[derive(Debug, Default)]
pub struct Indicators {
    /// In order of list and value.
    entries: Vec<Indicator>,
    addresses: Map<IpAddr, Vec<u32>>,
    networks: Map<(IpAddr, u8), Vec<u32>>,
    /// Prefix lengths in use, the longest first: of IPv4, of IPv6.
    lengths: [Vec<u8>; 2],
    domains: Map<Box<str>, Vec<u32>>,
}

impl Indicators {
    /// From the entries of all lists; their order does not matter.
    pub fn new(mut entries: Vec<Indicator>) -> Self {
        entries.sort();
        entries.dedup();
        let mut all = Self::default();
        for (at, entry) in (0_u32..).zip(&entries) {
            match &entry.value {
                Value::Address(ip) => all.addresses.entry(*ip).or_default().push(at),
                Value::Network(net) => {
                    let net = net.trunc();
                    all.networks.entry((net.network(), net.prefix_len())).or_default().push(at);
                    if let Some(lengths) = all.lengths.get_mut(usize::from(net.network().is_ipv6()))
                        && !lengths.contains(&net.prefix_len())
                    {
                        lengths.push(net.prefix_len());
                    }
                }
                Value::Domain(name) => all.domains.entry(name.clone()).or_default().push(at),
            }
        }
        for lengths in &mut all.lengths {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        all.entries = entries;
        all
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All, in order of list and value.
    pub fn iter(&self) -> impl Iterator<Item = &Indicator> {
        self.entries.iter()
    }

    /// The same for the same entries: 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            let expires = entry.expires.map_or(0, |time| time.0);
            hash.update(format!("{}\n{}\n{}\n{expires}\n", entry.list, entry.value, entry.note));
        }
        hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn of<'a>(&'a self, list: Option<&'a Vec<u32>>) -> impl Iterator<Item = &'a Indicator> {
        list.into_iter().flatten().filter_map(|&at| self.entries.get(at as usize))
    }

    /// The indicator that counts for an address at a time: the address itself, else the smallest network.
    pub fn address(&self, ip: IpAddr, time: Timestamp) -> Option<&Indicator> {
        let counts = |entry: &&Indicator| entry.expires.is_none_or(|end| time < end);
        if let Some(found) = self.of(self.addresses.get(&ip)).find(counts) {
            return Some(found);
        }
        let lengths = self.lengths.get(usize::from(ip.is_ipv6()))?;
        lengths.iter().find_map(|&length| {
            let net = IpNet::new(ip, length).ok()?.trunc();
            self.of(self.networks.get(&(net.network(), length))).find(counts)
        })
    }

    /// The indicator that counts for a domain name at a time: the name itself, else the longest ending of whole labels.
    pub fn domain(&self, name: &str, time: Timestamp) -> Option<&Indicator> {
        if self.domains.is_empty() {
            return None;
        }
        let mut rest = name.trim_end_matches('.');
        loop {
            let counts = |entry: &&Indicator| entry.expires.is_none_or(|end| time < end);
            if let Some(found) = self.of(self.domains.get(rest)).find(counts) {
                return Some(found);
            }
            let (_, shorter) = rest.split_once('.')?;
            rest = shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(list: &str, value: Value, expires: Option<i64>) -> Indicator {
        let expires = expires.map(|second| Timestamp::new(second, 0));
        Indicator { list: list.to_owned(), value, note: String::new(), expires }
    }

    #[test]
    fn addresses_networks_and_domains_are_found_by_what_holds_them() {
        let net = |text: &str| Value::Network(text.parse().unwrap());
        let name = |text: &str| Value::Domain(text.into());
        let all = Indicators::new(vec![
            entry("a", Value::Address("198.51.100.7".parse().unwrap()), None),
            entry("a", net("198.51.100.0/24"), None),
            entry("b", net("198.51.0.0/16"), Some(50)),
            entry("b", net("2001:db8::/32"), None),
            entry("a", name("evil.example"), None),
        ]);
        let at = |second| Timestamp::new(second, 0);
        let found =
            |ip: &str, second| all.address(ip.parse().unwrap(), at(second)).map(|found| found.value.to_string());
        assert_eq!(found("198.51.100.7", 1).as_deref(), Some("198.51.100.7"));
        assert_eq!(found("198.51.100.8", 1).as_deref(), Some("198.51.100.0/24"));
        assert_eq!(found("198.51.7.8", 49).as_deref(), Some("198.51.0.0/16"));
        assert_eq!(found("198.51.7.8", 50), None, "expired");
        assert_eq!(found("198.52.7.8", 1), None);
        assert_eq!(found("2001:db8:7::1", 1).as_deref(), Some("2001:db8::/32"));
        assert_eq!(found("2001:db9::1", 1), None);
        assert!(all.domain("www.evil.example", at(1)).is_some() && all.domain("evil.example.", at(1)).is_some());
        assert!(all.domain("notevil.example", at(1)).is_none() && all.domain("example", at(1)).is_none());
    }

    #[test]
    fn many_entries_are_asked_as_fast_as_few() {
        let many = (0..50_000_u32).map(|n| entry("a", Value::Address(IpAddr::from(n.to_be_bytes())), None)).collect();
        let all = Indicators::new(many);
        assert_eq!(all.len(), 50_000);
        assert!(all.address("0.0.195.79".parse().unwrap(), Timestamp(0)).is_some());
        assert!(all.address("0.0.195.80".parse().unwrap(), Timestamp(0)).is_none());
    }
}
