//! The alert catalogue: every type of alert the engine can raise, with its document.
//!
//! One static table. Detectors, help texts, the `catalogue` command, the documentation tables and the ATT&CK
//! coverage view all derive from it. Ids are stable: a rule, a SIEM and a test refer to them.
//!
//! A new alert type is one item in the file of its group and its name in the `registry!` call below. The tests
//! fail on one without a complete document, and on one without a capture in `fixtures/` that raises it and one that
//! does not. A type comes with the first protocol that can raise it.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::attack;

/// Declares the groups (one file each), numbers their types in the order written, and gives each its constants.
macro_rules! registry {
    ($($group:ident { $($name:ident),* $(,)? })*) => {
        $(mod $group;)*

        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u16)]
        enum Number { $($($name,)*)* }

        impl AlertTypeId {
            $($(
                #[doc = concat!("Number of [`", stringify!($name), "`].")]
                pub const $name: Self = Self(Number::$name as u16);
            )*)*
        }

        static ALL: [AlertType; [$($(Number::$name as u16,)*)*].len()] = [$($($group::$name,)*)*];

        $($(
            #[doc = concat!("An alert type of the group `", stringify!($group), "`; its fields document it.")]
            pub const $name: &AlertType = &ALL[Number::$name as usize];
        )*)*

        #[cfg(test)]
        const NAMES: &[&str] = &[$($(stringify!($name),)*)*];
    };
}

/// Which engine an alert type belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineKind {
    /// A departure from the learned baseline or from a site's policy.
    PolicyViolation,
    /// A message that the protocol's specification does not allow.
    ProtocolViolation,
    /// Behaviour known from malware or attack tools.
    Malware,
    /// An unusual pattern over time.
    Anomaly,
    /// Something an operator of the plant wants to know, malicious or not.
    Operational,
}

impl EngineKind {
    /// All, in the order of the enum.
    pub const ALL: [Self; 5] =
        [Self::PolicyViolation, Self::ProtocolViolation, Self::Malware, Self::Anomaly, Self::Operational];

    /// Its stable name, as in output, filters and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PolicyViolation => "policy-violation",
            Self::ProtocolViolation => "protocol-violation",
            Self::Malware => "malware",
            Self::Anomaly => "anomaly",
            Self::Operational => "operational",
        }
    }

    /// The engine of that stable name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == name)
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How urgent an alert type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Warning,
    /// Look when there is time.
    Minor,
    /// Look today.
    Major,
    /// Look now.
    Critical,
}

impl Severity {
    /// All, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Warning, Self::Minor, Self::Major, Self::Critical];

    /// Its stable name, as in output, filters and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// The severity of that stable name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one alert row gathers: the parts of the alert key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The device that asks (client, master, source).
    Client,
    /// The device that answers (server, outstation, destination).
    Server,
    /// The data table of a Modbus server (coils, discrete-inputs, input-registers, holding-registers).
    Table,
    /// One addressed point.
    Point,
    /// The interface on which the sensor listens.
    Interface,
    /// The rule of a person.
    Rule,
}

impl Part {
    /// All, in the order of the enum.
    pub const ALL: [Self; 6] = [Self::Client, Self::Server, Self::Table, Self::Point, Self::Interface, Self::Rule];

    /// Its stable name, as in output, filters and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Table => "table",
            Self::Point => "point",
            Self::Interface => "interface",
            Self::Rule => "rule",
        }
    }

    /// The part of that stable name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == name)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The techniques of MITRE ATT&CK for ICS that an alert names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Techniques {
    /// Those of the operation class that caused the alert.
    ByOperation,
    /// Always these.
    Fixed(&'static [&'static str]),
    /// Those of the rule that matched, among these.
    ByRule(&'static [&'static str]),
}

impl Techniques {
    /// The ids of the techniques, given the operation class that caused the alert, if one did.
    pub fn of(self, operation: Option<&str>) -> &'static [&'static str] {
        match self {
            Self::ByOperation => operation.map_or(&[], attack::of_operation),
            Self::Fixed(ids) => ids,
            // The rule tells which.
            Self::ByRule(_) => &[],
        }
    }
}

/// How many observations within which time raise the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// How many, or how many bytes where `seconds` is 0. 0: none at all, that is, silence for `seconds`.
    pub count: u32,
    /// Within how many seconds of packet time. 0: no window.
    pub seconds: u32,
}

