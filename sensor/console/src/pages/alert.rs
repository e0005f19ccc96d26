//! The page of an alert: the whole investigation on one address, `/alerts/ID`.

use super::alerts::{done, told};
use super::map::Elsewhere;
use super::map::drawing::{Drawing, draw};
use super::{Frame, render, show};
use crate::api;
use crate::call::{Answer, Call};
use crate::filter::PAGE;
use crate::form;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Returns, Route};
use askama::Template;
use ot_engine::Action;
use ot_engine::model::DeviceId;
use ot_store::UserRole;
use ot_store::read::Reader;
use ot_views::map::MapEdge;
use ot_views::preview::HiddenAlert;
use ot_views::{AlertStory, EventLine, MapQuery, Names, PeerView};
use serde_json::{Map, Value};

/// Messages shown.
const MESSAGES: usize = 120;
/// Events shown, and seconds around the alert.
const EVENTS: u32 = 200;
const AROUND: u32 = 600;
/// Alerts that a preview looks at, the newest.
const LOOKED: usize = 200;
/// Hidden alerts shown in a preview.
const HIDDEN: usize = 50;

/// Parts of the page.
const TABS: &[(&str, &str)] = &[
    ("violations", "Violations"),
    ("packets", "Packets"),
    ("map", "Map"),
    ("timeline", "Timeline"),
    ("related", "Related alerts"),
    ("action", "Take action"),
    ("history", "Comments and history"),
];

fn tabs() -> Vec<&'static str> {
    TABS.iter().map(|(id, _)| *id).chain(["all"]).collect()
}
fn scopes() -> Vec<&'static str> {
    ot_engine::model::Scope::ALL.iter().map(|scope| scope.as_str()).collect()
}

const VIEW: &[Parameter] = &[
    Parameter { name: "tab", kind: Kind::Word(tabs), doc: "The part shown; `all` for a report" },
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
    Parameter { name: "act", kind: Kind::Text, doc: "The act that did it" },
];
const LEARN: &[Parameter] = &[
    Parameter { name: "scope", kind: Kind::Word(scopes), doc: "How much is learned" },
    Parameter { name: "for", kind: Kind::Text, doc: "For how long" },
    Parameter { name: "why", kind: Kind::Text, doc: "Why" },
];

/// Routes of the alert.
pub static ROUTES: &[Route] = &[
    Route::page("/alerts/{id}", "page-alert", "The whole investigation of an alert.").with(&[VIEW, PAGE]).read(page),
    Route::page("/alerts/{id}/learn", "page-learn", "What learning an alert would allow, and would have hidden.")
        .for_role(UserRole::Analyst)
        .with(&[LEARN])
        .read(learn),
    Route::form("/alerts/{id}/act", "form-alert-act", "Does one thing to the alert.").plain(act),
    Route::page("/alerts/{id}/packets.pcapng", "page-alert-packets", "Its packets as pcapng.")
        .gives(Returns::Bytes("application/vnd.tcpdump.pcap"))
        .read(api::alerts::packets),
    Route::page("/alerts/{id}/bundle.tar.gz", "page-alert-bundle", "All that is known of it in one archive.")
        .gives(Returns::Bytes("application/gzip"))
        .read(api::alerts::bundle),
    Route::page("/alerts/{id}/violations.csv", "page-alert-violations", "What it folded into one, as CSV.")
        .gives(Returns::Bytes("text/csv"))
        .read(violations),
    Route::form("/baseline/acts/{act}/undo", "form-undo", "Takes back what an act did.").plain(undo),
];

struct Tab {
    id: &'static str,
    title: &'static str,
    count: Option<String>,
    here: bool,
}

/// A message of the packets, as a row.
struct Message {
    number: String,
    time: String,
    from: String,
    to: String,
    protocol: String,
    what: String,
    outcome: String,
    trigger: bool,
    violations: String,
    /// The fields that say most.
    told: String,
    fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct Page {
    frame: Frame,
    alert: AlertStory,
    tab: &'static str,
    tabs: Vec<Tab>,
    messages: Vec<Message>,
    more_messages: bool,
    no_messages: Option<String>,
    drawing: Option<Drawing>,
    talks: Vec<MapEdge>,
    events: Vec<EventLine>,
    scopes: Vec<&'static str>,
}

impl Page {
    fn shows(&self, tab: &str) -> bool {
        self.tab == tab || self.tab == "all"
    }

