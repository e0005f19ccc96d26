//! What a route is: one item from which routing, authorisation, checking of parameters, OpenAPI and tests derive.

use crate::call::{Answer, Call};
use crate::problem::Problem;
use ot_store::read::Reader;
use ot_store::{Scope, UserRole};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Does something.
    Post,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// As OpenAPI writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, signed in or not.
    Anyone,
    /// A user of this role or a higher one.
    Role(UserRole),
}

/// For whom the answer is: how errors are told, and what happens without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A program: JSON, problem details.
    Api,
    /// A person: pages; without a session the sign-in page.
    Page,
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text, 512 characters at most.
    Text,
    /// Texts; given several times, or separated by commas.
    Texts,
    /// A whole number from 1 on.
    Number {
        /// At most.
        most: u32,
    },
    /// `true` or `false`.
    Truth,
    /// RFC 3339, epoch seconds, or a span before the newest packet (`-10m`).
    Time,
    /// Of these words several; given several times, or separated by commas.
    Words(fn() -> Vec<&'static str>),
    /// Of these words one.
    Word(fn() -> Vec<&'static str>),
}

/// A schema with those it refers to.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Name in the document.
    pub name: fn() -> String,
    /// The schema itself.
    pub schema: fn() -> RefOr<Schema>,
    /// Those it refers to.
    pub others: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    /// Of a type.
    pub const fn of<T: ToSchema>() -> Self {
        Self { name: || T::name().into_owned(), schema: <T as PartialSchema>::schema, others: T::schemas }
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.name)())
    }
}

/// What comes back.
#[derive(Clone, Copy, Debug)]
pub enum Returns {
    /// A JSON object.
    One(Shape),
    /// A JSON list.
    List(Shape),
    /// An object with `items` and `next`.
    Page(Shape),
    /// Bytes of this media type.
    Bytes(&'static str),
    /// A stream of server-sent events whose data is this.
    Events(Shape),
    /// Any JSON document.
    Json,
    /// A page, a part of one, or the way to one.
    Html,
}

/// How the answer is made. Handlers block: they run beside the asynchronous code.
#[derive(Clone, Copy)]
pub enum Run {
    /// From the store, all of one moment.
    Read(fn(&Call, &Reader) -> Result<Answer, Problem>),
    /// Without it, or by writing to it.
    Plain(fn(&Call) -> Result<Answer, Problem>),
    /// The stream of alerts.
    Stream,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "read",
            Self::Plain(_) => "plain",
            Self::Stream => "stream",
        })
    }
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path, with names of its parts in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// The scope that a token needs, where it does not follow from method and role.
    pub own_scope: Option<Scope>,
    /// For whom the answer is.
    pub format: Format,
    /// Stable id, for OpenAPI and the audit log.
    pub id: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Parameters of the query.
    pub parameters: &'static [&'static [Parameter]],
    /// What the body is.
    pub body: Option<Shape>,
    /// What comes back.
    pub returns: Returns,
    /// How.
    pub run: Run,
}

impl Route {
    const fn new(method: Method, format: Format, path: &'static str, id: &'static str, doc: &'static str) -> Self {
        Self {
            method,
            path,
            access: Access::Role(UserRole::Viewer),
            own_scope: None,
            format,
            id,
            doc,
            parameters: &[],
            body: None,
            returns: Returns::Json,
            run: Run::Stream,
        }
    }

    /// A question of a program, for every user.
    pub const fn api(path: &'static str, id: &'static str, doc: &'static str) -> Self {
        Self::new(Method::Get, Format::Api, path, id, doc)
    }

    /// Something that a program does, for analysts.
    pub const fn act(method: Method, path: &'static str, id: &'static str, doc: &'static str) -> Self {
        Self::new(method, Format::Api, path, id, doc).for_role(UserRole::Analyst)
    }

    /// A page, for every user.
    pub const fn page(path: &'static str, id: &'static str, doc: &'static str) -> Self {
        Self::new(Method::Get, Format::Page, path, id, doc).gives(Returns::Html)
    }

