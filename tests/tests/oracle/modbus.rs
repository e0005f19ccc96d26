//! Modbus against Wireshark.

use crate::{Differs, Oracle};

pub static ORACLE: Oracle = Oracle {
    protocol: "modbus",
    fields: &[
        "mbtcp.trans_id",
        "mbtcp.prot_id",
        "mbtcp.len",
        "mbtcp.unit_id",
        "modbus.func_code",
        "modbus.exception_code",
        "modbus.reference_num",
        "modbus.read_reference_num",
        "modbus.write_reference_num",
        "modbus.word_cnt",
        "modbus.read_word_cnt",
        "modbus.write_word_cnt",
        "modbus.bit_cnt",
        "modbus.byte_cnt",
        "modbus.and_mask",
        "modbus.or_mask",
        "modbus.diagnostic_code",
        "modbus.mei",
        "modbus.read_device_id",
        "modbus.object_id",
        "modbus.num_objects",
        "modbus.object_str_value",
        "modbus.regnum16",
        "modbus.regval_uint16",
        "modbus.bitnum",
        "modbus.bitval",
    ],
    differs: &[
        Differs {
            capture: "overlapping-segments/capture.pcap.zst",
            fields: &["modbus.data"],
            frames: &[366],
            why: "The segment repeats bytes that came before it, out of order, with other values: the first count, for Wireshark the last.",
        },
        Differs {
            capture: "iti-modbus-fc4-fc6.pcap",
            fields: &["modbus.request_frame", "modbus.response_time"],
            frames: &[70],
            why: "Three requests with one transaction id are open; the oldest is answered first, for Wireshark the newest.",
        },
        Differs { capture: "csaw-magic-modbus-exfil.pcap", fields: PAIRED, frames: &[], why: SYN_WITH_DATA },
        Differs { capture: "csaw-modbus-hidden-message.pcap", fields: PAIRED, frames: &[], why: SYN_WITH_DATA },
    ],
    partial: &[
        ("modbus.data", "told here also where a function has no data, with a violation"),
        ("modbus.reference_type", "told here also of bytes that the byte count does not cover, with a violation"),
        ("modbus.regval_int16", "shown instead of the unsigned value where Wireshark is set to do so"),
        ("modbus.request_frame", "Wireshark pairs no answers that refuse, and none of some functions"),
        ("modbus.response_time", "as modbus.request_frame"),
    ],
};

const PAIRED: &[&str] = &["modbus.regnum16", "modbus.request_frame", "modbus.response_time"];

const SYN_WITH_DATA: &str = "The SYNs of these captures carry data, and the next segment overlaps it by one byte (RFC 9293, \
    3.4: the SYN takes a sequence number); Wireshark then passes over the requests that follow and shows the addresses of \
    their answers from 0.";
