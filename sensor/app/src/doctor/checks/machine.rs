//! Whether the machine is large enough for what comes.

use super::super::measures::Measures;
use super::{Check, Judge, Level, Verdict, bits, ok, verdict};
use crate::evidence::size;
use crate::sizing::{DAYS, TABLE};
use ot_engine::words::number_of;

/// Whether processors and memory suffice.
pub const SIZE: Check = Check {
    id: "machine",
    title: "Processors and memory",
    why: "A machine that is too small drops packets when the plant is busiest.",
    judge: Judge::Whole(machine),
};

fn machine(all: &Measures) -> Option<Verdict> {
    if all.frames() == 0 {
        return None;
    }
    let need = all.need();
    let seen = format!(
        "{}, {} packets/s in the busiest second, {}",
        bits(need.bits),
        need.packets,
        number_of(all.devices, "device")
    );
    let Some(row) = all.row() else {
        let actions = vec!["Share the mirror ports out to several sensors.".to_owned()];
        return verdict(Level::Problem, format!("{seen}: beyond the sizing table"), actions);
    };
    let wanted =
        format!("{seen}: {}, {} of memory needed", number_of(u64::from(row.cores), "core"), size(row.memory << 20));
    let Some(machine) = &all.machine else { return ok(wanted) };
    let memory = machine.memory.map_or_else(|| "not told".to_owned(), size);
    let measured = format!("{wanted}; there are {} and {memory}", number_of(u64::from(machine.cores), "core"));
    let mut actions = Vec::new();
    if machine.cores < row.cores {
        actions.push(format!("Give it {} cores, or mirror fewer ports to it.", row.cores));
    }
    // The kernel keeps a part of what is built in.
    if machine.memory.is_some_and(|memory| memory < row.memory_at_least()) {
        actions.push(format!("Give it {} of memory.", size(row.memory << 20)));
    }
    if actions.is_empty() { ok(measured) } else { verdict(Level::Problem, measured, actions) }
}

/// Whether there is room on the disk.
pub const DISK: Check = Check {
    id: "disk",
    title: "Disk",
    why: "With a full disk the sensor goes on in memory for a while; then it loses events.",
    judge: Judge::Whole(disk),
};

fn disk(all: &Measures) -> Option<Verdict> {
    let machine = all.machine.as_ref()?;
    let free = machine.free?;
    let row = all.row().or_else(|| TABLE.last())?;
    let (week, whole) = (machine.quota + row.disk(7, machine.events), machine.quota + row.disk(DAYS, machine.events));
    let measured = format!(
        "{} free in {}; {} for {DAYS} days needed, of which {} for packets of alerts",
        size(free),
        machine.folder.display(),
        size(whole),
        size(machine.quota)
    );
    let actions = vec![
        format!("Put the store on a disk with {} free (--store, or `store` in the configuration).", size(whole)),
        "Or keep less: `quota` under [evidence], `delete_after` and `events` under [retention].".to_owned(),
    ];
    if free < week {
        return verdict(Level::Problem, measured, actions);
    }
    if free < whole { verdict(Level::Note, measured, actions) } else { ok(measured) }
}

#[cfg(test)]
mod tests {
    use super::super::super::measures::Measures;
    use super::super::Level;
    use super::super::testing::{level, told};
    use crate::sizing::{DAYS, TABLE};

    fn machine(all: &mut Measures) -> &mut super::super::super::measures::Machine {
        all.machine.as_mut().unwrap()
    }

    #[test]
    fn a_machine_is_held_against_the_row_of_what_comes() {
        assert_eq!(level("machine", |_| {}), Level::Ok);
        let small = told("machine", |all| machine(all).cores = 1).unwrap();
        assert!(small.level == Level::Problem && small.actions[0].contains("2 cores"), "{small:?}");
        assert_eq!(level("machine", |all| machine(all).memory = Some(1 << 30)), Level::Problem);
        // What is built in is never all there.
        assert_eq!(level("machine", |all| machine(all).memory = Some((TABLE[0].memory << 20) / 100 * 95)), Level::Ok);
        assert_eq!(level("machine", |all| all.interfaces[0].peak_bits = 2_500_000_000), Level::Ok);
        assert_eq!(level("machine", |all| all.interfaces[0].peak_bits = 9_000_000_000), Level::Problem);
        let beyond = told("machine", |all| all.interfaces[0].peak_bits = 20_000_000_000).unwrap();
        assert!(beyond.level == Level::Problem && beyond.measured.contains("beyond"), "{beyond:?}");
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before_it_is_full() {
        let row = &TABLE[0];
        let level = |free| level("disk", |all| machine(all).free = Some(free));
        assert_eq!(level((1 << 30) + row.disk(DAYS, 2_000_000)), Level::Ok);
        assert_eq!(level((1 << 30) + row.disk(DAYS, 2_000_000) - 1), Level::Note);
        assert_eq!(level((1 << 30) + row.disk(7, 2_000_000) - 1), Level::Problem);
    }
}
