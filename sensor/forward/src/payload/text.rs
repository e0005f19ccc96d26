//! A line for people.

use super::{MOST_TEXT, cut, one_line, sensor, title};
use ot_views::AlertMessage;

pub(super) fn render(message: &AlertMessage) -> String {
    let alert = &message.alert;
    let side = |peers: &[ot_views::PeerView]| match peers {
        [] => None,
        [one] => Some(one.label()),
        [one, rest @ ..] => Some(format!("{} and {} more", one.label(), rest.len())),
    };
    let mut parts = vec![format!("{} {}: {}", alert.severity.to_uppercase(), title(message), message.happened())];
    match (side(alert.all_sources()), side(alert.all_destinations())) {
        (Some(source), Some(destination)) => parts.push(format!("{source} -> {destination}")),
        (Some(one), None) | (None, Some(one)) => parts.push(one),
        (None, None) => {}
    }
    parts.push(alert.description.clone());
    parts.extend(message.comment.as_ref().map(|comment| format!("comment: {comment}")));
    parts.extend(message.reason.as_ref().map(|reason| format!("reason: {reason}")));
    if !alert.techniques.is_empty() {
        parts.push(alert.techniques.join(" "));
    }
    parts.push(format!("status {}, sensor {}, message {}", alert.status, sensor(message), message.id));
    parts.extend(message.link.clone());
    parts.iter().map(|part| cut(&one_line(part), MOST_TEXT)).collect::<Vec<_>>().join(" | ")
}
