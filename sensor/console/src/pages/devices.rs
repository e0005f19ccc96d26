//! The inventory, and the page of a device.

use super::alerts::{done, told, with};
use super::{Frame, render, show};
use crate::api;
use crate::call::{Answer, Call};
use crate::filter::{self, DEVICES, PAGE};
use crate::form;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Returns, Route};
use askama::Template;
use ot_engine::context::{Change, Field};
use ot_engine::model::Role;
use ot_store::Scope;
use ot_store::read::{JournalQuery, PointQuery, Reader};
use ot_views::device::{DeviceLine, DeviceStory, PointLine, device, find_device};
use ot_views::{Names, WorkLine, devices, journal, points};

const USUAL: u32 = 100;
const CSV_MOST: u32 = 20_000;
/// Points and rows of the journal shown with a device.
const POINTS: u32 = 100;
const WORK: u32 = 50;

const TABS: &[(&str, &str)] = &[
    ("identity", "Identity"),
    ("recommendations", "Recommendations"),
    ("alerts", "Alerts"),
    ("traffic", "Conversations"),
    ("points", "Points"),
    ("programs", "Programs and work"),
    ("timeline", "Timeline"),
    ("edit", "What people know"),
];
fn tabs() -> Vec<&'static str> {
    TABS.iter().map(|(id, _)| *id).collect()
}
const VIEW: &[Parameter] = &[
    Parameter { name: "tab", kind: Kind::Word(tabs), doc: "The part shown" },
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
    Parameter { name: "act", kind: Kind::Text, doc: "The act that did it" },
];

/// Routes of devices.
pub static ROUTES: &[Route] = &[
    Route::page("/devices", "page-devices", "The inventory.").with(&[DEVICES, PAGE]).read(list),
    Route::page("/devices.csv", "page-devices-csv", "The inventory as CSV.")
        .with(&[DEVICES])
        .gives(Returns::Bytes("text/csv"))
        .read(csv),
    Route::page("/devices/{device}", "page-device", "All that is known of a device.").with(&[VIEW]).read(page),
    Route::form("/devices/{device}", "form-device", "Says what people know of a device.")
        .of_scope(Scope::Edit)
        .plain(edit),
];

#[derive(Template)]
#[template(path = "devices.html")]
struct List {
    frame: Frame,
    devices: Vec<DeviceLine>,
    text: String,
    zone: String,
    protocol: String,
    roles: Vec<(&'static str, bool)>,
    ot: String,
    next: Option<String>,
    first: bool,
    csv: String,
}

fn list(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let (limit, skip) = (call.limit(USUAL), filter::skip(call)?);
    let found = devices(&Names::new(reader), &filter::devices(call, reader, limit)?)?;
    let (devices, next) = filter::page(found, skip, limit);
    let text = |name: &str| call.one(name).unwrap_or_default().to_owned();
    let chosen: Vec<&str> = call.all("role").collect();
    render(&List {
        frame: Frame::new("Devices", "devices", call),
        devices,
        text: text("text"),
        zone: text("zone"),
        protocol: text("protocol"),
        roles: Role::ALL.map(Role::as_str).into_iter().map(|role| (role, chosen.contains(&role))).collect(),
        ot: text("ot"),
        next: next.map(|cursor| {
            let base = with(call, "/devices", "cursor", None);
            let mark = if base.contains('?') { '&' } else { '?' };
            format!("{base}{mark}cursor={cursor}")
        }),
        first: skip == 0,
        csv: with(call, "/devices.csv", "limit", None),
    })
}

fn csv(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let found = devices(&Names::new(reader), &filter::devices(call, reader, CSV_MOST)?)?;
    let mut text = ot_views::csv::line([
        "ip",
        "mac",
        "name",
        "role",
        "vendor",
        "importance",
        "site",
        "zone",
        "purdue",
        "owner",
        "location",
        "tags",
        "protocols",
        "open_alerts",
        "first_seen",
        "last_seen",
    ]);
    for device in &found {
        let mut protocols: Vec<&str> = device.client_of.iter().chain(&device.server_of).map(String::as_str).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let address = match (&device.sub_address, device.ips.first()) {
            (Some(sub), Some(ip)) => format!("{ip}/{}", sub.replace(' ', "-")),
            (_, ip) => ip.cloned().unwrap_or_default(),
        };
        text.push_str(&ot_views::csv::line([
            address.as_str(),
            show::maybe(&device.mac),
            &device.name,
            &device.role,
            show::maybe(&device.vendor),
            &device.importance,
            show::maybe(&device.site),
            show::maybe(&device.zone),
            &device.purdue.map_or_else(String::new, |level| level.to_string()),
            show::maybe(&device.owner),
            show::maybe(&device.location),
            &device.tags.join(" "),
            &protocols.join(" "),
            &device.open_alerts.to_string(),
            &device.first_seen,
            &device.last_seen,
        ]));
    }
    Ok(Answer::file("text/csv; charset=utf-8", "devices.csv", text.into_bytes()))
}

struct Tab {
    id: &'static str,
    title: &'static str,
    count: Option<String>,
    here: bool,
}

struct Input {
    field: &'static str,
    label: String,
    value: String,
    choices: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "device.html")]
