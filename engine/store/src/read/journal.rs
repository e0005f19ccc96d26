//! The journal of work on controllers.

use super::{Conditions, Reader, limit_sql};
use crate::StoreError;
use crate::load::{JOURNAL, work};
use ot_engine::model::{DeviceId, Work};
use ot_protocol::Timestamp;

/// Which work on controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalQuery {
    /// On one of these devices; empty: on any.
    pub devices: Vec<DeviceId>,
    /// By one of these devices; empty: by any.
    pub actors: Vec<DeviceId>,
    /// One of these operations; empty: any.
    pub operations: Vec<String>,
    /// Last time at or after.
    pub since: Option<Timestamp>,
    /// First time at or before.
    pub until: Option<Timestamp>,
    /// The newest rows, at most so many.
    pub limit: Option<u32>,
}

impl Reader {
    /// The journal of work on controllers, in order of the first time.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<Work>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("device", query.devices.iter().map(|id| id.0));
        conditions.one_of("actor", query.actors.iter().map(|id| id.0));
        conditions.one_of("operation", query.operations.iter().cloned());
        if let Some(since) = query.since {
            conditions.and("last_seen >= ?").value(since.0);
        }
        if let Some(until) = query.until {
            conditions.and("first_seen <= ?").value(until.0);
        }
        let sql = format!(
            "SELECT {JOURNAL} FROM journal{} ORDER BY last_seen DESC, number DESC{}",
            conditions.sql,
            limit_sql(query.limit)
        );
        let mut found = self.rows(&sql, &conditions, work)?;
        found.sort_by_key(|work| (work.first_seen, work.number));
        Ok(found)
    }
}
