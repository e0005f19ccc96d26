//! Data mining: questions to the store, kept under names, as tables and CSV.

use super::{Frame, render, show};
use crate::call::{Answer, Call};
use crate::filter::PAGE;
use crate::form;
use crate::mining::{self, LISTS, List, Question, list_ids};
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Returns, Route};
use askama::Template;
use ot_store::Scope;
use ot_store::UserRole;
use ot_store::read::Reader;
use ot_views::mining::Mined;

/// Rows of a page, and of a CSV file at most.
const USUAL: u32 = 100;
const CSV_MOST: u32 = 5_000;
/// Letters from which on a text needs a wide column.
const LONG: usize = 60;
/// Parameters that are not filters of a list.
const OWN: [&str; 6] = ["question", "list", "cursor", "limit", "done", "act"];

const VIEW: &[Parameter] = &[
    Parameter { name: "question", kind: Kind::Text, doc: "A question, by id" },
    Parameter { name: "list", kind: Kind::Word(list_ids), doc: "Or a list, with its filters" },
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
];

/// Routes of data mining.
pub static ROUTES: &[Route] = &[
    Route::page("/mining", "page-mining", "Questions to the store, and their answers.").with(&[VIEW, PAGE]).read(page),
    Route::page("/mining.csv", "page-mining-csv", "The answer to a question as CSV.")
        .with(&[VIEW])
        .gives(Returns::Bytes("text/csv"))
        .read(csv),
    Route::form("/mining/questions", "form-question-keep", "Keeps a question under a name.")
        .of_scope(Scope::Edit)
        .plain(keep),
    Route::form("/mining/questions/{question}/remove", "form-question-forget", "Forgets a question that one keeps.")
        .of_scope(Scope::Edit)
        .plain(|call| {
            mining::forget(call)?;
            Ok(Answer::to("/mining?done=forgotten"))
        }),
];

/// A filter as a field.
struct Input {
    name: &'static str,
    doc: &'static str,
    value: String,
    choices: Vec<&'static str>,
    several: bool,
}

impl Input {
    fn is_chosen(&self, choice: &str) -> bool {
        self.value.split(',').any(|value| value == choice)
    }
}

#[derive(Template)]
#[template(path = "mining.html")]
struct Page {
    frame: Frame,
    questions: Vec<Question>,
    /// The question that is asked.
    question: Option<Question>,
    lists: &'static [List],
    /// The list that is asked.
    list: Option<&'static List>,
    inputs: Vec<Input>,
    query: String,
    found: Option<Mined>,
    csv: String,
    next: Option<String>,
    /// Whether who looks may forget the question.
    own: bool,
}

impl Page {
    /// The class of a cell of the answer.
    fn class(&self, at: &usize, cell: &str) -> &'static str {
        let column = self.found.as_ref().and_then(|found| found.columns.get(*at));
        match column.map(|column| column.kind) {
            Some("text") if cell.chars().count() > LONG => "mined long",
            Some("text") | None => "mined",
            Some(kind) => kind,
        }
    }
}

/// What is asked for: a question, or a list with filters.
type Asked = (Option<Question>, Option<&'static List>, Vec<(String, String)>);

fn asked(call: &Call) -> Result<Asked, Problem> {
    if let Some(id) = call.one("question") {
        let question = mining::question(call, id)?;
        let list = mining::list(&question.list);
        let fields = form::parse(question.query.as_bytes());
        return Ok((Some(question), list, fields));
    }
    let filters = call.query.iter().filter(|(name, value)| !value.is_empty() && !OWN.contains(&name.as_str()));
    Ok((None, call.one("list").and_then(mining::list), filters.cloned().collect()))
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let (question, list, fields) = asked(call)?;
    let found = match list {
        None => None,
        Some(list) => Some(mining::ask(call, reader, list, &fields, call.limit(USUAL), call.one("cursor"))?),
    };
    let write = |more: &[(&str, &str)]| {
        let own = match (&question, list) {
            (Some(question), _) => vec![("question", question.id.as_str())],
            (None, Some(list)) => vec![("list", list.id)],
            (None, None) => Vec::new(),
        };
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields = fields.filter(|_| question.is_none());
        form::write(own.into_iter().chain(fields).chain(more.iter().copied()))
    };
    let next = found.as_ref().and_then(|found| found.next.as_deref());
    let next = next.map(|cursor| format!("/mining?{}", write(&[("cursor", cursor)])));
    let own = question
        .as_ref()
        .and_then(|question| question.user.as_deref())
        .is_some_and(|user| (user == call.who() && call.may(UserRole::Analyst)) || call.may(UserRole::Administrator));
    render(&Page {
        frame: Frame::new("Data mining", "mining", call),
        questions: mining::questions(call)?,
        lists: &LISTS,
        list,
        inputs: list.map_or_else(Vec::new, |list| inputs(list, &fields)),
        query: form::write(
            fields.iter().filter(|(name, _)| name != "limit").map(|(name, value)| (name.as_str(), value.as_str())),
        ),
        csv: format!("/mining.csv?{}", write(&[])),
        next,
        own,
        found,
        question,
    })
}

fn inputs(list: &List, fields: &[(String, String)]) -> Vec<Input> {
    let input = |parameter: &Parameter| {
        let values = fields.iter().filter(|(name, _)| name == parameter.name).map(|(_, value)| value.as_str());
        let (choices, several) = match parameter.kind {
            Kind::Words(known) => (known(), true),
            Kind::Word(known) => (known(), false),
            Kind::Truth => (vec!["true", "false"], false),
            _ => (Vec::new(), false),
        };
        Input {
            name: parameter.name,
            doc: parameter.doc,
            value: values.collect::<Vec<_>>().join(","),
            choices,
            several,
        }
    };
    list.parameters.iter().filter(|parameter| parameter.name != "limit").map(input).collect()
}

fn csv(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let (question, list, fields) = asked(call)?;
    let list = list.ok_or_else(|| Problem::bad_request("question or list: say what is asked"))?;
    let found = mining::ask(call, reader, list, &fields, CSV_MOST, None)?;
    let name = question.map_or_else(|| list.id.to_owned(), |question| question.id);
    Ok(Answer::file("text/csv; charset=utf-8", &format!("{name}.csv"), found.csv().into_bytes()))
}

fn keep(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let text = |name: &str| form::value(&fields, name);
    let id = mining::keep(call, text("name"), text("list"), text("query"))?;
    Ok(Answer::to(&format!("/mining?question={id}&done=kept")))
}
