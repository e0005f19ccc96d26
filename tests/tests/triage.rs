//! Learn, mute, close, and take it back.

use anyhow::{Context as _, Result, ensure};
use ot_engine::config::EngineConfig;
use ot_engine::model::Scope;
use ot_engine::{Action, Learn};
use ot_protocol::Timestamp;
use ot_store::NewCommand;
use ot_store::read::Reader;
use ot_tests::sensor::{alerts, lines, root, run, sensor, succeed};
use ot_views::preview::{preview, preview_of_all};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name).join("capture.pcap.zst")
}

/// A fixture's capture, so many seconds later.
fn later(directory: &Path, name: &str, seconds: u32) -> Result<PathBuf> {
    let mut bytes = zstd::decode_all(std::fs::File::open(fixture(name))?)?;
    let field =
        |bytes: &[u8], at: usize| -> Option<u32> { Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
    ensure!(matches!(field(&bytes, 0), Some(0xa1b2_c3d4 | 0xa1b2_3c4d)), "{name} is no little-endian pcap");
    let mut at = 24;
    while let (Some(time), Some(length)) = (field(&bytes, at), field(&bytes, at + 8)) {
        bytes.get_mut(at..at + 4).context("cut")?.copy_from_slice(&(time + seconds).to_le_bytes());
        at += 16 + usize::try_from(length)?;
    }
    let path = directory.join(format!("{name}-{seconds}.pcap"));
    std::fs::write(&path, bytes)?;
    Ok(path)
}

fn operational(store: &Path, capture: &Path) -> Result<()> {
    succeed(sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(store).arg(capture)).map(drop)
}

/// How often each alert came, by id.
fn counts(store: &Path) -> Result<BTreeMap<String, u64>> {
    let list = alerts(store)?;
    list.iter()
        .map(|alert| Ok((id(alert)?.to_owned(), alert.get("count").and_then(Value::as_u64).context("no count")?)))
        .collect()
}

fn replay(store: &Path, learn: bool, name: &str) -> Result<()> {
    let mut command = sensor();
    command.args(["replay", "--quiet", "--store"]).arg(store);
    if learn {
        command.args(["--learn-for", "11m"]);
    } else {
        command.arg("--operational");
    }
    succeed(command.arg(fixture(name))).map(drop)
}

fn of_type<'a>(alerts: &'a [Value], kind: &str) -> Vec<&'a Value> {
    alerts.iter().filter(|alert| alert.get("type").and_then(Value::as_str) == Some(kind)).collect()
}

fn id(alert: &Value) -> Result<&str> {
    alert.get("id").and_then(Value::as_str).context("no id")
}

fn act(store: &Path, verb: &[&str]) -> Result<()> {
    succeed(
        sensor()
            .arg("alerts")
            .args(verb)
            .args(["--who", "anna", "--why", "asked the shift lead", "--store"])
            .arg(store),
    )
    .map(drop)
}

#[test]
fn learned_is_silent_and_unlearned_speaks_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    assert!(alerts(&store)?.is_empty(), "{:?}", alerts(&store)?);
    replay(&store, false, "new-function")?;
    let raised = alerts(&store)?;
    let first = of_type(&raised, "modbus-function-not-learned");
    assert!(!first.is_empty(), "{raised:?}");
    for alert in &first {
        act(&store, &["learn", id(alert)?])?;
    }
    replay(&store, false, "new-function")?;
    let after = alerts(&store)?;
    let after = of_type(&after, "modbus-function-not-learned");
    assert_eq!(after.len(), first.len());
    assert!(after.iter().all(|alert| alert.get("status").and_then(Value::as_str) == Some("closed")));
    assert_eq!(
        after.iter().map(|alert| alert.get("count").cloned()).collect::<Vec<_>>(),
        first.iter().map(|alert| alert.get("count").cloned()).collect::<Vec<_>>()
    );
    for alert in &first {
        act(&store, &["unlearn", id(alert)?])?;
    }
    replay(&store, false, "new-function")?;
    let again = alerts(&store)?;
    for alert in of_type(&again, "modbus-function-not-learned") {
        assert_eq!(alert.get("status").and_then(Value::as_str), Some("new"));
    }
    let shown = succeed(sensor().args(["alerts", "show", "--json", id(first[0])?, "--store"]).arg(&store))?;
    let story: Value = serde_json::from_str(&shown)?;
    let history = story.get("history").and_then(Value::as_array).context("no history")?;
    assert!(history.len() >= 2, "{history:?}");
    assert!(shown.contains("anna") && shown.contains("asked the shift lead"));
    Ok(())
}

