//! `/api/v1/devices` and what hangs on devices: points, programs, journal, events.

use super::Page;
use crate::act::{self, ActResult};
use crate::call::{Answer, Call};
use crate::filter::{self, DEVICES, EVENTS, FIELDS, JOURNAL, PAGE, POINTS, PROGRAMS};
use crate::problem::Problem;
use crate::route::{Method, Returns, Route, Shape};
use ot_engine::Action;
use ot_engine::context::{Change, Field};
use ot_engine::model::DeviceId;
use ot_store::Scope;
use ot_store::read::Reader;
use ot_views::device::{DeviceLine, DeviceStory, PointLine, device, find_device};
use ot_views::program::{ProgramDiff, ProgramLine, ProgramStory};
use ot_views::{EventLine, Names, WorkLine, devices, events, journal, points, program, program_diff, programs};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Routes of devices.
pub static ROUTES: &[Route] = &[
    Route::api("/api/v1/devices", "devices", "The devices that filters let through, by number, page by page.")
        .with(&[DEVICES, PAGE, FIELDS])
        .gives(Returns::Page(Shape::of::<DeviceLine>()))
        .read(list),
    Route::api("/api/v1/devices/{device}", "device", "All that is known of a device: by number, address, MAC or name.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<DeviceStory>()))
        .read(|call, reader| call.json(&device(&Names::new(reader), find_device(reader, call.part("device"))?)?)),
    Route::act(Method::Patch, "/api/v1/devices/{device}", "device-set", "Says what people know of a device.")
        .of_scope(Scope::Edit)
        .takes(Shape::of::<DeviceBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(set),
    Route::api(
        "/api/v1/points",
        "points",
        "Process memory: registers, coils, points and variables with range and writers.",
    )
    .with(&[POINTS, PAGE, FIELDS])
    .gives(Returns::Page(Shape::of::<PointLine>()))
    .read(|call, reader| {
        let limit = call.limit(100);
        let found = points(&Names::new(reader), &filter::points(call, reader, limit)?)?;
        let (items, next) = filter::page(found, filter::skip(call)?, limit);
        call.json(&Page { items, next })
    }),
    Route::api(
        "/api/v1/programs",
        "programs",
        "Versions of program blocks that were read from or written to controllers.",
    )
    .with(&[PROGRAMS, FIELDS])
    .gives(Returns::List(Shape::of::<ProgramLine>()))
    .read(|call, reader| call.json(&programs(&Names::new(reader), &filter::programs(call, reader)?)?)),
    Route::api("/api/v1/programs/{version}", "program", "A version with its header and bytes.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<ProgramStory>()))
        .read(|call, reader| call.json(&program(&Names::new(reader), call.number("version")?)?)),
    Route::api("/api/v1/programs/{version}/diff", "program-diff", "Where a version differs from the one before it.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<ProgramDiff>()))
        .read(|call, reader| call.json(&program_diff(&Names::new(reader), call.number("version")?, None)?)),
    Route::api(
        "/api/v1/journal",
        "journal",
        "Who wrote to a controller, controlled, programmed or restarted it, and when.",
    )
    .with(&[JOURNAL, FIELDS])
    .gives(Returns::List(Shape::of::<WorkLine>()))
    .read(|call, reader| call.json(&journal(&Names::new(reader), &filter::journal(call, reader)?)?)),
    Route::api("/api/v1/events", "events", "The timeline, page by page.")
        .with(&[EVENTS, PAGE, FIELDS])
        .gives(Returns::Page(Shape::of::<EventLine>()))
        .read(timeline),
];

/// What people know of a device: fields with their new values; null takes a value away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceBody {
    /// `name`, `role`, `site`, `zone`, `purdue`, `importance`, `owner`, `location`, `notes`, `authorised`,
    /// `programming_device`, `scanner`.
    #[serde(default)]
    pub set: BTreeMap<String, Option<String>>,
    /// Tags to add.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Tags to take away.
    #[serde(default)]
    pub untag: Vec<String>,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

fn list(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let limit = call.limit(100);
    let found = devices(&Names::new(reader), &filter::devices(call, reader, limit)?)?;
    let (items, next) = filter::page(found, filter::skip(call)?, limit);
    call.json(&Page { items, next })
}

fn timeline(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let (items, next) = event_page(call, reader, 100)?;
    call.json(&Page { items, next })
}

/// A page of the timeline.
///
/// # Errors
/// As the view's.
pub fn event_page(call: &Call, reader: &Reader, usual: u32) -> Result<(Vec<EventLine>, Option<String>), Problem> {
    let (limit, skip) = (call.limit(usual), filter::skip(call)?);
    let found = events(&Names::new(reader), &filter::events(call, reader, limit)?)?;
    let rest = found.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect();
    Ok(filter::page(rest, skip, limit))
}

fn set(call: &Call) -> Result<Answer, Problem> {
    let body: DeviceBody = call.json_body()?;
    let mut changes = Vec::new();
    for (name, value) in &body.set {
        changes.push(change(name, value.as_deref())?);
    }
    for (tags, remove) in [(&body.tags, false), (&body.untag, true)] {
        for tag in tags {
            let value = Field::Tag.check(tag).map_err(Problem::bad_request)?;
            changes.push(Change { field: Field::Tag, value: Some(value), remove });
        }
    }
    let device = call.app.readers.read(|reader| Ok(find_device(reader, call.part("device"))?))?;
    call.json(&set_device(call, device, changes, &body.why)?)
}

/// A change of a field; without a value it is taken away.
///
/// # Errors
/// What is wrong.
pub fn change(name: &str, value: Option<&str>) -> Result<Change, Problem> {
    let field = Field::parse(&name.replace('-', "_")).filter(|field| *field != Field::Tag).ok_or_else(|| {
        let known: Vec<&str> = Field::ALL.into_iter().filter(|field| *field != Field::Tag).map(Field::as_str).collect();
        Problem::bad_request(format!("{name:?} is not one of {}", known.join(", ")))
    })?;
    let value = value.map(|value| field.check(value)).transpose().map_err(Problem::bad_request)?;
    Ok(Change { field, value, remove: false })
}

/// Says what people know of a device.
///
/// # Errors
/// Where nothing is said, or as the store's.
pub fn set_device(call: &Call, device: DeviceId, changes: Vec<Change>, why: &str) -> Result<ActResult, Problem> {
    if changes.is_empty() {
        return Err(Problem::bad_request(
            "Nothing to set; say what, for example {\"set\": {\"owner\": \"maintenance\"}}.",
        ));
    }
    let why = act::words("why", why)?;
    act::carry_out(call, &act::commands(call, &[], &Action::SetContext(device, changes), &why))
}
