//! What people ask for: appended by anybody, applied by the holder of the engine.

use crate::load::{entry_key, scope};
use crate::value::{count, device, integer, intern, parsed, time};
use crate::{ReplayedCommand, Store, StoreError, maintenance, run, write};
use ot_engine::context::{Change, Field};
use ot_engine::model::{DeviceId, EntryId, EntryKey, Scope, Status};
use ot_engine::{Action, Changes, Command, End, Imported, Learn, Reset};
use ot_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};
use std::collections::HashMap;

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
    /// Done; what it did, in words.
    Applied(String),
    /// Not done; why.
    Refused(String),
}

impl Store {
    /// Appends commands in one transaction and gives their numbers, in order. Together they are one act, applied at one
    /// moment. Needs no lock.
    pub fn append_commands(&mut self, commands: &[NewCommand]) -> Result<Vec<u64>, StoreError> {
        self.transact(|transaction, _| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO command (wall_time, who, why, alert, action, status, text, device, scope, span, undo,
                     maintenance, entry, until)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?;
            let mut join = transaction.prepare_cached("UPDATE command SET act = ?2 WHERE id = ?1")?;
            let mut insert_entry = transaction.prepare_cached(
                "INSERT INTO command_entry (command, kind, client, server, protocol, port, function, subfunction, space,
                     number, start_address, end_address, text, scope, network, label, min_value, max_value, every, until,
                     file)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
            )?;
            let mut ids = Vec::with_capacity(commands.len());
            for command in commands {
                let (mut status, mut text, mut device) = (None, None, None);
                let (mut scope, mut span, mut undo, mut window) = (None, None, None, None);
                let (mut entry, mut until) = (None, None);
                match &command.action {
                    Action::SetStatus(wanted) => status = Some(wanted.as_str()),
                    Action::Comment(comment) => text = Some(comment),
                    Action::SetContext(of, _) => device = Some(of.0),
                    Action::BaselineReset(reset) => (device, span) = (reset.device.map(|id| id.0), reset.learn_for),
                    Action::Learn(learn) => (scope, span) = (Some(learn.scope.as_str()), learn.span),
                    Action::BaselineUndo(act) => undo = Some(integer(*act)),
                    Action::BaselineRemove(of) => entry = Some(of.0),
                    Action::BaselineExpire(of, end) => {
                        entry = Some(of.0);
                        match end {
                            End::At(time) => until = Some(time.0),
                            End::After(length) => span = Some(*length),
                            End::Never => {}
                        }
                    }
                    Action::MaintenanceRemove(number) => window = Some(*number),
                    Action::LearningMode(length) => span = *length,
                    Action::Unlearn
                    | Action::Mute
                    | Action::Unmute
                    | Action::MaintenanceAdd(_)
                    | Action::BaselineAllow(_)
                    | Action::RulesReload => {}
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
                    scope,
                    span,
                    undo,
                    window,
                    entry,
                    until,
                ])?;
                let id = transaction.last_insert_rowid();
                join.execute(params![id, ids.first().map_or(id, |&first| integer(first))])?;
                if let Action::BaselineAllow(imported) = &command.action {
                    let key = &imported.key;
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
                        key.scope.as_str(),
                        key.network.map(|network| network.to_string()),
                        imported.label,
                        imported.values.map(|(min, _)| min),
                        imported.values.map(|(_, max)| max),
                        imported.every,
                        imported.until.map(|time| time.0),
                        imported.file,
                    ])?;
                }
                if let Action::SetContext(_, changes) = &command.action {
                    let mut insert = transaction.prepare_cached(
                        "INSERT INTO command_context (command, place, field, value, remove) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?;
                    for (place, change) in (0_i64..).zip(changes) {
                        insert.execute(params![id, place, change.field.as_str(), change.value, change.remove])?;
                    }
                }
                if let Action::MaintenanceAdd(plan) = &command.action {
                    maintenance::append(transaction, id, plan)?;
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
        (|| {
            let mut commands = self.select("state = 'pending'", &[])?;
            for command in &mut commands {
                fill(&self.connection, command)?;
            }
            Ok(commands)
        })()
        .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// What became of a command; `None` where there is no such command.
    pub fn command_state(&self, id: u64) -> Result<Option<CommandState>, StoreError> {
        self.connection
            .prepare_cached("SELECT state, COALESCE(error, answer) FROM command WHERE id = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([integer(id)], |row| {
                        let words = row.get::<_, Option<String>>(1)?.unwrap_or_default();
                        parsed(row, 0, |state| match state {
                            "pending" => Some(CommandState::Pending),
                            "applied" => Some(CommandState::Applied(words.clone())),
                            "refused" => Some(CommandState::Refused(words.clone())),
                            _ => None,
                        })
                    })
                    .optional()
            })
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Alerts that the commands of an act are about, by id.
    pub fn alerts_of_act(&self, act: u64) -> Result<Vec<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT DISTINCT alert FROM command WHERE act = ?1 AND alert IS NOT NULL ORDER BY id")
            .and_then(|mut statement| statement.query_map([integer(act)], |row| row.get(0))?.collect())
            .map_err(|error| StoreError::from_sqlite(&self.path, error))
    }

    /// Records what became of commands, together with all changes up to them, in one transaction; an applied command on an
    /// alert becomes a line of the alert's history. A command that is no longer pending only commits the changes.
    ///
    /// `at`: the run and the packet up to which (inclusive) all its facts have been consumed; `None` for a command line
    /// that applies while no engine runs.
    pub fn apply_commands(
        &mut self,
        commands: &[(Command, Result<String, String>)],
        changes: &Changes,
        at: Option<(u32, u64)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.transact(|transaction, written| {
            let mut said = Said::of(transaction, commands.iter().map(|(command, _)| command))?;
            write::changes(transaction, changes, at.map(|(run, _)| run), written)?;
            // Without an engine, a run that was interrupted goes on later from the state that this command changes.
            let at = match at {
                Some((run, position)) => {
                    run::set_position(transaction, run, position)?;
                    Some((run, position))
                }
                None => run::running(transaction)?,
            };
            let mut take = transaction.prepare_cached(
                "UPDATE command SET state = ?2, error = ?3, answer = ?4, wall_applied = ?5, run = ?6, position = ?7
                 WHERE id = ?1 AND state = 'pending'",
            )?;
            for (command, result) in commands {
                let (state, answer, error) = match result {
                    Ok(answer) => ("applied", Some(answer), None),
                    Err(error) => ("refused", None, Some(error)),
                };
                let taken = take.execute(params![
                    integer(command.id),
                    state,
                    error,
                    answer,
                    now.0,
                    at.map(|(run, _)| run),
                    at.map(|(_, position)| integer(position))
                ])?;
                if let (1, Some(answer)) = (taken, answer) {
                    history(transaction, command, answer, changes)?;
                    said.note(transaction, command)?;
                }
            }
            Ok(())
        })
    }

    fn select(&self, condition: &str, parameters: &[&dyn ToSql]) -> rusqlite::Result<Vec<Command>> {
        select(&self.connection, condition, parameters, read)
    }
}

