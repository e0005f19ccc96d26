//! A small plant for the tests of detectors: hosts `10.0.0.N` with MAC address `02:00:00:00:00:N`.

use crate::changes::{Action, Command, Snapshot};
use crate::config::{AlertSetting, EngineConfig, Learning};
use crate::engine::Engine;
use crate::model::{Alert, AlertViolation, BaselineEntry, Device, EntryId, Grant, ProgramVersion, SensorAct};
use ot_protocol::fact::CloseReason;
use ot_protocol::{
    Activity, Claim, ClaimKind, Direction, Endpoint, Fact, FlowEvent, FlowKind, Fold, FrameRef, Function, Identity,
    Intervals, Mac, Operation, Outcome, RuleHit, SessionId, SubAddress, Target, Timestamp, Transport, Values,
    Violation,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// A packet time.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::new(second, 0)
}

/// An engine with what it told so far.
pub(super) struct Plant {
    pub engine: Engine,
    packets: u64,
    /// Session of the last poll of a pair, and when it was last repeated.
    polls: BTreeMap<(u8, u8), (SessionId, Timestamp)>,
    alerts: BTreeMap<u32, Alert>,
    devices: BTreeMap<u32, Device>,
    entries: BTreeMap<u32, BaselineEntry>,
    grants: BTreeMap<(EntryId, u64), Grant>,
    violations: BTreeMap<(u32, u32), AlertViolation>,
    /// What the sensor did to alerts.
    pub acts: Vec<SensorAct>,
    programs: BTreeMap<u32, ProgramVersion>,
    state: crate::changes::State,
}

pub(crate) fn host(number: u8) -> Endpoint {
    Endpoint {
        mac: Some(Mac([2, 0, 0, 0, 0, number])),
        vlan: None,
        ip: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))),
        port: 0,
        sub: SubAddress::None,
    }
}

/// A write to unit 1, accepted.
pub(crate) fn write(client: u8, server: u8, space: &'static str, start: u32, values: Values) -> Activity {
    let coils = space == "coils";
    Activity {
        session: SessionId(1_000_000 + u64::from(client)),
        slot: None,
        time: at(0),
        frames: [FrameRef::default(); 2],
        sender: Direction::AtoB,
        client: Endpoint { port: 40_000, ..host(client) },
        server: Endpoint { port: 502, sub: SubAddress::Unit(1), ..host(server) },
        protocol: "modbus",
        operation: if coils { Operation::Control } else { Operation::Write },
        function: if coils {
            Function { code: 5, sub: None, name: "Write Single Coil" }
        } else {
            Function { code: 6, sub: None, name: "Write Single Register" }
        },
        target: Target { space, start, count: u32::try_from(values.len()).unwrap(), ..Target::default() },
        values,
        masks: None,
        outcome: Outcome::Ok,
        latency: None,
        violations: Vec::new(),
        sign_in: None,
        artifact: None,
    }
}

/// A read of holding registers of unit 1, accepted.
pub(crate) fn read(client: u8, server: u8, start: u32, count: u32) -> Activity {
    Activity {
        operation: Operation::Read,
        function: Function { code: 3, sub: None, name: "Read Holding Registers" },
        target: Target { space: "holding-registers", start, count, ..Target::default() },
        ..write(client, server, "holding-registers", start, Values::None)
    }
}

/// A DNP3 request of master 1 to outstation 10 that addresses nothing, accepted.
pub(crate) fn dnp3(client: u8, server: u8, code: u16, name: &'static str, operation: Operation) -> Activity {
    Activity {
        client: Endpoint { port: 40_000, sub: SubAddress::Link(1), ..host(client) },
        server: Endpoint { port: 20_000, sub: SubAddress::Link(10), ..host(server) },
        protocol: "dnp3",
        ..call(client, server, operation, Function { code, sub: None, name })
    }
}

