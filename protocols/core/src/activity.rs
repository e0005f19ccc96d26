//! Activity: the word that all protocols share.

use crate::fact::SessionId;
use crate::net::{Direction, Endpoint, FrameRef};
use crate::time::{Nanos, Timestamp};
use std::borrow::Cow;

/// The class of an operation, the same for all protocols. ATT&CK techniques follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Opens, closes or keeps a session.
    Session,
    /// Asks a device what it is.
    Identify,
    /// Looks for devices or units.
    Discover,
    /// Reads process values.
    Read,
    /// Reads operating state or diagnostics.
    ReadMode,
    /// Changes a value or parameter.
    Write,
    /// Drives an output or a process action.
    Control,
    /// Overrides inputs or outputs.
    Force,
    /// Freezes or clears counters.
    Freeze,
    /// Reads program logic out.
    ProgramRead,
    /// Puts program logic in.
    ProgramWrite,
    /// Removes program logic.
    ProgramDelete,
    /// Reads configuration.
    ConfigRead,
    /// Writes configuration.
    ConfigWrite,
    /// Starts the program.
    ModeRun,
    /// Stops the program.
    ModeStop,
    /// Restarts the device, or its communication.
    Restart,
    /// Silences reporting or communication.
    CommsOff,
    /// Turns reporting on.
    CommsOn,
    /// Changes firmware.
    Firmware,
    /// Sets the clock.
    TimeSet,
    /// Presents or changes credentials.
    Authenticate,
    /// Moves a file that is neither program nor firmware.
    File,
    /// Exercises or clears diagnostics.
    Diagnose,
    /// A function outside the standard.
    Unknown,
}

impl Operation {
    /// All classes, in order.
    pub const ALL: [Self; 25] = [
        Self::Session,
        Self::Identify,
        Self::Discover,
        Self::Read,
        Self::ReadMode,
        Self::Write,
        Self::Control,
        Self::Force,
        Self::Freeze,
        Self::ProgramRead,
        Self::ProgramWrite,
        Self::ProgramDelete,
        Self::ConfigRead,
        Self::ConfigWrite,
        Self::ModeRun,
        Self::ModeStop,
        Self::Restart,
        Self::CommsOff,
        Self::CommsOn,
        Self::Firmware,
        Self::TimeSet,
        Self::Authenticate,
        Self::File,
        Self::Diagnose,
        Self::Unknown,
    ];

    /// Stable id, as in the catalogue of operations, for example `mode-stop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Identify => "identify",
            Self::Discover => "discover",
            Self::Read => "read",
            Self::ReadMode => "read-mode",
            Self::Write => "write",
            Self::Control => "control",
            Self::Force => "force",
            Self::Freeze => "freeze",
            Self::ProgramRead => "program-read",
            Self::ProgramWrite => "program-write",
            Self::ProgramDelete => "program-delete",
            Self::ConfigRead => "config-read",
            Self::ConfigWrite => "config-write",
            Self::ModeRun => "mode-run",
            Self::ModeStop => "mode-stop",
            Self::Restart => "restart",
            Self::CommsOff => "comms-off",
            Self::CommsOn => "comms-on",
            Self::Firmware => "firmware",
            Self::TimeSet => "time-set",
            Self::Authenticate => "authenticate",
            Self::File => "file",
            Self::Diagnose => "diagnose",
            Self::Unknown => "unknown",
        }
    }

    /// The class with this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == id)
    }

    /// Whether it changes something in the device or the process.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Session
                | Self::Identify
                | Self::Discover
                | Self::Read
                | Self::ReadMode
                | Self::ProgramRead
                | Self::ConfigRead
                | Self::Authenticate
                | Self::Diagnose
                | Self::Unknown
        )
    }

    /// Whether its values are written to the target (against read from it).
    pub fn writes_values(self) -> bool {
        matches!(self, Self::Write | Self::Control | Self::Force)
    }
}

/// The protocol's own function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    /// Function code as on the wire (for a Modbus exception without bit 7).
    pub code: u16,
    /// Subfunction, where the protocol has one (Modbus diagnostics, MEI type, UMAS function).
    pub sub: Option<u16>,
    /// Name from the protocol's specification, for people.
    pub name: &'static str,
}

