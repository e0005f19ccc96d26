//! Which packets of a file made the alert: those that carry the comment [`super::pick`] writes.

/// Block types and the option of a comment (pcapng, sections 4.1, 4.3 and 3.5).
const ENHANCED_PACKET: u32 = 6;
const COMMENT: u16 = 1;
/// What the comment of a packet that made an alert begins with.
pub(crate) const MARK: &str = "trigger of alert";

/// Numbers of the packets that made the alert, from 1, as Wireshark counts. What is no pcapng of ours has none.
pub fn triggers(file: &[u8]) -> Vec<u64> {
    let (mut found, mut number, mut rest) = (Vec::new(), 0, file);
    while let (Some(kind), Some(length)) = (word(rest, 0), word(rest, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(block) = rest.get(..length).filter(|block| block.len() >= 12) else { break };
        if kind == ENHANCED_PACKET {
            number += 1;
            if is_marked(block) {
                found.push(number);
            }
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Whether an enhanced packet block has the comment. Its options stand between the packet, padded to four bytes, and the
/// repeated length.
fn is_marked(block: &[u8]) -> bool {
    let captured = word(block, 20).and_then(|length| usize::try_from(length).ok());
    let start = captured.and_then(|length| length.checked_next_multiple_of(4)?.checked_add(28));
    let end = block.len().saturating_sub(4);
    let Some(mut options) = start.and_then(|start| block.get(start..end)) else { return false };
    while let Some(&[a, b, c, d]) = options.first_chunk::<4>() {
        let (code, length) = (u16::from_le_bytes([a, b]), usize::from(u16::from_le_bytes([c, d])));
        let value = options.get(4..4 + length).unwrap_or_default();
        if code == COMMENT && value.starts_with(MARK.as_bytes()) {
            return true;
        }
        options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    }

    fn packet(data: &[u8], comment: Option<&str>) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let mut body = [&[0; 12][..], &length, &length, data].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        if let Some(comment) = comment {
            body.extend(COMMENT.to_le_bytes());
            body.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
            body.extend(comment.as_bytes());
            body.resize(body.len().next_multiple_of(4), 0);
            body.extend([0; 4]);
        }
        block(ENHANCED_PACKET, &body)
    }

    #[test]
    fn marked_packets_are_found() {
        let file = [
            block(0x0a0d_0d0a, &[0; 16]),
            packet(b"abcde", None),
            packet(b"abc", Some("trigger of alert 12: x")),
            packet(b"", Some("something else")),
            packet(b"abcd", Some("trigger of alert 12: x")),
        ]
        .concat();
        assert_eq!(triggers(&file), [2, 4]);
        for cut in 0..file.len() {
            assert!(triggers(&file[..cut]).len() <= 2);
        }
        assert!(triggers(&[0xff; 64]).is_empty());
    }
}
