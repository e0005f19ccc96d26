//! The list of alerts: filters in the address, columns, groups, several at once, details beside the list.

use super::{Frame, render, show};
use crate::api;
use crate::call::{Answer, Call, local};
use crate::filter::{self, ALERTS, PAGE};
use crate::form;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Returns, Route};
use askama::Template;
use ot_engine::Action;
use ot_engine::catalogue;
use ot_store::read::Reader;
use ot_views::alert::alerts_page;
use ot_views::{AlertLine, AlertStory, Names, csv};

/// Alerts of a page, usually, and of a CSV file at most.
const USUAL: u32 = 50;
const CSV_MOST: u32 = 10_000;

/// Columns there are, with their titles.
pub const COLUMNS: &[(&str, &str)] = &[
    ("last", "Last seen"),
    ("status", "Status"),
    ("count", "Count"),
    ("title", "Alert"),
    ("source", "Source"),
    ("destination", "Destination"),
    ("techniques", "ATT&CK"),
    ("first", "First seen"),
    ("engine", "Engine"),
    ("category", "Category"),
    ("protocol", "Protocol"),
    ("outcome", "Outcome"),
    ("zone", "Zone"),
    ("site", "Site"),
    ("importance", "Importance"),
    ("sensor", "Sensor"),
    ("id", "Id"),
];
const USUAL_COLUMNS: [&str; 6] = ["last", "status", "count", "title", "source", "destination"];

/// By what alerts can be grouped.
const GROUPS: &[(&str, &str)] = &[
    ("", "No groups"),
    ("type", "Alert type"),
    ("severity", "Severity"),
    ("source", "Source"),
    ("destination", "Destination"),
    ("zone", "Zone"),
    ("engine", "Engine"),
];

fn columns() -> Vec<&'static str> {
    COLUMNS.iter().map(|(id, _)| *id).collect()
}
fn groups() -> Vec<&'static str> {
    GROUPS.iter().map(|(id, _)| *id).collect()
}

const VIEW: &[Parameter] = &[
    Parameter { name: "columns", kind: Kind::Words(columns), doc: "Columns shown" },
    Parameter { name: "group", kind: Kind::Word(groups), doc: "By what the alerts are grouped" },
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
    Parameter { name: "act", kind: Kind::Text, doc: "The act that did it" },
];

/// Routes of the list.
pub static ROUTES: &[Route] = &[
    Route::page("/alerts", "page-alerts", "The alerts that filters let through.")
        .with(&[ALERTS, PAGE, VIEW])
        .read(list),
    Route::page("/alerts.csv", "page-alerts-csv", "The same as CSV.")
        .with(&[ALERTS, VIEW])
        .gives(Returns::Bytes("text/csv"))
        .read(list_as_csv),
    Route::page("/alerts/{id}/pane", "page-alert-pane", "An alert in short, beside the list.").read(pane),
    Route::form("/alerts/act", "form-alerts-act", "Does one thing to the chosen alerts.").plain(act),
];

/// A choice of a filter.
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

/// A filter that is set, with the address without it.
struct Chip {
    label: String,
    without: String,
}

struct Row {
    alert: AlertLine,
    cells: Vec<Cell>,
}

struct Cell {
    column: &'static str,
    text: String,
}

struct Group {
    title: String,
    rows: Vec<Row>,
}

