//! Nanoseconds a packet: `cargo run --release -p ot-capture --example capture_speed -- FILE…`, or without a file on 2 million frames
//! of 90 bytes written to the temporary folder.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use ot_capture::{CaptureSet, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let own = std::env::temp_dir().join(format!("ot-capture-speed-{}.pcap", std::process::id()));
    if paths.is_empty() {
        let mut file = std::io::BufWriter::new(std::fs::File::create(&own)?);
        file.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
        for number in 0..2_000_000_u32 {
            for word in [1_700_000_000 + number / 10_000, number % 10_000 * 100, 90, 90] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(&[0x55; 90])?;
        }
        file.flush()?;
        paths.push(own.clone());
    }
    for round in 1..=3 {
        let start = Instant::now();
        let mut set = CaptureSet::open(&paths)?;
        let opened = start.elapsed();
        let stored: u64 = set.files().iter().map(|file| file.bytes).sum();
        let start = Instant::now();
        let (mut packets, mut bytes) = (0_u32, 0_u64);
        while let Some(packet) = set.next()? {
            packets += 1;
            bytes += u64::from(packet.data.first().copied().unwrap_or(0)) + u64::from(packet.wire_len);
        }
        let read = start.elapsed();
        println!(
            "round {round}: open and SHA-256 {:.1} ms ({:.2} GB/s), {packets} packets in {:.1} ms: {:.1} ns a packet ({bytes})",
            opened.as_secs_f64() * 1e3,
            f64::from(u32::try_from(stored / 1000)?) / 1e6 / opened.as_secs_f64(),
            read.as_secs_f64() * 1e3,
            read.as_secs_f64() * 1e9 / f64::from(packets.max(1)),
        );
    }
    let _ = std::fs::remove_file(own);
    Ok(())
}
