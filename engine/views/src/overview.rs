//! What needs attention: open alerts, what came in the last day, what is new, what was done to controllers.

use crate::alert::{AlertFilter, AlertLine, alerts};
use crate::journal::{WorkLine, journal};
use crate::names::Names;
use crate::{SCHEMA, ViewError, time};
use ot_engine::catalogue::{self, Severity};
use ot_engine::model::Status;
use ot_protocol::Nanos;
use ot_protocol::time::SECOND;
use ot_store::read::{AlertSort, JournalQuery, Reader};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const HOUR: Nanos = 3_600 * SECOND;
/// Hours of the chart, up to the newest packet.
const HOURS: u32 = 24;
/// Alerts told of each kind of list.
const TOLD: u32 = 8;
/// Sensors told.
const SENSORS: usize = 20;

/// What needs attention.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Overview {
    /// Version of these keys.
    pub schema: u32,
    /// Newest packet time; null before the first packet.
    pub newest_packet: Option<String>,
    /// `learning` or `operational`.
    pub mode: &'static str,
    /// Packet time at which learning ends.
    pub learning_until: Option<String>,
    /// Alerts that are not closed.
    pub open: u64,
    /// Of these, nobody has looked at.
    pub new: u64,
    /// Open ones by severity, most severe first; all four.
    pub by_severity: Vec<SeverityCount>,
    /// Open ones by engine, most first.
    pub by_engine: Vec<NamedCount>,
    /// Types with the most open alerts, most first; eight at most.
    pub by_type: Vec<NamedCount>,
    /// Open ones by sensor and site, most first; also those of which none is open; 20 at most.
    pub by_sensor: Vec<SensorCount>,
    /// Sensors that are not told.
    pub more_sensors: u64,
    /// The last 24 hours up to the newest packet: alerts first detected in each, oldest hour first.
    pub hours: Vec<HourView>,
    /// The most severe open alerts, newest first within a severity; eight at most.
    pub most_severe: Vec<AlertLine>,
    /// The open alerts that came last; eight at most.
    pub newest: Vec<AlertLine>,
    /// The last work on controllers; eight at most.
    pub work: Vec<WorkLine>,
    /// Devices in the inventory.
    pub devices: u64,
    /// Commands of people that wait for the engine.
    pub commands_pending: u64,
}

/// How many of a severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeverityCount {
    /// `critical`, `major`, `minor` or `warning`.
    pub severity: &'static str,
    /// How many are open.
    pub open: u64,
    /// Of these, nobody has looked at.
    pub new: u64,
}

/// Open alerts of a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SensorCount {
    /// Id of the sensor whose runs opened them.
    pub sensor: String,
    /// Its site; null where none is configured.
    pub site: Option<String>,
    /// How many are open.
    pub open: u64,
    /// Of these, nobody has looked at.
    pub new: u64,
    /// Open ones of severity critical.
    pub critical: u64,
    /// Open ones of severity major.
    pub major: u64,
}

/// How many of something that has an id and a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NamedCount {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// Alerts of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HourView {
    /// Begin of the hour, packet time.
    pub hour: String,
    /// First detected in it.
    pub critical: u64,
    /// First detected in it.
    pub major: u64,
    /// First detected in it.
    pub minor: u64,
    /// First detected in it.
    pub warning: u64,
}

impl HourView {
    /// All of the hour.
    pub fn total(&self) -> u64 {
        self.critical + self.major + self.minor + self.warning
    }
}

