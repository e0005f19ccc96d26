//! Who a rule is about: addresses, networks, and names that only the inventory knows.

use crate::expression::mac_of;
use ipnet::IpNet;
use ot_protocol::{Endpoint, Mac};
use std::net::IpAddr;

/// One way to name devices.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    /// By address or network.
    Network(IpNet),
    /// By MAC address.
    Mac(Mac),
    /// By the name of a device; case does not matter.
    Device(String),
    /// By a tag that a person gave.
    Tag(String),
    /// By zone.
    Zone(String),
    /// By role, for example `engineering-station`.
    Role(String),
}

/// Devices on one side of a message: in the first list (or that list is empty), and not in the second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peers {
    /// One of these.
    pub any: Vec<Named>,
    /// None of these.
    pub none: Vec<Named>,
}

/// What the inventory knows of a device.
pub trait Known {
    /// Whether it has this name.
    fn is_named(&self, name: &str) -> bool;
    /// Whether it has this tag.
    fn is_tagged(&self, tag: &str) -> bool;
    /// Whether it is in this zone.
    fn is_in_zone(&self, zone: &str) -> bool;
    /// Whether it has this role.
    fn has_role(&self, role: &str) -> bool;
}

impl Named {
    /// Reads one: `10.0.0.5`, `10.0.0.0/24`, a MAC address, `device:NAME`, `tag:NAME`, `zone:NAME`, `role:NAME`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        for (prefix, make) in [
            ("device:", Self::Device as fn(String) -> Self),
            ("tag:", Self::Tag),
            ("zone:", Self::Zone),
            ("role:", Self::Role),
        ] {
            if let Some(name) = text.strip_prefix(prefix) {
                let name = name.trim();
                if name.is_empty() {
                    return Err(format!("{text:?}: a name is missing after {prefix}"));
                }
                return Ok(make(name.to_lowercase()));
            }
        }
        if let Some(network) = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
            return Ok(Self::Network(network));
        }
        mac_of(text).map(Self::Mac).ok_or_else(|| {
            format!(
                "{text:?} is no address; write 10.0.0.5, 10.0.0.0/24, a MAC address, device:NAME, tag:NAME, zone:NAME \
                 or role:NAME, with ! before it for all others"
            )
        })
    }

    /// Whether it is the endpoint; `None` where only the inventory can tell.
    fn is(&self, endpoint: &Endpoint) -> Option<bool> {
        match self {
            Self::Network(network) => Some(endpoint.ip.is_some_and(|ip| network.contains(&ip))),
            Self::Mac(mac) => Some(endpoint.mac == Some(*mac)),
            Self::Device(_) | Self::Tag(_) | Self::Zone(_) | Self::Role(_) => None,
        }
    }

    fn is_known(&self, endpoint: &Endpoint, known: &dyn Known) -> bool {
        match self {
            Self::Network(_) | Self::Mac(_) => self.is(endpoint) == Some(true),
            Self::Device(name) => known.is_named(name),
            Self::Tag(tag) => known.is_tagged(tag),
            Self::Zone(zone) => known.is_in_zone(zone),
            Self::Role(role) => known.has_role(role),
        }
    }
}

impl Peers {
    /// Whether an endpoint can be one of them, as far as its addresses tell.
    pub fn can_be(&self, endpoint: &Endpoint) -> bool {
        (self.any.is_empty() || self.any.iter().any(|named| named.is(endpoint) != Some(false)))
            && self.none.iter().all(|named| named.is(endpoint) != Some(true))
    }

    /// Whether an endpoint is one of them, as the inventory knows it.
    pub fn is(&self, endpoint: &Endpoint, known: &dyn Known) -> bool {
        (self.any.is_empty() || self.any.iter().any(|named| named.is_known(endpoint, known)))
            && !self.none.iter().any(|named| named.is_known(endpoint, known))
    }

    /// Whether the rule says nothing of this side.
    pub fn is_anyone(&self) -> bool {
        self.any.is_empty() && self.none.is_empty()
    }
}
