//! The same facts for any number of workers and any size of batches.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod support;

use ot_capture::CaptureSet;
use ot_flow::Registry;
use ot_protocol::{Fact, Order, Protocol};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use support::*;

static MODBUS: [&dyn Protocol; 1] = [&ot_modbus::MODBUS];

const WORKERS: [usize; 5] = [0, 1, 2, 3, 8];
const BATCHES: [usize; 3] = [1, 64, 4096];

fn captures() -> Vec<(PathBuf, String)> {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats");
    let mut all: Vec<_> = std::fs::read_dir(formats)
        .unwrap()
        .filter_map(|entry| {
            let folder = entry.unwrap().path();
            let expected = std::fs::read_to_string(folder.join("expected.toml")).ok()?;
            let file = key(&expected, "file")?;
            Some((folder.join(file.trim_matches('"')), expected))
        })
        .collect();
    all.sort();
    all
}

fn key<'a>(toml: &'a str, name: &str) -> Option<&'a str> {
    toml.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('=')).map(str::trim)
}

fn replay(
    path: &Path,
    registry: Registry,
    workers: usize,
    batch: usize,
) -> Option<(Vec<(Order, Fact)>, ot_flow::Summary)> {
    let mut set = CaptureSet::open(&[path.to_path_buf()]).ok()?;
    let mut all = Vec::new();
    let summary = ot_flow::run(&mut set, registry, &config(workers, batch), &mut |facts, _| {
        all.extend(facts);
        ControlFlow::Continue(())
    })
    .ok()?;
    Some((all, summary))
}

#[test]
fn every_fixture_has_its_messages() {
    let mut wrong = Vec::new();
    for (path, expected) in captures() {
        let Some(messages) = key(&expected, "messages").and_then(|count| count.parse::<u64>().ok()) else { continue };
        let name = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let Some((_, summary)) = replay(&path, &MODBUS, 0, 2048) else {
            wrong.push(format!("{name}: cannot be read"));
            continue;
        };
        let found = summary.flow.messages.get("modbus");
        if found != messages {
            wrong.push(format!(
                "{name}: {found} messages of {messages}; skipped {:?}; {:?}",
                summary.flow.skipped,
                summary.flow.iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_is_the_same_for_all_workers_and_batches() {
    for (path, _) in captures() {
        let Some((one, summary)) = replay(&path, &MODBUS, 0, 2048) else { continue };
        assert!(one.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}", path.display());
        for workers in WORKERS {
            for batch in BATCHES {
                let (other, same) = replay(&path, &MODBUS, workers, batch).unwrap();
                assert_eq!(one, other, "{} with {workers} workers, {batch} packets a batch", path.display());
                assert_eq!(summary.flow, same.flow);
            }
        }
    }
}

/// A cheap generator of numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Many hosts that do everything at once, in a capture whose time jumps now and then.
fn crowd(seed: u64, packets: usize) -> Memory {
    let mut dice = Dice(seed);
    let mut memory = Memory::default();
    let mut time = 1_700_000_000_000_000_000i64;
    let mut seqs = vec![[1000u32, 5000u32]; 64];
    for _ in 0..packets {
        time += dice.roll(4_000_000) as i64;
        match dice.roll(4000) {
            0 => time += 7_200_000_000_000,
            1 => time -= 30_000_000_000,
            2 => time += 100_000_000_000,
            3..20 => time -= 500_000_000,
            _ => {}
        }
        let pair = dice.roll(64) as usize;
        let client = End { ip: [10, 0, 0, 1 + (pair % 7) as u8], port: 40_000 + pair as u16 };
        let server = End { ip: [10, 0, 1, (pair / 7) as u8], port: 7777 };
        let side = dice.roll(2) as usize;
        let ends = if side == 0 { [client, server] } else { [server, client] };
        let id = dice.roll(60_000) as u16;
        let seq = seqs[pair][side];
        let ack = seqs[pair][1 - side];
        let body = [dice.roll(3) as u8, dice.roll(40) as u8];
        let kind = 1 + dice.roll(2) as u8;
        let frame = match dice.roll(40) {
            0 => tcp(ends[0], ends[1], id, seq.wrapping_sub(1), 0, SYN, &[]),
            1 => tcp(ends[0], ends[1], id, seq, ack, FIN | ACK, &[]),
            2 => tcp(ends[0], ends[1], id, seq, ack, RST, &[]),
            3 => tcp(ends[0], ends[1], id, seq.wrapping_sub(5), ack, ACK, &toy(kind, &body)),
            4 => arp(1 + dice.roll(2) as u16, ends[0].ip, ends[1].ip),
            5 => udp(ends[0], ends[1], id, &toy(kind, &body)),
            6 => udp(ends[0], End { ip: [239, 0, 0, 1], port: 5 }, id, b"hello"),
            7 => ethernet(ends[0].ip, ends[1].ip, 0x8892, &[0; 40]),
            8 => {
                let inner = tcp(ends[1], ends[0], id, 1, 1, SYN, &[]);
                ipv4(ends[0].ip, ends[1].ip, 1, id, &[&[3, 1, 0, 0, 0, 0, 0, 0], &inner[14..]].concat())
            }
            9 => tcp(ends[0], ends[1], id, seq.wrapping_add(dice.roll(30) as u32), ack, ACK, &toy(kind, &body)),
            10 => {
                let far = End { ip: [10, 2, dice.roll(250) as u8, dice.roll(250) as u8], port: 7777 };
                tcp(client, far, id, 1, 0, SYN, &[])
            }
            11..16 => tcp(ends[0], ends[1], id, seq, ack, ACK, &[]),
            _ => {
                let message = toy(kind, &body);
                seqs[pair][side] = seq.wrapping_add(message.len() as u32);
                tcp(ends[0], ends[1], id, seq, ack, ACK, &message)
            }
        };
        memory.push(time, frame.clone());
        if dice.roll(10) == 0 {
            memory.push(time + 3000, frame);
        }
    }
    memory
}

#[test]
fn a_crowd_is_the_same_for_all_workers_and_batches() {
    for seed in [1, 77] {
        let memory = crowd(seed, 20_000);
        let mut small = config(0, 2048);
        // A table so small that conversations are evicted.
        small.max_flows = 16 * ot_flow::LANES;
        small.lane_buffer_bytes = 40_000;
        small.lane_fold_bytes = 4_000;
        let (one, summary) = run(&memory, &TOY, &small);
        let count = |name: &str| summary.flow.iter().find(|(counter, _)| *counter == name).unwrap().1;
        for counter in
            ["flows-evicted", "folds", "time-jumps", "conflicts", "tcp-out-of-order", "gaps", "buffers-refused"]
        {
            assert!(count(counter) > 0, "{counter}: {:?}", summary.flow);
        }
        for workers in WORKERS {
            for batch in BATCHES {
                let config = ot_flow::FlowConfig { workers, batch_packets: batch, ..small.clone() };
                let (other, same) = run(&memory, &TOY, &config);
                assert!(one == other, "{workers} workers, {batch} packets a batch");
                assert_eq!(summary.flow, same.flow);
            }
        }
    }
}

#[test]
fn a_consumer_can_stop() {
    let memory = crowd(5, 5000);
    for workers in WORKERS {
        let mut left = 3;
        let summary = ot_flow::run(&mut memory.clone(), &TOY, &config(workers, 64), &mut |_, _| {
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        assert!(summary.stopped);
        assert_eq!(left, 0);
    }
}
