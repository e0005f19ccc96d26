//! Program blocks: names, headers, and blocks rebuilt from what crossed the network.

use super::value::{block_time, clean};
use ot_protocol::{Artifact, Reader};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Block types: two characters on the wire, name, number in a block's header.
pub(crate) static TYPES: &[(&str, &str, u8)] = &[
    ("08", "OB", 0x08),
    ("09", "CMod", 0x09),
    ("0A", "DB", 0x0A),
    ("0B", "SDB", 0x0B),
    ("0C", "FC", 0x0C),
    ("0D", "SFC", 0x0D),
    ("0E", "FB", 0x0E),
    ("0F", "SFB", 0x0F),
];

/// Languages of blocks.
pub(crate) static LANGUAGES: &[(u8, &str)] = &[
    (0, "not defined"),
    (1, "AWL (STL)"),
    (2, "KOP (LAD)"),
    (3, "FUP (FBD)"),
    (4, "SCL"),
    (5, "DB"),
    (6, "GRAPH"),
    (7, "SDB"),
    (8, "CPU-DB"),
    (17, "SDB (after overall reset)"),
    (18, "SDB (routing)"),
    (29, "encrypted"),
];

/// A block as a file name names it: `_0A00001P`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// Type, two characters.
    pub kind: &'a [u8],
    /// Number, five characters.
    pub number: &'a [u8],
    /// File system: P passive, A active, B both.
    pub filesystem: u8,
}

impl<'a> Name<'a> {
    /// Reads eight characters: type, number, file system.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&filesystem, rest) = bytes.split_last()?;
        let (kind, number) = rest.split_at_checked(2)?;
        (number.len() == 5 && bytes.iter().all(u8::is_ascii_alphanumeric)).then_some(Self { kind, number, filesystem })
    }

    /// Reads a file name: an identifier, then the block.
    pub fn of_file(name: &'a [u8]) -> Option<Self> {
        (name.len() == 9).then(|| Self::read(name.get(1..).unwrap_or_default())).flatten()
    }

    /// Name of the type: `DB`.
    pub fn type_name(self) -> Option<&'static str> {
        TYPES.iter().find(|(wire, ..)| wire.as_bytes() == self.kind).map(|(_, name, _)| *name)
    }

    /// `DB 1`.
    pub fn told(self) -> Option<String> {
        let number: u32 = std::str::from_utf8(self.number).ok()?.parse().ok()?;
        Some(format!("{} {number}", self.type_name()?))
    }

    /// Whether it holds configuration and no program: system data blocks.
    pub fn is_system_data(self) -> bool {
        self.kind == b"0B"
    }
}

/// What a file name names: a block, or the file itself.
pub(crate) fn told(name: &[u8]) -> String {
    Name::of_file(name).and_then(Name::told).unwrap_or_else(|| clean(name))
}

/// Bytes of a block's header and of its trailer.
const HEADER: usize = 36;

/// What a rebuilt block says of itself.
fn attributes(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut reader = Reader::new(bytes);
    let mut header = || -> Option<u32> {
        let magic = reader.array::<2>().ok()?;
        if magic != *b"pp" {
            return None;
        }
        let [_version, flags, language, kind] = reader.array().ok()?;
        let number = reader.u16().ok()?;
        let load = reader.u32().ok()?;
        let protection = reader.u32().ok()?;
        let code = reader.array::<6>().ok()?;
        let interface = reader.array::<6>().ok()?;
        let [_ssb, _add, local, mc7] = [reader.u16().ok()?, reader.u16().ok()?, reader.u16().ok()?, reader.u16().ok()?];
        let kind_name = TYPES.iter().find(|(.., number)| *number == kind).map_or("block", |(_, name, _)| *name);
        found.push(("block", format!("{kind_name} {number}")));
        let language = LANGUAGES.iter().find(|(number, _)| *number == language).map_or("unknown", |(_, name)| *name);
        found.push(("language", language.to_owned()));
        found.push(("linked", (if flags & 1 != 0 { "yes" } else { "no" }).to_owned()));
        let protection = match protection {
            0 => "none".to_owned(),
            3 => "know-how protection".to_owned(),
            other => format!("unknown ({other})"),
        };
        found.push(("protection", protection));
        for (name, time) in [("code-modified", code), ("interface-modified", interface)] {
            if let Some(time) = block_time(time) {
                found.push((name, time.to_string()));
            }
        }
        found.push(("load-memory", load.to_string()));
        found.push(("local-data", local.to_string()));
        found.push(("mc7-length", mc7.to_string()));
        Some(load)
    };
    let Some(load) = header() else { return found };
    // The trailer ends where the load memory ends.
    let end = usize::try_from(load).unwrap_or(usize::MAX);
    let Some(trailer) = end.checked_sub(HEADER).and_then(|start| bytes.get(start..end)) else { return found };
    let text = |from: usize| clean(trailer.get(from..from + 8).unwrap_or_default());
    for (name, value) in [("author", text(0)), ("family", text(8)), ("header-name", text(16))] {
        if !value.is_empty() {
            found.push((name, value));
        }
    }
    if let Some(&[version, _, high, low]) = trailer.get(24..28).and_then(|bytes| bytes.first_chunk::<4>()) {
        found.push(("version", format!("{}.{}", version >> 4, version & 0x0F)));
        found.push(("checksum", format!("0x{:04x}", u16::from_be_bytes([high, low]))));
    }
    found
}

