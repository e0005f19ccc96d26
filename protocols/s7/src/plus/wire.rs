//! Header, trailer and the numbers of variable length.
//!
//! Offsets of the header: 0 protocol id 0x72, 1 version, 2 length of the data (two bytes). Version 3 puts the integrity
//! part before the data: length of the digest (32), digest. The trailer is a header with length 0 behind the data of the
//! last fragment. The keep-alive (version 0xFF) has a number and a reserved byte in place of the length, and no data.

use ot_protocol::{Reader, Short};

/// First byte of each header and trailer.
pub(crate) const PROTOCOL_ID: u8 = 0x72;
/// Length of a header, and of a trailer.
pub(crate) const HEADER: usize = 4;
/// Length of the digest of version 3.
pub(crate) const DIGEST: usize = 32;

/// Protocol versions.
pub(crate) mod version {
    /// Connection set-up.
    pub const V1: u8 = 1;
    /// Plain, or with the integrity part behind the data.
    pub const V2: u8 = 2;
    /// With the integrity part before the data.
    pub const V3: u8 = 3;
    /// System event.
    pub const SYSTEM_EVENT: u8 = 0xFE;
    /// Keep-alive.
    pub const KEEP_ALIVE: u8 = 0xFF;

    /// Name, for people.
    pub fn name(version: u8) -> &'static str {
        match version {
            V1 => "V1",
            V2 => "V2",
            V3 => "V3",
            SYSTEM_EVENT => "System event",
            KEEP_ALIVE => "Keep-alive",
            _ => "unknown",
        }
    }
}

/// Opcodes.
pub(crate) mod opcode {
    /// Request.
    pub const REQUEST: u8 = 0x31;
    /// Response.
    pub const RESPONSE: u8 = 0x32;
    /// Notification.
    pub const NOTIFICATION: u8 = 0x33;
    /// Response to a request with another transport flag, seen where cyclic data flow to an HMI.
    pub const RESPONSE2: u8 = 0x02;

    /// Name, for people.
    pub fn name(opcode: u8) -> &'static str {
        match opcode {
            REQUEST => "Request",
            RESPONSE => "Response",
            NOTIFICATION => "Notification",
            RESPONSE2 => "Response2",
            _ => "unknown",
        }
    }

    /// Whether it is one of them.
    pub fn is_known(opcode: u8) -> bool {
        matches!(opcode, REQUEST | RESPONSE | NOTIFICATION | RESPONSE2)
    }
}

/// What the header of a unit of user data says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Protocol version.
    pub version: u8,
    /// Length of the data in bytes, digest of version 3 included; of a keep-alive its number and reserved byte.
    pub length: u16,
}

impl Header {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Short> {
        let [_, version, high, low] = reader.array()?;
        Ok(Self { version, length: u16::from_be_bytes([high, low]) })
    }
}

/// Unsigned number of at most 32 bits: groups of 7 bits, most significant first, the top bit tells that more follow.
pub(crate) fn vlq32(reader: &mut Reader<'_>) -> Result<u32, Short> {
    let mut value = 0_u32;
    for _ in 0..5 {
        let octet = reader.u8()?;
        value = value << 7 | u32::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

/// Signed number of at most 32 bits: bit 6 of the first octet is the sign.
pub(crate) fn svlq32(reader: &mut Reader<'_>) -> Result<i32, Short> {
    let mut value = 0_i32;
    for place in 0..5 {
        let octet = reader.u8()?;
        if place == 0 && octet & 0x40 != 0 {
            value = -1 << 6;
            value |= i32::from(octet & 0x3F);
        } else {
            value = value << 7 | i32::from(octet & 0x7F);
        }
        if octet & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

/// Unsigned number of at most 64 bits: a ninth octet counts with all its bits.
pub(crate) fn vlq64(reader: &mut Reader<'_>) -> Result<u64, Short> {
    let mut value = 0_u64;
    for _ in 0..8 {
        let octet = reader.u8()?;
        value = value << 7 | u64::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Ok(value << 8 | u64::from(reader.u8()?))
}

/// Signed number of at most 64 bits.
pub(crate) fn svlq64(reader: &mut Reader<'_>) -> Result<i64, Short> {
    let mut value = 0_i64;
    for place in 0..8 {
        let octet = reader.u8()?;
        if place == 0 && octet & 0x40 != 0 {
            value = -1 << 6 | i64::from(octet & 0x3F);
        } else {
            value = value << 7 | i64::from(octet & 0x7F);
        }
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Ok(value << 8 | i64::from(reader.u8()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length() {
        let read = |bytes: &[u8]| vlq32(&mut Reader::new(bytes));
        assert_eq!(read(&[0x7F]), Ok(127));
        assert_eq!(read(&[0x81, 0x00]), Ok(128));
        assert_eq!(read(&[0x88, 0xD0, 0xB8, 0x80, 0x01]), Ok(0x8A0E_0001));
        assert_eq!(read(&[0x81]), Err(Short { offset: 1, needed: 1, found: 0 }));
        let signed = |bytes: &[u8]| svlq32(&mut Reader::new(bytes));
        assert_eq!(signed(&[0x3F]), Ok(63));
        assert_eq!(signed(&[0x7F]), Ok(-1));
        assert_eq!(signed(&[0x80, 0x40]), Ok(64));
        assert_eq!(signed(&[0xFF, 0x00]), Ok(-128));
        let long = |bytes: &[u8]| vlq64(&mut Reader::new(bytes));
        assert_eq!(long(&[0xFF; 9]), Ok(u64::MAX));
        assert_eq!(long(&[0x82, 0x2C]), Ok(300));
        let long = |bytes: &[u8]| svlq64(&mut Reader::new(bytes));
        assert_eq!(long(&[0x7E]), Ok(-2));
        assert_eq!(long(&[0xFF; 9]), Ok(-1));
    }
}
