//! Alerts: the list, and the whole story of one.

use crate::device::find_devices;
use crate::evidence::{self, Availability, EvidenceView};
use crate::maintenance::{self, ExpectedView};
use crate::names::{FrameView, Names, PeerView};
use crate::related::{self, ChainStep, RelatedView};
use crate::{SCHEMA, ViewError, baseline, time};
use ot_engine::attack;
use ot_engine::catalogue::{self, AlertType};
use ot_engine::context::Importance;
use ot_engine::model::Peer;
use ot_store::read::{AlertPlace, AlertQuery, AlertRow, EntryQuery, PeerFilter, Reader, ReportRow, Side};
use serde::Serialize;
use std::net::IpAddr;
use utoipa::ToSchema;

/// An alert as in a list. Its keys are a public interface.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertLine {
    /// Version of these keys.
    pub schema: u32,
    /// 32 hexadecimal digits, the same on every run over the same input.
    pub id: String,
    /// The catalogue's id of the alert type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title.
    pub title: String,
    /// Engine.
    pub engine: String,
    /// Category.
    pub category: String,
    /// `warning`, `minor`, `major` or `critical`.
    pub severity: String,
    /// `new`, `active` or `closed`.
    pub status: String,
    /// Whether a person learned it.
    pub learned: bool,
    /// Packet time at which the learning ends; null: never.
    pub learned_until: Option<String>,
    /// Whether a person muted it.
    pub muted: bool,
    /// Newest packet time when it was closed.
    pub closed: Option<String>,
    /// Packet time of the first violation.
    pub first_detection: String,
    /// Packet time of the last violation.
    pub last_detection: String,
    /// Violations.
    pub count: u64,
    /// Whether all of them lay in maintenance windows that cover them.
    pub expected: bool,
    /// How many of them did.
    pub expected_count: u64,
    /// Tickets of these windows.
    pub tickets: Vec<String>,
    /// Protocol id.
    pub protocol: Option<String>,
    /// `pending`, `ok`, `rejected`, `unanswered` or null.
    pub outcome: Option<String>,
    /// Who did it; null where there is none or several.
    pub source: Option<PeerView>,
    /// Where there are several: ten at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<PeerView>>,
    /// Where there are several: how many in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_count: Option<u32>,
    /// To whom; null where there is none or several.
    pub destination: Option<PeerView>,
    /// Where there are several: ten at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<PeerView>>,
    /// Where there are several: how many in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_count: Option<u32>,
    /// ATT&CK for ICS technique ids.
    pub techniques: Vec<String>,
    /// Ids of the tactics that these serve, in the order of the matrix.
    pub tactics: Vec<String>,
    /// What happened.
    pub description: String,
    /// Why it was noticed: the baseline or rule it departs from.
    pub why: String,
    /// Site of the destination, else of the source, else of the sensor.
    pub site: Option<String>,
    /// Zone of the destination, else of the source.
    pub zone: Option<String>,
    /// Importance of the most important device that takes part: `low`, `normal` or `high`.
    pub importance: Option<String>,
    /// Id of the sensor; of several the first one that told.
    pub sensor: Option<String>,
    /// Ids of all sensors that told of it, in a store that shows what many sensors told; else the one.
    pub sensors: Vec<String>,
    /// Frames that made it: the first ones and the last.
    pub frames: Vec<FrameView>,
}

impl AlertLine {
    /// Sources, whether one or several.
    pub fn all_sources(&self) -> &[PeerView] {
        self.sources.as_deref().unwrap_or(self.source.as_slice())
    }

    /// Destinations, whether one or several.
    pub fn all_destinations(&self) -> &[PeerView] {
        self.destinations.as_deref().unwrap_or(self.destination.as_slice())
    }
}

