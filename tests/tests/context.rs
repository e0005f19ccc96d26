//! What people know of devices: set, imported, exported, and used by the detectors.

use anyhow::{Context as _, Result};
use ot_tests::sensor::{lines, root, run, sensor, succeed};
use serde_json::Value;
use std::path::Path;

fn replay(store: &Path, name: &str) -> Result<()> {
    let capture = root().join("fixtures").join(name).join("capture.pcap.zst");
    succeed(sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(store).arg(capture)).map(drop)
}

fn show(store: &Path, device: &str) -> Result<Value> {
    let text = succeed(sensor().args(["devices", "show", device, "--json", "--store"]).arg(store))?;
    serde_json::from_str(&text).context("no JSON")
}

fn set(store: &Path, device: &str, values: &[&str]) -> Result<()> {
    let who = ["--who", "anna", "--why", "asset list", "--store"];
    succeed(sensor().args(["devices", "set", device]).args(values).args(who).arg(store)).map(drop)
}

fn addresses(store: &Path) -> Result<Vec<String>> {
    let devices = lines(sensor().args(["devices", "list", "--json", "--store"]).arg(store))?;
    Ok(devices.iter().filter_map(|device| device["ips"][0].as_str().map(str::to_owned)).collect())
}

#[test]
fn a_persons_word_is_kept_shown_and_taken_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    let config = folder.path().join("ot-sensor.toml");
    replay(&store, "benign-polling")?;
    let device = addresses(&store)?.pop().context("no device")?;
    std::fs::write(&config, format!("[[device]]\nip = '{device}'\nowner = 'automation'\nname = 'P1'\n"))?;
    let values = ["--owner", "maintenance", "--importance", "low", "--tag", "press", "--tag", "line-3"];
    succeed(
        sensor()
            .args(["devices", "set", &device])
            .args(values)
            .args(["--who", "anna", "--why", "asset list", "--store"])
            .arg(&store)
            .arg("--config")
            .arg(&config),
    )?;
    let shown = show(&store, &device)?;
    assert_eq!((&shown["owner"], &shown["importance"]), (&"maintenance".into(), &"low".into()));
    assert_eq!((&shown["name"], &shown["tags"]), (&"P1".into(), &serde_json::json!(["line-3", "press"])));
    let source = |field: &str| {
        let said = shown["said"].as_array().into_iter().flatten().find(|said| said["field"] == field);
        said.map(|said| (said["source"].clone(), said["who"].clone()))
    };
    assert_eq!(source("owner"), Some(("person".into(), "anna".into())));
    assert_eq!(source("name"), Some(("configuration".into(), Value::Null)));
    // Another run keeps it; a changed configuration does not win over it.
    replay(&store, "benign-polling")?;
    assert_eq!(show(&store, &device)?["owner"], "maintenance");
    for (filter, found) in [
        (["--tag", "press"], 1),
        (["--importance", "low"], 1),
        (["--owner", "maintenance"], 1),
        (["--owner", "automation"], 0),
    ] {
        let list = lines(sensor().args(["devices", "list", "--json"]).args(filter).arg("--store").arg(&store))?;
        assert_eq!(list.iter().filter(|line| line["ips"][0] == device.as_str()).count(), found, "{filter:?}");
    }
    set(&store, &device, &["--unset", "owner,importance", "--untag", "press"])?;
    let shown = show(&store, &device)?;
    assert_eq!((&shown["owner"], &shown["tags"]), (&Value::Null, &serde_json::json!(["line-3"])));
    assert_ne!(shown["importance"], "low");
    let history = shown["history"].as_array().context("no history")?;
    let of_owner: Vec<_> = history
        .iter()
        .filter(|change| change["field"] == "owner")
        .map(|change| (change["before"].clone(), change["after"].clone(), change["why"].clone()))
        .collect();
    assert_eq!(of_owner.len(), 2, "{history:?}");
    assert_eq!(of_owner[1], ("maintenance".into(), Value::Null, "asset list".into()));
    Ok(())
}

#[test]
fn an_export_comes_back_as_it_was_and_wrong_lines_are_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    let file = folder.path().join("assets.csv");
    replay(&store, "benign-polling")?;
    let device = addresses(&store)?.pop().context("no device")?;
    set(&store, &device, &["--notes", "says \"hello\", twice", "--authorised", "yes", "--tag", "press,line-3"])?;
    let export = || succeed(sensor().args(["devices", "export", "--csv", "--store"]).arg(&store));
    let before = export()?;
    std::fs::write(&file, &before)?;
    let import = |dry: bool| {
        let dry = if dry { &["--dry-run"][..] } else { &[] };
        run(sensor().args(["devices", "import"]).arg(&file).args(dry).arg("--store").arg(&store))
    };
    let same = import(false)?;
    assert_eq!(same.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&same.stdout).starts_with("0 of "), "{same:?}");
    assert_eq!(export()?, before);

    std::fs::write(
        &file,
        format!(
            "ip,importance,owner,tags\n{device},low,,hall-2\n{device},high,,\n203.0.113.9,high,,\n{device},top,,\n,,x,\n"
        ),
    )?;
    let dry = import(true)?;
    let text = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert_eq!(dry.status.code(), Some(1), "{text}");
    for wanted in ["line 4: no device 203.0.113.9 was seen", "line 5: importance \"top\"", "line 6: neither ip nor mac"]
    {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(text.contains("would set") && text.contains("tag hall-2"), "{text}");
    assert_eq!(export()?, before);
    assert_eq!(import(false)?.status.code(), Some(1));
    let shown = show(&store, &device)?;
    assert_eq!(
        (&shown["importance"], &shown["tags"]),
        (&"low".into(), &serde_json::json!(["hall-2", "line-3", "press"]))
    );
    std::fs::write(&file, "ip,ownr\n")?;
    let refused = import(false)?;
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did you mean \"owner\""), "{refused:?}");
    Ok(())
}

