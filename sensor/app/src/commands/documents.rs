//! `man` and `completions`: what a package installs beside the binary, from the definition of the command line.

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::path::Path;

/// Writes the manual pages into a folder.
pub fn man(output: &mut Output, folder: &Path) -> anyhow::Result<Exit> {
    let fail = |error| Failure::usage(format!("cannot write into {}: {error}; name another folder", folder.display()));
    std::fs::create_dir_all(folder).map_err(fail)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(fail)?;
    output.line(&clean(&format!("manual pages: {}", folder.display())))?;
    Ok(Exit::Done)
}

/// Prints what a shell needs to complete the command line.
pub fn completions(output: &mut Output, shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ot-sensor", &mut script);
    output.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page_with_its_example() {
        fn check(command: &clap::Command, name: &str, folder: &Path) {
            let page = std::fs::read_to_string(folder.join(format!("{name}.1")));
            let page = page.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(page.contains("Example"), "{name}");
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                check(sub, &format!("{name}-{}", sub.get_name()), folder);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        man(&mut Output::new(), folder.path()).unwrap();
        check(&Cli::command(), "ot-sensor", folder.path());
    }
}
