//! `/api/v1/alerts`: list, one alert, its parts, and what people do to it.

use super::Page;
use crate::act::{self, ActResult};
use crate::call::{Answer, Call};
use crate::filter::{self, ALERTS, FIELDS, PAGE};
use crate::problem::Problem;
use crate::route::{Kind, Method, Parameter, Returns, Route, Shape};
use crate::watch::AlertEvent;
use ot_engine::model::{DeviceId, Scope, Status};
use ot_engine::{Action, Learn};
use ot_protocol::time::SECOND;
use ot_store::read::{EventQuery, Reader};
use ot_views::alert::{RelatedAlerts, ViolationView, alerts_page, find_alert, violations};
use ot_views::overview::{Overview, overview};
use ot_views::preview::{HiddenAlert, Preview, preview};
use ot_views::when::span;
use ot_views::{AlertLine, AlertStory, EventLine, Names, events};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Messages of an alert that are decoded, at most.
const MESSAGES: usize = 500;
/// Seconds around an alert that its timeline usually holds.
const AROUND: u32 = 600;

/// Seconds before and after.
const WINDOW: &[Parameter] =
    &[Parameter { name: "around", kind: Kind::Number { most: 86_400 }, doc: "Seconds before and after; usually 600" }];

/// Routes of alerts.
pub static ROUTES: &[Route] = &[
    Route::api("/api/v1/overview", "overview", "What needs attention: open alerts, the last day, work on controllers.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<Overview>()))
        .read(|call, reader| call.json(&overview(&Names::new(reader))?)),
    Route::api("/api/v1/alerts", "alerts", "The alerts that filters let through, page by page.")
        .with(&[ALERTS, PAGE, FIELDS])
        .gives(Returns::Page(Shape::of::<AlertLine>()))
        .read(list),
    Route { run: crate::route::Run::Stream, ..Route::api(
        "/api/v1/alerts/stream",
        "alerts-stream",
        "New and changed alerts as they come: server-sent events named `alert`; `Last-Event-ID` goes on where one left.",
    )
    .gives(Returns::Events(Shape::of::<AlertEvent>())) },
    Route::api("/api/v1/alerts/{id}", "alert", "The whole story of an alert; 4 digits of its id suffice where they are unique.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<AlertStory>()))
        .read(|call, reader| call.json(&story(call, reader)?)),
    Route::api("/api/v1/alerts/{id}/violations", "alert-violations", "What an alert folded into one, row by row.")
        .with(&[FIELDS])
        .gives(Returns::List(Shape::of::<ViolationView>()))
        .read(|call, reader| {
            let row = find_alert(reader, call.part("id"))?;
            call.json(&violations(&Names::new(reader), row.number)?)
        }),
    Route::api("/api/v1/alerts/{id}/related", "alert-related", "Alerts of the same devices around it, and the chain they may be.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<RelatedAlerts>()))
        .read(|call, reader| call.json(&RelatedAlerts::from(story(call, reader)?))),
    Route::api("/api/v1/alerts/{id}/timeline", "alert-timeline", "What its devices did before and after it.")
        .with(&[WINDOW, PAGE, FIELDS])
        .gives(Returns::Page(Shape::of::<EventLine>()))
        .read(timeline),
    Route::api("/api/v1/alerts/{id}/messages", "alert-messages", "Its packets, decoded message by message.")
        .gives(Returns::One(Shape::of::<Messages>()))
        .read(messages),
    Route::api("/api/v1/alerts/{id}/packets.pcapng", "alert-packets", "Its packets as pcapng.")
        .gives(Returns::Bytes("application/vnd.tcpdump.pcap"))
        .read(packets),
    Route::api("/api/v1/alerts/{id}/bundle.tar.gz", "alert-bundle", "All that is known of it in one archive, with hashes.")
        .gives(Returns::Bytes("application/gzip"))
        .read(bundle),
    Route::act(Method::Post, "/api/v1/alerts/{id}/status", "alert-status", "Sets its status.")
        .takes(Shape::of::<StatusBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| {
            let body: StatusBody = call.json_body()?;
            let status = Status::parse(&body.status)
                .ok_or_else(|| Problem::bad_request("status: write new, active or closed"))?;
            one(call, &Action::SetStatus(status), &body.why)
        }),
    Route::act(Method::Post, "/api/v1/alerts/{id}/learn", "alert-learn", "Learns it: closes it and allows what it holds.")
        .takes(Shape::of::<LearnBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| {
            let body: LearnBody = call.json_body()?;
            one(call, &learn_action(&body.scope, &body.span)?, &body.why)
        }),
    Route::act(
        Method::Post,
        "/api/v1/alerts/{id}/learn/preview",
        "alert-learn-preview",
        "Which past alerts learning it would have hidden; changes nothing.",
    )
    .takes(Shape::of::<LearnBody>())
    .gives(Returns::List(Shape::of::<HiddenAlert>()))
    .read(|call, reader| {
        let body: LearnBody = call.json_body()?;
        call.json(&learn_preview(call, reader, &learn_action(&body.scope, &body.span)?, None)?.hidden)
    }),
    Route::act(Method::Post, "/api/v1/alerts/{id}/unlearn", "alert-unlearn", "Takes back that it was learned.")
        .takes(Shape::of::<WhyBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| one(call, &Action::Unlearn, &why(call)?)),
    Route::act(Method::Post, "/api/v1/alerts/{id}/mute", "alert-mute", "Closes and silences it without allowing anything.")
        .takes(Shape::of::<WhyBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| one(call, &Action::Mute, &why(call)?)),
    Route::act(Method::Post, "/api/v1/alerts/{id}/unmute", "alert-unmute", "Takes back that it was muted.")
        .takes(Shape::of::<WhyBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| one(call, &Action::Unmute, &why(call)?)),
    Route::act(Method::Post, "/api/v1/alerts/{id}/comment", "alert-comment", "Writes a comment into its history.")
        .takes(Shape::of::<CommentBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(|call| {
            let body: CommentBody = call.json_body()?;
            one(call, &Action::Comment(act::words("comment", &body.comment)?), "")
        }),
    Route::act(Method::Post, "/api/v1/alerts/actions", "alerts-act", "Does one thing to several alerts, as one act.")
        .takes(Shape::of::<ActionsBody>())
        .gives(Returns::One(Shape::of::<ActResult>()))
        .plain(several),
];

/// A status and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusBody {
    /// `new`, `active` or `closed`.
    pub status: String,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// How much is learned, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LearnBody {
    /// `exact` (usual), `pair`, `server`, `client` or `subnet`.
    #[serde(default)]
    pub scope: String,
    /// For this span of packet time (`8h`, `30d`); for good without it.
    #[serde(default, rename = "for")]
    pub span: String,
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// Why something is done.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhyBody {
    /// Why, for those who read the history.
    #[serde(default)]
    pub why: String,
}

/// A comment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentBody {
    /// What others should know.
    pub comment: String,
}

/// One thing for several alerts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsBody {
    /// Ids of the alerts, 1,000 at most.
    pub alerts: Vec<String>,
    /// `new`, `active`, `close`, `learn`, `unlearn`, `mute`, `unmute` or `comment`.
    pub action: String,
    /// Of `learn`: how much.
    #[serde(default)]
    pub scope: String,
    /// Of `learn`: for how long.
    #[serde(default, rename = "for")]
    pub span: String,
    /// Why; of `comment`: the comment.
    #[serde(default)]
    pub why: String,
}

/// Decoded messages of an alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct Messages {
    /// As `ot-sensor decode` writes them; `alert.trigger` says whether one made the alert.
    #[schema(value_type = Vec<Object>)]
    pub messages: Vec<Map<String, Value>>,
    /// Whether there are more, that are not told.
    pub more: bool,
}

