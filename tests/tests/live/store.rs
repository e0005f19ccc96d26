//! What becomes of the store: a kill, a full disk, readers that stay.

use crate::bench::{Bench, LONG, Plant, stats, until_operational};
use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::{stacks, wait_for};
use ot_tests::sensor::{alerts, sensor, succeed};
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_kill_loses_nothing_that_was_committed_and_people_are_heard_while_it_runs() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let plant = Plant::begin(&mut bench, stacks)?;
    bench.begin(&["--learn-for", "3s"])?;
    until_operational(&bench.store)?;
    plant.attack(&bench)?;
    let alert = bench.until_alert("new-master")?;
    let id = alert["id"].as_str().context("no id")?.to_owned();
    let mut comment = sensor();
    comment.args(["alerts", "comment", "seen", &id, "--store"]).arg(&bench.store);
    let said = succeed(&mut comment)?;
    ensure!(!said.contains("waits"), "the command was not carried out while the sensor ran: {said}");
    let code = bench.lab.cut_off("sensor")?;
    assert_eq!(code, None);
    let before = alerts(&bench.store)?;
    ensure!(before.iter().any(|alert| alert["id"] == id.as_str()), "the alert is lost");

    bench.begin(&[])?;
    bench.until_event("did not end in order")?;
    assert_eq!(stats(&bench.store)?["learning"]["mode"], "operational", "learning began anew");
    plant.attack(&bench)?;
    let count = alert["count"].as_u64().unwrap_or(0);
    let store = bench.store.clone();
    wait_for("the alert to count on", LONG, || {
        let all = alerts(&store)?;
        let same = all.into_iter().find(|alert| alert["id"] == id.as_str());
        Ok(same.filter(|alert| alert["count"].as_u64().unwrap_or(0) > count))
    })?;
    let began = std::time::Instant::now();
    bench.finish()?;
    println!("SIGTERM: all committed and ended within {:.2} s", began.elapsed().as_secs_f64());
    let after = stats(&bench.store)?;
    let states: Vec<_> = after["runs"].as_array().into_iter().flatten().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["aborted", "done"]);
    Ok(())
}

#[test]
fn a_full_disk_loses_no_alert() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let disk = bench.folder.path().join("disk");
    std::fs::create_dir(&disk)?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&disk).output()?;
    if !mounted.status.success() {
        eprintln!("skipped: no small disk here ({})", String::from_utf8_lossy(&mounted.stderr).trim());
        return Ok(());
    }
    bench.store = disk.join("live.db");
    let done = full_disk(&mut bench, stacks, &disk);
    drop(bench.lab);
    let _ = Command::new("umount").arg(&disk).output();
    done
}

fn full_disk(bench: &mut Bench, stacks: (PathBuf, PathBuf), disk: &Path) -> Result<()> {
    let plant = Plant::begin(bench, stacks)?;
    bench.begin(&["--learn-for", "3s"])?;
    until_operational(&bench.store)?;
    let filler = disk.join("filler");
    let full = Command::new("dd").args(["if=/dev/zero", "bs=4096"]).arg(format!("of={}", filler.display())).output()?;
    ensure!(!full.status.success(), "the disk is not full");
    plant.attack(bench)?;
    bench.until_said("no space left")?;
    std::fs::remove_file(&filler)?;
    bench.until_alert("new-master")?;
    bench.until_event("can be written again")?;
    plant.attack(bench)?;
    bench.finish()
}

#[test]
fn readers_that_stay_hold_nothing_up() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let plant = Plant::begin(&mut bench, stacks)?;
    bench.begin(&["--learn-for", "3s"])?;
    until_operational(&bench.store)?;
    let reader = ot_store::read::Reader::open(&bench.store)?;
    reader.begin()?;
    let devices = reader.totals()?.devices;
    plant.attack(&bench)?;
    bench.until_alert("new-master")?;
    assert_eq!(reader.totals()?.devices, devices, "a reader sees one moment");
    drop(reader);
    bench.finish()
}
