//! Maintenance windows: what people and the configuration plan, and how it was asked for.

use crate::StoreError;
use crate::load::rows;
use crate::read::Reader;
use crate::value::{count, integer, parsed, time};
use ot_engine::context::Source;
use ot_engine::maintenance::{Plan, Selector, Window};
use ot_protocol::{Operation, Timestamp};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};

/// A window with when and why it was planned and removed.
#[derive(Clone, Debug, PartialEq)]
pub struct MaintenanceRow {
    /// The window.
    pub window: Window,
    /// Wall time at which a person planned it.
    pub planned: Option<Timestamp>,
    /// Why, in the person's words.
    pub why: String,
    /// Wall time at which a person removed it.
    pub removed: Option<Timestamp>,
    /// Why.
    pub why_removed: String,
}

impl Reader {
    /// Windows by number: all, or those of a ticket. What was removed is among them.
    pub fn maintenance(&self, ticket: Option<&str>) -> Result<Vec<MaintenanceRow>, StoreError> {
        let parameters: Vec<&dyn ToSql> = ticket.iter().map(|ticket| -> &dyn ToSql { ticket }).collect();
        let condition = if ticket.is_some() { "WHERE ticket = ?1" } else { "" };
        self.maintenance_rows(condition, &parameters)
    }

    /// The window of this number.
    pub fn maintenance_window(&self, number: u32) -> Result<Option<MaintenanceRow>, StoreError> {
        Ok(self.maintenance_rows("WHERE number = ?1", &[&number])?.pop())
    }

