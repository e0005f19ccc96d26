//! The sensor as two processes: what each of them holds, and what becomes of one when the other goes.

use crate::bench::{Bench, LONG, split, stats};
use crate::traffic::{intrusion, replay};
use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::wait_for;
use ot_tests::sensor::{alerts, children, signal, status};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::process::Command;

/// A lab with a sensor that has raised an alert, as two processes: its own, and the one that parses. `None` where that cannot
/// be here.
fn begin() -> Result<Option<(Bench, u32, u32)>> {
    if !split() {
        eprintln!("skipped: one process was asked for (OT_LIVE_SPLIT)");
        return Ok(None);
    }
    if Command::new("tcpreplay").arg("--version").output().is_err() {
        eprintln!("skipped: tcpreplay is missing; deploy/test installs it");
        return Ok(None);
    }
    let Some(mut bench) = Bench::build()? else { return Ok(None) };
    bench.begin(&["--operational"])?;
    intrude(&mut bench, 66)?;
    let holder = bench.lab.process("sensor")?.id();
    let parser = bench.lab.parser("sensor")?;
    ensure!(holder != parser, "there is one process");
    Ok(Some((bench, holder, parser)))
}

/// Somebody commands the controller; the alert comes.
fn intrude(bench: &mut Bench, intruder: u8) -> Result<()> {
    let path = bench.folder.path().join(format!("{intruder}.pcap"));
    intrusion(&path, intruder)?;
    replay(bench, "replay", &[], &path)?;
    bench.lab.wait("replay", LONG)?;
    let address = format!("\"10.20.0.{intruder}\"");
    let store = bench.store.clone();
    wait_for("the alert of the attack", LONG, || {
        Ok(alerts(&store)?
            .iter()
            .any(|alert| alert["type"] == "new-master" && alert.to_string().contains(&address))
            .then_some(()))
    })
    .with_context(|| bench.said("sensor"))
}

/// Numbers of the packet sockets among the files of a process.
fn packet_sockets(pid: u32) -> Result<BTreeSet<u64>> {
    // Of all processes of its network namespace: the last column.
    let known = std::fs::read_to_string(format!("/proc/{pid}/net/packet"))?;
    let known: BTreeSet<u64> =
        known.lines().skip(1).filter_map(|line| line.split_whitespace().last()?.parse().ok()).collect();
    let mut held = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let number = target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        held.extend(number.filter(|number| known.contains(number)));
    }
    Ok(held)
}

#[test]
fn the_process_that_parses_holds_no_packet_socket_and_no_rights() -> Result<()> {
    let Some((mut bench, holder, parser)) = begin()? else { return Ok(()) };
    assert_eq!(packet_sockets(holder)?.len(), 1, "of the process that captures");
    assert_eq!(packet_sockets(parser)?, BTreeSet::new());
    // CAP_NET_RAW alone is bit 13.
    assert_eq!(status(holder, "CapEff")?, "0000000000002000");
    assert_eq!(status(holder, "NoNewPrivs")?, "1");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(parser, set)?, "0000000000000000", "{set}");
    }
    assert_eq!(status(parser, "NoNewPrivs")?, "1");
    assert_eq!(status(parser, "Seccomp")?, "2");
    // Each thread by itself: those of the parsers were started in the sandbox.
    let tasks: Vec<_> = std::fs::read_dir(format!("/proc/{parser}/task"))?.collect::<std::io::Result<_>>()?;
    ensure!(tasks.len() > 2, "{} threads", tasks.len());
    for task in tasks {
        let text = std::fs::read_to_string(task.path().join("status"))?;
        for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000"] {
            ensure!(text.contains(line), "{}: not {line}", task.path().display());
        }
    }
    ensure!(bench.said("sensor").contains("sandbox: files are written only below"), "{}", bench.said("sensor"));
    let sent = bench.lab.sent()?;
    bench.finish()?;
    assert_eq!(sent, 0, "the sensor's interface has sent packets");
    Ok(())
}

#[test]
fn where_the_process_that_captures_goes_all_is_committed_and_told() -> Result<()> {
    let Some((mut bench, holder, parser)) = begin()? else { return Ok(()) };
    signal(holder, Signal::KILL)?;
    assert_eq!(bench.lab.wait("sensor", LONG)?, None);
    wait_for("the process that parses to end", LONG, || {
        let gone = status(parser, "State").map_or(true, |state| state.starts_with('Z'));
        Ok(gone.then_some(()))
    })?;
    ensure!(bench.said("sensor").contains("all that it handed over is committed"), "{}", bench.said("sensor"));
    assert_eq!(stats(&bench.store)?["runs"][0]["state"], "done");
    bench.begin(&["--operational"])?;
    intrude(&mut bench, 67)?;
    bench.finish()
}

#[test]
fn where_the_process_that_parses_goes_the_other_goes_with_it() -> Result<()> {
    let Some((mut bench, _, parser)) = begin()? else { return Ok(()) };
    signal(parser, Signal::KILL)?;
    assert_eq!(bench.lab.wait("sensor", LONG)?, Some(5));
    ensure!(bench.said("sensor").contains("the process that parses has ended (signal: 9"), "{}", bench.said("sensor"));
    assert!(alerts(&bench.store)?.iter().any(|alert| alert["type"] == "new-master"), "the alert is lost");
    Ok(())
}

/// As from a service manager, to either.
#[test]
fn a_signal_to_either_process_ends_both_in_order() -> Result<()> {
    for to_parser in [false, true] {
        let Some((mut bench, holder, parser)) = begin()? else { return Ok(()) };
        signal(if to_parser { parser } else { holder }, Signal::TERM)?;
        assert_eq!(bench.lab.wait("sensor", LONG)?, Some(0), "{}", bench.said("sensor"));
        assert_eq!(stats(&bench.store)?["runs"][0]["state"], "done");
        ensure!(children(holder).is_empty());
    }
    Ok(())
}