/// The whole story of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertStory {
    /// What the list tells.
    #[serde(flatten)]
    pub line: AlertLine,
    /// In a store that shows what many sensors told: what each of them told, the first one first. Else empty.
    pub reports: Vec<ReportView>,
    /// The maintenance windows in which its violations lay.
    pub maintenance: Vec<ExpectedView>,
    /// What the code of a refusal means, where the command was refused.
    pub outcome_detail: Option<String>,
    /// Whether a person may learn it.
    pub learnable: bool,
    /// Baseline entries it holds: what learning it allows.
    pub entries: Vec<baseline::EntryLine>,
    /// Violations with different parameters, 100 at most.
    pub violations: Vec<ViolationView>,
    /// How many there are in all.
    pub violation_count: u32,
    /// Its packets.
    pub evidence: EvidenceView,
    /// The techniques with names, pages and tactics.
    pub attack: Vec<TechniqueView>,
    /// Alerts of the same devices within an hour before and after, the 50 nearest, in order of time.
    pub related: Vec<RelatedView>,
    /// How these may hang together: what came before, what followed, and by which device.
    pub chain: Vec<ChainStep>,
    /// The tactics of this and the related alerts in order of time, each time one is new in a row.
    pub tactic_path: Vec<TacticView>,
    /// Why it matters to a plant.
    pub why_it_matters: String,
    /// Usual false alarms and how to tell.
    pub false_alarms: String,
    /// What to do, in order.
    pub remediation: Vec<String>,
    /// What people did to it, in order.
    pub history: Vec<HistoryView>,
}

/// What a sensor told the centre of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportView {
    /// Id of the sensor.
    pub sensor: String,
    /// Its site.
    pub site: Option<String>,
    /// Id of the alert there.
    pub id: String,
    /// Status there.
    pub status: String,
    /// Packet time of the first violation that it saw.
    pub first_detection: String,
    /// Packet time of the last.
    pub last_detection: String,
    /// Violations.
    pub count: u64,
    /// The page of the alert at the sensor, with its packets.
    pub link: Option<String>,
}

impl From<&ReportRow> for ReportView {
    fn from(row: &ReportRow) -> Self {
        Self {
            sensor: row.sensor.clone(),
            site: row.site.clone(),
            id: row.id.clone(),
            status: row.status.as_str().to_owned(),
            first_detection: time(row.first_detection),
            last_detection: time(row.last_detection),
            count: row.count,
            // Links come from sensors: nothing else becomes one.
            link: row.link.clone().filter(|link| link.starts_with("https://") || link.starts_with("http://")),
        }
    }
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ViolationView {
    /// From 1.
    pub number: u32,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// How often.
    pub count: u64,
    /// How often of these within maintenance windows that cover it.
    pub expected_count: u64,
    /// Frame of the first.
    pub frame: Option<FrameView>,
    /// The protocol's function.
    pub function: String,
    /// What it addressed.
    pub object: String,
    /// Values.
    pub value: String,
    /// What became of it.
    pub outcome: Option<String>,
    /// What the code of a refusal means.
    pub outcome_detail: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// A tactic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TacticView {
    /// For example `TA0106`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: String,
}

impl From<&attack::Tactic> for TacticView {
    fn from(tactic: &attack::Tactic) -> Self {
        Self { id: tactic.id.to_owned(), name: tactic.name.to_owned(), url: tactic.url.to_owned() }
    }
}

/// A technique with its tactics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TechniqueView {
    /// For example `T0855`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: String,
    /// Tactics it serves.
    pub tactics: Vec<TacticView>,
}

/// The technique of this id with what ATT&CK says of it.
pub fn technique(id: &str) -> TechniqueView {
    match attack::technique(id) {
        Some(known) => TechniqueView {
            id: known.id.to_owned(),
            name: known.name.to_owned(),
            url: known.url.to_owned(),
            tactics: known.tactics.iter().filter_map(|id| attack::tactic(id)).map(TacticView::from).collect(),
        },
        None => TechniqueView { id: id.to_owned(), name: String::new(), url: String::new(), tactics: Vec::new() },
    }
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryView {
    /// Wall time; of what the sensor did, packet time.
    pub time: String,
    /// Who; `sensor` where the sensor did it.
    pub who: String,
    /// What.
    pub action: String,
    /// The new status, the comment.
    pub detail: String,
    /// Why.
    pub why: String,
}

/// Alerts that may hang together with one.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RelatedAlerts {
    /// Alerts of the same devices within an hour before and after, the 50 nearest, in order of time.
    pub related: Vec<RelatedView>,
    /// How these may hang together: what came before, what followed, and by which device.
    pub chain: Vec<ChainStep>,
    /// The tactics of the chain in order of time.
    pub tactic_path: Vec<TacticView>,
}

impl From<AlertStory> for RelatedAlerts {
    fn from(story: AlertStory) -> Self {
        Self { related: story.related, chain: story.chain, tactic_path: story.tactic_path }
    }
}

