//! The process that parses: takes packets out of the shared memory.

#![allow(unsafe_code)]

use super::memory::{Kind, Memory, Reader};
use super::{SplitError, system};
use crate::live::{Outlet, Sink};
use crate::{LinkType, NoticeKind, Stop};
use ot_protocol::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd, read, write};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After so many bytes the parent gets their room back, also while there are more.
const RELEASE: u64 = 256 << 10;
/// How long the parent may take to end in order once it was told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the parent has handed over.
pub struct Hands {
    memory: Memory,
    words: Arc<OwnedFd>,
    bells: Vec<OwnedFd>,
}

impl Hands {
    /// Takes the files over whose numbers are in the list that the parent gave with its option. To be called once, before
    /// anything else opens files.
    ///
    /// # Errors
    /// Where this is no such list.
    pub fn take(list: &str) -> Result<Self, SplitError> {
        const WHAT: &str = "the files that the parent hands over";
        let wrong = |why: &str| system(WHAT)(io::Error::new(io::ErrorKind::InvalidInput, why));
        let numbers: Vec<RawFd> = list.split(',').map_while(|number| number.parse().ok()).collect();
        let distinct = numbers.iter().collect::<std::collections::BTreeSet<_>>().len();
        if numbers.len() != list.split(',').count() || distinct != numbers.len() || numbers.iter().any(|n| *n < 3) {
            return Err(wrong("this is no list of them; only the sensor itself gives the option"));
        }
        let mut files = Vec::with_capacity(numbers.len());
        for number in numbers {
            // SAFETY: at the start of the process nothing else is open but what the parent handed over; numbers are above
            // those of the standard streams, and each is taken once. That the file is open is seen before it is used.
            let file = unsafe {
                if libc::fcntl(number, libc::F_GETFD) < 0 {
                    return Err(system(WHAT)(io::Error::last_os_error()));
                }
                OwnedFd::from_raw_fd(number)
            };
            fcntl_setfd(&file, FdFlags::CLOEXEC).map_err(system(WHAT))?;
            files.push(file);
        }
        let mut files = files.into_iter();
        let (Some(rings), Some(tails), Some(words)) = (files.next(), files.next(), files.next()) else {
            return Err(wrong("some are missing"));
        };
        let bells: Vec<OwnedFd> = files.collect();
        let memory = Memory::open([rings, tails], bells.len()).map_err(system(WHAT))?;
        Ok(Self { memory, words: Arc::new(words), bells })
    }

    /// Tells the parent to open the interfaces, and waits until it has.
    pub(crate) fn begin(self, count: usize) -> Result<Vec<Inlet>, SplitError> {
        let Self { memory, words, bells } = self;
        if count != bells.len() {
            let why = "they are of another number of interfaces; was the configuration changed at this moment?";
            return Err(system("the interfaces that the parent captures")(io::Error::new(
                io::ErrorKind::InvalidInput,
                why,
            )));
        }
        say(&words);
        for bell in &bells {
            loop {
                match read(bell, &mut [0; 1]) {
                    Ok(0) => return Err(SplitError::NotOpened),
                    Ok(_) => break,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(system("to hear from the process that captures")(error)),
                }
            }
        }
        let inlet = |(index, bell)| Inlet { reader: memory.reader(index), bell, words: Arc::clone(&words) };
        Ok(bells.into_iter().enumerate().map(inlet).collect())
    }
}

/// A byte to the parent. Its meaning is its place: begin, then stop.
fn say(words: &OwnedFd) {
    // Where it does not listen any more, the end of its own pipes tells.
    let _ = write(words, &[1]);
}

/// What comes from the parent for one interface.
pub(crate) struct Inlet {
    reader: Reader,
    /// A byte when there is something; its end when the parent has gone.
    bell: OwnedFd,
    words: Arc<OwnedFd>,
}

/// Takes what comes for one interface, until it ends.
pub(crate) struct Intake {
    inlet: Inlet,
    outlet: Outlet,
    stop: Stop,
    /// Set where the parent goes without having ended in order.
    left: Arc<AtomicBool>,
    /// How long it waits at a time.
    wait: Duration,
    /// When the parent was told to stop.
    told: Option<Instant>,
}

impl Intake {
    pub fn new(inlet: Inlet, outlet: Outlet, stop: Stop, left: Arc<AtomicBool>, wait: Duration) -> Self {
        Self { inlet, outlet, stop, left, wait, told: None }
    }

    pub fn run(mut self) {
        loop {
            let there = self.listen();
            let ended = self.take();
            if ended || self.outlet.is_closed() {
                break;
            }
            if !there {
                // What it had handed over before it went is taken by now.
                self.left.store(true, Ordering::Relaxed);
                break;
            }
            if self.stop.is_set() {
                match self.told {
                    None => {
                        say(&self.inlet.words);
                        self.told = Some(Instant::now());
                    }
                    Some(when) if when.elapsed() > PATIENCE => break,
                    Some(_) => {}
                }
            }
        }
    }

    /// Waits for the bell. Whether the parent is still there.
    fn listen(&self) -> bool {
        let bell = &self.inlet.bell;
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(self.wait.subsec_nanos()) };
        if !matches!(poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&wait)), Ok(1)) {
            return true;
        }
        !matches!(read(bell, &mut [0; 64]), Ok(0))
    }

    /// Takes all that there is. Whether no more comes.
    fn take(&mut self) -> bool {
        let Self { inlet: Inlet { reader, .. }, outlet, .. } = self;
        let settled = reader.counts(&outlet.counts);
        let (sent, ended) = reader.sent();
        loop {
            let mut taken = 0;
            let more = loop {
                let there = reader.next(sent, |label, data| {
                    taken += u64::try_from(data.len()).unwrap_or(0);
                    let time = Timestamp(label.time);
                    match label.kind {
                        Kind::Packet => outlet.packet(LinkType::from_number(label.link), time, label.wire_len, data),
                        Kind::Notice => {
                            if let Some(kind) = NoticeKind::from_bytes(data) {
                                outlet.tell(time, kind);
                            }
                        }
                    }
                });
                if !there || taken > RELEASE {
                    break there;
                }
            };
            reader.release();
            if !more || outlet.is_closed() {
                break;
            }
        }
        outlet.send();
        outlet.counts.settled.store(settled, Ordering::Relaxed);
        ended
    }
}
