//! Fields of decoded messages, under Wireshark's display-filter names.

use crate::frame::Header;
use crate::function::{self, MEI_CANOPEN, MEI_DEVICE_ID, code};
use ot_protocol::{FieldDoc, FieldKind, FieldValue, Fields, FrameRef, Nanos, Reader, Short};

macro_rules! docs {
    ($($name:literal $kind:ident $meaning:literal)*) => {
        /// Every field that a message can have.
        pub(crate) static FIELDS: &[FieldDoc] =
            &[$(FieldDoc { name: $name, kind: FieldKind::$kind, meaning: $meaning }),*];
    };
}

docs! {
    "mbtcp.trans_id" Number "Transaction id of the MBAP header, 0 to 65535; the answer repeats it"
    "mbtcp.prot_id" Number "Protocol id of the MBAP header; 0 is Modbus"
    "mbtcp.len" Number "Length field of the MBAP header in bytes: unit id and protocol data unit, 2 to 254"
    "mbtcp.unit_id" Number "Unit id, 0 to 255: the device behind a gateway; 0 and 255 mean the device at the address itself"
    "mbrtu.unit_id" Number "RTU over TCP: server address, 0 (broadcast) to 247"
    "mbrtu.crc16" Number "RTU over TCP: CRC-16 as on the wire, low byte first"
    "mbrtu.crc16.status" Number "RTU over TCP: 1 where the CRC fits, 0 where not"
    "modbus.func_code" Number "Function code without bit 7, 0 to 127"
    "modbus.exception_code" Number "Exception code, where the server refused"
    "modbus.request_frame" Number "On a response: number of the frame that completed its request"
    "modbus.response_time" Number "On a response: seconds since its request"
    "modbus.reference_num" Number "First address, 0 to 65535, as on the wire (register 40001 is 0)"
    "modbus.read_reference_num" Number "Function 23: first address read, 0 to 65535"
    "modbus.write_reference_num" Number "Function 23: first address written, 0 to 65535"
    "modbus.reference_type" Number "Functions 20 and 21: reference type of a sub-request; 6"
    "modbus.reference_num_32" Number "Functions 20 and 21: file number in the upper, record number in the lower 16 bits"
    "modbus.word_cnt" Number "Number of registers"
    "modbus.read_word_cnt" Number "Function 23: number of registers read, 1 to 125"
    "modbus.write_word_cnt" Number "Function 23: number of registers written, 1 to 121"
    "modbus.bit_cnt" Number "Number of coils or discrete inputs"
    "modbus.byte_cnt" Number "Byte count: bytes of data that follow"
    "modbus.byte_cnt_16" Number "Function 24: byte count of 16 bits"
    "modbus.padding" Number "Function 5: low byte of the coil value; 0"
    "modbus.and_mask" Number "Function 22: AND mask"
    "modbus.or_mask" Number "Function 22: OR mask"
    "modbus.data" Bytes "Data that has no field of its own"
    "modbus.regnum16" Number "Address of a register, 0 to 65535; on a response, that of the request plus its place"
    "modbus.regval_uint16" Number "Value of that register, unsigned"
    "modbus.regval_int16" Number "Value of that register, signed"
    "modbus.write.address" Number "On a request to write (functions 5, 6, 15, 16, 23): address of a coil or register (not a Wireshark field)"
    "modbus.write.value" Number "Value to be written there: 0 to 65535; of a coil 0 or 1 (not a Wireshark field)"
    "modbus.bitnum" Number "Address of a coil or discrete input, 0 to 65535"
    "modbus.bitval" Bool "Value of that coil or discrete input"
    "modbus.diagnostic_code" Number "Function 8: subfunction"
    "modbus.diagnostic.return_query_data.request" Bytes "Subfunction 0: data to be echoed"
    "modbus.diagnostic.return_query_data.echo" Bytes "Subfunction 0: data echoed"
    "modbus.diagnostic.restart_communication_option" Number "Subfunction 1: 65280 clears the event log too"
    "modbus.diagnostic.return_diag_register" Number "Subfunction 2: diagnostic register"
    "modbus.diagnostic.ascii_input_delimiter" Number "Subfunction 3: new delimiter of ASCII messages"
    "modbus.diagnostic.clear_ctr_diag_reg" Number "Subfunction 10: echo"
    "modbus.diagnostic.bus_message_count" Number "Subfunction 11: messages on the bus since the last restart"
    "modbus.diagnostic.bus_comm_error_count" Number "Subfunction 12: CRC errors since the last restart"
    "modbus.diagnostic.bus_exception_error_count" Number "Subfunction 13: exceptions returned since the last restart"
    "modbus.diagnostic.slave_message_count" Number "Subfunction 14: messages to this server since the last restart"
    "modbus.diagnostic.no_slave_response_count" Number "Subfunction 15: messages it did not answer"
    "modbus.diagnostic.slave_nak_count" Number "Subfunction 16: negative acknowledgements it sent"
    "modbus.diagnostic.slave_busy_count" Number "Subfunction 17: server device busy exceptions it sent"
    "modbus.diagnostic.bus_char_overrun_count" Number "Subfunction 18: messages lost by character overrun"
    "modbus.ev_status" Number "Functions 11 and 12: 65535 while a program command is being processed, else 0"
    "modbus.ev_count" Number "Functions 11 and 12: event counter"
    "modbus.ev_msg_count" Number "Function 12: messages processed since the last restart"
    "modbus.event" Number "Function 12: an event byte"
    "modbus.ev_recv_comm_err" Number "Receive event: communication error"
    "modbus.ev_recv_char_over" Number "Receive event: character overrun"
    "modbus.ev_recv_lo_mode" Number "Receive event: currently in listen only mode"
    "modbus.ev_recv_broadcast" Number "Receive event: broadcast received"
    "modbus.ev_send_read_ex" Number "Send event: read exception sent (codes 1 to 3)"
    "modbus.ev_send_slave_abort_ex" Number "Send event: abort exception sent (code 4)"
    "modbus.ev_send_slave_busy_ex" Number "Send event: busy exception sent (codes 5 and 6)"
    "modbus.ev_send_slave_nak_ex" Number "Send event: program NAK exception sent (code 7)"
    "modbus.ev_send_write_timeout" Number "Send event: write time-out occurred"
    "modbus.ev_send_lo_mode" Number "Send event: currently in listen only mode"
    "modbus.mei" Number "Function 43: MEI type; 13 CANopen, 14 device identification"
    "modbus.read_device_id" Number "Read device id code: 1 basic, 2 regular, 3 extended, 4 one object"
    "modbus.conformity_level" Number "Conformity level of the device: 1 to 3, plus 128 where single objects can be read"
    "modbus.more_follows" Number "255 where more objects follow in another transaction, else 0"
    "modbus.next_object_id" Number "Object to ask for next, where more follow"
    "modbus.num_objects" Number "Number of objects in this response"
    "modbus.object_id" Number "Object id: 0 vendor, 1 product code, 2 revision, 3 URL, 4 product name, 5 model, 6 application"
    "modbus.objects_len" Number "Length of the object in bytes"
    "modbus.object_str_value" Text "Value of objects 0 to 6"
    "modbus.object_value" Bytes "Value of other objects"
    "umas.session" Number "Function 90: session key, 0 without a reservation (not a Wireshark field)"
    "umas.func_code" Number "Function 90: UMAS function; 254 accepted, 253 refused (not a Wireshark field)"
    "umas.func_name" Text "Function 90: name of the UMAS function asked for (not a Wireshark field)"
    "umas.len" Number "Function 90: bytes of data after the UMAS function (not a Wireshark field)"
}

