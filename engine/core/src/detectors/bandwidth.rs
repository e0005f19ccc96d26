//! Traffic far above what was learned, by device and by pair.
//!
//! A minute of packet time is compared with the highest minute that the baseline allows: more than three times of it, and at
//! least [`LEAST`] bytes, is too much. One busy minute while learning thus gives head-room for good, and no mean can be
//! dragged by quiet nights. What is less than learned is told by the alerts about silence.
//!
//! Entries are steps of powers of two, so that learning an alert allows a minute of that size and no more.

use super::{Detector, row};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::config::EngineConfig;
use crate::model::{DeviceId, EntryId, EntryKey, EntryKind, Peer};
use crate::shared::{Core, SeenFlow};
use ot_protocol::{FrameRef, SubAddress, Timestamp};
use std::collections::BTreeMap;

/// How many times the highest learned minute is too much.
const FACTOR: f64 = 3.0;
/// Bytes in a minute that are never too much.
const LEAST: f64 = 65_536.0;
/// Seconds of a minute.
const MINUTE: i64 = 60;

/// Bytes of a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// From the client, or sent by the device; and the other way.
    bytes: [u64; 2],
    frame: FrameRef,
}

/// Adds up the traffic of the minute, by device and by pair.
pub struct Bandwidth {
    devices: bool,
    pairs: bool,
    minute: i64,
    of_device: BTreeMap<DeviceId, Tally>,
    of_pair: BTreeMap<(DeviceId, DeviceId), Tally>,
    cap: usize,
    refused: u64,
}

impl Bandwidth {
    /// Does nothing where neither type is on.
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            devices: config.enabled(catalogue::BANDWIDTH),
            pairs: config.enabled(catalogue::BANDWIDTH_PAIR),
            minute: 0,
            of_device: BTreeMap::new(),
            of_pair: BTreeMap::new(),
            cap: config.limits.window_keys,
            refused: 0,
        }
    }

    fn minute_ends(&mut self, core: &mut Core) {
        let begin = Timestamp::new(self.minute.saturating_mul(MINUTE), 0);
        let times = [begin, Timestamp::new(self.minute.saturating_add(1).saturating_mul(MINUTE), 0)];
        let pairs = std::mem::take(&mut self.of_pair);
        for (id, tally) in std::mem::take(&mut self.of_device) {
            judge(core, id, None, &tally, times, &pairs);
        }
        if self.pairs {
            for (&(client, server), tally) in &pairs {
                judge(core, client, Some(server), tally, times, &pairs);
            }
        }
    }
}

