//! `doctor` at the mirror port: as it should be, with one direction, with nothing, and without the right to look.

use crate::bench::{Bench, Plant};
use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::{SPAN, stacks};
use ot_tests::sensor::sensor;
use serde_json::Value;

/// Looks for some seconds: exit code and what it says.
fn look(bench: &Bench, seconds: u32) -> Result<(i32, Value)> {
    let mut command = bench.lab.sensor();
    command
        .args(["doctor", "--json", "--interface", SPAN, "--for", &format!("{seconds}s"), "--store"])
        .arg(&bench.store);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.contains("looking at span0"), "{said}");
    Ok((output.status.code().context("ended by a signal")?, serde_json::from_slice(&output.stdout).context(said)?))
}

/// Checks that found a problem, without those of this machine.
fn problems(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found =
        findings.iter().filter(|finding| finding["level"] == "problem").filter_map(|finding| finding["check"].as_str());
    found.filter(|check| !["machine", "disk"].contains(check)).collect()
}

#[test]
fn the_doctor_tells_a_good_mirror_port_from_a_bad_one_and_sends_nothing() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    Plant::begin(&mut bench, stacks)?;
    let (_, report) = look(&bench, 5)?;
    assert!(problems(&report).is_empty(), "{report:#}");
    assert_eq!(report["live"], true);
    assert_eq!(report["protocols"][0]["id"], "modbus", "{report:#}");
    let controllers = report["controllers"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(
        controllers.iter().any(|one| one["address"].as_str().is_some_and(|text| text.starts_with("10.99.0.11"))),
        "{report:#}"
    );
    ensure!(report["interfaces"][0]["packets"].as_u64() > Some(10), "{report:#}");
    assert_eq!(report["interfaces"][0]["sent"], 0);

    // What the controller says is no longer mirrored.
    bench.lab.unmirror("plc")?;
    let (code, report) = look(&bench, 5)?;
    assert_eq!(code, 1);
    ensure!(problems(&report).contains(&"directions"), "{report:#}");

    // Nothing is mirrored.
    bench.lab.unmirror("hmi")?;
    let (code, report) = look(&bench, 2)?;
    assert_eq!((code, problems(&report)), (1, vec!["traffic"]), "{report:#}");
    assert_eq!(bench.lab.sent()?, 0, "the sensor's interface has sent packets");
    ensure!(!bench.store.exists(), "a store was made");
    Ok(())
}

#[test]
fn a_machine_that_sends_on_the_mirror_port_is_told() -> Result<()> {
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    bench.lab.inside("sensor", ["ip", "address", "add", "10.99.0.99/24", "dev", SPAN])?;
    // What it sends goes to an address that nobody has: it asks who has it.
    let mut chatter = bench.lab.command("sensor", "bash");
    let log = bench.log("chatter");
    let words = "while sleep 0.1; do echo there > /dev/udp/10.99.0.1/9; done";
    bench.lab.start("chatter", chatter.args(["-c", words]), &log)?;
    let (code, report) = look(&bench, 3)?;
    ensure!(code == 1 && problems(&report).contains(&"silence"), "{report:#}\n{}", bench.said("chatter"));
    Ok(())
}

#[test]
fn without_the_right_to_capture_the_doctor_says_what_to_do() -> Result<()> {
    let Some(bench) = Bench::build()? else { return Ok(()) };
    let mut command = bench.lab.command("sensor", "setpriv");
    command.args(["--bounding-set=-net_raw,-net_admin"]).arg(sensor().get_program());
    let output = command.args(["doctor", "-i", SPAN, "--for", "1s"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("setpriv:") || output.status.code() == Some(127) {
        eprintln!("skipped: rights cannot be taken away here ({})", said.trim());
        return Ok(());
    }
    ensure!(output.status.code() == Some(3) && said.contains("setcap cap_net_raw"), "{:?} {said}", output.status);
    bench.lab.inside("sensor", ["ip", "link", "set", SPAN, "down"])?;
    let output = bench.lab.sensor().args(["doctor", "-i", SPAN, "--for", "1s"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(3) && said.contains("ip link set span0 up"), "{:?} {said}", output.status);
    Ok(())
}
