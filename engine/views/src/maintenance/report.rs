//! Work planned against work seen.

use super::{WindowLine, line};
use crate::names::{Names, PeerView};
use crate::{ViewError, time};
use ot_engine::catalogue;
use ot_engine::maintenance::{Candidate, Plan, Selector};
use ot_engine::model::{Device, DeviceId, Work};
use ot_protocol::{Nanos, Operation, Outcome, Timestamp};
use ot_store::MaintenanceRow;
use ot_store::read::{AlertQuery, AlertRow, DeviceQuery, JournalQuery, PeerFilter};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Alerts of a window that are listed; all are counted.
const ALERTS: u32 = 1_000;
/// Devices whose alerts are looked for at once.
const PART: usize = 500;

/// A window with what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WindowReport {
    /// The window.
    #[serde(flatten)]
    pub window: WindowLine,
    /// `not-begun`, `nothing-seen`, `as-planned` or `differs`.
    pub result: Reported,
    /// What differs from the plan, a sentence each.
    pub differences: Vec<String>,
    /// Work as planned, by device, client and kind.
    pub planned_work: Vec<WorkSum>,
    /// Work within the window that the plan does not name: by others, of other kinds, or by those named on other devices.
    /// Without what is usual.
    pub unplanned_work: Vec<WorkSum>,
    /// Work on these devices shortly before and after the window.
    pub work_around: Vec<WorkSum>,
    /// Values written and the like by others within the window, or around it, that raised no alert: the baseline allows it.
    pub usual_work: Vec<WorkSum>,
    /// How long before and after that is, in seconds.
    pub around_seconds: i64,
    /// Devices that are planned. Of a network, zone, site, tag or role those that answer an OT protocol.
    pub planned_devices: Vec<PlannedDevice>,
    /// What is planned and names no device that was ever seen.
    pub unknown_devices: Vec<String>,
    /// Its alerts.
    pub alerts: WindowAlerts,
}

/// How the work seen compares with the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reported {
    /// The newest packet is from before the window.
    NotBegun,
    /// No work on its devices was seen.
    NothingSeen,
    /// Work was seen on each of its devices, and nothing else.
    AsPlanned,
    /// Something was done that is not planned, or not done that is.
    Differs,
}

/// Work of one kind by one client on one device.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkSum {
    /// On which device.
    pub device: PeerView,
    /// By which; null where that is not known.
    pub actor: Option<PeerView>,
    /// Class of the operation, as in the journal.
    pub operation: String,
    /// How often.
    pub count: u64,
    /// How often it was accepted.
    pub accepted: u64,
    /// How often it was refused.
    pub refused: u64,
    /// How many different objects were addressed.
    pub objects: u64,
    /// The first of them.
    pub object: String,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// Why it is not as planned; null: it is.
    pub reason: Option<String>,
}

/// A device that is planned.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PlannedDevice {
    /// The device.
    pub device: PeerView,
    /// Whether work on it, or on a unit behind it, was seen within the window.
    pub worked_on: bool,
}

/// Alerts of a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct WindowAlerts {
    /// All of whose detections lay in windows that cover them.
    pub expected: u64,
    /// Some of whose detections lay in this window.
    pub partly_expected: u64,
    /// Alerts of its devices that overlap it and have no detection in it that the plan covers.
    pub not_expected: u64,
    /// These alerts, the newest 1,000 of the first two and of the last.
    pub list: Vec<WindowAlert>,
}

/// An alert of a window.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WindowAlert {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Its severity.
    pub severity: String,
    /// Whether all of its detections are expected.
    pub expected: bool,
    /// Detections that are.
    pub expected_count: u64,
    /// Detections.
    pub count: u64,
    /// Packet time.
    pub first_detection: String,
    /// What happened.
    pub description: String,
}

/// The windows of a ticket, or all that stand or ran, with what was seen in them and so long around them.
pub fn report(names: &Names<'_>, ticket: Option<&str>, around: Nanos) -> Result<Vec<WindowReport>, ViewError> {
    let reader = names.reader();
    let devices = Inventory::new(reader.devices(&DeviceQuery::default())?);
    let now = reader.newest()?;
    reader.maintenance(ticket)?.into_iter().map(|row| one(names, &devices, row, now, around)).collect()
}