    /// What a form of a page does, for analysts.
    pub const fn form(path: &'static str, id: &'static str, doc: &'static str) -> Self {
        Self::new(Method::Post, Format::Page, path, id, doc).gives(Returns::Html).for_role(UserRole::Analyst)
    }

    /// Who may use it.
    pub const fn for_role(mut self, role: UserRole) -> Self {
        self.access = Access::Role(role);
        self
    }

    /// The scope that a token needs.
    pub const fn of_scope(mut self, scope: Scope) -> Self {
        self.own_scope = Some(scope);
        self
    }

    /// Everybody may use it.
    pub const fn for_anyone(mut self) -> Self {
        self.access = Access::Anyone;
        self
    }

    /// With parameters.
    pub const fn with(mut self, parameters: &'static [&'static [Parameter]]) -> Self {
        self.parameters = parameters;
        self
    }

    /// With a body.
    pub const fn takes(mut self, body: Shape) -> Self {
        self.body = Some(body);
        self
    }

    /// What comes back.
    pub const fn gives(mut self, returns: Returns) -> Self {
        self.returns = returns;
        self
    }

    /// From the store.
    pub const fn read(mut self, run: fn(&Call, &Reader) -> Result<Answer, Problem>) -> Self {
        self.run = Run::Read(run);
        self
    }

    /// Without it.
    pub const fn plain(mut self, run: fn(&Call) -> Result<Answer, Problem>) -> Self {
        self.run = Run::Plain(run);
        self
    }

    /// All its parameters.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().copied().flatten()
    }

    /// Names of the parts of its path.
    pub fn path_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The scope that a token needs.
    pub fn scope(&self) -> Scope {
        match (self.own_scope, self.access) {
            (Some(scope), _) => scope,
            (None, Access::Role(UserRole::Administrator)) => Scope::Admin,
            (None, _) if self.writes() => Scope::Triage,
            (None, _) => Scope::Read,
        }
    }

    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        self.method != Method::Get
    }
}

impl Kind {
    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong with it and what to write.
    pub fn check(self, name: &str, value: &str) -> Result<(), Problem> {
        const MOST: usize = 512;
        let wrong = |what: &str| Err(Problem::bad_request(format!("{name}: {value:?} is not {what}")));
        if value.chars().count() > MOST || value.contains('\0') {
            return Err(Problem::bad_request(format!("{name}: longer than {MOST} characters, or holds a NUL")));
        }
        match self {
            Self::Text | Self::Texts => Ok(()),
            Self::Number { most } => match value.parse::<u32>() {
                Ok(number) if (1..=most).contains(&number) => Ok(()),
                _ => wrong(&format!("a whole number from 1 to {most}")),
            },
            Self::Truth if value == "true" || value == "false" => Ok(()),
            Self::Truth => wrong("true or false"),
            Self::Time => match value.parse::<ot_views::when::When>() {
                Ok(_) => Ok(()),
                Err(problem) => Err(Problem::bad_request(format!("{name}: {problem}"))),
            },
            Self::Words(known) => value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .try_for_each(|word| Self::Word(known).check(name, word)),
            Self::Word(known) => {
                let known = known();
                if known.contains(&value) { Ok(()) } else { wrong(&format!("one of {}", known.join(", "))) }
            }
        }
    }

    /// As OpenAPI describes it.
    pub fn schema(self) -> Value {
        use serde_json::json;
        match self {
            Self::Text => json!({"type": "string", "maxLength": 512}),
            Self::Texts => json!({"type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 512}}),
            Self::Number { most } => json!({"type": "integer", "minimum": 1, "maximum": most}),
            Self::Truth => json!({"type": "boolean"}),
            Self::Time => json!({"type": "string", "examples": ["2026-03-01T12:00:00Z", "1772366400", "-10m"]}),
            Self::Words(known) => {
                json!({"type": "array", "maxItems": 50, "items": {"type": "string", "enum": known()}})
            }
            Self::Word(known) => json!({"type": "string", "enum": known()}),
        }
    }
}
