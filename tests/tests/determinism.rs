//! The same store, row for row, whatever the number of workers and the size of batches, and after a kill.

use anyhow::{Context as _, Result};
use ot_tests::sensor::{alerts, capture, fixtures, lines, root, sensor, succeed};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// All that a store holds, with the files of packets beside it.
fn dump(store: &Path) -> Result<Vec<String>> {
    let mut rows = ot_store::dump(store)?;
    rows.extend(ot_tests::evidence::files(store)?);
    Ok(rows)
}

fn rows(inputs: &[PathBuf], extra: &[&str]) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    succeed(sensor().args(["replay", "--quiet"]).args(extra).arg("--store").arg(&store).args(inputs))?;
    dump(&store)
}

/// The first difference of two dumps, for people.
fn difference(a: &[String], b: &[String]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    format!("row {at} of {} and {}:\n  {:?}\n  {:?}", a.len(), b.len(), a.get(at), b.get(at))
}

#[test]
fn workers_and_batches_change_nothing() -> Result<()> {
    for below in [".", "formats"] {
        for (folder, expected) in fixtures(below)? {
            let mut inputs = Vec::new();
            let learn = expected.get("learn").and_then(toml::Value::as_str);
            inputs.extend(learn.map(|learn| folder.join(learn)));
            inputs.push(capture(&folder, &expected));
            let learning: &[&str] = if learn.is_some() { &["--learn-for", "10m"] } else { &[] };
            let once = rows(&inputs, &[learning, &["--workers", "1", "--batch", "2048"]].concat())?;
            for (workers, batch) in [("2", "2048"), ("3", "64"), ("8", "1"), ("1", "1"), ("0", "64")] {
                let again = rows(&inputs, &[learning, &["--workers", workers, "--batch", batch]].concat())?;
                assert!(
                    once == again,
                    "{}: {workers} workers, batches of {batch}: {}",
                    folder.display(),
                    difference(&once, &again)
                );
            }
        }
    }
    Ok(())
}

#[test]
fn workers_and_batches_change_nothing_in_a_plant_of_all_protocols() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let inputs = [plant(directory.path(), "40000", "40")?];
    // All new, and learned for as long as half of it lasts.
    for learning in [[].as_slice(), &["--learn-for", "1m"]] {
        let mut first: Option<Vec<String>> = None;
        for workers in ["1", "0", "2", "3", "8"] {
            for batch in ["2048", "64", "1"] {
                let these = rows(&inputs, &[learning, &["--workers", workers, "--batch", batch]].concat())?;
                let once = first.get_or_insert_with(|| these.clone());
                assert!(*once == these, "{workers} workers, batches of {batch}: {}", difference(once, &these));
            }
        }
    }
    Ok(())
}

fn plant(directory: &Path, packets: &str, servers: &str) -> Result<PathBuf> {
    let file = directory.join("plant.pcap");
    let mut command = ot_tests::sensor::make_capture();
    succeed(command.arg("plant").arg(&file).args(["--packets", packets, "--servers", servers]))?;
    Ok(file)
}

fn ids(store: &Path) -> Result<BTreeSet<String>> {
    let list = alerts(store)?;
    Ok(list.iter().filter_map(|alert| alert.get("id").and_then(serde_json::Value::as_str).map(str::to_owned)).collect())
}

/// Whether the store holds a run that is complete.
fn done(store: &Path) -> Result<bool> {
    if !store.exists() {
        return Ok(false);
    }
    let stats = lines(sensor().args(["stats", "--json", "--store"]).arg(store))?;
    let runs = stats.first().and_then(|stats| stats.get("runs")).and_then(serde_json::Value::as_array);
    Ok(runs.into_iter().flatten().any(|run| run.get("state").and_then(serde_json::Value::as_str) == Some("done")))
}

