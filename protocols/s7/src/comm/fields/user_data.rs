//! Fields of user data.

use super::super::function::group;
use super::super::header::{Data, UserData};
use super::super::value::{block_time, date_and_time, text as ascii};
use super::super::{item, szl};
use super::vars;
use crate::layers::{bytes, flag, number, text};
use ot_protocol::{FieldValue, Fields, Reader, Short};

/// Fields of the parameter part.
pub(super) fn param(fields: &mut Fields, param: &[u8], head: UserData) {
    let start = param.get(..3).unwrap_or_default();
    number(fields, "s7comm.param.userdata.head", start.iter().fold(0_u32, |head, &byte| head << 8 | u32::from(byte)));
    let length = param.get(3).copied().unwrap_or_default();
    number(fields, "s7comm.param.userdata.length", length);
    number(fields, "s7comm.param.userdata.reqres1", head.method);
    number(fields, "s7comm.param.userdata.type", head.kind);
    number(fields, "s7comm.param.userdata.funcgroup", head.group);
    if head.group == group::MODE {
        number(fields, "s7comm.param.modetrans.subfunc", head.sub);
    } else {
        number(fields, "s7comm.param.userdata.subfunc", head.sub);
    }
    number(fields, "s7comm.param.userdata.seq_num", head.sequence);
    if length >= 8 && param.len() >= 12 {
        number(fields, "s7comm.param.userdata.dataunitref", head.unit_reference);
        number(fields, "s7comm.param.userdata.lastdataunit", u8::from(head.more));
        number(fields, "s7comm.param.errcod", head.error);
    }
}

/// Fields of the data part.
pub(super) fn data(fields: &mut Fields, head: UserData, part: &[u8], joined: Option<(&[u8], &[u64])>) {
    let Some(data) = Data::read(&mut Reader::new(part)) else { return };
    number(fields, "s7comm.data.returncode", data.code);
    number(fields, "s7comm.data.transportsize", data.size);
    number(fields, "s7comm.data.length", data.length);
    if head.more {
        return;
    }
    let body = match joined {
        Some((joined, frames)) => {
            for &frame in frames {
                number(fields, "s7comm.fragment", frame);
            }
            number(fields, "s7comm.fragment.count", u64::try_from(frames.len()).unwrap_or(u64::MAX));
            number(fields, "s7comm.reassembled.length", u64::try_from(joined.len()).unwrap_or(u64::MAX));
            joined
        }
        // Transport sizes that count bits are not used here; what is there counts.
        None => part.get(4..).unwrap_or_default(),
    };
    let body =
        if joined.is_none() { body.get(..usize::from(data.length).min(body.len())).unwrap_or_default() } else { body };
    if body.is_empty() {
        return;
    }
    let _ = match head.group {
        group::PROGRAMMER => programmer(fields, head, body),
        group::CYCLIC => cyclic(fields, head, body),
        group::BLOCKS => blocks(fields, head, body),
        group::CPU => cpu(fields, head, body),
        // What is behind the length is the password.
        group::SECURITY => Ok(()),
        group::TIME => clock(fields, body),
        _ => {
            bytes(fields, "s7comm.resp.data", body);
            Ok(())
        }
    };
}

fn request(head: UserData) -> bool {
    head.kind == UserData::REQUEST
}

