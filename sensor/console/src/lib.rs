//! The console: REST API and web pages over the views; users, sessions, tokens.
//!
//! [`open`] listens; [`Opened::run`] answers. Every route is one item of [`routes::all`], from which routing,
//! authorisation, checks of parameters, the OpenAPI document and the tests derive. Handlers block and run beside the
//! asynchronous code, over a small pool of readers; what people do is appended to the store's commands, as the command
//! line does. What needs an engine, protocols or the evidence folder is asked of the [`Host`].

pub mod act;
pub mod api;
pub mod app;
pub mod call;
pub mod dispatch;
pub mod filter;
pub mod form;
pub mod host;
pub mod kept;
pub mod mining;
pub mod pages;
pub mod problem;
pub mod readers;
pub mod route;
pub mod routes;
pub mod secret;
pub mod server;
pub mod stream;
pub mod throttle;
pub mod tls;
mod warm;
pub mod watch;

pub use host::Host;
pub use server::{ConsoleError, Opened, Settings, open};
