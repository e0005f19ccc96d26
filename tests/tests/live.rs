//! The sensor on a mirror port: real stacks behind a switch in network namespaces, attacks while it looks, and what happens
//! to it. Needs root; what is not possible here is skipped with a line that says why.

use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::{Lab, SECOND, SPAN, stacks, wait_for};
use ot_tests::sensor::{alerts, lines, sensor, succeed};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Far beyond what anything here takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// How long the sensor learns, in seconds.
const LEARN: u64 = 12;

fn stats(store: &Path) -> Result<Value> {
    let lines = lines(sensor().args(["stats", "--json", "--store"]).arg(store))?;
    lines.into_iter().next().context("no statistics")
}

fn counter(stats: &Value, id: &str) -> u64 {
    let counters = stats["counters"].as_array().map(Vec::as_slice).unwrap_or_default();
    counters.iter().find(|counter| counter["id"] == id).and_then(|counter| counter["value"].as_u64()).unwrap_or(0)
}

fn events(store: &Path) -> Result<Vec<String>> {
    let lines = lines(sensor().args(["events", "list", "--kind", "sensor", "--json", "--store"]).arg(store))?;
    Ok(lines.iter().filter_map(|event| event["text"].as_str().map(str::to_owned)).collect())
}

/// A sensor in a lab.
struct Bench {
    lab: Lab,
    folder: tempfile::TempDir,
    store: PathBuf,
}

impl Bench {
    fn build() -> Result<Option<Self>> {
        let Some(lab) = Lab::build()? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("live.db");
        Ok(Some(Self { lab, folder, store }))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    /// Starts the sensor and waits until it captures.
    fn begin(&mut self, more: &[&str]) -> Result<()> {
        let mut command = self.lab.sensor();
        command.args(["run", "--interface", SPAN, "--sensor-id", "lab", "--store"]).arg(&self.store).args(more);
        let log = self.log("sensor");
        self.lab.start("sensor", &mut command, &log)?;
        self.until_said("is captured")
    }

    fn until_said(&mut self, what: &str) -> Result<()> {
        let log = self.log("sensor");
        let lab = &mut self.lab;
        wait_for(&format!("the sensor says {what:?}"), LONG, || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            ensure!(lab.process("sensor")?.try_wait()?.is_none(), "the sensor has ended: {said}");
            Ok(said.contains(what).then_some(()))
        })
    }

    fn until_event(&mut self, what: &str) -> Result<()> {
        let store = &self.store;
        wait_for(&format!("event {what:?}"), LONG, || {
            Ok(events(store)?.iter().any(|text| text.contains(what)).then_some(()))
        })
        .with_context(|| format!("events: {:#?}\nsaid: {}", events(store).unwrap_or_default(), self.said("sensor")))
    }

    /// Ends the sensor as a service manager does.
    fn finish(&mut self) -> Result<()> {
        let code = self.lab.end("sensor", "TERM", Duration::from_secs(30))?;
        ensure!(code == Some(0), "exit code {code:?}: {}", self.said("sensor"));
        Ok(())
    }

