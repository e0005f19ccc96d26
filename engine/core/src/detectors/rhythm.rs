//! Exchanges that come at a steady interval: changed rhythm, silence.
//!
//! An exchange is what a client asks of a server again and again: function and range, whatever the connection. Its
//! rhythm is learned once ten intervals or more, four of five of them, lie within half of their median. Each sample is
//! the mean interval of one second's repetitions, so that a fast poll costs no more than a slow one.

use super::spread::number;
use super::{Detector, of_activity};
use crate::alerts::{Finding, Text};
use crate::baseline::Observation;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{BaselineEntry, DeviceId, EntryId, EntryKey, EntryKind, Peer};
use crate::points::Access;
use crate::shared::{Core, Seen, SeenFlow};
use crate::words;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::fact::CloseReason;
use ot_protocol::time::SECOND;
use ot_protocol::{Activity, FlowKind, Fold, FrameRef, Intervals, Nanos, Operation, Outcome, SessionId, Timestamp};
use std::collections::VecDeque;

/// Intervals that must be seen before a rhythm is believed.
const ENOUGH: u32 = 10;
/// Samples looked at to find a rhythm.
const SAMPLES: usize = 16;
/// Newest samples held against the learned rhythm, and how many of them are needed.
const RECENT: usize = 8;
const NEEDED: usize = 5;
/// How often a changed rhythm is told again while it lasts.
const AGAIN: Nanos = 60 * SECOND;
/// An exchange that was not repeated for this long makes room for another, where the table is full.
const FORGOTTEN: Nanos = 600 * SECOND;

/// Learns intervals, and tells changed ones and silence.
pub struct Rhythm {
    tracks: Vec<Option<Track>>,
    /// Tracks of which something waits to be put down.
    unsettled: Vec<u32>,
    free: Vec<u32>,
    by_key: HashMap<EntryKey, u32, FixedState>,
    serial: u32,
    channels: Vec<Channel>,
    by_pair: HashMap<(DeviceId, DeviceId), u32, FixedState>,
    cap: usize,
    refused: u64,
    swept: Timestamp,
    silence: Nanos,
    loaded: bool,
    /// Nothing falls silent before.
    next_check: Timestamp,
    last_epoch: Option<Timestamp>,
}

/// An exchange. What each repetition touches stands first, so that little memory has to be fetched for it.
#[repr(C)]
struct Track {
    serial: u32,
    channel: u32,
    /// Client and server of the key.
    pair: (DeviceId, DeviceId),
    last: Timestamp,
    session: SessionId,
    entry: Option<EntryId>,
    learned: Option<Learned>,
    recent: VecDeque<(Nanos, u32)>,
    waiting: Waiting,
    key: EntryKey,
    /// Samples while learning that lie far from the rhythm, and their intervals.
    odd: Intervals,
    odd_samples: u32,
    even_samples: u32,
    /// Told as changed, and when last.
    changed: Option<Timestamp>,
}

/// What was seen of a rhythm while learning and is not put down in the baseline yet.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    intervals: Intervals,
    count: u64,
    times: [Timestamp; 2],
    frame: FrameRef,
}

impl Track {
    /// Puts down what waits.
    fn settle(&mut self, core: &mut Core) {
        let Waiting { intervals, count, times, frame } = std::mem::take(&mut self.waiting);
        if let Some(entry) = self.entry
            && count > 0
        {
            core.baseline.add_intervals(entry, &intervals);
            core.baseline.touch(entry, Observation { count, times, frame, learning: true });
        }
    }
}

/// A rhythm.
#[derive(Clone, Copy, Debug)]
struct Learned {
    mean: Nanos,
    jitter: Nanos,
    count: u32,
}

/// A pair of devices.
struct Channel {
    client: Peer,
    server: Peer,
    protocol: &'static str,
    last: Timestamp,
    frame: FrameRef,
    /// Shortest learned interval of its exchanges, and the entry that holds it.
    interval: Option<(Nanos, EntryId)>,
    told: bool,
    /// What was seen of the client since the last exchange.
    attempts: u64,
    unanswered: u64,
    closed: Option<CloseReason>,
}

