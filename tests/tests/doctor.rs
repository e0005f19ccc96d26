//! `doctor` on recordings of mirror ports: of one that is as it should be, and of the ways in which they are set up wrongly.

use anyhow::{Context as _, Result, ensure};
use ot_capture::{CaptureSet, Source as _};
use ot_tests::frames::{End, Pcap, flags, tcp};
use ot_tests::sensor::{make_capture, root, run, sensor, succeed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// What `doctor` says of a capture: exit code and JSON.
fn look(capture: &Path) -> Result<(i32, Value)> {
    let output = run(sensor().args(["doctor", "--json", "--read"]).arg(capture))?;
    let code = output.status.code().context("ended by a signal")?;
    ensure!(code <= 1, "{}", String::from_utf8_lossy(&output.stderr));
    Ok((code, serde_json::from_slice(&output.stdout)?))
}

/// Levels by check.
fn levels(report: &Value) -> BTreeMap<&str, &str> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().filter_map(|finding| Some((finding["check"].as_str()?, finding["level"].as_str()?))).collect()
}

/// The finding of a check.
fn finding<'a>(report: &'a Value, check: &str) -> Result<&'a Value> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().find(|finding| finding["check"] == check).with_context(|| format!("no finding {check}: {report}"))
}

/// A capture of a plant at work, and copies of it that were spoiled.
struct Plant {
    folder: tempfile::TempDir,
    whole: PathBuf,
}

impl Plant {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let whole = folder.path().join("whole.pcap");
        succeed(make_capture().arg("plant").arg(&whole).args([
            "--packets",
            "20000",
            "--servers",
            "20",
            "--clients",
            "4",
        ]))?;
        Ok(Self { folder, whole })
    }

    /// Writes a copy; `copy` writes what becomes of a frame and its time in microseconds.
    fn spoil(
        &self,
        mut copy: impl FnMut(&mut Pcap<BufWriter<File>>, u64, &[u8]) -> std::io::Result<()>,
    ) -> Result<PathBuf> {
        let path = self.folder.path().join("spoiled.pcap");
        let mut pcap = Pcap::new(BufWriter::new(File::create(&path)?))?;
        let mut captures = CaptureSet::open(std::slice::from_ref(&self.whole))?;
        while let Some(packet) = captures.next()? {
            copy(&mut pcap, u64::try_from(packet.info.time.0 / 1_000)?, packet.data)?;
        }
        pcap.finish()?;
        Ok(path)
    }
}

/// Whether a server of the plant sent a frame.
fn of_server(frame: &[u8]) -> bool {
    frame.get(34..36).is_some_and(|port| [502, 102, 20_000].contains(&u16::from_be_bytes([port[0], port[1]])))
}

