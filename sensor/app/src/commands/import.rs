//! `baseline import`: allows what an exported baseline holds.

use super::triage;
use crate::cli::BaselineImportArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};
use crate::when::time;
use ot_engine::model::{EntryKey, EntryKind, Scope};
use ot_engine::words::number_of;
use ot_engine::{Action, Imported};
use ot_protocol::Nanos;
use ot_store::read::{EntryQuery, Reader};
use ot_views::baseline::{self, ImportLine};
use ot_views::device::find_device;
use std::collections::{BTreeMap, HashSet};

/// Lines with a problem that are shown.
const SHOWN: usize = 20;

pub fn run(output: &mut Output, args: &BaselineImportArgs) -> anyhow::Result<Exit> {
    let (config, reader, path) = triage::open(&args.store)?;
    let shown = args.file.display().to_string();
    let text = crate::config::read_text(&args.file, super::baseline::MOST_BYTES).map_err(|error| {
        Failure::input(format!("{shown}: {error}; give a file made by `ot-sensor baseline export`"))
    })?;
    let mut problems: Vec<(usize, String)> = Vec::new();
    let mut wanted: Vec<Imported> = Vec::new();
    let mut devices = Devices { reader: &reader, known: BTreeMap::new() };
    for line in baseline::parse_import(&shown, &text)? {
        let read = line.and_then(|line| {
            let number = line.number;
            entry(&mut devices, &line, &shown).map_err(|problem| (number, problem))
        });
        match read {
            Ok(imported) => wanted.push(imported),
            Err(problem) => problems.push(problem),
        }
    }
    let allowed: HashSet<EntryKey> = reader
        .entries(&EntryQuery { allowed: Some(true), ..EntryQuery::default() })?
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    let all = wanted.len();
    wanted.retain(|imported| !allowed.contains(&imported.key));
    let already = all - wanted.len();
    for (number, problem) in problems.iter().take(SHOWN) {
        output.line(&format!("{shown}, line {number}: {}", clean(problem)))?;
    }
    if problems.len() > SHOWN {
        output.line(&format!("and {} more lines that cannot be imported", problems.len() - SHOWN))?;
    }
    output.line(&format!(
        "{} to allow, {already} allowed already, {} cannot be imported",
        number_of(wanted.len(), "line"),
        problems.len()
    ))?;
    let stop = !problems.is_empty() && !args.partial;
    if args.dry_run || stop || wanted.is_empty() {
        output.line(if stop && !args.dry_run {
            "nothing was changed; mend these lines, or import the others with --partial"
        } else {
            "nothing was changed"
        })?;
        return Ok(if stop { Exit::NotFound } else { Exit::Done });
    }
    drop(reader);
    let mut commands = Vec::with_capacity(wanted.len());
    let mut what = Vec::with_capacity(wanted.len());
    for imported in wanted {
        what.push(format!("{} entry", imported.key.kind.as_str()));
        commands.push(triage::command(&args.who, Action::BaselineAllow(Box::new(imported)), None)?);
    }
    triage::carry_out(output, &config, &path, &commands, &what)
}

/// Devices as the export names them.
struct Devices<'a> {
    reader: &'a Reader,
    known: BTreeMap<String, Result<ot_engine::model::DeviceId, String>>,
}

impl Devices<'_> {
    fn find(&mut self, text: &str) -> Result<ot_engine::model::DeviceId, String> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let wanted = text.strip_prefix("device-").unwrap_or(text);
        let found = find_device(self.reader, wanted).map_err(|error| error.to_string());
        self.known.insert(text.to_owned(), found.clone());
        found
    }
}

