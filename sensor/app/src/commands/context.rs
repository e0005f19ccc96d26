//! `devices set`, `devices import` and `devices export`: what people know of devices.

use super::reader;
use super::triage::{carry_out, command, open};
use crate::cli::{DevicesExportArgs, DevicesImportArgs, DevicesSetArgs, unknown};
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};
use anyhow::Context as _;
use ot_engine::Action;
use ot_engine::context::{Change, Context, Field};
use ot_engine::model::{Device, DeviceId};
use ot_store::NewCommand;
use ot_store::read::{DeviceQuery, Reader};
use ot_views::Names;
use ot_views::device::find_device;
use ot_views::names::device_address;

/// Bytes of an imported file.
const MOST_BYTES: u64 = 16 << 20;
/// Columns of an import and an export: how the device is named, then what is said of it.
const KEYS: [&str; 2] = ["ip", "mac"];

fn column(field: Field) -> &'static str {
    match field {
        Field::Tag => "tags",
        other => other.as_str(),
    }
}

pub fn set(output: &mut Output, args: &DevicesSetArgs) -> anyhow::Result<Exit> {
    let mut changes = Vec::new();
    let texts = [
        (Field::Name, &args.name),
        (Field::Role, &args.role),
        (Field::Site, &args.site),
        (Field::Zone, &args.zone),
        (Field::Purdue, &args.purdue),
        (Field::Importance, &args.importance),
        (Field::Owner, &args.owner),
        (Field::Location, &args.location),
        (Field::Notes, &args.notes),
        (Field::Authorised, &args.authorised),
        (Field::ProgrammingDevice, &args.programming_device),
        (Field::Scanner, &args.scanner),
    ];
    for (field, value) in texts {
        let Some(value) = value else { continue };
        let unset = field == Field::Authorised && value == "unknown";
        let value = if unset { None } else { Some(field.check(value).map_err(Failure::usage)?) };
        changes.push(Change { field, value, remove: false });
    }
    for (tags, remove) in [(&args.tag, false), (&args.untag, true)] {
        for tag in tags {
            changes.push(Change {
                field: Field::Tag,
                value: Some(Field::Tag.check(tag).map_err(Failure::usage)?),
                remove,
            });
        }
    }
    for id in &args.unset {
        let known = Field::ALL.iter().copied().filter(|field| *field != Field::Tag).map(Field::as_str);
        let field = Field::parse(&id.replace('-', "_"))
            .filter(|field| *field != Field::Tag)
            .ok_or_else(|| Failure::usage(format!("--unset: {}", unknown(id, known))))?;
        changes.push(Change { field, value: None, remove: false });
    }
    if changes.is_empty() {
        return Err(
            Failure::usage("nothing to set; say what, for example --owner \"maintenance\" or --tag press").into()
        );
    }
    let (config, reader, path) = open(&args.store)?;
    let id = find_device(&reader, &args.device)?;
    let shown = format!("{}: {}", Names::new(&reader).label(id)?, in_words(&changes));
    drop(reader);
    let command = command(&args.who, Action::SetContext(id, changes), None)?;
    carry_out(output, &config, &path, &[command], &[shown])
}

fn in_words(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One line of an import that changes something.
struct Wanted {
    device: DeviceId,
    label: String,
    changes: Vec<Change>,
}

pub fn import(output: &mut Output, args: &DevicesImportArgs) -> anyhow::Result<Exit> {
    let text = crate::config::read_text(&args.file, MOST_BYTES).map_err(|error| {
        Failure::input(format!("{}: {error}; give a readable CSV file in UTF-8", args.file.display()))
    })?;
    let (config, reader, path) = open(&args.store)?;
    let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = header(rows.headers().map_err(|error| Failure::input(format!("line 1: {error}")))?)?;
    let (mut wanted, mut wrong, mut same): (Vec<Wanted>, Vec<String>, usize) = (Vec::new(), Vec::new(), 0);
    for row in rows.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                wrong.push(format!("line {line}: {error}"));
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        match line_of(&reader, &header, &row) {
            Ok(None) => same += 1,
            Ok(Some(found)) if wanted.iter().any(|known| known.device == found.device) => {
                wrong.push(format!("line {line}: {} stands in an earlier line already", found.label));
            }
            Ok(Some(found)) => wanted.push(found),
            Err(problem) => wrong.push(format!("line {line}: {problem}")),
        }
    }
    drop(reader);
    for problem in &wrong {
        output.line(&clean(problem))?;
    }
    let mut exit = if wrong.is_empty() { Exit::Done } else { Exit::NotFound };
    if args.dry_run {
        for one in &wanted {
            output.line(&clean(&format!("would set: {}: {}", one.label, in_words(&one.changes))))?;
        }
    } else if !wanted.is_empty() {
        let shown: Vec<String> =
            wanted.iter().map(|one| format!("{}: {}", one.label, in_words(&one.changes))).collect();
        let commands: Vec<NewCommand> = wanted
            .iter()
            .map(|one| command(&args.who, Action::SetContext(one.device, one.changes.clone()), None))
            .collect::<anyhow::Result<_>>()?;
        if carry_out(output, &config, &path, &commands, &shown)? != Exit::Done {
            exit = Exit::NotFound;
        }
    }
    output.line(&format!(
        "{} of {} lines {}, {same} bring nothing new, {} are wrong",
        wanted.len(),
        wanted.len() + same + wrong.len(),
        if args.dry_run { "would change a device" } else { "change a device" },
        wrong.len()
    ))?;
    Ok(exit)
}