/// Activities with another target or values.
pub(crate) trait On {
    /// The same on these points.
    fn on(self, space: &'static str, start: u32, count: u32) -> Self;
}

impl On for Activity {
    fn on(self, space: &'static str, start: u32, count: u32) -> Self {
        Self { target: Target { space, start, count, ..Target::default() }, ..self }
    }
}

/// A departure from the specification.
pub(crate) fn violation(rule: &'static str) -> Violation {
    Violation {
        rule,
        layer: "modbus",
        offset: 7,
        needed: "this".into(),
        found: "that".into(),
        reason: "the specification wants this".into(),
    }
}

/// A request that addresses nothing.
pub(crate) fn call(client: u8, server: u8, operation: Operation, function: Function) -> Activity {
    Activity { operation, function, target: Target::default(), ..write(client, server, "coils", 0, Values::None) }
}

/// An S7comm job that addresses nothing, accepted.
pub(crate) fn s7(client: u8, server: u8, operation: Operation, function: Function) -> Activity {
    let job = call(client, server, operation, function);
    let server = Endpoint { port: 102, sub: SubAddress::RackSlot(0, 2), ..job.server };
    Activity { server, protocol: "s7comm", ..job }
}

/// A write of a word to a data block by S7comm, accepted. `byte` is its byte offset.
pub(crate) fn s7_write(client: u8, server: u8, block: u32, byte: u32, value: f64) -> Activity {
    Activity {
        target: Target {
            space: "data-block",
            number: Some(block),
            start: byte * 8,
            count: 1,
            width: 16,
            ..Target::default()
        },
        values: Values::Numbers(vec![value]),
        ..s7(client, server, Operation::Write, Function { code: 5, sub: None, name: "Write Var" })
    }
}

/// An access to a tag by S7comm-plus, accepted.
pub(crate) fn s7plus_tag(client: u8, server: u8, operation: Operation, crc: u32) -> Activity {
    let function = Function { code: 0x54c, sub: None, name: "GetMultiVariables" };
    let target = Target { space: "tag", number: Some(crc), count: 1, ..Target::default() };
    Activity { protocol: "s7comm-plus", target, ..s7(client, server, operation, function) }
}

/// An exchange in a companion protocol, accepted.
pub(crate) fn companion(
    protocol: &'static str,
    client: u8,
    server: u8,
    port: u16,
    operation: Operation,
    name: &'static str,
) -> Activity {
    let exchange = call(client, server, operation, Function { code: 0, sub: None, name });
    Activity { protocol, server: Endpoint { port, sub: SubAddress::None, ..exchange.server }, ..exchange }
}

/// What moves, or removes, a program block by S7comm, accepted.
pub(crate) fn s7_block(client: u8, server: u8, operation: Operation, name: &str) -> Activity {
    let function = match operation {
        Operation::ProgramRead => Function { code: 0x1f, sub: None, name: "End Upload" },
        Operation::ProgramDelete => Function { code: 0x28, sub: None, name: "PI Service _DELE" },
        _ => Function { code: 0x1c, sub: None, name: "Download Ended" },
    };
    let target = Target { space: "block", name: Some(name.into()), ..Target::default() };
    Activity { target, ..s7(client, server, operation, function) }
}

impl Plant {
    fn new(learning: Learning, snapshot: Snapshot) -> Self {
        let config =
            EngineConfig { ot_networks: vec!["10.0.0.0/16".parse().unwrap()], learning, ..EngineConfig::default() };
        Self {
            engine: Engine::new(config, snapshot),
            packets: 0,
            polls: BTreeMap::new(),
            alerts: BTreeMap::new(),
            devices: BTreeMap::new(),
            entries: BTreeMap::new(),
            grants: BTreeMap::new(),
            violations: BTreeMap::new(),
            acts: Vec::new(),
            programs: BTreeMap::new(),
            state: crate::changes::State::default(),
        }
    }

    /// As configured.
    pub fn with(config: EngineConfig) -> Self {
        Self { engine: Engine::new(config, Snapshot::default()), ..Self::operational() }
    }

    /// Learns until a second.
    pub fn learning_until(second: i64) -> Self {
        Self::new(Learning::Until(at(second)), Snapshot::default())
    }

    /// Learns nothing.
    pub fn operational() -> Self {
        Self::new(Learning::Operational, Snapshot::default())
    }

    /// Learns nothing; a type that is off by default is on.
    pub fn operational_with(kind: &str) -> Self {
        let on = AlertSetting { enabled: Some(true), ..AlertSetting::default() };
        let config = EngineConfig {
            ot_networks: vec!["10.0.0.0/16".parse().unwrap()],
            alerts: [(kind.to_owned(), on)].into(),
            learning: Learning::Operational,
            ..EngineConfig::default()
        };
        Self { engine: Engine::new(config, Snapshot::default()), ..Self::operational() }
    }

