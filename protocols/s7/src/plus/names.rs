//! Names of functions, error codes, blocks and addresses.

use super::found::Address;
use super::ids;

/// Functions.
pub(crate) mod function {
    #![allow(missing_docs, reason = "names of the protocol")]
    pub const ERROR: u16 = 0x04B1;
    pub const EXPLORE: u16 = 0x04BB;
    pub const CREATE_OBJECT: u16 = 0x04CA;
    pub const DELETE_OBJECT: u16 = 0x04D4;
    pub const SET_VARIABLE: u16 = 0x04F2;
    pub const GET_VARIABLE: u16 = 0x04FC;
    pub const ADD_LINK: u16 = 0x0506;
    pub const REMOVE_LINK: u16 = 0x051A;
    pub const GET_LINK: u16 = 0x0524;
    pub const SET_MULTI_VARIABLES: u16 = 0x0542;
    pub const GET_MULTI_VARIABLES: u16 = 0x054C;
    pub const BEGIN_SEQUENCE: u16 = 0x0556;
    pub const END_SEQUENCE: u16 = 0x0560;
    pub const INVOKE: u16 = 0x056B;
    pub const SET_VAR_SUBSTREAMED: u16 = 0x057C;
    pub const GET_VAR_SUBSTREAMED: u16 = 0x0586;
    pub const GET_VARIABLES_ADDRESS: u16 = 0x0590;
    pub const ABORT: u16 = 0x059A;
    pub const ERROR2: u16 = 0x05A9;
    pub const INIT_SSL: u16 = 0x05B3;

    /// Code and name of each.
    pub static NAMES: [(u16, &str); 20] = [
        (ERROR, "Error"),
        (EXPLORE, "Explore"),
        (CREATE_OBJECT, "CreateObject"),
        (DELETE_OBJECT, "DeleteObject"),
        (SET_VARIABLE, "SetVariable"),
        (GET_VARIABLE, "GetVariable"),
        (ADD_LINK, "AddLink"),
        (REMOVE_LINK, "RemoveLink"),
        (GET_LINK, "GetLink"),
        (SET_MULTI_VARIABLES, "SetMultiVariables"),
        (GET_MULTI_VARIABLES, "GetMultiVariables"),
        (BEGIN_SEQUENCE, "BeginSequence"),
        (END_SEQUENCE, "EndSequence"),
        (INVOKE, "Invoke"),
        (SET_VAR_SUBSTREAMED, "SetVarSubStreamed"),
        (GET_VAR_SUBSTREAMED, "GetVarSubStreamed"),
        (GET_VARIABLES_ADDRESS, "GetVariablesAddress"),
        (ABORT, "Abort"),
        (ERROR2, "Error2"),
        (INIT_SSL, "InitSsl"),
    ];

    /// Name, for people.
    pub fn name(code: u16) -> &'static str {
        NAMES.iter().find(|(known, _)| *known == code).map_or("unknown function", |(_, name)| *name)
    }
}

