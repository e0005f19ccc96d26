//! Forwarding to real receivers: files, a web server with TLS and signatures, rsyslog over UDP, TCP and TLS. Receivers and
//! forwarder are killed meanwhile; nothing is lost, and what comes twice has the same id.

use anyhow::{Context as _, Result, ensure};
use ot_tests::console::replay;
use ot_tests::lab::wait_for;
use ot_tests::sensor::{alerts, cut_off, lines, root, run, sensor, succeed};
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const FORMATS: [&str; 9] = ["json", "cef", "leef", "text", "ecs", "ocsf", "stix", "eve", "sentinel"];

/// A process that ends with the test, the hard way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = cut_off(&mut self.0);
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: PathBuf,
    config: PathBuf,
    /// Comments so far.
    comments: Cell<usize>,
}

impl Bench {
    /// A store with alerts of two protocols.
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (store, config) = (folder.path().join("store.db"), folder.path().join("ot-sensor.toml"));
        replay(&store, &["benign-polling", "unauthorised-write"])?;
        replay(&store, &["s7-benign-polling", "s7-download"])?;
        Ok(Self { folder, store, config, comments: Cell::new(0) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(&self.config, text)?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = sensor();
        command.args(words).arg("--store").arg(&self.store);
        if words.first() == Some(&"forward") {
            command.arg("--config").arg(&self.config);
        }
        command
    }

    /// A forwarder in a process of its own.
    fn forwarder(&self) -> Result<Running> {
        let child = self.command(&["forward"]).env("WEBHOOK_KEY", KEY).stderr(Stdio::null()).spawn()?;
        Ok(Running(child))
    }

    /// Ids of all alerts.
    fn ids(&self) -> Result<BTreeSet<String>> {
        alerts(&self.store)?.iter().map(|alert| Ok(alert["id"].as_str().context("no id")?.to_owned())).collect()
    }

    /// Writes so many comments: each is a message.
    fn comment(&self, count: usize) -> Result<()> {
        let id = self.ids()?.pop_first().context("no alert")?;
        for _ in 0..count {
            self.comments.set(self.comments.get() + 1);
            let text = format!("comment {}", self.comments.get());
            succeed(&mut self.command(&["alerts", "comment", &text, &id, "--who", "anna"]))?;
        }
        Ok(())
    }

    fn status(&self) -> Result<BTreeMap<String, Value>> {
        let rows = lines(&mut self.command(&["forward", "status", "--json"]))?;
        Ok(rows.into_iter().map(|row| (row["name"].as_str().unwrap_or_default().to_owned(), row)).collect())
    }
}

fn read(path: &Path) -> Result<Vec<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The Python with the parsers of others; `None`, with a line that says why, where its environment was not made.
fn checker() -> Option<PathBuf> {
    let python = std::env::var_os("OT_FORWARD_PYTHON")
        .map_or_else(|| root().join("target/forward-venv/bin/python"), PathBuf::from);
    if python.is_file() {
        return Some(python);
    }
    eprintln!("skipped: {} is missing; deploy/test makes it (tests/forward/requirements.txt)", python.display());
    None
}

#[test]
fn each_format_reaches_a_file_once_and_others_can_read_it() -> Result<()> {
    let bench = Bench::new()?;
    let mut config = "[sensor]\nconsole_url = 'https://sensor.example:8443'\n".to_owned();
    for format in FORMATS {
        writeln!(
            config,
            "[[forward]]\nname = '{format}'\nkind = 'file'\naddress = '{format}.log'\nformat = '{format}'"
        )?;
    }
    config.push_str(
        "[[forward]]\nname = 'some'\nkind = 'file'\naddress = 'some.log'\nmin_severity = 'critical'\nprotocols = ['modbus']\n\
         changes = ['opened']\n",
    );
    bench.configure(&config)?;
    let all = alerts(&bench.store)?;
    ensure!(all.len() >= 3, "{} alerts", all.len());
    succeed(&mut bench.command(&["forward", "--once", "--quiet"]))?;
    for format in FORMATS {
        assert_eq!(read(&bench.path(&format!("{format}.log")))?.len(), all.len(), "{format}");
    }
    let told: Vec<Value> =
        read(&bench.path("json.log"))?.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    let ids: BTreeSet<&str> = told.iter().filter_map(|message| message["alert"]["id"].as_str()).collect();
    assert_eq!(ids, bench.ids()?.iter().map(String::as_str).collect());
    for message in &told {
        let (id, alert) = (message["id"].as_str().context("no id")?, message["alert"]["id"].as_str().context("no id")?);
        assert!(id.starts_with(alert) && message["change"] == "opened", "{message}");
        assert_eq!(message["link"], Value::from(format!("https://sensor.example:8443/alerts/{alert}")));
    }
    let critical = all.iter().filter(|alert| alert["severity"] == "critical" && alert["protocol"] == "modbus").count();
    assert_eq!(read(&bench.path("some.log"))?.len(), critical);
    let status = bench.status()?;
    assert_eq!(status["some"]["passed_over"], Value::from(all.len() - critical));
    assert_eq!((status["json"]["state"].as_str(), status["json"]["waiting"].as_u64()), (Some("ok"), Some(0)));
    let stats = lines(&mut bench.command(&["stats", "--json"]))?;
    assert_eq!(stats[0]["forwarding"].as_array().map(Vec::len), Some(FORMATS.len() + 1));

    // What changes is told once, with who and why; nothing comes again.
    let first = bench.ids()?.pop_first().context("no alert")?;
    succeed(&mut bench.command(&["alerts", "close", &first, "--who", "anna", "--why", "planned | \\ = change"]))?;
    for _ in 0..2 {
        succeed(&mut bench.command(&["forward", "--once", "--quiet"]))?;
    }
    for format in FORMATS {
        assert_eq!(read(&bench.path(&format!("{format}.log")))?.len(), all.len() + 1, "{format}");
    }
    assert_eq!(read(&bench.path("some.log"))?.len(), critical, "only new alerts");
    let last: Value = serde_json::from_str(read(&bench.path("json.log"))?.last().context("nothing")?)?;
    assert_eq!(
        (last["change"].as_str(), last["before"].as_str(), last["by"].as_str(), last["reason"].as_str()),
        (Some("status"), Some("new"), Some("anna"), Some("planned | \\ = change"))
    );
    assert_eq!(last["alert"]["status"], "closed");

    if root().join("tests/forward/node_modules").is_dir() {
        let mut check = Command::new("node");
        check.arg(root().join("tests/forward/ecs.mjs")).arg(bench.path("ecs.log"));
        assert_eq!(succeed(&mut check)?.trim(), format!("ecs: {} messages fit", all.len() + 1));
    } else {
        eprintln!("skipped: tests/forward/node_modules is missing; deploy/test makes it");
    }
    let Some(python) = checker() else { return Ok(()) };
    let schema = bench.path("schema.json");
    std::fs::write(&schema, succeed(sensor().args(["forward", "schema"]))?)?;
    for format in ["cef", "json", "ocsf", "stix"] {
        let mut check = Command::new(&python);
        check
            .arg(root().join("tests/forward/check.py"))
            .arg(format)
            .arg(bench.path(&format!("{format}.log")))
            .arg(&schema);
        let told = succeed(&mut check)?;
        assert_eq!(told.trim(), format!("{format}: {} messages fit", all.len() + 1));
    }
    Ok(())
}

/// The key of the signatures.
const KEY: &str = "a key for tests";

/// A certificate authority and what it signed: for the receiver (`localhost`, 127.0.0.1) and for the sensor.
fn certificates(folder: &Path) -> Result<()> {
    let openssl = |words: &str| -> Result<()> {
        succeed(Command::new("openssl").args(words.split(' ')).current_dir(folder)).map(drop)
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-ca -days 2"))?;
    std::fs::write(folder.join("receiver.ext"), "subjectAltName = DNS:localhost, IP:127.0.0.1\n")?;
    std::fs::write(folder.join("sensor.ext"), "subjectAltName = DNS:ot-sensor\n")?;
    for name in ["receiver", "sensor"] {
        openssl(&format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"))?;
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.pem"
        ))?;
    }
    Ok(())
}

/// Whether a command is there; says so where it is not.
fn have(command: &str) -> bool {
    let found = Command::new(command).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: {command} is missing; deploy/test installs it");
    }
    found
}

