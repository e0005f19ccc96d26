//! Alerts: findings of detectors, folded by the catalogue's key.

use crate::catalogue::{AlertType, Part, Severity, Techniques};
use crate::config::EngineConfig;
use crate::maintenance::{MOST_SHARES, Share, Window};
use crate::model::{Alert, AlertKey, AlertViolation, DeviceId, EntryId, Peer, SensorAct, Status};
use crate::table::Dirty;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{FrameRef, Operation, Outcome, SubAddress, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Frames kept with an alert: the first ones, and then the newest.
const FIRST_FRAMES: usize = 20;
/// Rows of violations kept with an alert.
const VIOLATION_ROWS: u32 = 100;
/// Peers listed with an alert.
const LISTED_PEERS: usize = 10;
/// Rows of violations kept in all. The first row of an alert is always kept.
const ALL_ROWS: usize = 200_000;

/// What a detector found. The texts are asked for only where a new row is written.
pub struct Finding<'a> {
    /// Alert type.
    pub kind: &'static AlertType,
    /// Who did it.
    pub client: Option<Peer>,
    /// To whom.
    pub server: Option<Peer>,
    /// Table (address space), for types keyed by it.
    pub table: Option<&'static str>,
    /// Point, or number of the interface or of the rule, for types keyed by it, as in [`AlertKey::point`].
    pub point: Option<u64>,
    /// Packet time of the first and of the last violation.
    pub times: [Timestamp; 2],
    /// Frames that show it.
    pub frames: &'a [FrameRef],
    /// How many violations this stands for.
    pub count: u64,
    /// Protocol id.
    pub protocol: Option<&'static str>,
    /// Class of the operation, for techniques.
    pub operation: Option<Operation>,
    /// What became of the command.
    pub outcome: Option<Outcome>,
    /// Baseline entries that learning the alert would allow.
    pub entries: &'a [EntryId],
    /// Tells two violations of one alert apart: equal ones only count. Any number that follows from the parameters.
    pub row: u64,
    /// The texts.
    pub text: &'a dyn Fn() -> Text,
}

/// The texts of a finding.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// What happened, in words, with the values.
    pub description: String,
    /// Why it was noticed: baseline entry or rule.
    pub why: String,
    /// The protocol's function.
    pub function: String,
    /// What it addressed.
    pub object: String,
    /// Values.
    pub value: String,
    /// What is wrong with this one, one sentence.
    pub detail: String,
}

/// What a person made of an alert beside its status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// By which act it is learned, and until when.
    pub learned: Option<Learned>,
    /// Whether it is muted.
    pub muted: bool,
}

/// The act by which an alert is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Its number.
    pub act: u64,
    /// Packet time at which it ends.
    pub until: Option<Timestamp>,
}

/// Repetitions of a finding whose row is known.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// How many.
    pub count: u64,
    /// Packet time of the first and of the last.
    pub times: [Timestamp; 2],
    /// Frame of the last.
    pub frame: FrameRef,
    /// The maintenance window that covers them.
    pub window: Option<&'a Window>,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// A new alert was opened: its number.
    Opened(u32),
    /// An open alert was updated.
    Updated(u32),
    /// The type is off, the key is muted or learned, or nothing OT takes part.
    Silent,
}

/// The table of alerts.
#[derive(Debug, Default)]
pub struct Alerts {
    alerts: BTreeMap<u32, Alert>,
    ids: HashMap<Box<str>, u32, FixedState>,
    current: HashMap<AlertKey, u32, FixedState>,
    openings: HashMap<AlertKey, u32, FixedState>,
    rows: BTreeMap<(u32, u64), u32>,
    violations: BTreeMap<(u32, u32), AlertViolation>,
    open_of_type: HashMap<&'static str, u32, FixedState>,
    dirty: Dirty,
    dirty_violations: Vec<(u32, u32)>,
    /// What was given up with changes that nobody took yet.
    leaving: (Vec<Alert>, Vec<AlertViolation>),
    /// Learned alerts by the end of it.
    ending: BTreeSet<(Timestamp, u32)>,
    acts: Vec<SensorAct>,
    last: u32,
    generation: u64,
    /// Findings that were silenced because their key is muted or learned.
    pub silenced: u64,
    /// Findings that went into a flood alert because too many alerts of their type are open.
    pub flooded: u64,
    /// Alerts closed because they did not recur.
    pub closed_by_age: u64,
    /// Alerts given up in memory (they stay in the store).
    pub evicted: u64,
    /// Violations that have no row of their own because too many are kept; their alerts counted them.
    pub without_row: u64,
}

