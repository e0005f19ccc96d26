//! Fields of items and of their data.

use super::super::function::code;
use super::super::header::Data;
use super::super::item::syntax;
use crate::layers::{bytes, number};
use ot_protocol::{Fields, Reader, Short};

/// Behind the function of a read or write job: number of items, items; data of a write.
pub(super) fn request(fields: &mut Fields, param: &[u8], data: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(param);
    let count = reader.u8()?;
    number(fields, "s7comm.param.itemcount", count);
    for _ in 0..count {
        item(fields, &mut reader)?;
    }
    self::data(fields, data, Some(usize::from(count)), false)
}

/// Behind the function of an answer to a read or write job.
pub(super) fn answer(fields: &mut Fields, function: u8, param: &[u8], data: &[u8]) -> Result<(), Short> {
    let count = Reader::new(param).u8()?;
    number(fields, "s7comm.param.itemcount", count);
    if function == code::READ {
        return self::data(fields, data, Some(usize::from(count)), false);
    }
    for &code in data.iter().take(usize::from(count)) {
        number(fields, "s7comm.data.returncode", code);
    }
    Ok(())
}

/// One item, and the byte that fills it up to an even length where another follows.
pub(super) fn item(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    let specification = reader.u8()?;
    number(fields, "s7comm.param.item.varspec", specification);
    let length = reader.u8()?;
    number(fields, "s7comm.param.item.varspec_length", length);
    let mut item = Reader::new(reader.take(usize::from(length).min(reader.remaining()))?);
    let syntax = item.u8()?;
    number(fields, "s7comm.param.item.syntaxid", syntax);
    match syntax {
        syntax::ANY if length == 10 => any(fields, &mut item)?,
        syntax::DB_READ => ranges(fields, &mut item)?,
        syntax::SYMBOLIC => symbolic(fields, &mut item)?,
        syntax::DRIVE_ES if length == 10 => drive(fields, &mut item)?,
        syntax::NCK | syntax::NCK_METRIC | syntax::NCK_INCH => nck(fields, &mut item)?,
        _ if item.remaining() > 0 => bytes(fields, "s7comm.param.data", item.rest()),
        _ => {}
    }
    if length % 2 == 1 && reader.remaining() > 0 {
        reader.u8()?;
    }
    Ok(())
}

fn any(fields: &mut Fields, item: &mut Reader<'_>) -> Result<(), Short> {
    number(fields, "s7comm.param.item.transp_size", item.u8()?);
    number(fields, "s7comm.param.item.length", item.u16()?);
    number(fields, "s7comm.param.item.db", item.u16()?);
    let area = item.u8()?;
    number(fields, "s7comm.param.item.area", area);
    let [high, mid, low] = item.array()?;
    let address = u32::from_be_bytes([0, high, mid, low]);
    number(fields, "s7comm.param.item.address", address);
    if matches!(area, 0x1C..=0x1F) {
        number(fields, "s7comm.param.item.address.number", address & 0xFFFF);
    } else {
        number(fields, "s7comm.param.item.address.byte", address >> 3 & 0xFFFF);
        number(fields, "s7comm.param.item.address.bit", address & 7);
    }
    Ok(())
}

fn ranges(fields: &mut Fields, item: &mut Reader<'_>) -> Result<(), Short> {
    let count = item.u8()?;
    number(fields, "s7comm.param.item.dbread.numareas", count);
    for _ in 0..count {
        number(fields, "s7comm.param.item.dbread.length", item.u8()?);
        number(fields, "s7comm.param.item.dbread.db", item.u16()?);
        number(fields, "s7comm.param.item.dbread.startaddress", item.u16()?);
    }
    Ok(())
}

fn symbolic(fields: &mut Fields, item: &mut Reader<'_>) -> Result<(), Short> {
    number(fields, "s7comm.tiap.item.reserved1", item.u8()?);
    let area = item.u16()?;
    number(fields, "s7comm.tiap.item.area1", area);
    let second = item.u16()?;
    match area {
        // Data blocks: the second part is their number.
        0x8A0E => number(fields, "s7comm.tiap.item.dbnumber", second),
        0x0000 => number(fields, "s7comm.tiap.item.area2", second),
        _ => number(fields, "s7comm.tiap.item.area2unknown", second),
    }
    number(fields, "s7comm.tiap.item.crc", item.u32()?);
    while item.remaining() >= 4 {
        let step = item.u32()?;
        number(fields, "s7comm.tiap.item.lid_flags", step >> 28);
        number(fields, "s7comm.tiap.item.value", step & 0x0FFF_FFFF);
    }
    Ok(())
}

fn drive(fields: &mut Fields, item: &mut Reader<'_>) -> Result<(), Short> {
    number(fields, "s7comm.param.item.driveesany.unknown1", item.u8()?);
    number(fields, "s7comm.param.item.driveesany.unknown2", item.u16()?);
    number(fields, "s7comm.param.item.driveesany.unknown3", item.u16()?);
    number(fields, "s7comm.param.item.driveesany.parameternr", item.u16()?);
    number(fields, "s7comm.param.item.driveesany.parameteridx", item.u16()?);
    Ok(())
}

fn nck(fields: &mut Fields, item: &mut Reader<'_>) -> Result<(), Short> {
    let area = item.u8()?;
    number(fields, "s7comm.param.item.nck.area_unit", area);
    number(fields, "s7comm.param.item.nck.area", area >> 5);
    number(fields, "s7comm.param.item.nck.unit", area & 0x1F);
    number(fields, "s7comm.param.item.nck.column", item.u16()?);
    number(fields, "s7comm.param.item.nck.line", item.u16()?);
    number(fields, "s7comm.param.item.nck.module", item.u8()?);
    number(fields, "s7comm.param.item.nck.linecount", item.u8()?);
    Ok(())
}

/// Data of items: return code, transport size, length in bytes, data, and a byte that fills up to an even length where
/// another item follows (`filled`: also behind the last one).
pub(super) fn data(fields: &mut Fields, data: &[u8], count: Option<usize>, filled: bool) -> Result<(), Short> {
    let mut reader = Reader::new(data);
    let mut index = 0;
    while reader.remaining() > 0 && count.is_none_or(|count| index < count) {
        index += 1;
        let Some(data) = Data::read(&mut reader) else { break };
        number(fields, "s7comm.data.returncode", data.code);
        number(fields, "s7comm.data.transportsize", data.size);
        number(fields, "s7comm.data.length", u64::try_from(data.told()).unwrap_or(u64::MAX));
        if !data.bytes.is_empty() {
            bytes(fields, "s7comm.resp.data", data.bytes);
        }
        let more = filled || count.is_none_or(|count| index < count);
        if data.wanted % 2 == 1
            && more
            && let Ok(fill) = reader.u8()
        {
            number(fields, "s7comm.data.fillbyte", fill);
        }
    }
    Ok(())
}