/// What a person asks for in a list of alerts, in words of the store and the catalogue; devices still as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertFilter {
    /// What the store filters by. Peers and types for the text are added here.
    pub query: AlertQuery,
    /// Devices on either side, as a person names them.
    pub devices: Vec<String>,
    /// Devices as source.
    pub sources: Vec<String>,
    /// Devices as destination.
    pub destinations: Vec<String>,
    /// Ids of the sensors that opened it.
    pub sensors: Vec<String>,
    /// Categories of alert types.
    pub categories: Vec<String>,
}

/// The alerts that a filter lets through.
pub fn alerts(names: &Names<'_>, filter: &AlertFilter) -> Result<Vec<AlertLine>, ViewError> {
    alert_lines(names, &find_alerts(names, filter)?)
}

/// A page of a list of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertPage {
    /// The alerts.
    pub lines: Vec<AlertLine>,
    /// After which place the next page begins; `None` at the end of the list.
    pub next: Option<AlertPlace>,
}

/// A page of the alerts that a filter lets through, after a place or from the beginning; the filter's limit is the size of the
/// page. What comes to the list meanwhile neither repeats nor hides alerts of later pages, and a page far down costs no more
/// than the first.
///
/// # Errors
/// As the store's; where a device is not known.
pub fn alerts_page(names: &Names<'_>, filter: &AlertFilter, after: Option<AlertPlace>) -> Result<AlertPage, ViewError> {
    let query = AlertQuery { after, ..resolved(names.reader(), filter)? };
    let size = query.limit.unwrap_or(100);
    let mut places = names.reader().alert_places(&query, size.saturating_add(1))?;
    let more = places.len() > usize::try_from(size).unwrap_or(usize::MAX);
    if more {
        places.pop();
    }
    let numbers: Vec<u32> = places.iter().map(|(number, _)| *number).collect();
    let next = places.pop().filter(|_| more).map(|(_, place)| place);
    Ok(AlertPage { lines: alert_lines(names, &names.reader().alerts_numbered(&numbers)?)?, next })
}

/// The alerts of these numbers, in the order given.
///
/// # Errors
/// As the store's.
pub fn alerts_of(names: &Names<'_>, numbers: &[u32]) -> Result<Vec<AlertLine>, ViewError> {
    alert_lines(names, &names.reader().alerts_numbered(numbers)?)
}

/// These alerts, in the order given.
pub(crate) fn alert_lines(names: &Names<'_>, rows: &[AlertRow]) -> Result<Vec<AlertLine>, ViewError> {
    names.prefetch(rows.iter().flat_map(peers).filter_map(|peer| peer.device))?;
    rows.iter().map(|row| line(names, row)).collect()
}

/// The rows of the alerts that a filter lets through.
pub fn find_alerts(names: &Names<'_>, filter: &AlertFilter) -> Result<Vec<AlertRow>, ViewError> {
    Ok(names.reader().alerts(&resolved(names.reader(), filter)?)?)
}

/// The number of no run.
const NONE: u32 = 0;

/// The filter in words of the store alone.
fn resolved(reader: &Reader, filter: &AlertFilter) -> Result<AlertQuery, ViewError> {
    let mut query = filter.query.clone();
    for (side, wanted) in [
        (None, &filter.devices),
        (Some(Side::Source), &filter.sources),
        (Some(Side::Destination), &filter.destinations),
    ] {
        for text in wanted {
            query.peers.push(peer_filter(reader, side, text)?);
        }
    }
    if !filter.sensors.is_empty() {
        query.runs = reader.runs_of(&filter.sensors)?;
        if query.runs.is_empty() {
            query.runs.push(NONE);
        }
    }
    if !filter.categories.is_empty() {
        let of = |kind: &&AlertType| filter.categories.iter().any(|category| category == kind.category);
        let asked = |kind: &&AlertType| query.kinds.is_empty() || query.kinds.iter().any(|id| id == kind.id);
        let mut kinds: Vec<String> =
            catalogue::all().iter().filter(of).filter(asked).map(|kind| kind.id.to_owned()).collect();
        if kinds.is_empty() {
            kinds.push(String::new());
        }
        query.kinds = kinds;
    }
    if let Some(text) = &query.text {
        let text = text.to_lowercase();
        query.text_kinds = catalogue::all()
            .iter()
            .filter(|kind| kind.title.to_lowercase().contains(&text) || kind.id.contains(&text))
            .map(|kind| kind.id.to_owned())
            .collect();
    }
    Ok(query)
}

