//! Maintenance windows: planned by people and by the configuration, marked on alerts, compared with the work seen, and the
//! same after kills.

use anyhow::{Context as _, Result};
use ot_tests::sensor::{alerts, lines, root, run, sensor, succeed};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name).join("capture.pcap.zst")
}

/// The plant as it was learned.
fn learned(store: &Path) -> Result<()> {
    let start = ["replay", "--quiet", "--learn-for", "11m", "--store"];
    succeed(sensor().args(start).arg(store).arg(fixture("s7-benign-polling"))).map(drop)
}

fn replay(store: &Path, name: &str, more: &[&str]) -> Result<()> {
    let start = ["replay", "--quiet", "--operational", "--store"];
    succeed(sensor().args(start).arg(store).arg(fixture(name)).args(more)).map(drop)
}

/// What a download of a program to a controller was: device, client, and the seconds around it.
struct Download {
    device: String,
    client: String,
    first: i64,
    last: i64,
}

fn seconds(time: &str) -> Result<i64> {
    let time: jiff::Timestamp = time.parse()?;
    Ok(time.as_second())
}

fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str> {
    value.pointer(path).and_then(Value::as_str).with_context(|| format!("no {path} in {value}"))
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_default()
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Looks at the capture once, in a store of its own.
fn download(folder: &Path) -> Result<Download> {
    let store = folder.join("look.db");
    learned(&store)?;
    replay(&store, "s7-download", &[])?;
    for device in lines(sensor().args(["devices", "list", "--json", "--store"]).arg(&store))? {
        let Some(ip) = device.pointer("/ips/0").and_then(Value::as_str) else { continue };
        let journal = lines(sensor().args(["devices", "journal", ip, "--json", "--store"]).arg(&store))?;
        let loads = |work: &&Value| work.get("operation") == Some(&"program-write".into());
        let Some(load) = journal.iter().find(loads) else { continue };
        let client = text(load, "/actor/ip")?;
        let own = journal.iter().filter(|work| text(work, "/actor/ip").is_ok_and(|ip| ip == client));
        let first = own.clone().filter_map(|work| work.get("first_seen")?.as_str()).min().context("no time")?;
        let last = own.filter_map(|work| work.get("last_seen")?.as_str()).max().context("no time")?;
        return Ok(Download {
            device: ip.to_owned(),
            client: client.to_owned(),
            first: seconds(first)?,
            last: seconds(last)?,
        });
    }
    anyhow::bail!("nobody loaded a program")
}

fn add(store: &Path, ticket: &str, arguments: &[&str]) -> Result<String> {
    let who = ["--who", "anna", "--why", "work order"];
    succeed(sensor().args(["maintenance", "add", ticket]).args(arguments).args(who).arg("--store").arg(store))
}

fn report(store: &Path, ticket: &str) -> Result<Value> {
    let found = lines(sensor().args(["maintenance", "report", ticket, "--json", "--store"]).arg(store))?;
    found.into_iter().next().context("no report")
}

fn filtered(store: &Path, filter: &[&str]) -> Result<Vec<Value>> {
    lines(sensor().args(["alerts", "list", "--json"]).args(filter).arg("--store").arg(store))
}

/// `alerts show` as one line.
fn story_of(store: &Path, id: &str) -> Result<String> {
    let story = succeed(sensor().args(["alerts", "show", id, "--store"]).arg(store))?;
    Ok(story.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn planned_work_is_marked_as_expected_and_reported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Download { device, client, first, last } = download(folder.path())?;
    let store = folder.path().join("store.db");
    learned(&store)?;
    let (start, end) = ((first - 120).to_string(), (last + 60).to_string());
    let note = "new recipe on press 3";
    let said = add(
        &store,
        "CHG-4711",
        &["--device", &device, "--by", &client, "--start", &start, "--end", &end, "--note", note],
    )?;
    assert!(said.contains("planned: CHG-4711"), "{said}");
    replay(&store, "s7-download", &[])?;

    let expected = filtered(&store, &["--expected"])?;
    assert!(!expected.is_empty());
    for alert in &expected {
        assert_eq!(alert.get("tickets"), Some(&serde_json::json!(["CHG-4711"])), "{alert}");
        assert_eq!(number(alert, "/expected_count"), number(alert, "/count"), "{alert}");
        let mut peers = [text(alert, "/source/ip"), text(alert, "/destination/ip")].into_iter().flatten();
        assert!(peers.any(|ip| ip == device || ip == client), "{alert}");
    }
    assert!(
        expected.iter().any(|alert| text(alert, "/type").is_ok_and(|kind| kind.contains("program"))),
        "{expected:?}"
    );
    let all = alerts(&store)?;
    let others = filtered(&store, &["--not-expected"])?;
    assert_eq!(all.len(), expected.len() + others.len());
    assert_eq!(filtered(&store, &["--ticket", "CHG-4711"])?.len(), expected.len());
    assert!(others.iter().all(|alert| alert.get("expected") == Some(&false.into())));

    let id = text(&expected[0], "/id")?;
    let story = story_of(&store, id)?;
    assert!(story.contains("Expected: maintenance CHG-4711 (planned by anna"), "{story}");
    assert!(story.contains(note) && story.contains("detected within maintenance CHG-4711"), "{story}");
    let timeline = succeed(sensor().args(["events", "list", "--store"]).arg(&store))?;
    assert!(timeline.contains("Maintenance CHG-4711 (window 1) planned by anna"), "{timeline}");
    assert!(timeline.contains("(expected, CHG-4711)"), "{timeline}");

    let seen = report(&store, "CHG-4711")?;
    assert_eq!(seen.get("result"), Some(&"as-planned".into()), "{seen}");
    let work = list(&seen, "/planned_work");
    let loaded =
        work.iter().find(|work| work.get("operation") == Some(&"program-write".into())).context("no download")?;
    assert_eq!((text(loaded, "/device/ip")?, text(loaded, "/actor/ip")?), (device.as_str(), client.as_str()));
    assert!(number(loaded, "/accepted") > 0, "{loaded}");
    assert_eq!(number(&seen, "/alerts/expected"), expected.len() as u64);
    assert!(list(&seen, "/unplanned_work").is_empty() && list(&seen, "/work_around").is_empty(), "{seen}");
    let words = succeed(sensor().args(["maintenance", "report", "--store"]).arg(&store))?;
    assert!(words.contains("program loaded (program-write)") && words.contains("as planned"), "{words}");

    // Removed, it stays in the record and on the alerts, and the same again is not expected.
    let remove = ["maintenance", "remove", "CHG-4711", "--who", "bob", "--why", "put off", "--store"];
    assert!(succeed(sensor().args(remove).arg(&store))?.contains("removed: CHG-4711"));
    assert_eq!(filtered(&store, &["--expected"])?.len(), expected.len());
    replay(&store, "s7-download", &[])?;
    let after = filtered(&store, &["--expected"])?;
    assert!(after.len() < expected.len(), "{after:?}");
    let story = story_of(&store, id)?;
    assert!(story.contains("Partly expected") && story.contains("not-expected"), "{story}");
    assert!(run(sensor().args(remove).arg(&store))?.status.code() == Some(1));
    Ok(())
}

#[test]
fn work_that_is_not_planned_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Download { device, client, first, last } = download(folder.path())?;
    let (start, end) = ((first - 60).to_string(), (last + 60).to_string());
    let ended = (first - 30).to_string();
    let store = folder.path().join("store.db");
    learned(&store)?;
    let window = ["--device", &device, "--start", &start, "--end", &end];
    add(&store, "OTHERS", &[&window[..], &["--by", "10.99.0.1"]].concat())?;
    add(&store, "KINDS", &[&window[..], &["--kind", "time-set"]].concat())?;
    add(&store, "BEFORE", &["--device", &device, "--start", &start, "--end", &ended])?;
    let said = add(&store, "NOBODY", &["--device", "10.99.0.2", "--start", &start, "--end", &end])?;
    assert!(said.contains("no device was seen at 10.99.0.2 so far"), "{said}");
    replay(&store, "s7-download", &[])?;

    for alert in filtered(&store, &["--ticket", "OTHERS"])? {
        assert!(text(&alert, "/source/ip").is_err() || alert.get("source") == Some(&Value::Null), "{alert}");
    }
    let others = report(&store, "OTHERS")?;
    assert_eq!(others.get("result"), Some(&"differs".into()));
    let reasons = |report: &Value| -> Vec<String> {
        list(report, "/unplanned_work")
            .iter()
            .filter_map(|work| Some(work.get("reason")?.as_str()?.to_owned()))
            .collect()
    };
    assert!(reasons(&others).contains(&"the client is not planned".to_owned()), "{others}");
    let actors = list(&others, "/unplanned_work").iter().filter_map(|work| text(work, "/actor/ip").ok());
    assert!(actors.into_iter().any(|ip| ip == client));
    assert!(number(&others, "/alerts/not_expected") > 0, "{others}");
    let kinds = report(&store, "KINDS")?;
    assert!(reasons(&kinds).contains(&"the kind is not planned".to_owned()), "{kinds}");
    let before = report(&store, "BEFORE")?;
    assert!(!list(&before, "/work_around").is_empty() && list(&before, "/planned_work").is_empty(), "{before}");
    let nobody = report(&store, "NOBODY")?;
    assert_eq!(nobody.get("result"), Some(&"nothing-seen".into()));
    assert_eq!(nobody.get("unknown_devices"), Some(&serde_json::json!(["10.99.0.2"])));
    Ok(())
}

#[test]
fn what_cannot_be_planned_is_refused_with_the_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, "benign-polling", &[])?;
    succeed(sensor().args(["devices", "set", "1", "--name", "Press 3", "--tag", "line-3", "--store"]).arg(&store))?;
    let times = ["--start", "2026-01-01T00:00:00Z", "--for", "4h"];
    add(&store, "CHG-1", &[&["--device", "press 3"][..], &times].concat())?;
    let planned = lines(sensor().args(["maintenance", "list", "--json", "--store"]).arg(&store))?;
    assert_eq!(planned[0].get("devices"), Some(&serde_json::json!(["device:press 3"])), "{planned:?}");
    for (ticket, arguments, code, wanted) in [
        ("CHG-1", &[&["--device", "1"][..], &times].concat()[..], 1, "overlaps"),
        ("CHG-2", &[&["--device", "Pres 3"][..], &times].concat(), 2, "did you mean \"press 3\""),
        ("CHG-2", &[&["--device", "tag:line-4"][..], &times].concat(), 2, "did you mean \"line-3\""),
        ("CHG-2", &[&["--device", "10.0.0.300"][..], &times].concat(), 2, "is no way to name devices"),
        (
            "CHG-2",
            &[&["--device", "1", "--kind", "program-writ"][..], &times].concat(),
            2,
            "did you mean \"program-write\"",
        ),
        ("CHG-2", &["--device", "1", "--start", "100", "--end", "50"], 2, "is not after the start"),
        ("CHG-2", &["--device", "1", "--start", "100.5", "--end", "200"], 2, "whole seconds"),
        ("CHG 2", &[&["--device", "1"][..], &times].concat(), 2, "is no ticket"),
    ] {
        let output = run(sensor().args(["maintenance", "add", ticket]).args(arguments).arg("--store").arg(&store))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    let config = folder.path().join("ot-sensor.toml");
    for (text, wanted) in [
        (
            "ticket = 'A'\ndevices = ['10.0.0.1']\nstart = 2026-01-02T00:00:00Z\nend = 2026-01-01T00:00:00Z",
            "not after the start",
        ),
        (
            "ticket = 'A'\ndevices = ['Press 3']\nstart = 2026-01-01T00:00:00Z\nend = 2026-01-02T00:00:00Z",
            "device:NAME",
        ),
        ("ticket = 'A'\ndevices = ['10.0.0.1']\nstart = 2026-01-01T00:00:00\nend = 2026-01-02T00:00:00Z", "is no time"),
        (
            "ticket = 'A'\ndevice = ['10.0.0.1']\nstart = 2026-01-01T00:00:00Z\nend = 2026-01-02T00:00:00Z",
            "did you mean \"devices\"",
        ),
    ] {
        std::fs::write(&config, format!("[[maintenance]]\n{text}\n"))?;
        let output = run(sensor().args(["maintenance", "list", "--config"]).arg(&config).arg("--store").arg(&store))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(wanted), "{text}: {said}");
    }
    Ok(())
}

