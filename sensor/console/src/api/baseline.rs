//! `/api/v1/baseline` and `/api/v1/learning`: what is normal, and how it is learned.

use super::Page;
use super::alerts::WhyBody;
use crate::act::{self, ActResult};
use crate::app::App;
use crate::call::{Answer, Call};
use crate::filter::{self, BASELINE, FIELDS, PAGE};
use crate::kept::Told;
use crate::problem::Problem;
use crate::route::{Method, Returns, Route, Shape};
use ot_engine::model::EntryId;
use ot_engine::{Action, End, Reset};
use ot_protocol::time::SECOND;
use ot_store::UserRole;
use ot_store::read::{EntryQuery, Reader};
use ot_views::baseline::{ActLine, EntryLine, HEADER, acts, entries, export};
use ot_views::device::find_device;
use ot_views::learning::{ModePreview, mode_preview};
use ot_views::when::span;
use ot_views::{LearningStatus, Names, learning};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Acts listed.
const ACTS: u32 = 1_000;

/// Routes of the baseline.
pub static ROUTES: &[Route] = &[
    Route::api("/api/v1/learning", "learning", "How learning goes on: time left, what was learned, what is still new.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<LearningStatus>()))
        .read(|call, reader| {
            let told = learns(&call.app, reader)?;
            Ok(told.aged(call.json(&*told.view)?))
        }),
    Route::api("/api/v1/learning/mode", "learning-mode", "What a change of the mode would mean; changes nothing.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<ModePreview>()))
        .read(|call, reader| {
            let told = mode_change(&call.app, reader)?;
            Ok(told.aged(call.json(&*told.view)?))
        }),
    Route::act(Method::Post, "/api/v1/learning/mode", "learning-mode-set", "Learns all for a time, or ends learning.")
        .for_role(UserRole::Administrator)
        .takes(Shape::of::<ModeBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| {
            let body: ModeBody = call.json_body()?;
            call.json(&set_mode(call, &body.mode, &body.span, &body.why)?)
        }),
    Route::api("/api/v1/baseline", "baseline", "Entries of the baseline, by number, page by page.")
        .with(&[BASELINE, PAGE, FIELDS])
        .gives(Returns::Page(Shape::of::<EntryLine>()))
        .read(|call, reader| {
            let limit = call.limit(100);
            let found = entries(&Names::new(reader), &filter::baseline(call, reader, limit)?)?;
            let (items, next) = filter::page(found, filter::skip(call)?, limit);
            call.json(&Page { items, next })
        }),
    Route::api("/api/v1/baseline.txt", "baseline-export", "The baseline as text, as `baseline export` writes it.")
        .gives(Returns::Bytes("text/plain"))
        .read(|_, reader| {
            let mut text = format!("{HEADER}\n");
            for line in export(&Names::new(reader), &EntryQuery::default())? {
                text.push_str(&line.text());
                text.push('\n');
            }
            Ok(Answer::file("text/plain; charset=utf-8", "baseline.txt", text.into_bytes()))
        }),
    Route::api(
        "/api/v1/baseline/acts",
        "baseline-acts",
        "The newest 1,000 acts of people on the baseline that stand, newest first.",
    )
    .gives(Returns::List(Shape::of::<ActLine>()))
    .read(|call, reader| call.json(&acts(reader, Some(ACTS))?)),
    Route::act(Method::Post, "/api/v1/baseline/acts/{act}/undo", "baseline-undo", "Takes back what an act did.")
        .takes(Shape::of::<WhyBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| {
            let why = if call.body.is_empty() { WhyBody::default() } else { call.json_body()? };
            call.json(&undo(call, &why.why)?)
        }),
    Route::act(
        Method::Post,
        "/api/v1/baseline/entries/{entry}/remove",
        "baseline-remove",
        "Takes an entry back: what people or traffic allowed of it ends.",
    )
    .takes(Shape::of::<WhyBody>())
    .gives(Returns::One(Shape::of::<ActResult>()))
    .plain(|call| {
        let why = if call.body.is_empty() { WhyBody::default() } else { call.json_body()? };
        call.json(&remove(call, &why.why)?)
    }),
    Route::act(
        Method::Post,
        "/api/v1/baseline/entries/{entry}/expire",
        "baseline-expire",
        "Sets when an entry stops being allowed, in packet time.",
    )
    .takes(Shape::of::<EndBody>())
    .gives(Returns::One(Shape::of::<ActResult>()))
    .plain(|call| {
        let body: EndBody = call.json_body()?;
        call.json(&expire(call, &body)?)
    }),
    Route::act(Method::Post, "/api/v1/baseline/reset", "baseline-reset", "Forgets the baseline, of one device or all.")
        .for_role(UserRole::Administrator)
        .takes(Shape::of::<ResetBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(reset),
];

/// How learning goes on.
///
/// # Errors
/// As the view's.
pub fn learns(app: &Arc<App>, reader: &Reader) -> Result<Told<LearningStatus>, Problem> {
    app.kept(reader, |app| &app.learning, (), |app, reader, ()| Ok(learning(&Names::new(reader), app.host.engine())?))
}

/// What a change of the mode would mean.
///
/// # Errors
/// As the view's.
pub fn mode_change(app: &Arc<App>, reader: &Reader) -> Result<Told<ModePreview>, Problem> {
    app.kept(reader, |app| &app.modes, (), |_, reader, ()| Ok(mode_preview(&Names::new(reader))?))
}

/// Of what the baseline is forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    /// A device; `all` for all.
    pub device: String,
    /// Learn anew for this span of packet time (`8h`, `7d`).
    #[serde(default)]
    pub learn_for: String,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// When an entry stops being allowed: one of the three.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndBody {
    /// At this packet time: RFC 3339 or epoch seconds.
    #[serde(default)]
    pub until: String,
    /// After this span of packet time from the newest packet on (`8h`, `30d`).
    #[serde(default, rename = "for")]
    pub span: String,
    /// Not by time.
    #[serde(default)]
    pub never: bool,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// A mode to change to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeBody {
    /// `learning` or `operational`.
    pub mode: String,
    /// Of learning: for this span of packet time (`8h`, `7d`).
    #[serde(default, rename = "for")]
    pub span: String,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// Ends of entries at most: ten years.
const FARTHEST: i64 = 3_660 * 86_400 * SECOND;
/// Spans of learning at most: a year.
const LONGEST: i64 = 366 * 86_400 * SECOND;

/// Changes the mode.
///
/// # Errors
/// What is wrong, or where it is in that mode already.
pub fn set_mode(call: &Call, mode: &str, for_span: &str, why: &str) -> Result<ActResult, Problem> {
    let wanted = match (mode, for_span.trim()) {
        ("operational", "") => None,
        ("operational", _) => return Err(Problem::bad_request("for: only learning takes a time")),
        ("learning", text) => {
            let length = span(text).map_err(|problem| Problem::bad_request(format!("for: {problem}")))?;
            if !(SECOND..=LONGEST).contains(&length) {
                return Err(Problem::bad_request("for: write a span from 1s to 366d"));
            }
            Some(length)
        }
        _ => return Err(Problem::bad_request("mode: write learning or operational")),
    };
    let why = act::words("why", why)?;
    act::carry_out(call, &act::commands(call, &[], &Action::LearningMode(wanted), &why))
}

/// Takes the entry in the path back.
///
/// # Errors
/// Where there is none, or it is not allowed.
pub fn remove(call: &Call, why: &str) -> Result<ActResult, Problem> {
    let why = act::words("why", why)?;
    let entry = allowed(call)?;
    act::carry_out(call, &act::commands(call, &[], &Action::BaselineRemove(entry), &why))
}

/// Sets when the entry in the path stops being allowed.
///
/// # Errors
/// What is wrong with the end; where there is no such entry, or it is not allowed.
pub fn expire(call: &Call, body: &EndBody) -> Result<ActResult, Problem> {
    let why = act::words("why", &body.why)?;
    let end = match (body.until.trim(), body.span.trim(), body.never) {
        ("", "", true) => End::Never,
        (text, "", false) if !text.is_empty() => {
            End::At(ot_views::when::time(text).map_err(|problem| Problem::bad_request(format!("until: {problem}")))?)
        }
        ("", text, false) if !text.is_empty() => {
            let length = span(text).map_err(|problem| Problem::bad_request(format!("for: {problem}")))?;
            if !(SECOND..=FARTHEST).contains(&length) {
                return Err(Problem::bad_request("for: write a span from 1s to 3660d"));
            }
            End::After(length)
        }
        _ => return Err(Problem::bad_request("write one of until (a time), for (a span) and never")),
    };
    let entry = allowed(call)?;
    act::carry_out(call, &act::commands(call, &[], &Action::BaselineExpire(entry, end), &why))
}

/// The entry in the path, where it is allowed.
fn allowed(call: &Call) -> Result<EntryId, Problem> {
    let id = EntryId(call.number("entry")?);
    let query = EntryQuery { entries: vec![id], ..EntryQuery::default() };
    match call.app.readers.read(|reader| Ok(reader.entries(&query)?))?.first() {
        Some(entry) if entry.allowed => Ok(id),
        Some(_) => Err(Problem::conflict(format!(
            "Baseline entry {} is not allowed, so nothing of it can end. To allow it, learn an alert that names it.",
            id.0
        ))),
        None => Err(Problem::not_found(format!("There is no baseline entry {}.", id.0))),
    }
}

/// Takes back what the act in the path allowed.
///
/// # Errors
/// Where it did nothing that still stands.
pub fn undo(call: &Call, why: &str) -> Result<ActResult, Problem> {
    let act = u64::from(call.number("act")?);
    let why = act::words("why", why)?;
    let known = call.app.readers.read(|reader| Ok(reader.act(act)?.is_some()))?;
    if !known {
        return Err(Problem::not_found(format!("Act {act} did nothing that still stands.")));
    }
    act::carry_out(call, &act::commands(call, &[], &Action::BaselineUndo(act), &why))
}

fn reset(call: &Call) -> Result<Answer, Problem> {
    let body: ResetBody = call.json_body()?;
    let device = match body.device.as_str() {
        "all" => None,
        text => Some(call.app.readers.read(|reader| Ok(find_device(reader, text)?))?),
    };
    let learn_for = match body.learn_for.trim() {
        "" => None,
        text => Some(span(text).map_err(|problem| Problem::bad_request(format!("learn_for: {problem}")))?),
    };
    let why = act::words("why", &body.why)?;
    let action = Action::BaselineReset(Reset { device, learn_for });
    call.json(&act::carry_out(call, &act::commands(call, &[], &action, &why))?)
}