fn number(fields: &mut Fields, name: &'static str, value: impl Into<u64>) {
    fields.push((name, FieldValue::Unsigned(value.into())));
}

fn data(fields: &mut Fields, name: &'static str, bytes: &[u8]) {
    if !bytes.is_empty() {
        fields.push((name, FieldValue::Bytes(bytes.to_vec())));
    }
}

/// Fields of the MBAP header.
pub(crate) fn mbap(fields: &mut Fields, header: Header, unit: Option<u8>) {
    number(fields, "mbtcp.trans_id", header.transaction);
    number(fields, "mbtcp.prot_id", header.protocol);
    number(fields, "mbtcp.len", header.length);
    if let Some(unit) = unit {
        number(fields, "mbtcp.unit_id", unit);
    }
}

/// Fields around an RTU frame.
pub(crate) fn rtu(fields: &mut Fields, unit: u8, crc: u16, fits: bool) {
    number(fields, "mbrtu.unit_id", unit);
    number(fields, "mbrtu.crc16", crc);
    number(fields, "mbrtu.crc16.status", u8::from(fits));
}

/// What a response's fields need from its request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// Frame of the request and time since it.
    pub request: Option<(FrameRef, Nanos)>,
    /// First address and number of points asked for.
    pub range: Option<(u16, u16)>,
    /// UMAS function asked for.
    pub sub: Option<u16>,
}

