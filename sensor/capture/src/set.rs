//! Several inputs as one source.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::ControlFlow;
use std::path::PathBuf;

use ot_protocol::{FrameRef, PacketInfo, Timestamp};

use crate::input::{self, Window};
use crate::reader::{Head, Reader};
use crate::{CaptureError, InputFile, Packet, Packets, Progress, Source, Warning};

/// Bytes read at a time: small enough to stay in the cache of a core until the packets are looked at.
const READ_CHUNK: usize = 128 << 10;
/// Bytes read at a time to find the first packet of a file.
const PROBE_CHUNK: usize = 16 << 10;
/// Warnings kept until they are fetched.
const MAX_WARNINGS: usize = 4096;

/// One or more captures, merged by packet time.
///
/// Files are ordered by the time of their first packet, then by path; that order gives the file number in `FrameRef`.
/// Each file keeps its own order of frames; of several files the one whose next frame is earliest goes on, ties by file
/// number. A file is open only while its turn lasts, so that a long series of captures one after the other needs no more
/// memory than one.
pub struct CaptureSet {
    files: Vec<InputFile>,
    /// Time of the first packet of each file.
    first: Vec<Option<Timestamp>>,
    readers: Vec<Option<Reader>>,
    /// Packets of files that are done.
    packets: Vec<u64>,
    /// Next frames of all files but the current one; for a file that is not open, the time of its first frame.
    waiting: BinaryHeap<Reverse<Turn>>,
    current: Option<u16>,
    /// The first frame of the current file, where it was found when the file was opened.
    ready: Option<Head>,
    number: u64,
    /// Number of the first file.
    first_file: u32,
    /// Bytes of files that are done; and in all, if known.
    done: u64,
    total: Option<u64>,
    dropped: u64,
    /// Losses by interface of files that are done, which nobody took yet.
    losses: Vec<(u16, u64)>,
    warnings: Vec<Warning>,
}

/// A file waiting for its turn, ordered by time and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    time: Timestamp,
    file: u16,
}

/// An input that was opened to see what it is.
struct Probed {
    input: InputFile,
    /// First packet's time; `None` for a capture without packets.
    first: Option<Timestamp>,
    /// Kept where the input can be read only once, with its first packet.
    stream: Option<(Reader, Option<Head>)>,
}

impl CaptureSet {
    /// Opens and hashes all inputs. `-` is standard input, which is hashed while it is read and must stand alone, as must
    /// a named pipe.
    ///
    /// # Errors
    /// The first input that cannot be used.
    pub fn open(paths: &[PathBuf]) -> Result<Self, CaptureError> {
        if paths.is_empty() {
            return Err(CaptureError::Nothing);
        }
        if paths.len() > usize::from(u16::MAX) {
            return Err(CaptureError::TooMany { count: paths.len() });
        }
        let mut seen = BTreeSet::new();
        let mut probed = Vec::with_capacity(paths.len());
        for path in paths {
            if !seen.insert(path) {
                return Err(CaptureError::Twice { path: path.clone() });
            }
            if paths.len() > 1 && input::is_standard_input(path) {
                return Err(CaptureError::NotAlone { path: path.clone() });
            }
            let probe = probe(path.clone())?;
            if paths.len() > 1 && probe.stream.is_some() {
                return Err(CaptureError::NotAlone { path: path.clone() });
            }
            probed.push(probe);
        }
        probed.sort_by(|a, b| {
            // Captures without packets come last.
            let key = |probe: &Probed| (probe.first.is_none(), probe.first);
            key(a).cmp(&key(b)).then_with(|| a.input.path.cmp(&b.input.path))
        });
        let mut set = Self {
            files: Vec::with_capacity(probed.len()),
            first: Vec::with_capacity(probed.len()),
            readers: Vec::with_capacity(probed.len()),
            packets: vec![0; probed.len()],
            waiting: BinaryHeap::with_capacity(probed.len()),
            current: None,
            ready: None,
            number: 0,
            first_file: 0,
            done: 0,
            total: Some(0),
            dropped: 0,
            losses: Vec::new(),
            warnings: Vec::new(),
        };
        for (file, probe) in (0_u16..).zip(probed) {
            if let Some((reader, head)) = probe.stream {
                set.total = None;
                set.current = Some(file);
                set.ready = head;
                set.readers.push(Some(reader));
            } else {
                set.total = set.total.map(|total| total + probe.input.bytes);
                let time = probe.first.unwrap_or(Timestamp(i64::MAX));
                set.waiting.push(Reverse(Turn { time, file }));
                set.readers.push(None);
            }
            set.files.push(probe.input);
            set.first.push(probe.first);
        }
        Ok(set)
    }