struct Page {
    frame: Frame,
    device: DeviceStory,
    tab: &'static str,
    tabs: Vec<Tab>,
    points: Vec<PointLine>,
    work: Vec<WorkLine>,
    inputs: Vec<Input>,
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let names = Names::new(reader);
    let id = find_device(reader, call.part("device"))?;
    let device = device(&names, id)?;
    let wanted = call.one("tab").unwrap_or("identity");
    let tab = tabs().into_iter().find(|known| *known == wanted).unwrap_or("identity");
    let points = if tab == "points" {
        points(&names, &PointQuery { devices: vec![id], limit: Some(POINTS), ..PointQuery::default() })?
    } else {
        Vec::new()
    };
    let mut work = if tab == "programs" {
        journal(&names, &JournalQuery { devices: vec![id], limit: Some(WORK), ..JournalQuery::default() })?
    } else {
        Vec::new()
    };
    work.reverse();
    let count = |id: &str| match id {
        "recommendations" => Some(device.recommendations.len().to_string()),
        "alerts" => Some(device.line.open_alerts.to_string()),
        "traffic" => Some(device.neighbours.len().to_string()),
        "programs" => Some(device.programs.len().to_string()),
        _ => None,
    };
    let tabs = TABS.iter().map(|(id, title)| Tab { id, title, count: count(id), here: *id == tab }).collect();
    let inputs = inputs(&device);
    let frame = Frame::new(device.line.name.clone(), "devices", call);
    render(&Page { frame, tab, tabs, points, work, inputs, device })
}

/// Fields that can be said, with what holds now.
fn inputs(device: &DeviceStory) -> Vec<Input> {
    let line = &device.line;
    let yes = |value: bool| if value { "yes".to_owned() } else { String::new() };
    let said = |field: &str| {
        device.said.iter().find(|said| said.field == field).map_or_else(String::new, |said| said.value.clone())
    };
    Field::ALL
        .into_iter()
        .filter(|field| *field != Field::Tag)
        .map(|field| {
            let id = field.as_str();
            let (value, choices) = match field {
                Field::Role => (said(id), Role::ALL.map(Role::as_str).to_vec()),
                Field::Importance => (said(id), vec!["low", "normal", "high"]),
                Field::Purdue => (said(id), vec!["0", "1", "2", "3", "4", "5"]),
                Field::Authorised => (line.authorised.clone().unwrap_or_default(), vec!["yes", "no"]),
                Field::ProgrammingDevice => (yes(line.programming_device), vec!["yes", "no"]),
                Field::Scanner => (yes(line.scanner), vec!["yes", "no"]),
                _ => (said(id), Vec::new()),
            };
            Input { field: id, label: show::word(id), value, choices }
        })
        .collect()
}

fn edit(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let (id, before) = call.app.readers.read(|reader| {
        let id = find_device(reader, call.part("device"))?;
        Ok((id, inputs(&device(&Names::new(reader), id)?)))
    })?;
    let mut changes: Vec<Change> = Vec::new();
    for input in before {
        let Some((_, given)) = fields.iter().find(|(name, _)| name == input.field) else { continue };
        let given = given.trim();
        if given != input.value {
            changes.push(api::devices::change(input.field, Some(given).filter(|text| !text.is_empty()))?);
        }
    }
    for (name, remove) in [("tag", false), ("untag", true)] {
        for tag in form::value(&fields, name).split([' ', ',', ';']).filter(|tag| !tag.is_empty()) {
            let value = Field::Tag.check(tag).map_err(Problem::bad_request)?;
            changes.push(Change { field: Field::Tag, value: Some(value), remove });
        }
    }
    if changes.is_empty() {
        return Ok(Answer::to(&format!("/devices/{}?tab=edit", id.0)));
    }
    let result = api::devices::set_device(call, id, changes, form::value(&fields, "why"))?;
    Ok(Answer::to(&done(&format!("/devices/{}?tab=edit", id.0), told("set", &result), result.act)))
}
