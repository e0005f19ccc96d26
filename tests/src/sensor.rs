//! The sensor as a person runs it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// The folder of captures beside the project, where there is one.
pub fn corpus() -> Option<PathBuf> {
    std::env::var_os("OT_SENSOR_CORPUS").map(PathBuf::from).filter(|folder| folder.is_dir())
}

/// A binary of the release build; `variable` names another.
fn binary(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| root().join("target/release").join(name), PathBuf::from)
}

/// The command `ot-sensor`.
pub fn sensor() -> Command {
    Command::new(binary("OT_SENSOR", "ot-sensor"))
}

/// The command `make-capture`.
pub fn make_capture() -> Command {
    Command::new(binary("OT_MAKE_CAPTURE", "make-capture"))
}

/// Runs a command to its end.
///
/// # Errors
/// Where it cannot be started.
pub fn run(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot run {command:?}; build it with deploy/test"))
}

/// Runs a command that must succeed and gives what it printed.
///
/// # Errors
/// Where it fails; with what it said.
pub fn succeed(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a query that prints one JSON object a line; nothing found (exit code 1) is an empty list.
///
/// # Errors
/// Where it fails or prints something else.
pub fn lines(command: &mut Command) -> Result<Vec<Value>> {
    let output = run(command)?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
        .collect()
}

/// All alerts of a store.
///
/// # Errors
/// As [`lines`].
pub fn alerts(store: &Path) -> Result<Vec<Value>> {
    lines(sensor().args(["alerts", "list", "--json", "--store"]).arg(store))
}

/// The folders of fixtures that say what is expected, in order, with that text.
///
/// # Errors
/// Where a folder cannot be read or its expectations are no TOML.
pub fn fixtures(below: &str) -> Result<Vec<(PathBuf, toml::Table)>> {
    let folder = root().join("fixtures").join(below);
    let mut list = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let file = path.join("expected.toml");
        if file.is_file() {
            let text = std::fs::read_to_string(&file)?;
            list.push((path, text.parse().with_context(|| format!("{} is no TOML", file.display()))?));
        }
    }
    list.sort_by(|a, b| a.0.cmp(&b.0));
    ensure!(!list.is_empty(), "no fixtures in {}", folder.display());
    Ok(list)
}

/// The capture of a fixture.
pub fn capture(folder: &Path, expected: &toml::Table) -> PathBuf {
    let named = expected.get("file").and_then(toml::Value::as_str);
    let first =
        ["capture.pcap.zst", "capture.pcap", "capture.pcapng"].into_iter().find(|name| folder.join(name).is_file());
    folder.join(named.or(first).unwrap_or("capture.pcap"))
}
