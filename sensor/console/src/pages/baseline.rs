//! What is normal, how learning goes on, and what people allowed.

use super::alerts::{done, told, with};
use super::{Frame, render, show};
use crate::api::{self, baseline::EndBody};
use crate::call::{Answer, Call};
use crate::filter::{self, BASELINE, PAGE};
use crate::form;
use crate::kept::Told;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Route};
use askama::Template;
use ot_engine::model::{EntryId, EntryKind};
use ot_store::UserRole;
use ot_store::read::{EntryQuery, Reader};
use ot_views::baseline::{ActLine, EntryLine, acts, acts_on, entries};
use ot_views::learning::ModePreview;
use ot_views::{LearningStatus, Names};
use std::sync::Arc;

/// Acts shown.
const ACTS: u32 = 30;
const DONE: &[Parameter] = &[
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
    Parameter { name: "act", kind: Kind::Text, doc: "The act that did it" },
];

/// Routes of the baseline.
pub static ROUTES: &[Route] = &[
    Route::page("/baseline", "page-baseline", "What is normal.").with(&[BASELINE, PAGE, DONE]).read(page),
    Route::page("/baseline/mode", "page-mode", "What a change of the mode would mean, and the change.")
        .for_role(UserRole::Administrator)
        .read(mode),
    Route::form("/baseline/mode", "form-mode", "Learns all for a time, or ends learning.")
        .for_role(UserRole::Administrator)
        .plain(|call| {
            let fields = call.form();
            let text = |name: &str| form::value(&fields, name);
            let result = api::baseline::set_mode(call, text("mode"), text("for"), text("why"))?;
            Ok(Answer::to(&done("/baseline", told("mode", &result), result.act)))
        }),
    Route::page("/baseline/entries/{entry}", "page-entry", "An entry of the baseline, and what people did to it.")
        .with(&[DONE])
        .read(entry),
    Route::form("/baseline/entries/{entry}/remove", "form-entry-remove", "Takes an entry back.").plain(|call| {
        let result = api::baseline::remove(call, form::value(&call.form(), "why"))?;
        Ok(Answer::to(&done(&address(call), told("entry-removed", &result), result.act)))
    }),
    Route::form("/baseline/entries/{entry}/expire", "form-entry-expire", "Sets when an entry stops being allowed.")
        .plain(|call| {
            let fields = call.form();
            let text = |name: &str| form::value(&fields, name).to_owned();
            let never = !text("never").is_empty();
            let body = EndBody { until: text("until"), span: text("for"), never, why: text("why") };
            let result = api::baseline::expire(call, &body)?;
            Ok(Answer::to(&done(&address(call), told("entry-end", &result), result.act)))
        }),
];

/// The page of the entry in the path.
fn address(call: &Call) -> String {
    format!("/baseline/entries/{}", call.part("entry"))
}

#[derive(Template)]
#[template(path = "baseline.html")]
struct Page {
    frame: Frame,
    learning: Told<LearningStatus>,
    acts: Vec<ActLine>,
    entries: Vec<EntryLine>,
    kinds: Vec<(&'static str, bool)>,
    device: String,
    protocol: String,
    allowed: String,
    first: bool,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "mode.html")]
struct Mode {
    frame: Frame,
    preview: Arc<ModePreview>,
}

#[derive(Template)]
#[template(path = "entry.html")]
struct Entry {
    frame: Frame,
    entry: EntryLine,
    acts: Vec<ActLine>,
}

fn entry(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let id = EntryId(call.number("entry")?);
    let query = EntryQuery { entries: vec![id], ..EntryQuery::default() };
    let Some(entry) = entries(&Names::new(reader), &query)?.pop() else {
        return Err(Problem::not_found(format!("There is no baseline entry {}.", id.0)));
    };
    let frame = Frame::new(format!("Baseline entry {}", id.0), "baseline", call);
    render(&Entry { frame, entry, acts: acts_on(reader, id)? })
}

fn mode(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let frame = Frame::new("Change the mode", "baseline", call);
    render(&Mode { frame, preview: api::baseline::mode_change(&call.app, reader)?.view })
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let names = Names::new(reader);
    let limit = call.limit(100);
    let found = entries(&names, &filter::baseline(call, reader, limit)?)?;
    let (entries, next) = filter::page(found, filter::skip(call)?, limit);
    let text = |name: &str| call.one(name).unwrap_or_default().to_owned();
    let chosen: Vec<&str> = call.all("kind").collect();
    let next = next.map(|cursor| with(call, "/baseline", "cursor", Some(&cursor)));
    render(&Page {
        frame: Frame::new("Baseline", "baseline", call),
        learning: api::baseline::learns(&call.app, reader)?,
        acts: acts(reader, Some(ACTS))?,
        entries,
        kinds: EntryKind::ALL.map(EntryKind::as_str).into_iter().map(|kind| (kind, chosen.contains(&kind))).collect(),
        device: text("device"),
        protocol: text("protocol"),
        allowed: text("allowed"),
        first: call.one("cursor").is_none(),
        next,
    })
}
