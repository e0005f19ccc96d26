//! Care of a store: backups while it is written to, back from them, and what a power cut leaves.

use anyhow::{Context as _, Result, ensure};
use ot_store::read::{AlertQuery, Reader};
use ot_tests::console::{PASSWORD, replay};
use ot_tests::evidence;
use ot_tests::frames::Random;
use ot_tests::sensor::{lines, make_capture, run, sensor, succeed};
use ot_tests::wal::{self, Torn};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn plant(directory: &Path, packets: &str, servers: &str) -> Result<PathBuf> {
    let file = directory.join("plant.pcap");
    succeed(make_capture().arg("plant").arg(&file).args(["--packets", packets, "--servers", servers]))?;
    Ok(file)
}

fn spawn(store: &Path, capture: &Path) -> Result<Child> {
    let mut command = sensor();
    command.args(["replay", "--quiet", "--store"]).arg(store).arg(capture);
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// All that a store holds, with the files of packets beside it.
fn dump(store: &Path) -> Result<Vec<String>> {
    let mut rows = ot_store::dump(store)?;
    rows.extend(evidence::files(store)?);
    Ok(rows)
}

fn same(a: &[String], b: &[String]) -> Result<()> {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    ensure!(a == b, "row {at} of {} and {}:\n  {:?}\n  {:?}", a.len(), b.len(), a.get(at), b.get(at));
    Ok(())
}

/// Ids of the alerts that are committed.
fn committed(store: &Path) -> Result<BTreeSet<String>> {
    let reader = Reader::open(store)?;
    Ok(reader.alerts(&AlertQuery::default())?.into_iter().map(|alert| alert.id).collect())
}

fn restore(backup: &Path, store: &Path, more: &[&str]) -> Command {
    let mut command = sensor();
    command.arg("restore").arg(backup).arg("--store").arg(store).args(more);
    command
}

/// A command that must end with this code; what it said on standard error, which is one line.
fn ends(command: &mut Command, code: i32) -> Result<String> {
    let output = run(command)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(code), "{command:?} ended with {}: {said}", output.status);
    ensure!(said.lines().count() == usize::from(code != 0), "{command:?} said {said:?}");
    Ok(said)
}

fn sound(store: &Path) -> Result<()> {
    succeed(sensor().args(["check-store", "--store"]).arg(store)).map(drop)
}

