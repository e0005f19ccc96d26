//! Requests and responses: what a protocol data unit asks for or answers, and where it departs from the specification.
//!
//! A broken unit still gives everything that could be read; what is wrong with it goes to [`Faults`].

use crate::function::{self, Space, code};
use ot_protocol::{Operation, Outcome, Reader, Target, ValueView, Violation};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Longest protocol data unit (Modbus Application Protocol V1.1b3, clause 4.1).
pub(crate) const MAX_PDU: usize = 253;

/// Catalogue ids of the alert types that violations stand for.
pub(crate) mod rule {
    pub const BAD_HEADER: &str = "modbus-bad-header";
    pub const BAD_QUANTITY: &str = "modbus-bad-quantity";
    pub const EXCEPTION_FROM_CLIENT: &str = "modbus-exception-from-client";
    pub const FUNCTION_ZERO: &str = "modbus-function-zero";
    pub const RESPONSE_MISMATCH: &str = "modbus-response-mismatch";
}

/// Collects violations of one message.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// What was found so far.
    pub list: Vec<Violation>,
    /// Offset of the protocol data unit within the message.
    base: usize,
}

impl Faults {
    /// For a message whose protocol data unit begins at `base`.
    pub(crate) fn new(base: usize) -> Self {
        Self { list: Vec::new(), base }
    }

    /// A fault in a header; `offset` within the message.
    #[cold]
    pub(crate) fn header(
        &mut self,
        layer: &'static str,
        offset: usize,
        needed: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
        reason: &'static str,
    ) {
        self.push(rule::BAD_HEADER, layer, offset, needed.into(), found.into(), reason.into());
    }

    /// A fault in the protocol data unit; `offset` within it.
    #[cold]
    pub(crate) fn pdu(
        &mut self,
        rule: &'static str,
        offset: usize,
        needed: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) {
        self.push(rule, "modbus", self.base + offset, needed.into(), found.into(), reason.into());
    }

    /// A fault anywhere; `offset` within the message.
    pub(crate) fn push(
        &mut self,
        rule: &'static str,
        layer: &'static str,
        offset: usize,
        needed: Cow<'static, str>,
        found: Cow<'static, str>,
        reason: Cow<'static, str>,
    ) {
        if self.list.len() < 16 {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            self.list.push(Violation { rule, layer, offset, needed, found, reason });
        }
    }

    /// The whole unit must have a certain length.
    fn length(&mut self, pdu: &[u8], needed: usize, reason: &'static str) -> bool {
        if pdu.len() == needed {
            return true;
        }
        self.bad_length(pdu, format!("{needed} bytes of protocol data unit"), reason);
        false
    }

    #[cold]
    fn bad_length(&mut self, pdu: &[u8], needed: impl Into<Cow<'static, str>>, reason: &'static str) {
        self.pdu(rule::BAD_HEADER, pdu.len(), needed, format!("{} bytes", pdu.len()), reason);
    }
}

/// Part of a transaction: one operation on one range of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub operation: Operation,
    pub space: Space,
    /// Number of the space: the file.
    pub number: Option<u16>,
    /// First address.
    pub start: u16,
    /// Number of points.
    pub count: u16,
    /// Where its written values stand in the request's protocol data unit: offset and length.
    pub written: (u8, u8),
}

