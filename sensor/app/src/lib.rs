//! The command `ot-sensor`, as a library: what reads a person's text can thus be held against any text.

mod acts;
mod cli;
mod cli_rules;
mod commands;
pub mod config;
mod decode;
mod disk;
mod doctor;
mod evidence;
mod exit;
mod indicators;
mod log;
mod output;
pub mod protocols;
mod replay;
pub mod rules;
mod run;
mod sizing;
mod table;

use ot_views::when;

use clap::Parser;
use clap::error::ErrorKind;
use exit::Exit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// The whole command: from the arguments of the process to its exit code.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return wrong_use(&error),
    };
    // A fault of ours ends with its own exit code. The message of the panic is on standard error already.
    match catch_unwind(AssertUnwindSafe(|| commands::run(cli))) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) if exit::is_closed_pipe(&error) => Exit::Done.into(),
        Ok(Err(error)) => {
            let exit = exit::of_error(&error);
            let line = exit::one_line(&error);
            if !line.is_empty() {
                complain(&line);
            }
            exit.into()
        }
        Err(_) => {
            complain("internal error; the store is sound, please report this with the message above");
            Exit::Internal.into()
        }
    }
}

/// One line on standard error.
fn complain(line: &str) {
    log::line(log::Level::Error, "end", line);
}

fn wrong_use(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Exit::Done.into()
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage.into()
        }
        _ => {
            let text = error.to_string();
            let what: Vec<&str> = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.starts_with("Usage") && !line.starts_with("For more"))
                .collect();
            let what = what.join(" ");
            let what = what.trim().trim_start_matches("error: ");
            complain(&format!("{what} (--help shows how)"));
            Exit::Usage.into()
        }
    }
}
