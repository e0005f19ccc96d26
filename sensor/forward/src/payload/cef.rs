//! ArcSight Common Event Format, version 0: `CEF:0|vendor|product|version|class|name|severity|extension`.
//!
//! In the head a backslash and a bar are escaped, in the extension a backslash and an equals sign; line feeds become `\n` there.
//! Keys are those of ArcSight's dictionary, with labelled custom strings for what it has no word for.

use super::{PRODUCT, VERSION, cut, first, host, millis, one_line, sensor, title};
use ot_views::{AlertMessage, PeerView};
use std::fmt::Write as _;

pub(super) fn render(message: &AlertMessage) -> String {
    let alert = &message.alert;
    let mut out = format!("CEF:0|{PRODUCT}|{PRODUCT}|{VERSION}|");
    let _ = write!(out, "{}|{}|{}|", head(&alert.kind, 1_023), head(&title(message), 512), severity(&alert.severity));
    let mut extension = Extension { out, began: false };
    extension.number("rt", millis(&message.time));
    extension.number("start", millis(&alert.first_detection));
    extension.number("end", millis(&alert.last_detection));
    extension.number("cnt", i64::try_from(alert.count).unwrap_or(i64::MAX).min(i64::from(i32::MAX)));
    extension.text("externalId", &alert.id, 40);
    extension.text("cat", &format!("{}/{}", alert.engine, alert.category), 1_023);
    extension.text("act", &message.happened(), 63);
    extension.optional("outcome", alert.outcome.as_deref(), 63);
    extension.optional("app", alert.protocol.as_deref(), 31);
    extension.peer(first(alert.all_sources()), ["src", "smac", "shost"], ("c6a2", "Source IPv6 Address"));
    extension.peer(first(alert.all_destinations()), ["dst", "dmac", "dhost"], ("c6a3", "Destination IPv6 Address"));
    extension.text("dvchost", sensor(message), 100);
    extension.text("deviceExternalId", sensor(message), 255);
    extension.optional("request", message.link.as_deref(), 1_023);
    extension.optional("suser", message.by.as_deref(), 1_023);
    extension.optional("reason", message.reason.as_deref(), 1_023);
    extension.text("msg", message.comment.as_deref().unwrap_or(&alert.description), 1_023);
    let techniques: Vec<String> =
        message.attack.iter().map(|technique| format!("{} {}", technique.id, technique.name)).collect();
    for (key, label, text) in [
        ("cs1", "Message ID", message.id.as_str()),
        ("cs2", "Status", &alert.status),
        ("cs3", "ATT&CK for ICS", &techniques.join(", ")),
        ("cs4", "Zone", alert.zone.as_deref().unwrap_or_default()),
        ("cs5", "Site", alert.site.as_deref().unwrap_or_default()),
        ("cs6", "Why", &message.alert.why),
    ] {
        if !text.is_empty() {
            extension.text(&format!("{key}Label"), label, 1_023);
            extension.text(key, text, 4_000);
        }
    }
    extension.out
}

/// 0 to 10.
fn severity(id: &str) -> u8 {
    match id {
        "critical" => 10,
        "major" => 8,
        "minor" => 5,
        _ => 3,
    }
}

fn head(text: &str, most: usize) -> String {
    cut(&one_line(text), most).replace('\\', "\\\\").replace('|', "\\|")
}

struct Extension {
    out: String,
    began: bool,
}

impl Extension {
    fn key(&mut self, key: &str) {
        if std::mem::replace(&mut self.began, true) {
            self.out.push(' ');
        }
        self.out.push_str(key);
        self.out.push('=');
    }

    fn number(&mut self, key: &str, number: i64) {
        self.key(key);
        let _ = write!(self.out, "{number}");
    }

    fn text(&mut self, key: &str, text: &str, most: usize) {
        self.key(key);
        for letter in cut(text.trim(), most).chars() {
            match letter {
                '\\' => self.out.push_str("\\\\"),
                '=' => self.out.push_str("\\="),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\u{2028}' | '\u{2029}' => self.out.push(' '),
                other if other.is_control() => self.out.push(' '),
                other => self.out.push(other),
            }
        }
    }

    fn optional(&mut self, key: &str, text: Option<&str>, most: usize) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.text(key, text, most);
        }
    }

    fn peer(&mut self, peer: Option<&PeerView>, keys: [&str; 3], six: (&str, &str)) {
        let Some(peer) = peer else { return };
        match peer.ip.as_deref() {
            Some(ip) if ip.contains(':') => {
                self.text(&format!("{}Label", six.0), six.1, 1_023);
                self.text(six.0, ip, 64);
            }
            ip => self.optional(keys[0], ip, 64),
        }
        self.optional(keys[1], peer.mac.as_deref(), 64);
        self.optional(keys[2], host(peer), 1_023);
    }
}
