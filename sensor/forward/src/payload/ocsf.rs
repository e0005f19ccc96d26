//! Open Cybersecurity Schema Framework 1.3: class Detection Finding (2004), category Findings (2).

use super::{PRODUCT, VERSION, cut, host, list, millis, object, sensor, title, value};
use ot_engine::attack;
use ot_views::alert::{TacticView, TechniqueView};
use ot_views::{AlertMessage, PeerView};
use serde_json::{Value, json};

/// Of the schema.
const SCHEMA: &str = "1.3.0";
const CLASS: u32 = 2004;

pub(super) fn object_of(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let (activity, activity_name) = match (message.change.as_str(), alert.status.as_str()) {
        ("opened" | "test", _) => (1, "Create"),
        ("status", "closed") => (3, "Close"),
        _ => (2, "Update"),
    };
    let (status, status_name) = match alert.status.as_str() {
        "new" => (1, "New"),
        "active" => (2, "In Progress"),
        _ if alert.muted => (3, "Suppressed"),
        _ => (4, "Resolved"),
    };
    let (severity, severity_name) = match alert.severity.as_str() {
        "critical" => (5, "Critical"),
        "major" => (4, "High"),
        "minor" => (3, "Medium"),
        _ => (2, "Low"),
    };
    let attacks: Vec<Value> =
        message.attack.iter().flat_map(|one| one.tactics.iter().map(move |tactic| attack_of(one, tactic))).collect();
    let (source, destination) = (alert.all_sources().first(), alert.all_destinations().first());
    let evidence = object([
        ("src_endpoint", source.map(endpoint)),
        ("dst_endpoint", destination.map(endpoint)),
        ("data", Some(json!({"description": cut(&alert.description, super::MOST_TEXT)}))),
    ]);
    object([
        ("activity_id", Some(activity.into())),
        ("activity_name", Some(activity_name.into())),
        ("category_uid", Some(2.into())),
        ("category_name", Some("Findings".into())),
        ("class_uid", Some(CLASS.into())),
        ("class_name", Some("Detection Finding".into())),
        ("type_uid", Some((CLASS * 100 + activity).into())),
        ("type_name", Some(format!("Detection Finding: {activity_name}").into())),
        ("severity_id", Some(severity.into())),
        ("severity", Some(severity_name.into())),
        ("status_id", Some(status.into())),
        ("status", Some(status_name.into())),
        ("time", Some(millis(&message.time).into())),
        ("start_time", Some(millis(&alert.first_detection).into())),
        ("end_time", Some(millis(&alert.last_detection).into())),
        ("count", Some(alert.count.into())),
        ("message", value(Some(&alert.description))),
        ("comment", value(message.comment.as_deref().or(message.reason.as_deref()))),
        (
            "metadata",
            Some(json!({
                "version": SCHEMA,
                "uid": message.id,
                "sequence": message.sequence,
                "log_name": "alerts",
                "log_provider": sensor(message),
                "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION},
            })),
        ),
        (
            "finding_info",
            Some(object([
                ("uid", value(Some(&alert.id))),
                ("title", value(Some(&title(message)))),
                ("desc", value(Some(&message.alert.why))),
                ("types", Some(json!([alert.kind, alert.category]))),
                ("first_seen_time", Some(millis(&alert.first_detection).into())),
                ("last_seen_time", Some(millis(&alert.last_detection).into())),
                ("created_time", Some(millis(&alert.first_detection).into())),
                ("modified_time", Some(millis(&message.time).into())),
                ("src_url", value(message.link.as_deref())),
                (
                    "analytic",
                    Some(json!({"name": alert.kind, "uid": alert.kind, "type_id": 1, "type": "Rule",
                    "category": alert.engine})),
                ),
                ("attacks", list(attacks)),
            ])),
        ),
        ("evidences", Some(json!([evidence]))),
        ("remediation", value(Some(&message.remediation.join("\n"))).map(|desc| json!({"desc": desc}))),
        (
            "unmapped",
            Some(object([
                ("change", value(Some(&message.happened()))),
                ("status", value(Some(&alert.status))),
                ("severity", value(Some(&alert.severity))),
                ("protocol", value(alert.protocol.as_deref())),
                ("outcome", value(alert.outcome.as_deref())),
                ("by", value(message.by.as_deref())),
                ("site", value(alert.site.as_deref())),
                ("zone", value(alert.zone.as_deref())),
                ("is_test", message.is_test().then(|| true.into())),
            ])),
        ),
    ])
}

fn attack_of(technique: &TechniqueView, tactic: &TacticView) -> Value {
    json!({
        "version": attack::VERSION,
        "tactic": {"uid": tactic.id, "name": tactic.name},
        "technique": {"uid": technique.id, "name": technique.name},
    })
}

fn endpoint(peer: &PeerView) -> Value {
    object([
        ("ip", value(peer.ip.as_deref())),
        ("mac", value(peer.mac.as_deref())),
        ("name", value(host(peer))),
        ("zone", value(peer.zone.as_deref())),
        ("uid", peer.device_id.map(|id| id.to_string().into())),
    ])
}