/// Error codes in return values. Codes above 0 are messages and warnings: the request was carried out.
static ERRORS: &[(i16, &str)] = &[
    (-513, "concurrent transaction running"),
    (-512, "engineering system of another version"),
    (-511, "limit of engineering systems exceeded"),
    (-510, "conflict with another engineering system"),
    (-509, "streaming error"),
    (-508, "not allowed with streaming"),
    (-507, "no support for TLS"),
    (-506, "stopping TLS failed"),
    (-505, "starting TLS failed"),
    (-504, "password already used"),
    (-501, "system limit exceeded"),
    (-353, "TLS handshake failed"),
    (-352, "disconnected for security"),
    (-351, "integrity error"),
    (-269, "store defect"),
    (-267, "object has been deleted"),
    (-263, "invalid state"),
    (-262, "duplicate qualifier value"),
    (-259, "invalid transaction state"),
    (-258, "invalid version"),
    (-257, "value conversion not possible"),
    (-256, "invalid time of type information"),
    (-255, "invalid local id"),
    (-254, "type information not set"),
    (-235, "value missing"),
    (-215, "file not found"),
    (-150, "tree write-locked"),
    (-135, "aborted"),
    (-134, "several engineering systems not supported"),
    (-133, "not changeable in error state"),
    (-132, "subscription is not running"),
    (-126, "wrong argument format"),
    (-125, "wrong number of arguments"),
    (-124, "not changeable in run"),
    (-121, "object parsing error"),
    (-120, "request parsing error"),
    (-119, "unknown request"),
    (-118, "session delegitimated"),
    (-113, "too many sessions"),
    (-112, "too many requests"),
    (-111, "timeout"),
    (-110, "not owner"),
    (-109, "not connected"),
    (-108, "not available"),
    (-107, "not allowed"),
    (-106, "invalid session"),
    (-105, "invalid object"),
    (-104, "invalid address"),
    (-103, "failed to disconnect"),
    (-102, "disconnected"),
    (-101, "activation failed"),
    (-100, "access denied"),
    (-95, "not implemented"),
    (-88, "information not available"),
    (-86, "deletion not allowed"),
    (-76, "native object cannot be deleted"),
    (-74, "composition not allowed"),
    (-61, "invalid value range"),
    (-60, "duplicate id"),
    (-57, "type of variable not allowed"),
    (-54, "no free id"),
    (-53, "buffer overflow"),
    (-52, "duplicate link"),
    (-51, "object is locked"),
    (-50, "read-only object"),
    (-48, "link not found"),
    (-45, "abstract object cannot be created"),
    (-41, "read-only property"),
    (-38, "class not allowed"),
    (-37, "unexpected attribute"),
    (-34, "unexpected token"),
    (-32, "invalid attribute id"),
    (-30, "invalid object id"),
    (-29, "object with this id exists"),
    (-25, "invalid type id"),
    (-24, "invalid id"),
    (-17, "invalid checksum"),
    (-16, "duplicate name"),
    (-14, "class not found"),
    (-12, "object not found"),
    (-4, "not enough memory"),
    (-3, "invalid argument value"),
    (-2, "invalid value type"),
    (-1, "unknown error"),
    (0, "ok"),
    (17, "session legitimated before"),
    (18, "service ignored"),
    (19, "carried out with partial error"),
    (21, "too many notifications"),
    (22, "session delegitimated"),
    (23, "end of file"),
    (24, "subscription disabled"),
    (25, "legitimated for level 2"),
    (26, "legitimated for level 3"),
    (27, "more responses follow"),
    (33, "legitimated for level 1"),
    (34, "transaction aborted"),
    (37, "temporarily out of resources"),
    (38, "protection level currently disabled"),
];

/// The error code in a return value.
pub(crate) fn error_code(returned: u64) -> i16 {
    let [.., high, low] = returned.to_be_bytes();
    i16::from_be_bytes([high, low])
}

/// Name of an error code.
pub(crate) fn error(code: i16) -> &'static str {
    match ERRORS.binary_search_by_key(&code, |(code, _)| *code) {
        Ok(place) => ERRORS.get(place).map_or("", |(_, name)| *name),
        Err(_) if code < 0 => "other error",
        Err(_) => "other message",
    }
}

/// Name of an id.
pub(crate) fn id(id: u32) -> Option<&'static str> {
    ids::name(id)
}

/// Kind and number of the block that an object id stands for: its upper half is that of its class with the top bit set.
/// Functions and function blocks share one: both are functional objects.
pub(crate) fn block(id: u32) -> Option<(&'static str, u16)> {
    let kind = match id >> 16 {
        0x8A0E => "DB",
        0x8A20 => "FB/FC",
        0x8A24 => "UDT",
        0x8A32 => "OB",
        _ => return None,
    };
    Some((kind, u16::try_from(id & 0xFFFF).unwrap_or_default()))
}

/// Kind of block of a class.
pub(crate) fn block_class(class: u32) -> Option<&'static str> {
    Some(match class {
        2610 | 2637..=2658 | 4637 | 4639 => "OB",
        2578 => "FB",
        2579 => "FC",
        2574 | 4272 | 4600 => "DB",
        3932 => "UDT",
        3933 => "FBT",
        3934 => "SDT",
        3935 => "FCT",
        _ => return None,
    })
}

/// Class of an object, as far as its id tells it.
pub(crate) fn class_of(id: u32) -> Option<u32> {
    let class = id >> 16 & 0x7FFF;
    (id >> 31 == 1 && ids::name(class).is_some()).then_some(class)
}

/// Stands for an id that the server is to give.
const NEW_ID: u32 = 211;

