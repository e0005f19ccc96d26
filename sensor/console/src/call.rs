//! A request as a handler sees it: who asks, what for; and the answer.

use crate::app::App;
use crate::problem::Problem;
use crate::route::{Kind, Route};
use axum::body::Bytes;
use ot_protocol::Timestamp;
use ot_store::read::Reader;
use ot_store::{Scope, UserRole};
use ot_views::when::When;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name.
    pub name: String,
    /// What they may do.
    pub role: UserRole,
    /// The secret that each write of a session carries; `None` for a token.
    pub csrf: Option<String>,
    /// What a token is for; `None`: all that the role may.
    pub scopes: Option<Vec<Scope>>,
    /// SHA-256 of the session's secret.
    pub session: Option<[u8; 32]>,
}

/// A request.
#[derive(Debug)]
pub struct Call {
    /// What all requests share.
    pub app: Arc<App>,
    /// Its route.
    pub route: &'static Route,
    /// Parts of the path.
    pub path: Vec<(String, String)>,
    /// The path as it was asked for, with its query.
    pub uri: String,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub identity: Option<Identity>,
    /// From where.
    pub address: String,
    /// Whether a part of a page is asked for.
    pub partial: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Bytes of a media type.
    pub fn bytes(media: &str, body: Vec<u8>) -> Self {
        Self { status: 200, headers: vec![("content-type", media.to_owned())], body }
    }

    /// A page.
    pub fn html(body: String) -> Self {
        Self::bytes("text/html; charset=utf-8", body.into_bytes())
    }

    /// A file to keep. The name consists of letters, digits, `-` and `.`; everything else is left out.
    pub fn file(media: &str, name: &str, body: Vec<u8>) -> Self {
        let name: String =
            name.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.')).collect();
        Self::bytes(media, body).with("content-disposition", format!("attachment; filename=\"{name}\""))
    }

    /// To another page of ours.
    pub fn to(path: &str) -> Self {
        Self { status: 303, headers: vec![("location", local(path).to_owned())], body: Vec::new() }
    }

    /// With a header field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With another status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// A path of ours, else the first page: nobody is sent elsewhere.
pub fn local(path: &str) -> &str {
    let ours = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t', '\0']);
    if ours && path.is_ascii() { path } else { "/" }
}

impl Call {
    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// A part of the path that is a number.
    ///
    /// # Errors
    /// Where it is none.
    pub fn number(&self, name: &str) -> Result<u32, Problem> {
        let text = self.part(name);
        text.parse().map_err(|_| Problem::not_found(format!("{text:?} is no number of something that is here")))
    }

    /// A parameter of the query.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter, also those separated by commas.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.query.iter().filter(move |(known, _)| known == name);
        values.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Each value of a parameter as it stands.
    pub fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that is true or false.
    pub fn truth(&self, name: &str) -> Option<bool> {
        self.one(name).map(|value| value == "true")
    }

    /// The size of a page.
    pub fn limit(&self, usual: u32) -> u32 {
        self.one("limit").and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    /// A parameter that is a time.
    ///
    /// # Errors
    /// As the store's.
    pub fn time(&self, reader: &Reader, name: &str) -> Result<Option<Timestamp>, Problem> {
        match self.one(name).map(str::parse::<When>) {
            None => Ok(None),
            Some(Err(problem)) => Err(Problem::bad_request(format!("{name}: {problem}"))),
            Some(Ok(when @ When::Before(_))) => Ok(Some(when.resolve(reader.newest()?))),
            Some(Ok(when)) => Ok(Some(when.resolve(None))),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is not what is expected.
    pub fn json_body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| Problem::bad_request(format!("the body: {error}")))
    }

    /// The body as the fields of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        crate::form::parse(&self.body)
    }

    /// Who asks; nobody where everybody may.
    pub fn who(&self) -> &str {
        self.identity.as_ref().map_or("nobody", |identity| identity.name.as_str())
    }

    /// Whether who asks has this role or a higher one.
    pub fn may(&self, role: UserRole) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.role >= role)
    }

    /// An answer in JSON, with the fields that are asked for.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn json(&self, value: &impl Serialize) -> Result<Answer, Problem> {
        let fields: Vec<&str> = self.all("fields").collect();
        let body = if fields.is_empty() {
            serde_json::to_vec(value)
        } else {
            serde_json::to_value(value).and_then(|mut value| {
                select(&mut value, &fields);
                serde_json::to_vec(&value)
            })
        };
        let body = body.map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Answer::bytes("application/json", body))
    }

    /// Checks the query against the route's parameters.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn check_query(&self) -> Result<(), Problem> {
        for (name, value) in &self.query {
            let Some(parameter) = self.route.all_parameters().find(|parameter| parameter.name == name) else {
                // A link that somebody's mail program decorated still opens the page.
                if self.route.format == crate::route::Format::Page {
                    continue;
                }
                let known: Vec<&str> = self.route.all_parameters().map(|parameter| parameter.name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Problem::bad_request(format!("no parameter {name:?} here; known: {known}")));
            };
            // An empty field of a form asks for nothing.
            if value.is_empty() && !matches!(parameter.kind, Kind::Number { .. } | Kind::Truth) {
                continue;
            }
            if value.is_empty() && self.route.format == crate::route::Format::Page {
                continue;
            }
            parameter.kind.check(name, value)?;
        }
        Ok(())
    }
}

/// Keeps the keys that are asked for, of an object, of each in a list, of each in the items of a page.
fn select(value: &mut Value, fields: &[&str]) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| select(one, fields)),
        Value::Object(object) => match object.get_mut("items") {
            Some(items @ Value::Array(_)) => select(items, fields),
            _ => object.retain(|key, _| fields.contains(&key.as_str())),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(local("/alerts?status=new"), "/alerts?status=new");
        for bad in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nset-cookie: x", "/\tx"] {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn names_of_files_hold_no_paths() {
        let file = Answer::file("text/csv", "../../etc/passwd\"\r\n.csv", Vec::new());
        assert_eq!(file.headers[1].1, "attachment; filename=\"....etcpasswd.csv\"");
    }

    #[test]
    fn fields_are_selected_at_each_level() {
        let mut page = serde_json::json!({"items": [{"id": 1, "x": 2}], "next": null});
        select(&mut page, &["id"]);
        assert_eq!(page, serde_json::json!({"items": [{"id": 1}], "next": null}));
    }
}
