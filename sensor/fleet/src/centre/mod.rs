//! The record of the centre in PostgreSQL: what sensors told, what people did. One process writes to it at a time.

mod act;
mod group;
mod show;
mod status;
mod take;
mod tls;

pub use status::{CentreStatus, SensorStatus};
pub use take::{Received, Taken};

use crate::settings::Database;
use postgres::types::{FromSqlOwned, ToSql};
use postgres::{Client, Config, NoTls, Row, Statement};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

/// Migrations, forward only. What was released never changes.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/001.sql")];
/// Who holds this lock of the database writes. (The letters `otfleet` in ASCII.)
const LOCK: i64 = 0x6f_7466_6c65_6574;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Why the record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CentreError {
    /// The way to the database is broken, or it ends.
    #[error("{at}: {problem}; does PostgreSQL run, and may we in?")]
    Away {
        /// Which database.
        at: String,
        /// What is wrong.
        problem: String,
    },
    /// The database does not take something.
    #[error("{at}: {problem}")]
    Refused {
        /// Which database.
        at: String,
        /// What is wrong.
        problem: String,
    },
    /// Another receiver writes.
    #[error("{0}: another receiver is at work on it; end that one first, for the order of changes wants one alone")]
    Taken(String),
    /// A newer version wrote it.
    #[error(
        "{at}: its tables are of version {found}, this program knows versions up to {known}; use a newer ot-sensor"
    )]
    Newer {
        /// Which database.
        at: String,
        /// Its version.
        found: i32,
        /// The newest that this knows.
        known: i32,
    },
}

/// A connection to the record.
pub struct Centre {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    at: String,
    /// Which centre this is.
    id: String,
    sensors: BTreeMap<String, SensorRow>,
}

/// What is remembered of a sensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SensorRow {
    pub number: i32,
    pub id: String,
    pub site: String,
    pub first: i64,
    pub heard: i64,
    pub outbox: Option<String>,
    pub outbox_since: i64,
    pub received: i64,
    pub messages: i64,
    pub doubles: i64,
    pub refused: i64,
    pub silent: bool,
    pub status_time: Option<i64>,
    pub difference: Option<i64>,
    pub version: Option<String>,
    pub uptime: Option<i64>,
    pub health: Option<String>,
    pub reasons: Vec<String>,
    pub newest: Option<i64>,
    pub waiting: Option<i64>,
    pub oldest: Option<i64>,
    pub lost: Option<i64>,
    pub passed_over: Option<i64>,
    pub newest_packet: Option<i64>,
}

const SENSOR: &str = "SELECT number, id, site, wall_first, wall_heard, outbox, outbox_since, received, messages, doubles, \
                      refused, silent, wall_status, wall_difference, version, uptime_seconds, health, reasons, newest, \
                      waiting, wall_oldest, lost, passed_over, newest_packet FROM sensor";

impl SensorRow {
    fn of(row: &Row) -> Self {
        Self {
            number: row.get(0),
            id: row.get(1),
            site: row.get(2),
            first: row.get(3),
            heard: row.get(4),
            outbox: row.get(5),
            outbox_since: row.get(6),
            received: row.get(7),
            messages: row.get(8),
            doubles: row.get(9),
            refused: row.get(10),
            silent: row.get(11),
            status_time: row.get(12),
            difference: row.get(13),
            version: row.get(14),
            uptime: row.get(15),
            health: row.get(16),
            reasons: row.get::<_, Option<Vec<String>>>(17).unwrap_or_default(),
            newest: row.get(18),
            waiting: row.get(19),
            oldest: row.get(20),
            lost: row.get(21),
            passed_over: row.get(22),
            newest_packet: row.get(23),
        }
    }
}