/// Whether an id is given by the server while it runs: for sessions, subscriptions and jobs. Firmware of the first S7-1200
/// gives them from 0x200, later ones from 0x70000000.
pub(crate) fn is_dynamic(id: u32) -> bool {
    id == NEW_ID || matches!(id >> 28, 1 | 7) || ((0x200..0x1000).contains(&id) && ids::name(id).is_none())
}

/// Programming language of a block, by its code.
pub(crate) fn language(code: u64) -> &'static str {
    match code {
        1 => "STL",
        2 => "LAD",
        3 => "FBD",
        4 => "SCL",
        5 => "DB",
        6 => "GRAPH",
        21 => "C",
        22 => "HiGraph",
        23 => "CFC",
        24 => "SFC",
        32 => "F-STL",
        33 => "F-LAD",
        34 => "F-FBD",
        35 => "F-DB",
        100 => "LAD (IEC)",
        101 => "FBD (IEC)",
        201 => "Motion DB",
        310 => "GRAPH Plus",
        400 => "MC7+",
        _ => "other",
    }
}

/// Letter of a memory area.
pub(crate) fn area(id: u32) -> Option<&'static str> {
    Some(match id {
        80 => "I",
        81 => "Q",
        82 => "M",
        83 => "C",
        84 => "T",
        _ => return None,
    })
}

/// An object for people.
pub(crate) fn object(id: u32) -> String {
    match (block(id), area(id), ids::name(id)) {
        (Some((kind, number)), ..) => format!("{kind} {number}"),
        (_, Some(area), _) => area.to_owned(),
        (_, _, Some(name)) => name.to_owned(),
        _ if is_dynamic(id) => "of the session".to_owned(),
        _ if let Some(name) = class_of(id).and_then(ids::name) => format!("{name} 0x{:04x}", id & 0xFFFF),
        _ if id > 0xFFFF => format!("0x{id:08x}"),
        _ => id.to_string(),
    }
}

/// The address of a variable for people: `DB 1 LID 9.1`, `M 10.3`, `theCPUexecUnit HWObject.DIS`.
pub(crate) fn address(address: &Address) -> String {
    use std::fmt::Write;
    let mut text = object(address.area);
    match address.sub {
        // Actual values are what is meant where nothing is said.
        2550 | 3736 => {}
        2548 | 3735 => text.push_str(" initial value"),
        other => match ids::name(other) {
            Some(name) => _ = write!(text, " {name}"),
            None => _ = write!(text, " attribute {other}"),
        },
    }
    let is_memory = area(address.area).is_some() || block(address.area).is_some();
    match address.lids() {
        [] => {}
        [3, offset, size, rest @ ..] if address.crc == 0 && is_memory => match rest {
            [bit, ..] => _ = write!(text, " byte {offset} bit {bit}"),
            [] => _ = write!(text, " byte {offset} size {size}"),
        },
        [first, rest @ ..] => {
            _ = write!(text, " LID {first}");
            for lid in rest {
                _ = write!(text, ".{lid}");
            }
        }
    }
    text
}

/// Text without control characters and surrounding blanks, at most 256 characters.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let bytes = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(256).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_in_order_and_signed() {
        assert!(ERRORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(error_code(0x8318_8900_01B3_FFFE), -2);
        assert_eq!(error(-2), "invalid value type");
        assert_eq!(error(-9999), "other error");
    }

    #[test]
    fn ids_that_the_server_gives_are_told_from_those_that_stay() {
        assert!([NEW_ID, 0x7000_03a4, 0x394].into_iter().all(is_dynamic));
        assert!(![1, 3, 52, 201, 0x8a0e_0001].into_iter().any(is_dynamic));
    }

    #[test]
    fn addresses_for_people() {
        let mut it = Address { area: 0x8A0E_0007, sub: 2550, crc: 0x1234, ..Address::default() };
        it.push(9);
        it.push(1);
        assert_eq!(address(&it), "DB 7 LID 9.1");
        let mut it = Address { area: 82, sub: 3736, ..Address::default() };
        for lid in [3, 122, 1, 7] {
            it.push(lid);
        }
        assert_eq!(address(&it), "M byte 122 bit 7");
        let it = Address { area: 52, sub: 2237, ..Address::default() };
        assert_eq!(address(&it), "theCPUexecUnit HWObject.DIS");
    }
}