/// What needs attention.
///
/// # Errors
/// As the store's.
pub fn overview(names: &Names<'_>) -> Result<Overview, ViewError> {
    let reader = names.reader();
    let state = reader.state()?;
    let mut severities: BTreeMap<Severity, (u64, u64)> = BTreeMap::new();
    let mut engines: BTreeMap<String, u64> = BTreeMap::new();
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for group in reader.alert_groups()?.into_iter().filter(|group| group.status != Status::Closed) {
        let entry = severities.entry(group.severity).or_default();
        entry.0 += group.count;
        if group.status == Status::New {
            entry.1 += group.count;
        }
        *engines.entry(group.engine).or_default() += group.count;
        *types.entry(group.kind).or_default() += group.count;
    }
    let title = |id: &str| catalogue::by_id(id).map_or_else(|| id.to_owned(), |kind| kind.title.to_owned());
    let list = |sort: AlertSort| {
        let mut filter = AlertFilter::default();
        filter.query.statuses = vec![Status::New, Status::Active];
        filter.query.sort = sort;
        filter.query.limit = Some(TOLD);
        alerts(names, &filter)
    };
    let by_severity = |severity: Severity| severities.get(&severity).copied().unwrap_or_default();
    let mut found = Overview {
        schema: SCHEMA,
        newest_packet: state.now.map(time),
        mode: if state.learning { "learning" } else { "operational" },
        learning_until: state.learning_until.filter(|_| state.learning).map(time),
        open: severities.values().map(|(open, _)| open).sum(),
        new: severities.values().map(|(_, new)| new).sum(),
        by_severity: Severity::ALL
            .into_iter()
            .rev()
            .map(|severity| SeverityCount {
                severity: severity.as_str(),
                open: by_severity(severity).0,
                new: by_severity(severity).1,
            })
            .collect(),
        by_engine: most(engines, |id| id.replace('-', " ")),
        by_type: most(types, title),
        by_sensor: Vec::new(),
        more_sensors: 0,
        hours: Vec::new(),
        most_severe: list(AlertSort::Severity)?,
        newest: list(AlertSort::LastDetection)?,
        work: journal(names, &JournalQuery { limit: Some(TOLD), ..JournalQuery::default() })?,
        devices: reader.device_count()?,
        commands_pending: reader.commands_pending()?,
    };
    found.work.reverse();
    found.by_sensor = by_sensor(reader)?;
    let told = found.by_sensor.len().min(SENSORS);
    found.more_sensors = u64::try_from(found.by_sensor.len() - told).unwrap_or(u64::MAX);
    found.by_sensor.truncate(told);
    if let Some(now) = reader.newest()? {
        let end = ot_protocol::Timestamp(now.0.div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR));
        let from = end.plus(-HOUR * i64::from(HOURS));
        found.hours = (0..HOURS)
            .map(|hour| HourView {
                hour: time(from.plus(HOUR * i64::from(hour))),
                critical: 0,
                major: 0,
                minor: 0,
                warning: 0,
            })
            .collect();
        for (step, severity, count) in reader.alerts_over_time(from, end, HOUR)? {
            let Some(hour) = usize::try_from(step).ok().and_then(|step| found.hours.get_mut(step)) else { continue };
            match severity {
                Severity::Critical => hour.critical += count,
                Severity::Major => hour.major += count,
                Severity::Minor => hour.minor += count,
                Severity::Warning => hour.warning += count,
            }
        }
    }
    Ok(found)
}

/// Open alerts of each sensor that the store knows, most first.
fn by_sensor(reader: &Reader) -> Result<Vec<SensorCount>, ViewError> {
    let mut counts: BTreeMap<(String, String), SensorCount> = BTreeMap::new();
    for (sensor, site) in reader.sensors()? {
        let shown = (!site.is_empty()).then(|| site.clone());
        let none = SensorCount { sensor: sensor.clone(), site: shown, open: 0, new: 0, critical: 0, major: 0 };
        counts.insert((sensor, site), none);
    }
    for row in reader.alerts_by_sensor()? {
        let Some(known) = counts.get_mut(&(row.sensor, row.site)) else { continue };
        known.open += row.count;
        if row.status == Status::New {
            known.new += row.count;
        }
        match row.severity {
            Severity::Critical => known.critical += row.count,
            Severity::Major => known.major += row.count,
            Severity::Minor | Severity::Warning => {}
        }
    }
    let mut all: Vec<SensorCount> = counts.into_values().collect();
    all.sort_by_key(|known| std::cmp::Reverse(known.open));
    Ok(all)
}

fn most(counts: BTreeMap<String, u64>, name: impl Fn(&str) -> String) -> Vec<NamedCount> {
    let mut all: Vec<NamedCount> =
        counts.into_iter().map(|(id, count)| NamedCount { name: name(&id), id, count }).collect();
    all.sort_by_key(|named| std::cmp::Reverse(named.count));
    all.truncate(usize::try_from(TOLD).unwrap_or(usize::MAX));
    all
}
