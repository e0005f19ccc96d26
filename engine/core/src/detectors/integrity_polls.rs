//! DNP3 integrity polls by masters that did not poll so before.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{Activity, ActivityKey, Outcome};

/// Learns which masters read class 0 of which outstation.
pub struct IntegrityPolls;

/// Whether a request reads static data (class 0, IEEE 1815-2012, clause 5.1.4.3) of an outstation as a whole.
fn is_integrity_poll(activity: &Activity) -> bool {
    const READ: u16 = 1;
    activity.protocol == "dnp3"
        && activity.function.code == READ
        && activity.target.space == "classes"
        && activity.target.start & 1 == 1
}

impl Detector for IntegrityPolls {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DNP3_INTEGRITY_SCAN];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if !is_integrity_poll(activity) || seen.server_id().is_none() || !seen.is_of_client() {
            return;
        }
        if core.learning_at(seen.times[1]) && activity.outcome != Outcome::Ok {
            return;
        }
        let key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: activity.protocol,
            space: "integrity-poll",
            ..EntryKey::new(EntryKind::Operation)
        };
        let Some(met) = core.observe(key, "integrity poll", seen.times, seen.count, seen.frames[0]) else { return };
        if met.allowed {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let known = core.uses(seen.client_id(), seen.server_id());
        let what = words::target(&activity.target);
        let text = || Text {
            description: format!("{client} read {what} of {server}; {}.", words::outcome(activity.outcome)),
            why: if known {
                format!("{client} polls {server}, but the baseline holds no integrity poll of the two.")
            } else {
                format!("The baseline does not hold that {client} polls {server} at all.")
            },
            function: words::function(activity),
            object: what.clone(),
            value: String::new(),
            detail: format!("{what} read; {}", words::outcome(activity.outcome)),
        };
        let id = row(&[u64::from(activity.target.start), u64::from(ActivityKey::outcome(activity.outcome))]);
        core.raise(&of_activity(catalogue::DNP3_INTEGRITY_SCAN, seen, &[met.entry], id, &text));
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{On as _, Plant, dnp3};
    use ot_protocol::{Activity, Operation};

    fn poll(client: u8, classes: u32) -> Activity {
        dnp3(client, 11, 1, "Read", Operation::Read).on("classes", classes, 0)
    }

    #[test]
    fn an_integrity_poll_that_was_not_learned_is_told() {
        let mut plant = Plant::learning_until(100);
        plant.act(1, poll(10, 0b1111));
        plant.act(2, poll(12, 0b1110));
        plant.end_of_second(100);
        plant.act(101, poll(10, 0b1111));
        plant.act(102, poll(12, 0b1110));
        assert!(plant.alerts_of("dnp3-integrity-scan").is_empty());
        plant.act(103, poll(12, 0b0001));
        let alerts = plant.alerts_of("dnp3-integrity-scan");
        assert_eq!(alerts.len(), 1);
        assert_eq!(
            alerts[0].description,
            "10.0.0.12 link 1 read all data (class 0) of 10.0.0.11 link 10; the device accepted it."
        );
    }
}
