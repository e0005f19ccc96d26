//! What the sensor must say of each fixture.

use anyhow::{Result, bail};
use ot_tests::evidence::Sources;
use ot_tests::sensor::{alerts, capture, fixtures, lines, root, run, sensor, succeed};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// How long the benign capture is learned from.
const LEARN: &str = "11m";

/// `ot-sensor replay` with the configuration of a fixture, where it has one.
fn replayer(folder: &Path, expected: &toml::Table, store: &Path) -> Command {
    let mut command = sensor();
    command.args(["replay", "--quiet", "--store"]).arg(store);
    if let Some(config) = expected.get("config").and_then(toml::Value::as_str) {
        command.arg("--config").arg(folder.join(config));
    }
    command
}

fn replay(folder: &Path, expected: &toml::Table, store: &Path) -> Result<()> {
    if let Some(learn) = expected.get("learn").and_then(toml::Value::as_str) {
        succeed(replayer(folder, expected, store).args(["--learn-for", LEARN]).arg(folder.join(learn)))?;
        // What is learned is learned: the attack meets an operational sensor.
        succeed(replayer(folder, expected, store).arg("--operational").arg(capture(folder, expected)))?;
    } else {
        let learning = expected.get("learning").and_then(toml::Value::as_bool) == Some(true);
        let learn: &[&str] = if learning { &["--learn-for", LEARN] } else { &[] };
        succeed(replayer(folder, expected, store).args(learn).arg(capture(folder, expected)))?;
    }
    Ok(())
}

/// The strings of a list in what a fixture expects.
fn list<'a>(expected: &'a toml::Table, table: &str, key: &str) -> Vec<&'a str> {
    let list = expected.get(table).and_then(|table| table.get(key)).and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(toml::Value::as_str).collect()
}

/// The alerts that a fixture wants.
fn wanted(expected: &toml::Table) -> impl Iterator<Item = &toml::Table> {
    expected.get("alert").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table)
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

/// What the inventory says otherwise than it must of a device: `name`, `role`, a value among its identities.
fn device_fault(store: &Path, wanted: &toml::Table) -> Result<Option<String>> {
    let field = |name: &str| wanted.get(name).and_then(toml::Value::as_str);
    let all = lines(sensor().args(["devices", "list", "--json", "--store"]).arg(store))?;
    let is = |device: &&Value| {
        let ips = device.get("ips").and_then(Value::as_array);
        field("ip").is_some_and(|ip| ips.is_some_and(|ips| ips.iter().any(|known| known.as_str() == Some(ip))))
            || field("mac").is_some_and(|mac| text(device, &["mac"]) == Some(mac))
    };
    let Some(device) = all.iter().find(is) else { return Ok(Some(format!("no device {wanted}"))) };
    let id = device.get("device_id").map(Value::to_string).unwrap_or_default();
    let whole = lines(sensor().args(["devices", "show", &id, "--json", "--store"]).arg(store))?;
    let told = whole.iter().any(|device| {
        let identities = device.get("identities").and_then(Value::as_array);
        identities.into_iter().flatten().any(|one| text(one, &["value"]) == field("identity"))
    });
    let same = |name: &str| field(name).is_none_or(|value| text(device, &[name]) == Some(value));
    let good = same("name") && same("role") && (field("identity").is_none() || told);
    Ok((!good).then(|| format!("device is not as expected: {wanted}\n  is: {device}")))
}

