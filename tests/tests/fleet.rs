//! The centre of many sensors: PostgreSQL, NATS with JetStream and the real programs. Links are cut, the receiver, the stream and
//! the database are killed in between; every alert is in the views once.

use anyhow::{Context as _, Result, ensure};
use ot_store::read::{AlertQuery, Reader};
use ot_tests::console::Console;
use ot_tests::fleet::{Centre, SOON, Simulated, bytes, own_address, shared_address};
use ot_tests::lab::wait_for;
use ot_tests::sensor::{lines, root, run, sensor, succeed};
use ot_tests::store::Random;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Of alerts that all sensors see, the address says which; every third alert is one.
fn raise(one: &mut Simulated, number: usize, step: u32) -> Result<()> {
    if step.is_multiple_of(3) {
        one.raise("Cell 1", shared_address(1), shared_address(100 + step))?;
    } else {
        let zone = format!("Cell {}", number + 10);
        one.raise(&zone, own_address(number, 1), own_address(number, 100 + step))?;
    }
    Ok(())
}

/// Every alert of every sensor is in the views once, those that all saw as one.
fn check(centre: &Centre, sensors: &[Simulated], steps: u32) -> Result<()> {
    let rows = Reader::open(&centre.store())?.alerts(&AlertQuery::default())?;
    let mut told: BTreeMap<(String, String), u32> = BTreeMap::new();
    for row in &rows {
        ensure!(!row.reports.is_empty(), "{}: nobody told of it", row.id);
        for report in &row.reports {
            *told.entry((report.sensor.clone(), report.id.clone())).or_default() += 1;
        }
    }
    let raised = sensors.iter().flat_map(|one| one.raised.iter().map(|id| (one.id.clone(), id.clone())));
    let raised: BTreeSet<(String, String)> = raised.collect();
    ensure!(told.keys().cloned().collect::<BTreeSet<_>>() == raised, "not the alerts that were raised");
    ensure!(told.values().all(|times| *times == 1), "an alert is shown twice");
    let shared = usize::try_from(steps.div_ceil(3))?;
    let own = raised.len() - shared * sensors.len();
    ensure!(rows.len() == own + shared, "{} alerts are shown, not {own} and {shared}", rows.len());
    let of_all = rows.iter().filter(|row| row.reports.len() == sensors.len()).count();
    ensure!(of_all == shared, "{of_all} of {shared} are shown as told by all sensors");
    Ok(())
}

