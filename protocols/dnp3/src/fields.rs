//! Fields of decoded messages, under Wireshark's display-filter names and in its order.

use crate::application::{Fragment, Header, Point, Range};
use crate::link::{self, Block};
use crate::objects::{Authentication, Family, File, Fixed, Flags, Layout, Number, Status, Time};
use crate::transport::Control;
use crate::{application, file, identity};
use ot_protocol::{FieldDoc, FieldKind, FieldValue, Fields, Reader, Short, Timestamp};

macro_rules! docs {
    ($($name:literal $kind:ident $meaning:literal)*) => {
        /// Every field that a message can have.
        pub(crate) static FIELDS: &[FieldDoc] =
            &[$(FieldDoc { name: $name, kind: FieldKind::$kind, meaning: $meaning }),*];
    };
}

docs! {
    "dnp3.start" Number "Start octets of a link frame: 1380 (05 64)"
    "dnp3.len" Number "Length field in octets: control, addresses and user data without any CRC, 5 to 255"
    "dnp3.ctl" Number "Link control octet"
    "dnp3.ctl.dir" Bool "DIR: set where the sender is the master"
    "dnp3.ctl.prm" Bool "PRM: set where the sender begins a transaction of the link"
    "dnp3.ctl.fcb" Bool "FCB of a primary frame: changes with each confirmed frame"
    "dnp3.ctl.fcv" Bool "FCV of a primary frame: whether FCB counts"
    "dnp3.ctl.dfc" Bool "DFC of a secondary frame: its buffers are full"
    "dnp3.ctl.prifunc" Number "Link function of a primary frame, 0 to 15: 3 confirmed, 4 unconfirmed user data"
    "dnp3.ctl.secfunc" Number "Link function of a secondary frame, 0 to 15: 0 acknowledge, 11 link status"
    "dnp3.dst" Number "Link address of the receiver, 0 to 65535; from 65533 on broadcast"
    "dnp3.src" Number "Link address of the sender"
    "dnp3.addr" Number "Either link address"
    "dnp3.hdr.CRC" Number "CRC of the link header"
    "dnp.hdr.CRC.status" Number "1 where that CRC fits, 0 where not"
    "dnp3.tr.ctl" Number "Transport octet"
    "dnp3.tr.fin" Bool "Last segment of a fragment"
    "dnp3.tr.fir" Bool "First segment of a fragment"
    "dnp3.tr.seq" Number "Number of the segment, 0 to 63"
    "dnp.data_chunk" Bytes "A block of user data"
    "dnp.data_chunk_len" Number "Octets of that block, 1 to 16"
    "dnp.data_chunk.CRC" Number "CRC of that block"
    "dnp.data_chunk.CRC.status" Number "1 where that CRC fits, 0 where not"
    "dnp3.al.frag_data" Bytes "Octets of a fragment that is not complete yet"
    "dnp3.al.fragment" Number "Frame that brought a segment of this fragment"
    "dnp3.al.fragment.count" Number "Segments of this fragment"
    "dnp3.al.fragment.reassembled.length" Number "Octets of this fragment"
    "dnp3.al.ctl" Number "Application control octet"
    "dnp3.al.fir" Bool "First fragment of a message"
    "dnp3.al.fin" Bool "Last fragment of a message"
    "dnp3.al.con" Bool "A confirmation is asked for"
    "dnp3.al.uns" Bool "Belongs to an unsolicited response"
    "dnp3.al.seq" Number "Sequence number of the fragment, 0 to 15; the answer repeats it"
    "dnp3.al.func" Number "Application function code"
    "dnp3.al.iin" Number "Internal indications: first octet times 256 plus second"
    "dnp3.al.iin.rst" Bool "IIN1.7: the device restarted"
    "dnp3.al.iin.dt" Bool "IIN1.6: device trouble"
    "dnp3.al.iin.dol" Bool "IIN1.5: some outputs are in local control"
    "dnp3.al.iin.tsr" Bool "IIN1.4: the device needs the time"
    "dnp3.al.iin.cls3d" Bool "IIN1.3: class 3 events wait"
    "dnp3.al.iin.cls2d" Bool "IIN1.2: class 2 events wait"
    "dnp3.al.iin.cls1d" Bool "IIN1.1: class 1 events wait"
    "dnp3.al.iin.bmsg" Bool "IIN1.0: a broadcast was received"
    "dnp3.al.iin.cc" Bool "IIN2.5: the configuration is corrupt"
    "dnp3.al.iin.oae" Bool "IIN2.4: the operation is already executing"
    "dnp3.al.iin.ebo" Bool "IIN2.3: the event buffer overflowed"
    "dnp3.al.iin.pioor" Bool "IIN2.2: parameters invalid or out of range"
    "dnp3.al.iin.obju" Bool "IIN2.1: objects unknown"
    "dnp3.al.iin.fcni" Bool "IIN2.0: function not supported"
    "dnp3.al.obj" Number "Object: group times 256 plus variation; strings without their variation, which is a length"
    "dnp3.al.objq.prefix" Number "Prefix code: 0 none, 1 to 3 an index of 1, 2, 4 octets, 4 to 6 a size of 1, 2, 4 octets"
    "dnp3.al.objq.range" Number "Range code: 0 to 2 start and stop, 3 to 5 address, 6 all, 7 to 9 quantity, 11 quantity of sized objects"
    "dnp3.al.range.start" Number "First index"
    "dnp3.al.range.stop" Number "Last index"
    "dnp3.al.range.abs" Number "Address"
    "dnp3.al.range.quantity" Number "Number of objects"
    "dnp3.al.index" Number "Index of a point from its prefix"
    "dnp3.al.size" Number "Octets of an object from its prefix"
    "dnp3.al.point_index" Number "Index of a point by its place in the range"
    "dnp3.al.bit" Bool "Value of a packed binary point"
    "dnp3.al.2bit" Number "Value of a double-bit point: 0 intermediate, 1 off, 2 on, 3 indeterminate"
    "dnp3.al.biq.b7" Bool "Binary input: value; double-bit input: upper bit of the value"
    "dnp3.al.biq.b6" Bool "Binary input: reserved flag; double-bit input: lower bit of the value"
    "dnp3.al.biq.b5" Bool "Binary input: chatter filter"
    "dnp3.al.biq.b4" Bool "Binary input: forced locally"
    "dnp3.al.biq.b3" Bool "Binary input: forced remotely"
    "dnp3.al.biq.b2" Bool "Binary input: communication lost"
    "dnp3.al.biq.b1" Bool "Binary input: restart"
    "dnp3.al.biq.b0" Bool "Binary input: online"
    "dnp3.al.boq.b7" Bool "Binary output: value"
    "dnp3.al.boq.b6" Bool "Binary output: reserved flag"
    "dnp3.al.boq.b5" Bool "Binary output: reserved flag"
    "dnp3.al.boq.b4" Bool "Binary output: forced locally"
    "dnp3.al.boq.b3" Bool "Binary output: forced remotely"
    "dnp3.al.boq.b2" Bool "Binary output: communication lost"
    "dnp3.al.boq.b1" Bool "Binary output: restart"
    "dnp3.al.boq.b0" Bool "Binary output: online"
    "dnp3.al.ctrq.b7" Bool "Counter: reserved flag"
    "dnp3.al.ctrq.b6" Bool "Counter: discontinuity"
    "dnp3.al.ctrq.b5" Bool "Counter: rolled over"
    "dnp3.al.ctrq.b4" Bool "Counter: forced locally"
    "dnp3.al.ctrq.b3" Bool "Counter: forced remotely"
    "dnp3.al.ctrq.b2" Bool "Counter: communication lost"
    "dnp3.al.ctrq.b1" Bool "Counter: restart"
    "dnp3.al.ctrq.b0" Bool "Counter: online"
    "dnp3.al.aiq.b7" Bool "Analog input: reserved flag"
    "dnp3.al.aiq.b6" Bool "Analog input: reference check failed"
    "dnp3.al.aiq.b5" Bool "Analog input: over range"
    "dnp3.al.aiq.b4" Bool "Analog input: forced locally"
    "dnp3.al.aiq.b3" Bool "Analog input: forced remotely"
    "dnp3.al.aiq.b2" Bool "Analog input: communication lost"
    "dnp3.al.aiq.b1" Bool "Analog input: restart"
    "dnp3.al.aiq.b0" Bool "Analog input: online"
    "dnp3.al.aoq.b7" Bool "Analog output: reserved flag"
    "dnp3.al.aoq.b6" Bool "Analog output: reserved flag"
    "dnp3.al.aoq.b5" Bool "Analog output: reserved flag"
    "dnp3.al.aoq.b4" Bool "Analog output: forced locally"
    "dnp3.al.aoq.b3" Bool "Analog output: forced remotely"
    "dnp3.al.aoq.b2" Bool "Analog output: communication lost"
    "dnp3.al.aoq.b1" Bool "Analog output: restart"
    "dnp3.al.aoq.b0" Bool "Analog output: online"
    "dnp3.al.cnt" Number "Value of a counter"
    "dnp3.al.ana.int" Number "Value of an analog input or deadband, signed"
    "dnp3.al.ana.float" Number "Value of an analog input or deadband, single-precision"
    "dnp3.al.ana.double" Number "Value of an analog input, double-precision"
    "dnp3.al.anaout.int" Number "Value of an analog output, signed"
    "dnp3.al.anaout.float" Number "Value of an analog output, single-precision"
    "dnp3.al.anaout.double" Number "Value of an analog output, double-precision"
    "dnp3.al.value" Number "Value of another number (not a Wireshark field)"
    "dnp3.al.bocs" Bool "Commanded state of a binary output"
    "dnp3.ctl.op" Number "Control: 0 none, 1 pulse on, 2 pulse off, 3 latch on, 4 latch off"
    "dnp3.ctl.clr" Number "Control: 1 queue (obsolete), 2 clear what is queued"
    "dnp3.ctl.trip" Number "Control: 0 none, 1 close, 2 trip"
    "dnp3.al.count" Number "Control: how often"
    "dnp3.al.on_time" Number "Control: milliseconds on"
    "dnp3.al.off_time" Number "Control: milliseconds off"
    "dnp3.al.ctrlstatus" Number "Status of a control, 0 for success; in a request 0"
    "dnp3.al.timestamp" Time "Time of an event, of a clock, of a file"
    "dnp3.al.reltimestamp" Number "Seconds since the common time of occurrence before it"
    "dnp3.al.time_delay" Number "Delay in milliseconds (variation 1: seconds)"
    "dnp3.al.interval" Number "Interval of a time with interval (not a Wireshark field)"
    "dnp3.al.interval_unit" Number "Unit of that interval (not a Wireshark field)"
    "dnp3.al.datatype" Number "Device attribute: type; 1 text, 2 unsigned, 3 signed, 4 floating point, 5 octets, 6 bits, 7 time"
    "dnp3.al.da.length" Number "Device attribute: octets of the value"
    "dnp3.al.da.value" Text "Device attribute: text"
    "dnp3.al.da.uint8" Number "Device attribute: unsigned, 1 octet"
    "dnp3.al.da.uint16" Number "Device attribute: unsigned, 2 octets"
    "dnp3.al.da.uint32" Number "Device attribute: unsigned, 4 octets"
    "dnp3.al.da.int8" Number "Device attribute: signed, 1 octet"
    "dnp3.al.da.int16" Number "Device attribute: signed, 2 octets"
    "dnp3.al.da.int32" Number "Device attribute: signed, 4 octets"
    "dnp3.al.da.float" Number "Device attribute: single-precision"
    "dnp3.al.da.double" Number "Device attribute: double-precision"
    "dnp3.al.da.octets" Bytes "Device attribute: octets, bits or a list (not a Wireshark field)"
    "dnp3.al.file_string_offset" Number "File: where its name begins in the object"
    "dnp3.al.file_string_length" Number "File: octets of its name"
    "dnp3.al.file.perms" Number "File: permissions, as nine bits"
    "dnp3.al.file.perms.read_owner" Bool "File: the owner may read"
    "dnp3.al.file.perms.write_owner" Bool "File: the owner may write"
    "dnp3.al.file.perms.exec_owner" Bool "File: the owner may execute"
    "dnp3.al.file.perms.read_group" Bool "File: the group may read"
    "dnp3.al.file.perms.write_group" Bool "File: the group may write"
    "dnp3.al.file.perms.exec_group" Bool "File: the group may execute"
    "dnp3.al.file.perms.read_world" Bool "File: everybody may read"
    "dnp3.al.file.perms.write_world" Bool "File: everybody may write"
    "dnp3.al.file.perms.exec_world" Bool "File: everybody may execute"
    "dnp3.al.file.auth" Number "File: authentication key"
    "dnp3.al.file.size" Number "File: octets"
    "dnp3.al.file.mode" Number "File: 1 read, 2 write, 3 append"
    "dnp3.al.file.maxblock" Number "File: most octets in a block"
    "dnp3.al.file.reqID" Number "File: request id"
    "dnp3.al.file_name" Text "File: name"
    "dnp3.al.file.handle" Number "File: handle of the open file"
    "dnp3.al.file.status" Number "File: status, 0 for success"
    "dnp3.al.file.blocknum" Number "File: number of the block"
    "dnp3.al.file.lastblock" Bool "File: last block"
    "dnp3.al.file.data" Bytes "File: data, or text of a status"
    "dnp3.al.file.type" Number "File: 0 directory, 1 file (not a Wireshark field)"
    "dnp3.al.file.user" Text "File: user name of an authentication (not a Wireshark field)"
    "dnp3.al.octet_string" Bytes "Octet string, virtual terminal data"
    "dnp3.al.sa.csq" Number "Secure authentication: challenge sequence number"
    "dnp3.al.sa.ksq" Number "Secure authentication: key change sequence number"
    "dnp3.al.sa.seq" Number "Secure authentication: challenge or key change sequence number"
    "dnp3.al.sa.usr" Number "Secure authentication: user number"
    "dnp3.al.sa.assoc_id" Number "Secure authentication: association id"
    "dnp3.al.sa.mal" Number "Secure authentication: MAC algorithm"
    "dnp3.al.sa.rfc" Number "Secure authentication: reason for the challenge"
    "dnp3.al.sa.cdl" Number "Secure authentication: octets of challenge data"
    "dnp3.al.sa.cd" Bytes "Secure authentication: challenge data"
    "dnp3.al.sa.mac" Bytes "Secure authentication: message authentication code"
    "dnp3.al.sa.kwa" Number "Secure authentication: key wrap algorithm"
    "dnp3.al.sa.kw" Number "Secure authentication: key status; 1 good, 2 not initialised, 3 communication failed, 4 authentication failed"
    "dnp3.al.sa.key" Bytes "Secure authentication: wrapped session keys"
    "dnp3.al.sa.err" Number "Secure authentication: error code"
    "dnp3.al.sa.kcm" Number "Secure authentication: key change method"
    "dnp3.al.sa.usrnl" Number "Secure authentication: octets of the user name"
    "dnp3.al.sa.usrn" Text "Secure authentication: user name"
    "dnp3.al.sa.ukl" Number "Secure authentication: octets of the encrypted update key"
    "dnp3.al.sa.uk" Bytes "Secure authentication: encrypted update key"
    "dnp3.al.unknown_data_chunk" Bytes "Octets whose layout is not known"
}