impl Part {
    /// The addressed thing.
    pub(crate) fn target(&self) -> Target {
        Target {
            space: self.space.name(),
            number: self.number.map(u32::from),
            start: u32::from(self.start),
            count: u32::from(self.count),
            width: 1,
            name: None,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Function code as on the wire, with bit 7.
    pub function: u8,
    /// Subfunction.
    pub sub: Option<u16>,
    /// Operations: one, two for function 23, one for each record of functions 20 and 21.
    pub parts: SmallVec<[Part; 2]>,
    /// Masks of function 22: and, or.
    pub masks: Option<(u16, u16)>,
}

/// How often a request holds values to keep until its answer comes.
pub(crate) fn keeps_bytes(function: u8) -> bool {
    matches!(function, 5 | 6 | 8 | 15 | 16 | 20..=23 | 43 | 90)
}

fn small(n: usize) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

const ADDRESS_SPACE: &str = "an address space has 65536 points (Modbus Application Protocol V1.1b3, clause 4.4)";

fn part(function: u8, start: u16, count: u16, written: (u8, u8)) -> Part {
    Part {
        operation: function::operation(function, None),
        space: Space::of(function),
        number: None,
        start,
        count,
        written,
    }
}

fn check_range(faults: &mut Faults, offset: usize, start: u16, count: u16) {
    if u32::from(start) + u32::from(count) > 65536 {
        faults.pdu(
            rule::BAD_QUANTITY,
            offset,
            "address plus quantity of at most 65536",
            format!("address {start}, quantity {count}"),
            ADDRESS_SPACE,
        );
    }
}

fn check_quantity(faults: &mut Faults, offset: usize, count: u16, most: u16, reason: &'static str) {
    if count == 0 || count > most {
        faults.pdu(rule::BAD_QUANTITY, offset, format!("quantity of 1 to {most}"), format!("{count}"), reason);
    }
}

/// The value of a single coil (clause 6.5).
fn coil(value: u16) -> Option<bool> {
    match value {
        0xFF00 => Some(true),
        0 => Some(false),
        _ => None,
    }
}

fn check_coil(faults: &mut Faults, value: u16) {
    if coil(value).is_none() {
        faults.pdu(
            rule::BAD_QUANTITY,
            3,
            "coil value 0000 or FF00",
            format!("{value:04X}"),
            "all values other than 0000 and FF00 are illegal (Modbus Application Protocol V1.1b3, clause 6.5)",
        );
    }
}

/// Reads a request. `pdu` holds at least the function code.
pub(crate) fn request(pdu: &[u8], faults: &mut Faults) -> Request {
    let function = pdu.first().copied().unwrap_or_default();
    let mut request = Request { function, sub: None, parts: SmallVec::new(), masks: None };
    if function & 0x80 != 0 {
        faults.pdu(
            rule::EXCEPTION_FROM_CLIENT,
            0,
            "function code of 1 to 127",
            format!("{function}"),
            "codes 128 to 255 are reserved for exception responses (Modbus Application Protocol V1.1b3, clause 4.1)",
        );
        return request;
    }
    match function {
        0 => faults.pdu(
            rule::FUNCTION_ZERO,
            0,
            "function code of 1 to 127",
            "0",
            "function code 0 is not valid (Modbus Application Protocol V1.1b3, clause 4.1)",
        ),
        1..=4 => read_request(&mut request, pdu, faults),
        5 | 6 => single_write(&mut request, pdu, faults),
        7 => {
            faults.length(pdu, 1, "the request has no data (Modbus Application Protocol V1.1b3, clause 6.7)");
        }
        8 => diagnostics(&mut request, pdu, faults),
        11 => {
            faults.length(pdu, 1, "the request has no data (Modbus Application Protocol V1.1b3, clause 6.9)");
        }
        12 => {
            faults.length(pdu, 1, "the request has no data (Modbus Application Protocol V1.1b3, clause 6.10)");
        }
        15 | 16 => multiple_write(&mut request, pdu, faults),
        17 => {
            faults.length(pdu, 1, "the request has no data (Modbus Application Protocol V1.1b3, clause 6.13)");
        }
        20 => read_file_request(&mut request, pdu, faults),
        21 => write_file(&mut request, pdu, faults),
        22 => mask_write(&mut request, pdu, faults),
        23 => read_write(&mut request, pdu, faults),
        24 => {
            let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
            if let Ok(pointer) = reader.u16() {
                request.parts.push(part(function, pointer, 1, (0, 0)));
            }
            faults.length(pdu, 3, "function, FIFO pointer address (Modbus Application Protocol V1.1b3, clause 6.18)");
        }
        43 => encapsulated(&mut request, pdu, faults),
        90 => match pdu.get(2) {
            Some(&sub) => request.sub = Some(u16::from(sub)),
            None => faults.bad_length(pdu, "at least 3 bytes of protocol data unit", "UMAS: session and function"),
        },
        _ => {}
    }
    request
}

fn read_request(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let function = request.function;
    let (most, reason) = match function {
        1 => (2000, "function, address, quantity of 1 to 2000 (Modbus Application Protocol V1.1b3, clause 6.1)"),
        2 => (2000, "function, address, quantity of 1 to 2000 (Modbus Application Protocol V1.1b3, clause 6.2)"),
        3 => (125, "function, address, quantity of 1 to 125 (Modbus Application Protocol V1.1b3, clause 6.3)"),
        _ => (125, "function, address, quantity of 1 to 125 (Modbus Application Protocol V1.1b3, clause 6.4)"),
    };
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    if let (Ok(start), Ok(count)) = (reader.u16(), reader.u16()) {
        check_quantity(faults, 3, count, most, reason);
        check_range(faults, 1, start, count);
        request.parts.push(part(function, start, count, (0, 0)));
    }
    faults.length(pdu, 5, reason);
}

fn single_write(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let function = request.function;
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    if let Ok(start) = reader.u16() {
        let mut written = (0, 0);
        if let Ok(value) = reader.u16() {
            written = (3, 2);
            if function == code::WRITE_SINGLE_COIL {
                check_coil(faults, value);
            }
        }
        request.parts.push(part(function, start, 1, written));
    }
    faults.length(
        pdu,
        5,
        if function == code::WRITE_SINGLE_COIL {
            "function, address, value (Modbus Application Protocol V1.1b3, clause 6.5)"
        } else {
            "function, address, value (Modbus Application Protocol V1.1b3, clause 6.6)"
        },
    );
}

/// Function 8 has the same layout both ways.
fn diagnostics(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    let sub = reader.u16().ok();
    request.sub = sub;
    const REASON: &str = "function, subfunction, data of 2 bytes (Modbus Application Protocol V1.1b3, clause 6.8)";
    match sub {
        // Any number of pairs of bytes is echoed (clause 6.8.1, subfunction 0).
        Some(0) => {
            if pdu.len() < 5 || pdu.len().is_multiple_of(2) {
                faults.bad_length(pdu, "function, subfunction, pairs of data bytes", REASON);
            }
        }
        Some(1..=4 | 10..=18 | 20) | None => {
            faults.length(pdu, 5, REASON);
        }
        Some(_) => {}
    }
}

fn multiple_write(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let function = request.function;
    let coils = function == code::WRITE_MULTIPLE_COILS;
    let (most, reason) = if coils {
        (1968, "quantity of 1 to 1968, byte count, values (Modbus Application Protocol V1.1b3, clause 6.11)")
    } else {
        (123, "quantity of 1 to 123, byte count, values (Modbus Application Protocol V1.1b3, clause 6.12)")
    };
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    let (Ok(start), Ok(count)) = (reader.u16(), reader.u16()) else {
        faults.bad_length(pdu, "at least 6 bytes of protocol data unit", reason);
        return;
    };
    check_quantity(faults, 3, count, most, reason);
    check_range(faults, 1, start, count);
    let mut written = (0, 0);
    if let Ok(bytes) = reader.u8() {
        let wanted = if coils { usize::from(count).div_ceil(8) } else { 2 * usize::from(count) };
        if usize::from(bytes) != wanted {
            faults.pdu(
                rule::BAD_QUANTITY,
                5,
                format!("byte count {wanted} for quantity {count}"),
                format!("{bytes}"),
                reason,
            );
        }
        if usize::from(bytes) == reader.remaining() && usize::from(bytes) == wanted {
            written = (6, bytes);
        }
        if usize::from(bytes) != reader.remaining() {
            faults.bad_length(pdu, format!("{bytes} bytes of values, as the byte count says"), reason);
        }
    } else {
        faults.bad_length(pdu, "at least 6 bytes of protocol data unit", reason);
    }
    request.parts.push(part(function, start, count, written));
}

const READ_FILE: &str =
    "sub-requests of 7 bytes: reference type 6, file, record, length (Modbus Application Protocol V1.1b3, clause 6.14)";

fn read_file_request(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    let Ok(bytes) = reader.u8() else {
        faults.bad_length(pdu, "at least 9 bytes of protocol data unit", READ_FILE);
        return;
    };
    if !(7..=245).contains(&bytes) || bytes % 7 != 0 {
        faults.pdu(rule::BAD_QUANTITY, 1, "byte count of 7 to 245, a multiple of 7", format!("{bytes}"), READ_FILE);
    }
    if usize::from(bytes) != reader.remaining() {
        faults.bad_length(pdu, format!("{bytes} bytes of sub-requests, as the byte count says"), READ_FILE);
    }
    while let (Ok(kind), Ok(file), Ok(record), Ok(length)) = (reader.u8(), reader.u16(), reader.u16(), reader.u16()) {
        check_record(faults, reader.offset() - 6, kind, file, record, READ_FILE);
        request.parts.push(Part { number: Some(file), ..part(code::READ_FILE_RECORD, record, length, (0, 0)) });
        if request.parts.len() == 36 {
            break;
        }
    }
}

/// `offset` of the reference type within the unit.
fn check_record(faults: &mut Faults, offset: usize, kind: u8, file: u16, record: u16, reason: &'static str) {
    if kind != 6 {
        faults.pdu(rule::BAD_QUANTITY, offset, "reference type 6", format!("{kind}"), reason);
    }
    if file == 0 || record > 9999 {
        faults.pdu(
            rule::BAD_QUANTITY,
            offset + 1,
            "file of 1 to 65535, record of 0 to 9999",
            format!("file {file}, record {record}"),
            reason,
        );
    }
}

const WRITE_FILE: &str = "sub-requests of reference type 6, file, record, length, data (Modbus Application Protocol \
                          V1.1b3, clause 6.15)";

/// Function 21 has the same layout both ways.
fn write_file(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    let Ok(bytes) = reader.u8() else {
        faults.bad_length(pdu, "at least 11 bytes of protocol data unit", WRITE_FILE);
        return;
    };
    if !(9..=251).contains(&bytes) {
        faults.pdu(rule::BAD_QUANTITY, 1, "byte count of 9 to 251", format!("{bytes}"), WRITE_FILE);
    }
    if usize::from(bytes) != reader.remaining() {
        faults.bad_length(pdu, format!("{bytes} bytes of sub-requests, as the byte count says"), WRITE_FILE);
    }
    while reader.remaining() > 0 && request.parts.len() < 36 {
        let (Ok(kind), Ok(file), Ok(record), Ok(length)) = (reader.u8(), reader.u16(), reader.u16(), reader.u16())
        else {
            faults.pdu(
                rule::BAD_QUANTITY,
                reader.offset() + 1,
                "a whole sub-request",
                format!("{} bytes", reader.remaining()),
                WRITE_FILE,
            );
            break;
        };
        let offset = reader.offset() + 1;
        check_record(faults, offset - 7, kind, file, record, WRITE_FILE);
        let wanted = 2 * usize::from(length);
        let written = match reader.take(wanted) {
            Ok(_) => (small(offset), small(wanted)),
            Err(short) => {
                faults.pdu(
                    rule::BAD_QUANTITY,
                    offset - 2,
                    format!("record length of at most {} registers", short.found / 2),
                    format!("{length}"),
                    WRITE_FILE,
                );
                (0, 0)
            }
        };
        request.parts.push(Part { number: Some(file), ..part(code::WRITE_FILE_RECORD, record, length, written) });
        if written == (0, 0) {
            break;
        }
    }
}

/// Function 22 has the same layout both ways.
fn mask_write(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    if let Ok(start) = reader.u16() {
        request.parts.push(part(request.function, start, 1, (0, 0)));
        if let (Ok(and), Ok(or)) = (reader.u16(), reader.u16()) {
            request.masks = Some((and, or));
        }
    }
    faults.length(pdu, 7, "function, address, two masks (Modbus Application Protocol V1.1b3, clause 6.16)");
}

fn read_write(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    const REASON: &str = "read quantity of 1 to 125, write quantity of 1 to 121, byte count, values (Modbus \
                          Application Protocol V1.1b3, clause 6.17)";
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    let (Ok(read_start), Ok(read_count)) = (reader.u16(), reader.u16()) else {
        faults.bad_length(pdu, "at least 10 bytes of protocol data unit", REASON);
        return;
    };
    check_quantity(faults, 3, read_count, 125, REASON);
    check_range(faults, 1, read_start, read_count);
    request.parts.push(part(request.function, read_start, read_count, (0, 0)));
    let (Ok(start), Ok(count), Ok(bytes)) = (reader.u16(), reader.u16(), reader.u8()) else {
        faults.bad_length(pdu, "at least 10 bytes of protocol data unit", REASON);
        return;
    };
    check_quantity(faults, 7, count, 121, REASON);
    check_range(faults, 5, start, count);
    let wanted = 2 * usize::from(count);
    if usize::from(bytes) != wanted {
        faults.pdu(
            rule::BAD_QUANTITY,
            9,
            format!("byte count {wanted} for quantity {count}"),
            format!("{bytes}"),
            REASON,
        );
    }
    let whole = usize::from(bytes) == reader.remaining();
    if !whole {
        faults.bad_length(pdu, format!("{bytes} bytes of values, as the byte count says"), REASON);
    }
    let written = if whole && usize::from(bytes) == wanted { (10, bytes) } else { (0, 0) };
    let write = part(request.function, start, count, written);
    request.parts.push(Part { operation: Operation::Write, ..write });
}

fn encapsulated(request: &mut Request, pdu: &[u8], faults: &mut Faults) {
    const REASON: &str = "function, MEI type 14, read device id code of 1 to 4, object id (Modbus Application Protocol \
                          V1.1b3, clause 6.21)";
    let Some(&mei) = pdu.get(1) else {
        faults.bad_length(pdu, "at least 2 bytes of protocol data unit", REASON);
        return;
    };
    request.sub = Some(u16::from(mei));
    if mei == function::MEI_DEVICE_ID {
        if let Some(&kind) = pdu.get(2)
            && !(1..=4).contains(&kind)
        {
            faults.pdu(rule::BAD_QUANTITY, 2, "read device id code of 1 to 4", format!("{kind}"), REASON);
        }
        faults.length(pdu, 4, REASON);
    }
}

/// The written values of a part of a request.
pub(crate) fn written<'a>(function: u8, part: &Part, pdu: &'a [u8]) -> ValueView<'a> {
    let (offset, length) = (usize::from(part.written.0), usize::from(part.written.1));
    if length == 0 {
        return ValueView::None;
    }
    let Some(bytes) = pdu.get(offset..offset + length) else { return ValueView::None };
    match function {
        code::WRITE_SINGLE_COIL => match bytes {
            [0xFF, 0] => ValueView::Bits(&[1], 1),
            [0, 0] => ValueView::Bits(&[0], 1),
            _ => ValueView::None,
        },
        code::WRITE_MULTIPLE_COILS => ValueView::Bits(bytes, usize::from(part.count)),
        _ => ValueView::Words(bytes),
    }
}

