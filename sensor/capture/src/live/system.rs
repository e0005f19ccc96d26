//! What only the operating system can tell or do, and no safe library does. With the memory that two processes share
//! (`split/memory.rs`) and the taking of handed files (`split/child.rs`), this is the unsafe code of the project.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// `ETHTOOL_GFLAGS`, `ETHTOOL_GGRO`, `ETHTOOL_GET_TS_INFO` (linux/ethtool.h).
const GET_FLAGS: u32 = 0x25;
const GET_GRO: u32 = 0x2b;
const GET_TIME_STAMPS: u32 = 0x41;
/// `SIOCETHTOOL` (linux/sockios.h).
const ETHTOOL: libc::c_ulong = 0x8946;
/// `ETH_FLAG_RXVLAN`, `ETH_FLAG_LRO`.
const FLAG_RECEIVE_VLAN: u32 = 1 << 8;
const FLAG_LRO: u32 = 1 << 15;
/// `PACKET_VERSION` (linux/if_packet.h).
const PACKET_VERSION: libc::c_int = 10;

/// What a network card does to frames before they are captured; `None` where the driver does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Generic receive offload: segments of a connection are merged in software.
    pub gro: Option<bool>,
    /// Large receive offload: segments are merged by the card.
    pub lro: Option<bool>,
    /// The card takes VLAN tags out; they are put back in before frames are handed over.
    pub vlan: Option<bool>,
}

/// Number of an interface of this network namespace; `None` where there is none of that name.
pub(crate) fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` is a string that ends with a zero byte and lives during the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index > 0).then_some(index)
}

/// Whether an interface is switched on, and whether it has a link.
pub(crate) fn up_and_running(name: &str) -> Option<(bool, bool)> {
    let mut request = request(name)?;
    ask(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: after SIOCGIFFLAGS the kernel has filled this member.
    let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
    Some((flags & libc::IFF_UP != 0, flags & libc::IFF_RUNNING != 0))
}

/// Which offloads are on.
pub(crate) fn offloads(name: &str) -> Offloads {
    let flags = ethtool_value(name, GET_FLAGS);
    Offloads {
        gro: ethtool_value(name, GET_GRO).map(|value| value != 0),
        lro: flags.map(|flags| flags & FLAG_LRO != 0),
        vlan: flags.map(|flags| flags & FLAG_RECEIVE_VLAN != 0),
    }
}

/// Whether a card stamps all received packets with its own clock.
pub(crate) fn stamps_in_hardware(name: &str) -> Option<bool> {
    /// `struct ethtool_ts_info`.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        command: u32,
        so_timestamping: u32,
        clock: i32,
        send_types: u32,
        send_reserved: [u32; 3],
        receive_filters: u32,
        receive_reserved: [u32; 3],
    }
    /// `SOF_TIMESTAMPING_RX_HARDWARE`, and the filter `HWTSTAMP_FILTER_ALL`.
    const RECEIVE_HARDWARE: u32 = 1 << 2;
    const FILTER_ALL: u32 = 1 << 1;
    let mut info = Info { command: GET_TIME_STAMPS, ..Info::default() };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    ask(ETHTOOL, &mut request)?;
    Some(info.so_timestamping & RECEIVE_HARDWARE != 0 && info.receive_filters & FILTER_ALL != 0)
}

/// A single number that the driver tells.
fn ethtool_value(name: &str, command: u32) -> Option<u32> {
    /// `struct ethtool_value`.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let mut value = Value { command, data: 0 };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    ask(ETHTOOL, &mut request)?;
    Some(value.data)
}

/// A request about an interface.
fn request(name: &str) -> Option<libc::ifreq> {
    // SAFETY: all bytes zero are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    let room = request.ifr_name.len() - 1;
    if name.is_empty() || name.len() > room {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Some(request)
}

fn ask(what: libc::c_ulong, request: &mut libc::ifreq) -> Option<()> {
    // Any kind of socket will do: one that reaches no network.
    // SAFETY: takes plain numbers.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return None;
    }
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: `request` is a whole `ifreq`; what it points to, where it does, lives in the caller and has the layout that
    // the command asks for.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), what as _, &raw mut *request) };
    (done == 0).then_some(())
}

/// Waits until there is something to read, for at most so long.
pub(crate) fn wait_readable(file: BorrowedFd<'_>, longest: Duration) {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let milliseconds = libc::c_int::try_from(longest.as_millis()).unwrap_or(1000);
    // SAFETY: one `pollfd`, and the count says so.
    unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
}

/// Which version of the packet ring a capture socket has: 2 for TPACKET_V3.
pub(crate) fn ring_version(file: BorrowedFd<'_>) -> Option<i32> {
    let mut version: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes to `version`.
    let done = unsafe {
        libc::getsockopt(file.as_raw_fd(), libc::SOL_PACKET, PACKET_VERSION, (&raw mut version).cast(), &raw mut length)
    };
    (done == 0).then_some(version)
}

/// Lets the calling thread run on these processors only. Whether that was possible.
pub(crate) fn run_on(processors: &[usize]) -> bool {
    // SAFETY: all bytes zero are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let most = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    for processor in processors.iter().copied().filter(|processor| *processor < most) {
        // SAFETY: the number is within the set.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: 0 is the calling thread; the set is whole.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0 }
}

/// Marks all files but the standard streams to be closed when another program is started: also those that libraries opened.
pub(crate) fn hand_no_files_on() -> std::io::Result<()> {
    // SAFETY: takes numbers, and closes nothing now.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_there_and_others_are_not() {
        assert!(index_of("lo").is_some());
        assert!(up_and_running("lo").is_some());
        for name in ["", "no-such-interface-at-all", "nosuch0", "a\0b"] {
            assert_eq!(index_of(name), None);
            assert_eq!(up_and_running(name), None);
            assert_eq!(offloads(name), Offloads::default());
            assert_eq!(stamps_in_hardware(name), None);
        }
    }
}
