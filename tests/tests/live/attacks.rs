//! Attacks on real stacks of all protocols: told at once, and with the rows of a replay of the same packets.

use crate::bench::{Bench, LONG, counter, stats};
use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::{SPAN, stacks, wait_for};
use ot_tests::sensor::{alerts, sensor, succeed};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the sensor learns, in seconds.
const LEARN: u64 = 12;

/// One protocol of the plant: what the intruder does, and the alerts that must come of it.
struct Part {
    protocol: &'static str,
    number: u8,
    alerts: &'static [(&'static str, &'static str)],
}

const PARTS: [Part; 3] = [
    Part { protocol: "modbus", number: 11, alerts: &[("new-master", "T0848")] },
    Part { protocol: "s7", number: 12, alerts: &[("plc-stop", "T0858")] },
    Part { protocol: "dnp3", number: 13, alerts: &[("plc-reset", "T0816")] },
];

#[test]
fn attacks_on_real_stacks_are_told_at_once_and_rows_are_those_of_a_replay() -> Result<()> {
    let Some((python, script)) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let record = bench.folder.path().join("record.pcap");
    let mut tcpdump = bench.lab.command("sensor", "tcpdump");
    tcpdump.args(["-Z", "root", "-i", SPAN, "-s", "0", "-B", "16384", "-U", "-n", "--time-stamp-precision=nano", "-w"]);
    let log = bench.log("tcpdump");
    bench.lab.start("tcpdump", tcpdump.arg(&record), &log)?;
    wait_for("tcpdump", LONG, || Ok(record.is_file().then_some(())))?;
    let until = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + LEARN).to_string();
    bench.begin(&["--learn-until", until.as_str()])?;

    let mut addresses = Vec::new();
    for part in &PARTS {
        let address = bench.lab.host(&format!("{}plc", part.protocol), part.number)?;
        let log = bench.log(&format!("{}-server", part.protocol));
        let mut server = bench.lab.command(&format!("{}plc", part.protocol), &python);
        server.arg(&script).args([&format!("{}-server", part.protocol), &address]);
        bench.lab.start(&format!("{}-server", part.protocol), &mut server, &log)?;
        addresses.push(address);
    }
    bench.lab.host("hmi", 20)?;
    bench.lab.host("intruder", 66)?;
    for (part, address) in PARTS.iter().zip(&addresses) {
        let log = bench.log(&format!("{}-master", part.protocol));
        let mut master = bench.lab.command("hmi", &python);
        master.arg(&script).args([&format!("{}-master", part.protocol), address]);
        bench.lab.start(&format!("{}-master", part.protocol), &mut master, &log)?;
    }
    let store = bench.store.clone();
    wait_for("learning to end", LONG, || {
        let stats = stats(&store)?;
        Ok((stats["learning"]["mode"] == "operational" && counter(&stats, "messages-dnp3") > 0).then_some(()))
    })?;

    for (part, address) in PARTS.iter().zip(&addresses) {
        let mut intruder = bench.lab.command("intruder", &python);
        intruder.arg(&script).args([&format!("{}-intruder", part.protocol), address]).stdout(Stdio::piped());
        let output = intruder.spawn()?;
        for (kind, technique) in part.alerts {
            let alert = bench.until_alert(kind)?;
            let seen = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
            let show = succeed(
                sensor()
                    .args(["alerts", "show", "--json", "--store"])
                    .arg(&store)
                    .arg(alert["id"].as_str().context("no id")?),
            )?;
            ensure!(
                show.contains("10.99.0.66") && show.contains(address.as_str()),
                "{kind} names other devices: {show}"
            );
            ensure!(show.contains(technique), "{kind} lacks {technique}: {show}");
            let first = alert["first_detection"].as_str().unwrap_or_default();
            println!("{kind}: packet at {first}, found in the store at {seen:.3}");
        }
        let said = output.wait_with_output()?;
        println!("{} intruder began at {}", part.protocol, String::from_utf8_lossy(&said.stdout).trim());
    }
    for part in &PARTS {
        for who in ["master", "server"] {
            bench.lab.end(&format!("{}-{who}", part.protocol), "KILL", LONG)?;
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let sent = bench.lab.sent()?;
    bench.finish()?;
    bench.lab.end("tcpdump", "TERM", LONG)?;
    assert_eq!(sent, 0, "the sensor's interface has sent packets");
    // Their packets came out of memory.
    for alert in alerts(&bench.store)?.iter().filter(|alert| PARTS.iter().any(|part| part.alerts[0].0 == alert["type"]))
    {
        let file = bench.folder.path().join("alert.pcapng");
        let mut pcap = sensor();
        pcap.args(["alerts", "pcap", alert["id"].as_str().unwrap_or_default(), "--store"]).arg(&store);
        succeed(pcap.arg("-o").arg(&file))?;
        ensure!(std::fs::metadata(&file)?.len() > 500, "{} has no packets", alert["type"]);
    }

    let replayed = bench.folder.path().join("replayed.db");
    let mut replay = sensor();
    replay
        .args(["replay", "--quiet", "--sensor-id", "lab", "--learn-until", &until, "--store"])
        .arg(&replayed)
        .arg(&record);
    succeed(&mut replay)?;
    let (live, again) = (rows(&bench.store)?, rows(&replayed)?);
    let missing: Vec<_> = again.iter().filter(|row| !live.contains(row)).collect();
    let more: Vec<_> = live.iter().filter(|row| !again.contains(row)).collect();
    if let Some(folder) = std::env::var_os("OT_LIVE_KEEP").map(PathBuf::from) {
        std::fs::write(folder.join("live.rows"), live.join("\n"))?;
        std::fs::write(folder.join("replay.rows"), again.join("\n"))?;
        std::fs::copy(&record, folder.join("record.pcap"))?;
    }
    ensure!(
        missing.is_empty() && more.is_empty(),
        "{} rows of the replay are not those of the run, for example {:#?}\n{} rows of the run are not those of the replay, for \
         example {:#?}",
        missing.len(),
        &missing[..missing.len().min(5)],
        more.len(),
        &more[..more.len().min(5)]
    );
    println!("{} rows are the same", live.len());
    Ok(())
}

/// The rows of a store that tell of the plant, without what two clocks say of the same packets: both programs have their
/// own time stamps, which lie less than a microsecond apart, and ids of alerts follow from them.
fn rows(store: &Path) -> Result<Vec<String>> {
    let left_out = ["run ", "input ", "evidence ", "state ", "counter "];
    let kept = |row: &String| {
        let own = row.starts_with("event ") && row.contains("kind='sensor'");
        !own && !left_out.iter().any(|table| row.starts_with(table))
    };
    let mut rows: Vec<String> = ot_store::dump(store)?.into_iter().filter(kept).map(|row| timeless(&row)).collect();
    rows.sort();
    Ok(rows)
}

fn timeless(row: &str) -> String {
    let event = row.starts_with("event ");
    let word = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or(("", word));
        let bare = value.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let digits = bare.bytes().all(|byte| byte.is_ascii_digit());
        let time = digits && bare.len() == 19 || bare.len() >= 20 && bare.starts_with("20") && bare.ends_with('Z');
        let id = name == "id" && bare.len() == 32;
        let span = name.contains("interval") && name != "interval_count";
        if time || id || span || event && name == "number" { format!("{name}=…") } else { word.to_owned() }
    };
    row.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