impl Alerts {
    /// Starts from stored alerts. Violations of earlier runs stay in the store and are not loaded.
    pub fn load(alerts: Vec<Alert>, openings: Vec<(AlertKey, u32)>, last: u32) -> Self {
        let mut table = Self { last, ..Self::default() };
        table.openings.extend(openings);
        for alert in alerts {
            let opening = table.openings.entry(alert.key.clone()).or_default();
            *opening = (*opening).max(alert.opening);
            table.last = table.last.max(alert.number);
            // What is open answers to the key before what was learned with an earlier alert.
            if alert.status != Status::Closed {
                table.current.insert(alert.key.clone(), alert.number);
            } else if alert.muted || alert.learned {
                table.current.entry(alert.key.clone()).or_insert(alert.number);
            }
            if alert.status != Status::Closed {
                *table.open_of_type.entry(alert.kind.id).or_default() += 1;
            }
            table.ids.insert(alert.id.as_str().into(), alert.number);
            if let Some(end) = alert.learned_until {
                table.ending.insert((end, alert.number));
            }
            table.alerts.insert(alert.number, alert);
        }
        table
    }

    /// Takes a finding: updates the open alert with its key or opens one.
    ///
    /// With it, the row of the alert that holds the finding, where there is one: for [`Alerts::repeat`].
    /// `window`: the maintenance window that covers it. `taken_back`: whether it departs from an entry that is no longer
    /// allowed because a person said so; then no alert that was learned earlier keeps it silent.
    pub fn raise(
        &mut self,
        config: &EngineConfig,
        finding: &Finding<'_>,
        window: Option<&Window>,
        taken_back: bool,
    ) -> (Raised, Option<u32>) {
        let mut key = key_of(config, finding);
        match self.current.get(&key) {
            // What a person did not learn with the alert is told by an alert of its own.
            Some(&number)
                if self.alerts.contains_key(&number)
                    && !self.goes_beyond(number, finding, taken_back)
                    && !self.is_over(number, finding.times[0]) =>
            {
                return self.update(number, finding, window);
            }
            // Or it left memory under another key.
            Some(_) => drop(self.current.remove(&key)),
            None => {}
        }
        let open = self.open_of_type.get(finding.kind.id).copied().unwrap_or(0);
        if open as usize >= config.limits.alerts_of_a_type {
            self.flooded += finding.count;
            key = AlertKey { kind: finding.kind.id, client: None, server: None, table: None, point: None };
            if let Some(&number) = self.current.get(&key) {
                return self.update(number, finding, window);
            }
        }
        self.open(config, key, finding, window)
    }

    /// Whether a learned alert does not hold what the finding would have a person allow.
    fn goes_beyond(&self, number: u32, finding: &Finding<'_>, taken_back: bool) -> bool {
        self.alerts.get(&number).is_some_and(|alert| {
            alert.learned
                && alert.status == Status::Closed
                && !alert.muted
                && (taken_back || !finding.entries.iter().all(|entry| alert.entries.contains(entry)))
        })
    }

    /// Whether the time is over for which an alert was learned.
    fn is_over(&self, number: u32, time: Timestamp) -> bool {
        self.alerts.get(&number).is_some_and(|alert| {
            alert.learned
                && alert.status == Status::Closed
                && !alert.muted
                && alert.learned_until.is_some_and(|end| end <= time)
        })
    }

    /// Counts a finding that is not told because a person allowed all that it departs from.
    pub fn silence(&mut self, count: u64) {
        self.silenced += count;
    }

