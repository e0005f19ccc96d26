//! What is given to commands that take care of a store.

use super::{OutputArgs, StoreArgs};
use clap::Args;
use std::path::PathBuf;

/// How a command that stays writes on standard error.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct LogArgs {
    /// Lines on standard error: text, or one JSON object each [default: the configuration's; text]
    #[arg(long = "log-format", value_name = "FORMAT", value_enum)]
    pub format: Option<crate::log::Format>,
}

/// `backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Archive to write (tar, zstd); in a folder that is there it gets a name of its own: SENSOR-TIME.tar.zst
    #[arg(value_name = "FILE|FOLDER")]
    pub to: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// Archive made by `backup`
    #[arg(value_name = "BACKUP")]
    pub from: PathBuf,
    /// Only check the archive: hashes, and that the store in it is sound
    #[arg(long, conflicts_with = "force")]
    pub check: bool,
    /// Put it in the place of a store that is there, which is kept with .old behind its name
    #[arg(long)]
    pub force: bool,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Folder for the files; it is made where it is missing
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Only these lists
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = clap::builder::PossibleValuesParser::new(ot_views::export::TABLES.map(|(name, _)| name)))]
    pub only: Vec<String>,
    /// JSON lines, or CSV for a spreadsheet
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// What the files of an export are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line, as the lists print them with --json
    #[default]
    Jsonl,
    /// A column for each value, `source.name` for one within another (RFC 4180)
    Csv,
}

/// `diagnostics`.
#[derive(Args, Clone, Debug)]
pub struct DiagnosticsArgs {
    /// Archive to write (tar, gzip) [default: ot-sensor-diagnostics.tar.gz]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `check-store`.
#[derive(Args, Clone, Debug)]
pub struct CheckStoreArgs {
    /// Look at the pages alone, not whether indexes and rows fit each other: faster
    #[arg(long)]
    pub quick: bool,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}
