//! What is given to commands that act on alerts and on what was allowed.

use super::{
    OutputArgs, Several, StoreArgs, categories, engines, kinds, severities, span, status, statuses, techniques, unknown,
};
use crate::when::When;
use clap::Args;
use ot_engine::catalogue::{EngineKind, Severity};
use ot_engine::model::{Scope, Status};
use ot_protocol::{Nanos, Timestamp};
use std::path::PathBuf;

/// Which alerts.
#[derive(Args, Clone, Debug, Default)]
pub struct AlertFilterArgs {
    /// Last seen at or after: RFC 3339, epoch seconds, or a span before the newest packet (-10m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,
    /// First seen at or before
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<When>,
    /// Severity: one, several (major,critical), or a range (major..)
    #[arg(long, value_name = "SEVERITY", value_parser = severities)]
    pub severity: Vec<Several<Severity>>,
    /// Engine: policy-violation, protocol-violation, malware, anomaly, operational
    #[arg(long, value_name = "ENGINE", value_parser = engines)]
    pub engine: Vec<Several<EngineKind>>,
    /// Status: new, active, closed
    #[arg(long, value_name = "STATUS", value_parser = statuses)]
    pub status: Vec<Several<Status>>,
    /// Device on either side: number, address (10.0.0.5, 10.0.0.5/unit-3), MAC or name
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Device as source
    #[arg(long, value_name = "DEVICE")]
    pub source: Vec<String>,
    /// Device as destination
    #[arg(long, value_name = "DEVICE")]
    pub destination: Vec<String>,
    /// Protocol, for example modbus
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub protocol: Vec<String>,
    /// ATT&CK technique, for example T0855
    #[arg(long, value_name = "ID", value_parser = techniques)]
    pub technique: Vec<Several<String>>,
    /// Zone of a device that takes part
    #[arg(long, value_name = "NAME")]
    pub zone: Vec<String>,
    /// Importance of a device that takes part: low, normal, high
    #[arg(long, value_name = "IMPORTANCE", value_parser = super::importances)]
    pub importance: Vec<Several<ot_engine::context::Importance>>,
    /// What is said of a device that takes part.
    #[command(flatten)]
    pub said: super::SaidArgs,
    /// Alert type, for example port-scan
    #[arg(long = "type", value_name = "ID", value_parser = kinds)]
    pub kind: Vec<Several<String>>,
    /// Category of alert types, for example firmware
    #[arg(long, value_name = "CATEGORY", value_parser = categories)]
    pub category: Vec<Several<String>>,
    /// Sensor that found it, by its id
    #[arg(long, value_name = "ID")]
    pub sensor: Vec<String>,
    /// Text in title, description or why
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Only alerts all of whose detections are expected: they lay in maintenance windows that cover them
    #[arg(long)]
    pub expected: bool,
    /// Only alerts that are not, or not wholly, expected
    #[arg(long, conflicts_with = "expected")]
    pub not_expected: bool,
    /// Maintenance ticket in whose windows detections lay
    #[arg(long, value_name = "TICKET")]
    pub ticket: Vec<String>,
}

impl AlertFilterArgs {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        let Self {
            since,
            until,
            severity,
            engine,
            status,
            device,
            source,
            destination,
            protocol,
            technique,
            zone,
            importance,
            said,
            kind,
            category,
            sensor,
            text,
            expected,
            not_expected,
            ticket,
        } = self;
        since.is_none()
            && until.is_none()
            && text.is_none()
            && !expected
            && !not_expected
            && ticket.is_empty()
            && [severity.len(), engine.len(), status.len(), device.len(), source.len()].iter().all(|&n| n == 0)
            && [zone.len(), importance.len(), said.fields().len(), category.len(), sensor.len()].iter().all(|&n| n == 0)
            && [destination.len(), protocol.len(), technique.len(), kind.len()].iter().all(|&n| n == 0)
    }
}

