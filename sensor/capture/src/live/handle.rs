//! One open interface: libpcap with a memory-mapped ring. Nothing here can send.

use super::interface::{InterfaceFacts, interface_names};
use super::system;
use super::{InterfaceError, InterfaceSettings, TimeSource};
use crate::LinkType;
use ot_protocol::Timestamp;
use pcap::{Active, Capture, Linktype, Precision, TimestampType};
use std::os::fd::AsFd as _;
use std::time::Duration;

/// Packets handed over by one call.
const BATCH: usize = 1024;

/// An interface that is being captured.
pub(crate) struct Handle {
    capture: Capture<Active>,
    pub link: LinkType,
    pub opened: Opened,
    /// Dropped packets as the kernel has counted them so far; its counter wraps.
    dropped: u32,
}

impl InterfaceSettings {
    /// Whether its filter makes sense for frames of Ethernet, without opening the interface.
    ///
    /// # Errors
    /// [`InterfaceError::Filter`].
    pub fn check_filter(&self) -> Result<(), InterfaceError> {
        let Some(filter) = &self.filter else { return Ok(()) };
        let compiled = Capture::dead(Linktype::ETHERNET).and_then(|capture| capture.compile(filter, true));
        compiled.map(drop).map_err(|error| InterfaceError::Filter {
            name: self.name.clone(),
            filter: filter.clone(),
            detail: text(&error),
        })
    }
}

/// What was got of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What packets begin with.
    pub link: LinkType,
    /// Whose clock stamps packets.
    pub time_source: TimeSource,
    /// Version of the kernel's packet ring: 3 with blocks of packets, 2 with a slot for each packet.
    pub ring_version: Option<u8>,
}

impl Handle {
    /// Opens an interface.
    pub fn open(settings: &InterfaceSettings) -> Result<Self, InterfaceError> {
        let name = &settings.name;
        let facts = InterfaceFacts::of(name)
            .ok_or_else(|| InterfaceError::Missing { name: name.clone(), known: interface_names() })?;
        if !facts.up {
            return Err(InterfaceError::Down { name: name.clone() });
        }
        let (capture, time_source) = match settings.time_source {
            TimeSource::Adapter => match activate(settings, TimestampType::AdapterUnsynced) {
                Ok(capture) => (capture, TimeSource::Adapter),
                Err(_) => (activate(settings, TimestampType::Host)?, TimeSource::Host),
            },
            TimeSource::Host => (activate(settings, TimestampType::Host)?, TimeSource::Host),
        };
        let mut capture = capture.setnonblock().map_err(|error| trouble(name, &error))?;
        let number = u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX);
        let link = LinkType::from_number(number);
        if !link.is_known() {
            return Err(InterfaceError::LinkType { name: name.clone(), number });
        }
        if let Some(filter) = &settings.filter {
            capture.filter(filter, true).map_err(|error| InterfaceError::Filter {
                name: name.clone(),
                filter: filter.clone(),
                detail: text(&error),
            })?;
        }
        let ring_version = system::ring_version(capture.as_fd()).and_then(|version| u8::try_from(version + 1).ok());
        Ok(Self { capture, link, opened: Opened { link, time_source, ring_version }, dropped: 0 })
    }

    /// Shows what has come: time, length on the wire, bytes. How many there were.
    pub fn read(&mut self, mut show: impl FnMut(Timestamp, u32, &[u8])) -> Result<usize, String> {
        self.capture
            .dispatch(Some(BATCH), |packet| {
                // With the precision that was asked for these are nanoseconds.
                let nanoseconds = u32::try_from(packet.header.ts.tv_usec).unwrap_or(0);
                show(Timestamp::new(packet.header.ts.tv_sec, nanoseconds), packet.header.len, packet.data);
            })
            .map_err(|error| text(&error))
    }

    /// Waits until something comes.
    pub fn wait(&self, longest: Duration) {
        system::wait_readable(self.capture.as_fd(), longest);
    }

    /// Packets that the kernel dropped since the last call because the ring was full.
    pub fn take_dropped(&mut self) -> u64 {
        let Ok(stats) = self.capture.stats() else { return 0 };
        let more = stats.dropped.wrapping_sub(self.dropped);
        self.dropped = stats.dropped;
        u64::from(more)
    }
}

fn activate(settings: &InterfaceSettings, time: TimestampType) -> Result<Capture<Active>, InterfaceError> {
    let name = &settings.name;
    let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    Capture::from_device(name.as_str())
        .map_err(|error| trouble(name, &error))?
        .promisc(settings.promiscuous)
        .snaplen(number(settings.snap_length))
        .timeout(i32::try_from(settings.timeout.as_millis()).unwrap_or(1000).max(1))
        .buffer_size(number(settings.ring))
        .precision(Precision::Nano)
        .tstamp_type(time)
        .open()
        .map_err(|error| trouble(name, &error))
}

fn text(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

fn trouble(name: &str, error: &pcap::Error) -> InterfaceError {
    let detail = text(error);
    let name = name.to_owned();
    let lower = detail.to_ascii_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") {
        InterfaceError::Permission { name }
    } else if lower.contains("not up") {
        InterfaceError::Down { name }
    } else {
        InterfaceError::Other { name, detail }
    }
}
