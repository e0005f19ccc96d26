//! Maintenance windows: work that is planned, by devices, time and ticket.
//!
//! What happens within a window is told as ever; a detection that the plan covers is marked as expected. Windows are in packet
//! time, and their ends at whole seconds, so that repetitions, which come folded by the second, lie on one side of an end.

mod selector;

pub use selector::{Candidate, Selector};

use crate::catalogue::{AlertType, EngineKind};
use crate::context::Source;
use ot_protocol::time::SECOND;
use ot_protocol::{Operation, Timestamp};
use std::collections::BTreeSet;

/// Windows of people that stand at a time.
pub const MOST_WINDOWS: usize = 1_024;
/// Windows of the configuration.
pub const MOST_CONFIGURED: usize = 512;
/// Ways to name devices in a window: of those worked on, and of those that do the work.
pub const MOST_SELECTORS: usize = 256;
/// Windows that are told with an alert; detections in further ones are counted all the same.
pub const MOST_SHARES: usize = 16;
/// Characters of a ticket.
const TICKET: usize = 64;
/// Characters of a note.
const NOTE: usize = 512;

/// What is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Number of the ticket or work order.
    pub ticket: String,
    /// Devices that are worked on.
    pub devices: Vec<Selector>,
    /// Who may do the work; empty: anyone.
    pub by: Vec<Selector>,
    /// Kinds of work that are planned; empty: any.
    pub kinds: Vec<Operation>,
    /// First moment within, at a whole second.
    pub start: Timestamp,
    /// First moment after, at a whole second.
    pub end: Timestamp,
    /// For people; may be empty.
    pub note: String,
}

/// A window: numbered from 1 in the order in which windows became known.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Its number.
    pub number: u32,
    /// What is planned.
    pub plan: Plan,
    /// Whether a person or the configuration says so.
    pub source: Source,
    /// The person; empty otherwise.
    pub who: String,
    /// Number of the command that added it; 0 where none did.
    pub command: u64,
    /// Newest packet time when it was added.
    pub added: Timestamp,
    /// Newest packet time when it was removed.
    pub removed: Option<Timestamp>,
    /// Who removed it; empty while it stands, and where the configuration no longer has it.
    pub removed_by: String,
    /// Number of the command that removed it; 0 without.
    pub removed_command: u64,
}

/// How many detections of an alert lay in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Number of the window.
    pub window: u32,
    /// Detections.
    pub count: u64,
}

/// What a window may cover.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// Who did it, where that is known.
    pub client: Option<Candidate<'a>>,
    /// To whom.
    pub server: Option<Candidate<'a>>,
    /// Class of the operation; `None` where it is about none.
    pub operation: Option<Operation>,
    /// Whether it departs from the baseline, as a new connection does.
    pub departs: bool,
    /// Packet time of the first and of the last.
    pub times: [Timestamp; 2],
}

/// How work differs from a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unplanned {
    /// It was done by a client that the plan does not name.
    pub client: bool,
    /// It is of a kind that the plan does not name.
    pub kind: bool,
}

/// Whether detections of this type can be expected. Malware, contact with known bad addresses and the sensor's own health
/// never are.
pub fn can_be_expected(kind: &AlertType) -> bool {
    kind.engine != EngineKind::Malware && kind.category != "sensor-traffic"
}