/// What a response says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// Function code without bit 7.
    pub function: u8,
    /// Subfunction, as far as the response itself tells it.
    pub sub: Option<u16>,
    /// Accepted or refused.
    pub outcome: Outcome,
    /// Where the values of the first, second … part that is read stand: offset and length.
    pub values: SmallVec<[(u8, u8); 2]>,
    /// Address and quantity that a write's answer repeats, and masks.
    pub echo: Option<(u16, u16)>,
}

/// The request that a response is held against.
pub(crate) struct Asked<'a> {
    pub function: u8,
    pub sub: Option<u16>,
    pub parts: &'a [Part],
    pub masks: Option<(u16, u16)>,
    /// Its protocol data unit, where [`keeps_bytes`].
    pub pdu: &'a [u8],
}

const ECHO: &str = "a response repeats what was asked for (Modbus Application Protocol V1.1b3, clause 6)";

fn mismatch(faults: &mut Faults, offset: usize, needed: String, found: String, reason: &'static str) {
    faults.pdu(rule::RESPONSE_MISMATCH, offset, needed, found, reason);
}

/// Reads a response, and holds it against its request where that is known. `pdu` holds at least the function code.
pub(crate) fn response(pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) -> Response {
    let wire = pdu.first().copied().unwrap_or_default();
    let function = wire & 0x7F;
    let mut response = Response { function, sub: None, outcome: Outcome::Ok, values: SmallVec::new(), echo: None };
    let same = match asked {
        Some(asked) if asked.function & 0x7F != function => {
            mismatch(
                faults,
                0,
                format!("function {}", asked.function & 0x7F),
                format!("{function}"),
                "a response has the function code of its request (Modbus Application Protocol V1.1b3, clause 4.1)",
            );
            None
        }
        other => other,
    };
    if wire & 0x80 != 0 {
        const REASON: &str = "an exception has a function code and an exception code (Modbus Application Protocol \
                              V1.1b3, clause 7)";
        let exception = pdu.get(1).copied().unwrap_or_default();
        response.outcome = Outcome::Rejected(u16::from(exception), function::exception(exception));
        response.sub = same.and_then(|asked| asked.sub);
        faults.length(pdu, 2, REASON);
        return response;
    }
    match function {
        0 => faults.pdu(
            rule::FUNCTION_ZERO,
            0,
            "function code of 1 to 127",
            "0",
            "function code 0 is not valid (Modbus Application Protocol V1.1b3, clause 4.1)",
        ),
        1..=4 => read_response(&mut response, pdu, same, faults),
        5 | 6 => single_write_response(&mut response, pdu, same, faults),
        7 => {
            faults.length(pdu, 2, "function, status (Modbus Application Protocol V1.1b3, clause 6.7)");
        }
        8 => {
            let mut echo = Request { function, sub: None, parts: SmallVec::new(), masks: None };
            diagnostics(&mut echo, pdu, faults);
            response.sub = echo.sub;
            diagnostics_response(&response, pdu, same, faults);
        }
        11 => {
            faults.length(pdu, 5, "function, status, event count (Modbus Application Protocol V1.1b3, clause 6.9)");
        }
        12 => {
            const REASON: &str = "byte count, status, event count, message count, up to 64 events (Modbus Application \
                                  Protocol V1.1b3, clause 6.10)";
            if counted(pdu, faults, REASON)
                && let Some(&bytes) = pdu.get(1)
                && !(6..=70).contains(&bytes)
            {
                faults.pdu(rule::BAD_QUANTITY, 1, "byte count of 6 to 70", format!("{bytes}"), REASON);
            }
        }
        15 | 16 => multiple_write_response(&mut response, pdu, same, faults),
        17 => {
            const REASON: &str =
                "byte count, server id, run indicator (Modbus Application Protocol V1.1b3, clause 6.13)";
            counted(pdu, faults, REASON);
        }
        20 => read_file_response(&mut response, pdu, same, faults),
        21 => {
            let mut echo = Request { function, sub: None, parts: SmallVec::new(), masks: None };
            write_file(&mut echo, pdu, faults);
            if let Some(asked) = same
                && !asked.pdu.is_empty()
                && asked.pdu != pdu
            {
                mismatch(faults, 1, "the echo of the request".to_owned(), "other bytes".to_owned(), ECHO);
            }
        }
        22 => {
            let mut echo = Request { function, sub: None, parts: SmallVec::new(), masks: None };
            mask_write(&mut echo, pdu, faults);
            if let (Some(asked), Some(part), Some(masks)) = (same, echo.parts.first(), echo.masks) {
                let wanted = asked.parts.first().map(|part| part.start);
                if wanted.is_some_and(|start| start != part.start) || asked.masks.is_some_and(|asked| asked != masks) {
                    mismatch(
                        faults,
                        1,
                        format!(
                            "address {}, masks {:04X?}",
                            wanted.unwrap_or_default(),
                            asked.masks.unwrap_or_default()
                        ),
                        format!("address {}, masks {masks:04X?}", part.start),
                        ECHO,
                    );
                }
            }
            response.echo = echo.parts.first().map(|part| (part.start, 1));
        }
        23 => {
            const REASON: &str = "byte count, registers (Modbus Application Protocol V1.1b3, clause 6.17)";
            register_bytes(&mut response, pdu, same, faults, REASON);
        }
        24 => fifo_response(pdu, faults),
        43 => encapsulated_response(&mut response, pdu, same, faults),
        90 => umas_response(&mut response, pdu, same, faults),
        _ => {}
    }
    response
}

