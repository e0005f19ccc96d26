//! What devices tell of themselves is hostile here: names, station names, banners and texts of rules that would run in a
//! browser. The packets are made in the test, and every page is looked at. And clients that are slow on purpose.

use anyhow::{Context as _, Result, ensure};
use ot_tests::console::{Console, Session};
use ot_tests::frames::{End, Pcap, flags, tcp};
use ot_tests::http::{read, send};
use ot_tests::sensor::{sensor, succeed};
use serde_json::Value;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Each would run if a page held it as it is; each is found again by its number.
const PRODUCT: &str = "<script>alert(11)</script>";
const VENDOR: &str = "\"><svg onload=alert(12)>";
const STATION: &str = "'><iframe src=javascript:alert(13)>";
const BANNER: &str = "<img src=x onerror=alert(14)>";
const FTP: &str = "<details open ontoggle=alert(15)>";
const RULE: &str = "<a href=javascript:alert(16)>rule</a>";
const MESSAGE: &str = "</title><script>alert(17)</script>";
const ALL: [&str; 7] = [PRODUCT, VENDOR, STATION, BANNER, FTP, RULE, MESSAGE];

/// Microseconds: 2026-02-01 12:00.
const START: u64 = 1_769_947_200_000_000;

/// A conversation over TCP: handshake, then who says what, then the end.
struct Talk {
    ends: [End; 2],
    next: [u32; 2],
    micros: u64,
    number: u16,
}

impl Talk {
    fn open(pcap: &mut Pcap<Vec<u8>>, client: End, server: End, micros: u64) -> Result<Self> {
        let mut talk = Self { ends: [client, server], next: [1_000, 9_000], micros, number: 1 };
        talk.send(pcap, 0, flags::SYN, b"")?;
        talk.next[0] += 1;
        talk.send(pcap, 1, flags::SYN | flags::ACK, b"")?;
        talk.next[1] += 1;
        talk.send(pcap, 0, flags::ACK, b"")?;
        Ok(talk)
    }

    fn send(&mut self, pcap: &mut Pcap<Vec<u8>>, by: usize, flags: u8, payload: &[u8]) -> Result<()> {
        let other = 1 - by;
        let ack = if flags & flags::ACK == 0 { 0 } else { self.next[other] };
        let frame = tcp(self.ends[by], self.ends[other], self.number, self.next[by], ack, flags, payload);
        pcap.frame(self.micros, &frame)?;
        self.next[by] = self.next[by].wrapping_add(u32::try_from(payload.len())?);
        (self.micros, self.number) = (self.micros + 10_000, self.number + 1);
        Ok(())
    }

    fn say(&mut self, pcap: &mut Pcap<Vec<u8>>, by: usize, payload: &[u8]) -> Result<()> {
        self.send(pcap, by, flags::PSH | flags::ACK, payload)
    }
}

fn end(last: u8, port: u16) -> End {
    End { mac: [0x00, 0x80, 0xf4, 1, 2, last], ip: Ipv4Addr::new(10, 20, 9, last), port }
}

/// A Modbus message: header, then what it says.
fn modbus(transaction: u16, pdu: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = transaction.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(pdu.len() + 1)?.to_be_bytes());
    bytes.push(1);
    bytes.extend(pdu);
    Ok(bytes)
}

/// Device identification (FC 43/14) with vendor, product code and revision.
fn identification() -> Result<Vec<u8>> {
    let mut pdu = vec![0x2b, 0x0e, 1, 1, 0, 0, 3];
    for (id, text) in [(0, VENDOR), (1, PRODUCT), (2, "V1")] {
        pdu.extend([id, u8::try_from(text.len())?]);
        pdu.extend(text.as_bytes());
    }
    Ok(pdu)
}

