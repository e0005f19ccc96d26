//! The fields of Microsoft Sentinel's table SecurityAlert, as an OT sensor of Defender for IoT fills them. What the table holds
//! as a list or an object stands there as the text of a JSON document, as the table has it.

use super::{MOST_TEXT, PRODUCT, VERSION, cut, host, list, object, rfc3339_millis, sensor, title, value};
use ot_views::{AlertMessage, PeerView};
use serde_json::{Value, json};

pub(super) fn object_of(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let severity = match alert.severity.as_str() {
        "critical" => "High",
        "major" => "Medium",
        "minor" => "Low",
        _ => "Informational",
    };
    let status = match alert.status.as_str() {
        "new" => "New",
        "active" => "InProgress",
        _ if alert.muted || alert.learned => "Dismissed",
        _ => "Resolved",
    };
    // As the table names them: words without spaces.
    let mut tactics: Vec<String> = Vec::new();
    for tactic in message.attack.iter().flat_map(|technique| &technique.tactics) {
        let name = tactic.name.replace(' ', "");
        if !tactics.contains(&name) {
            tactics.push(name);
        }
    }
    let compromised = alert.all_destinations().first().or(alert.all_sources().first()).map(PeerView::label);
    object([
        ("TimeGenerated", Some(rfc3339_millis(&message.time).into())),
        ("ProviderName", Some(PRODUCT.into())),
        ("VendorName", Some(PRODUCT.into())),
        ("ProductName", Some("OT sensor".into())),
        ("ProductComponentName", Some(sensor(message).into())),
        ("AlertName", value(Some(&title(message)))),
        ("DisplayName", value(Some(&title(message)))),
        ("AlertType", value(Some(&alert.kind))),
        ("AlertSeverity", Some(severity.into())),
        ("Description", value(Some(&alert.description))),
        ("Status", Some(status.into())),
        ("StartTime", Some(rfc3339_millis(&alert.first_detection).into())),
        ("EndTime", Some(rfc3339_millis(&alert.last_detection).into())),
        ("VendorOriginalId", value(Some(&alert.id))),
        ("CompromisedEntity", value(compromised.as_deref())),
        ("Tactics", value(Some(&tactics.join(", ")))),
        ("Techniques", Some(text(&json!(alert.techniques)))),
        ("Entities", Some(text(&entities(message)))),
        ("RemediationSteps", Some(text(&json!(message.remediation)))),
        ("AlertLink", value(message.link.as_deref())),
        ("ExtendedProperties", Some(text(&extended(message)))),
    ])
}

fn text(value: &Value) -> Value {
    value.to_string().into()
}

/// Devices with their addresses: the addresses are entities of their own, to which the devices refer.
fn entities(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let mut all: Vec<Value> = Vec::new();
    let sides = [("Source", alert.all_sources()), ("Destination", alert.all_destinations())];
    for (side, peer) in sides.into_iter().flat_map(|(side, peers)| peers.iter().map(move |peer| (side, peer))) {
        let mut address = None;
        if let Some(ip) = &peer.ip {
            let id = (all.len() + 1).to_string();
            all.push(json!({"$id": id, "Type": "ip", "Address": ip}));
            address = Some(json!({"$ref": id}));
        }
        let id = (all.len() + 1).to_string();
        all.push(object([
            ("$id", Some(id.into())),
            ("Type", Some("iotdevice".into())),
            ("DeviceId", Some(device_id(message, peer).into())),
            ("DeviceName", value(Some(&peer.label()))),
            ("DeviceType", value(peer.role.as_deref())),
            ("Manufacturer", value(peer.vendor.as_deref())),
            ("MacAddress", value(peer.mac.as_deref())),
            ("IpAddress", address),
            ("Protocols", list(alert.protocol.as_deref().map(Value::from).into_iter().collect())),
            ("Sensor", Some(sensor(message).into())),
            ("Site", value(peer.site.as_deref().or(alert.site.as_deref()))),
            ("Zone", value(peer.zone.as_deref())),
            ("Importance", value(peer.importance.as_deref())),
            ("Owners", list(peer.owner.as_deref().map(Value::from).into_iter().collect())),
            ("Side", Some(side.into())),
        ]));
    }
    all.into()
}

fn device_id(message: &AlertMessage, peer: &PeerView) -> String {
    match peer.device_id {
        Some(id) => format!("{}/{id}", sensor(message)),
        None => format!("{}/{}", sensor(message), peer.address()),
    }
}

fn extended(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let name = |peers: &[PeerView]| peers.first().map(|peer| host(peer).map_or_else(|| peer.address(), str::to_owned));
    let text = |text: Option<&str>| value(text);
    object([
        ("isNew", Some(message.is_new().to_string().into())),
        ("isTest", message.is_test().then(|| "true".into())),
        ("change", text(Some(&message.happened()))),
        ("messageId", text(Some(&message.id))),
        ("sensor", Some(sensor(message).into())),
        ("sensorVersion", Some(VERSION.into())),
        ("site", text(alert.site.as_deref())),
        ("zone", text(alert.zone.as_deref())),
        ("severity", text(Some(&alert.severity))),
        ("status", text(Some(&alert.status))),
        ("engine", text(Some(&alert.engine))),
        ("category", text(Some(&alert.category))),
        ("protocol", text(alert.protocol.as_deref())),
        ("outcome", text(alert.outcome.as_deref())),
        ("count", Some(alert.count.to_string().into())),
        ("source", text(name(alert.all_sources()).as_deref())),
        ("destination", text(name(alert.all_destinations()).as_deref())),
        ("why", Some(cut(&message.alert.why, MOST_TEXT).into())),
        ("by", text(message.by.as_deref())),
        ("reason", text(message.reason.as_deref())),
        ("comment", text(message.comment.as_deref())),
    ])
}