#[test]
fn a_good_port_has_no_problem_and_its_plant_is_told() -> Result<()> {
    let plant = Plant::new()?;
    let (code, report) = look(&plant.whole)?;
    assert_eq!((code, report["level"].as_str()), (0, Some("ok")), "{report:#}");
    let protocols: Vec<&str> =
        report["protocols"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(protocols, ["dnp3", "modbus", "s7comm"]);
    let controllers = report["controllers"].as_array().map(Vec::len).unwrap_or_default();
    ensure!(controllers >= 20, "{controllers} controllers of 20: {report:#}");
    assert_eq!(report["interfaces"][0]["broadcast"], 0);
    assert_eq!(report["sizing"]["megabits"], 200);
    // The same for a person.
    let said = succeed(sensor().args(["doctor", "--read"]).arg(&plant.whole))?;
    ensure!(said.contains("nothing is wrong") && said.contains("Controllers found"), "{said}");
    Ok(())
}

#[test]
fn captures_of_independent_stacks_are_told_with_vendor_and_model() -> Result<()> {
    let (code, report) = look(&root().join("fixtures/benign-polling/capture.pcap.zst"))?;
    assert_eq!(code, 0, "{report:#}");
    let all = report["controllers"].as_array().context("no controllers")?;
    let of =
        |address: &str| all.iter().find(|one| one["address"].as_str().is_some_and(|known| known.starts_with(address)));
    for (address, vendor) in [("10.20.0.11", "Schneider"), ("10.20.0.12", "Rockwell"), ("10.20.0.13", "Moxa")] {
        let found = of(address).with_context(|| format!("{address} is missing: {report:#}"))?;
        ensure!(found["vendor"].as_str().is_some_and(|known| known.contains(vendor)), "{found}");
        assert_eq!(found["protocols"], serde_json::json!(["modbus"]));
    }
    ensure!(of("10.20.0.11").is_some_and(|one| one["model"].is_string()), "no model: {report:#}");
    ensure!(of("10.20.0.20").is_none(), "an HMI is no controller: {report:#}");
    Ok(())
}

#[test]
fn broadcasts_alone_are_no_mirror() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("broadcast.pcap");
    let mut pcap = Pcap::new(BufWriter::new(File::create(&path)?))?;
    for n in 0..200_u8 {
        // An ARP request from 10.0.0.n for 10.0.0.1.
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, n, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, n, 10, 0, 0, n]);
        frame.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
        frame.resize(60, 0);
        pcap.frame(1_700_000_000_000_000 + u64::from(n) * 100_000, &frame)?;
    }
    pcap.finish()?;
    let (code, report) = look(&path)?;
    assert_eq!(code, 1);
    let levels = levels(&report);
    assert_eq!((levels["unicast"], levels["protocols"]), ("problem", "problem"), "{report:#}");
    assert_eq!(report["interfaces"][0]["broadcast"], 200);
    let unicast = finding(&report, "unicast")?;
    ensure!(unicast["measured"].as_str().is_some_and(|text| text.starts_with("0.0 percent of 200")), "{unicast}");
    ensure!(unicast["do"].as_array().is_some_and(|steps| !steps.is_empty()) && unicast["why"].is_string(), "{unicast}");
    Ok(())
}

#[test]
fn one_direction_is_told() -> Result<()> {
    let plant = Plant::new()?;
    for answers in [false, true] {
        let spoiled = plant.spoil(
            |pcap, time, frame| {
                if of_server(frame) == answers { pcap.frame(time, frame) } else { Ok(()) }
            },
        )?;
        let (code, report) = look(&spoiled)?;
        assert_eq!((code, levels(&report)["directions"]), (1, "problem"), "{report:#}");
        let interface = &report["interfaces"][0];
        ensure!(interface["conversations"].as_u64() >= Some(20), "{interface}");
        assert_eq!(interface["conversations"], interface["one_direction"]);
        let steps = finding(&report, "directions")?["do"].to_string();
        ensure!(steps.contains("rx and tx"), "{steps}");
    }
    Ok(())
}

