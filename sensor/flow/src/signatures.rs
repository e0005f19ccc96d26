//! Looks for payload signatures in what carries no OT protocol.
//!
//! Of each direction of a stream the first [`MOST_BYTES`] are searched, in the order in which they are delivered; the last bytes
//! of a segment are kept, so that what spans two of them is found. Nothing is allocated for a packet. A conversation tells
//! each signature once.

use crate::flow::Flow;
use crate::lane::Shared;
use aho_corasick::{AhoCorasick, MatchKind};
use ot_protocol::signature::{CONTEXT, Place, SIGNATURES, Signature, SignatureHit};
use ot_protocol::{Direction, Fact, PacketInfo, Transport};
use std::sync::OnceLock;

/// Bytes of each direction that are searched.
const MOST_BYTES: u32 = 1 << 20;
/// Streams searched at a time, a lane; of further ones what spans two segments is not found.
const MOST_STREAMS: usize = 1024;
/// Bytes of a hit that are told.
const SAMPLE: usize = 32;
/// Marks of a stream that was not searched yet, and of one of which enough was.
pub(crate) const UNSEARCHED: u16 = u16::MAX;
const DONE: u16 = u16::MAX - 1;

/// All needles in one automaton.
struct Scanner {
    automaton: AhoCorasick,
    /// Signatures by needle.
    of: Vec<Vec<usize>>,
}

/// Compiled once, for all lanes. `None` could only mean that the table of signatures is unusable, which a test would show.
fn scanner() -> Option<&'static Scanner> {
    static SCANNER: OnceLock<Option<Scanner>> = OnceLock::new();
    SCANNER.get_or_init(compile).as_ref()
}

fn compile() -> Option<Scanner> {
    let mut needles: Vec<&[u8]> = Vec::new();
    let mut of: Vec<Vec<usize>> = Vec::new();
    for (index, signature) in SIGNATURES.iter().enumerate() {
        let Place::Bytes(bytes) = signature.place else { continue };
        for &needle in bytes {
            match needles.iter().position(|known| *known == needle) {
                Some(at) => of.get_mut(at)?.push(index),
                None => {
                    needles.push(needle);
                    of.push(vec![index]);
                }
            }
        }
    }
    // One needle may begin as another does: each then stands for both, their checks tell them apart.
    for at in 0..needles.len() {
        for longer in 0..needles.len() {
            let (short, long) = (*needles.get(at)?, *needles.get(longer)?);
            if at != longer && long.len() > short.len() && long.starts_with(short) {
                let (of_short, of_long) = (of.get(at)?.clone(), of.get(longer)?.clone());
                of.get_mut(at)?.extend(of_long);
                of.get_mut(longer)?.extend(of_short);
            }
        }
    }
    let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&needles).ok()?;
    Some(Scanner { automaton, of })
}

/// What is remembered of a direction.
#[derive(Clone, Copy)]
struct Half {
    searched: u32,
    length: usize,
    tail: [u8; CONTEXT],
}

/// A stream that is searched.
struct Scan {
    halves: [Half; 2],
    /// Signatures told, a bit each.
    told: u32,
}

/// The streams of a lane that are searched.
#[derive(Default)]
pub(crate) struct Scans {
    rows: Vec<Scan>,
    free: Vec<u16>,
}

impl Scans {
    fn begin(&mut self) -> Option<u16> {
        let fresh = Scan { halves: [Half { searched: 0, length: 0, tail: [0; CONTEXT] }; 2], told: 0 };
        if let Some(slot) = self.free.pop() {
            *self.rows.get_mut(usize::from(slot))? = fresh;
            return Some(slot);
        }
        if self.rows.len() >= MOST_STREAMS {
            return None;
        }
        self.rows.push(fresh);
        u16::try_from(self.rows.len() - 1).ok()
    }

    /// Forgets a stream.
    pub fn end(&mut self, flow: &mut Flow) {
        if flow.scan < DONE {
            self.free.push(flow.scan);
        }
        flow.scan = UNSEARCHED;
    }
}

/// Whether these are the bytes that a signature means: those of the needle at the start, and what its check wants.
fn is(signature: &Signature, bytes: &[u8]) -> bool {
    let Place::Bytes(needles) = signature.place else { return false };
    needles.iter().any(|needle| bytes.starts_with(needle)) && (signature.check)(bytes)
}

