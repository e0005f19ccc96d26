//! S7 jobs that the controller refuses.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::Outcome;

/// Tells of each refused job, where that is turned on.
pub struct S7Errors;

impl Detector for S7Errors {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::S7_ERROR_RESPONSE];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let Outcome::Rejected(code, name) = activity.outcome else { return };
        if activity.protocol != "s7comm" || !core.config.enabled(catalogue::S7_ERROR_RESPONSE) {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let text = || {
            let function = words::function(activity);
            let place = words::target(&activity.target);
            let of = if place.is_empty() { String::new() } else { format!(" of {place}") };
            let asked = words::deed(activity, Some(&server)).map_or_else(
                || format!("sent {function} to {server}"),
                |deed| format!("asked to {} by {function}", deed.wish),
            );
            Text {
                description: format!("{client} {asked}; it was refused with {code:#06x} ({name})."),
                why: "Every job that a controller refuses is told, as configured.".to_owned(),
                detail: format!("{code:#06x} ({name}) to {function}{of}"),
                function,
                object: place,
                value: words::values(&activity.values),
            }
        };
        let id = row(&[
            u64::from(activity.function.code),
            activity.function.sub.map_or(u64::MAX, u64::from),
            u64::from(code),
            u64::from(activity.target.number.unwrap_or_default()),
            u64::from(activity.target.start),
            u64::from(activity.target.count),
        ]);
        core.raise(&of_activity(catalogue::S7_ERROR_RESPONSE, seen, &[], id, &text));
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, s7_write};
    use ot_protocol::{Activity, Outcome};

    #[test]
    fn a_refused_job_is_told_where_that_is_on() {
        let refused =
            || Activity { outcome: Outcome::Rejected(0x05, "Invalid address"), ..s7_write(10, 11, 10, 4, 17.0) };
        let mut plant = Plant::operational_with("s7-error-response");
        plant.act(1, s7_write(10, 11, 10, 4, 17.0));
        assert!(plant.alerts_of("s7-error-response").is_empty());
        plant.act(2, refused());
        let alerts = plant.alerts_of("s7-error-response");
        assert_eq!(alerts.len(), 1);
        let text = &alerts[0].description;
        assert!(text.starts_with("10.0.0.10 asked to write 17 to "), "{text}");
        assert!(text.ends_with("it was refused with 0x0005 (Invalid address)."), "{text}");
        // Off unless configured.
        let mut plant = Plant::operational();
        plant.act(1, refused());
        assert!(plant.alerts_of("s7-error-response").is_empty());
    }
}
