//! Fields of setup, of block transfer and of program invocation.

use super::super::block::Name;
use super::super::function::code;
use super::super::value::text as ascii;
use crate::layers::{bytes, flag, number, text};
use ot_protocol::{Fields, Reader, Short};

/// Behind the function of setup communication, job and answer.
pub(super) fn setup(fields: &mut Fields, param: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(param);
    number(fields, "s7comm.param.setup_reserved1", reader.u8()?);
    number(fields, "s7comm.param.maxamq_calling", reader.u16()?);
    number(fields, "s7comm.param.maxamq_called", reader.u16()?);
    number(fields, "s7comm.param.pdu_length", reader.u16()?);
    Ok(())
}

/// Function status: bit 0 more data follow, bit 1 error.
fn status(fields: &mut Fields, status: u8) {
    number(fields, "s7comm.param.blockcontrol.functionstatus", status);
    flag(fields, "s7comm.param.blockcontrol.functionstatus.more", status & 1 != 0);
    flag(fields, "s7comm.param.blockcontrol.functionstatus.error", status & 2 != 0);
}

/// Behind the function of a job that moves a block.
pub(super) fn block(fields: &mut Fields, function: u8, param: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(param);
    status(fields, reader.u8()?);
    let first = reader.array::<2>()?;
    match function {
        code::DOWNLOAD_ENDED | code::END_UPLOAD => {
            number(fields, "s7comm.data.blockcontrol.errorcode", u16::from_be_bytes(first));
        }
        _ => bytes(fields, "s7comm.data.blockcontrol.unknown1", &first),
    }
    let second = reader.array::<4>()?;
    match function {
        code::START_UPLOAD | code::UPLOAD | code::END_UPLOAD => {
            number(fields, "s7comm.data.blockcontrol.uploadid", u32::from_be_bytes(second));
        }
        _ => bytes(fields, "s7comm.data.blockcontrol.unknown1", &second),
    }
    if matches!(function, code::UPLOAD | code::END_UPLOAD) {
        return Ok(());
    }
    let length = reader.u8()?;
    number(fields, "s7comm.param.blockcontrol.filename_len", length);
    let name = reader.take(usize::from(length))?;
    text(fields, "s7comm.param.blockcontrol.filename", ascii(name));
    if name.len() == 9
        && let Some((identifier, name)) = name.split_first_chunk::<1>()
    {
        text(fields, "s7comm.data.blockcontrol.file_identifier", ascii(identifier));
        block_name(fields, name);
    }
    if function == code::REQUEST_DOWNLOAD && reader.remaining() > 0 {
        let length = reader.u8()?;
        number(fields, "s7comm.data.blockcontrol.part2_len", length);
        if length == 13 {
            text(fields, "s7comm.data.blockcontrol.part2_unknown", ascii(reader.take(1)?));
            text(fields, "s7comm.data.blockcontrol.loadmem_len", ascii(reader.take(6)?));
            text(fields, "s7comm.data.blockcontrol.mc7code_len", ascii(reader.take(6)?));
        }
    }
    Ok(())
}

/// The parts of a block's name, where it is one.
fn block_name(fields: &mut Fields, name: &[u8]) {
    if let Some(name) = Name::read(name) {
        text(fields, "s7comm.data.blockcontrol.block_type", ascii(name.kind));
        text(fields, "s7comm.data.blockcontrol.block_number", ascii(name.number));
        text(fields, "s7comm.data.blockcontrol.dest_filesys", ascii(&[name.filesystem]));
    }
}

/// Behind the function of an answer that brings a part of a block.
pub(super) fn part(fields: &mut Fields, param: &[u8], data: &[u8]) -> Result<(), Short> {
    if let Some(&first) = param.first() {
        status(fields, first);
    }
    let mut reader = Reader::new(data);
    let length = reader.u16()?;
    number(fields, "s7comm.data.length", length);
    bytes(fields, "s7comm.data.blockcontrol.unknown1", reader.take(2)?);
    let part = reader.take(usize::from(length).min(reader.remaining()))?;
    if !part.is_empty() {
        bytes(fields, "s7comm.resp.data", part);
    }
    Ok(())
}

/// Behind the function of the answer to start upload.
pub(super) fn upload_started(fields: &mut Fields, param: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(param);
    status(fields, reader.u8()?);
    bytes(fields, "s7comm.data.blockcontrol.unknown1", reader.take(2)?);
    number(fields, "s7comm.data.blockcontrol.uploadid", reader.u32()?);
    let length = reader.u8()?;
    number(fields, "s7comm.param.blockcontrol.upl_lenstring_len", length);
    text(fields, "s7comm.param.blockcontrol.upl_lenstring", ascii(reader.take(usize::from(length))?));
    Ok(())
}

/// Behind the function of a program invocation.
pub(super) fn service(fields: &mut Fields, param: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(param);
    bytes(fields, "s7comm.param.pistart.unknown1", reader.take(7)?);
    let length = reader.u16()?;
    number(fields, "s7comm.param.pistart.parameterblock_len", length);
    let block = reader.take(usize::from(length))?;
    let length = reader.u8()?;
    let name = reader.take(usize::from(length))?;
    match name {
        b"_INSE" | b"_DELE" => {
            let mut reader = Reader::new(block);
            let count = reader.u8()?;
            number(fields, "s7comm.data.plccontrol.block_cnt", count);
            number(fields, "s7comm.param.pi.inse.unknown", reader.u8()?);
            for _ in 0..count {
                let name = reader.take(8)?;
                text(fields, "s7comm.param.blockcontrol.filename", ascii(name));
                block_name(fields, name);
            }
        }
        _ if !block.is_empty() => text(fields, "s7comm.param.pistart.argument", argument(block, name)),
        _ => {}
    }
    number(fields, "s7comm.param.pi.n_x.string_len", length);
    service_name(fields, name);
    Ok(())
}

fn service_name(fields: &mut Fields, name: &[u8]) {
    text(fields, "s7comm.param.pistart.servicename", ascii(name));
}

/// The argument of a service. Services that sign in carry a password: it is not shown.
fn argument(block: &[u8], name: &[u8]) -> String {
    match name {
        b"_N_LOGIN_" | b"_N_NEWPWD" => "(hidden)".to_owned(),
        _ => ascii(block),
    }
}

/// Behind the function of PLC stop.
pub(super) fn stop(fields: &mut Fields, param: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(param);
    bytes(fields, "s7comm.param.pistart.unknown1", reader.take(5)?);
    let length = reader.u8()?;
    number(fields, "s7comm.data.plccontrol.part2_len", length);
    service_name(fields, reader.take(usize::from(length))?);
    Ok(())
}
