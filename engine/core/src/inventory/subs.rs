//! Sub-addresses: which of them name devices of their own.

use ot_protocol::SubAddress;

/// Link addresses from here on are reserved, the self-address, or broadcasts (IEEE 1815-2012, clause 9.2.4.1.6).
const FIRST_SPECIAL_LINK: u16 = 0xFFF0;

/// Link addresses from here on reach every outstation (IEEE 1815-2012, clause 9.2.4.1.6).
const FIRST_BROADCAST_LINK: u16 = 0xFFFD;

/// Kinds of sub-addresses.
pub(super) const KINDS: usize = 3;

/// Whether a sub-address may name a device of its own. Modbus units 0 and 255 address the IP device (Modbus Messaging
/// on TCP/IP Implementation Guide V1.0b, clause 4.4.2).
pub(super) fn has_own_device(sub: SubAddress) -> bool {
    match sub {
        SubAddress::None | SubAddress::Unit(0 | 255) => false,
        SubAddress::Link(address) => address < FIRST_SPECIAL_LINK,
        SubAddress::Unit(_) | SubAddress::RackSlot(..) => true,
    }
}

/// Whether a sub-address stands for all devices at the address.
pub(super) fn is_broadcast(sub: SubAddress) -> bool {
    matches!(sub, SubAddress::Link(FIRST_BROADCAST_LINK..))
}

/// One sub-address for all under which the same device answers: newer S7 controllers answer in slot 0 and in slot 1.
pub(super) fn place(sub: SubAddress) -> SubAddress {
    match sub {
        SubAddress::RackSlot(0, 0) => SubAddress::RackSlot(0, 1),
        sub => sub,
    }
}

/// Which kind it is; `None` where it names no device. A device that speaks several protocols has one of each kind.
pub(super) fn kind(sub: SubAddress) -> Option<usize> {
    match sub {
        SubAddress::None => None,
        SubAddress::Unit(_) => Some(0),
        SubAddress::Link(_) => Some(1),
        SubAddress::RackSlot(..) => Some(2),
    }
}
