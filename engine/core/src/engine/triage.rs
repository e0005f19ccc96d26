//! What people ask of the engine: status, learning, muting, and taking it back.

use super::Engine;
use crate::alerts::{Learned, Marks};
use crate::baseline::MOST_WIDE;
use crate::catalogue::AlertType;
use crate::changes::{Action, Command, End, Imported, Learn, Reset};
use crate::learning::DeviceLearning;
use crate::model::{DeviceId, Effect, EntryId, EntryKey, EntryKind, Event, Grant, Origin, Scope, Status};
use ot_protocol::{FrameRef, Intervals, Nanos, Timestamp};

/// Intervals that an imported rhythm counts for.
const IMPORTED_INTERVALS: u32 = 100;

impl Engine {
    /// Does what a person asks for.
    ///
    /// # Errors
    /// In words for the person, where it cannot be done.
    pub fn command(&mut self, command: &Command) -> Result<String, String> {
        let now = self.core.now();
        match &command.action {
            Action::BaselineReset(reset) => return self.reset(*reset, now),
            Action::BaselineAllow(imported) => return self.import(command, imported, now),
            Action::BaselineUndo(act) => return self.undo(&command.who, *act, now),
            Action::BaselineRemove(entry) => return self.take_back(command, *entry, now),
            Action::BaselineExpire(entry, end) => return self.set_end(command, *entry, *end, now),
            Action::RulesReload => return Ok(String::new()),
            Action::LearningMode(span) => return self.set_mode(&command.who, *span, now),
            Action::MaintenanceAdd(plan) => return self.plan(command, plan, now),
            Action::MaintenanceRemove(number) => return self.unplan(command, *number, now),
            Action::SetContext(id, changes) => {
                let core = &mut self.core;
                core.inventory.set_context(*id, changes, &command.who, &core.config)?;
                return Ok(format!("{} set", if changes.len() == 1 { "value" } else { "values" }));
            }
            _ => {}
        }
        let id = command.alert.as_deref().unwrap_or_default();
        let alert = self.core.alerts.by_id(id).ok_or_else(|| {
            format!("there is no alert {id} that is open, learned or muted; a closed alert stays as it is")
        })?;
        let (number, muted) = (alert.number, alert.muted);
        let learned = alert.learned.then_some(Learned { act: alert.learned_act, until: alert.learned_until });
        let kind = alert.kind;
        match &command.action {
            Action::SetStatus(wanted) => {
                let mut answer = format!("status is {}", wanted.as_str());
                // Who opens an alert again no longer takes for normal what it told: nothing stays allowed unseen.
                if *wanted != Status::Closed && learned.is_some() {
                    answer = format!("{answer}, what was learned is taken back: {}", self.unlearn(number, now));
                    self.core.alerts.set(number, *wanted, Marks { learned: None, muted }, now);
                } else {
                    self.core.alerts.set(number, *wanted, Marks { learned, muted }, now);
                }
                Ok(answer)
            }
            Action::Learn(learn) => {
                if !kind.learnable {
                    return Err(format!(
                        "an alert of type {} cannot be learned: what it tells of is never normal; mute or close it",
                        kind.id
                    ));
                }
                self.learn(command, number, *learn, now)
            }
            Action::Unlearn => {
                if learned.is_none() && self.core.baseline.grants_of_alert(number).next().is_none() {
                    return Err("the alert was not learned".to_owned());
                }
                Ok(self.unlearn(number, now))
            }
            Action::Mute => {
                self.core.alerts.set(number, Status::Closed, Marks { learned, muted: true }, now);
                Ok("muted: the same will not be told again until unmuted".to_owned())
            }
            Action::Unmute => {
                if !muted {
                    return Err("the alert was not muted".to_owned());
                }
                self.core.alerts.set(number, Status::New, Marks { learned, muted: false }, now);
                Ok("unmuted: alert is new again".to_owned())
            }
            Action::Comment(_) => Ok("comment added".to_owned()),
            Action::BaselineReset(_)
            | Action::BaselineAllow(_)
            | Action::BaselineUndo(_)
            | Action::BaselineRemove(_)
            | Action::BaselineExpire(..)
            | Action::RulesReload
            | Action::LearningMode(_)
            | Action::SetContext(..)
            | Action::MaintenanceAdd(_)
            | Action::MaintenanceRemove(_) => Ok(String::new()),
        }
    }