/// A port that is free now.
fn port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[test]
fn a_webhook_gets_everything_though_receiver_and_forwarder_are_killed() -> Result<()> {
    if !have("openssl") || !have("/usr/bin/python3") {
        return Ok(());
    }
    let bench = Bench::new()?;
    certificates(bench.folder.path())?;
    let (port, log) = (port()?, bench.path("received.log"));
    std::fs::write(bench.path("token"), "Bearer of tests\n")?;
    bench.configure(&format!(
        "[[forward]]\nname = 'hook'\nkind = 'webhook'\naddress = 'https://localhost:{port}/hooks/secret-path?a=1'\n\
         ca = 'ca.pem'\nsecret_env = 'WEBHOOK_KEY'\nauthorization_file = 'token'\nretry_max = '1s'\n"
    ))?;
    let receiver = || -> Result<Running> {
        let mut child = Command::new("/usr/bin/python3")
            .arg(root().join("tests/forward/receiver.py"))
            .args([&port.to_string(), &log.display().to_string(), "receiver.pem", "receiver.key"])
            .current_dir(bench.folder.path())
            .env("WEBHOOK_KEY", KEY)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        ensure!(line.trim() == port.to_string(), "the receiver did not start");
        Ok(Running(child))
    };
    let alerts = bench.ids()?.len();
    let received = || -> Result<Vec<Value>> {
        read(&log)?.iter().map(|line| serde_json::from_str(line).context("a torn line")).collect()
    };
    let distinct = || -> Result<usize> {
        Ok(received()?.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>().len())
    };
    let until =
        |wanted: usize| wait_for("messages at the receiver", SOON, || Ok((distinct()? >= wanted).then_some(())));

    // Nobody listens yet: it waits, and says why.
    let forwarder = bench.forwarder()?;
    let waiting = wait_for("a failure that is told", SOON, || {
        let status = bench.status()?.remove("hook");
        Ok(status.filter(|status| status["state"] == "failing"))
    })?;
    let error = waiting["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("connection refused; does the receiver run"), "{waiting}");
    assert_eq!((waiting["waiting"].as_u64(), waiting["delivered"].as_u64()), (u64::try_from(alerts).ok(), Some(0)));
    // It answers 503 twice, then takes all.
    let first = receiver()?;
    until(alerts)?;
    drop(first);
    bench.comment(5)?;
    let second = receiver()?;
    until(alerts + 5)?;
    // The forwarder dies in the middle of its work, and starts again.
    bench.comment(5)?;
    drop(forwarder);
    bench.comment(5)?;
    let third = bench.forwarder()?;
    until(alerts + 15)?;
    wait_for("the forwarder to keep what it knows", SOON, || {
        Ok(bench.status()?.remove("hook").filter(|status| status["waiting"] == 0 && status["state"] == "ok"))
    })?;
    drop((second, third));

    let all = received()?;
    let mut bodies: BTreeMap<&str, &Value> = BTreeMap::new();
    for one in &all {
        let id = one["id"].as_str().context("no id")?;
        assert_eq!(one["body"]["id"], one["id"]);
        assert_eq!(
            (one["path"].as_str(), one["authorization"].as_str()),
            (Some("/hooks/secret-path?a=1"), Some("Bearer of tests"))
        );
        assert_eq!(one["type"], "application/json");
        if let Some(earlier) = bodies.insert(id, &one["body"]) {
            assert_eq!((&earlier["sequence"], &earlier["change"]), (&one["body"]["sequence"], &one["body"]["change"]));
        }
    }
    assert_eq!(bodies.len(), alerts + 15);
    let said: BTreeSet<&str> = bodies.values().filter_map(|body| body["comment"].as_str()).collect();
    assert_eq!(said.len(), 15);
    // Secrets are not shown.
    let shown = succeed(&mut bench.command(&["forward", "status"]))?;
    assert!(shown.contains(&format!("https://localhost:{port}")), "{shown}");
    assert!(!shown.contains("secret-path") && !shown.contains("Bearer") && !shown.contains(KEY), "{shown}");
    Ok(())
}

/// A command within a network namespace; as it is, without one.
fn within(space: Option<&str>, program: &Path) -> Command {
    let mut command = match space {
        Some(_) => Command::new("ip"),
        None => Command::new(program),
    };
    if let Some(space) = space {
        command.args(["netns", "exec", space]).arg(program);
    }
    command
}

/// A network namespace, gone with all that runs in it when dropped.
struct Space(String);

impl Space {
    /// `None`, with a line that says why, where this machine does not allow it.
    fn make(name: &str) -> Option<Self> {
        let space = format!("otfw{}{name}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &space]).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Self(space));
        }
        eprintln!("skipped: no network namespaces here; run the tests as root");
        None
    }

    fn ip(&self, line: &str) -> Result<()> {
        succeed(Command::new("ip").args(["-n", &self.0]).args(line.split(' '))).map(drop)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// rsyslog with the ways in that a SIEM has.
struct Syslog {
    folder: PathBuf,
    /// Network namespace; that of the test without.
    space: Option<String>,
    ports: [u16; 4],
}

const WAYS: [&str; 4] = ["tls", "octets", "newline", "udp"];

impl Syslog {
    fn new(folder: &Path, address: &str, space: Option<&str>) -> Result<Self> {
        let udp = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let ports = [port()?, port()?, port()?, udp];
        let at = folder.display();
        let mut config = format!(
            "global(workDirectory=\"{at}\" maxMessageSize=\"64k\" defaultNetstreamDriver=\"ossl\" \
             defaultNetstreamDriverCAFile=\"{at}/ca.pem\" defaultNetstreamDriverCertFile=\"{at}/receiver.pem\" \
             defaultNetstreamDriverKeyFile=\"{at}/receiver.key\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"x509/name\" \
             PermittedPeer=[\"ot-sensor\"])\nmodule(load=\"imptcp\")\nmodule(load=\"imudp\")\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n"
        );
        for (way, (port, input)) in WAYS.iter().zip(ports.iter().zip(["imtcp", "imptcp", "imptcp", "imudp"])) {
            writeln!(
                config,
                "ruleset(name=\"{way}\") {{ action(type=\"omfile\" file=\"{at}/{way}.log\" template=\"raw\") }}"
            )?;
            writeln!(config, "input(type=\"{input}\" address=\"{address}\" port=\"{port}\" ruleset=\"{way}\")")?;
        }
        std::fs::write(folder.join("rsyslog.conf"), config)?;
        Ok(Self { folder: folder.to_owned(), space: space.map(str::to_owned), ports })
    }

    fn start(&self) -> Result<Running> {
        let mut command = within(self.space.as_deref(), Path::new("rsyslogd"));
        let child = command
            .arg("-n")
            .arg("-f")
            .arg(self.folder.join("rsyslog.conf"))
            .arg("-i")
            .arg(self.folder.join("rsyslog.pid"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.join("rsyslog.err"))?)
            .spawn()?;
        let running = Running(child);
        if self.space.is_none() {
            wait_for(
                "rsyslog to listen",
                SOON,
                || Ok(std::net::TcpStream::connect(("127.0.0.1", self.ports[1])).ok()),
            )?;
        }
        Ok(running)
    }

    /// Messages that a way brought: ids, with the alert and the comment.
    fn got(&self, way: &str) -> Result<BTreeMap<String, (String, String)>> {
        let mut found = BTreeMap::new();
        for line in read(&self.folder.join(format!("{way}.log")))? {
            // The connection that only looked whether it listens brought nothing.
            let (_, payload) = line.split_once('{').with_context(|| format!("{way}: {line}"))?;
            let message: Value =
                serde_json::from_str(&format!("{{{payload}")).with_context(|| format!("{way}: {line}"))?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let told = (text(&message["alert"]["id"]), text(&message["comment"]));
            if let Some(earlier) = found.insert(text(&message["id"]), told.clone()) {
                assert_eq!(earlier, told, "{way}: one id, two messages");
            }
        }
        Ok(found)
    }
}

#[test]
fn rsyslog_gets_everything_over_udp_tcp_and_mutual_tls_though_it_is_killed() -> Result<()> {
    if !have("openssl") || !have("rsyslogd") {
        return Ok(());
    }
    let bench = Bench::new()?;
    certificates(bench.folder.path())?;
    let syslog = Syslog::new(bench.folder.path(), "127.0.0.1", None)?;
    let [tls, octets, newline, udp] = syslog.ports;
    bench.configure(&format!(
        "[[forward]]\nname = 'tls'\nkind = 'syslog'\naddress = 'tls://localhost:{tls}'\nca = 'ca.pem'\n\
         certificate = 'sensor.pem'\nkey = 'sensor.key'\nformat = 'json'\nretry_max = '1s'\n\
         [[forward]]\nname = 'octets'\nkind = 'syslog'\naddress = 'tcp://127.0.0.1:{octets}'\nframing = 'octet-counting'\n\
         format = 'json'\nretry_max = '1s'\n\
         [[forward]]\nname = 'newline'\nkind = 'syslog'\naddress = 'tcp://127.0.0.1:{newline}'\nformat = 'json'\n\
         standard = 'rfc3164'\nretry_max = '1s'\n\
         [[forward]]\nname = 'udp'\nkind = 'syslog'\naddress = 'udp://127.0.0.1:{udp}'\nformat = 'json'\nretry_max = '1s'\n\
         [[forward]]\nname = 'stranger'\nkind = 'syslog'\naddress = 'tls://localhost:{tls}'\nca = 'ca.pem'\nformat = 'json'\n"
    ))?;
    let until = |wanted: usize| -> Result<()> {
        for way in WAYS {
            wait_for(&format!("{wanted} messages over {way}"), SOON, || {
                Ok((syslog.got(way)?.len() >= wanted).then_some(()))
            })?;
        }
        Ok(())
    };
    let receiver = syslog.start()?;
    // Who has no certificate is not let in, and told so.
    let stranger = run(&mut bench.command(&["forward", "test", "stranger"]))?;
    let words = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert_eq!(stranger.status.code(), Some(1), "{words}");
    assert!(words.contains("forward stranger: localhost:"), "{words}");
    let tried = succeed(&mut bench.command(&["forward", "test", "tls"]))?;
    let id =
        tried.split_once("message test-").and_then(|(_, rest)| rest.split_once(':')).context("no id")?.0.to_owned();
    wait_for("the test message", SOON, || Ok(syslog.got("tls")?.contains_key(&format!("test-{id}")).then_some(())))?;
    std::fs::remove_file(bench.path("tls.log"))?;
    drop(receiver);
    // Without the stranger from here on.
    let text = std::fs::read_to_string(&bench.config)?;
    bench.configure(text.rsplit_once("[[forward]]").context("no table")?.0)?;

    let receiver = syslog.start()?;
    let alerts = bench.ids()?.len();
    let forwarder = bench.forwarder()?;
    until(alerts)?;
    // The receiver is killed while messages come in, and stays away for a while.
    bench.comment(3)?;
    drop(receiver);
    bench.comment(4)?;
    let receiver = syslog.start()?;
    until(alerts + 7)?;
    // So is the forwarder.
    bench.comment(2)?;
    drop(forwarder);
    bench.comment(2)?;
    let forwarder = bench.forwarder()?;
    until(alerts + 11)?;
    let settled = wait_for("all to settle", SOON, || {
        let status = bench.status()?;
        Ok(status.values().all(|one| one["waiting"] == 0 && one["state"] == "ok").then_some(status))
    })?;
    drop((receiver, forwarder));
    let mut wanted: BTreeSet<(String, String)> = bench.ids()?.into_iter().map(|id| (id, String::new())).collect();
    let first = bench.ids()?.pop_first().context("no alert")?;
    wanted.extend((1..=11).map(|number| (first.clone(), format!("comment {number}"))));
    for way in WAYS {
        let got = syslog.got(way)?;
        assert_eq!(got.values().cloned().collect::<BTreeSet<_>>(), wanted, "{way}");
        assert_eq!(got.len(), wanted.len(), "{way}: what comes again has the same id");
        assert_eq!((settled[way]["lost"].as_u64(), settled[way]["refused"].as_u64()), (Some(0), Some(0)), "{way}");
    }
    let line = read(&bench.path("newline.log"))?.pop().context("nothing")?;
    assert!(line.starts_with("<13") && line.contains(" ot-sensor: {"), "{line}");
    let line = read(&bench.path("tls.log"))?.pop().context("nothing")?;
    assert!(line.starts_with("<13") && line.contains(">1 20") && line.contains("[meta sequenceId="), "{line}");
    Ok(())
}

/// What a NATS server with JetStream says to one request.
fn ask(port: u16, subject: &str, body: &str) -> Result<Value> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SOON))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    write!(
        stream,
        "CONNECT {{\"verbose\":false,\"user\":\"sensor\",\"pass\":\"{KEY}\"}}\r\nSUB answers 1\r\nPUB {subject} answers {}\r\n{body}\r\n",
        body.len()
    )?;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the server ended the connection");
        ensure!(!line.starts_with("-ERR"), "{line}");
        if line.starts_with("MSG answers") {
            line.clear();
            reader.read_line(&mut line)?;
            return Ok(serde_json::from_str(&line)?);
        }
    }
}

