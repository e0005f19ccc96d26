//! The pcapng file format (draft-ietf-opsawg-pcapng).

use ot_protocol::Timestamp;

use crate::input::Window;
use crate::reader::{Head, MAX_RECORD, Notes, Stop};
use crate::{LinkType, Trouble};

/// Block types (section 11.1 of the draft).
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const STATISTICS: u32 = 5;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Options (sections 4.2 and 4.6 of the draft).
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const IF_TSOFFSET: u16 = 14;
    pub(super) const ISB_IFDROP: u16 = 5;
    pub(super) const ISB_OSDROP: u16 = 7;
}

/// Type and length before a block's body, and the length again behind it.
const BLOCK_HEAD: usize = 8;
const BLOCK_FRAME: u32 = 12;
/// Blocks up to this length are looked at whole; longer ones only hold something else than a usual packet.
const MAX_WHOLE_BLOCK: u32 = 768 << 10;
/// More interfaces than `Packet::interface` can tell apart.
const MAX_INTERFACES: usize = 65_536;
/// Characters kept of the name of an interface.
const MAX_NAME: usize = 64;

/// From ticks to nanoseconds.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// Nanoseconds in a tick.
    Multiply(u64),
    /// Ticks in a nanosecond.
    Divide(u64),
    /// Ticks in a second, as a power of two.
    Binary(u32),
}

impl Resolution {
    /// From option if_tsresol: bit 7 tells the base, the others the negative exponent.
    fn new(option: u8) -> Self {
        let exponent = u32::from(option & 0x7f);
        if option & 0x80 != 0 {
            Self::Binary(exponent)
        } else if exponent <= 9 {
            Self::Multiply(10_u64.pow(9 - exponent))
        } else {
            // Beyond 10^28 all 64 bits of ticks are less than a nanosecond.
            10_u64.checked_pow(exponent - 9).map_or(Self::Binary(127), Self::Divide)
        }
    }

