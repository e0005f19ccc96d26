//! Devices out of a CSV file: what an import would change, line by line, and what is wrong with lines. The command line
//! and the console import by the same plan.

use crate::device::find_device;
use ot_engine::context::{Change, Context, Field};
use ot_engine::model::{Device, DeviceId};
use ot_rules::names::nearest;
use ot_store::read::{DeviceQuery, Reader};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Columns that name the device.
pub const KEYS: [&str; 2] = ["ip", "mac"];

/// The column of a field.
pub fn column(field: Field) -> &'static str {
    match field {
        Field::Tag => "tags",
        other => other.as_str(),
    }
}

/// What an import would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportPlan {
    /// Lines that change a device, in order.
    pub wanted: Vec<Wanted>,
    /// Lines that cannot be imported: number from 1, and why.
    pub wrong: Vec<(u64, String)>,
    /// Lines that bring nothing new.
    pub same: usize,
}

/// A line that changes a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its number, from 1.
    pub line: u64,
    /// The device.
    pub device: DeviceId,
    /// For people.
    pub label: String,
    /// What changes, with what held before.
    pub changes: Vec<(Change, Option<String>)>,
}

impl Wanted {
    /// The changes alone.
    pub fn changes(&self) -> Vec<Change> {
        self.changes.iter().map(|(change, _)| change.clone()).collect()
    }

    /// In words.
    pub fn in_words(&self) -> String {
        self.changes.iter().map(|(change, _)| change.to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// What an import would do, for programs and pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportView {
    /// Lines that change a device.
    pub changes: Vec<ImportLineView>,
    /// Lines that cannot be imported.
    pub wrong: Vec<WrongLine>,
    /// Lines that bring nothing new.
    pub same: u64,
}

/// A line that changes a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportLineView {
    /// Its number, from 1.
    pub line: u64,
    /// Number of the device.
    pub device_id: u32,
    /// For people.
    pub device: String,
    /// What changes.
    pub fields: Vec<ImportField>,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportField {
    /// `name`, `zone`, `owner` …
    pub field: &'static str,
    /// What holds now, whatever its source; of tags all.
    pub before: Option<String>,
    /// What would hold; null: nobody says anything of it. Of a tag the tag that is added.
    pub after: Option<String>,
}

/// A line that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WrongLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong, and what to write.
    pub problem: String,
}

impl From<&ImportPlan> for ImportView {
    fn from(plan: &ImportPlan) -> Self {
        let fields = |wanted: &Wanted| {
            let field = |(change, before): &(Change, Option<String>)| ImportField {
                field: column(change.field),
                before: before.clone(),
                after: change.value.clone(),
            };
            wanted.changes.iter().map(field).collect()
        };
        let changes = plan.wanted.iter().map(|wanted| ImportLineView {
            line: wanted.line,
            device_id: wanted.device.0,
            device: wanted.label.clone(),
            fields: fields(wanted),
        });
        let wrong = plan.wrong.iter().map(|(line, problem)| WrongLine { line: *line, problem: problem.clone() });
        Self { changes: changes.collect(), wrong: wrong.collect(), same: u64::try_from(plan.same).unwrap_or(u64::MAX) }
    }
}

/// Reads a CSV file whose first line names its columns.
///
/// # Errors
/// What is wrong with the first line; wrong lines are part of the plan.
pub fn plan(reader: &Reader, text: &str) -> Result<ImportPlan, String> {
    let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = header(rows.headers().map_err(|error| format!("line 1: {error}"))?)?;
    let mut plan = ImportPlan::default();
    let mut seen: BTreeSet<DeviceId> = BTreeSet::new();
    for row in rows.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                plan.wrong.push((error.position().map_or(0, csv::Position::line), error.to_string()));
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        match line_of(reader, &header, &row, line) {
            Ok(None) => plan.same += 1,
            Ok(Some(found)) if !seen.insert(found.device) => {
                plan.wrong.push((line, format!("{} stands in an earlier line already", found.label)));
            }
            Ok(Some(found)) => plan.wanted.push(found),
            Err(problem) => plan.wrong.push((line, problem)),
        }
    }
    Ok(plan)
}

/// What stands in which column: the device's address or MAC (`None`), or what is said of it.
fn header(names: &csv::StringRecord) -> Result<Vec<(String, Option<Field>)>, String> {
    let known = || KEYS.into_iter().chain(Field::ALL.into_iter().map(column));
    let mut columns = Vec::new();
    for name in names {
        let id = name.trim_start_matches('\u{feff}').to_lowercase().replace([' ', '-'], "_");
        let field = Field::ALL.into_iter().find(|field| column(*field) == id);
        if field.is_none() && !KEYS.contains(&id.as_str()) {
            return Err(match nearest(&id, known()) {
                Some(near) => format!("line 1: column {id:?} is not known; did you mean {near:?}?"),
                None => {
                    format!("line 1: column {id:?} is not known; known are {}", known().collect::<Vec<_>>().join(", "))
                }
            });
        }
        if columns.iter().any(|(known, _)| *known == id) {
            return Err(format!("line 1: column {id} stands there twice"));
        }
        columns.push((id, field));
    }
    if !columns.iter().any(|(id, _)| KEYS.contains(&id.as_str())) {
        return Err("line 1: a column ip or mac is needed; the first line names the columns".to_owned());
    }
    Ok(columns)
}

fn line_of(
    reader: &Reader,
    header: &[(String, Option<Field>)],
    row: &csv::StringRecord,
    line: u64,
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
        let before = value_of(&device, field);
        for part in parts {
            if field == Field::Authorised && part == "unknown" {
                if device.context.get(field).is_some() {
                    changes.push((Change { field, value: None, remove: false }, before.clone()));
                }
                continue;
            }
            let value = field.check(part)?;
            let held = match field {
                Field::Tag => device.context.tags().any(|tag| tag == value),
                Field::ProgrammingDevice | Field::Scanner => value == device.context.text(field).unwrap_or("no"),
                _ => before.as_ref().is_some_and(|held| *held == value),
            };
            if !held {
                changes.push((Change { field, value: Some(value), remove: false }, before.clone()));
            }
        }
    }
    let label = device.name.as_ref().map_or_else(|| named.to_owned(), |name| format!("{name} ({named})"));
    Ok((!changes.is_empty()).then_some(Wanted { line, device: id, label, changes }))
}

/// What holds for a device, whatever its source.
pub fn value_of(device: &Device, field: Field) -> Option<String> {
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
