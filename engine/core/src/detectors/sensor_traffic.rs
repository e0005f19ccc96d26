//! What the sensor's own interfaces receive: silence, losses, conversations seen in part.
//!
//! Silence is told only where packets come without pause ([`EngineConfig::continuous`]): live, or on replay of a recording of
//! which the configuration says so. Files of other recordings have gaps that tell nothing. On replay the time moves with
//! the packets: silence of one interface among several is told after the set time, that of the only one when its next packet
//! comes. A jump of more than an hour starts the timers anew.

use super::{Detector, row};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::shared::Core;
use crate::words;
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, InterfaceSight, InterfaceTraffic, Timestamp};
use std::collections::BTreeMap;

/// Interfaces watched.
const MOST: usize = 1024;
/// Time over which losses are counted, at least, and sessions are judged.
const MINUTE: i64 = 60;
/// Share of packets lost that is too much: one of so many.
const ONE_OF: u64 = 1000;
/// Sessions below which nothing is said of an interface.
const LEAST_SESSIONS: u32 = 4;

#[derive(Default)]
struct Interface {
    name: String,
    /// Last packet, or when watching began.
    last: Timestamp,
    frame: FrameRef,
    silent: bool,
    /// Packets and losses since `counted_from`.
    packets: u64,
    dropped: u64,
    counted_from: Timestamp,
    sight: InterfaceSight,
    judged_from: Timestamp,
}

/// Watches the interfaces.
pub struct SensorTraffic {
    interfaces: BTreeMap<u16, Interface>,
    limit: Threshold,
    refused: u64,
}

impl SensorTraffic {
    /// With the configured time of silence.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::SENSOR_NO_TRAFFIC, Threshold { count: 0, seconds: 60 });
        Self { interfaces: BTreeMap::new(), limit, refused: 0 }
    }
}

/// `interface 0`, `interface 1 (eth1)`.
fn display(number: u16, interface: &Interface) -> String {
    if interface.name.is_empty() {
        format!("interface {number}")
    } else {
        format!("interface {number} ({})", interface.name)
    }
}

/// A finding about an interface.
fn raise(
    core: &mut Core,
    kind: &'static AlertType,
    interface: u16,
    times: [Timestamp; 2],
    frames: &[FrameRef],
    text: &Text,
) {
    core.raise(&Finding {
        kind,
        client: None,
        server: None,
        table: None,
        point: Some(u64::from(interface)),
        times,
        frames,
        count: 1,
        protocol: None,
        operation: None,
        outcome: None,
        entries: &[],
        row: row(&[u64::from(interface)]),
        text: &|| text.clone(),
    });
}

/// `0.42 percent`, with two digits that say something.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = part.saturating_mul(10_000) / whole.max(1);
    format!("{}.{:02} percent", hundredths / 100, hundredths % 100)
}

fn judge_loss(core: &mut Core, number: u16, interface: &mut Interface, now: Timestamp) {
    let (lost, all) = (interface.dropped, interface.packets.saturating_add(interface.dropped));
    let from = interface.counted_from;
    interface.dropped = 0;
    interface.packets = 0;
    interface.counted_from = now;
    if lost == 0 || lost.saturating_mul(ONE_OF) <= all {
        return;
    }
    let (name, span) = (display(number, interface), words::span(now.since(from)));
    let text = Text {
        description: format!(
            "{lost} of {all} packets ({}) of {name} were dropped before the sensor could look at them, within {span}.",
            percent(lost, all)
        ),
        why: "More than 0.1 percent of the packets of an interface were dropped.".to_owned(),
        value: percent(lost, all),
        detail: format!("{lost} packets dropped within {span} up to {}", words::time(now)),
        ..Text::default()
    };
    raise(core, catalogue::SENSOR_LOSS, number, [from, now], &[interface.frame], &text);
}

