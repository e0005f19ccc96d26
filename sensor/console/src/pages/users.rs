//! Users, tokens and the audit log, for administrators; one's own account, for everybody.

use super::{Frame, render, show};
use crate::api::system::{AuditView, audit};
use crate::call::{Answer, Call};
use crate::form;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Route};
use crate::secret;
use askama::Template;
use ot_store::{NewToken, Scope, UserRole, wall_clock};
use ot_views::when::span;

/// Lines of the audit log on the page.
const LINES: u32 = 100;
const DONE: &[Parameter] = &[
    Parameter { name: "done", kind: Kind::Text, doc: "What was just done" },
    Parameter { name: "before", kind: Kind::Number { most: u32::MAX }, doc: "Older lines of the audit log" },
];

/// Routes of users.
pub static ROUTES: &[Route] = &[
    Route::page("/users", "page-users", "Users, tokens and the audit log.")
        .for_role(UserRole::Administrator)
        .with(&[DONE])
        .plain(page),
    Route::form("/users", "user-add", "Adds a user.").for_role(UserRole::Administrator).plain(add),
    Route::form("/users/{user}/remove", "user-remove", "Removes a user.")
        .for_role(UserRole::Administrator)
        .plain(remove),
    Route::form("/users/{user}/role", "user-role", "Changes what a user may do.")
        .for_role(UserRole::Administrator)
        .plain(role),
    Route::form("/users/{user}/password", "user-password", "Sets a password.")
        .for_role(UserRole::Administrator)
        .plain(|call| set_password(call, call.part("user"), "/users?done=password")),
    Route::form("/tokens", "user-token-add", "Makes a token; it is shown once.")
        .for_role(UserRole::Administrator)
        .plain(token),
    Route::form("/tokens/{token}/remove", "user-token-remove", "Removes a token.")
        .for_role(UserRole::Administrator)
        .plain(|call| {
            call.app.access().remove_token(call.number("token")?)?;
            Ok(Answer::to("/users?done=token"))
        }),
    Route::page("/account", "page-account", "One's own account.").with(&[DONE]).plain(account),
    Route::form("/account", "user-own-password", "Sets one's own password.")
        .for_role(UserRole::Viewer)
        .of_scope(Scope::Admin)
        .plain(own),
];

/// A name as it is kept.
///
/// # Errors
/// What is wrong, and what to write.
pub fn check_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    let known = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '@');
    if name.is_empty() || name.len() > 64 || !name.chars().all(known) || name.contains("..") {
        return Err(format!("{name:?} is no name; write 1 to 64 letters, digits, dots, dashes, underscores or @"));
    }
    Ok(name.to_owned())
}

struct User {
    name: String,
    role: &'static str,
    created: String,
    last: String,
    own: bool,
}

struct Token {
    id: u32,
    user: String,
    label: String,
    role: &'static str,
    scopes: String,
    expires: String,
    last: String,
}

#[derive(Template)]
#[template(path = "users.html")]
struct Page {
    frame: Frame,
    users: Vec<User>,
    tokens: Vec<Token>,
    roles: Vec<&'static str>,
    scopes: Vec<&'static str>,
    made: Option<String>,
    audit: Vec<AuditView>,
    older: Option<u64>,
}

fn page(call: &Call) -> Result<Answer, Problem> {
    shown(call, None)
}

fn shown(call: &Call, made: Option<String>) -> Result<Answer, Problem> {
    let time = |time: Option<ot_protocol::Timestamp>| {
        time.map_or_else(|| "never".to_owned(), |time| show::time(&time.to_string()))
    };
    let (users, tokens) = {
        let access = call.app.access();
        (access.users()?, access.tokens()?)
    };
    let users = users.into_iter().map(|user| User {
        own: user.name == call.who(),
        role: user.role.as_str(),
        created: show::time(&user.created.to_string()),
        last: time(user.last_sign_in),
        name: user.name,
    });
    let tokens = tokens.into_iter().map(|token| Token {
        id: token.id,
        user: token.user,
        label: token.label,
        role: token.role.as_str(),
        scopes: match &token.scopes {
            None => "all of the role".to_owned(),
            Some(scopes) => scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", "),
        },
        expires: time(token.expires),
        last: time(token.last_used),
    });
    let audit = audit(call, call.one("before").and_then(|text| text.parse().ok()), LINES)?;
    let full = audit.len() >= usize::try_from(LINES).unwrap_or(usize::MAX);
    let answer = render(&Page {
        frame: Frame::new("Users", "users", call),
        users: users.collect(),
        tokens: tokens.collect(),
        roles: UserRole::ALL.map(UserRole::as_str).to_vec(),
        scopes: Scope::ALL.map(Scope::as_str).to_vec(),
        made,
        older: audit.last().map(|line| line.id).filter(|_| full),
        audit,
    })?;
    Ok(answer.with("cache-control", "no-store"))
}

