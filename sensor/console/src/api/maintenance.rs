//! `/api/v1/maintenance`: what is planned, planning it, and how the work seen compares with it.

use super::alerts::WhyBody;
use crate::act::{self, ActResult};
use crate::app::App;
use crate::call::Call;
use crate::filter::FIELDS;
use crate::kept::Told;
use crate::problem::Problem;
use crate::route::{Kind, Method, Parameter, Returns, Route, Shape};
use ot_engine::Action;
use ot_engine::maintenance::Plan;
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Operation};
use ot_store::Scope;
use ot_store::read::Reader;
use ot_views::Names;
use ot_views::maintenance::{Known, WindowLine, WindowReport, report, windows};
use ot_views::when::{span, time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Seconds around a window in which work is told, unless it is said otherwise.
pub const AROUND: Nanos = 24 * 3_600 * SECOND;

const TICKET: Parameter = Parameter { name: "ticket", kind: Kind::Text, doc: "Of this ticket" };
const LIST: &[Parameter] =
    &[TICKET, Parameter { name: "all", kind: Kind::Truth, doc: "Also those that are over or removed" }];
const REPORT: &[Parameter] = &[
    TICKET,
    Parameter { name: "around", kind: Kind::Text, doc: "Span before and after a window in which work is told (4h)" },
];

/// Routes of maintenance.
pub static ROUTES: &[Route] = &[
    Route::api("/api/v1/maintenance", "maintenance", "Maintenance windows that are planned, running or over.")
        .with(&[LIST, FIELDS])
        .gives(Returns::List(Shape::of::<WindowLine>()))
        .read(|call, reader| {
            let all = call.truth("all").unwrap_or_default();
            call.json(&windows(&Names::new(reader), call.one("ticket"), all)?)
        }),
    Route::api("/api/v1/maintenance/report", "maintenance-report", "The work seen, held against what was planned.")
        .with(&[REPORT, FIELDS])
        .gives(Returns::List(Shape::of::<WindowReport>()))
        .read(|call, reader| {
            let told = reports(call, reader)?;
            Ok(told.aged(call.json(&*told.view)?))
        }),
    Route::act(Method::Post, "/api/v1/maintenance", "maintenance-add", "Plans a maintenance window.")
        .of_scope(Scope::Edit)
        .takes(Shape::of::<PlanBody>())
        .gives(Returns::One(Shape::of::<Planned>()))
        .plain(|call| call.json(&add(call, &call.json_body()?)?)),
    Route::act(
        Method::Post,
        "/api/v1/maintenance/{window}/remove",
        "maintenance-remove",
        "Removes a maintenance window; what it marked stays marked.",
    )
    .of_scope(Scope::Edit)
    .takes(Shape::of::<WhyBody>())
    .gives(Returns::One(Shape::of::<ActResult>()))
    .plain(|call| {
        let why = if call.body.is_empty() { WhyBody::default() } else { call.json_body()? };
        call.json(&remove(call, &why.why)?)
    }),
];

/// A window to plan.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// Ticket or work order, without spaces.
    pub ticket: String,
    /// Devices that are worked on: address, network, MAC, name, `zone:NAME`, `site:NAME`, `tag:NAME`, `role:NAME`.
    pub devices: Vec<String>,
    /// Who does the work, written likewise; empty: anyone.
    #[serde(default)]
    pub by: Vec<String>,
    /// Kinds of work (`write`, `program-write` …); empty: any.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Packet time at which it begins (RFC 3339 or epoch seconds).
    pub start: String,
    /// Packet time at which it ends.
    #[serde(default)]
    pub end: String,
    /// How long it takes, in place of `end` (`4h`, `1d`).
    #[serde(default, rename = "for")]
    pub span: String,
    /// What is done, for those who read the alerts.
    #[serde(default)]
    pub note: String,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// What planning did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Planned {
    /// What was planned although no such device was seen so far.
    pub unseen: Vec<String>,
    /// What became of it.
    pub result: ActResult,
}