/// Fields of a request's protocol data unit, as far as it goes.
pub(crate) fn request(fields: &mut Fields, pdu: &[u8]) {
    let Some((&function, rest)) = pdu.split_first() else { return };
    number(fields, "modbus.func_code", function & 0x7F);
    if function & 0x80 != 0 {
        if let Some(&exception) = rest.first() {
            number(fields, "modbus.exception_code", exception);
        }
        return;
    }
    let _ = request_body(fields, function, &mut Reader::new(rest));
}

/// Fields of a response's protocol data unit, as far as it goes.
pub(crate) fn response(fields: &mut Fields, pdu: &[u8], link: Link) {
    let Some((&function, rest)) = pdu.split_first() else { return };
    number(fields, "modbus.func_code", function & 0x7F);
    if let Some((frame, latency)) = link.request {
        number(fields, "modbus.request_frame", frame.number());
        let micros = latency / 1_000;
        let seconds = f64::from(i32::try_from(micros).unwrap_or(i32::MAX)) / 1e6;
        fields.push(("modbus.response_time", FieldValue::Float(seconds)));
    }
    if function & 0x80 != 0 {
        if let Some(&exception) = rest.first() {
            number(fields, "modbus.exception_code", exception);
        }
        return;
    }
    let _ = response_body(fields, function, &mut Reader::new(rest), link);
}

/// Names of single values in their order on the wire.
fn words(fields: &mut Fields, reader: &mut Reader<'_>, names: &[&'static str]) -> Result<(), Short> {
    for name in names {
        number(fields, name, reader.u16()?);
    }
    Ok(())
}

fn registers(fields: &mut Fields, start: u16, bytes: &[u8]) {
    let mut address = start;
    for pair in bytes.as_chunks::<2>().0 {
        number(fields, "modbus.regnum16", address);
        number(fields, "modbus.regval_uint16", u16::from_be_bytes(*pair));
        fields.push(("modbus.regval_int16", FieldValue::Signed(i64::from(i16::from_be_bytes(*pair)))));
        address = address.wrapping_add(1);
    }
}

/// What a request writes, by address.
fn written(fields: &mut Fields, start: u16, values: impl Iterator<Item = u16>) {
    let mut address = start;
    for value in values {
        number(fields, "modbus.write.address", address);
        number(fields, "modbus.write.value", value);
        address = address.wrapping_add(1);
    }
}

fn bits(fields: &mut Fields, start: u16, count: usize, bytes: &[u8]) {
    let mut address = start;
    for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).take(count) {
        number(fields, "modbus.bitnum", address);
        fields.push(("modbus.bitval", FieldValue::Bool(bit)));
        address = address.wrapping_add(1);
    }
}

