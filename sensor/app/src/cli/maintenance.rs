//! `maintenance …`: what is given to commands that plan work and compare it with the work seen.

use super::{OutputArgs, Several, StoreArgs, WhoArgs, list};
use crate::when::{span, time};
use clap::{Args, Subcommand};
use ot_protocol::{Nanos, Operation, Timestamp};

const ADD_EXAMPLES: &str = "\
Devices and clients: 10.0.0.10 (with the units behind it), 10.0.0.10/unit-3, 10.0.0.0/24, a MAC address, a name, or
device:NAME, zone:NAME, site:NAME, tag:NAME, role:NAME.

Within the window alerts are raised as ever, and those that the plan covers are marked as expected. With --kind goes what
comes with any work: connecting, identifying, reading values and the mode. Alerts of malware, of known bad addresses and of
the sensor's own health are never expected.

Examples:
  ot-sensor maintenance add CHG-4711 --device 10.0.0.10 --by 10.0.0.5 --start 2026-03-01T20:00:00Z --for 4h \\
      --kind program-write,mode-stop,mode-run --note \"new recipe on press 3\"
  ot-sensor maintenance add CHG-4712 --device zone:\"cell 1\" --start 2026-03-02T06:00:00+01:00 \\
      --end 2026-03-02T14:00:00+01:00 --why \"yearly inspection\"";

/// `maintenance …`.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Plan work: devices, time, ticket, who does it and what
    #[command(after_help = ADD_EXAMPLES)]
    Add(MaintenanceAddArgs),
    /// List maintenance windows
    #[command(after_help = "Example:\n  ot-sensor maintenance list")]
    List(MaintenanceListArgs),
    /// Remove maintenance windows: what they marked stays marked
    #[command(after_help = "Example:\n  ot-sensor maintenance remove CHG-4711 --why \"put off to April\"\n  \
        ot-sensor maintenance remove --over")]
    Remove(MaintenanceRemoveArgs),
    /// Compare the work planned with the work seen: was it done, by whom, and was anything done that was not planned
    #[command(after_help = "Example:\n  ot-sensor maintenance report CHG-4711\n  \
        ot-sensor maintenance report --around 4h --json")]
    Report(MaintenanceReportArgs),
}

/// `maintenance add`.
#[derive(Args, Clone, Debug)]
pub struct MaintenanceAddArgs {
    /// Ticket or work order, without spaces
    #[arg(value_name = "TICKET")]
    pub ticket: String,
    /// Device that is worked on; may be given several times
    #[arg(long, value_name = "DEVICE", required = true)]
    pub device: Vec<String>,
    /// Client that does the work; may be given several times [default: anyone]
    #[arg(long, value_name = "DEVICE")]
    pub by: Vec<String>,
    /// Kind of work: write, control, program-write, mode-stop …; may be given several times [default: any]
    #[arg(long, value_name = "KIND", value_parser = operations)]
    pub kind: Vec<Several<Operation>>,
    /// Packet time at which it begins (RFC 3339 or epoch seconds)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub start: Timestamp,
    /// Packet time at which it ends
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "span")]
    pub end: Option<Timestamp>,
    /// How long it takes, in place of --end (4h, 1d)
    #[arg(long = "for", value_name = "SPAN", value_parser = span, conflicts_with = "end")]
    pub span: Option<Nanos>,
    /// What is done, for those who read the alerts
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `maintenance list`.
#[derive(Args, Clone, Debug)]
pub struct MaintenanceListArgs {
    /// Only windows of this ticket
    #[arg(value_name = "TICKET")]
    pub ticket: Option<String>,
    /// Also those that were removed before their end
    #[arg(long)]
    pub all: bool,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `maintenance remove`.
#[derive(Args, Clone, Debug)]
pub struct MaintenanceRemoveArgs {
    /// Windows of this ticket
    #[arg(value_name = "TICKET", required_unless_present_any = ["window", "over"])]
    pub ticket: Option<String>,
    /// Number of the window, as `maintenance list` shows it
    #[arg(long, value_name = "N", conflicts_with_all = ["ticket", "over"])]
    pub window: Option<u32>,
    /// All that are over, to make room; their reports stay
    #[arg(long, conflicts_with = "ticket")]
    pub over: bool,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `maintenance report`.
#[derive(Args, Clone, Debug)]
pub struct MaintenanceReportArgs {
    /// Only windows of this ticket
    #[arg(value_name = "TICKET")]
    pub ticket: Option<String>,
    /// How far before and after a window work on its devices is told as well
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "1h")]
    pub around: Nanos,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn operations(text: &str) -> Result<Several<Operation>, String> {
    list(text, &Operation::ALL.map(Operation::as_str), Operation::parse)
}