/// The number of an alert type in this version's catalogue: small and fast to compare, usable in patterns.
///
/// It changes when types are added. What is stored, sent or shown is [`AlertType::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertTypeId(u16);

impl AlertTypeId {
    /// Position in [`all`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The type of this number.
    pub fn get(self) -> &'static AlertType {
        // Only this file makes numbers, each from its place in the list.
        &ALL[self.index()]
    }
}

/// One type of alert, with its document. Two are equal when their numbers are.
#[derive(Clone, Copy, Debug)]
pub struct AlertType {
    /// Its number in this version's catalogue.
    pub number: AlertTypeId,
    /// Stable id, for example `modbus-illegal-function`.
    pub id: &'static str,
    /// Title as shown in a list.
    pub title: &'static str,
    /// The engine it belongs to.
    pub engine: EngineKind,
    /// Category within the engine, for example `scan`.
    pub category: &'static str,
    /// Severity.
    pub severity: Severity,
    /// Whether it is raised unless configured otherwise.
    pub default_on: bool,
    /// Whether a person may *learn* it, that is, allow what it holds.
    pub learnable: bool,
    /// Whether it is silent while learning.
    pub needs_baseline: bool,
    /// The key by which repeated violations fold into one alert.
    pub aggregate_by: &'static [Part],
    /// Default threshold, where there is one.
    pub threshold: Option<Threshold>,
    /// ATT&CK for ICS techniques.
    pub techniques: Techniques,
    /// Protocols it applies to; empty means any.
    pub protocols: &'static [&'static str],
    /// What it sees: one sentence.
    pub sees: &'static str,
    /// Why it matters to a plant: one to three sentences, no security jargon.
    pub why_it_matters: &'static str,
    /// What evidence the alert carries.
    pub evidence: &'static str,
    /// Usual false alarms and how to tell.
    pub false_alarms: &'static str,
    /// What to do, in order; each an instruction a plant engineer can follow.
    pub remediation: &'static [&'static str],
}

impl PartialEq for AlertType {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for AlertType {}

impl Hash for AlertType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// All types, group by group; the index is [`AlertTypeId::index`].
pub fn all() -> &'static [AlertType] {
    &ALL
}

/// The type of that stable id, for example `modbus-illegal-function`.
pub fn by_id(id: &str) -> Option<&'static AlertType> {
    ALL.iter().find(|alert| alert.id == id)
}

/// The categories of all types, in the order of their names.
pub fn categories() -> Vec<&'static str> {
    let all: std::collections::BTreeSet<&str> = ALL.iter().map(|kind| kind.category).collect();
    all.into_iter().collect()
}

