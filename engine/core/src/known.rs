//! Known activities: what repetitions refer to, and repetitions that wait to be put down.

use crate::baseline::Observation;
use crate::model::{EntryId, Peer};
use crate::shared::{Core, Standing};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{Activity, Fold, FrameRef, SessionId, Timestamp};
use std::collections::VecDeque;

/// Detectors that can leave a note with an activity; further ones find 0 each time.
const NOTES: usize = 2;

/// A known activity, to which repetitions refer.
///
/// The usual repetition touches what stands first, and little else: in memory it is mostly cold, and each line of it that
/// has to be fetched costs more than all that is done with it. That is why the order is fixed.
#[repr(C)]
pub(crate) struct Known {
    /// Repetitions not yet put down in baseline, inventory and alerts.
    pending: Pending,
    pub(crate) generation: u64,
    /// What detectors noted about it, in the order of those that want folds.
    pub(crate) notes: [u64; NOTES],
    /// Repetitions go through the detectors: it changes something, or was not accepted.
    pub(crate) rerun: bool,
    pub(crate) learning: bool,
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pub(crate) activity: Activity,
    pub(crate) entries: Vec<EntryId>,
    pub(crate) standing: Vec<Standing>,
}

/// Repetitions since they were last put down.
#[derive(Clone, Copy, Default)]
struct Pending {
    count: u64,
    times: [Timestamp; 2],
    frames: [FrameRef; 2],
}

impl Known {
    /// Takes what the core gathered while the activity was looked at.
    pub(crate) fn new(activity: Activity, client: Peer, server: Peer, rerun: bool, core: &Core) -> Self {
        Self {
            pending: Pending::default(),
            generation: core.generation(),
            notes: [0; NOTES],
            rerun,
            learning: core.learning_at(activity.time),
            client,
            server,
            activity,
            entries: core.met.clone(),
            standing: core.standing.clone(),
        }
    }

    /// Puts repetitions down.
    pub(crate) fn settle(&mut self, core: &mut Core) {
        let Pending { count, times, frames } = std::mem::take(&mut self.pending);
        if count == 0 {
            return;
        }
        let seen = Observation { count, times, frame: frames[0], learning: self.learning };
        for &entry in &self.entries {
            core.baseline.touch(entry, seen);
        }
        for standing in &self.standing {
            core.repeat(standing, [&self.client, &self.server], count, times, frames[1]);
        }
        for peer in [&self.client, &self.server] {
            if let Some(id) = peer.device {
                core.inventory.touch(id, times[1]);
            }
        }
    }

    /// Notes repetitions, to be put down later. Whether they are the first that wait.
    pub(crate) fn wait(&mut self, fold: &Fold) -> bool {
        let pending = &mut self.pending;
        let first = pending.count == 0;
        if first {
            pending.times[0] = fold.times[0];
            pending.frames[0] = fold.frames[0];
        }
        pending.count += u64::from(fold.count);
        pending.times[1] = fold.times[1];
        pending.frames[1] = fold.frames[1];
        first
    }
}

/// The known activities of all sessions.
#[derive(Default)]
pub(crate) struct KnownActivities {
    sessions: HashMap<SessionId, Vec<Option<Box<Known>>>, FixedState>,
    /// Sessions from the oldest on, also such as are gone.
    order: VecDeque<SessionId>,
}

impl KnownActivities {
    pub(crate) fn get_mut(&mut self, session: SessionId, slot: u16) -> Option<&mut Known> {
        self.sessions.get_mut(&session)?.get_mut(usize::from(slot))?.as_deref_mut()
    }

    /// Fetches what repetitions will touch, so that several of them wait for memory at once and not one after the other.
    pub(crate) fn fetch(&self, fold: &Fold) {
        let known = self.sessions.get(&fold.session).and_then(|slots| slots.get(usize::from(fold.slot)));
        if let Some(Some(known)) = known {
            std::hint::black_box((known.generation, known.server.sub, known.activity.session));
        }
    }

    /// Keeps an activity; where there are `limit` sessions, the oldest goes. How many went.
    pub(crate) fn insert(&mut self, slot: u16, known: Known, limit: usize, core: &mut Core) -> u64 {
        let id = known.activity.session;
        let mut evicted = 0;
        if !self.sessions.contains_key(&id) {
            while self.sessions.len() >= limit {
                let Some(oldest) = self.order.pop_front() else { break };
                evicted += u64::from(self.remove(oldest, core));
            }
            self.order.push_back(id);
            if self.order.len() > 2 * limit {
                let sessions = &self.sessions;
                self.order.retain(|id| sessions.contains_key(id));
            }
        }
        let slots = self.sessions.entry(id).or_default();
        let at = usize::from(slot);
        if slots.len() <= at {
            slots.resize_with(at + 1, || None);
        }
        if let Some(place) = slots.get_mut(at) {
            if let Some(before) = place {
                before.settle(core);
            }
            *place = Some(Box::new(known));
        }
        evicted
    }

    /// Forgets a session, once its repetitions are put down. Whether it was there.
    pub(crate) fn remove(&mut self, session: SessionId, core: &mut Core) -> bool {
        let Some(mut slots) = self.sessions.remove(&session) else { return false };
        for known in slots.iter_mut().flatten() {
            known.settle(core);
        }
        true
    }
}
