//! What the sensor must say of each fixture.

use anyhow::{Result, bail};
use ot_tests::sensor::{alerts, capture, fixtures, lines, run, sensor, succeed};
use serde_json::Value;
use std::path::Path;

/// How long the benign capture is learned from.
const LEARN: &str = "11m";

fn replay(folder: &Path, expected: &toml::Table, store: &Path) -> Result<()> {
    if let Some(learn) = expected.get("learn").and_then(toml::Value::as_str) {
        succeed(
            sensor().args(["replay", "--quiet", "--learn-for", LEARN, "--store"]).arg(store).arg(folder.join(learn)),
        )?;
        // What is learned is learned: the attack meets an operational sensor.
        succeed(
            sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(store).arg(capture(folder, expected)),
        )?;
    } else {
        let learning = expected.get("learning").and_then(toml::Value::as_bool) == Some(true);
        let learn: &[&str] = if learning { &["--learn-for", LEARN] } else { &[] };
        succeed(
            sensor().args(["replay", "--quiet"]).args(learn).arg("--store").arg(store).arg(capture(folder, expected)),
        )?;
    }
    Ok(())
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str)
}

/// Whether one side of an alert has this address: the single peer, or one of several.
fn has_peer(alert: &Value, one: &str, several: &str, ip: &str) -> bool {
    text(alert, &[one, "ip"]) == Some(ip)
        || alert
            .get(several)
            .and_then(Value::as_array)
            .is_some_and(|peers| peers.iter().any(|peer| text(peer, &["ip"]) == Some(ip)))
}

fn matches(alert: &Value, wanted: &toml::Table) -> bool {
    let field = |name: &str| wanted.get(name).and_then(toml::Value::as_str);
    let techniques: Vec<&str> = wanted
        .get("techniques")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect();
    let told: Vec<&str> =
        alert.get("techniques").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let unit = wanted.get("sub_address").and_then(toml::Value::as_integer);
    text(alert, &["type"]) == field("type")
        && field("source").is_none_or(|ip| has_peer(alert, "source", "sources", ip))
        && field("destination").is_none_or(|ip| has_peer(alert, "destination", "destinations", ip))
        && field("outcome").is_none_or(|outcome| text(alert, &["outcome"]) == Some(outcome))
        && unit.is_none_or(|unit| {
            alert.pointer("/destination/sub_address").is_some_and(|sub| sub.to_string().contains(&unit.to_string()))
        })
        && techniques.iter().all(|id| told.contains(id))
}

#[test]
fn each_fixture_raises_what_it_should_and_nothing_else() -> Result<()> {
    let mut faults = Vec::new();
    for (folder, expected) in fixtures(".")? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = tempfile::tempdir()?;
        let store = directory.path().join("store.db");
        replay(&folder, &expected, &store)?;
        let raised = alerts(&store)?;
        let types: Vec<&str> = raised.iter().filter_map(|alert| text(alert, &["type"])).collect();
        for wanted in expected.get("alert").and_then(toml::Value::as_array).into_iter().flatten() {
            let Some(wanted) = wanted.as_table() else { bail!("{name}: an alert that is no table") };
            if !raised.iter().any(|alert| matches(alert, wanted)) {
                faults.push(format!("{name}: not raised: {wanted}\n  raised: {types:?}"));
            }
        }
        let absent = expected.get("absent").and_then(|absent| absent.get("types")).and_then(toml::Value::as_array);
        for kind in absent.into_iter().flatten().filter_map(toml::Value::as_str) {
            for alert in raised.iter().filter(|alert| text(alert, &["type"]) == Some(kind)) {
                faults.push(format!(
                    "{name}: must not be raised: {kind}: {}",
                    text(alert, &["description"]).unwrap_or("")
                ));
            }
        }
        if let Some(benign) = expected.get("benign") {
            let allowed: Vec<&str> = benign
                .get("allowed")
                .and_then(toml::Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(toml::Value::as_str)
                .collect();
            for alert in
                raised.iter().filter(|alert| text(alert, &["type"]).is_some_and(|kind| !allowed.contains(&kind)))
            {
                faults.push(format!("{name}: benign, but: {}", text(alert, &["description"]).unwrap_or("")));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

#[test]
fn every_message_of_every_format_is_decoded() -> Result<()> {
    let mut faults = Vec::new();
    for below in [".", "formats"] {
        for (folder, expected) in fixtures(below)? {
            let Some(wanted) = expected.get("messages").and_then(toml::Value::as_integer) else { continue };
            let file = capture(&folder, &expected);
            let decoded = lines(sensor().args(["decode", "--json"]).arg(&file))?.len();
            if usize::try_from(wanted).ok() != Some(decoded) {
                faults.push(format!("{}: {decoded} messages, expected {wanted}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn a_cut_capture_is_a_warning_and_the_rest_is_used() -> Result<()> {
    for (folder, expected) in fixtures("formats")? {
        if !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cut-tail")) {
            continue;
        }
        let directory = tempfile::tempdir()?;
        let output = run(sensor()
            .args(["replay", "--quiet", "--store"])
            .arg(directory.path().join("store.db"))
            .arg(capture(&folder, &expected)))?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {said}", folder.display());
        assert!(said.contains("warning"), "{}: no warning: {said}", folder.display());
    }
    Ok(())
}
