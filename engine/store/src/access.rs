//! Who may use the console: users, sessions, tokens, what people did, and requests that may be repeated.
//!
//! This is a file of its own beside the store (`PATH.access`), so that a store can be handed on without the digests of
//! passwords, and so that signing in never waits for the engine. Passwords come as hashes; of sessions and tokens only
//! the SHA-256 is kept.

use crate::StoreError;
use crate::value::{count, parsed, time};
use ot_protocol::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `OTac`.
const APPLICATION_ID: i32 = 0x4f54_6163;
/// Migrations, forward only; what was released never changes.
const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/access-001.sql"),
    include_str!("../migrations/access-002.sql"),
    include_str!("../migrations/access-003.sql"),
];
const VERSION: i32 = 3;
const BUSY: Duration = Duration::from_secs(5);

/// Users at most.
pub const MOST_USERS: u32 = 1_000;
/// Tokens at most.
pub const MOST_TOKENS: u32 = 1_000;
/// Kept questions at most.
pub const MOST_QUESTIONS: u32 = 1_000;
/// Sessions at most; beyond it the one unused for longest ends.
const MOST_SESSIONS: u32 = 5_000;
/// Lines of the audit log; beyond it the oldest go.
const MOST_AUDIT: u32 = 200_000;
/// Repeatable requests; beyond it the oldest go.
const MOST_REQUESTS: u32 = 50_000;

/// What a user may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserRole {
    /// Looks.
    Viewer,
    /// Triages alerts and says what is known of devices.
    Analyst,
    /// Manages users, and may forget the baseline.
    Administrator,
}

impl UserRole {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Analyst, Self::Administrator];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Administrator => "administrator",
        }
    }

    /// The role of this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == id)
    }
}

/// What a token may be used for, within what its role may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Reads all that is shown.
    Read,
    /// Triages alerts: status, learn, mute, comment, and taking back.
    Triage,
    /// Says what is known of devices, plans maintenance, keeps questions.
    Edit,
    /// What only administrators may.
    Admin,
}

impl Scope {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Read, Self::Triage, Self::Edit, Self::Admin];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Edit => "edit",
            Self::Admin => "admin",
        }
    }

    /// The scope of this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == id)
    }

    /// Scopes as they are kept.
    fn join(scopes: &[Self]) -> String {
        Self::ALL
            .iter()
            .filter(|scope| scopes.contains(scope))
            .map(|scope| scope.as_str())
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Scopes as they are kept. One that this version does not know allows nothing.
    fn split(text: &str) -> Option<Vec<Self>> {
        (!text.is_empty()).then(|| text.split(',').filter_map(Self::parse).collect())
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// What they may do.
    pub role: UserRole,
    /// Hash of the password, in PHC format.
    pub password: String,
    /// Wall time.
    pub created: Timestamp,
    /// Wall time of the last sign-in.
    pub last_sign_in: Option<Timestamp>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its user.
    pub user: UserRow,
    /// Secret that each write of the session must carry.
    pub csrf: String,
    /// Wall time.
    pub created: Timestamp,
    /// Wall time.
    pub last_used: Timestamp,
}

/// A token for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Number.
    pub id: u32,
    /// Name of its user.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// What it may do: never more than its user.
    pub role: UserRole,
    /// What of that it is for; `None`: all of it.
    pub scopes: Option<Vec<Scope>>,
    /// Wall time.
    pub created: Timestamp,
    /// Wall time; `None`: never.
    pub expires: Option<Timestamp>,
    /// Wall time.
    pub last_used: Option<Timestamp>,
}

/// A question that somebody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionRow {
    /// Number.
    pub id: u32,
    /// Name of its user.
    pub user: String,
    /// What it is called.
    pub name: String,
    /// Of which list it is asked.
    pub list: String,
    /// The filters, as in an address.
    pub query: String,
    /// Wall time.
    pub created: Timestamp,
}

