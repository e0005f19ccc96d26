//! Departures from the specification.

use crate::application::{Fragment, Header, Stop};
use crate::function::{self, code};
use crate::objects::Layout;
use ot_protocol::Violation;
use std::borrow::Cow;

/// Catalogue ids of the alert types that violations stand for.
pub(crate) mod rule {
    pub const BAD_CHECKSUM: &str = "dnp3-bad-checksum";
    pub const BAD_LENGTH: &str = "dnp3-bad-length";
    pub const BAD_FORMAT: &str = "dnp3-bad-format";
    pub const ILLEGAL_OPERATION: &str = "dnp3-illegal-operation";
    pub const RESERVED_FUNCTION: &str = "dnp3-reserved-function";
    pub const OBSOLETE_INITIALIZE: &str = "dnp3-obsolete-initialize";
    pub const OBSOLETE_SAVE_CONFIG: &str = "dnp3-obsolete-save-config";
    pub const MASTER_ASKED_CONFIRM: &str = "dnp3-master-asked-confirm";
    pub const RESERVED_IIN: &str = "dnp3-reserved-iin";
    pub const OPERATE_WITHOUT_SELECT: &str = "dnp3-operate-without-select";

    /// All.
    pub const ALL: &[&str] = &[
        BAD_CHECKSUM,
        BAD_LENGTH,
        BAD_FORMAT,
        ILLEGAL_OPERATION,
        RESERVED_FUNCTION,
        OBSOLETE_INITIALIZE,
        OBSOLETE_SAVE_CONFIG,
        MASTER_ASKED_CONFIRM,
        RESERVED_IIN,
        OPERATE_WITHOUT_SELECT,
    ];
}

/// Layers that violations name.
pub(crate) mod layer {
    pub const LINK: &str = "dnp3-link";
    pub const TRANSPORT: &str = "dnp3-transport";
    pub const APPLICATION: &str = "dnp3";
}

/// Most violations kept of one message.
const MOST: usize = 16;

/// Collects violations of one message.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// What was found so far.
    pub list: Vec<Violation>,
}

impl Faults {
    /// A violation; `offset` within the frame for the link and the transport, else within the fragment.
    #[cold]
    pub(crate) fn push(
        &mut self,
        rule: &'static str,
        layer: &'static str,
        offset: usize,
        needed: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) {
        if self.list.len() < MOST {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let (needed, found, reason) = (needed.into(), found.into(), reason.into());
            self.list.push(Violation { rule, layer, offset, needed, found, reason });
        }
    }

    /// Why a list of objects ended early.
    #[cold]
    pub(crate) fn stop(&mut self, stop: Stop) {
        let application = layer::APPLICATION;
        match stop {
            Stop::Header(short) => self.push(
                rule::BAD_LENGTH,
                application,
                short.offset,
                "an object header: group, variation, qualifier, range",
                format!("{} octets left", short.found),
                "the fragment ends within an object header (IEEE 1815-2012, clause 4.2.2.7)",
            ),
            Stop::Qualifier { offset, octet } => self.push(
                rule::BAD_FORMAT,
                application,
                offset,
                "a qualifier of the standard",
                format!("{octet:02X}"),
                "prefix code 7, range codes 10 and 12 to 15 and bit 7 are reserved (IEEE 1815-2012, clause 4.2.2.7.3)",
            ),
            Stop::Backwards { offset, start, stop } => self.push(
                rule::BAD_FORMAT,
                application,
                offset,
                "a stop index not below the start index",
                format!("start {start}, stop {stop}"),
                "a range runs upwards (IEEE 1815-2012, clause 4.2.2.7.3.3)",
            ),
            Stop::Unknown { offset, group, variation } => self.push(
                rule::BAD_FORMAT,
                application,
                offset,
                "an object of the standard with this qualifier",
                format!("group {group} variation {variation}"),
                "where an object ends that is not known cannot be told; what follows it is not decoded \
                 (IEEE 1815-2012, clause 11 and annex A)",
            ),
            Stop::Short { offset, needed, found } => self.push(
                rule::BAD_LENGTH,
                application,
                offset,
                format!("{needed} octets of objects"),
                format!("{found} octets"),
                "the objects that the range names do not fit into the fragment (IEEE 1815-2012, clause 4.2.2.7)",
            ),
        }
    }

