//! What a controller says when it refuses, in words.

/// Return codes of items and of data.
pub(crate) static RETURN_CODES: &[(u8, &str)] = &[
    (0x00, "reserved"),
    (0x01, "hardware fault"),
    (0x03, "access to the object not allowed"),
    (0x05, "address out of range"),
    (0x06, "data type not supported"),
    (0x07, "data type inconsistent"),
    (0x0A, "object does not exist"),
    (0xFF, "success"),
];

/// Classes of errors in the header.
pub(crate) static ERROR_CLASSES: &[(u8, &str)] = &[
    (0x00, "no error"),
    (0x81, "application relationship"),
    (0x82, "object definition"),
    (0x83, "no resources"),
    (0x84, "service processing"),
    (0x85, "supplies"),
    (0x87, "access"),
];

/// Error codes of header (class × 256 + code) and of user data.
pub(crate) static ERROR_CODES: &[(u16, &str)] = &[
    (0x0110, "block number invalid"),
    (0x0111, "request length invalid"),
    (0x0112, "parameter invalid"),
    (0x0113, "block type invalid"),
    (0x0114, "block not found"),
    (0x0115, "block exists already"),
    (0x0116, "block is write-protected"),
    (0x0117, "block or operating system too large"),
    (0x0118, "block number invalid"),
    (0x0119, "wrong password"),
    (0x011A, "no resources in the programming device"),
    (0x011B, "no resources in the controller"),
    (0x011C, "protocol error"),
    (0x011D, "too many blocks"),
    (0x0120, "end of the block list"),
    (0x0140, "not enough memory"),
    (0x0141, "no resources for the job"),
    (0x8001, "block in a state that does not allow it"),
    (0x8003, "error while the block was transferred"),
    (0x8100, "service unknown to the module"),
    (0x8104, "service not implemented, or frame error"),
    (0x8204, "type of the object inconsistent"),
    (0x8205, "copied block exists and is not linked"),
    (0x8301, "not enough memory on the module"),
    (0x8302, "not enough resources"),
    (0x8304, "no further parallel upload possible"),
    (0x8305, "function not available"),
    (0x8306, "not enough work memory"),
    (0x8307, "not enough retentive work memory"),
    (0x8401, "service sequence invalid"),
    (0x8402, "state of the object does not allow it"),
    (0x8404, "function cannot be performed"),
    (0x8405, "remote block is disabled"),
    (0x8500, "frame wrong"),
    (0x8503, "service cancelled by the module"),
    (0x8701, "object addressed wrongly"),
    (0x8702, "service not supported by the module"),
    (0x8703, "access to the object refused"),
    (0x8704, "object damaged"),
    (0xD001, "job number illegal"),
    (0xD002, "job variant illegal"),
    (0xD003, "test function not supported by the module"),
    (0xD004, "job status illegal"),
    (0xD031, "internal protocol error"),
    (0xD033, "job length wrong"),
    (0xD041, "status list id illegal"),
    (0xD042, "variable address illegal"),
    (0xD043, "referenced job not found"),
    (0xD044, "variable value illegal"),
    (0xD081, "function not permitted in this operating state"),
    (0xD0A1, "function not permitted at this protection level"),
    (0xD0A2, "a function that changes memory is running"),
    (0xD0A4, "forcing is established already"),
    (0xD0A5, "referenced job not found"),
    (0xD0AD, "operating mode already set"),
    (0xD0C1, "error while a variable was accessed"),
    (0xD0C2, "changed to STOP or HOLD"),
    (0xD201, "block name wrong"),
    (0xD202, "function parameters wrong"),
    (0xD205, "linked block exists in RAM"),
    (0xD206, "linked block exists in EPROM"),
    (0xD208, "too many copied blocks"),
    (0xD209, "block not found"),
    (0xD20E, "no further block"),
    (0xD20F, "block larger than the module allows"),
    (0xD210, "block number invalid"),
    (0xD212, "header attribute wrong"),
    (0xD213, "too many system data blocks"),
    (0xD216, "user program invalid, memory reset needed"),
    (0xD217, "protection level of the module does not allow it"),
    (0xD218, "attribute active or passive wrong"),
    (0xD219, "block lengths wrong"),
    (0xD21A, "local data length wrong"),
    (0xD21B, "module cannot compress, or is compressing"),
    (0xD21D, "data transfer volume illegal"),
    (0xD220, "block type not supported"),
    (0xD221, "block number too large"),
    (0xD223, "block type not possible"),
    (0xD224, "checksum of the block wrong"),
    (0xD230, "operating state does not allow it"),
    (0xD23F, "protection level does not allow it"),
    (0xD240, "coordination rules violated"),
    (0xD241, "function not permitted at this protection level"),
    (0xD242, "protection violated while blocks were processed"),
    (0xD250, "block and module do not fit"),
    (0xD280, "error in the block list"),
    (0xD401, "status list does not exist"),
    (0xD402, "status list index does not exist"),
    (0xD403, "diagnostics already registered"),
    (0xD404, "maximum of diagnostics stations reached"),
    (0xD405, "diagnostics function not possible"),
    (0xD406, "not registered for diagnostics"),
    (0xD601, "security function not possible"),
    (0xD602, "wrong password"),
    (0xD603, "access right present already"),
    (0xD604, "access denied"),
    (0xD605, "no password configured"),
    (0xD801, "variable access failed in part"),
    (0xDC01, "date or time wrong"),
    (0xDD01, "clock function not permitted"),
];

/// Words for a return code.
pub(crate) fn return_code(code: u8) -> &'static str {
    RETURN_CODES.iter().find(|(known, _)| *known == code).map_or("unknown return code", |(_, words)| words)
}

/// Words for an error class and code; the class alone where the code is not known.
pub(crate) fn error(code: u16) -> &'static str {
    if let Some((_, words)) = ERROR_CODES.iter().find(|(known, _)| *known == code) {
        return words;
    }
    let [class, _] = code.to_be_bytes();
    ERROR_CLASSES.iter().find(|(known, _)| *known == class).map_or("unknown error", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_words() {
        assert_eq!(error(0x8104), "service not implemented, or frame error");
        assert_eq!(error(0x81FE), "application relationship");
        assert_eq!(error(0x1234), "unknown error");
        assert_eq!(return_code(5), "address out of range");
        assert!(ERROR_CODES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
