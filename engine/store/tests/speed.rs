//! How long a great commit takes: `cargo test --release -p ot-store --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{device, entry, input, spec, state};
use ot_engine::Changes;
use ot_engine::model::{DeviceId, EntryId, Point};
use ot_store::Store;
use std::fs;
use std::time::Instant;
use tempfile::TempDir;

/// Nanoseconds that this thread has computed.
fn computed() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default()
}

#[test]
#[ignore = "a measurement"]
fn fifty_thousand_points_and_ten_thousand_entries() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::open(&folder.path().join("ot-sensor.db")).unwrap();
    let inputs = input();
    let run = store.begin_run(&spec(&inputs, 1)).unwrap().run;
    for round in 1..=3_u64 {
        let told = Changes {
            points: (0..50_000_u32)
                .map(|n| Point { device: DeviceId(n / 1_000), ..common::point(n % 1_000, round) })
                .collect(),
            entries: (1..=10_000)
                .map(|n| {
                    let mut entry = entry(n, round);
                    entry.id = EntryId(n);
                    entry
                })
                .collect(),
            state: state(round),
            ..Changes::default()
        };
        let (wall, cpu) = (Instant::now(), computed());
        store.commit(run, &told, round).unwrap();
        println!(
            "round {round}: 50,000 points, 10,000 entries: {} ms CPU, {:?} wall",
            (computed() - cpu) / 1_000_000,
            wall.elapsed()
        );
    }
    for round in 1..=3_u64 {
        let told = Changes {
            devices: (1..=1_000)
                .map(|n| {
                    let mut device = device(4, 40 + round);
                    device.id = DeviceId(n);
                    device
                })
                .collect(),
            state: state(round + 3),
            ..Changes::default()
        };
        let (wall, cpu) = (Instant::now(), computed());
        store.commit(run, &told, round + 3).unwrap();
        println!("round {round}: 1,000 devices: {} µs CPU, {:?} wall", (computed() - cpu) / 1_000, wall.elapsed());
    }
    let (wall, cpu) = (Instant::now(), computed());
    let snapshot = store.snapshot().unwrap();
    println!(
        "snapshot of {} points: {} ms CPU, {:?} wall",
        snapshot.points.len(),
        (computed() - cpu) / 1_000_000,
        wall.elapsed()
    );
}