    /// What is wrong with the objects of a fragment.
    pub(crate) fn objects(&mut self, fragment: &Fragment<'_>) {
        if fragment.objects.is_empty() && needs_objects(fragment.function) {
            self.push(
                rule::BAD_FORMAT,
                layer::APPLICATION,
                2,
                "an object header",
                "none",
                "a request with this function names objects (IEEE 1815-2012, clause 4.4)",
            );
        }
        let mut walk = fragment.walk();
        for header in walk.by_ref() {
            if header.has_objects && header.count() > 0 && header.prefix() < 4 {
                self.without_data(&header);
            }
        }
        if let Some(stop) = walk.stop {
            self.stop(stop);
        }
    }

    /// Objects that have no data are named where data belongs.
    fn without_data(&mut self, header: &Header<'_>) {
        let reason = match header.layout() {
            Some(Layout::Empty) => {
                "default variations and classes stand in requests alone, without objects \
                                    (IEEE 1815-2012, clause 11)"
            }
            Some(Layout::Octets) if header.variation == 0 => {
                "variation 0 stands in requests alone: the variation is the \
                                                              length, 1 to 255 (IEEE 1815-2012, clause 11.9.10)"
            }
            _ => return,
        };
        let found = format!("{} of group {} variation {}", header.count(), header.group, header.variation);
        self.push(rule::BAD_FORMAT, layer::APPLICATION, header.offset, "objects with data", found, reason);
    }

    /// What is wrong with a fragment apart from its objects.
    pub(crate) fn fragment(&mut self, fragment: &Fragment<'_>) {
        let application = layer::APPLICATION;
        let code = fragment.function;
        if function::about(code).is_none() {
            self.push(
                rule::RESERVED_FUNCTION,
                application,
                1,
                "a function code of the standard: 0 to 33, 129 to 131",
                format!("{code}"),
                "the other codes are reserved (IEEE 1815-2012, clause 4.2.2.5)",
            );
        }
        if function::is_response(code) {
            let unsolicited = fragment.control & 0x10 != 0;
            if unsolicited != (code == code::UNSOLICITED) && function::has_indications(code) {
                self.push(
                    rule::BAD_FORMAT,
                    application,
                    0,
                    "the UNS bit in unsolicited responses alone",
                    format!("function {code}, UNS {}", u8::from(unsolicited)),
                    "UNS tells unsolicited responses and their confirmations apart (IEEE 1815-2012, clause 4.2.2.4.5)",
                );
            }
            if let Some(iin) = fragment.indications
                && iin & 0x00C0 != 0
            {
                self.push(
                    rule::RESERVED_IIN,
                    application,
                    3,
                    "IIN2.6 and IIN2.7 clear",
                    format!("IIN2 {:02X}", iin & 0xFF),
                    "these indications are reserved (IEEE 1815-2012, clause 4.2.2.6)",
                );
            }
            return;
        }
        if fragment.wants_confirm() && code != code::CONFIRM {
            self.push(
                rule::MASTER_ASKED_CONFIRM,
                application,
                0,
                "the CON bit clear",
                "set",
                "a master does not ask for an application confirmation (IEEE 1815-2012, clause 4.2.2.4.4)",
            );
        }
        if fragment.control & 0xC0 != 0xC0 {
            self.push(
                rule::BAD_FORMAT,
                application,
                0,
                "FIR and FIN set",
                format!("control {:02X}", fragment.control),
                "a request is one fragment (IEEE 1815-2012, clause 4.2.2.4.2)",
            );
        }
        match code {
            code::INITIALIZE_DATA => self.push(
                rule::OBSOLETE_INITIALIZE,
                application,
                1,
                "another function",
                "function 15, Initialize Data",
                "this function is obsolete (IEEE 1815-2012, clause 4.4.16)",
            ),
            code::SAVE_CONFIGURATION => self.push(
                rule::OBSOLETE_SAVE_CONFIG,
                application,
                1,
                "function 31, Activate Configuration",
                "function 19, Save Configuration",
                "this function is deprecated (IEEE 1815-2012, clause 4.4.20)",
            ),
            _ => {}
        }
    }
}

/// Whether a request with this function names at least one object (IEEE 1815-2012, annex A).
fn needs_objects(function: u8) -> bool {
    matches!(function, 1..=12 | 20..=22 | 25..=30 | 32 | 33)
}
