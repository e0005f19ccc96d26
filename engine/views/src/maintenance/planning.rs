//! Devices of a plan as a person writes them: a name must be one that is known, an address may be seen later.

use crate::ViewError;
use crate::device::find_device;
use crate::names::device_address;
use ot_engine::EngineConfig;
use ot_engine::context::Field;
use ot_engine::maintenance::{Candidate, Selector};
use ot_engine::model::{Device, Role};
use ot_rules::names::nearest;
use ot_store::read::{DeviceQuery, Reader};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of devices, to read their names.
pub struct Known<'a> {
    devices: Vec<Device>,
    config: &'a EngineConfig,
    reader: &'a Reader,
}

impl<'a> Known<'a> {
    /// Of a store and its configuration.
    ///
    /// # Errors
    /// As the store's.
    pub fn new(reader: &'a Reader, config: &'a EngineConfig) -> Result<Self, ViewError> {
        Ok(Self { devices: reader.devices(&DeviceQuery::default())?, config, reader })
    }

    /// Devices as a person writes them, each once.
    ///
    /// # Errors
    /// Which is not known, and what to write.
    pub fn selectors(&self, texts: &[String]) -> Result<Vec<Selector>, String> {
        let mut found: Vec<Selector> = Vec::new();
        for text in texts {
            let selector = self.selector(text.trim())?;
            if !found.contains(&selector) {
                found.push(selector);
            }
        }
        Ok(found)
    }

    /// A name must be one that is known; an address may be seen later.
    fn selector(&self, text: &str) -> Result<Selector, String> {
        let named = Selector::parse(text);
        if let Ok(selector) = &named {
            let Some((class, name)) = text.split_once(':').filter(|(class, _)| self.names(class).is_some()) else {
                return Ok(selector.clone());
            };
            if self.has(selector) {
                return Ok(selector.clone());
            }
            return Err(self.no_such(class, name.trim()));
        }
        if text.contains(char::is_control) || text.chars().count() > 200 {
            return named;
        }
        let by_name = Selector::parse(&format!("device:{text}"))?;
        if self.has(&by_name) {
            return Ok(by_name);
        }
        // By number, or by what a device tells of itself: then its address counts, for anybody may tell the same.
        if let Ok(id) = find_device(self.reader, text)
            && let Some(device) = self.devices.iter().find(|device| device.id == id)
        {
            let address = device_address(device);
            let address = match address.split_once(' ') {
                Some((base, sub)) => format!("{base}/{}", sub.replace(' ', "-")),
                None => address,
            };
            return Selector::parse(&address);
        }
        if text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/-".contains(&byte)) {
            return named;
        }
        Err(self.no_such("device", text))
    }

    fn no_such(&self, class: &str, name: &str) -> String {
        let known = self.names(class).unwrap_or_default();
        let near = nearest(&name.to_lowercase(), known.iter().map(String::as_str)).map(str::to_owned);
        let what = if class == "device" { "device is named" } else { "device has" };
        let class_word = if class == "device" { String::new() } else { format!("{class} ") };
        let hint = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => format!("nobody gave a {class} so far; name devices by address"),
            None => format!("known are {}", known.into_iter().take(20).collect::<Vec<_>>().join(", ")),
        };
        format!("no {what} {class_word}{name:?}; {hint}")
    }

    /// Names of a class that people or the configuration gave, in small letters; `None` for no class.
    fn names(&self, class: &str) -> Option<BTreeSet<String>> {
        let said = |field: Field| {
            self.devices.iter().flat_map(move |device| device.context.iter().filter(move |said| said.field == field))
        };
        let config = self.config;
        let names: BTreeSet<String> = match class {
            "device" => {
                let own = self.devices.iter().filter_map(|device| device.name.clone());
                own.chain(config.devices.iter().filter_map(|device| device.name.clone())).collect()
            }
            "zone" => {
                let own = self.devices.iter().filter_map(|device| device.zone.clone());
                own.chain(config.zones.iter().map(|zone| zone.name.clone())).collect()
            }
            "site" => said(Field::Site).map(|said| said.value.clone()).collect(),
            "tag" => said(Field::Tag).map(|said| said.value.clone()).collect(),
            "role" => Role::ALL.iter().map(|role| role.as_str().to_owned()).collect(),
            _ => return None,
        };
        Some(names.into_iter().map(|name| name.to_lowercase()).collect())
    }

    /// Whether it names a device that was seen, or that the configuration knows.
    pub fn has(&self, selector: &Selector) -> bool {
        let parents: BTreeMap<_, &Device> = self.devices.iter().map(|device| (device.id, device)).collect();
        let seen = self.devices.iter().any(|device| {
            let parent = device.parent.and_then(|id| parents.get(&id).copied());
            selector.is(&Candidate { device: Some(device), parent, ..Candidate::default() })
        });
        let addresses = self.config.devices.iter().map(|device| device.ip);
        let networks = self.config.zones.iter().flat_map(|zone| zone.networks.iter().map(|network| network.addr()));
        seen || addresses
            .chain(networks)
            .any(|ip| selector.is(&Candidate { ip: Some(ip), config: Some(self.config), ..Candidate::default() }))
    }
}