    #[inline]
    fn nanos(self, ticks: u64) -> i64 {
        let nanos = match self {
            Self::Multiply(factor) => ticks.saturating_mul(factor),
            Self::Divide(divisor) => ticks / divisor,
            Self::Binary(exponent) => {
                u64::try_from((u128::from(ticks) * 1_000_000_000) >> exponent.min(127)).unwrap_or(u64::MAX)
            }
        };
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

#[derive(Clone, Debug)]
struct Interface {
    /// Empty where not told.
    name: String,
    link: LinkType,
    snap_len: u32,
    resolution: Resolution,
    /// Nanoseconds to add to each time.
    offset: i64,
    /// Packets lost, as the last statistics block says.
    dropped: u64,
    /// Whether it was told that its packets are not decoded.
    told: bool,
}

/// Reads blocks.
#[derive(Default)]
pub(crate) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Bytes of the last block still to be passed over, where it was too long to be in view.
    pending: u64,
    /// Time of the last packet that has one, for simple packets, which have none.
    last: Timestamp,
    dropped: u64,
    /// Losses by interface that nobody took yet.
    losses: Vec<(u16, u64)>,
    /// Whether a record that cannot be used was told of.
    told: bool,
}

/// Values of a block in the byte order of its section.
#[derive(Clone, Copy)]
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk::<N>().copied()
    }

    #[inline]
    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(|bytes| if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    #[inline]
    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(|bytes| if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// A number of 64 bits as two of 32, the higher first.
    #[inline]
    fn ticks(&self, at: usize) -> Option<u64> {
        Some(u64::from(self.u32(at)?) << 32 | u64::from(self.u32(at + 4)?))
    }

    /// The options from `at` to the end: code and value.
    fn options(&self, mut at: usize) -> impl Iterator<Item = (u16, Fields<'a>)> + use<'a> {
        let this = *self;
        std::iter::from_fn(move || {
            let (code, len) = (this.u16(at)?, usize::from(this.u16(at + 2)?));
            let value = this.bytes.get(at + 4..at + 4 + len)?;
            at += 4 + len.next_multiple_of(4);
            (code != option::END).then_some((code, Fields { bytes: value, big_endian: this.big_endian }))
        })
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(|bytes| if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
}

/// Where a packet lies in its block and what the block says of it.
struct Found {
    interface: u32,
    ticks: Option<u64>,
    captured: u32,
    wire_len: u32,
    /// Offset in the block.
    at: u32,
}

impl Pcapng {
    /// Type of the section header block; the same in both byte orders.
    pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

    /// Packets that the capturing host says it lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Losses by interface since the last call, in the order told.
    pub(crate) fn take_losses(&mut self) -> Vec<(u16, u64)> {
        std::mem::take(&mut self.losses)
    }

    /// Name of an interface of the current section.
    pub(crate) fn name(&self, interface: u16) -> Option<&str> {
        self.interfaces.get(usize::from(interface)).map(|interface| interface.name.as_str())
    }

    /// The link type, if all interfaces described so far are of kinds that are not decoded.
    pub(crate) fn only_unknown_links(&self) -> Option<u32> {
        if self.interfaces.iter().any(|interface| interface.link.is_known()) {
            return None;
        }
        self.interfaces.first().and_then(|interface| match interface.link {
            LinkType::Other(number) => Some(u32::from(number)),
            _ => None,
        })
    }

    /// Passes over blocks up to the next packet. `frames` is the number of packets so far; it also counts those that
    /// cannot be used.
    pub(crate) fn advance(&mut self, window: &mut Window, frames: &mut u64, notes: &mut Notes) -> Result<Head, Stop> {
        loop {
            let missing = window.skip(std::mem::take(&mut self.pending));
            if missing > 0 {
                return Err(Stop::Cut(missing));
            }
            let offset = window.offset();
            let (kind, len) = self.block(window)?;
            let whole = usize::try_from(len.min(MAX_WHOLE_BLOCK)).unwrap_or(usize::MAX);
            let found = window.view(whole).len();
            if found < whole {
                return Err(Stop::Cut(u64::from(len) - u64::try_from(found).unwrap_or(0)));
            }
            let position = window.position();
            let bytes = window.slice(position, whole);
            if len <= MAX_WHOLE_BLOCK {
                let end = Fields { bytes, big_endian: self.big_endian };
                if end.u32(whole - 4) != Some(len) {
                    return Err(Stop::Damaged("a block has two different lengths".to_owned()));
                }
                self.pending = 0;
            }
            let body_end = if len <= MAX_WHOLE_BLOCK { whole - 4 } else { whole };
            let fields = Fields { bytes: bytes.get(..body_end).unwrap_or_default(), big_endian: self.big_endian };
            let packet = match kind {
                block::ENHANCED_PACKET => Some(enhanced(fields)),
                block::SIMPLE_PACKET => Some(self.simple(fields, len)),
                block::PACKET => Some(obsolete(fields)),
                block::INTERFACE => {
                    if self.interfaces.len() == MAX_INTERFACES {
                        return Err(Stop::Damaged(format!("more than {MAX_INTERFACES} interfaces")));
                    }
                    let Some(interface) = interface(fields) else {
                        return Err(Stop::Damaged("an interface description is too short".to_owned()));
                    };
                    self.interfaces.push(interface);
                    None
                }
                block::STATISTICS => {
                    self.statistics(fields);
                    None
                }
                // A section header was dealt with, and any other block holds no packets.
                _ => None,
            };
            window.consume(whole);
            self.pending = u64::from(len) - u64::try_from(whole).unwrap_or(0);
            let Some(packet) = packet else { continue };
            match self.head(packet, position, body_end) {
                Ok(head) => {
                    if let LinkType::Other(number) = head.link
                        && let Some(interface) = self.interfaces.get_mut(usize::from(head.interface))
                        && !std::mem::replace(&mut interface.told, true)
                    {
                        notes.push(*frames + 1, offset, Trouble::LinkType(number));
                    }
                    return Ok(head);
                }
                Err(what) => {
                    *frames += 1;
                    if !std::mem::replace(&mut self.told, true) {
                        notes.push(*frames, offset, Trouble::Record(what.to_owned()));
                    }
                }
            }
        }
    }

    /// Type and length of the next block; a section header sets the byte order and forgets the interfaces.
    #[inline]
    fn block(&mut self, window: &mut Window) -> Result<(u32, u32), Stop> {
        let view = window.view(BLOCK_HEAD);
        let fields = Fields { bytes: view, big_endian: self.big_endian };
        let (Some(kind), Some(mut len)) = (fields.u32(0), fields.u32(4)) else {
            return Err(Stop::short(BLOCK_HEAD, view.len()));
        };
        if kind == block::SECTION {
            len = self.section(window)?;
        }
        if len < BLOCK_FRAME || !len.is_multiple_of(4) {
            return Err(Stop::Damaged(format!("a block claims a length of {len} bytes")));
        }
        Ok((kind, len))
    }

    #[cold]
    fn section(&mut self, window: &mut Window) -> Result<u32, Stop> {
        const NEEDED: usize = 16;
        let view = window.view(NEEDED);
        if view.len() < NEEDED {
            return Err(Stop::short(NEEDED, view.len()));
        }
        self.big_endian = match view.get(8..12) {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
            _ => return Err(Stop::Damaged("a section header has no byte-order magic".to_owned())),
        };
        self.interfaces.clear();
        let fields = Fields { bytes: view, big_endian: self.big_endian };
        match fields.u16(12) {
            Some(1) => Ok(fields.u32(4).unwrap_or(0)),
            version => Err(Stop::Damaged(format!("version {} of pcapng is not known", version.unwrap_or(0)))),
        }
    }

    #[inline]
    fn head(&mut self, packet: Option<Found>, position: usize, body_end: usize) -> Result<Head, &'static str> {
        let packet = packet.ok_or("it is too short for its header")?;
        if packet.captured > MAX_RECORD {
            return Err("it claims more bytes than any capture holds");
        }
        let at = usize::try_from(packet.at).unwrap_or(usize::MAX);
        let len = usize::try_from(packet.captured).unwrap_or(usize::MAX);
        if at + len > body_end {
            return Err("it claims more bytes than its block holds");
        }
        let index = u16::try_from(packet.interface).map_err(|_| "its interface is not described")?;
        let interface = self.interfaces.get(usize::from(index)).ok_or("its interface is not described")?;
        if let Some(ticks) = packet.ticks {
            self.last = Timestamp(interface.resolution.nanos(ticks).saturating_add(interface.offset));
        }
        Ok(Head {
            time: self.last,
            link: interface.link,
            interface: index,
            wire_len: packet.wire_len.max(packet.captured),
            at: position + at,
            len,
        })
    }

    /// Simple packet block (section 4.4): the first interface, no time, the captured length only implied.
    fn simple(&self, fields: Fields<'_>, len: u32) -> Option<Found> {
        const DATA: u32 = 12;
        let wire_len = fields.u32(8)?;
        let snap_len = self.interfaces.first().map_or(0, |interface| interface.snap_len);
        let limit = if snap_len == 0 { u32::MAX } else { snap_len };
        let captured = wire_len.min(limit).min(len.checked_sub(DATA + 4)?);
        Some(Found { interface: 0, ticks: None, captured, wire_len, at: DATA })
    }

    /// Interface statistics block (section 4.6): keeps the losses.
    fn statistics(&mut self, fields: Fields<'_>) {
        let index = fields.u32(8).and_then(|index| usize::try_from(index).ok());
        let Some(interface) = index.and_then(|index| self.interfaces.get_mut(index)) else { return };
        let mut dropped = 0_u64;
        let mut counted = false;
        for (code, value) in fields.options(20) {
            if matches!(code, option::ISB_IFDROP | option::ISB_OSDROP) {
                dropped = dropped.saturating_add(value.u64(0).unwrap_or(0));
                counted = true;
            }
        }
        // Counted from the start of the capture: only what came on top is new.
        let more = dropped.saturating_sub(interface.dropped);
        self.dropped = self.dropped.saturating_add(more);
        interface.dropped = interface.dropped.max(dropped);
        let number = index.and_then(|index| u16::try_from(index).ok());
        if let Some(number) = number.filter(|_| counted) {
            match self.losses.iter_mut().find(|(known, _)| *known == number) {
                Some((_, sum)) => *sum = sum.saturating_add(more),
                None => self.losses.push((number, more)),
            }
        }
    }
}

/// Enhanced packet block (section 4.3).
#[inline]
fn enhanced(fields: Fields<'_>) -> Option<Found> {
    Some(Found {
        interface: fields.u32(8)?,
        ticks: Some(fields.ticks(12)?),
        captured: fields.u32(20)?,
        wire_len: fields.u32(24)?,
        at: 28,
    })
}

/// The obsolete packet block (appendix A): the interface has 16 bits, a counter of losses follows it.
fn obsolete(fields: Fields<'_>) -> Option<Found> {
    Some(Found {
        interface: u32::from(fields.u16(8)?),
        ticks: Some(fields.ticks(12)?),
        captured: fields.u32(20)?,
        wire_len: fields.u32(24)?,
        at: 28,
    })
}

/// Interface description block (section 4.2).
fn interface(fields: Fields<'_>) -> Option<Interface> {
    let link = LinkType::from_number(fields.u16(8)?);
    let snap_len = fields.u32(12)?;
    let (mut resolution, mut offset) = (Resolution::Multiply(1_000), 0_i64);
    let mut name = String::new();
    for (code, value) in fields.options(16) {
        match code {
            option::IF_NAME => {
                let text = String::from_utf8_lossy(value.bytes);
                name = text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
            }
            option::IF_TSRESOL => {
                if let Some([exponent]) = value.array::<1>(0) {
                    resolution = Resolution::new(exponent);
                }
            }
            option::IF_TSOFFSET => {
                if let Some(seconds) = value.u64(0) {
                    offset = seconds.cast_signed().saturating_mul(1_000_000_000);
                }
            }
            _ => {}
        }
    }
    Some(Interface { name, link, snap_len, resolution, offset, dropped: 0, told: false })
}
