//! Names and classes: function codes, diagnostics subfunctions, MEI types, UMAS functions, exceptions.

use ot_protocol::{Function, Operation};

/// Function codes (Modbus Application Protocol V1.1b3, clause 5.1).
pub(crate) mod code {
    pub const READ_COILS: u8 = 1;
    pub const READ_DISCRETE_INPUTS: u8 = 2;
    pub const READ_HOLDING_REGISTERS: u8 = 3;
    pub const READ_INPUT_REGISTERS: u8 = 4;
    pub const WRITE_SINGLE_COIL: u8 = 5;
    pub const WRITE_SINGLE_REGISTER: u8 = 6;
    pub const READ_EXCEPTION_STATUS: u8 = 7;
    pub const DIAGNOSTICS: u8 = 8;
    pub const GET_COMM_EVENT_COUNTER: u8 = 11;
    pub const GET_COMM_EVENT_LOG: u8 = 12;
    pub const WRITE_MULTIPLE_COILS: u8 = 15;
    pub const WRITE_MULTIPLE_REGISTERS: u8 = 16;
    pub const REPORT_SERVER_ID: u8 = 17;
    pub const READ_FILE_RECORD: u8 = 20;
    pub const WRITE_FILE_RECORD: u8 = 21;
    pub const MASK_WRITE_REGISTER: u8 = 22;
    pub const READ_WRITE_REGISTERS: u8 = 23;
    pub const READ_FIFO_QUEUE: u8 = 24;
    pub const ENCAPSULATED_INTERFACE: u8 = 43;
    pub const UMAS: u8 = 90;
}

/// MEI types of function 43 (clause 6.19).
pub(crate) const MEI_CANOPEN: u8 = 13;
/// Read Device Identification (clause 6.21).
pub(crate) const MEI_DEVICE_ID: u8 = 14;

/// Diagnostics: restarts the communication port, which ends listen only mode (clause 6.8.1).
pub(crate) const SUB_RESTART: u16 = 1;
/// Diagnostics: force listen only mode; the device does not answer it (clause 6.8.1).
pub(crate) const SUB_LISTEN_ONLY: u16 = 4;

/// UMAS: the device accepted.
pub(crate) const UMAS_OK: u8 = 0xFE;
/// UMAS: the device refused.
pub(crate) const UMAS_ERROR: u8 = 0xFD;

/// A code and, where it has one, its subfunction.
pub(crate) fn named(code: u8, sub: Option<u16>) -> Function {
    let code = code & 0x7F;
    Function { code: u16::from(code), sub, name: name(code, sub) }
}

fn name(code: u8, sub: Option<u16>) -> &'static str {
    match (code, sub) {
        (code::READ_COILS, _) => "Read Coils",
        (code::READ_DISCRETE_INPUTS, _) => "Read Discrete Inputs",
        (code::READ_HOLDING_REGISTERS, _) => "Read Holding Registers",
        (code::READ_INPUT_REGISTERS, _) => "Read Input Registers",
        (code::WRITE_SINGLE_COIL, _) => "Write Single Coil",
        (code::WRITE_SINGLE_REGISTER, _) => "Write Single Register",
        (code::READ_EXCEPTION_STATUS, _) => "Read Exception Status",
        (code::DIAGNOSTICS, Some(sub)) => diagnostics(sub),
        (code::DIAGNOSTICS, None) => "Diagnostics",
        (code::GET_COMM_EVENT_COUNTER, _) => "Get Comm Event Counter",
        (code::GET_COMM_EVENT_LOG, _) => "Get Comm Event Log",
        (code::WRITE_MULTIPLE_COILS, _) => "Write Multiple Coils",
        (code::WRITE_MULTIPLE_REGISTERS, _) => "Write Multiple Registers",
        (code::REPORT_SERVER_ID, _) => "Report Server ID",
        (code::READ_FILE_RECORD, _) => "Read File Record",
        (code::WRITE_FILE_RECORD, _) => "Write File Record",
        (code::MASK_WRITE_REGISTER, _) => "Mask Write Register",
        (code::READ_WRITE_REGISTERS, _) => "Read/Write Multiple Registers",
        (code::READ_FIFO_QUEUE, _) => "Read FIFO Queue",
        (code::ENCAPSULATED_INTERFACE, Some(13)) => "CANopen General Reference",
        (code::ENCAPSULATED_INTERFACE, Some(14)) => "Read Device Identification",
        (code::ENCAPSULATED_INTERFACE, _) => "Encapsulated Interface Transport",
        (code::UMAS, Some(sub)) => umas(sub).0,
        (code::UMAS, None) => "UMAS",
        (0, _) => "Function code zero (not valid)",
        (65..=72 | 100..=110, _) => "User-defined function",
        (9 | 10 | 13 | 14 | 18 | 19 | 41 | 42 | 91 | 125..=127, _) => "Reserved function",
        _ => "Function not in the specification",
    }
}

