//! The process that holds the packet sockets, and looks into no packet.

use super::memory::{Impossible, Kind, Label, Memory, Writer};
use super::{SplitError, system};
use crate::live::{Counts, LINGER, Sink, Thread, hand_no_files_on, open_all, patience, start};
use crate::{InterfaceError, InterfaceSettings, LinkType, NoticeKind, Stop, TimeSource, interface_names};
use ot_protocol::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Records that are handed over together: so many bytes, unless packets wait for too long.
const TOGETHER: u64 = 128 << 10;
/// How long to sleep where a ring is full.
const FULL: Duration = Duration::from_millis(1);
/// Between two looks at signals and at the child, in nanoseconds.
const LOOK: i64 = 50_000_000;
/// How often, and how long at a time, to wait for a child that has nothing left to do.
const PATIENCE: u32 = 250;
const WAIT: Duration = Duration::from_millis(20);

/// Captures for a child that parses: this program, started again with the same arguments and one more, `option=LIST`, which
/// [`super::Hands::take`] understands. `stop` and `reload` are set by the handlers of signals, and are passed on as SIGTERM and
/// SIGHUP. Ends when the child has; gives how. To be called before any thread is started.
///
/// # Errors
/// An interface that cannot be used; what the system refuses; a child that misbehaves. The child has ended then.
pub fn parent(
    interfaces: &[InterfaceSettings],
    option: &str,
    stop: &Stop,
    reload: &AtomicBool,
) -> Result<ExitStatus, SplitError> {
    if interfaces.is_empty() {
        return Err(InterfaceError::None { known: interface_names() }.into());
    }
    let (memory, files) = Memory::create(interfaces.len()).map_err(system("shared memory"))?;
    let (words, words_in) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(system("a pipe"))?;
    let mut bells = Vec::new();
    let mut handed: Vec<OwnedFd> = files.into_iter().chain([words_in]).collect();
    for _ in interfaces {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(system("a pipe"))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(system("a pipe"))?;
        handed.push(theirs);
        bells.push(ours);
    }
    give_up_rights(CapabilitySet::all())?;
    let child = begin(option, &handed)?;
    drop(handed);
    let mut parent = Parent { child, words, talks: true, stop: stop.clone(), told: false };
    let kept = match interfaces.iter().any(|one| one.time_source == TimeSource::Adapter) {
        true => CapabilitySet::NET_RAW | CapabilitySet::NET_ADMIN,
        false => CapabilitySet::NET_RAW,
    };
    let done = give_up_rights(kept).and_then(|()| parent.capture(interfaces, &memory, bells, reload));
    if let Err(error) = &done {
        parent.end(matches!(error, SplitError::Impossible));
    }
    done
}

/// Keeps at most these capabilities, and hands none on: what is started from here on has none that it does not have anyway.
fn give_up_rights(kept: CapabilitySet) -> Result<(), SplitError> {
    set_no_new_privs(true).map_err(system("to renounce new privileges"))?;
    let now = capabilities(None).map_err(system("to see the capabilities"))?;
    let left = CapabilitySets {
        effective: now.effective & kept,
        permitted: now.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, left).map_err(system("to give up capabilities"))?;
    clear_ambient_capability_set().map_err(system("to give up ambient capabilities"))
}

/// Starts this program again. It gets the standard streams and these files, and no others.
fn begin(option: &str, handed: &[OwnedFd]) -> Result<Child, SplitError> {
    hand_no_files_on().map_err(system("to keep files to itself (Linux 5.11 or newer is needed)"))?;
    for file in handed {
        fcntl_setfd(file, FdFlags::empty()).map_err(system("to hand a file over"))?;
    }
    let list: Vec<String> = handed.iter().map(|file| file.as_raw_fd().to_string()).collect();
    let program = std::env::current_exe().ok().filter(|path| path.is_file());
    Command::new(program.unwrap_or_else(|| PathBuf::from("/proc/self/exe")))
        .args(std::env::args_os().skip(1))
        .arg(format!("{option}={}", list.join(",")))
        // The child is the one that tells systemd that all is well.
        .env_remove("WATCHDOG_PID")
        .spawn()
        .map_err(system("to start the process that parses"))
}

struct Parent {
    child: Child,
    /// What the child says: its end, or bytes without meaning.
    words: OwnedFd,
    talks: bool,
    stop: Stop,
    /// The child was told to stop.
    told: bool,
}

