//! Memory stays under its cap, whatever comes.

use anyhow::{Context as _, Result};
use ot_tests::sensor::{make_capture, sensor, succeed};
use std::time::Duration;

/// The stated cap for replay with default limits, in MiB of resident memory.
const CAP_MIB: u64 = 1_024;

#[test]
fn a_million_scanning_hosts_and_open_flows_of_all_protocols_stay_under_the_cap() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("scan.pcap");
    succeed(make_capture().arg("scan").arg(&file).args(["--hosts", "1000000", "--flows", "200000"]))?;
    let store = directory.path().join("store.db");
    let mut child = sensor().args(["replay", "--quiet", "--store"]).arg(&store).arg(&file).spawn()?;
    let mut peak = 0;
    let status = loop {
        if let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) {
            let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
            let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
            peak = peak.max(kib / 1_024);
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "replay ended with {status}");
    assert!(peak > 0 && peak < CAP_MIB, "peak {peak} MiB, cap {CAP_MIB} MiB");
    let stats = succeed(sensor().args(["stats", "--json", "--store"]).arg(&store))?;
    assert!(stats.contains("evicted"), "what was evicted must show in stats: {stats}");
    println!("peak {peak} MiB");
    let alerts = ot_tests::sensor::alerts(&store).context("alerts")?;
    assert!(!alerts.is_empty());
    Ok(())
}
