//! Who writes what: new masters, first writers, values outside the learned range, bursts.

use super::{Detector, LastPart, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{DeviceId, EntryId, EntryKey, EntryKind};
use crate::points::Access;
use crate::shared::{Core, Seen};
use crate::words;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::Outcome;

/// Length of the buckets in which writes are counted, in seconds.
const BURST_SECONDS: i64 = 10;
/// Writes in a bucket that are never a burst.
const BURST_LEAST: f64 = 20.0;
/// A burst is this many times the highest learned count.
const BURST_FACTOR: f64 = 4.0;
/// Writes of a point while learning before their range is believed.
const ENOUGH_WRITES: u64 = 10;
/// Devices named in a reason.
const NAMED: usize = 5;
/// Points of one message looked at one by one.
const POINTS_A_MESSAGE: u32 = 2_000;

/// Learns who commands whom, who writes which point, with which values, and how often.
#[derive(Default)]
pub struct Writes {
    buckets: HashMap<(DeviceId, DeviceId), (i64, u64), FixedState>,
    last: LastPart,
}

impl Detector for Writes {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::NEW_MASTER,
            catalogue::FIRST_WRITER,
            catalogue::WRITE_VALUE_OUTSIDE_RANGE,
            catalogue::WRITE_BURST,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let (Some(client), Some(server)) = (seen.client_id(), seen.server_id()) else { return };
        if !seen.activity.operation.changes() || !seen.is_of_client() {
            return;
        }
        // What was refused while learning is not learned.
        if core.learning_at(seen.times[1]) && !matches!(seen.activity.outcome, Outcome::Ok | Outcome::Pending) {
            return;
        }
        self.command(core, seen, client, server);
        if seen.activity.operation.writes_values() && seen.activity.target.count > 0 {
            first_writer(core, seen, client, server);
            if seen.novel {
                values(core, seen, client, server);
            }
        }
    }
}

impl Writes {
    fn command(&mut self, core: &mut Core, seen: &Seen<'_>, client: DeviceId, server: DeviceId) {
        let activity = seen.activity;
        let key = EntryKey {
            client: Some(client),
            server: Some(server),
            protocol: activity.protocol,
            space: "command",
            ..EntryKey::new(EntryKind::Operation)
        };
        let Some(met) = core.observe(key, "command", seen.times, seen.count, seen.frames[0]) else { return };
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        if !met.allowed {
            let others = others_of(core, client, server);
            if !others.is_empty() {
                let function = words::function(activity);
                let place = words::target(&activity.target);
                let deed = words::deed(activity, None).map_or_else(
                    || function.clone(),
                    |deed| format!("it {} by {function}", deed.told(activity.outcome)),
                );
                let text = || Text {
                    description: format!(
                        "{from} commanded {to} for the first time: {deed}; {}.",
                        words::outcome(activity.outcome)
                    ),
                    why: format!(
                        "Until now {to} was used by {}; the baseline holds no write or command of {from} to it.",
                        others.join(", ")
                    ),
                    function: function.clone(),
                    object: place.clone(),
                    value: words::values(&activity.values),
                    detail: format!("command by {from}, not in the baseline; {}", words::outcome(activity.outcome)),
                };
                let id = row(&[
                    u64::from(client.0),
                    u64::from(activity.function.code),
                    activity.target.number.map_or(u64::MAX, u64::from),
                    u64::from(activity.target.start),
                    u64::from(activity.target.count),
                ]);
                core.raise(&of_activity(catalogue::NEW_MASTER, seen, &[met.entry], id, &text));
            }
        }
        self.burst(core, seen, (client, server), met.entry);
    }

