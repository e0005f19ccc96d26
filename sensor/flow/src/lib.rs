//! From datagrams to ordered facts: conversations, TCP streams, identification of protocols, sessions, folding.
//!
//! [`run`] reads a capture and hands over one ordered stream of [`ot_protocol::Fact`]s; [`decode`] hands over messages
//! instead. Packets are shared out to [`LANES`] lanes by their pair of hosts. A lane never looks at another, every limit
//! holds within a lane, and facts are merged by the packet that made them: the stream is the same for any number of
//! workers and any size of batches. [`run_live`] does the same for packets that come in their own time, and sheds what
//! matters least when there are too many.

mod claims;
mod config;
mod flow;
mod fold;
mod head;
mod identify;
mod interfaces;
mod lane;
mod live;
mod load;
mod pipeline;
mod session;
mod sight;
mod signatures;
mod stats;
mod stream;
mod tcp;
mod watching;

pub use config::FlowConfig;
pub use identify::Registry;
pub use live::{LiveConfig, Processors, run_live};
pub use load::{Level, Load, Shed};
pub use pipeline::{Consumer, Facts, FlowError, IntoFacts, Progress, Summary, decode, run};
pub use stats::{FlowStats, Named};

/// Into how many lanes conversations are shared out, for any number of workers.
pub const LANES: usize = 32;
