//! What ends with time: learnings for a time, alerts that do not recur, and what is kept no longer.

use super::Engine;
use crate::learning::DeviceLearning;
use crate::model::{DeviceId, Event, Peer};
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, Nanos, Timestamp};
use std::collections::BTreeSet;

/// Seconds that packet time must go on steadily before anything ends by it: one packet with a wrong clock ends nothing.
const STEADY: u32 = 5;
/// How often within the span of novelty it is looked whether little new came.
const LOOKS_A_SPAN: Nanos = 24;
/// A day.
const DAY: Nanos = 86_400 * SECOND;
/// Seconds between two looks at the age of alerts and devices.
const LOOK: i64 = 3_600;
/// After a longer gap nobody knows what was there meanwhile.
const GAP: Nanos = 3_600 * SECOND;
/// Devices that an event names.
const NAMED: usize = 20;

impl Engine {
    /// A second of packet time ended.
    pub(super) fn keep(&mut self, time: Timestamp) {
        let gap = |last: Timestamp| time < last || time.since(last) > GAP;
        if self.second.is_none_or(gap) || self.core.state.watched_since.is_none() {
            self.core.state.watched_since = Some(time);
        }
        self.second = Some(time);
        self.steady = self.steady.saturating_add(1);
        if self.steady < STEADY {
            return;
        }
        let ended = self.core.baseline.expire(time);
        if !ended.is_empty() {
            self.mark_devices(&ended);
            for id in ended {
                if self.core.baseline.is_taken_back(&[id]) {
                    let text = format!("The time of baseline entry {} is over: what it held is told from now on", id.0);
                    self.tell_entry(id, text, time);
                }
            }
        }
        self.core.alerts.end_learning(time);
        self.end_device_learning(time);
        self.look_for_novelty(time);
        let look = time.epoch().div_euclid(LOOK);
        if self.looked == Some(look) {
            return;
        }
        self.looked = Some(look);
        let keep = self.core.config.keep;
        if let Some(span) = keep.close_after {
            let why = match span % DAY {
                0 => format!("no recurrence for {} days", span / DAY),
                _ => format!("no recurrence for {}", crate::words::span(span)),
            };
            self.core.alerts.close_silent(time.plus(-span), &why, time);
        }
        if let Some(span) = keep.delete_after {
            self.forget_closed(time.plus(-span));
        }
        if let Some(span) = keep.devices {
            self.forget_devices(span, time);
        }
        let (first, last) = (self.core.state.first_event, self.core.state.last_event);
        let most = keep.events.max(1);
        // In steps, so that a store need not delete with each commit.
        if last.saturating_sub(first) > most.saturating_add(most / 64) {
            self.forget_events(last.saturating_sub(most) + 1);
        }
    }

    /// Forgets closed alerts that keep nothing silent and were closed before a packet time.
    pub fn forget_closed(&mut self, before: Timestamp) {
        self.core.alerts.forget_closed(before);
        let known = self.core.state.closed_before;
        self.core.state.closed_before = Some(known.map_or(before, |known| known.max(before)));
    }

    /// Numbers of the first and the last event that are kept.
    pub fn events_kept(&self) -> (u64, u64) {
        (self.core.state.first_event.max(1), self.core.state.last_event)
    }

    /// Forgets events older than the one of this number. How many.
    pub fn forget_events(&mut self, first: u64) -> u64 {
        let gone = first.saturating_sub(self.events_kept().0);
        if gone > 0 {
            self.core.state.first_event = first;
            self.core.count("events-deleted", gone);
        }
        gone
    }

    /// Forgets devices that were not seen for so long, while packets were watched without a gap. One that a person or the
    /// configuration knows stays, and one of which a person allowed something; and one with units behind it that stay.
    fn forget_devices(&mut self, span: Nanos, time: Timestamp) {
        let before = time.plus(-span);
        if self.core.state.watched_since.is_none_or(|since| since > before) {
            return;
        }
        let core = &mut self.core;
        let mut gone = BTreeSet::new();
        let mut names = Vec::new();
        for id in core.inventory.silent_since(before) {
            if core.baseline.has_word_on(id) {
                continue;
            }
            let Some(device) = core.inventory.get(id) else { continue };
            let ip = device.addresses.first().map(|address| address.ip);
            let peer = Peer { device: Some(id), ip, mac: device.mac, sub: device.sub };
            let name = core.display(&peer);
            if core.inventory.forget(id) {
                core.baseline.remove(Some(id));
                gone.insert(id);
                names.push(name);
            }
        }
        if gone.is_empty() {
            return;
        }
        core.points.forget(&gone);
        let count = gone.len();
        core.count("devices-forgotten", u64::try_from(count).unwrap_or(u64::MAX));
        names.truncate(NAMED);
        let more = match count.saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = format!(
            "{count} {} not seen for {} and {} no longer kept: {}{more}",
            if count == 1 { "device was" } else { "devices were" },
            crate::words::span(span),
            if count == 1 { "is" } else { "are" },
            names.join(", ")
        );
        self.own_event("devices-forgotten", time, text);
    }