fn entry(devices: &mut Devices<'_>, line: &ImportLine, file: &str) -> Result<Imported, String> {
    let fields = &line.fields;
    let text = |name: &str| fields.get(name).map(String::as_str);
    let device = |devices: &mut Devices<'_>, name: &str| text(name).map(|text| devices.find(text)).transpose();
    if text("allowed").is_some() {
        return Err("it is marked as not allowed; leave out what shall not be allowed".to_owned());
    }
    let scope = match text("scope") {
        None => Scope::Exact,
        Some(id) => Scope::parse(id).ok_or_else(|| {
            let known = Scope::ALL.iter().map(|scope| scope.as_str());
            format!("scope {}", crate::cli::unknown(id, known))
        })?,
    };
    let network = text("network")
        .map(|text| text.parse().map_err(|_| format!("network {text:?} is no network; write 10.0.0.0/24")))
        .transpose()?;
    let key = EntryKey {
        client: device(devices, "client")?,
        server: device(devices, "server")?,
        protocol: word(text("protocol"))?,
        port: number(fields, "port")?,
        function: number(fields, "function")?,
        subfunction: number(fields, "subfunction")?,
        space: word(text("space"))?,
        number: number(fields, "number")?,
        start: number(fields, "start")?,
        end: number(fields, "end")?,
        text: text("text").map(Into::into),
        scope,
        network,
        ..EntryKey::new(line.kind)
    };
    check(&key)?;
    let real = |name: &str| {
        text(name).map(|text| text.parse::<f64>().map_err(|_| format!("{name} {text:?} is no number"))).transpose()
    };
    let values = match (real("min")?, real("max")?) {
        (None, None) => None,
        (Some(min), Some(max)) if min <= max => Some((min, max)),
        _ => return Err("min and max belong together, the smaller first".to_owned()),
    };
    Ok(Imported {
        key,
        label: ot_store::intern(text("name").unwrap_or_default()),
        values,
        every: text("every").map(interval).transpose()?,
        until: text("expires").map(time).transpose().map_err(|problem| format!("expires: {problem}"))?,
        file: file.to_owned(),
    })
}

/// What an entry must name to say anything.
fn check(key: &EntryKey) -> Result<(), String> {
    let needed: &[(&str, bool)] = match key.scope {
        Scope::Exact => match key.kind {
            EntryKind::Device | EntryKind::Property => &[("server", key.server.is_some())],
            EntryKind::Group => &[("client", key.client.is_some())],
            _ => &[],
        },
        Scope::Pair => &[("client", key.client.is_some()), ("server", key.server.is_some())],
        Scope::Server => &[("server", key.server.is_some())],
        Scope::Client => &[("client", key.client.is_some())],
        Scope::Subnet => &[("network", key.network.is_some())],
    };
    if let Some((name, _)) = needed.iter().find(|(_, there)| !there) {
        return Err(format!("an entry of kind {} and scope {} needs {name}", key.kind.as_str(), key.scope.as_str()));
    }
    if key.scope == Scope::Exact && key.client.is_none() && key.server.is_none() {
        return Err("it names no device".to_owned());
    }
    let open = match key.scope {
        Scope::Server | Scope::Subnet if key.client.is_some() => Some("client"),
        Scope::Client if key.server.is_some() => Some("server"),
        _ => None,
    };
    if let Some(name) = open {
        return Err(format!("scope {} leaves the {name} open; take it out", key.scope.as_str()));
    }
    if key.network.is_some() != (key.scope == Scope::Subnet) {
        return Err("only scope subnet has a network".to_owned());
    }
    match (key.start, key.end) {
        (Some(start), Some(end)) if start > end => Err(format!("start {start} lies behind end {end}")),
        (None, Some(_)) => Err("end has no start".to_owned()),
        _ => Ok(()),
    }
}

/// A short name of a protocol or an address space.
fn word(text: Option<&str>) -> Result<&'static str, String> {
    let Some(text) = text else { return Ok("") };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if text.len() > 64 || !text.bytes().all(fits) {
        return Err(format!("{text:?} is no name of a protocol or an address space"));
    }
    Ok(ot_store::intern(text))
}

fn number<T: std::str::FromStr>(fields: &BTreeMap<&'static str, String>, name: &str) -> Result<Option<T>, String> {
    fields.get(name).map(|text| text.parse().map_err(|_| format!("{name} {text:?} is no number that fits"))).transpose()
}

/// An interval as the export writes it: `1s`, `250ms`, `under-1ms`.
fn interval(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("every {text:?} is no interval; write 1s or 250ms");
    if text == "under-1ms" {
        return Ok(500_000);
    }
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1_000_000_i64),
        (None, Some(digits)) => (digits, 1_000_000_000),
        (None, None) => return Err(wrong()),
    };
    let count: i64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit).filter(|&nanos| nanos > 0).ok_or_else(wrong)
}
