//! What all parts of ot-sensor agree on.
//!
//! Two contracts live here. A **protocol crate** implements [`Protocol`] and [`Session`]: bytes and time in,
//! [`Activity`] out through a [`Sink`]. The **engine** consumes one ordered stream of [`Fact`]s and knows no protocol
//! crate. Between them the sensor carries packets to sessions and facts to the engine.
//!
//! Nothing here reads a clock, opens a socket or allocates on the path of a usual message.

pub mod activity;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod fact;
pub mod message;
pub mod net;
pub mod reader;
pub mod session;
pub mod signature;
pub mod time;
pub mod watch;

pub use activity::{
    Activity, ActivityKey, Artifact, Function, Operation, Outcome, SignIn, Target, ValueView, Values, Violation,
};
pub use fact::{
    Claim, ClaimKind, Extremes, Fact, FlowEvent, FlowKind, Fold, Health, Identity, InterfaceSight, InterfaceTraffic,
    Intervals, NameUse, Order, SessionId, Transport,
};
pub use message::{FieldDoc, FieldKind, FieldValue, Fields, Message};
pub use net::{Direction, Endpoint, FrameRef, Mac, SubAddress};
pub use reader::{Reader, Short};
pub use session::{Context, Domain, Finish, PacketInfo, Probe, Progress, Protocol, Session, SessionStart, Sink};
pub use signature::SignatureHit;
pub use time::{Nanos, Timestamp};
pub use watch::{MessageWatch, RuleHit, WatchCell, Watched, WatchedPayload};
