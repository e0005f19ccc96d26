//! Devices by name: what stands beside a device id in every view.

use crate::ViewError;
use ot_engine::context::Field;
use ot_engine::model::{Device, DeviceId, Peer};
use ot_protocol::{FrameRef, SubAddress};
use ot_store::MaintenanceRow;
use ot_store::read::{DeviceQuery, Reader};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use utoipa::ToSchema;

/// One side of an alert or conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PeerView {
    /// Number of the device; null for what is not in the inventory.
    pub device_id: Option<u32>,
    /// Name for people: given by a person, else told by the device, else its address.
    pub name: Option<String>,
    /// IP address at detection.
    pub ip: Option<String>,
    /// MAC address at detection.
    pub mac: Option<String>,
    /// Unit, link address, rack and slot; null at the address itself.
    pub sub_address: Option<String>,
    /// Role now.
    pub role: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// Zone.
    pub zone: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// How important it is to the plant: `low`, `normal` or `high`; null for what is not in the inventory.
    pub importance: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it stands.
    pub location: Option<String>,
    /// Whether it may be on the network: `yes` or `no`; null where nobody said.
    pub authorised: Option<String>,
    /// Words to group it by.
    pub tags: Vec<String>,
}

impl PeerView {
    /// For a line: name, and the address where the name is not it.
    pub fn label(&self) -> String {
        let address = self.address();
        match &self.name {
            Some(name) if *name != address && !address.is_empty() => format!("{name} ({address})"),
            Some(name) => name.clone(),
            None if address.is_empty() => "unknown".to_owned(),
            None => address,
        }
    }

    /// Address with sub-address, else MAC.
    pub fn address(&self) -> String {
        let base = self.ip.as_deref().or(self.mac.as_deref()).unwrap_or_default();
        match &self.sub_address {
            Some(sub) if base.is_empty() => sub.clone(),
            Some(sub) => format!("{base} {sub}"),
            None => base.to_owned(),
        }
    }
}

/// A frame of an input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FrameView {
    /// Path of the file as given to the replay.
    pub file: String,
    /// Number within the file, from 1, as Wireshark counts.
    pub number: u64,
}

/// Looks up devices, input files and maintenance windows, each once.
#[derive(Debug)]
pub struct Names<'a> {
    reader: &'a Reader,
    devices: RefCell<BTreeMap<DeviceId, Option<Rc<Device>>>>,
    files: RefCell<BTreeMap<u32, String>>,
    windows: RefCell<BTreeMap<u32, Option<MaintenanceRow>>>,
}

impl<'a> Names<'a> {
    /// Over a store.
    pub fn new(reader: &'a Reader) -> Self {
        Self { reader, devices: RefCell::default(), files: RefCell::default(), windows: RefCell::default() }
    }

    /// The store.
    pub fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// The device of this number.
    pub fn device(&self, id: DeviceId) -> Result<Option<Rc<Device>>, ViewError> {
        if let Some(known) = self.devices.borrow().get(&id) {
            return Ok(known.clone());
        }
        let found =
            self.reader.devices(&DeviceQuery { devices: vec![id], ..DeviceQuery::default() })?.pop().map(Rc::new);
        self.devices.borrow_mut().insert(id, found.clone());
        Ok(found)
    }

    /// The maintenance window of this number.
    pub fn window(&self, number: u32) -> Result<Option<MaintenanceRow>, ViewError> {
        if let Some(known) = self.windows.borrow().get(&number) {
            return Ok(known.clone());
        }
        let found = self.reader.maintenance_window(number)?;
        self.windows.borrow_mut().insert(number, found.clone());
        Ok(found)
    }

    /// Loads these devices in one go.
    pub fn prefetch(&self, ids: impl IntoIterator<Item = DeviceId>) -> Result<(), ViewError> {
        let mut wanted: Vec<_> = {
            let known = self.devices.borrow();
            ids.into_iter().filter(|id| !known.contains_key(id)).collect()
        };
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.reader.devices(&DeviceQuery { devices: wanted.clone(), ..DeviceQuery::default() })?;
        let mut known = self.devices.borrow_mut();
        known.extend(wanted.into_iter().map(|id| (id, None)));
        known.extend(found.into_iter().map(|device| (device.id, Some(Rc::new(device)))));
        Ok(())
    }