/// The answer of a PROFINET station to who it is, with its name.
fn station() -> Result<Vec<u8>> {
    let mut blocks = Vec::new();
    for (option, sub, value) in [(2, 2, STATION.as_bytes()), (1, 2, &[10, 20, 9, 40, 255, 255, 255, 0, 0, 0, 0, 0])] {
        blocks.extend([option, sub]);
        blocks.extend(u16::try_from(value.len() + 2)?.to_be_bytes());
        blocks.extend([0, 0]);
        blocks.extend(value);
        if value.len() % 2 == 1 {
            blocks.push(0);
        }
    }
    let mut frame = vec![0, 0x80, 0xf4, 1, 2, 10, 0, 0x80, 0xf4, 1, 2, 40, 0x88, 0x92, 0xfe, 0xff, 5, 1];
    frame.extend([0, 0, 0, 7, 0, 0]);
    frame.extend(u16::try_from(blocks.len())?.to_be_bytes());
    frame.extend(blocks);
    frame.resize(frame.len().max(60), 0);
    Ok(frame)
}

fn capture(path: &Path) -> Result<()> {
    let mut pcap = Pcap::new(Vec::new())?;
    let mut plc = Talk::open(&mut pcap, end(10, 40_001), end(20, 502), START)?;
    for number in 0..4 {
        plc.say(&mut pcap, 0, &modbus(number, &[3, 0, 0, 0, 1])?)?;
        plc.say(&mut pcap, 1, &modbus(number, &[3, 2, 0, 7])?)?;
    }
    plc.say(&mut pcap, 0, &modbus(9, &[0x2b, 0x0e, 1, 0])?)?;
    plc.say(&mut pcap, 1, &modbus(9, &identification()?)?)?;
    plc.say(&mut pcap, 0, &modbus(10, &[6, 0, 5, 0, 9])?)?;
    plc.say(&mut pcap, 1, &modbus(10, &[6, 0, 5, 0, 9])?)?;
    let mut web = Talk::open(&mut pcap, end(10, 40_002), end(20, 80), START + 2_000_000)?;
    web.say(&mut pcap, 0, b"GET / HTTP/1.1\r\nHost: 10.20.9.20\r\n\r\n")?;
    web.say(&mut pcap, 1, format!("HTTP/1.1 200 OK\r\nServer: {BANNER}\r\nContent-Length: 2\r\n\r\nok").as_bytes())?;
    let mut ftp = Talk::open(&mut pcap, end(10, 40_003), end(20, 21), START + 3_000_000)?;
    ftp.say(&mut pcap, 1, format!("220 {FTP}\r\n").as_bytes())?;
    ftp.say(&mut pcap, 0, b"USER admin\r\n")?;
    ftp.say(&mut pcap, 1, b"331 Password required\r\n")?;
    ftp.say(&mut pcap, 0, b"PASS secret\r\n")?;
    ftp.say(&mut pcap, 1, b"230 Logged in\r\n")?;
    pcap.frame(START + 4_000_000, &station()?)?;
    let mut late = Talk::open(&mut pcap, end(11, 40_004), end(20, 502), START + 5_000_000)?;
    late.say(&mut pcap, 0, &modbus(1, &[6, 0, 5, 0, 99])?)?;
    late.say(&mut pcap, 1, &modbus(1, &[6, 0, 5, 0, 99])?)?;
    Ok(std::fs::write(path, pcap.into_inner())?)
}

/// The letters as a page must not hold them.
fn harmless(what: &str, text: &str) -> Result<()> {
    for hostile in ALL {
        ensure!(!text.contains(hostile), "{what} holds {hostile} as it is");
    }
    for tag in
        ["<script>alert", "<svg onload", "<iframe", "<img src=x", "<details open ontoggle", "<a href=javascript:"]
    {
        ensure!(!text.contains(tag), "{what} holds {tag}");
    }
    Ok(())
}

fn items(session: &Session, path: &str) -> Result<Vec<Value>> {
    let page = session.get(path)?.json()?;
    page["items"].as_array().cloned().with_context(|| format!("{path}: {page}"))
}