/// The addressed thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Address space: `coils`, `discrete-inputs`, `input-registers`, `holding-registers`, `file`, `data-block` …;
    /// empty where the operation addresses nothing.
    pub space: &'static str,
    /// Number of the space, where there are several of a kind (data block, file number, object group and variation).
    pub number: Option<u32>,
    /// First address, in the protocol's own count (Modbus: from 0, as on the wire; S7: in bits).
    pub start: u32,
    /// Number of points. 0 where the operation addresses nothing.
    pub count: u32,
    /// Addresses that one point takes: 1, or the width of the type in bits where addresses count bits (S7: 16 for a
    /// word). 0 stands for 1.
    pub width: u32,
    /// Name, where the thing has one (block, file, symbol).
    pub name: Option<Box<str>>,
}

impl Target {
    /// Addresses that one point takes, at least 1.
    pub fn width(&self) -> u32 {
        self.width.max(1)
    }

    /// Address of the point at an index.
    pub fn address(&self, index: u32) -> u32 {
        self.start.saturating_add(index.saturating_mul(self.width()))
    }

    /// The last address it takes; `start` where it addresses nothing.
    pub fn end(&self) -> u32 {
        self.start.saturating_add(self.count.saturating_mul(self.width()).saturating_sub(1))
    }
}

/// Values of the addressed points, in order of address.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Values {
    /// None seen.
    #[default]
    None,
    /// Two-state points.
    Bits(Vec<bool>),
    /// Registers of 16 bits.
    Words(Vec<u16>),
    /// Numbers of any other kind. NaN stands for a value that is not known.
    Numbers(Vec<f64>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bits(bits) => bits.len(),
            Self::Words(words) => words.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at an index as a number (bits: 0 or 1).
    pub fn get(&self, index: usize) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Bits(bits) => bits.get(index).map(|&bit| f64::from(u8::from(bit))),
            Self::Words(words) => words.get(index).map(|&word| f64::from(word)),
            Self::Numbers(numbers) => numbers.get(index).copied(),
        }
    }
}

/// Values still on the wire: what a session hands over for folding, without an allocation.
#[derive(Clone, Copy, Debug, Default)]
pub enum ValueView<'a> {
    /// None.
    #[default]
    None,
    /// Two-state points packed least significant bit first, and how many.
    Bits(&'a [u8], usize),
    /// Registers of 16 bits, most significant byte first; a last odd byte does not count.
    Words(&'a [u8]),
    /// Numbers of any other kind, from a buffer that the session keeps. NaN stands for a value that is not known.
    Numbers(&'a [f64]),
}

impl ValueView<'_> {
    /// Copies the values out.
    pub fn to_values(self) -> Values {
        match self {
            Self::None => Values::None,
            Self::Bits(bytes, count) => {
                Values::Bits((0..count).map_while(|i| bytes.get(i / 8).map(|byte| byte >> (i % 8) & 1 == 1)).collect())
            }
            Self::Words(bytes) => {
                Values::Words(bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
            }
            Self::Numbers(numbers) => Values::Numbers(numbers.to_vec()),
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Not known: the answer was not seen yet, or its direction is not visible.
    Pending,
    /// The device accepted and answered.
    Ok,
    /// The device refused, with the protocol's code and its name.
    Rejected(u16, &'static str),
    /// The device did not answer in time.
    Unanswered,
}

impl Outcome {
    /// `pending`, `ok`, `rejected` or `unanswered`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Rejected(..) => "rejected",
            Self::Unanswered => "unanswered",
        }
    }

    /// The protocol's code, where refused.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Rejected(code, _) => Some(code),
            _ => None,
        }
    }
}

/// A departure from the specification. It is data: what could be decoded stays beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The catalogue's id of the alert type it stands for, for example `modbus-bad-quantity`.
    pub rule: &'static str,
    /// Layer: `mbap`, `modbus`, `tpkt` …
    pub layer: &'static str,
    /// Byte offset within the message.
    pub offset: u32,
    /// What the specification asks for at this place.
    pub needed: Cow<'static, str>,
    /// What was there.
    pub found: Cow<'static, str>,
    /// Why that is wrong, with the clause of the specification.
    pub reason: Cow<'static, str>,
}

