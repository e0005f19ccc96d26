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
    /// Takes back what an act allowed: a learning of alerts, or an import.
    BaselineUndo(u64),
    /// Reads the files of rules anew: for the process that runs the engine, which alone knows them.
    RulesReload,
    /// Sets what is said of a device.
    SetContext(DeviceId, Vec<Change>),
    /// Plans a maintenance window.
    MaintenanceAdd(Box<Plan>),
    /// Removes the maintenance window of this number.
    MaintenanceRemove(u32),
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