#[test]
fn a_jetstream_stores_everything_once_though_it_and_the_forwarder_are_killed() -> Result<()> {
    if !have("nats-server") {
        return Ok(());
    }
    let bench = Bench::new()?;
    let port = port()?;
    let server = || -> Result<Running> {
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "--user", "sensor", "--pass", KEY, "-js", "-sd"])
            .arg(bench.path("jetstream"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let running = Running(child);
        wait_for("nats-server to listen", SOON, || Ok(ask(port, "$JS.API.INFO", "").ok()))?;
        Ok(running)
    };
    bench.configure(&format!(
        "[[forward]]\nname = 'central'\nkind = 'nats'\naddress = 'nats://127.0.0.1:{port}'\nretry_max = '1s'\n\
         subject = 'plant.{{sensor}}.alerts'\nuser = 'sensor'\npassword_env = 'WEBHOOK_KEY'\n"
    ))?;
    let first = server()?;
    let forwarder = bench.forwarder()?;
    // No stream has the subject yet.
    wait_for("a failure that is told", SOON, || {
        let error =
            bench.status()?.remove("central").map(|status| status["last_error"].to_string()).unwrap_or_default();
        Ok(error.contains("no stream stores plant.replay.alerts").then_some(()))
    })?;
    let made =
        ask(port, "$JS.API.STREAM.CREATE.OT", r#"{"name":"OT","subjects":["plant.*.alerts"],"storage":"file"}"#)?;
    ensure!(made.get("error").is_none(), "{made}");
    let stored = || -> Result<usize> {
        let info = ask(port, "$JS.API.STREAM.INFO.OT", "")?;
        Ok(info["state"]["messages"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
    };
    let until = |wanted: usize| wait_for("messages in the stream", SOON, || Ok((stored()? >= wanted).then_some(())));
    let alerts = bench.ids()?.len();
    until(alerts)?;
    bench.comment(2)?;
    drop(first);
    bench.comment(3)?;
    let second = server()?;
    until(alerts + 5)?;
    bench.comment(2)?;
    drop(forwarder);
    bench.comment(2)?;
    let forwarder = bench.forwarder()?;
    until(alerts + 9)?;
    wait_for("the forwarder to keep what it knows", SOON, || {
        Ok(bench.status()?.remove("central").filter(|status| status["waiting"] == 0 && status["state"] == "ok"))
    })?;
    // What came twice has the same id, so the stream holds it once.
    assert_eq!(stored()?, alerts + 9);
    let tried = succeed(bench.command(&["forward", "test", "central"]).env("WEBHOOK_KEY", KEY))?;
    assert!(tried.contains("the stream stored it"), "{tried}");
    assert_eq!(stored()?, alerts + 10);
    drop((forwarder, second));
    Ok(())
}

#[test]
fn what_went_into_a_network_that_was_cut_is_sent_again() -> Result<()> {
    if !have("rsyslogd") || !have("openssl") {
        return Ok(());
    }
    let bench = Bench::new()?;
    let (Some(here), Some(there)) = (Space::make("a"), Space::make("b")) else { return Ok(()) };
    here.ip(&format!("link add up0 type veth peer name up0 netns {}", there.0))?;
    for (space, address) in [(&here, "192.0.2.1/24"), (&there, "192.0.2.2/24")] {
        space.ip(&format!("addr add {address} dev up0"))?;
        space.ip("link set up0 up")?;
    }
    certificates(bench.folder.path())?;
    let syslog = Syslog::new(bench.folder.path(), "192.0.2.2", Some(&there.0))?;
    bench.configure(&format!(
        "[[forward]]\nname = 'newline'\nkind = 'syslog'\naddress = 'tcp://192.0.2.2:{}'\nformat = 'json'\nretry_max = '1s'\n",
        syslog.ports[2]
    ))?;
    let until = |wanted: usize| {
        wait_for("messages at the receiver", SOON, || Ok((syslog.got("newline")?.len() >= wanted).then_some(())))
    };
    let receiver = syslog.start()?;
    let forwarder = within(Some(&here.0), Path::new(sensor().get_program()))
        .args(["forward", "--store"])
        .arg(&bench.store)
        .arg("--config")
        .arg(&bench.config)
        .stderr(Stdio::null())
        .spawn()
        .map(Running)?;
    let alerts = bench.ids()?.len();
    until(alerts)?;
    // The cable is pulled; what is sent now goes nowhere, without an error. Then the receiver dies, and cannot say so.
    there.ip("link set up0 down")?;
    bench.comment(3)?;
    wait_for("the connection to be given up", SOON, || {
        let status = bench.status()?.remove("newline").context("no status")?;
        let error = status["last_error"].as_str().unwrap_or_default();
        Ok((status["state"] == "failing" && error.contains("192.0.2.2")).then_some(()))
    })?;
    drop(receiver);
    there.ip("link set up0 up")?;
    let receiver = syslog.start()?;
    until(alerts + 3)?;
    assert_eq!(syslog.got("newline")?.len(), alerts + 3);
    assert_eq!(bench.status()?["newline"]["lost"], 0);
    drop((receiver, forwarder));
    Ok(())
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() -> Result<()> {
    let bench = Bench::new()?;
    let port = port()?;
    bench.configure(&format!(
        "[[forward]]\nname = 'siem'\nkind = 'syslog'\naddress = 'tcp://127.0.0.1:{port}'\n\
         [[forward]]\nname = 'log'\nkind = 'file'\naddress = 'alerts.jsonl'\n"
    ))?;
    let said = |words: &[&str]| -> Result<(Option<i32>, String)> {
        let output = run(&mut bench.command(words))?;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), format!("{out}{error}")))
    };
    let (code, words) = said(&["forward", "test", "siem"])?;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("connection refused; does the receiver run, and listen there?"), "{words}");
    let (code, words) = said(&["forward", "test", "log"])?;
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("TEST: ") || words.contains("\"change\":\"test\""), "{words}");
    assert_eq!(read(&bench.path("alerts.jsonl"))?.len(), 1);
    let (code, words) = said(&["forward", "test", "sime"])?;
    assert_eq!((code, words.contains("did you mean \"siem\"?")), (Some(2), true), "{words}");
    let (code, words) = said(&["forward", "status"])?;
    assert_eq!((code, words.contains("nothing found")), (Some(1), true), "{words}");
    // One destination that cannot be reached does not hold up the other; that not all is delivered is told.
    let (code, words) = said(&["forward", "--once"])?;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("siem: 0 delivered") && words.contains("not all: 127.0.0.1"), "{words}");
    assert_eq!(read(&bench.path("alerts.jsonl"))?.len(), 1 + bench.ids()?.len());
    // Two forwarders would tell everything twice.
    let forwarder = bench.forwarder()?;
    wait_for("the forwarder to start", SOON, || {
        Ok(said(&["forward", "status"])?.1.contains("forwarded by process").then_some(()))
    })?;
    let (code, words) = said(&["forward"])?;
    assert_eq!((code, words.contains("forwards from it already")), (Some(4), true), "{words}");
    drop(forwarder);
    let (code, _) = said(&["forward", "remove", "siem"])?;
    assert_eq!((code, bench.status()?.len()), (Some(0), 1));
    Ok(())
}