    /// A device that is found while the plant does not learn has a time of its own, where so configured.
    pub(super) fn let_learn(&mut self, peer: &Peer, time: Timestamp) {
        let (Some(span), Some(id)) = (self.core.config.new_device, peer.device) else { return };
        // Where nothing was ever learned, no device is found later.
        if self.core.learning_at(time) || !self.core.has_learned() {
            return;
        }
        let until = time.plus(span);
        let learning = DeviceLearning { until, whole: false };
        if self.core.baseline.learners.of(id).is_none() && self.core.baseline.learners.start(id, learning) {
            let text = format!("What {} does is learned until {}", self.core.display(peer), crate::words::time(until));
            self.tell_learning("device-learning", id, text, time);
        }
    }

    fn tell_learning(&mut self, kind: &'static str, id: DeviceId, text: String, time: Timestamp) {
        self.core.event(Event {
            number: 0,
            time,
            kind,
            source: Some(id),
            destination: None,
            protocol: None,
            text,
            frame: FrameRef::default(),
            alert: None,
        });
    }

    fn end_device_learning(&mut self, time: Timestamp) {
        for id in self.core.baseline.learners.end(time) {
            // What was silent while it learned is looked at again.
            self.core.baseline.look_again();
            let Some(device) = self.core.inventory.get(id) else { continue };
            let ip = device.addresses.first().map(|address| address.ip);
            let peer = Peer { device: Some(id), ip, mac: device.mac, sub: device.sub };
            let text = format!("The learning time of {} ended", self.core.display(&peer));
            self.tell_learning("device-learning-ended", id, text, time);
        }
    }

