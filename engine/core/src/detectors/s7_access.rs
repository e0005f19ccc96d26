//! Areas, data blocks, objects, tags and program blocks of S7 controllers that the baseline does not hold.
//!
//! The ranges of addresses that each client reads and writes stand in the baseline already (`ranges.rs`, which looks
//! first): a data block is known once any range of it is allowed.

use super::functions::{is_invisible, is_told_unasked};
use super::{Detector, of_activity, row, text_hash};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::model::{EntryId, EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{Activity, ActivityKey, Operation, Target};

/// Blocks, areas or tags named in a reason.
const NAMED: usize = 8;

/// Looks at what S7 clients access.
pub struct S7Access;

/// The alert type of what is accessed.
fn kind_of(activity: &Activity) -> Option<&'static AlertType> {
    let program =
        matches!(activity.operation, Operation::ProgramRead | Operation::ProgramWrite | Operation::ProgramDelete);
    match (activity.protocol, activity.target.space) {
        ("s7comm-plus", _) if program => Some(catalogue::S7PLUS_BLOCK_NOT_LEARNED),
        (_, "" | "szl" | "block") => None,
        ("s7comm", _) => (activity.target.count > 0).then_some(catalogue::S7_DATA_BLOCK_NOT_LEARNED),
        // What keeps the session itself is no access to the controller.
        ("s7comm-plus", _) if activity.operation == Operation::Session => None,
        ("s7comm-plus", _) => Some(catalogue::S7PLUS_OBJECT_NOT_LEARNED),
        _ => None,
    }
}

impl Detector for S7Access {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::S7_DATA_BLOCK_NOT_LEARNED,
            catalogue::S7PLUS_OBJECT_NOT_LEARNED,
            catalogue::S7PLUS_BLOCK_NOT_LEARNED,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        // A write to a controller that cannot be seen may have been accepted; a read of it says nothing.
        let invisible = seen.server_id().is_none();
        if is_told_unasked(activity) || (invisible && !(is_invisible(seen) && activity.operation.writes_values())) {
            return;
        }
        let Some(kind) = kind_of(activity) else { return };
        if kind == catalogue::S7PLUS_BLOCK_NOT_LEARNED {
            return block(core, seen);
        }
        let target = &activity.target;
        let access = if activity.operation.changes() { "write" } else { "read" };
        let mut key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: activity.protocol,
            space: target.space,
            number: target.number,
            text: Some(access.into()),
            ..EntryKey::new(EntryKind::Range)
        };
        // A server that is no device is known by its address.
        if let (true, Some(ip)) = (invisible, seen.server.ip) {
            key.text = Some(format!("{access} {ip}").into());
        }
        let entry = if target.count > 0 && !invisible {
            if core.allows_block(&key) {
                return;
            }
            (key.start, key.end) = (Some(target.start), Some(target.end()));
            core.baseline.find(&key).map(|entry| entry.id)
        } else {
            // What has no addresses, or no device, makes no range.
            if core.learning_at(seen.times[1]) && !seen.answered() && !invisible {
                return;
            }
            let label = if access == "write" { "write" } else { "read" };
            let met = core.observe(key, label, seen.times, seen.count, seen.frames[0]);
            met.filter(|met| !met.allowed).map(|met| met.entry)
        };
        let Some(entry) = entry else { return };
        told(core, seen, kind, entry, access);
    }
}

