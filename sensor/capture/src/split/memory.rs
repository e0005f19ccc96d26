//! Packets from one process to another in shared memory: for each interface a ring of bytes with one writer and one reader.
//!
//! There are two memories. One holds the rings, with the numbers of their writer: it is sealed, so that nobody can map it
//! anew for writing, or make it shorter under the writer. The other holds how far each reader is: all that a reader can write.
//! The writer believes of it only what can be, and never reads anything else that a reader could have written.
//!
//! A ring begins with a [`Head`]. Behind it are records: 24 bytes (length of the data, kind, link type, time, length on the
//! wire) and the data, which may go over the end of the ring and on at its beginning.

#![allow(unsafe_code)]

use crate::live::Counts;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Bytes of records in a ring.
pub(super) const ROOM: usize = 4 << 20;
/// Bytes before them.
const PAGE: usize = 4096;
/// Bytes of a record before its data.
const RECORD: usize = 24;
/// Longest data of a record. A packet has no more than the longest snap length.
const MOST: usize = 1 << 20;

/// What the writer of a ring tells beside records.
#[repr(C)]
struct Head {
    /// Bytes of records so far.
    sent: AtomicU64,
    /// As in [`Counts`].
    dropped: AtomicU64,
    missed: AtomicU64,
    settled: AtomicI64,
    opened: AtomicU32,
    up: AtomicBool,
    /// No more records come.
    ended: AtomicBool,
}

/// How far the reader of a ring is: bytes of records so far. A cache line of its own.
#[repr(C, align(64))]
struct Tail(AtomicU64);

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Packet,
    Notice,
}

/// What stands before the data of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub kind: Kind,
    /// Number of the link type.
    pub link: u16,
    /// Nanoseconds.
    pub time: i64,
    pub wire_len: u32,
}

/// A reader says that it has read what was never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Impossible;

/// Both memories, for so many rings.
#[derive(Clone)]
pub(super) struct Memory {
    rings: Arc<MmapRaw>,
    tails: Arc<MmapRaw>,
    count: usize,
}

impl Memory {
    /// Makes them. The descriptors are those of the rings and of the tails: for the reader.
    pub fn create(count: usize) -> io::Result<(Self, [OwnedFd; 2])> {
        let make = |name: &str, length: usize, seals: SealFlags| -> io::Result<(MmapRaw, OwnedFd)> {
            let memory = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
            ftruncate(&memory, u64::try_from(length).unwrap_or(u64::MAX))?;
            let file = File::from(memory);
            let map = MmapRaw::map_raw(&file)?;
            fcntl_add_seals(&file, seals | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
            Ok((map, file.into()))
        };
        let (rings, rings_file) = make("ot-sensor-packets", rings_length(count), SealFlags::FUTURE_WRITE)?;
        let (tails, tails_file) = make("ot-sensor-read", tails_length(count), SealFlags::empty())?;
        Ok((Self { rings: Arc::new(rings), tails: Arc::new(tails), count }, [rings_file, tails_file]))
    }

    /// Takes them from another process, to read.
    pub fn open([rings, tails]: [OwnedFd; 2], count: usize) -> io::Result<Self> {
        let fits = |file: &OwnedFd, length: usize| -> io::Result<bool> {
            Ok(usize::try_from(fstat(file.as_fd())?.st_size).is_ok_and(|size| size == length))
        };
        if !fits(&rings, rings_length(count))? || !fits(&tails, tails_length(count))? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not the memory of that many interfaces"));
        }
        let rings = Arc::new(MmapOptions::new().map_raw_read_only(&File::from(rings))?);
        let tails = Arc::new(MmapRaw::map_raw(&File::from(tails))?);
        Ok(Self { rings, tails, count })
    }

    /// The writer of a ring. To be asked for once for each.
    pub fn writer(&self, index: usize) -> Writer {
        debug_assert!(index < self.count);
        Writer { memory: self.clone(), index, written: 0, sent: 0 }
    }

    /// The reader of a ring. To be asked for once for each.
    pub fn reader(&self, index: usize) -> Reader {
        debug_assert!(index < self.count);
        Reader { memory: self.clone(), index, read: 0, over: Vec::new() }
    }

