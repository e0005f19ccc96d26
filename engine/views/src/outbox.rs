//! What other systems are told of alerts: the messages of the outbox, and how far each destination was told.

use crate::alert::{TechniqueView, line, peers, refusal, technique};
use crate::names::Names;
use crate::{AlertLine, SCHEMA, ViewError, time};
use ot_engine::catalogue::{self, Severity};
use ot_protocol::Timestamp;
use ot_store::OutboxRow;
use ot_store::read::Reader;
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
    rows.iter().map(|row| message(names, row, console)).collect()
}

fn message(names: &Names<'_>, row: &OutboxRow, console: Option<&str>) -> Result<Option<AlertMessage>, ViewError> {
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
