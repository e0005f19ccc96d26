//! Traffic made byte by byte: a cell that is polled, and somebody who commands its controller.

use crate::bench::Bench;
use anyhow::Result;
use ot_tests::frames::{End, Pcap, flags, tcp};
use std::fs::File;
use std::io::BufWriter;
use std::net::Ipv4Addr;
use std::path::Path;

/// One TCP connection, packet by packet.
pub struct Talk {
    ends: [End; 2],
    seq: [u32; 2],
    packets: u16,
}

impl Talk {
    pub fn new(client: (u8, u16), server: (u8, u16)) -> Self {
        let end = |(number, port): (u8, u16)| End {
            mac: [2, 0, 0x0a, 0x14, 0, number],
            ip: Ipv4Addr::new(10, 20, 0, number),
            port,
        };
        Self { ends: [end(client), end(server)], seq: [1, 1], packets: 0 }
    }

    /// The client is another host, that was not seen before.
    pub fn of_guest(mut self, guest: u8) -> Self {
        let [client, _] = &mut self.ends;
        client.mac = [2, 0, 0x0a, 0x15, 0, guest];
        client.ip = Ipv4Addr::new(10, 21, 0, guest);
        self
    }

    /// A packet of the client (0) or the server (1).
    pub fn say(&mut self, from: usize, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [client, server] = self.ends;
        let (source, target) = if from == 0 { (client, server) } else { (server, client) };
        self.packets = self.packets.wrapping_add(1);
        let frame = tcp(source, target, self.packets, self.seq[from], self.seq[1 - from], flags, payload);
        let more = u32::try_from(payload.len()).unwrap_or(0) + u32::from(flags & (flags::SYN | flags::FIN) != 0);
        self.seq[from] = self.seq[from].wrapping_add(more);
        frame
    }

    /// The handshake.
    pub fn open(&mut self) -> Vec<Vec<u8>> {
        vec![self.say(0, flags::SYN, &[]), self.say(1, flags::SYN | flags::ACK, &[]), self.say(0, flags::ACK, &[])]
    }

    /// The end.
    pub fn close(&mut self) -> Vec<Vec<u8>> {
        let fin = flags::FIN | flags::ACK;
        vec![self.say(0, fin, &[]), self.say(1, fin, &[]), self.say(0, flags::ACK, &[])]
    }

    /// A Modbus request and its answer.
    pub fn modbus(&mut self, transaction: u16, request: &[u8], answer: &[u8]) -> Vec<Vec<u8>> {
        let [high, low] = transaction.to_be_bytes();
        let adu = |pdu: &[u8]| {
            let mut adu = vec![high, low, 0, 0, 0, u8::try_from(pdu.len() + 1).unwrap_or(0), 1];
            adu.extend_from_slice(pdu);
            adu
        };
        let push = flags::PSH | flags::ACK;
        vec![self.say(0, push, &adu(request)), self.say(1, push, &adu(answer)), self.say(0, flags::ACK, &[])]
    }
}

/// An HMI polls a controller; somebody, where it is time, switches a coil of it.
pub struct Cell {
    pub poll: Talk,
    polls: u16,
}

impl Cell {
    /// The HMI asks from this port.
    pub fn new(port: u16) -> Self {
        Self { poll: Talk::new((20, port), (11, 502)), polls: 0 }
    }

    /// The HMI asks for two registers.
    pub fn poll(&mut self) -> Vec<Vec<u8>> {
        self.polls += 1;
        self.poll.modbus(self.polls, &[3, 0, 0, 0, 2], &[3, 4, 0, 7, 0, 9])
    }
}

/// Somebody switches a coil of the controller.
pub fn attack(intruder: u8) -> Vec<Vec<u8>> {
    let mut talk = Talk::new((intruder, 40_000), (11, 502));
    let mut frames = talk.open();
    frames.extend(talk.modbus(1, &[5, 0, 3, 0xff, 0], &[5, 0, 3, 0xff, 0]));
    frames.extend(talk.close());
    frames
}

/// Writes a capture: `fill` puts frames at tenths of milliseconds.
pub fn capture(
    path: &Path,
    fill: impl FnOnce(&mut dyn FnMut(u64, Vec<Vec<u8>>) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let mut pcap = Pcap::new(BufWriter::new(File::create(path)?))?;
    fill(&mut |tenths, frames| {
        for frame in frames {
            pcap.frame(1_700_000_000_000_000 + tenths * 100, &frame)?;
        }
        Ok(())
    })?;
    pcap.finish()?;
    Ok(())
}

/// A capture of the cell in which an intruder commands the controller at the end.
pub fn intrusion(path: &Path, intruder: u8) -> Result<()> {
    capture(path, |put| {
        let mut cell = Cell::new(50_000 + u16::from(intruder));
        put(0, cell.poll.open())?;
        for n in 0..10 {
            put(500 * n, cell.poll())?;
        }
        put(5_000, attack(intruder))
    })
}

/// Sends a capture to the mirror port, beside the test.
pub fn replay(bench: &mut Bench, name: &str, pace: &[&str], capture: &Path) -> Result<()> {
    let mut command = bench.lab.command("switch", "tcpreplay");
    let log = bench.log(name);
    bench.lab.start(name, command.args(["--preload-pcap", "-i", "mirror"]).args(pace).arg(capture), &log)
}
