//! How a command ends: fixed exit codes, and one clear line when something went wrong.

use ot_views::ViewError;
use std::fmt;
use std::process::ExitCode;

/// The exit codes of `ot-sensor`. They are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// The asked-for check failed, or nothing was found.
    NotFound,
    /// Wrong use or wrong configuration.
    Usage,
    /// Bad input: no capture, unknown link type, unreadable file.
    Input,
    /// Store trouble: of another program, of a newer version, held by another process, disk full.
    Store,
    /// A fault of ours.
    Internal,
}

impl Exit {
    /// All, in order of their numbers.
    pub const ALL: [Self; 6] = [Self::Done, Self::NotFound, Self::Usage, Self::Input, Self::Store, Self::Internal];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotFound => 1,
            Self::Usage => 2,
            Self::Input => 3,
            Self::Store => 4,
            Self::Internal => 5,
        }
    }

    /// What it means, for help and documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotFound => "the asked-for check failed, or nothing was found",
            Self::Usage => "wrong use or wrong configuration",
            Self::Input => "bad input (not a capture, unknown link type, unreadable file)",
            Self::Store => "store trouble (foreign, newer, held by another process, disk full)",
            Self::Internal => "internal error",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure with the exit code that tells it; its text says what happened, where, and what to do, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// For a person; empty if everything was said already.
    pub message: String,
}

impl Failure {
    /// Nothing found, or the check failed.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotFound, message: message.into() }
    }

    /// Wrong use or wrong configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// Bad input.
    pub fn input(message: impl Into<String>) -> Self {
        Self { exit: Exit::Input, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code that an error stands for.
pub fn of_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.exit;
        }
        if cause.downcast_ref::<ot_store::StoreError>().is_some() {
            return Exit::Store;
        }
        #[cfg(feature = "console")]
        if let Some(error) = cause.downcast_ref::<ot_console::ConsoleError>() {
            return match error {
                ot_console::ConsoleError::Store(_) => Exit::Store,
                ot_console::ConsoleError::Start(_) => Exit::Internal,
                _ => Exit::Usage,
            };
        }
        #[cfg(feature = "forward")]
        if let Some(error) = cause.downcast_ref::<ot_forward::ForwardError>() {
            return match error {
                ot_forward::ForwardError::Store(_) => Exit::Store,
                ot_forward::ForwardError::Thread(_) => Exit::Internal,
                _ => Exit::Usage,
            };
        }
        #[cfg(feature = "fleet")]
        if let Some(error) = cause.downcast_ref::<ot_fleet::FleetError>() {
            return match error {
                ot_fleet::FleetError::OfSensor(_) => Exit::Usage,
                _ => Exit::Store,
            };
        }
        #[cfg(feature = "fleet")]
        if cause.downcast_ref::<ot_fleet::CentreError>().is_some() {
            return Exit::Store;
        }
        if let Some(error) = cause.downcast_ref::<ViewError>() {
            return match error {
                ViewError::Store(_) => Exit::Store,
                ViewError::NoAlert(_) | ViewError::NoDevice(_) | ViewError::NoVersion(_) => Exit::NotFound,
                ViewError::SeveralAlerts { .. } | ViewError::BadAlertId(_) | ViewError::NoVersionBefore(_) => {
                    Exit::Usage
                }
                ViewError::BaselineFile { .. } => Exit::Input,
            };
        }
    }
    Exit::Internal
}

/// Whether an error only says that nobody reads our output any more (`ot-sensor … | head`).
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|json| json.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe))
    })
}

/// An error as one line: what, then why, without repeating.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if text.is_empty() || line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_fixed() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn errors_are_one_line_and_keep_their_code() {
        let error = anyhow::Error::new(Failure::input("plant.pcap: not a\ncapture"));
        let error = error.context("cannot replay");
        assert_eq!(of_error(&error), Exit::Input);
        assert_eq!(one_line(&error), "cannot replay: plant.pcap: not a capture");
        let pipe = anyhow::Error::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(is_closed_pipe(&pipe));
    }
}
