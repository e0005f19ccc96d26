//! What a person does: appended to the store's commands; applied at once where no engine runs on it.

use crate::acts;
use crate::cli::{AlertsLearnArgs, BaselineResetArgs, BaselineUndoArgs, ChosenArgs, StoreArgs, TriageArgs, WhoArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::{Output, short_time};
use ot_engine::words::number_of;
use ot_engine::{Action, Learn, Reset, catalogue};
use ot_store::read::{AlertRow, AlertSort, Reader};
use ot_store::{CommandState, NewCommand, Store, StoreError, wall_clock};
use ot_views::Names;
use ot_views::alert::{find_alert, find_alerts, short_id};
use ot_views::device::find_device;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Alerts that a filter may choose without a word of assent.
const FEW: usize = 10;
/// Alerts of one act.
const MOST: u32 = 100_000;
/// Alerts of an act that are named one by one.
const NAMED: usize = 20;

/// An action on alerts.
pub fn alerts(output: &mut Output, args: &TriageArgs, action: &Action) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(&args.store)?;
    let found = choose(output, &reader, &args.chosen, action)?;
    if args.chosen.dry_run {
        return said(output, &reader, &found, action);
    }
    if !assented(output, &reader, &args.chosen, &found, action)? {
        return Ok(Exit::NotFound);
    }
    act(output, &config, reader, &path, &args.who, &found, action)
}

/// `alerts learn`.
pub fn learn(output: &mut Output, args: &AlertsLearnArgs) -> anyhow::Result<Exit> {
    let action = Action::Learn(Learn { scope: args.scope, span: args.span });
    let triage = &args.triage;
    let (config, reader, path) = open(&triage.store)?;
    let found = choose(output, &reader, &triage.chosen, &action)?;
    if triage.chosen.dry_run {
        let commands = commands(&triage.who, &found, &action)?;
        return super::dry_run::learn(output, &config, &reader, &commands, args.output.json);
    }
    if !assented(output, &reader, &triage.chosen, &found, &action)? {
        return Ok(Exit::NotFound);
    }
    act(output, &config, reader, &path, &triage.who, &found, &action)
}

/// The alerts that are meant. What cannot be done to one that is named is an error; what a filter lets through and
/// cannot be, or is already, is left out and counted.
fn choose(output: &mut Output, reader: &Reader, args: &ChosenArgs, action: &Action) -> anyhow::Result<Vec<AlertRow>> {
    let mut found: Vec<AlertRow> = Vec::new();
    if !args.ids.is_empty() {
        if !args.filter.is_empty() {
            return Err(Failure::usage("give ids of alerts or a filter, not both").into());
        }
        for id in &args.ids {
            let alert = find_alert(reader, id)?;
            check(&alert, action)?;
            if found.iter().all(|known| known.id != alert.id) {
                found.push(alert);
            }
        }
        return Ok(found);
    }
    if args.filter.is_empty() {
        return Err(Failure::usage(
            "name alerts by their ids, or choose them by a filter (--type, --device, --status …, as `alerts list`)",
        )
        .into());
    }
    let mut filter = super::alerts::filter(reader, &args.filter)?;
    filter.query.sort = AlertSort::FirstDetection;
    filter.query.ascending = true;
    filter.query.limit = Some(MOST + 1);
    let all = find_alerts(&Names::new(reader), &filter)?;
    if all.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Err(Failure::usage(format!("the filter lets more than {MOST} alerts through; make it narrower")).into());
    }
    let (total, mut left_out) = (all.len(), 0);
    for alert in all {
        if is_done(&alert, action) || check(&alert, action).is_err() {
            left_out += 1;
        } else {
            found.push(alert);
        }
    }
    if found.is_empty() {
        return Err(Failure::not_found(match total {
            0 => format!("nothing found: no alert in {} meets these conditions", reader.path().display()),
            n => format!("{n} alerts meet these conditions; to none of them can or need this be done"),
        })
        .into());
    }
    if left_out > 0 {
        output.line(&format!(
            "{total} alerts meet these conditions; to {left_out} of them this cannot or need not be done"
        ))?;
    }
    Ok(found)
}

/// Whether an act on more than a few alerts that a filter chose was assented to.
fn assented(
    output: &mut Output,
    reader: &Reader,
    args: &ChosenArgs,
    found: &[AlertRow],
    action: &Action,
) -> anyhow::Result<bool> {
    if !args.ids.is_empty() || args.yes || found.len() <= FEW {
        return Ok(true);
    }
    said(output, reader, found, action)?;
    output.line("nothing was changed; --yes does it")?;
    Ok(false)
}

/// Says what would be done.
fn said(output: &mut Output, reader: &Reader, found: &[AlertRow], action: &Action) -> anyhow::Result<Exit> {
    output.line(&format!("would be {}: {}", action.past(), number_of(found.len(), "alert")))?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in found {
        *kinds.entry(title(alert)).or_default() += 1;
    }
    if found.len() <= NAMED {
        for alert in found {
            output.line(&format!("  {} {}", short_id(reader, &alert.id)?, title(alert)))?;
        }
    } else {
        for (title, count) in kinds {
            output.line(&format!("  {count:>6}  {title}"))?;
        }
    }
    Ok(Exit::Done)
}

fn act(
    output: &mut Output,
    config: &Config,
    reader: Reader,
    path: &Path,
    who: &WhoArgs,
    found: &[AlertRow],
    action: &Action,
) -> anyhow::Result<Exit> {
    let mut shown = Vec::with_capacity(found.len());
    for alert in found {
        let id = if found.len() > NAMED { alert.id.clone() } else { short_id(&reader, &alert.id)? };
        shown.push(format!("{id} {}", title(alert)));
    }
    drop(reader);
    let commands = commands(who, found, action)?;
    carry_out(output, config, path, &commands, &shown)
}