/// All devices, by number.
struct Inventory(BTreeMap<DeviceId, Device>);

impl Inventory {
    fn new(devices: Vec<Device>) -> Self {
        Self(devices.into_iter().map(|device| (device.id, device)).collect())
    }

    fn candidate(&self, id: DeviceId) -> Candidate<'_> {
        let device = self.0.get(&id);
        let parent = device.and_then(|device| device.parent).and_then(|parent| self.0.get(&parent));
        Candidate { device, parent, ..Candidate::default() }
    }

    fn named(&self, selectors: &[Selector]) -> Vec<DeviceId> {
        let is = |id: &&DeviceId| selectors.iter().any(|selector| selector.is(&self.candidate(**id)));
        self.0.keys().filter(is).copied().collect()
    }
}

fn one(
    names: &Names<'_>,
    devices: &Inventory,
    row: MaintenanceRow,
    now: Option<Timestamp>,
    around: Nanos,
) -> Result<WindowReport, ViewError> {
    let plan = row.window.plan.clone();
    let (start, end) = (plan.start, row.window.ends());
    let number = row.window.number;
    let on = devices.named(&plan.devices);
    let by = devices.named(&plan.by);
    let mut sums = Sums::default();
    for part in on.chunks(PART) {
        let query = JournalQuery {
            devices: part.to_vec(),
            since: Some(start.plus(-around)),
            until: Some(end.plus(around)),
            ..JournalQuery::default()
        };
        for work in names.reader().journal(&query)? {
            let actor = work.actor.map(|id| devices.candidate(id));
            let differs = plan.differs(actor.as_ref(), Operation::parse(work.operation));
            let (place, reason) = match () {
                () if work.last_seen < start => (Place::Around, Some("before the window")),
                () if work.first_seen >= end => (Place::Around, Some("after the window")),
                () if work.first_seen < start || work.last_seen >= end => {
                    (Place::Unplanned, Some("within the window and beyond it"))
                }
                () => match differs {
                    None => (Place::Planned, None),
                    Some(differs) => (
                        Place::Unplanned,
                        Some(match (differs.client, differs.kind) {
                            (true, true) => "neither the client nor the kind is planned",
                            (true, false) => "the client is not planned",
                            (false, _) => "the kind is not planned",
                        }),
                    ),
                },
            };
            let usual = place != Place::Planned
                && is_routine(&work)
                && work.actor.is_none_or(|actor| by.binary_search(&actor).is_err());
            sums.add(&work, if usual { Place::Usual } else { place }, reason);
        }
    }
    for part in by.chunks(PART) {
        let query = JournalQuery {
            actors: part.to_vec(),
            since: Some(start),
            until: Some(end.plus(-1)),
            ..JournalQuery::default()
        };
        let elsewhere =
            names.reader().journal(&query)?.into_iter().filter(|work| on.binary_search(&work.device).is_err());
        for work in elsewhere {
            let place = if is_routine(&work) { Place::Usual } else { Place::Unplanned };
            sums.add(&work, place, Some("the device is not planned"));
        }
    }
    let worked = sums.worked(devices);
    let exact: Vec<Selector> = plan.devices.iter().filter(|selector| !selector.is_broad()).cloned().collect();
    let exact = devices.named(&exact);
    let mut planned_devices = Vec::new();
    for &id in &on {
        let Some(device) = devices.0.get(&id) else { continue };
        let unit_of_planned = device.parent.is_some_and(|parent| on.binary_search(&parent).is_ok());
        let told = (exact.contains(&id) && !unit_of_planned) || device.role.is_field() || worked.contains(&id);
        // A gateway is worked on where a unit behind it is; of its units only those that were are told.
        if told && (!unit_of_planned || worked.contains(&id)) {
            planned_devices.push(PlannedDevice { device: names.device_view(id)?, worked_on: worked.contains(&id) });
        }
    }
    let unknown_devices: Vec<String> = plan
        .devices
        .iter()
        .filter(|selector| devices.named(std::slice::from_ref(selector)).is_empty())
        .map(ToString::to_string)
        .collect();
    let alerts = alerts(names, number, &on, start, end)?;
    let [planned_work, unplanned_work, work_around, usual_work] = sums.told(names)?;
    let mut report = WindowReport {
        window: line(row, now),
        result: Reported::AsPlanned,
        differences: Vec::new(),
        planned_work,
        unplanned_work,
        work_around,
        usual_work,
        around_seconds: around / ot_protocol::time::SECOND,
        planned_devices,
        unknown_devices,
        alerts,
    };
    judge(&mut report, &plan, now);
    Ok(report)
}