impl Centre {
    /// Connects as the one that writes, and brings the tables up to date.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn open(database: &Database) -> Result<Self, CentreError> {
        let mut centre = Self::connect(database)?;
        let locked: bool = centre.one("SELECT pg_try_advisory_lock($1)", &[&LOCK])?;
        if !locked {
            return Err(CentreError::Taken(centre.at));
        }
        centre.migrate()?;
        centre.load()?;
        Ok(centre)
    }

    /// Connects to look.
    ///
    /// # Errors
    /// Where it cannot, or no receiver ever made the tables.
    pub fn look(database: &Database) -> Result<Self, CentreError> {
        let mut centre = Self::connect(database)?;
        if centre.version()? == 0 {
            let problem = "holds no centre yet; `ot-sensor fleet run` makes it".to_owned();
            return Err(CentreError::Refused { at: centre.at, problem });
        }
        centre.load()?;
        Ok(centre)
    }

    fn connect(database: &Database) -> Result<Self, CentreError> {
        let at = database.to_string();
        let away = |problem: String| CentreError::Away { at: at.clone(), problem };
        let mut config = Config::new();
        config
            .host(&database.host)
            .port(database.port)
            .dbname(&database.name)
            .user(&database.user)
            .application_name("ot-sensor fleet")
            .connect_timeout(CONNECT)
            .tcp_user_timeout(CONNECT)
            .keepalives_idle(Duration::from_secs(30));
        if let Some(password) = &database.password {
            config.password(password.read().map_err(away)?);
        }
        let connected = match &database.tls {
            Some(tls) => {
                config.ssl_mode(postgres::config::SslMode::Require);
                let make = tls::MakeTls {
                    config: ot_forward::tls_client(tls).map_err(away)?,
                    server_name: tls.server_name.clone(),
                };
                config.connect(make)
            }
            None => config.connect(NoTls),
        };
        let client = connected.map_err(|error| away(words(&error)))?;
        Ok(Self { client, statements: HashMap::new(), at, id: String::new(), sensors: BTreeMap::new() })
    }

    /// The version of the tables; 0 where there are none.
    fn version(&mut self) -> Result<i32, CentreError> {
        let there: bool = self.one("SELECT to_regclass('fleet_version') IS NOT NULL", &[])?;
        if !there {
            return Ok(0);
        }
        let row = self.client.query_one("SELECT COALESCE(MAX(version), 0) FROM fleet_version", &[]);
        let found: i32 = row.and_then(|row| row.try_get(0)).map_err(|error| self.fail(&error))?;
        let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
        if found > known { Err(CentreError::Newer { at: self.at.clone(), found, known }) } else { Ok(found) }
    }

    fn migrate(&mut self) -> Result<(), CentreError> {
        let found = self.version()?;
        for (version, sql) in (1_i32..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
            let mut text =
                String::from("BEGIN; CREATE TABLE IF NOT EXISTS fleet_version (version integer PRIMARY KEY);");
            let _ = write!(text, "{sql}; INSERT INTO fleet_version VALUES ({version}); COMMIT;");
            self.client.batch_execute(&text).map_err(|error| self.fail(&error))?;
        }
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| self.refused(&format!("no random numbers: {error}")))?;
        let id = random.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let now = ot_store::wall_clock().0;
        self.run(
            "INSERT INTO centre (id, wall_made) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM centre)",
            &[&id, &now],
        )?;
        Ok(())
    }

    fn load(&mut self) -> Result<(), CentreError> {
        self.id = self.one("SELECT id FROM centre", &[])?;
        let rows = self.rows(SENSOR, &[])?;
        self.sensors = rows.iter().map(SensorRow::of).map(|row| (row.id.clone(), row)).collect();
        Ok(())
    }

    /// Which centre this is.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The statement of a text, prepared once.
    fn statement(&mut self, sql: &'static str) -> Result<Statement, CentreError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let made = self.client.prepare(sql).map_err(|error| self.fail(&error))?;
        self.statements.insert(sql, made.clone());
        Ok(made)
    }

    fn run(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, CentreError> {
        let statement = self.statement(sql)?;
        self.client.execute(&statement, values).map_err(|error| self.fail(&error))
    }

    fn rows(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CentreError> {
        let statement = self.statement(sql)?;
        self.client.query(&statement, values).map_err(|error| self.fail(&error))
    }

    fn one<T: FromSqlOwned>(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<T, CentreError> {
        let statement = self.statement(sql)?;
        let row = self.client.query_one(&statement, values).map_err(|error| self.fail(&error))?;
        row.try_get(0).map_err(|error| self.fail(&error))
    }

    /// Does something in one transaction.
    fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, CentreError>) -> Result<T, CentreError> {
        let kept = self.sensors.clone();
        self.client.batch_execute("BEGIN").map_err(|error| self.fail(&error))?;
        let done = work(self).and_then(|value| {
            self.client.batch_execute("COMMIT").map_err(|error| self.fail(&error))?;
            Ok(value)
        });
        if done.is_err() {
            self.sensors = kept;
            // Where the way is broken the server does it by itself.
            let _ = self.client.batch_execute("ROLLBACK");
        }
        done
    }

    fn fail(&self, error: &postgres::Error) -> CentreError {
        let problem = words(error);
        let at = self.at.clone();
        // Class 08: connection; 57P: the server ends. All else it says of what it was asked.
        let away = error.code().is_none_or(|code| code.code().starts_with("08") || code.code().starts_with("57P"));
        if away { CentreError::Away { at, problem } } else { CentreError::Refused { at, problem } }
    }

    fn refused(&self, problem: &str) -> CentreError {
        CentreError::Refused { at: self.at.clone(), problem: problem.to_owned() }
    }
}

/// What the database says, in a line.
fn words(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(told) => match told.detail() {
            Some(detail) => format!("{} ({detail})", told.message()),
            None => told.message().to_owned(),
        },
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
