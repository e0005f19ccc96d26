//! The console over a real store: every route, who may use it, and what must not work.

use anyhow::{Context as _, Result, ensure};
use ot_console::dispatch::suffices;
use ot_console::route::{Access, Format, Method, Route};
use ot_console::routes;
use ot_store::{Scope, UserRole};
use ot_tests::console::{Console, PASSWORD, ROLES, Session};
use ot_tests::http::{Reply, read, send};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// One console for all tests that leave it as it is for the others; they run one after the other.
fn console() -> Result<MutexGuard<'static, Console>> {
    static CONSOLE: OnceLock<Mutex<Console>> = OnceLock::new();
    if CONSOLE.get().is_none() {
        let _ = CONSOLE.set(Mutex::new(Console::start()?));
    }
    Ok(CONSOLE.get().context("no console")?.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How a route is asked in these tests, and what it answers an administrator.
struct Example {
    id: &'static str,
    path: &'static str,
    body: &'static str,
    status: u16,
}

const fn get(id: &'static str, path: &'static str) -> Example {
    Example { id, path, body: "", status: 200 }
}

const fn api(id: &'static str, path: &'static str, body: &'static str) -> Example {
    Example { id, path, body, status: 200 }
}

const fn form(id: &'static str, path: &'static str, body: &'static str) -> Example {
    Example { id, path, body, status: 303 }
}

/// Every route. `ALERT` and `FIRST` stand for ids of alerts, `DEVICE` for the number of a device.
const EXAMPLES: &[Example] = &[
    get("overview", "/api/v1/overview"),
    get("alerts", "/api/v1/alerts?severity=critical,major&sort=severity&limit=2"),
    get("alerts-stream", "/api/v1/alerts/stream"),
    get("alert", "/api/v1/alerts/ALERT"),
    get("alert-violations", "/api/v1/alerts/ALERT/violations"),
    get("alert-related", "/api/v1/alerts/ALERT/related"),
    get("alert-timeline", "/api/v1/alerts/ALERT/timeline?around=60"),
    get("alert-messages", "/api/v1/alerts/ALERT/messages"),
    get("alert-packets", "/api/v1/alerts/ALERT/packets.pcapng"),
    get("alert-bundle", "/api/v1/alerts/ALERT/bundle.tar.gz"),
    api("alert-status", "/api/v1/alerts/ALERT/status", r#"{"status": "active", "why": "mine"}"#),
    api("alert-learn-preview", "/api/v1/alerts/ALERT/learn/preview", r#"{"scope": "pair"}"#),
    api("alert-learn", "/api/v1/alerts/ALERT/learn", r#"{"why": "planned"}"#),
    api("alert-unlearn", "/api/v1/alerts/ALERT/unlearn", r#"{"why": "not planned"}"#),
    api("alert-mute", "/api/v1/alerts/ALERT/mute", "{}"),
    api("alert-unmute", "/api/v1/alerts/ALERT/unmute", "{}"),
    api("alert-comment", "/api/v1/alerts/ALERT/comment", r#"{"comment": "called the shift lead"}"#),
    api("alerts-act", "/api/v1/alerts/actions", r#"{"alerts": ["ALERT"], "action": "new"}"#),
    get("devices", "/api/v1/devices?ot=true"),
    get("device", "/api/v1/devices/10.20.0.11"),
    api(
        "device-set",
        "/api/v1/devices/DEVICE",
        r#"{"set": {"owner": "maintenance"}, "tags": ["press"], "why": "list"}"#,
    ),
    api("import-preview", "/api/v1/devices/import/preview", r#"{"csv": "ip,owner\n10.20.0.11,press shop\n"}"#),
    api("import", "/api/v1/devices/import", r#"{"csv": "ip,owner\n10.20.0.12,press shop\n", "why": "asset list"}"#),
    get("map", "/api/v1/map?by=zone&alerts=true"),
    get("map-svg", "/api/v1/map.svg"),
    get("points", "/api/v1/points?device=10.20.0.11"),
    get("programs", "/api/v1/programs"),
    get("program", "/api/v1/programs/2"),
    get("program-diff", "/api/v1/programs/2/diff"),
    get("journal", "/api/v1/journal?limit=5"),
    get("events", "/api/v1/events?limit=5"),
    get("learning", "/api/v1/learning"),
    get("learning-mode", "/api/v1/learning/mode"),
    api("learning-mode-set", "/api/v1/learning/mode", r#"{"mode": "learning", "for": "1s", "why": "test"}"#),
    get("baseline", "/api/v1/baseline?limit=5"),
    get("baseline-export", "/api/v1/baseline.txt"),
    get("maintenance", "/api/v1/maintenance?all=true"),
    get("maintenance-report", "/api/v1/maintenance/report?around=1h"),
    api(
        "maintenance-add",
        "/api/v1/maintenance",
        r#"{"ticket": "CHG-1", "devices": ["10.20.0.12"], "start": "2026-01-15T08:00:00Z", "for": "1h"}"#,
    ),
    Example { id: "maintenance-remove", path: "/api/v1/maintenance/999999/remove", body: "{}", status: 404 },
    get("baseline-acts", "/api/v1/baseline/acts"),
    Example { id: "baseline-undo", path: "/api/v1/baseline/acts/999999/undo", body: "{}", status: 404 },
    Example { id: "baseline-remove", path: "/api/v1/baseline/entries/999999/remove", body: "{}", status: 404 },
    Example {
        id: "baseline-expire",
        path: "/api/v1/baseline/entries/999999/expire",
        body: r#"{"for": "30d", "why": "contractor"}"#,
        status: 404,
    },
    api("baseline-reset", "/api/v1/baseline/reset", r#"{"device": "10.20.0.66", "why": "gone"}"#),
    get("questions", "/api/v1/questions"),
    get("question", "/api/v1/questions/unauthenticated-writes?limit=5"),
    api(
        "question-keep",
        "/api/v1/questions",
        r#"{"name": "critical", "list": "alerts", "query": "severity=critical"}"#,
    ),
    Example { id: "question-forget", path: "/api/v1/questions/firmware", body: "", status: 409 },
    get("stats", "/api/v1/stats"),
    get("healthz", "/healthz"),
    get("metrics", "/metrics"),
    get("catalogue", "/api/v1/catalogue"),
    get("catalogue-type", "/api/v1/catalogue/new-master"),
    get("attack", "/api/v1/attack"),
    get("attack-navigator", "/api/v1/attack/navigator.json"),
    get("command", "/api/v1/commands/1"),
    get("session", "/api/v1/session"),
    get("audit", "/api/v1/audit?limit=5"),
    get("openapi", "/api/v1/openapi.json"),
    Example { id: "sign-in", path: "/sign-in", body: "", status: 303 },
    form("sign-in-do", "/sign-in", "name=viewer&password=a+password+for+tests"),
    get("page-overview", "/"),
    get("page-alerts", "/alerts?status=new,active&group=type&columns=title,zone&text=a"),
    get("page-alerts-csv", "/alerts.csv?status=new"),
    get("page-alert-pane", "/alerts/ALERT/pane"),
    form("form-alerts-act", "/alerts/act", "alert=ALERT&action=active&why=x&back=/alerts"),
    get("page-alert", "/alerts/ALERT?tab=all"),
    get("page-learn", "/alerts/ALERT/learn?scope=exact"),
    form("form-alert-act", "/alerts/ALERT/act", "action=comment&why=seen"),
    get("page-alert-packets", "/alerts/ALERT/packets.pcapng"),
    get("page-alert-bundle", "/alerts/ALERT/bundle.tar.gz"),
    get("page-alert-violations", "/alerts/ALERT/violations.csv"),
    Example { id: "form-undo", path: "/baseline/acts/999999/undo", body: "why=x", status: 404 },
    get("page-devices", "/devices?role=controller"),
    get("page-devices-csv", "/devices.csv"),
    get("page-device", "/devices/DEVICE?tab=points"),
    form("form-device", "/devices/DEVICE", "location=hall+3&why=seen"),
    get("page-import", "/devices/import"),
    Example {
        id: "form-import-preview",
        path: "/devices/import/preview",
        body: "csv=ip,zone%0A10.20.0.12,Press",
        status: 200,
    },
    form("form-import", "/devices/import", "csv=ip,location%0A10.20.0.12,hall+3"),
    get("page-map", "/map?device=10.20.0.11"),
    get("page-map-svg", "/map.svg?by=subnet"),
    get("page-events", "/events?since=-1d"),
    get("page-baseline", "/baseline?kind=function"),
    get("page-mining", "/mining?list=devices&role=controller"),
    get("page-mining-csv", "/mining.csv?question=points-written"),
    form("form-question-keep", "/mining/questions", "name=new&list=devices&query=new_since%3D-1d"),
    Example { id: "form-question-forget", path: "/mining/questions/999999/remove", body: "", status: 404 },
    get("page-maintenance", "/maintenance?all=true"),
    get("page-maintenance-report", "/maintenance/report"),
    form("form-maintenance-add", "/maintenance", "ticket=CHG-2&devices=10.20.0.12&start=2026-01-15T08:00:00Z&for=1h"),
    Example { id: "form-maintenance-remove", path: "/maintenance/999999/remove", body: "why=x", status: 404 },
    get("page-entry", "/baseline/entries/1"),
    Example { id: "form-entry-remove", path: "/baseline/entries/999999/remove", body: "why=x", status: 404 },
    Example { id: "form-entry-expire", path: "/baseline/entries/999999/expire", body: "never=1&why=x", status: 404 },
    get("page-mode", "/baseline/mode"),
    form("form-mode", "/baseline/mode", "mode=operational&why=test"),
    get("page-attack", "/attack?span=all"),
    get("page-navigator", "/attack/navigator.json"),
    get("page-catalogue", "/catalogue?text=modbus"),
    get("page-type", "/catalogue/new-master"),
    get("page-health", "/health"),
    get("page-users", "/users"),
    form("user-add", "/users", "name=carl&role=viewer&password=another+long+password"),
    form("user-role", "/users/carl/role", "role=analyst"),
    form("user-password", "/users/carl/password", "password=yet+another+password"),
    Example { id: "user-token-add", path: "/tokens", body: "user=carl&label=x&role=viewer&expires=1d", status: 200 },
    form("user-token-remove", "/tokens/1/remove", ""),
    form("user-remove", "/users/carl/remove", ""),
    get("page-account", "/account"),
    Example { id: "user-own-password", path: "/account", body: "old=wrong&password=yet+another+password", status: 403 },
    get("asset", "/assets/console.css"),
    get("robots", "/robots.txt"),
    get("favicon", "/favicon.ico"),
    form("sign-out", "/sign-out", ""),
];

fn route_of(example: &Example) -> Result<&'static Route> {
    routes::all().find(|route| route.id == example.id).with_context(|| format!("no route {}", example.id))
}

/// The example with what stands in the store.
fn filled(console: &Console, session: &Session, text: &str) -> Result<String> {
    let alerts = console.alerts(session, "type=new-master&fields=id,destination")?;
    let alert = alerts.first().context("no alert")?;
    let id = alert["id"].as_str().context("no id")?;
    let device = alert["destination"]["device_id"].to_string();
    Ok(text.replace("ALERT", id).replace("DEVICE", &device))
}

fn ask(session: Option<&Session>, console: &Console, route: &Route, path: &str, body: &str) -> Result<Reply> {
    let method = route.method.as_str().to_uppercase();
    let mut headers = Vec::new();
    let mut sent = body.to_owned();
    if route.method != Method::Get {
        headers.push(match route.format {
            Format::Api => ("content-type", "application/json"),
            Format::Page => ("content-type", "application/x-www-form-urlencoded"),
        });
        if route.format == Format::Page {
            sent = format!("csrf={}&{body}", session.map_or("", |session| session.csrf.as_str()));
        }
    }
    if let Some(session) = session {
        headers.push(("cookie", &session.cookie));
        headers.push(("x-csrf-token", &session.csrf));
    }
    if route.id == "alerts-stream" {
        return stream_head(console, session);
    }
    send(console.address, &method, path, &headers, sent.as_bytes())
}

/// The beginning of the stream; it does not end by itself.
fn stream_head(console: &Console, session: Option<&Session>) -> Result<Reply> {
    let mut stream = TcpStream::connect(console.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let cookie = session.map_or(String::new(), |session| format!("cookie: {}\r\n", session.cookie));
    write!(stream, "GET /api/v1/alerts/stream HTTP/1.1\r\nhost: {}\r\n{cookie}\r\n", console.address)?;
    let mut bytes = vec![0; 4096];
    let n = stream.read(&mut bytes)?;
    let text = String::from_utf8_lossy(bytes.get(..n).unwrap_or_default()).into_owned();
    let status = text.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Reply { status, headers: Vec::new(), body: text.into_bytes() })
}

#[test]
fn every_route_is_documented_and_has_an_example() -> Result<()> {
    let examples: Vec<&str> = EXAMPLES.iter().map(|example| example.id).collect();
    let mut ids = BTreeSet::new();
    for route in routes::all() {
        ensure!(ids.insert(route.id), "two routes are called {}", route.id);
        ensure!(examples.contains(&route.id), "no example of {} {}", route.id, route.path);
        ensure!(route.doc.len() > 10 && route.doc.ends_with('.'), "{}: no sentence says what it does", route.id);
        ensure!(route.path.starts_with('/'), "{}", route.path);
        ensure!(!route.writes() || route.access != Access::Anyone || route.id == "sign-in-do", "{} writes", route.id);
    }
    ensure!(examples.len() == ids.len(), "an example has no route");
    let document: Value = serde_json::from_slice(ot_console::api::document::bytes())?;
    ensure!(document["openapi"] == "3.1.0");
    for route in routes::all().filter(|route| route.format == Format::Api) {
        let operation = &document["paths"][route.path][route.method.as_str()];
        ensure!(operation["operationId"] == route.id, "{} is not in the document", route.id);
        ensure!(operation["summary"] == route.doc);
    }
    // Every reference leads somewhere.
    let text = document.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        ensure!(document["components"]["schemas"][name].is_object(), "{name} is not described");
    }
    Ok(())
}

#[test]
fn every_route_answers() -> Result<()> {
    let console = console()?;
    let mut session = console.sign_in("administrator")?;
    for example in EXAMPLES {
        let route = route_of(example)?;
        if example.id == "sign-out" {
            session = console.sign_in("administrator")?;
        }
        let (path, body) = (filled(&console, &session, example.path)?, filled(&console, &session, example.body)?);
        let reply = ask(Some(&session), &console, route, &path, &body)?;
        ensure!(reply.status == example.status, "{} {path}: {} {}", example.id, reply.status, reply.text());
        if route.format == Format::Page
            && reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
        {
            ensure!(reply.body.len() < 300_000, "{path}: {} bytes", reply.body.len());
            ensure!(!reply.text().contains("style=\""), "{path} has a style of its own");
            ensure!(!reply.text().contains(" onclick="), "{path} has a script of its own");
        }
    }
    Ok(())
}

#[test]
fn a_route_answers_only_those_who_may() -> Result<()> {
    let console = console()?;
    let administrator = console.sign_in("administrator")?;
    for example in EXAMPLES {
        let route = route_of(example)?;
        let path = filled(&console, &administrator, example.path)?;
        for role in [None].into_iter().chain(ROLES.map(Some)) {
            let session = role.map(|role| console.sign_in(role)).transpose()?;
            let may = suffices(route.access, role.and_then(UserRole::parse));
            // What may be done is done by another test; here it is asked for something that cannot be.
            let body = if may && route.writes() { "" } else { example.body };
            let reply = ask(session.as_ref(), &console, route, &path, body)?;
            let refused = match (role, route.format) {
                (None, Format::Page) => {
                    reply.status == 303 && reply.header("location").is_some_and(|to| to.starts_with("/sign-in"))
                }
                (None, Format::Api) => reply.status == 401,
                (Some(_), _) => reply.status == 403 && !reply.text().contains("wrong; nothing was changed"),
            };
            ensure!(refused != may, "{} as {role:?}: {} {}", example.id, reply.status, reply.text());
        }
    }
    Ok(())
}

/// A token with a scope does what is of that scope, and nothing else, whatever its role.
#[test]
fn a_token_does_what_its_scope_is() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("administrator")?;
    for scope in Scope::ALL {
        let made = ot_tests::sensor::succeed(
            ot_tests::sensor::sensor()
                .args(["user", "token", "add", "administrator", "--label", "matrix", "--role", "administrator"])
                .args(["--scope", scope.as_str(), "--store"])
                .arg(&console.store),
        )?;
        let authorization = format!("Bearer {}", made.split_whitespace().nth(2).context("no token")?);
        let me = send(console.address, "GET", "/api/v1/session", &[("authorization", &authorization)], b"")?;
        ensure!((me.status == 200) == (scope == Scope::Read), "{scope:?}: {}", me.text());
        for example in EXAMPLES {
            let route = route_of(example)?;
            if route.access == Access::Anyone || route.id == "alerts-stream" {
                continue;
            }
            let path = filled(&console, &session, example.path)?;
            let method = route.method.as_str().to_uppercase();
            let headers = [("authorization", authorization.as_str())];
            // A body that no route takes: what may be done is refused for it, and nothing is done.
            let body: &[u8] = if route.writes() { b"?" } else { b"" };
            let reply = send(console.address, &method, &path, &headers, body)?;
            let refused = reply.status == 403 && reply.text().contains("needs a token with scope");
            ensure!(refused == (route.scope() != scope), "{scope:?} {}: {} {}", route.id, reply.status, reply.text());
        }
    }
    let list = ot_tests::sensor::succeed(
        ot_tests::sensor::sensor().args(["user", "token", "list", "--json", "--store"]).arg(&console.store),
    )?;
    ensure!(list.contains("\"scopes\":[\"triage\"]"), "{list}");
    let wrong = ot_tests::sensor::run(
        ot_tests::sensor::sensor()
            .args(["user", "token", "add", "administrator", "--label", "x", "--scope", "tirage", "--store"])
            .arg(&console.store),
    )?;
    ensure!(wrong.status.code() == Some(2) && String::from_utf8_lossy(&wrong.stderr).contains("triage"), "{wrong:?}");
    Ok(())
}

#[test]
fn answers_carry_what_keeps_browsers_safe() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("viewer")?;
    for path in ["/", "/api/v1/alerts", "/assets/console.js", "/nothing", "/api/v1/nothing"] {
        let reply = session.get(path)?;
        let policy = reply.header("content-security-policy").context("no policy")?;
        ensure!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        ensure!(!policy.contains("unsafe"), "{policy}");
        ensure!(reply.header("x-content-type-options") == Some("nosniff"));
        ensure!(reply.header("referrer-policy") == Some("same-origin"));
    }
    let form = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let reply = send(console.address, "POST", "/sign-in", &kind, form.as_bytes())?;
    let cookie = reply.header("set-cookie").context("no cookie")?;
    ensure!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
    Ok(())
}

#[test]
fn a_page_of_another_site_can_do_nothing() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let id = filled(&console, &session, "ALERT")?;
    let path = format!("/api/v1/alerts/{id}/comment");
    let body = json!({"comment": "forged"}).to_string();
    let kind = ("content-type", "application/json");
    let cookie = ("cookie", session.cookie.as_str());
    let tries: &[&[(&str, &str)]] = &[
        &[kind, cookie],
        &[kind, cookie, ("x-csrf-token", "0000")],
        &[kind, cookie, ("x-csrf-token", &session.csrf), ("origin", "https://evil.example")],
        &[kind, cookie, ("x-csrf-token", &session.csrf), ("sec-fetch-site", "cross-site")],
        &[kind, cookie, ("x-csrf-token", &session.csrf), ("origin", "null")],
    ];
    for headers in tries {
        let reply = send(console.address, "POST", &path, headers, body.as_bytes())?;
        ensure!(reply.status == 403, "{headers:?}: {}", reply.status);
    }
    // A form cannot pretend to be JSON.
    let headers = [("content-type", "text/plain"), cookie, ("x-csrf-token", session.csrf.as_str())];
    ensure!(send(console.address, "POST", &path, &headers, body.as_bytes())?.status == 415);
    let story = session.get(&format!("/api/v1/alerts/{id}"))?.text();
    ensure!(!story.contains("forged"));
    // Who follows a link from another site gets the same address once more, so that the cookie comes along.
    let reply = send(console.address, "GET", &format!("/alerts/{id}"), &[("sec-fetch-site", "cross-site")], b"")?;
    ensure!(
        reply.status == 200 && reply.text().contains(&format!("content=\"0;url=/alerts/{id}\"")),
        "{}",
        reply.text()
    );
    Ok(())
}

#[test]
fn what_filters_ask_is_never_a_statement() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("viewer")?;
    let all = console.alerts(&session, "limit=500&fields=id")?.len();
    let hostile = [
        "'",
        "' OR '1'='1",
        "'; DROP TABLE alert; --",
        "%",
        "_",
        "\\",
        "\") OR 1=1 --",
        "\u{0}",
        "💥",
        "../../etc/passwd",
    ];
    let lists = [
        ("/api/v1/alerts", ot_console::filter::ALERTS),
        ("/api/v1/devices", ot_console::filter::DEVICES),
        ("/api/v1/events", ot_console::filter::EVENTS),
        ("/api/v1/baseline", ot_console::filter::BASELINE),
        ("/api/v1/points", ot_console::filter::POINTS),
        ("/api/v1/journal", ot_console::filter::JOURNAL),
        ("/api/v1/programs", ot_console::filter::PROGRAMS),
        ("/api/v1/map", ot_console::filter::MAP),
        ("/alerts", ot_console::filter::ALERTS),
    ];
    for (path, parameters) in lists {
        for parameter in parameters {
            for value in hostile {
                let query = ot_console::form::write([(parameter.name, value)]);
                let reply = session.get(&format!("{path}?{query}"))?;
                ensure!(matches!(reply.status, 200 | 400 | 404), "{path}?{query}: {} {}", reply.status, reply.text());
            }
        }
    }
    ensure!(console.alerts(&session, "text=%27+OR+%271%27%3D%271")?.is_empty());
    ensure!(console.alerts(&session, "limit=500&fields=id")?.len() == all);
    Ok(())
}

#[test]
fn paths_lead_nowhere_else() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("viewer")?;
    for path in [
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/alerts/..%2f..%2fetc%2fpasswd/packets.pcapng",
        "/api/v1/alerts/..%2f..%2fetc/bundle.tar.gz",
        "/api/v1/alerts/%00/packets.pcapng",
        "/devices/..%5c..%5cetc",
    ] {
        let reply = session.get(path)?;
        ensure!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
        ensure!(!reply.text().contains("root:"), "{path}");
    }
    Ok(())
}

#[test]
fn bodies_and_headers_have_limits() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let id = filled(&console, &session, "ALERT")?;
    let path = format!("/api/v1/alerts/{id}/comment");
    let large = json!({"comment": "x".repeat(2 << 20)});
    ensure!(session.act("POST", &path, &large, &[])?.status == 413);
    let long = json!({"comment": "x".repeat(5_000)});
    ensure!(session.act("POST", &path, &long, &[])?.status == 400);
    ensure!(session.act("POST", &path, &json!({"comment": "a", "more": 1}), &[])?.status == 400);
    let many = json!({"alerts": vec![id.as_str(); 1_001], "action": "close"});
    ensure!(session.act("POST", "/api/v1/alerts/actions", &many, &[])?.status == 400);
    let header = "x".repeat(200_000);
    let reply = send(console.address, "GET", "/", &[("x-long", &header)], b"");
    ensure!(reply.is_err() || reply.is_ok_and(|reply| reply.status == 431));
    // Who sends a header and no more does not hinder others.
    let slow: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(console.address)?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost:")?;
            Ok(stream)
        })
        .collect::<Result<_>>()?;
    ensure!(session.get("/api/v1/session")?.status == 200);
    drop(slow);
    Ok(())
}

#[test]
fn after_some_failed_sign_ins_one_waits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    ot_tests::console::replay(&store, &["benign-polling"])?;
    let console = Console::over(folder, store)?;
    let session = console.sign_in("administrator")?;
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let mut statuses = Vec::new();
    for number in 0..200 {
        let form = format!("name=analyst&password=wrong+{number}");
        statuses.push(send(console.address, "POST", "/sign-in", &kind, form.as_bytes())?.status);
    }
    ensure!(statuses.starts_with(&[401; 5]), "{statuses:?}");
    let tried = statuses.iter().filter(|status| **status == 401).count();
    ensure!(tried < 30, "{tried} of 200 passwords were tried");
    ensure!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    let form = format!("name=analyst&password={}", PASSWORD.replace(' ', "+"));
    let reply = send(console.address, "POST", "/sign-in", &kind, form.as_bytes())?;
    ensure!(reply.status == 429 && reply.header("retry-after").is_some(), "{}", reply.status);
    // Who is signed in works on.
    ensure!(session.get("/api/v1/session")?.status == 200);
    let audit = session.get("/api/v1/audit?limit=500")?.text();
    ensure!(audit.contains("sign-in-failed"));
    Ok(())
}