fn chosen_role(text: &str) -> Result<UserRole, Problem> {
    UserRole::parse(text).ok_or_else(|| Problem::bad_request("The role is viewer, analyst or administrator."))
}

fn add(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let name = check_name(form::value(&fields, "name")).map_err(Problem::bad_request)?;
    let role = chosen_role(form::value(&fields, "role"))?;
    let hash = hashed(form::value(&fields, "password"))?;
    if !call.app.access().add_user(&name, role, &hash, wall_clock())? {
        return Err(Problem::conflict(format!("There is a user {name} already, or there are too many.")));
    }
    Ok(Answer::to("/users?done=user"))
}

fn hashed(password: &str) -> Result<String, Problem> {
    secret::hash_password(password).map_err(|error| Problem::bad_request(error.to_string()))
}

fn remove(call: &Call) -> Result<Answer, Problem> {
    if !call.app.access().remove_user(call.part("user"))? {
        return Err(Problem::conflict("There is no such user, or it is the last administrator."));
    }
    Ok(Answer::to("/users?done=user"))
}

fn role(call: &Call) -> Result<Answer, Problem> {
    let role = chosen_role(form::value(&call.form(), "role"))?;
    if !call.app.access().set_role(call.part("user"), role)? {
        return Err(Problem::conflict("There is no such user, or it is the last administrator."));
    }
    Ok(Answer::to("/users?done=user"))
}

fn set_password(call: &Call, name: &str, back: &str) -> Result<Answer, Problem> {
    let hash = hashed(form::value(&call.form(), "password"))?;
    if !call.app.access().set_password(name, &hash)? {
        return Err(Problem::not_found(format!("There is no user {name}.")));
    }
    Ok(Answer::to(back))
}

fn token(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let text = |name: &str| form::value(&fields, name).trim();
    let role = chosen_role(text("role"))?;
    let label: String = text("label").chars().filter(|letter| !letter.is_control()).take(100).collect();
    let expires = match text("expires") {
        "" => None,
        text => Some(wall_clock().plus(span(text).map_err(Problem::bad_request)?)),
    };
    let token = secret::generate().map_err(|error| Problem::internal(error.to_string()))?;
    let chosen = fields.iter().filter(|(name, value)| name == "scope" && !value.is_empty());
    let scopes = chosen.map(|(_, value)| {
        Scope::parse(value).ok_or_else(|| Problem::bad_request("The scope is read, triage, edit or admin."))
    });
    let scopes: Vec<Scope> = scopes.collect::<Result<_, _>>()?;
    let (digest, user) = (secret::digest(&token), text("user"));
    let new = NewToken { digest: &digest, user, label: &label, role, scopes: &scopes, now: wall_clock(), expires };
    let added = call.app.access().add_token(&new)?;
    if added.is_none() {
        return Err(Problem::conflict("There is no such user, or there are too many tokens."));
    }
    shown(call, Some(token))
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    frame: Frame,
}

fn account(call: &Call) -> Result<Answer, Problem> {
    render(&Account { frame: Frame::new("Account", "account", call) })
}

/// A new password needs the old one: an open browser is not enough.
fn own(call: &Call) -> Result<Answer, Problem> {
    let fields = call.form();
    let user = call.app.access().user(call.who())?;
    if !secret::is_password(form::value(&fields, "old"), user.as_ref().map(|user| user.password.as_str())) {
        return Err(Problem::forbidden("The old password is wrong; nothing was changed."));
    }
    set_password(call, call.who(), "/sign-in")
}
