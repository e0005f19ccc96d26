//! The engine: takes facts in order, keeps inventory, baseline and points, and runs the detectors.

mod companion;
mod keeping;
mod maintaining;
mod reconfiguring;
mod triage;

use crate::alerts::Alerts;
use crate::baseline::Baseline;
use crate::catalogue::AlertType;
use crate::changes::{Changes, Snapshot};
use crate::companions;
use crate::config::{EngineConfig, Learning};
use crate::detectors::{Detector, RuleMatch, registry};
use crate::indicators::Indicators;
use crate::inventory::{Inventory, MacBinding};
use crate::journal::Journal;
use crate::known::{Known, KnownActivities};
use crate::learning::Learners;
use crate::maintenance::Maintenance;
use crate::model::{Alert, DeviceId, Event, Peer, Role};
use crate::points::{Access, Points};
use crate::programs::{Comparison, Moved, Programs};
use crate::shared::{Core, Seen, SeenFlow};
use ot_protocol::{
    Activity, Claim, Direction, Fact, FlowEvent, FlowKind, Fold, FrameRef, Health, Identity, NameUse, Operation,
    Outcome, RuleHit, SessionId, SignatureHit, SubAddress, Timestamp, Values,
};
use ot_rules::RuleSet;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use reconfiguring::Reconfigured;

/// Which device of an endpoint was seen.
#[derive(Clone, Copy)]
enum Who {
    /// That at its address.
    Itself,
    /// That of its sub-address, which asks and was answered.
    Asks,
    /// That of its sub-address, which answers.
    Answers,
}

/// Whether an answer proves that there is a device of the server's sub-address.
///
/// A gateway that says a unit is not there (Modbus exceptions 10 and 11; some answer 4, device failure, in its place)
/// does not make the unit a device. The transport of S7 connects to slots that no module is in: what counts is the
/// setup of communication (function 0xF0) and what follows it.
fn proves_sub(activity: &Activity) -> bool {
    match (activity.protocol, activity.outcome) {
        ("modbus", Outcome::Rejected(4 | 10 | 11, _)) => false,
        _ if matches!(activity.server.sub, SubAddress::RackSlot(..)) => {
            activity.operation != Operation::Session || activity.function.code == 0xF0
        }
        _ => true,
    }
}

/// The role that a request speaks for, and why.
///
/// A DNP3 master writes, operates and authenticates as a matter of course; programs, files of firmware and the mode are for
/// engineering stations.
fn role_of_client(activity: &Activity) -> (Role, &'static str) {
    let master = activity.protocol == "dnp3";
    match activity.operation {
        Operation::ProgramRead
        | Operation::ProgramWrite
        | Operation::ProgramDelete
        | Operation::ModeRun
        | Operation::ModeStop
        | Operation::Firmware => (Role::EngineeringStation, "programs, configures or stops controllers"),
        Operation::ConfigWrite | Operation::Authenticate if !master => {
            (Role::EngineeringStation, "programs, configures or stops controllers")
        }
        Operation::Write | Operation::Control if !master => (Role::Hmi, "writes values to controllers"),
        _ if master => (Role::Master, "polls and commands outstations"),
        _ => (Role::Master, "polls controllers"),
    }
}

/// Repetitions are put down at least this often, in seconds of packet time.
const SETTLE_SECONDS: i64 = 16;

/// Events, and points that made room, that may wait to be taken.
const LADEN: usize = 131_072;

/// The engine.
pub struct Engine {
    core: Core,
    detectors: Vec<Box<dyn Detector>>,
    /// Which of them want folds.
    folding: Vec<usize>,
    /// Which of them look at companion protocols.
    companions: Vec<usize>,
    known: KnownActivities,
    /// Known activities with repetitions not yet put down, in the order of the first.
    unsettled: Vec<(SessionId, u16)>,
    /// Seconds of packet time since it last jumped.
    steady: u32,
    /// The newest second of packet time that ended.
    second: Option<Timestamp>,
    /// Hour of packet time in which the age of alerts was last looked at.
    looked: Option<i64>,
    /// Packet time at which it is next looked whether little new comes.
    next_novelty: Option<Timestamp>,
    /// Why learning ended before its time, for the event.
    ended_by: String,
    /// Packet time up to which it was looked whether a maintenance window begins or ends.
    turned: Option<Timestamp>,
}