    /// Turns an alert type on.
    pub fn enable(&mut self, id: &str) {
        let setting = AlertSetting { enabled: Some(true), ..AlertSetting::default() };
        self.engine.configure(|config| {
            config.alerts.insert(id.to_owned(), setting);
        });
    }

    /// The same plant after a restart of the sensor.
    pub fn restart(&mut self) -> Self {
        self.collect();
        let snapshot = Snapshot {
            devices: self.devices.values().cloned().collect(),
            entries: self.entries.values().cloned().collect(),
            grants: self.grants.values().cloned().collect(),
            programs: self.programs.values().cloned().collect(),
            alerts: self.alerts.values().cloned().collect(),
            state: self.state.clone(),
            ..Snapshot::default()
        };
        Self::new(Learning::AsStored, snapshot)
    }

    fn collect(&mut self) {
        let changes = self.engine.take_changes();
        self.alerts.extend(changes.alerts.into_iter().map(|alert| (alert.number, alert)));
        self.devices.extend(changes.devices.into_iter().map(|device| (device.id.0, device)));
        self.programs.extend(changes.programs.into_iter().map(|version| (version.number, version)));
        self.entries.extend(changes.entries.into_iter().map(|entry| (entry.id.0, entry)));
        for id in changes.removed_entries {
            self.entries.remove(&id.0);
        }
        for place in changes.removed_grants {
            self.grants.remove(&place);
        }
        self.grants.extend(changes.grants.into_iter().map(|grant| ((grant.entry, grant.act), grant)));
        self.violations.extend(changes.violations.into_iter().map(|row| ((row.alert, row.number), row)));
        self.acts.extend(changes.acts);
        self.state = changes.state;
    }

    /// All alerts, in order of opening.
    pub fn alerts(&mut self) -> Vec<Alert> {
        self.collect();
        self.alerts.values().cloned().collect()
    }

    /// All violations, by alert and place.
    pub fn violations(&mut self) -> BTreeMap<(u32, u32), AlertViolation> {
        self.collect();
        self.violations.clone()
    }

    /// What a person asks for.
    pub fn command(&mut self, act: u64, alert: Option<&str>, action: Action) -> Result<String, String> {
        self.engine.command(&Command {
            id: act,
            act,
            alert: alert.map(str::to_owned),
            action,
            who: "operator".to_owned(),
            why: String::new(),
            wall_time: at(0),
        })
    }

    /// Alerts of a type, in order of opening.
    pub fn alerts_of(&mut self, id: &str) -> Vec<Alert> {
        self.collect();
        self.alerts.values().filter(|alert| alert.kind.id == id).cloned().collect()
    }

    fn frame(&mut self) -> FrameRef {
        self.packets += 1;
        FrameRef::new(0_u32, self.packets)
    }

    pub fn end_of_second(&mut self, second: i64) {
        self.engine.apply(Fact::EpochEnd(at(second)));
    }

    /// The first read of a connection, answered.
    pub fn poll(&mut self, second: i64, client: u8, server: u8) {
        let session = self.request(second, client, server, Outcome::Ok);
        self.polls.insert((client, server), (session, at(second)));
    }

    /// The same read again in the same connection.
    pub fn repeat(&mut self, second: i64, client: u8, server: u8) {
        let frame = self.frame();
        let (session, last) = self.polls[&(client, server)];
        let mut intervals = Intervals::default();
        intervals.add(at(second).since(last));
        self.polls.insert((client, server), (session, at(second)));
        self.engine.apply(Fact::Fold(Fold {
            session,
            slot: 0,
            count: 1,
            frames: [frame; 2],
            times: [at(second); 2],
            intervals,
            latency_max: 0,
            extremes: None,
        }));
    }

    /// A read in a connection of its own.
    pub fn request(&mut self, second: i64, client: u8, server: u8, outcome: Outcome) -> SessionId {
        let frame = self.frame();
        let session = SessionId(self.packets);
        self.engine.apply(Fact::Activity(Box::new(Activity {
            session,
            slot: Some(0),
            time: at(second),
            frames: [frame; 2],
            sender: Direction::AtoB,
            client: Endpoint { port: 40_000, ..host(client) },
            server: Endpoint { port: 502, sub: SubAddress::Unit(1), ..host(server) },
            protocol: "modbus",
            operation: Operation::Read,
            function: Function { code: 3, sub: None, name: "Read Holding Registers" },
            target: Target { space: "holding-registers", start: 0, count: 10, ..Target::default() },
            values: Values::None,
            masks: None,
            outcome,
            latency: None,
            violations: Vec::new(),
            sign_in: None,
            artifact: None,
        })));
        session
    }