    /// The inputs in the order of their numbers, from 0 or as [`CaptureSet::number_files_from`] says.
    pub fn files(&self) -> &[InputFile] {
        &self.files
    }

    /// Numbers the files from `first` instead of 0, where a store holds inputs of earlier runs. To be called before the
    /// first packet is read.
    #[must_use]
    pub fn number_files_from(mut self, first: u32) -> Self {
        self.first_file = first;
        self
    }

    /// The same captures, to be gone through again with the same numbers; `None` where one can be read only once.
    pub fn again(&self) -> Option<Again> {
        let plain = self.files.iter().all(|file| file.sha256 != [0; 32]) && self.total.is_some();
        plain.then(|| Again { files: self.files.clone(), first: self.first.clone(), first_file: self.first_file })
    }

    /// Packets read so far of each input, in the order of [`CaptureSet::files`].
    pub fn packets(&self) -> Vec<u64> {
        let open = self.readers.iter().map(|reader| reader.as_ref().map(Reader::frames));
        open.zip(&self.packets).map(|(open, done)| open.unwrap_or(*done)).collect()
    }

    /// Packets that the captures themselves say were lost while capturing (pcapng interface statistics), so far.
    pub fn dropped(&self) -> u64 {
        let open: u64 = self.readers.iter().flatten().map(Reader::dropped).sum();
        self.dropped + open
    }

    /// The file that goes on, and its next frame.
    #[inline]
    fn turn(&mut self) -> Result<Option<(u16, Head)>, CaptureError> {
        loop {
            let Some(file) = self.current else {
                let Some(Reverse(next)) = self.waiting.pop() else { return Ok(None) };
                self.begin(next)?;
                continue;
            };
            let head = match self.ready.take() {
                Some(head) => Some(head),
                None => match self.readers.get_mut(usize::from(file)).and_then(Option::as_mut) {
                    Some(reader) => reader.advance()?,
                    None => None,
                },
            };
            let Some(head) = head else {
                self.end(file);
                continue;
            };
            let turn = Turn { time: head.time, file };
            match self.waiting.peek() {
                Some(Reverse(other)) if *other < turn => self.wait(turn, head),
                _ => return Ok(Some((file, head))),
            }
        }
    }

    /// Makes a file the current one: opens it if need be.
    #[cold]
    fn begin(&mut self, turn: Turn) -> Result<(), CaptureError> {
        let index = usize::from(turn.file);
        self.current = Some(turn.file);
        if let (Some(slot), Some(input)) = (self.readers.get_mut(index), self.files.get(index)) {
            match slot {
                Some(reader) => self.ready = reader.take_parked(),
                None => *slot = Some(Reader::open(&input.path, READ_CHUNK)?),
            }
        }
        Ok(())
    }

    /// Another file is earlier: the current one waits, with its frame in view.
    #[cold]
    fn wait(&mut self, turn: Turn, head: Head) {
        if let Some(Some(reader)) = self.readers.get_mut(usize::from(turn.file)) {
            reader.park(head);
        }
        self.waiting.push(Reverse(turn));
        self.current = None;
    }

    /// The current file is at its end.
    #[cold]
    fn end(&mut self, file: u16) {
        self.current = None;
        let index = usize::from(file);
        self.fetch_warnings(file);
        let (Some(slot), Some(input)) = (self.readers.get_mut(index), self.files.get_mut(index)) else { return };
        if let Some(mut reader) = slot.take() {
            self.dropped += reader.dropped();
            self.losses.extend(reader.take_losses());
            if let Some(packets) = self.packets.get_mut(index) {
                *packets = reader.frames();
            }
            let tally = reader.tally();
            if let Some(sha256) = tally.sha256() {
                input.bytes = tally.read();
                input.sha256 = sha256;
            }
            self.done += input.bytes;
        }
    }

