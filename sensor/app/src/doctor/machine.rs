//! What the machine has: processors, memory, disk.

use super::measures::Machine;
use crate::disk;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

/// Of this machine, for a store at that path that keeps packets of alerts of so many bytes, and so many events.
pub fn look(store: &Path, quota: u64, events: u64) -> Machine {
    let folder = disk::folder_of(store);
    Machine {
        cores: available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
        memory: memory(),
        free: disk::free(store),
        folder,
        quota,
        events,
    }
}

/// Bytes of memory: of the machine, or less where this process may not have all of it.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024);
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(machine, |limit: u64| limit.min(machine)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_that_of_the_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("not").join("yet").join("plant.db");
        let machine = look(&store, 5, 6);
        assert!(machine.cores > 0 && machine.memory.is_some() && machine.free.is_some(), "{machine:?}");
        assert_eq!((machine.folder.as_path(), machine.quota, machine.events), (folder.path(), 5, 6));
    }
}