impl Engine {
    /// Starts from what a store holds.
    pub fn new(config: EngineConfig, snapshot: Snapshot) -> Self {
        let Snapshot { devices, entries, grants, points, programs, journal, alerts, openings, maintenance, mut state } =
            snapshot;
        match config.learning {
            Learning::AsStored => {}
            Learning::Operational => {
                state.learning_until = None;
                state.learning = false;
            }
            Learning::Until(end) => {
                state.learning_until = Some(end);
                state.learning_since = None;
                state.learning = true;
            }
            // The end is known with the first packet.
            Learning::For(_) => {
                state.learning_until = None;
                state.learning_since = None;
                state.learning = true;
            }
        }
        let counters: BTreeMap<String, u64> = state.counters.iter().cloned().collect();
        let mut baseline = Baseline::load(entries, grants);
        baseline.now = state.now.unwrap_or_default();
        baseline.learners = Learners::new(&config.not_learned, &state.device_learning);
        baseline.continue_after(state.last_entry);
        let mut windows = Maintenance::load(maintenance, state.last_window);
        if let Some(plans) = &config.maintenance {
            windows.configure(plans, state.now.unwrap_or_default());
        }
        let core = Core {
            inventory: Inventory::load(devices, state.ot_subnets.clone(), state.last_device, &config),
            baseline,
            points: Points::load(points),
            programs: Programs::load(programs, state.last_program),
            indicators: Indicators::default(),
            journal: Journal::load(journal, state.last_work),
            maintenance: windows,
            raised: None,
            alerts: Alerts::load(alerts, openings, state.last_alert),
            counters,
            events: Vec::new(),
            met: Vec::new(),
            standing: Vec::new(),
            moved: None,
            rule_matches: None,
            state,
            config,
        };
        let detectors = registry(&core.config);
        let folding = (0..).zip(&detectors).filter(|(_, detector)| detector.wants_folds()).map(|(at, _)| at).collect();
        let companions =
            (0..).zip(&detectors).filter(|(_, detector)| detector.wants_companions()).map(|(at, _)| at).collect();
        let second = core.state.now;
        Self {
            core,
            detectors,
            folding,
            companions,
            known: KnownActivities::default(),
            unsettled: Vec::new(),
            steady: 0,
            second,
            looked: None,
            next_novelty: None,
            ended_by: String::new(),
            turned: None,
        }
    }

    /// Whether the engine is learning at the newest packet time.
    pub fn learning(&self) -> bool {
        self.core.learning_at(self.core.now())
    }

    /// End of learning, once known.
    pub fn learning_until(&self) -> Option<Timestamp> {
        self.core.state.learning_until
    }

    /// Number of alerts opened so far.
    pub fn alerts_opened(&self) -> u32 {
        self.core.alerts.last()
    }

    /// Tells that a fact comes soon: what it will touch is fetched into the processor's caches. Changes nothing.
    pub fn expect(&self, fact: &Fact) {
        if let Fact::Fold(fold) = fact {
            self.known.fetch(fold);
        }
    }