    fn head(&self, index: usize) -> &Head {
        let at = index.min(self.count.saturating_sub(1)) * (PAGE + ROOM);
        // SAFETY: the map is `rings_length(count)` long and lives as long as `self`; `at` is the beginning of a page within
        // it, behind which there are more bytes than a `Head` has; all bytes zero are a valid `Head`, and atomics may be
        // changed by others meanwhile. The bools in it are only written by `Head`'s own stores.
        unsafe { &*self.rings.as_ptr().add(at).cast::<Head>() }
    }

    fn tail(&self, index: usize) -> &AtomicU64 {
        // SAFETY: as in `head`, with the map of tails, which is as long as `count` of them at least.
        unsafe { &(*self.tails.as_ptr().cast::<Tail>().add(index.min(self.count.saturating_sub(1)))).0 }
    }

    /// Where the byte of a ring is that stands at a place counted from the first record on, and how many bytes follow it
    /// before the ring ends.
    fn place(&self, index: usize, at: u64) -> (*mut u8, usize) {
        let within = usize::try_from(at % ROOM as u64).unwrap_or(0);
        let from = index.min(self.count.saturating_sub(1)) * (PAGE + ROOM) + PAGE + within;
        // SAFETY: `from` is less than `rings_length(count)`, the length of the map.
        (unsafe { self.rings.as_mut_ptr().add(from) }, ROOM - within)
    }
}

fn rings_length(count: usize) -> usize {
    count * (PAGE + ROOM)
}

fn tails_length(count: usize) -> usize {
    (count * size_of::<Tail>()).next_multiple_of(PAGE)
}

/// Puts records into a ring.
pub(super) struct Writer {
    memory: Memory,
    index: usize,
    /// Bytes of records put in, and of those the reader may see.
    written: u64,
    sent: u64,
}

impl Writer {
    /// Whether a record with so many bytes of data has room now.
    ///
    /// # Errors
    /// Where the reader says what cannot be.
    pub fn has_room(&self, data: usize) -> Result<bool, Impossible> {
        let read = self.memory.tail(self.index).load(Ordering::Acquire);
        let waiting = self.written.checked_sub(read).filter(|_| read <= self.sent).ok_or(Impossible)?;
        let waiting = usize::try_from(waiting).ok().filter(|waiting| *waiting <= ROOM).ok_or(Impossible)?;
        Ok(RECORD + data.min(MOST) <= ROOM - waiting)
    }

    /// Puts a record in, for which there is room.
    pub fn put(&mut self, label: Label, data: &[u8]) {
        let data = data.get(..MOST).unwrap_or(data);
        let kind = match label.kind {
            Kind::Packet => 1,
            Kind::Notice => 2,
        };
        let length = u64::from(u32::try_from(data.len()).unwrap_or(0));
        let first = length | kind << 32 | u64::from(label.link) << 48;
        let record = [first, label.time.cast_unsigned(), u64::from(label.wire_len)].map(u64::to_le_bytes);
        self.copy(record.as_flattened());
        self.copy(data);
    }

    fn copy(&mut self, bytes: &[u8]) {
        let (to, left) = self.memory.place(self.index, self.written);
        let (first, rest) = bytes.split_at(bytes.len().min(left));
        let (beginning, _) = self.memory.place(self.index, 0);
        // SAFETY: `first` fits before the end of the ring; `rest`, which is shorter than the ring, at its beginning. Nobody
        // else writes there, and `bytes` are no part of the map. Who reads there meanwhile does so against the rules and has
        // the harm.
        unsafe {
            first.as_ptr().copy_to_nonoverlapping(to, first.len());
            rest.as_ptr().copy_to_nonoverlapping(beginning, rest.len());
        }
        self.written += u64::try_from(bytes.len()).unwrap_or(0);
    }

    /// Bytes that the reader cannot see yet.
    pub fn unsent(&self) -> u64 {
        self.written - self.sent
    }

    /// Lets the reader see all that was put in.
    pub fn send(&mut self) {
        self.sent = self.written;
        self.memory.head(self.index).sent.store(self.sent, Ordering::Release);
    }

