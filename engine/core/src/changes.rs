//! What passes between the engine and a store: what is loaded, what changed, what a person asks for.

use crate::context::Change;
use crate::learning::DeviceLearning;
use crate::maintenance::{Plan, Window};
use crate::model::{
    Alert, AlertKey, AlertViolation, BaselineEntry, Device, DeviceId, EntryId, EntryKey, Event, Grant, Point,
    ProgramVersion, Scope, SensorAct, Status, Work,
};
use crate::points::PointKey;
use ot_protocol::{Nanos, Timestamp};
use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;

/// Everything the engine starts from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The inventory, by number.
    pub devices: Vec<Device>,
    /// The baseline, by number.
    pub entries: Vec<BaselineEntry>,
    /// What people allow, by entry and act.
    pub grants: Vec<Grant>,
    /// Process memory, by device, space, number and address.
    pub points: Vec<Point>,
    /// Versions of program blocks, by number.
    pub programs: Vec<ProgramVersion>,
    /// Rows of the journal to which work may still be added, by number.
    pub journal: Vec<Work>,
    /// Alerts that are not closed, and closed ones that are muted or learned, by number.
    pub alerts: Vec<Alert>,
    /// How often each key was opened that has no alert in `alerts`.
    pub openings: Vec<(AlertKey, u32)>,
    /// Maintenance windows that stand, by number.
    pub maintenance: Vec<Window>,
    /// Counters and modes.
    pub state: State,
}

/// The small state of an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Highest numbers given out so far.
    pub last_alert: u32,
    /// Last event number.
    pub last_event: u64,
    /// Last device number (devices may have been removed).
    pub last_device: u32,
    /// Last entry number.
    pub last_entry: u32,
    /// Last number of a program version.
    pub last_program: u32,
    /// Last number of a row of the journal.
    pub last_work: u64,
    /// Last number of a maintenance window.
    pub last_window: u32,
    /// First event that is kept.
    pub first_event: u64,
    /// Closed alerts that keep nothing silent and were closed before this packet time are not kept.
    pub closed_before: Option<Timestamp>,
    /// Newest packet time.
    pub now: Option<Timestamp>,
    /// Packet time since which packets were watched without a gap of more than an hour.
    pub watched_since: Option<Timestamp>,
    /// End of learning in packet time, once it is known; `None` before the first packet or when not learning.
    pub learning_until: Option<Timestamp>,
    /// Whether the engine is learning.
    pub learning: bool,
    /// Packet time at which it began.
    pub learning_since: Option<Timestamp>,
    /// Devices that have a learning time of their own, by number.
    pub device_learning: Vec<(DeviceId, DeviceLearning)>,
    /// Networks (address, prefix length) in which an OT protocol was confirmed.
    pub ot_subnets: Vec<(IpAddr, u8)>,
    /// Health counters, by id: summed over all runs.
    pub counters: Vec<(String, u64)>,
}

/// What changed since the last time it was taken. Rows are whole; a store replaces them by their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// New and changed devices.
    pub devices: Vec<Device>,
    /// Devices given up (evicted, merged into another).
    pub removed_devices: Vec<DeviceId>,
    /// New and changed baseline entries.
    pub entries: Vec<BaselineEntry>,
    /// Entries given up.
    pub removed_entries: Vec<EntryId>,
    /// New and changed grants.
    pub grants: Vec<Grant>,
    /// Grants taken back or ended: entry and act.
    pub removed_grants: Vec<(EntryId, u64)>,
    /// New and changed points.
    pub points: Vec<Point>,
    /// Points given up; they go before the new ones come.
    pub removed_points: Vec<PointKey>,
    /// New and changed versions of program blocks.
    pub programs: Vec<ProgramVersion>,
    /// Numbers of versions given up.
    pub removed_programs: Vec<u32>,
    /// New and changed rows of the journal.
    pub journal: Vec<Work>,
    /// New and removed maintenance windows.
    pub maintenance: Vec<Window>,
    /// New and changed alerts.
    pub alerts: Vec<Alert>,
    /// New and changed violations.
    pub violations: Vec<AlertViolation>,
    /// What the sensor did to alerts.
    pub acts: Vec<SensorAct>,
    /// New events.
    pub events: Vec<Event>,
    /// The small state, whole.
    pub state: State,
}