    /// Takes one fact. Facts must come in order.
    pub fn apply(&mut self, fact: Fact) {
        match fact {
            Fact::Activity(activity) => self.activity(*activity),
            Fact::Fold(fold) => self.fold(&fold),
            Fact::Flow(event) => self.flow(&event),
            Fact::Claim(claim) => self.claim(&claim),
            Fact::Identity(identity) => self.identity(&identity),
            Fact::Hearsay(identity) => self.hearsay(&identity),
            Fact::Name(name) => self.name(&name),
            Fact::Rule(hit) => self.rule(&hit),
            Fact::Health(Health { counter, count, .. }) => self.core.count(counter, count),
            Fact::Signature(hit) => self.signature(&hit),
            Fact::Interface(traffic) => {
                for detector in &mut self.detectors {
                    detector.interface(&mut self.core, &traffic);
                }
            }
            Fact::Sight(sight) => {
                for detector in &mut self.detectors {
                    detector.sight(&mut self.core, &sight);
                }
            }
            Fact::EpochEnd(time) => self.epoch(time),
            Fact::TimeJump { from, to } => {
                self.settle();
                self.core.count("time-jumps", 1);
                self.core.state.now = Some(to);
                self.turned = Some(to);
                if self.core.config.continuous {
                    let text = format!(
                        "The time of packets jumped from {} to {}: the clock was set, or nothing ran meanwhile. Timers begin \
                         anew",
                        crate::words::time(from),
                        crate::words::time(to)
                    );
                    self.sensor_event(to, text);
                }
                self.steady = 0;
                for detector in &mut self.detectors {
                    detector.time_jump(&mut self.core, to);
                }
            }
        }
    }

    fn rule(&mut self, hit: &RuleHit) {
        self.clock(hit.time);
        let sender = ot_protocol::Endpoint { sub: SubAddress::None, ..hit.source };
        self.see(&sender, hit.time, hit.frame, Who::Itself);
        self.settle_merges();
        for detector in &mut self.detectors {
            detector.rule(&mut self.core, hit);
        }
    }

    /// Puts other rules in the place of those that are loaded, with a line in the timeline.
    pub fn set_rules(&mut self, rules: Arc<RuleSet>) {
        let count = rules.rules().len();
        let text = format!("Rules loaded anew: {count} rule{}", if count == 1 { "" } else { "s" });
        self.core.config.rules = rules;
        self.rules_event(text);
    }

    /// Tells in the timeline that other rules could not be loaded.
    pub fn rules_refused(&mut self, problem: &str) {
        self.rules_event(format!("Rules not loaded, the ones before stay in use: {problem}"));
    }

    fn rules_event(&mut self, text: String) {
        self.own_event("rules", self.core.now(), text);
    }

    /// Tells in the timeline what happened to the sensor itself: an interface that went, packets that were shed, a store
    /// that could not be written.
    /// `time`: when, by the clock that also stamps packets.
    pub fn sensor_event(&mut self, time: Timestamp, text: String) {
        self.own_event("sensor", time, text);
    }

    fn own_event(&mut self, kind: &'static str, time: Timestamp, text: String) {
        self.core.event(Event {
            number: 0,
            time,
            kind,
            source: None,
            destination: None,
            protocol: None,
            text,
            frame: FrameRef::default(),
            alert: None,
        });
    }

    /// The configuration, for tests that change it.
    #[cfg(test)]
    pub(crate) fn config_for_tests(&mut self) -> &mut EngineConfig {
        &mut self.core.config
    }

    /// Keeps the matches of rules for [`Engine::take_rule_matches`].
    pub fn keep_rule_matches(&mut self) {
        self.core.rule_matches = Some(Vec::new());
    }