/// Function, byte count, that many bytes.
fn counted(pdu: &[u8], faults: &mut Faults, reason: &'static str) -> bool {
    match pdu.get(1) {
        Some(&bytes) if pdu.len() == 2 + usize::from(bytes) => true,
        Some(&bytes) => {
            faults.bad_length(pdu, format!("{bytes} bytes of data, as the byte count says"), reason);
            false
        }
        None => {
            faults.bad_length(pdu, "a byte count", reason);
            false
        }
    }
}

fn read_response(response: &mut Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    let reason = match response.function {
        1 => "byte count, coils (Modbus Application Protocol V1.1b3, clause 6.1)",
        2 => "byte count, inputs (Modbus Application Protocol V1.1b3, clause 6.2)",
        3 => "byte count, registers (Modbus Application Protocol V1.1b3, clause 6.3)",
        _ => "byte count, registers (Modbus Application Protocol V1.1b3, clause 6.4)",
    };
    if response.function > 2 {
        register_bytes(response, pdu, asked, faults, reason);
        return;
    }
    if !counted(pdu, faults, reason) {
        return;
    }
    let bytes = pdu.get(1).copied().unwrap_or_default();
    if bytes == 0 || bytes > 250 {
        faults.pdu(rule::BAD_QUANTITY, 1, "byte count of 1 to 250", format!("{bytes}"), reason);
        return;
    }
    if let Some(part) = asked.and_then(|asked| asked.parts.first()) {
        let wanted = usize::from(part.count).div_ceil(8);
        if usize::from(bytes) != wanted {
            let needed = format!("{wanted} bytes for the {} points asked for", part.count);
            mismatch(faults, 1, needed, format!("{bytes}"), reason);
            return;
        }
    }
    response.values.push((2, bytes));
}