/// Devices that no longer are in the inventory still stand in alerts by their address.
fn peer_filter(reader: &Reader, side: Option<Side>, text: &str) -> Result<PeerFilter, ViewError> {
    let ips: Vec<IpAddr> = text.parse().ok().into_iter().collect();
    let devices = match find_devices(reader, text) {
        Ok(devices) => devices,
        Err(ViewError::NoDevice(_)) if !ips.is_empty() => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(PeerFilter { side, devices, ips })
}

pub(crate) fn peers(row: &AlertRow) -> impl Iterator<Item = &Peer> {
    row.sources.iter().chain(&row.destinations)
}

/// The alert whose id starts so (at least 4 digits).
pub fn find_alert(reader: &Reader, prefix: &str) -> Result<AlertRow, ViewError> {
    let wanted = prefix.trim().to_ascii_lowercase();
    if !(4..=32).contains(&wanted.len()) || !wanted.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(ViewError::BadAlertId(prefix.to_owned()));
    }
    let mut found = reader.alerts_by_prefix(&wanted)?;
    if found.is_empty() {
        found = reader.alerts_by_report(&wanted)?;
    }
    if found.len() > 1 {
        let ids: Vec<_> = found.iter().map(|alert| alert.id.chars().take(12).collect::<String>()).collect();
        return Err(ViewError::SeveralAlerts { given: wanted, found: ids.join(", ") });
    }
    found.pop().ok_or(ViewError::NoAlert(wanted))
}

/// The fewest digits (8 at least) that name this alert alone.
pub fn short_id(reader: &Reader, id: &str) -> Result<String, ViewError> {
    for length in [8, 12, 16, 24] {
        let Some(prefix) = id.get(..length) else { break };
        if reader.alerts_with_prefix(prefix)? <= 1 {
            return Ok(prefix.to_owned());
        }
    }
    Ok(id.to_owned())
}

/// The violations of an alert that are kept as rows, in order.
pub fn violations(names: &Names<'_>, alert: u32) -> Result<Vec<ViolationView>, ViewError> {
    violations_of(names, alert, usize::MAX)
}

/// The first so many of them.
pub(crate) fn violations_of(names: &Names<'_>, alert: u32, most: usize) -> Result<Vec<ViolationView>, ViewError> {
    let mut violations = Vec::new();
    for violation in names.reader().violations(alert)?.into_iter().take(most) {
        violations.push(ViolationView {
            number: violation.number,
            first_seen: time(violation.first_seen),
            last_seen: time(violation.last_seen),
            count: violation.count,
            expected_count: violation.expected,
            frame: names.frame(violation.frame)?,
            outcome: violation.outcome.map(|outcome| outcome.as_str().to_owned()),
            outcome_detail: violation.outcome.and_then(refusal),
            function: violation.function,
            object: violation.object,
            value: violation.value,
            detail: violation.detail,
        });
    }
    Ok(violations)
}

/// The whole story of the alert whose id starts so.
pub fn alert(names: &Names<'_>, prefix: &str) -> Result<AlertStory, ViewError> {
    let reader = names.reader();
    let row = find_alert(reader, prefix)?;
    names.prefetch(peers(&row).filter_map(|peer| peer.device))?;
    let kind = catalogue::by_id(&row.kind);
    let violations = violations(names, row.number)?;
    let entries = if row.entries.is_empty() {
        Vec::new()
    } else {
        baseline::entries(names, &EntryQuery { entries: row.entries.clone(), ..EntryQuery::default() })?
    };
    let found = related::around(names, &row)?;
    let chain = related::chain(names, &row, &found)?;
    let tactic_path = related::path(&chain);
    let related = found.into_iter().map(|other| related::view(names, &row, other)).collect::<Result<_, _>>()?;
    let line = line(names, &row)?;
    let mut evidence = evidence::evidence(names, &row, &line.frames)?;
    if !row.reports.is_empty() {
        evidence.state = Availability::None;
        evidence.reason = Some("the packets stay with the sensors that captured them".to_owned());
        evidence.command = None;
    }
    Ok(AlertStory {
        evidence,
        reports: row.reports.iter().map(ReportView::from).collect(),
        maintenance: maintenance::expected(names, &row.shares)?,
        line,
        outcome_detail: row.outcome.and_then(refusal),
        learnable: kind.is_some_and(|kind| kind.learnable),
        entries,
        violations,
        violation_count: row.violation_count,
        attack: row.techniques.iter().map(|id| technique(id)).collect(),
        related,
        chain,
        tactic_path,
        why_it_matters: kind.map_or("", |kind| kind.why_it_matters).to_owned(),
        false_alarms: kind.map_or("", |kind| kind.false_alarms).to_owned(),
        remediation: kind.map_or(&[][..], |kind| kind.remediation).iter().map(|&step| step.to_owned()).collect(),
        history: reader
            .history(row.number)?
            .into_iter()
            .map(|row| HistoryView {
                time: time(row.time),
                who: row.who,
                action: row.action,
                detail: row.detail,
                why: row.why,
            })
            .collect(),
    })
}