/// Backups are taken while a replay writes. Each is whole: the replay that it holds in the middle resumes from it, and ends
/// with the store that it ends with anyhow.
#[test]
fn a_backup_under_load_is_restored_and_equal() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let capture = plant(folder.path(), "1000000", "120")?;
    let store = folder.path().join("store.db");
    let mut child = spawn(&store, &capture)?;
    let mut backups = Vec::new();
    while child.try_wait()?.is_none() {
        if store.exists() && committed(&store).is_ok_and(|ids| !ids.is_empty()) {
            let to = folder.path().join(format!("{}.tar.zst", backups.len()));
            let told = lines(sensor().args(["backup", "--json"]).arg(&to).arg("--store").arg(&store))?;
            backups.push((to, told[0]["manifest"]["alerts"].as_u64().context("no count")?));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(child.wait()?.success());
    ensure!(!folder.path().join("0.tar.zst.part").exists(), "something is left");
    let whole = dump(&store)?;
    let mut resumed = 0;
    ensure!(!backups.is_empty(), "the replay is too short for a backup");
    let places: BTreeSet<usize> = [0, backups.len() / 2, backups.len() - 1].into();
    for place in places {
        let (backup, count) = &backups[place];
        succeed(restore(backup, Path::new("unused"), &["--check"]).current_dir(folder.path()))?;
        let back = folder.path().join(format!("back-{place}.db"));
        succeed(&mut restore(backup, &back, &[]))?;
        sound(&back)?;
        let ids = committed(&back)?;
        assert_eq!(ids.len() as u64, *count);
        ensure!(ids.is_subset(&committed(&store)?), "alerts that nobody raised");
        let stats = lines(sensor().args(["stats", "--json", "--store"]).arg(&back))?;
        if stats[0]["runs"][0]["state"] == "running" {
            resumed += 1;
            succeed(sensor().args(["replay", "--quiet", "--store"]).arg(&back).arg(&capture))?;
        }
        same(&whole, &dump(&back)?)?;
    }
    ensure!(resumed > 0, "no backup fell within the replay");
    println!("{} backups while it ran, {resumed} of those restored went on", backups.len());
    Ok(())
}

fn with_users(folder: &Path) -> Result<PathBuf> {
    let store = folder.join("store.db");
    replay(&store, &["benign-polling", "unauthorised-write"])?;
    let mut child = sensor()
        .args(["user", "add", "anna", "--role", "administrator", "--password-stdin", "--store"])
        .arg(&store)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    child.stdin.take().context("no input")?.write_all(PASSWORD.as_bytes())?;
    ensure!(child.wait()?.success());
    Ok(store)
}

#[test]
fn a_backup_holds_packets_and_users_and_goes_over_no_store_by_itself() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = with_users(folder.path())?;
    let whole = dump(&store)?;
    ensure!(!evidence::files(&store)?.is_empty(), "no packets were kept");
    let told = succeed(sensor().arg("backup").arg(folder.path()).arg("--store").arg(&store))?;
    let backup = PathBuf::from(told.split(": ").next().context("no file")?);
    let name = backup.file_name().context("no name")?.to_string_lossy().into_owned();
    ensure!(name.starts_with("replay-20") && name.ends_with("Z.tar.zst"), "{name}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&backup)?.permissions());
    assert_eq!(mode & 0o077, 0, "others may read it");
    ends(sensor().arg("backup").arg(&backup).arg("--store").arg(&store), 2)?;

    let back = folder.path().join("back.db");
    succeed(&mut restore(&backup, &back, &[]))?;
    same(&whole, &dump(&back)?)?;
    let users = |store: &Path| succeed(sensor().args(["user", "list", "--json", "--store"]).arg(store));
    assert_eq!(users(&back)?, users(&store)?);
    ensure!(users(&back)?.contains("anna"));

    // A store that is there.
    let said = ends(&mut restore(&backup, &back, &[]), 2)?;
    ensure!(said.contains("--force"), "{said}");
    let id = committed(&back)?.pop_first().context("no alert")?;
    succeed(sensor().args(["alerts", "close", &id, "--why", "after the backup", "--store"]).arg(&back))?;
    ensure!(dump(&back)? != whole);
    // While a sensor, or anybody else, has it open.
    {
        let open = ot_store::Store::open(&back)?;
        let _lock = open.lock_engine()?;
        let said = ends(&mut restore(&backup, &back, &["--force"]), 4)?;
        ensure!(said.contains("runs on it already"), "{said}");
    }
    {
        let reader = Reader::open(&back)?;
        reader.begin()?;
        let said = ends(&mut restore(&backup, &back, &["--force"]), 4)?;
        ensure!(said.contains("locked by another process"), "{said}");
        reader.totals()?;
    }
    succeed(&mut restore(&backup, &back, &["--force"]))?;
    same(&whole, &dump(&back)?)?;
    // What was there is a store by itself.
    let old = folder.path().join("back.db.old");
    ensure!(dump(&old)?.iter().any(|row| row.contains("after the backup")));
    let said = ends(&mut restore(&backup, &back, &["--force"]), 2)?;
    ensure!(said.contains("from an earlier restore"), "{said}");
    same(&whole, &dump(&back)?)?;
    Ok(())
}

#[test]
fn a_damaged_store_is_told_and_a_backup_takes_its_place() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = with_users(folder.path())?;
    let whole = dump(&store)?;
    let backup = folder.path().join("backup.tar.zst");
    succeed(sensor().arg("backup").arg(&backup).arg("--store").arg(&store))?;
    let mut bytes = std::fs::read(&store)?;
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 40_960].fill(0xa5);
    std::fs::write(&store, &bytes)?;
    let output = run(sensor().args(["check-store", "--store"]).arg(&store))?;
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("is damaged") && said.contains("ot-sensor restore BACKUP --force"), "{said}");
    succeed(&mut restore(&backup, &store, &["--force"]))?;
    same(&whole, &dump(&store)?)?;
    sound(&store)
}