    /// Any activity, at this time.
    pub fn act(&mut self, second: i64, activity: Activity) {
        let frame = self.frame();
        let activity = Activity { time: at(second), frames: [frame; 2], ..activity };
        self.engine.apply(Fact::Activity(Box::new(activity)));
    }

    /// A person learns an alert.
    pub fn learn(&mut self, id: &str) {
        let command = Command {
            id: 1,
            act: 1,
            alert: Some(id.to_owned()),
            action: Action::Learn(crate::changes::Learn::default()),
            who: "operator".to_owned(),
            why: String::new(),
            wall_time: at(0),
        };
        self.engine.command(&command).expect("the alert is open");
    }

    /// Several activities of one message.
    pub fn act_parts(&mut self, second: i64, parts: impl Iterator<Item = Activity>) {
        let frame = self.frame();
        for activity in parts {
            let activity = Activity { time: at(second), frames: [frame; 2], ..activity };
            self.engine.apply(Fact::Activity(Box::new(activity)));
        }
    }

    /// The same activity again and again in its own session, once a second.
    pub fn act_again(&mut self, second: i64, times: i64, activity: Activity) {
        let session = SessionId(2_000_000);
        self.act(second, Activity { session, slot: Some(0), ..activity });
        for later in second + 1..second + times {
            let frame = self.frame();
            self.engine.apply(Fact::Fold(Fold {
                session,
                slot: 0,
                count: 1,
                frames: [frame; 2],
                times: [at(later); 2],
                intervals: Intervals::default(),
                latency_max: 0,
                extremes: None,
            }));
        }
    }

    /// A device tells a property of its own by Modbus.
    pub fn tell(&mut self, second: i64, device: u8, property: &'static str, value: &str) {
        self.tell_by(second, device, property, value, "Modbus FC 43/14 object 2");
    }

    /// A device tells a property of its own.
    pub fn tell_by(&mut self, second: i64, device: u8, property: &'static str, value: &str, source: &'static str) {
        let frame = self.frame();
        self.engine.apply(Fact::Identity(Box::new(Identity {
            session: SessionId(1),
            device: host(device),
            property,
            value: value.to_owned(),
            source,
            time: at(second),
            frame,
        })));
    }

    /// Any flow event, TCP.
    pub fn flow(
        &mut self,
        second: i64,
        kind: FlowKind,
        client: u8,
        server: u8,
        port: u16,
        service: Option<&'static str>,
    ) {
        let frame = self.frame();
        let event = FlowEvent {
            session: SessionId(self.packets),
            kind,
            time: at(second),
            frame,
            transport: Transport::Tcp,
            client: Endpoint { port: 40_000, ..host(client) },
            server: Endpoint { port, ..host(server) },
            roles_certain: true,
            service,
            packets: [0, 0],
            bytes: [0, 0],
            count: 1,
        };
        self.engine.apply(Fact::Flow(Box::new(event)));
    }

    pub fn attempt(&mut self, second: i64, client: u8, server: u8, port: u16) {
        self.flow(second, FlowKind::Attempt, client, server, port, None);
    }

    pub fn open(&mut self, second: i64, client: u8, server: u8, port: u16) {
        self.flow(second, FlowKind::Open, client, server, port, None);
    }

    pub fn attempt_and_open(&mut self, second: i64, client: u8, server: u8, port: u16) {
        self.attempt(second, client, server, port);
        let session = self.packets;
        for kind in [FlowKind::Open, FlowKind::Close(CloseReason::Finished)] {
            self.packets = session - 1; // the same conversation
            self.flow(second, kind, client, server, port, None);
        }
        self.packets += 2;
    }

    /// A connection attempt of host 66 with another source address.
    pub fn attempt_from(&mut self, second: i64, source: &str, server: u8, port: u16) {
        let frame = self.frame();
        let event = FlowEvent {
            session: SessionId(self.packets),
            kind: FlowKind::Attempt,
            time: at(second),
            frame,
            transport: Transport::Tcp,
            client: Endpoint { port: 40_000, ip: Some(source.parse().unwrap()), ..host(66) },
            server: Endpoint { port, ..host(server) },
            roles_certain: true,
            service: None,
            packets: [1, 0],
            bytes: [60, 0],
            count: 1,
        };
        self.engine.apply(Fact::Flow(Box::new(event)));
    }