fn register_bytes(
    response: &mut Response,
    pdu: &[u8],
    asked: Option<&Asked<'_>>,
    faults: &mut Faults,
    reason: &'static str,
) {
    if !counted(pdu, faults, reason) {
        return;
    }
    let bytes = pdu.get(1).copied().unwrap_or_default();
    if bytes == 0 || bytes > 250 || bytes % 2 == 1 {
        faults.pdu(rule::BAD_QUANTITY, 1, "even byte count of 2 to 250", format!("{bytes}"), reason);
        return;
    }
    if let Some(part) = asked.and_then(|asked| asked.parts.first())
        && usize::from(bytes) != 2 * usize::from(part.count)
    {
        let needed = format!("{} bytes for the {} registers asked for", 2 * usize::from(part.count), part.count);
        mismatch(faults, 1, needed, format!("{bytes}"), reason);
        return;
    }
    response.values.push((2, bytes));
}

fn single_write_response(response: &mut Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    let reason = if response.function == 5 {
        "the response is an echo of the request (Modbus Application Protocol V1.1b3, clause 6.5)"
    } else {
        "the response is an echo of the request (Modbus Application Protocol V1.1b3, clause 6.6)"
    };
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    if let (Ok(start), Ok(value)) = (reader.u16(), reader.u16()) {
        if response.function == 5 {
            check_coil(faults, value);
        }
        response.echo = Some((start, 1));
        if let Some(asked) = asked
            && let Some(sent) = asked.pdu.get(1..5)
            && pdu.get(1..5) != Some(sent)
        {
            let sent: Vec<String> = sent.iter().map(|byte| format!("{byte:02X}")).collect();
            mismatch(faults, 1, format!("echo {}", sent.concat()), format!("{start:04X}{value:04X}"), reason);
        }
    }
    faults.length(pdu, 5, reason);
}

