//! Health as numbers for a monitoring system: OpenMetrics 1.0 text, from the same counters as `stats`.

use crate::health::{HealthView, REASONS};
use crate::{DestinationLine, Stats};
use ot_protocol::Timestamp;
use std::fmt::Write as _;

/// The media type of the text.
pub const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Beginnings of the ids of counters that an interface has for itself, with what the metric of them is called, how its packets
/// were lost, and what it means.
const OF_INTERFACE: [(&str, &str, Option<&str>); 3] = [
    ("captured-packets-", "interface_captured_packets", None),
    ("dropped-by-kernel-", "interface_dropped_packets", Some("kernel")),
    ("dropped-by-card-", "interface_dropped_packets", Some("card")),
];

/// How much room the store takes and has, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The file of the store.
    pub store: u64,
    /// Its write-ahead log.
    pub log: u64,
    /// What is free on its disk.
    pub free: Option<u64>,
}

/// The text under construction.
struct Text(String);

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE ot_sensor_{name} {kind}\n# HELP ot_sensor_{name} {}", escaped(help));
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl std::fmt::Display) {
        let _ = write!(self.0, "ot_sensor_{name}");
        for (place, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }
}

/// A text within quotes, or of a help.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// All metrics. Labels are few: severities, statuses, interfaces, destinations and the ids of counters.
pub fn open_metrics(stats: &Stats, health: &HealthView, sizes: &Sizes, version: &str) -> String {
    let mut text = Text(String::with_capacity(16 << 10));
    let newest = stats.runs.last();
    text.family("build", "info", "The program and the sensor of the newest run");
    let sensor = newest.map_or("", |run| run.sensor.as_str());
    let site = newest.and_then(|run| run.site.as_deref()).unwrap_or_default();
    text.sample("build_info", &[("version", version), ("sensor", sensor), ("site", site)], 1);

    text.gauge("healthy", "Whether nothing is wrong with the sensor", u8::from(health.is_ok()));
    text.family("problem", "gauge", "What is wrong with the sensor, by the reason that /healthz tells");
    for reason in REASONS {
        text.sample("problem", &[("reason", reason)], u8::from(health.reasons.contains(&reason)));
    }
    if let Some(time) = stats.newest_packet.as_deref().and_then(seconds) {
        text.gauge("newest_packet_timestamp_seconds", "Newest packet time", time);
    }
    text.gauge("learning", "Whether the sensor learns", u8::from(stats.learning.mode == "learning"));

    text.family("alerts", "gauge", "Alerts in the store");
    for row in &stats.alerts {
        text.sample("alerts", &[("severity", &row.severity), ("status", &row.status)], row.count);
    }
    let totals = &stats.totals;
    text.gauge("devices", "Devices in the store", totals.devices);
    text.family("baseline_entries", "gauge", "Entries of the baseline");
    text.sample("baseline_entries", &[("state", "allowed")], totals.baseline_allowed);
    text.sample("baseline_entries", &[("state", "observed")], totals.baseline_observed);
    text.gauge("points", "Points of process memory in the store", totals.points);
    text.gauge("events", "Events in the store", totals.events);
    text.gauge("commands_waiting", "What people asked for and no engine has taken yet", totals.commands_pending);
    text.gauge("store_bytes", "Size of the store's file", sizes.store);
    text.gauge("store_log_bytes", "Size of its write-ahead log", sizes.log);
    text.gauge("evidence_bytes", "Size of the packets of alerts that are kept", stats.evidence.kept_bytes);
    if let Some(free) = sizes.free {
        text.gauge("disk_free_bytes", "What is free on the disk of the store", free);
    }
    interfaces(&mut text, stats);
    text.family("counter", "counter", "Every counter that `stats` shows, over all runs");
    for counter in &stats.counters {
        text.sample("counter_total", &[("group", counter.group), ("id", &counter.id)], counter.value);
    }
    forwarding(&mut text, &stats.forwarding);
    text.0.push_str("# EOF\n");
    text.0
}

fn interfaces(text: &mut Text, stats: &Stats) {
    for (name, help) in [
        ("interface_captured_packets", "Packets captured, over all runs"),
        ("interface_dropped_packets", "Packets lost before the sensor had them, over all runs"),
    ] {
        text.family(name, "counter", help);
        for (start, _, by) in OF_INTERFACE.iter().filter(|(_, of, _)| *of == name) {
            for counter in &stats.counters {
                let Some(interface) = counter.id.strip_prefix(start) else { continue };
                let labels = [Some(("interface", interface)), by.map(|by| ("by", by))];
                let labels: Vec<Label<'_>> = labels.into_iter().flatten().collect();
                text.sample(&format!("{name}_total"), &labels, counter.value);
            }
        }
    }
}

fn forwarding(text: &mut Text, lines: &[DestinationLine]) {
    type Value = fn(&DestinationLine) -> u64;
    const METRICS: [(&str, &str, &str, Value); 7] = [
        ("forward_waiting", "gauge", "Changes of alerts that wait for a destination", |line| line.waiting),
        ("forward_lag_seconds", "gauge", "How long the oldest of them has been waiting", |line| {
            u64::try_from(line.lag_seconds).unwrap_or(0)
        }),
        ("forward_failing", "gauge", "Whether the last try to tell a destination failed", |line| {
            u64::from(line.attempts > 0)
        }),
        ("forward_delivered", "counter", "Messages delivered", |line| line.delivered),
        ("forward_failures", "counter", "Tries that failed", |line| line.failures),
        ("forward_refused", "counter", "Messages that the destination will never take", |line| line.refused),
        ("forward_lost", "counter", "Changes that were gone before they were delivered", |line| line.lost),
    ];
    for (name, kind, help, value) in METRICS {
        text.family(name, kind, help);
        let sample = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        for line in lines {
            text.sample(&sample, &[("destination", &line.name), ("kind", &line.kind)], value(line));
        }
    }
}

/// RFC 3339 as seconds since 1970.
fn seconds(time: &str) -> Option<f64> {
    let time: Timestamp = crate::when::time(time).ok()?;
    #[allow(clippy::cast_precision_loss)]
    Some(time.0 as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_quotes() {
        let mut text = Text(String::new());
        text.family("x", "gauge", "a\nb");
        text.sample("x", &[("a", "1\"} 2\n# EOF"), ("b", "c\\")], 3);
        assert_eq!(
            text.0,
            "# TYPE ot_sensor_x gauge\n# HELP ot_sensor_x a\\nb\not_sensor_x{a=\"1\\\"} 2\\n# EOF\",b=\"c\\\\\"} 3\n"
        );
    }

    #[test]
    fn packet_time_is_a_number() {
        assert_eq!(seconds("2026-03-01T12:00:00.500000000Z"), Some(1_772_366_400.5));
        assert_eq!(seconds("yesterday"), None);
    }
}
