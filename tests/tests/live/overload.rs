//! More comes than can be done: a store that cannot be written holds the engine up, then the whole sensor stands still. What is
//! given up is counted, in its order; the attack in the midst of it is found; and afterwards all is as before.

use crate::bench::{Bench, LONG, counter, stats};
use crate::traffic::{Cell, Talk, attack, capture, replay};
use anyhow::{Context as _, Result, ensure};
use ot_tests::frames::flags;
use ot_tests::lab::{SPAN, wait_for};
use ot_tests::sensor::{alerts, status};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Room for what is on its way between threads, and memory of the kernel's ring: small, so that little is too much.
const CONFIG: &str = "[capture]\nbacklog = \"8 MiB\"\nring = \"1 MiB\"\n";
/// Tenths of milliseconds of the load: eight seconds. In each of them but the first somebody else attacks.
const LENGTH: u64 = 80_000;
const SECOND: u64 = 10_000;
/// Who attacks: these, one after the other; and one when all is calm again.
const INTRUDERS: RangeInclusive<u8> = 61..=67;
const LAST: u8 = 70;

/// In each second 10 polls, 5,000 packets of bulk in eight conversations, and 5,000 connections that are refused, of ten hosts
/// that were not seen before: what is new is to be written at once.
fn load(path: &Path) -> Result<()> {
    capture(path, |put| {
        let mut cell = Cell::new(50_000);
        let mut intruders = INTRUDERS;
        let mut bulk = bulk();
        put(0, cell.poll.open())?;
        for talk in &mut bulk {
            put(0, talk.open())?;
        }
        let mut short = 0_u16;
        for tenths in 1..LENGTH {
            if tenths % 1_000 == 0 {
                put(tenths, cell.poll())?;
            }
            if tenths % 2 == 0 {
                let at = usize::try_from(tenths / 2)? % bulk.len();
                let talk = bulk.get_mut(at).context("no conversation")?;
                put(tenths, vec![talk.say(1, flags::ACK, &[0x55; 1_000])])?;
            } else {
                short += 1;
                let mut talk = Talk::new((50, 1_024 + short), (41, 9_999)).of_guest(u8::try_from(1 + short / 500)?);
                put(tenths, vec![talk.say(0, flags::SYN, &[]), talk.say(1, flags::RST | flags::ACK, &[])])?;
            }
            if tenths % SECOND == 0 {
                put(tenths, attack(intruders.next().context("no intruder")?))?;
            }
        }
        Ok(())
    })
}

fn bulk() -> Vec<Talk> {
    (0..8).map(|n| Talk::new((30, 51_000 + n), (40, 9_000))).collect()
}

/// Far more than the kernel's ring holds.
fn flood(path: &Path) -> Result<()> {
    capture(path, |put| {
        let mut bulk = bulk();
        for n in 0..5_000 {
            let at = usize::try_from(n)? % bulk.len();
            put(n, vec![bulk.get_mut(at).context("no conversation")?.say(0, flags::ACK, &[0x55; 1_000])])?;
        }
        Ok(())
    })
}

/// The plant goes on, in peace, and somebody else attacks.
fn afterwards(path: &Path) -> Result<()> {
    capture(path, |put| {
        let mut cell = Cell::new(50_001);
        put(0, cell.poll.open())?;
        for second in 0..20 {
            put(1_000 * second, cell.poll())?;
        }
        put(20_000, attack(LAST))
    })
}

/// Packets that have come to the sensor's interface so far.
fn delivered(bench: &Bench) -> Result<u64> {
    let output = bench.lab.command("switch", "cat").arg("/sys/class/net/mirror/statistics/tx_packets").output()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().context("the mirror port tells no count")
}

/// Holds the store so that nobody can write to it; gives the process back once it does. It ends with its input.
fn hold(store: &Path) -> Result<Child> {
    let script = "import sqlite3, sys\nhold = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n\
                  hold.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\nhold.execute('ROLLBACK')";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run python3")?;
    let mut said = String::new();
    BufReader::new(holder.stdout.take().context("no output")?).read_line(&mut said)?;
    ensure!(said.trim() == "held", "the store could not be held");
    Ok(holder)
}

