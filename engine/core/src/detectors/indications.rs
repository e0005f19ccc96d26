//! What DNP3 outstations say of themselves in their internal indications (IEEE 1815-2012, clause 4.4.9).

use super::Detector;
use super::spread::{Capped, number};
use crate::alerts::{Finding, Text};
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{DeviceId, EntryId, EntryKey, EntryKind, Peer};
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::{Identity, Timestamp};

/// Property of an identity that holds the indications, as a list of their names.
const PROPERTY: &str = "iin";

/// Looks at indications that are newly set.
pub struct Indications {
    /// Indications that each outstation had set when it last told of them, as bits in the order of [`INDICATIONS`].
    set: Capped<DeviceId, u32>,
    restarts: WindowCount<DeviceId>,
    restart_limit: Threshold,
    overflows: WindowCount<DeviceId>,
    overflow_limit: Threshold,
    /// The last command that each outstation got.
    commands: Capped<DeviceId, Command>,
}

/// A command, for the sentence that tells what came before.
struct Command {
    client: Peer,
    function: &'static str,
    time: Timestamp,
}

/// An internal indication.
struct Indication {
    /// Name in the list of the property.
    name: &'static str,
    /// Octet and bit.
    place: &'static str,
    /// The alert type of it, where it has one, and what it says as the end of a sentence.
    tells: Option<(&'static AlertType, &'static str)>,
}

const fn plain(name: &'static str, place: &'static str) -> Indication {
    Indication { name, place, tells: None }
}

/// Indications other than those of events, in order of bits.
const INDICATIONS: [Indication; 13] = [
    plain("all-stations", "IIN1.0"),
    plain("need-time", "IIN1.4"),
    plain("local-control", "IIN1.5"),
    Indication {
        name: "device-trouble",
        place: "IIN1.6",
        tells: Some((catalogue::DNP3_DEVICE_TROUBLE, "has trouble with itself")),
    },
    Indication {
        name: "device-restart",
        place: "IIN1.7",
        tells: Some((catalogue::DNP3_OUTSTATION_RESTARTED, "restarted")),
    },
    plain("no-func-code-support", "IIN2.0"),
    plain("object-unknown", "IIN2.1"),
    plain("parameter-error", "IIN2.2"),
    Indication {
        name: "event-buffer-overflow",
        place: "IIN2.3",
        tells: Some((catalogue::DNP3_BUFFER_OVERFLOW, "lost events because its buffer overflowed")),
    },
    plain("already-executing", "IIN2.4"),
    Indication {
        name: "config-corrupt",
        place: "IIN2.5",
        tells: Some((catalogue::DNP3_CONFIG_CORRUPT, "has a corrupt configuration")),
    },
    plain("reserved-1", "IIN2.6"),
    plain("reserved-2", "IIN2.7"),
];

/// The bits of a list of names; names that are none of the above do not count.
fn bits(list: &str) -> u32 {
    INDICATIONS
        .iter()
        .enumerate()
        .filter(|(_, indication)| list.split(',').any(|name| name.trim() == indication.name))
        .fold(0, |bits, (at, _)| bits | 1 << at)
}

impl Indications {
    /// With the configured thresholds.
    pub fn new(config: &EngineConfig) -> Self {
        let restart_limit = config.threshold(catalogue::DNP3_OUTSTATION_RESTARTS, Threshold { count: 2, seconds: 600 });
        let overflow_limit =
            config.threshold(catalogue::DNP3_BUFFER_OVERFLOW_CONTINUOUS, Threshold { count: 3, seconds: 600 });
        let keys = config.limits.window_keys;
        Self {
            set: Capped::new(keys),
            restarts: WindowCount::new(restart_limit.seconds, keys),
            restart_limit,
            overflows: WindowCount::new(overflow_limit.seconds, keys),
            overflow_limit,
            commands: Capped::new(keys),
        }
    }

    /// What was set before: as this run saw it, else as the store holds it. `None`: the outstation was never heard.
    fn before(&self, core: &Core, id: DeviceId, identity: &Identity, before: Option<&str>) -> Option<u32> {
        if let Some(&known) = self.set.get(&id) {
            return Some(known);
        }
        if let Some(before) = before {
            return Some(bits(before));
        }
        let device = core.inventory.get(id)?;
        let told = device.identities.iter().find(|told| told.property == PROPERTY && told.value == identity.value)?;
        (told.first_seen < identity.time).then(|| bits(&told.value))
    }

    /// ` The last command before was Cold Restart of 10.0.0.10, 3.2 s earlier.`
    fn command_before(&self, core: &Core, id: DeviceId, now: Timestamp) -> String {
        let Some(command) = self.commands.get(&id) else { return String::new() };
        format!(
            " The last command before was {} of {}, {} earlier.",
            command.function,
            core.display(&command.client),
            words::span(now.since(command.time).max(0))
        )
    }

