//! `/api/v1/map`: devices and their conversations, bounded however many there are.

use crate::app::App;
use crate::call::Call;
use crate::filter::{self, FIELDS, MAP};
use crate::kept::Told;
use crate::pages;
use crate::problem::Problem;
use crate::route::{Returns, Route, Shape};
use ot_store::read::Reader;
use ot_views::Names;
use ot_views::map::{MapQuery, MapView, map};
use std::sync::Arc;

/// Routes of the map.
pub static ROUTES: &[Route] = &[
    Route::api(
        "/api/v1/map",
        "map",
        "Devices and their conversations by level, zone or subnet, folded to what can be drawn.",
    )
    .with(&[MAP, FIELDS])
    .gives(Returns::One(Shape::of::<MapView>()))
    .read(|call, reader| {
        let told = view(call, reader)?;
        Ok(told.aged(call.json(&*told.view)?))
    }),
    Route::api("/api/v1/map.svg", "map-svg", "The same as a picture.")
        .with(&[MAP])
        .gives(Returns::Bytes("image/svg+xml"))
        .read(pages::map::picture),
];

/// The map that a request asks for; one that is kept, where it may still be told.
///
/// # Errors
/// As the view's.
pub fn view(call: &Call, reader: &Reader) -> Result<Told<MapView>, Problem> {
    let query = filter::map(call, reader)?;
    of(&call.app, reader, query)
}

/// The map of a question.
///
/// # Errors
/// As the view's.
pub fn of(app: &Arc<App>, reader: &Reader, query: MapQuery) -> Result<Told<MapView>, Problem> {
    app.kept(reader, |app| &app.maps, query, |_, reader, query| Ok(map(&Names::new(reader), query)?))
}
