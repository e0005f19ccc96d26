//! What is known of a network interface: for the sensor's own messages, and for whoever sets up the mirror port.

use super::system;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

pub use super::system::Offloads;

/// A network interface, as the operating system tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Its name.
    pub name: String,
    /// Its number in the kernel: another one when the interface was removed and made again.
    pub index: u32,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it has a link.
    pub running: bool,
    /// Longest IP packet, in bytes.
    pub mtu: Option<u32>,
    /// Speed of the link, in Mbit/s.
    pub speed: Option<u32>,
    /// Name of the driver.
    pub driver: Option<String>,
    /// What the card does to frames.
    pub offloads: Offloads,
    /// Whether the card stamps all received packets with its own clock.
    pub hardware_time: Option<bool>,
    /// Counters of the interface.
    pub counters: InterfaceCounters,
}

/// What the kernel has counted on an interface since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Packets received.
    pub received: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Packets that the card had no room for: lost before anybody could look at them.
    pub missed: u64,
    /// Frames with errors (checksum, length).
    pub errors: u64,
    /// Packets that the kernel did not want. Those of protocols that it does not know count here although they are
    /// captured.
    pub dropped: u64,
    /// Packets sent.
    pub sent: u64,
}

impl InterfaceFacts {
    /// Of an interface of this network namespace; `None` where there is none of that name.
    pub fn of(name: &str) -> Option<Self> {
        let index = system::index_of(name)?;
        let (up, running) = system::up_and_running(name).unwrap_or_default();
        // Another network namespace may be mounted there.
        let folder = folder(name).filter(|folder| number(folder, "ifindex") == Some(u64::from(index)));
        let read = |file: &str| folder.as_deref().and_then(|folder| number(folder, file));
        Some(Self {
            name: name.to_owned(),
            index,
            up,
            running,
            mtu: read("mtu").and_then(|mtu| u32::try_from(mtu).ok()),
            speed: read("speed").and_then(|speed| u32::try_from(speed).ok()).filter(|speed| *speed < u32::MAX),
            driver: folder
                .as_deref()
                .and_then(|folder| fs::read_link(folder.join("device/driver")).ok())
                .and_then(|driver| Some(driver.file_name()?.to_string_lossy().into_owned())),
            offloads: system::offloads(name),
            hardware_time: system::stamps_in_hardware(name),
            counters: folder.as_deref().map(InterfaceCounters::read).unwrap_or_default(),
        })
    }
}

impl InterfaceCounters {
    /// Of an interface; zeros where they cannot be read.
    pub fn of(name: &str) -> Self {
        folder(name).map(|folder| Self::read(&folder)).unwrap_or_default()
    }

    fn read(folder: &Path) -> Self {
        let folder = folder.join("statistics");
        let count = |file: &str| number(&folder, file).unwrap_or_default();
        Self {
            received: count("rx_packets"),
            received_bytes: count("rx_bytes"),
            missed: count("rx_missed_errors").saturating_add(count("rx_fifo_errors")),
            errors: count("rx_errors"),
            dropped: count("rx_dropped"),
            sent: count("tx_packets"),
        }
    }
}

impl fmt::Display for Offloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |state: Option<bool>| match state {
            Some(true) => "on",
            Some(false) => "off",
            None => "not told",
        };
        write!(f, "GRO {}, LRO {}, VLAN tags taken out {}", word(self.gro), word(self.lro), word(self.vlan))
    }
}

/// Names of the interfaces there are, without the loopback interface.
pub fn interface_names() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/class/net") else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "lo" && system::index_of(name).is_some())
        .collect();
    names.sort();
    names
}

/// Where the kernel tells of an interface.
fn folder(name: &str) -> Option<PathBuf> {
    (!["", ".", ".."].contains(&name) && !name.contains('/')).then(|| Path::new("/sys/class/net").join(name))
}

fn number(folder: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_of_interfaces_that_are_there() {
        let loopback = InterfaceFacts::of("lo").unwrap();
        assert_eq!(loopback.name, "lo");
        assert!(loopback.index > 0);
        assert_eq!(InterfaceFacts::of("nosuch0"), None);
        assert_eq!(InterfaceFacts::of("../../etc"), None);
        assert!(!interface_names().contains(&"lo".to_owned()));
    }

    #[test]
    fn offloads_are_readable() {
        let offloads = Offloads { gro: Some(true), lro: Some(false), vlan: None };
        assert_eq!(offloads.to_string(), "GRO on, LRO off, VLAN tags taken out not told");
    }
}