    /// An indication that is newly set, or found set the first time that the outstation is heard.
    fn newly_set(&mut self, core: &mut Core, at: &At<'_>, indication: &Indication) {
        let name = core.display(at.device);
        let called = format!("{} ({})", indication.name.replace('-', " "), indication.place);
        let before = self.command_before(core, at.id, at.identity.time);
        if let Some((kind, says)) = indication.tells {
            let text = || Text {
                description: if at.first {
                    let when = if kind == catalogue::DNP3_OUTSTATION_RESTARTED {
                        " at some time before it was first heard"
                    } else {
                        ""
                    };
                    format!(
                        "{name} was found with the indication {called} set: it {says}{when}. Its indications: {}.",
                        at.identity.value
                    )
                } else {
                    format!(
                        "{name} reports that it {says}: {called} is newly set. Its indications: {}.{before}",
                        at.identity.value
                    )
                },
                why: if at.first {
                    format!("The indication {called} is set, and nothing is known of the time before.")
                } else {
                    format!("The indication {called} was not set in the answers before.")
                },
                detail: format!("{called} set"),
                ..at.text()
            };
            core.raise(&at.finding(kind, 1, number((kind.id, at.first)), &[], &text));
        }
        let repeated = match indication.name {
            // When the restart was is not known at first sight.
            "device-restart" if !at.first => Some((
                catalogue::DNP3_OUTSTATION_RESTARTS,
                self.restarts.add(&at.id, 1, at.identity.time),
                self.restart_limit,
                "reported a restart",
            )),
            "event-buffer-overflow" => Some((
                catalogue::DNP3_BUFFER_OVERFLOW_CONTINUOUS,
                self.overflows.add(&at.id, 1, at.identity.time),
                self.overflow_limit,
                "reported an overflow of its event buffer",
            )),
            _ => None,
        };
        if let Some((kind, sum, limit, says)) = repeated
            && sum >= limit.count
        {
            let within = words::span(i64::from(limit.seconds) * ot_protocol::time::SECOND);
            let text = || Text {
                description: format!("{name} {says} {sum} times within {within}, and may go on.{before}"),
                why: format!("{} or more times within {within}.", limit.count),
                detail: format!("{called} set {sum} times"),
                ..at.text()
            };
            let count = if sum == limit.count { u64::from(sum) } else { 1 };
            core.raise(&at.finding(kind, count, 0, &[], &text));
        }
        self.not_learned(core, at, indication, &called);
    }

    fn not_learned(&self, core: &mut Core, at: &At<'_>, indication: &Indication, called: &str) {
        let key = EntryKey {
            server: Some(at.id),
            protocol: "dnp3",
            text: Some(format!("{PROPERTY}={}", indication.name).into()),
            ..EntryKey::new(EntryKind::Property)
        };
        let times = [at.identity.time; 2];
        let Some(met) = core.observe(key, PROPERTY, times, 1, at.identity.frame) else { return };
        if met.allowed {
            return;
        }
        let name = core.display(at.device);
        let learned: Vec<&str> = core
            .baseline
            .of_device(at.id)
            .filter(|entry| entry.key.kind == EntryKind::Property && entry.allowed)
            .filter_map(|entry| entry.key.text.as_deref()?.strip_prefix("iin="))
            .collect();
        let learned = if learned.is_empty() { "none".to_owned() } else { learned.join(", ") };
        let text = || Text {
            description: format!("{name} sets the indication {called}. Its indications: {}.", at.identity.value),
            why: format!("While learning {name} set these indications: {learned}."),
            detail: format!("{called} is not in the baseline"),
            ..at.text()
        };
        let row = number(met.entry);
        core.raise(&at.finding(catalogue::DNP3_IIN_NOT_LEARNED, 1, row, &[met.entry], &text));
    }
}

/// Who told which indications.
struct At<'a> {
    id: DeviceId,
    device: &'a Peer,
    identity: &'a Identity,
    /// Whether the outstation is heard for the first time.
    first: bool,
}

impl<'a> At<'a> {
    fn text(&self) -> Text {
        Text { object: "internal indications".to_owned(), value: self.identity.value.clone(), ..Text::default() }
    }

    fn finding<'f>(
        &self,
        kind: &'static AlertType,
        count: u64,
        row: u64,
        entries: &'f [EntryId],
        text: &'f dyn Fn() -> Text,
    ) -> Finding<'f>
    where
        'a: 'f,
    {
        Finding {
            kind,
            client: None,
            server: Some(self.device.clone()),
            table: None,
            point: None,
            times: [self.identity.time; 2],
            frames: std::slice::from_ref(&self.identity.frame),
            count,
            protocol: Some("dnp3"),
            operation: None,
            outcome: None,
            entries,
            row,
            text,
        }
    }
}

