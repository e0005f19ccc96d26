//! Who writes what: new masters, first writers, values outside the learned range, bursts.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::engine::{Core, Seen};
use crate::model::{DeviceId, EntryId, EntryKey, EntryKind};
use crate::points::Access;
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
/// Points of one message looked at one by one.
const POINTS_A_MESSAGE: u32 = 2_000;

/// Learns who commands whom, who writes which point, with which values, and how often.
#[derive(Default)]
pub struct Writes {
    buckets: HashMap<(DeviceId, DeviceId), (i64, u64), FixedState>,
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
        if !seen.activity.operation.changes() {
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
                let on = if place.is_empty() { String::new() } else { format!(" on {place}") };
                let text = || Text {
                    description: format!(
                        "{from} commanded {to} for the first time: {function}{on}{}; {}.",
                        with_values(seen),
                        words::outcome(activity.outcome)
                    ),
                    why: format!("Until now {to} was used by {}; {from} never wrote to it or controlled it.", others.join(", ")),
                    function: function.clone(),
                    object: place.clone(),
                    value: words::values(&activity.values),
                    detail: format!("command by {from}, not in the baseline; {}", words::outcome(activity.outcome)),
                };
                let id = row(&[
                    u64::from(client.0),
                    u64::from(activity.function.code),
                    u64::from(activity.target.start),
                    u64::from(activity.target.count),
                ]);
                core.raise(&of_activity(catalogue::NEW_MASTER, seen, &[met.entry], id, &text));
            }
        }
        self.burst(core, seen, (client, server), met.entry);
    }

    fn burst(&mut self, core: &mut Core, seen: &Seen<'_>, pair: (DeviceId, DeviceId), entry: EntryId) {
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
        let text = || Text {
            description: format!(
                "{from} sent {count} writes or commands to {to} within {BURST_SECONDS} s, last {}; {}.",
                words::function(activity),
                words::outcome(activity.outcome)
            ),
            why: learned.map_or_else(
                || format!("The baseline holds no writes of this pair; more than {limit} in {BURST_SECONDS} s is a burst."),
                |most| format!("The highest count learned for the pair is {most} in {BURST_SECONDS} s (baseline entry {}).", entry.0),
            ),
            function: words::function(activity),
            object: words::target(&activity.target),
            value: words::values(&activity.values),
            detail: format!("more than {limit} writes or commands in {BURST_SECONDS} s"),
        };
        let id = row(&[u64::from(activity.function.code)]);
        core.raise(&of_activity(catalogue::WRITE_BURST, seen, &[entry], id, &text));
    }
}

/// Other devices that are clients of the server, for people.
fn others_of(core: &Core, client: DeviceId, server: DeviceId) -> Vec<String> {
    let mut others: Vec<DeviceId> = core
        .baseline
        .of_device(server)
        .filter(|entry| matches!(entry.key.kind, EntryKind::Function | EntryKind::Operation))
        .filter(|entry| entry.key.server == Some(server))
        .filter_map(|entry| entry.key.client)
        .filter(|&other| other != client)
        .collect();
    others.sort_unstable();
    others.dedup();
    others
        .into_iter()
        .take(5)
        .filter_map(|id| core.inventory.get(id))
        .map(|device| {
            core.display(&crate::model::Peer {
                device: Some(device.id),
                ip: device.addresses.first().map(|address| address.ip),
                mac: device.mac,
                sub: device.sub,
            })
        })
        .collect()
}

fn with_values(seen: &Seen<'_>) -> String {
    let values = words::values(&seen.activity.values);
    if values.is_empty() { String::new() } else { format!(" with {values}") }
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
    let access =
        Access { device: server, protocol: activity.protocol, client, write: true, time: seen.times[0] };
    let mut entries = Vec::new();
    let mut first = None;
    for offset in 0..target.count.min(POINTS_A_MESSAGE) {
        let address = target.start.saturating_add(offset);
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
        let writers = point.writers.iter().filter(|&&writer| writer != client).count();
        if writers > 0 {
            format!("written by {writers} other device(s)")
        } else {
            format!("only read, by {} device(s)", point.readers.len())
        }
    });
    let (from, to) = (core.display(seen.client), core.display(seen.server));
    let place = words::target(target);
    let text = || Text {
        description: format!(
            "{from} wrote to {place} of {to}{} for the first time; {}.",
            with_values(seen),
            words::outcome(activity.outcome)
        ),
        why: format!("Until now {} {first} of {to} was {before}.", target.space),
        function: words::function(activity),
        object: place.clone(),
        value: words::values(&activity.values),
        detail: format!("first write to {place} by {from}"),
    };
    let id = row(&[u64::from(target.start), u64::from(target.count), u64::from(activity.function.code)]);
    core.raise(&of_activity(catalogue::FIRST_WRITER, seen, &entries, id, &text));
}

fn values(core: &mut Core, seen: &Seen<'_>, client: DeviceId, server: DeviceId) {
    let activity = seen.activity;
    let target = &activity.target;
    let learning = core.learning_at(seen.times[1]);
    for offset in 0..target.count.min(POINTS_A_MESSAGE) {
        let Some(value) = activity.values.get(offset as usize) else { return };
        let address = target.start.saturating_add(offset);
        let key = writer_key(seen, client, server, address);
        if learning {
            if let Some(entry) = core.baseline.find(&key).map(|entry| entry.id) {
                core.baseline.widen(entry, value);
            }
            continue;
        }
        let outside = EntryKey { text: Some("outside the learned values".into()), ..key.clone() };
        let learned = [&key, &outside]
            .into_iter()
            .flat_map(|key| core.baseline.writers(key))
            .filter(|entry| entry.allowed)
            .filter_map(|entry| Some((entry.min?, entry.max?)))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let Some((low, high)) = learned else { continue };
        if (low..=high).contains(&value) {
            continue;
        }
        let Some(met) = core.observe(outside, "write", seen.times, seen.count, seen.frames[0]) else { return };
        core.baseline.widen(met.entry, value);
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        let text = || Text {
            description: format!(
                "{from} wrote {value} to {} {address} of {to}, outside the range {low} to {high} seen while learning; {}.",
                target.space,
                words::outcome(activity.outcome)
            ),
            why: format!("The baseline holds writes of {low} to {high} to this point."),
            function: words::function(activity),
            object: format!("{} {address}", target.space),
            value: value.to_string(),
            detail: format!("{value} lies outside {low} to {high}"),
        };
        let mut finding = of_activity(
            catalogue::WRITE_VALUE_OUTSIDE_RANGE,
            seen,
            std::slice::from_ref(&met.entry),
            row(&[value.to_bits()]),
            &text,
        );
        finding.point = Some(address);
        finding.table = Some(target.space);
        core.raise(&finding);
    }
}