fn told(core: &mut Core, seen: &Seen<'_>, kind: &'static AlertType, entry: EntryId, access: &str) {
    let activity = seen.activity;
    let target = &activity.target;
    let (client, server) = (core.display(seen.client), core.display(seen.server));
    let learned = learned(core, seen, access);
    let text = || {
        let place = words::target(target);
        let deed = words::deed(activity, Some(&server))
            .map_or_else(|| format!("used {place} of {server}"), |deed| deed.told(activity.outcome));
        let what = match target.space {
            "data-block" | "instance-data-block" => "a data block",
            "tag" => "a variable",
            "object" => "an object",
            _ => "a memory area",
        };
        // What is done to an object does not always name it.
        let on = if deed.contains(place.as_str()) { String::new() } else { format!(" on {place}") };
        let before = match (target.space, access) {
            ("object", _) => "used",
            (_, "write") => "wrote",
            _ => "read",
        };
        Text {
            description: format!(
                "{client} {deed} by {}{on}, {what} that it never {before} before; {}.",
                words::function(activity),
                words::outcome(activity.outcome)
            ),
            why: if learned.is_empty() {
                format!("The baseline holds nothing of {server} that {client} may {access}.")
            } else {
                format!("The baseline allows {client} to {access} of {server} only {learned}.")
            },
            function: words::function(activity),
            value: words::values(&activity.values),
            detail: format!("{access} of {place} is not in the baseline"),
            object: place,
        }
    };
    let id = row(&[
        text_hash(target.space),
        u64::from(target.number.unwrap_or(u32::MAX)),
        u64::from(target.start),
        u64::from(target.count),
        u64::from(access == "write"),
        u64::from(ActivityKey::outcome(activity.outcome)),
    ]);
    core.raise(&of_activity(kind, seen, &[entry], id, &text));
}

