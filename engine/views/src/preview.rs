//! What learning would have hidden: past alerts and violations, told before anything is changed.
//!
//! An engine is loaded from the store and does in memory what is asked for; then violations in the store are held against it
//! by the same question that the engine asks before it tells of one. Where only alerts are learned or entries allowed, it is
//! loaded with no more than these reach, and only the violations that they may hide are looked at.

use crate::{SCHEMA, ViewError};
use ot_engine::catalogue::{self, AlertType};
use ot_engine::config::{EngineConfig, Learning};
use ot_engine::model::{Alert, EntryId, EntryKey, Scope};
use ot_engine::{Action, Command, Engine, Snapshot};
use ot_store::read::{DepartureRow, EntryQuery, Reach, Reader};
use ot_store::{NewCommand, Store};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether older alerts name the same baseline entries and were not looked at.
    pub left_out: bool,
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

/// Violations, and an engine that can judge them.
struct Judged {
    engine: Engine,
    tallies: BTreeMap<u32, Tally>,
}

/// What these commands would have hidden. Changes nothing. Looks at the newest `most` alerts that name what the commands reach;
/// `None`: at all.
///
/// # Errors
/// As the store's.
pub fn preview(
    reader: &Reader,
    config: &EngineConfig,
    asked: &[NewCommand],
    most: Option<usize>,
) -> Result<Preview, ViewError> {
    let alerts = alerts_of(reader, asked)?;
    match reaches(reader, asked, &alerts)? {
        Some(reaches) => {
            let (judged, left_out) = within(reader, config, &reaches, &alerts, most)?;
            Ok(Preview { left_out, ..carry_out(reader, judged, asked, &alerts)? })
        }
        None => of_all(reader, config, asked, &alerts),
    }
}

/// The same, with the whole of the state and by going through all violations.
///
/// # Errors
/// As the store's.
pub fn preview_of_all(reader: &Reader, config: &EngineConfig, asked: &[NewCommand]) -> Result<Preview, ViewError> {
    of_all(reader, config, asked, &alerts_of(reader, asked)?)
}

/// Alerts that are asked for, by id.
type Alerts = BTreeMap<String, Alert>;

fn alerts_of(reader: &Reader, asked: &[NewCommand]) -> Result<Alerts, ViewError> {
    let mut alerts = Alerts::new();
    for id in asked.iter().filter_map(|command| command.alert.as_ref()) {
        if !alerts.contains_key(id) {
            alerts.extend(reader.remembered(id)?.map(|alert| (id.clone(), alert)));
        }
    }
    Ok(alerts)
}

fn of_all(reader: &Reader, config: &EngineConfig, asked: &[NewCommand], alerts: &Alerts) -> Result<Preview, ViewError> {
    let snapshot = Store::open_existing(reader.path())?.snapshot()?;
    let mut judged = Judged::new(config, snapshot);
    reader.departures(None, |row| judged.take(row))?;
    carry_out(reader, judged, asked, alerts)
}

/// What these commands may allow; `None` where that cannot be told beforehand.
fn reaches(reader: &Reader, asked: &[NewCommand], alerts: &Alerts) -> Result<Option<BTreeSet<Reach>>, ViewError> {
    let mut reaches = BTreeSet::new();
    for command in asked {
        match (&command.action, &command.alert) {
            (Action::Learn(learn), Some(id)) => {
                let entries = alerts.get(id).map(|alert| alert.entries.clone()).unwrap_or_default();
                if !entries.is_empty() {
                    let found = reader.entries(&EntryQuery { entries, ..EntryQuery::default() })?;
                    reaches.extend(found.iter().map(|entry| reach(&entry.key, learn.scope)));
                }
            }
            (Action::BaselineAllow(imported), _) => {
                reaches.insert(reach(&imported.key, imported.key.scope));
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(reaches))
}

/// The entries that may become allowed where one of this key is allowed, as wide as a scope says.
fn reach(key: &EntryKey, scope: Scope) -> Reach {
    let exact = Reach::around(key.kind, key.client, key.server);
    match scope {
        Scope::Exact | Scope::Pair => exact,
        Scope::Server => Reach { client: None, ..exact },
        Scope::Client => Reach { server: None, ..exact },
        Scope::Subnet if key.client.is_some() => Reach { client: None, ..exact },
        // A key of a network holds one of the sides, or none.
        Scope::Subnet if key.scope == Scope::Subnet => Reach { client: None, server: key.server.map(Some), ..exact },
        Scope::Subnet => Reach { server: None, ..exact },
    }
}

/// The violations of the alerts that name an entry within reach, and of those that are asked for.
fn within(
    reader: &Reader,
    config: &EngineConfig,
    reaches: &BTreeSet<Reach>,
    asked: &Alerts,
    most: Option<usize>,
) -> Result<(Judged, bool), ViewError> {
    let mut entries = reader.entries_within(reaches)?;
    let (mut alerts, left_out) = reader.alerts_naming(&entries, most)?;
    alerts.extend(asked.values().map(|alert| alert.number));
    let alerts: Vec<u32> = alerts.into_iter().collect();
    let mut rows = Vec::new();
    reader.departures(Some(&alerts), |row| rows.push(row))?;
    entries.extend(reader.entries_named(&alerts)?);
    entries.extend(rows.iter().flat_map(|row| &row.entries).copied());
    entries.sort_unstable();
    entries.dedup();
    let mut judged = Judged::new(config, reader.snapshot_around(&entries)?);
    rows.into_iter().for_each(|row| judged.take(row));
    Ok((judged, left_out))
}

impl Judged {
    fn new(config: &EngineConfig, snapshot: Snapshot) -> Self {
        let config = EngineConfig { learning: Learning::AsStored, ..config.clone() };
        Self { engine: Engine::new(config, snapshot), tallies: BTreeMap::new() }
    }

    fn take(&mut self, row: DepartureRow) {
        let Some(kind) = catalogue::by_id(&row.kind).filter(|kind| kind.learnable) else { return };
        let tally = self.tallies.entry(row.alert).or_insert_with(|| Tally {
            kind,
            rows: row.violation_count,
            kept: 0,
            count: row.alert_count,
            open: Vec::new(),
        });
        tally.kept += 1;
        if !self.engine.hides(kind, &row.entries) {
            tally.open.push((row.count, row.entries));
        }
    }
}

/// Does what is asked for, and tells what is hidden with it and was not before.
fn carry_out(reader: &Reader, judged: Judged, asked: &[NewCommand], alerts: &Alerts) -> Result<Preview, ViewError> {
    let Judged { mut engine, tallies } = judged;
    let mut refused = Vec::new();
    let mut learned = Vec::new();
    for (id, new) in (u64::MAX / 2..).zip(asked) {
        let NewCommand { alert, action, who, why, wall_time } = new.clone();
        if let Some(id) = &alert
            && !engine.knows(id)
            && let Some(alert) = alerts.get(id)
        {
            engine.recall(alert.clone());
        }
        let shown = alert.clone().unwrap_or_default();
        match engine.command(&Command { id, act: u64::MAX / 2, alert, action, who, why, wall_time }) {
            Ok(_) => learned.push(shown),
            Err(reason) => refused.push((shown, reason)),
        }
    }

    let asked_for: BTreeSet<u32> = alerts.values().map(|alert| alert.number).collect();
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
        // No violation of it is hidden, and it is not asked for itself.
        if now == 0 && !asked_for.contains(&number) {
            continue;
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
    Ok(Preview { hidden, refused, left_out: false })
}