    /// The first datagram to an address.
    pub fn datagram(&mut self, second: i64, client: u8, to: &str, port: u16) {
        let frame = self.frame();
        let event = FlowEvent {
            session: SessionId(self.packets),
            kind: FlowKind::Attempt,
            time: at(second),
            frame,
            transport: Transport::Udp,
            client: Endpoint { port: 40_000, ..host(client) },
            server: Endpoint { mac: None, port, ip: Some(to.parse().unwrap()), ..host(0) },
            roles_certain: false,
            service: None,
            packets: [1, 0],
            bytes: [60, 0],
            count: 1,
        };
        self.engine.apply(Fact::Flow(Box::new(event)));
    }

    /// An event of a TCP conversation with any address.
    pub fn flow_to(&mut self, second: i64, kind: FlowKind, client: u8, to: &str, port: u16, session: u64) {
        let client = Endpoint { port: 40_000, ..host(client) };
        let server = Endpoint { mac: None, port, ip: Some(to.parse().unwrap()), ..host(0) };
        self.flow_between(second, kind, Transport::Tcp, client, server, session);
    }

    /// Any event of any conversation; each side sent a packet since the last.
    pub fn flow_between(
        &mut self,
        second: i64,
        kind: FlowKind,
        transport: Transport,
        client: Endpoint,
        server: Endpoint,
        session: u64,
    ) {
        self.traffic(second, kind, transport, [client, server], session, [[1, 100], [1, 100]]);
    }

    /// Any event of any conversation, with packets and bytes since the last, of client and server.
    pub fn traffic(
        &mut self,
        second: i64,
        kind: FlowKind,
        transport: Transport,
        [client, server]: [Endpoint; 2],
        session: u64,
        [[packets, bytes], [packets_back, bytes_back]]: [[u64; 2]; 2],
    ) {
        let frame = self.frame();
        let event = FlowEvent {
            session: SessionId(session),
            kind,
            time: at(second),
            frame,
            transport,
            client,
            server,
            roles_certain: true,
            service: None,
            packets: [packets, packets_back],
            bytes: [bytes, bytes_back],
            count: 1,
        };
        self.engine.apply(Fact::Flow(Box::new(event)));
    }

    /// With these indicators.
    pub fn indicators(&mut self, indicators: crate::indicators::Indicators) {
        self.engine.set_indicators(indicators);
    }

    /// Any fact.
    pub fn fact(&mut self, fact: Fact) {
        self.engine.apply(fact);
    }

    /// The MAC address of a host announces any address.
    pub fn claim_ip(&mut self, second: i64, mac: u8, ip: IpAddr) {
        let frame = self.frame();
        self.engine.apply(Fact::Claim(Claim {
            kind: ClaimKind::ArpGratuitous,
            mac: Mac([2, 0, 0, 0, 0, mac]),
            vlan: None,
            ip,
            target: Some(ip),
            time: at(second),
            frame,
            count: 1,
        }));
    }

    /// A rule that a message of a client to unit 1 of a server satisfied.
    pub fn rule(&mut self, second: i64, rule: &str, client: u8, server: u8, because: &str) {
        let frame = self.frame();
        self.engine.apply(Fact::Rule(Box::new(RuleHit {
            rule: rule.into(),
            session: SessionId(self.packets),
            time: at(second),
            frame,
            protocol: Some("modbus"),
            transport: Transport::Tcp,
            source: Endpoint { port: 40_000, ..host(client) },
            destination: Endpoint { port: 502, sub: SubAddress::Unit(1), ..host(server) },
            from_client: true,
            operation: Some(Operation::Write),
            outcome: None,
            because: because.to_owned(),
            values: vec![("modbus.write.value", "4711".to_owned())],
        })));
    }

    /// The MAC address of a host claims the address of a host.
    pub fn claim(&mut self, second: i64, kind: ClaimKind, mac: u8, ip: u8, target: Option<u8>) {
        let frame = self.frame();
        self.engine.apply(Fact::Claim(Claim {
            kind,
            mac: Mac([2, 0, 0, 0, 0, mac]),
            vlan: None,
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, ip)),
            target: target.map(|target| IpAddr::V4(Ipv4Addr::new(10, 0, 0, target))),
            time: at(second),
            frame,
            count: 1,
        }));
    }
}
