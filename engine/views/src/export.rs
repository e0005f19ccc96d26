//! Everything that a store holds, table by table, as the JSON objects of the lists.

use crate::alert::{alert_lines, violations};
use crate::baseline::entries;
use crate::timeline::event_lines;
use crate::{Names, ViewError, devices, journal, maintenance, points, programs, stats};
use ot_store::read::{DeviceQuery, EntryQuery, JournalQuery, PointQuery, ProgramQuery};
use serde::Serialize;
use serde_json::Value;

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
