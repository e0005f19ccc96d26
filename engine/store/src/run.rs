//! Runs: begin, resume, finish.

use crate::value::integer;
use crate::{Store, StoreError, commands, evidence, load, write};
use ot_engine::{Changes, Command, Snapshot};
use ot_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// What the tables that hold the state before a run begin with.
pub(crate) const BEFORE: &str = "before_";

/// The tables from which an engine starts.
const STATE: [&str; 26] = [
    "device",
    "device_address",
    "device_identity",
    "device_role_reason",
    "device_protocol",
    "device_context",
    "baseline",
    "baseline_grant",
    "point",
    "program_version",
    "program_attribute",
    "program_bytes",
    "journal",
    "alert",
    "alert_peer",
    "alert_technique",
    "alert_entry",
    "alert_frame",
    "opening",
    "state",
    "counter",
    "ot_subnet",
    "device_learning",
    "maintenance",
    "maintenance_part",
    "alert_maintenance",
];

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunKind {
    /// Capture files. Resumes where it was interrupted.
    Replay,
    /// The network. Never resumes.
    Live,
}

impl RunKind {
    /// `replay` or `live`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Live => "live",
        }
    }
}

/// A file that a run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInput {
    /// Its path, for people.
    pub path: String,
    /// SHA-256 of its content in hexadecimal digits. Empty where it cannot be read twice (standard input): a run with
    /// such an input never resumes.
    pub sha256: String,
    /// Its length in bytes; 0 where unknown.
    pub bytes: u64,
}

/// What a run is begun with. A run that was interrupted resumes when kind, sensor, options and the content of all inputs
/// are the same.
#[derive(Clone, Copy, Debug)]
pub struct RunSpec<'a> {
    /// Kind.
    pub kind: RunKind,
    /// The sensor's id: part of every alert's id.
    pub sensor: &'a str,
    /// The site, for people; may be empty.
    pub site: &'a str,
    /// Everything else that decides what the engine finds, in any stable form: how it learns, its configuration, the
    /// version of the program.
    pub options: &'a str,
    /// The inputs, in order.
    pub inputs: &'a [RunInput],
    /// Wall time.
    pub now: Timestamp,
}

/// How a run starts.
#[derive(Clone, Debug)]
pub struct RunStart {
    /// Its number.
    pub run: u32,
    /// The number of its first input; the others follow.
    pub first_file: u32,
    /// Whether it goes on with an interrupted run.
    pub resumed: bool,
    /// Up to which packet (inclusive) the consequences are in the store already. 0 for a new run.
    pub resume_position: u64,
    /// What the engine starts from: for a resumed run the state from before it.
    pub snapshot: Snapshot,
    /// What people did during the interrupted run, in order: to be applied to the engine again when it has consumed all
    /// facts up to the packet named. The store needs no word of it.
    pub replay_commands: Vec<ReplayedCommand>,
    /// An interrupted run that does not go on, because this one is another.
    pub aborted: Option<u32>,
}

/// A command that was applied during an interrupted run.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedCommand {
    /// After which packet it was applied.
    pub position: u64,
    /// The command.
    pub command: Command,
}

struct Interrupted {
    run: u32,
    position: u64,
    first_file: u32,
}

impl Store {
    /// Begins a run, or goes on with the one that was interrupted. The holder of the [`crate::EngineLock`] calls it once.
    pub fn begin_run(&mut self, spec: &RunSpec<'_>) -> Result<RunStart, StoreError> {
        let mut warnings = Vec::new();
        let start = self.transact(|transaction, _| {
            let running = running(transaction)?;
            if let Some((run, _)) = running
                && let Some(interrupted) = same(transaction, run, spec)?
            {
                return resume(transaction, &interrupted, &mut warnings);
            }
            if let Some((run, _)) = running {
                transaction
                    .prepare("UPDATE run SET state = 'aborted', wall_finished = ?2 WHERE id = ?1")?
                    .execute(params![run, spec.now.0])?;
            }
            let mut start = begin(transaction, spec, &mut warnings)?;
            start.aborted = running.map(|(run, _)| run);
            Ok(start)
        })?;
        self.warnings.append(&mut warnings);
        self.catching_up = (start.resume_position > 0).then_some(start.resume_position);
        Ok(start)
    }

    /// The run that was not ended: it goes on in another process, or was interrupted.
    pub fn unfinished_run(&self) -> Result<Option<u32>, StoreError> {
        running(&self.connection)
            .map(|found| found.map(|(run, _)| run))
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// The number that the first input of the next run will have, unless that run resumes.
    pub fn next_file(&self) -> Result<u32, StoreError> {
        next_file(&self.connection).map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Commits what the end of the input brought and ends the run, in one transaction. `packets`: of each input, in
    /// order. `position`: the number of the last packet.
    pub fn finish_run(
        &mut self,
        run: u32,
        changes: &Changes,
        position: u64,
        packets: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let staged = std::mem::take(&mut self.staged);
        self.transact(|transaction, written| {
            write::changes(transaction, changes, Some(run), written)?;
            evidence::write(transaction, &staged)?;
            set_position(transaction, run, position)?;
            let mut set = transaction.prepare(
                "UPDATE input SET packets = ?3
                 WHERE file = (SELECT file FROM input WHERE run = ?1 ORDER BY file LIMIT 1 OFFSET ?2)",
            )?;
            for (offset, packets) in (0_i64..).zip(packets) {
                set.execute(params![run, offset, integer(*packets)])?;
            }
            let total = packets.iter().fold(0_u64, |sum, packets| sum.saturating_add(*packets));
            transaction
                .prepare("UPDATE run SET state = 'done', wall_finished = ?2, packets = ?3 WHERE id = ?1")?
                .execute(params![run, now.0, integer(total)])?;
            drop_copies(transaction)
        })?;
        self.catching_up = None;
        Ok(())
    }
}

fn next_file(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("SELECT COALESCE(MAX(file) + 1, 0) FROM input", [], |row| row.get(0))
}

/// The run that is in state *running*, and its position. There is at most one.
pub(crate) fn running(transaction: &Connection) -> rusqlite::Result<Option<(u32, u64)>> {
    transaction
        .query_row("SELECT id, position FROM run WHERE state = 'running' ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, crate::value::count(row, 1)?))
        })
        .optional()
}

pub(crate) fn set_position(transaction: &Transaction<'_>, run: u32, position: u64) -> rusqlite::Result<()> {
    let changed = transaction
        .prepare_cached("UPDATE run SET position = MAX(position, ?2), packets = MAX(packets, ?2) WHERE id = ?1")?
        .execute(params![run, integer(position)])?;
    if changed == 1 { Ok(()) } else { Err(refused(format!("there is no run {run}"))) }
}

/// A request that cannot be done, as an error that rolls the transaction back.
pub(crate) fn refused(detail: String) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(detail.into())
}

