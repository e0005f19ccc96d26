//! A store whose last run did not end in order is looked at before the next one begins.

use crate::evidence::size;
use anyhow::Result;
use ot_store::{Depth, Store};
use std::time::{Duration, Instant};

/// How long the look may hold up the capture. A store of 490 MiB took 3 s on two busy cores.
const LONGEST: Duration = Duration::from_secs(15);

/// Looks at the pages of the store where its last run was not ended: the power may have gone. What there is to tell of it.
///
/// # Errors
/// Where it is damaged: nothing is written to it then.
pub fn look(store: &Store) -> Result<Option<String>> {
    if store.unfinished_run()?.is_none() {
        return Ok(None);
    }
    let began = Instant::now();
    let found = ot_store::check(store.path(), Depth::Pages, Some(LONGEST))?;
    found.sound(store.path())?;
    let length = size(std::fs::metadata(store.path()).map_or(0, |data| data.len()));
    let seconds = began.elapsed().as_secs_f64();
    Ok(Some(if found.whole {
        format!("the store ({length}) was looked at after it: it is sound ({seconds:.1} s)")
    } else {
        format!(
            "the store ({length}) was looked at for {seconds:.0} s after it, too short for all of it; no damage was seen: \
             ot-sensor check-store looks at the rest, also while the sensor runs"
        )
    }))
}
