//! How learning goes on: mode, time left, what was learned, what is still new, and which devices learn on their own.

use crate::names::Names;
use crate::{SCHEMA, ViewError, time};
use ot_engine::catalogue;
use ot_engine::config::EngineConfig;
use ot_engine::model::Status;
use ot_protocol::time::SECOND;
use serde::Serialize;
use std::collections::BTreeMap;
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

/// What a change of the mode would mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModePreview {
    /// Version of these keys.
    pub schema: u32,
    /// `learning` or `operational`: how it is now.
    pub mode: &'static str,
    /// Newest packet time, from which on it would hold; null before the first packet.
    pub newest_packet: Option<String>,
    /// Alert types that are silent while it learns.
    pub silent_types: u64,
    /// Open alerts of these types: what learning would not have told, and takes for normal when it comes again.
    pub silent_open: u64,
    /// These by type, most first; eight at most.
    pub by_type: Vec<SilentCount>,
    /// Entries that traffic taught within the last hour of packet time: as many a first hour of being operational might
    /// have told.
    pub new_last_hour: u64,
    /// Within the last day.
    pub new_last_day: u64,
}

/// Open alerts of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SilentCount {
    /// Alert type id.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title.
    pub title: String,
    /// How many are open.
    pub open: u64,
}

/// What a change of the mode would mean; changes nothing.
///
/// # Errors
/// As the store's.
pub fn mode_preview(names: &Names<'_>) -> Result<ModePreview, ViewError> {
    let reader = names.reader();
    let state = reader.state()?;
    let silent = |id: &str| catalogue::by_id(id).is_some_and(|kind| kind.needs_baseline);
    let mut open: BTreeMap<String, u64> = BTreeMap::new();
    for group in
        reader.alert_groups()?.into_iter().filter(|group| group.status != Status::Closed && silent(&group.kind))
    {
        *open.entry(group.kind).or_default() += group.count;
    }
    let silent_open = open.values().sum();
    let mut by_type: Vec<SilentCount> = open
        .into_iter()
        .map(|(kind, open)| SilentCount {
            title: catalogue::by_id(&kind).map_or_else(|| kind.clone(), |known| known.title.to_owned()),
            kind,
            open,
        })
        .collect();
    by_type.sort_by(|a, b| b.open.cmp(&a.open).then_with(|| a.kind.cmp(&b.kind)));
    by_type.truncate(8);
    let learned = |span: i64| state.now.map_or(Ok(0), |now| reader.learned_since(now.plus(-span)));
    Ok(ModePreview {
        schema: SCHEMA,
        mode: if state.learning { "learning" } else { "operational" },
        newest_packet: state.now.map(time),
        silent_types: u64::try_from(catalogue::all().iter().filter(|kind| kind.needs_baseline).count()).unwrap_or(0),
        silent_open,
        by_type,
        new_last_hour: learned(3_600 * SECOND)?,
        new_last_day: learned(86_400 * SECOND)?,
    })
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