impl Plan {
    /// Looks whether it can stand.
    ///
    /// # Errors
    /// In words, with what to write.
    pub fn check(&self) -> Result<(), String> {
        let letters = self.ticket.chars().count();
        if letters == 0 || letters > TICKET || self.ticket.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!(
                "{:?} is no ticket; write 1 to {TICKET} characters without spaces, for example CHG-4711",
                self.ticket
            ));
        }
        let ticket = &self.ticket;
        if self.note.chars().count() > NOTE || self.note.chars().any(char::is_control) {
            return Err(format!("maintenance {ticket}: the note is no text of at most {NOTE} characters"));
        }
        if self.devices.is_empty() {
            return Err(format!("maintenance {ticket}: no device is named; say which are worked on"));
        }
        for (list, what) in [(&self.devices, "are worked on"), (&self.by, "do the work")] {
            if list.len() > MOST_SELECTORS {
                return Err(format!(
                    "maintenance {ticket}: {} devices that {what} are more than {MOST_SELECTORS}; name a network, a zone \
                     or a tag",
                    list.len()
                ));
            }
        }
        if self.end <= self.start {
            return Err(format!(
                "maintenance {ticket}: the end {} is not after the start {}; turn them around",
                self.end, self.start
            ));
        }
        if [self.start, self.end].iter().any(|time| time.0.rem_euclid(SECOND) != 0) {
            return Err(format!("maintenance {ticket}: start and end are whole seconds; leave the fraction out"));
        }
        Ok(())
    }

    /// Whether both are about the same ticket at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.ticket == other.ticket && self.start < other.end && other.start < self.end
    }

    /// Whether a span of time lies within.
    pub fn spans(&self, times: [Timestamp; 2]) -> bool {
        let [first, last] = times;
        self.start <= first.min(last) && first.max(last) < self.end
    }

    /// Whether a device is worked on.
    pub fn is_on(&self, candidate: &Candidate<'_>) -> bool {
        self.devices.iter().any(|selector| selector.is(candidate))
    }

    /// Whether a device is named as one that does the work.
    pub fn is_by(&self, candidate: &Candidate<'_>) -> bool {
        self.by.iter().any(|selector| selector.is(candidate))
    }

    /// Whether the kind is planned. With the work that is named goes what comes with any work: connecting, identifying,
    /// reading values and the mode, and what departs from the baseline without being an operation, as a new connection.
    pub fn is_of_kind(&self, operation: Option<Operation>, departs: bool) -> bool {
        self.kinds.is_empty()
            || operation.map_or(departs, |operation| {
                self.kinds.contains(&operation)
                    || matches!(
                        operation,
                        Operation::Session | Operation::Identify | Operation::Read | Operation::ReadMode
                    )
            })
    }

    /// Whether the plan covers a deed: one of its devices takes part within its time; where it says who does the work, no
    /// other client does it; where it says what, it is that.
    ///
    /// What has no client, as a controller that stopped, is covered by its device. What is about a client alone, as a new
    /// device on the network, is covered where the plan names that as a device or as one that does the work.
    pub fn covers(&self, deed: &Deed<'_>) -> bool {
        let (client, server) = (deed.client.as_ref(), deed.server.as_ref());
        let on = |side: Option<&Candidate<'_>>| side.is_some_and(|side| self.is_on(side));
        let by = |side: Option<&Candidate<'_>>| side.is_some_and(|side| self.is_by(side));
        let alone = server.is_none();
        let place = on(client) || on(server) || (alone && by(client));
        let who = self.by.is_empty() || client.is_none() || by(client) || (alone && on(client));
        self.spans(deed.times) && place && who && self.is_of_kind(deed.operation, deed.departs)
    }

    /// How work on one of its devices differs from it; `None`: as planned.
    pub fn differs(&self, actor: Option<&Candidate<'_>>, operation: Option<Operation>) -> Option<Unplanned> {
        let client = !self.by.is_empty() && actor.is_some_and(|actor| !self.is_by(actor));
        let kind = !self.is_of_kind(operation, true);
        (client || kind).then_some(Unplanned { client, kind })
    }
}

impl Window {
    /// For history and timeline: `maintenance CHG-4711, planned by anna`.
    pub fn title(&self) -> String {
        match self.who.as_str() {
            "" => format!("maintenance {}, planned in the configuration", self.plan.ticket),
            who => format!("maintenance {}, planned by {who}", self.plan.ticket),
        }
    }

    /// When it ends, or was removed before.
    pub fn ends(&self) -> Timestamp {
        self.removed.map_or(self.plan.end, |removed| removed.min(self.plan.end))
    }
}

/// The windows that stand.
#[derive(Clone, Debug, Default)]
pub struct Maintenance {
    windows: Vec<Window>,
    last: u32,
    changed: BTreeSet<u32>,
    gone: Vec<Window>,
}

impl Maintenance {
    /// Starts from stored windows, by number.
    pub fn load(windows: Vec<Window>, last: u32) -> Self {
        let last = windows.iter().map(|window| window.number).fold(last, u32::max);
        let windows = windows.into_iter().filter(|window| window.removed.is_none()).collect();
        Self { windows, last, ..Self::default() }
    }

