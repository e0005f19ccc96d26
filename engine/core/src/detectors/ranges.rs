//! Modbus addresses that the baseline does not hold, and walks through the address space.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::engine::{Core, Seen};
use crate::model::{EntryKey, EntryKind, Peer};
use crate::table::WindowDistinct;
use crate::words;
use ot_protocol::{ActivityKey, Outcome};

/// Different starts of ranges outside the baseline that make a walk.
const WALK_STARTS: usize = 20;
/// Within how many seconds.
const WALK_SECONDS: u32 = 120;
/// Without a learned baseline of the pair, a walk must span this many addresses or meet a refusal.
const WALK_SPAN: u32 = 1_000;

/// Learns the address ranges that each client reads and writes.
pub struct Ranges {
    walks: WindowDistinct<(Peer, Peer, &'static str), (u32, bool)>,
}

impl Ranges {
    /// With bounded windows.
    pub fn new(config: &EngineConfig) -> Self {
        Self { walks: WindowDistinct::new(WALK_SECONDS, 256, config.limits.window_keys) }
    }
}

impl Detector for Ranges {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::MODBUS_ADDRESS_NOT_LEARNED, catalogue::POINT_SCAN];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let target = &activity.target;
        if target.count == 0 || target.space.is_empty() || seen.server_id().is_none() {
            return;
        }
        if core.learning_at(seen.times[1]) && activity.outcome != Outcome::Ok {
            return;
        }
        let end = target.start.saturating_add(target.count - 1);
        let access = if activity.operation.writes_values() { "write" } else { "read" };
        let key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: activity.protocol,
            space: target.space,
            number: target.number,
            start: Some(target.start),
            end: Some(end),
            text: Some(access.into()),
            ..EntryKey::new(EntryKind::Range)
        };
        let learned: Vec<(u32, u32)> = core
            .baseline
            .ranges(&key)
            .filter(|entry| entry.allowed)
            .filter_map(|entry| Some((entry.key.start?, entry.key.end?)))
            .collect();
        let Some(met) = core.observe(key, access_label(access), seen.times, seen.count, seen.frames[0]) else { return };
        if met.allowed {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let place = words::target(target);
        if activity.protocol == "modbus" {
            let text = || {
                let values = words::values(&activity.values);
                Text {
                    description: format!(
                        "{client} {} {place} of {server}{}, outside the addresses it used before; {}.",
                        if access == "write" { "wrote to" } else { "read" },
                        if access == "write" && !values.is_empty() { format!(" (values {values})") } else { String::new() },
                        words::outcome(activity.outcome)
                    ),
                    why: if learned.is_empty() {
                        format!("The baseline holds no {access} of {} by {client} on {server}.", target.space)
                    } else {
                        format!("The baseline allows {client} to {access} only {} {}.", target.space, list(&learned))
                    },
                    function: words::function(activity),
                    object: place.clone(),
                    value: values,
                    detail: format!("{access} of {place} is not in the baseline"),
                }
            };
            let id = row(&[
                u64::from(target.start),
                u64::from(target.count),
                u64::from(access == "write"),
                u64::from(ActivityKey::outcome(activity.outcome)),
            ]);
            core.raise(&of_activity(catalogue::MODBUS_ADDRESS_NOT_LEARNED, seen, &[met.entry], id, &text));
        }

        let refused = matches!(activity.outcome, Outcome::Rejected(..));
        let walk = (seen.client.clone(), seen.server.clone(), target.space);
        let starts = self.walks.add(&walk, (target.start, refused), seen.times[1]);
        if starts < WALK_STARTS {
            return;
        }
        let tried: Vec<(u32, bool)> = self.walks.values(&walk).copied().collect();
        let low = tried.iter().map(|(start, _)| *start).min().unwrap_or_default();
        let high = tried.iter().map(|(start, _)| *start).max().unwrap_or_default().max(end);
        let refusals = tried.iter().filter(|(_, refused)| *refused).count();
        if learned.is_empty() && refusals == 0 && high - low < WALK_SPAN {
            return;
        }
        let text = || Text {
            description: format!(
                "{client} walked through {} {low}-{high} of {server}: {} different addresses within {WALK_SECONDS} s, {refusals} of them refused.",
                target.space, tried.len()
            ),
            why: format!("{WALK_STARTS} or more different start addresses outside the baseline within {WALK_SECONDS} s."),
            function: words::function(activity),
            object: place.clone(),
            detail: format!("{} start addresses tried in {} {low}-{high}", tried.len(), target.space),
            ..Text::default()
        };
        core.raise(&of_activity(catalogue::POINT_SCAN, seen, &[met.entry], row(&[u64::from(low)]), &text));
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("point-walks-evicted", self.walks.evicted)]
    }
}

fn access_label(access: &str) -> &'static str {
    if access == "write" { "write" } else { "read" }
}

fn list(ranges: &[(u32, u32)]) -> String {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable();
    let shown: Vec<String> = ranges
        .iter()
        .take(8)
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    let more = ranges.len().saturating_sub(8);
    if more > 0 { format!("{} and {more} more ranges", shown.join(", ")) } else { shown.join(", ") }
}