fn dump(store: &Path) -> Result<Vec<String>> {
    ot_store::dump(store)
        .map(|rows| rows.into_iter().filter(|row| !row.starts_with("run ")).collect())
        .map_err(Into::into)
}

/// What the configuration plans is in the store as what a person plans, the same for any number of workers.
#[test]
fn the_configuration_plans_and_any_number_of_workers_finds_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Download { device, first, last, .. } = download(folder.path())?;
    let config = folder.path().join("ot-sensor.toml");
    let middle = i64::midpoint(first, last);
    let time = |second: i64| jiff::Timestamp::from_second(second).map(|time| time.to_string());
    std::fs::write(
        &config,
        format!(
            "[[maintenance]]\nticket = 'CHG-1'\ndevices = ['{device}']\nstart = {}\nend = {}\nnote = 'first half'\n",
            time(first - 60)?,
            time(middle)?
        ),
    )?;
    let path = config.to_str().context("no text")?;
    let mut known: Option<Vec<String>> = None;
    let base = folder.path().join("base.db");
    learned(&base)?;
    for (at, (workers, batch)) in [("1", "2048"), ("0", "1"), ("3", "64")].into_iter().enumerate() {
        let store = folder.path().join(format!("store-{at}.db"));
        std::fs::copy(&base, &store)?;
        replay(&store, "s7-download", &["--config", path, "--workers", workers, "--batch", batch])?;
        let rows = dump(&store)?;
        let first = known.get_or_insert_with(|| rows.clone());
        assert!(*first == rows, "{workers} workers");
    }
    let rows = known.unwrap_or_default();
    assert!(rows.iter().any(|row| row.starts_with("maintenance ")), "{rows:?}");
    assert!(rows.iter().any(|row| row.starts_with("alert_maintenance ")));
    let store = folder.path().join("store-0.db");
    // Who acts on alerts without the configuration takes nothing out of it; the next run does.
    let id =
        alerts(&store)?.first().and_then(|alert| alert.get("id")?.as_str().map(str::to_owned)).context("no alert")?;
    succeed(sensor().args(["alerts", "close", &id, "--store"]).arg(&store))?;
    let windows =
        |all: &[&str]| lines(sensor().args(["maintenance", "list", "--json"]).args(all).arg("--store").arg(&store));
    assert_eq!(windows(&[])?.len(), 1);
    std::fs::write(&config, "")?;
    replay(&store, "benign-polling", &["--config", path])?;
    let left = windows(&["--all"])?;
    assert_eq!(left.len(), 1);
    assert!(left[0].get("removed").is_some_and(Value::is_string), "{left:?}");
    Ok(())
}

