//! What is given to `forward`.

use super::{LogArgs, OutputArgs, StoreArgs};
use clap::{Args, Subcommand};

/// `forward`.
#[derive(Args, Clone, Debug)]
pub struct ForwardArgs {
    /// End when all is delivered, or a destination cannot be reached (exit code 1)
    #[arg(long)]
    pub once: bool,
    /// Only what goes wrong
    #[arg(long, short)]
    pub quiet: bool,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `forward …`.
#[derive(Debug, Subcommand)]
pub enum ForwardCommand {
    /// How far each destination was told: delivered, waiting, last error
    #[command(after_help = "Example:\n  ot-sensor forward status --store plant.db")]
    Status(ForwardStatusArgs),
    /// Send one marked test message to a destination, and tell what happened
    #[command(after_help = "Example:\n  ot-sensor forward test siem --config /etc/ot-sensor/ot-sensor.toml")]
    Test(ForwardTestArgs),
    /// The JSON Schema of the format `json`
    #[command(after_help = "Example:\n  ot-sensor forward schema > alert-message.schema.json")]
    Schema,
    /// Forget a destination, and what it was yet to be told
    #[command(after_help = "Example:\n  ot-sensor forward remove old-siem --store plant.db")]
    Remove(ForwardRemoveArgs),
}

/// `forward status`.
#[derive(Args, Clone, Debug)]
pub struct ForwardStatusArgs {
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `forward test`.
#[derive(Args, Clone, Debug)]
pub struct ForwardTestArgs {
    /// Name of the destination in the configuration
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `forward remove`.
#[derive(Args, Clone, Debug)]
pub struct ForwardRemoveArgs {
    /// Name of the destination
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}
