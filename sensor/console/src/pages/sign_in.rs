//! Signing in and out.

use super::{Frame, render};
use crate::call::{Answer, Call, local};
use crate::form;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Route};
use askama::Template;
use axum::http::HeaderMap;
use ot_store::{UserRole, wall_clock};

const NEXT: &[Parameter] = &[Parameter { name: "next", kind: Kind::Text, doc: "Where to go after" }];

/// Routes of signing in.
pub static ROUTES: &[Route] = &[
    Route::page("/sign-in", "sign-in", "Asks for name and password.").for_anyone().with(&[NEXT]).plain(show),
    Route::form("/sign-in", "sign-in-do", "Begins a session.").for_anyone().plain(sign_in),
    Route::form("/sign-out", "sign-out", "Ends the session.").for_role(UserRole::Viewer).plain(sign_out),
];

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    frame: Frame,
    next: &'a str,
    name: &'a str,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "again.html")]
struct Again<'a> {
    frame: Frame,
    target: &'a str,
}

/// What a person gets who is not signed in: the way to the sign-in page. Somebody who follows a link from another site
/// gets the same address once more, for a browser sends the cookie only with requests that begin here.
pub fn instead(call: &Call, headers: &HeaderMap) -> Answer {
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    if foreign && !call.route.writes() {
        let page = Again { frame: Frame::of("One moment", "", None), target: local(&call.uri) };
        if let Ok(answer) = render(&page) {
            return answer;
        }
    }
    let target = if call.route.writes() { "/" } else { local(&call.uri) };
    let mut answer = Answer::to(&format!("/sign-in?{}", form::write([("next", target)])));
    if call.partial {
        // A part of a page cannot become the sign-in page: the whole page goes there.
        answer = Answer { status: 200, headers: vec![("hx-redirect", "/sign-in".to_owned())], body: Vec::new() };
    }
    answer
}

fn show(call: &Call) -> Result<Answer, Problem> {
    let next = local(call.one("next").unwrap_or("/"));
    if call.identity.is_some() {
        return Ok(Answer::to(next));
    }
    render(&Page { frame: Frame::of("Sign in", "", None), next, name: "", problem: None })
}

fn sign_in(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let (name, next) = (form::value(&fields, "name").trim(), local(form::value(&fields, "next")));
    match call.app.sign_in(name, form::value(&fields, "password"), &call.address) {
        Ok(secret) => {
            let secure = if call.app.tls { "; Secure" } else { "" };
            let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}", call.app.cookie());
            Ok(Answer::to(next).with("set-cookie", cookie))
        }
        Err(problem) if problem.status == 401 || problem.status == 429 => {
            let page =
                Page { frame: Frame::of("Sign in", "", None), next, name, problem: Some(problem.detail.clone()) };
            let answer = render(&page)?.status(problem.status);
            Ok(match problem.retry_after {
                Some(seconds) => answer.with("retry-after", seconds.to_string()),
                None => answer,
            })
        }
        Err(problem) => Err(problem),
    }
}

fn sign_out(call: &Call) -> Result<Answer, Problem> {
    if let Some(session) = call.identity.as_ref().and_then(|identity| identity.session) {
        call.app.access().end_session(&session, wall_clock().plus(-crate::app::IDLE))?;
    }
    let secure = if call.app.tls { "; Secure" } else { "" };
    let cookie = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{secure}", call.app.cookie());
    Ok(Answer::to("/sign-in").with("set-cookie", cookie).with("clear-site-data", "\"cache\", \"storage\""))
}