    /// The windows that stand, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter()
    }

    /// Whether none stands.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Highest number given out.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Adds what a person plans.
    ///
    /// # Errors
    /// In words for the person, where it cannot stand.
    pub fn add(&mut self, plan: Plan, who: &str, command: u64, now: Timestamp) -> Result<u32, String> {
        plan.check()?;
        if let Some(known) = self.windows.iter().find(|known| known.plan.overlaps(&plan)) {
            return Err(format!(
                "{} is planned already from {} to {} (window {}), which overlaps; remove that window, or plan another time",
                known.plan.ticket, known.plan.start, known.plan.end, known.number
            ));
        }
        if self.windows.iter().filter(|window| window.source == Source::Person).count() >= MOST_WINDOWS {
            return Err(format!(
                "{MOST_WINDOWS} windows stand, which is the most; `ot-sensor maintenance remove --over` takes away those \
                 that are over"
            ));
        }
        Ok(self.push(plan, Source::Person, who, command, now))
    }

    /// Puts what the configuration plans in the place of what it planned before.
    pub fn configure(&mut self, plans: &[Plan], now: Timestamp) {
        let configured = |window: &Window| window.source == Source::Configuration;
        let old: Vec<u32> = self
            .windows
            .iter()
            .filter(|window| configured(window) && !plans.contains(&window.plan))
            .map(|window| window.number)
            .collect();
        for number in old {
            self.take(number, "", 0, now);
        }
        for plan in plans.iter().take(MOST_CONFIGURED) {
            if !self.windows.iter().any(|window| configured(window) && window.plan == *plan) {
                self.push(plan.clone(), Source::Configuration, "", 0, now);
            }
        }
    }

    fn push(&mut self, plan: Plan, source: Source, who: &str, command: u64, now: Timestamp) -> u32 {
        self.last += 1;
        self.windows.push(Window {
            number: self.last,
            plan,
            source,
            who: who.to_owned(),
            command,
            added: now,
            removed: None,
            removed_by: String::new(),
            removed_command: 0,
        });
        self.changed.insert(self.last);
        self.last
    }

    /// Removes a window: what it marked stays marked.
    ///
    /// # Errors
    /// In words for the person, where there is none that a person may remove.
    pub fn remove(&mut self, number: u32, who: &str, command: u64, now: Timestamp) -> Result<Window, String> {
        match self.windows.iter().find(|window| window.number == number).map(|window| window.source) {
            None => Err(format!("there is no window {number} that stands; `ot-sensor maintenance list` shows them")),
            Some(Source::Configuration) => {
                Err(format!("window {number} is planned in the configuration; take it out of there"))
            }
            Some(_) => self.take(number, who, command, now).ok_or_else(|| format!("there is no window {number}")),
        }
    }

    fn take(&mut self, number: u32, who: &str, command: u64, now: Timestamp) -> Option<Window> {
        let at = self.windows.iter().position(|window| window.number == number)?;
        let mut window = self.windows.remove(at);
        window.removed = Some(now);
        who.clone_into(&mut window.removed_by);
        window.removed_command = command;
        self.changed.remove(&number);
        self.gone.push(window.clone());
        Some(window)
    }

    /// The first window that covers a deed.
    pub fn covering(&self, deed: &Deed<'_>) -> Option<&Window> {
        self.windows.iter().find(|window| window.plan.covers(deed))
    }

    /// The window during which work was done on one of its devices, as planned or not: rather one that plans it.
    pub fn during(&self, deed: &Deed<'_>) -> Option<&Window> {
        let on = |window: &&Window| {
            window.plan.spans(deed.times) && deed.server.as_ref().is_some_and(|device| window.plan.is_on(device))
        };
        let mut all = self.windows.iter().filter(on);
        let first = all.clone().next()?;
        Some(all.find(|window| window.plan.differs(deed.client.as_ref(), deed.operation).is_none()).unwrap_or(first))
    }

    /// Windows that begin (`true`) or end after a time, up to another, in order.
    pub fn turns(&self, from: Timestamp, to: Timestamp) -> Vec<(bool, &Window)> {
        let turned = |time: Timestamp| from < time && time <= to;
        let mut turns: Vec<(Timestamp, bool, &Window)> = Vec::new();
        for window in &self.windows {
            turns.extend(turned(window.plan.start).then_some((window.plan.start, true, window)));
            turns.extend(turned(window.plan.end).then_some((window.plan.end, false, window)));
        }
        turns.sort_by_key(|(time, begins, window)| (*time, *begins, window.number));
        turns.into_iter().map(|(_, begins, window)| (begins, window)).collect()
    }

    /// New and removed windows since the last call, by number.
    pub fn take_changes(&mut self) -> Vec<Window> {
        let changed = std::mem::take(&mut self.changed);
        let mut windows = std::mem::take(&mut self.gone);
        windows.extend(self.windows.iter().filter(|window| changed.contains(&window.number)).cloned());
        windows.sort_by_key(|window| window.number);
        windows
    }
}

#[cfg(test)]
mod tests;
