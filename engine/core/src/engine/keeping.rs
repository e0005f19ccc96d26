//! What ends with time: learnings for a time, alerts that do not recur, and what is kept no longer.

use super::Engine;
use crate::learning::DeviceLearning;
use crate::model::{DeviceId, Event, Peer};
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, Nanos, Timestamp};

/// Seconds that packet time must go on steadily before anything ends by it: one packet with a wrong clock ends nothing.
const STEADY: u32 = 5;
/// How often within the span of novelty it is looked whether little new came.
const LOOKS_A_SPAN: Nanos = 24;
/// A day.
const DAY: Nanos = 86_400 * SECOND;
/// Seconds between two looks at the age of alerts.
const LOOK: i64 = 3_600;

impl Engine {
    /// A second of packet time ended.
    pub(super) fn keep(&mut self, time: Timestamp) {
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
            let before = time.plus(-span);
            self.core.alerts.forget_closed(before);
            let known = self.core.state.closed_before;
            self.core.state.closed_before = Some(known.map_or(before, |known| known.max(before)));
        }
        let (first, last) = (self.core.state.first_event, self.core.state.last_event);
        let most = keep.events.max(1);
        // In steps, so that a store need not delete with each commit.
        if last.saturating_sub(first) > most.saturating_add(most / 64) {
            self.core.state.first_event = last.saturating_sub(most) + 1;
            let gone = self.core.state.first_event - first.max(1);
            self.core.count("events-deleted", gone);
        }
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
