//! The pcap file format (draft-ietf-opsawg-pcap), with its variant for nanoseconds and the patched one.

use ot_protocol::Timestamp;

use crate::LinkType;
use crate::input::Window;
use crate::reader::{Head, MAX_RECORD, Stop};

/// Length of the file header.
const FILE_HEADER: usize = 24;
/// Length of a record header, and of that of the patched variant.
const RECORD_HEADER: usize = 16;
const PATCHED_RECORD_HEADER: usize = 24;
/// The lower 26 bits of the last word of the file header are the link type; the others tell of the FCS.
const LINK_TYPE_MASK: u32 = 0x03ff_ffff;

/// Reads records.
pub(crate) struct Pcap {
    big_endian: bool,
    /// Nanoseconds in a unit of the fraction.
    unit: i64,
    header: usize,
    link: LinkType,
    link_number: u32,
}

impl Pcap {
    /// From the magic number and the file header, which is consumed; `None` where it is no pcap file.
    pub(crate) fn open(magic: [u8; 4], window: &mut Window) -> Option<Self> {
        let (big_endian, unit, header) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, 1_000, RECORD_HEADER),
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, 1_000, RECORD_HEADER),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, 1, RECORD_HEADER),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, 1, RECORD_HEADER),
            // Alexey Kuznetzov's patch of libpcap, found in old captures.
            [0x34, 0xcd, 0xb2, 0xa1] => (false, 1_000, PATCHED_RECORD_HEADER),
            [0xa1, 0xb2, 0xcd, 0x34] => (true, 1_000, PATCHED_RECORD_HEADER),
            _ => return None,
        };
        let word = window.view(FILE_HEADER).get(20..)?.first_chunk::<4>().copied()?;
        let word = if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
        window.consume(FILE_HEADER);
        let link_number = word & LINK_TYPE_MASK;
        let link = u16::try_from(link_number).map_or(LinkType::Other(u16::MAX), LinkType::from_number);
        Some(Self { big_endian, unit, header, link, link_number })
    }

    pub(crate) fn link(&self) -> LinkType {
        self.link
    }

    pub(crate) fn link_number(&self) -> u32 {
        self.link_number
    }

    #[inline]
    pub(crate) fn advance(&mut self, window: &mut Window) -> Result<Head, Stop> {
        let view = window.view(self.header);
        let Some(header) = view.first_chunk::<RECORD_HEADER>().filter(|_| view.len() >= self.header) else {
            return Err(Stop::short(self.header, view.len()));
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
        let word = |bytes| if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        let (seconds, fraction) = (word([a, b, c, d]), word([e, f, g, h]));
        let (captured, wire_len) = (word([i, j, k, l]), word([m, n, o, p]));
        if captured > MAX_RECORD {
            return Err(Stop::Damaged(format!(
                "the record claims {captured} captured bytes, {MAX_RECORD} are possible"
            )));
        }
        if *header == [0; RECORD_HEADER] {
            return Err(Stop::Damaged("the record header is all zeros".to_owned()));
        }
        let len = usize::try_from(captured).unwrap_or(usize::MAX);
        let needed = self.header + len;
        let found = window.view(needed).len();
        if found < needed {
            return Err(Stop::short(needed, found));
        }
        let at = window.position() + self.header;
        window.consume(needed);
        // Both factors are far below the range: 2^32 s are 4.3e18 ns, and a fraction adds 4.3e12 ns.
        let time = Timestamp(i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.unit);
        Ok(Head { time, link: self.link, interface: 0, wire_len: wire_len.max(captured), at, len })
    }
}