#[test]
fn a_request_with_a_key_is_done_once() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let id = filled(&console, &session, "ALERT")?;
    let path = format!("/api/v1/alerts/{id}/comment");
    let body = json!({"comment": "written once"});
    let key = [("idempotency-key", "test-key-1")];
    let first = session.act("POST", &path, &body, &key)?;
    ensure!(first.status == 200, "{}", first.text());
    let second = session.act("POST", &path, &body, &key)?;
    ensure!(second.header("idempotency-replayed") == Some("true") && second.body == first.body);
    let story = session.get(&format!("/api/v1/alerts/{id}"))?.text();
    ensure!(story.matches("written once").count() == 1, "{story}");
    ensure!(session.act("POST", &path, &json!({"comment": "another"}), &key)?.status == 422);
    ensure!(first.json()?["commands"][0]["state"] == "applied");
    Ok(())
}

#[test]
fn lists_go_on_where_the_page_before_ended() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("viewer")?;
    for (path, key) in [
        ("/api/v1/alerts", "id"),
        ("/api/v1/devices", "device_id"),
        ("/api/v1/events", "number"),
        ("/api/v1/baseline", "entry_id"),
    ] {
        let all = session.get(&format!("{path}?limit=500"))?.json()?;
        let all: Vec<Value> =
            all["items"].as_array().context("no items")?.iter().map(|item| item[key].clone()).collect();
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        for _ in 0..200 {
            let page = session.get(&format!("{path}?limit=3&fields={key}{cursor}"))?.json()?;
            paged.extend(page["items"].as_array().context("no items")?.iter().map(|item| item[key].clone()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        ensure!(paged == all || paged.starts_with(&all), "{path}: {} of {}", paged.len(), all.len());
        ensure!(session.get(&format!("{path}?cursor=nonsense"))?.status == 400);
    }
    Ok(())
}

#[test]
fn who_has_an_answer_is_told_that_it_is_the_same() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("viewer")?;
    let first = session.get("/api/v1/catalogue")?;
    let tag = first.header("etag").context("no tag")?.to_owned();
    let headers = [("cookie", session.cookie.as_str()), ("if-none-match", &tag)];
    let again = send(console.address, "GET", "/api/v1/catalogue", &headers, b"")?;
    ensure!(again.status == 304 && again.body.is_empty());
    Ok(())
}

#[test]
fn a_token_does_what_its_role_may() -> Result<()> {
    let console = console()?;
    let made = ot_tests::sensor::succeed(
        ot_tests::sensor::sensor()
            .args(["user", "token", "add", "analyst", "--label", "siem", "--role", "viewer", "--store"])
            .arg(&console.store),
    )?;
    let token = made.split_whitespace().nth(2).context("no token")?;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let reply = send(console.address, "GET", "/api/v1/alerts?limit=1", &headers, b"")?;
    ensure!(reply.status == 200, "{}", reply.text());
    let id = reply.json()?["items"][0]["id"].as_str().context("no id")?.to_owned();
    let path = format!("/api/v1/alerts/{id}/comment");
    ensure!(send(console.address, "POST", &path, &headers, br#"{"comment": "x"}"#)?.status == 403);
    let wrong = [("authorization", "Bearer 0000")];
    ensure!(send(console.address, "GET", "/api/v1/alerts", &wrong, b"")?.status == 401);
    Ok(())
}

/// A capture some seconds later.
fn shifted(mut pcap: Vec<u8>, seconds: u32) -> Result<Vec<u8>> {
    let mut at = 24;
    while at + 16 <= pcap.len() {
        let word = |from: usize| -> Result<u32> {
            Ok(u32::from_le_bytes(pcap.get(from..from + 4).context("the capture is cut")?.try_into()?))
        };
        let (time, length) = (word(at)? + seconds, usize::try_from(word(at + 8)?)?);
        pcap.get_mut(at..at + 4).context("the capture is cut")?.copy_from_slice(&time.to_le_bytes());
        at += 16 + length;
    }
    Ok(pcap)
}

/// Learning is begun and ended by a person: what comes meanwhile is normal, what comes later is told.
#[test]
fn the_mode_is_changed_after_a_preview() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    ot_tests::console::replay(&store, &["benign-polling"])?;
    let later = folder.path().join("later.pcap");
    let more = |store: &std::path::Path, fixture: &str, seconds: u32| -> Result<()> {
        let capture = ot_tests::sensor::root().join("fixtures").join(fixture).join("capture.pcap.zst");
        std::fs::write(&later, shifted(zstd::decode_all(std::fs::File::open(capture)?)?, seconds)?)?;
        let mut command = ot_tests::sensor::sensor();
        command.args(["replay", "--quiet", "--store"]).arg(store).arg(&later);
        ot_tests::sensor::succeed(&mut command).map(drop)
    };
    let console = Console::over(folder, store.clone())?;
    let session = console.sign_in("administrator")?;
    let count =
        |kind: &str| -> Result<usize> { Ok(console.alerts(&session, &format!("type={kind}&fields=id"))?.len()) };
    let preview = session.get("/api/v1/learning/mode")?.json()?;
    ensure!(preview["mode"] == "operational" && preview["silent_types"].as_u64().is_some_and(|n| n > 20), "{preview}");
    for (body, words) in [
        (json!({"mode": "learning"}), "for: "),
        (json!({"mode": "learning", "for": "9000d"}), "366d"),
        (json!({"mode": "asleep"}), "mode: "),
        (json!({"mode": "operational", "for": "1h"}), "for: "),
    ] {
        let reply = session.act("POST", "/api/v1/learning/mode", &body, &[])?;
        ensure!(reply.status == 400 && reply.text().contains(words), "{body}: {} {}", reply.status, reply.text());
    }
    let set = |body: Value| -> Result<String> {
        let reply = session.act("POST", "/api/v1/learning/mode", &body, &[])?;
        ensure!(reply.status == 200, "{}", reply.text());
        Ok(reply.json()?["commands"][0]["state"].as_str().unwrap_or_default().to_owned())
    };
    ensure!(set(json!({"mode": "operational"}))? == "refused", "what is operational cannot become so");
    ensure!(set(json!({"mode": "learning", "for": "1h", "why": "new drive"}))? == "applied");
    ensure!(session.get("/api/v1/learning")?.json()?["mode"] == "learning");
    more(&store, "new-function", 0)?;
    ensure!(count("modbus-function-not-learned")? == 0, "a function was told while all was learned");
    let page = session.get("/baseline/mode")?.text();
    ensure!(page.contains("End learning") && page.contains("Last hour"), "{page}");
    let ended = session.form("/baseline/mode", "mode=operational&why=done")?;
    ensure!(ended.header("location").is_some_and(|to| to.contains("done=mode")), "{}", ended.text());
    ensure!(session.get("/api/v1/learning")?.json()?["mode"] == "operational");
    more(&store, "new-function", 600)?;
    ensure!(count("modbus-function-not-learned")? == 0, "what was learned is told");
    more(&store, "unauthorised-write", 1_200)?;
    ensure!(count("new-master")? > 0, "a new master is not told once it is operational");
    let events = session.get("/api/v1/events?kind=learning-began,learning-ended")?.text();
    ensure!(events.contains("administrator changed the mode: learning until"), "{events}");
    ensure!(events.contains("administrator changed the mode: operational"), "{events}");
    let analyst = console.sign_in("analyst")?;
    ensure!(analyst.act("POST", "/api/v1/learning/mode", &json!({"mode": "operational"}), &[])?.status == 403);
    Ok(())
}

/// Work is planned, held against what was seen, and taken off the plan; what is written wrong is told.
#[test]
fn maintenance_is_planned_and_reported() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let plan = |devices: &str, start: &str, length: &str| {
        json!({"ticket": "CHG-4711", "devices": [devices], "by": ["10.20.0.66"], "kinds": ["write", "control"],
            "start": start, "for": length, "note": "set points", "why": "order"})
    };
    for (devices, start, length, words) in [
        ("10.20.0.11", "tomorrow", "1h", "start: "),
        ("10.20.0.11", "2026-01-15T08:00:00Z", "", "end: "),
        ("10.20.0.11", "2026-01-15T08:00:00Z", "soon", "for: "),
        ("zone:nowhere", "2026-01-15T08:00:00Z", "1h", "devices: "),
    ] {
        let reply = session.act("POST", "/api/v1/maintenance", &plan(devices, start, length), &[])?;
        ensure!(reply.status == 400 && reply.text().contains(words), "{words}: {} {}", reply.status, reply.text());
    }
    let reply = session.act("POST", "/api/v1/maintenance", &plan("10.20.0.11", "2026-01-15T08:00:00Z", "1h"), &[])?;
    ensure!(reply.status == 200 && reply.json()?["result"]["commands"][0]["state"] == "applied", "{}", reply.text());
    let windows = session.get("/api/v1/maintenance?ticket=CHG-4711")?.json()?;
    ensure!(windows[0]["planned_by"] == "analyst" && windows[0]["note"] == "set points", "{windows}");
    let report = session.get("/api/v1/maintenance/report?ticket=CHG-4711")?.json()?;
    let work = report[0]["planned_work"].as_array().context("no work")?;
    ensure!(!work.is_empty() && work.iter().all(|sum| sum["actor"]["ip"] == "10.20.0.66"), "{report}");
    let page = session.get("/maintenance/report?ticket=CHG-4711")?.text();
    ensure!(page.contains("Work as planned") && page.contains("10.20.0.66"), "{page}");
    ensure!(session.get("/maintenance")?.text().contains("CHG-4711"));
    let number = windows[0]["window"].to_string();
    let removed = session.form(&format!("/maintenance/{number}/remove"), "why=put+off")?;
    ensure!(removed.header("location").is_some_and(|to| to.contains("done=window-removed")), "{}", removed.text());
    ensure!(session.act("POST", &format!("/api/v1/maintenance/{number}/remove"), &json!({}), &[])?.status == 404);
    let viewer = console.sign_in("viewer")?;
    let refused = viewer.act("POST", "/api/v1/maintenance", &plan("10.20.0.11", "2026-01-15T08:00:00Z", "1h"), &[])?;
    ensure!(refused.status == 403, "{}", refused.status);
    Ok(())
}

/// A file of devices: wrong lines are told by number, the preview changes nothing, and what is imported is in the history.
#[test]
fn devices_are_imported_after_a_preview() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let owner = |session: &Session| -> Result<Value> {
        Ok(session.get("/api/v1/devices/10.20.0.13")?.json()?["location"].clone())
    };
    let before = owner(&session)?;
    let csv = "ip,location,importance\n10.20.0.13,hall 7,low\n203.0.113.9,x,low\n10.20.0.12,hall 7,top\n";
    let preview = session.act("POST", "/api/v1/devices/import/preview", &json!({"csv": csv}), &[])?.json()?;
    ensure!(preview["changes"].as_array().is_some_and(|changes| changes.len() == 1), "{preview}");
    ensure!(preview["changes"][0]["fields"][0]["after"] == "hall 7", "{preview}");
    ensure!(preview["wrong"][0]["line"] == 3 && preview["wrong"][1]["line"] == 4, "{preview}");
    ensure!(owner(&session)? == before, "the preview changed something");
    let refused = session.act("POST", "/api/v1/devices/import", &json!({"csv": csv}), &[])?;
    ensure!(refused.status == 409 && refused.text().contains("Line 3: no device 203.0.113.9"), "{}", refused.text());
    let page = session.form("/devices/import/preview", &ot_console::form::write([("csv", csv)]))?.text();
    for words in
        ["1 of 3 lines change a device", "no device 203.0.113.9 was seen", "hall 7", "leave out the wrong lines"]
    {
        ensure!(page.contains(words), "{words}: {page}");
    }
    let wrong = session.form("/devices/import/preview", &ot_console::form::write([("csv", "ip,ownr\n")]))?.text();
    ensure!(
        wrong.contains("did you mean &#34;owner&#34;") || wrong.contains("did you mean &quot;owner&quot;"),
        "{wrong}"
    );
    let body = json!({"csv": csv, "partial": true, "why": "asset list"});
    let done = session.act("POST", "/api/v1/devices/import", &body, &[])?;
    ensure!(done.status == 200, "{}", done.text());
    ensure!(done.json()?["result"]["commands"][0]["state"] == "applied", "{}", done.text());
    let device = session.get("/api/v1/devices/10.20.0.13")?.json()?;
    ensure!(device["location"] == "hall 7" && device["history"].to_string().contains("asset list"), "{device}");
    let again = session.act("POST", "/api/v1/devices/import", &body, &[])?;
    ensure!(again.status == 409 && again.text().contains("brings anything new"), "{}", again.text());
    Ok(())
}