fn diagnostics_response(response: &Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    let Some(asked) = asked else { return };
    let (Some(wanted), Some(found)) = (asked.sub, response.sub) else { return };
    if wanted != found {
        mismatch(faults, 1, format!("subfunction {wanted}"), format!("{found}"), ECHO);
    } else if matches!(found, 0 | 1 | 3 | 10 | 20) && !asked.pdu.is_empty() && asked.pdu != pdu {
        mismatch(faults, 3, "the echo of the request data".to_owned(), "other data".to_owned(), ECHO);
    }
}

fn multiple_write_response(response: &mut Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    let (most, reason) = if response.function == 15 {
        (1968, "function, address, quantity (Modbus Application Protocol V1.1b3, clause 6.11)")
    } else {
        (123, "function, address, quantity (Modbus Application Protocol V1.1b3, clause 6.12)")
    };
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    if let (Ok(start), Ok(count)) = (reader.u16(), reader.u16()) {
        response.echo = Some((start, count));
        match asked.and_then(|asked| asked.parts.first()) {
            Some(part) if (part.start, part.count) != (start, count) => mismatch(
                faults,
                1,
                format!("address {}, quantity {}", part.start, part.count),
                format!("address {start}, quantity {count}"),
                reason,
            ),
            Some(_) => {}
            None => {
                check_quantity(faults, 3, count, most, reason);
                check_range(faults, 1, start, count);
            }
        }
    }
    faults.length(pdu, 5, reason);
}

