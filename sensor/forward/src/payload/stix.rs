//! A STIX 2.1 bundle: what was seen (observed-data of addresses and traffic), what it means (a sighting of each ATT&CK
//! technique), by whom (the identity of the sensor), and the words (a note).
//!
//! No indicator: it would need a pattern that finds the same elsewhere, and what the sensor departs from is this plant's
//! baseline. Ids follow from the content, so that a bundle that comes again changes nothing.

use super::{MOST_TEXT, PRODUCT, VERSION, cut, moment, object, rfc3339_millis, sensor, title, value};
use ot_views::{AlertMessage, PeerView};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use uuid::{Builder, Uuid};

/// Namespace of ids of observables, as the standard gives it (section 2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);
/// When the objects were made that follow from nothing that was seen.
const EPOCH: &str = "2026-01-01T00:00:00.000Z";

pub(super) fn bundle(message: &AlertMessage) -> Value {
    let alert = &message.alert;
    let made = rfc3339_millis(&alert.first_detection);
    let modified = rfc3339_millis(&message.time).max(made.clone());
    let identity = json!({
        "type": "identity", "spec_version": "2.1", "id": ours("identity", sensor(message)),
        "created": EPOCH, "modified": EPOCH, "name": sensor(message), "identity_class": "system",
        "description": format!("{PRODUCT} {VERSION}"),
    });
    let by = identity["id"].clone();
    let mut objects = vec![identity];
    let mut seen: Vec<Value> = Vec::new();
    let sides = [alert.all_sources(), alert.all_destinations()]
        .map(|peers| peers.iter().filter_map(|peer| observe(peer, &mut objects, &mut seen)).collect::<Vec<_>>());
    if let ([Some(source), ..], Some(protocol)) = (
        [sides[0].first(), sides[1].first()].as_slice(),
        alert.protocol.as_deref().filter(|_| sides.iter().all(|side| !side.is_empty())),
    ) {
        let destination = sides[1].first().unwrap_or(source);
        let protocol = service(protocol);
        let key = json!({"dst_ref": destination, "protocols": [protocol], "src_ref": source});
        let id = format!("network-traffic--{}", Uuid::new_v5(&OBSERVABLES, key.to_string().as_bytes()));
        objects.push(json!({"type": "network-traffic", "spec_version": "2.1", "id": id, "src_ref": source,
            "dst_ref": destination, "protocols": [protocol]}));
        seen.push(id.into());
    }
    let count = alert.count.clamp(1, 999_999_999);
    let (first, last) = (rfc3339_millis(&alert.first_detection), rfc3339_millis(&alert.last_detection));
    let last = if moment(&last) < moment(&first) { first.clone() } else { last };
    let observed = ours("observed-data", &alert.id);
    let mut about = Vec::new();
    if !seen.is_empty() {
        objects.push(json!({
            "type": "observed-data", "spec_version": "2.1", "id": observed, "created_by_ref": by, "created": made,
            "modified": modified, "first_observed": first, "last_observed": last, "number_observed": count,
            "object_refs": seen,
        }));
        about.push(Value::from(observed.clone()));
    }
    for technique in &message.attack {
        let pattern = ours("attack-pattern", &technique.id);
        let phases: Vec<Value> = technique
            .tactics
            .iter()
            .map(|tactic| {
                json!({"kill_chain_name": "mitre-ics-attack",
                    "phase_name": tactic.name.to_lowercase().replace(' ', "-")})
            })
            .collect();
        let name = if technique.name.is_empty() { &technique.id } else { &technique.name };
        objects.push(object([
            ("type", Some("attack-pattern".into())),
            ("spec_version", Some("2.1".into())),
            ("id", Some(pattern.clone().into())),
            ("created", Some(EPOCH.into())),
            ("modified", Some(EPOCH.into())),
            ("name", value(Some(name))),
            ("kill_chain_phases", super::list(phases)),
            (
                "external_references",
                Some(json!([object([
                    ("source_name", Some("mitre-ics-attack".into())),
                    ("external_id", value(Some(&technique.id))),
                    ("url", value(Some(&technique.url))),
                ])])),
            ),
        ]));
        let sighting = ours("sighting", &format!("{} {}", alert.id, technique.id));
        objects.push(object([
            ("type", Some("sighting".into())),
            ("spec_version", Some("2.1".into())),
            ("id", Some(sighting.clone().into())),
            ("created_by_ref", Some(by.clone())),
            ("created", Some(made.clone().into())),
            ("modified", Some(modified.clone().into())),
            ("first_seen", Some(first.clone().into())),
            ("last_seen", Some(last.clone().into())),
            ("count", Some(count.into())),
            ("sighting_of_ref", Some(pattern.into())),
            ("observed_data_refs", (!seen.is_empty()).then(|| json!([observed]))),
            ("where_sighted_refs", Some(json!([by]))),
            ("description", value(Some(&title(message)))),
        ]));
        about.push(sighting.into());
    }
    if about.is_empty() {
        about.push(by.clone());
    }
    let mut labels =
        vec![format!("severity-{}", alert.severity), format!("status-{}", alert.status), alert.kind.clone()];
    if message.is_test() {
        labels.push("test".to_owned());
    }
    objects.push(object([
        ("type", Some("note".into())),
        ("spec_version", Some("2.1".into())),
        ("id", Some(ours("note", &alert.id).into())),
        ("created_by_ref", Some(by)),
        ("created", Some(made.into())),
        ("modified", Some(modified.into())),
        ("abstract", value(Some(&title(message)))),
        (
            "content",
            Some(
                cut(&format!("{} Why: {} ({})", alert.description, message.alert.why, message.happened()), MOST_TEXT)
                    .into(),
            ),
        ),
        ("labels", Some(json!(labels))),
        ("object_refs", Some(about.into())),
        (
            "external_references",
            Some(json!([object([
                ("source_name", Some(PRODUCT.into())),
                ("external_id", value(Some(&message.id))),
                ("url", value(message.link.as_deref())),
            ])])),
        ),
    ]));
    json!({"type": "bundle", "id": ours("bundle", &message.id), "objects": objects})
}

