//! The event timeline.

use crate::names::{FrameView, Names};
use crate::{SCHEMA, ViewError, maintenance, time};
use ot_engine::model::Event;
use ot_store::read::EventQuery;
use serde::Serialize;
use utoipa::ToSchema;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventLine {
    /// Version of these keys.
    pub schema: u32,
    /// Number, from 1 in order.
    pub number: u64,
    /// Packet time.
    pub time: String,
    /// Kind.
    pub kind: String,
    /// Number of the device that acts.
    pub source_id: Option<u32>,
    /// For people.
    pub source: Option<String>,
    /// Number of the device acted on.
    pub destination_id: Option<u32>,
    /// For people.
    pub destination: Option<String>,
    /// Protocol.
    pub protocol: Option<String>,
    /// In words.
    pub text: String,
    /// Frame.
    pub frame: Option<FrameView>,
    /// Id of the alert it tells of.
    pub alert: Option<String>,
    /// Whether all violations of that alert lay in maintenance windows that cover them.
    pub expected: bool,
    /// Tickets of windows in which violations of that alert lay.
    pub tickets: Vec<String>,
}

/// The events that a query lets through.
pub fn events(names: &Names<'_>, query: &EventQuery) -> Result<Vec<EventLine>, ViewError> {
    event_lines(names, names.reader().events(query)?)
}

/// These events, in the order given.
pub(crate) fn event_lines(names: &Names<'_>, found: Vec<Event>) -> Result<Vec<EventLine>, ViewError> {
    names.prefetch(found.iter().flat_map(|event| [event.source, event.destination]).flatten())?;
    found
        .into_iter()
        .map(|event| {
            let alert = event.alert.map(|number| names.reader().alert_id(number)).transpose()?.flatten();
            let (expected, windows) =
                event.alert.map(|number| names.reader().alert_windows(number)).transpose()?.unwrap_or_default();
            Ok(EventLine {
                expected,
                tickets: maintenance::tickets(names, windows.into_iter())?,
                schema: SCHEMA,
                number: event.number,
                time: time(event.time),
                kind: event.kind.to_owned(),
                source_id: event.source.map(|id| id.0),
                source: event.source.map(|id| names.label(id)).transpose()?,
                destination_id: event.destination.map(|id| id.0),
                destination: event.destination.map(|id| names.label(id)).transpose()?,
                protocol: event.protocol.map(str::to_owned),
                text: event.text,
                frame: names.frame(event.frame)?,
                alert,
            })
        })
        .collect()
}
