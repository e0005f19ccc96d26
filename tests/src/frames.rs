//! Writes frames and pcap files, byte by byte.

use std::io::{self, Write};
use std::net::Ipv4Addr;

/// A small seeded generator (xorshift64*): the same seed gives the same capture on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n` (0 where `n` is 0).
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { (self.number() >> 16) % n }
    }
}

/// A pcap file with microseconds, little endian, Ethernet.
pub struct Pcap<W: Write> {
    out: W,
    /// Packets written.
    pub packets: u64,
}

impl<W: Write> Pcap<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// As the writer's.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
        out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        out.write_all(&65_535_u32.to_le_bytes())?;
        out.write_all(&1_u32.to_le_bytes())?;
        Ok(Self { out, packets: 0 })
    }

    /// Writes one frame at a time in microseconds since 1970.
    ///
    /// # Errors
    /// As the writer's.
    pub fn frame(&mut self, micros: u64, frame: &[u8]) -> io::Result<()> {
        self.cut(micros, frame, frame.len())
    }

    /// Writes one frame of which a snap length has left the first bytes; `wire`: its length before.
    ///
    /// # Errors
    /// As the writer's.
    pub fn cut(&mut self, micros: u64, frame: &[u8], wire: usize) -> io::Result<()> {
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        let rest = u32::try_from(micros % 1_000_000).unwrap_or(0);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.out.write_all(&seconds.to_le_bytes())?;
        self.out.write_all(&rest.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&u32::try_from(wire).unwrap_or(u32::MAX).to_le_bytes())?;
        self.out.write_all(frame)?;
        self.packets += 1;
        Ok(())
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Flushes.
    ///
    /// # Errors
    /// As the writer's.
    pub fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.packets)
    }
}

/// One end of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// MAC.
    pub mac: [u8; 6],
    /// Address.
    pub ip: Ipv4Addr,
    /// Port.
    pub port: u16,
}

/// TCP flags.
pub mod flags {
    /// Synchronise.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// Acknowledge.
    pub const ACK: u8 = 16;
    /// Finish.
    pub const FIN: u8 = 1;
}

/// Builds an Ethernet frame with IPv4 and TCP, with right checksums, padded to 60 bytes.
pub fn tcp(from: End, to: End, ip_id: u16, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(60.max(54 + payload.len()));
    frame.extend_from_slice(&to.mac);
    frame.extend_from_slice(&from.mac);
    frame.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
    frame.extend_from_slice(&total.to_be_bytes());
    frame.extend_from_slice(&ip_id.to_be_bytes());
    frame.extend_from_slice(&[0x40, 0, 64, 6, 0, 0]);
    frame.extend_from_slice(&from.ip.octets());
    frame.extend_from_slice(&to.ip.octets());
    let header = checksum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    frame.extend_from_slice(&from.port.to_be_bytes());
    frame.extend_from_slice(&to.port.to_be_bytes());
    frame.extend_from_slice(&seq.to_be_bytes());
    frame.extend_from_slice(&ack.to_be_bytes());
    frame.extend_from_slice(&[0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    let pseudo = pair_sum(&frame[26..34]) + 6 + u32::from(total) - 20;
    let sum = checksum(&frame[34..], pseudo);
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    if frame.len() < 60 {
        frame.resize(60, 0);
    }
    frame
}

fn pair_sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum()
}

fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start + pair_sum(bytes);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}
