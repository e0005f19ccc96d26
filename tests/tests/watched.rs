//! What machines watch of the sensor: `/healthz`, `/metrics`, its log; and the archive for those who look for a fault.

use anyhow::{Context as _, Result, ensure};
use ot_store::{RunInput, RunKind, RunSpec, Store};
use ot_tests::console::{Console, PASSWORD, ROLES, replay};
use ot_tests::http::{Reply, send};
use ot_tests::sensor::{root, run, sensor, succeed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python with the parser of others; `None`, with a line that says why, where its environment was not made.
fn checker() -> Option<PathBuf> {
    let python = std::env::var_os("OT_WATCHED_PYTHON")
        .map_or_else(|| root().join("target/watched-venv/bin/python"), PathBuf::from);
    if python.is_file() {
        return Some(python);
    }
    eprintln!("skipped: {} is missing; deploy/test makes it (tests/watched/requirements.txt)", python.display());
    None
}

/// Makes a token and gives the field of the header.
fn token(console: &Console, scope: &str) -> Result<String> {
    let made = succeed(
        sensor()
            .args(["user", "token", "add", "viewer", "--label", "monitoring", "--scope", scope, "--store"])
            .arg(&console.store),
    )?;
    Ok(format!("Bearer {}", made.split_whitespace().nth(2).context("no token")?))
}

fn get(console: &Console, path: &str, authorization: &str) -> Result<Reply> {
    let headers: &[(&str, &str)] = if authorization.is_empty() { &[] } else { &[("authorization", authorization)] };
    send(console.address, "GET", path, headers, b"")
}

#[test]
fn metrics_are_what_stats_tells_and_others_can_read_them() -> Result<()> {
    let console = Console::start()?;
    assert_eq!(get(&console, "/metrics", "")?.status, 401);
    assert_eq!(get(&console, "/metrics", &token(&console, "triage")?)?.status, 403);
    let read = token(&console, "read")?;
    let reply = get(&console, "/metrics", &read)?;
    assert_eq!(reply.status, 200);
    let media = reply.header("content-type").unwrap_or_default();
    ensure!(media.starts_with("application/openmetrics-text; version=1.0.0"), "{media}");
    let stats = get(&console, "/api/v1/stats", &read)?.json()?;
    ensure!(reply.text().ends_with("# EOF\n"));
    let Some(python) = checker() else { return Ok(()) };
    let mut child = Command::new(python)
        .arg(root().join("tests/watched/check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no input")?.write_all(&reply.body)?;
    let mut text = String::new();
    child.stdout.take().context("no output")?.read_to_string(&mut text)?;
    ensure!(child.wait()?.success(), "the parser refuses it:\n{}", reply.text());
    let samples: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let value = |name: &str, labels: &[(&str, &str)]| -> Result<f64> {
        let is = |sample: &&Value| {
            sample["name"] == name && labels.iter().all(|(label, value)| sample["labels"][label] == *value)
        };
        let found: Vec<_> = samples.iter().filter(is).collect();
        ensure!(found.len() == 1, "{name} {labels:?}: {found:?}");
        found[0]["value"].as_f64().context("no number")
    };
    let number = |value: &Value| value.as_f64().context("no number");
    assert_eq!(value("ot_sensor_devices", &[])?, number(&stats["totals"]["devices"])?);
    assert_eq!(value("ot_sensor_events", &[])?, number(&stats["totals"]["events"])?);
    assert_eq!(value("ot_sensor_healthy", &[])?, 1.0);
    assert_eq!(value("ot_sensor_problem", &[("reason", "sensor-stopped")])?, 0.0);
    assert_eq!(value("ot_sensor_build_info", &[("sensor", "replay")])?, 1.0);
    assert!(value("ot_sensor_store_bytes", &[])? > 100_000.0 && value("ot_sensor_disk_free_bytes", &[])? > 0.0);
    let alerts = stats["alerts"].as_array().context("no alerts")?;
    ensure!(!alerts.is_empty());
    for row in alerts {
        let labels = [("severity", row["severity"].as_str()), ("status", row["status"].as_str())];
        let labels = labels.map(|(label, value)| (label, value.unwrap_or_default()));
        assert_eq!(value("ot_sensor_alerts", &labels)?, number(&row["count"])?);
    }
    let counters = stats["counters"].as_array().context("no counters")?;
    ensure!(counters.len() > 20);
    for counter in counters {
        let id = counter["id"].as_str().context("no id")?;
        assert_eq!(value("ot_sensor_counter_total", &[("id", id)])?, number(&counter["value"])?, "{id}");
    }
    println!(
        "{} samples of {} families",
        samples.len(),
        samples.iter().map(|s| s["family"].to_string()).collect::<std::collections::BTreeSet<_>>().len()
    );
    Ok(())
}

fn health(console: &Console) -> Result<(u16, Value)> {
    // A found state is kept for two seconds.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let reply = get(console, "/healthz", "")?;
    Ok((reply.status, reply.json()?))
}

#[test]
fn health_tells_everybody_whether_the_sensor_works_and_nothing_else() -> Result<()> {
    let console = Console::start()?;
    assert_eq!(health(&console)?, (200, serde_json::json!({"status": "ok", "reasons": []})));
    let mut store = Store::open(&console.store)?;
    let inputs = [RunInput { path: "eth1".to_owned(), sha256: String::new(), bytes: 0 }];
    let lock = store.lock_engine()?;
    store.begin_run(&RunSpec {
        kind: RunKind::Live,
        sensor: "plant-1",
        site: "",
        options: "",
        inputs: &inputs,
        now: ot_protocol::Timestamp(0),
    })?;
    // Packets of the fixtures are old: a live sensor that saw nothing since.
    let degraded = |reason: &str| (503, serde_json::json!({"status": "degraded", "reasons": [reason]}));
    assert_eq!(health(&console)?, degraded("sensor-silent"));
    drop(lock);
    assert_eq!(health(&console)?, degraded("sensor-stopped"));
    Ok(())
}

#[test]
fn a_full_disk_shows_in_health() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, &["benign-polling"])?;
    let config = folder.path().join("sensor.toml");
    std::fs::write(&config, "[retention]\ndisk_free = '1000000 TiB'\n")?;
    let more = ["--config".to_owned(), config.display().to_string()];
    let console = Console::with(folder, store, &more)?;
    assert_eq!(health(&console)?, (503, serde_json::json!({"status": "degraded", "reasons": ["disk-low"]})));
    Ok(())
}

