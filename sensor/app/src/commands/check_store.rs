//! `check-store`: whether a store is sound.

use crate::cli::CheckStoreArgs;
use crate::config::Config;
use crate::evidence::size;
use crate::exit::Exit;
use crate::output::Output;
use ot_store::{Depth, Soundness};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

pub fn run(output: &mut Output, args: &CheckStoreArgs) -> anyhow::Result<Exit> {
    let path = Config::of(&args.store)?.store_path(&args.store);
    let began = Instant::now();
    let depth = if args.quick { Depth::Pages } else { Depth::All };
    let found = ot_store::check(&path, depth, None)?;
    let seconds = began.elapsed().as_secs_f64();
    if args.output.json {
        output.json(&told(&path, &found))?;
    } else if found.problems.is_empty() {
        output.line(&format!("{}: sound ({}, looked at in {seconds:.1} s)", path.display(), size(length(&path))))?;
    } else {
        for problem in &found.problems {
            output.line(&format!("damaged: {problem}"))?;
        }
    }
    output.finish()?;
    found.sound(&path)?;
    Ok(Exit::Done)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

/// What was found, for a program.
pub fn told(path: &Path, found: &Soundness) -> Value {
    json!({
        "store": path,
        "bytes": length(path),
        "sound": found.problems.is_empty(),
        "whole": found.whole,
        "problems": found.problems,
    })
}
