//! Which protocol a conversation speaks: by its bytes, with the port as a hint.

use ot_protocol::{Direction, Domain, PacketInfo, Probe, Protocol};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Protocols that a sensor knows. At most 64.
pub type Registry = &'static [&'static dyn Protocol];

/// Most bytes shown to a probe, a direction.
pub(crate) const PROBE_BYTES: usize = 4096;
/// Most segments kept until a probe has decided.
const PROBE_CHUNKS: usize = 64;

/// First bytes of a conversation, kept until its protocol is known.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    bytes: [Vec<u8>; 2],
    chunks: Vec<(Direction, PacketInfo, usize)>,
    /// Protocols that said no.
    excluded: u64,
    /// Whether one of them knows what it is.
    neighbour: bool,
    /// Bytes are missing before these: they may begin inside a message.
    pub mid: bool,
    /// How often bytes that may have begun inside a message were given up.
    retries: u8,
}

/// How often the next segment gets a chance where bytes may have begun inside a message.
const RETRIES: u8 = 8;

/// What the probes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More bytes are needed.
    Wait,
    /// It is this protocol; direction of the client where the bytes tell it.
    Is(u8, Option<Direction>),
    /// None of the registry, but one that rightly has the standard port of one.
    Neighbour,
    /// None of the registry.
    None,
}

impl Probing {
    /// Keeps bytes. Whether they fit: what is too long for the probes is no protocol of ours.
    pub fn push(&mut self, direction: Direction, info: PacketInfo, bytes: &[u8]) -> bool {
        let Some(all) = self.bytes.get_mut(direction.index()) else { return false };
        if all.len() + bytes.len() > PROBE_BYTES || self.chunks.len() >= PROBE_CHUNKS {
            return false;
        }
        all.extend_from_slice(bytes);
        self.chunks.push((direction, info, bytes.len()));
        true
    }

    /// How many bytes are kept.
    pub fn len(&self) -> usize {
        let [a, b] = &self.bytes;
        a.len() + b.len()
    }

    /// Asks the probes about a stream. `extra`: bytes of a direction that were too many to keep.
    pub fn stream(&mut self, registry: Registry, ports: [u16; 2], extra: Option<(Direction, &[u8])>) -> Verdict {
        let [a, b] = &self.bytes;
        let mut shown = [a.as_slice(), b.as_slice()];
        let longer: Vec<u8>;
        if let Some((direction, bytes)) = extra {
            let room = PROBE_BYTES.saturating_sub(shown.get(direction.index()).map_or(0, |shown| shown.len()));
            longer = shown
                .get(direction.index())
                .copied()
                .unwrap_or_default()
                .iter()
                .chain(bytes.iter().take(room))
                .copied()
                .collect();
            if let Some(place) = shown.get_mut(direction.index()) {
                *place = &longer;
            }
        }
        ask(registry, ports, None, shown, false, &mut self.excluded, &mut self.neighbour)
    }

    /// Asks the probes about one datagram, or one frame without IP (its ethertype is given).
    pub fn datagram(
        &mut self,
        registry: Registry,
        ports: [u16; 2],
        ethertype: Option<u16>,
        direction: Direction,
        bytes: &[u8],
    ) -> Verdict {
        let bytes = bytes.get(..bytes.len().min(PROBE_BYTES)).unwrap_or_default();
        let shown = match direction {
            Direction::AtoB => [bytes, &[]],
            Direction::BtoA => [&[], bytes],
        };
        ask(registry, ports, ethertype, shown, true, &mut self.excluded, &mut self.neighbour)
    }

    /// Hands over what was kept, in the order in which it came.
    pub fn replay(self, mut show: impl FnMut(Direction, PacketInfo, &[u8])) {
        let mut at = [0usize; 2];
        for (direction, info, length) in self.chunks {
            let (Some(at), Some(bytes)) = (at.get_mut(direction.index()), self.bytes.get(direction.index())) else {
                continue;
            };
            show(direction, info, bytes.get(*at..*at + length).unwrap_or_default());
            *at += length;
        }
    }

    /// Forgets all, because it may have begun inside a message; `false` where that was done too often.
    pub fn again(&mut self) -> bool {
        if self.retries >= RETRIES {
            return false;
        }
        *self = Self { mid: self.mid, retries: self.retries + 1, ..Self::default() };
        true
    }

    /// Forgets a direction after a hole. How many bytes that were.
    pub fn forget(&mut self, direction: Direction) -> usize {
        self.mid = true;
        self.excluded = 0;
        self.neighbour = false;
        self.chunks.retain(|(of, _, _)| *of != direction);
        self.bytes.get_mut(direction.index()).map_or(0, |bytes| std::mem::take(bytes).len())
    }
}

/// Asks all probes that have not said no: those of OT protocols first, and of each kind those of the port first.
fn ask(
    registry: Registry,
    ports: [u16; 2],
    ethertype: Option<u16>,
    shown: [&[u8]; 2],
    datagram: bool,
    excluded: &mut u64,
    neighbour: &mut bool,
) -> Verdict {
    let mut waiting = false;
    let passes = [(Domain::Ot, true), (Domain::Ot, false), (Domain::It, true), (Domain::It, false)];
    for (domain, hinted) in passes {
        for (index, protocol) in registry.iter().take(64).enumerate() {
            if *excluded >> index & 1 == 1 || protocol.domain() != domain {
                continue;
            }
            let hint = protocol.ports().iter().any(|port| ports.contains(port));
            if hint != hinted {
                continue;
            }
            let layer = match ethertype {
                None => protocol.ethertypes().is_empty(),
                Some(ethertype) => protocol.ethertypes().contains(&ethertype),
            };
            if !layer {
                *excluded |= 1 << index;
                continue;
            }
            // A probe that fails says no.
            match catch_unwind(AssertUnwindSafe(|| protocol.probe(shown, hint, datagram))).unwrap_or(Probe::No) {
                Probe::No => *excluded |= 1 << index,
                Probe::Neighbour => {
                    *excluded |= 1 << index;
                    *neighbour = true;
                }
                Probe::More => waiting = true,
                Probe::Yes { client } => return Verdict::Is(u8::try_from(index).unwrap_or(0), client),
            }
        }
    }
    match (waiting, *neighbour) {
        (true, _) => Verdict::Wait,
        (false, true) => Verdict::Neighbour,
        (false, false) => Verdict::None,
    }
}
