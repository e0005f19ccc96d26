//! `baseline list`, `export` and `diff`, and what is done to single entries: `remove` and `expire`.

use super::{reader, triage};
use crate::cli::{
    BaselineDiffArgs, BaselineExpireArgs, BaselineExportArgs, BaselineListArgs, BaselineRemoveArgs, StoreArgs, WhoArgs,
    flat,
};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, clean, short_time};
use ot_engine::model::EntryId;
use ot_engine::{Action, End};
use ot_store::read::{EntryQuery, Reader};
use ot_views::baseline::{self, EntryLine, ExportLine, HEADER};
use ot_views::{Names, find_devices};
use std::path::Path;

/// Bytes of an exported baseline.
pub const MOST_BYTES: u64 = 256 << 20;

pub fn list(output: &mut Output, args: &BaselineListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let devices = args.device.as_deref().map(|text| find_devices(&reader, text)).transpose()?.unwrap_or_default();
    let found = baseline::entries(
        &names,
        &EntryQuery {
            skip: 0,
            entries: Vec::new(),
            kinds: flat(&args.kind),
            devices,
            protocols: args.protocol.clone(),
            allowed: (!args.all).then_some(true),
            limit: args.limit,
            ..EntryQuery::default()
        },
    )?;
    if found.is_empty() {
        return Err(nothing(&reader, args.all));
    }
    if args.output.json {
        for entry in &found {
            output.json(entry)?;
        }
        return Ok(Exit::Done);
    }
    let rows = found
        .iter()
        .map(|entry| {
            let allowed = if entry.allowed { Text::from("yes") } else { Text::styled("no", Style::Yellow) };
            let by = match &entry.origin_by {
                Some(by) => format!("{} {by}", entry.origin),
                None => entry.origin.to_owned(),
            };
            vec![
                entry.entry_id.into(),
                entry.text.as_str().into(),
                entry.scope.into(),
                allowed,
                by.into(),
                entry.count.into(),
                entry.learned_count.into(),
                seen(entry, &entry.first_seen),
                seen(entry, &entry.last_seen),
                entry.expires.as_deref().map(short_time).unwrap_or_default().into(),
            ]
        })
        .collect();
    output.table(
        &["ENTRY", "WHAT", "SCOPE", "ALLOWED", "BY", "COUNT", "LEARNED FROM", "FIRST", "LAST", "EXPIRES"],
        rows,
        0,
    )?;
    Ok(Exit::Done)
}

/// When it was seen; what a person or an import made may never have been.
fn seen(entry: &EntryLine, time: &str) -> Text {
    if entry.count == 0 { "never".into() } else { short_time(time).into() }
}

fn nothing(reader: &Reader, all: bool) -> anyhow::Error {
    let hint = if all { "" } else { "; --all shows also what was only observed" };
    Failure::not_found(format!("nothing found: {} holds no such baseline entry{hint}", reader.path().display())).into()
}

pub fn export(output: &mut Output, args: &BaselineExportArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let lines = of_store(&reader, args.all)?;
    if lines.is_empty() {
        return Err(nothing(&reader, args.all));
    }
    output.line(HEADER)?;
    for line in lines {
        output.line(&line.text())?;
    }
    Ok(Exit::Done)
}

fn of_store(reader: &Reader, all: bool) -> anyhow::Result<Vec<ExportLine>> {
    let query = EntryQuery { allowed: (!all).then_some(true), ..EntryQuery::default() };
    Ok(baseline::export(&Names::new(reader), &query)?)
}

fn of_file(path: &Path) -> anyhow::Result<Vec<ExportLine>> {
    let shown = path.display().to_string();
    let text = crate::config::read_text(path, MOST_BYTES).map_err(|error| {
        Failure::input(format!("{shown}: {error}; give a file made by `ot-sensor baseline export`"))
    })?;
    Ok(baseline::parse(&shown, &text)?)
}

pub fn diff(output: &mut Output, args: &BaselineDiffArgs) -> anyhow::Result<Exit> {
    let before = of_file(&args.before)?;
    let after = match &args.after {
        Some(path) => of_file(path)?,
        None => of_store(&reader(&args.store)?, false)?,
    };
    let found = baseline::diff(&before, &after);
    for difference in &found {
        if args.output.json {
            output.json(difference)?;
            continue;
        }
        for (sign, style, line) in [('-', Style::Yellow, &difference.before), ('+', Style::Green, &difference.after)] {
            if let Some(line) = line {
                let line = output.paint(&format!("{sign} {}", clean(line)), style);
                output.line(&line)?;
            }
        }
    }
    Ok(if found.is_empty() { Exit::Done } else { Exit::NotFound })
}

/// `baseline remove`.
pub fn remove(output: &mut Output, args: &BaselineRemoveArgs) -> anyhow::Result<Exit> {
    act(output, &args.store, &args.who, &args.entries, Action::BaselineRemove)
}

/// `baseline expire`.
pub fn expire(output: &mut Output, args: &BaselineExpireArgs) -> anyhow::Result<Exit> {
    let end = match (args.until, args.span) {
        (Some(time), _) => End::At(time),
        (None, Some(span)) => End::After(span),
        (None, None) => End::Never,
    };
    act(output, &args.store, &args.who, &args.entries, |entry| Action::BaselineExpire(entry, end))
}

/// Something done to single entries, as one act. What cannot be done to one of them is said before anything is changed.
fn act(
    output: &mut Output,
    store: &StoreArgs,
    who: &WhoArgs,
    numbers: &[u32],
    action: impl Fn(EntryId) -> Action,
) -> anyhow::Result<Exit> {
    let (config, reader, path) = triage::open(store)?;
    let mut wanted: Vec<EntryId> = numbers.iter().map(|&number| EntryId(number)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let names = Names::new(&reader);
    let found = baseline::entries(&names, &EntryQuery { entries: wanted.clone(), ..EntryQuery::default() })?;
    for id in &wanted {
        match found.iter().find(|entry| entry.entry_id == id.0) {
            None => {
                let text = format!("there is no baseline entry {}; `ot-sensor baseline list --all` shows them", id.0);
                return Err(Failure::not_found(text).into());
            }
            Some(entry) if !entry.allowed => {
                let text = format!("baseline entry {} is not allowed, so nothing of it can end ({})", id.0, entry.text);
                return Err(Failure::not_found(text).into());
            }
            Some(_) => {}
        }
    }
    let shown: Vec<String> = found.iter().map(|entry| clean(&entry.text)).collect();
    drop(reader);
    let commands = wanted.into_iter().map(|entry| triage::command(who, action(entry), None));
    triage::carry_out(output, &config, &path, &commands.collect::<anyhow::Result<Vec<_>>>()?, &shown)
}
