//! What people ask for, carried out: by a run, or by the command line where none runs.

use crate::config::Config;
use crate::exit::Failure;
use crate::rules::{self, Reloader};
use anyhow::Result;
use ot_engine::config::Learning;
use ot_engine::{Action, Changes, Command, Engine};
use ot_store::{Store, wall_clock};
use std::sync::Arc;

/// Applies what people have asked for, if no engine runs on the store. Returns how many commands were applied or
/// refused.
///
/// # Errors
/// As the store's. Where an engine runs, that engine applies them: 0.
pub fn apply_commands(store: &mut Store, config: &Config) -> Result<usize> {
    // What is done in a store that shows a centre is done by its receiver, which alone brings it to the record.
    if store.shown_fleet()?.is_some() {
        return Ok(0);
    }
    let Ok(_lock) = store.lock_engine() else { return Ok(0) };
    apply_pending(store, config)
}

/// Applies what people have asked for; to be called by the holder of the engine lock, before its engine begins.
///
/// # Errors
/// As the store's.
pub fn apply_pending(store: &mut Store, config: &Config) -> Result<usize> {
    if store.shown_fleet()?.is_some() {
        let told = "this store shows what many sensors told (`ot-sensor fleet`); no engine runs on it: name another with --store";
        return Err(Failure::usage(told).into());
    }
    let commands = store.pending_commands()?;
    if commands.is_empty() {
        return Ok(0);
    }
    let mut engine_config = config.engine.clone();
    engine_config.learning = Learning::AsStored;
    // Only a run brings what the configuration plans: this one may be another.
    engine_config.maintenance = None;
    let mut engine = Engine::new(engine_config, store.snapshot()?);
    let count = commands.len();
    // Nobody uses rules now: what is asked for is whether the next run will take them.
    apply_all(&mut engine, store, commands, None, &mut |_| match rules::read(&config.rules) {
        Ok(Ok(rules)) => Ok(format!("{} rules, for the next run", rules.rules().len())),
        Ok(Err(problems)) => Err(problems.first().map(ToString::to_string).unwrap_or_default()),
        Err(failure) => Err(failure.message),
    })?;
    Ok(count)
}

/// Reads the rules of a run anew, and says in the timeline what became of it.
pub fn reload_rules(engine: &mut Engine, rules: &mut Reloader) -> Result<String, String> {
    let in_use = Arc::clone(&engine.core().config.rules);
    match rules.reload(&in_use) {
        Ok(Some(rules)) => {
            let told = format!("{} rules", rules.rules().len());
            engine.set_rules(rules);
            Ok(told)
        }
        Ok(None) => Ok("the files hold what is in use".to_owned()),
        Err(problem) => {
            engine.rules_refused(&problem);
            Err(problem)
        }
    }
}

/// Where the state of an engine and what became of commands are written.
pub trait Desk {
    /// The store, to read from.
    fn store(&mut self) -> &mut Store;

    /// Writes what became of commands, with all changes up to them.
    ///
    /// # Errors
    /// As the store's.
    fn put(&mut self, done: Done, changes: Changes, at: Option<(u32, u64)>) -> Result<()>;
}

/// Commands with what became of them.
pub type Done = Vec<(Command, Result<String, String>)>;

impl Desk for Store {
    fn store(&mut self) -> &mut Store {
        self
    }

    fn put(&mut self, done: Done, changes: Changes, at: Option<(u32, u64)>) -> Result<()> {
        Ok(self.apply_commands(&done, &changes, at, wall_clock())?)
    }
}

/// Applies commands; those of one act at one moment and in one transaction.
///
/// # Errors
/// As the store's.
pub fn apply_all(
    engine: &mut Engine,
    desk: &mut dyn Desk,
    commands: Vec<Command>,
    at: Option<(u32, u64)>,
    reload: &mut dyn FnMut(&mut Engine) -> Result<String, String>,
) -> Result<()> {
    let mut commands = commands.into_iter().peekable();
    while let Some(first) = commands.next() {
        let act = first.act;
        let mut done = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            recall(engine, desk.store(), &command)?;
            let result = match command.action {
                Action::RulesReload => reload(engine),
                _ => engine.command(&command),
            };
            done.push((command, result));
            next = commands.next_if(|command| command.act == act);
        }
        let changes = engine.take_changes();
        desk.put(done, changes, at)?;
    }
    Ok(())
}

/// Brings the alerts of a command back into the engine's memory, where they are closed.
///
/// # Errors
/// As the store's.
pub fn recall(engine: &mut Engine, store: &mut Store, command: &Command) -> Result<()> {
    let mut ids: Vec<String> = command.alert.iter().cloned().collect();
    if let Action::BaselineUndo(act) = command.action {
        ids = store.alerts_of_act(act)?;
    }
    for id in ids {
        if !engine.knows(&id)
            && let Some(alert) = store.alert(&id)?
        {
            engine.recall(alert);
        }
    }
    Ok(())
}