impl Parent {
    fn capture(
        &mut self,
        interfaces: &[InterfaceSettings],
        memory: &Memory,
        bells: Vec<OwnedFd>,
        reload: &AtomicBool,
    ) -> Result<ExitStatus, SplitError> {
        // The child opens the store first: what cannot be begun leaves no trace there, and no packet waits meanwhile.
        loop {
            let said = self.listen();
            if let Some(status) = self.look(reload)? {
                return Ok(status);
            }
            if said {
                break;
            }
        }
        let handles = open_all(interfaces)?;
        let gone = Gone::default();
        let mut threads = Vec::new();
        for (((index, settings), handle), bell) in (0..).zip(interfaces).zip(handles).zip(bells) {
            let hatch = Hatch { writer: memory.writer(index), bell, first: None, closed: false, gone: gone.clone() };
            hatch.ring();
            let thread = Thread::new(settings.clone(), hatch, Arc::default(), self.stop.clone(), patience(interfaces));
            threads.push(start(settings, move || thread.run(handle))?);
        }
        let status = loop {
            if self.listen() || !self.talks {
                self.stop.set();
                self.talks = false;
            }
            if gone.impossible.load(Ordering::Relaxed) {
                return Err(SplitError::Impossible);
            }
            if let Some(status) = self.look(reload)? {
                break status;
            }
        };
        gone.child.store(true, Ordering::Relaxed);
        self.stop.set();
        threads.into_iter().for_each(|thread: JoinHandle<()>| drop(thread.join()));
        Ok(status)
    }

    /// Waits for a moment for the child to say something. Whether it did.
    fn listen(&mut self) -> bool {
        let moment = Timespec { tv_sec: 0, tv_nsec: LOOK };
        let mut words = [PollFd::new(&self.words, PollFlags::IN)];
        // Without the child's end of the pipe this only sleeps.
        let asked = if self.talks { &mut words[..] } else { &mut [] };
        // A signal wakes it.
        if !matches!(poll(asked, Some(&moment)), Ok(1)) {
            return false;
        }
        let mut byte = [0];
        match read(&self.words, &mut byte) {
            Ok(0) => self.talks = false,
            Ok(_) => return true,
            Err(_) => {}
        }
        false
    }

    /// Passes signals on. How the child has ended, once it has.
    fn look(&mut self, reload: &AtomicBool) -> Result<Option<ExitStatus>, SplitError> {
        let status = self.child.try_wait().map_err(system("to wait for the process that parses"))?;
        if status.is_none() {
            let child = Pid::from_child(&self.child);
            if reload.swap(false, Ordering::Relaxed) {
                let _ = kill_process(child, Signal::HUP);
            }
            if self.stop.is_set() && !self.told {
                self.told = true;
                let _ = kill_process(child, Signal::TERM);
            }
        }
        Ok(status)
    }

    /// Waits until the child has ended, which has nothing left to do; where there is no time, or it does not, it is ended.
    fn end(&mut self, at_once: bool) {
        for _ in 0..if at_once { 0 } else { PATIENCE } {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(WAIT);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why nobody takes packets any more.
#[derive(Clone, Default)]
struct Gone {
    child: Arc<AtomicBool>,
    impossible: Arc<AtomicBool>,
}

/// Hands packets to the child.
struct Hatch {
    writer: Writer,
    bell: OwnedFd,
    /// Time of the first packet that was not handed over yet.
    first: Option<Timestamp>,
    closed: bool,
    gone: Gone,
}

impl Hatch {
    fn put(&mut self, label: Label, data: &[u8]) {
        while !self.closed {
            match self.writer.has_room(data.len()) {
                Ok(true) => return self.writer.put(label, data),
                Ok(false) => {
                    self.send();
                    std::thread::sleep(FULL);
                }
                Err(Impossible) => {
                    self.gone.impossible.store(true, Ordering::Relaxed);
                    self.closed = true;
                }
            }
            self.closed |= self.gone.child.load(Ordering::Relaxed);
        }
    }

    /// One ring that nobody has answered yet is enough.
    fn ring(&self) {
        let _ = write(&self.bell, &[1]);
    }
}

impl Sink for Hatch {
    fn packet(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]) {
        let waited = self.first.map_or(0, |first| time.since(first));
        if self.writer.unsent() >= TOGETHER || !(0..LINGER).contains(&waited) {
            self.send();
        }
        self.put(Label { kind: Kind::Packet, link: link.number(), time: time.0, wire_len }, data);
        self.first.get_or_insert(time);
    }

    fn send(&mut self) {
        if self.writer.unsent() > 0 {
            self.writer.send();
            self.first = None;
            self.ring();
        }
    }

    fn tell(&mut self, time: Timestamp, kind: NoticeKind) {
        self.put(Label { kind: Kind::Notice, link: 0, time: time.0, wire_len: 0 }, &kind.to_bytes());
        self.send();
    }

    fn counted(&mut self, counts: &Counts) {
        self.writer.counted(counts);
    }

    fn is_closed(&self) -> bool {
        self.closed || self.gone.child.load(Ordering::Relaxed)
    }
}

impl Drop for Hatch {
    fn drop(&mut self) {
        self.writer.end();
        self.ring();
    }
}