/// A device that a person calls a programming device programs in silence where the type allows that, and one that is not
/// authorised is told although everything else is learned.
#[test]
fn detectors_take_a_persons_word() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    let alerts =
        || lines(sensor().args(["alerts", "list", "--json", "--type", "device-not-learned", "--store"]).arg(&store));
    let capture = root().join("fixtures/benign-polling/capture.pcap.zst");
    succeed(sensor().args(["replay", "--quiet", "--learn-for", "11m", "--store"]).arg(&store).arg(capture))?;
    assert!(alerts()?.is_empty());
    let device = addresses(&store)?.pop().context("no device")?;
    set(&store, &device, &["--authorised", "no"])?;
    replay(&store, "benign-polling")?;
    let raised = alerts()?;
    assert_eq!(raised.len(), 1, "{raised:?}");
    let id = raised[0]["id"].as_str().context("no id")?;
    let shown = succeed(sensor().args(["alerts", "show", id, "--json", "--store"]).arg(&store))?;
    assert!(shown.contains("anna said that it is not authorised"), "{shown}");
    for (filter, found) in [(["--importance", "high"], true), (["--tag", "nowhere"], false)] {
        let list = lines(sensor().args(["alerts", "list", "--json"]).args(filter).arg("--store").arg(&store))?;
        assert_eq!(!list.is_empty(), found, "{filter:?}");
    }
    Ok(())
}

fn journal(store: &Path, device: &str, more: &[&str]) -> Result<Vec<Value>> {
    lines(sensor().args(["devices", "journal", device, "--json"]).args(more).arg("--store").arg(store))
}

/// The rows of all controllers, with the address of each.
fn journals(store: &Path) -> Result<Vec<(String, Vec<Value>)>> {
    addresses(store)?.into_iter().map(|address| Ok((address.clone(), journal(store, &address, &[])?))).collect()
}

fn operations<'a>(journals: &'a [(String, Vec<Value>)], operation: &str) -> Vec<&'a Value> {
    journals.iter().flat_map(|(_, rows)| rows).filter(|row| row["operation"] == operation).collect()
}

#[test]
fn the_journal_tells_who_did_what_to_a_controller() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, "s7-stop")?;
    replay(&store, "s7-mode-switch")?;
    let all = journals(&store)?;
    for (address, rows) in &all {
        for row in rows {
            assert_eq!(row["device"]["ip"], address.as_str(), "{row}");
            assert!(row["first_frame"]["number"].as_u64() > Some(0), "{row}");
            assert!(row["first_seen"].as_str() <= row["last_seen"].as_str(), "{row}");
        }
    }
    let stops = operations(&all, "mode-stop");
    let told = |row: &&&Value| row["outcome"] == "ok" && row["alert"].is_string() && row["actor"]["ip"].is_string();
    assert!(stops.iter().any(|row| told(&row)), "{stops:?}");
    let changed = operations(&all, "mode-changed");
    assert!(changed.iter().any(|row| row["value"] == "stop, before run"), "{changed:?}");
    Ok(())
}

#[test]
fn repeated_work_is_one_row_of_the_journal_and_reads_are_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, "s7-download")?;
    let all = journals(&store)?;
    let downloads = operations(&all, "program-write");
    assert!(!downloads.is_empty(), "{all:?}");
    let (address, rows) = all
        .iter()
        .find(|(_, rows)| rows.iter().any(|row| row["operation"] == "program-write"))
        .context("no download")?;
    for row in rows {
        let operation = row["operation"].as_str().context("no operation")?;
        assert!(!operation.contains("read") && operation != "session", "{row}");
    }
    let total = |rows: &[Value]| rows.iter().filter_map(|row| row["count"].as_u64()).sum::<u64>();
    assert!(total(rows) > u64::try_from(rows.len())?, "{rows:?}");
    // The same again within the hour of the capture counts on the same rows.
    replay(&store, "s7-download")?;
    let again = journal(&store, address, &[])?;
    assert_eq!(again.len(), rows.len(), "{again:?}");
    assert_eq!(total(&again), 2 * total(rows));
    let by = downloads[0]["actor"]["ip"].as_str().context("no actor")?;
    let of_actor = journal(&store, address, &["--by", by])?;
    assert!(!of_actor.is_empty() && of_actor.iter().all(|row| row["actor"]["ip"] == by), "{of_actor:?}");
    let early = journal(&store, address, &["--until", "2001-01-01T00:00:00Z"])?;
    assert!(early.is_empty(), "{early:?}");
    Ok(())
}