    /// Forgets what was learned of a device, or of all.
    fn reset(&mut self, reset: Reset, now: Timestamp) -> Result<String, String> {
        let Reset { device, learn_for } = reset;
        if let Some(id) = device
            && self.core.inventory.get(id).is_none()
        {
            return Err(format!("there is no device {}", id.0));
        }
        let before = self.core.baseline.len();
        self.core.baseline.remove(device);
        let gone = before - self.core.baseline.len();
        let ids: Vec<DeviceId> = match device {
            Some(id) => vec![id],
            None => self.core.inventory.iter().map(|device| device.id).collect(),
        };
        for id in ids {
            self.core.inventory.set_learned(id, false);
        }
        let mut answer = format!("{gone} baseline entries removed");
        if let Some(until) = learn_for.map(|span| now.plus(span)) {
            match device {
                Some(id) => {
                    self.core.baseline.learners.start(id, DeviceLearning { until, whole: true });
                }
                None => {
                    self.core.state.learning = true;
                    self.core.state.learning_since = Some(now);
                    self.core.state.learning_until = Some(until);
                }
            }
            answer.push_str(&format!(", learning until {}", crate::words::time(until)));
        }
        Ok(answer)
    }

    /// Learns all for a span of packet time, or ends learning.
    fn set_mode(&mut self, who: &str, span: Option<Nanos>, now: Timestamp) -> Result<String, String> {
        let learns = self.core.learning_at(now);
        let (kind, text) = match span {
            Some(span) => {
                let until = now.plus(span.max(0));
                let state = &mut self.core.state;
                (state.learning, state.learning_until) = (true, Some(until));
                if !learns {
                    state.learning_since = Some(now);
                }
                ("learning-began", format!("learning until {}", crate::words::time(until)))
            }
            None if !learns => return Err("it does not learn; there is nothing to end".to_owned()),
            None => {
                let state = &mut self.core.state;
                (state.learning, state.learning_until) = (false, Some(now));
                // What was silent while all was learned is looked at again.
                self.core.baseline.look_again();
                ("learning-ended", "operational: what the baseline does not hold is told".to_owned())
            }
        };
        self.core.event(Event {
            number: 0,
            time: now,
            kind,
            source: None,
            destination: None,
            protocol: None,
            text: format!("{who} changed the mode: {text}"),
            frame: FrameRef::default(),
            alert: None,
        });
        Ok(text)
    }

