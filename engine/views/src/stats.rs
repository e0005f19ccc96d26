//! Health: what was seen, decoded, skipped, lost, evicted; learning; runs and inputs.

use crate::outbox::{DestinationLine, destinations};
use crate::{SCHEMA, ViewError, time};
use ot_engine::config::Limits;
use ot_engine::maintenance::{MOST_SELECTORS, MOST_WINDOWS};
use ot_store::read::Reader;
use ot_store::{EvidenceState, wall_clock};
use serde::Serialize;
use utoipa::ToSchema;

fn evidence(reader: &Reader) -> Result<EvidenceTotals, ViewError> {
    let mut totals = EvidenceTotals::default();
    for total in reader.evidence_totals()? {
        match total.state {
            EvidenceState::Kept => (totals.kept, totals.kept_bytes) = (total.count, total.bytes),
            EvidenceState::Expired => totals.expired = total.count,
            EvidenceState::NotKept => totals.not_kept = total.count,
        }
    }
    Ok(totals)
}

/// The state of a store.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Stats {
    /// Version of these keys.
    pub schema: u32,
    /// Path of the store.
    pub store: String,
    /// Learning.
    pub learning: LearningView,
    /// Newest packet time.
    pub newest_packet: Option<String>,
    /// Rows.
    pub totals: TotalsView,
    /// Alerts by severity and status.
    pub alerts: Vec<AlertCount>,
    /// Packets of alerts.
    pub evidence: EvidenceTotals,
    /// How far other systems were told of alerts.
    pub forwarding: Vec<DestinationLine>,
    /// In a store that shows what many sensors told: how these are. Else empty.
    pub sensors: Vec<SensorLine>,
    /// Networks in which an OT protocol was confirmed.
    pub ot_networks: Vec<String>,
    /// Counters, in groups.
    pub counters: Vec<CounterView>,
    /// What the tables hold at most; what is over it counts in the group `evicted`.
    pub limits: Vec<LimitView>,
    /// Runs, oldest first.
    pub runs: Vec<RunView>,
}

/// How a sensor is, in a store that shows what many sensors told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SensorLine {
    /// Id of the sensor.
    pub sensor: String,
    /// Its site.
    pub site: Option<String>,
    /// `ok`; `degraded`: it says so; `behind`: changes have been waiting there for a minute; `silent`: nothing is heard from it.
    pub state: String,
    /// Why it is degraded, as it says.
    pub reasons: Vec<String>,
    /// Its version.
    pub version: Option<String>,
    /// Wall time at which something was heard from it last.
    pub last_heard: String,
    /// For how many seconds the oldest change that it could not tell has been waiting.
    pub lag_seconds: u64,
    /// Changes that wait there.
    pub waiting: u64,
    /// Changes that it lost before they were told.
    pub lost: u64,
    /// Messages of it that could not be taken.
    pub refused: u64,
    /// Wall time at which the centre said so.
    pub as_of: String,
}

/// How the sensors are whose centre a store shows, by id.
///
/// # Errors
/// As the store's.
pub fn sensor_lines(reader: &Reader) -> Result<Vec<SensorLine>, ViewError> {
    let Some(found) = reader.fleet_sensors()? else { return Ok(Vec::new()) };
    let as_of = time(found.written);
    let line = |sensor: ot_store::fleet::Sensor| SensorLine {
        sensor: sensor.id,
        site: Some(sensor.site).filter(|site| !site.is_empty()),
        state: sensor.health.state,
        reasons: sensor.health.reasons,
        version: sensor.health.version,
        last_heard: time(sensor.last_heard),
        lag_seconds: sensor.health.lag_seconds,
        waiting: sensor.health.waiting,
        lost: sensor.health.lost,
        refused: sensor.health.refused,
        as_of: as_of.clone(),
    };
    Ok(found.sensors.into_iter().map(line).collect())
}

/// What a table holds at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitView {
    /// Of what.
    pub id: String,
    /// At most so many.
    pub most: u64,
}

impl LimitView {
    /// A limit.
    pub fn new(id: &str, most: usize) -> Self {
        Self { id: id.to_owned(), most: u64::try_from(most).unwrap_or(u64::MAX) }
    }
}

