//! Devices that are told to stop reporting, or to answer nobody.

use super::spread::{Capped, number};
use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::model::{DeviceId, Peer};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::time::SECOND;
use ot_protocol::{Activity, ActivityKey, FrameRef, Nanos, Operation, Outcome, Timestamp};
use std::collections::VecDeque;

/// A DNP3 master that connects turns unsolicited reports off, reads all data, and turns them on again (IEEE 1815-2012,
/// clause 5.1.1.1.1). What is turned on again within this time, in the same connection, was not silenced. A master that
/// has to connect anew after somebody silenced its outstation turns them on in another one.
const START_UP: Nanos = 30 * SECOND;

/// Looks at commands that silence devices.
pub struct Reporting {
    /// Reporting that was turned off a moment ago, by client and server.
    held: Capped<(DeviceId, DeviceId), Box<Held>>,
    queue: VecDeque<(Timestamp, (DeviceId, DeviceId))>,
    cap: usize,
    turned_on_again: u64,
}

/// Reporting that was turned off, and whether for good is not known yet.
struct Held {
    activity: Activity,
    client: Peer,
    server: Peer,
    count: u64,
    times: [Timestamp; 2],
    frames: [FrameRef; 2],
    /// Event classes that are off, as a mask.
    classes: u32,
}

/// The event classes that a request turns on or off; all where it names none.
fn classes(activity: &Activity) -> u32 {
    const ALL: u32 = 0b1110;
    match activity.target.space {
        "classes" if activity.target.start & ALL != 0 => activity.target.start & ALL,
        _ => ALL,
    }
}

impl Reporting {
    /// With bounded tables.
    pub fn new(config: &EngineConfig) -> Self {
        let cap = config.limits.window_keys;
        Self { held: Capped::new(cap), queue: VecDeque::new(), cap, turned_on_again: 0 }
    }

    fn turned_off(&mut self, core: &mut Core, pair: (DeviceId, DeviceId), seen: &Seen<'_>) {
        let off = classes(seen.activity);
        if let Some(held) = self.held.get_mut(&pair) {
            let same = held.activity.session == seen.activity.session;
            if same && held.activity.outcome == seen.activity.outcome {
                held.count += seen.count;
                held.times[1] = held.times[1].max(seen.times[1]);
                held.frames[1] = seen.frames[1];
                held.classes |= off;
                return;
            }
            // Tried again in another way: not what a start-up looks like.
            if let Some(held) = self.held.remove(&pair) {
                held.raise(core);
            }
        }
        let held = Held {
            activity: seen.activity.clone(),
            client: seen.client.clone(),
            server: seen.server.clone(),
            count: seen.count,
            times: seen.times,
            frames: seen.frames,
            classes: off,
        };
        self.held.insert(pair, Box::new(held));
        self.queue.push_back((seen.times[1], pair));
        // Who turns reports off and on without end gets no more time.
        if self.queue.len() > self.cap.saturating_mul(2)
            && let Some((_, oldest)) = self.queue.pop_front()
            && oldest != pair
            && let Some(held) = self.held.remove(&oldest)
        {
            held.raise(core);
        }
    }

    fn turned_on(&mut self, pair: (DeviceId, DeviceId), activity: &Activity) {
        if matches!(activity.outcome, Outcome::Rejected(..) | Outcome::Unanswered) {
            return;
        }
        let Some(held) = self.held.get_mut(&pair).filter(|held| held.activity.session == activity.session) else {
            return;
        };
        held.classes &= !classes(activity);
        if held.classes == 0 {
            self.turned_on_again += held.count;
            self.held.remove(&pair);
        }
    }
}

impl Held {
    fn raise(&self, core: &mut Core) {
        raise(
            core,
            &Seen {
                activity: &self.activity,
                client: &self.client,
                server: &self.server,
                count: self.count,
                times: self.times,
                frames: self.frames,
                novel: true,
            },
        );
    }
}

fn raise(core: &mut Core, seen: &Seen<'_>) {
    let activity = seen.activity;
    let (client, server) = (core.display(seen.client), core.display(seen.server));
    let function = words::function(activity);
    let dnp3 = activity.protocol == "dnp3";
    let text = || {
        let deed = words::deed(activity, Some(&server))
            .map_or_else(|| format!("sent {function} to {server}"), |deed| deed.told(activity.outcome));
        let deed = if dnp3 {
            format!("{deed}, by {function}")
        } else {
            format!("{deed} by {function}: a device in listen only mode answers nobody until it is restarted")
        };
        Text {
            description: format!("{client} {deed}; {}.", words::outcome(activity.outcome)),
            why: if dnp3 {
                format!(
                    "A master that connects turns reports on again; here that did not follow within {}.",
                    words::span(START_UP)
                )
            } else {
                "Commands of this class are always told, whoever sends them.".to_owned()
            },
            function: function.clone(),
            object: words::target(&activity.target),
            value: words::values(&activity.values),
            detail: format!("{function}; {}", words::outcome(activity.outcome)),
        }
    };
    let id = row(&[
        u64::from(activity.function.code),
        activity.function.sub.map_or(u64::MAX, u64::from),
        u64::from(ActivityKey::outcome(activity.outcome)),
        number((activity.target.space, activity.target.start)),
    ]);
    core.raise(&of_activity(catalogue::REPORTING_DISABLED, seen, &[], id, &text));
}