registry! {
    discovery {
        DEVICE_NOT_LEARNED,
        FIELD_DEVICE_NOT_LEARNED,
    }
    communication {
        CONNECTION_NOT_LEARNED,
        NEW_MASTER,
        MULTICAST_NOT_LEARNED,
        REMOTE_ACCESS_NOT_LEARNED,
        WRITE_VALUE_OUTSIDE_RANGE,
        FIRST_WRITER,
        POLLING_RHYTHM,
    }
    scan {
        ADDRESS_SCAN,
        ADDRESS_SCAN_SLOW,
        ARP_SCAN,
        PORT_SCAN,
        PLC_SCAN,
        FUNCTION_SCAN,
        POINT_SCAN,
    }
    modbus {
        MODBUS_FUNCTION_NOT_LEARNED,
        MODBUS_ADDRESS_NOT_LEARNED,
        MODBUS_VENDOR_FUNCTION_NOT_LEARNED,
        MODBUS_EXCEPTION_NOT_LEARNED,
        MODBUS_FIRMWARE_CHANGED,
        MODBUS_BAD_HEADER,
        MODBUS_BAD_QUANTITY,
        MODBUS_EXCEPTION_FROM_CLIENT,
        MODBUS_FUNCTION_ZERO,
        MODBUS_EXCEPTION,
        MODBUS_ILLEGAL_FUNCTION,
        MODBUS_ILLEGAL_ADDRESS,
        MODBUS_ILLEGAL_VALUE,
        MODBUS_RESPONSE_MISMATCH,
        MODBUS_DEVICE_FAILURE,
        MODBUS_UNRESPONSIVE,
    }
    s7 {
        S7_DATA_BLOCK_NOT_LEARNED,
        S7_CONTROL_NOT_LEARNED,
        S7_USER_FUNCTION_NOT_LEARNED,
        S7PLUS_OPERATION_NOT_LEARNED,
        S7PLUS_OBJECT_NOT_LEARNED,
        S7PLUS_BLOCK_NOT_LEARNED,
        S7PLUS_FIRMWARE_CHANGED,
        PLC_MODE_CHANGED,
        S7_BAD_HEADER,
        S7_ERROR_RESPONSE,
        S7_RESPONSE_MISMATCH,
    }
    dnp3 {
        DNP3_FUNCTION_NOT_LEARNED,
        DNP3_OBJECT_NOT_LEARNED,
        DNP3_IIN_NOT_LEARNED,
        DNP3_INTEGRITY_SCAN,
        DNP3_BAD_CHECKSUM,
        DNP3_BAD_LENGTH,
        DNP3_ILLEGAL_OPERATION,
        DNP3_RESERVED_FUNCTION,
        DNP3_FUNCTION_NOT_SUPPORTED,
        DNP3_OBJECT_UNKNOWN,
        DNP3_PARAMETER_ERROR,
        DNP3_OBSOLETE_INITIALIZE,
        DNP3_OBSOLETE_SAVE_CONFIG,
        DNP3_MASTER_ASKED_CONFIRM,
        DNP3_BAD_FORMAT,
        DNP3_RESERVED_IIN,
        DNP3_OPERATE_WITHOUT_SELECT,
    }
    outstation {
        DNP3_FILE_OPERATION,
        DNP3_CONFIG_CORRUPT,
        DNP3_BUFFER_OVERFLOW,
        DNP3_BUFFER_OVERFLOW_CONTINUOUS,
        DNP3_OUTSTATION_RESTARTED,
        DNP3_OUTSTATION_RESTARTS,
        DNP3_DEVICE_TROUBLE,
        DNP3_AUTHENTICATION_ERROR,
    }
    controller {
        PLC_CONFIG_READ,
        PLC_CONFIG_WRITE,
        PLC_PROGRAM_UPLOAD,
        PLC_PROGRAMMING,
        PROGRAM_BLOCK_DELETED,
        PLC_STOP,
        PLC_START,
        PLC_RESET,
        STOP_COMMANDS,
        RESTART_RATE,
        VALUES_FORCED,
        REPORTING_DISABLED,
        WRITE_BURST,
    }
    settings {
        FIRMWARE_CHANGED,
        FIRMWARE_UPDATE,
        CLOCK_SET,
        DEVICE_CONFIGURATION_CHANGED,
    }
    sign_in {
        CLEAR_TEXT_SIGN_IN,
        DEFAULT_CREDENTIALS,
        SIGN_IN_FAILED,
        LOGIN_ATTEMPTS,
        PASSWORD_GUESSING,
    }
    network {
        ARP_SPOOFING,
        ADDRESS_CONFLICT,
        OVERLAPPING_SEGMENTS,
        MALFORMED_BURST,
        MESSAGE_TOO_LONG,
        WRONG_PROTOCOL_ON_PORT,
        HTTP_ABNORMAL,
        PORT_ZERO,
        ILLEGAL_IP_ADDRESS,
        DENIAL_OF_SERVICE,
    }
    internet {
        INTERNET_ATTEMPT,
        INTERNET_CONNECTION,
        PUBLIC_ADDRESS_INSIDE,
    }
    traffic {
        ICMP_FLOOD,
        EXCESSIVE_SESSIONS,
        BANDWIDTH,
        BANDWIDTH_PAIR,
    }
    malware {
        EICAR,
        KNOWN_MALWARE,
        MALICIOUS_ADDRESS,
    }
    sensor {
        SENSOR_NO_TRAFFIC,
        SENSOR_TRAFFIC_BACK,
        SENSOR_LOSS,
        SENSOR_HALF_VISIBLE,
    }
    custom {
        CUSTOM_RULE,
    }
    operational {
        EXCEPTION_PATTERN,
        CHANNEL_SILENT,
        DEVICE_UNRESPONSIVE,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_and_titles_are_unique_and_follow_the_constant() {
        let ids: BTreeSet<_> = all().iter().map(|alert| alert.id).collect();
        assert_eq!(ids.len(), all().len());
        let titles: BTreeSet<_> = all().iter().map(|alert| alert.title).collect();
        assert_eq!(titles.len(), all().len());
        for (alert, name) in all().iter().zip(NAMES) {
            assert_eq!(alert.id, name.to_lowercase().replace('_', "-"));
        }
    }

    #[test]
    fn numbers_are_positions() {
        for (index, alert) in all().iter().enumerate() {
            assert_eq!(alert.number.index(), index, "{}", alert.id);
            assert!(std::ptr::eq(alert.number.get(), alert));
            assert!(std::ptr::eq(by_id(alert.id).unwrap(), alert));
        }
        assert!(std::ptr::eq(MODBUS_ILLEGAL_FUNCTION, by_id("modbus-illegal-function").unwrap()));
        assert_eq!(NEW_MASTER.number, AlertTypeId::NEW_MASTER);
        assert_eq!(by_id("no-such-type"), None);
    }

    #[test]
    fn learning_is_consistent() {
        for alert in all() {
            let policy = alert.engine == EngineKind::PolicyViolation;
            let departs = policy && alert.needs_baseline;
            assert!(!departs || alert.learnable, "{}: a policy that was learned can be learned on", alert.id);
            // Silence departs from the baseline, yet holds nothing that a person could allow.
            let silence = alert.threshold.is_some_and(|threshold| threshold.count == 0);
            assert!(!alert.needs_baseline || alert.learnable || silence, "{}", alert.id);
            assert!(!silence || !alert.learnable, "{}", alert.id);
            // What cannot be learned must not be advised to be learned, and the other way round.
            let advised = alert.remediation.iter().any(|step| step.contains("learn the alert"));
            assert_eq!(advised, alert.learnable, "{}", alert.id);
        }
    }

    #[test]
    fn techniques_are_known() {
        for alert in all() {
            if let Techniques::Fixed(ids) | Techniques::ByRule(ids) = alert.techniques {
                let unique: BTreeSet<_> = ids.iter().collect();
                assert_eq!(unique.len(), ids.len(), "{}", alert.id);
                for id in ids {
                    assert!(attack::technique(id).is_some(), "{}: {id}", alert.id);
                }
            }
        }
        assert_eq!(MODBUS_FUNCTION_NOT_LEARNED.techniques.of(Some("write")), ["T0855", "T0836"]);
        assert!(MODBUS_FUNCTION_NOT_LEARNED.techniques.of(None).is_empty());
        assert_eq!(NEW_MASTER.techniques.of(Some("read")), ["T0848", "T0855"]);
    }

    #[test]
    fn keys_and_thresholds_are_sound() {
        for alert in all() {
            let parts: BTreeSet<_> = alert.aggregate_by.iter().collect();
            assert_eq!(parts.len(), alert.aggregate_by.len(), "{}", alert.id);
            if let Some(threshold) = alert.threshold {
                assert!(threshold.count > 0 || threshold.seconds > 0, "{}", alert.id);
            }
        }
        assert_eq!(NEW_MASTER.aggregate_by, [Part::Server]);
        assert_eq!(REPORTING_DISABLED.aggregate_by, [Part::Client, Part::Server]);
    }

    #[test]
    fn every_document_is_complete() {
        for alert in all() {
            for text in [alert.id, alert.title, alert.category] {
                assert!(!text.trim().is_empty() && text.trim() == text, "{}: {text:?}", alert.id);
            }
            for text in [alert.sees, alert.why_it_matters, alert.evidence, alert.false_alarms] {
                assert!(is_prose(text), "{}: {text:?}", alert.id);
            }
            assert!((3..=6).contains(&alert.remediation.len()), "{}", alert.id);
            for step in alert.remediation {
                assert!(is_prose(step), "{}: {step:?}", alert.id);
            }
        }
    }

    #[test]
    fn no_text_is_used_twice() {
        let mut seen = BTreeSet::new();
        for alert in all() {
            for text in [alert.sees, alert.why_it_matters, alert.evidence, alert.false_alarms] {
                assert!(seen.insert(text), "{}: {text:?}", alert.id);
            }
        }
    }

    #[test]
    fn names_read_back() {
        for engine in EngineKind::ALL {
            assert_eq!(EngineKind::parse(engine.as_str()), Some(engine));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
        }
        for part in Part::ALL {
            assert_eq!(Part::parse(part.as_str()), Some(part));
        }
        assert_eq!(Severity::parse("Critical"), None);
        assert_eq!(format!("{:<9}|", Severity::Major), "major    |");
        assert!(Severity::Warning < Severity::Critical);
    }

    /// Starts like a sentence, ends like one, and has no doubled space.
    fn is_prose(text: &str) -> bool {
        text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
            && text.ends_with('.')
            && text.split(' ').count() > 4
            && !text.contains("  ")
            && !text.contains('\n')
    }
}
