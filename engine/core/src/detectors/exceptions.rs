//! What servers refuse: Modbus exceptions, DNP3 internal indications and the refusals of other protocols.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{DeviceId, EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::Outcome;

/// Looks at refused requests.
pub struct Exceptions {
    pattern: WindowCount<DeviceId>,
    pattern_limit: u32,
}

impl Exceptions {
    /// With the configured pattern.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::EXCEPTION_PATTERN, Threshold { count: 20, seconds: 3_600 });
        Self { pattern: WindowCount::new(limit.seconds, config.limits.window_keys), pattern_limit: limit.count }
    }
}

impl Detector for Exceptions {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::MODBUS_EXCEPTION,
            catalogue::MODBUS_EXCEPTION_NOT_LEARNED,
            catalogue::MODBUS_ILLEGAL_FUNCTION,
            catalogue::MODBUS_ILLEGAL_ADDRESS,
            catalogue::MODBUS_ILLEGAL_VALUE,
            catalogue::MODBUS_DEVICE_FAILURE,
            catalogue::DNP3_FUNCTION_NOT_SUPPORTED,
            catalogue::DNP3_OBJECT_UNKNOWN,
            catalogue::DNP3_PARAMETER_ERROR,
            catalogue::EXCEPTION_PATTERN,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let Outcome::Rejected(code, name) = activity.outcome else { return };
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        let place = words::target(&activity.target);
        let of = if place.is_empty() { String::new() } else { format!(" of {place}") };
        // The function of a response stands for a request that was not seen.
        let unseen = activity.protocol == "dnp3" && (129..=131).contains(&activity.function.code);
        let asked = match words::deed(activity, Some(&server)) {
            _ if unseen => format!("sent {server} a request that was not seen"),
            Some(deed) => format!("asked to {} by {function}", deed.wish),
            None => format!("sent {function} to {server}"),
        };
        let called = called(activity.protocol, code, name);
        let text = |why: String| Text {
            description: match consequence(activity.protocol, code) {
                Some(consequence) => format!("{client} {asked}; it was refused with {called}: {consequence}."),
                None => format!("{client} {asked}; it was refused with {called}."),
            },
            why,
            function: function.clone(),
            object: place.clone(),
            value: words::values(&activity.values),
            detail: format!("{called} to {function}{of}"),
        };
        let id = row(&[
            u64::from(activity.function.code),
            activity.function.sub.map_or(u64::MAX, u64::from),
            u64::from(code),
            u64::from(activity.target.start),
            u64::from(activity.target.count),
        ]);
        if let Some(kind) = kind_of(activity.protocol, code) {
            let text = || text(why(activity.protocol, code).to_owned());
            core.raise(&of_activity(kind, seen, &[], id, &text));
        }
        if activity.protocol == "modbus" {
            let every = || text("Every exception answer is told, as configured.".to_owned());
            core.raise(&of_activity(catalogue::MODBUS_EXCEPTION, seen, &[], id, &every));
            let key = EntryKey {
                client: seen.client_id(),
                server: seen.server_id(),
                protocol: activity.protocol,
                function: Some(activity.function.code),
                text: Some(code.to_string().into()),
                ..EntryKey::new(EntryKind::Exception)
            };
            if let Some(met) = core.observe(key, name, seen.times, seen.count, seen.frames[1])
                && !met.allowed
            {
                let text = || text(format!("The baseline holds no exception {code} to {function} between the two."));
                core.raise(&of_activity(catalogue::MODBUS_EXCEPTION_NOT_LEARNED, seen, &[met.entry], id, &text));
            }
        }
        if let Some(server_id) = seen.server_id() {
            let count = u32::try_from(seen.count).unwrap_or(u32::MAX);
            let errors = self.pattern.add(&server_id, count, seen.times[1]);
            if errors >= self.pattern_limit {
                let text =
                    || text(format!("{errors} error answers within the window; the limit is {}.", self.pattern_limit));
                core.raise(&of_activity(catalogue::EXCEPTION_PATTERN, seen, &[], id, &text));
            }
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("exception-windows-evicted", self.pattern.evicted)]
    }
}

/// The alert type of a refusal, by protocol and code. DNP3: the second octet of internal indications, as 16 plus the
/// number of the bit.
fn kind_of(protocol: &str, code: u16) -> Option<&'static AlertType> {
    Some(match (protocol, code) {
        ("modbus", 1) => catalogue::MODBUS_ILLEGAL_FUNCTION,
        ("modbus", 2) => catalogue::MODBUS_ILLEGAL_ADDRESS,
        ("modbus", 3) => catalogue::MODBUS_ILLEGAL_VALUE,
        ("modbus", 4) => catalogue::MODBUS_DEVICE_FAILURE,
        ("dnp3", 0x10) => catalogue::DNP3_FUNCTION_NOT_SUPPORTED,
        ("dnp3", 0x11) => catalogue::DNP3_OBJECT_UNKNOWN,
        ("dnp3", 0x12) => catalogue::DNP3_PARAMETER_ERROR,
        _ => return None,
    })
}

