//! Commands to a controller's program, mode, configuration and communication, by class of operation.

use super::{Detector, is_allowed_by_person, of_activity, row};
use crate::alerts::{Raised, Text};
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{DeviceId, EntryId, EntryKey, EntryKind};
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::time::SECOND;
use ot_protocol::{Activity, ActivityKey, Operation};

/// Raises the alert of the operation's class; policy types only where the baseline does not hold the operation.
pub struct Commands {
    restarts: Rate,
    stops: Rate,
}

/// How often a device is commanded.
struct Rate {
    kind: &'static AlertType,
    window: WindowCount<DeviceId>,
    limit: Threshold,
    /// What it is told, as in `was told to restart`.
    told: &'static str,
    /// What is counted.
    commands: &'static str,
}

impl Commands {
    /// With the configured rates of restarts and stops.
    pub fn new(config: &EngineConfig) -> Self {
        let rate = |kind, fallback, told, commands| {
            let limit = config.threshold(kind, fallback);
            Rate { kind, window: WindowCount::new(limit.seconds, config.limits.window_keys), limit, told, commands }
        };
        let restarts = Threshold { count: 10, seconds: 3_600 };
        let stops = Threshold { count: 20, seconds: 10_800 };
        Self {
            restarts: rate(catalogue::RESTART_RATE, restarts, "restart", "restart commands"),
            stops: rate(catalogue::STOP_COMMANDS, stops, "stop", "stop commands"),
        }
    }
}

/// What keeps an alert silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    /// Nothing.
    Never,
    /// A baseline entry, however it came to be.
    Allowed,
    /// A baseline entry that a person allowed: the type speaks while learning, too.
    AllowedByPerson,
    /// A baseline entry; and a device that is flagged as a programming device.
    AllowedOrProgramming,
}

/// The alert types of an operation.
fn kinds_of(activity: &Activity) -> &'static [(&'static AlertType, Quiet)] {
    const PROGRAM: (&AlertType, Quiet) = (catalogue::PLC_PROGRAMMING, Quiet::AllowedOrProgramming);
    // Any file of an outstation may be a part of what makes it work.
    const DELETE_FILE: u16 = 27;
    match activity.operation {
        Operation::File if activity.protocol == "dnp3" && activity.function.code == DELETE_FILE => {
            &[(catalogue::PROGRAM_BLOCK_DELETED, Quiet::Never)]
        }
        Operation::ConfigRead => &[(catalogue::PLC_CONFIG_READ, Quiet::AllowedOrProgramming)],
        Operation::ConfigWrite => &[(catalogue::PLC_CONFIG_WRITE, Quiet::AllowedOrProgramming)],
        Operation::ProgramRead => &[(catalogue::PLC_PROGRAM_UPLOAD, Quiet::AllowedOrProgramming)],
        Operation::ProgramWrite => &[PROGRAM],
        Operation::ProgramDelete => &[PROGRAM, (catalogue::PROGRAM_BLOCK_DELETED, Quiet::Never)],
        Operation::Firmware => &[(catalogue::FIRMWARE_UPDATE, Quiet::AllowedByPerson)],
        // By a device that did not do so before: who set it while learning did.
        Operation::TimeSet => &[(catalogue::CLOCK_SET, Quiet::Allowed)],
        Operation::ModeStop => &[(catalogue::PLC_STOP, Quiet::Never)],
        Operation::ModeRun => &[(catalogue::PLC_START, Quiet::Never)],
        Operation::Restart => &[(catalogue::PLC_RESET, Quiet::Never)],
        _ => &[],
    }
}

impl Detector for Commands {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::PLC_CONFIG_READ,
            catalogue::PLC_CONFIG_WRITE,
            catalogue::PLC_PROGRAM_UPLOAD,
            catalogue::PLC_PROGRAMMING,
            catalogue::PROGRAM_BLOCK_DELETED,
            catalogue::FIRMWARE_UPDATE,
            catalogue::CLOCK_SET,
            catalogue::PLC_STOP,
            catalogue::PLC_START,
            catalogue::PLC_RESET,
            catalogue::STOP_COMMANDS,
            catalogue::RESTART_RATE,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let kinds = kinds_of(activity);
        if kinds.is_empty() || !seen.is_of_client() {
            return;
        }
        let mut entries = Vec::new();
        let (mut allowed, mut by_person) = (false, false);
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
                by_person = is_allowed_by_person(core, met.entry);
            }
        }
        let flagged = core.may_program(seen.client);
        for &(kind, quiet) in kinds {
            let is_quiet = match quiet {
                Quiet::Never => false,
                Quiet::Allowed => allowed,
                Quiet::AllowedByPerson => by_person,
                Quiet::AllowedOrProgramming => allowed || flagged,
            };
            if !is_quiet {
                raise(core, seen, kind, quiet, &entries);
            }
        }
        match activity.operation {
            Operation::Restart => self.restarts.count(core, seen),
            Operation::ModeStop => self.stops.count(core, seen),
            _ => {}
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("restart-windows-evicted", self.restarts.window.evicted),
            ("stop-windows-evicted", self.stops.window.evicted),
        ]
    }
}

