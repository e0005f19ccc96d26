//! `/api/v1/questions`: what everybody asks, and what people keep.

use crate::call::{Answer, Call};
use crate::filter::PAGE;
use crate::form;
use crate::mining::{self, Question};
use crate::problem::Problem;
use crate::route::{Method, Returns, Route, Shape};
use ot_store::Scope;
use ot_store::read::Reader;
use ot_views::mining::Mined;
use serde::Deserialize;
use utoipa::ToSchema;

/// Routes of questions.
pub static ROUTES: &[Route] = &[
    Route::api("/api/v1/questions", "questions", "Questions that come with the console, and those that people keep.")
        .gives(Returns::List(Shape::of::<Question>()))
        .plain(|call| call.json(&mining::questions(call)?)),
    Route::api("/api/v1/questions/{question}", "question", "The answer to a question, as a table, page by page.")
        .with(&[PAGE])
        .gives(Returns::One(Shape::of::<Mined>()))
        .read(|call, reader| call.json(&answer(call, reader)?)),
    Route::act(Method::Post, "/api/v1/questions", "question-keep", "Keeps a question under a name.")
        .of_scope(Scope::Edit)
        .takes(Shape::of::<QuestionBody>())
        .gives(Returns::One(Shape::of::<Question>()))
        .plain(keep),
    Route::act(Method::Delete, "/api/v1/questions/{question}", "question-forget", "Forgets a question that one keeps.")
        .of_scope(Scope::Edit)
        .gives(Returns::List(Shape::of::<Question>()))
        .plain(|call| {
            mining::forget(call)?;
            call.json(&mining::questions(call)?)
        }),
];

/// A question to keep.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionBody {
    /// What it is called, 80 letters at most.
    pub name: String,
    /// The list that it asks: `alerts`, `devices`, `firmware`, `baseline`, `journal`, `points` or `events`.
    pub list: String,
    /// The filters of that list, as in an address: `status=new&severity=critical`.
    #[serde(default)]
    pub query: String,
}

fn answer(call: &Call, reader: &Reader) -> Result<Mined, Problem> {
    let question = mining::question(call, call.part("question"))?;
    let list = mining::list(&question.list)
        .ok_or_else(|| Problem::conflict(format!("This version knows no list {:?}.", question.list)))?;
    mining::ask(call, reader, list, &form::parse(question.query.as_bytes()), call.limit(100), call.one("cursor"))
}

fn keep(call: &Call) -> Result<Answer, Problem> {
    let body: QuestionBody = call.json_body()?;
    let id = mining::keep(call, &body.name, &body.list, &body.query)?;
    call.json(&mining::question(call, &id.to_string())?)
}