#[test]
fn closed_opens_anew_and_muted_stays_silent() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    replay(&store, false, "exceptions")?;
    let raised = alerts(&store)?;
    let first = of_type(&raised, "modbus-illegal-address");
    assert_eq!(first.len(), 1, "{raised:?}");
    let first_id = id(first[0])?.to_owned();
    act(&store, &["status", "closed", &first_id])?;
    replay(&store, false, "exceptions")?;
    let raised = alerts(&store)?;
    let both = of_type(&raised, "modbus-illegal-address");
    assert_eq!(both.len(), 2);
    let second = both.iter().find_map(|alert| id(alert).ok().filter(|id| *id != first_id)).context("no second")?;
    act(&store, &["mute", second])?;
    replay(&store, false, "exceptions")?;
    assert_eq!(of_type(&alerts(&store)?, "modbus-illegal-address").len(), 2);
    act(&store, &["unmute", second])?;
    replay(&store, false, "exceptions")?;
    let raised = alerts(&store)?;
    let last = of_type(&raised, "modbus-illegal-address");
    assert_eq!(last.len(), 2);
    // What is never normal cannot be learned.
    let output = run(sensor().args(["alerts", "learn", second, "--store"]).arg(&store))?;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn a_dry_run_says_what_then_happens() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    replay(&store, false, "new-function")?;
    let first = counts(&store)?;
    let alert =
        of_type(&alerts(&store)?, "modbus-function-not-learned").first().map(|alert| id(alert).map(str::to_owned));
    let alert = alert.context("nothing raised")??;
    let before = ot_store::dump(&store)?;
    let mut dry = BTreeMap::new();
    for line in lines(
        sensor().args(["alerts", "learn", &alert, "--scope", "pair", "--dry-run", "--json", "--store"]).arg(&store),
    )? {
        dry.insert(id(&line)?.to_owned(), line.get("hidden").and_then(Value::as_u64).context("no count")?);
    }
    assert!(!dry.is_empty());
    assert_eq!(before, ot_store::dump(&store)?, "a dry run changes nothing");

    // Without learning the same capture tells the same again.
    let control = directory.path().join("control.db");
    std::fs::copy(&store, &control)?;
    replay(&control, false, "new-function")?;
    let control = counts(&control)?;
    act(&store, &["learn", "--scope", "pair", &alert])?;
    replay(&store, false, "new-function")?;
    let learned = counts(&store)?;
    for (id, count) in &control {
        let (before, after) = (first.get(id).copied().unwrap_or(0), learned.get(id).copied().unwrap_or(0));
        let again = count - before;
        if again == before && again > 0 {
            assert_eq!(again - (after - before), dry.get(id).copied().unwrap_or(0), "alert {id}");
        } else {
            assert!(!dry.contains_key(id) || after == before, "alert {id}");
        }
    }

    // Taken back by the act, all of it is told again.
    let acts = lines(sensor().args(["baseline", "undo", "--json", "--store"]).arg(&store))?;
    let number = acts.first().and_then(|act| act.get("act")).and_then(Value::as_u64).context("no act")?;
    succeed(sensor().args(["baseline", "undo", &number.to_string(), "--who", "anna", "--store"]).arg(&store))?;
    replay(&store, false, "new-function")?;
    assert!(counts(&store)?.get(&alert) > learned.get(&alert));
    assert!(lines(sensor().args(["baseline", "undo", "--json", "--store"]).arg(&store))?.is_empty());
    Ok(())
}

/// A preview looks only at what learning reaches: that says the same as going through all violations.
#[test]
fn a_preview_of_what_is_reached_is_that_of_all() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    for name in ["new-function", "new-range", "unauthorised-write", "write-burst", "rhythm", "value-outside-range"] {
        replay(&store, false, name)?;
    }
    for name in ["dnp3-rogue-control", "dnp3-new-object", "dnp3-value-outside-range", "s7-download", "port-scan"] {
        replay(&store, false, name)?;
    }
    let known = alerts(&store)?;
    // Something is allowed already, exactly and more widely.
    for (alert, scope) in of_type(&known, "modbus-range-not-learned").iter().take(2).zip(["exact", "client"]) {
        act(&store, &["learn", id(alert)?, "--scope", scope])?;
    }
    let reader = Reader::open(&store)?;
    let config = EngineConfig::default();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in alerts(&store)? {
        for scope in Scope::ALL {
            let asked = [NewCommand {
                alert: Some(id(&alert)?.to_owned()),
                action: Action::Learn(Learn { scope, span: None }),
                who: "anna".to_owned(),
                why: String::new(),
                wall_time: Timestamp(0),
            }];
            let reached = preview(&reader, &config, &asked, None)?;
            ensure!(reached == preview_of_all(&reader, &config, &asked)?, "{scope:?}: {alert}");
            *told.entry(scope.as_str()).or_default() += reached.hidden.len();
        }
    }
    ensure!(told.values().all(|&hidden| hidden > 0) && told["server"] > told["exact"], "{told:?}");
    Ok(())
}

