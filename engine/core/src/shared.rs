//! What the detectors share: configuration, inventory, baseline, points; and facts with their devices.

use crate::alerts::{Again, Alerts, Finding, Raised};
use crate::baseline::{Baseline, Met, Observation};
use crate::catalogue::{self, AlertType, EngineKind, Severity};
use crate::changes::State;
use crate::companions;
use crate::config::EngineConfig;
use crate::context::Field;
use crate::detectors::RuleMatch;
use crate::indicators::Indicators;
use crate::inventory::Inventory;
use crate::journal::{self, Journal};
use crate::learning::DeviceLearning;
use crate::maintenance::{Candidate, Deed, Maintenance, can_be_expected};
use crate::model::{Alert, BaselineEntry, DeviceId, EntryId, EntryKey, EntryKind, Event, Peer, Work};
use crate::points::Points;
use crate::programs::{Compared, Programs};
use crate::words;
use ipnet::IpNet;
use ot_protocol::{Activity, FlowEvent, FrameRef, Identity, Operation, Outcome, SubAddress, Timestamp};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the detectors share and may change.
pub struct Core {
    /// Configuration.
    pub config: EngineConfig,
    /// Devices.
    pub inventory: Inventory,
    /// Baseline.
    pub baseline: Baseline,
    /// Process memory.
    pub points: Points,
    /// Versions of program blocks.
    pub programs: Programs,
    /// Addresses and domains that are known to be bad.
    pub indicators: Indicators,
    /// Work on controllers.
    pub journal: Journal,
    /// Work that is planned.
    pub maintenance: Maintenance,
    /// The first alert that the fact now in work has raised.
    pub(crate) raised: Option<u32>,
    pub(crate) alerts: Alerts,
    pub(crate) state: State,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) events: Vec<Event>,
    /// Entries that the fact now in work has met.
    pub(crate) met: Vec<EntryId>,
    /// Rows of alerts that the fact now in work has raised and that its repetitions raise again.
    pub(crate) standing: Vec<Standing>,
    /// The program block that the fact now in work has moved.
    pub(crate) moved: Option<Compared>,
    /// Matches of rules, where somebody asks for them.
    pub(crate) rule_matches: Option<Vec<RuleMatch>>,
}

/// A row of an alert that repetitions of an activity raise again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    alert: u32,
    row: u32,
    operation: Option<Operation>,
    /// Whether the alert is about the client, and about the server.
    sides: [bool; 2],
}

/// An activity (or repetitions of it) with its devices.
pub struct Seen<'a> {
    /// The activity. Its values are empty on repetitions.
    pub activity: &'a Activity,
    /// Who asks. Always a device.
    pub client: &'a Peer,
    /// Who answers: a device once it ever spoke.
    pub server: &'a Peer,
    /// How many.
    pub count: u64,
    /// Packet time of the first and of the last.
    pub times: [Timestamp; 2],
    /// Frames of request and response (repetitions: first and last).
    pub frames: [FrameRef; 2],
    /// Whether this is the activity itself, not repetitions of it.
    pub novel: bool,
}

impl Seen<'_> {
    /// The client's device.
    pub fn client_id(&self) -> Option<DeviceId> {
        self.client.device
    }

    /// The server's device.
    pub fn server_id(&self) -> Option<DeviceId> {
        self.server.device
    }

    /// Whether the client sent it, as far as its message tells. A request that comes from the server's side is told by an
    /// alert of its own and says nothing of what the client does; nobody answers it. What is answered, or should have been,
    /// came from the client's side, whatever its direction bit says.
    pub fn is_of_client(&self) -> bool {
        const ODD: [&str; 2] = ["dnp3-illegal-operation", "modbus-exception-from-client"];
        let activity = self.activity;
        let response = activity.protocol == "dnp3" && activity.function.code >= 129;
        (activity.outcome != Outcome::Pending && !response)
            || activity.violations.iter().all(|violation| !ODD.contains(&violation.rule))
    }

    /// Whether the server answered, with whatever.
    pub fn answered(&self) -> bool {
        matches!(self.activity.outcome, Outcome::Ok | Outcome::Rejected(..))
    }
}

