//! One destination: reads what is after its cursor, sends it, and moves the cursor.
//!
//! No clock and no thread here: time is an argument, and the caller waits as it is told.

use crate::destination::{SendError, Sink};
use crate::pace::{Backoff, Rate};
use crate::settings::Destination;
use ot_protocol::Timestamp;
use ot_store::DestinationRow;
use ot_views::{AlertMessage, StatusMessage};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Rows read at once.
pub(crate) const BATCH: u32 = 64;
/// Messages on their way that have not settled.
const MOST_UNDERWAY: usize = 4_096;
/// How often a message is sent that the receiver says it will not take.
const MOST_REFUSALS: u32 = 5;
/// How often a connection is looked at while messages settle.
const LOOK: Duration = Duration::from_millis(200);
/// Characters of an error that are kept.
const MOST_ERROR: usize = 500;

/// Where messages come from.
pub(crate) trait Feed {
    /// Those after a sequence, at most [`BATCH`].
    fn next(&mut self, after: u64) -> Result<Vec<Item>, String>;
    /// The newest sequence that was ever given.
    fn newest(&mut self) -> Result<u64, String>;
    /// Up to which sequence what was not delivered is gone for good.
    fn floor(&mut self) -> Result<u64, String>;
    /// How the sensor is; `None` where there is none.
    fn status(&mut self) -> Result<Option<StatusMessage>, String> {
        Ok(None)
    }
    /// The last status was taken.
    fn told(&mut self) {}
}

/// A row of the outbox.
pub(crate) struct Item {
    pub sequence: u64,
    /// `None`: the alert is gone.
    pub message: Option<AlertMessage>,
}

/// How a destination is opened.
pub(crate) type Open = Box<dyn FnMut() -> Result<Box<dyn Sink>, SendError> + Send>;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more.
    Worked,
    /// Nothing is to be done, and all that was is settled.
    Idle,
    /// After this time.
    Wait(Duration),
}

struct Underway {
    sequence: u64,
    fate: Fate,
    since: Instant,
}

enum Fate {
    /// Sent; the id of the message.
    Sent(String),
    /// Its filter does not let it through.
    PassedOver,
    /// The alert is gone.
    Lost,
    /// It will never take it.
    Refused,
}

pub(crate) struct Worker<F> {
    destination: Destination,
    feed: F,
    open: Open,
    stop: Arc<AtomicBool>,
    /// What is known to have been taken.
    row: DestinationRow,
    changed: bool,
    /// Newest sequence that was sent or passed over.
    sent: u64,
    underway: VecDeque<Underway>,
    sink: Option<Box<dyn Sink>>,
    backoff: Backoff,
    rate: Rate,
    wait_until: Option<Instant>,
    refusals: u32,
    through: bool,
    /// When it is to be told next how the sensor is.
    status_at: Option<Instant>,
}

impl<F: Feed> Worker<F> {
    pub fn new(
        destination: Destination,
        row: DestinationRow,
        feed: F,
        open: Open,
        stop: Arc<AtomicBool>,
        now: Instant,
    ) -> Self {
        Self {
            sent: row.cursor,
            status_at: destination.status_every().map(|_| now),
            backoff: Backoff::new(destination.retry_most),
            rate: Rate::new(destination.rate, now),
            destination,
            feed,
            open,
            stop,
            row,
            changed: false,
            underway: VecDeque::new(),
            sink: None,
            wait_until: None,
            refusals: 0,
            through: false,
        }
    }

    /// How far it is.
    pub fn row(&self) -> &DestinationRow {
        &self.row
    }

    /// How far it is, where that changed since it was last asked.
    pub fn take_changed(&mut self) -> Option<DestinationRow> {
        std::mem::take(&mut self.changed).then(|| self.row.clone())
    }

    /// Whether messages are on their way that have not settled.
    pub fn is_underway(&self) -> bool {
        !self.underway.is_empty()
    }

    /// Whether all that there is was sent or passed over when the feed was last asked.
    pub fn is_through(&self) -> bool {
        self.through
    }

    /// Does what is due.
    pub fn step(&mut self, now: Instant, wall: Timestamp) -> Step {
        if let Some(until) = self.wait_until {
            if now < until {
                return Step::Wait(until - now);
            }
            self.wait_until = None;
        }
        match self.work(now, wall) {
            Ok(step) => step,
            Err(problem) => Step::Wait(self.fail(&problem, now, wall)),
        }
    }

    fn work(&mut self, now: Instant, wall: Timestamp) -> Result<Step, String> {
        self.settle(now, wall)?;
        self.tell(now)?;
        if self.underway.len() >= MOST_UNDERWAY {
            return Ok(Step::Wait(LOOK));
        }
        let newest = self.feed.newest()?;
        let items = self.feed.next(self.sent)?;
        self.through = items.is_empty();
        let Some(first) = items.first().map(|item| item.sequence) else {
            if !self.underway.is_empty() {
                return Ok(Step::Wait(LOOK));
            }
            // What is between was for others.
            if newest > self.row.cursor {
                self.reach(newest);
            }
            return Ok(Step::Idle);
        };
        if first > self.sent + 1 && self.underway.is_empty() {
            let floor = self.feed.floor()?;
            if floor > self.sent {
                self.row.lost = self.row.lost.saturating_add(floor - self.sent);
                self.reach(floor);
            }
        }
        // A receiver may have ended a connection on which nothing was on its way: that is no failure.
        if self.underway.is_empty() && self.sink.as_mut().is_some_and(|sink| sink.check().is_err()) {
            self.sink = None;
        }
        let mut wait = None;
        for item in items {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let fate = match item.message {
                None => Fate::Lost,
                Some(message) if !self.destination.filter.passes(&message) => Fate::PassedOver,
                Some(message) => {
                    if let Err(span) = self.rate.take(now) {
                        wait = Some(span);
                        break;
                    }
                    self.deliver(&message, wall)?
                }
            };
            self.sent = item.sequence;
            self.underway.push_back(Underway { sequence: item.sequence, fate, since: now });
            if self.sink.as_ref().is_some_and(|sink| sink.answers()) {
                self.settle(now, wall)?;
            }
        }
        if let Some(sink) = &mut self.sink {
            sink.flush().map_err(|error| error.to_string())?;
        }
        self.settle(now, wall)?;
        Ok(wait.map_or(Step::Worked, Step::Wait))
    }

