//! What becomes of interfaces: gone and back, two of them, and those that cannot be captured.

use crate::bench::{Bench, LONG, Plant, counter, stats, until_operational};
use anyhow::{Result, ensure};
use ot_tests::lab::{SECOND, SPAN, stacks, wait_for};
use ot_tests::sensor::alerts;

#[test]
fn the_sensor_goes_on_when_its_interface_goes_and_comes_back() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let plant = Plant::begin(&mut bench, stacks)?;
    let config = bench.folder.path().join("sensor.toml");
    std::fs::write(&config, "[alerts.sensor-no-traffic]\nseconds = 4\n")?;
    bench.begin(&["--learn-for", "3s", "--config", &config.display().to_string()])?;
    until_operational(&bench.store)?;
    bench.lab.inside("switch", ["ip", "link", "set", "mirror", "down"])?;
    bench.until_event("has no link")?;
    bench.until_alert("sensor-no-traffic")?;
    bench.lab.inside("switch", ["ip", "link", "set", "mirror", "up"])?;
    bench.until_event("has a link again")?;
    bench.until_alert("sensor-traffic-back")?;
    bench.lab.unplug_span()?;
    bench.until_event("can no longer be read")?;
    bench.lab.plug_span()?;
    bench.until_event("is captured again")?;
    plant.attack(&bench)?;
    bench.until_alert("new-master")?;
    let sent = bench.lab.sent()?;
    bench.finish()?;
    assert_eq!(sent, 0, "the sensor's interface has sent packets");
    ensure!(counter(&stats(&bench.store)?, "interface-troubles") >= 2, "the troubles were not counted");
    Ok(())
}

#[test]
fn directions_on_two_interfaces_are_one_conversation() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    bench.lab.second_span()?;
    let plant = Plant::begin(&mut bench, stacks)?;
    bench.lab.mirror_apart("plc")?;
    bench.begin(&["--learn-for", "3s", "--interface", SECOND])?;
    until_operational(&bench.store)?;
    plant.attack(&bench)?;
    let alert = bench.until_alert("new-master")?;
    // The server's answer came by the other interface.
    wait_for("the outcome", LONG, || {
        let all = alerts(&bench.store)?;
        Ok(all.into_iter().find(|other| other["id"] == alert["id"] && other["outcome"] == "ok"))
    })?;
    bench.finish()?;
    let stats = stats(&bench.store)?;
    for interface in [SPAN, SECOND] {
        ensure!(counter(&stats, &format!("captured-packets-{interface}")) > 0, "nothing came by {interface}");
    }
    ensure!(alerts(&bench.store)?.iter().all(|alert| alert["type"] != "sensor-half-visible"), "seen as one direction");
    Ok(())
}

#[test]
fn what_cannot_be_captured_is_told_with_what_to_do() -> Result<()> {
    let Some(bench) = Bench::build()? else { return Ok(()) };
    let said = |more: &[&str]| -> Result<(Option<i32>, String)> {
        let output = bench.lab.sensor().args(["run", "--store"]).arg(&bench.store).args(more).output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    for (more, code, words) in [
        (&["-i", "eth9"][..], 3, "there is none of that name; there are span0"),
        (&[][..], 2, "name one with --interface"),
        (&["-i", SPAN, "-i", SPAN][..], 2, "more than once"),
        (&["-i", SPAN, "--filter", "port modbus and ("][..], 2, "pcap-filter"),
    ] {
        let (found, text) = said(more)?;
        ensure!(found == Some(code) && text.contains(words), "{more:?}: {found:?} {text}");
    }
    bench.lab.inside("sensor", ["ip", "link", "set", SPAN, "down"])?;
    let (code, text) = said(&["-i", SPAN])?;
    ensure!(code == Some(3) && text.contains("ip link set span0 up"), "{code:?} {text}");
    let (code, text) = said(&["-i", SPAN, "--wait", "--for", "1s"])?;
    ensure!(code == Some(0) && text.contains("waits for it"), "{code:?} {text}");
    Ok(())
}