pub(crate) fn refusal(outcome: ot_protocol::Outcome) -> Option<String> {
    match outcome {
        ot_protocol::Outcome::Rejected(code, name) => Some(format!("{name} ({code})")),
        _ => None,
    }
}

pub(crate) fn title(kind: Option<&AlertType>, id: &str) -> String {
    kind.map_or_else(|| id.to_owned(), |kind| kind.title.to_owned())
}

pub(crate) fn tactics(techniques: &[String]) -> Vec<&'static attack::Tactic> {
    let ids: Vec<&str> = techniques.iter().map(String::as_str).collect();
    attack::tactics_of(&ids)
}

pub(crate) fn line(names: &Names<'_>, row: &AlertRow) -> Result<AlertLine, ViewError> {
    let view =
        |list: &[Peer]| -> Result<Vec<PeerView>, ViewError> { list.iter().map(|peer| names.peer(peer)).collect() };
    let mut sources = view(&row.sources)?;
    let mut destinations = view(&row.destinations)?;
    let zone = |list: &[PeerView]| list.iter().find_map(|peer| peer.zone.clone());
    let zone = zone(&destinations).or_else(|| zone(&sources));
    let site = |list: &[PeerView]| list.iter().find_map(|peer| peer.site.clone());
    let site = site(&destinations).or_else(|| site(&sources)).or_else(|| row.site.clone());
    let importance = sources
        .iter()
        .chain(&destinations)
        .filter_map(|peer| Importance::parse(peer.importance.as_deref()?))
        .max()
        .map(|importance| importance.as_str().to_owned());
    let several_sources = row.source_count > 1 || sources.len() > 1;
    let several_destinations = row.destination_count > 1 || destinations.len() > 1;
    let mut frames = Vec::with_capacity(row.frames.len());
    for &frame in &row.frames {
        frames.extend(names.frame(frame)?);
    }
    Ok(AlertLine {
        schema: SCHEMA,
        id: row.id.clone(),
        kind: row.kind.clone(),
        title: title(catalogue::by_id(&row.kind), &row.kind),
        engine: row.engine.clone(),
        category: row.category.clone(),
        severity: row.severity.as_str().to_owned(),
        status: row.status.as_str().to_owned(),
        learned: row.learned,
        learned_until: row.learned_until.map(time),
        muted: row.muted,
        closed: row.closed.map(time),
        first_detection: time(row.first_detection),
        last_detection: time(row.last_detection),
        count: row.count,
        expected: row.expected,
        expected_count: row.expected_count,
        tickets: maintenance::tickets(names, row.shares.iter().map(|share| share.window))?,
        protocol: row.protocol.clone(),
        outcome: row.outcome.map(|outcome| outcome.as_str().to_owned()),
        source: if several_sources { None } else { sources.pop() },
        sources: several_sources.then_some(sources),
        source_count: several_sources.then_some(row.source_count),
        destination: if several_destinations { None } else { destinations.pop() },
        destinations: several_destinations.then_some(destinations),
        destination_count: several_destinations.then_some(row.destination_count),
        techniques: row.techniques.clone(),
        tactics: tactics(&row.techniques).iter().map(|tactic| tactic.id.to_owned()).collect(),
        description: row.description.clone(),
        why: row.why.clone(),
        site,
        zone,
        importance,
        sensor: row.sensor.clone(),
        sensors: match row.reports.as_slice() {
            [] => row.sensor.iter().cloned().collect(),
            reports => reports.iter().map(|report| report.sensor.clone()).collect(),
        },
        frames,
    })
}