/// A token to make.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// SHA-256 of the token.
    pub digest: &'a [u8],
    /// Name of its user.
    pub user: &'a str,
    /// What it is for, in words.
    pub label: &'a str,
    /// What it may do.
    pub role: UserRole,
    /// What of that it is for; empty: all of it.
    pub scopes: &'a [Scope],
    /// Wall time.
    pub now: Timestamp,
    /// Wall time; `None`: never.
    pub expires: Option<Timestamp>,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Number.
    pub id: u64,
    /// Wall time.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// From where.
    pub address: String,
    /// What: `sign-in`, `sign-in-failed`, `user-add`, or the operation's id.
    pub action: String,
    /// On what.
    pub detail: String,
}

/// What is known of a request that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It was not made before; now it is noted as begun.
    New,
    /// It was begun and is not known to be done.
    Begun,
    /// Another request has this key.
    Other,
    /// It is done; its status and body.
    Done(u16, Vec<u8>),
}

/// The file of users and sessions.
#[derive(Debug)]
pub struct AccessStore {
    connection: Connection,
    path: PathBuf,
}

impl AccessStore {
    /// Opens the one that belongs to a store; makes it where there is none, readable by its owner alone.
    ///
    /// # Errors
    /// As the store's.
    pub fn open(store: &Path) -> Result<Self, StoreError> {
        let path = access_path(store);
        private(&path).map_err(|error| StoreError::from_io(&path, &error))?;
        let fail = |error| StoreError::from_sqlite(&path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY).map_err(fail)?;
        prepare(&mut connection, &path)?;
        Ok(Self { connection, path })
    }

    /// How many users of each role a store has; `None` where it never had any. Makes no file.
    ///
    /// # Errors
    /// As the store's.
    pub fn roles_of(store: &Path) -> Result<Option<Vec<(UserRole, usize)>>, StoreError> {
        if !access_path(store).is_file() {
            return Ok(None);
        }
        let users = Self::open(store)?.users()?;
        let of = |role: UserRole| (role, users.iter().filter(|user| user.role == role).count());
        Ok(Some(UserRole::ALL.map(of).to_vec()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All users, by name.
    ///
    /// # Errors
    /// As the store's.
    pub fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        self.rows(&format!("SELECT {USER} FROM user u ORDER BY u.name"), &[], user)
    }

    /// The user of this name; case does not matter.
    ///
    /// # Errors
    /// As the store's.
    pub fn user(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        Ok(self.rows(&format!("SELECT {USER} FROM user u WHERE u.name = ?1"), &[&name], user)?.pop())
    }

    /// Adds a user; false where the name is taken, or there are too many.
    ///
    /// # Errors
    /// As the store's.
    pub fn add_user(&self, name: &str, role: UserRole, password: &str, now: Timestamp) -> Result<bool, StoreError> {
        let added = self.execute(
            "INSERT INTO user (name, role, password, created)
             SELECT ?1, ?2, ?3, ?4 WHERE (SELECT COUNT(*) FROM user) < ?5
             ON CONFLICT DO NOTHING",
            &[&name, &role.as_str(), &password, &now.0, &MOST_USERS],
        )?;
        Ok(added > 0)
    }

    /// Removes a user with their sessions and tokens; false where there is none, or it is the last administrator.
    ///
    /// # Errors
    /// As the store's.
    pub fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
        let removed = self.execute(
            "DELETE FROM user WHERE name = ?1 AND (role <> 'administrator' OR EXISTS
                 (SELECT 1 FROM user o WHERE o.role = 'administrator' AND o.name <> ?1 COLLATE NOCASE))",
            &[&name],
        )?;
        Ok(removed > 0)
    }

    /// Sets a password and ends the user's sessions; false where there is no such user.
    ///
    /// # Errors
    /// As the store's.
    pub fn set_password(&self, name: &str, password: &str) -> Result<bool, StoreError> {
        let changed = self.execute("UPDATE user SET password = ?2 WHERE name = ?1", &[&name, &password])?;
        self.execute("DELETE FROM session WHERE user = (SELECT id FROM user WHERE name = ?1)", &[&name])?;
        Ok(changed > 0)
    }