fn judge_sight(core: &mut Core, number: u16, interface: &mut Interface, now: Timestamp) {
    let sight = interface.sight;
    if sight.sessions < LEAST_SESSIONS {
        return;
    }
    let from = interface.judged_from;
    interface.sight = InterfaceSight::default();
    interface.judged_from = now;
    let most = sight.one_sided.max(sight.doubled).max(sight.cut);
    if most * 2 <= sight.sessions {
        return;
    }
    let all = sight.sessions;
    let what = if most == sight.one_sided {
        format!("{most} of {all} TCP sessions were seen in one direction only")
    } else if most == sight.doubled {
        format!("in {most} of {all} TCP sessions most packets came twice")
    } else {
        format!("in {most} of {all} TCP sessions packets were cut short by a snap length")
    };
    let name = display(number, interface);
    let text = Text {
        description: format!("On {name} {what}, within {}.", words::span(now.since(from))),
        why: "More than half of the TCP sessions of an interface are seen in part, or doubled; the mirror port is probably \
              not set up as it should be."
            .to_owned(),
        value: format!("{} one-sided, {} doubled, {} cut short, of {all}", sight.one_sided, sight.doubled, sight.cut),
        detail: what,
        ..Text::default()
    };
    raise(core, catalogue::SENSOR_HALF_VISIBLE, number, [from, now], &[interface.frame], &text);
}