    fn burst(&mut self, core: &mut Core, seen: &Seen<'_>, pair: (DeviceId, DeviceId), entry: EntryId) {
        if self.last.is_continued_by(seen) {
            return;
        }
        let bucket = seen.times[1].epoch().div_euclid(BURST_SECONDS);
        if self.buckets.len() >= core.config.limits.window_keys {
            self.buckets.retain(|_, (at, _)| *at == bucket);
        }
        let (at, count) = self.buckets.entry(pair).or_insert((bucket, 0));
        if *at != bucket {
            *at = bucket;
            *count = 0;
        }
        *count += seen.count;
        let count = *count;
        #[allow(clippy::cast_precision_loss, reason = "a count of ten seconds is far below 2^52")]
        let rate = count as f64;
        if core.learning_at(seen.times[1]) {
            core.baseline.widen(entry, rate);
            return;
        }
        let learned = core.baseline.get(entry).filter(|entry| entry.allowed).and_then(|entry| entry.max);
        let limit = learned.map_or(BURST_LEAST, |most| (most * BURST_FACTOR).max(BURST_LEAST));
        if rate <= limit {
            return;
        }
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        let activity = seen.activity;
        let text = || {
            Text {
            description: format!(
                "{from} sent {count} writes or commands to {to} within {BURST_SECONDS} s, and may go on. The last one: {}; {}.",
                words::deed(activity, None).map_or_else(
                    || words::function(activity),
                    |deed| format!("it {} by {}", deed.told(activity.outcome), words::function(activity))
                ),
                words::outcome(activity.outcome)
            ),
            why: learned.map_or_else(
                || {
                    format!(
                        "The baseline holds no writes of {from} to {to}; more than {limit} in {BURST_SECONDS} s are a burst."
                    )
                },
                |most| {
                    format!(
                        "The most that was learned for the two is {most} in {BURST_SECONDS} s (baseline entry {}); more than \
                         {limit} are a burst.",
                        entry.0
                    )
                },
            ),
            function: words::function(activity),
            object: words::target(&activity.target),
            value: words::values(&activity.values),
            detail: format!("more than {limit} writes or commands in {BURST_SECONDS} s"),
        }
        };
        let id = row(&[u64::from(activity.function.code)]);
        core.raise(&of_activity(catalogue::WRITE_BURST, seen, &[entry], id, &text));
    }
}

/// Other devices that are clients of the server, for people.
fn others_of(core: &Core, client: DeviceId, server: DeviceId) -> Vec<String> {
    let clients = core
        .baseline
        .of_device(server)
        .filter(|entry| matches!(entry.key.kind, EntryKind::Function | EntryKind::Operation))
        .filter(|entry| entry.key.server == Some(server))
        .filter_map(|entry| entry.key.client)
        .filter(|&other| other != client);
    // The first ones seen; a server may have very many.
    let mut others: Vec<DeviceId> = Vec::with_capacity(NAMED);
    for other in clients {
        if !others.contains(&other) {
            others.push(other);
        }
        if others.len() == NAMED {
            break;
        }
    }
    others.into_iter().filter_map(|id| name(core, id)).collect()
}

