//! Questions to the store: those that everybody asks, and those that people keep. Each is a list with filters.

use crate::api;
use crate::call::Call;
use crate::filter::{self, ALERTS, BASELINE, DEVICES, EVENTS, JOURNAL, POINTS};
use crate::form;
use crate::problem::Problem;
use crate::route::Parameter;
use axum::body::Bytes;
use ot_store::read::Reader;
use ot_store::{QuestionRow, wall_clock};
use ot_views::alert::alerts_page;
use ot_views::baseline::entries;
use ot_views::mining::{self, Mined};
use ot_views::{Names, devices, journal, points};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Letters of a name, and bytes of filters, of a kept question.
const NAME: usize = 80;
const QUERY: usize = 2_000;

/// A list that can be asked.
pub struct List {
    /// Stable id.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// Its filters.
    pub parameters: &'static [Parameter],
    ask: fn(&Call, &Reader, u32) -> Result<Mined, Problem>,
}

/// All lists.
pub static LISTS: [List; 7] = [
    List { id: "alerts", title: "Alerts", parameters: ALERTS, ask: alerts },
    List { id: "devices", title: "Devices", parameters: DEVICES, ask: of_devices },
    List { id: "firmware", title: "Firmware of devices", parameters: DEVICES, ask: firmware },
    List { id: "baseline", title: "Conversations and operations (baseline)", parameters: BASELINE, ask: of_entries },
    List { id: "journal", title: "Work on controllers", parameters: JOURNAL, ask: work },
    List { id: "points", title: "Points", parameters: POINTS, ask: of_points },
    List { id: "events", title: "Timeline", parameters: EVENTS, ask: events },
];

/// A question that comes with the console.
struct Common {
    id: &'static str,
    name: &'static str,
    what: &'static str,
    list: &'static str,
    query: &'static str,
}

const COMMON: [Common; 10] = [
    Common {
        id: "programming",
        name: "Programming of controllers",
        what: "Programs loaded or deleted, configurations and firmware written, controllers started, stopped and restarted.",
        list: "journal",
        query: "operation=program-write,program-delete,config-write,firmware,mode-run,mode-stop,restart&limit=1000",
    },
    Common {
        id: "internet-contact",
        name: "Contact with the internet",
        what: "Devices that asked public addresses, and what became of it.",
        list: "baseline",
        query: "kind=connection&space=internet-connection,internet-attempt",
    },
    Common {
        id: "remote-access",
        name: "Remote access",
        what: "Remote sessions (RDP, VNC, SSH, Telnet, TeamViewer): from where, to where, how often.",
        list: "baseline",
        query: "kind=operation&space=remote-session",
    },
    Common {
        id: "active-devices",
        name: "Active devices",
        what: "Devices seen in the last day of packet time.",
        list: "devices",
        query: "since=-1d",
    },
    Common {
        id: "inactive-devices",
        name: "Inactive devices",
        what: "Devices that were not seen in the last day of packet time.",
        list: "devices",
        query: "quiet_since=-1d",
    },
    Common {
        id: "new-devices",
        name: "New in the last day",
        what: "Devices first seen in the last day of packet time.",
        list: "devices",
        query: "new_since=-1d",
    },
    Common {
        id: "unauthenticated-writes",
        name: "Unauthenticated writes",
        what: "Who commands whom by Modbus and S7comm, whose requests prove nothing of who asks. Of DNP3 the recommendations \
            of the outstation tell whether secure authentication is in use.",
        list: "baseline",
        query: "kind=operation&space=command&protocol=modbus,s7comm",
    },
    Common {
        id: "clear-text-sign-ins",
        name: "Sign-ins in clear text",
        what: "Where names and passwords crossed the network readable.",
        list: "baseline",
        query: "kind=operation&space=clear-text-sign-in",
    },
    Common {
        id: "firmware",
        name: "Firmware list",
        what: "What devices told of their product, firmware, software and hardware.",
        list: "firmware",
        query: "",
    },
    Common {
        id: "points-written",
        name: "Points written",
        what: "Registers, coils, points and variables that somebody wrote, with the range of values and the writers.",
        list: "points",
        query: "written=true",
    },
];

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Question {
    /// Id: a word for those that come with the console, a number for those that people keep.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it tells.
    pub what: String,
    /// The list that it asks: `alerts`, `devices`, `firmware`, `baseline`, `journal`, `points` or `events`.
    pub list: String,
    /// The filters of that list, as in an address.
    pub query: String,
    /// Who keeps it; null for those that come with the console.
    pub user: Option<String>,
}

impl From<&Common> for Question {
    fn from(common: &Common) -> Self {
        Self {
            id: common.id.to_owned(),
            name: common.name.to_owned(),
            what: common.what.to_owned(),
            list: common.list.to_owned(),
            query: common.query.to_owned(),
            user: None,
        }
    }
}

impl From<QuestionRow> for Question {
    fn from(row: QuestionRow) -> Self {
        let list = list(&row.list).map_or_else(|| row.list.clone(), |list| list.title.to_owned());
        Self {
            id: row.id.to_string(),
            name: row.name,
            what: list,
            list: row.list,
            query: row.query,
            user: Some(row.user),
        }
    }
}

/// All questions: those that come with the console, then those that people keep.
///
/// # Errors
/// As the store's.
pub fn questions(call: &Call) -> Result<Vec<Question>, Problem> {
    let mut all: Vec<Question> = COMMON.iter().map(Question::from).collect();
    all.extend(call.app.access().questions()?.into_iter().map(Question::from));
    Ok(all)
}

/// The question of an id.
///
/// # Errors
/// Where there is none.
pub fn question(call: &Call, id: &str) -> Result<Question, Problem> {
    let found = questions(call)?.into_iter().find(|question| question.id == id);
    found.ok_or_else(|| Problem::not_found(format!("There is no question {id:?}; /api/v1/questions lists them.")))
}