    /// The map around its devices.
    fn map_address(&self) -> String {
        let numbers: Vec<String> = devices(&self.alert).iter().map(|id| format!("#{}", id.0)).collect();
        format!("/map?{}", form::write(numbers.iter().map(|number| ("device", number.as_str()))))
    }

    /// Whether an event is of this alert.
    fn own(&self, event: &EventLine) -> bool {
        event.alert.as_deref() == Some(self.alert.line.id.as_str())
    }
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let alert = api::alerts::story(call, reader)?;
    let wanted = call.one("tab").unwrap_or("violations");
    let tab = tabs().into_iter().find(|known| *known == wanted).unwrap_or("violations");
    let shows = |id: &str| tab == id || tab == "all";
    let (mut messages, mut more_messages, mut no_messages) = (Vec::new(), false, None);
    if shows("packets") {
        match call.app.host.messages(&alert, MESSAGES) {
            Ok((found, more)) => {
                more_messages = more;
                messages = found.iter().map(message).collect();
            }
            Err(reason) => no_messages = Some(reason),
        }
    }
    let events =
        if shows("timeline") { api::alerts::around(reader, &alert.line.id, AROUND, EVENTS)? } else { Vec::new() };
    let devices = devices(&alert);
    let (drawing, talks) = if shows("map") && !devices.is_empty() {
        let query = MapQuery { devices, ..MapQuery::default() };
        let map = ot_views::map(&Names::new(reader), &query)?;
        (Some(draw(&map, &Elsewhere, false)), map.edges)
    } else {
        (None, Vec::new())
    };
    let count = |id: &str| match id {
        "violations" => Some(alert.violation_count.to_string()),
        "packets" => Some(alert.evidence.packets.to_string()),
        "related" => Some(alert.related.len().to_string()),
        "history" => Some(alert.history.len().to_string()),
        _ => None,
    };
    let tabs = TABS.iter().map(|(id, title)| Tab { id, title, count: count(id), here: *id == tab }).collect();
    let frame = Frame::new(alert.line.title.clone(), "alerts", call);
    render(&Page {
        frame,
        tab,
        tabs,
        messages,
        more_messages,
        no_messages,
        drawing,
        talks,
        events,
        scopes: scopes(),
        alert,
    })
}

/// The devices that take part.
fn devices(alert: &AlertStory) -> Vec<DeviceId> {
    let peers = alert.line.all_sources().iter().chain(alert.line.all_destinations());
    peers.filter_map(|peer| peer.device_id).map(DeviceId).collect()
}

/// Fields that the row shows already.
const SHOWN: [&str; 14] = [
    "frame.number",
    "frame.time",
    "protocol",
    "eth.src",
    "eth.dst",
    "ip.src",
    "ip.dst",
    "srcport",
    "dstport",
    "operation",
    "outcome",
    "violations",
    "alert.trigger",
    "file",
];

/// Parts of the names of fields that say most.
const TELLING: [&str; 12] = [
    "func",
    "reference_num",
    "word_cnt",
    "regval",
    "bitval",
    "exception",
    "index",
    "count",
    "block",
    "value",
    "area",
    "address",
];

/// The fields that say most, in one line.
fn telling(message: &Map<String, Value>) -> String {
    let found = message.iter().filter(|(name, value)| {
        let last = name.rsplit('.').next().unwrap_or(name);
        let many = value.as_array().is_some_and(|list| list.len() > 8);
        !many && !SHOWN.contains(&name.as_str()) && TELLING.iter().any(|part| last.contains(part))
    });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parts = found.take(4).map(|(name, value)| {
        let value: String = text(value).chars().take(60).collect();
        format!("{} {value}", name.rsplit('.').next().unwrap_or(name))
    });
    parts.collect::<Vec<_>>().join(" · ")
}

fn message(message: &Map<String, Value>) -> Message {
    let text = |name: &str| match message.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let end = |address: &str, mac: &str, port: &str| {
        let base = Some(text(address)).filter(|text| !text.is_empty()).unwrap_or_else(|| text(mac));
        let port = text(port);
        if port.is_empty() || port == "0" { base } else { format!("{base}:{port}") }
    };
    let violations = message.get("violations").and_then(Value::as_array).map_or_else(String::new, |list| {
        let reasons = list.iter().filter_map(|violation| violation.get("reason").and_then(Value::as_str));
        reasons.collect::<Vec<_>>().join("; ")
    });
    Message {
        number: text("frame.number"),
        time: text("frame.time").get(11..26).unwrap_or_default().to_owned(),
        from: end("ip.src", "eth.src", "srcport"),
        to: end("ip.dst", "eth.dst", "dstport"),
        protocol: text("protocol"),
        what: show::word(&text("operation")),
        outcome: text("outcome"),
        trigger: message.get("alert.trigger").and_then(Value::as_bool).unwrap_or_default(),
        violations,
        told: telling(message),
        fields: message
            .iter()
            .filter(|(name, value)| !SHOWN.contains(&name.as_str()) && !value.is_null())
            .take(24)
            .map(|(name, _)| (name.clone(), text(name).chars().take(160).collect()))
            .collect(),
    }
}

#[derive(Template)]
#[template(path = "learn.html")]
struct Learn {
    frame: Frame,
    alert: AlertStory,
    scope: String,
    span: String,
    why: String,
    scopes: Vec<&'static str>,
    hidden: Vec<HiddenAlert>,
    hidden_count: usize,
    violations: u64,
    whole: usize,
    left_out: bool,
    refused: Option<String>,
}

fn learn(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let alert = api::alerts::story(call, reader)?;
    let (scope, span) = (call.one("scope").unwrap_or("exact"), call.one("for").unwrap_or_default());
    let found = api::alerts::learn_action(scope, span)
        .and_then(|action| api::alerts::learn_preview(call, reader, &action, Some(LOOKED)));
    let (mut hidden, left_out, refused) = match found {
        Ok(found) => (found.hidden, found.left_out, None),
        Err(problem) if problem.status < 500 => (Vec::new(), false, Some(problem.detail)),
        Err(problem) => return Err(problem),
    };
    let (hidden_count, violations) = (hidden.len(), hidden.iter().map(|alert| alert.hidden).sum());
    let whole = hidden.iter().filter(|alert| alert.whole).count();
    hidden.truncate(HIDDEN);
    render(&Learn {
        frame: Frame::new(format!("Learn: {}", alert.line.title), "alerts", call),
        alert,
        scope: scope.to_owned(),
        span: span.to_owned(),
        why: call.one("why").unwrap_or_default().to_owned(),
        scopes: scopes(),
        hidden,
        hidden_count,
        violations,
        whole,
        left_out,
        refused,
    })
}

fn act(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let text = |name: &str| form::value(&fields, name);
    let action = api::alerts::action(text("action"), text("scope"), text("for"), text("why"))?;
    let why = if matches!(action, Action::Comment(_)) { "" } else { text("why") };
    let id = call.part("id").to_owned();
    let result = api::alerts::act_on(call, std::slice::from_ref(&id), &action, why)?;
    let back = if text("back").is_empty() { format!("/alerts/{id}?tab=history") } else { text("back").to_owned() };
    Ok(Answer::to(&done(&back, told(text("action"), &result), result.act)))
}

fn undo(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let result = api::baseline::undo(call, form::value(&fields, "why"))?;
    Ok(Answer::to(&done(form::value(&fields, "back"), told("undo", &result), result.act)))
}

fn violations(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let row = ot_views::alert::find_alert(reader, call.part("id"))?;
    let found = ot_views::alert::violations(&Names::new(reader), row.number)?;
    let mut text = ot_views::csv::line([
        "number",
        "first_seen",
        "last_seen",
        "count",
        "file",
        "frame",
        "function",
        "object",
        "value",
        "outcome",
        "outcome_detail",
        "detail",
    ]);
    for violation in found {
        let frame = violation.frame.as_ref();
        text.push_str(&ot_views::csv::line([
            violation.number.to_string(),
            violation.first_seen,
            violation.last_seen,
            violation.count.to_string(),
            frame.map_or_else(String::new, |frame| frame.file.clone()),
            frame.map_or_else(String::new, |frame| frame.number.to_string()),
            violation.function,
            violation.object,
            violation.value,
            violation.outcome.unwrap_or_default(),
            violation.outcome_detail.unwrap_or_default(),
            violation.detail,
        ]));
    }
    Ok(Answer::file("text/csv; charset=utf-8", &format!("violations-{}.csv", show::short(&row.id)), text.into_bytes()))
}

/// The way to a device from a side of an alert.
pub fn device_link(peer: &PeerView) -> String {
    peer.device_id.map_or_else(String::new, |id| format!("/devices/{id}"))
}
