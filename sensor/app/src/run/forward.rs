//! Forwarding beside the capture, in threads of its own.

use crate::config::Config;
use crate::disk;
use crate::log::{self, Level};
use anyhow::Result;
use ot_forward::{Forwarder, Options, destination};
use ot_store::wall_clock;
use ot_views::Surroundings;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the end of a run waits for what it found last to be delivered, and then for what is on its way.
const DRAIN: Duration = Duration::from_secs(3);
const END: Duration = Duration::from_secs(4);

/// Begins, where the configuration names destinations. Nothing that is wrong with one holds up the capture: it is told.
///
/// # Errors
/// Where no thread can be started.
pub fn start(config: &Config, store: &Path, quiet: bool) -> Result<Option<Forwarder>> {
    if config.forward.is_empty() {
        return Ok(None);
    }
    for one in &config.forward {
        if let Err(problem) = destination::check(one) {
            log::line(Level::Warning, "forward", &format!("forward {}: {problem}", one.name));
        }
    }
    let options = Options {
        console: config.console_url.clone(),
        around: around(config, store),
        once: false,
        wait: true,
        tell: Arc::new(move |line| tell(line, quiet)),
    };
    Ok(Some(Forwarder::start(store, config.forward.clone(), options)?))
}

/// What is around the store.
pub fn around(config: &Config, store: &Path) -> Arc<dyn Fn() -> Surroundings + Send + Sync> {
    let (store, disk_least) = (store.to_owned(), config.room.disk_free);
    Arc::new(move || Surroundings { now: wall_clock(), disk_free: disk::free(&store), disk_least })
}

/// Tells what became of forwarding.
pub fn tell(line: &str, quiet: bool) {
    if !quiet || line.contains("tries again") {
        log::line(Level::Info, "forward", line);
    }
}

/// Ends it in order. What is not delivered by then is at the next start.
pub fn end(forwarder: Option<Forwarder>) {
    if let Some(forwarder) = forwarder {
        forwarder.end(DRAIN, END);
    }
}
