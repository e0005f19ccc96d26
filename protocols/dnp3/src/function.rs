//! Application functions: names, classes, and what the messages of each carry (IEEE 1815-2012, clause 4.4 and annex A).

use ot_protocol::Operation;

/// Function codes.
pub(crate) mod code {
    pub const CONFIRM: u8 = 0;
    pub const READ: u8 = 1;
    pub const WRITE: u8 = 2;
    pub const SELECT: u8 = 3;
    pub const OPERATE: u8 = 4;
    pub const DIRECT_OPERATE: u8 = 5;
    pub const DIRECT_OPERATE_NO_ACK: u8 = 6;
    pub const FREEZE_NO_ACK: u8 = 8;
    pub const FREEZE_CLEAR_NO_ACK: u8 = 10;
    pub const FREEZE_AT_TIME: u8 = 11;
    pub const FREEZE_AT_TIME_NO_ACK: u8 = 12;
    pub const INITIALIZE_DATA: u8 = 15;
    pub const SAVE_CONFIGURATION: u8 = 19;
    pub const ASSIGN_CLASS: u8 = 22;
    pub const OPEN_FILE: u8 = 25;
    pub const CLOSE_FILE: u8 = 26;
    pub const DELETE_FILE: u8 = 27;
    pub const ABORT_FILE: u8 = 30;
    pub const AUTHENTICATION_REQUEST: u8 = 32;
    pub const AUTHENTICATION_ERROR: u8 = 33;
    pub const RESPONSE: u8 = 129;
    pub const UNSOLICITED: u8 = 130;
    pub const AUTHENTICATION_RESPONSE: u8 = 131;
}

/// A function of the standard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub code: u8,
    pub name: &'static str,
    /// Class, where the objects do not tell a narrower one.
    pub operation: Operation,
    /// What follows the object headers of its messages.
    pub carries: Carries,
}

/// What follows object headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Nothing, or index prefixes alone. Objects with a size before them come with their data.
    Headers,
    /// Objects.
    Objects,
}

macro_rules! functions {
    ($($code:literal $name:literal $operation:ident $carries:ident)*) => {
        /// Every function of the standard, in order of code.
        pub(crate) static FUNCTIONS: &[About] = &[$(About {
            code: $code, name: $name, operation: Operation::$operation, carries: Carries::$carries,
        }),*];
    };
}

functions! {
    0 "Confirm" Session Headers
    1 "Read" Read Headers
    2 "Write" Write Objects
    3 "Select" Control Objects
    4 "Operate" Control Objects
    5 "Direct Operate" Control Objects
    6 "Direct Operate No Ack" Control Objects
    7 "Immediate Freeze" Freeze Headers
    8 "Immediate Freeze No Ack" Freeze Headers
    9 "Freeze and Clear" Freeze Headers
    10 "Freeze and Clear No Ack" Freeze Headers
    11 "Freeze at Time" Freeze Headers
    12 "Freeze at Time No Ack" Freeze Headers
    13 "Cold Restart" Restart Headers
    14 "Warm Restart" Restart Headers
    15 "Initialize Data" ConfigWrite Headers
    16 "Initialize Application" ModeRun Headers
    17 "Start Application" ModeRun Headers
    18 "Stop Application" ModeStop Headers
    19 "Save Configuration" ConfigWrite Headers
    20 "Enable Unsolicited Responses" CommsOn Headers
    21 "Disable Unsolicited Responses" CommsOff Headers
    22 "Assign Class" ConfigWrite Headers
    23 "Delay Measurement" Diagnose Headers
    24 "Record Current Time" TimeSet Headers
    25 "Open File" File Objects
    26 "Close File" File Objects
    27 "Delete File" File Objects
    28 "Get File Information" ConfigRead Objects
    29 "Authenticate File" Authenticate Objects
    30 "Abort File Transfer" File Objects
    31 "Activate Configuration" ConfigWrite Objects
    32 "Authentication Request" Authenticate Objects
    33 "Authentication Request No Ack" Authenticate Objects
    129 "Response" Read Objects
    130 "Unsolicited Response" Read Objects
    131 "Authentication Response" Authenticate Objects
}

/// What is known of a function code; `None` for one that the standard reserves.
#[inline]
pub(crate) fn about(code: u8) -> Option<&'static About> {
    let at = match code {
        0..=33 => usize::from(code),
        129..=131 => usize::from(code) - 95,
        _ => return None,
    };
    FUNCTIONS.get(at).filter(|function| function.code == code)
}

/// Name of a function code.
pub(crate) fn name(code: u8) -> &'static str {
    about(code).map_or(if code < 128 { "Reserved request function" } else { "Reserved response function" }, |f| f.name)
}

/// Class of a function code.
pub(crate) fn operation(code: u8) -> Operation {
    about(code).map_or(Operation::Unknown, |function| function.operation)
}

/// Whether the messages of a function come from an outstation (clause 4.2.2.4).
pub(crate) fn is_response(code: u8) -> bool {
    code >= 128
}

/// Whether its messages have internal indications (clause 4.2.2.1): all that are defined to be responses.
pub(crate) fn has_indications(code: u8) -> bool {
    matches!(code, code::RESPONSE | code::UNSOLICITED | code::AUTHENTICATION_RESPONSE)
}