/// One operation: who asked whom for what, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// The conversation it belongs to.
    pub session: SessionId,
    /// Its slot in the session's fold cache; later repetitions name it. `None`: it will not be folded.
    pub slot: Option<u16>,
    /// Packet time of the request (of the response, where that is all there is).
    pub time: Timestamp,
    /// Frames: the one that completes the request, and the one that completes the response (0: not seen).
    pub frames: [FrameRef; 2],
    /// Which side spoke the message that is being told of.
    pub sender: Direction,
    /// Who asks, by role.
    pub client: Endpoint,
    /// Who answers, by role. Carries the sub-address.
    pub server: Endpoint,
    /// Protocol id: `modbus`, `dnp3`, `s7comm` …
    pub protocol: &'static str,
    /// Class of the operation.
    pub operation: Operation,
    /// The protocol's own function.
    pub function: Function,
    /// What it addresses.
    pub target: Target,
    /// Values read or written.
    pub values: Values,
    /// Masks of a masked write (and, or), where the function has them.
    pub masks: Option<(u16, u16)>,
    /// What became of it.
    pub outcome: Outcome,
    /// Time from request to response, where both were seen.
    pub latency: Option<Nanos>,
    /// Departures from the specification in request or response.
    pub violations: Vec<Violation>,
    /// What was presented, where the operation is a sign-in of which more is known than its outcome.
    pub sign_in: Option<Box<SignIn>>,
    /// The program block or file that this operation moved, told once with the operation that completes it.
    pub artifact: Option<Box<Artifact>>,
}

/// Credentials that crossed the network. Never holds a password, a community string or anything made of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Name of the user, text cleaned of control characters; `None` where the protocol has none.
    pub user: Option<String>,
    /// Whether the secret could be read by anyone on the way.
    pub clear_text: bool,
    /// Products whose published factory default the credentials are, for people: `WAGO 750 controllers`.
    pub factory_default: Option<&'static str>,
}

/// A program block or file that crossed the network: evidence of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What it is: `block`, `file`.
    pub kind: &'static str,
    /// Name within the device: `OB 1`, `DB 10`, the name of the file.
    pub name: String,
    /// Whether all of its bytes were seen.
    pub complete: bool,
    /// Length of the whole in bytes, as far as known.
    pub length: u64,
    /// SHA-256 over the bytes that were seen.
    pub sha256: [u8; 32],
    /// The bytes, at most [`Artifact::MOST_BYTES`]; the hash covers also what is beyond them.
    pub bytes: Box<[u8]>,
    /// What its header says (`author`, `family`, `version`, `code-modified` …), text cleaned of control characters.
    pub attributes: Vec<(&'static str, String)>,
}

impl Artifact {
    /// Most bytes kept of one artifact.
    pub const MOST_BYTES: usize = 64 << 10;
}

/// What makes two activities of one session the same, apart from values and time. Small and without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityKey {
    /// Sub-address packed by the protocol (Modbus: unit id).
    pub sub: u32,
    /// Function code.
    pub function: u16,
    /// Subfunction plus one; 0 without one.
    pub subfunction: u16,
    /// Outcome: 0 pending, 1 ok, 2 unanswered, 0x10000 plus the code where rejected.
    pub outcome: u32,
    /// Class of the operation.
    pub operation: Operation,
    /// Address space, a small number the protocol chooses.
    pub space: u8,
    /// Number of the space.
    pub number: u32,
    /// First address.
    pub start: u32,
    /// Number of points.
    pub count: u32,
}

impl ActivityKey {
    /// How an outcome is packed.
    pub fn outcome(outcome: Outcome) -> u32 {
        match outcome {
            Outcome::Pending => 0,
            Outcome::Ok => 1,
            Outcome::Unanswered => 2,
            Outcome::Rejected(code, _) => 0x1_0000 | u32::from(code),
        }
    }
}
