//! Whether the sensor sees what it should: what was seen, decoded, skipped, lost; runs; limits.

use super::{Frame, render, show};
use crate::api;
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::route::Route;
use askama::Template;
use ot_store::read::Reader;
use ot_views::Stats;
use ot_views::stats::{CounterView, GROUP_ORDER, stats_with};

/// Routes of health.
pub static ROUTES: &[Route] =
    &[Route::page("/health", "page-health", "Whether the sensor sees what it should.").read(page)];

struct Group {
    title: &'static str,
    meaning: &'static str,
    counters: Vec<CounterView>,
}

#[derive(Template)]
#[template(path = "health.html")]
struct Page {
    frame: Frame,
    stats: Stats,
    groups: Vec<Group>,
    lost: u64,
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let mut stats = stats_with(reader, &api::system::sums(&call.app, reader)?.view)?;
    let groups: Vec<Group> = GROUP_ORDER
        .into_iter()
        .map(|id| Group {
            title: id,
            meaning: match id {
                "seen" => "what came in",
                "decoded" => "what was understood",
                "skipped" => "what was passed over, and why",
                "lost" => "what did not arrive, or not whole",
                "evicted" => "what made room because a table was full",
                _ => "everything else",
            },
            counters: stats.counters.iter().filter(|counter| counter.group == id).cloned().collect(),
        })
        .filter(|group| !group.counters.is_empty())
        .collect();
    let of = |id: &str| {
        stats.counters.iter().filter(|counter| counter.group == id).map(|counter| counter.value).sum::<u64>()
    };
    let lost = of("lost") + of("evicted");
    stats.runs.reverse();
    stats.runs.truncate(20);
    render(&Page { frame: Frame::new("Health", "health", call), groups, lost, stats })
}
