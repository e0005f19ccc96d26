//! Health, catalogue, commands, who one is, and this API's own document.

use super::document;
use crate::app::App;
use crate::call::{Answer, Call};
use crate::filter::FIELDS;
use crate::kept::Told;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Returns, Route, Shape};
use ot_store::UserRole;
use ot_store::read::Reader;
use ot_views::catalogue::{CoverageView, TypeView, coverage, types};
use ot_views::stats::{self, Sums, stats_with};
use ot_views::{Stats, navigator};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Where the audit log goes on.
const AUDIT: &[Parameter] = &[
    Parameter {
        name: "before",
        kind: Kind::Number { most: u32::MAX },
        doc: "Only lines before the one of this number",
    },
    Parameter { name: "limit", kind: Kind::Number { most: 1_000 }, doc: "At most so many" },
];

/// Routes of the system.
pub static ROUTES: &[Route] = &[
    Route::api("/api/v1/stats", "stats", "What was seen, decoded, skipped, lost and evicted; runs.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<Stats>()))
        .read(|call, reader| {
            let counted = sums(&call.app, reader)?;
            Ok(counted.aged(call.json(&stats_with(reader, &counted.view)?)?))
        }),
    Route::api("/api/v1/catalogue", "catalogue", "Every alert type with its document.")
        .with(&[FIELDS])
        .gives(Returns::List(Shape::of::<TypeView>()))
        .plain(|call| call.json(&types())),
    Route::api("/api/v1/catalogue/{type}", "catalogue-type", "One alert type.")
        .with(&[FIELDS])
        .gives(Returns::One(Shape::of::<TypeView>()))
        .plain(|call| {
            let found = types().into_iter().find(|kind| kind.id == call.part("type"));
            call.json(&found.ok_or_else(|| Problem::not_found(format!("No alert type {:?}.", call.part("type"))))?)
        }),
    Route::api("/api/v1/attack", "attack", "Which techniques of ATT&CK for ICS the alert types can tell of.")
        .with(&[FIELDS])
        .gives(Returns::List(Shape::of::<CoverageView>()))
        .plain(|call| call.json(&coverage())),
    Route::api("/api/v1/attack/navigator.json", "attack-navigator", "The coverage as a layer of ATT&CK Navigator.")
        .gives(Returns::Json)
        .plain(|call| call.json(&navigator::layer())),
    Route::api("/api/v1/commands/{command}", "command", "What became of a command.")
        .gives(Returns::One(Shape::of::<CommandView>()))
        .read(command),
    Route::api("/api/v1/session", "session", "Who one is, and the secret that writes of a session carry.")
        .gives(Returns::One(Shape::of::<SessionView>()))
        .plain(|call| {
            let csrf = call.identity.as_ref().and_then(|identity| identity.csrf.clone());
            let role = call.identity.as_ref().map_or("", |identity| identity.role.as_str());
            let scopes = call.identity.as_ref().and_then(|identity| identity.scopes.as_ref());
            let scopes = scopes.map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect());
            Ok(call
                .json(&SessionView { name: call.who().to_owned(), role, scopes, csrf })?
                .with("cache-control", "no-store"))
        }),
    Route::api("/api/v1/audit", "audit", "What people did, newest first.")
        .for_role(UserRole::Administrator)
        .with(&[AUDIT])
        .gives(Returns::List(Shape::of::<AuditView>()))
        .plain(|call| {
            let before = call.one("before").and_then(|text| text.parse().ok());
            call.json(&audit(call, before, call.limit(100))?)
        }),
    Route::api("/api/v1/openapi.json", "openapi", "This API as an OpenAPI 3.1 document.")
        .for_anyone()
        .gives(Returns::Json)
        .plain(|_| Ok(Answer::bytes("application/json", document::bytes().to_vec()))),
];

/// How many rows there are of what.
///
/// # Errors
/// As the view's.
pub fn sums(app: &Arc<App>, reader: &Reader) -> Result<Told<Sums>, Problem> {
    app.kept(reader, |app| &app.sums, (), |_, reader, ()| Ok(stats::sums(reader)?))
}

/// What became of a command.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandView {
    /// Its number.
    pub command: u64,
    /// `pending`, `applied` or `refused`.
    pub state: String,
    /// Why it was refused.
    pub error: Option<String>,
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Name.
    pub name: String,
    /// `viewer`, `analyst` or `administrator`.
    pub role: &'static str,
    /// What a token is for: `read`, `triage`, `edit`, `admin`; null: all that the role may.
    pub scopes: Option<Vec<&'static str>>,
    /// For the header `X-CSRF-Token` of writes; null for a token.
    pub csrf: Option<String>,
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// Number.
    pub id: u64,
    /// Wall time.
    pub time: String,
    /// Who.
    pub who: String,
    /// From where.
    pub address: String,
    /// What: `sign-in`, `sign-in-failed`, or the id of the operation.
    pub action: String,
    /// On what.
    pub detail: String,
}

/// Lines of the audit log.
///
/// # Errors
/// As the store's.
pub fn audit(call: &Call, before: Option<u64>, limit: u32) -> Result<Vec<AuditView>, Problem> {
    let found = call.app.access().audit_log(before, limit)?;
    let view = |row: ot_store::AuditRow| AuditView {
        id: row.id,
        time: row.time.to_string(),
        who: row.who,
        address: row.address,
        action: row.action,
        detail: row.detail,
    };
    Ok(found.into_iter().map(view).collect())
}

fn command(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let id = u64::from(call.number("command")?);
    let found = reader.command(id)?.ok_or_else(|| Problem::not_found(format!("No command {id}.")))?;
    call.json(&CommandView { command: found.id, state: found.state, error: found.error })
}