/// Whatever happened to an archive: it is refused, and nothing is left of the try.
#[test]
fn a_damaged_backup_is_refused_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = with_users(folder.path())?;
    let backup = folder.path().join("backup.tar.zst");
    succeed(sensor().arg("backup").arg(&backup).arg("--store").arg(&store))?;
    let bytes = std::fs::read(&backup)?;
    let place = tempfile::tempdir()?;
    let bad = folder.path().join("bad.tar.zst");
    let mut random = Random::new(5);
    let try_one = |what: &str, bytes: &[u8]| -> Result<()> {
        std::fs::write(&bad, bytes)?;
        let back = place.path().join("back.db");
        let said = ends(&mut restore(&bad, &back, &[]), 3).with_context(|| what.to_owned())?;
        ensure!(said.contains("bad.tar.zst"), "{said}");
        ends(&mut restore(&bad, &back, &["--check"]), 3)?;
        let left: Vec<_> = std::fs::read_dir(place.path())?.flatten().map(|entry| entry.file_name()).collect();
        ensure!(left == ["back.db.lock"], "{what}: {left:?} are left");
        Ok(())
    };
    try_one("nothing", &[])?;
    try_one("other", b"no archive at all")?;
    for part in [10, 2, 1] {
        let cut = bytes.len() - bytes.len() / (part + 1);
        try_one("cut", &bytes[..cut])?;
    }
    for _ in 0..10 {
        let mut damaged = bytes.clone();
        // Not in the first bytes, where zstd knows fields that mean nothing here.
        let at = 64 + usize::try_from(random.below(bytes.len() as u64 - 128))?;
        damaged[at] ^= 0x10;
        try_one(&format!("byte {at}"), &damaged)?;
    }
    let plain = zstd::decode_all(bytes.as_slice())?;
    let forged = |change: &dyn Fn(&mut Vec<u8>)| -> Result<Vec<u8>> {
        let mut plain = plain.clone();
        change(&mut plain);
        Ok(zstd::encode_all(plain.as_slice(), 1)?)
    };
    // A byte of the store, where the hash alone can tell.
    try_one("another byte", &forged(&|plain| plain[512 + 40_000] ^= 1)?)?;
    // Without the manifest: the tail of the archive.
    try_one("no manifest", &forged(&|plain| plain.truncate(plain.len() / 2 / 512 * 512))?)?;
    ends(&mut restore(&folder.path().join("missing"), &place.path().join("back.db"), &[]), 3)?;
    Ok(())
}

