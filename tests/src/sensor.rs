//! The sensor as a person runs it.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

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

/// What the kernel tells of a process: the value behind a name in its status.
///
/// # Errors
/// Where it has ended.
pub fn status(pid: u32, name: &str) -> Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned()).with_context(|| format!("no {name} of process {pid}"))
}

/// The processes that a process has started and that have not ended.
pub fn children(pid: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |child: &u32| {
        status(*child, "PPid").is_ok_and(|parent| parent == pid.to_string())
            && status(*child, "State").is_ok_and(|state| !state.starts_with('Z'))
    };
    numbers.filter(is_child).collect()
}

/// Sends a signal to a process.
///
/// # Errors
/// Where it has ended.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process")?;
    kill_process(pid, signal).context("cannot send a signal")
}

/// Ends a sensor that runs as a power cut does: both of its processes at once. Exit code; `None` where the signal ended it.
///
/// # Errors
/// Where a process does not end.
pub fn cut_off(sensor: &mut Child) -> Result<Option<i32>> {
    // The one that was started must not see the other end.
    let _ = signal(sensor.id(), Signal::STOP);
    let others = children(sensor.id());
    for pid in others.iter().copied().chain([sensor.id()]) {
        let _ = signal(pid, Signal::KILL);
    }
    let status = sensor.wait()?;
    let began = Instant::now();
    let runs = |pid: &u32| self::status(*pid, "State").is_ok_and(|state| !state.starts_with('Z'));
    while others.iter().any(runs) {
        ensure!(began.elapsed() < Duration::from_secs(30), "{others:?} have not ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(status.code())
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