/// One command for each alert.
fn commands(who: &WhoArgs, found: &[AlertRow], action: &Action) -> anyhow::Result<Vec<NewCommand>> {
    found.iter().map(|alert| command(who, action.clone(), Some(alert.id.clone()))).collect()
}

/// `baseline undo`.
pub fn undo(output: &mut Output, args: &BaselineUndoArgs) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(&args.store)?;
    let Some(act) = args.act else { return acts(output, &reader, args.output.json) };
    if reader.act(act)?.is_none() {
        return Err(Failure::not_found(format!(
            "act {act} did nothing that still stands; `ot-sensor baseline undo` lists those that do"
        ))
        .into());
    }
    drop(reader);
    let command = command(&args.who, Action::BaselineUndo(act), None)?;
    carry_out(output, &config, &path, &[command], &[format!("act {act}")])
}

/// The acts that allow something, the newest first.
fn acts(output: &mut Output, reader: &Reader, json: bool) -> anyhow::Result<Exit> {
    let acts = ot_views::baseline::acts(reader, None)?;
    if acts.is_empty() {
        return Err(Failure::not_found(
            "nobody has learned an alert, imported a baseline or taken an entry of it back in this store",
        )
        .into());
    }
    if json {
        for act in &acts {
            output.json(act)?;
        }
        return Ok(Exit::Done);
    }
    let rows = acts
        .iter()
        .map(|act| {
            vec![
                act.act.into(),
                act.time.as_deref().map(short_time).unwrap_or_default().into(),
                act.who.as_str().into(),
                act.what.as_str().into(),
                act.entries.into(),
                act.until.as_deref().map(short_time).unwrap_or_default().into(),
                act.why.as_str().into(),
            ]
        })
        .collect();
    output.table(&["ACT", "WHEN", "WHO", "WHAT", "ENTRIES", "UNTIL", "WHY"], rows, 0)?;
    Ok(Exit::Done)
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
    let command = command(&args.who, Action::BaselineReset(Reset { device, learn_for: args.learn_for }), None)?;
    carry_out(output, &config, &path, &[command], &[shown])
}

/// An action on the store as a whole.
pub fn one(output: &mut Output, args: &StoreArgs, who: &WhoArgs, action: Action, what: &str) -> anyhow::Result<Exit> {
    let (config, reader, path) = open(args)?;
    drop(reader);
    let command = command(who, action, None)?;
    carry_out(output, &config, &path, &[command], &[what.to_owned()])
}

pub fn open(args: &StoreArgs) -> anyhow::Result<(Config, Reader, PathBuf)> {
    let config = Config::of(args)?;
    let path = config.store_path(args);
    let reader = Reader::open(&path)?;
    Ok((config, reader, path))
}

fn title(alert: &AlertRow) -> &str {
    catalogue::by_id(&alert.kind).map_or(alert.kind.as_str(), |kind| kind.title)
}

/// Whether an alert is already as it is asked for.
fn is_done(alert: &AlertRow, action: &Action) -> bool {
    match action {
        Action::SetStatus(status) => alert.status == *status,
        Action::Mute => alert.muted,
        _ => false,
    }
}

/// What cannot be done is refused here, before anything is written.
fn check(alert: &AlertRow, action: &Action) -> Result<(), Failure> {
    let id = alert.id.get(..8).unwrap_or(&alert.id);
    let title = title(alert);
    match action {
        Action::Learn(_) => match catalogue::by_id(&alert.kind) {
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

pub fn command(who: &WhoArgs, action: Action, alert: Option<String>) -> anyhow::Result<NewCommand> {
    let name = self::who(who.who.as_deref());
    Ok(NewCommand { alert, action, who: name, why: who.why.clone(), wall_time: wall_clock() })
}

/// Who asks: as given, else the user's login name.
pub(super) fn who(given: Option<&str>) -> String {
    given
        .map(str::to_owned)
        .or_else(|| ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Appends, applies where nobody else will, and tells what became of each.
pub fn carry_out(
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
        acts::apply_commands(&mut store, config)?;
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
    let mut applied = 0_usize;
    for ((id, command), what) in ids.iter().zip(commands).zip(shown) {
        let done = command.action.past();
        match store.command_state(*id)? {
            Some(CommandState::Applied(answer)) => {
                applied += 1;
                // The status alone says all of the others.
                let told = matches!(
                    command.action,
                    Action::Learn(_)
                        | Action::Unlearn
                        | Action::BaselineUndo(_)
                        | Action::BaselineRemove(_)
                        | Action::BaselineExpire(..)
                        | Action::BaselineReset(_)
                        | Action::MaintenanceAdd(_)
                        | Action::LearningMode(_)
                        | Action::MaintenanceRemove(_)
                );
                let answer = if told && !answer.is_empty() { format!(": {answer}") } else { String::new() };
                if commands.len() <= NAMED {
                    output.line(&format!("{done}: {what}{answer}"))?;
                }
            }
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
    if commands.len() > NAMED
        && let Some(command) = commands.first()
    {
        output.line(&format!("{}: {applied} of {}", command.action.past(), commands.len()))?;
    }
    if let (
        Some(act),
        Some(Action::Learn(_) | Action::BaselineAllow(_) | Action::BaselineRemove(_) | Action::BaselineExpire(..)),
    ) = (ids.first(), commands.first().map(|command| &command.action))
        && applied > 0
    {
        output.line(&format!("act {act}; `ot-sensor baseline undo {act}` takes it back"))?;
    }
    Ok(exit)
}