impl Rhythm {
    /// With the configured silence.
    pub fn new(config: &EngineConfig) -> Self {
        let silence = config.threshold(catalogue::CHANNEL_SILENT, Threshold { count: 0, seconds: 60 });
        Self {
            tracks: Vec::new(),
            unsettled: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::default(),
            serial: 0,
            channels: Vec::new(),
            by_pair: HashMap::default(),
            cap: config.limits.window_keys.max(1),
            refused: 0,
            swept: Timestamp(i64::MIN),
            silence: i64::from(silence.seconds.max(1)) * SECOND,
            loaded: false,
            next_check: Timestamp(i64::MIN),
            last_epoch: None,
        }
    }

    /// Channels that the store's baseline knows: their silence counts from the first packet of this run.
    fn load(&mut self, core: &Core, now: Timestamp) {
        if self.loaded {
            return;
        }
        self.loaded = true;
        let entries: Vec<(DeviceId, DeviceId, &'static str, Learned, EntryId)> = core
            .baseline
            .iter()
            .filter_map(|entry| {
                let learned = usual(entry)?;
                Some((entry.key.client?, entry.key.server?, entry.key.protocol, learned, entry.id))
            })
            .collect();
        for (client, server, protocol, learned, entry) in entries {
            let (client, server) = (peer(core, client), peer(core, server));
            let Some(channel) = self.channel(&client, &server, protocol, now) else { continue };
            self.expect(channel, learned.mean, entry);
        }
    }

    fn channel(&mut self, client: &Peer, server: &Peer, protocol: &'static str, now: Timestamp) -> Option<u32> {
        let pair = (client.device?, server.device?);
        if let Some(&at) = self.by_pair.get(&pair) {
            return Some(at);
        }
        if self.channels.len() >= self.cap {
            self.refused += 1;
            return None;
        }
        let at = u32::try_from(self.channels.len()).ok()?;
        self.channels.push(Channel {
            client: client.clone(),
            server: server.clone(),
            protocol,
            last: now,
            frame: FrameRef::default(),
            interval: None,
            told: false,
            attempts: 0,
            unanswered: 0,
            closed: None,
        });
        self.by_pair.insert(pair, at);
        Some(at)
    }

    /// The channel is periodic with this interval.
    fn expect(&mut self, channel: u32, interval: Nanos, entry: EntryId) {
        if let Some(channel) = self.channels.get_mut(channel as usize) {
            if channel.interval.is_none_or(|(known, _)| interval < known) {
                channel.interval = Some((interval, entry));
            }
            self.next_check = Timestamp(i64::MIN);
        }
    }

    /// The track of an activity, made where there is none.
    fn track(&mut self, core: &Core, seen: &Seen<'_>) -> Option<u32> {
        let pair = (seen.client_id()?, seen.server_id()?);
        let key = key(seen.activity, pair.0, pair.1);
        if let Some(&at) = self.by_key.get(&key) {
            return Some(at);
        }
        let channel = self.channel(seen.client, seen.server, seen.activity.protocol, seen.times[1])?;
        if self.tracks.len() - self.free.len() >= self.cap {
            self.sweep(seen.times[1]);
            if self.free.is_empty() {
                self.refused += 1;
                return None;
            }
        }
        let held = core.baseline.find(&key);
        self.serial = self.serial.wrapping_add(1);
        let track = Track {
            key: key.clone(),
            serial: self.serial,
            channel,
            pair,
            waiting: Waiting::default(),
            last: Timestamp(i64::MIN),
            session: seen.activity.session,
            recent: VecDeque::new(),
            entry: held.map(|entry| entry.id),
            learned: held.and_then(usual),
            odd: Intervals::default(),
            odd_samples: 0,
            even_samples: 0,
            changed: None,
        };
        if let (Some(entry), Some(learned)) = (track.entry, track.learned) {
            self.expect(channel, learned.mean, entry);
        }
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.tracks.get_mut(at as usize) {
                    *place = Some(track);
                }
                at
            }
            None => {
                self.tracks.push(Some(track));
                u32::try_from(self.tracks.len() - 1).ok()?
            }
        };
        self.by_key.insert(key, at);
        Some(at)
    }

    /// Forgets exchanges that were not repeated; at most once in ten seconds.
    fn sweep(&mut self, now: Timestamp) {
        if now.since(self.swept).abs() < 10 * SECOND {
            return;
        }
        self.swept = now;
        for (at, place) in self.tracks.iter_mut().enumerate() {
            if let Some(track) = place
                && track.learned.is_none()
                && (now.since(track.last) > FORGOTTEN || track.recent.is_empty())
                && let Ok(at) = u32::try_from(at)
            {
                self.by_key.remove(&track.key);
                *place = None;
                self.free.push(at);
            }
        }
    }

    /// The track of repetitions: the one noted for their activity, if it is still that.
    fn noted(&mut self, core: &Core, seen: &Seen<'_>, note: &mut u64) -> Option<u32> {
        let at = u32::try_from(*note >> 32).ok()?.wrapping_sub(1);
        if let Some(Some(track)) = self.tracks.get(at as usize)
            && u64::from(track.serial) == *note & 0xffff_ffff
            && Some(track.pair.0) == seen.client_id()
            && Some(track.pair.1) == seen.server_id()
        {
            return Some(at);
        }
        let at = self.track(core, seen)?;
        let serial = self.tracks.get(at as usize)?.as_ref()?.serial;
        *note = (u64::from(at) + 1) << 32 | u64::from(serial);
        Some(at)
    }

    /// The pair exchanged something.
    fn alive(&mut self, channel: u32, seen: &Seen<'_>) {
        let Some(channel) = self.channels.get_mut(channel as usize) else { return };
        if seen.times[1] < channel.last {
            return;
        }
        channel.last = seen.times[1];
        channel.frame = if seen.frames[1].number() > 0 { seen.frames[1] } else { seen.frames[0] };
        channel.told = false;
        channel.attempts = 0;
        channel.closed = None;
        if seen.answered() {
            channel.unanswered = 0;
        } else {
            channel.unanswered += seen.count;
        }
    }

    /// Takes the interval that a repetition (or several within a second) shows.
    fn sample(&mut self, core: &mut Core, at: u32, seen: &Seen<'_>, inner: Option<&Intervals>) {
        let Some(Some(track)) = self.tracks.get_mut(at as usize) else { return };
        let count = u32::try_from(seen.count).unwrap_or(u32::MAX).max(1);
        let before = track.last;
        let same = track.session == seen.activity.session;
        track.session = seen.activity.session;
        track.last = track.last.max(seen.times[1]);
        // Within one connection the exchange as a whole counts, whatever its outcome; several connections that ask the
        // same beside each other each have their own rhythm.
        let (mean, count) = match inner {
            Some(inner) if !same && inner.count > 0 => (inner.sum / i64::from(inner.count), inner.count),
            _ if before.0 == i64::MIN => return,
            _ => (seen.times[1].since(before) / i64::from(count), count),
        };
        if mean <= 0 {
            return;
        }
        if track.recent.len() >= SAMPLES {
            track.recent.pop_front();
        }
        track.recent.push_back((mean, count));
        let learning = core.learning_at(seen.times[1]);
        if !learning && track.waiting.count > 0 {
            track.settle(core);
        }
        match track.learned {
            None => self.find(core, at, seen, learning),
            Some(learned) if learning => self.refine(core, at, seen, learned, (mean, count)),
            Some(learned) => self.compare(core, at, seen, learned),
        }
    }

    /// Looks whether the samples so far make a rhythm.
    fn find(&mut self, core: &mut Core, at: u32, seen: &Seen<'_>, learning: bool) {
        let Some(Some(track)) = self.tracks.get_mut(at as usize) else { return };
        let intervals = track.recent.iter().fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        if intervals < ENOUGH || track.recent.len() < NEEDED {
            return;
        }
        let middle = median(track.recent.iter());
        let mut sums = Intervals::default();
        let mut deviation = 0;
        let mut good = 0_i64;
        for &(mean, count) in track.recent.iter().filter(|(mean, _)| near(*mean, middle)) {
            add(&mut sums, mean, count);
            deviation += (mean - middle).abs();
            good += 1;
        }
        if good * 5 < i64::try_from(track.recent.len()).unwrap_or(i64::MAX) * 4 || sums.count < ENOUGH {
            return;
        }
        let mean = sums.sum / i64::from(sums.count);
        let jitter = deviation / good;
        set_interval(core, seen, mean);
        let key = track.key.clone();
        let channel = track.channel;
        // Learned only while learning; otherwise it serves the points alone, and is looked for again.
        if !learning {
            track.recent.clear();
            return;
        }
        track.learned = Some(Learned { mean, jitter, count: sums.count });
        track.even_samples = u32::try_from(good).unwrap_or(0);
        let met = core.observe(key, seen.activity.function.name, seen.times, u64::from(sums.count), seen.frames[0]);
        let Some(met) = met else { return };
        core.baseline.add_intervals(met.entry, &sums);
        if let Some(Some(track)) = self.tracks.get_mut(at as usize) {
            track.entry = Some(met.entry);
        }
        self.expect(channel, mean, met.entry);
    }

    /// Goes on learning a rhythm.
    fn refine(&mut self, core: &mut Core, at: u32, seen: &Seen<'_>, learned: Learned, (mean, count): (Nanos, u32)) {
        let Some(Some(track)) = self.tracks.get_mut(at as usize) else { return };
        if !near(mean, learned.mean) {
            add(&mut track.odd, mean, count);
            track.odd_samples += 1;
            if track.odd_samples >= 4 && track.odd_samples > track.even_samples / 4 {
                // No rhythm after all: the entry holds what was seen, so that it is not believed later either.
                track.settle(core);
                if let Some(entry) = track.entry {
                    core.baseline.add_intervals(entry, &track.odd);
                }
                track.odd = Intervals::default();
                (track.odd_samples, track.even_samples) = (0, 0);
                track.learned = track.entry.and_then(|entry| core.baseline.get(entry)).and_then(usual);
                track.recent.clear();
                let (channel, gone) = (track.channel, track.entry);
                if track.learned.is_none()
                    && let Some(channel) = self.channels.get_mut(channel as usize)
                    && channel.interval.map(|(_, entry)| entry) == gone
                {
                    channel.interval = None;
                }
            }
            return;
        }
        track.even_samples = track.even_samples.saturating_add(1);
        let total = i64::from(learned.count) + i64::from(count);
        let merged = Learned {
            mean: learned.mean + (mean - learned.mean) * i64::from(count) / total.max(1),
            jitter: learned.jitter + ((mean - learned.mean).abs() - learned.jitter) / 16,
            count: learned.count.saturating_add(count).min(1_000_000),
        };
        track.learned = Some(merged);
        if track.entry.is_none() {
            return;
        }
        if track.waiting.count == 0 {
            track.waiting.times[0] = seen.times[0];
            track.waiting.frame = seen.frames[0];
            self.unsettled.push(at);
        }
        track.waiting.times[1] = seen.times[1];
        track.waiting.count += seen.count;
        add(&mut track.waiting.intervals, mean, count);
    }

    /// Holds the newest samples against the learned rhythm.
    fn compare(&mut self, core: &mut Core, at: u32, seen: &Seen<'_>, learned: Learned) {
        let Some(Some(track)) = self.tracks.get_mut(at as usize) else { return };
        while track.recent.len() > RECENT {
            track.recent.pop_front();
        }
        if track.recent.len() < NEEDED {
            return;
        }
        let now = median(track.recent.iter());
        let (slow, fast) = (now.max(learned.mean), now.min(learned.mean));
        let changed = slow / 3 > fast / 2 && slow - fast > learned.jitter.saturating_mul(4);
        if !changed {
            track.changed = None;
            return;
        }
        if track.changed.is_some_and(|told| seen.times[1].since(told) < AGAIN) {
            return;
        }
        track.changed = Some(seen.times[1]);
        let Some(held) = track.entry.and_then(|entry| core.baseline.get(entry)).filter(|entry| entry.allowed) else {
            // A person took it out of the baseline.
            track.learned = None;
            return;
        };
        let why = format!(
            "Baseline entry {}: every {} on average ({} to {}) over {} intervals, last while learning at {}; now more than \
             half slower or faster.",
            held.id.0,
            words::span(learned.mean),
            words::span(held.intervals.min),
            words::span(held.intervals.max),
            held.intervals.count,
            words::time(held.last_seen)
        );
        // The new rhythm has entries of its own, by steps of a quarter: those are learned with the alert.
        let step = step(now);
        let key = EntryKey { text: Some(step_text(step).into()), ..track.key.clone() };
        if core.allowing(&key).is_some() {
            return;
        }
        let samples = track.recent.len();
        let Some(met) = core.observe(key, seen.activity.function.name, seen.times, seen.count, seen.frames[0]) else {
            return;
        };
        let (from, to) = (core.display(seen.client), core.display(seen.server));
        let (function, target) = (words::function(seen.activity), words::target(&seen.activity.target));
        let text = || {
            let on = if target.is_empty() { String::new() } else { format!(" on {target}") };
            let way = if now > learned.mean { "slower" } else { "faster" };
            Text {
                description: format!(
                    "{from} repeats {function}{on} of {to} every {} (middle of the last {samples} intervals) instead of every \
                     {}: {way} than learned.",
                    words::span(now),
                    words::span(learned.mean)
                ),
                why: why.clone(),
                detail: format!("{function}{on} every {} instead of {}", words::span(now), words::span(learned.mean)),
                value: words::span(now),
                function: function.clone(),
                object: target.clone(),
            }
        };
        let row = number((&track.key, step));
        let entries = [met.entry];
        core.raise(&of_activity(catalogue::POLLING_RHYTHM, seen, &entries, row, &text));
    }

    fn silent(
        core: &mut Core,
        channel: &Channel,
        interval: Nanos,
        entry: &BaselineEntry,
        limit: Nanos,
        now: Timestamp,
    ) {
        let (client, server) = (&channel.client, &channel.server);
        let (from, to) = (core.display(client), core.display(server));
        let mut state = match channel.closed {
            Some(CloseReason::Finished | CloseReason::Reset) => " The connection was closed.".to_owned(),
            _ => String::new(),
        };
        if channel.attempts > 0 {
            state.push_str(&format!(
                " {from} tried to connect {} times since: {to} does not take part.",
                channel.attempts
            ));
        } else if channel.unanswered > 0 {
            state.push_str(&format!(" The last {} requests were not answered.", channel.unanswered));
        } else {
            state.push_str(&format!(" {from} asks no more."));
        }
        let (label, count, learned) = (entry.label, entry.intervals.count, words::time(entry.last_seen));
        let text = || Text {
            description: format!(
                "No {} exchange between {from} and {to} for {}; the last one was at {}.{state}",
                words::protocol(channel.protocol),
                words::span(now.since(channel.last)),
                words::time(channel.last)
            ),
            why: format!(
                "Baseline entry {}: {label} every {} over {count} intervals, last while learning at {learned}; silence is told \
                 after {}.",
                entry.id.0,
                words::span(interval),
                words::span(limit)
            ),
            function: label.to_owned(),
            detail: format!("silent since {}", words::time(channel.last)),
            ..Text::default()
        };
        core.raise(&Finding {
            kind: catalogue::CHANNEL_SILENT,
            client: Some(client.clone()),
            server: Some(server.clone()),
            table: None,
            point: None,
            times: [now, now],
            frames: &[channel.frame],
            count: 1,
            protocol: Some(channel.protocol),
            operation: None,
            outcome: None,
            entries: &[],
            row: number(channel.last),
            text: &text,
        });
    }

    fn arm(&mut self, shift: impl Fn(Timestamp) -> Timestamp) {
        for channel in &mut self.channels {
            channel.last = shift(channel.last);
        }
        self.next_check = Timestamp(i64::MIN);
    }
}

