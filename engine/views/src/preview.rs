//! What learning would have hidden: past alerts and violations, told before anything is changed.
//!
//! The engine is loaded from the store and does in memory what is asked for; then each violation in the store is held
//! against it by the same question that the engine asks before it tells of one.

use crate::{SCHEMA, ViewError};
use ot_engine::catalogue::{self, AlertType};
use ot_engine::config::{EngineConfig, Learning};
use ot_engine::model::EntryId;
use ot_engine::{Command, Engine};
use ot_store::read::Reader;
use ot_store::{NewCommand, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A past alert of which something would have been hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HiddenAlert {
    /// Version of these keys.
    pub schema: u32,
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Its severity.
    pub severity: String,
    /// Packet time.
    pub first_detection: String,
    /// Packet time.
    pub last_detection: String,
    /// Violations of it in all.
    pub violations: u64,
    /// Of these hidden; `at_least` where not all of them were kept as rows.
    pub hidden: u64,
    /// Whether it may be more.
    pub at_least: bool,
    /// Whether the alert would not have been raised at all.
    pub whole: bool,
}

/// What learning would have hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Alerts, in the order of their numbers.
    pub hidden: Vec<HiddenAlert>,
    /// What would be refused: id of the alert, and why.
    pub refused: Vec<(String, String)>,
}

/// What is known of an alert while its violations are gone through.
struct Tally {
    kind: &'static AlertType,
    rows: u32,
    kept: u32,
    count: u64,
    /// Those not hidden before: how often they came, and what they depart from.
    open: Vec<(u64, Vec<EntryId>)>,
}

/// What these commands would have hidden. Changes nothing.
///
/// # Errors
/// As the store's.
pub fn preview(reader: &Reader, config: &EngineConfig, asked: &[NewCommand]) -> Result<Preview, ViewError> {
    let mut store = Store::open_existing(reader.path())?;
    let mut config = config.clone();
    config.learning = Learning::AsStored;
    let mut engine = Engine::new(config, store.snapshot()?);

    let learnable: Vec<&str> = catalogue::all().iter().filter(|kind| kind.learnable).map(|kind| kind.id).collect();
    let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
    reader.departures(&learnable, |row| {
        let Some(kind) = catalogue::by_id(&row.kind) else { return };
        let tally = tallies.entry(row.alert).or_insert_with(|| Tally {
            kind,
            rows: row.violation_count,
            kept: 0,
            count: row.alert_count,
            open: Vec::new(),
        });
        tally.kept += 1;
        if !engine.hides(kind, &row.entries) {
            tally.open.push((row.count, row.entries));
        }
    })?;

    let mut refused = Vec::new();
    let mut learned = Vec::new();
    for (id, new) in (u64::MAX / 2..).zip(asked) {
        let NewCommand { alert, action, who, why, wall_time } = new.clone();
        if let Some(id) = &alert
            && !engine.knows(id)
            && let Some(alert) = store.alert(id)?
        {
            engine.recall(alert);
        }
        let shown = alert.clone().unwrap_or_default();
        match engine.command(&Command { id, act: u64::MAX / 2, alert, action, who, why, wall_time }) {
            Ok(_) => learned.push(shown),
            Err(reason) => refused.push((shown, reason)),
        }
    }

    let mut hidden = Vec::new();
    for (number, tally) in tallies {
        let mut now = 0_u64;
        let mut all = true;
        for (count, entries) in &tally.open {
            if engine.hides(tally.kind, entries) {
                now += count;
            } else {
                all = false;
            }
        }
        let Some(alert) = reader.alert(number)? else { continue };
        // What a learned alert without entries tells is silent by its key.
        let by_key = alert.entries.is_empty() && learned.contains(&alert.id);
        let beyond = tally.rows > tally.kept;
        let whole = by_key || (all && now > 0 && (!beyond || engine.hides(tally.kind, &alert.entries)));
        if whole && (by_key || beyond) {
            now = tally.count;
        }
        if now == 0 {
            continue;
        }
        hidden.push(HiddenAlert {
            schema: SCHEMA,
            id: alert.id,
            kind: alert.kind,
            title: tally.kind.title.to_owned(),
            severity: alert.severity.as_str().to_owned(),
            first_detection: alert.first_detection.to_string(),
            last_detection: alert.last_detection.to_string(),
            violations: tally.count,
            hidden: now,
            at_least: beyond && !whole,
            whole,
        });
    }
    Ok(Preview { hidden, refused })
}
