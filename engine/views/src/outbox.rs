//! What other systems are told of alerts: the messages of the outbox, and how far each destination was told.

use crate::alert::{TechniqueView, ViolationView, line, peers, refusal, technique, violations_of};
use crate::health::HealthView;
use crate::names::Names;
use crate::{AlertLine, SCHEMA, ViewError, time};
use ot_engine::catalogue::{self, Severity};
use ot_protocol::Timestamp;
use ot_store::OutboxRow;
use ot_store::read::{AlertQuery, Reader};
use serde::Serialize;
use utoipa::ToSchema;

/// What happened to an alert, with all that the receiver needs to know of the alert. Its keys are a public interface.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertMessage {
    /// Version of these keys.
    pub schema: u32,
    /// Id of the message: that of the alert, a dash, the sequence. A message that comes again has the same.
    pub id: String,
    /// Grows with each message of a store.
    pub sequence: u64,
    /// `opened`, `status`, `severity`, `outcome`, `marks` (learned or muted), `comment`; `test` for a test message.
    pub change: String,
    /// What held before: the status, severity or outcome; null where nothing did.
    pub before: Option<String>,
    /// When: packet time of the first detection of an alert that was opened, else the time of the change.
    pub time: String,
    /// Who did it: a person, or `sensor`; null where it followed from traffic.
    pub by: Option<String>,
    /// Why, in that person's words.
    pub reason: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// The page of the alert in the console, where its address is configured.
    pub link: Option<String>,
    /// Which outbox it comes from: sequences can be compared within one.
    pub outbox: Option<OutboxView>,
    /// Wall time at which the change was committed at the sensor.
    pub committed: Option<String>,
    /// The alert, with status, severity and marks as they were after the change.
    pub alert: AlertLine,
    /// What the code of a refusal means, where the command was refused.
    pub outcome_detail: Option<String>,
    /// The techniques with names, pages and tactics.
    pub attack: Vec<TechniqueView>,
    /// Why it matters to a plant.
    pub why_it_matters: String,
    /// Usual false alarms and how to tell.
    pub false_alarms: String,
    /// What to do, in order.
    pub remediation: Vec<String>,
    /// Violations with different parameters, the first 10.
    pub violations: Vec<ViolationView>,
    /// How many there are in all.
    pub violation_count: u32,
}

/// An outbox. A store that was restored from a backup has another one than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutboxView {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Since when (wall time): what a later outbox tells is newer than all that an earlier one told.
    pub since: String,
}

/// Violations that a message holds.
const MOST_VIOLATIONS: usize = 10;

/// How a sensor is, told to the centre of many sensors. Its keys are a public interface.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StatusMessage {
    /// Version of these keys.
    pub schema: u32,
    /// Always `status`.
    pub kind: String,
    /// Id of the sensor.
    pub sensor: String,
    /// Its site.
    pub site: Option<String>,
    /// Version of ot-sensor.
    pub version: String,
    /// Wall time at the sensor.
    pub time: String,
    /// For how many seconds it has been telling.
    pub uptime_seconds: u64,
    /// Whether the sensor does its work.
    pub health: HealthView,
    /// The outbox of its store.
    pub outbox: Option<OutboxView>,
    /// Newest sequence of the outbox.
    pub newest: u64,
    /// Newest sequence that the centre took, or is not to be told.
    pub told: u64,
    /// Changes that wait to be told.
    pub waiting: u64,
    /// Wall time of the oldest of these.
    pub oldest_waiting: Option<String>,
    /// Changes that left the outbox before they were told.
    pub lost: u64,
    /// Messages that were refused on the way and passed over.
    pub refused: u64,
    /// Newest packet time.
    pub newest_packet: Option<String>,
    /// Alerts that came again since the status before: how often, and when last. 500 at most.
    pub again: Vec<AgainView>,
}

/// An alert that came again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgainView {
    /// Its id.
    pub id: String,
    /// Violations so far.
    pub count: u64,
    /// Packet time of the last.
    pub last_detection: String,
}

/// Alerts that one status tells of.
const MOST_AGAIN: u32 = 500;

