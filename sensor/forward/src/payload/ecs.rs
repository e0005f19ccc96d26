//! Elastic Common Schema 9.4.

use super::{PRODUCT, VERSION, host, list, rfc3339_millis, sensor, title, value};
use ot_views::{AlertMessage, PeerView};
use serde_json::{Value, json};

fn of_peer(peer: &PeerView) -> Value {
    super::object([
        ("address", value(Some(&peer.address()))),
        ("ip", value(peer.ip.as_deref())),
        ("mac", value(peer.mac.as_deref().map(mac).as_deref())),
        ("domain", value(host(peer))),
    ])
}

pub(super) fn object(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let peers = || alert.all_sources().iter().chain(alert.all_destinations());
    let mut ips: Vec<&str> = peers().filter_map(|peer| peer.ip.as_deref()).collect();
    let mut hosts: Vec<&str> = peers().filter_map(host).collect();
    for each in [&mut ips, &mut hosts] {
        each.sort_unstable();
        each.dedup();
    }
    let texts = |texts: Vec<&str>| list(texts.into_iter().map(Value::from).collect());
    let mut tactics: Vec<&ot_views::alert::TacticView> = Vec::new();
    for tactic in message.attack.iter().flat_map(|technique| &technique.tactics) {
        if !tactics.contains(&tactic) {
            tactics.push(tactic);
        }
    }
    let threat = (!message.attack.is_empty()).then(|| {
        let of_techniques = |part: fn(&ot_views::alert::TechniqueView) -> &str| -> Value {
            message.attack.iter().map(|technique| Value::from(part(technique))).collect::<Vec<_>>().into()
        };
        let of_tactics = |part: fn(&ot_views::alert::TacticView) -> &str| -> Value {
            tactics.iter().map(|tactic| Value::from(part(tactic))).collect::<Vec<_>>().into()
        };
        json!({
            "framework": "MITRE ATT&CK",
            "technique": {
                "id": of_techniques(|technique| &technique.id),
                "name": of_techniques(|technique| &technique.name),
                "reference": of_techniques(|technique| &technique.url),
            },
            "tactic": {
                "id": of_tactics(|tactic| &tactic.id),
                "name": of_tactics(|tactic| &tactic.name),
                "reference": of_tactics(|tactic| &tactic.url),
            },
        })
    });
    let outcome = match alert.outcome.as_deref() {
        Some("ok") => "success",
        Some("rejected") => "failure",
        _ => "unknown",
    };
    let labels = super::object([
        ("status", value(Some(&alert.status))),
        ("severity", value(Some(&alert.severity))),
        ("change", value(Some(&message.change))),
        ("happened", value(Some(&message.happened()))),
        ("alert_id", value(Some(&alert.id))),
        ("site", value(alert.site.as_deref())),
        ("zone", value(alert.zone.as_deref())),
        ("importance", value(alert.importance.as_deref())),
        ("comment", value(message.comment.as_deref())),
        ("is_test", message.is_test().then(|| "true".into())),
    ]);
    let user = message.by.as_deref().filter(|who| *who != "sensor");
    super::object([
        ("@timestamp", Some(rfc3339_millis(&message.time).into())),
        ("ecs", Some(json!({"version": "9.4.0"}))),
        ("message", value(Some(&alert.description))),
        (
            "event",
            Some(super::object([
                ("kind", Some("alert".into())),
                ("category", Some(json!(["intrusion_detection", "network"]))),
                ("type", Some(json!(["info"]))),
                ("id", value(Some(&message.id))),
                ("module", Some("ot_sensor".into())),
                ("dataset", Some("ot_sensor.alert".into())),
                ("provider", value(Some(&alert.engine))),
                ("code", value(Some(&alert.kind))),
                ("action", Some(format!("alert-{}", message.change).into())),
                ("severity", Some(severity(&alert.severity).into())),
                ("outcome", Some(outcome.into())),
                ("reason", value(message.reason.as_deref().or(Some(&message.alert.why)))),
                ("start", Some(rfc3339_millis(&alert.first_detection).into())),
                ("end", Some(rfc3339_millis(&alert.last_detection).into())),
                ("sequence", Some(message.sequence.into())),
                ("url", value(message.link.as_deref())),
            ])),
        ),
        (
            "rule",
            Some(super::object([
                ("id", value(Some(&alert.kind))),
                ("name", value(Some(&title(message)))),
                ("category", value(Some(&alert.category))),
                ("description", value(Some(&message.why_it_matters))),
                ("ruleset", value(Some(&alert.engine))),
            ])),
        ),
        ("threat", threat),
        ("source", alert.all_sources().first().map(of_peer)),
        ("destination", alert.all_destinations().first().map(of_peer)),
        ("network", alert.protocol.as_deref().map(|protocol| json!({"protocol": protocol}))),
        (
            "observer",
            Some(json!({"type": "sensor", "vendor": PRODUCT, "product": PRODUCT, "version": VERSION,
                "name": sensor(message)})),
        ),
        (
            "related",
            Some(super::object([("ip", texts(ips)), ("hosts", texts(hosts)), ("user", user.map(|who| json!([who])))])),
        ),
        ("user", user.map(|who| json!({"name": who}))),
        ("labels", Some(labels)),
        ("tags", list(if message.is_test() { vec!["test".into()] } else { Vec::new() })),
    ])
}

/// As ECS writes them: capital letters and dashes.
fn mac(text: &str) -> String {
    text.to_uppercase().replace(':', "-")
}

/// As of Elastic's detection rules: 21, 47, 73, 99.
fn severity(id: &str) -> u8 {
    match id {
        "critical" => 99,
        "major" => 73,
        "minor" => 47,
        _ => 21,
    }
}