/// Whether the alert that somebody new commands the controller names all of these.
fn told_of(store: &Path, intruders: impl IntoIterator<Item = u8>) -> Result<Option<()>> {
    let alerts = alerts(store)?;
    let names = |number: u8| {
        let address = format!("\"10.20.0.{number}\"");
        alerts.iter().any(|alert| alert["type"] == "new-master" && alert.to_string().contains(&address))
    };
    Ok(intruders.into_iter().all(names).then_some(()))
}

fn peak_memory(pid: u32) -> Result<u64> {
    status(pid, "VmHWM")?.trim_end_matches("kB").trim().parse().context("VmHWM is no number")
}

#[test]
fn more_than_can_be_done_is_given_up_in_its_order_and_counted_and_the_attack_is_found() -> Result<()> {
    if Command::new("tcpreplay").arg("--version").output().is_err() {
        eprintln!("skipped: tcpreplay is missing; deploy/test installs it");
        return Ok(());
    }
    let Some(mut bench) = Bench::build()? else { return Ok(()) };
    let file = |name: &str| -> PathBuf { bench.folder.path().join(name) };
    let (config, much, more, little) =
        (file("sensor.toml"), file("load.pcap"), file("flood.pcap"), file("afterwards.pcap"));
    std::fs::write(&config, CONFIG)?;
    load(&much)?;
    flood(&more)?;
    afterwards(&little)?;
    bench.begin(&["--operational", "--workers", "1", "--config", &config.display().to_string()])?;
    let before = delivered(&bench)?;
    let store = bench.store.clone();

    // Two hundred at a time: a busy machine sleeps too long to send one by one.
    replay(&mut bench, "load", &["--pps", "15000", "--pps-multi", "200"], &much)?;
    wait_for("the load to begin", LONG, || Ok((delivered(&bench)? > before + 3_000).then_some(())))?;
    let mut holder = hold(&store)?;
    let overload = bench.until_said("overload:");
    drop(holder.stdin.take());
    ensure!(holder.wait()?.success(), "the store could not be held to the end");
    overload?;
    bench.lab.wait("load", LONG)?;
    wait_for("the alert of all attacks in the load", LONG, || told_of(&store, INTRUDERS))?;

    // The sensor stands still: the kernel's ring runs over.
    bench.lab.signal("sensor", "STOP")?;
    let flooded = replay(&mut bench, "flood", &["--topspeed"], &more).and_then(|()| bench.lab.wait("flood", LONG));
    bench.lab.signal("sensor", "CONT")?;
    flooded?;
    bench.until_event("is over")?;

    let shed = |stats: &Value| {
        ["payload-of-known-it", "payload-of-others", "packets-of-others", "packets-of-ot"]
            .map(|id| counter(stats, &format!("overload-dropped-{id}")))
    };
    let calm = stats(&store)?;
    replay(&mut bench, "afterwards", &[], &little)?;
    bench.lab.wait("afterwards", LONG)?;
    wait_for("the alert of the attack afterwards", LONG, || told_of(&store, [LAST]))?;
    let memory = peak_memory(bench.lab.parser("sensor")?)?;
    let sent = bench.lab.sent()?;
    bench.finish()?;
    let delivered = delivered(&bench)? - before;

    let stats = stats(&store)?;
    let of = |id: &str| counter(&stats, &format!("{id}-{SPAN}"));
    let (captured, kernel, card) = (of("captured-packets"), of("dropped-by-kernel"), of("dropped-by-card"));
    let [known, others, packets, ot] = shed(&stats);
    println!(
        "{delivered} packets: {captured} captured, {kernel} dropped by the kernel, {card} by the card; shed: payload of {known} and {others}, \
         {packets} packets, {ot} of OT; {memory} KiB at most"
    );
    assert_eq!(delivered, captured + kernel + card, "packets that nobody counted");
    ensure!(kernel > 0, "the ring did not run over");
    ensure!(known > 0, "no payload of known IT conversations was shed");
    assert_eq!(ot, 0, "packets of OT conversations were given up");
    assert_eq!(shed(&calm), shed(&stats), "something was given up when all was calm");
    ensure!(counter(&stats, "overloads") >= 1, "the overload was not counted");
    ensure!(memory < 256 << 10, "{memory} KiB");
    assert_eq!(sent, 0, "the sensor's interface has sent packets");
    Ok(())
}