fn unsigned(fields: &mut Fields, name: &'static str, value: impl Into<u64>) {
    fields.push((name, FieldValue::Unsigned(value.into())));
}

fn flag(fields: &mut Fields, name: &'static str, value: bool) {
    fields.push((name, FieldValue::Bool(value)));
}

fn octets(fields: &mut Fields, name: &'static str, bytes: &[u8]) {
    if !bytes.is_empty() {
        fields.push((name, FieldValue::Bytes(bytes.to_vec())));
    }
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Fields of the link header.
pub(crate) fn link(fields: &mut Fields, header: link::Header, fits: bool) {
    unsigned(fields, "dnp3.start", u16::from_be_bytes(link::START));
    unsigned(fields, "dnp3.len", header.length);
    unsigned(fields, "dnp3.ctl", header.control);
    flag(fields, "dnp3.ctl.dir", header.is_from_master());
    flag(fields, "dnp3.ctl.prm", header.is_primary());
    if header.is_primary() {
        flag(fields, "dnp3.ctl.fcb", header.control & 0x20 != 0);
        flag(fields, "dnp3.ctl.fcv", header.control & 0x10 != 0);
        unsigned(fields, "dnp3.ctl.prifunc", header.function());
    } else {
        flag(fields, "dnp3.ctl.dfc", header.control & 0x10 != 0);
        unsigned(fields, "dnp3.ctl.secfunc", header.function());
    }
    unsigned(fields, "dnp3.dst", header.destination);
    unsigned(fields, "dnp3.addr", header.destination);
    unsigned(fields, "dnp3.src", header.source);
    unsigned(fields, "dnp3.addr", header.source);
    unsigned(fields, "dnp3.hdr.CRC", header.crc);
    unsigned(fields, "dnp.hdr.CRC.status", u8::from(fits));
}

/// Fields of the transport octet.
pub(crate) fn segment(fields: &mut Fields, control: Control) {
    unsigned(fields, "dnp3.tr.ctl", control.0);
    flag(fields, "dnp3.tr.fin", control.is_final());
    flag(fields, "dnp3.tr.fir", control.is_first());
    unsigned(fields, "dnp3.tr.seq", control.sequence());
}

/// Fields of a block of user data.
pub(crate) fn block(fields: &mut Fields, block: Block<'_>) {
    octets(fields, "dnp.data_chunk", block.data);
    unsigned(fields, "dnp.data_chunk_len", length(block.data.len()));
    unsigned(fields, "dnp.data_chunk.CRC", block.crc);
    unsigned(fields, "dnp.data_chunk.CRC.status", u8::from(block.fits));
}

/// Fields of a segment that completes nothing.
pub(crate) fn incomplete(fields: &mut Fields, data: &[u8]) {
    octets(fields, "dnp3.al.frag_data", data);
}

/// Where a fragment came from.
pub(crate) fn assembled(fields: &mut Fields, frames: &[u64], octets: usize) {
    for frame in frames {
        unsigned(fields, "dnp3.al.fragment", *frame);
    }
    unsigned(fields, "dnp3.al.fragment.count", length(frames.len()));
    unsigned(fields, "dnp3.al.fragment.reassembled.length", length(octets));
}

/// Fields of an application fragment, as far as it goes.
pub(crate) fn application(fields: &mut Fields, bytes: &[u8]) {
    let Some(&control) = bytes.first() else { return };
    unsigned(fields, "dnp3.al.ctl", control);
    flag(fields, "dnp3.al.fir", control & 0x80 != 0);
    flag(fields, "dnp3.al.fin", control & 0x40 != 0);
    flag(fields, "dnp3.al.con", control & 0x20 != 0);
    flag(fields, "dnp3.al.uns", control & 0x10 != 0);
    unsigned(fields, "dnp3.al.seq", control & 0x0F);
    let Some(&function) = bytes.get(1) else { return };
    unsigned(fields, "dnp3.al.func", function);
    let Ok(fragment) = Fragment::read(bytes) else { return };
    if let Some(iin) = fragment.indications {
        indications(fields, iin);
    }
    let mut walk = fragment.walk();
    for header in walk.by_ref() {
        object(fields, &header);
    }
    if let Some(application::Stop::Unknown { .. }) = walk.stop {
        octets(fields, "dnp3.al.unknown_data_chunk", walk.rest());
    }
}

fn indications(fields: &mut Fields, iin: u16) {
    unsigned(fields, "dnp3.al.iin", iin);
    const BITS: [(&str, u16); 14] = [
        ("dnp3.al.iin.rst", 0x8000),
        ("dnp3.al.iin.dt", 0x4000),
        ("dnp3.al.iin.dol", 0x2000),
        ("dnp3.al.iin.tsr", 0x1000),
        ("dnp3.al.iin.cls3d", 0x0800),
        ("dnp3.al.iin.cls2d", 0x0400),
        ("dnp3.al.iin.cls1d", 0x0200),
        ("dnp3.al.iin.bmsg", 0x0100),
        ("dnp3.al.iin.cc", 0x0020),
        ("dnp3.al.iin.oae", 0x0010),
        ("dnp3.al.iin.ebo", 0x0008),
        ("dnp3.al.iin.pioor", 0x0004),
        ("dnp3.al.iin.obju", 0x0002),
        ("dnp3.al.iin.fcni", 0x0001),
    ];
    for (name, bit) in BITS {
        flag(fields, name, iin & bit != 0);
    }
}

fn object(fields: &mut Fields, header: &Header<'_>) {
    let variation = match header.group {
        // The variation is the length of the string.
        110 | 111 => 0,
        _ => header.variation,
    };
    unsigned(fields, "dnp3.al.obj", u16::from_be_bytes([header.group, variation]));
    unsigned(fields, "dnp3.al.objq.prefix", header.prefix());
    unsigned(fields, "dnp3.al.objq.range", header.range_code());
    match header.range {
        Range::StartStop(start, stop) => {
            unsigned(fields, "dnp3.al.range.start", start);
            unsigned(fields, "dnp3.al.range.stop", stop);
        }
        Range::Address(address) => unsigned(fields, "dnp3.al.range.abs", address),
        Range::Quantity(count) => unsigned(fields, "dnp3.al.range.quantity", count),
        Range::All => {}
    }
    for point in header.points() {
        match (header.prefix(), point.size) {
            (0, _) => unsigned(fields, "dnp3.al.point_index", point.index),
            (_, Some(size)) => unsigned(fields, "dnp3.al.size", size),
            _ => unsigned(fields, "dnp3.al.index", point.index),
        }
        if header.has_objects {
            let _ = value(fields, header, &point);
        }
    }
}

fn value(fields: &mut Fields, header: &Header<'_>, point: &Point<'_>) -> Result<(), Short> {
    let reader = &mut Reader::new(point.data);
    match header.layout() {
        Some(Layout::Empty) => {}
        Some(Layout::Bit) => {
            let octet = reader.u8()?;
            flag(fields, "dnp3.al.bit", octet >> point.place & 1 == 1);
        }
        Some(Layout::TwoBits) => unsigned(fields, "dnp3.al.2bit", reader.u8()? >> (2 * point.place) & 3),
        Some(Layout::Fixed(layout)) => fixed(fields, layout, reader)?,
        Some(Layout::Control) => {
            let control = reader.u8()?;
            unsigned(fields, "dnp3.ctl.op", control & 0x0F);
            unsigned(fields, "dnp3.ctl.clr", control >> 4 & 3);
            unsigned(fields, "dnp3.ctl.trip", control >> 6);
            unsigned(fields, "dnp3.al.count", reader.u8()?);
            unsigned(fields, "dnp3.al.on_time", reader.u32_le()?);
            unsigned(fields, "dnp3.al.off_time", reader.u32_le()?);
            unsigned(fields, "dnp3.al.ctrlstatus", reader.u8()? & 0x7F);
        }
        Some(Layout::Time) => time(fields, reader)?,
        Some(Layout::TimeInterval { unit }) => {
            time(fields, reader)?;
            unsigned(fields, "dnp3.al.interval", reader.u32_le()?);
            if unit {
                unsigned(fields, "dnp3.al.interval_unit", reader.u8()?);
            }
        }
        Some(Layout::Delay) => unsigned(fields, "dnp3.al.time_delay", reader.u16_le()?),
        Some(Layout::Attribute) => attribute(fields, reader)?,
        Some(Layout::File(kind)) => file_object(fields, kind, reader)?,
        Some(Layout::Octets) => octets(fields, "dnp3.al.octet_string", reader.rest()),
        Some(Layout::Authentication(kind)) => authentication(fields, kind, reader)?,
        Some(Layout::Opaque(_)) | None => octets(fields, "dnp3.al.unknown_data_chunk", reader.rest()),
    }
    Ok(())
}

/// Milliseconds since 1970 as a time; what is beyond its range stays at its end.
pub(crate) fn timestamp(millis: u64) -> Timestamp {
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000_000))
}