    /// Sets a role; false where there is no such user, or it is the last administrator.
    ///
    /// # Errors
    /// As the store's.
    pub fn set_role(&self, name: &str, role: UserRole) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE user SET role = ?2 WHERE name = ?1 AND (role <> 'administrator' OR ?2 = 'administrator' OR EXISTS
                 (SELECT 1 FROM user o WHERE o.role = 'administrator' AND o.name <> ?1 COLLATE NOCASE))",
            &[&name, &role.as_str()],
        )?;
        Ok(changed > 0)
    }

    /// Begins a session: SHA-256 of its secret, and the secret that its writes must carry.
    ///
    /// # Errors
    /// As the store's.
    pub fn begin_session(&self, digest: &[u8], user: u32, csrf: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO session (digest, user, csrf, created, last_used) VALUES (?1, ?2, ?3, ?4, ?4)",
            &[&digest, &user, &csrf, &now.0],
        )?;
        self.execute("UPDATE user SET last_sign_in = ?2 WHERE id = ?1", &[&user, &now.0])?;
        self.execute(
            "DELETE FROM session WHERE digest IN
                 (SELECT digest FROM session ORDER BY last_used DESC LIMIT -1 OFFSET ?1)",
            &[&MOST_SESSIONS],
        )?;
        Ok(())
    }

    /// The session of this digest, if it was used after `idle` and begun after `begun`.
    ///
    /// # Errors
    /// As the store's.
    pub fn session(&self, digest: &[u8], idle: Timestamp, begun: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        let sql = format!(
            "SELECT {USER}, s.csrf, s.created, s.last_used FROM session s JOIN user u ON u.id = s.user
             WHERE s.digest = ?1 AND s.last_used > ?2 AND s.created > ?3"
        );
        let found = self.rows(&sql, &[&digest, &idle.0, &begun.0], |row| {
            Ok(SessionRow {
                user: user(row)?,
                csrf: row.get(6)?,
                created: Timestamp(row.get(7)?),
                last_used: Timestamp(row.get(8)?),
            })
        })?;
        Ok(found.into_iter().next())
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// As the store's.
    pub fn use_session(&self, digest: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE session SET last_used = ?2 WHERE digest = ?1", &[&digest, &now.0]).map(drop)
    }

    /// Ends a session, and those that nobody uses any more.
    ///
    /// # Errors
    /// As the store's.
    pub fn end_session(&self, digest: &[u8], idle: Timestamp) -> Result<(), StoreError> {
        self.execute("DELETE FROM session WHERE digest = ?1 OR last_used <= ?2", &[&digest, &idle.0]).map(drop)
    }

    /// Adds a token of a user; its number. `None` where there is no such user, or there are too many tokens.
    ///
    /// # Errors
    /// As the store's.
    pub fn add_token(&self, token: &NewToken<'_>) -> Result<Option<u32>, StoreError> {
        let expires = token.expires.map(|time| time.0);
        let added = self.execute(
            "INSERT INTO token (digest, user, label, role, created, expires, scopes)
             SELECT ?1, id, ?3, ?4, ?5, ?6, ?8 FROM user WHERE name = ?2 AND (SELECT COUNT(*) FROM token) < ?7",
            &[
                &token.digest,
                &token.user,
                &token.label,
                &token.role.as_str(),
                &token.now.0,
                &expires,
                &MOST_TOKENS,
                &Scope::join(token.scopes),
            ],
        )?;
        Ok((added > 0).then(|| u32::try_from(self.connection.last_insert_rowid()).unwrap_or_default()))
    }

    /// All tokens, by number.
    ///
    /// # Errors
    /// As the store's.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.rows(&format!("{TOKEN} ORDER BY t.id"), &[], token)
    }

    /// Removes a token; false where there is none.
    ///
    /// # Errors
    /// As the store's.
    pub fn remove_token(&self, id: u32) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM token WHERE id = ?1", &[&id])? > 0)
    }

    /// The token of this digest that has not expired.
    ///
    /// # Errors
    /// As the store's.
    pub fn token(&self, digest: &[u8], now: Timestamp) -> Result<Option<TokenRow>, StoreError> {
        let sql = format!("{TOKEN} WHERE t.digest = ?1 AND (t.expires IS NULL OR t.expires > ?2)");
        Ok(self.rows(&sql, &[&digest, &now.0], token)?.pop())
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    /// As the store's.
    pub fn use_token(&self, id: u32, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE token SET last_used = ?2 WHERE id = ?1", &[&id, &now.0]).map(drop)
    }

    /// Keeps a question of a user; its number. `None` where there is no such user, or there are too many.
    ///
    /// # Errors
    /// As the store's.
    pub fn add_question(
        &self,
        user: &str,
        name: &str,
        list: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let added = self.execute(
            "INSERT INTO question (user, name, list, query, created)
             SELECT id, ?2, ?3, ?4, ?5 FROM user WHERE name = ?1 AND (SELECT COUNT(*) FROM question) < ?6",
            &[&user, &name, &list, &query, &now.0, &MOST_QUESTIONS],
        )?;
        Ok((added > 0).then(|| u32::try_from(self.connection.last_insert_rowid()).unwrap_or_default()))
    }

    /// All kept questions, by number.
    ///
    /// # Errors
    /// As the store's.
    pub fn questions(&self) -> Result<Vec<QuestionRow>, StoreError> {
        self.rows(
            "SELECT q.id, u.name, q.name, q.list, q.query, q.created FROM question q JOIN user u ON u.id = q.user
             ORDER BY q.id",
            &[],
            |row| {
                Ok(QuestionRow {
                    id: row.get(0)?,
                    user: row.get(1)?,
                    name: row.get(2)?,
                    list: row.get(3)?,
                    query: row.get(4)?,
                    created: Timestamp(row.get(5)?),
                })
            },
        )
    }

    /// Forgets a kept question; false where there is none.
    ///
    /// # Errors
    /// As the store's.
    pub fn remove_question(&self, id: u32) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM question WHERE id = ?1", &[&id])? > 0)
    }

    /// Writes a line of the audit log.
    ///
    /// # Errors
    /// As the store's.
    pub fn audit(&self, now: Timestamp, who: &str, from: &str, action: &str, detail: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO audit (time, who, address, action, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&now.0, &who, &from, &action, &detail],
        )?;
        let last = self.connection.last_insert_rowid();
        self.execute("DELETE FROM audit WHERE id <= ?1", &[&(last - i64::from(MOST_AUDIT))]).map(drop)
    }

    /// The newest lines of the audit log, newest first; those before the one of this number.
    ///
    /// # Errors
    /// As the store's.
    pub fn audit_log(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let before = before.and_then(|id| i64::try_from(id).ok()).unwrap_or(i64::MAX);
        self.rows(
            "SELECT id, time, who, address, action, detail FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            &[&before, &limit],
            |row| {
                Ok(AuditRow {
                    id: count(row, 0)?,
                    time: Timestamp(row.get(1)?),
                    who: row.get(2)?,
                    address: row.get(3)?,
                    action: row.get(4)?,
                    detail: row.get(5)?,
                })
            },
        )
    }

    /// Notes that a request begins which may be made again: who makes it, under which key, and the SHA-256 of what it
    /// asks for.
    ///
    /// # Errors
    /// As the store's.
    pub fn begin_request(
        &mut self,
        who: &str,
        key: &str,
        digest: &[u8],
        now: Timestamp,
    ) -> Result<RequestState, StoreError> {
        let path = self.path.clone();
        let mut begin = || -> rusqlite::Result<RequestState> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = transaction
                .prepare_cached("SELECT digest, status, body FROM request WHERE who = ?1 AND key = ?2")?
                .query_row(params![who, key], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<u16>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
                })
                .optional()?;
            let state = match known {
                Some((known, ..)) if known != digest => RequestState::Other,
                Some((_, Some(status), body)) => RequestState::Done(status, body.unwrap_or_default()),
                Some(_) => RequestState::Begun,
                None => {
                    transaction
                        .prepare_cached("INSERT INTO request (who, key, digest, time) VALUES (?1, ?2, ?3, ?4)")?
                        .execute(params![who, key, digest, now.0])?;
                    let last = transaction.last_insert_rowid();
                    transaction
                        .prepare_cached("DELETE FROM request WHERE id <= ?1")?
                        .execute([last - i64::from(MOST_REQUESTS)])?;
                    RequestState::New
                }
            };
            transaction.commit()?;
            Ok(state)
        };
        begin().map_err(|error| StoreError::from_sqlite(&path, error))
    }

    /// Notes what became of it. `None`: nothing was done, so that it may be made anew.
    ///
    /// # Errors
    /// As the store's.
    pub fn end_request(&self, who: &str, key: &str, answer: Option<(u16, &[u8])>) -> Result<(), StoreError> {
        match answer {
            Some((status, body)) => self.execute(
                "UPDATE request SET status = ?3, body = ?4 WHERE who = ?1 AND key = ?2",
                &[&who, &key, &status, &body],
            ),
            None => self.execute("DELETE FROM request WHERE who = ?1 AND key = ?2", &[&who, &key]),
        }
        .map(drop)
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(values, read)?.collect())
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    fn execute(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }
}

