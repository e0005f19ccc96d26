//! Versions of program blocks and files that crossed the network: evidence of what was in a controller, and when.

use crate::config::Limits;
use crate::model::{DeviceId, ProgramVersion};
use crate::table::Dirty;
use crate::words;
use ot_protocol::{Artifact, FrameRef, Outcome, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Versions kept of one block; the one that was not told for longest goes.
const VERSIONS_OF_A_BLOCK: usize = 32;
/// Devices listed as readers or writers of one version.
const LISTED: usize = 10;

/// A block or file of a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    device: DeviceId,
    protocol: &'static str,
    kind: &'static str,
    name: String,
}

/// The table of versions.
#[derive(Debug, Default)]
pub struct Programs {
    versions: BTreeMap<u32, ProgramVersion>,
    /// Versions of each block, in the order in which they were told last.
    blocks: BTreeMap<Block, Vec<u32>>,
    dirty: Dirty,
    removed: Vec<u32>,
    /// Highest number given out.
    last: u32,
    /// Bytes kept of all versions.
    bytes: usize,
    /// Versions given up.
    pub evicted: u64,
    /// Versions whose bytes were given up; what else is known of them stays.
    pub bytes_evicted: u64,
}

/// How a block moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// The device that it belongs to.
    pub device: DeviceId,
    /// Who moved it.
    pub client: Option<DeviceId>,
    /// Protocol id.
    pub protocol: &'static str,
    /// Whether it went into the device.
    pub write: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// When.
    pub time: Timestamp,
    /// Frame that completes it.
    pub frame: FrameRef,
}

/// A block that moved, against the last version known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The block, for people: `block DB 10`.
    pub name: String,
    /// Number of the version.
    pub version: u32,
    /// Whether this version was never seen before.
    pub new: bool,
    /// How it compares.
    pub comparison: Comparison,
}

/// How a version compares with the last one known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Not all of its bytes were seen.
    Incomplete,
    /// None was known.
    First,
    /// Equal to the one last seen at this time.
    Same(Timestamp),
    /// Differs from the one last seen at this time.
    Differs {
        /// When that one was last seen.
        since: Timestamp,
        /// Lengths of that one and of this.
        lengths: [u64; 2],
        /// Where, as far as bytes of both are kept.
        difference: Option<Difference>,
    },
}

/// Where two versions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Offset of the first byte that differs.
    pub offset: usize,
    /// How many bytes differ, counting those that only one of the two has.
    pub bytes: usize,
}

/// Where two byte strings differ; `None` where they are equal.
pub fn difference(a: &[u8], b: &[u8]) -> Option<Difference> {
    let common = a.len().min(b.len());
    let mut differing = (0..).zip(a.iter().zip(b)).filter(|(_, (a, b))| a != b).map(|(at, _)| at);
    let first = differing.next();
    let beyond = a.len().max(b.len()) - common;
    let bytes = usize::from(first.is_some()) + differing.count() + beyond;
    (bytes > 0).then(|| Difference { offset: first.unwrap_or(common), bytes })
}

impl Compared {
    /// A sentence for an alert: `Block DB 10 differs from the version last seen 2026-01-05T08:00:00Z: 3 bytes from
    /// offset 36 on.`
    pub fn sentence(&self) -> String {
        let name = words::capital(&self.name);
        match self.comparison {
            Comparison::Incomplete => {
                format!("Not all bytes of {} were seen, so that it cannot be compared.", self.name)
            }
            Comparison::First => format!("No version of {} was known before.", self.name),
            Comparison::Same(since) => format!("{name} is equal to the version last seen {}.", words::time(since)),
            Comparison::Differs { since, lengths: [before, now], difference } => {
                let length =
                    if before == now { String::new() } else { format!(", {now} bytes long instead of {before}") };
                let place = match difference {
                    Some(Difference { offset, bytes: 1 }) => format!("1 byte, at offset {offset}"),
                    Some(Difference { offset, bytes }) => format!("{bytes} bytes from offset {offset} on"),
                    None => "where cannot be told, for the bytes that differ are not kept".to_owned(),
                };
                format!("{name} differs from the version last seen {}: {place}{length}.", words::time(since))
            }
        }
    }

