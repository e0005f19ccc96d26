//! Scans of controllers: many controllers or units probed, many functions tried.

use super::spread::{Party, party};
use super::{Detector, function_key, of_activity, row};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::Peer;
use crate::shared::{Core, Seen, SeenFlow};
use crate::table::WindowDistinct;
use crate::words;
use ot_protocol::{FlowKind, Operation, Outcome, SubAddress, Transport};
use std::net::IpAddr;

/// Standard ports of OT protocols.
const OT_PORTS: [u16; 3] = [102, 502, 20_000];

/// What is probed: an address, and what is behind it. A DNP3 master's own link address is a part of the guess.
type Target = (Option<IpAddr>, SubAddress, SubAddress);

/// Counts probed controllers by client, and tried functions by pair.
pub struct Probes {
    targets: WindowDistinct<Party, Target>,
    target_limit: Threshold,
    functions: WindowDistinct<(Peer, Peer), (u16, Option<u16>, bool)>,
    function_limit: Threshold,
}

impl Probes {
    /// With the configured thresholds.
    pub fn new(config: &EngineConfig) -> Self {
        let target_limit = config.threshold(catalogue::PLC_SCAN, Threshold { count: 10, seconds: 120 });
        let function_limit = config.threshold(catalogue::FUNCTION_SCAN, Threshold { count: 8, seconds: 120 });
        let keys = config.limits.window_keys;
        Self {
            targets: WindowDistinct::new(target_limit.seconds, 512, keys),
            target_limit,
            functions: WindowDistinct::new(function_limit.seconds, 256, keys),
            function_limit,
        }
    }

    fn probe(&mut self, core: &mut Core, client: &Peer, server: &Peer, at: &At<'_>) {
        if core.may_scan(client) {
            return;
        }
        let probed = self.targets.add(&party(client), (server.ip, server.sub, client.sub), at.times[1]);
        if probed < self.target_limit.count as usize {
            return;
        }
        let (from, to) = (core.display(client), core.display(server));
        let text = || Text {
            description: format!(
                "{from} probed {probed} controllers, units or addresses within {} s, last {to} ({}).",
                self.target_limit.seconds, at.what
            ),
            why: format!(
                "{} or more controllers, units or addresses probed within {} s that this device does not normally use.",
                self.target_limit.count, self.target_limit.seconds
            ),
            function: at.what.to_owned(),
            object: server.sub.to_string(),
            value: String::new(),
            detail: format!("probe of {to}: {}", at.what),
        };
        core.raise(&Finding {
            kind: catalogue::PLC_SCAN,
            client: Some(client.clone()),
            server: Some(server.clone()),
            table: None,
            point: None,
            times: at.times,
            frames: at.frames,
            count: 1,
            protocol: at.protocol,
            operation: Some(Operation::Discover),
            outcome: at.outcome,
            entries: &[],
            row: row(&[u64::from(server.device.map_or(0, |device| device.0)), sub_number(server.sub)]),
            text: &text,
        });
    }

    fn functions(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let refused = match activity.outcome {
            Outcome::Ok => false,
            // Several functions of DNP3 have no answer.
            Outcome::Pending => activity.protocol != "dnp3",
            Outcome::Rejected(..) | Outcome::Unanswered => true,
        };
        let pair = (seen.client.clone(), seen.server.clone());
        let value = (activity.function.code, activity.function.sub, refused);
        let tried = self.functions.add(&pair, value, seen.times[1]);
        if tried < self.function_limit.count as usize {
            return;
        }
        let refused = self.functions.values(&pair).filter(|(_, _, refused)| *refused).count();
        let mut codes: Vec<u16> = self.functions.values(&pair).map(|(code, _, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        if codes.len() < self.function_limit.count as usize || refused * 2 <= tried {
            return;
        }
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        let text = || Text {
            description: format!(
                "{from} tried {} function codes on {to} within {} s, most of them without success. The last one was {function}; {}.",
                codes.len(),
                self.function_limit.seconds,
                words::outcome(activity.outcome)
            ),
            why: format!(
                "{} or more different function codes within {} s, most of them refused or not answered.",
                self.function_limit.count, self.function_limit.seconds
            ),
            function: function.clone(),
            object: words::target(&activity.target),
            value: String::new(),
            detail: format!("{function}: {}", words::outcome(activity.outcome)),
        };
        let id = row(&[u64::from(activity.function.code), activity.function.sub.map_or(u64::MAX, u64::from)]);
        core.raise(&of_activity(catalogue::FUNCTION_SCAN, seen, &[], id, &text));
    }
}

/// How and when a probe was seen.
struct At<'a> {
    times: [ot_protocol::Timestamp; 2],
    frames: &'a [ot_protocol::FrameRef],
    protocol: Option<&'static str>,
    outcome: Option<Outcome>,
    what: &'a str,
}

impl Detector for Probes {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::PLC_SCAN, catalogue::FUNCTION_SCAN];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let known = seen.server_id().is_some() && core.allowing(&function_key(seen)).is_some();
        // Reading a unit for the first time is a probe only where it is known what is normal here.
        let fruitless = match (activity.protocol, activity.outcome) {
            (_, Outcome::Unanswered) | ("modbus", Outcome::Rejected(10 | 11, _)) => true,
            // No module in that slot, or none that takes the connection.
            (_, Outcome::Rejected(..)) => activity.operation == Operation::Session,
            _ => false,
        };
        // Who may connect to a controller has no business in slots that are empty.
        if known && !(fruitless && is_empty_slot(core, seen)) {
            return;
        }
        if activity.operation == Operation::Identify || fruitless || (seen.novel && core.has_learned()) {
            let function = words::function(activity);
            let at = At {
                times: seen.times,
                frames: &seen.frames,
                protocol: Some(activity.protocol),
                outcome: Some(activity.outcome),
                what: &function,
            };
            // The unit asked for, also where it is no device.
            let server = Peer { sub: activity.server.sub, ..seen.server.clone() };
            self.probe(core, seen.client, &server, &at);
        }
        self.functions(core, seen);
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let event = flow.event;
        if event.transport != Transport::Tcp
            || !matches!(event.kind, FlowKind::Attempt | FlowKind::Refused)
            || !OT_PORTS.contains(&event.server.port)
            || core.uses(flow.client.device, flow.server.device)
        {
            return;
        }
        let what = format!("connection attempt to port {}", event.server.port);
        let at = At { times: [event.time; 2], frames: &[event.frame], protocol: None, outcome: None, what: &what };
        self.probe(core, flow.client, flow.server, &at);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("probe-windows-evicted", self.targets.evicted + self.functions.evicted)]
    }
}