fn read_file_response(response: &mut Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    const REASON: &str = "groups of length, reference type 6, data (Modbus Application Protocol V1.1b3, clause 6.14)";
    if !counted(pdu, faults, REASON) {
        return;
    }
    let mut reader = Reader::new(pdu.get(2..).unwrap_or_default());
    while reader.remaining() > 0 && response.values.len() < 36 {
        let offset = 2 + reader.offset();
        let group = reader.u8().ok().and_then(|length| reader.take(usize::from(length)).ok());
        match group {
            Some([6, data @ ..]) if data.len() % 2 == 0 => {
                let index = response.values.len();
                response.values.push((small(offset + 2), small(data.len())));
                if let Some(asked) = asked {
                    let wanted = asked.parts.get(index).map_or(0, |part| 2 * usize::from(part.count));
                    if wanted != data.len() {
                        let needed = format!("{wanted} bytes of record data, as asked for");
                        mismatch(faults, offset, needed, format!("{}", data.len()), REASON);
                    }
                }
            }
            _ => {
                faults.pdu(
                    rule::BAD_QUANTITY,
                    offset,
                    "a length, reference type 6, that many bytes of registers",
                    "something else",
                    REASON,
                );
                return;
            }
        }
    }
    if let Some(asked) = asked
        && asked.parts.len() > response.values.len()
    {
        let (wanted, found) = (asked.parts.len(), response.values.len());
        mismatch(faults, 1, format!("{wanted} records"), format!("{found}"), REASON);
    }
}