/// The limits of the engine.
pub fn engine_limits() -> Vec<LimitView> {
    let Limits {
        devices,
        entries,
        observed,
        points,
        program_versions,
        program_bytes,
        journal,
        alerts,
        alerts_of_a_type,
        sessions,
        window_keys,
    } = Limits::default();
    vec![
        LimitView::new("devices", devices),
        LimitView::new("baseline-entries", entries),
        LimitView::new("baseline-entries-only-observed", observed),
        LimitView::new("points", points),
        LimitView::new("program-versions", program_versions),
        LimitView::new("program-bytes", program_bytes),
        LimitView::new("open-journal-rows", journal),
        LimitView::new("alerts-in-memory", alerts),
        LimitView::new("open-alerts-of-a-type", alerts_of_a_type),
        LimitView::new("engine-sessions", sessions),
        LimitView::new("keys-of-a-window", window_keys),
        LimitView::new("maintenance-windows", MOST_WINDOWS),
        LimitView::new("devices-of-a-maintenance-window", MOST_SELECTORS),
    ]
}

/// Learning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LearningView {
    /// `learning` or `operational`.
    pub mode: &'static str,
    /// Until when, in packet time.
    pub until: Option<String>,
    /// How much packet time is left, in seconds.
    pub seconds_left: Option<i64>,
    /// New baseline entries of the last hour of packet time.
    pub new_in_last_hour: u64,
    /// Devices that have a learning time of their own.
    pub devices: u64,
}

/// Rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TotalsView {
    /// Devices.
    pub devices: u64,
    /// Baseline entries that are allowed.
    pub baseline_allowed: u64,
    /// Baseline entries only observed.
    pub baseline_observed: u64,
    /// Points of process memory.
    pub points: u64,
    /// Alerts.
    pub alerts: u64,
    /// Events.
    pub events: u64,
    /// Commands that wait for the engine.
    pub commands_pending: u64,
}

/// Number of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertCount {
    /// Severity.
    pub severity: String,
    /// Status.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// Packets of alerts: files that are kept, and what is not. An alert counts once for each run that is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct EvidenceTotals {
    /// Files that are kept.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Files that made room for newer ones.
    pub expired: u64,
    /// Alerts whose packets were never kept; each says why.
    pub not_kept: u64,
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CounterView {
    /// `seen`, `decoded`, `skipped`, `lost`, `evicted` or `other`.
    pub group: &'static str,
    /// Its id.
    pub id: String,
    /// Its value over all runs.
    pub value: u64,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunView {
    /// Number.
    pub id: u32,
    /// `replay` or `live`.
    pub kind: String,
    /// `running`, `done` or `aborted`.
    pub state: String,
    /// Sensor id.
    pub sensor: String,
    /// Site.
    pub site: Option<String>,
    /// Wall time.
    pub started: String,
    /// Wall time.
    pub finished: Option<String>,
    /// Starts: more than 1 if it was resumed.
    pub attempts: u32,
    /// Packets.
    pub packets: u64,
    /// Input files.
    pub inputs: Vec<InputView>,
}

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InputView {
    /// Path.
    pub path: String,
    /// SHA-256, where it could be read twice.
    pub sha256: Option<String>,
    /// Bytes.
    pub bytes: u64,
    /// Packets, once read to the end.
    pub packets: Option<u64>,
}

/// Groups of counters, in the order shown, with the words of an id that put it there. The first group that fits wins.
const GROUPS: [(&str, &[&str]); 5] = [
    ("evicted", &["evicted", "refused", "full", "quarantined", "flood", "capped"]),
    ("lost", &["lost", "gap", "gaps", "dropped", "cut", "truncated", "missing", "silenced"]),
    (
        "skipped",
        &[
            "skipped",
            "duplicate",
            "duplicates",
            "unknown",
            "malformed",
            "bad",
            "ignored",
            "not",
            "unsupported",
            "jump",
            "jumps",
            "backwards",
            "resync",
            "errors",
            "retransmitted",
            "window",
            "after",
            "unusable",
            "without",
        ],
    ),
    (
        "decoded",
        &["decoded", "messages", "activities", "requests", "responses", "paired", "identified", "folded", "folds"],
    ),
    (
        "seen",
        &[
            "packets",
            "frames",
            "bytes",
            "flows",
            "segments",
            "fragments",
            "seen",
            "claims",
            "connections",
            "sessions",
            "arp",
            "ipv4",
            "ipv6",
            "tcp",
            "udp",
            "icmp",
            "ethernet",
            "traffic",
        ],
    ),
];

/// The order in which groups are shown.
pub const GROUP_ORDER: [&str; 6] = ["seen", "decoded", "skipped", "lost", "evicted", "other"];

fn group(id: &str) -> &'static str {
    // The reason why bytes were skipped may hold any word.
    if id.starts_with("skipped-") {
        return "skipped";
    }
    let has = |words: &[&str]| id.split(['-', '_', '.']).any(|word| words.contains(&word));
    GROUPS.iter().find(|(_, words)| has(words)).map_or("other", |(group, _)| group)
}

