//! Detectors: one file each, one line in [`registry`].
//!
//! A detector looks at facts in order and raises findings through [`Core::raise`]. It keeps its windows bounded and
//! tells what it gave up in [`Detector::counters`]. It must not depend on anything but the facts and the configuration.

mod address_scan;
mod arp_spoofing;
mod bandwidth;
mod commands;
mod configuration;
mod connection;
mod custom_rules;
mod denial_of_service;
mod device;
mod exceptions;
mod excessive_sessions;
#[cfg(test)]
mod expected;
mod firmware;
mod forced;
mod functions;
mod http;
mod icmp_flood;
mod illegal_address;
mod indications;
mod integrity_polls;
mod internet;
mod known_malware;
#[cfg(test)]
mod learned;
mod malformed;
mod malicious_address;
mod modes;
mod multicast;
mod outstation_files;
mod port_scan;
mod probes;
mod ranges;
mod remote_access;
mod reporting;
mod rhythm;
mod s7_access;
mod s7_errors;
mod segments;
mod sensor_traffic;
mod sign_in;
mod spread;
#[cfg(test)]
pub(crate) mod testing;
mod unresponsive;
mod writes;

pub use custom_rules::RuleMatch;

use crate::alerts::{Finding, Text};
use crate::catalogue::AlertType;
use crate::config::EngineConfig;
use crate::inventory::MacBinding;
use crate::model::{EntryId, EntryKey, EntryKind, Peer};
use crate::shared::{Core, Seen, SeenFlow};
use ot_protocol::{
    Claim, Fold, FrameRef, Identity, InterfaceSight, InterfaceTraffic, NameUse, RuleHit, SessionId, SignatureHit,
    Timestamp,
};
pub(crate) use rhythm::near_rhythms;

/// Something that raises alerts.
pub trait Detector: Send {
    /// The alert types it can raise.
    fn types(&self) -> &'static [&'static AlertType];

    /// An activity that is new or noteworthy, or repetitions (`!seen.novel`) of one that raised something, changes
    /// something or was not accepted. While learning it is the place to put entries into the baseline, by
    /// [`Core::observe`]; repetitions count on those entries by themselves.
    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let _ = (core, seen);
    }

    /// Whether activities of companion protocols (HTTP, SSH …) are shown to it, too.
    fn wants_companions(&self) -> bool {
        false
    }

    /// Whether [`Detector::fold`] is called.
    fn wants_folds(&self) -> bool {
        false
    }

    /// Repetitions of any known activity within a second. On the usual path: must be cheap. `note` holds what the detector
    /// left in it at the last repetitions of the same activity; 0 at first, and again whenever the activity was told anew.
    fn fold(&mut self, core: &mut Core, seen: &Seen<'_>, fold: &Fold, note: &mut u64) {
        let _ = (core, seen, fold, note);
    }

    /// Puts down what it gathered from folds: comes every few seconds of packet time, and before the input ends.
    fn settle(&mut self, core: &mut Core) {
        let _ = core;
    }

    /// Something happened to a conversation.
    fn flow(&mut self, core: &mut Core, flow: &SeenFlow<'_>) {
        let _ = (core, flow);
    }

    /// A message satisfied a rule of a person, as far as the message alone can tell.
    fn rule(&mut self, core: &mut Core, hit: &RuleHit) {
        let _ = (core, hit);
    }

    /// A MAC claims an address.
    fn claim(&mut self, core: &mut Core, claim: &Claim, binding: &MacBinding) {
        let _ = (core, claim, binding);
    }

    /// A device told what it is; `before` is the value it told before, where that differs.
    fn identity(&mut self, core: &mut Core, device: &Peer, identity: &Identity, before: Option<&str>) {
        let _ = (core, device, identity, before);
    }

    /// A device is new, or its network became an OT network. May come more than once for a device.
    fn device(&mut self, core: &mut Core, device: &Peer, time: Timestamp, frame: FrameRef) {
        let _ = (core, device, time, frame);
    }

    /// A device answered an OT protocol: it is a field device. Comes with every new activity of its.
    fn role(&mut self, core: &mut Core, device: &Peer, time: Timestamp, frame: FrameRef) {
        let _ = (core, device, time, frame);
    }

    /// A client asked for a domain name, or contacted a host by it.
    fn name(&mut self, core: &mut Core, used: &NameUse, client: &Peer, server: &Peer) {
        let _ = (core, used, client, server);
    }

    /// Payload holds a signature of known malware.
    fn signature(&mut self, core: &mut Core, hit: &SignatureHit, client: &Peer, server: &Peer) {
        let _ = (core, hit, client, server);
    }

    /// An interface received packets, or lost some.
    fn interface(&mut self, core: &mut Core, traffic: &InterfaceTraffic) {
        let _ = (core, traffic);
    }

    /// How whole conversations of an interface were seen.
    fn sight(&mut self, core: &mut Core, sight: &InterfaceSight) {
        let _ = (core, sight);
    }

    /// A second of packet time ended.
    fn epoch(&mut self, core: &mut Core, now: Timestamp) {
        let _ = (core, now);
    }

    /// The input ended: what waited to be told is told.
    fn finish(&mut self, core: &mut Core) {
        let _ = core;
    }

    /// Packet time jumped: timers start again.
    fn time_jump(&mut self, core: &mut Core, now: Timestamp) {
        let _ = (core, now);
    }

    /// What it gave up because a table was full: counter id and sum.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// All detectors, in the order in which they look at a fact.