/// The next bytes of a stream.
pub(crate) fn stream(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8]) {
    if flow.scan == DONE || shared.out.decode {
        return;
    }
    let Some(scanner) = scanner() else { return };
    if flow.scan == UNSEARCHED {
        match shared.scans.begin() {
            Some(slot) => flow.scan = slot,
            None => {
                shared.stats.signature_streams_refused += 1;
                return alone(flow, shared, direction, info, scanner, bytes);
            }
        }
    }
    let Some(scan) = shared.scans.rows.get_mut(usize::from(flow.scan)) else { return };
    let half = &mut scan.halves[direction.index()];
    let left = usize::try_from(MOST_BYTES - half.searched).unwrap_or(0);
    let bytes = bytes.get(..left.min(bytes.len())).unwrap_or_default();
    half.searched += u32::try_from(bytes.len()).unwrap_or(0);

    // Where the segments meet: the end of what came before and the start of this one.
    let mut seam = [0; 2 * CONTEXT];
    let (before, fresh) = (half.length, bytes.len().min(CONTEXT));
    if let (Some(to), Some(from)) = (seam.get_mut(..before), half.tail.get(..before)) {
        to.copy_from_slice(from);
    }
    if let (Some(to), Some(from)) = (seam.get_mut(before..before + fresh), bytes.get(..fresh)) {
        to.copy_from_slice(from);
    }
    let keep = (before + bytes.len()).min(CONTEXT);
    if bytes.len() >= CONTEXT {
        if let Some(from) = bytes.get(bytes.len() - CONTEXT..) {
            half.tail.copy_from_slice(from);
        }
    } else if let (Some(from), Some(to)) = (seam.get(before + fresh - keep..before + fresh), half.tail.get_mut(..keep))
    {
        to.copy_from_slice(from);
    }
    half.length = keep;

    let mut told = scan.told;
    let over = scan.halves.iter().all(|half| half.searched >= MOST_BYTES);
    let mut found = |bytes: &[u8], told: &mut u32| {
        for hit in scanner.automaton.find_iter(bytes) {
            let rest = bytes.get(hit.start()..).unwrap_or_default();
            for &index in scanner.of.get(hit.pattern().as_usize()).into_iter().flatten() {
                let Some(signature) = SIGNATURES.get(index) else { continue };
                if *told & 1 << index == 0 && is(signature, rest) {
                    *told |= 1 << index;
                    tell(flow, shared, direction, info, signature, rest);
                }
            }
        }
    };
    if before > 0 {
        found(seam.get(..before + fresh).unwrap_or_default(), &mut told);
    }
    found(bytes, &mut told);
    if let Some(scan) = shared.scans.rows.get_mut(usize::from(flow.scan)) {
        scan.told = told;
    }
    if over {
        shared.scans.end(flow);
        flow.scan = DONE;
    }
}

/// Bytes that are searched by themselves.
fn alone(
    flow: &mut Flow,
    shared: &mut Shared,
    direction: Direction,
    info: PacketInfo,
    scanner: &Scanner,
    bytes: &[u8],
) {
    let mut told = 0_u32;
    for hit in scanner.automaton.find_iter(bytes) {
        let rest = bytes.get(hit.start()..).unwrap_or_default();
        for &index in scanner.of.get(hit.pattern().as_usize()).into_iter().flatten() {
            let Some(signature) = SIGNATURES.get(index) else { continue };
            if told & 1 << index == 0 && is(signature, rest) {
                told |= 1 << index;
                tell(flow, shared, direction, info, signature, rest);
            }
        }
    }
}

/// A datagram, of the first 254 of a conversation.
pub(crate) fn datagram(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8]) {
    if flow.first_packets == u8::MAX || flow.transport() != Transport::Udp || shared.out.decode {
        return;
    }
    if let Some(scanner) = scanner() {
        alone(flow, shared, direction, info, scanner, bytes);
    }
    for signature in &SIGNATURES {
        if let Place::Datagram(port) = signature.place
            && flow.key.ports.contains(&port)
            && (signature.check)(bytes)
        {
            tell(flow, shared, direction, info, signature, bytes);
        }
    }
}

fn tell(
    flow: &Flow,
    shared: &mut Shared,
    direction: Direction,
    info: PacketInfo,
    signature: &'static Signature,
    bytes: &[u8],
) {
    let (client, _) = flow.client(|port| shared.is_standard(port));
    shared.stats.signatures += 1;
    let hit = SignatureHit {
        signature,
        session: flow.id,
        time: info.time,
        frame: info.frame,
        client: flow.end(client),
        server: flow.end(client.reversed()),
        sender: if direction == client { Direction::AtoB } else { Direction::BtoA },
        bytes: bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default().into(),
    };
    shared.out.fact(flow.id, Fact::Signature(Box::new(hit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signatures_compile_and_fit_their_bits() {
        let scanner = compile().unwrap();
        assert!(SIGNATURES.len() <= 32);
        let found = |bytes: &[u8]| {
            let hit = scanner.automaton.find(bytes).unwrap();
            scanner.of[hit.pattern().as_usize()].iter().map(|at| SIGNATURES[*at].id).collect::<Vec<_>>()
        };
        assert_eq!(found(b"..\xffSMB\x32\x02\x00\x00\xc0"), ["doublepulsar-ping", "doublepulsar-answer"]);
        assert_eq!(found(b"GET /s7otbxsx.dll"), ["stuxnet-library"]);
    }
}
