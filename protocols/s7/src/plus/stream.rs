//! Files and blocks that cross the connection, and the stream that carries the long ones: a request whose value is whole
//! in its first unit, then units of length and bytes, the last with a trailer.

use super::names;
use super::wire::vlq32;
use ot_protocol::{Artifact, Direction, Reader};
use sha2::{Digest, Sha256};

/// Bytes at the beginning of a file among which its name is looked for.
const NAME_WITHIN: usize = 64;

/// A stream under way.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Who sends it.
    pub direction: Direction,
    /// Sequence number of the request that began it.
    pub sequence: u16,
    hash: Sha256,
    bytes: Vec<u8>,
    length: u64,
}

impl Stream {
    /// Begins with the value of the request.
    pub fn begin(direction: Direction, sequence: u16, value: &[u8]) -> Self {
        let mut stream = Self { direction, sequence, hash: Sha256::new(), bytes: Vec::new(), length: 0 };
        stream.add(value);
        stream
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        let room = Artifact::MOST_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// A unit of the stream: gives the bytes it carries, and those that stay unknown.
    pub fn piece(&mut self, data: &[u8], last: bool) -> (usize, usize) {
        let mut reader = Reader::new(data);
        let Ok(length) = vlq32(&mut reader) else { return (0, data.len()) };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(reader.remaining());
        let Ok(bytes) = reader.take(length) else { return (0, data.len()) };
        self.add(bytes);
        // Behind the last bytes: integrity id and zeros.
        let rest = reader.rest();
        let tail = last && rest.len() <= 9 && rest.ends_with(&[0, 0, 0]);
        (length, if tail { 0 } else { rest.len() })
    }

    /// What crossed.
    pub fn artifact(self, complete: bool) -> Box<Artifact> {
        let name = file_name(&self.bytes).unwrap_or_else(|| "stream".to_owned());
        Box::new(Artifact {
            kind: "file",
            name,
            complete,
            length: self.length,
            sha256: self.hash.finalize().into(),
            bytes: self.bytes.into_boxed_slice(),
            attributes: Vec::new(),
        })
    }
}

/// A block that a message holds whole.
pub(crate) fn block(name: String, bytes: &[u8], attributes: Vec<(&'static str, String)>) -> Box<Artifact> {
    Box::new(Artifact {
        kind: "block",
        name,
        complete: true,
        length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: Sha256::digest(bytes).into(),
        bytes: bytes.get(..bytes.len().min(Artifact::MOST_BYTES)).unwrap_or_default().into(),
        attributes,
    })
}

/// The name of a file of an HMI project: text with a point behind a length of four bytes, or of two.
fn file_name(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(NAME_WITHIN))?;
    (0..head.len()).find_map(|at| {
        let [0, length @ 5..=40] = *head.get(at..at + 2)?.first_chunk()? else { return None };
        let name = bytes.get(at + 2..at + 2 + usize::from(length))?;
        let text = name.iter().all(|byte| byte.is_ascii_graphic()) && name.contains(&b'.');
        text.then(|| names::clean(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_hashed_whole() {
        let mut stream = Stream::begin(Direction::AtoB, 7, b"FSF\0\0\x09data1.bin");
        assert_eq!(stream.piece(&[3, b'a', b'b', b'c'], false), (3, 0));
        assert_eq!(stream.piece(&[2, b'd', b'e', 9, 0, 0, 0, 0], true), (2, 0));
        let artifact = stream.artifact(true);
        assert_eq!((artifact.name.as_str(), artifact.length, artifact.complete), ("data1.bin", 20, true));
        let all = b"FSF\0\0\x09data1.binabcde";
        assert_eq!(artifact.sha256, <[u8; 32]>::from(Sha256::digest(all)));
        assert_eq!(&artifact.bytes[..], all);
    }

    #[test]
    fn a_lying_length_takes_what_is_there() {
        let mut stream = Stream::begin(Direction::AtoB, 7, b"");
        assert_eq!(stream.piece(&[0x7F, 1, 2], false), (2, 0));
        assert_eq!(stream.piece(&[], false), (0, 0));
    }
}
