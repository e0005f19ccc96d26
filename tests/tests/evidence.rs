//! The packets of alerts: kept from any kind of capture, under a quota, from standard input as from a file; and the archive
//! of an alert.

use anyhow::{Context as _, Result, ensure};
use ot_store::EvidenceState;
use ot_store::read::{AlertQuery, Reader};
use ot_tests::evidence::{Sources, files, folder, frames, held};
use ot_tests::sensor::{alerts, capture, fixtures, lines, root, run, sensor, succeed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name).join("capture.pcap.zst")
}

fn replay(store: &Path, config: Option<&Path>, captures: &[PathBuf]) -> Result<()> {
    let mut command = sensor();
    command.args(["replay", "--quiet", "--store"]).arg(store).args(captures);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    succeed(&mut command).map(drop)
}

/// Files with several interfaces, link types, resolutions and sections; cut, doubled, tunnelled and fragmented frames.
#[test]
fn frames_of_every_kind_are_kept_as_they_were() -> Result<()> {
    let kinds = [
        "bsd-loopback-big-endian",
        "connections-interleaved",
        "erspan-3",
        "hsr-both-ways",
        "ipv4-fragments",
        "ipv6-fragments",
        "linux-cooked-2",
        "mirrored-twice-vlan",
        "pcap-gzip-members",
        "pcap-nanoseconds-big-endian",
        "pcapng-big-endian",
        "pcapng-interfaces",
        "pcapng-links",
        "pcapng-microseconds",
        "pcapng-offset",
        "pcapng-sections",
        "prp-both-lans",
        "raw-ip",
        "snap-length",
        "vxlan",
    ];
    let mut faults = Vec::new();
    let mut seen = 0;
    for (path, expected) in fixtures("formats")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !kinds.contains(&name.as_str()) {
            continue;
        }
        seen += 1;
        let directory = tempfile::tempdir()?;
        let store = directory.path().join("store.db");
        replay(&store, None, &[capture(&path, &expected)])?;
        ensure!(!files(&store)?.is_empty(), "{name}: no alert has packets");
        faults.extend(Sources::default().faults(&store)?.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert_eq!(seen, kinds.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// The context of an alert may be in another file than its frames.
#[test]
fn packets_come_from_several_captures_in_order_of_time() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let whole = fixture("unauthorised-write");
    // Halves of one capture, each second frame in the other file.
    let parts = ["odd", "even"].map(|name| directory.path().join(format!("{name}.pcapng")));
    let count = frames(&whole)?.len();
    for (rest, part) in parts.iter().enumerate() {
        let mut command = Command::new("editcap");
        command.arg("-r").arg(&whole).arg(part);
        command.args((1..=count).filter(|number| number % 2 != rest).map(|number| number.to_string()));
        succeed(&mut command)?;
    }
    let store = directory.path().join("store.db");
    replay(&store, None, &parts)?;
    assert_eq!(Sources::default().faults(&store)?, Vec::<String>::new());
    let sources: Vec<BTreeSet<_>> = parts
        .iter()
        .map(|part| Ok(frames(part)?.into_iter().map(|read| read.frame).collect()))
        .collect::<Result<_>>()?;
    for (id, row, read) in held(&store)?.iter().filter(|(_, row, _)| row.packets > 20) {
        let of: Vec<usize> =
            sources.iter().map(|source| read.iter().filter(|read| source.contains(&read.frame)).count()).collect();
        assert!(of.iter().all(|count| count * 3 > read.len()), "{id}: {of:?} of {} packets", row.packets);
    }
    Ok(())
}

/// What the files hold, without the name of the capture.
fn lines_of(store: &Path) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for (id, row, read) in held(store)? {
        ensure!(row.state == EvidenceState::Kept, "{id}: {row:?}");
        list.extend(read.iter().map(|read| {
            let comment = read.comment.rsplit_once(" of ").map_or("", |(start, _)| start);
            format!("{id} {} {comment}", read.frame.join(" "))
        }));
    }
    Ok(list)
}

#[test]
fn standard_input_gives_the_packets_that_a_file_gives() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for name in ["write-burst", "dnp3-rogue-control"] {
        let [file, stream] = ["file", "stream"].map(|kind| directory.path().join(format!("{name}-{kind}.db")));
        replay(&file, None, &[fixture(name)])?;
        let mut command = sensor();
        command.args(["replay", "--quiet", "-", "--store"]).arg(&stream).stdin(File::open(fixture(name))?);
        succeed(&mut command)?;
        let wanted = lines_of(&file)?;
        ensure!(!wanted.is_empty());
        assert!(wanted == lines_of(&stream)?, "{name}: other packets from standard input");
    }
    Ok(())
}

