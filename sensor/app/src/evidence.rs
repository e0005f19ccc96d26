//! Keeping the packets of alerts: what is wanted is noted while a run goes on, picked from the captures once they were
//! read (or from the ring in memory where they can be read only once), and put into the evidence folder under its quota.

use crate::config::Config;
use ot_capture::{Again, Packets, Ring, RingView};
use ot_engine::Changes;
use ot_engine::words::number_of;
use ot_evidence::{EvidenceError, Folder, Limits, Origin, Picked, Want, name_of, pick};
use ot_protocol::time::SECOND;
use ot_protocol::{FrameRef, Timestamp};
use ot_store::{EvidenceRow, EvidenceState, Store};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a site configures of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether packets are kept at all. Default true.
    pub enabled: bool,
    /// The folder; `None`: beside the store, under its name with `.evidence` behind it.
    pub folder: Option<PathBuf>,
    /// Bytes of all files together. Default 1 GiB.
    pub quota: u64,
    /// What is kept of an alert.
    pub limits: Limits,
    /// Alerts of a run whose packets are kept, at most. Default 10,000.
    pub run_alerts: usize,
    /// Bytes of packets in memory where the source can be read only once. Default 64 MiB.
    pub ring_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            folder: None,
            quota: 1 << 30,
            limits: Limits::default(),
            run_alerts: 10_000,
            ring_bytes: 64 << 20,
        }
    }
}

/// The evidence folder of a store.
pub fn folder(config: &Config, store: &Path) -> Folder {
    let beside = || {
        let mut name = store.as_os_str().to_owned();
        name.push(".evidence");
        PathBuf::from(name)
    };
    Folder::new(config.evidence.folder.clone().unwrap_or_else(beside))
}