/// Each question that comes with the console has an answer; kept ones are those of the lists, and nothing else.
#[test]
fn questions_are_asked_and_kept() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let mut rows = std::collections::BTreeMap::new();
    for question in session.get("/api/v1/questions")?.json()?.as_array().context("no list")? {
        let id = question["id"].as_str().context("no id")?;
        let reply = session.get(&format!("/api/v1/questions/{id}"))?;
        ensure!(reply.status == 200, "{id}: {}", reply.text());
        let table = reply.json()?;
        let columns = table["columns"].as_array().context("no columns")?.len();
        let found = table["rows"].as_array().context("no rows")?;
        ensure!(found.iter().all(|row| row["cells"].as_array().is_some_and(|cells| cells.len() == columns)), "{id}");
        rows.insert(id.to_owned(), found.len());
        let page = session.get(&format!("/mining?question={id}"))?;
        ensure!(page.status == 200 && page.body.len() < 300_000, "{id}: {} {}", page.status, page.body.len());
        let csv = session.get(&format!("/mining.csv?question={id}"))?.text();
        ensure!(csv.lines().count() > found.len(), "{id}: {csv}");
    }
    for id in ["programming", "unauthenticated-writes", "active-devices", "new-devices", "firmware", "points-written"] {
        ensure!(rows.get(id).is_some_and(|rows| *rows > 0), "{id} has no answer: {rows:?}");
    }
    ensure!(rows.get("internet-contact") == Some(&0) && rows.get("inactive-devices") == Some(&0), "{rows:?}");
    let body = json!({"name": "writes of the newcomer", "list": "journal", "query": "actor=10.20.0.66&operation=write,control"});
    let kept = session.act("POST", "/api/v1/questions", &body, &[])?.json()?;
    let id = kept["id"].as_str().context("no id")?;
    let table = session.get(&format!("/api/v1/questions/{id}"))?.json()?;
    ensure!(table["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "{table}");
    ensure!(session.get(&format!("/mining?question={id}"))?.text().contains("writes of the newcomer"));
    for (list, query) in
        [("journal", "severity=critical"), ("alerts", "severity=high"), ("nothing", ""), ("devices", "since=x")]
    {
        let body = json!({"name": "wrong", "list": list, "query": query});
        ensure!(session.act("POST", "/api/v1/questions", &body, &[])?.status == 400, "{list}?{query} is kept");
        ensure!(session.get(&format!("/mining?list={list}&{query}"))?.status == 400, "{list}?{query} is asked");
    }
    // Another's question stays.
    let administrator = console.sign_in("administrator")?;
    let body = json!({"name": "of the administrator", "list": "devices"});
    let other = administrator.act("POST", "/api/v1/questions", &body, &[])?.json()?;
    let path = format!("/api/v1/questions/{}", other["id"].as_str().context("no id")?);
    ensure!(session.act("DELETE", &path, &json!({}), &[])?.status == 403);
    ensure!(session.act("DELETE", &format!("/api/v1/questions/{id}"), &json!({}), &[])?.status == 200);
    ensure!(session.get(&format!("/api/v1/questions/{id}"))?.status == 404);
    ensure!(administrator.act("DELETE", &path, &json!({}), &[])?.status == 200);
    Ok(())
}

/// New and changed alerts come as events, in a store that another process writes.
#[test]
fn changes_come_by_themselves() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let id = filled(&console, &session, "ALERT")?;
    let mut stream = TcpStream::connect(console.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET /api/v1/alerts/stream HTTP/1.1\r\nhost: x\r\ncookie: {}\r\n\r\n", session.cookie)?;
    let mut told = Vec::new();
    let mut bytes = [0; 4096];
    let mut until = |words: &str, told: &mut Vec<u8>| -> Result<()> {
        while !String::from_utf8_lossy(told).contains(words) {
            let n = stream.read(&mut bytes)?;
            ensure!(n > 0, "the stream ended");
            told.extend(bytes.get(..n).unwrap_or_default());
        }
        Ok(())
    };
    until("event: ready", &mut told)?;
    session.act("POST", &format!("/api/v1/alerts/{id}/comment"), &json!({"comment": "told to all"}), &[])?;
    until("event: alert", &mut told)?;
    until(&id, &mut told)?;
    Ok(())
}

/// An alert from the list to closed, as a person does it with forms.
#[test]
fn an_alert_is_triaged_by_forms() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let id = filled(&console, &session, "ALERT")?;
    let page = session.get(&format!("/alerts/{id}?tab=action"))?.text();
    for words in ["What happened", "Source", "Destination", "Why it was noticed", "MITRE ATT&amp;CK for ICS", "T0855"] {
        ensure!(page.contains(words), "{words} is missing");
    }
    ensure!(page.len() < 100_000, "{} bytes", page.len());
    let preview = session.get(&format!("/alerts/{id}/learn"))?.text();
    ensure!(preview.contains("What it would allow") && preview.contains("What it would have hidden"), "{preview}");
    let learned = session.form(&format!("/alerts/{id}/act"), "action=learn&scope=exact&why=planned")?;
    let to = learned.header("location").context("no way back")?.to_owned();
    ensure!(to.contains("done=learn"), "{to}");
    let told = session.get(&to)?.text();
    ensure!(told.contains("Learned and closed") && told.contains("Undo"), "{told}");
    let act = to.rsplit_once("act=").context("no act")?.1;
    let undone = session.form(&format!("/baseline/acts/{act}/undo"), &format!("back=/alerts/{id}"))?;
    ensure!(undone.header("location").is_some_and(|to| to.contains("done=undo")), "{}", undone.text());
    let closed = session.form("/alerts/act", &format!("alert={id}&action=close&why=ticket+4711&back=/alerts"))?;
    ensure!(closed.header("location").is_some_and(|to| to.starts_with("/alerts?done=close")), "{closed:?}");
    let story = session.get(&format!("/api/v1/alerts/{id}"))?.json()?;
    ensure!(story["status"] == "closed", "{story}");
    ensure!(story["history"].to_string().contains("ticket 4711"), "{}", story["history"]);
    // Nobody is sent to another site.
    let away = session.form("/alerts/act", &format!("alert={id}&action=new&back=https://evil.example/"))?;
    ensure!(away.header("location").is_some_and(|to| to.starts_with("/?")), "{away:?}");
    Ok(())
}

