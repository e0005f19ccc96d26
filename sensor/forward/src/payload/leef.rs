//! QRadar Log Event Extended Format 2.0: `LEEF:2.0|vendor|product|version|event id|delimiter|attributes`.
//!
//! The format knows no escape. Attributes are parted by a tab, so a tab, and every other control character, in a value becomes
//! a space; a bar in the head becomes a slash.

use super::{PRODUCT, VERSION, cut, first, host, millis, one_line, sensor, title};
use ot_views::{AlertMessage, PeerView};

pub(super) fn render(message: &AlertMessage) -> String {
    let alert = &message.alert;
    let mut out = format!("LEEF:2.0|{PRODUCT}|{PRODUCT}|{VERSION}|{}|x09|", one_line(&alert.kind).replace('|', "/"));
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| cut(&one_line(text), 4_000));
    let techniques: Vec<&str> = alert.techniques.iter().map(String::as_str).collect();
    let of = |peer: Option<&PeerView>, part: fn(&PeerView) -> Option<&str>| text(peer.and_then(part));
    let (source, destination) = (first(alert.all_sources()), first(alert.all_destinations()));
    let pairs = [
        ("devTime", Some(millis(&message.time).to_string())),
        ("cat", text(Some(&alert.category))),
        ("sev", Some(severity(&alert.severity).to_owned())),
        ("src", of(source, |peer| peer.ip.as_deref())),
        ("dst", of(destination, |peer| peer.ip.as_deref())),
        ("srcMAC", of(source, |peer| peer.mac.as_deref())),
        ("dstMAC", of(destination, |peer| peer.mac.as_deref())),
        ("identHostName", of(source, host)),
        ("usrName", text(message.by.as_deref())),
        ("name", text(Some(&title(message)))),
        ("alertId", text(Some(&alert.id))),
        ("messageId", text(Some(&message.id))),
        ("change", text(Some(&message.happened()))),
        ("severity", text(Some(&alert.severity))),
        ("status", text(Some(&alert.status))),
        ("engine", text(Some(&alert.engine))),
        ("protocol", text(alert.protocol.as_deref())),
        ("outcome", text(alert.outcome.as_deref())),
        ("count", Some(alert.count.to_string())),
        ("sourceName", source.and_then(|peer| text(Some(&peer.label())))),
        ("destinationName", destination.and_then(|peer| text(Some(&peer.label())))),
        ("zone", text(alert.zone.as_deref())),
        ("site", text(alert.site.as_deref())),
        ("sensor", text(Some(sensor(message)))),
        ("techniques", text(Some(&techniques.join(",")))),
        ("description", text(Some(&alert.description))),
        ("why", text(Some(&message.alert.why))),
        ("reason", text(message.reason.as_deref())),
        ("comment", text(message.comment.as_deref())),
        ("url", text(message.link.as_deref())),
    ];
    let told: Vec<String> = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))).collect();
    out.push_str(&told.join("\t"));
    out
}

/// 1 to 10.
fn severity(id: &str) -> &'static str {
    match id {
        "critical" => "10",
        "major" => "8",
        "minor" => "5",
        _ => "3",
    }
}