impl Detector for Rhythm {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::POLLING_RHYTHM, catalogue::CHANNEL_SILENT];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        self.load(core, seen.times[0]);
        // Repetitions come again by `fold`.
        if !seen.novel {
            return;
        }
        let Some(at) = self.track(core, seen) else { return };
        if let Some(Some(track)) = self.tracks.get(at as usize) {
            let channel = track.channel;
            self.alive(channel, seen);
        }
        self.sample(core, at, seen, None);
    }

    fn wants_folds(&self) -> bool {
        true
    }

    fn fold(&mut self, core: &mut Core, seen: &Seen<'_>, fold: &Fold, note: &mut u64) {
        let Some(at) = self.noted(core, seen, note) else { return };
        if let Some(Some(track)) = self.tracks.get(at as usize) {
            let channel = track.channel;
            self.alive(channel, seen);
        }
        self.sample(core, at, seen, Some(&fold.intervals));
    }

    fn settle(&mut self, core: &mut Core) {
        for at in self.unsettled.drain(..) {
            if let Some(Some(track)) = self.tracks.get_mut(at as usize) {
                track.settle(core);
            }
        }
    }

    fn flow(&mut self, _core: &mut Core, flow: &SeenFlow<'_>) {
        let pair = flow.client.device.zip(flow.server.device);
        match flow.event.kind {
            FlowKind::Close(why) => {
                if let Some(channel) = pair.and_then(|pair| self.by_pair.get(&pair))
                    && let Some(channel) = self.channels.get_mut(*channel as usize)
                {
                    channel.closed = Some(why);
                }
            }
            FlowKind::Attempt => {
                if let Some(channel) = pair.and_then(|pair| self.by_pair.get(&pair))
                    && let Some(channel) = self.channels.get_mut(*channel as usize)
                {
                    channel.attempts += u64::from(flow.event.count);
                }
            }
            _ => {}
        }
    }

    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        self.load(core, now);
        // Where nothing at all was captured for so long, it is not the channels that were silent.
        if let Some(last) = self.last_epoch
            && now.since(last) >= self.silence
        {
            let gap = now.since(last);
            self.arm(|time| time.plus(gap).min(now));
        }
        self.last_epoch = Some(now);
        if now < self.next_check || core.learning_at(now) {
            return;
        }
        let mut next = Timestamp(i64::MAX);
        let mut moved = Vec::new();
        for channel in &mut self.channels {
            let Some((interval, entry)) = channel.interval else { continue };
            if channel.told {
                continue;
            }
            let limit = self.silence.max(interval.saturating_mul(5));
            if now.since(channel.last) < limit {
                next = next.min(channel.last.plus(limit));
                continue;
            }
            let Some(entry) = core.baseline.get(entry).filter(|entry| entry.allowed).cloned() else {
                channel.interval = None;
                continue;
            };
            // A device turned out to be another one: its traffic goes on under the other's number.
            if (entry.key.client, entry.key.server) != (channel.client.device, channel.server.device) {
                channel.interval = None;
                moved.push((entry, interval, channel.protocol));
                continue;
            }
            channel.told = true;
            Self::silent(core, channel, interval, &entry, limit, now);
        }
        for (entry, interval, protocol) in moved {
            let (Some(client), Some(server)) = (entry.key.client, entry.key.server) else { continue };
            let (client, server) = (peer(core, client), peer(core, server));
            if let Some(channel) = self.channel(&client, &server, protocol, now) {
                self.expect(channel, interval, entry.id);
            }
        }
        // A channel that speaks again after its silence was told must be looked at again.
        self.next_check = next.min(now.plus(self.silence / 2));
    }

    fn time_jump(&mut self, _core: &mut Core, now: Timestamp) {
        self.last_epoch = Some(now);
        self.arm(|_| now);
        for track in self.tracks.iter_mut().flatten() {
            track.last = Timestamp(i64::MIN);
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("rhythms-refused", self.refused)]
    }
}

