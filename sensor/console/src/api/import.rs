//! `/api/v1/devices/import`: what people know of devices, out of a CSV file.

use crate::act::{self, ActResult};
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::route::{Method, Returns, Route, Shape};
use ot_engine::Action;
use ot_store::Scope;
use ot_store::{NewCommand, wall_clock};
use ot_views::import::{ImportPlan, ImportView, plan as plan_of};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Devices of one import.
const MOST: usize = 5_000;

/// Routes of the import.
pub static ROUTES: &[Route] = &[
    Route::act(
        Method::Post,
        "/api/v1/devices/import/preview",
        "import-preview",
        "What an import of devices would change, and which lines are wrong; changes nothing.",
    )
    .of_scope(Scope::Edit)
    .takes(Shape::of::<PreviewBody>())
    .gives(Returns::One(Shape::of::<ImportView>()))
    .plain(|call| {
        let body: PreviewBody = call.json_body()?;
        call.json(&ImportView::from(&plan(call, &body.csv)?))
    }),
    Route::act(Method::Post, "/api/v1/devices/import", "import", "Imports devices out of a CSV file.")
        .of_scope(Scope::Edit)
        .takes(Shape::of::<ImportBody>())
        .gives(Returns::One(Shape::of::<Imported>()))
        .plain(import),
];

/// A CSV file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewBody {
    /// The file: the first line names the columns, `ip` or `mac` first of all; as `ot-sensor devices export` writes it.
    pub csv: String,
}

/// A CSV file to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// The file, as in the preview.
    pub csv: String,
    /// Imports the other lines where some are wrong; without it, nothing is changed then.
    #[serde(default)]
    pub partial: bool,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// What an import did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    /// What was asked for.
    pub plan: ImportView,
    /// What became of it: a command for each device.
    pub result: ActResult,
}

/// What an import would do.
///
/// # Errors
/// What is wrong with the first line, or too many lines.
pub fn plan(call: &Call, csv: &str) -> Result<ImportPlan, Problem> {
    if csv.trim().is_empty() {
        return Err(Problem::bad_request(
            "The file is empty; its first line names the columns, for example ip,name,zone.",
        ));
    }
    let found = call.app.readers.read(|reader| plan_of(reader, csv).map_err(Problem::bad_request))?;
    if found.wanted.len() > MOST {
        return Err(Problem::bad_request(format!("More than {MOST} devices would change; import them in parts.")));
    }
    Ok(found)
}

/// Imports a file.
///
/// # Errors
/// Where lines are wrong and not to be passed over, or nothing would change.
pub fn carry_out(call: &Call, csv: &str, partial: bool, why: &str) -> Result<(ImportPlan, ActResult), Problem> {
    let why = act::words("why", why)?;
    let plan = plan(call, csv)?;
    if let Some((line, problem)) = plan.wrong.first().filter(|_| !partial) {
        let more = plan.wrong.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        return Err(Problem::conflict(format!(
            "Nothing was changed. Line {line}: {problem}{more}. Mend these lines, or import the others alone."
        )));
    }
    if plan.wanted.is_empty() {
        return Err(Problem::conflict("Nothing was changed: no line brings anything new."));
    }
    let command = |device, changes| NewCommand {
        alert: None,
        action: Action::SetContext(device, changes),
        who: call.who().to_owned(),
        why: why.clone(),
        wall_time: wall_clock(),
    };
    let commands: Vec<NewCommand> = plan.wanted.iter().map(|one| command(one.device, one.changes())).collect();
    let result = act::carry_out(call, &commands)?;
    Ok((plan, result))
}

fn import(call: &Call) -> Result<Answer, Problem> {
    let body: ImportBody = call.json_body()?;
    let (plan, result) = carry_out(call, &body.csv, body.partial, &body.why)?;
    call.json(&Imported { plan: ImportView::from(&plan), result })
}
