//! `learning`.

use super::reader;
use super::triage;
use crate::cli::{LearningArgs, LearningCommand, ModeArgs, ModeCommand, StatsArgs};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, short_time};
use crate::when::show_span;
use ot_engine::Action;
use ot_protocol::time::SECOND;
use ot_views::Names;
use ot_views::learning::mode_preview;

pub fn run(output: &mut Output, args: &LearningArgs) -> anyhow::Result<Exit> {
    let (span, args) = match &args.command {
        None => return show(output, &args.show),
        Some(LearningCommand::Mode { mode: ModeCommand::Operational(args) }) => (None, args),
        Some(LearningCommand::Mode { mode: ModeCommand::Learning { span, args } }) => (Some(*span), args),
    };
    if args.dry_run {
        return would(output, args, span.is_some());
    }
    let mode = if span.is_some() { "learning" } else { "operational" };
    triage::one(output, &args.store, &args.who, Action::LearningMode(span), mode)
}

/// What a change of the mode would mean.
fn would(output: &mut Output, args: &ModeArgs, learning: bool) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let now = mode_preview(&Names::new(&reader))?;
    output.line(&format!("The mode is {}.", now.mode))?;
    if learning {
        output.line(&format!(
            "{} alert types would be silent while it learns; {} alerts of these types are open:",
            now.silent_types, now.silent_open
        ))?;
        for kind in &now.by_type {
            output.line(&format!("  {:>8}  {}", kind.open, kind.title))?;
        }
    } else {
        output.line(&format!(
            "Of what was learned, {} entries are new within the last hour of packet time and {} within the last day: had it \
             not learned, it would have told of these.",
            now.new_last_hour, now.new_last_day
        ))?;
    }
    Ok(Exit::Done)
}

fn show(output: &mut Output, args: &StatsArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    let reader = reader(&args.store)?;
    let status = ot_views::learning(&Names::new(&reader), &config.engine)?;
    if args.output.json {
        output.json(&status)?;
        return Ok(Exit::Done);
    }
    const LEFT: usize = 16;
    output.paragraph("Mode", LEFT, status.mode)?;
    if let Some(since) = &status.since {
        output.paragraph("Since", LEFT, since)?;
    }
    if let Some(until) = &status.until {
        let text = match status.seconds_left {
            Some(left) => format!("{until}, {} of packet time left", show_span(left.saturating_mul(SECOND))),
            None => format!("{until} (over)"),
        };
        output.paragraph("Until", LEFT, &text)?;
    }
    if let Some(novelty) = &status.novelty {
        output.paragraph(
            "Or when",
            LEFT,
            &format!(
                "no more than {} new entries come within {}; now {}",
                novelty.most,
                show_span(novelty.seconds.saturating_mul(SECOND)),
                novelty.now
            ),
        )?;
    }
    if !status.not_learned.is_empty() {
        output.paragraph("Not learned", LEFT, &status.not_learned.join(", "))?;
    }
    output.paragraph("Learned", LEFT, &format!("{} baseline entries", status.entries))?;
    for kind in &status.entries_by_kind {
        output.line(&format!("  {:<14}{:>10}", kind.kind, kind.count))?;
    }
    output.heading("New entries by hour, the last 24 hours of packet time")?;
    if status.new_by_hour.is_empty() {
        output.line("  none")?;
    }
    for hour in &status.new_by_hour {
        output.line(&format!("  {}  {:>8}", short_time(&hour.hour), hour.count))?;
    }
    output.heading("Devices that learn on their own")?;
    if status.devices.is_empty() {
        output.line("  none")?;
        return Ok(Exit::Done);
    }
    let rows = status
        .devices
        .iter()
        .map(|device| {
            vec![
                device.device.as_str().into(),
                short_time(&device.until).into(),
                show_span(device.seconds_left.saturating_mul(SECOND)).into(),
                if device.whole { "the device and what it does" } else { "what it does" }.into(),
            ]
        })
        .collect();
    output.table(&["DEVICE", "UNTIL", "LEFT", "LEARNS"], rows, 2)?;
    Ok(Exit::Done)
}