    /// A side of an alert, as it was at detection, with what is known of the device now.
    pub fn peer(&self, peer: &Peer) -> Result<PeerView, ViewError> {
        let device = peer.device.map(|id| self.device(id)).transpose()?.flatten();
        let mut view = PeerView {
            device_id: peer.device.map(|id| id.0),
            name: None,
            ip: peer.ip.map(|ip| ip.to_string()),
            mac: peer.mac.map(|mac| mac.to_string()),
            sub_address: sub(peer.sub),
            role: None,
            vendor: None,
            zone: None,
            site: None,
            importance: None,
            owner: None,
            location: None,
            authorised: None,
            tags: Vec::new(),
        };
        if let Some(device) = device {
            view.fill(&device);
        }
        Ok(view)
    }

    /// A device as a side of a conversation.
    pub fn device_view(&self, id: DeviceId) -> Result<PeerView, ViewError> {
        let device = self.device(id)?;
        let ip = device.as_ref().and_then(|device| device.addresses.first()).map(|address| address.ip);
        self.peer(&Peer {
            device: Some(id),
            ip,
            mac: device.as_ref().and_then(|device| device.mac),
            sub: device.as_ref().map_or(SubAddress::None, |device| device.sub),
        })
    }

    /// For a line of text: name and address; `device 7` for one that is gone.
    pub fn label(&self, id: DeviceId) -> Result<String, ViewError> {
        if self.device(id)?.is_none() {
            return Ok(format!("device {}", id.0));
        }
        Ok(self.device_view(id)?.label())
    }

    /// A frame with the path of its file; `None` for no frame.
    pub fn frame(&self, frame: FrameRef) -> Result<Option<FrameView>, ViewError> {
        if frame.number() == 0 {
            return Ok(None);
        }
        if let Some(file) = self.files.borrow().get(&frame.file()) {
            return Ok(Some(FrameView { file: file.clone(), number: frame.number() }));
        }
        let file = self.reader.input_path(frame.file())?.unwrap_or_else(|| format!("input {}", frame.file()));
        self.files.borrow_mut().insert(frame.file(), file.clone());
        Ok(Some(FrameView { file, number: frame.number() }))
    }
}

impl PeerView {
    fn fill(&mut self, device: &Device) {
        self.role = Some(device.role.as_str().to_owned());
        self.vendor.clone_from(&device.vendor);
        self.zone.clone_from(&device.zone);
        let context = &device.context;
        let text = |field| context.text(field).map(str::to_owned);
        self.site = text(Field::Site);
        self.importance = Some(context.importance(device.role).as_str().to_owned());
        self.owner = text(Field::Owner);
        self.location = text(Field::Location);
        self.authorised = text(Field::Authorised);
        self.tags = context.tags().map(str::to_owned).collect();
        self.name = Some(device_name(device));
        if self.ip.is_none() && self.mac.is_none() {
            self.ip = device.addresses.first().map(|address| address.ip.to_string());
            self.mac = device.mac.map(|mac| mac.to_string());
        }
    }
}

/// A name for a device: given by a person, else told by itself, else by a name server, else its product, else its
/// address, else its MAC.
pub fn device_name(device: &Device) -> String {
    if let Some(name) = &device.name {
        return name.clone();
    }
    let told = |property: &str| device.identities.iter().rfind(|identity| identity.property == property);
    let name = told("name").or_else(|| told("dns-name"));
    if let Some(identity) = name.or_else(|| told("product")).or_else(|| told("model")) {
        return identity.value.clone();
    }
    device_address(device)
}

/// Address with sub-address; MAC for a device without IP; `device 7` without either.
pub fn device_address(device: &Device) -> String {
    let base = match (device.addresses.first(), device.mac) {
        (Some(address), _) => address.ip.to_string(),
        (None, Some(mac)) => mac.to_string(),
        (None, None) => format!("device {}", device.id.0),
    };
    match device.sub {
        SubAddress::None => base,
        sub => format!("{base} {sub}"),
    }
}

pub(crate) fn sub(sub: SubAddress) -> Option<String> {
    (sub != SubAddress::None).then(|| sub.to_string())
}
