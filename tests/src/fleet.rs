//! The centre of many sensors on one machine: PostgreSQL, NATS with JetStream, links that can be cut, and simulated sensors, each a
//! real store with a real outbox from which the real forwarder tells.

use crate::lab::wait_for;
use crate::sensor::{cut_off, lines, sensor, succeed};
use anyhow::{Context as _, Result, ensure};
use ot_engine::catalogue;
use ot_engine::context::{Context, Field, Said, Source};
use ot_engine::model::{Alert, AlertKey, Device, DeviceAddress, DeviceId, Peer, Role, Status};
use ot_engine::{Changes, State};
use ot_protocol::{Outcome, SubAddress, Timestamp};
use ot_store::{EngineLock, RunKind, RunSpec, Store, wall_clock};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest wait for something that should be there at once.
pub const SOON: Duration = Duration::from_secs(30);
/// The password of the database.
pub const PASSWORD: &str = "a password for tests";

/// A process that ends with the test, the hard way.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = cut_off(&mut self.0);
    }
}

/// A port that is free now.
///
/// # Errors
/// As the system's.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A server of PostgreSQL with an empty database `fleet`; gone when dropped.
pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Where it listens on the loopback.
    pub port: u16,
}

impl Postgres {
    /// Starts one; `None`, with a line that says why, where it is not installed.
    ///
    /// # Errors
    /// Where it is and does not start.
    pub fn start() -> Result<Option<Self>> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).max();
        let Some(programs) = newest else {
            eprintln!("skipped: PostgreSQL is missing; deploy/test installs it");
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let password = folder.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n"))?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        if rustix::process::geteuid().is_root() {
            succeed(Command::new("chown").args(["-R", "postgres"]).arg(folder.path()))?;
        }
        let server = Self { folder, programs, port: free_port()? };
        let mut init = server.command("initdb");
        init.args(["-A", "scram-sha-256", "-U", "ot", "-E", "UTF8", "--locale=C.UTF-8", "--pwfile"]);
        succeed(init.arg(&password).arg("-D").arg(server.data()))?;
        server.begin()?;
        server.sql("postgres", "CREATE DATABASE fleet")?;
        Ok(Some(server))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of PostgreSQL, as a user that is not root: the server refuses that.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).current_dir(self.folder.path());
        command
    }

    /// Starts the server.
    ///
    /// # Errors
    /// Where it does not.
    pub fn begin(&self) -> Result<()> {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections=20 -c shared_buffers=64MB",
            self.port,
            self.folder.path().display()
        );
        let mut start = self.command("pg_ctl");
        start.arg("-D").arg(self.data()).args(["-w", "-s", "-o", &options, "-l"]);
        start.arg(self.folder.path().join("log")).arg("start").stdout(Stdio::null()).stderr(Stdio::null());
        ensure!(start.status()?.success(), "PostgreSQL does not start");
        Ok(())
    }

    /// Ends the server as a power cut would: nothing is written any more.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn kill(&self) -> Result<()> {
        succeed(self.command("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "-s", "stop"]))
            .map(drop)
    }

    /// What the server says to a statement.
    ///
    /// # Errors
    /// Where it refuses.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "ot",
            "-d",
            database,
            "-At",
            "-c",
            statement,
        ]);
        Ok(succeed(psql.env("PGPASSWORD", PASSWORD))?.trim().to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A way to a server that can be cut.
pub struct Link {
    /// Where it listens on the loopback.
    pub port: u16,
    up: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

impl Link {
    /// To a port on the loopback.
    ///
    /// # Errors
    /// As the system's.
    pub fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let link = Self {
            port: listener.local_addr()?.port(),
            up: Arc::new(AtomicBool::new(true)),
            end: Arc::new(AtomicBool::new(false)),
        };
        let (up, end) = (Arc::clone(&link.up), Arc::clone(&link.end));
        listener.set_nonblocking(true)?;
        std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((near, _)) if up.load(Ordering::Relaxed) => {
                        let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                        let _ = near.set_nonblocking(false);
                        for (from, to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                            if let (Ok(from), Ok(to)) = (from, to) {
                                let up = Arc::clone(&up);
                                std::thread::spawn(move || copy(from, to, &up));
                            }
                        }
                    }
                    // A link that is cut takes nobody.
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        Ok(link)
    }

    /// Cuts it, or puts it together again.
    pub fn set(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    /// Whether it stands.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.up.store(false, Ordering::Relaxed);
        self.end.store(true, Ordering::Relaxed);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, up: &AtomicBool) {
    let _ = from.set_read_timeout(Some(Duration::from_millis(50)));
    let mut buffer = [0; 16_384];
    while up.load(Ordering::Relaxed) {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => {
                if !up.load(Ordering::Relaxed) || to.write_all(buffer.get(..got).unwrap_or_default()).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// The centre: database, stream, receiver, and the store in which all is shown.
pub struct Centre {
    folder: tempfile::TempDir,
    /// The database.
    pub postgres: Postgres,
    /// Port of the stream.
    pub nats: u16,
    server: Option<Running>,
    receiver: Option<Running>,
}

impl Centre {
    /// Starts all of it but the receiver; `None`, with a line that says why, where something is not installed.
    ///
    /// # Errors
    /// Where something does not start.
    pub fn start() -> Result<Option<Self>> {
        if Command::new("nats-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: nats-server is missing; deploy/test installs it");
            return Ok(None);
        }
        let Some(postgres) = Postgres::start()? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let mut centre = Self { folder, postgres, nats: free_port()?, server: None, receiver: None };
        centre.begin_nats()?;
        std::fs::write(centre.folder.path().join("password"), PASSWORD)?;
        let text = format!(
            "[fleet]\nstore = '{}'\nsilent_after = '5s'\n[fleet.nats]\naddress = 'nats://127.0.0.1:{}'\n\
             [fleet.database]\naddress = 'postgres://ot@127.0.0.1:{}/fleet'\npassword_file = 'password'\n",
            centre.store().display(),
            centre.nats,
            centre.postgres.port
        );
        std::fs::write(centre.config(), text)?;
        Ok(Some(centre))
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("fleet.toml")
    }

    /// The store in which all is shown.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("fleet.db")
    }

    /// Starts the server of the stream.
    ///
    /// # Errors
    /// Where it does not.
    pub fn begin_nats(&mut self) -> Result<()> {
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &self.nats.to_string(), "-js", "-sd"])
            .arg(self.folder.path().join("jetstream"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.server = Some(Running(child));
        wait_for("nats-server to listen", SOON, || Ok(TcpStream::connect(("127.0.0.1", self.nats)).ok())).map(drop)
    }

    /// Kills it.
    pub fn kill_nats(&mut self) {
        self.server = None;
    }

    /// Starts the receiver.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn begin_receiver(&mut self) -> Result<()> {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("receiver.log"))?;
        let child = self.fleet("run").stderr(log).spawn()?;
        self.receiver = Some(Running(child));
        Ok(())
    }

    /// Kills it.
    pub fn kill_receiver(&mut self) {
        self.receiver = None;
    }

    /// What it said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("receiver.log")).unwrap_or_default()
    }

    /// Processor seconds of the receiver that runs.
    pub fn receiver_seconds(&self) -> Option<f64> {
        let pid = self.receiver.as_ref()?.0.id();
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ticks =
            text.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
        Some(ticks.sum::<f64>() / 100.0)
    }

    /// A command of the centre.
    pub fn fleet(&self, what: &str) -> Command {
        let mut command = sensor();
        command.args(["fleet", what, "--config"]).arg(self.config());
        command
    }

    /// How all is.
    ///
    /// # Errors
    /// Where the database is away.
    pub fn status(&self) -> Result<Value> {
        let output = self.fleet("status").arg("--json").output()?;
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Alerts in the views, as the command line tells them.
    ///
    /// # Errors
    /// Where the command fails.
    pub fn alerts(&self, more: &[&str]) -> Result<Vec<Value>> {
        lines(sensor().args(["alerts", "list", "--json", "--store"]).arg(self.store()).args(more))
    }

    /// Waits until the record holds this many alerts of sensors, and the views show all of it.
    ///
    /// # Errors
    /// Where that does not happen in time.
    pub fn settled(&self, alerts: usize, longest: Duration) -> Result<Value> {
        let found = wait_for("the centre to have all", longest, || {
            let Ok(status) = self.status() else { return Ok(None) };
            let all = status["alerts"].as_u64().and_then(|count| usize::try_from(count).ok()) >= Some(alerts);
            Ok((all && status["not_shown"] == 0).then_some(status))
        });
        found.with_context(|| format!("{:?}\n{}", self.status().ok().map(|status| status.to_string()), self.said()))
    }
}

/// A sensor whose alerts are made up; store, outbox and forwarder are real.
pub struct Simulated {
    /// Its id.
    pub id: String,
    folder: tempfile::TempDir,
    store: Store,
    _lock: EngineLock,
    run: u32,
    alerts: u32,
    devices: BTreeMap<Ipv4Addr, u32>,
    /// Its way to the stream.
    pub link: Link,
    forwarder: Option<Running>,
    /// Ids of the alerts that it raised.
    pub raised: Vec<String>,
}

impl Simulated {
    /// Makes one that tells the centre.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(number: usize, centre: &Centre) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (id, link) = (format!("line-{number}"), Link::to(centre.nats)?);
        let mut store = Store::open(&folder.path().join("store.db"))?;
        let lock = store.lock_engine()?;
        let spec = RunSpec {
            kind: RunKind::Live,
            sensor: &id,
            site: "Plant North",
            options: "",
            inputs: &[],
            now: wall_clock(),
        };
        let run = store.begin_run(&spec)?.run;
        // It watches packets, though there is nothing to tell yet.
        let state = State { now: Some(wall_clock()), ..State::default() };
        store.commit(run, &Changes { state, ..Changes::default() }, 0)?;
        let text = format!(
            "[sensor]\nid = '{id}'\nconsole_url = 'https://{id}.example:8443'\n[[forward]]\nname = 'centre'\nkind = 'nats'\n\
             address = 'nats://127.0.0.1:{}'\nretry_max = '1s'\nrate = 10000\nstatus_every = '1s'\n",
            link.port
        );
        std::fs::write(folder.path().join("sensor.toml"), text)?;
        Ok(Self {
            id,
            folder,
            store,
            _lock: lock,
            run,
            alerts: 0,
            devices: BTreeMap::new(),
            link,
            forwarder: None,
            raised: Vec::new(),
        })
    }

    /// Its store.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("sensor.toml")
    }

    /// Starts its forwarder.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn begin(&mut self) -> Result<()> {
        let mut command = sensor();
        command.args(["forward", "--quiet", "--store"]).arg(self.path()).arg("--config").arg(self.config());
        self.forwarder = Some(Running(command.stderr(Stdio::null()).spawn()?));
        wait_for("the forwarder to be at work", SOON, || Ok(ot_store::forwarder_of(&self.path())))?;
        // The outbox fills from the moment on at which there is somebody to tell.
        wait_for("the destination", SOON, || {
            let known = ot_store::read::Reader::open(&self.path())?.destinations()?;
            Ok((!known.is_empty()).then_some(()))
        })
    }

    /// Kills its forwarder.
    pub fn kill(&mut self) {
        self.forwarder = None;
    }

    fn device(&mut self, ip: Ipv4Addr, zone: &str, now: Timestamp, changes: &mut Changes) -> DeviceId {
        let next = u32::try_from(self.devices.len()).unwrap_or(u32::MAX) + 1;
        let number = *self.devices.entry(ip).or_insert(next);
        if number == next {
            let said = |field, value: &str| Said {
                field,
                value: value.to_owned(),
                source: Source::Configuration,
                who: String::new(),
            };
            changes.devices.push(Device {
                id: DeviceId(number),
                name: Some(format!("PLC {ip}")),
                mac: None,
                sub: SubAddress::None,
                parent: None,
                addresses: vec![DeviceAddress { ip: IpAddr::V4(ip), vlan: None, first_seen: now, last_seen: now }],
                vendor: Some("Example Automation".to_owned()),
                role: Role::Controller,
                role_reasons: Vec::new(),
                purdue: Some(1),
                ot: true,
                learned: true,
                zone: Some(zone.to_owned()),
                context: Context::new([said(Field::Zone, zone), said(Field::Importance, "high")]),
                protocols: Vec::new(),
                identities: Vec::new(),
                first_seen: now,
                last_seen: now,
            });
        }
        DeviceId(number)
    }

    /// Raises an alert: this source commanded this destination, both of a zone. Its id.
    ///
    /// # Errors
    /// As the store's.
    pub fn raise(&mut self, zone: &str, source: Ipv4Addr, destination: Ipv4Addr) -> Result<String> {
        let now = wall_clock();
        let kind = catalogue::by_id("new-master").context("no alert type new-master")?;
        let mut changes = Changes::default();
        let mut peer = |ip: Ipv4Addr| Peer {
            device: Some(self.device(ip, zone, now, &mut changes)),
            ip: Some(IpAddr::V4(ip)),
            mac: None,
            sub: SubAddress::None,
        };
        let (from, to) = (peer(source), peer(destination));
        self.alerts += 1;
        let number = self.alerts;
        let sensor: u32 = self.id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let id = format!("{sensor:08x}{number:08x}{:016x}", now.0);
        changes.alerts.push(Alert {
            number,
            id: id.clone(),
            kind,
            key: AlertKey {
                kind: kind.id,
                client: Some(from.clone()),
                server: Some(to.clone()),
                table: None,
                point: Some(u64::from(number)),
            },
            opening: 1,
            severity: kind.severity,
            status: Status::New,
            learned: false,
            learned_act: 0,
            learned_until: None,
            muted: false,
            closed: None,
            first_detection: now,
            last_detection: now,
            count: 1,
            expected: 0,
            shares: Vec::new(),
            protocol: Some("modbus"),
            outcome: Some(Outcome::Ok),
            sources: vec![from],
            source_count: 1,
            destinations: vec![to],
            destination_count: 1,
            techniques: vec!["T0855"],
            description: format!("{source} commanded {destination} for the first time"),
            why: format!("{source} never commanded {destination} before"),
            entries: Vec::new(),
            frames: Vec::new(),
            violation_count: 0,
        });
        changes.state = State {
            last_alert: self.alerts,
            last_device: u32::try_from(self.devices.len()).unwrap_or(u32::MAX),
            now: Some(now),
            ..State::default()
        };
        self.store.commit(self.run, &changes, u64::from(number))?;
        self.raised.push(id.clone());
        Ok(id)
    }
}

/// The address of a device that only one sensor sees.
pub fn own_address(sensor: usize, number: u32) -> Ipv4Addr {
    let [_, high, middle, low] = number.to_be_bytes();
    let sensor = u8::try_from(sensor % 100).unwrap_or_default();
    Ipv4Addr::new(100 + sensor, high, middle, low)
}

/// The address of a device that all sensors see.
pub fn shared_address(number: u32) -> Ipv4Addr {
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(10, high, middle, low)
}

/// How large a file is.
pub fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}