/// Plans a window.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn add(call: &Call, body: &PlanBody) -> Result<Planned, Problem> {
    let wrong = |name: &str, problem: String| Problem::bad_request(format!("{name}: {problem}"));
    let start = time(body.start.trim()).map_err(|problem| wrong("start", problem))?;
    let end = match (body.end.trim(), body.span.trim()) {
        ("", "") => return Err(wrong("end", "say when it ends, or for how long it takes".to_owned())),
        (end, "") => time(end).map_err(|problem| wrong("end", problem))?,
        ("", length) => start.plus(span(length).map_err(|problem| wrong("for", problem))?),
        _ => return Err(wrong("for", "give either end or for, not both".to_owned())),
    };
    let kinds = body.kinds.iter().map(|id| {
        let known = || Operation::ALL.map(Operation::as_str).join(", ");
        Operation::parse(id).ok_or_else(|| wrong("kinds", format!("{id:?} is not one of {}", known())))
    });
    let kinds: Vec<Operation> = kinds.collect::<Result<_, _>>()?;
    let why = act::words("why", &body.why)?;
    let (plan, unseen) = call.app.readers.read(|reader| {
        let known = Known::new(reader, call.app.host.engine())?;
        let plan = Plan {
            ticket: body.ticket.trim().to_owned(),
            devices: known.selectors(&body.devices).map_err(|problem| wrong("devices", problem))?,
            by: known.selectors(&body.by).map_err(|problem| wrong("by", problem))?,
            kinds,
            start,
            end,
            note: body.note.trim().to_owned(),
        };
        plan.check().map_err(Problem::bad_request)?;
        let unseen = plan.devices.iter().chain(&plan.by).filter(|selector| !known.has(selector));
        let unseen = unseen.map(ToString::to_string).collect();
        Ok((plan, unseen))
    })?;
    let action = Action::MaintenanceAdd(Box::new(plan));
    Ok(Planned { unseen, result: act::carry_out(call, &act::commands(call, &[], &action, &why))? })
}

/// Removes the window in the path.
///
/// # Errors
/// Where there is none that stands.
pub fn remove(call: &Call, why: &str) -> Result<ActResult, Problem> {
    let number = call.number("window")?;
    let why = act::words("why", why)?;
    let stands = call
        .app
        .readers
        .read(|reader| Ok(reader.maintenance_window(number)?.is_some_and(|row| row.window.removed.is_none())))?;
    if !stands {
        return Err(Problem::not_found(format!("There is no maintenance window {number} that stands.")));
    }
    act::carry_out(call, &act::commands(call, &[], &Action::MaintenanceRemove(number), &why))
}

/// The reports that are asked for.
///
/// # Errors
/// As the view's.
pub fn reports(call: &Call, reader: &Reader) -> Result<Told<Vec<WindowReport>>, Problem> {
    let around = match call.one("around") {
        None => AROUND,
        Some(text) => span(text).map_err(|problem| Problem::bad_request(format!("around: {problem}")))?,
    };
    if !(0..=366 * 86_400 * SECOND).contains(&around) {
        return Err(Problem::bad_request("around: write a span of at most 366d"));
    }
    reports_of(&call.app, reader, call.one("ticket").map(str::to_owned), around)
}

/// The reports of all windows, with what was seen around them.
///
/// # Errors
/// As the view's.
pub fn all_reports(app: &Arc<App>, reader: &Reader) -> Result<Told<Vec<WindowReport>>, Problem> {
    reports_of(app, reader, None, AROUND)
}

fn reports_of(
    app: &Arc<App>,
    reader: &Reader,
    ticket: Option<String>,
    around: Nanos,
) -> Result<Told<Vec<WindowReport>>, Problem> {
    app.kept(
        reader,
        |app| &app.reports,
        (ticket, around),
        |_, reader, (ticket, around)| Ok(report(&Names::new(reader), ticket.as_deref(), *around)?),
    )
}
