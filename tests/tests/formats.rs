//! Stores that older versions wrote are brought up to date, and nothing is lost.

use anyhow::{Context as _, Result, ensure};
use ot_tests::sensor::{alerts, lines, root, sensor, succeed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn stored(name: &str) -> Result<Vec<u8>> {
    let path = root().join("tests/formats").join(name);
    let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    Ok(zstd::decode_all(file)?)
}

/// Whether a row still says all that it said; newer versions may say more.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| holds(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        (new, old) => new == old,
    }
}

fn older(folder: &Path) -> Result<PathBuf> {
    let store = folder.join("store.db");
    std::fs::write(&store, stored("format-1.db.zst")?)?;
    Ok(store)
}

#[test]
fn every_row_of_a_store_of_the_first_format_is_still_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = older(folder.path())?;
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8(stored("format-1.jsonl.zst")?)?.lines() {
        let mut line: Value = serde_json::from_str(line)?;
        let list = line["list"].as_str().context("a row without its list")?.to_owned();
        lists.entry(list).or_default().push(line["row"].take());
    }
    assert_eq!(lists.len(), 4, "{:?}", lists.keys());
    for (list, old) in lists {
        let new = lines(sensor().args(list.split(' ')).args(["--json", "--store"]).arg(&store))?;
        ensure!(new.len() == old.len(), "{list}: {} rows, {} before", new.len(), old.len());
        for (new, old) in new.iter().zip(&old) {
            ensure!(holds(new, old), "{list}: {new}, before {old}");
        }
    }
    // What people did, and why.
    let shown = succeed(sensor().args(["alerts", "show", "0d7ac1b5", "--store"]).arg(&store))?;
    ensure!(shown.contains("planned change"), "{shown}");
    let shown = succeed(sensor().args(["alerts", "show", "b7d60bf7", "--store"]).arg(&store))?;
    ensure!(shown.contains("asked the vendor"), "{shown}");
    succeed(sensor().arg("check-store").arg("--store").arg(&store))?;
    Ok(())
}

#[test]
fn the_sensor_goes_on_from_a_store_of_the_first_format() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = older(folder.path())?;
    let before = alerts(&store)?;
    let capture = root().join("fixtures/unauthorised-write/capture.pcap.zst");
    succeed(sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(&store).arg(capture))?;
    let after = alerts(&store)?;
    let of = |rows: &[Value], id: &str| rows.iter().find(|row| row["id"] == id).cloned().unwrap_or_default();
    for old in &before {
        let id = old["id"].as_str().context("an alert without an id")?;
        let new = of(&after, id);
        ensure!(new["first_detection"] == old["first_detection"], "{old} became {new}");
        ensure!(new["count"].as_u64() >= old["count"].as_u64(), "{old} became {new}");
        // What was muted or learned stays silent.
        if old["muted"] == true || old["learned"] == true {
            ensure!(new["status"] == "closed" && new["count"] == old["count"], "{old} became {new}");
        }
    }
    // Its baseline is still known: none of what it allows is new.
    let polling = root().join("fixtures/benign-polling/capture.pcap.zst");
    succeed(sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(&store).arg(polling))?;
    let more = alerts(&store)?;
    let new: Vec<&Value> =
        more.iter().filter(|row| of(&after, row["id"].as_str().unwrap_or_default()).is_null()).collect();
    ensure!(new.is_empty(), "{new:?}");
    Ok(())
}