fn raise(core: &mut Core, seen: &Seen<'_>, kind: &'static AlertType, quiet: Quiet, entries: &[EntryId]) {
    let activity = seen.activity;
    let (client, server) = (core.display(seen.client), core.display(seen.server));
    let function = words::function(activity);
    // The block that it moved, against the version known before.
    let moved = core.moved.clone();
    let compared = moved.as_ref().map(|moved| format!(" {}", moved.sentence())).unwrap_or_default();
    let text = || Text {
        description: format!(
            "{client} {}{}; {}.{compared}",
            words::deed(activity, Some(&server)).map_or_else(
                || format!("sent {function} to {server}"),
                |deed| format!("{} by {function}", deed.told(activity.outcome))
            ),
            consequence(activity.operation),
            words::outcome(activity.outcome)
        ),
        why: if quiet == Quiet::Never {
            "Commands of this class are always told, whoever sends them.".to_owned()
        } else {
            let wish = words::deed(activity, Some(&server)).map_or_else(|| function.clone(), |deed| deed.wish);
            let programming = quiet == Quiet::AllowedOrProgramming;
            format!(
                "No baseline entry allows {client} to {wish}{}.",
                if programming { ", and it is not configured as a programming device" } else { "" }
            )
        },
        function: function.clone(),
        object: words::target(&activity.target),
        value: words::values(&activity.values),
        detail: format!(
            "{function}; {}{}{compared}",
            words::outcome(activity.outcome),
            if moved.is_some() { "." } else { "" }
        ),
    };
    let name = activity.target.name.as_deref().map_or(0, super::spread::number);
    let id = row(&[
        u64::from(activity.function.code),
        activity.function.sub.map_or(u64::MAX, u64::from),
        name,
        moved.as_ref().map_or(0, |moved| u64::from(moved.version)),
        u64::from(ActivityKey::outcome(activity.outcome)),
    ]);
    let raised = core.raise(&of_activity(kind, seen, entries, id, &text));
    // That a program is not what it was is the news, also of an alert that is open already; and that it was moved whole, of
    // one that told of the beginning.
    if let (Raised::Updated(number), Some(moved)) = (raised, moved.as_ref()) {
        let begun = core.alert(number).is_some_and(|alert| alert.description.contains(" began to "));
        if begun || moved.differs() {
            core.retell(number, text().description);
        }
    }
}

impl Rate {
    fn count(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let Some(server_id) = seen.server_id() else { return };
        let count = u32::try_from(seen.count).unwrap_or(u32::MAX);
        let sum = self.window.add(&server_id, count, seen.times[1]);
        if sum < self.limit.count {
            return;
        }
        let mut entries = Vec::new();
        if self.kind.learnable {
            let key = EntryKey {
                server: Some(server_id),
                protocol: seen.activity.protocol,
                space: self.commands,
                ..EntryKey::new(EntryKind::Operation)
            };
            if let Some(met) = core.observe(key, self.commands, seen.times, seen.count, seen.frames[0]) {
                if is_allowed_by_person(core, met.entry) {
                    return;
                }
                entries.push(met.entry);
            }
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let within = words::span(i64::from(self.limit.seconds) * SECOND);
        let text = || Text {
            description: format!(
                "{server} was told to {} {sum} times within {within}, the last time by {client}.",
                self.told
            ),
            why: format!("{} or more {} to one device within {within}.", self.limit.count, self.commands),
            function: words::function(seen.activity),
            detail: format!("{sum} {}", self.commands),
            ..Text::default()
        };
        core.raise(&of_activity(self.kind, seen, &entries, 0, &text));
    }
}

/// What it leads to, where that is not said by the deed.
fn consequence(operation: Operation) -> &'static str {
    match operation {
        Operation::ModeStop => ": outputs are no longer controlled while it is stopped",
        Operation::ProgramRead => ": who has the program knows how the process is controlled",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, call, dnp3, s7_block, violation};
    use ot_protocol::{Activity, Artifact, Function, Operation, Outcome};

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

    #[test]
    fn each_class_of_command_has_its_alert() {
        let types = [
            (Operation::ConfigWrite, "plc-config-write"),
            (Operation::Firmware, "firmware-update"),
            (Operation::TimeSet, "clock-set"),
            (Operation::ProgramDelete, "program-block-deleted"),
            (Operation::ModeRun, "plc-start"),
            (Operation::Restart, "plc-reset"),
        ];
        for (operation, kind) in types {
            let mut plant = Plant::operational();
            plant.act(1, dnp3(10, 11, 1, "Read", Operation::Read));
            plant.act(2, dnp3(10, 11, 200, "Some Function", operation));
            for (_, other) in types {
                assert_eq!(plant.alerts_of(other).len(), usize::from(other == kind), "{other} of {operation:?}");
            }
        }
    }