    /// Whether it shows another content than was known.
    pub fn differs(&self) -> bool {
        matches!(self.comparison, Comparison::Differs { .. })
    }
}

impl Programs {
    /// Starts from stored versions.
    pub fn load(mut versions: Vec<ProgramVersion>, last: u32) -> Self {
        versions.sort_by_key(|version| (version.last_seen, version.number));
        let mut table = Self { last, ..Self::default() };
        for version in versions {
            table.last = table.last.max(version.number);
            table.bytes += version.bytes.as_ref().map_or(0, |bytes| bytes.len());
            table.blocks.entry(block_of(&version)).or_default().push(version.number);
            table.versions.insert(version.number, version);
        }
        table
    }

    /// Takes a block that moved, and compares it with the last version known that was whole and not refused.
    pub fn see(&mut self, moved: &Moved, artifact: &Artifact, limits: &Limits) -> Compared {
        let block =
            Block { device: moved.device, protocol: moved.protocol, kind: artifact.kind, name: artifact.name.clone() };
        let list = self.blocks.get(&block).map_or(&[][..], Vec::as_slice);
        let known = |number: &u32| self.versions.get(number);
        let before = list.iter().rev().filter_map(known).find(|version| version.complete && version.accepted);
        let comparison = match before {
            _ if !artifact.complete => Comparison::Incomplete,
            None => Comparison::First,
            Some(before) if before.sha256 == artifact.sha256 => Comparison::Same(before.last_seen),
            Some(before) => Comparison::Differs {
                since: before.last_seen,
                lengths: [before.length, artifact.length],
                difference: before.bytes.as_deref().and_then(|bytes| difference(bytes, &artifact.bytes)),
            },
        };
        let same = |version: &&ProgramVersion| {
            version.sha256 == artifact.sha256
                && version.complete == artifact.complete
                && version.length == artifact.length
        };
        let found = list.iter().filter_map(known).find(same).map(|version| version.number);
        let version = found.unwrap_or_else(|| self.insert(moved, &block, artifact));
        self.tell(version, &block, moved);
        if found.is_none() {
            self.keep_to(&block, limits);
        }
        let name = format!("{} {}", artifact.kind, artifact.name);
        Compared { name, version, new: found.is_none(), comparison }
    }

    fn insert(&mut self, moved: &Moved, block: &Block, artifact: &Artifact) -> u32 {
        self.last = self.last.saturating_add(1);
        let version = ProgramVersion {
            number: self.last,
            device: block.device,
            protocol: block.protocol,
            kind: block.kind,
            name: block.name.clone(),
            sha256: artifact.sha256,
            length: artifact.length,
            complete: artifact.complete,
            accepted: false,
            attributes: artifact.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            bytes: Some(Arc::from(&*artifact.bytes)),
            first_seen: moved.time,
            last_seen: moved.time,
            first_frame: moved.frame,
            last_frame: moved.frame,
            read: 0,
            written: 0,
            readers: Vec::new(),
            writers: Vec::new(),
        };
        self.bytes += artifact.bytes.len();
        self.versions.insert(self.last, version);
        self.last
    }

    fn tell(&mut self, number: u32, block: &Block, moved: &Moved) {
        let Some(version) = self.versions.get_mut(&number) else { return };
        version.accepted |= !matches!(moved.outcome, Outcome::Rejected(..));
        version.last_seen = version.last_seen.max(moved.time);
        version.last_frame = moved.frame;
        let (count, list) = if moved.write {
            (&mut version.written, &mut version.writers)
        } else {
            (&mut version.read, &mut version.readers)
        };
        *count += 1;
        if let Some(client) = moved.client
            && !list.contains(&client)
            && list.len() < LISTED
        {
            list.push(client);
        }
        self.dirty.mark(number);
        let order = self.blocks.entry(block.clone()).or_default();
        order.retain(|other| *other != number);
        order.push(number);
    }

