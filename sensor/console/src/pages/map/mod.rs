//! The map of devices and their conversations, drawn here as SVG: each state has an address.

pub mod drawing;

use super::{Frame, render, show};
use crate::api;
use crate::call::{Answer, Call};
use crate::filter::MAP;
use crate::form;
use crate::problem::Problem;
use crate::route::{Returns, Route};
use askama::Template;
use drawing::{Drawing, Ways, draw};
use ot_store::read::Reader;
use ot_views::map::{Grouping, MapGroup, MapView, level_title};
use std::sync::Arc;

/// Routes of the map.
pub static ROUTES: &[Route] = &[
    Route::page("/map", "page-map", "Devices and their conversations as a picture.").with(&[MAP]).read(page),
    Route::page("/map.svg", "page-map-svg", "The map as a picture to keep.")
        .with(&[MAP])
        .gives(Returns::Bytes("image/svg+xml"))
        .read(picture),
];

#[derive(Template)]
#[template(path = "map.html")]
struct Page {
    frame: Frame,
    map: Arc<MapView>,
    /// As of when it is, where the store has changed since.
    as_of: Option<String>,
    drawing: Drawing,
    by: &'static str,
    groupings: Vec<&'static str>,
    levels: Vec<(String, String)>,
    level: String,
    zone: String,
    subnet: String,
    protocol: String,
    device: String,
    since: String,
    until: String,
    alerts: bool,
    open: Vec<String>,
    svg: String,
    /// Address of the map that shows one group alone, by its place.
    groups: Vec<(MapGroup, String)>,
}

/// The standing picture.
#[derive(Template)]
#[template(path = "map.svg", escape = "html")]
struct Picture {
    drawing: Drawing,
}

impl Drawing {
    /// The style of a picture that stands alone.
    pub fn style(&self) -> &'static str {
        include_str!("../../../assets/map-alone.css")
    }
}

/// Ways from a map to its other states.
struct Here<'a>(&'a Call);

impl Here<'_> {
    fn address(&self, keep: impl Fn(&str, &str) -> bool, more: Option<(&str, &str)>) -> String {
        let kept = self.0.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query = form::write(kept.filter(|(name, value)| !value.is_empty() && keep(name, value)).chain(more));
        if query.is_empty() { "/map".to_owned() } else { format!("/map?{query}") }
    }
}

impl Ways for Here<'_> {
    fn open(&self, key: &str) -> String {
        self.address(|name, value| (name, value) != ("open", key), Some(("open", key)))
    }

    fn fold(&self, key: &str) -> String {
        self.address(|name, value| (name, value) != ("open", key), None)
    }
}

/// Ways from a map on another page: all its groups are open.
pub struct Elsewhere;

impl Ways for Elsewhere {
    fn open(&self, _: &str) -> String {
        String::new()
    }

    fn fold(&self, _: &str) -> String {
        String::new()
    }
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let told = api::map::view(call, reader)?;
    let map = &told.view;
    let here = Here(call);
    let text = |name: &str| call.one(name).unwrap_or_default().to_owned();
    let query = form::write(call.query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let groups = map
        .groups
        .iter()
        .map(|group| (group.clone(), if group.open { here.fold(&group.key) } else { here.open(&group.key) }))
        .collect();
    render(&Page {
        frame: Frame::new("Map", "map", call),
        drawing: draw(map, &here, false),
        by: map.by,
        groupings: Grouping::ALL.map(Grouping::as_str).to_vec(),
        levels: (0..=5).rev().map(Some).chain([None]).map(level).collect(),
        level: text("level"),
        zone: text("zone"),
        subnet: text("subnet"),
        protocol: text("protocol"),
        device: text("device"),
        since: text("since"),
        until: text("until"),
        alerts: call.truth("alerts").unwrap_or_default(),
        open: call.each("open").map(str::to_owned).collect(),
        svg: if query.is_empty() { "/map.svg".to_owned() } else { format!("/map.svg?{query}") },
        groups,
        map: Arc::clone(map),
        as_of: told.as_of.map(|time| time.to_string()),
    })
}

fn level(level: Option<u8>) -> (String, String) {
    (level.map_or_else(|| "unknown".to_owned(), |level| level.to_string()), level_title(level))
}

/// The map as a picture that stands alone.
///
/// # Errors
/// As the view's.
pub fn picture(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let told = api::map::view(call, reader)?;
    let picture = Picture { drawing: draw(&told.view, &Elsewhere, true) };
    let text = picture.render().map_err(|error| Problem::internal(error.to_string()))?;
    Ok(told.aged(Answer::file("image/svg+xml", "map.svg", text.into_bytes())))
}
