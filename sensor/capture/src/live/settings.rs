//! How an interface is captured, and why it cannot be.

use std::time::Duration;

/// How an interface is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSettings {
    /// Its name.
    pub name: String,
    /// Bytes of the kernel's ring. Default 16 MiB.
    pub ring: usize,
    /// How long the kernel keeps packets back to hand over several at once. Default 20 ms.
    pub timeout: Duration,
    /// Bytes kept of a packet. Default 262,144: all.
    pub snap_length: usize,
    /// A filter in libpcap's language (pcap-filter(7)): what it does not let through is not even counted.
    pub filter: Option<String>,
    /// Whether packets for others are wanted. Default true: a mirror port brings no others.
    pub promiscuous: bool,
    /// Whose clock is to stamp packets.
    pub time_source: TimeSource,
    /// Processors on which the interface's thread runs; empty: any.
    pub processors: Vec<usize>,
    /// Whether it may be missing at the start.
    pub wait: bool,
}

impl InterfaceSettings {
    /// The defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ring: 16 << 20,
            timeout: Duration::from_millis(20),
            snap_length: 262_144,
            filter: None,
            promiscuous: true,
            time_source: TimeSource::Host,
            processors: Vec::new(),
            wait: false,
        }
    }
}

/// Whose clock stamps packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeSource {
    /// The kernel's, to the nanosecond.
    #[default]
    Host,
    /// The card's, which nobody sets.
    Adapter,
}

impl TimeSource {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Host, Self::Adapter];

    /// `host` or `adapter`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Adapter => "adapter",
        }
    }
}

/// An interface cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// No interface was named.
    #[error("no interface given: name one with --interface, or under [[interface]] in the configuration; there are {}", list(.known))]
    None {
        /// Those there are.
        known: Vec<String>,
    },
    /// There is no such interface.
    #[error("interface {name}: there is none of that name; there are {}", list(.known))]
    Missing {
        /// Its name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// It was named twice.
    #[error("interface {name}: was given more than once: name each interface once")]
    Twice {
        /// Its name.
        name: String,
    },
    /// It is switched off.
    #[error(
        "interface {name}: is down: switch it on (ip link set {name} up), or let the sensor wait for it (wait = true)"
    )]
    Down {
        /// Its name.
        name: String,
    },
    /// The rights do not suffice.
    #[error(
        "interface {name}: this user may not capture: run as root (sudo), or give the program the right once with: \
         sudo setcap cap_net_raw+ep $(command -v ot-sensor)"
    )]
    Permission {
        /// Its name.
        name: String,
    },
    /// The filter makes no sense.
    #[error("interface {name}: filter {filter:?}: {detail}; see pcap-filter(7)")]
    Filter {
        /// Its name.
        name: String,
        /// The filter.
        filter: String,
        /// What libpcap says.
        detail: String,
    },
    /// Its frames cannot be decoded.
    #[error(
        "interface {name}: has link type {number}, which is not supported: capture on Ethernet, Linux cooked or raw IP"
    )]
    LinkType {
        /// Its name.
        name: String,
        /// Number of the link type.
        number: u16,
    },
    /// Anything else.
    #[error("interface {name}: cannot be captured: {detail}")]
    Other {
        /// Its name.
        name: String,
        /// What libpcap or the system says.
        detail: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