#[test]
fn learned_for_a_time_speaks_again_after_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    replay(&store, false, "new-function")?;
    let raised = alerts(&store)?;
    let first: Vec<String> = of_type(&raised, "modbus-function-not-learned")
        .iter()
        .filter_map(|alert| id(alert).ok().map(str::to_owned))
        .collect();
    assert!(!first.is_empty());
    for alert in &first {
        act(&store, &["learn", "--scope", "server", "--for", "1d", alert])?;
    }
    let count =
        |store: &Path| Ok::<usize, anyhow::Error>(of_type(&alerts(store)?, "modbus-function-not-learned").len());
    operational(&store, &later(directory.path(), "new-function", 12 * 3_600)?)?;
    assert_eq!(count(&store)?, first.len(), "silent within the day");
    operational(&store, &later(directory.path(), "new-function", 30 * 3_600)?)?;
    assert_eq!(count(&store)?, 2 * first.len(), "told again after it");
    let shown = succeed(sensor().args(["alerts", "show", first.first().context("none")?, "--store"]).arg(&store))?;
    assert!(shown.contains("learning-ended") && shown.contains("sensor"), "{shown}");
    Ok(())
}

#[test]
fn an_act_on_many_is_one_act() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    operational(&store, &fixture("new-function"))?;
    let all = alerts(&store)?;
    assert!(all.len() > 2);
    // Neither ids nor a filter; both.
    for wrong in [&["alerts", "close"][..], &["alerts", "close", "abcd", "--type", "port-scan"]] {
        let output = run(sensor().args(wrong).arg("--store").arg(&store))?;
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let said = succeed(sensor().args(["alerts", "close", "--status", "new", "--dry-run", "--store"]).arg(&store))?;
    assert!(said.contains(&format!("would be closed: {} alert", all.len())), "{said}");
    assert!(alerts(&store)?.iter().all(|alert| alert.get("status").and_then(Value::as_str) == Some("new")));
    act(&store, &["close", "--status", "new", "--yes"])?;
    for alert in &all {
        let shown = lines(sensor().args(["alerts", "show", "--json", id(alert)?, "--store"]).arg(&store))?;
        let history = shown.first().and_then(|story| story.get("history")).and_then(Value::as_array).context("none")?;
        assert_eq!(history.len(), 1, "{history:?}");
        assert_eq!(history[0].get("who").and_then(Value::as_str), Some("anna"));
    }
    // What is closed already is left out.
    let output = run(sensor().args(["alerts", "close", "--status", "closed", "--store"]).arg(&store))?;
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

#[test]
fn alerts_close_and_go_with_time() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    operational(&store, &fixture("new-function"))?;
    let first = counts(&store)?;
    // Other traffic, 100 days later: what did not recur is closed, and the history says so.
    operational(&store, &later(directory.path(), "exceptions", 100 * 86_400)?)?;
    let now = alerts(&store)?;
    let closed: Vec<&Value> =
        now.iter().filter(|alert| alert.get("status").and_then(Value::as_str) == Some("closed")).collect();
    assert!(!closed.is_empty());
    for alert in &closed {
        assert!(first.contains_key(id(alert)?));
        let shown = succeed(sensor().args(["alerts", "show", id(alert)?, "--store"]).arg(&store))?;
        assert!(shown.contains("no recurrence for 90 days"), "{shown}");
    }
    // Another 100 days later they are gone; the ids of what is opened anew go on.
    let gone: Vec<String> = closed.iter().filter_map(|alert| id(alert).ok().map(str::to_owned)).collect();
    operational(&store, &later(directory.path(), "exceptions", 200 * 86_400)?)?;
    let now = counts(&store)?;
    assert!(gone.iter().all(|id| !now.contains_key(id)), "{gone:?}");
    operational(&store, &later(directory.path(), "new-function", 201 * 86_400)?)?;
    assert!(gone.iter().all(|id| !counts(&store).unwrap_or_default().contains_key(id)));
    Ok(())
}