/// A flow event with its devices.
pub struct SeenFlow<'a> {
    /// The event.
    pub event: &'a FlowEvent,
    /// Who asks.
    pub client: &'a Peer,
    /// Who answers: a device only once it ever spoke.
    pub server: &'a Peer,
}

impl Core {
    /// Whether the engine learns at this packet time.
    pub fn learning_at(&self, time: Timestamp) -> bool {
        self.state.learning_until.is_some_and(|end| time < end)
    }

    /// Whether an entry of this key is learned at this packet time: all is, or one of its devices has a learning time of its
    /// own.
    pub fn learns(&self, key: &EntryKey, time: Timestamp) -> bool {
        let learners = &self.baseline.learners;
        let by_device = |id: DeviceId| {
            self.device_learning(id, time).is_some_and(|learning| learning.whole || key.kind != EntryKind::Device)
        };
        (self.learning_at(time)
            || (!learners.is_empty() && [key.client, key.server].into_iter().flatten().any(by_device)))
            && !learners.skips_entry(key)
    }

    /// The learning of a device, or of the one that it is reached through.
    fn device_learning(&self, id: DeviceId, time: Timestamp) -> Option<DeviceLearning> {
        let learners = &self.baseline.learners;
        let parent = self.inventory.get(id).and_then(|device| device.parent);
        let found = learners.of(id).or_else(|| learners.of(parent?));
        found.filter(|learning| time < learning.until)
    }

    /// Whether a finding is silent because what it departs from is being learned.
    fn is_being_learned(&self, finding: &Finding<'_>) -> bool {
        let (kind, time) = (finding.kind, finding.times[0]);
        let learners = &self.baseline.learners;
        if !kind.needs_baseline || learners.skips(kind) {
            return false;
        }
        let new = kind == catalogue::DEVICE_NOT_LEARNED || kind == catalogue::FIELD_DEVICE_NOT_LEARNED;
        self.learning_at(time)
            || (!learners.is_empty()
                && [&finding.client, &finding.server]
                    .into_iter()
                    .flatten()
                    .filter_map(|peer| peer.device)
                    .any(|id| self.device_learning(id, time).is_some_and(|learning| learning.whole || !new)))
    }

    /// Newest packet time.
    pub fn now(&self) -> Timestamp {
        self.state.now.unwrap_or_default()
    }

    pub(crate) fn observation(&self, times: [Timestamp; 2], count: u64, frame: FrameRef) -> Observation {
        Observation { count, times, frame, learning: self.learning_at(times[1]) }
    }

    /// Counts an observation for the baseline and tells whether it is allowed. `None`: the table is full.
    pub fn observe(
        &mut self,
        key: EntryKey,
        label: &'static str,
        times: [Timestamp; 2],
        count: u64,
        frame: FrameRef,
    ) -> Option<Met> {
        let mut seen = self.observation(times, count, frame);
        seen.learning = self.learns(&key, times[1]);
        let wide = self.baseline.has_wide().then(|| key.clone());
        let mut met = if key.start.is_some() && key.end.is_some() {
            self.baseline.observe_range(key, label, seen, &self.config.limits)
        } else {
            self.baseline.observe(key, label, seen, &self.config.limits)
        };
        self.met.extend(met.map(|met| met.entry));
        // Only what no exact entry allows is looked for among the wide ones.
        if let Some(met) = met.as_mut().filter(|met| !met.allowed)
            && let Some(key) = wide
            && let Some(by) = self.baseline.wide(&key, &self.networks_of(&key))
        {
            met.allowed = true;
            self.baseline.touch(by, seen);
            self.met.push(by);
        }
        met
    }

    /// The networks of wide entries in which the device lies whose network counts for a key.
    fn networks_of(&self, key: &EntryKey) -> Vec<IpNet> {
        if !self.baseline.has_wide() {
            return Vec::new();
        }
        let addresses: Vec<IpAddr> = key.subject().map(|id| self.inventory.addresses(id)).unwrap_or_default();
        self.baseline.networks_of(&addresses)
    }

