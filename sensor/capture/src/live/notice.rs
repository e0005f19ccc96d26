//! What happens to interfaces, for people.

use super::{Offloads, Opened, TimeSource};
use crate::LinkType;
use ot_protocol::Timestamp;
use std::fmt;

/// Something happened to an interface that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub interface: u16,
    /// Its name.
    pub name: String,
    /// Wall time.
    pub time: Timestamp,
    /// What happened.
    pub kind: NoticeKind,
}

/// What happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// It is captured from now on.
    Opened {
        /// Whether it was gone before.
        again: bool,
        /// What was got.
        opened: Opened,
        /// Whose clock was asked for.
        wanted: TimeSource,
        /// What the card does to frames.
        offloads: Offloads,
    },
    /// It is not there at the start and is waited for.
    Waits,
    /// It has no link or was switched off.
    Down,
    /// It has a link again.
    Up,
    /// It was removed, or can no longer be read. The sensor tries to open it again.
    Gone {
        /// What the system says.
        detail: String,
    },
    /// It is there and cannot be opened.
    CannotOpen {
        /// Why.
        detail: String,
    },
    /// The thread cannot run on the processors that were asked for.
    Processors,
}

impl NoticeKind {
    /// Whether the interface is not captured because of it, or not as asked for.
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Self::Opened { .. } | Self::Up)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface {} ({}) ", self.interface, self.name)?;
        match &self.kind {
            NoticeKind::Opened { again, opened, wanted, offloads } => {
                let begins = if *again { "is captured again" } else { "is captured" };
                write!(f, "{begins}: {}", link_name(opened.link))?;
                match (opened.time_source, wanted) {
                    (TimeSource::Adapter, _) => write!(f, ", time of the card to the nanosecond")?,
                    (TimeSource::Host, TimeSource::Host) => write!(f, ", time of the kernel to the nanosecond")?,
                    (TimeSource::Host, TimeSource::Adapter) => {
                        write!(f, ", time of the kernel to the nanosecond (the card has no clock that it would give)")?;
                    }
                }
                if let Some(version) = opened.ring_version {
                    write!(f, ", ring TPACKET_V{version}")?;
                }
                write!(f, "; {offloads}")?;
                if offloads.gro == Some(true) || offloads.lro == Some(true) {
                    write!(
                        f,
                        " (merged frames are longer than those on the wire: ethtool -K {} gro off lro off)",
                        self.name
                    )?;
                }
                Ok(())
            }
            NoticeKind::Waits => write!(f, "is not there yet, or down: the sensor waits for it"),
            NoticeKind::Down => write!(f, "has no link: nothing is seen on it; check cable and switch"),
            NoticeKind::Up => write!(f, "has a link again"),
            NoticeKind::Gone { detail } => {
                write!(f, "can no longer be read ({detail}): the sensor waits until it is back")
            }
            NoticeKind::CannotOpen { detail } => write!(f, "is there but cannot be opened: {detail}"),
            NoticeKind::Processors => write!(f, "cannot be bound to the processors that the configuration names"),
        }
    }
}

fn link_name(link: LinkType) -> String {
    match link {
        LinkType::Ethernet => "Ethernet".to_owned(),
        LinkType::LinuxCooked1 | LinkType::LinuxCooked2 => "Linux cooked".to_owned(),
        LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => "raw IP".to_owned(),
        other => format!("link type {}", other.number()),
    }
}