#[test]
fn an_entry_of_the_baseline_is_taken_back_given_an_end_and_given_back() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let found = session.get("/api/v1/baseline?kind=function&allowed=true&limit=1")?.json()?;
    let entry = found["items"][0]["entry_id"].as_u64().context("no entry is allowed")?;
    let allowed = || -> Result<(bool, bool)> {
        let found = session.get("/api/v1/baseline?kind=function&limit=500")?.json()?;
        let all = found["items"].as_array().context("no list")?;
        let this = all.iter().find(|line| line["entry_id"] == entry).context("the entry is gone")?;
        Ok((this["allowed"] == true, this["expires"].is_string()))
    };
    ensure!(allowed()? == (true, false));
    let (page, api) = (format!("/baseline/entries/{entry}"), format!("/api/v1/baseline/entries/{entry}"));
    ensure!(session.get("/baseline?kind=function")?.text().contains(&format!("href=\"{page}\"")));
    ensure!(session.get(&page)?.text().contains("Take it back"));
    // An end, by the API; what is no end is refused, and nothing is changed.
    for body in [
        json!({}),
        json!({"for": "30d", "never": true}),
        json!({"until": "tomorrow"}),
        json!({"for": "-1d"}),
        json!({"for": "100000d"}),
    ] {
        let refused = session.act("POST", &format!("{api}/expire"), &body, &[])?;
        ensure!(refused.status == 400, "{body}: {} {}", refused.status, refused.text());
    }
    let past = session.act("POST", &format!("{api}/expire"), &json!({"until": "2001-01-01T00:00:00Z"}), &[])?.json()?;
    ensure!(past["commands"][0]["state"] == "refused", "{past}");
    ensure!(allowed()? == (true, false));
    let set =
        session.act("POST", &format!("{api}/expire"), &json!({"for": "30d", "why": "contractor"}), &[])?.json()?;
    ensure!(set["commands"][0]["state"] == "applied", "{set}");
    ensure!(allowed()? == (true, true));
    // Taken back, by the form.
    let removed = session.form(&format!("{page}/remove"), "why=the+HMI+is+gone")?;
    let to = removed.header("location").context("no way back")?.to_owned();
    ensure!(to.starts_with(&format!("{page}?done=entry-removed")), "{to}");
    let told = session.get(&to)?.text();
    for words in ["taken back", "the HMI is gone", "contractor", "no longer allowed", "Undo"] {
        ensure!(told.contains(words), "{words} is missing: {told}");
    }
    ensure!(allowed()? == (false, false));
    let again = session.act("POST", &format!("{api}/remove"), &json!({}), &[])?;
    ensure!(again.status == 409, "{} {}", again.status, again.text());
    // The timeline and the audit log tell of it.
    let events = session.get("/api/v1/events?kind=baseline-changed")?.text();
    ensure!(events.contains(&format!("analyst took baseline entry {entry} back: the HMI is gone")), "{events}");
    let audit = console.sign_in("administrator")?.get("/api/v1/audit?limit=50")?.text();
    ensure!(audit.contains("form-entry-remove") && audit.contains("baseline-expire"), "{audit}");
    // Undone one by one.
    let act = to.rsplit_once("act=").context("no act")?.1;
    session.form(&format!("/baseline/acts/{act}/undo"), &format!("back={page}"))?;
    ensure!(allowed()? == (true, true));
    let undone = session.act("POST", &format!("/api/v1/baseline/acts/{}/undo", set["act"]), &json!({}), &[])?;
    ensure!(undone.status == 200 && allowed()? == (true, false), "{}", undone.text());
    Ok(())
}

