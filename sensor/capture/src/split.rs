//! The process that parses never holds the packet socket.
//!
//! A parser that takes untrusted bytes apart may have a fault. So that whoever finds it holds as little as possible, the
//! sensor runs as two processes:
//!
//! - The **parent** ([`parent`]) alone keeps the right to open packet sockets (`CAP_NET_RAW`; and, where the time of the card
//!   was asked for, `CAP_NET_ADMIN`, if it was started with it). It opens the interfaces and opens them again, with the same
//!   threads as a sensor in one process ([`crate::Live::open`]), copies each packet as it is into shared memory, and looks
//!   into none of them. It reads no file but those in which the kernel tells of interfaces, and it never writes one.
//! - The **child** is the same program started again, without any of the parent's files: it has the store, all parsers, the
//!   engine, and takes packets from the shared memory ([`Hands`], [`crate::Live::attach`]). Before it takes the first one it
//!   enters the sandbox ([`sandbox`]), which it cannot leave: no capability, no new privileges, a filter of system calls, and
//!   only those files that it needs.
//!
//! What goes between them:
//!
//! | From | To | What | How |
//! |---|---|---|---|
//! | parent | child | packets with link type, time and length; notices (opened, down, up, gone ...) | a ring of 4 MiB for each interface, in memory that is sealed against writing by anybody else |
//! | parent | child | counts of losses, state of the link, up to when all has been handed over | beside the ring |
//! | parent | child | that there is something; that it has gone | a pipe for each interface: a byte; its end |
//! | parent | child | SIGTERM, SIGHUP | the signal, passed on |
//! | child | parent | how far it has read | 8 bytes for each interface, in another memory |
//! | child | parent | begin (the first byte), stop (the second, or the end of the pipe) | a pipe |
//!
//! The parent takes nothing from the child on trust. The bytes of the pipe have no meaning beside their number; of how far
//! the child has read it believes only what can be, and what cannot be ends both (`SplitError::Impossible`); it never reads
//! what it wrote into the shared memory, and the memory is sealed so that it cannot be made shorter under it. A child that
//! does not read makes the ring fill, then the ring of the kernel, and the kernel counts what it drops: as in one process.
//!
//! The end: a signal to the parent, or the child when its time is over, stops the threads of the interfaces; the child reads
//! what is left, commits, ends, and the parent ends with its exit code. A child that dies takes the parent with it. Where the
//! parent dies, the child finds the pipes at their end without the mark that belongs to an end in order: it commits
//! everything and ends with an error that says so ([`crate::Live::was_left`]).

mod child;
mod memory;
mod parent;
pub mod sandbox;

use crate::InterfaceError;
use std::io;

pub use child::Hands;
pub(crate) use child::Intake;
pub use parent::parent;

/// The two processes cannot work together.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// An interface cannot be used.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The other process could not open the interfaces, and has told why.
    #[error("the process that captures has not opened the interfaces")]
    NotOpened,
    /// The child has written to the shared memory what it never would.
    #[error(
        "the process that parses has claimed to have read what was never sent: it was ended, as it may be in the hands of \
         somebody else; the packets of the last minutes may tell why"
    )]
    Impossible,
    /// The system refuses something.
    #[error("the capture cannot have a process of its own: {what}: {source}; --no-split captures in one process")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The error.
        source: io::Error,
    },
}

/// What the system refused.
fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> SplitError {
    move |source| SplitError::System { what, source: source.into() }
}