fn field(row: &str, name: &str) -> Option<String> {
    let (_, rest) = row.split_once(&format!(" {name}="))?;
    Some(rest.split(' ').next()?.to_owned())
}

/// Replays that are killed, and windows that people plan and remove meanwhile: what is in the store at the end is what one
/// whole replay puts there, and what people did stands once.
#[test]
fn windows_survive_kills() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let plant = folder.path().join("plant.pcap");
    let mut command = ot_tests::sensor::make_capture();
    succeed(command.arg("plant").arg(&plant).args(["--packets", "3000000", "--servers", "60"]))?;
    let look = folder.path().join("look.db");
    succeed(sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(&look).arg(&plant))?;
    let mut times = Vec::new();
    for alert in alerts(&look)? {
        times.push(seconds(text(&alert, "/first_detection")?)?);
        times.push(seconds(text(&alert, "/last_detection")?)?);
    }
    let (first, last) = (times.iter().min().context("no alert")?, times.iter().max().context("no alert")?);
    let third = (last - first).max(3) / 3;
    let config = folder.path().join("ot-sensor.toml");
    let time = |second: i64| jiff::Timestamp::from_second(second).map(|time| time.to_string());
    std::fs::write(
        &config,
        format!(
            "[[maintenance]]\nticket = 'CHG-1'\ndevices = ['0.0.0.0/1']\nstart = {}\nend = {}\n",
            time(first - 10)?,
            time(first + third)?
        ),
    )?;
    let spawn = |store: &Path| {
        sensor()
            .args(["replay", "--quiet", "--operational", "--config"])
            .arg(&config)
            .arg("--store")
            .arg(store)
            .arg(&plant)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let whole = folder.path().join("whole.db");
    let began = Instant::now();
    assert!(spawn(&whole)?.wait()?.success());
    let length = u64::try_from(began.elapsed().as_millis())?;
    let whole = dump(&whole)?;
    assert!(whole.iter().any(|row| row.starts_with("alert_maintenance ")), "nothing was expected");
    let mut random = ot_tests::frames::Random::new(3);
    let (mut kills, mut resumed) = (0, 0);
    for attempt in 0..40 {
        let store = folder.path().join(format!("killed-{attempt}.db"));
        for _ in 0..3 {
            let mut child = spawn(&store)?;
            std::thread::sleep(Duration::from_millis(random.below(length)));
            let over = child.try_wait()?.is_some();
            child.kill()?;
            child.wait()?;
            if over {
                break;
            }
            kills += 1;
        }
        let runs = lines(sensor().args(["stats", "--json", "--store"]).arg(&store)).unwrap_or_default();
        let states = runs.iter().flat_map(|stats| list(stats, "/runs")).collect::<Vec<_>>();
        // A kill after the end leaves a whole run, and another replay would be a second one.
        if states.iter().any(|run| run.get("state") == Some(&"done".into())) || states.is_empty() {
            continue;
        }
        assert!(spawn(&store)?.wait()?.success());
        let rows = dump(&store)?;
        let at = whole.iter().zip(&rows).position(|(a, b)| a != b);
        assert!(whole == rows, "row {at:?}: {:?} {:?}", at.map(|at| &whole[at]), at.map(|at| &rows[at]));
        resumed += 1;
        if resumed == 2 {
            break;
        }
    }
    assert!(resumed > 0, "{kills} kills, and no run resumed");

    // Now a person plans and removes while it runs and is killed.
    let store = folder.path().join("people.db");
    let (mut added, mut killed) = (0, 0);
    for round in 0..40 {
        let mut child = spawn(&store)?;
        // Within what a whole run took, however fast the machine is.
        let deadline = Instant::now() + Duration::from_millis(length / 4 + random.below(length / 2));
        while Instant::now() < deadline && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis((length / 10).clamp(10, 150)));
            if !store.exists() {
                continue;
            }
            let ticket = format!("P-{round}-{added}");
            let (start, end) = ((first - 10).to_string(), (last + 10).to_string());
            let window = ["--device", "0.0.0.0/0", "--start", &start, "--end", &end, "--store"];
            let done = sensor().args(["maintenance", "add", &ticket]).args(window).arg(&store).output()?;
            added += u32::from(done.status.success());
            if added % 2 == 0 {
                sensor().args(["maintenance", "remove", &ticket, "--store"]).arg(&store).output()?;
            }
        }
        killed += u32::from(child.try_wait()?.is_none());
        child.kill()?;
        child.wait()?;
        if added > 4 && killed > 2 {
            break;
        }
    }
    assert!(added > 4 && killed > 2, "{added} windows, {killed} kills");
    assert!(spawn(&store)?.wait()?.success());
    let rows = ot_store::dump(&store)?;
    let of = |table: &str| rows.iter().filter(|row| row.starts_with(table)).cloned().collect::<Vec<_>>();
    let asked =
        of("command ").iter().filter(|row| row.contains("'maintenance-add'") && row.contains("'applied'")).count();
    let stand = of("maintenance ").iter().filter(|row| row.contains("source='person'")).count();
    assert_eq!(asked, stand, "each that was applied stands once");
    for alert in of("alert ") {
        let number = field(&alert, "number").context("no number")?;
        let marked: u64 = of("alert_maintenance ")
            .iter()
            .filter(|row| field(row, "alert").as_ref() == Some(&number))
            .filter_map(|row| field(row, "count")?.parse::<u64>().ok())
            .sum();
        let told = |name: &str| field(&alert, name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        // More windows than are told with an alert may have come by.
        assert!(marked <= told("expected_count") && told("expected_count") <= told("count"), "{alert}");
        assert_eq!(told("expected") == 1, told("expected_count") == told("count") && told("count") > 0, "{alert}");
    }
    Ok(())
}
