//! Writing pcapng (draft-ietf-opsawg-pcapng): one section, times in nanoseconds, comments on packets.

use crate::{LinkType, Packet};

/// Block types (section 11.1 of the draft).
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Options (sections 3.5, 4.1 and 4.2 of the draft).
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_TSRESOL: u16 = 9;
}

/// Exponent of the resolution: 10^-9 s.
const NANOSECONDS: u8 = 9;
/// Longest value of an option; a longer text is cut at a letter.
const MOST_OPTION: usize = 0xffff;

/// Appends blocks of one section to a buffer; keeps what interfaces were described.
///
/// The bytes follow from the packets and texts alone.
#[derive(Debug, Default)]
pub struct PcapngWriter {
    /// File and interface of the source, and link type: the place is the number of the interface in the section.
    interfaces: Vec<(u32, u16, LinkType)>,
}

impl PcapngWriter {
    /// Begins a section.
    pub fn begin(out: &mut Vec<u8>, comment: &str, application: &str) -> Self {
        write_block(out, block::SECTION, |out| {
            out.extend(0x1a2b_3c4d_u32.to_le_bytes());
            out.extend([1, 0, 0, 0]);
            // The length of the section is not told.
            out.extend(u64::MAX.to_le_bytes());
            text_option(out, option::COMMENT, comment);
            text_option(out, option::SHB_USERAPPL, application);
            out.extend([0; 4]);
        });
        Self::default()
    }

    /// Appends a packet, and before it the description of its interface where that is new. `name` of the interface:
    /// asked for once an interface.
    pub fn packet(
        &mut self,
        out: &mut Vec<u8>,
        packet: &Packet<'_>,
        name: impl FnOnce() -> String,
        comment: Option<&str>,
    ) {
        let key = (packet.info.frame.file(), packet.interface, packet.link);
        let interface = self.interfaces.iter().position(|known| *known == key).unwrap_or_else(|| {
            interface(out, packet.link, &name());
            self.interfaces.push(key);
            self.interfaces.len() - 1
        });
        // Times before 1970 cannot be written.
        let ticks = u64::try_from(packet.info.time.0).unwrap_or(0);
        write_block(out, block::ENHANCED_PACKET, |out| {
            let [low, high] = [ticks & 0xffff_ffff, ticks >> 32].map(|half| u32::try_from(half).unwrap_or(0));
            for word in [length(interface), high, low, length(packet.data.len()), packet.wire_len] {
                out.extend(word.to_le_bytes());
            }
            padded(out, packet.data);
            if let Some(comment) = comment {
                text_option(out, option::COMMENT, comment);
                out.extend([0; 4]);
            }
        });
    }
}

/// Interface description block (section 4.2). A snap length of 0 is no limit.
fn interface(out: &mut Vec<u8>, link: LinkType, name: &str) {
    write_block(out, block::INTERFACE, |out| {
        out.extend(link.number().to_le_bytes());
        out.extend([0; 6]);
        text_option(out, option::IF_NAME, name);
        out.extend(option::IF_TSRESOL.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        padded(out, &[NANOSECONDS]);
        out.extend([0; 4]);
    });
}

/// Type, length, body, length.
fn write_block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let len = length(out.len() - start + 4).to_le_bytes();
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&len);
    }
    out.extend(len);
}

fn text_option(out: &mut Vec<u8>, code: u16, text: &str) {
    let mut end = text.len().min(MOST_OPTION);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    if text.is_empty() {
        return;
    }
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    padded(out, text.as_bytes());
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len() + bytes.len().next_multiple_of(4) - bytes.len(), 0);
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