/// The exchange that an activity belongs to.
fn key(activity: &Activity, client: DeviceId, server: DeviceId) -> EntryKey {
    let target = &activity.target;
    // A poll of classes is told apart by the mask of its classes, which takes the place of an address.
    let range = target.count > 0 || target.space == "classes";
    let whole = EntryKey {
        client: Some(client),
        server: Some(server),
        protocol: activity.protocol,
        function: Some(activity.function.code),
        ..EntryKey::new(EntryKind::Rhythm)
    };
    // Which points a DNP3 outstation reports changes from one response to the next.
    if activity.protocol == "dnp3" && activity.function.code >= 129 {
        return whole;
    }
    EntryKey {
        subfunction: activity.function.sub,
        space: target.space,
        number: target.number,
        start: range.then_some(target.start),
        end: range.then(|| target.end()),
        ..whole
    }
}

/// The rhythm that an entry holds, if it is allowed and steady.
fn usual(entry: &BaselineEntry) -> Option<Learned> {
    let held = &entry.intervals;
    if entry.key.kind != EntryKind::Rhythm || !entry.allowed || entry.key.text.is_some() || held.count < ENOUGH {
        return None;
    }
    let mean = held.sum / i64::from(held.count);
    if mean <= 0 || held.max > mean.saturating_mul(2) || held.min < mean / 3 {
        return None;
    }
    // The entry keeps the extremes only: a quarter of the farther one stands for the usual deviation.
    Some(Learned { mean, jitter: (held.max - mean).max(mean - held.min) / 4, count: held.count })
}

