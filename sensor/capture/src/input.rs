//! Bytes of an input: opened, counted, hashed, unpacked.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{Context, SHA256};

use crate::CaptureError;

/// Bytes read from the system at a time where the input is compressed.
const COMPRESSED_CHUNK: usize = 256 << 10;
/// Largest window a zstd frame may ask for (2^27 bytes, the default of the zstd command): bounds memory.
const ZSTD_WINDOW_LOG: u32 = 27;

/// What is known of the bytes as stored while others read them.
#[derive(Default)]
pub(crate) struct Tally {
    read: AtomicU64,
    failed: AtomicBool,
    hash: Mutex<Option<Context>>,
}

impl Tally {
    /// Counts, and hashes what passes.
    fn hashing() -> Self {
        Self { hash: Mutex::new(Some(Context::new(&SHA256))), ..Self::default() }
    }

    /// Bytes read so far, as stored.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether the system reported an error (and not the decompressor).
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// SHA-256 of what was read, if it was asked for; ends the hashing.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        let hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner).take();
        hash.map(finish)
    }
}

/// The digest. Of this crate, whose SHA-256 is fast also on processors that have no instructions for it: a capture of
/// gigabytes is hashed before anything of it is read.
fn finish(hash: Context) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(hash.finish().as_ref()) {
        *to = *from;
    }
    digest
}

/// Reads and keeps the tally.
struct Counted<R> {
    inner: R,
    tally: Arc<Tally>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.tally.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
                if let Some(hash) = self.tally.hash.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    hash.update(buffer.get(..count).unwrap_or_default());
                }
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.tally.failed.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }
}

/// An input that is open.
pub(crate) struct Input {
    /// The bytes, unpacked.
    pub(crate) bytes: Box<dyn Read + Send>,
    /// What is known of them as stored.
    pub(crate) tally: Arc<Tally>,
    /// Whether they are unpacked on the way.
    pub(crate) compressed: bool,
}

/// Whether the path is standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What the system's error means for a person.
fn refused(path: &Path, source: io::Error) -> CaptureError {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => CaptureError::Missing { path: path.into() },
        io::ErrorKind::PermissionDenied => CaptureError::Permission { path: path.into() },
        io::ErrorKind::IsADirectory => CaptureError::Directory { path: path.into() },
        _ => CaptureError::Read { path: path.into(), source },
    }
}

/// Whether what is at the path can be read again: is a regular file. Found without opening it, because whoever writes to
/// a pipe would take the closing for the end.
fn is_regular(path: &Path) -> Result<bool, CaptureError> {
    let kind = std::fs::metadata(path).map_err(|error| refused(path, error))?.file_type();
    if kind.is_dir() {
        return Err(CaptureError::Directory { path: path.into() });
    }
    Ok(kind.is_file())
}

/// Length and SHA-256 of a file as stored; `None` for standard input and whatever else can be read only once.
pub(crate) fn identify(path: &Path) -> Result<Option<(u64, [u8; 32])>, CaptureError> {
    if is_standard_input(path) || !is_regular(path)? {
        return Ok(None);
    }
    let mut file = File::open(path).map_err(|error| refused(path, error))?;
    let mut hash = Context::new(&SHA256);
    let mut length = 0_u64;
    let mut buffer = vec![0; COMPRESSED_CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                length += u64::try_from(count).unwrap_or(0);
                hash.update(buffer.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(CaptureError::Read { path: path.into(), source }),
        }
    }
    if length == 0 {
        return Err(CaptureError::Empty { path: path.into() });
    }
    Ok(Some((length, finish(hash))))
}

/// Opens an input and unpacks it if its first bytes ask for it.
pub(crate) fn open(path: &Path) -> Result<Input, CaptureError> {
    if is_standard_input(path) {
        return unpack(path, io::stdin(), Tally::hashing());
    }
    let tally = if is_regular(path)? { Tally::default() } else { Tally::hashing() };
    unpack(path, File::open(path).map_err(|error| refused(path, error))?, tally)
}

