//! From an HTTP request to its handler: body, identity, role, secret of the form, parameters, repetition, audit; and
//! from the answer to HTTP. Everything that holds for all routes is here.

use crate::app::App;
use crate::call::{Answer, Call, Identity};
use crate::form;
use crate::pages;
use crate::problem::Problem;
use crate::route::{Access, Format, Route, Run};
use crate::secret;
use crate::stream;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{MethodFilter, Router, on};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ot_store::{RequestState, UserRole, wall_clock};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a body.
pub const BODY_MOST: usize = 1 << 20;
/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(20);
/// How long a request waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(20);

/// From where a connection came.
#[derive(Clone, Debug)]
pub struct Peer(pub String);

/// The router of all routes.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for route in crate::routes::all() {
        let filter = match route.method {
            crate::route::Method::Get => MethodFilter::GET,
            crate::route::Method::Post => MethodFilter::POST,
            crate::route::Method::Patch => MethodFilter::PATCH,
            crate::route::Method::Delete => MethodFilter::DELETE,
        };
        let app = Arc::clone(app);
        router = router.route(
            route.path,
            on(filter, move |request: Request| {
                let app = Arc::clone(&app);
                async move { answer(app, route, request).await }
            }),
        );
    }
    let lost = |kind: fn(String) -> Problem| {
        move |request: Request| async move {
            let path = request.uri().path().to_owned();
            let format = if path.starts_with("/api/") { Format::Api } else { Format::Page };
            let what = format!("There is nothing at {path} that answers {}.", request.method());
            refuse(format, &path, &kind(what), None)
        }
    };
    let tls = app.tls;
    router
        .method_not_allowed_fallback(lost(Problem::method))
        .fallback(lost(Problem::not_found))
        .layer(axum::middleware::map_response(move |mut response: Response<Body>| async move {
            secure(response.headers_mut(), tls);
            response
        }))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
}

/// The header fields that every answer carries.
fn secure(headers: &mut HeaderMap, tls: bool) {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let fixed = [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not "no-referrer": with it a browser would not say which site a form comes from.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
}

async fn answer(app: Arc<App>, route: &'static Route, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let uri = head.uri.path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let address = head.extensions.get::<Peer>().map_or_else(String::new, |peer| peer.0.clone());
    if let Err(problem) = check_origin(route, &head.headers) {
        return refuse(route.format, &path, &problem, None);
    }
    let body = match read_body(route, body).await {
        Ok(body) => body,
        Err(problem) => return refuse(route.format, &path, &problem, None),
    };
    let query = form::parse(head.uri.query().unwrap_or_default().as_bytes());
    let partial = head.headers.contains_key("hx-request");
    let parts = match parts(route, &path) {
        Ok(parts) => parts,
        Err(problem) => return refuse(route.format, &path, &problem, None),
    };
    let mut call =
        Call { app: Arc::clone(&app), route, path: parts, uri, query, body, identity: None, address, partial };

    // Who asks; may they; is what they ask in order.
    let headers = head.headers;
    let checked = tokio::task::spawn_blocking(move || {
        let result = identify(&mut call, &headers).and_then(|()| admit(&call, &headers));
        (call, headers, result)
    })
    .await;
    let Ok((call, headers, result)) = checked else { return fault(route.format, &path) };
    if let Err(problem) = result {
        if route.format == Format::Page && problem.status == 401 && route.path != "/sign-in" {
            return write(pages::sign_in::instead(&call, &headers), &headers, false);
        }
        return refuse(route.format, &path, &problem, call.identity.as_ref());
    }
    if matches!(route.run, Run::Stream) {
        return match stream::answer(call, &headers).await {
            Ok(response) => response,
            Err(problem) => refuse(route.format, &path, &problem, None),
        };
    }

    // Its turn: passwords take memory, questions take the disk.
    let turns = if route.id == "sign-in-do" || route.id.starts_with("user-") { &app.checks } else { &app.questions };
    let turn = tokio::time::timeout(TURN_WITHIN, Arc::clone(turns).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let problem = Problem::unavailable("Too many requests wait; try again.").after(5);
        return refuse(route.format, &path, &problem, call.identity.as_ref());
    };
    let identity = call.identity.clone();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let answer = once(&call, &headers);
        (answer, headers)
    })
    .await;
    match done {
        Ok((Ok(answer), headers)) => write(answer, &headers, !route.writes()),
        Ok((Err(problem), _)) => refuse(route.format, &path, &problem, identity.as_ref()),
        Err(_) => fault(route.format, &path),
    }
}