/// Power cuts while a replay writes (eight, or as many as `OT_SENSOR_CUTS` says), each with what may be torn by it: what was
/// committed is there, row for row, and at the end the store is what it would be without.
#[test]
fn power_cuts_lose_nothing_that_was_committed() -> Result<()> {
    let wanted_cuts = std::env::var("OT_SENSOR_CUTS").map_or(Ok(8), |text| text.parse::<usize>())?;
    let folder = tempfile::tempdir()?;
    let capture = plant(folder.path(), "600000", "120")?;
    let reference = folder.path().join("reference.db");
    let began = Instant::now();
    ensure!(spawn(&reference, &capture)?.wait()?.success());
    let length = u64::try_from(began.elapsed().as_millis())?;
    let whole = dump(&reference)?;
    let mut random = Random::new(23);
    let mut torn = std::collections::BTreeMap::<Torn, usize>::new();
    let (mut cuts, mut told, mut resumed) = (0, 0, 0);
    let mut store = folder.path().join("cut-0.db");
    let mut seen = BTreeSet::new();
    for attempt in 1..500 {
        let mut child = spawn(&store, &capture)?;
        let deadline = Instant::now() + Duration::from_millis(length / 10 + random.below(length));
        while Instant::now() < deadline && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if child.try_wait()?.is_some() {
            // It came to its end: as if nothing had happened to it. The next cuts are for a new store.
            same(&whole, &dump(&store)?).with_context(|| format!("attempt {attempt}"))?;
            resumed += usize::from(!seen.is_empty());
            store = folder.path().join(format!("cut-{attempt}.db"));
            seen.clear();
            continue;
        }
        child.kill()?;
        child.wait()?;
        if !store.exists() {
            continue;
        }
        if !wal::log_of(&store).exists() {
            // It had come to its end, or had hardly begun.
            if Reader::open(&store).and_then(|reader| reader.runs())?.iter().any(|run| run.state == "done") {
                store = folder.path().join(format!("cut-{attempt}.db"));
                seen.clear();
            }
            continue;
        }
        // What the disk holds, untorn: what is committed.
        let (before, after) = (folder.path().join("before.db"), folder.path().join("after.db"));
        for copy in [&before, &after] {
            std::fs::copy(&store, copy)?;
            std::fs::copy(wal::log_of(&store), wal::log_of(copy))?;
        }
        // Cut off after its end: another replay of the same would be a second run.
        if Reader::open(&before)?.runs()?.iter().any(|run| run.state == "done") {
            store = folder.path().join(format!("cut-{attempt}.db"));
            seen.clear();
            continue;
        }
        let wanted = if cuts % 2 == 0 { Torn::Tail } else { Torn::Page };
        *torn.entry(wal::tear(&after, wanted, &mut random)?).or_default() += 1;
        let rows = ot_store::dump(&before)?;
        let ids = committed(&before)?;
        ensure!(seen.is_subset(&ids), "cut {cuts}: alerts that were told of are gone");
        same(&rows, &ot_store::dump(&after)?).with_context(|| format!("cut {cuts}"))?;
        sound(&after).with_context(|| format!("cut {cuts}"))?;

        // A disk that lied: whatever it lost is told, or was nothing.
        std::fs::remove_file(wal::log_of(&before)).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        wal::tear_last_page(&before)?;
        let check = run(sensor().args(["check-store", "--store"]).arg(&before))?;
        match check.status.code() {
            Some(4) => told += 1,
            Some(0) => ensure!(committed(&before)? == ids, "cut {cuts}: alerts are gone, and nobody was told"),
            _ => anyhow::bail!("check-store: {check:?}"),
        }

        // It goes on with what the power cut left.
        std::fs::rename(&after, &store)?;
        match std::fs::rename(wal::log_of(&after), wal::log_of(&store)) {
            Ok(()) => {}
            Err(_) => drop(std::fs::remove_file(wal::log_of(&store))),
        }
        seen = ids;
        cuts += 1;
        if cuts == wanted_cuts {
            break;
        }
    }
    assert_eq!(cuts, wanted_cuts, "the replay is too short to be cut");
    succeed(sensor().args(["replay", "--quiet", "--store"]).arg(&store).arg(&capture))?;
    same(&whole, &dump(&store)?)?;
    let pages = torn.get(&Torn::Page).copied().unwrap_or(0);
    let tails = torn.get(&Torn::Tail).copied().unwrap_or(0);
    println!(
        "torn: {tails} ends of the log, {pages} pages; {told} of {cuts} lies of the disk were told; {resumed} went on to the end"
    );
    ensure!(pages > 0 && tails > 0, "too little was torn: {torn:?}");
    ensure!(told > 0, "no lie of the disk was noticed");
    Ok(())
}

