//! Devices that do not answer.

use super::spread::{BySession, Capped, Party, number, of_flow, party};
use super::{Detector, of_activity};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{DeviceId, Peer};
use crate::shared::{Core, Seen, SeenFlow};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::fact::CloseReason;
use ot_protocol::time::SECOND;
use ot_protocol::{Endpoint, FlowEvent, FlowKind, Operation, Outcome, SessionId, SubAddress, Timestamp, Transport};
use std::collections::VecDeque;

/// Standard ports of OT protocols.
const OT_PORTS: [u16; 3] = [102, 502, 20_000];
/// How long a connection attempt may wait for its answer.
const PATIENCE: i64 = 3 * SECOND;

/// Counts requests and connection attempts without an answer, by server.
pub struct Unresponsive {
    modbus: WindowCount<(Party, SubAddress)>,
    modbus_limit: Threshold,
    any: WindowCount<(Party, SubAddress)>,
    any_limit: Threshold,
    /// The second in which a request to a sub-address that never answered was last counted.
    strange: Capped<(Party, SubAddress), i64>,
    /// Connection attempts that wait, by session and in order.
    waiting: BySession<Box<FlowEvent>>,
    queue: VecDeque<(Timestamp, SessionId)>,
    cap: usize,
    /// Ports on which a device answered an OT protocol.
    served: Capped<(DeviceId, u16), ()>,
}

impl Unresponsive {
    /// With the configured thresholds.
    pub fn new(config: &EngineConfig) -> Self {
        let modbus_limit = config.threshold(catalogue::MODBUS_UNRESPONSIVE, Threshold { count: 3, seconds: 300 });
        let any_limit = config.threshold(catalogue::DEVICE_UNRESPONSIVE, Threshold { count: 8, seconds: 300 });
        let keys = config.limits.window_keys;
        Self {
            modbus: WindowCount::new(modbus_limit.seconds, keys),
            modbus_limit,
            any: WindowCount::new(any_limit.seconds, keys),
            any_limit,
            strange: Capped::new(keys),
            waiting: Capped::new(keys),
            queue: VecDeque::new(),
            cap: keys,
            served: Capped::new(keys),
        }
    }

    /// A connection attempt that got no answer.
    fn gave_up(&mut self, core: &mut Core, event: &FlowEvent, now: Timestamp) {
        let (client, server) = (core.inventory.peer(&event.client), core.inventory.peer(&event.server));
        let count = event.count.max(1);
        let total = self.any.add(&(party(&server), SubAddress::None), count, now);
        if total < self.any_limit.count {
            return;
        }
        let first = total.saturating_sub(count) < self.any_limit.count;
        let (from, to) = (core.display(&client), core.display(&server));
        let last = last_packet(core, &server);
        let limit = self.any_limit;
        let text = || Text {
            description: format!(
                "{to} left {total} requests and connection attempts unanswered within {} s, the last a connection attempt of \
                 {from} to port {}.{last}",
                limit.seconds, event.server.port
            ),
            why: format!("{} or more unanswered requests within {} s.", limit.count, limit.seconds),
            object: format!("TCP port {}", event.server.port),
            detail: format!("connection attempt of {from} to port {} unanswered", event.server.port),
            ..Text::default()
        };
        let flow = SeenFlow { event, client: &client, server: &server };
        let frames = [event.frame];
        let row = number((client.device, event.server.port));
        let mut finding = of_flow(catalogue::DEVICE_UNRESPONSIVE, &flow, &frames, &[], row, &text);
        finding.count = u64::from(if first { total } else { count });
        finding.outcome = Some(Outcome::Unanswered);
        core.raise(&finding);
    }
}

/// ` Its last packet came at …`.
fn last_packet(core: &Core, server: &Peer) -> String {
    server
        .device
        .and_then(|id| core.inventory.get(id))
        .map(|device| format!(" Its last packet was seen at {}.", words::time(device.last_seen)))
        .unwrap_or_default()
}

/// Whether the server answered this protocol, under this sub-address, at any time.
fn answered_before(core: &Core, seen: &Seen<'_>) -> bool {
    let Some(device) = seen.server_id().and_then(|id| core.inventory.get(id)) else { return false };
    let asked = seen.activity.server.sub;
    let direct = matches!(asked, SubAddress::None | SubAddress::Unit(0 | 255));
    let same = direct || device.sub == SubAddress::None || device.sub == asked;
    same && device.protocols.iter().any(|used| used.as_server && used.protocol == seen.activity.protocol)
}

