//! Planned work: windows, planning them, and how the work seen compares with the plan.

use super::alerts::{done, told};
use super::{Frame, render, show};
use crate::api;
use crate::api::maintenance::PlanBody;
use crate::call::{Answer, Call};
use crate::form;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Route};
use askama::Template;
use ot_protocol::Operation;
use ot_store::Scope;
use ot_store::read::Reader;
use ot_views::Names;
use ot_views::maintenance::{Reported, WindowLine, WindowReport, WorkSum, windows};
use std::sync::Arc;

/// Reports on a page; a ticket has few windows.
const REPORTS: usize = 20;

const VIEW: &[Parameter] = &[
    Parameter { name: "ticket", kind: Kind::Text, doc: "Of this ticket" },
    Parameter { name: "all", kind: Kind::Truth, doc: "Also those that were removed" },
    Parameter { name: "around", kind: Kind::Text, doc: "Span before and after in which work is told" },
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
    Parameter { name: "act", kind: Kind::Text, doc: "The act that did it" },
];

/// Routes of maintenance.
pub static ROUTES: &[Route] = &[
    Route::page("/maintenance", "page-maintenance", "Planned work, and a form to plan it.").with(&[VIEW]).read(page),
    Route::page("/maintenance/report", "page-maintenance-report", "The work seen, held against what was planned.")
        .with(&[VIEW])
        .read(report),
    Route::form("/maintenance", "form-maintenance-add", "Plans a maintenance window.").of_scope(Scope::Edit).plain(add),
    Route::form("/maintenance/{window}/remove", "form-maintenance-remove", "Removes a maintenance window.")
        .of_scope(Scope::Edit)
        .plain(|call| {
            let result = api::maintenance::remove(call, form::value(&call.form(), "why"))?;
            Ok(Answer::to(&done("/maintenance", told("window-removed", &result), result.act)))
        }),
];

#[derive(Template)]
#[template(path = "maintenance.html")]
struct Page {
    frame: Frame,
    windows: Vec<WindowLine>,
    kinds: Vec<&'static str>,
    all: bool,
    /// Newest packet time: what a plan goes by.
    newest: Option<String>,
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let all = call.truth("all").unwrap_or_default();
    let mut windows = windows(&Names::new(reader), call.one("ticket"), all)?;
    windows.sort_by(|a, b| b.start.cmp(&a.start).then(b.window.cmp(&a.window)));
    render(&Page {
        frame: Frame::new("Maintenance", "maintenance", call),
        windows,
        kinds: Operation::ALL.map(Operation::as_str).to_vec(),
        all,
        newest: reader.newest()?.map(|time| time.to_string()),
    })
}

fn list(text: &str) -> Vec<String> {
    text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn add(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let text = |name: &str| form::value(&fields, name).to_owned();
    let kinds = fields.iter().filter(|(name, value)| name == "kind" && !value.is_empty());
    let planned = api::maintenance::add(
        call,
        &PlanBody {
            ticket: text("ticket"),
            devices: list(&text("devices")),
            by: list(&text("by")),
            kinds: kinds.map(|(_, value)| value.clone()).collect(),
            start: text("start"),
            end: text("end"),
            span: text("for"),
            note: text("note"),
            why: text("why"),
        },
    )?;
    let word = if planned.unseen.is_empty() { "planned" } else { "planned-unseen" };
    Ok(Answer::to(&done("/maintenance", told(word, &planned.result), planned.result.act)))
}

#[derive(Template)]
#[template(path = "maintenance_report.html")]
struct Report {
    frame: Frame,
    reports: Arc<Vec<WindowReport>>,
    ticket: String,
    around: String,
    more: usize,
}

fn report(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let told = api::maintenance::reports(call, reader)?;
    let more = told.view.len().saturating_sub(REPORTS);
    let ticket = call.one("ticket").unwrap_or_default().to_owned();
    let title = if ticket.is_empty() { "Report of maintenance".to_owned() } else { format!("Report of {ticket}") };
    let around = call.one("around").unwrap_or_default().to_owned();
    render(&Report { frame: Frame::new(title, "maintenance", call), reports: told.view, ticket, around, more })
}

impl Report {
    fn result(&self, report: &WindowReport) -> &'static str {
        match report.result {
            Reported::NotBegun => "not begun",
            Reported::NothingSeen => "no work was seen",
            Reported::AsPlanned => "as planned",
            Reported::Differs => "differs from the plan",
        }
    }

    /// The parts of a report that list work, with their titles.
    fn parts<'a>(&self, report: &'a WindowReport) -> [(&'static str, &'a [WorkSum]); 4] {
        [
            ("Work as planned", &report.planned_work),
            ("Work within the window that is not planned", &report.unplanned_work),
            ("Work on its devices shortly before and after", &report.work_around),
            ("Usual work meanwhile, as the baseline allows it", &report.usual_work),
        ]
    }
}