#[test]
fn an_entry_that_is_taken_back_is_told_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    replay(&store, false, "benign-polling")?;
    let quiet = counts(&store)?;
    let entries = lines(sensor().args(["baseline", "list", "--kind", "function", "--json", "--store"]).arg(&store))?;
    let numbers: Vec<String> = entries.iter().take(10).map(|entry| entry["entry_id"].to_string()).collect();
    ensure!(!numbers.is_empty());
    let baseline = |verb: &str, arguments: &[&str]| {
        run(sensor()
            .args(["baseline", verb])
            .args(arguments)
            .args(&numbers)
            .args(["--who", "anna", "--store"])
            .arg(&store))
    };
    // What is not there, or was said wrong, changes nothing.
    let before = ot_store::dump(&store)?;
    let missing = run(sensor().args(["baseline", "remove", "999999", "--store"]).arg(&store))?;
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert_eq!(baseline("expire", &[])?.status.code(), Some(2));
    assert_eq!(baseline("expire", &["--never", "--for", "1d"])?.status.code(), Some(2));
    assert_eq!(before, ot_store::dump(&store)?);
    // Taken back, the same traffic is told.
    let removed = baseline("remove", &["--why", "reviewed"])?;
    let text = String::from_utf8(removed.stdout)?;
    ensure!(removed.status.success() && text.contains("no longer allowed") && text.contains("baseline undo"), "{text}");
    assert_eq!(baseline("remove", &[])?.status.code(), Some(1));
    replay(&store, false, "benign-polling")?;
    ensure!(!of_type(&alerts(&store)?, "modbus-function-not-learned").is_empty(), "{:?}", counts(&store)?);
    let told = counts(&store)?;
    // Undone, it is silent; with an end, until then.
    let acts = lines(sensor().args(["baseline", "undo", "--json", "--store"]).arg(&store))?;
    let act = acts.first().context("no act")?;
    assert!(act["what"].as_str().is_some_and(|what| what.starts_with("took back entr")), "{act}");
    assert_eq!((&act["why"], act["entries"].as_u64()), (&Value::from("reviewed"), Some(numbers.len() as u64)));
    succeed(sensor().args(["baseline", "undo", &act["act"].to_string(), "--store"]).arg(&store))?;
    replay(&store, false, "benign-polling")?;
    assert_eq!(told, counts(&store)?);
    assert!(quiet.len() < told.len());
    succeed(sensor().args(["baseline", "expire", "--for", "1d"]).args(&numbers).arg("--store").arg(&store))?;
    operational(&store, &later(directory.path(), "benign-polling", 3_600)?)?;
    assert_eq!(told, counts(&store)?);
    operational(&store, &later(directory.path(), "benign-polling", 2 * 86_400)?)?;
    assert_ne!(told, counts(&store)?);
    Ok(())
}

#[test]
fn an_exported_baseline_comes_back() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, true, "benign-polling")?;
    replay(&store, false, "new-function")?;
    let raised = alerts(&store)?;
    let alert = of_type(&raised, "modbus-function-not-learned");
    act(&store, &["learn", "--scope", "subnet", "--for", "400d", id(alert.first().context("nothing raised")?)?])?;
    let export = || succeed(sensor().args(["baseline", "export", "--store"]).arg(&store));
    let before = export()?;
    assert!(before.contains("scope=subnet network=") && before.contains("expires="), "{before}");
    let file = directory.path().join("baseline.txt");
    std::fs::write(&file, &before)?;
    succeed(sensor().args(["baseline", "reset", "--all", "--store"]).arg(&store))?;
    let import = |extra: &[&str]| {
        run(sensor().args(["baseline", "import"]).arg(&file).args(extra).args(["--who", "anna", "--store"]).arg(&store))
    };
    let empty = ot_store::dump(&store)?;
    assert!(import(&["--dry-run"])?.status.success());
    assert_eq!(empty, ot_store::dump(&store)?, "a dry run changes nothing");
    assert!(import(&[])?.status.success());
    assert_eq!(before, export()?);
    // What is imported is allowed: the same traffic is silent, as it was.
    let quiet = counts(&store)?;
    replay(&store, false, "benign-polling")?;
    assert_eq!(quiet, counts(&store)?);
    // Once more there is nothing to do; taken back it is gone.
    assert!(import(&[])?.status.success());
    let acts = lines(sensor().args(["baseline", "undo", "--json", "--store"]).arg(&store))?;
    let number = acts.first().and_then(|act| act.get("act")).and_then(Value::as_u64).context("no act")?;
    succeed(sensor().args(["baseline", "undo", &number.to_string(), "--store"]).arg(&store))?;
    assert_eq!(run(sensor().args(["baseline", "export", "--store"]).arg(&store))?.status.code(), Some(1));

    // What cannot be is told by line and reason, and then nothing is imported.
    std::fs::write(
        &file,
        "# ot-sensor baseline, format 1\ndevice server=10.20.0.20\nfunction server=192.0.2.77 function=3\n\
         connection server=10.20.0.11 client=10.20.0.20 protocol=tcp port=99999\nrhythm server=10.20.0.11 every=often\n\
         device scope=subnet\n",
    )?;
    let output = import(&[])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for problem in [
        "line 3: no device is known as \"192.0.2.77\"",
        "line 4: port \"99999\" is no number that fits",
        "line 5: every \"often\" is no interval",
        "line 6: an entry of kind device and scope subnet needs network",
        "nothing was changed",
    ] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
    assert!(import(&["--partial"])?.status.success());
    assert_eq!(export()?, "# ot-sensor baseline, format 1\ndevice server=10.20.0.20\n");
    Ok(())
}

