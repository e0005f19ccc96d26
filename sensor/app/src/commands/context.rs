//! `devices set`, `devices import` and `devices export`: what people know of devices.

use super::reader;
use super::triage::{carry_out, command, open};
use crate::cli::{DevicesExportArgs, DevicesImportArgs, DevicesSetArgs, unknown};
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};
use anyhow::Context as _;
use ot_engine::Action;
use ot_engine::context::{Change, Field};
use ot_engine::model::Device;
use ot_store::NewCommand;
use ot_store::read::DeviceQuery;
use ot_views::Names;
use ot_views::device::find_device;
use ot_views::import::{self, ImportPlan, KEYS, column, value_of};
use ot_views::names::device_address;

/// Bytes of an imported file.
const MOST_BYTES: u64 = 16 << 20;
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

pub fn import(output: &mut Output, args: &DevicesImportArgs) -> anyhow::Result<Exit> {
    let text = crate::config::read_text(&args.file, MOST_BYTES).map_err(|error| {
        Failure::input(format!("{}: {error}; give a readable CSV file in UTF-8", args.file.display()))
    })?;
    let (config, reader, path) = open(&args.store)?;
    let plan = import::plan(&reader, &text).map_err(Failure::input)?;
    drop(reader);
    let ImportPlan { wanted, wrong, same } = plan;
    for (line, problem) in &wrong {
        output.line(&clean(&format!("line {line}: {problem}")))?;
    }
    let mut exit = if wrong.is_empty() { Exit::Done } else { Exit::NotFound };
    if args.dry_run {
        for one in &wanted {
            output.line(&clean(&format!("would set: {}: {}", one.label, one.in_words())))?;
        }
    } else if !wanted.is_empty() {
        let shown: Vec<String> = wanted.iter().map(|one| format!("{}: {}", one.label, one.in_words())).collect();
        let commands: Vec<NewCommand> = wanted
            .iter()
            .map(|one| command(&args.who, Action::SetContext(one.device, one.changes()), None))
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