    /// The entry by which the baseline allows what a key says, exactly or by a wider entry.
    pub fn allowing(&self, key: &EntryKey) -> Option<EntryId> {
        self.baseline.allowing(key).or_else(|| self.baseline.wide(key, &self.networks_of(key)))
    }

    /// Whether the baseline allows any address of the block, area or table of a range.
    pub fn allows_block(&self, key: &EntryKey) -> bool {
        self.baseline.allowing(key).is_some() || self.baseline.wide_ranges(key, &self.networks_of(key))
    }

    /// Whether a wider entry allows a value beyond the learned ones.
    pub fn allows_value(&self, key: &EntryKey, value: f64) -> bool {
        self.baseline.has_wide() && self.baseline.allows_value(key, &self.networks_of(key), value)
    }

    /// Whether acts of people allow a key; `own`: only acts on alerts of this type count.
    pub fn is_granted(&self, key: &EntryKey, own: Option<&str>) -> bool {
        self.baseline.has_grants() && self.baseline.is_granted(key, &self.networks_of(key), own)
    }

    /// Whether people allow all that a finding of this type departs from: then it is not told.
    pub fn is_learned(&self, kind: &AlertType, entries: &[EntryId]) -> bool {
        // A burst departs from the entry that allows the writes: to allow these is not to allow any number of them.
        let own = (kind == catalogue::WRITE_BURST).then_some(kind.id);
        kind.learnable
            && !entries.is_empty()
            && self.baseline.has_grants()
            && entries
                .iter()
                .all(|&entry| self.baseline.get(entry).is_some_and(|entry| self.is_granted(&entry.key, own)))
    }

    /// Takes a finding of a detector.
    ///
    /// Silent where the type is off, where it needs a baseline that is still being learned, and where neither an OT
    /// protocol nor an OT network takes part (malware and the sensor's own health apart).
    pub fn raise(&mut self, finding: &Finding<'_>) -> Raised {
        let kind = finding.kind;
        if !self.config.enabled(kind) || self.is_being_learned(finding) {
            return Raised::Silent;
        }
        let ot = finding.protocol.is_some_and(|protocol| !companions::is_companion(protocol))
            || kind.engine == EngineKind::Malware
            || kind.category == "sensor-traffic"
            || kind == catalogue::PUBLIC_ADDRESS_INSIDE
            // A person asked for it.
            || kind.category == "custom"
            || [&finding.client, &finding.server].into_iter().flatten().any(|peer| self.inventory.is_ot(peer));
        if !ot {
            return Raised::Silent;
        }
        if self.is_learned(kind, finding.entries) {
            self.alerts.silence(finding.count);
            return Raised::Silent;
        }
        let window = if self.maintenance.is_empty() || !can_be_expected(kind) {
            None
        } else {
            self.maintenance.covering(&Deed {
                client: finding.client.as_ref().map(|peer| candidate(&self.inventory, &self.config, peer)),
                server: finding.server.as_ref().map(|peer| candidate(&self.inventory, &self.config, peer)),
                operation: finding.operation,
                departs: kind.needs_baseline,
                times: finding.times,
            })
        };
        let (raised, row) =
            self.alerts.raise(&self.config, finding, window, self.baseline.is_taken_back(finding.entries));
        if let Raised::Opened(number) | Raised::Updated(number) = raised {
            self.raised = self.raised.or(Some(number));
        }
        // What departs from the baseline departs again when it is repeated; windows and rates count for themselves.
        if kind.needs_baseline
            && let (Raised::Opened(number) | Raised::Updated(number), Some(row)) = (raised, row)
        {
            self.standing.push(Standing {
                alert: number,
                row,
                operation: finding.operation,
                sides: [finding.client.is_some(), finding.server.is_some()],
            });
        }
        if let Raised::Opened(number) = raised {
            let text = self.alerts.get(number).map(|alert| alert.description.clone()).unwrap_or_default();
            let peer = |peer: &Option<Peer>| peer.as_ref().and_then(|peer| peer.device);
            self.event(Event {
                number: 0,
                time: finding.times[0],
                kind: "alert-opened",
                source: peer(&finding.client),
                destination: peer(&finding.server),
                protocol: finding.protocol,
                text: format!("{}: {text}", kind.title),
                frame: finding.frames.first().copied().unwrap_or_default(),
                alert: Some(number),
            });
        }
        raised
    }

