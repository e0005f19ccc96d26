//! Addresses and points that the baseline does not hold, and walks through the address space.

use super::{Detector, LastPart, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::model::{EntryId, EntryKey, EntryKind, Peer};
use crate::shared::{Core, Seen};
use crate::table::WindowDistinct;
use crate::words;
use ot_protocol::{Activity, ActivityKey, Outcome};

/// Different starts of ranges outside the baseline that make a walk.
const WALK_STARTS: usize = 20;
/// Within how many seconds.
const WALK_SECONDS: u32 = 120;
/// A walk must meet a refusal or span this many addresses …
const WALK_SPAN: u32 = 1_000;
/// … or try this many starts.
const WALK_STARTS_UNREFUSED: usize = 100;

/// The alert type of points that were not learned, by protocol.
fn kind_of(protocol: &str) -> Option<&'static AlertType> {
    Some(match protocol {
        "modbus" => catalogue::MODBUS_ADDRESS_NOT_LEARNED,
        "dnp3" => catalogue::DNP3_OBJECT_NOT_LEARNED,
        _ => return None,
    })
}

/// Whether the client asked for these points. What a DNP3 outstation reports in answer to a poll of event classes, or by
/// itself, is its own choice: any point may have an event.
fn is_asked_for(activity: &Activity) -> bool {
    const RESPONSE: u16 = 129;
    // Neither are indications, device attributes, program blocks and status lists points of the process.
    let points = !matches!(activity.target.space, "indications" | "device-attributes" | "block" | "szl");
    points && (activity.protocol != "dnp3" || activity.function.code < RESPONSE)
}

/// An address outside the baseline that a client tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Tried {
    /// Number of the data block, where the protocol has such.
    block: Option<u32>,
    start: u32,
    refused: bool,
}

/// Learns the address ranges that each client reads and writes.
pub struct Ranges {
    last: LastPart,
    walks: WindowDistinct<(Peer, Peer, &'static str), Tried>,
}

impl Ranges {
    /// With bounded windows.
    pub fn new(config: &EngineConfig) -> Self {
        Self { last: LastPart::default(), walks: WindowDistinct::new(WALK_SECONDS, 256, config.limits.window_keys) }
    }
}

impl Detector for Ranges {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] =
            &[catalogue::MODBUS_ADDRESS_NOT_LEARNED, catalogue::DNP3_OBJECT_NOT_LEARNED, catalogue::POINT_SCAN];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let target = &activity.target;
        if target.count == 0 || target.space.is_empty() || seen.server_id().is_none() || !is_asked_for(activity) {
            return;
        }
        if !seen.is_of_client() || (core.learning_at(seen.times[1]) && activity.outcome != Outcome::Ok) {
            return;
        }
        let end = target.end();
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
        let group = key.clone();
        let Some(met) = core.observe(key, access_label(access), seen.times, seen.count, seen.frames[0]) else { return };
        if met.allowed {
            return;
        }
        let learned: Vec<(u32, u32, EntryId)> = core
            .baseline
            .ranges(&group)
            .filter(|entry| entry.allowed)
            .filter_map(|entry| Some((entry.key.start?, entry.key.end?, entry.id)))
            .collect();
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let place = words::target(target);
        if let Some(kind) = kind_of(activity.protocol) {
            let text = || {
                let deed = words::deed(activity, Some(&server))
                    .map_or_else(|| format!("used {place} of {server}"), |deed| deed.told(activity.outcome));
                let space = target.space.replace('-', " ");
                Text {
                    description: format!(
                        "{client} {deed} by {}, outside the addresses that it {} so far; {}.",
                        words::function(activity),
                        if access == "write" { "wrote" } else { "read" },
                        words::outcome(activity.outcome)
                    ),
                    why: if learned.is_empty() {
                        format!("The baseline holds no {space} of {server} that {client} may {access}.")
                    } else {
                        format!(
                            "The baseline allows {client} to {access} of the {space} of {server} only {} (addresses as on \
                             the wire, counted from 0).",
                            list(&learned)
                        )
                    },
                    function: words::function(activity),
                    object: place.clone(),
                    value: words::values(&activity.values),
                    detail: format!("{access} of {place} is not in the baseline"),
                }
            };
            let id = row(&[
                u64::from(target.start),
                u64::from(target.count),
                u64::from(access == "write"),
                u64::from(ActivityKey::outcome(activity.outcome)),
            ]);
            core.raise(&of_activity(kind, seen, &[met.entry], id, &text));
        }