/// How the sensor of a store is, for the destination of this name; `None` where no sensor ever wrote to it. `mark`: up to which
/// packet time alerts were told to have come again; it moves. Not filled: version and uptime, which the store does not know.
///
/// # Errors
/// As the store's.
pub fn status_message(
    reader: &Reader,
    destination: &str,
    mark: &mut Option<Timestamp>,
    around: &crate::health::Surroundings,
) -> Result<Option<StatusMessage>, ViewError> {
    let Some(run) = reader.runs()?.pop() else { return Ok(None) };
    let row = reader.destinations()?.into_iter().find(|row| row.name == destination).unwrap_or_default();
    let waiting = reader.waiting(destination, row.cursor)?;
    let mut query = AlertQuery { since: *mark, ascending: true, limit: Some(MOST_AGAIN), ..AlertQuery::default() };
    if mark.is_none() {
        // What was told of them last is not known: the newest ones.
        query.ascending = false;
    }
    let again = reader.alerts(&query)?;
    *mark = again.iter().map(|alert| alert.last_detection).max().or(*mark);
    Ok(Some(StatusMessage {
        schema: SCHEMA,
        kind: "status".to_owned(),
        sensor: run.sensor,
        site: Some(run.site).filter(|site| !site.is_empty()),
        version: String::new(),
        time: time(around.now),
        uptime_seconds: 0,
        health: crate::health::health(reader, around)?,
        outbox: outbox(reader)?,
        newest: reader.outbox_newest()?,
        told: row.cursor,
        waiting: waiting.changes,
        oldest_waiting: waiting.oldest.map(time),
        lost: row.lost,
        refused: row.refused,
        newest_packet: reader.newest()?.map(time),
        again: again
            .into_iter()
            .map(|alert| AgainView { id: alert.id, count: alert.count, last_detection: time(alert.last_detection) })
            .collect(),
    }))
}

fn outbox(reader: &Reader) -> Result<Option<OutboxView>, ViewError> {
    Ok(reader.outbox_origin()?.map(|origin| OutboxView { id: origin.id, since: time(origin.since) }))
}

impl AlertMessage {
    /// Whether it tells of an alert for the first time.
    pub fn is_new(&self) -> bool {
        self.change == "opened"
    }

    /// Whether it only tries a destination.
    pub fn is_test(&self) -> bool {
        self.change == "test"
    }

    /// What happened, as a few words: `new alert`, `status active, was new (anna)`.
    pub fn happened(&self) -> String {
        let was = |now: &str| match &self.before {
            Some(before) => format!("{} {now}, was {before}", self.change),
            None => format!("{} {now}", self.change),
        };
        let text = match self.change.as_str() {
            "opened" => "new alert".to_owned(),
            "test" => "test message".to_owned(),
            "status" => was(&self.alert.status),
            "severity" => was(&self.alert.severity),
            "outcome" => was(self.alert.outcome.as_deref().unwrap_or("unknown")),
            "marks" => match (self.alert.muted, self.alert.learned) {
                (true, _) => "muted".to_owned(),
                (_, true) => "learned".to_owned(),
                _ => format!("no longer {}", self.before.as_deref().unwrap_or("learned")),
            },
            other => other.to_owned(),
        };
        match &self.by {
            Some(who) => format!("{text} ({who})"),
            None => text,
        }
    }
}

/// The messages of rows of the outbox, in order; `None` for one whose alert is no longer in the store.
///
/// `console`: the address of the console, for links.
///
/// # Errors
/// As the store's.
pub fn messages(
    names: &Names<'_>,
    rows: &[OutboxRow],
    console: Option<&str>,
) -> Result<Vec<Option<AlertMessage>>, ViewError> {
    let outbox = outbox(names.reader())?;
    rows.iter().map(|row| message(names, row, console, outbox.as_ref())).collect()
}

