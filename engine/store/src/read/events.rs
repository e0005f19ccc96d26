//! The timeline.

use super::{Conditions, PART, Reader, like, limit_sql, marks};
use crate::StoreError;
use crate::value::{count, device, frame, intern, parsed, parsed_option};
use ot_engine::model::{DeviceId, Event};
use ot_protocol::Timestamp;
use rusqlite::Row;
use rusqlite::types::Value;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// At or after.
    pub since: Option<Timestamp>,
    /// At or before.
    pub until: Option<Timestamp>,
    /// One of these kinds.
    pub kinds: Vec<String>,
    /// One of these devices takes part.
    pub devices: Vec<DeviceId>,
    /// Protocol.
    pub protocols: Vec<String>,
    /// Occurs in the text.
    pub text: Option<String>,
    /// Newest first; with a limit, the newest ones.
    pub newest_first: bool,
    /// At most so many.
    pub limit: Option<u32>,
}

impl Reader {
    /// Events.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(since) = query.since {
            conditions.and("time >= ?").value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and("time <= ?").value(until.0);
        }
        if let Some(text) = &query.text {
            conditions.and("text LIKE ? ESCAPE '\\'").value(like(text));
        }
        // One walk in order of time for each device and side, for each kind, or for each protocol: none reads more than
        // the page holds, unless another condition skips its rows.
        let mut walks: Vec<(&str, Value)> = Vec::new();
        if !query.devices.is_empty() && query.devices.len() <= PART {
            for id in &query.devices {
                walks.extend([("source", Value::from(id.0)), ("destination", Value::from(id.0))]);
            }
            conditions.one_of("kind", query.kinds.iter().cloned());
            conditions.one_of("protocol", query.protocols.iter().cloned());
        } else {
            if !query.devices.is_empty() {
                let list = marks(query.devices.len());
                conditions.and(&format!("(source IN ({list}) OR destination IN ({list}))"));
                for _ in 0..2 {
                    conditions.values.extend(query.devices.iter().map(|id| Value::from(id.0)));
                }
            }
            if query.kinds.is_empty() {
                walks.extend(query.protocols.iter().map(|protocol| ("protocol", Value::from(protocol.clone()))));
            } else {
                walks.extend(query.kinds.iter().map(|kind| ("kind", Value::from(kind.clone()))));
                conditions.one_of("protocol", query.protocols.iter().cloned());
            }
        }
        if walks.is_empty() {
            return self.walk_events("event_time", query, &conditions);
        }
        let mut found = Vec::new();
        for (column, value) in walks {
            let mut walk = Conditions::default();
            walk.and(&format!("{column} = ?")).value(value);
            let walk = walk.and_all(&conditions);
            found.extend(self.walk_events(&format!("event_{column}"), query, &walk)?);
        }
        found.sort_by_key(|event| (event.time, event.number));
        found.dedup_by_key(|event| event.number);
        if query.newest_first {
            found.reverse();
        }
        found.truncate(query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
        Ok(found)
    }

    fn walk_events(&self, index: &str, query: &EventQuery, conditions: &Conditions) -> Result<Vec<Event>, StoreError> {
        let order = if query.newest_first { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT {EVENT} FROM event INDEXED BY {index}{} ORDER BY time {order}, number {order}{}",
            conditions.sql,
            limit_sql(query.limit)
        );
        self.rows(&sql, conditions, event)
    }

    /// Events with higher numbers than this one, in order of number, at most so many.
    pub fn events_after(&self, number: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.and("number > ?").value(crate::value::integer(number));
        let sql = format!("SELECT {EVENT} FROM event{} ORDER BY number LIMIT {limit}", conditions.sql);
        self.rows(&sql, &conditions, event)
    }
}

const EVENT: &str = "number, time, kind, source, destination, protocol, text, file, frame, alert";

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        number: count(row, 0)?,
        time: Timestamp(row.get(1)?),
        kind: parsed(row, 2, |text| Some(intern(text)))?,
        source: device(row, 3)?,
        destination: device(row, 4)?,
        protocol: parsed_option(row, 5, |text| Some(intern(text)))?,
        text: row.get(6)?,
        frame: frame(row, 7)?,
        alert: row.get(9)?,
    })
}