#[test]
fn each_fixture_raises_what_it_should_and_nothing_else() -> Result<()> {
    let mut faults = Vec::new();
    let mut packets = Sources::default();
    for (folder, expected) in fixtures(".")? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = tempfile::tempdir()?;
        let store = directory.path().join("store.db");
        replay(&folder, &expected, &store)?;
        faults.extend(packets.faults(&store)?.into_iter().map(|fault| format!("{name}: {fault}")));
        let raised = alerts(&store)?;
        let types: Vec<&str> = raised.iter().filter_map(|alert| text(alert, &["type"])).collect();
        for wanted in wanted(&expected) {
            if !raised.iter().any(|alert| matches(alert, wanted)) {
                faults.push(format!("{name}: not raised: {wanted}\n  raised: {types:?}"));
            }
        }
        for wanted in expected.get("device").and_then(toml::Value::as_array).into_iter().flatten() {
            let Some(wanted) = wanted.as_table() else { bail!("{name}: a device that is no table") };
            faults.extend(device_fault(&store, wanted)?.map(|fault| format!("{name}: {fault}")));
        }
        let absent = list(&expected, "absent", "types");
        let benign = expected.contains_key("benign");
        let allowed = list(&expected, "benign", "allowed");
        for alert in &raised {
            let (Some(kind), told) = (text(alert, &["type"]), text(alert, &["description"]).unwrap_or("")) else {
                bail!("{name}: an alert without a type");
            };
            if absent.contains(&kind) {
                faults.push(format!("{name}: must not be raised: {kind}: {told}"));
            }
            if benign && !allowed.contains(&kind) {
                faults.push(format!("{name}: benign, but: {kind}: {told}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// Whether a fixture would see alerts of a type: it is on by default, or in the configuration of the fixture.
fn enabled(kind: &Value, config: Option<&toml::Table>) -> bool {
    let set = text(kind, &["id"]).and_then(|id| config?.get("alerts")?.get(id)?.get("enabled")?.as_bool());
    set.unwrap_or_else(|| kind.get("default_on").and_then(Value::as_bool) == Some(true))
}

/// The fixtures of an alert type.
struct Coverage {
    id: String,
    engine: String,
    /// Those that it is raised in.
    fires: Vec<String>,
    /// Those that it is not raised in: it is `absent` there, or all is benign. Where the type is off, and where the sensor
    /// still learns, silence shows nothing.
    silent: Vec<String>,
}

/// Each alert type with its fixtures; and names that are no alert type.
fn coverage() -> Result<(Vec<Coverage>, Vec<String>)> {
    let catalogue = lines(sensor().args(["catalogue", "list", "--json"]))?;
    let ids: Vec<&str> = catalogue.iter().filter_map(|kind| text(kind, &["id"])).collect();
    assert!(!ids.is_empty() && ids.len() == catalogue.len(), "a type without an id");
    let mut all = Vec::new();
    let mut faults = Vec::new();
    for (folder, expected) in fixtures(".")? {
        let config: Option<toml::Table> = match expected.get("config").and_then(toml::Value::as_str) {
            Some(name) => Some(std::fs::read_to_string(folder.join(name))?.parse()?),
            None => None,
        };
        let fires = wanted(&expected).map(|alert| alert.get("type").and_then(toml::Value::as_str).unwrap_or_default());
        for kind in fires.chain(list(&expected, "absent", "types")).chain(list(&expected, "benign", "allowed")) {
            if !ids.contains(&kind) {
                faults.push(format!("{}: names {kind:?}, which is no alert type", folder.display()));
            }
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.push((name, expected, config));
    }
    let names = |keep: &dyn Fn(&toml::Table, Option<&toml::Table>) -> bool| -> Vec<String> {
        let kept = all.iter().filter(|(_, expected, config)| keep(expected, config.as_ref()));
        kept.map(|(name, ..)| name.clone()).collect()
    };
    let covered = catalogue
        .iter()
        .zip(&ids)
        .map(|(kind, id)| {
            let fires = |expected: &toml::Table| {
                wanted(expected).any(|alert| alert.get("type").and_then(toml::Value::as_str) == Some(id))
            };
            let silent = |expected: &toml::Table| {
                let benign = expected.contains_key("benign")
                    && expected.contains_key("learn")
                    && !list(expected, "benign", "allowed").contains(id);
                benign || list(expected, "absent", "types").contains(id)
            };
            Coverage {
                id: (*id).to_owned(),
                engine: text(kind, &["engine"]).unwrap_or_default().to_owned(),
                fires: names(&|expected, _| fires(expected)),
                silent: names(&|expected, config| silent(expected) && enabled(kind, config)),
            }
        })
        .collect();
    Ok((covered, faults))
}

#[test]
fn each_alert_type_has_a_fixture_that_fires_and_one_that_does_not() -> Result<()> {
    let (covered, mut faults) = coverage()?;
    for Coverage { id, fires, silent, .. } in covered {
        if fires.is_empty() {
            faults.push(format!("{id}: no fixture that fires: none has an [[alert]] of this type"));
        }
        if silent.is_empty() {
            faults.push(format!("{id}: no fixture that does not fire: none with the type enabled has it in [absent]"));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// `fixtures/COVERAGE.md` shows the same as a table. `OT_UPDATE=1` writes it anew.
#[test]
fn the_table_of_alert_types_and_fixtures_is_up_to_date() -> Result<()> {
    let (covered, _) = coverage()?;
    // A few of each: a fixture more does not change the table of types that are covered already.
    let few = |list: &[String]| match list {
        [] => "**none**".to_owned(),
        [first @ .., _] if first.len() >= 3 => format!("{}, …", list[..3].join(", ")),
        _ => list.join(", "),
    };
    let mut table = "# Alert types and fixtures\n\n\
        Each alert type with fixtures that must raise it, and with fixtures that must not although the type is on there: the \
        first three in order of name.\nMade from the catalogue and each `expected.toml`; a test fails when it is out of date. \
        Anew:\n\n    OT_UPDATE=1 cargo test --release -p ot-tests --test fixtures the_table\n\n\
        | Alert type | Engine | Raised in | Not raised in |\n|---|---|---|---|\n"
        .to_owned();
    for Coverage { id, engine, fires, silent } in &covered {
        table.push_str(&format!("| `{id}` | {engine} | {} | {} |\n", few(fires), few(silent)));
    }
    let path = root().join("fixtures/COVERAGE.md");
    if std::env::var_os("OT_UPDATE").is_some() {
        std::fs::write(&path, &table)?;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == table,
        "fixtures/COVERAGE.md is out of date; write it anew: \
         OT_UPDATE=1 cargo test --release -p ot-tests --test fixtures the_table"
    );
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