/// Where memory is too small for all of it, what can no longer be had is told, and what is kept is right.
#[test]
fn a_small_ring_loses_packets_and_says_so() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("sensor.toml");
    std::fs::write(&config, "[evidence]\nmemory = \"300 KiB\"\n")?;
    let store = directory.path().join("store.db");
    // Long enough that most of it is gone at the end.
    let mut command = sensor();
    command.args(["replay", "--quiet", "-", "--store"]).arg(&store).arg("--config").arg(&config);
    command.stdin(File::open(fixture("benign-polling"))?);
    succeed(&mut command)?;
    let (mut whole, mut partly, mut none) = (0, 0, 0);
    let source: BTreeSet<_> = frames(&fixture("benign-polling"))?.into_iter().map(|frame| frame.frame).collect();
    for (id, row, read) in held(&store)? {
        match row.state {
            EvidenceState::Kept if row.missing == 0 => whole += 1,
            EvidenceState::Kept => partly += 1,
            EvidenceState::NotKept => {
                none += 1;
                assert_eq!(row.reason, "its packets were no longer in memory");
            }
            EvidenceState::Expired => panic!("{row:?}"),
        }
        let other = read.iter().find(|read| !source.contains(&read.frame));
        assert!(other.is_none(), "{id}: a packet that is not in the capture");
    }
    assert!(whole + partly + none > 0 && partly + none > 0, "{whole} whole, {partly} partly, {none} not");
    Ok(())
}

fn used(store: &Path) -> Result<u64> {
    let mut sum = 0;
    for part in std::fs::read_dir(folder(store))? {
        for file in std::fs::read_dir(part?.path())? {
            sum += file?.metadata()?.len();
        }
    }
    Ok(sum)
}

#[test]
fn the_quota_is_held_and_what_goes_is_told() -> Result<()> {
    const QUOTA: u64 = 24 << 10;
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("sensor.toml");
    std::fs::write(&config, format!("[evidence]\nquota = {QUOTA}\n"))?;
    let store = directory.path().join("store.db");
    replay(&store, Some(&config), &[fixture("unauthorised-write")])?;
    assert!(used(&store)? <= QUOTA);
    // The newest of those that fit is closed: it goes before the open ones.
    let mut kept = held(&store)?;
    kept.retain(|(_, row, _)| row.state == EvidenceState::Kept);
    let newest = kept.into_iter().max_by_key(|(_, row, _)| (row.last, row.alert));
    let (closed, ..) = newest.context("no alert has packets")?;
    succeed(sensor().args(["alerts", "close", &closed, "--store"]).arg(&store))?;
    for name in ["write-burst", "port-scan", "malformed"] {
        replay(&store, Some(&config), &[fixture(name)])?;
        assert!(used(&store)? <= QUOTA, "{name}: {} bytes", used(&store)?);
    }
    let reader = Reader::open(&store)?;
    let totals = reader.evidence_totals()?;
    let expired = totals.iter().find(|total| total.state == EvidenceState::Expired).context("nothing expired")?;
    assert!(expired.count > 0);
    let stats = lines(sensor().args(["stats", "--json", "--store"]).arg(&store))?;
    let told = stats.first().and_then(|stats| stats.pointer("/evidence/expired")).and_then(Value::as_u64);
    assert_eq!(told, Some(expired.count));
    let show = lines(sensor().args(["alerts", "show", &closed, "--json", "--store"]).arg(&store))?;
    let evidence = show.first().and_then(|alert| alert.get("evidence")).context("no evidence")?;
    assert_eq!(evidence.get("state").and_then(Value::as_str), Some("expired"));
    let output = run(sensor().args(["alerts", "pcap", &closed, "-o", "-", "--store"]).arg(&store))?;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("limited to 24.0 KiB") && said.contains("editcap -r "), "{said}");
    // No file is there of which the store does not know, and none is missing.
    let names = files(&store)?.len();
    let kept = totals.iter().find(|total| total.state == EvidenceState::Kept).map_or(0, |total| total.count);
    assert_eq!(u64::try_from(names)?, kept);
    Ok(())
}