    /// Counts repetitions of what an activity raised.
    pub(crate) fn repeat(
        &mut self,
        standing: &Standing,
        peers: [&Peer; 2],
        count: u64,
        times: [Timestamp; 2],
        frame: FrameRef,
    ) {
        let &Standing { alert, row, operation, sides } = standing;
        let kind = self.alerts.get(alert).map(|alert| alert.kind);
        let window = kind.filter(|kind| !self.maintenance.is_empty() && can_be_expected(kind)).and_then(|kind| {
            let [client, server] = [0, 1].map(|at: usize| {
                let peer = peers.get(at).filter(|_| sides.get(at) == Some(&true))?;
                Some(candidate(&self.inventory, &self.config, peer))
            });
            self.maintenance.covering(&Deed { client, server, operation, departs: kind.needs_baseline, times })
        });
        self.alerts.repeat(alert, row, &Again { count, times, frame, window });
    }

    /// The maintenance window during which work is done on a device.
    fn window_of_work(
        &self,
        device: &Peer,
        actor: Option<&Peer>,
        operation: Option<Operation>,
        times: [Timestamp; 2],
    ) -> Option<u32> {
        if self.maintenance.is_empty() {
            return None;
        }
        let deed = Deed {
            client: actor.map(|peer| candidate(&self.inventory, &self.config, peer)),
            server: Some(candidate(&self.inventory, &self.config, device)),
            operation,
            departs: true,
            times,
        };
        self.maintenance.during(&deed).map(|window| window.number)
    }

