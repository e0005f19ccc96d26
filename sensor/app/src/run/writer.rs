//! What is to be written to the store, in order, also when it cannot be written for a while: then it is kept and tried
//! again, and the sensor goes on.

use crate::acts::{Desk, Done};
use anyhow::Result;
use ot_engine::Changes;
use ot_store::{Store, StoreError, wall_clock};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two tries.
const RETRY: Duration = Duration::from_secs(1);
/// Events kept in memory while the store cannot be written: the newest.
const MOST_EVENTS: usize = 200_000;

/// What waits to be written.
enum Work {
    Changes { changes: Box<Changes>, position: u64 },
    Acts { done: Done, changes: Box<Changes>, at: Option<(u32, u64)> },
}

/// The store, and what could not be written to it yet.
pub struct Writer {
    store: Store,
    run: u32,
    waiting: VecDeque<Work>,
    trouble: Option<String>,
    next_try: Instant,
    events_lost: u64,
}

/// How writing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterState<'a> {
    /// Why the store cannot be written, while it cannot.
    pub trouble: Option<&'a str>,
    /// Events that had to go because there were too many before it could be written again.
    pub events_lost: u64,
}

impl Writer {
    /// Of a run.
    pub fn new(store: Store, run: u32) -> Self {
        Self { store, run, waiting: VecDeque::new(), trouble: None, next_try: Instant::now(), events_lost: 0 }
    }

    /// The number of the run.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// The store, to read from.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Whether something waits because it could not be written.
    pub fn is_stuck(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How it goes.
    pub fn state(&self) -> WriterState<'_> {
        WriterState { trouble: self.trouble.as_deref(), events_lost: self.events_lost }
    }

    /// Commits changes, now or as soon as that is possible.
    ///
    /// # Errors
    /// Where trying again cannot help.
    pub fn commit(&mut self, changes: Changes, position: u64) -> Result<()> {
        match self.waiting.back_mut() {
            Some(Work::Changes { changes: earlier, position: reached }) => {
                self.events_lost += earlier.merge(changes, MOST_EVENTS);
                *reached = position;
            }
            _ => self.waiting.push_back(Work::Changes { changes: Box::new(changes), position }),
        }
        self.write()
    }

    /// Commits the last changes and ends the run. Tries again for so long.
    ///
    /// # Errors
    /// The store's, where it could not be written in that time.
    pub fn finish(&mut self, changes: Changes, position: u64, packets: &[u64], longest: Duration) -> Result<()> {
        let end = Instant::now() + longest;
        loop {
            self.next_try = Instant::now();
            let before = self.waiting.len();
            self.write()?;
            if self.waiting.is_empty() {
                match self.store.finish_run(self.run, &changes, position, packets, wall_clock()) {
                    Ok(()) => return Ok(()),
                    Err(error) if !may_pass(&error) || Instant::now() >= end => return Err(error.into()),
                    Err(_) => {}
                }
            } else if Instant::now() >= end {
                anyhow::bail!(
                    "{}; the last {before} commits of this run are lost, all before them are kept",
                    self.trouble.as_deref().unwrap_or("the store cannot be written")
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn write(&mut self) -> Result<()> {
        if self.trouble.is_some() && Instant::now() < self.next_try {
            return Ok(());
        }
        while let Some(work) = self.waiting.front() {
            let written = match work {
                Work::Changes { changes, position } => self.store.commit(self.run, changes, *position),
                Work::Acts { done, changes, at } => self.store.apply_commands(done, changes, *at, wall_clock()),
            };
            match written {
                Ok(()) => self.waiting.pop_front(),
                Err(error) if may_pass(&error) => {
                    self.trouble = Some(error.to_string());
                    self.next_try = Instant::now() + RETRY;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
        }
        self.trouble = None;
        Ok(())
    }
}

impl Desk for Writer {
    fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    fn put(&mut self, done: Done, changes: Changes, at: Option<(u32, u64)>) -> Result<()> {
        self.waiting.push_back(Work::Acts { done, changes: Box::new(changes), at });
        self.write()
    }
}

/// Whether an error is one of the store that may go away.
pub fn passes_by(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(may_pass)
}

/// Whether an error may go away by itself, or when a person does something about it.
pub fn may_pass(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Full { .. } | StoreError::Io { .. } | StoreError::Locked { .. } | StoreError::Permission { .. }
    )
}