#[test]
fn a_bundle_is_whole_the_same_each_time_and_a_change_is_found() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    replay(&store, None, &[fixture("unauthorised-write")])?;
    let alert =
        alerts(&store)?.first().and_then(|alert| alert.get("id")?.as_str().map(str::to_owned)).context("none")?;
    let [one, two] = ["one.tar.gz", "two.tar.gz"].map(|name| directory.path().join(name));
    for path in [&one, &two] {
        succeed(sensor().args(["alerts", "bundle", &alert, "--store"]).arg(&store).arg("-o").arg(path))?;
    }
    assert!(std::fs::read(&one)? == std::fs::read(&two)?, "two bundles of one alert differ");
    succeed(sensor().args(["bundle", "verify"]).arg(&one))?;
    // As anybody would check it, without us.
    let unpacked = directory.path().join("unpacked");
    std::fs::create_dir(&unpacked)?;
    succeed(Command::new("tar").arg("-xzf").arg(&one).args(["--strip-components=1", "-C"]).arg(&unpacked))?;
    succeed(Command::new("sha256sum").args(["--strict", "-c", "SHA256SUMS"]).current_dir(&unpacked))?;
    let read = |name: &str| std::fs::read(unpacked.join(name)).with_context(|| name.to_owned());
    let story: Value = serde_json::from_slice(&read("alert.json")?)?;
    assert_eq!(story.get("id").and_then(Value::as_str), Some(alert.as_str()));
    for name in ["devices.json", "related.json", "timeline.json"] {
        let list: Value = serde_json::from_slice(&read(name)?)?;
        assert!(list.as_array().is_some_and(|list| !list.is_empty()), "{name} is empty");
    }
    let report = String::from_utf8(read("report.html")?)?;
    assert!(report.contains(&alert) && report.contains("What to do") && !report.contains("http-equiv=\"refresh"));
    assert!(String::from_utf8(read("violations.csv")?)?.lines().count() > 1);
    let packets = frames(&unpacked.join("packets.pcapng"))?;
    assert!(packets.iter().any(|packet| packet.comment.contains(&alert)));
    // A changed file, packed again.
    std::fs::write(unpacked.join("alert.json"), "{}")?;
    let forged = directory.path().join("forged.tar.gz");
    succeed(Command::new("tar").arg("-czf").arg(&forged).arg("-C").arg(directory.path()).arg("unpacked"))?;
    let output = run(sensor().args(["bundle", "verify"]).arg(&forged).stderr(Stdio::piped()))?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("FAILED   alert.json: its SHA-256 is "));
    Ok(())
}

#[test]
fn an_alert_that_comes_again_keeps_its_first_and_its_newest_packets() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    for _ in 0..4 {
        replay(&store, None, &[fixture("unauthorised-write")])?;
    }
    let reader = Reader::open(&store)?;
    let mut several = 0;
    for alert in reader.alerts(&AlertQuery::default())? {
        let rows = reader.evidence(alert.number)?;
        assert!(rows.len() <= 2, "{rows:?}");
        if let [first, last] = rows.as_slice() {
            several += 1;
            assert_eq!((first.run, last.run), (1, 4));
            let output = directory.path().join("both.pcapng");
            succeed(sensor().args(["alerts", "pcap", &alert.id, "--store"]).arg(&store).arg("-o").arg(&output))?;
            let read = frames(&output)?;
            assert_eq!(read.len(), usize::try_from(first.packets + last.packets)?);
            let comments = read.iter().filter(|frame| !frame.comment.is_empty()).count();
            assert_eq!(comments, usize::try_from(first.triggers + last.triggers)?);
        }
    }
    assert!(several > 0, "no alert came again");
    // The files of the runs between are gone.
    assert!(files(&store)?.iter().all(|name| name.contains("-1.pcapng") || name.contains("-4.pcapng")));
    Ok(())
}

#[test]
fn packets_of_deleted_alerts_go_with_them() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("sensor.toml");
    std::fs::write(&config, "[retention]\ndelete_after = \"1s\"\n")?;
    let store = directory.path().join("store.db");
    replay(&store, Some(&config), &[fixture("benign-polling")])?;
    let (closed, row, _) = held(&store)?.into_iter().next().context("no alert has packets")?;
    assert!(folder(&store).join(&row.name).is_file());
    succeed(sensor().args(["alerts", "close", &closed, "--store"]).arg(&store))?;
    // The next capture goes on some seconds later.
    replay(&store, Some(&config), &[fixture("unauthorised-write")])?;
    let there = alerts(&store)?.iter().any(|alert| alert.get("id").and_then(Value::as_str) == Some(closed.as_str()));
    assert!(!there, "the closed alert was not deleted");
    assert!(!folder(&store).join(&row.name).exists(), "its packets are still there");
    Ok(())
}

#[test]
fn a_limit_of_alerts_and_turning_it_off_are_told() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for (text, kept, reason) in [
        ("alerts_of_a_run = 3", 3, "the run has more alerts than 3; the packets of the first 3 are kept"),
        ("enabled = false", 0, "keeping packets is turned off ([evidence] enabled = false)"),
    ] {
        let config = directory.path().join("sensor.toml");
        std::fs::write(&config, format!("[evidence]\n{text}\n"))?;
        let store = directory.path().join(format!("store-{kept}.db"));
        replay(&store, Some(&config), &[fixture("unauthorised-write")])?;
        let mut rows: Vec<_> = held(&store)?.into_iter().map(|(_, row, _)| row).collect();
        rows.sort_by_key(|row| row.alert);
        let there = rows.iter().take_while(|row| row.state == EvidenceState::Kept).count();
        assert_eq!((there, files(&store)?.len()), (kept, kept));
        let others = rows.get(kept..).context("no more alerts")?;
        assert!(others.len() > 3);
        assert!(others.iter().all(|row| row.state == EvidenceState::NotKept && row.reason == reason), "{others:?}");
    }
    Ok(())
}
