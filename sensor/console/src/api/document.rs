//! The OpenAPI 3.1 document, made from the routes and the types that they take and give.

use crate::problem::ProblemView;
use crate::route::{Access, Format, Returns, Route, Shape};
use crate::routes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use utoipa::openapi::{RefOr, Schema};

/// The document as JSON.
pub fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| serde_json::to_vec_pretty(&document()).unwrap_or_default())
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let problem = schemas.reference(Shape::of::<ProblemView<'static>>());
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes::all().filter(|route| route.format == Format::Api) {
        let operation = operation(route, &mut schemas, &problem);
        paths.entry(route.path).or_default().insert(route.method.as_str().to_owned(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ot-sensor",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Alerts, devices, baseline and timeline of a passive OT network sensor",
            "description": "Times are RFC 3339 in UTC; packet time, unless a key says otherwise. Errors are problem \
                details (RFC 9457). Answers to GET carry an ETag. Writes may carry an Idempotency-Key: the same request \
                with the same key is done once.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.all,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer",
                    "description": "A token made by `ot-sensor user token`"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-ot-session",
                    "description": "A session of the console; writes carry X-CSRF-Token as well"},
            },
        },
    })
}

#[derive(Default)]
struct Schemas {
    all: BTreeMap<String, RefOr<Schema>>,
}

impl Schemas {
    fn reference(&mut self, shape: Shape) -> Value {
        let name = (shape.name)();
        if !self.all.contains_key(&name) {
            self.all.insert(name.clone(), (shape.schema)());
            let mut others = Vec::new();
            (shape.others)(&mut others);
            self.all.extend(others);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }
}

fn operation(route: &Route, schemas: &mut Schemas, problem: &Value) -> Value {
    let mut parameters: Vec<Value> = route
        .path_names()
        .map(|name| {
            let schema = match name {
                "version" | "act" | "command" | "window" => {
                    json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
                }
                "id" => json!({"type": "string", "pattern": "^[0-9a-fA-F]{4,32}$"}),
                _ => json!({"type": "string", "minLength": 1, "maxLength": 256}),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    parameters.extend(route.all_parameters().map(|parameter| {
        json!({"name": parameter.name, "in": "query", "required": false, "description": parameter.doc,
            "schema": parameter.kind.schema()})
    }));
    if route.writes() {
        parameters.push(json!({"name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same request with the same key is done once",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}}));
    }
    let json_of = |schema: Value| json!({"application/json": {"schema": schema}});
    let chosen = route.all_parameters().any(|parameter| parameter.name == "fields");
    let mut of = |shape: Shape| {
        let whole = schemas.reference(shape);
        if !chosen {
            return whole;
        }
        json!({"anyOf": [whole, {"type": "object", "description": "The keys that `fields` names"}]})
    };
    let content = match route.returns {
        Returns::One(shape) => json_of(of(shape)),
        Returns::List(shape) => json_of(json!({"type": "array", "items": of(shape)})),
        Returns::Page(shape) => json_of(json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": {"type": "array", "items": of(shape)},
                "next": {"type": ["string", "null"], "description": "`cursor` of the next page; null at the end"},
            },
        })),
        Returns::Bytes(media) => json!({media: {"schema": {"type": "string", "contentEncoding": "binary"}}}),
        Returns::Events(shape) => {
            schemas.reference(shape);
            json!({"text/event-stream": {"schema": {"type": "string"}}})
        }
        Returns::Json => json_of(json!({})),
        Returns::Html => json!({"text/html": {"schema": {"type": "string"}}}),
    };
    let refused = json!({"application/problem+json": {"schema": problem}});
    let mut responses = Map::new();
    let degraded = content.clone();
    responses.insert("200".to_owned(), json!({"description": "Done", "content": content}));
    let mut refuse = |status: &str, words: &str| {
        // What is too long for a header has no body.
        let told = if matches!(status, "414" | "431") { json!({}) } else { refused.clone() };
        responses.insert(status.to_owned(), json!({"description": words, "content": told}));
    };
    refuse("400", "A value cannot be");
    if route.access != Access::Anyone {
        refuse("401", "Not signed in");
        refuse("403", "The role does not allow it");
    }
    if route.path_names().next().is_some() {
        refuse("404", "There is no such thing");
    } else if route.all_parameters().any(|parameter| matches!(parameter.name, "device" | "source" | "actor")) {
        refuse("404", "There is no such device");
    }
    if route.writes() {
        refuse("404", "There is no such thing");
        refuse("408", "The body came too slowly");
        refuse("409", "It cannot be done as things are");
        refuse("413", "The body is too large");
        refuse("415", "The body is no JSON");
        refuse("422", "The key was used for another request");
    }
    refuse("414", "The address is too long");
    refuse("431", "The header is too long");
    refuse("429", "Too much at once");
    refuse("503", "The store cannot answer now");
    if route.id == "healthz" {
        responses.insert("503".to_owned(), json!({"description": "The sensor is degraded", "content": degraded}));
    }
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.doc,
        "tags": [tag(route)],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = route.body
        && let Some(operation) = operation.as_object_mut()
    {
        let schema = schemas.reference(body);
        operation.insert("requestBody".to_owned(), json!({"required": true, "content": json_of(schema)}));
    }
    match route.access {
        Access::Anyone => operation["security"] = json!([]),
        Access::Role(role) => {
            operation["x-role"] = json!(role.as_str());
            operation["x-scope"] = json!(route.scope().as_str());
        }
    }
    operation
}

fn tag(route: &Route) -> &'static str {
    let tags = [
        "alerts",
        "devices",
        "points",
        "programs",
        "journal",
        "map",
        "events",
        "baseline",
        "learning",
        "maintenance",
        "questions",
    ];
    let first = route.path.trim_start_matches("/api/v1/").split(['/', '.']).next().unwrap_or_default();
    tags.into_iter().find(|tag| *tag == first).unwrap_or("system")
}
