//! What a person does: appended to the store's commands; applied at once where no engine runs on it.

use crate::cli::{BaselineResetArgs, StoreArgs, TriageArgs, WhoArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::replay;
use ot_engine::model::Status;
use ot_engine::{Action, catalogue};
use ot_protocol::Timestamp;
use ot_store::read::{AlertRow, Reader};
use ot_store::{CommandState, NewCommand, Store, StoreError};
use ot_views::Names;
use ot_views::alert::{find_alert, short_id};
use ot_views::device::find_device;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An action on alerts.
pub fn alerts(output: &mut Output, args: &TriageArgs, action: &Action) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(&args.store)?;
    let mut found: Vec<AlertRow> = Vec::new();
    for id in &args.ids {
        let alert = find_alert(&reader, id)?;
        check(&alert, action)?;
        if found.iter().all(|known| known.id != alert.id) {
            found.push(alert);
        }
    }
    let mut shown = Vec::with_capacity(found.len());
    for alert in &found {
        shown.push(format!("{} {}", short_id(&reader, &alert.id)?, title(alert)));
    }
    drop(reader);
    let commands = found
        .iter()
        .map(|alert| command(&args.who, action.clone(), Some(alert.id.clone())))
        .collect::<anyhow::Result<Vec<_>>>()?;
    carry_out(output, &config, &path, &commands, &shown)
}

/// `baseline reset`.
pub fn reset(output: &mut Output, args: &BaselineResetArgs) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(&args.store)?;
    let (device, shown) = match &args.device {
        Some(text) => {
            let id = find_device(&reader, text)?;
            (Some(id), format!("of {}", Names::new(&reader).label(id)?))
        }
        None => (None, "of all devices".to_owned()),
    };
    drop(reader);
    let command = command(&args.who, Action::BaselineReset(device), None)?;
    carry_out(output, &config, &path, &[command], &[shown])
}

fn open(args: &StoreArgs) -> anyhow::Result<(Config, Reader, PathBuf)> {
    let config = Config::of(args)?;
    let path = config.store_path(args);
    let reader = Reader::open(&path)?;
    Ok((config, reader, path))
}

fn title(alert: &AlertRow) -> &str {
    catalogue::by_id(&alert.kind).map_or(alert.kind.as_str(), |kind| kind.title)
}

/// What cannot be done is refused here, before anything is written.
fn check(alert: &AlertRow, action: &Action) -> Result<(), Failure> {
    let id = alert.id.get(..8).unwrap_or(&alert.id);
    let title = title(alert);
    match action {
        Action::Learn => match catalogue::by_id(&alert.kind) {
            Some(kind) if kind.learnable => Ok(()),
            Some(kind) => Err(Failure::not_found(format!(
                "alert {id} ({title}) cannot be learned: it tells of {}, which is never part of normal traffic; \
                 `alerts mute` silences it, `alerts close` closes it",
                match kind.engine {
                    catalogue::EngineKind::ProtocolViolation => "a message that the protocol does not allow",
                    catalogue::EngineKind::Malware => "behaviour of attack tools",
                    catalogue::EngineKind::Anomaly => "an unusual pattern, not of a baseline entry",
                    catalogue::EngineKind::Operational | catalogue::EngineKind::PolicyViolation => "a fault",
                }
            ))),
            None => Err(Failure::not_found(format!(
                "alert {id} cannot be learned: this version does not know its type {}; use the version that raised it",
                alert.kind
            ))),
        },
        Action::Unlearn if !alert.learned => {
            Err(Failure::not_found(format!("alert {id} ({title}) is not learned; there is nothing to take back")))
        }
        Action::Unmute if !alert.muted => {
            Err(Failure::not_found(format!("alert {id} ({title}) is not muted; there is nothing to take back")))
        }
        Action::Comment(text) if text.trim().is_empty() => {
            Err(Failure::usage("the comment is empty; write what others should know"))
        }
        _ => Ok(()),
    }
}

fn command(who: &WhoArgs, action: Action, alert: Option<String>) -> anyhow::Result<NewCommand> {
    let name = who
        .who
        .clone()
        .or_else(|| ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "unknown".to_owned());
    // What a person does carries wall time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let wall_time = Timestamp(i64::try_from(now.as_nanos())?);
    Ok(NewCommand { alert, action, who: name, why: who.why.clone(), wall_time })
}

/// Appends, applies where nobody else will, and tells what became of each.
fn carry_out(
    output: &mut Output,
    config: &Config,
    path: &Path,
    commands: &[NewCommand],
    shown: &[String],
) -> anyhow::Result<Exit> {
    let mut store = Store::open_existing(path)?;
    let ids = store.append_commands(commands)?;
    // An engine that runs on the store takes them within a second; if it ends just now, they are ours again.
    for _ in 0..15 {
        replay::apply_commands(&mut store, config)?;
        let mut waiting = false;
        for &id in &ids {
            waiting |= matches!(store.command_state(id)?, Some(CommandState::Pending));
        }
        if !waiting {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let holder = match store.lock_engine() {
        Err(StoreError::EngineRuns { pid, .. }) => Some(pid),
        _ => None,
    };
    let mut exit = Exit::Done;
    for ((id, command), what) in ids.into_iter().zip(commands).zip(shown) {
        let done = past(&command.action);
        match store.command_state(id)? {
            Some(CommandState::Applied) => output.line(&format!("{done}: {what}"))?,
            Some(CommandState::Refused(reason)) => {
                exit = Exit::NotFound;
                output.line(&format!("refused: {what}: {reason}"))?;
            }
            Some(CommandState::Pending) | None => {
                let by = match holder {
                    Some(Some(pid)) => format!("process {pid}, which runs on this store, applies it as soon as it can"),
                    Some(None) => "the engine that runs on this store applies it as soon as it can".to_owned(),
                    None => "the next replay applies it".to_owned(),
                };
                output.line(&format!("asked for ({}): {what}; {by}", command.action.id()))?;
            }
        }
    }
    Ok(exit)
}

fn past(action: &Action) -> &'static str {
    match action {
        Action::SetStatus(Status::New) => "new again",
        Action::SetStatus(Status::Active) => "active",
        Action::SetStatus(Status::Closed) => "closed",
        Action::Learn => "learned and closed",
        Action::Unlearn => "unlearned",
        Action::Mute => "muted and closed",
        Action::Unmute => "unmuted",
        Action::Comment(_) => "commented",
        Action::BaselineReset(_) => "baseline forgotten",
        Action::BaselineAllow(_) => "allowed",
    }
}