impl Detector for Indications {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::DNP3_IIN_NOT_LEARNED,
            catalogue::DNP3_CONFIG_CORRUPT,
            catalogue::DNP3_BUFFER_OVERFLOW,
            catalogue::DNP3_BUFFER_OVERFLOW_CONTINUOUS,
            catalogue::DNP3_OUTSTATION_RESTARTED,
            catalogue::DNP3_OUTSTATION_RESTARTS,
            catalogue::DNP3_DEVICE_TROUBLE,
        ];
        TYPES
    }

    fn activity(&mut self, _core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if activity.protocol != "dnp3" || !activity.operation.changes() {
            return;
        }
        if let Some(id) = seen.server_id() {
            let (client, function) = (seen.client.clone(), activity.function.name);
            self.commands.insert(id, Command { client, function, time: seen.times[1] });
        }
    }

    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        if identity.property != PROPERTY {
            return;
        }
        let Some(id) = device.device else { return };
        let now = bits(&identity.value);
        let known = self.before(core, id, identity, before);
        self.set.insert(id, now);
        let new = now & !known.unwrap_or(0);
        let at = At { id, device, identity, first: known.is_none() };
        for (bit, indication) in INDICATIONS.iter().enumerate() {
            if new >> bit & 1 == 1 {
                self.newly_set(core, &at, indication);
            }
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let windows = self.restarts.evicted + self.overflows.evicted;
        vec![("indications-evicted", self.set.evicted + self.commands.evicted + windows)]
    }
}

#[cfg(test)]
mod tests {
    use super::{INDICATIONS, bits};
    use crate::detectors::testing::{Plant, dnp3};
    use ot_protocol::Operation;

    fn tell(plant: &mut Plant, second: i64, value: &str) {
        plant.tell_by(second, 11, "iin", value, "DNP3 internal indications");
    }

    #[test]
    fn names_are_bits() {
        assert_eq!(bits("none"), 0);
        assert_eq!(bits("need-time,device-restart"), 1 << 1 | 1 << 4);
        for (at, indication) in INDICATIONS.iter().enumerate() {
            assert_eq!(bits(indication.name), 1 << at);
        }
    }

    #[test]
    fn what_is_newly_set_is_told_once() {
        for (name, kind) in [
            ("device-restart", "dnp3-outstation-restarted"),
            ("device-trouble", "dnp3-device-trouble"),
            ("config-corrupt", "dnp3-config-corrupt"),
            ("event-buffer-overflow", "dnp3-buffer-overflow"),
        ] {
            let mut plant = Plant::operational();
            tell(&mut plant, 1, "none");
            tell(&mut plant, 2, "need-time");
            assert!(plant.alerts_of(kind).is_empty(), "{kind}");
            plant.act(4, dnp3(10, 11, 13, "Cold Restart", Operation::Restart));
            tell(&mut plant, 5, &format!("need-time,{name}"));
            tell(&mut plant, 6, name);
            let alerts = plant.alerts_of(kind);
            assert_eq!((alerts.len(), alerts[0].count), (1, 1), "{kind}");
            let text = &alerts[0].description;
            assert!(
                text.contains("is newly set") && text.contains("Cold Restart of 10.0.0.10 link 1, 1.0 s"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_found_set_is_told_as_that_and_not_again_after_a_restart_of_the_sensor() {
        let mut plant = Plant::operational();
        tell(&mut plant, 1, "device-restart");
        let alerts = plant.alerts_of("dnp3-outstation-restarted");
        assert!(alerts[0].description.contains("was found with"), "{}", alerts[0].description);
        let mut plant = plant.restart();
        tell(&mut plant, 10, "device-restart");
        assert!(plant.alerts_of("dnp3-outstation-restarted").is_empty());
        tell(&mut plant, 11, "none");
        tell(&mut plant, 12, "device-restart");
        assert_eq!(plant.alerts_of("dnp3-outstation-restarted")[0].count, 2);
    }

    #[test]
    fn again_and_again_is_told() {
        let mut plant = Plant::operational();
        tell(&mut plant, 1, "none");
        for (second, sets) in [(2, 1), (4, 2), (6, 3)] {
            tell(&mut plant, second, "device-restart,event-buffer-overflow");
            tell(&mut plant, second + 1, "none");
            assert_eq!(plant.alerts_of("dnp3-outstation-restarts").len(), usize::from(sets >= 2));
            assert_eq!(plant.alerts_of("dnp3-buffer-overflow-continuous").len(), usize::from(sets >= 3));
        }
        assert_eq!(plant.alerts_of("dnp3-outstation-restarts")[0].count, 3);
        // Far apart it is nothing special.
        let mut plant = Plant::operational();
        tell(&mut plant, 1, "none");
        for hour in 1..5 {
            tell(&mut plant, hour * 3_600, "device-restart,event-buffer-overflow");
            tell(&mut plant, hour * 3_600 + 1, "none");
        }
        assert!(plant.alerts_of("dnp3-outstation-restarts").is_empty());
        assert!(plant.alerts_of("dnp3-buffer-overflow-continuous").is_empty());
    }

    #[test]
    fn an_indication_that_was_not_learned_is_told_where_wanted() {
        let mut plant = Plant::learning_until(100);
        plant.enable("dnp3-iin-not-learned");
        tell(&mut plant, 1, "need-time");
        tell(&mut plant, 2, "none");
        plant.end_of_second(100);
        tell(&mut plant, 101, "need-time");
        assert!(plant.alerts_of("dnp3-iin-not-learned").is_empty());
        tell(&mut plant, 102, "need-time,local-control");
        let alerts = plant.alerts_of("dnp3-iin-not-learned");
        assert_eq!(alerts[0].why, "While learning 10.0.0.11 set these indications: need-time.");
    }
}