/// `10.0.0.10, 10.0.0.11 and 2 more`.
fn names(core: &Core, devices: &[DeviceId]) -> String {
    let named: Vec<String> = devices.iter().take(NAMED).filter_map(|&id| name(core, id)).collect();
    match (named.is_empty(), devices.len().saturating_sub(NAMED)) {
        (true, _) => "others".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}

fn name(core: &Core, id: DeviceId) -> Option<String> {
    let device = core.inventory.get(core.inventory.current(id))?;
    Some(core.display(&crate::model::Peer {
        device: Some(device.id),
        ip: device.addresses.first().map(|address| address.ip),
        mac: device.mac,
        sub: device.sub,
    }))
}

fn writer_key(seen: &Seen<'_>, client: DeviceId, server: DeviceId, address: u32) -> EntryKey {
    let target = &seen.activity.target;
    EntryKey {
        client: Some(client),
        server: Some(server),
        protocol: seen.activity.protocol,
        space: target.space,
        number: target.number,
        start: Some(address),
        ..EntryKey::new(EntryKind::Writer)
    }
}

fn first_writer(core: &mut Core, seen: &Seen<'_>, client: DeviceId, server: DeviceId) {
    let activity = seen.activity;
    let target = &activity.target;
    let access = Access { device: server, protocol: activity.protocol, client, write: true, time: seen.times[0] };
    let mut entries = Vec::new();
    let mut first = None;
    for offset in 0..target.count.min(POINTS_A_MESSAGE) {
        let address = target.address(offset);
        let others = core.points.get(&access, target, address).is_some_and(|point| {
            point.writers.iter().any(|&writer| writer != client)
                || (!point.readers.is_empty() && !point.writers.contains(&client))
        });
        let key = writer_key(seen, client, server, address);
        let Some(met) = core.observe(key, "write", seen.times, seen.count, seen.frames[0]) else { return };
        if !met.allowed && (others || !met.new) {
            entries.push(met.entry);
            first = first.or_else(|| others.then_some(address));
        }
    }
    let Some(first) = first else { return };
    let point = core.points.get(&access, target, first);
    let before = point.map_or_else(String::new, |point| {
        let writers: Vec<DeviceId> = point.writers.iter().copied().filter(|&writer| writer != client).collect();
        if writers.is_empty() {
            format!("only read, by {}", names(core, &point.readers))
        } else {
            format!("written by {} only", names(core, &writers))
        }
    });
    let (from, to) = (core.display(seen.client), core.display(seen.server));
    let place = words::target(target);
    let text = || Text {
        description: format!(
            "{from} {}, which it never wrote before; {}.",
            words::deed(activity, Some(&to)).map(|deed| deed.told(activity.outcome)).unwrap_or_default(),
            words::outcome(activity.outcome)
        ),
        why: format!("Until now {} of {to} was {before}.", words::point(target, first)),
        function: words::function(activity),
        object: place.clone(),
        value: words::values(&activity.values),
        detail: format!("first write to {place} by {from}"),
    };
    let id = row(&[
        target.number.map_or(u64::MAX, u64::from),
        u64::from(target.start),
        u64::from(target.count),
        u64::from(activity.function.code),
    ]);
    core.raise(&of_activity(catalogue::FIRST_WRITER, seen, &entries, id, &text));
}

fn values(core: &mut Core, seen: &Seen<'_>, client: DeviceId, server: DeviceId) {
    let activity = seen.activity;
    let target = &activity.target;
    let learning = core.learning_at(seen.times[1]);
    for offset in 0..target.count.min(POINTS_A_MESSAGE) {
        let Some(value) = activity.values.get(offset as usize) else { return };
        if value.is_nan() {
            continue;
        }
        let address = target.address(offset);
        let key = writer_key(seen, client, server, address);
        if learning {
            if let Some(entry) = core.baseline.find(&key).map(|entry| entry.id) {
                core.baseline.widen(entry, value);
            }
            continue;
        }
        let (mut range, mut writes, mut widest) = (None, 0, None);
        let keys: Vec<EntryKey> = std::iter::once(key.clone()).chain(core.baseline.outside_keys(&key)).collect();
        for entry in keys.iter().flat_map(|key| core.baseline.writers(key)) {
            let (Some(low), Some(high), true) = (entry.min, entry.max, core.baseline.is_allowed(entry)) else {
                continue;
            };
            let (least, most) = range.unwrap_or((low, high));
            range = Some((low.min(least), high.max(most)));
            // What a person allowed counts as enough.
            let weight = if entry.learned_count == 0 { ENOUGH_WRITES } else { entry.learned_count };
            if widest.is_none_or(|(known, _)| known < weight) {
                widest = Some((weight, entry.id));
            }
            writes += weight;
        }
        let (Some((low, high)), Some((_, entry))) = (range, widest) else { continue };
        if writes < ENOUGH_WRITES || (low..=high).contains(&value) {
            continue;
        }
        // Further values beyond those that a person learned are told again, and learned by an entry of their own.
        let outside = core.baseline.outside_key(&key);
        if core.allows_value(&outside, value) {
            continue;
        }
        let (least, most, written) = (words::number(low), words::number(high), words::number(value));
        let range = if low == high { least.clone() } else { format!("{least} to {most}") };
        let place = words::point(target, address);
        let Some(met) = core.observe(outside, "write", seen.times, seen.count, seen.frames[0]) else { return };
        core.baseline.widen(met.entry, value);
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        let text = || Text {
            description: format!(
                "{from} {} {written} to {place} of {to}; while learning only {range} was written; {}.",
                if activity.outcome == Outcome::Ok { "wrote" } else { "tried to write" },
                words::outcome(activity.outcome)
            ),
            why: format!(
                "The baseline holds {writes} writes to this point, all of {range} (baseline entry {}).",
                entry.0
            ),
            function: words::function(activity),
            object: place.clone(),
            value: written.clone(),
            detail: format!("{written} lies outside {least} to {most}"),
        };
        let mut finding = of_activity(
            catalogue::WRITE_VALUE_OUTSIDE_RANGE,
            seen,
            std::slice::from_ref(&met.entry),
            row(&[value.to_bits()]),
            &text,
        );
        finding.point = Some(u64::from(target.number.unwrap_or_default()) << 32 | u64::from(address));
        finding.table = Some(target.space);
        core.raise(&finding);
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::Severity;
    use crate::detectors::testing::{On as _, Plant, dnp3, s7_write, write};
    use ot_protocol::{Operation, Values};

    fn set(client: u8, value: u16) -> ot_protocol::Activity {
        write(client, 11, "holding-registers", 5, Values::Words(vec![value]))
    }

    #[test]
    fn a_range_is_believed_after_enough_writes() {
        for (writes, told) in [(9, 0), (10, 1)] {
            let mut plant = Plant::learning_until(100);
            for second in 1..=writes {
                plant.act(second, set(10, 400 + u16::try_from(second).unwrap()));
            }
            plant.end_of_second(100);
            plant.act(101, set(10, 405));
            assert!(plant.alerts_of("write-value-outside-range").is_empty());
            plant.act(102, set(10, 9_000));
            let alerts = plant.alerts_of("write-value-outside-range");
            assert_eq!(alerts.len(), told, "after {writes} writes");
            if let Some(alert) = alerts.first() {
                assert_eq!(
                    alert.description,
                    "10.0.0.10 wrote 9000 to holding register 5 of 10.0.0.11 unit 1; while learning only 401 to 410 was \
                     written; the device accepted it."
                );
            }
        }
    }

    #[test]
    fn one_write_of_a_stranger_says_something_of_its_own_in_each_alert() {
        let mut plant = Plant::learning_until(100);
        plant.poll(1, 10, 11);
        plant.act(2, set(10, 400));
        plant.end_of_second(100);
        plant.act(101, set(66, 401));
        let mut told: Vec<(Severity, &str, String)> = ["new-master", "first-writer", "modbus-function-not-learned"]
            .into_iter()
            .chain(["modbus-address-not-learned", "device-not-learned"])
            .map(|kind| {
                let alerts = plant.alerts_of(kind);
                assert_eq!(alerts.len(), 1, "{kind}");
                (alerts[0].severity, kind, alerts[0].description.clone())
            })
            .collect();
        told.sort_by_key(|(severity, ..)| std::cmp::Reverse(*severity));
        assert_eq!((told[0].0, told[0].1), (Severity::Critical, "new-master"));
        let mut texts: Vec<&String> = told.iter().map(|(_, _, text)| text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 5);
        assert_eq!(
            plant.alerts_of("new-master")[0].description,
            "10.0.0.66 commanded 10.0.0.11 unit 1 for the first time: it wrote 401 to holding register 5 by Write Single \
             Register (function 6); the device accepted it."
        );
        assert_eq!(
            plant.alerts_of("first-writer")[0].why,
            "Until now holding register 5 of 10.0.0.11 unit 1 was written by 10.0.0.10 only."
        );
    }

    #[test]
    fn points_of_two_data_blocks_are_two_points() {
        let mut plant = Plant::learning_until(100);
        for second in 1..=10 {
            for block in [1, 2] {
                plant.act(second, s7_write(10, 11, block, 4, 17.0));
            }
        }
        plant.end_of_second(100);
        for block in [1, 2] {
            plant.act(101, s7_write(10, 11, block, 4, 900.0));
        }
        let told: Vec<String> =
            plant.alerts_of("write-value-outside-range").into_iter().map(|alert| alert.description).collect();
        assert_eq!(told.len(), 2);
        assert!(told[1].starts_with("10.0.0.10 wrote 900 to DB2.DBW4 of 10.0.0.11"), "{}", told[1]);
    }

    #[test]
    fn one_message_with_many_points_is_one_write() {
        let operate =
            |index| dnp3(10, 11, 5, "Direct Operate: Close", Operation::Control).on("binary-outputs", index, 1);
        let mut plant = Plant::operational();
        plant.act_parts(1, (0..40).map(|index| operate(2 * index)));
        assert!(plant.alerts_of("write-burst").is_empty());
        assert!(plant.alerts_of("point-scan").is_empty());
        for index in 0..40 {
            plant.act(2, operate(2 * index));
        }
        assert_eq!(plant.alerts_of("write-burst").len(), 1);
    }

    #[test]
    fn setpoints_and_commands_of_dnp3_have_their_range_and_their_writers() {
        let set = |client, value| ot_protocol::Activity {
            values: Values::Numbers(vec![value]),
            ..dnp3(client, 11, 5, "Direct Operate", Operation::Control).on("analog-outputs", 2, 1)
        };
        let mut plant = Plant::learning_until(100);
        for second in 1..=20 {
            plant.act(second, set(10, 50.5));
        }
        plant.end_of_second(100);
        plant.act(101, set(10, 50.5));
        for kind in ["write-value-outside-range", "first-writer", "new-master"] {
            assert!(plant.alerts_of(kind).is_empty(), "{kind}");
        }
        plant.act(102, set(66, 900.0));
        for kind in ["write-value-outside-range", "first-writer", "new-master"] {
            assert_eq!(plant.alerts_of(kind).len(), 1, "{kind}");
        }
        let told = plant.alerts_of("write-value-outside-range")[0].description.clone();
        assert!(told.contains("wrote 900 to analog output 2") && told.contains("only 50.5 was written"), "{told}");
    }
}
