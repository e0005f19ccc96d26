//! The timeline.

use super::alerts::with;
use super::{Frame, render, show};
use crate::api::devices::event_page;
use crate::call::{Answer, Call};
use crate::filter::{EVENTS, PAGE};
use crate::problem::Problem;
use crate::route::Route;
use askama::Template;
use ot_store::read::Reader;
use ot_views::EventLine;

/// Routes of the timeline.
pub static ROUTES: &[Route] =
    &[Route::page("/events", "page-events", "The timeline.").with(&[EVENTS, PAGE]).read(page)];

#[derive(Template)]
#[template(path = "events.html")]
struct Page {
    frame: Frame,
    events: Vec<EventLine>,
    text: String,
    device: String,
    kind: String,
    since: String,
    until: String,
    first: bool,
    next: Option<String>,
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let (events, next) = event_page(call, reader, 100)?;
    let text = |name: &str| call.one(name).unwrap_or_default().to_owned();
    let next = next.map(|cursor| with(call, "/events", "cursor", Some(&cursor)));
    render(&Page {
        frame: Frame::new("Timeline", "events", call),
        events,
        text: text("text"),
        device: text("device"),
        kind: text("kind"),
        since: text("since"),
        until: text("until"),
        first: call.one("cursor").is_none(),
        next,
    })
}
