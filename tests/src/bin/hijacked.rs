//! A parser in the hands of somebody else: tries one thing after the other, and says what became of each. In the sandbox of
//! the sensor, the same function with the same kind of plan; or, to hold against it, without. And one that lies to the process
//! that captures.

use anyhow::{Context as _, Result, ensure};
use ot_capture::split::parent;
use ot_capture::split::sandbox::{Network, Plan, enter};
use ot_capture::{InterfaceSettings, Stop};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, chroot, getppid, pidfd_getfd, pidfd_open, test_kill_process};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{FileExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const USAGE: &str = "usage: hijacked FOLDER free|alone|forwarding INTERFACE, or: hijacked liar\n\
    FOLDER has store/ (to be written), etc/sensor.toml and etc/spare (to be read), outside/ (neither), and the socket notify";

/// What is tried: where, and on which interface.
struct Ground {
    folder: PathBuf,
    interface: String,
    parent: Pid,
}

type Attempt = (&'static str, fn(&Ground) -> io::Result<()>);

/// What must go on.
const WORK: [Attempt; 6] = [
    ("write to the store", |ground| {
        let path = ground.folder.join("store/plant.db-wal");
        fs::write(&path, "x")?;
        fs::rename(&path, ground.folder.join("store/plant.db"))
    }),
    ("make and remove folders beside it", |ground| {
        let folder = ground.folder.join("store/evidence");
        fs::create_dir(&folder)?;
        fs::write(folder.join("a.pcapng"), "x")?;
        fs::remove_dir_all(folder)
    }),
    ("read the configuration anew", |ground| fs::read(ground.folder.join("etc/sensor.toml")).map(drop)),
    ("start a thread", |_| {
        let thread = std::thread::Builder::new().spawn(|| fs::read("/etc/shadow").is_ok())?;
        thread.join().map_err(|_| io::Error::other("it panicked")).map(drop)
    }),
    ("tell systemd that all is well", |ground| {
        UnixDatagram::unbound()?.send_to(b"WATCHDOG=1", ground.folder.join("notify")).map(drop)
    }),
    ("read the time zone", |_| match fs::read("/etc/localtime") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }),
];

/// What must not be.
const MISUSE: [Attempt; 25] = [
    ("read /etc/shadow", |_| File::open("/etc/shadow").map(drop)),
    ("read a file outside", |ground| fs::read(ground.folder.join("outside/secret")).map(drop)),
    ("write to a file outside", |ground| append(ground, "outside/secret")),
    ("make a file outside", |ground| File::create(ground.folder.join("outside/new")).map(drop)),
    ("write to the configuration", |ground| append(ground, "etc/sensor.toml")),
    ("empty the configuration", |ground| {
        OpenOptions::new().write(true).truncate(true).open(ground.folder.join("etc/sensor.toml")).map(drop)
    }),
    ("replace the configuration", |ground| {
        fs::rename(ground.folder.join("etc/spare"), ground.folder.join("etc/sensor.toml"))
    }),
    ("remove the configuration", |ground| fs::remove_file(ground.folder.join("etc/sensor.toml"))),
    ("make a link out of the store's folder", |ground| symlink("/etc/shadow", ground.folder.join("store/link"))),
    ("read the memory of the process that captures", |ground| File::open(proc(ground, "mem")).map(drop)),
    ("see its files", |ground| fs::read_dir(proc(ground, "fd")).map(drop)),
    ("take one of its files", |ground| {
        let process = pidfd_open(ground.parent, PidfdFlags::empty())?;
        Ok(pidfd_getfd(process, 0, PidfdGetfdFlags::empty()).map(drop)?)
    }),
    ("signal it", |ground| Ok(test_kill_process(ground.parent)?)),
    ("open a packet socket", |_| socket(Domain::PACKET, Type::RAW, None)),
    ("open a packet socket without link layer", |_| socket(Domain::PACKET, Type::DGRAM, None)),
    ("open a raw IPv4 socket", |_| socket(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))),
    ("open a raw IPv6 socket", |_| socket(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))),
    ("open a socket of an odd family", |_| socket(Domain::from(ALG), Type::SEQPACKET, None)),
    ("send by the monitored interface", |ground| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.bind_device(Some(ground.interface.as_bytes()))?;
        socket.set_broadcast(true)?;
        let everybody = SocketAddr::from(([255, 255, 255, 255], 9));
        socket.send_to(b"hello", &everybody.into()).map(drop)
    }),
    ("connect to a port of one's choice", |_| {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        TcpStream::connect_timeout(&nobody, Duration::from_secs(5)).map(drop)
    }),
    ("let others connect", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    // Of a kind that does not exist: without a sandbox the answer is another one, and nothing is mounted.
    ("mount", |_| Ok(mount("none", "/", "no-such-kind", MountFlags::empty(), None)?)),
    ("change the root", |_| Ok(chroot("/no/such/folder")?)),
    ("start another process", |_| Command::new("/bin/true").status().map(drop)),
    // The last one: without a sandbox nothing comes after it.
    ("become another program", |_| Err(Command::new("/bin/true").exec())),
];

