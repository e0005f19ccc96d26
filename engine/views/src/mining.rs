//! Any list as a table of texts: what a question that somebody keeps answers, on a page and in a spreadsheet.

use crate::alert::AlertLine;
use crate::baseline::EntryLine;
use crate::device::{DeviceLine, PointLine};
use crate::journal::WorkLine;
use crate::names::{Names, PeerView, device_address, device_name};
use crate::timeline::EventLine;
use crate::{SCHEMA, ViewError, csv, time};
use ot_store::read::DeviceQuery;
use serde::Serialize;
use utoipa::ToSchema;

/// An answer as a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mined {
    /// Version of these keys.
    pub schema: u32,
    /// Its columns.
    pub columns: Vec<MinedColumn>,
    /// Its rows.
    pub rows: Vec<MinedRow>,
    /// `cursor` of the next page; null at the end.
    pub next: Option<String>,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MinedColumn {
    /// Stable id.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// `text`, `number` or `time`.
    pub kind: &'static str,
}

/// A row: a text for each column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MinedRow {
    /// Texts.
    pub cells: Vec<String>,
    /// Number of the device that it is about.
    pub device_id: Option<u32>,
    /// Id of the alert that it is about.
    pub alert: Option<String>,
}

/// Properties that tell of a device's firmware.
pub const FIRMWARE: [&str; 4] = ["firmware", "revision", "software", "hardware"];