/// Whether a sample lies within half of the interval.
fn near(sample: Nanos, interval: Nanos) -> bool {
    (sample - interval).abs() <= interval / 2
}

fn add(sums: &mut Intervals, mean: Nanos, count: u32) {
    sums.min = if sums.count == 0 { mean } else { sums.min.min(mean) };
    sums.max = sums.max.max(mean);
    sums.sum = sums.sum.saturating_add(mean.saturating_mul(i64::from(count)));
    sums.count = sums.count.saturating_add(count);
}

fn median<'a>(samples: impl Iterator<Item = &'a (Nanos, u32)>) -> Nanos {
    let mut means = [0; SAMPLES];
    let mut held = 0;
    for (place, (mean, _)) in means.iter_mut().zip(samples) {
        *place = *mean;
        held += 1;
    }
    let means = means.get_mut(..held).unwrap_or_default();
    means.sort_unstable();
    means.get(held / 2).copied().unwrap_or(0)
}

/// An interval as a number of steps, each a quarter longer than the one before; the first is a millisecond.
fn step(interval: Nanos) -> u32 {
    let (mut step, mut length) = (0, 1_000_000);
    while length < interval && step < 200 {
        length = length / 4 * 5;
        step += 1;
    }
    step
}

/// The texts of the rhythms next to one: what lies at the border of two steps is learned with either.
pub(crate) fn near_rhythms(text: &str) -> Vec<String> {
    let found = (0..=200).find(|step| step_text(*step) == text);
    found.into_iter().flat_map(|step| [step.checked_sub(1), Some(step + 1)]).flatten().map(step_text).collect()
}