/// Diagnostics subfunctions (clause 6.8.1).
fn diagnostics(sub: u16) -> &'static str {
    match sub {
        0 => "Diagnostics: Return Query Data",
        1 => "Diagnostics: Restart Communications Option",
        2 => "Diagnostics: Return Diagnostic Register",
        3 => "Diagnostics: Change ASCII Input Delimiter",
        4 => "Diagnostics: Force Listen Only Mode",
        10 => "Diagnostics: Clear Counters and Diagnostic Register",
        11 => "Diagnostics: Return Bus Message Count",
        12 => "Diagnostics: Return Bus Communication Error Count",
        13 => "Diagnostics: Return Bus Exception Error Count",
        14 => "Diagnostics: Return Server Message Count",
        15 => "Diagnostics: Return Server No Response Count",
        16 => "Diagnostics: Return Server NAK Count",
        17 => "Diagnostics: Return Server Busy Count",
        18 => "Diagnostics: Return Bus Character Overrun Count",
        20 => "Diagnostics: Clear Overrun Counter and Flag",
        _ => "Diagnostics: reserved subfunction",
    }
}

/// UMAS functions: name and class.
///
/// UMAS is not published; names follow public research. Its own words for program transfer are the wrong way round
/// (there, *upload* goes to the controller), so the names here say where the program goes, and the class follows that.
fn umas(sub: u16) -> (&'static str, Operation) {
    match sub {
        0x01 => ("UMAS: initialise communication", Operation::Session),
        0x02 => ("UMAS: read controller identification", Operation::Identify),
        0x03 => ("UMAS: read project information", Operation::ConfigRead),
        0x04 => ("UMAS: read controller state and information", Operation::ReadMode),
        0x06 => ("UMAS: read memory card information", Operation::ConfigRead),
        0x0A => ("UMAS: repeat (echo)", Operation::Diagnose),
        0x10 => ("UMAS: take reservation of the controller", Operation::Authenticate),
        0x11 => ("UMAS: release reservation of the controller", Operation::Authenticate),
        0x12 => ("UMAS: keep reservation alive", Operation::Session),
        0x20 => ("UMAS: read memory block", Operation::Read),
        0x21 => ("UMAS: write memory block", Operation::Write),
        0x22 => ("UMAS: read variables", Operation::Read),
        0x23 => ("UMAS: write variables", Operation::Write),
        0x24 => ("UMAS: read coils and registers", Operation::Read),
        0x25 => ("UMAS: write coils and registers", Operation::Write),
        0x26 => ("UMAS: read data dictionary", Operation::ConfigRead),
        0x30 => ("UMAS: begin program transfer to the controller", Operation::ProgramWrite),
        0x31 => ("UMAS: send program block to the controller", Operation::ProgramWrite),
        0x32 => ("UMAS: end program transfer to the controller", Operation::ProgramWrite),
        0x33 => ("UMAS: begin program transfer from the controller", Operation::ProgramRead),
        0x34 => ("UMAS: fetch program block from the controller", Operation::ProgramRead),
        0x35 => ("UMAS: end program transfer from the controller", Operation::ProgramRead),
        0x39 => ("UMAS: read Ethernet master configuration", Operation::ConfigRead),
        0x40 => ("UMAS: start the controller", Operation::ModeRun),
        0x41 => ("UMAS: stop the controller", Operation::ModeStop),
        0x50 => ("UMAS: monitor variables", Operation::Read),
        0x58 => ("UMAS: check controller connection", Operation::ReadMode),
        0x70 => ("UMAS: read I/O object", Operation::Read),
        0x71 => ("UMAS: write I/O object", Operation::Write),
        0x73 => ("UMAS: read module status", Operation::ReadMode),
        0xFD => ("UMAS: refused", Operation::Unknown),
        0xFE => ("UMAS: accepted", Operation::Unknown),
        _ => ("UMAS: function without a public name", Operation::Unknown),
    }
}