impl Changes {
    /// Whether there is nothing to write but the small state.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
            && self.removed_devices.is_empty()
            && self.entries.is_empty()
            && self.removed_entries.is_empty()
            && self.grants.is_empty()
            && self.removed_grants.is_empty()
            && self.acts.is_empty()
            && self.points.is_empty()
            && self.removed_points.is_empty()
            && self.programs.is_empty()
            && self.journal.is_empty()
            && self.maintenance.is_empty()
            && self.removed_programs.is_empty()
            && self.alerts.is_empty()
            && self.violations.is_empty()
            && self.events.is_empty()
    }

    /// Takes later changes in, so that both can be written as one. Of events only so many of the newest are kept; how many
    /// had to go.
    pub fn merge(&mut self, later: Self, most_events: usize) -> u64 {
        let point = |point: &Point| (point.device, point.protocol, point.space, point.number, point.address);
        let key = |key: &PointKey| (key.device, key.protocol, key.space, key.number, key.address);
        // What was given up later must not come back with what was written before.
        let gone: HashSet<_> = later.removed_points.iter().map(key).collect();
        self.points.retain(|known| !gone.contains(&point(known)));
        replace(&mut self.points, later.points, point);
        self.removed_points.extend(later.removed_points);
        let gone: HashSet<_> = later.removed_devices.iter().copied().collect();
        self.devices.retain(|device| !gone.contains(&device.id));
        replace(&mut self.devices, later.devices, |device| device.id);
        self.removed_devices.extend(later.removed_devices);
        let gone: HashSet<_> = later.removed_entries.iter().copied().collect();
        self.entries.retain(|entry| !gone.contains(&entry.id));
        replace(&mut self.entries, later.entries, |entry| entry.id);
        self.removed_entries.extend(later.removed_entries);
        let gone: HashSet<_> = later.removed_grants.iter().copied().collect();
        self.grants.retain(|grant| !gone.contains(&(grant.entry, grant.act)));
        replace(&mut self.grants, later.grants, |grant| (grant.entry, grant.act));
        self.removed_grants.extend(later.removed_grants);
        let gone: HashSet<_> = later.removed_programs.iter().copied().collect();
        self.programs.retain(|program| !gone.contains(&program.number));
        replace(&mut self.programs, later.programs, |program| program.number);
        self.removed_programs.extend(later.removed_programs);
        replace(&mut self.journal, later.journal, |work| work.number);
        replace(&mut self.maintenance, later.maintenance, |window| window.number);
        replace(&mut self.alerts, later.alerts, |alert| alert.number);
        replace(&mut self.violations, later.violations, |row| (row.alert, row.number));
        self.acts.extend(later.acts);
        self.events.extend(later.events);
        self.state = later.state;
        let over = self.events.len().saturating_sub(most_events);
        self.events.drain(..over);
        u64::try_from(over).unwrap_or(u64::MAX)
    }
}

/// Puts rows in the place of those with the same key; the others come behind.
fn replace<T, K: Eq + Hash>(rows: &mut Vec<T>, later: Vec<T>, key: impl Fn(&T) -> K) {
    if later.is_empty() {
        return;
    }
    let new: HashSet<K> = later.iter().map(&key).collect();
    rows.retain(|row| !new.contains(&key(row)));
    rows.extend(later);
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sets the status of an alert. `New` reopens nothing that was learned or muted.
    SetStatus(Status),
    /// Allows what the alert holds, or wider, and closes it.
    Learn(Learn),
    /// Takes *learn* back: the entries are no longer allowed, the alert is new again.
    Unlearn,
    /// Closes the alert and silences its key without allowing anything.
    Mute,
    /// Takes *mute* back.
    Unmute,
    /// Adds a comment.
    Comment(String),
    /// Forgets what was learned of a device, or of all, and may let it learn anew.
    BaselineReset(Reset),
    /// Allows an entry, from an imported baseline.
    BaselineAllow(Box<Imported>),
    /// Takes an entry back: what people or traffic allowed of it ends.
    BaselineRemove(EntryId),
    /// Sets when an entry stops being allowed, or that it does not.
    BaselineExpire(EntryId, End),
    /// Takes back what an act did: a learning of alerts, an import, or that an entry was taken back or given an end.
    BaselineUndo(u64),
    /// Reads the files of rules anew: for the process that runs the engine, which alone knows them.
    RulesReload,
    /// Learns all for a span of packet time from the newest packet on, without forgetting anything; `None`: ends learning.
    LearningMode(Option<Nanos>),
    /// Sets what is said of a device.
    SetContext(DeviceId, Vec<Change>),
    /// Plans a maintenance window.
    MaintenanceAdd(Box<Plan>),
    /// Removes the maintenance window of this number.
    MaintenanceRemove(u32),
}

/// When an entry stops being allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a packet time.
    At(Timestamp),
    /// After a span of packet time from the newest packet on.
    After(Nanos),
    /// Not by time.
    Never,
}

