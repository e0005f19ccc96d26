//! What is configured of the centre.

use crate::message::Subjects;
use ot_forward::settings::{Nats, Secret, Tls};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Of the centre of many sensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The server of NATS, with the subjects that sensors publish to; `{sensor}` stands for the id of a sensor.
    pub nats: Nats,
    /// Name of the stream.
    pub stream: String,
    /// Name of the consumer.
    pub consumer: String,
    /// How many servers of a cluster hold the stream, where it is made here.
    pub replicas: u32,
    /// Bytes of messages that the stream holds at most, where it is made here; sensors wait when it is full.
    pub stream_size: u64,
    /// The database.
    pub database: Database,
    /// The store in which views and console show what the centre holds.
    pub store: PathBuf,
    /// A sensor that says nothing for so long is silent.
    pub silent_after: Duration,
    /// For how long closed alerts are kept after their last detection; `None`: for good.
    pub keep: Option<Duration>,
}

/// The store unless somebody says otherwise.
pub const DEFAULT_STORE: &str = "ot-sensor-fleet.db";
/// The stream unless somebody says otherwise.
pub const DEFAULT_STREAM: &str = "OT_SENSOR";
/// The consumer unless somebody says otherwise.
pub const DEFAULT_CONSUMER: &str = "ot-sensor-fleet";
/// Size of the stream unless somebody says otherwise.
pub const DEFAULT_STREAM_SIZE: u64 = 1 << 30;
/// A sensor that says nothing for so long is silent, unless somebody says otherwise.
pub const DEFAULT_SILENT: Duration = Duration::from_secs(60);
/// For how long closed alerts are kept unless somebody says otherwise.
pub const DEFAULT_KEEP: Duration = Duration::from_secs(365 * 86_400);

impl Settings {
    /// With the defaults.
    pub fn new(nats: Nats, database: Database) -> Self {
        Self {
            nats,
            stream: DEFAULT_STREAM.to_owned(),
            consumer: DEFAULT_CONSUMER.to_owned(),
            replicas: 1,
            stream_size: DEFAULT_STREAM_SIZE,
            database,
            store: PathBuf::from(DEFAULT_STORE),
            silent_after: DEFAULT_SILENT,
            keep: Some(DEFAULT_KEEP),
        }
    }

    /// The subjects on which sensors speak.
    pub fn subjects(&self) -> Subjects {
        Subjects { alerts: self.nats.subject.clone(), status: self.nats.status_subject.clone() }
    }

    /// What can be told at once to be wrong: files that cannot be read, secrets that are missing.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        check(self.nats.access.secret(), self.nats.tls.as_ref())?;
        self.check_database()
    }

    /// The same of the database alone, for who needs no stream.
    ///
    /// # Errors
    /// In words.
    pub fn check_database(&self) -> Result<(), String> {
        check(self.database.password.as_ref(), self.database.tls.as_ref())
    }

    /// Whether a text can be the name of a stream or a consumer.
    pub fn is_name(name: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=64).contains(&name.len()) && name.bytes().all(fits)
    }
}

fn check(secret: Option<&Secret>, tls: Option<&Tls>) -> Result<(), String> {
    let wrong = |problem| format!("fleet: {problem}");
    secret.map_or(Ok(()), |secret| secret.read().map(drop)).map_err(wrong)?;
    tls.map_or(Ok(()), |tls| ot_forward::tls_client(tls).map(drop)).map_err(wrong)
}

/// A database of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Host, or the folder of the socket of the server on this machine.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Name of the database.
    pub name: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: Option<Secret>,
    /// TLS; `None`: none.
    pub tls: Option<Tls>,
}

impl Database {
    /// Reads `postgres://USER@HOST:PORT/NAME` or `postgres:///NAME?host=/FOLDER&user=USER`, in its plain form: without a
    /// password, which would be shown.
    ///
    /// # Errors
    /// In words.
    pub fn parse(address: &str) -> Result<Self, String> {
        let form = "write postgres://USER@HOST:PORT/DATABASE, or postgres://USER@/DATABASE?host=/run/postgresql";
        let rest = address
            .strip_prefix("postgres://")
            .or_else(|| address.strip_prefix("postgresql://"))
            .ok_or_else(|| format!("{address:?} is no address of a database; {form}"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (server, name) = rest.split_once('/').ok_or_else(|| format!("the database is missing; {form}"))?;
        let (user, server) = server.split_once('@').ok_or_else(|| format!("the user is missing; {form}"))?;
        if user.contains(':') {
            return Err("a password in an address would be shown; leave it out and use `password_file`".to_owned());
        }
        let folder = query.strip_prefix("host=").filter(|folder| folder.starts_with('/'));
        if !query.is_empty() && folder.is_none() {
            return Err(format!("{query:?} has no meaning here; {form}"));
        }
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| format!("{port:?} is no port"))?)
            }
            _ => (server, 5_432),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = match (folder, host) {
            (Some(folder), "") => folder,
            (None, host) if !host.is_empty() => host,
            _ => return Err(format!("a host or a folder of a socket; {form}")),
        };
        let fits = |text: &str| !text.is_empty() && !text.chars().any(|letter| letter.is_control());
        if !fits(user) || !fits(name) {
            return Err(format!("user or database is missing; {form}"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            name: name.to_owned(),
            user: user.to_owned(),
            password: None,
            tls: None,
        })
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.host.starts_with('/')
            || self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// For people, without secrets.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {} at {} port {}", self.name, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_databases_are_read() {
        let at = |text: &str| Database::parse(text).map(|one| (one.user, one.host, one.port, one.name));
        let is = |user: &str, host: &str, port: u16, name: &str| Ok((user.into(), host.into(), port, name.into()));
        assert_eq!(at("postgres://ot@db.example:5433/fleet"), is("ot", "db.example", 5_433, "fleet"));
        assert_eq!(at("postgresql://ot@[::1]/fleet"), is("ot", "::1", 5_432, "fleet"));
        assert_eq!(at("postgres://ot@/fleet?host=/run/postgresql"), is("ot", "/run/postgresql", 5_432, "fleet"));
        for (text, problem) in [
            ("mysql://x", "is no address of a database"),
            ("postgres://ot:secret@db/fleet", "would be shown"),
            ("postgres://db/fleet", "user is missing"),
            ("postgres://ot@db", "database is missing"),
            ("postgres://ot@db/fleet?sslmode=require", "has no meaning here"),
            ("postgres://ot@db:x/fleet", "is no port"),
            ("postgres://ot@/fleet", "a host or a folder"),
        ] {
            let error = at(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
