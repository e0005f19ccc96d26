//! Ways to name devices in the plan of a maintenance window.

use crate::config::EngineConfig;
use crate::context::Field;
use crate::model::{Device, Peer};
use ot_protocol::{Mac, SubAddress};
use ot_rules::peers::{Known, Named};
use std::fmt;
use std::net::IpAddr;

/// Characters of one.
const MOST_CHARACTERS: usize = 200;

/// One way to name devices: `10.0.0.5` (with the units behind it), `10.0.0.5/unit-3`, `10.0.0.0/24`, a MAC address,
/// `device:NAME`, `zone:NAME`, `site:NAME`, `tag:NAME`, `role:NAME`.
///
/// A name counts only where a person or the configuration gave it: what a device tells of itself can be made up.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    text: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Named(Named),
    /// A unit, link address or slot behind an address, as it is displayed.
    Sub(IpAddr, String),
    Site(String),
}

/// A side of an alert, or a device, with what is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate<'a> {
    /// IP address at which it was seen.
    pub ip: Option<IpAddr>,
    /// MAC address at which it was seen.
    pub mac: Option<Mac>,
    /// Sub-address that was addressed.
    pub sub: SubAddress,
    /// The device.
    pub device: Option<&'a Device>,
    /// The device through which it is reached.
    pub parent: Option<&'a Device>,
    /// The configuration, for an address that is no device yet.
    pub config: Option<&'a EngineConfig>,
}