/// Who and why.
#[derive(Args, Clone, Debug)]
pub struct WhoArgs {
    /// Who asks [default: the user's login name]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Why, for those who read the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub why: String,
}

/// The alerts that are meant: by their ids, or by a filter.
#[derive(Args, Clone, Debug)]
pub struct ChosenArgs {
    /// Ids of the alerts, or at least their first 4 digits; without one: all that the filter lets through
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Filter.
    #[command(flatten)]
    pub filter: AlertFilterArgs,
    /// Do it, however many alerts the filter lets through; without it ten at most, more are only counted
    #[arg(long, short)]
    pub yes: bool,
    /// Only say which alerts are meant
    #[arg(long)]
    pub dry_run: bool,
}

/// A triage command on alerts.
#[derive(Args, Clone, Debug)]
pub struct TriageArgs {
    /// Which alerts.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `alerts learn`.
#[derive(Args, Clone, Debug)]
pub struct AlertsLearnArgs {
    /// How much is allowed: exact, pair, server, client, subnet
    #[arg(long, value_name = "SCOPE", value_parser = scope, default_value = "exact")]
    pub scope: Scope,
    /// For this span of packet time from the newest packet on; then the same traffic is told again (8h, 30d)
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    pub span: Option<Nanos>,
    /// Output of --dry-run.
    #[command(flatten)]
    pub output: OutputArgs,
    /// On which alerts.
    #[command(flatten)]
    pub triage: TriageArgs,
}

/// `alerts status`.
#[derive(Args, Clone, Debug)]
pub struct AlertsStatusArgs {
    /// new, active or closed
    #[arg(value_name = "NEW-STATUS", value_parser = status)]
    pub wanted: Status,
    /// On which alerts.
    #[command(flatten)]
    pub triage: TriageArgs,
}

/// `alerts comment`.
#[derive(Args, Clone, Debug)]
pub struct AlertsCommentArgs {
    /// The comment
    #[arg(value_name = "COMMENT")]
    pub comment: String,
    /// On which alerts.
    #[command(flatten)]
    pub triage: TriageArgs,
}

/// `baseline import`.
#[derive(Args, Clone, Debug)]
pub struct BaselineImportArgs {
    /// A file made by `baseline export`, or edited from one
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only say what would be allowed, and which lines cannot be
    #[arg(long)]
    pub dry_run: bool,
    /// Import what can be, where some lines cannot; without it nothing is changed then
    #[arg(long)]
    pub partial: bool,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `baseline remove`.
#[derive(Args, Clone, Debug)]
pub struct BaselineRemoveArgs {
    /// Numbers of the entries, as `baseline list` shows them
    #[arg(value_name = "ENTRY", required = true)]
    pub entries: Vec<u32>,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `baseline expire`.
#[derive(Args, Clone, Debug)]
pub struct BaselineExpireArgs {
    /// Numbers of the entries, as `baseline list` shows them
    #[arg(value_name = "ENTRY", required = true)]
    pub entries: Vec<u32>,
    /// Allowed until this packet time: RFC 3339 or epoch seconds
    #[arg(long, value_name = "TIME", value_parser = crate::when::time, required_unless_present_any = ["span", "never"])]
    pub until: Option<Timestamp>,
    /// Allowed for this span of packet time from the newest packet on (8h, 30d)
    #[arg(long = "for", value_name = "SPAN", value_parser = span, conflicts_with = "until")]
    pub span: Option<Nanos>,
    /// Allowed without an end
    #[arg(long, conflicts_with_all = ["until", "span"])]
    pub never: bool,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `baseline undo`.
#[derive(Args, Clone, Debug)]
pub struct BaselineUndoArgs {
    /// Number of the act
    #[arg(value_name = "ACT")]
    pub act: Option<u64>,
    /// Output of the list.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| unknown(text, Scope::ALL.iter().map(|scope| scope.as_str())))
}
