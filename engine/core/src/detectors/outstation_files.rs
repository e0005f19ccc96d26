//! Files of DNP3 outstations (IEEE 1815-2012, clause 5.3): opened, written, deleted, authenticated.

use super::{Detector, is_allowed_by_person, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{Activity, ActivityKey};

/// Learns who does what with files of which outstation.
pub struct OutstationFiles;

/// Function codes (IEEE 1815-2012, clause 4.4.5).
mod code {
    pub const WRITE: u16 = 2;
    pub const OPEN_FILE: u16 = 25;
    pub const DELETE_FILE: u16 = 27;
    pub const AUTHENTICATE_FILE: u16 = 29;
}

fn is_file_operation(activity: &Activity) -> bool {
    activity.protocol == "dnp3"
        && match activity.function.code {
            code::OPEN_FILE | code::DELETE_FILE | code::AUTHENTICATE_FILE => true,
            code::WRITE => activity.target.space == "file",
            _ => false,
        }
}

impl Detector for OutstationFiles {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DNP3_FILE_OPERATION];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if !is_file_operation(activity) || !seen.is_of_client() {
            return;
        }
        let mut entries = Vec::new();
        if seen.server_id().is_some() {
            let key = EntryKey {
                client: seen.client_id(),
                server: seen.server_id(),
                protocol: activity.protocol,
                function: Some(activity.function.code),
                space: "file-operation",
                ..EntryKey::new(EntryKind::Operation)
            };
            if let Some(met) = core.observe(key, activity.function.name, seen.times, seen.count, seen.frames[0]) {
                if is_allowed_by_person(core, met.entry) {
                    return;
                }
                entries.push(met.entry);
            }
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        let file = words::target(&activity.target);
        let on = if file.is_empty() { String::new() } else { format!(" on {file}") };
        let text = || Text {
            description: format!(
                "{client} {} by {function}; {}.",
                words::deed(activity, Some(&server))
                    .map_or_else(|| format!("used files of {server}"), |deed| deed.told(activity.outcome)),
                words::outcome(activity.outcome)
            ),
            why: format!("No baseline entry allows {client} to do this with files of {server}."),
            function: function.clone(),
            object: file.clone(),
            value: words::values(&activity.values),
            detail: format!("{function}{on}; {}", words::outcome(activity.outcome)),
        };
        let name = activity.target.name.as_deref().map_or(0, super::spread::number);
        let id = row(&[u64::from(activity.function.code), name, u64::from(ActivityKey::outcome(activity.outcome))]);
        core.raise(&of_activity(catalogue::DNP3_FILE_OPERATION, seen, &entries, id, &text));
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{On as _, Plant, dnp3};
    use ot_protocol::{Activity, Operation, Target};

    fn on_file(code: u16, name: &'static str) -> Activity {
        let target = Target { space: "file", name: Some("config.xml".into()), ..Target::default() };
        Activity { target, ..dnp3(10, 11, code, name, Operation::File) }
    }

    #[test]
    fn file_operations_are_told_until_a_person_learns_them() {
        let mut plant = Plant::learning_until(100);
        plant.act(1, dnp3(10, 11, 2, "Write", Operation::TimeSet).on("time", 0, 1));
        plant.act(2, on_file(26, "Close File"));
        assert!(plant.alerts_of("dnp3-file-operation").is_empty());
        plant.act(3, on_file(27, "Delete File"));
        plant.end_of_second(100);
        plant.act(101, on_file(27, "Delete File"));
        let alerts = plant.alerts_of("dnp3-file-operation");
        assert_eq!(alerts[0].count, 2);
        assert_eq!(
            alerts[0].description,
            "10.0.0.10 link 1 deleted file config.xml of 10.0.0.11 link 10 by Delete File (function 27); the device accepted it."
        );
        plant.learn(&alerts[0].id);
        plant.act(102, on_file(27, "Delete File"));
        assert_eq!(plant.alerts_of("dnp3-file-operation").len(), 1);
        plant.act(103, on_file(25, "Open File"));
        assert_eq!(plant.alerts_of("dnp3-file-operation").len(), 2);
    }
}