/// Holds a minute against the baseline.
fn judge(
    core: &mut Core,
    client: DeviceId,
    server: Option<DeviceId>,
    tally: &Tally,
    times: [Timestamp; 2],
    pairs: &BTreeMap<(DeviceId, DeviceId), Tally>,
) {
    let total = tally.bytes[0].saturating_add(tally.bytes[1]);
    #[allow(clippy::cast_precision_loss, reason = "bytes of a minute are far below 2^52")]
    let amount = total as f64;
    let key = EntryKey {
        client: Some(client),
        server,
        number: Some(u64::BITS - total.leading_zeros()),
        ..EntryKey::new(EntryKind::Throughput)
    };
    let learned = highest(core, client, server);
    let Some(met) = core.observe(key, "bytes in a minute", times, 1, tally.frame) else { return };
    core.baseline.widen(met.entry, amount);
    if met.allowed || core.learning_at(times[0]) {
        return;
    }
    let Some((most, entry)) = learned else { return };
    if amount <= (most * FACTOR).max(LEAST) {
        return;
    }
    let peer = |id: DeviceId| {
        let device = core.inventory.get(id);
        let ip = device.and_then(|device| device.addresses.first()).map(|address| address.ip);
        Peer { device: Some(id), ip, mac: device.and_then(|device| device.mac), sub: SubAddress::None }
    };
    let (from, to) = (peer(client), server.map(peer));
    let name = core.display(&from);
    let [sent, received] = tally.bytes;
    let (kind, what) = match &to {
        Some(to) => (
            catalogue::BANDWIDTH_PAIR,
            format!(
                "{name} and {} exchanged {} within a minute: {} to the server, {} back.",
                core.display(to),
                size(total),
                size(sent),
                size(received)
            ),
        ),
        None => {
            let partner = pairs
                .iter()
                .filter(|((a, b), _)| *a == client || *b == client)
                .max_by_key(|(pair, tally)| (tally.bytes[0] + tally.bytes[1], std::cmp::Reverse(**pair)));
            let partner = partner.map(|(&(a, b), tally)| {
                let other = core.display(&peer(if a == client { b } else { a }));
                format!("; most of it, {}, with {other}", size(tally.bytes[0] + tally.bytes[1]))
            });
            let partner = partner.unwrap_or_default();
            (
                catalogue::BANDWIDTH,
                format!("{name} sent {} and received {} within a minute{partner}.", size(sent), size(received)),
            )
        }
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a minute, never negative")]
    let limit = (most as u64, (most * FACTOR).max(LEAST) as u64);
    let text = || Text {
        description: what.clone(),
        why: format!(
            "The highest minute that was learned is {} (baseline entry {}); more than {} is too much.",
            size(limit.0),
            entry.0,
            size(limit.1)
        ),
        value: size(total),
        detail: format!("{} in the minute from {}", size(total), crate::words::time(times[0])),
        ..Text::default()
    };
    let frames = [tally.frame];
    let entries = [met.entry];
    core.raise(&Finding {
        kind,
        client: Some(from),
        server: to,
        table: None,
        point: None,
        times,
        frames: &frames,
        count: 1,
        protocol: None,
        operation: None,
        outcome: None,
        entries: &entries,
        row: row(&[u64::from(met.entry.0)]),
        text: &text,
    });
}

/// The highest allowed minute, and its entry.
fn highest(core: &Core, client: DeviceId, server: Option<DeviceId>) -> Option<(f64, EntryId)> {
    core.baseline
        .of_device(client)
        .filter(|entry| {
            let key = &entry.key;
            entry.allowed && key.kind == EntryKind::Throughput && key.client == Some(client) && key.server == server
        })
        .map(|entry| {
            // An imported entry has no maximum of its own: that of its step.
            let step = entry.key.number.unwrap_or(0).min(63);
            #[allow(clippy::cast_precision_loss, reason = "bytes of a minute are far below 2^52")]
            let most = entry.max.unwrap_or((1_u64 << step) as f64);
            (most, entry.id)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
}

/// `812 B`, `40.2 kB`, `3.1 MB`.
fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for people, three digits")]
    let amount = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", amount / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", amount / 1e6),
        _ => format!("{:.1} GB", amount / 1e9),
    }
}

impl Detector for Bandwidth {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::BANDWIDTH, catalogue::BANDWIDTH_PAIR];
        TYPES
    }

    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        if !(self.devices || self.pairs) || flow.event.bytes == [0; 2] {
            return;
        }
        let event = flow.event;
        let minute = event.time.epoch().div_euclid(MINUTE);
        if minute > self.minute {
            self.minute_ends(core);
            self.minute = minute;
        }
        let [out, back] = event.bytes;
        let (client, server) = (flow.client.device, flow.server.device);
        if self.devices {
            for (device, bytes) in [(client, [out, back]), (server, [back, out])] {
                let Some(device) = device else { continue };
                if self.of_device.len() >= self.cap && !self.of_device.contains_key(&device) {
                    self.refused += 1;
                    continue;
                }
                add(self.of_device.entry(device).or_default(), bytes, event.frame);
            }
        }
        if let (Some(client), Some(server)) = (client, server) {
            if self.of_pair.len() >= self.cap && !self.of_pair.contains_key(&(client, server)) {
                self.refused += 1;
                return;
            }
            add(self.of_pair.entry((client, server)).or_default(), event.bytes, event.frame);
        }
    }

    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        let minute = now.epoch().div_euclid(MINUTE);
        if minute > self.minute && !(self.of_device.is_empty() && self.of_pair.is_empty()) {
            self.minute_ends(core);
            self.minute = minute;
        }
    }

    fn finish(&mut self, core: &mut Core) {
        self.minute_ends(core);
    }

    fn time_jump(&mut self, core: &mut Core, now: Timestamp) {
        self.minute_ends(core);
        self.minute = now.epoch().div_euclid(MINUTE);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("bandwidth-rows-refused", self.refused)]
    }
}