/// What is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// Of which device; `None`: of all.
    pub device: Option<DeviceId>,
    /// For how long it learns anew, in packet time from the newest packet on.
    pub learn_for: Option<Nanos>,
}

/// How an alert is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learn {
    /// How much wider than what the alert holds.
    pub scope: Scope,
    /// For how long, in packet time from the newest packet on; `None`: for good.
    pub span: Option<Nanos>,
}

/// An entry of an imported baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// What it is about.
    pub key: EntryKey,
    /// Name of the function or operation.
    pub label: &'static str,
    /// Smallest and largest value (kind writer).
    pub values: Option<(f64, f64)>,
    /// Interval (kind rhythm).
    pub every: Option<Nanos>,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// The file it comes from.
    pub file: String,
}

impl Action {
    /// In words what was done.
    pub fn past(&self) -> &'static str {
        match self {
            Self::SetStatus(Status::New) => "new again",
            Self::SetStatus(Status::Active) => "active",
            Self::SetStatus(Status::Closed) => "closed",
            Self::Learn(_) => "learned and closed",
            Self::Unlearn => "unlearned",
            Self::Mute => "muted and closed",
            Self::Unmute => "unmuted",
            Self::Comment(_) => "commented",
            Self::BaselineReset(_) => "baseline forgotten",
            Self::BaselineAllow(_) => "allowed",
            Self::BaselineUndo(_) | Self::BaselineRemove(_) => "taken back",
            Self::BaselineExpire(..) => "end set",
            Self::MaintenanceAdd(_) => "planned",
            Self::MaintenanceRemove(_) => "removed",
            Self::LearningMode(_) => "mode changed",
            Self::RulesReload => "rules read anew",
            Self::SetContext(..) => "set",
        }
    }

    /// Stable id for the store: `status`, `learn` …
    pub fn id(&self) -> &'static str {
        match self {
            Self::SetStatus(_) => "status",
            Self::Learn(_) => "learn",
            Self::Unlearn => "unlearn",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Comment(_) => "comment",
            Self::BaselineReset(_) => "baseline-reset",
            Self::BaselineAllow(_) => "baseline-allow",
            Self::BaselineUndo(_) => "baseline-undo",
            Self::BaselineRemove(_) => "baseline-remove",
            Self::BaselineExpire(..) => "baseline-expire",
            Self::LearningMode(_) => "learning-mode",
            Self::RulesReload => "rules-reload",
            Self::SetContext(..) => "device-set",
            Self::MaintenanceAdd(_) => "maintenance-add",
            Self::MaintenanceRemove(_) => "maintenance-remove",
        }
    }
}

/// An action with who and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Number of the command in the store.
    pub id: u64,
    /// Number of the act that it is a part of: that of the first command asked for together with it.
    pub act: u64,
    /// Id of the alert it is about.
    pub alert: Option<String>,
    /// What is asked for.
    pub action: Action,
    /// Who asks.
    pub who: String,
    /// Why, in the person's words; may be empty.
    pub why: String,
    /// Wall time, nanoseconds since 1970.
    pub wall_time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(address: u32, max: f64) -> Point {
        Point {
            device: DeviceId(1),
            protocol: "modbus",
            space: "coils",
            number: None,
            address,
            first_seen: Timestamp(0),
            last_seen: Timestamp(0),
            min: None,
            max: Some(max),
            readers: Vec::new(),
            writers: Vec::new(),
            poll_interval: None,
        }
    }

    fn event(number: u64) -> Event {
        Event {
            number,
            time: Timestamp(0),
            kind: "sensor",
            source: None,
            destination: None,
            protocol: None,
            text: String::new(),
            frame: ot_protocol::FrameRef::default(),
            alert: None,
        }
    }

    #[test]
    fn later_rows_take_the_place_of_earlier_ones_and_what_is_given_up_stays_away() {
        let key = |address| PointKey { device: DeviceId(1), protocol: "modbus", space: "coils", number: None, address };
        let mut first = Changes {
            points: vec![point(1, 1.0), point(2, 1.0), point(3, 1.0)],
            events: (1..=3).map(event).collect(),
            ..Changes::default()
        };
        let later = Changes {
            points: vec![point(2, 5.0)],
            removed_points: vec![key(3)],
            events: (4..=5).map(event).collect(),
            state: State { last_event: 5, ..State::default() },
            ..Changes::default()
        };
        assert_eq!(first.merge(later, 4), 1);
        assert_eq!(first.points, [point(1, 1.0), point(2, 5.0)]);
        assert_eq!(first.removed_points, [key(3)]);
        assert_eq!(first.events.iter().map(|event| event.number).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(first.state.last_event, 5);
    }
}