/// The run, if it is one over the same inputs in the same way.
fn same(transaction: &Transaction<'_>, run: u32, spec: &RunSpec<'_>) -> rusqlite::Result<Option<Interrupted>> {
    if spec.kind != RunKind::Replay || spec.inputs.is_empty() || spec.inputs.iter().any(|input| input.sha256.is_empty())
    {
        return Ok(None);
    }
    let found = transaction
        .query_row(
            "SELECT position FROM run WHERE id = ?1 AND kind = ?2 AND sensor = ?3 AND site = ?4 AND options = ?5",
            params![run, spec.kind.as_str(), spec.sensor, spec.site, spec.options],
            |row| crate::value::count(row, 0),
        )
        .optional()?;
    let Some(position) = found else { return Ok(None) };
    let inputs: Vec<(u32, String)> = transaction
        .prepare("SELECT file, sha256 FROM input WHERE run = ?1 ORDER BY file")?
        .query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let equal = inputs.len() == spec.inputs.len()
        && inputs.iter().zip(spec.inputs).all(|((_, known), input)| *known == input.sha256);
    Ok(inputs.first().filter(|_| equal).map(|(first_file, _)| Interrupted { run, position, first_file: *first_file }))
}

fn resume(
    transaction: &Transaction<'_>,
    interrupted: &Interrupted,
    warnings: &mut Vec<String>,
) -> rusqlite::Result<RunStart> {
    transaction.prepare("UPDATE run SET attempts = attempts + 1 WHERE id = ?1")?.execute([interrupted.run])?;
    Ok(RunStart {
        run: interrupted.run,
        first_file: interrupted.first_file,
        resumed: true,
        resume_position: interrupted.position,
        snapshot: load::snapshot(transaction, BEFORE, warnings)?,
        replay_commands: commands::applied_in(transaction, interrupted.run)?,
        aborted: None,
    })
}

fn begin(transaction: &Transaction<'_>, spec: &RunSpec<'_>, warnings: &mut Vec<String>) -> rusqlite::Result<RunStart> {
    transaction
        .prepare(
            "INSERT INTO run (kind, state, sensor, site, options, wall_started, attempts, position, packets)
             VALUES (?1, 'running', ?2, ?3, ?4, ?5, 1, 0, 0)",
        )?
        .execute(params![spec.kind.as_str(), spec.sensor, spec.site, spec.options, spec.now.0])?;
    let run: u32 = transaction.query_row("SELECT MAX(id) FROM run", [], |row| row.get(0))?;
    let first_file = next_file(transaction)?;
    let mut insert =
        transaction.prepare("INSERT INTO input (file, run, path, sha256, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (file, input) in (i64::from(first_file)..).zip(spec.inputs) {
        insert.execute(params![file, run, input.path, input.sha256, integer(input.bytes)])?;
    }
    drop_copies(transaction)?;
    if spec.kind == RunKind::Replay {
        for table in STATE {
            transaction.execute_batch(&format!("CREATE TABLE {BEFORE}{table} AS SELECT * FROM {table}"))?;
        }
    }
    Ok(RunStart {
        run,
        first_file,
        resumed: false,
        resume_position: 0,
        snapshot: load::snapshot(transaction, "", warnings)?,
        replay_commands: Vec::new(),
        aborted: None,
    })
}

/// Gives the copies from before an interrupted replay the tables and columns that a migration brought.
pub(crate) fn complete_copies(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let columns = |table: &str| -> rusqlite::Result<Vec<(String, String)>> {
        transaction
            .prepare(
                "SELECT name, type || CASE WHEN \"notnull\" AND dflt_value IS NOT NULL
                     THEN ' NOT NULL DEFAULT ' || dflt_value ELSE '' END
                 FROM pragma_table_info(?1)",
            )?
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    if columns(&format!("{BEFORE}device"))?.is_empty() {
        return Ok(());
    }
    for table in STATE {
        let now = columns(table)?;
        let copied = columns(&format!("{BEFORE}{table}"))?;
        if copied.is_empty() && !now.is_empty() {
            transaction.execute_batch(&format!("CREATE TABLE {BEFORE}{table} AS SELECT * FROM {table}"))?;
            continue;
        }
        for (name, declared) in now.iter().filter(|(name, _)| copied.iter().all(|(known, _)| known != name)) {
            transaction.execute_batch(&format!("ALTER TABLE {BEFORE}{table} ADD COLUMN {name} {declared}"))?;
        }
    }
    Ok(())
}

fn drop_copies(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    for table in STATE {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {BEFORE}{table}"))?;
    }
    Ok(())
}