struct Head {
    title: &'static str,
    sort: Option<String>,
    sorted: &'static str,
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct Page {
    frame: Frame,
    text: String,
    since: String,
    until: String,
    device: String,
    zone: String,
    technique: String,
    severities: Vec<Choice>,
    statuses: Vec<Choice>,
    engines: Vec<Choice>,
    types: Vec<Choice>,
    categories: Vec<Choice>,
    /// Where there are several.
    sensors: Vec<Choice>,
    columns: Vec<Choice>,
    groups: Vec<Choice>,
    hidden: Vec<(String, String)>,
    chips: Vec<Chip>,
    heads: Vec<Head>,
    groups_shown: Vec<Group>,
    shown: usize,
    first: bool,
    next: Option<String>,
    csv: String,
    back: String,
    presets: Vec<(&'static str, &'static str)>,
}

/// The address of the list with one parameter changed; without it for `None`. It begins anew at the first page.
pub fn with(call: &Call, path: &str, name: &str, value: Option<&str>) -> String {
    let dropped = |known: &str| known == name || matches!(known, "cursor" | "done" | "act");
    let kept = call.query.iter().filter(|(known, text)| !dropped(known) && !text.is_empty());
    let fields = kept.map(|(known, text)| (known.as_str(), text.as_str())).chain(value.map(|value| (name, value)));
    let query = form::write(fields);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn choices(call: &Call, name: &str, known: &[(String, String)]) -> Vec<Choice> {
    let chosen: Vec<&str> = call.all(name).collect();
    let choice = |(value, label): &(String, String)| Choice {
        chosen: chosen.contains(&value.as_str()),
        value: value.clone(),
        label: label.clone(),
    };
    known.iter().map(choice).collect()
}

fn words(ids: &[&str]) -> Vec<(String, String)> {
    ids.iter().map(|id| ((*id).to_owned(), show::word(id))).collect()
}

fn list(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let found = filter::alerts(call, reader, USUAL)?;
    let place = filter::alert_place(call, &found)?;
    let first = place.is_none();
    let page = alerts_page(&Names::new(reader), &found, place)?;
    let mut chosen: Vec<&str> = call.all("columns").collect();
    if chosen.is_empty() {
        chosen = USUAL_COLUMNS.to_vec();
    }
    let columns: Vec<&(&str, &str)> = COLUMNS.iter().filter(|(id, _)| chosen.contains(id)).collect();
    let sorted = call.one("sort").unwrap_or("last");
    let ascending = call.one("order") == Some("asc");
    let heads = columns
        .iter()
        .map(|(id, title)| {
            let by = match *id {
                "title" => Some("type"),
                id @ ("last" | "first" | "count" | "importance") => Some(id),
                _ => None,
            };
            let is = by == Some(sorted);
            let turned = if is && !ascending { Some("asc") } else { None };
            let sort = by.map(|by| {
                let base = with(call, "/alerts", "sort", Some(by));
                let base = strip(&base, "order");
                turned.map_or(base.clone(), |order| join(&base, "order", order))
            });
            Head {
                title,
                sort,
                sorted: if !is {
                    "none"
                } else if ascending {
                    "ascending"
                } else {
                    "descending"
                },
            }
        })
        .collect();
    let group = call.one("group").unwrap_or_default();
    let shown = page.lines.len();
    let mut groups: Vec<Group> = Vec::new();
    for alert in page.lines {
        let title = group_of(&alert, group);
        let cells = columns.iter().map(|(id, _)| Cell { column: id, text: cell(&alert, id) }).collect();
        let row = Row { alert, cells };
        match groups.iter_mut().find(|known| known.title == title) {
            Some(known) => known.rows.push(row),
            None => groups.push(Group { title, rows: vec![row] }),
        }
    }
    let types: Vec<(String, String)> =
        catalogue::all().iter().map(|kind| (kind.id.to_owned(), kind.title.to_owned())).collect();
    let columns_known: Vec<(String, String)> =
        COLUMNS.iter().map(|(id, title)| ((*id).to_owned(), (*title).to_owned())).collect();
    let mut column_choices = choices(call, "columns", &columns_known);
    for choice in &mut column_choices {
        choice.chosen = chosen.contains(&choice.value.as_str());
    }
    let group_choices = GROUPS
        .iter()
        .map(|(id, title)| Choice { value: (*id).to_owned(), label: (*title).to_owned(), chosen: *id == group })
        .collect();
    let text = |name: &str| call.one(name).unwrap_or_default().to_owned();
    render(&Page {
        frame: Frame::new("Alerts", "alerts", call),
        text: text("text"),
        since: text("since"),
        until: text("until"),
        device: text("device"),
        zone: text("zone"),
        technique: text("technique"),
        severities: choices(call, "severity", &words(&["critical", "major", "minor", "warning"])),
        statuses: choices(call, "status", &words(&["new", "active", "closed"])),
        engines: choices(
            call,
            "engine",
            &words(&["policy-violation", "protocol-violation", "malware", "anomaly", "operational"]),
        ),
        types: choices(call, "type", &types),
        categories: choices(call, "category", &words(&catalogue::categories())),
        sensors: choices(call, "sensor", &sensors(reader)?),
        columns: column_choices,
        groups: group_choices,
        hidden: ["source", "destination", "site", "owner", "tag", "importance", "protocol", "sort", "order"]
            .into_iter()
            .flat_map(|name| call.each(name).map(move |value| (name.to_owned(), value.to_owned())))
            .collect(),
        chips: chips(call),
        heads,
        groups_shown: groups,
        shown,
        first,
        next: page.next.map(|place| join(&with(call, "/alerts", "cursor", None), "cursor", &place.to_string())),
        csv: with(call, "/alerts.csv", "limit", None),
        back: local(&call.uri).to_owned(),
        presets: vec![
            ("Open", "/alerts?status=new,active"),
            ("Open, critical and major", "/alerts?status=new,active&severity=critical,major"),
            ("New in the last day", "/alerts?status=new&since=-1d"),
            ("Most severe first", "/alerts?status=new,active&sort=severity"),
            ("Most repeated", "/alerts?status=new,active&sort=count"),
            ("All", "/alerts"),
        ],
    })
}

/// The sensors of a store that holds the findings of several.
fn sensors(reader: &Reader) -> Result<Vec<(String, String)>, Problem> {
    let mut ids: Vec<String> = reader.sensors()?.into_iter().map(|(sensor, _)| sensor).collect();
    ids.dedup();
    if ids.len() < 2 {
        return Ok(Vec::new());
    }
    Ok(ids.into_iter().map(|id| (id.clone(), id)).collect())
}

/// An address with one more parameter.
fn join(address: &str, name: &str, value: &str) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}{}", form::write([(name, value)]))
}