#[test]
fn a_sensor_that_runs_forwards_by_itself() -> Result<()> {
    let bench = Bench::new()?;
    let Some(space) = Space::make("r") else { return Ok(()) };
    space.ip("link set lo up")?;
    bench.configure("[[forward]]\nname = 'log'\nkind = 'file'\naddress = 'alerts.jsonl'\n")?;
    let sensor_path = PathBuf::from(sensor().get_program());
    let start = || -> Result<Running> {
        let child = within(Some(&space.0), &sensor_path)
            .args(["run", "--quiet", "--operational", "--interface", "lo", "--store"])
            .arg(&bench.store)
            .arg("--config")
            .arg(&bench.config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Running(child))
    };
    let log = bench.path("alerts.jsonl");
    let told = || -> Result<BTreeSet<String>> {
        let message = |line: &String| serde_json::from_str::<Value>(line).context("a torn line");
        read(&log)?.iter().map(|line| Ok(message(line)?["id"].as_str().context("no id")?.to_owned())).collect()
    };
    let until = |wanted: usize| wait_for("messages in the file", SOON, || Ok((told()?.len() >= wanted).then_some(())));
    let running = start()?;
    let alerts = bench.ids()?.len();
    until(alerts)?;
    // What a person asks for is applied by the sensor that runs, and told.
    bench.comment(3)?;
    until(alerts + 3)?;
    drop(running);
    let _running = start()?;
    bench.comment(2)?;
    until(alerts + 5)?;
    assert_eq!(told()?.len(), alerts + 5);
    Ok(())
}