/// What of the state is counted row by row: it takes longer the more a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Rows.
    pub totals: TotalsView,
    /// Alerts by severity and status.
    pub alerts: Vec<AlertCount>,
    /// New baseline entries of the last hour of packet time.
    pub new_in_last_hour: u64,
}

/// Counts.
///
/// # Errors
/// As the store's.
pub fn sums(reader: &Reader) -> Result<Sums, ViewError> {
    let totals = reader.totals()?;
    Ok(Sums {
        totals: TotalsView {
            devices: totals.devices,
            baseline_allowed: totals.entries_allowed,
            baseline_observed: totals.entries_observed,
            points: totals.points,
            alerts: totals.alerts,
            events: totals.events,
            commands_pending: totals.commands_pending,
        },
        alerts: reader
            .alert_counts()?
            .into_iter()
            .map(|(severity, status, count)| AlertCount {
                severity: severity.as_str().to_owned(),
                status: status.as_str().to_owned(),
                count,
            })
            .collect(),
        new_in_last_hour: match reader.newest()? {
            Some(now) => reader.learned_since(now.plus(-3_600 * ot_protocol::time::SECOND))?,
            None => 0,
        },
    })
}

/// The state of a store.
///
/// # Errors
/// As the store's.
pub fn stats(reader: &Reader) -> Result<Stats, ViewError> {
    stats_with(reader, &sums(reader)?)
}

/// The state of a store whose rows were counted.
///
/// # Errors
/// As the store's.
pub fn stats_with(reader: &Reader, sums: &Sums) -> Result<Stats, ViewError> {
    let state = reader.state()?;
    let mut inputs = reader.inputs()?;
    let left = match (state.learning, state.learning_until, state.now) {
        (true, Some(until), Some(now)) => Some((until.since(now) / ot_protocol::time::SECOND).max(0)),
        _ => None,
    };
    let mut counters: Vec<CounterView> =
        state.counters.into_iter().map(|(id, value)| CounterView { group: group(&id), id, value }).collect();
    let place = |group: &str| GROUP_ORDER.iter().position(|known| *known == group);
    counters.sort_by(|a, b| (place(a.group), &a.id).cmp(&(place(b.group), &b.id)));
    Ok(Stats {
        schema: SCHEMA,
        store: reader.path().display().to_string(),
        learning: LearningView {
            mode: if state.learning { "learning" } else { "operational" },
            until: state.learning_until.map(time),
            new_in_last_hour: sums.new_in_last_hour,
            devices: reader.devices_learning()?,
            seconds_left: left,
        },
        newest_packet: state.now.map(time),
        totals: sums.totals,
        alerts: sums.alerts.clone(),
        evidence: evidence(reader)?,
        sensors: sensor_lines(reader)?,
        forwarding: destinations(reader, wall_clock())?,
        ot_networks: state.ot_subnets.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect(),
        counters,
        limits: engine_limits(),
        runs: reader
            .runs()?
            .into_iter()
            .map(|run| RunView {
                inputs: inputs
                    .extract_if(.., |input| input.run == run.id)
                    .map(|input| InputView {
                        path: input.path,
                        sha256: (!input.sha256.is_empty()).then_some(input.sha256),
                        bytes: input.bytes,
                        packets: input.packets,
                    })
                    .collect(),
                id: run.id,
                kind: run.kind,
                state: run.state,
                sensor: run.sensor,
                site: (!run.site.is_empty()).then_some(run.site),
                started: time(run.started),
                finished: run.finished.map(time),
                attempts: run.attempts,
                packets: run.packets,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_groups() {
        assert_eq!(group("flows-evicted"), "evicted");
        assert_eq!(group("packets"), "seen");
        assert_eq!(group("bytes-skipped"), "skipped");
        assert_eq!(group("skipped-bytes-buffers-full"), "skipped");
        assert_eq!(group("gap-bytes"), "lost");
        assert_eq!(group("modbus-messages"), "decoded");
        assert_eq!(group("else"), "other");
    }
}
