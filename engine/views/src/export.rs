//! Everything that a store holds, table by table, as the JSON objects of the lists.

use crate::alert::{alert_lines, violations};
use crate::baseline::entries;
use crate::timeline::event_lines;
use crate::{Names, ViewError, devices, journal, maintenance, points, programs, stats};
use ot_store::read::{DeviceQuery, EntryQuery, JournalQuery, PointQuery, ProgramQuery};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows read at once.
const PART: u32 = 2_000;

/// A table: its name, and the list whose objects it holds.
pub const TABLES: [(&str, &str); 10] = [
    ("alerts", "alerts list"),
    ("violations", "alerts violations, with the id of the alert"),
    ("devices", "devices list"),
    ("points", "points list"),
    ("programs", "programs list"),
    ("journal", "devices journal"),
    ("baseline", "baseline list --all"),
    ("maintenance", "maintenance list --all"),
    ("events", "events list"),
    ("stats", "stats"),
];

/// Who takes the objects.
pub type Take<'a> = &'a mut dyn FnMut(Value) -> std::io::Result<()>;

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// Hands on each object of a table, in order of number or, where rows have none, of the list. A table that is not known has none.
///
/// # Errors
/// As the store's, and as whoever takes them.
pub fn table(names: &Names<'_>, table: &str, take: Take<'_>) -> Result<u64, ExportError> {
    let mut count = 0;
    let mut each = |list: Vec<Value>| -> Result<(), ExportError> {
        for value in list {
            count += 1;
            take(value)?;
        }
        Ok(())
    };
    match table {
        "alerts" => alerts(names, &mut |_, line| each(vec![line]))?,
        "violations" => alerts(names, &mut |number, line| {
            let mut rows = values(violations(names, number)?);
            for row in &mut rows {
                row["alert"] = line["id"].clone();
            }
            each(rows)
        })?,
        "devices" => {
            pages(&mut each, |skip| devices(names, &DeviceQuery { skip, limit: Some(PART), ..DeviceQuery::default() }))?
        }
        "points" => {
            pages(&mut each, |skip| points(names, &PointQuery { skip, limit: Some(PART), ..PointQuery::default() }))?;
        }
        "baseline" => {
            pages(&mut each, |skip| entries(names, &EntryQuery { skip, limit: Some(PART), ..EntryQuery::default() }))?;
        }
        "events" => {
            let mut after = 0;
            loop {
                let found = names.reader().events_after(after, PART).map_err(ViewError::from)?;
                let Some(last) = found.last() else { break };
                after = last.number;
                each(values(event_lines(names, found)?))?;
            }
        }
        "programs" => each(values(programs(names, &ProgramQuery::default())?))?,
        "journal" => each(values(journal(names, &JournalQuery::default())?))?,
        "maintenance" => each(values(maintenance::windows(names, None, true)?))?,
        "stats" => each(values(vec![stats(names.reader())?]))?,
        _ => {}
    }
    Ok(count)
}

fn values<T: Serialize>(list: Vec<T>) -> Vec<Value> {
    list.iter().map(|one| serde_json::to_value(one).unwrap_or_default()).collect()
}

/// A list page by page.
fn pages<T: Serialize>(
    each: &mut dyn FnMut(Vec<Value>) -> Result<(), ExportError>,
    page: impl Fn(u32) -> Result<Vec<T>, ViewError>,
) -> Result<(), ExportError> {
    let mut skip = 0;
    loop {
        let found = page(skip)?;
        if found.is_empty() {
            return Ok(());
        }
        skip += PART;
        each(values(found))?;
    }
}

/// Every alert with its number.
fn alerts(names: &Names<'_>, each: &mut dyn FnMut(u32, Value) -> Result<(), ExportError>) -> Result<(), ExportError> {
    let mut after = 0;
    loop {
        let rows = names.reader().alerts_after(after, PART).map_err(ViewError::from)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.number;
        for (row, line) in rows.iter().zip(values(alert_lines(names, &rows)?)) {
            each(row.number, line)?;
        }
    }
}

/// The columns of a table as CSV: one for each value that an object of it holds, those within another named `other.value`.
#[derive(Clone, Debug, Default)]
pub struct Columns(BTreeSet<String>);

impl Columns {
    /// Adds the columns of an object.
    pub fn see(&mut self, object: &Value) {
        flat(object, &mut |name, _| {
            if !self.0.contains(name) {
                self.0.insert(name.to_owned());
            }
        });
    }

    /// Their names, in order. One that is an object in some rows and null in others stands for its values alone.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let within = |name: &String| {
            let start = format!("{name}.");
            self.0.range(start.clone()..).next().is_some_and(|next| next.starts_with(&start))
        };
        self.0.iter().filter(move |name| !within(name)).map(String::as_str)
    }

    /// The cells of an object under [`Self::names`]; empty where it lacks a value. Lists of plain values are divided by `; `,
    /// others stand as JSON.
    pub fn cells(&self, object: &Value) -> Vec<String> {
        let mut found = BTreeMap::new();
        flat(object, &mut |name, value| {
            found.insert(name.to_owned(), cell(value));
        });
        self.names().map(|name| found.remove(name).unwrap_or_default()).collect()
    }
}

/// Tells each value of an object that is not itself an object, with its name.
fn flat(object: &Value, each: &mut dyn FnMut(&str, &Value)) {
    fn within(value: &Value, name: &mut String, each: &mut dyn FnMut(&str, &Value)) {
        match value {
            Value::Object(values) if !values.is_empty() => {
                let length = name.len();
                for (key, value) in values {
                    if length > 0 {
                        name.push('.');
                    }
                    name.push_str(key);
                    within(value, name, each);
                    name.truncate(length);
                }
            }
            value => each(name, value),
        }
    }
    within(object, &mut String::new(), each);
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(|one| !one.is_object() && !one.is_array()) => {
            list.iter().map(cell).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_become_columns_and_no_value_is_left_out() {
        let rows = [
            json!({ "id": "a", "count": 3, "source": null, "tags": ["x", "y"] }),
            json!({ "id": "b", "source": { "name": "PLC", "zone": null }, "more": [{ "n": 1 }], "tags": [], "extra": {} }),
        ];
        let mut columns = Columns::default();
        for row in &rows {
            columns.see(row);
        }
        let names: Vec<&str> = columns.names().collect();
        assert_eq!(names, ["count", "extra", "id", "more", "source.name", "source.zone", "tags"]);
        assert_eq!(columns.cells(&rows[0]), ["3", "", "a", "", "", "", "x; y"]);
        assert_eq!(columns.cells(&rows[1]), ["", "{}", "b", r#"[{"n":1}]"#, "PLC", "", ""]);
    }
}