#[test]
fn every_alert_is_shown_once_though_links_and_servers_are_cut() -> Result<()> {
    let Some(mut centre) = Centre::start()? else { return Ok(()) };
    let holds = succeed(sensor().arg("check-config").arg(centre.config()))?;
    assert!(holds.contains("no problem") && holds.contains("stream OT_SENSOR of 127.0.0.1"), "{holds}");
    // Sensors are at work before there is a centre: they wait.
    let mut sensors: Vec<Simulated> = (0..4).map(|number| Simulated::new(number, &centre)).collect::<Result<_>>()?;
    for one in &mut sensors {
        one.begin()?;
    }
    centre.begin_receiver()?;
    let right = wait_for("all sensors to be heard", SOON, || {
        Ok(run(&mut centre.fleet("status"))?.status.success().then(|| centre.status()))
    })?;
    assert_eq!(right?["sensors"].as_array().map(Vec::len), Some(4));
    let mut random = Random::new(7);
    let steps = 36;
    for step in 0..steps {
        for (number, one) in sensors.iter_mut().enumerate() {
            raise(one, number, step)?;
        }
        if step % 3 == 0 {
            sensors.iter().for_each(|one| one.link.set(random.below(3) > 0));
        }
        match step {
            8 => centre.kill_receiver(),
            12 => centre.begin_receiver()?,
            16 => centre.postgres.kill()?,
            20 => centre.postgres.begin()?,
            22 => centre.kill_nats(),
            25 => centre.begin_nats()?,
            27 => sensors.iter_mut().for_each(Simulated::kill),
            28 => sensors.iter_mut().try_for_each(Simulated::begin)?,
            30 => {
                centre.kill_receiver();
                centre.begin_receiver()?;
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    sensors.iter().for_each(|one| one.link.set(true));
    let all: usize = sensors.iter().map(|one| one.raised.len()).sum();
    let status = centre.settled(all, Duration::from_secs(60))?;
    ensure!(status["refused"] == 0, "{status}");
    check(&centre, &sensors, steps)?;

    // What the views say, by command.
    let listed = centre.alerts(&[])?;
    let shared =
        listed.iter().find(|alert| alert["sensors"].as_array().map(Vec::len) == Some(4)).context("no shared")?;
    assert_eq!(shared["sensors"], json!(["line-0", "line-1", "line-2", "line-3"]).clone());
    assert_eq!(shared["zone"], "Cell 1");
    let id = shared["id"].as_str().context("no id")?.to_owned();
    let of_one = centre.alerts(&["--sensor", "line-2"])?;
    assert_eq!(of_one.len(), sensors[2].raised.len());
    // By the id that another sensor gave it, as its SIEM was told, the same alert is found.
    let store = centre.store();
    let show = |id: &str| -> Result<Value> {
        let mut shown = lines(sensor().args(["alerts", "show", "--json", id, "--store"]).arg(&store))?;
        shown.pop().context("nothing shown")
    };
    let story = show(&id)?;
    let reports = story["reports"].as_array().context("no reports")?;
    for report in reports {
        let by_sensor = show(report["id"].as_str().context("no id")?)?;
        assert_eq!(by_sensor["id"], story["id"]);
        let sensor = report["sensor"].as_str().context("no sensor")?;
        assert!(report["link"].as_str().is_some_and(|link| link.starts_with(&format!("https://{sensor}.example"))));
    }
    let destination = &story["destination"];
    assert_eq!(
        (destination["role"].as_str(), destination["vendor"].as_str()),
        (Some("controller"), Some("Example Automation"))
    );
    assert!(destination["name"].as_str().is_some_and(|name| name.starts_with("PLC ")), "{destination}");
    assert!(story["remediation"].as_array().is_some_and(|steps| !steps.is_empty()));
    let text = succeed(sensor().args(["alerts", "show", &id, "--store"]).arg(&store))?;
    assert!(text.contains("line-0, line-1, line-2, line-3"), "{text}");

    // What people do at the centre holds for all of them, and survives that the view store is lost.
    succeed(sensor().args(["alerts", "close", &id, "--who", "anna", "--why", "planned", "--store"]).arg(&store))?;
    succeed(sensor().args(["alerts", "comment", "seen by all", &id, "--who", "bert", "--store"]).arg(&store))?;
    let closed = |story: &Value| {
        let acts = story["history"].as_array().cloned().unwrap_or_default();
        let has = |who: &str, detail: &str| acts.iter().any(|act| act["who"] == who && act["detail"] == detail);
        story["status"] == "closed" && has("anna", "closed") && has("bert", "seen by all") && acts.len() == 2
    };
    wait_for("the act at the centre", SOON, || Ok(closed(&show(&id)?).then_some(())))?;
    let muted = run(sensor().args(["alerts", "mute", &id, "--who", "anna", "--store"]).arg(&store))?;
    let said = String::from_utf8_lossy(&muted.stdout).into_owned() + &String::from_utf8_lossy(&muted.stderr);
    assert!(muted.status.success() || said.contains("do it at the sensor"), "{said}");
    // A sensor's own people close one: it is told who, and others stay open.
    let own = sensors[1].raised[1].clone();
    let at_sensor = sensors[1].path();
    succeed(sensor().args(["alerts", "comment", "on the phone", &own, "--who", "carla", "--store"]).arg(&at_sensor))?;
    drop(sensors.remove(3));
    let before = centre.alerts(&[])?;
    centre.kill_receiver();
    std::fs::remove_file(&store)?;
    for side in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{side}", store.display()));
    }
    let rebuilt = succeed(&mut centre.fleet("rebuild"))?;
    assert!(rebuilt.contains("written anew"), "{rebuilt}");
    assert!(closed(&show(&id)?));
    assert_eq!(centre.alerts(&[])?.len(), before.len());

    // The sensor that is gone is silent; a stranger's message is refused and kept.
    centre.begin_receiver()?;
    let silent = wait_for("a silent sensor", SOON, || {
        let status = centre.status()?;
        let found = status["sensors"].as_array().into_iter().flatten().find(|one| one["sensor"] == "line-3").cloned();
        Ok(found.filter(|one| one["state"] == "silent"))
    })?;
    assert!(silent["lag_seconds"].as_i64() >= Some(5), "{silent}");
    let event = "sensor line-3: silent";
    wait_for("the event", SOON, || {
        let events = succeed(sensor().args(["events", "list", "--kind", "sensor", "--store"]).arg(&store))?;
        Ok(events.contains(event).then_some(()))
    })?;
    publish(centre.nats, "ot-sensor.alerts.line-0", b"{\"schema\": 1, \"alert\": {\"sensor\": \"line-1\"}}", 1)?;
    publish(centre.nats, "ot-sensor.alerts.line-0", b"\xff\x00 no JSON", 1)?;
    let status = wait_for("the refusals", SOON, || Ok(Some(centre.status()?).filter(|status| status["refused"] == 2)))?;
    assert!(status["last_refused"].as_str().is_some_and(|last| last.contains("ot-sensor.alerts.line-0")), "{status}");
    // Nobody says anything of the alert of another one, and more than is taken at once comes in parts.
    let foreign = json!({ "schema": 1, "id": format!("{own}-9999"), "sequence": 9_999, "change": "comment", "before": null,
        "time": "2026-01-15T08:11:25Z", "by": "mallory", "comment": "all is well", "committed": "2026-01-15T08:11:26Z",
        "outbox": { "id": "0123456789abcdef", "since": "2026-01-15T08:00:00Z" },
        "alert": { "id": own, "type": "new-master", "engine": "policy-violation", "category": "c", "severity": "critical",
            "status": "closed", "learned": false, "muted": false, "first_detection": "2026-01-15T08:11:25Z",
            "last_detection": "2026-01-15T08:11:25Z", "count": 1, "techniques": [], "description": "d", "why": "w",
            "frames": [], "sensor": "line-0" } });
    publish(centre.nats, "ot-sensor.alerts.line-0", foreign.to_string().as_bytes(), 1)?;
    wait_for("the refusal", SOON, || {
        let status = centre.status()?;
        let last = status["last_refused"].as_str().unwrap_or_default();
        Ok((status["refused"] == 3 && last.contains("another sensor told of")).then_some(()))
    })?;
    assert!(!show(&own)?.to_string().contains("mallory"));
    publish(centre.nats, "ot-sensor.alerts.line-0", &vec![b'x'; 100_000], 250)?;
    wait_for("all refusals", SOON, || Ok((centre.status()?["refused"] == 253).then_some(())))?;
    let table = run(&mut centre.fleet("status"))?;
    assert_eq!(table.status.code(), Some(1), "a sensor is silent");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("line-3") && table.contains("silent") && table.contains("a receiver runs"), "{table}");

    // The same console, with the sensors of an alert.
    let folder = tempfile::tempdir()?;
    let console = Console::over(folder, store.clone())?;
    let session = console.sign_in("analyst")?;
    let page = session.get(&format!("/alerts/{id}"))?;
    assert!(
        page.status == 200 && page.text().contains("line-2") && page.text().contains("line-3.example"),
        "{}",
        page.text()
    );
    let health = session.get("/health")?.text();
    assert!(health.contains("line-3") && health.contains("silent") && health.contains("line-1"), "{health}");
    let answer = console.get("/healthz")?;
    assert!(answer.status == 503 && answer.text().contains("sensor-silent"), "{}", answer.text());
    let stats = lines(sensor().args(["stats", "--json", "--store"]).arg(&store))?;
    assert_eq!(stats[0]["sensors"].as_array().map(Vec::len), Some(4));
    let by_sensor = console.alerts(&session, "sensor=line-2&limit=200")?;
    assert_eq!(by_sensor.len(), centre.alerts(&["--sensor", "line-2"])?.len());
    // An engine has no business in this store.
    let fixture = root().join("fixtures/unauthorised-write/capture.pcap.zst");
    let replayed = run(sensor().args(["replay", "--quiet"]).arg(&fixture).arg("--store").arg(&store))?;
    assert!(!replayed.status.success());
    Ok(())
}

/// Publishes a message as somebody who is no sensor, so many times.
fn publish(port: u16, subject: &str, body: &[u8], times: u32) -> Result<()> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"CONNECT {\"verbose\":false}\r\n")?;
    for _ in 0..times {
        write!(stream, "PUB {subject} {}\r\n", body.len())?;
        stream.write_all(&[body, b"\r\n"].concat())?;
    }
    stream.write_all(b"PING\r\n")?;
    let mut said = [0; 4_096];
    let _ = stream.read(&mut said)?;
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}