/// What the refusal is called in the protocol.
fn called(protocol: &str, code: u16, name: &str) -> String {
    match (protocol, code) {
        ("modbus", _) => format!("exception {code} ({name})"),
        ("dnp3", 0x10..=0x12) => format!("internal indication IIN2.{} ({name})", code - 0x10),
        ("dnp3", 0x15) => format!("internal indication IIN2.4 ({name})"),
        ("dnp3", 0x100..=0x1FF) => format!("control status {} ({name})", code & 0xFF),
        ("dnp3", 0x200..=0x2FF) => format!("file status {} ({name})", code & 0xFF),
        ("dnp3", 0x300..=0x3FF) => format!("authentication error {} ({name})", code & 0xFF),
        _ => format!("code {code} ({name})"),
    }
}

/// Why a refusal with this code is worth a look.
fn why(protocol: &str, code: u16) -> &'static str {
    match (protocol, code) {
        ("modbus", 1) | ("dnp3", 0x10) => {
            "A client that was set up for this device does not ask for functions that it lacks."
        }
        ("modbus", 2) => "A client that was set up for this device does not ask for addresses that it lacks.",
        ("modbus", 3) => {
            "A client that was set up for this device does not send values or quantities that it cannot take."
        }
        ("dnp3", 0x11) => "A master that was set up for this outstation does not ask for objects that it lacks.",
        ("dnp3", 0x12) => {
            "A master that was set up for this outstation does not send ranges, qualifiers or values that it cannot take."
        }
        _ => "The device itself reports that it failed.",
    }
}

/// What the code means for the person (Modbus Application Protocol V1.1b3, clause 7; IEEE 1815-2012, clauses 4.4.9 and
/// 11.10.1); `None` where its name says it.
fn consequence(protocol: &str, code: u16) -> Option<&'static str> {
    Some(match (protocol, code) {
        ("modbus", 1) => "the device does not support this function, nothing was changed",
        ("modbus", 2) => "the device has no such address, nothing was changed",
        ("modbus", 3) => "the device does not accept this value or quantity, nothing was changed",
        ("modbus", 4) => "the device failed while it tried to do it; it may need service",
        ("modbus", 5) => "the device works on it and will take long",
        ("modbus", 6) => "the device is busy with another command",
        ("modbus", 8) => "the device found a parity error in its memory",
        ("modbus", 10) => "the gateway has no path to that unit",
        ("modbus", 11) => "the unit behind the gateway did not answer",
        ("modbus", _) => "the meaning of this code is the vendor's",
        ("dnp3", 0x10) => "the outstation does not support this function, nothing was changed",
        ("dnp3", 0x11) => "the outstation has no such objects or points",
        ("dnp3", 0x12) => "the outstation does not accept a range, qualifier or value of the request",
        ("dnp3", 0x15) => "the outstation is already doing it",
        ("dnp3", 0x100..=0x1FF) => "the outstation did not carry the command out",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{On as _, Plant, dnp3, read};
    use ot_protocol::{Activity, Operation, Outcome};

    #[test]
    fn refusals_of_an_outstation_are_told_by_their_indication() {
        for (code, name, kind) in [
            (0x10, "Function Not Supported", "dnp3-function-not-supported"),
            (0x11, "Object Unknown", "dnp3-object-unknown"),
            (0x12, "Parameter Error", "dnp3-parameter-error"),
        ] {
            let mut plant = Plant::operational();
            let asked = dnp3(10, 11, 1, "Read", Operation::Read).on("binary-inputs", 40, 2);
            plant.act(1, asked.clone());
            assert!(plant.alerts_of(kind).is_empty());
            plant.act(2, Activity { outcome: Outcome::Rejected(code, name), ..asked });
            let alerts = plant.alerts_of(kind);
            assert_eq!(alerts.len(), 1, "{kind}");
            assert!(
                alerts[0].description.contains(&format!("IIN2.{} ({name})", code - 0x10)),
                "{}",
                alerts[0].description
            );
            assert!(plant.alerts_of("modbus-exception-not-learned").is_empty());
        }
    }

    #[test]
    fn an_exception_of_a_modbus_server_is_none_of_an_outstation() {
        let mut plant = Plant::operational();
        plant.act(1, Activity { outcome: Outcome::Rejected(2, "Illegal Data Address"), ..read(10, 11, 1, 1) });
        assert_eq!(plant.alerts_of("modbus-illegal-address").len(), 1);
        assert!(plant.alerts_of("dnp3-object-unknown").is_empty());
    }

    #[test]
    fn many_refusals_of_an_outstation_are_a_pattern_where_that_is_on() {
        let refused = || Activity {
            outcome: Outcome::Rejected(0x107, "Local"),
            ..dnp3(10, 11, 5, "Direct Operate: Close", Operation::Control).on("binary-outputs", 1, 1)
        };
        let mut plant = Plant::operational_with("exception-pattern");
        for _ in 0..19 {
            plant.act(1, refused());
        }
        assert!(plant.alerts_of("exception-pattern").is_empty());
        plant.act(2, refused());
        let alerts = plant.alerts_of("exception-pattern");
        assert!(alerts[0].description.contains("control status 7 (Local)"), "{}", alerts[0].description);
    }
}
