//! Frames from fragments, as masters and outstations send them.

// Each test uses some of it.
#![allow(dead_code)]

use ot_protocol::Direction;

/// The CRC of the link layer, bit by bit.
pub fn crc(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA6BC } else { crc >> 1 })
    });
    (!crc).to_le_bytes()
}

/// A link frame.
pub fn frame(control: u8, destination: u16, source: u16, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(5 + data.len()).expect("at most 250 octets");
    let mut bytes = vec![0x05, 0x64, length, control];
    bytes.extend(destination.to_le_bytes());
    bytes.extend(source.to_le_bytes());
    bytes.extend(crc(&bytes));
    for block in data.chunks(16) {
        bytes.extend(block);
        bytes.extend(crc(block));
    }
    bytes
}

/// Link address of the master.
pub const MASTER: u16 = 1;
/// Link address of the outstation.
pub const OUTSTATION: u16 = 10;

/// A fragment in as many frames as it needs.
pub fn frames(control: u8, destination: u16, source: u16, fragment: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = fragment.chunks(249).collect();
    let mut bytes = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let fir = if number == 0 { 0x40 } else { 0 };
        let fin = if number + 1 == parts.len() { 0x80 } else { 0 };
        let octet = fir | fin | u8::try_from(number % 64).expect("below 64");
        bytes.extend(frame(control, destination, source, &[&[octet], *part].concat()));
    }
    bytes
}

/// What the master sends.
pub fn request(fragment: &[u8]) -> Vec<u8> {
    frames(0xC4, OUTSTATION, MASTER, fragment)
}

/// What the outstation sends.
pub fn response(fragment: &[u8]) -> Vec<u8> {
    frames(0x44, MASTER, OUTSTATION, fragment)
}

/// Exchanges that repeat: two polls, an event, a control.
pub fn exchanges() -> Vec<(Direction, Vec<u8>)> {
    let crob = [12, 1, 0x17, 1, 5, 0x03, 1, 100, 0, 0, 0, 100, 0, 0, 0, 0];
    let of = |control: u8, function: u8| [vec![control, function], crob.to_vec()].concat();
    let answer = |control: u8| [vec![control, 129, 0, 0], crob.to_vec()].concat();
    let integrity = [
        &[0xC2, 129, 0, 0][..],
        &[1, 2, 0, 0, 3, 1, 1, 0x81, 1],
        &[30, 2, 0, 0, 2, 1, 5, 0, 1, 6, 0, 1, 7, 0],
        &[20, 1, 0, 0, 0, 1, 9, 0, 0, 0],
    ];
    vec![
        // Events of class 1 to 3, none there.
        (Direction::AtoB, request(&[0xC1, 1, 60, 2, 6, 60, 3, 6, 60, 4, 6])),
        (Direction::BtoA, response(&[0xC1, 129, 0, 0])),
        // Integrity poll.
        (Direction::AtoB, request(&[0xC2, 1, 60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6])),
        (Direction::BtoA, response(&integrity.concat())),
        // An unsolicited event, confirmed.
        (Direction::BtoA, response(&[0xF3, 130, 0, 0, 2, 1, 0x17, 2, 3, 0x81, 4, 1])),
        (Direction::AtoB, request(&[0xD3, 0])),
        // Select and operate.
        (Direction::AtoB, request(&of(0xC4, 3))),
        (Direction::BtoA, response(&answer(0xC4))),
        (Direction::AtoB, request(&of(0xC5, 4))),
        (Direction::BtoA, response(&answer(0xC5))),
    ]
}