/// Whether work is what operators and masters do all day, and raised no alert. Programs, modes, firmware and configuration
/// never are: what was done to them is told, whatever was learned.
fn is_routine(work: &Work) -> bool {
    const ROUTINE: [&str; 6] = ["write", "control", "freeze", "time-set", "comms-on", "file"];
    work.alert.is_none() && ROUTINE.contains(&work.operation)
}

/// Says what differs from the plan.
fn judge(report: &mut WindowReport, plan: &Plan, now: Option<Timestamp>) {
    let mut told = Vec::new();
    let total = |list: &[WorkSum]| list.iter().map(|sum| sum.count).sum::<u64>();
    let times = |n: u64| if n == 1 { "1 operation".to_owned() } else { format!("{n} operations") };
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for sum in &report.unplanned_work {
        *reasons.entry(sum.reason.as_deref().unwrap_or_default()).or_default() += sum.count;
    }
    for (reason, count) in reasons {
        told.push(format!("{} not as planned: {reason}", times(count)));
    }
    if !report.work_around.is_empty() {
        told.push(format!(
            "{} on its devices outside the window, less than {} from it",
            times(total(&report.work_around)),
            ot_engine::words::span(report.around_seconds.saturating_mul(ot_protocol::time::SECOND))
        ));
    }
    let untouched = report.planned_devices.iter().filter(|planned| !planned.worked_on).count();
    if untouched > 0 && untouched < report.planned_devices.len() {
        told.push(format!("no work was seen on {untouched} of {} planned devices", report.planned_devices.len()));
    }
    for name in &report.unknown_devices {
        told.push(format!("{name} is planned, and no such device was ever seen"));
    }
    if report.alerts.not_expected + report.alerts.partly_expected > 0 {
        told.push(format!(
            "{} alerts of its devices are not, or not wholly, expected",
            report.alerts.not_expected + report.alerts.partly_expected
        ));
    }
    let seen = !report.planned_work.is_empty() || !report.unplanned_work.is_empty();
    if let Some(removed) = report.window.removed.as_ref().filter(|_| report.window.state == "removed") {
        told.push(format!("it was removed at {removed}, before its end: only what came until then is compared"));
    }
    report.result = match () {
        () if now.is_none_or(|now| now < plan.start) => Reported::NotBegun,
        () if !seen && report.work_around.is_empty() => Reported::NothingSeen,
        () if told.is_empty() => Reported::AsPlanned,
        () => Reported::Differs,
    };
    report.differences = told;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Planned,
    Unplanned,
    Around,
    Usual,
}

type Group = (Place, DeviceId, Option<DeviceId>, &'static str, Option<&'static str>);

struct Sum {
    count: u64,
    accepted: u64,
    refused: u64,
    objects: Vec<String>,
    first: Timestamp,
    last: Timestamp,
}

/// Work by device, client and kind.
#[derive(Default)]
struct Sums(BTreeMap<Group, Sum>);