    fn until_alert(&self, kind: &str) -> Result<Value> {
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
struct Plant {
    python: PathBuf,
    script: PathBuf,
    server: String,
}

impl Plant {
    /// Starts them; the sensor need not look yet.
    fn begin(bench: &mut Bench, (python, script): (PathBuf, PathBuf)) -> Result<Self> {
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
    fn attack(&self, bench: &Bench) -> Result<()> {
        let mut command = bench.lab.command("intruder", &self.python);
        succeed(command.arg(&self.script).args(["modbus-intruder", &self.server])).map(drop)
    }
}

/// Waits until the sensor has learned, for it to learn quickly.
fn until_operational(store: &Path) -> Result<()> {
    wait_for("learning to end", LONG, || {
        let stats = stats(store)?;
        Ok((stats["learning"]["mode"] == "operational" && counter(&stats, "messages-modbus") > 0).then_some(()))
    })
}

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
fn a_kill_loses_nothing_that_was_committed_and_people_are_heard_while_it_runs() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let plant = Plant::begin(&mut bench, stacks)?;
    bench.begin(&["--learn-for", "3s"])?;
    until_operational(&bench.store)?;
    plant.attack(&bench)?;
    let alert = bench.until_alert("new-master")?;
    let id = alert["id"].as_str().context("no id")?.to_owned();
    let mut comment = sensor();
    comment.args(["alerts", "comment", "seen", &id, "--store"]).arg(&bench.store);
    let said = succeed(&mut comment)?;
    ensure!(!said.contains("waits"), "the command was not carried out while the sensor ran: {said}");
    let code = bench.lab.end("sensor", "KILL", LONG)?;
    assert_eq!(code, None);
    let before = alerts(&bench.store)?;
    ensure!(before.iter().any(|alert| alert["id"] == id.as_str()), "the alert is lost");

    bench.begin(&[])?;
    bench.until_event("did not end in order")?;
    assert_eq!(stats(&bench.store)?["learning"]["mode"], "operational", "learning began anew");
    plant.attack(&bench)?;
    let count = alert["count"].as_u64().unwrap_or(0);
    let store = bench.store.clone();
    wait_for("the alert to count on", LONG, || {
        let all = alerts(&store)?;
        let same = all.into_iter().find(|alert| alert["id"] == id.as_str());
        Ok(same.filter(|alert| alert["count"].as_u64().unwrap_or(0) > count))
    })?;
    let began = std::time::Instant::now();
    bench.finish()?;
    println!("SIGTERM: all committed and ended within {:.2} s", began.elapsed().as_secs_f64());
    let after = stats(&bench.store)?;
    let states: Vec<_> = after["runs"].as_array().into_iter().flatten().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["aborted", "done"]);
    Ok(())
}

#[test]
fn a_full_disk_loses_no_alert() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let disk = bench.folder.path().join("disk");
    std::fs::create_dir(&disk)?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&disk).output()?;
    if !mounted.status.success() {
        eprintln!("skipped: no small disk here ({})", String::from_utf8_lossy(&mounted.stderr).trim());
        return Ok(());
    }
    bench.store = disk.join("live.db");
    let done = full_disk(&mut bench, stacks, &disk);
    drop(bench.lab);
    let _ = Command::new("umount").arg(&disk).output();
    done
}

fn full_disk(bench: &mut Bench, stacks: (PathBuf, PathBuf), disk: &Path) -> Result<()> {
    let plant = Plant::begin(bench, stacks)?;
    bench.begin(&["--learn-for", "3s"])?;
    until_operational(&bench.store)?;
    let filler = disk.join("filler");
    let full = Command::new("dd").args(["if=/dev/zero", "bs=4096"]).arg(format!("of={}", filler.display())).output()?;
    ensure!(!full.status.success(), "the disk is not full");
    plant.attack(bench)?;
    bench.until_said("no space left")?;
    std::fs::remove_file(&filler)?;
    bench.until_alert("new-master")?;
    bench.until_event("can be written again")?;
    plant.attack(bench)?;
    bench.finish()
}

#[test]
fn readers_that_stay_hold_nothing_up() -> Result<()> {
    let Some(stacks) = stacks() else { return Ok(()) };
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let plant = Plant::begin(&mut bench, stacks)?;
    bench.begin(&["--learn-for", "3s"])?;
    until_operational(&bench.store)?;
    let reader = ot_store::read::Reader::open(&bench.store)?;
    reader.begin()?;
    let devices = reader.totals()?.devices;
    plant.attack(&bench)?;
    bench.until_alert("new-master")?;
    assert_eq!(reader.totals()?.devices, devices, "a reader sees one moment");
    drop(reader);
    bench.finish()
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
