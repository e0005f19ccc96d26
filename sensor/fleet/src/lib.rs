//! The centre of many sensors: what they say comes out of JetStream into PostgreSQL, and is shown by the same views as the
//! findings of one sensor. README.md beside this tells why it is as it is.
//!
//! # The way of a message
//!
//! ```text
//! sensor: outbox --> forwarder (kind nats) --> stream of JetStream
//!                                                   |  pull, acknowledged after the commit
//!    [`message`] read and checked  <----------------+
//!        |  what cannot be taken is kept apart, with the reason
//!        v
//!    [`centre`] one transaction of PostgreSQL: each message once, newest state of each alert, [`rule`]: which are one
//!        |  changes, in order of their numbers
//!        v
//!    view store ([`ot_store::fleet`]): console, REST and command line, unchanged
//!        |  what people do there
//!        +--> `centre`, and back into the view store
//! ```
//!
//! [`receiver`] turns the wheel: one thread, and whatever is away is tried again.

#![cfg_attr(test, recursion_limit = "256")]

pub mod centre;
pub mod message;
pub mod receiver;
pub mod rule;
pub mod settings;

pub use centre::{Centre, CentreError, CentreStatus, SensorStatus};
pub use receiver::{FleetError, Receiver, rebuild};
pub use settings::{Database, Settings};
