//! What a parser in the hands of somebody else could still do: each is tried inside the sandbox, and is refused; and, so that
//! this says something, each is tried outside of it by the same user, and is not.

use anyhow::{Context as _, Result, ensure};
use ot_tests::lab::{Lab, SPAN};
use ot_tests::sensor::succeed;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

/// What must work also inside: the first lines of the program.
const WORK: usize = 6;

/// What a program says: whether all of the sandbox holds, and of each thing whether it was refused, in order.
struct Said {
    whole: bool,
    lines: Vec<(String, bool, String)>,
}

/// Runs the program on fresh ground.
fn tries(mut command: Command, how: &str, interface: &str) -> Result<Said> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    for name in ["store", "etc", "outside"] {
        fs::create_dir(at(name))?;
    }
    for name in ["etc/sensor.toml", "etc/spare", "outside/secret"] {
        fs::write(at(name), "as it was")?;
    }
    let systemd = UnixDatagram::bind(at("notify"))?;
    let said = succeed(command.arg(folder.path()).args([how, interface]))?;
    let mut message = [0; 32];
    let length = systemd.recv(&mut message)?;
    ensure!(message.get(..length) == Some(b"WATCHDOG=1"), "systemd was told something else");
    if how != "free" {
        for name in ["etc/sensor.toml", "etc/spare", "outside/secret"] {
            ensure!(fs::read_to_string(at(name))? == "as it was", "{how}: {name} was changed");
        }
        ensure!(!at("outside/new").exists() && !at("store/link").exists(), "{how}: something was made");
    }
    let mut said = said.lines();
    let mut whole = false;
    if how != "free" {
        let first = said.next().context("nothing was said")?;
        println!("{how}: {first}");
        whole = first.starts_with("whole");
    }
    let lines = said.map(|line| {
        let mut parts = line.split('\t');
        let refused = parts.next() == Some("refused");
        let name = parts.next().unwrap_or_default().to_owned();
        (name, refused, parts.next().unwrap_or_default().to_owned())
    });
    Ok(Said { whole, lines: lines.collect() })
}

fn hijacked() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hijacked"))
}

#[test]
fn what_somebody_who_holds_a_parser_would_do_is_refused() -> Result<()> {
    let Some(lab) = Lab::build()? else { return Ok(()) };
    // Elsewhere, so that what it sends does not count.
    let free = tries(lab.command("switch", hijacked()), "free", "lo")?;
    let free: BTreeMap<String, bool> = free.lines.into_iter().map(|(name, refused, _)| (name, refused)).collect();
    for how in ["alone", "forwarding"] {
        let said = tries(lab.command("sensor", hijacked()), how, SPAN)?;
        if !said.whole {
            eprintln!("skipped: this kernel has not all of Landlock; see the line above");
            return Ok(());
        }
        ensure!(said.lines.len() > WORK, "{how}: it ended early");
        for (at, (name, refused, answer)) in said.lines.iter().enumerate() {
            let verdict = if *refused { "refused" } else { "done" };
            println!("  {verdict:8} {name}{}{answer}", if answer.is_empty() { "" } else { ": " });
            let wanted = at >= WORK;
            ensure!(*refused == wanted, "{how}: {name}: {verdict}: {answer}");
            ensure!(free.get(name) == Some(&false), "{name}: is refused outside too, so this test says nothing of it");
        }
    }
    assert_eq!(lab.sent()?, 0, "the sensor's interface has sent packets");
    Ok(())
}

/// The process that captures believes nothing of what the other one writes that cannot be, and ends it.
#[test]
fn the_process_that_captures_is_not_taken_in_by_a_liar() -> Result<()> {
    let Some(lab) = Lab::build()? else { return Ok(()) };
    let said = succeed(lab.command("sensor", hijacked()).arg("liar"))?;
    println!("{said}");
    ensure!(said.contains("packets: written: false, shortened: false"), "{said}");
    ensure!(said.contains("read: written: true, shortened: false"), "{said}");
    ensure!(said.contains("error: the process that parses has claimed"), "{said}");
    Ok(())
}
