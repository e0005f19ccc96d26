//! Inputs and outputs whose value somebody chose.

use super::spread::number;
use super::{Detector, of_activity, row};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType};
use crate::model::Peer;
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{ActivityKey, Identity, Operation};

/// Property of an identity that names the points that a device marks as forced.
const PROPERTY: &str = "forced-points";
/// Its value where there is none.
const NOTHING: &str = "none";

/// Tells force commands, and points that a device marks as forced.
pub struct Forced;

impl Detector for Forced {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::VALUES_FORCED];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if activity.operation != Operation::Force || !seen.is_of_client() {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        let text = || Text {
            description: format!(
                "{client} {}; {}.",
                words::deed(activity, Some(&server)).map_or_else(
                    || format!("sent {function} to {server}"),
                    |deed| format!("{} by {function}", deed.told(activity.outcome))
                ),
                words::outcome(activity.outcome)
            ),
            why: "Commands of this class are always told, whoever sends them.".to_owned(),
            function: function.clone(),
            object: words::target(&activity.target),
            value: words::values(&activity.values),
            detail: format!("{function}; {}", words::outcome(activity.outcome)),
        };
        let id = row(&[
            u64::from(activity.function.code),
            activity.function.sub.map_or(u64::MAX, u64::from),
            u64::from(ActivityKey::outcome(activity.outcome)),
            number((activity.target.space, activity.target.number, activity.target.start, activity.target.count)),
        ]);
        core.raise(&of_activity(catalogue::VALUES_FORCED, seen, &[], id, &text));
    }

    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        if identity.property != PROPERTY || identity.value == NOTHING {
            return;
        }
        // Each session tells it anew.
        let known = device.device.and_then(|id| core.inventory.get(id)).is_some_and(|device| {
            device.identities.iter().any(|told| {
                told.property == PROPERTY
                    && told.source == identity.source
                    && told.value == identity.value
                    && told.first_seen < identity.time
            })
        });
        if known && before.is_none() {
            return;
        }
        let name = core.display(device);
        let was = before.map_or_else(String::new, |before| format!("; before it was {before}"));
        let text = || Text {
            description: format!("{name} marks as forced: {}{was}.", identity.value),
            why: "A device marks points whose value is not that of the process (forced locally or by a command)."
                .to_owned(),
            function: identity.source.to_owned(),
            object: identity.value.clone(),
            value: String::new(),
            detail: format!("{} marked as forced", identity.value),
        };
        core.raise(&Finding {
            kind: catalogue::VALUES_FORCED,
            client: None,
            server: Some(device.clone()),
            table: None,
            point: None,
            times: [identity.time; 2],
            frames: &[identity.frame],
            count: 1,
            protocol: super::protocol_of(identity),
            operation: Some(Operation::Force),
            outcome: None,
            entries: &[],
            row: number(&identity.value),
            text: &text,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{On as _, Plant, dnp3};
    use ot_protocol::{Activity, Operation, Values};

    #[test]
    fn a_force_command_is_told_and_a_control_is_not() {
        let mut plant = Plant::operational();
        let command = |operation| Activity {
            values: Values::Bits(vec![true]),
            ..dnp3(10, 11, 200, "Some Function", operation).on("binary-outputs", 3, 1)
        };
        plant.act(1, command(Operation::Control));
        assert!(plant.alerts_of("values-forced").is_empty());
        plant.act(2, command(Operation::Force));
        assert_eq!(plant.alerts_of("values-forced").len(), 1);
    }

    #[test]
    fn points_marked_as_forced_are_told_once() {
        let mut plant = Plant::operational();
        let mut tell = |second, value| {
            plant.tell_by(second, 11, "forced-points", value, "DNP3 point flags");
            plant.alerts_of("values-forced").iter().map(|alert| alert.count).sum::<u64>()
        };
        assert_eq!(tell(1, "none"), 0);
        assert_eq!(tell(2, "binary input 3"), 1);
        assert_eq!(tell(3, "binary input 3"), 1);
        assert_eq!(tell(4, "none"), 1);
        assert_eq!(tell(5, "binary input 3"), 2);
    }
}
