//! The baseline: entries, acts, and how learning goes on.

use super::runs::StateRow;
use super::{Conditions, PART, Reader, marks, page_sql};
use crate::StoreError;
use crate::load::entry;
use crate::value::{count, parsed};
use ot_engine::learning::DeviceLearning;
use ot_engine::model::{BaselineEntry, DeviceId, EntryId, EntryKind, Grant};
use ot_protocol::Timestamp;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// How learning goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearningRow {
    /// The small state.
    pub state: StateRow,
    /// Packet time at which learning began.
    pub since: Option<Timestamp>,
    /// Entries that traffic taught, by kind.
    pub kinds: Vec<(EntryKind, u64)>,
    /// Of these the new ones of each hour, of the last 24 hours of packet time; hours without are left out.
    pub hours: Vec<(Timestamp, u64)>,
    /// Devices that have a learning time of their own.
    pub devices: Vec<(DeviceId, DeviceLearning)>,
}

/// A violation with the baseline entries that it departs from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartureRow {
    /// Number of the alert.
    pub alert: u32,
    /// Its type.
    pub kind: String,
    /// Violations of the alert in all.
    pub alert_count: u64,
    /// How many rows of violations the alert had, whether kept or not.
    pub violation_count: u32,
    /// How often this violation came.
    pub count: u64,
    /// The entries.
    pub entries: Vec<EntryId>,
}

/// An act that allows something, takes it back or sets its end.
#[derive(Clone, Debug, PartialEq)]
pub struct ActRow {
    /// Its number.
    pub act: u64,
    /// Wall time, who, why, the action and its scope, as its first command says.
    pub asked: Option<(Timestamp, String, String, String, Option<String>)>,
    /// What its first command did, in words.
    pub answer: Option<String>,
    /// Alerts that it learned, by id.
    pub alerts: Vec<String>,
    /// What it allows.
    pub grants: Vec<Grant>,
}

/// Which baseline entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryQuery {
    /// These numbers; empty: all.
    pub entries: Vec<EntryId>,
    /// One of these kinds.
    pub kinds: Vec<EntryKind>,
    /// One of these devices is client or server.
    pub devices: Vec<DeviceId>,
    /// Protocol.
    pub protocols: Vec<String>,
    /// One of these address spaces; of operations the class, of contacts with the internet what became of them.
    pub spaces: Vec<String>,
    /// Whether it is allowed.
    pub allowed: Option<bool>,
    /// At most so many.
    pub limit: Option<u32>,
    /// So many of the first ones are left out.
    pub skip: u32,
}