/// The class of a request. Function 23 also writes; its second part says so. A code with bit 7 asks for nothing.
pub(crate) fn operation(code: u8, sub: Option<u16>) -> Operation {
    match code {
        code::READ_COILS
        | code::READ_DISCRETE_INPUTS
        | code::READ_HOLDING_REGISTERS
        | code::READ_INPUT_REGISTERS
        | code::READ_FILE_RECORD
        | code::READ_WRITE_REGISTERS
        | code::READ_FIFO_QUEUE => Operation::Read,
        code::WRITE_SINGLE_REGISTER
        | code::WRITE_MULTIPLE_REGISTERS
        | code::WRITE_FILE_RECORD
        | code::MASK_WRITE_REGISTER => Operation::Write,
        code::WRITE_SINGLE_COIL | code::WRITE_MULTIPLE_COILS => Operation::Control,
        code::READ_EXCEPTION_STATUS => Operation::ReadMode,
        code::DIAGNOSTICS => match sub {
            Some(SUB_RESTART) => Operation::Restart,
            Some(2) => Operation::ReadMode,
            Some(SUB_LISTEN_ONLY) => Operation::CommsOff,
            Some(10) => Operation::Freeze,
            _ => Operation::Diagnose,
        },
        code::GET_COMM_EVENT_COUNTER | code::GET_COMM_EVENT_LOG => Operation::Diagnose,
        code::REPORT_SERVER_ID => Operation::Identify,
        code::ENCAPSULATED_INTERFACE if sub == Some(u16::from(MEI_DEVICE_ID)) => Operation::Identify,
        code::UMAS => sub.map_or(Operation::Unknown, |sub| umas(sub).1),
        _ => Operation::Unknown,
    }
}

/// Whether the specification defines the layout of a function's messages (function 43 for the MEI types it names).
pub(crate) fn has_layout(code: u8) -> bool {
    matches!(code, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43)
}

/// Exception codes (clause 7).
pub(crate) fn exception(code: u8) -> &'static str {
    match code {
        1 => "Illegal Function",
        2 => "Illegal Data Address",
        3 => "Illegal Data Value",
        4 => "Server Device Failure",
        5 => "Acknowledge",
        6 => "Server Device Busy",
        7 => "Negative Acknowledge",
        8 => "Memory Parity Error",
        10 => "Gateway Path Unavailable",
        11 => "Gateway Target Device Failed to Respond",
        _ => "Exception not in the specification",
    }
}

/// Address spaces, as small numbers for the fold key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Space {
    /// The operation addresses nothing.
    #[default]
    None,
    Coils,
    DiscreteInputs,
    InputRegisters,
    HoldingRegisters,
    File,
    FifoQueue,
}

impl Space {
    /// Name in [`ot_protocol::Target`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Coils => "coils",
            Self::DiscreteInputs => "discrete-inputs",
            Self::InputRegisters => "input-registers",
            Self::HoldingRegisters => "holding-registers",
            Self::File => "file",
            Self::FifoQueue => "fifo-queue",
        }
    }

    /// Small number.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Coils => 1,
            Self::DiscreteInputs => 2,
            Self::InputRegisters => 3,
            Self::HoldingRegisters => 4,
            Self::File => 5,
            Self::FifoQueue => 6,
        }
    }

    /// Whether its points are single bits.
    pub(crate) fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::DiscreteInputs)
    }

    /// The space that a function addresses.
    pub(crate) fn of(code: u8) -> Self {
        match code & 0x7F {
            code::READ_COILS | code::WRITE_SINGLE_COIL | code::WRITE_MULTIPLE_COILS => Self::Coils,
            code::READ_DISCRETE_INPUTS => Self::DiscreteInputs,
            code::READ_INPUT_REGISTERS => Self::InputRegisters,
            code::READ_HOLDING_REGISTERS
            | code::WRITE_SINGLE_REGISTER
            | code::WRITE_MULTIPLE_REGISTERS
            | code::MASK_WRITE_REGISTER
            | code::READ_WRITE_REGISTERS => Self::HoldingRegisters,
            code::READ_FILE_RECORD | code::WRITE_FILE_RECORD => Self::File,
            code::READ_FIFO_QUEUE => Self::FifoQueue,
            _ => Self::None,
        }
    }
}
