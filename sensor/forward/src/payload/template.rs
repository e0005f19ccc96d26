//! A text of a person with places for values: `{"text": "{{alert.severity}}: {{alert.title}}"}`.

use super::own;
use crate::settings::{Format, read_text};
use ot_views::AlertMessage;
use serde_json::Value;
use std::path::Path;

/// Bytes of a template.
const MOST: u64 = 64 << 10;

/// A text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A key of our own JSON: where it is, level by level.
    Key(Vec<String>),
    /// `happened` in words.
    Happened,
    /// The whole payload as it is.
    Payload,
}

impl Template {
    /// Reads a file.
    ///
    /// # Errors
    /// In words.
    pub fn load(path: &Path) -> Result<Self, String> {
        Self::parse(&read_text(path, MOST)?).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// Reads a text: `{{alert.title}}` stands for a key of our own JSON, written so that it can stand between the quotes of
    /// a JSON string; `{{happened}}` for what happened in words; `{{payload}}` for the payload as it is.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = own(&crate::trial::sample());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, tail)) = rest.split_once("{{") {
            let (name, after) = tail.split_once("}}").ok_or("a place is not closed; write {{alert.title}}")?;
            parts.push(Part::Text(before.to_owned()));
            let name = name.trim();
            parts.push(match name {
                "happened" => Part::Happened,
                "payload" => Part::Payload,
                _ => {
                    let path: Vec<String> = name.split('.').map(str::to_owned).collect();
                    // A list or an object may lack a key here that it has elsewhere; what stands for nothing else is a mistake.
                    let parent = path.iter().take(path.len() - 1).try_fold(&known, |value, key| value.get(key));
                    let last = path.last().map(String::as_str).unwrap_or_default();
                    if parent.and_then(|parent| parent.get(last)).is_none() {
                        return Err(format!(
                            "{{{{{name}}}}} is not known; `ot-sensor forward schema` shows the keys, and there are happened and payload"
                        ));
                    }
                    Part::Key(path)
                }
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// The text with values in place; what is null is empty.
    pub fn fill(&self, message: &AlertMessage, format: Format) -> Vec<u8> {
        let values = own(message);
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Happened => out.extend_from_slice(within(&message.happened()).as_bytes()),
                Part::Payload => out.extend_from_slice(&super::render(format, message)),
                Part::Key(path) => {
                    let found = path.iter().try_fold(&values, |value, key| value.get(key));
                    out.extend_from_slice(words(found).as_bytes());
                }
            }
        }
        out
    }
}

fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => within(text),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            list.iter().map(|item| words(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => within(&other.to_string()),
    }
}

/// Escaped as within the quotes of a JSON string.
fn within(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}