#[test]
fn a_log_of_json_is_json_to_the_last_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("live.db");
    let read = |output: &std::process::Output| -> Result<Vec<Value>> {
        let text = String::from_utf8(output.stderr.clone())?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
    };
    let output = run(sensor().args(["run", "--interface", "nosuch0", "--log-format", "json", "--store"]).arg(&store))?;
    assert_ne!(output.status.code(), Some(0));
    let lines = read(&output)?;
    let last = lines.last().context("nothing was said")?;
    ensure!(
        last["level"] == "error" && last["message"].as_str().is_some_and(|text| text.contains("nosuch0")),
        "{last}"
    );
    let time = last["time"].as_str().unwrap_or_default();
    ensure!(time.ends_with('Z') && time.len() == 30, "{time}");

    let config = folder.path().join("sensor.toml");
    std::fs::write(&config, "[log]\nformat = 'json'\n")?;
    let output = run(sensor()
        .args(["run", "--interface", "lo", "--for", "1s", "--config"])
        .arg(&config)
        .arg("--store")
        .arg(&store))?;
    if !output.status.success() {
        eprintln!("skipped: no capture here ({})", String::from_utf8_lossy(&output.stderr).trim());
        return Ok(());
    }
    let lines = read(&output)?;
    ensure!(lines.iter().any(|line| line["level"] == "info" && line["area"] == "run"), "{lines:?}");
    Ok(())
}

/// Files of an archive, by their names.
fn files(archive: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    succeed(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()))?;
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path().join("ot-sensor-diagnostics"))? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?);
    }
    Ok(files)
}

