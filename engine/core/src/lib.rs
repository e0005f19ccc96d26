//! The engine: facts in, devices, baseline and alerts out.
//!
//! Pure, ordered and single-threaded: the same facts give the same [`Changes`], whatever produced them. It names no
//! protocol crate; a protocol reaches it only as [`ot_protocol::Activity`].

pub mod addresses;
pub mod alerts;
pub mod attack;
pub mod baseline;
pub mod catalogue;
pub mod changes;
pub mod companions;
pub mod config;
pub mod context;
pub mod detectors;
pub mod engine;
pub mod indicators;
pub mod inventory;
pub mod journal;
mod known;
pub mod learning;
pub mod maintenance;
pub mod model;
pub mod points;
pub mod programs;
pub mod shared;
pub mod table;
pub mod vendors;
pub mod words;

pub use alerts::{Finding, Raised, Text};
pub use changes::{Action, Changes, Command, End, Imported, Learn, Reset, Snapshot, State};
pub use config::EngineConfig;
pub use engine::{Engine, Reconfigured};
pub use shared::{Core, Seen, SeenFlow};
