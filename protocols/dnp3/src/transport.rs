//! Transport function: segments of application fragments (IEEE 1815-2012, clause 8).
//!
//! A segment is one octet (FIN 80, FIR 40, sequence 3F) and up to 249 octets of a fragment. A series begins with FIR, goes
//! on with sequence numbers that count up modulo 64, and ends with FIN.

use ot_protocol::Direction;

/// Longest fragment that is put together. Outstations take 2048 octets as a rule (clause 4.1.3.2.4 of the profile).
pub(crate) const LONGEST_FRAGMENT: usize = 16 << 10;
/// Series that may be open at once in a conversation.
const MOST_SERIES: usize = 8;

/// A transport octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control(pub u8);

impl Control {
    pub(crate) fn is_final(self) -> bool {
        self.0 & 0x80 != 0
    }

    pub(crate) fn is_first(self) -> bool {
        self.0 & 0x40 != 0
    }

    pub(crate) fn sequence(self) -> u8 {
        self.0 & 0x3F
    }
}

/// Who speaks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub direction: Direction,
    pub source: u16,
    pub destination: u16,
}

/// What a segment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It completes a fragment, which stands in the buffer.
    Complete,
    /// More will follow.
    More,
    /// The same segment again: passed over (clause 8.2.3.4).
    Repeated,
    /// A segment without a beginning.
    NoBeginning,
    /// Another number than the next one; what was there is thrown away.
    OutOfOrder {
        /// Number that was due.
        due: u8,
    },
    /// Longer than any fragment; thrown away.
    TooLong,
}

#[derive(Debug)]
struct Series {
    way: Way,
    last: u8,
    bytes: Vec<u8>,
    /// Numbers of the frames that brought its segments.
    frames: Vec<u64>,
}

/// Puts fragments together, for each way.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    series: Vec<Series>,
}

impl Assembler {
    /// Takes in a segment of several, which a frame brings. On [`Joined::Complete`] `fragment` holds the whole and `frames`
    /// where it came from. `evicted` is told when another way's series had to be given up.
    pub(crate) fn join(
        &mut self,
        way: Way,
        control: Control,
        frame: u64,
        data: &[u8],
        fragment: &mut Vec<u8>,
        frames: &mut Vec<u64>,
        evicted: &mut bool,
    ) -> Joined {
        let known = self.series.iter().position(|series| series.way == way);
        if control.is_first() {
            if let Some(at) = known {
                self.series.remove(at);
            }
            if control.is_final() {
                fragment.clear();
                fragment.extend_from_slice(data);
                frames.clear();
                frames.push(frame);
                return Joined::Complete;
            }
            if self.series.len() >= MOST_SERIES {
                self.series.remove(0);
                *evicted = true;
            }
            let mut bytes = Vec::with_capacity(2 * data.len());
            bytes.extend_from_slice(data);
            self.series.push(Series { way, last: control.sequence(), bytes, frames: vec![frame] });
            return Joined::More;
        }
        let Some(at) = known else { return Joined::NoBeginning };
        let Some(series) = self.series.get_mut(at) else { return Joined::NoBeginning };
        let due = series.last.wrapping_add(1) & 0x3F;
        if control.sequence() != due {
            if control.sequence() == series.last && series.bytes.ends_with(data) && !control.is_final() {
                return Joined::Repeated;
            }
            self.series.remove(at);
            return Joined::OutOfOrder { due };
        }
        if series.bytes.len() + data.len() > LONGEST_FRAGMENT {
            self.series.remove(at);
            return Joined::TooLong;
        }
        series.bytes.extend_from_slice(data);
        series.last = control.sequence();
        series.frames.push(frame);
        if !control.is_final() {
            return Joined::More;
        }
        let series = self.series.remove(at);
        *fragment = series.bytes;
        *frames = series.frames;
        Joined::Complete
    }

    /// Whether a series of this way is open.
    pub(crate) fn is_open(&self, way: Way) -> bool {
        self.series.iter().any(|series| series.way == way)
    }

    /// Throws a series away, as an unnumbered loss makes it worthless.
    pub(crate) fn forget(&mut self, direction: Direction) {
        self.series.retain(|series| series.way.direction != direction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way { direction: Direction::AtoB, source: 1, destination: 10 };

    fn join(assembler: &mut Assembler, octet: u8, data: &[u8]) -> (Joined, Vec<u8>) {
        let mut fragment = Vec::new();
        let joined = assembler.join(WAY, Control(octet), 7, data, &mut fragment, &mut Vec::new(), &mut false);
        (joined, fragment)
    }

    #[test]
    fn a_series_runs_from_first_to_final() {
        let mut assembler = Assembler::default();
        assert_eq!(join(&mut assembler, 0x40 | 63, b"ab").0, Joined::More);
        assert_eq!(join(&mut assembler, 0, b"cd").0, Joined::More);
        assert_eq!(join(&mut assembler, 0, b"cd").0, Joined::Repeated);
        assert_eq!(join(&mut assembler, 0x80 | 1, b"e"), (Joined::Complete, b"abcde".to_vec()));
        assert!(!assembler.is_open(WAY));
        assert_eq!(join(&mut assembler, 0xC0, b"x"), (Joined::Complete, b"x".to_vec()));
    }

    #[test]
    fn disorder_is_told_and_the_series_given_up() {
        let mut assembler = Assembler::default();
        assert_eq!(join(&mut assembler, 0x80, b"e").0, Joined::NoBeginning);
        assert_eq!(join(&mut assembler, 0x40 | 5, b"a").0, Joined::More);
        assert_eq!(join(&mut assembler, 0x80 | 9, b"b").0, Joined::OutOfOrder { due: 6 });
        assert_eq!(join(&mut assembler, 0x80 | 6, b"b").0, Joined::NoBeginning);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut assembler = Assembler::default();
        let (mut evicted, mut fragment) = (false, Vec::new());
        for source in 0..20 {
            let way = Way { source, ..WAY };
            let _ = assembler.join(way, Control(0x40), 7, b"a", &mut fragment, &mut Vec::new(), &mut evicted);
        }
        assert!(evicted);
        assert_eq!(assembler.series.len(), MOST_SERIES);
        let mut assembler = Assembler::default();
        assert_eq!(join(&mut assembler, 0x40, &[0; 249]).0, Joined::More);
        let mut number = 0_u8;
        loop {
            number = (number + 1) & 0x3F;
            match join(&mut assembler, number, &[0; 249]).0 {
                Joined::More => assert!(assembler.series[0].bytes.len() <= LONGEST_FRAGMENT),
                joined => break assert_eq!(joined, Joined::TooLong),
            }
        }
    }
}
