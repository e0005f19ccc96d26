//! The made plant is what it says: every frame is whole for Wireshark, and the protocols have their shares.

use anyhow::{Context as _, Result, ensure};
use ot_tests::plant::{Mix, Plan, write};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

/// Severity of Wireshark's expert notes; below it are remarks such as that a connection was opened.
const NOTE: u64 = 0x0040_0000;

#[test]
fn every_frame_is_whole_for_wireshark() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("plant.pcap");
    let plan = Plan { packets: 60_000, servers: 60, ..Plan::default() };
    let counts = write(plan, BufWriter::new(File::create(&file)?))?;
    for (part, wanted) in [(counts.modbus, 700), (counts.dnp3, 150), (counts.s7, 150)] {
        assert!(counts.share(part).abs_diff(wanted) <= 10, "shares: {counts}");
    }
    let fields = ["tcp.port", "tcp.len", "_ws.col.Protocol", "_ws.malformed", "_ws.expert.severity"];
    let rows =
        tshark(&file, &[&fields, ["dnp3.hdr.CRC.incorrect", "dnp3.data_chunk.CRC.incorrect"].as_slice()].concat())?;
    assert_eq!(rows.len() as u64, counts.packets());
    let mut longest = 0;
    for (row, cells) in (1..).zip(&rows) {
        let [port, length, protocol, malformed, severity, bad_header, bad_block] = cells.as_slice() else {
            anyhow::bail!("frame {row}: {cells:?}");
        };
        let length: u64 = length.parse()?;
        longest = longest.max(length);
        let severe = severity.split(',').filter_map(|number| number.parse().ok()).any(|number: u64| number >= NOTE);
        ensure!(!severe && malformed.is_empty(), "frame {row}: {cells:?}");
        ensure!(bad_header.is_empty() && bad_block.is_empty(), "frame {row}: {cells:?}");
        let expected: &[&str] = match port.split(',').find(|port| ["502", "20000", "102"].contains(port)) {
            Some("502") => &["Modbus/TCP"],
            Some("20000") => &["DNP 3.0"],
            _ => &["S7COMM", "COTP"],
        };
        // A segment that a later one completes is plain TCP.
        let whole = length == 0 || length == 1_460 || expected.contains(&protocol.as_str());
        ensure!(whole, "frame {row}: {cells:?}");
    }
    assert_eq!(longest, 1_460, "no message is longer than a segment");
    for (port, part) in [("502", counts.modbus), ("20000", counts.dnp3), ("102", counts.s7)] {
        let found = rows.iter().filter(|cells| cells[0].split(',').any(|other| other == port)).count();
        assert_eq!(found as u64, part, "packets on port {port}");
    }
    Ok(())
}

#[test]
fn a_seed_gives_one_capture() -> Result<()> {
    let plan = Plan { packets: 5_000, servers: 20, ..Plan::default() };
    let make = |plan| {
        let mut bytes = Vec::new();
        write(plan, &mut bytes).map(|counts| (counts, bytes))
    };
    let (_, once) = make(plan)?;
    assert!(make(plan)?.1 == once);
    assert!(make(Plan { seed: 2, ..plan })?.1 != once);
    let (alone, _) = make(Plan { mix: Mix::Modbus, ..plan })?;
    assert_eq!(alone.modbus, alone.packets());
    Ok(())
}

/// The values of some fields, frame by frame.
fn tshark(file: &Path, fields: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-r"]).arg(file);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().context("tshark is missing; deploy/test installs it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
