//! `stats`.

use super::reader;
use crate::cli::StatsArgs;
use crate::config::Config;
use crate::evidence::size;
use crate::exit::Exit;
use crate::output::{Output, short_time};
use crate::when::show_span;
use ot_engine::words::number_of;
use ot_protocol::time::SECOND;
use ot_views::stats::{GROUP_ORDER, LimitView};

pub fn show(output: &mut Output, args: &StatsArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let mut stats = ot_views::stats(&reader)?;
    let flow = ot_flow::FlowConfig::default();
    let evidence = Config::of(&args.store)?.evidence;
    stats.limits.extend([
        LimitView::new("open-conversations", flow.max_flows),
        LimitView::new("stream-buffer-bytes", flow.lane_buffer_bytes.saturating_mul(ot_flow::LANES)),
        LimitView::new("fold-cache-bytes", flow.lane_fold_bytes.saturating_mul(ot_flow::LANES)),
        LimitView::new("evidence-bytes", usize::try_from(evidence.quota).unwrap_or(usize::MAX)),
        LimitView::new("evidence-alerts-of-a-run", evidence.run_alerts),
        LimitView::new("evidence-bytes-of-an-alert", evidence.limits.alert_bytes),
    ]);
    if args.output.json {
        output.json(&stats)?;
        return Ok(Exit::Done);
    }
    const LEFT: usize = 16;
    output.paragraph("Store", LEFT, &stats.store)?;
    output.paragraph("Newest packet", LEFT, stats.newest_packet.as_deref().unwrap_or("none yet"))?;
    let mut mode = stats.learning.mode.to_owned();
    if let (true, Some(until)) = (stats.learning.mode == "learning", &stats.learning.until) {
        mode.push_str(&format!(" until {until}"));
    }
    if let Some(left) = stats.learning.seconds_left {
        mode.push_str(&format!(", {} of packet time left", show_span(left.saturating_mul(SECOND))));
    }
    output.paragraph("Mode", LEFT, &mode)?;
    if stats.learning.mode == "learning" || stats.learning.devices > 0 {
        let devices = match stats.learning.devices {
            0 => String::new(),
            n => {
                format!(", {} on their own", number_of(n, "device"))
            }
        };
        let text = format!("{} new entries in the last hour{devices}", stats.learning.new_in_last_hour);
        output.paragraph("Learning", LEFT, &text)?;
    }
    let totals = &stats.totals;
    output.paragraph("Devices", LEFT, &totals.devices.to_string())?;
    output.paragraph(
        "Baseline",
        LEFT,
        &format!("{} entries allowed, {} only observed", totals.baseline_allowed, totals.baseline_observed),
    )?;
    output.paragraph("Points", LEFT, &totals.points.to_string())?;
    output.paragraph("Events", LEFT, &totals.events.to_string())?;
    let alerts: Vec<_> =
        stats.alerts.iter().map(|row| format!("{} {} {}", row.count, row.severity, row.status)).collect();
    let alerts = if alerts.is_empty() { "none".to_owned() } else { alerts.join(", ") };
    output.paragraph("Alerts", LEFT, &alerts)?;
    let kept = &stats.evidence;
    let mut packets = format!("{} ({})", number_of(kept.kept, "file"), size(kept.kept_bytes));
    if kept.expired > 0 {
        packets.push_str(&format!(", {} made room", kept.expired));
    }
    if kept.not_kept > 0 {
        packets.push_str(&format!(", of {} none were kept", number_of(kept.not_kept, "alert")));
    }
    output.paragraph("Packets kept", LEFT, &packets)?;
    for sensor in &stats.sensors {
        let mut told = format!("{}, heard {}", sensor.state, short_time(&sensor.last_heard));
        if sensor.lag_seconds > 0 {
            told.push_str(&format!(", {} s behind, {} waiting", sensor.lag_seconds, sensor.waiting));
        }
        if !sensor.reasons.is_empty() {
            told.push_str(&format!(": {}", sensor.reasons.join(", ")));
        }
        output.paragraph("Sensor", LEFT, &format!("{}: {told}", sensor.sensor))?;
    }
    for destination in &stats.forwarding {
        let mut told =
            format!("{}, {} delivered, {} waiting", destination.state, destination.delivered, destination.waiting);
        if let (1.., Some(error)) = (destination.attempts, &destination.last_error) {
            told.push_str(&format!("; {error}"));
        }
        output.paragraph("Forwarding", LEFT, &format!("{}: {told}", destination.name))?;
    }
    if totals.commands_pending > 0 {
        output.paragraph("Waiting", LEFT, &format!("{} commands for the engine", totals.commands_pending))?;
    }
    if !stats.ot_networks.is_empty() {
        output.paragraph("OT networks", LEFT, &stats.ot_networks.join(", "))?;
    }
    for group in GROUP_ORDER {
        let counters: Vec<_> = stats.counters.iter().filter(|counter| counter.group == group).collect();
        // That nothing was lost is worth a line.
        let told = ["lost", "evicted"].contains(&group);
        if counters.is_empty() && !told {
            continue;
        }
        let mut title = group.to_owned();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        output.heading(&title)?;
        if counters.is_empty() {
            output.line("  nothing")?;
        }
        for counter in counters {
            output.line(&format!("  {:<36} {:>16}", counter.id, counter.value))?;
        }
    }
    output.heading("Limits")?;
    for limit in &stats.limits {
        output.line(&format!("  {:<36} {:>16}", limit.id, limit.most))?;
    }
    if !stats.runs.is_empty() {
        output.heading("Runs")?;
    }
    for run in &stats.runs {
        let resumed = if run.attempts > 1 { format!(", started {} times", run.attempts) } else { String::new() };
        output.paragraph(
            "",
            2,
            &format!(
                "{} {} of sensor {}: {}, {} packets, started {}{resumed}",
                run.kind,
                run.id,
                run.sensor,
                run.state,
                run.packets,
                short_time(&run.started)
            ),
        )?;
        for input in &run.inputs {
            let packets =
                input.packets.map_or_else(|| "not read to its end".to_owned(), |packets| format!("{packets} packets"));
            output.paragraph("", 4, &format!("{} ({} bytes, {packets})", input.path, input.bytes))?;
        }
    }
    Ok(Exit::Done)
}
