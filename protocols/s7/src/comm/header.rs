//! The header of an S7comm unit.

/// First byte of every unit.
pub(crate) const PROTOCOL_ID: u8 = 0x32;

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
            4 => Some(true),
            8 | 0 => Some(false),
            _ => None,
        },
        _ => None,
    }
}
