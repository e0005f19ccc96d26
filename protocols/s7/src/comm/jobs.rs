//! Jobs and requests that wait for their answer.

use super::header::{Unit, rosctr};
use ot_protocol::time::SECOND;
use ot_protocol::{Direction, Nanos, Outcome, PacketInfo, Violation};

/// A job without an answer for this long counts as unanswered.
pub(super) const TIMEOUT: Nanos = 5 * SECOND;
/// For this long after that, an answer is late and not out of place.
pub(super) const LATE: Nanos = 60 * SECOND;
/// Jobs open at once.
pub(super) const MOST_OPEN: usize = 64;
/// Bytes of a job that are kept.
const MOST_BYTES: usize = 2048;
/// Buffers kept for the next jobs.
const SPARE: usize = 4;

/// A job, or a request of user data.
#[derive(Debug)]
pub(super) struct Open {
    /// Who sent it.
    pub sender: Direction,
    /// Its reference.
    pub reference: u16,
    /// Message type.
    pub rosctr: u8,
    /// Function of a job; group of user data.
    pub function: u8,
    /// Subfunction of user data.
    pub sub: u8,
    /// Id and index of the status list that it asks for, by itself or by the request that it goes on with.
    pub list: Option<(u16, u16)>,
    /// The whole unit, as far as it is kept.
    pub bytes: Vec<u8>,
    /// The packet that completed it.
    pub packet: PacketInfo,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
    /// Told already as unanswered.
    pub told: bool,
    /// Bytes were lost after it: a missing answer says nothing.
    pub blind: bool,
}

impl Open {
    /// What became of it where no answer came. `visible`: the other side was ever seen.
    pub fn without_answer(&self, visible: bool) -> Outcome {
        if visible && !self.blind { Outcome::Unanswered } else { Outcome::Pending }
    }

    /// Its parts.
    pub fn unit(&self) -> Option<Unit<'_>> {
        Unit::read(&self.bytes)
    }
}

/// The open jobs of a connection, oldest first.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub open: Vec<Open>,
    spare: Vec<Vec<u8>>,
}

impl Jobs {
    /// A buffer with a copy of the bytes, as far as they are kept.
    pub fn keep(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(bytes.get(..MOST_BYTES.min(bytes.len())).unwrap_or_default());
        buffer
    }

    /// Takes a buffer back.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(buffer);
        }
    }

    /// Whether there is room for another.
    pub fn is_full(&self) -> bool {
        self.open.len() >= MOST_OPEN
    }

    /// Takes out the job that an answer of `sender` belongs to: the newest with its reference.
    pub fn answered(&mut self, sender: Direction, reference: u16, user_data: bool) -> Option<Open> {
        let fits = |open: &Open| {
            open.sender != sender && open.reference == reference && (open.rosctr == rosctr::USER_DATA) == user_data
        };
        let place = self.open.iter().rposition(fits)?;
        Some(self.open.remove(place))
    }

    /// Bytes were lost, or time has jumped.
    pub fn blind(&mut self) {
        for open in &mut self.open {
            open.blind = true;
        }
    }
}