/// The story of the alert in the path.
///
/// # Errors
/// As the view's.
pub fn story(call: &Call, reader: &Reader) -> Result<AlertStory, Problem> {
    let mut alert = ot_views::alert(&Names::new(reader), call.part("id"))?;
    call.app.host.check_evidence(&mut alert);
    Ok(alert)
}

fn list(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let filter = filter::alerts(call, reader, 100)?;
    let found = alerts_page(&Names::new(reader), &filter, filter::alert_place(call, &filter)?)?;
    call.json(&Page { items: found.lines, next: found.next.as_ref().map(ToString::to_string) })
}

/// What the devices of an alert did around it, oldest first.
///
/// # Errors
/// As the view's.
pub fn around(reader: &Reader, id: &str, seconds: u32, most: u32) -> Result<Vec<EventLine>, Problem> {
    let row = find_alert(reader, id)?;
    let span = i64::from(seconds).saturating_mul(SECOND);
    let devices: Vec<DeviceId> = row.sources.iter().chain(&row.destinations).filter_map(|peer| peer.device).collect();
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let query = EventQuery {
        since: Some(row.first_detection.plus(-span)),
        until: Some(row.last_detection.plus(span)),
        devices,
        limit: Some(most),
        ..EventQuery::default()
    };
    Ok(events(&Names::new(reader), &query)?)
}

fn timeline(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let seconds = call.one("around").and_then(|text| text.parse().ok()).unwrap_or(AROUND);
    let (limit, skip) = (call.limit(100), filter::skip(call)?.min(20_000));
    let found = around(reader, call.part("id"), seconds, skip.saturating_add(limit).saturating_add(1))?;
    let rest = found.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect();
    let (items, next) = filter::page(rest, skip, limit);
    call.json(&Page { items, next })
}

