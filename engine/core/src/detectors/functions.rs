//! Modbus functions that the baseline does not hold.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::engine::{Core, Seen};
use crate::model::{EntryKey, EntryKind};
use crate::words;
use ot_protocol::{ActivityKey, Operation};

/// Learns the functions that each client uses of each server.
pub struct Functions;

impl Detector for Functions {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] =
            &[catalogue::MODBUS_FUNCTION_NOT_LEARNED, catalogue::MODBUS_VENDOR_FUNCTION_NOT_LEARNED];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if seen.server_id().is_none() || (core.learning_at(seen.times[1]) && !seen.answered()) {
            return;
        }
        let key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: activity.protocol,
            function: Some(activity.function.code),
            subfunction: activity.function.sub,
            ..EntryKey::new(EntryKind::Function)
        };
        let Some(met) = core.observe(key, activity.function.name, seen.times, seen.count, seen.frames[0]) else { return };
        if met.allowed || activity.protocol != "modbus" {
            return;
        }
        let vendor = activity.operation == Operation::Unknown || activity.function.code == 90;
        let kind =
            if vendor { catalogue::MODBUS_VENDOR_FUNCTION_NOT_LEARNED } else { catalogue::MODBUS_FUNCTION_NOT_LEARNED };
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let learned = learned_functions(core, seen);
        let text = || {
            let function = words::function(activity);
            let target = words::target(&activity.target);
            let on = if target.is_empty() { String::new() } else { format!(" on {target}") };
            let values = words::values(&activity.values);
            let with = if values.is_empty() || !activity.operation.writes_values() {
                String::new()
            } else {
                format!(" with {values}")
            };
            Text {
                description: format!(
                    "{client} used {function}{on}{with} of {server}, which it never did before; {}.",
                    words::outcome(activity.outcome)
                ),
                why: if learned.is_empty() {
                    format!("The baseline holds no function of {server} for {client}.")
                } else {
                    format!("The baseline allows {client} on {server} only: {learned}.")
                },
                detail: format!("{function} is not in the baseline; {}", words::outcome(activity.outcome)),
                function,
                object: target,
                value: values,
            }
        };
        let id = row(&[
            u64::from(activity.function.code),
            activity.function.sub.map_or(u64::MAX, u64::from),
            u64::from(activity.target.start),
            u64::from(activity.target.count),
            u64::from(ActivityKey::outcome(activity.outcome)),
        ]);
        core.raise(&of_activity(kind, seen, &[met.entry], id, &text));
    }
}

/// `Read Holding Registers (3), 4,120 times; …`.
fn learned_functions(core: &Core, seen: &Seen<'_>) -> String {
    let Some(server) = seen.server_id() else { return String::new() };
    let mut list: Vec<String> = core
        .baseline
        .of_device(server)
        .filter(|entry| {
            entry.key.kind == EntryKind::Function
                && entry.allowed
                && entry.key.client == seen.client_id()
                && entry.key.server == Some(server)
        })
        .map(|entry| {
            let code = entry.key.function.unwrap_or_default();
            format!("{} ({code}), seen {} times while learning (entry {})", entry.label, entry.learned_count, entry.id.0)
        })
        .collect();
    let more = list.len().saturating_sub(6);
    list.truncate(6);
    let mut text = list.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}