/// What identifies a transfer within a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A download, by its file name.
    Download(Box<[u8]>),
    /// An upload, by the id that the controller gave it.
    Upload(u32),
}

/// A block on its way.
#[derive(Debug)]
pub(crate) struct Transfer {
    key: Key,
    name: Box<[u8]>,
    bytes: Vec<u8>,
    hash: Sha256,
    length: u64,
    announced: Option<u64>,
    /// Parts are missing.
    holes: bool,
}

impl Transfer {
    /// File name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether the client reads it.
    pub fn is_upload(&self) -> bool {
        matches!(self.key, Key::Upload(_))
    }

    /// Whether anything of it was seen.
    pub fn has_begun(&self) -> bool {
        self.length > 0
    }

    /// What was rebuilt. `ended`: the transfer came to its end.
    pub fn artifact(self, ended: bool) -> Box<Artifact> {
        let block = Name::of_file(&self.name).is_some();
        let attributes = attributes(&self.bytes);
        // The load memory that the block's header tells, where it is a block.
        let load = attributes.iter().find(|(name, _)| *name == "load-memory").and_then(|(_, value)| value.parse().ok());
        let wanted: Option<u64> = load.or(self.announced);
        // A length that fits tells that nothing is missing, also where bytes of the connection were lost.
        let complete = ended && wanted.map_or(!self.holes, |wanted| self.length >= wanted);
        Box::new(Artifact {
            kind: if block { "block" } else { "file" },
            name: told(&self.name),
            complete,
            length: wanted.unwrap_or(0).max(self.length),
            sha256: self.hash.finalize().into(),
            bytes: self.bytes.into(),
            attributes,
        })
    }
}

/// Most transfers open at once in a connection.
const MOST_OPEN: usize = 8;

/// Blocks on their way in one connection.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    open: VecDeque<Transfer>,
}

impl Transfers {
    /// A transfer begins. The oldest one, where it had to be given up.
    pub fn begin(&mut self, key: Key, name: &[u8], announced: Option<u64>) -> Option<Transfer> {
        self.open.retain(|transfer| transfer.key != key);
        let given_up = if self.open.len() >= MOST_OPEN { self.open.pop_front() } else { None };
        self.open.push_back(Transfer {
            key,
            name: name.into(),
            bytes: Vec::new(),
            hash: Sha256::new(),
            length: 0,
            announced,
            holes: false,
        });
        given_up
    }

    fn find(&mut self, key: &Key) -> Option<&mut Transfer> {
        self.open.iter_mut().find(|transfer| transfer.key == *key)
    }

    /// Whether it is open.
    pub fn knows(&self, key: &Key) -> bool {
        self.open.iter().any(|transfer| transfer.key == *key)
    }

    /// File name of an open transfer.
    pub fn name(&self, key: &Key) -> Option<&[u8]> {
        self.open.iter().find(|transfer| transfer.key == *key).map(|transfer| &*transfer.name)
    }

    /// A part comes. One whose beginning was not seen is opened with a hole.
    pub fn part(&mut self, key: &Key, name: &[u8], bytes: &[u8]) -> Option<Transfer> {
        let mut given_up = None;
        if !self.knows(key) {
            given_up = self.begin(key.clone(), name, None);
            if let Some(transfer) = self.find(key) {
                transfer.holes = true;
            }
        }
        if let Some(transfer) = self.find(key) {
            let room = Artifact::MOST_BYTES.saturating_sub(transfer.bytes.len());
            transfer.bytes.extend(bytes.iter().take(room));
            transfer.hash.update(bytes);
            transfer.length += u64::try_from(bytes.len()).unwrap_or(0);
        }
        given_up
    }