/// Whether an outstation answers it (annex A).
pub(crate) fn is_answered(code: u8) -> bool {
    !matches!(
        code,
        code::CONFIRM
            | code::DIRECT_OPERATE_NO_ACK
            | code::FREEZE_NO_ACK
            | code::FREEZE_CLEAR_NO_ACK
            | code::FREEZE_AT_TIME_NO_ACK
            | code::AUTHENTICATION_ERROR
            | 128..
    )
}

/// What a control relay output block asks for (clause 11.5, group 12 variation 1): the word for it and the state that
/// the output is to have, where there is one.
pub(crate) fn control(octet: u8) -> (usize, Option<bool>) {
    match (octet >> 6, octet & 0x0F) {
        (0, 0) => (NUL, None),
        (0, 1) => (1, Some(true)),
        (0, 2) => (2, Some(false)),
        (0, 3) => (3, Some(true)),
        (0, 4) => (4, Some(false)),
        (1, 0..=4) => (5, Some(true)),
        (2, 0..=4) => (6, Some(false)),
        _ => (7, None),
    }
}

const NUL: usize = 0;

macro_rules! controls {
    ($function:literal) => {
        [
            concat!($function, ": NUL"),
            concat!($function, ": Pulse On"),
            concat!($function, ": Pulse Off"),
            concat!($function, ": Latch On"),
            concat!($function, ": Latch Off"),
            concat!($function, ": Close"),
            concat!($function, ": Trip"),
            concat!($function, ": reserved operation"),
        ]
    };
}

/// Name of a function with the operation of its control relay output block.
pub(crate) fn control_name(code: u8, octet: u8) -> &'static str {
    static NAMES: [[&str; 8]; 4] =
        [controls!("Select"), controls!("Operate"), controls!("Direct Operate"), controls!("Direct Operate No Ack")];
    let function = match code {
        code::SELECT => 0,
        code::OPERATE => 1,
        code::DIRECT_OPERATE => 2,
        code::DIRECT_OPERATE_NO_ACK => 3,
        _ => return name(code),
    };
    NAMES[function][control(octet).0]
}

/// Status codes of controls (clause 11.5, table of control status codes).
pub(crate) fn control_status(status: u8) -> &'static str {
    match status {
        0 => "Success",
        1 => "Timeout",
        2 => "No Select",
        3 => "Format Error",
        4 => "Not Supported",
        5 => "Already Active",
        6 => "Hardware Error",
        7 => "Local",
        8 => "Too Many Operations",
        9 => "Not Authorized",
        10 => "Automation Inhibit",
        11 => "Processing Limited",
        12 => "Out of Range",
        13 => "Downstream Local",
        14 => "Already Complete",
        15 => "Blocked",
        16 => "Cancelled",
        17 => "Blocked by Other Master",
        18 => "Downstream Fail",
        126 => "Non-participating",
        127 => "Undefined",
        _ => "Reserved control status",
    }
}

/// Status codes of files (clause 11.9.4, group 70 variation 4).
pub(crate) fn file_status(status: u8) -> &'static str {
    match status {
        0 => "Success",
        1 => "Permission Denied",
        2 => "Invalid Mode",
        3 => "File Not Found",
        4 => "File Locked",
        5 => "Too Many Open",
        6 => "Invalid Handle",
        7 => "Write Block Size",
        8 => "Communication Lost",
        9 => "Cannot Abort",
        16 => "Not Opened",
        17 => "Handle Expired",
        18 => "Buffer Overrun",
        19 => "Fatal",
        20 => "Block Sequence",
        255 => "Undefined",
        _ => "Reserved file status",
    }
}

/// Error codes of secure authentication (clause 7, group 120 variation 7).
pub(crate) fn authentication_error(error: u8) -> &'static str {
    match error {
        1 => "Authentication Failed",
        2 => "Unexpected Response",
        3 => "No Response",
        4 => "Aggressive Mode Not Supported",
        5 => "MAC Algorithm Not Supported",
        6 => "Key Wrap Algorithm Not Supported",
        7 => "Authorization Failed",
        8 => "Update Key Change Method Not Permitted",
        9 => "Invalid Signature",
        10 => "Invalid Certification Data",
        11 => "Unknown User",
        12 => "Max Session Key Status Requests Exceeded",
        _ => "Authentication Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_finds_its_function() {
        for function in FUNCTIONS {
            assert_eq!(about(function.code).map(|found| found.code), Some(function.code));
        }
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].code < pair[1].code));
        for code in [34, 112, 128, 132, 255] {
            assert!(about(code).is_none());
            assert_eq!(operation(code), Operation::Unknown);
        }
        assert_eq!(name(112), "Reserved request function");
    }

    #[test]
    fn controls_have_words_and_states() {
        assert_eq!(control_name(code::SELECT, 0x03), "Select: Latch On");
        assert_eq!(control_name(code::DIRECT_OPERATE, 0x41), "Direct Operate: Close");
        assert_eq!(control_name(code::OPERATE, 0x81), "Operate: Trip");
        assert_eq!(control_name(code::DIRECT_OPERATE_NO_ACK, 0xC0), "Direct Operate No Ack: reserved operation");
        assert_eq!(control(0x81).1, Some(false));
        assert_eq!(control(0x00).1, None);
    }
}
