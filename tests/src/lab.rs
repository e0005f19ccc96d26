//! A plant network on one machine: a switch with a mirror port, hosts behind it, and the sensor at the mirror port, each in
//! a network namespace of its own.

use crate::sensor::{children, cut_off, root, sensor};
use anyhow::{Context as _, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The interface of the sensor, and a second one for what a tap sends apart.
pub const SPAN: &str = "span0";
/// The second interface, where [`Lab::second_span`] made it.
pub const SECOND: &str = "span1";

/// Labs of this process so far.
static LABS: AtomicU32 = AtomicU32::new(0);

/// The network. Taken down, with all that runs in it, when dropped.
pub struct Lab {
    tag: String,
    spaces: Vec<String>,
    running: Vec<(String, Child)>,
}

impl Lab {
    /// Builds the switch and the sensor's place; `None`, with a line that says why, where this machine does not allow it.
    ///
    /// # Errors
    /// Where namespaces are allowed and something in them cannot be made.
    pub fn build() -> Result<Option<Self>> {
        let tag = format!("ot{}x{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let mut lab = Self { tag, spaces: Vec::new(), running: Vec::new() };
        let made = Command::new("ip").args(["netns", "add", &lab.space("switch")]).output();
        match made {
            Ok(output) if output.status.success() => lab.spaces.push(lab.space("switch")),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                eprintln!("skipped: no network namespaces here ({why}); run the tests as root");
                return Ok(None);
            }
            Err(error) => {
                eprintln!("skipped: no network namespaces here (ip: {error}); install iproute2");
                return Ok(None);
            }
        }
        lab.quiet("switch")?;
        lab.add("sensor")?;
        lab.inside("switch", ["ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", "0"])?;
        lab.inside("switch", ["ip", "link", "set", "br0", "up"])?;
        lab.plug_span()?;
        Ok(Some(lab))
    }

    /// Connects the sensor's interface to the mirror port: at the start, or again after [`Lab::unplug_span`].
    ///
    /// # Errors
    /// As `ip` says.
    pub fn plug_span(&self) -> Result<()> {
        let sensor = self.space("sensor");
        self.inside(
            "switch",
            ["ip", "link", "add", "mirror", "type", "veth", "peer", "name", SPAN, "netns", sensor.as_str()],
        )?;
        self.inside("switch", ["ip", "link", "set", "mirror", "up"])?;
        self.inside("sensor", ["ip", "link", "set", SPAN, "up", "promisc", "on"])?;
        for port in self.ports()? {
            self.mirror(&port, "mirror")?;
        }
        Ok(())
    }

    /// Gives the sensor a second interface; a host's packets go to it after [`Lab::mirror_apart`].
    ///
    /// # Errors
    /// As `ip` says.
    pub fn second_span(&self) -> Result<()> {
        let sensor = self.space("sensor");
        self.inside(
            "switch",
            ["ip", "link", "add", "mirror1", "type", "veth", "peer", "name", SECOND, "netns", sensor.as_str()],
        )?;
        self.inside("switch", ["ip", "link", "set", "mirror1", "up"])?;
        self.inside("sensor", ["ip", "link", "set", SECOND, "up", "promisc", "on"])
    }

    /// What a host sends goes to the second interface instead of the first.
    ///
    /// # Errors
    /// As `tc` says.
    pub fn mirror_apart(&self, name: &str) -> Result<()> {
        self.unmirror(name)?;
        self.mirror(&format!("p-{name}"), "mirror1")
    }

    /// What a host sends goes to no mirror port any more.
    ///
    /// # Errors
    /// As `tc` says.
    pub fn unmirror(&self, name: &str) -> Result<()> {
        let port = format!("p-{name}");
        self.inside("switch", ["tc", "qdisc", "del", "dev", port.as_str(), "ingress"])
    }

    /// Removes the mirror port, and with it the sensor's interface.
    ///
    /// # Errors
    /// As `ip` says.
    pub fn unplug_span(&self) -> Result<()> {
        for port in self.ports()? {
            self.inside("switch", ["tc", "qdisc", "del", "dev", port.as_str(), "ingress"])?;
        }
        self.inside("switch", ["ip", "link", "del", "mirror"])
    }

    /// A host behind the switch, with the address 10.99.0.`number`.
    ///
    /// # Errors
    /// As `ip` says.
    pub fn host(&mut self, name: &str, number: u8) -> Result<String> {
        self.add(name)?;
        let (space, port) = (self.space(name), format!("p-{name}"));
        self.inside(
            "switch",
            ["ip", "link", "add", port.as_str(), "type", "veth", "peer", "name", "eth0", "netns", space.as_str()],
        )?;
        let mac = format!("02:00:0a:63:00:{number:02x}");
        let address = format!("10.99.0.{number}");
        self.inside(name, ["ip", "link", "set", "eth0", "address", mac.as_str()])?;
        self.inside(name, ["ip", "address", "add", format!("{address}/24").as_str(), "dev", "eth0"])?;
        // No offloads: checksums and sizes as on a wire.
        for (place, device) in [(name, "eth0"), ("switch", port.as_str())] {
            let off = ["ethtool", "-K", device, "tx", "off", "rx", "off", "gso", "off", "tso", "off", "gro", "off"];
            self.inside(place, off)?;
        }
        self.inside(name, ["ip", "link", "set", "eth0", "up"])?;
        self.inside("switch", ["ip", "link", "set", port.as_str(), "master", "br0", "up"])?;
        self.mirror(&port, "mirror")?;
        Ok(address)
    }

    /// What enters the switch by a port goes to the mirror port, so that each frame is there once.
    fn mirror(&self, port: &str, to: &str) -> Result<()> {
        self.inside("switch", ["tc", "qdisc", "add", "dev", port, "ingress"])?;
        self.inside(
            "switch",
            [
                "tc", "filter", "add", "dev", port, "parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0",
                "0", "action", "mirred", "egress", "mirror", "dev", to,
            ],
        )
    }

    fn ports(&self) -> Result<Vec<String>> {
        let output = self.command("switch", "ls").arg("/sys/class/net").output()?;
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(names.split_whitespace().filter(|name| name.starts_with("p-")).map(str::to_owned).collect())
    }

    /// A command in the namespace of a host, of the `switch` or of the `sensor`.
    pub fn command(&self, place: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(place)]).arg(program);
        command
    }

    /// The sensor at the mirror port.
    pub fn sensor(&self) -> Command {
        self.command("sensor", sensor().get_program())
    }

    /// Runs a command to its end; it must succeed.
    ///
    /// # Errors
    /// Where it does not; with what it said.
    pub fn inside<'a>(&self, place: &str, line: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut words = line.into_iter();
        let mut command = self.command(place, words.next().unwrap_or_default());
        command.args(words);
        let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Starts a command that runs beside the test; what it prints goes into a file.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self, name: &str, command: &mut Command, log: &Path) -> Result<()> {
        let out = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        self.running.push((name.to_owned(), child));
        Ok(())
    }

    /// The process of a command that was started.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn process(&mut self, name: &str) -> Result<&mut Child> {
        let found = self.running.iter_mut().rev().find(|(known, _)| known == name);
        found.map(|(_, child)| child).with_context(|| format!("{name} was not started"))
    }

    /// Sends a signal to a command that was started and waits for its end: exit code, `None` where the signal killed it.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub fn end(&mut self, name: &str, signal: &str, longest: Duration) -> Result<Option<i32>> {
        self.signal(name, signal)?;
        self.wait(name, longest).with_context(|| format!("after {signal}"))
    }

    /// Waits for the end of a command that was started: exit code, `None` where a signal killed it.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub fn wait(&mut self, name: &str, longest: Duration) -> Result<Option<i32>> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process(name)?.try_wait()? {
                let place = self.running.iter().rposition(|(known, _)| known == name);
                place.map(|place| self.running.remove(place));
                return Ok(status.code());
            }
            ensure!(began.elapsed() < longest, "{name} has not ended within {longest:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal to a command that was started.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn signal(&mut self, name: &str, signal: &str) -> Result<()> {
        let pid = self.process(name)?.id().to_string();
        ensure!(Command::new("kill").args(["-s", signal, &pid]).status()?.success(), "{name} has ended already");
        Ok(())
    }

    /// Ends a sensor that was started as a power cut does. Exit code; `None` where the signal ended it.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn cut_off(&mut self, name: &str) -> Result<Option<i32>> {
        let code = cut_off(self.process(name)?)?;
        let place = self.running.iter().rposition(|(known, _)| known == name);
        place.map(|place| self.running.remove(place));
        Ok(code)
    }

    /// The process of a sensor that parses: the one that it has started, or the only one.
    ///
    /// # Errors
    /// Where the sensor is not there.
    pub fn parser(&mut self, name: &str) -> Result<u32> {
        let sensor = self.process(name)?.id();
        Ok(children(sensor).first().copied().unwrap_or(sensor))
    }

    /// Packets that the sensor's interface has sent.
    ///
    /// # Errors
    /// Where it cannot be told.
    pub fn sent(&self) -> Result<u64> {
        let file = format!("/sys/class/net/{SPAN}/statistics/tx_packets");
        let output = self.command("sensor", "cat").arg(file).output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().context("the interface tells no count")
    }

    fn space(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        let space = self.space(name);
        let output = Command::new("ip").args(["netns", "add", &space]).output()?;
        ensure!(output.status.success(), "ip netns add: {}", String::from_utf8_lossy(&output.stderr));
        self.spaces.push(space);
        self.quiet(name)
    }

    /// The kernel itself sends nothing.
    fn quiet(&self, name: &str) -> Result<()> {
        for scope in ["all", "default"] {
            self.inside(name, ["sysctl", "-qw", format!("net.ipv6.conf.{scope}.disable_ipv6=1").as_str()])?;
        }
        self.inside(name, ["ip", "link", "set", "lo", "up"])
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = cut_off(child);
        }
        for space in &self.spaces {
            let _ = Command::new("ip").args(["netns", "del", space]).output();
        }
    }
}

/// The stacks of the live tests; `None`, with a line that says why, where their environment was not made.
pub fn stacks() -> Option<(PathBuf, PathBuf)> {
    let python =
        std::env::var_os("OT_LIVE_PYTHON").map_or_else(|| root().join("target/live-venv/bin/python"), PathBuf::from);
    if python.is_file() {
        return Some((python, root().join("tests/live/stacks.py")));
    }
    eprintln!("skipped: {} is missing; deploy/test makes it (tests/live/requirements.txt)", python.display());
    None
}

/// Waits until something is so.
///
/// # Errors
/// Where it is not in time, or cannot be told.
pub fn wait_for<T>(what: &str, longest: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > longest {
            bail!("{what}: not within {longest:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
