//! Devices out of a CSV file: first what would change, then the import.

use super::alerts::{done, told};
use super::{Frame, render};
use crate::api;
use crate::call::{Answer, Call};
use crate::form;
use crate::problem::Problem;
use crate::route::Route;
use askama::Template;
use ot_store::Scope;
use ot_store::UserRole;
use ot_views::import::{self, ImportView};

/// Routes of the import.
pub static ROUTES: &[Route] = &[
    Route::page("/devices/import", "page-import", "Where a CSV file of devices is given.")
        .for_role(UserRole::Analyst)
        .plain(|call| shown(call, String::new(), None, None)),
    Route::form("/devices/import/preview", "form-import-preview", "What an import would change; changes nothing.")
        .of_scope(Scope::Edit)
        .plain(preview),
    Route::form("/devices/import", "form-import", "Imports devices out of a CSV file.")
        .of_scope(Scope::Edit)
        .plain(carry_out),
];

#[derive(Template)]
#[template(path = "import.html")]
struct Page {
    frame: Frame,
    csv: String,
    found: Option<ImportView>,
    problem: Option<String>,
    columns: Vec<&'static str>,
}

fn shown(call: &Call, csv: String, found: Option<ImportView>, problem: Option<String>) -> Result<Answer, Problem> {
    let columns = import::KEYS.into_iter().chain(ot_engine::context::Field::ALL.into_iter().map(import::column));
    let frame = Frame::new("Import devices", "devices", call);
    render(&Page { frame, csv, found, problem, columns: columns.collect() })
}

fn preview(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let csv = form::value(&fields, "csv").to_owned();
    match api::import::plan(call, &csv) {
        Ok(plan) => shown(call, csv, Some(ImportView::from(&plan)), None),
        Err(problem) if problem.status == 400 => shown(call, csv, None, Some(problem.detail)),
        Err(problem) => Err(problem),
    }
}

fn carry_out(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let text = |name: &str| form::value(&fields, name);
    let (_, result) = api::import::carry_out(call, text("csv"), text("partial") == "yes", text("why"))?;
    Ok(Answer::to(&done("/devices", told("imported", &result), result.act)))
}