    /// Lets the reader see counts.
    pub fn counted(&self, counts: &Counts) {
        let head = self.memory.head(self.index);
        head.dropped.store(counts.dropped.load(Ordering::Relaxed), Ordering::Relaxed);
        head.missed.store(counts.missed.load(Ordering::Relaxed), Ordering::Relaxed);
        head.opened.store(counts.opened.load(Ordering::Relaxed), Ordering::Relaxed);
        head.up.store(counts.up.load(Ordering::Relaxed), Ordering::Relaxed);
        head.settled.store(counts.settled.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Tells that no more comes.
    pub fn end(&mut self) {
        self.send();
        self.memory.head(self.index).ended.store(true, Ordering::Release);
    }
}

/// Takes records out of a ring.
pub(super) struct Reader {
    memory: Memory,
    index: usize,
    /// Bytes of records taken out.
    read: u64,
    /// Data that goes over the end of the ring.
    over: Vec<u8>,
}

impl Reader {
    /// Bytes of records there are so far; and whether no more come.
    pub fn sent(&self) -> (u64, bool) {
        let head = self.memory.head(self.index);
        let ended = head.ended.load(Ordering::Acquire);
        (head.sent.load(Ordering::Acquire), ended)
    }

    /// Takes over the counts. Gives the time up to which all packets have been sent, which holds for what [`Reader::sent`]
    /// tells afterwards.
    pub fn counts(&self, counts: &Counts) -> i64 {
        let head = self.memory.head(self.index);
        let settled = head.settled.load(Ordering::Acquire);
        counts.dropped.store(head.dropped.load(Ordering::Relaxed), Ordering::Relaxed);
        counts.missed.store(head.missed.load(Ordering::Relaxed), Ordering::Relaxed);
        counts.opened.store(head.opened.load(Ordering::Relaxed), Ordering::Relaxed);
        counts.up.store(head.up.load(Ordering::Relaxed), Ordering::Relaxed);
        settled
    }

    /// The next record before this place, and shows it; the room is the writer's again after [`Reader::release`]. Whether
    /// there was one.
    pub fn next(&mut self, until: u64, show: impl FnOnce(Label, &[u8])) -> bool {
        let waiting = usize::try_from(until.wrapping_sub(self.read)).unwrap_or(0);
        if !(RECORD..=ROOM).contains(&waiting) {
            return false;
        }
        let record = self.bytes(self.read, RECORD);
        let Some((length, label)) = label_of(record) else { return false };
        let length = length.min(MOST).min(waiting - RECORD);
        let (data, after) = (self.read + RECORD as u64, self.read + (RECORD + length) as u64);
        show(label, self.bytes(data, length));
        self.read = after;
        true
    }

    /// Gives back the room of what was taken out.
    pub fn release(&self) {
        self.memory.tail(self.index).store(self.read, Ordering::Release);
    }

    fn bytes(&mut self, at: u64, length: usize) -> &[u8] {
        let (from, left) = self.memory.place(self.index, at);
        let (beginning, _) = self.memory.place(self.index, 0);
        let (first, rest) = (length.min(left), length.saturating_sub(left).min(ROOM));
        // SAFETY: `first` bytes from here on are within the ring, and so are `rest` bytes from its beginning on. The writer
        // changes none of them before this place was given back, which needs `&mut self` again.
        let [first, rest] =
            unsafe { [std::slice::from_raw_parts(from, first), std::slice::from_raw_parts(beginning, rest)] };
        if rest.is_empty() {
            return first;
        }
        self.over.clear();
        self.over.extend_from_slice(first);
        self.over.extend_from_slice(rest);
        &self.over
    }
}

/// Length of the data, and what stands before it.
fn label_of(record: &[u8]) -> Option<(usize, Label)> {
    let [first, time, wire_len] = record.as_chunks().0 else { return None };
    let [first, wire_len] = [first, wire_len].map(|bytes| u64::from_le_bytes(*bytes));
    let kind = match first >> 32 & 0xffff {
        1 => Kind::Packet,
        2 => Kind::Notice,
        _ => return None,
    };
    let label = Label {
        kind,
        link: u16::try_from(first >> 48).ok()?,
        time: i64::from_le_bytes(*time),
        wire_len: u32::try_from(wire_len).ok()?,
    };
    Some((usize::try_from(first & u64::from(u32::MAX)).ok()?, label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(count: usize) -> (Memory, Memory, [OwnedFd; 2]) {
        let (ours, files) = Memory::create(count).unwrap();
        let theirs = Memory::open([files[0].try_clone().unwrap(), files[1].try_clone().unwrap()], count).unwrap();
        (ours, theirs, files)
    }

    fn label(time: i64) -> Label {
        Label { kind: Kind::Packet, link: 1, time, wire_len: 7 }
    }

    /// Data that tells its place.
    fn data(number: usize, length: usize) -> Vec<u8> {
        number.to_le_bytes().into_iter().cycle().take(length).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// Whatever their lengths, all come, in order and whole, while the writer waits for room.
        #[test]
        fn records_come_as_they_were_put_in(lengths in proptest::collection::vec(prop_oneof![
            0_usize..200, 1_400_usize..1_600, 60_000_usize..262_144
        ], 1..200)) {
            let (ours, theirs, _files) = both(2);
            let mut writer = ours.writer(1);
            let wanted = lengths.clone();
            let thread = std::thread::spawn(move || {
                for (number, length) in lengths.into_iter().enumerate() {
                    while !writer.has_room(length).unwrap() {
                        writer.send();
                        std::thread::yield_now();
                    }
                    writer.put(label(i64::try_from(number).unwrap()), &data(number, length));
                    if number % 3 == 0 {
                        writer.send();
                    }
                }
                writer.end();
            });
            let mut reader = theirs.reader(1);
            let mut found = 0;
            loop {
                let (sent, ended) = reader.sent();
                while reader.next(sent, |label, bytes| {
                    assert_eq!(label.time, i64::try_from(found).unwrap());
                    assert_eq!((label.link, label.wire_len, label.kind), (1, 7, Kind::Packet));
                    assert!(bytes == data(found, wanted[found]), "record {found}");
                }) {
                    found += 1;
                }
                reader.release();
                if ended {
                    break;
                }
                std::thread::yield_now();
            }
            thread.join().unwrap();
            prop_assert_eq!(found, wanted.len());
        }
    }

    #[test]
    fn a_full_ring_has_no_room_until_the_reader_gives_some_back() {
        let (ours, theirs, _files) = both(1);
        let mut writer = ours.writer(0);
        let mut put = 0;
        while writer.has_room(1_000).unwrap() {
            writer.put(label(put), &[7; 1_000]);
            put += 1;
        }
        assert_eq!(usize::try_from(put).unwrap(), ROOM / (RECORD + 1_000));
        let mut reader = theirs.reader(0);
        assert!(!reader.next(reader.sent().0, |_, _| ()), "seen before it was sent");
        writer.send();
        assert!(reader.next(reader.sent().0, |_, _| ()));
        assert!(!writer.has_room(1_000).unwrap());
        reader.release();
        assert!(writer.has_room(1_000).unwrap());
    }

    #[test]
    fn a_reader_that_says_what_cannot_be_is_not_believed() {
        let (ours, theirs, _files) = both(1);
        let mut writer = ours.writer(0);
        writer.put(label(0), &[0; 100]);
        writer.send();
        for read in [125, u64::MAX, u64::MAX - (ROOM as u64), 1 << 40] {
            theirs.tail(0).store(read, Ordering::Release);
            assert_eq!(writer.has_room(1), Err(Impossible), "{read}");
        }
        theirs.tail(0).store(124, Ordering::Release);
        assert_eq!(writer.has_room(1), Ok(true));
    }

    /// The writer's memory cannot be taken from under it, nor written by others.
    #[test]
    fn the_reader_can_neither_write_to_the_rings_nor_shorten_them() {
        let (_ours, _theirs, files) = both(1);
        for file in files.iter().map(|file| File::from(file.try_clone().unwrap())) {
            assert!(file.set_len(0).is_err());
            assert!(file.set_len(1 << 30).is_err());
        }
        let rings = File::from(files[0].try_clone().unwrap());
        assert!(MmapRaw::map_raw(&rings).is_err());
        assert!(std::os::unix::fs::FileExt::write_all_at(&rings, b"x", 0).is_err());
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&rings));
        let again = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        assert!(MmapRaw::map_raw(&again).is_err());
    }

    #[test]
    fn memory_of_another_size_is_refused() {
        let (_, files) = Memory::create(1).unwrap();
        assert!(Memory::open(files, 2).is_err());
    }
}
