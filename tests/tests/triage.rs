//! Learn, mute, close, and take it back.

use anyhow::{Context as _, Result};
use ot_tests::sensor::{alerts, root, run, sensor, succeed};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name).join("capture.pcap.zst")
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