fn time(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    fields.push(("dnp3.al.timestamp", FieldValue::Time(timestamp(reader.u48_le()?))));
    Ok(())
}

/// Names of the flags, from bit 7 on.
fn flag_names(flags: Flags) -> [&'static str; 8] {
    macro_rules! names {
        ($kind:literal) => {
            [
                concat!("dnp3.al.", $kind, ".b7"),
                concat!("dnp3.al.", $kind, ".b6"),
                concat!("dnp3.al.", $kind, ".b5"),
                concat!("dnp3.al.", $kind, ".b4"),
                concat!("dnp3.al.", $kind, ".b3"),
                concat!("dnp3.al.", $kind, ".b2"),
                concat!("dnp3.al.", $kind, ".b1"),
                concat!("dnp3.al.", $kind, ".b0"),
            ]
        };
    }
    match flags {
        Flags::None | Flags::BinaryInput | Flags::DoubleBitInput => names!("biq"),
        Flags::BinaryOutput => names!("boq"),
        Flags::Counter => names!("ctrq"),
        Flags::AnalogInput => names!("aiq"),
        Flags::AnalogOutput => names!("aoq"),
    }
}

fn fixed(fields: &mut Fields, layout: Fixed, reader: &mut Reader<'_>) -> Result<(), Short> {
    if layout.flags != Flags::None {
        let octet = reader.u8()?;
        if layout.flags == Flags::DoubleBitInput {
            unsigned(fields, "dnp3.al.2bit", octet >> 6);
        }
        for (bit, name) in (0..8_u8).rev().zip(flag_names(layout.flags)) {
            flag(fields, name, octet >> bit & 1 == 1);
        }
    }
    match layout.status {
        Status::Before => unsigned(fields, "dnp3.al.ctrlstatus", reader.u8()? & 0x7F),
        Status::State => {
            let octet = reader.u8()?;
            unsigned(fields, "dnp3.al.ctrlstatus", octet & 0x7F);
            flag(fields, "dnp3.al.bocs", octet & 0x80 != 0);
        }
        Status::None | Status::After => {}
    }
    if layout.association {
        unsigned(fields, "dnp3.al.sa.assoc_id", reader.u16_le()?);
    }
    if layout.number != Number::None {
        number(fields, layout, reader.take(layout.number.size())?);
    }
    if layout.status == Status::After {
        unsigned(fields, "dnp3.al.ctrlstatus", reader.u8()? & 0x7F);
    }
    match layout.time {
        Time::None => {}
        Time::Absolute => time(fields, reader)?,
        Time::Relative => {
            fields.push(("dnp3.al.reltimestamp", FieldValue::Float(f64::from(reader.u16_le()?) / 1e3)));
        }
    }
    Ok(())
}