impl Reader {
    /// Violations of alerts of these types with the baseline entries that they depart from, by alert and place.
    pub fn departures(&self, kinds: &[&str], mut each: impl FnMut(DepartureRow)) -> Result<(), StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("a.type", kinds.iter().map(|&kind| kind.to_owned()));
        let sql = format!(
            "SELECT a.number, a.type, a.count, a.violation_count, v.count, v.entries
             FROM alert a JOIN violation v ON v.alert = a.number{} ORDER BY a.number, v.number",
            conditions.sql
        );
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(rusqlite::params_from_iter(conditions.parameters()))?;
            while let Some(row) = rows.next()? {
                each(DepartureRow {
                    alert: row.get(0)?,
                    kind: row.get(1)?,
                    alert_count: count(row, 2)?,
                    violation_count: row.get(3)?,
                    count: count(row, 4)?,
                    entries: parsed(row, 5, crate::value::entries)?,
                });
            }
            Ok(())
        };
        read().map_err(|error| self.fail(error))
    }

    /// What people and imports did to the baseline, by act, the newest first.
    pub fn acts(&self) -> Result<Vec<ActRow>, StoreError> {
        let mut by_act = self.granted("")?;
        // What was learned without an entry stands as well.
        for act in self.rows(
            "SELECT DISTINCT learned_act FROM alert WHERE learned AND learned_act > 0 ORDER BY learned_act",
            &Conditions::default(),
            |row| count(row, 0),
        )? {
            by_act.entry(act).or_default();
        }
        self.told(by_act)
    }

    /// What people and imports did to one entry, the newest first; of each act only what it did to this entry.
    pub fn acts_on(&self, entry: EntryId) -> Result<Vec<ActRow>, StoreError> {
        self.told(self.granted(&format!("WHERE entry = {}", entry.0))?)
    }

    fn granted(&self, condition: &str) -> Result<BTreeMap<u64, Vec<Grant>>, StoreError> {
        let grants = crate::load::grants(&self.connection, "", condition).map_err(|error| self.fail(error))?;
        let mut by_act: BTreeMap<u64, Vec<Grant>> = BTreeMap::new();
        for grant in grants {
            by_act.entry(grant.act).or_default().push(grant);
        }
        Ok(by_act)
    }

    /// Acts with who asked for them, and why.
    fn told(&self, by_act: BTreeMap<u64, Vec<Grant>>) -> Result<Vec<ActRow>, StoreError> {
        let mut acts: Vec<ActRow> = Vec::new();
        for (act, grants) in by_act.into_iter().rev() {
            let mut conditions = Conditions::default();
            conditions.value(crate::value::integer(act));
            let (asked, answer) = self
                .rows(
                    "SELECT wall_time, who, why, action, scope, answer FROM command WHERE id = ?",
                    &conditions,
                    |row| {
                        let asked = (Timestamp(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                        Ok((Some(asked), row.get(5)?))
                    },
                )?
                .pop()
                .unwrap_or_default();
            let alerts = self.rows(
                "SELECT id FROM alert WHERE learned AND learned_act = ? ORDER BY number",
                &conditions,
                |row| row.get(0),
            )?;
            acts.push(ActRow { act, asked, answer, alerts, grants });
        }
        Ok(acts)
    }

    /// How learning goes on.
    pub fn learning(&self) -> Result<LearningRow, StoreError> {
        const HOUR: i64 = 3_600_000_000_000;
        let state = self.state()?;
        let none = Conditions::default();
        let kinds = self.rows(
            "SELECT kind, COUNT(*) FROM baseline WHERE allowed AND learned_count > 0 GROUP BY kind ORDER BY kind",
            &none,
            |row| Ok((parsed(row, 0, EntryKind::parse)?, count(row, 1)?)),
        )?;
        let mut conditions = Conditions::default();
        conditions.value(state.now.map_or(0, |now| now.0.saturating_sub(24 * HOUR)));
        let hours = self.rows(
            "SELECT allowed_at / 3600000000000, COUNT(*) FROM baseline
             WHERE allowed AND learned_count > 0 AND allowed_at > ? GROUP BY 1 ORDER BY 1",
            &conditions,
            |row| Ok((Timestamp(row.get::<_, i64>(0)?.saturating_mul(HOUR)), count(row, 1)?)),
        )?;
        let since = self
            .rows("SELECT value FROM state WHERE key = 'learning_since'", &none, |row| Ok(Timestamp(row.get(0)?)))?
            .pop();
        let devices = crate::load::device_learning(&self.connection, "").map_err(|error| self.fail(error))?;
        Ok(LearningRow { state, since, kinds, hours, devices })
    }

    /// Baseline entries that traffic taught after a packet time.
    pub fn learned_since(&self, from: Timestamp) -> Result<u64, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(from.0);
        let sql = "SELECT COUNT(*) FROM baseline WHERE learned_count > 0 AND allowed_at > ?";
        Ok(self.rows(sql, &conditions, |row| count(row, 0))?.into_iter().sum())
    }

    /// Baseline entries, by number.
    pub fn entries(&self, query: &EntryQuery) -> Result<Vec<BaselineEntry>, StoreError> {
        if query.entries.len() > PART {
            let mut found = Vec::new();
            for part in query.entries.chunks(PART) {
                found.extend(self.entries(&EntryQuery { entries: part.to_vec(), ..query.clone() })?);
            }
            found.sort_by_key(|entry| entry.id);
            return Ok(found);
        }
        let mut conditions = Conditions::default();
        conditions.one_of("id", query.entries.iter().map(|id| id.0));
        conditions.one_of("kind", query.kinds.iter().map(|kind| kind.as_str().to_owned()));
        conditions.one_of("protocol", query.protocols.iter().cloned());
        conditions.one_of("space", query.spaces.iter().cloned());
        if !query.devices.is_empty() {
            let list = marks(query.devices.len());
            conditions.and(&format!("(client IN ({list}) OR server IN ({list}))"));
            for _ in 0..2 {
                conditions.values.extend(query.devices.iter().map(|id| Value::from(id.0)));
            }
        }
        if let Some(allowed) = query.allowed {
            conditions.and("allowed = ?").value(allowed);
        }
        let sql = format!(
            "SELECT id, kind, client, server, protocol, port, function, subfunction, space, number, start_address,
                 end_address, text, allowed, origin, origin_by, count, learned_count, first_seen, last_seen, file, frame,
                 allowed_at, expires, min_value, max_value, interval_count, interval_sum, interval_min, interval_max,
                 label, scope, network
             FROM baseline{} ORDER BY id{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        self.rows(&sql, &conditions, entry)
    }
}
