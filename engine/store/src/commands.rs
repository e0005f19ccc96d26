//! What people ask for: appended by anybody, applied by the holder of the engine.

use crate::load::entry_key;
use crate::value::{count, device, integer, parsed};
use crate::{ReplayedCommand, Store, StoreError, run, write};
use ot_engine::model::Status;
use ot_engine::{Action, Changes, Command};
use ot_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// A command before it has a number.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCommand {
    /// Id of the alert it is about.
    pub alert: Option<String>,
    /// What is asked for.
    pub action: Action,
    /// Who asks.
    pub who: String,
    /// Why; may be empty.
    pub why: String,
    /// Wall time.
    pub wall_time: Timestamp,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// Nobody has applied it yet.
    Pending,
    /// Done.
    Applied,
    /// Not done; why.
    Refused(String),
}

impl Store {
    /// Appends commands in one transaction and gives their numbers, in order. Needs no lock.
    pub fn append_commands(&mut self, commands: &[NewCommand]) -> Result<Vec<u64>, StoreError> {
        self.transact(|transaction, _| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO command (wall_time, who, why, alert, action, status, text, device)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            let mut insert_entry = transaction.prepare_cached(
                "INSERT INTO command_entry (command, kind, client, server, protocol, port, function, subfunction, space,
                     number, start_address, end_address, text)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?;
            let mut ids = Vec::with_capacity(commands.len());
            for command in commands {
                let (mut status, mut text, mut device) = (None, None, None);
                match &command.action {
                    Action::SetStatus(wanted) => status = Some(wanted.as_str()),
                    Action::Comment(comment) => text = Some(comment),
                    Action::BaselineReset(of) => device = of.map(|id| id.0),
                    Action::Learn | Action::Unlearn | Action::Mute | Action::Unmute | Action::BaselineAllow(_) => {}
                }
                insert.execute(params![
                    command.wall_time.0,
                    command.who,
                    command.why,
                    command.alert,
                    command.action.id(),
                    status,
                    text,
                    device,
                ])?;
                let id = transaction.last_insert_rowid();
                if let Action::BaselineAllow(key) = &command.action {
                    insert_entry.execute(params![
                        id,
                        key.kind.as_str(),
                        key.client.map(|id| id.0),
                        key.server.map(|id| id.0),
                        key.protocol,
                        key.port,
                        key.function,
                        key.subfunction,
                        key.space,
                        key.number,
                        key.start,
                        key.end,
                        key.text,
                    ])?;
                }
                ids.push(u64::try_from(id).unwrap_or_default());
            }
            Ok(ids)
        })
    }

    /// Commands that nobody has applied yet, oldest first. None while a resumed run catches up: what is asked now
    /// concerns the state that is in the store, to which the engine has yet to come.
    pub fn pending_commands(&self) -> Result<Vec<Command>, StoreError> {
        if self.catching_up.is_some() {
            return Ok(Vec::new());
        }
        self.select("state = 'pending'", &[]).map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// What became of a command; `None` where there is no such command.
    pub fn command_state(&self, id: u64) -> Result<Option<CommandState>, StoreError> {
        self.connection
            .prepare_cached("SELECT state, error FROM command WHERE id = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([integer(id)], |row| {
                        let error: Option<String> = row.get(1)?;
                        parsed(row, 0, |state| match state {
                            "pending" => Some(CommandState::Pending),
                            "applied" => Some(CommandState::Applied),
                            "refused" => Some(CommandState::Refused(error.clone().unwrap_or_default())),
                            _ => None,
                        })
                    })
                    .optional()
            })
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Records what became of a command, together with all changes up to it, in one transaction; an applied command on an
    /// alert becomes a line of the alert's history. A command that is no longer pending only commits the changes.
    ///
    /// `at`: the run and the packet up to which (inclusive) all its facts have been consumed; `None` for a command line
    /// that applies while no engine runs.
    pub fn apply_command(
        &mut self,
        command: &Command,
        changes: &Changes,
        result: Result<(), &str>,
        at: Option<(u32, u64)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let detail = match &command.action {
            Action::SetStatus(status) => status.as_str(),
            Action::Comment(comment) => comment,
            _ => "",
        };
        self.transact(|transaction, written| {
            write::changes(transaction, changes, at.map(|(run, _)| run), written)?;
            // Without an engine, a run that was interrupted goes on later from the state that this command changes.
            let at = match at {
                Some((run, position)) => {
                    run::set_position(transaction, run, position)?;
                    Some((run, position))
                }
                None => run::running(transaction)?,
            };
            let id = integer(command.id);
            let (state, error) = match result {
                Ok(()) => ("applied", None),
                Err(error) => ("refused", Some(error)),
            };
            let taken = transaction
                .prepare_cached(
                    "UPDATE command SET state = ?2, error = ?3, wall_applied = ?4, run = ?5, position = ?6
                     WHERE id = ?1 AND state = 'pending'",
                )?
                .execute(params![
                    id,
                    state,
                    error,
                    now.0,
                    at.map(|(run, _)| run),
                    at.map(|(_, position)| integer(position))
                ])?;
            if taken == 1 && result.is_ok() {
                transaction
                    .prepare_cached(
                        "INSERT INTO alert_history (alert, wall_time, who, action, why, detail, command)
                         SELECT number, ?2, ?3, ?4, ?5, ?6, ?7 FROM alert WHERE id = ?1",
                    )?
                    .execute(params![
                        command.alert,
                        command.wall_time.0,
                        command.who,
                        command.action.id(),
                        command.why,
                        detail,
                        id
                    ])?;
            }
            Ok(())
        })
    }

    fn select(&self, condition: &str, parameters: &[&dyn ToSql]) -> rusqlite::Result<Vec<Command>> {
        select(&self.connection, condition, parameters, read)
    }
}

/// Commands that were applied during a run, in the order in which they were.
pub(crate) fn applied_in(connection: &Connection, run: u32) -> rusqlite::Result<Vec<ReplayedCommand>> {
    select(connection, "state = 'applied' AND run = ?1", &[&run], |row| {
        Ok(ReplayedCommand { position: count(row, 20)?, command: read(row)? })
    })
}

fn select<T>(
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare_cached(&format!(
            "SELECT c.id, c.wall_time, c.who, c.why, c.alert, c.action, c.status, c.text, e.kind, e.client, e.server,
                 e.protocol, e.port, e.function, e.subfunction, e.space, e.number, e.start_address, e.end_address,
                 e.text, COALESCE(c.position, 0), c.device
             FROM command c LEFT JOIN command_entry e ON e.command = c.id
             WHERE {condition} ORDER BY COALESCE(c.position, 0), c.id"
        ))?
        .query_map(parameters, read)?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Command> {
    let action = match parsed(row, 5, |action| Some(action.to_owned()))?.as_str() {
        "status" => Action::SetStatus(parsed(row, 6, Status::parse)?),
        "learn" => Action::Learn,
        "unlearn" => Action::Unlearn,
        "mute" => Action::Mute,
        "unmute" => Action::Unmute,
        "comment" => Action::Comment(row.get(7)?),
        "baseline-reset" => Action::BaselineReset(device(row, 21)?),
        "baseline-allow" => Action::BaselineAllow(Box::new(entry_key(row, 8)?)),
        _ => parsed(row, 5, |_| None)?,
    };
    Ok(Command {
        id: count(row, 0)?,
        alert: row.get(4)?,
        action,
        who: row.get(2)?,
        why: row.get(3)?,
        wall_time: Timestamp(row.get(1)?),
    })
}