    /// Says how the sensor is, where that is due.
    fn tell(&mut self, now: Instant) -> Result<(), String> {
        let Some(every) = self.destination.status_every() else { return Ok(()) };
        if self.status_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        let Some(status) = self.feed.status()? else { return Ok(()) };
        let sink = match &mut self.sink {
            Some(sink) => sink,
            None => self.sink.insert((self.open)().map_err(|error| error.to_string())?),
        };
        sink.tell(&status).map_err(|error| error.to_string())?;
        self.feed.told();
        self.status_at = Some(now + every);
        if self.row.attempts > 0 && self.refusals == 0 {
            self.row.attempts = 0;
            self.backoff.reset();
            self.changed = true;
        }
        Ok(())
    }

    fn deliver(&mut self, message: &AlertMessage, wall: Timestamp) -> Result<Fate, String> {
        let sink = match &mut self.sink {
            Some(sink) => sink,
            None => self.sink.insert((self.open)().map_err(|error| error.to_string())?),
        };
        // A fault of ours in making one message must not hold up all others.
        let sent = catch_unwind(AssertUnwindSafe(|| sink.send(message))).unwrap_or_else(|_| {
            Err(SendError::Refused("internal error: this message cannot be made; please report it".to_owned()))
        });
        match sent {
            Ok(()) => {
                self.refusals = 0;
                Ok(Fate::Sent(message.id.clone()))
            }
            Err(SendError::Broken(problem)) => Err(problem),
            Err(SendError::Refused(problem)) => {
                self.refusals += 1;
                if sink.answers() && self.refusals < MOST_REFUSALS {
                    return Err(problem);
                }
                self.refusals = 0;
                self.note(&format!("{problem} (message {} was passed over)", message.id), wall);
                Ok(Fate::Refused)
            }
        }
    }

    /// Moves the cursor over what counts as taken.
    fn settle(&mut self, now: Instant, wall: Timestamp) -> Result<(), String> {
        let span = self.sink.as_ref().map_or(Duration::ZERO, |sink| sink.settle());
        let mut looked = span.is_zero();
        while let Some(first) = self.underway.front() {
            if matches!(first.fate, Fate::Sent(_)) {
                if now.saturating_duration_since(first.since) < span {
                    break;
                }
                if !looked {
                    looked = true;
                    if let Some(sink) = &mut self.sink {
                        sink.check().map_err(|error| error.to_string())?;
                    }
                }
            }
            self.confirm(wall);
        }
        Ok(())
    }

    fn confirm(&mut self, wall: Timestamp) {
        let Some(Underway { sequence, fate, .. }) = self.underway.pop_front() else { return };
        match fate {
            Fate::Sent(id) => {
                self.row.delivered += 1;
                self.row.attempts = 0;
                self.row.last_message = Some(id);
                self.row.delivered_at = Some(wall);
                self.backoff.reset();
            }
            Fate::PassedOver => self.row.passed_over += 1,
            Fate::Lost => self.row.lost += 1,
            Fate::Refused => self.row.refused += 1,
        }
        self.row.cursor = sequence;
        self.changed = true;
    }

    fn reach(&mut self, sequence: u64) {
        self.row.cursor = self.row.cursor.max(sequence);
        self.sent = self.sent.max(sequence);
        self.changed = true;
    }

    fn note(&mut self, problem: &str, wall: Timestamp) {
        self.row.last_error =
            Some(problem.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_ERROR).collect());
        self.row.error_at = Some(wall);
        self.changed = true;
    }

    /// Gives the way up: all that has not settled is to be sent again. How long to wait before that.
    fn fail(&mut self, problem: &str, now: Instant, wall: Timestamp) -> Duration {
        if let Some(mut sink) = self.sink.take()
            && sink.settle().is_zero()
            && sink.flush().is_ok()
        {
            while !self.underway.is_empty() {
                self.confirm(wall);
            }
        }
        self.underway.clear();
        self.sent = self.row.cursor;
        self.row.failures += 1;
        self.row.attempts += 1;
        self.note(problem, wall);
        let wait = self.backoff.fail();
        self.wait_until = Some(now + wait);
        wait
    }

    /// Ends the way in order, so that what is underway need not be sent again.
    pub fn finish(&mut self, now: Instant, wall: Timestamp) {
        let Some(sink) = &mut self.sink else { return };
        match sink.finish() {
            Ok(()) => {
                while !self.underway.is_empty() {
                    self.confirm(wall);
                }
                self.sink = None;
            }
            Err(error) => {
                self.fail(&error.to_string(), now, wall);
            }
        }
    }
}

#[cfg(test)]
mod tests;
