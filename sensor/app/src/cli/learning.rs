//! `learning`: how it goes on, and the mode.

use super::{StatsArgs, StoreArgs, WhoArgs, span};
use clap::{Args, Subcommand};
use ot_protocol::Nanos;

/// `learning`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LearningArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<LearningCommand>,
    /// Store and output.
    #[command(flatten)]
    pub show: StatsArgs,
}

/// `learning …`.
#[derive(Clone, Debug, Subcommand)]
pub enum LearningCommand {
    /// End learning, or learn all for a time
    #[command(after_help = "Example:\n  ot-sensor learning mode operational --dry-run")]
    Mode {
        /// What follows.
        #[command(subcommand)]
        mode: ModeCommand,
    },
}

/// `learning mode …`.
#[derive(Clone, Debug, Subcommand)]
pub enum ModeCommand {
    /// Learning ends: what the baseline does not hold is told from now on
    #[command(after_help = "Example:\n  ot-sensor learning mode operational --dry-run\n  \
        ot-sensor learning mode operational --why \"commissioning is over\"")]
    Operational(ModeArgs),
    /// All is learned for a span of packet time; alerts that need a baseline are silent meanwhile
    #[command(after_help = "Example:\n  ot-sensor learning mode learning --for 3d --why \"new line\"")]
    Learning {
        /// For this span of packet time from the newest packet on (12h, 3d)
        #[arg(long = "for", value_name = "SPAN", value_parser = span)]
        span: Nanos,
        /// Who, why, where.
        #[command(flatten)]
        args: ModeArgs,
    },
}

/// Of a change of the mode.
#[derive(Args, Clone, Debug)]
pub struct ModeArgs {
    /// Only say what the change would mean
    #[arg(long)]
    pub dry_run: bool,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}