/// Of real captures through the real engine: two sensors that see the same attack, and one that has it in another zone.
#[test]
fn sensors_that_see_the_same_attack_tell_of_one_alert() -> Result<()> {
    let Some(mut centre) = Centre::start()? else { return Ok(()) };
    centre.begin_receiver()?;
    let folder = tempfile::tempdir()?;
    let mut counts = Vec::new();
    for (id, zone) in [("north-1", "Cell 1"), ("north-2", "Cell 1"), ("south-1", "Cell 9")] {
        let (store, config) = (folder.path().join(format!("{id}.db")), folder.path().join(format!("{id}.toml")));
        std::fs::write(
            &config,
            format!(
                "[sensor]\nid = '{id}'\nsite = 'Plant'\n[[zone]]\nname = '{zone}'\nsubnets = ['0.0.0.0/0']\n\
                 [[forward]]\nname = 'centre'\nkind = 'nats'\naddress = 'nats://127.0.0.1:{}'\nrate = 10000\n",
                centre.nats
            ),
        )?;
        let mut replay = sensor();
        replay.args(["replay", "--quiet", "--learn-for", "10m", "--store"]).arg(&store).arg("--config").arg(&config);
        for name in ["benign-polling", "unauthorised-write"] {
            replay.arg(root().join("fixtures").join(name).join("capture.pcap.zst"));
        }
        succeed(&mut replay)?;
        wait_for("the stream", SOON, || {
            let told = run(sensor()
                .args(["forward", "--once", "--quiet", "--store"])
                .arg(&store)
                .arg("--config")
                .arg(&config))?;
            Ok(told.status.success().then_some(()))
        })?;
        counts.push(ot_tests::sensor::alerts(&store)?.len());
    }
    let [one, other, apart] = counts.as_slice() else { anyhow::bail!("{counts:?}") };
    ensure!(one == other && *one > 0, "{counts:?}");
    centre.settled(counts.iter().sum(), SOON)?;
    let shown = centre.alerts(&[])?;
    let of = |sensors: &Value| shown.iter().filter(|alert| alert["sensors"] == *sensors).count();
    let addressed = |alert: &&Value| alert["source"] != Value::Null || alert["destination"] != Value::Null;
    let merged = shown.iter().filter(|alert| alert["zone"] == "Cell 1").filter(addressed).count();
    assert!(merged > 0 && merged == of(&json!(["north-1", "north-2"])), "{shown:#?}");
    assert_eq!(of(&json!(["south-1"])), *apart);
    // What happened comes along with its values.
    let write = shown.iter().find(|alert| alert["sensors"] == json!(["north-1", "north-2"])).context("none merged")?;
    let id = write["id"].as_str().context("no id")?;
    let story = lines(sensor().args(["alerts", "violations", "--json", id, "--store"]).arg(centre.store()))?;
    assert!(!story.is_empty());
    Ok(())
}