    fn open(
        &mut self,
        config: &EngineConfig,
        key: AlertKey,
        finding: &Finding<'_>,
        window: Option<&Window>,
    ) -> (Raised, Option<u32>) {
        if self.alerts.len() >= config.limits.alerts {
            self.evict();
        }
        self.last += 1;
        let number = self.last;
        let opening = self.openings.entry(key.clone()).or_default();
        *opening += 1;
        let opening = *opening;
        let text = (finding.text)();
        let techniques = match finding.kind.techniques {
            Techniques::Fixed(ids) => ids.to_vec(),
            Techniques::ByOperation => finding.kind.techniques.of(finding.operation.map(Operation::as_str)).to_vec(),
            Techniques::ByRule(_) => Vec::new(),
        };
        let alert = Alert {
            number,
            id: alert_id(&config.sensor_id, &key, finding.times[0], opening),
            kind: finding.kind,
            key: key.clone(),
            opening,
            severity: config.severity(finding.kind),
            status: Status::New,
            learned: false,
            learned_act: 0,
            learned_until: None,
            muted: false,
            closed: None,
            first_detection: finding.times[0],
            last_detection: finding.times[1],
            count: 0,
            expected: 0,
            shares: Vec::new(),
            protocol: finding.protocol,
            outcome: finding.outcome,
            sources: Vec::new(),
            source_count: 0,
            destinations: Vec::new(),
            destination_count: 0,
            techniques,
            description: text.description,
            why: text.why,
            entries: Vec::new(),
            frames: Vec::new(),
            violation_count: 0,
        };
        self.ids.insert(alert.id.as_str().into(), number);
        self.alerts.insert(number, alert);
        self.current.insert(key, number);
        *self.open_of_type.entry(finding.kind.id).or_default() += 1;
        let (_, row) = self.update(number, finding, window);
        (Raised::Opened(number), row)
    }

