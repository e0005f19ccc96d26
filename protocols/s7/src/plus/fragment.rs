//! Messages of several units of user data.

use ot_protocol::{Direction, Fields, FrameRef, Timestamp, Violation};

/// Longest message that is put together; of longer ones the beginning.
const MOST_MESSAGE: usize = 256 << 10;

/// A message in the making.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// Protocol version of its first fragment.
    pub version: u8,
    /// Data so far, at most [`MOST_MESSAGE`].
    pub data: Vec<u8>,
    /// Fragments so far; 0: none.
    pub fragments: u32,
    /// Bytes beyond the longest message.
    pub beyond: usize,
    /// Frame of the first fragment.
    pub first: FrameRef,
    /// Packet time of the last fragment.
    pub last: Timestamp,
}

impl Assembly {
    /// Another fragment.
    pub fn add(&mut self, data: &[u8], time: Timestamp) {
        let room = MOST_MESSAGE.saturating_sub(self.data.len());
        let kept = data.get(..room.min(data.len())).unwrap_or_default();
        self.data.extend_from_slice(kept);
        self.beyond += data.len() - kept.len();
        self.fragments = self.fragments.saturating_add(1);
        self.last = time;
    }
}

/// Which fragment of a message a unit of user data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// The whole message.
    Whole,
    /// The first.
    First,
    /// Neither first nor last.
    Inner,
    /// The last.
    Last,
}

impl Fragment {
    /// As in the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::First => "first",
            Self::Inner => "inner",
            Self::Last => "last",
        }
    }
}

/// A unit of user data, its headers read.
pub(crate) struct Unit<'a> {
    /// Who sent it.
    pub direction: Direction,
    /// Protocol version.
    pub version: u8,
    /// Data, without the integrity part of version 3.
    pub data: &'a [u8],
    /// Whether the message ends with it.
    pub trailer: bool,
    /// Fields of its headers.
    pub fields: Fields,
    /// What is wrong with its headers.
    pub violations: Vec<Violation>,
}
