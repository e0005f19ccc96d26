//! The REST API, version 1.

pub mod alerts;
pub mod baseline;
pub mod devices;
pub mod document;
pub mod import;
pub mod maintenance;
pub mod map;
pub mod questions;
pub mod system;
pub mod watched;

use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// `cursor` of the next page; null at the end.
    pub next: Option<String>,
}