impl Selector {
    /// Reads one.
    ///
    /// # Errors
    /// In words, with what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.chars().count() > MOST_CHARACTERS {
            return Err(format!("a device is named in more than {MOST_CHARACTERS} characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("{text:?} holds a control character"));
        }
        let what = if let Some(site) = text.strip_prefix("site:") {
            if site.trim().is_empty() {
                return Err(format!("{text:?}: a name is missing after site:"));
            }
            What::Site(site.trim().to_lowercase())
        } else if let Some((ip, sub)) = text.split_once('/').and_then(sub_of) {
            What::Sub(ip, sub)
        } else {
            What::Named(Named::parse(text).map_err(|_| {
                format!(
                    "{text:?} is no way to name devices; write 10.0.0.5, 10.0.0.5/unit-3, 10.0.0.0/24, a MAC address, \
                     device:NAME, zone:NAME, site:NAME, tag:NAME or role:NAME"
                )
            })?)
        };
        Ok(Self { text: text.to_owned(), what })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names what may be many devices.
    pub fn is_broad(&self) -> bool {
        match &self.what {
            What::Named(Named::Network(network)) => network.prefix_len() < network.max_prefix_len(),
            What::Named(Named::Mac(_) | Named::Device(_)) | What::Sub(..) => false,
            What::Named(Named::Tag(_) | Named::Zone(_) | Named::Role(_)) | What::Site(_) => true,
        }
    }

    /// Whether it names this one.
    pub fn is(&self, candidate: &Candidate<'_>) -> bool {
        match &self.what {
            What::Named(Named::Network(network)) => candidate.any_ip(|ip| network.contains(&ip)),
            What::Named(Named::Mac(mac)) => {
                candidate.mac == Some(*mac) || candidate.devices().any(|device| device.mac == Some(*mac))
            }
            What::Named(Named::Device(name)) => candidate.is_named(name),
            What::Named(Named::Tag(tag)) => candidate.is_tagged(tag),
            What::Named(Named::Zone(zone)) => candidate.is_in_zone(zone),
            What::Named(Named::Role(role)) => candidate.has_role(role),
            What::Sub(ip, sub) => {
                let own = candidate.device.map_or(candidate.sub, |device| device.sub);
                let own = if own == SubAddress::None { candidate.sub } else { own };
                own.to_string() == *sub && candidate.any_ip(|known| known == *ip)
            }
            What::Site(site) => {
                let same = |own: &str| own.to_lowercase() == *site;
                candidate.devices().any(|device| device.context.text(Field::Site).is_some_and(same))
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `10.0.0.5` and `unit-3`.
fn sub_of((ip, sub): (&str, &str)) -> Option<(IpAddr, String)> {
    let sub = sub.replace('-', " ");
    let known = ["unit ", "link ", "rack "].iter().any(|word| sub.starts_with(word));
    Some((ip.parse().ok()?, sub)).filter(|_| known)
}

impl Candidate<'_> {
    fn devices(&self) -> impl Iterator<Item = &Device> {
        self.device.into_iter().chain(self.parent)
    }

    fn any_ip(&self, test: impl Fn(IpAddr) -> bool) -> bool {
        self.ip.is_some_and(&test) || self.devices().any(|device| device.addresses.iter().any(|known| test(known.ip)))
    }
}

impl Known for Candidate<'_> {
    fn is_named(&self, name: &str) -> bool {
        let same = |own: &str| own.to_lowercase() == name;
        let configured = self.ip.zip(self.config).and_then(|(ip, config)| config.known(ip));
        self.devices().any(|device| device.name.as_deref().is_some_and(same))
            || configured.is_some_and(|known| known.name.as_deref().is_some_and(same))
    }

    fn is_tagged(&self, tag: &str) -> bool {
        let said = |own: &str| own.to_lowercase() == tag;
        let configured = self.ip.zip(self.config).and_then(|(ip, config)| config.known(ip));
        self.devices().any(|device| device.context.tags().any(said))
            || configured.is_some_and(|known| known.more.iter().any(|(field, own)| *field == Field::Tag && said(own)))
    }

    fn is_in_zone(&self, zone: &str) -> bool {
        let same = |own: &str| own.to_lowercase() == zone;
        let configured = self.ip.zip(self.config).and_then(|(ip, config)| config.zone(ip));
        self.devices().any(|device| device.zone.as_deref().is_some_and(same))
            || configured.is_some_and(|zone| same(&zone.name))
    }

    fn has_role(&self, role: &str) -> bool {
        let configured = self.ip.zip(self.config).and_then(|(ip, config)| config.known(ip));
        self.devices().any(|device| device.role.as_str() == role)
            || configured.and_then(|known| known.role).is_some_and(|own| own.as_str() == role)
    }
}

impl<'a> Candidate<'a> {
    /// A side of an alert.
    pub fn of_peer(
        peer: &Peer,
        device: impl Fn(crate::model::DeviceId) -> Option<&'a Device>,
        config: Option<&'a EngineConfig>,
    ) -> Self {
        let own = peer.device.and_then(&device);
        Self {
            ip: peer.ip,
            mac: peer.mac,
            sub: peer.sub,
            device: own,
            parent: own.and_then(|own| own.parent).and_then(&device),
            config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_told_as_written() {
        for text in [
            "10.0.0.5",
            "10.0.0.5/unit-3",
            "10.0.0.5/rack-0-slot-2",
            "10.0.0.0/24",
            "02:00:00:00:00:01",
            "device:Press 3",
            "zone:cell 1",
            "site:Hamburg",
            "tag:press",
            "role:controller",
        ] {
            assert_eq!(Selector::parse(text).map(|one| one.to_string()).as_deref(), Ok(text));
        }
        for (text, wanted) in [
            ("10.0.0.300", "is no way to name devices"),
            ("Press 3", "device:NAME"),
            ("site: ", "a name is missing"),
            ("10.0.0.5/unt-3", "is no way to name devices"),
            ("a\u{7}b", "control character"),
        ] {
            let problem = Selector::parse(text).unwrap_err();
            assert!(problem.contains(wanted), "{problem}");
        }
        assert!(Selector::parse(&"x".repeat(500)).unwrap_err().contains("200 characters"));
    }

    #[test]
    fn an_address_names_the_units_behind_it_and_a_unit_itself_alone() {
        let ip = "10.0.0.5".parse().ok();
        let unit = |unit| Candidate { ip, sub: SubAddress::Unit(unit), ..Candidate::default() };
        let is = |text: &str, candidate: &Candidate<'_>| Selector::parse(text).unwrap().is(candidate);
        assert!(is("10.0.0.5", &unit(3)) && is("10.0.0.0/24", &unit(3)) && is("10.0.0.5/unit-3", &unit(3)));
        assert!(!is("10.0.0.5/unit-3", &unit(4)) && !is("10.0.0.6", &unit(3)) && !is("device:Press 3", &unit(3)));
    }
}
