//! `indicators import`, `list`, `show`, `remove` and `check`.

use super::triage::who;
use crate::cli::{IndicatorsCheckArgs, IndicatorsImportArgs, IndicatorsListArgs, IndicatorsNameArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::indicators::{Format, list_name, load, parse, read, value};
use crate::output::{Output, short_time};
use ot_engine::indicators::{Indicator, Indicators, Value};
use ot_engine::words;
use ot_protocol::Timestamp;
use ot_store::read::Reader;
use ot_store::{IndicatorList, Store, wall_clock};
use serde_json::json;

/// Lines that were not taken of which the reason is shown.
const SHOWN: usize = 20;

pub fn import(output: &mut Output, args: &IndicatorsImportArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    let text = read(&args.file)?;
    let format = args.format.unwrap_or_else(|| Format::guess(&args.file, &text));
    let name = args.name.clone().unwrap_or_else(|| list_name(&args.file));
    let wrong = |why: String| Failure::input(format!("{}: {why}", args.file.display()));
    let parsed = parse(&text, format, &name, args.expires).map_err(wrong)?;
    for refused in parsed.refused.iter().take(SHOWN) {
        eprintln!("not taken: {}: {}", refused.place, refused.why);
    }
    if let Some(more) = parsed.refused.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        eprintln!("not taken: {more} more");
    }
    if parsed.entries.is_empty() {
        return Err(wrong("holds no indicator that can be used; nothing was changed".to_owned()).into());
    }
    let mut store = Store::open(&config.store_path(&args.store))?;
    let list = IndicatorList {
        name,
        source: args.file.display().to_string(),
        format: format.as_str().to_owned(),
        who: who(args.who.as_deref()),
        wall_time: wall_clock(),
    };
    let before = store.import_indicators(&list, &parsed.entries)?;
    let count = |kind: &str| parsed.entries.iter().filter(|entry| entry.value.kind() == kind).count();
    let replaced = if before > 0 { format!(", in the place of {before} that it had") } else { String::new() };
    output.line(&format!(
        "list {}: {} addresses, {} networks, {} domains imported{replaced}; {} not taken",
        list.name,
        count("address"),
        count("network"),
        count("domain"),
        parsed.refused.len()
    ))?;
    Ok(Exit::Done)
}

pub fn list(output: &mut Output, args: &IndicatorsListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let lists = reader.indicator_lists()?;
    if lists.is_empty() {
        return Err(Failure::not_found(format!(
            "nothing found: no indicator list was imported into {}",
            reader.path().display()
        ))
        .into());
    }
    let mut rows = Vec::new();
    for row in &lists {
        let [addresses, networks, domains] = row.counts;
        let expires = row.expires.map(words::time);
        if args.output.json {
            output.json(&json!({
                "schema": 1, "list": row.list.name, "addresses": addresses, "networks": networks, "domains": domains,
                "expires": expires, "source": row.list.source, "format": row.list.format, "who": row.list.who,
                "imported": words::time(row.list.wall_time),
            }))?;
            continue;
        }
        rows.push(vec![
            row.list.name.as_str().into(),
            addresses.to_string().as_str().into(),
            networks.to_string().as_str().into(),
            domains.to_string().as_str().into(),
            expires.as_deref().map_or_else(|| "never".to_owned(), short_time).as_str().into(),
            row.list.source.as_str().into(),
            row.list.who.as_str().into(),
            short_time(&words::time(row.list.wall_time)).as_str().into(),
        ]);
    }
    if !args.output.json {
        let header = ["LIST", "ADDRESSES", "NETWORKS", "DOMAINS", "EXPIRES", "FROM", "BY", "IMPORTED"];
        output.table(&header, rows, 0)?;
    }
    Ok(Exit::Done)
}

pub fn show(output: &mut Output, args: &IndicatorsNameArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let entries = reader.indicators(Some(&args.name))?;
    if entries.is_empty() {
        return Err(no_list(&reader, &args.name)?.into());
    }
    entries_shown(output, &entries, args.output.json)?;
    Ok(Exit::Done)
}

pub fn remove(output: &mut Output, args: &IndicatorsNameArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    let reader = reader(&args.store)?;
    let mut store = Store::open(&config.store_path(&args.store))?;
    match store.remove_indicators(&args.name)? {
        Some(entries) => output.line(&format!("list {} with {entries} indicators removed", args.name))?,
        None => return Err(no_list(&reader, &args.name)?.into()),
    }
    Ok(Exit::Done)
}

pub fn check(output: &mut Output, args: &IndicatorsCheckArgs) -> anyhow::Result<Exit> {
    let wanted = value(&args.value).map_err(Failure::usage)?;
    let config = Config::of(&args.store)?;
    let store = Store::open(&config.store_path(&args.store))?;
    let all = load(&store, &config)?;
    let found = matches(&all, &wanted);
    if found.is_empty() {
        return Err(Failure::not_found(format!("{wanted} is on none of the lists")).into());
    }
    entries_shown(output, &found, args.output.json)?;
    Ok(Exit::Done)
}

/// All indicators that hold a value, expired ones as well.
fn matches(all: &Indicators, wanted: &Value) -> Vec<Indicator> {
    let holds = |entry: &Indicator| match (&entry.value, wanted) {
        (Value::Address(a), Value::Address(b)) => a == b,
        (Value::Network(net), Value::Address(ip)) => net.contains(ip),
        (Value::Network(net), Value::Network(other)) => net.contains(other),
        (Value::Domain(name), Value::Domain(other)) => {
            other.strip_suffix(&**name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
        _ => false,
    };
    all.iter().filter(|entry| holds(entry)).cloned().collect()
}

fn entries_shown(output: &mut Output, entries: &[Indicator], as_json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for entry in entries {
        let value = entry.value.to_string();
        let expires = entry.expires.map(words::time);
        if as_json {
            output.json(&json!({
                "schema": 1, "list": entry.list, "kind": entry.value.kind(), "value": value, "note": entry.note,
                "expires": expires,
            }))?;
            continue;
        }
        rows.push(vec![
            entry.list.as_str().into(),
            entry.value.kind().into(),
            value.as_str().into(),
            expires.as_deref().map_or_else(|| "never".to_owned(), short_time).as_str().into(),
            entry.note.as_str().into(),
        ]);
    }
    if !as_json {
        output.table(&["LIST", "KIND", "VALUE", "EXPIRES", "NOTE"], rows, 0)?;
    }
    Ok(())
}

fn reader(args: &crate::cli::StoreArgs) -> anyhow::Result<Reader> {
    Ok(Reader::open(&Config::of(args)?.store_path(args))?)
}

fn no_list(reader: &Reader, name: &str) -> anyhow::Result<Failure> {
    let names: Vec<String> = reader.indicator_lists()?.into_iter().map(|row| row.list.name).collect();
    Ok(Failure::not_found(if names.is_empty() {
        format!("there is no list {name:?}; none was imported")
    } else {
        format!("there is no list {name:?}; there are: {}", names.join(", "))
    }))
}

/// Wall time is what a person's `--expires` span counts from; indicators are held against packet time.
pub fn expires(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = crate::when::span(text) {
        return Ok(wall_clock().plus(span));
    }
    crate::when::time(text)
}
