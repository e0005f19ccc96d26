//! The alert catalogue: every type of alert the engine can raise, with its document.
//!
//! One static table. Detectors, help texts, the `catalogue` command, the documentation tables and the ATT&CK
//! coverage view all derive from it. Ids are stable: a rule, a SIEM and a test refer to them.

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
}

/// The techniques of MITRE ATT&CK for ICS that an alert names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Techniques {
    /// Those of the operation class that caused the alert.
    ByOperation,
    /// Always these.
    Fixed(&'static [&'static str]),
}

/// How many observations within which time raise the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// How many (or how many bytes, where `seconds` is 0).
    pub count: u32,
    /// Within how many seconds of packet time. 0: no window.
    pub seconds: u32,
}

/// One type of alert, with its document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertType {
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
