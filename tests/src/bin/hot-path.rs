//! The way of a packet without files, store and evidence, on one thread: a capture of `make-capture`, held in memory, through
//! link, flow, sessions and engine while learning. `deploy/instructions` counts what it costs.

use anyhow::{Context as _, Result};
use ot_capture::{CaptureError, LinkType, Packet, Progress, Source, Warning};
use ot_engine::Engine;
use ot_engine::changes::Snapshot;
use ot_engine::config::{EngineConfig, Learning};
use ot_flow::FlowConfig;
use ot_protocol::{FrameRef, PacketInfo, Protocol, Timestamp};
use std::ops::ControlFlow;

/// What the made captures speak.
static PROTOCOLS: [&dyn Protocol; 3] = [&ot_modbus::MODBUS, &ot_dnp3::DNP3, &ot_s7::S7COMM];
/// Packets between two times that the engine gives up its changes, as a commit would have it.
const COMMIT_PACKETS: u64 = 50_000;
/// Nanoseconds of a day: all of the capture is learned.
const DAY: i64 = 86_400_000_000_000;

/// Bytes of the header of a pcap file, and of a record's.
const HEADER: usize = 24;
const RECORD: usize = 16;

/// The packets of a pcap file of microseconds, little-endian, on Ethernet.
struct Frames<'a> {
    rest: &'a [u8],
    number: u64,
}

impl Source for Frames<'_> {
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<RECORD>() else { return Ok(None) };
        let word = |at: usize| {
            let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 4]);
            u32::from_le_bytes(bytes)
        };
        let Some((data, rest)) = usize::try_from(word(8)).ok().and_then(|length| rest.split_at_checked(length)) else {
            return Ok(None);
        };
        self.rest = rest;
        self.number += 1;
        Ok(Some(Packet {
            info: PacketInfo {
                number: self.number,
                frame: FrameRef::new(0_u16, self.number),
                time: Timestamp::new(i64::from(word(0)), word(4) * 1_000),
            },
            link: LinkType::Ethernet,
            interface: 0,
            wire_len: word(12),
            data,
        }))
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: hot-path CAPTURE")?;
    let capture = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    let mut source = Frames { rest: capture.get(HEADER..).unwrap_or_default(), number: 0 };
    let config = EngineConfig { learning: Learning::For(DAY), ..EngineConfig::default() };
    let mut engine = Engine::new(config, Snapshot::default());
    let flow = FlowConfig { workers: 0, ..FlowConfig::default() };
    let (mut committed, mut changed) = (0, 0);
    let summary = ot_flow::run(&mut source, &PROTOCOLS, &flow, &mut |facts, progress| {
        for (_, fact) in facts {
            engine.apply(fact);
        }
        if progress.packets - committed >= COMMIT_PACKETS {
            committed = progress.packets;
            changed += engine.take_changes().entries.len();
        }
        ControlFlow::Continue(())
    })?;
    println!(
        "{} packets, {} devices, {} baseline entries, {changed} written",
        summary.progress.packets,
        engine.core().inventory.len(),
        engine.core().baseline.len()
    );
    // The process ends: what is in memory need not be given back piece by piece.
    std::mem::forget(engine);
    Ok(())
}