/// A line in the history of each alert that a command changed.
fn history(transaction: &Transaction<'_>, command: &Command, answer: &str, changes: &Changes) -> rusqlite::Result<()> {
    let detail = match &command.action {
        Action::SetStatus(status) => status.as_str(),
        Action::Comment(comment) => comment,
        Action::Mute | Action::Unmute => "",
        _ => answer,
    };
    let tell = |which: &str, value: &dyn ToSql| {
        let sql = format!(
            "INSERT OR IGNORE INTO alert_history (alert, wall_time, who, action, why, detail, command)
             SELECT number, ?2, ?3, ?4, ?5, ?6, ?7 FROM alert WHERE {which}"
        );
        transaction.prepare_cached(&sql)?.execute(params![
            value,
            command.wall_time.0,
            command.who,
            command.action.id(),
            command.why,
            detail,
            integer(command.id)
        ])
    };
    tell("id = ?1", &command.alert)?;
    // An entry that ends is a matter of each alert with which it was learned.
    if let Action::BaselineRemove(entry) | Action::BaselineExpire(entry, _) = command.action {
        tell("learned AND number IN (SELECT alert FROM alert_entry WHERE entry = ?1)", &entry.0)?;
    }
    if let Action::BaselineUndo(act) = command.action {
        // What is taken back with an act is taken back for each alert that it learned.
        for alert in &changes.alerts {
            tell("number = ?1", &alert.number)?;
        }
        // What was done to entries with the act is a matter of the alerts whose history tells of that.
        let told = "number IN (SELECT h.alert FROM command c JOIN alert_history h ON h.command = c.id
             WHERE c.act = ?1 AND c.action IN ('baseline-remove', 'baseline-expire'))";
        tell(told, &integer(act))?;
    }
    Ok(())
}

/// Commands that were applied during a run, in the order in which they were.
pub(crate) fn applied_in(connection: &Connection, run: u32) -> rusqlite::Result<Vec<ReplayedCommand>> {
    let mut commands = select(connection, "state = 'applied' AND run = ?1", &[&run], |row| {
        Ok(ReplayedCommand { position: count(row, 20)?, command: read(row)? })
    })?;
    for replayed in &mut commands {
        fill(connection, &mut replayed.command)?;
    }
    Ok(commands)
}

