//! The commands that read a store or triage its alerts.

mod alerts;
mod backup;
mod baseline;
mod bundle;
mod catalogue;
mod check_config;
mod check_store;
#[cfg(feature = "console")]
mod console;
mod context;
mod devices;
mod diagnostics;
mod documents;
mod dry_run;
mod events;
mod export;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "forward")]
mod forward;
mod hashed;
mod import;
mod indicators;
pub use indicators::expires;
mod learning;
mod maintenance;
mod pcap;
mod programs;
mod rules;
#[cfg(feature = "console")]
mod setup;
mod stats;
mod story;
mod triage;
#[cfg(feature = "console")]
mod users;

use crate::cli::{
    AlertsCommand, BaselineCommand, BundleCommand, Cli, Command, DevicesCommand, EventsCommand, IndicatorsCommand,
    MaintenanceCommand, PointsCommand, ProgramsCommand, StoreArgs,
};
use crate::cli_rules::RulesCommand;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::Output;
use crate::when::When;
use crate::{decode, doctor, replay, run};
use ot_engine::Action;
use ot_protocol::Timestamp;
use ot_store::read::Reader;

/// Does what the command line asks for.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    let mut output = Output::new();
    let exit = match cli.command {
        Command::Replay(args) => return replay::run(&args),
        Command::Run(args) => return run::run(&args),
        Command::Decode(args) => return decode::run(&args),
        Command::Alerts { command } => match command {
            AlertsCommand::List(args) => alerts::list(&mut output, &args),
            AlertsCommand::Show(args) => alerts::show(&mut output, &args),
            AlertsCommand::Violations(args) => alerts::violations(&mut output, &args),
            AlertsCommand::Pcap(args) => pcap::write(&mut output, &args),
            AlertsCommand::Bundle(args) => bundle::write(&mut output, &args),
            AlertsCommand::Status(args) => triage::alerts(&mut output, &args.triage, &Action::SetStatus(args.wanted)),
            AlertsCommand::Close(args) => {
                triage::alerts(&mut output, &args, &Action::SetStatus(ot_engine::model::Status::Closed))
            }
            AlertsCommand::Learn(args) => triage::learn(&mut output, &args),
            AlertsCommand::Unlearn(args) => triage::alerts(&mut output, &args, &Action::Unlearn),
            AlertsCommand::Mute(args) => triage::alerts(&mut output, &args, &Action::Mute),
            AlertsCommand::Unmute(args) => triage::alerts(&mut output, &args, &Action::Unmute),
            AlertsCommand::Comment(args) => triage::alerts(&mut output, &args.triage, &Action::Comment(args.comment)),
        },
        Command::Bundle { command: BundleCommand::Verify(args) } => bundle::verify(&mut output, &args.file),
        Command::Devices { command } => match command {
            DevicesCommand::List(args) => devices::list(&mut output, &args),
            DevicesCommand::Show(args) => devices::show(&mut output, &args),
            DevicesCommand::Journal(args) => devices::journal(&mut output, &args),
            DevicesCommand::Set(args) => context::set(&mut output, &args),
            DevicesCommand::Import(args) => context::import(&mut output, &args),
            DevicesCommand::Export(args) => context::export(&mut output, &args),
        },
        Command::Maintenance { command } => match command {
            MaintenanceCommand::Add(args) => maintenance::add(&mut output, &args),
            MaintenanceCommand::List(args) => maintenance::list(&mut output, &args),
            MaintenanceCommand::Remove(args) => maintenance::remove(&mut output, &args),
            MaintenanceCommand::Report(args) => maintenance::report(&mut output, &args),
        },
        Command::Baseline { command } => match command {
            BaselineCommand::List(args) => baseline::list(&mut output, &args),
            BaselineCommand::Export(args) => baseline::export(&mut output, &args),
            BaselineCommand::Diff(args) => baseline::diff(&mut output, &args),
            BaselineCommand::Import(args) => import::run(&mut output, &args),
            BaselineCommand::Remove(args) => baseline::remove(&mut output, &args),
            BaselineCommand::Expire(args) => baseline::expire(&mut output, &args),
            BaselineCommand::Undo(args) => triage::undo(&mut output, &args),
            BaselineCommand::Reset(args) => triage::reset(&mut output, &args),
        },
        Command::Events { command: EventsCommand::List(args) } => events::list(&mut output, &args),
        Command::Points { command: PointsCommand::List(args) } => devices::points(&mut output, &args),
        Command::Indicators { command } => match command {
            IndicatorsCommand::Import(args) => indicators::import(&mut output, &args),
            IndicatorsCommand::List(args) => indicators::list(&mut output, &args),
            IndicatorsCommand::Show(args) => indicators::show(&mut output, &args),
            IndicatorsCommand::Remove(args) => indicators::remove(&mut output, &args),
            IndicatorsCommand::Check(args) => indicators::check(&mut output, &args),
        },
        Command::Programs { command } => match command {
            ProgramsCommand::List(args) => programs::list(&mut output, &args),
            ProgramsCommand::Show(args) => programs::show(&mut output, &args),
            ProgramsCommand::Diff(args) => programs::diff(&mut output, &args),
        },
        Command::Man(args) => documents::man(&mut output, &args.folder),
        Command::Completions(args) => documents::completions(&mut output, args.shell),
        Command::CheckConfig(args) => check_config::run(&mut output, &args),
        Command::Backup(args) => backup::backup(&mut output, &args),
        Command::Restore(args) => backup::restore(&mut output, &args),
        Command::CheckStore(args) => check_store::run(&mut output, &args),
        Command::Export(args) => export::run(&mut output, &args),
        Command::Diagnostics(args) => diagnostics::run(&mut output, &args),
        Command::Doctor(args) => doctor::run(&mut output, &args),
        Command::Learning(args) => learning::run(&mut output, &args),
        Command::Stats(args) => stats::show(&mut output, &args),
        Command::Catalogue { navigator: true, output: file, .. } => catalogue::navigator(&mut output, file.as_deref()),
        Command::Catalogue { command, .. } => catalogue::run(&mut output, command),
        #[cfg(feature = "forward")]
        Command::Forward { args, command } => forward::run(&mut output, &args, command.as_ref()),
        #[cfg(feature = "fleet")]
        Command::Fleet { command } => fleet::run(&mut output, &command),
        #[cfg(feature = "console")]
        Command::Console(args) => console::run(&mut output, &args),
        #[cfg(feature = "console")]
        Command::Setup(args) => setup::run(&mut output, &args),
        #[cfg(feature = "console")]
        Command::User { command } => users::run(&mut output, &command),
        Command::Rules { command } => match command {
            RulesCommand::Check(args) => rules::check(&mut output, &args),
            RulesCommand::List(args) => rules::list(&mut output, &args),
            RulesCommand::Test(args) => rules::test(&mut output, &args),
            RulesCommand::Import(args) => rules::import(&mut output, &args),
            RulesCommand::Reload(args) => rules::reload(&mut output, &args),
        },
    }?;
    output.finish()?;
    Ok(exit)
}

/// Opens the store for reading, all answers of one moment.
fn reader(args: &StoreArgs) -> anyhow::Result<Reader> {
    let path = Config::of(args)?.store_path(args);
    let reader = Reader::open(&path)?;
    reader.begin()?;
    Ok(reader)
}

/// A time given on the command line.
fn moment(reader: &Reader, when: Option<When>) -> anyhow::Result<Option<Timestamp>> {
    match when {
        Some(when @ When::Before(_)) => Ok(Some(when.resolve(reader.newest()?))),
        Some(when) => Ok(Some(when.resolve(None))),
        None => Ok(None),
    }
}
