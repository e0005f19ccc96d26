//! The command line of `rules`.

use crate::cli::{OutputArgs, StoreArgs, WhoArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `rules …`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Check files of rules; every problem with its line and what to write
    #[command(after_help = "Example:\n  ot-sensor rules check plant.toml")]
    Check(RulesCheckArgs),
    /// List the rules of files, or of the configuration
    #[command(
        after_help = "Example:\n  ot-sensor rules list plant.toml\n  ot-sensor rules list --config ot-sensor.toml"
    )]
    List(RulesListArgs),
    /// Try rules on captures: each match with frame, ends and values; nothing is stored
    #[command(after_help = "Example:\n  ot-sensor rules test plant.toml monday.pcap\n  \
        ot-sensor rules test plant.toml attack.pcap --expect 'set-point-limit>0' --expect 'cold-restart=1'\n  \
        ot-sensor rules test plant.toml normal-week.pcap --expect none")]
    Test(RulesTestArgs),
    /// Convert rules of Suricata or Snort; tells which cannot be converted, and why
    #[command(after_help = "Example:\n  ot-sensor rules import modbus.rules --var MODBUS_SERVER=10.0.0.0/24 \
        --var MODBUS_CLIENT=10.0.0.5 -o modbus.toml")]
    Import(RulesImportArgs),
    /// Ask the sensor that runs on the store to read its rules anew; bad files leave the old ones in use
    #[command(after_help = "Example:\n  ot-sensor rules reload --why \"limit raised, ticket 4711\"")]
    Reload(RulesReloadArgs),
}

/// `rules check`.
#[derive(Args, Clone, Debug)]
pub struct RulesCheckArgs {
    /// Files of rules (TOML)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `rules list`.
#[derive(Args, Clone, Debug)]
pub struct RulesListArgs {
    /// Files of rules (TOML) [default: those of the configuration]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Configuration file (TOML) whose rules are listed
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `rules test`.
#[derive(Args, Clone, Debug)]
pub struct RulesTestArgs {
    /// File of rules (TOML)
    #[arg(value_name = "RULES")]
    pub rules: PathBuf,
    /// Capture files; - is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// What must come of it: RULE=3, RULE>0, RULE<=5, or none for no match of any rule; exit code 1 where it does not
    #[arg(long, value_name = "WHAT")]
    pub expect: Vec<String>,
    /// Configuration file (TOML): names, zones, tags and time zone that rules refer to
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show at most so many matches of each rule; all are counted
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub show: u32,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `rules import`.
#[derive(Args, Clone, Debug)]
pub struct RulesImportArgs {
    /// Files of rules of Suricata or Snort
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where to write the converted rules [default: standard output]
    #[arg(long, short, value_name = "OUT.toml")]
    pub output: Option<PathBuf>,
    /// Value of a variable: MODBUS_SERVER=10.0.0.0/24, DNP3_PORTS=20000, or a list [10.0.0.5,10.0.0.6]
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// File with variables: NAME=VALUE a line, or `var NAME VALUE` as in snort.conf, or `NAME: "VALUE"` as in suricata.yaml
    #[arg(long, value_name = "FILE")]
    pub var_file: Vec<PathBuf>,
    /// Also convert rules that are commented out
    #[arg(long)]
    pub commented: bool,
}

/// `rules reload`.
#[derive(Args, Clone, Debug)]
pub struct RulesReloadArgs {
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}