    /// Takes a finding whose techniques are those of the rule that matched.
    pub fn raise_by_rule(&mut self, finding: &Finding<'_>, techniques: &[&'static str]) -> Raised {
        let raised = self.raise(finding);
        if let Raised::Opened(number) | Raised::Updated(number) = raised {
            self.alerts.add_techniques(number, techniques);
        }
        raised
    }

    /// Gives an alert the severity and the techniques that a rule names.
    pub(crate) fn rate(&mut self, number: u32, severity: Severity, techniques: &[&'static str]) {
        self.alerts.rate(number, severity, techniques);
    }

    /// Tells the story of an open alert anew.
    pub(crate) fn retell(&mut self, number: u32, description: String) {
        self.alerts.retell(number, description);
    }

    /// Puts work on a controller into its journal.
    pub(crate) fn note_work(&mut self, seen: &Seen<'_>) {
        let activity = seen.activity;
        let Some(device) = seen.server_id().filter(|_| activity.operation.changes() && seen.is_of_client()) else {
            return;
        };
        let work = Work {
            protocol: activity.protocol,
            operation: activity.operation.as_str(),
            function: words::function(activity),
            object: words::target(&activity.target),
            value: if seen.novel { words::values(&activity.values) } else { String::new() },
            outcome: Some(activity.outcome),
            count: seen.count,
            alert: self.raised,
            window: self.window_of_work(seen.server, Some(seen.client), Some(activity.operation), seen.times),
            ..journal::work(device, seen.client_id(), seen.times, seen.frames)
        };
        self.journal.note(work, self.config.limits.journal);
    }

    /// Puts into the journal that a device told of itself something else than before.
    pub(crate) fn note_change(
        &mut self,
        device: DeviceId,
        actor: Option<DeviceId>,
        operation: &'static str,
        identity: &Identity,
        before: &str,
    ) {
        let peer = |id| Peer { device: Some(id), ip: None, mac: None, sub: SubAddress::None };
        let window = self.window_of_work(&peer(device), actor.map(peer).as_ref(), None, [identity.time; 2]);
        let work = Work {
            operation,
            function: identity.source.to_owned(),
            object: identity.property.to_owned(),
            value: format!("{}, before {before}", identity.value),
            alert: self.raised,
            window,
            ..journal::work(device, actor, [identity.time; 2], [identity.frame; 2])
        };
        self.journal.note(work, self.config.limits.journal);
    }

    /// Adds a line to the timeline; its number is set here.
    pub fn event(&mut self, event: Event) {
        self.state.last_event += 1;
        self.events.push(Event { number: self.state.last_event, ..event });
    }

    /// Adds to a health counter.
    pub fn count(&mut self, counter: &str, n: u64) {
        if n == 0 {
            return;
        }
        match self.counters.get_mut(counter) {
            Some(count) => *count += n,
            None => {
                self.counters.insert(counter.to_owned(), n);
            }
        }
    }

    /// Sets a health counter that a table keeps itself.
    pub(crate) fn set_counter(&mut self, counter: &str, n: u64) {
        if n > 0 || self.counters.contains_key(counter) {
            self.counters.insert(counter.to_owned(), n);
        }
    }

    /// An alert by number.
    pub fn alert(&self, number: u32) -> Option<&Alert> {
        self.alerts.get(number)
    }

    /// Raised by each act of a person, and by each change of the baseline that traffic did not cause.
    pub(crate) fn generation(&self) -> u64 {
        self.baseline.generation() + self.alerts.generation() + self.inventory.generation()
    }

    /// Whether the baseline holds anything allowed: it is known what is normal.
    pub fn has_learned(&self) -> bool {
        self.baseline.any_allowed()
    }

    /// Whether the baseline allows the client to connect to the server.
    pub fn uses(&self, client: Option<DeviceId>, server: Option<DeviceId>) -> bool {
        let (Some(client), Some(server)) = (client, server) else { return false };
        self.baseline.between(client, server).any(|entry| self.baseline.is_allowed(entry) && is_use(entry))
            || self.uses_widely(client, server)
    }

    /// Whether a wide entry allows the client to connect to the server.
    fn uses_widely(&self, client: DeviceId, server: DeviceId) -> bool {
        self.baseline.wide_entries().filter(|entry| is_use(entry)).any(|entry| {
            let ours = entry.key.client.is_none_or(|id| id == client) && entry.key.server.is_none_or(|id| id == server);
            ours && entry
                .key
                .network
                .is_none_or(|net| self.inventory.addresses(client).iter().any(|ip| net.contains(ip)))
        })
    }

    /// Whether it is said of a peer's device, or of the one through which it is reached; of an address that is no device,
    /// whether the configuration says it.
    fn says(&self, peer: &Peer, field: Field) -> bool {
        match peer.device {
            Some(id) => self.inventory.said(id, field).is_some_and(|said| said.value == "yes"),
            None => peer.ip.and_then(|ip| self.config.known(ip)).is_some_and(|known| match field {
                Field::ProgrammingDevice => known.programming,
                Field::Scanner => known.scanner,
                _ => false,
            }),
        }
    }

    /// Whether a peer may program controllers.
    pub fn may_program(&self, peer: &Peer) -> bool {
        self.says(peer, Field::ProgrammingDevice)
    }

    /// Whether a peer may scan the network.
    pub fn may_scan(&self, peer: &Peer) -> bool {
        self.says(peer, Field::Scanner)
    }

    /// A device for people: name, address, sub-address.
    pub fn display(&self, peer: &Peer) -> String {
        self.inventory.display(peer)
    }
}

/// A side of a finding with what is known of it.
fn candidate<'a>(inventory: &'a Inventory, config: &'a EngineConfig, peer: &Peer) -> Candidate<'a> {
    Candidate::of_peer(peer, |id| inventory.get(id), Some(config))
}

/// Whether an entry is about a client that uses a server.
fn is_use(entry: &BaselineEntry) -> bool {
    matches!(entry.key.kind, EntryKind::Connection | EntryKind::Function)
}