fn add(tally: &mut Tally, bytes: [u64; 2], frame: FrameRef) {
    for (sum, more) in tally.bytes.iter_mut().zip(bytes) {
        *sum = sum.saturating_add(more);
    }
    tally.frame = frame;
}

#[cfg(test)]
mod tests {
    use crate::config::{AlertSetting, EngineConfig, Learning};
    use crate::detectors::testing::{Plant, host};
    use ot_protocol::{FlowKind, Timestamp, Transport};

    fn plant(until: i64) -> Plant {
        let on = AlertSetting { enabled: Some(true), ..AlertSetting::default() };
        Plant::with(EngineConfig {
            ot_networks: vec!["10.0.0.0/16".parse().unwrap()],
            alerts: [("bandwidth".to_owned(), on), ("bandwidth-pair".to_owned(), on)].into(),
            learning: Learning::Until(Timestamp::new(until, 0)),
            ..EngineConfig::default()
        })
    }

    fn minute(plant: &mut Plant, minute: i64, client: u8, server: u8, bytes: u64) {
        let ends = [host(client), host(server)];
        plant.traffic(minute * 60 + 5, FlowKind::Open, Transport::Tcp, ends, 9, [[1, 60], [1, 60]]);
        plant.traffic(minute * 60 + 30, FlowKind::Update, Transport::Tcp, ends, 9, [[10, bytes], [10, bytes / 2]]);
        plant.end_of_second(minute * 60 + 60);
    }

    #[test]
    fn three_times_the_highest_learned_minute_is_too_much() {
        let mut plant = plant(300);
        for (n, bytes) in [90_000, 100_000, 5_000, 80_000].into_iter().enumerate() {
            minute(&mut plant, n as i64, 10, 11, bytes);
        }
        minute(&mut plant, 5, 10, 11, 290_000);
        assert!(plant.alerts_of("bandwidth").is_empty() && plant.alerts_of("bandwidth-pair").is_empty());
        minute(&mut plant, 6, 10, 11, 400_000);
        let alerts = plant.alerts_of("bandwidth");
        assert_eq!(alerts.len(), 2);
        assert!(alerts[0].why.contains("150.1 kB"), "{}", alerts[0].why);
        let pairs = plant.alerts_of("bandwidth-pair");
        assert_eq!(pairs.len(), 1);
        assert!(pairs[0].description.contains("exchanged 600.1 kB within a minute"), "{}", pairs[0].description);
        plant.learn(&pairs[0].id);
        minute(&mut plant, 7, 10, 11, 1_000_000);
        assert_eq!(plant.alerts_of("bandwidth-pair").len(), 1);
        minute(&mut plant, 8, 10, 11, 4_000_000);
        assert_eq!(plant.alerts_of("bandwidth-pair").len(), 2);
    }

    #[test]
    fn little_traffic_and_devices_that_were_not_learned_are_not_told() {
        let mut plant = plant(120);
        minute(&mut plant, 0, 10, 11, 1_000);
        minute(&mut plant, 1, 10, 11, 1_000);
        minute(&mut plant, 3, 10, 11, 40_000);
        minute(&mut plant, 4, 66, 67, 9_000_000);
        assert!(plant.alerts_of("bandwidth").is_empty() && plant.alerts_of("bandwidth-pair").is_empty());
    }
}
