//! The report of an alert: one HTML page that needs nothing else, to be read on a screen or on paper.

use super::Case;
use crate::commands::story::{expected_words, kept, outcome_words};
use crate::output::{clean, short_time};
use ot_engine::attack;
use ot_views::PeerView;
use ot_views::status::status;
use std::fmt::Write as _;

/// Rows of the timeline shown; all are in `timeline.json`.
const TIMELINE: usize = 200;

const STYLE: &str = "body{font:11pt/1.45 system-ui,sans-serif;color:#111;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;border-bottom:1px solid #999;margin-top:1.8rem;\
break-after:avoid}table{border-collapse:collapse;width:100%;font-size:.9em}th,td{text-align:left;vertical-align:top;\
padding:.2rem .6rem .2rem 0;border-bottom:1px solid #ddd;overflow-wrap:anywhere}th{font-weight:600;white-space:nowrap}\
tr{break-inside:avoid}.severity{display:inline-block;padding:.1rem .5rem;border:2px solid #111;font-weight:700}\
.critical{border-color:#b00020;color:#b00020}.major{border-color:#b35900;color:#b35900}code{font-size:.9em}\
.faint{color:#555;font-size:.9em}@media print{body{margin:0;max-width:none}}";

/// The page.
pub fn html(case: &Case) -> String {
    let mut page = Page::default();
    let alert = &case.alert;
    let line = &alert.line;
    page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    page.text(&format!("Alert {}: {}", line.id, line.title));
    page.raw("</title><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
    page.raw(&format!("<style>{STYLE}</style></head><body>\n<h1>"));
    page.text(&line.title);
    page.raw("</h1>\n<p><span class=\"severity ");
    page.text(&line.severity);
    page.raw("\">");
    page.text(&line.severity.to_uppercase());
    page.raw("</span> ");
    page.text(&format!("status {}; alert {}", status(line), line.id));
    for sentence in expected_words(alert) {
        page.text(&sentence);
    }
    page.raw("</p>\n");

    page.heading("What happened");
    page.paragraph(&line.description);
    page.raw("<table>\n");
    if let Some(outcome) = &line.outcome {
        page.fact("Outcome", &outcome_words(outcome, alert.outcome_detail.as_deref()));
    }
    page.fact("First seen", &line.first_detection);
    page.fact("Last seen", &line.last_detection);
    page.fact("How often", &line.count.to_string());
    for (name, value) in
        [("Protocol", &line.protocol), ("Site", &line.site), ("Zone", &line.zone), ("Sensor", &line.sensor)]
    {
        if let Some(value) = value {
            page.fact(name, value);
        }
    }
    page.fact("Alert type", &format!("{} ({}, {})", line.kind, line.engine, line.category));
    page.raw("</table>\n");

    page.heading("Devices");
    let peers = |list: &[PeerView], side: &str| -> Vec<Vec<String>> {
        list.iter()
            .map(|peer| {
                vec![
                    side.to_owned(),
                    peer.label(),
                    peer.mac.clone().unwrap_or_default(),
                    peer.role.clone().unwrap_or_default(),
                    peer.vendor.clone().unwrap_or_default(),
                    peer.zone.clone().unwrap_or_default(),
                    peer.importance.clone().unwrap_or_default(),
                ]
            })
            .collect()
    };
    let mut rows = peers(line.all_sources(), "source");
    rows.extend(peers(line.all_destinations(), "destination"));
    page.table(&["Side", "Device", "MAC", "Role", "Vendor", "Zone", "Importance"], &rows);

    page.heading("Why it was noticed");
    page.paragraph(&alert.line.why);
    page.paragraph(&alert.why_it_matters);

    if !alert.violations.is_empty() {
        page.heading(&format!("Violations ({})", alert.violation_count));
        let rows: Vec<Vec<String>> = alert
            .violations
            .iter()
            .map(|violation| {
                vec![
                    violation.number.to_string(),
                    short_time(&violation.first_seen),
                    violation.count.to_string(),
                    violation.function.clone(),
                    violation.object.clone(),
                    violation.value.clone(),
                    violation.outcome_detail.clone().or_else(|| violation.outcome.clone()).unwrap_or_default(),
                    violation.frame.as_ref().map_or_else(String::new, |frame| frame.number.to_string()),
                    violation.detail.clone(),
                ]
            })
            .collect();
        page.table(&["#", "First (UTC)", "Count", "Function", "Object", "Value", "Outcome", "Frame", "Detail"], &rows);
    }

    page.heading("Packets");
    match &case.no_packets {
        None => {
            page.paragraph(&format!(
                "{}. They are in packets.pcapng; the ones that made the alert carry a comment (filter frame.comment in \
                 Wireshark).",
                kept(&alert.evidence)
            ));
            if let Some(reason) = &alert.evidence.reason {
                page.paragraph(&format!("Not all: {reason}."));
            }
        }
        Some(why) => page.paragraph(&format!("None in this archive: {why}.")),
    }
    let rows: Vec<Vec<String>> =
        line.frames.iter().map(|frame| vec![frame.file.clone(), frame.number.to_string()]).collect();
    if !rows.is_empty() {
        page.table(&["Capture", "Frame"], &rows);
    }

    if !alert.attack.is_empty() {
        page.heading(&format!("MITRE ATT&CK for ICS {}", attack::VERSION));
        let rows: Vec<Vec<String>> = alert
            .attack
            .iter()
            .map(|technique| {
                let tactics: Vec<&str> = technique.tactics.iter().map(|tactic| tactic.name.as_str()).collect();
                vec![technique.id.clone(), technique.name.clone(), tactics.join(", "), technique.url.clone()]
            })
            .collect();
        page.table(&["Technique", "Name", "Tactics", "Page"], &rows);
    }

    page.heading("Related alerts of these devices");
    if alert.related.is_empty() {
        page.paragraph("None from one hour before to one hour after.");
    } else {
        let rows: Vec<Vec<String>> = alert
            .related
            .iter()
            .map(|other| {
                vec![
                    short_time(&other.first_detection),
                    format!("{:+} s", other.offset_seconds),
                    other.severity.clone(),
                    other.title.clone(),
                    other.techniques.join(" "),
                    other.shared.join(", "),
                    other.id.clone(),
                ]
            })
            .collect();
        page.table(&["Time (UTC)", "From this", "Severity", "Title", "ATT&CK", "Shared", "Id"], &rows);
        if alert.tactic_path.len() > 1 {
            let path: Vec<&str> = alert.tactic_path.iter().map(|tactic| tactic.name.as_str()).collect();
            page.paragraph(&format!("Path: {}", path.join(" → ")));
        }
    }

    page.heading("Timeline, ten minutes before to ten minutes after");
    let shown = case.timeline.iter().take(TIMELINE);
    let rows: Vec<Vec<String>> =
        shown.map(|event| vec![short_time(&event.time), event.kind.clone(), event.text.clone()]).collect();
    page.table(&["Time (UTC)", "Event", "What"], &rows);
    if case.timeline.len() > TIMELINE {
        page.paragraph(&format!("{} more are in timeline.json.", case.timeline.len() - TIMELINE));
    }

    page.heading("What to do");
    page.raw("<ol>\n");
    for step in &alert.remediation {
        page.raw("<li>");
        page.text(step);
        page.raw("</li>\n");
    }
    page.raw("</ol>\n");
    if !alert.false_alarms.is_empty() {
        page.paragraph(&format!("Usual false alarms: {}", alert.false_alarms));
    }

    page.heading("History");
    if alert.history.is_empty() {
        page.paragraph("Nobody has acted on it yet.");
    } else {
        let rows: Vec<Vec<String>> = alert
            .history
            .iter()
            .map(|step| {
                vec![
                    short_time(&step.time),
                    step.who.clone(),
                    step.action.clone(),
                    step.detail.clone(),
                    step.why.clone(),
                ]
            })
            .collect();
        page.table(&["Time (UTC)", "Who", "Action", "Detail", "Why"], &rows);
    }

    page.raw("<p class=\"faint\">");
    page.text(&format!(
        "Made by ot-sensor {}. Times are UTC: of packets, and in the history of people. The files beside this report hold all \
         of it; SHA256SUMS holds their hashes. {}",
        env!("CARGO_PKG_VERSION"),
        attack::NOTICE
    ));
    page.raw("</p>\n</body></html>\n");
    page.0
}

/// HTML under construction. Text is escaped: it may come from the network.
#[derive(Default)]
struct Page(String);

impl Page {
    fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn text(&mut self, text: &str) {
        for letter in clean(text).chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.raw("<h2>");
        self.text(text);
        self.raw("</h2>\n");
    }

    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.raw("<p>");
            self.text(text);
            self.raw("</p>\n");
        }
    }

    fn fact(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, "<tr><th>{name}</th><td>");
        self.text(value);
        self.raw("</td></tr>\n");
    }

    fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        self.raw("<table>\n<tr>");
        for title in header {
            let _ = write!(self.0, "<th>");
            self.text(title);
            self.raw("</th>");
        }
        self.raw("</tr>\n");
        for row in rows {
            self.raw("<tr>");
            for cell in row {
                self.raw("<td>");
                self.text(cell);
                self.raw("</td>");
            }
            self.raw("</tr>\n");
        }
        self.raw("</table>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_is_no_markup() {
        let mut page = Page::default();
        page.paragraph("<script>alert('x')</script>\u{202e}&\"");
        assert_eq!(page.0, "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{fffd}&amp;&quot;</p>\n");
    }
}