fn message(
    names: &Names<'_>,
    row: &OutboxRow,
    console: Option<&str>,
    outbox: Option<&OutboxView>,
) -> Result<Option<AlertMessage>, ViewError> {
    let Some(alert) = names.reader().alert(row.alert)? else { return Ok(None) };
    names.prefetch(peers(&alert).filter_map(|peer| peer.device))?;
    let mut told = line(names, &alert)?;
    let as_now = told.outcome == row.outcome;
    row.status.as_str().clone_into(&mut told.status);
    row.severity.as_str().clone_into(&mut told.severity);
    (told.learned, told.muted) = (row.learned, row.muted);
    told.outcome.clone_from(&row.outcome);
    let kind = catalogue::by_id(&alert.kind);
    let change = row.change.as_str();
    Ok(Some(AlertMessage {
        schema: SCHEMA,
        id: format!("{}-{}", alert.id, row.sequence),
        sequence: row.sequence,
        change: change.to_owned(),
        before: match row.change {
            ot_store::Change::Severity => row.before.as_deref().and_then(severity_name),
            _ => row.before.clone(),
        },
        time: time(if row.change == ot_store::Change::Opened { alert.first_detection } else { row.wall_time }),
        by: row.who.clone(),
        reason: row.why.clone().filter(|why| !why.is_empty()),
        comment: row.detail.clone(),
        link: console.map(|base| format!("{}/alerts/{}", base.trim_end_matches('/'), alert.id)),
        outbox: outbox.cloned(),
        committed: Some(time(row.wall_time)),
        violations: violations_of(names, alert.number, MOST_VIOLATIONS)?,
        violation_count: alert.violation_count,
        outcome_detail: alert.outcome.filter(|_| as_now).and_then(refusal),
        attack: alert.techniques.iter().map(|id| technique(id)).collect(),
        why_it_matters: kind.map_or("", |kind| kind.why_it_matters).to_owned(),
        false_alarms: kind.map_or("", |kind| kind.false_alarms).to_owned(),
        remediation: kind.map_or(&[][..], |kind| kind.remediation).iter().map(|&step| step.to_owned()).collect(),
        alert: told,
    }))
}

/// Ranks of severities, as the store counts them.
fn severity_name(rank: &str) -> Option<String> {
    let rank: usize = rank.parse().ok()?;
    let mut all = Severity::ALL;
    all.sort();
    all.get(rank.checked_sub(1)?).map(|severity| severity.as_str().to_owned())
}

/// How far a destination was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DestinationLine {
    /// Version of these keys.
    pub schema: u32,
    /// Its name.
    pub name: String,
    /// `syslog`, `webhook`, `nats` or `file`.
    pub kind: String,
    /// Where to, without secrets.
    pub address: String,
    /// `ok`; `waiting`: some changes wait; `failing`: the last try failed.
    pub state: String,
    /// Changes that wait, before its filter.
    pub waiting: u64,
    /// For how many seconds the oldest of them has been waiting.
    pub lag_seconds: i64,
    /// Messages delivered.
    pub delivered: u64,
    /// Changes that its filter does not let through.
    pub passed_over: u64,
    /// Messages that it will never take.
    pub refused: u64,
    /// Changes that were gone before they were delivered.
    pub lost: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Tries that failed since the last delivery.
    pub attempts: u64,
    /// Id of the newest message that was delivered.
    pub last_message: Option<String>,
    /// Wall time of the newest delivery.
    pub last_delivered: Option<String>,
    /// The newest error, whether or not it is over.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<String>,
}

/// How far each destination was told, by name. `now`: wall time.
///
/// # Errors
/// As the store's.
pub fn destinations(reader: &Reader, now: Timestamp) -> Result<Vec<DestinationLine>, ViewError> {
    let mut lines = Vec::new();
    for row in reader.destinations()? {
        let waiting = reader.waiting(&row.name, row.cursor)?;
        let state = match (row.attempts, waiting.changes) {
            (1.., _) => "failing",
            (0, 1..) => "waiting",
            (0, 0) => "ok",
        };
        lines.push(DestinationLine {
            schema: SCHEMA,
            name: row.name,
            kind: row.kind,
            address: row.address,
            state: state.to_owned(),
            waiting: waiting.changes,
            lag_seconds: waiting.oldest.map_or(0, |oldest| (now.0 - oldest.0).max(0) / 1_000_000_000),
            delivered: row.delivered,
            passed_over: row.passed_over,
            refused: row.refused,
            lost: row.lost,
            failures: row.failures,
            attempts: row.attempts,
            last_message: row.last_message,
            last_delivered: row.delivered_at.map(time),
            last_error: row.last_error,
            last_error_at: row.error_at.map(time),
        });
    }
    Ok(lines)
}