/// The store of a live sensor is larger than it may be: closed alerts go, the oldest first, and no open one does.
#[test]
fn a_store_that_is_too_large_gives_up_what_is_oldest() -> Result<()> {
    use ot_engine::model::Status;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("large.db");
    ot_tests::store::write(&path, ot_tests::store::Plan { alerts: 20_000, devices: 400, seed: 3 }, |_| {})?;
    let counts = || -> Result<(u64, u64)> {
        let counts = Reader::open(&path)?.alert_counts()?;
        let of = |closed: bool| {
            let fits = |status: &Status| (*status == Status::Closed) == closed;
            counts.iter().filter(|(_, status, _)| fits(status)).map(|(_, _, count)| count).sum::<u64>()
        };
        Ok((of(false), of(true)))
    };
    let (open, closed) = counts()?;
    let used = ot_store::Store::open(&path)?.used_bytes()?;
    // A tenth of the store has to go.
    let limit = used / 10 * 9;
    ensure!(limit > 16 << 20, "the store is too small: {used}");
    let config = folder.path().join("sensor.toml");
    std::fs::write(
        &config,
        format!(
            "[retention]\nclose_after = 'never'\ndelete_after = 'never'\ndevices = 'never'\nstore_size = '{limit}'\n\
             disk_free = '1000000 TiB'\n"
        ),
    )?;
    let mut command = sensor();
    command.args(["run", "--interface", "lo", "--for", "40s", "--config"]).arg(&config).arg("--store").arg(&path);
    let output = run(&mut command)?;
    if output.status.code() == Some(3) {
        eprintln!("skipped: no capture here ({})", String::from_utf8_lossy(&output.stderr).trim());
        return Ok(());
    }
    ensure!(output.status.success(), "{output:?}");
    let left = counts()?;
    println!("{open} open and {closed} closed alerts, {used} bytes; after it {left:?} of at most {limit} bytes");
    ensure!(left.0 >= open, "open alerts went: {open}, {left:?}");
    ensure!(left.1 < closed && left.1 > 0, "closed alerts: {closed}, {left:?}");
    let store = ot_store::Store::open(&path)?;
    ensure!(store.used_bytes()? <= limit, "{} of {limit}", store.used_bytes()?);
    drop(store);
    sound(&path)?;
    let events = lines(sensor().args(["events", "list", "--kind", "sensor", "--json", "--store"]).arg(&path))?;
    let told = |what: &str| events.iter().any(|event| event["text"].as_str().is_some_and(|text| text.contains(what)));
    ensure!(told("what is oldest goes") && told("is within"), "{events:?}");
    ensure!(told("runs full"), "{events:?}");
    let stats = lines(sensor().args(["stats", "--json", "--store"]).arg(&path))?;
    let counter = |id: &str| {
        let all = stats[0]["counters"].as_array().into_iter().flatten();
        all.filter(|counter| counter["id"] == id).filter_map(|counter| counter["value"].as_u64()).sum::<u64>()
    };
    assert_eq!(counter("alerts-deleted-for-size"), closed - left.1);
    assert_eq!(counter("disk-low"), 1);
    Ok(())
}

#[test]
fn an_export_holds_what_the_lists_print() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, &["benign-polling", "unauthorised-write"])?;
    let to = folder.path().join("export");
    succeed(sensor().arg("export").arg(&to).arg("--store").arg(&store))?;
    let exported = |name: &str| -> Result<Vec<serde_json::Value>> {
        let text = std::fs::read_to_string(to.join(format!("{name}.jsonl")))?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    };
    for (name, list, number) in [
        ("alerts", &["alerts", "list", "--limit", "1000000"][..], "id"),
        ("devices", &["devices", "list"], "device_id"),
        ("events", &["events", "list", "--limit", "1000000"], "number"),
        ("baseline", &["baseline", "list", "--all"], "entry_id"),
    ] {
        let mut printed = lines(sensor().args(list).args(["--json", "--store"]).arg(&store))?;
        let mut found = exported(name)?;
        for list in [&mut printed, &mut found] {
            list.sort_by_key(|one| one[number].to_string() + &one.to_string());
        }
        ensure!(!found.is_empty(), "{name} is empty");
        ensure!(printed == found, "{name}: {} printed, {} exported", printed.len(), found.len());
    }
    let violations = exported("violations")?;
    ensure!(!violations.is_empty() && violations.iter().all(|row| row["alert"].is_string()));
    assert_eq!(exported("stats")?.len(), 1);
    // Not over files that are there, unless that is wanted.
    ends(sensor().arg("export").arg(&to).arg("--store").arg(&store), 2)?;
    succeed(sensor().arg("export").arg(&to).args(["--force", "--only", "alerts", "--store"]).arg(&store))?;
    // As CSV: the same rows, under the same names.
    succeed(sensor().arg("export").arg(&to).args(["--format", "csv", "--store"]).arg(&store))?;
    for (name, key) in [("alerts", "id"), ("devices", "device_id"), ("violations", "alert"), ("stats", "store")] {
        let mut csv = csv::Reader::from_path(to.join(format!("{name}.csv")))?;
        let column = csv.headers()?.iter().position(|column| column == key).context(format!("{name} has no {key}"))?;
        let rows = csv.into_records().map(|row| Ok(row?.get(column).context("short row")?.to_owned()));
        let rows: Vec<String> = rows.collect::<Result<_>>()?;
        let values = exported(name)?.into_iter().map(|row| match &row[key] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        assert_eq!(rows, values.collect::<Vec<_>>(), "{name}");
    }
    Ok(())
}
