//! `/api/v1/map`: devices and their conversations, bounded however many there are.

use crate::call::{Answer, Call, now};
use crate::filter::{self, FIELDS, MAP};
use crate::kept::Told;
use crate::pages;
use crate::problem::Problem;
use crate::route::{Returns, Route, Shape};
use ot_store::read::Reader;
use ot_views::Names;
use ot_views::map::{MapView, map};
use std::sync::Arc;
use std::time::Instant;

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
        let answer = call.json(&*told.map)?;
        Ok(aged(answer, &told))
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
pub fn view(call: &Call, reader: &Reader) -> Result<Told, Problem> {
    let query = filter::map(call, reader)?;
    let (stamp, began) = (reader.stamp()?, (Instant::now(), now()));
    if let Some(told) = call.app.maps.get(&query, stamp, began.0) {
        return Ok(told);
    }
    let view = Arc::new(map(&Names::new(reader), &query)?);
    call.app.maps.put(query, stamp, &view, began);
    Ok(Told { map: view, as_of: None, age: 0 })
}

/// Says in the header of an answer how old it is, where the store has changed since.
pub fn aged(answer: Answer, told: &Told) -> Answer {
    if told.as_of.is_some() { answer.with("age", told.age.to_string()) } else { answer }
}
