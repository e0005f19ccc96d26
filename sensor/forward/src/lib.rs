//! Forwarding: other systems are told of alerts.
//!
//! # The way of a message
//!
//! ```text
//! engine, people --> alert row --(trigger, same transaction)--> outbox row        engine/store
//!                                                                  |
//!        one thread a destination:  read after its cursor <--------+
//!            filter --> AlertMessage (engine/views) --> payload --> destination
//!               |                                                       |
//!               +--> cursor, counters  <--- taken, or settled ----------+
//!                        |
//!                     keeper: twice a second, one small transaction for all
//! ```
//!
//! * An alert is committed before anything tells of it: a row of the outbox is written by the transaction that changes the
//!   alert, and read only once that is committed. There are no rows while nobody is to be told.
//! * **At least once.** The cursor of a destination ([`ot_store::DestinationRow`]) moves when the receiver has taken a message,
//!   and is kept in the store shortly after. Whatever is killed in between, the message comes again, with the same id:
//!   the alert's and the number of the change. Syslog knows no answer; there a message counts as taken once the connection has
//!   stood for [`destination::Sink::settle`] after it, and all messages since then are sent again when the connection breaks.
//! * **In order**, for each destination. A message that the receiver says it will never take is tried five times, counted as
//!   refused, and passed over; nothing else holds up those behind it but a receiver that is not there.
//! * **Bounded.** A thread holds 64 rows and the numbers of 4,096 messages that have not settled; what waits, waits in the
//!   outbox on disk, one million changes at most. What leaves it undelivered is counted as lost.
//! * **Nobody waits for it.** Threads read from snapshots, which hold up no writer. What they keep is written by the keeper
//!   alone, in transactions of a few rows; where the engine is writing, it waits and tries again.
//! * One forwarder a store ([`ot_store::Store::lock_forwarder`]): in the process of the sensor, or in one of its own.
//!
//! # The parts
//!
//! [`settings`] says what is configured, [`payload`] makes bytes of a message (pure), [`destination`] brings them to a receiver,
//! [`pace`] says when (pure), [`Forwarder`] puts them together, [`try_out`] sends one marked message for the person who sets up
//! a destination.

pub mod destination;
mod forwarder;
pub mod nats;
pub mod pace;
pub mod payload;
pub mod settings;
mod trial;
mod worker;

pub use destination::tls_client;
pub use forwarder::{Delivered, ForwardError, Forwarder, Options};
pub use settings::{Destination, Filter, Format};
pub use trial::{Tried, try_out};
