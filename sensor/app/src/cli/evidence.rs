//! What is given to commands on the packets of an alert.

use super::StoreArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `alerts pcap`.
#[derive(Args, Clone, Debug)]
pub struct AlertsPcapArgs {
    /// Id of the alert, or at least its first 4 digits
    #[arg(value_name = "ID")]
    pub id: String,
    /// File to write; - is standard output [default: alert-ID.pcapng]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `alerts bundle`.
#[derive(Args, Clone, Debug)]
pub struct AlertsBundleArgs {
    /// Id of the alert, or at least its first 4 digits
    #[arg(value_name = "ID")]
    pub id: String,
    /// Archive to write (tar, gzip) [default: alert-ID.tar.gz]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `bundle …`.
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Check each file of an archive against its hash; exit code 1 if one differs, is missing or was added
    #[command(after_help = "Example:\n  ot-sensor bundle verify case-4711.tar.gz")]
    Verify(BundleVerifyArgs),
}

/// `bundle verify`.
#[derive(Args, Clone, Debug)]
pub struct BundleVerifyArgs {
    /// Archive made by `alerts bundle`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