/// The parts of the path that have names.
fn parts(route: &Route, path: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut parts = Vec::new();
    for (pattern, part) in route.path.split('/').zip(path.split('/')) {
        let Some(name) = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else { continue };
        let escaped = [("x", part)];
        let text = form::parse(format!("{}={}", escaped[0].0, part.replace('+', "%2B").replace('&', "%26")).as_bytes());
        let value = form::value(&text, "x").to_owned();
        if value.is_empty() || value.len() > 256 || value.contains(['/', '\\', '\0']) || value.contains("..") {
            return Err(Problem::not_found(format!("There is nothing at {path}.")));
        }
        parts.push((name.to_owned(), value));
    }
    Ok(parts)
}

/// What changes something must come from a page of ours, or from a program.
fn check_origin(route: &Route, headers: &HeaderMap) -> Result<(), Problem> {
    if !route.writes() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = || Problem::forbidden("The request comes from a page of another site.");
    if let Some(site) = text("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return Err(foreign());
    }
    if let Some(origin) = text("origin") {
        let host = origin.split_once("://").map(|(_, host)| host);
        if host.is_none() || host != text("host") {
            return Err(foreign());
        }
    }
    Ok(())
}

async fn read_body(route: &Route, body: Body) -> Result<Bytes, Problem> {
    if !route.writes() {
        return Ok(Bytes::new());
    }
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_MOST).collect()).await {
        Err(_) => Err(Problem::timeout(format!("The body did not come within {} seconds.", BODY_WITHIN.as_secs()))),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::too_large(format!("The body is larger than {} KiB.", BODY_MOST >> 10)))
        }
        Ok(Err(_)) => Err(Problem::bad_request("The body broke off.")),
    }
}

/// Who asks: by token, else by the cookie of a session.
fn identify(call: &mut Call, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = text(header::AUTHORIZATION) {
        let token = authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim()).filter(|token| token.len() <= 256);
        call.identity = token.map(|token| call.app.by_token(token)).transpose()?.flatten();
        if call.identity.is_none() {
            return Err(Problem::unauthorised("The token is not known, or has expired."));
        }
        return Ok(());
    }
    if let Some(secret) = cookie(headers, call.app.cookie()) {
        call.identity = call.app.by_session(&secret)?;
    }
    Ok(())
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
        .filter(|value| value.len() == 64)
}

/// Whether what is asked may be asked.
fn admit(call: &Call, headers: &HeaderMap) -> Result<(), Problem> {
    let route = call.route;
    if let Access::Role(needed) = route.access {
        let Some(identity) = &call.identity else {
            return Err(Problem::unauthorised("Sign in first, or send a token: Authorization: Bearer …"));
        };
        if identity.role < needed {
            return Err(Problem::forbidden(format!(
                "This is for the role {}; {} is {}. Ask an administrator.",
                needed.as_str(),
                identity.name,
                identity.role.as_str()
            )));
        }
        if let Some(scopes) = &identity.scopes
            && !scopes.contains(&route.scope())
        {
            let own: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
            return Err(Problem::forbidden(format!(
                "This needs a token with scope {}; this one has {own}. Ask an administrator for another token.",
                route.scope().as_str()
            )));
        }
        if route.writes()
            && let Some(csrf) = &identity.csrf
        {
            let field = || form::value(&call.form(), "csrf").to_owned();
            let given = headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).map(str::to_owned);
            if !secret::same(csrf, &given.unwrap_or_else(field)) {
                return Err(Problem::forbidden("The form is old or not ours; open the page again."));
            }
        }
    }
    if route.writes() && !call.body.is_empty() {
        let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let wanted = match route.format {
            Format::Api => "application/json",
            Format::Page => "application/x-www-form-urlencoded",
        };
        if media != wanted {
            return Err(Problem::media_type(format!("The body must be {wanted}.")));
        }
    }
    call.check_query()
}