/// An address without a parameter.
fn strip(address: &str, name: &str) -> String {
    let Some((path, query)) = address.split_once('?') else { return address.to_owned() };
    let fields = form::parse(query.as_bytes());
    let kept = fields.iter().filter(|(known, _)| known != name);
    let query = form::write(kept.map(|(known, value)| (known.as_str(), value.as_str())));
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn chips(call: &Call) -> Vec<Chip> {
    let filters = ALERTS.iter().filter(|parameter| !matches!(parameter.name, "sort" | "order"));
    filters
        .filter_map(|parameter| {
            let values: Vec<&str> = call.each(parameter.name).collect();
            if values.is_empty() {
                return None;
            }
            let shown = match parameter.name {
                "type" => values
                    .iter()
                    .flat_map(|value| value.split(','))
                    .map(|id| catalogue::by_id(id).map_or(id, |kind| kind.title))
                    .collect::<Vec<_>>()
                    .join(", "),
                _ => values.join(", ").replace(',', ", ").replace("  ", " "),
            };
            Some(Chip {
                label: format!("{}: {shown}", show::word(parameter.name)),
                without: with(call, "/alerts", parameter.name, None),
            })
        })
        .collect()
}

fn group_of(alert: &AlertLine, group: &str) -> String {
    match group {
        "type" => alert.title.clone(),
        "severity" => show::word(&alert.severity),
        "source" => show::side(alert.all_sources(), &alert.source_count),
        "destination" => show::side(alert.all_destinations(), &alert.destination_count),
        "zone" => alert.zone.clone().unwrap_or_else(|| "no zone".to_owned()),
        "engine" => show::word(&alert.engine),
        _ => String::new(),
    }
}

fn cell(alert: &AlertLine, column: &str) -> String {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    match column {
        "last" => show::time(&alert.last_detection),
        "first" => show::time(&alert.first_detection),
        "status" => show::status(alert),
        "count" => show::number(&alert.count),
        "title" => alert.title.clone(),
        "source" => show::side(alert.all_sources(), &alert.source_count),
        "destination" => show::side(alert.all_destinations(), &alert.destination_count),
        "techniques" => alert.techniques.join(" "),
        "engine" => show::word(&alert.engine),
        "category" => alert.category.clone(),
        "protocol" => some(&alert.protocol),
        "outcome" => some(&alert.outcome),
        "zone" => some(&alert.zone),
        "site" => some(&alert.site),
        "importance" => some(&alert.importance),
        "sensor" => alert.sensors.join(", "),
        "id" => show::short(&alert.id).to_owned(),
        _ => String::new(),
    }
}

fn list_as_csv(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let mut found = filter::alerts(call, reader, CSV_MOST)?;
    found.query.limit = Some(CSV_MOST);
    let lines = ot_views::alerts(&Names::new(reader), &found)?;
    let mut text = csv::line(csv::ALERT);
    for alert in &lines {
        text.push_str(&csv::line(csv::alert(alert, show::status(alert))));
    }
    Ok(Answer::file("text/csv; charset=utf-8", "alerts.csv", text.into_bytes()))
}

#[derive(Template)]
#[template(path = "alert_pane.html")]
struct Pane {
    alert: AlertStory,
}

fn pane(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let alert = api::alerts::story(call, reader)?;
    render(&Pane { alert })
}

/// The address to go back to, with what was done.
pub fn done(back: &str, word: &str, act: u64) -> String {
    let address = strip(&strip(local(back), "done"), "act");
    join(&join(&address, "done", word), "act", &act.to_string())
}

/// The word for what became of an act.
pub fn told<'a>(word: &'a str, result: &crate::act::ActResult) -> &'a str {
    if result.commands.iter().any(|command| command.state == "refused") {
        "refused"
    } else if result.commands.iter().any(|command| command.state == "pending") {
        "pending"
    } else {
        word
    }
}

fn act(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let text = |name: &str| form::value(&fields, name);
    let ids: Vec<String> = fields.iter().filter(|(name, _)| name == "alert").map(|(_, value)| value.clone()).collect();
    if ids.is_empty() {
        return Err(Problem::bad_request("No alert is chosen; go back and mark some."));
    }
    let action = api::alerts::action(text("action"), text("scope"), text("for"), text("why"))?;
    let why = if matches!(action, Action::Comment(_)) { "" } else { text("why") };
    let result = api::alerts::act_on(call, &ids, &action, why)?;
    Ok(Answer::to(&done(text("back"), told(text("action"), &result), result.act)))
}