fn request_body(fields: &mut Fields, function: u8, reader: &mut Reader<'_>) -> Result<(), Short> {
    match function {
        code::READ_COILS | code::READ_DISCRETE_INPUTS => {
            words(fields, reader, &["modbus.reference_num", "modbus.bit_cnt"])?;
        }
        code::READ_HOLDING_REGISTERS | code::READ_INPUT_REGISTERS => {
            words(fields, reader, &["modbus.reference_num", "modbus.word_cnt"])?;
        }
        code::WRITE_SINGLE_COIL | code::WRITE_SINGLE_REGISTER => {
            if let [high, low, value @ ..] = reader.rest()
                && let Some((value, _)) = value.split_first_chunk::<2>()
            {
                let value = u16::from_be_bytes(*value);
                let value = if function == code::WRITE_SINGLE_COIL { u16::from(value == 0xFF00) } else { value };
                written(fields, u16::from_be_bytes([*high, *low]), std::iter::once(value));
            }
            single(fields, function, reader)?;
        }
        code::DIAGNOSTICS => diagnostics(fields, reader, true)?,
        code::WRITE_MULTIPLE_COILS => {
            let start = reader.u16()?;
            number(fields, "modbus.reference_num", start);
            let count = reader.u16()?;
            number(fields, "modbus.bit_cnt", count);
            number(fields, "modbus.byte_cnt", reader.u8()?);
            let bytes = reader.rest();
            data(fields, "modbus.data", bytes);
            let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)));
            written(fields, start, bits.take(usize::from(count)));
        }
        code::WRITE_MULTIPLE_REGISTERS => {
            let start = reader.u16()?;
            number(fields, "modbus.reference_num", start);
            number(fields, "modbus.word_cnt", reader.u16()?);
            let bytes = reader.u8()?;
            number(fields, "modbus.byte_cnt", bytes);
            if usize::from(bytes) == reader.remaining() {
                let bytes = reader.rest();
                registers(fields, start, bytes);
                written(fields, start, bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)));
            } else {
                data(fields, "modbus.data", reader.rest());
            }
        }
        code::READ_FILE_RECORD => {
            number(fields, "modbus.byte_cnt", reader.u8()?);
            while reader.remaining() >= 7 {
                number(fields, "modbus.reference_type", reader.u8()?);
                number(fields, "modbus.reference_num_32", reader.u32()?);
                number(fields, "modbus.word_cnt", reader.u16()?);
            }
        }
        code::WRITE_FILE_RECORD => write_file(fields, reader)?,
        code::MASK_WRITE_REGISTER => {
            words(fields, reader, &["modbus.reference_num", "modbus.and_mask", "modbus.or_mask"])?;
        }
        code::READ_WRITE_REGISTERS => {
            if let Some((head, values)) = reader.rest().split_first_chunk::<9>() {
                let [_, _, _, _, high, low, ..] = *head;
                let values = values.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
                written(fields, u16::from_be_bytes([high, low]), values);
            }
            words(
                fields,
                reader,
                &[
                    "modbus.read_reference_num",
                    "modbus.read_word_cnt",
                    "modbus.write_reference_num",
                    "modbus.write_word_cnt",
                ],
            )?;
            number(fields, "modbus.byte_cnt", reader.u8()?);
            data(fields, "modbus.data", reader.rest());
        }
        code::READ_FIFO_QUEUE => words(fields, reader, &["modbus.reference_num"])?,
        code::ENCAPSULATED_INTERFACE => {
            let whole = reader.rest();
            let mei = reader.u8()?;
            number(fields, "modbus.mei", mei);
            if mei == MEI_DEVICE_ID {
                number(fields, "modbus.read_device_id", reader.u8()?);
                number(fields, "modbus.object_id", reader.u8()?);
            } else if whole.len() > 1 || mei == MEI_CANOPEN {
                data(fields, "modbus.data", whole);
            }
        }
        code::UMAS => umas(fields, reader.rest(), None),
        _ => data(fields, "modbus.data", reader.rest()),
    }
    Ok(())
}

