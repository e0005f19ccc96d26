//! Commands to a controller's program, mode, configuration and communication, by class of operation.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{DeviceId, EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::Operation;
use ot_protocol::time::SECOND;

/// Raises the alert of the operation's class; policy types only where the baseline does not hold the operation.
pub struct Commands {
    restarts: WindowCount<DeviceId>,
    restart_limit: u32,
    restart_seconds: u32,
}

impl Commands {
    /// With the configured rate of restarts.
    pub fn new(config: &EngineConfig) -> Self {
        let limit = config.threshold(catalogue::RESTART_RATE, Threshold { count: 10, seconds: 3_600 });
        Self {
            restarts: WindowCount::new(limit.seconds, config.limits.window_keys),
            restart_limit: limit.count,
            restart_seconds: limit.seconds,
        }
    }
}

/// The alert type of an operation, and whether a programming device may do it unasked.
fn kind_of(seen: &Seen<'_>) -> Option<(&'static AlertType, bool)> {
    Some(match seen.activity.operation {
        Operation::ConfigRead => (catalogue::PLC_CONFIG_READ, true),
        Operation::ProgramRead => (catalogue::PLC_PROGRAM_UPLOAD, true),
        Operation::ProgramWrite | Operation::ProgramDelete => (catalogue::PLC_PROGRAMMING, true),
        Operation::ModeStop => (catalogue::PLC_STOP, false),
        Operation::ModeRun => (catalogue::PLC_START, false),
        Operation::CommsOff => (catalogue::REPORTING_DISABLED, false),
        Operation::Restart => (catalogue::PLC_RESET, false),
        _ => return None,
    })
}

impl Detector for Commands {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::PLC_CONFIG_READ,
            catalogue::PLC_PROGRAM_UPLOAD,
            catalogue::PLC_PROGRAMMING,
            catalogue::PLC_STOP,
            catalogue::PLC_START,
            catalogue::PLC_RESET,
            catalogue::RESTART_RATE,
            catalogue::REPORTING_DISABLED,
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
                    "{client} {}{}; {}.",
                    words::deed(activity, Some(&server)).map_or_else(
                        || format!("sent {function} to {server}"),
                        |deed| format!("{} by {function}", deed.told(activity.outcome))
                    ),
                    consequence(activity.operation),
                    words::outcome(activity.outcome)
                ),
                why: if kind.needs_baseline {
                    let wish = words::deed(activity, Some(&server)).map_or_else(|| function.clone(), |deed| deed.wish);
                    format!(
                        "No baseline entry allows {client} to {wish}{}.",
                        if programming_may { ", and it is not configured as a programming device" } else { "" }
                    )
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
                    description: format!(
                        "{server} was told to restart {restarts} times within {}, the last time by {client}.",
                        words::span(i64::from(self.restart_seconds) * SECOND)
                    ),
                    why: format!(
                        "{} or more restart commands to one device within {}.",
                        self.restart_limit,
                        words::span(i64::from(self.restart_seconds) * SECOND)
                    ),
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

/// What it leads to, where that is not said by the deed.
fn consequence(operation: Operation) -> &'static str {
    match operation {
        Operation::ModeStop => ": outputs are no longer controlled while it is stopped",
        Operation::CommsOff => ": a device in listen only mode answers nobody until it is restarted",
        Operation::ProgramRead => ": who has the program knows how the process is controlled",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, call};
    use ot_protocol::{Activity, Function, Operation, Outcome};

    const UMAS: Function = Function { code: 90, sub: Some(3), name: "UMAS: read project information" };

    /// Whether an operation after learning raises the type: by a stranger, and by whom it was learned of.
    fn raised(operation: Operation, kind: &str) -> [bool; 2] {
        [false, true].map(|learn| {
            let mut plant = Plant::learning_until(100);
            plant.poll(1, 10, 11);
            if learn {
                plant.act(2, call(10, 11, operation, UMAS));
            }
            plant.end_of_second(100);
            plant.act(101, call(10, 11, operation, UMAS));
            !plant.alerts_of(kind).is_empty()
        })
    }

    #[test]
    fn commands_are_told_unless_learned() {
        assert_eq!(raised(Operation::ConfigRead, "plc-config-read"), [true, false]);
        assert_eq!(raised(Operation::ProgramRead, "plc-program-upload"), [true, false]);
        assert_eq!(raised(Operation::ProgramWrite, "plc-programming"), [true, false]);
        // Never normal.
        assert_eq!(raised(Operation::ModeStop, "plc-stop"), [true, true]);
        // Another class is not told as one.
        assert_eq!(raised(Operation::Identify, "plc-config-read"), [false, false]);
        assert_eq!(raised(Operation::ConfigRead, "plc-program-upload"), [false, false]);
    }

    #[test]
    fn many_restarts_of_a_device_are_told() {
        let restart = Function { code: 8, sub: Some(1), name: "Diagnostics: Restart Communications Option" };
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        // In one connection, where repetitions are folded.
        plant.act_again(2, 9, call(10, 11, Operation::Restart, restart));
        assert_eq!(plant.alerts_of("plc-reset")[0].count, 9);
        assert!(plant.alerts_of("restart-rate").is_empty());
        plant.act(11, call(10, 11, Operation::Restart, restart));
        assert_eq!(plant.alerts_of("restart-rate").len(), 1);
        let text = &plant.alerts_of("plc-reset")[0].description;
        assert!(text.starts_with("10.0.0.10 restarted the communication port of 10.0.0.11 unit 1 by Diag"), "{text}");
    }

    #[test]
    fn restarts_spread_over_a_day_are_no_rate() {
        let restart = Function { code: 8, sub: Some(1), name: "Diagnostics: Restart Communications Option" };
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        for hour in 1..20 {
            plant.act(hour * 3_700, call(10, 11, Operation::Restart, restart));
        }
        assert!(plant.alerts_of("restart-rate").is_empty());
    }

    #[test]
    fn what_was_done_is_told_rather_than_what_was_tried() {
        let stop = call(10, 11, Operation::ModeStop, UMAS);
        let refused = Activity { outcome: Outcome::Rejected(6, "Server Device Busy"), ..stop.clone() };
        let mut plant = Plant::operational();
        plant.poll(1, 10, 11);
        plant.act(2, refused.clone());
        let text = plant.alerts_of("plc-stop")[0].description.clone();
        assert!(text.starts_with("10.0.0.10 tried to stop the program of 10.0.0.11"), "{text}");
        plant.act(3, stop);
        plant.act(4, refused);
        let alert = plant.alerts_of("plc-stop")[0].clone();
        assert!(alert.description.starts_with("10.0.0.10 stopped the program of 10.0.0.11"), "{}", alert.description);
        assert_eq!((alert.outcome, alert.count), (Some(Outcome::Ok), 3));
    }
}
