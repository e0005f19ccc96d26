//! How values are shown to people.

use crate::form;
use ot_views::{AlertLine, PeerView};

/// A field of a query.
pub fn field(name: &str, value: &str) -> String {
    form::write([(name, value)])
}

/// Day and time to the second, UTC: `2026-01-15 08:11:25`.
pub fn time(text: &str) -> String {
    text.get(..19).unwrap_or(text).replace('T', " ")
}

/// Day and time of what may not have been.
pub fn maybe_time(text: &Option<String>) -> String {
    text.as_deref().map_or_else(|| "never".to_owned(), time)
}

/// A text that may not be there.
pub fn maybe(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("")
}

/// Hours and minutes: `08:11`.
pub fn hour(text: &str) -> &str {
    text.get(11..16).unwrap_or(text)
}

/// A number with spaces between thousands.
pub fn number(value: &u64) -> String {
    let digits = value.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// Number and word: `1 packet`, `2 packets`.
pub fn plural(value: &u64, word: &str) -> String {
    format!("{} {word}{}", number(value), if *value == 1 { "" } else { "s" })
}

/// The start of an id.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Ids of words for people: `policy-violation` is `policy violation`.
pub fn word(id: &str) -> String {
    id.replace(['-', '_'], " ")
}

/// Status with how it came to it.
pub fn status(alert: &AlertLine) -> String {
    ot_views::status::status(alert)
}

/// One side of an alert in a list.
pub fn side(list: &[PeerView], count: &Option<u32>) -> String {
    match list {
        [] => "none".to_owned(),
        [one] if count.is_none_or(|count| count <= 1) => one.label(),
        [first, ..] => {
            let all = count.unwrap_or_default().max(u32::try_from(list.len()).unwrap_or(u32::MAX));
            format!("{} and {} more", first.label(), all.saturating_sub(1))
        }
    }
}

/// Seconds before or after, in words: `12 min before`.
pub fn offset(seconds: &i64) -> String {
    let (span, word) = (seconds.unsigned_abs(), if *seconds < 0 { "before" } else { "after" });
    match span {
        0 => "at the same time".to_owned(),
        1..=119 => format!("{span} s {word}"),
        120..=7_199 => format!("{} min {word}", span / 60),
        _ => format!("{} h {word}", span / 3_600),
    }
}

/// Seconds of a span, in words.
pub fn span(seconds: &i64) -> String {
    ot_views::when::show_span(seconds.saturating_mul(ot_protocol::time::SECOND))
}

/// What became of a command, in words.
pub fn outcome(outcome: &Option<String>) -> &str {
    match outcome.as_deref() {
        Some("ok") => "done: the device accepted it",
        Some("rejected") => "attempted: the device refused it",
        Some("unanswered") => "attempted: no answer was seen",
        Some("pending") => "attempted: no answer yet",
        Some(other) => other,
        None => "not a single command, or its outcome differs",
    }
}

/// A value of a query.
pub fn encode(text: &str) -> String {
    form::encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_readable() {
        assert_eq!(time("2026-01-15T08:11:25.021845000Z"), "2026-01-15 08:11:25");
        assert_eq!(number(&1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(&12), "12");
        assert_eq!(offset(&-600), "10 min before");
    }
}
