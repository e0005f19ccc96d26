//! Commands to a controller's program, mode, configuration and communication, by class of operation.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::engine::{Core, Seen};
use crate::model::{DeviceId, EntryKey, EntryKind};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::Operation;

/// Raises the alert of the operation's class; policy types only where the baseline does not hold the operation.
pub struct Commands {
    restarts: WindowCount<DeviceId>,
    restart_limit: u32,
}

impl Commands {
    /// With the configured rate of restarts.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::RESTART_RATE, Threshold { count: 10, seconds: 3_600 });
        Self { restarts: WindowCount::new(limit.seconds, config.limits.window_keys), restart_limit: limit.count }
    }
}

/// The alert type of an operation, and whether a programming device may do it unasked.
fn kind_of(seen: &Seen<'_>) -> Option<(&'static AlertType, bool)> {
    let activity = seen.activity;
    // Modbus Application Protocol V1.1b3, 6.8.1: subfunction 1 restarts the communication port and runs its tests.
    let restarts_port = activity.protocol == "modbus" && activity.function.code == 8 && activity.function.sub == Some(1);
    Some(match activity.operation {
        Operation::ConfigRead => (catalogue::PLC_CONFIG_READ, true),
        Operation::ConfigWrite => (catalogue::PLC_CONFIG_WRITE, false),
        Operation::ProgramRead => (catalogue::PLC_PROGRAM_UPLOAD, true),
        Operation::ProgramWrite | Operation::ProgramDelete => (catalogue::PLC_PROGRAMMING, true),
        Operation::ModeStop => (catalogue::PLC_STOP, false),
        Operation::ModeRun => (catalogue::PLC_START, false),
        Operation::CommsOff => (catalogue::REPORTING_DISABLED, false),
        Operation::Firmware => (catalogue::FIRMWARE_UPDATE, false),
        Operation::Restart => (catalogue::PLC_RESET, false),
        _ if restarts_port => (catalogue::PLC_RESET, false),
        _ => return None,
    })
}

impl Detector for Commands {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::PLC_CONFIG_READ,
            catalogue::PLC_CONFIG_WRITE,
            catalogue::PLC_PROGRAM_UPLOAD,
            catalogue::PLC_PROGRAMMING,
            catalogue::PLC_STOP,
            catalogue::PLC_START,
            catalogue::PLC_RESET,
            catalogue::RESTART_RATE,
            catalogue::REPORTING_DISABLED,
            catalogue::FIRMWARE_UPDATE,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let Some((kind, programming_may)) = kind_of(seen) else { return };
        let activity = seen.activity;
        let mut entries = Vec::new();
        let mut allowed = false;
        if seen.server_id().is_some() {
            let key = EntryKey {
                client: seen.client_id(),
                server: seen.server_id(),
                protocol: activity.protocol,
                space: activity.operation.as_str(),
                ..EntryKey::new(EntryKind::Operation)
            };
            if let Some(met) = core.observe(key, activity.function.name, seen.times, seen.count, seen.frames[0]) {
                entries.push(met.entry);
                allowed = met.allowed;
            }
        }
        let flagged = seen.client.ip.and_then(|ip| core.config.known(ip)).is_some_and(|known| known.programming);
        let quiet = kind.learnable && (allowed || (programming_may && flagged));
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let function = words::function(activity);
        if !quiet {
            let text = || Text {
                description: format!(
                    "{client} sent {function} to {server}: {}; {}.",
                    meaning(activity.operation),
                    words::outcome(activity.outcome)
                ),
                why: if kind.needs_baseline {
                    format!("The baseline holds no {} of {server} by {client}.", activity.operation.as_str())
                } else {
                    "Commands of this class are always told, whoever sends them.".to_owned()
                },
                function: function.clone(),
                object: words::target(&activity.target),
                value: words::values(&activity.values),
                detail: format!("{function}; {}", words::outcome(activity.outcome)),
            };
            let id = row(&[
                u64::from(activity.function.code),
                activity.function.sub.map_or(u64::MAX, u64::from),
                u64::from(ot_protocol::ActivityKey::outcome(activity.outcome)),
            ]);
            core.raise(&of_activity(kind, seen, &entries, id, &text));
        }
        if kind == catalogue::PLC_RESET
            && let Some(server_id) = seen.server_id()
        {
            let count = u32::try_from(seen.count).unwrap_or(u32::MAX);
            let restarts = self.restarts.add(&server_id, count, seen.times[1]);
            if restarts >= self.restart_limit {
                let text = || Text {
                    description: format!("{server} was told to restart {restarts} times, last by {client}."),
                    why: format!("More than {} restart commands within the window.", self.restart_limit),
                    function: function.clone(),
                    detail: format!("{restarts} restart commands"),
                    ..Text::default()
                };
                core.raise(&of_activity(catalogue::RESTART_RATE, seen, &[], 0, &text));
            }
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("restart-windows-evicted", self.restarts.evicted)]
    }
}

fn meaning(operation: Operation) -> &'static str {
    match operation {
        Operation::ConfigRead => "it reads the controller's configuration",
        Operation::ConfigWrite => "it changes the controller's configuration",
        Operation::ProgramRead => "it reads the program out of the controller",
        Operation::ProgramWrite => "it loads a program into the controller",
        Operation::ProgramDelete => "it deletes a program from the controller",
        Operation::ModeStop => "it stops the controller's program, so that outputs are no longer controlled",
        Operation::ModeRun => "it starts the controller's program",
        Operation::CommsOff => "the device then no longer answers (listen only) until it is restarted",
        Operation::Firmware => "it loads firmware into the device",
        _ => "it restarts the device or its communication",
    }
}
