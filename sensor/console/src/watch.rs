//! New and changed alerts, as a stream: one look at the store a second, for all who listen.

use crate::problem::Problem;
use ot_store::StoreError;
use ot_store::read::{Mark, Reader};
use ot_views::alert::alerts_of;
use ot_views::{AlertLine, Names};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use utoipa::ToSchema;

/// Alerts told at once; of more the rest comes a second later.
const MOST: u32 = 200;
/// Events that may wait for one listener; beyond it that one is told to look anew.
const WAITING: usize = 1_024;
const PERIOD: Duration = Duration::from_secs(1);

/// A new or changed alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertEvent {
    /// `new` or `changed`.
    pub change: &'static str,
    /// The alert as it is now.
    pub alert: AlertLine,
}

/// An event with the place after it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where to go on after it.
    pub id: String,
    /// JSON of an [`AlertEvent`].
    pub data: String,
}

/// Watches a store while somebody listens.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    events: broadcast::Sender<Arc<Told>>,
    running: Mutex<bool>,
}

/// A place in the changes as text.
pub fn place(mark: &Mark) -> String {
    format!("{}-{}-{}", mark.alert, mark.detection, mark.history)
}

/// The place that a text names.
pub fn read_place(text: &str) -> Option<Mark> {
    let mut parts = text.split('-');
    let mark = Mark {
        alert: parts.next()?.parse().ok()?,
        detection: parts.next()?.parse().ok()?,
        history: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(mark)
}

impl Watch {
    /// Of a store. Nothing is read before somebody listens.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), events: broadcast::Sender::new(WAITING), running: Mutex::new(false) }
    }

    /// Listens from now on.
    pub fn listen(self: &Watch, app: &Arc<crate::app::App>) -> broadcast::Receiver<Arc<Told>> {
        let receiver = self.events.subscribe();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !*running {
            *running = true;
            let app = Arc::clone(app);
            tokio::task::spawn_blocking(move || app.watch.run());
        }
        receiver
    }

    /// What changed since a place, for one who comes back.
    ///
    /// # Errors
    /// As the store's.
    pub fn since(reader: &Reader, mark: &Mark) -> Result<Vec<Told>, Problem> {
        Ok(told(reader, mark)?.0)
    }

    fn run(&self) {
        // A store that cannot be read now may be read later; the next who listens tries again.
        let _ = self.watch();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn watch(&self) -> Result<(), StoreError> {
        let reader = Reader::open(&self.path)?;
        let mut version = reader.version()?;
        let mut mark = reader.mark()?;
        let mut more = false;
        while self.events.receiver_count() > 0 {
            std::thread::sleep(PERIOD);
            let found = reader.version()?;
            if found == version && !more {
                continue;
            }
            version = found;
            reader.begin()?;
            let answer = told(&reader, &mark);
            reader.end()?;
            let Ok((events, next, rest)) = answer else { continue };
            (mark, more) = (next, rest);
            for event in events {
                let _ = self.events.send(Arc::new(event));
            }
        }
        Ok(())
    }
}

/// What changed since a place, the place after it, and whether there is more.
fn told(reader: &Reader, mark: &Mark) -> Result<(Vec<Told>, Mark, bool), Problem> {
    let numbers = reader.changed_since(mark, MOST)?;
    let full = numbers.len() >= usize::try_from(MOST).unwrap_or(usize::MAX);
    let mut next = reader.mark()?;
    if full {
        // The newest of those told is as far as new alerts are known; what changed besides is told again.
        next = Mark { alert: numbers.last().copied().unwrap_or(mark.alert).max(mark.alert), ..*mark };
        if next == *mark {
            next = reader.mark()?;
        }
    }
    let names = Names::new(reader);
    let id = place(&next);
    let lines = alerts_of(&names, &numbers)?;
    let mut events = Vec::with_capacity(lines.len());
    for (number, alert) in numbers.iter().zip(lines) {
        let change = if *number > mark.alert { "new" } else { "changed" };
        let data = serde_json::to_string(&AlertEvent { change, alert });
        events.push(Told { id: id.clone(), data: data.map_err(|error| Problem::internal(error.to_string()))? });
    }
    Ok((events, next, full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back() {
        let mark = Mark { alert: 7, detection: 1_772_366_400_000_000_000, history: 3 };
        assert_eq!(read_place(&place(&mark)), Some(mark));
        for bad in ["", "1", "1-2", "1-2-3-4", "a-b-c", "-1-2-3"] {
            assert_eq!(read_place(bad), None, "{bad}");
        }
    }
}