    /// Adds the techniques of a rule that an alert tells of.
    pub fn add_techniques(&mut self, number: u32, techniques: &[&'static str]) {
        let Some(alert) = self.alerts.get_mut(&number) else { return };
        for &id in techniques {
            if !alert.techniques.contains(&id) {
                alert.techniques.push(id);
                self.dirty.mark(number);
            }
        }
    }

    /// Puts another description in the place of an alert's.
    pub fn retell(&mut self, number: u32, description: String) {
        if let Some(alert) = self.alerts.get_mut(&number) {
            alert.description = description;
            self.dirty.mark(number);
        }
    }

    /// Gives an alert the severity and the techniques that a rule of a person names.
    pub(crate) fn rate(&mut self, number: u32, severity: Severity, techniques: &[&'static str]) {
        if let Some(alert) = self.alerts.get_mut(&number)
            && (alert.severity, alert.techniques.as_slice()) != (severity, techniques)
        {
            alert.severity = severity;
            alert.techniques = techniques.to_vec();
            self.dirty.mark(number);
        }
    }

    /// Counts repetitions of a finding whose row is known. Silent where the alert was muted or learned meanwhile.
    pub fn repeat(&mut self, number: u32, row: u32, again: &Again<'_>) {
        let &Again { count, times, frame, window } = again;
        let last = times[1];
        let Some(alert) = self.alerts.get_mut(&number) else { return };
        if alert.status == Status::Closed {
            self.silenced += count;
            return;
        }
        count_in(alert, count, times, window, &mut self.acts);
        alert.last_detection = alert.last_detection.max(last);
        add_frame(&mut alert.frames, frame);
        self.dirty.mark(number);
        if let Some(violation) = self.violations.get_mut(&(number, row)) {
            violation.count += count;
            violation.expected += window.map_or(0, |_| count);
            violation.last_seen = violation.last_seen.max(last);
            self.dirty_violations.push((number, row));
        }
    }

    fn update(&mut self, number: u32, finding: &Finding<'_>, window: Option<&Window>) -> (Raised, Option<u32>) {
        let Some(alert) = self.alerts.get_mut(&number) else { return (Raised::Silent, None) };
        if alert.muted || (alert.learned && alert.status == Status::Closed) {
            self.silenced += finding.count;
            return (Raised::Silent, None);
        }
        count_in(alert, finding.count, finding.times, window, &mut self.acts);
        alert.first_detection = alert.first_detection.min(finding.times[0]);
        alert.last_detection = alert.last_detection.max(finding.times[1]);
        if alert.count == finding.count {
            alert.outcome = finding.outcome;
        } else if alert.outcome != finding.outcome && worth(finding.outcome) >= worth(alert.outcome) {
            // The story is told of what was done rather than of what was tried.
            if worth(finding.outcome) > worth(alert.outcome) {
                let text = (finding.text)();
                alert.description = text.description;
                alert.why = text.why;
            }
            alert.outcome = finding.outcome;
        }
        add_peer(&mut alert.sources, &mut alert.source_count, finding.client.as_ref());
        add_peer(&mut alert.destinations, &mut alert.destination_count, finding.server.as_ref());
        for &entry in finding.entries {
            if !alert.entries.contains(&entry) && alert.entries.len() < 1_000 {
                alert.entries.push(entry);
            }
        }
        if matches!(finding.kind.techniques, Techniques::ByOperation) {
            for &id in finding.kind.techniques.of(finding.operation.map(Operation::as_str)) {
                if !alert.techniques.contains(&id) {
                    alert.techniques.push(id);
                }
            }
        }
        for &frame in finding.frames {
            add_frame(&mut alert.frames, frame);
        }
        self.dirty.mark(number);
        let row = self.add_row(number, finding, window.is_some());
        (Raised::Updated(number), row)
    }

    /// The row of a finding; past the rows kept, the alert only counts.
    fn add_row(&mut self, number: u32, finding: &Finding<'_>, expected: bool) -> Option<u32> {
        let expected = if expected { finding.count } else { 0 };
        let alert = self.alerts.get_mut(&number)?;
        if let Some(&row) = self.rows.get(&(number, finding.row)) {
            if let Some(violation) = self.violations.get_mut(&(number, row)) {
                violation.count += finding.count;
                violation.expected += expected;
                violation.last_seen = violation.last_seen.max(finding.times[1]);
                self.dirty_violations.push((number, row));
            }
            return Some(row);
        }
        if alert.violation_count >= VIOLATION_ROWS || (alert.violation_count > 0 && self.violations.len() >= ALL_ROWS) {
            self.without_row += finding.count;
            alert.violation_count = alert.violation_count.saturating_add(1);
            return Some(0);
        }
        alert.violation_count += 1;
        let row = alert.violation_count;
        let text = (finding.text)();
        let violation = AlertViolation {
            alert: number,
            number: row,
            first_seen: finding.times[0],
            last_seen: finding.times[1],
            count: finding.count,
            expected,
            frame: finding.frames.iter().copied().find(|frame| frame.number() > 0).unwrap_or_default(),
            function: text.function,
            object: text.object,
            value: text.value,
            outcome: finding.outcome,
            detail: text.detail,
            entries: finding.entries.to_vec(),
        };
        self.rows.insert((number, finding.row), row);
        self.violations.insert((number, row), violation);
        self.dirty_violations.push((number, row));
        Some(row)
    }

    /// An alert by number.
    pub fn get(&self, number: u32) -> Option<&Alert> {
        self.alerts.get(&number)
    }

    /// An alert by id.
    pub fn by_id(&self, id: &str) -> Option<&Alert> {
        self.ids.get(id).and_then(|number| self.alerts.get(number))
    }

    /// Takes back an alert that left memory. It does not answer to its key while another does.
    pub fn recall(&mut self, alert: Alert) {
        let open = alert.status != Status::Closed;
        if self.alerts.contains_key(&alert.number) {
            return;
        }
        if open || alert.muted || alert.learned {
            self.current.entry(alert.key.clone()).or_insert(alert.number);
        }
        if open {
            *self.open_of_type.entry(alert.kind.id).or_default() += 1;
        }
        self.ids.insert(alert.id.as_str().into(), alert.number);
        if let Some(end) = alert.learned_until {
            self.ending.insert((end, alert.number));
        }
        self.alerts.insert(alert.number, alert);
    }

    /// The alert that now answers to a key.
    pub fn current(&self, key: &AlertKey) -> Option<&Alert> {
        self.current.get(key).and_then(|number| self.alerts.get(number))
    }

    /// Changes status and marks.
    pub fn set(&mut self, number: u32, status: Status, marks: Marks, now: Timestamp) {
        let Some(alert) = self.alerts.get_mut(&number) else { return };
        let was_open = alert.status != Status::Closed;
        let is_open = status != Status::Closed;
        self.generation += 1;
        if let Some(end) = alert.learned_until {
            self.ending.remove(&(end, number));
        }
        let Marks { learned, muted } = marks;
        alert.status = status;
        alert.learned = learned.is_some();
        alert.learned_act = learned.map_or(0, |learned| learned.act);
        alert.learned_until = learned.and_then(|learned| learned.until);
        alert.muted = muted;
        alert.closed = if is_open { None } else { alert.closed.or(Some(now)) };
        if let Some(end) = alert.learned_until {
            self.ending.insert((end, number));
        }
        let open = self.open_of_type.entry(alert.kind.id).or_default();
        match (was_open, is_open) {
            (true, false) => *open = open.saturating_sub(1),
            (false, true) => *open += 1,
            _ => {}
        }
        if is_open || alert.learned || muted {
            self.current.insert(alert.key.clone(), number);
        } else if self.current.get(&alert.key) == Some(&number) {
            self.current.remove(&alert.key);
        }
        self.dirty.mark(number);
    }

    /// Alerts that an act learned, in order of number.
    pub fn learned_by(&self, act: u64) -> Vec<u32> {
        let learned = self.alerts.values().filter(|alert| alert.learned && alert.learned_act == act);
        learned.map(|alert| alert.number).collect()
    }

    /// Ends learnings whose time is over: the alert stays closed, and the same traffic opens a new one.
    pub fn end_learning(&mut self, now: Timestamp) {
        while let Some(&(end, number)) = self.ending.first().filter(|(end, _)| *end <= now) {
            self.ending.pop_first();
            let Some(alert) = self.alerts.get(&number) else { continue };
            let (status, muted) = (alert.status, alert.muted);
            self.set(number, status, Marks { learned: None, muted }, now);
            self.acts.push(SensorAct {
                alert: number,
                time: end,
                action: "learning-ended",
                why: "the time is over for which it was learned: the same traffic is told again".to_owned(),
            });
        }
    }

    /// Closes open alerts that did not recur since a time.
    pub fn close_silent(&mut self, before: Timestamp, why: &str, now: Timestamp) {
        let silent =
            self.alerts.values().filter(|alert| alert.status != Status::Closed && alert.last_detection < before);
        let numbers: Vec<u32> = silent.map(|alert| alert.number).collect();
        for number in numbers {
            let muted = self.alerts.get(&number).is_some_and(|alert| alert.muted);
            self.set(number, Status::Closed, Marks { learned: None, muted }, now);
            self.acts.push(SensorAct { alert: number, time: now, action: "close", why: why.to_owned() });
            self.closed_by_age += 1;
        }
    }

    /// Forgets closed alerts that were closed before a time and keep nothing silent.
    pub fn forget_closed(&mut self, before: Timestamp) {
        let old = self.alerts.values().filter(|alert| {
            alert.status == Status::Closed
                && !alert.learned
                && !alert.muted
                && alert.closed.is_some_and(|time| time < before)
        });
        let numbers: Vec<u32> = old.map(|alert| alert.number).collect();
        for number in numbers {
            self.drop_alert(number);
        }
    }

    /// Takes an alert out of memory, with its rows.
    fn drop_alert(&mut self, number: u32) -> Option<(Alert, Vec<AlertViolation>)> {
        let alert = self.alerts.remove(&number)?;
        self.ids.remove(alert.id.as_str());
        if self.current.get(&alert.key) == Some(&number) {
            self.current.remove(&alert.key);
        }
        if let Some(end) = alert.learned_until {
            self.ending.remove(&(end, number));
        }
        let rows: Vec<_> = self.rows.range((number, 0)..=(number, u64::MAX)).map(|(row, _)| *row).collect();
        for row in &rows {
            self.rows.remove(row);
        }
        let gone: Vec<_> = self.violations.range((number, 0)..=(number, u32::MAX)).map(|(row, _)| *row).collect();
        let violations = gone.iter().filter_map(|row| self.violations.remove(row)).collect();
        if alert.status != Status::Closed
            && let Some(open) = self.open_of_type.get_mut(alert.kind.id)
        {
            *open = open.saturating_sub(1);
        }
        Some((alert, violations))
    }

    /// What the sensor did to alerts since the last call, in order.
    pub fn take_acts(&mut self) -> Vec<SensorAct> {
        std::mem::take(&mut self.acts)
    }

    /// Raised by each change that a person made.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Number of alerts opened so far.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Puts another device in the place of one that was merged into it, for keys to come.
    pub fn merge_device(&mut self, from: DeviceId, into: DeviceId) {
        let mut moved: Vec<(AlertKey, u32)> = self
            .current
            .iter()
            .filter(|(key, _)| [&key.client, &key.server].into_iter().flatten().any(|peer| peer.device == Some(from)))
            .map(|(key, &number)| (key.clone(), number))
            .collect();
        moved.sort_unstable_by_key(|(_, number)| *number);
        for (key, number) in moved {
            self.current.remove(&key);
            let mut renamed = key;
            for peer in [&mut renamed.client, &mut renamed.server].into_iter().flatten() {
                if peer.device == Some(from) {
                    peer.device = Some(into);
                }
            }
            if self.current.contains_key(&renamed) {
                continue;
            }
            self.current.insert(renamed.clone(), number);
            // The store must find it under its new key as well.
            let Some(alert) = self.alerts.get_mut(&number) else { continue };
            for list in [&mut alert.sources, &mut alert.destinations] {
                if list.iter().all(|peer| peer.device != Some(into)) {
                    list.iter_mut().filter(|peer| peer.device == Some(from)).for_each(|peer| peer.device = Some(into));
                }
            }
            let opening = self.openings.entry(renamed.clone()).or_default();
            *opening = (*opening).max(alert.opening);
            alert.key = renamed;
            self.dirty.mark(number);
        }
    }

    fn evict(&mut self) {
        // The alert that was silent for longest and is least severe among the first ones in order leaves memory.
        let victim = self
            .alerts
            .values()
            .take(64)
            .min_by_key(|alert| (alert.severity, alert.last_detection, alert.number))
            .map(|alert| alert.number);
        if let Some((alert, violations)) = victim.and_then(|number| self.drop_alert(number)) {
            self.evicted += 1;
            self.leaving.1.extend(violations);
            self.leaving.0.push(alert);
        }
    }

    /// Whether an alert or a violation has changed since the changes were last taken.
    pub fn has_changes(&self) -> bool {
        !self.dirty.is_empty() || !self.dirty_violations.is_empty() || !self.leaving.0.is_empty()
    }

    /// Changed alerts and violations, each once, in order.
    pub fn take_changes(&mut self) -> (Vec<Alert>, Vec<AlertViolation>) {
        let (mut alerts, gone) = std::mem::take(&mut self.leaving);
        alerts.extend(self.dirty.take().into_iter().filter_map(|number| self.alerts.get(&number).cloned()));
        alerts.sort_by_key(|alert| alert.number);
        let mut rows = std::mem::take(&mut self.dirty_violations);
        rows.sort_unstable();
        rows.dedup();
        let kept = rows.into_iter().filter_map(|row| self.violations.get(&row).cloned());
        let violations = gone.into_iter().chain(kept).collect();
        (alerts, violations)
    }
}

/// Counts detections of an alert; where a maintenance window covers them, they are expected. The alert as a whole is expected
/// only while all of its detections are.
fn count_in(alert: &mut Alert, count: u64, times: [Timestamp; 2], window: Option<&Window>, acts: &mut Vec<SensorAct>) {
    let was_expected = alert.is_expected();
    alert.count += count;
    let Some(window) = window else {
        if was_expected && !alert.is_expected() {
            acts.push(SensorAct {
                alert: alert.number,
                time: times[1],
                action: "not-expected",
                why: "detected outside what is planned: the alert is no longer wholly expected".to_owned(),
            });
        }
        return;
    };
    alert.expected += count;
    if let Some(share) = alert.shares.iter_mut().find(|share| share.window == window.number) {
        share.count += count;
    } else if alert.shares.len() < MOST_SHARES {
        alert.shares.push(Share { window: window.number, count });
        acts.push(SensorAct {
            alert: alert.number,
            time: times[0],
            action: "expected",
            why: format!("detected within {}", window.title()),
        });
    }
}

/// Which outcome says more of a command: done, then refused, then not answered.
fn worth(outcome: Option<Outcome>) -> u8 {
    match outcome {
        None => 0,
        Some(Outcome::Pending) => 1,
        Some(Outcome::Unanswered) => 2,
        Some(Outcome::Rejected(..)) => 3,
        Some(Outcome::Ok) => 4,
    }
}

/// Keeps the first frames, and the newest one behind them.
fn add_frame(frames: &mut Vec<FrameRef>, frame: FrameRef) {
    if frame.number() == 0 || frames.contains(&frame) {
        return;
    }
    frames.truncate(FIRST_FRAMES);
    frames.push(frame);
}

fn add_peer(list: &mut Vec<Peer>, count: &mut u32, peer: Option<&Peer>) {
    let Some(peer) = peer else { return };
    if list.iter().any(|known| same_peer(known, peer)) {
        return;
    }
    if list.len() < LISTED_PEERS {
        list.push(peer.clone());
        *count += 1;
    } else {
        // Not listed: counted as one more, although a peer beyond the list may be counted again.
        *count = count.saturating_add(1);
    }
}

fn same_peer(a: &Peer, b: &Peer) -> bool {
    match (a.device, b.device) {
        (Some(a), Some(b)) => a == b,
        _ => a.ip == b.ip && a.sub == b.sub && (a.ip.is_some() || a.mac == b.mac),
    }
}

/// A peer as it stands in a key: the device, or the address of what is no device.
fn keyed(peer: &Peer) -> Peer {
    match peer.device {
        Some(device) => Peer { device: Some(device), ip: None, mac: None, sub: SubAddress::None },
        None => Peer { device: None, mac: if peer.ip.is_some() { None } else { peer.mac }, ..peer.clone() },
    }
}

fn key_of(config: &EngineConfig, finding: &Finding<'_>) -> AlertKey {
    let parts = config.aggregate_by(finding.kind);
    let by = |part| parts.contains(part);
    // Without a key each device that the alert is about has its own.
    let own = parts.is_empty();
    AlertKey {
        kind: finding.kind.id,
        client: (own || by(Part::Client)).then(|| finding.client.as_ref().map(keyed)).flatten(),
        server: (own || by(Part::Server)).then(|| finding.server.as_ref().map(keyed)).flatten(),
        table: by(Part::Table).then_some(finding.table).flatten(),
        point: (by(Part::Point) || by(Part::Interface) || by(Part::Rule)).then_some(finding.point).flatten(),
    }
}

fn alert_id(sensor: &str, key: &AlertKey, first: Timestamp, opening: u32) -> String {
    let mut text = format!("{sensor}\n{}\n", key.kind);
    for peer in [&key.client, &key.server] {
        match peer {
            None => text.push_str("-\n"),
            Some(Peer { device: Some(device), .. }) => {
                let _ = writeln!(text, "device {}", device.0);
            }
            Some(Peer { ip, mac, sub, .. }) => {
                let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
                let mac = mac.map(|mac| mac.to_string()).unwrap_or_default();
                let _ = writeln!(text, "address {ip} {mac} {sub}");
            }
        }
    }
    let _ =
        write!(text, "{}\n{}\n{}\n{}", key.table.unwrap_or("-"), key.point.map_or(-1, i128::from), first.0, opening);
    Sha256::digest(text.as_bytes()).iter().take(16).fold(String::with_capacity(32), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn raise(alerts: &mut Alerts, config: &EngineConfig, device: u32) -> Raised {
        let peer = Peer { device: Some(DeviceId(device)), ip: None, mac: None, sub: SubAddress::None };
        let finding = Finding {
            kind: catalogue::DEVICE_NOT_LEARNED,
            client: Some(peer),
            server: None,
            table: None,
            point: None,
            times: [Timestamp::new(i64::from(device), 0); 2],
            frames: &[FrameRef::new(0_u16, 1)],
            count: 1,
            protocol: None,
            operation: None,
            outcome: None,
            entries: &[],
            row: 0,
            text: &Text::default,
        };
        alerts.raise(config, &finding, None, false).0
    }

    #[test]
    fn what_leaves_memory_between_two_commits_is_committed() {
        let mut config = EngineConfig::default();
        config.limits.alerts = 2;
        let mut alerts = Alerts::default();
        for device in 1..=5 {
            assert_eq!(raise(&mut alerts, &config, device), Raised::Opened(device));
        }
        assert_eq!((alerts.alerts.len(), alerts.violations.len(), alerts.rows.len(), alerts.evicted), (2, 2, 2, 3));
        let (changed, rows) = alerts.take_changes();
        assert_eq!(changed.iter().map(|alert| alert.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(rows.len(), 5);
        let (changed, rows) = alerts.take_changes();
        assert!(changed.is_empty() && rows.is_empty());
    }

    #[test]
    fn a_merged_device_keeps_its_alert() {
        let config = EngineConfig::default();
        let mut alerts = Alerts::default();
        raise(&mut alerts, &config, 7);
        alerts.take_changes();
        alerts.merge_device(DeviceId(7), DeviceId(3));
        let (changed, _) = alerts.take_changes();
        let key = changed[0].key.client.as_ref().and_then(|peer| peer.device);
        assert_eq!((key, changed[0].sources[0].device), (Some(DeviceId(3)), Some(DeviceId(3))));
        assert_eq!(raise(&mut alerts, &config, 3), Raised::Updated(1));
    }
}
