//! Makes the corpus of the fuzz targets out of the fixtures: captures as they are, their frames, their streams by protocol.
//!
//! usage: make_corpus FIXTURES CORPUS

use ot_capture::{CaptureSet, LinkType, Source};
use ot_fuzz::session::{choice, claimed_by, piece, start};
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
        for (target, inputs) in stream_inputs(&pieces) {
            for (number, input) in spread(inputs).into_iter().enumerate() {
                put(target, number, &input)?;
            }
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

/// Inputs of the targets of the protocols: a conversation, or a part of one, each.
fn stream_inputs(pieces: &[Piece]) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let mut conversations: BTreeMap<(End, End, bool), Vec<(bool, &[u8])>> = BTreeMap::new();
    for Piece { from, to, datagram, data } in pieces {
        // The client has the higher port.
        let from_client = from.1 > to.1;
        let (client, server) = if from_client { (*from, *to) } else { (*to, *from) };
        conversations.entry((client, server, *datagram)).or_default().push((from_client, data));
    }
    let mut targets: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
    for ((client, server, datagram), said) in conversations {
        let first = |wanted: bool| {
            let parts =
                said.iter().filter(|(from_client, _)| *from_client == wanted).take(if datagram { 1 } else { 16 });
            parts.flat_map(|(_, data)| data.iter().copied()).take(PIECE).collect::<Vec<u8>>()
        };
        let protocol = claimed_by([&first(true), &first(false)], [client.1, server.1], datagram);
        let companion = choice(protocol);
        let target = match protocol {
            _ if companion.is_some() => "fuzz_companions",
            "dnp3" => "fuzz_dnp3",
            "s7comm" | "s7comm-plus" => "fuzz_s7",
            _ => "fuzz_modbus",
        };
        let mut inputs: Vec<Vec<u8>> = Vec::new();
        for (from_client, data) in said {
            if inputs.last().is_none_or(|input| input.len() + data.len() > PIECE) {
                let bits = start::CLIENT_KNOWN | if datagram { start::DATAGRAM } else { 0 };
                inputs.push(companion.into_iter().chain([bits]).collect());
            }
            let Some(input) = inputs.last_mut() else { continue };
            for part in data.chunks(255) {
                input.push(0x10 | if from_client { 0 } else { piece::FROM_B });
                input.push(u8::try_from(part.len()).unwrap_or(0));
                input.extend_from_slice(part);
            }
        }
        targets.entry(target).or_default().extend(inputs);
    }
    targets
}

/// At most [`PIECES`] of them, evenly.
fn spread(inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let all = inputs.len();
    let chosen: Vec<usize> = (0..PIECES.min(all)).map(|number| number * all / PIECES.min(all)).collect();
    inputs.into_iter().enumerate().filter(|(index, _)| chosen.contains(index)).map(|(_, input)| input).collect()
}
