//! File objects (IEEE 1815-2012, clause 11.9): what a file command asks for.

use ot_protocol::{Operation, Reader, Short};

/// Mode of a file command: to be written from its beginning.
pub(crate) const WRITE: u16 = 2;
/// Mode of a file command: to be written on at its end.
pub(crate) const APPEND: u16 = 3;

/// A file command (group 70 variation 3), from its creation time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// Milliseconds since 1970.
    pub created: u64,
    pub permissions: u16,
    /// Authentication key.
    pub key: u32,
    pub size: u32,
    pub mode: u16,
    /// Most octets in a block.
    pub block: u16,
    /// Request id.
    pub request: u16,
    pub name: &'a [u8],
}

impl<'a> Command<'a> {
    /// Reads it; the name is all that is left.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Short> {
        Ok(Self {
            created: reader.u48_le()?,
            permissions: reader.u16_le()?,
            key: reader.u32_le()?,
            size: reader.u32_le()?,
            mode: reader.u16_le()?,
            block: reader.u16_le()?,
            request: reader.u16_le()?,
            name: reader.rest(),
        })
    }

    /// Reads the whole object.
    pub(crate) fn object(bytes: &'a [u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(bytes);
        let _ = reader.u16_le()?;
        let length = usize::from(reader.u16_le()?);
        let command = Self::read(&mut reader)?;
        Ok(Self { name: command.name.get(..length).unwrap_or(command.name), ..command })
    }
}

/// What a file is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Firmware,
    Program,
    Other,
}

/// Endings of names under which firmware is handed to devices.
const FIRMWARE: &[&str] = &[".fw", ".fwu", ".upg", ".hex", ".s19", ".srec", ".mot"];
/// Endings of names under which control programs are handed to devices.
const PROGRAM: &[&str] = &[".st", ".stx", ".il", ".ld", ".fbd", ".sfc", ".plc", ".prg", ".xti", ".isa"];

/// Judges a file by its name.
pub(crate) fn kind(name: &str) -> Kind {
    let name = name.to_ascii_lowercase();
    if name.contains("firmware") || FIRMWARE.iter().any(|ending| name.ends_with(ending)) {
        Kind::Firmware
    } else if PROGRAM.iter().any(|ending| name.ends_with(ending)) {
        Kind::Program
    } else {
        Kind::Other
    }
}

/// How a file is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
    Delete,
}

/// Class of an operation on a file.
pub(crate) fn operation(name: &str, usage: Use) -> Operation {
    match (kind(name), usage) {
        (Kind::Firmware, Use::Write) => Operation::Firmware,
        (Kind::Program, Use::Read) => Operation::ProgramRead,
        (Kind::Program, Use::Write) => Operation::ProgramWrite,
        (Kind::Program, Use::Delete) => Operation::ProgramDelete,
        _ => Operation::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_command() {
        let mut bytes = vec![26, 0, 3, 0];
        bytes.extend([1, 0, 0, 0, 0, 0, 0xFF, 1, 4, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 4, 6, 0]);
        bytes.extend(b"a.b");
        let command = Command::object(&bytes).expect("whole");
        assert_eq!((command.created, command.permissions, command.key, command.size), (1, 0o777, 4, 9));
        assert_eq!((command.mode, command.block, command.request, command.name), (WRITE, 1024, 6, &b"a.b"[..]));
        assert!(Command::object(&bytes[..20]).is_err());
    }

    #[test]
    fn names_tell_what_a_file_is() {
        assert_eq!(operation("/ram/Firmware-2.1.bin", Use::Write), Operation::Firmware);
        assert_eq!(operation("logic.ST", Use::Delete), Operation::ProgramDelete);
        assert_eq!(operation("logic.st", Use::Read), Operation::ProgramRead);
        assert_eq!(operation("./helloworld.txt", Use::Write), Operation::File);
    }
}
