//! What is wrong is told in one line, with a fixed exit code, and the store stays sound.

use anyhow::Result;
use ot_tests::sensor::{alerts, root, run, sensor, succeed};
use std::path::Path;
use std::process::Command;

/// Runs a command that must fail with this code and one line on standard error that has these words.
fn fails(command: &mut Command, code: i32, words: &[&str]) -> Result<()> {
    let output = run(command)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command:?} said: {said}");
    for word in words {
        assert!(said.contains(word), "{command:?}: no {word:?} in: {said}");
    }
    assert!(said.lines().filter(|line| line.starts_with("error")).count() <= 1, "more than one error line: {said}");
    Ok(())
}

fn replay(store: &Path) -> Command {
    let mut command = sensor();
    command.args(["replay", "--quiet", "--store"]).arg(store);
    command
}

#[test]
fn bad_captures() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let folder = directory.path();
    let store = folder.join("store.db");
    let text = folder.join("notes.txt");
    std::fs::write(&text, "this is no capture, but it is long enough to look at all of its first bytes")?;
    let empty = folder.join("empty.pcap");
    std::fs::write(&empty, "")?;
    let mut odd_link = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    odd_link.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0xe9, 3, 0, 0]);
    let odd = folder.join("odd-link.pcap");
    std::fs::write(&odd, odd_link)?;
    fails(replay(&store).arg(&text), 3, &["notes.txt"])?;
    fails(replay(&store).arg(&empty), 3, &["empty.pcap"])?;
    fails(replay(&store).arg(&odd), 3, &["odd-link.pcap", "1001"])?;
    fails(replay(&store).arg(folder), 3, &["directory"])?;
    fails(replay(&store).arg(folder.join("none.pcap")), 3, &["none.pcap"])?;
    Ok(())
}

#[test]
fn bad_stores() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let folder = directory.path();
    let capture = root().join("fixtures/unknown-device/capture.pcap.zst");
    let other = folder.join("other.db");
    std::fs::write(
        &other,
        "not a database at all, but long enough to have a header of a hundred bytes, which is what SQLite looks at first",
    )?;
    fails(replay(&other).arg(&capture), 4, &["other.db"])?;
    fails(replay(folder).arg(&capture), 4, &["directory"])?;
    fails(replay(&folder.join("missing/store.db")).arg(&capture), 4, &["missing"])?;
    fails(sensor().args(["alerts", "list", "--store"]).arg(folder.join("none.db")), 4, &["none.db"])?;
    Ok(())
}

#[test]
fn stores_that_others_hold_or_wrote() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let capture = root().join("fixtures/unknown-device/capture.pcap.zst");
    let held = directory.path().join("held.db");
    succeed(replay(&held).arg(&capture))?;
    let before = alerts(&held)?.len();
    {
        let store = ot_store::Store::open(&held)?;
        let _lock = store.lock_engine()?;
        fails(replay(&held).arg(&capture), 4, &["held.db", "runs on it already"])?;
        assert_eq!(alerts(&held)?.len(), before);
    }
    // SQLite's user_version, the format of the store, is at offset 60.
    let newer = directory.path().join("newer.db");
    let mut bytes = std::fs::read(&held)?;
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&newer, &bytes)?;
    fails(replay(&newer).arg(&capture), 4, &["newer.db", "99", "newer ot-sensor"])?;
    fails(sensor().args(["alerts", "list", "--store"]).arg(&newer), 4, &["newer.db"])?;
    assert_eq!(std::fs::read(&newer)?, bytes, "a newer store was changed");
    Ok(())
}

#[test]
fn endless_and_doubled_files() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    let capture = root().join("fixtures/unknown-device/capture.pcap.zst");
    fails(replay(&store).arg(&capture).arg(&capture), 3, &["more than once"])?;
    fails(replay(&store).arg("--config").arg("/dev/zero").arg(&capture), 2, &["/dev/zero", "larger than"])?;
    fails(replay(&store).args(["--batch", "4294967295"]).arg(&capture), 2, &["65536"])?;
    Ok(())
}

#[test]
fn bad_use() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store.db");
    let capture = root().join("fixtures/unauthorised-write/capture.pcap.zst");
    succeed(replay(&store).arg(&capture))?;
    let before = alerts(&store)?.len();
    assert!(before > 0);
    fails(sensor().args(["alerts", "list", "--severity", "urgent", "--store"]).arg(&store), 2, &["urgent"])?;
    fails(sensor().args(["alerts", "show", "ffff", "--store"]).arg(&store), 1, &["ffff"])?;
    fails(sensor().args(["decode", "--filter", "modbus.func_code ==="]).arg(&capture), 2, &[])?;
    fails(sensor().args(["decode", "--filter", "modbus.nonsense == 1"]).arg(&capture), 2, &["modbus.nonsense"])?;
    fails(replay(&store).args(["--learn-until", "yesterday"]).arg(&capture), 2, &["yesterday"])?;
    let configuration = directory.path().join("sensor.toml");
    std::fs::write(&configuration, "[sensor]\nsit = \"north\"\n")?;
    fails(replay(&store).arg("--config").arg(&configuration).arg(&capture), 2, &["sensor.toml", "sit", "site"])?;
    assert_eq!(alerts(&store)?.len(), before);
    Ok(())
}