/// The link address of an exchange that belongs to no known device at its IP address: the outstation's, else the master's.
fn strange_link(core: &Core, seen: &Seen<'_>) -> Option<SubAddress> {
    let activity = seen.activity;
    if activity.protocol != "dnp3" || seen.server_id().is_none() {
        return None;
    }
    if !answered_before(core, seen) {
        return Some(activity.server.sub);
    }
    let master = seen.client_id().and_then(|id| core.inventory.get(id)).map(|device| device.sub);
    (master != Some(activity.client.sub)).then_some(activity.client.sub)
}

impl Detector for Unresponsive {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DEVICE_UNRESPONSIVE, catalogue::MODBUS_UNRESPONSIVE];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if seen.answered()
            && seen.novel
            && let Some(id) = seen.server_id()
        {
            let key = (id, activity.server.port);
            if self.served.get(&key).is_none() {
                self.served.insert(key, ());
            }
        }
        if activity.outcome != Outcome::Unanswered {
            return;
        }
        // Who tries racks and slots finds most of them empty: that is no silence of the controller that answers in others.
        let slot = matches!(activity.server.sub, SubAddress::RackSlot(..)) && activity.operation == Operation::Session;
        if slot && seen.server_id().is_some() && !answered_before(core, seen) {
            return;
        }
        let mut count = u32::try_from(seen.count).unwrap_or(u32::MAX);
        let key = (party(seen.server), activity.server.sub);
        // Who guesses link addresses leaves many unanswered at once: those that never answered, or were never answered,
        // count each for itself, and one request a second. None of them says anything of the device that others reach here.
        let mut counted = SubAddress::None;
        if let Some(strange) = strange_link(core, seen) {
            let (key, second) = ((key.0, strange), seen.times[1].epoch());
            if self.strange.get(&key) == Some(&second) {
                return;
            }
            self.strange.insert(key, second);
            (count, counted) = (1, strange);
        }
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        let last = last_packet(core, seen.server);
        let function = words::function(activity);
        let target = words::target(&activity.target);
        let row = number((activity.function.code, activity.target.start, activity.target.count));
        let known = activity.protocol == "modbus" && answered_before(core, seen);
        let mut raise = |kind: &'static AlertType, total: u32, limit: Threshold| {
            if total < limit.count {
                return;
            }
            let first = total.saturating_sub(count) < limit.count;
            let text = || Text {
                description: format!(
                    "{to} left {total} requests unanswered within {} s, the last {function} of {from}.{last}",
                    limit.seconds
                ),
                why: if kind == catalogue::MODBUS_UNRESPONSIVE {
                    format!(
                        "{} or more unanswered requests within {} s, by a server that answered before.",
                        limit.count, limit.seconds
                    )
                } else {
                    format!("{} or more unanswered requests within {} s.", limit.count, limit.seconds)
                },
                function: function.clone(),
                object: target.clone(),
                detail: format!("{function} of {from} unanswered"),
                ..Text::default()
            };
            let mut finding = of_activity(kind, seen, &[], row, &text);
            finding.count = u64::from(if first { total } else { count });
            core.raise(&finding);
        };
        if known {
            let total = self.modbus.add(&key, count, seen.times[1]);
            raise(catalogue::MODBUS_UNRESPONSIVE, total, self.modbus_limit);
        }
        let total = self.any.add(&(key.0, counted), count, seen.times[1]);
        raise(catalogue::DEVICE_UNRESPONSIVE, total, self.any_limit);
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if event.transport != Transport::Tcp {
            return;
        }
        match event.kind {
            FlowKind::Attempt => {
                let Some(id) = flow.server.device else { return };
                let field = core.inventory.get(id).is_some_and(|device| device.role.is_field());
                let port = event.server.port;
                if field && (OT_PORTS.contains(&port) || self.served.get(&(id, port)).is_some()) {
                    let plain = Endpoint { sub: SubAddress::None, ..event.server };
                    self.waiting.insert(event.session, Box::new(FlowEvent { server: plain, ..event.clone() }));
                    self.queue.push_back((event.time, event.session));
                    // Attempts that left the table need no place in the queue.
                    if self.queue.len() > self.cap.saturating_mul(2) {
                        self.queue.pop_front();
                    }
                }
            }
            FlowKind::Open | FlowKind::Refused | FlowKind::OneSided => {
                self.waiting.remove(&event.session);
            }
            FlowKind::Close(why) => {
                if let Some(attempt) = self.waiting.remove(&event.session)
                    && why != CloseReason::EndOfInput
                    && event.packets[1] == 0
                {
                    self.gave_up(core, &attempt, event.time);
                }
            }
            _ => {}
        }
    }

    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        while let Some(&(time, session)) = self.queue.front() {
            if now.since(time) < PATIENCE {
                break;
            }
            self.queue.pop_front();
            if self.waiting.get(&session).is_some_and(|attempt| attempt.time == time)
                && let Some(attempt) = self.waiting.remove(&session)
            {
                self.gave_up(core, &attempt, now);
            }
        }
    }

    fn time_jump(&mut self, _core: &mut Core, _now: Timestamp) {
        self.waiting.clear();
        self.queue.clear();
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![(
            "unresponsive-windows-evicted",
            self.modbus.evicted + self.any.evicted + self.strange.evicted + self.waiting.evicted + self.served.evicted,
        )]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, dnp3};
    use ot_protocol::{Activity, Endpoint, Operation, Outcome, SubAddress};

    #[test]
    fn unanswered_requests_of_a_server_that_answered_are_told() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        for second in 2..=3 {
            plant.request(second, 10, 11, Outcome::Unanswered);
        }
        assert!(plant.alerts_of("modbus-unresponsive").is_empty());
        for second in 4..=8 {
            plant.request(second, 10, 11, Outcome::Unanswered);
        }
        assert_eq!(plant.alerts_of("modbus-unresponsive")[0].count, 7);
        assert!(plant.alerts_of("device-unresponsive").is_empty());
        plant.request(9, 10, 11, Outcome::Unanswered);
        assert_eq!(plant.alerts_of("device-unresponsive")[0].count, 8);
    }

    #[test]
    fn a_server_that_never_answered_is_told_as_a_device_only() {
        let mut plant = Plant::operational();
        for second in 1..=9 {
            plant.request(second, 10, 12, Outcome::Unanswered);
        }
        assert!(plant.alerts_of("modbus-unresponsive").is_empty());
        assert_eq!(plant.alerts_of("device-unresponsive").len(), 1);
    }

    #[test]
    fn a_sweep_of_link_addresses_is_no_silent_device() {
        let unanswered = |link| {
            let request = dnp3(66, 11, 1, "Read", Operation::Read);
            let server = Endpoint { sub: SubAddress::Link(link), ..request.server };
            Activity { server, outcome: Outcome::Unanswered, ..request }
        };
        let of_master = |link| {
            let request = unanswered(10);
            Activity { client: Endpoint { sub: SubAddress::Link(link), ..request.client }, ..request }
        };
        let mut plant = Plant::operational();
        plant.act(1, dnp3(10, 11, 1, "Read", Operation::Read));
        for link in 20..60 {
            plant.act(2, unanswered(link));
            plant.act(2, unanswered(4));
            plant.act(2, of_master(link));
        }
        assert!(plant.alerts_of("device-unresponsive").is_empty());
        for second in 3..10 {
            plant.act(second, unanswered(4));
        }
        assert_eq!(plant.alerts_of("device-unresponsive").len(), 1);
        let mut plant = Plant::operational();
        plant.act(1, dnp3(10, 11, 1, "Read", Operation::Read));
        plant.act(1, dnp3(66, 11, 1, "Read", Operation::Read));
        for _ in 0..8 {
            plant.act(2, unanswered(10));
        }
        assert_eq!(plant.alerts_of("device-unresponsive").len(), 1);
    }

    #[test]
    fn attempts_without_an_answer_count() {
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        for second in 2..=9 {
            plant.attempt(second, 10, 11, 502);
        }
        plant.end_of_second(20);
        assert_eq!(plant.alerts_of("device-unresponsive")[0].count, 8);
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        for second in 2..=9 {
            plant.attempt_and_open(second, 10, 11, 502);
        }
        plant.end_of_second(20);
        assert!(plant.alerts_of("device-unresponsive").is_empty());
    }
}
