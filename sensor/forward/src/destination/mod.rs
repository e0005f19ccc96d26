//! Where messages go. A sink is one open way to a receiver; whoever holds it opens another one when it breaks.

mod file;
mod http;
mod nats;
pub(crate) mod stream;
mod syslog;
mod webhook;

use crate::settings::{Destination, Target};
use ot_views::{AlertMessage, StatusMessage};
use std::time::Duration;

pub use webhook::signature;

/// Longest wait for a connection, an answer, or room to write.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a message did not get there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The way is broken, or cannot be opened; the message is to be sent again.
    #[error("{0}")]
    Broken(String),
    /// The receiver will not take this message, however often it is sent.
    #[error("{0}")]
    Refused(String),
}

/// An open way to a receiver.
pub trait Sink: Send {
    /// Sends a message. It may still be on its way afterwards: see [`Sink::flush`] and [`Sink::settle`].
    ///
    /// # Errors
    /// Where it did not get there for sure.
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError>;

    /// Says how the sensor is, where the receiver wants to know.
    ///
    /// # Errors
    /// Where the way is broken.
    fn tell(&mut self, _status: &StatusMessage) -> Result<(), SendError> {
        Ok(())
    }

    /// Makes what was sent last, after some messages.
    ///
    /// # Errors
    /// Where it does not; all messages since the last time are to be sent again.
    fn flush(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// Whether the receiver says of each message that it took it, before [`Sink::send`] returns.
    fn answers(&self) -> bool {
        false
    }

    /// How long the way must stand after a message until it counts as taken; zero where the receiver answers.
    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the way still stands.
    ///
    /// # Errors
    /// Where it does not.
    fn check(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// Ends it in order. Done: all that was sent was taken, as far as that can be told.
    ///
    /// # Errors
    /// Where it was broken before.
    fn finish(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}

/// Opens the way to a destination.
///
/// # Errors
/// Where it cannot be.
pub fn open(destination: &Destination) -> Result<Box<dyn Sink>, SendError> {
    Ok(match &destination.target {
        Target::Syslog(syslog) => syslog::open(syslog, destination.format)?,
        Target::Webhook(webhook) => Box::new(webhook::WebhookSink::open(webhook, destination.format)?),
        Target::Nats(nats) => Box::new(nats::NatsSink::open(nats, destination.format)?),
        Target::File(file) => Box::new(file::FileSink::open(file, destination.format)?),
    })
}

/// How TLS is spoken to a server.
///
/// # Errors
/// In words: files that cannot be read, or hold no certificates.
pub fn tls_client(tls: &crate::settings::Tls) -> Result<std::sync::Arc<rustls::ClientConfig>, String> {
    stream::client(tls)
}

/// What can be told at once to be wrong: files that cannot be read, secrets that are missing, templates.
///
/// # Errors
/// In words.
pub fn check(destination: &Destination) -> Result<(), String> {
    match &destination.target {
        Target::Syslog(syslog) if syslog.transport == crate::settings::Transport::Tls => {
            stream::client(&syslog.tls).map(drop)
        }
        Target::Syslog(_) | Target::File(_) => Ok(()),
        Target::Webhook(webhook) => webhook::check(webhook),
        Target::Nats(nats) => {
            nats.access.secret().map_or(Ok(()), |secret| secret.read().map(drop))?;
            nats.tls.as_ref().map_or(Ok(()), |tls| stream::client(tls).map(drop))
        }
    }
}