/// `about 1.0 s`.
fn step_text(step: u32) -> String {
    let length = (0..step).fold(1_000_000_i64, |length, _| (length / 4).saturating_mul(5));
    format!("about {}", words::span(length))
}

/// A device without an endpoint at hand.
fn peer(core: &Core, id: DeviceId) -> Peer {
    let device = core.inventory.get(id);
    let parent = device.and_then(|device| device.parent).and_then(|id| core.inventory.get(id));
    let address = [device, parent].into_iter().flatten().find_map(|device| device.addresses.first());
    Peer {
        device: Some(id),
        ip: address.map(|address| address.ip),
        mac: device.and_then(|device| device.mac),
        sub: device.map(|device| device.sub).unwrap_or_default(),
    }
}

/// Tells the points of a read how often they are polled.
fn set_interval(core: &mut Core, seen: &Seen<'_>, interval: Nanos) {
    let activity = seen.activity;
    let (Some(client), Some(device)) = (seen.client_id(), seen.server_id()) else { return };
    if activity.operation != Operation::Read || activity.outcome != Outcome::Ok {
        return;
    }
    let access = Access { device, protocol: activity.protocol, client, write: false, time: seen.times[1] };
    core.points.set_interval(&access, &activity.target, interval);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::testing::{On as _, Plant, dnp3};

    #[test]
    fn polls_of_different_classes_have_their_own_rhythm_and_reported_points_share_one() {
        let exchange = |code, space, start, count| {
            let activity = dnp3(10, 11, code, "Some Function", Operation::Read).on(space, start, count);
            key(&activity, DeviceId(1), DeviceId(2))
        };
        assert_ne!(exchange(1, "classes", 0b1111, 0), exchange(1, "classes", 0b1110, 0));
        assert_ne!(exchange(1, "binary-inputs", 0, 4), exchange(1, "binary-inputs", 4, 4));
        assert_eq!(exchange(130, "binary-inputs", 0, 4), exchange(130, "analog-inputs", 7, 1));
    }

    /// Two clients poll two servers every second; learned until second 100.
    fn learned() -> Plant {
        let mut plant = Plant::learning_until(100);
        plant.poll(0, 10, 11);
        plant.poll(0, 20, 12);
        for second in 1..100 {
            plant.repeat(second, 10, 11);
            plant.repeat(second, 20, 12);
            plant.end_of_second(second + 1);
        }
        plant
    }

    #[test]
    fn a_rhythm_is_learned_into_the_baseline_and_the_points() {
        let plant = learned();
        let core = plant.engine.core();
        let entries: Vec<_> = core.baseline.iter().filter(|entry| entry.key.kind == EntryKind::Rhythm).collect();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| usual(entry).is_some_and(|learned| learned.mean == SECOND)));
    }

    #[test]
    fn a_changed_rhythm_is_told_and_a_gap_is_not() {
        let mut plant = learned();
        for second in 100..120 {
            plant.repeat(second, 10, 11);
            plant.end_of_second(second + 1);
        }
        plant.poll(125, 10, 11); // a new connection after a gap
        for second in 126..140 {
            plant.repeat(second, 10, 11);
            plant.end_of_second(second + 1);
        }
        assert!(plant.alerts_of("polling-rhythm").is_empty());
        for second in (140..160).step_by(3) {
            plant.repeat(second, 10, 11);
            plant.end_of_second(second + 1);
        }
        let alerts = plant.alerts_of("polling-rhythm");
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].description.contains("every 3.0 s"), "{}", alerts[0].description);
    }

    #[test]
    fn silence_is_told_once_and_a_gap_of_the_capture_is_not() {
        let mut plant = learned();
        for second in 100..158 {
            plant.repeat(second, 20, 12);
            plant.end_of_second(second + 1);
        }
        assert!(plant.alerts_of("channel-silent").is_empty());
        for second in 158..300 {
            plant.repeat(second, 20, 12);
            plant.end_of_second(second + 1);
        }
        let alerts = plant.alerts_of("channel-silent");
        assert_eq!((alerts.len(), alerts[0].count), (1, 1));
        assert!(alerts[0].description.contains("10.0.0.10"), "{}", alerts[0].description);

        let mut plant = learned();
        plant.end_of_second(1_000);
        plant.end_of_second(1_001);
        assert!(plant.alerts_of("channel-silent").is_empty());
    }

    #[test]
    fn a_rhythm_survives_a_restart() {
        let mut plant = learned();
        let mut plant = plant.restart();
        for second in 100..200 {
            plant.end_of_second(second + 1);
        }
        assert_eq!(plant.alerts_of("channel-silent").len(), 2);
    }

    #[test]
    fn steps_are_a_quarter_apart() {
        assert!(step(SECOND) < step(2 * SECOND));
        assert!(step(SECOND).abs_diff(step(SECOND + SECOND / 10)) <= 1);
        assert!(near(3, 2) && !near(4, 2));
    }
}