fn number(fields: &mut Fields, layout: Fixed, bytes: &[u8]) {
    let (whole, single, double) = match layout.family {
        Family::Counter => ("dnp3.al.cnt", "dnp3.al.value", "dnp3.al.value"),
        Family::AnalogInput | Family::Deadband => ("dnp3.al.ana.int", "dnp3.al.ana.float", "dnp3.al.ana.double"),
        Family::AnalogOutput => ("dnp3.al.anaout.int", "dnp3.al.anaout.float", "dnp3.al.anaout.double"),
        Family::Other => ("dnp3.al.value", "dnp3.al.value", "dnp3.al.value"),
    };
    let reader = &mut Reader::new(bytes);
    let read = match (layout.number, layout.family) {
        // Wireshark shows deadbands as signed.
        (Number::U16, Family::Deadband) | (Number::I16, _) => {
            reader.array().map(|octets| (whole, FieldValue::Signed(i64::from(i16::from_le_bytes(octets)))))
        }
        (Number::U32, Family::Deadband) | (Number::I32, _) => {
            reader.array().map(|octets| (whole, FieldValue::Signed(i64::from(i32::from_le_bytes(octets)))))
        }
        (Number::U8, _) => reader.u8().map(|value| (whole, FieldValue::Unsigned(u64::from(value)))),
        (Number::U16, _) => reader.u16_le().map(|value| (whole, FieldValue::Unsigned(u64::from(value)))),
        (Number::U32, _) => reader.u32_le().map(|value| (whole, FieldValue::Unsigned(u64::from(value)))),
        (Number::F32, _) => Ok((single, FieldValue::Float(application::number(Number::F32, bytes)))),
        (kind, _) => Ok((double, FieldValue::Float(application::number(kind, bytes)))),
    };
    fields.extend(read);
}