/// Runs the handler; where the request carries a key, at most once.
fn once(call: &Call, headers: &HeaderMap) -> Result<Answer, Problem> {
    let key = headers.get("idempotency-key").filter(|_| call.route.writes() && call.route.format == Format::Api);
    let Some(key) = key else { return handle(call) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 128);
    let key = key.ok_or_else(|| Problem::bad_request("Idempotency-Key: 1 to 128 characters of ASCII."))?;
    let mut digest = Sha256::new();
    for part in [call.route.id.as_bytes(), call.uri.as_bytes(), &call.body] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let who = call.who();
    let state = call.app.access().begin_request(who, key, &digest.finalize(), wall_clock())?;
    match state {
        RequestState::Done(status, body) => {
            Ok(Answer::bytes("application/json", body).status(status).with("idempotency-replayed", "true"))
        }
        RequestState::Other => Err(Problem::key_used("Idempotency-Key: another request was made with this key.")),
        RequestState::Begun => Err(Problem::conflict(
            "The request with this Idempotency-Key was begun and is not known to be done; look at what it was to change.",
        )),
        RequestState::New => {
            let answer = handle(call);
            // What was refused changed nothing, and may be tried again.
            let kept = answer.as_ref().ok().map(|answer| (answer.status, answer.body.as_slice()));
            call.app.access().end_request(who, key, kept)?;
            answer
        }
    }
}

fn handle(call: &Call) -> Result<Answer, Problem> {
    let answer = match call.route.run {
        Run::Read(ask) => call.app.readers.read(|reader| ask(call, reader)),
        Run::Plain(act) => act(call),
        Run::Stream => Err(Problem::internal("a stream is no answer")),
    };
    if call.route.writes() && call.identity.is_some() {
        let what = match &answer {
            Ok(_) => call.uri.clone(),
            Err(problem) => format!("{}: {} {}", call.uri, problem.status, problem.detail),
        };
        let what: String = what.chars().take(500).collect();
        call.app.access().audit(wall_clock(), call.who(), &call.address, call.route.id, &what)?;
    }
    answer
}

/// The answer as HTTP; 304 where the client has it already.
fn write(answer: Answer, headers: &HeaderMap, tag: bool) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    if tag && answer.status == 200 {
        let digest = Sha256::digest(&answer.body);
        let etag = format!("\"{}\"", secret::hexadecimal(digest.get(..12).unwrap_or_default()));
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let same = known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*");
        if let Ok(value) = HeaderValue::from_str(&etag) {
            response.headers_mut().insert(header::ETAG, value);
        }
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
            return response;
        }
    }
    *response.body_mut() = Body::from(answer.body);
    response
}

/// A problem as HTTP: details for a program, a page for a person.
fn refuse(format: Format, path: &str, problem: &Problem, identity: Option<&Identity>) -> Response<Body> {
    let mut answer = match format {
        Format::Api => {
            let body = serde_json::to_vec(&problem.view(path)).unwrap_or_default();
            Answer::bytes("application/problem+json", body)
        }
        Format::Page => pages::problem(problem, identity),
    };
    answer.status = problem.status;
    if let Some(seconds) = problem.retry_after {
        answer = answer.with("retry-after", seconds.to_string());
    }
    if problem.status == 401 && format == Format::Api {
        answer = answer.with("www-authenticate", "Bearer");
    }
    write(answer, &HeaderMap::new(), false)
}

fn fault(format: Format, path: &str) -> Response<Body> {
    let problem = Problem::internal("This is a fault of ot-sensor; the message is on its standard error.");
    refuse(format, path, &problem, None)
}

/// Whether the role of an identity suffices; for tests and pages.
pub fn suffices(access: Access, role: Option<UserRole>) -> bool {
    match access {
        Access::Anyone => true,
        Access::Role(needed) => role.is_some_and(|role| role >= needed),
    }
}
