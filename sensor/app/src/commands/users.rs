//! `user`: who may use the console.

use super::triage::who;
use crate::cli::{PasswordArgs, StoreArgs, TokenCommand, UserAddArgs, UserCommand, UserListArgs, UserTokenArgs, flat};
use crate::config::{Config, read_text};
use crate::exit::{Exit, Failure};
use crate::output::{Output, short_time};
use ot_console::secret;
use ot_store::read::Reader;
use ot_store::{AccessStore, NewToken, Scope, UserRole, wall_clock};
use serde_json::json;
use std::io::IsTerminal;

pub fn run(output: &mut Output, command: &UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::Add(args) => add(output, args),
        UserCommand::List(args) => list(output, args),
        UserCommand::Remove(args) => {
            let access = open(&args.store)?;
            known(&access, &args.name)?;
            if !access.remove_user(&args.name)? {
                return Err(last_administrator());
            }
            done(output, &access, "user-remove", &args.name, &format!("removed {}", args.name))
        }
        UserCommand::Passwd(args) => {
            let access = open(&args.store)?;
            known(&access, &args.name)?;
            let password = password(output, &args.password)?;
            access.set_password(&args.name, &secret::hash_password(&password).map_err(Failure::from)?)?;
            done(output, &access, "user-password", &args.name, &format!("password of {} set", args.name))
        }
        UserCommand::Role(args) => {
            let access = open(&args.store)?;
            known(&access, &args.name)?;
            if !access.set_role(&args.name, args.role)? {
                return Err(last_administrator());
            }
            let told = format!("{} is {}", args.name, args.role.as_str());
            done(output, &access, "user-role", &told, &told)
        }
        UserCommand::Token { command: TokenCommand::Add(args) } => token(output, args),
        UserCommand::Token { command: TokenCommand::List(args) } => tokens(output, args),
        UserCommand::Token { command: TokenCommand::Remove(args) } => {
            let access = open(&args.store)?;
            if !access.remove_token(args.id)? {
                let told = format!("no token {}; `ot-sensor user token list` shows them", args.id);
                return Err(Failure::not_found(told).into());
            }
            done(output, &access, "token-remove", &args.id.to_string(), &format!("removed token {}", args.id))
        }
    }
}

/// The users of a store that is there.
fn open(args: &StoreArgs) -> anyhow::Result<AccessStore> {
    let path = Config::of(args)?.store_path(args);
    drop(Reader::open(&path)?);
    Ok(AccessStore::open(&path)?)
}

fn known(access: &AccessStore, name: &str) -> anyhow::Result<()> {
    match access.user(name)? {
        Some(_) => Ok(()),
        None => Err(Failure::not_found(format!("no user {name:?}; `ot-sensor user list` shows them")).into()),
    }
}

fn last_administrator() -> anyhow::Error {
    Failure::usage("this is the last administrator; make another one first").into()
}

pub fn done(output: &mut Output, access: &AccessStore, action: &str, detail: &str, told: &str) -> anyhow::Result<Exit> {
    access.audit(wall_clock(), &who(None), "command line", action, detail)?;
    output.line(told)?;
    Ok(Exit::Done)
}

fn add(output: &mut Output, args: &UserAddArgs) -> anyhow::Result<Exit> {
    let name = ot_console::pages::users::check_name(&args.name).map_err(Failure::usage)?;
    let access = open(&args.store)?;
    if access.user(&name)?.is_some() {
        let told = format!("there is a user {name} already; `ot-sensor user passwd {name}` sets the password");
        return Err(Failure::usage(told).into());
    }
    let password = password(output, &args.password)?;
    let hash = secret::hash_password(&password).map_err(Failure::from)?;
    if !access.add_user(&name, args.role, &hash, wall_clock())? {
        return Err(Failure::usage("there are too many users; remove one first").into());
    }
    let told = format!("{name} is {}", args.role.as_str());
    done(output, &access, "user-add", &told, &told)
}