fn attribute(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<(), Short> {
    let kind = reader.u8()?;
    unsigned(fields, "dnp3.al.datatype", kind);
    let octet_count = reader.u8()?;
    unsigned(fields, "dnp3.al.da.length", octet_count);
    let bytes = reader.rest();
    let signed = |value: i64| FieldValue::Signed(value);
    let read = match (kind, octet_count) {
        (1 | 8, _) => Ok(("dnp3.al.da.value", FieldValue::Text(identity::clean(bytes)))),
        (2, 1) => reader.u8().map(|value| ("dnp3.al.da.uint8", FieldValue::Unsigned(u64::from(value)))),
        (2, 2) => reader.u16_le().map(|value| ("dnp3.al.da.uint16", FieldValue::Unsigned(u64::from(value)))),
        (2, 4) => reader.u32_le().map(|value| ("dnp3.al.da.uint32", FieldValue::Unsigned(u64::from(value)))),
        (3, 1) => reader.array().map(|octets| ("dnp3.al.da.int8", signed(i64::from(i8::from_le_bytes(octets))))),
        (3, 2) => reader.array().map(|octets| ("dnp3.al.da.int16", signed(i64::from(i16::from_le_bytes(octets))))),
        (3, 4) => reader.array().map(|octets| ("dnp3.al.da.int32", signed(i64::from(i32::from_le_bytes(octets))))),
        (4, 4) => Ok(("dnp3.al.da.float", FieldValue::Float(application::number(Number::F32, bytes)))),
        (4, 8) => Ok(("dnp3.al.da.double", FieldValue::Float(application::number(Number::F64, bytes)))),
        (7, 6) => reader.u48_le().map(|millis| ("dnp3.al.timestamp", FieldValue::Time(timestamp(millis)))),
        (0, 0) => return Ok(()),
        _ => Ok(("dnp3.al.da.octets", FieldValue::Bytes(bytes.to_vec()))),
    };
    fields.push(read?);
    Ok(())
}

fn permissions(fields: &mut Fields, bits: u16) {
    unsigned(fields, "dnp3.al.file.perms", bits);
    const BITS: [(&str, u16); 9] = [
        ("dnp3.al.file.perms.read_owner", 0o400),
        ("dnp3.al.file.perms.write_owner", 0o200),
        ("dnp3.al.file.perms.exec_owner", 0o100),
        ("dnp3.al.file.perms.read_group", 0o40),
        ("dnp3.al.file.perms.write_group", 0o20),
        ("dnp3.al.file.perms.exec_group", 0o10),
        ("dnp3.al.file.perms.read_world", 0o4),
        ("dnp3.al.file.perms.write_world", 0o2),
        ("dnp3.al.file.perms.exec_world", 0o1),
    ];
    for (name, bit) in BITS {
        flag(fields, name, bits & bit != 0);
    }
}

fn name(fields: &mut Fields, bytes: &[u8]) {
    if !bytes.is_empty() {
        fields.push(("dnp3.al.file_name", FieldValue::Text(identity::clean(bytes))));
    }
}

fn file_object(fields: &mut Fields, kind: File, reader: &mut Reader<'_>) -> Result<(), Short> {
    match kind {
        File::Identifier => octets(fields, "dnp3.al.unknown_data_chunk", reader.rest()),
        File::Authentication => {
            unsigned(fields, "dnp3.al.file_string_offset", reader.u16_le()?);
            let user = reader.u16_le()?;
            unsigned(fields, "dnp3.al.file_string_length", user);
            let _ = reader.take(4)?;
            unsigned(fields, "dnp3.al.file.auth", reader.u32_le()?);
            let user = reader.take(usize::from(user))?;
            fields.push(("dnp3.al.file.user", FieldValue::Text(identity::clean(user))));
        }
        File::Command => {
            unsigned(fields, "dnp3.al.file_string_offset", reader.u16_le()?);
            unsigned(fields, "dnp3.al.file_string_length", reader.u16_le()?);
            let command = file::Command::read(&mut Reader::new(reader.rest()))?;
            if command.mode == file::WRITE {
                fields.push(("dnp3.al.timestamp", FieldValue::Time(timestamp(command.created))));
                permissions(fields, command.permissions);
            }
            unsigned(fields, "dnp3.al.file.auth", command.key);
            if matches!(command.mode, file::WRITE | file::APPEND) {
                unsigned(fields, "dnp3.al.file.size", command.size);
            }
            unsigned(fields, "dnp3.al.file.mode", command.mode);
            unsigned(fields, "dnp3.al.file.maxblock", command.block);
            unsigned(fields, "dnp3.al.file.reqID", command.request);
            name(fields, command.name);
        }
        File::CommandStatus => {
            unsigned(fields, "dnp3.al.file.handle", reader.u32_le()?);
            unsigned(fields, "dnp3.al.file.size", reader.u32_le()?);
            unsigned(fields, "dnp3.al.file.maxblock", reader.u16_le()?);
            unsigned(fields, "dnp3.al.file.reqID", reader.u16_le()?);
            unsigned(fields, "dnp3.al.file.status", reader.u8()?);
            octets(fields, "dnp3.al.file.data", reader.rest());
        }
        File::Transport | File::TransportStatus => {
            unsigned(fields, "dnp3.al.file.handle", reader.u32_le()?);
            let block = reader.u32_le()?;
            unsigned(fields, "dnp3.al.file.blocknum", block & 0x7FFF_FFFF);
            flag(fields, "dnp3.al.file.lastblock", block >> 31 == 1);
            if kind == File::TransportStatus {
                unsigned(fields, "dnp3.al.file.status", reader.u8()?);
            }
            octets(fields, "dnp3.al.file.data", reader.rest());
        }
        File::Descriptor => {
            unsigned(fields, "dnp3.al.file_string_offset", reader.u16_le()?);
            let length = reader.u16_le()?;
            unsigned(fields, "dnp3.al.file_string_length", length);
            unsigned(fields, "dnp3.al.file.type", reader.u16_le()?);
            unsigned(fields, "dnp3.al.file.size", reader.u32_le()?);
            time(fields, reader)?;
            permissions(fields, reader.u16_le()?);
            unsigned(fields, "dnp3.al.file.reqID", reader.u16_le()?);
            name(fields, reader.take(usize::from(length))?);
        }
        File::Specification => name(fields, reader.rest()),
    }
    Ok(())
}

fn challenge(fields: &mut Fields, reader: &mut Reader<'_>) -> Result<usize, Short> {
    let octets = reader.u16_le()?;
    unsigned(fields, "dnp3.al.sa.cdl", octets);
    Ok(usize::from(octets))
}

/// Objects of group 120 (clause 7).
fn authentication(fields: &mut Fields, kind: Authentication, reader: &mut Reader<'_>) -> Result<(), Short> {
    match kind {
        Authentication::Challenge => {
            unsigned(fields, "dnp3.al.sa.csq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            unsigned(fields, "dnp3.al.sa.mal", reader.u8()?);
            unsigned(fields, "dnp3.al.sa.rfc", reader.u8()?);
            octets(fields, "dnp3.al.sa.cd", reader.rest());
        }
        Authentication::Reply | Authentication::AggressiveRequest => {
            unsigned(fields, "dnp3.al.sa.csq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            octets(fields, "dnp3.al.sa.mac", reader.rest());
        }
        Authentication::KeyStatusRequest => unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?),
        Authentication::KeyStatus => {
            unsigned(fields, "dnp3.al.sa.ksq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            unsigned(fields, "dnp3.al.sa.kwa", reader.u8()?);
            unsigned(fields, "dnp3.al.sa.kw", reader.u8()?);
            unsigned(fields, "dnp3.al.sa.mal", reader.u8()?);
            let data = challenge(fields, reader)?;
            octets(fields, "dnp3.al.sa.cd", reader.take(data)?);
            octets(fields, "dnp3.al.sa.mac", reader.rest());
        }
        Authentication::KeyChange => {
            unsigned(fields, "dnp3.al.sa.ksq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            octets(fields, "dnp3.al.sa.key", reader.rest());
        }
        Authentication::Error => {
            unsigned(fields, "dnp3.al.sa.seq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            unsigned(fields, "dnp3.al.sa.assoc_id", reader.u16_le()?);
            unsigned(fields, "dnp3.al.sa.err", reader.u8()?);
            time(fields, reader)?;
            octets(fields, "dnp3.al.unknown_data_chunk", reader.rest());
        }
        Authentication::Mac | Authentication::UpdateKeyConfirmation => {
            octets(fields, "dnp3.al.sa.mac", reader.rest());
        }
        Authentication::UpdateKeyRequest => {
            unsigned(fields, "dnp3.al.sa.kcm", reader.u8()?);
            let user = reader.u16_le()?;
            unsigned(fields, "dnp3.al.sa.usrnl", user);
            let data = challenge(fields, reader)?;
            let user = reader.take(usize::from(user))?;
            fields.push(("dnp3.al.sa.usrn", FieldValue::Text(identity::clean(user))));
            octets(fields, "dnp3.al.sa.cd", reader.take(data)?);
        }
        Authentication::UpdateKeyReply => {
            unsigned(fields, "dnp3.al.sa.seq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            let data = challenge(fields, reader)?;
            octets(fields, "dnp3.al.sa.cd", reader.take(data)?);
        }
        Authentication::UpdateKeyChange => {
            unsigned(fields, "dnp3.al.sa.seq", reader.u32_le()?);
            unsigned(fields, "dnp3.al.sa.usr", reader.u16_le()?);
            let key = reader.u16_le()?;
            unsigned(fields, "dnp3.al.sa.ukl", key);
            octets(fields, "dnp3.al.sa.uk", reader.take(usize::from(key))?);
        }
        Authentication::Certificate | Authentication::UserStatusChange | Authentication::UpdateKeySignature => {
            octets(fields, "dnp3.al.unknown_data_chunk", reader.rest());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn documents_are_unique() {
        let names: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
    }
}
