//! Process memory.

use super::{Conditions, Reader, page_sql};
use crate::StoreError;
use crate::value::{ids, intern, parsed};
use ot_engine::model::{DeviceId, Point};
use ot_protocol::Timestamp;

/// Which points. All that is asked for must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointQuery {
    /// Of these devices; empty: of all.
    pub devices: Vec<DeviceId>,
    /// In one of these address spaces; empty: in any.
    pub spaces: Vec<String>,
    /// Only points that somebody wrote.
    pub written: bool,
    /// Only points that more than one value was seen of.
    pub changed: bool,
    /// At most so many.
    pub limit: Option<u32>,
    /// So many of the first ones are left out.
    pub skip: u32,
}

impl Reader {
    /// Process memory of devices; all of them where the list is empty.
    pub fn points(&self, query: &PointQuery) -> Result<Vec<Point>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("device", query.devices.iter().map(|id| id.0));
        conditions.one_of("space", query.spaces.iter().cloned());
        if query.written {
            conditions.and("writers <> ''");
        }
        if query.changed {
            conditions.and("min_value < max_value");
        }
        let sql = format!(
            "SELECT device, protocol, space, number, address, first_seen, last_seen, min_value, max_value, readers,
                 writers, poll_interval
             FROM point{} ORDER BY device, protocol, space, number, address{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        self.rows(&sql, &conditions, |row| {
            Ok(Point {
                device: DeviceId(row.get(0)?),
                protocol: parsed(row, 1, |text| Some(intern(text)))?,
                space: parsed(row, 2, |text| Some(intern(text)))?,
                number: u32::try_from(row.get::<_, i64>(3)?).ok(),
                address: row.get(4)?,
                first_seen: Timestamp(row.get(5)?),
                last_seen: Timestamp(row.get(6)?),
                min: row.get(7)?,
                max: row.get(8)?,
                readers: parsed(row, 9, ids)?,
                writers: parsed(row, 10, ids)?,
                poll_interval: row.get(11)?,
            })
        })
    }
}