    #[test]
    fn what_was_done_while_learning_is_quiet_where_the_type_says_so() {
        let learned = |operation, kind: &str| {
            let mut plant = Plant::learning_until(100);
            plant.act(1, dnp3(10, 11, 200, "Some Function", operation));
            let while_learning = plant.alerts_of(kind).iter().map(|alert| alert.count).sum::<u64>();
            plant.end_of_second(100);
            plant.act(101, dnp3(10, 11, 200, "Some Function", operation));
            [while_learning, plant.alerts_of(kind).iter().map(|alert| alert.count).sum::<u64>()]
        };
        assert_eq!(learned(Operation::ConfigWrite, "plc-config-write"), [0, 0]);
        assert_eq!(learned(Operation::TimeSet, "clock-set"), [0, 0]);
        assert_eq!(learned(Operation::Firmware, "firmware-update"), [1, 2]);
        assert_eq!(learned(Operation::ProgramDelete, "program-block-deleted"), [1, 2]);
    }

    #[test]
    fn many_stops_of_a_device_are_told() {
        let stop = || dnp3(10, 11, 18, "Stop Application", Operation::ModeStop);
        let mut plant = Plant::operational();
        plant.act_again(2, 19, stop());
        assert!(plant.alerts_of("stop-commands").is_empty());
        plant.act(30, stop());
        let alerts = plant.alerts_of("stop-commands");
        assert_eq!(
            alerts[0].description,
            "10.0.0.11 link 10 was told to stop 20 times within 3 h, the last time by 10.0.0.10 link 1."
        );
    }

    #[test]
    fn a_block_that_differs_from_what_was_known_is_told() {
        let artifact = |bytes: &[u8]| {
            Some(Box::new(Artifact {
                kind: "block",
                name: "DB 10".to_owned(),
                complete: true,
                length: bytes.len() as u64,
                sha256: [bytes[0]; 32],
                bytes: bytes.into(),
                attributes: Vec::new(),
            }))
        };
        let upload =
            |bytes| Activity { artifact: artifact(bytes), ..s7_block(10, 11, Operation::ProgramRead, "DB 10") };
        let download =
            |bytes| Activity { artifact: artifact(bytes), ..s7_block(66, 11, Operation::ProgramWrite, "DB 10") };
        let mut plant = Plant::operational();
        plant.act(1, upload(b"abc"));
        let told = plant.alerts_of("plc-program-upload")[0].description.clone();
        assert!(told.ends_with("accepted it. No version of block DB 10 was known before."), "{told}");
        // The request comes before the block is whole.
        let request = Function { code: 0x1a, sub: None, name: "Request Download" };
        plant.act(2, Activity { function: request, ..s7_block(66, 11, Operation::ProgramWrite, "DB 9") });
        let told = plant.alerts_of("plc-programming")[0].description.clone();
        assert!(told.starts_with("10.0.0.66 began to download block DB 9 to"), "{told}");
        plant.act(2, s7_block(66, 11, Operation::ProgramWrite, "DB 10"));
        plant.act(3, download(b"xbc"));
        let told = plant.alerts_of("plc-programming")[0].clone();
        assert_eq!((told.count, told.violation_count), (3, 3));
        assert!(
            told.description.ends_with("differs from the version last seen 1970-01-01T00:00:01Z: 1 byte, at offset 0."),
            "{}",
            told.description
        );
        // The same again is no news, and neither is the state after a restart of the sensor.
        plant.act(4, upload(b"xbc"));
        assert!(!plant.alerts_of("plc-program-upload")[0].description.contains("differs"));
        let mut plant = plant.restart();
        plant.act(5, upload(b"abc"));
        assert!(plant.alerts_of("plc-program-upload")[0].description.contains("differs"));
    }

    #[test]
    fn a_request_from_the_side_of_the_outstation_commands_nobody() {
        let restart = dnp3(10, 11, 13, "Cold Restart", Operation::Restart);
        let mut plant = Plant::operational();
        let odd = Activity { violations: vec![violation("dnp3-illegal-operation")], ..restart };
        plant.act(1, Activity { outcome: Outcome::Pending, ..odd.clone() });
        assert!(plant.alerts_of("plc-reset").is_empty());
        assert_eq!(plant.alerts_of("dnp3-illegal-operation").len(), 1);
        // What an outstation obeys was a command, although its direction bit is wrong.
        plant.act(2, odd);
        assert_eq!(plant.alerts_of("plc-reset").len(), 1);
    }
}