#[test]
fn what_packets_say_never_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (store, file, rules) =
        (folder.path().join("store.db"), folder.path().join("hostile.pcap"), folder.path().join("rules.toml"));
    capture(&file)?;
    std::fs::write(
        &rules,
        format!(
            "[[rule]]\nid = \"hostile\"\ntitle = {RULE:?}\nseverity = \"critical\"\nwhen = \"modbus.write.value[5] > 50\"\n\
             message = {:?}\n",
            format!("{MESSAGE} {{source}}")
        ),
    )?;
    succeed(sensor().args(["replay", "--quiet", "--rules"]).arg(&rules).arg("--store").arg(&store).arg(&file))?;
    let console = Console::over(folder, store)?;
    let session = console.sign_in("administrator")?;
    let mut paths: Vec<String> = [
        "/",
        "/alerts?columns=title,source,destination,techniques,first,engine,category,zone",
        "/alerts?group=source",
        "/alerts.csv",
        "/devices",
        "/devices.csv",
        "/map",
        "/map?by=subnet",
        "/map.svg",
        "/events",
        "/baseline",
        "/baseline/entries/1",
        "/attack?span=all",
        "/mining",
        "/mining?question=firmware",
        "/mining?question=unauthenticated-writes",
        "/mining?question=clear-text-sign-ins",
        "/mining?list=alerts",
        "/mining?list=events",
        "/mining?list=journal",
        "/mining.csv?question=firmware",
        "/maintenance",
        "/maintenance/report",
        "/health",
        "/users",
    ]
    .map(str::to_owned)
    .to_vec();
    let tabs = ["identity", "recommendations", "alerts", "traffic", "points", "programs", "timeline", "edit"];
    for device in items(&session, "/api/v1/devices?limit=100")? {
        paths.extend(tabs.map(|tab| format!("/devices/{}?tab={tab}", device["device_id"])));
        paths.push(format!("/map?device=%23{}", device["device_id"]));
    }
    for alert in items(&session, "/api/v1/alerts?limit=100")? {
        let id = alert["id"].as_str().context("no id")?;
        paths.extend([format!("/alerts/{id}?tab=all"), format!("/alerts/{id}/pane"), format!("/alerts/{id}/learn")]);
    }
    ensure!(paths.len() > 60, "only {} pages", paths.len());
    let mut seen = String::new();
    for path in paths {
        let reply = session.get(&path)?;
        ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.text());
        let kind = reply.header("content-type").unwrap_or_default().to_owned();
        // What is kept as a file is no page; it is not shown by the browser.
        if kind.starts_with("text/csv") {
            ensure!(reply.header("content-disposition").is_some_and(|how| how.starts_with("attachment")), "{path}");
            ensure!(reply.header("x-content-type-options") == Some("nosniff"), "{path}");
            continue;
        }
        let text = reply.text();
        harmless(&path, &text)?;
        seen.push_str(&text);
    }
    // All of it did arrive, and is shown as text.
    for number in 11..=17 {
        ensure!(
            seen.contains(&format!("alert({number})")),
            "text {number} is on no page: the test shows nothing of it"
        );
    }
    Ok(())
}

/// Who sends a body letter by letter is given up, and nobody waits for them.
#[test]
fn slow_bodies_end_and_hold_nobody_up() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    ot_tests::console::replay(&store, &["first-write"])?;
    let console = Console::over(folder, store)?;
    let session = console.sign_in("analyst")?;
    let began = Instant::now();
    let mut slow: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(console.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(40)))?;
            write!(
                stream,
                "POST /api/v1/alerts/actions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
                 content-length: 4000\r\n\r\n{{",
                console.address
            )?;
            Ok(stream)
        })
        .collect::<Result<_>>()?;
    // Others are answered meanwhile, reads and writes.
    while began.elapsed() < Duration::from_secs(10) {
        for stream in &mut slow {
            stream.write_all(b" ")?;
        }
        ensure!(session.get("/alerts")?.status == 200);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        ensure!(send(console.address, "POST", "/sign-in", &kind, b"name=nobody&password=x")?.status != 408);
        std::thread::sleep(Duration::from_millis(500));
    }
    for mut stream in slow {
        let reply = read(&mut stream)?;
        ensure!(reply.status == 408, "{}", reply.status);
    }
    ensure!(began.elapsed() < Duration::from_secs(60), "they were held for {:?}", began.elapsed());
    ensure!(session.get("/api/v1/session")?.status == 200);
    Ok(())
}
