//! Writes a seeded store of a large plant, through the store's own writer.

use anyhow::{Context as _, Result, bail, ensure};
use ot_tests::store::{Plan, write};
use std::path::Path;
use std::time::Instant;

const USAGE: &str = "usage: make-store FILE [--alerts N] [--devices N] [--seed N]";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context(USAGE)?;
    ensure!(!file.starts_with('-'), "{file} is no name of a file\n{USAGE}");
    let mut plan = Plan::default();
    while let Some(option) = arguments.next() {
        let value: u64 = arguments.next().context(USAGE)?.parse().context(USAGE)?;
        let small = u32::try_from(value).context("number is too large")?;
        match option.as_str() {
            "--alerts" => plan.alerts = small,
            "--devices" => plan.devices = small,
            "--seed" => plan.seed = value,
            _ => bail!(USAGE),
        }
    }
    ensure!(plan.alerts > 0 && plan.devices > 0, "a store needs an alert and a device\n{USAGE}");
    let path = Path::new(&file);
    ensure!(!path.exists(), "{file} is there already");
    let began = Instant::now();
    write(path, plan, |written| {
        if written.is_multiple_of(100_000) {
            eprintln!("{written} alerts after {:.0} s", began.elapsed().as_secs_f64());
        }
    })?;
    let bytes = std::fs::metadata(path)?.len();
    println!(
        "{file}: {} alerts, {} devices, {} MiB, in {:.0} s",
        plan.alerts,
        plan.devices,
        bytes >> 20,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