fn response_body(fields: &mut Fields, function: u8, reader: &mut Reader<'_>, link: Link) -> Result<(), Short> {
    match function {
        code::READ_COILS | code::READ_DISCRETE_INPUTS => {
            let bytes = reader.u8()?;
            number(fields, "modbus.byte_cnt", bytes);
            if usize::from(bytes) == reader.remaining() {
                let (start, count) = link.range.map_or((0, usize::MAX), |(start, count)| (start, usize::from(count)));
                bits(fields, start, count, reader.rest());
            } else {
                data(fields, "modbus.data", reader.rest());
            }
        }
        code::READ_HOLDING_REGISTERS | code::READ_INPUT_REGISTERS => {
            let bytes = reader.u8()?;
            number(fields, "modbus.byte_cnt", bytes);
            if usize::from(bytes) == reader.remaining() {
                registers(fields, link.range.map_or(0, |(start, _)| start), reader.rest());
            } else {
                data(fields, "modbus.data", reader.rest());
            }
        }
        code::WRITE_SINGLE_COIL | code::WRITE_SINGLE_REGISTER => single(fields, function, reader)?,
        code::DIAGNOSTICS => diagnostics(fields, reader, false)?,
        code::GET_COMM_EVENT_COUNTER => words(fields, reader, &["modbus.ev_status", "modbus.ev_count"])?,
        code::GET_COMM_EVENT_LOG => {
            let bytes = reader.u8()?;
            number(fields, "modbus.byte_cnt", bytes);
            words(fields, reader, &["modbus.ev_status", "modbus.ev_count", "modbus.ev_msg_count"])?;
            for _ in 6..bytes {
                event(fields, reader.u8()?);
            }
        }
        code::WRITE_MULTIPLE_COILS => words(fields, reader, &["modbus.reference_num", "modbus.bit_cnt"])?,
        code::WRITE_MULTIPLE_REGISTERS => words(fields, reader, &["modbus.reference_num", "modbus.word_cnt"])?,
        code::READ_FILE_RECORD => {
            number(fields, "modbus.byte_cnt", reader.u8()?);
            while reader.remaining() > 0 {
                let length = reader.u8()?;
                number(fields, "modbus.byte_cnt", length);
                number(fields, "modbus.reference_type", reader.u8()?);
                data(fields, "modbus.data", reader.take(usize::from(length.saturating_sub(1)))?);
            }
        }
        code::WRITE_FILE_RECORD => write_file(fields, reader)?,
        code::MASK_WRITE_REGISTER => {
            words(fields, reader, &["modbus.reference_num", "modbus.and_mask", "modbus.or_mask"])?;
        }
        code::READ_WRITE_REGISTERS => {
            number(fields, "modbus.byte_cnt", reader.u8()?);
            data(fields, "modbus.data", reader.rest());
        }
        code::READ_FIFO_QUEUE => {
            words(fields, reader, &["modbus.byte_cnt_16", "modbus.word_cnt"])?;
            data(fields, "modbus.data", reader.rest());
        }
        code::ENCAPSULATED_INTERFACE => {
            let whole = reader.rest();
            let mei = reader.u8()?;
            number(fields, "modbus.mei", mei);
            if mei == MEI_DEVICE_ID {
                device_id(fields, reader)?;
            } else if whole.len() > 1 {
                data(fields, "modbus.data", whole);
            }
        }
        code::UMAS => umas(fields, reader.rest(), link.sub),
        _ => data(fields, "modbus.data", reader.rest()),
    }
    Ok(())
}

fn single(fields: &mut Fields, function: u8, reader: &mut Reader<'_>) -> Result<(), Short> {
    number(fields, "modbus.reference_num", reader.u16()?);
    let value = reader.rest();
    data(fields, "modbus.data", value);
    if function == code::WRITE_SINGLE_COIL
        && let Some(&padding) = value.get(1)
    {
        number(fields, "modbus.padding", padding);
    }
    Ok(())
}

