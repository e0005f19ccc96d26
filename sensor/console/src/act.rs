//! What people do: commands appended to the store, as the command line appends them, and what became of each.

use crate::call::Call;
use crate::problem::Problem;
use ot_engine::{Action, catalogue};
use ot_store::read::AlertRow;
use ot_store::{CommandState, NewCommand, Store, wall_clock};
use serde::Serialize;
use std::sync::PoisonError;
use std::time::Duration;
use utoipa::ToSchema;

/// Alerts of one act.
pub const MOST: usize = 1_000;
/// Characters of a reason or comment.
const WORDS: usize = 4_000;
/// How long an engine that runs in another process is waited for.
const WAITS: usize = 15;
const WAIT: Duration = Duration::from_millis(100);

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActResult {
    /// Number of the act; `baseline undo` takes back what it allowed.
    pub act: u64,
    /// Its commands, one for each alert.
    pub commands: Vec<CommandResult>,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CommandResult {
    /// Its number.
    pub command: u64,
    /// Id of the alert it is about.
    pub alert: Option<String>,
    /// `pending` (the engine that runs on the store applies it as soon as it can), `applied` or `refused`.
    pub state: &'static str,
    /// What it did, or why it was refused.
    pub answer: Option<String>,
}

impl ActResult {
    /// In words, for a person.
    pub fn told(&self, done: &str) -> String {
        let of = |state: &str| self.commands.iter().filter(|command| command.state == state).count();
        let (applied, pending, refused) = (of("applied"), of("pending"), of("refused"));
        let alerts = |n: usize| if n == 1 { "1 alert".to_owned() } else { format!("{n} alerts") };
        let about = self.commands.iter().any(|command| command.alert.is_some());
        let mut parts = Vec::new();
        if applied > 0 {
            parts.push(if about { format!("{} {done}", alerts(applied)) } else { done.to_owned() });
            if let [CommandResult { answer: Some(answer), .. }] = self.commands.as_slice()
                && !answer.is_empty()
            {
                parts.push(answer.clone());
            }
        }
        if pending > 0 {
            parts.push("asked for: the engine that runs on the store does it as soon as it can".to_owned());
        }
        if refused > 0 {
            let why = self.commands.iter().find(|command| command.state == "refused");
            let why = why.and_then(|command| command.answer.as_deref()).unwrap_or_default();
            parts.push(format!("{refused} refused: {why}"));
        }
        parts.join("; ")
    }
}

/// A text of a person: trimmed, not too long, no control characters but line ends.
///
/// # Errors
/// What is wrong.
pub fn words(name: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > WORDS {
        return Err(Problem::bad_request(format!("{name}: longer than {WORDS} characters")));
    }
    if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) {
        return Err(Problem::bad_request(format!("{name}: holds a control character")));
    }
    Ok(text.to_owned())
}

/// Whether this can be done to an alert.
///
/// # Errors
/// Why not, and what can be done instead.
pub fn check(alert: &AlertRow, action: &Action) -> Result<(), Problem> {
    let kind = catalogue::by_id(&alert.kind);
    let title = kind.map_or(alert.kind.as_str(), |kind| kind.title);
    let id = alert.id.get(..8).unwrap_or(&alert.id);
    match action {
        Action::Learn(_) if !kind.is_some_and(|kind| kind.learnable) => Err(Problem::conflict(format!(
            "Alert {id} ({title}) cannot be learned: it is never part of normal traffic. Mute silences it, close closes it."
        ))),
        Action::Unlearn if !alert.learned => {
            Err(Problem::conflict(format!("Alert {id} ({title}) is not learned; there is nothing to take back.")))
        }
        Action::Unmute if !alert.muted => {
            Err(Problem::conflict(format!("Alert {id} ({title}) is not muted; there is nothing to take back.")))
        }
        Action::Comment(text) if text.is_empty() => {
            Err(Problem::bad_request("The comment is empty; write what others should know."))
        }
        _ => Ok(()),
    }
}

/// One command for each alert, or one for none.
pub fn commands(call: &Call, alerts: &[String], action: &Action, why: &str) -> Vec<NewCommand> {
    let command = |alert: Option<String>| NewCommand {
        alert,
        action: action.clone(),
        who: call.who().to_owned(),
        why: why.to_owned(),
        wall_time: wall_clock(),
    };
    if alerts.is_empty() {
        return vec![command(None)];
    }
    alerts.iter().map(|id| command(Some(id.clone()))).collect()
}

/// Appends commands, has them applied where nobody else does, and tells what became of each.
///
/// # Errors
/// As the store's.
pub fn carry_out(call: &Call, commands: &[NewCommand]) -> Result<ActResult, Problem> {
    let _turn = call.app.acts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut store = Store::open_existing(call.app.readers.path())?;
    let ids = store.append_commands(commands)?;
    let mut states = Vec::new();
    for attempt in 0..WAITS {
        if attempt > 0 {
            std::thread::sleep(WAIT);
        }
        call.app.host.apply(&mut store).map_err(Problem::internal)?;
        states.clear();
        for &id in &ids {
            states.push(store.command_state(id)?);
        }
        if states.iter().all(|state| !matches!(state, Some(CommandState::Pending) | None)) {
            break;
        }
    }
    let results = ids.iter().zip(commands).zip(states).map(|((&command, asked), state)| {
        let (state, answer) = match state {
            Some(CommandState::Applied(answer)) => ("applied", Some(answer)),
            Some(CommandState::Refused(reason)) => ("refused", Some(reason)),
            Some(CommandState::Pending) | None => ("pending", None),
        };
        CommandResult { command, alert: asked.alert.clone(), state, answer }
    });
    Ok(ActResult { act: ids.first().copied().unwrap_or_default(), commands: results.collect() })
}
