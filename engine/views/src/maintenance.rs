//! Maintenance windows: what is planned, and how the work seen compares with it.

mod planning;
mod report;

pub use planning::Known;
pub use report::{PlannedDevice, Reported, WindowAlert, WindowAlerts, WindowReport, WorkSum, report};

use crate::names::Names;
use crate::{SCHEMA, ViewError, time};
use ot_engine::context::Source;
use ot_engine::maintenance::Share;
use ot_protocol::{Operation, Timestamp};
use ot_store::MaintenanceRow;
use serde::Serialize;
use utoipa::ToSchema;

/// A maintenance window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WindowLine {
    /// Version of these keys.
    pub schema: u32,
    /// Number, from 1.
    pub window: u32,
    /// Ticket.
    pub ticket: String,
    /// `planned`, `running`, `over` (by the newest packet) or `removed` (before its end).
    pub state: String,
    /// Packet time: first moment within.
    pub start: String,
    /// Packet time: first moment after.
    pub end: String,
    /// Devices that are worked on, as written.
    pub devices: Vec<String>,
    /// Who does the work, as written; empty: anyone.
    pub by: Vec<String>,
    /// Kinds of work; empty: any.
    pub kinds: Vec<String>,
    /// Note.
    pub note: String,
    /// `person` or `configuration`.
    pub source: String,
    /// Who planned it; null for the configuration.
    pub planned_by: Option<String>,
    /// Wall time at which that was.
    pub planned: Option<String>,
    /// Why, in the person's words.
    pub why: String,
    /// Newest packet time when it was removed.
    pub removed: Option<String>,
    /// Who removed it; null where the configuration no longer has it.
    pub removed_by: Option<String>,
    /// Why.
    pub why_removed: String,
}

/// A window in which detections of an alert lay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExpectedView {
    /// Number of the window.
    pub window: u32,
    /// Ticket.
    pub ticket: String,
    /// Detections of the alert in it.
    pub count: u64,
    /// Packet time.
    pub start: String,
    /// Packet time.
    pub end: String,
    /// Who planned it; null for the configuration.
    pub planned_by: Option<String>,
    /// Note.
    pub note: String,
    /// Newest packet time when the window was removed.
    pub removed: Option<String>,
    /// Who removed it.
    pub removed_by: Option<String>,
}

/// Windows by number: those that stand, with `all` also those that were removed before their end.
pub fn windows(names: &Names<'_>, ticket: Option<&str>, all: bool) -> Result<Vec<WindowLine>, ViewError> {
    let now = names.reader().newest()?;
    let lines = names.reader().maintenance(ticket)?.into_iter().map(|row| line(row, now));
    Ok(lines.filter(|line| all || line.state != "removed").collect())
}

fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(crate) fn line(row: MaintenanceRow, now: Option<Timestamp>) -> WindowLine {
    let MaintenanceRow { window, planned, why, removed: _, why_removed } = row;
    let plan = window.plan;
    let state = match (window.removed, now) {
        (Some(removed), _) if removed < plan.end => "removed",
        (_, Some(now)) if now >= plan.end => "over",
        (_, Some(now)) if now >= plan.start => "running",
        _ => "planned",
    };
    WindowLine {
        schema: SCHEMA,
        window: window.number,
        ticket: plan.ticket,
        state: state.to_owned(),
        start: time(plan.start),
        end: time(plan.end),
        devices: plan.devices.iter().map(ToString::to_string).collect(),
        by: plan.by.iter().map(ToString::to_string).collect(),
        kinds: plan.kinds.iter().copied().map(Operation::as_str).map(str::to_owned).collect(),
        note: plan.note,
        source: window.source.as_str().to_owned(),
        planned_by: if window.source == Source::Person { text(window.who) } else { None },
        planned: planned.map(time),
        why,
        removed: window.removed.map(time),
        removed_by: text(window.removed_by),
        why_removed,
    }
}

/// The windows in which detections of an alert lay.
pub(crate) fn expected(names: &Names<'_>, shares: &[Share]) -> Result<Vec<ExpectedView>, ViewError> {
    let mut found = Vec::with_capacity(shares.len());
    for share in shares {
        let Some(row) = names.window(share.window)? else { continue };
        let window = row.window;
        found.push(ExpectedView {
            window: window.number,
            ticket: window.plan.ticket,
            count: share.count,
            start: time(window.plan.start),
            end: time(window.plan.end),
            planned_by: text(window.who),
            note: window.plan.note,
            removed: window.removed.map(time),
            removed_by: text(window.removed_by),
        });
    }
    Ok(found)
}

/// Tickets of windows, each once.
pub(crate) fn tickets(names: &Names<'_>, windows: impl Iterator<Item = u32>) -> Result<Vec<String>, ViewError> {
    let mut tickets: Vec<String> = Vec::new();
    for number in windows {
        if let Some(row) = names.window(number)?
            && !tickets.contains(&row.window.plan.ticket)
        {
            tickets.push(row.window.plan.ticket);
        }
    }
    Ok(tickets)
}
