//! What is given to `fleet`.

use super::{LogArgs, OutputArgs, StoreArgs};
use clap::{Args, Subcommand};

/// `fleet …`.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Receive what sensors tell, until SIGTERM
    #[command(after_help = "Example:\n  ot-sensor fleet run --config /etc/ot-sensor/fleet.toml\n\n\
        Stream, database and view store are made where they are not there; what is away is tried again.")]
    Run(FleetRunArgs),
    /// How sensors and the centre are: heard last, health, lag
    #[command(after_help = "Example:\n  ot-sensor fleet status --config /etc/ot-sensor/fleet.toml\n\n\
        Exit code 1 where a sensor is silent, degraded or behind, or no receiver runs.")]
    Status(FleetStatusArgs),
    /// Write the view store anew from the database, while no receiver runs
    #[command(after_help = "Example:\n  ot-sensor fleet rebuild --config /etc/ot-sensor/fleet.toml")]
    Rebuild(FleetArgs),
}

/// `fleet run`.
#[derive(Args, Clone, Debug)]
pub struct FleetRunArgs {
    /// Only what goes wrong
    #[arg(long, short)]
    pub quiet: bool,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Which centre.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// `fleet status`.
#[derive(Args, Clone, Debug)]
pub struct FleetStatusArgs {
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which centre.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// Which centre: the configuration has [fleet]; `--store` is the view store.
#[derive(Args, Clone, Debug)]
pub struct FleetArgs {
    /// View store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}