/// The name of a protocol in IANA's registry of services, which the standard asks for.
fn service(protocol: &str) -> &str {
    match protocol {
        "modbus" => "mbap",
        "dnp3" => "dnp",
        "s7comm" | "s7comm-plus" => "iso-tsap",
        other => other,
    }
}

/// An id of our own: the standard wants version 4 of what is no observable (section 2.9), so the bits of a digest stand for
/// the random ones.
fn ours(kind: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("ot-sensor {kind} {name}").as_bytes());
    let mut bits = [0; 16];
    bits.iter_mut().zip(&digest).for_each(|(bit, byte)| *bit = *byte);
    format!("{kind}--{}", Builder::from_random_bytes(bits).into_uuid())
}

/// Adds the addresses of a side once; gives the id of that which traffic refers to.
fn observe(peer: &PeerView, objects: &mut Vec<Value>, seen: &mut Vec<Value>) -> Option<String> {
    let mut add = |kind: &str, text: &str| {
        let key = json!({"value": text}).to_string();
        let id = format!("{kind}--{}", Uuid::new_v5(&OBSERVABLES, key.as_bytes()));
        if !seen.contains(&Value::from(id.clone())) {
            objects.push(json!({"type": kind, "spec_version": "2.1", "id": id, "value": text}));
            seen.push(id.clone().into());
        }
        id
    };
    let mac = peer.mac.as_deref().map(|mac| add("mac-addr", &mac.to_lowercase()));
    let ip = peer.ip.as_deref().and_then(|text| {
        let kind = match text.parse::<IpAddr>().ok()? {
            IpAddr::V4(_) => "ipv4-addr",
            IpAddr::V6(_) => "ipv6-addr",
        };
        Some(add(kind, text))
    });
    ip.or(mac)
}
