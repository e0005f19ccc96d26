//! The baseline: entries, acts, and how learning goes on.

use super::runs::StateRow;
use super::{Conditions, PART, Reader, limit_sql, marks, page_sql};
use crate::StoreError;
use crate::load::{BASELINE, entry};
use crate::value::{count, integer, parsed};
use ot_engine::learning::DeviceLearning;
use ot_engine::model::{BaselineEntry, DeviceId, EntryId, EntryKind, Grant};
use ot_protocol::Timestamp;
use rusqlite::types::Value;

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
    /// What people and imports did to the baseline, by act, the newest first; at most so many acts.
    pub fn acts(&self, limit: Option<u32>) -> Result<Vec<ActRow>, StoreError> {
        // What was learned without an entry stands as well.
        let sql = format!(
            "SELECT act FROM baseline_grant UNION SELECT learned_act FROM alert WHERE learned AND learned_act > 0
             ORDER BY 1 DESC{}",
            limit_sql(limit)
        );
        let acts = self.rows(&sql, &Conditions::default(), |row| count(row, 0))?;
        self.told(&acts)
    }

    /// One act; `None` where nothing of it stands.
    pub fn act(&self, act: u64) -> Result<Option<ActRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(integer(act)).value(integer(act));
        let stands = self.rows(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM baseline_grant WHERE act = ?)
                 OR EXISTS (SELECT 1 FROM alert WHERE learned AND learned_act = ?)",
            &conditions,
            |_| Ok(()),
        )?;
        if stands.is_empty() { Ok(None) } else { Ok(self.told(&[act])?.pop()) }
    }

    /// What people and imports did to one entry, the newest first; of each act only what it did to this entry.
    pub fn acts_on(&self, entry: EntryId) -> Result<Vec<ActRow>, StoreError> {
        let grants = self.grants("WHERE entry = ?1", i64::from(entry.0))?;
        let mut acts: Vec<u64> = grants.iter().map(|grant| grant.act).collect();
        acts.sort_unstable_by_key(|&act| std::cmp::Reverse(act));
        acts.dedup();
        let mut told = self.told(&acts)?;
        for row in &mut told {
            row.grants.retain(|grant| grant.entry == entry);
        }
        Ok(told)
    }

    fn grants(&self, condition: &str, value: i64) -> Result<Vec<Grant>, StoreError> {
        crate::load::grants(&self.connection, "", condition, &[&value]).map_err(|error| self.fail(error))
    }

    /// Acts with who asked for them, and why, in the order given.
    fn told(&self, acts: &[u64]) -> Result<Vec<ActRow>, StoreError> {
        let mut told = Vec::with_capacity(acts.len());
        for &act in acts {
            let mut conditions = Conditions::default();
            conditions.value(integer(act));
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
            let grants = self.grants("WHERE act = ?1", integer(act))?;
            told.push(ActRow { act, asked, answer, alerts, grants });
        }
        Ok(told)
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

    /// How many devices have a learning time of their own.
    pub fn devices_learning(&self) -> Result<u64, StoreError> {
        let devices = crate::load::device_learning(&self.connection, "").map_err(|error| self.fail(error))?;
        Ok(u64::try_from(devices.len()).unwrap_or(u64::MAX))
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
            "SELECT {BASELINE} FROM baseline{} ORDER BY id{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        self.rows(&sql, &conditions, entry)
    }
}
