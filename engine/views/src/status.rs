//! The status of an alert in words, the same on the command line and on pages.

use crate::alert::AlertLine;

/// Status, and how it came to it: `closed, learned until 2026-03-01 08:00:00, partly expected`.
pub fn status(alert: &AlertLine) -> String {
    let mut status = alert.status.clone();
    match (alert.learned, alert.muted) {
        (true, _) => match &alert.learned_until {
            Some(end) => {
                status.push_str(", learned until ");
                status.push_str(&end.get(..19).unwrap_or(end).replace('T', " "));
            }
            None => status.push_str(", learned"),
        },
        (false, true) => status.push_str(", muted"),
        (false, false) => {}
    }
    match (alert.expected, alert.expected_count) {
        (true, _) => status.push_str(", expected"),
        (false, 0) => {}
        (false, _) => status.push_str(", partly expected"),
    }
    status
}
