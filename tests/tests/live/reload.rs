//! The configuration read anew while the sensor runs: with a mistake, and with other devices, plans and alert types.

use crate::bench::{Bench, LONG, events};
use crate::traffic::{intrusion, replay};
use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::wait_for;
use ot_tests::sensor::alerts;
use std::process::Command;

const BEFORE: &str = "[alerts.new-master]\nenabled = false\n";
const MISTAKE: &str = "[alerts.new-mastre]\nenabled = true\n";
const AFTER: &str = "[alerts.new-master]\nseverity = \"minor\"\n\
    [capture]\nring = \"2 MiB\"\n\
    [[device]]\nip = \"10.20.0.11\"\nname = \"Press 3\"\n\
    [[maintenance]]\nticket = \"CHG-4711\"\ndevices = [\"10.20.0.11\"]\nstart = \"2020-01-01T00:00:00Z\"\nend = \"2090-01-01T00:00:00Z\"\n";

#[test]
fn a_configuration_that_is_read_anew_holds_at_once_and_one_with_a_mistake_changes_nothing() -> Result<()> {
    if Command::new("tcpreplay").arg("--version").output().is_err() {
        eprintln!("skipped: tcpreplay is missing; deploy/test installs it");
        return Ok(());
    }
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let config = bench.folder.path().join("sensor.toml");
    std::fs::write(&config, BEFORE)?;
    let mut packets = Vec::new();
    for intruder in [66, 67] {
        let path = bench.folder.path().join(format!("{intruder}.pcap"));
        intrusion(&path, intruder)?;
        packets.push(path);
    }
    let [first, second] = packets.as_slice() else { anyhow::bail!("no packets") };
    bench.begin(&["--operational", "--config", &config.display().to_string()])?;
    replay(&mut bench, "first", &[], first)?;
    bench.lab.wait("first", LONG)?;
    bench.until_alert("device-not-learned").or_else(|_| bench.until_alert("field-device-not-learned"))?;

    std::fs::write(&config, MISTAKE)?;
    bench.lab.signal("sensor", "HUP")?;
    bench.until_event("the configuration stays as it was")?;
    ensure!(bench.said("sensor").contains("did you mean \"new-master\"?"), "{}", bench.said("sensor"));

    std::fs::write(&config, AFTER)?;
    bench.lab.signal("sensor", "HUP")?;
    bench.until_event("the configuration was read anew")?;
    let all = events(&bench.store)?;
    let told = all.iter().find(|text| text.contains("read anew")).context("no event")?;
    for words in
        ["1 device and 0 zones", "1 maintenance window", "alert types new-master", "only after a restart: [capture]"]
    {
        ensure!(told.contains(words), "no {words:?} in: {told}");
    }
    replay(&mut bench, "second", &[], second)?;
    bench.lab.wait("second", LONG)?;
    let alert = bench.until_alert("new-master")?;
    assert_eq!(alert["severity"], "minor");
    // Why it was noticed names who was there before; what happened is the work of one.
    ensure!(alert["source"]["ip"] == "10.20.0.67" && alert["count"] == 1, "told of what was off: {alert:#}");
    let text = alert.to_string();
    ensure!(text.contains("Press 3") && text.contains("CHG-4711"), "{alert:#}");
    // Nothing is other than before.
    bench.lab.signal("sensor", "HUP")?;
    wait_for("the same configuration", LONG, || {
        Ok(events(&bench.store)?.iter().any(|text| text.contains("nothing that can change at once")).then_some(()))
    })?;
    ensure!(
        alerts(&bench.store)?.iter().filter(|alert| alert["type"] == "new-master").count() == 1,
        "more than one alert"
    );
    bench.finish()
}
