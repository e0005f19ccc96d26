//! Views as CSV (RFC 4180), for spreadsheets.

use crate::alert::AlertLine;
use crate::names::PeerView;

/// A line of cells. What a spreadsheet would take for a formula is marked as text: it may come from the network.
pub fn line<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let number = text.strip_prefix('-').is_some_and(|rest| rest.parse::<f64>().is_ok());
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Columns of a list of alerts.
pub const ALERT: [&str; 21] = [
    "id",
    "type",
    "title",
    "engine",
    "category",
    "severity",
    "status",
    "first_detection",
    "last_detection",
    "count",
    "protocol",
    "outcome",
    "sources",
    "destinations",
    "techniques",
    "site",
    "zone",
    "sensor",
    "description",
    "expected_count",
    "tickets",
];

/// The cells of an alert under [`ALERT`]; `status` in the words of who shows it.
pub fn alert(alert: &AlertLine, status: String) -> [String; 21] {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let peers = |list: &[PeerView]| list.iter().map(PeerView::label).collect::<Vec<_>>().join("; ");
    [
        alert.id.clone(),
        alert.kind.clone(),
        alert.title.clone(),
        alert.engine.clone(),
        alert.category.clone(),
        alert.severity.clone(),
        status,
        alert.first_detection.clone(),
        alert.last_detection.clone(),
        alert.count.to_string(),
        some(&alert.protocol),
        some(&alert.outcome),
        peers(alert.all_sources()),
        peers(alert.all_destinations()),
        alert.techniques.join(" "),
        some(&alert.site),
        some(&alert.zone),
        alert.sensors.join(", "),
        alert.description.clone(),
        alert.expected_count.to_string(),
        alert.tickets.join(" "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (text, written) in [
            ("plain", "plain"),
            ("-1.5", "-1.5"),
            ("-4.5", "-4.5"),
            ("-12.5", "-12.5"),
            ("-cmd", "'-cmd"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(cell(text), written);
        }
        assert_eq!(line(["a", "=b"]), "a,'=b\r\n");
    }
}