fn unpack(path: &Path, source: impl Read + Send + 'static, tally: Tally) -> Result<Input, CaptureError> {
    let tally = Arc::new(tally);
    let mut source = Counted { inner: source, tally: Arc::clone(&tally) };
    let failed = |source| CaptureError::Read { path: path.into(), source };
    let mut head = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut head).map_err(failed)?;
    let magic = head.first_chunk::<4>().copied().unwrap_or_default();
    if head.is_empty() {
        return Err(CaptureError::Empty { path: path.into() });
    }
    let source = Cursor::new(head).chain(source);
    let (bytes, compressed): (Box<dyn Read + Send>, bool) = match magic {
        [0x1f, 0x8b, ..] => {
            let source = BufReader::with_capacity(COMPRESSED_CHUNK, source);
            (Box::new(flate2::bufread::MultiGzDecoder::new(source)), true)
        }
        // A frame, or a skippable frame before it (RFC 8878, 3.1).
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let source = BufReader::with_capacity(COMPRESSED_CHUNK, source);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(failed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
            (Box::new(decoder), true)
        }
        _ => (Box::new(source), false),
    };
    Ok(Input { bytes, tally, compressed })
}

/// A window of fixed size that moves over the bytes of an input.
pub(crate) struct Window {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// First byte not consumed yet, and end of what was read.
    start: usize,
    end: usize,
    /// Offset of the buffer's first byte in the input.
    base: u64,
    /// Bytes asked for at a time.
    chunk: usize,
    /// No more bytes come, and why if not for the end.
    ended: bool,
    error: Option<io::Error>,
}

impl Window {
    /// Bytes that can be in view at a time.
    pub(crate) const SIZE: usize = 1 << 20;

    /// `chunk` bytes are read at a time, unless more are needed.
    pub(crate) fn new(source: Box<dyn Read + Send>, chunk: usize) -> Self {
        let buffer = vec![0; Self::SIZE];
        Self { source, buffer, start: 0, end: 0, base: 0, chunk, ended: false, error: None }
    }

    /// Offset in the input of the first byte not consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.base + u64::try_from(self.start).unwrap_or(0)
    }

    /// Position in the window of the first byte not consumed, for [`Window::slice`].
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.start
    }

    /// Bytes of the window. They stay until the next call of `view` or `skip`.
    #[inline]
    pub(crate) fn slice(&self, at: usize, len: usize) -> &[u8] {
        self.buffer.get(at..at + len).unwrap_or_default()
    }

    /// Why no more bytes come, if not for the end of the input.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// All bytes in view that are not consumed, at least `needed` unless the input ends before.
    #[inline]
    pub(crate) fn view(&mut self, needed: usize) -> &[u8] {
        if self.end - self.start < needed {
            self.fill(needed);
        }
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Consumes bytes that are in view.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Consumes bytes, in view or not; returns how many are missing because the input ends before.
    pub(crate) fn skip(&mut self, mut count: u64) -> u64 {
        while count > 0 {
            let part = usize::try_from(count).unwrap_or(usize::MAX).min(Self::SIZE);
            let found = self.view(1).len().min(part);
            if found == 0 {
                break;
            }
            self.consume(found);
            count -= u64::try_from(found).unwrap_or(0);
        }
        count
    }

    #[cold]
    fn fill(&mut self, needed: usize) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += u64::try_from(self.start).unwrap_or(0);
        self.end -= self.start;
        self.start = 0;
        while self.end < needed.min(self.buffer.len()) && !self.ended {
            let until = self.end.saturating_add(self.chunk).max(needed).min(self.buffer.len());
            match self.source.read(self.buffer.get_mut(self.end..until).unwrap_or_default()) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end = (self.end + count).min(self.buffer.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                }
            }
        }
    }
}