impl Mined {
    fn of(columns: &[(&'static str, &'static str, &'static str)], rows: Vec<MinedRow>) -> Self {
        let columns = columns.iter().map(|&(id, title, kind)| MinedColumn { id, title, kind }).collect();
        Self { schema: SCHEMA, columns, rows, next: None }
    }

    /// With the cursor of the next page.
    pub fn then(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
    }

    /// As CSV.
    pub fn csv(&self) -> String {
        let mut text = csv::line(self.columns.iter().map(|column| column.id));
        for row in &self.rows {
            text.push_str(&csv::line(&row.cells));
        }
        text
    }
}

fn some(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn labels(list: &[PeerView]) -> String {
    list.iter().map(PeerView::label).collect::<Vec<_>>().join("; ")
}

/// Alerts.
pub fn of_alerts(list: &[AlertLine]) -> Mined {
    let rows = list.iter().map(|alert| MinedRow {
        cells: vec![
            alert.severity.clone(),
            alert.last_detection.clone(),
            alert.status.clone(),
            alert.count.to_string(),
            alert.title.clone(),
            labels(alert.all_sources()),
            labels(alert.all_destinations()),
            alert.techniques.join(" "),
            alert.description.clone(),
        ],
        device_id: None,
        alert: Some(alert.id.clone()),
    });
    Mined::of(
        &[
            ("severity", "Severity", "text"),
            ("last_detection", "Last seen", "time"),
            ("status", "Status", "text"),
            ("count", "Count", "number"),
            ("title", "Alert", "text"),
            ("sources", "Source", "text"),
            ("destinations", "Destination", "text"),
            ("techniques", "ATT&CK", "text"),
            ("description", "What happened", "text"),
        ],
        rows.collect(),
    )
}

/// Devices.
pub fn of_devices(list: &[DeviceLine]) -> Mined {
    let rows = list.iter().map(|device| {
        let mut protocols: Vec<&str> = device.client_of.iter().chain(&device.server_of).map(String::as_str).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let address = device.ips.first().or(device.mac.as_ref()).map_or("", String::as_str);
        let sub = device.sub_address.as_deref().map_or_else(String::new, |sub| format!(" {sub}"));
        MinedRow {
            cells: vec![
                device.name.clone(),
                format!("{address}{sub}"),
                device.role.replace('-', " "),
                some(device.vendor.as_deref()),
                some(device.zone.as_deref()),
                protocols.join(" "),
                device.open_alerts.to_string(),
                device.first_seen.clone(),
                device.last_seen.clone(),
            ],
            device_id: Some(device.device_id),
            alert: None,
        }
    });
    Mined::of(
        &[
            ("name", "Device", "text"),
            ("address", "Address", "text"),
            ("role", "Role", "text"),
            ("vendor", "Vendor", "text"),
            ("zone", "Zone", "text"),
            ("protocols", "Protocols", "text"),
            ("open_alerts", "Open alerts", "number"),
            ("first_seen", "First seen", "time"),
            ("last_seen", "Last seen", "time"),
        ],
        rows.collect(),
    )
}

/// What devices told of their firmware: a row for each device, the last value of each property.
///
/// # Errors
/// As the store's.
pub fn firmware(names: &Names<'_>, query: &DeviceQuery) -> Result<Mined, ViewError> {
    let mut query = query.clone();
    if query.properties.is_empty() {
        query.properties = FIRMWARE.map(str::to_owned).to_vec();
    }
    let found = names.reader().devices(&query)?;
    let rows = found.iter().map(|device| {
        let told = |properties: &[&str]| {
            let mut last = device.identities.iter().filter(|told| properties.contains(&told.property.as_str()));
            last.next_back().map_or_else(String::new, |told| told.value.clone())
        };
        let newest = device.identities.iter().filter(|told| FIRMWARE.contains(&told.property.as_str()));
        let newest = newest.max_by_key(|told| told.last_seen);
        MinedRow {
            cells: vec![
                device_name(device),
                device_address(device),
                device.vendor.clone().unwrap_or_default(),
                told(&["product", "model", "description"]),
                told(&["firmware", "revision"]),
                told(&["software"]),
                told(&["hardware"]),
                told(&["serial"]),
                newest.map_or_else(String::new, |told| told.source.clone()),
                newest.map_or_else(String::new, |told| time(told.last_seen)),
            ],
            device_id: Some(device.id.0),
            alert: None,
        }
    });
    Ok(Mined::of(
        &[
            ("name", "Device", "text"),
            ("address", "Address", "text"),
            ("vendor", "Vendor", "text"),
            ("product", "Product", "text"),
            ("firmware", "Firmware", "text"),
            ("software", "Software", "text"),
            ("hardware", "Hardware", "text"),
            ("serial", "Serial", "text"),
            ("source", "Told by", "text"),
            ("last_seen", "Last told", "time"),
        ],
        rows.collect(),
    ))
}

/// Entries of the baseline.
pub fn of_entries(list: &[EntryLine]) -> Mined {
    let rows = list.iter().map(|entry| {
        let what = [&entry.label, &entry.space, &entry.detail].into_iter().flatten().map(|part| part.replace('-', " "));
        let mut parts: Vec<String> = Vec::new();
        for part in what.filter(|part| !part.is_empty()) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        MinedRow {
            cells: vec![
                entry.kind.clone(),
                some(entry.client.as_deref()),
                some(entry.server.as_deref()),
                some(entry.protocol.as_deref()),
                parts.join(", "),
                if entry.allowed { "allowed" } else { "only observed" }.to_owned(),
                entry.count.to_string(),
                entry.first_seen.clone(),
                entry.last_seen.clone(),
            ],
            device_id: entry.server_id.or(entry.client_id),
            alert: None,
        }
    });
    Mined::of(
        &[
            ("kind", "Kind", "text"),
            ("client", "Client", "text"),
            ("server", "Server", "text"),
            ("protocol", "Protocol", "text"),
            ("what", "What", "text"),
            ("state", "Baseline", "text"),
            ("count", "Times", "number"),
            ("first_seen", "First seen", "time"),
            ("last_seen", "Last seen", "time"),
        ],
        rows.collect(),
    )
}

/// Points.
pub fn of_points(list: &[PointLine]) -> Mined {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let rows = list.iter().map(|point| MinedRow {
        cells: vec![
            point.device.clone(),
            point.protocol.clone(),
            point.space.replace('-', " "),
            point.place.clone().unwrap_or_else(|| match point.number {
                Some(number) => format!("{number}.{}", point.address),
                None => point.address.to_string(),
            }),
            number(point.min),
            number(point.max),
            labels(&point.writers),
            labels(&point.readers),
            point.last_seen.clone(),
        ],
        device_id: Some(point.device_id),
        alert: None,
    });
    Mined::of(
        &[
            ("device", "Device", "text"),
            ("protocol", "Protocol", "text"),
            ("space", "Space", "text"),
            ("address", "Address", "text"),
            ("min", "Smallest", "number"),
            ("max", "Largest", "number"),
            ("writers", "Writers", "text"),
            ("readers", "Readers", "text"),
            ("last_seen", "Last new", "time"),
        ],
        rows.collect(),
    )
}

/// Work on controllers.
pub fn of_work(list: &[WorkLine]) -> Mined {
    let rows = list.iter().map(|work| MinedRow {
        cells: vec![
            work.last_seen.clone(),
            work.device.label(),
            work.actor.as_ref().map_or_else(String::new, PeerView::label),
            work.operation.replace('-', " "),
            work.function.clone(),
            work.object.clone(),
            work.value.clone(),
            work.outcome_detail.clone().or_else(|| work.outcome.clone()).unwrap_or_default(),
            work.count.to_string(),
            work.ticket.clone().unwrap_or_default(),
        ],
        device_id: work.device.device_id,
        alert: work.alert.clone(),
    });
    Mined::of(
        &[
            ("last_seen", "Last seen", "time"),
            ("device", "Device", "text"),
            ("actor", "By", "text"),
            ("operation", "Work", "text"),
            ("function", "Function", "text"),
            ("object", "On", "text"),
            ("value", "Value", "text"),
            ("outcome", "Outcome", "text"),
            ("count", "Times", "number"),
            ("ticket", "Ticket", "text"),
        ],
        rows.collect(),
    )
}

/// Events.
pub fn of_events(list: &[EventLine]) -> Mined {
    let rows = list.iter().map(|event| MinedRow {
        cells: vec![
            event.time.clone(),
            event.kind.replace('-', " "),
            event.text.clone(),
            some(event.source.as_deref()),
            some(event.destination.as_deref()),
            some(event.protocol.as_deref()),
        ],
        device_id: event.source_id.or(event.destination_id),
        alert: event.alert.clone(),
    });
    Mined::of(
        &[
            ("time", "Time", "time"),
            ("kind", "Kind", "text"),
            ("text", "What", "text"),
            ("source", "Source", "text"),
            ("destination", "Destination", "text"),
            ("protocol", "Protocol", "text"),
        ],
        rows.collect(),
    )
}