impl Sums {
    fn add(&mut self, work: &Work, place: Place, reason: Option<&'static str>) {
        let key = (place, work.device, work.actor, work.operation, reason);
        let sum = self.0.entry(key).or_insert_with(|| Sum {
            count: 0,
            accepted: 0,
            refused: 0,
            objects: Vec::new(),
            first: work.first_seen,
            last: work.last_seen,
        });
        sum.count += work.count;
        match work.outcome {
            Some(Outcome::Ok) => sum.accepted += work.count,
            Some(Outcome::Rejected(..)) => sum.refused += work.count,
            _ => {}
        }
        if !sum.objects.contains(&work.object) {
            sum.objects.push(work.object.clone());
        }
        sum.first = sum.first.min(work.first_seen);
        sum.last = sum.last.max(work.last_seen);
    }

    /// Devices that were worked on within the window, and those through which they are reached.
    fn worked(&self, devices: &Inventory) -> Vec<DeviceId> {
        let work = [Place::Planned, Place::Unplanned];
        let within = self.0.keys().filter(|(place, ..)| work.contains(place)).map(|(_, device, ..)| *device);
        let mut worked: Vec<DeviceId> =
            within.flat_map(|id| [Some(id), devices.0.get(&id).and_then(|device| device.parent)]).flatten().collect();
        worked.sort_unstable();
        worked.dedup();
        worked
    }

    /// Planned work, unplanned work, work around, and usual work, in order of time.
    fn told(mut self, names: &Names<'_>) -> Result<[Vec<WorkSum>; 4], ViewError> {
        let mut rows: Vec<(Group, Sum)> = std::mem::take(&mut self.0).into_iter().collect();
        rows.sort_by_key(|(key, sum)| (sum.first, *key));
        let mut told = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        let [planned, unplanned, around, usual] = &mut told;
        for ((place, device, actor, operation, reason), sum) in rows {
            let list = match place {
                Place::Planned => &mut *planned,
                Place::Unplanned => &mut *unplanned,
                Place::Around => &mut *around,
                Place::Usual => &mut *usual,
            };
            list.push(WorkSum {
                device: names.device_view(device)?,
                actor: actor.map(|id| names.device_view(id)).transpose()?,
                operation: operation.to_owned(),
                count: sum.count,
                accepted: sum.accepted,
                refused: sum.refused,
                objects: u64::try_from(sum.objects.len()).unwrap_or(u64::MAX),
                object: sum.objects.into_iter().next().unwrap_or_default(),
                first_seen: time(sum.first),
                last_seen: time(sum.last),
                reason: reason.map(str::to_owned),
            });
        }
        Ok(told)
    }
}

fn alerts(
    names: &Names<'_>,
    window: u32,
    on: &[DeviceId],
    start: Timestamp,
    end: Timestamp,
) -> Result<WindowAlerts, ViewError> {
    let reader = names.reader();
    let (expected, partly_expected) = reader.alerts_in_window(window)?;
    let mut told = WindowAlerts { expected, partly_expected, ..WindowAlerts::default() };
    let query = AlertQuery { windows: vec![window], limit: Some(ALERTS), ..AlertQuery::default() };
    let mut found = reader.alerts(&query)?;
    let mut others: BTreeMap<u32, AlertRow> = BTreeMap::new();
    for part in on.chunks(PART) {
        let peers = vec![PeerFilter { side: None, devices: part.to_vec(), ips: Vec::new() }];
        let query = AlertQuery {
            since: Some(start),
            until: Some(end.plus(-1)),
            peers,
            expected: Some(false),
            limit: Some(ALERTS),
            ..AlertQuery::default()
        };
        let rows = reader.alerts(&query)?.into_iter();
        others.extend(
            rows.filter(|row| row.shares.iter().all(|share| share.window != window)).map(|row| (row.number, row)),
        );
    }
    told.not_expected = u64::try_from(others.len()).unwrap_or(u64::MAX);
    found.extend(others.into_values());
    found.sort_by_key(|row| (row.first_detection, row.number));
    told.list = found
        .into_iter()
        .map(|row| WindowAlert {
            title: crate::alert::title(catalogue::by_id(&row.kind), &row.kind),
            severity: row.severity.as_str().to_owned(),
            expected: row.expected,
            expected_count: row.expected_count,
            count: row.count,
            first_detection: time(row.first_detection),
            description: row.description,
            id: row.id,
            kind: row.kind,
        })
        .collect();
    Ok(told)
}