/// Where a store holds the runs of several sensors, the overview tells the open alerts of each.
#[test]
fn the_overview_counts_by_site_and_sensor() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    ot_tests::console::replay(&store, &["benign-polling", "unauthorised-write"])?;
    let configuration = folder.path().join("north.toml");
    std::fs::write(&configuration, "[sensor]\nid = \"line-3\"\nsite = \"Plant North\"\n")?;
    let capture = ot_tests::sensor::root().join("fixtures/s7-download/capture.pcap.zst");
    let mut second = ot_tests::sensor::sensor();
    second.args(["replay", "--quiet", "--operational", "--config"]).arg(&configuration).arg("--store").arg(&store);
    ot_tests::sensor::succeed(second.arg(capture))?;
    let console = Console::over(folder, store)?;
    let session = console.sign_in("analyst")?;
    let counted = || -> Result<Vec<Value>> {
        let found = session.get("/api/v1/overview")?.json()?;
        let all = found["by_sensor"].as_array().context("no list")?.clone();
        let sum: u64 = all.iter().filter_map(|one| one["open"].as_u64()).sum();
        ensure!(Some(sum) == found["open"].as_u64(), "{found}");
        Ok(all)
    };
    let all = counted()?;
    let north = all.iter().find(|one| one["site"] == "Plant North").context("no such site")?;
    let open = north["open"].as_u64().context("no count")?;
    ensure!(all.len() == 2 && north["sensor"] == "line-3" && open > 0, "{all:?}");
    let page = session.get("/")?.text();
    ensure!(page.contains("Open alerts by site and sensor") && page.contains("Plant North"), "{page}");
    // One of them closed is one less.
    let alerts = console.alerts(&session, "limit=500&fields=id,sensor")?;
    let one = alerts.iter().find(|alert| alert["sensor"] == "line-3").context("no alert")?;
    let id = one["id"].as_str().context("no id")?;
    session.act("POST", &format!("/api/v1/alerts/{id}/status"), &json!({"status": "closed"}), &[])?;
    let all = counted()?;
    let north = all.iter().find(|one| one["site"] == "Plant North").context("no such site")?;
    ensure!(north["open"] == open - 1, "{north}");
    Ok(())
}

