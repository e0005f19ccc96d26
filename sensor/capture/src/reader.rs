//! One input as a sequence of packets.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ot_protocol::Timestamp;

use crate::input::{self, Tally, Window};
use crate::pcap::Pcap;
use crate::pcapng::Pcapng;
use crate::{CaptureError, LinkType, Trouble};

/// Longest record: the largest snap length of libpcap. More is damage.
pub(crate) const MAX_RECORD: u32 = 262_144;
/// Warnings kept of one input; further ones say nothing new.
const MAX_WARNINGS: usize = 64;

/// A packet whose bytes are in the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) time: Timestamp,
    pub(crate) link: LinkType,
    pub(crate) interface: u16,
    pub(crate) wire_len: u32,
    /// Position and length in the window.
    pub(crate) at: usize,
    pub(crate) len: usize,
}

/// Why there is no further packet.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The input ends where a record may end.
    End,
    /// It ends within a record, this many bytes early.
    Cut(u64),
    /// The record makes no sense.
    Damaged(String),
}

impl Stop {
    /// `needed` bytes of a record of which `found` are there.
    pub(crate) fn short(needed: usize, found: usize) -> Self {
        if found == 0 { Self::End } else { Self::Cut(u64::try_from(needed - found).unwrap_or(0)) }
    }
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// What to tell of an input, still without its number.
pub(crate) struct Note {
    pub(crate) frame: u64,
    pub(crate) offset: u64,
    pub(crate) trouble: Trouble,
}

/// Collects what is to be told.
#[derive(Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    pub(crate) fn push(&mut self, frame: u64, offset: u64, trouble: Trouble) {
        if self.0.len() < MAX_WARNINGS {
            self.0.push(Note { frame, offset, trouble });
        }
    }
}

/// Reads one input.
pub(crate) struct Reader {
    path: PathBuf,
    window: Window,
    format: Format,
    tally: Arc<Tally>,
    /// A frame found while another file is earlier.
    parked: Option<Head>,
    frames: u64,
    ended: bool,
    notes: Notes,
}

impl Reader {
    /// Opens an input and recognises its format by its first bytes.
    pub(crate) fn open(path: &Path, chunk: usize) -> Result<Self, CaptureError> {
        let input = input::open(path)?;
        let mut window = Window::new(input.bytes, chunk);
        let head = window.view(4);
        let magic = head.first_chunk::<4>().copied();
        let format = match magic {
            Some(Pcapng::MAGIC) => Some(Format::Pcapng(Pcapng::default())),
            Some(magic) => Pcap::open(magic, &mut window).map(Format::Pcap),
            None => None,
        };
        let Some(format) = format else {
            if let Some(source) = window.take_error()
                && input.tally.failed()
            {
                return Err(CaptureError::Read { path: path.into(), source });
            }
            return Err(CaptureError::NotACapture {
                path: path.into(),
                found: describe(window.view(8), input.compressed),
            });
        };
        if let Format::Pcap(pcap) = &format
            && !pcap.link().is_known()
        {
            return Err(CaptureError::LinkType { path: path.into(), number: pcap.link_number() });
        }
        Ok(Self {
            path: path.into(),
            window,
            format,
            tally: input.tally,
            parked: None,
            frames: 0,
            ended: false,
            notes: Notes::default(),
        })
    }

    /// Goes on to the next packet.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<Head>, CaptureError> {
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.advance(&mut self.window),
            Format::Pcapng(pcapng) => pcapng.advance(&mut self.window, &mut self.frames, &mut self.notes),
        };
        match found {
            Ok(head) => {
                self.frames += 1;
                Ok(Some(head))
            }
            Err(stop) => self.stop(stop),
        }
    }

    #[cold]
    fn stop(&mut self, stop: Stop) -> Result<Option<Head>, CaptureError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        let trouble = match (self.window.take_error(), stop) {
            (Some(source), _) if self.tally.failed() => {
                return Err(CaptureError::Read { path: self.path.clone(), source });
            }
            (Some(error), _) if error.kind() == io::ErrorKind::UnexpectedEof => Trouble::CompressedCut,
            (Some(error), _) => Trouble::CompressedDamaged(error.to_string()),
            (None, Stop::End) => return Ok(None),
            (None, Stop::Cut(missing)) => Trouble::Cut { missing },
            (None, Stop::Damaged(what)) => Trouble::Damaged(what),
        };
        self.notes.push(self.frames + 1, self.window.offset(), trouble);
        Ok(None)
    }

    /// Frames read so far: the number of the last one.
    #[inline]
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// The bytes of the packet found last.
    #[inline]
    pub(crate) fn data(&self, head: &Head) -> &[u8] {
        self.window.slice(head.at, head.len)
    }

    /// Bytes as stored.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What is to be told since the last call.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes.0)
    }

    /// Packets that the capturing host says it lost (pcapng interface statistics).
    pub(crate) fn dropped(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(pcapng) => pcapng.dropped(),
        }
    }

    /// Losses by interface since the last call.
    pub(crate) fn take_losses(&mut self) -> Vec<(u16, u64)> {
        match &mut self.format {
            Format::Pcap(_) => Vec::new(),
            Format::Pcapng(pcapng) => pcapng.take_losses(),
        }
    }

    /// Name of an interface.
    pub(crate) fn interface_name(&self, interface: u16) -> Option<&str> {
        match &self.format {
            Format::Pcap(_) => None,
            Format::Pcapng(pcapng) => pcapng.name(interface).filter(|name| !name.is_empty()),
        }
    }

    /// The link type, if all interfaces described so far are of kinds that are not decoded.
    pub(crate) fn only_unknown_links(&self) -> Option<u32> {
        match &self.format {
            Format::Pcap(_) => None,
            Format::Pcapng(pcapng) => pcapng.only_unknown_links(),
        }
    }

    /// Keeps a frame until the file goes on.
    pub(crate) fn park(&mut self, head: Head) {
        self.parked = Some(head);
    }

    /// The frame that was kept.
    pub(crate) fn take_parked(&mut self) -> Option<Head> {
        self.parked.take()
    }
}

/// What a file that is no capture begins with, for a person.
fn describe(head: &[u8], compressed: bool) -> String {
    use std::fmt::Write;
    let known = match head {
        [] => "nothing in it can be unpacked",
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4: unpack it first",
        [0xfd, b'7', b'z', b'X', ..] => "xz: unpack it first",
        [b'B', b'Z', b'h', ..] => "bzip2: unpack it first",
        [b'P', b'K', 3 | 5, ..] => "a zip archive: unpack it first",
        [b's', b'n', b'o', b'o', b'p', ..] => "snoop: convert it with editcap",
        _ if compressed => "what is compressed in it is none",
        [a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "text"
        }
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut text = "begins with".to_owned();
    for byte in head.iter().take(4) {
        let _ = write!(text, " {byte:02x}");
    }
    text
}
