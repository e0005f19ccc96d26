//! The lab with a sensor at its mirror port, and a plant in it.

use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::{Lab, SPAN, wait_for};
use ot_tests::sensor::{alerts, lines, sensor, succeed};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far beyond what anything here takes, also on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// What `stats` says.
pub fn stats(store: &Path) -> Result<Value> {
    let lines = lines(sensor().args(["stats", "--json", "--store"]).arg(store))?;
    lines.into_iter().next().context("no statistics")
}

/// A counter of it; 0 where it is not there.
pub fn counter(stats: &Value, id: &str) -> u64 {
    let counters = stats["counters"].as_array().map(Vec::as_slice).unwrap_or_default();
    counters.iter().find(|counter| counter["id"] == id).and_then(|counter| counter["value"].as_u64()).unwrap_or(0)
}

/// Texts of the events that the sensor tells of itself.
pub fn events(store: &Path) -> Result<Vec<String>> {
    let lines = lines(sensor().args(["events", "list", "--kind", "sensor", "--json", "--store"]).arg(store))?;
    Ok(lines.iter().filter_map(|event| event["text"].as_str().map(str::to_owned)).collect())
}

/// Whether the sensors of these tests are two processes, as they are unless `OT_LIVE_SPLIT=no` asks for one.
pub fn split() -> bool {
    std::env::var("OT_LIVE_SPLIT").map_or(true, |wanted| wanted != "no")
}

/// A sensor in a lab.
pub struct Bench {
    pub lab: Lab,
    pub folder: tempfile::TempDir,
    pub store: PathBuf,
}

impl Bench {
    /// Builds the lab; `None` where this machine does not allow it.
    pub fn build() -> Result<Option<Self>> {
        let Some(lab) = Lab::build()? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("live.db");
        Ok(Some(Self { lab, folder, store }))
    }

    /// Where a process writes what it says.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// What a process has said.
    pub fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    /// Starts the sensor and waits until it captures.
    pub fn begin(&mut self, more: &[&str]) -> Result<()> {
        let mut command = self.lab.sensor();
        command.args(["run", "--interface", SPAN, "--sensor-id", "lab", "--store"]).arg(&self.store).args(more);
        if !split() {
            command.arg("--no-split");
        }
        let log = self.log("sensor");
        self.lab.start("sensor", &mut command, &log)?;
        self.until_said("is captured")
    }

    /// Waits until the sensor has said something.
    pub fn until_said(&mut self, what: &str) -> Result<()> {
        let log = self.log("sensor");
        let lab = &mut self.lab;
        wait_for(&format!("the sensor says {what:?}"), LONG, || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            ensure!(lab.process("sensor")?.try_wait()?.is_none(), "the sensor has ended: {said}");
            Ok(said.contains(what).then_some(()))
        })
    }

    /// Waits for an event.
    pub fn until_event(&mut self, what: &str) -> Result<()> {
        let store = &self.store;
        wait_for(&format!("event {what:?}"), LONG, || {
            Ok(events(store)?.iter().any(|text| text.contains(what)).then_some(()))
        })
        .with_context(|| format!("events: {:#?}\nsaid: {}", events(store).unwrap_or_default(), self.said("sensor")))
    }

    /// Ends the sensor as a service manager does.
    pub fn finish(&mut self) -> Result<()> {
        let code = self.lab.end("sensor", "TERM", Duration::from_secs(30))?;
        ensure!(code == Some(0), "exit code {code:?}: {}", self.said("sensor"));
        Ok(())
    }

    /// Waits for an alert of a type.
    pub fn until_alert(&self, kind: &str) -> Result<Value> {
        wait_for(&format!("alert {kind}"), LONG, || {
            Ok(alerts(&self.store)?.into_iter().find(|alert| alert["type"] == kind))
        })
        .with_context(|| {
            let all: Vec<String> = alerts(&self.store)
                .unwrap_or_default()
                .iter()
                .map(|alert| format!("{} {}", alert["type"], alert["description"]))
                .collect();
            format!("alerts: {all:#?}\nsaid: {}", self.said("sensor"))
        })
    }
}

/// A server and its master on Modbus, and where they are.
pub struct Plant {
    python: PathBuf,
    script: PathBuf,
    server: String,
}

impl Plant {
    /// Starts them; the sensor need not look yet.
    pub fn begin(bench: &mut Bench, (python, script): (PathBuf, PathBuf)) -> Result<Self> {
        let server = bench.lab.host("plc", 11)?;
        bench.lab.host("hmi", 20)?;
        bench.lab.host("intruder", 66)?;
        let plant = Self { python, script, server };
        plant.start(bench, "plc", "modbus-server")?;
        plant.start(bench, "hmi", "modbus-master")?;
        Ok(plant)
    }

    fn start(&self, bench: &mut Bench, place: &str, what: &str) -> Result<()> {
        let mut command = bench.lab.command(place, &self.python);
        command.arg(&self.script).args([what, &self.server]);
        let log = bench.log(what);
        bench.lab.start(what, &mut command, &log)
    }

    /// The intruder writes a coil and a register.
    pub fn attack(&self, bench: &Bench) -> Result<()> {
        let mut command = bench.lab.command("intruder", &self.python);
        succeed(command.arg(&self.script).args(["modbus-intruder", &self.server])).map(drop)
    }
}

/// Waits until the sensor has learned, for it to learn quickly.
pub fn until_operational(store: &Path) -> Result<()> {
    wait_for("learning to end", LONG, || {
        let stats = stats(store)?;
        Ok((stats["learning"]["mode"] == "operational" && counter(&stats, "messages-modbus") > 0).then_some(()))
    })
}