/// `AF_ALG`: the kernel's cryptography, for which `socket2` has no name.
const ALG: i32 = 38;

fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<()> {
    Socket::new(domain, kind, protocol).map(drop)
}

fn append(ground: &Ground, file: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(ground.folder.join(file))?.write_all(b"x")
}

fn proc(ground: &Ground, file: &str) -> String {
    format!("/proc/{}/{file}", ground.parent)
}

/// What the process that captures adds to the arguments of the one that it starts.
const OPTION: &str = "--captured-through";

/// Captures the loopback interface for a process that lies, and says how that ends.
fn capture() {
    match parent(&[InterfaceSettings::new("lo")], OPTION, &Stop::default(), &AtomicBool::new(false)) {
        Ok(status) => println!("ended: {status}"),
        Err(error) => println!("error: {error}"),
    }
}

/// Writes wherever it can what the other process reads, then sees to it that there are packets.
fn lie(list: &str) -> Result<()> {
    let file = |at: usize| -> Result<File> {
        let number = list.split(',').nth(at).context("no such file")?;
        Ok(OpenOptions::new().write(true).open(format!("/proc/self/fd/{number}"))?)
    };
    for (what, at) in [("packets", 0), ("read", 1)] {
        let file = file(at)?;
        println!(
            "{what}: written: {}, shortened: {}",
            file.write_all_at(&[0x55; 64], 0).is_ok(),
            file.set_len(0).is_ok()
        );
    }
    file(2)?.write_all(b"?")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..1_000 {
        socket.send_to(b"hello", "127.0.0.1:9").or_else(|_| socket.send_to(b"hello", "127.0.0.1:9"))?;
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("it was believed");
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(list) = arguments.last().and_then(|last| last.strip_prefix(OPTION)?.strip_prefix('=')) {
        return lie(list);
    }
    if arguments == ["liar"] {
        capture();
        return Ok(());
    }
    let [folder, how, interface] = arguments.as_slice() else { anyhow::bail!(USAGE) };
    let ground =
        Ground { folder: PathBuf::from(folder), interface: interface.clone(), parent: getppid().context("no parent")? };
    ensure!(ground.folder.join("etc/sensor.toml").is_file(), USAGE);
    let network = match how.as_str() {
        "forwarding" => Network::Outbound(vec![53, 6514]),
        _ => Network::None,
    };
    if how != "free" {
        let plan = Plan {
            write: vec![ground.folder.join("store")],
            files: Vec::new(),
            read: vec![ground.folder.join("etc"), "/etc/localtime".into(), "/usr/share/zoneinfo".into()],
            network,
        };
        let applied = enter(&plan)?;
        println!("{}\t{applied}", if applied.is_whole() { "whole" } else { "partly" });
    }
    for (name, attempt) in WORK.into_iter().chain(MISUSE) {
        // What becomes of the last one without a sandbox nobody would tell.
        if how == "free" && name == "become another program" {
            println!("not refused\t{name}");
        }
        match attempt(&ground) {
            Ok(()) => println!("not refused\t{name}"),
            // EPERM and EACCES.
            Err(error) if matches!(error.raw_os_error(), Some(1 | 13)) => println!("refused\t{name}\t{error}"),
            Err(error) => println!("not refused\t{name}\t{error}"),
        }
    }
    Ok(())
}