    /// The matches of rules since they were last taken, at most 100,000.
    pub fn take_rule_matches(&mut self) -> Vec<RuleMatch> {
        self.core.rule_matches.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn clock(&mut self, time: Timestamp) {
        if self.core.state.learning_until.is_none()
            && let Learning::For(span) = self.core.config.learning
        {
            self.core.state.learning_until = Some(time.plus(span));
        }
        if self.core.state.learning_since.is_none() && self.core.state.learning {
            self.core.state.learning_since = Some(time);
        }
        if self.core.state.now.is_none_or(|now| now < time) {
            self.core.state.now = Some(time);
        }
        self.core.baseline.now = time;
    }

    /// Puts down all repetitions that wait.
    fn settle(&mut self) {
        for (session, slot) in std::mem::take(&mut self.unsettled) {
            if let Some(known) = self.known.get_mut(session, slot) {
                known.settle(&mut self.core);
            }
        }
        for detector in &mut self.detectors {
            detector.settle(&mut self.core);
        }
    }

    /// The input has ended: puts down what waits.
    pub fn finish(&mut self) {
        for detector in &mut self.detectors {
            detector.finish(&mut self.core);
        }
        self.settle();
    }

    fn epoch(&mut self, time: Timestamp) {
        let before = self.core.now().epoch();
        if before.div_euclid(SETTLE_SECONDS) != time.epoch().div_euclid(SETTLE_SECONDS) {
            self.settle();
        }
        self.turn(time);
        self.clock(time);
        for detector in &mut self.detectors {
            detector.epoch(&mut self.core, time);
        }
        self.keep(time);
        let learning = self.core.learning_at(time);
        if self.core.state.learning && !learning && self.core.state.learning_until.is_some() {
            self.core.event(Event {
                number: 0,
                time,
                kind: "learning-ended",
                source: None,
                destination: None,
                protocol: None,
                text: format!(
                    "Learning ended: {} devices, {} baseline entries{}",
                    self.core.inventory.len(),
                    self.core.baseline.len(),
                    std::mem::take(&mut self.ended_by)
                ),
                frame: FrameRef::default(),
                alert: None,
            });
        }
        self.core.state.learning = learning;
    }

    /// Finds or makes the device of an endpoint that spoke; tells the detectors of a new one.
    fn see(
        &mut self,
        endpoint: &ot_protocol::Endpoint,
        time: Timestamp,
        frame: FrameRef,
        who: Who,
    ) -> Option<DeviceId> {
        let core = &mut self.core;
        let seen = match who {
            Who::Itself => core.inventory.see(endpoint, time, frame, &core.config),
            Who::Asks => core.inventory.see_sub(endpoint, false, time, frame, &core.config),
            Who::Answers => core.inventory.see_sub(endpoint, true, time, frame, &core.config),
        }?;
        if seen.new {
            let peer = Peer { device: Some(seen.id), ip: endpoint.ip, mac: endpoint.mac, sub: endpoint.sub };
            self.tell_new(&peer, time, frame);
        }
        self.tell_made(time, frame);
        Some(seen.id)
    }

    /// Tells of a device that is new.
    fn tell_new(&mut self, peer: &Peer, time: Timestamp, frame: FrameRef) {
        let core = &mut self.core;
        let text = format!("New device {}", core.inventory.display(peer));
        core.event(Event {
            number: 0,
            time,
            kind: "device-new",
            source: peer.device,
            destination: None,
            protocol: None,
            text,
            frame,
            alert: None,
        });
        for detector in &mut self.detectors {
            detector.device(core, peer, time, frame);
        }
        self.let_learn(peer, time);
    }

    /// Tells of routers that became devices of their own because a MAC address forwards packets of others.
    fn tell_made(&mut self, time: Timestamp, frame: FrameRef) {
        for id in self.core.inventory.take_made() {
            let Some(device) = self.core.inventory.get(id) else { continue };
            let ip = device.addresses.first().map(|address| address.ip);
            let peer = Peer { device: Some(id), ip, mac: device.mac, sub: SubAddress::None };
            self.tell_new(&peer, time, frame);
        }
    }

    fn settle_merges(&mut self) {
        for (from, into) in self.core.inventory.take_merged() {
            self.core.baseline.rename(from, into);
            self.core.alerts.merge_device(from, into);
            self.core.baseline.learners.rename(from, into);
            self.core.programs.rename(from, into);
            self.core.journal.rename(from, into);
        }
    }

    fn activity(&mut self, mut activity: Activity) {
        self.clock(activity.time);
        if companions::is_companion(activity.protocol) {
            return self.companion(&activity);
        }
        let time = activity.time;
        let request = if activity.frames[0].number() > 0 { activity.frames[0] } else { activity.frames[1] };
        let answered = matches!(activity.outcome, Outcome::Ok | Outcome::Rejected(..));
        let proves_sub = proves_sub(&activity);
        let plain = |endpoint: &ot_protocol::Endpoint| ot_protocol::Endpoint { sub: SubAddress::None, ..*endpoint };
        self.see(&plain(&activity.client), time, request, Who::Itself);
        if answered {
            let response = if activity.frames[1].number() > 0 { activity.frames[1] } else { request };
            self.see(&plain(&activity.server), time, response, Who::Itself);
            if proves_sub {
                self.see(&activity.server, time, response, Who::Answers);
                if activity.client.sub != SubAddress::None {
                    self.see(&activity.client, time, request, Who::Asks);
                }
            }
        }
        let client = self.core.inventory.peer(&activity.client);
        let server = self.core.inventory.peer(&activity.server);
        self.evidence(&activity, &client, &server, answered, request);
        self.settle_merges();

        self.program(&activity, &client, &server);
        self.core.met.clear();
        self.core.standing.clear();
        self.core.raised = None;
        let seen = Seen {
            activity: &activity,
            client: &client,
            server: &server,
            count: 1,
            times: [time, time],
            frames: activity.frames,
            novel: true,
        };
        for detector in &mut self.detectors {
            detector.activity(&mut self.core, &seen);
        }
        self.core.note_work(&seen);
        if activity.operation.changes() {
            self.operation_event(&activity, &client, &server, request);
        }
        self.remember_points(&activity, &client, &server);
        // It was told with this one, and is no part of what repeats.
        self.core.moved = None;
        activity.artifact = None;

        let Some(slot) = activity.slot else { return };
        let rerun = activity.operation.changes()
            || activity.operation == Operation::Authenticate
            || activity.outcome != Outcome::Ok;
        if !activity.operation.writes_values() {
            activity.values = Values::None;
        }
        let known = Known::new(activity, client, server, rerun, &self.core);
        let limit = self.core.config.limits.sessions;
        let evicted = self.known.insert(slot, known, limit, &mut self.core);
        self.core.count("engine-sessions-evicted", evicted);
    }

    /// What the exchange tells of the two devices.
    fn evidence(&mut self, activity: &Activity, client: &Peer, server: &Peer, answered: bool, frame: FrameRef) {
        let inventory = &mut self.core.inventory;
        let (time, protocol) = (activity.time, activity.protocol);
        if let Some(id) = client.device {
            inventory.protocol(id, protocol, true, false, time);
            let (role, reason) = role_of_client(activity);
            if answered {
                inventory.role_evidence(id, role, &format!("{reason} ({protocol})"), time, frame);
            }
        }
        if let Some(id) = server.device
            && answered
        {
            inventory.protocol(id, protocol, false, true, time);
            let role = if protocol == "dnp3" { Role::Outstation } else { Role::Controller };
            inventory.role_evidence(id, role, &format!("answers {protocol} requests"), time, frame);
        }
        for (peer, network) in [(server, answered), (client, false)] {
            let Some(id) = peer.device else { continue };
            if !answered {
                continue;
            }
            // The network of a server that answered is OT; a client's only if configured so.
            if !network {
                self.core.inventory.mark_ot(id);
            } else if let Some(subnet) = self.core.inventory.confirm_ot(id) {
                for other in self.core.inventory.devices_in(&subnet) {
                    let Some(device) = self.core.inventory.get(other) else { continue };
                    let peer = Peer {
                        device: Some(other),
                        ip: device.addresses.first().map(|address| address.ip),
                        mac: device.mac,
                        sub: device.sub,
                    };
                    for detector in &mut self.detectors {
                        detector.device(&mut self.core, &peer, time, frame);
                    }
                }
            }
        }
        // The roles may be new: those who wait for a field device hear of it.
        if answered && let Some(id) = server.device {
            for detector in &mut self.detectors {
                detector.role(&mut self.core, &Peer { device: Some(id), ..server.clone() }, time, frame);
            }
        }
    }

    fn operation_event(&mut self, activity: &Activity, client: &Peer, server: &Peer, frame: FrameRef) {
        let text = format!(
            "{} -> {}: {} {} ({})",
            self.core.display(client),
            self.core.display(server),
            crate::words::function(activity),
            crate::words::target(&activity.target),
            activity.outcome.as_str()
        );
        self.core.event(Event {
            number: 0,
            time: activity.time,
            kind: "operation",
            source: client.device,
            destination: server.device,
            protocol: Some(activity.protocol),
            text,
            frame,
            alert: None,
        });
    }

    /// Takes the program block that an activity moved, and tells of a version that differs from what was known.
    fn program(&mut self, activity: &Activity, client: &Peer, server: &Peer) {
        let Some(artifact) = activity.artifact.as_deref() else { return };
        let Some(device) = server.device else {
            self.core.count("program-blocks-without-device", 1);
            return;
        };
        let frame = activity.frames.iter().rev().copied().find(|frame| frame.number() > 0).unwrap_or_default();
        let moved = Moved {
            device,
            client: client.device,
            protocol: activity.protocol,
            // What is not read out goes in.
            write: activity.operation.changes(),
            outcome: activity.outcome,
            time: activity.time,
            frame,
        };
        let compared = self.core.programs.see(&moved, artifact, &self.core.config.limits);
        if !matches!(compared.comparison, Comparison::Same(_)) {
            let (who, to) = (self.core.display(client), self.core.display(server));
            let (did, preposition) = if moved.write { ("wrote", "into") } else { ("read", "out of") };
            let text = format!(
                "{who} {did} {} {preposition} {to} ({} bytes, version {}). {}",
                compared.name,
                artifact.length,
                compared.version,
                compared.sentence()
            );
            self.core.event(Event {
                number: 0,
                time: activity.time,
                kind: "program-version",
                source: client.device,
                destination: Some(device),
                protocol: Some(activity.protocol),
                text,
                frame,
                alert: None,
            });
        }
        self.core.moved = Some(compared);
    }

    fn remember_points(&mut self, activity: &Activity, client: &Peer, server: &Peer) {
        let (Some(client), Some(device)) = (client.device, server.device) else { return };
        if activity.outcome != Outcome::Ok || activity.target.count == 0 || !activity.violations.is_empty() {
            return;
        }
        let write = activity.operation.writes_values();
        if !write && activity.operation != Operation::Read {
            return;
        }
        let access = Access { device, protocol: activity.protocol, client, write, time: activity.time };
        self.core.points.see(&access, &activity.target, &activity.values, &self.core.config.limits);
    }

    fn fold(&mut self, fold: &Fold) {
        self.clock(fold.times[1]);
        let core = &mut self.core;
        let Some(known) = self.known.get_mut(fold.session, fold.slot) else {
            core.count("folds-without-activity", u64::from(fold.count));
            return;
        };
        let learning = core.learning_at(fold.times[1]);
        if known.rerun || known.generation != core.generation() || known.learning != learning {
            known.settle(core);
            for peer in [&mut known.client, &mut known.server] {
                if let Some(id) = &mut peer.device {
                    // It may have been merged since; a merge changes the baseline's generation.
                    *id = core.inventory.current(*id);
                    core.inventory.touch(*id, fold.times[1]);
                }
            }
            core.met.clear();
            core.standing.clear();
            core.raised = None;
            let seen = Seen {
                activity: &known.activity,
                client: &known.client,
                server: &known.server,
                count: u64::from(fold.count),
                times: fold.times,
                frames: fold.frames,
                novel: false,
            };
            for detector in &mut self.detectors {
                detector.activity(core, &seen);
            }
            core.note_work(&seen);
            known.entries.clone_from(&core.met);
            known.standing.clone_from(&core.standing);
            known.generation = core.generation();
            known.learning = learning;
        } else if known.wait(fold) {
            self.unsettled.push((fold.session, fold.slot));
        }
        let seen = Seen {
            activity: &known.activity,
            client: &known.client,
            server: &known.server,
            count: u64::from(fold.count),
            times: fold.times,
            frames: fold.frames,
            novel: false,
        };
        let mut notes = known.notes.iter_mut();
        for &at in &self.folding {
            if let Some(detector) = self.detectors.get_mut(at) {
                detector.fold(core, &seen, fold, notes.next().unwrap_or(&mut 0));
            }
        }
        if let (Some(extremes), Some(client), Some(device)) = (&fold.extremes, known.client.device, known.server.device)
        {
            let write = known.activity.operation.writes_values();
            let access = Access { device, protocol: known.activity.protocol, client, write, time: fold.times[1] };
            core.points.widen(&access, &known.activity.target, extremes, &core.config.limits);
        }
    }

    fn flow(&mut self, event: &FlowEvent) {
        self.clock(event.time);
        match event.kind {
            FlowKind::Close(_) => {
                self.known.remove(event.session, &mut self.core);
            }
            FlowKind::Attempt | FlowKind::OneSided => {
                self.see(&event.client, event.time, event.frame, Who::Itself);
            }
            FlowKind::Refused | FlowKind::Open => {
                self.see(&event.client, event.time, event.frame, Who::Itself);
                self.see(&event.server, event.time, event.frame, Who::Itself);
            }
            _ => {}
        }
        self.settle_merges();
        let client = self.core.inventory.peer(&event.client);
        let server = self.core.inventory.peer(&event.server);
        for (peer, packets) in [(&client, event.packets[0]), (&server, event.packets[1])] {
            if let Some(id) = peer.device
                && packets > 0
            {
                self.core.inventory.touch(id, event.time);
            }
        }
        self.companion_flow(event, &client, &server);
        let seen = SeenFlow { event, client: &client, server: &server };
        for detector in &mut self.detectors {
            detector.flow(&mut self.core, &seen);
        }
    }

    fn name(&mut self, used: &NameUse) {
        self.clock(used.time);
        self.see(&used.client, used.time, used.frame, Who::Itself);
        self.settle_merges();
        let client = self.core.inventory.peer(&used.client);
        let server = self.core.inventory.peer(&used.server);
        for detector in &mut self.detectors {
            detector.name(&mut self.core, used, &client, &server);
        }
    }

    /// Puts these indicators in the place of those it had.
    pub fn set_indicators(&mut self, indicators: Indicators) {
        self.core.indicators = indicators;
    }

    fn signature(&mut self, hit: &SignatureHit) {
        self.clock(hit.time);
        let sender = if hit.sender == Direction::AtoB { &hit.client } else { &hit.server };
        self.see(sender, hit.time, hit.frame, Who::Itself);
        self.settle_merges();
        let client = self.core.inventory.peer(&hit.client);
        let server = self.core.inventory.peer(&hit.server);
        for detector in &mut self.detectors {
            detector.signature(&mut self.core, hit, &client, &server);
        }
    }

    fn claim(&mut self, claim: &Claim) {
        self.clock(claim.time);
        let binding = {
            let core = &mut self.core;
            core.inventory.claim(claim, &core.config)
        };
        if !matches!(binding, MacBinding::Changed { .. }) {
            let endpoint = ot_protocol::Endpoint {
                mac: Some(claim.mac),
                vlan: claim.vlan,
                ip: Some(claim.ip),
                port: 0,
                sub: SubAddress::None,
            };
            self.see(&endpoint, claim.time, claim.frame, Who::Itself);
        }
        self.settle_merges();
        self.tell_made(claim.time, claim.frame);
        for detector in &mut self.detectors {
            detector.claim(&mut self.core, claim, &binding);
        }
    }

    fn identity(&mut self, identity: &Identity) {
        self.clock(identity.time);
        let Some(id) = self.see(&identity.device, identity.time, identity.frame, Who::Answers) else { return };
        let before = self.core.inventory.identity(id, identity);
        if identity.property == "capabilities" {
            companion::capable(&mut self.core.inventory, id, identity);
        }
        let peer = self.core.inventory.peer(&identity.device);
        self.core.raised = None;
        for detector in &mut self.detectors {
            detector.identity(&mut self.core, &peer, identity, before.as_deref());
        }
        let told = match identity.property {
            "firmware" | "revision" => Some("firmware-changed"),
            property if property.starts_with("configuration-") => Some("configuration-changed"),
            _ => None,
        };
        if let (Some(before), Some(told)) = (before, told) {
            self.core.note_change(id, None, told, identity, &before);
        }
    }

    /// Takes back an alert that left memory (closed, or evicted), so that a command can be about it.
    pub fn recall(&mut self, alert: Alert) {
        self.core.alerts.recall(alert);
    }

    /// Whether an alert of this id is in memory.
    pub fn knows(&self, id: &str) -> bool {
        self.core.alerts.by_id(id).is_some()
    }

    /// Whether what waits for [`Engine::take_changes`] has become so much that it should be taken now.
    pub fn is_laden(&self) -> bool {
        self.core.events.len() + self.core.points.removed() >= LADEN
    }

    /// Whether there is an event, or an alert that is new or has changed, since the changes were last taken.
    pub fn has_news(&self) -> bool {
        !self.core.events.is_empty() || self.core.alerts.has_changes()
    }

    /// Everything that changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let core = &mut self.core;
        core.set_counter("devices-evicted", core.inventory.evicted);
        core.set_counter("device-names-lost", core.inventory.names_lost());
        core.set_counter("address-bindings-lost", core.inventory.bindings_lost());
        core.set_counter("baseline-entries-evicted", core.baseline.evicted);
        core.set_counter("baseline-entries-refused", core.baseline.refused);
        core.set_counter("points-evicted", core.points.evicted);
        core.set_counter("points-refused", core.points.refused);
        core.set_counter("program-versions-evicted", core.programs.evicted);
        core.set_counter("program-bytes-evicted", core.programs.bytes_evicted);
        core.set_counter("journal-rows-closed-early", core.journal.closed);
        core.set_counter("devices-refused", core.inventory.refused);
        core.set_counter("alerts-evicted-from-memory", core.alerts.evicted);
        core.set_counter("violations-without-row", core.alerts.without_row);
        core.set_counter("findings-silenced", core.alerts.silenced);
        core.set_counter("findings-in-flood-alerts", core.alerts.flooded);
        for detector in &self.detectors {
            for (counter, n) in detector.counters() {
                core.set_counter(counter, n);
            }
        }
        let (devices, removed_devices) = core.inventory.take_changes();
        let (entries, removed_entries) = core.baseline.take_changes();
        let (grants, removed_grants) = core.baseline.take_grant_changes();
        let (points, removed_points) = core.points.take_changes();
        let (programs, removed_programs) = core.programs.take_changes();
        let (alerts, violations) = core.alerts.take_changes();
        if let Some(devices) = core.baseline.learners.take_changes() {
            core.state.device_learning = devices;
        }
        core.state.last_alert = core.alerts.last();
        core.state.last_device = core.inventory.last();
        core.state.last_entry = core.baseline.last();
        core.state.last_program = core.programs.last();
        core.state.last_work = core.journal.last();
        core.state.last_window = core.maintenance.last();
        core.state.ot_subnets = core.inventory.ot_subnets();
        core.state.counters = core.counters.iter().map(|(id, n)| (id.clone(), *n)).collect();
        Changes {
            devices,
            removed_devices,
            entries,
            removed_entries,
            grants,
            removed_grants,
            points,
            removed_points,
            programs,
            removed_programs,
            journal: core.journal.take_changes(),
            maintenance: core.maintenance.take_changes(),
            alerts,
            violations,
            acts: core.alerts.take_acts(),
            events: std::mem::take(&mut core.events),
            state: core.state.clone(),
        }
    }

    /// Adds counters of the sensor (what was captured, decoded, skipped, lost) to those of the engine.
    pub fn add_counters<'a>(&mut self, counters: impl IntoIterator<Item = (&'a str, u64)>) {
        for (counter, n) in counters {
            self.core.count(counter, n);
        }
    }

    #[cfg(test)]
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut EngineConfig)) {
        change(&mut self.core.config);
    }

    /// Read access to what the detectors share.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Every alert type that some detector can raise.
    pub fn alert_types() -> Vec<&'static AlertType> {
        let mut types: Vec<&'static AlertType> =
            registry(&EngineConfig::default()).iter().flat_map(|detector| detector.types().iter().copied()).collect();
        types.sort_by_key(|kind| kind.id);
        types.dedup_by_key(|kind| kind.id);
        types
    }
}
