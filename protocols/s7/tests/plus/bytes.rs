//! S7comm-plus messages from small parts, as the protocol encodes them.

#![allow(dead_code, reason = "not every test needs every part")]
#![allow(clippy::unwrap_used, reason = "test code")]

/// Opcodes.
pub const REQUEST: u8 = 0x31;
pub const RESPONSE: u8 = 0x32;
pub const NOTIFICATION: u8 = 0x33;

/// Session id of the tests.
pub const SESSION: u32 = 0x0394;

/// A number of variable length.
pub fn vlq(value: u32) -> Vec<u8> {
    let mut groups = vec![u8::try_from(value & 0x7F).unwrap()];
    let mut rest = value >> 7;
    while rest > 0 {
        groups.push(0x80 | u8::try_from(rest & 0x7F).unwrap());
        rest >>= 7;
    }
    groups.reverse();
    groups
}

/// Pieces one after the other.
pub fn join(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// Values: flags, data type, content.
pub fn udint(value: u32) -> Vec<u8> {
    join(&[&[0, 4], &vlq(value)])
}

pub fn dint(value: u8) -> Vec<u8> {
    assert!(value < 64);
    vec![0, 8, value]
}

pub fn int(value: i16) -> Vec<u8> {
    join(&[&[0, 7], &value.to_be_bytes()])
}

pub fn real(value: f32) -> Vec<u8> {
    join(&[&[0, 0x0E], &value.to_be_bytes()])
}

pub fn boolean(value: bool) -> Vec<u8> {
    vec![0, 1, u8::from(value)]
}

pub fn text(value: &str) -> Vec<u8> {
    join(&[&[0, 0x15], &vlq(u32::try_from(value.len()).unwrap()), value.as_bytes()])
}

pub fn blob(value: &[u8]) -> Vec<u8> {
    join(&[&[0, 0x14, 0], &vlq(u32::try_from(value.len()).unwrap()), value])
}

pub fn ids(values: &[u32]) -> Vec<u8> {
    let mut bytes = join(&[&[0x20, 4], &vlq(u32::try_from(values.len()).unwrap())]);
    bytes.extend(values.iter().flat_map(|value| vlq(*value)));
    bytes
}

/// A structure with members.
pub fn structure(id: u32, members: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = join(&[&[0, 0x17], &id.to_be_bytes()]);
    for (member, value) in members {
        bytes.extend(join(&[&vlq(*member), value]));
    }
    bytes.push(0);
    bytes
}

/// An object with attributes and what lies in it.
pub fn object(relation: u32, class: u32, attributes: &[(u32, Vec<u8>)], inner: &[u8]) -> Vec<u8> {
    let mut bytes = join(&[&[0xA1], &relation.to_be_bytes(), &vlq(class), &[0, 0]]);
    for (id, value) in attributes {
        bytes.extend(join(&[&[0xA3], &vlq(*id), value]));
    }
    bytes.extend_from_slice(inner);
    bytes.push(0xA2);
    bytes
}

/// The address of a variable.
pub fn address(crc: u32, area: u32, sub: u32, lids: &[u32]) -> Vec<u8> {
    let depth = u32::try_from(lids.len()).unwrap() + 1;
    let mut bytes = join(&[&vlq(crc), &vlq(area), &vlq(depth), &vlq(sub)]);
    bytes.extend(lids.iter().flat_map(|lid| vlq(*lid)));
    bytes
}

/// The qualifier that most requests end with.
pub fn qualifier() -> Vec<u8> {
    join(&[
        &1256_u32.to_be_bytes(),
        &vlq(1257),
        &[0, 0x12, 0, 0, 0, 0],
        &vlq(1258),
        &[0, 0x13, 0],
        &vlq(1259),
        &[0, 4, 0, 0],
    ])
}

/// The data of a request.
pub fn request(function: u16, sequence: u16, flags: u8, content: &[u8]) -> Vec<u8> {
    join(&[
        &[REQUEST, 0, 0],
        &function.to_be_bytes(),
        &[0, 0],
        &sequence.to_be_bytes(),
        &SESSION.to_be_bytes(),
        &[flags],
        content,
    ])
}

/// The data of a response. `returned`: return value as on the wire.
pub fn response(function: u16, sequence: u16, returned: &[u8], content: &[u8]) -> Vec<u8> {
    join(&[&[RESPONSE, 0, 0], &function.to_be_bytes(), &[0, 0], &sequence.to_be_bytes(), &[0x34], returned, content])
}

/// Return value with error code -12, as the number of nine bytes.
pub fn not_found() -> Vec<u8> {
    let value = 0x8000_0000_0000_FFF4_u64;
    let mut bytes: Vec<u8> =
        (0..8).map(|group| 0x80 | u8::try_from(value >> (57 - 7 * group) & 0x7F).unwrap()).collect();
    bytes.push(0xF4);
    bytes
}

/// Integrity id and zeros behind the content.
pub fn tail(id: u32) -> Vec<u8> {
    join(&[&vlq(id), &[0; 4]])
}

/// A message whole in one unit, in a packet.
pub fn whole(version: u8, data: &[u8]) -> Vec<u8> {
    fragment(version, data, true)
}

/// A unit with data, in a packet.
pub fn fragment(version: u8, data: &[u8], last: bool) -> Vec<u8> {
    let digest = if version == 3 { join(&[&[32], &[0xD1; 32]]) } else { Vec::new() };
    let length = u16::try_from(data.len() + digest.len()).unwrap();
    let mut unit = join(&[&[0x72, version], &length.to_be_bytes(), &digest, data]);
    if last {
        unit.extend([0x72, version, 0, 0]);
    }
    packet(&unit)
}

/// User data in a data unit of the transport layer, in a packet.
pub fn packet(unit: &[u8]) -> Vec<u8> {
    let length = u16::try_from(unit.len() + 7).unwrap();
    join(&[&[3, 0], &length.to_be_bytes(), &[2, 0xF0, 0x80], unit])
}
