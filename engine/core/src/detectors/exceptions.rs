//! Modbus exceptions: what servers refuse.

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
            catalogue::EXCEPTION_PATTERN,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let Outcome::Rejected(code, name) = activity.outcome else { return };
        if activity.protocol != "modbus" {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        let place = words::target(&activity.target);
        let of = if place.is_empty() { String::new() } else { format!(" of {place}") };
        let asked = words::deed(activity, Some(&server)).map_or_else(
            || format!("sent {function} to {server}"),
            |deed| format!("asked to {} by {function}", deed.wish),
        );
        let text = |why: String| Text {
            description: format!(
                "{client} {asked}; it was refused with exception {code} ({name}): {}.",
                consequence(code)
            ),
            why,
            function: function.clone(),
            object: place.clone(),
            value: words::values(&activity.values),
            detail: format!("exception {code} ({name}) to {function}{of}"),
        };
        let id = row(&[
            u64::from(activity.function.code),
            activity.function.sub.map_or(u64::MAX, u64::from),
            u64::from(code),
            u64::from(activity.target.start),
            u64::from(activity.target.count),
        ]);
        let kind = match code {
            1 => Some(catalogue::MODBUS_ILLEGAL_FUNCTION),
            2 => Some(catalogue::MODBUS_ILLEGAL_ADDRESS),
            3 => Some(catalogue::MODBUS_ILLEGAL_VALUE),
            4 => Some(catalogue::MODBUS_DEVICE_FAILURE),
            _ => None,
        };
        if let Some(kind) = kind {
            let text = || text(why(code).to_owned());
            core.raise(&of_activity(kind, seen, &[], id, &text));
        }
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

/// Why an exception of this code is worth a look.
fn why(code: u16) -> &'static str {
    match code {
        1 => "A client that was set up for this device does not ask for functions that it lacks.",
        2 => "A client that was set up for this device does not ask for addresses that it lacks.",
        3 => "A client that was set up for this device does not send values or quantities that it cannot take.",
        _ => "The device itself reports that it failed.",
    }
}

/// What the exception code means for the person (Modbus Application Protocol V1.1b3, clause 7).
fn consequence(code: u16) -> &'static str {
    match code {
        1 => "the device does not support this function, nothing was changed",
        2 => "the device has no such address, nothing was changed",
        3 => "the device does not accept this value or quantity, nothing was changed",
        4 => "the device failed while it tried to do it; it may need service",
        5 => "the device works on it and will take long",
        6 => "the device is busy with another command",
        8 => "the device found a parity error in its memory",
        10 => "the gateway has no path to that unit",
        11 => "the unit behind the gateway did not answer",
        _ => "the meaning of this code is the vendor's",
    }
}