    /// Keeps the table within its caps after a version was added to a block.
    fn keep_to(&mut self, block: &Block, limits: &Limits) {
        let oldest_of_block = self.blocks.get(block).filter(|list| list.len() > VERSIONS_OF_A_BLOCK);
        if let Some(&oldest) = oldest_of_block.and_then(|list| list.first()) {
            self.evict(oldest);
        }
        while self.versions.len() > limits.program_versions.max(1) {
            let Some(oldest) = self.oldest(|_| true) else { break };
            self.evict(oldest);
        }
        while self.bytes > limits.program_bytes {
            let Some(oldest) = self.oldest(|version| version.bytes.is_some()) else { break };
            let Some(bytes) = self.versions.get_mut(&oldest).and_then(|version| version.bytes.take()) else { break };
            self.bytes -= bytes.len();
            self.bytes_evicted += 1;
            self.dirty.mark(oldest);
        }
    }

    fn oldest(&self, of: impl Fn(&ProgramVersion) -> bool) -> Option<u32> {
        let candidates = self.versions.values().filter(|version| of(version));
        candidates.min_by_key(|version| (version.last_seen, version.number)).map(|version| version.number)
    }

    fn evict(&mut self, number: u32) {
        let Some(version) = self.versions.remove(&number) else { return };
        self.bytes -= version.bytes.as_ref().map_or(0, |bytes| bytes.len());
        let block = block_of(&version);
        if let Some(list) = self.blocks.get_mut(&block) {
            list.retain(|other| *other != number);
            if list.is_empty() {
                self.blocks.remove(&block);
            }
        }
        self.removed.push(number);
        self.evicted += 1;
    }

    /// Puts another device in the place of one that was merged into it.
    pub fn rename(&mut self, from: DeviceId, into: DeviceId) {
        for version in self.versions.values_mut() {
            let lists = [&mut version.readers, &mut version.writers];
            let touched = version.device == from || lists.iter().any(|list| list.contains(&from));
            if !touched {
                continue;
            }
            for list in lists {
                if list.contains(&into) {
                    list.retain(|device| *device != from);
                }
                list.iter_mut().filter(|device| **device == from).for_each(|device| *device = into);
            }
            if version.device == from {
                version.device = into;
            }
            self.dirty.mark(version.number);
        }
        let moved: Vec<Block> = self.blocks.keys().filter(|block| block.device == from).cloned().collect();
        for block in moved {
            let Some(numbers) = self.blocks.remove(&block) else { continue };
            let list = self.blocks.entry(Block { device: into, ..block }).or_default();
            list.extend(numbers);
            let versions = &self.versions;
            list.sort_by_key(|number| versions.get(number).map(|version| (version.last_seen, version.number)));
        }
    }

    /// Highest number given out.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Versions that changed and numbers of versions given up, since the last call.
    pub fn take_changes(&mut self) -> (Vec<ProgramVersion>, Vec<u32>) {
        let changed = self.dirty.take().into_iter().filter_map(|number| self.versions.get(&number).cloned()).collect();
        let mut removed = std::mem::take(&mut self.removed);
        removed.sort_unstable();
        (changed, removed)
    }
}