/// `812 bytes`, `14.2 KiB`, `1.0 GiB`.
pub fn size(bytes: u64) -> String {
    let scale = [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter().find(|(shift, _)| bytes >= 1 << shift);
    match scale {
        None => number_of(bytes, "byte"),
        Some((shift, unit)) => {
            let tenths = bytes.saturating_mul(10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

/// Removes the files whose alerts are gone from the store. To be called by the holder of the engine lock.
///
/// # Errors
/// As the store's and the folder's.
pub fn sweep(store: &Store, folder: &Folder) -> anyhow::Result<u64> {
    if !folder.path().is_dir() {
        return Ok(0);
    }
    Ok(folder.sweep(&store.evidence_names()?)?)
}

/// An alert that frames of this run made.
struct Noted {
    id: String,
    title: &'static str,
    frames: Vec<FrameRef>,
}

/// Where the packets come from.
enum From {
    Files(Again),
    Ring(Ring),
}

/// What was kept already while the ring goes on.
struct Early {
    row: EvidenceRow,
    /// The newest frame that it holds.
    last: Option<FrameRef>,
}

/// Keeps the packets of a run's alerts.
pub struct Keeper {
    settings: Settings,
    folder: Folder,
    origin: Origin,
    from: Option<From>,
    /// The run has no end in sight: what is noted of the oldest alerts is forgotten, and new ones are always kept.
    endless: bool,
    noted: BTreeMap<u32, Noted>,
    /// Alerts beyond the limit of a run.
    over: BTreeSet<u32>,
    /// From the ring: alerts not yet picked, and until when what comes after them is awaited.
    waiting: BTreeMap<u32, Timestamp>,
    early: BTreeMap<u32, Early>,
    /// Alerts with packets, and bytes of their files.
    kept: (u64, u64),
    /// Files that made room.
    expired: u64,
    problems: BTreeSet<String>,
}

impl Keeper {
    /// For a run whose captures can be read again; else from a ring.
    pub fn new(config: &Config, folder: Folder, origin: Origin, again: Option<Again>) -> Self {
        let settings = config.evidence.clone();
        let from = match again {
            _ if !settings.enabled => None,
            Some(again) => Some(From::Files(again)),
            None => Some(From::Ring(Ring::new(settings.ring_bytes))),
        };
        Self {
            settings,
            folder,
            origin,
            from,
            endless: false,
            noted: BTreeMap::new(),
            over: BTreeSet::new(),
            waiting: BTreeMap::new(),
            early: BTreeMap::new(),
            kept: (0, 0),
            expired: 0,
            problems: BTreeSet::new(),
        }
    }

    /// For a run that may last for months: from a ring, where packets are kept at all.
    pub fn live(config: &Config, folder: Folder, origin: Origin, ring: Option<Ring>) -> Self {
        let mut keeper = Self::new(config, folder, origin, None);
        keeper.from = ring.map(From::Ring);
        keeper.endless = true;
        keeper
    }

    /// The ring into which the source is to be recorded, where there is one.
    pub fn ring(&self) -> Option<Ring> {
        match &self.from {
            Some(From::Ring(ring)) => Some(ring.clone()),
            _ => None,
        }
    }

    /// Notes the alerts that changed.
    pub fn note(&mut self, changes: &Changes) {
        for alert in &changes.alerts {
            let frames: Vec<FrameRef> =
                alert.frames.iter().copied().filter(|frame| self.origin.holds(*frame)).collect();
            if frames.is_empty() {
                continue;
            }
            if matches!(self.from, Some(From::Ring(_))) && !self.early.contains_key(&alert.number) {
                let until = alert.first_detection.plus(self.settings.limits.after).plus(SECOND);
                self.waiting.entry(alert.number).or_insert(until);
            }
            self.noted.insert(alert.number, Noted { id: alert.id.clone(), title: alert.kind.title, frames });
            if self.endless {
                while self.noted.len() > self.settings.run_alerts.max(1) {
                    let Some((number, _)) = self.noted.pop_first() else { break };
                    self.waiting.remove(&number);
                    self.early.remove(&number);
                }
                continue;
            }
            // Which ones stay depends on all alerts, not on when they were committed.
            if self.noted.len() > self.settings.run_alerts
                && let Some((number, _)) = self.noted.pop_last()
            {
                self.waiting.remove(&number);
                self.over.insert(number);
            }
        }
    }

    /// From a ring: picks the packets of alerts whose time has come, before newer packets take their place. The rows are
    /// staged for the next commit.
    ///
    /// # Errors
    /// As the store's. That packets cannot be kept is no error but told at the end.
    pub fn tick(&mut self, store: &mut Store, now: Timestamp) -> anyhow::Result<()> {
        let Some(From::Ring(ring)) = &self.from else { return Ok(()) };
        let due: Vec<u32> = self.waiting.iter().filter(|(_, until)| **until < now).map(|(number, _)| *number).collect();
        if due.is_empty() {
            return Ok(());
        }
        let mut view = ring.now();
        self.waiting.retain(|number, _| !due.contains(number));
        let rows = self.take(store, &mut view, &due, |noted| noted.frames.clone())?;
        for row in &rows {
            let last = self.noted.get(&row.alert).and_then(|noted| noted.frames.last()).copied();
            if row.state == EvidenceState::Kept {
                self.early.insert(row.alert, Early { row: row.clone(), last });
            }
        }
        store.stage_evidence(rows);
        Ok(())
    }

    /// After the last packet: picks the packets of all alerts of the run. The rows are staged for the commit that ends it.
    ///
    /// # Errors
    /// As the store's.
    pub fn finish(&mut self, store: &mut Store) -> anyhow::Result<()> {
        self.waiting.clear();
        self.kept = (0, 0);
        let numbers: Vec<u32> = self.noted.keys().copied().collect();
        let mut rows = match self.from.take() {
            _ if numbers.is_empty() => Vec::new(),
            None => {
                let why = "keeping packets is turned off ([evidence] enabled = false)";
                numbers.iter().map(|number| EvidenceRow::not_kept(*number, self.origin.run, why)).collect()
            }
            Some(From::Files(mut again)) => self.take(store, &mut again, &numbers, |noted| noted.frames.clone())?,
            Some(From::Ring(ring)) => self.finish_ring(store, ring.now(), &numbers)?,
        };
        let most = self.settings.run_alerts;
        let why = format!("the run has more alerts than {most}; the packets of the first {most} are kept");
        rows.extend(self.over.iter().map(|number| EvidenceRow::not_kept(*number, self.origin.run, why.as_str())));
        store.stage_evidence(rows);
        Ok(())
    }

    /// While the ring holds all packets, what was picked early is picked anew as from a file; else only what is new is put
    /// behind it.
    fn finish_ring(
        &mut self,
        store: &mut Store,
        mut view: RingView,
        numbers: &[u32],
    ) -> anyhow::Result<Vec<EvidenceRow>> {
        if view.gone() == 0 {
            self.early.clear();
            return self.take(store, &mut view, numbers, |noted| noted.frames.clone());
        }
        let (behind, fresh): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|number| self.early.contains_key(number));
        let mut rows = self.take(store, &mut view, &fresh, |noted| noted.frames.clone())?;
        let behind: Vec<u32> = behind
            .into_iter()
            .filter(|number| {
                let last = self.noted.get(number).and_then(|noted| noted.frames.last());
                self.early.get(number).is_some_and(|early| early.last.as_ref() != last)
            })
            .collect();
        let joined =
            self.take(store, &mut view, &behind, |noted| noted.frames.last().copied().into_iter().collect())?;
        // A last frame that is gone as well changes nothing.
        rows.extend(joined.into_iter().filter(|row| row.state == EvidenceState::Kept));
        Ok(rows)
    }

    /// Picks the packets of these alerts and keeps them under the quota.
    fn take(
        &mut self,
        store: &mut Store,
        packets: &mut dyn Packets,
        numbers: &[u32],
        frames: impl Fn(&Noted) -> Vec<FrameRef>,
    ) -> anyhow::Result<Vec<EvidenceRow>> {
        let wants: Vec<Want> = numbers
            .iter()
            .filter_map(|number| self.noted.get(number))
            .map(|noted| Want { id: noted.id.clone(), title: noted.title.to_owned(), frames: frames(noted) })
            .collect();
        if wants.is_empty() {
            return Ok(Vec::new());
        }
        let run = self.origin.run;
        let picked = self
            .folder
            .clear(wants.iter().map(|want| want.id.as_str()), run)
            .and_then(|()| pick(packets, &wants, &self.origin, &self.settings.limits, &self.folder));
        let picked = match picked {
            Ok(picked) => picked,
            Err(error) => {
                let why = self.trouble(&error);
                return Ok(numbers.iter().map(|number| EvidenceRow::not_kept(*number, run, why.as_str())).collect());
            }
        };
        let dropped = self.make_room(store, &picked)?;
        let mut rows: BTreeMap<u32, EvidenceRow> = numbers
            .iter()
            .map(|number| (*number, EvidenceRow::not_kept(*number, run, "its packets were no longer in memory")))
            .collect();
        for picked in picked {
            let Some(number) = numbers.get(picked.want).copied() else { continue };
            let row = if dropped.contains(&picked.want) {
                let _ = self.folder.drop_temporary(&picked.file);
                let why = format!("no room: the evidence folder is limited to {}", size(self.settings.quota));
                EvidenceRow::not_kept(number, run, why)
            } else {
                match self.keep(number, &picked) {
                    Ok(row) => row,
                    Err(error) => EvidenceRow::not_kept(number, run, self.trouble(&error)),
                }
            };
            if row.state == EvidenceState::Kept {
                self.kept = (self.kept.0 + 1, self.kept.1 + row.bytes);
            }
            rows.insert(number, row);
        }
        Ok(rows.into_values().collect())
    }

    fn trouble(&mut self, error: &EvidenceError) -> String {
        let why = format!("the packets could not be kept: {error}");
        self.problems.insert(why.clone());
        why
    }

    /// Gives the file of an alert its name, or puts it behind what was picked early.
    fn keep(&self, number: u32, picked: &Picked) -> Result<EvidenceRow, EvidenceError> {
        let id = self.noted.get(&number).map_or("", |noted| noted.id.as_str());
        let name = name_of(id, self.origin.run);
        let mut row = EvidenceRow {
            alert: number,
            run: self.origin.run,
            state: EvidenceState::Kept,
            reason: String::new(),
            packets: picked.packets,
            triggers: picked.triggers,
            missing: picked.missing,
            left_out: picked.left_out,
            bytes: picked.bytes,
            sha256: crate::output::hexadecimal(&picked.sha256),
            first: Some(picked.first),
            last: Some(picked.last),
            name,
        };
        match self.early.get(&number) {
            Some(Early { row: early, .. }) => {
                let whole = self.folder.join(&picked.file, &row.name)?;
                row.packets += early.packets;
                row.triggers += early.triggers;
                row.missing = early.missing;
                row.left_out += early.left_out;
                row.first = row.first.min(early.first);
                row.last = row.last.max(early.last);
                row.bytes = u64::try_from(whole.len()).unwrap_or(u64::MAX);
                row.sha256 = crate::output::hexadecimal(&Sha256::digest(&whole));
            }
            _ => self.folder.keep(&picked.file, &row.name)?,
        }
        Ok(row)
    }

    /// Removes what is oldest until the new files fit. Gives the places of those that do not fit at all: the oldest.
    fn make_room(&mut self, store: &mut Store, picked: &[Picked]) -> anyhow::Result<BTreeSet<usize>> {
        let quota = self.settings.quota;
        let mut needed: u64 = picked.iter().map(|picked| picked.bytes).sum();
        let mut used = store.evidence_bytes()?;
        let reason = format!("made room for newer ones: the evidence folder is limited to {}", size(quota));
        while used > 0 && used.saturating_add(needed) > quota {
            let oldest = store.evidence_to_expire(256)?;
            if oldest.is_empty() {
                break;
            }
            let mut going = Vec::new();
            for row in oldest {
                if used.saturating_add(needed) <= quota {
                    break;
                }
                used = used.saturating_sub(row.bytes);
                going.push(row);
            }
            store.expire_evidence(&going, &reason)?;
            for row in &going {
                if let Err(error) = self.folder.drop_file(&row.name) {
                    self.trouble(&error);
                }
            }
            self.expired += u64::try_from(going.len()).unwrap_or(0);
        }
        let mut dropped = BTreeSet::new();
        for picked in picked {
            if used.saturating_add(needed) <= quota {
                break;
            }
            needed -= picked.bytes;
            dropped.insert(picked.want);
        }
        Ok(dropped)
    }

    /// What a person is told at the end of a run; nothing where there is nothing to tell.
    pub fn summary(&self) -> Option<String> {
        let (alerts, bytes) = self.kept;
        let mut text = match alerts {
            0 => return None,
            _ => format!(
                "packets of {} ({}) in {}",
                number_of(alerts, "alert"),
                size(bytes),
                self.folder.path().display()
            ),
        };
        if self.expired > 0 {
            text.push_str(&format!("; those of {} made room", number_of(self.expired, "older file")));
        }
        Some(text)
    }

    /// What went wrong, for people.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(14_541), "14.2 KiB");
        assert_eq!(size(1 << 30), "1.0 GiB");
    }
}
