//! Which machine a sensor needs: the table of the README, as data.

/// What traffic asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bits a second in the busiest second.
    pub bits: u64,
    /// Packets a second in the busiest second.
    pub packets: u64,
    /// Devices.
    pub devices: u64,
}

/// A row: a machine, and the traffic that it is enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Bandwidth of all mirror ports together, in Mbit/s.
    pub megabits: u64,
    /// Packets a second.
    pub packets: u64,
    /// Devices, with the units behind gateways.
    pub devices: u64,
    /// Processor cores.
    pub cores: u32,
    /// Memory of the machine, in MiB.
    pub memory: u64,
    /// What the store holds of such a plant when it is learned, in MiB.
    pub store: u64,
    /// By how much events let the store grow in a day, in MiB, until it holds as many as it keeps.
    pub disk_day: u64,
}

/// Days of events for which a disk is planned.
pub const DAYS: u64 = 90;
/// Bytes that an event takes in the store with its place in the indexes, as measured (two plants of 1,000 and 10,000 devices).
pub const EVENT: u64 = 200;

/// The table, from the smallest machine to the largest.
///
/// How it was made:
/// - `packets`: of `megabits`, with frames of 250 bytes; between polls of controllers (60 to 300) and bulk of office
///   protocols (1,500).
/// - `cores`: from `packets`, at 0.7 million a second for each core (of 0.7 to 1.0 million measured on two cores of a
///   shared machine with everything on), half as much again, and two at least. The first row was measured live; the others
///   are calculated.
/// - `memory`: what a replay of made captures with that many servers took at most, 122, 722, 806 and 1,199 MiB, to which
///   come 0.2 GiB of packets on their way, of packets kept for alerts and of the kernel's ring, and the system; rounded up to
///   what machines have.
/// - `store`: as measured in the same replays, with 90 points a device (process memory ends at a million points).
/// - `disk_day`: calculated, 100 events a day and device.
///
/// The replays: `make-capture plant p.pcap --servers N --clients 40` (600,019, 300,252, 360,259 and 1,501,236 packets), then
/// `ot-sensor replay --learn-for 1d p.pcap`.
pub static TABLE: [Row; 4] = [
    Row { megabits: 200, packets: 100_000, devices: 1_000, cores: 2, memory: 2_048, store: 13, disk_day: 20 },
    Row { megabits: 1_000, packets: 500_000, devices: 10_000, cores: 2, memory: 2_048, store: 104, disk_day: 200 },
    Row { megabits: 3_000, packets: 1_500_000, devices: 12_000, cores: 4, memory: 4_096, store: 123, disk_day: 230 },
    Row { megabits: 10_000, packets: 5_000_000, devices: 50_000, cores: 12, memory: 4_096, store: 152, disk_day: 960 },
];

impl Row {
    /// Bytes of memory that the system tells of a machine of this row, at least: the kernel keeps some for itself.
    pub fn memory_at_least(&self) -> u64 {
        (self.memory << 20) / 100 * 90
    }

    /// Bytes of the store after so many days, where it keeps so many events.
    pub fn disk(&self, days: u64, events: u64) -> u64 {
        (self.store << 20) + (days * (self.disk_day << 20)).min(events.saturating_mul(EVENT))
    }

    fn suffices(&self, need: Need) -> bool {
        need.bits <= self.megabits * 1_000_000 && need.packets <= self.packets && need.devices <= self.devices
    }
}

/// The smallest row that suffices; `None` beyond the table.
pub fn row_for(need: Need) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.suffices(need))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_they_were_made() {
        for row in &TABLE {
            assert_eq!(row.packets, row.megabits * 1_000_000 / 8 / 250);
            let cores = (row.packets * 3 / 2).div_ceil(700_000).max(2).next_multiple_of(2);
            assert_eq!(u64::from(row.cores), cores);
            let day = (row.devices * 100 * EVENT).div_ceil(1 << 20).next_multiple_of(10);
            assert_eq!(row.disk_day, day);
        }
    }

    #[test]
    fn the_smallest_row_that_suffices_is_taken() {
        let row = |bits, packets, devices| row_for(Need { bits, packets, devices }).map(|row| row.megabits);
        assert_eq!(row(0, 0, 0), Some(200));
        assert_eq!(row(200_000_001, 0, 0), Some(1_000));
        assert_eq!(row(0, 100_001, 0), Some(1_000));
        assert_eq!(row(0, 0, 10_001), Some(3_000));
        assert_eq!(row(0, 0, 50_001), None);
    }

    #[test]
    fn the_store_grows_until_it_has_as_many_events_as_it_keeps() {
        let [first, ..] = &TABLE;
        assert_eq!(first.disk(0, 2_000_000), 13 << 20);
        assert_eq!(first.disk(1, 2_000_000), 33 << 20);
        assert_eq!(first.disk(90, 2_000_000), (13 << 20) + 400_000_000);
    }

    /// The README has the same table.
    #[test]
    fn the_readme_shows_this_table() {
        let readme = include_str!("../../../README.md");
        for row in &TABLE {
            let Row { megabits, packets, devices, cores, memory, store, disk_day } = *row;
            let thousands = |number: u64| {
                let digits = number.to_string();
                let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
                groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
            };
            let bandwidth =
                if megabits < 1_000 { format!("{megabits} Mbit/s") } else { format!("{} Gbit/s", megabits / 1_000) };
            let line = format!(
                "| {bandwidth} | {} | {} | {cores} | {} GiB | {store} MiB | {disk_day} MiB |",
                thousands(packets),
                thousands(devices),
                memory >> 10
            );
            assert!(readme.contains(&line), "README.md lacks: {line}");
        }
    }
}
