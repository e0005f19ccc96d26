//! The journal of work on controllers.

use crate::names::{FrameView, Names, PeerView};
use crate::{SCHEMA, ViewError, maintenance, time};
use ot_protocol::Outcome;
use ot_store::read::JournalQuery;
use serde::Serialize;
use utoipa::ToSchema;

/// Work on a device, repetitions folded.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkLine {
    /// Version of these keys.
    pub schema: u32,
    /// Number, from 1 in order.
    pub number: u64,
    /// On which device.
    pub device: PeerView,
    /// By which; null where that is not known.
    pub actor: Option<PeerView>,
    /// Protocol id; null for what a device told of itself.
    pub protocol: Option<String>,
    /// `write`, `control`, `program-write`, `mode-stop`, `restart`, `time-set` …; `mode-changed`, `firmware-changed`,
    /// `configuration-changed` for what the device told of itself.
    pub operation: String,
    /// The protocol's function, or what told it.
    pub function: String,
    /// What was addressed, or what changed.
    pub object: String,
    /// The last value.
    pub value: String,
    /// `pending`, `ok`, `rejected`, `unanswered` or null.
    pub outcome: Option<String>,
    /// What the code of a refusal means.
    pub outcome_detail: Option<String>,
    /// How often.
    pub count: u64,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// Frame of the first.
    pub first_frame: Option<FrameView>,
    /// Frame of the last.
    pub last_frame: Option<FrameView>,
    /// Id of the alert that it raised.
    pub alert: Option<String>,
    /// Ticket of the maintenance window during which it was done on one of its devices, as planned or not.
    pub ticket: Option<String>,
}

/// The work that a query lets through, in order of the first time.
pub fn journal(names: &Names<'_>, query: &JournalQuery) -> Result<Vec<WorkLine>, ViewError> {
    let found = names.reader().journal(query)?;
    names.prefetch(found.iter().flat_map(|work| [Some(work.device), work.actor]).flatten())?;
    found
        .into_iter()
        .map(|work| {
            Ok(WorkLine {
                schema: SCHEMA,
                number: work.number,
                device: names.device_view(work.device)?,
                actor: work.actor.map(|id| names.device_view(id)).transpose()?,
                protocol: (!work.protocol.is_empty()).then(|| work.protocol.to_owned()),
                operation: work.operation.to_owned(),
                function: work.function,
                object: work.object,
                value: work.value,
                outcome: work.outcome.map(|outcome| outcome.as_str().to_owned()),
                outcome_detail: match work.outcome {
                    Some(Outcome::Rejected(code, name)) => Some(format!("{name} ({code})")),
                    _ => None,
                },
                count: work.count,
                first_seen: time(work.first_seen),
                last_seen: time(work.last_seen),
                first_frame: names.frame(work.first_frame)?,
                last_frame: names.frame(work.last_frame)?,
                alert: work.alert.map(|number| names.reader().alert_id(number)).transpose()?.flatten(),
                ticket: maintenance::tickets(names, work.window.into_iter())?.pop(),
            })
        })
        .collect()
}