    /// Ends learning where little new came within a span of packet time.
    fn look_for_novelty(&mut self, time: Timestamp) {
        let Some(novelty) = self.core.config.novelty.filter(|_| self.core.learning_at(time)) else { return };
        if self.next_novelty.is_some_and(|next| time < next) {
            return;
        }
        self.next_novelty = Some(time.plus((novelty.span / LOOKS_A_SPAN).max(SECOND)));
        let from = time.plus(-novelty.span);
        if self.core.state.learning_since.is_none_or(|since| since > from) {
            return;
        }
        let new = self.core.baseline.learned_since(from);
        if new <= u64::from(novelty.entries) {
            self.core.state.learning_until = Some(time);
            self.ended_by = format!(
                "; {new} of them new within the last {}, which is little enough",
                crate::words::span(novelty.span)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::{Changes, Snapshot};
    use crate::config::{EngineConfig, Keep, KnownDevice, Learning};
    use crate::detectors::testing::{host, write};
    use ot_protocol::{Activity, Fact, Values};

    const HOUR: i64 = 3_600;

    /// An engine that forgets devices after two hours.
    fn engine(change: impl FnOnce(&mut EngineConfig)) -> Engine {
        let keep = Keep { devices: Some(2 * HOUR * SECOND), ..Keep::default() };
        let mut config = EngineConfig { learning: Learning::For(HOUR * SECOND), keep, ..EngineConfig::default() };
        change(&mut config);
        Engine::new(config, Snapshot::default())
    }

    fn switches(engine: &mut Engine, second: i64, client: u8) {
        let time = Timestamp::new(second, 0);
        let activity = Activity { time, ..write(client, 11, "coils", 3, Values::Bits(vec![true])) };
        engine.apply(Fact::Activity(Box::new(activity)));
    }

    /// Lets time go on, with one client and one server that go on as ever.
    fn goes_on(engine: &mut Engine, from: i64, to: i64) -> Changes {
        for second in (from..to).step_by(600) {
            switches(engine, second, 1);
            engine.apply(Fact::EpochEnd(Timestamp::new(second, 0)));
        }
        engine.take_changes()
    }

    fn ids(engine: &Engine, client: u8) -> Option<DeviceId> {
        engine.core().inventory.peer(&host(client)).device
    }

    #[test]
    fn a_device_that_is_gone_for_long_is_forgotten_with_what_was_learned_of_it() {
        let mut engine = engine(|_| {});
        switches(&mut engine, 1, 66);
        let gone = ids(&engine, 66).unwrap();
        assert!(engine.core().baseline.of_device(gone).next().is_some());
        let before = goes_on(&mut engine, 2, 2 * HOUR - 600);
        assert!(before.removed_devices.is_empty());
        let after = goes_on(&mut engine, 2 * HOUR, 4 * HOUR);
        assert!(after.removed_devices.contains(&gone), "{:?}", after.removed_devices);
        assert_eq!(ids(&engine, 66), None);
        assert!(engine.core().baseline.of_device(gone).next().is_none());
        let event = after.events.iter().find(|event| event.kind == "devices-forgotten").unwrap();
        assert!(event.text.contains("10.0.0.66") && !event.text.contains("10.0.0.11"), "{}", event.text);
        assert!(after.state.counters.iter().any(|(id, count)| id == "devices-forgotten" && *count == 1));
        // Those that go on stay with all that is known of them.
        assert!(ids(&engine, 1).is_some() && ids(&engine, 11).is_some());
        // When it comes again it is a stranger.
        switches(&mut engine, 4 * HOUR, 66);
        assert_ne!(ids(&engine, 66).unwrap(), gone);
        let alerts = engine.take_changes().alerts;
        assert!(alerts.iter().any(|alert| alert.kind.id == "new-master"), "{alerts:?}");
    }

    #[test]
    fn time_that_nobody_watched_does_not_count() {
        let mut engine = engine(|_| {});
        switches(&mut engine, 1, 66);
        goes_on(&mut engine, 2, HOUR);
        // The sensor was off for a day.
        let after = goes_on(&mut engine, 25 * HOUR, 27 * HOUR - 600);
        assert!(after.removed_devices.is_empty(), "{:?}", after.removed_devices);
        // So it is over a restart.
        assert_eq!(after.state.watched_since, Some(Timestamp::new(25 * HOUR, 0)));
        let after = goes_on(&mut engine, 27 * HOUR, 29 * HOUR);
        assert_eq!(after.removed_devices.len(), 1);
    }

    #[test]
    fn what_people_know_of_or_allowed_stays() {
        let known = KnownDevice {
            ip: host(66).ip.unwrap(),
            name: Some("laptop".to_owned()),
            role: None,
            programming: false,
            scanner: false,
            more: Vec::new(),
        };
        let mut engine = engine(|config| config.devices = vec![known]);
        switches(&mut engine, 1, 66);
        assert!(goes_on(&mut engine, 2, 10 * HOUR).removed_devices.is_empty());
        assert!(ids(&engine, 66).is_some());
    }

    #[test]
    fn points_of_others_stay_in_their_places() {
        let mut engine = engine(|_| {});
        let at = |second| Timestamp::new(second, 0);
        for server in [12, 11] {
            let activity = Activity { time: at(1), ..write(2, server, "holding-registers", 7, Values::Words(vec![5])) };
            engine.apply(Fact::Activity(Box::new(activity)));
        }
        let before = engine.core().points.len();
        goes_on(&mut engine, 2, 4 * HOUR);
        let left = engine.core().points.len();
        assert_eq!((before, left), (2, 2), "one of 12 went, a coil of 11 came");
        // What is left can still be found and widened.
        let activity = Activity { time: at(4 * HOUR), ..write(1, 11, "holding-registers", 7, Values::Words(vec![9])) };
        engine.apply(Fact::Activity(Box::new(activity)));
        let changes = engine.take_changes();
        let point = changes.points.iter().find(|point| point.space == "holding-registers").unwrap();
        assert_eq!((point.min, point.max), (Some(5.0), Some(9.0)));
    }

    #[test]
    fn the_oldest_events_are_forgotten_by_number() {
        let mut engine = engine(|_| {});
        for n in 0..50 {
            engine.sensor_event(Timestamp::new(n, 0), "told".to_owned());
        }
        let (first, last) = engine.events_kept();
        assert_eq!((first, last), (1, 50));
        assert_eq!(engine.forget_events(11), 10);
        assert_eq!(engine.forget_events(5), 0);
        let state = engine.take_changes().state;
        assert_eq!(state.first_event, 11);
        assert!(state.counters.iter().any(|(id, count)| id == "events-deleted" && *count == 10));
    }
}
