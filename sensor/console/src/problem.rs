//! What went wrong, for programs as problem details (RFC 9457) and for people as a page.

use ot_store::StoreError;
use ot_views::ViewError;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable id of the kind of problem.
    pub kind: &'static str,
    /// What happened and what to do.
    pub detail: String,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
}

/// Problem details as they are sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView<'a> {
    /// `urn:ot-sensor:problem:` and a stable id.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: &'a str,
    /// HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: &'a str,
    /// The path that was asked for.
    pub instance: &'a str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $status:literal $kind:literal $title:literal,)*) => {
        impl Problem {
            $($(#[$doc])* pub fn $name(detail: impl Into<String>) -> Self {
                Self { status: $status, kind: $kind, detail: detail.into(), retry_after: None }
            })*

            /// The kind in words.
            pub fn title(&self) -> &'static str {
                match self.kind {
                    $($kind => $title,)*
                    _ => "Problem",
                }
            }
        }
    };
}

kinds! {
    /// A value that cannot be.
    bad_request: 400 "bad-request" "The request is wrong",
    /// Nobody is signed in.
    unauthorised: 401 "unauthorised" "Not signed in",
    /// The role does not allow it.
    forbidden: 403 "forbidden" "Not allowed",
    /// There is no such thing.
    not_found: 404 "not-found" "Not found",
    /// The path knows other methods.
    method: 405 "method-not-allowed" "Not this way",
    /// It cannot be done as things are.
    conflict: 409 "conflict" "Cannot be done",
    /// The body came too slowly.
    timeout: 408 "timeout" "Too slow",
    /// The body is too large.
    too_large: 413 "too-large" "Too large",
    /// The body is not of the kind that is read.
    media_type: 415 "media-type" "Not readable",
    /// Another request had this key.
    key_used: 422 "idempotency-key-used" "The key was used for another request",
    /// Too much at once.
    too_many: 429 "too-many" "Too much at once",
    /// A fault of ours.
    internal: 500 "internal" "Internal error",
    /// The store cannot answer now.
    unavailable: 503 "unavailable" "Not available now",
}

impl Problem {
    /// With a time after which to try again.
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// As it is sent.
    pub fn view<'a>(&'a self, instance: &'a str) -> ProblemView<'a> {
        ProblemView {
            kind: format!("urn:ot-sensor:problem:{}", self.kind),
            title: self.title(),
            status: self.status,
            detail: &self.detail,
            instance,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Request { .. } => Self::bad_request(error.to_string()),
            StoreError::Internal { .. } => Self::internal(error.to_string()),
            _ => Self::unavailable(error.to_string()).after(5),
        }
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Store(error) => error.into(),
            ViewError::NoAlert(_)
            | ViewError::NoDevice(_)
            | ViewError::NoVersion(_)
            | ViewError::NoVersionBefore(_) => Self::not_found(error.to_string()),
            ViewError::SeveralAlerts { .. } | ViewError::BadAlertId(_) | ViewError::BaselineFile { .. } => {
                Self::bad_request(error.to_string())
            }
        }
    }
}
