//! How fast captures become facts: `measure WORKERS FILE…`. Prints counters to standard output.

#![allow(missing_docs)]

use ot_capture::CaptureSet;
use ot_flow::FlowConfig;
use ot_protocol::{Fact, Protocol};
use std::ops::ControlFlow;
use std::time::Instant;

static MODBUS: [&dyn Protocol; 1] = [&ot_modbus::MODBUS];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let workers = arguments.next().ok_or("usage: measure WORKERS FILE...")?.parse()?;
    let paths: Vec<_> = arguments.map(Into::into).collect();
    let opened = Instant::now();
    let mut set = CaptureSet::open(&paths)?;
    let start = Instant::now();
    let mut kinds = [0u64; 14];
    let config = FlowConfig { workers, ..FlowConfig::default() };
    let summary = ot_flow::run(&mut set, &MODBUS, &config, &mut |facts, _| {
        for (_, fact) in facts {
            let index = match fact {
                Fact::Activity(_) => 0,
                Fact::Fold(_) => 1,
                Fact::Flow(_) => 2,
                Fact::Claim(_) => 3,
                Fact::Identity(_) => 4,
                Fact::Health(_) => 5,
                Fact::EpochEnd(_) => 6,
                Fact::TimeJump { .. } => 7,
                Fact::Name(_) => 8,
                Fact::Hearsay(_) => 9,
                Fact::Interface(_) => 10,
                Fact::Sight(_) => 11,
                Fact::Signature(_) => 12,
                Fact::Rule(_) => 13,
            };
            if let Some(count) = kinds.get_mut(index) {
                *count += 1;
            }
        }
        ControlFlow::Continue(())
    })?;
    let wall = start.elapsed();
    let names = [
        "activities",
        "folds",
        "flow events",
        "claims",
        "identities",
        "health",
        "epochs",
        "jumps",
        "names",
        "hearsay",
        "interfaces",
        "sights",
        "signatures",
        "rule hits",
    ];
    for (name, count) in names.iter().zip(kinds) {
        println!("{name:>14} {count}");
    }
    for (name, count) in summary.flow.iter().filter(|(_, count)| *count > 0) {
        println!("{name:>28} {count}");
    }
    for (name, count) in summary.flow.skipped.iter() {
        println!("{:>28} {count}", format!("skipped {name}"));
    }
    for (name, count) in summary.flow.decoded.iter() {
        println!("{:>28} {count}", format!("decoded {name}"));
    }
    println!("{} packets, open {:?}, run {wall:?}", summary.progress.packets, start - opened);
    Ok(())
}