#[test]
fn doubles_cut_packets_tags_and_empty_checksums_are_told_and_nothing_else() -> Result<()> {
    let plant = Plant::new()?;
    let others = |report: &Value, known: &[&str]| -> Vec<String> {
        let levels = levels(report);
        let odd = levels.iter().filter(|(check, level)| **level != "ok" && !known.contains(*check));
        odd.map(|(check, level)| format!("{check} {level}")).collect()
    };
    let none: Vec<String> = Vec::new();

    let doubled = plant.spoil(|pcap, time, frame| {
        pcap.frame(time, frame)?;
        pcap.frame(time + 3, frame)
    })?;
    let (code, report) = look(&doubled)?;
    assert_eq!((code, levels(&report)["duplicates"]), (1, "problem"), "{report:#}");
    let (doubles, packets) =
        (report["duplicates"].as_u64().unwrap_or(0), report["interfaces"][0]["packets"].as_u64().unwrap_or(0));
    ensure!(doubles * 100 >= packets * 45, "{doubles} doubles of {packets}");
    assert_eq!(others(&report, &["duplicates"]), none);

    let cut = plant.spoil(|pcap, time, frame| pcap.cut(time, &frame[..frame.len().min(64)], frame.len()))?;
    let (code, report) = look(&cut)?;
    assert_eq!((code, levels(&report)["cut"]), (1, "problem"), "{report:#}");
    ensure!(report["interfaces"][0]["cut"].as_u64() > Some(1_000), "{report:#}");

    let tagged = plant.spoil(|pcap, time, frame| {
        let id = if of_server(frame) || frame.get(36..38) == Some(&[0x01, 0xf6]) { 20 } else { 30 };
        let mut tagged = frame.to_vec();
        tagged.splice(12..12, [0x81, 0x00, 0x00, id]);
        pcap.frame(time, &tagged)
    })?;
    let (code, report) = look(&tagged)?;
    assert_eq!(code, 0, "{report:#}");
    let ids: Vec<u64> = report["vlans"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_u64()).collect();
    assert_eq!(ids, [20, 30], "{report:#}");
    ensure!(
        finding(&report, "vlans")?["measured"].as_str().is_some_and(|text| text.starts_with("2 by id")),
        "{report:#}"
    );

    let unsummed = plant.spoil(|pcap, time, frame| {
        let mut frame = frame.to_vec();
        frame.get_mut(50..52).map(|sum| sum.fill(0)).unwrap_or_default();
        pcap.frame(time, &frame)
    })?;
    let (code, report) = look(&unsummed)?;
    assert_eq!((code, levels(&report)["checksums"]), (0, "note"), "{report:#}");
    assert_eq!(others(&report, &["checksums"]), none);
    Ok(())
}

#[test]
fn merged_frames_are_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("merged.pcap");
    let mut pcap = Pcap::new(BufWriter::new(File::create(&path)?))?;
    let end = |number, port| End { mac: [2, 0, 0, 0, 0, number], ip: Ipv4Addr::new(10, 0, 0, number), port };
    let (client, server) = (end(1, 50_000), end(2, 8_080));
    let (mut seq, start) = (1, 1_700_000_000_000_000);
    for n in 0..40_u16 {
        pcap.frame(start + u64::from(n) * 10_000, &tcp(server, client, n, seq, 1, flags::ACK, &[7; 20_000]))?;
        pcap.frame(start + u64::from(n) * 10_000 + 50, &tcp(client, server, n, 1, seq + 20_000, flags::ACK, &[]))?;
        seq += 20_000;
    }
    pcap.finish()?;
    let (code, report) = look(&path)?;
    assert_eq!((code, levels(&report)["offloads"]), (1, "note"), "{report:#}");
    assert_eq!(
        (report["interfaces"][0]["oversize"].as_u64(), report["interfaces"][0]["longest"].as_u64()),
        (Some(40), Some(20_054))
    );
    Ok(())
}

#[test]
fn what_cannot_be_read_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "this is no capture, but it is long enough to look at all of its first bytes")?;
    let empty = folder.path().join("empty.pcap");
    Pcap::new(File::create(&empty)?)?.finish()?;
    let said = |more: &[&str]| -> Result<(Option<i32>, String)> {
        let output = run(sensor().arg("doctor").args(more))?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (code, words) = said(&["--read", &text.display().to_string()])?;
    ensure!(code == Some(3) && words.contains("notes.txt"), "{code:?} {words}");
    let (code, words) = said(&["--read", &text.display().to_string(), "--interface", "eth0"])?;
    ensure!(code == Some(2) && words.contains("--interface"), "{code:?} {words}");
    let (code, words) = said(&["--interface", "no-such-one", "--for", "1s"])?;
    ensure!(code == Some(3) && words.contains("there is none of that name"), "{code:?} {words}");
    let (code, words) = said(&[])?;
    ensure!(code == Some(2) && words.contains("--interface"), "{code:?} {words}");
    let (code, report) = look(&empty)?;
    assert_eq!((code, levels(&report)["traffic"]), (1, "problem"), "{report:#}");
    Ok(())
}
