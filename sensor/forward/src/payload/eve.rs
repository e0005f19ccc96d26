//! Suricata's EVE JSON, event type `alert`: for tools that read it. What it has no word for stands under `ot_sensor`.

use super::{host, list, moment, object, sensor, title, value};
use ot_views::{AlertMessage, PeerView};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(super) fn object_of(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let (source, destination) = (alert.all_sources().first(), alert.all_destinations().first());
    let ip = |peer: Option<&PeerView>| value(peer.and_then(|peer| peer.ip.as_deref()));
    let texts = |texts: Vec<&str>| list(texts.into_iter().map(Value::from).collect());
    let tactics: Vec<&str> =
        message.attack.iter().flat_map(|technique| &technique.tactics).map(|tactic| tactic.name.as_str()).collect();
    let names: Vec<&str> = message.attack.iter().map(|technique| technique.name.as_str()).collect();
    let ids: Vec<&str> = alert.techniques.iter().map(String::as_str).collect();
    object([
        ("timestamp", Some(time(&message.time).into())),
        ("event_type", Some("alert".into())),
        ("host", Some(sensor(message).into())),
        ("src_ip", ip(source)),
        ("dest_ip", ip(destination)),
        ("proto", Some("TCP".into()).filter(|_| alert.protocol.is_some())),
        ("app_proto", value(alert.protocol.as_deref())),
        (
            "ether",
            Some(object([
                ("src_mac", value(source.and_then(|peer| peer.mac.as_deref()))),
                ("dest_mac", value(destination.and_then(|peer| peer.mac.as_deref()))),
            ])),
        ),
        (
            "alert",
            Some(object([
                ("action", Some("allowed".into())),
                ("gid", Some(GENERATOR.into())),
                ("signature_id", Some(signature_id(&alert.kind).into())),
                ("rev", Some(1.into())),
                ("signature", value(Some(&title(message)))),
                ("category", value(Some(&alert.category))),
                ("severity", Some(severity(&alert.severity).into())),
                (
                    "metadata",
                    Some(object([
                        ("mitre_technique_id", texts(ids)),
                        ("mitre_technique_name", texts(names)),
                        ("mitre_tactic_name", texts(tactics)),
                        ("signature_severity", Some(json!([alert.severity]))),
                    ])),
                ),
            ])),
        ),
        (
            "ot_sensor",
            Some(object([
                ("message_id", value(Some(&message.id))),
                ("alert_id", value(Some(&alert.id))),
                ("type", value(Some(&alert.kind))),
                ("engine", value(Some(&alert.engine))),
                ("severity", value(Some(&alert.severity))),
                ("status", value(Some(&alert.status))),
                ("change", value(Some(&message.change))),
                ("happened", value(Some(&message.happened()))),
                ("description", value(Some(&alert.description))),
                ("why", value(Some(&message.alert.why))),
                ("count", Some(alert.count.into())),
                ("source", value(source.and_then(host))),
                ("destination", value(destination.and_then(host))),
                ("zone", value(alert.zone.as_deref())),
                ("site", value(alert.site.as_deref())),
                ("comment", value(message.comment.as_deref())),
                ("link", value(message.link.as_deref())),
                ("test", message.is_test().then(|| true.into())),
            ])),
        ),
    ])
}

/// A generator that Suricata does not use itself.
const GENERATOR: u32 = 4_711;

/// A number for an alert type that stays: from the range that is free for local rules.
pub(super) fn signature_id(kind: &str) -> u32 {
    let digest = Sha256::digest(kind.as_bytes());
    let number = digest.iter().take(3).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    1_000_000 + number % 1_000_000
}

/// 1 is the most severe, as Suricata counts.
fn severity(id: &str) -> u8 {
    match id {
        "critical" => 1,
        "major" => 2,
        "minor" => 3,
        _ => 4,
    }
}

/// As Suricata writes it: microseconds, and the zone without a colon.
fn time(text: &str) -> String {
    moment(text).map_or_else(
        || "1970-01-01T00:00:00.000000+0000".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000").to_string(),
    )
}