/// What stands in which column: the device's address or MAC (`None`), or what is said of it.
fn header(names: &csv::StringRecord) -> Result<Vec<(String, Option<Field>)>, Failure> {
    let fields = || Field::ALL.into_iter().map(column);
    let mut columns = Vec::new();
    for name in names {
        let id = name.trim_start_matches('\u{feff}').to_lowercase().replace([' ', '-'], "_");
        let field = Field::ALL.into_iter().find(|field| column(*field) == id);
        if field.is_none() && !KEYS.contains(&id.as_str()) {
            let known: Vec<&str> = KEYS.into_iter().chain(fields()).collect();
            return Err(Failure::input(format!("line 1: column {}", unknown(&id, known.iter().copied()))));
        }
        if columns.iter().any(|(known, _)| *known == id) {
            return Err(Failure::input(format!("line 1: column {id} stands there twice")));
        }
        columns.push((id, field));
    }
    if !columns.iter().any(|(id, _)| KEYS.contains(&id.as_str())) {
        return Err(Failure::input("line 1: a column ip or mac is needed; the first line names the columns"));
    }
    Ok(columns)
}

fn line_of(
    reader: &Reader,
    header: &[(String, Option<Field>)],
    row: &csv::StringRecord,
) -> Result<Option<Wanted>, String> {
    if row.len() > header.len() {
        return Err(format!("{} values for {} columns", row.len(), header.len()));
    }
    let key = |wanted: &str| {
        let at = header.iter().position(|(id, _)| id == wanted)?;
        row.get(at).filter(|value| !value.is_empty())
    };
    let named = key("ip").or_else(|| key("mac")).ok_or("neither ip nor mac is given")?;
    let id = find_device(reader, named).map_err(|_| format!("no device {named} was seen"))?;
    let found = reader.devices(&DeviceQuery { devices: vec![id], ..DeviceQuery::default() });
    let device = found.map_err(|error| error.to_string())?.pop().ok_or_else(|| format!("no device {named}"))?;
    let mut changes = Vec::new();
    for ((_, field), value) in header.iter().zip(row) {
        let Some(field) = field.filter(|_| !value.is_empty()) else { continue };
        let parts: Vec<&str> = match field {
            Field::Tag => value.split([';', ' ', ',']).filter(|tag| !tag.is_empty()).collect(),
            _ => vec![value],
        };
        for part in parts {
            if field == Field::Authorised && part == "unknown" {
                if device.context.get(field).is_some() {
                    changes.push(Change { field, value: None, remove: false });
                }
                continue;
            }
            let value = field.check(part)?;
            let held = match field {
                Field::Tag => device.context.tags().any(|tag| tag == value),
                Field::ProgrammingDevice | Field::Scanner => value == device.context.text(field).unwrap_or("no"),
                _ => value_of(&device, field).is_some_and(|held| held == value),
            };
            if !held {
                changes.push(Change { field, value: Some(value), remove: false });
            }
        }
    }
    let label = device.name.as_ref().map_or_else(|| named.to_owned(), |name| format!("{name} ({named})"));
    Ok((!changes.is_empty()).then_some(Wanted { device: id, label, changes }))
}

/// What holds for a device, whatever its source.
fn value_of(device: &Device, field: Field) -> Option<String> {
    let context: &Context = &device.context;
    match field {
        Field::Role => Some(device.role.as_str().to_owned()),
        Field::Purdue => device.purdue.map(|level| level.to_string()),
        Field::Importance => Some(context.importance(device.role).as_str().to_owned()),
        Field::Name => device.name.clone(),
        Field::Tag => Some(context.tags().collect::<Vec<_>>().join(" ")).filter(|tags| !tags.is_empty()),
        other => context.text(other).map(str::to_owned),
    }
}

pub fn export(output: &mut Output, args: &DevicesExportArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(KEYS.into_iter().chain(Field::ALL.into_iter().map(column)))?;
    for device in reader.devices(&DeviceQuery::default())? {
        let ip = if device.addresses.is_empty() { String::new() } else { key(&device) };
        let mac = device.mac.map(|mac| mac.to_string()).unwrap_or_default();
        if ip.is_empty() && mac.is_empty() {
            continue;
        }
        let values = Field::ALL.into_iter().map(|field| value_of(&device, field).unwrap_or_default());
        csv.write_record([ip, mac].into_iter().chain(values))?;
    }
    let text = String::from_utf8(csv.into_inner().context("internal error")?)?;
    for line in text.lines() {
        output.line(&clean(line))?;
    }
    Ok(Exit::Done)
}

/// How the device is named in a line: `10.0.0.5`, `10.0.0.5/unit-3` for one that is reached through another.
fn key(device: &Device) -> String {
    match (device.parent, device.addresses.first()) {
        (None, Some(address)) => address.ip.to_string(),
        _ => {
            let (base, sub) = match device_address(device).split_once(' ') {
                Some((base, sub)) => (base.to_owned(), format!("/{}", sub.replace(' ', "-"))),
                None => (device_address(device), String::new()),
            };
            base + &sub
        }
    }
}
