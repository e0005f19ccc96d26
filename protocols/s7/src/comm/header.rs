//! The header of an S7comm unit, and the two parts behind it.
//!
//! | Offset | Field |
//! |---|---|
//! | 0 | protocol id, 0x32 |
//! | 1 | message type (ROSCTR): 1 job, 2 acknowledgement, 3 acknowledgement with data, 7 user data |
//! | 2 | redundancy identification, reserved |
//! | 4 | reference of the unit; the answer repeats it |
//! | 6 | length of the parameter part |
//! | 8 | length of the data part |
//! | 10 | types 2 and 3: error class and error code |

use ot_protocol::Reader;

/// First byte of every unit.
pub(crate) const PROTOCOL_ID: u8 = 0x32;

/// Message types.
pub(crate) mod rosctr {
    pub const JOB: u8 = 1;
    pub const ACK: u8 = 2;
    pub const ACK_DATA: u8 = 3;
    pub const USER_DATA: u8 = 7;
}

/// Header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Message type.
    pub rosctr: u8,
    /// Redundancy identification.
    pub redundancy: u16,
    /// Reference of the unit.
    pub reference: u16,
    /// Length of the parameter part in bytes.
    pub param: u16,
    /// Length of the data part in bytes.
    pub data: u16,
    /// Error class and code, on acknowledgements.
    pub error: Option<(u8, u8)>,
}

/// A unit cut into its parts, as far as they are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit<'a> {
    /// Header.
    pub header: Header,
    /// Parameter part.
    pub param: &'a [u8],
    /// Data part.
    pub data: &'a [u8],
    /// Bytes of the header.
    pub length: usize,
    /// Bytes that the lengths of the header ask for beyond those that are there; negative: bytes too many.
    pub missing: i64,
}

impl<'a> Unit<'a> {
    /// Reads header and parts; `None` where not even the header is there.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let _id = reader.u8().ok()?;
        let rosctr = reader.u8().ok()?;
        let redundancy = reader.u16().ok()?;
        let reference = reader.u16().ok()?;
        let param = reader.u16().ok()?;
        let data = reader.u16().ok()?;
        let error = match rosctr {
            rosctr::ACK | rosctr::ACK_DATA => Some(reader.array::<2>().ok().map(|[class, code]| (class, code))?),
            _ => None,
        };
        let length = reader.offset();
        let rest = reader.rest();
        let cut = usize::from(param).min(rest.len());
        let (param_part, behind) = rest.split_at(cut);
        let data_part = behind.get(..usize::from(data).min(behind.len())).unwrap_or_default();
        let wanted = i64::from(param) + i64::from(data);
        let missing = wanted - i64::try_from(rest.len()).unwrap_or(i64::MAX);
        let header = Header { rosctr, redundancy, reference, param, data, error };
        Some(Self { header, param: param_part, data: data_part, length, missing })
    }

    /// Error class and code as one number; 0 where there is none.
    pub fn error(&self) -> u16 {
        self.header.error.map_or(0, |(class, code)| u16::from_be_bytes([class, code]))
    }
}

/// Parameter part of user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserData {
    /// 0x11 where there is no error code, 0x12 where there is.
    pub method: u8,
    /// 4 request, 8 answer, 0 told without a request.
    pub kind: u8,
    /// Group of functions.
    pub group: u8,
    /// Subfunction.
    pub sub: u8,
    /// Sequence number: of an answer's parts, or of a job that goes on.
    pub sequence: u8,
    /// Reference of an answer that comes in parts; 0 where it does not.
    pub unit_reference: u8,
    /// Whether more parts follow.
    pub more: bool,
    /// Error code.
    pub error: u16,
}

impl UserData {
    /// A request.
    pub const REQUEST: u8 = 4;
    /// An answer.
    pub const RESPONSE: u8 = 8;

    /// Reads a parameter part.
    pub fn read(param: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(param);
        let _head = reader.array::<3>().ok()?;
        let length = reader.u8().ok()?;
        let method = reader.u8().ok()?;
        let kind = reader.u8().ok()?;
        let sub = reader.u8().ok()?;
        let sequence = reader.u8().ok()?;
        let mut read = Self {
            method,
            kind: kind >> 4,
            group: kind & 0x0F,
            sub,
            sequence,
            unit_reference: 0,
            more: false,
            error: 0,
        };
        if length >= 8
            && let (Ok(reference), Ok(more), Ok(error)) = (reader.u8(), reader.u8(), reader.u16())
        {
            read.unit_reference = reference;
            read.more = more != 0;
            read.error = error;
        }
        Some(read)
    }
}

