//! All rows as text.

use crate::{StoreError, open, run};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::Path;

/// Every row of the store as one line, `table column=value column=value`, in a fixed order: to compare two stores. Left
/// out is what may differ between two stores that tell the same: columns of wall time, how often a run was started, which
/// number a combination of alerts got, what is kept only while a run is under way, and what was forwarded to whom.
pub fn dump(path: &Path) -> Result<Vec<String>, StoreError> {
    let connection = open::reader(path)?;
    lines(&connection).map_err(|error| StoreError::from_sqlite(path, error))
}

fn lines(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut lines = Vec::new();
    let transaction = connection.unchecked_transaction()?;
    let tables: Vec<String> = transaction
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // The index of texts lies in tables of its own, in an order that depends on when what was written.
    let told = |table: &&String| {
        !table.starts_with(run::BEFORE)
            && !table.starts_with("alert_text")
            && !["outbox", "outbox_origin", "forward_destination"].contains(&table.as_str())
    };
    for table in tables.iter().filter(told) {
        let columns: Vec<(String, i64)> = transaction
            .prepare("SELECT name, pk FROM pragma_table_info(?1)")?
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let shown: Vec<&str> = columns
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| {
                !name.starts_with("wall_") && *name != "combination" && (table != "run" || *name != "attempts")
            })
            .collect();
        let mut key: Vec<&(String, i64)> = columns.iter().filter(|(_, place)| *place > 0).collect();
        key.sort_by_key(|(_, place)| *place);
        let order: Vec<&str> = key.iter().map(|(name, _)| name.as_str()).collect();
        let quoted: Vec<String> = shown.iter().map(|name| format!("quote({name})")).collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY {}", quoted.join(", "), order.join(", "));
        let mut statement = transaction.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut line = table.clone();
            for (index, name) in shown.iter().enumerate() {
                let value: String = row.get(index)?;
                let _ = write!(line, " {name}={}", value.replace('\n', "\\n"));
            }
            lines.push(line);
        }
    }
    Ok(lines)
}