/// A map is kept for others who ask for the same; what a person changes shows at once.
#[test]
fn a_map_that_is_kept_holds_what_people_change() -> Result<()> {
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let map = || -> Result<Value> {
        let reply = session.get("/api/v1/map?by=zone&open=zone-Kept")?;
        ensure!(reply.header("age").is_none(), "the store is as it was, and yet the map is of an earlier time");
        reply.json()
    };
    let first = map()?;
    ensure!(first == map()? && !first.to_string().contains("zone-Kept"), "{first}");
    let device = filled(&console, &session, "DEVICE")?;
    let path = format!("/api/v1/devices/{device}");
    session.act("PATCH", &path, &json!({"set": {"zone": "Kept"}, "why": "test"}), &[])?;
    let second = map()?;
    ensure!(second.to_string().contains("zone-Kept"), "{second}");
    ensure!(second == map()?);
    ensure!(session.get("/map?by=zone")?.text().contains("Kept"));
    session.act("PATCH", &path, &json!({"set": {"zone": null}}), &[])?;
    ensure!(map()? == first);
    Ok(())
}

/// Names and texts that devices and people give are shown, never run.
#[test]
fn hostile_texts_are_only_text() -> Result<()> {
    const SCRIPT: &str = "<script>alert(1)</script>";
    const IMAGE: &str = "\"><img src=x onerror=alert(1)>";
    let console = console()?;
    let session = console.sign_in("analyst")?;
    let (id, device) = (filled(&console, &session, "ALERT")?, filled(&console, &session, "DEVICE")?);
    let body = json!({"set": {"name": SCRIPT, "owner": IMAGE, "zone": "{{ zone }}", "notes": "javascript:alert(1)"}, "why": IMAGE});
    let set = session.act("PATCH", &format!("/api/v1/devices/{device}"), &body, &[])?;
    ensure!(set.status == 200, "{}", set.text());
    session.act("POST", &format!("/api/v1/alerts/{id}/comment"), &json!({"comment": SCRIPT}), &[])?;
    let mut pages = vec![
        format!("/alerts/{id}?tab=all"),
        format!("/alerts/{id}/pane"),
        "/alerts?columns=title,source,destination,zone&group=destination".to_owned(),
        format!("/devices/{device}?tab=edit"),
        "/devices".to_owned(),
        "/".to_owned(),
        "/events".to_owned(),
        "/baseline".to_owned(),
    ];
    pages.push(format!(
        "/alerts?{}",
        ot_console::form::write([("text", SCRIPT), ("device", "10.20.0.11"), ("zone", IMAGE)])
    ));
    for path in pages {
        let reply = session.get(&path)?;
        let text = reply.text();
        ensure!(reply.status == 200, "{path}: {}", reply.status);
        ensure!(!text.contains(SCRIPT) && !text.contains("<img src=x"), "{path} holds the text as it is");
    }
    let csv = session.get("/devices.csv")?.text();
    ensure!(!csv.contains("\n="), "{csv}");
    let undo = json!({"set": {"name": null, "owner": null, "zone": null, "notes": null}});
    session.act("PATCH", &format!("/api/v1/devices/{device}"), &undo, &[])?;
    Ok(())
}

#[test]
fn a_console_over_the_network_speaks_tls_or_nothing() -> Result<()> {
    let console = console()?;
    let mut command = ot_tests::sensor::sensor();
    command.args(["console", "--plain-http", "--listen", "0.0.0.0:0", "--store"]).arg(&console.store);
    let output = ot_tests::sensor::run(&mut command)?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    ensure!(String::from_utf8_lossy(&output.stderr).contains("clear text"));
    // Garbage instead of a request is an answer or an end, no more.
    let mut stream = TcpStream::connect(console.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")?;
    let reply = read(&mut stream);
    ensure!(reply.is_err() || reply.is_ok_and(|reply| reply.status == 400));
    ensure!(console.get("/sign-in")?.status == 200);
    Ok(())
}