/// The list of an id.
pub fn list(id: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.id == id)
}

/// Ids of the lists.
pub fn list_ids() -> Vec<&'static str> {
    LISTS.iter().map(|list| list.id).collect()
}

/// Checks filters against a list.
///
/// # Errors
/// What is wrong and what to write.
pub fn check(list: &List, query: &[(String, String)]) -> Result<(), Problem> {
    for (name, value) in query {
        let known = list.parameters.iter().chain(filter::PAGE).find(|parameter| parameter.name == name);
        let Some(parameter) = known else {
            let known: Vec<&str> = list.parameters.iter().map(|parameter| parameter.name).collect();
            return Err(Problem::bad_request(format!(
                "{} have no filter {name:?}; known: {}",
                list.id,
                known.join(", ")
            )));
        };
        if !value.is_empty() && parameter.name != "limit" {
            parameter.kind.check(name, value)?;
        }
    }
    Ok(())
}

/// Asks a list with filters.
///
/// # Errors
/// Where a filter is wrong, or as the view's.
pub fn ask(
    call: &Call,
    reader: &Reader,
    list: &List,
    query: &[(String, String)],
    limit: u32,
    cursor: Option<&str>,
) -> Result<Mined, Problem> {
    check(list, query)?;
    let mut query: Vec<(String, String)> =
        query.iter().filter(|(name, _)| !matches!(name.as_str(), "limit" | "cursor")).cloned().collect();
    query.push(("limit".to_owned(), limit.to_string()));
    query.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_owned())));
    let inner = Call {
        app: Arc::clone(&call.app),
        route: call.route,
        path: Vec::new(),
        uri: call.uri.clone(),
        query,
        body: Bytes::new(),
        identity: call.identity.clone(),
        address: call.address.clone(),
        partial: false,
    };
    (list.ask)(&inner, reader, limit)
}

/// Keeps a question; its number.
///
/// # Errors
/// Where it is wrong, or there are too many.
pub fn keep(call: &Call, name: &str, list_id: &str, query: &str) -> Result<u32, Problem> {
    let name: String = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("name: write 1 to {NAME} letters")));
    }
    let Some(list) = list(list_id) else {
        return Err(Problem::bad_request(format!("list: {list_id:?} is not one of {}", list_ids().join(", "))));
    };
    let mut fields = form::parse(query.trim_start_matches('?').as_bytes());
    fields.retain(|(name, value)| !value.is_empty() && !matches!(name.as_str(), "cursor" | "list" | "question"));
    check(list, &fields)?;
    let query = form::write(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if query.len() > QUERY {
        return Err(Problem::bad_request(format!("query: longer than {QUERY} bytes")));
    }
    let added = call.app.access().add_question(call.who(), &name, list.id, &query, wall_clock())?;
    added.ok_or_else(|| Problem::conflict("There are too many kept questions; remove some."))
}

/// Forgets a kept question: one's own, or any as an administrator.
///
/// # Errors
/// Where there is none, or it is another's.
pub fn forget(call: &Call) -> Result<(), Problem> {
    let found = question(call, call.part("question"))?;
    let Some(owner) = found.user else {
        return Err(Problem::conflict("This question comes with the console and stays."));
    };
    if owner != call.who() && !call.may(ot_store::UserRole::Administrator) {
        return Err(Problem::forbidden(format!("This question is kept by {owner}; ask them, or an administrator.")));
    }
    call.app.access().remove_question(call.number("question")?)?;
    Ok(())
}

fn alerts(call: &Call, reader: &Reader, limit: u32) -> Result<Mined, Problem> {
    let filter = filter::alerts(call, reader, limit)?;
    let found = alerts_page(&Names::new(reader), &filter, filter::alert_place(call, &filter)?)?;
    Ok(mining::of_alerts(&found.lines).then(found.next.as_ref().map(ToString::to_string)))
}

fn of_devices(call: &Call, reader: &Reader, limit: u32) -> Result<Mined, Problem> {
    let found = devices(&Names::new(reader), &filter::devices(call, reader, limit)?)?;
    let (items, next) = filter::page(found, filter::skip(call)?, limit);
    Ok(mining::of_devices(&items).then(next))
}

fn firmware(call: &Call, reader: &Reader, limit: u32) -> Result<Mined, Problem> {
    let mut found = mining::firmware(&Names::new(reader), &filter::devices(call, reader, limit)?)?;
    let (rows, next) = filter::page(found.rows, filter::skip(call)?, limit);
    found.rows = rows;
    Ok(found.then(next))
}

fn of_entries(call: &Call, reader: &Reader, limit: u32) -> Result<Mined, Problem> {
    let found = entries(&Names::new(reader), &filter::baseline(call, reader, limit)?)?;
    let (items, next) = filter::page(found, filter::skip(call)?, limit);
    Ok(mining::of_entries(&items).then(next))
}

fn of_points(call: &Call, reader: &Reader, limit: u32) -> Result<Mined, Problem> {
    let found = points(&Names::new(reader), &filter::points(call, reader, limit)?)?;
    let (items, next) = filter::page(found, filter::skip(call)?, limit);
    Ok(mining::of_points(&items).then(next))
}

fn work(call: &Call, reader: &Reader, _: u32) -> Result<Mined, Problem> {
    let mut found = journal(&Names::new(reader), &filter::journal(call, reader)?)?;
    found.reverse();
    Ok(mining::of_work(&found))
}

fn events(call: &Call, reader: &Reader, limit: u32) -> Result<Mined, Problem> {
    let (items, next) = api::devices::event_page(call, reader, limit)?;
    Ok(mining::of_events(&items).then(next))
}
