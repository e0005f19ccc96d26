//! Indicator lists, from a file to the alert.

use anyhow::Result;
use ot_tests::sensor::{alerts, root, run, sensor, succeed};
use serde_json::Value;
use std::path::Path;

/// What is told by the alerts of contact with a listed address, after a replay into this store.
fn contacts(store: &Path) -> Result<Vec<String>> {
    let capture = root().join("fixtures/listed-address/capture.pcap.zst");
    succeed(sensor().args(["replay", "--quiet", "--operational", "--store"]).arg(store).arg(capture))?;
    let of = |alert: &Value| {
        let kind = alert.get("type").and_then(Value::as_str) == Some("malicious-address");
        kind.then(|| alert.get("description").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    Ok(alerts(store)?.iter().filter_map(of).collect())
}

#[test]
fn an_imported_list_is_asked_and_a_removed_one_is_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let list = root().join("fixtures/listed-address/indicators.csv");
    let store = folder.path().join("a.db");
    let said =
        succeed(sensor().args(["indicators", "import"]).arg(&list).args(["--name", "feed", "--store"]).arg(&store))?;
    assert!(said.starts_with("list feed: 2 addresses, 1 networks, 1 domains imported; 0 not taken"), "{said}");
    let found = contacts(&store)?;
    assert!(found.iter().any(|what| what.contains("tried to contact 93.184.215.14")), "{found:?}");
    assert!(found.iter().any(|what| what.contains("tried to contact 93.184.215.99")), "{found:?}");
    assert!(found.iter().any(|what| what.contains("c2.bad.example")), "{found:?}");
    // Expired the day before: nothing is told of the controller.
    assert!(found.iter().all(|what| !what.contains("10.20.0.11")), "{found:?}");

    let check = |value: &str| run(sensor().args(["indicators", "check", value, "--store"]).arg(&store));
    assert_eq!(check("93.184.215.7")?.status.code(), Some(0));
    assert_eq!(check("a.bad.example")?.status.code(), Some(0));
    assert_eq!(check("198.51.100.1")?.status.code(), Some(1));
    assert_eq!(check("no such thing")?.status.code(), Some(2));

    let other = folder.path().join("b.db");
    succeed(sensor().args(["indicators", "import"]).arg(&list).arg("--store").arg(&other))?;
    succeed(sensor().args(["indicators", "remove", "indicators", "--store"]).arg(&other))?;
    assert_eq!(contacts(&other)?, Vec::<String>::new());
    Ok(())
}