#[test]
fn a_killed_replay_loses_nothing_and_resumes_without_doubles() -> Result<()> {
    let directory = tempfile::tempdir()?;
    // Long enough that several commits lie within a replay.
    let plant = plant(directory.path(), "3000000", "120")?;
    let inputs = [plant, root().join("fixtures/unauthorised-write/capture.pcap.zst")];
    let began = Instant::now();
    let whole = rows(&inputs, &[])?;
    let length = u64::try_from(began.elapsed().as_millis())?;
    let mut random = ot_tests::frames::Random::new(7);
    let mut store = directory.path().join("killed-0.db");
    let mut reported: BTreeSet<String> = BTreeSet::new();
    let (mut kills, mut with_alerts) = (0, 0);
    for attempt in 0..100 {
        let mut child = sensor()
            .args(["replay", "--quiet", "--store"])
            .arg(&store)
            .args(&inputs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(random.below(length)));
        if let Some(status) = child.try_wait()? {
            // It was faster than the kill: what it resumed must be whole, and the next kills are for a new store.
            assert!(status.success(), "attempt {attempt}: {status}");
            let resumed = dump(&store)?;
            assert!(whole == resumed, "{}", difference(&whole, &resumed));
            store = directory.path().join(format!("killed-after-{attempt}.db"));
            reported.clear();
            continue;
        }
        child.kill()?;
        child.wait()?;
        if done(&store)? {
            // Killed after the run was complete and before the process was gone: the same inputs would be a new run.
            let complete = dump(&store)?;
            assert!(whole == complete, "{}", difference(&whole, &complete));
            store = directory.path().join(format!("killed-after-{attempt}.db"));
            reported.clear();
            continue;
        }
        kills += 1;
        if store.exists() {
            let now = ids(&store).with_context(|| format!("after kill {kills}"))?;
            let lost: Vec<_> = reported.difference(&now).collect();
            assert!(lost.is_empty(), "after kill {kills} alerts are missing: {lost:?}");
            with_alerts += usize::from(!now.is_empty());
            reported.extend(now);
        }
        if kills == 20 {
            break;
        }
    }
    assert_eq!(kills, 20, "the replay is too short to be killed");
    assert!(with_alerts > 0, "no kill came after a commit");
    succeed(sensor().args(["replay", "--quiet", "--store"]).arg(&store).args(&inputs))?;
    let resumed = dump(&store)?;
    assert!(whole == resumed, "{}", difference(&whole, &resumed));
    assert!(reported.is_subset(&ids(&store)?), "alerts that were reported are gone");
    Ok(())
}

/// A person learns, mutes and takes back while a replay runs that is killed again and again: what they did is in the store
/// once, and the store is that of the acts at the packets where they were applied.
#[test]
fn acts_survive_kills() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let plant = plant(directory.path(), "5000000", "60")?;
    let inputs = [plant];
    let store = directory.path().join("acts.db");
    let spawn = |store: &Path| {
        sensor()
            .args(["replay", "--quiet", "--operational", "--store"])
            .arg(store)
            .args(&inputs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let mut random = ot_tests::frames::Random::new(11);
    let (mut acts, mut kills) = (0, 0);
    // A replay that comes to its end before the kill is followed by another, on the same store.
    for round in 0..30 {
        let mut child = spawn(&store)?;
        let deadline = Instant::now() + Duration::from_millis(1_000 + random.below(1_500));
        while Instant::now() < deadline && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(100));
            let open: Vec<String> = match store.exists() {
                true => ids(&store).unwrap_or_default().into_iter().collect(),
                false => Vec::new(),
            };
            let Some(id) = open.get(usize::try_from(random.below(open.len().max(1) as u64))?) else { continue };
            let verb: &[&str] = match (round + acts) % 4 {
                0 => &["learn", "--scope", "server", "--for", "1h"],
                1 => &["mute"],
                2 => &["close"],
                _ => &["learn"],
            };
            let done = sensor().arg("alerts").args(verb).arg(id).arg("--store").arg(&store).output()?;
            acts += usize::from(done.status.success());
        }
        kills += usize::from(child.try_wait()?.is_none());
        child.kill()?;
        child.wait()?;
        if acts > 7 && kills > 2 {
            break;
        }
    }
    assert!(acts > 7 && kills > 2, "{acts} acts, {kills} kills");
    let before: Vec<String> = rows_of(&store, &["command ", "alert_history ", "baseline_grant "])?;
    assert!(spawn(&store)?.wait()?.success());
    let after: Vec<String> = rows_of(&store, &["command ", "alert_history ", "baseline_grant "])?;
    // Nothing that was applied is lost or doubled. (What was pending is applied by the last replay.)
    for row in before.iter().filter(|row| row.starts_with("alert_history ") && !row.contains("who='sensor'")) {
        assert_eq!(after.iter().filter(|other| *other == row).count(), 1, "{row}");
    }
    // Each learned alert has its grants, and no grant is without one.
    let lines = ot_store::dump(&store)?;
    let field = |row: &str, name: &str| -> Option<String> {
        let (_, rest) = row.split_once(&format!(" {name}="))?;
        Some(rest.split(' ').next()?.to_owned())
    };
    let learned: BTreeSet<String> = lines
        .iter()
        .filter(|row| row.starts_with("alert ") && field(row, "learned").as_deref() == Some("1"))
        .filter_map(|row| field(row, "number"))
        .collect();
    let granted: BTreeSet<String> =
        lines.iter().filter(|row| row.starts_with("baseline_grant ")).filter_map(|row| field(row, "alert")).collect();
    let unlearned: Vec<&String> = granted.difference(&learned).collect();
    let of = |row: &&String| {
        let key = if row.starts_with("alert ") { "number" } else { "alert" };
        field(row, key).is_some_and(|number| unlearned.contains(&&number))
    };
    let rows: Vec<_> = lines.iter().filter(of).map(String::as_str).collect();
    assert!(unlearned.is_empty(), "grants stand of alerts that are not learned:\n{}", rows.join("\n"));
    Ok(())
}

fn rows_of(store: &Path, tables: &[&str]) -> Result<Vec<String>> {
    let mut rows = ot_store::dump(store)?;
    rows.retain(|row| tables.iter().any(|table| row.starts_with(table)));
    Ok(rows)
}
