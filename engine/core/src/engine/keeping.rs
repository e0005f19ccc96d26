//! What ends with time: learnings for a time, alerts that do not recur, and what is kept no longer.

use super::Engine;
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Timestamp};

/// Seconds that packet time must go on steadily before anything ends by it: one packet with a wrong clock ends nothing.
const STEADY: u32 = 5;
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
        }
        self.core.alerts.end_learning(time);
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
}