    fn fetch_warnings(&mut self, file: u16) {
        let index = usize::from(file);
        let (Some(Some(reader)), Some(input)) = (self.readers.get_mut(index), self.files.get(index)) else { return };
        for note in reader.take_notes() {
            if self.warnings.len() < MAX_WARNINGS {
                let path = input.path.clone();
                let file = self.first_file.saturating_add(u32::from(file));
                let (frame, offset, trouble) = (note.frame, note.offset, note.trouble);
                self.warnings.push(Warning { path, file, frame, offset, trouble });
            }
        }
    }
}

impl Source for CaptureSet {
    #[inline]
    fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let Some((file, head)) = self.turn()? else { return Ok(None) };
        self.number += 1;
        let Some(reader) = self.readers.get(usize::from(file)).and_then(Option::as_ref) else { return Ok(None) };
        let frame = FrameRef::new(self.first_file.saturating_add(u32::from(file)), reader.frames());
        Ok(Some(Packet {
            info: PacketInfo { number: self.number, frame, time: head.time },
            link: head.link,
            interface: head.interface,
            wire_len: head.wire_len,
            data: reader.data(&head),
        }))
    }

    fn progress(&self) -> Progress {
        let open: u64 = self.readers.iter().flatten().map(|reader| reader.tally().read()).sum();
        Progress { read: self.done + open, total: self.total }
    }

    fn warnings(&mut self) -> Vec<Warning> {
        for file in (0..).take(self.readers.len()) {
            self.fetch_warnings(file);
        }
        std::mem::take(&mut self.warnings)
    }

    fn losses(&mut self) -> Vec<(u16, u64)> {
        let mut losses = std::mem::take(&mut self.losses);
        for reader in self.readers.iter_mut().flatten() {
            losses.extend(reader.take_losses());
        }
        losses
    }

    fn interface_name(&self, interface: u16) -> Option<&str> {
        self.readers.iter().flatten().find_map(|reader| reader.interface_name(interface))
    }
}

/// Captures of a [`CaptureSet`], to be gone through any number of times.
#[derive(Clone, Debug)]
pub struct Again {
    files: Vec<InputFile>,
    first: Vec<Option<Timestamp>>,
    first_file: u32,
}

impl Again {
    /// At the first packet. The bytes are not hashed once more, but a file that has another length is refused.
    fn open(&self) -> Result<CaptureSet, CaptureError> {
        let count = self.files.len();
        for file in &self.files {
            if std::fs::metadata(&file.path).is_ok_and(|found| found.len() != file.bytes) {
                return Err(CaptureError::Changed { path: file.path.clone() });
            }
        }
        Ok(CaptureSet {
            files: self.files.clone(),
            first: self.first.clone(),
            readers: (0..count).map(|_| None).collect(),
            packets: vec![0; count],
            waiting: (0..)
                .zip(&self.first)
                .map(|(file, first)| Reverse(Turn { time: first.unwrap_or(Timestamp(i64::MAX)), file }))
                .collect(),
            current: None,
            ready: None,
            number: 0,
            first_file: self.first_file,
            done: 0,
            total: None,
            dropped: 0,
            losses: Vec::new(),
            warnings: Vec::new(),
        })
    }
}

impl Packets for Again {
    fn each(&mut self, visit: &mut dyn FnMut(&Packet<'_>) -> ControlFlow<()>) -> Result<(), CaptureError> {
        let mut set = self.open()?;
        while let Some(packet) = set.next()? {
            if visit(&packet).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Looks at an input: what it is, its identity, and when its first packet is.
fn probe(path: PathBuf) -> Result<Probed, CaptureError> {
    let identity = input::identify(&path)?;
    let chunk = if identity.is_some() { PROBE_CHUNK } else { Window::SIZE };
    let mut reader = Reader::open(&path, chunk)?;
    let head = reader.advance()?;
    if let Some(number) = head.and_then(|_| reader.only_unknown_links()) {
        return Err(CaptureError::LinkType { path, number });
    }
    let (bytes, sha256) = identity.unwrap_or_default();
    Ok(Probed {
        input: InputFile { path, sha256, bytes },
        first: head.map(|head| head.time),
        stream: identity.is_none().then_some((reader, head)),
    })
}
