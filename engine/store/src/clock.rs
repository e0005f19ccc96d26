//! The wall clock: of what people do, and of when runs begin. Nothing that is learned or raised depends on it.

use ot_protocol::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time now, UTC.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}