/// The data part of user data, and of items: return code, transport size, length, then the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data<'a> {
    /// Return code.
    pub code: u8,
    /// Transport size.
    pub size: u8,
    /// Length as on the wire.
    pub length: u16,
    /// The data, as far as they are there.
    pub bytes: &'a [u8],
    /// Bytes that the length asks for; none for a refused item.
    pub wanted: usize,
}

impl<'a> Data<'a> {
    /// Reads from a reader; leaves it behind the data.
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let code = reader.u8().ok()?;
        let size = reader.u8().ok()?;
        let length = reader.u16().ok()?;
        let mut data = Self { code, size, length, bytes: &[], wanted: 0 };
        if !data.is_refused() {
            data.wanted = super::value::data_bytes(size, length);
            data.bytes = reader.take(data.wanted.min(reader.remaining())).unwrap_or_default();
        }
        Some(data)
    }

    /// A refused item has no data, but some servers give it a length (the Snap7 library: 4, as of its header).
    fn is_refused(&self) -> bool {
        self.size == 0 && !matches!(self.code, 0 | 0xFF)
    }

    /// The length that it tells, in bytes.
    pub fn told(&self) -> usize {
        if self.is_refused() { usize::from(self.length) } else { self.wanted }
    }
}

/// Whether the client sent a unit, as far as it tells.
///
/// Jobs come from the client, apart from the two by which a controller fetches a block that is downloaded.
pub(crate) fn from_client(bytes: &[u8]) -> Option<bool> {
    match *bytes {
        [PROTOCOL_ID, 1, _, _, _, _, _, _, _, _, function, ..] => Some(!matches!(function, 0x1B | 0x1C)),
        [PROTOCOL_ID, 3, _, _, _, _, _, _, _, _, _, _, function, ..] => Some(matches!(function, 0x1B | 0x1C)),
        [PROTOCOL_ID, 1, ..] => Some(true),
        [PROTOCOL_ID, 2 | 3, ..] => Some(false),
        // Type of user data: 4 request, 8 answer, 0 told without request.
        [PROTOCOL_ID, 7, _, _, _, _, _, _, _, _, _, _, _, _, _, kind, ..] => match kind >> 4 {
            UserData::REQUEST => Some(true),
            UserData::RESPONSE | 0 => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_acknowledgement() {
        let bytes = [0x32, 3, 0, 0, 0, 7, 0, 2, 0, 5, 0x81, 4, 4, 1, 0xFF, 4, 0, 8, 9];
        let unit = Unit::read(&bytes).expect("a header");
        assert_eq!((unit.header.reference, unit.error(), unit.missing), (7, 0x8104, 0));
        assert_eq!((unit.param, unit.data), (&[4, 1][..], &[0xFF, 4, 0, 8, 9][..]));
        assert_eq!(Unit::read(&bytes[..14]).map(|unit| unit.missing), Some(5));
        assert!(Unit::read(&bytes[..11]).is_none());
        let data = Data::read(&mut Reader::new(unit.data)).expect("data");
        assert_eq!((data.code, data.bytes, data.wanted), (0xFF, &[9][..], 1));
    }

    #[test]
    fn a_refused_item_has_no_data() {
        let mut reader = Reader::new(&[0x0A, 0, 0, 4, 0xFF, 4, 0, 8, 9]);
        let refused = Data::read(&mut reader).expect("data");
        assert_eq!((refused.code, refused.bytes, refused.wanted, refused.told()), (0x0A, &[][..], 0, 4));
        assert_eq!(Data::read(&mut reader).map(|data| data.bytes), Some(&[9][..]));
    }

    #[test]
    fn reads_user_data() {
        let read = UserData::read(&[0, 1, 0x12, 8, 0x12, 0x84, 1, 5, 9, 1, 0xD4, 1]).expect("a parameter part");
        assert_eq!((read.kind, read.group, read.sub, read.sequence), (UserData::RESPONSE, 4, 1, 5));
        assert_eq!((read.unit_reference, read.more, read.error), (9, true, 0xD401));
        assert_eq!(UserData::read(&[0, 1, 0x12, 4, 0x11, 0x44, 1, 0]).map(|read| read.error), Some(0));
    }

    #[test]
    fn a_download_is_fetched_by_the_server() {
        let job = |function: u8| [0x32, 1, 0, 0, 0, 0, 0, 1, 0, 0, function];
        assert_eq!(from_client(&job(4)), Some(true));
        assert_eq!(from_client(&job(0x1B)), Some(false));
        assert_eq!(from_client(&[0x32, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x1B]), Some(true));
        assert_eq!(from_client(&[0x32, 2, 0, 0]), Some(false));
    }
}