/// Test and installation functions (TIS): sizes of two parts, and the parts.
fn programmer(fields: &mut Fields, head: UserData, body: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(body);
    let size = reader.u16()?;
    number(fields, "s7comm.tis.parametersize", size);
    let data_size = reader.u16()?;
    number(fields, "s7comm.tis.datasize", data_size);
    let param = reader.take(usize::from(size).min(reader.remaining()))?;
    let data = reader.take(usize::from(data_size).min(reader.remaining()))?;
    if request(head) {
        const NAMES: [&str; 10] = [
            "s7comm.tis.param1",
            "s7comm.tis.param2",
            "s7comm.tis.param3",
            "s7comm.tis.answersize",
            "s7comm.tis.param5",
            "s7comm.tis.param6",
            "s7comm.tis.param7",
            "s7comm.tis.param8",
            "s7comm.tis.param9",
            "s7comm.varstat.trgevent",
        ];
        words(fields, param, &NAMES);
    } else {
        words(fields, param, &["s7comm.tis.res.param1", "s7comm.tis.res.param2"]);
    }
    let mut reader = Reader::new(data);
    match head.sub {
        0x02 | 0x08 | 0x09 if request(head) => {
            let count = reader.u16()?;
            number(fields, "s7comm.varstat.item_count", count);
            for _ in 0..count {
                address(fields, &mut reader)?;
            }
            if head.sub != 0x02 {
                vars::data(fields, reader.rest(), Some(usize::from(count)), true)?;
            }
        }
        0x02 if !data.is_empty() => {
            let count = reader.u16()?;
            number(fields, "s7comm.varstat.item_count", count);
            vars::data(fields, reader.rest(), Some(usize::from(count)), true)?;
        }
        0x0D | 0x0E if !data.is_empty() => job(fields, &mut reader)?,
        0x0F if !data.is_empty() => {
            bytes(fields, "s7comm.tis.job.reserved", reader.take(2)?);
            job(fields, &mut reader)?;
        }
        0x10 if request(head) => {
            while reader.remaining() >= 2 {
                bytes(fields, "s7comm.tis.job.reserved", reader.take(2)?);
            }
        }
        0x10 => {
            while reader.remaining() >= 4 {
                job(fields, &mut reader)?;
                bytes(fields, "s7comm.tis.job.reserved", reader.take(2)?);
            }
        }
        _ if !data.is_empty() => bytes(fields, "s7comm.resp.data", data),
        _ => {}
    }
    Ok(())
}

fn job(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    number(fields, "s7comm.tis.job.function", reader.u8()?);
    number(fields, "s7comm.tis.job.response_seq_num", reader.u8()?);
    Ok(())
}

fn address(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    let area = reader.u8()?;
    number(fields, "s7comm.varstat.req.memory_area", area);
    if area & 0x0F == 0 {
        number(fields, "s7comm.varstat.req.bitpos", reader.u8()?);
    } else {
        number(fields, "s7comm.varstat.req.repetition_factor", reader.u8()?);
    }
    number(fields, "s7comm.varstat.req.db_number", reader.u16()?);
    number(fields, "s7comm.varstat.req.startaddress", reader.u16()?);
    Ok(())
}