    /// How many alerts have detections in a window: those that are wholly expected, and the others.
    pub fn alerts_in_window(&self, number: u32) -> Result<(u64, u64), StoreError> {
        let counted = || {
            self.connection()
                .prepare_cached(
                    "SELECT COALESCE(SUM(a.expected), 0), COUNT(*) - COALESCE(SUM(a.expected), 0)
                     FROM alert_maintenance m JOIN alert a ON a.number = m.alert WHERE m.maintenance = ?1",
                )?
                .query_row([number], |row| Ok((count(row, 0)?, count(row, 1)?)))
        };
        counted().map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    /// Whether an alert is wholly expected, and the windows in which detections of it lay.
    pub fn alert_windows(&self, alert: u32) -> Result<(bool, Vec<u32>), StoreError> {
        let read = || {
            let expected = self
                .connection()
                .prepare_cached("SELECT expected FROM alert WHERE number = ?1 AND expected_count > 0")?
                .query_row([alert], |row| row.get::<_, bool>(0))
                .optional()?;
            let Some(expected) = expected else { return Ok((false, Vec::new())) };
            let windows = self
                .connection()
                .prepare_cached("SELECT maintenance FROM alert_maintenance WHERE alert = ?1 ORDER BY place")?
                .query_map([alert], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((expected, windows))
        };
        read().map_err(|error| StoreError::from_sqlite(self.path(), error))
    }

    fn maintenance_rows(&self, condition: &str, parameters: &[&dyn ToSql]) -> Result<Vec<MaintenanceRow>, StoreError> {
        let load = || -> rusqlite::Result<Vec<MaintenanceRow>> {
            let mut asked = self.connection().prepare_cached("SELECT wall_time, why FROM command WHERE id = ?1")?;
            let mut asked = |command: u64| -> rusqlite::Result<(Option<Timestamp>, String)> {
                let mut found = asked.query([integer(command)])?;
                match found.next()? {
                    Some(row) => Ok((time(row, 0)?, row.get(1)?)),
                    None => Ok((None, String::new())),
                }
            };
            windows(self.connection(), "", condition, parameters)?
                .into_iter()
                .map(|window| {
                    let (planned, why) = asked(window.command)?;
                    let (removed, why_removed) = asked(window.removed_command)?;
                    Ok(MaintenanceRow { window, planned, why, removed, why_removed })
                })
                .collect()
        };
        load().map_err(|error| StoreError::from_sqlite(self.path(), error))
    }
}

/// Windows that meet a condition, `WHERE` included, by number.
pub(crate) fn windows(
    connection: &Connection,
    prefix: &str,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> rusqlite::Result<Vec<Window>> {
    let mut windows = rows(
        connection,
        &format!(
            "SELECT number, ticket, begins, ends, note, source, who, command, added, removed, removed_by, removed_command
             FROM {prefix}maintenance {condition} ORDER BY number"
        ),
        parameters,
        |row| {
            Ok(Window {
                number: row.get(0)?,
                plan: Plan {
                    ticket: row.get(1)?,
                    start: Timestamp(row.get(2)?),
                    end: Timestamp(row.get(3)?),
                    note: row.get(4)?,
                    ..no_plan()
                },
                source: parsed(row, 5, Source::parse)?,
                who: row.get(6)?,
                command: count(row, 7)?,
                added: Timestamp(row.get(8)?),
                removed: time(row, 9)?,
                removed_by: row.get(10)?,
                removed_command: count(row, 11)?,
            })
        },
    )?;
    for window in &mut windows {
        let sql =
            format!("SELECT part, text FROM {prefix}maintenance_part WHERE maintenance = ?1 ORDER BY part, place");
        fill(connection, &sql, i64::from(window.number), &mut window.plan)?;
    }
    Ok(windows)
}

/// Adds what a plan names.
fn fill(connection: &Connection, sql: &str, of: i64, plan: &mut Plan) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query([of])?;
    while let Some(row) = found.next()? {
        let selector = |text: &str| Selector::parse(text).ok();
        match row.get::<_, String>(0)?.as_str() {
            "device" => plan.devices.push(parsed(row, 1, selector)?),
            "by" => plan.by.push(parsed(row, 1, selector)?),
            "kind" => plan.kinds.push(parsed(row, 1, Operation::parse)?),
            _ => parsed(row, 0, |_| None)?,
        }
    }
    Ok(())
}

/// What a plan names: part, place and text.
fn parts(plan: &Plan) -> impl Iterator<Item = (&'static str, i64, &str)> {
    let devices = (0_i64..).zip(&plan.devices).map(|(place, selector)| ("device", place, selector.as_str()));
    let by = (0_i64..).zip(&plan.by).map(|(place, selector)| ("by", place, selector.as_str()));
    let kinds = (0_i64..).zip(&plan.kinds).map(|(place, kind)| ("kind", place, kind.as_str()));
    devices.chain(by).chain(kinds)
}

/// A plan that nothing was filled in yet.
pub(crate) fn no_plan() -> Plan {
    Plan {
        ticket: String::new(),
        devices: Vec::new(),
        by: Vec::new(),
        kinds: Vec::new(),
        start: Timestamp::default(),
        end: Timestamp::default(),
        note: String::new(),
    }
}

pub(crate) fn write(transaction: &Transaction<'_>, windows: &[Window]) -> rusqlite::Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    // A run that was killed before its first commit gives its numbers once more, and then to others perhaps: rows are whole.
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO maintenance (number, ticket, begins, ends, note, source, who, command, added, removed, removed_by,
             removed_command)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT DO UPDATE SET ticket = excluded.ticket, begins = excluded.begins, ends = excluded.ends,
             note = excluded.note, source = excluded.source, who = excluded.who, command = excluded.command,
             added = excluded.added, removed = excluded.removed, removed_by = excluded.removed_by,
             removed_command = excluded.removed_command",
    )?;
    let mut forget = transaction.prepare_cached("DELETE FROM maintenance_part WHERE maintenance = ?1")?;
    let mut part = transaction
        .prepare_cached("INSERT INTO maintenance_part (maintenance, part, place, text) VALUES (?1, ?2, ?3, ?4)")?;
    for window in windows {
        let plan = &window.plan;
        upsert.execute(params![
            window.number,
            plan.ticket,
            plan.start.0,
            plan.end.0,
            plan.note,
            window.source.as_str(),
            window.who,
            integer(window.command),
            window.added.0,
            window.removed.map(|time| time.0),
            window.removed_by,
            integer(window.removed_command),
        ])?;
        forget.execute([window.number])?;
        for (name, place, text) in parts(plan) {
            part.execute(params![window.number, name, place, text])?;
        }
    }
    Ok(())
}

/// Keeps the plan of a command.
pub(crate) fn append(transaction: &Transaction<'_>, command: i64, plan: &Plan) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO command_maintenance (command, ticket, begins, ends, note) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![command, plan.ticket, plan.start.0, plan.end.0, plan.note])?;
    let mut part = transaction
        .prepare_cached("INSERT INTO command_maintenance_part (command, part, place, text) VALUES (?1, ?2, ?3, ?4)")?;
    for (name, place, text) in parts(plan) {
        part.execute(params![command, name, place, text])?;
    }
    Ok(())
}

/// The plan of a command.
pub(crate) fn plan_of(connection: &Connection, command: u64) -> rusqlite::Result<Plan> {
    let mut plan = connection
        .prepare_cached("SELECT ticket, begins, ends, note FROM command_maintenance WHERE command = ?1")?
        .query_row([integer(command)], |row| {
            Ok(Plan {
                ticket: row.get(0)?,
                start: Timestamp(row.get(1)?),
                end: Timestamp(row.get(2)?),
                note: row.get(3)?,
                ..no_plan()
            })
        })?;
    let sql = "SELECT part, text FROM command_maintenance_part WHERE command = ?1 ORDER BY part, place";
    fill(connection, sql, integer(command), &mut plan)?;
    Ok(plan)
}
