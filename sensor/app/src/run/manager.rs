//! What the service manager is told (sd_notify(3)): that the sensor captures, that it is not stuck, that it ends.
//! Without a service manager this does nothing.

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// The service manager.
#[derive(Default)]
pub struct Manager {
    last: Option<Instant>,
}

impl Manager {
    /// Told that the sensor captures.
    pub fn ready(&mut self, text: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(text)]);
    }

    /// Told that the loop that applies facts still goes round.
    pub fn alive(&mut self) {
        if self.last.is_none_or(|last| last.elapsed() >= BEAT) {
            self.last = Some(Instant::now());
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Told that the end was asked for.
    pub fn stopping(&mut self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// There is nobody to tell where this fails.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
