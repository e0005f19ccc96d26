//! Writes a seeded capture: `make-capture FILE [--packets N] [--servers N] [--clients N] [--seed N]`.

use anyhow::{Context as _, Result, bail};
use ot_tests::{plant, scan};
use std::fs::File;
use std::io::BufWriter;

const USAGE: &str =
    "usage: make-capture plant|scan FILE [--packets N] [--servers N] [--clients N] [--seed N] [--hosts N] [--flows N]";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().context(USAGE)?;
    let file = arguments.next().context(USAGE)?;
    let mut plan = plant::Plan::default();
    let mut crowd = scan::Plan::default();
    while let Some(option) = arguments.next() {
        let value: u64 = arguments.next().context(USAGE)?.parse().context(USAGE)?;
        let small = u32::try_from(value).context("number is too large")?;
        match option.as_str() {
            "--packets" => plan.packets = value,
            "--servers" => plan.servers = small,
            "--clients" => plan.clients = small,
            "--seed" => plan.seed = value,
            "--hosts" => crowd.hosts = small,
            "--flows" => crowd.flows = small,
            _ => bail!(USAGE),
        }
    }
    let out = BufWriter::with_capacity(1 << 20, File::create(&file).with_context(|| format!("cannot write {file}"))?);
    let packets = match kind.as_str() {
        "plant" => plant::write(plan, out)?,
        "scan" => scan::write(crowd, out)?,
        _ => bail!(USAGE),
    };
    println!("{file}: {packets} packets");
    Ok(())
}