/// `DB1, DB10, flags and 3 more`: what the baseline allows the client, in the order in which it was learned.
fn learned(core: &Core, seen: &Seen<'_>, access: &str) -> String {
    let (Some(client), Some(server)) = (seen.client_id(), seen.server_id()) else { return String::new() };
    let mut spaces: Vec<(&'static str, Option<u32>)> = Vec::new();
    for entry in core.baseline.between(client, server) {
        let key = &entry.key;
        let ours = entry.allowed && key.kind == EntryKind::Range && key.protocol == seen.activity.protocol;
        if ours && key.text.as_deref() == Some(access) && !spaces.contains(&(key.space, key.number)) {
            spaces.push((key.space, key.number));
            if spaces.len() > 64 {
                break;
            }
        }
    }
    let names =
        spaces.iter().take(NAMED).map(|&(space, number)| words::target(&Target { space, number, ..Target::default() }));
    let mut text = names.collect::<Vec<_>>().join(", ");
    match spaces.len().saturating_sub(NAMED) {
        0 => {}
        more if spaces.len() > 64 => text.push_str(&format!(" and more than {more} others")),
        more => text.push_str(&format!(" and {more} more")),
    }
    text
}

/// Access to program blocks: the baseline holds it as an operation of the pair, which `commands.rs` has just observed.
fn block(core: &mut Core, seen: &Seen<'_>) {
    let activity = seen.activity;
    let key = EntryKey {
        client: seen.client_id(),
        server: seen.server_id(),
        protocol: activity.protocol,
        space: activity.operation.as_str(),
        ..EntryKey::new(EntryKind::Operation)
    };
    let Some(entry) = core.baseline.find(&key).map(|entry| entry.id) else { return };
    let allowed = core.allowing(&key).is_some();
    let flagged = core.may_program(seen.client);
    if allowed || flagged {
        return;
    }
    let (client, server) = (core.display(seen.client), core.display(seen.server));
    let text = || {
        let function = words::function(activity);
        let deed = words::deed(activity, Some(&server))
            .map_or_else(|| format!("accessed blocks of {server}"), |deed| deed.told(activity.outcome));
        Text {
            description: format!("{client} {deed} by {function}; {}.", words::outcome(activity.outcome)),
            why: format!(
                "The baseline holds no {} of {client} on {server}, and it is not configured as a programming device.",
                activity.operation.as_str()
            ),
            detail: format!("{function}; {}", words::outcome(activity.outcome)),
            function,
            object: words::target(&activity.target),
            value: String::new(),
        }
    };
    let id = row(&[
        u64::from(activity.function.code),
        text_hash(activity.target.name.as_deref().unwrap_or_default()),
        u64::from(activity.target.number.unwrap_or(u32::MAX)),
        u64::from(ActivityKey::outcome(activity.outcome)),
    ]);
    core.raise(&of_activity(catalogue::S7PLUS_BLOCK_NOT_LEARNED, seen, &[entry], id, &text));
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, s7_block, s7_write, s7plus_tag};
    use ot_protocol::{Activity, Operation, Outcome};

    #[test]
    fn a_data_block_is_known_once_any_of_it_is() {
        let mut plant = Plant::learning_until(100);
        plant.act(1, s7_write(10, 11, 10, 4, 17.0));
        plant.end_of_second(100);
        plant.act(101, s7_write(10, 11, 10, 40, 17.0));
        assert!(plant.alerts_of("s7-data-block-not-learned").is_empty());
        plant.act(102, s7_write(10, 11, 11, 4, 18.0));
        let read = s7_write(10, 11, 10, 4, 17.0);
        plant.act(103, Activity { operation: Operation::Read, ..read });
        let alerts = plant.alerts_of("s7-data-block-not-learned");
        assert_eq!((alerts.len(), alerts[0].count), (1, 2));
        let text = &alerts[0].description;
        assert!(text.starts_with("10.0.0.10 wrote 18 to DB11.DBW4 of 10.0.0.11"), "{text}");
        assert!(text.ends_with("a data block that it never wrote before; the device accepted it."), "{text}");
        assert!(alerts[0].why.ends_with(" only DB10."), "{}", alerts[0].why);
        assert!(plant.alerts_of("s7plus-object-not-learned").is_empty());
    }

    #[test]
    fn writes_to_a_controller_that_cannot_be_seen_are_told_by_its_address() {
        let unseen =
            |block, operation| Activity { outcome: Outcome::Pending, operation, ..s7_write(10, 12, block, 4, 17.0) };
        let mut plant = Plant::learning_until(100);
        plant.act(1, unseen(1, Operation::Write));
        plant.end_of_second(100);
        plant.act(101, unseen(1, Operation::Write));
        plant.act(102, unseen(2, Operation::Read));
        assert!(plant.alerts_of("s7-data-block-not-learned").is_empty());
        plant.act(103, unseen(2, Operation::Write));
        let alerts = plant.alerts_of("s7-data-block-not-learned");
        let text = &alerts[0].description;
        assert!(text.starts_with("10.0.0.10 tried to write 17 to DB2.DBW4 of 10.0.0.12"), "{text}");
        assert!(text.ends_with("its answer was not seen."), "{text}");
    }

    #[test]
    fn tags_and_blocks_of_s7_plus_have_types_of_their_own() {
        let mut plant = Plant::learning_until(100);
        let upload = || Activity { protocol: "s7comm-plus", ..s7_block(10, 11, Operation::ProgramRead, "OB 1") };
        plant.act(1, s7plus_tag(10, 11, Operation::Read, 7));
        plant.act(2, upload());
        plant.end_of_second(100);
        plant.act(101, s7plus_tag(10, 11, Operation::Read, 7));
        plant.act(102, upload());
        assert!(plant.alerts_of("s7plus-object-not-learned").is_empty());
        assert!(plant.alerts_of("s7plus-block-not-learned").is_empty());
        plant.act(103, s7plus_tag(10, 11, Operation::Read, 8));
        plant.act(104, Activity { operation: Operation::ProgramWrite, ..upload() });
        let alerts = plant.alerts_of("s7plus-object-not-learned");
        assert!(alerts[0].description.contains("read tag with symbol CRC 0x00000008 of"), "{}", alerts[0].description);
        let alerts = plant.alerts_of("s7plus-block-not-learned");
        assert!(alerts[0].description.contains("downloaded block OB 1 to 10.0.0.11"), "{}", alerts[0].description);
    }
}