fn block_of(version: &ProgramVersion) -> Block {
    Block { device: version.device, protocol: version.protocol, kind: version.kind, name: version.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 0)
    }

    fn artifact(name: &str, bytes: &[u8]) -> Artifact {
        let mut sha256 = [0; 32];
        for (place, byte) in (0..).zip(bytes) {
            let at: usize = place % 32;
            sha256[at] ^= byte.rotate_left(u32::try_from(place / 32 % 8).unwrap());
        }
        Artifact {
            kind: "block",
            name: name.to_owned(),
            complete: true,
            length: bytes.len() as u64,
            sha256,
            bytes: bytes.into(),
            attributes: vec![("author", "anna".to_owned())],
        }
    }

    fn moved(second: i64) -> Moved {
        Moved {
            device: DeviceId(1),
            client: Some(DeviceId(2)),
            protocol: "s7comm",
            write: true,
            outcome: Outcome::Ok,
            time: at(second),
            frame: FrameRef::default(),
        }
    }

    #[test]
    fn versions_are_compared_with_the_last_one_known() {
        let limits = Limits::default();
        let mut programs = Programs::default();
        let mut see = |second, bytes: &[u8]| programs.see(&moved(second), &artifact("DB 10", bytes), &limits);
        assert_eq!(see(1, b"abcdef").sentence(), "No version of block DB 10 was known before.");
        assert_eq!(see(2, b"abcdef").sentence(), "Block DB 10 is equal to the version last seen 1970-01-01T00:00:01Z.");
        let other = see(3, b"abXdYf");
        assert_eq!((other.new, other.version), (true, 2));
        assert_eq!(
            other.sentence(),
            "Block DB 10 differs from the version last seen 1970-01-01T00:00:02Z: 2 bytes from offset 2 on."
        );
        // Back to the first: known, yet not what was last.
        let back = see(4, b"abcdef");
        assert_eq!((back.new, back.version, back.differs()), (false, 1, true));
        let longer = see(5, b"abcdefg").sentence();
        assert!(longer.ends_with("1 byte, at offset 6, 7 bytes long instead of 6."), "{longer}");
        let (changed, removed) = programs.take_changes();
        assert_eq!((changed.len(), removed.len()), (3, 0));
        assert_eq!((changed[0].written, changed[0].first_seen, changed[0].last_seen), (3, at(1), at(4)));
        assert_eq!(changed[0].writers, [DeviceId(2)]);
    }

    #[test]
    fn what_was_refused_or_not_seen_whole_is_kept_and_not_compared_with() {
        let limits = Limits::default();
        let mut programs = Programs::default();
        programs.see(&moved(1), &artifact("OB 1", b"aaaa"), &limits);
        let refused = Moved { outcome: Outcome::Rejected(0xd241, "no permission"), ..moved(2) };
        assert!(programs.see(&refused, &artifact("OB 1", b"bbbb"), &limits).differs());
        let cut = Artifact { complete: false, ..artifact("OB 1", b"cc") };
        assert_eq!(programs.see(&moved(3), &cut, &limits).comparison, Comparison::Incomplete);
        let again = programs.see(&moved(4), &artifact("OB 1", b"aaaa"), &limits);
        assert_eq!(again.comparison, Comparison::Same(at(1)));
        // Another block, another device: nothing to compare with.
        let other = programs.see(&moved(5), &artifact("OB 2", b"aaaa"), &limits);
        assert_eq!(other.comparison, Comparison::First);
    }

    #[test]
    fn the_table_stays_within_its_caps_and_goes_on_from_a_store() {
        let limits = Limits { program_versions: 8, program_bytes: 64, ..Limits::default() };
        let mut programs = Programs::default();
        for second in 0..100 {
            let bytes = [u8::try_from(second).unwrap(); 16];
            programs.see(&moved(second), &artifact(&format!("DB {}", second % 3), &bytes), &limits);
        }
        assert_eq!((programs.versions.len(), programs.bytes, programs.evicted), (8, 64, 92));
        assert_eq!(programs.bytes_evicted, 96);
        let (changed, removed) = programs.take_changes();
        assert_eq!((changed.len(), removed.len(), programs.last()), (8, 92, 100));
        let mut loaded = Programs::load(changed, 100);
        assert_eq!((loaded.bytes, loaded.blocks.clone()), (programs.bytes, programs.blocks.clone()));
        let again = loaded.see(&moved(200), &artifact("DB 0", &[99; 16]), &limits);
        assert_eq!((again.version, again.comparison), (100, Comparison::Same(at(99))));
        // Many versions of one block do not push out all others.
        let mut programs = Programs::default();
        for second in 0..100 {
            programs.see(&moved(second), &artifact("DB 1", &[u8::try_from(second).unwrap()]), &Limits::default());
        }
        assert_eq!(programs.versions.len(), VERSIONS_OF_A_BLOCK);
    }

    #[test]
    fn versions_move_with_a_merged_device() {
        let limits = Limits::default();
        let mut programs = Programs::default();
        programs.see(&moved(1), &artifact("DB 1", b"a"), &limits);
        programs.see(&Moved { device: DeviceId(3), ..moved(2) }, &artifact("DB 1", b"b"), &limits);
        programs.rename(DeviceId(1), DeviceId(3));
        programs.rename(DeviceId(2), DeviceId(3));
        let same = programs.see(&Moved { device: DeviceId(3), ..moved(3) }, &artifact("DB 1", b"b"), &limits);
        assert_eq!(same.comparison, Comparison::Same(at(2)));
        assert!(programs.take_changes().0.iter().all(|version| version.device == DeviceId(3)));
    }
}