pub fn registry(config: &EngineConfig) -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(address_scan::AddressScan::new(config)),
        Box::new(arp_spoofing::ArpSpoofing::new(config)),
        Box::new(bandwidth::Bandwidth::new(config)),
        Box::new(commands::Commands::new(config)),
        Box::new(configuration::Configuration),
        Box::new(connection::Connections),
        Box::new(custom_rules::CustomRules::new(config)),
        Box::new(denial_of_service::DenialOfService::new(config)),
        Box::new(device::Devices::default()),
        Box::new(exceptions::Exceptions::new(config)),
        Box::new(excessive_sessions::ExcessiveSessions::new(config)),
        Box::new(firmware::Firmware),
        Box::new(forced::Forced),
        Box::new(functions::Functions),
        Box::new(icmp_flood::IcmpFlood::new(config)),
        Box::new(http::Http::new(config)),
        Box::new(illegal_address::IllegalAddress::new(config)),
        Box::new(indications::Indications::new(config)),
        Box::new(integrity_polls::IntegrityPolls),
        Box::new(internet::Internet::new(config)),
        Box::new(known_malware::KnownMalware::new(config)),
        Box::new(malformed::Malformed::new(config)),
        Box::new(malicious_address::MaliciousAddress::new(config)),
        Box::new(modes::Modes::new(config)),
        Box::new(multicast::Multicast),
        Box::new(outstation_files::OutstationFiles),
        Box::new(port_scan::PortScan::new(config)),
        Box::new(probes::Probes::new(config)),
        Box::new(ranges::Ranges::new(config)),
        Box::new(remote_access::RemoteAccess),
        Box::new(reporting::Reporting::new(config)),
        Box::new(rhythm::Rhythm::new(config)),
        // Behind those that put ranges and operations into the baseline.
        Box::new(s7_access::S7Access),
        Box::new(s7_errors::S7Errors),
        Box::new(segments::Segments::new(config)),
        Box::new(sensor_traffic::SensorTraffic::new(config)),
        Box::new(sign_in::SignIn::new(config)),
        Box::new(unresponsive::Unresponsive::new(config)),
        Box::new(writes::Writes::default()),
    ]
}

/// A finding about an activity.
fn of_activity<'a>(
    kind: &'static AlertType,
    seen: &'a Seen<'_>,
    entries: &'a [EntryId],
    row: u64,
    text: &'a dyn Fn() -> Text,
) -> Finding<'a> {
    Finding {
        kind,
        client: Some(seen.client.clone()),
        server: Some(Peer { sub: seen.activity.server.sub, ..seen.server.clone() }),
        table: (!seen.activity.target.space.is_empty()).then_some(seen.activity.target.space),
        point: None,
        times: seen.times,
        frames: &seen.frames,
        count: seen.count,
        protocol: Some(seen.activity.protocol),
        operation: Some(seen.activity.operation),
        outcome: Some(seen.activity.outcome),
        entries,
        row,
        text,
    }
}

/// The protocol that brought what a device told of itself. Sources begin with the name of their protocol.
fn protocol_of(identity: &Identity) -> Option<&'static str> {
    const NAMES: [(&str, &str); 4] =
        [("Modbus", "modbus"), ("DNP3", "dnp3"), ("S7comm-plus", "s7comm-plus"), ("S7", "s7comm")];
    NAMES.iter().find(|(name, _)| identity.source.starts_with(name)).map(|(_, id)| *id)
}

/// Whether a person, or an import, allows an entry. Types that speak while learning, too, are silenced by nothing less.
fn is_allowed_by_person(core: &Core, entry: EntryId) -> bool {
    core.baseline.get(entry).is_some_and(|entry| core.is_granted(&entry.key, None))
}

/// The baseline entry of a function that a client uses of a server. What a DNP3 function has as its subfunction is a
/// parameter: the operation of a control, a class.
fn function_key(seen: &Seen<'_>) -> EntryKey {
    let activity = seen.activity;
    EntryKey {
        client: seen.client_id(),
        server: seen.server_id(),
        protocol: activity.protocol,
        function: Some(activity.function.code),
        subfunction: activity.function.sub.filter(|_| activity.protocol != "dnp3"),
        ..EntryKey::new(EntryKind::Function)
    }
}

/// The activity that was looked at last: one message may be told as several, one for each range of points.
#[derive(Default)]
struct LastPart {
    session: SessionId,
    frame: FrameRef,
    function: u16,
    start: u32,
}

impl LastPart {
    /// Whether the activity goes on with the message of the one before: the same function in the same frame, further on in the
    /// address space. (Modbus and S7 put all of a message into one activity.)
    fn is_continued_by(&mut self, seen: &Seen<'_>) -> bool {
        let activity = seen.activity;
        let (frame, function, start) = (seen.frames[0], activity.function.code, activity.target.start);
        let goes_on = activity.protocol == "dnp3"
            && (self.session, self.frame, self.function) == (activity.session, frame, function)
            && start > self.start;
        *self = Self { session: activity.session, frame, function, start };
        goes_on
    }
}

/// Tells violations of one alert apart by their parameters.
fn row(parts: &[u64]) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::fast::FixedState::default().hash_one(parts)
}

/// A number for a text, the same on every run.
fn text_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_type_has_a_detector() {
        let named: Vec<&AlertType> =
            registry(&EngineConfig::default()).iter().flat_map(|detector| detector.types().iter().copied()).collect();
        for kind in crate::catalogue::all() {
            assert!(named.contains(&kind), "no detector raises {}", kind.id);
        }
        for kind in &named {
            assert_eq!(crate::catalogue::by_id(kind.id), Some(*kind), "{} is not in the catalogue", kind.id);
        }
        let mut ids: Vec<&str> = named.iter().map(|kind| kind.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), named.len(), "two detectors name the same type");
    }
}
