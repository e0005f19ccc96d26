//! Maintenance windows: planned, removed, begun and over.

use super::Engine;
use crate::changes::Command;
use crate::maintenance::Plan;
use ot_protocol::Timestamp;

impl Engine {
    /// Plans what a person asks for.
    pub(super) fn plan(&mut self, command: &Command, plan: &Plan, now: Timestamp) -> Result<String, String> {
        self.settle();
        let number = self.core.maintenance.add(plan.clone(), &command.who, command.id, now)?;
        self.maintenance_event(format!(
            "Maintenance {} (window {number}) planned by {}: {} to {}",
            plan.ticket, command.who, plan.start, plan.end
        ));
        let late = self.core.state.now.is_some_and(|now| plan.start < now);
        let so_far = "what was detected in it so far is not marked, but `maintenance report` counts it";
        Ok(match late {
            true => format!("window {number}; it began before the newest packet ({now}): {so_far}"),
            false => format!("window {number}"),
        })
    }

    /// Removes what a person asks for.
    pub(super) fn unplan(&mut self, command: &Command, number: u32, now: Timestamp) -> Result<String, String> {
        self.settle();
        let window = self.core.maintenance.remove(number, &command.who, command.id, now)?;
        let because = if command.why.is_empty() { String::new() } else { format!(": {}", command.why) };
        let ticket = &window.plan.ticket;
        self.maintenance_event(format!("Maintenance {ticket} (window {number}) removed by {}{because}", command.who));
        Ok(match window.plan.end <= now {
            true => "it was over".to_owned(),
            false => "what comes now is no longer expected; what was marked stays marked".to_owned(),
        })
    }

    /// A second of packet time ended: tells of windows that began or ended with it.
    pub(super) fn turn(&mut self, time: Timestamp) {
        let from = self.turned.replace(time).or(self.core.state.now).unwrap_or(time);
        if self.core.maintenance.is_empty() {
            return;
        }
        let turns = self.core.maintenance.turns(from, time);
        if turns.is_empty() {
            return;
        }
        let told: Vec<(Timestamp, String)> = turns
            .into_iter()
            .map(|(begins, window)| {
                let (at, word) = if begins { (window.plan.start, "began") } else { (window.plan.end, "ended") };
                let note = if window.plan.note.is_empty() { String::new() } else { format!(": {}", window.plan.note) };
                (at, format!("Maintenance {} (window {}) {word}{note}", window.plan.ticket, window.number))
            })
            .collect();
        // Repetitions that wait lie on this side of the end.
        self.settle();
        for (at, text) in told {
            self.own_event("maintenance", at, text);
        }
    }

    /// Without a packet there is no time yet at which it could stand in the timeline.
    fn maintenance_event(&mut self, text: String) {
        if let Some(now) = self.core.state.now {
            self.own_event("maintenance", now, text);
        }
    }
}
