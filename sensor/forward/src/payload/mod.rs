//! What is sent: bytes of a message, in the shape that the receiver knows. Pure; each is one line of UTF-8 without a line feed.
//!
//! What is in a message came from the network in part, so it may hold anything. JSON escapes what it must; in the others
//! control characters become spaces, and what has a meaning to the shape is escaped as the shape says.

mod cef;
mod ecs;
mod eve;
mod leef;
mod ocsf;
mod sentinel;
mod stix;
mod template;
mod text;

pub use template::Template;

use crate::settings::Format;
use ot_protocol::Timestamp;
use ot_views::{AlertMessage, PeerView};
use serde_json::{Map, Value};

/// Who makes the messages, for receivers that ask for vendor and product.
pub const PRODUCT: &str = "ot-sensor";
/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest text of a field; what is longer is cut, with an ellipsis.
const MOST_TEXT: usize = 4_000;

/// The bytes of a message.
pub fn render(format: Format, message: &AlertMessage) -> Vec<u8> {
    match format {
        Format::Json => bytes(&own(message)),
        Format::Cef => cef::render(message).into_bytes(),
        Format::Leef => leef::render(message).into_bytes(),
        Format::Text => text::render(message).into_bytes(),
        Format::Ecs => bytes(&ecs::object(message)),
        Format::Ocsf => bytes(&ocsf::object_of(message)),
        Format::Stix => bytes(&stix::bundle(message)),
        Format::Eve => bytes(&eve::object_of(message)),
        Format::Sentinel => bytes(&sentinel::object_of(message)),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Our own JSON.
fn own(message: &AlertMessage) -> Value {
    let mut value = serde_json::to_value(message).unwrap_or_default();
    cut_all(&mut value);
    value
}

fn cut_all(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > MOST_TEXT => *text = cut(text, MOST_TEXT),
        Value::Array(list) => list.iter_mut().for_each(cut_all),
        Value::Object(map) => map.values_mut().for_each(cut_all),
        _ => {}
    }
}

/// The JSON Schema of our own JSON (draft 2020-12).
pub fn schema() -> Value {
    use utoipa::{PartialSchema as _, ToSchema as _};
    let mut parts = Vec::new();
    AlertMessage::schemas(&mut parts);
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let defs: Map<String, Value> =
        parts.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())).collect();
    let mut schema = serde_json::to_value(AlertMessage::schema()).unwrap_or_default();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        object.insert("title".into(), "A message of ot-sensor about an alert".into());
        object.insert("$defs".into(), defs.into());
    }
    refer(&mut schema);
    schema
}

/// References as they are in a document of its own.
fn refer(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("#/components/schemas/") {
                *text = format!("#/$defs/{name}");
            }
        }
        Value::Array(list) => list.iter_mut().for_each(refer),
        Value::Object(map) => map.values_mut().for_each(refer),
        _ => {}
    }
}

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A text in one line: each control character, and what ends a line in Unicode, is a space.
fn one_line(text: &str) -> String {
    let ends = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    text.chars().map(|letter| if ends(letter) { ' ' } else { letter }).collect()
}

/// The time of a message.
fn moment(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

/// Milliseconds since 1970; 0 for no time.
fn millis(text: &str) -> i64 {
    moment(text).map_or(0, jiff::Timestamp::as_millisecond)
}

/// RFC 3339 with milliseconds.
fn rfc3339_millis(text: &str) -> String {
    moment(text).map_or_else(|| "1970-01-01T00:00:00.000Z".to_owned(), |time| format!("{time:.3}"))
}

/// `PeerView`s of both sides, the first of each first.
fn first(peers: &[PeerView]) -> Option<&PeerView> {
    peers.first()
}

/// A name that is not just the address again.
fn host(peer: &PeerView) -> Option<&str> {
    let name = peer.name.as_deref()?;
    (Some(name) != peer.ip.as_deref() && Some(name) != peer.mac.as_deref() && name != peer.address()).then_some(name)
}

/// What a receiver calls the sensor.
fn sensor(message: &AlertMessage) -> &str {
    message.alert.sensor.as_deref().unwrap_or(PRODUCT)
}

/// The title, marked where it is a test.
fn title(message: &AlertMessage) -> String {
    if message.is_test() { format!("TEST: {}", message.alert.title) } else { message.alert.title.clone() }
}

/// An object of what is there.
fn object<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>().into()
}

/// A text as a value, where it is there and not empty.
fn value(text: Option<&str>) -> Option<Value> {
    text.filter(|text| !text.is_empty()).map(|text| cut(text, MOST_TEXT).into())
}

/// A list as a value, where it is not empty.
fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then(|| items.into())
}

/// Parses a time that views wrote.
pub(crate) fn timestamp(text: &str) -> Timestamp {
    moment(text).map_or(Timestamp::default(), |time| Timestamp(i64::try_from(time.as_nanosecond()).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