/// Messages of a size that a stream of its own stores a second, sent one behind the other without waiting.
fn stored_a_second(port: u16, messages: u32, size: usize) -> Result<f64> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let config = r#"{"name":"SPEED","subjects":["speed"],"storage":"file"}"#;
    write!(
        stream,
        "CONNECT {{\"verbose\":false}}\r\nSUB answers 1\r\nPUB $JS.API.STREAM.CREATE.SPEED answers {}\r\n{config}\r\n",
        config.len()
    )?;
    let mut answers = |wanted: u32| -> Result<()> {
        let (mut line, mut got) = (String::new(), 0);
        while got < wanted {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "the server ended the connection");
            got += u32::from(line.starts_with("MSG answers"));
        }
        Ok(())
    };
    answers(1)?;
    let begin = Instant::now();
    let body = vec![b'x'; size];
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        for _ in 0..messages {
            stream.write_all(&[format!("PUB speed answers {}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat())?;
        }
        Ok(())
    });
    answers(messages)?;
    let lasted = begin.elapsed().as_secs_f64();
    let written = writer.join().map_err(|_| anyhow::anyhow!("the writer ended badly"))?;
    written?;
    Ok(f64::from(messages) / lasted)
}

/// Many sensors for minutes, links cut at random: `deploy/fleet-bench` runs it.
#[test]
#[ignore = "takes minutes: deploy/fleet-bench"]
fn many_sensors_for_minutes() -> Result<()> {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, minutes) = (usize::try_from(number("OT_FLEET_SENSORS", 20))?, number("OT_FLEET_MINUTES", 10));
    let burst = u32::try_from(number("OT_FLEET_BURST", 500))?;
    let mut centre = Centre::start()?.context("PostgreSQL or nats-server is missing")?;
    let mut sensors: Vec<Simulated> =
        (0..count).map(|number| Simulated::new(number, &centre)).collect::<Result<_>>()?;
    centre.begin_receiver()?;
    for one in &mut sensors {
        one.begin()?;
    }
    let mut random = Random::new(1);
    let (mut cuts, mut kills, mut step) = (0_u32, 0_u32, 0_u32);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60 * minutes) {
        let next = begin + Duration::from_secs(u64::from(step) + 1);
        for (number, one) in sensors.iter_mut().enumerate() {
            raise(one, number, step)?;
            // Every second, one of twenty that stand is cut, and one of ten that are cut comes back.
            if one.link.is_up() && random.below(20) == 0 {
                one.link.set(false);
                cuts += 1;
            } else if !one.link.is_up() && random.below(10) == 0 {
                one.link.set(true);
            }
        }
        if step % 120 == 90 {
            centre.kill_receiver();
            centre.begin_receiver()?;
            kills += 1;
        }
        step += 1;
        if let Some(wait) = next.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
    }
    let lasted = begin.elapsed().as_secs_f64();
    sensors.iter().for_each(|one| one.link.set(true));
    let together = Instant::now();
    let all: usize = sensors.iter().map(|one| one.raised.len()).sum();
    let status = centre.settled(all, Duration::from_secs(300))?;
    let caught_up = together.elapsed().as_secs_f64();
    check(&centre, &sensors, step)?;
    let doubles: i64 =
        status["sensors"].as_array().into_iter().flatten().filter_map(|one| one["doubles"].as_i64()).sum();

    // How much one receiver takes: what the sensors told while it was away.
    centre.kill_receiver();
    let steps = step..step + burst;
    for at in steps.clone() {
        for (number, one) in sensors.iter_mut().enumerate() {
            raise(one, number, at)?;
        }
    }
    let waits = |store: &std::path::Path| -> Result<bool> {
        Ok(lines(sensor().args(["forward", "status", "--json", "--store"]).arg(store))?
            .iter()
            .any(|row| row["waiting"] != 0))
    };
    for one in &sensors {
        wait_for("the stream to have all", Duration::from_secs(300), || Ok((!waits(&one.path())?).then_some(())))?;
    }
    let backlog: usize = sensors.iter().map(|one| one.raised.len()).sum::<usize>() - all;
    let begin = Instant::now();
    centre.begin_receiver()?;
    centre.settled(all + backlog, Duration::from_secs(600))?;
    let taken = begin.elapsed().as_secs_f64();
    check(&centre, &sensors, step + burst)?;
    let message: u64 =
        centre.postgres.sql("fleet", "SELECT avg(length(told::text))::bigint FROM alert")?.parse().unwrap_or_default();
    let stream = stored_a_second(centre.nats, 20_000, 4_096)?;
    let tables = centre.postgres.sql("fleet", "SELECT pg_database_size('fleet')")?.parse::<u64>().unwrap_or_default();
    let whole = u32::try_from(all)?;
    let figures = json!({
        "sensors": count,
        "minutes": lasted / 60.0,
        "alerts": all,
        "alerts_a_second": f64::from(whole) / lasted,
        "shown": status["shown"],
        "told_by_several": status["of_several"],
        "link_cuts": cuts,
        "receiver_kills": kills,
        "came_twice": doubles,
        "refused": status["refused"],
        "lag_ms": status["lag"],
        "caught_up_seconds": caught_up,
        "backlog": backlog,
        "backlog_seconds": taken,
        "backlog_a_second": f64::from(u32::try_from(backlog)?) / taken,
        "receiver_cpu_seconds_of_backlog": centre.receiver_seconds(),
        "bytes_of_an_alert_told": message,
        "stream_stores_a_second": stream,
        "database_bytes": tables,
        "view_store_bytes": bytes(&centre.store()),
    });
    println!("{figures}");
    Ok(())
}
