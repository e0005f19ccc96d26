//! What is given to `console` and `user`.

use super::{LogArgs, OutputArgs, Several, StoreArgs, span};
use clap::{Args, Subcommand};
use ot_protocol::Nanos;
use ot_store::{Scope, UserRole};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `console`.
#[derive(Args, Clone, Debug)]
pub struct ConsoleArgs {
    /// Address and port; 0.0.0.0:8443 for all interfaces, port 0 for any that is free [default: the configuration's, or
    /// 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Certificate chain (PEM) [default: the configuration's, or one of our own, made beside the store]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// HTTP without TLS; only on a loopback address
    #[arg(long, conflicts_with_all = ["certificate", "key"])]
    pub plain_http: bool,
    #[cfg(feature = "forward")]
    /// Also tell other systems of alerts, as the configuration says
    #[arg(long)]
    pub forward: bool,
    /// End when standard input does, for those who start the console from a program
    #[arg(long)]
    pub until_eof: bool,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user …`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; asks for the password
    #[command(after_help = "Example:\n  ot-sensor user add anna --role administrator\n  \
        ot-sensor user add demo --role analyst --generate")]
    Add(UserAddArgs),
    /// List users and their roles
    #[command(after_help = "Example:\n  ot-sensor user list --json")]
    List(UserListArgs),
    /// Remove a user with all sessions and tokens
    #[command(after_help = "Example:\n  ot-sensor user remove anna")]
    Remove(UserNameArgs),
    /// Set a password; all sessions of the user end
    #[command(after_help = "Example:\n  ot-sensor user passwd anna")]
    Passwd(UserPasswdArgs),
    /// Change what a user may do
    #[command(after_help = "Example:\n  ot-sensor user role anna viewer")]
    Role(UserRoleArgs),
    /// Add, list and remove tokens of the API
    #[command(after_help = "Example:\n  ot-sensor user token add anna --label siem --expires 365d")]
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
}

/// `user token …`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is shown once
    #[command(after_help = "Example:\n  ot-sensor user token add anna --label siem --role viewer --expires 365d")]
    Add(UserTokenArgs),
    /// List tokens
    #[command(after_help = "Example:\n  ot-sensor user token list")]
    List(UserListArgs),
    /// Remove a token
    #[command(after_help = "Example:\n  ot-sensor user token remove 3")]
    Remove(TokenRemoveArgs),
}

/// Where a password comes from; without any of these it is asked for.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub struct PasswordArgs {
    /// Take the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Take the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Take the password from a variable of the environment
    #[arg(long, value_name = "VARIABLE")]
    pub password_env: Option<String>,
    /// Make a password and show it once
    #[arg(long)]
    pub generate: bool,
}

/// `user add`.
#[derive(Args, Clone, Debug)]
pub struct UserAddArgs {
    /// Name: letters, digits, dot, dash, underscore, at sign
    #[arg(value_name = "NAME")]
    pub name: String,
    /// viewer looks; analyst triages alerts and edits devices; administrator manages users
    #[arg(long, value_name = "ROLE", value_parser = role, default_value = "viewer")]
    pub role: UserRole,
    /// Password.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user list`, `user token list`.
#[derive(Args, Clone, Debug)]
pub struct UserListArgs {
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user remove`.
#[derive(Args, Clone, Debug)]
pub struct UserNameArgs {
    /// Name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user passwd`.
#[derive(Args, Clone, Debug)]
pub struct UserPasswdArgs {
    /// Name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Password.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user role`.
#[derive(Args, Clone, Debug)]
pub struct UserRoleArgs {
    /// Name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// viewer, analyst or administrator
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: UserRole,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user token add`.
#[derive(Args, Clone, Debug)]
pub struct UserTokenArgs {
    /// Name of the user; the token may do no more than the user
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub label: String,
    /// What it may do
    #[arg(long, value_name = "ROLE", value_parser = role, default_value = "viewer")]
    pub role: UserRole,
    /// What of that it is for: read, triage, edit, admin; may be given several times [default: all that its role may]
    #[arg(long, value_name = "SCOPE", value_parser = scopes)]
    pub scope: Vec<Several<Scope>>,
    /// After which span it ends (30d); without it never
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub expires: Option<Nanos>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `user token remove`.
#[derive(Args, Clone, Debug)]
pub struct TokenRemoveArgs {
    /// Number of the token
    #[arg(value_name = "TOKEN")]
    pub id: u32,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

fn scopes(text: &str) -> Result<Several<Scope>, String> {
    super::list(text, &Scope::ALL.map(Scope::as_str), Scope::parse)
}

fn role(text: &str) -> Result<UserRole, String> {
    UserRole::parse(text).ok_or_else(|| super::unknown(text, UserRole::ALL.iter().map(|role| role.as_str())))
}