/// Adds what a command holds in tables of its own.
fn fill(connection: &Connection, command: &mut Command) -> rusqlite::Result<()> {
    if let Action::SetContext(_, changes) = &mut command.action {
        *changes = connection
            .prepare_cached("SELECT field, value, remove FROM command_context WHERE command = ?1 ORDER BY place")?
            .query_map([integer(command.id)], |row| {
                Ok(Change { field: parsed(row, 0, Field::parse)?, value: row.get(1)?, remove: row.get(2)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
    }
    if let Action::MaintenanceAdd(plan) = &mut command.action {
        **plan = maintenance::plan_of(connection, command.id)?;
    }
    Ok(())
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
                 e.text, COALESCE(c.position, 0), c.device, c.act, c.scope, c.span, c.undo, COALESCE(e.scope, 'exact'),
                 e.network, COALESCE(e.label, ''), e.min_value, e.max_value, e.every, e.until, COALESCE(e.file, ''),
                 c.maintenance, c.entry, c.until
             FROM command c LEFT JOIN command_entry e ON e.command = c.id
             WHERE {condition} ORDER BY COALESCE(c.position, 0), c.id"
        ))?
        .query_map(parameters, read)?
        .collect()
}

/// What was said of the devices that commands are about, before them.
struct Said(HashMap<DeviceId, Vec<(String, String)>>);

impl Said {
    fn of<'a>(connection: &Connection, commands: impl Iterator<Item = &'a Command>) -> rusqlite::Result<Self> {
        let mut said = HashMap::new();
        for command in commands {
            if let Action::SetContext(device, _) = &command.action
                && !said.contains_key(device)
            {
                said.insert(*device, said_of(connection, *device)?);
            }
        }
        Ok(Self(said))
    }

    /// Writes a line for each change that a person made to a device.
    fn note(&mut self, connection: &Connection, command: &Command) -> rusqlite::Result<()> {
        let Action::SetContext(device, changes) = &command.action else { return Ok(()) };
        let Some(held) = self.0.get_mut(device) else { return Ok(()) };
        let mut insert = connection.prepare_cached(
            "INSERT INTO device_history (device, wall_time, who, why, field, value_before, value_after, command)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for change in changes {
            let field = change.field.as_str();
            let of_tag = change.field == Field::Tag;
            let at = held
                .iter()
                .position(|(name, value)| name == field && (!of_tag || Some(value) == change.value.as_ref()));
            let before = at.map(|at| held.swap_remove(at).1);
            let after = match &change.value {
                Some(value) => (!change.remove).then(|| value.clone()),
                // What the configuration, or traffic, says of it instead.
                None => {
                    said_of(connection, *device)?.into_iter().find(|(name, _)| name == field).map(|(_, value)| value)
                }
            };
            held.extend(after.iter().map(|value| (field.to_owned(), value.clone())));
            insert.execute(params![
                device.0,
                command.wall_time.0,
                command.who,
                command.why,
                field,
                before,
                after,
                integer(command.id),
            ])?;
        }
        Ok(())
    }
}

/// The values that hold of a device, by field.
fn said_of(connection: &Connection, device: DeviceId) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare_cached("SELECT field, value FROM device_context WHERE device = ?1")?
        .query_map([device.0], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Command> {
    let action = match parsed(row, 5, |action| Some(action.to_owned()))?.as_str() {
        "status" => Action::SetStatus(parsed(row, 6, Status::parse)?),
        "learn" => Action::Learn(Learn {
            scope: row.get::<_, Option<String>>(23)?.and_then(|id| Scope::parse(&id)).unwrap_or_default(),
            span: row.get(24)?,
        }),
        "unlearn" => Action::Unlearn,
        "mute" => Action::Mute,
        "unmute" => Action::Unmute,
        "comment" => Action::Comment(row.get(7)?),
        "rules-reload" => Action::RulesReload,
        "learning-mode" => Action::LearningMode(row.get(24)?),
        "baseline-reset" => Action::BaselineReset(Reset { device: device(row, 21)?, learn_for: row.get(24)? }),
        "baseline-allow" => {
            let (scope, network) = scope(row, 26)?;
            Action::BaselineAllow(Box::new(Imported {
                key: EntryKey { scope, network, ..entry_key(row, 8)? },
                label: parsed(row, 28, |text| Some(intern(text)))?,
                values: row.get::<_, Option<f64>>(29)?.zip(row.get::<_, Option<f64>>(30)?),
                every: row.get(31)?,
                until: time(row, 32)?,
                file: row.get(33)?,
            }))
        }
        "baseline-undo" => Action::BaselineUndo(count(row, 25)?),
        "baseline-remove" => Action::BaselineRemove(EntryId(row.get(35)?)),
        "baseline-expire" => {
            let end = match (time(row, 36)?, row.get(24)?) {
                (Some(time), _) => End::At(time),
                (None, Some(span)) => End::After(span),
                (None, None) => End::Never,
            };
            Action::BaselineExpire(EntryId(row.get(35)?), end)
        }
        // Its changes stand in a table of their own.
        "device-set" => Action::SetContext(device(row, 21)?.unwrap_or(DeviceId(0)), Vec::new()),
        // So does the plan.
        "maintenance-add" => Action::MaintenanceAdd(Box::new(maintenance::no_plan())),
        "maintenance-remove" => Action::MaintenanceRemove(row.get::<_, Option<u32>>(34)?.unwrap_or_default()),
        _ => parsed(row, 5, |_| None)?,
    };
    Ok(Command {
        id: count(row, 0)?,
        act: count(row, 22)?,
        alert: row.get(4)?,
        action,
        who: row.get(2)?,
        why: row.get(3)?,
        wall_time: Timestamp(row.get(1)?),
    })
}
