//! The decoder.

use ot_capture::Packet;

use crate::{Decoded, LinkConfig, LinkStats};

/// Decodes frames; keeps fragments, recent frames and counters.
pub struct Decoder {
    config: LinkConfig,
    stats: LinkStats,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new(config: LinkConfig) -> Self {
        Self { config, stats: LinkStats::default() }
    }

    /// Decodes one frame.
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let _ = (packet, &self.config);
        Decoded::Skipped("")
    }

    /// What became of the frames so far.
    pub fn stats(&self) -> &LinkStats {
        &self.stats
    }
}