    /// Allows what an alert holds, or wider, and closes it.
    fn learn(&mut self, command: &Command, number: u32, learn: Learn, now: Timestamp) -> Result<String, String> {
        let Some(alert) = self.core.alerts.get(number) else { return Err("the alert is gone".to_owned()) };
        let (kind, muted, held) = (alert.kind, alert.muted, alert.entries.clone());
        let earlier = alert.learned.then_some(Learned { act: alert.learned_act, until: alert.learned_until });
        let until = learn.span.map(|span| now.plus(span));
        let mut entries: Vec<EntryId> = held.into_iter().filter(|&id| self.core.baseline.get(id).is_some()).collect();
        let mut wide = 0_usize;
        if learn.scope != Scope::Exact {
            let keys = self.widened(&entries, learn.scope)?;
            let new = keys.iter().filter(|(key, ..)| self.core.baseline.find(key).is_none()).count();
            if self.core.baseline.wide_len() + new > MOST_WIDE {
                return Err(format!(
                    "the baseline would hold more than {MOST_WIDE} entries that are wider than exact; take back some of them"
                ));
            }
            for (key, label, values) in keys {
                entries.push(self.core.baseline.entry_for(key, label, values));
                wide += 1;
            }
        }
        for &entry in &entries {
            self.core.baseline.grant(Grant {
                entry,
                act: command.act,
                alert: number,
                kind: kind.id,
                origin: Origin::Person(command.who.clone()),
                time: now,
                until,
                effect: Effect::Adds,
            });
        }
        self.mark_devices(&entries);
        // What an earlier act allows stands as well: the alert stays learned for as long as the longer of them.
        let earlier = earlier.filter(|earlier| match (earlier.until, until) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(earlier), Some(until)) => earlier > until,
        });
        let learned = Some(earlier.unwrap_or(Learned { act: command.act, until }));
        self.core.alerts.set(number, Status::Closed, Marks { learned, muted }, now);
        let mut answer = match entries.len() - wide {
            0 => "allows what the alert names".to_owned(),
            1 => "1 baseline entry allowed".to_owned(),
            n => format!("{n} baseline entries allowed"),
        };
        if wide > 0 {
            answer.push_str(&format!(", {wide} of scope {}", learn.scope.as_str()));
        }
        if let Some(end) = until {
            answer.push_str(&format!(", until {}", crate::words::time(end)));
        }
        Ok(answer)
    }

    /// The wider keys of entries, each once, with names and values.
    fn widened(&self, entries: &[EntryId], scope: Scope) -> Result<Vec<Wide>, String> {
        let mut keys: Vec<Wide> = Vec::new();
        for &id in entries {
            let Some(entry) = self.core.baseline.get(id) else { continue };
            let network = match scope {
                Scope::Subnet => entry.key.subject().and_then(|device| self.core.inventory.network_of(device)),
                _ => None,
            };
            let Some(key) = entry.key.widened(scope, network) else { continue };
            let label = if scope == Scope::Pair { "" } else { entry.label };
            let values =
                entry.min.zip(entry.max).filter(|_| entry.key.kind == EntryKind::Writer && scope != Scope::Pair);
            match keys.iter_mut().find(|(known, ..)| *known == key) {
                Some((_, _, Some((min, max)))) => {
                    let (low, high) = values.unwrap_or((*min, *max));
                    (*min, *max) = (min.min(low), max.max(high));
                }
                Some(_) => {}
                None => keys.push((key, label, values)),
            }
        }
        if keys.is_empty() {
            return Err(match (scope, entries.is_empty()) {
                (_, true) => "the alert holds no baseline entry: it can only be learned exactly".to_owned(),
                (Scope::Subnet, _) => "the device has no address whose network could be allowed".to_owned(),
                _ => format!(
                    "scope {} needs a client and a server, and the alert is about one device; use exact or subnet",
                    scope.as_str()
                ),
            });
        }
        Ok(keys)
    }

    /// Takes back what learning an alert allowed.
    fn unlearn(&mut self, number: u32, now: Timestamp) -> String {
        let gone = self.core.baseline.revoke(|grant| grant.alert == number);
        self.mark_devices(&gone);
        let muted = self.core.alerts.get(number).is_some_and(|alert| alert.muted);
        self.core.alerts.set(number, Status::New, Marks { learned: None, muted }, now);
        self.revoked(&gone)
    }

    /// Takes one entry back, whatever allowed it.
    fn take_back(&mut self, command: &Command, id: EntryId, now: Timestamp) -> Result<String, String> {
        self.limit(command, id, Effect::Ends, None, now)?;
        let entry = self.core.baseline.get(id);
        let other = entry.and_then(|entry| self.core.allowing(&entry.key));
        Ok(match other {
            Some(other) => format!(
                "baseline entry {} is no longer allowed, but entry {} allows the same and more: take that back as well \
                 for it to be told",
                id.0, other.0
            ),
            None => format!("baseline entry {} is no longer allowed: what it held is told from now on", id.0),
        })
    }

    /// Sets until when one entry is allowed.
    fn set_end(&mut self, command: &Command, id: EntryId, end: End, now: Timestamp) -> Result<String, String> {
        let until = match end {
            End::At(time) => Some(time),
            End::After(span) => Some(now.plus(span)),
            End::Never => None,
        };
        if let Some(end) = until.filter(|&end| end <= now) {
            return Err(format!(
                "{} is not after the newest packet ({}); `baseline remove` takes an entry back at once",
                crate::words::time(end),
                crate::words::time(now)
            ));
        }
        self.limit(command, id, Effect::Limits, until, now)?;
        Ok(match until {
            Some(end) => format!("baseline entry {} is allowed until {}", id.0, crate::words::time(end)),
            None => format!("baseline entry {} is allowed without an end", id.0),
        })
    }

    /// Has an act stand for all that allowed an entry before it.
    fn limit(
        &mut self,
        command: &Command,
        id: EntryId,
        effect: Effect,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(entry) = self.core.baseline.get(id) else {
            return Err(format!("there is no baseline entry {}", id.0));
        };
        if !self.core.baseline.is_allowed(entry) {
            return Err(format!(
                "baseline entry {} is not allowed, so nothing of it can end; learn the alert that names it to allow it",
                id.0
            ));
        }
        self.core.baseline.grant(Grant {
            entry: id,
            act: command.act,
            alert: 0,
            kind: "",
            origin: Origin::Person(command.who.clone()),
            time: now,
            until,
            effect,
        });
        self.mark_devices(&[id]);
        let what = match (effect, until) {
            (Effect::Limits, Some(end)) => {
                format!("set the end of baseline entry {} to {}", id.0, crate::words::time(end))
            }
            (Effect::Limits, None) => format!("set baseline entry {} to be allowed without an end", id.0),
            _ => format!("took baseline entry {} back", id.0),
        };
        let why = if command.why.is_empty() { String::new() } else { format!(": {}", command.why) };
        self.tell_entry(id, format!("{} {what}{why}", command.who), now);
        Ok(())
    }

    /// Says in the timeline, and in that of its devices, what became of an entry.
    pub(super) fn tell_entry(&mut self, id: EntryId, text: String, now: Timestamp) {
        let Some(key) = self.core.baseline.get(id).map(|entry| &entry.key) else { return };
        let (source, destination) = (key.client, key.server);
        let protocol = Some(key.protocol).filter(|protocol| !protocol.is_empty());
        self.core.event(Event {
            number: 0,
            time: now,
            kind: "baseline-changed",
            source,
            destination,
            protocol,
            text,
            frame: FrameRef::default(),
            alert: None,
        });
    }

    /// Takes back what an act did.
    fn undo(&mut self, who: &str, act: u64, now: Timestamp) -> Result<String, String> {
        let limits = self.core.baseline.grants().any(|grant| grant.act == act && grant.effect != Effect::Adds);
        let mut alerts = self.core.alerts.learned_by(act);
        alerts
            .extend(self.core.baseline.grants().filter(|grant| grant.act == act && grant.alert != 0).map(|g| g.alert));
        alerts.sort_unstable();
        alerts.dedup();
        let gone = self.core.baseline.revoke(|grant| grant.act == act);
        if alerts.is_empty() && gone.is_empty() {
            return Err(format!("act {act} did nothing that still stands; `baseline undo` lists those that do"));
        }
        self.mark_devices(&gone);
        if limits {
            let allowed = gone.iter().filter(|&&id| self.core.baseline.get(id).is_some_and(|entry| entry.allowed));
            let (n, allowed) = (gone.len(), allowed.count());
            let words = if n == 1 { "entry is" } else { "entries are" };
            for &id in &gone {
                self.tell_entry(id, format!("{who} undid what act {act} did to baseline entry {}", id.0), now);
            }
            return Ok(format!("{n} baseline {words} as before, {allowed} of them allowed"));
        }
        let mut reopened = 0;
        for &number in &alerts {
            let Some(alert) = self.core.alerts.get(number) else { continue };
            let muted = alert.muted;
            // The alert stays learned while another act of learning it stands.
            let other = self.core.baseline.grants_of_alert(number).map(|grant| (grant.until, grant.act));
            let longest = other.max_by_key(|&(until, act)| (until.is_none(), until, act));
            let (status, learned) = match longest {
                Some((until, act)) => (Status::Closed, Some(Learned { act, until })),
                None => (Status::New, None),
            };
            reopened += usize::from(learned.is_none());
            self.core.alerts.set(number, status, Marks { learned, muted }, now);
        }
        let mut answer = self.revoked(&gone);
        if reopened > 0 {
            answer.push_str(&format!(", {reopened} alert{} new again", if reopened == 1 { "" } else { "s" }));
        }
        Ok(answer)
    }

    /// How many entries are no longer allowed, and how many still are for another reason.
    fn revoked(&self, gone: &[EntryId]) -> String {
        let still = gone.iter().filter(|&&id| self.core.baseline.get(id).is_some_and(|entry| entry.allowed)).count();
        let n = gone.len() - still;
        let mut answer = format!("{n} baseline {} no longer allowed", if n == 1 { "entry" } else { "entries" });
        if still > 0 {
            answer.push_str(&format!("; {still} stay allowed by another act, or as traffic taught"));
        }
        answer
    }

    /// Allows an entry of an imported baseline.
    fn import(&mut self, command: &Command, imported: &Imported, now: Timestamp) -> Result<String, String> {
        let baseline = &mut self.core.baseline;
        let new = baseline.find(&imported.key).is_none();
        if new && baseline.len() >= self.core.config.limits.entries {
            return Err("the baseline is full".to_owned());
        }
        if new && imported.key.scope != Scope::Exact && baseline.wide_len() >= MOST_WIDE {
            return Err(format!("the baseline holds {MOST_WIDE} entries that are wider than exact; that is the most"));
        }
        let id = baseline.entry_for(imported.key.clone(), imported.label, imported.values);
        if let Some(every) = imported.every
            && baseline.get(id).is_some_and(|entry| entry.intervals.count == 0)
        {
            let sum = every.saturating_mul(i64::from(IMPORTED_INTERVALS));
            baseline.add_intervals(id, &Intervals { count: IMPORTED_INTERVALS, sum, min: every, max: every });
        }
        baseline.grant(Grant {
            entry: id,
            act: command.act,
            alert: 0,
            kind: "",
            origin: Origin::Import(imported.file.clone()),
            time: now,
            until: imported.until,
            effect: Effect::Adds,
        });
        self.mark_devices(&[id]);
        Ok(format!("baseline entry {} allowed", id.0))
    }

    /// Sets whether the baseline holds the devices that entries are about.
    pub(super) fn mark_devices(&mut self, entries: &[EntryId]) {
        let mut devices: Vec<DeviceId> = Vec::new();
        for &id in entries {
            let Some(entry) = self.core.baseline.get(id).filter(|entry| entry.key.kind == EntryKind::Device) else {
                continue;
            };
            devices.extend(entry.key.server);
            devices.extend(entry.key.network.iter().flat_map(|net| self.core.inventory.devices_in(net)));
        }
        devices.sort_unstable();
        devices.dedup();
        for id in devices {
            let key = EntryKey { server: Some(id), ..EntryKey::new(EntryKind::Device) };
            let learned = self.core.allowing(&key).is_some();
            self.core.inventory.set_learned(id, learned);
        }
    }

    /// Whether people allow all that a finding of this type departs from, so that it is not told.
    pub fn hides(&self, kind: &AlertType, entries: &[EntryId]) -> bool {
        self.core.is_learned(kind, entries)
    }
}

/// A wider key with its name and its values.
type Wide = (EntryKey, &'static str, Option<(f64, f64)>);