/// Whether a connection is asked for to another rack and slot than the one in which the controller is known.
fn is_empty_slot(core: &Core, seen: &Seen<'_>) -> bool {
    let asked = seen.activity.server.sub;
    let device = seen.server_id().and_then(|id| core.inventory.get(id));
    seen.activity.operation == Operation::Session
        && matches!(asked, SubAddress::RackSlot(..))
        && device.is_some_and(|device| device.sub != asked)
}

fn sub_number(sub: SubAddress) -> u64 {
    match sub {
        SubAddress::None => u64::MAX,
        SubAddress::Unit(unit) => u64::from(unit),
        SubAddress::Link(link) => u64::from(link),
        SubAddress::RackSlot(rack, slot) => u64::from(rack) << 8 | u64::from(slot),
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, dnp3, s7};
    use ot_protocol::{Activity, Endpoint, Function, Operation, Outcome, SubAddress};

    fn link_status(link: u16, outcome: Outcome) -> Activity {
        let request = dnp3(66, 11, 9, "Request Link Status", Operation::Session);
        Activity { server: Endpoint { sub: SubAddress::Link(link), ..request.server }, outcome, ..request }
    }

    #[test]
    fn a_sweep_of_link_addresses_is_told() {
        let mut plant = Plant::operational();
        plant.act(1, dnp3(10, 11, 1, "Read", Operation::Read));
        for link in 0..9 {
            plant.act(2, link_status(link, Outcome::Unanswered));
        }
        assert!(plant.alerts_of("plc-scan").is_empty());
        // Whatever master it claims to be.
        let last = link_status(9, Outcome::Unanswered);
        plant.act(3, Activity { client: Endpoint { sub: SubAddress::Link(99), ..last.client }, ..last });
        assert_eq!(plant.alerts_of("plc-scan").len(), 1);
    }

    #[test]
    fn link_addresses_of_masters_are_guessed_as_well() {
        let mut plant = Plant::operational();
        for link in 0..10 {
            let guess = link_status(link % 2, Outcome::Unanswered);
            let client = Endpoint { sub: SubAddress::Link(link / 2), ..guess.client };
            plant.act(1, Activity { client, ..guess.clone() });
            plant.act(1, Activity { client, ..guess });
        }
        assert_eq!(plant.alerts_of("plc-scan").len(), 1);
    }

    #[test]
    fn functions_without_an_answer_are_no_scan() {
        for (outcome, scans) in [(Outcome::Pending, 0), (Outcome::Rejected(0x10, "Function Not Supported"), 1)] {
            let mut plant = Plant::operational();
            for code in 6..16 {
                plant.act(1, Activity { outcome, ..dnp3(10, 11, code, "Some Function", Operation::Freeze) });
            }
            assert_eq!(plant.alerts_of("function-scan").len(), scans);
        }
    }

    #[test]
    fn empty_slots_of_a_controller_that_is_in_use_are_probes() {
        let connect = |slot, outcome| {
            let connect = Function { code: 0x1e0, sub: None, name: "COTP Connect Request" };
            let ask = s7(10, 11, Operation::Session, connect);
            Activity { server: Endpoint { sub: SubAddress::RackSlot(0, slot), ..ask.server }, outcome, ..ask }
        };
        let mut plant = Plant::learning_until(100);
        plant.act(1, connect(2, Outcome::Ok));
        let setup = Function { code: 0xf0, sub: None, name: "Setup Communication" };
        plant.act(1, Activity { function: setup, ..connect(2, Outcome::Ok) });
        plant.end_of_second(100);
        // Its own slot may be silent.
        for second in 101..120 {
            plant.act(second, connect(2, Outcome::Unanswered));
        }
        assert!(plant.alerts_of("plc-scan").is_empty());
        let silent = plant.alerts_of("device-unresponsive")[0].count;
        for slot in 4..14 {
            plant.act(400, connect(slot, Outcome::Unanswered));
        }
        assert_eq!(plant.alerts_of("plc-scan").len(), 1);
        assert_eq!(plant.alerts_of("device-unresponsive")[0].count, silent);
    }
}