const USER: &str = "u.id, u.name, u.role, u.password, u.created, u.last_sign_in";
const TOKEN: &str = "SELECT t.id, u.name, t.label, t.role, u.role, t.created, t.expires, t.last_used, t.scopes
     FROM token t JOIN user u ON u.id = t.user";

fn user(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: row.get(0)?,
        name: row.get(1)?,
        role: parsed(row, 2, UserRole::parse)?,
        password: row.get(3)?,
        created: Timestamp(row.get(4)?),
        last_sign_in: time(row, 5)?,
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    let (own, of_user) = (parsed(row, 3, UserRole::parse)?, parsed(row, 4, UserRole::parse)?);
    Ok(TokenRow {
        id: row.get(0)?,
        user: row.get(1)?,
        label: row.get(2)?,
        role: own.min(of_user),
        scopes: Scope::split(&row.get::<_, String>(8)?),
        created: Timestamp(row.get(5)?),
        expires: time(row, 6)?,
        last_used: time(row, 7)?,
    })
}

pub(crate) fn access_path(store: &Path) -> PathBuf {
    let mut name: OsString = store.as_os_str().to_owned();
    name.push(".access");
    name.into()
}

/// Makes the file, so that nobody else may ever read it.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error| StoreError::from_sqlite(path, error);
    connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let (application, found): (i32, i32) = transaction
        .query_row(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(fail)?;
    match (application, found) {
        (0, 0) => transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?,
        (APPLICATION_ID, found) if found > VERSION => {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        (APPLICATION_ID, _) => {}
        _ => return Err(StoreError::OtherProgram { path: path.to_owned(), application }),
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.execute_batch(migration).map_err(fail)?;
    }
    transaction.pragma_update(None, "user_version", VERSION).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn opened() -> (tempfile::TempDir, AccessStore) {
        let folder = tempfile::tempdir().unwrap();
        let access = AccessStore::open(&folder.path().join("store.db")).unwrap();
        (folder, access)
    }

    #[test]
    fn the_last_administrator_stays() {
        let (_folder, access) = opened();
        assert!(access.add_user("anna", UserRole::Administrator, "x", NOW).unwrap());
        assert!(!access.add_user("Anna", UserRole::Viewer, "x", NOW).unwrap(), "names differ by more than case");
        assert!(!access.remove_user("ANNA").unwrap());
        assert!(!access.set_role("anna", UserRole::Viewer).unwrap());
        assert!(access.add_user("bert", UserRole::Administrator, "x", NOW).unwrap());
        assert!(access.remove_user("anna").unwrap());
        assert_eq!(access.users().unwrap().len(), 1);
    }

    #[test]
    fn sessions_end_when_idle_and_with_the_password() {
        let (_folder, access) = opened();
        access.add_user("anna", UserRole::Analyst, "x", NOW).unwrap();
        let id = access.user("anna").unwrap().unwrap().id;
        access.begin_session(b"secret", id, "csrf", NOW).unwrap();
        let never = Timestamp(0);
        assert_eq!(access.session(b"secret", never, never).unwrap().unwrap().csrf, "csrf");
        assert_eq!(access.session(b"other", never, never).unwrap(), None);
        assert_eq!(access.session(b"secret", NOW, never).unwrap(), None, "idle");
        assert_eq!(access.session(b"secret", never, NOW).unwrap(), None, "old");
        access.set_password("anna", "y").unwrap();
        assert_eq!(access.session(b"secret", never, never).unwrap(), None);
    }

    #[test]
    fn a_token_may_do_no_more_than_its_user() {
        let (_folder, access) = opened();
        access.add_user("anna", UserRole::Analyst, "x", NOW).unwrap();
        let end = Some(Timestamp(2_000_000_000));
        let new = NewToken {
            digest: b"t",
            user: "anna",
            label: "siem",
            role: UserRole::Administrator,
            scopes: &[Scope::Triage, Scope::Read],
            now: NOW,
            expires: end,
        };
        let id = access.add_token(&new).unwrap().unwrap();
        let found = access.token(b"t", NOW).unwrap().unwrap();
        assert_eq!(found.role, UserRole::Analyst);
        assert_eq!(found.scopes, Some(vec![Scope::Read, Scope::Triage]));
        assert_eq!(Scope::split("nothing"), Some(Vec::new()), "what is not known allows nothing");
        assert_eq!(access.token(b"t", Timestamp(2_000_000_000)).unwrap(), None, "expired");
        assert!(access.remove_token(id).unwrap());
        assert_eq!(access.add_token(&NewToken { digest: b"u", user: "nobody", ..new }).unwrap(), None);
        access.add_token(&NewToken { digest: b"v", scopes: &[], ..new }).unwrap().unwrap();
        assert_eq!(access.token(b"v", NOW).unwrap().unwrap().scopes, None, "all that its role may");
    }

    #[test]
    fn a_file_of_the_first_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let old = Connection::open(folder.path().join("store.db.access")).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute("INSERT INTO user (name, role, password, created) VALUES ('anna', 'analyst', 'x', 0)", []).unwrap();
        drop(old);
        let access = AccessStore::open(&store).unwrap();
        let id = access.add_question("anna", "new ones", "devices", "new_since=-1d", NOW).unwrap().unwrap();
        assert_eq!(access.questions().unwrap()[0].query, "new_since=-1d");
        assert_eq!(access.add_question("nobody", "x", "devices", "", NOW).unwrap(), None);
        assert!(access.remove_question(id).unwrap());
        drop(access);
        assert_eq!(AccessStore::open(&store).unwrap().users().unwrap().len(), 1);
    }

    #[test]
    fn a_request_is_done_once() {
        let (_folder, mut access) = opened();
        let mut begin = |digest: &[u8]| access.begin_request("anna", "k", digest, NOW).unwrap();
        assert_eq!(begin(b"a"), RequestState::New);
        assert_eq!(begin(b"a"), RequestState::Begun);
        assert_eq!(begin(b"b"), RequestState::Other);
        access.end_request("anna", "k", Some((200, b"done"))).unwrap();
        assert_eq!(access.begin_request("anna", "k", b"a", NOW).unwrap(), RequestState::Done(200, b"done".to_vec()));
        access.end_request("anna", "k", None).unwrap();
        assert_eq!(access.begin_request("anna", "k", b"a", NOW).unwrap(), RequestState::New);
    }

    #[test]
    fn the_file_is_private_and_only_ours() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, access) = opened();
        assert_eq!(std::fs::metadata(access.path()).unwrap().permissions().mode() & 0o077, 0);
        let other = folder.path().join("other.db");
        let foreign = Connection::open(folder.path().join("other.db.access")).unwrap();
        foreign.pragma_update(None, "application_id", 7).unwrap();
        drop(foreign);
        assert!(matches!(AccessStore::open(&other), Err(StoreError::OtherProgram { .. })));
    }
}