#[test]
fn the_console_forwards_what_the_sensor_leaves_to_it_and_the_service_manager_is_told() -> Result<()> {
    let bench = Bench::new()?;
    let Some(space) = Space::make("m") else { return Ok(()) };
    space.ip("link set lo up")?;
    bench.configure(
        "[console]\nlisten = '127.0.0.1:0'\n[[forward]]\nname = 'log'\nkind = 'file'\naddress = 'alerts.jsonl'\n",
    )?;
    let path = bench.path("notify");
    let manager = UnixDatagram::bind(&path)?;
    manager.set_read_timeout(Some(SOON))?;
    // What comes, up to a word.
    let hear = |word: &str| -> Result<()> {
        let mut bytes = [0; 512];
        loop {
            let length = manager.recv(&mut bytes).with_context(|| format!("nobody says {word}"))?;
            if String::from_utf8_lossy(&bytes[..length]).lines().any(|line| line == word) {
                return Ok(());
            }
        }
    };
    let start = |mut command: Command| -> Result<Running> {
        let command = command.arg("--store").arg(&bench.store).arg("--config").arg(&bench.config);
        Ok(Running(command.env("NOTIFY_SOCKET", &path).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    };
    let mut run = within(Some(&space.0), &PathBuf::from(sensor().get_program()));
    run.args(["run", "--quiet", "--operational", "--interface", "lo", "--no-forward"]);
    let _sensor = start(run)?;
    hear("READY=1")?;
    hear("WATCHDOG=1")?;
    // A person's word is applied, and told to nobody.
    bench.comment(1)?;
    hear("WATCHDOG=1")?;
    hear("WATCHDOG=1")?;
    let log = bench.path("alerts.jsonl");
    assert_eq!(read(&log)?.len(), 0);
    let mut console = sensor();
    console.args(["console", "--plain-http", "--forward"]);
    let _console = start(console)?;
    hear("READY=1")?;
    bench.comment(2)?;
    let alerts = bench.ids()?.len();
    wait_for("messages in the file", SOON, || Ok((read(&log)?.len() >= alerts + 2).then_some(())))
}