impl Detector for Reporting {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::REPORTING_DISABLED];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if !seen.is_of_client() {
            return;
        }
        match (activity.operation, seen.client_id().zip(seen.server_id())) {
            (Operation::CommsOff, Some(pair)) if activity.protocol == "dnp3" => self.turned_off(core, pair, seen),
            // A panel that ends a subscription silences nobody.
            (Operation::CommsOff, _) if catalogue::REPORTING_DISABLED.protocols.contains(&activity.protocol) => {
                raise(core, seen);
            }
            (Operation::CommsOn, Some(pair)) => self.turned_on(pair, activity),
            _ => {}
        }
    }

    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        while let Some(&(time, pair)) = self.queue.front() {
            if now.since(time) < START_UP {
                break;
            }
            self.queue.pop_front();
            // It may have been turned on and off again since.
            if self.held.get(&pair).is_some_and(|held| now.since(held.times[0]) >= START_UP)
                && let Some(held) = self.held.remove(&pair)
            {
                held.raise(core);
            }
        }
    }

    fn time_jump(&mut self, core: &mut Core, _now: Timestamp) {
        self.finish(core);
    }

    fn finish(&mut self, core: &mut Core) {
        for (_, pair) in std::mem::take(&mut self.queue) {
            if let Some(held) = self.held.remove(&pair) {
                held.raise(core);
            }
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("reporting-turned-on-again", self.turned_on_again), ("reporting-held-evicted", self.held.evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{On as _, Plant, call, dnp3};
    use ot_protocol::{Activity, Function, Operation, Outcome};

    fn off(classes: u32) -> Activity {
        dnp3(10, 11, 21, "Disable Unsolicited Responses", Operation::CommsOff).on("classes", classes, 0)
    }

    fn on(classes: u32) -> Activity {
        dnp3(10, 11, 20, "Enable Unsolicited Responses", Operation::CommsOn).on("classes", classes, 0)
    }

    #[test]
    fn a_master_that_starts_silences_nobody() {
        let mut plant = Plant::operational();
        plant.act(1, off(0b1110));
        plant.act(2, on(0b1110));
        plant.end_of_second(100);
        plant.act(101, off(0b1110));
        plant.act(102, on(0b0110));
        plant.act(103, on(0b1000));
        plant.end_of_second(200);
        plant.engine.finish();
        assert!(plant.alerts_of("reporting-disabled").is_empty());
    }

    #[test]
    fn what_stays_off_is_told_with_its_own_time() {
        let anew = Activity { session: ot_protocol::SessionId(7), ..on(0b1110) };
        let refused = Activity { outcome: Outcome::Rejected(0x10, "Function Not Supported"), ..on(0b1110) };
        for follows in [None, Some(on(0b0010)), Some(refused), Some(anew)] {
            let mut plant = Plant::operational();
            plant.act(1, off(0b1110));
            follows.into_iter().for_each(|activity| plant.act(2, activity));
            plant.end_of_second(20);
            assert!(plant.alerts_of("reporting-disabled").is_empty());
            plant.end_of_second(31);
            let alerts = plant.alerts_of("reporting-disabled");
            assert_eq!(alerts[0].first_detection, crate::detectors::testing::at(1));
            assert_eq!(
                alerts[0].description,
                "10.0.0.10 link 1 turned off that 10.0.0.11 link 10 reports events (classes 1, 2, 3) by itself, by Disable \
                 Unsolicited Responses (function 21); the device accepted it."
            );
        }
    }

    #[test]
    fn what_is_off_at_the_end_is_told() {
        let mut plant = Plant::operational();
        plant.act(1, off(0b1110));
        plant.engine.finish();
        assert_eq!(plant.alerts_of("reporting-disabled").len(), 1);
    }

    #[test]
    fn listen_only_mode_is_told_at_once() {
        let listen = Function { code: 8, sub: Some(4), name: "Diagnostics: Force Listen Only Mode" };
        let mut plant = Plant::operational();
        plant.act(1, call(10, 11, Operation::CommsOff, listen));
        assert_eq!(plant.alerts_of("reporting-disabled").len(), 1);
    }
}
