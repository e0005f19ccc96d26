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

/// Longest text of a notice that goes to another process, in bytes.
const MOST_TEXT: usize = 4096;

/// The way to another process and back.
impl NoticeKind {
    /// A number for the kind, and what there is to tell.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let text = |number: u8, text: &str| {
            let text = text.get(..text.floor_char_boundary(MOST_TEXT)).unwrap_or_default();
            [&[number], text.as_bytes()].concat()
        };
        match self {
            Self::Opened { again, opened, wanted, offloads } => {
                let source = |source: &TimeSource| u8::from(*source == TimeSource::Adapter);
                let [high, low] = opened.link.number().to_be_bytes();
                let ring = opened.ring_version.unwrap_or(0);
                let times = [source(&opened.time_source), source(wanted)];
                let offloads =
                    [offloads.gro, offloads.lro, offloads.vlan].map(|on| on.map_or(0, |on| 1 + u8::from(on)));
                [&[0, u8::from(*again), high, low, ring], times.as_slice(), &offloads].concat()
            }
            Self::Waits => vec![1],
            Self::Down => vec![2],
            Self::Up => vec![3],
            Self::Gone { detail } => text(4, detail),
            Self::CannotOpen { detail } => text(5, detail),
            Self::Processors => vec![6],
        }
    }

    /// From such bytes; `None` where they are none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first()?;
        let text = || String::from_utf8_lossy(rest).into_owned();
        Some(match number {
            0 => {
                let [again, high, low, ring, source, wanted, gro, lro, vlan] = *rest.first_chunk()?;
                let time = |adapter: u8| if adapter == 0 { TimeSource::Host } else { TimeSource::Adapter };
                let [gro, lro, vlan] = [gro, lro, vlan].map(|on| on.checked_sub(1).map(|on| on == 1));
                let opened = Opened {
                    link: LinkType::from_number(u16::from_be_bytes([high, low])),
                    time_source: time(source),
                    ring_version: (ring > 0).then_some(ring),
                };
                Self::Opened { again: again == 1, opened, wanted: time(wanted), offloads: Offloads { gro, lro, vlan } }
            }
            1 => Self::Waits,
            2 => Self::Down,
            3 => Self::Up,
            4 => Self::Gone { detail: text() },
            5 => Self::CannotOpen { detail: text() },
            6 => Self::Processors,
            _ => return None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_back_from_their_bytes() {
        let opened = |ring_version: Option<u8>, time_source, offloads| NoticeKind::Opened {
            again: ring_version.is_none(),
            opened: Opened { link: LinkType::LinuxCooked2, time_source, ring_version },
            wanted: TimeSource::Adapter,
            offloads,
        };
        for kind in [
            opened(Some(3), TimeSource::Host, Offloads { gro: Some(true), lro: Some(false), vlan: None }),
            opened(None, TimeSource::Adapter, Offloads::default()),
            NoticeKind::Waits,
            NoticeKind::Down,
            NoticeKind::Up,
            NoticeKind::Gone { detail: "the interface went away".to_owned() },
            NoticeKind::CannotOpen { detail: String::new() },
            NoticeKind::Processors,
        ] {
            assert_eq!(NoticeKind::from_bytes(&kind.to_bytes()), Some(kind));
        }
        let long = NoticeKind::Gone { detail: "\u{e4}".repeat(MOST_TEXT) };
        assert!(long.to_bytes().len() <= MOST_TEXT + 1);
        for bytes in [&[][..], &[7], &[0, 1, 2]] {
            assert_eq!(NoticeKind::from_bytes(bytes), None);
        }
    }
}