fn diagnostics(fields: &mut Fields, reader: &mut Reader<'_>, request: bool) -> Result<(), Short> {
    let sub = reader.u16()?;
    number(fields, "modbus.diagnostic_code", sub);
    let counter = match sub {
        2 => Some("modbus.diagnostic.return_diag_register"),
        10 => Some("modbus.diagnostic.clear_ctr_diag_reg"),
        11 => Some("modbus.diagnostic.bus_message_count"),
        12 => Some("modbus.diagnostic.bus_comm_error_count"),
        13 => Some("modbus.diagnostic.bus_exception_error_count"),
        14 => Some("modbus.diagnostic.slave_message_count"),
        15 => Some("modbus.diagnostic.no_slave_response_count"),
        16 => Some("modbus.diagnostic.slave_nak_count"),
        17 => Some("modbus.diagnostic.slave_busy_count"),
        18 => Some("modbus.diagnostic.bus_char_overrun_count"),
        _ => None,
    };
    match (sub, counter) {
        (0, _) if request => data(fields, "modbus.diagnostic.return_query_data.request", reader.rest()),
        (0, _) => data(fields, "modbus.diagnostic.return_query_data.echo", reader.rest()),
        (1, _) => number(fields, "modbus.diagnostic.restart_communication_option", reader.u16()?),
        (3, _) => number(fields, "modbus.diagnostic.ascii_input_delimiter", reader.u8()?),
        (_, Some(name)) if !request => number(fields, name, reader.u16()?),
        _ => data(fields, "modbus.data", reader.rest()),
    }
    Ok(())
}

/// An event byte of function 12 (clause 6.10).
fn event(fields: &mut Fields, event: u8) {
    number(fields, "modbus.event", event);
    let mut flag = |name, mask: u8| number(fields, name, u8::from(event & mask != 0));
    if event & 0x80 != 0 {
        flag("modbus.ev_recv_comm_err", 0x02);
        flag("modbus.ev_recv_char_over", 0x10);
        flag("modbus.ev_recv_lo_mode", 0x20);
        flag("modbus.ev_recv_broadcast", 0x40);
    } else if event & 0x40 != 0 {
        flag("modbus.ev_send_read_ex", 0x01);
        flag("modbus.ev_send_slave_abort_ex", 0x02);
        flag("modbus.ev_send_slave_busy_ex", 0x04);
        flag("modbus.ev_send_slave_nak_ex", 0x08);
        flag("modbus.ev_send_write_timeout", 0x10);
        flag("modbus.ev_send_lo_mode", 0x20);
    }
}

fn write_file(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    number(fields, "modbus.byte_cnt", reader.u8()?);
    while reader.remaining() > 0 {
        number(fields, "modbus.reference_type", reader.u8()?);
        number(fields, "modbus.reference_num_32", reader.u32()?);
        let length = reader.u16()?;
        number(fields, "modbus.word_cnt", length);
        data(fields, "modbus.data", reader.take(2 * usize::from(length))?);
    }
    Ok(())
}

fn device_id(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    for name in ["modbus.read_device_id", "modbus.conformity_level", "modbus.more_follows", "modbus.next_object_id"] {
        number(fields, name, reader.u8()?);
    }
    let objects = reader.u8()?;
    number(fields, "modbus.num_objects", objects);
    for _ in 0..objects {
        let id = reader.u8()?;
        let length = reader.u8()?;
        number(fields, "modbus.object_id", id);
        number(fields, "modbus.objects_len", length);
        let value = reader.take(usize::from(length))?;
        if id < 7 {
            fields.push(("modbus.object_str_value", FieldValue::Text(text(value))));
        } else {
            data(fields, "modbus.object_value", value);
        }
    }
    Ok(())
}

/// ASCII text up to the first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let ascii = |&byte: &u8| if byte < 0x80 { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
    bytes.iter().take(end).map(ascii).collect()
}

fn umas(fields: &mut Fields, body: &[u8], asked: Option<u16>) {
    if let Some((&session, rest)) = body.split_first() {
        number(fields, "umas.session", session);
        if let Some((&sub, rest)) = rest.split_first() {
            number(fields, "umas.func_code", sub);
            let named = function::named(code::UMAS, Some(asked.unwrap_or(u16::from(sub))));
            fields.push(("umas.func_name", FieldValue::Text(named.name.to_owned())));
            number(fields, "umas.len", u64::try_from(rest.len()).unwrap_or(u64::MAX));
        }
    }
    data(fields, "modbus.data", body);
}