    /// A transfer ends.
    pub fn end(&mut self, key: &Key) -> Option<Transfer> {
        let place = self.open.iter().position(|transfer| transfer.key == *key)?;
        self.open.remove(place)
    }

    /// Bytes were lost: what is open may miss parts.
    pub fn gap(&mut self) {
        for transfer in &mut self.open {
            transfer.holes = true;
        }
    }

    /// Takes the oldest one out.
    pub fn pop(&mut self) -> Option<Transfer> {
        self.open.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_name_blocks() {
        assert_eq!(told(b"_0A00001P"), "DB 1");
        assert_eq!(told(b"_0800001A"), "OB 1");
        assert_eq!(told(b"_N_MPF_DIR/A"), "_N_MPF_DIR/A");
        let name = Name::of_file(b"_0B00007P").expect("a block");
        assert!(name.is_system_data());
        assert_eq!((name.type_name(), name.filesystem), (Some("SDB"), b'P'));
        assert!(Name::of_file(b"_0A0000\xFFP").is_none());
    }

    /// A block of 80 bytes: header, eight bytes, trailer.
    fn block() -> Vec<u8> {
        let mut bytes = vec![0x70, 0x70, 1, 1, 1, 0x0C, 0, 7, 0, 0, 0, 80, 0, 0, 0, 3];
        bytes.extend([0, 0, 0, 1, 0x2D, 0x9D, 0, 0, 0, 1, 0x21, 0xD8, 0, 4, 0, 0, 0, 2, 0, 8]);
        bytes.extend([0; 8]);
        bytes.extend(b"AUTHOR\0\0FAMILY\0\0NAME\0\0\0\0\x12\0\xBE\xEF\0\0\0\0\0\0\0\0");
        bytes
    }

    #[test]
    fn a_block_is_rebuilt() {
        let bytes = block();
        assert_eq!(bytes.len(), 80);
        let key = Key::Download(b"_0C00007P"[..].into());
        let mut transfers = Transfers::default();
        assert!(transfers.begin(key.clone(), b"_0C00007P", Some(80)).is_none());
        assert!(transfers.part(&key, b"_0C00007P", &bytes[..50]).is_none());
        assert!(transfers.part(&key, b"_0C00007P", &bytes[50..]).is_none());
        let artifact = transfers.end(&key).expect("open").artifact(true);
        assert!(artifact.complete);
        assert_eq!((artifact.name.as_str(), artifact.length, artifact.kind), ("FC 7", 80, "block"));
        assert_eq!(artifact.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(*artifact.bytes, *bytes);
        let says =
            |name: &str| artifact.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str());
        assert_eq!(says("author"), Some("AUTHOR"));
        assert_eq!(says("family"), Some("FAMILY"));
        assert_eq!(says("header-name"), Some("NAME"));
        assert_eq!(says("version"), Some("1.2"));
        assert_eq!(says("checksum"), Some("0xbeef"));
        assert_eq!(says("protection"), Some("know-how protection"));
        assert_eq!(says("language"), Some("AWL (STL)"));
        assert_eq!(says("code-modified"), Some("2015-12-21T00:00:00.001000000Z"));
    }

    #[test]
    fn what_is_missing_is_not_complete() {
        let key = Key::Upload(7);
        let mut transfers = Transfers::default();
        transfers.part(&key, b"_0C00007P", &block()[20..]);
        assert!(!transfers.end(&key).expect("open").artifact(true).complete);
        transfers.begin(key.clone(), b"_0C00007P", None);
        transfers.part(&key, b"", &block()[..60]);
        assert!(!transfers.end(&key).expect("open").artifact(true).complete);
    }

    #[test]
    fn transfers_are_few_and_small() {
        let mut transfers = Transfers::default();
        for id in 0..20 {
            assert_eq!(transfers.begin(Key::Upload(id), b"x", None).is_some(), id >= 8);
        }
        let key = Key::Upload(19);
        for _ in 0..100 {
            transfers.part(&key, b"x", &[7; 1000]);
        }
        let artifact = transfers.end(&key).expect("open").artifact(true);
        assert_eq!((artifact.bytes.len(), artifact.length), (Artifact::MOST_BYTES, 100_000));
    }
}
