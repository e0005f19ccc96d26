//! What all requests share, and who is signed in.

use crate::call::Identity;
use crate::host::Host;
use crate::kept::Kept;
use crate::problem::Problem;
use crate::readers::Readers;
use crate::secret;
use crate::throttle::Throttle;
use crate::watch::Watch;
use ot_protocol::Nanos;
use ot_protocol::time::SECOND;
use ot_store::{AccessStore, StoreError, UserRow, wall_clock};
use ot_views::learning::ModePreview;
use ot_views::maintenance::WindowReport;
use ot_views::map::{MapQuery, MapView};
use ot_views::stats::Sums;
use ot_views::{HealthView, LearningStatus};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// A session ends when it was not used for so long,
pub const IDLE: Nanos = 60 * 60 * SECOND;
/// and in any case after
pub const LONGEST: Nanos = 12 * 60 * 60 * SECOND;
/// How often it is noted that a session or token was used.
const NOTED: Nanos = 60 * SECOND;
/// Passwords that are checked at once: each takes 19 MiB and some tens of milliseconds.
const CHECKS: usize = 2;
/// Questions to the store at once.
const QUESTIONS: usize = 6;
/// Streams of alerts at once.
const STREAMS: usize = 64;

/// What all requests share.
pub struct App {
    /// The store, for reading.
    pub readers: Readers,
    /// The sensor around the console.
    pub host: Box<dyn Host>,
    /// Whether the console speaks TLS.
    pub tls: bool,
    /// Rows that were counted, kept for a short time.
    pub sums: Kept<(), Sums>,
    /// Maps that are kept for a short time.
    pub maps: Kept<MapQuery, MapView>,
    /// How learning goes on, the same.
    pub learning: Kept<(), LearningStatus>,
    /// What a change of the mode would mean, the same.
    pub modes: Kept<(), ModePreview>,
    /// Reports of maintenance by ticket and the span around a window, the same.
    pub reports: Kept<(Option<String>, Nanos), Vec<WindowReport>>,
    /// Alerts of each technique of the matrix by time range, the same.
    pub techniques: Kept<&'static str, Vec<u64>>,
    /// Whether the sensor does its work, as it was found last.
    pub found: Mutex<Option<(Instant, HealthView)>>,
    /// Watches for new and changed alerts.
    pub watch: Watch,
    /// Questions to the store that may be asked at once.
    pub questions: Arc<Semaphore>,
    /// Passwords that may be checked at once.
    pub checks: Arc<Semaphore>,
    /// Streams that may be open at once.
    pub streams: Arc<Semaphore>,
    /// One act of a person is applied after the other.
    pub acts: Mutex<()>,
    access: Mutex<AccessStore>,
    throttle: Mutex<Throttle>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("store", &self.readers.path()).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl App {
    /// Over a store.
    ///
    /// # Errors
    /// As the store's.
    pub fn open(store: &Path, host: Box<dyn Host>, tls: bool) -> Result<Self, StoreError> {
        Ok(Self {
            readers: Readers::open(store)?,
            host,
            tls,
            sums: Kept::default(),
            maps: Kept::default(),
            learning: Kept::default(),
            modes: Kept::default(),
            reports: Kept::default(),
            techniques: Kept::default(),
            found: Mutex::new(None),
            watch: Watch::new(store),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            checks: Arc::new(Semaphore::new(CHECKS)),
            streams: Arc::new(Semaphore::new(STREAMS)),
            acts: Mutex::new(()),
            access: Mutex::new(AccessStore::open(store)?),
            throttle: Mutex::default(),
        })
    }

    /// Users, sessions, tokens and the audit log.
    pub fn access(&self) -> MutexGuard<'_, AccessStore> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Name of the cookie. The prefix makes browsers hold to `Secure` and to the path.
    pub fn cookie(&self) -> &'static str {
        if self.tls { "__Host-ot-session" } else { "ot-session" }
    }

    /// Who holds a session's secret.
    ///
    /// # Errors
    /// As the store's.
    pub fn by_session(&self, secret: &str) -> Result<Option<Identity>, Problem> {
        let digest = secret::digest(secret);
        let now = wall_clock();
        let access = self.access();
        let Some(session) = access.session(&digest, now.plus(-IDLE), now.plus(-LONGEST))? else { return Ok(None) };
        if now.since(session.last_used) > NOTED {
            access.use_session(&digest, now)?;
        }
        Ok(Some(Identity {
            name: session.user.name,
            role: session.user.role,
            csrf: Some(session.csrf),
            scopes: None,
            session: Some(digest),
        }))
    }

    /// Who holds a token.
    ///
    /// # Errors
    /// As the store's.
    pub fn by_token(&self, token: &str) -> Result<Option<Identity>, Problem> {
        let now = wall_clock();
        let access = self.access();
        let Some(found) = access.token(&secret::digest(token), now)? else { return Ok(None) };
        if found.last_used.is_none_or(|used| now.since(used) > NOTED) {
            access.use_token(found.id, now)?;
        }
        Ok(Some(Identity { name: found.user, role: found.role, csrf: None, scopes: found.scopes, session: None }))
    }

    /// Begins a session where the password is right: the secret for the cookie.
    ///
    /// # Errors
    /// Where it is wrong, or one has to wait.
    pub fn sign_in(&self, name: &str, password: &str, address: &str) -> Result<String, Problem> {
        let throttle = || self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = throttle().wait(name, address, Instant::now()) {
            let seconds = wait.as_secs().max(1);
            return Err(
                Problem::too_many(format!("Too many failed sign-ins; try again in {seconds} seconds.")).after(seconds)
            );
        }
        let user: Option<UserRow> = self.access().user(name)?;
        let right = secret::is_password(password, user.as_ref().map(|user| user.password.as_str()));
        let shown: String = name.chars().filter(|letter| !letter.is_control()).take(64).collect();
        let Some(user) = user.filter(|_| right) else {
            throttle().failed(name, address, Instant::now());
            self.access().audit(wall_clock(), &shown, address, "sign-in-failed", "")?;
            return Err(Problem::unauthorised("The name or the password is wrong."));
        };
        throttle().succeeded(name, address);
        let fail = |error: secret::SecretError| Problem::internal(error.to_string());
        let (secret, csrf) = (secret::generate().map_err(fail)?, secret::generate().map_err(fail)?);
        let access = self.access();
        access.begin_session(&secret::digest(&secret), user.id, &csrf, wall_clock())?;
        access.audit(wall_clock(), &user.name, address, "sign-in", "")?;
        Ok(secret)
    }
}
