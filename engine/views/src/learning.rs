//! How learning goes on: mode, time left, what was learned, what is still new, and which devices learn on their own.

use crate::names::Names;
use crate::{SCHEMA, ViewError, time};
use ot_engine::config::EngineConfig;
use ot_protocol::time::SECOND;
use serde::Serialize;
use utoipa::ToSchema;

/// How learning goes on.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LearningStatus {
    /// Version of these keys.
    pub schema: u32,
    /// `learning` or `operational`.
    pub mode: &'static str,
    /// Packet time at which learning began.
    pub since: Option<String>,
    /// Packet time at which it ends, or ended.
    pub until: Option<String>,
    /// How much packet time is left, in seconds.
    pub seconds_left: Option<i64>,
    /// Where learning ends when little new comes: the measure, and how it stands.
    pub novelty: Option<NoveltyView>,
    /// Baseline entries that traffic taught.
    pub entries: u64,
    /// These by kind.
    pub entries_by_kind: Vec<KindCount>,
    /// New ones of each hour, of the last 24 hours of packet time; hours without are left out.
    pub new_by_hour: Vec<HourCount>,
    /// Devices that have a learning time of their own.
    pub devices: Vec<DeviceLearningView>,
    /// Alert types that are configured not to be learned.
    pub not_learned: Vec<String>,
}

/// When little new comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoveltyView {
    /// No more than so many new entries
    pub most: u32,
    /// within so many seconds of packet time end learning.
    pub seconds: i64,
    /// So many there were within the last such span.
    pub now: u64,
}

/// Entries of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KindCount {
    /// Kind.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
}

/// New entries of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HourCount {
    /// Begin of the hour, packet time.
    pub hour: String,
    /// How many.
    pub count: u64,
}

/// A device that learns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceLearningView {
    /// Its number.
    pub device_id: u32,
    /// The device for people.
    pub device: String,
    /// Packet time at which it ends.
    pub until: String,
    /// How much packet time is left, in seconds.
    pub seconds_left: i64,
    /// Whether the device itself is learned, not only what it does.
    pub whole: bool,
}

/// How learning goes on in a store, by this configuration.
pub fn learning(names: &Names<'_>, config: &EngineConfig) -> Result<LearningStatus, ViewError> {
    let reader = names.reader();
    let found = reader.learning()?;
    let now = found.state.now.unwrap_or_default();
    let left = |until: ot_protocol::Timestamp| until.since(now).max(0) / SECOND;
    let mut devices = Vec::with_capacity(found.devices.len());
    for (id, learning) in found.devices {
        devices.push(DeviceLearningView {
            device_id: id.0,
            device: names.label(id)?,
            until: time(learning.until),
            seconds_left: left(learning.until),
            whole: learning.whole,
        });
    }
    let learning = found.state.learning;
    let novelty = match config.novelty.filter(|_| learning) {
        None => None,
        Some(novelty) => Some(NoveltyView {
            most: novelty.entries,
            seconds: novelty.span / SECOND,
            now: reader.learned_since(now.plus(-novelty.span))?,
        }),
    };
    Ok(LearningStatus {
        schema: SCHEMA,
        mode: if learning { "learning" } else { "operational" },
        since: found.since.map(time),
        until: found.state.learning_until.map(time),
        seconds_left: found.state.learning_until.filter(|_| learning).map(left),
        novelty,
        entries: found.kinds.iter().map(|(_, count)| count).sum(),
        entries_by_kind: found
            .kinds
            .into_iter()
            .map(|(kind, count)| KindCount { kind: kind.as_str(), count })
            .collect(),
        new_by_hour: found.hours.into_iter().map(|(hour, count)| HourCount { hour: time(hour), count }).collect(),
        devices,
        not_learned: config.not_learned.clone(),
    })
}
