//! Writes a capture from numbers: a plant at work (`--mix modbus`: its Modbus part alone), a crowd that scans, or traffic of a
//! chosen novelty.

use anyhow::{Context as _, Result, bail};
use ot_tests::{novelty, plant, scan};
use std::fs::File;
use std::io::BufWriter;

const USAGE: &str =
    "usage: make-capture plant FILE [--packets N] [--servers N] [--clients N] [--seed N] [--mix plant|modbus] [--pace N]
       make-capture scan FILE [--hosts N] [--flows N]
       make-capture novelty FILE [--packets N] [--devices N] [--conversations N] [--keys N] [--rate N]";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().context(USAGE)?;
    let file = arguments.next().context(USAGE)?;
    let mut plan = plant::Plan::default();
    let mut crowd = scan::Plan::default();
    let mut traffic = novelty::Plan::default();
    while let Some(option) = arguments.next() {
        let value = arguments.next().context(USAGE)?;
        if option == "--mix" {
            plan.mix = match value.as_str() {
                "plant" => plant::Mix::Plant,
                "modbus" => plant::Mix::Modbus,
                _ => bail!(USAGE),
            };
            continue;
        }
        let value: u64 = value.parse().context(USAGE)?;
        let small = u32::try_from(value).context("number is too large")?;
        match option.as_str() {
            "--packets" => (plan.packets, traffic.packets) = (value, value),
            "--servers" => plan.servers = small,
            "--clients" => plan.clients = small,
            "--seed" => plan.seed = value,
            "--pace" => plan.pace = small,
            "--hosts" => crowd.hosts = small,
            "--flows" => crowd.flows = small,
            "--devices" => traffic.devices = small,
            "--conversations" => traffic.conversations = small,
            "--keys" => traffic.keys = small,
            "--rate" => traffic.rate = value,
            _ => bail!(USAGE),
        }
    }
    let out = BufWriter::with_capacity(1 << 20, File::create(&file).with_context(|| format!("cannot write {file}"))?);
    match kind.as_str() {
        "plant" => println!("{file}: {}", plant::write(plan, out)?),
        "scan" => println!("{file}: {} packets", scan::write(crowd, out)?),
        "novelty" => {
            let novelty::Counts { packets, asked } = novelty::write(traffic, out)?;
            println!("{file}: {packets} packets, {asked} different things asked for");
        }
        _ => bail!(USAGE),
    }
    Ok(())
}