fn words(fields: &mut Fields, bytes: &[u8], names: &[&'static str]) {
    for (pair, name) in bytes.as_chunks::<2>().0.iter().zip(names) {
        number(fields, name, u16::from_be_bytes(*pair));
    }
}

fn cyclic(fields: &mut Fields, head: UserData, body: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(body);
    match head.sub {
        0x01 | 0x05 | 0x07 if request(head) => {
            let count = reader.u16()?;
            number(fields, "s7comm.param.itemcount", count);
            if head.sub == 0x01 {
                number(fields, "s7comm.cyclic.interval_timebase", reader.u8()?);
                number(fields, "s7comm.cyclic.interval_time", reader.u8()?);
            }
            for _ in 0..count {
                vars::item(fields, &mut reader)?;
            }
        }
        0x01 | 0x05 | 0x07 => {
            let count = reader.u16()?;
            number(fields, "s7comm.param.itemcount", count);
            vars::data(fields, reader.rest(), Some(usize::from(count)), false)?;
        }
        0x04 if request(head) => {
            number(fields, "s7comm.cyclic.function", reader.u8()?);
            number(fields, "s7comm.cyclic.job_id", reader.u8()?);
        }
        _ => bytes(fields, "s7comm.resp.data", body),
    }
    Ok(())
}

fn blocks(fields: &mut Fields, head: UserData, body: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(body);
    match (head.sub, request(head)) {
        (1, false) => {
            while reader.remaining() >= 4 {
                text(fields, "s7comm.blockinfo.blocktype", ascii(reader.take(2)?));
                number(fields, "s7comm.blockinfo.block_count", reader.u16()?);
            }
        }
        (2, true) => text(fields, "s7comm.blockinfo.blocktype", ascii(reader.take(2)?)),
        (2, false) => {
            while reader.remaining() >= 4 {
                number(fields, "s7comm.blockinfo.block_num", reader.u16()?);
                number(fields, "s7comm.blockinfo.flags", reader.u8()?);
                number(fields, "s7comm.blockinfo.block_lang", reader.u8()?);
            }
        }
        (3, true) => {
            text(fields, "s7comm.blockinfo.blocktype", ascii(reader.take(2)?));
            text(fields, "s7comm.data.blockinfo.block_number", ascii(reader.take(5)?));
            text(fields, "s7comm.data.blockinfo.filesys", ascii(reader.take(1)?));
        }
        (3, false) => block_info(fields, &mut reader)?,
        _ => bytes(fields, "s7comm.resp.data", body),
    }
    Ok(())
}

fn block_info(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    text(fields, "s7comm.blockinfo.blocktype", ascii(reader.take(2)?));
    number(fields, "s7comm.blockinfo.res_infolength", reader.u16()?);
    number(fields, "s7comm.blockinfo.res_unknown2", reader.u16()?);
    text(fields, "s7comm.blockinfo.res_const3", ascii(reader.take(2)?));
    bytes(fields, "s7comm.blockinfo.res_unknown", reader.take(1)?);
    let flags = reader.u8()?;
    number(fields, "s7comm.param.userdata.blockinfo.flags", flags);
    flag(fields, "s7comm.param.userdata.blockinfo.linked", flags & 1 != 0);
    flag(fields, "s7comm.param.userdata.blockinfo.standard_block", flags & 2 != 0);
    flag(fields, "s7comm.param.userdata.blockinfo.nonretain", flags & 8 != 0);
    number(fields, "s7comm.blockinfo.block_lang", reader.u8()?);
    number(fields, "s7comm.blockinfo.subblk_type", reader.u8()?);
    number(fields, "s7comm.blockinfo.block_num", reader.u16()?);
    number(fields, "s7comm.blockinfo.load_mem_len", reader.u32()?);
    number(fields, "s7comm.blockinfo.blocksecurity", reader.u32()?);
    for name in ["s7comm.blockinfo.code_timestamp", "s7comm.blockinfo.interface_timestamp"] {
        if let Some(time) = block_time(reader.array()?) {
            fields.push((name, FieldValue::Time(time)));
        }
    }
    for name in [
        "s7comm.blockinfo.ssb_len",
        "s7comm.blockinfo.add_len",
        "s7comm.blockinfo.localdata_len",
        "s7comm.blockinfo.mc7_len",
    ] {
        number(fields, name, reader.u16()?);
    }
    for name in ["s7comm.blockinfo.author", "s7comm.blockinfo.family", "s7comm.blockinfo.headername"] {
        text(fields, name, ascii(reader.take(8)?));
    }
    let version = reader.u8()?;
    text(fields, "s7comm.blockinfo.headerversion", format!("{}.{}", version >> 4, version & 0x0F));
    bytes(fields, "s7comm.blockinfo.res_unknown", reader.take(1)?);
    number(fields, "s7comm.blockinfo.checksum", reader.u16()?);
    number(fields, "s7comm.blockinfo.reserved1", reader.u32()?);
    number(fields, "s7comm.blockinfo.reserved2", reader.u32()?);
    Ok(())
}

fn cpu(fields: &mut Fields, head: UserData, body: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(body);
    match (head.sub, request(head)) {
        (1, true) => {
            szl::id_fields(fields, reader.u16()?);
            number(fields, "s7comm.data.userdata.szl_index", reader.u16()?);
        }
        (1, false) => szl::fields(fields, body),
        (2, true) => message_service(fields, &mut reader)?,
        (2, false) => {
            number(fields, "s7comm.cpu.msg.res_result", reader.u8()?);
            number(fields, "s7comm.cpu.msg.res_reserved1", reader.u8()?);
            if reader.remaining() >= 3 {
                number(fields, "s7comm.cpu.msg.almtype", reader.u8()?);
                number(fields, "s7comm.cpu.msg.res_reserved2", reader.u8()?);
                number(fields, "s7comm.cpu.msg.res_reserved3", reader.u8()?);
            }
        }
        (3, _) => diagnostic(fields, body),
        (0x13, false) => {
            number(fields, "s7comm.alarm.function", reader.u8()?);
            number(fields, "s7comm.alarm.nr_objects", reader.u8()?);
            number(fields, "s7comm.data.returncode", reader.u8()?);
            number(fields, "s7comm.data.transportsize", reader.u8()?);
            number(fields, "s7comm.alarm.query.complete_length", reader.u16()?);
            if reader.remaining() > 0 {
                bytes(fields, "s7comm.resp.data", reader.rest());
            }
        }
        _ => alarm(fields, head, &mut reader)?,
    }
    Ok(())
}

fn message_service(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    let events = reader.u8()?;
    number(fields, "s7comm.cpu.msg.events", events);
    flag(fields, "s7comm.cpu.msg.events.modetrans", events & 0x01 != 0);
    flag(fields, "s7comm.cpu.msg.events.system", events & 0x02 != 0);
    flag(fields, "s7comm.cpu.msg.events.userdefined", events & 0x04 != 0);
    flag(fields, "s7comm.cpu.msg.events.alarms", events & 0x80 != 0);
    number(fields, "s7comm.cpu.msg.req_reserved1", reader.u8()?);
    text(fields, "s7comm.cpu.msg.username", ascii(reader.take(8)?));
    if events & 0x80 != 0 && reader.remaining() >= 2 {
        number(fields, "s7comm.cpu.msg.almtype", reader.u8()?);
        number(fields, "s7comm.cpu.msg.req_reserved2", reader.u8()?);
    }
    Ok(())
}

/// An event of the diagnostic buffer: of list 0xA0 or sent by itself.
pub(crate) fn diagnostic(fields: &mut Fields, entry: &[u8]) {
    let _ = try_diagnostic(fields, &mut Reader::new(entry));
}

fn try_diagnostic(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    let event = reader.u16()?;
    number(fields, "s7comm.cpu.diag_msg.eventid", event);
    number(fields, "s7comm.cpu.diag_msg.eventid.class", event >> 12);
    flag(fields, "s7comm.cpu.diag_msg.eventid.ident.entleave", event & 0x0100 != 0);
    flag(fields, "s7comm.cpu.diag_msg.eventid.ident.diagbuf", event & 0x0200 != 0);
    flag(fields, "s7comm.cpu.diag_msg.eventid.ident.interr", event & 0x0400 != 0);
    flag(fields, "s7comm.cpu.diag_msg.eventid.ident.exterr", event & 0x0800 != 0);
    number(fields, "s7comm.cpu.diag_msg.eventid.nr", event & 0xFF);
    number(fields, "s7comm.cpu.diag_msg.prioclass", reader.u8()?);
    number(fields, "s7comm.cpu.diag_msg.obnumber", reader.u8()?);
    number(fields, "s7comm.cpu.diag_msg.datid", reader.u16()?);
    number(fields, "s7comm.cpu.diag_msg.info1", reader.u16()?);
    number(fields, "s7comm.cpu.diag_msg.info2", reader.u32()?);
    stamp(fields, reader.array()?);
    Ok(())
}

/// A time of eight bytes in BCD.
fn stamp(fields: &mut Fields, bytes: [u8; 8]) {
    let bcd = |byte: u8| u64::from(byte >> 4) * 10 + u64::from(byte & 0x0F);
    let [year, month, day, hour, minute, second, high, low] = bytes;
    if let Some(time) = date_and_time(bytes) {
        fields.push(("s7comm.data.ts", FieldValue::Time(time)));
    }
    for (name, byte) in [
        ("s7comm.data.ts_year2", year),
        ("s7comm.data.ts_month", month),
        ("s7comm.data.ts_day", day),
        ("s7comm.data.ts_hour", hour),
        ("s7comm.data.ts_minute", minute),
        ("s7comm.data.ts_second", second),
    ] {
        number(fields, name, bcd(byte));
    }
    number(fields, "s7comm.data.ts_millisecond", bcd(high) * 10 + u64::from(low >> 4));
    number(fields, "s7comm.data.ts_weekday", low & 0x0F);
}

fn clock(fields: &mut Fields, body: &[u8]) -> Result<(), Short> {
    let mut reader = Reader::new(body);
    if reader.remaining() < 10 {
        return Ok(());
    }
    number(fields, "s7comm.data.ts_reserved", reader.u8()?);
    let century = reader.u8()?;
    number(fields, "s7comm.data.ts_year1", u64::from(century >> 4) * 10 + u64::from(century & 0x0F));
    stamp(fields, reader.array()?);
    Ok(())
}

/// Messages and alarms: function, number of objects, and for each what it is of.
fn alarm(fields: &mut Fields, head: UserData, reader: &mut Reader<'_>) -> Result<(), Short> {
    let indication = !request(head) && matches!(head.sub, 0x05 | 0x06 | 0x09 | 0x11 | 0x12 | 0x16);
    if indication && let Ok(stamp_bytes) = reader.array::<8>() {
        stamp(fields, stamp_bytes);
    }
    number(fields, "s7comm.alarm.function", reader.u8()?);
    let objects = reader.u8()?;
    number(fields, "s7comm.alarm.nr_objects", objects);
    for _ in 0..objects {
        number(fields, "s7comm.param.item.varspec", reader.u8()?);
        let length = reader.u8()?;
        number(fields, "s7comm.param.item.varspec_length", length);
        let mut object = Reader::new(reader.take(usize::from(length).min(reader.remaining()))?);
        let syntax = object.u8()?;
        number(fields, "s7comm.param.item.syntaxid", syntax);
        match syntax {
            item::syntax::ALARM_INDICATION | item::syntax::NOTIFY => {
                number(fields, "s7comm.alarm.nr_add_values", object.u8()?);
                number(fields, "s7comm.alarm.event_id", object.u32()?);
            }
            item::syntax::ALARM_ACK => {
                let _values = object.u8()?;
                number(fields, "s7comm.alarm.event_id", object.u32()?);
                number(fields, "s7comm.alarm.ack_state.going", object.u8()?);
                number(fields, "s7comm.alarm.ack_state.coming", object.u8()?);
            }
            item::syntax::ALARM_LOCK_FREE => {
                let _values = object.u8()?;
                number(fields, "s7comm.alarm.event_id", object.u32()?);
            }
            item::syntax::ALARM_QUERY => {
                number(fields, "s7comm.alarm.query.unknown1", object.u8()?);
                number(fields, "s7comm.alarm.query.querytype", object.u8()?);
                number(fields, "s7comm.alarm.query.unknown2", object.u8()?);
                number(fields, "s7comm.alarm.query.alarmtype", object.u32()?);
            }
            _ => {}
        }
        if indication {
            number(fields, "s7comm.alarm.eventstate", object.u8()?);
            number(fields, "s7comm.alarm.state", object.u8()?);
            number(fields, "s7comm.alarm.ack_state.going", object.u8()?);
            number(fields, "s7comm.alarm.ack_state.coming", object.u8()?);
        }
    }
    Ok(())
}
