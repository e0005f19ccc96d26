//! What machines watch of the sensor: whether it does its work, and its numbers. At the paths where monitoring systems look.

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::route::{Returns, Route, Shape};
use ot_store::read::Reader;
use ot_store::wall_clock;
use ot_views::health::STORE_UNREADABLE;
use ot_views::metrics::{MEDIA, Sizes, open_metrics};
use ot_views::stats::stats_with;
use ot_views::{HealthView, Surroundings, health};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How long it is not looked anew: everybody may ask.
const KEPT: Duration = Duration::from_secs(2);

/// Routes of what is watched.
pub static ROUTES: &[Route] = &[
    Route::api("/healthz", "healthz", "Whether the sensor does its work; 503 where it does not, with the reasons.")
        .for_anyone()
        .gives(Returns::One(Shape::of::<HealthView>()))
        .plain(healthz),
    Route::api("/metrics", "metrics", "Health as numbers: OpenMetrics 1.0 text, from the counters of `stats`.")
        .gives(Returns::Bytes("application/openmetrics-text"))
        .read(metrics),
];

fn look(call: &Call) -> HealthView {
    let mut found = call.app.found.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((looked, health)) = found.as_ref()
        && looked.elapsed() < KEPT
    {
        return health.clone();
    }
    let (disk_free, disk_least) = call.app.host.disk();
    let around = Surroundings { now: wall_clock(), disk_free, disk_least };
    let health = call
        .app
        .readers
        .read(|reader| Ok(health(reader, &around)?))
        .unwrap_or_else(|_| HealthView::new(vec![STORE_UNREADABLE]));
    *found = Some((Instant::now(), health.clone()));
    health
}

fn healthz(call: &Call) -> Result<Answer, Problem> {
    let health = look(call);
    let status = if health.is_ok() { 200 } else { 503 };
    Ok(call.json(&health)?.status(status).with("cache-control", "no-store"))
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

fn metrics(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let mut log = reader.path().as_os_str().to_owned();
    log.push("-wal");
    let sizes = Sizes { store: length(reader.path()), log: length(&PathBuf::from(log)), free: call.app.host.disk().0 };
    let stats = stats_with(reader, &super::system::sums(&call.app, reader)?.view)?;
    let text = open_metrics(&stats, &look(call), &sizes, env!("CARGO_PKG_VERSION"));
    Ok(Answer::bytes(MEDIA, text.into_bytes()).with("cache-control", "no-store"))
}
