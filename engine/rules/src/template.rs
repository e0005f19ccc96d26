//! The message of a rule: text with values in braces.

use crate::vocabulary::{Field, Vocabulary};

/// A message with places for values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Field(Field),
    Word(&'static str),
}

/// What a message can name beside fields.
pub const WORDS: [&str; 7] = ["source", "destination", "client", "server", "count", "time", "payload"];

impl Template {
    /// Reads a text: `{modbus.regval_uint16}` stands for the value of a field, `{{` for a brace.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(at);
            plain.push_str(before);
            if let Some(more) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
                plain.push_str(tail.get(..1).unwrap_or_default());
                rest = more;
                continue;
            }
            let Some((name, more)) = tail.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
                return Err("a brace is not closed; write {field}, and {{ or }} for a brace itself".to_owned());
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(match WORDS.iter().find(|word| **word == name) {
                Some(word) => Part::Word(word),
                None => Part::Field(
                    vocabulary
                        .field(name)
                        .map(|(field, _)| field)
                        .map_err(|problem| format!("{problem}; beside fields there are {}", WORDS.join(", ")))?,
                ),
            });
            rest = more;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The fields it names.
    pub(crate) fn fields(&self, into: &mut Vec<Field>) {
        for part in &self.parts {
            if let Part::Field(field) = part
                && !into.contains(field)
            {
                into.push(*field);
            }
        }
    }

    /// The text with values in place; what is not there is a dash.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field(field) => text.push_str(value(field.name()).as_deref().unwrap_or("–")),
                Part::Word(word) => text.push_str(value(word).as_deref().unwrap_or("–")),
            }
        }
        text
    }

    /// Whether it shows the payload.
    pub(crate) fn shows_payload(&self) -> bool {
        self.parts.contains(&Part::Word("payload"))
    }
}
