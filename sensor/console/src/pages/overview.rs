//! The first page: what needs attention.

use super::{Frame, render, show};
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::route::Route;
use askama::Template;
use ot_store::read::Reader;
use ot_views::Names;
use ot_views::overview::{HourView, Overview, overview};

/// Routes of the overview.
pub static ROUTES: &[Route] = &[Route::page("/", "page-overview", "What needs attention.").read(page)];

/// A bar of the chart: what it stands for, and its parts from below.
struct Bar {
    x: u32,
    hour: HourView,
    parts: Vec<Part>,
}

struct Part {
    severity: &'static str,
    y: u32,
    height: u32,
}

/// Height of the chart, and width of a bar with its gap.
const HEIGHT: u32 = 120;
const WIDTH: u32 = 30;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    found: Overview,
    bars: Vec<Bar>,
    most: u64,
}

fn page(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let found = overview(&Names::new(reader))?;
    let most = found.hours.iter().map(HourView::total).max().unwrap_or_default();
    let bars = (0..).zip(&found.hours).map(|(at, hour)| bar(at, hour, most)).collect();
    render(&Page { frame: Frame::new("Overview", "overview", call), bars, most, found })
}

fn bar(at: u32, hour: &HourView, most: u64) -> Bar {
    let mut y = HEIGHT;
    let mut parts = Vec::new();
    let counts = [("critical", hour.critical), ("major", hour.major), ("minor", hour.minor), ("warning", hour.warning)];
    for (severity, count) in counts {
        if count == 0 {
            continue;
        }
        let scaled = count.saturating_mul(u64::from(HEIGHT)) / most.max(1);
        let height = u32::try_from(scaled).unwrap_or(HEIGHT).max(2).min(y);
        y -= height;
        parts.push(Part { severity, y, height });
    }
    Bar { x: at * WIDTH + 4, hour: hour.clone(), parts }
}

impl Page {
    fn label(&self) -> String {
        let all: u64 = self.found.hours.iter().map(HourView::total).sum();
        format!("Alerts first detected in each of the last 24 hours: {} in all, at most {} in an hour", all, self.most)
    }
}