/// A password: made, from a file, the environment or standard input, or asked for twice.
pub fn password(output: &mut Output, args: &PasswordArgs) -> anyhow::Result<String> {
    if args.generate {
        let password = secret::generate_password().map_err(Failure::from)?;
        output.line(&format!("password: {password}"))?;
        return Ok(password);
    }
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    if let Some(path) = &args.password_file {
        let text = read_text(path, 4_096)
            .map_err(|error| Failure::usage(format!("password file {}: {error}", path.display())))?;
        return Ok(first_line(text));
    }
    if let Some(name) = &args.password_env {
        let text = std::env::var(name).map_err(|_| {
            Failure::usage(format!("the environment holds no {name}; set it where this command starts"))
        })?;
        return Ok(first_line(text));
    }
    if args.password_stdin || !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = rpassword::prompt_password("password: ")?;
    if rpassword::prompt_password("once more: ")? != first {
        return Err(Failure::usage("the two differ; nothing was changed").into());
    }
    Ok(first)
}

fn list(output: &mut Output, args: &UserListArgs) -> anyhow::Result<Exit> {
    let users = open(&args.store)?.users()?;
    if args.output.json {
        for user in &users {
            let last = user.last_sign_in.map(|time| time.to_string());
            output.json(&json!({"name": user.name, "role": user.role.as_str(), "created": user.created.to_string(),
                "last_sign_in": last}))?;
        }
        return Ok(Exit::Done);
    }
    if users.is_empty() {
        return Err(Failure::not_found("no users yet; `ot-sensor user add NAME --role administrator` adds one").into());
    }
    let rows = users
        .iter()
        .map(|user| {
            let last = user.last_sign_in.map_or_else(|| "never".to_owned(), |time| short_time(&time.to_string()));
            vec![user.name.as_str().into(), user.role.as_str().into(), last.into()]
        })
        .collect();
    output.table(&["NAME", "ROLE", "LAST SIGN-IN"], rows, 0)?;
    Ok(Exit::Done)
}

fn token(output: &mut Output, args: &UserTokenArgs) -> anyhow::Result<Exit> {
    let access = open(&args.store)?;
    known(&access, &args.name)?;
    let token = secret::generate().map_err(Failure::from)?;
    let expires = args.expires.map(|span| wall_clock().plus(span));
    let role: UserRole = args.role;
    let (digest, scopes) = (secret::digest(&token), flat(&args.scope));
    let new = NewToken {
        digest: &digest,
        user: &args.name,
        label: &args.label,
        role,
        scopes: &scopes,
        now: wall_clock(),
        expires,
    };
    let Some(id) = access.add_token(&new)? else {
        return Err(Failure::usage("there are too many tokens; remove one first").into());
    };
    output.line(&format!("token {id}: {token}"))?;
    let told = format!("{} of {}, {}", args.label, args.name, role.as_str());
    done(output, &access, "token-add", &told, "it is not shown again; send it as Authorization: Bearer TOKEN")
}

fn tokens(output: &mut Output, args: &UserListArgs) -> anyhow::Result<Exit> {
    let tokens = open(&args.store)?.tokens()?;
    if args.output.json {
        for token in &tokens {
            output.json(
                &json!({"id": token.id, "user": token.user, "label": token.label, "role": token.role.as_str(),
                "scopes": token.scopes.as_ref().map(|list| list.iter().map(|scope| scope.as_str()).collect::<Vec<_>>()),
                "created": token.created.to_string(), "expires": token.expires.map(|time| time.to_string()),
                "last_used": token.last_used.map(|time| time.to_string())}),
            )?;
        }
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        return Err(Failure::not_found("no tokens; `ot-sensor user token add NAME --label TEXT` makes one").into());
    }
    let time = |time: Option<ot_protocol::Timestamp>| {
        time.map_or_else(|| "never".to_owned(), |time| short_time(&time.to_string()))
    };
    let rows = tokens
        .iter()
        .map(|token| {
            vec![
                token.id.into(),
                token.user.as_str().into(),
                token.label.as_str().into(),
                token.role.as_str().into(),
                scopes_of(token.scopes.as_deref()).into(),
                time(token.expires).into(),
                time(token.last_used).into(),
            ]
        })
        .collect();
    output.table(&["TOKEN", "USER", "LABEL", "ROLE", "SCOPES", "EXPIRES", "LAST USED"], rows, 0)?;
    Ok(Exit::Done)
}

fn scopes_of(scopes: Option<&[Scope]>) -> String {
    scopes.map_or_else(
        || "all".to_owned(),
        |scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(","),
    )
}