#[test]
fn diagnostics_tell_what_is_wrong_and_no_secret() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().to_owned();
    let store = place.join("store.db");
    replay(&store, &["benign-polling", "unauthorised-write"])?;
    // Secrets of every kind that a sensor knows.
    let planted = [
        "planted-hmac-key-1",
        "planted-token-2",
        "planted-nats-password-3",
        "planted-hook-path-4",
        "planted-comment-5",
        "planted-why-6",
        "planted-query-7",
    ];
    std::fs::write(place.join("hmac"), planted[0])?;
    std::fs::write(place.join("authorization"), planted[1])?;
    std::fs::write(place.join("nats"), planted[2])?;
    let text = format!(
        "# the password is {}\n[sensor]\nid = 'plant-1'\n[[forward]]\nname = 'chat'\nkind = 'webhook'\n\
         address = 'https://127.0.0.1:9/{}?key={}'\nsecret_file = 'hmac'\nauthorization_file = 'authorization'\n\
         [[forward]]\nname = 'central'\nkind = 'nats'\naddress = 'nats://127.0.0.1:9'\nuser = 'line-3'\npassword_file = 'nats'\n",
        planted[4], planted[3], planted[6]
    );
    let config = place.join("sensor.toml");
    std::fs::write(&config, &text)?;
    let console = Console::with(folder, store, &["--config".to_owned(), config.display().to_string()])?;
    let bearer = token(&console, "read")?;
    // A person signs in, so that there is a session; says something; and forwarding has failed.
    let session = console.sign_in("administrator")?;
    let id = console.alerts(&session, "limit=1")?[0]["id"].as_str().context("no id")?.to_owned();
    succeed(sensor().args(["alerts", "close", &id, "--why", planted[5], "--store"]).arg(&console.store))?;
    run(sensor().args(["forward", "--once", "--config"]).arg(&config).arg("--store").arg(&console.store))?;

    let archive = place.join("diagnostics.tar.gz");
    let said = succeed(
        sensor().arg("diagnostics").arg(&archive).arg("--config").arg(&config).arg("--store").arg(&console.store),
    )?;
    ensure!(said.contains("are not in it"), "{said}");
    let files = files(&archive)?;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "SHA256SUMS",
            "about.json",
            "configuration.json",
            "events.json",
            "health.json",
            "integrity.json",
            "interfaces.json",
            "sizes.json",
            "stats.json",
            "users.json"
        ]
    );
    let access = PathBuf::from(format!("{}.access", console.store.display()));
    let hashes: Vec<String> = String::from_utf8_lossy(&std::fs::read(&access)?)
        .split("$argon2id")
        .skip(1)
        .filter_map(|rest| rest.split('$').nth(4).map(|hash| hash.chars().take(20).collect()))
        .collect();
    ensure!(hashes.len() >= ROLES.len(), "{} hashes", hashes.len());
    let mut secrets: Vec<&str> = planted.to_vec();
    let cookie = session.cookie.split('=').nth(1).context("no cookie")?;
    let secret = bearer.split(' ').nth(1).context("no token")?;
    secrets.extend([PASSWORD, cookie, secret, session.csrf.as_str(), "argon2"]);
    secrets.extend(hashes.iter().map(String::as_str));
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        for secret in &secrets {
            ensure!(!text.contains(secret), "{name} holds {secret:?}");
        }
    }
    let value = |name: &str| -> Result<Value> { Ok(serde_json::from_slice(&files[name])?) };
    let configuration = value("configuration.json")?;
    assert_eq!(configuration["taken"], true);
    assert_eq!(configuration["values"]["forward"][0]["address"], "https://127.0.0.1:9/(masked)");
    assert_eq!(configuration["values"]["forward"][1]["user"], "line-3");
    assert_eq!(value("integrity.json")?["sound"], true);
    assert_eq!(value("users.json")?, serde_json::json!({"viewer": 1, "analyst": 1, "administrator": 1}));
    assert_eq!(value("health.json")?["status"], "ok");
    ensure!(value("stats.json")?["forwarding"].as_array().is_some_and(|list| list.len() == 2));
    ensure!(value("about.json")?["kernel"].is_string());

    // Where nothing works any more, it still tells so.
    std::fs::write(&config, "[[forward]\n")?;
    let broken = place.join("broken.db");
    std::fs::write(&broken, "no store at all")?;
    let archive = place.join("broken.tar.gz");
    succeed(sensor().arg("diagnostics").arg(&archive).arg("--config").arg(&config).arg("--store").arg(&broken))?;
    let files = self::files(&archive)?;
    ensure!(files.contains_key("store.json") && files.contains_key("interfaces.json"));
    let integrity: Value = serde_json::from_slice(&files["integrity.json"])?;
    ensure!(integrity["problem"].as_str().is_some_and(|text| text.contains("not a store")), "{integrity}");
    Ok(())
}