        if self.last.is_continued_by(seen) {
            return;
        }
        let walk = (seen.client.clone(), seen.server.clone(), target.space);
        // Addresses of S7 count bits.
        let s7 = activity.protocol == "s7comm";
        let step = if s7 { 8 } else { 1 };
        let tried = Tried {
            block: target.number.filter(|_| s7),
            start: target.start,
            refused: matches!(activity.outcome, Outcome::Rejected(..)),
        };
        let starts = self.walks.add(&walk, tried, seen.times[1]);
        if starts < WALK_STARTS {
            return;
        }
        let tried: Vec<Tried> = self.walks.values(&walk).copied().collect();
        let low = tried.iter().map(|tried| tried.start).min().unwrap_or_default();
        let high = tried.iter().map(|tried| tried.start).max().unwrap_or_default().max(end);
        let refusals = tried.iter().filter(|tried| tried.refused).count();
        let mut blocks: Vec<u32> = tried.iter().filter_map(|tried| tried.block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        // A display that shows many pages reads many ranges, too: without a refusal it takes more to be a walk.
        let wide = blocks.len() <= 1 && high - low >= WALK_SPAN * step;
        if refusals == 0 && !wide && starts < WALK_STARTS_UNREFUSED {
            return;
        }
        let tried_points = match blocks.as_slice() {
            [first, .., last] => format!("{} data blocks (DB{first} to DB{last})", blocks.len()),
            _ => words::stretch(target, low, high),
        };
        let text = || Text {
            description: format!(
                "{client} walks through {tried_points} of {server}: {} different start addresses within {WALK_SECONDS} s, \
                 {refusals} of them refused.",
                tried.len()
            ),
            why: format!(
                "{WALK_STARTS} or more start addresses outside the baseline within {WALK_SECONDS} s, of which some were \
                 refused or which lie far apart ({WALK_STARTS_UNREFUSED} where neither is so)."
            ),
            function: words::function(activity),
            object: place.clone(),
            detail: format!("{} start addresses tried in {tried_points}", tried.len()),
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

/// `0-9 (baseline entry 5), 40 (baseline entry 6)`.
fn list(ranges: &[(u32, u32, EntryId)]) -> String {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable();
    let shown: Vec<String> = ranges
        .iter()
        .take(8)
        .map(|(start, end, entry)| {
            let range = if start == end { start.to_string() } else { format!("{start}-{end}") };
            format!("{range} (baseline entry {})", entry.0)
        })
        .collect();
    let more = ranges.len().saturating_sub(8);
    if more > 0 { format!("{} and {more} more ranges", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{On as _, Plant, dnp3, read, s7_write};
    use ot_protocol::{Activity, Operation, Outcome};

    #[test]
    fn a_display_with_many_pages_does_not_walk() {
        let mut plant = Plant::operational();
        for page in 0..40 {
            plant.act(1 + i64::from(page), read(10, 11, page * 10, 20));
        }
        assert!(plant.alerts_of("point-scan").is_empty());
    }

    #[test]
    fn refused_far_or_many_starts_are_a_walk() {
        let refused =
            |start| Activity { outcome: Outcome::Rejected(2, "Illegal Data Address"), ..read(66, 11, start, 1) };
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        for start in 0..20 {
            plant.act(2, refused(start));
        }
        assert_eq!(plant.alerts_of("point-scan").len(), 1);
        let mut plant = Plant::operational();
        for start in 0..20 {
            plant.act(2, read(66, 11, start * 100, 1));
        }
        assert_eq!(plant.alerts_of("point-scan").len(), 1);
        let mut plant = Plant::operational();
        for start in 0..100 {
            plant.act(2, read(66, 11, start, 1));
        }
        assert_eq!(plant.alerts_of("point-scan").len(), 1);
    }

    #[test]
    fn an_address_outside_is_told_with_what_was_learned() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.end_of_second(100);
        plant.act(101, read(10, 11, 2, 3));
        assert!(plant.alerts_of("modbus-address-not-learned").is_empty());
        plant.act(102, read(10, 11, 40, 1));
        let alerts = plant.alerts_of("modbus-address-not-learned");
        assert_eq!(
            alerts[0].description,
            "10.0.0.10 read holding register 40 of 10.0.0.11 unit 1 by Read Holding Registers (function 3), outside the \
             addresses that it read so far; the device accepted it."
        );
        assert!(alerts[0].why.contains("only 0-9 (baseline entry "), "{}", alerts[0].why);
    }

    #[test]
    fn points_of_dnp3_have_a_type_of_their_own() {
        let operate = |index| dnp3(10, 11, 5, "Direct Operate", Operation::Control).on("binary-outputs", index, 1);
        let mut plant = Plant::learning_until(100);
        plant.act(1, operate(3));
        plant.end_of_second(100);
        plant.act(101, operate(3));
        assert!(plant.alerts_of("dnp3-object-not-learned").is_empty());
        plant.act(102, operate(4));
        let alerts = plant.alerts_of("dnp3-object-not-learned");
        assert!(alerts[0].description.contains("binary output 4"), "{}", alerts[0].description);
        assert!(plant.alerts_of("modbus-address-not-learned").is_empty());
    }

    #[test]
    fn data_blocks_that_are_tried_one_after_the_other_are_a_walk() {
        let refused = |block| Activity {
            outcome: Outcome::Rejected(0x0a, "object does not exist"),
            ..s7_write(66, 11, block, 0, 1.0)
        };
        let mut plant = Plant::operational();
        plant.act(1, s7_write(10, 11, 1, 0, 1.0));
        for block in 1..=19 {
            plant.act(2, refused(block));
        }
        assert!(plant.alerts_of("point-scan").is_empty());
        plant.act(3, refused(20));
        let alerts = plant.alerts_of("point-scan");
        let text = &alerts[0].description;
        assert!(text.starts_with("10.0.0.66 walks through 20 data blocks (DB1 to DB20) of 10.0.0.11"), "{text}");
        // A panel that reads tags of many blocks is none.
        let mut plant = Plant::operational();
        for block in 1..=60 {
            plant.act(2, s7_write(66, 11, block, 500, 1.0));
        }
        assert!(plant.alerts_of("point-scan").is_empty());
    }

    #[test]
    fn a_walk_through_points_of_an_outstation_is_told_and_its_reports_are_none() {
        for (code, walks) in [(1, 1), (129, 0), (130, 0)] {
            let mut plant = Plant::operational();
            for index in 0..20 {
                plant.act(1, dnp3(66, 11, code, "Some Function", Operation::Read).on("analog-inputs", index * 100, 1));
            }
            assert_eq!(plant.alerts_of("point-scan").len(), walks, "{code}");
            assert_eq!(plant.alerts_of("dnp3-object-not-learned").len(), walks, "{code}");
        }
    }
}