impl Detector for SensorTraffic {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::SENSOR_NO_TRAFFIC,
            catalogue::SENSOR_TRAFFIC_BACK,
            catalogue::SENSOR_LOSS,
            catalogue::SENSOR_HALF_VISIBLE,
        ];
        TYPES
    }

    fn interface(&mut self, core: &mut Core, traffic: &InterfaceTraffic) {
        let number = traffic.interface;
        if self.interfaces.len() >= MOST && !self.interfaces.contains_key(&number) {
            self.refused += 1;
            return;
        }
        let [first, last] = traffic.times;
        let interface = self.interfaces.entry(number).or_insert_with(|| Interface {
            last: first,
            counted_from: first,
            judged_from: first,
            ..Interface::default()
        });
        if !traffic.name.is_empty() {
            interface.name.clone_from(&traffic.name);
        }
        if traffic.packets > 0 {
            if interface.silent {
                interface.silent = false;
                let span = words::span(first.since(interface.last));
                let text = Text {
                    description: format!(
                        "The sensor receives packets on {} again, after {span} without any (since {}).",
                        display(number, interface),
                        words::time(interface.last)
                    ),
                    why: "The interface was reported as silent.".to_owned(),
                    value: span,
                    detail: format!("first packet at {}", words::time(first)),
                    ..Text::default()
                };
                raise(core, catalogue::SENSOR_TRAFFIC_BACK, number, [first; 2], &[traffic.frames[0]], &text);
            }
            interface.last = last;
            interface.frame = traffic.frames[1];
            interface.packets = interface.packets.saturating_add(traffic.packets);
        }
        if let Some(dropped) = traffic.dropped {
            interface.dropped = interface.dropped.saturating_add(dropped);
            if last.since(interface.counted_from) >= MINUTE * SECOND {
                judge_loss(core, number, interface, last);
            }
        }
    }

    fn sight(&mut self, _core: &mut Core, sight: &InterfaceSight) {
        if self.interfaces.len() >= MOST && !self.interfaces.contains_key(&sight.interface) {
            self.refused += 1;
            return;
        }
        let interface = self.interfaces.entry(sight.interface).or_insert_with(|| Interface {
            last: sight.time,
            counted_from: sight.time,
            judged_from: sight.time,
            ..Interface::default()
        });
        let sum = &mut interface.sight;
        sum.sessions = sum.sessions.saturating_add(sight.sessions);
        sum.one_sided = sum.one_sided.saturating_add(sight.one_sided);
        sum.doubled = sum.doubled.saturating_add(sight.doubled);
        sum.cut = sum.cut.saturating_add(sight.cut);
    }

    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        for (&number, interface) in &mut self.interfaces {
            if now.since(interface.judged_from) >= MINUTE * SECOND {
                judge_sight(core, number, interface, now);
            }
            let silence = now.since(interface.last);
            if !core.config.continuous || interface.silent || silence < i64::from(self.limit.seconds) * SECOND {
                continue;
            }
            interface.silent = true;
            let (name, span) = (display(number, interface), words::span(silence));
            let text = Text {
                description: format!(
                    "The sensor has received nothing on {name} since {}, for {span}.",
                    words::time(interface.last)
                ),
                why: format!("No packet for {} s or more on an interface that received some.", self.limit.seconds),
                value: span,
                detail: format!("silent since {}", words::time(interface.last)),
                ..Text::default()
            };
            raise(core, catalogue::SENSOR_NO_TRAFFIC, number, [interface.last, now], &[interface.frame], &text);
        }
    }

    fn finish(&mut self, core: &mut Core) {
        let now = core.now();
        for (&number, interface) in &mut self.interfaces {
            judge_loss(core, number, interface, now);
            judge_sight(core, number, interface, now);
        }
    }

    fn time_jump(&mut self, _core: &mut Core, now: Timestamp) {
        for interface in self.interfaces.values_mut() {
            interface.last = now;
            interface.silent = false;
            interface.counted_from = now;
            interface.judged_from = now;
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("sensor-interfaces-refused", self.refused)]
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{EngineConfig, Learning};
    use crate::detectors::testing::Plant;
    use ot_protocol::{Fact, FrameRef, InterfaceSight, InterfaceTraffic, Timestamp};

    fn plant(continuous: bool) -> Plant {
        Plant::with(EngineConfig { continuous, learning: Learning::Operational, ..EngineConfig::default() })
    }

    fn receive(plant: &mut Plant, second: i64, interface: u16, packets: u64, dropped: Option<u64>) {
        plant.fact(Fact::Interface(Box::new(InterfaceTraffic {
            interface,
            name: if second == 0 { format!("eth{interface}") } else { String::new() },
            packets,
            dropped,
            times: [Timestamp::new(second, 0); 2],
            frames: [FrameRef::new(0_u32, 1 + second.unsigned_abs()); 2],
        })));
        plant.end_of_second(second + 1);
    }

    #[test]
    fn silence_and_its_end_are_told_by_interface() {
        let mut plant = plant(true);
        receive(&mut plant, 0, 0, 10, None);
        for second in 0..100 {
            receive(&mut plant, second, 1, 10, None);
        }
        let alerts = plant.alerts_of("sensor-no-traffic");
        assert_eq!((alerts.len(), alerts[0].count, alerts[0].key.point), (1, 1, Some(0)));
        assert!(alerts[0].description.contains("interface 0 (eth0)"), "{}", alerts[0].description);
        assert!(plant.alerts_of("sensor-traffic-back").is_empty());
        receive(&mut plant, 101, 0, 10, None);
        assert_eq!(plant.alerts_of("sensor-traffic-back").len(), 1);
    }

    #[test]
    fn gaps_of_a_recording_are_no_silence_and_jumps_are_none_live() {
        let mut recording = plant(false);
        receive(&mut recording, 0, 0, 10, None);
        receive(&mut recording, 900, 0, 10, None);
        assert!(recording.alerts_of("sensor-no-traffic").is_empty());
        let mut live = plant(true);
        receive(&mut live, 0, 0, 10, None);
        live.fact(Fact::TimeJump { from: Timestamp::new(1, 0), to: Timestamp::new(9_000, 0) });
        receive(&mut live, 9_001, 0, 10, None);
        receive(&mut live, 9_050, 0, 10, None);
        assert!(live.alerts_of("sensor-no-traffic").is_empty());
    }

    #[test]
    fn more_than_a_thousandth_lost_is_told_and_less_is_not() {
        let mut live = plant(true);
        for second in 0..130 {
            receive(&mut live, second, 0, 1_000, Some(1));
        }
        assert!(live.alerts_of("sensor-loss").is_empty());
        for second in 130..200 {
            receive(&mut live, second, 0, 1_000, Some(4));
        }
        let alerts = live.alerts_of("sensor-loss");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("of interface 0 (eth0) were dropped"), "{}", alerts[0].description);
        // A recording counts at its end.
        let mut recording = plant(false);
        for second in 0..130 {
            receive(&mut recording, second, 0, 100, None);
        }
        receive(&mut recording, 130, 0, 0, Some(700));
        let alerts = recording.alerts_of("sensor-loss");
        assert!(alerts[0].description.starts_with("700 of 13700 packets (5.10 percent)"), "{}", alerts[0].description);
    }

    #[test]
    fn most_sessions_in_one_direction_are_told_and_a_few_are_not() {
        let mut plant = plant(false);
        receive(&mut plant, 0, 0, 10, None);
        let sight = |sessions, one_sided, second| {
            Fact::Sight(InterfaceSight {
                sessions,
                one_sided,
                time: Timestamp::new(second, 0),
                ..InterfaceSight::default()
            })
        };
        plant.fact(sight(8, 4, 60));
        plant.end_of_second(61);
        plant.fact(sight(3, 3, 120));
        plant.end_of_second(121);
        assert!(plant.alerts_of("sensor-half-visible").is_empty());
        plant.fact(sight(3, 2, 180));
        plant.end_of_second(182);
        let alerts = plant.alerts_of("sensor-half-visible");
        assert!(alerts[0].description.contains("5 of 6 TCP sessions"), "{}", alerts[0].description);
    }
}