#[test]
fn alerts_and_violations_go_to_a_spreadsheet() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    operational(&store, &fixture("new-function"))?;
    let all = alerts(&store)?;
    let csv = succeed(sensor().args(["alerts", "list", "--csv", "--store"]).arg(&store))?;
    assert_eq!(csv.matches("\r\n").count(), all.len() + 1);
    assert!(csv.starts_with("id,type,title,"));
    for alert in &all {
        let rows = succeed(sensor().args(["alerts", "violations", id(alert)?, "--csv", "--store"]).arg(&store))?;
        let count = alert.get("count").and_then(Value::as_u64).context("no count")?;
        assert!(rows.starts_with("number,first_seen,") && rows.lines().count() > 1 && count > 0, "{rows}");
    }
    Ok(())
}

#[test]
fn learning_is_told_and_starts_anew_for_one_device() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    let config = directory.path().join("ot-sensor.toml");
    std::fs::write(
        &config,
        "[learning]\nfor = \"30d\"\nends = \"novelty\"\nnovelty_entries = 1000\nnovelty_within = \"5m\"\n\
         skip = [\"multicast-not-learned\"]\nnew_device = \"2h\"\n",
    )?;
    let status = |store: &Path| -> Result<Value> {
        let shown = lines(sensor().args(["learning", "--json", "--config"]).arg(&config).arg("--store").arg(store))?;
        shown.into_iter().next().context("nothing told")
    };
    // Little new comes: learning ends long before its 30 days.
    succeed(
        sensor()
            .args(["replay", "--quiet", "--config"])
            .arg(&config)
            .arg("--store")
            .arg(&store)
            .arg(fixture("benign-polling")),
    )?;
    let told = status(&store)?;
    assert_eq!(told.get("mode").and_then(Value::as_str), Some("operational"), "{told}");
    assert!(told.get("entries").and_then(Value::as_u64) > Some(10), "{told}");
    let events = succeed(sensor().args(["events", "list", "--kind", "learning-ended", "--store"]).arg(&store))?;
    assert!(events.contains("which is little enough"), "{events}");

    // One device anew: what is asked of it is learned, and not told.
    let copy = directory.path().join("copy.db");
    std::fs::copy(&store, &copy)?;
    operational(&copy, &fixture("new-function"))?;
    let functions = of_type(&alerts(&copy)?, "modbus-function-not-learned").len();
    assert!(functions > 0);
    let said = succeed(
        sensor()
            .args(["baseline", "reset", "--device", "10.20.0.11", "--learn-for", "400d", "--who", "anna", "--store"])
            .arg(&store),
    )?;
    assert!(said.contains("learning until"), "{said}");
    let told = status(&store)?;
    assert_eq!(told.get("devices").and_then(Value::as_array).map(Vec::len), Some(1), "{told}");
    operational(&store, &fixture("new-function"))?;
    assert!(of_type(&alerts(&store)?, "modbus-function-not-learned").is_empty());
    let stats = succeed(sensor().args(["stats", "--store"]).arg(&store))?;
    assert!(stats.contains("1 device on their own"), "{stats}");
    Ok(())
}