fn fifo_response(pdu: &[u8], faults: &mut Faults) {
    const REASON: &str = "byte count of 2 bytes, FIFO count of at most 31, registers (Modbus Application Protocol \
                          V1.1b3, clause 6.18)";
    let mut reader = Reader::new(pdu.get(1..).unwrap_or_default());
    let (Ok(bytes), Ok(count)) = (reader.u16(), reader.u16()) else {
        faults.bad_length(pdu, "at least 5 bytes of protocol data unit", REASON);
        return;
    };
    if count > 31 || usize::from(bytes) != 2 + 2 * usize::from(count) {
        faults.pdu(
            rule::BAD_QUANTITY,
            1,
            "FIFO count of at most 31 and a byte count of twice that plus 2",
            format!("byte count {bytes}, FIFO count {count}"),
            REASON,
        );
    }
    if pdu.len() != 3 + usize::from(bytes) {
        faults.bad_length(pdu, format!("{bytes} bytes after the byte count"), REASON);
    }
}

fn encapsulated_response(response: &mut Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    const REASON: &str = "MEI type 14, code, conformity level, more follows, next object id, number of objects, objects \
                          (Modbus Application Protocol V1.1b3, clause 6.21)";
    let Some(&mei) = pdu.get(1) else {
        faults.bad_length(pdu, "at least 2 bytes of protocol data unit", REASON);
        return;
    };
    response.sub = Some(u16::from(mei));
    if let Some(wanted) = asked.and_then(|asked| asked.sub)
        && wanted != u16::from(mei)
    {
        mismatch(faults, 1, format!("MEI type {wanted}"), format!("{mei}"), ECHO);
        return;
    }
    if mei != function::MEI_DEVICE_ID {
        return;
    }
    let Some(&[kind, conformity, more, _next, objects]) = pdu.get(2..).and_then(|rest| rest.first_chunk::<5>()) else {
        faults.bad_length(pdu, "at least 7 bytes of protocol data unit", REASON);
        return;
    };
    if let Some(&wanted) = asked.and_then(|asked| asked.pdu.get(2))
        && wanted != kind
    {
        mismatch(faults, 2, format!("read device id code {wanted}"), format!("{kind}"), ECHO);
    }
    if !matches!(conformity & 0x7F, 1..=3) {
        let found = format!("{conformity:02X}");
        faults.pdu(rule::BAD_QUANTITY, 3, "conformity level 01 to 03 or 81 to 83", found, REASON);
    }
    if !matches!(more, 0 | 0xFF) {
        faults.pdu(rule::BAD_QUANTITY, 4, "more follows 00 or FF", format!("{more:02X}"), REASON);
    }
    let mut reader = Reader::new(pdu.get(7..).unwrap_or_default());
    for index in 0..objects {
        let whole = reader.u8().is_ok() && reader.u8().is_ok_and(|length| reader.take(usize::from(length)).is_ok());
        if !whole {
            faults.bad_length(pdu, format!("{objects} objects, object {} whole", u16::from(index) + 1), REASON);
            return;
        }
    }
    if reader.remaining() > 0 {
        faults.bad_length(pdu, format!("{} bytes", pdu.len() - reader.remaining()), REASON);
    }
}

fn umas_response(response: &mut Response, pdu: &[u8], asked: Option<&Asked<'_>>, faults: &mut Faults) {
    response.sub = asked.and_then(|asked| asked.sub);
    match pdu.get(2) {
        Some(&function::UMAS_OK) => {}
        Some(&function::UMAS_ERROR) => {
            let code = pdu.get(3..5).and_then(|code| code.first_chunk().copied()).map_or(0, u16::from_le_bytes);
            response.outcome = Outcome::Rejected(code, "UMAS: refused");
        }
        Some(_) => {}
        None => faults.bad_length(pdu, "at least 3 bytes of protocol data unit", "UMAS: session and status"),
    }
}

/// Whether a complete protocol data unit fits the specification as a request and as a response.
///
/// Functions without a layout of their own fit both ways, exceptions and UMAS answers only as responses.
pub(crate) fn shape(pdu: &[u8]) -> (bool, bool) {
    let Some(&function) = pdu.first() else { return (false, false) };
    if pdu.len() > MAX_PDU {
        return (false, false);
    }
    if function & 0x80 != 0 {
        return (false, pdu.len() == 2 && pdu.get(1).is_some_and(|&code| (1..=11).contains(&code)));
    }
    if function == code::UMAS {
        return match pdu.get(2) {
            Some(&(function::UMAS_OK | function::UMAS_ERROR)) => (false, true),
            Some(_) => (true, false),
            None => (false, false),
        };
    }
    if !function::has_layout(function) {
        return (true, true);
    }
    let mut faults = Faults::new(0);
    let _ = request(pdu, &mut faults);
    let as_request = faults.list.is_empty();
    faults.list.clear();
    let _ = response(pdu, None, &mut faults);
    (as_request, faults.list.is_empty())
}
