//! One marked message to a destination, for the person who sets it up.

use crate::destination::{SendError, open};
use crate::payload;
use crate::settings::{Destination, Target};
use ot_protocol::Timestamp;
use ot_views::alert::technique;
use ot_views::{AlertLine, AlertMessage, PeerView, SCHEMA};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Id of the message.
    pub id: String,
    /// What was sent.
    pub payload: String,
    /// What is known of its arrival.
    pub answer: String,
}

/// Sends one marked message. Neither the store nor its outbox know of it.
///
/// # Errors
/// What went wrong, and what to do.
pub fn try_out(
    destination: &Destination,
    sensor: &str,
    console: Option<&str>,
    now: Timestamp,
) -> Result<Tried, SendError> {
    let mut message = sample();
    let time = now.to_string();
    message.change = "test".to_owned();
    message.id = format!("test-{}", now.0);
    message.link = console.map(|base| format!("{}/", base.trim_end_matches('/')));
    message.alert.sensor = Some(sensor.to_owned());
    (message.time, message.alert.first_detection) = (time.clone(), time.clone());
    message.alert.last_detection = time;
    let mut sink = open(destination)?;
    let sent = String::from_utf8_lossy(&payload::render(destination.format, &message)).into_owned();
    sink.send(&message)?;
    sink.flush()?;
    sink.finish()?;
    let answer = match &destination.target {
        Target::Syslog(syslog) => match syslog.transport {
            crate::settings::Transport::Udp => {
                "sent; UDP tells nobody whether it arrived: look for it at the receiver".to_owned()
            }
            _ => "sent; the receiver kept the connection or ended it in order: look for it there".to_owned(),
        },
        Target::Webhook(_) => "the receiver took it".to_owned(),
        Target::Nats(_) => "the stream stored it".to_owned(),
        Target::File(file) => format!("written to {}", file.path.display()),
    };
    Ok(Tried { id: message.id, payload: sent, answer })
}

/// A message as they are.
pub(crate) fn sample() -> AlertMessage {
    let peer = |id: u32, name: &str, ip: &str, mac: &str, role: &str| PeerView {
        device_id: Some(id),
        name: Some(name.to_owned()),
        ip: Some(ip.to_owned()),
        mac: Some(mac.to_owned()),
        sub_address: None,
        role: Some(role.to_owned()),
        vendor: Some("Example Automation".to_owned()),
        zone: Some("cell 1".to_owned()),
        site: Some("example site".to_owned()),
        importance: Some("high".to_owned()),
        owner: None,
        location: None,
        authorised: None,
        tags: Vec::new(),
    };
    let time = "2026-01-15T08:11:25.021845000Z".to_owned();
    let techniques = ["T0848", "T0855"];
    let attack: Vec<_> = techniques.iter().map(|id| technique(id)).collect();
    let mut tactics: Vec<String> = Vec::new();
    for tactic in attack.iter().flat_map(|technique| &technique.tactics) {
        if !tactics.contains(&tactic.id) {
            tactics.push(tactic.id.clone());
        }
    }
    AlertMessage {
        schema: SCHEMA,
        id: "3f2a91c43f2a91c43f2a91c43f2a91c4-1".to_owned(),
        sequence: 1,
        change: "opened".to_owned(),
        before: None,
        time: time.clone(),
        by: None,
        reason: None,
        comment: None,
        link: None,
        outbox: None,
        committed: Some(time.clone()),
        alert: AlertLine {
            schema: SCHEMA,
            id: "3f2a91c43f2a91c43f2a91c43f2a91c4".to_owned(),
            kind: "new-master".to_owned(),
            title: "New master or client commands a controller".to_owned(),
            engine: "policy-violation".to_owned(),
            category: "unauthorised-communication".to_owned(),
            severity: "critical".to_owned(),
            status: "new".to_owned(),
            learned: false,
            learned_until: None,
            muted: false,
            closed: None,
            first_detection: time.clone(),
            last_detection: time,
            count: 1,
            expected: false,
            expected_count: 0,
            tickets: Vec::new(),
            protocol: Some("modbus".to_owned()),
            outcome: Some("ok".to_owned()),
            source: Some(peer(8, "LAPTOP-7", "192.0.2.66", "00:e0:4c:10:20:66", "workstation")),
            sources: None,
            source_count: None,
            destination: Some(peer(5, "PLC press 3", "192.0.2.11", "00:80:f4:10:20:11", "controller")),
            destinations: None,
            destination_count: None,
            techniques: techniques.iter().map(|&id| id.to_owned()).collect(),
            tactics,
            description:
                "192.0.2.66 commanded 192.0.2.11 unit 1 for the first time: Write Single Coil (function 5) on \
                          coil 3 with off; the device accepted it. This is an example, nothing of it happened."
                    .to_owned(),
            why: "Until now 192.0.2.11 was used by others; 192.0.2.66 never wrote to it or controlled it.".to_owned(),
            site: Some("example site".to_owned()),
            zone: Some("cell 1".to_owned()),
            importance: Some("high".to_owned()),
            sensor: Some("ot-sensor".to_owned()),
            sensors: vec!["ot-sensor".to_owned()],
            frames: Vec::new(),
        },
        outcome_detail: None,
        attack,
        why_it_matters: "Whoever commands a controller moves the plant.".to_owned(),
        false_alarms: "A new workstation that nobody told the sensor of.".to_owned(),
        remediation: vec!["This is a test message: nothing is to be done.".to_owned()],
        violations: Vec::new(),
        violation_count: 0,
    }
}
