//! The store: one SQLite file with devices, baseline, alerts, events and what people did. The only crate that knows SQL.
//!
//! There is one writer of what the engine finds ([`Store`], under the [`EngineLock`]) and any number of readers
//! ([`read::Reader`]), which never block it. Anybody may append a command ([`Store::append_commands`]); the holder of the
//! lock applies it.
//!
//! A commit is one transaction of whole rows, each replaced by its number, so that a commit may be done twice. A replay
//! that was killed resumes: [`Store::begin_run`] gives the state from before the run, the engine goes through all packets
//! again, and commits up to the position that had been reached change nothing, for their rows are there already.

mod access;
mod check;
mod clock;
mod commands;
mod copy;
mod dump;
mod error;
mod evidence;
pub mod fleet;
mod indicators;
mod load;
mod lock;
mod maintenance;
mod open;
mod outbox;
pub mod read;
mod run;
mod value;
mod write;

pub use access::{
    AccessStore, AuditRow, NewToken, QuestionRow, RequestState, Scope, SessionRow, TokenRow, UserRole, UserRow,
};
pub use check::{Depth, Soundness, check, settle};
pub use clock::wall_clock;
pub use commands::{CommandState, NewCommand};
pub use dump::dump;
pub use error::StoreError;
pub use evidence::{EvidenceRow, EvidenceState, EvidenceTotal};
pub use indicators::{IndicatorList, IndicatorListRow};
pub use lock::{EngineLock, engine_runs};
pub use maintenance::MaintenanceRow;
pub use open::{APPLICATION_ID, VERSION};
pub use outbox::{
    Change, DestinationRow, MOST_OPEN, MOST_OUTBOX, NewDestination, OutboxOrigin, OutboxRow, Registered, Waiting,
    forwarder_of,
};
pub use run::{ReplayedCommand, RunInput, RunKind, RunSpec, RunStart};
pub use value::intern;

use ot_engine::model::Alert;
use ot_engine::{Changes, Snapshot};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};

/// A connection that writes.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// While a resumed run goes again through what is committed: up to which position.
    catching_up: Option<u64>,
    written: write::Written,
    warnings: Vec<String>,
    /// Rows that wait for their alerts.
    staged: Vec<EvidenceRow>,
}

impl Store {
    /// Opens a store; creates it where there is none (its directory must be there) and brings an older one up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, open::writer(path, true)?)
    }

    /// Opens a store that must be there.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, open::writer(path, false)?)
    }

    fn with(path: &Path, connection: Connection) -> Result<Self, StoreError> {
        Ok(Self {
            connection,
            path: path.to_owned(),
            catching_up: None,
            written: write::Written::default(),
            warnings: Vec::new(),
            staged: Vec::new(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the right to run an engine on this store, for as long as the lock lives. It ends with the process, however
    /// that ends.
    pub fn lock_engine(&self) -> Result<EngineLock, StoreError> {
        EngineLock::take(&self.path)
    }

    /// What was odd in the rows loaded so far and had to be left out, for people.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The state as committed last.
    pub fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        let transaction = self.connection.transaction().map_err(|error| StoreError::from_sqlite(&self.path, error))?;
        load::snapshot(&transaction, "", &mut self.warnings).map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// One alert by its id, whatever its status: for a command on an alert that [`Store::snapshot`] leaves out.
    /// While a resumed run catches up, as it was before the run.
    pub fn alert(&mut self, id: &str) -> Result<Option<Alert>, StoreError> {
        let prefix = if self.catching_up.is_some() { run::BEFORE } else { "" };
        load::alert(&self.connection, prefix, id, &mut self.warnings)
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Commits what changed, in one transaction. `position` is the number of the packet up to which (inclusive) all
    /// facts of the run have been consumed; what the end of the input brings goes to [`Store::finish_run`] instead.
    ///
    /// While a resumed run is not beyond the position it had reached, this writes nothing: the rows are there.
    /// After an error nothing of it is in the store.
    pub fn commit(&mut self, run: u32, changes: &Changes, position: u64) -> Result<(), StoreError> {
        if self.catching_up.is_some_and(|reached| position <= reached) {
            return Ok(());
        }
        let staged = std::mem::take(&mut self.staged);
        let written = self.transact(|transaction, written| {
            write::changes(transaction, changes, Some(run), written)?;
            evidence::write(transaction, &staged)?;
            run::set_position(transaction, run, position)
        });
        match &written {
            Ok(()) => self.catching_up = None,
            Err(_) => self.staged = staged,
        }
        written
    }

    /// Runs one writing transaction. What was cached of written rows is forgotten when it fails.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &mut write::Written) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let result = (|| {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction, &mut self.written)?;
            transaction.commit()?;
            Ok(value)
        })();
        result.map_err(|error| {
            self.written = write::Written::default();
            StoreError::from_sqlite(&self.path, error)
        })
    }
}
