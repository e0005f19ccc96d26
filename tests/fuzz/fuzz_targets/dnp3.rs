//! A DNP3 session shown any bytes in any pieces; with the highest bit of the first byte, any user data in good link
//! frames: their checksums keep what is random out of the layers above.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Bit of the first byte: pieces are the control octet of a link frame and its user data.
const FRAMED: u8 = 0x80;
/// Most user data in a piece, so that its frame is a piece as well.
const MOST_DATA: usize = 200;

fuzz_target!(|bytes: &[u8]| match bytes.first() {
    Some(first) if first & FRAMED != 0 => ot_fuzz::session::play("dnp3", &framed(bytes)),
    _ => ot_fuzz::session::play("dnp3", bytes),
});

/// The same input with each piece in a link frame.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let (first, mut rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut input = vec![first & !FRAMED];
    while let Some(([head, length], tail)) = rest.split_first_chunk::<2>() {
        let (piece, after) = tail.split_at(usize::from(*length).min(tail.len()).min(MOST_DATA));
        rest = after;
        let (control, data) = piece.split_first().unwrap_or((&0xC4, &[]));
        let frame = frame(*control, data);
        input.push(*head);
        input.push(u8::try_from(frame.len()).unwrap_or(u8::MAX));
        input.extend(frame);
    }
    input
}

fn frame(control: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap_or(u8::MAX).saturating_add(5);
    // Master 1, outstation 10, as the direction bit tells them.
    let (destination, source) = if control & 0x80 != 0 { (10, 1) } else { (1, 10) };
    let mut bytes = vec![0x05, 0x64, length, control, destination, 0, source, 0];
    bytes.extend(crc(&bytes));
    for block in data.chunks(16) {
        bytes.extend(block);
        bytes.extend(crc(block));
    }
    bytes
}

fn crc(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA6BC } else { crc >> 1 })
    });
    (!crc).to_le_bytes()
}
