//! Makes the corpus of the fuzz targets out of the fixtures: captures as they are, their frames, their Modbus streams.
//!
//! usage: make_corpus FIXTURES CORPUS

use ot_capture::{CaptureSet, LinkType, Source};
use ot_fuzz::{CHOICE, OTHER_WAY, SMALL, link_byte, push_frame};
use ot_link::{Decoded, Decoder, LinkConfig};
use ot_protocol::{Nanos, Timestamp};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest capture that is an input as it is, in bytes.
const WHOLE_FILE: u64 = 32 << 10;
/// Longest input of frames or of a stream, in bytes, but for a single longer frame.
const PIECE: usize = 4 << 10;
/// Most inputs of a kind from one capture; they are spread over it.
const PIECES: usize = 8;
/// An address and a port.
type End = (IpAddr, u16);

struct Frame {
    link: LinkType,
    step: Nanos,
    data: Vec<u8>,
}

/// A segment or datagram with data.
struct Piece {
    from: End,
    to: End,
    datagram: bool,
    data: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(fixtures), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err("usage: make_corpus FIXTURES CORPUS".into());
    };
    let mut captures = Vec::new();
    find(&fixtures, &mut captures)?;
    captures.sort();
    if captures.is_empty() {
        return Err(format!("{}: no captures", fixtures.display()).into());
    }
    let mut written = BTreeMap::new();
    for capture in &captures {
        let folder = capture.parent().unwrap_or(&fixtures);
        let name = folder.strip_prefix(&fixtures).unwrap_or(folder).display().to_string().replace('/', "-");
        let mut put = |target: &'static str, number: usize, input: &[u8]| {
            let folder = corpus.join(target);
            fs::create_dir_all(&folder)?;
            *written.entry(target).or_insert(0) += 1;
            fs::write(folder.join(format!("{name}-{number}")), input)
        };
        if fs::metadata(capture)?.len() <= WHOLE_FILE {
            put("fuzz_capture", 0, &fs::read(capture)?)?;
        }
        let (frames, pieces) = read(capture);
        for (number, input) in spread(frame_inputs(&frames)).into_iter().enumerate() {
            let Some((&first, rest)) = input.split_first() else { continue };
            let with = |bits: u8| [&[first | bits], rest].concat();
            put("fuzz_link", number, &input)?;
            put("fuzz_pipeline", number, &with([0, OTHER_WAY, SMALL, SMALL | OTHER_WAY][number % 4]))?;
            put("fuzz_engine", number, &with([OTHER_WAY, CHOICE, SMALL | OTHER_WAY, 0][number % 4]))?;
        }
        for (number, input) in spread(stream_inputs(&pieces)).into_iter().enumerate() {
            put("fuzz_modbus", number, &input)?;
        }
    }
    for (target, inputs) in written {
        println!("{target}: {inputs} inputs from {} captures", captures.len());
    }
    Ok(())
}

/// All captures under a folder.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".pcap")) {
            found.push(path);
        }
    }
    Ok(())
}

/// The frames of a capture, and what its TCP segments and UDP datagrams carry, up to where it cannot be read.
fn read(path: &Path) -> (Vec<Frame>, Vec<Piece>) {
    let (mut frames, mut pieces) = (Vec::new(), Vec::new());
    let mut decoder = Decoder::new(LinkConfig::default());
    let mut last: Option<Timestamp> = None;
    let Ok(mut set) = CaptureSet::open(&[path.to_owned()]) else { return (frames, pieces) };
    while let Ok(Some(packet)) = set.next() {
        let step = last.map_or(0, |last| packet.info.time.since(last));
        last = Some(packet.info.time);
        frames.push(Frame { link: packet.link, step, data: packet.data.to_owned() });
        let Decoded::Ip(datagram) = decoder.decode(&packet) else { continue };
        let head = match datagram.protocol {
            6 => datagram.payload.get(12).map(|byte| usize::from(byte >> 4) * 4),
            17 => Some(8),
            _ => None,
        };
        let Some(data) = head.and_then(|head| datagram.payload.get(head..)).filter(|data| !data.is_empty()) else {
            continue;
        };
        let port = |at: usize| u16::from_be_bytes([datagram.payload[at], datagram.payload[at + 1]]);
        pieces.push(Piece {
            from: (datagram.src, port(0)),
            to: (datagram.dst, port(2)),
            datagram: datagram.protocol == 17,
            data: data.to_owned(),
        });
    }
    (frames, pieces)
}

/// Inputs of `Frames`: runs of frames of one link type.
fn frame_inputs(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    let mut link = None;
    for frame in frames {
        let fits = inputs.last().is_some_and(|input| input.len() + frame.data.len() <= PIECE);
        if !fits || link != Some(frame.link) {
            inputs.push(vec![link_byte(frame.link)]);
            link = Some(frame.link);
        }
        if let Some(input) = inputs.last_mut() {
            push_frame(input, frame.step, &frame.data);
        }
    }
    inputs
}

/// Inputs of the Modbus target, one conversation each.
fn stream_inputs(pieces: &[Piece]) -> Vec<Vec<u8>> {
    let mut conversations: BTreeMap<(End, End, bool), Vec<Vec<u8>>> = BTreeMap::new();
    for piece in pieces {
        // The client has the higher port.
        let to_server = piece.from.1 > piece.to.1;
        let (client, server) = if to_server { (piece.from, piece.to) } else { (piece.to, piece.from) };
        let inputs = conversations.entry((client, server, piece.datagram)).or_default();
        if inputs.last().is_none_or(|input| input.len() + piece.data.len() > PIECE) {
            inputs.push(vec![4 | u8::from(piece.datagram) << 1]);
        }
        let Some(input) = inputs.last_mut() else { continue };
        for part in piece.data.chunks(255) {
            input.push(0x10 | u8::from(!to_server));
            input.push(u8::try_from(part.len()).unwrap_or(0));
            input.extend_from_slice(part);
        }
    }
    conversations.into_values().flatten().collect()
}

/// At most [`PIECES`] of them, evenly.
fn spread(inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let all = inputs.len();
    let chosen: Vec<usize> = (0..PIECES.min(all)).map(|number| number * all / PIECES.min(all)).collect();
    inputs.into_iter().enumerate().filter(|(index, _)| chosen.contains(index)).map(|(_, input)| input).collect()
}