fn messages(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let alert = story(call, reader)?;
    let (messages, more) = call.app.host.messages(&alert, MESSAGES).map_err(Problem::not_found)?;
    call.json(&Messages { messages, more })
}

/// The packets of the alert in the path.
///
/// # Errors
/// Where there are none.
pub fn packets(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let alert = story(call, reader)?;
    let bytes = call.app.host.packets(&alert).map_err(Problem::not_found)?;
    let name = format!("alert-{}.pcapng", alert.line.id.get(..8).unwrap_or_default());
    Ok(Answer::file("application/vnd.tcpdump.pcap", &name, bytes))
}

/// The archive of the alert in the path.
///
/// # Errors
/// Where it cannot be made.
pub fn bundle(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let row = find_alert(reader, call.part("id"))?;
    let bytes = call.app.host.bundle(reader, &row.id).map_err(Problem::internal)?;
    let name = format!("alert-{}.tar.gz", row.id.get(..8).unwrap_or_default());
    Ok(Answer::file("application/gzip", &name, bytes))
}

fn why(call: &Call) -> Result<String, Problem> {
    if call.body.is_empty() {
        return Ok(String::new());
    }
    Ok(call.json_body::<WhyBody>()?.why)
}

/// Learning as it is asked for.
///
/// # Errors
/// What is wrong.
pub fn learn_action(scope: &str, for_span: &str) -> Result<Action, Problem> {
    let scope = match scope {
        "" => Scope::default(),
        id => Scope::parse(id).ok_or_else(|| {
            let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            Problem::bad_request(format!("scope: {id:?} is not one of {}", known.join(", ")))
        })?,
    };
    let span = match for_span.trim() {
        "" => None,
        text => Some(span(text).map_err(|problem| Problem::bad_request(format!("for: {problem}")))?),
    };
    Ok(Action::Learn(Learn { scope, span }))
}

/// What learning the alert in the path would have hidden.
///
/// # Errors
/// Where it cannot be learned.
pub fn learn_preview(call: &Call, reader: &Reader, action: &Action, most: Option<usize>) -> Result<Preview, Problem> {
    let row = find_alert(reader, call.part("id"))?;
    act::check(&row, action)?;
    let found = preview(reader, call.app.host.engine(), &act::commands(call, &[row.id], action, ""), most)?;
    match found.refused.first() {
        Some((_, reason)) => Err(Problem::conflict(format!("It would not be learned: {reason}"))),
        None => Ok(found),
    }
}

/// Does something to the alerts of these ids, all or none.
///
/// # Errors
/// Where one is not there, or it cannot be done to it.
pub fn act_on(call: &Call, ids: &[String], action: &Action, why: &str) -> Result<ActResult, Problem> {
    if ids.is_empty() || ids.len() > act::MOST {
        return Err(Problem::bad_request(format!("Give 1 to {} alerts.", act::MOST)));
    }
    let why = act::words("why", why)?;
    let found = call.app.readers.read(|reader| {
        let mut found: Vec<String> = Vec::with_capacity(ids.len());
        for id in ids {
            let row = find_alert(reader, id)?;
            act::check(&row, action)?;
            if !found.contains(&row.id) {
                found.push(row.id);
            }
        }
        Ok(found)
    })?;
    act::carry_out(call, &act::commands(call, &found, action, &why))
}

fn one(call: &Call, action: &Action, why: &str) -> Result<Answer, Problem> {
    call.json(&act_on(call, &[call.part("id").to_owned()], action, why)?)
}

/// An action by its word, with the text that goes with it.
///
/// # Errors
/// What is wrong.
pub fn action(word: &str, scope: &str, for_span: &str, text: &str) -> Result<Action, Problem> {
    Ok(match word {
        "new" => Action::SetStatus(Status::New),
        "active" => Action::SetStatus(Status::Active),
        "close" => Action::SetStatus(Status::Closed),
        "learn" => learn_action(scope, for_span)?,
        "unlearn" => Action::Unlearn,
        "mute" => Action::Mute,
        "unmute" => Action::Unmute,
        "comment" => Action::Comment(act::words("comment", text)?),
        other => {
            return Err(Problem::bad_request(format!(
                "action: {other:?} is not one of new, active, close, learn, unlearn, mute, unmute, comment"
            )));
        }
    })
}

fn several(call: &Call) -> Result<Answer, Problem> {
    let body: ActionsBody = call.json_body()?;
    let action = action(&body.action, &body.scope, &body.span, &body.why)?;
    let why = if matches!(action, Action::Comment(_)) { "" } else { &body.why };
    call.json(&act_on(call, &body.alerts, &action, why)?)
}
